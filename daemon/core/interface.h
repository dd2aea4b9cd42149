/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The addresses at which a portal can be reached, as AWS's operations tell them: a wildcard is told
 * as the addresses of the host's interfaces, for nobody can connect to 0.0.0.0.
 */
#ifndef PORTCULLIS_DAEMON_CORE_INTERFACE_H
#define PORTCULLIS_DAEMON_CORE_INTERFACE_H

#include <stdbool.h>
#include <stdint.h>

struct portal;

#define INTERFACE_TEXT_SIZE 46 /* the longest numeric address and its NUL */

/*
 * Calls `each` for every address of a portal that listens, without brackets or port; those of the loopback and
 * link-local ones stay out if there is another. 0, or -1 as soon as `each` returned so.
 */
int interface_each(const struct portal *portal,
	int (*each)(void *context, const char *address, bool is_ipv6), void *context);
/* The first of them, "" if there is none; returns the port. */
uint16_t interface_of_portal(const struct portal *portal, char address[INTERFACE_TEXT_SIZE]);

#endif
