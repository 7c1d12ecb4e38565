/*
 * The inside of the task "serve": the model that is served, and how questions are
 * answered. serve_task.c loads and listens; each verb has a file of its own.
 */
#ifndef BACKPROP_WORKER_SERVE_H
#define BACKPROP_WORKER_SERVE_H

#include "channel.h"
#include "data/preprocess.h"
#include "engine/network.h"
#include "engine/token_predictor.h"
#include "engine/token_ranking.h"
#include "session.h"
#include "spec/attrs.h"
#include "task_spec.h"

struct served_model {
    struct task_spec task;
    const char *id;
    struct preprocess *preprocess;
    struct network *network;
    struct token_predictor predictor; /* of a text, as the next; else zero */
    struct ranked_token *ranking;     /* room for the vocabulary */
};

/* The verbs; `body` is borrowed. They reply, or fail when they cannot. */
int serve_predict(struct channel *channel, struct served_model *model, const json_t *body,
                  struct error *err) __attribute__((warn_unused_result));
int serve_generate(struct channel *channel, struct served_model *model,
                   const json_t *body, struct error *err)
    __attribute__((warn_unused_result));

/* One REPLY. Takes the body; NULL: there was no memory for it. */
int serve_reply(struct channel *channel, int status, json_t *body, struct error *err)
    __attribute__((warn_unused_result));

/* A reply that refuses; `violations` may be NULL. */
int serve_refuse(struct channel *channel, int status, const char *code,
                 const char *detail, const struct violations *violations,
                 struct error *err) __attribute__((warn_unused_result));

/* Reads the body's keys, as attrs_read(); one that is no object is a violation. */
int serve_read_keys(const json_t *body, const struct key *keys, const char *const *others,
                    struct attrs *ret_attrs, struct violations *violations);

/*
 * The tokens of a text that the user wrote at `pointer`: new, or NULL with a violation
 * (or its status ERR_NOMEM). Refuses characters that training did not see, and what is
 * shorter than the network needs.
 */
uint32_t *serve_tokens(const struct served_model *model, const json_t *text,
                       const char *pointer, size_t *ret_count,
                       struct violations *violations);

#endif
