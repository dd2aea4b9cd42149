/* SPDX-License-Identifier: BSD-2-Clause */
/* The first step of a live change: all that can stand against it is found here, before anything is stored. */
#include "daemon/core/live_parts.h"

#include "daemon/core/address.h"
#include "daemon/core/registry.h"
#include "daemon/core/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is asked of a portal is measured by what listens: the file's own may have taken a free port. */
static enum overlay_result edit_portal(struct live_change *change, struct overlay *overlay)
{
	const struct config_portal *wanted = &change->portal;
	const struct portal *there = portal_set_find(
		change->live->place.workers->portals, wanted->address, wanted->port);
	struct sockaddr_storage address;

	address_parse(wanted->address, wanted->port, &address);
	address_text((const struct sockaddr *)&address, change->portal_text,
		sizeof(change->portal_text));
	if (change->kind == LIVE_REMOVE_PORTAL) {
		if (there && !there->made_live)
			return OVERLAY_NAMED;
		overlay_remove_portal(overlay, wanted);
		return there ? OVERLAY_DONE : OVERLAY_SAME;
	}
	if (there && there->group != wanted->group) {
		snprintf(change->error, sizeof(change->error),
			"There is this portal already, in group %u.", there->group);
		return OVERLAY_EXISTS;
	}
	return there && there->fd >= 0 ? OVERLAY_SAME : overlay_add_portal(overlay, wanted);
}

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
	case LIVE_ADD_PORTAL:
	case LIVE_REMOVE_PORTAL:
		return edit_portal(change, overlay);
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
		uint32_t block_size = target->config->luns[i].block_size;
		if (target->config->luns[i].lun != change->lun)
			continue;
		if (change->size == now)
			return LIVE_SAME;
		if (change->size % block_size != 0) {
			snprintf(change->error, sizeof(change->error),
				"SizeInBytes is %llu, expected a multiple of the block_size of %u.",
				(unsigned long long)change->size, block_size);
			return LIVE_REFUSED;
		}
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

/* A LUN that becomes read-only, or no longer is, is opened anew: not found again it would take those beside it along. */
static enum live_result check_reopen(struct live_change *change)
{
	const struct target *target = registry_find(change->live->place.registry, change->target);

	for (size_t i = 0; target && i < target->config->lun_count; i++)
		if (target->config->luns[i].lun == change->lun &&
			registry_lun_try_reopen(target, i, change->flag, change->error) < 0)
			return LIVE_REFUSED;
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
	if (result == LIVE_DONE && change->kind == LIVE_SET_READ_ONLY)
		result = check_reopen(change);
	if (result == LIVE_DONE && (lun_goes || change->kind == LIVE_DELETE_TARGET))
		result = check_sessions(change);
	return result;
}

/* What is stored must be read again: a list that became too long, say, would keep the daemon from starting. */
static enum live_result check_words(struct live_change *change)
{
	char *words = overlay_write(change->overlay);

	if (!words)
		return LIVE_FAILED;
	struct overlay *again = overlay_parse("what is made live", words, change->error);
	free(words);
	overlay_free(again);
	return again ? LIVE_DONE : LIVE_REFUSED;
}

/* The overlay and the configuration. */
static enum live_result prepare_words(struct live_change *change)
{
	struct live *live = change->live;
	struct config file = live_file(live), merged;

	change->overlay = overlay_copy(live->overlay);
	if (!change->overlay)
		return LIVE_FAILED;
	enum live_result result = edit_result(change, change_edit(change, change->overlay));
	if (result == LIVE_DONE)
		result = change_check(change);
	if (result == LIVE_DONE)
		result = check_words(change);
	if (result != LIVE_DONE)
		return result;
	if (overlay_merge(change->overlay, &file, &merged, NULL, change->error) < 0)
		return LIVE_REFUSED;
	change->after = live_config_take(live->running, &merged);
	return change->after ? LIVE_DONE : LIVE_FAILED;
}

static bool is_in(const struct config *config, const struct config_portal *portal)
{
	for (size_t i = 0; i < config->portal_count; i++)
		if (config_portal_same(&config->portals[i], portal))
			return true;
	return false;
}

/* What the file wins over, or has no room for, would be stored and never be seen. */
static bool is_in_force(const struct live_change *change)
{
	const struct config *after = change->after;
	const struct config_target *target = change->target
						     ? config_target_find(after->targets,
							       after->target_count, change->target)
						     : NULL;

	switch (change->kind) {
	case LIVE_CREATE_TARGET:
		return target && target->lun_count == change->wanted->targets->lun_count;
	case LIVE_CREATE_LUN:
		return target && config_lun_find(target, change->lun);
	case LIVE_ADD_PORTAL:
		return is_in(after, &change->portal);
	default:
		return true;
	}
}

static enum live_result check_in_force(struct live_change *change)
{
	if (is_in_force(change))
		return LIVE_DONE;
	if (change->kind == LIVE_ADD_PORTAL)
		snprintf(change->error, sizeof(change->error),
			"There are %d portals, the most that there may be.", CONFIG_PORTALS_MOST);
	else
		snprintf(change->error, sizeof(change->error),
			"The path, serial or naa is that of a LUN that the configuration file "
			"names.");
	return LIVE_REFUSED;
}

/* What cannot be opened must not be stored. */
static enum live_result check_opens(struct live_change *change)
{
	if (change->kind != LIVE_CREATE_TARGET && change->kind != LIVE_CREATE_LUN)
		return LIVE_DONE;
	const struct config_target *target = config_target_find(
		change->after->targets, change->after->target_count, change->target);
	for (size_t i = 0; i < target->lun_count; i++) {
		const struct config_lun *lun = &target->luns[i];
		bool is_new = change->kind == LIVE_CREATE_TARGET || lun->lun == change->lun;
		if (is_new && registry_lun_try(change->live->place.registry, change->after->file,
				      target, lun, change->error) < 0)
			return LIVE_REFUSED;
	}
	return LIVE_DONE;
}

/* Before anything is stored: whether a portal can listen shows only when it does. */
static enum live_result change_bind(struct live_change *change)
{
	if (change->kind != LIVE_ADD_PORTAL && change->kind != LIVE_REMOVE_PORTAL)
		return LIVE_DONE;
	change->portals = portal_set_open(change->live->place.workers->portals, change->after,
		&change->portal, change->error);
	return change->portals ? LIVE_DONE : LIVE_REFUSED;
}

enum live_result live_prepare(struct live_change *change)
{
	enum live_result result = prepare_words(change);

	if (result == LIVE_DONE)
		result = check_in_force(change);
	if (result == LIVE_DONE)
		result = check_opens(change);
	if (result == LIVE_DONE)
		result = change_bind(change);
	return result;
}
