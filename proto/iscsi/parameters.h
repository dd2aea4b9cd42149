/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The operational parameters of a session and its connection (RFC 7143 section 13), as they are in
 * force. The key table (keys.c) fills them in; the full-feature phase only reads them.
 */
#ifndef PORTCULLIS_PROTO_ISCSI_PARAMETERS_H
#define PORTCULLIS_PROTO_ISCSI_PARAMETERS_H

#include <stdbool.h>
#include <stdint.h>

struct iscsi_parameters {
	bool header_digest;
	bool data_digest;
	bool initial_r2t;
	bool immediate_data;
	bool data_pdu_in_order;
	bool data_sequence_in_order;
	uint32_t max_connections;
	uint32_t max_burst_length;   /* bytes */
	uint32_t first_burst_length; /* bytes */
	uint32_t max_outstanding_r2t;
	uint32_t default_time2wait;   /* seconds */
	uint32_t default_time2retain; /* seconds */
	uint32_t error_recovery_level;
	uint32_t protocol_level;     /* iSCSIProtocolLevel, RFC 7144 section 7.1.1 */
	uint32_t initiator_max_recv; /* bytes: what we may send in one data segment */
	uint32_t target_max_recv;    /* bytes: what we declared */
};

/* What the text engine puts in before anything is negotiated: the defaults of section 13. */
void iscsi_parameters_default(struct iscsi_parameters *parameters);

/* Our side of each negotiation. */
#define TARGET_MAX_RECV_DATA_SEGMENT 262144u
#define TARGET_MAX_BURST             1048576u
#define TARGET_FIRST_BURST           65536u
#define TARGET_MAX_OUTSTANDING_R2T   16u

#endif
