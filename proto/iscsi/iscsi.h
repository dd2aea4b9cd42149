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

#include "auth/chap.h"
#include "auth/credentials.h"
#include "base/pool.h"
#include "proto/iscsi/parameters.h"
#include "proto/scsi/scsi.h"

#include <stdatomic.h>
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
	ISCSI_PHASE_CLOSING,   /* nothing from the wire is interpreted any more; complete commands finish */
	ISCSI_PHASE_FINISHED,  /* the last PDU is queued: send what is left, then FIN, then drain */
	ISCSI_PHASE_RESET,     /* drop the connection at once, whatever is queued */
};

/* Login status (RFC 7143 section 11.13.5); {0, 0} is success. */
struct iscsi_login_status {
	uint8_t class;
	uint8_t detail;
};

/* Who logs in, to what. Strings are lower-cased, NUL-terminated, and live as long as the connection. */
struct iscsi_identity {
	char initiator[ISCSI_NAME_MAX + 1];
	char target[ISCSI_NAME_MAX + 1]; /* "" on an unnamed discovery session */
	uint8_t isid[6];
	uint16_t tsih; /* as requested; 0 = a new session */
	uint16_t cid;
	bool discovery;
};

/* What a login is measured by, answered by iscsi_host.login_begin. Borrowed until the connection is freed. */
struct iscsi_login_terms {
	uint16_t portal_group_tag;
	const char *target_alias; /* "" = none */
	struct credential_set *credentials; /* never NULL for a named target; NULL on unnamed discovery */
	bool chap_required; /* deny AuthMethod=None */
	bool chap_offered;  /* CHAP may be chosen (a credential exists, or CHAP is required) */
};

/* What a new connection goes on with when it takes a session over (connection reinstatement, section 6.3.4). */
struct iscsi_resume {
	uint32_t exp_cmd_sn;
	uint32_t max_cmd_sn;
	struct iscsi_parameters parameters; /* the session-wide ones count */
};

enum iscsi_admission {
	ISCSI_ADMITTED, /* `grant` is filled in */
	ISCSI_WAIT,     /* the host will call iscsi_conn_admission() */
	ISCSI_STALE,    /* the credentials changed meanwhile: FIN without a PDU (K4) */
	ISCSI_REFUSED,  /* `grant->status` says why */
};

struct iscsi_grant {
	struct iscsi_login_status status;
	uint16_t tsih;
	struct scsi_nexus *nexus; /* NULL on discovery; owned by the host, outlives the connection's tasks */
	struct scsi_device *device; /* NULL on discovery */
	const struct iscsi_resume *resume; /* valid for the call; NULL: a new session */
};

/*
 * A task management function on its way. Each connection of the target applies it to its own tasks
 * (iscsi_conn_manage()); every task that the store still holds keeps one hold on it. When the last
 * hold is dropped, on whatever thread, `released` is called once.
 */
struct iscsi_management {
	uint8_t function;  /* 1..7, RFC 7143 section 11.5.1 */
	int lun;           /* -1 = all logical units */
	const struct scsi_nexus *issuer;
	atomic_uint holds; /* starts with one, the starter's own */
	void (*released)(struct iscsi_management *management);
	void *host_context; /* the host's own */
};

/* Drops one hold; thread-safe. */
void iscsi_management_release(struct iscsi_management *management);

/* An address at which a target can be reached: "192.0.2.1:3260,1" (with portal group tag). */
typedef void iscsi_discovered(void *context, const char *target, const char *address);

/* Events for the host's log and counters; values, no text of their own but what is named here. */
enum iscsi_event_kind {
	ISCSI_EVENT_LOGIN_REFUSED, /* status, `text` = why, one phrase */
	ISCSI_EVENT_LOGGED_IN,
	ISCSI_EVENT_LOGGED_OUT,
	ISCSI_EVENT_PROTOCOL_ERROR, /* `text` = what the peer did, one phrase */
	ISCSI_EVENT_TIMEOUT,        /* `text` = what was waited for */
	ISCSI_EVENT_TASK_MANAGEMENT, /* `number` = function, `text` = outcome */
};

struct iscsi_event {
	enum iscsi_event_kind kind;
	struct iscsi_login_status status;
	uint32_t number;
	const char *text; /* static or valid for the call; never peer bytes, never a secret */
};

/*
 * What the engine asks of its surroundings. Called on the connection's thread, from inside engine
 * calls; none of them may call back into the same connection.
 */
struct iscsi_host {
	int (*random)(void *buffer, size_t length); /* 0, or -1: the login fails 0x0300 */
	/* Finds the target, registers the login with it and takes its credential set (K1). Once per connection. */
	struct iscsi_login_status (*login_begin)(void *owner, const struct iscsi_identity *identity,
		struct iscsi_login_terms *terms);
	/* Whether the credential set of login_begin is still the target's newest (K4), before CHAP_R is judged. */
	bool (*login_current)(void *owner);
	/* Registers the session under the target's lock (K4), reinstating an old one (section 6.3.5) and waiting for its store (K6). */
	enum iscsi_admission (*login_admit)(void *owner, const struct iscsi_identity *identity, struct iscsi_grant *grant);
	/* Calls `each` for every address of every target (or of `target` alone, if not NULL) that this peer may know. */
	void (*discover)(void *owner, const char *target, iscsi_discovered *each, void *context);
	/* Carries a LUN-wide function to all connections of the target (each: iscsi_conn_manage()), then drops the starter's hold. */
	void (*manage)(void *owner, struct iscsi_management *management);
	/* There is output, a new deadline or a new phase to look at. May be called many times; cheap. */
	void (*wake)(void *owner);
	void (*event)(void *owner, const struct iscsi_event *event);
};

/* What a worker shares among its connections. Borrowed; outlives them. */
struct iscsi_worker {
	const struct iscsi_host *host;
	const struct chap_issuer *issuer;
	struct store_queue *queue;
	struct buffer_pool *buffers;
	struct pool *tasks; /* objects of iscsi_task_size() bytes */
	struct pool *pdus;  /* objects of iscsi_pdu_size() bytes */
};

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
 * caller may receive up to the returned length straight into *at. 0 = nowhere in particular.
 */
size_t iscsi_conn_direct(const struct iscsi_conn *conn, uint8_t **at);
/*
 * The next bytes of the stream: first `direct` bytes that were received into the place
 * iscsi_conn_direct() named, then `length` bytes at `bytes` (borrowed for the call).
 */
void iscsi_conn_received(struct iscsi_conn *conn, size_t direct, const uint8_t *bytes, size_t length, uint64_t now);
/* The peer sent FIN, or the transport failed: nothing more will come, nothing more can be sent. */
void iscsi_conn_lost(struct iscsi_conn *conn, uint64_t now);

/* --- output --- */

/* Fills up to `capacity` vectors with what is to be sent, in order; returns how many. Valid until the next call. */
int iscsi_conn_output(struct iscsi_conn *conn, struct iovec *vectors, int capacity);
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
void iscsi_conn_admission(struct iscsi_conn *conn, enum iscsi_admission answer, const struct iscsi_grant *grant, uint64_t now);

enum iscsi_close {
	ISCSI_CLOSE_CLEAN,      /* K5: complete commands finish, Async event 3 (full feature, not discovery), FIN */
	ISCSI_CLOSE_REINSTATED, /* section 6.3.5: all tasks end without a response, FIN */
};
/* Begins to close, in any phase; a connection already closing goes on as it is (REINSTATED hurries a CLEAN one). */
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
	bool header_digest, data_digest;
	uint32_t max_burst_length, first_burst_length, max_recv_data_segment_length; /* bytes, as negotiated */
	uint64_t commands;
	uint64_t bytes_read, bytes_written; /* SCSI data */
	uint64_t logged_in_at;              /* `now` of the final Login Response */
};
void iscsi_conn_info(const struct iscsi_conn *conn, struct iscsi_conn_info *info);

#endif
