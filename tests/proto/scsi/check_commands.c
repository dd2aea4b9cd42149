/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command table: well formed, and the truth. Every opcode and every bit of every CDB is tried
 * against what the table and REPORT SUPPORTED OPERATION CODES say [SCSI-24, SCSI-25].
 */
#include "tests/proto/scsi/bench.h"
#include "tests/suite.h"

#include "base/bytes.h"

#define REPORT_ONE(options, opcode, action)                                                        \
	CDB(0xa3, 0x0c, options, opcode, (uint8_t)((action) >> 8), (uint8_t)(action), 0, 0, 1, 0)

#define NEITHER 0xffff /* no service action */

/* Spelled out once more, so that a row lost from the table is missed. */
static const struct {
	uint8_t opcode;
	uint16_t action;
	uint8_t length;
	bool thin_only;
} expected[] = {
	{ 0x00, NEITHER, 6, false },
	{ 0x03, NEITHER, 6, false },
	{ 0x08, NEITHER, 6, false },
	{ 0x0a, NEITHER, 6, false },
	{ 0x12, NEITHER, 6, false },
	{ 0x16, NEITHER, 6, false },
	{ 0x17, NEITHER, 6, false },
	{ 0x1a, NEITHER, 6, false },
	{ 0x1b, NEITHER, 6, false },
	{ 0x25, NEITHER, 10, false },
	{ 0x28, NEITHER, 10, false },
	{ 0x2a, NEITHER, 10, false },
	{ 0x2e, NEITHER, 10, false },
	{ 0x2f, NEITHER, 10, false },
	{ 0x35, NEITHER, 10, false },
	{ 0x41, NEITHER, 10, false },
	{ 0x42, NEITHER, 10, true },
	{ 0x56, NEITHER, 10, false },
	{ 0x57, NEITHER, 10, false },
	{ 0x5a, NEITHER, 10, false },
	{ 0x88, NEITHER, 16, false },
	{ 0x8a, NEITHER, 16, false },
	{ 0x8e, NEITHER, 16, false },
	{ 0x8f, NEITHER, 16, false },
	{ 0x91, NEITHER, 16, false },
	{ 0x93, NEITHER, 16, false },
	{ 0x9e, 0x10, 16, false },
	{ 0x9e, 0x12, 16, true },
	{ 0xa0, NEITHER, 12, false },
	{ 0xa3, 0x0c, 12, false },
	{ 0xa8, NEITHER, 12, false },
	{ 0xaa, NEITHER, 12, false },
	{ 0xae, NEITHER, 12, false },
	{ 0xaf, NEITHER, 12, false },
};

#define EXPECTED (sizeof(expected) / sizeof(expected[0]))

START_TEST(test_table)
{
	ck_assert_uint_eq(scsi_command_count, EXPECTED);
	for (size_t i = 0; i < scsi_command_count; i++) {
		const struct scsi_command *command = &scsi_commands[i];
		bool has_action = command->flags & COMMAND_HAS_ACTION;

		ck_assert_uint_eq(command->opcode, expected[i].opcode);
		ck_assert_uint_eq(command->length, expected[i].length);
		ck_assert_int_eq(has_action, expected[i].action != NEITHER);
		ck_assert_uint_eq(command->service_action, has_action ? expected[i].action : 0);
		ck_assert_ptr_nonnull(command->step);
		ck_assert_uint_gt(strlen(command->name), 4);
		/* The control byte is never used: no NACA, no LINK. */
		ck_assert_uint_eq(command->usage[command->length - 1], 0);
		for (unsigned byte = command->length; byte < CDB_USAGE_SIZE; byte++)
			ck_assert_uint_eq(command->usage[byte], 0);
		if (has_action)
			ck_assert_uint_eq(command->usage[1] & 0x1f, 0x1f);
		if (i) {
			ck_assert_int_lt(scsi_commands[i - 1].opcode << 8 |
						 scsi_commands[i - 1].service_action,
				command->opcode << 8 | command->service_action);
		}
	}
}
END_TEST

/* The allocation length lies where its bits may be set, and nowhere else ends. */
START_TEST(test_allocation_fields)
{
	for (size_t i = 0; i < scsi_command_count; i++) {
		const struct scsi_command *command = &scsi_commands[i];

		for (unsigned j = 0; j < command->allocation.width; j++)
			ck_assert_uint_eq(command->usage[command->allocation.offset + j], 0xff);
	}
}
END_TEST

START_TEST(test_find)
{
	ck_assert_ptr_null(command_of_opcode(0xff));
	ck_assert_ptr_null(command_of_opcode(0x01));
	ck_assert_ptr_null(command_find(0x9e, 0x11));
	ck_assert_ptr_null(command_find(0xa3, 0x00));
	ck_assert_str_eq(command_find(0x9e, 0x10)->name, "READ CAPACITY(16)");
	/* Where an opcode has no actions, those bits are its own. */
	ck_assert_str_eq(command_find(0x28, 0x18)->name, "READ(10)");
	for (size_t i = 0; i < scsi_command_count; i++)
		ck_assert_ptr_eq(
			command_find(scsi_commands[i].opcode, scsi_commands[i].service_action),
			&scsi_commands[i]);
}
END_TEST

static const struct bench_options kinds[] = { { .thick = false }, { .thick = true } };

static bool is_expected(unsigned opcode, unsigned action, bool thick)
{
	for (size_t i = 0; i < EXPECTED; i++)
		if (expected[i].opcode == opcode && !(thick && expected[i].thin_only) &&
			(expected[i].action == NEITHER || expected[i].action == action))
			return true;
	return false;
}

/* [SCSI-24] All opcodes with all service actions: behaviour and report agree. */
START_TEST(test_report_is_true)
{
	struct bench *bench = bench_new(&kinds[_i]);

	for (unsigned opcode = 0; opcode < 256; opcode++) {
		for (unsigned action = 0; action < 32; action++) {
			bool is_there = is_expected(opcode, action, kinds[_i].thick);
			const struct scsi_command *command = command_of_opcode((uint8_t)opcode);
			bool has_actions = command && command->flags & COMMAND_HAS_ACTION;

			bench_parse(bench, CDB((uint8_t)opcode, (uint8_t)action));
			ck_assert_msg((bench->parsed || bench_sense(bench) !=
								SENSE_INVALID_OPCODE) == is_there,
				"opcode %02x/%02x", opcode, action);
			if (!has_actions && action)
				continue;
			bench_send(bench, REPORT_ONE(3, (uint8_t)opcode, action));
			ck_assert_int_eq(bench->task.status, SCSI_GOOD);
			ck_assert_msg((bench->data[1] & 7) == (is_there ? 3 : 1),
				"report of %02x/%02x", opcode, action);
		}
	}
	bench_free(bench);
}
END_TEST

/* --- bits outside the usage mask --- */

/* A CDB of the command that is right as far as its mask goes. */
static struct cdb plain_cdb(const struct scsi_command *command)
{
	struct cdb cdb = CDB(command->opcode, command->service_action);

	if (command->opcode == 0xa0)
		cdb.bytes[8] = 1; /* an allocation length it accepts */
	return cdb;
}

/*
 * [SCSI-25] Every bit that the report says is not used is an error that points at it, whatever
 * else is set.
 */
START_TEST(test_reserved_bits)
{
	struct bench *bench = bench_new(&kinds[_i]);
	unsigned refused = 0;

	for (size_t i = 0; i < scsi_command_count; i++) {
		const struct scsi_command *command = &scsi_commands[i];
		uint8_t usage[CDB_USAGE_SIZE];

		if (!command_is_supported(command, bench->device->units[0]))
			continue;
		bench_send(bench, REPORT_ONE(3, command->opcode, command->service_action));
		check_good(bench, 4u + command->length);
		memcpy(usage, bench->data + 4, command->length);
		for (unsigned bit = 8; bit < command->length * 8u; bit++) {
			struct cdb cdb = plain_cdb(command);
			uint8_t mask = (uint8_t)(1u << (bit % 8));

			if (bit < 16 && command->flags & COMMAND_HAS_ACTION && mask <= 0x10)
				continue; /* another command */
			if (usage[bit / 8] & mask)
				continue;
			cdb.bytes[bit / 8] |= mask;
			bench_parse(bench, cdb);
			ck_assert_msg(!bench->parsed, "%s byte %u mask %02x", command->name,
				bit / 8, mask);
			check_field(
				bench, SENSE_INVALID_FIELD_IN_CDB, true, bit / 8, (int)(bit % 8));
			refused++;
		}
	}
	ck_assert_uint_gt(refused, 700);
	bench_free(bench);
}
END_TEST

/* NACA is one of them, on every command: ACA is not supported. */
START_TEST(test_naca)
{
	struct bench *bench = bench_default();

	for (size_t i = 0; i < scsi_command_count; i++) {
		struct cdb cdb = plain_cdb(&scsi_commands[i]);
		unsigned control = scsi_commands[i].length - 1u;

		cdb.bytes[control] = 0x04;
		bench_send(bench, cdb);
		check_field(bench, SENSE_INVALID_FIELD_IN_CDB, true, control, 2);
	}
	bench_free(bench);
}
END_TEST

/* What stands behind the CDB in the transport's 16 bytes is nobody's concern. */
START_TEST(test_padding)
{
	struct bench *bench = bench_default();
	struct cdb cdb = CDB(0x00);

	memset(cdb.bytes + 6, 0xff, sizeof(cdb.bytes) - 6);
	bench_send(bench, cdb);
	check_good(bench, 0);
	bench_free(bench);
}
END_TEST

/* A transport that brings fewer bytes than the command has. */
START_TEST(test_short_cdb)
{
	struct bench *bench = bench_default();
	struct scsi_task task = { .nexus = bench->nexus, .cdb = { 0x28 }, .cdb_length = 9 };

	ck_assert_int_eq(scsi_task_parse(&task), SCSI_DONE);
	ck_assert_int_eq(task.status, SCSI_CHECK_CONDITION);
	ck_assert_uint_eq(task.sense[12], 0x24);
	task.cdb_length = 10;
	ck_assert_int_eq(scsi_task_parse(&task), SCSI_PENDING);
	bench_free(bench);
}
END_TEST

/* An extended CDB (VARIABLE LENGTH, READ(32)) is no command here. */
START_TEST(test_long_cdb)
{
	struct bench *bench = bench_default();
	struct scsi_task task = {
		.nexus = bench->nexus, .cdb = { 0x7f, [7] = 24, 0, 9 }, .cdb_length = 32
	};

	ck_assert_int_eq(scsi_task_parse(&task), SCSI_DONE);
	ck_assert_uint_eq(task.sense[12], 0x20);
	bench_free(bench);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proto/scsi/commands");
	TCase *tcase = tcase_create("commands");

	tcase_set_timeout(tcase, 300);
	tcase_add_test(tcase, test_table);
	tcase_add_test(tcase, test_allocation_fields);
	tcase_add_test(tcase, test_find);
	tcase_add_rows(tcase, test_report_is_true, kinds);
	tcase_add_rows(tcase, test_reserved_bits, kinds);
	tcase_add_test(tcase, test_naca);
	tcase_add_test(tcase, test_padding);
	tcase_add_test(tcase, test_short_cdb);
	tcase_add_test(tcase, test_long_cdb);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
