/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A change runs through these steps: the new overlay is made, merged with the file's targets and checked; stored;
 * applied. What cannot be applied is taken back in the same way: the old overlay stored, the old configuration
 * applied. A crash leaves the old or the new overlay, and a start serves the file with it.
 */
#include "daemon/core/live.h"

#include "base/log.h"
#include "conf/state.h"
#include "daemon/core/clock.h"
#include "daemon/core/closing.h"
#include "daemon/core/live_parts.h"
#include "daemon/core/notify.h"
#include "daemon/core/registry.h"
#include "daemon/core/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void log_dropped(const char *kind, const char *name, const char *what)
{
	log_warning(
		LOG_WHAT("live-change-out-of-force"), LOG_TEXT(kind, name), LOG_TEXT("why", what));
}

/* --- beginning and end --- */

/* The stored overlay, an empty one if there never was any; NULL with a line in `error`. */
static struct overlay *overlay_load(struct state *state, char error[CONFIG_ERROR_SIZE])
{
	char why[STATE_ERROR_SIZE];
	char *words;

	if (state_load_overlay(state, &words, why) != STATE_OK) {
		snprintf(error, CONFIG_ERROR_SIZE, "%s", why);
		return NULL;
	}
	snprintf(error, CONFIG_ERROR_SIZE, "out of memory");
	struct overlay *overlay = words ? overlay_parse("state_directory/live", words, error)
					: overlay_new();
	free(words);
	return overlay;
}

/* What the file names is kept; `file` has it no more once that is replaced. */
static void keep_named(struct live *live, const struct config *file)
{
	live->named = file->targets;
	live->named_count = file->target_count;
	live->named_portals = file->portals;
	live->named_portal_count = file->portal_count;
}

static void forget_named(struct live *live)
{
	config_targets_free(live->named, live->named_count);
	config_portals_free(live->named_portals, live->named_portal_count);
}

/* Stores an overlay. 0, or -1 with a log line. */
static int overlay_store(struct live *live, const struct overlay *overlay)
{
	static const char broken[] = "what a restart would serve is not known; no live change is "
				     "taken any more";
	char why[STATE_ERROR_SIZE] = "out of memory";
	char *words = overlay_write(overlay);
	enum state_result stored = words ? state_store_overlay(live->state, words, why)
					 : STATE_NOT_STORED;

	free(words);
	if (stored == STATE_OK)
		return 0;
	log_error(LOG_WHAT("live-change-not-stored"), LOG_TEXT("why", why),
		LOG_TEXT("then", stored == STATE_BROKEN ? broken : NULL));
	return -1;
}

struct config live_file(const struct live *live)
{
	struct config file = *live->running;

	file.targets = live->named;
	file.target_count = live->named_count;
	file.portals = live->named_portals;
	file.portal_count = live->named_portal_count;
	return file;
}

/*
 * Forgets what the file has taken over: a target that the file drops later must be gone then. What is served is the
 * same with and without it, so a failure is logged, and the next reload tries again.
 */
static void live_yield(struct live *live)
{
	const struct config file = live_file(live);
	struct overlay *left = overlay_copy(live->overlay), *out = left;

	if (left && overlay_yield(left, &file) > 0 && overlay_store(live, left) == 0) {
		out = live->overlay;
		live->overlay = left;
	}
	overlay_free(out);
}

int live_check(const struct config *file, struct state *state, struct config *merged,
	char error[CONFIG_ERROR_SIZE])
{
	struct overlay *overlay = overlay_load(state, error);
	int result = overlay ? overlay_merge(overlay, file, merged, log_dropped, error) : -1;

	overlay_free(overlay);
	return result;
}

struct live *live_new(struct config *running, struct state *state, char error[CONFIG_ERROR_SIZE])
{
	struct live *live = calloc(1, sizeof(*live));
	struct config merged;

	snprintf(error, CONFIG_ERROR_SIZE, "out of memory");
	if (!live)
		return NULL;
	live->state = state;
	live->overlay = overlay_load(state, error);
	if (!live->overlay ||
		overlay_merge(live->overlay, running, &merged, log_dropped, error) < 0) {
		overlay_free(live->overlay);
		free(live);
		return NULL;
	}
	live->running = running;
	keep_named(live, running);
	*running = merged;
	live_yield(live);
	return live;
}

void live_publish_drains(const struct live *live, struct registry *registry)
{
	for (size_t i = 0; i < registry_count(registry); i++) {
		struct target *target = registry_at(registry, i);
		target_drain(target, overlay_is_drained(live->overlay, target->name));
	}
}

void live_attach(struct live *live, const struct live_place *place)
{
	live->place = *place;
	live->jobs.mailbox = place->mailbox;
}

void live_free(struct live *live)
{
	if (!live)
		return;
	forget_named(live);
	overlay_free(live->overlay);
	free(live);
}

bool live_is_idle(const struct live *live)
{
	return !live->jobs.first;
}

/* --- one change --- */

struct config *live_config_take(const struct config *running, struct config *merged)
{
	struct config *config = malloc(sizeof(*config));

	if (!config) {
		overlay_merged_clear(merged);
		return NULL;
	}
	*config = *running;
	config->targets = merged->targets;
	config->target_count = merged->target_count;
	config->portals = merged->portals;
	config->portal_count = merged->portal_count;
	return config;
}

/* What a deletion held takes logins again, if it is still there and was not left without LUNs. */
static void change_release(const struct live_change *change)
{
	struct target *target = change->holds ? registry_find(change->live->place.registry,
							change->target)
					      : NULL;

	if (target)
		target_hold(target, !registry_is_open(target));
}

static void change_end(struct live_change *change, enum live_result result)
{
	change_release(change);
	if (change->after) {
		overlay_merged_clear(change->after);
		free(change->after);
	}
	portal_set_unref(change->portals);
	overlay_free(change->overlay);
	free(change->closure);
	if (!change->out_of_row)
		jobs_end(&change->job);
	if (change->kind == LIVE_RELOAD) {
		change->live->place.reloaded(change->live->place.context);
		notify_reloaded();
	}
	change->live->place.ended(
		change->live->place.context, change, result, clock_nanoseconds() - change->began);
	change->done(change, result);
}

static int apply_targets(
	struct live_change *change, struct config *after, char error[CONFIG_ERROR_SIZE]);

/* What was stored is not served: takes it back. */
static void change_undo(struct live_change *change)
{
	struct live *live = change->live;

	if (change->kind != LIVE_RELOAD && overlay_store(live, live->overlay) < 0)
		log_error(LOG_WHAT("live-change-not-undone"),
			LOG_TEXT("why", "a restart may serve what could not be served now"));
}

static void change_closed(struct closure *closure)
{
	struct live_change *change = closure->context;

	change->sessions = atomic_load(&closure->sessions);
	change_end(change, LIVE_DONE);
}

/* Closes who it is about. When it does not matter who comes meanwhile, others have their turn. */
static void change_close(struct live_change *change, const struct closing_whom *whom)
{
	change->closure = calloc(1, sizeof(*change->closure));
	if (!change->closure) {
		change_end(change, LIVE_FAILED);
		return;
	}
	*change->closure = (struct closure){ .done = change_closed, .context = change };
	if (closing_begin_all(change->live->place.workers, change->closure, whom) < 0) {
		change_end(change, LIVE_FAILED);
		return;
	}
	if (whom->present) {
		change->out_of_row = true;
		jobs_end(&change->job);
	}
}

/*
 * No login begins any more by that target or portal; those who are logged in are asked to log out, or closed. The
 * change ends with `result` if there is nobody to wait for.
 */
static void change_follow(struct live_change *change, enum live_result result)
{
	bool drains = change->kind == LIVE_DRAIN && change->flag;
	const struct closing_whom target = {
		.target = drains ? registry_find(change->live->place.registry, change->target)
				 : NULL,
		.present = true,
		.politely = true,
	};
	const struct closing_whom portal = { .portal = change->portal_text };

	if (target.target)
		change_close(change, &target);
	else if (change->kind == LIVE_REMOVE_PORTAL && change->force)
		change_close(change, &portal);
	else
		change_end(change, result);
}

/* It runs: the running configuration and the overlay are the new ones. */
static void change_publish(struct live_change *change)
{
	struct live *live = change->live;
	const struct config before = *live->running;

	/* All else is the same in both. */
	*live->running = *change->after;
	*change->after = before;
	if (change->overlay) {
		overlay_free(live->overlay);
		live->overlay = change->overlay;
		change->overlay = NULL;
	}
	live_publish_drains(live, live->place.registry);
	live->place.applied(live->place.context);
}

static void reload_log(const struct live *live, const struct apply_result *result)
{
	log_info(LOG_WHAT("reload-done"), LOG_TEXT("path", live->running->file),
		LOG_NUMBER("added", result->added), LOG_NUMBER("changed", result->changed),
		LOG_NUMBER("removed", result->removed), LOG_NUMBER("failed", result->failed),
		LOG_NUMBER("portals_added", result->portals_added),
		LOG_NUMBER("portals_removed", result->portals_removed));
}

static void change_undone(void *context, const struct apply_result *result)
{
	struct live_change *change = context;
	(void)result;

	/* A LUN that cannot be opened is the asker's mistake more often than ours. */
	change_end(change, change->kind == LIVE_CREATE_LUN ? LIVE_REFUSED : LIVE_FAILED);
}

static void change_applied(void *context, const struct apply_result *result)
{
	struct live_change *change = context;
	struct live *live = change->live;

	change->applied = *result;
	if (result->failed)
		snprintf(change->error, sizeof(change->error), "%s", result->why);
	if (result->failed && change->kind != LIVE_RELOAD) {
		change_undo(change);
		change->undoing = true;
		char unused[CONFIG_ERROR_SIZE]; /* what is told is why it had to be undone */
		if (apply_targets(change, live->running, unused) < 0)
			change_end(change, LIVE_FAILED);
		return;
	}
	change_publish(change);
	if (change->kind == LIVE_RELOAD) {
		live_yield(live);
		reload_log(live, result);
	}
	if (result->failed)
		change_end(change, LIVE_FAILED);
	else
		change_follow(change, LIVE_DONE);
}

/* By the overlay that is to be in force. */
static bool change_drains(const void *context, const char *target)
{
	const struct live_change *change = context;
	bool new = change->overlay && !change->undoing;

	return overlay_is_drained(new ? change->overlay : change->live->overlay, target);
}

static int apply_targets(
	struct live_change *change, struct config *after, char error[CONFIG_ERROR_SIZE])
{
	struct live *live = change->live;
	const struct apply_config apply = {
		.base = live->place.base,
		.registry = live->place.registry,
		.workers = live->place.workers,
		.before = live->running,
		.after = after,
		.is_drained = change_drains,
		.portals = change->portals,
		.is_careful = change->kind == LIVE_RELOAD,
		.retry = change->kind == LIVE_RELOAD || change->undoing,
		.done = change->undoing ? change_undone : change_applied,
		.context = change,
	};

	return apply_begin(&apply, error);
}

/* --- a reload --- */

/* What only a restart can change. Targets and portals are apply.c's. */
static void reload_difference(void *context, const char *key, const char *before, const char *after)
{
	const struct live *live = context;

	if (strncmp(key, "targets[", strlen("targets[")) != 0 &&
		strncmp(key, "portals[", strlen("portals[")) != 0)
		log_warning(LOG_WHAT("takes-a-restart"), LOG_TEXT("path", live->running->file),
			LOG_TEXT("key", key), LOG_TEXT("running", before), LOG_TEXT("file", after));
}

static void reload_refuse(struct live_change *change, struct config *file)
{
	log_error(LOG_WHAT("reload-refused"), LOG_TEXT("why", change->error));
	config_free(file);
	change_end(change, LIVE_REFUSED);
}

static bool gateway_is_same(const struct config_gateway *a, const struct config_gateway *b)
{
	return strcmp(a->partition, b->partition) == 0 && strcmp(a->region, b->region) == 0 &&
	       strcmp(a->account, b->account) == 0 && strcmp(a->id, b->id) == 0;
}

/* What the file and the overlay would make. 0, or -1 with a line in `error`. */
static int reload_merge(const struct live *live, const struct config *file, struct config *merged,
	overlay_dropped *dropped, char error[CONFIG_ERROR_SIZE])
{
	if (gateway_is_same(&live->running->gateway, &file->gateway))
		return overlay_merge(live->overlay, file, merged, dropped, error);
	snprintf(error, CONFIG_ERROR_SIZE,
		"gateway is part of every target's ARN, a new one takes a restart");
	return -1;
}

int live_try(const struct live *live, const struct config *file, char error[CONFIG_ERROR_SIZE])
{
	struct config merged;
	int result = reload_merge(live, file, &merged, NULL, error);

	if (result == 0)
		overlay_merged_clear(&merged);
	return result;
}

static void reload_begin(struct live_change *change)
{
	struct live *live = change->live;
	struct config merged;

	notify_reloading();
	live->reload_waits = false;
	struct config *file = config_load(live->running->file, change->error);
	if (!file || reload_merge(live, file, &merged, log_dropped, change->error) < 0) {
		reload_refuse(change, file);
		return;
	}
	config_diff(live->running, file, reload_difference, live);
	change->after = live_config_take(live->running, &merged);
	if (!change->after) {
		snprintf(change->error, sizeof(change->error), "out of memory");
		reload_refuse(change, file);
		return;
	}
	change->portals = portal_set_open(
		live->place.workers->portals, change->after, NULL, change->error);
	if (!change->portals || apply_targets(change, change->after, change->error) < 0) {
		reload_refuse(change, file);
		return;
	}
	/* Nothing but memory of the file's old words depends on these. */
	forget_named(live);
	keep_named(live, file);
	file->targets = NULL;
	file->portals = NULL;
	file->target_count = file->portal_count = 0;
	config_free(file);
}

/* --- a live change --- */

static void change_run(struct job *job)
{
	struct live_change *change = (struct live_change *)job;

	registry_sweep(change->live->place.registry); /* their files may be wanted again */
	if (change->kind == LIVE_RELOAD) {
		reload_begin(change);
		return;
	}
	enum live_result result = live_prepare(change);
	if (result == LIVE_DONE && overlay_store(change->live, change->overlay) < 0)
		result = LIVE_FAILED;
	if (result == LIVE_SAME) {
		change_follow(change, result); /* sessions may be left of the first one */
		return;
	}
	if (result != LIVE_DONE) {
		change_end(change, result);
		return;
	}
	if (apply_targets(change, change->after, change->error) < 0) {
		change_undo(change);
		change_end(change, LIVE_REFUSED);
	}
}

void live_begin(struct live *live, struct live_change *change)
{
	change->live = live;
	change->began = clock_nanoseconds();
	change->job.run = change_run;
	jobs_add(&live->jobs, &change->job);
}

static void reload_forget(struct live_change *change, enum live_result result)
{
	(void)result;
	free(change);
}

void live_reload(struct live *live)
{
	struct live_change *change = live->reload_waits ? NULL : calloc(1, sizeof(*change));

	if (!change) {
		if (!live->reload_waits)
			log_error(LOG_WHAT("reload-refused"), LOG_TEXT("why", "out of memory"));
		return;
	}
	change->kind = LIVE_RELOAD;
	change->done = reload_forget;
	live->reload_waits = true;
	live_begin(live, change);
}
