/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inside of a connection, shared by the engine's own files only. What crosses from one file to
 * another is named here; everything else is static where it is used.
 */
#ifndef PORTCULLIS_PROTO_ISCSI_CONNECTION_H
#define PORTCULLIS_PROTO_ISCSI_CONNECTION_H

#include "proto/iscsi/iscsi.h"
#include "proto/iscsi/parameters.h"
#include "proto/iscsi/pdu.h"

#define LOGIN_TIMEOUT_MS 15000u /* design.md section 4 */
#define COMMAND_WINDOW   128u   /* MaxCmdSN = ExpCmdSN + COMMAND_WINDOW - 1 on an idle connection */

struct iscsi_login; /* login.c: lives only until full feature phase */
struct iscsi_text; /* discovery.c: a text negotiation in full feature phase, NULL when there is none */

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
	uint32_t max_cmd_sn;

	unsigned chap_algorithm; /* 0 = none; set by the one function that grants authentication */
	bool chap_mutual;
	uint64_t logged_in_at;
	/* full.c, input.c, output.c, data.c, ... add theirs here (owner: the full-feature author) */
};

/* --- conn.c: phases --- */

/* The one place that assigns a phase; frees what the new phase does not need, wakes the host. */
void conn_enter(struct iscsi_conn *conn, enum iscsi_phase phase, uint64_t now);
/* The peer broke the protocol beyond repair: event, then FINISHED (FIN after what is queued). */
void conn_protocol_error(struct iscsi_conn *conn, const char *what, uint64_t now);
/* Reports an event to the host. `number` of LOGIN_REFUSED is class << 8 | detail: the event's status. */
void conn_event(
	struct iscsi_conn *conn, enum iscsi_event_kind kind, uint32_t number, const char *text);

/* --- output.c --- */

/*
 * Queues one PDU made of a finished 48-byte header (DataSegmentLength is filled in here) and a copy of
 * `length` data bytes. For all but SCSI data. Returns -1 when out of memory (the connection is then RESET).
 */
int conn_send(struct iscsi_conn *conn, uint8_t bhs[BHS_SIZE], const void *data, uint32_t length,
	uint64_t now);
/* Fills StatSN (and advances it if `counts`), ExpCmdSN, MaxCmdSN into a response header. */
void conn_stamp(struct iscsi_conn *conn, uint8_t bhs[BHS_SIZE], bool counts);
/* Reject, section 11.17: the bad PDU's header goes back as data. */
void conn_reject(struct iscsi_conn *conn, const struct iscsi_pdu *pdu, enum iscsi_reject reason,
	uint64_t now);

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

#endif
