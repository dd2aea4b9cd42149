/* SPDX-License-Identifier: BSD-2-Clause */
/* One event, `audit`, with the fields that are known. */
#include "daemon/core/audit.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>

const char *audit_actor_text(const struct audit_actor *actor, char text[AUDIT_ACTOR_TEXT])
{
	if (actor->local)
		snprintf(text, AUDIT_ACTOR_TEXT, "uid=%u gid=%u pid=%u", actor->uid, actor->gid,
			actor->pid);
	else if (actor->access_key[0])
		snprintf(text, AUDIT_ACTOR_TEXT, "access_key=%s peer=%s", actor->access_key,
			actor->peer);
	else
		snprintf(text, AUDIT_ACTOR_TEXT, "unknown");
	return text;
}

static const char *known(const char *text)
{
	return text[0] ? text : NULL;
}

/* The name that an ARN ends with, so that a target is called the same in all events. */
static const char *target_of(const struct audit_entry *entry)
{
	static const char before[] = "/target/";
	const char *name = entry->target_arn ? strstr(entry->target_arn, before) : NULL;

	if (!entry->target_arn)
		return entry->target;
	return name ? name + sizeof(before) - 1 : entry->target_arn;
}

/* A number of the kernel's about a local actor. */
static struct log_field local_number(
	const struct audit_actor *actor, const char *key, unsigned number)
{
	return actor->local ? LOG_NUMBER(key, number) : LOG_TEXT(key, NULL);
}

void audit_log(const struct audit_entry *entry)
{
	const struct audit_actor *actor = entry->actor;
	const struct log_field fields[] = {
		LOG_WHAT("audit"),
		LOG_TEXT("operation", entry->operation ? entry->operation : "none"),
		LOG_TEXT("target", target_of(entry)),
		LOG_TEXT("initiator", entry->initiator),
		entry->lun >= 0 ? LOG_NUMBER("lun", (unsigned)entry->lun) : LOG_TEXT("lun", NULL),
		LOG_TEXT("portal", entry->portal),
		LOG_NONZERO("port", entry->port),
		LOG_TEXT("peer", known(actor->peer)),
		LOG_TEXT("access_key", known(actor->access_key)),
		LOG_TEXT("claimed_key", known(actor->claimed_key)),
		LOG_TEXT("user", known(actor->user)),
		local_number(actor, "uid", actor->uid),
		local_number(actor, "gid", actor->gid),
		local_number(actor, "pid", actor->pid),
		LOG_TEXT("result", entry->result ? entry->result : "done"),
		LOG_TEXT("code", entry->code),
		LOG_NUMBER("status", entry->status),
		LOG_TEXT("request", entry->request),
		LOG_NUMBER("ms", entry->ms),
		LOG_NONZERO("suppressed", entry->suppressed),
		LOG_END,
	};

	log_event(entry->status >= 500 ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, fields);
}
