/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The project's own operations that change targets, LUNs and sessions. What they change goes through daemon/core/live.h
 * alone; here an input becomes a change, in the words of the configuration file, so that one set of checks serves
 * both.
 */
#include "daemon/api/operation.h"

#include "daemon/core/closing.h"
#include "daemon/core/live.h"
#include "daemon/core/registry.h"
#include "daemon/core/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST "request" /* what messages call the words made of an input */

/* --- from an input to the configuration's words --- */

static const struct {
	const char *member, *key;
} lun_words[] = {
	{ "LunNumber", "lun" },
	{ "Path", "path" },
	{ "SizeInBytes", "size" },
	{ "BlockSize", "block_size" },
	{ "PhysicalBlockSize", "physical_block_size" },
	{ "ReadOnly", "read_only" },
	{ "Cache", "cache" },
	{ "Serial", "serial" },
	{ "Naa", "naa" },
};

/* Control characters stay as they are: the configuration refuses them. */
static void put_text(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void put_key(FILE *out, const char *key, const json_t *value)
{
	if (!value)
		return;
	fprintf(out, "%s = ", key);
	if (json_is_integer(value))
		fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_boolean(value))
		fputs(json_is_true(value) ? "true" : "false", out);
	else
		put_text(out, json_string_value(value));
	fputs("; ", out);
}

static void put_lun(FILE *out, const json_t *input)
{
	fputs("luns = ( { ", out);
	for (size_t i = 0; i < sizeof lun_words / sizeof *lun_words; i++)
		put_key(out, lun_words[i].key, json_object_get(input, lun_words[i].member));
	fputs("} ); } );", out);
}

/* The overlay that the words make, and an empty `error`; NULL with a line there. */
static struct overlay *parse_take(char *words, char error[CONFIG_ERROR_SIZE])
{
	snprintf(error, CONFIG_ERROR_SIZE, "out of memory");
	struct overlay *wanted = words ? overlay_parse(REQUEST, words, error) : NULL;
	if (wanted)
		error[0] = '\0';
	free(words);
	return wanted;
}

struct overlay *api_wanted_target(const json_t *input, char error[CONFIG_ERROR_SIZE])
{
	char *words = NULL;
	size_t size;
	FILE *out = open_memstream(&words, &size);
	if (!out)
		return parse_take(NULL, error);
	fputs("targets = ( { ", out);
	put_key(out, "name", json_object_get(input, "TargetName"));
	put_key(out, "authentication", json_object_get(input, "Authentication"));
	put_lun(out, input);
	fclose(out);
	return parse_take(words, error);
}

static struct overlay *wanted_lun(
	const json_t *input, const char *target, char error[CONFIG_ERROR_SIZE])
{
	char *words = NULL;
	size_t size;
	FILE *out = open_memstream(&words, &size);
	if (!out)
		return parse_take(NULL, error);
	fputs("additions = ( { name = ", out);
	put_text(out, target);
	fputs("; ", out);
	put_lun(out, input);
	fclose(out);
	return parse_take(words, error);
}

/*
 * Whether a LUN may be made of this path: of memory, or of what lies directly in a directory that
 * control.disk_directories names.
 */
static bool is_permitted(const struct config *config, const char *path)
{
	const char *name = strrchr(path, '/');
	if (strcmp(path, "memory:") == 0)
		return true;
	if (!name || !name[1] || strcmp(name, "/.") == 0 || strcmp(name, "/..") == 0)
		return false;
	for (size_t i = 0; i < config->control.disk_directory_count; i++) {
		const char *directory = config->control.disk_directories[i];
		size_t length = strlen(directory);
		while (length > 1 && directory[length - 1] == '/')
			length--;
		if ((size_t)(name - path) == length && strncmp(path, directory, length) == 0)
			return true;
	}
	return false;
}

/* --- from a change to the reply --- */

static void change_free(struct live_change *change)
{
	overlay_free(change->wanted);
	free(change->target);
	free(change);
}

static json_t *describe(const struct api_call *call, const struct live_change *change)
{
	const struct target *target = registry_find(
		api_call_config(call)->registry, change->target);
	json_t *reply = json_pack("{s:s}", "TargetName", change->target);
	const char *arn = target ? target->arn : call->target_arn;
	bool whole = reply && arn && json_object_set_new(reply, "TargetARN", json_string(arn)) == 0;
	for (size_t i = 0; whole && target && i < target->config->lun_count; i++) {
		if (change->kind == LIVE_DRAIN || target->config->luns[i].lun != change->lun)
			continue;
		whole = json_object_set_new(
				reply, "LunNumber", json_integer((json_int_t)change->lun)) == 0 &&
			json_object_set_new(reply, "SizeInBytes",
				json_integer((json_int_t)registry_lun_size(target, i))) == 0;
	}
	if (whole && change->kind == LIVE_DRAIN && change->flag)
		whole = json_object_set_new(reply, "SessionsClosed",
				json_integer((json_int_t)change->sessions)) == 0;
	if (whole)
		return reply;
	json_decref(reply);
	return NULL;
}

enum api_error api_live_error(const struct live_change *change, enum live_result result)
{
	static const enum api_error errors[] = {
		[LIVE_DONE] = API_OK,
		[LIVE_SAME] = API_OK,
		[LIVE_EXISTS] = API_LUN_EXISTS,
		[LIVE_NO_TARGET] = API_TARGET_NOT_FOUND,
		[LIVE_NO_LUN] = API_LUN_INVALID,
		[LIVE_REFUSED] = API_INVALID_PARAMETERS,
		[LIVE_IN_USE] = API_IN_USE,
		[LIVE_FAILED] = API_INTERNAL,
	};
	if (result == LIVE_EXISTS && change->kind == LIVE_CREATE_TARGET)
		return API_TARGET_EXISTS;
	return errors[result];
}

static void changed(struct live_change *change, enum live_result result)
{
	struct api_call *call = change->context;
	const enum api_error error = api_live_error(change, result);
	if (error)
		api_call_fail(call, error, change->error[0] ? change->error : NULL);
	else
		api_call_succeed_take(call, describe(call, change));
	change_free(change);
}

/* A change of that target (its name is copied); NULL: the call has ended. */
static struct live_change *change_new(
	struct api_call *call, enum live_kind kind, const char *target)
{
	struct live_change *change = calloc(1, sizeof *change);
	if (change)
		change->target = strdup(target);
	if (!change || !change->target) {
		free(change);
		api_call_fail(call, API_INTERNAL, NULL);
		return NULL;
	}
	change->kind = kind;
	change->context = call;
	change->done = changed;
	change->lun = (unsigned)api_call_number(call, "LunNumber", 0);
	change->size = (uint64_t)api_call_number(call, "SizeInBytes", 0);
	change->force = api_call_flag(call, "Force");
	return change;
}

static void begin(struct api_call *call, struct live_change *change)
{
	api_call_forget_input(call);
	live_begin(api_call_config(call)->live, change);
}

/* Begins what makes a LUN, unless its words are wrong. */
static void begin_making(struct api_call *call, struct live_change *change)
{
	const char *path = api_call_text(call, "Path");
	if (change->wanted && is_permitted(api_call_config(call)->config, path)) {
		begin(call, change);
		return;
	}
	if (change->wanted)
		snprintf(change->error, sizeof change->error,
			"Path must be \"memory:\" or lie in a directory that "
			"control.disk_directories names.");
	api_call_fail(call, API_INVALID_PARAMETERS, change->error);
	change_free(change);
}

void api_create_target(struct api_call *call)
{
	struct live_change *change = change_new(
		call, LIVE_CREATE_TARGET, api_call_text(call, "TargetName"));
	if (!change)
		return;
	change->wanted = api_wanted_target(call->input, change->error);
	if (change->wanted) {
		/* The configuration's form of a name is in lower case. */
		char *name = strdup(change->wanted->targets->name);
		if (!name)
			abort(); /* nothing has been touched; 200 bytes are no size to do without */
		free(change->target);
		change->target = name;
	}
	begin_making(call, change);
}

void api_create_lun(struct api_call *call)
{
	struct target *target = api_call_target(call);
	struct live_change *change = target ? change_new(call, LIVE_CREATE_LUN, target->name)
					    : NULL;
	if (!change)
		return;
	change->wanted = wanted_lun(call->input, target->name, change->error);
	begin_making(call, change);
}

/* A change of a target that is there. */
static void change_target(struct api_call *call, enum live_kind kind, bool flag)
{
	struct target *target = api_call_target(call);
	struct live_change *change = target ? change_new(call, kind, target->name) : NULL;
	if (!change)
		return;
	change->flag = flag;
	begin(call, change);
}

void api_delete_target(struct api_call *call)
{
	change_target(call, LIVE_DELETE_TARGET, false);
}

void api_delete_lun(struct api_call *call)
{
	change_target(call, LIVE_DELETE_LUN, false);
}

void api_resize_lun(struct api_call *call)
{
	change_target(call, LIVE_RESIZE_LUN, false);
}

void api_set_lun_read_only(struct api_call *call)
{
	change_target(call, LIVE_SET_READ_ONLY, api_call_flag(call, "ReadOnly"));
}

void api_drain_target(struct api_call *call)
{
	change_target(call, LIVE_DRAIN, true);
}

void api_resume_target(struct api_call *call)
{
	change_target(call, LIVE_DRAIN, false);
}
