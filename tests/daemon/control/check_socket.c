/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon/control/socket.c: the control socket as a file: its mode and group, whom it replaces, who replaces it. */
#include "daemon/control/control.h"

#include "tests/daemon/wire.h"
#include "tests/suite.h"

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* --- the socket as a file --- */

START_TEST(appears_with_its_mode_and_goes)
{
	static const mode_t umasks[] = { 0, 022, 077, 0777 };
	struct stat found;
	for (size_t i = 0; i < sizeof umasks / sizeof *umasks; i++) {
		const mode_t before = umask(umasks[i]);
		wire_serve(NULL);
		umask(before);
		ck_assert_int_eq(lstat(wire.path, &found), 0);
		ck_assert(S_ISSOCK(found.st_mode));
		ck_assert_uint_eq(found.st_mode & 07777, 0660);
		ck_assert_uint_eq(found.st_uid, geteuid());
		wire_ck_served();
		control_free(wire.control);
		ck_assert_int_eq(lstat(wire.path, &found), -1);
	}
	wire.control = NULL;
}
END_TEST

START_TEST(belongs_to_the_group)
{
	char error[CONFIG_ERROR_SIZE];
	gid_t groups[64], wanted = getegid();
	struct stat found;
	const int count = getgroups(64, groups);
	for (int i = 0; i < count; i++)
		wanted = groups[i] != getegid() ? groups[i] : wanted;
	if (geteuid() == 0)
		wanted = 1;
	const struct group *group = getgrgid(wanted);
	if (!group)
		return;
	char *name = strdup(group->gr_name);
	wire.config.group = name;
	wire.control = control_new(wire.base, &wire.config, world_api(), error);
	ck_assert_msg(wire.control, "%s", error);
	ck_assert_int_eq(lstat(wire.path, &found), 0);
	ck_assert_uint_eq(found.st_gid, wanted);
	ck_assert_uint_eq(found.st_mode & 07777, 0660);
	free(name);
}
END_TEST

static const struct {
	const char *under, *group; /* `under` the test's directory */
	const char *error;
} bad_places[] = {
	{ "missing/control.sock", "", "No such file or directory" },
	{ "file", "", "no socket" },
	{ "link", "", "no socket" },
	{ "file/control.sock", "", "Not a directory" },
	{ "control.sock", "no-such-group-here", "group \"no-such-group-here\"" },
	{ "1234567890123456789012345678901234567890123456789012345678901234567890123456789012345",
		"", "longer than 107 bytes" },
};

START_TEST(bad_place_is_a_clear_error)
{
	char place[256], file[128], link[128], error[CONFIG_ERROR_SIZE] = "";
	struct stat found;
	snprintf(file, sizeof file, "%s/file", wire.directory);
	snprintf(link, sizeof link, "%s/link", wire.directory);
	snprintf(place, sizeof place, "%s/%s", wire.directory, bad_places[_i].under);
	close(open(file, O_CREAT | O_WRONLY, 0600));
	ck_assert_int_eq(symlink("nowhere", link), 0);
	wire.config.socket = place;
	wire.config.group = (char *)bad_places[_i].group;
	ck_assert_ptr_null(control_new(wire.base, &wire.config, world_api(), error));
	ck_assert_msg(strstr(error, bad_places[_i].error), "error: %s", error);
	ck_assert_msg(strncmp(error, "control socket ", 15) == 0 && strstr(error, place),
		"error: %s", error);
	ck_assert_ptr_null(strchr(error, '\n'));
	ck_assert_int_eq(lstat(file, &found), 0);
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(unlink(link), 0);
}
END_TEST

/* A socket file whose listener is gone, as kill -9 leaves it. */
static void leave_stale_socket(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof address.sun_path, "%s", wire.path);
	const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	close(fd);
}

START_TEST(stale_socket_is_replaced)
{
	leave_stale_socket();
	wire_serve(NULL);
	wire_ck_served();
	ck_assert_ptr_nonnull(strstr(world_log(), "what=control-socket-replaced path="));
}
END_TEST

START_TEST(live_socket_is_an_error)
{
	char error[CONFIG_ERROR_SIZE];
	wire_serve(NULL);
	ck_assert_ptr_null(wire_open(NULL, error));
	ck_assert_msg(strstr(error, "another process is listening"), "error: %s", error);
	wire_ck_served();
}
END_TEST

/* One that does not accept, its backlog full, lives as well. */
START_TEST(busy_socket_is_an_error)
{
	char error[CONFIG_ERROR_SIZE];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof address.sun_path, "%s", wire.path);
	const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	ck_assert_int_eq(listen(fd, 0), 0);
	const int waiting = wire_dial();
	ck_assert_ptr_null(wire_open(NULL, error));
	ck_assert_msg(strstr(error, "another process is listening"), "error: %s", error);
	close(waiting);
	close(fd);
	unlink(wire.path);
}
END_TEST

START_TEST(successors_socket_is_left_alone)
{
	struct stat found;
	wire_serve(NULL);
	unlink(wire.path);
	leave_stale_socket();
	control_free(wire.control);
	wire.control = NULL;
	ck_assert_int_eq(lstat(wire.path, &found), 0);
	unlink(wire.path);
	control_free(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("control socket");
	TCase *tcase = tcase_create("file");
	tcase_set_timeout(tcase, 2 * GIVE_UP_MS / 1000);
	tcase_add_checked_fixture(tcase, wire_setup, wire_teardown);
	tcase_add_test(tcase, appears_with_its_mode_and_goes);
	tcase_add_test(tcase, belongs_to_the_group);
	tcase_add_rows(tcase, bad_place_is_a_clear_error, bad_places);
	tcase_add_test(tcase, stale_socket_is_replaced);
	tcase_add_test(tcase, live_socket_is_an_error);
	tcase_add_test(tcase, busy_socket_is_an_error);
	tcase_add_test(tcase, successors_socket_is_left_alone);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
