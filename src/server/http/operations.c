/* GET /livez, /readyz and /v1/info: for orchestrators and people. */
#include "base/clock.h"
#include "health.h"
#include "json_text.h"
#include "listener.h"
#include "reply.h"
#include "request_internal.h"
#include "route.h"
#include "spec/job_spec.h"
#include "store/page.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CPU_MODEL_SIZE 128
#define REASONS_MAX_BYTES ((size_t)16 * 1024)

/* 503 with every reason, for programs and for people. */
static void reply_unwell(struct request *request, const char *code,
                         const struct health *health)
{
    struct buffer detail, members;
    buffer_init(&detail, REASONS_MAX_BYTES);
    buffer_init(&members, REASONS_MAX_BYTES);
    buffer_append_string(&members, "\"reasons\":[");
    for (int i = 0; i < HEALTH_REASON_COUNT; i++) {
        if (!health->has[i])
            continue;
        const char *text = health_reason_text((enum health_reason)i);
        buffer_printf(&detail, "%s%s", detail.length > 0 ? "; " : "", text);
        json_text_comma(&members);
        buffer_append_char(&members, '{');
        json_text_string(&members, "code", health_reason_name((enum health_reason)i));
        json_text_string(&members, "detail", text);
        buffer_append_char(&members, '}');
    }
    buffer_append_char(&members, ']');
    if (buffer_status(&detail) == 0 && buffer_status(&members) == 0) {
        reply_add_header(request, "Retry-After", "5");
        reply_problem_extended(request, 503, code, detail.data, members.data);
    } else {
        reply_no_memory(request);
    }
    buffer_release(&detail);
    buffer_release(&members);
}

void operations_handle_livez(struct request *request)
{
    static const char text[] = "{\"status\":\"ok\"}\n";
    struct health health;
    health_check_life(request_server(request), &health);
    if (health_is_well(&health))
        reply_fixed(request, 200, "application/json", text, sizeof(text) - 1);
    else
        reply_unwell(request, "stalled", &health);
}

/* While the server drains, every request is answered with 503 before it comes here. */
void operations_handle_readyz(struct request *request)
{
    static const char text[] = "{\"status\":\"ready\"}\n";
    struct health health;
    health_check_readiness(request_server(request), &health);
    if (health_is_well(&health))
        reply_fixed(request, 200, "application/json", text, sizeof(text) - 1);
    else
        reply_unwell(request, "not_ready", &health);
}

/* The processor's name as Linux knows it, or "unknown". */
static void read_cpu_model(char ret_model[CPU_MODEL_SIZE])
{
    snprintf(ret_model, CPU_MODEL_SIZE, "unknown");
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[512];
    while (file && fgets(line, sizeof(line), file)) {
        const char *value = strchr(line, ':');
        if (!value || strncmp(line, "model name", 10) != 0)
            continue;
        value += 1 + strspn(value + 1, " ");
        snprintf(ret_model, CPU_MODEL_SIZE, "%.*s", (int)strcspn(value, "\n"), value);
        break;
    }
    if (file)
        fclose(file);
}

static json_t *describe_limits(const struct http_listener *listener)
{
    const struct server_config *config = &listener->server->config;
    const struct http_limits *limits = &listener->limits;
    json_t *settings = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "max_connections",
        (json_int_t)limits->connections, "max_connections_per_address",
        (json_int_t)limits->connections_per_address, "header_timeout_seconds",
        (json_int_t)limits->header_seconds, "body_timeout_seconds",
        (json_int_t)limits->body_seconds, "min_rate_bytes_per_second",
        (json_int_t)limits->min_rate, "max_streams", (json_int_t)limits->streams,
        "max_streams_per_address", (json_int_t)limits->streams_per_address, "max_uploads",
        (json_int_t)limits->uploads, "max_datasets", (json_int_t)limits->datasets,
        "max_queued_jobs", (json_int_t)limits->queued_jobs, "max_stored_bytes",
        (json_int_t)limits->stored_bytes, "min_free_bytes",
        (json_int_t)limits->free_bytes);
    json_t *fixed =
        json_pack("{s:I, s:I, s:i, s:I, s:i, s:i, s:i, s:i}", "max_upload_bytes",
                  (json_int_t)config->max_upload_bytes, "max_expanded_bytes",
                  (json_int_t)config->max_expanded_bytes, "max_spec_bytes",
                  SPEC_MAX_BYTES, "max_parameters", (json_int_t)SPEC_MAX_PARAMETERS,
                  "max_units", SPEC_MAX_UNITS, "max_batch_size", SPEC_MAX_BATCH,
                  "max_epochs", SPEC_MAX_EPOCHS, "max_page", PAGE_MAX);
    if (settings && fixed)
        json_object_update(settings, fixed);
    json_decref(fixed);
    return settings;
}

void operations_handle_info(struct request *request)
{
    struct server *server = request_server(request);
    const struct server_config *config = &server->config;
    struct sched_stats stats = {0};
    sched_stats(server->sched, &stats);
    uint64_t bytes = 0;
    int schema = 0;
    if (store_info(server->store, &bytes, &schema) != 0)
        bytes = 0;
    char started[CLOCK_RFC3339_SIZE];
    clock_format(server->started_us, started);
    char model[CPU_MODEL_SIZE];
    read_cpu_model(model);
    double uptime = (double)(clock_wall_us() - server->started_us) / 1e6;
    json_t *info = json_pack(
        "{s:s, s:s, s:s, s:f, s:s, s:{s:s, s:i}, s:{s:i, s:i}, s:{s:i, s:i, s:i}, s:I, "
        "s:{s:I, s:i}, s:b, s:o}",
        "object", "info", "version", BACKPROP_VERSION, "started_at", started,
        "uptime_seconds", uptime, "sandbox", config->sandbox, "cpu", "model", model,
        "cores", (int)sysconf(_SC_NPROCESSORS_ONLN), "slots", "total", stats.slots,
        "used", stats.slots_used, "workers", "training", stats.training, "ingesting",
        stats.ingesting, "serving", stats.serving, "memory_mb",
        (json_int_t)config->memory_mb, "store", "bytes", (json_int_t)bytes,
        "schema_version", schema, "token_required", (int)request->listener->auth_required,
        "limits", describe_limits(request->listener));
    reply_json(request, 200, info);
}
