/* See oom_count.h. The file has about 200 short lines; the wanted one is near the end. */
#include "oom_count.h"

#include <stdio.h>
#include <string.h>

uint64_t oom_count(void)
{
    FILE *file = fopen("/proc/vmstat", "re");
    if (!file)
        return 0;
    uint64_t count = 0;
    char line[128];
    while (fgets(line, sizeof(line), file)) {
        unsigned long long value;
        if (strncmp(line, "oom_kill ", 9) == 0 && sscanf(line + 9, "%llu", &value) == 1)
            count = value;
    }
    fclose(file);
    return count;
}
