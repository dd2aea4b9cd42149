/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changing the locks while the gate is open. One change runs through three steps: stored (durable),
 * published (visible), closed (no survivor); only then its asker is told.
 */
#include "daemon/gate.h"

#include "base/log.h"
#include "base/secret.h"
#include "conf/state.h"
#include "daemon/clock.h"
#include "daemon/closing.h"
#include "daemon/jobs.h"
#include "daemon/target.h"
#include "daemon/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct gate {
	struct state *state;
	struct workers *workers;
};

/* One change on its way, beside the caller's struct: its turn and what it closes. */
struct step {
	struct job job; /* first: the queue hands it back */
	struct closure closure;
	struct credential_change *change;
	enum change_result result;
};

struct gate *gate_new(struct state *state, struct workers *workers)
{
	struct gate *gate = calloc(1, sizeof(*gate));

	if (gate)
		*gate = (struct gate){ .state = state, .workers = workers };
	return gate;
}

void gate_free(struct gate *gate)
{
	free(gate);
}

static void gate_log(const struct credential_change *change, enum change_result result)
{
	const char *verb = change->kind == CHANGE_UPDATE ? "update" : "delete";

	if (result != CHANGE_DONE) {
		log_warning("credentials %s not done target=%s initiator=%s by=\"%s\"", verb,
			change->target->name, change->record.initiator, change->actor);
		return;
	}
	log_info("credentials %s target=%s initiator=%s by=\"%s\" generation=%llu "
		 "sessions_closed=%u ms=%llu",
		verb, change->target->name, change->record.initiator, change->actor,
		(unsigned long long)change->generation, change->sessions,
		(unsigned long long)(clock_now() - change->started));
}

/* Tells the asker, then lets the target's next job begin. */
static void gate_end(struct step *step)
{
	struct credential_change *change = step->change;

	gate_log(change, step->result);
	jobs_end(&step->job);
	secret_wipe(&change->record.initiator_secret, sizeof(change->record.initiator_secret));
	secret_wipe(&change->record.target_secret, sizeof(change->record.target_secret));
	change->done(change, step->result);
	free(step);
}

static void gate_closed(struct closure *closure)
{
	struct step *step = closure->context;

	step->change->sessions = atomic_load(&closure->sessions);
	gate_end(step);
}

/* Closes all sessions older than `generation`; without memory to do it in order, nobody may be served. */
static void gate_close(struct step *step, uint64_t generation)
{
	struct gate *gate = step->change->gate;

	step->closure.done = gate_closed;
	step->closure.context = step;
	if (closing_begin_all(gate->workers, &step->closure, step->change->target, generation) <
		0) {
		log_error("target=%s: out of memory while closing sessions",
			step->change->target->name);
		abort();
	}
}

/* Builds the new set, or says why there is none. */
static enum change_result gate_build(struct credential_change *change,
	const struct credential_set *old, struct credential_set **new)
{
	if (!old)
		return CHANGE_FAILED;
	change->generation = credential_set_generation(old) + 1;
	if (change->kind == CHANGE_UPDATE) {
		if (change->target->authentication == AUTHENTICATION_NONE)
			return CHANGE_NOT_SUPPORTED;
		*new = credential_set_with(old, change->generation, &change->record);
	} else {
		*new = credential_set_without(old, change->generation, change->record.initiator);
		if (!*new &&errno == ENOENT)
			return CHANGE_NO_INITIATOR;
	}
	return *new ? CHANGE_DONE : CHANGE_FAILED;
}

/* What storing came to. Returns whether sessions must be closed. */
static bool gate_publish(
	struct step *step, enum state_result stored, struct credential_set *new, const char *why)
{
	struct credential_change *change = step->change;
	struct target *target = change->target;

	if (stored == STATE_OK) {
		if (credential_set_count(new) == 0 && target->authentication == AUTHENTICATION_AUTO)
			log_warning("target=%s: the last credential is deleted, everybody may log "
				    "in without CHAP",
				target->name);
		target_publish_take(target, new);
		return true;
	}
	step->result = CHANGE_FAILED;
	log_error("target=%s: credentials not stored: %s", target->name, why);
	credential_set_unref(new);
	if (stored != STATE_BROKEN)
		return false;
	log_error("target=%s: its state can no longer be trusted, nobody is served", target->name);
	target_publish_take(target, NULL);
	return true;
}

static void gate_run(struct job *job)
{
	struct step *step = (struct step *)job;
	struct credential_change *change = step->change;
	struct credential_set *new = NULL;
	char why[STATE_ERROR_SIZE];

	change->started = clock_now();
	struct credential_set *old = target_credentials(change->target);
	step->result = gate_build(change, old, &new);
	credential_set_unref(old);
	bool closing = false;
	if (step->result == CHANGE_DONE) {
		enum state_result stored = state_store_credentials(
			change->gate->state, change->target->name, new, why);
		closing = gate_publish(step, stored, new, why);
	}
	if (closing)
		gate_close(step, change->generation);
	else
		gate_end(step);
}

void gate_change(struct gate *gate, struct credential_change *change)
{
	struct step *step = calloc(1, sizeof(*step));

	if (!step)
		abort(); /* nothing has been touched; a daemon without 200 bytes serves nobody */
	change->gate = gate;
	step->change = change;
	step->job.run = gate_run;
	jobs_add(&change->target->jobs, &step->job);
}
