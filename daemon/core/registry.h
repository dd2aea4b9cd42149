/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All targets, found by name or ARN. The main thread alone changes it, while workers go on looking
 * targets up. Opening and closing of LUNs happens here.
 */
#ifndef PORTCULLIS_DAEMON_CORE_REGISTRY_H
#define PORTCULLIS_DAEMON_CORE_REGISTRY_H

#include "daemon/core/target.h"

struct registry;

/*
 * Opens the LUNs' stores and loads the credentials of all targets. NULL with one line in `error` (a broken state
 * file is no failure, nor is a LUN that was made live and cannot be opened: it is logged, and that target is served to
 * nobody). `state` and the main thread's mailbox
 * are borrowed.
 */
struct registry *registry_new(const struct config *config, struct state *state,
	struct mailbox *mailbox, char error[CONFIG_ERROR_SIZE]);
/* No connection may be left. NULL is fine. */
void registry_free(struct registry *registry);

/* --- main thread: looking --- */

/* How many targets are listed. */
size_t registry_count(const struct registry *registry);
/* index < count. Borrowed until the target is taken out. */
struct target *registry_at(const struct registry *registry, size_t index);
/* By normalised name or by ARN, compared whole; NULL if there is none. */
struct target *registry_find(const struct registry *registry, const char *name);
/* Likewise by ARN. */
struct target *registry_find_arn(const struct registry *registry, const char *arn);
/* Whether its LUNs are open: a change of them may have failed. Else it is served to nobody. */
bool registry_is_open(const struct target *target);
/*
 * Bytes of a target's LUN number `index` in its configuration's order: what its store has, or what the configuration
 * asks for while it is not open.
 */
uint64_t registry_lun_size(const struct target *target, size_t index);
/* Writes all stores' caches to stable storage, blocking; on the way out. -1 if one failed (it is logged). */
int registry_flush(struct registry *registry);

/* --- main thread: changing; `file` is the configuration's, for error lines --- */

/* Opens a new target's LUNs. Nobody finds it before it is listed. Borrowed; NULL with one line in `error`. */
struct target *registry_open(struct registry *registry, const char *file,
	const struct config_target *wanted, char error[CONFIG_ERROR_SIZE]);
/*
 * Likewise, but its LUNs are only tried, and opened by registry_rebuild(): it is held, since another target is to close
 * what was told to registry_keep_path() first.
 */
struct target *registry_open_later(struct registry *registry, const char *file,
	const struct config_target *wanted, char error[CONFIG_ERROR_SIZE]);
/* Lists all targets that were opened since the last call, or frees them instead. */
void registry_list_opened(struct registry *registry);
void registry_drop_opened(struct registry *registry);
/* Nobody finds it any more; those who are logged in stay until they are closed. */
void registry_unlist(struct registry *registry, struct target *target);
/* Frees an unlisted target with its device and stores: at once, or when it is idle and registry_sweep() comes by. */
void registry_discard(struct registry *registry, struct target *target);
/* Frees those that are idle by now. */
void registry_sweep(struct registry *registry);
/* Opens one more LUN and tells all sessions. 0, or -1 with one line in `error`. */
int registry_lun_add(struct registry *registry, struct target *target, const char *file,
	const struct config_lun *lun, char error[CONFIG_ERROR_SIZE]);
/*
 * Whether a LUN of that target's could be added, or grown: what is stored must be possible, or a crash behind it leaves
 * what no start can serve. Leaves no file that it made. 0, or -1 with one line in `error`.
 */
int registry_lun_try(const struct registry *registry, const char *file,
	const struct config_target *target, const struct config_lun *lun,
	char error[CONFIG_ERROR_SIZE]);
int registry_lun_try_grow(
	const struct target *target, size_t index, uint64_t size, char error[CONFIG_ERROR_SIZE]);
/* Whether the LUN at that place could be closed and opened anew, then `read_only` or not. As above. */
int registry_lun_try_reopen(
	const struct target *target, size_t index, bool read_only, char error[CONFIG_ERROR_SIZE]);
/* Makes the LUN at that place of its configuration `size` bytes long and tells all sessions. As above. */
int registry_lun_grow(
	struct target *target, size_t index, uint64_t size, char error[CONFIG_ERROR_SIZE]);
/* Whether the LUN at that place of its configuration has its store open. */
bool registry_lun_is_open(const struct target *target, size_t index);
/* The LUN of `wanted` that the same store can serve; NULL: none, or it is not open. */
const struct config_lun *registry_lun_stays(
	const struct target *target, size_t index, const struct config_target *wanted);
/* Whether a LUN of `wanted` is one that stays, or another name of a file that does not. */
bool registry_lun_is_had(const struct target *target, const struct config_target *wanted,
	const struct config_lun *lun);
/* Closes all LUNs of a held, idle target but those that stay. */
void registry_shut(struct target *target, const struct config_target *wanted);
/*
 * Behind registry_shut(): opens those of the same `wanted` that are missing. 0, or -1 with one line in `error`: then those
 * that stayed are open, but it serves none and must stay held.
 */
int registry_rebuild(struct registry *registry, struct target *target, const char *file,
	const struct config_target *wanted, char error[CONFIG_ERROR_SIZE]);
/*
 * From now on no LUN is opened at that path by making the file: it has been served, so an empty one would be the loss of
 * its data in the eyes of initiators. 0, or -1: no memory.
 */
int registry_keep_path(struct registry *registry, const char *path);
/* Forgets those of these paths that no LUN of the configuration has. NULL: all. */
void registry_forget_paths(struct registry *registry, const struct config *config);
/* Writes "FILE:LINE: why", or the LUN's name if it stands in no file: it was made live. */
void registry_lun_explain(char error[CONFIG_ERROR_SIZE], const char *file,
	const struct config_target *target, const struct config_lun *lun, const char *why);
/* Takes over what the target's configuration now is. */
void registry_target_configure(struct target *target, struct config_target *config);

/* --- workers --- */

enum registry_entry {
	REGISTRY_ENTERED,
	REGISTRY_UNKNOWN, /* no such target */
	REGISTRY_NOT_NOW, /* its state is broken, or it is being rebuilt */
};

/* Finds a target ("" = where unnamed discovery sessions register) and enters it: target_enter(). */
enum registry_entry registry_enter(struct registry *registry, const char *name,
	struct session_entry *entry, struct target_terms *terms);

/* `name` is valid for the call, which must not look anything up. */
typedef void registry_named(void *context, const char *name);
/* Calls `each` for every target, or for that of the given name alone. */
void registry_each_name(
	struct registry *registry, const char *name, registry_named *each, void *context);

#endif
