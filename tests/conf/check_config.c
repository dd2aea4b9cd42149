/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading configurations: defaults, every value where it belongs, what is derived; and for each
 * class of bad input the very line that the operator sees.
 */
#include "conf/config.h"

#include "auth/digest.h"
#include "tests/conf/config_file.h"
#include "tests/suite.h"

#define NAME  "iqn.2026-01.org.example:disk"
#define LUN   "luns = ( { path = \"/srv/a\"; } );"
#define DISK  "{ name = \"" NAME "\"; " LUN " }"
#define DISKS "targets = ( " DISK " );\n"

static const char everything[] =
	"gateway = { partition = \"aws-cn\"; region = \"cn-north-1\"; account = \"999988887777\"; "
	"id = \"sgw-DEADBEEF\"; };\n"
	"state_directory = \"/srv/state\";\n"
	"workers = 8; busy_poll = 10000;\n"
	"portals = ( { address = \"10.0.0.1\"; port = 860; group = 7; },\n"
	"            { address = \"2001:DB8:0:0::1\"; port = 0; group = 65535; } );\n"
	"control = { socket = \"/run/a.sock\"; group = \"storage\"; listen = \"127.0.0.1:8260\";\n"
	"            access_keys = \"/etc/keys\"; tls_certificate = \"/etc/c.pem\";\n"
	"            tls_key = \"/etc/k.pem\"; metrics = \"[::1]:9260\";\n"
	"            disk_directories = [ \"/srv/disks\", \"/dev/disk/by-id\" ]; };\n"
	"targets = (\n"
	"  { name = \"IQN.2026-01.org.Example:Disk\"; authentication = \"chap\";\n"
	"    luns = ( { lun = 255; path = \"memory:\"; size = \"64M\"; },\n"
	"             { lun = 3; path = \"/srv/disk 3.img\"; size = \"2T\"; block_size = 2048;\n"
	"               physical_block_size = 4096; read_only = true; cache = \"direct\";\n"
	"               serial = \"S-0001\"; naa = \"6F000000000000000123456789abcdef\"; } ); },\n"
	"  { name = \"eui.02004567a425678d\"; authentication = \"none\"; luns = ( { path = \"/b\"; "
	"} ); }\n"
	");\n";

START_TEST(every_value_arrives)
{
	static const uint8_t naa[16] = { 0x6f, 0, 0, 0, 0, 0, 0, 0, 1, 0x23, 0x45, 0x67, 0x89, 0xab,
		0xcd, 0xef };
	struct config *config = config_of(everything);
	const struct config_control *control = &config->control;
	const struct config_target *target = &config->targets[0];
	const struct config_lun *lun = &target->luns[0];

	ck_assert_str_eq(config->file, "portcullis.conf");
	ck_assert_str_eq(config->gateway.partition, "aws-cn");
	ck_assert_str_eq(config->gateway.region, "cn-north-1");
	ck_assert_str_eq(config->gateway.account, "999988887777");
	ck_assert_str_eq(config->gateway.id, "sgw-DEADBEEF");
	ck_assert_str_eq(config->state_directory, "/srv/state");
	ck_assert_uint_eq(config->workers, 8);
	ck_assert_uint_eq(config->busy_poll, 10000);
	ck_assert_uint_eq(config->portal_count, 2);
	ck_assert_str_eq(config->portals[0].address, "10.0.0.1");
	ck_assert_uint_eq(config->portals[0].port, 860);
	ck_assert_uint_eq(config->portals[0].group, 7);
	ck_assert_str_eq(config->portals[1].address, "2001:db8::1");
	ck_assert_uint_eq(config->portals[1].port, 0);
	ck_assert_uint_eq(config->portals[1].group, 65535);
	ck_assert_str_eq(control->socket, "/run/a.sock");
	ck_assert_str_eq(control->group, "storage");
	ck_assert_str_eq(control->listen, "127.0.0.1:8260");
	ck_assert_str_eq(control->access_keys, "/etc/keys");
	ck_assert_str_eq(control->tls_certificate, "/etc/c.pem");
	ck_assert_str_eq(control->tls_key, "/etc/k.pem");
	ck_assert(!control->insecure_listen);
	ck_assert_str_eq(control->metrics, "[::1]:9260");
	ck_assert_uint_eq(control->disk_directory_count, 2);
	ck_assert_str_eq(control->disk_directories[0], "/srv/disks");
	ck_assert_str_eq(control->disk_directories[1], "/dev/disk/by-id");
	ck_assert_uint_eq(config->target_count, 2);
	ck_assert_str_eq(target->name, "iqn.2026-01.org.example:disk");
	ck_assert_int_eq(target->authentication, AUTHENTICATION_CHAP);
	ck_assert_int_eq(target->line, 11);
	ck_assert_uint_eq(target->lun_count, 2);
	/* Sorted, whatever the file's order. */
	ck_assert_uint_eq(lun->lun, 3);
	ck_assert_str_eq(lun->path, "/srv/disk 3.img");
	ck_assert_uint_eq(lun->size, UINT64_C(2) << 40);
	ck_assert_uint_eq(lun->block_size, 2048);
	ck_assert_uint_eq(lun->physical_block_size, 4096);
	ck_assert(lun->read_only);
	ck_assert(lun->direct);
	ck_assert_str_eq(lun->serial, "S-0001");
	ck_assert_mem_eq(lun->naa, naa, sizeof(naa));
	ck_assert_int_eq(lun->line, 13);
	ck_assert_uint_eq(target->luns[1].lun, 255);
	ck_assert_uint_eq(target->luns[1].size, 64u << 20);
	ck_assert_str_eq(config->targets[1].name, "eui.02004567a425678d");
	ck_assert_int_eq(config->targets[1].authentication, AUTHENTICATION_NONE);
	config_free(config);
}
END_TEST

START_TEST(what_is_left_out_has_its_default)
{
	struct config *config = config_of(DISKS);
	const struct config_lun *lun = &config->targets[0].luns[0];

	ck_assert_str_eq(config->gateway.partition, "aws");
	ck_assert_str_eq(config->gateway.region, "us-east-1");
	ck_assert_str_eq(config->gateway.account, "111122223333");
	ck_assert_str_eq(config->gateway.id, "sgw-12A3456B");
	ck_assert_str_eq(config->state_directory, "/var/lib/portcullis");
	ck_assert_uint_eq(config->workers, 0);
	ck_assert_uint_eq(config->busy_poll, 0);
	ck_assert_uint_eq(config->portal_count, 1);
	ck_assert_str_eq(config->portals[0].address, "0.0.0.0");
	ck_assert_uint_eq(config->portals[0].port, 3260);
	ck_assert_uint_eq(config->portals[0].group, 1);
	ck_assert_str_eq(config->control.socket, "/run/portcullis/control.sock");
	ck_assert_str_eq(config->control.group, "");
	ck_assert_str_eq(config->control.listen, "");
	ck_assert_str_eq(config->control.access_keys, "/etc/portcullis/access-keys");
	ck_assert_str_eq(config->control.tls_certificate, "");
	ck_assert_str_eq(config->control.tls_key, "");
	ck_assert_str_eq(config->control.metrics, "");
	ck_assert_uint_eq(config->control.disk_directory_count, 0);
	ck_assert_int_eq(config->targets[0].authentication, AUTHENTICATION_AUTO);
	ck_assert_uint_eq(lun->lun, 0);
	ck_assert_uint_eq(lun->size, 0);
	ck_assert_uint_eq(lun->block_size, 512);
	ck_assert_uint_eq(lun->physical_block_size, 512);
	ck_assert(!lun->read_only);
	ck_assert(!lun->direct);
	config_free(config);
}
END_TEST

START_TEST(empty_identities_are_derived)
{
	struct config *config = config_of("targets = ( { name = \"" NAME "\"; luns = ( { path = "
					  "\"/srv/a\"; serial = \"\"; naa = \"\"; } ); } );");
	struct config *silent = config_of(DISKS);

	ck_assert_str_eq(config->targets[0].luns[0].serial, silent->targets[0].luns[0].serial);
	ck_assert_mem_eq(config->targets[0].luns[0].naa, silent->targets[0].luns[0].naa, 16);
	config_free(config);
	config_free(silent);
}
END_TEST

START_TEST(no_target_is_fine)
{
	struct config *config = config_of("targets = ();");

	ck_assert_uint_eq(config->target_count, 0);
	config_free(config);
	config_free(NULL);
}
END_TEST

/* The values were computed by another implementation of SHA-256 over "ARN NUL LUN". */
START_TEST(identities_follow_arn_and_number)
{
	static const uint8_t naa[16] = { 0x6e, 0x6d, 0x65, 0xf4, 0xb9, 0x0a, 0x79, 0x78, 0x63, 0xf3,
		0xe2, 0x01, 0x87, 0x51, 0xf7, 0xad };
	struct config *config = config_of(
		"targets = ( { name = \"" NAME "\"; luns = (\n"
		"{ path = \"/a\"; }, { lun = 1; path = \"/b\"; } ); } );");
	const struct config_target *target = &config->targets[0];

	ck_assert_str_eq(target->arn,
		"arn:aws:storagegateway:us-east-1:111122223333:gateway/sgw-12A3456B/target/" NAME);
	ck_assert_str_eq(target->luns[0].serial, "cdf3ad5739a9e3e21836833916b584e1");
	ck_assert_mem_eq(target->luns[0].naa, naa, sizeof(naa));
	ck_assert_str_ne(target->luns[0].serial, target->luns[1].serial);
	ck_assert_mem_ne(target->luns[0].naa, target->luns[1].naa, sizeof(naa));
	/* NAA 6h with a company identifier that is locally administered and individual. */
	for (size_t i = 0; i < 2; i++) {
		ck_assert_uint_eq(target->luns[i].naa[0] >> 4, 6);
		ck_assert_uint_eq(target->luns[i].naa[1] & 0x30, 0x20);
	}
	config_free(config);
}
END_TEST

/* Path, size and neighbours may change, and the disk stays the same disk to its initiators. */
START_TEST(identities_survive_everything_else)
{
	struct config *before = config_of(DISKS);
	struct config *after = config_of(
		"workers = 3;\n"
		"targets = ( { name = \"iqn.2026-01.org.example:b\"; " LUN " },\n"
		"{ name = \"" NAME "\"; authentication = \"chap\"; luns = (\n"
		"{ lun = 9; path = \"/x\"; }, { path = \"/y\"; size = 4096;\n"
		"block_size = 4096; cache = \"direct\"; } ); } );");
	const struct config_lun *old = &before->targets[0].luns[0];
	const struct config_lun *new = &after->targets[1].luns[0];

	ck_assert_str_eq(old->serial, new->serial);
	ck_assert_mem_eq(old->naa, new->naa, sizeof(old->naa));
	ck_assert_str_ne(old->serial, after->targets[0].luns[0].serial);
	config_free(before);
	config_free(after);
}
END_TEST

static const struct {
	const char *written;
	uint64_t bytes;
} sizes[] = {
	{ "0", 0 },
	{ "512", 512 },
	{ "\"512\"", 512 },
	{ "\"1K\"", 1024 },
	{ "\"512M\"", UINT64_C(512) << 20 },
	{ "\"1G\"", UINT64_C(1) << 30 },
	{ "\"3T\"", UINT64_C(3) << 40 },
	{ "\"1024P\"", UINT64_C(1) << 60 },
	/* libconfig 1.5 alone would make 1 GiB of this. */
	{ "5368709120", UINT64_C(5) << 30 },
	{ "5368709120L", UINT64_C(5) << 30 },
	{ "0x140000000", UINT64_C(5) << 30 },
	{ "2147483648", UINT64_C(2) << 30 },
	{ "0x80000000", UINT64_C(2) << 30 },
	{ "4294967296 /* 99999999999999999999 */", UINT64_C(4) << 30 },
};

START_TEST(sizes_are_what_they_say)
{
	char text[256];

	snprintf(text, sizeof(text),
		"# 99999999999999999999 \"\n// 99999999999999999999\n"
		"targets = ( { name = \"" NAME "\"; luns = ( { path = \"/99999999999999999999\"; "
		"size = %s; } ); } );",
		sizes[_i].written);
	struct config *config = config_of(text);

	ck_assert_uint_eq(config->targets[0].luns[0].size, sizes[_i].bytes);
	config_free(config);
}
END_TEST

/* What is wrong in a whole file: the text, and the line that must come of it. */
static const struct {
	const char *text;
	const char *error; /* behind "portcullis.conf:" */
} mistakes[] = {
	{ "", " targets is missing" },
	{ "targets = \n(", "2: syntax error" },
	{ "targets = ();\ntargets = ();", "2: duplicate setting name" },
	{ "targets = ();\n\nworkers 4;", "3: syntax error" },
	{ "targets = ();\n\n\n  @include \"/dev/null\"",
		"4: @include is not supported, expected all settings in one file" },
	{ "\nworkers = 99999999999999999999;",
		"2: 99999999999999999999 is too large, expected a number of 64 bits" },
	{ "/* one\ntwo */ \"three\nfour\" = 9223372036854775808L;",
		"3: 9223372036854775808 is too large, expected a number of 64 bits" },
	{ "\ntargets = \"\n\n", "2: the string that begins here does not end" },
	{ "targets = ();\nworkers = \"1\\\"\n; # \\\\\n",
		"2: the string that begins here does not end" },
	{ "\"", "1: the string that begins here does not end" },
	/* unknown keys */
	{ DISKS "target = 1;", "2: unknown key \"target\", did you mean \"targets\"?" },
	{ DISKS "worker = 1;", "2: unknown key \"worker\", did you mean \"workers\"?" },
	{ DISKS "colour = 1;",
		"2: unknown key \"colour\", expected one of gateway, state_directory, workers, "
		"busy_poll, portals, control, targets" },
	{ DISKS "portals = (\n{ adress = \"::\"; } );",
		"3: unknown key \"adress\" in portals[0], did you mean \"address\"?" },
	{ "targets = ( " DISK ",\n{ name = \"a\"; luns = ( { },\n{ blocksize = 512; } ); } );",
		"2: targets[1].name is \"a\", expected \"iqn.YYYY-MM.reversed.domain:name\", "
		"\"eui.\" "
		"and 16 hexadecimal digits, or \"naa.\" and 16 or 32, of a-z 0-9 - . : and at most "
		"223 "
		"characters" },
	{ "targets = ( { name = \"" NAME
	  "\"; luns = ( { path = \"/a\"; },\n{ blocksize = 512; } ); } );",
		"2: unknown key \"blocksize\" in targets[0].luns[1], did you mean "
		"\"block_size\"?" },
	{ DISKS "control = { fire_extinguisher = \"\"; };",
		"2: unknown key \"fire_extinguisher\" in control, expected one of socket, group, "
		"listen, insecure_listen, "
		"access_keys, tls_certificate, tls_key, metrics, disk_directories" },
	/* types */
	{ "targets = 1;",
		"1: targets is a number, expected a list ( { ... }, ... ) of 0 to 4096 groups" },
	{ "targets = { };",
		"1: targets is a group, expected a list ( { ... }, ... ) of 0 to 4096 groups" },
	{ "targets = [ ];",
		"1: targets is an array, expected a list ( { ... }, ... ) of 0 to 4096 groups" },
	{ "targets = (\n1 );", "2: targets[0] is a number, expected a group { ... }" },
	{ "targets = ( { name = \"" NAME "\"; luns = ( { path = \"/a\"; },\n( ) ); } );",
		"2: targets[0].luns[1] is a list, expected a group { ... }" },
	{ DISKS "gateway = ();", "2: gateway is a list, expected a group { ... }" },
	{ DISKS "workers = \"2\";", "2: workers is a string, expected a number from 0 to 256" },
	{ DISKS "workers = 2.0;",
		"2: workers is a number with a fraction, expected a number from 0 to 256" },
	{ DISKS "busy_poll = 10001;", "2: busy_poll is 10001, expected a number from 0 to 10000" },
	{ DISKS "workers = true;", "2: workers is a boolean, expected a number from 0 to 256" },
	{ DISKS "state_directory = 1;",
		"2: state_directory is a number, expected an absolute path" },
	/* missing */
	{ "targets = (\n{ " LUN " } );", "2: targets[0].name is missing" },
	{ "targets = (\n{ name = \"" NAME "\"; } );", "2: targets[0].luns is missing" },
	{ "targets = ( { name = \"" NAME "\"; luns = (\n{ lun = 1; } ); } );",
		"2: targets[0].luns[0].path is missing" },
	{ "targets = ( { name = \"" NAME "\";\nluns = ( ); } );",
		"2: targets[0].luns is a list of 0, expected a list ( { ... }, ... ) of 1 to 256 "
		"groups" },
	{ DISKS "portals = ();",
		"2: portals is a list of 0, expected a list ( { ... }, ... ) of 1 to 64 groups" },
	/* what does not go together */
	{ "targets = ( " DISK ",\n{ name = \"IQN.2026-01.ORG.example:disk\";\n"
	  "luns = ( { path = \"/b\"; } ); } );",
		"2: targets[1].name is the same as that of targets[0] (line 1), expected one of "
		"its own" },
	{ "targets = ( { name = \"" NAME
	  "\"; luns = (\n{ path = \"/a\"; },\n{ path = \"/b\"; } ); } );",
		"3: targets[0].luns[1].lun is the same as that of targets[0].luns[0] (line 2), "
		"expected "
		"one of its own" },
	{ "targets = ( { name = \"" NAME "\"; luns = (\n{ lun = 1; path = \"/a\"; },\n"
	  "{ path = \"/b\";\nlun = 1; } ); } );",
		"4: targets[0].luns[1].lun is the same as that of targets[0].luns[0] (line 2), "
		"expected "
		"one of its own" },
	{ "targets = ( " DISK ",\n{ name = \"iqn.2026-01.org.example:b\"; luns = ( {\n"
	  "path = \"/srv/a\"; } ); } );",
		"3: targets[1].luns[0].path is the same as that of targets[0].luns[0] (line 1), "
		"expected one of its own" },
	{ "targets = ( { name = \"" NAME "\"; luns = ( { path = \"/a\"; serial = \"X\"; },\n"
	  "{ lun = 1; path = \"/b\"; serial = \"X\"; } ); } );",
		"2: targets[0].luns[1].serial is the same as that of targets[0].luns[0] (line 1), "
		"expected one of its own" },
	{ "targets = ( { name = \"" NAME "\"; luns = (\n"
	  "{ path = \"/a\"; naa = \"6F000000000000000000000000000000\"; },\n"
	  "{ lun = 1; path = \"/b\"; naa = \"6f000000000000000000000000000000\"; } ); } );",
		"3: targets[0].luns[1].naa is the same as that of targets[0].luns[0] (line 2), "
		"expected "
		"one of its own" },
	{ DISKS "portals = ( { }, { address = \"::1\"; },\n{ address = \"0::1\"; } );",
		"3: portals[2] is the same address and port as portals[1], expected each once" },
	{ DISKS "control = {\ntls_key = \"/k\"; };",
		"3: control.tls_key stands without control.tls_certificate, expected both or "
		"none" },
	{ DISKS "control = {\ntls_certificate = \"/c\"; };",
		"3: control.tls_certificate stands without control.tls_key, expected both or "
		"none" },
};

START_TEST(mistakes_are_told)
{
	char error[CONFIG_ERROR_SIZE], expected[CONFIG_ERROR_SIZE];

	snprintf(expected, sizeof(expected), "portcullis.conf:%s", mistakes[_i].error);
	ck_assert_ptr_null(config_of_bytes(mistakes[_i].text, strlen(mistakes[_i].text), error));
	ck_assert_str_eq(error, expected);
}
END_TEST

/* A single bad value: the setting, and what is told of it behind "... is ". */
struct bad_value {
	const char *setting;
	const char *told;
};

#define PORT_RANGE  "expected a number from 0 to 65535"
#define ADDRESS     "expected a numeric IPv4 or IPv6 address without brackets"
#define ENDPOINT    "expected \"ADDRESS:PORT\" with a numeric address, or \"\" for none"
#define DIRECTORIES "expected an array [ ... ] of 0 to 64 absolute paths"
#define EIGHT       "\"/a\", \"/a\", \"/a\", \"/a\", \"/a\", \"/a\", \"/a\", \"/a\", "
#define SIXTY_FOUR  EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT
#define SIXTY_THREE                                                                                \
	EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT                                                  \
		"\"/a\", \"/a\", \"/a\", \"/a\", \"/a\", \"/a\", \"/a\", "
#define SOCKET "expected an absolute path of at most 107 characters, or \"\" for none"
#define HUNDRED                                                                                    \
	"0123456789012345678901234567890123456789012345678901234567890123456789"                   \
	"012345678901234567890123456789"

static const struct bad_value portal_values[] = {
	{ "port = 65536", "port is 65536, " PORT_RANGE },
	{ "port = -1", "port is -1, " PORT_RANGE },
	/* libconfig 1.5 alone would make 3260 of this. */
	{ "port = 4294970556", "port is 4294970556, " PORT_RANGE },
	{ "port = \"3260\"", "port is a string, " PORT_RANGE },
	{ "group = 0", "group is 0, expected a number from 1 to 65535" },
	{ "group = 65536", "group is 65536, expected a number from 1 to 65535" },
	{ "address = \"\"", "address is \"\", " ADDRESS },
	{ "address = \"localhost\"", "address is \"localhost\", " ADDRESS },
	{ "address = \"[::1]\"", "address is \"[::1]\", " ADDRESS },
	{ "address = \"127.0.0.1:3260\"", "address is \"127.0.0.1:3260\", " ADDRESS },
	{ "address = \"127.1\"", "address is \"127.1\", " ADDRESS },
	{ "address = \"256.0.0.1\"", "address is \"256.0.0.1\", " ADDRESS },
	{ "address = \"fe80::1%eth0\"", "address is \"fe80::1%eth0\", " ADDRESS },
	{ "address = \"::1 \"", "address is \"::1 \", " ADDRESS },
};

static const struct bad_value control_values[] = {
	{ "socket = \"control.sock\"", "socket is \"control.sock\", " SOCKET },
	{ "socket = \"/" HUNDRED "1234567\"", "socket is \"/" HUNDRED "1234567\", " SOCKET },
	{ "socket = \"/run/a\\nb\"", "socket is \"/run/a\\x0ab\", " SOCKET },
	{ "group = \"a b\"", "group is \"a b\", expected the name of a group, or \"\"" },
	{ "group = \"-a\"", "group is \"-a\", expected the name of a group, or \"\"" },
	{ "listen = \"127.0.0.1\"", "listen is \"127.0.0.1\", " ENDPOINT },
	{ "listen = \"127.0.0.1:\"", "listen is \"127.0.0.1:\", " ENDPOINT },
	{ "listen = \":8260\"", "listen is \":8260\", " ENDPOINT },
	{ "listen = \"127.0.0.1:65536\"", "listen is \"127.0.0.1:65536\", " ENDPOINT },
	{ "listen = \"127.0.0.1:+80\"", "listen is \"127.0.0.1:+80\", " ENDPOINT },
	{ "listen = \"::1:8260\"", "listen is \"::1:8260\", " ENDPOINT },
	{ "listen = \"[::1:8260\"", "listen is \"[::1:8260\", " ENDPOINT },
	{ "listen = \"[127.0.0.1]:80\"", "listen is \"[127.0.0.1]:80\", " ENDPOINT },
	{ "listen = \"[]:80\"", "listen is \"[]:80\", " ENDPOINT },
	{ "metrics = \"localhost:9260\"", "metrics is \"localhost:9260\", " ENDPOINT },
	{ "disk_directories = \"/srv\"", "disk_directories is a string, " DIRECTORIES },
	{ "disk_directories = [ 1 ]", "disk_directories is a number, " DIRECTORIES },
	{ "disk_directories = [ \"/srv\", \"srv\" ]", "disk_directories is \"srv\", " DIRECTORIES },
	{ "disk_directories = ( \"/srv\", { } )", "disk_directories is a group, " DIRECTORIES },
	{ "disk_directories = [ " SIXTY_FOUR "\"/srv\" ]",
		"disk_directories is an array of 65, " DIRECTORIES },
	{ "access_keys = \"\"", "access_keys is \"\", expected an absolute path" },
	{ "tls_key = \"k.pem\"",
		"tls_key is \"k.pem\", expected an absolute path, or \"\" for none" },
};

/* The most that there may be is no error, nor is a list instead of an array. */
static const struct {
	const char *text;
	size_t count;
} directories[] = {
	{ "[ ]", 0 },
	{ "( )", 0 },
	{ "[ \"/srv\" ]", 1 },
	{ "( \"/srv\", \"/b\" )", 2 },
	{ "[ " SIXTY_THREE "\"/a\" ]", 64 },
};

START_TEST(directories_are_counted)
{
	char text[2048];

	snprintf(text, sizeof(text), DISKS "control = { disk_directories = %s; };",
		directories[_i].text);
	struct config *config = config_of(text);
	ck_assert_uint_eq(config->control.disk_directory_count, directories[_i].count);
	for (size_t i = 0; i < directories[_i].count; i++)
		ck_assert_int_eq(config->control.disk_directories[i][0], '/');
	config_free(config);
}
END_TEST

static const struct bad_value gateway_values[] = {
	{ "partition = \"\"", "partition is \"\", expected 1 to 32 of a-z 0-9 -" },
	{ "region = \"US\"", "region is \"US\", expected 1 to 32 of a-z 0-9 -" },
	{ "account = \"11112222333\"", "account is \"11112222333\", expected 12 digits" },
	{ "account = \"1111222233334\"", "account is \"1111222233334\", expected 12 digits" },
	{ "account = \"11112222333a\"", "account is \"11112222333a\", expected 12 digits" },
	{ "account = 111122223333", "account is a number, expected 12 digits" },
	{ "id = \"sgw-1234567\"",
		"id is \"sgw-1234567\", expected \"sgw-\" and 8 to 26 letters and digits" },
	{ "id = \"gw-12345678\"",
		"id is \"gw-12345678\", expected \"sgw-\" and 8 to 26 letters and digits" },
};

#define SIZE "expected a number of bytes, or one with K, M, G, T or P, up to \"1024P\""
#define NAA  "expected 32 hexadecimal digits of which the first is 6, or \"\""
#define TEXT "expected at most 36 printable ASCII characters without blanks at the ends"

static const struct bad_value lun_values[] = {
	{ "lun = 256", "lun is 256, expected a number from 0 to 255" },
	{ "lun = -1", "lun is -1, expected a number from 0 to 255" },
	{ "path = \"disk.img\"", "path is \"disk.img\", expected an absolute path or \"memory:\"" },
	{ "path = \"/disk\xe9.img\"",
		"path is not UTF-8, expected an absolute path or \"memory:\"" },
	{ "path = \"\"", "path is \"\", expected an absolute path or \"memory:\"" },
	{ "path = \"memory\"", "path is \"memory\", expected an absolute path or \"memory:\"" },
	{ "path = \"memory:\"", "size is missing, expected one for \"memory:\"" },
	{ "size = \"1GB\"", "size is \"1GB\", " SIZE },
	{ "size = \"1g\"", "size is \"1g\", " SIZE },
	{ "size = \"G\"", "size is \"G\", " SIZE },
	{ "size = \"\"", "size is \"\", " SIZE },
	{ "size = \"-512\"", "size is \"-512\", " SIZE },
	{ "size = \"1.5G\"", "size is \"1.5G\", " SIZE },
	{ "size = \" 1G\"", "size is \" 1G\", " SIZE },
	{ "size = \"1025P\"", "size is \"1025P\", " SIZE },
	{ "size = \"99999999999999999999\"", "size is \"99999999999999999999\", " SIZE },
	{ "size = \"99999999999999P\"", "size is \"99999999999999P\", " SIZE },
	{ "size = -512", "size is -512, " SIZE },
	{ "size = 1e9", "size is a number with a fraction, " SIZE },
	{ "size = 1000", "size is 1000, expected a multiple of block_size (512)" },
	{ "block_size = 513", "block_size is 513, expected 512, 1024, 2048 or 4096" },
	{ "block_size = 8192", "block_size is 8192, expected 512, 1024, 2048 or 4096" },
	{ "block_size = 0", "block_size is 0, expected 512, 1024, 2048 or 4096" },
	{ "block_size = 3072", "block_size is 3072, expected 512, 1024, 2048 or 4096" },
	{ "physical_block_size = 1000",
		"physical_block_size is 1000, expected a power of two from 512 to 65536" },
	{ "block_size = 4096; physical_block_size = 512",
		"physical_block_size is 512, expected at least block_size (4096)" },
	{ "read_only = 1", "read_only is a number, expected true or false" },
	{ "read_only = \"yes\"", "read_only is a string, expected true or false" },
	{ "cache = \"none\"", "cache is \"none\", expected \"page\" or \"direct\"" },
	{ "cache = false", "cache is a boolean, expected \"page\" or \"direct\"" },
	{ "serial = \"1234567890123456789012345678901234567\"",
		"serial is \"1234567890123456789012345678901234567\", " TEXT },
	{ "serial = \" 1\"", "serial is \" 1\", " TEXT },
	{ "serial = \"1 \"", "serial is \"1 \", " TEXT },
	{ "serial = \"gr\xc3\xbcn\"", "serial is \"gr\\xc3\\xbcn\", " TEXT },
	{ "naa = \"6\"", "naa is \"6\", " NAA },
	{ "naa = \"56000000000000000000000000000000\"",
		"naa is \"56000000000000000000000000000000\", " NAA },
	{ "naa = \"6000000000000000000000000000000g\"",
		"naa is \"6000000000000000000000000000000g\", " NAA },
	{ "naa = \"60000000000000000\"", "naa is \"60000000000000000\", " NAA },
	{ "naa = 6", "naa is a number, " NAA },
};

/* Loads `before`, the bad setting on line 2 and `after`, and compares what is told. */
static void check_value(
	const char *before, const struct bad_value *bad, const char *after, const char *place)
{
	char text[1024], error[CONFIG_ERROR_SIZE], expected[CONFIG_ERROR_SIZE];

	snprintf(text, sizeof(text), "%s\n%s;%s", before, bad->setting, after);
	snprintf(expected, sizeof(expected), "portcullis.conf:2: %s.%s", place, bad->told);
	ck_assert_ptr_null(config_of_bytes(text, strlen(text), error));
	ck_assert_str_eq(error, expected);
}

START_TEST(bad_portals_are_told)
{
	check_value("portals = ( {", &portal_values[_i], " } ); " DISKS, "portals[0]");
}
END_TEST

START_TEST(bad_controls_are_told)
{
	check_value("control = {", &control_values[_i], " }; " DISKS, "control");
}
END_TEST

START_TEST(bad_gateways_are_told)
{
	check_value("gateway = {", &gateway_values[_i], " }; " DISKS, "gateway");
}
END_TEST

START_TEST(bad_luns_are_told)
{
	bool has_path = strncmp(lun_values[_i].setting, "path", 4) == 0;

	/* The group begins on the setting's line, where what is missing is reported, too. */
	char setting[256];
	snprintf(setting, sizeof(setting), "{ %s%s", has_path ? "" : "path = \"/a\"; ",
		lun_values[_i].setting);
	const struct bad_value bad = { setting, lun_values[_i].told };
	check_value("targets = ( { name = \"" NAME "\"; luns = (", &bad, " } ); } );",
		"targets[0].luns[0]");
}
END_TEST

#define FORMS                                                                                      \
	"expected \"iqn.YYYY-MM.reversed.domain:name\", \"eui.\" and 16 hexadecimal digits, or "   \
	"\"naa.\" and 16 or 32, of a-z 0-9 - . : and at most 223 characters"
#define X50  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X200 X50 X50 X50 X50

static const struct {
	const char *name;
	const char *kept; /* NULL: refused */
} names[] = {
	/* RFC 7143 sections 4.2.7.2 to 4.2.7.6 */
	{ "iqn.1997-05.com.amazon:myvolume", "iqn.1997-05.com.amazon:myvolume" },
	{ "IQN.1997-05.COM.Amazon:MyVolume", "iqn.1997-05.com.amazon:myvolume" },
	{ "iqn.2001-04.com.example", "iqn.2001-04.com.example" },
	{ "iqn.2001-04.com.example:", "iqn.2001-04.com.example:" },
	{ "iqn.2001-04.com.example:storage:diskarrays-sn-a8675309",
		"iqn.2001-04.com.example:storage:diskarrays-sn-a8675309" },
	{ "iqn.2001-12.com.example:..", "iqn.2001-12.com.example:.." },
	{ "iqn.2001-04.com:" X200 "123456", "iqn.2001-04.com:" X200 "123456" },
	{ "iqn.2001-04.com:" X200 "12345678", NULL },
	{ "iqn.2001-00.com.example", NULL },
	{ "iqn.2001-13.com.example", NULL },
	{ "iqn.01-04.com.example", NULL },
	{ "iqn.2001-4.com.example", NULL },
	{ "iqn.2001.04.com.example", NULL },
	{ "iqn.2001-04.", NULL },
	{ "iqn.2001-04", NULL },
	{ "iqn.2001-04.:x", NULL },
	{ "iqn.2001-04..com", NULL },
	{ "iqn.2001-04.com..example", NULL },
	{ "iqn.2001-04.com.", NULL },
	{ "iqn.2001-04.com.example:my_volume", NULL },
	{ "iqn.2001-04.com.example:my volume", NULL },
	{ "iqn.2001-04.com.example:a/b", NULL },
	{ "iqn.2001-04.com.example:gr\xc3\xbcn", NULL },
	{ "iqn.", NULL },
	{ "", NULL },
	{ "disk", NULL },
	{ "eui.02004567A425678D", "eui.02004567a425678d" },
	{ "eui.02004567A425678", NULL },
	{ "eui.02004567A425678DD", NULL },
	{ "eui.02004567A425678G", NULL },
	{ "naa.52004567BA64678D", "naa.52004567ba64678d" },
	{ "naa.62004567BA64678D0123456789ABCDEF", "naa.62004567ba64678d0123456789abcdef" },
	{ "naa.62004567BA64678D01", NULL },
};

START_TEST(names_follow_the_standard)
{
	char text[1024], error[CONFIG_ERROR_SIZE];

	snprintf(text, sizeof(text), "targets = ( { name = \"%s\"; " LUN " } );", names[_i].name);
	struct config *config = config_of_bytes(text, strlen(text), error);
	if (names[_i].kept) {
		ck_assert_msg(config != NULL, "%s", error);
		ck_assert_str_eq(config->targets[0].name, names[_i].kept);
	} else {
		ck_assert_ptr_null(config);
		ck_assert_ptr_nonnull(strstr(error, "portcullis.conf:1: targets[0].name is \""));
		ck_assert_ptr_nonnull(strstr(error, ", " FORMS));
	}
	config_free(config);
}
END_TEST

START_TEST(unreadable_files_are_told)
{
	char error[CONFIG_ERROR_SIZE];

	ck_assert_ptr_null(config_load("/nonexistent/portcullis.conf", error));
	ck_assert_str_eq(
		error, "/nonexistent/portcullis.conf: cannot be read: No such file or directory");
	ck_assert_ptr_null(config_load("/", error));
	ck_assert_str_eq(error, "/: cannot be read: Is a directory");
	ck_assert_ptr_null(config_of_bytes("targets = ();\0", 14, error));
	ck_assert_str_eq(error, "portcullis.conf: holds a NUL byte, expected text");
	ck_assert_ptr_null(config_load("/dev/zero", error));
	ck_assert_str_eq(error, "/dev/zero: is too large, expected at most 4194304 bytes");
}
END_TEST

/* libconfig 1.5 loses a string that stands where none may stand; nothing of ours is left out. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:strbuf_append";
}

const char *__lsan_default_options(void);
const char *__lsan_default_options(void)
{
	return "print_suppressions=0";
}

/* Every prefix and every single-byte damage of a good file is read or refused, never worse. */
START_TEST(damaged_files_do_no_harm)
{
	char text[sizeof(everything)], error[CONFIG_ERROR_SIZE];
	unsigned seed = 1;

	for (size_t length = 0; length < sizeof(everything) - 1; length++)
		config_free(config_of_bytes(everything, length, error));
	for (int i = 0; i < 2000; i++) {
		memcpy(text, everything, sizeof(text));
		for (int j = 0; j <= i % 3; j++) {
			seed = seed * 1103515245 + 12345;
			text[seed / 65536 % (sizeof(text) - 1)] = (char)(seed >> 8);
		}
		struct config *config = config_of_bytes(text, sizeof(text) - 1, error);
		if (!config)
			ck_assert_uint_eq(strncmp(error, "portcullis.conf:", 16), 0);
		config_free(config);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conf/config");
	TCase *good = tcase_create("good");
	TCase *bad = tcase_create("bad");

	tcase_add_test(good, every_value_arrives);
	tcase_add_test(good, what_is_left_out_has_its_default);
	tcase_add_test(good, empty_identities_are_derived);
	tcase_add_test(good, no_target_is_fine);
	tcase_add_test(good, identities_follow_arn_and_number);
	tcase_add_test(good, identities_survive_everything_else);
	tcase_add_rows(good, sizes_are_what_they_say, sizes);
	tcase_add_rows(good, names_follow_the_standard, names);
	tcase_add_rows(good, directories_are_counted, directories);
	tcase_add_rows(bad, mistakes_are_told, mistakes);
	tcase_add_rows(bad, bad_portals_are_told, portal_values);
	tcase_add_rows(bad, bad_controls_are_told, control_values);
	tcase_add_rows(bad, bad_gateways_are_told, gateway_values);
	tcase_add_rows(bad, bad_luns_are_told, lun_values);
	tcase_add_test(bad, unreadable_files_are_told);
	tcase_add_test(bad, damaged_files_do_no_harm);
	tcase_set_timeout(bad, 300);
	suite_add_tcase(suite, good);
	suite_add_tcase(suite, bad);
	return suite_main(suite);
}
