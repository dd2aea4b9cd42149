/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * base/encode.c: every decoder against right, wrong and too long values. The destination is
 * always exactly as large as the table says, so that a sanitizer sees one byte too many.
 */
#include "base/encode.h"

#include <string.h>

#include "tests/suite.h"

struct decode_row {
	const char *source;
	size_t capacity;
	int result;
	const char *bytes;
	size_t length;
};

static const struct decode_row hex_rows[] = {
	{ "", 0, 0, "", 0 },
	{ "00", 1, 0, "\0", 1 },
	{ "aBcDeF", 3, 0, "\xab\xcd\xef", 3 },
	{ "0123456789", 9, 0, "\x01\x23\x45\x67\x89", 5 },
	/* An odd count has a half byte in front. */
	{ "f", 1, 0, "\x0f", 1 },
	{ "abc", 2, 0, "\x0a\xbc", 2 },
	/* One byte more than there is room for, whole or half. */
	{ "00", 0, -1, "", 0 },
	{ "f", 0, -1, "", 0 },
	{ "aabbcc", 2, -1, "", 0 },
	{ "abbcc", 2, -1, "", 0 },
	/* Digits that are none, in each place. */
	{ "g0", 1, -1, "", 0 },
	{ "0g", 1, -1, "", 0 },
	{ "g", 1, -1, "", 0 },
	{ "00 0", 2, -1, "", 0 },
	{ "0x00", 2, -1, "", 0 },
	{ "0/", 1, -1, "", 0 },
	{ "0:", 1, -1, "", 0 },
	{ "@0", 1, -1, "", 0 },
	{ "`0", 1, -1, "", 0 },
	{ "\xff\xff", 1, -1, "", 0 },
};

static const struct decode_row base64_rows[] = {
	/* RFC 4648 section 10 */
	{ "", 0, 0, "", 0 },
	{ "Zg==", 1, 0, "f", 1 },
	{ "Zm8=", 2, 0, "fo", 2 },
	{ "Zm9v", 3, 0, "foo", 3 },
	{ "Zm9vYg==", 4, 0, "foob", 4 },
	{ "Zm9vYmE=", 5, 0, "fooba", 5 },
	{ "Zm9vYmFy", 6, 0, "foobar", 6 },
	{ "+/+/", 99, 0, "\xfb\xff\xbf", 3 },
	{ "AAAA", 3, 0, "\0\0\0", 3 },
	/* Exactly one byte short. */
	{ "Zg==", 0, -1, "", 0 },
	{ "Zm8=", 1, -1, "", 0 },
	{ "Zm9v", 2, -1, "", 0 },
	{ "Zm9vYmFy", 5, -1, "", 0 },
	/* Padding that is missing, too long, or in the wrong place. */
	{ "Zg", 9, -1, "", 0 },
	{ "Zg=", 9, -1, "", 0 },
	{ "Zm9vY", 9, -1, "", 0 },
	{ "Z===", 9, -1, "", 0 },
	{ "====", 9, -1, "", 0 },
	{ "Zg==Zg==", 9, -1, "", 0 },
	{ "Z=g=", 9, -1, "", 0 },
	{ "=Zm9", 9, -1, "", 0 },
	/* Unused bits that are not zero. */
	{ "Zh==", 9, -1, "", 0 },
	{ "Zm9=", 9, -1, "", 0 },
	/* Foreign characters. */
	{ "Zm9 ", 9, -1, "", 0 },
	{ "Zm\n9", 9, -1, "", 0 },
	{ "-_-_", 9, -1, "", 0 },
	{ "Zm9\x80", 9, -1, "", 0 },
};

typedef int decoder(uint8_t *, size_t, size_t *, const char *, size_t);

static void check_row(decoder *decode, const struct decode_row *row)
{
	size_t source_length = strlen(row->source);
	/* Copies of the exact size, without the NUL: reading past the end shows as well. */
	char *source = malloc(source_length + !source_length);
	uint8_t *bytes = malloc(row->capacity + !row->capacity);
	size_t length = 77;

	memcpy(source, row->source, source_length);
	int result = decode(bytes, row->capacity, &length, source, source_length);
	ck_assert_msg(
		result == row->result, "'%s' into %zu: %d", row->source, row->capacity, result);
	ck_assert_uint_eq(length, row->length);
	ck_assert_mem_eq(bytes, row->bytes, row->length);
	free(source);
	free(bytes);
}

START_TEST(hex_decodes)
{
	check_row(hex_decode, &hex_rows[_i]);
}
END_TEST

START_TEST(base64_decodes)
{
	check_row(base64_decode, &base64_rows[_i]);
}
END_TEST

/* The sizes at which two forms of one overflow hid (CVE-2013-2850, CVE-2018-14633). */
START_TEST(decoders_stop_at_their_capacity)
{
	static const size_t capacities[] = { 1, 2, 3, 16, 20, 32, 255, 256, 1024 };
	size_t capacity = capacities[_i];
	char digits[4096];
	size_t length;

	memset(digits, 'A', sizeof(digits));
	for (size_t count = 0; count <= sizeof(digits); count++) {
		uint8_t *bytes = malloc(capacity);
		int result = hex_decode(bytes, capacity, &length, digits, count);
		ck_assert_int_eq(result, (count + 1) / 2 <= capacity ? 0 : -1);
		ck_assert_uint_eq(length, result ? 0 : (count + 1) / 2);
		result = base64_decode(bytes, capacity, &length, digits, count);
		ck_assert_int_eq(result, count % 4 == 0 && count / 4 * 3 <= capacity ? 0 : -1);
		free(bytes);
	}
}
END_TEST

START_TEST(hex_encodes)
{
	char text[9];

	ck_assert_int_eq(hex_encode(text, sizeof(text), (const uint8_t *)"\x00\x1f\xab\xff", 4), 8);
	ck_assert_str_eq(text, "001fabff");
	ck_assert_int_eq(hex_encode(text, 8, (const uint8_t *)"\x00\x1f\xab\xff", 4), -1);
	ck_assert_str_eq(text, "");
	ck_assert_int_eq(hex_encode(text, 1, NULL, 0), 0);
	ck_assert_str_eq(text, "");
	ck_assert_int_eq(hex_encode(NULL, 0, NULL, 0), -1);
}
END_TEST

START_TEST(hex_survives_a_round_trip)
{
	uint8_t bytes[256], back[256];
	char text[513];
	size_t length;

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	ck_assert_int_eq(hex_encode(text, sizeof(text), bytes, sizeof(bytes)), 512);
	ck_assert_int_eq(hex_decode(back, sizeof(back), &length, text, 512), 0);
	ck_assert_uint_eq(length, sizeof(bytes));
	ck_assert_mem_eq(back, bytes, sizeof(bytes));
}
END_TEST

static const struct {
	const char *source;
	size_t length;
	size_t capacity;
	const char *text;
} escape_rows[] = {
	{ "iqn.1997-05.com.amazon:v", 24, 64, "iqn.1997-05.com.amazon:v" },
	{ "", 0, 1, "" },
	{ "a\0b", 3, 64, "a\\x00b" },
	{ "a\nb\r", 4, 64, "a\\x0ab\\x0d" },
	{ "\"\\", 2, 64, "\\x22\\x5c" },
	{ "\x1b[2J\x7f\xc3\xa4", 7, 64, "\\x1b[2J\\x7f\\xc3\\xa4" },
	{ " ~", 2, 64, " ~" },
	/* Cut at a whole character. */
	{ "abc", 3, 3, "ab" },
	{ "a\n", 2, 5, "a" },
	{ "a\n", 2, 6, "a\\x0a" },
	{ "\nb", 2, 4, "" },
	{ "abc", 3, 1, "" },
};

START_TEST(text_is_escaped)
{
	char *text = malloc(escape_rows[_i].capacity);

	ck_assert_ptr_eq(text_escape(text, escape_rows[_i].capacity, escape_rows[_i].source,
				 escape_rows[_i].length),
		text);
	ck_assert_str_eq(text, escape_rows[_i].text);
	free(text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("encode");
	TCase *tcase = tcase_create("encode");

	tcase_add_rows(tcase, hex_decodes, hex_rows);
	tcase_add_rows(tcase, base64_decodes, base64_rows);
	tcase_add_loop_test(tcase, decoders_stop_at_their_capacity, 0, 9);
	tcase_add_test(tcase, hex_encodes);
	tcase_add_test(tcase, hex_survives_a_round_trip);
	tcase_add_rows(tcase, text_is_escaped, escape_rows);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
