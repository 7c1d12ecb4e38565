/* See generate.h. */
#include "generate.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_SIZE 512

/* An option's text as the JSON number that it is; the server says what it may be. */
static int set_number(struct api *api, json_t *body, const char *name, const char *option,
                      const char *text)
{
    if (!text)
        return 0;
    json_t *number = json_loads(text, JSON_DECODE_ANY, NULL);
    if (!json_is_number(number)) {
        snprintf(api->message, sizeof(api->message),
                 "%s: expected a number, found \"%s\"", option, text);
        json_decref(number);
        return ERR_INVALID;
    }
    return json_object_set_new(body, name, number) == 0 ? 0 : ERR_NOMEM;
}

static int make_body(struct api *api, const struct arguments *arguments,
                     json_t **ret_body)
{
    json_t *body = json_pack("{s:s, s:b}", "prompt", arguments->words[1], "stream", 1);
    if (!body) {
        snprintf(api->message, sizeof(api->message), "the prompt is not UTF-8");
        return ERR_INVALID;
    }
    int rc = set_number(api, body, "max_tokens", "--max-tokens", arguments->max_tokens);
    if (rc == 0)
        rc =
            set_number(api, body, "temperature", "--temperature", arguments->temperature);
    if (rc == 0)
        rc = set_number(api, body, "top_k", "--top-k", arguments->top_k);
    if (rc == 0)
        rc = set_number(api, body, "seed", "--seed", arguments->seed);
    if (rc == 0)
        *ret_body = body;
    else
        json_decref(body);
    return rc;
}

/* What is printed: the prompt once the server has taken it, then what follows. */
struct printing {
    struct api *api;
    const char *prompt; /* NULL once it was printed */
};

static int print_event(void *context, const char *type, const json_t *data)
{
    struct printing *printing = context;
    if (strcmp(type, "text") == 0) {
        fputs(printing->prompt ? printing->prompt : "", stdout);
        printing->prompt = NULL;
        const char *text = json_string_value(json_object_get(data, "text"));
        fputs(text ? text : "", stdout);
        fflush(stdout);
        return 0;
    }
    if (strcmp(type, "error") != 0)
        return 0;
    const char *detail = json_string_value(json_object_get(data, "detail"));
    struct api *api = printing->api;
    snprintf(api->message, sizeof(api->message), "%s",
             detail ? detail : "the server gave up");
    return ERR_INTERNAL;
}

int run_generate(struct api *api, const struct arguments *arguments)
{
    json_t *body = NULL;
    int rc = make_body(api, arguments, &body);
    if (rc != 0)
        return rc;
    char path[PATH_SIZE];
    snprintf(path, sizeof(path), "/v1/models/%.64s/generate", arguments->words[0]);
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    if (!text)
        return ERR_NOMEM;
    struct printing printing = {.api = api, .prompt = arguments->words[1]};
    rc = api_stream(api, path, text, strlen(text), print_event, &printing);
    if (!printing.prompt)
        putchar('\n');
    free(text);
    return rc;
}
