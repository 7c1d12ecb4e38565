/* See check_command.h. */
#include "check_command.h"

#include "store/check.h"

#include <stdio.h>

static void print_problem(void *context, const char *text)
{
    (void)context;
    printf("damaged: %s\n", text);
}

int check_command_look(const char *dir, bool summary, struct error *err)
{
    struct check_report report = {.problem = print_problem};
    struct error cause = {0};
    int rc = check_folder(dir, &report, &cause);
    if (rc < 0)
        return error_set(err, rc, "%s: %s", dir, cause.text);
    if (summary)
        printf("intact: %lld weights and checkpoints, %lld bytes\n"
               "intact: %lld dataset files, %lld bytes\n",
               (long long)report.blobs, (long long)report.blob_bytes,
               (long long)report.files, (long long)report.file_bytes);
    if (report.problems > 0)
        return error_set(err, ERR_CORRUPT,
                         "%s: %lld found damaged; `backpropd restore` puts in its place "
                         "what `backpropd backup` has kept",
                         dir, (long long)report.problems);
    if (summary)
        printf("nothing is damaged\n");
    return 0;
}

int check_command_run(const struct config *config, struct error *err)
{
    return check_command_look(config->data_dir, true, err);
}
