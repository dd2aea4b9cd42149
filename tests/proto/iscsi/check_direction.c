/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands whose data the initiator announces otherwise than the CDB has it: proto/iscsi/command.c. */
#include "tests/proto/iscsi/scenario.h"

static const uint8_t read_cdb[10] = { 0x28, [8] = 1 };
static const uint8_t write_cdb[10] = { 0x2a, [8] = 1 };

/* Announced as a write, a read has nowhere to put its data: GOOD, nothing moved [DATA-12, RES-01]. */
static void read_as_write(struct transcript *t)
{
	uint8_t bhs[BHS_SIZE];
	uint32_t itt = new_command(
		t, bhs, FINAL | COMMAND_WRITE, DOUBLE_BLOCK, read_cdb, sizeof(read_cdb));

	put_command(t, bhs, new_data(), DOUBLE_BLOCK);
	must_leave(expect_good(t, itt), 'U', DOUBLE_BLOCK);
	must_be_untouched(0, DOUBLE_BLOCK);
	/* The data that it announced and did not send is not asked for. */
	itt = new_command(
		t, bhs, FINAL | COMMAND_WRITE, 4 * DOUBLE_BLOCK, read_cdb, sizeof(read_cdb));
	put_command(t, bhs, NULL, 0);
	must_leave(expect_good(t, itt), 'U', 4 * DOUBLE_BLOCK);
	expect_nothing(t);
}

/* Announced as a read, a write gets no data: GOOD would say that it was done. */
static void write_as_read(struct transcript *t)
{
	uint8_t bhs[BHS_SIZE];
	uint32_t itt = new_command(
		t, bhs, FINAL | COMMAND_READ, DOUBLE_BLOCK, write_cdb, sizeof(write_cdb));

	put_command(t, bhs, NULL, 0);
	must_leave(expect_sense(t, itt, SENSE_INVALID_FIELD_IN_CDB), 'U', DOUBLE_BLOCK);
	must_be_untouched(0, DOUBLE_BLOCK);
	ck_assert_uint_eq(the_double.executed, 0);
}

/* The device server is told how much was announced: WRITE SAME refuses more than its block. */
static void announced(struct transcript *t)
{
	uint8_t bhs[BHS_SIZE];
	uint32_t itt = new_command(
		t, bhs, FINAL | COMMAND_WRITE, 2 * DOUBLE_BLOCK, write_cdb, sizeof(write_cdb));

	the_double.pending = true;
	put_command(t, bhs, new_data(), 2 * DOUBLE_BLOCK);
	deliver(t);
	ck_assert_uint_eq(the_double.held_count, 1);
	ck_assert_uint_eq(the_double.held[0]->offered, 2 * DOUBLE_BLOCK);
	ck_assert_uint_eq(the_double.held[0]->out_length, DOUBLE_BLOCK);
	double_finish_all();
	must_leave(expect_good(t, itt), 'U', DOUBLE_BLOCK);
	must_be_written(0, DOUBLE_BLOCK);
}

static const struct scenario scenarios[] = {
	{ .name = "a read announced as a write", .run = read_as_write },
	{ .name = "a write announced as a read", .run = write_as_read },
	{ .name = "a write that announces too much [RES-05]", .run = announced },
};

int main(void)
{
	return scenarios_run(
		"proto/iscsi/direction", scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
