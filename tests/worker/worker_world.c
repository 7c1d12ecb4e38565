/* See worker_world.h. */
#include "worker_world.h"

#include "base/buffer.h"
#include "base/io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int memory_file(const char *text)
{
    int fd = memfd_create("part", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(io_write_full(fd, text, strlen(text)), 0);
    return fd;
}

json_t *ingest_options(void)
{
    return json_pack("{s:s, s:s, s:i, s:i}", "header", "auto", "delimiter", "auto",
                     "max_expanded_bytes", 1 << 30, "max_rows", 1000000);
}

void start_ingest(struct worker_client *client, const char *csv, int output)
{
    int fds[] = {memory_file(csv), output};
    client_start(client, fds, 2);
    close(fds[0]);
    json_t *task = json_pack("{s:s, s:[s], s:o}", "task", "ingest", "parts", "table",
                             "options", ingest_options());
    assert_true(client_send_json(client, MESSAGE_TASK, task));
    json_decref(task);
}

int world_setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    struct buffer csv;
    buffer_init(&csv, 1 << 20);
    buffer_append_string(&csv, "a,b,y,c\n");
    for (int i = 0; i < 400; i++) {
        int a = i * 37 % 101, b = i * 53 % 97;
        buffer_printf(&csv, "%d,%d,%d,%s\n", a, b, a > b ? a : b,
                      a > b ? "left" : "right");
    }
    world->file = memfd_create("dataset", MFD_CLOEXEC);
    struct worker_client client;
    start_ingest(&client, csv.data, world->file);
    const json_t *done = client_read_end(&client, MESSAGE_DONE);
    world->facts = json_deep_copy(json_object_get(done, "facts"));
    assert_int_equal(client_end(&client), 0);
    buffer_release(&csv);
    *state = world;
    return 0;
}

int world_teardown(void **state)
{
    struct world *world = *state;
    close(world->file);
    json_decref(world->facts);
    free(world);
    return 0;
}

/* The SHA-256 of the dataset file, in hexadecimal. */
static void file_digest(int fd, char ret_hex[65])
{
    struct stat status;
    struct sha256_ctx digest;
    uint8_t bytes[SHA256_DIGEST_SIZE];
    assert_int_equal(fstat(fd, &status), 0);
    char *content = calloc(1, (size_t)status.st_size + 1);
    assert_int_equal(io_pread_full(fd, content, (size_t)status.st_size, 0), 0);
    sha256_init(&digest);
    sha256_update(&digest, (size_t)status.st_size, (const uint8_t *)content);
    sha256_digest(&digest, sizeof(bytes), bytes);
    free(content);
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(ret_hex + 2 * i, 3, "%02x", bytes[i]);
}

/* The task of training a classifier of c. */
json_t *train_task(const struct world *world, int epochs, bool resume)
{
    json_t *spec = json_pack(
        "{s:s, s:s, s:{s:[s,s], s:s}, s:{s:[{s:s, s:i, s:s}, {s:s, s:s}]}, s:i, s:i, s:i,"
        " s:{s:s, s:f}, s:{s:s, s:{s:f, s:f, s:f}}}",
        "name", "test", "dataset", "ds_00000000000000000000000000", "features", "inputs",
        "a", "b", "target", "c", "model", "layers", "type", "dense", "units", 8,
        "activation", "tanh", "type", "dense", "units", "auto", "epochs", epochs,
        "batch_size", 32, "seed", 7, "optimizer", "type", "adam", "learning_rate", 0.01,
        "split", "type", "random", "fractions", "train", 0.8, "validation", 0.1, "test",
        0.1);
    assert_non_null(spec);
    char sha256[65];
    file_digest(world->file, sha256);
    return json_pack("{s:s, s:s, s:i, s:s, s:o, s:O, s:b}", "task", "train", "job",
                     "job_x", "attempt", 1, "file_sha256", sha256, "spec", spec, "facts",
                     world->facts, "resume", resume);
}

void start_train(struct worker_client *client, const struct world *world, int epochs)
{
    client_start(client, &world->file, 1);
    json_t *task = train_task(world, epochs, false);
    assert_true(client_send_json(client, MESSAGE_TASK, task));
    json_decref(task);
}
