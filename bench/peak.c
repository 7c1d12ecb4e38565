/*
 * bench_peak: what large single-precision matrix products reach on this machine now, the
 * yardstick for the share of it that training gets.
 *
 *   bench_peak [THREADS]
 *
 * Each thread multiplies squares of its own by OpenBLAS for half a second. Prints one
 * JSON line with the sum over the threads in GFLOP/s.
 */
#include "base/clock.h"

#include <cblas.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define SIZE 1024
#define SECONDS 0.5
#define MAX_THREADS 64

struct worker {
    pthread_t thread;
    double gflops; /* 0: no memory */
};

static void *multiply(void *context)
{
    struct worker *worker = context;
    size_t count = (size_t)SIZE * SIZE;
    float *a = malloc(3 * count * sizeof(*a));
    if (!a)
        return NULL;
    float *b = a + count, *c = b + count;
    for (size_t i = 0; i < 3 * count; i++)
        a[i] = (float)(i % 17) - 8;
    int products = -1; /* the first warms up */
    int64_t begin = 0;
    double seconds = 0;
    while (seconds < SECONDS) {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, SIZE, SIZE, SIZE, 1, a,
                    SIZE, b, SIZE, 0, c, SIZE);
        if (products++ < 0)
            begin = clock_monotonic_ns();
        seconds = (double)(clock_monotonic_ns() - begin) * 1e-9;
    }
    worker->gflops = 2.0 * SIZE * SIZE * SIZE * products / seconds * 1e-9;
    free(a);
    return NULL;
}

int main(int argc, char **argv)
{
    struct worker workers[MAX_THREADS] = {0};
    int threads = argc > 1 ? atoi(argv[1]) : 1;
    if (threads < 1 || threads > MAX_THREADS) {
        fprintf(stderr, "usage: bench_peak [threads, 1 to %d]\n", MAX_THREADS);
        return 2;
    }
    openblas_set_num_threads(1);
    double gflops = 0;
    int started = 0;
    while (started < threads && pthread_create(&workers[started].thread, NULL, multiply,
                                               &workers[started]) == 0)
        started++;
    for (int i = 0; i < started; i++) {
        pthread_join(workers[i].thread, NULL);
        gflops += workers[i].gflops;
    }
    if (started < threads || gflops <= 0) {
        fprintf(stderr, "bench_peak: no thread or no memory\n");
        return 1;
    }
    printf("{\"peer\": \"openblas sgemm %d\", \"threads\": %d, \"gflops\": %.2f}\n", SIZE,
           threads, gflops);
    return 0;
}
