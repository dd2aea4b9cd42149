/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A scripted initiator for transcripts in the full feature phase: builds requests, feeds them in
 * chunks of any size, takes what comes back, and checks over every transcript the rules that need to
 * know both sides [SEQ-07, DATA-04, DATA-09, DATA-12, RES-01].
 */
#ifndef PORTCULLIS_TESTS_TRANSCRIPT_H
#define PORTCULLIS_TESTS_TRANSCRIPT_H

#include "proto/iscsi/full.h"
#include "tests/proto/iscsi/device_double.h"
#include "tests/proto/iscsi/wire.h"

/* How the same bytes may arrive. */
enum chunking {
	CHUNK_WHOLE,         /* all that was sent since the last answer, at once */
	CHUNK_BYTES,         /* byte by byte */
	CHUNK_RANDOM,        /* random pieces */
	CHUNK_DIRECT,        /* straight into the command's buffer where there is one */
	CHUNK_RANDOM_DIRECT, /* the same, in random pieces */
	CHUNKINGS
};

#define TRANSCRIPT_TASKS  2048
#define TRANSCRIPT_EVENTS 64
#define TRANSCRIPT_START  1000000u /* `now` at the beginning */

/* What the initiator knows of a command. */
struct transcript_task {
	uint32_t itt, cmd_sn, edtl;
	uint64_t lun;
	uint8_t flags;
	bool immediate, answered, ended; /* ended: aborted, nothing more may come */
	uint32_t data_sn, offset, burst; /* Data-In */
	uint32_t r2t_sn, solicited, outstanding;
};

struct transcript {
	struct iscsi_conn *conn;
	struct iscsi_worker worker;
	struct wire wire;
	uint64_t now;
	enum chunking chunking;
	uint32_t seed;
	uint8_t *bytes; /* to be delivered */
	size_t count, capacity, gone;
	size_t refused; /* bytes that the connection did not want any more */
	FILE *record;   /* what is delivered, as a seed for the fuzzers; NULL: nothing */
	uint32_t cmd_sn, itt, exp_stat_sn;
	uint64_t lun;
	struct transcript_task tasks[TRANSCRIPT_TASKS];
	unsigned task_count;
	struct {
		enum iscsi_event_kind kind;
		uint32_t number;
		char text[64];
	} events[TRANSCRIPT_EVENTS];
	unsigned event_count, wakes;
	struct transcript_function {
		struct iscsi_management
			*management; /* handed to the host, to be applied to `others` */
		bool applied;        /* it was; */
		bool released;       /* its last hold is gone: the host gives it back next */
	} functions[16];
	struct transcript *others[4];
	bool manage_fails;
	bool untracked; /* what comes is not compared with what was sent (fuzzing) */
	size_t tracked; /* PDUs that were compared with what was sent */
};

/* What was negotiated by default: small numbers, so that transcripts stay readable. */
struct iscsi_parameters transcript_parameters(void);

/* A Normal (or discovery) session in full feature phase that was just logged in; CmdSN begins at `cmd_sn`. */
void transcript_begin(struct transcript *t, const struct iscsi_parameters *parameters,
	bool discovery, uint32_t cmd_sn, enum chunking chunking);
/* Keeps the stream in $TRANSCRIPT_CORPUS/NAME, if that is set, in the form of tests/fuzz/fuzz_full.c. */
void transcript_record(struct transcript *t, const char *name);
/* Closes what is still open, and checks that nothing is left behind. */
void transcript_end(struct transcript *t);

/* --- sending --- */

/* Any PDU: BHS with lengths filled in here, padded, with digests as negotiated. */
void put_pdu(struct transcript *t, uint8_t bhs[BHS_SIZE], const void *data, uint32_t length);
void put_pdu_ahs(struct transcript *t, uint8_t bhs[BHS_SIZE], const uint8_t *ahs,
	uint32_t ahs_length, const void *data, uint32_t length);
void put_bytes(struct transcript *t, const void *bytes, size_t length);
/* Spoils the last byte that was put: the last data digest, if there is one. */
void put_spoiled(struct transcript *t);
/* The next request's header: opcode, flags, a fresh tag, CmdSN (consumed unless immediate), ExpStatSN. */
uint32_t new_request(struct transcript *t, uint8_t bhs[BHS_SIZE], uint8_t opcode, uint8_t flags);

/* SCSI Command headers with a fresh tag; `edtl` in bytes. */
uint32_t new_command(struct transcript *t, uint8_t bhs[BHS_SIZE], uint8_t flags, uint32_t edtl,
	const uint8_t *cdb, size_t cdb_length);
uint32_t new_read(struct transcript *t, uint8_t bhs[BHS_SIZE], uint32_t lba, uint16_t blocks);
uint32_t new_write(struct transcript *t, uint8_t bhs[BHS_SIZE], uint32_t lba, uint16_t blocks);
/* Sends a command whose header is finished. */
void put_command(struct transcript *t, uint8_t bhs[BHS_SIZE], const void *data, uint32_t length);

uint32_t put_read(struct transcript *t, uint32_t lba, uint16_t blocks);
/* A write with `immediate` bytes of immediate data from `data`; F as `final`. */
uint32_t put_write(struct transcript *t, uint32_t lba, uint16_t blocks, const uint8_t *data,
	uint32_t immediate, bool final);
void put_data_out(struct transcript *t, uint32_t itt, uint32_t ttt, uint32_t data_sn,
	uint32_t offset, const uint8_t *data, uint32_t length, bool final);
/* All the data that an R2T asks for, in PDUs of `piece` bytes. */
void put_solicited(
	struct transcript *t, const struct wire_pdu *r2t, const uint8_t *data, uint32_t piece);
uint32_t put_ping(struct transcript *t, const void *data, uint32_t length);
/* An immediate task management request. */
uint32_t put_tmf(struct transcript *t, uint8_t function, uint32_t referenced, uint32_t ref_cmd_sn);
uint32_t put_logout(struct transcript *t, uint8_t reason, uint16_t cid);

/* --- receiving: each delivers first what was put --- */

void deliver(struct transcript *t);
/* Lets time pass. */
void pass(struct transcript *t, uint64_t milliseconds);
/* The next PDU; it must be one of this kind. */
const struct wire_pdu *expect(struct transcript *t, uint8_t opcode);
void expect_nothing(struct transcript *t);
/* GOOD, with the data checked against the disk's pattern if `lba` >= 0; returns the last PDU. */
const struct wire_pdu *expect_good(struct transcript *t, uint32_t itt);
void expect_read(struct transcript *t, uint32_t itt, uint32_t lba, uint32_t length);
/* CHECK CONDITION with this sense. */
const struct wire_pdu *expect_sense(struct transcript *t, uint32_t itt, uint32_t sense);
void expect_reject(struct transcript *t, uint8_t reason);
void expect_tmf(struct transcript *t, uint32_t itt, uint8_t response);
/* The connection ends here: nothing but, if `async`, event 3 is sent. */
void expect_finished(struct transcript *t, bool async);
bool has_event(const struct transcript *t, enum iscsi_event_kind kind, const char *text);
/* Residual flags and count of a SCSI Response or Data-In. */
void must_leave(const struct wire_pdu *pdu, char flag, uint32_t count);

#endif
