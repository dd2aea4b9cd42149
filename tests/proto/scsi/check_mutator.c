/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 100,000 CDBs, half of them commands that were bent and half noise, against units of every kind:
 * nothing crashes, bench.c's invariants hold, and nothing is written that was not asked for.
 */
#include "tests/proto/scsi/bench.h"
#include "tests/suite.h"

#include <stdlib.h>

#define CDBS_PER_KIND 12500

/* A generator of its own, so that a failure comes again (xorshift64*). */
struct dice {
	uint64_t state;
};

static uint64_t roll(struct dice *dice)
{
	dice->state ^= dice->state >> 12;
	dice->state ^= dice->state << 25;
	dice->state ^= dice->state >> 27;
	return dice->state * 0x2545f4914f6cdd1d;
}

static const struct bench_options kinds[] = {
	{ 0 },
	{ .thick = true },
	{ .read_only = true },
	{ .stable = true, .block_size = 4096, .blocks = 300 },
	{ .blocks = 1 },
	{ .block_size = 1024, .lun = 200 },
	{ .keep_attention = true },
	{ .block_size = 2048, .physical_block_size = 2048 },
};

/* Bytes that are more telling than others. */
static uint8_t telling_byte(struct dice *dice)
{
	static const uint8_t bytes[] = { 0x00, 0x00, 0x00, 0x01, 0x02, 0x08, 0x10, 0x18, 0x40, 0x7f,
		0x80, 0xff };

	return roll(dice) % 4 ? bytes[roll(dice) % sizeof(bytes)] : (uint8_t)roll(dice);
}

static struct cdb bent_cdb(struct dice *dice)
{
	const struct scsi_command *command = &scsi_commands[roll(dice) % scsi_command_count];
	struct cdb cdb = CDB(command->opcode, command->service_action);

	/* Mostly inside the mask, so that it gets further than the first check. */
	for (unsigned i = 1; i < command->length; i++)
		if (roll(dice) % 3 == 0)
			cdb.bytes[i] |= telling_byte(dice) & command->usage[i] &
					(i == 1 && command->flags & COMMAND_HAS_ACTION ? 0xe0
										       : 0xff);
	/* Small numbers at the ends of the fields: ranges that are there. */
	if (roll(dice) % 2) {
		memset(cdb.bytes + 2, 0, command->length - 2u);
		cdb.bytes[command->length - 3] = (uint8_t)roll(dice) &
						 command->usage[command->length - 3];
		cdb.bytes[command->length - 2] = (uint8_t)roll(dice) &
						 command->usage[command->length - 2];
	}
	if (roll(dice) % 8 == 0)
		cdb.bytes[roll(dice) % 16] ^= (uint8_t)(1u << roll(dice) % 8);
	return cdb;
}

static struct cdb noise_cdb(struct dice *dice)
{
	struct cdb cdb;

	for (size_t i = 0; i < sizeof(cdb.bytes); i++)
		cdb.bytes[i] = telling_byte(dice);
	return cdb;
}

static void shake(struct bench *bench, struct dice *dice)
{
	static const enum store_error errors[] = { STORE_NO_SPACE, STORE_READ_FAILED,
		STORE_WRITE_FAILED, STORE_WRITE_REFUSED };
	static const uint32_t attentions[] = { UA_RESET, UA_LUNS_CHANGED, UA_NEXUS_LOSS };

	bench->store->later = roll(dice) % 2;
	bench->store->fail_with = roll(dice) % 16 ? STORE_OK : errors[roll(dice) % 4];
	bench->store->fail_after = (unsigned)(roll(dice) % 3);
	bench->device->units[bench->lun >> 48]->descriptor_sense = false;
	if (roll(dice) % 32 == 0)
		scsi_device_attention(bench->device, -1, attentions[roll(dice) % 3], NULL);
}

/* How much of what it wants a command gets. */
static uint32_t data_length(struct dice *dice, uint32_t wanted)
{
	switch (roll(dice) % 8) {
	case 0:
		return 0;
	case 1:
		return wanted ? (uint32_t)(roll(dice) % wanted) : 7;
	case 2:
		return wanted + 512;
	default:
		return wanted;
	}
}

START_TEST(test_mutations)
{
	struct bench *bench = bench_new(&kinds[_i]);
	struct dice dice = { .state = 0x9e3779b97f4a7c15u + (uint64_t)_i };
	uint8_t *data = malloc(BUFFER_SIZE_MAX + 512);
	uint64_t home = bench->lun;
	unsigned good = 0;

	for (size_t i = 0; i < BUFFER_SIZE_MAX + 512; i++)
		data[i] = (uint8_t)(i % 251);
	for (unsigned i = 0; i < CDBS_PER_KIND; i++) {
		bench->lun = home;
		shake(bench, &dice);
		if (roll(&dice) % 16 == 0)
			bench->lun = roll(&dice);
		bench->store->requests = 0;
		bench_parse(bench, i % 2 ? bent_cdb(&dice) : noise_cdb(&dice));
		/* Large transfers work, but 100,000 of them are another test. */
		if (!bench->parsed || (bench->task.length > 1u << 18 && roll(&dice) % 64))
			continue;

		uint32_t length = data_length(&dice, bench->wanted);
		const struct scsi_command *command = bench->task.command;

		if (bench_execute(bench, data, length) == SCSI_PENDING)
			bench_finish(bench);
		good += bench->task.status == SCSI_GOOD;
		for (size_t j = 0; j < bench->store->requests && j < FAKE_LOG_SIZE; j++)
			if (bench->store->log[j].op != STORE_READ &&
				bench->store->log[j].op != STORE_EXTENT &&
				bench->store->log[j].op != STORE_FLUSH)
				ck_assert_msg(
					command->flags & COMMAND_WRITES && !kinds[_i].read_only,
					"%s writes", command->name);
	}
	/* It is no test of the first check alone. */
	ck_assert_uint_gt(good, CDBS_PER_KIND / 16);
	free(data);
	bench_free(bench);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proto/scsi/mutator");
	TCase *tcase = tcase_create("mutator");

	tcase_set_timeout(tcase, 300);
	tcase_add_rows(tcase, test_mutations, kinds);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
