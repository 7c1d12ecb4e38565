/*
 * System calls that fail on demand, in copies of the real programs: the linker's --wrap
 * leads open, read, write, pread, pwrite, fsync and rename through here. Which
 * call fails is said by a file "faults" beside the program, which a test maps as well:
 * the daemon's and its workers' calls are counted together.
 *
 * Only calls on regular files count, and of open and rename those on paths with /data/.
 */
#ifndef BACKPROP_TESTS_FAULTY_CALLS_H
#define BACKPROP_TESTS_FAULTY_CALLS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum fault_call {
    CALL_OPEN = 1,
    CALL_READ = 2,
    CALL_WRITE = 4,
    CALL_SYNC = 8,
    CALL_RENAME = 16,
    CALL_STORE_WRITE = 32, /* SQLite's, see faulty_store.c */
    CALL_STORE_SYNC = 64
};

/* The file "faults", little-endian, without padding. */
struct faults {
    _Atomic uint32_t calls; /* which kinds count and fail */
    uint32_t error;         /* errno */
    uint64_t nth;           /* from 1; 0: none fails */
    _Atomic uint64_t counted, injected;
    uint32_t lasts; /* all that follow fail as well */
    uint32_t half;  /* the nth write does half of its work instead of failing */
};

/* Counts a call; true, with errno set, when it is to fail. */
bool fault_now(enum fault_call call);

/* The mapped file; NULL when there is none: then nothing fails. */
struct faults *faults_shared(void);

#endif
