/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * daemon/api/volume.c, api/gateway.c, volume.c, disks.c, interface.c: what AWS's operations around
 * volumes answer, by the shapes of AWS's service model.
 */
#include "daemon/api/api.h"

#include "daemon/core/address.h"
#include "daemon/core/disks.h"
#include "daemon/core/interface.h"
#include "daemon/core/volume.h"
#include "daemon/core/worker.h"
#include "tests/daemon/double.h"
#include "tests/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIST     PREFIX "ListVolumes"
#define VOLUMES  PREFIX "DescribeStorediSCSIVolumes"
#define WHO      PREFIX "ListVolumeInitiators"
#define GATEWAYS PREFIX "ListGateways"
#define GATEWAY  PREFIX "DescribeGatewayInformation"
#define DISKS    PREFIX "ListLocalDisks"

#define HERE "{" MEMBER("GatewayARN", GATEWAY_ARN) "}"

/* sha256("volume\0" ARN "\0" "0"), reckoned apart from the code. */
#define VOLUME_0 "vol-33b6aead0c0b2118d"
#define VOLUME_7 "vol-abadb5eb3c7d0d920"

static const json_t *rows_of(const char *member)
{
	ck_assert_uint_eq(world_last()->status, 200);
	return json_object_get(world_last()->body, member);
}

static const char *text_at(const json_t *rows, size_t index, const char *member)
{
	return json_string_value(json_object_get(json_array_get(rows, index), member));
}

/* --- names --- */

START_TEST(identifiers_are_stable)
{
	char id[VOLUME_ID_SIZE];
	ck_assert_int_eq(volume_id(id, ARN, 0), 0);
	ck_assert_str_eq(id, VOLUME_0);
	ck_assert_int_eq(volume_id(id, ARN, 7), 0);
	ck_assert_str_eq(id, VOLUME_7);
}
END_TEST

/* --- ListVolumes --- */

START_TEST(volumes_are_listed_by_target_and_lun)
{
	static const char *const names[] = { IQN_BROKEN, IQN, IQN_NONE };
	char id[VOLUME_ID_SIZE], arn[512];
	world_carry_out(LIST, "{}");
	const json_t *rows = rows_of("VolumeInfos");
	ck_assert_uint_eq(json_array_size(rows), 6);
	ck_assert_str_eq(world_text("GatewayARN"), GATEWAY_ARN);
	ck_assert_ptr_null(json_object_get(world_last()->body, "Marker"));
	for (size_t i = 0; i < 6; i++) {
		snprintf(arn, sizeof arn, ARN_PREFIX "%s", names[i / 2]);
		volume_id(id, arn, i % 2 ? 7 : 0);
		ck_assert_str_eq(text_at(rows, i, "VolumeId"), id);
	}
	json_t *second = json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:s}", "VolumeARN",
		GATEWAY_ARN "/volume/" VOLUME_0, "VolumeId", VOLUME_0, "GatewayARN", GATEWAY_ARN,
		"GatewayId", "sgw-12A3456B", "VolumeType", "STORED iSCSI", "VolumeSizeInBytes",
		(json_int_t)1 << 40, "VolumeAttachmentStatus", "ATTACHED");
	ck_assert(json_equal(json_array_get(rows, 2), second));
	json_decref(second);
}
END_TEST

/* Every Limit from one to beyond all: the pages put together are the whole list. */
START_TEST(pages_make_up_the_list)
{
	const unsigned limit = (unsigned)_i;
	char body[512] = "", marker[256] = "";
	unsigned pages = 0, count = 0;
	json_t *whole, *seen = json_array();
	world_carry_out(LIST, "{}");
	whole = json_deep_copy(rows_of("VolumeInfos"));
	do {
		snprintf(body, sizeof body, "{\"Limit\":%u%s%s%s}", limit,
			*marker ? ",\"Marker\":\"" : "", marker, *marker ? "\"" : "");
		world_carry_out(LIST, body);
		const json_t *rows = rows_of("VolumeInfos");
		ck_assert_uint_ge(limit, json_array_size(rows));
		count += (unsigned)json_array_size(rows);
		json_array_extend(seen, (json_t *)(uintptr_t)rows);
		snprintf(marker, sizeof marker, "%s", world_text("Marker"));
		ck_assert_uint_lt(pages++, 7);
	} while (*marker);
	ck_assert_uint_eq(count, 6);
	ck_assert_uint_eq(pages, (6 + limit - 1) / limit);
	ck_assert(json_equal(whole, seen));
	json_decref(whole);
	json_decref(seen);
}
END_TEST

/* Markers of volumes that are gone go on where these would have been. */
static const struct {
	const char *marker;
	size_t left;
	const char *code;
} markers[] = {
	{ IQN ",0", 3, NULL },
	{ IQN ",3", 3, NULL },
	{ IQN ",7", 2, NULL },
	{ IQN ",255", 2, NULL },
	{ "iqn.1997-05.com.amazon:a,0", 6, NULL },
	{ "iqn.1997-05.com.amazon:n,0", 2, NULL },
	{ "zzz,0", 0, NULL },
	{ "x", 0, "InvalidParameters" },
	{ ",0", 0, "InvalidParameters" },
	{ IQN ",", 0, "InvalidParameters" },
	{ IQN ",-1", 0, "InvalidParameters" },
	{ IQN ",0x", 0, "InvalidParameters" },
	{ IQN ",1000", 0, "InvalidParameters" },
	{ TEN(TEN("aa")) TEN("aa") "aaaa,0", 0, "InvalidParameters" },
};

START_TEST(marker_is_a_place)
{
	char body[512];
	snprintf(body, sizeof body, "{" MEMBER("Marker", "%s") "}", markers[_i].marker);
	world_carry_out(LIST, body);
	ck_assert_pstr_eq(world_code(), markers[_i].code);
	ck_assert_uint_eq(json_array_size(json_object_get(world_last()->body, "VolumeInfos")),
		markers[_i].left);
}
END_TEST

/* --- DescribeStorediSCSIVolumes --- */

#define ARNS(list) "{\"VolumeARNs\":[" list "]}"
#define ARN_OF(id) "\"" GATEWAY_ARN "/volume/" id "\""

START_TEST(volumes_are_described)
{
	json_t *expected = json_pack(
		"{s:s,s:s,s:s,s:s,s:s,s:I,s:s,s:b,s:s,s:{s:s,s:s,s:i,s:i,s:b}}", "VolumeARN",
		GATEWAY_ARN "/volume/" VOLUME_7, "VolumeId", VOLUME_7, "VolumeType", "STORED iSCSI",
		"VolumeStatus", "AVAILABLE", "VolumeAttachmentStatus", "ATTACHED",
		"VolumeSizeInBytes", (json_int_t)16 << 20, "VolumeDiskId",
		"memory:", "PreservedExistingData", 1, "TargetName", "myvolume",
		"VolumeiSCSIAttributes", "TargetARN", ARN, "NetworkInterfaceId", "192.0.2.1",
		"NetworkInterfacePort", 3260, "LunNumber", 7, "ChapEnabled", 0);
	world_carry_out(VOLUMES, ARNS(ARN_OF(VOLUME_7)));
	ck_assert(json_equal(json_array_get(rows_of("StorediSCSIVolumes"), 0), expected));
	json_decref(expected);

	/* In the order asked for, and as often. */
	world_carry_out(UPDATE, UPDATE_ON(ARN));
	world_carry_out(VOLUMES, ARNS(ARN_OF(VOLUME_7) "," ARN_OF(VOLUME_0) "," ARN_OF(VOLUME_7)));
	const json_t *rows = rows_of("StorediSCSIVolumes");
	ck_assert_uint_eq(json_array_size(rows), 3);
	ck_assert_str_eq(text_at(rows, 1, "VolumeDiskId"), "/srv/a.img");
	ck_assert_str_eq(text_at(rows, 2, "VolumeId"), VOLUME_7);
	for (size_t i = 0; i < 3; i++)
		ck_assert(json_is_true(json_object_get(
			json_object_get(json_array_get(rows, i), "VolumeiSCSIAttributes"),
			"ChapEnabled")));
	world_carry_out(VOLUMES, ARNS(""));
	ck_assert_uint_eq(json_array_size(rows_of("StorediSCSIVolumes")), 0);
}
END_TEST

/* A target that is served to nobody says so [K9]; a name that AWS would not have given is left out. */
START_TEST(broken_volumes_are_unavailable)
{
	char id[VOLUME_ID_SIZE], body[512];
	world_target(IQN_BROKEN)->name = "iqn.2026-01.org.example:x";
	volume_id(id, ARN_PREFIX IQN_BROKEN, 0);
	snprintf(body, sizeof body, ARNS(ARN_OF("%s")), id);
	world_carry_out(VOLUMES, body);
	const json_t *row = json_array_get(rows_of("StorediSCSIVolumes"), 0);
	ck_assert_str_eq(json_string_value(json_object_get(row, "VolumeStatus")), "UNAVAILABLE");
	ck_assert_ptr_null(json_object_get(row, "TargetName"));
	ck_assert(json_is_true(
		json_object_get(json_object_get(row, "VolumeiSCSIAttributes"), "ChapEnabled")));
}
END_TEST

/* --- ListVolumeInitiators --- */

#define ASK_WHO(id) "{" MEMBER("VolumeARN", GATEWAY_ARN "/volume/" id) "}"

static struct session_row sessions[] = {
	{ .target = IQN, .initiator = "iqn.b" },
	{ .target = IQN, .initiator = "iqn.a" },
	{ .target = IQN, .initiator = "iqn.b", .tsih = 2 },
	{ .target = IQN_NONE, .initiator = "iqn.c" },
	{ .target = IQN, .initiator = "iqn.d", .discovery = true },
	{ .target = "", .initiator = "iqn.e", .discovery = true },
};

START_TEST(initiators_are_told_once)
{
	world_sessions(sessions, 6, true, false);
	world_carry_out(WHO, ASK_WHO(VOLUME_7));
	json_t *expected = json_pack("{s:[s,s]}", "Initiators", "iqn.a", "iqn.b");
	ck_assert(json_equal(world_last()->body, expected));
	json_decref(expected);
	ck_assert_ptr_nonnull(strstr(world_log(), "target=" IQN " "));

	world_sessions(NULL, 0, true, false);
	world_carry_out(WHO, ASK_WHO(VOLUME_0));
	ck_assert_uint_eq(json_array_size(rows_of("Initiators")), 0);
	world_sessions(sessions, 6, false, false);
	ck_assert_uint_eq(world_carry_out(WHO, ASK_WHO(VOLUME_0)), 500);
	world_sessions(sessions, 6, true, true);
	ck_assert_uint_eq(world_carry_out(WHO, ASK_WHO(VOLUME_0)), 500);
}
END_TEST

/* --- the gateway --- */

START_TEST(the_gateway_is_listed)
{
	world_carry_out(GATEWAYS, "{\"Limit\":1}");
	const json_t *rows = rows_of("Gateways");
	ck_assert_uint_eq(json_array_size(rows), 1);
	ck_assert_str_eq(text_at(rows, 0, "GatewayARN"), GATEWAY_ARN);
	ck_assert_str_eq(text_at(rows, 0, "GatewayId"), "sgw-12A3456B");
	ck_assert_str_eq(text_at(rows, 0, "GatewayType"), "STORED");
	ck_assert_str_eq(text_at(rows, 0, "GatewayOperationalState"), "ACTIVE");
	ck_assert_uint_eq(json_object_size(world_last()->body), 1);
	world_carry_out(GATEWAYS, "{" MEMBER("Marker", "x") "}");
	ck_assert_str_eq(world_code(), "InvalidParameters");
}
END_TEST

START_TEST(the_gateway_is_described)
{
	world_carry_out(GATEWAY, HERE);
	ck_assert_uint_eq(world_last()->status, 200);
	ck_assert_str_eq(world_text("GatewayARN"), GATEWAY_ARN);
	ck_assert_str_eq(world_text("GatewayState"), "RUNNING");
	ck_assert_str_eq(world_text("GatewayType"), "STORED");
	ck_assert_str_eq(world_text("GatewayTimezone"), "GMT");
	json_t *interfaces = json_pack("[{s:s}]", "Ipv4Address", "192.0.2.1");
	ck_assert(json_equal(rows_of("GatewayNetworkInterfaces"), interfaces));
	json_decref(interfaces);
}
END_TEST

static int count_address(void *context, const char *address, bool is_ipv6)
{
	unsigned *count = context;
	ck_assert(!strpbrk(address, "[]%"));
	ck_assert_int_eq(is_ipv6, strchr(address, ':') != NULL);
	ck_assert_str_ne(address, "0.0.0.0");
	ck_assert_str_ne(address, "::");
	++*count;
	return 0;
}

static int refuse_address(void *context, const char *address, bool is_ipv6)
{
	(void)context, (void)address, (void)is_ipv6;
	return -1;
}

static const struct {
	const char *address;
	const char *told; /* NULL: some address of the host, if there is one of the family */
} portals[] = {
	{ "192.0.2.1", "192.0.2.1" },
	{ "2001:db8::1", "2001:db8::1" },
	{ "0.0.0.0", NULL },
	{ "::", NULL },
};

START_TEST(interfaces_can_be_connected_to)
{
	struct portal portal = { 0 };
	char address[INTERFACE_TEXT_SIZE];
	unsigned count = 0;
	address_parse(portals[_i].address, 3261, &portal.address);
	ck_assert_int_eq(interface_each(&portal, count_address, &count), 0);
	ck_assert_uint_eq(interface_of_portal(&portal, address), 3261);
	if (portals[_i].told) {
		ck_assert_str_eq(address, portals[_i].told);
		ck_assert_uint_eq(count, 1);
	} else {
		ck_assert_int_eq(address[0] != '\0', count > 0);
	}
	if (count)
		ck_assert_int_eq(interface_each(&portal, refuse_address, NULL), -1);
}
END_TEST

/* --- disks --- */

static char directory[] = "/tmp/portcullis-disks-XXXXXX";

static void make_file(const char *name, off_t size)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	FILE *file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(ftruncate(fileno(file), size), 0);
	fclose(file);
}

static void link_file(const char *to, const char *name)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	ck_assert_int_eq(symlink(to, path), 0);
}

static void make_disks(void)
{
	char path[512];
	ck_assert_ptr_nonnull(mkdtemp(directory));
	make_file("b.img", 1 << 20);
	make_file("a.img", 512);
	link_file("b.img", "c");
	link_file("nowhere", "dangling");
	link_file("/dev/null", "character-device");
	make_file("\xff", 1); /* no UTF-8 */
	snprintf(path, sizeof path, "%s/directory", directory);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%s/pipe", directory);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
}

static void remove_disks(void)
{
	static const char *const names[] = { "b.img", "a.img", "c", "dangling", "character-device",
		"\xff", "directory", "pipe", "." };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char path[512];
		snprintf(path, sizeof path, "%s/%s", directory, names[i]);
		if (unlink(path))
			rmdir(path);
	}
	rmdir(directory);
}

START_TEST(no_directory_no_disks)
{
	world_carry_out(DISKS, HERE);
	ck_assert_str_eq(world_text("GatewayARN"), GATEWAY_ARN);
	ck_assert_uint_eq(json_array_size(rows_of("Disks")), 0);
}
END_TEST

START_TEST(disks_are_files_and_devices)
{
	char *directories[] = { "/nonexistent", directory };
	char path[512], resource[256];
	make_disks();
	world_config()->control.disk_directories = directories;
	world_config()->control.disk_directory_count = 2;
	snprintf(path, sizeof path, "%s/b.img", directory);
	world_target(IQN)->config->luns[0].path = path;
	world_carry_out(DISKS, HERE);
	const json_t *rows = rows_of("Disks");
	ck_assert_uint_eq(json_array_size(rows), 3);
	ck_assert_str_eq(text_at(rows, 0, "DiskNode"), "a.img");
	ck_assert_str_eq(text_at(rows, 0, "DiskAllocationType"), "AVAILABLE");
	ck_assert_str_eq(text_at(rows, 0, "DiskStatus"), "present");
	ck_assert_ptr_null(text_at(rows, 0, "DiskAllocationResource"));
	ck_assert_str_eq(text_at(rows, 1, "DiskId"), path);
	ck_assert_str_eq(text_at(rows, 1, "DiskPath"), path);
	ck_assert_int_eq(
		json_integer_value(json_object_get(json_array_get(rows, 1), "DiskSizeInBytes")),
		1 << 20);
	/* The double's targets share their LUNs: the first in order has it. */
	char id[VOLUME_ID_SIZE];
	volume_id(id, ARN_PREFIX IQN_BROKEN, 0);
	snprintf(resource, sizeof resource, IQN_BROKEN "::0::us-east-1-%s", id);
	ck_assert_str_eq(text_at(rows, 1, "DiskAllocationResource"), resource);
	ck_assert_str_eq(text_at(rows, 2, "DiskNode"), "c");
	ck_assert_str_eq(text_at(rows, 2, "DiskAllocationResource"), resource);
	ck_assert_ptr_nonnull(
		strstr(world_log(), "what=disk-directory-unreadable path=/nonexistent why="));
	remove_disks();
}
END_TEST

static int refuse_disk(void *context, const struct disk *disk)
{
	unsigned *count = context;
	ck_assert_ptr_nonnull(disk->path);
	++*count;
	return -1;
}

START_TEST(looking_ends_when_it_is_told_to)
{
	unsigned count = 0;
	make_disks();
	ck_assert_int_eq(disks_each(directory, refuse_disk, &count), -1);
	ck_assert_uint_eq(count, 1);
	remove_disks();
}
END_TEST

/* --- what is refused --- */

#define ZEROS_50 TEN("00000")
#define LONG(n)  "arn:aws:storagegateway:us-east-1:1:gateway/" n "/volume/vol-1"

static const struct {
	const char *operation, *body;
	const char *type, *code; /* code: NULL = none */
	const char *message;     /* a part of it */
} refusals[] = {
	/* of this gateway, which is another than the one named, or none at all */
	{ GATEWAY, "{" MEMBER("GatewayARN", GATEWAY_ARN "0") "}", "", "GatewayNotFound", "" },
	{ DISKS, "{" MEMBER("GatewayARN", GATEWAY_ARN "0") "}", "", "GatewayNotFound", "" },
	{ LIST, "{" MEMBER("GatewayARN", GATEWAY_ARN "0") "}", "", "GatewayNotFound", "" },
	{ GATEWAY, ONLY(ARN), "ValidationException", NULL, "Value null at 'gatewayARN'" },
	{ GATEWAY, "{" MEMBER("GatewayARN", ARN) "}", "", "InvalidGateway", "is invalid" },
	{ GATEWAY, "{" MEMBER("GatewayARN", ZEROS_50) "}", "", "InvalidGateway", "" },
	{ GATEWAY,
		"{" MEMBER(
			"GatewayARN", "arn:aws:storagegateway:us-east-1:1:gateway:" ZEROS_50) "}",
		"", "InvalidGateway", "" },
	{ LIST, "{" MEMBER("GatewayARN", TEN("0000") "000000000") "}", "ValidationException", NULL,
		"'gatewayARN' failed to satisfy constraint: Member must have length greater than "
		"or "
		"equal to 50" },
	{ DISKS, "{" MEMBER("GatewayARN", TEN(ZEROS_50) "0") "}", "ValidationException", NULL,
		"less than or equal to 500" },
	{ DISKS, "{}", "ValidationException", NULL, "must not be null" },
	/* numbers */
	{ LIST, "{\"Limit\":0}", "ValidationException", NULL,
		"1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: "
		"Member must have value greater than or equal to 1" },
	{ LIST, "{\"Limit\":-1}", "ValidationException", NULL, "Value '-1' at 'limit'" },
	{ LIST, "{\"Limit\":2147483648}", "ValidationException", NULL,
		"less than or equal to 2147483647" },
	{ GATEWAYS, "{\"Limit\":0}", "ValidationException", NULL, "" },
	{ LIST, "{\"Limit\":1.0}", "SerializationException", NULL, "Limit must be an integer" },
	{ LIST, "{\"Limit\":\"1\"}", "SerializationException", NULL, "" },
	{ LIST, "{\"Limit\":true}", "SerializationException", NULL, "" },
	{ LIST, "{\"Limit\":99999999999999999999}", "SerializationException", NULL, "" },
	{ LIST, "{\"Limit\":null}", "ValidationException", NULL, "must not be null" },
	{ LIST, "{" MEMBER("Marker", "") "}", "ValidationException", NULL,
		"'marker' failed to satisfy constraint: Member must have length greater" },
	/* lists */
	{ VOLUMES, "{}", "ValidationException", NULL, "Value null at 'volumeARNs'" },
	{ VOLUMES, "{" MEMBER("VolumeARNs", "x") "}", "SerializationException", NULL,
		"VolumeARNs must be a list of strings" },
	{ VOLUMES, "{\"VolumeARNs\":{}}", "SerializationException", NULL, "" },
	{ VOLUMES, ARNS("1"), "SerializationException", NULL, "" },
	{ VOLUMES, ARNS("[]"), "SerializationException", NULL, "" },
	{ VOLUMES, ARNS("null"), "ValidationException", NULL,
		"Value null at 'volumeARNs.1.member' failed to satisfy constraint: Member must not "
		"be null" },
	{ VOLUMES, ARNS(ARN_OF(VOLUME_0) ",\"x\",\"y\""), "ValidationException", NULL,
		"1 validation error detected: Value 'x' at 'volumeARNs.2.member' failed to "
		"satisfy constraint: Member must have length greater than or equal to 50" },
	{ VOLUMES, ARNS("\"" LONG(TEN(TEN("aaaaa"))) "\""), "ValidationException", NULL,
		"less than or equal to 500" },
	{ VOLUMES, ARNS(ARN_OF(VOLUME_0) "," ARN_OF("vol-00000000000000000")), "", "VolumeNotFound",
		"The specified volume was not found." },
	/* other members, operations of volumes that are not there */
	{ LIST, "{" MEMBER("TargetARN", ARN) "}", "ValidationException", NULL, "'targetARN'" },
	{ GATEWAYS, HERE, "ValidationException", NULL, "'gatewayARN'" },
	{ WHO, ARNS(ARN_OF(VOLUME_0)), "ValidationException", NULL, "'volumeARNs'" },
	{ WHO, ASK_WHO("vol-00000000000000000"), "", "VolumeNotFound", "" },
	{ WHO, ASK_WHO("vol-"), "ValidationException", NULL,
		"regular expression pattern: arn:(aws" },
	{ PREFIX "DescribeCachediSCSIVolumes", ARNS(ARN_OF(VOLUME_0)), "UnknownOperationException",
		NULL, "" },
};

START_TEST(faults_are_told)
{
	const char *type = refusals[_i].type;
	ck_assert_uint_eq(world_carry_out(refusals[_i].operation, refusals[_i].body), 400);
	ck_assert_str_eq(world_text("__type"), *type ? type : "InvalidGatewayRequestException");
	ck_assert_pstr_eq(world_code(), refusals[_i].code);
	ck_assert_msg(strstr(world_text("message"), refusals[_i].message), "message: %s",
		world_text("message"));
}
END_TEST

/* Whether a text is a volume's ARN; what is one, but of no volume here, is not found. */
static const struct {
	const char *arn;
	bool is_arn;
} arns[] = {
	{ GATEWAY_ARN "/volume/" VOLUME_0 "0", true },
	{ "arn:aws:storagegateway:us-east-1:111122223333:gateway/a/volume/vol-1", true },
	{ "arn:aws-cn:storagegateway:us-east-1:111122223333:gateway/a/volume/vol-1", true },
	{ "arn:aws-us-gov:storagegateway:us-east-1:1111222233:gateway/a/volume/vol-1", true },
	{ "arn:aws-eusc:storagegateway:us-east-1:111122223333:gateway/a/volume/vol-1", true },
	{ "arn:aws-iso:storagegateway:us-east-1:1111222233334:gateway/a/volume/vol-1", true },
	{ "arn:aws-iso-b_C:storagegateway:us-east-1:111122223:gateway/a/volume/vol-1", true },
	{ "arn:aws:storagegateway:us-east-1:1:gateway/a/b/volume/vol-/volume/vol-1/2", true },
	{ "arn:aws:storagegateway:us-east-1:1:gateway/a/volume/vol-x/volume/vol-", true },
	{ "arn:aws:storagegateway:us-east-1:1:gateway/ \\u00e9/volume/vol-\\u00e9 x", false },
	{ "arn:aws:storagegateway:us-east-1:1:gateway/ \\u00e9/volume/vol-\\u00e9", true },
	{ "arn:aws-x:storagegateway:us-east-1:1111222233334:gateway/a/volume/vol-1", false },
	{ "arn:aws-:storagegateway:us-east-1:1111222233334:gateway/a/volume/vol-12", false },
	{ "arn:AWS:storagegateway:us-east-1:11112222333344:gateway/a/volume/vol-12", false },
	{ "arn:aws:storagegatewayx:us-east-1:1111222233334:gateway/a/volume/vol-12", false },
	{ "arn:aws:storagegateway:US-EAST-1:11112222333344:gateway/a/volume/vol-12", false },
	{ "arn:aws:storagegateway::111122223333441111222233:gateway/a/volume/vol-12", false },
	{ "arn:aws:storagegateway:us-east-1::gateway/aaaaaaaaaaaaaa/volume/vol-12", false },
	{ "arn:aws:storagegateway:us-east-1:11112222333a:gateway/aa/volume/vol-12", false },
	{ "arn:aws:storagegateway:us-east-1:111122223333:gateway//volume/vol-1234", false },
	{ "arn:aws:storagegateway:us-east-1:111122223333:gateway/a/volume/snap-123", false },
	{ "arn:aws:storagegateway:us-east-1:111122223333:gateway/a/volume/vol-", false },
	{ "arn:aws:storagegateway:us-east-1:111122223333:gateway/a/volume/vol-1\\n", false },
	{ "arn:aws:storagegateway:us-east-1:111122223333:gateway/a\\n/volume/vol-1", false },
	{ " arn:aws:storagegateway:us-east-1:111122223333:gateway/a/volume/vol-12", false },
	{ "arn:aws:storagegateway:us-east-1:111122223333:gateway/a/target/iqn.2026:x", false },
};

START_TEST(volume_arns_have_a_form)
{
	char body[512];
	snprintf(body, sizeof body, "{" MEMBER("VolumeARN", "%s") "}", arns[_i].arn);
	ck_assert_uint_eq(world_carry_out(WHO, body), 400);
	if (arns[_i].is_arn)
		ck_assert_str_eq(world_code(), "VolumeNotFound");
	else
		ck_assert_msg(strstr(world_text("message"), "regular expression"), "message: %s",
			world_text("message"));
}
END_TEST

/* A list as long as a body can be is answered with a message of no more than its length. */
START_TEST(long_lists_make_short_messages)
{
	static char body[64 << 10];
	size_t length = (size_t)snprintf(body, sizeof body, "{\"VolumeARNs\":[\"\"");
	while (length < sizeof body - 8)
		length += (size_t)snprintf(body + length, sizeof body - length, ",\"\"");
	snprintf(body + length, sizeof body - length, "]}");
	ck_assert_uint_eq(world_carry_out(VOLUMES, body), 400);
	ck_assert_uint_lt(strlen(world_text("message")), 400);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api_volume");
	TCase *tcase = tcase_create("operations");
	tcase_add_checked_fixture(tcase, world_open, world_close);
	tcase_add_test(tcase, identifiers_are_stable);
	tcase_add_test(tcase, volumes_are_listed_by_target_and_lun);
	tcase_add_loop_test(tcase, pages_make_up_the_list, 1, 8);
	tcase_add_rows(tcase, marker_is_a_place, markers);
	tcase_add_test(tcase, volumes_are_described);
	tcase_add_test(tcase, broken_volumes_are_unavailable);
	tcase_add_test(tcase, initiators_are_told_once);
	tcase_add_test(tcase, the_gateway_is_listed);
	tcase_add_test(tcase, the_gateway_is_described);
	tcase_add_rows(tcase, interfaces_can_be_connected_to, portals);
	tcase_add_test(tcase, no_directory_no_disks);
	tcase_add_test(tcase, disks_are_files_and_devices);
	tcase_add_test(tcase, looking_ends_when_it_is_told_to);
	tcase_add_rows(tcase, faults_are_told, refusals);
	tcase_add_rows(tcase, volume_arns_have_a_form, arns);
	tcase_add_test(tcase, long_lists_make_short_messages);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
