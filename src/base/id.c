/* See id.h. The state is one lock and the last value; it must be per process, because
 * order within a millisecond is what the lock protects. */
#include "id.h"

#include "clock.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define ENCODED_LENGTH 26
#define RANDOM_BYTES 10

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

static struct {
    pthread_mutex_t lock;
    uint64_t milliseconds;
    uint8_t random[RANDOM_BYTES];
} last = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Adds one to the big-endian number, so that identifiers of one millisecond ascend. */
static void increment(uint8_t bytes[RANDOM_BYTES])
{
    for (int i = RANDOM_BYTES - 1; i >= 0; i--)
        if (++bytes[i] != 0)
            return;
}

static void fill_random(uint8_t bytes[RANDOM_BYTES])
{
    ssize_t got = getrandom(bytes, RANDOM_BYTES, 0);
    if (got != RANDOM_BYTES) /* cannot happen for 10 bytes once the pool is ready */
        memset(bytes, 0x5a, RANDOM_BYTES);
    bytes[0] &= 0x7f; /* room to count up */
}

static void encode(uint64_t milliseconds, const uint8_t random[RANDOM_BYTES], char *text)
{
    for (int i = 0; i < 10; i++)
        text[i] = alphabet[milliseconds >> (45 - 5 * i) & 31];
    for (int i = 0; i < 16; i++) {
        int bit = i * 5;
        unsigned pair = (unsigned)random[bit / 8] << 8;
        if (bit / 8 + 1 < RANDOM_BYTES)
            pair |= random[bit / 8 + 1];
        text[10 + i] = alphabet[pair >> (11 - bit % 8) & 31];
    }
    text[ENCODED_LENGTH] = '\0';
}

void id_make(const char *prefix, char ret_id[static ID_SIZE])
{
    uint64_t now = (uint64_t)(clock_wall_us() / 1000);
    char text[ENCODED_LENGTH + 1];
    pthread_mutex_lock(&last.lock);
    if (now > last.milliseconds) {
        last.milliseconds = now;
        fill_random(last.random);
    } else {
        increment(last.random);
    }
    encode(last.milliseconds, last.random, text);
    pthread_mutex_unlock(&last.lock);
    snprintf(ret_id, ID_SIZE, "%.4s_%s", prefix, text);
}

bool id_is_valid(const char *prefix, const char *text)
{
    size_t length = strlen(prefix);
    if (strncmp(text, prefix, length) != 0 || text[length] != '_')
        return false;
    const char *body = text + length + 1;
    return strlen(body) == ENCODED_LENGTH && strspn(body, alphabet) == ENCODED_LENGTH;
}
