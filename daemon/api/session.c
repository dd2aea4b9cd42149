/* SPDX-License-Identifier: BSD-2-Clause */
/* The project's own operation that closes an initiator's sessions, or one of them. */
#include "daemon/api/operation.h"

#include "base/encode.h"
#include "daemon/core/closing.h"

#include <stdlib.h>
#include <string.h>

#define ISID_BYTES 6

/* What lasts until the last session is shut. */
struct farewell {
	struct closure closure; /* first */
	uint8_t isid[ISID_BYTES];
};

bool api_is_isid(const char *text, size_t length)
{
	uint8_t isid[ISID_BYTES];
	size_t bytes;
	return hex_decode(isid, sizeof isid, &bytes, text, length) == 0 && bytes == sizeof isid;
}

static void closed(struct closure *closure)
{
	struct api_call *call = closure->context;
	const int sessions = (int)atomic_load(&closure->sessions);
	free((struct farewell *)closure);
	if (sessions == 0)
		api_call_fail(
			call, API_INITIATOR_NOT_FOUND, "It has no such session on the target.");
	else
		api_call_succeed_take(call,
			json_pack("{s:s, s:s, s:i}", "TargetARN", call->target_arn, "InitiatorName",
				call->initiator, "SessionsClosed", sessions));
}

void api_close_session(struct api_call *call)
{
	struct target *target = api_call_target(call);
	struct farewell *farewell = target ? calloc(1, sizeof *farewell) : NULL;
	if (!target)
		return;
	if (!farewell) {
		api_call_fail(call, API_INTERNAL, NULL);
		return;
	}
	const char *isid = api_call_text(call, "ISID");
	struct closing_whom whom = {
		.target = target, .initiator = call->initiator, .present = true
	};
	whom.tsih = (uint16_t)api_call_number(call, "TSIH", 0);
	if (isid) {
		size_t bytes;
		hex_decode(farewell->isid, sizeof farewell->isid, &bytes, isid, strlen(isid));
		whom.isid = farewell->isid;
	}
	farewell->closure = (struct closure){ .done = closed, .context = call };
	api_call_forget_input(call);
	if (closing_begin_all(api_call_config(call)->workers, &farewell->closure, &whom) < 0) {
		free(farewell);
		api_call_fail(call, API_INTERNAL, NULL);
	}
}
