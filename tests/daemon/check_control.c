/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * daemon/control*.c over a real Unix socket: the socket as a file, HTTP as clients speak and misuse
 * it, limits, and clients that go away. The endpoint and its clients share this process and its
 * loop; what a test waits for ends it, a clock only gives up.
 */
#include "daemon/control.h"

#include "daemon/clock.h"
#include "tests/daemon/double.h"
#include "tests/suite.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECRET      "keep-this-secret"
#define DESCRIBE    PREFIX "DescribeChapCredentials"
#define UPDATE      PREFIX "UpdateChapCredentials"
#define DESCRIBE_IT "{\"TargetARN\":\"" ARN "\"}"
#define UPDATE_IT                                                                                  \
	"{\"TargetARN\":\"" ARN "\",\"InitiatorName\":\"" INITIATOR                                \
	"\",\"SecretToAuthenticateInitiator\":\"" SECRET "\"}"
#define GIVE_UP_MS 30000u
#define REPLY_MAX  (1u << 20)

static char directory[] = "/tmp/portcullis-control-XXXXXX";
static char path[sizeof directory + 16];
static struct event_base *base;
static struct control *control;
static bool settling; /* whether what the gate has is carried out at once */

static struct control *open_control(
	const struct control_limits *limits, char error[CONFIG_ERROR_SIZE])
{
	static const struct control_limits generous = { 16, 60000, 60000 };
	const struct config_control config = { .socket = path, .group = "" };
	return control_new_limited(base, &config, limits ? limits : &generous, world_api(), error);
}

static void serve(const struct control_limits *limits)
{
	char error[CONFIG_ERROR_SIZE] = "";
	control = open_control(limits, error);
	ck_assert_msg(control, "%s", error);
}

static void setup(void)
{
	signal(SIGPIPE, SIG_IGN);
	world_open();
	base = event_base_new();
	settling = true;
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/control.sock", directory);
}

static void teardown(void)
{
	control_free(control);
	event_base_free(base);
	world_close();
	ck_assert_msg(rmdir(directory) == 0, "something was left in %s", directory);
}

/* --- a client --- */

static int dial(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_msg(connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "%s",
		strerror(errno));
	return fd;
}

/* One turn of the endpoint's loop; sleeps a little where nothing happens. */
static void turn(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
	if (settling)
		world_settle();
	usleep(500);
}

/* Sends all of it, with turns in between where the socket is full. False: the other end is closed. */
static bool put(int fd, const void *bytes, size_t length)
{
	const uint64_t until = clock_now() + GIVE_UP_MS;
	for (size_t sent = 0; sent < length;) {
		const ssize_t n = write(fd, (const char *)bytes + sent, length - sent);
		if (n > 0)
			sent += (size_t)n;
		else if (errno != EAGAIN)
			return false;
		else
			turn();
		ck_assert_msg(clock_now() < until, "the endpoint takes nothing");
	}
	return true;
}

static bool put_text(int fd, const char *text)
{
	return put(fd, text, strlen(text));
}

/* A whole request as clients send it. */
static const char *request_text(const char *operation, const char *body)
{
	static char text[4096];
	snprintf(text, sizeof text,
		"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: %s\r\n"
		"Content-Type: application/x-amz-json-1.1\r\nContent-Length: %zu\r\n\r\n%s",
		operation, strlen(body), body);
	return text;
}

struct reply {
	unsigned status; /* 0: closed without one */
	char headers[2048];
	char *body;   /* NUL-terminated; the caller's to free */
	json_t *json; /* NULL if it is none */
};

static const char *header_of(const struct reply *reply, const char *name)
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
static size_t get(int fd, char *bytes, size_t length)
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
			turn();
		ck_assert_msg(clock_now() < until, "no reply");
	}
	return got;
}

/* The next reply; `bodiless` as to HEAD. */
static struct reply get_reply_to(int fd, bool bodiless)
{
	struct reply reply = { 0 };
	size_t length = 0;
	while (length + 1 < sizeof reply.headers && !strstr(reply.headers, "\r\n\r\n")) {
		if (!get(fd, reply.headers + length, 1))
			return reply;
		length++;
	}
	sscanf(reply.headers, "HTTP/1.1 %u ", &reply.status);
	length = bodiless ? 0 : strtoul(header_of(&reply, "Content-Length"), NULL, 10);
	ck_assert_uint_lt(length, REPLY_MAX);
	reply.body = calloc(1, length + 1);
	ck_assert_uint_eq(get(fd, reply.body, length), length);
	reply.json = json_loads(reply.body, 0, NULL);
	return reply;
}

static struct reply get_reply(int fd)
{
	return get_reply_to(fd, false);
}

static void drop_reply(struct reply *reply)
{
	json_decref(reply->json);
	free(reply->body);
	memset(reply, 0, sizeof *reply);
}

static unsigned get_status(int fd)
{
	struct reply reply = get_reply(fd);
	const unsigned status = reply.status;
	drop_reply(&reply);
	return status;
}

static bool is_closed(int fd)
{
	char byte;
	return get(fd, &byte, 1) == 0;
}

/* A client of its own is served: the endpoint is alive. */
static void ck_served(void)
{
	const int fd = dial();
	put_text(fd, request_text(DESCRIBE, DESCRIBE_IT));
	ck_assert_uint_eq(get_status(fd), 200);
	close(fd);
}

/* --- the socket as a file --- */

START_TEST(appears_with_its_mode_and_goes)
{
	static const mode_t umasks[] = { 0, 022, 077, 0777 };
	struct stat found;
	for (size_t i = 0; i < sizeof umasks / sizeof *umasks; i++) {
		const mode_t before = umask(umasks[i]);
		serve(NULL);
		umask(before);
		ck_assert_int_eq(lstat(path, &found), 0);
		ck_assert(S_ISSOCK(found.st_mode));
		ck_assert_uint_eq(found.st_mode & 07777, 0660);
		ck_assert_uint_eq(found.st_uid, geteuid());
		ck_served();
		control_free(control);
		ck_assert_int_eq(lstat(path, &found), -1);
	}
	control = NULL;
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
	const struct config_control config = { .socket = path, .group = name };
	control = control_new(base, &config, world_api(), error);
	ck_assert_msg(control, "%s", error);
	ck_assert_int_eq(lstat(path, &found), 0);
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
	char place[256], file[64], link[64], error[CONFIG_ERROR_SIZE] = "";
	struct stat found;
	snprintf(file, sizeof file, "%s/file", directory);
	snprintf(link, sizeof link, "%s/link", directory);
	snprintf(place, sizeof place, "%s/%s", directory, bad_places[_i].under);
	close(open(file, O_CREAT | O_WRONLY, 0600));
	ck_assert_int_eq(symlink("nowhere", link), 0);
	const struct config_control config = { .socket = place,
		.group = (char *)bad_places[_i].group };
	ck_assert_ptr_null(control_new(base, &config, world_api(), error));
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
	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	close(fd);
}

START_TEST(stale_socket_is_replaced)
{
	leave_stale_socket();
	serve(NULL);
	ck_served();
	ck_assert_ptr_nonnull(strstr(world_log(), "replaced one that nobody answered on"));
}
END_TEST

START_TEST(live_socket_is_an_error)
{
	char error[CONFIG_ERROR_SIZE];
	serve(NULL);
	ck_assert_ptr_null(open_control(NULL, error));
	ck_assert_msg(strstr(error, "another process is listening"), "error: %s", error);
	ck_served();
}
END_TEST

/* One that does not accept, its backlog full, lives as well. */
START_TEST(busy_socket_is_an_error)
{
	char error[CONFIG_ERROR_SIZE];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	ck_assert_int_eq(listen(fd, 0), 0);
	const int waiting = dial();
	ck_assert_ptr_null(open_control(NULL, error));
	ck_assert_msg(strstr(error, "another process is listening"), "error: %s", error);
	close(waiting);
	close(fd);
	unlink(path);
}
END_TEST

START_TEST(successors_socket_is_left_alone)
{
	struct stat found;
	serve(NULL);
	unlink(path);
	leave_stale_socket();
	control_free(control);
	control = NULL;
	ck_assert_int_eq(lstat(path, &found), 0);
	unlink(path);
	control_free(NULL);
}
END_TEST

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
	serve(NULL);
	const int fd = dial();
	for (int i = 0; i < 3; i++) { /* keep-alive */
		put_text(fd, request_text(DESCRIBE, DESCRIBE_IT));
		struct reply reply = get_reply(fd);
		ck_assert_uint_eq(reply.status, 200);
		ck_assert_str_eq(header_of(&reply, "Content-Type"), "application/x-amz-json-1.1");
		ck_assert(is_uuid(header_of(&reply, "x-amzn-RequestId")));
		ck_assert_str_eq(reply.body, "{\"ChapCredentials\":[]}");
		ck_assert(i == 0 || strcmp(first, header_of(&reply, "x-amzn-RequestId")) != 0);
		snprintf(first, sizeof first, "%s", header_of(&reply, "x-amzn-RequestId"));
		ck_assert_ptr_nonnull(strstr(world_log(), first));
		drop_reply(&reply);
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
	{ "POST /path HTTP/1.1", 404 }, { "POST // HTTP/1.1", 404 },
	{ "POST /?Action=x HTTP/1.1", 404 }, { "POST /../ HTTP/1.1", 404 },
	{ "POST /%2f HTTP/1.1", 404 }, { "POST / HTTP/1.1", 400 }, /* no X-Amz-Target */
	{ "POST http://localhost/ HTTP/1.1", 400 }, /* as to a proxy: evhttp closes after it */
};

START_TEST(misaddressed_request_gets_a_json_object)
{
	char text[256];
	serve(NULL);
	const int fd = dial();
	snprintf(text, sizeof text, "%s\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
		misaddressed[_i].line);
	put_text(fd, text);
	const bool head = strncmp(text, "HEAD", 4) == 0;
	struct reply reply = get_reply_to(fd, head);
	ck_assert_uint_eq(reply.status, misaddressed[_i].status);
	ck_assert_str_eq(header_of(&reply, "Content-Type"), "application/x-amz-json-1.1");
	ck_assert(is_uuid(header_of(&reply, "x-amzn-RequestId")));
	if (!head) {
		ck_assert_str_eq(json_string_value(json_object_get(reply.json, "__type")),
			"UnknownOperationException");
		ck_assert_ptr_nonnull(json_string_value(json_object_get(reply.json, "message")));
	}
	if (reply.status == 405)
		ck_assert_str_eq(header_of(&reply, "Allow"), "POST");
	drop_reply(&reply);
	if (!strstr(text, "http:")) { /* the connection stays good */
		put_text(fd, request_text(DESCRIBE, DESCRIBE_IT));
		ck_assert_uint_eq(get_status(fd), 200);
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
	serve(NULL);
	const int fd = dial();
	put_text(fd, malformed[_i]);
	shutdown(fd, SHUT_WR);
	struct reply reply = get_reply(fd);
	ck_assert_msg(reply.status == 0 || reply.status >= 400, "status %u", reply.status);
	drop_reply(&reply);
	close(fd);
	ck_served();
}
END_TEST

START_TEST(headers_are_limited)
{
	char line[128];
	serve(NULL);
	const int fd = dial();
	put_text(fd, "POST / HTTP/1.1\r\n");
	memset(line, 'a', sizeof line);
	memcpy(line, "X-Filler: ", 10);
	memcpy(line + sizeof line - 2, "\r\n", 2);
	unsigned sent = 0;
	while (sent < 64 * CONTROL_HEADERS_MAX && put(fd, line, sizeof line)) {
		sent += sizeof line;
		turn();
	}
	ck_assert_uint_lt(sent, 2 * CONTROL_HEADERS_MAX);
	close(fd);
	ck_served();
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
	serve(NULL);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char text[512];
		const int fd = dial();
		snprintf(text, sizeof text,
			"%sX-Amz-Target: " DESCRIBE "\r\nContent-Length: %zu\r\n\r\n%s",
			rows[i].head, strlen(DESCRIBE_IT), DESCRIBE_IT);
		put_text(fd, text);
		char head[4096] = "";
		if (rows[i].closes) { /* 1.0 may leave the length to the close */
			get(fd, head, sizeof head - 1);
		} else {
			get(fd, head, 12);
			put_text(fd, text);
			char more[4096] = "";
			while (!strstr(more, "200 OK"))
				ck_assert_uint_eq(get(fd, more + strlen(more), 1), 1);
		}
		ck_assert_msg(strstr(head, " 200"), "%s", head);
		close(fd);
	}
}
END_TEST

/* --- bodies --- */

START_TEST(chunked_body)
{
	serve(NULL);
	const int fd = dial();
	put_text(fd, "POST / HTTP/1.1\r\nX-Amz-Target: " DESCRIBE
		     "\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (const char *at = DESCRIBE_IT; *at; at++) {
		char chunk[8];
		snprintf(chunk, sizeof chunk, "1\r\n%c\r\n", *at);
		put_text(fd, chunk);
		turn();
	}
	put_text(fd, "0\r\n\r\n");
	ck_assert_uint_eq(get_status(fd), 200);
	close(fd);
}
END_TEST

/* [api.md: the body may come in a later segment than the headers] */
START_TEST(request_byte_by_byte)
{
	serve(NULL);
	const int fd = dial();
	const char *text = request_text(DESCRIBE, DESCRIBE_IT);
	for (size_t i = 0; text[i]; i++) {
		put(fd, text + i, 1);
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	ck_assert_uint_eq(get_status(fd), 200);
	close(fd);
}
END_TEST

START_TEST(expect_continue)
{
	char head[64] = "";
	serve(NULL);
	const int fd = dial();
	const char *text = request_text(DESCRIBE, DESCRIBE_IT);
	const char *end = strstr(text, "\r\n\r\n");
	put(fd, text, (size_t)(end - text));
	put_text(fd, "\r\nExpect: 100-continue\r\n\r\n");
	ck_assert_uint_eq(get(fd, head, 25), 25);
	ck_assert_str_eq(head, "HTTP/1.1 100 Continue\r\n\r\n");
	put_text(fd, end + 4);
	ck_assert_uint_eq(get_status(fd), 200);
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
	serve(NULL);
	const int fd = dial();
	getrusage(RUSAGE_SELF, &before);
	snprintf(text, sizeof text,
		"POST / HTTP/1.1\r\nX-Amz-Target: " DESCRIBE "\r\nContent-Length: %u\r\n\r\n",
		bodies[_i].length);
	put_text(fd, text);
	for (unsigned sent = 0; sent < bodies[_i].length;) {
		const unsigned left = bodies[_i].length - sent;
		const unsigned n = left < sizeof piece ? left : sizeof piece;
		ck_assert(put(fd, piece, n));
		sent += n;
	}
	struct reply reply = get_reply(fd);
	getrusage(RUSAGE_SELF, &after);
	ck_assert_uint_eq(reply.status, bodies[_i].status);
	ck_assert_int_eq(json_is_object(reply.json), bodies[_i].json);
	ck_assert_msg(after.ru_maxrss - before.ru_maxrss < 16 << 10, "it took %ld KiB of memory",
		after.ru_maxrss - before.ru_maxrss);
	drop_reply(&reply);
	if (bodies[_i].json) {
		put_text(fd, request_text(DESCRIBE, DESCRIBE_IT));
		ck_assert_uint_eq(get_status(fd), 200);
	} else {
		ck_assert(is_closed(fd));
	}
	close(fd);
}
END_TEST

/* --- replies that wait --- */

START_TEST(pipelined_requests_keep_their_order)
{
	serve(NULL);
	settling = false;
	const int fd = dial();
	put_text(fd, request_text(UPDATE, UPDATE_IT));
	put_text(fd, request_text(DESCRIBE, DESCRIBE_IT));
	put_text(fd, request_text(DESCRIBE, "{}"));
	for (int i = 0; i < 20; i++)
		turn();
	ck_assert_uint_eq(world_waiting(), 1);
	char byte;
	ck_assert_int_eq(read(fd, &byte, 1), -1); /* nothing overtakes the update */
	settling = true;
	struct reply first = get_reply(fd), second = get_reply(fd), third = get_reply(fd);
	ck_assert_uint_eq(first.status, 200);
	ck_assert_str_eq(
		json_string_value(json_object_get(first.json, "InitiatorName")), INITIATOR);
	ck_assert_uint_eq(json_array_size(json_object_get(second.json, "ChapCredentials")), 1);
	ck_assert_uint_eq(third.status, 400);
	drop_reply(&first);
	drop_reply(&second);
	drop_reply(&third);
	close(fd);
	ck_assert_ptr_null(strstr(world_log(), SECRET));
}
END_TEST

START_TEST(client_that_leaves_early)
{
	serve(NULL);
	settling = false;
	const int fd = dial();
	put_text(fd, request_text(UPDATE, UPDATE_IT));
	while (!world_waiting())
		turn();
	if (_i == 0)
		close(fd);
	else
		shutdown(fd, _i == 1 ? SHUT_WR : SHUT_RDWR);
	for (int i = 0; i < 10; i++)
		turn();
	settling = true;
	for (int i = 0; i < 10; i++)
		turn();
	/* What was asked was done; who closed only one half still gets its answer. */
	ck_assert_uint_eq(credential_set_count(world_target(IQN)->credentials), 1);
	if (_i == 1)
		ck_assert_uint_eq(get_status(fd), 200);
	if (_i)
		close(fd);
	ck_served();
}
END_TEST

START_TEST(clients_that_only_knock)
{
	serve(NULL);
	for (int i = 0; i < 200; i++) {
		close(dial());
		if (i % 7 == 0)
			turn();
	}
	ck_served();
}
END_TEST

/* The endpoint goes first; the change's answer comes later and finds nobody. */
START_TEST(endpoint_that_goes_early)
{
	serve(NULL);
	settling = false;
	const int fd = dial(), other = dial();
	put_text(fd, request_text(UPDATE, UPDATE_IT));
	put_text(other, request_text(OWN "ListTargets", "{}"));
	while (world_waiting() < 2)
		turn();
	control_free(control);
	control = NULL;
	if (_i)
		world_settle();
	/* else api_free() answers them */
	ck_assert(is_closed(fd));
	close(fd);
	close(other);
}
END_TEST

/* --- limits in time and number --- */

START_TEST(idle_client_is_closed)
{
	serve(&(struct control_limits){ 16, 100, 60000 });
	const int fd = dial(), half = dial(), kept = dial();
	put_text(half, "POST / HTTP/1.1\r\nHost:");
	put_text(kept, request_text(DESCRIBE, DESCRIBE_IT));
	ck_assert_uint_eq(get_status(kept), 200);
	ck_assert(is_closed(fd));
	ck_assert(is_closed(half));
	ck_assert(is_closed(kept));
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
	serve(&(struct control_limits){ 16, 60000, 200 });
	const int fd = dial();
	const uint64_t until = clock_now() + GIVE_UP_MS;
	put_text(fd, slow[_i].head);
	unsigned drips = 0;
	while (put_text(fd, slow[_i].drip)) {
		ck_assert_msg(clock_now() < until, "it goes on for ever");
		for (int i = 0; i < 20; i++)
			turn();
		drips++;
		if (drips == 2)
			ck_served(); /* others do not wait for it */
	}
	ck_assert_uint_ge(drips, 2);
	close(fd);
	ck_served();
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
	serve(&(struct control_limits){ 16, 60000, 200 });
	const int fd = dial();
	put_text(fd, request_text(OWN "ListSessions", "{}"));
	const uint64_t until = clock_now() + 1000;
	while (clock_now() < until)
		turn();
	ck_assert_uint_lt(get(fd, taken, sizeof taken), sizeof taken);
	ck_assert(is_closed(fd));
	close(fd);
	ck_served();
}
END_TEST

/* The gate's time is not the client's: K5 bounds it. */
START_TEST(waiting_for_the_gate_is_no_timeout)
{
	serve(&(struct control_limits){ 16, 100, 100 });
	settling = false;
	const int fd = dial();
	put_text(fd, request_text(UPDATE, UPDATE_IT));
	const uint64_t until = clock_now() + 400;
	while (clock_now() < until)
		turn();
	settling = true;
	ck_assert_uint_eq(get_status(fd), 200);
	close(fd);
}
END_TEST

START_TEST(full_house_makes_room)
{
	serve(&(struct control_limits){ 3, 60000, 60000 });
	settling = false;
	const int busy = dial();
	put_text(busy, request_text(UPDATE, UPDATE_IT));
	while (!world_waiting())
		turn();
	const int oldest = dial(), newer = dial();
	turn();
	const int newest = dial();
	put_text(newest, request_text(DESCRIBE, DESCRIBE_IT));
	ck_assert_uint_eq(get_status(newest), 200);
	ck_assert(is_closed(oldest));
	put_text(newer, request_text(DESCRIBE, DESCRIBE_IT));
	ck_assert_uint_eq(get_status(newer), 200);
	settling = true;
	ck_assert_uint_eq(get_status(busy), 200); /* never the one that is being answered */
	close(busy);
	close(oldest);
	close(newer);
	close(newest);
}
END_TEST

START_TEST(full_house_of_the_busy_closes_the_newcomer)
{
	serve(&(struct control_limits){ 2, 60000, 60000 });
	settling = false;
	const int first = dial(), second = dial();
	put_text(first, request_text(UPDATE, UPDATE_IT));
	put_text(second, request_text(UPDATE, UPDATE_IT));
	while (world_waiting() < 2)
		turn();
	const int third = dial();
	ck_assert(is_closed(third));
	settling = true;
	ck_assert_uint_eq(get_status(first), 200);
	ck_assert_uint_eq(get_status(second), 200);
	ck_served();
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
	serve(&(struct control_limits){ CLIENTS, 60000, 60000 });
	for (int i = 0; i < CLIENTS; i++)
		fds[i] = dial();
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < CLIENTS; i++)
			put_text(fds[i], request_text(i % 2 ? DESCRIBE : OWN "ListTargets",
						 i % 2 ? DESCRIBE_IT : "{}"));
		for (int i = 0; i < CLIENTS; i++) {
			struct reply reply = get_reply(fds[i]);
			ck_assert_uint_eq(reply.status, 200);
			ck_assert_ptr_nonnull(
				json_object_get(reply.json, i % 2 ? "ChapCredentials" : "Targets"));
			drop_reply(&reply);
		}
	}
	for (int i = 0; i < CLIENTS; i++)
		close(fds[i]);
}
END_TEST

/* --- who asks --- */

START_TEST(actor_is_the_peer)
{
	char expected[API_ACTOR_SIZE];
	int status = 1;
	serve(NULL);
	const pid_t child = fork();
	if (child == 0) { /* a client in a process of its own, without the endpoint's loop */
		struct sockaddr_un address = { .sun_family = AF_UNIX };
		snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
		const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		const char *text = request_text(UPDATE, UPDATE_IT);
		char reply[16] = "";
		const bool good = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
				  write(fd, text, strlen(text)) > 0 && read(fd, reply, 12) == 12 &&
				  strcmp(reply, "HTTP/1.1 200") == 0;
		_exit(good ? 0 : 1);
	}
	while (waitpid(child, &status, WNOHANG) == 0)
		turn();
	ck_assert_int_eq(status, 0);
	snprintf(expected, sizeof expected, "uid=%u gid=%u pid=%d", getuid(), getgid(), (int)child);
	ck_assert_str_eq(world_actor(), expected);
	ck_assert_ptr_nonnull(strstr(world_log(), expected));
	ck_assert_ptr_null(strstr(world_log(), SECRET));
}
END_TEST

static Suite *control_suite(void)
{
	Suite *suite = suite_create("control");
	TCase *tcase = tcase_create("endpoint");
	tcase_set_timeout(tcase, 2 * GIVE_UP_MS / 1000);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, appears_with_its_mode_and_goes);
	tcase_add_test(tcase, belongs_to_the_group);
	tcase_add_rows(tcase, bad_place_is_a_clear_error, bad_places);
	tcase_add_test(tcase, stale_socket_is_replaced);
	tcase_add_test(tcase, live_socket_is_an_error);
	tcase_add_test(tcase, busy_socket_is_an_error);
	tcase_add_test(tcase, successors_socket_is_left_alone);
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
	tcase_add_test(tcase, idle_client_is_closed);
	tcase_add_rows(tcase, slow_client_is_closed, slow);
	tcase_add_test(tcase, client_that_takes_nothing_is_closed);
	tcase_add_test(tcase, waiting_for_the_gate_is_no_timeout);
	tcase_add_test(tcase, full_house_makes_room);
	tcase_add_test(tcase, full_house_of_the_busy_closes_the_newcomer);
	tcase_add_test(tcase, hundred_clients_at_once);
	tcase_add_test(tcase, actor_is_the_peer);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_main(control_suite());
}
