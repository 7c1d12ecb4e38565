/*
 * See landlock.h. The kernel's own documentation is userspace-api/landlock. glibc has no
 * wrappers, and Debian 12's header knows only the first two of the versions below, so the
 * three system calls and their bits are written out here.
 */
#include "landlock.h"

#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RULESET_VERSION 1 /* the flag that asks for it */

/* struct landlock_ruleset_attr as of version 6. Older kernels take a longer one than they
 * know if the rest is zero. */
struct ruleset {
    uint64_t files;  /* handled_access_fs: what is forbidden unless a rule allows it */
    uint64_t net;    /* handled_access_net */
    uint64_t scoped; /* what stays within this domain */
};

/* All that each version can forbid; rows from the oldest. */
static const struct {
    long version;
    struct ruleset all;
} versions[] = {
    {1, {0x1fff, 0, 0}}, /* execute, read, write, list, make, remove */
    {2, {0x3fff, 0, 0}}, /* move and link between folders */
    {3, {0x7fff, 0, 0}}, /* truncate */
    {4, {0x7fff, 3, 0}}, /* bind and connect TCP */
    {5, {0xffff, 3, 0}}, /* ioctl of devices */
    {6, {0xffff, 3, 3}}, /* abstract UNIX sockets, signals */
};

int landlock_close_files(struct error *err)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, RULESET_VERSION);
    if (version < 1)
        return error_set(err, ERR_CONFLICT, "the kernel has no Landlock");
    struct ruleset ruleset = versions[0].all;
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
        if (versions[i].version <= version)
            ruleset = versions[i].all;
    long fd = syscall(SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0);
    if (fd < 0)
        return error_set_errno(err, errno, "Landlock takes no rules");
    int rc = 0;
    if (syscall(SYS_landlock_restrict_self, fd, 0) != 0)
        rc = error_set_errno(err, errno, "Landlock cannot be entered");
    close((int)fd);
    return rc;
}
