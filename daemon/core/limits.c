/* SPDX-License-Identifier: BSD-2-Clause */
/* Two counters per stranger: one for all, one for its address. */
#include "daemon/core/limits.h"

#include <netinet/in.h>
#include <stddef.h>
#include <sys/random.h>
#include <sys/socket.h>

int limits_init(struct limits *limits)
{
	*limits = (struct limits){ 0 };
	return getrandom(limits->key, sizeof(limits->key), 0) == sizeof(limits->key) ? 0 : -1;
}

/* A keyed hash of the address without its port; an IPv6 network counts as one address (/64). */
static unsigned limits_slot(const struct limits *limits, const struct sockaddr *address)
{
	const uint8_t *bytes = NULL;
	size_t length = 0;
	uint64_t hash = limits->key[0];

	if (address->sa_family == AF_INET) {
		bytes = (const uint8_t *)&((const struct sockaddr_in *)(const void *)address)
				->sin_addr;
		length = 4;
	} else if (address->sa_family == AF_INET6) {
		bytes = ((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr;
		length = 8;
	}
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3u ^ limits->key[1];
	hash ^= hash >> 32;
	return (unsigned)(hash * 0x9e3779b97f4a7c15u >> 54) % LIMITS_SLOTS;
}

int limits_enter(struct limits *limits, const struct sockaddr *address)
{
	unsigned slot = limits_slot(limits, address);

	if (atomic_fetch_add(&limits->strangers, 1) >= STRANGERS_MAX) {
		atomic_fetch_sub(&limits->strangers, 1);
		return -1;
	}
	if (atomic_fetch_add(&limits->slots[slot], 1) >= STRANGERS_PER_ADDRESS_MAX) {
		limits_leave(limits, (int)slot);
		return -1;
	}
	return (int)slot;
}

void limits_leave(struct limits *limits, int slot)
{
	if (slot < 0)
		return;
	atomic_fetch_sub(&limits->slots[slot], 1);
	atomic_fetch_sub(&limits->strangers, 1);
}
