/* SPDX-License-Identifier: BSD-2-Clause */
/* Rates: what two looks at the daemon's counters make, also when targets and sessions come and go. */
#include "ctl/rates.h"

#include "tests/suite.h"

#include <stdio.h>
#include <string.h>

#define KIND(name, commands, time) "'" name "':{'Commands':" #commands ",'Nanoseconds':" #time "}"
#define LUN(reads, writes, others, in, out, errors, refused)                                       \
	"{" reads "," writes "," others ",'BytesRead':" #in ",'BytesWritten':" #out                \
	",'Errors':{" errors "},'Refused':" #refused "}"
#define TARGET(name, sessions, luns)                                                               \
	"{'TargetName':'" name "','Sessions':" #sessions ",'Luns':[" luns "]}"
#define AT(seconds, targets) "{'Nanoseconds':" #seconds "000000000,'Targets':[" targets "]}"

/* JSON with apostrophes for quotes, so that tables can be read. */
static json_t *parse(const char *text)
{
	char copy[4096];
	json_error_t error;

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *at = copy; *at; at++)
		*at = *at == '\'' ? '"' : *at;
	json_t *value = json_loads(copy, 0, &error);
	ck_assert_msg(value != NULL, "%s: %s", copy, error.text);
	return value;
}

#define BUSY                                                                                       \
	LUN(KIND("Read", 10, 1000), KIND("Write", 20, 4000), KIND("Other", 30, 1000), 4096, 8192,  \
		"'medium_error':2", 1)

static const struct {
	const char *before, *after;
	const char *row; /* of the first target; NULL: there is no row */
} targets[] = {
	{ AT(1, ""), AT(3, ""), NULL },
	/* Logins to what is no target are no traffic. */
	{ AT(1, ""), AT(3, TARGET("", 0, "")), NULL },
	{ AT(1, TARGET("a", 0, "")), AT(3, TARGET("a", 2, "")),
		"{'TargetName':'a','Sessions':2,'CommandsPerSecond':0,'BytesReadPerSecond':0,"
		"'BytesWrittenPerSecond':0,'Errors':0}" },
	/* All kinds of all LUNs are one sum, and the time is that of a command. */
	{ AT(1, TARGET("a", 1,
			LUN(KIND("Read", 0, 0), KIND("Write", 0, 0), KIND("Other", 0, 0), 0, 0, "",
				0))),
		AT(3, TARGET("a", 1, BUSY "," BUSY)),
		"{'TargetName':'a','Sessions':1,'CommandsPerSecond':60,'BytesReadPerSecond':4096,"
		"'BytesWrittenPerSecond':8192,'Errors':6,'LatencyNanoseconds':100}" },
	/* One that was not there before. */
	{ AT(1, TARGET("b", 9, BUSY)), AT(3, TARGET("a", 1, BUSY)),
		"{'TargetName':'a','Sessions':1,'CommandsPerSecond':30,'BytesReadPerSecond':2048,"
		"'BytesWrittenPerSecond':4096,'Errors':3,'LatencyNanoseconds':100}" },
	/* A counter that fell began anew. */
	{ AT(1, TARGET("a", 1, BUSY "," BUSY)), AT(3, TARGET("a", 1, BUSY)),
		"{'TargetName':'a','Sessions':1,'CommandsPerSecond':30,'BytesReadPerSecond':2048,"
		"'BytesWrittenPerSecond':4096,'Errors':3,'LatencyNanoseconds':100}" },
	/* Nothing divides by a time that did not pass. */
	{ AT(3, TARGET("a", 1, "")), AT(3, TARGET("a", 1, BUSY)),
		"{'TargetName':'a','Sessions':1,'CommandsPerSecond':0,'BytesReadPerSecond':0,"
		"'BytesWrittenPerSecond':0,'Errors':3,'LatencyNanoseconds':100}" },
};

START_TEST(target_rates)
{
	struct rates_look before = { .statistics = parse(targets[_i].before) };
	struct rates_look after = { .statistics = parse(targets[_i].after) };
	json_t *rates = rates_between(&before, &after);
	ck_assert_ptr_nonnull(rates);
	json_t *row = json_array_get(json_object_get(rates, "Targets"), 0);
	if (targets[_i].row) {
		json_t *expected = parse(targets[_i].row);
		char *found = json_dumps(row, JSON_COMPACT);
		ck_assert_msg(json_equal(row, expected), "%s", found);
		free(found);
		json_decref(expected);
	} else {
		ck_assert_ptr_null(row);
	}
	json_decref(rates);
	rates_look_free(&before);
	rates_look_free(&after);
	ck_assert_ptr_null(after.statistics);
}
END_TEST

#define SESSION(target, initiator, isid, tsih, commands, in, out)                                  \
	"{'TargetName':'" target "','InitiatorName':'" initiator "','ISID':'" isid                 \
	"','TSIH':" #tsih ",'Commands':" #commands ",'BytesRead':" #in ",'BytesWritten':" #out "}"
#define SESSIONS(rows) "{'Sessions':[" rows "]}"
#define OTHERS                                                                                     \
	SESSION("b", "i", "01", 1, 1, 1, 1)                                                        \
	"," SESSION("a", "j", "01", 1, 1, 1, 1) "," SESSION(                                       \
		"a", "i", "02", 1, 1, 1, 1) "," SESSION("a", "i", "01", 2, 1, 1, 1)

/* Of session 1 of ISID 01 of i on a, two seconds later with 100 commands, 4,000 and 8,000 bytes. */
static const struct {
	const char *before;
	json_int_t commands, in, out;
} sessions[] = {
	{ SESSIONS(""), 50, 2000, 4000 },
	{ SESSIONS(OTHERS), 50, 2000, 4000 },
	{ SESSIONS(OTHERS "," SESSION("a", "i", "01", 1, 40, 1000, 8000)), 30, 1500, 0 },
	{ SESSIONS(SESSION("a", "i", "01", 1, 40, 1000, 8000) "," OTHERS), 30, 1500, 0 },
	{ SESSIONS(SESSION("a", "i", "01", 1, 101, 4000, 0)), 50, 0, 4000 },
};

static json_int_t number(const json_t *row, const char *member)
{
	ck_assert(json_is_integer(json_object_get(row, member)));
	return json_integer_value(json_object_get(row, member));
}

START_TEST(session_rates)
{
	struct rates_look before = { parse(AT(1, "")), parse(sessions[_i].before) };
	struct rates_look after = { parse(AT(3, "")),
		parse(SESSIONS(SESSION("a", "i", "01", 1, 100, 4000, 8000))) };
	json_t *rates = rates_between(&before, &after);
	const json_t *row = json_array_get(json_object_get(rates, "Sessions"), 0);
	ck_assert_int_eq(number(row, "CommandsPerSecond"), sessions[_i].commands);
	ck_assert_int_eq(number(row, "BytesReadPerSecond"), sessions[_i].in);
	ck_assert_int_eq(number(row, "BytesWrittenPerSecond"), sessions[_i].out);
	ck_assert_int_eq(number(row, "Commands"), 100); /* what the daemon told stays */
	ck_assert(json_real_value(json_object_get(rates, "Seconds")) == 2.0);
	json_decref(rates);
	rates_look_free(&before);
	rates_look_free(&after);
}
END_TEST

/* A name as long as a name may be is not cut to another's. */
START_TEST(long_names)
{
	char name[256], row[1024];
	json_t *rows[2];
	memset(name, 'x', 255);
	name[255] = '\0';
	for (int i = 0; i < 2; i++) {
		name[254] = (char)('y' + i);
		snprintf(row, sizeof(row),
			"{'Sessions':[{'TargetName':'a','InitiatorName':'%s','ISID':'01','TSIH':1,"
			"'Commands':%d}]}",
			name, 10 + 10 * i);
		rows[i] = parse(row);
	}
	struct rates_look before = { parse(AT(1, "")), rows[0] },
			  after = { parse(AT(2, "")), rows[1] };
	json_t *rates = rates_between(&before, &after);
	ck_assert_int_eq(
		number(json_array_get(json_object_get(rates, "Sessions"), 0), "CommandsPerSecond"),
		20);
	json_decref(rates);
	rates_look_free(&before);
	rates_look_free(&after);
}
END_TEST

/* What another version of the daemon might answer. */
static const char *const strange[] = { "{}", "[]", "{'Targets':7,'Sessions':{}}",
	"{'Targets':[7,{}]}", "{'Sessions':[7,{}]}",
	"{'Nanoseconds':'x','Targets':[{'TargetName':7,'Luns':[[]]}]}" };

START_TEST(strange_answers)
{
	struct rates_look before = { parse(strange[_i]), parse(strange[_i]) };
	struct rates_look after = { parse(strange[_i]), parse(strange[_i]) };
	json_decref(rates_between(&before, &after));
	rates_look_free(&before);
	rates_look_free(&after);
}
END_TEST

START_TEST(sums)
{
	json_t *object = parse("{'a':1,'b':20,'c':'x','d':null}");
	ck_assert_int_eq(rates_sum(object), 21);
	json_decref(object);
	ck_assert_int_eq(rates_sum(NULL), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rates");
	TCase *tcase = tcase_create("between two looks");

	tcase_add_rows(tcase, target_rates, targets);
	tcase_add_rows(tcase, session_rates, sessions);
	tcase_add_test(tcase, long_names);
	tcase_add_rows(tcase, strange_answers, strange);
	tcase_add_test(tcase, sums);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
