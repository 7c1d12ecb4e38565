/* See list_reply.h. */
#include "list_reply.h"

#include "base/id.h"
#include "json_text.h"
#include "reply.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

bool list_read_integer(struct request *request, const char *name, int64_t minimum,
                       int64_t maximum, int64_t fallback, int64_t *ret_value)
{
    const char *text = request_query(request, name);
    if (!text) {
        *ret_value = fallback;
        return true;
    }
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < minimum || value > maximum) {
        reply_problem(request, 400, "invalid_argument",
                      "%s: expected an integer from %" PRId64 " to %" PRId64
                      ", found \"%.40s\"",
                      name, minimum, maximum, text);
        return false;
    }
    *ret_value = value;
    return true;
}

bool list_read_page(struct request *request, const char *prefix, struct page *ret_page)
{
    int64_t limit;
    if (!list_read_integer(request, "limit", 1, PAGE_MAX, LIST_DEFAULT_LIMIT, &limit))
        return false;
    const char *after = request_query(request, "after");
    if (after && !id_is_valid(prefix, after)) {
        reply_problem(request, 400, "invalid_argument",
                      "after: expected the ID of the last object of the page before "
                      "(%s_…), found \"%.40s\"",
                      prefix, after);
        return false;
    }
    *ret_page = (struct page){
        .limit = (int)limit, .after = after, .owner = request_sees(request)};
    return true;
}

void list_open(struct buffer *buffer)
{
    buffer_append_string(buffer, "{\"object\":\"list\",\"data\":[");
}

void list_close(struct buffer *buffer, const char *first_id, const char *last_id,
                bool has_more)
{
    buffer_append_char(buffer, ']');
    json_text_string(buffer, "first_id", first_id);
    json_text_string(buffer, "last_id", last_id);
    json_text_boolean(buffer, "has_more", has_more);
    buffer_append_char(buffer, '}');
}
