/* SPDX-License-Identifier: BSD-2-Clause */
/* Which addresses a wildcard stands for: getifaddrs(3). */
#include "daemon/core/interface.h"

#include "daemon/core/address.h"
#include "daemon/core/portals.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>

/* Numeric, without brackets or port. NULL if it is no internet address. */
static const char *plain_text(const struct sockaddr *address, char text[INTERFACE_TEXT_SIZE])
{
	const void *bytes;
	if (address->sa_family == AF_INET)
		bytes = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
	else if (address->sa_family == AF_INET6)
		bytes = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
	else
		return NULL;
	return inet_ntop(address->sa_family, bytes, text, INTERFACE_TEXT_SIZE);
}

/* An address that other hosts can use as it is. */
static bool is_public(const struct ifaddrs *one)
{
	const struct sockaddr *address = one->ifa_addr;
	if (one->ifa_flags & IFF_LOOPBACK)
		return false;
	return address->sa_family != AF_INET6 ||
	       !IN6_IS_ADDR_LINKLOCAL(
		       &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

/* Those of the wanted kind; counts them. */
static int each_of(const struct ifaddrs *list, int family, bool public,
	int (*each)(void *context, const char *address, bool is_ipv6), void *context,
	unsigned *count)
{
	int failed = 0;
	for (const struct ifaddrs *one = list; one && !failed; one = one->ifa_next) {
		char text[INTERFACE_TEXT_SIZE];
		if (!one->ifa_addr || one->ifa_addr->sa_family != family ||
			!(one->ifa_flags & IFF_UP) || is_public(one) != public ||
			!plain_text(one->ifa_addr, text))
			continue;
		failed = each(context, text, family == AF_INET6);
		++*count;
	}
	return failed;
}

int interface_each(const struct portal *portal,
	int (*each)(void *context, const char *address, bool is_ipv6), void *context)
{
	const struct sockaddr *own = (const struct sockaddr *)&portal->address;
	char text[INTERFACE_TEXT_SIZE];
	struct ifaddrs *list = NULL;
	unsigned count = 0;
	if (portal->fd < 0)
		return 0;
	if (!address_is_any(own))
		return plain_text(own, text) ? each(context, text, own->sa_family == AF_INET6) : 0;
	if (getifaddrs(&list))
		return 0;
	int failed = each_of(list, own->sa_family, true, each, context, &count);
	if (!count)
		failed = each_of(list, own->sa_family, false, each, context, &count);
	freeifaddrs(list);
	return failed;
}

static int keep_first(void *context, const char *address, bool is_ipv6)
{
	char *kept = context;
	(void)is_ipv6;
	if (!kept[0])
		snprintf(kept, INTERFACE_TEXT_SIZE, "%s", address);
	return 0;
}

uint16_t interface_of_portal(const struct portal *portal, char address[INTERFACE_TEXT_SIZE])
{
	address[0] = '\0';
	interface_each(portal, keep_first, address);
	return address_port((const struct sockaddr *)&portal->address);
}
