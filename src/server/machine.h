/* What this machine, or the container around the process, has to give. */
#ifndef BACKPROPD_MACHINE_H
#define BACKPROPD_MACHINE_H

#include <stddef.h>
#include <stdint.h>

/* Cores that this process may run on; at least 1. */
int machine_cores(void);

/* Memory in MiB: the machine's, or the limit of the control group where that is lower. */
int64_t machine_memory_mb(void);

/* The path of a program that lies beside the running one, or in ../libexec of its folder.
 * Returns 0, or a negative code when there is none. */
int machine_find_program(const char *name, char *ret_path, size_t size);

#endif
