/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PDU formats (RFC 7143 section 11): opcodes, flags, offsets in the 48-byte basic header segment.
 */
#ifndef PORTCULLIS_PROTO_ISCSI_PDU_H
#define PORTCULLIS_PROTO_ISCSI_PDU_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

#define BHS_SIZE     48u
#define AHS_SIZE_MAX 1020u /* TotalAHSLength is one byte, in 4-byte words */
#define DIGEST_SIZE  4u
#define RESERVED_TAG 0xffffffffu
#define ISCSI_PORT   3260

enum iscsi_opcode {
	/* initiator */
	OP_NOP_OUT = 0x00,
	OP_SCSI_COMMAND = 0x01,
	OP_TASK_MANAGEMENT = 0x02,
	OP_LOGIN_REQUEST = 0x03,
	OP_TEXT_REQUEST = 0x04,
	OP_DATA_OUT = 0x05,
	OP_LOGOUT_REQUEST = 0x06,
	OP_SNACK = 0x10,
	/* target */
	OP_NOP_IN = 0x20,
	OP_SCSI_RESPONSE = 0x21,
	OP_TASK_MANAGEMENT_RESPONSE = 0x22,
	OP_LOGIN_RESPONSE = 0x23,
	OP_TEXT_RESPONSE = 0x24,
	OP_DATA_IN = 0x25,
	OP_LOGOUT_RESPONSE = 0x26,
	OP_R2T = 0x31,
	OP_ASYNC_MESSAGE = 0x32,
	OP_REJECT = 0x3f,
};

#define OPCODE_MASK   0x3f
#define TARGET_OPCODE 0x20 /* set in all that a target sends */
#define IMMEDIATE     0x40 /* in byte 0 of initiator PDUs */
#define FINAL         0x80 /* in byte 1 */

/* Reject reasons, section 11.17.1. */
enum iscsi_reject {
	REJECT_DATA_DIGEST = 0x02,
	REJECT_SNACK = 0x03,
	REJECT_PROTOCOL = 0x04,
	REJECT_NOT_SUPPORTED = 0x05,
	REJECT_IMMEDIATE = 0x06,
	REJECT_TASK_IN_PROGRESS = 0x07,
	REJECT_INVALID_FIELD = 0x09,
	REJECT_OUT_OF_RESOURCES = 0x0a,
	REJECT_WAITING_FOR_LOGOUT = 0x0c,
};

/* A received PDU: the fields that all have, and views of its segments, valid for the call only. */
struct iscsi_pdu {
	uint8_t opcode;
	bool immediate;
	uint8_t flags; /* byte 1 */
	uint64_t lun;  /* bytes 8..15 */
	uint32_t itt;
	const uint8_t *bhs; /* all 48 bytes */
	const uint8_t *ahs;
	uint32_t ahs_length;
	const uint8_t *data; /* NULL if it has gone to the place that full_header() named */
	uint32_t data_length;
};

/* Offsets in the basic header segment, section 11.2.1 and the PDU's own section. */
#define BHS_FLAGS       1
#define BHS_AHS_LENGTH  4
#define BHS_DATA_LENGTH 5
#define BHS_LUN         8
#define BHS_ITT         16
#define BHS_TTT         20
#define BHS_CMD_SN      24 /* requests; StatSN in responses */
#define BHS_STAT_SN     24
#define BHS_EXP_STAT_SN 28 /* requests; ExpCmdSN in responses */
#define BHS_EXP_CMD_SN  28
#define BHS_MAX_CMD_SN  32

/* The common fields of a header; the segments are still to be filled in. `bhs` is borrowed. */
static inline struct iscsi_pdu pdu_view(const uint8_t bhs[BHS_SIZE])
{
	return (struct iscsi_pdu){
		.opcode = bhs[0] & OPCODE_MASK,
		.immediate = (bhs[0] & IMMEDIATE) != 0,
		.flags = bhs[BHS_FLAGS],
		.lun = get_be64(bhs + BHS_LUN),
		.itt = get_be32(bhs + BHS_ITT),
		.bhs = bhs,
	};
}

/* Serial number arithmetic, RFC 1982 (section 4.2.2.1): a < b, a <= b. */
static inline bool serial_before(uint32_t a, uint32_t b)
{
	return a != b && (uint32_t)(b - a) < 0x80000000u;
}

static inline bool serial_upto(uint32_t a, uint32_t b)
{
	return (uint32_t)(b - a) < 0x80000000u;
}

#endif
