/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What real initiators send when they attach a disk, in their order: every command gets data or a
 * clean error, none hangs [SCSI-03, WIN-03, LIBI-02].
 */
#include "tests/proto/scsi/bench.h"
#include "tests/suite.h"

#include "base/bytes.h"

#define ILLEGAL_OPCODE SENSE_INVALID_OPCODE
#define ILLEGAL_FIELD  SENSE_INVALID_FIELD_IN_CDB

struct command {
	const char *what;
	struct cdb cdb;
	uint32_t sense;
	uint32_t in_length;
};

/* The SCSI disk driver of Linux: scan, probe, capacity, caches, limits. */
static const struct command linux_disk[] = {
	{ "INQUIRY 36", CDB(0x12, 0, 0, 0, 36), 0, 36 },
	{ "INQUIRY in full", CDB(0x12, 0, 0, 0, 74), 0, 74 },
	{ "REPORT LUNS", CDB(0xa0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0), 0, 16 },
	{ "VPD 00h", CDB(0x12, 1, 0x00, 0, 255), 0, 10 },
	{ "VPD 80h", CDB(0x12, 1, 0x80, 0, 255), 0, 20 },
	{ "VPD 83h", CDB(0x12, 1, 0x83, 0, 255), 0, 152 },
	{ "VPD 89h: ATA", CDB(0x12, 1, 0x89, 0, 255), ILLEGAL_FIELD, 0 },
	{ "TEST UNIT READY", CDB(0x00), UA_POWER_ON, 0 },
	{ "TEST UNIT READY again", CDB(0x00), 0, 0 },
	{ "READ CAPACITY(16)", CDB(0x9e, 0x10, [13] = 32), 0, 32 },
	{ "MODE SENSE: all, to see WP", CDB(0x1a, 0, 0x3f, 0, 4), 0, 4 },
	{ "MODE SENSE: caching, header", CDB(0x1a, 0x08, 0x08, 0, 4), 0, 4 },
	{ "MODE SENSE: caching", CDB(0x1a, 0x08, 0x08, 0, 24), 0, 24 },
	{ "MODE SENSE: control", CDB(0x1a, 0x08, 0x0a, 0, 36), 0, 16 },
	{ "MODE SENSE: IO hints", CDB(0x1a, 0x00, 0x0a, 0x05, 255), ILLEGAL_FIELD, 0 },
	{ "VPD B0h", CDB(0x12, 1, 0xb0, 0, 64), 0, 64 },
	{ "VPD B1h", CDB(0x12, 1, 0xb1, 0, 64), 0, 64 },
	{ "VPD B2h", CDB(0x12, 1, 0xb2, 0, 255), 0, 8 },
	{ "VPD B6h: zones", CDB(0x12, 1, 0xb6, 0, 64), ILLEGAL_FIELD, 0 },
	{ "VPD B7h: streams", CDB(0x12, 1, 0xb7, 0, 64), ILLEGAL_FIELD, 0 },
	{ "is WRITE SAME(16) there", CDB(0xa3, 0x0c, 3, 0x93, [9] = 20), 0, 20 },
	{ "is WRITE SAME(10) there", CDB(0xa3, 0x0c, 3, 0x41, [9] = 20), 0, 14 },
	{ "is ATA PASS-THROUGH(16) there", CDB(0xa3, 0x0c, 3, 0x85, [9] = 20), 0, 4 },
	{ "the first sectors", CDB(0x28, [8] = 8), 0, 4096 },
	{ "the last sectors", CDB(0x88, [8] = 0x3f, 0xf8, [13] = 8), 0, 4096 },
	{ "SYNCHRONIZE CACHE", CDB(0x35), 0, 0 },
};

/* The disk class of Windows. */
static const struct command windows_disk[] = {
	{ "REPORT LUNS", CDB(0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16), 0, 16 },
	{ "INQUIRY", CDB(0x12, 0, 0, 0, 36), 0, 36 },
	{ "INQUIRY in full", CDB(0x12, 0, 0, 0, 96), 0, 74 },
	{ "VPD 00h", CDB(0x12, 1, 0x00, 0, 255), 0, 10 },
	{ "VPD 83h", CDB(0x12, 1, 0x83, 0, 255), 0, 152 },
	{ "VPD 80h", CDB(0x12, 1, 0x80, 0, 255), 0, 20 },
	{ "TEST UNIT READY", CDB(0x00), UA_POWER_ON, 0 },
	{ "TEST UNIT READY again", CDB(0x00), 0, 0 },
	{ "READ CAPACITY(10)", CDB(0x25), 0, 8 },
	{ "READ CAPACITY(16), 12 bytes", CDB(0x9e, 0x10, [13] = 12), 0, 12 },
	{ "MODE SENSE: format", CDB(0x1a, 0, 0x03, 0, 192), ILLEGAL_FIELD, 0 },
	{ "MODE SENSE: geometry", CDB(0x1a, 0, 0x04, 0, 192), ILLEGAL_FIELD, 0 },
	{ "MODE SENSE: all", CDB(0x1a, 0, 0x3f, 0, 192), 0, 56 },
	{ "MODE SENSE: caching", CDB(0x1a, 0, 0x08, 0, 192), 0, 32 },
	{ "MODE SENSE: exceptions", CDB(0x1a, 0, 0x1c, 0, 192), 0, 24 },
	{ "LOG SENSE", CDB(0x4d, 0, 0x40, [8] = 4), ILLEGAL_OPCODE, 0 },
	{ "VPD 8Fh: ODX", CDB(0x12, 1, 0x8f, 0, 255), ILLEGAL_FIELD, 0 },
	{ "VPD B0h", CDB(0x12, 1, 0xb0, 0, 64), 0, 64 },
	{ "VPD B2h", CDB(0x12, 1, 0xb2, 0, 255), 0, 8 },
	{ "PERSISTENT RESERVE IN", CDB(0x5e, 0, [8] = 255), ILLEGAL_OPCODE, 0 },
	{ "VERIFY(10) of a format", CDB(0x2f, [7] = 2, 0), 0, 0 },
	{ "START UNIT", CDB(0x1b, 0, 0, 0, 1), 0, 0 },
};

/* libiscsi's connect, as QEMU uses it. */
static const struct command libiscsi_disk[] = {
	{ "TEST UNIT READY", CDB(0x00), UA_POWER_ON, 0 },
	{ "TEST UNIT READY again", CDB(0x00), 0, 0 },
	{ "INQUIRY", CDB(0x12, 0, 0, 0, 64), 0, 64 },
	{ "INQUIRY in full", CDB(0x12, 0, 0, 0, 255), 0, 74 },
	{ "READ CAPACITY(16)", CDB(0x9e, 0x10, [13] = 96), 0, 32 },
	{ "MODE SENSE: caching", CDB(0x1a, 0x08, 0x08, 0, 255), 0, 24 },
	{ "VPD 80h", CDB(0x12, 1, 0x80, 0, 255), 0, 20 },
	{ "VPD B0h", CDB(0x12, 1, 0xb0, 0, 255), 0, 64 },
	{ "VPD B2h", CDB(0x12, 1, 0xb2, 0, 255), 0, 8 },
	{ "UNMAP of nothing", CDB(0x42), 0, 0 },
};

static const struct {
	const struct command *commands;
	size_t count;
} initiators[] = {
	{ linux_disk, sizeof(linux_disk) / sizeof(linux_disk[0]) },
	{ windows_disk, sizeof(windows_disk) / sizeof(windows_disk[0]) },
	{ libiscsi_disk, sizeof(libiscsi_disk) / sizeof(libiscsi_disk[0]) },
};

START_TEST(test_attach)
{
	struct bench *bench = bench_new(&(struct bench_options){ .keep_attention = true });

	for (size_t i = 0; i < initiators[_i].count; i++) {
		const struct command *command = &initiators[_i].commands[i];

		bench_send(bench, command->cdb);
		ck_assert_msg(bench_sense(bench) == command->sense, "%s: sense %06x", command->what,
			bench_sense(bench));
		ck_assert_msg(bench->task.in_length == command->in_length, "%s: %u bytes",
			command->what, bench->task.in_length);
	}
	bench_free(bench);
}
END_TEST

/* What they conclude from it agrees: the capacity is the same by each command that tells it. */
START_TEST(test_one_capacity)
{
	struct bench *bench = bench_default();
	uint32_t last;

	bench_send(bench, CDB(0x25));
	last = get_be32(bench->data);
	bench_send(bench, CDB(0x9e, 0x10, [13] = 32));
	ck_assert_uint_eq(get_be64(bench->data), last);
	bench_send(bench, CDB(0x1a, 0, 0x3f, 0, 255));
	ck_assert_uint_eq(get_be32(bench->data + 4), last + 1);
	bench_send(bench, cdb_range(0x28, 0, last, 1));
	check_good(bench, 512);
	bench_send(bench, cdb_range(0x28, 0, last + 1, 1));
	check_sense(bench, SENSE_LBA_OUT_OF_RANGE);
	bench_free(bench);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proto/scsi/attach");
	TCase *tcase = tcase_create("attach");

	tcase_add_rows(tcase, test_attach, initiators);
	tcase_add_test(tcase, test_one_capacity);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
