/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A change runs through these steps: the new overlay is made, merged with the file's targets and checked; stored;
 * applied. What cannot be applied is taken back in the same way: the old overlay stored, the old configuration
 * applied. A crash leaves the old or the new overlay, and a start serves the file with it.
 */
#include "daemon/live.h"

#include "base/log.h"
#include "conf/state.h"
#include "daemon/closing.h"
#include "daemon/notify.h"
#include "daemon/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct live {
	struct config *running;
	struct config_target *named; /* the file's */
	size_t named_count;
	struct overlay *overlay;
	struct state *state;
	struct live_place place;
	struct jobs jobs;
	bool reload_waits; /* a reload is in the queue that has not begun */
};

static void log_dropped(const char *target, const char *what)
{
	log_warning("target=%s: %s, so it is not in force", target, what);
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

int live_check(const struct config *file, struct state *state, char error[CONFIG_ERROR_SIZE])
{
	struct overlay *overlay = overlay_load(state, error);
	struct config_target *targets = NULL;
	size_t count = 0;
	int result = overlay ? overlay_merge(overlay, file, &targets, &count, log_dropped, error)
			     : -1;

	config_targets_free(targets, count);
	overlay_free(overlay);
	return result;
}

struct live *live_new(struct config *running, struct state *state, char error[CONFIG_ERROR_SIZE])
{
	struct live *live = calloc(1, sizeof(*live));
	struct config_target *targets;
	size_t count;

	snprintf(error, CONFIG_ERROR_SIZE, "out of memory");
	if (!live)
		return NULL;
	live->state = state;
	live->overlay = overlay_load(state, error);
	if (!live->overlay ||
		overlay_merge(live->overlay, running, &targets, &count, log_dropped, error) < 0) {
		overlay_free(live->overlay);
		free(live);
		return NULL;
	}
	live->running = running;
	live->named = running->targets;
	live->named_count = running->target_count;
	running->targets = targets;
	running->target_count = count;
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
	config_targets_free(live->named, live->named_count);
	overlay_free(live->overlay);
	free(live);
}

bool live_is_idle(const struct live *live)
{
	return !live->jobs.first;
}

/* --- one change --- */

/* A configuration that is `running` but for its targets, which are taken. NULL when out of memory. */
static struct config *config_with(
	const struct config *running, struct config_target *targets, size_t count)
{
	struct config *config = malloc(sizeof(*config));

	if (!config)
		return NULL;
	*config = *running;
	config->targets = targets;
	config->target_count = count;
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
		config_targets_free(change->after->targets, change->after->target_count);
		free(change->after);
	}
	overlay_free(change->overlay);
	free(change->closure);
	if (!change->out_of_row)
		jobs_end(&change->job);
	if (change->kind == LIVE_RELOAD) {
		change->live->place.reloaded(change->live->place.context);
		notify_reloaded();
	}
	change->done(change, result);
}

/* Stores an overlay. 0, or -1 with a log line. */
static int overlay_store(struct live *live, const struct overlay *overlay)
{
	char why[STATE_ERROR_SIZE] = "out of memory";
	char *words = overlay_write(overlay);
	enum state_result stored = words ? state_store_overlay(live->state, words, why)
					 : STATE_NOT_STORED;

	free(words);
	if (stored == STATE_OK)
		return 0;
	log_error("live change not stored: %s", why);
	if (stored == STATE_BROKEN)
		log_error("what a restart would serve is not known; no live change is taken any "
			  "more");
	return -1;
}

static int apply_targets(
	struct live_change *change, struct config *after, char error[CONFIG_ERROR_SIZE]);

/* What was stored is not served: takes it back. */
static void change_undo(struct live_change *change)
{
	struct live *live = change->live;

	if (change->kind != LIVE_RELOAD && overlay_store(live, live->overlay) < 0)
		log_error("a restart may serve what could not be served now");
}

static void drain_closed(struct closure *closure)
{
	struct live_change *change = closure->context;

	change->sessions = atomic_load(&closure->sessions);
	change_end(change, LIVE_DONE);
}

/* No login begins any more; who is logged in is asked to log out. That may take its time: others have their turn. */
static void drain_begin(struct live_change *change)
{
	struct live *live = change->live;
	struct target *target = registry_find(live->place.registry, change->target);

	if (!change->flag || !target) {
		change_end(change, LIVE_DONE);
		return;
	}
	change->closure = calloc(1, sizeof(*change->closure));
	if (!change->closure) {
		change_end(change, LIVE_FAILED);
		return;
	}
	*change->closure = (struct closure){ .done = drain_closed, .context = change };
	const struct closing_whom all = { .target = target, .present = true, .politely = true };
	if (closing_begin_all(live->place.workers, change->closure, &all) < 0) {
		change_end(change, LIVE_FAILED);
		return;
	}
	change->out_of_row = true;
	jobs_end(&change->job);
}

/* It runs: the running configuration and the overlay are the new ones. */
static void change_publish(struct live_change *change)
{
	struct live *live = change->live;
	struct config_target *targets = live->running->targets;
	size_t count = live->running->target_count;

	live->running->targets = change->after->targets;
	live->running->target_count = change->after->target_count;
	change->after->targets = targets;
	change->after->target_count = count;
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
	if (result->added + result->changed + result->removed + result->failed == 0)
		log_info("reload: the targets of %s are as they were", live->running->file);
	else
		log_info("reload: done targets_added=%u changed=%u removed=%u failed=%u",
			result->added, result->changed, result->removed, result->failed);
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
	if (change->kind == LIVE_RELOAD)
		reload_log(live, result);
	if (change->kind == LIVE_DRAIN)
		drain_begin(change);
	else
		change_end(change, result->failed ? LIVE_FAILED : LIVE_DONE);
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
		.retry = change->kind == LIVE_RELOAD || change->undoing,
		.done = change->undoing ? change_undone : change_applied,
		.context = change,
	};

	return apply_begin(&apply, error);
}

/* --- a reload --- */

/* What only a restart can change. Targets are apply.c's. */
static void reload_difference(void *context, const char *key, const char *before, const char *after)
{
	const struct live *live = context;

	if (strncmp(key, "targets[", strlen("targets[")) != 0)
		log_warning("%s: %s: \"%s\" -> \"%s\" takes a restart, the running value stays",
			live->running->file, key, before, after);
}

static void reload_refuse(struct live_change *change, struct config *file)
{
	log_error("reload: %s; the running configuration stays", change->error);
	config_free(file);
	change_end(change, LIVE_REFUSED);
}

static bool gateway_is_same(const struct config_gateway *a, const struct config_gateway *b)
{
	return strcmp(a->partition, b->partition) == 0 && strcmp(a->region, b->region) == 0 &&
	       strcmp(a->account, b->account) == 0 && strcmp(a->id, b->id) == 0;
}

/* The targets that the file and the overlay would make. 0, or -1 with a line in `error`. */
static int reload_merge(const struct live *live, const struct config *file,
	struct config_target **targets, size_t *count, overlay_dropped *dropped,
	char error[CONFIG_ERROR_SIZE])
{
	if (gateway_is_same(&live->running->gateway, &file->gateway))
		return overlay_merge(live->overlay, file, targets, count, dropped, error);
	snprintf(error, CONFIG_ERROR_SIZE,
		"gateway is part of every target's ARN, a new one takes a restart");
	return -1;
}

int live_try(const struct live *live, const struct config *file, char error[CONFIG_ERROR_SIZE])
{
	struct config_target *targets = NULL;
	size_t count = 0;
	int result = reload_merge(live, file, &targets, &count, NULL, error);

	config_targets_free(targets, count);
	return result;
}

static void reload_begin(struct live_change *change)
{
	struct live *live = change->live;
	struct config_target *targets = NULL;
	size_t count = 0;

	notify_reloading();
	live->reload_waits = false;
	struct config *file = config_load(live->running->file, change->error);
	if (!file || reload_merge(live, file, &targets, &count, log_dropped, change->error) < 0) {
		reload_refuse(change, file);
		return;
	}
	config_diff(live->running, file, reload_difference, live);
	change->after = config_with(live->running, targets, count);
	if (!change->after)
		abort(); /* nothing has been touched; a daemon without 200 bytes serves nobody */
	if (apply_targets(change, change->after, change->error) < 0) {
		reload_refuse(change, file);
		return;
	}
	/* Nothing but memory of the file's old words depends on these. */
	config_targets_free(live->named, live->named_count);
	live->named = file->targets;
	live->named_count = file->target_count;
	file->targets = NULL;
	file->target_count = 0;
	config_free(file);
}

/* --- a live change --- */

/* A target without a LUN is none: the last one takes it along. */
static enum overlay_result remove_volume(
	const struct live_change *change, struct overlay *overlay, const struct overlay_view *view)
{
	enum overlay_result removed = overlay_remove_lun(
		overlay, view, change->target, change->lun);

	return removed == OVERLAY_LAST ? overlay_remove_target(overlay, view, change->target)
				       : removed;
}

static enum overlay_result change_edit(struct live_change *change, struct overlay *overlay)
{
	const struct live *live = change->live;
	const struct overlay_view view = { .named = live->named,
		.named_count = live->named_count,
		.running = live->running->targets,
		.running_count = live->running->target_count };

	switch (change->kind) {
	case LIVE_CREATE_TARGET:
		return overlay_add_target(overlay, &view, change->wanted->targets);
	case LIVE_DELETE_TARGET:
		return overlay_remove_target(overlay, &view, change->target);
	case LIVE_CREATE_LUN:
		return overlay_add_lun(
			overlay, &view, change->target, change->wanted->additions->luns);
	case LIVE_DELETE_LUN:
		return overlay_remove_lun(overlay, &view, change->target, change->lun);
	case LIVE_RESIZE_LUN:
		return overlay_resize_lun(
			overlay, &view, change->target, change->lun, change->size);
	case LIVE_SET_READ_ONLY:
		return overlay_set_read_only(
			overlay, &view, change->target, change->lun, change->flag);
	case LIVE_DRAIN:
		return overlay_set_drained(overlay, &view, change->target, change->flag);
	case LIVE_DELETE_VOLUME:
		return remove_volume(change, overlay, &view);
	case LIVE_RELOAD:
		break;
	}
	abort();
}

/* The result to end with, or LIVE_DONE to go on. */
static enum live_result edit_result(struct live_change *change, enum overlay_result edited)
{
	static const enum live_result results[] = {
		[OVERLAY_DONE] = LIVE_DONE,
		[OVERLAY_SAME] = LIVE_SAME,
		[OVERLAY_EXISTS] = LIVE_EXISTS,
		[OVERLAY_NO_TARGET] = LIVE_NO_TARGET,
		[OVERLAY_NO_LUN] = LIVE_NO_LUN,
		[OVERLAY_NAMED] = LIVE_REFUSED,
		[OVERLAY_LAST] = LIVE_REFUSED,
		[OVERLAY_OUT_OF_MEMORY] = LIVE_FAILED,
	};

	if (edited == OVERLAY_NAMED)
		snprintf(change->error, sizeof(change->error),
			"The configuration file names it: change it there and reload.");
	if (edited == OVERLAY_LAST)
		snprintf(change->error, sizeof(change->error),
			"It is the target's only LUN: delete the target.");
	return results[edited];
}

/* Whether a size may be the LUN's new one; LIVE_DONE to go on. */
static enum live_result check_size(struct live_change *change)
{
	const struct target *target = registry_find(change->live->place.registry, change->target);

	for (size_t i = 0; target && i < target->config->lun_count; i++) {
		uint64_t now = registry_lun_size(target, i);
		if (target->config->luns[i].lun != change->lun)
			continue;
		if (change->size == now)
			return LIVE_SAME;
		if (change->size > now)
			return registry_lun_try_grow(target, i, change->size, change->error) < 0
				       ? LIVE_REFUSED
				       : LIVE_DONE;
		snprintf(change->error, sizeof(change->error),
			"SizeInBytes is %llu, but the LUN has %llu already and only grows.",
			(unsigned long long)change->size, (unsigned long long)now);
		return LIVE_REFUSED;
	}
	return LIVE_DONE;
}

/* Opening a target's LUNs anew would empty those in memory that stay. */
static enum live_result check_memory(struct live_change *change, bool lun_goes)
{
	const struct config_target *before = config_target_find(change->live->running->targets,
		change->live->running->target_count, change->target);

	for (size_t i = 0; i < before->lun_count; i++) {
		const struct config_lun *lun = &before->luns[i];
		bool goes = lun_goes && lun->lun == change->lun;
		if (goes || strcmp(lun->path, "memory:") != 0)
			continue;
		snprintf(change->error, sizeof(change->error),
			"The data of LUN %u, which is \"memory:\", would be lost.", lun->lun);
		return LIVE_REFUSED;
	}
	return LIVE_DONE;
}

/* From now on nobody logs in; somebody who is logged in stands against it. */
static enum live_result check_sessions(struct live_change *change)
{
	struct target *target = registry_find(change->live->place.registry, change->target);

	if (!target || change->force)
		return LIVE_DONE;
	change->holds = true;
	target_hold(target, true);
	return target_is_idle(target) ? LIVE_DONE : LIVE_IN_USE;
}

static enum live_result change_check(struct live_change *change)
{
	const bool lun_goes = change->kind == LIVE_DELETE_LUN || change->kind == LIVE_DELETE_VOLUME;
	enum live_result result = change->check ? change->check(change) : LIVE_DONE;

	if (result == LIVE_DONE && change->kind == LIVE_RESIZE_LUN)
		result = check_size(change);
	if (result == LIVE_DONE && (lun_goes || change->kind == LIVE_SET_READ_ONLY))
		result = check_memory(change, lun_goes);
	if (result == LIVE_DONE && (lun_goes || change->kind == LIVE_DELETE_TARGET))
		result = check_sessions(change);
	return result;
}

static enum live_result change_prepare(struct live_change *change)
{
	struct live *live = change->live;
	struct config file = *live->running;
	struct config_target *targets;
	size_t count;

	file.targets = live->named;
	file.target_count = live->named_count;
	change->overlay = overlay_copy(live->overlay);
	if (!change->overlay)
		return LIVE_FAILED;
	enum live_result result = edit_result(change, change_edit(change, change->overlay));
	if (result == LIVE_DONE)
		result = change_check(change);
	if (result != LIVE_DONE)
		return result;
	if (overlay_merge(change->overlay, &file, &targets, &count, NULL, change->error) < 0)
		return LIVE_REFUSED;
	change->after = config_with(live->running, targets, count);
	if (change->after)
		return LIVE_DONE;
	config_targets_free(targets, count);
	return LIVE_FAILED;
}

/* What the file wins over would be stored and never be seen. */
static enum live_result check_in_force(struct live_change *change)
{
	const struct config_target *target = config_target_find(
		change->after->targets, change->after->target_count, change->target);
	bool in_force = true;

	if (change->kind == LIVE_CREATE_TARGET)
		in_force = target && target->lun_count == change->wanted->targets->lun_count;
	if (change->kind == LIVE_CREATE_LUN)
		in_force = target && config_lun_find(target, change->lun);
	if (in_force)
		return LIVE_DONE;
	snprintf(change->error, sizeof(change->error),
		"The path, serial or naa is that of a LUN that the configuration file names.");
	return LIVE_REFUSED;
}

/* What cannot be opened must not be stored. */
static enum live_result check_opens(struct live_change *change)
{
	const struct config_target *target = config_target_find(
		change->after->targets, change->after->target_count, change->target);

	if (change->kind != LIVE_CREATE_TARGET && change->kind != LIVE_CREATE_LUN)
		return LIVE_DONE;
	for (size_t i = 0; i < target->lun_count; i++) {
		const struct config_lun *lun = &target->luns[i];
		bool is_new = change->kind == LIVE_CREATE_TARGET || lun->lun == change->lun;
		if (is_new && registry_lun_try(change->live->place.registry, change->after->file,
				      target, lun, change->error) < 0)
			return LIVE_REFUSED;
	}
	return LIVE_DONE;
}

static void change_run(struct job *job)
{
	struct live_change *change = (struct live_change *)job;

	if (change->kind == LIVE_RELOAD) {
		reload_begin(change);
		return;
	}
	enum live_result result = change_prepare(change);
	if (result == LIVE_DONE)
		result = check_in_force(change);
	if (result == LIVE_DONE)
		result = check_opens(change);
	if (result == LIVE_DONE && overlay_store(change->live, change->overlay) < 0)
		result = LIVE_FAILED;
	if (result == LIVE_SAME && change->kind == LIVE_DRAIN && change->flag) {
		drain_begin(change); /* sessions may be left of the first one */
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
			log_error("reload: out of memory; the running configuration stays");
		return;
	}
	change->kind = LIVE_RELOAD;
	change->done = reload_forget;
	live->reload_waits = true;
	live_begin(live, change);
}
