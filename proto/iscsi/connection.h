/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inside of a connection, shared by the engine's own files only. What crosses from one file to
 * another is named here (what only the full feature phase knows: full.h); everything else is static
 * where it is used.
 */
#ifndef PORTCULLIS_PROTO_ISCSI_CONNECTION_H
#define PORTCULLIS_PROTO_ISCSI_CONNECTION_H

#include "proto/iscsi/iscsi.h"
#include "proto/iscsi/parameters.h"
#include "proto/iscsi/pdu.h"

#define LOGIN_TIMEOUT_MS 15000u /* doc/architecture.md, What bounds what */
/*
 * The rest of a PDU that has begun, between two of its bytes and in all. Its sender has the rest at hand: the first
 * outlasts a path that fails over, the second asks for 2 KiB/s of the largest segment that we take.
 */
#define PDU_STALL_MS   60000u
#define PDU_WHOLE_MS   120000u
#define COMMAND_WINDOW 128u /* MaxCmdSN = ExpCmdSN + COMMAND_WINDOW - 1 on an idle connection */
#define TASK_BUCKETS   32u

struct iscsi_login; /* login.c: lives only until full feature phase */
struct iscsi_text;  /* discovery.c: a text negotiation in full feature phase, NULL: none */
struct iscsi_task;  /* full.h: a SCSI command */
struct iscsi_tmf;   /* tmf.c: a task management function of this connection */
struct held_pdu;    /* sequence.c: what came ahead of its turn */
struct output_pdu;  /* output.c */

/* The deadlines of a connection; handlers in conn.c. */
enum conn_timer {
	TIMER_LOGIN,  /* the login must be over */
	TIMER_OUTPUT, /* the peer must have taken something of what we send */
	TIMER_INPUT,  /* the rest of a PDU must have come */
	TIMER_PEER,   /* we must have heard from the peer */
	TIMER_DATA, /* the Data-Out that is due must have come, and what is missing in CmdSN order */
	TIMER_TASKS,  /* a task management function waits no longer */
	TIMER_LOGOUT, /* the Logout that was asked for must have come */
	TIMER_CLOSE,  /* the commands of a closing connection must have finished */
	TIMERS
};

/* Which part of a PDU the next byte belongs to (input.c). */
enum input_stage { INPUT_HEADER, INPUT_AHS, INPUT_HEADER_DIGEST, INPUT_DATA, INPUT_TAIL };

struct conn_input {
	enum input_stage stage;
	uint32_t have;   /* bytes of the stage that have come */
	uint32_t crc;    /* running, over the data segment */
	uint8_t *gather; /* AHS, or data without a place of its own; owned */
	uint8_t *place;  /* where data goes that comes in pieces; NULL: nowhere, it is dropped */
	uint32_t room;   /* bytes that fit into `place`; the rest is dropped */
	uint64_t began;  /* when its first byte came; 0: nothing of it is here */
	struct iscsi_task *task; /* whose data this is; NULL: any other PDU, or nobody's */
	bool taken;           /* the header has been dealt with, data has no receiver but `task` */
	bool in_full;         /* the header came in full feature phase */
	struct iscsi_pdu pdu; /* `header`, decoded as soon as all of it is there */
	uint8_t header[BHS_SIZE];
	uint8_t tail[8]; /* padding and data digest, or the header digest */
};

struct conn_output {
	struct output_pdu *head, **last;
	uint32_t count; /* PDUs */
	size_t bytes;   /* not sent yet */
	uint32_t sent;  /* bytes of the head that were sent */
};

struct iscsi_conn {
	const struct iscsi_worker *worker;
	void *owner;
	enum iscsi_phase phase; /* assigned by conn_enter() alone */
	struct iscsi_identity identity;
	struct iscsi_parameters parameters;
	struct iscsi_login_terms terms;
	struct iscsi_grant grant;
	struct iscsi_login *login;
	struct iscsi_text *text;

	uint32_t stat_sn;    /* the next StatSN to assign */
	uint32_t exp_cmd_sn; /* set by login from the first request's CmdSN */
	uint32_t max_cmd_sn; /* likewise: exp_cmd_sn + COMMAND_WINDOW - 1 */

	unsigned chap_algorithm; /* 0 = none; set by the one function that grants authentication */
	bool chap_mutual;
	uint64_t credential; /* `since` of the record that was proved, likewise */
	uint64_t logged_in_at;

	bool full;    /* full feature phase was reached: digests are in force */
	bool cleaned; /* what a finished connection does not need is gone */
	uint64_t timers
		[TIMERS]; /* ISCSI_NO_DEADLINE = not running, 0 = to be set when the time is known */
	struct conn_input input;
	struct conn_output output;

	/* Full feature phase. */
	struct iscsi_task
		*tasks[TASK_BUCKETS]; /* by Initiator Task Tag: those without a response */
	struct iscsi_task *first_task, *last_task; /* the same, in order of arrival */
	struct iscsi_task *parked, **parked_last;  /* wait for buffer memory, in order */
	struct held_pdu *held;                     /* wait for a lower CmdSN, in order */
	struct iscsi_tmf *tmfs;
	uint32_t max_cmd_sn_sent;
	uint32_t serial;        /* the last task's or function's number on this connection */
	uint32_t executing;     /* tasks in the device server or the store */
	uint32_t immediates;    /* immediate commands without a response */
	uint32_t ordered;       /* likewise commands that are ORDERED */
	uint32_t barred, views; /* tasks in TASK_BARRED; whose data is sent from where it lies */
	uint32_t tmf_count;
	uint32_t ping_tag;             /* the last ping's Target Transfer Tag */
	size_t buffered;               /* bytes of buffers beyond the unsolicited data */
	bool pinged;                   /* a ping of ours is unanswered */
	bool answers_pings;            /* this initiator has answered one before */
	uint64_t heard_at, excused_at; /* excused: we did not read until then, whatever was due */
	uint64_t commands, bytes_read, bytes_written;
};

/* --- conn.c: phases and time --- */

/*
 * The one place that assigns a phase, forwards only; wakes the host. What the new phase does not need
 * is freed when the engine call that we are in ends, so the caller's pointers stay valid.
 */
void conn_enter(struct iscsi_conn *conn, enum iscsi_phase phase, uint64_t now);
/* The peer broke the protocol beyond repair: event, then FINISHED (FIN after what is queued). */
void conn_protocol_error(struct iscsi_conn *conn, const char *what, uint64_t now);
/* Reports an event to the host. `number` of LOGIN_REFUSED is class << 8 | detail: the event's status. */
void conn_event(
	struct iscsi_conn *conn, enum iscsi_event_kind kind, uint32_t number, const char *text);
/* Starts a timer anew. `now` 0 = the caller was not told the time: set at the next call that is. */
void conn_arm(struct iscsi_conn *conn, enum conn_timer timer, uint64_t now);
/* At a chosen time; conn_disarm(): not at all. */
void conn_arm_at(struct iscsi_conn *conn, enum conn_timer timer, uint64_t at);
void conn_disarm(struct iscsi_conn *conn, enum conn_timer timer);
/* At the end of every call from outside: what has become possible or due through it. */
void conn_settle(struct iscsi_conn *conn, uint64_t now);

/* --- input.c --- */

/* A task is about to go: data of it that is on its way has no place any more. */
void input_forget(struct iscsi_conn *conn, const struct iscsi_task *task);
/* Frees what a PDU half received holds; nothing more is interpreted. */
void input_end(struct iscsi_conn *conn);
/* We did not read until now, so the peer's silence begins anew. */
void input_excuse(struct iscsi_conn *conn, uint64_t now);

/* --- output.c --- */

/*
 * Queues one PDU made of a finished 48-byte header (DataSegmentLength is filled in here) and a copy of
 * `length` data bytes. For all but SCSI data. Returns -1 when out of memory (the connection is then RESET).
 */
int conn_send(struct iscsi_conn *conn, uint8_t bhs[BHS_SIZE], const void *data, uint32_t length,
	uint64_t now);
/*
 * Likewise, but the data stays where it is until it was sent. It is of `task`, which is freed with its
 * `last` PDU, or here on failure.
 */
int conn_send_view(struct iscsi_task *task, uint8_t bhs[BHS_SIZE], const uint8_t *data,
	uint32_t length, bool last, uint64_t now);
/* Fills StatSN (and advances it if `counts`), ExpCmdSN, MaxCmdSN into a response header. */
void conn_stamp(struct iscsi_conn *conn, uint8_t bhs[BHS_SIZE], bool counts);
/* Reject, section 11.17: the bad PDU's header goes back as data. */
void conn_reject(struct iscsi_conn *conn, const struct iscsi_pdu *pdu, enum iscsi_reject reason,
	uint64_t now);
/* Frees what is queued. */
void output_drop(struct iscsi_conn *conn);

/* --- login.c --- */

/* The login's own state; NULL when out of memory. Freeing NULL is fine. */
struct iscsi_login *login_new(void);
void login_free(struct iscsi_login *login);
/* One whole PDU of a connection in LOGIN (or, wrongly, in ADMISSION). */
void login_receive(struct iscsi_conn *conn, const struct iscsi_pdu *pdu, uint64_t now);
/*
 * The host's word, in ADMISSION: takes over grant and resume, sends the final Login Response or the
 * refusal, enters the next phase, sets logged_in_at and reports LOGGED_IN.
 */
void login_admitted(struct iscsi_conn *conn, enum iscsi_admission answer,
	const struct iscsi_grant *grant, uint64_t now);
/* The final Login Response has been queued: called by login.c, makes the session ready (full.c). */
void full_begin(struct iscsi_conn *conn, uint64_t now);

/* --- discovery.c --- */

/* A Text Request in full feature phase, its CmdSN already accounted for. Section 11.10, appendix C. */
void text_receive(struct iscsi_conn *conn, const struct iscsi_pdu *pdu, uint64_t now);
void text_free(struct iscsi_text *text);

/* --- digest.c --- */

#define DIGEST_START 0xffffffffu
/* CRC32C (section 13.1), to be begun with DIGEST_START and continued piece by piece. */
uint32_t digest_update(uint32_t crc, const uint8_t *bytes, size_t length);
/* The four bytes that go on the wire. */
void digest_finish(uint32_t crc, uint8_t digest[DIGEST_SIZE]);

#endif
