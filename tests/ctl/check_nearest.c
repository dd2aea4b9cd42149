/* SPDX-License-Identifier: BSD-2-Clause */
/* Which name was meant: distances, and when none is near enough to be offered. */
#include "ctl/nearest.h"

#include "tests/suite.h"

#include <string.h>

static const struct {
	const char *one, *other;
	size_t distance;
} distances[] = {
	{ "", "", 0 },
	{ "", "abc", 3 },
	{ "abc", "", 3 },
	{ "drain", "drain", 0 },
	{ "DRAIN", "drain", 0 },
	{ "drian", "drain", 1 }, /* a swap is one slip */
	{ "rdain", "drain", 1 },
	{ "drainn", "drain", 1 },
	{ "drin", "drain", 1 },
	{ "brain", "drain", 1 },
	{ "kitten", "sitting", 3 },
	{ "ab", "ba", 1 },
	{ "abc", "xyz", 3 },
};

START_TEST(distance)
{
	const char *one = distances[_i].one, *other = distances[_i].other;
	ck_assert_uint_eq(nearest_distance(one, other), distances[_i].distance);
	ck_assert_uint_eq(nearest_distance(other, one), distances[_i].distance);
}
END_TEST

START_TEST(long_words_are_far)
{
	char word[257];
	memset(word, 'a', 256);
	word[256] = '\0';
	ck_assert_uint_eq(nearest_distance(word, word), 256);
	ck_assert_uint_eq(nearest_distance(word, "a"), 256);
	word[255] = '\0';
	ck_assert_uint_eq(nearest_distance(word, word), 0);
}
END_TEST

#define NAMES 3

static const struct {
	const char *word, *names[NAMES], *meant;
} words[] = {
	{ "drian", { "drain", "resume", "help" }, "drain" },
	{ "drain", { "brain", "train", "help" }, NULL }, /* two are as near */
	{ "x", { "y", "help" }, NULL },                  /* all of it is wrong */
	{ "hlep", { "y", "help" }, "help" },
	{ "wholly-else", { "drain", "resume", "help" }, NULL },
	{ "anything", { NULL }, NULL },
	{ "", { "a" }, NULL },
	/* The end of a name, which is what people say. */
	{ "myvolume", { "iqn.1997-05.com.amazon:myvolume", "iqn.1997-05.com.amazon:other" },
		"iqn.1997-05.com.amazon:myvolume" },
	{ "e", { "iqn.1997-05.com.amazon:myvolume" }, NULL },
	{ "disk", { "iqn.a:disk", "iqn.b:disk" }, NULL },
	/* No more than three slips, however long the word is. */
	{ "iqn.1997-05.com.amazon:aaaa", { "iqn.1997-05.com.amazon:bbbb" }, NULL },
	{ "iqn.1997-05.com.amazon:aaaa", { "iqn.1997-05.com.amazon:abbb" },
		"iqn.1997-05.com.amazon:abbb" },
};

START_TEST(meant)
{
	struct nearest nearest = { .word = words[_i].word };
	for (size_t i = 0; i < NAMES && words[_i].names[i]; i++)
		nearest_offer(&nearest, words[_i].names[i]);
	ck_assert_pstr_eq(nearest_found(&nearest), words[_i].meant);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nearest");
	TCase *tcase = tcase_create("names");

	tcase_add_rows(tcase, distance, distances);
	tcase_add_test(tcase, long_words_are_far);
	tcase_add_rows(tcase, meant, words);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
