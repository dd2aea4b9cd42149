/* SPDX-License-Identifier: BSD-2-Clause */
/* Which metrics there are: one table a kind, and the sums over all workers. */
#include "config.h"

#include "daemon/metrics.h"

#include "daemon/metrics_text.h"
#include "daemon/registry.h"
#include "daemon/stats.h"
#include "daemon/worker.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LABELS_SIZE 640 /* of one LUN: an escaped target name, a number, some words */

/* Those that somebody asks for: what expires is not among them. */
enum { CHANGE_KINDS = CHANGE_EXPIRE, CHANGE_RESULTS = CHANGE_FAILED + 1 };

/* Of a change: from a fast disk's fsync to the last session that would not go. */
static const uint64_t change_bounds[] = { 1000000, 5000000, 10000000, 25000000, 50000000, 100000000,
	250000000, 500000000, 1000000000, 2500000000 };
#define CHANGE_BUCKETS (sizeof change_bounds / sizeof *change_bounds + 1)

struct metrics {
	struct registry *registry;
	struct workers *workers;
	uint64_t started; /* s since 1970 */
	bool stopping;
	uint64_t changes[CHANGE_KINDS][CHANGE_RESULTS];
	uint64_t change_times[CHANGE_KINDS][CHANGE_BUCKETS]; /* of those that were done */
	uint64_t change_nanoseconds[CHANGE_KINDS];
};

static const char *const kind_names[CHANGE_KINDS] = {
	[CHANGE_UPDATE] = "update",
	[CHANGE_DELETE] = "delete",
	[CHANGE_ROTATE] = "rotate",
	[CHANGE_FINISH] = "finish",
};
static const char *const operation_names[STATS_OPERATIONS] = { "read", "write", "other" };
static const char *const sense_names[STATS_SENSE_KEYS] = { "no_sense", "recovered_error",
	"not_ready", "medium_error", "hardware_error", "illegal_request", "unit_attention",
	"data_protect", "blank_check", "vendor_specific", "copy_aborted", "aborted_command",
	"reserved", "volume_overflow", "miscompare", "completed" };

struct metrics *metrics_new(struct registry *registry, struct workers *workers)
{
	struct metrics *metrics = calloc(1, sizeof *metrics);
	if (metrics)
		*metrics = (struct metrics){
			.registry = registry, .workers = workers, .started = (uint64_t)time(NULL)
		};
	return metrics;
}

void metrics_free(struct metrics *metrics)
{
	free(metrics);
}

void metrics_change(struct metrics *metrics, enum change_kind kind, enum change_result result,
	uint64_t nanoseconds)
{
	if (!metrics || (unsigned)kind >= CHANGE_KINDS)
		return;
	metrics->changes[kind][result]++;
	if (result != CHANGE_DONE)
		return;
	size_t bucket = 0;
	while (bucket < CHANGE_BUCKETS - 1 && nanoseconds > change_bounds[bucket])
		bucket++;
	metrics->change_times[kind][bucket]++;
	metrics->change_nanoseconds[kind] += nanoseconds;
}

void metrics_stopping(struct metrics *metrics)
{
	if (metrics)
		metrics->stopping = true;
}

/* --- what a scrape works on: the sums of all targets and LUNs --- */

struct lun_sum {
	char labels[LABELS_SIZE]; /* target="...",lun="..." */
	uint64_t commands[STATS_OPERATIONS][STATS_BUCKETS];
	uint64_t nanoseconds[STATS_OPERATIONS];
	uint64_t bytes_in, bytes_out;
	uint64_t sense[STATS_SENSE_KEYS];
	uint64_t refused;
};

struct target_sum {
	char labels[LABELS_SIZE]; /* target="..." */
	uint64_t sessions;
	uint64_t logins[STATS_LOGINS];
};

struct scrape {
	struct metrics_text text;
	struct target_sum *targets; /* the listed ones, then "" */
	size_t target_count;
	struct lun_sum *luns;
	size_t lun_count;
	const struct stats_target **counted; /* of all workers, by name */
	size_t counted_count;
};

static int compare_counted(const void *a, const void *b)
{
	const struct stats_target *left = *(const struct stats_target *const *)a;
	const struct stats_target *right = *(const struct stats_target *const *)b;
	return strcmp(left->name, right->name);
}

/* What all workers have counted, in an order to search in. */
static int collect(struct scrape *scrape, const struct workers *workers)
{
	size_t room = 0;
	for (unsigned i = 0; i < workers->count; i++) {
		const struct stats_target *target = stats_first(workers->all[i].stats);
		for (; target; target = target->next) {
			if (scrape->counted_count == room) {
				room = room ? 2 * room : 64;
				const struct stats_target **grown = reallocarray(
					scrape->counted, room, sizeof *grown);
				if (!grown)
					return -1;
				scrape->counted = grown;
			}
			scrape->counted[scrape->counted_count++] = target;
		}
	}
	if (scrape->counted_count)
		qsort(scrape->counted, scrape->counted_count, sizeof *scrape->counted,
			compare_counted);
	return 0;
}

/* The place of the first one of that name; `counted_count` if there is none behind it. */
static size_t first_counted(const struct scrape *scrape, const char *name)
{
	size_t low = 0, high = scrape->counted_count;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (strcmp(scrape->counted[middle]->name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void add_lun(struct lun_sum *sum, const struct stats_lun *lun)
{
	for (size_t i = 0; i < STATS_OPERATIONS; i++) {
		for (size_t n = 0; n < STATS_BUCKETS; n++)
			sum->commands[i][n] += stats_read(&lun->commands[i][n]);
		sum->nanoseconds[i] += stats_read(&lun->nanoseconds[i]);
	}
	for (size_t i = 0; i < STATS_SENSE_KEYS; i++)
		sum->sense[i] += stats_read(&lun->sense[i]);
	sum->bytes_in += stats_read(&lun->bytes_in);
	sum->bytes_out += stats_read(&lun->bytes_out);
	sum->refused += stats_read(&lun->refused);
}

/* One target's sums, and those of its LUN `number` (named `lun`). */
static void sum_lun(
	struct scrape *scrape, const struct target_sum *target, const char *name, unsigned number)
{
	struct lun_sum *sum = &scrape->luns[scrape->lun_count];
	bool any = number != STATS_NO_LUN;
	for (size_t i = first_counted(scrape, name);
		i < scrape->counted_count && strcmp(scrape->counted[i]->name, name) == 0; i++) {
		const struct stats_lun *lun = stats_lun_of(scrape->counted[i], number);
		if (lun)
			add_lun(sum, lun);
		any = any || lun;
	}
	/* Commands to LUNs that do not exist are a line only where there were some. */
	if (!any)
		return;
	if (number == STATS_NO_LUN)
		snprintf(sum->labels, sizeof sum->labels, "%.620s,lun=\"none\"", target->labels);
	else
		snprintf(sum->labels, sizeof sum->labels, "%.620s,lun=\"%u\"", target->labels,
			number);
	scrape->lun_count++;
}

static struct target_sum *sum_target(struct scrape *scrape, const char *name)
{
	struct target_sum *sum = &scrape->targets[scrape->target_count++];
	char escaped[METRICS_ESCAPED(256)];
	metrics_escape(escaped, sizeof escaped, name);
	snprintf(sum->labels, sizeof sum->labels, "target=\"%s\"", escaped);
	for (size_t i = first_counted(scrape, name);
		i < scrape->counted_count && strcmp(scrape->counted[i]->name, name) == 0; i++) {
		const struct stats_target *target = scrape->counted[i];
		sum->sessions += stats_read(&target->sessions);
		for (size_t n = 0; n < STATS_LOGINS; n++)
			sum->logins[n] += stats_read(&target->logins[n]);
	}
	return sum;
}

/* 0, or -1 when out of memory. */
static int sum_all(struct scrape *scrape, const struct metrics *metrics)
{
	const struct registry *registry = metrics->registry;
	const size_t count = registry_count(registry);
	size_t luns = 1;
	for (size_t i = 0; i < count; i++)
		luns += registry_at(registry, i)->config->lun_count + 1;
	scrape->targets = calloc(count + 1, sizeof *scrape->targets);
	scrape->luns = calloc(luns, sizeof *scrape->luns);
	if (!scrape->targets || !scrape->luns || collect(scrape, metrics->workers))
		return -1;
	for (size_t i = 0; i < count; i++) {
		const struct target *target = registry_at(registry, i);
		const struct target_sum *sum = sum_target(scrape, target->name);
		for (size_t n = 0; n < target->config->lun_count; n++)
			sum_lun(scrape, sum, target->name, target->config->luns[n].lun);
		sum_lun(scrape, sum, target->name, STATS_NO_LUN);
	}
	sum_target(scrape, "");
	return 0;
}

/* --- the lines --- */

/* `labels` and one more. */
static const char *label_more(
	char all[LABELS_SIZE + 64], const char *labels, const char *label, const char *value)
{
	snprintf(
		all, LABELS_SIZE + 64, "%s%s%s=\"%s\"", labels, labels[0] ? "," : "", label, value);
	return all;
}

static uint64_t total(const uint64_t *counts, size_t count)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < count; i++)
		sum += counts[i];
	return sum;
}

static void put_commands(struct scrape *scrape)
{
	static const char commands[] = "portcullis_commands_total";
	static const char times[] = "portcullis_command_seconds";
	char all[LABELS_SIZE + 64];
	metrics_begin(&scrape->text, commands, "counter", "SCSI commands answered.");
	for (size_t i = 0; i < scrape->lun_count; i++) {
		const struct lun_sum *sum = &scrape->luns[i];
		for (size_t n = 0; n < STATS_OPERATIONS; n++)
			metrics_sample(&scrape->text, commands, "",
				label_more(all, sum->labels, "operation", operation_names[n]),
				total(sum->commands[n], STATS_BUCKETS));
	}
	metrics_begin(&scrape->text, times, "histogram",
		"Time from the header of a SCSI command to its response, by what it does.");
	for (size_t i = 0; i < scrape->lun_count; i++) {
		const struct lun_sum *sum = &scrape->luns[i];
		for (size_t n = 0; n < STATS_OPERATIONS; n++) {
			if (total(sum->commands[n], STATS_BUCKETS))
				metrics_histogram(&scrape->text, times,
					label_more(
						all, sum->labels, "operation", operation_names[n]),
					sum->commands[n], stats_bounds, STATS_BUCKETS,
					sum->nanoseconds[n]);
		}
	}
}

static void put_bytes(struct scrape *scrape)
{
	static const char in[] = "portcullis_read_bytes_total";
	static const char out[] = "portcullis_written_bytes_total";
	metrics_begin(&scrape->text, in, "counter", "SCSI data sent to initiators.");
	for (size_t i = 0; i < scrape->lun_count; i++)
		metrics_sample(
			&scrape->text, in, "", scrape->luns[i].labels, scrape->luns[i].bytes_in);
	metrics_begin(&scrape->text, out, "counter", "SCSI data taken from initiators.");
	for (size_t i = 0; i < scrape->lun_count; i++)
		metrics_sample(
			&scrape->text, out, "", scrape->luns[i].labels, scrape->luns[i].bytes_out);
}

static void put_errors(struct scrape *scrape)
{
	static const char errors[] = "portcullis_command_errors_total";
	static const char refused[] = "portcullis_commands_refused_total";
	char all[LABELS_SIZE + 64];
	metrics_begin(&scrape->text, errors, "counter",
		"SCSI commands that ended with CHECK CONDITION, by sense key.");
	for (size_t i = 0; i < scrape->lun_count; i++) {
		const struct lun_sum *sum = &scrape->luns[i];
		for (size_t n = 0; n < STATS_SENSE_KEYS; n++) {
			if (sum->sense[n])
				metrics_sample(&scrape->text, errors, "",
					label_more(all, sum->labels, "sense_key", sense_names[n]),
					sum->sense[n]);
		}
	}
	metrics_begin(&scrape->text, refused, "counter",
		"SCSI commands that ended with any other status than GOOD and CHECK CONDITION.");
	for (size_t i = 0; i < scrape->lun_count; i++)
		metrics_sample(&scrape->text, refused, "", scrape->luns[i].labels,
			scrape->luns[i].refused);
}

static void put_targets(struct scrape *scrape)
{
	static const char *const outcomes[STATS_LOGINS] = {
		[STATS_LOGIN_ACCEPTED] = "accepted",
		[STATS_LOGIN_NOT_AUTHENTICATED] = "not_authenticated",
		[STATS_LOGIN_NOT_AUTHORIZED] = "not_authorized",
		[STATS_LOGIN_NO_TARGET] = "no_target",
		[STATS_LOGIN_UNAVAILABLE] = "unavailable",
		[STATS_LOGIN_REFUSED] = "refused",
	};
	static const char sessions[] = "portcullis_sessions", logins[] = "portcullis_logins_total";
	char all[LABELS_SIZE + 64];
	metrics_begin(&scrape->text, sessions, "gauge",
		"Sessions in full feature phase; those of unnamed discovery have no target.");
	for (size_t i = 0; i < scrape->target_count; i++)
		metrics_sample(&scrape->text, sessions, "", scrape->targets[i].labels,
			scrape->targets[i].sessions);
	metrics_begin(&scrape->text, logins, "counter",
		"Logins by outcome; those to targets that are not served here have no target.");
	for (size_t i = 0; i < scrape->target_count; i++) {
		for (size_t n = 0; n < STATS_LOGINS; n++)
			metrics_sample(&scrape->text, logins, "",
				label_more(all, scrape->targets[i].labels, "outcome", outcomes[n]),
				scrape->targets[i].logins[n]);
	}
}

static void put_changes(struct scrape *scrape, const struct metrics *metrics)
{
	static const char *const results[CHANGE_RESULTS] = {
		[CHANGE_DONE] = "done",
		[CHANGE_NO_INITIATOR] = "no_initiator",
		[CHANGE_NOT_SUPPORTED] = "not_supported",
		[CHANGE_SAME_SECRET] = "same_secret",
		[CHANGE_ROTATING] = "rotating",
		[CHANGE_FAILED] = "failed",
	};
	static const char changes[] = "portcullis_credential_changes_total";
	static const char times[] = "portcullis_credential_change_seconds";
	char kind[64], all[LABELS_SIZE + 64];
	metrics_begin(
		&scrape->text, changes, "counter", "Credential changes asked for, by outcome.");
	for (size_t i = 0; i < CHANGE_KINDS; i++) {
		snprintf(kind, sizeof kind, "operation=\"%s\"", kind_names[i]);
		for (size_t n = 0; n < CHANGE_RESULTS; n++)
			metrics_sample(&scrape->text, changes, "",
				label_more(all, kind, "outcome", results[n]),
				metrics->changes[i][n]);
	}
	metrics_begin(&scrape->text, times, "histogram",
		"Time from a request to its reply, when all older sessions are closed.");
	for (size_t i = 0; i < CHANGE_KINDS; i++) {
		snprintf(kind, sizeof kind, "operation=\"%s\"", kind_names[i]);
		metrics_histogram(&scrape->text, times, kind, metrics->change_times[i],
			change_bounds, CHANGE_BUCKETS, metrics->change_nanoseconds[i]);
	}
}

/* The processor time of a worker's thread: it blocks nowhere but in its wait for events. */
static uint64_t busy_nanoseconds(const struct worker *worker)
{
	struct timespec busy = { 0 };
	clockid_t clock;
	if (pthread_getcpuclockid(worker->thread, &clock) || clock_gettime(clock, &busy))
		return 0;
	return (uint64_t)busy.tv_sec * 1000000000 + (uint64_t)busy.tv_nsec;
}

static void put_workers(struct scrape *scrape, const struct workers *workers)
{
	static const char load[] = "portcullis_worker_connections";
	static const char turns[] = "portcullis_worker_turns_total";
	static const char busy[] = "portcullis_worker_busy_seconds_total";
	char label[32];
	metrics_begin(&scrape->text, load, "gauge", "Connections of a worker, in any state.");
	for (unsigned i = 0; i < workers->count; i++) {
		snprintf(label, sizeof label, "worker=\"%u\"", i);
		metrics_sample(&scrape->text, load, "", label, atomic_load(&workers->all[i].load));
	}
	metrics_begin(&scrape->text, turns, "counter", "Turns of a worker's loop.");
	for (unsigned i = 0; i < workers->count; i++) {
		snprintf(label, sizeof label, "worker=\"%u\"", i);
		metrics_sample(
			&scrape->text, turns, "", label, stats_read(&workers->all[i].stats->turns));
	}
	metrics_begin(&scrape->text, busy, "counter",
		"Processor time of a worker; divided by its turns, the busy time of a turn.");
	for (unsigned i = 0; i < workers->count; i++) {
		snprintf(label, sizeof label, "worker=\"%u\"", i);
		metrics_seconds(&scrape->text, busy, "", label, busy_nanoseconds(&workers->all[i]));
	}
}

static void put_process(struct scrape *scrape, const struct metrics *metrics)
{
	static const char info[] = "portcullis_info";
	static const char started[] = "portcullis_start_time_seconds";
	metrics_begin(&scrape->text, info, "gauge", "Always 1; which version runs.");
	metrics_sample(&scrape->text, info, "", "version=\"" PACKAGE_VERSION "\"", 1);
	metrics_begin(&scrape->text, started, "gauge", "When the daemon started, since 1970.");
	metrics_sample(&scrape->text, started, "", "", metrics->started);
}

char *metrics_text(const struct metrics *metrics, size_t *length)
{
	struct scrape scrape = { 0 };
	scrape.text.failed = sum_all(&scrape, metrics) != 0;
	put_process(&scrape, metrics);
	put_targets(&scrape);
	put_commands(&scrape);
	put_bytes(&scrape);
	put_errors(&scrape);
	put_changes(&scrape, metrics);
	put_workers(&scrape, metrics->workers);
	free(scrape.targets);
	free(scrape.luns);
	free(scrape.counted);
	if (scrape.text.failed) {
		free(scrape.text.bytes);
		return NULL;
	}
	*length = scrape.text.length;
	return scrape.text.bytes;
}

/* --- over HTTP --- */

static void give_back(const void *bytes, size_t length, void *context)
{
	(void)length, (void)context;
	free((void *)(uintptr_t)bytes);
}

/* evhttp would send a body also after HEAD. */
static bool wants_body(struct evhttp_request *request)
{
	return evhttp_request_get_command(request) != EVHTTP_REQ_HEAD;
}

static void reply(struct evhttp_request *request, int status, const char *reason, const char *word)
{
	struct evbuffer *out = evhttp_request_get_output_buffer(request);
	evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", "text/plain");
	if (wants_body(request))
		evbuffer_add(out, word, strlen(word));
	evhttp_send_reply(request, status, reason, NULL);
}

static void reply_metrics(const struct metrics *metrics, struct evhttp_request *request)
{
	struct evbuffer *out = evhttp_request_get_output_buffer(request);
	size_t length = 0;
	char *text = wants_body(request) ? metrics_text(metrics, &length) : NULL;
	if (wants_body(request) &&
		(!text || evbuffer_add_reference(out, text, length, give_back, NULL))) {
		free(text);
		reply(request, HTTP_SERVUNAVAIL, "Service Unavailable", "out of memory\n");
		return;
	}
	evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
		"text/plain; version=0.0.4; charset=utf-8");
	evhttp_send_reply(request, HTTP_OK, "OK", NULL);
}

static const char *path_of(struct evhttp_request *request)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
	return path ? path : "";
}

bool metrics_wants(struct evhttp_request *request)
{
	const char *path = path_of(request);
	return strcmp(path, "/metrics") == 0 || strcmp(path, "/healthz") == 0;
}

void metrics_answer(const struct metrics *metrics, struct evhttp_request *request)
{
	const enum evhttp_cmd_type method = evhttp_request_get_command(request);
	if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
		evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", "GET, HEAD");
		reply(request, HTTP_BADMETHOD, "Method Not Allowed", "GET and HEAD only\n");
	} else if (strcmp(path_of(request), "/metrics") == 0) {
		reply_metrics(metrics, request);
	} else if (metrics->stopping) {
		reply(request, HTTP_SERVUNAVAIL, "Service Unavailable", "stopping\n");
	} else {
		reply(request, HTTP_OK, "OK", "ok\n");
	}
}
