/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changing the locks while the gate is open. One change runs through three steps: stored (durable),
 * published (visible), closed (no survivor); only then its asker is told.
 */
#include "daemon/core/gate.h"

#include "base/log.h"
#include "base/secret.h"
#include "conf/state.h"
#include "daemon/core/clock.h"
#include "daemon/core/closing.h"
#include "daemon/core/jobs.h"
#include "daemon/core/target.h"
#include "daemon/core/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct gate {
	struct state *state;
	struct workers *workers;
	void (*changed)(void *context);
	void *context;
};

/* One change on its way, beside the caller's struct: its turn and what it closes. */
struct step {
	struct job job; /* first: the queue hands it back */
	struct closure closure;
	struct credential_change *change;
	struct closing_whom whom;
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

void gate_watch(struct gate *gate, void (*changed)(void *context), void *context)
{
	gate->changed = changed;
	gate->context = context;
}

static void gate_log(const struct credential_change *change, enum change_result result)
{
	static const char *const kinds[] = {
		[CHANGE_UPDATE] = "update",
		[CHANGE_DELETE] = "delete",
		[CHANGE_ROTATE] = "rotate",
		[CHANGE_FINISH] = "finish",
		[CHANGE_EXPIRE] = "expire",
	};
	static const char *const reasons[] = {
		[CHANGE_NO_INITIATOR] = "there is no record of the initiator",
		[CHANGE_NOT_SUPPORTED] = "authentication is \"none\"",
		[CHANGE_SAME_SECRET] = "the two records could be taken for each other",
		[CHANGE_ROTATING] = "another rotation is under way",
		[CHANGE_FAILED] = "not stored, or the target's state is broken",
	};
	const char *kind = kinds[change->kind];

	if (result != CHANGE_DONE) {
		log_warning(LOG_WHAT("credentials-not-changed"),
			LOG_TEXT("target", change->target->name),
			LOG_TEXT("initiator", change->record.initiator), LOG_TEXT("kind", kind),
			LOG_TEXT("by", change->actor), LOG_TEXT("why", reasons[result]));
		return;
	}
	if (!change->generation)
		return; /* a rotation that was over already: nothing has changed */
	log_info(LOG_WHAT("credentials-changed"), LOG_TEXT("target", change->target->name),
		LOG_TEXT("initiator", change->record.initiator), LOG_TEXT("kind", kind),
		LOG_TEXT("by", change->actor), LOG_NUMBER("generation", change->generation),
		LOG_NUMBER("sessions_closed", change->sessions),
		LOG_NUMBER("ms", clock_now() - change->started));
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

/* Closes whom the change shuts out; without memory to do it in order, nobody may be served. */
static void gate_close(struct step *step)
{
	struct gate *gate = step->change->gate;

	step->closure.done = gate_closed;
	step->closure.context = step;
	if (closing_begin_all(gate->workers, &step->closure, &step->whom) < 0) {
		log_error(LOG_WHAT("aborting"), LOG_TEXT("target", step->change->target->name),
			LOG_TEXT("why", "out of memory while closing sessions"));
		abort();
	}
}

/* The set that a change asks for; NULL with errno. `generation` is the new one's. */
static struct credential_set *gate_build(
	const struct credential_change *change, const struct credential_set *old)
{
	const char *initiator = change->record.initiator;
	const struct credential *retiring = credential_set_retiring(
		old, initiator, strlen(initiator));

	errno = 0;
	switch (change->kind) {
	case CHANGE_UPDATE:
		return credential_set_with(old, change->generation, &change->record);
	case CHANGE_DELETE:
		return credential_set_without(old, change->generation, initiator);
	case CHANGE_ROTATE:
		return credential_set_rotated(
			old, change->generation, &change->record, change->until);
	case CHANGE_FINISH:
	case CHANGE_EXPIRE:
		if (change->kind == CHANGE_EXPIRE && retiring && retiring->until > change->until)
			errno = EALREADY; /* it was given more time */
		else if (retiring)
			return credential_set_finished(old, change->generation, initiator);
		else
			errno = credential_set_find(old, initiator, strlen(initiator)) ? EALREADY
										       : ENOENT;
		return NULL;
	}
	return NULL;
}

/* Why there is no set, as gate_build() says by errno. */
static enum change_result gate_refusal(int reason)
{
	static const struct {
		int reason;
		enum change_result result;
	} refusals[] = {
		{ ENOENT, CHANGE_NO_INITIATOR },
		{ EINVAL, CHANGE_SAME_SECRET },
		{ EBUSY, CHANGE_ROTATING },
		{ EALREADY, CHANGE_DONE },
	};

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (refusals[i].reason == reason)
			return refusals[i].result;
	return CHANGE_FAILED;
}

/* Whom the new set shuts out: after a hard cut all of the target, after a rotation who proved the retiring record. */
static struct closing_whom gate_whom(
	const struct credential_change *change, const struct credential_set *new)
{
	const char *initiator = change->record.initiator;
	struct closing_whom whom = { .target = change->target, .before = change->generation };

	if (change->kind == CHANGE_FINISH || change->kind == CHANGE_EXPIRE) {
		whom.initiator = initiator;
		whom.before = credential_set_find(new, initiator, strlen(initiator))->since;
	}
	return whom;
}

/* Makes the new set the target's. Returns whether sessions must be closed. */
static bool gate_publish(struct step *step, struct credential_set *new)
{
	struct credential_change *change = step->change;
	struct target *target = change->target;

	if (credential_set_count(new) == 0 && target->authentication == AUTHENTICATION_AUTO)
		log_warning(LOG_WHAT("target-open"), LOG_TEXT("target", target->name),
			LOG_TEXT("why", "the last credential is deleted, everybody may log in "
					"without CHAP"));
	step->whom = gate_whom(change, new);
	target_publish_take(target, new);
	if (change->gate->changed)
		change->gate->changed(change->gate->context);
	return change->kind != CHANGE_ROTATE;
}

/* Stores and publishes, or says why not. Returns whether sessions must be closed. */
static bool gate_store(struct step *step, struct credential_set *new)
{
	struct credential_change *change = step->change;
	struct target *target = change->target;
	char why[STATE_ERROR_SIZE];

	enum state_result stored = state_store_credentials(
		change->gate->state, target->name, new, why);
	if (stored == STATE_OK)
		return gate_publish(step, new);
	log_error(LOG_WHAT("credentials-not-stored"), LOG_TEXT("target", target->name),
		LOG_TEXT("initiator", change->record.initiator), LOG_TEXT("why", why));
	/* The end of its time is on the disk already: after a restart it is not taken either. */
	if (stored == STATE_NOT_STORED && change->kind == CHANGE_EXPIRE)
		return gate_publish(step, new);
	step->result = CHANGE_FAILED;
	credential_set_unref(new);
	if (stored != STATE_BROKEN)
		return false;
	log_error(LOG_WHAT("target-shut"), LOG_TEXT("target", target->name),
		LOG_TEXT("why", "its state can no longer be trusted, nobody is served"));
	step->whom = (struct closing_whom){ .target = target, .before = change->generation };
	target_publish_take(target, NULL);
	return true;
}

static void gate_run(struct job *job)
{
	struct step *step = (struct step *)job;
	struct credential_change *change = step->change;
	struct credential_set *new = NULL;
	bool asks_for_chap = change->kind == CHANGE_UPDATE || change->kind == CHANGE_ROTATE;

	change->started = clock_now();
	struct credential_set *old = target_credentials(change->target);
	step->result = CHANGE_FAILED;
	if (old && asks_for_chap && change->target->authentication == AUTHENTICATION_NONE) {
		step->result = CHANGE_NOT_SUPPORTED;
	} else if (old) {
		change->generation = credential_set_generation(old) + 1;
		new = gate_build(change, old);
		step->result = new ? CHANGE_DONE : gate_refusal(errno);
		change->generation = new ? change->generation : 0;
	}
	credential_set_unref(old);
	if (new &&gate_store(step, new))
		gate_close(step);
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
