/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What was made live, on top of the configuration file: targets, LUNs of the file's targets, larger sizes, LUNs made
 * read-only, targets that take no login, portals. The file wins for what it names: an overlay never changes a key that the
 * file gives, but a size, which is a floor in both.
 */
#ifndef PORTCULLIS_CONF_OVERLAY_H
#define PORTCULLIS_CONF_OVERLAY_H

#include "conf/config.h"

/* LUNs here have as keys what was asked for (config_lun_has()), nothing derived. */
struct overlay {
	struct config_target *targets; /* made live, whole */
	size_t target_count;
	struct config_target *additions; /* targets of the file with the LUNs added to them */
	size_t addition_count;
	struct config_target *
		changes; /* targets of the file with LUNs of the file, of which size or read_only was changed */
	size_t change_count;
	struct config_target *drained; /* names alone */
	size_t drained_count;
	struct config_portal *portals;
	size_t portal_count;
};

/* An empty one; NULL when out of memory. */
struct overlay *overlay_new(void);
/* NULL is fine. */
void overlay_free(struct overlay *overlay);
/* As overlay_write() writes it; `name` is what messages call the text. NULL with one line in `error`. */
struct overlay *overlay_parse(const char *name, const char *text, char error[CONFIG_ERROR_SIZE]);
/* To be freed with free(); NULL when out of memory. */
char *overlay_write(const struct overlay *overlay);
/* NULL when out of memory. */
struct overlay *overlay_copy(const struct overlay *overlay);

/* What of an overlay is not in force since the file says otherwise, in words for the log; `kind` is "target" or "portal". */
typedef void overlay_dropped(const char *kind, const char *name, const char *what);
/*
 * The configuration that the file's (`named`) and the overlay make together, checked whole as config_load() does. Its
 * targets and portals are its own, to be freed with overlay_merged_clear(); all else is borrowed from `named`. 0, or -1
 * with one line in `error` and nothing in `merged`. `dropped` may be NULL.
 */
int overlay_merge(const struct overlay *overlay, const struct config *named, struct config *merged,
	overlay_dropped *dropped, char error[CONFIG_ERROR_SIZE]);
/* Frees what the merged configuration owns, and leaves none of it. */
void overlay_merged_clear(struct config *merged);

/*
 * Takes out what the file names now, be it a target, a LUN of one or a portal: it is not in force, and is not to come
 * back on the day when the file drops it. How many that were.
 */
size_t overlay_yield(struct overlay *overlay, const struct config *named);

/* Whether the target takes no login. */
bool overlay_is_drained(const struct overlay *overlay, const char *target);

enum overlay_result {
	OVERLAY_DONE,
	OVERLAY_SAME,          /* it is as asked for already */
	OVERLAY_EXISTS,        /* there is another one */
	OVERLAY_NO_TARGET,     /* no such target */
	OVERLAY_NO_LUN,        /* no such LUN */
	OVERLAY_NAMED,         /* the file names it: it is changed there */
	OVERLAY_LAST,          /* a target's only LUN */
	OVERLAY_OUT_OF_MEMORY, /* the overlay may have changed in part: to be thrown away */
};

/*
 * What follows changes the overlay alone. `named` are the file's targets, `running` those of the merged configuration.
 */
struct overlay_view {
	const struct config_target *named, *running;
	size_t named_count, running_count;
};

/* `wanted` is as overlay_parse() reads it: nothing derived. */
enum overlay_result overlay_add_target(struct overlay *overlay, const struct overlay_view *view,
	const struct config_target *wanted);
enum overlay_result overlay_remove_target(
	struct overlay *overlay, const struct overlay_view *view, const char *target);
/* `wanted` likewise. */
enum overlay_result overlay_add_lun(struct overlay *overlay, const struct overlay_view *view,
	const char *target, const struct config_lun *wanted);
enum overlay_result overlay_remove_lun(
	struct overlay *overlay, const struct overlay_view *view, const char *target, unsigned lun);
/* `size` in bytes is a new floor; whether it may be one is the caller's question. */
enum overlay_result overlay_resize_lun(struct overlay *overlay, const struct overlay_view *view,
	const char *target, unsigned lun, uint64_t size);
enum overlay_result overlay_set_read_only(struct overlay *overlay, const struct overlay_view *view,
	const char *target, unsigned lun, bool read_only);
enum overlay_result overlay_set_drained(
	struct overlay *overlay, const struct overlay_view *view, const char *target, bool drained);

/* A portal of that address and port is replaced. */
enum overlay_result overlay_add_portal(struct overlay *overlay, const struct config_portal *wanted);
/* The overlay may have none of that address and port. */
void overlay_remove_portal(struct overlay *overlay, const struct config_portal *portal);

#endif
