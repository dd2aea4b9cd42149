/* SPDX-License-Identifier: BSD-2-Clause */
/* libsystemd, and a timer at half the watchdog's interval. */
#include "daemon/core/notify.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <time.h>

struct notify {
	struct event *watchdog;
};

static void notify_watchdog(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what, (void)context;
	sd_notify(0, "WATCHDOG=1");
}

struct notify *notify_new(struct event_base *base)
{
	struct notify *notify = calloc(1, sizeof(*notify));
	uint64_t interval = 0;

	if (!notify || sd_watchdog_enabled(0, &interval) <= 0)
		return notify;
	const struct timeval half = { .tv_sec = (time_t)(interval / 2000000),
		.tv_usec = (suseconds_t)(interval / 2 % 1000000) };
	notify->watchdog = event_new(base, -1, EV_PERSIST, notify_watchdog, NULL);
	if (!notify->watchdog || event_add(notify->watchdog, &half) < 0) {
		notify_free(notify);
		return NULL;
	}
	return notify;
}

void notify_free(struct notify *notify)
{
	if (!notify)
		return;
	if (notify->watchdog)
		event_free(notify->watchdog);
	free(notify);
}

void notify_ready(size_t targets, size_t portals)
{
	sd_notifyf(0, "READY=1\nSTATUS=serving %zu targets on %zu portals", targets, portals);
}

void notify_reloading(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		(uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
}

void notify_reloaded(void)
{
	sd_notify(0, "READY=1");
}

void notify_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}
