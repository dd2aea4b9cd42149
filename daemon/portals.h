/* SPDX-License-Identifier: BSD-2-Clause */
/* The listening sockets of the configuration's portals. */
#ifndef PORTCULLIS_DAEMON_PORTALS_H
#define PORTCULLIS_DAEMON_PORTALS_H

#include "conf/config.h"
#include "daemon/worker.h"

/*
 * Binds and listens on every portal. The array has config->portal_count entries and is owned by the caller
 * (portals_close()). NULL with one line in `error` that names the portal.
 */
struct portal *portals_open(const struct config *config, char error[CONFIG_ERROR_SIZE]);
/* One `listening on ADDRESS:PORT` line each. */
void portals_log(const struct portal *portals, size_t count);
/* NULL is fine. */
void portals_close(struct portal *portals, size_t count);

#endif
