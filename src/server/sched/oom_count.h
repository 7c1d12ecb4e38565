/*
 * How often the kernel has killed a process for want of memory: the difference over a
 * worker's life tells such a kill from any other SIGKILL.
 */
#ifndef BACKPROP_SCHED_OOM_COUNT_H
#define BACKPROP_SCHED_OOM_COUNT_H

#include <stdint.h>

/* `oom_kill` of /proc/vmstat (proc(5), since Linux 4.13); 0 where it cannot be read. */
uint64_t oom_count(void);

#endif
