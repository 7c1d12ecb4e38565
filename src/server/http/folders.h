/* The data folder's parts that HTTP handlers use: tmp/ for what is on its way, datasets/
 * for dataset files, which are named by their SHA-256. */
#ifndef BACKPROP_HTTP_FOLDERS_H
#define BACKPROP_HTTP_FOLDERS_H

#include "server.h"

#define FOLDERS_PATH_SIZE 4096

/* Makes both folders, empties tmp/, and deletes dataset files that no dataset uses: a
 * process may have ended between the rename of a file and the COMMIT of its dataset, or
 * between the COMMIT of a deletion and the unlink. Before the first request. */
int folders_prepare(struct server *server, struct error *err)
    __attribute__((warn_unused_result));

/* data_dir/tmp, or data_dir/<folder>/<name>. ERR_TOO_LARGE when it does not fit. */
int folders_path(const struct server *server, const char *folder, const char *name,
                 char ret_path[FOLDERS_PATH_SIZE], struct error *err)
    __attribute__((warn_unused_result));

/* Deletes a dataset file unless some dataset uses it. On the store's writer thread, so
 * that no dataset can come to use it meanwhile. */
void folders_drop_dataset(const struct server *server, struct db *db,
                          const char *file_sha256);

/* The file of the dataset with that digest, open for reading; the caller closes it. */
int folders_open_dataset(const struct server *server, const char *sha256, int *ret_fd,
                         struct error *err) __attribute__((warn_unused_result));

#endif
