/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Vital product data: pages 00h, 80h, 83h (SPC-4 section 7.8), B0h, B1h, B2h (SBC-3 section 6.5).
 */
#include "proto/scsi/task.h"
#include "proto/scsi/identity.h"

#include "base/bytes.h"

#include <stdio.h>

#define HEADER_SIZE      4
#define OPTIMAL_TRANSFER (1u << 20) /* bytes */

/* Fills what follows the page header; `task->unit` is there but for page 00h. */
typedef void page_filler(const struct scsi_task *task, struct writer *w);

static page_filler fill_supported, fill_serial, fill_identification, fill_limits,
	fill_characteristics, fill_provisioning;

/* In ascending order. */
static const struct vpd_page {
	uint8_t code;
	bool without_unit; /* there even where no unit is */
	bool thin_only;
	page_filler *fill;
} pages[] = {
	{ .code = 0x00, .without_unit = true, .fill = fill_supported },
	{ .code = 0x80, .fill = fill_serial },
	{ .code = 0x83, .fill = fill_identification },
	{ .code = 0xb0, .fill = fill_limits },
	{ .code = 0xb1, .fill = fill_characteristics },
	{ .code = 0xb2, .thin_only = true, .fill = fill_provisioning },
};

#define PAGE_COUNT (sizeof(pages) / sizeof(pages[0]))

static bool page_applies(const struct vpd_page *page, const struct scsi_unit *unit)
{
	return unit ? !page->thin_only || unit->thin : page->without_unit;
}

static const struct vpd_page *find_page(const struct scsi_unit *unit, uint8_t code)
{
	for (size_t i = 0; i < PAGE_COUNT; i++)
		if (pages[i].code == code && page_applies(&pages[i], unit))
			return &pages[i];
	return NULL;
}

bool vpd_page_exists(const struct scsi_unit *unit, uint8_t page)
{
	return find_page(unit, page);
}

enum task_step vpd_step(struct scsi_task *task, uint8_t peripheral)
{
	const struct vpd_page *page = find_page(task->unit, task->cdb[2]);
	uint8_t data[RESPONSE_MAX];
	struct writer w = writer_of(data, sizeof(data));

	write_u8(&w, peripheral);
	write_u8(&w, page->code);
	write_be16(&w, 0);
	page->fill(task, &w);
	put_be16(data + 2, (uint16_t)(w.length - HEADER_SIZE));
	return task_reply(task, data, w.length);
}

static void fill_supported(const struct scsi_task *task, struct writer *w)
{
	for (size_t i = 0; i < PAGE_COUNT; i++)
		if (page_applies(&pages[i], task->unit))
			write_u8(w, pages[i].code);
}

static void fill_serial(const struct scsi_task *task, struct writer *w)
{
	write_bytes(w, task->unit->serial, strlen(task->unit->serial));
}

/* --- 83h: the designators of unit, target port and target device --- */

enum code_set { CODE_BINARY = 1, CODE_ASCII = 2, CODE_UTF8 = 3 };
enum association { OF_UNIT = 0x00, OF_PORT = 0x10, OF_TARGET = 0x20 };
enum designator {
	DESIGNATOR_T10 = 1,
	DESIGNATOR_NAA = 3,
	DESIGNATOR_RELATIVE_PORT = 4,
	DESIGNATOR_PORT_GROUP = 5,
	DESIGNATOR_NAME = 8,
};

static void write_designator(struct writer *w, enum code_set code, enum association association,
	enum designator type, const void *bytes, size_t length)
{
	uint8_t piv = association == OF_UNIT ? 0 : 0x80;

	write_u8(w, (uint8_t)((piv ? 0x50 : 0) | code)); /* PROTOCOL IDENTIFIER 5h: iSCSI */
	write_u8(w, (uint8_t)(piv | association | type));
	write_u8(w, 0);
	write_u8(w, (uint8_t)length);
	write_bytes(w, bytes, length);
}

/* A SCSI name string ends with NUL and is padded to a multiple of four (SPC-4 section 7.8.6.11). */
static void write_name(struct writer *w, enum association association, const char *name)
{
	char padded[TARGET_NAME_MAX + 16] = { 0 };
	int length = snprintf(padded, sizeof(padded), "%s", name);

	write_designator(w, CODE_UTF8, association, DESIGNATOR_NAME, padded,
		(size_t)(length + 4) & ~(size_t)3);
}

static void fill_identification(const struct scsi_task *task, struct writer *w)
{
	const struct scsi_device *device = task->nexus->device;
	const struct scsi_unit *unit = task->unit;
	uint8_t number[4] = { 0 };
	char text[TARGET_NAME_MAX + 12];

	write_designator(w, CODE_BINARY, OF_UNIT, DESIGNATOR_NAA, unit->naa, sizeof(unit->naa));
	snprintf(text, sizeof(text), "%s%s", IDENTITY_VENDOR, unit->serial);
	write_designator(w, CODE_ASCII, OF_UNIT, DESIGNATOR_T10, text, strlen(text));
	/* Each portal group is a port (RFC 7143 section 4.4), and its tag tells it from the others. */
	put_be16(number + 2, task->nexus->portal_group_tag);
	write_designator(w, CODE_BINARY, OF_PORT, DESIGNATOR_RELATIVE_PORT, number, sizeof(number));
	write_designator(w, CODE_BINARY, OF_PORT, DESIGNATOR_PORT_GROUP, number, sizeof(number));
	snprintf(text, sizeof(text), "%s,t,0x%04x", device->target_name,
		task->nexus->portal_group_tag);
	write_name(w, OF_PORT, text);
	write_name(w, OF_TARGET, device->target_name);
}

/* --- B0h, B1h, B2h --- */

/*
 * OPTIMAL UNMAP GRANULARITY in blocks; 0: not reported. For blocks beyond 512 bytes it is not: QEMU's
 * initiator (7.2, and still in its newest source) takes the hint as a reason to ask for the status of
 * 2^31 - 512 bytes, and dies of its own assertion that this be whole blocks. Others then take the
 * physical block size, which is as good.
 */
static uint32_t unmap_granularity(const struct scsi_unit *unit)
{
	uint32_t granularity = unit->info->discard_granularity >> unit->block_shift;

	if (!unit->thin || unit->block_size > 512)
		return 0;
	return granularity ? granularity : 1;
}

static void fill_limits(const struct scsi_task *task, struct writer *w)
{
	const struct scsi_unit *unit = task->unit;
	uint32_t granularity = unmap_granularity(unit);

	write_u8(w, 0x01); /* WSNZ */
	write_u8(w, 0);    /* MAXIMUM COMPARE AND WRITE LENGTH: there is none */
	write_be16(w,
		(uint16_t)(1u
			   << unit->physical_exponent)); /* OPTIMAL TRANSFER LENGTH GRANULARITY */
	write_be32(w, unit_transfer_max(unit));
	write_be32(w, OPTIMAL_TRANSFER >> unit->block_shift);
	write_be32(w, 0); /* MAXIMUM PREFETCH LENGTH */
	write_be32(w, unit->thin ? UNMAP_BLOCKS_MAX : 0);
	write_be32(w, unit->thin ? UNMAP_DESCRIPTORS_MAX : 0);
	write_be32(w, granularity);
	write_be32(w, granularity ? 0x80000000 : 0); /* UGAVALID, UNMAP GRANULARITY ALIGNMENT 0 */
	write_be64(w, unit_write_same_max(unit));
	write_space(w, 20);
}

static void fill_characteristics(const struct scsi_task *task, struct writer *w)
{
	(void)task;
	write_be16(w, 0x0001); /* no rotation */
	write_space(w, 58);
}

static void fill_provisioning(const struct scsi_task *task, struct writer *w)
{
	(void)task;
	write_u8(w, 0);    /* THRESHOLD EXPONENT: no thresholds */
	write_u8(w, 0xe4); /* LBPU, LBPWS, LBPWS10, LBPRZ */
	write_u8(w, 0x02); /* PROVISIONING TYPE: thin */
	write_u8(w, 0);
}
