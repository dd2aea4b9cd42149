/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The project's own operations on portals. Changes go through daemon/core/live.h like all that is made live; what listens
 * is read from the set that the workers have.
 */
#include "daemon/api/operation.h"

#include "conf/config_value.h"
#include "daemon/core/address.h"
#include "daemon/core/live.h"
#include "daemon/core/portals.h"

#include <stdlib.h>
#include <string.h>

#define PORT_USUAL  3260
#define GROUP_USUAL 1

static void change_free(struct live_change *change)
{
	free(change->portal.address);
	free(change);
}

static void changed(struct live_change *change, enum live_result result)
{
	struct api_call *call = change->context;
	const struct config_portal *portal = &change->portal;
	const char *why = change->error[0] ? change->error : NULL;
	if (result == LIVE_FAILED)
		api_call_fail(call, API_INTERNAL, why);
	else if (result != LIVE_DONE && result != LIVE_SAME)
		api_call_fail(call, API_INVALID_PARAMETERS, why);
	else if (change->kind == LIVE_ADD_PORTAL)
		api_call_succeed_take(
			call, json_pack("{s:s, s:i, s:i}", "Address", portal->address, "Port",
				      (int)portal->port, "Group", (int)portal->group));
	else
		api_call_succeed_take(
			call, json_pack("{s:s, s:i, s:i}", "Address", portal->address, "Port",
				      (int)portal->port, "SessionsClosed", (int)change->sessions));
	change_free(change);
}

static void begin(struct api_call *call, enum live_kind kind)
{
	/* In its shortest form, as the configuration keeps it: one address is one portal. */
	char *address = value_address(api_call_text(call, "Address"));
	struct live_change *change = address ? calloc(1, sizeof *change) : NULL;
	if (!address) {
		api_call_fail(call, API_INVALID_PARAMETERS,
			"Address must be a numeric IPv4 or IPv6 address without brackets.");
		return;
	}
	if (!change) {
		free(address);
		api_call_fail(call, API_INTERNAL, NULL);
		return;
	}
	change->kind = kind;
	change->portal.address = address;
	change->portal.port = (uint16_t)api_call_number(call, "Port", PORT_USUAL);
	change->portal.group = (uint16_t)api_call_number(call, "Group", GROUP_USUAL);
	change->force = api_call_flag(call, "Force");
	change->context = call;
	change->done = changed;
	live_begin(api_call_config(call)->live, change);
}

void api_add_portal(struct api_call *call)
{
	begin(call, LIVE_ADD_PORTAL);
}

void api_remove_portal(struct api_call *call)
{
	begin(call, LIVE_REMOVE_PORTAL);
}

/* --- ListPortals --- */

static json_t *describe_portal(const struct portal *portal, const struct session_snapshot *snapshot)
{
	int sessions = 0;
	for (size_t i = 0; i < snapshot->count; i++)
		sessions += strcmp(snapshot->rows[i].listener, portal->text) == 0;
	return json_pack("{s:s, s:s, s:i, s:i, s:b, s:s, s:i}", "Portal", portal->text, "Address",
		portal->host, "Port", (int)address_port((const struct sockaddr *)&portal->address),
		"Group", (int)portal->group, "Listening", portal->fd >= 0, "Source",
		portal->made_live ? "live" : "file", "SessionCount", sessions);
}

static void list_portals(void *context, const struct session_snapshot *snapshot)
{
	struct api_call *call = context;
	const struct portal_set *portals = *api_call_config(call)->portals;
	json_t *rows = json_array();
	bool complete = snapshot->complete && rows;
	for (size_t i = 0; complete && i < portals->count; i++)
		complete = json_array_append_new(
				   rows, describe_portal(portals->portals[i], snapshot)) == 0;
	api_call_reply_list(call, "Portals", rows, complete);
}

void api_list_portals(struct api_call *call)
{
	api_call_with_sessions(call, list_portals);
}
