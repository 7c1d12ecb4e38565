/* The worker's channel without a daemon: frames in from memory, what is sent is checked
 * and thrown away. Takes the place of src/worker/channel.c and process_limits.c. */
#ifndef BACKPROP_QUIET_CHANNEL_H
#define BACKPROP_QUIET_CHANNEL_H

#include "channel.h"

#include <stddef.h>

struct channel {
    const void *blob; /* what channel_read_blob() gives */
    size_t blob_bytes;
    struct frame frames[2]; /* that come in */
    int frame_count, read;
    int replies;     /* REPLY frames that were sent */
    int last_status; /* of the last of them */
    size_t sent_bytes;
};

#endif
