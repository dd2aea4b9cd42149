/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inside of the full feature phase: SCSI commands with their data, command numbering, task
 * management. RFC 7143 sections 4.2.2, 4.2.5, 11.3 to 11.8.
 */
#ifndef PORTCULLIS_PROTO_ISCSI_FULL_H
#define PORTCULLIS_PROTO_ISCSI_FULL_H

#include "proto/iscsi/connection.h"

/* SCSI Command flags, section 11.3.1; SCSI Response and Data-In flags, sections 11.4.1, 11.7.3. */
#define COMMAND_READ            0x40
#define COMMAND_WRITE           0x20
#define RESPONSE_BIDI_OVERFLOW  0x10
#define RESPONSE_BIDI_UNDERFLOW 0x08
#define RESPONSE_OVERFLOW       0x04
#define RESPONSE_UNDERFLOW      0x02
#define DATA_IN_STATUS          0x01

/* Offsets that only these PDUs have. */
#define BHS_EDTL       20 /* SCSI Command */
#define BHS_CDB        32
#define BHS_CDB_SIZE   16u
#define BHS_DATA_SN    36 /* Data-Out, Data-In, R2T (R2TSN), SCSI Response (ExpDataSN) */
#define BHS_OFFSET     40 /* Data-Out, Data-In, R2T; SCSI Response: bidirectional residual */
#define BHS_RESIDUAL   44 /* SCSI Response, Data-In; R2T: Desired Data Transfer Length */
#define BHS_REF_CMD_SN 32 /* Task Management Function Request */

#define BUFFER_BUDGET  (16u << 20)  /* bytes of one connection's buffers beyond unsolicited data */
#define IMMEDIATE_MAX  16u          /* immediate SCSI commands under way */
#define HELD_BYTES_MAX (256u << 10) /* data of PDUs, not commands, held for a lower CmdSN */
#define SERIAL_START   0x15a5au     /* so that small guesses name no task */

/* In iscsi_task.error, beside sense: no memory for the data. */
#define ERROR_NO_BUFFER 1u

enum task_state {
	TASK_RECEIVING, /* its PDU is still coming in */
	TASK_HELD,      /* waits for a lower CmdSN */
	TASK_GATHERING, /* waits for Data-Out */
	TASK_BARRED,    /* waits for commands before it: it is ORDERED, or one of them is */
	TASK_PARKED,    /* waits for buffer memory */
	TASK_EXECUTING, /* with the device server */
	TASK_ANSWERED,  /* its response is queued; it lives for its data */
};

/* One hold of a task on a management function that waits for it. */
struct task_hold {
	struct task_hold *next;
	struct iscsi_management *management;
};

struct iscsi_task {
	struct scsi_task scsi; /* first: the device server hands back a pointer to it */
	struct iscsi_conn *conn;
	enum task_state state;
	bool immediate;
	bool credit;      /* takes a place in the command window */
	bool ended;       /* the status is known; data still due is dropped */
	bool executed;    /* the device server ran it */
	bool fenced;      /* aborted while the device server had it: no response */
	bool unsolicited; /* unsolicited Data-Out is due */
	uint8_t flags;    /* byte 1 of its PDU */
	uint32_t itt;
	uint32_t cmd_sn, serial;
	uint64_t place;     /* in the order in which commands had their turn; 0: not yet */
	uint32_t edtl;      /* bytes: Expected Data Transfer Length */
	uint32_t read_edtl; /* bytes: likewise for the read half of a bidirectional command */
	uint32_t want;      /* bytes of data-out to gather before it can run */
	uint32_t received;  /* of them, from offset 0 on without a gap */
	uint32_t data_sn;   /* the next of the current sequence */
	uint32_t r2t_base;  /* offset where solicited data begins */
	uint32_t r2t_sent, r2t_done; /* R2Ts sent; of them answered to the last byte */
	uint32_t charged;            /* bytes of the connection's budget */
	uint32_t error;              /* found before its turn: sense, or ERROR_NO_BUFFER */
	uint64_t began;              /* iscsi_worker.ticks when its header came */
	uint64_t progress_at;        /* when data last came; 0 = not known yet */
	struct iscsi_task *bucket_next;
	struct iscsi_task *older, *younger;
	struct iscsi_task *parked_next;
	struct task_hold *holds;
	uint8_t segment[2 + SCSI_SENSE_MAX]; /* SenseLength and sense, as they are sent */
};

/* --- full.c --- */

/* The header of a PDU is complete and good: who takes its data (input.task, place, taken). */
void full_header(struct iscsi_conn *conn, const struct iscsi_pdu *pdu, uint64_t now);
/* The whole PDU is here. */
void full_receive(
	struct iscsi_conn *conn, const struct iscsi_pdu *pdu, bool digest_good, uint64_t now);
/* Runs a PDU whose turn in CmdSN order has come. */
void full_dispatch(struct iscsi_conn *conn, const struct iscsi_pdu *pdu, uint64_t now);
/* What is left to do at the end of a call: held commands, parked commands, functions, the window. */
void full_settle(struct iscsi_conn *conn, uint64_t now);
/* K5: forgets all commands that lack data. */
void full_drop_incomplete(struct iscsi_conn *conn);
/* Whether nothing is left that still owes a response. */
bool full_is_quiet(const struct iscsi_conn *conn);
/* Async event 3 as the last PDU of a Normal session in full feature phase. */
void full_farewell(struct iscsi_conn *conn, uint64_t now);
/* Async event 1: such a session is asked to log out; commands go on being served meanwhile. */
void full_request_logout(struct iscsi_conn *conn, uint64_t now);
/* All tasks end without a response; those in the store are fenced. */
void full_end(struct iscsi_conn *conn);
/* TIMER_PEER: pings, or gives the peer up; a discovery session at once. */
void peer_silent(struct iscsi_conn *conn, uint64_t now);

/* --- sequence.c --- */

enum sequence_place { SEQUENCE_IGNORE, SEQUENCE_TURN, SEQUENCE_EARLY };

/* Where a non-immediate PDU stands in the order of CmdSN (section 4.2.2.1). */
enum sequence_place sequence_judge(const struct iscsi_conn *conn, uint32_t cmd_sn);
/* Keeps an early command (`task`), another PDU (`pdu`), or a gap that counts as filled (neither). -1: no room. */
int sequence_hold(struct iscsi_conn *conn, uint32_t cmd_sn, struct iscsi_task *task,
	const struct iscsi_pdu *pdu);
/* Delivers what is held and has come to its turn. */
void sequence_run(struct iscsi_conn *conn, uint64_t now);
/* All CmdSNs below `cmd_sn` count as received; what is held of them is dropped. */
void sequence_skip(struct iscsi_conn *conn, uint32_t cmd_sn);
/* A held command is no more; its place in the order stays taken. */
void sequence_forget(struct iscsi_conn *conn, const struct iscsi_task *task);
/* Frees all that is held, commands too. */
void sequence_end(struct iscsi_conn *conn);
/* A place in the command window is free again. */
void sequence_return_credit(struct iscsi_conn *conn);

/* --- command.c --- */

/* The task without a response that has this tag, or NULL. */
struct iscsi_task *task_find(const struct iscsi_conn *conn, uint32_t itt);
/* It is no longer under way: its tag and its place in the window are free. */
void task_retire(struct iscsi_task *task);
/* Gives the data buffer back, and what it took of the budget. */
void task_drop_buffer(struct iscsi_task *task);
/* Ends its membership everywhere, gives back its memory and credit, drops its holds. */
void task_free(struct iscsi_task *task);
/*
 * Ends a task without a response, now or, if the device server has it, when it comes back; `by` (NULL:
 * nobody) then waits for it.
 */
void task_abort(struct iscsi_task *task, struct iscsi_management *by);
/* Ends a task with a sense or ERROR_NO_BUFFER, once the data still due has come. */
void task_fail(struct iscsi_task *task, uint32_t error);
/* Whether Data-Out is due that the initiator was asked for or announced. */
bool task_awaits_data(const struct iscsi_task *task);
/* The header of a SCSI Command: a task for it, and a place for its immediate data; or a Reject. */
void command_header(struct iscsi_conn *conn, const struct iscsi_pdu *pdu, uint64_t now);
/* The whole PDU is here: it takes its place in CmdSN order. */
void command_receive(
	struct iscsi_conn *conn, const struct iscsi_pdu *pdu, bool digest_good, uint64_t now);
/* Its turn in CmdSN order has come. */
void command_deliver(struct iscsi_task *task, uint64_t now);
/* Goes as far as its data and buffer memory allow. */
void command_proceed(struct iscsi_task *task, uint64_t now);
/* Lets commands go on for which nothing is left to wait for. */
void command_unbar(struct iscsi_conn *conn, uint64_t now);
/* Lets parked commands go on as far as the budget reaches. */
void command_unpark(struct iscsi_conn *conn, uint64_t now);

/* --- respond.c --- */

/* Data-In and SCSI Response of an ended task; the task is then the output queue's. */
void command_respond(struct iscsi_task *task, uint64_t now);

/* --- dataout.c --- */

/* The header of a Data-Out: where its data goes, or what is wrong with it. */
void dataout_header(struct iscsi_conn *conn, const struct iscsi_pdu *pdu, uint64_t now);
/* The whole of it is here: counts it, and goes on with the task at the end of a sequence. */
void dataout_receive(
	struct iscsi_conn *conn, const struct iscsi_pdu *pdu, bool digest_good, uint64_t now);
/* Data, or a command in between, is due now: the peer gets a bounded time for each next piece. */
void dataout_await(struct iscsi_conn *conn, uint64_t now);
/* Sends the R2Ts that may be outstanding. */
void dataout_solicit(struct iscsi_task *task, uint64_t now);
/* TIMER_DATA: closes the connection if what is due has stopped coming. */
void data_late(struct iscsi_conn *conn, uint64_t now);

/* --- tmf.c --- */

/* A Task Management Function Request in its turn. */
void tmf_receive(struct iscsi_conn *conn, const struct iscsi_pdu *pdu, uint64_t now);
/* Whether a function of this connection is known by this tag. */
bool tmf_find(const struct iscsi_conn *conn, uint32_t itt);
/* Whether a waiting function is about to end this task: it gets no new R2T. */
bool tmf_covers(const struct iscsi_conn *conn, const struct iscsi_task *task);
/* Runs the functions whose wait is over. */
void tmf_settle(struct iscsi_conn *conn, uint64_t now);
/* Whether a function still owes its response. */
bool tmf_owes(const struct iscsi_conn *conn);
/* Forgets those that wait. */
void tmf_drop_waiting(struct iscsi_conn *conn);
/* Likewise, and those that run will not be answered. */
void tmf_end(struct iscsi_conn *conn);
/* TIMER_TASKS: runs functions that have waited long enough, answers those that have run too long. */
void tmf_late(struct iscsi_conn *conn, uint64_t now);

#endif
