/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device server's shared state, for its own files: logical units, the device that holds them,
 * and the I_T nexuses with their unit attentions.
 */
#ifndef PORTCULLIS_PROTO_SCSI_DEVICE_H
#define PORTCULLIS_PROTO_SCSI_DEVICE_H

#include "proto/scsi/scsi.h"

#include <pthread.h>
#include <stdatomic.h>

#define TARGET_NAME_MAX 223 /* RFC 7143 section 4.2.7.1 */

struct scsi_command; /* task.h */

struct scsi_unit {
	uint16_t lun;
	struct store *store;
	const struct store_info *info;
	_Atomic uint64_t blocks; /* capacity; only ever grows */
	uint32_t block_size;
	uint8_t block_shift;       /* log2 of block_size */
	uint8_t physical_exponent; /* log2 of logical blocks per physical block */
	bool read_only;
	bool thin;             /* UNMAP and friends work, LBPME=1 */
	bool descriptor_sense; /* D_SENSE of the control mode page */
	/* Who has reserved it (SPC-2); only ever compared, so it may be gone by now. */
	struct scsi_nexus *_Atomic holder;
	char serial[SCSI_SERIAL_MAX + 1];
	uint8_t naa[16];
};

struct scsi_device {
	pthread_mutex_t lock; /* guards the list of nexuses and who adds a unit */
	struct scsi_nexus *nexuses;
	struct scsi_unit *_Atomic
		units[SCSI_LUN_MAX]; /* NULL where there is none; one that is there stays */
	atomic_size_t unit_count;
	char target_name[TARGET_NAME_MAX + 1];
};

struct scsi_nexus {
	struct scsi_device *device;
	struct scsi_nexus *next, *previous;
	unsigned protocol_level;
	uint16_t portal_group_tag;
	/* The row last looked up: most commands are like the one before. Its session's thread alone looks. */
	const struct scsi_command *last;
	char *initiator_port;
	/* Unit attentions pending on each LUN: bit n is attention n by precedence. */
	_Atomic uint16_t attentions[SCSI_LUN_MAX];
};

/* Whether a unit attention is pending: a load that each READ and WRITE pays. */
static inline bool nexus_has_attention(const struct scsi_nexus *nexus, uint16_t lun)
{
	return atomic_load_explicit(&nexus->attentions[lun], memory_order_acquire) != 0;
}

/* Whether another nexus has reserved the unit: the other load that each READ and WRITE pays. */
static inline bool unit_is_reserved(const struct scsi_unit *unit, const struct scsi_nexus *nexus)
{
	const struct scsi_nexus *holder = atomic_load_explicit(&unit->holder, memory_order_acquire);

	return holder && holder != nexus;
}

/* Ends the reservation of `nexus`, if it has one. */
void unit_release(struct scsi_unit *unit, struct scsi_nexus *nexus);
/* Takes the pending attention of highest precedence off the queue; 0 when there is none. */
uint32_t nexus_take_attention(struct scsi_nexus *nexus, uint16_t lun);
/* Takes one kind of attention off the queues of all LUNs. */
void nexus_clear_attention(struct scsi_nexus *nexus, uint32_t attention);

#endif
