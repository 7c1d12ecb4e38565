/*
 * job_spec_load_json(): from the text of a request to JSON. The text is a stranger's, so
 * its size and depth are checked before Jansson recurses into it.
 */
#include "base/error.h"
#include "job_spec.h"
#include "json_depth.h"
#include "json_parse.h"

int job_spec_load_json(const char *text, size_t length, json_t **ret_json,
                       struct violations *violations)
{
    int line = 0, column = 0;
    if (length > SPEC_MAX_BYTES)
        return violations_add(violations, "",
                              "expected at most %d bytes of JSON, found %zu",
                              SPEC_MAX_BYTES, length);
    if (json_is_too_deep(text, length, SPEC_MAX_DEPTH, &line, &column))
        return violations_add(
            violations, "",
            "expected at most %d levels of nested JSON, found more at line "
            "%d, column %d",
            SPEC_MAX_DEPTH, line, column);
    json_error_t error = {0};
    int rc = json_parse(text, length, JSON_REJECT_DUPLICATES, ret_json, &error);
    if (rc != ERR_INVALID)
        return rc;
    return violations_add(violations, "",
                          "expected JSON, found an error at line %d, column "
                          "%d: %s",
                          error.line, error.column, error.text);
}
