/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The addresses that control.listen may have: loopback, unless there is TLS or the operator insists. And the strings
 * that libconfig would lose, which it is not given.
 */
#include "conf/config.h"

#include "tests/conf/config_file.h"
#include "tests/suite.h"

static const struct {
	const char *address;
	bool loopback;
} addresses[] = {
	{ "127.0.0.1:8260", true },
	{ "127.0.0.1:0", true },
	{ "127.255.255.254:1", true },
	{ "[::1]:8260", true },
	{ "0.0.0.0:8260", false },
	{ "[::]:8260", false },
	{ "126.255.255.255:1", false },
	{ "128.0.0.1:1", false },
	{ "10.127.0.1:8260", false },
	{ "192.0.2.1:8260", false },
	{ "[2001:db8::1]:8260", false },
	{ "[fe80::1]:8260", false },
	{ "[::2]:8260", false },
	{ "[::ffff:127.0.0.1]:8260",
		false }, /* nobody writes it so; it would be no IPv6 loopback */
	{ "[::7f00:1]:8260", false },
};

static struct config *load(const char *listen, const char *more, char error[CONFIG_ERROR_SIZE])
{
	char text[512];
	const int length = snprintf(text, sizeof(text),
		"targets = ( );\ncontrol = {\n listen = \"%s\"; %s };\n", listen, more);

	return config_of_bytes(text, (size_t)length, error);
}

START_TEST(plain_is_for_loopback)
{
	char error[CONFIG_ERROR_SIZE], expected[CONFIG_ERROR_SIZE];
	struct config *config = load(addresses[_i].address, "", error);

	snprintf(expected, sizeof(expected),
		"portcullis.conf:3: control.listen is \"%s\", expected a loopback address, or "
		"control.tls_certificate and control.tls_key, or control.insecure_listen = true",
		addresses[_i].address);
	ck_assert_int_eq(config != NULL, addresses[_i].loopback);
	ck_assert_str_eq(error, addresses[_i].loopback ? "" : expected);
	config_free(config);
}
END_TEST

static const struct {
	const char *more;
	bool taken;
} permits[] = {
	{ "insecure_listen = true;", true },
	{ "insecure_listen = false;", false },
	{ "tls_certificate = \"/c\"; tls_key = \"/k\";", true },
	{ "tls_certificate = \"/c\"; tls_key = \"/k\"; insecure_listen = true;", true },
	{ "tls_certificate = \"\"; tls_key = \"\";", false },
	{ "tls_certificate = \"/c\"; insecure_listen = true;", false },
	{ "tls_key = \"/k\"; insecure_listen = true;", false },
};

START_TEST(others_need_a_word)
{
	char error[CONFIG_ERROR_SIZE];
	struct config *config = load("192.0.2.1:8260", permits[_i].more, error);

	ck_assert_msg((config != NULL) == permits[_i].taken, "%s", error);
	if (config)
		ck_assert_str_eq(config->control.listen, "192.0.2.1:8260");
	config_free(config);
	config = load("", permits[_i].more, error);
	/* Without an endpoint only halves are wrong. */
	ck_assert_int_eq(config != NULL, !strstr(error, "stands without"));
	config_free(config);
}
END_TEST

static const struct {
	const char *text;
	int line; /* of the string; 0: it may stand there, what is wrong is something else */
} strings[] = {
	{ "\"x\"", 1 },
	{ "workers = 1;\n/* = */ workers \"x\"", 2 },
	{ "workers = 1,\n # =\n \"x\"", 3 },
	{ "control = { socket = \"\"; }\n\"x\"", 2 },
	{ "portals = ( { address = \"::1\",\n\"x\" } )", 2 },
	{ "workers = [ \"1\", \"2\" ]\n\"x\"", 2 },
	{ "workers = 1\n\"x\"", 2 },
	{ "workers : ( 1, \"two\", [ \"3\" // three\n \"4\" ], \"5\" );", 0 },
};

START_TEST(strings_are_where_they_may_be)
{
	char error[CONFIG_ERROR_SIZE], expected[CONFIG_ERROR_SIZE];

	snprintf(expected, sizeof(expected), "text:%d: no string can stand here", strings[_i].line);
	ck_assert_ptr_null(config_parse("text", strings[_i].text, error));
	if (strings[_i].line)
		ck_assert_str_eq(error, expected);
	else
		ck_assert_str_eq(
			error, "text:1: workers is a list, expected a number from 0 to 256");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conf/config_check");
	TCase *tests = tcase_create("config_check");

	tcase_add_rows(tests, plain_is_for_loopback, addresses);
	tcase_add_rows(tests, others_need_a_word, permits);
	tcase_add_rows(tests, strings_are_where_they_may_be, strings);
	suite_add_tcase(suite, tests);
	return suite_main(suite);
}
