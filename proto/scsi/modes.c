/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MODE SENSE (SPC-4 sections 6.13, 6.14) and the mode pages: caching (SBC-3 section 6.4.5), control
 * and informational exceptions (SPC-4 section 7.5). None can be changed yet, so current and default
 * values are the same and the mask of changeable ones is zero.
 */
#include "proto/scsi/task.h"

#include "base/bytes.h"

#define CDB_DBD   0x08 /* byte 1 */
#define CDB_LLBAA 0x10 /* byte 1, MODE SENSE(10) only: the usage mask sees to that */

#define ALL_PAGES    0x3f
#define ALL_SUBPAGES 0xff

enum page_control { CURRENT_VALUES, CHANGEABLE_VALUES, DEFAULT_VALUES, SAVED_VALUES };

/* Fills the page's body; `body` is what follows PAGE LENGTH. */
typedef void page_filler(const struct scsi_unit *unit, uint8_t *body);

static void fill_caching(const struct scsi_unit *unit, uint8_t *body)
{
	if (unit->info->volatile_cache)
		body[0] = 0x04; /* WCE */
}

static void fill_control(const struct scsi_unit *unit, uint8_t *body)
{
	if (unit->descriptor_sense)
		body[0] = 0x04;     /* D_SENSE */
	body[1] = 0x10;             /* QUEUE ALGORITHM MODIFIER: unrestricted reordering */
	put_be16(body + 6, 0xffff); /* BUSY TIMEOUT PERIOD: unlimited */
}

static void fill_exceptions(const struct scsi_unit *unit, uint8_t *body)
{
	(void)unit;
	body[0] = 0x08; /* DEXCPT: no exceptions are reported */
}

/* In ascending order. */
static const struct mode_page {
	uint8_t code;
	uint8_t length; /* of the body */
	page_filler *fill;
} pages[] = {
	{ 0x08, 18, fill_caching },
	{ 0x0a, 10, fill_control },
	{ 0x1c, 10, fill_exceptions },
};

#define PAGE_COUNT (sizeof(pages) / sizeof(pages[0]))

static bool page_wanted(const struct mode_page *page, uint8_t code)
{
	return code == ALL_PAGES || code == page->code;
}

bool mode_sense_parse(struct scsi_task *task)
{
	uint8_t code = task->cdb[2] & 0x3f;
	uint8_t subpage = task->cdb[3];
	bool known = false;

	for (size_t i = 0; i < PAGE_COUNT; i++)
		known = known || page_wanted(&pages[i], code);
	if (!known) {
		task_fail_field(task, 2, 0x20);
		return false;
	}
	if (subpage != 0 && subpage != ALL_SUBPAGES) {
		task_fail_field(task, 3, 0x80);
		return false;
	}
	if (task->cdb[2] >> 6 == SAVED_VALUES) {
		scsi_task_fail(task, SENSE_SAVING_NOT_SUPPORTED);
		return false;
	}
	return true;
}

static void write_pages(const struct scsi_task *task, struct writer *w)
{
	for (size_t i = 0; i < PAGE_COUNT; i++) {
		const struct mode_page *page = &pages[i];

		if (!page_wanted(page, task->cdb[2] & 0x3f))
			continue;
		write_u8(w, page->code);
		write_u8(w, page->length);

		uint8_t *body = write_space(w, page->length);

		if (body && task->cdb[2] >> 6 != CHANGEABLE_VALUES)
			page->fill(task->unit, body);
	}
}

/* The block descriptor, short or long (SBC-3 section 6.4.2). */
static void write_block_descriptor(const struct scsi_unit *unit, bool is_long, struct writer *w)
{
	if (is_long) {
		write_be64(w, unit->blocks);
		write_be32(w, 0);
	} else {
		write_be32(w, unit->blocks < UINT32_MAX ? (uint32_t)unit->blocks : UINT32_MAX);
	}
	write_be32(w, unit->block_size);
}

enum task_step mode_sense_step(struct scsi_task *task)
{
	bool ten = task->command->length == 10;
	bool has_descriptor = !(task->cdb[1] & CDB_DBD);
	bool is_long = task->cdb[1] & CDB_LLBAA;
	uint8_t descriptor_length = has_descriptor ? (is_long ? 16 : 8) : 0;
	uint8_t parameter = 0x10; /* DPOFUA */
	uint8_t data[256];
	struct writer w = writer_of(data, sizeof(data));

	if (task->unit->read_only)
		parameter |= 0x80; /* WP */
	uint8_t *header = write_space(&w, ten ? 8 : 4);
	if (has_descriptor)
		write_block_descriptor(task->unit, is_long, &w);
	write_pages(task, &w);
	if (ten) {
		put_be16(header, (uint16_t)(w.length - 2));
		header[3] = parameter;
		header[4] = has_descriptor && is_long;
		header[7] = descriptor_length;
	} else {
		header[0] = (uint8_t)(w.length - 1);
		header[2] = parameter;
		header[3] = descriptor_length;
	}
	return task_reply(task, data, w.length);
}
