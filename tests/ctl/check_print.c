/* SPDX-License-Identifier: BSD-2-Clause */
/* Sizes, ages and tables, as people see them. */
#include "ctl/print.h"

#include "base/secret.h"
#include "tests/suite.h"

#include <stdio.h>
#include <string.h>

static const struct {
	uint64_t bytes;
	const char *text;
} sizes[] = {
	{ 0, "0 B" },
	{ 1, "1 B" },
	{ 1023, "1023 B" },
	{ 1024, "1.0 KiB" },
	{ 1536, "1.5 KiB" },
	{ 1048524, "1023.9 KiB" },
	{ 1048525, "1.0 MiB" },
	{ (1u << 20) - 1, "1.0 MiB" },
	{ 1u << 30, "1.0 GiB" },
	{ UINT64_C(5) << 40, "5.0 TiB" },
	{ UINT64_C(5) << 50, "5.0 PiB" },
	{ UINT64_MAX, "16.0 EiB" },
};

START_TEST(size)
{
	char out[PRINT_NUMBER_SIZE];
	ck_assert_str_eq(print_bytes(sizes[_i].bytes, out), sizes[_i].text);
}
END_TEST

static const struct {
	uint64_t seconds;
	const char *text;
} ages[] = {
	{ 0, "0 s" },
	{ 59, "59 s" },
	{ 60, "1 min 0 s" },
	{ 3599, "59 min 59 s" },
	{ 3600, "1 h 0 min" },
	{ 86399, "23 h 59 min" },
	{ 86400, "1 d 0 h" },
	{ 90000, "1 d 1 h" },
	{ UINT64_MAX, "213503982334601 d 7 h" },
};

START_TEST(age)
{
	char out[PRINT_NUMBER_SIZE];
	ck_assert_str_eq(print_age(ages[_i].seconds, out), ages[_i].text);
}
END_TEST

static const struct {
	uint64_t nanoseconds;
	const char *text;
} times[] = {
	{ 0, "0.0 us" },
	{ 999, "1.0 us" },
	{ 1500, "1.5 us" },
	{ 999949, "999.9 us" },
	{ 999950, "1.0 ms" },
	{ 25000000, "25.0 ms" },
	{ 999950000, "1.0 s" },
	{ UINT64_C(61200000000), "61.2 s" },
};

START_TEST(a_time)
{
	char out[PRINT_NUMBER_SIZE];
	ck_assert_str_eq(print_time(times[_i].nanoseconds, out), times[_i].text);
}
END_TEST

static const struct print_column columns[] = {
	{ "NAME", "Name", PRINT_TEXT },
	{ "SECRET", "Secret", PRINT_SECRET },
	{ "COUNT", "Count", PRINT_COUNT },
	{ "OPEN", "Open", PRINT_BOOLEAN },
	{ "PARTS", "Parts", PRINT_LENGTH },
	{ "SIZE", "Size", PRINT_BYTES },
};

static const struct {
	const char *rows;
	bool show_secrets;
	const char *table;
} tables[] = {
	{ "[]", false, "NAME  SECRET  COUNT  OPEN  PARTS  SIZE\n" },
	{ "[{\"Name\":\"a\",\"Secret\":\"hush\",\"Count\":7,\"Open\":true,\"Parts\":[1,2],\"Size\":"
	  "1024}]",
		false,
		"NAME  SECRET  COUNT  OPEN  PARTS     SIZE\n"
		"a     set         7  yes       2  1.0 KiB\n" },
	{ "[{\"Name\":\"a\",\"Secret\":\"hush\",\"Count\":7,\"Open\":false,\"Parts\":[],\"Size\":0}"
	  "]",
		true,
		"NAME  SECRET  COUNT  OPEN  PARTS  SIZE\n"
		"a     hush        7  no        0   0 B\n" },
	/* What is missing, null, empty or of another kind than expected. */
	{ "[{},{\"Name\":\"\",\"Secret\":null,\"Count\":\"x\",\"Open\":1,\"Parts\":{},\"Size\":1.5}"
	  "]",
		true,
		"NAME  SECRET  COUNT  OPEN  PARTS  SIZE\n"
		"-     none        -  -         -     -\n"
		"-     none        x  -         -   1 B\n" },
	{ "[7,{\"Name\":\"long name\"}]", false,
		"NAME       SECRET  COUNT  OPEN  PARTS  SIZE\n"
		"-          none        -  -         -     -\n"
		"long name  none        -  -         -     -\n" },
	/* A name cannot command the terminal, nor make a line or a column of its own. */
	{ "[{\"Name\":\"a\\u001b[2J\\n\\u00e9\",\"Secret\":\"\\\\\"}]", true,
		"NAME                  SECRET  COUNT  OPEN  PARTS  SIZE\n"
		"a\\x1b[2J\\x0a\\xc3\\xa9  \\x5c        -  -         -     -\n" },
};

START_TEST(table)
{
	char found[1024] = "";
	json_t *rows = json_loads(tables[_i].rows, 0, NULL);
	ck_assert_ptr_nonnull(rows);
	FILE *file = tmpfile();
	int result = print_table(
		file, rows, columns, sizeof(columns) / sizeof(columns[0]), tables[_i].show_secrets);
	rewind(file);
	found[fread(found, 1, sizeof(found) - 1, file)] = '\0';
	fclose(file);
	json_decref(rows);
	ck_assert_int_eq(result, 0);
	ck_assert_str_eq(found, tables[_i].table);
}
END_TEST

static const struct print_column lines[] = {
	{ "Name", "Name", PRINT_TEXT },
	{ "Mean time", "Time", PRINT_TIME },
	{ "Keys", "Keys", PRINT_MEMBERS },
};

static const struct {
	const char *rows, *text;
} records[] = {
	{ "[]", "" },
	{ "[{\"Name\":\"a\",\"Time\":1500,\"Keys\":{\"Digest\":\"None\",\"R2T\":true,\"Burst\":7}},"
	  "{}]",
		"Name       a\n"
		"Mean time  1.5 us\n"
		"Keys       Digest=None R2T=Yes Burst=7\n"
		"\n"
		"Name       -\n"
		"Mean time  -\n"
		"Keys       -\n" },
	{ "[{\"Name\":\"\\u001b[2J\",\"Time\":\"x\",\"Keys\":{\"a\":\"\\u001b[2J\",\"b\":false}}]",
		"Name       \\x1b[2J\n"
		"Mean time  x\n"
		"Keys       a=\\x1b[2J b=No\n" },
};

START_TEST(record)
{
	char found[1024] = "";
	json_t *rows = json_loads(records[_i].rows, 0, NULL);
	ck_assert_ptr_nonnull(rows);
	FILE *file = tmpfile();
	ck_assert_int_eq(print_records(file, rows, lines, 3, false), 0);
	rewind(file);
	found[fread(found, 1, sizeof(found) - 1, file)] = '\0';
	fclose(file);
	json_decref(rows);
	ck_assert_str_eq(found, records[_i].text);
}
END_TEST

/* Members that do not fit are left out, and nothing is written beyond. */
START_TEST(many_members)
{
	json_t *keys = json_object(), *rows = json_pack("[{s:o}]", "Keys", keys);
	char name[16];
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "key%d", i);
		json_object_set_new(keys, name, json_integer(i));
	}
	FILE *file = tmpfile();
	ck_assert_int_eq(print_records(file, rows, lines + 2, 1, false), 0);
	ck_assert_int_lt(ftell(file), 600);
	fclose(file);
	json_decref(rows);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("print");
	TCase *tcase = tcase_create("for people");

	tcase_add_rows(tcase, size, sizes);
	tcase_add_rows(tcase, age, ages);
	tcase_add_rows(tcase, a_time, times);
	tcase_add_rows(tcase, table, tables);
	tcase_add_rows(tcase, record, records);
	tcase_add_test(tcase, many_members);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
