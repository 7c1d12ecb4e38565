/*
 * Attributes: the typed values of one object of the spec (a layer, an optimizer, a
 * schedule, a loss), read through a table of keys.
 *
 * A table row says a key's name, type, bounds, choices and default. One reader walks any
 * table: it reports every violation at once, fills in the defaults, writes the canonical
 * JSON and the values. So a new layer or optimizer is a new table and no new parser.
 */
#ifndef BACKPROP_ATTRS_H
#define BACKPROP_ATTRS_H

#include "base/violations.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define ATTRS_MAX 16
#define ATTR_STRING_SIZE 64
#define ATTR_LIST_MAX 16

enum key_type {
    KEY_NUMBER,  /* a finite double in [minimum, maximum] */
    KEY_INTEGER, /* an integer in [minimum, maximum] */
    KEY_BOOLEAN,
    KEY_CHOICE,   /* one of `choices` */
    KEY_STRING,   /* at most ATTR_STRING_SIZE - 1 bytes */
    KEY_INTEGERS, /* an integer or a list of them */
    KEY_OTHER     /* optional; whatever it is, the owner of the table reads it */
};

struct choice_number;

struct key {
    const char *name;
    enum key_type type;
    double minimum, maximum; /* numbers and integers; inclusive … */
    bool above_minimum;      /* … but for these two: minimum < x, x < maximum */
    bool below_maximum;
    /* NULL-terminated. KEY_CHOICE: the values; KEY_INTEGERS: words (see `word`), or NULL
     */
    const char *const *choices;
    /* KEY_CHOICE: choices that may also be an object with a number; NULL: none. */
    const struct choice_number *numbers;
    /* The default as JSON text ("0.9", "\"relu\""). NULL: the key is required; "null": it
     * is optional, and null may be written, too. */
    const char *fallback;
    const char *word; /* another accepted string, e.g. "auto"; NULL: none */
    int list_length;  /* KEY_INTEGERS; 0: any from 1 to ATTR_LIST_MAX */
};

/* {"type": choice, number.name: a KEY_NUMBER with a default} besides the choice alone. */
struct choice_number {
    const char *choice; /* NULL ends the table */
    struct key number;
};

/* Members of a row: {"rate", KEY_NUMBER, AT_LEAST(0), BELOW(1), DEFAULT("0.5")}. */
#define AT_LEAST(bound) .minimum = (bound)
#define ABOVE(bound) .minimum = (bound), .above_minimum = true
#define AT_MOST(bound) .maximum = (bound)
#define BELOW(bound) .maximum = (bound), .below_maximum = true
#define DEFAULT(json) .fallback = (json)

struct attr {
    const struct key *key;
    bool is_word;  /* the value is key->word, or a word of KEY_INTEGERS */
    bool is_null;  /* an optional key that was not given; numbers are 0, texts "" */
    double number; /* KEY_NUMBER, KEY_INTEGER, KEY_BOOLEAN (0 or 1), and … */
    const struct key
        *numbered;   /* … KEY_CHOICE where this is not NULL: the number's key */
    int64_t integer; /* KEY_INTEGER, KEY_BOOLEAN; index into choices for KEY_CHOICE */
    char string[ATTR_STRING_SIZE]; /* KEY_CHOICE, KEY_STRING */
    int64_t list[ATTR_LIST_MAX];
    int list_count;
    const json_t
        *other; /* KEY_OTHER: the value, borrowed from the object that was read */
};

struct attrs {
    int count;
    struct attr items[ATTRS_MAX];
};

/*
 * Reads `object` by the table `keys` (ended by a row whose name is NULL). Keys that are
 * in neither `keys` nor `others` (NULL-terminated names, may be NULL) are violations that
 * name the nearest known key. Values and defaults are put into *ret_attrs, and into
 * `canonical` (an object, borrowed; may be NULL) in the order of the table. `pointer` is
 * the JSON Pointer of `object`. An integer must be a JSON integer: 3.0 is none. Whole
 * numbers are written without a fraction. No memory sets the violations' status. Returns
 * 0, or ERR_INVALID when it added violations; what could be read is set even then.
 */
int attrs_read(const json_t *object, const char *pointer, const struct key *keys,
               const char *const *others, struct attrs *ret_attrs, json_t *canonical,
               struct violations *violations);

/* True if the table has the key. */
bool attrs_has(const struct attrs *attrs, const char *name);

/* Replaces a value that depends on others ("auto") once they are known, in the attributes
 * and in `canonical` (may be NULL). Takes `value`, which obeys the key's rules; NULL: no
 * memory. */
void attrs_resolve(struct attrs *attrs, const char *name, json_t *value,
                   json_t *canonical, struct violations *violations);

/* Values by name; asking for a key that the table does not have is a bug (assert). */
const struct attr *attrs_find(const struct attrs *attrs, const char *name);
double attrs_number(const struct attrs *attrs, const char *name);
int64_t attrs_integer(const struct attrs *attrs, const char *name);
bool attrs_boolean(const struct attrs *attrs, const char *name);
const char *attrs_string(const struct attrs *attrs, const char *name);

/* The value as in the canonical JSON. New reference, NULL without memory. */
json_t *attrs_json(const struct attrs *attrs, const char *name);

#endif
