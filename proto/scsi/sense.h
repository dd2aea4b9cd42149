/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sense data (SPC-4 section 4.5) in both formats, and the codes that the device server raises.
 */
#ifndef PORTCULLIS_PROTO_SCSI_SENSE_H
#define PORTCULLIS_PROTO_SCSI_SENSE_H

#include "proto/scsi/scsi.h"

#define SENSE_NONE                        SCSI_SENSE(0x00, 0x00, 0x00)
#define SENSE_READ_ERROR                  SCSI_SENSE(0x03, 0x11, 0x00)
#define SENSE_WRITE_ERROR                 SCSI_SENSE(0x03, 0x0c, 0x00)
#define SENSE_INVALID_FIELD_IN_INFO_UNIT  SCSI_SENSE(0x05, 0x0e, 0x03)
#define SENSE_PARAMETER_LIST_LENGTH       SCSI_SENSE(0x05, 0x1a, 0x00)
#define SENSE_INVALID_OPCODE              SCSI_SENSE(0x05, 0x20, 0x00)
#define SENSE_LBA_OUT_OF_RANGE            SCSI_SENSE(0x05, 0x21, 0x00)
#define SENSE_LUN_NOT_SUPPORTED           SCSI_SENSE(0x05, 0x25, 0x00)
#define SENSE_INVALID_FIELD_IN_PARAMETERS SCSI_SENSE(0x05, 0x26, 0x00)
#define SENSE_SAVING_NOT_SUPPORTED        SCSI_SENSE(0x05, 0x39, 0x00)
#define SENSE_WRITE_PROTECTED             SCSI_SENSE(0x07, 0x27, 0x00)
#define SENSE_SPACE_ALLOCATION_FAILED     SCSI_SENSE(0x07, 0x27, 0x07)
#define SENSE_MISCOMPARE                  SCSI_SENSE(0x0e, 0x1d, 0x00)

#define SENSE_FIXED_SIZE 18

enum sense_field { SENSE_NO_FIELD, SENSE_FIELD_IN_CDB, SENSE_FIELD_IN_PARAMETERS };

struct sense_data {
	uint32_t code; /* SCSI_SENSE() */
	bool has_information;
	uint64_t information;
	enum sense_field field; /* whether and where the sense key specific field pointer points */
	uint16_t field_byte;
	uint8_t field_bit; /* 0..7 */
};

/* Writes at most SCSI_SENSE_MAX bytes; returns their number. */
uint8_t sense_write(
	uint8_t sense[SCSI_SENSE_MAX], const struct sense_data *data, bool descriptor_format);

#endif
