/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * daemon/control/control.c over a real Unix socket: HTTP as clients speak and misuse it, bodies of every
 * size, replies that come late, and clients that do not wait for them.
 */
#include "daemon/control/control.h"

#include "tests/daemon/wire.h"
#include "tests/suite.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- HTTP --- */

static bool is_uuid(const char *text)
{
	static const char shape[] = "xxxxxxxx-xxxx-4xxx-vxxx-xxxxxxxxxxxx";
	for (size_t i = 0; i < sizeof shape; i++) {
		const char c = text[i];
		const bool good = shape[i] == 'x'   ? c && strchr("0123456789abcdef", c)
				  : shape[i] == 'v' ? c && strchr("89ab", c)
						    : c == shape[i];
		if (!good)
			return false;
	}
	return true;
}

START_TEST(reply_has_its_headers)
{
	char first[64];
	wire_serve(NULL);
	const int fd = wire_dial();
	for (int i = 0; i < 3; i++) { /* keep-alive */
		wire_put_text(fd, wire_request(DESCRIBE, DESCRIBE_IT));
		struct wire_reply reply = wire_get_reply(fd);
		ck_assert_uint_eq(reply.status, 200);
		ck_assert_str_eq(wire_header(&reply, "Content-Type"), "application/x-amz-json-1.1");
		ck_assert(is_uuid(wire_header(&reply, "x-amzn-RequestId")));
		ck_assert_str_eq(reply.body, "{\"ChapCredentials\":[]}");
		ck_assert(i == 0 || strcmp(first, wire_header(&reply, "x-amzn-RequestId")) != 0);
		snprintf(first, sizeof first, "%s", wire_header(&reply, "x-amzn-RequestId"));
		ck_assert_ptr_nonnull(strstr(world_log(), first));
		wire_drop_reply(&reply);
	}
	close(fd);
}
END_TEST

static const struct {
	const char *line;
	unsigned status;
} misaddressed[] = {
	{ "GET / HTTP/1.1", 405 }, { "PUT / HTTP/1.1", 405 }, { "DELETE / HTTP/1.1", 405 },
	{ "HEAD / HTTP/1.1", 405 }, { "PATCH / HTTP/1.1", 405 }, { "OPTIONS / HTTP/1.1", 405 },
	{ "GET /index.html HTTP/1.1", 404 }, { "HEAD /index.html HTTP/1.1", 404 },
	{ "PUT /path HTTP/1.1", 404 }, { "POST // HTTP/1.1", 404 }, { "POST /path HTTP/1.1", 400 },
	{ "POST /a/path~1/._- HTTP/1.1", 400 }, { "POST /path/ HTTP/1.1", 400 },
	{ "POST /... HTTP/1.1", 400 }, { "POST /path// HTTP/1.1", 404 },
	{ "POST /a//path HTTP/1.1", 404 }, { "POST /a/. HTTP/1.1", 404 },
	{ "POST /a/../path HTTP/1.1", 404 }, { "POST /pa%74h HTTP/1.1", 404 },
	{ "POST /path?a=b HTTP/1.1", 404 }, { "POST /pa+th HTTP/1.1", 404 },
	{ "POST /?Action=x HTTP/1.1", 404 }, { "POST /../ HTTP/1.1", 404 },
	{ "POST /%2f HTTP/1.1", 404 }, { "POST / HTTP/1.1", 400 }, /* no X-Amz-Target */
	{ "POST http://localhost/ HTTP/1.1", 400 }, /* as to a proxy: evhttp closes after it */
};

START_TEST(misaddressed_request_gets_a_json_object)
{
	char text[256];
	wire_serve(NULL);
	const int fd = wire_dial();
	snprintf(text, sizeof text, "%s\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
		misaddressed[_i].line);
	wire_put_text(fd, text);
	const bool head = strncmp(text, "HEAD", 4) == 0;
	struct wire_reply reply = wire_get_reply_to(fd, head);
	ck_assert_uint_eq(reply.status, misaddressed[_i].status);
	ck_assert_str_eq(wire_header(&reply, "Content-Type"), "application/x-amz-json-1.1");
	ck_assert(is_uuid(wire_header(&reply, "x-amzn-RequestId")));
	if (!head) {
		ck_assert_str_eq(json_string_value(json_object_get(reply.json, "__type")),
			"UnknownOperationException");
		ck_assert_ptr_nonnull(json_string_value(json_object_get(reply.json, "message")));
	}
	if (reply.status == 405)
		ck_assert_str_eq(wire_header(&reply, "Allow"), "POST");
	wire_drop_reply(&reply);
	if (!strstr(text, "http:")) { /* the connection stays good */
		wire_put_text(fd, wire_request(DESCRIBE, DESCRIBE_IT));
		ck_assert_uint_eq(wire_get_status(fd), 200);
	}
	close(fd);
}
END_TEST

/* Answered with an error or nothing at all, and closed. */
static const char *const malformed[] = {
	"\r\n\r\n\r\n",
	"garbage\r\n\r\n",
	"POST /\r\n\r\n",
	"POST / HTTP/9.9\r\n\r\n",
	"FROBNICATE / HTTP/1.1\r\n\r\n",
	"POST / HTTP/1.1\r\nno colon here\r\n\r\n",
	"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
	"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999999\r\n\r\n",
	"POST / HTTP/1.1\r\nContent-Length: 12x\r\n\r\n{}",
	"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
	"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client hello \n\n",
};

START_TEST(malformed_request_harms_nobody)
{
	wire_serve(NULL);
	const int fd = wire_dial();
	wire_put_text(fd, malformed[_i]);
	shutdown(fd, SHUT_WR);
	struct wire_reply reply = wire_get_reply(fd);
	ck_assert_msg(reply.status == 0 || reply.status >= 400, "status %u", reply.status);
	wire_drop_reply(&reply);
	close(fd);
	wire_ck_served();
}
END_TEST

START_TEST(headers_are_limited)
{
	char line[128];
	wire_serve(NULL);
	const int fd = wire_dial();
	wire_put_text(fd, "POST / HTTP/1.1\r\n");
	memset(line, 'a', sizeof line);
	memcpy(line, "X-Filler: ", 10);
	memcpy(line + sizeof line - 2, "\r\n", 2);
	unsigned sent = 0;
	while (sent < 64 * CONTROL_HEADERS_MAX && wire_put(fd, line, sizeof line)) {
		sent += sizeof line;
		wire_turn();
	}
	ck_assert_uint_lt(sent, 2 * CONTROL_HEADERS_MAX);
	close(fd);
	wire_ck_served();
}
END_TEST

START_TEST(versions_and_connection_headers)
{
	static const struct {
		const char *head;
		bool closes;
	} rows[] = {
		{ "POST / HTTP/1.1\r\n", false },
		{ "POST / HTTP/1.1\r\nConnection: close\r\n", true },
		{ "POST / HTTP/1.0\r\n", true },
		{ "POST / HTTP/1.0\r\nConnection: keep-alive\r\n", false },
	};
	wire_serve(NULL);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char text[512];
		const int fd = wire_dial();
		snprintf(text, sizeof text,
			"%sX-Amz-Target: " DESCRIBE "\r\nContent-Length: %zu\r\n\r\n%s",
			rows[i].head, strlen(DESCRIBE_IT), DESCRIBE_IT);
		wire_put_text(fd, text);
		char head[4096] = "";
		if (rows[i].closes) { /* 1.0 may leave the length to the close */
			wire_get(fd, head, sizeof head - 1);
		} else {
			wire_get(fd, head, 12);
			wire_put_text(fd, text);
			char more[4096] = "";
			while (!strstr(more, "200 OK"))
				ck_assert_uint_eq(wire_get(fd, more + strlen(more), 1), 1);
		}
		ck_assert_msg(strstr(head, " 200"), "%s", head);
		close(fd);
	}
}
END_TEST

/* --- bodies --- */

START_TEST(chunked_body)
{
	wire_serve(NULL);
	const int fd = wire_dial();
	wire_put_text(fd, "POST / HTTP/1.1\r\nX-Amz-Target: " DESCRIBE
			  "\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (const char *at = DESCRIBE_IT; *at; at++) {
		char chunk[8];
		snprintf(chunk, sizeof chunk, "1\r\n%c\r\n", *at);
		wire_put_text(fd, chunk);
		wire_turn();
	}
	wire_put_text(fd, "0\r\n\r\n");
	ck_assert_uint_eq(wire_get_status(fd), 200);
	close(fd);
}
END_TEST

/* [api.md: the body may come in a later segment than the headers] */
START_TEST(request_byte_by_byte)
{
	wire_serve(NULL);
	const int fd = wire_dial();
	const char *text = wire_request(DESCRIBE, DESCRIBE_IT);
	for (size_t i = 0; text[i]; i++) {
		wire_put(fd, text + i, 1);
		event_base_loop(wire.base, EVLOOP_NONBLOCK);
	}
	ck_assert_uint_eq(wire_get_status(fd), 200);
	close(fd);
}
END_TEST

START_TEST(expect_continue)
{
	char head[64] = "";
	wire_serve(NULL);
	const int fd = wire_dial();
	const char *text = wire_request(DESCRIBE, DESCRIBE_IT);
	const char *end = strstr(text, "\r\n\r\n");
	wire_put(fd, text, (size_t)(end - text));
	wire_put_text(fd, "\r\nExpect: 100-continue\r\n\r\n");
	ck_assert_uint_eq(wire_get(fd, head, 25), 25);
	ck_assert_str_eq(head, "HTTP/1.1 100 Continue\r\n\r\n");
	wire_put_text(fd, end + 4);
	ck_assert_uint_eq(wire_get_status(fd), 200);
	close(fd);
}
END_TEST

static const struct {
	unsigned length;
	unsigned status;
	bool json;
} bodies[] = {
	{ 0, 400, true },
	{ CONTROL_BODY_MAX, 400, true }, /* read, and no JSON */
	{ CONTROL_BODY_MAX + 1, 413, true },
	{ 512u << 10, 413, true },
	{ 1u << 20, 413, true },
	{ (1u << 20) + 1, 413, false }, /* evhttp's own answer */
	{ 64u << 20, 413, false },
};

START_TEST(body_at_and_over_the_limit)
{
	static char piece[64 << 10];
	struct rusage before, after;
	char text[256];
	memset(piece, 'x', sizeof piece);
	wire_serve(NULL);
	const int fd = wire_dial();
	getrusage(RUSAGE_SELF, &before);
	snprintf(text, sizeof text,
		"POST / HTTP/1.1\r\nX-Amz-Target: " DESCRIBE "\r\nContent-Length: %u\r\n\r\n",
		bodies[_i].length);
	wire_put_text(fd, text);
	for (unsigned sent = 0; sent < bodies[_i].length;) {
		const unsigned left = bodies[_i].length - sent;
		const unsigned n = left < sizeof piece ? left : sizeof piece;
		ck_assert(wire_put(fd, piece, n));
		sent += n;
	}
	struct wire_reply reply = wire_get_reply(fd);
	getrusage(RUSAGE_SELF, &after);
	ck_assert_uint_eq(reply.status, bodies[_i].status);
	ck_assert_int_eq(json_is_object(reply.json), bodies[_i].json);
	ck_assert_msg(after.ru_maxrss - before.ru_maxrss < 16 << 10, "it took %ld KiB of memory",
		after.ru_maxrss - before.ru_maxrss);
	wire_drop_reply(&reply);
	if (bodies[_i].json) {
		wire_put_text(fd, wire_request(DESCRIBE, DESCRIBE_IT));
		ck_assert_uint_eq(wire_get_status(fd), 200);
	} else {
		ck_assert(wire_is_closed(fd));
	}
	close(fd);
}
END_TEST

/* --- replies that wait --- */

START_TEST(pipelined_requests_keep_their_order)
{
	wire_serve(NULL);
	wire.settling = false;
	const int fd = wire_dial();
	wire_put_text(fd, wire_request(UPDATE, UPDATE_IT));
	wire_put_text(fd, wire_request(DESCRIBE, DESCRIBE_IT));
	wire_put_text(fd, wire_request(DESCRIBE, "{}"));
	for (int i = 0; i < 20; i++)
		wire_turn();
	ck_assert_uint_eq(world_waiting(), 1);
	char byte;
	ck_assert_int_eq(read(fd, &byte, 1), -1); /* nothing overtakes the update */
	wire.settling = true;
	struct wire_reply first = wire_get_reply(fd), second = wire_get_reply(fd),
			  third = wire_get_reply(fd);
	ck_assert_uint_eq(first.status, 200);
	ck_assert_str_eq(
		json_string_value(json_object_get(first.json, "InitiatorName")), INITIATOR);
	ck_assert_uint_eq(json_array_size(json_object_get(second.json, "ChapCredentials")), 1);
	ck_assert_uint_eq(third.status, 400);
	wire_drop_reply(&first);
	wire_drop_reply(&second);
	wire_drop_reply(&third);
	close(fd);
	ck_assert_ptr_null(strstr(world_log(), SECRET));
}
END_TEST

START_TEST(client_that_leaves_early)
{
	wire_serve(NULL);
	wire.settling = false;
	const int fd = wire_dial();
	wire_put_text(fd, wire_request(UPDATE, UPDATE_IT));
	while (!world_waiting())
		wire_turn();
	if (_i == 0)
		close(fd);
	else
		shutdown(fd, _i == 1 ? SHUT_WR : SHUT_RDWR);
	for (int i = 0; i < 10; i++)
		wire_turn();
	wire.settling = true;
	for (int i = 0; i < 10; i++)
		wire_turn();
	/* What was asked was done; who closed only one half still gets its answer. */
	ck_assert_uint_eq(credential_set_count(world_target(IQN)->credentials), 1);
	if (_i == 1)
		ck_assert_uint_eq(wire_get_status(fd), 200);
	if (_i)
		close(fd);
	wire_ck_served();
}
END_TEST

START_TEST(clients_that_only_knock)
{
	wire_serve(NULL);
	for (int i = 0; i < 200; i++) {
		close(wire_dial());
		if (i % 7 == 0)
			wire_turn();
	}
	wire_ck_served();
}
END_TEST

/* The endpoint goes first; the change's answer comes later and finds nobody. */
START_TEST(endpoint_that_goes_early)
{
	wire_serve(NULL);
	wire.settling = false;
	const int fd = wire_dial(), other = wire_dial();
	wire_put_text(fd, wire_request(UPDATE, UPDATE_IT));
	wire_put_text(other, wire_request(OWN "ListTargets", "{}"));
	while (world_waiting() < 2)
		wire_turn();
	control_free(wire.control);
	wire.control = NULL;
	if (_i)
		world_settle();
	/* else api_free() answers them */
	ck_assert(wire_is_closed(fd));
	close(fd);
	close(other);
}
END_TEST

/* --- who asks --- */

START_TEST(actor_is_the_peer)
{
	char expected[AUDIT_ACTOR_TEXT];
	int status = 1;
	wire_serve(NULL);
	const pid_t child = fork();
	if (child == 0) { /* a client in a process of its own, without the endpoint's loop */
		struct sockaddr_un address = { .sun_family = AF_UNIX };
		snprintf(address.sun_path, sizeof address.sun_path, "%s", wire.path);
		const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		const char *text = wire_request(UPDATE, UPDATE_IT);
		char reply[16] = "";
		const bool good = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
				  write(fd, text, strlen(text)) > 0 && read(fd, reply, 12) == 12 &&
				  strcmp(reply, "HTTP/1.1 200") == 0;
		_exit(good ? 0 : 1);
	}
	while (waitpid(child, &status, WNOHANG) == 0)
		wire_turn();
	ck_assert_int_eq(status, 0);
	snprintf(expected, sizeof expected, "uid=%u gid=%u pid=%d", getuid(), getgid(), (int)child);
	ck_assert_str_eq(world_actor(), expected);
	ck_assert_ptr_nonnull(strstr(world_log(), expected));
	ck_assert_ptr_null(strstr(world_log(), SECRET));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("control");
	TCase *tcase = tcase_create("http");
	tcase_set_timeout(tcase, 2 * GIVE_UP_MS / 1000);
	tcase_add_checked_fixture(tcase, wire_setup, wire_teardown);
	tcase_add_test(tcase, reply_has_its_headers);
	tcase_add_rows(tcase, misaddressed_request_gets_a_json_object, misaddressed);
	tcase_add_rows(tcase, malformed_request_harms_nobody, malformed);
	tcase_add_test(tcase, headers_are_limited);
	tcase_add_test(tcase, versions_and_connection_headers);
	tcase_add_test(tcase, chunked_body);
	tcase_add_test(tcase, request_byte_by_byte);
	tcase_add_test(tcase, expect_continue);
	tcase_add_rows(tcase, body_at_and_over_the_limit, bodies);
	tcase_add_test(tcase, pipelined_requests_keep_their_order);
	tcase_add_loop_test(tcase, client_that_leaves_early, 0, 3);
	tcase_add_test(tcase, clients_that_only_knock);
	tcase_add_loop_test(tcase, endpoint_that_goes_early, 0, 2);
	tcase_add_test(tcase, actor_is_the_peer);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
