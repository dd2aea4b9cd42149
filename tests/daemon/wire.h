/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A control endpoint on a real Unix socket over the world's double, and clients that speak to it as
 * they like. Both share this process and its loop: whatever a client waits for, the loop turns
 * meanwhile. What a test waits for ends it; a clock only gives up.
 */
#ifndef PORTCULLIS_TESTS_DAEMON_WIRE_H
#define PORTCULLIS_TESTS_DAEMON_WIRE_H

#include "daemon/control/control.h"
#include "tests/daemon/double.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SECRET      "keep-this-secret"
#define DESCRIBE_IT ONLY(ARN)
#define UPDATE_IT                                                                                  \
	"{\"TargetARN\":\"" ARN "\",\"InitiatorName\":\"" INITIATOR                                \
	"\",\"SecretToAuthenticateInitiator\":\"" SECRET "\"}"
#define GIVE_UP_MS 30000u
#define REPLY_MAX  (1u << 20)

/* The endpoint of the running test. */
extern struct wire {
	struct event_base *base;
	struct control *control;
	bool settling;                /* whether what the gate has is carried out at once */
	char directory[64];           /* the test's own */
	char path[80];                /* of the socket */
	struct config_control config; /* the socket alone, unless a test says more */
} wire;

/* Each test's beginning and end; the end checks that nothing is left in the directory. */
void wire_setup(void);
void wire_teardown(void);
/* control_new_limited(); NULL: generous limits. */
struct control *wire_open(const struct control_limits *limits, char error[CONFIG_ERROR_SIZE]);
/* Opens wire.control, which must work. */
void wire_serve(const struct control_limits *limits);
/* One turn of the endpoint's loop; sleeps a little. */
void wire_turn(void);

/* A new client's socket, non-blocking. */
int wire_dial(void);
/* Sends all of it, with turns where the socket is full. False: the other end is closed. */
bool wire_put(int fd, const void *bytes, size_t length);
bool wire_put_text(int fd, const char *text);
/* A whole request as clients send it; valid until the next call. */
const char *wire_request(const char *operation, const char *body);
/* Reads `length` bytes, with turns; fewer: closed. */
size_t wire_get(int fd, char *bytes, size_t length);
/* Whether the other end closes, having sent nothing more. */
bool wire_is_closed(int fd);

struct wire_reply {
	unsigned status; /* 0: closed without one */
	char headers[2048];
	char *body;   /* NUL-terminated */
	json_t *json; /* NULL if it is none */
};

/* The next reply, for wire_drop_reply(); `bodiless` as to HEAD. */
struct wire_reply wire_get_reply(int fd);
struct wire_reply wire_get_reply_to(int fd, bool bodiless);
void wire_drop_reply(struct wire_reply *reply);
/* A header's value, "" without; valid until the next call. */
const char *wire_header(const struct wire_reply *reply, const char *name);
/* The next reply's status alone. */
unsigned wire_get_status(int fd);
/* A client of its own is served: the endpoint is alive. */
void wire_ck_served(void);

#endif
