/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AWS Signature Version 4 on the server's side: whether a request was signed by the holder of one of
 * our access keys, within 15 minutes of now. A pure function of its arguments. AWS General
 * Reference, "Create a signed AWS API request"; what is stricter here is said below.
 */
#ifndef PORTCULLIS_AUTH_SIGV4_H
#define PORTCULLIS_AUTH_SIGV4_H

#include "auth/access_keys.h"

#include <stddef.h>
#include <time.h>

#define SIGV4_SKEW        (15 * 60) /* seconds, before and after now */
#define SIGV4_SIGNED_MAX  64        /* headers that a signature may cover */
#define SIGV4_DETAIL_SIZE 256

struct sigv4_header {
	const char *name, *value; /* as received; the name in any case */
};

/* A request as it was received; all borrowed for the call. */
struct sigv4_request {
	const char *method;
	/*
	 * As received, and taken as canonical as they are: paths and queries that AWS's rules would
	 * write otherwise do not verify. `query` has no question mark; "" = none.
	 */
	const char *path, *query;
	const struct sigv4_header *headers;
	size_t header_count;
	const void *body;
	size_t body_length;
};

enum sigv4_result {
	SIGV4_OK,
	SIGV4_UNSIGNED,    /* there is no Authorization header */
	SIGV4_INCOMPLETE,  /* it is malformed, or does not cover what it must */
	SIGV4_UNKNOWN_KEY, /* no key of that identifier */
	SIGV4_MISMATCH,    /* signed with another secret, or changed since, or for something else */
	SIGV4_EXPIRED,     /* signed more than SIGV4_SKEW before or after now */
	SIGV4_FAILED,      /* OpenSSL is out of memory */
};

struct sigv4_verdict {
	enum sigv4_result result;
	const struct access_key *key;   /* whose signature it is; SIGV4_OK alone has one */
	char detail[SIGV4_DETAIL_SIZE]; /* words for the client; "" where there are none to add */
};

/*
 * Judges a request. Required among the signed headers, each there exactly once: host, x-amz-date,
 * x-amz-target. The scope is DATE/REGION/storagegateway/aws4_request with the date of x-amz-date and
 * any region. x-amz-content-sha256, if there is one, must be the body's digest; "UNSIGNED-PAYLOAD" is
 * none. A security token is ignored, signed or not. Signatures are compared in constant time.
 */
struct sigv4_verdict sigv4_verify(
	const struct sigv4_request *request, const struct access_keys *keys, time_t now);

#endif
