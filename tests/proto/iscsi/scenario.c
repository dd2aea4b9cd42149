/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs the tables: see the header. */
#include "tests/proto/iscsi/scenario.h"

static const struct scenario *table;
static struct transcript transcript;

START_TEST(each_chunking)
{
	const struct scenario *scenario = &table[_i / CHUNKINGS];
	struct iscsi_parameters parameters = transcript_parameters();

	fprintf(stderr, "# %s, chunking %d\n", scenario->name, _i % CHUNKINGS);
	double_reset();
	if (scenario->adjust)
		scenario->adjust(&parameters);
	transcript_begin(
		&transcript, &parameters, scenario->discovery, scenario->cmd_sn, _i % CHUNKINGS);
	if (_i % CHUNKINGS == CHUNK_WHOLE)
		transcript_record(&transcript, scenario->name);
	scenario->run(&transcript);
	transcript_end(&transcript);
}
END_TEST

int scenarios_run(const char *name, const struct scenario *scenarios, size_t count)
{
	Suite *suite = suite_create(name);

	table = scenarios;
	for (size_t i = 0; i < count; i++) {
		TCase *tcase = tcase_create(scenarios[i].name);
		tcase_set_timeout(tcase, 300);
		tcase_add_loop_test(
			tcase, each_chunking, (int)(i * CHUNKINGS), (int)((i + 1) * CHUNKINGS));
		suite_add_tcase(suite, tcase);
	}
	SRunner *runner = srunner_create(suite);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}

const uint8_t *new_data(void)
{
	static uint8_t data[1 << 20];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)~double_pattern(i * 3);
	return data;
}

void must_be_written(uint32_t lba, uint32_t length)
{
	ck_assert_int_eq(memcmp(the_double.disk + lba * DOUBLE_BLOCK, new_data(), length), 0);
	must_be_untouched(lba + length / DOUBLE_BLOCK, DOUBLE_BLOCK);
}

void must_be_untouched(uint32_t lba, uint32_t length)
{
	size_t start = (size_t)lba * DOUBLE_BLOCK;

	for (size_t i = start; i < start + length && i < sizeof(the_double.disk); i++)
		if (the_double.disk[i] != double_pattern(i))
			ck_abort_msg("byte %zu of the disk has changed", i);
}
