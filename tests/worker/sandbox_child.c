/* See sandbox_child.h. */
#include "sandbox_child.h"

#include "worker/process_limits.h"
#include "worker/sandbox.h"
#include "worker/syscall_filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CANNOT_ENTER 120

static void enter(void)
{
    const struct limits limits = {.memory_mb = 64, .file_mb = 0};
    struct sandbox_state state;
    struct error err = {0};
    enum sandbox_policy policy = SYSCALL_FILTER_LAX ? SANDBOX_AUTO : SANDBOX_STRICT;
    int rc = limits_apply(&limits, &err);
    if (rc == 0)
        rc = sandbox_enter(policy, &state, &err);
    if (rc == 0)
        return;
    dprintf(STDERR_FILENO, "%s\n", err.text);
    _exit(CANNOT_ENTER);
}

static void read_words(int fd, char *words, size_t size)
{
    size_t used = 0;
    ssize_t got;
    while (used < size - 1 && (got = read(fd, words + used, size - 1 - used)) > 0)
        used += (size_t)got;
    words[used] = '\0';
}

void child_run(int (*function)(const void *context), const void *context, bool open_air,
               struct child_end *ret_end)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        if (!open_air)
            enter();
        _exit(function(context));
    }
    close(ends[1]);
    *ret_end = (struct child_end){0};
    read_words(ends[0], ret_end->words, sizeof(ret_end->words));
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status))
        ret_end->signal = WTERMSIG(status);
    else
        ret_end->exit_status = WEXITSTATUS(status);
    if (ret_end->exit_status == CANNOT_ENTER)
        fail_msg("the sandbox cannot be entered: %s", ret_end->words);
}
