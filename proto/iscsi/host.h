/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the engine asks of its surroundings: random bytes, the registry of targets and sessions, the
 * log, and the pools of the worker that it runs on. Values and functions; no socket, no clock.
 */
#ifndef PORTCULLIS_PROTO_ISCSI_HOST_H
#define PORTCULLIS_PROTO_ISCSI_HOST_H

#include "auth/chap.h"
#include "auth/credentials.h"
#include "base/pool.h"
#include "proto/iscsi/parameters.h"
#include "proto/scsi/scsi.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
	struct credential_set
		*credentials; /* never NULL for a named target; NULL on unnamed discovery */
	bool chap_required;   /* deny AuthMethod=None */
	bool chap_offered;    /* CHAP may be chosen (a credential exists, or CHAP is required) */
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
	struct scsi_nexus
		*nexus; /* NULL on discovery; owned by the host, outlives the connection's tasks */
	struct scsi_device *device;        /* NULL on discovery */
	const struct iscsi_resume *resume; /* valid for the call; NULL: a new session */
};

/*
 * A task management function on its way. Each connection of the target applies it to its own tasks
 * (iscsi_conn_manage()); every task that the store still holds keeps one hold on it. When the last
 * hold is dropped, on whatever thread, `released` is called once.
 */
struct iscsi_management {
	uint8_t function; /* 1..7, RFC 7143 section 11.5.1 */
	int lun;          /* -1 = all logical units */
	const struct scsi_nexus *issuer;
	atomic_uint holds; /* starts with one, the starter's own */
	atomic_bool
		incomplete; /* a task could not be waited for (out of memory): the engine's own */
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
	ISCSI_EVENT_PROTOCOL_ERROR,  /* `text` = what the peer did, one phrase */
	ISCSI_EVENT_TIMEOUT,         /* `text` = what was waited for */
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
	/*
	 * Whether the login may go on with the credential set of login_begin (K4), and with the record of it that was
	 * just proved: `credential` is its `since`, 0 when none was. Asked before the answer to CHAP_R is given.
	 */
	bool (*login_current)(void *owner, uint64_t credential);
	/* Registers the session under the target's lock (K4), reinstating an old one (section 6.3.5) and waiting for its store (K6). */
	enum iscsi_admission (*login_admit)(
		void *owner, const struct iscsi_identity *identity, struct iscsi_grant *grant);
	/* Calls `each` for every address of every target (or of `target` alone, if not NULL) that this peer may know. */
	void (*discover)(void *owner, const char *target, iscsi_discovered *each, void *context);
	/*
	 * Carries a LUN-wide function to all connections of the target (each: iscsi_conn_manage()), then drops the
	 * starter's hold. 0, or -1 when out of memory: then nothing was carried and no hold was dropped.
	 */
	int (*manage)(void *owner, struct iscsi_management *management);
	/* There is output, a new deadline or a new phase to look at. May be called many times; cheap. */
	void (*wake)(void *owner);
	void (*event)(void *owner, const struct iscsi_event *event);
	/*
	 * A SCSI command was answered, after `bytes` of its data moved: for counters. `began` is what
	 * iscsi_worker.ticks was when its header came. NULL: nobody counts. Must be fast.
	 */
	void (*command)(void *owner, const struct scsi_task *task, uint32_t bytes, uint64_t began);
};

/* What a worker shares among its connections. Borrowed; outlives them. */
struct iscsi_worker {
	const struct iscsi_host *host;
	const struct chap_issuer *issuer;
	struct store_queue *queue;
	struct buffer_pool *buffers;
	struct pool *tasks; /* objects of iscsi_task_size() bytes */
	struct pool *pdus;  /* objects of iscsi_pdu_size() bytes */
	uint64_t ticks; /* the host's own time, whatever its unit; it may change between calls */
};

#endif
