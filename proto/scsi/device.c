/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device: the logical units of one target and the I_T nexuses that reach them; LUN addressing
 * (SAM-5 section 4.7).
 */
#include "proto/scsi/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* log2 of a power of two; -1 for any other number. */
static int exponent_of(uint64_t number)
{
	if (number == 0 || (number & (number - 1)) != 0)
		return -1;
	return __builtin_ctzll(number);
}

static struct scsi_unit *unit_new(const struct scsi_unit_config *config)
{
	const struct store_info *info = store_info(config->store);
	int shift = exponent_of(config->block_size);
	int physical = exponent_of(config->physical_block_size);

	if (shift < 9 || shift > 12 || physical < shift || physical > shift + 15)
		return NULL;
	if (config->lun >= SCSI_LUN_MAX || info->size >> shift == 0)
		return NULL;

	struct scsi_unit *unit = calloc(1, sizeof(*unit));

	if (!unit)
		return NULL;
	unit->lun = config->lun;
	unit->store = config->store;
	unit->info = info;
	unit->blocks = info->size >> shift;
	unit->block_size = config->block_size;
	unit->block_shift = (uint8_t)shift;
	unit->physical_exponent = (uint8_t)(physical - shift);
	unit->read_only = config->read_only || info->read_only;
	unit->thin = info->can_discard;
	snprintf(unit->serial, sizeof(unit->serial), "%s", config->serial);
	memcpy(unit->naa, config->naa, sizeof(unit->naa));
	return unit;
}

static int device_insert(struct scsi_device *device, const struct scsi_unit_config *config)
{
	struct scsi_unit *unit = unit_new(config);

	if (!unit || device->units[unit->lun]) {
		free(unit);
		return -1;
	}
	device->units[unit->lun] = unit;
	device->unit_count++;
	return 0;
}

struct scsi_device *scsi_device_new(const struct scsi_device_config *config)
{
	if (strlen(config->target_name) > TARGET_NAME_MAX)
		return NULL;

	struct scsi_device *device = calloc(1, sizeof(*device));

	if (!device)
		return NULL;
	pthread_mutex_init(&device->lock, NULL);
	snprintf(device->target_name, sizeof(device->target_name), "%s", config->target_name);
	for (size_t i = 0; i < config->unit_count; i++) {
		if (device_insert(device, &config->units[i]) < 0) {
			scsi_device_free(device);
			return NULL;
		}
	}
	return device;
}

int scsi_device_add(struct scsi_device *device, const struct scsi_unit_config *config)
{
	pthread_mutex_lock(&device->lock);
	int failed = device_insert(device, config);
	pthread_mutex_unlock(&device->lock);
	if (!failed)
		scsi_device_attention(device, -1, UA_LUNS_CHANGED, NULL);
	return failed;
}

void scsi_device_grown(struct scsi_device *device, uint16_t lun)
{
	struct scsi_unit *unit = device->units[lun];
	uint64_t blocks = unit->info->size >> unit->block_shift;

	if (blocks <= unit->blocks)
		return;
	unit->blocks = blocks;
	scsi_device_attention(device, lun, UA_CAPACITY_CHANGED, NULL);
}

void scsi_device_free(struct scsi_device *device)
{
	if (!device)
		return;
	for (size_t i = 0; i < SCSI_LUN_MAX; i++)
		free(device->units[i]);
	pthread_mutex_destroy(&device->lock);
	free(device);
}

int scsi_lun_number(uint64_t lun)
{
	unsigned method = (unsigned)(lun >> 62);
	unsigned number = (unsigned)(lun >> 48) & 0x3fff;

	/* Peripheral addressing with a bus other than 0 also fails here: its number is beyond 255.
	 */
	if (method > 1 || number >= SCSI_LUN_MAX || (lun & 0xffffffffffff) != 0)
		return -1;
	return (int)number;
}

bool scsi_lun_exists(const struct scsi_device *device, uint64_t lun)
{
	int number = scsi_lun_number(lun);

	return number >= 0 && device->units[number];
}

struct scsi_nexus *scsi_nexus_new(struct scsi_device *device, const char *initiator_port,
	uint16_t portal_group_tag, uint32_t first_attention)
{
	struct scsi_nexus *nexus = calloc(1, sizeof(*nexus));

	if (!nexus)
		return NULL;
	nexus->initiator_port = strdup(initiator_port);
	if (!nexus->initiator_port) {
		free(nexus);
		return NULL;
	}
	nexus->device = device;
	nexus->protocol_level = 1;
	nexus->portal_group_tag = portal_group_tag;
	scsi_nexus_attention(nexus, -1, first_attention);
	pthread_mutex_lock(&device->lock);
	nexus->next = device->nexuses;
	if (nexus->next)
		nexus->next->previous = nexus;
	device->nexuses = nexus;
	pthread_mutex_unlock(&device->lock);
	return nexus;
}

void scsi_nexus_set_protocol_level(struct scsi_nexus *nexus, unsigned level)
{
	nexus->protocol_level = level;
}

void scsi_nexus_free(struct scsi_nexus *nexus)
{
	if (!nexus)
		return;

	struct scsi_device *device = nexus->device;

	for (size_t i = 0; i < SCSI_LUN_MAX; i++)
		if (device->units[i])
			unit_release(device->units[i], nexus);
	pthread_mutex_lock(&device->lock);
	if (nexus->next)
		nexus->next->previous = nexus->previous;
	if (nexus->previous)
		nexus->previous->next = nexus->next;
	else
		device->nexuses = nexus->next;
	pthread_mutex_unlock(&device->lock);
	free(nexus->initiator_port);
	free(nexus);
}
