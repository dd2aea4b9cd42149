/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * daemon/control/client.c: how long a connection may take, how many there may be, and that a
 * client that takes its time costs nobody else anything.
 */
#include "daemon/control/control.h"

#include "daemon/core/clock.h"
#include "tests/daemon/wire.h"
#include "tests/suite.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

/* --- limits in time and number --- */

START_TEST(idle_client_is_closed)
{
	wire_serve(&(struct control_limits){ 16, 100, 60000 });
	const int fd = wire_dial(), half = wire_dial(), kept = wire_dial();
	wire_put_text(half, "POST / HTTP/1.1\r\nHost:");
	wire_put_text(kept, wire_request(DESCRIBE, DESCRIBE_IT));
	ck_assert_uint_eq(wire_get_status(kept), 200);
	ck_assert(wire_is_closed(fd));
	ck_assert(wire_is_closed(half));
	ck_assert(wire_is_closed(kept));
	close(fd);
	close(half);
	close(kept);
}
END_TEST

/* A byte now and then never meets the idle timeout: in the headers, in a body, in chunks. */
static const struct {
	const char *head, *drip;
} slow[] = {
	{ "", "P" },
	{ "POST / HTTP/1.1\r\n", "a: b\r\n" },
	{ "POST / HTTP/1.1\r\nContent-Length: 60000\r\n\r\n", "x" },
	{ "POST / HTTP/1.1\r\nContent-Length: 1073741824\r\n\r\n", "x" },
	{ "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n" },
};

START_TEST(slow_client_is_closed)
{
	wire_serve(&(struct control_limits){ 16, 60000, 200 });
	const int fd = wire_dial();
	const uint64_t until = clock_now() + GIVE_UP_MS;
	wire_put_text(fd, slow[_i].head);
	unsigned drips = 0;
	while (wire_put_text(fd, slow[_i].drip)) {
		ck_assert_msg(clock_now() < until, "it goes on for ever");
		for (int i = 0; i < 20; i++)
			wire_turn();
		drips++;
		if (drips == 2)
			wire_ck_served(); /* others do not wait for it */
	}
	ck_assert_uint_ge(drips, 2);
	close(fd);
	wire_ck_served();
}
END_TEST

/* A reply that nobody takes is given up as well. */
START_TEST(client_that_takes_nothing_is_closed)
{
	enum { ROWS = 4000 };
	static struct session_row rows[ROWS];
	static char taken[REPLY_MAX];
	for (size_t i = 0; i < ROWS; i++)
		rows[i] = (struct session_row){
			.target = IQN, .initiator = INITIATOR, .address = "a"
		};
	world_sessions(rows, ROWS, true, false);
	wire_serve(&(struct control_limits){ 16, 60000, 200 });
	const int fd = wire_dial();
	wire_put_text(fd, wire_request(OWN "ListSessions", "{}"));
	/* Making the reply may take longer than its time is. */
	struct pollfd hung_up = { .fd = fd, .events = POLLRDHUP };
	const uint64_t until = clock_now() + GIVE_UP_MS;
	while (poll(&hung_up, 1, 0) == 0 && clock_now() < until)
		wire_turn();
	ck_assert_uint_lt(wire_get(fd, taken, sizeof taken), sizeof taken);
	ck_assert(wire_is_closed(fd));
	close(fd);
	wire_ck_served();
}
END_TEST

/* The gate's time is not the client's: K5 bounds it. */
START_TEST(waiting_for_the_gate_is_no_timeout)
{
	wire_serve(&(struct control_limits){ 16, 100, 100 });
	wire.settling = false;
	const int fd = wire_dial();
	wire_put_text(fd, wire_request(UPDATE, UPDATE_IT));
	const uint64_t until = clock_now() + 400;
	while (clock_now() < until)
		wire_turn();
	wire.settling = true;
	ck_assert_uint_eq(wire_get_status(fd), 200);
	close(fd);
}
END_TEST

START_TEST(full_house_makes_room)
{
	wire_serve(&(struct control_limits){ 3, 60000, 60000 });
	wire.settling = false;
	const int busy = wire_dial();
	wire_put_text(busy, wire_request(UPDATE, UPDATE_IT));
	while (!world_waiting())
		wire_turn();
	const int oldest = wire_dial(), newer = wire_dial();
	wire_turn();
	const int newest = wire_dial();
	wire_put_text(newest, wire_request(DESCRIBE, DESCRIBE_IT));
	ck_assert_uint_eq(wire_get_status(newest), 200);
	ck_assert(wire_is_closed(oldest));
	wire_put_text(newer, wire_request(DESCRIBE, DESCRIBE_IT));
	ck_assert_uint_eq(wire_get_status(newer), 200);
	wire.settling = true;
	ck_assert_uint_eq(wire_get_status(busy), 200); /* never the one that is being answered */
	close(busy);
	close(oldest);
	close(newer);
	close(newest);
}
END_TEST

START_TEST(full_house_of_the_busy_closes_the_newcomer)
{
	wire_serve(&(struct control_limits){ 2, 60000, 60000 });
	wire.settling = false;
	const int first = wire_dial(), second = wire_dial();
	wire_put_text(first, wire_request(UPDATE, UPDATE_IT));
	wire_put_text(second, wire_request(UPDATE, UPDATE_IT));
	while (world_waiting() < 2)
		wire_turn();
	const int third = wire_dial();
	ck_assert(wire_is_closed(third));
	wire.settling = true;
	ck_assert_uint_eq(wire_get_status(first), 200);
	ck_assert_uint_eq(wire_get_status(second), 200);
	wire_ck_served();
	close(first);
	close(second);
	close(third);
}
END_TEST

/* More clients at once than places would be closed; with places for all, all are served. */
START_TEST(hundred_clients_at_once)
{
	enum { CLIENTS = 100, ROUNDS = 5 };
	int fds[CLIENTS];
	wire_serve(&(struct control_limits){ CLIENTS, 60000, 60000 });
	for (int i = 0; i < CLIENTS; i++)
		fds[i] = wire_dial();
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < CLIENTS; i++)
			wire_put_text(fds[i], wire_request(i % 2 ? DESCRIBE : OWN "ListTargets",
						      i % 2 ? DESCRIBE_IT : "{}"));
		for (int i = 0; i < CLIENTS; i++) {
			struct wire_reply reply = wire_get_reply(fds[i]);
			ck_assert_uint_eq(reply.status, 200);
			ck_assert_ptr_nonnull(
				json_object_get(reply.json, i % 2 ? "ChapCredentials" : "Targets"));
			wire_drop_reply(&reply);
		}
	}
	for (int i = 0; i < CLIENTS; i++)
		close(fds[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("control clients");
	TCase *tcase = tcase_create("limits");
	tcase_set_timeout(tcase, 2 * GIVE_UP_MS / 1000);
	tcase_add_checked_fixture(tcase, wire_setup, wire_teardown);
	tcase_add_test(tcase, idle_client_is_closed);
	tcase_add_rows(tcase, slow_client_is_closed, slow);
	tcase_add_test(tcase, client_that_takes_nothing_is_closed);
	tcase_add_test(tcase, waiting_for_the_gate_is_no_timeout);
	tcase_add_test(tcase, full_house_makes_room);
	tcase_add_test(tcase, full_house_of_the_busy_closes_the_newcomer);
	tcase_add_test(tcase, hundred_clients_at_once);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
