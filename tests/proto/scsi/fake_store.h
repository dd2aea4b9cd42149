/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A store for the device server's tests: memory that keeps a log of its requests, can hold them
 * back, and fails on command. It stands behind the same functions as the real stores.
 */
#ifndef PORTCULLIS_TESTS_FAKE_STORE_H
#define PORTCULLIS_TESTS_FAKE_STORE_H

#include "store/store.h"

#define FAKE_LOG_SIZE 512

/* What a request was, as store_submit() saw it. */
struct fake_request {
	enum store_op op;
	unsigned flags;
	uint64_t offset;
	uint64_t length;
};

struct store {
	struct store_info info;
	uint8_t *bytes;
	uint64_t extent_max;        /* bytes of an EXTENT at most; 0: no limit */
	bool views;                 /* what is read may be sent from `bytes` */
	bool later;                 /* requests wait for fake_store_reap() */
	unsigned fail_after;        /* requests that still work before `fail_with` counts */
	enum store_error fail_with; /* STORE_OK: none fails */
	struct fake_request log[FAKE_LOG_SIZE];
	size_t requests; /* of which the first FAKE_LOG_SIZE are in the log */
	struct store_request *waiting;
};

/* A store of `size` zero bytes, thin, with a volatile cache; the caller changes `info` as it likes. */
struct store *fake_store_new(uint64_t size, uint32_t block_size);
/* No request may wait. */
void fake_store_free(struct store *store);
/* Ends the requests that wait now; returns how many. */
unsigned fake_store_reap(struct store *store);

#endif
