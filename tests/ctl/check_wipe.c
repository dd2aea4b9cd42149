/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * [K8] What portcullisctl does with a secret leaves no copy in its memory: after a secret was read,
 * sent and received, all writable memory of the process is searched for it. The secret is made at
 * run time and compared byte by byte through a mask, so that the test holds no copy itself.
 */
#include "base/secret.h"
#include "ctl/http.h"
#include "ctl/secret_input.h"
#include "tests/suite.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define MASK        0x5a
#define LENGTH      16
#define LARGEST_MAP ((size_t)256 << 20) /* beyond it are a sanitizer's own */

static const char masked[LENGTH] = { 'q' ^ MASK, '7' ^ MASK, 'W' ^ MASK, '-' ^ MASK, 'z' ^ MASK,
	'K' ^ MASK, '2' ^ MASK, '!' ^ MASK, 'p' ^ MASK, 'X' ^ MASK, '9' ^ MASK, 'u' ^ MASK,
	'_' ^ MASK, 'D' ^ MASK, '4' ^ MASK, 'm' ^ MASK };

/* Counts the secret in `size` bytes. */
static unsigned count_in(const unsigned char *bytes, size_t size)
{
	const unsigned char *at = bytes, *last = bytes + size - LENGTH;
	unsigned count = 0;

	while (at <= last && (at = memchr(at, masked[0] ^ MASK, (size_t)(last - at) + 1))) {
		size_t same = 1;
		while (same < LENGTH && (at[same] ^ MASK) == masked[same])
			same++;
		count += same == LENGTH;
		at++;
	}
	return count;
}

/* Counts the secret in all that this process can write to, by way of /proc, whatever is mapped how. */
static unsigned count_everywhere(void)
{
	static unsigned char page[4096 + LENGTH]; /* the end of the last one goes before each */
	unsigned count = 0;
	char line[512], mode[5];
	uintptr_t from, to;
	FILE *maps = fopen("/proc/self/maps", "r");
	int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);

	ck_assert(maps && memory >= 0);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &from, &to, mode) != 3 ||
			mode[1] != 'w' || to - from > LARGEST_MAP)
			continue;
		memset(page, 0, sizeof(page));
		for (uintptr_t at = from; at < to; at += 4096) {
			memmove(page, page + 4096, LENGTH);
			if ((uintptr_t)page < at + 4096 && at < (uintptr_t)page + sizeof(page))
				continue;
			if (pread(memory, page + LENGTH, 4096, (off_t)at) == 4096)
				count += count_in(page, sizeof(page));
		}
	}
	close(memory);
	fclose(maps);
	secret_wipe(page, sizeof(page));
	return count;
}

static void reveal(char secret[LENGTH])
{
	for (size_t i = 0; i < LENGTH; i++)
		secret[i] = (char)(masked[i] ^ MASK);
}

/* Without stdio, whose buffers would keep it. */
static void write_secret(const char *path)
{
	char secret[LENGTH];
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	reveal(secret);
	ck_assert_int_eq(write(fd, secret, LENGTH), LENGTH);
	secret_wipe(secret, LENGTH);
	close(fd);
}

START_TEST(search_finds)
{
	char *held = secret_malloc(LENGTH);
	reveal(held);
	ck_assert_uint_eq(count_everywhere(), 1);
	secret_free(held);
	ck_assert_uint_eq(count_everywhere(), 0);
}
END_TEST

START_TEST(file)
{
	char path[] = "/tmp/portcullis-wipe-XXXXXX", error[SECRET_INPUT_ERROR_SIZE];
	size_t length = 0;
	close(mkstemp(path));
	write_secret(path);
	char *secret = secret_from_file(path, &length, error);
	unlink(path);
	ck_assert_ptr_nonnull(secret);
	ck_assert_uint_eq(length, LENGTH);
	ck_assert_uint_eq(count_everywhere(), 1);
	secret_free(secret);
	ck_assert_uint_eq(count_everywhere(), 0);
}
END_TEST

/* A daemon that answers every request with the request's own body, once. */
static void echo(int listening)
{
	static char request[8192];
	char head[128];
	size_t got = 0;
	int fd = accept(listening, NULL, NULL);
	const char *body = NULL;
	size_t wanted = 0;

	while (!body || got < (size_t)(body - request) + wanted) {
		ssize_t more = read(fd, request + got, sizeof(request) - 1 - got);
		if (more <= 0)
			_exit(1);
		got += (size_t)more;
		const char *length = strcasestr(request, "content-length:");
		body = strstr(request, "\r\n\r\n");
		body = body ? body + 4 : NULL;
		wanted = length ? (size_t)strtoul(length + 15, NULL, 10) : 0;
	}
	int size = snprintf(
		head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", wanted);
	if (write(fd, head, (size_t)size) != size || write(fd, body, wanted) != (ssize_t)wanted)
		_exit(1);
	_exit(0);
}

static pid_t start_echo(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, path, strlen(path) + 1);
	ck_assert_int_eq(bind(listening, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(listening, 1), 0);
	pid_t child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0)
		echo(listening);
	close(listening);
	return child;
}

START_TEST(request_and_reply)
{
	char directory[] = "/tmp/portcullis-wipe-XXXXXX", path[64], error[HTTP_ERROR_SIZE];
	struct http_reply reply;
	int status;
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/socket", directory);
	pid_t child = start_echo(path);

	ck_assert_int_eq(http_start(), 0);
	char *secret = secret_malloc(LENGTH);
	reveal(secret);
	json_t *request = json_object();
	json_object_set_new(request, "Secret", json_stringn(secret, LENGTH));
	secret_free(secret);
	ck_assert_int_eq(
		http_call(path, "Some_20261122.Operation", request, NULL, &reply, error), 0);
	ck_assert_int_eq(reply.status, 200);
	ck_assert(json_equal(reply.body, request));
	/* The request's own, the reply's text, the reply's value; curl's buffers are gone. */
	ck_assert_uint_eq(count_everywhere(), 3);
	json_decref(request);
	http_reply_free(&reply);
	ck_assert_uint_eq(count_everywhere(), 0);
	http_stop();

	waitpid(child, &status, 0);
	unlink(path);
	rmdir(directory);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST

/*
 * A library's first call of a function makes the dynamic linker save the registers on the stack, with what a copy has left
 * in them; that is nobody's copy, and which first calls come behind one differs from machine to machine.
 */
static void bind_at_once(char **arguments)
{
	if (getenv("LD_BIND_NOW"))
		return;
	setenv("LD_BIND_NOW", "1", 1);
	execv("/proc/self/exe", arguments);
}

int main(int count, char **arguments)
{
	(void)count;
	bind_at_once(arguments);
	Suite *suite = suite_create("wipe");
	TCase *tcase = tcase_create("K8");

	tcase_set_timeout(tcase, 300);
	tcase_add_test(tcase, search_finds);
	tcase_add_test(tcase, file);
	tcase_add_test(tcase, request_and_reply);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
