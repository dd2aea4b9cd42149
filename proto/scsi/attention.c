/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit attentions (SAM-5 section 5.14): one queue for each I_T_L nexus, ordered by precedence. A
 * queue is a mask with one bit for each kind, so it cannot grow, needs no lock, and whoever comes
 * with a command sees with one load that nothing is pending.
 */
#include "proto/scsi/device.h"

/* The order is the precedence; an attention's place is its bit in the mask. */
static const uint32_t attention_kinds[] = {
	UA_POWER_ON,
	UA_RESET,
	UA_NEXUS_LOSS,
	UA_CLEARED_BY_OTHER,
	UA_MODE_CHANGED,
	UA_CAPACITY_CHANGED,
	UA_LUNS_CHANGED,
	UA_CLEARED_BY_EVENT,
};

#define KIND_COUNT (sizeof(attention_kinds) / sizeof(attention_kinds[0]))

_Static_assert(KIND_COUNT <= 16, "the kinds must fit the mask");

static uint16_t kind_bit(uint32_t attention)
{
	for (size_t i = 0; i < KIND_COUNT; i++)
		if (attention_kinds[i] == attention)
			return (uint16_t)(1u << i);
	return 0;
}

uint32_t nexus_take_attention(struct scsi_nexus *nexus, uint16_t lun)
{
	uint16_t pending = atomic_load(&nexus->attentions[lun]);

	while (pending) {
		uint16_t first = pending & (uint16_t)-pending;
		uint16_t rest = pending & (uint16_t)~first;

		if (atomic_compare_exchange_weak(&nexus->attentions[lun], &pending, rest))
			return attention_kinds[__builtin_ctz(first)];
	}
	return 0;
}

void nexus_clear_attention(struct scsi_nexus *nexus, uint32_t attention)
{
	uint16_t bit = kind_bit(attention);

	for (size_t lun = 0; lun < SCSI_LUN_MAX; lun++)
		if (atomic_load(&nexus->attentions[lun]) & bit)
			atomic_fetch_and(&nexus->attentions[lun], (uint16_t)~bit);
}

void scsi_nexus_attention(struct scsi_nexus *nexus, int lun, uint32_t attention)
{
	uint16_t bit = kind_bit(attention);

	for (int i = 0; i < SCSI_LUN_MAX; i++)
		if ((lun < 0 || lun == i) && nexus->device->units[i])
			atomic_fetch_or(&nexus->attentions[i], bit);
}

void scsi_device_attention(
	struct scsi_device *device, int lun, uint32_t attention, const struct scsi_nexus *except)
{
	pthread_mutex_lock(&device->lock);
	for (struct scsi_nexus *nexus = device->nexuses; nexus; nexus = nexus->next)
		if (nexus != except)
			scsi_nexus_attention(nexus, lun, attention);
	pthread_mutex_unlock(&device->lock);
}

void scsi_device_reset(struct scsi_device *device, int lun, const struct scsi_nexus *issuer)
{
	/* Mode pages cannot be changed, so a reservation is all the state that there is. */
	for (int i = 0; i < SCSI_LUN_MAX; i++) {
		struct scsi_unit *unit = lun < 0 || lun == i ? device->units[i] : NULL;

		if (unit)
			atomic_store(&unit->holder, NULL);
	}
	scsi_device_attention(device, lun, UA_RESET, issuer);
}
