/* The command "generate": a text that a model goes on with, printed as it is made. */
#ifndef BACKPROP_CLIENT_GENERATE_H
#define BACKPROP_CLIENT_GENERATE_H

#include "commands.h"

int run_generate(struct api *api, const struct arguments *arguments);

#endif
