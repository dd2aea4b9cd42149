/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A snapshot of the sessions for the control endpoint. Each worker adds its own, so no lock is
 * taken on anybody's fast path; the main thread gets the whole when the last has answered.
 */
#ifndef PORTCULLIS_DAEMON_CORE_SESSIONS_H
#define PORTCULLIS_DAEMON_CORE_SESSIONS_H

#include "auth/credentials.h"
#include "proto/iscsi/parameters.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct workers;

struct session_row {
	char target[ISCSI_NAME_MAX + 1]; /* "" on unnamed discovery */
	char initiator[ISCSI_NAME_MAX + 1];
	char address[80]; /* the initiator's: "192.0.2.7:51234", "[::1]:51234" */
	char portal[80];  /* ours */
	char listener
		[80]; /* the portal that it came by, as ListPortals tells it: a wildcard as such */
	uint8_t isid[6];
	uint16_t tsih;
	bool discovery;
	unsigned chap_algorithm; /* 0 = none */
	bool chap_mutual;
	uint64_t credential; /* `since` of the record that it proved; 0 without CHAP */
	uint64_t age_ms;
	uint64_t commands, bytes_read, bytes_written;
	struct iscsi_parameters parameters;
	unsigned worker; /* index */
};

struct session_snapshot {
	struct session_row *rows; /* unordered */
	size_t count;
	bool complete; /* false: memory ran out on the way */
};

/* On the main thread; `snapshot` is valid for the call. */
typedef void session_snapshot_done(void *context, const struct session_snapshot *snapshot);

/* Main thread. `done` is called there later, never from inside this call; the snapshot is valid for the call. -1 when out of memory. */
int sessions_snapshot(struct workers *workers, session_snapshot_done *done, void *context);

#endif
