/* See framing.h. */
#include "framing.h"

#include "reply.h"

#include <string.h>
#include <strings.h>

/* RFC 9110, section 5.6.2: what the name of a header is made of. */
static const char token_characters[] =
    "!#$%&'*+-.^_`|~0123456789"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

struct framing {
    int lengths, codings;
    const char *coding;
    bool names_are_tokens;
};

static enum MHD_Result look_at_header(void *context, enum MHD_ValueKind kind,
                                      const char *name, const char *value)
{
    struct framing *framing = context;
    (void)kind;
    if (name[0] == '\0' || name[strspn(name, token_characters)] != '\0')
        framing->names_are_tokens = false;
    framing->lengths += strcasecmp(name, "Content-Length") == 0;
    if (strcasecmp(name, "Transfer-Encoding") == 0) {
        framing->codings++;
        framing->coding = value ? value : "";
    }
    return MHD_YES;
}

bool framing_check(struct request *request)
{
    struct framing framing = {.names_are_tokens = true};
    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, look_at_header,
                              &framing);
    bool is_ambiguous = !framing.names_are_tokens || framing.codings > 1 ||
                        framing.lengths > (framing.codings > 0 ? 0 : 1);
    bool is_known = framing.codings == 0 || strcasecmp(framing.coding, "chunked") == 0;
    if (!is_ambiguous && is_known)
        return true;
    reply_add_header(request, "Connection", "close");
    if (!framing.names_are_tokens)
        reply_problem(request, 400, "invalid_header",
                      "expected names of headers without spaces and separators");
    else if (is_ambiguous)
        reply_problem(request, 400, "invalid_header",
                      "expected one Content-Length or one Transfer-Encoding at most, "
                      "found %d and %d",
                      framing.lengths, framing.codings);
    else
        reply_problem(request, 400, "unsupported_transfer_encoding",
                      "expected the Transfer-Encoding chunked, found \"%.60s\"",
                      framing.coding);
    return false;
}
