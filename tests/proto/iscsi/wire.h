/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a connection sends, taken from it in pieces of any size, cut into PDUs and judged by the rules
 * that hold whatever the peer did [SEQ-05, SEQ-07, SEQ-08, LNX-04, RES-04, RES-06, DATA-09..12].
 * A broken rule ends the process with a message: for unit tests and fuzzers alike.
 */
#ifndef PORTCULLIS_TESTS_WIRE_H
#define PORTCULLIS_TESTS_WIRE_H

#include "proto/iscsi/connection.h"

#include <stdio.h>
#include <stdlib.h>

#define must(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: must: %s\n", __FILE__, __LINE__, #condition);      \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

struct wire_pdu {
	uint8_t opcode;
	uint32_t itt, ttt, stat_sn, exp_cmd_sn, max_cmd_sn;
	uint8_t bhs[BHS_SIZE];
	uint8_t *data; /* owned by the wire */
	uint32_t length;
};

struct wire {
	struct iscsi_conn *conn;
	uint8_t *bytes; /* received, not yet cut */
	size_t count, capacity;
	bool in_full;   /* digests and numbers are in force */
	bool numbered;  /* stat_sn is known */
	bool last_word; /* nothing may come any more */
	uint32_t stat_sn, exp_cmd_sn, max_cmd_sn;
	/* Every PDU that came; the test takes them in order. */
	struct wire_pdu **pdus; /* each stays where it is until wire_end() */
	size_t pdu_count, taken;
	uint32_t seed; /* 0: everything is taken whole */
};

void wire_begin(struct wire *wire, struct iscsi_conn *conn, uint32_t seed);
/* Takes all that the connection has to send. */
void wire_take(struct wire *wire, uint64_t now);
void wire_end(struct wire *wire);
/* A small generator for chunk sizes. */
uint32_t wire_random(uint32_t *seed);

#endif
