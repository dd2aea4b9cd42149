/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command table: the one place that says which commands there are. The generic checks of
 * task.c and REPORT SUPPORTED OPERATION CODES both read it, so they cannot disagree.
 */
#include "proto/scsi/task.h"

/* Fields of 2, 4 and 8 bytes in which all bits may be set. */
#define F2 0xff, 0xff
#define F4 F2, F2
#define F8 F4, F4
/* The same for reserved ones. */
#define R4 0, 0, 0, 0
#define R8 R4, R4

#define IN_UA       COMMAND_THROUGH_ATTENTION
#define IN_CONFLICT COMMAND_THROUGH_RESERVATION

/*
 * Sorted by opcode and service action. GROUP NUMBER, RDPROTECT and its kin, ANCHOR, NACA and what
 * is obsolete are not in the masks: they are not supported, so setting them is an error.
 */
const struct scsi_command scsi_commands[] = {
	{ .opcode = 0x00,
		.length = 6,
		.name = "TEST UNIT READY",
		.usage = { 0, 0, 0, 0, 0, 0 },
		.step = test_unit_ready_step },
	{ .opcode = 0x03,
		.length = 6,
		.flags = IN_CONFLICT | IN_UA | COMMAND_WITHOUT_UNIT,
		.name = "REQUEST SENSE",
		.usage = { 0, 0x01, 0, 0, 0xff, 0 },
		.allocation = { 4, 1 },
		.step = request_sense_step },
	{ .opcode = 0x08,
		.length = 6,
		.name = "READ(6)",
		.usage = { 0, 0x1f, F2, 0xff, 0 },
		.parse = read_parse,
		.step = read_step },
	{ .opcode = 0x0a,
		.length = 6,
		.flags = COMMAND_WRITES | COMMAND_HANDS_ON,
		.name = "WRITE(6)",
		.usage = { 0, 0x1f, F2, 0xff, 0 },
		.parse = write_parse,
		.step = write_step },
	{ .opcode = 0x12,
		.length = 6,
		.flags = IN_CONFLICT | IN_UA | COMMAND_WITHOUT_UNIT,
		.name = "INQUIRY",
		.usage = { 0, 0x01, 0xff, F2, 0 },
		.allocation = { 3, 2 },
		.parse = inquiry_parse,
		.step = inquiry_step },
	{ .opcode = 0x16,
		.length = 6,
		.name = "RESERVE(6)",
		.usage = { 0, 0, 0, 0, 0, 0 },
		.step = reserve_step },
	{ .opcode = 0x17,
		.length = 6,
		.flags = IN_CONFLICT,
		.name = "RELEASE(6)",
		.usage = { 0, 0, 0, 0, 0, 0 },
		.step = release_step },
	{ .opcode = 0x1a,
		.length = 6,
		.name = "MODE SENSE(6)",
		.usage = { 0, 0x08, 0xff, 0xff, 0xff, 0 },
		.allocation = { 4, 1 },
		.parse = mode_sense_parse,
		.step = mode_sense_step },
	{ .opcode = 0x1b,
		.length = 6,
		.name = "START STOP UNIT",
		.usage = { 0, 0x01, 0, 0, 0x05, 0 },
		.step = start_stop_step },
	{ .opcode = 0x25,
		.length = 10,
		.flags = IN_CONFLICT,
		.name = "READ CAPACITY(10)",
		.usage = { 0, 0, R4, 0, 0, 0, 0 },
		.parse = read_capacity_10_parse,
		.step = read_capacity_10_step },
	{ .opcode = 0x28,
		.length = 10,
		.name = "READ(10)",
		.usage = { 0, 0x18, F4, 0, F2, 0 },
		.parse = read_parse,
		.step = read_step },
	{ .opcode = 0x2a,
		.length = 10,
		.flags = COMMAND_WRITES | COMMAND_HANDS_ON,
		.name = "WRITE(10)",
		.usage = { 0, 0x18, F4, 0, F2, 0 },
		.parse = write_parse,
		.step = write_step },
	{ .opcode = 0x2e,
		.length = 10,
		.flags = COMMAND_WRITES,
		.name = "WRITE AND VERIFY(10)",
		.usage = { 0, 0x12, F4, 0, F2, 0 },
		.parse = write_parse,
		.step = write_verify_step },
	{ .opcode = 0x2f,
		.length = 10,
		.name = "VERIFY(10)",
		.usage = { 0, 0x16, F4, 0, F2, 0 },
		.parse = verify_parse,
		.step = verify_step },
	{ .opcode = 0x35,
		.length = 10,
		.name = "SYNCHRONIZE CACHE(10)",
		.usage = { 0, 0x02, F4, 0, F2, 0 },
		.parse = range_decode,
		.step = synchronize_cache_step },
	{ .opcode = 0x41,
		.length = 10,
		.flags = COMMAND_WRITES,
		.name = "WRITE SAME(10)",
		.usage = { 0, 0, F4, 0, F2, 0 },
		.thin_usage = 0x08,
		.parse = write_same_parse,
		.step = write_same_step },
	{ .opcode = 0x42,
		.length = 10,
		.flags = COMMAND_WRITES | COMMAND_THIN_ONLY,
		.name = "UNMAP",
		.usage = { 0, 0, R4, 0, F2, 0 },
		.parse = unmap_parse,
		.step = unmap_step },
	{ .opcode = 0x56,
		.length = 10,
		.name = "RESERVE(10)",
		.usage = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 },
		.step = reserve_step },
	{ .opcode = 0x57,
		.length = 10,
		.flags = IN_CONFLICT,
		.name = "RELEASE(10)",
		.usage = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 },
		.step = release_step },
	{ .opcode = 0x5a,
		.length = 10,
		.name = "MODE SENSE(10)",
		.usage = { 0, 0x18, F2, 0, 0, 0, F2, 0 },
		.allocation = { 7, 2 },
		.parse = mode_sense_parse,
		.step = mode_sense_step },
	{ .opcode = 0x88,
		.length = 16,
		.name = "READ(16)",
		.usage = { 0, 0x18, F8, F4, 0, 0 },
		.parse = read_parse,
		.step = read_step },
	{ .opcode = 0x8a,
		.length = 16,
		.flags = COMMAND_WRITES | COMMAND_HANDS_ON,
		.name = "WRITE(16)",
		.usage = { 0, 0x18, F8, F4, 0, 0 },
		.parse = write_parse,
		.step = write_step },
	{ .opcode = 0x8e,
		.length = 16,
		.flags = COMMAND_WRITES,
		.name = "WRITE AND VERIFY(16)",
		.usage = { 0, 0x12, F8, F4, 0, 0 },
		.parse = write_parse,
		.step = write_verify_step },
	{ .opcode = 0x8f,
		.length = 16,
		.name = "VERIFY(16)",
		.usage = { 0, 0x16, F8, F4, 0, 0 },
		.parse = verify_parse,
		.step = verify_step },
	{ .opcode = 0x91,
		.length = 16,
		.name = "SYNCHRONIZE CACHE(16)",
		.usage = { 0, 0x02, F8, F4, 0, 0 },
		.parse = range_decode,
		.step = synchronize_cache_step },
	{ .opcode = 0x93,
		.length = 16,
		.flags = COMMAND_WRITES,
		.name = "WRITE SAME(16)",
		.usage = { 0, 0x01, F8, F4, 0, 0 },
		.thin_usage = 0x08,
		.parse = write_same_parse,
		.step = write_same_step },
	{ .opcode = 0x9e,
		.service_action = 0x10,
		.length = 16,
		.flags = IN_CONFLICT | COMMAND_HAS_ACTION,
		.name = "READ CAPACITY(16)",
		.usage = { 0, 0x1f, R8, F4, 0, 0 },
		.allocation = { 10, 4 },
		.step = read_capacity_16_step },
	{ .opcode = 0x9e,
		.service_action = 0x12,
		.length = 16,
		.flags = COMMAND_HAS_ACTION | COMMAND_THIN_ONLY,
		.name = "GET LBA STATUS",
		.usage = { 0, 0x1f, F8, F4, 0, 0 },
		.allocation = { 10, 4 },
		.parse = lba_status_parse,
		.step = lba_status_step },
	{ .opcode = 0xa0,
		.length = 12,
		.flags = IN_CONFLICT | IN_UA | COMMAND_WITHOUT_UNIT_0,
		.name = "REPORT LUNS",
		.usage = { 0, 0, 0xff, 0, 0, 0, F4, 0, 0 },
		.allocation = { 6, 4 },
		.parse = report_luns_parse,
		.step = report_luns_step },
	{ .opcode = 0xa3,
		.service_action = 0x0c,
		.length = 12,
		.flags = IN_CONFLICT | COMMAND_HAS_ACTION,
		.name = "REPORT SUPPORTED OPERATION CODES",
		.usage = { 0, 0x1f, 0x87, 0xff, F2, F4, 0, 0 },
		.allocation = { 6, 4 },
		.parse = report_opcodes_parse,
		.step = report_opcodes_step },
	{ .opcode = 0xa8,
		.length = 12,
		.name = "READ(12)",
		.usage = { 0, 0x18, F4, F4, 0, 0 },
		.parse = read_parse,
		.step = read_step },
	{ .opcode = 0xaa,
		.length = 12,
		.flags = COMMAND_WRITES | COMMAND_HANDS_ON,
		.name = "WRITE(12)",
		.usage = { 0, 0x18, F4, F4, 0, 0 },
		.parse = write_parse,
		.step = write_step },
	{ .opcode = 0xae,
		.length = 12,
		.flags = COMMAND_WRITES,
		.name = "WRITE AND VERIFY(12)",
		.usage = { 0, 0x12, F4, F4, 0, 0 },
		.parse = write_parse,
		.step = write_verify_step },
	{ .opcode = 0xaf,
		.length = 12,
		.name = "VERIFY(12)",
		.usage = { 0, 0x16, F4, F4, 0, 0 },
		.parse = verify_parse,
		.step = verify_step },
};

const size_t scsi_command_count = sizeof(scsi_commands) / sizeof(scsi_commands[0]);

const struct scsi_command *command_of_opcode(uint8_t opcode)
{
	size_t low = 0;
	size_t high = scsi_command_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (scsi_commands[middle].opcode < opcode)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == scsi_command_count || scsi_commands[low].opcode != opcode)
		return NULL;
	return &scsi_commands[low];
}

const struct scsi_command *command_find(uint8_t opcode, uint8_t service_action)
{
	const struct scsi_command *command = command_of_opcode(opcode);

	if (!command || !(command->flags & COMMAND_HAS_ACTION))
		return command;
	for (; command < scsi_commands + scsi_command_count && command->opcode == opcode; command++)
		if (command->service_action == service_action)
			return command;
	return NULL;
}

bool command_is_supported(const struct scsi_command *command, const struct scsi_unit *unit)
{
	return !(command->flags & COMMAND_THIN_ONLY) || !unit || unit->thin;
}
