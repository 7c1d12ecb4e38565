/*
 * The number type of the engine. The engine's sources are built twice: as `engine` with
 * real = float, which trains, and as `engine_double` with real = double, in which
 * gradients are checked by finite differences: the very code that trains, at a precision
 * where a difference quotient means something. double_names.h gives the second build's
 * symbols names of their own.
 */
#ifndef BACKPROP_REAL_H
#define BACKPROP_REAL_H

#ifdef ENGINE_DOUBLE
#include "double_names.h"
typedef double real;
#else
typedef float real;
#endif

#endif
