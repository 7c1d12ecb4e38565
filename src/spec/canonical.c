/* See canonical.h. */
#include "canonical.h"

#include "base/error.h"

#include <math.h>

#define WHOLE_MAXIMUM 1e15 /* every smaller whole double is exact as an integer */

void canonical_set(json_t *object, const char *key, json_t *value,
                   struct violations *violations)
{
    if (json_object_set_new(object, key, value) != 0)
        violations->status = ERR_NOMEM;
}

void canonical_append(json_t *list, json_t *value, struct violations *violations)
{
    if (json_array_append_new(list, value) != 0)
        violations->status = ERR_NOMEM;
}

json_t *canonical_number(double number)
{
    if (fabs(number) < WHOLE_MAXIMUM && trunc(number) == number)
        return json_integer((json_int_t)number);
    return json_real(number);
}

json_t *canonical_shape(const struct shape *shape)
{
    json_t *list = json_array();
    for (int i = 0; i < shape->rank; i++) {
        if (json_array_append_new(list, json_integer(shape->dims[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}
