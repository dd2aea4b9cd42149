/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A wildcard and an address of its own cannot listen on one port, so where one takes the other's place both listen for
 * a moment, by SO_REUSEPORT, which is set for binding the new one alone: at no time does nobody listen.
 */
#include "daemon/core/portals.h"

#include "base/log.h"
#include "daemon/core/address.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LISTEN_BACKLOG 4096

/* --- one portal --- */

/*
 * Small PDUs must not wait for the peer's acknowledgements; a dead peer must be noticed. On Linux an
 * accepted socket has what its listener was given, which spares each login five calls.
 */
static void prepare_connections(int fd, unsigned busy_poll)
{
	const int on = 1, idle = 60, interval = 15, count = 4;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	if (busy_poll && setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &busy_poll, sizeof(busy_poll)))
		log_info(LOG_WHAT("busy-poll-halved"),
			LOG_TEXT("then", "workers spin, but the kernel polls no devices for them"),
			LOG_TEXT("why", strerror(errno)));
}

/* Binds and listens. 0, or -1 with errno. */
static int portal_listen(struct portal *portal, bool beside, unsigned busy_poll)
{
	socklen_t length = address_parse(portal->host, portal->port, &portal->address);

	portal->fd = address_bind(&portal->address, length, beside);
	if (portal->fd < 0)
		return -1;
	prepare_connections(portal->fd, busy_poll);
	length = sizeof(portal->address);
	if (listen(portal->fd, LISTEN_BACKLOG) == 0 &&
		getsockname(portal->fd, (struct sockaddr *)&portal->address, &length) == 0)
		return 0;
	int reason = errno;
	close(portal->fd);
	portal->fd = -1;
	errno = reason;
	return -1;
}

/* Not listening yet. NULL when out of memory. */
static struct portal *portal_new(const struct config_portal *wanted)
{
	struct portal *portal = calloc(1, sizeof(*portal));

	if (!portal)
		return NULL;
	atomic_init(&portal->refs, 1);
	portal->fd = -1;
	portal->group = wanted->group;
	portal->made_live = wanted->made_live;
	portal->port = wanted->port;
	snprintf(portal->host, sizeof(portal->host), "%s", wanted->address);
	address_parse(portal->host, portal->port, &portal->address);
	return portal;
}

static void portal_unref(struct portal *portal)
{
	if (atomic_fetch_sub(&portal->refs, 1) != 1)
		return;
	if (portal->fd >= 0)
		close(portal->fd);
	free(portal);
}

/* --- sets --- */

struct portal_set *portal_set_ref(struct portal_set *set)
{
	atomic_fetch_add(&set->refs, 1);
	return set;
}

void portal_set_unref(struct portal_set *set)
{
	if (!set || atomic_fetch_sub(&set->refs, 1) != 1)
		return;
	for (size_t i = 0; i < set->count; i++)
		portal_unref(set->portals[i]);
	free(set);
}

bool portal_set_has(const struct portal_set *set, const struct portal *portal)
{
	for (size_t i = 0; i < set->count; i++)
		if (set->portals[i] == portal)
			return true;
	return false;
}

const struct portal *portal_set_find(const struct portal_set *set, const char *host, uint16_t port)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct portal *portal = set->portals[i];
		if (strcmp(portal->host, host) == 0 &&
			address_port((const struct sockaddr *)&portal->address) == port)
			return portal;
	}
	return NULL;
}

const struct portal *portal_set_find_text(const struct portal_set *set, const char *text)
{
	for (size_t i = 0; i < set->count; i++)
		if (set->portals[i]->fd >= 0 && strcmp(set->portals[i]->text, text) == 0)
			return set->portals[i];
	return NULL;
}

/* --- from one set to the next --- */

/*
 * Whether a portal made live is in the way of a wildcard of the file, on which the file wins: it gives its place up like
 * one that goes. Later it is without a socket, as it would be after a start.
 */
static bool is_covered(const struct config *config, const struct config_portal *wanted)
{
	struct sockaddr_storage own, other;

	address_parse(wanted->address, wanted->port, &own);
	for (size_t i = 0; wanted->made_live && i < config->portal_count; i++) {
		const struct config_portal *portal = &config->portals[i];
		address_parse(portal->address, portal->port, &other);
		if (!portal->made_live && portal->port == wanted->port &&
			other.ss_family == own.ss_family &&
			address_is_any((const struct sockaddr *)&other))
			return true;
	}
	return false;
}

/* How the portals that run become those that are wanted. */
struct opening {
	const struct portal_set *running;
	const struct config *config;
	bool stays[CONFIG_PORTALS_MOST];          /* of those that run */
	struct portal *from[CONFIG_PORTALS_MOST]; /* of those wanted; NULL: a new one */
};

/* The portal that runs, is not taken yet, and is `wanted`: as it was configured, or (`bound`) where it listens. */
static struct portal *opening_take(
	struct opening *opening, const struct config_portal *wanted, bool bound)
{
	const size_t count = opening->running && !is_covered(opening->config, wanted)
				     ? opening->running->count
				     : 0;

	for (size_t i = 0; i < count; i++) {
		struct portal *portal = opening->running->portals[i];
		uint16_t port = bound ? address_port((const struct sockaddr *)&portal->address)
				      : portal->port;
		if (opening->stays[i] || port != wanted->port ||
			strcmp(portal->host, wanted->address) != 0)
			continue;
		opening->stays[i] = true;
		return portal;
	}
	return NULL;
}

/* Lets others bind the port of those that go, or no longer. Whether there are any. */
static bool opening_share(
	const struct opening *opening, const struct config_portal *wanted, int shared)
{
	bool found = false;

	for (size_t i = 0; opening->running && i < opening->running->count; i++) {
		const struct portal *portal = opening->running->portals[i];
		if (opening->stays[i] || portal->fd < 0 ||
			address_port((const struct sockaddr *)&portal->address) != wanted->port)
			continue;
		setsockopt(portal->fd, SOL_SOCKET, SO_REUSEPORT, &shared, sizeof(shared));
		found = true;
	}
	return found;
}

static int opening_listen(
	const struct opening *opening, struct portal *portal, const struct config_portal *wanted)
{
	const int off = 0;
	int result = portal_listen(portal, false, opening->config->busy_poll);

	/* What is covered would find its own old socket, and get in beside the wildcard by it. */
	if (result == 0 || errno != EADDRINUSE || is_covered(opening->config, wanted) ||
		!opening_share(opening, wanted, 1))
		return result;
	result = portal_listen(portal, true, opening->config->busy_poll);
	int reason = errno;
	opening_share(opening, wanted, 0);
	if (result == 0)
		setsockopt(portal->fd, SOL_SOCKET, SO_REUSEPORT, &off, sizeof(off));
	errno = reason;
	return result;
}

/* One portal of the new set, a reference; NULL with errno. What nobody asked for may be without a socket. */
static struct portal *opening_portal(const struct opening *opening, struct portal *from,
	const struct config_portal *wanted, bool must)
{
	if (from && from->fd >= 0 && from->group == wanted->group && from->port == wanted->port &&
		from->made_live == wanted->made_live) {
		atomic_fetch_add(&from->refs, 1);
		return from;
	}
	struct portal *portal = portal_new(wanted);
	if (!portal)
		return NULL;
	if (from && from->fd >= 0) {
		/* The same socket under another name: nobody who connects notices. */
		portal->fd = fcntl(from->fd, F_DUPFD_CLOEXEC, 0);
		portal->address = from->address;
	}
	if (portal->fd < 0 && opening_listen(opening, portal, wanted) < 0) {
		int reason = errno;
		if (must) {
			portal_unref(portal);
			errno = reason;
			return NULL;
		}
		address_parse(portal->host, portal->port, &portal->address);
		log_error(LOG_WHAT("portal-not-open"), LOG_TEXT("address", wanted->address),
			LOG_NUMBER("port", wanted->port), LOG_TEXT("why", strerror(reason)));
	}
	address_text((const struct sockaddr *)&portal->address, portal->text, sizeof(portal->text));
	return portal;
}

/* With the line, if the file has it. */
static void complain(const struct config *config, const struct config_portal *wanted, int reason,
	char error[CONFIG_ERROR_SIZE])
{
	char where[300] = "";

	if (wanted->line)
		snprintf(where, sizeof(where), "%.270s:%d: ", config->file, wanted->line);
	snprintf(error, CONFIG_ERROR_SIZE, "%scannot listen on portal %s port %u: %s", where,
		wanted->address, wanted->port, strerror(reason));
}

struct portal_set *portal_set_open(struct portal_set *running, const struct config *config,
	const struct config_portal *asked, char error[CONFIG_ERROR_SIZE])
{
	struct opening opening = { .running = running, .config = config };
	struct portal_set *set = calloc(1, sizeof(*set));

	snprintf(error, CONFIG_ERROR_SIZE, "out of memory");
	if (!set)
		return NULL;
	atomic_init(&set->refs, 1);
	for (size_t i = 0; i < config->portal_count; i++)
		opening.from[i] = opening_take(&opening, &config->portals[i], false);
	for (size_t i = 0; i < config->portal_count; i++)
		if (!opening.from[i] && config->portals[i].port != 0)
			opening.from[i] = opening_take(&opening, &config->portals[i], true);
	for (size_t i = 0; i < config->portal_count; i++) {
		const struct config_portal *wanted = &config->portals[i];
		bool must = !wanted->made_live || (asked && config_portal_same(asked, wanted));
		struct portal *portal = opening_portal(&opening, opening.from[i], wanted, must);
		if (!portal) {
			complain(config, wanted, errno, error);
			portal_set_unref(set);
			return NULL;
		}
		set->portals[set->count++] = portal;
	}
	return set;
}

static void log_opened(const struct portal *portal)
{
	char phrase[sizeof(portal->text) + 16];

	snprintf(phrase, sizeof(phrase), "listening on %s", portal->text);
	log_info(LOG_PHRASE(phrase), LOG_WHAT("listening"), LOG_TEXT("address", portal->text),
		LOG_NUMBER("group", portal->group));
}

static void log_closed(const struct portal *portal)
{
	log_info(LOG_WHAT("portal-closed"), LOG_TEXT("address", portal->text),
		LOG_NUMBER("group", portal->group));
}

/* An event for each that only the first of two sets has; how many. */
static unsigned log_only(const struct portal_set *first, const struct portal_set *second,
	void (*log)(const struct portal *portal))
{
	unsigned count = 0;

	for (size_t i = 0; first && i < first->count; i++) {
		const struct portal *portal = first->portals[i];
		if (portal->fd < 0 || (second && portal_set_find_text(second, portal->text)))
			continue;
		log(portal);
		count++;
	}
	return count;
}

struct portal_changes portal_set_log(
	const struct portal_set *before, const struct portal_set *after)
{
	struct portal_changes changes = { .added = log_only(after, before, log_opened) };

	changes.removed = log_only(before, after, log_closed);
	return changes;
}
