/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * base/bytes.h: byte order, and the sticky error of reader and writer at every possible end.
 */
#include "base/bytes.h"

#include "tests/suite.h"

static const uint8_t counting[15] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

START_TEST(accessors_are_big_endian)
{
	uint8_t bytes[8];

	ck_assert_uint_eq(get_be16((const uint8_t *)"\xfe\xdc"), 0xfedc);
	ck_assert_uint_eq(get_be24((const uint8_t *)"\xfe\xdc\xba"), 0xfedcba);
	ck_assert_uint_eq(get_be32((const uint8_t *)"\xfe\xdc\xba\x98"), 0xfedcba98);
	ck_assert_uint_eq(
		get_be64((const uint8_t *)"\xfe\xdc\xba\x98\x76\x54\x32\x10"), 0xfedcba9876543210);
	put_be16(bytes, 0xfedc);
	ck_assert_mem_eq(bytes, "\xfe\xdc", 2);
	put_be24(bytes, 0xfedcba);
	ck_assert_mem_eq(bytes, "\xfe\xdc\xba", 3);
	put_be32(bytes, 0xfedcba98);
	ck_assert_mem_eq(bytes, "\xfe\xdc\xba\x98", 4);
	put_be64(bytes, 0xfedcba9876543210);
	ck_assert_mem_eq(bytes, "\xfe\xdc\xba\x98\x76\x54\x32\x10", 8);
}
END_TEST

/* Fields of 1, 2, 4 and 8 bytes from sources of every length: those that fit, then zeros. */
START_TEST(reader_stops_at_the_end_and_stays_stopped)
{
	size_t length = (size_t)_i;
	uint8_t *copy = malloc(length + !length);

	memcpy(copy, counting, length);
	struct reader r = reader_of(copy, length);
	ck_assert_uint_eq(read_u8(&r), length >= 1 ? 1 : 0);
	ck_assert_uint_eq(read_be16(&r), length >= 3 ? 0x0203 : 0);
	ck_assert_uint_eq(read_be32(&r), length >= 7 ? 0x04050607 : 0);
	ck_assert_uint_eq(read_be64(&r), length >= 15 ? 0x08090a0b0c0d0e0f : 0);
	ck_assert_int_eq(r.failed, length < 15);
	/* What is left is not given out after a failure, not even to one who would fit. */
	ck_assert_uint_eq(read_u8(&r), 0);
	ck_assert(r.failed);
	ck_assert_ptr_null(read_bytes(&r, 0));
	free(copy);
}
END_TEST

START_TEST(writer_stops_at_the_end_and_stays_stopped)
{
	size_t capacity = (size_t)_i;
	uint8_t *memory = malloc(capacity + !capacity);
	static const size_t ends[] = { 0, 1, 3, 7, 15 };
	size_t fits = 0;

	struct writer w = writer_of(memory, capacity);
	write_u8(&w, 1);
	write_be16(&w, 0x0203);
	write_be32(&w, 0x04050607);
	write_be64(&w, 0x08090a0b0c0d0e0f);
	for (size_t i = 0; i < 5; i++) {
		if (ends[i] <= capacity)
			fits = ends[i];
	}
	ck_assert_int_eq(w.failed, capacity < 15);
	ck_assert_uint_eq(w.length, fits);
	ck_assert_mem_eq(memory, counting, fits);
	write_bytes(&w, "xxxxxxxxxxxxxxxx", 16);
	ck_assert(w.failed);
	ck_assert_uint_eq(w.length, fits);
	write_u8(&w, 9);
	ck_assert_uint_eq(w.length, fits);
	free(memory);
}
END_TEST

START_TEST(views_and_space_of_any_length)
{
	uint8_t memory[4] = { 9, 9, 9, 9 };
	struct reader r = reader_of(counting, 4);
	struct writer w = writer_of(memory, 4);
	/* volatile: the compiler would warn about a size that it knows. */
	volatile size_t huge = SIZE_MAX;

	ck_assert_ptr_eq(read_bytes(&r, 0), counting);
	ck_assert_ptr_eq(read_bytes(&r, 4), counting);
	ck_assert_uint_eq(r.left, 0);
	ck_assert(!r.failed);
	ck_assert_ptr_null(read_bytes(&r, huge));
	ck_assert(r.failed);
	ck_assert_ptr_eq(write_space(&w, 3), memory);
	ck_assert_mem_eq(memory, "\0\0\0\x09", 4);
	ck_assert_ptr_null(write_space(&w, huge));
	ck_assert(w.failed);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("bytes");
	TCase *tcase = tcase_create("bytes");

	tcase_add_test(tcase, accessors_are_big_endian);
	tcase_add_loop_test(tcase, reader_stops_at_the_end_and_stays_stopped, 0, 16);
	tcase_add_loop_test(tcase, writer_stops_at_the_end_and_stays_stopped, 0, 16);
	tcase_add_test(tcase, views_and_space_of_any_length);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
