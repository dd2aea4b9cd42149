/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Caps on connections that have not authenticated, in all and per address (doc/architecture.md),
 * so that a stranger can neither use up descriptors nor keep others from logging in.
 */
#ifndef PORTCULLIS_DAEMON_CORE_LIMITS_H
#define PORTCULLIS_DAEMON_CORE_LIMITS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct sockaddr;

#define STRANGERS_MAX             4096u
#define STRANGERS_PER_ADDRESS_MAX 1024u
#define LIMITS_SLOTS              1024u

/* Addresses share a slot when their hashes do: the cap is then reached earlier, never later. */
struct limits {
	atomic_uint strangers;
	atomic_uint slots[LIMITS_SLOTS];
	uint64_t key[2]; /* random, so that nobody can choose whom to share a slot with */
};

/* 0, or -1 if no random bytes can be had. */
int limits_init(struct limits *limits);
/* Counts a stranger in; returns its slot, or -1 if a cap is reached. Thread-safe. */
int limits_enter(struct limits *limits, const struct sockaddr *address);
/* It has authenticated or is gone. Thread-safe; slot < 0 is fine. */
void limits_leave(struct limits *limits, int slot);

#endif
