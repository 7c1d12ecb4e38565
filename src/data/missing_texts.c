/* See missing_texts.h. */
#include "missing_texts.h"

#include <string.h>

static const char usual[] =
    "#N/A,#N/A N/A,#NA,-1.#IND,-1.#QNAN,-NaN,-nan,1.#IND,1.#QNAN,<NA>,"
    "N/A,NA,NULL,NaN,None,n/a,nan,null,?,-";

static int add(struct missing_texts *missing, const char *text, size_t length,
               struct error *err)
{
    missing_texts_trim(&text, &length);
    if (length == 0)
        return 0;
    int rc = value_set_add(&missing->set, text, length);
    if (rc == ERR_NOMEM)
        return error_set(err, ERR_NOMEM, "no memory for the texts of missing values");
    if (rc < 0)
        return error_set(err, ERR_INVALID,
                         "missing: at most %d texts of at most %d bytes are taken",
                         MISSING_TEXTS_MAX, FACTS_MAX_NAME_BYTES);
    missing->lengths[(unsigned char)text[0]] |= UINT64_C(1)
                                                << (length < 63 ? length : 63);
    return 0;
}

int missing_texts_init(struct missing_texts *missing, const char *list, struct error *err)
{
    *missing = (struct missing_texts){0};
    value_set_init(&missing->set, MISSING_TEXTS_MAX);
    const char *at = list ? list : usual;
    for (;;) {
        size_t length = strcspn(at, ",");
        int rc = add(missing, at, length, err);
        if (rc != 0) {
            missing_texts_release(missing);
            return rc;
        }
        if (at[length] == '\0')
            return 0;
        at += length + 1;
    }
}

bool missing_texts_is_usual(const char *text, size_t length)
{
    if (length == 0)
        return true;
    for (const char *at = usual;; at++) {
        size_t entry = strcspn(at, ",");
        if (entry == length && memcmp(at, text, length) == 0)
            return true;
        at += entry;
        if (*at == '\0')
            return false;
    }
}

void missing_texts_release(struct missing_texts *missing)
{
    value_set_release(&missing->set);
}
