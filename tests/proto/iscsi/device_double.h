/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device server made for tests of the engine: the functions of proto/scsi/scsi.h over a small disk
 * in memory, with commands that stay under way until the test lets them end.
 */
#ifndef PORTCULLIS_TESTS_DEVICE_DOUBLE_H
#define PORTCULLIS_TESTS_DEVICE_DOUBLE_H

#include "proto/scsi/scsi.h"

#define DOUBLE_BLOCK  512u
#define DOUBLE_BLOCKS 16384u /* 8 MiB */
#define DOUBLE_LUN_A  0
#define DOUBLE_LUN_B  5
#define DOUBLE_HELD   512

/* Commands: READ(10), WRITE(10), TEST UNIT READY, INQUIRY (96 bytes), REPORT LUNS (88 bytes), and these. */
#define CDB_STATUS   0xc0 /* byte 1 is the status it ends with; CHECK CONDITION: 04/44/00 */
#define CDB_READ_32  0x7f /* a 32-byte CDB: 512 bytes of byte 31 */
#define CDB_READ_BAD 0xc1 /* moves `blocks` in, and fails in the middle */

struct device_double {
	uint8_t disk[DOUBLE_BLOCKS * DOUBLE_BLOCK];
	bool pending;       /* commands stay under way until double_finish() */
	bool views;         /* READ(10) sends from the disk itself */
	bool small;         /* takes at most 128 blocks */
	uint32_t attention; /* reported by the next parse that sees it; 0 = none */
	struct scsi_task *held[DOUBLE_HELD];
	unsigned held_count;
	unsigned parsed, executed;
	unsigned lent;               /* commands that ended with their data where it came in */
	uint64_t order[DOUBLE_HELD]; /* the LBA (or opcode) of each command, as executed */
	/* What the engine told: the last of each, and how often. */
	uint32_t raised;
	int raised_lun;
	const struct scsi_nexus *raised_except;
	unsigned raise_count, reset_count;
	int reset_lun;
	uint32_t told; /* to one nexus */
	int told_lun;
	const struct scsi_nexus *told_nexus;
	unsigned told_count, protocol_level;
};

extern struct device_double the_double;

void double_reset(void);
/* The same but for the disk. */
void double_forget(void);
/* Ends the oldest command that is under way, or the given one. */
void double_finish(void);
void double_finish_at(unsigned index);
void double_finish_all(void);
/* A byte that says where it stands on the disk. */
uint8_t double_pattern(size_t offset);

#endif
