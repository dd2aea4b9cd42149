/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The iSCSI target engine (RFC 7143): bytes in, bytes out. It knows no socket, no clock and no event
 * loop: each call is given `now` (milliseconds of any monotonic clock), random bytes and all that is
 * shared with other connections come through the functions of struct iscsi_host.
 *
 * One struct iscsi_conn is one TCP connection from its first byte to its last, and, since
 * MaxConnections is 1, its session. All calls for a connection come from one thread, the one that
 * reaps its store queue. A connection never frees itself.
 */
#ifndef PORTCULLIS_PROTO_ISCSI_ISCSI_H
#define PORTCULLIS_PROTO_ISCSI_ISCSI_H

#include "proto/iscsi/host.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct iscsi_conn;

#define ISCSI_NO_DEADLINE UINT64_MAX

/* Where a connection stands. Only the engine moves it, and only forwards. */
enum iscsi_phase {
	ISCSI_PHASE_LOGIN,     /* security and operational negotiation */
	ISCSI_PHASE_ADMISSION, /* all negotiated; the final Login Response waits for the host's word */
	ISCSI_PHASE_FULL,      /* full feature */
	ISCSI_PHASE_CLOSING, /* nothing from the wire is interpreted any more; complete commands finish */
	ISCSI_PHASE_FINISHED, /* the last PDU is queued: send what is left, then FIN, then drain */
	ISCSI_PHASE_RESET,    /* drop the connection at once, whatever is queued */
};

/* Bytes of the objects that the pools of struct iscsi_worker hold. */
size_t iscsi_task_size(void);
size_t iscsi_pdu_size(void);

/* A connection that was just accepted. `owner` is handed to every host function. NULL when out of memory. */
struct iscsi_conn *iscsi_conn_new(const struct iscsi_worker *worker, void *owner, uint64_t now);
/* Only when iscsi_conn_busy() is false. NULL is fine. */
void iscsi_conn_free(struct iscsi_conn *conn);

/* --- input --- */

/* Whether more input may be given now; false while the peer does not take our output, and from CLOSING on (the
 * caller then discards what it reads). */
bool iscsi_conn_wants_input(const struct iscsi_conn *conn);
/*
 * Where the next bytes of the stream belong, if they are the rest of a large data segment: the
 * caller may receive up to the returned length straight into *at. 0 = nowhere in particular. The
 * place is good until the next engine call or store_queue_reap() of this worker: ask, receive, hand over.
 */
size_t iscsi_conn_direct(const struct iscsi_conn *conn, uint8_t **at);
/*
 * The next bytes of the stream: first `direct` bytes that were received into the place
 * iscsi_conn_direct() named, then `length` bytes at `bytes` (borrowed for the call).
 */
void iscsi_conn_received(
	struct iscsi_conn *conn, size_t direct, const uint8_t *bytes, size_t length, uint64_t now);
/* The peer sent FIN, or the transport failed: nothing more will come, nothing more can be sent. */
void iscsi_conn_lost(struct iscsi_conn *conn, uint64_t now);

/* --- output --- */

/* Fills up to `capacity` vectors with what is to be sent, in order; returns how many. Valid until the next call. */
int iscsi_conn_output(struct iscsi_conn *conn, struct iovec *vectors, int capacity);
/*
 * Whether they may name places of which only system calls may read, and which may make them wait: store_view(). How
 * that went is told to store_viewed().
 */
bool iscsi_conn_has_views(const struct iscsi_conn *conn);
/* `length` of those bytes were sent. */
void iscsi_conn_sent(struct iscsi_conn *conn, size_t length, uint64_t now);

/* --- time --- */

/* When iscsi_conn_tick() must be called at the latest; ISCSI_NO_DEADLINE = not at all. */
uint64_t iscsi_conn_deadline(const struct iscsi_conn *conn);
void iscsi_conn_tick(struct iscsi_conn *conn, uint64_t now);

/* --- control --- */

enum iscsi_phase iscsi_conn_phase(const struct iscsi_conn *conn);
/* Tasks the store still holds, or a task management function that still waits: not to be freed yet. */
bool iscsi_conn_busy(const struct iscsi_conn *conn);
/* The host's later answer to ISCSI_WAIT: ISCSI_ADMITTED, ISCSI_STALE or ISCSI_REFUSED. Ignored unless in ADMISSION. */
void iscsi_conn_admission(struct iscsi_conn *conn, enum iscsi_admission answer,
	const struct iscsi_grant *grant, uint64_t now);

#define ISCSI_LOGOUT_SECONDS 5u /* Parameter3 of Async event 1 */

enum iscsi_close {
	ISCSI_CLOSE_REQUESTED, /* section 11.9.1: Async event 1; CLEAN if no Logout comes in ISCSI_LOGOUT_SECONDS.
	                          Without a Normal session in full feature phase: as CLEAN at once */
	ISCSI_CLOSE_CLEAN, /* K5: complete commands finish, Async event 3 (full feature, not discovery), FIN */
	ISCSI_CLOSE_REINSTATED, /* section 6.3.5: all tasks end without a response, FIN */
};
/* Begins to close, in any phase; a connection already closing goes on as it is, but a later way hurries an earlier one. */
void iscsi_conn_close(struct iscsi_conn *conn, enum iscsi_close how, uint64_t now);
/* Applies a function of this or another session to this connection's tasks. */
void iscsi_conn_manage(struct iscsi_conn *conn, struct iscsi_management *management, uint64_t now);
/* On the issuing connection, after `released`: sends the response. `management` is the engine's again. */
void iscsi_conn_managed(struct iscsi_conn *conn, struct iscsi_management *management, uint64_t now);
/* What a successor of this connection would go on with; a value, so it may cross threads. */
void iscsi_conn_resume(const struct iscsi_conn *conn, struct iscsi_resume *resume);

/* What a session list shows. */
struct iscsi_conn_info {
	const struct iscsi_identity *identity;
	uint16_t tsih;
	unsigned chap_algorithm; /* 0 = logged in without CHAP */
	bool chap_mutual;
	uint64_t credential; /* `since` of the record that it proved; 0 without CHAP */
	struct iscsi_parameters parameters; /* in force */
	uint64_t commands;
	uint64_t bytes_read, bytes_written; /* SCSI data */
	uint64_t logged_in_at;              /* `now` of the final Login Response */
};
/* Fills *info as of now; the counters only grow. In any phase. */
void iscsi_conn_info(const struct iscsi_conn *conn, struct iscsi_conn_info *info);

#endif
