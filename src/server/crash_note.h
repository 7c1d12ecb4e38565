/*
 * Tells the next daemon how this one ended, if it fell over by itself: a signal of the
 * kind that faults and failed assertions raise is noted in the data folder before it does
 * its work. A stop, a kill -9 and a power cut leave no note.
 */
#ifndef BACKPROP_SERVER_CRASH_NOTE_H
#define BACKPROP_SERVER_CRASH_NOTE_H

#include "base/error.h"

#define CRASH_NOTE_SIZE 48

/* Takes an earlier daemon's note, "signal 11 (SIGSEGV)", or "" if there is none, and gets
 * ready to write one: once in a process, while it holds the data folder's lock. */
int crash_note_begin(const char *data_dir, char ret_note[CRASH_NOTE_SIZE],
                     struct error *err) __attribute__((warn_unused_result));

#endif
