/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The main program of every unit test: runs one suite and prints TAP for the harness.
 */
#ifndef PORTCULLIS_TESTS_SUITE_H
#define PORTCULLIS_TESTS_SUITE_H

#include <check.h>
#include <stdlib.h>

/* Adds `test` once per row of `table` (an array); the test finds its row's index in _i. */
#define tcase_add_rows(tcase, test, table)                                                         \
	tcase_add_loop_test(tcase, test, 0, (int)(sizeof(table) / sizeof((table)[0])))

/* Runs `suite`, which is freed. Returns what main() shall return. */
static inline int suite_main(Suite *suite)
{
	SRunner *runner = srunner_create(suite);

	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
