/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto/iscsi/text.c: pairs, values and buffers, each against what is well-formed, what is not, and
 * sources that end one byte too early. Sources are heap copies of their exact size.
 */
#include "proto/iscsi/text.h"

#include <stdio.h>
#include <string.h>

#include "tests/suite.h"

/* A heap copy of exactly these bytes, so that a sanitizer sees one byte too many. */
static struct text_view copy_of(const void *bytes, size_t length)
{
	char *copy = malloc(length + !length);

	memcpy(copy, bytes, length);
	return (struct text_view){ .at = copy, .length = length };
}

static void release(struct text_view view)
{
	free((void *)(uintptr_t)view.at);
}

/* --- pairs [NEG-02] --- */

#define TEXT(literal) literal, sizeof(literal) - 1

static const struct pairs_row {
	const char *text;
	size_t length;
	const char *seen; /* key>value; for each pair, then '!' if it ended in an error */
} pairs_rows[] = {
	{ TEXT(""), "" },
	{ TEXT("\0"), "" },
	{ TEXT("\0\0\0\0"), "" },
	{ TEXT("A=1\0"), "A>1;" },
	{ TEXT("A=1"), "A>1;" },
	{ TEXT("A=1\0B=2\0"), "A>1;B>2;" },
	{ TEXT("A=1\0B=2"), "A>1;B>2;" },
	{ TEXT("A=1\0\0\0B=2\0\0"), "A>1;B>2;" },
	{ TEXT("\0A=1\0"), "A>1;" },
	{ TEXT("A=\0"), "A>;" },
	{ TEXT("A="), "A>;" },
	{ TEXT("A=b=c\0"), "A>b=c;" },
	{ TEXT("A=,\0"), "A>,;" },
	{ TEXT("A\0"), "!" },
	{ TEXT("A"), "!" },
	{ TEXT("=\0"), "!" },
	{ TEXT("=1\0"), "!" },
	{ TEXT("A=1\0B\0C=3\0"), "A>1;!" },
	{ TEXT("A=1\0B"), "A>1;!" },
};

START_TEST(pairs_are_views_up_to_their_nul)
{
	const struct pairs_row *row = &pairs_rows[_i];
	struct text_view text = copy_of(row->text, row->length), rest = text;
	struct text_pair pair;
	char seen[256] = "";
	int step;

	while ((step = text_next(&rest, &pair)) == 1)
		snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%.*s>%.*s;",
			(int)pair.key.length, pair.key.at, (int)pair.value.length, pair.value.at);
	if (step < 0)
		snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "!");
	ck_assert_str_eq(seen, row->seen);
	release(text);
}
END_TEST

/* --- names [NEG-03] --- */

#define SIXTY "A23456789012345678901234567890123456789012345678901234567890"

static const struct label_row {
	const char *name;
	bool valid;
} label_rows[] = {
	{ "A", true },
	{ "HeaderDigest", true },
	{ "X-com.example.bar.foo.do_something", true },
	{ "X#NodeArchitecture", true },
	{ "A.-+@_z9", true },
	{ SIXTY "123", true },
	{ SIXTY "1234", false },
	{ "", false },
	{ "a", false },
	{ "headerdigest", false },
	{ "1A", false },
	{ "-A", false },
	{ "A B", false },
	{ "A,B", false },
	{ "A~B", false },
	{ "A:B", false },
	{ "A/B", false },
	{ "A#B", false },
	{ "XX#B", false },
	{ "X##B", false },
	{ "Z#B", false },
	{ "A\x01", false },
	{ "A\x80", false },
	{ "\xff", false },
};

START_TEST(names_are_standard_labels)
{
	const struct label_row *row = &label_rows[_i];
	struct text_view name = copy_of(row->name, strlen(row->name));

	ck_assert_msg(text_label_valid(name) == row->valid, "'%s'", row->name);
	release(name);
}
END_TEST

START_TEST(a_name_has_no_nul)
{
	ck_assert(!text_label_valid((struct text_view){ .at = "A\0B", .length = 3 }));
}
END_TEST

/* --- numbers [NEG-06] --- */

static const struct number_row {
	const char *text;
	int result;
	uint64_t number;
} number_rows[] = {
	{ "0", 0, 0 },
	{ "1", 0, 1 },
	{ "262144", 0, 262144 },
	{ "18446744073709551615", 0, UINT64_MAX },
	{ "18446744073709551616", -1, 0 },
	{ "18446744073709551620", -1, 0 },
	{ "184467440737095516150", -1, 0 },
	{ "99999999999999999999999999999", -1, 0 },
	{ "0x0", 0, 0 },
	{ "0x40000", 0, 0x40000 },
	{ "0X40000", 0, 0x40000 },
	{ "0xaBcDeF", 0, 0xabcdef },
	{ "0x00000000000000000000000000000001", 0, 1 },
	{ "0xffffffffffffffff", 0, UINT64_MAX },
	{ "0x10000000000000000", -1, 0 },
	{ "", -1, 0 },
	{ "0x", -1, 0 },
	{ "x1", -1, 0 },
	{ "00", -1, 0 },
	{ "01", -1, 0 },
	{ "-1", -1, 0 },
	{ "+1", -1, 0 },
	{ " 1", -1, 0 },
	{ "1 ", -1, 0 },
	{ "1a", -1, 0 },
	{ "a", -1, 0 },
	{ "0xg", -1, 0 },
	{ "0x-1", -1, 0 },
	{ "1.0", -1, 0 },
	{ "1,2", -1, 0 },
	{ "0b1", -1, 0 },
	{ "Yes", -1, 0 },
};

START_TEST(numbers_are_decimal_or_hexadecimal)
{
	const struct number_row *row = &number_rows[_i];
	struct text_view text = copy_of(row->text, strlen(row->text));
	uint64_t number = 0;

	ck_assert_msg(text_number(text, &number) == row->result, "'%s'", row->text);
	ck_assert_uint_eq(number, row->number);
	release(text);
}
END_TEST

static const struct range_row {
	const char *text;
	int result;
	uint64_t low, high;
	bool single;
} range_rows[] = {
	{ "5", 0, 5, 5, true },
	{ "5~7", 0, 5, 7, false },
	{ "5~5", 0, 5, 5, false },
	{ "0x10~20", 0, 16, 20, false },
	{ "7~5", -1, 0, 0, false },
	{ "5~", -1, 0, 0, false },
	{ "~5", -1, 0, 0, false },
	{ "~", -1, 0, 0, false },
	{ "5~6~7", -1, 0, 0, false },
	{ "a~b", -1, 0, 0, false },
	{ "", -1, 0, 0, false },
};

START_TEST(ranges_have_two_ends_in_order)
{
	const struct range_row *row = &range_rows[_i];
	struct text_view text = copy_of(row->text, strlen(row->text));
	struct text_range range;

	ck_assert_msg(text_range(text, &range) == row->result, "'%s'", row->text);
	if (row->result == 0) {
		ck_assert_uint_eq(range.low, row->low);
		ck_assert_uint_eq(range.high, row->high);
		ck_assert(range.single == row->single);
	}
	release(text);
}
END_TEST

static const struct boolean_row {
	const char *text;
	int result;
	bool yes;
} boolean_rows[] = {
	{ "Yes", 0, true },
	{ "No", 0, false },
	{ "yes", -1, false },
	{ "YES", -1, false },
	{ "no", -1, false },
	{ "Ye", -1, false },
	{ "Yes ", -1, false },
	{ "Noo", -1, false },
	{ "1", -1, false },
	{ "", -1, false },
};

START_TEST(booleans_are_yes_or_no)
{
	const struct boolean_row *row = &boolean_rows[_i];
	struct text_view text = copy_of(row->text, strlen(row->text));
	bool yes = true;

	ck_assert_msg(text_boolean(text, &yes) == row->result, "'%s'", row->text);
	ck_assert(yes == row->yes);
	release(text);
}
END_TEST

/* --- lists --- */

static const struct list_row {
	const char *text;
	const char *seen; /* each value in parentheses */
} list_rows[] = {
	{ "", "()" },
	{ "a", "(a)" },
	{ "a,b", "(a)(b)" },
	{ "a,,b", "(a)()(b)" },
	{ ",", "()()" },
	{ "a,", "(a)()" },
	{ ",a", "()(a)" },
	{ "None,CRC32C", "(None)(CRC32C)" },
};

START_TEST(lists_are_taken_apart_at_commas)
{
	const struct list_row *row = &list_rows[_i];
	struct text_view text = copy_of(row->text, strlen(row->text)), rest = text, item;
	char seen[128] = "";

	while (text_list_next(&rest, &item))
		snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "(%.*s)",
			(int)item.length, item.at);
	ck_assert_str_eq(seen, row->seen);
	ck_assert(!text_list_next(&rest, &item));
	release(text);
}
END_TEST

/* --- binary values [CHAP-09] --- */

static const struct binary_row {
	const char *text;
	size_t capacity;
	int result;
	const char *bytes;
	size_t length;
} binary_rows[] = {
	{ "0x00", 1, 0, "\0", 1 },
	{ "0XfF", 1, 0, "\xff", 1 },
	{ "0xabc", 2, 0, "\x0a\xbc", 2 },
	{ "0x123456", 3, 0, "\x12\x34\x56", 3 },
	{ "0x123456", 2, -1, "", 0 },
	{ "0bZm9v", 3, 0, "foo", 3 },
	{ "0BZm8=", 2, 0, "fo", 2 },
	{ "0bZm9v", 2, -1, "", 0 },
	{ "0x", 4, -1, "", 0 },
	{ "0b", 4, -1, "", 0 },
	{ "0", 4, -1, "", 0 },
	{ "", 4, -1, "", 0 },
	{ "123", 4, -1, "", 0 },
	{ "00", 4, -1, "", 0 },
	{ "1x00", 4, -1, "", 0 },
	{ "0xgg", 4, -1, "", 0 },
	{ "0x00 ", 4, -1, "", 0 },
	{ "0bZm9", 4, -1, "", 0 },
	{ "0bZm9v=", 4, -1, "", 0 },
};

START_TEST(binary_values_fit_or_fail)
{
	const struct binary_row *row = &binary_rows[_i];
	struct text_view text = copy_of(row->text, strlen(row->text));
	uint8_t *bytes = malloc(row->capacity);
	size_t length = 99;

	ck_assert_msg(
		text_binary(bytes, row->capacity, &length, text) == row->result, "'%s'", row->text);
	ck_assert_uint_eq(length, row->length);
	ck_assert_mem_eq(bytes, row->bytes, row->length);
	release(text);
	free(bytes);
}
END_TEST

/* --- buffers --- */

START_TEST(a_buffer_grows_up_to_its_limit)
{
	struct text_buffer buffer = { .limit = 5000 };
	char chunk[999];

	memset(chunk, 'a', sizeof(chunk));
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(text_append(&buffer, chunk, sizeof(chunk)), 0);
	ck_assert_uint_eq(buffer.length, 4995);
	ck_assert_int_eq(text_append(&buffer, "12345", 5), 0);
	ck_assert_mem_eq(buffer.bytes + 4994, "a12345", 6);
	ck_assert_int_eq(text_append(&buffer, "", 0), 0);
	ck_assert_int_eq(text_append(&buffer, "6", 1), -1);
	ck_assert(buffer.failed);
	/* It stays failed, also for what would fit. */
	ck_assert_int_eq(text_append(&buffer, "", 0), -1);
	ck_assert_uint_eq(buffer.length, 5000);
	text_clear(&buffer);
	ck_assert_uint_eq(buffer.limit, 5000);
	ck_assert(!buffer.failed && !buffer.bytes && !buffer.length);
	ck_assert_int_eq(text_append(&buffer, "6", 1), 0);
	text_clear(&buffer);
}
END_TEST

START_TEST(pairs_are_written_with_their_nul)
{
	struct text_buffer buffer = { .limit = 4096 };
	static const char all[] = "A=x\0B=yz\0C=\0D=0\0E=18446744073709551615\0F=0x00abff\0";

	text_put(&buffer, "A", text_of("x"));
	text_put_string(&buffer, "B", "yz");
	text_put_string(&buffer, "C", "");
	text_put_number(&buffer, "D", 0);
	text_put_number(&buffer, "E", UINT64_MAX);
	text_put_binary(&buffer, "F", (const uint8_t *)"\x00\xab\xff", 3);
	ck_assert(!buffer.failed);
	ck_assert_uint_eq(buffer.length, sizeof(all) - 1);
	ck_assert_mem_eq(buffer.bytes, all, sizeof(all) - 1);
	text_clear(&buffer);
}
END_TEST

START_TEST(a_pair_that_does_not_fit_fails)
{
	for (size_t limit = 0; limit < 5; limit++) {
		struct text_buffer buffer = { .limit = limit };

		text_put_string(&buffer, "A", "12");
		ck_assert(buffer.failed == (limit < 5));
		ck_assert_uint_le(buffer.length, limit);
		text_clear(&buffer);
	}
}
END_TEST

START_TEST(binary_longer_than_allowed_fails)
{
	struct text_buffer buffer = { .limit = 65536 };
	static const uint8_t bytes[1025];

	text_put_binary(&buffer, "A", bytes, 1024);
	ck_assert(!buffer.failed);
	ck_assert_uint_eq(buffer.length, 2 + 2 + 2048 + 1);
	text_put_binary(&buffer, "B", bytes, 1025);
	ck_assert(buffer.failed);
	text_clear(&buffer);
}
END_TEST

/* --- pieces [TEXT-06] --- */

static const struct piece_row {
	size_t offset, most, length;
	bool cut;
} piece_rows[] = {
	/* The text: A=1. BB=22. C=333333. of 4 + 6 + 9 = 19 bytes. */
	{ 0, 19, 19, false },
	{ 0, 100, 19, false },
	{ 0, 18, 10, false },
	{ 0, 10, 10, false },
	{ 0, 9, 4, false },
	{ 0, 4, 4, false },
	{ 0, 3, 3, true },
	{ 0, 1, 1, true },
	{ 3, 1, 1, false },
	{ 4, 5, 5, true },
	{ 10, 8, 8, true },
	{ 18, 8, 1, false },
	{ 19, 8, 0, false },
};

START_TEST(pieces_end_with_a_pair_if_they_can)
{
	const struct piece_row *row = &piece_rows[_i];
	struct text_buffer buffer = { .limit = 100 };
	bool cut = true;

	text_append(&buffer, "A=1\0BB=22\0C=333333", 19);
	ck_assert_uint_eq(text_piece(&buffer, row->offset, row->most, &cut), row->length);
	ck_assert(cut == row->cut);
	text_clear(&buffer);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("text");
	TCase *tcase = tcase_create("all");

	tcase_add_rows(tcase, pairs_are_views_up_to_their_nul, pairs_rows);
	tcase_add_rows(tcase, names_are_standard_labels, label_rows);
	tcase_add_test(tcase, a_name_has_no_nul);
	tcase_add_rows(tcase, numbers_are_decimal_or_hexadecimal, number_rows);
	tcase_add_rows(tcase, ranges_have_two_ends_in_order, range_rows);
	tcase_add_rows(tcase, booleans_are_yes_or_no, boolean_rows);
	tcase_add_rows(tcase, lists_are_taken_apart_at_commas, list_rows);
	tcase_add_rows(tcase, binary_values_fit_or_fail, binary_rows);
	tcase_add_test(tcase, a_buffer_grows_up_to_its_limit);
	tcase_add_test(tcase, pairs_are_written_with_their_nul);
	tcase_add_test(tcase, a_pair_that_does_not_fit_fails);
	tcase_add_test(tcase, binary_longer_than_allowed_fails);
	tcase_add_rows(tcase, pieces_end_with_a_pair_if_they_can, piece_rows);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
