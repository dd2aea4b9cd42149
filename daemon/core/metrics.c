/* SPDX-License-Identifier: BSD-2-Clause */
/* Which metrics there are: one table a kind. */
#include "config.h"

#include "daemon/core/metrics.h"

#include "daemon/core/metrics_text.h"
#include "daemon/core/registry.h"
#include "daemon/core/stats.h"
#include "daemon/core/target.h"
#include "daemon/core/totals.h"
#include "daemon/core/worker.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LABELS_SIZE 640 /* of one LUN: an escaped target name, a number, some words */

enum { CHANGE_KINDS = CHANGE_EXPIRE + 1, CHANGE_RESULTS = CHANGE_FAILED + 1 };
/* One more: the end of a drain is a LIVE_DRAIN too. */
enum { LIVE_RESUME = LIVE_REMOVE_PORTAL + 1, LIVE_KINDS, LIVE_RESULTS = LIVE_FAILED + 1 };

/* Of a change: from a fast disk's fsync to the last session that would not go. */
static const uint64_t change_bounds[] = { 1000000, 5000000, 10000000, 25000000, 50000000, 100000000,
	250000000, 500000000, 1000000000, 2500000000 };
#define CHANGE_BUCKETS (sizeof change_bounds / sizeof *change_bounds + 1)

struct times {
	uint64_t buckets[CHANGE_BUCKETS];
	uint64_t nanoseconds; /* together */
};

struct metrics {
	struct registry *registry;
	struct workers *workers;
	uint64_t started; /* s since 1970 */
	bool stopping;
	uint64_t changes[CHANGE_KINDS][CHANGE_RESULTS];
	struct times change_times[CHANGE_KINDS]; /* of those that were done */
	uint64_t lives[LIVE_KINDS][LIVE_RESULTS];
	struct times live_times[LIVE_KINDS];
};

static const char *const kind_names[CHANGE_KINDS] = {
	[CHANGE_UPDATE] = "update",
	[CHANGE_DELETE] = "delete",
	[CHANGE_ROTATE] = "rotate",
	[CHANGE_FINISH] = "finish",
	[CHANGE_EXPIRE] = "expire",
};
static const char *const live_names[LIVE_KINDS] = {
	[LIVE_RELOAD] = "reload",
	[LIVE_CREATE_TARGET] = "create_target",
	[LIVE_DELETE_TARGET] = "delete_target",
	[LIVE_CREATE_LUN] = "create_lun",
	[LIVE_DELETE_LUN] = "delete_lun",
	[LIVE_RESIZE_LUN] = "resize_lun",
	[LIVE_SET_READ_ONLY] = "set_read_only",
	[LIVE_DRAIN] = "drain",
	[LIVE_DELETE_VOLUME] = "delete_volume",
	[LIVE_ADD_PORTAL] = "add_portal",
	[LIVE_REMOVE_PORTAL] = "remove_portal",
	[LIVE_RESUME] = "resume",
};
static const char *const operation_names[STATS_OPERATIONS] = { "read", "write", "other" };

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

static void times_add(struct times *times, uint64_t nanoseconds)
{
	size_t bucket = 0;
	while (bucket < CHANGE_BUCKETS - 1 && nanoseconds > change_bounds[bucket])
		bucket++;
	times->buckets[bucket]++;
	times->nanoseconds += nanoseconds;
}

void metrics_change(struct metrics *metrics, enum change_kind kind, enum change_result result,
	uint64_t nanoseconds)
{
	if (!metrics)
		return;
	metrics->changes[kind][result]++;
	if (result == CHANGE_DONE)
		times_add(&metrics->change_times[kind], nanoseconds);
}

void metrics_live(struct metrics *metrics, const struct live_change *change,
	enum live_result result, uint64_t nanoseconds)
{
	const unsigned kind = change->kind == LIVE_DRAIN && !change->flag ? LIVE_RESUME
									  : change->kind;
	metrics->lives[kind][result]++;
	if (result == LIVE_DONE)
		times_add(&metrics->live_times[kind], nanoseconds);
}

void metrics_stopping(struct metrics *metrics)
{
	if (metrics)
		metrics->stopping = true;
}

/* --- what a scrape works on --- */

struct labels {
	char text[LABELS_SIZE]; /* target="...",lun="..." */
};

struct scrape {
	struct metrics_text text;
	struct totals totals;
	struct labels *targets, *luns; /* of the totals', in their order */
};

/* The labels of all, once: each is written many times. 0, or -1 when out of memory. */
static int make_labels(struct scrape *scrape)
{
	const struct totals *totals = &scrape->totals;
	scrape->targets = calloc(totals->target_count, sizeof *scrape->targets);
	scrape->luns = calloc(totals->lun_count + 1, sizeof *scrape->luns);
	if (!scrape->targets || !scrape->luns)
		return -1;
	struct labels *next = scrape->luns;
	for (size_t i = 0; i < totals->target_count; i++) {
		const struct target_totals *target = &totals->targets[i];
		char escaped[METRICS_ESCAPED(256)];
		metrics_escape(escaped, sizeof escaped, target->target ? target->target->name : "");
		char *labels = scrape->targets[i].text;
		snprintf(labels, LABELS_SIZE, "target=\"%s\"", escaped);
		for (size_t n = 0; n < target->lun_count; n++, next++) {
			if (target->luns[n].lun == STATS_NO_LUN)
				snprintf(next->text, LABELS_SIZE, "%.620s,lun=\"none\"", labels);
			else
				snprintf(next->text, LABELS_SIZE, "%.620s,lun=\"%u\"", labels,
					target->luns[n].lun);
		}
	}
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

static void put_commands(struct scrape *scrape)
{
	static const char commands[] = "portcullis_commands_total";
	static const char times[] = "portcullis_command_seconds";
	char all[LABELS_SIZE + 64];
	metrics_begin(&scrape->text, commands, "counter", "SCSI commands answered.");
	for (size_t i = 0; i < scrape->totals.lun_count; i++) {
		const struct lun_totals *sum = &scrape->totals.luns[i];
		for (size_t n = 0; n < STATS_OPERATIONS; n++)
			metrics_sample(&scrape->text, commands, "",
				label_more(
					all, scrape->luns[i].text, "operation", operation_names[n]),
				totals_commands(sum->commands[n]));
	}
	metrics_begin(&scrape->text, times, "histogram",
		"Time from the header of a SCSI command to its response, by what it does.");
	for (size_t i = 0; i < scrape->totals.lun_count; i++) {
		const struct lun_totals *sum = &scrape->totals.luns[i];
		for (size_t n = 0; n < STATS_OPERATIONS; n++) {
			if (totals_commands(sum->commands[n]))
				metrics_histogram(&scrape->text, times,
					label_more(all, scrape->luns[i].text, "operation",
						operation_names[n]),
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
	for (size_t i = 0; i < scrape->totals.lun_count; i++)
		metrics_sample(&scrape->text, in, "", scrape->luns[i].text,
			scrape->totals.luns[i].bytes_in);
	metrics_begin(&scrape->text, out, "counter", "SCSI data taken from initiators.");
	for (size_t i = 0; i < scrape->totals.lun_count; i++)
		metrics_sample(&scrape->text, out, "", scrape->luns[i].text,
			scrape->totals.luns[i].bytes_out);
}

static void put_errors(struct scrape *scrape)
{
	static const char errors[] = "portcullis_command_errors_total";
	static const char refused[] = "portcullis_commands_refused_total";
	char all[LABELS_SIZE + 64];
	metrics_begin(&scrape->text, errors, "counter",
		"SCSI commands that ended with CHECK CONDITION, by sense key.");
	for (size_t i = 0; i < scrape->totals.lun_count; i++) {
		const struct lun_totals *sum = &scrape->totals.luns[i];
		for (size_t n = 0; n < STATS_SENSE_KEYS; n++) {
			if (sum->sense[n])
				metrics_sample(&scrape->text, errors, "",
					label_more(all, scrape->luns[i].text, "sense_key",
						totals_sense_keys[n]),
					sum->sense[n]);
		}
	}
	metrics_begin(&scrape->text, refused, "counter",
		"SCSI commands that ended with any other status than GOOD and CHECK CONDITION.");
	for (size_t i = 0; i < scrape->totals.lun_count; i++)
		metrics_sample(&scrape->text, refused, "", scrape->luns[i].text,
			scrape->totals.luns[i].refused);
}

static void put_targets(struct scrape *scrape)
{
	static const char sessions[] = "portcullis_sessions", logins[] = "portcullis_logins_total";
	char all[LABELS_SIZE + 64];
	metrics_begin(&scrape->text, sessions, "gauge",
		"Sessions in full feature phase; those of unnamed discovery have no target.");
	for (size_t i = 0; i < scrape->totals.target_count; i++)
		metrics_sample(&scrape->text, sessions, "", scrape->targets[i].text,
			scrape->totals.targets[i].sessions);
	metrics_begin(&scrape->text, logins, "counter",
		"Logins by outcome; those to targets that are not served here have no target.");
	for (size_t i = 0; i < scrape->totals.target_count; i++) {
		for (size_t n = 0; n < STATS_LOGINS; n++)
			metrics_sample(&scrape->text, logins, "",
				label_more(all, scrape->targets[i].text, "outcome",
					totals_outcomes[n]),
				scrape->totals.targets[i].logins[n]);
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
		metrics_histogram(&scrape->text, times, kind, metrics->change_times[i].buckets,
			change_bounds, CHANGE_BUCKETS, metrics->change_times[i].nanoseconds);
	}
}

/* What there is none of is no line, but for those that were done: so a rate has a beginning. */
static void put_lives(struct scrape *scrape, const struct metrics *metrics)
{
	static const char *const results[LIVE_RESULTS] = {
		[LIVE_DONE] = "done",
		[LIVE_SAME] = "same",
		[LIVE_EXISTS] = "exists",
		[LIVE_NO_TARGET] = "no_target",
		[LIVE_NO_LUN] = "no_lun",
		[LIVE_REFUSED] = "refused",
		[LIVE_IN_USE] = "in_use",
		[LIVE_FAILED] = "failed",
	};
	static const char changes[] = "portcullis_live_changes_total";
	static const char times[] = "portcullis_live_change_seconds";
	char kind[64], all[LABELS_SIZE + 64];
	metrics_begin(&scrape->text, changes, "counter",
		"Reloads and changes of targets, LUNs and portals asked for, by outcome.");
	for (size_t i = 0; i < LIVE_KINDS; i++) {
		snprintf(kind, sizeof kind, "operation=\"%s\"", live_names[i]);
		for (size_t n = 0; n < LIVE_RESULTS; n++)
			if (n == LIVE_DONE || metrics->lives[i][n])
				metrics_sample(&scrape->text, changes, "",
					label_more(all, kind, "outcome", results[n]),
					metrics->lives[i][n]);
	}
	metrics_begin(&scrape->text, times, "histogram",
		"Time from a request to its reply; of a drain, to the last session's end.");
	for (size_t i = 0; i < LIVE_KINDS; i++) {
		snprintf(kind, sizeof kind, "operation=\"%s\"", live_names[i]);
		if (metrics->lives[i][LIVE_DONE])
			metrics_histogram(&scrape->text, times, kind,
				metrics->live_times[i].buckets, change_bounds, CHANGE_BUCKETS,
				metrics->live_times[i].nanoseconds);
	}
}

static uint64_t rotations_of(struct target *target)
{
	struct credential_set *set = target_credentials(target);
	const uint64_t count = set ? credential_set_retiring_count(set) : 0;
	credential_set_unref(set);
	return count;
}

static uint64_t is_drained(struct target *target)
{
	return target_is_drained(target);
}

static uint64_t is_shut(struct target *target)
{
	struct credential_set *set = target_credentials(target);
	credential_set_unref(set);
	return !set || !registry_is_open(target);
}

/* What a target is in the middle of. */
static void put_states(struct scrape *scrape, const struct metrics *metrics)
{
	static const struct {
		const char *name, *help;
		uint64_t (*value)(struct target *target);
	} states[] = {
		{ "portcullis_rotations", "Rotations under way: two secrets are good.",
			rotations_of },
		{ "portcullis_target_drained", "1: drained, takes no login until it is resumed.",
			is_drained },
		{ "portcullis_target_shut",
			"1: served to nobody, by broken state or LUNs that cannot be opened.",
			is_shut },
	};
	for (size_t n = 0; n < sizeof states / sizeof *states; n++) {
		metrics_begin(&scrape->text, states[n].name, "gauge", states[n].help);
		for (size_t i = 0; i < registry_count(metrics->registry); i++)
			metrics_sample(&scrape->text, states[n].name, "", scrape->targets[i].text,
				states[n].value(registry_at(metrics->registry, i)));
	}
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
		metrics_seconds(&scrape->text, busy, "", label, totals_busy(&workers->all[i]));
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
	scrape.text.failed = totals_take(&scrape.totals, metrics->registry, metrics->workers) ||
			     make_labels(&scrape);
	put_process(&scrape, metrics);
	put_targets(&scrape);
	put_commands(&scrape);
	put_bytes(&scrape);
	put_errors(&scrape);
	if (!scrape.text.failed)
		put_states(&scrape, metrics);
	put_changes(&scrape, metrics);
	put_lives(&scrape, metrics);
	put_workers(&scrape, metrics->workers);
	free(scrape.targets);
	free(scrape.luns);
	totals_free(&scrape.totals);
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
