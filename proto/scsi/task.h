/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a command is, for the device server's own files: the row of the command table, the steps a
 * task takes, and the helpers that command handlers share.
 */
#ifndef PORTCULLIS_PROTO_SCSI_TASK_H
#define PORTCULLIS_PROTO_SCSI_TASK_H

#include "proto/scsi/device.h"
#include "proto/scsi/sense.h"
#include "base/pool.h"

#define CDB_USAGE_SIZE 16

#define RESPONSE_MAX 4096u        /* bytes of parameter data a command returns at most */
#define SCRATCH_MAX  (256u << 10) /* bytes that VERIFY and WRITE SAME work in */

#define UNMAP_BLOCKS_MAX      (1u << 20)  /* MAXIMUM UNMAP LBA COUNT */
#define UNMAP_DESCRIPTORS_MAX 256u        /* MAXIMUM UNMAP BLOCK DESCRIPTOR COUNT */
#define WRITE_SAME_BYTES_MAX  (16u << 20) /* MAXIMUM WRITE SAME LENGTH times the block size */

enum command_flags {
	COMMAND_HAS_ACTION = 1,        /* the opcode has service actions */
	COMMAND_WRITES = 2,            /* changes the medium: 07/27/00 where that is read-only */
	COMMAND_THROUGH_ATTENTION = 4, /* runs although a unit attention is pending */
	COMMAND_THIN_ONLY = 8,         /* exists only on a thin unit */
	COMMAND_WITHOUT_UNIT = 16,     /* answers for any LUN, though there is no unit */
	COMMAND_WITHOUT_UNIT_0 = 32,   /* answers for LUN 0, though there is no unit */
	COMMAND_THROUGH_RESERVATION = 128, /* runs although another nexus has reserved the unit */
	COMMAND_HANDS_ON =
		64, /* its data goes to the store at once: it may stay where it was lent */
};

/* What a step of a command comes to. */
enum task_step {
	TASK_ENDED,  /* status and data are there */
	TASK_SUBMIT, /* task->request is ready for the store; step again when it is done without
			error */
};

/* A row of the command table. */
struct scsi_command {
	uint8_t opcode;
	uint8_t service_action;
	uint8_t length; /* of the CDB */
	uint8_t flags;
	/* Bits of the CDB that may be set; what stands in byte 0 and the service action is not
	 * used. */
	uint8_t usage[CDB_USAGE_SIZE];
	uint8_t thin_usage; /* bits of byte 1 that may be set too on a thin unit */
	struct {
		uint8_t offset, width;
	} allocation; /* the ALLOCATION LENGTH field; width 0: none */
	const char *name;
	/* Decodes and checks the CDB; sets direction and length. False: failed, sense is set. NULL:
	 * nothing to do. */
	bool (*parse)(struct scsi_task *task);
	enum task_step (*step)(struct scsi_task *task);
};

/* The table, sorted by opcode and service action. */
extern const struct scsi_command scsi_commands[];
extern const size_t scsi_command_count;

/* The row of a CDB; NULL when there is none. */
const struct scsi_command *command_find(uint8_t opcode, uint8_t service_action);
/* The first row of an opcode; NULL when there is none. */
const struct scsi_command *command_of_opcode(uint8_t opcode);
/* Whether the unit has the command (NULL: there is no unit, all commands count). */
bool command_is_supported(const struct scsi_command *command, const struct scsi_unit *unit);

/* Bits of CDB byte `byte` (1..command->length - 1) that may be set. */
static inline uint8_t command_usage(
	const struct scsi_command *command, const struct scsi_unit *unit, unsigned byte)
{
	if (byte == 1 && unit && unit->thin)
		return command->usage[1] | command->thin_usage;
	return command->usage[byte];
}

/* Ends the task with CHECK CONDITION. */
void task_fail_with(struct scsi_task *task, const struct sense_data *data);
/* 05/24/00 with a pointer to the highest set bit of `bits` in byte `byte` of the CDB. */
void task_fail_field(struct scsi_task *task, unsigned byte, uint8_t bits);
/* Copies parameter data into the buffer, cut to the allocation length, and ends the task. */
enum task_step task_reply(struct scsi_task *task, const uint8_t *data, size_t length);
/* Prepares task->request on a byte range of the unit. */
enum task_step task_request(struct scsi_task *task, enum store_op op, uint64_t offset,
	uint64_t length, void *buffer, unsigned flags);
/* Allocates task->scratch, BUFFER_ALIGNMENT aligned. False: none left, the task has ended TASK SET
 * FULL. */
bool task_take_scratch(struct scsi_task *task, uint32_t size);

/* Bytes on the unit where the task's range begins. */
static inline uint64_t task_offset(const struct scsi_task *task)
{
	return task->lba << task->unit->block_shift;
}

/* Bytes of the task's range. */
static inline uint64_t task_bytes(const struct scsi_task *task)
{
	return (uint64_t)task->blocks << task->unit->block_shift;
}

/* The flag of a piece's request: with many commands that work in pieces a worker would serve nobody else for long. */
static inline unsigned task_patience(const struct scsi_task *task)
{
	return task->progress ? STORE_PATIENT : 0;
}

/* Blocks that one READ, WRITE or VERIFY may transfer: the MAXIMUM TRANSFER LENGTH. */
static inline uint32_t unit_transfer_max(const struct scsi_unit *unit)
{
	return BUFFER_SIZE_MAX >> unit->block_shift;
}

/* Blocks that one WRITE SAME may write: the MAXIMUM WRITE SAME LENGTH. */
static inline uint32_t unit_write_same_max(const struct scsi_unit *unit)
{
	return WRITE_SAME_BYTES_MAX >> unit->block_shift;
}

/*
 * The handlers of the table, by file: parse and step as struct scsi_command says.
 *
 * rw.c. range_decode() reads LBA and number of blocks of any 6, 10, 12 or 16 byte CDB; false: beyond
 * the end, failed. transfer_decode() is the same for what the MAXIMUM TRANSFER LENGTH bounds.
 * transfer_cut() cuts the range to the whole blocks that came; false: part of a block came, failed.
 */
bool range_decode(struct scsi_task *task);
bool transfer_decode(struct scsi_task *task);
bool transfer_cut(struct scsi_task *task);
bool read_parse(struct scsi_task *task);
bool write_parse(struct scsi_task *task);
enum task_step read_step(struct scsi_task *task);
enum task_step write_step(struct scsi_task *task);
/* verify.c */
bool verify_parse(struct scsi_task *task);
enum task_step verify_step(struct scsi_task *task);
enum task_step write_verify_step(struct scsi_task *task);
/* write_same.c and unmap.c */
bool write_same_parse(struct scsi_task *task);
bool unmap_parse(struct scsi_task *task);
enum task_step write_same_step(struct scsi_task *task);
enum task_step unmap_step(struct scsi_task *task);
/* reserve.c */
enum task_step reserve_step(struct scsi_task *task);
enum task_step release_step(struct scsi_task *task);
/* lba_status.c */
bool lba_status_parse(struct scsi_task *task);
enum task_step lba_status_step(struct scsi_task *task);
/* unit.c and capacity.c */
bool read_capacity_10_parse(struct scsi_task *task);
enum task_step test_unit_ready_step(struct scsi_task *task);
enum task_step request_sense_step(struct scsi_task *task);
enum task_step start_stop_step(struct scsi_task *task);
enum task_step synchronize_cache_step(struct scsi_task *task);
enum task_step read_capacity_10_step(struct scsi_task *task);
enum task_step read_capacity_16_step(struct scsi_task *task);
/*
 * inquiry.c and vpd.c. vpd_page_exists(): whether the unit (NULL: a LUN without one) has the page.
 * vpd_step() answers the page in the CDB, which exists; `peripheral` is its first byte.
 */
bool inquiry_parse(struct scsi_task *task);
bool vpd_page_exists(const struct scsi_unit *unit, uint8_t page);
enum task_step inquiry_step(struct scsi_task *task);
enum task_step vpd_step(struct scsi_task *task, uint8_t peripheral);
/* modes.c and report.c */
bool mode_sense_parse(struct scsi_task *task);
bool report_luns_parse(struct scsi_task *task);
bool report_opcodes_parse(struct scsi_task *task);
enum task_step mode_sense_step(struct scsi_task *task);
enum task_step report_luns_step(struct scsi_task *task);
enum task_step report_opcodes_step(struct scsi_task *task);

#endif
