/* See entity_tag.h. */
#include "entity_tag.h"

#include <string.h>

#define SEPARATORS " \t,"

bool entity_tag_is_known(const char *if_none_match, const char *tag)
{
    if (!if_none_match)
        return false;
    size_t length = strlen(tag);
    for (const char *at = if_none_match; *(at += strspn(at, SEPARATORS)) != '\0';) {
        if (*at == '*')
            return true;
        if (strncmp(at, "W/", 2) == 0)
            at += 2;
        if (strncmp(at, tag, length) == 0)
            return true;
        const char *end = *at == '"' ? strchr(at + 1, '"') : NULL;
        if (!end)
            return false; /* not a list of tags */
        at = end + 1;
    }
    return false;
}
