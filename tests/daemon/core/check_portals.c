/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sets of portals: what of one set lives on in the next, what takes another's place on the same port, and that a set
 * that cannot be had leaves the running one as it is.
 */
#include "daemon/core/portals.h"

#include "base/log.h"
#include "daemon/core/address.h"

#include "tests/suite.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HERE  "127.0.0.1"
#define THERE "127.0.0.2"
#define ANY   "0.0.0.0"

/* One wanted portal: an address, a port, a group. */
struct want {
	const char *host;
	uint16_t port;
	uint16_t group;
	bool made_live;
};

/* A configuration of these, of the ports that `ports` has for 1, 2, ...; 0 is any. */
struct wish {
	struct config config;
	struct config_portal portals[8];
	char hosts[8][CONFIG_ADDRESS_SIZE];
};

static uint16_t ports[4];

/* Ports that nobody has just now. */
static void find_ports(void)
{
	int fds[4];

	for (size_t i = 1; i < 4; i++) {
		struct sockaddr_storage address;
		socklen_t length = address_parse(ANY, 0, &address);
		fds[i] = address_bind(&address, length, false);
		ck_assert_int_ge(fds[i], 0);
		ck_assert_int_eq(getsockname(fds[i], (struct sockaddr *)&address, &length), 0);
		ports[i] = address_port((struct sockaddr *)&address);
	}
	for (size_t i = 1; i < 4; i++)
		close(fds[i]);
	log_configure(LOG_LEVEL_ERROR, NULL);
}

static const struct config *wish_of(struct wish *wish, const struct want *wants, size_t count)
{
	memset(wish, 0, sizeof(*wish));
	wish->config.portals = wish->portals;
	wish->config.portal_count = count;
	for (size_t i = 0; i < count; i++) {
		snprintf(wish->hosts[i], sizeof(wish->hosts[i]), "%s", wants[i].host);
		wish->portals[i] = (struct config_portal){ .address = wish->hosts[i],
			.port = ports[wants[i].port],
			.group = wants[i].group,
			.made_live = wants[i].made_live };
	}
	return &wish->config;
}

static struct portal_set *open_all(
	struct portal_set *running, const struct want *wants, size_t count)
{
	char error[CONFIG_ERROR_SIZE];
	struct wish wish;
	struct portal_set *set = portal_set_open(
		running, wish_of(&wish, wants, count), NULL, error);

	if (!set)
		ck_abort_msg("%s", error);
	return set;
}

#define OPEN(running, ...)                                                                         \
	open_all(running, (const struct want[]){ __VA_ARGS__ },                                    \
		sizeof((const struct want[]){ __VA_ARGS__ }) / sizeof(struct want))

static int connect_to(const char *host, uint16_t port)
{
	struct sockaddr_storage address;
	socklen_t length = address_parse(host, port, &address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	if (connect(fd, (struct sockaddr *)&address, length) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Whether a connection to that address arrives at this very portal. */
static bool arrives(const struct portal *portal, const char *host, uint16_t port)
{
	struct pollfd ready = { .fd = portal->fd, .events = POLLIN };
	int peer = connect_to(host, port);
	bool arrived = peer >= 0 && poll(&ready, 1, 5000) == 1;

	if (arrived)
		close(accept(portal->fd, NULL, NULL));
	if (peer >= 0)
		close(peer);
	return arrived;
}

static bool listens(const char *host, uint16_t port)
{
	int peer = connect_to(host, port);

	if (peer >= 0)
		close(peer);
	return peer >= 0;
}

START_TEST(a_portal_listens_until_its_last_set_is_gone)
{
	struct portal_set *set = OPEN(NULL, { HERE, 1, 7, false }, { THERE, 0, 1, true });
	const struct portal *here = portal_set_find(set, HERE, ports[1]);
	char text[PORTAL_TEXT_SIZE];

	ck_assert_uint_eq(set->count, 2);
	ck_assert_ptr_eq(here, set->portals[0]);
	ck_assert_uint_eq(here->group, 7);
	snprintf(text, sizeof(text), HERE ":%u", ports[1]);
	ck_assert_str_eq(here->text, text);
	ck_assert_ptr_eq(portal_set_find_text(set, text), here);
	ck_assert_ptr_null(portal_set_find(set, THERE, ports[1]));
	ck_assert_ptr_null(portal_set_find(set, HERE, ports[2]));
	ck_assert_ptr_null(portal_set_find_text(set, "127.0.0.1:1"));
	ck_assert(!here->made_live && set->portals[1]->made_live);
	ck_assert(arrives(here, HERE, ports[1]));
	uint16_t chosen = address_port((const struct sockaddr *)&set->portals[1]->address);
	ck_assert_uint_ne(chosen, 0);
	ck_assert(arrives(set->portals[1], THERE, chosen));
	ck_assert_ptr_eq(portal_set_ref(set), set);
	portal_set_unref(set);
	ck_assert(listens(HERE, ports[1]));
	portal_set_unref(set);
	ck_assert(!listens(HERE, ports[1]) && !listens(THERE, chosen));
	portal_set_unref(NULL);
}
END_TEST

START_TEST(what_stays_is_the_same_portal)
{
	struct portal_set *before = OPEN(NULL, { HERE, 0, 1, false }, { HERE, 0, 1, false },
		{ HERE, 1, 1, false }, { HERE, 2, 1, false });
	/* In another order, one less, one more. */
	struct portal_set *after = OPEN(before, { HERE, 2, 1, false }, { HERE, 0, 1, false },
		{ HERE, 3, 1, false }, { HERE, 0, 1, false });

	ck_assert_ptr_eq(after->portals[0], before->portals[3]);
	ck_assert_ptr_eq(after->portals[1], before->portals[0]);
	ck_assert_ptr_eq(after->portals[3], before->portals[1]);
	ck_assert(portal_set_has(after, before->portals[0]));
	ck_assert(!portal_set_has(after, before->portals[2]));
	const struct portal_changes changes = portal_set_log(before, after);
	ck_assert_uint_eq(changes.added, 1);
	ck_assert_uint_eq(changes.removed, 1);
	portal_set_unref(before);
	ck_assert(!listens(HERE, ports[1]));
	ck_assert(arrives(after->portals[0], HERE, ports[2]));
	ck_assert(arrives(after->portals[2], HERE, ports[3]));
	portal_set_unref(after);
}
END_TEST

/* Another group, another origin, or the free port that is named now: the socket is the same one. */
static const struct want others[] = { { HERE, 1, 2, false }, { HERE, 1, 1, true } };

START_TEST(a_portal_under_another_name_keeps_its_socket)
{
	struct portal_set *before = OPEN(NULL, { HERE, 1, 1, false });
	int waiting = connect_to(HERE, ports[1]);
	struct portal_set *after = open_all(before, &others[_i], 1);

	ck_assert_ptr_ne(after->portals[0], before->portals[0]);
	ck_assert_uint_eq(after->portals[0]->group, others[_i].group);
	ck_assert_int_eq(after->portals[0]->made_live, others[_i].made_live);
	ck_assert_str_eq(after->portals[0]->text, before->portals[0]->text);
	const struct portal_changes changes = portal_set_log(before, after);
	ck_assert_uint_eq(changes.added + changes.removed, 0);
	portal_set_unref(before);
	/* Who connected before is accepted after. */
	int accepted = accept(after->portals[0]->fd, NULL, NULL);
	ck_assert_int_ge(accepted, 0);
	close(accepted);
	close(waiting);
	portal_set_unref(after);
}
END_TEST

START_TEST(a_free_port_can_be_named_later)
{
	struct portal_set *before = OPEN(NULL, { HERE, 0, 1, false });

	ports[1] = address_port((const struct sockaddr *)&before->portals[0]->address);
	struct portal_set *after = OPEN(before, { HERE, 1, 1, false });
	portal_set_unref(before);
	ck_assert(arrives(after->portals[0], HERE, ports[1]));
	portal_set_unref(after);
}
END_TEST

/* On one port: what listens, what takes its place, and where a connection to 127.0.0.1 arrives then. */
static const struct {
	struct want before, after[2];
	size_t count;
} places[] = {
	{ { ANY, 1, 1, false }, { { HERE, 1, 1, false } }, 1 },
	{ { HERE, 1, 1, false }, { { ANY, 1, 1, false } }, 1 },
	{ { ANY, 1, 1, false }, { { HERE, 1, 1, false }, { THERE, 1, 1, false } }, 2 },
};

START_TEST(one_takes_the_place_of_another_without_a_gap)
{
	struct portal_set *before = open_all(NULL, &places[_i].before, 1);
	struct portal_set *after = open_all(before, places[_i].after, places[_i].count);

	ck_assert(listens(HERE, ports[1]));
	/* As it was: taken back, the old one serves alone. */
	portal_set_unref(after);
	ck_assert(arrives(before->portals[0], HERE, ports[1]));
	after = open_all(before, places[_i].after, places[_i].count);
	portal_set_unref(before);
	ck_assert(arrives(after->portals[0], HERE, ports[1]));
	if (places[_i].count == 2)
		ck_assert(arrives(after->portals[1], THERE, ports[1]));
	/* And the port is nobody else's. */
	struct sockaddr_storage address;
	socklen_t length = address_parse(ANY, ports[1], &address);
	ck_assert_int_lt(address_bind(&address, length, false), 0);
	ck_assert_int_eq(errno, EADDRINUSE);
	portal_set_unref(after);
}
END_TEST

/* Beside what listens: portals that cannot be had, and what is said. */
static const struct {
	struct want wants[3];
	const char *why;
} refusals[] = {
	{ { { HERE, 1, 1, false }, { HERE, 3, 1, false }, { "192.0.2.1", 2, 1, false } },
		"cannot listen on portal 192.0.2.1 port " },
	{ { { HERE, 1, 1, false }, { HERE, 3, 1, false }, { ANY, 1, 1, false } },
		"cannot listen on portal 0.0.0.0 port " },
	{ { { ANY, 1, 1, false }, { HERE, 3, 1, false }, { "2001:db8::1", 3, 1, false } },
		"cannot listen on portal 2001:db8::1 port " },
};

START_TEST(a_set_that_cannot_be_had_changes_nothing)
{
	struct portal_set *running = OPEN(NULL, { HERE, 1, 1, false });
	char error[CONFIG_ERROR_SIZE];
	struct wish wish;

	ck_assert_ptr_null(
		portal_set_open(running, wish_of(&wish, refusals[_i].wants, 3), NULL, error));
	ck_assert_mem_eq(error, refusals[_i].why, strlen(refusals[_i].why));
	wish.portals[2].line = 12;
	wish.config.file = wish.hosts[7];
	snprintf(wish.hosts[7], sizeof(wish.hosts[7]), "/etc/p.conf");
	ck_assert_ptr_null(portal_set_open(running, &wish.config, NULL, error));
	ck_assert_ptr_eq(strstr(error, "/etc/p.conf:12: cannot listen on portal "), error);
	ck_assert(arrives(running->portals[0], HERE, ports[1]));
	ck_assert(!listens(HERE, ports[3]));
	portal_set_unref(running);
}
END_TEST

/* Nobody shall be kept from starting by an address that is not there today. */
START_TEST(what_was_made_live_may_be_without_a_socket)
{
	struct portal_set *set = OPEN(NULL, { HERE, 1, 1, false }, { "192.0.2.1", 2, 1, true });
	char error[CONFIG_ERROR_SIZE];
	struct wish wish;

	ck_assert_uint_eq(set->count, 2);
	ck_assert_int_lt(set->portals[1]->fd, 0);
	ck_assert_ptr_eq(portal_set_find(set, "192.0.2.1", ports[2]), set->portals[1]);
	ck_assert_ptr_null(portal_set_find_text(set, set->portals[1]->text));
	ck_assert_uint_eq(portal_set_log(NULL, set).added, 1);
	/* Unless it is asked for. */
	wish_of(&wish, (const struct want[]){ { HERE, 1, 1, false }, { "192.0.2.1", 2, 1, true } },
		2);
	ck_assert_ptr_null(portal_set_open(set, &wish.config, &wish.portals[1], error));
	ck_assert_ptr_nonnull(strstr(error, strerror(EADDRNOTAVAIL)));
	struct portal_set *again = portal_set_open(set, &wish.config, &wish.portals[0], error);
	ck_assert_ptr_nonnull(again);
	ck_assert_ptr_eq(again->portals[0], set->portals[0]);
	portal_set_unref(again);
	portal_set_unref(set);
}
END_TEST

START_TEST(one_that_was_without_a_socket_gets_it_when_it_can)
{
	struct portal_set *other = OPEN(NULL, { THERE, 1, 1, false });
	struct portal_set *set = OPEN(NULL, { HERE, 2, 1, false }, { THERE, 1, 1, true });

	ck_assert_int_lt(set->portals[1]->fd, 0);
	portal_set_unref(other);
	struct portal_set *again = OPEN(set, { HERE, 2, 1, false }, { THERE, 1, 1, true });
	ck_assert_uint_eq(portal_set_log(set, again).added, 1);
	portal_set_unref(set);
	ck_assert(arrives(again->portals[1], THERE, ports[1]));
	portal_set_unref(again);
}
END_TEST

/* On one port: a portal made live gives way without a gap, and has its place again when the wildcard goes. */
START_TEST(the_files_wildcard_wins_over_what_was_made_live)
{
	struct portal_set *before = OPEN(NULL, { HERE, 2, 1, false }, { HERE, 1, 3, true });
	struct portal_set *after = OPEN(before, { ANY, 1, 1, false }, { HERE, 1, 3, true });

	ck_assert(listens(HERE, ports[1]));
	/* As it was: taken back, the old one serves alone. */
	portal_set_unref(after);
	ck_assert(arrives(before->portals[1], HERE, ports[1]));
	after = OPEN(before, { ANY, 1, 1, false }, { HERE, 1, 3, true });
	portal_set_unref(before);
	ck_assert(arrives(after->portals[0], HERE, ports[1]));
	ck_assert_int_lt(after->portals[1]->fd, 0);
	struct portal_set *again = OPEN(after, { ANY, 1, 1, false }, { HERE, 1, 3, true });
	ck_assert_ptr_eq(again->portals[0], after->portals[0]);
	portal_set_unref(after);
	after = OPEN(again, { HERE, 2, 1, false }, { HERE, 1, 3, true });
	portal_set_unref(again);
	ck_assert(arrives(after->portals[1], HERE, ports[1]));
	portal_set_unref(after);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("daemon/portals");
	TCase *sets = tcase_create("sets");

	tcase_add_checked_fixture(sets, find_ports, NULL);
	tcase_add_test(sets, a_portal_listens_until_its_last_set_is_gone);
	tcase_add_test(sets, what_stays_is_the_same_portal);
	tcase_add_rows(sets, a_portal_under_another_name_keeps_its_socket, others);
	tcase_add_test(sets, a_free_port_can_be_named_later);
	tcase_add_rows(sets, one_takes_the_place_of_another_without_a_gap, places);
	tcase_add_rows(sets, a_set_that_cannot_be_had_changes_nothing, refusals);
	tcase_add_test(sets, what_was_made_live_may_be_without_a_socket);
	tcase_add_test(sets, one_that_was_without_a_socket_gets_it_when_it_can);
	tcase_add_test(sets, the_files_wildcard_wins_over_what_was_made_live);
	suite_add_tcase(suite, sets);
	return suite_main(suite);
}
