/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One call of the control endpoint: HTTP/1.1 over the daemon's Unix socket, JSON in, JSON out
 * (the AWS JSON 1.1 protocol). Requests and replies carry secrets, so libcurl and jansson take
 * their memory from base/secret.h.
 */
#ifndef PORTCULLIS_CTL_HTTP_H
#define PORTCULLIS_CTL_HTTP_H

#include <jansson.h>
#include <stddef.h>

#define HTTP_ERROR_SIZE 512

struct http_reply {
	long status;  /* of HTTP */
	json_t *body; /* an object */
	char *text;   /* the body as it came, `length` bytes */
	size_t length;
};

/* Hands the wiping allocators to libcurl and jansson. Before anything else; 0 or -1. */
int http_start(void);
void http_stop(void);

/* A change waits for storing and for every session to close; both are bounded by less. */
#define HTTP_TIMEOUT_MS 60000L

/* How to wait for an answer. */
struct http_wait {
	long timeout_ms;
	void (*tick)(void *context); /* now and then; NULL: not */
	void *context;
};

/*
 * Asks `operation` of the daemon behind `socket`. 0 with *reply owned by the caller, whatever the
 * HTTP status is; or -1 with one line in `error`: the daemon was not reached, or gave no answer in
 * time or none that is a JSON object. `wait` NULL: HTTP_TIMEOUT_MS.
 */
int http_call(const char *socket, const char *operation, const json_t *request,
	const struct http_wait *wait, struct http_reply *reply, char error[HTTP_ERROR_SIZE]);
/* An empty (zeroed) reply is fine. */
void http_reply_free(struct http_reply *reply);

#endif
