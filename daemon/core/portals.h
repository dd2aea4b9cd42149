/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The listening sockets of the portals. All that listen together are one set, which never changes: a change of
 * portals is a new set, with the sockets of those that stay. The main thread and each worker hold a reference to the
 * set that they use (daemon/core/worker.h); a socket is closed with the last set that has it.
 */
#ifndef PORTCULLIS_DAEMON_CORE_PORTALS_H
#define PORTCULLIS_DAEMON_CORE_PORTALS_H

#include "conf/config.h"

#include <stdatomic.h>
#include <sys/socket.h>

#define PORTAL_TEXT_SIZE 80

struct portal {
	atomic_uint refs; /* sets that have it */
	int fd;           /* listening, shared by all workers; -1: it could not be bound */
	uint16_t group;
	bool made_live;                  /* the file does not name it */
	char host[CONFIG_ADDRESS_SIZE];  /* as configured */
	uint16_t port;                   /* as configured: 0 took a free one */
	struct sockaddr_storage address; /* as bound: the port is a real one */
	char text[PORTAL_TEXT_SIZE];     /* the same: "0.0.0.0:3260" */
};

struct portal_set {
	atomic_uint refs;
	size_t count;
	struct portal *portals[CONFIG_PORTALS_MOST]; /* in the configuration's order */
};

/*
 * Main thread. The set that `config` wants, bound and listening, nobody accepts from it yet: what `running` (NULL: the
 * start) has of it stays as it is; a portal that stands in the way of a new one because it has the same port, but is
 * not wanted any more, goes on until its set is gone. A new reference; NULL with one line in `error` that names the
 * portal, and nothing has changed. A portal made live is no reason to fail unless it is the one `asked` for (NULL:
 * none is): it is logged, and its `fd` is -1. So it is where the file has the wildcard of its port.
 */
struct portal_set *portal_set_open(struct portal_set *running, const struct config *config,
	const struct config_portal *asked, char error[CONFIG_ERROR_SIZE]);
/* Any thread. Returns the set. */
struct portal_set *portal_set_ref(struct portal_set *set);
/* Any thread. NULL is fine. */
void portal_set_unref(struct portal_set *set);
/* Whether the set has this very portal. */
bool portal_set_has(const struct portal_set *set, const struct portal *portal);
/* The portal that listens, or would if it could, at this configured address and real port; NULL: none. */
const struct portal *portal_set_find(const struct portal_set *set, const char *host, uint16_t port);
/* The portal of that text; NULL: none listens. */
const struct portal *portal_set_find_text(const struct portal_set *set, const char *text);

/* What two sets differ in. */
struct portal_changes {
	unsigned added, removed;
};
/* One `listening on ADDRESS:PORT` line for each that comes, one for each that goes. `before` may be NULL: the start. */
struct portal_changes portal_set_log(
	const struct portal_set *before, const struct portal_set *after);

#endif
