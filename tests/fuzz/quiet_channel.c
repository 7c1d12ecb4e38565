/* See quiet_channel.h. */
#include "quiet_channel.h"

#include "base/memory.h"
#include "fuzz.h"
#include "process_limits.h"

#include <stdlib.h>
#include <string.h>

int channel_output(const struct channel *channel)
{
    (void)channel;
    return 1;
}

int channel_read(struct channel *channel, struct frame *ret_frame, struct error *err)
{
    if (channel->read == channel->frame_count)
        return error_set(err, ERR_EOF, "the daemon has closed");
    *ret_frame = channel->frames[channel->read++];
    return 0;
}

int channel_read_blob(struct channel *channel, size_t maximum, unsigned char **ret_bytes,
                      size_t *ret_length, struct error *err)
{
    (void)maximum;
    unsigned char *bytes = mem_alloc_array(channel->blob_bytes, 1);
    if (!bytes)
        return error_set(err, ERR_NOMEM, "no memory");
    memcpy(bytes, channel->blob, channel->blob_bytes);
    *ret_bytes = bytes;
    *ret_length = channel->blob_bytes;
    return 0;
}

int channel_is_cancelled(struct channel *channel, bool *ret_cancelled, struct error *err)
{
    (void)err;
    *ret_cancelled = channel->sent_bytes > 1000000;
    return 0;
}

int channel_listen(struct channel *channel, struct error *err)
{
    (void)channel;
    (void)err;
    return 0;
}

enum channel_command channel_command(const struct channel *channel)
{
    (void)channel;
    return COMMAND_NONE;
}

int channel_ready(struct channel *channel, struct error *err)
{
    (void)channel;
    (void)err;
    return 0;
}

void channel_set_busy(struct channel *channel, bool busy)
{
    (void)channel;
    (void)busy;
}

int channel_send(struct channel *channel, enum message_type type, const char *payload,
                 size_t length, struct error *err)
{
    (void)payload;
    (void)err;
    FUZZ_EXPECT(length <= message_max_payload(type));
    channel->sent_bytes += length;
    return 0;
}

int channel_send_json(struct channel *channel, enum message_type type, const json_t *json,
                      struct error *err)
{
    FUZZ_EXPECT(json);
    char *text = json_dumps(json, JSON_COMPACT);
    FUZZ_EXPECT(text);
    if (type == MESSAGE_REPLY) {
        channel->replies++;
        channel->last_status = (int)json_integer_value(json_object_get(json, "status"));
    }
    int rc = channel_send(channel, type, text, strlen(text), err);
    free(text);
    return rc;
}

int channel_progress(struct channel *channel, const char *text, size_t length,
                     struct error *err)
{
    return channel_send(channel, MESSAGE_PROGRESS, text, length, err);
}

int channel_point(struct channel *channel, const char *text, size_t length,
                  struct error *err)
{
    return channel_send(channel, MESSAGE_METRICS, text, length, err);
}

int channel_send_blob(struct channel *channel, enum message_type announcement,
                      const json_t *json, const void *bytes, size_t length,
                      struct error *err)
{
    (void)bytes;
    (void)length;
    return channel_send_json(channel, announcement, json, err);
}

void channel_out_of_memory(struct channel *channel)
{
    (void)channel;
}

int limits_close_descriptors(int first, int kept, struct error *err)
{
    (void)first;
    (void)kept;
    (void)err;
    return 0;
}
