/* SPDX-License-Identifier: BSD-2-Clause */
/* The overlay's text, by the tables of the configuration file, and what it makes of the file's targets. */
#include "conf/overlay.h"

#include "conf/config_read.h"
#include "conf/config_table.h"
#include "conf/config_value.h"
#include "conf/overlay_list.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(table)         (sizeof(table) / sizeof((table)[0]))
#define MEMBER(type, member) .offset = offsetof(type, member), .width = sizeof(((type *)0)->member)
#define NAME                                                                                       \
	{                                                                                          \
		"name", VALUE_STRING, MEMBER(struct config_target, name),                          \
			.required = true, .convert = value_iscsi_name,                             \
			.expected = "the name of a target"                                         \
	}
#define LUNS(of)                                                                                   \
	{                                                                                          \
		"luns", VALUE_LIST, MEMBER(struct config_target, luns),                            \
			.required = true,                                                          \
			.count_offset = offsetof(struct config_target, lun_count), .most = 256,    \
			.section = (of)                                                            \
	}

static const struct key change_lun_keys[] = {
	{ "lun", VALUE_NUMBER, MEMBER(struct config_lun, lun), .required = true, .most = 255 },
	{ "size", VALUE_SIZE, MEMBER(struct config_lun, size), .most = UINT64_C(1) << 60,
		.expected = "a number of bytes" },
	{ "read_only", VALUE_BOOL, MEMBER(struct config_lun, read_only) },
};
static const struct section change_lun_section = {
	.size = sizeof(struct config_lun),
	.keys = change_lun_keys,
	.key_count = COUNT(change_lun_keys),
	.given_offset = offsetof(struct config_lun, given),
};
static const struct key change_keys[] = { NAME, LUNS(&change_lun_section) };
static const struct key addition_keys[] = { NAME, LUNS(&config_lun_section) };
static const struct key drained_keys[] = { NAME };

#define SECTION(table)                                                                             \
	{                                                                                          \
		.size = sizeof(struct config_target), .keys = (table), .key_count = COUNT(table)   \
	}
static const struct section change_section = SECTION(change_keys);
static const struct section addition_section = SECTION(addition_keys);
static const struct section drained_section = SECTION(drained_keys);

#define LIST(named, member, counter, of)                                                           \
	{                                                                                          \
		(named), VALUE_LIST, MEMBER(struct overlay, member),                               \
			.count_offset = offsetof(struct overlay, counter), .most = 4096,           \
			.section = (of)                                                            \
	}
static const struct key overlay_keys[] = {
	LIST("targets", targets, target_count, &config_target_section),
	LIST("additions", additions, addition_count, &addition_section),
	LIST("changes", changes, change_count, &change_section),
	LIST("drained", drained, drained_count, &drained_section),
	LIST("portals", portals, portal_count, &config_portal_section),
};
static const struct section overlay_root = {
	.size = sizeof(struct overlay), .keys = overlay_keys, .key_count = COUNT(overlay_keys)
};

struct overlay *overlay_new(void)
{
	return calloc(1, sizeof(struct overlay));
}

void overlay_free(struct overlay *overlay)
{
	if (!overlay)
		return;
	config_targets_free(overlay->targets, overlay->target_count);
	config_targets_free(overlay->additions, overlay->addition_count);
	config_targets_free(overlay->changes, overlay->change_count);
	config_targets_free(overlay->drained, overlay->drained_count);
	config_portals_free(overlay->portals, overlay->portal_count);
	free(overlay);
}

struct overlay *overlay_parse(const char *name, const char *text, char error[CONFIG_ERROR_SIZE])
{
	struct overlay *overlay = overlay_new();
	char *widened = config_text_from(text, name, error);
	config_t settings;

	if (!overlay || !widened) {
		if (!overlay)
			config_refuse(error, name, 0, "out of memory");
		free(widened);
		free(overlay);
		return NULL;
	}
	config_init(&settings);
	int result = config_section_read(&settings, name, widened, &overlay_root, overlay, error);
	config_destroy(&settings);
	free(widened);
	if (result == 0)
		return overlay;
	overlay_free(overlay);
	return NULL;
}

char *overlay_write(const struct overlay *overlay)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	config_section_write(out, &overlay_root, overlay, true, 0);
	bool failed = ferror(out);
	if (fclose(out) == 0 && !failed)
		return text;
	free(text);
	return NULL;
}

struct overlay *overlay_copy(const struct overlay *overlay)
{
	char error[CONFIG_ERROR_SIZE];
	char *text = overlay_write(overlay);
	struct overlay *copy = text ? overlay_parse("overlay", text, error) : NULL;

	free(text);
	return copy;
}

/* --- merging --- */

struct merge {
	const struct overlay *overlay;
	const struct config *named;
	struct config *merged;
	overlay_dropped *dropped;
};

static void drop(const struct merge *merge, const char *target, const char *what)
{
	if (merge->dropped)
		merge->dropped("target", target, what);
}

/* What a LUN made live has in common with one that the file names; NULL: nothing. */
static const char *clash_of(const struct merge *merge, const struct config_lun *lun)
{
	for (size_t i = 0; i < merge->named->target_count; i++) {
		const struct config_target *target = &merge->named->targets[i];
		for (size_t j = 0; j < target->lun_count; j++)
			if (config_lun_common(lun, &target->luns[j]))
				return config_lun_common(lun, &target->luns[j]);
	}
	return NULL;
}

/* Copies a LUN made live into its target, unless the file stands against it. */
static int merge_lun(
	const struct merge *merge, struct config_target *target, const struct config_lun *lun)
{
	if (config_lun_find(target, lun->lun)) {
		drop(merge, target->name, "a LUN made live has a number that the file names");
		return 0;
	}
	if (clash_of(merge, lun)) {
		drop(merge, target->name,
			"a LUN made live has the path, serial or naa of one that the file names");
		return 0;
	}
	if (list_add_lun(target, lun) < 0)
		return -1;
	target->luns[target->lun_count - 1].line = 0;
	return 0;
}

static void merge_changes(const struct merge *merge, struct config_target *target)
{
	const struct config_target *changes = config_target_find(
		merge->overlay->changes, merge->overlay->change_count, target->name);

	for (size_t i = 0; changes && i < changes->lun_count; i++) {
		const struct config_lun *change = &changes->luns[i];
		struct config_lun *lun = list_lun(target, change->lun);
		if (!lun)
			continue;
		bool larger = change->given & OVERLAY_SIZE && change->size > lun->size;
		if (larger && change->size % lun->block_size != 0)
			drop(merge, target->name,
				"a size set live is not of whole blocks of the file's block_size");
		else if (larger)
			lun->size = change->size;
		if (!(change->given & OVERLAY_READ_ONLY))
			continue;
		if (config_lun_has(lun, "read_only"))
			drop(merge, target->name, "read_only set live is in the file now");
		else
			lun->read_only = change->read_only;
	}
}

/* One of the file's targets with what was made live of it. */
static int merge_named(struct merge *merge, const struct config_target *named)
{
	const struct config_target *additions = config_target_find(
		merge->overlay->additions, merge->overlay->addition_count, named->name);
	struct config_target *target = list_add(
		&merge->merged->targets, &merge->merged->target_count, named);

	if (!target)
		return -1;
	merge_changes(merge, target);
	for (size_t i = 0; additions && i < additions->lun_count; i++)
		if (merge_lun(merge, target, &additions->luns[i]) < 0)
			return -1;
	return 0;
}

static int merge_own(struct merge *merge, const struct config_target *own)
{
	struct config_target bare = *own;

	if (config_target_find(merge->named->targets, merge->named->target_count, own->name)) {
		drop(merge, own->name, "a target made live is in the file now");
		return 0;
	}
	bare.luns = NULL;
	bare.lun_count = 0;
	bare.line = 0;
	struct config_target *target = list_add(
		&merge->merged->targets, &merge->merged->target_count, &bare);
	if (!target)
		return -1;
	for (size_t i = 0; i < own->lun_count; i++)
		if (merge_lun(merge, target, &own->luns[i]) < 0)
			return -1;
	if (target->lun_count == 0)
		list_remove(merge->merged->targets, &merge->merged->target_count, own->name);
	return 0;
}

static void drop_portal(
	const struct merge *merge, const struct config_portal *portal, const char *what)
{
	char name[CONFIG_ADDRESS_SIZE + 16];

	snprintf(name, sizeof(name), strchr(portal->address, ':') ? "[%s]:%u" : "%s:%u",
		portal->address, portal->port);
	if (merge->dropped)
		merge->dropped("portal", name, what);
}

static bool is_named(const struct config *named, const struct config_portal *portal)
{
	for (size_t i = 0; i < named->portal_count; i++)
		if (config_portal_same(&named->portals[i], portal))
			return true;
	return false;
}

/* The file's portals, then those made live. */
static int merge_portals(struct merge *merge)
{
	const struct overlay *overlay = merge->overlay;
	const struct config *named = merge->named;
	struct config *merged = merge->merged;
	int result = 0;

	for (size_t i = 0; result == 0 && i < named->portal_count; i++)
		result = config_portals_add(
			&merged->portals, &merged->portal_count, &named->portals[i]);
	for (size_t i = 0; result == 0 && i < overlay->portal_count; i++) {
		const struct config_portal *own = &overlay->portals[i];
		if (is_named(named, own)) {
			drop_portal(merge, own, "a portal made live is in the file now");
		} else if (merged->portal_count == CONFIG_PORTALS_MOST) {
			drop_portal(merge, own, "with a portal made live there were too many");
		} else {
			struct config_portal made = *own;
			made.made_live = true;
			made.line = 0;
			result = config_portals_add(&merged->portals, &merged->portal_count, &made);
		}
	}
	return result;
}

void overlay_merged_clear(struct config *merged)
{
	config_targets_free(merged->targets, merged->target_count);
	config_portals_free(merged->portals, merged->portal_count);
	merged->targets = NULL;
	merged->portals = NULL;
	merged->target_count = merged->portal_count = 0;
}

static int merge_check(const struct merge *merge, char error[CONFIG_ERROR_SIZE])
{
	config_t settings; /* empty: no line is known */

	config_init(&settings);
	int result = config_check(merge->merged, &settings, error);
	config_destroy(&settings);
	return result;
}

int overlay_merge(const struct overlay *overlay, const struct config *named, struct config *merged,
	overlay_dropped *dropped, char error[CONFIG_ERROR_SIZE])
{
	struct merge merge = {
		.overlay = overlay, .named = named, .merged = merged, .dropped = dropped
	};

	*merged = *named;
	merged->targets = NULL;
	merged->portals = NULL;
	merged->target_count = merged->portal_count = 0;
	int result = merge_portals(&merge);
	for (size_t i = 0; result == 0 && i < named->target_count; i++)
		result = merge_named(&merge, &named->targets[i]);
	for (size_t i = 0; result == 0 && i < overlay->target_count; i++)
		result = merge_own(&merge, &overlay->targets[i]);
	if (result < 0)
		config_refuse(error, named->file, 0, "out of memory");
	else
		result = merge_check(&merge, error);
	if (result < 0)
		overlay_merged_clear(merged);
	return result;
}
