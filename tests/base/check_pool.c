/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * base/pool.c: objects come zeroed, idle ones are reused and bounded, buffers are aligned and
 * of the class that their size asks for.
 */
#include "base/pool.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/sanitize.h"
#include "tests/suite.h"

START_TEST(objects_come_zeroed_and_are_reused)
{
	struct pool *pool = pool_new(100, 2);
	char *object = pool_get(pool);

	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(object[i], 0);
	memset(object, 'x', 100);
	pool_put(pool, object);
	char *again = pool_get(pool);
	ck_assert_ptr_eq(again, object);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(again[i], 0);
	pool_put(pool, again);
	pool_free(pool);
}
END_TEST

START_TEST(objects_are_counted)
{
	struct pool *pool = pool_new(1, (size_t)_i);
	unsigned char *objects[8];

	ck_assert_uint_eq(pool_in_use(pool), 0);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 8; i++) {
			objects[i] = pool_get(pool);
			*objects[i] = (unsigned char)i;
			ck_assert_uint_eq(pool_in_use(pool), i + 1);
		}
		for (unsigned i = 0; i < 8; i++) {
			ck_assert_uint_eq(*objects[i], i);
			pool_put(pool, objects[i]);
			ck_assert_uint_eq(pool_in_use(pool), 7 - i);
		}
	}
	pool_put(pool, NULL);
	ck_assert_uint_eq(pool_in_use(pool), 0);
	pool_free(pool);
	pool_free(NULL);
}
END_TEST

static const struct {
	size_t size;
	size_t class_size;
} buffer_rows[] = {
	{ 1, 4096 },
	{ 512, 4096 },
	{ 4096, 4096 },
	{ 4097, 8192 },
	{ 65536, 65536 },
	{ 65537, 131072 },
	{ (2u << 20) + 1, 4u << 20 },
	{ BUFFER_SIZE_MAX - 1, 4u << 20 },
	{ BUFFER_SIZE_MAX, 4u << 20 },
};

START_TEST(buffers_are_aligned_and_classed)
{
	size_t size = buffer_rows[_i].size;
	struct buffer_pool *pool = buffer_pool_new(64u << 20);
	unsigned char *buffer = buffer_get(pool, size);

	ck_assert_ptr_nonnull(buffer);
	ck_assert_uint_eq((uintptr_t)buffer % BUFFER_ALIGNMENT, 0);
	ck_assert_uint_eq(buffer_bytes_in_use(pool), buffer_rows[_i].class_size);
	memset(buffer, 0xee, size);
	unsigned char *other = buffer_get(pool, size);
	memset(other, 0x11, size);
	ck_assert_uint_eq(buffer[0], 0xee);
	ck_assert_uint_eq(buffer[size - 1], 0xee);
	buffer_put(pool, buffer, size);
	ck_assert_uint_eq(buffer_bytes_in_use(pool), buffer_rows[_i].class_size);
	/* The idle one serves every size of its class. */
	unsigned char *again = buffer_get(pool, buffer_rows[_i].class_size);
	ck_assert_ptr_eq(again, buffer);
	memset(again, 0x22, buffer_rows[_i].class_size);
	buffer_put(pool, again, buffer_rows[_i].class_size);
	buffer_put(pool, other, size);
	ck_assert_uint_eq(buffer_bytes_in_use(pool), 0);
	buffer_pool_free(pool);
}
END_TEST

static int is_mapped(void *page)
{
	unsigned char resident;

	return mincore(page, 1, &resident) == 0;
}

START_TEST(idle_buffers_stay_below_the_limit)
{
	struct buffer_pool *pool = buffer_pool_new(3 * 4096);
	void *buffers[5];

	for (int i = 0; i < 5; i++)
		buffers[i] = buffer_get(pool, 4096);
	ck_assert_uint_eq(buffer_bytes_in_use(pool), 5 * 4096);
	for (int i = 0; i < 5; i++)
		buffer_put(pool, buffers[i], 4096);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(is_mapped(buffers[i]), i < 3);
	/* No room is left for a large one either. */
	void *large = buffer_get(pool, BUFFER_SIZE_MAX);
	buffer_put(pool, large, BUFFER_SIZE_MAX);
	ck_assert(!is_mapped(large));
	buffer_put(pool, NULL, 1);
	ck_assert_uint_eq(buffer_bytes_in_use(pool), 0);
	buffer_pool_free(pool);
	for (int i = 0; i < 3; i++)
		ck_assert(!is_mapped(buffers[i]));
	buffer_pool_free(NULL);
}
END_TEST

/* What earlier work left idle does not send later work of another size to the kernel for each buffer. */
START_TEST(idle_buffers_give_way_to_other_classes)
{
	struct buffer_pool *pool = buffer_pool_new(4 * 4096);
	void *small[4], *large;

	for (int i = 0; i < 4; i++)
		small[i] = buffer_get(pool, 4096);
	for (int i = 0; i < 4; i++)
		buffer_put(pool, small[i], 4096);
	large = buffer_get(pool, 2 * 4096);
	buffer_put(pool, large, 2 * 4096);
	ck_assert(is_mapped(large));
	ck_assert_int_eq(is_mapped(small[0]) + is_mapped(small[1]) + is_mapped(small[2]) +
				 is_mapped(small[3]),
		2);
	ck_assert_ptr_eq(buffer_get(pool, 2 * 4096), large);
	void *another = buffer_get(pool, 2 * 4096);
	buffer_put(pool, another, 2 * 4096);
	buffer_put(pool, large, 2 * 4096);
	ck_assert(is_mapped(another) && is_mapped(large));
	/* And back again. */
	small[0] = buffer_get(pool, 1);
	buffer_put(pool, small[0], 1);
	ck_assert(is_mapped(small[0]));
	ck_assert_int_eq(is_mapped(another) + is_mapped(large), 1);
	/* What is larger than all that may be kept drives nobody out. */
	void *huge = buffer_get(pool, 8 * 4096);
	buffer_put(pool, huge, 8 * 4096);
	ck_assert(!is_mapped(huge) && is_mapped(small[0]));
	buffer_pool_free(pool);
}
END_TEST

/* Half of what is kept, in whole maxima. */
static const struct {
	size_t keep, arena;
} arena_rows[] = {
	{ 0, 0 },
	{ 2 * BUFFER_SIZE_MAX - 1, 0 },
	{ 2 * BUFFER_SIZE_MAX, BUFFER_SIZE_MAX },
	{ 5 * BUFFER_SIZE_MAX, 2 * BUFFER_SIZE_MAX },
};

START_TEST(the_arena_is_half_of_what_is_kept)
{
	struct buffer_pool *pool = buffer_pool_new(arena_rows[_i].keep);
	size_t size = 1;

	ck_assert_int_eq(buffer_pool_arena(pool, &size) != NULL, arena_rows[_i].arena > 0);
	ck_assert_uint_eq(size, arena_rows[_i].arena);
	buffer_pool_free(pool);
}
END_TEST

/* Buffers of mixed classes come from there first, cross no BUFFER_SIZE_MAX, stay, and overlap nowhere. */
START_TEST(the_arena_is_used_up_first)
{
	struct buffer_pool *pool = buffer_pool_new(4 * BUFFER_SIZE_MAX);
	size_t size, inside = 0;
	char *arena = buffer_pool_arena(pool, &size), *buffers[64];

	for (unsigned i = 0; i < 64; i++) {
		size_t length = (size_t)4096 << i % 9;
		buffers[i] = buffer_get(pool, length);
		memset(buffers[i], (int)i, length);
		size_t at = (uintptr_t)buffers[i] - (uintptr_t)arena;
		if (at < size) {
			ck_assert_uint_eq(
				at / BUFFER_SIZE_MAX, (at + length - 1) / BUFFER_SIZE_MAX);
			inside++;
		}
	}
	ck_assert_uint_gt(inside, 32);
	ck_assert_uint_lt(inside, 64);
	for (unsigned i = 0; i < 64; i++) {
		size_t length = (size_t)4096 << i % 9;
		ck_assert_uint_eq((uint8_t)buffers[i][0], i);
		ck_assert_uint_eq((uint8_t)buffers[i][length - 1], i);
		buffer_put(pool, buffers[i], length);
	}
	for (size_t at = 0; at < size; at += BUFFER_SIZE_MAX)
		ck_assert(is_mapped(arena + at));
	ck_assert_uint_eq(buffer_bytes_in_use(pool), 0);
	buffer_pool_free(pool);
	ck_assert(!is_mapped(arena));
}
END_TEST

#ifdef __SANITIZE_ADDRESS__
/* Both end with the sanitizer's exit status. */
START_TEST(touching_an_idle_object_is_reported)
{
	struct pool *pool = pool_new(64, 1);
	volatile char *object = pool_get(pool);

	pool_put(pool, (void *)object);
	object[63] = 1;
}
END_TEST

START_TEST(touching_more_than_was_asked_for_is_reported)
{
	struct buffer_pool *pool = buffer_pool_new(0);
	volatile char *buffer = buffer_get(pool, 512);

	buffer[512] = 1;
}
END_TEST
#endif

START_TEST(sizes_of_one_class_are_counted_alike)
{
	struct buffer_pool *pool = buffer_pool_new(0);
	void *buffers[11];
	size_t bytes = 0;

	for (unsigned i = 0; i < 11; i++) {
		size_t size = (size_t)4096 << i;
		/* Just above half of the class is rounded up to it. */
		buffers[i] = buffer_get(pool, size / 2 + 1);
		bytes += size;
		ck_assert_uint_eq(buffer_bytes_in_use(pool), bytes);
	}
	for (unsigned i = 0; i < 11; i++) {
		/* Any size of the class may stand for the one that was asked for. */
		buffer_put(pool, buffers[i], (size_t)4096 << i);
		bytes -= (size_t)4096 << i;
		ck_assert_uint_eq(buffer_bytes_in_use(pool), bytes);
		ck_assert(!is_mapped(buffers[i]));
	}
	buffer_pool_free(pool);
}
END_TEST

/* A pool that ends while something of it is out: the caller's mistake, ends in SIGABRT. */
START_TEST(an_object_left_behind_is_caught)
{
	struct pool *pool = pool_new(8, 1);

	(void)pool_get(pool);
	pool_free(pool);
}
END_TEST

START_TEST(a_buffer_left_behind_is_caught)
{
	struct buffer_pool *pool = buffer_pool_new(0);

	(void)buffer_get(pool, 1);
	buffer_pool_free(pool);
}
END_TEST

START_TEST(a_buffer_beyond_the_maximum_is_caught)
{
	struct buffer_pool *pool = buffer_pool_new(0);

	(void)buffer_get(pool, _i ? (size_t)BUFFER_SIZE_MAX + 1 : 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pool");
	TCase *tcase = tcase_create("pool");

	tcase_add_test(tcase, objects_come_zeroed_and_are_reused);
	tcase_add_loop_test(tcase, objects_are_counted, 0, 10);
	tcase_add_rows(tcase, buffers_are_aligned_and_classed, buffer_rows);
	tcase_add_test(tcase, idle_buffers_stay_below_the_limit);
	tcase_add_test(tcase, idle_buffers_give_way_to_other_classes);
	tcase_add_rows(tcase, the_arena_is_half_of_what_is_kept, arena_rows);
	tcase_add_test(tcase, the_arena_is_used_up_first);
	tcase_add_test(tcase, sizes_of_one_class_are_counted_alike);
	tcase_add_test_raise_signal(tcase, an_object_left_behind_is_caught, SIGABRT);
	tcase_add_test_raise_signal(tcase, a_buffer_left_behind_is_caught, SIGABRT);
	tcase_add_loop_test_raise_signal(
		tcase, a_buffer_beyond_the_maximum_is_caught, SIGABRT, 0, 2);
#ifdef __SANITIZE_ADDRESS__
	tcase_add_exit_test(tcase, touching_an_idle_object_is_reported, 1);
	tcase_add_exit_test(tcase, touching_more_than_was_asked_for_is_reported, 1);
#endif
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
