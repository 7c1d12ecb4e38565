/* See prometheus.h: /proc/self, and versions. */
#include "base/clock.h"
#include "exposition.h"
#include "prometheus.h"

#include <dirent.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Bytes of address space and of memory (proc(5), statm). False: not known. */
static bool read_memory(int64_t *ret_virtual, int64_t *ret_resident)
{
    FILE *file = fopen("/proc/self/statm", "re");
    int64_t pages[2] = {0};
    bool known = file && fscanf(file, "%" SCNd64 " %" SCNd64, &pages[0], &pages[1]) == 2;
    if (file)
        fclose(file);
    *ret_virtual = pages[0] * sysconf(_SC_PAGESIZE);
    *ret_resident = pages[1] * sysconf(_SC_PAGESIZE);
    return known;
}

/* Open descriptors, without the one that is opened to count them. */
static int64_t count_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int64_t count = -1;
    while (folder) {
        const struct dirent *entry = readdir(folder);
        if (!entry)
            break;
        count += entry->d_name[0] != '.';
    }
    if (folder)
        closedir(folder);
    return count;
}

static int64_t cpu_ns(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    int64_t seconds = (int64_t)usage.ru_utime.tv_sec + usage.ru_stime.tv_sec;
    int64_t us = (int64_t)usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
    return seconds * CLOCK_NS_PER_SECOND + us * 1000;
}

static void append_descriptors(struct buffer *text)
{
    int64_t open = count_descriptors();
    if (open >= 0)
        exposition_gauge(text, "process_open_fds", "Open file descriptors.", open);
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        exposition_gauge(text, "process_max_fds", "File descriptors that there may be.",
                         (int64_t)limit.rlim_cur);
}

void prometheus_append_process(struct buffer *text, const struct server *server)
{
    exposition_family(text, "backpropd_build_info", "gauge",
                      "Versions as labels; always 1.");
    char labels[PROMETHEUS_LABELS_SIZE];
    snprintf(labels, sizeof(labels), "version=\"%s\",libmicrohttpd=\"%s\"",
             BACKPROP_VERSION, MHD_get_version());
    exposition_integer(text, "backpropd_build_info", labels, 1);
    exposition_family(text, "process_cpu_seconds_total", "counter",
                      "CPU time of the daemon itself, without its workers.");
    exposition_seconds(text, "process_cpu_seconds_total", "", cpu_ns());
    int64_t virtual_bytes, resident_bytes;
    if (read_memory(&virtual_bytes, &resident_bytes)) {
        exposition_gauge(text, "process_virtual_memory_bytes", "Address space.",
                         virtual_bytes);
        exposition_gauge(text, "process_resident_memory_bytes", "Memory.",
                         resident_bytes);
    }
    append_descriptors(text);
    exposition_family(text, "process_start_time_seconds", "gauge",
                      "Time of the start, since 1970.");
    buffer_printf(text, "process_start_time_seconds %.3f\n",
                  (double)server->started_us / 1e6);
}
