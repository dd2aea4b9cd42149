/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end of a rotation's time. The engine knows no time, so a retiring record is good until the
 * gate takes it away; this is who asks the gate to, on the main thread, by the clock on the wall:
 * an absolute time outlives a restart, and a clock that is set is noticed within a minute.
 */
#ifndef PORTCULLIS_DAEMON_CORE_ROTATION_H
#define PORTCULLIS_DAEMON_CORE_ROTATION_H

#include "auth/credentials.h"

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct gate;
struct metrics;
struct registry;
struct rotations;

/*
 * Takes over `set`; the same, or a set without those of its retiring records whose `until` is not after `now` (seconds since the epoch). For a
 * target that nobody is logged in to yet. NULL when out of memory. `*ended` says whether there were any.
 */
struct credential_set *rotation_prune_take(struct credential_set *set, uint64_t now, bool *ended);

/* Watches the gate and all targets from now on. All is borrowed, and outlives it. NULL when out of memory. */
struct rotations *rotations_new(struct event_base *base, struct registry *registry,
	struct gate *gate, struct metrics *metrics);
/* For when targets have come otherwise than by the gate: asks for what is over, now and when it will be. */
void rotations_look(struct rotations *rotations);
/* Whether the gate has done all that was asked of it. */
bool rotations_are_idle(const struct rotations *rotations);
/* After the gate is done with all changes, or will never run again. NULL is fine. */
void rotations_free(struct rotations *rotations);

#endif
