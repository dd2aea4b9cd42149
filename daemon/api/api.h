/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control plane's operations: one table of {name, input members, handler}, validation that is
 * generic over it, and AWS's error objects. It knows no socket and no HTTP; an endpoint
 * (daemon/control/control.h) brings the operation's name, the body and who asks. Main thread only.
 */
#ifndef PORTCULLIS_DAEMON_API_API_H
#define PORTCULLIS_DAEMON_API_API_H

#include "daemon/core/audit.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct api;
struct config;
struct gate;
struct live;
struct metrics;
struct portal_set;
struct registry;
struct workers;

/* What the operations work on; all borrowed, to outlive the api. */
struct api_config {
	struct registry *registry;
	struct gate *gate;
	struct workers *workers;
	const struct config *config;       /* the running one; a reload changes it in place */
	struct portal_set *const *portals; /* what listens; a change puts another set there */
	struct live *live;
	struct metrics *metrics; /* NULL: changes are not counted */
};

/* All that can go wrong, with the status and names that clients see (the table in api.c). */
enum api_error {
	API_OK,
	API_UNKNOWN_OPERATION,
	API_SERIALIZATION,
	API_VALIDATION,
	API_TARGET_NOT_FOUND,
	API_TARGET_INVALID,
	API_INITIATOR_NOT_FOUND,
	API_GATEWAY_NOT_FOUND,
	API_GATEWAY_INVALID,
	API_VOLUME_NOT_FOUND,
	API_DISK_NOT_FOUND,
	API_DISK_IN_USE,
	API_TARGET_EXISTS,
	API_LUN_EXISTS,
	API_LUN_INVALID,
	API_IN_USE,
	API_INVALID_PARAMETERS,
	API_NOT_SUPPORTED,
	API_INTERNAL,
	API_NO_SUCH_PATH, /* the endpoint's own, found before there is an operation */
	API_METHOD_REFUSED,
	API_BODY_TOO_LARGE,
	API_UNSIGNED, /* those of a signed endpoint */
	API_SIGNATURE_INCOMPLETE,
	API_ACCESS_KEY_UNKNOWN,
	API_SIGNATURE_WRONG,
	API_SIGNATURE_EXPIRED, /* the whole message is the detail */
	API_ACCESS_DENIED,     /* a read-only key, and an operation that is not for such */
};

/* The reply: an HTTP status and its body, borrowed for the call; NULL when memory ran out. */
typedef void api_done(void *context, unsigned status, const json_t *body);

#define API_REQUEST_ID_SIZE 37 /* a UUID's 36 characters and a NUL */

struct api_request {
	const char
		*operation; /* "StorageGateway_20130630.UpdateChapCredentials"; NULL = none given */
	const void *body;   /* borrowed for the call of api_call() */
	size_t length;      /* bytes */
	struct audit_actor actor;     /* who asks, for the audit line */
	char id[API_REQUEST_ID_SIZE]; /* for the audit line */
	bool read_only;               /* who asks has a read-only key */
	api_done *done;
	void *context;
};

/* NULL when out of memory. `config` is copied. */
struct api *api_new(const struct api_config *config);
/*
 * What is still under way is answered with an internal error; neither the gate nor the workers may
 * come back to it. NULL is fine.
 */
void api_free(struct api *api);
/* Whether every operation has been answered. */
bool api_is_idle(const struct api *api);

/*
 * Carries out one operation. `done` is called once, from inside this call or later, whoever asked
 * may be gone by then. Logs one audit line, with no secret in it, when the outcome is known.
 */
void api_call(struct api *api, const struct api_request *request);

/* The HTTP status of an error, and its name ("ValidationException"). */
unsigned api_error_status(enum api_error error);
const char *api_error_type(enum api_error error);
/*
 * Its JSON object: {"__type", "message"[, "error": {"errorCode"}]}. `detail`, if not NULL, follows
 * the error's own sentence. A new reference; NULL when out of memory.
 */
json_t *api_error_body(enum api_error error, const char *detail);

#endif
