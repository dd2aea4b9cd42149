/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * base/secret.c: the promise K8 as far as memory goes. Blocks are wiped, they stay out of core
 * dumps (read back from /proc/self/smaps), and the shapes are those of malloc().
 */
#include "base/secret.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/sanitize.h"
#include "tests/suite.h"

/* Sizes on both sides of each class's edge, and far beyond the largest class. */
static const size_t sizes[] = { 0, 1, 15, 16, 17, 48, 49, 1000, 4080, 4081, 16368, 16369, 32752,
	32753, 65536, 1 << 20, (5 << 20) + 1 };

static bool is_zero(const unsigned char *bytes, size_t length)
{
	return length == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0);
}

START_TEST(blocks_are_zeroed_aligned_and_wiped)
{
	size_t size = sizes[_i];
	size_t before = secret_in_use();
	unsigned char *first = secret_malloc(size);

	ck_assert_ptr_nonnull(first);
	ck_assert_uint_eq((uintptr_t)first % 16, 0);
	ck_assert_uint_eq(secret_in_use(), before + 1);
	memset(first, 0xa5, size);
	secret_free(first);
	ck_assert_uint_eq(secret_in_use(), before);
	/* The next block of the class is the one just freed: nothing of the old bytes is in it. */
	unsigned char *second = secret_malloc(size);
	if (size < 32752)
		ck_assert_ptr_eq(second, first);
	ck_assert(is_zero(second, size));
	secret_free(second);
}
END_TEST

#ifdef __SANITIZE_ADDRESS__
/* Ends with the sanitizer's exit status. */
START_TEST(touching_a_freed_block_is_reported)
{
	volatile unsigned char *block = secret_malloc(40);

	secret_free((void *)block);
	block[39] = 1;
}
END_TEST

/* Left behind on purpose: the leak checker, which runs at exit, must find the heap's block. */
START_TEST(a_secret_may_hold_the_last_pointer)
{
	for (int i = 0; i < 100; i++) {
		void **holder = secret_malloc(sizes[_i] + sizeof(*holder));
		*holder = malloc(100);
	}
}
END_TEST
#else
START_TEST(a_freed_block_is_wiped_at_once)
{
	unsigned char *block = secret_malloc(40);

	memset(block, 0x5a, 40);
	secret_free(block);
	/* Small blocks stay mapped; the sanitizer's build would rightly stop this look at them. */
	for (size_t i = 0; i < 40; i++)
		ck_assert_uint_eq(((volatile unsigned char *)block)[i], 0);
}
END_TEST
#endif

START_TEST(live_blocks_do_not_overlap)
{
	enum { COUNT = 3000 };
	unsigned char *blocks[COUNT];

	/* More than one chunk's worth, of mixed sizes. */
	for (unsigned i = 0; i < COUNT; i++) {
		blocks[i] = secret_malloc(1 + i % 700);
		ck_assert_ptr_nonnull(blocks[i]);
		memset(blocks[i], (int)(i & 0xff), 1 + i % 700);
	}
	for (unsigned i = 0; i < COUNT; i++) {
		for (unsigned k = 0; k < 1 + i % 700; k++)
			ck_assert_uint_eq(blocks[i][k], i & 0xff);
		secret_free(blocks[i]);
	}
}
END_TEST

START_TEST(realloc_keeps_contents_and_wipes_the_rest)
{
	size_t before = secret_in_use();
	unsigned char *block = secret_realloc(NULL, 20);

	memcpy(block, "twenty bytes of text", 20);
	unsigned char *grown = secret_realloc(block, sizes[_i] + 20);
	ck_assert_ptr_nonnull(grown);
	ck_assert_mem_eq(grown, "twenty bytes of text", 20);
	memset(grown + 20, 0x77, sizes[_i]);
	unsigned char *shrunk = secret_realloc(grown, 6);
	ck_assert_mem_eq(shrunk, "twenty", 6);
	for (size_t i = 6; i < 20; i++)
		ck_assert_uint_eq(shrunk[i], 0);
	ck_assert_uint_eq(secret_in_use(), before + 1);
	ck_assert_ptr_null(secret_realloc(shrunk, 0));
	ck_assert_uint_eq(secret_in_use(), before);
}
END_TEST

START_TEST(impossible_sizes_fail_and_change_nothing)
{
	size_t before = secret_in_use();
	char *block = secret_malloc(8);

	memcpy(block, "content", 8);
	ck_assert_ptr_null(secret_malloc(SIZE_MAX));
	ck_assert_ptr_null(secret_malloc(SIZE_MAX - 4096));
	ck_assert_ptr_null(secret_malloc(PTRDIFF_MAX));
	ck_assert_ptr_null(secret_realloc(block, SIZE_MAX - 15));
	ck_assert_str_eq(block, "content");
	ck_assert_uint_eq(secret_in_use(), before + 1);
	secret_free(block);
	secret_free(NULL);
	ck_assert_uint_eq(secret_in_use(), before);
}
END_TEST

/* Whether the mapping that holds `address` has the flag "dd": do not include in a core dump. */
static bool is_dump_excluded(const void *address)
{
	FILE *smaps = fopen("/proc/self/smaps", "r");
	char line[4096];
	bool inside = false, excluded = false;

	ck_assert_ptr_nonnull(smaps);
	while (fgets(line, sizeof(line), smaps)) {
		uintptr_t from, to;
		char dash;
		if (sscanf(line, "%lx%c%lx ", &from, &dash, &to) == 3 && dash == '-')
			inside = from <= (uintptr_t)address && (uintptr_t)address < to;
		else if (inside && strncmp(line, "VmFlags:", 8) == 0)
			excluded = strstr(line, " dd") != NULL;
	}
	fclose(smaps);
	return excluded;
}

START_TEST(core_dumps_leave_secrets_out)
{
	char *block = secret_malloc(sizes[_i]);
	char *ordinary = malloc(64);

	ck_assert(is_dump_excluded(block));
	ck_assert(is_dump_excluded(block + sizes[_i] - !!sizes[_i]));
	ck_assert(!is_dump_excluded(ordinary));
	free(ordinary);
	secret_free(block);
}
END_TEST

/* Fills and checks blocks of many sizes; gives its argument back if all bytes stayed its own. */
static void *churn(void *argument)
{
	bool intact = true;
	unsigned seed = *(unsigned *)argument;
	unsigned char *held[32] = { NULL };
	size_t lengths[32] = { 0 };

	for (unsigned round = 0; round < 4000; round++) {
		seed = seed * 1103515245u + 12345u;
		unsigned slot = seed >> 16 & 31;
		for (size_t i = 0; i < lengths[slot]; i++)
			intact = intact && held[slot][i] == slot;
		secret_free(held[slot]);
		lengths[slot] = seed >> 8 & 255;
		held[slot] = secret_malloc(lengths[slot]);
		memset(held[slot], (int)slot, lengths[slot]);
	}
	for (unsigned slot = 0; slot < 32; slot++)
		secret_free(held[slot]);
	return intact ? argument : NULL;
}

START_TEST(threads_share_the_arena)
{
	pthread_t threads[4];
	unsigned seeds[4] = { 1, 2, 3, 4 };
	size_t before = secret_in_use();

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, churn, &seeds[i]), 0);
	for (int i = 0; i < 4; i++) {
		void *result;
		pthread_join(threads[i], &result);
		ck_assert_ptr_eq(result, &seeds[i]);
	}
	ck_assert_uint_eq(secret_in_use(), before);
}
END_TEST

/* The caller's mistakes are found where they are made; ends in SIGABRT. */
START_TEST(a_second_free_is_caught)
{
	void *block = secret_malloc(sizes[_i]);

	secret_free(block);
	secret_free(block);
}
END_TEST

START_TEST(growing_a_freed_block_is_caught)
{
	void *block = secret_malloc(100);

	secret_free(block);
	(void)secret_realloc(block, 200);
}
END_TEST

START_TEST(wiping_overwrites)
{
	char bytes[64];

	memset(bytes, 'x', sizeof(bytes));
	secret_wipe(bytes + 1, 62);
	ck_assert_int_eq(bytes[0], 'x');
	ck_assert_int_eq(bytes[63], 'x');
	for (size_t i = 1; i < 63; i++)
		ck_assert_int_eq(bytes[i], 0);
	secret_wipe(NULL, 0);
}
END_TEST

static const struct {
	const char *a;
	size_t a_length;
	const char *b;
	size_t b_length;
	bool equal;
} equal_rows[] = {
	{ "", 0, "", 0, true },
	{ "secret", 6, "secret", 6, true },
	{ "a\0b", 3, "a\0b", 3, true },
	{ "secret", 6, "Secret", 6, false },
	{ "secret", 6, "secreT", 6, false },
	{ "secret", 6, "secret", 5, false },
	{ "", 0, "x", 1, false },
	/* Differences that cancel each other in a sum or an exclusive or. */
	{ "ab", 2, "ba", 2, false },
	{ "\x01\x01", 2, "\0\0", 2, false },
	{ "a\0b", 3, "a\0c", 3, false },
};

START_TEST(comparison_is_exact)
{
	ck_assert_int_eq(secret_equal(equal_rows[_i].a, equal_rows[_i].a_length, equal_rows[_i].b,
				 equal_rows[_i].b_length),
		equal_rows[_i].equal);
	ck_assert(secret_equal(NULL, 0, NULL, 0));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("secret");
	TCase *tcase = tcase_create("secret");

	tcase_add_rows(tcase, blocks_are_zeroed_aligned_and_wiped, sizes);
#ifdef __SANITIZE_ADDRESS__
	tcase_add_exit_test(tcase, touching_a_freed_block_is_reported, 1);
	tcase_add_rows(tcase, a_secret_may_hold_the_last_pointer, sizes);
#else
	tcase_add_test(tcase, a_freed_block_is_wiped_at_once);
#endif
	tcase_add_test(tcase, live_blocks_do_not_overlap);
	tcase_add_rows(tcase, realloc_keeps_contents_and_wipes_the_rest, sizes);
	tcase_add_test(tcase, impossible_sizes_fail_and_change_nothing);
	tcase_add_rows(tcase, core_dumps_leave_secrets_out, sizes);
	tcase_add_test(tcase, threads_share_the_arena);
	/* The first rows: a larger block is unmapped, and its second free no matter of ours. */
	tcase_add_loop_test_raise_signal(tcase, a_second_free_is_caught, SIGABRT, 0, 5);
	tcase_add_test_raise_signal(tcase, growing_a_freed_block_is_caught, SIGABRT);
	tcase_add_test(tcase, wiping_overwrites);
	tcase_add_rows(tcase, comparison_is_exact, equal_rows);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
