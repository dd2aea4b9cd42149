/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon's small parts: mailboxes, caps on strangers, addresses as text. [LOGIN-18 TEXT-05] */
#include "daemon/core/address.h"
#include "daemon/core/limits.h"
#include "daemon/core/mailbox.h"

#include "tests/suite.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

/* --- mailbox --- */

enum { SENDERS = 4, MAILS = 2000 };

struct numbered {
	struct mail mail;
	unsigned sender, number;
};

struct reader_state {
	struct event_base *base;
	unsigned next[SENDERS], total;
};

static struct mailbox *box;
static struct numbered mails[SENDERS][MAILS];

static void delivered(struct mail *mail, void *receiver)
{
	struct numbered *numbered = (struct numbered *)mail;
	struct reader_state *state = receiver;

	ck_assert_uint_eq(numbered->number, state->next[numbered->sender]);
	state->next[numbered->sender]++;
	if (++state->total == SENDERS * MAILS)
		event_base_loopbreak(state->base);
}

static void *send_all(void *context)
{
	unsigned sender = (unsigned)(size_t)context;

	for (unsigned i = 0; i < MAILS; i++) {
		mails[sender][i] = (struct numbered){ { .deliver = delivered }, sender, i };
		mailbox_post(box, &mails[sender][i].mail);
	}
	return NULL;
}

START_TEST(mails_of_a_sender_arrive_once_and_in_order)
{
	struct reader_state state = { .base = event_base_new() };
	pthread_t senders[SENDERS];

	box = mailbox_new(state.base, &state);
	ck_assert_ptr_nonnull(box);
	for (size_t i = 0; i < SENDERS; i++)
		pthread_create(&senders[i], NULL, send_all, (void *)i);
	event_base_dispatch(state.base);
	for (size_t i = 0; i < SENDERS; i++)
		pthread_join(senders[i], NULL);
	ck_assert_uint_eq(state.total, SENDERS * MAILS);
	mailbox_free(box);
	event_base_free(state.base);
}
END_TEST

/* --- limits --- */

static struct sockaddr_storage address_of(const char *text)
{
	struct sockaddr_storage address;

	ck_assert_uint_ne(address_parse(text, 1, &address), 0);
	return address;
}

START_TEST(one_address_cannot_take_all_places)
{
	static struct limits limits;
	struct sockaddr_storage greedy = address_of("192.0.2.1"), modest = address_of("192.0.2.77");
	int slot = -1;

	ck_assert_int_eq(limits_init(&limits), 0);
	for (unsigned i = 0; i < STRANGERS_PER_ADDRESS_MAX; i++) {
		slot = limits_enter(&limits, (struct sockaddr *)&greedy);
		ck_assert_int_ge(slot, 0);
	}
	ck_assert_int_eq(limits_enter(&limits, (struct sockaddr *)&greedy), -1);
	int other = limits_enter(&limits, (struct sockaddr *)&modest);
	ck_assert(other >= 0 ||
		  slot == other); /* a shared slot is possible, one time in a thousand */
	limits_leave(&limits, slot);
	ck_assert_int_eq(limits_enter(&limits, (struct sockaddr *)&greedy), slot);
	ck_assert_uint_eq(limits.strangers, STRANGERS_PER_ADDRESS_MAX + (other >= 0));
}
END_TEST

START_TEST(all_addresses_together_are_capped)
{
	static struct limits limits;
	struct sockaddr_storage address = address_of("10.0.0.0");
	struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
	unsigned let_in = 0;

	ck_assert_int_eq(limits_init(&limits), 0);
	for (uint32_t i = 0; i < 2 * STRANGERS_MAX; i++) {
		v4->sin_addr.s_addr = htonl(0x0a000000 + i);
		let_in += limits_enter(&limits, (struct sockaddr *)&address) >= 0;
	}
	ck_assert_uint_eq(let_in, STRANGERS_MAX);
	limits_leave(&limits, -1);
	ck_assert_uint_eq(limits.strangers, STRANGERS_MAX);
}
END_TEST

START_TEST(an_ipv6_network_counts_as_one)
{
	static struct limits limits;
	struct sockaddr_storage a = address_of("2001:db8::1"), b = address_of("2001:db8::2");

	ck_assert_int_eq(limits_init(&limits), 0);
	ck_assert_int_eq(limits_enter(&limits, (struct sockaddr *)&a),
		limits_enter(&limits, (struct sockaddr *)&b));
}
END_TEST

/* --- addresses --- */

static const struct {
	const char *text;
	uint16_t port;
	const char *written;
	bool any;
} addresses[] = {
	{ "192.0.2.1", 3260, "192.0.2.1:3260", false },
	{ "0.0.0.0", 3260, "0.0.0.0:3260", true },
	{ "2001:db8::1", 3260, "[2001:db8::1]:3260", false },
	{ "::", 1, "[::]:1", true },
	{ "::ffff:192.0.2.1", 3260, "192.0.2.1:3260", false },
};

START_TEST(an_address_is_written_as_target_address_wants_it)
{
	struct sockaddr_storage address;
	char text[80];

	ck_assert_uint_ne(address_parse(addresses[_i].text, addresses[_i].port, &address), 0);
	ck_assert_str_eq(address_text((struct sockaddr *)&address, text, sizeof(text)),
		addresses[_i].written);
	ck_assert_int_eq(address_is_any((struct sockaddr *)&address), addresses[_i].any);
	ck_assert_uint_eq(address_port((struct sockaddr *)&address), addresses[_i].port);
	address_set_port((struct sockaddr *)&address, 77);
	ck_assert_uint_eq(address_port((struct sockaddr *)&address), 77);
}
END_TEST

START_TEST(a_name_is_no_address)
{
	struct sockaddr_storage address;

	ck_assert_uint_eq(address_parse("localhost", 1, &address), 0);
	ck_assert_uint_eq(address_parse("[::1]", 1, &address), 0);
	ck_assert_uint_eq(address_parse("", 1, &address), 0);
}
END_TEST

static Suite *parts_suite(void)
{
	Suite *suite = suite_create("parts");
	TCase *all = tcase_create("parts");

	tcase_add_test(all, mails_of_a_sender_arrive_once_and_in_order);
	tcase_add_test(all, one_address_cannot_take_all_places);
	tcase_add_test(all, all_addresses_together_are_capped);
	tcase_add_test(all, an_ipv6_network_counts_as_one);
	tcase_add_rows(all, an_address_is_written_as_target_address_wants_it, addresses);
	tcase_add_test(all, a_name_is_no_address);
	suite_add_tcase(suite, all);
	return suite;
}

int main(void)
{
	return suite_main(parts_suite());
}
