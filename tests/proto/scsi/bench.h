/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bench on which the device server is tested: one target, one initiator (or two), CDBs in,
 * status, sense and data out, with what every command owes checked each time.
 */
#ifndef PORTCULLIS_TESTS_BENCH_H
#define PORTCULLIS_TESTS_BENCH_H

#include "proto/scsi/task.h"
#include "tests/proto/scsi/fake_store.h"

#include <check.h>

#define BENCH_NAME   "iqn.1997-05.com.amazon:myvolume"
#define BENCH_SERIAL "0123456789abcdef"
#define BENCH_BLOCKS 16384u /* of 512 bytes: 8 MiB, twice the largest transfer */
#define BENCH_TAG    0x0102

#define ABSENT_LUN 77

/* What differs from a thin writable disk of BENCH_BLOCKS blocks of 512 bytes. */
struct bench_options {
	uint32_t block_size;          /* 0: 512 */
	uint32_t physical_block_size; /* 0: 4096 */
	uint64_t blocks;              /* 0: BENCH_BLOCKS */
	bool read_only;
	bool thick;
	bool stable; /* no volatile cache */
	bool keep_attention;
	uint16_t lun;
};

struct bench {
	struct store *store;
	struct scsi_device *device;
	struct scsi_nexus *nexus;
	uint64_t lun; /* the LUN field that CDBs are sent with */

	/* The last command. */
	struct scsi_task task;
	uint8_t *data;   /* its buffer, exactly task.length bytes */
	bool in_buffer;  /* data-out is in the buffer from the beginning, instead of lent */
	bool parsed;     /* scsi_task_parse() let it through */
	unsigned done;   /* calls of task.done */
	uint32_t wanted; /* bytes that it wanted as data-out */
};

struct cdb {
	uint8_t bytes[16];
};

/* The LUN field of a LUN number, peripheral addressing. */
#define LUN(number) ((uint64_t)(number) << 48)

/* One nexus whose first unit attention is already taken, unless options say to keep it. */
struct bench *bench_new(const struct bench_options *options);
struct bench *bench_default(void);
void bench_free(struct bench *bench);

/* A CDB from its bytes; the rest is zero. */
#define CDB(...) ((struct cdb){ { __VA_ARGS__ } })
/* The CDB of any command with LBA and number of blocks, where its size puts them. */
struct cdb cdb_range(uint8_t opcode, uint8_t byte1, uint64_t lba, uint32_t blocks);
/* Bytes of the CDB, by its opcode. */
unsigned cdb_size(uint8_t opcode);

/* Sends a command without data-out (or with none of what it wants) to its end. */
void bench_send(struct bench *bench, struct cdb cdb);
/* The same with `length` bytes of data-out. */
void bench_send_data(struct bench *bench, struct cdb cdb, const void *data, uint32_t length);
/* The pieces of bench_send_data(): up to and with scsi_task_parse(); then the rest. */
void bench_parse(struct bench *bench, struct cdb cdb);
enum scsi_answer bench_execute(struct bench *bench, const void *data, uint32_t length);
/* Ends a pending task's requests one after the other, and checks what came of it. */
void bench_finish(struct bench *bench);

/* Sense of the last command as SCSI_SENSE(), 0 for GOOD; fails on any other status. */
uint32_t bench_sense(const struct bench *bench);
/* Checks the last command: GOOD, with that many bytes of data-in. */
void check_good(const struct bench *bench, uint32_t in_length);
/* Checks the last command: CHECK CONDITION with that sense. */
void check_sense(const struct bench *bench, uint32_t sense);
/* Checks the last command: that sense, and the field pointer; in_cdb or in the parameter list. */
void check_field(const struct bench *bench, uint32_t sense, bool in_cdb, unsigned byte, int bit);
/* Checks request `index` of the store's log. */
void check_request(const struct bench *bench, size_t index, enum store_op op, uint64_t offset,
	uint64_t length, unsigned flags);
/* Fills bytes of the store with a pattern that differs for each byte's block and place. */
void bench_fill(struct bench *bench, uint64_t offset, uint64_t length);
/* Fills memory with the pattern that bench_fill() gives the store at `offset`. */
void pattern_fill(uint8_t *bytes, uint64_t offset, uint64_t length);

#endif
