/* See api.h. */
#include "api.h"

#include "base/buffer.h"
#include "base/error.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>

#define ANSWER_MAX_BYTES ((size_t)256 << 20)
#define URL_MAX_BYTES 4096

/* One exchange: where the answer's bytes go. Those of a refusal always go to `answer`. */
struct exchange {
    CURL *curl;
    struct curl_slist *headers;
    struct buffer answer;
    FILE *file;                  /* NULL: into `answer` */
    struct event_reader *events; /* in place of both, if it is set */
};

static size_t take_answer(char *bytes, size_t size, size_t count, void *context)
{
    struct exchange *exchange = context;
    size_t length = size * count;
    long status = 0;
    curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &status);
    if (exchange->file && status < 400)
        return fwrite(bytes, 1, length, exchange->file);
    if (exchange->events && status < 400)
        return event_reader_push(exchange->events, bytes, length) == 0 ? length : 0;
    buffer_append(&exchange->answer, bytes, length);
    return buffer_status(&exchange->answer) == 0 ? length : 0;
}

static int add_header(struct exchange *exchange, const char *header)
{
    struct curl_slist *longer = curl_slist_append(exchange->headers, header);
    if (!longer)
        return ERR_NOMEM;
    exchange->headers = longer;
    return 0;
}

static void exchange_release(struct exchange *exchange)
{
    curl_slist_free_all(exchange->headers);
    curl_easy_cleanup(exchange->curl);
    buffer_release(&exchange->answer);
}

static int exchange_init(struct exchange *exchange, struct api *api, const char *path)
{
    *exchange = (struct exchange){.curl = curl_easy_init()};
    buffer_init(&exchange->answer, ANSWER_MAX_BYTES);
    char url[URL_MAX_BYTES];
    int length = snprintf(url, sizeof(url), "%s%s", api->url, path);
    if (!exchange->curl || length >= (int)sizeof(url)) {
        snprintf(api->message, sizeof(api->message), "the address is too long");
        return ERR_TOO_LARGE;
    }
    curl_easy_setopt(exchange->curl, CURLOPT_URL, url);
    curl_easy_setopt(exchange->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(exchange->curl, CURLOPT_USERAGENT, "backprop");
    curl_easy_setopt(exchange->curl, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(exchange->curl, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(exchange->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    if (api->ca_file)
        curl_easy_setopt(exchange->curl, CURLOPT_CAINFO, api->ca_file);
    if (!api->token)
        return 0;
    char header[256];
    snprintf(header, sizeof(header), "Authorization: Bearer %s", api->token);
    return add_header(exchange, header);
}

/* The problem's detail and its violations as text for people. */
static void describe_problem(struct api *api, long status, const char *answer)
{
    json_t *problem = json_loads(answer, 0, NULL);
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    size_t used = (size_t)snprintf(api->message, sizeof(api->message), "%s (HTTP %ld)",
                                   detail ? detail : "the server refused", status);
    const json_t *errors = json_object_get(problem, "errors");
    for (size_t i = 0; i < json_array_size(errors) && used < sizeof(api->message); i++) {
        const json_t *error = json_array_get(errors, i);
        const char *pointer = json_string_value(json_object_get(error, "pointer"));
        const char *text = json_string_value(json_object_get(error, "detail"));
        used += (size_t)snprintf(api->message + used, sizeof(api->message) - used,
                                 "\n  %s: %s", pointer && pointer[0] ? pointer : "(all)",
                                 text ? text : "");
    }
    json_decref(problem);
}

static int code_of_status(long status)
{
    switch (status) {
    case 404:
        return ERR_NOT_FOUND;
    case 409:
        return ERR_CONFLICT;
    case 413:
        return ERR_TOO_LARGE;
    case 429:
    case 503:
        return ERR_BUSY;
    default:
        return status < 500 ? ERR_INVALID : ERR_INTERNAL;
    }
}

static int perform(struct exchange *exchange, struct api *api)
{
    curl_easy_setopt(exchange->curl, CURLOPT_HTTPHEADER, exchange->headers);
    CURLcode code = curl_easy_perform(exchange->curl);
    long status = 0;
    curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 400) {
        describe_problem(api, status, exchange->answer.data);
        return code_of_status(status);
    }
    if (code != CURLE_OK) {
        snprintf(api->message, sizeof(api->message), "cannot reach %s: %s", api->url,
                 curl_easy_strerror(code));
        return ERR_IO;
    }
    return 0;
}

static int parse_answer(struct exchange *exchange, struct api *api, json_t **ret_json)
{
    if (!ret_json)
        return 0;
    *ret_json = NULL;
    if (exchange->answer.length == 0)
        return 0;
    *ret_json = json_loadb(exchange->answer.data, exchange->answer.length, 0, NULL);
    if (*ret_json)
        return 0;
    snprintf(api->message, sizeof(api->message), "%s does not answer like a backpropd",
             api->url);
    return ERR_PROTOCOL;
}

int api_call(struct api *api, const char *method, const char *path, const char *body,
             size_t length, json_t **ret_json)
{
    struct exchange exchange;
    int rc = exchange_init(&exchange, api, path);
    if (rc == 0 && body)
        rc = add_header(&exchange, "Content-Type: application/json");
    if (rc == 0) {
        if (strcmp(method, "GET") != 0) {
            curl_easy_setopt(exchange.curl, CURLOPT_POST, 1L);
            curl_easy_setopt(exchange.curl, CURLOPT_CUSTOMREQUEST, method);
            curl_easy_setopt(exchange.curl, CURLOPT_POSTFIELDS, body ? body : "");
            curl_easy_setopt(exchange.curl, CURLOPT_POSTFIELDSIZE_LARGE,
                             (curl_off_t)length);
        }
        rc = perform(&exchange, api);
    }
    if (rc == 0)
        rc = parse_answer(&exchange, api, ret_json);
    exchange_release(&exchange);
    return rc;
}

int api_stream(struct api *api, const char *path, const char *body, size_t length,
               event_handler *handle, void *context)
{
    struct exchange exchange;
    struct event_reader events;
    event_reader_init(&events, handle, context);
    int rc = exchange_init(&exchange, api, path);
    if (rc == 0)
        rc = add_header(&exchange, "Content-Type: application/json");
    if (rc == 0)
        rc = add_header(&exchange, "Accept: text/event-stream");
    if (rc == 0) {
        exchange.events = &events;
        curl_easy_setopt(exchange.curl, CURLOPT_POST, 1L);
        curl_easy_setopt(exchange.curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(exchange.curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length);
        rc = perform(&exchange, api);
        rc = events.rc != 0 ? events.rc : rc;
    }
    exchange_release(&exchange);
    event_reader_release(&events);
    return rc;
}

static size_t read_file(char *bytes, size_t size, size_t count, void *context)
{
    return fread(bytes, size, count, context);
}

static int cannot_open(struct api *api, const char *path)
{
    snprintf(api->message, sizeof(api->message), "cannot open %s: %s", path,
             strerror(errno));
    return ERR_IO;
}

/* The body is one file. */
static int upload_plain(struct exchange *exchange, struct api *api, const char *path)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (!file)
        return cannot_open(api, path);
    curl_easy_setopt(exchange->curl, CURLOPT_POST, 1L);
    curl_easy_setopt(exchange->curl, CURLOPT_READFUNCTION, read_file);
    curl_easy_setopt(exchange->curl, CURLOPT_READDATA, file);
    int rc = add_header(exchange, "Transfer-Encoding: chunked");
    if (rc == 0)
        rc = add_header(exchange, "Content-Type: application/octet-stream");
    if (rc == 0)
        rc = perform(exchange, api);
    if (file != stdin)
        fclose(file);
    return rc;
}

static int upload_parts(struct exchange *exchange, struct api *api,
                        const struct api_file *files, int count)
{
    curl_mime *mime = curl_mime_init(exchange->curl);
    int rc = mime ? 0 : ERR_NOMEM;
    for (int i = 0; rc == 0 && i < count; i++) {
        curl_mimepart *part = curl_mime_addpart(mime);
        if (!part || curl_mime_name(part, files[i].part) != CURLE_OK)
            rc = ERR_NOMEM;
        else if (curl_mime_filedata(part, files[i].path) != CURLE_OK)
            rc = cannot_open(api, files[i].path);
    }
    if (rc == 0) {
        curl_easy_setopt(exchange->curl, CURLOPT_MIMEPOST, mime);
        rc = perform(exchange, api);
    }
    curl_mime_free(mime);
    return rc;
}

int api_upload(struct api *api, const char *query, const struct api_file *files,
               int count, json_t **ret_json)
{
    char path[URL_MAX_BYTES];
    snprintf(path, sizeof(path), "/v1/datasets%s", query);
    struct exchange exchange;
    int rc = exchange_init(&exchange, api, path);
    if (rc == 0)
        rc = files[0].part ? upload_parts(&exchange, api, files, count)
                           : upload_plain(&exchange, api, files[0].path);
    if (rc == 0)
        rc = parse_answer(&exchange, api, ret_json);
    exchange_release(&exchange);
    return rc;
}

int api_download(struct api *api, const char *path, const char *accept, FILE *file)
{
    struct exchange exchange;
    int rc = exchange_init(&exchange, api, path);
    char header[128];
    if (rc == 0 && accept) {
        snprintf(header, sizeof(header), "Accept: %s", accept);
        rc = add_header(&exchange, header);
    }
    if (rc == 0) {
        exchange.file = file;
        rc = perform(&exchange, api);
    }
    exchange_release(&exchange);
    return rc;
}
