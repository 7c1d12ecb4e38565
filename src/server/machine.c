/* See machine.h. */
#include "machine.h"

#include "base/error.h"

#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int machine_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return 1;
    int cores = CPU_COUNT(&set);
    return cores > 0 ? cores : 1;
}

/* The limit of control group version 2 as a container sees it; INT64_MAX without one. */
static int64_t group_limit_bytes(void)
{
    int64_t limit = INT64_MAX;
    FILE *file = fopen("/sys/fs/cgroup/memory.max", "re");
    if (!file)
        return limit;
    if (fscanf(file, "%" SCNd64, &limit) != 1 || limit <= 0)
        limit = INT64_MAX; /* "max" */
    fclose(file);
    return limit;
}

int64_t machine_memory_mb(void)
{
    int64_t bytes = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    int64_t limit = group_limit_bytes();
    return (limit < bytes ? limit : bytes) >> 20;
}

int machine_find_program(const char *name, char *ret_path, size_t size)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (length <= 0)
        return ERR_IO;
    self[length] = '\0';
    *strrchr(self, '/') = '\0';
    static const char *const places[] = {"", "/../libexec"};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char path[PATH_MAX];
        int used = snprintf(path, sizeof(path), "%s%s/%s", self, places[i], name);
        if (used > 0 && (size_t)used < sizeof(path) && (size_t)used < size &&
            access(path, X_OK) == 0) {
            memcpy(ret_path, path, (size_t)used + 1);
            return 0;
        }
    }
    return ERR_NOT_FOUND;
}
