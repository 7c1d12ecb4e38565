/* If-None-Match (RFC 9110 section 13.1.2). */
#ifndef BACKPROP_HTTP_ENTITY_TAG_H
#define BACKPROP_HTTP_ENTITY_TAG_H

#include <stdbool.h>

/* True if the header's value (NULL: absent) is "*" or a list that has `tag`, which comes
 * with its quotes; weak tags are compared without their W/. */
bool entity_tag_is_known(const char *if_none_match, const char *tag);

#endif
