/* The client's commands: one table, one function each. */
#ifndef BACKPROP_CLIENT_COMMANDS_H
#define BACKPROP_CLIENT_COMMANDS_H

#include "api.h"

/* Words after the command, options taken out. */
struct arguments {
    int count;
    char **words;
    const char *name;                                    /* --name */
    const char *dataset;                                 /* --dataset */
    const char *output;                                  /* --output */
    const char *format;                                  /* --format */
    int watch;                                           /* --watch */
    const char *max_tokens, *temperature, *top_k, *seed; /* the same names */
};

struct command {
    const char *name;
    const char *usage; /* of its words */
    const char *help;
    int minimum, maximum; /* words */
    int (*run)(struct api *api, const struct arguments *arguments);
};

/* Ends with a row whose name is NULL. A command returns 0 or a negative enum error_code
 * with api->message set. */
extern const struct command command_table[];

#endif
