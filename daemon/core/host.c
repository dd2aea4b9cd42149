/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the engine asks of its surroundings (struct iscsi_host): the registry for logins, discovery
 * and task management, random bytes, and the log.
 */
#include "base/log.h"
#include "daemon/core/address.h"
#include "daemon/core/clock.h"
#include "daemon/core/connection.h"
#include "daemon/core/registry.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADMISSION_MS     3000u /* K6 */
#define STRANGERS_LOGGED 200   /* events of strangers that a worker logs in LOG_LIMIT_WINDOW_MS */
#define FUNCTIONS_LOGGED                                                                           \
	200 /* likewise task management functions: one PDU each, of whoever is logged in */

static int host_random(void *buffer, size_t length)
{
	return length <= INT32_MAX && RAND_bytes(buffer, (int)length) == 1 ? 0 : -1;
}

/* --- login --- */

static struct iscsi_login_status host_login_begin(
	void *owner, const struct iscsi_identity *identity, struct iscsi_login_terms *terms)
{
	struct connection *connection = owner;
	struct registry *registry = connection->worker->workers->registry;
	struct target_terms found;

	*terms = (struct iscsi_login_terms){ .portal_group_tag = connection->entry.group,
		.target_alias = "" };
	connection->entry.identity = identity;
	connection->entered = ++connection->worker->entered;
	enum registry_entry answer = registry_enter(
		registry, identity->target, &connection->entry, &found);
	if (answer != REGISTRY_ENTERED)
		return answer == REGISTRY_UNKNOWN ? (struct iscsi_login_status){ 2, 3 }
						  : (struct iscsi_login_status){ 3, 1 };
	connection->stats = stats_target(connection->worker->stats, identity->target);
	connection->credentials = found.credentials;
	terms->credentials = found.credentials;
	terms->chap_required = found.requires_chap;
	terms->chap_offered = found.requires_chap;
	return (struct iscsi_login_status){ 0, 0 };
}

static bool host_login_current(void *owner, uint64_t credential)
{
	struct connection *connection = owner;

	return target_is_current(connection->entry.target, &connection->entry, credential);
}

/* The initiator port's name, SPC-4 annex: the initiator's name, ",i,0x" and the ISID. */
static struct scsi_nexus *nexus_of(const struct session_entry *entry, bool lost)
{
	char port[ISCSI_NAME_MAX + 24];
	const uint8_t *isid = entry->identity->isid;

	snprintf(port, sizeof(port), "%s,i,0x%02x%02x%02x%02x%02x%02x", entry->identity->initiator,
		isid[0], isid[1], isid[2], isid[3], isid[4], isid[5]);
	return scsi_nexus_new(
		entry->target->device, port, entry->group, lost ? UA_NEXUS_LOSS : UA_POWER_ON);
}

static enum iscsi_admission host_login_admit(
	void *owner, const struct iscsi_identity *identity, struct iscsi_grant *grant)
{
	struct connection *connection = owner;
	struct target *target = connection->entry.target;
	struct admission admission;

	enum iscsi_admission answer = target_admit(target, &connection->entry, &admission);
	*grant = (struct iscsi_grant){ .status = admission.status, .tsih = connection->entry.tsih };
	if (answer == ISCSI_WAIT && connection->admission_until == ISCSI_NO_DEADLINE)
		connection->admission_until = clock_now() + ADMISSION_MS;
	if (answer != ISCSI_WAIT)
		connection->admission_until = ISCSI_NO_DEADLINE;
	if (answer != ISCSI_ADMITTED)
		return answer;
	if (identity->tsih)
		grant->resume = &connection->entry.resume;
	if (target->device && !identity->discovery) {
		connection->nexus = nexus_of(&connection->entry, admission.nexus_lost);
		if (!connection->nexus) {
			grant->status = (struct iscsi_login_status){ 3, 2 };
			return ISCSI_REFUSED;
		}
		grant->nexus = connection->nexus;
		grant->device = target->device;
	}
	return ISCSI_ADMITTED;
}

/* --- discovery --- */

/* One discovery: who asks, and at which of its addresses. */
struct discovery {
	const struct connection *connection;
	struct sockaddr_storage local;
	iscsi_discovered *each;
	void *context;
};

/* Where this peer finds a portal: a wildcard as the address it reached us at; NULL if it cannot, for all we know. */
static const char *portal_for(const struct discovery *discovery, const struct portal *portal,
	char text[ADDRESS_TEXT_SIZE])
{
	struct sockaddr_storage address = portal->address;

	if (portal->fd < 0)
		return NULL;
	if (address_is_any((struct sockaddr *)&address)) {
		if (discovery->local.ss_family != address.ss_family)
			return NULL;
		address = discovery->local;
		address_set_port((struct sockaddr *)&address,
			address_port((const struct sockaddr *)&portal->address));
	}
	return address_text((struct sockaddr *)&address, text, ADDRESS_TEXT_SIZE);
}

/* Names the target at the portal that was used first, unless that is gone, then at the others. */
static void discover_target(void *context, const char *target)
{
	const struct discovery *discovery = context;
	const struct connection *connection = discovery->connection;
	const struct portal_set *portals = connection->worker->portals;
	const struct portal *used = portal_set_find_text(portals, connection->listener);
	char text[ADDRESS_TEXT_SIZE], address[ADDRESS_TEXT_SIZE + 8];

	if (used) {
		snprintf(address, sizeof(address), "%s,%u", connection->portal, used->group);
		discovery->each(discovery->context, target, address);
	}
	for (size_t i = 0; i < portals->count; i++) {
		const struct portal *portal = portals->portals[i];
		if (!portal_for(discovery, portal, text) ||
			(used && strcmp(text, connection->portal) == 0))
			continue;
		snprintf(address, sizeof(address), "%s,%u", text, portal->group);
		discovery->each(discovery->context, target, address);
	}
}

static void host_discover(void *owner, const char *name, iscsi_discovered *each, void *context)
{
	const struct connection *connection = owner;
	struct discovery discovery = { .connection = connection, .each = each, .context = context };
	socklen_t length = sizeof(discovery.local);

	if (getsockname(connection->fd, (struct sockaddr *)&discovery.local, &length) < 0)
		return;
	registry_each_name(
		connection->worker->workers->registry, name, discover_target, &discovery);
}

/* --- task management beyond one's own session --- */

/* One worker's part of a function that concerns all sessions of a target. */
struct manage_part {
	struct mail mail;
	struct target *target;
	struct iscsi_management *management;
};

/* The whole: the way back when the last hold has been dropped, on whatever thread, and a part for each worker. */
struct manage_round {
	struct mail mail;
	struct connection *connection; /* busy until it has been told: it cannot go away */
	struct iscsi_management *management;
	struct manage_part parts[];
};

static void manage_returned(struct mail *mail, void *receiver)
{
	struct manage_round *round = (struct manage_round *)mail;
	(void)receiver;

	connection_dirty(round->connection);
	iscsi_conn_managed(round->connection->engine, round->management, clock_now());
	free(round);
}

static void manage_released(struct iscsi_management *management)
{
	struct manage_round *round = management->host_context;

	mailbox_post(round->connection->worker->mailbox, &round->mail);
}

/* The part is not touched once its hold is dropped: the whole may be gone then. */
static void manage_deliver(struct mail *mail, void *receiver)
{
	struct manage_part *part = (struct manage_part *)mail;
	struct worker *worker = receiver;
	struct connection *connection;
	uint64_t now = clock_now();

	TAILQ_FOREACH(connection, &worker->connections, all_link)
	{
		if (connection->entry.target != part->target || !connection->nexus)
			continue;
		connection_dirty(connection);
		iscsi_conn_manage(connection->engine, part->management, now);
	}
	iscsi_management_release(part->management);
}

static int host_manage(void *owner, struct iscsi_management *management)
{
	struct connection *connection = owner;
	struct workers *workers = connection->worker->workers;
	struct manage_round *round = calloc(
		1, sizeof(*round) + workers->count * sizeof(round->parts[0]));

	if (!round)
		return -1;
	round->mail.deliver = manage_returned;
	round->connection = connection;
	round->management = management;
	management->host_context = round;
	management->released = manage_released;
	atomic_fetch_add(&management->holds, workers->count);
	for (unsigned i = 0; i < workers->count; i++) {
		round->parts[i].mail.deliver = manage_deliver;
		round->parts[i].target = connection->entry.target;
		round->parts[i].management = management;
		mailbox_post(workers->all[i].mailbox, &round->parts[i].mail);
	}
	iscsi_management_release(management);
	return 0;
}

/* --- the log --- */

static void host_wake(void *owner)
{
	connection_dirty(owner);
}

/*
 * Who speaks, as far as known: all events of a connection begin with these. The names are what the peer says until
 * it has logged in.
 */
#define WHOSE(connection)                                                                          \
	LOG_TEXT("target", target_of(connection)),                                                 \
		LOG_TEXT("initiator", (connection)->entry.identity                                 \
					      ? (connection)->entry.identity->initiator            \
					      : NULL),                                             \
		LOG_TEXT("peer", (connection)->peer),                                              \
		LOG_NONZERO("session", (connection)->entry.tsih)

static const char *target_of(const struct connection *connection)
{
	const struct iscsi_identity *identity = connection->entry.identity;

	return identity && identity->target[0] ? identity->target : NULL;
}

/* What a connection that has proved nothing yet, or never will, makes us write is limited. */
static bool may_log(const struct connection *connection, uint64_t *suppressed)
{
	*suppressed = 0;
	return connection->stranger < 0 || log_limit_pass(&connection->worker->strangers,
						   STRANGERS_LOGGED, clock_now(), suppressed);
}

static void log_logged_in(const struct connection *connection)
{
	struct iscsi_conn_info info;
	uint64_t suppressed;

	if (!may_log(connection, &suppressed))
		return;
	iscsi_conn_info(connection->engine, &info);
	log_info(LOG_WHAT("login"), WHOSE(connection),
		LOG_TEXT("type", info.identity->discovery ? "discovery" : "normal"),
		LOG_TEXT("auth",
			info.chap_algorithm ? chap_algorithm_name(info.chap_algorithm) : "none"),
		LOG_TEXT("mutual", info.chap_mutual ? "yes" : "no"),
		LOG_NUMBER("worker", connection->worker->index),
		LOG_NONZERO("suppressed", suppressed));
}

void connection_log_end(const struct connection *connection)
{
	static const char *const whys[] = {
		[CONNECTION_LOST] = "the peer has gone",
		[CONNECTION_LOGGED_OUT] = "logout",
		[CONNECTION_BROKE] = "a protocol error or a timeout",
		[CONNECTION_ASKED] = "asked to",
		[CONNECTION_REPLACED] = "a newer session takes its place",
	};
	struct iscsi_conn_info info;
	uint64_t suppressed;

	if (!may_log(connection, &suppressed))
		return;
	iscsi_conn_info(connection->engine, &info);
	log_info(LOG_WHAT("session-end"), WHOSE(connection), LOG_TEXT("why", whys[connection->end]),
		LOG_NUMBER("seconds", (clock_now() - info.logged_in_at) / 1000),
		LOG_NUMBER("commands", info.commands), LOG_NUMBER("bytes_read", info.bytes_read),
		LOG_NUMBER("bytes_written", info.bytes_written),
		LOG_NONZERO("suppressed", suppressed));
}

/* What a refusal counts as (RFC 7143 section 11.13.5). */
static enum stats_login login_outcome(struct iscsi_login_status status)
{
	static const struct {
		uint8_t class, detail;
		enum stats_login outcome;
	} outcomes[] = {
		{ 0, 0, STATS_LOGIN_ACCEPTED },
		{ 2, 1, STATS_LOGIN_NOT_AUTHENTICATED },
		{ 2, 2, STATS_LOGIN_NOT_AUTHORIZED },
		{ 2, 3, STATS_LOGIN_NO_TARGET },
		{ 3, 1, STATS_LOGIN_UNAVAILABLE },
	};

	for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++)
		if (outcomes[i].class == status.class && outcomes[i].detail == status.detail)
			return outcomes[i].outcome;
	return STATS_LOGIN_REFUSED;
}

/* A login to what is no target of ours is counted without the name, which is the peer's invention. */
static void count_login(struct connection *connection, struct iscsi_login_status status)
{
	struct stats_target *stats = connection->stats;

	if (!stats)
		stats = stats_target(connection->worker->stats, "");
	stats_login(stats, login_outcome(status));
}

static void host_command(void *owner, const struct scsi_task *task, uint32_t bytes, uint64_t began)
{
	const struct connection *connection = owner;

	stats_command(connection->worker->stats, connection->stats, task, bytes, began);
}

static void log_trouble(struct connection *connection, const char *what, const char *why)
{
	uint64_t suppressed;

	if (connection->end == CONNECTION_LOST)
		connection->end = CONNECTION_BROKE;
	if (may_log(connection, &suppressed))
		log_warning(LOG_WHAT(what), WHOSE(connection), LOG_TEXT("why", why),
			LOG_NONZERO("suppressed", suppressed));
}

static void log_refused(struct connection *connection, const struct iscsi_event *event)
{
	uint64_t suppressed;

	if (may_log(connection, &suppressed))
		log_warning(LOG_WHAT("login-refused"), WHOSE(connection),
			LOG_HEX("status",
				(uint64_t)event->status.class << 8 | event->status.detail),
			LOG_TEXT("why", event->text), LOG_NONZERO("suppressed", suppressed));
}

static void log_function(struct connection *connection, const struct iscsi_event *event)
{
	uint64_t suppressed;

	if (log_limit_pass(
		    &connection->worker->functions, FUNCTIONS_LOGGED, clock_now(), &suppressed))
		log_info(LOG_WHAT("task-management"), WHOSE(connection),
			LOG_NUMBER("function", event->number), LOG_TEXT("why", event->text),
			LOG_NONZERO("suppressed", suppressed));
}

static void host_logged_in(struct connection *connection)
{
	/* Unnamed discovery proves nothing: it stays a stranger. */
	if (connection->entry.identity->target[0]) {
		limits_leave(&connection->worker->workers->limits, connection->stranger);
		connection->stranger = -1;
	}
	count_login(connection, (struct iscsi_login_status){ 0, 0 });
	connection->is_counted = true;
	stats_session(connection->stats, 1);
	log_logged_in(connection);
}

static void host_event(void *owner, const struct iscsi_event *event)
{
	struct connection *connection = owner;

	switch (event->kind) {
	case ISCSI_EVENT_LOGIN_REFUSED:
		count_login(connection, event->status);
		log_refused(connection, event);
		break;
	case ISCSI_EVENT_LOGGED_IN:
		host_logged_in(connection);
		break;
	case ISCSI_EVENT_LOGGED_OUT:
		connection->end = CONNECTION_LOGGED_OUT;
		break;
	case ISCSI_EVENT_PROTOCOL_ERROR:
		log_trouble(connection, "protocol-error", event->text);
		break;
	case ISCSI_EVENT_TIMEOUT:
		log_trouble(connection, "timeout", event->text);
		break;
	case ISCSI_EVENT_TASK_MANAGEMENT:
		log_function(connection, event);
		break;
	}
}

const struct iscsi_host connection_host = {
	.random = host_random,
	.login_begin = host_login_begin,
	.login_current = host_login_current,
	.login_admit = host_login_admit,
	.discover = host_discover,
	.manage = host_manage,
	.wake = host_wake,
	.event = host_event,
	.command = host_command,
};
