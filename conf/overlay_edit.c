/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Single changes of an overlay. What stands in the overlay for something that the file has taken over, or dropped,
 * meanwhile is replaced in silence: it was not in force.
 */
#include "conf/config_table.h"
#include "conf/overlay.h"
#include "conf/overlay_list.h"

#include <stdlib.h>
#include <string.h>

/* --- lists --- */

struct config_target *list_add(
	struct config_target **list, size_t *count, const struct config_target *target)
{
	struct config_target *longer = realloc(*list, (*count + 1) * sizeof(**list));

	if (!longer)
		return NULL;
	*list = longer;
	struct config_target *copy = config_target_copy(target);
	if (!copy)
		return NULL;
	longer[*count] = *copy;
	free(copy);
	return &longer[(*count)++];
}

void list_remove(struct config_target *list, size_t *count, const char *name)
{
	for (size_t i = 0; i < *count; i++) {
		if (strcmp(list[i].name, name) != 0)
			continue;
		struct config_target *out = malloc(sizeof(*out));
		if (!out)
			abort(); /* a hundred bytes, and no way to say that there are none */
		*out = list[i];
		config_target_free(out);
		memmove(&list[i], &list[i + 1], (*count - i - 1) * sizeof(*list));
		(*count)--;
		return;
	}
}

int list_add_lun(struct config_target *target, const struct config_lun *lun)
{
	struct config_lun *luns = realloc(target->luns, (target->lun_count + 1) * sizeof(*luns));

	if (!luns)
		return -1;
	target->luns = luns;
	if (config_lun_copy(&luns[target->lun_count], lun) < 0) {
		config_lun_clear(&luns[target->lun_count]);
		return -1;
	}
	target->lun_count++;
	return 0;
}

void list_remove_lun(struct config_target *target, unsigned lun)
{
	for (size_t i = 0; i < target->lun_count; i++) {
		if (target->luns[i].lun != lun)
			continue;
		config_lun_clear(&target->luns[i]);
		memmove(&target->luns[i], &target->luns[i + 1],
			(target->lun_count - i - 1) * sizeof(*target->luns));
		target->lun_count--;
		return;
	}
}

struct config_lun *list_lun(struct config_target *target, unsigned lun)
{
	for (size_t i = 0; i < target->lun_count; i++)
		if (target->luns[i].lun == lun)
			return &target->luns[i];
	return NULL;
}

static struct config_target *list_find(struct config_target *list, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i].name, name) == 0)
			return &list[i];
	return NULL;
}

/* The list's entry of that name, without LUNs if it was not there. NULL when out of memory. */
static struct config_target *list_entry(
	struct config_target **list, size_t *count, const char *name)
{
	struct config_target *entry = list_find(*list, *count, name);
	char *copy = entry ? NULL : strdup(name);
	const struct config_target bare = { .name = copy };

	if (copy)
		entry = list_add(list, count, &bare);
	free(copy);
	return entry;
}

/* --- what is where --- */

static const struct config_target *named_of(const struct overlay_view *view, const char *name)
{
	return config_target_find(view->named, view->named_count, name);
}

static const struct config_target *running_of(const struct overlay_view *view, const char *name)
{
	return config_target_find(view->running, view->running_count, name);
}

/* The overlay's entry that holds the LUNs made live of this target; NULL: none. */
static struct config_target *home_of(
	struct overlay *overlay, const struct overlay_view *view, const char *name)
{
	if (named_of(view, name))
		return list_find(overlay->additions, overlay->addition_count, name);
	return list_find(overlay->targets, overlay->target_count, name);
}

/* OVERLAY_DONE: it is a running LUN; *own is the overlay's, NULL if the file names it. */
static enum overlay_result find_lun(struct overlay *overlay, const struct overlay_view *view,
	const char *name, unsigned lun, struct config_lun **own)
{
	const struct config_target *running = running_of(view, name);
	const struct config_target *named = named_of(view, name);
	struct config_target *home = home_of(overlay, view, name);

	*own = NULL;
	if (!running)
		return OVERLAY_NO_TARGET;
	if (!config_lun_find(running, lun))
		return OVERLAY_NO_LUN;
	if (!(named && config_lun_find(named, lun)) && home)
		*own = list_lun(home, lun);
	return OVERLAY_DONE;
}

/* Whether both would be written with the same words. */
static bool same_words(const struct section *section, const void *a, const void *b)
{
	char *texts[2] = { NULL, NULL };
	const void *objects[2] = { a, b };
	size_t size;

	for (int i = 0; i < 2; i++) {
		FILE *out = open_memstream(&texts[i], &size);
		if (!out)
			break;
		config_section_write(out, section, objects[i], true, 0);
		fclose(out);
	}
	bool same = texts[0] && texts[1] && strcmp(texts[0], texts[1]) == 0;
	free(texts[0]);
	free(texts[1]);
	return same;
}

/* Takes LUNs out that are out of force and have something in common with a new one: both could not come back. */
static void forget_luns(struct overlay *overlay, const struct overlay_view *view,
	struct config_target *list, size_t *count, const struct config_lun *wanted)
{
	for (size_t i = *count; i-- > 0;) {
		struct config_target *entry = &list[i];
		for (size_t n = entry->lun_count; n-- > 0;) {
			const struct config_lun *lun = &entry->luns[n];
			struct config_lun *in_force;
			find_lun(overlay, view, entry->name, lun->lun, &in_force);
			if (in_force != lun && config_lun_common(lun, wanted))
				list_remove_lun(entry, lun->lun);
		}
		if (entry->lun_count == 0)
			list_remove(list, count, entry->name);
	}
}

static void make_room(
	struct overlay *overlay, const struct overlay_view *view, const struct config_lun *wanted)
{
	forget_luns(overlay, view, overlay->targets, &overlay->target_count, wanted);
	forget_luns(overlay, view, overlay->additions, &overlay->addition_count, wanted);
}

static void forget_target(struct overlay *overlay, const char *target)
{
	list_remove(overlay->targets, &overlay->target_count, target);
	list_remove(overlay->additions, &overlay->addition_count, target);
	list_remove(overlay->changes, &overlay->change_count, target);
	list_remove(overlay->drained, &overlay->drained_count, target);
}

/* --- changes --- */

enum overlay_result overlay_add_target(struct overlay *overlay, const struct overlay_view *view,
	const struct config_target *wanted)
{
	const struct config_target *own = list_find(
		overlay->targets, overlay->target_count, wanted->name);

	if (running_of(view, wanted->name)) {
		bool same = !named_of(view, wanted->name) && own &&
			    same_words(&config_target_section, own, wanted);
		return same ? OVERLAY_SAME : OVERLAY_EXISTS;
	}
	/* One of that name that the file has dropped since, drained perhaps, was another one. */
	forget_target(overlay, wanted->name);
	for (size_t i = 0; i < wanted->lun_count; i++)
		make_room(overlay, view, &wanted->luns[i]);
	return list_add(&overlay->targets, &overlay->target_count, wanted) ? OVERLAY_DONE
									   : OVERLAY_OUT_OF_MEMORY;
}

enum overlay_result overlay_remove_target(
	struct overlay *overlay, const struct overlay_view *view, const char *target)
{
	if (!running_of(view, target))
		return OVERLAY_NO_TARGET;
	if (named_of(view, target))
		return OVERLAY_NAMED;
	forget_target(overlay, target);
	return OVERLAY_DONE;
}

enum overlay_result overlay_add_lun(struct overlay *overlay, const struct overlay_view *view,
	const char *target, const struct config_lun *wanted)
{
	struct config_lun *own;
	enum overlay_result found = find_lun(overlay, view, target, wanted->lun, &own);

	if (found == OVERLAY_NO_TARGET)
		return found;
	if (found == OVERLAY_DONE)
		return own && same_words(&config_lun_section, own, wanted) ? OVERLAY_SAME
									   : OVERLAY_EXISTS;
	make_room(overlay, view, wanted);
	struct config_target *home = home_of(overlay, view, target);
	if (!home)
		home = list_entry(&overlay->additions, &overlay->addition_count, target);
	if (!home)
		return OVERLAY_OUT_OF_MEMORY;
	list_remove_lun(home, wanted->lun);
	return list_add_lun(home, wanted) == 0 ? OVERLAY_DONE : OVERLAY_OUT_OF_MEMORY;
}

enum overlay_result overlay_remove_lun(
	struct overlay *overlay, const struct overlay_view *view, const char *target, unsigned lun)
{
	struct config_lun *own;
	enum overlay_result found = find_lun(overlay, view, target, lun, &own);

	if (found != OVERLAY_DONE)
		return found;
	if (!own)
		return OVERLAY_NAMED;
	if (running_of(view, target)->lun_count == 1)
		return OVERLAY_LAST;
	list_remove_lun(home_of(overlay, view, target), lun);
	return OVERLAY_DONE;
}

/* The overlay's record of what was changed of a LUN that the file names. NULL when out of memory. */
static struct config_lun *change_of(struct overlay *overlay, const char *target, unsigned lun)
{
	struct config_target *entry = list_entry(&overlay->changes, &overlay->change_count, target);
	const struct config_lun fresh = { .lun = (uint16_t)lun, .given = OVERLAY_LUN };

	if (!entry)
		return NULL;
	if (!list_lun(entry, lun) && list_add_lun(entry, &fresh) < 0)
		return NULL;
	return list_lun(entry, lun);
}

enum overlay_result overlay_resize_lun(struct overlay *overlay, const struct overlay_view *view,
	const char *target, unsigned lun, uint64_t size)
{
	struct config_lun *own;
	enum overlay_result found = find_lun(overlay, view, target, lun, &own);

	if (found != OVERLAY_DONE)
		return found;
	if (own) {
		own->size = size;
		config_lun_give(own, "size");
		return OVERLAY_DONE;
	}
	struct config_lun *change = change_of(overlay, target, lun);
	if (!change)
		return OVERLAY_OUT_OF_MEMORY;
	change->size = size;
	change->given |= OVERLAY_SIZE;
	return OVERLAY_DONE;
}

enum overlay_result overlay_set_read_only(struct overlay *overlay, const struct overlay_view *view,
	const char *target, unsigned lun, bool read_only)
{
	struct config_lun *own;
	enum overlay_result found = find_lun(overlay, view, target, lun, &own);

	if (found != OVERLAY_DONE)
		return found;
	if (config_lun_find(running_of(view, target), lun)->read_only == read_only)
		return OVERLAY_SAME;
	if (own) {
		own->read_only = read_only;
		config_lun_give(own, "read_only");
		return OVERLAY_DONE;
	}
	if (config_lun_has(config_lun_find(named_of(view, target), lun), "read_only"))
		return OVERLAY_NAMED;
	struct config_lun *change = change_of(overlay, target, lun);
	if (!change)
		return OVERLAY_OUT_OF_MEMORY;
	change->read_only = read_only;
	change->given |= OVERLAY_READ_ONLY;
	return OVERLAY_DONE;
}

bool overlay_is_drained(const struct overlay *overlay, const char *target)
{
	return config_target_find(overlay->drained, overlay->drained_count, target);
}

enum overlay_result overlay_set_drained(
	struct overlay *overlay, const struct overlay_view *view, const char *target, bool drained)
{
	if (!running_of(view, target))
		return OVERLAY_NO_TARGET;
	if (overlay_is_drained(overlay, target) == drained)
		return OVERLAY_SAME;
	if (drained)
		return list_entry(&overlay->drained, &overlay->drained_count, target)
			       ? OVERLAY_DONE
			       : OVERLAY_OUT_OF_MEMORY;
	list_remove(overlay->drained, &overlay->drained_count, target);
	return OVERLAY_DONE;
}

enum overlay_result overlay_add_portal(struct overlay *overlay, const struct config_portal *wanted)
{
	overlay_remove_portal(overlay, wanted);
	return config_portals_add(&overlay->portals, &overlay->portal_count, wanted) == 0
		       ? OVERLAY_DONE
		       : OVERLAY_OUT_OF_MEMORY;
}

void overlay_remove_portal(struct overlay *overlay, const struct config_portal *portal)
{
	for (size_t i = 0; i < overlay->portal_count; i++) {
		struct config_portal *own = &overlay->portals[i];
		if (!config_portal_same(own, portal))
			continue;
		free(own->address);
		memmove(own, own + 1, (overlay->portal_count - i - 1) * sizeof(*own));
		overlay->portal_count--;
		return;
	}
}

/* --- what is the file's now --- */

static size_t made_live(const struct overlay *overlay)
{
	size_t count = overlay->target_count + overlay->portal_count;

	for (size_t i = 0; i < overlay->addition_count; i++)
		count += overlay->additions[i].lun_count;
	return count;
}

size_t overlay_yield(struct overlay *overlay, const struct config *named)
{
	size_t before = made_live(overlay);

	for (size_t i = 0; i < named->target_count; i++) {
		const struct config_target *target = &named->targets[i];
		struct config_target *added = list_find(
			overlay->additions, overlay->addition_count, target->name);
		list_remove(overlay->targets, &overlay->target_count, target->name);
		for (size_t n = 0; added && n < target->lun_count; n++)
			list_remove_lun(added, target->luns[n].lun);
	}
	for (size_t i = 0; i < named->portal_count; i++)
		overlay_remove_portal(overlay, &named->portals[i]);
	return before - made_live(overlay);
}
