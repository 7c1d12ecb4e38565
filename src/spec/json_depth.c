/* See json_depth.h. */
#include "json_depth.h"

bool json_is_too_deep(const char *text, size_t length, int limit, int *ret_line,
                      int *ret_column)
{
    int depth = 0, line = 1, column = 0;
    bool in_string = false, escaped = false;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        column++;
        if (c == '\n') {
            line++;
            column = 0;
        }
        if (in_string) {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > limit) {
                *ret_line = line;
                *ret_column = column;
                return true;
            }
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return false;
}
