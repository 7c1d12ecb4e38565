/*
 * Gives files to a harness, one after the other: the corpus as a regression test, and
 * what a fuzzer found, to look at it in a debugger.
 *
 *     fuzz_spec FILE_OR_FOLDER …
 */
#include "fuzz.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES ((size_t)16 << 20)

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return -1;
    }
    uint8_t *bytes = malloc(MAX_BYTES);
    FUZZ_EXPECT(bytes);
    size_t length = fread(bytes, 1, MAX_BYTES, file);
    fclose(file);
    /* A block of its own length, so that a sanitizer sees a read past the end. */
    uint8_t *input = malloc(length > 0 ? length : 1);
    FUZZ_EXPECT(input);
    memcpy(input, bytes, length);
    free(bytes);
    printf("%s\n", path);
    fflush(stdout); /* the last line names the culprit */
    LLVMFuzzerTestOneInput(input, length);
    free(input);
    return 1;
}

/* Files replayed, or -1. Folders in a folder are passed over. */
static int replay(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0)
        return replay_file(path);
    int replayed = 0;
    for (int i = 0; i < count; i++) {
        char name[4096];
        snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
        if (replayed >= 0 && entries[i]->d_type == DT_REG)
            replayed = replay_file(name) > 0 ? replayed + 1 : -1;
        free(entries[i]);
    }
    free(entries);
    return replayed;
}

int main(int count, char **arguments)
{
    signal(SIGPIPE, SIG_IGN);
    int replayed = 0;
    for (int i = 1; i < count; i++) {
        int more = replay(arguments[i]);
        if (more <= 0) {
            fprintf(stderr, "%s: nothing to replay\n", arguments[i]);
            return 1;
        }
        replayed += more;
    }
    printf("inputs replayed: %d\n", replayed);
    return replayed > 0 ? 0 : 1;
}
