/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text of state files: the exact bytes written, and that nothing else is taken (K9). The
 * checksums of the damaged texts are right, unless the checksum is what is damaged.
 */
#include "conf/state_text.h"

#include "auth/digest.h"
#include "base/secret.h"
#include "tests/suite.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define TARGET "iqn.2026-01.org.example:disk"
#define HEAD   "{\"format\":1,\"target\":\"" TARGET "\",\"generation\":7,\"credentials\":["
#define REC_A  "{\"initiator\":\"iqn.a\",\"initiatorSecret\":\"61626300\",\"targetSecret\":\"ff\"}"
#define REC_B  "{\"initiator\":\"iqn.b\",\"initiatorSecret\":\"00\",\"targetSecret\":\"\"}"

/* A rotation of iqn.a to a record with the secret 646566: format 2. */
#define HEAD_2 "{\"format\":2,\"target\":\"" TARGET "\",\"generation\":7,\"credentials\":["
#define REC_2(initiator, retiring)                                                                 \
	"{\"initiator\":\"" initiator "\",\"initiatorSecret\":\"646566\",\"targetSecret\":\"ee\"," \
	"\"retiring\":{" retiring "}}"
#define OLD(secret, until)                                                                         \
	"\"initiatorSecret\":\"" secret "\",\"targetSecret\":\"ff\",\"until\":" until
#define ROTATING_A REC_2("iqn.a", OLD("61626300", "1795000000"))

/* `line` with the newline and the checksum that belong to it. */
static size_t sealed(char *text, size_t size, const char *line)
{
	char digits[SHA256_HEX_SIZE];

	int length = snprintf(text, size, "%s\n", line);
	ck_assert_int_eq(sha256_hex(digits, text, (size_t)length), 0);
	length += snprintf(text + length, size - (size_t)length, "%s\n", digits);
	ck_assert_uint_lt((size_t)length, size);
	return (size_t)length;
}

static struct credential_set *example_set(void)
{
	struct credential records[2] = {
		{ .initiator = "iqn.a",
			.initiator_secret = { 4, { 'a', 'b', 'c', 0 } },
			.target_secret = { 1, { 0xff } } },
		{ .initiator = "iqn.b", .initiator_secret = { 1, { 0 } } },
	};

	return credential_set_of(7, records, 2);
}

/* jansson's memory, which fails after so many requests. */
static int allocations_left, allocations;

static void *failing_malloc(size_t size)
{
	if (allocations_left-- <= 0)
		return NULL;
	allocations++;
	return secret_malloc(size);
}

static void counting_free(void *memory)
{
	allocations -= memory != NULL;
	secret_free(memory);
}

START_TEST(the_bytes_are_fixed)
{
	char expected[1024];
	size_t length;
	size_t size = sealed(expected, sizeof(expected), HEAD REC_A "," REC_B "]}");
	struct credential_set *set = example_set();
	char *text = state_text_of_credentials(TARGET, set, &length);

	ck_assert_uint_eq(length, size);
	ck_assert_mem_eq(text, expected, size);
	secret_free(text);
	credential_set_unref(set);
}
END_TEST

START_TEST(a_rotation_has_a_format_of_its_own)
{
	const struct credential next = { .initiator = "iqn.a",
		.initiator_secret = { 3, "def" },
		.target_secret = { 1, { 0xee } } };
	char expected[1024];
	const char *why;
	size_t length;
	size_t size = sealed(expected, sizeof(expected), HEAD_2 ROTATING_A "," REC_B "]}");
	struct credential_set *old = example_set();
	struct credential_set *set = credential_set_rotated(old, 7, &next, 1795000000);
	char *text = state_text_of_credentials(TARGET, set, &length);

	ck_assert_uint_eq(length, size);
	ck_assert_mem_eq(text, expected, size);
	struct credential_set *back = state_text_credentials(text, length, TARGET, &why);
	ck_assert_ptr_nonnull(back);
	ck_assert_uint_eq(credential_set_generation(back), 7);
	ck_assert_uint_eq(credential_set_count(back), 2);
	ck_assert_uint_eq(credential_set_retiring_count(back), 1);
	const struct credential *newest = credential_set_at(back, 0);
	const struct credential *retiring = credential_set_retiring_at(back, 0);
	ck_assert_uint_eq(newest->initiator_secret.length, 3);
	ck_assert_mem_eq(newest->initiator_secret.bytes, "def", 3);
	ck_assert_uint_eq(newest->target_secret.bytes[0], 0xee);
	ck_assert_str_eq(retiring->initiator, "iqn.a");
	ck_assert_uint_eq(retiring->initiator_secret.length, 4);
	ck_assert_mem_eq(retiring->initiator_secret.bytes, "abc", 4);
	ck_assert_uint_eq(retiring->target_secret.bytes[0], 0xff);
	ck_assert_uint_eq(retiring->until, 1795000000);
	ck_assert_uint_lt(retiring->since, newest->since);
	/* When it is over the file is what any version can read. */
	struct credential_set *finished = credential_set_finished(back, 8, "iqn.a");
	secret_free(text);
	text = state_text_of_credentials(TARGET, finished, &length);
	ck_assert_ptr_nonnull(strstr(text, "{\"format\":1,"));
	ck_assert_ptr_null(strstr(text, "61626300"));
	secret_free(text);
	credential_set_unref(old);
	credential_set_unref(set);
	credential_set_unref(back);
	credential_set_unref(finished);
}
END_TEST

/* Computed with sha256sum: the format does not hang on our own digest. */
START_TEST(the_empty_set_is_known)
{
	static const char expected[] =
		"{\"format\":1,\"target\":\"iqn.x\",\"generation\":1,\"credentials\":[]}\n"
		"555033a2578f57b4f63d8052f53d97e89a02b5eefbcaac23b4863a2c9f39d5b0\n";
	size_t length;
	struct credential_set *set = credential_set_new(1);
	char *text = state_text_of_credentials("iqn.x", set, &length);

	ck_assert_uint_eq(length, sizeof(expected) - 1);
	ck_assert_mem_eq(text, expected, length);
	secret_free(text);
	credential_set_unref(set);
}
END_TEST

START_TEST(sets_come_back)
{
	struct credential records[3];
	const char *why;
	size_t length;

	/* The shortest, the usual and the longest, with every byte value in a secret. */
	memset(records, 0, sizeof(records));
	memset(records[0].initiator, 'a', CREDENTIAL_NAME_MAX);
	snprintf(records[1].initiator, sizeof(records[1].initiator), "b");
	snprintf(records[2].initiator, sizeof(records[2].initiator), "c\"\\\t\xc3\xa4");
	for (int i = 0; i < 3; i++) {
		records[i].initiator_secret.length = (uint8_t[]){ 255, 1, 16 }[i];
		records[i].target_secret.length = (uint8_t[]){ 255, 0, 12 }[i];
		for (int j = 0; j < records[i].initiator_secret.length; j++)
			records[i].initiator_secret.bytes[j] = (uint8_t)(j + i);
		for (int j = 0; j < records[i].target_secret.length; j++)
			records[i].target_secret.bytes[j] = (uint8_t)(255 - j - i);
	}
	struct credential_set *set = credential_set_of(INT64_MAX, records, 3);
	ck_assert_ptr_nonnull(set);
	char *text = state_text_of_credentials(TARGET, set, &length);
	ck_assert_ptr_nonnull(text);
	struct credential_set *back = state_text_credentials(text, length, TARGET, &why);
	ck_assert_ptr_nonnull(back);
	ck_assert_uint_eq(credential_set_generation(back), INT64_MAX);
	ck_assert_uint_eq(credential_set_count(back), 3);
	for (size_t i = 0; i < 3; i++)
		ck_assert_mem_eq(credential_set_at(back, i), credential_set_at(set, i),
			sizeof(struct credential));
	secret_free(text);
	credential_set_unref(set);
	credential_set_unref(back);
}
END_TEST

START_TEST(a_name_that_json_cannot_hold_is_not_written)
{
	struct credential record = { .initiator = "iqn.\xff", .initiator_secret = { 1, { 1 } } };
	size_t length;
	struct credential_set *set = credential_set_of(1, &record, 1);

	allocations_left = 1000;
	json_set_alloc_funcs(failing_malloc, counting_free);
	ck_assert_ptr_null(state_text_of_credentials(TARGET, set, &length));
	ck_assert_int_eq(allocations, 0);
	credential_set_unref(set);
}
END_TEST

#define NO_JSON       "is not the JSON expected"
#define NO_RECORD     "one of its credentials is not as expected"
#define NO_ORDER      "its credentials are not in order"
#define NO_DIFFERENCE "the records of a rotation do not differ"
#define NAME_OF_25    "xxxxxxxxxxxxxxxxxxxxxxxxx"
#define TOO_LONG                                                                                   \
	NAME_OF_25 NAME_OF_25 NAME_OF_25 NAME_OF_25 NAME_OF_25 NAME_OF_25 NAME_OF_25 NAME_OF_25    \
		NAME_OF_25 NAME_OF_25 "123456"

static const struct {
	const char *line;
	const char *why; /* NULL: it is taken */
} lines[] = {
	{ HEAD REC_A "," REC_B "]}", NULL },
	{ HEAD REC_B "]}", NULL },
	{ HEAD "]}", NULL },
	{ "", "is not a line and its checksum" },
	{ "x", NO_JSON },
	{ "[]", NO_JSON },
	{ "null", NO_JSON },
	{ HEAD "]", NO_JSON },
	{ HEAD "]}}", NO_JSON },
	{ HEAD "]} {}", NO_JSON },
	{ HEAD "],\"comment\":\"\"}", NO_JSON },
	{ HEAD "],\"generation\":7}", NO_JSON },
	{ "{\"format\":1,\"target\":\"" TARGET "\",\"generation\":7}", NO_JSON },
	{ "{\"format\":1,\"target\":\"" TARGET "\",\"generation\":\"7\",\"credentials\":[]}",
		NO_JSON },
	{ "{\"format\":1,\"target\":\"" TARGET "\",\"generation\":7.0,\"credentials\":[]}",
		NO_JSON },
	{ "{\"format\":1,\"target\":\"" TARGET "\",\"generation\":0,\"credentials\":[]}", NO_JSON },
	{ "{\"format\":1,\"target\":\"" TARGET "\",\"generation\":-7,\"credentials\":[]}",
		NO_JSON },
	{ "{\"format\":1,\"target\":\"" TARGET "\",\"generation\":9223372036854775808,"
	  "\"credentials\":[]}",
		NO_JSON },
	{ "{\"format\":1,\"target\":\"" TARGET "\",\"generation\":7,\"credentials\":{}}", NO_JSON },
	{ "{\"format\":1,\"target\":\"" TARGET "\",\"generation\":7,\"credentials\":null}",
		NO_JSON },
	{ "{\"format\":3,\"target\":\"" TARGET "\",\"generation\":7,\"credentials\":[]}",
		"is of a format that this version does not know" },
	{ HEAD_2 ROTATING_A "]}", NULL },
	{ HEAD_2 ROTATING_A "," REC_B "]}", NULL },
	{ HEAD_2 ROTATING_A "," REC_2("iqn.b", OLD("01", "1")) "]}", NULL },
	{ HEAD_2 "]}", "is of the format for rotations and has none" },
	{ HEAD_2 REC_B "]}", "is of the format for rotations and has none" },
	{ HEAD ROTATING_A "]}", NO_RECORD },
	{ "{\"format\":2,\"target\":\"" TARGET "\",\"generation\":1,\"credentials\":[" ROTATING_A
	  "]}",
		NO_JSON },
	{ HEAD_2 REC_2("iqn.a", OLD("646566", "1")) "]}", NO_DIFFERENCE },
	{ HEAD_2 REC_2("iqn.a", OLD("ee", "1")) "]}", NO_DIFFERENCE },
	{ HEAD_2 REC_2("iqn.a", OLD("", "1")) "]}", NO_RECORD },
	{ HEAD_2 REC_2("iqn.a", OLD("6", "1")) "]}", NO_RECORD },
	{ HEAD_2 REC_2("iqn.a", OLD("61", "0")) "]}", NO_RECORD },
	{ HEAD_2 REC_2("iqn.a", OLD("61", "-1")) "]}", NO_RECORD },
	{ HEAD_2 REC_2("iqn.a", OLD("61", "1.0")) "]}", NO_RECORD },
	{ HEAD_2 REC_2("iqn.a", OLD("61", "\"1\"")) "]}", NO_RECORD },
	{ HEAD_2 REC_2("iqn.a", OLD("61", "1,\"x\":1")) "]}", NO_RECORD },
	{ HEAD_2 REC_2("iqn.a", "\"initiatorSecret\":\"61\",\"until\":1") "]}", NO_RECORD },
	{ HEAD_2 REC_2("iqn.a", "") "]}", NO_RECORD },
	{ HEAD_2 ROTATING_A "," ROTATING_A "]}", NO_ORDER },
	{ HEAD_2 "{\"initiator\":\"a\",\"initiatorSecret\":\"00\",\"targetSecret\":\"\","
		 "\"retiring\":"
		 "null}]}",
		NO_RECORD },
	{ "{\"format\":true,\"target\":\"" TARGET "\",\"generation\":7,\"credentials\":[]}",
		NO_JSON },
	{ "{\"format\":1,\"target\":\"iqn.2026-01.org.example:dis\",\"generation\":7,"
	  "\"credentials\":[]}",
		"belongs to another target" },
	{ "{\"format\":1,\"target\":\"" TARGET "2\",\"generation\":7,\"credentials\":[]}",
		"belongs to another target" },
	{ HEAD REC_B "," REC_A "]}", NO_ORDER },
	{ HEAD REC_A "," REC_A "]}", NO_ORDER },
	{ HEAD REC_A ",1]}", NO_RECORD },
	{ HEAD REC_A ",null]}", NO_RECORD },
	{ HEAD "{\"initiator\":\"a\",\"initiatorSecret\":\"00\"}]}", NO_RECORD },
	{ HEAD "{\"initiator\":\"a\",\"initiatorSecret\":\"00\",\"targetSecret\":null}]}",
		NO_RECORD },
	{ HEAD "{\"initiator\":\"a\",\"initiatorSecret\":\"00\",\"targetSecret\":\"\",\"x\":1}]}",
		NO_RECORD },
	{ HEAD "{\"initiator\":\"a\",\"initiatorSecret\":\"\",\"targetSecret\":\"00\"}]}",
		NO_RECORD },
	{ HEAD "{\"initiator\":\"a\",\"initiatorSecret\":\"0\",\"targetSecret\":\"\"}]}",
		NO_RECORD },
	{ HEAD "{\"initiator\":\"a\",\"initiatorSecret\":\"0g\",\"targetSecret\":\"\"}]}",
		NO_RECORD },
	{ HEAD "{\"initiator\":\"a\",\"initiatorSecret\":\"00\",\"targetSecret\":\"000\"}]}",
		NO_RECORD },
	{ HEAD "{\"initiator\":\"\",\"initiatorSecret\":\"00\",\"targetSecret\":\"\"}]}",
		NO_RECORD },
	{ HEAD "{\"initiator\":\"A\",\"initiatorSecret\":\"00\",\"targetSecret\":\"\"}]}",
		NO_RECORD },
	{ HEAD "{\"initiator\":\"a\\u0000b\",\"initiatorSecret\":\"00\",\"targetSecret\":\"\"}]}",
		NO_JSON },
	{ HEAD "{\"initiator\":\"" TOO_LONG
	       "\",\"initiatorSecret\":\"00\",\"targetSecret\":\"\"}]}",
		NO_RECORD },
};

START_TEST(lines_are_taken_literally)
{
	char text[2048];
	const char *why;
	size_t length = sealed(text, sizeof(text), lines[_i].line);
	struct credential_set *set = state_text_credentials(text, length, TARGET, &why);

	ck_assert_int_eq(set != NULL, lines[_i].why == NULL);
	if (!set)
		ck_assert_str_eq(why, lines[_i].why);
	credential_set_unref(set);
}
END_TEST

START_TEST(a_secret_may_not_be_longer_than_its_place)
{
	char line[2048], text[2400], digits[2 * 256 + 1];
	const char *why;

	memset(digits, 'a', sizeof(digits) - 1);
	for (int bytes = 255; bytes <= 256; bytes++) {
		digits[2 * bytes] = '\0';
		snprintf(line, sizeof(line),
			HEAD
			"{\"initiator\":\"a\",\"initiatorSecret\":\"%s\",\"targetSecret\":\"\"}]}",
			digits);
		digits[2 * bytes] = 'a';
		size_t length = sealed(text, sizeof(text), line);
		struct credential_set *set = state_text_credentials(text, length, TARGET, &why);
		ck_assert_int_eq(set != NULL, bytes == 255);
		credential_set_unref(set);
		if (bytes == 255)
			continue;
		ck_assert_str_eq(why, NO_RECORD);
	}
}
END_TEST

/* A torn file, a flipped bit, something appended: all are noticed. */
START_TEST(damage_is_noticed)
{
	char text[1024];
	const char *why;
	size_t length = sealed(text, sizeof(text) - 1, HEAD REC_A "," REC_B "]}");

	for (size_t cut = 0; cut < length; cut++)
		ck_assert_ptr_null(state_text_credentials(text, cut, TARGET, &why));
	for (size_t bit = 0; bit < length * 8; bit++) {
		text[bit / 8] ^= (char)(1 << bit % 8);
		ck_assert_ptr_null(state_text_credentials(text, length, TARGET, &why));
		text[bit / 8] ^= (char)(1 << bit % 8);
	}
	for (int byte = 0; byte < 256; byte++) {
		text[length] = (char)byte;
		ck_assert_ptr_null(state_text_credentials(text, length + 1, TARGET, &why));
	}
	struct credential_set *set = state_text_credentials(text, length, TARGET, &why);
	ck_assert_ptr_nonnull(set);
	credential_set_unref(set);
}
END_TEST

START_TEST(an_index_comes_back)
{
	char *names[] = { "iqn.a.credentials", "iqn.b.credentials" };
	const char *why;
	size_t length, count;
	char *text = state_text_of_index(names, 2, &length);

	char **back = state_text_index(text, length, &count, &why);
	ck_assert_ptr_nonnull(back);
	ck_assert_uint_eq(count, 2);
	for (size_t i = 0; i < count; i++) {
		ck_assert_str_eq(back[i], names[i]);
		free(back[i]);
	}
	free(back);
	secret_free(text);
	text = state_text_of_index(names, 0, &length);
	back = state_text_index(text, length, &count, &why);
	ck_assert_ptr_nonnull(back);
	ck_assert_uint_eq(count, 0);
	free(back);
	secret_free(text);
}
END_TEST

static const char *const bad_indexes[] = {
	"{\"format\":1}",
	"{\"format\":1,\"files\":{}}",
	"{\"format\":1,\"files\":[1]}",
	"{\"format\":1,\"files\":[\"a\"]}",
	"{\"format\":1,\"files\":[\".credentials\"]}",
	"{\"format\":1,\"files\":[\"../a.credentials\"]}",
	"{\"format\":1,\"files\":[\"b.credentials\",\"a.credentials\"]}",
	"{\"format\":1,\"files\":[\"a.credentials\",\"a.credentials\"]}",
	"{\"format\":1,\"files\":[],\"x\":1}",
	"{\"format\":2,\"files\":[]}",
	"[]",
};

START_TEST(bad_indexes_are_refused)
{
	char text[512];
	const char *why = NULL;
	size_t count;
	size_t length = sealed(text, sizeof(text), bad_indexes[_i]);

	ck_assert_ptr_null(state_text_index(text, length, &count, &why));
	ck_assert_ptr_nonnull(why);
}
END_TEST

#define N223                                                                                       \
	NAME_OF_25 NAME_OF_25 NAME_OF_25 NAME_OF_25 NAME_OF_25 NAME_OF_25 NAME_OF_25 NAME_OF_25    \
		"12345678901234567890123"

/* Running out of memory at whatever point gives the right answer or none, never a part of it. */
START_TEST(memory_may_run_out)
{
	static const char *const texts[] = { HEAD REC_A "," REC_B "]}",
		HEAD_2 ROTATING_A "," REC_B "]}" };
	char expected[1024];
	const char *why;
	size_t length, wrong = 0;
	size_t size = sealed(expected, sizeof(expected), texts[_i]);
	struct credential_set *set = state_text_credentials(expected, size, TARGET, &why);
	bool written = false, read = false;

	json_set_alloc_funcs(failing_malloc, counting_free);
	for (int n = 0; !written || !read; n++) {
		allocations_left = n;
		char *text = state_text_of_credentials(TARGET, set, &length);
		written = text != NULL;
		wrong += text && (length != size || memcmp(text, expected, size) != 0);
		secret_free(text);
		allocations_left = n;
		struct credential_set *back = state_text_credentials(expected, size, TARGET, &why);
		read = back != NULL;
		wrong += back && (credential_set_count(back) != 2 ||
					 credential_set_retiring_count(back) != (size_t)_i);
		credential_set_unref(back);
		ck_assert_int_lt(n, 1000);
	}
	ck_assert_uint_eq(wrong, 0);
	ck_assert_int_eq(allocations, 0);
	credential_set_unref(set);
}
END_TEST

START_TEST(memory_may_run_out_for_an_index)
{
	char *names[] = { "iqn.a.credentials", "iqn.b.credentials" };
	char expected[1024];
	const char *why;
	size_t length, count, wrong = 0;
	size_t size = sealed(expected, sizeof(expected),
		"{\"format\":1,\"files\":[\"iqn.a.credentials\",\"iqn.b.credentials\"]}");
	bool written = false, read = false;

	json_set_alloc_funcs(failing_malloc, counting_free);
	for (int n = 0; !written || !read; n++) {
		allocations_left = n;
		char *text = state_text_of_index(names, 2, &length);
		written = text != NULL;
		wrong += text && (length != size || memcmp(text, expected, size) != 0);
		secret_free(text);
		allocations_left = n;
		char **back = state_text_index(expected, size, &count, &why);
		read = back != NULL;
		for (size_t i = 0; back && i < count; i++)
			free(back[i]);
		free(back);
		ck_assert_int_lt(n, 1000);
	}
	ck_assert_uint_eq(wrong, 0);
	ck_assert_int_eq(allocations, 0);
}
END_TEST

static const struct {
	const char *target, *file; /* NULL: it has none */
} names[] = {
	{ "iqn.2026-01.org.example:a", "iqn.2026-01.org.example:a.credentials" },
	{ "..", "...credentials" },
	{ N223, N223 ".credentials" },
	{ N223 "4", NULL },
	{ "", NULL },
	{ "iqn/a", NULL },
	{ "iqn.A", NULL },
	{ "iqn.\xc3\xa4", NULL },
	{ "iqn a", NULL },
	{ "iqn%41", NULL },
};

START_TEST(files_are_named_after_targets)
{
	char name[STATE_NAME_SIZE];

	ck_assert_int_eq(state_name_of(name, names[_i].target), names[_i].file ? 0 : -1);
	ck_assert_str_eq(name, names[_i].file ? names[_i].file : "");
	if (names[_i].file)
		ck_assert(state_name_is_credentials(name));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conf/state_text");
	TCase *tests = tcase_create("texts");

	json_set_alloc_funcs(secret_malloc, secret_free);
	tcase_add_test(tests, the_bytes_are_fixed);
	tcase_add_test(tests, a_rotation_has_a_format_of_its_own);
	tcase_add_test(tests, the_empty_set_is_known);
	tcase_add_test(tests, sets_come_back);
	tcase_add_test(tests, a_name_that_json_cannot_hold_is_not_written);
	tcase_add_rows(tests, lines_are_taken_literally, lines);
	tcase_add_test(tests, a_secret_may_not_be_longer_than_its_place);
	tcase_add_test(tests, damage_is_noticed);
	tcase_add_test(tests, an_index_comes_back);
	tcase_add_rows(tests, bad_indexes_are_refused, bad_indexes);
	tcase_add_loop_test(tests, memory_may_run_out, 0, 2);
	tcase_add_test(tests, memory_may_run_out_for_an_index);
	tcase_add_rows(tests, files_are_named_after_targets, names);
	suite_add_tcase(suite, tests);
	return suite_main(suite);
}
