/* SPDX-License-Identifier: BSD-2-Clause */
/* SHA-256 against the values of FIPS 180-4's examples and of an independent implementation. */
#include "auth/digest.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *text;
	const char *digits;
} vectors[] = {
	{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
};

START_TEST(digest_is_known)
{
	char digits[SHA256_HEX_SIZE];

	ck_assert_int_eq(sha256_hex(digits, vectors[_i].text, strlen(vectors[_i].text)), 0);
	ck_assert_str_eq(digits, vectors[_i].digits);
}
END_TEST

START_TEST(bytes_and_digits_agree)
{
	uint8_t digest[SHA256_SIZE];

	ck_assert_int_eq(sha256(digest, "abc", 3), 0);
	ck_assert_uint_eq(digest[0], 0xba);
	ck_assert_uint_eq(digest[31], 0xad);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("auth/digest");
	TCase *tests = tcase_create("digest");

	tcase_add_loop_test(tests, digest_is_known, 0, (int)(sizeof(vectors) / sizeof(vectors[0])));
	tcase_add_test(tests, bytes_and_digits_agree);
	suite_add_tcase(suite, tests);
	SRunner *runner = srunner_create(suite);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
