/* SPDX-License-Identifier: BSD-2-Clause */
/* One timer for all targets: it goes by what the newest sets say, so there is nothing to keep in step. */
#include "daemon/core/rotation.h"

#include "daemon/core/clock.h"
#include "daemon/core/gate.h"
#include "daemon/core/metrics.h"
#include "daemon/core/registry.h"
#include "daemon/core/target.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_SECONDS 60u /* how long a clock that is set may go unnoticed */

struct rotations {
	struct registry *registry;
	struct gate *gate;
	struct metrics *metrics;
	struct event *timer;
	unsigned asked; /* of the gate, not done yet */
};

struct credential_set *rotation_prune_take(struct credential_set *set, uint64_t now, bool *ended)
{
	size_t i = 0;

	*ended = false;
	while (set && i < credential_set_retiring_count(set)) {
		const struct credential *retiring = credential_set_retiring_at(set, i);
		if (retiring->until > now) {
			i++;
			continue;
		}
		struct credential_set *next = credential_set_finished(
			set, credential_set_generation(set) + 1, retiring->initiator);
		credential_set_unref(set);
		set = next;
		*ended = true;
	}
	return set;
}

static void expired(struct credential_change *change, enum change_result result)
{
	struct rotations *rotations = change->context;

	/* The gate logs what came of it. */
	metrics_change(rotations->metrics, change->kind, result,
		(clock_now() - change->started) * 1000000);
	rotations->asked--;
	change->target->expiring = false;
	free(change);
	/* The next one. What could not be done is asked for again by the timer. */
	if (result == CHANGE_DONE)
		rotations_look(rotations);
}

static void rotations_expire(struct rotations *rotations, struct target *target,
	const struct credential *retiring, uint64_t now)
{
	struct credential_change *change = calloc(1, sizeof(*change));

	if (!change)
		return; /* the next look asks again */
	change->kind = CHANGE_EXPIRE;
	change->target = target;
	change->until = now;
	change->done = expired;
	change->context = rotations;
	snprintf(change->actor, sizeof(change->actor), "the end of its time");
	memcpy(change->record.initiator, retiring->initiator, sizeof(retiring->initiator));
	rotations->asked++;
	target->expiring = true;
	gate_change(rotations->gate, change);
}

/*
 * Asks for the end of what is over in one target, one after the other: each end is a look at all there are, and asking
 * for all of them in each would ask for as many as their square. How long until the next look, at most `wait`.
 */
static uint64_t rotations_look_at(
	struct rotations *rotations, struct target *target, uint64_t now, uint64_t wait)
{
	struct credential_set *set = target_credentials(target);

	for (size_t i = 0; set && i < credential_set_retiring_count(set); i++) {
		const struct credential *retiring = credential_set_retiring_at(set, i);
		uint64_t left = LOOK_SECONDS; /* whether what is asked for now was done */
		if (retiring->until > now)
			left = retiring->until - now < left ? retiring->until - now : left;
		else if (!target->expiring)
			rotations_expire(rotations, target, retiring, now);
		wait = left < wait ? left : wait;
	}
	credential_set_unref(set);
	return wait;
}

/* Looks again in time; not at all while nothing retires. */
void rotations_look(struct rotations *rotations)
{
	const uint64_t now = clock_wall(), never = UINT64_MAX;
	uint64_t wait = never;

	for (size_t i = 0; i < registry_count(rotations->registry); i++)
		wait = rotations_look_at(rotations, registry_at(rotations->registry, i), now, wait);
	const struct timeval again = { .tv_sec = (time_t)wait };
	if (wait == never)
		evtimer_del(rotations->timer);
	else
		evtimer_add(rotations->timer, &again);
}

static void rotations_changed(void *context)
{
	rotations_look(context);
}

static void rotations_timer(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	rotations_look(context);
}

struct rotations *rotations_new(struct event_base *base, struct registry *registry,
	struct gate *gate, struct metrics *metrics)
{
	struct rotations *rotations = calloc(1, sizeof(*rotations));

	if (!rotations)
		return NULL;
	rotations->registry = registry;
	rotations->gate = gate;
	rotations->metrics = metrics;
	rotations->timer = evtimer_new(base, rotations_timer, rotations);
	if (!rotations->timer) {
		free(rotations);
		return NULL;
	}
	gate_watch(gate, rotations_changed, rotations);
	rotations_look(rotations);
	return rotations;
}

bool rotations_are_idle(const struct rotations *rotations)
{
	return rotations->asked == 0;
}

void rotations_free(struct rotations *rotations)
{
	if (!rotations)
		return;
	gate_watch(rotations->gate, NULL, NULL);
	event_free(rotations->timer);
	free(rotations);
}
