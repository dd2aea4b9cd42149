/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The address that control.metrics names: HTTP/1.1, GET /metrics and /healthz, and nothing else, to
 * whoever connects. Main thread only.
 */
#ifndef PORTCULLIS_DAEMON_CONTROL_METRICS_ENDPOINT_H
#define PORTCULLIS_DAEMON_CONTROL_METRICS_ENDPOINT_H

#include "conf/config.h"

struct event_base;
struct metrics;
struct metrics_endpoint;

/*
 * Listens on `endpoint` ("ADDRESS:PORT") and logs where: port 0 takes a free one. `base` and
 * `metrics` are borrowed. NULL with one line in `error`.
 */
struct metrics_endpoint *metrics_endpoint_new(struct event_base *base, const char *endpoint,
	const struct metrics *metrics, char error[CONFIG_ERROR_SIZE]);
/* Closes all its connections. NULL is fine. */
void metrics_endpoint_free(struct metrics_endpoint *endpoint);

#endif
