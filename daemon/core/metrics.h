/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The metrics as Prometheus reads them (text format 0.0.4): what the workers count
 * (daemon/core/stats.h), summed, and what the main thread counts itself. Nothing here asks a worker for
 * anything, so a scrape delays no I/O. Main thread only.
 */
#ifndef PORTCULLIS_DAEMON_CORE_METRICS_H
#define PORTCULLIS_DAEMON_CORE_METRICS_H

#include "daemon/core/gate.h"
#include "daemon/core/live.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct evhttp_request;
struct metrics;
struct registry;
struct workers;

/* Both are borrowed. NULL when out of memory. */
struct metrics *metrics_new(struct registry *registry, struct workers *workers);
/* NULL is fine. */
void metrics_free(struct metrics *metrics);

/* A credential change has been answered, so long after it was asked for. NULL: not counted. */
void metrics_change(struct metrics *metrics, enum change_kind kind, enum change_result result,
	uint64_t nanoseconds);
/* Likewise a live change, or a reload. */
void metrics_live(struct metrics *metrics, const struct live_change *change,
	enum live_result result, uint64_t nanoseconds);
/* From now on the daemon is going down, and says so to who asks for its health. */
void metrics_stopping(struct metrics *metrics);

/* The whole text, for the caller to free; NULL when out of memory. */
char *metrics_text(const struct metrics *metrics, size_t *length);

/* Whether the request's path is /metrics or /healthz. */
bool metrics_wants(struct evhttp_request *request);
/* Replies to such a request: GET and HEAD are answered, other methods refused. */
void metrics_answer(const struct metrics *metrics, struct evhttp_request *request);

#endif
