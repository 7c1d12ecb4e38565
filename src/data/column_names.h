/*
 * The names of a table's columns, from its header or without one: blanks around a name
 * are dropped, a name over FACTS_MAX_NAME_BYTES is cut, column i without a name is "c<i>"
 * (counted from 0), and a name that was there before gets ".1", ".2", ….
 */
#ifndef BACKPROP_COLUMN_NAMES_H
#define BACKPROP_COLUMN_NAMES_H

#include "csv_scan.h"

/* `header` is [count], or NULL for a table without one. Gives an array of `count` names;
 * the array and each name are the caller's (column_names_free). NULL without memory. */
char **column_names_new(const struct csv_field *header, int count);
void column_names_free(char **names, int count);

#endif
