/* SPDX-License-Identifier: BSD-2-Clause */
/* One socket per portal, shared by all workers; an IPv6 one takes IPv6 alone, so that a pair of wildcards fits. */
#include "daemon/portals.h"

#include "base/log.h"
#include "daemon/address.h"
#include "daemon/connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LISTEN_BACKLOG 4096

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
		log_info("busy_poll: workers spin, but the kernel does not poll devices for them: "
			 "%s",
			strerror(errno));
}

static int portal_open(
	struct portal *portal, const struct config_portal *wanted, unsigned busy_poll)
{
	const int on = 1;
	socklen_t length = address_parse(wanted->address, wanted->port, &portal->address);

	portal->group = wanted->group;
	portal->fd = socket(
		portal->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (portal->fd < 0)
		return -1;
	setsockopt(portal->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	prepare_connections(portal->fd, busy_poll);
	if (portal->address.ss_family == AF_INET6)
		setsockopt(portal->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(portal->fd, (struct sockaddr *)&portal->address, length) < 0 ||
		listen(portal->fd, LISTEN_BACKLOG) < 0)
		return -1;
	length = sizeof(portal->address);
	return getsockname(portal->fd, (struct sockaddr *)&portal->address, &length);
}

struct portal *portals_open(const struct config *config, char error[CONFIG_ERROR_SIZE])
{
	struct portal *portals = calloc(config->portal_count + 1, sizeof(*portals));

	if (!portals) {
		snprintf(error, CONFIG_ERROR_SIZE, "out of memory");
		return NULL;
	}
	for (size_t i = 0; i < config->portal_count; i++) {
		if (portal_open(&portals[i], &config->portals[i], config->busy_poll) == 0)
			continue;
		snprintf(error, CONFIG_ERROR_SIZE, "cannot listen on portal %s port %u: %s",
			config->portals[i].address, config->portals[i].port, strerror(errno));
		portals_close(portals, i + 1);
		return NULL;
	}
	return portals;
}

void portals_log(const struct portal *portals, size_t count)
{
	char text[ADDRESS_TEXT_SIZE];

	for (size_t i = 0; i < count; i++)
		log_info("listening on %s",
			address_text(
				(const struct sockaddr *)&portals[i].address, text, sizeof(text)));
}

void portals_close(struct portal *portals, size_t count)
{
	for (size_t i = 0; portals && i < count; i++)
		if (portals[i].fd >= 0)
			close(portals[i].fd);
	free(portals);
}
