/* SPDX-License-Identifier: BSD-2-Clause */
/* Differences of configurations in words, and endpoints ("ADDRESS:PORT"). */
#include "conf/config.h"

#include "tests/conf/config_file.h"
#include "tests/suite.h"

#define A "iqn.2026-01.org.example:a"
#define B "iqn.2026-01.org.example:b"

#define TARGET(name, luns) "{ name = \"" name "\"; luns = ( " luns " ); }"
#define ONE                "targets = ( " TARGET(A, "{ path = \"/a\"; }") " ); "
#define TWO                                                                                        \
	"targets = ( " TARGET(A, "{ path = \"/a\"; }") ", " TARGET(B, "{ path = \"/b\"; }") " ); "

static void note(void *context, const char *key, const char *before, const char *after)
{
	char *notes = context;
	size_t length = strlen(notes);

	snprintf(notes + length, 4096 - length, "%s: %s -> %s\n", key, before, after);
}

static const struct {
	const char *before, *after;
	size_t count;
	const char *notes;
} cases[] = {
	{ ONE, ONE, 0, "" },
	{ ONE, "workers = 0; " ONE, 0, "" },
	{ ONE, "workers = 4; " ONE, 1, "workers: 0 -> 4\n" },
	{ ONE, "busy_poll = 50; " ONE, 1, "busy_poll: 0 -> 50\n" },
	{ ONE, "state_directory = \"/s\"; " ONE, 1,
		"state_directory: /var/lib/portcullis -> /s\n" },
	{ ONE, "control = { listen = \"127.0.0.1:1\"; }; " ONE, 1,
		"control.listen:  -> 127.0.0.1:1\n" },
	{ ONE, "control = { disk_directories = [ \"/a\", \"/b\" ]; }; " ONE, 1,
		"control.disk_directories:  -> /a, /b\n" },
	{ "control = { disk_directories = [ \"/a, /b\" ]; }; " ONE,
		"control = { disk_directories = [ \"/a\", \"/b\" ]; }; " ONE, 1,
		"control.disk_directories: /a, /b -> /a, /b\n" },
	{ "control = { disk_directories = [ \"/a\" ]; }; " ONE,
		"control = { disk_directories = ( \"/a\" ); }; " ONE, 0, "" },
	{ ONE, "portals = ( { port = 1; }, { address = \"::\"; } ); " ONE, 3,
		"portals[0.0.0.0:3260]: present -> absent\n"
		"portals[0.0.0.0:1]: absent -> present\nportals[:::3260]: absent -> present\n" },
	{ "portals = ( { }, { port = 1; } ); " ONE, ONE, 1,
		"portals[0.0.0.0:1]: present -> absent\n" },
	{ "portals = ( { }, { port = 1; } ); " ONE,
		"portals = ( { port = 1; group = 2; }, { } ); " ONE, 1,
		"portals[0.0.0.0:1].group: 1 -> 2\n" },
	/* Those that take any port are told apart by their order. */
	{ "portals = ( { port = 0; }, { port = 0; } ); " ONE,
		"portals = ( { port = 0; }, { port = 0; group = 2; }, { port = 0; } ); " ONE, 2,
		"portals[0.0.0.0:0].group: 1 -> 2\nportals[0.0.0.0:0]: absent -> present\n" },
	{ ONE, TWO, 1, "targets[" B "]: absent -> present\n" },
	{ TWO, ONE, 1, "targets[" B "]: present -> absent\n" },
	/* The order of targets and LUNs means nothing. */
	{ TWO,
		"targets = ( " TARGET(B, "{ path = \"/b\"; }") ", " TARGET(
			A, "{ path = \"/a\"; }") " );",
		0, "" },
	{ "targets = ( " TARGET(A, "{ path = \"/a\"; }, { lun = 1; path = \"/b\"; }") " );",
		"targets = ( " TARGET(A, "{ lun = 1; path = \"/b\"; }, { path = \"/a\"; }") " );",
		0, "" },
	/* A LUN that is put in front shifts nothing. */
	{ "targets = ( " TARGET(A, "{ lun = 5; path = \"/a\"; size = 512; }") " );",
		"targets = ( " TARGET(A,
			"{ path = \"/b\"; }, { lun = 5; path = \"/a\"; size = \"1K\"; "
			"read_only = true; cache = \"direct\"; }") " );",
		4,
		"targets[" A "].luns[5].size: 512 -> 1024\n"
		"targets[" A "].luns[5].read_only: false -> true\n"
		"targets[" A "].luns[5].cache: page -> direct\n"
		"targets[" A "].luns[0]: absent -> present\n" },
	{ ONE,
		"targets = ( { name = \"" A
		"\"; authentication = \"chap\"; luns = ( { path = \"/a\"; "
		"serial = \"X\"; naa = \"60000000000000000000000000000001\"; } ); } );",
		3,
		"targets[" A "].authentication: auto -> chap\n"
		"targets[" A "].luns[0].serial: 2401a6280d589ae88a8c943556dc9e0d -> X\n"
		"targets[" A "].luns[0].naa: 672b48af89d2912a51c9d950ed8d36ca -> "
		"60000000000000000000000000000001\n" },
};

START_TEST(differences_are_told)
{
	char notes[4096] = "";
	struct config *before = config_of(cases[_i].before);
	struct config *after = config_of(cases[_i].after);

	ck_assert_uint_eq(config_diff(before, after, note, notes), cases[_i].count);
	ck_assert_str_eq(notes, cases[_i].notes);
	config_free(before);
	config_free(after);
}
END_TEST

/* The name of a gateway is part of each ARN, and so of each identity derived from it. */
START_TEST(another_gateway_means_other_disks)
{
	char notes[4096] = "";
	struct config *before = config_of(ONE);
	struct config *after = config_of("gateway = { id = \"sgw-00000000\"; }; " ONE);

	ck_assert_uint_eq(config_diff(before, after, note, notes), 3);
	ck_assert_ptr_nonnull(strstr(notes, "gateway.id: sgw-12A3456B -> sgw-00000000\n"));
	ck_assert_ptr_nonnull(strstr(notes, ".serial: "));
	ck_assert_ptr_nonnull(strstr(notes, ".naa: "));
	config_free(before);
	config_free(after);
}
END_TEST

static const struct {
	const char *text;
	int result;
	const char *address;
	uint16_t port;
} endpoints[] = {
	{ "127.0.0.1:8260", 0, "127.0.0.1", 8260 },
	{ "0.0.0.0:0", 0, "0.0.0.0", 0 },
	{ "[::1]:65535", 0, "::1", 65535 },
	{ "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:1", 0,
		"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", 1 },
	{ "", -1, "", 0 },
	{ ":", -1, "", 0 },
	{ "[", -1, "", 0 },
	{ "[:1", -1, "", 0 },
	{ "[]:1", -1, "", 0 },
	{ "]:1", -1, "", 0 },
	{ "127.0.0.1", -1, "", 0 },
	{ "127.0.0.1:", -1, "", 0 },
	{ "127.0.0.1:65536", -1, "", 0 },
	{ "127.0.0.1:000001", -1, "", 0 },
	{ "127.0.0.1: 1", -1, "", 0 },
	{ "127.0.0.1:1 ", -1, "", 0 },
	{ "127.0.0.1:-1", -1, "", 0 },
	{ "example.org:80", -1, "", 0 },
	{ "::1:80", -1, "", 0 },
	{ "[127.0.0.1]:80", -1, "", 0 },
	{ "[::1]80", -1, "", 0 },
	{ "[::1]x:80", -1, "", 0 },
	{ "1234567890123456789012345678901234567890123456789:80", -1, "", 0 },
};

START_TEST(endpoints_are_split)
{
	char address[CONFIG_ADDRESS_SIZE];
	uint16_t port;

	ck_assert_int_eq(config_endpoint(endpoints[_i].text, address, &port), endpoints[_i].result);
	if (endpoints[_i].result == 0) {
		ck_assert_str_eq(address, endpoints[_i].address);
		ck_assert_uint_eq(port, endpoints[_i].port);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conf/config_diff");
	TCase *tests = tcase_create("differences");

	tcase_add_rows(tests, differences_are_told, cases);
	tcase_add_test(tests, another_gateway_means_other_disks);
	tcase_add_rows(tests, endpoints_are_split, endpoints);
	suite_add_tcase(suite, tests);
	return suite_main(suite);
}
