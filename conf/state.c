/* SPDX-License-Identifier: BSD-2-Clause */
/* The state directory: its lock, its index, and what a crash left in it (doc/architecture.md K2, K9). */
#include "conf/state.h"

#include "base/log.h"
#include "base/secret.h"
#include "conf/state_file.h"
#include "conf/state_text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define INDEX "index"
#define LOCK  "lock"

/* A file that holds credentials, or ought to. */
struct entry {
	char *file;
	bool broken; /* a change could neither be finished nor be undone */
};

struct state {
	struct state_directory directory; /* fd -1: it does not exist (read-only) */
	int lock;                         /* -1: read-only */
	struct entry *entries;            /* ascending by file */
	size_t count;
	bool index_damaged;
	char damage[STATE_ERROR_SIZE]; /* what is wrong with the index */
};

/* The names in the directory, as they were when it was opened. */
struct listing {
	char **names;
	size_t count;
};

static bool ends_with(const char *name, const char *suffix)
{
	size_t length = strlen(name), end = strlen(suffix);
	return length > end && strcmp(name + length - end, suffix) == 0;
}

static struct entry *entry_find(const struct state *state, const char *file)
{
	for (size_t i = 0; i < state->count; i++)
		if (strcmp(state->entries[i].file, file) == 0)
			return &state->entries[i];
	return NULL;
}

/* A new entry in its place, or NULL when out of memory. The file may not have one yet. */
static struct entry *entry_add(struct state *state, const char *file)
{
	struct entry *entries = realloc(
		state->entries, (state->count + 1) * sizeof(*state->entries));
	char *copy = strdup(file);
	size_t at = 0;

	if (entries)
		state->entries = entries;
	if (!entries || !copy) {
		free(copy);
		return NULL;
	}
	while (at < state->count && strcmp(entries[at].file, file) < 0)
		at++;
	memmove(&entries[at + 1], &entries[at], (state->count - at) * sizeof(*entries));
	entries[at] = (struct entry){ .file = copy };
	state->count++;
	return &entries[at];
}

static void entry_remove(struct state *state, const char *file)
{
	struct entry *entry = entry_find(state, file);
	size_t after = state->count - (size_t)(entry - state->entries) - 1;

	free(entry->file);
	memmove(entry, entry + 1, after * sizeof(*entry));
	state->count--;
}

/* Replaces the index on the disk by the entries in memory. */
static enum state_result index_store(struct state *state, char error[STATE_ERROR_SIZE])
{
	char **names = calloc(state->count + 1, sizeof(*names));
	enum state_result result = STATE_NOT_STORED;
	char *text = NULL;
	size_t length = 0;
	bool had_old;

	for (size_t i = 0; names && i < state->count; i++)
		names[i] = state->entries[i].file;
	if (names)
		text = state_text_of_index(names, state->count, &length);
	if (text)
		result = state_file_replace(
			&state->directory, INDEX, text, length, &had_old, error);
	else
		state_fail(&state->directory, INDEX, error, "out of memory");
	if (result == STATE_OK)
		state_file_settle(&state->directory, INDEX);
	secret_free(text);
	free(names);
	return result;
}

/* Entries for what the index on the disk names. 0, or -1 with a line in state->damage. */
static int index_read(struct state *state)
{
	char *text;
	const char *why = "out of memory";
	size_t length, count = 0;
	int result = 0;

	if (state_file_read(&state->directory, INDEX, &text, &length, state->damage) !=
		STATE_READ_OK)
		return -1;
	char **names = state_text_index(text, length, &count, &why);
	secret_free(text);
	if (!names)
		return state_fail(&state->directory, INDEX, state->damage, "%s", why);
	for (size_t i = 0; i < count; i++) {
		if (result == 0 && !entry_add(state, names[i]))
			result = state_fail(
				&state->directory, INDEX, state->damage, "out of memory");
		free(names[i]);
	}
	free(names);
	return result;
}

static void listing_free(struct listing *listing)
{
	for (size_t i = 0; i < listing->count; i++)
		free(listing->names[i]);
	free(listing->names);
}

static bool listing_has(const struct listing *listing, const char *name)
{
	for (size_t i = 0; i < listing->count; i++)
		if (strcmp(listing->names[i], name) == 0)
			return true;
	return false;
}

static int listing_add(struct listing *listing, const char *name)
{
	char **names = realloc(listing->names, (listing->count + 1) * sizeof(*names));

	if (!names)
		return -1;
	listing->names = names;
	names[listing->count] = strdup(name);
	return names[listing->count++] ? 0 : -1;
}

static int listing_read(const struct state_directory *directory, struct listing *listing,
	char error[STATE_ERROR_SIZE])
{
	int fd = openat(directory->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *next;
	int result = stream ? 0 : -1;

	if (!stream && fd >= 0)
		close(fd);
	errno = stream ? 0 : errno;
	while (result == 0 && (next = readdir(stream)))
		if (strcmp(next->d_name, ".") != 0 && strcmp(next->d_name, "..") != 0)
			result = listing_add(listing, next->d_name);
	if (result == 0 && errno != 0)
		result = -1;
	if (result != 0)
		state_fail(directory, NULL, error, "cannot be read: %s", strerror(errno));
	if (stream)
		closedir(stream);
	return result;
}

/* Whether nothing was ever stored: at most a first start that did not get to its index. */
static bool is_first_start(const struct listing *listing)
{
	static const char *const harmless[] = { LOCK, INDEX ".new", "lost+found" };
	size_t known = 0;

	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
		known += listing_has(listing, harmless[i]);
	return known == listing->count;
}

/* Whether `file` is the second name of a file whose first one is gone: no crash leaves that. */
static bool is_orphan(const struct listing *listing, const char *file)
{
	char base[STATE_NAME_SIZE];
	size_t length = strlen(file);

	if (!ends_with(file, ".old") || length >= sizeof(base))
		return false;
	snprintf(base, sizeof(base), "%.*s", (int)(length - strlen(".old")), file);
	return !listing_has(listing, base);
}

/* Removes what unfinished changes left. It is in nobody's way, so failing to is no error. */
static void clean_up(const struct state *state, const struct listing *listing)
{
	for (size_t i = 0; i < listing->count; i++) {
		const char *name = listing->names[i];
		if (ends_with(name, ".new") ||
			(ends_with(name, ".old") && !is_orphan(listing, name)))
			(void)unlinkat(state->directory.fd, name, 0);
	}
}

/* Takes files into the index that it does not name: a crash came between the two. */
static int adopt(struct state *state, const struct listing *listing, bool *adopted,
	char error[STATE_ERROR_SIZE])
{
	for (size_t i = 0; i < listing->count; i++) {
		const char *name = listing->names[i];
		if (!state_name_is_indexed(name) || entry_find(state, name))
			continue;
		if (!entry_add(state, name))
			return state_fail(&state->directory, NULL, error, "out of memory");
		*adopted = true;
	}
	return 0;
}

/* Reads the index and brings it, the files and the disk into agreement. */
static int recover(struct state *state, bool *first_start, char error[STATE_ERROR_SIZE])
{
	bool writable = state->lock >= 0, changed = false;
	struct listing listing = { NULL, 0 };
	int result = listing_read(&state->directory, &listing, error);

	if (result != 0)
		goto out;
	*first_start = is_first_start(&listing);
	if (*first_start)
		changed = true;
	else
		state->index_damaged = index_read(state) != 0;
	if (writable)
		clean_up(state, &listing);
	result = adopt(state, &listing, &changed, error);
	if (result == 0 && writable && changed && !state->index_damaged)
		result = index_store(state, error) == STATE_OK ? 0 : -1;
	/* A killed daemon may have renamed without syncing: what is served now must be there later. */
	if (result == 0 && writable && fsync(state->directory.fd) != 0)
		result = state_fail(
			&state->directory, NULL, error, "cannot be synced: %s", strerror(errno));
out:
	listing_free(&listing);
	return result;
}

static struct state *state_new(const char *directory, char error[STATE_ERROR_SIZE])
{
	struct state *state = calloc(1, sizeof(*state));

	error[0] = '\0';
	if (state) {
		state->directory = (struct state_directory){ -1, strdup(directory) };
		state->lock = -1;
	}
	if (!state || !state->directory.path) {
		snprintf(error, STATE_ERROR_SIZE, "%s: out of memory", directory);
		free(state);
		return NULL;
	}
	return state;
}

/* Opens the directory. The owner may be another for root, who only looks (`-t`). */
static int directory_open(
	struct state_directory *directory, bool looking, char error[STATE_ERROR_SIZE])
{
	struct stat status;

	/* A symbolic link is followed: systemd makes one of a StateDirectory with DynamicUser. */
	directory->fd = open(directory->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory->fd < 0 || fstat(directory->fd, &status) != 0)
		return state_fail(directory, NULL, error, "cannot be opened: %s", strerror(errno));
	if (status.st_uid != geteuid() && !(looking && geteuid() == 0))
		return state_fail(directory, NULL, error, "belongs to user %u, expected user %u",
			status.st_uid, geteuid());
	if (status.st_mode & 077)
		return state_fail(directory, NULL, error, "its mode is %04o, expected 0700",
			status.st_mode & 07777);
	return 0;
}

/* Makes the directory if there is none, durably: later syncs reach only what is in it. */
static int directory_make(struct state_directory *directory, char error[STATE_ERROR_SIZE])
{
	bool made = mkdir(directory->path, 0700) == 0;

	if (!made && errno != EEXIST)
		return state_fail(directory, NULL, error, "cannot be created: %s", strerror(errno));
	if (directory_open(directory, false, error) != 0)
		return -1;
	if (made && syncfs(directory->fd) != 0)
		return state_fail(directory, NULL, error, "cannot be synced: %s", strerror(errno));
	return 0;
}

/* Read-only, so that a file system can be remounted so while we run. */
static int directory_lock(struct state *state, char error[STATE_ERROR_SIZE])
{
	int flags = O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC;

	state->lock = openat(state->directory.fd, LOCK, flags, 0600);
	if (state->lock < 0)
		return state_fail(
			&state->directory, LOCK, error, "cannot be opened: %s", strerror(errno));
	if (flock(state->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return state_fail(
			&state->directory, NULL, error, "is in use by another portcullisd");
	return state_fail(&state->directory, LOCK, error, "cannot be locked: %s", strerror(errno));
}

struct state *state_open(const char *directory, bool *first_start, char error[STATE_ERROR_SIZE])
{
	struct state *state = state_new(directory, error);

	*first_start = false;
	if (!state)
		return NULL;
	if (directory_make(&state->directory, error) != 0 || directory_lock(state, error) != 0 ||
		recover(state, first_start, error) != 0) {
		state_close(state);
		return NULL;
	}
	if (state->index_damaged)
		log_error(LOG_WHAT("index-damaged"), LOG_TEXT("why", state->damage),
			LOG_TEXT("then", "only targets that have a file there are served"));
	return state;
}

struct state *state_open_readonly(const char *directory, char error[STATE_ERROR_SIZE])
{
	struct state *state = state_new(directory, error);
	bool first_start = false;

	if (!state || (access(directory, F_OK) != 0 && errno == ENOENT))
		return state;
	if (directory_open(&state->directory, true, error) != 0 ||
		recover(state, &first_start, error) != 0) {
		state_close(state);
		return NULL;
	}
	if (state->index_damaged) {
		snprintf(error, STATE_ERROR_SIZE, "%s", state->damage);
		state_close(state);
		return NULL;
	}
	return state;
}

void state_close(struct state *state)
{
	if (!state)
		return;
	for (size_t i = 0; i < state->count; i++)
		free(state->entries[i].file);
	free(state->entries);
	if (state->lock >= 0)
		close(state->lock);
	if (state->directory.fd >= 0)
		close(state->directory.fd);
	free(state->directory.path);
	free(state);
}

/* Whether anything may be said about a target's set without looking into its file. */
static int check_entry(const struct state *state, const char *file, const struct entry *entry,
	char error[STATE_ERROR_SIZE])
{
	if (!entry && state->index_damaged)
		return state_fail(&state->directory, INDEX, error,
			"is missing or damaged, so whether there was a %s is not known", file);
	if (entry && entry->broken)
		return state_fail(&state->directory, file, error,
			"an earlier change could neither be stored nor undone");
	return 0;
}

/* The text of a file that the index names. 0, or -1 with a line in `error`. */
static int indexed_read(const struct state *state, const char *file, char **text, size_t *length,
	char error[STATE_ERROR_SIZE])
{
	enum state_read read = state_file_read(&state->directory, file, text, length, error);

	if (read == STATE_READ_MISSING)
		state_fail(
			&state->directory, file, error, "is missing, although the index names it");
	return read == STATE_READ_OK ? 0 : -1;
}

enum state_result state_load_overlay(
	struct state *state, char **words, char error[STATE_ERROR_SIZE])
{
	const struct entry *entry = entry_find(state, STATE_OVERLAY);
	const char *why = "out of memory";
	size_t length;
	char *text;

	*words = NULL;
	error[0] = '\0';
	if (!entry)
		return STATE_OK; /* also when the index is damaged, which is logged: the file is served */
	if (check_entry(state, STATE_OVERLAY, entry, error) != 0 ||
		indexed_read(state, STATE_OVERLAY, &text, &length, error) != 0)
		return STATE_BROKEN;
	*words = state_text_overlay(text, length, &why);
	secret_free(text);
	if (!*words)
		state_fail(&state->directory, STATE_OVERLAY, error, "%s", why);
	return *words ? STATE_OK : STATE_BROKEN;
}

enum state_result state_load_credentials(struct state *state, const char *target,
	struct credential_set **set, char error[STATE_ERROR_SIZE])
{
	char file[STATE_NAME_SIZE];
	char *text;
	const char *why = "out of memory";
	size_t length;

	*set = NULL;
	error[0] = '\0';
	if (state_name_of(file, target) != 0) {
		state_fail(&state->directory, NULL, error, "can have no file for that target");
		return STATE_BROKEN;
	}
	const struct entry *entry = entry_find(state, file);
	if (check_entry(state, file, entry, error) != 0)
		return STATE_BROKEN;
	if (!entry) {
		*set = credential_set_new(1);
		if (!*set)
			state_fail(&state->directory, file, error, "out of memory");
		return *set ? STATE_OK : STATE_BROKEN;
	}
	if (indexed_read(state, file, &text, &length, error) != 0)
		return STATE_BROKEN;
	*set = state_text_credentials(text, length, target, &why);
	secret_free(text);
	if (!*set)
		state_fail(&state->directory, file, error, "%s", why);
	return *set ? STATE_OK : STATE_BROKEN;
}

/*
 * Adds a new file to the index; the file is durable already. If the index cannot be changed the
 * file goes again. If nobody can say what the index names, the file stays: an index that names a
 * missing file would close the target for good, while a file without a name in it is adopted.
 */
static enum state_result index_add(
	struct state *state, const char *file, char error[STATE_ERROR_SIZE])
{
	enum state_result result = STATE_NOT_STORED;
	char undo_error[STATE_ERROR_SIZE];

	if (entry_add(state, file)) {
		result = index_store(state, error);
		if (result == STATE_NOT_STORED)
			entry_remove(state, file);
	} else {
		state_fail(&state->directory, file, error, "out of memory");
	}
	if (result == STATE_NOT_STORED &&
		state_file_put_back(&state->directory, file, false, undo_error) != 0) {
		snprintf(error, STATE_ERROR_SIZE, "%s", undo_error);
		return STATE_BROKEN;
	}
	return result;
}

/* Remembers that a target's file is what nobody knows. */
static void entry_break(struct state *state, const char *file)
{
	struct entry *entry = entry_find(state, file);

	if (!entry)
		entry = entry_add(state, file);
	if (entry)
		entry->broken = true;
	else
		state->index_damaged = true; /* no memory for the one: then none is trusted */
}

/* Replaces an indexed file by a text (taken, NULL: it could not be made). */
static enum state_result indexed_store(struct state *state, const char *file, char *text,
	size_t length, char error[STATE_ERROR_SIZE])
{
	const struct entry *entry = entry_find(state, file);
	enum state_result result = STATE_BROKEN;
	bool had_old;

	if (check_entry(state, file, entry, error) != 0)
		goto out;
	if (entry && faccessat(state->directory.fd, file, F_OK, 0) != 0) {
		state_fail(&state->directory, file, error, "cannot be found: %s", strerror(errno));
		goto out;
	}
	result = STATE_NOT_STORED;
	if (!text || length > STATE_FILE_MAX) {
		state_fail(&state->directory, file, error, "its contents cannot be encoded");
		goto out;
	}
	result = state_file_replace(&state->directory, file, text, length, &had_old, error);
	if (result == STATE_OK && !entry)
		result = index_add(state, file, error);
	if (result == STATE_OK)
		state_file_settle(&state->directory, file);
	if (result == STATE_BROKEN)
		entry_break(state, file);
out:
	secret_free(text);
	return result;
}

enum state_result state_store_overlay(
	struct state *state, const char *words, char error[STATE_ERROR_SIZE])
{
	size_t length = 0;
	char *text = state_text_of_overlay(words, &length);

	error[0] = '\0';
	return indexed_store(state, STATE_OVERLAY, text, length, error);
}

enum state_result state_store_credentials(struct state *state, const char *target,
	const struct credential_set *set, char error[STATE_ERROR_SIZE])
{
	char file[STATE_NAME_SIZE];
	size_t length = 0;

	error[0] = '\0';
	if (state_name_of(file, target) != 0) {
		state_fail(&state->directory, NULL, error, "can have no file for that target");
		return STATE_NOT_STORED;
	}
	char *text = state_text_of_credentials(target, set, &length);
	return indexed_store(state, file, text, length, error);
}
