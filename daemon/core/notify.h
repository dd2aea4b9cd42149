/* SPDX-License-Identifier: BSD-2-Clause */
/* What the service manager is told (sd_notify(3)); nothing happens where there is none. */
#ifndef PORTCULLIS_DAEMON_CORE_NOTIFY_H
#define PORTCULLIS_DAEMON_CORE_NOTIFY_H

#include <stddef.h>

struct event_base;
struct notify;

/* Starts the watchdog's timer on the main thread's base, if the service manager wants one. NULL when out of memory. */
struct notify *notify_new(struct event_base *base);
/* NULL is fine. */
void notify_free(struct notify *notify);
/* All portals listen: "READY=1" with a status line. */
void notify_ready(size_t targets, size_t portals);
void notify_reloading(void);
void notify_reloaded(void);
void notify_stopping(void);

#endif
