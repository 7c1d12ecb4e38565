/* See sandbox.h. */
#include "sandbox.h"

#include "landlock.h"
#include "syscall_filter.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

bool sandbox_policy_parse(const char *word, enum sandbox_policy *ret_policy)
{
    static const char *const words[] = {
        [SANDBOX_NONE] = "none", [SANDBOX_AUTO] = "auto", [SANDBOX_STRICT] = "strict"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i], word) == 0) {
            *ret_policy = (enum sandbox_policy)i;
            return true;
        }
    }
    return false;
}

const char *sandbox_level_name(enum sandbox_level level)
{
    static const char *const names[] = {[SANDBOX_LEVEL_NONE] = "none",
                                        [SANDBOX_LEVEL_BASIC] = "basic",
                                        [SANDBOX_LEVEL_LAX] = "lax",
                                        [SANDBOX_LEVEL_SECCOMP] = "seccomp",
                                        [SANDBOX_LEVEL_FULL] = "full"};
    return names[level];
}

#if SYSCALL_FILTER_LAX

static enum sandbox_level enter(struct sandbox_state *state)
{
    error_set(&state->missing, ERR_CONFLICT,
              "it was built with a sanitizer, whose runtime opens files");
    if (syscall_filter_install(&state->missing) != 0)
        return SANDBOX_LEVEL_BASIC;
    return SANDBOX_LEVEL_LAX;
}

#else

/* No new ones: the limit is on their numbers, and is kept above 0 for poll(), which takes
 * no more entries than that. */
static int forbid_descriptors(struct error *err)
{
    struct rlimit none = {1, 1};
    if (setrlimit(RLIMIT_NOFILE, &none) != 0)
        return error_set_errno(err, errno, "descriptors cannot be forbidden");
    return 0;
}

static enum sandbox_level enter(struct sandbox_state *state)
{
    /* Landlock needs a descriptor for a moment, and a system call. */
    int files = landlock_close_files(&state->missing);
    int descriptors = forbid_descriptors(&state->missing);
    if (syscall_filter_install(&state->missing) != 0)
        return SANDBOX_LEVEL_BASIC;
    return files == 0 && descriptors == 0 ? SANDBOX_LEVEL_FULL : SANDBOX_LEVEL_SECCOMP;
}

#endif

/* What the C library loads when it is first needed, which may be too late: the unwinder,
 * for threads that are cancelled. */
static void load_libraries(void)
{
    (void)dlopen("libgcc_s.so.1", RTLD_NOW | RTLD_NODELETE);
}

int sandbox_enter(enum sandbox_policy policy, struct sandbox_state *ret_state,
                  struct error *err)
{
    struct sandbox_state state = {.level = SANDBOX_LEVEL_NONE};
    load_libraries();
    if (policy != SANDBOX_NONE)
        state.level = enter(&state);
    if (policy == SANDBOX_STRICT && state.level != SANDBOX_LEVEL_FULL)
        return error_set(err, ERR_CONFLICT, "the sandbox is only \"%s\": %s",
                         sandbox_level_name(state.level), state.missing.text);
    *ret_state = state;
    return 0;
}
