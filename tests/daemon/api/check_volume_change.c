/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * daemon/api/volume_change.c: what live change CreateStorediSCSIVolume and DeleteVolume begin, what they look at on its
 * turn, and how its end is told; when a disk is empty (disks.c); the patterns of their members (api/input.c).
 */
#include "daemon/api/api.h"

#include "daemon/api/operation.h"
#include "daemon/core/disks.h"
#include "daemon/core/volume.h"
#include "tests/daemon/double.h"
#include "tests/suite.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CREATE PREFIX "CreateStorediSCSIVolume"
#define REMOVE PREFIX "DeleteVolume"
#define MADE   "iqn.1997-05.com.amazon:new"
#define MIB    (1u << 20)

static char directory[] = "/tmp/portcullis-volumes-XXXXXX";
static char *directories[] = { directory };

/* A disk with `data` at `at`, sparse before and behind it. */
static const char *make_disk(const char *name, off_t size, const char *data, off_t at)
{
	static char path[256];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, size), 0);
	ck_assert_int_eq(pwrite(fd, data, strlen(data), at), (ssize_t)strlen(data));
	close(fd);
	return path;
}

static void open_world(void)
{
	world_open();
	ck_assert_ptr_nonnull(mkdtemp(directory));
	make_disk("disk", MIB, "", 0);
	world_config()->control.disk_directories = directories;
	world_config()->control.disk_directory_count = 1;
}

static void close_world(void)
{
	static const char *const names[] = { "disk", "other", "" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char path[256];
		snprintf(path, sizeof path, "%s/%s", directory, names[i]);
		remove(path);
	}
	world_close();
}

struct asked {
	const char *gateway, *disk, *name, *interface, *more; /* NULL: a good one, nothing more */
};

static struct live_change *begin_with(const struct asked *asked, bool preserve)
{
	char body[1024];
	const int length = snprintf(body, sizeof body,
		"{" MEMBER("GatewayARN", "%s") "," MEMBER(
			"DiskId", "%s/%s") ",\"PreserveExistingData\":%s," MEMBER("TargetName",
			"%s") "," MEMBER("NetworkInterfaceId", "%s") "%s}",
		asked->gateway ? asked->gateway : GATEWAY_ARN, directory,
		asked->disk ? asked->disk : "disk", preserve ? "true" : "false",
		asked->name ? asked->name : "new",
		asked->interface ? asked->interface : "192.0.2.1", asked->more ? asked->more : "");
	world_start(CREATE, body, (size_t)length);
	return world_change();
}

static struct live_change *begin(bool preserve)
{
	static const struct asked usual;
	return begin_with(&usual, preserve);
}

/* --- CreateStorediSCSIVolume --- */

START_TEST(a_target_with_the_disk_as_it_is_is_wanted)
{
	char path[256];
	const struct live_change *change = begin(true);
	ck_assert_ptr_nonnull(change);
	ck_assert_uint_eq(world_last()->calls, 0);
	ck_assert_int_eq(change->kind, LIVE_CREATE_TARGET);
	ck_assert_str_eq(change->target, MADE);
	ck_assert_uint_eq(change->wanted->target_count, 1);
	const struct config_target *target = change->wanted->targets;
	snprintf(path, sizeof path, "%s/disk", directory);
	ck_assert_str_eq(target->name, MADE);
	ck_assert_int_eq(target->authentication, AUTHENTICATION_AUTO);
	ck_assert_uint_eq(target->lun_count, 1);
	ck_assert_uint_eq(target->luns->lun, 0);
	ck_assert_str_eq(target->luns->path, path);
	ck_assert_uint_eq(target->luns->size, 0);
	ck_assert(!target->luns->read_only);
	world_end_change(LIVE_FAILED);
}
END_TEST

/* The reply is made of what is served, which a repeated request finds as the first one did. */
START_TEST(the_reply_names_volume_and_target)
{
	static const enum live_result ends[] = { LIVE_DONE, LIVE_SAME };
	char volume[VOLUME_ID_SIZE], arn[128];
	begin(true);
	/* As if it had been made: a target of the double's under its name. */
	world_target(IQN_NONE)->name = MADE;
	world_end_change(ends[_i]);
	ck_assert_uint_eq(world_last()->status, 200);
	ck_assert_str_eq(world_text("TargetARN"), ARN_PREFIX IQN_NONE);
	ck_assert_int_eq(
		json_integer_value(json_object_get(world_last()->body, "VolumeSizeInBytes")),
		(json_int_t)1 << 40);
	volume_id(volume, ARN_PREFIX IQN_NONE, 0);
	snprintf(arn, sizeof arn, GATEWAY_ARN "/volume/%s", volume);
	ck_assert_str_eq(world_text("VolumeARN"), arn);
	ck_assert_ptr_nonnull(
		strstr(world_log(), "operation=" CREATE " target=" MADE " user=alice "));
	ck_assert_ptr_nonnull(strstr(world_log(), " result=done status=200 "));
}
END_TEST

static const struct {
	enum live_result result;
	const char *error, *code;
	unsigned status;
} ends[] = {
	{ LIVE_EXISTS, "", "TargetAlreadyExists", 400 },
	{ LIVE_REFUSED, "it is locked", "InvalidParameters", 400 },
	{ LIVE_FAILED, "", "InternalError", 500 },
	{ LIVE_FAILED, "the disk is full", "InternalError", 500 },
};

START_TEST(a_failed_creation_says_why)
{
	struct live_change *change = begin(true);
	snprintf(change->error, sizeof change->error, "%s", ends[_i].error);
	world_end_change(ends[_i].result);
	ck_assert_uint_eq(world_last()->status, ends[_i].status);
	ck_assert_str_eq(world_code(), ends[_i].code);
	ck_assert_ptr_nonnull(strstr(world_text("message"), ends[_i].error));
	ck_assert(api_is_idle(world_api()));
}
END_TEST

static const struct {
	struct asked asked;
	const char *code;
} unbegun[] = {
	{ { .disk = "none" }, "DiskDoesNotExist" },
	{ { .disk = "" }, "DiskDoesNotExist" },
	{ { .disk = "." }, "DiskDoesNotExist" },
	{ { .disk = "../disk" }, "DiskDoesNotExist" },
	{ { .more = "," MEMBER("SnapshotId", "snap-01234567") }, "NotSupported" },
	{ { .more = "," MEMBER("KMSKey", "alias/a") }, "NotSupported" },
	{ { .more = ",\"KMSEncrypted\":true" }, "NotSupported" },
	{ { .more = ",\"Tags\":[{}]" }, "NotSupported" },
	{ { .interface = "192.0.2.2" }, "InvalidParameters" },
	{ { .interface = "" }, "InvalidParameters" },
	{ { .gateway = GATEWAY_ARN "0" }, "GatewayNotFound" },
	{ { .gateway = ARN }, "InvalidGateway" },
	{ { .name = "a;b" }, "InvalidParameters" },
};

START_TEST(what_cannot_be_is_not_begun)
{
	ck_assert_ptr_null(begin_with(&unbegun[_i].asked, true));
	ck_assert_uint_eq(world_last()->calls, 1);
	ck_assert_str_eq(world_code(), unbegun[_i].code);
}
END_TEST

/* --- on the change's turn --- */

START_TEST(a_disk_is_looked_at_when_its_turn_has_come)
{
	char path[256];
	struct live_change *change = begin(false);
	ck_assert_int_eq(change->check(change), LIVE_DONE);
	/* Then somebody wrote to it ... */
	snprintf(path, sizeof path, "%s", make_disk("disk", MIB, "data", 4096));
	ck_assert_int_eq(change->check(change), LIVE_REFUSED);
	world_end_change(LIVE_REFUSED);
	ck_assert_str_eq(world_code(), "InvalidParameters");
	ck_assert_ptr_nonnull(strstr(world_text("message"), "not empty"));
	/* ... which does not matter to who wants the data ... */
	change = begin(true);
	ck_assert_int_eq(change->check(change), LIVE_DONE);
	/* ... until it is another LUN's. */
	world_target(IQN)->config->luns[0].path = path;
	ck_assert_int_eq(change->check(change), LIVE_REFUSED);
	world_end_change(LIVE_REFUSED);
	ck_assert_str_eq(world_code(), "DiskAlreadyAllocated");
}
END_TEST

static const struct {
	off_t size;
	const char *data;
	off_t at;
	bool empty;
} contents[] = {
	{ 0, "", 0, true },
	{ 1, "", 0, true },
	{ (off_t)1 << 40, "", 0, true },
	{ MIB, "x", 0, false },
	{ MIB, "x", MIB - 1, false },
	{ 3 * MIB + 5, "x", 3 * MIB + 4, false },
	{ (off_t)1 << 40, "x", ((off_t)1 << 40) - 1, false },
};

START_TEST(a_disk_is_empty_if_all_of_it_reads_as_zeros)
{
	const char *path = make_disk(
		"other", contents[_i].size, contents[_i].data, contents[_i].at);
	ck_assert_int_eq(disk_is_empty(path), contents[_i].empty);
}
END_TEST

/* Zeros that were written are as good as holes, but not read without end. */
START_TEST(zeros_are_read_up_to_a_limit)
{
	static const struct {
		size_t size;
		bool empty;
	} rows[] = { { 2 * MIB + 1, true }, { DISK_READ_MAX, true }, { DISK_READ_MAX + 1, false } };
	const char *path = make_disk("other", (off_t)rows[_i].size + MIB, "", 0);
	static const char zeros[MIB];
	const int fd = open(path, O_WRONLY | O_CLOEXEC);
	for (size_t at = 0; at < rows[_i].size; at += MIB)
		ck_assert_int_gt(
			pwrite(fd, zeros, rows[_i].size - at < MIB ? rows[_i].size - at : MIB,
				(off_t)at),
			0);
	close(fd);
	ck_assert_int_eq(disk_is_empty(path), rows[_i].empty);
}
END_TEST

START_TEST(what_cannot_be_read_is_not_empty)
{
	ck_assert(!disk_is_empty("/nonexistent"));
	ck_assert(!disk_is_empty(directory));
	ck_assert(!disk_is_empty("memory:"));
}
END_TEST

/* --- DeleteVolume --- */

static void begin_removal(const char *target_arn, unsigned lun)
{
	char id[VOLUME_ID_SIZE], body[256];
	volume_id(id, target_arn, lun);
	const int length = snprintf(
		body, sizeof body, "{" MEMBER("VolumeARN", GATEWAY_ARN "/volume/%s") "}", id);
	world_start(REMOVE, body, (size_t)length);
}

START_TEST(the_volumes_lun_goes)
{
	char arn[128] = GATEWAY_ARN "/volume/";
	begin_removal(ARN, 7);
	const struct live_change *change = world_change();
	ck_assert_ptr_nonnull(change);
	ck_assert_int_eq(change->kind, LIVE_DELETE_VOLUME);
	ck_assert_str_eq(change->target, IQN);
	ck_assert_uint_eq(change->lun, 7);
	ck_assert(!change->force);
	world_end_change(LIVE_DONE);
	ck_assert_uint_eq(world_last()->status, 200);
	volume_id(arn + strlen(arn), ARN, 7);
	ck_assert_str_eq(world_text("VolumeARN"), arn);
	ck_assert_ptr_nonnull(strstr(world_log(), " target=" IQN " "));
}
END_TEST

static const struct {
	enum live_result result;
	const char *code;
} removals[] = {
	{ LIVE_NO_TARGET, "VolumeNotFound" }, /* it went while this one waited */
	{ LIVE_NO_LUN, "VolumeNotFound" },
	{ LIVE_IN_USE, "VolumeInUse" },
	{ LIVE_REFUSED, "InvalidParameters" },
	{ LIVE_FAILED, "InternalError" },
};

START_TEST(a_failed_removal_says_why)
{
	begin_removal(ARN, 0);
	world_end_change(removals[_i].result);
	ck_assert_str_eq(world_code(), removals[_i].code);
	begin_removal(ARN, 1);
	ck_assert_ptr_null(world_change());
	ck_assert_str_eq(world_code(), "VolumeNotFound");
}
END_TEST

/* --- patterns --- */

static const struct {
	bool (*matches)(const char *text, size_t length);
	const char *text;
	bool good;
} patterns[] = {
	{ api_is_snapshot_id, "snap-0123abCD", true },
	{ api_is_snapshot_id, "snap-0123456789abcdefA", true },
	{ api_is_snapshot_id, "", false },
	{ api_is_snapshot_id, "snap-", false },
	{ api_is_snapshot_id, "snap", false },
	{ api_is_snapshot_id, "snap-0123abC", false },
	{ api_is_snapshot_id, "snap-0123abCDe", false },
	{ api_is_snapshot_id, "snap-0123abCg", false },
	{ api_is_snapshot_id, "snap-0123456789abcdef", false },
	{ api_is_snapshot_id, "snap-0123abCD\n", false },
	{ api_is_snapshot_id, "xsnap-0123abC", false },
	{ api_is_target_name, "a", true },
	{ api_is_target_name, "-.;z9", true },
	{ api_is_target_name, "", false },
	{ api_is_target_name, "A", false },
	{ api_is_target_name, "a:b", false },
	{ api_is_target_name, "a\n", false },
	{ api_is_kms_key, "alias/a", true },
	{ api_is_kms_key, "alias/\xc3\xa9/b", true },
	{ api_is_kms_key, "arn:aws:kms:us-east-1:1:key/a", true },
	{ api_is_kms_key, "arn:aws-iso-b:kms:X:1:alias/a", true },
	{ api_is_kms_key, "alias/", false },
	{ api_is_kms_key, "alias/a b", false },
	{ api_is_kms_key, "alias/a\n", false },
	{ api_is_kms_key, "key/a", false },
	{ api_is_kms_key, "arn:aws:kms:us-east-1:1:key/", false },
	{ api_is_kms_key, "arn:aws:kms:us-east-1::key/a", false },
	{ api_is_kms_key, "arn:aws:kms::1:key/a", false },
	{ api_is_kms_key, "arn:aws:s3:us-east-1:1:key/a", false },
	{ api_is_kms_key, "arn:aws-x:kms:us-east-1:1:key/a", false },
	{ api_is_kms_key, "arn:aws:kms:us_east:1:key/a", false },
	{ api_is_kms_key, "arn:aws:kms:us-east-1:x:key/a", false },
	{ api_is_kms_key, "arn:", false },
	{ api_is_kms_key, "", false },
};

START_TEST(members_have_awss_patterns)
{
	const char *text = patterns[_i].text;
	ck_assert_int_eq(patterns[_i].matches(text, strlen(text)), patterns[_i].good);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("volume_change");
	TCase *tcase = tcase_create("operations");
	tcase_set_timeout(tcase, 300);
	tcase_add_checked_fixture(tcase, open_world, close_world);
	tcase_add_test(tcase, a_target_with_the_disk_as_it_is_is_wanted);
	tcase_add_loop_test(tcase, the_reply_names_volume_and_target, 0, 2);
	tcase_add_rows(tcase, a_failed_creation_says_why, ends);
	tcase_add_rows(tcase, what_cannot_be_is_not_begun, unbegun);
	tcase_add_test(tcase, a_disk_is_looked_at_when_its_turn_has_come);
	tcase_add_rows(tcase, a_disk_is_empty_if_all_of_it_reads_as_zeros, contents);
	tcase_add_loop_test(tcase, zeros_are_read_up_to_a_limit, 0, 3);
	tcase_add_test(tcase, what_cannot_be_read_is_not_empty);
	tcase_add_test(tcase, the_volumes_lun_goes);
	tcase_add_rows(tcase, a_failed_removal_says_why, removals);
	tcase_add_rows(tcase, members_have_awss_patterns, patterns);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
