/* SPDX-License-Identifier: BSD-2-Clause */
/* The project's own operations on the configuration as a whole: show, check, diff, reload. */
#include "daemon/api/operation.h"

#include "daemon/core/live.h"
#include "daemon/core/target.h"

#include <stdlib.h>
#include <string.h>

void api_show_configuration(struct api_call *call)
{
	const struct config *running = api_call_config(call)->config;
	char *text = config_print(running);
	json_t *reply = text ? json_pack("{s:s, s:s}", "File", running->file, "Configuration", text)
			     : NULL;
	free(text);
	api_call_succeed_take(call, reply);
}

void api_check_configuration(struct api_call *call)
{
	const struct api_config *here = api_call_config(call);
	const char *text = api_call_text(call, "Configuration");
	char error[CONFIG_ERROR_SIZE];
	struct config *config = text ? config_parse("configuration", text, error)
				     : config_load(here->config->file, error);
	int result = config ? live_try(here->live, config, error) : -1;
	if (result < 0)
		api_call_fail(call, API_INVALID_PARAMETERS, error);
	else
		api_call_succeed_take(
			call, json_pack("{s:i}", "TargetCount", (int)config->target_count));
	config_free(config);
}

/* --- DiffConfiguration --- */

struct difference_list {
	json_t *rows;
	bool complete;
};

static void add_difference(void *context, const char *key, const char *file, const char *running)
{
	struct difference_list *list = context;
	json_t *row = json_pack("{s:s, s:s, s:s}", "Key", key, "File", file, "Running", running);
	if (json_array_append_new(list->rows, row))
		list->complete = false;
}

void api_diff_configuration(struct api_call *call)
{
	const struct config *running = api_call_config(call)->config;
	char error[CONFIG_ERROR_SIZE];
	struct config *file = config_load(running->file, error);
	if (!file) {
		api_call_fail(call, API_INVALID_PARAMETERS, error);
		return;
	}
	struct difference_list list = { .rows = json_array(), .complete = true };
	if (list.rows)
		config_diff(file, running, add_difference, &list);
	config_free(file);
	api_call_reply_list(call, "Differences", list.rows, list.rows && list.complete);
}

/* --- ReloadConfiguration --- */

static void reloaded(struct live_change *change, enum live_result result)
{
	struct api_call *call = change->context;
	const struct apply_result *applied = &change->applied;
	if (result == LIVE_DONE)
		api_call_succeed_take(call,
			json_pack("{s:i, s:i, s:i, s:i, s:i}", "TargetsAdded", (int)applied->added,
				"TargetsChanged", (int)applied->changed, "TargetsRemoved",
				(int)applied->removed, "PortalsAdded", (int)applied->portals_added,
				"PortalsRemoved", (int)applied->portals_removed));
	else
		api_call_fail(call, result == LIVE_REFUSED ? API_INVALID_PARAMETERS : API_INTERNAL,
			change->error[0] ? change->error : NULL);
	free(change);
}

void api_reload_configuration(struct api_call *call)
{
	struct live_change *change = calloc(1, sizeof *change);
	if (!change) {
		api_call_fail(call, API_INTERNAL, NULL);
		return;
	}
	change->kind = LIVE_RELOAD;
	change->context = call;
	change->done = reloaded;
	api_call_forget_input(call);
	live_begin(api_call_config(call)->live, change);
}
