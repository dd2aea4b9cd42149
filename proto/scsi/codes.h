/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sense codes that the device server shares with the transport above it (SPC-4 section 4.5).
 */
#ifndef PORTCULLIS_PROTO_SCSI_CODES_H
#define PORTCULLIS_PROTO_SCSI_CODES_H

#include <stdint.h>

/* Sense key, additional sense code and qualifier in one number: 0xKKAAQQ. */
#define SCSI_SENSE(key, asc, ascq) ((uint32_t)(key) << 16 | (uint32_t)(asc) << 8 | (uint32_t)(ascq))

/* Those that the transport raises itself (RFC 7143 section 11.4.7.2). */
#define SENSE_UNEXPECTED_UNSOLICITED_DATA SCSI_SENSE(0x0b, 0x0c, 0x0c)
#define SENSE_NOT_ENOUGH_UNSOLICITED_DATA SCSI_SENSE(0x0b, 0x0c, 0x0d)
#define SENSE_PROTOCOL_SERVICE_CRC_ERROR  SCSI_SENSE(0x0b, 0x47, 0x05)
#define SENSE_INVALID_FIELD_IN_CDB        SCSI_SENSE(0x05, 0x24, 0x00)

/* Unit attentions (SPC-4 section 5.14), in the order of their precedence. */
#define UA_POWER_ON         SCSI_SENSE(0x06, 0x29, 0x00)
#define UA_RESET            SCSI_SENSE(0x06, 0x29, 0x03)
#define UA_NEXUS_LOSS       SCSI_SENSE(0x06, 0x29, 0x07)
#define UA_CLEARED_BY_OTHER SCSI_SENSE(0x06, 0x2f, 0x00)
#define UA_MODE_CHANGED     SCSI_SENSE(0x06, 0x2a, 0x01)
#define UA_CAPACITY_CHANGED SCSI_SENSE(0x06, 0x2a, 0x09)
#define UA_LUNS_CHANGED     SCSI_SENSE(0x06, 0x3f, 0x0e)
#define UA_CLEARED_BY_EVENT SCSI_SENSE(0x06, 0x47, 0x7f) /* commands, by an iSCSI event */

#endif
