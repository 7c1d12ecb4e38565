/* See exposition.h. */
#include "exposition.h"

#include <inttypes.h>

#define NS_PER_SECOND 1e9

void exposition_family(struct buffer *text, const char *name, const char *type,
                       const char *help)
{
    buffer_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void append_name(struct buffer *text, const char *name, const char *labels)
{
    buffer_append_string(text, name);
    if (labels[0] != '\0')
        buffer_printf(text, "{%s}", labels);
}

void exposition_integer(struct buffer *text, const char *name, const char *labels,
                        int64_t value)
{
    append_name(text, name, labels);
    buffer_printf(text, " %" PRId64 "\n", value);
}

void exposition_seconds(struct buffer *text, const char *name, const char *labels,
                        int64_t nanoseconds)
{
    append_name(text, name, labels);
    buffer_printf(text, " %.9g\n", (double)nanoseconds / NS_PER_SECOND);
}

/* Buckets are cumulative. The count is the last bucket's and not read apart, so that both
 * agree while others observe. */
void exposition_histogram(struct buffer *text, const char *name, const char *labels,
                          const struct histogram_values *values)
{
    const char *comma = labels[0] != '\0' ? "," : "";
    int64_t sum = 0;
    for (int i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        sum += values->counts[i];
        buffer_printf(text, "%s_bucket{%s%sle=\"", name, labels, comma);
        if (i < HISTOGRAM_BOUNDS)
            buffer_printf(text, "%g", (double)histogram_bounds_ns[i] / NS_PER_SECOND);
        else
            buffer_append_string(text, "+Inf");
        buffer_printf(text, "\"} %" PRId64 "\n", sum);
    }
    const char *open = labels[0] != '\0' ? "{" : "",
               *close = labels[0] != '\0' ? "}" : "";
    buffer_printf(text, "%s_sum%s%s%s %.9g\n", name, open, labels, close,
                  (double)values->sum_ns / NS_PER_SECOND);
    buffer_printf(text, "%s_count%s%s%s %" PRId64 "\n", name, open, labels, close, sum);
}

void exposition_gauge(struct buffer *text, const char *name, const char *help,
                      int64_t value)
{
    exposition_family(text, name, "gauge", help);
    exposition_integer(text, name, "", value);
}

void exposition_counter(struct buffer *text, const char *name, const char *help,
                        int64_t value)
{
    exposition_family(text, name, "counter", help);
    exposition_integer(text, name, "", value);
}
