/* SPDX-License-Identifier: BSD-2-Clause */
/* The endpoint and the clients behind wire.h. */
#include "tests/daemon/wire.h"

#include "daemon/core/clock.h"

#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct wire wire;

struct control *wire_open(const struct control_limits *limits, char error[CONFIG_ERROR_SIZE])
{
	static const struct control_limits generous = { 16, 60000, 60000 };
	return control_new_limited(
		wire.base, &wire.config, limits ? limits : &generous, world_api(), error);
}

void wire_serve(const struct control_limits *limits)
{
	char error[CONFIG_ERROR_SIZE] = "";
	wire.control = wire_open(limits, error);
	ck_assert_msg(wire.control, "%s", error);
}

void wire_setup(void)
{
	signal(SIGPIPE, SIG_IGN);
	world_open();
	wire.base = event_base_new();
	wire.settling = true;
	const char *temporary = getenv("TMPDIR");
	snprintf(wire.directory, sizeof wire.directory, "%s/portcullis-XXXXXX",
		temporary && strlen(temporary) < 32 ? temporary : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(wire.directory));
	snprintf(wire.path, sizeof wire.path, "%s/control.sock", wire.directory);
	wire.config = (struct config_control){ .socket = wire.path,
		.group = "",
		.listen = "",
		.access_keys = "",
		.tls_certificate = "",
		.tls_key = "",
		.metrics = "" };
}

void wire_teardown(void)
{
	control_free(wire.control);
	event_base_free(wire.base);
	world_close();
	ck_assert_msg(rmdir(wire.directory) == 0, "something was left in %s", wire.directory);
}

/* --- a client --- */

int wire_dial(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof address.sun_path, "%s", wire.path);
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_msg(connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "%s",
		strerror(errno));
	return fd;
}

/* One turn of the endpoint's loop; sleeps a little where nothing happens. */
void wire_turn(void)
{
	event_base_loop(wire.base, EVLOOP_NONBLOCK);
	if (wire.settling)
		world_settle();
	usleep(500);
}

/* Sends all of it, with turns in between where the socket is full. False: the other end is closed. */
bool wire_put(int fd, const void *bytes, size_t length)
{
	const uint64_t until = clock_now() + GIVE_UP_MS;
	for (size_t sent = 0; sent < length;) {
		const ssize_t n = write(fd, (const char *)bytes + sent, length - sent);
		if (n > 0)
			sent += (size_t)n;
		else if (errno != EAGAIN)
			return false;
		else
			wire_turn();
		ck_assert_msg(clock_now() < until, "the endpoint takes nothing");
	}
	return true;
}

bool wire_put_text(int fd, const char *text)
{
	return wire_put(fd, text, strlen(text));
}

/* A whole request as clients send it. */
const char *wire_request(const char *operation, const char *body)
{
	static char text[4096];
	snprintf(text, sizeof text,
		"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: %s\r\n"
		"Content-Type: application/x-amz-json-1.1\r\nContent-Length: %zu\r\n\r\n%s",
		operation, strlen(body), body);
	return text;
}

const char *wire_header(const struct wire_reply *reply, const char *name)
{
	static char value[256];
	char line[64];
	snprintf(line, sizeof line, "\n%s: ", name);
	const char *at = strcasestr(reply->headers, line);
	value[0] = '\0';
	if (at)
		sscanf(at + strlen(line), "%255[^\r\n]", value);
	return value;
}

/* Reads up to `length` bytes, turning; fewer: closed. */
size_t wire_get(int fd, char *bytes, size_t length)
{
	const uint64_t until = clock_now() + GIVE_UP_MS;
	size_t got = 0;
	while (got < length) {
		const ssize_t n = read(fd, bytes + got, length - got);
		if (n > 0)
			got += (size_t)n;
		else if (n == 0 || errno != EAGAIN)
			break;
		else
			wire_turn();
		ck_assert_msg(clock_now() < until, "no reply");
	}
	return got;
}

/* The next reply; `bodiless` as to HEAD. */
struct wire_reply wire_get_reply_to(int fd, bool bodiless)
{
	struct wire_reply reply = { 0 };
	size_t length = 0;
	while (length + 1 < sizeof reply.headers && !strstr(reply.headers, "\r\n\r\n")) {
		if (!wire_get(fd, reply.headers + length, 1))
			return reply;
		length++;
	}
	sscanf(reply.headers, "HTTP/1.1 %u ", &reply.status);
	/* The words for a status that has none. */
	ck_assert_ptr_null(strstr(reply.headers, " Status\r\n"));
	length = bodiless ? 0 : strtoul(wire_header(&reply, "Content-Length"), NULL, 10);
	ck_assert_uint_lt(length, REPLY_MAX);
	reply.body = calloc(1, length + 1);
	ck_assert_uint_eq(wire_get(fd, reply.body, length), length);
	reply.json = json_loads(reply.body, 0, NULL);
	return reply;
}

struct wire_reply wire_get_reply(int fd)
{
	return wire_get_reply_to(fd, false);
}

void wire_drop_reply(struct wire_reply *reply)
{
	json_decref(reply->json);
	free(reply->body);
	memset(reply, 0, sizeof *reply);
}

unsigned wire_get_status(int fd)
{
	struct wire_reply reply = wire_get_reply(fd);
	const unsigned status = reply.status;
	wire_drop_reply(&reply);
	return status;
}

bool wire_is_closed(int fd)
{
	char byte;
	return wire_get(fd, &byte, 1) == 0;
}

/* A client of its own is served: the endpoint is alive. */
void wire_ck_served(void)
{
	const int fd = wire_dial();
	wire_put_text(fd, wire_request(DESCRIBE, DESCRIBE_IT));
	ck_assert_uint_eq(wire_get_status(fd), 200);
	close(fd);
}
