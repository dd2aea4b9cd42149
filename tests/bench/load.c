/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The load generator: raw PDUs, epoll, one thread. One line of JSON says what it measured.
 *
 *   load -c PORT -t TARGET [-l LUN] [-m io|logins|hold] [-u USER:SECRET] [-s SESSIONS] [-d DEPTH] [-D DEEP]
 *        [-b BYTES] [-w WRITE-PERCENT] [-F] [-g] [-S SPAN-MIB] [-W WARMUP] [-T SECONDS] [-P PID] [-C CPU]
 *
 * io: random commands of one size. -D: the first session's depth. -F: writes have FUA. -g: both digests.
 * logins: logs in and out, one after the other.
 * hold: logs in, says "ready", does nothing until its standard input ends.
 */
#include "tests/bench/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 256

struct measure {
	uint64_t began, cpu;
};

static void measure_begin(const struct load *load, struct measure *measure)
{
	measure->began = bench_now();
	measure->cpu = bench_cpu(load->options.pid);
}

/* In what `value` of the commands are: microseconds. */
static double quantile(const struct load_histogram *histogram, double share)
{
	uint64_t seen = 0, wanted = (uint64_t)((double)histogram->total * share);

	for (unsigned i = 0; i < LOAD_BUCKETS; i++) {
		seen += histogram->count[i];
		if (seen <= wanted)
			continue;
		unsigned high = i < 64 ? 5 : i / 32 + 4;
		uint64_t ns = i < 64 ? i : (32 + (uint64_t)(i % 32)) << (high - 5);
		return (double)ns / 1000;
	}
	return (double)histogram->longest / 1000;
}

static void print_latencies(const char *name, const struct load_histogram *histogram)
{
	printf(", \"%s\": {\"commands\": %llu, \"p50\": %.2f, \"p99\": %.2f, \"longest\": %.2f}",
		name, (unsigned long long)histogram->total, quantile(histogram, 0.5),
		quantile(histogram, 0.99), (double)histogram->longest / 1000);
}

static void print_result(
	const struct load *load, const struct measure *measure, uint64_t units, const char *unit)
{
	uint64_t took = bench_now() - measure->began;
	uint64_t cpu = bench_cpu(load->options.pid) - measure->cpu;

	printf("{\"%s\": %llu, \"per_second\": %.1f, \"cpu_us\": %.4f, \"cpu_share\": %.4f", unit,
		(unsigned long long)units, (double)units * 1e9 / (double)took,
		units ? (double)cpu / 1000 / (double)units : 0, (double)cpu / (double)took);
}

/* --- io --- */

static void watch(struct load *load, struct load_session *session, int operation)
{
	struct epoll_event event = { .events = EPOLLIN | (session->writing ? EPOLLOUT : 0),
		.data.ptr = session };

	epoll_ctl(load->epoll, operation, session->fd, &event);
}

static void session_open(struct load *load, struct load_session *session, uint32_t number)
{
	const struct load_options *options = &load->options;

	session_login(load, session, number);
	session_settle(load, session);
	session->depth = number == 0 && options->deep ? options->deep : options->depth;
	session->histogram = number == 0 ? &load->first : &load->rest;
	session->idle = calloc(session->depth, sizeof(*session->idle));
	session->started = calloc(session->depth, sizeof(*session->started));
	if (!session->idle || !session->started)
		bench_die("out of memory");
	for (uint32_t tag = 0; tag < session->depth; tag++)
		session->idle[session->idle_count++] = tag;
	watch(load, session, EPOLL_CTL_ADD);
}

static void session_send(struct load *load, struct load_session *session)
{
	if (!bench_queue_send(&session->queue, session->fd))
		bench_die("a connection was lost");
	if (session->writing == (session->queue.count > 0))
		return;
	session->writing = !session->writing;
	watch(load, session, EPOLL_CTL_MOD);
}

static void serve(struct load *load, struct load_session *session, uint32_t events)
{
	struct session_turn turn = { load, session };

	if (events & ~(uint32_t)EPOLLOUT) {
		ssize_t got = recv(session->fd, load->received, BENCH_BUFFER, MSG_DONTWAIT);
		load->now = bench_now();
		if (got <= 0)
			bench_die("the target closed a session");
		if (!bench_input_take(
			    &session->input, load->received, (size_t)got, session_receive, &turn))
			bench_die("a digest of the target is wrong");
	}
	session_fill(load, session);
	session_send(load, session);
}

static void run_until(struct load *load, uint64_t end)
{
	while (load->now < end) {
		struct epoll_event events[EVENTS];
		int count = epoll_wait(load->epoll, events, EVENTS, 100);
		if (count <= 0)
			load->now = bench_now();
		for (int i = 0; i < count; i++)
			serve(load, events[i].data.ptr, events[i].events);
	}
}

static void run_io(struct load *load)
{
	const struct load_options *options = &load->options;
	struct measure measure;

	for (uint32_t i = 0; i < options->sessions; i++)
		session_open(load, &load->sessions[i], i);
	load->now = bench_now();
	for (uint32_t i = 0; i < options->sessions; i++) {
		session_fill(load, &load->sessions[i]);
		session_send(load, &load->sessions[i]);
	}
	run_until(load, load->now + (uint64_t)(options->warmup * 1e9));
	load->counting = true;
	load->last = load->now;
	measure_begin(load, &measure);
	run_until(load, load->now + (uint64_t)(options->seconds * 1e9));
	print_result(load, &measure, load->first.total + load->rest.total, "commands");
	printf(", \"errors\": %llu, \"pause_us\": %.1f", (unsigned long long)load->errors,
		(double)load->pause / 1000);
	if (options->deep) {
		print_latencies("first", &load->first);
		print_latencies("rest", &load->rest);
	} else {
		for (unsigned i = 0; i < LOAD_BUCKETS; i++)
			load->rest.count[i] += load->first.count[i];
		load->rest.total += load->first.total;
		if (load->first.longest > load->rest.longest)
			load->rest.longest = load->first.longest;
		print_latencies("latency", &load->rest);
	}
	puts("}");
}

/* --- logins and hold --- */

static void run_logins(struct load *load)
{
	uint64_t count = 0, end = bench_now() + (uint64_t)(load->options.seconds * 1e9);
	struct measure measure;

	measure_begin(load, &measure);
	while (bench_now() < end) {
		struct load_session session = { .fd = -1 };
		session_login(load, &session, (uint32_t)count++);
		session_logout(&session);
		free(session.queue.ring);
	}
	print_result(load, &measure, count, "logins");
	puts("}");
}

static void run_hold(struct load *load)
{
	const struct load_options *options = &load->options;
	struct epoll_event input = { .events = EPOLLIN, .data.ptr = NULL };
	struct measure measure;
	bool more = true;

	for (uint32_t i = 0; i < options->sessions; i++) {
		session_login(load, &load->sessions[i], i);
		session_settle(load, &load->sessions[i]);
		watch(load, &load->sessions[i], EPOLL_CTL_ADD);
	}
	epoll_ctl(load->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input);
	puts("ready");
	fflush(stdout);
	measure_begin(load, &measure);
	while (more) {
		struct epoll_event events[EVENTS];
		int count = epoll_wait(load->epoll, events, EVENTS, -1);
		for (int i = 0; i < count; i++) {
			struct load_session *session = events[i].data.ptr;
			if (!session) {
				more = read(STDIN_FILENO, load->received, 1) > 0;
			} else if (recv(session->fd, load->received, BENCH_BUFFER, MSG_DONTWAIT) <=
				   0) {
				close(session->fd);
				load->ended++;
			}
		}
	}
	print_result(load, &measure, options->sessions, "sessions");
	printf(", \"ended\": %u}\n", load->ended);
}

/* --- options --- */

static uint32_t number_of(const char *text, unsigned long least, unsigned long most)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (end == text || *end || number < least || number > most)
		bench_die("%s: expected a number from %lu to %lu", text, least, most);
	return (uint32_t)number;
}

static void parse_option(struct load_options *options, int option, char *text)
{
	switch (option) {
	case 'c':
		options->address.sin_port = htons((uint16_t)number_of(text, 1, 65535));
		break;
	case 't':
		options->target = text;
		break;
	case 'u':
		options->user = text;
		options->secret = strrchr(text, ':');
		if (!options->secret)
			bench_die("%s: expected USER:SECRET", text);
		text[options->secret++ - text] = 0;
		break;
	case 's':
		options->sessions = number_of(text, 1, 1u << 20);
		break;
	case 'd':
		options->depth = number_of(text, 1, LOAD_DEPTH_MAX);
		break;
	case 'D':
		options->deep = number_of(text, 1, LOAD_DEPTH_MAX);
		break;
	case 'b':
		options->bytes = number_of(text, 512, BENCH_BUFFER);
		break;
	case 'w':
		options->writes = number_of(text, 0, 100);
		break;
	case 'l':
		options->lun = number_of(text, 0, 255);
		break;
	case 'F':
		options->fua = true;
		break;
	case 'g':
		options->digests = true;
		break;
	case 'S':
		options->span = (uint64_t)number_of(text, 1, 1u << 20) << 20;
		break;
	case 'W':
		options->warmup = strtod(text, NULL);
		break;
	case 'T':
		options->seconds = strtod(text, NULL);
		break;
	case 'P':
		options->pid = (int)number_of(text, 1, 1u << 22);
		break;
	case 'C':
		options->cpu = (int)number_of(text, 0, 1023);
		break;
	default:
		bench_die("usage: see the head of tests/bench/load.c");
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(struct load *load);
	} modes[] = { { "io", run_io }, { "logins", run_logins }, { "hold", run_hold } };
	struct load *load = calloc(1, sizeof(*load));
	const char *mode = "io";

	if (!load)
		bench_die("out of memory");
	load->options = (struct load_options){
		.address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) },
		.sessions = 1,
		.depth = 1,
		.bytes = 4096,
		.span = 64u << 20,
		.warmup = 0.2,
		.seconds = 1,
		.cpu = -1,
	};
	for (int option; (option = getopt(argc, argv, "m:c:t:l:u:s:d:D:b:w:FgS:W:T:P:C:")) != -1;)
		if (option == 'm')
			mode = optarg;
		else
			parse_option(&load->options, option, optarg);
	if (!load->options.target || !load->options.address.sin_port)
		bench_die("-c and -t are needed");
	bench_prepare(load->options.cpu);
	load->random = 88172645463325252u;
	load->epoll = epoll_create1(EPOLL_CLOEXEC);
	load->data = aligned_alloc(4096, BENCH_BUFFER);
	load->received = aligned_alloc(4096, BENCH_BUFFER);
	load->sessions = calloc(load->options.sessions, sizeof(*load->sessions));
	if (load->epoll < 0 || !load->data || !load->received || !load->sessions)
		bench_die("out of memory");
	memset(load->data, 0xa5, BENCH_BUFFER);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(modes[i].name, mode) == 0) {
			modes[i].run(load);
			return 0;
		}
	bench_die("%s: no such mode", mode);
}
