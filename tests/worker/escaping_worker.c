/*
 * A worker that was taken over: it enters the real sandbox, says READY to whatever task
 * comes, and then asks for a socket.
 */
#include "wire/frame.h"
#include "worker/sandbox.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct sandbox_state state;
    struct error err = {0};
    if (sandbox_enter(SANDBOX_AUTO, &state, &err) != 0)
        return 1;
    char ready[128];
    snprintf(ready, sizeof(ready), "{\"version\":\"taken over\",\"sandbox\":\"%s\"}",
             sandbox_level_name(state.level));
    if (argc > 1 && strcmp(argv[argc - 1], "--probe") == 0)
        return puts(ready) < 0;
    struct frame_reader reader;
    struct frame frame;
    frame_reader_init(&reader, FROM_DAEMON);
    if (frame_read(&reader, STDIN_FILENO, &frame, &err) != 0 ||
        frame_write(STDOUT_FILENO, MESSAGE_READY, ready, strlen(ready), &err) != 0)
        return 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    frame_reader_release(&reader);
    return fd >= 0 ? 2 : 3;
}
