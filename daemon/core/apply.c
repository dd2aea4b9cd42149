/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each target's change is a job in its own queue, so it takes turns with credential changes. What can fail for a reason
 * that lies outside comes first, and then nothing else has been touched: whether what is closed would be found again, new
 * LUNs, and new targets. What one target gives to another is opened when all that close their LUNs have done so.
 */
#include "daemon/core/apply.h"

#include "base/log.h"
#include "daemon/core/clock.h"
#include "daemon/core/closing.h"
#include "daemon/core/registry.h"
#include "daemon/core/worker.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDLE_POLL_US 20000 /* how often a target is looked at whose last commands are awaited */
#define IDLE_WAIT_MS                                                                               \
	5000 /* how long they are: a disk that hangs must not hold up all other changes */

struct apply {
	struct apply_config config;
	struct apply_result result;
	struct relisten relisten;
	unsigned pending;           /* targets, portals, and the whole */
	unsigned closing;           /* targets that are to close their LUNs and have not yet */
	struct retarget *retargets; /* which have not begun */
	struct retarget *waiting;   /* for `closing` to be 0 */
	bool *takes; /* of each target that is to be: whether it gets a file from another one */
};

/* One target on its way to what is wanted. */
struct retarget {
	struct job job; /* first */
	struct retarget *next;
	struct apply *apply;
	struct target *target;
	const struct config_target *wanted; /* NULL: to be gone */
	bool closes;                        /* its LUNs, to open those that are wanted */
	bool was_open;                      /* before: they could be opened */
	struct closure closure;
	struct event *idle_poll;
	uint64_t idle_until; /* clock_now() */
	void (*then)(
		struct retarget *retarget); /* when no connection is left, or the files are free */
};

static void apply_free(struct apply *apply)
{
	struct retarget *retarget;

	if (!apply)
		return;
	while ((retarget = apply->retargets)) {
		apply->retargets = retarget->next;
		free(retarget);
	}
	free(apply->takes);
	free(apply);
}

static void apply_settle(struct apply *apply)
{
	if (--apply->pending)
		return;
	apply->config.done(apply->config.context, &apply->result);
	apply_free(apply);
}

/* One target's LUNs are closed. When it was the last, those that wait for a file go on. */
static void apply_let_go(struct apply *apply)
{
	struct retarget *waiting = apply->waiting, *next;

	if (--apply->closing)
		return;
	apply->waiting = NULL;
	for (; waiting; waiting = next) {
		next = waiting->next;
		waiting->then(waiting);
	}
}

static void retarget_end(struct retarget *retarget)
{
	struct apply *apply = retarget->apply;

	jobs_end(&retarget->job);
	if (retarget->idle_poll)
		event_free(retarget->idle_poll);
	if (!retarget->wanted) {
		registry_discard(apply->config.registry, retarget->target);
		apply_let_go(apply);
	}
	free(retarget);
	apply_settle(apply);
}

static void retarget_fail(struct retarget *retarget, const char *why)
{
	log_error(LOG_WHAT("target-not-changed"), LOG_TEXT("target", retarget->target->name),
		LOG_TEXT("why", why));
	if (retarget->apply->result.failed++ == 0)
		snprintf(retarget->apply->result.why, CONFIG_ERROR_SIZE, "%s", why);
}

/* --- closing all that are logged in, and waiting for the store --- */

/* A target that was to change serves on as it is; one that was to go is gone for everybody, and its files follow later. */
static void retarget_give_up(struct retarget *retarget)
{
	static const char why[] = "its disk has not ended the last commands of who was logged in";

	if (!retarget->wanted) {
		log_warning(LOG_WHAT("target-lingers"), LOG_TEXT("target", retarget->target->name),
			LOG_TEXT("why", why),
			LOG_TEXT("then", "its files stay in use until it has"));
		retarget_end(retarget);
		return;
	}
	retarget_fail(retarget, why);
	target_hold(retarget->target, false);
	apply_let_go(retarget->apply);
	retarget_end(retarget);
}

static void idle_look(evutil_socket_t fd, short what, void *context)
{
	struct retarget *retarget = context;
	const struct timeval again = { .tv_sec = 0, .tv_usec = IDLE_POLL_US };
	(void)fd, (void)what;

	if (target_is_idle(retarget->target))
		retarget->then(retarget);
	else if (clock_now() > retarget->idle_until)
		retarget_give_up(retarget);
	else
		event_add(retarget->idle_poll, &again);
}

static void retarget_closed(struct closure *closure)
{
	struct retarget *retarget = closure->context;

	log_info(LOG_WHAT("sessions-closed"), LOG_TEXT("target", retarget->target->name),
		LOG_NUMBER("sessions_closed", atomic_load(&closure->sessions)));
	retarget->idle_until = clock_now() + IDLE_WAIT_MS;
	idle_look(-1, 0, retarget);
}

static void retarget_empty(struct retarget *retarget, void (*then)(struct retarget *))
{
	retarget->then = then;
	retarget->idle_poll = event_new(retarget->apply->config.base, -1, 0, idle_look, retarget);
	retarget->closure = (struct closure){ .done = retarget_closed, .context = retarget };
	const struct closing_whom all = { .target = retarget->target, .before = UINT64_MAX };
	if (!retarget->idle_poll ||
		closing_begin_all(retarget->apply->config.workers, &retarget->closure, &all) < 0)
		abort(); /* a target that nobody may use any more must not be left open */
}

/* Goes on when nobody has a file any more that the target gets. */
static void retarget_await(struct retarget *retarget, void (*then)(struct retarget *))
{
	struct apply *apply = retarget->apply;

	if (!apply->closing || !apply->takes[retarget->wanted - apply->config.after->targets]) {
		then(retarget);
		return;
	}
	retarget->then = then;
	retarget->next = apply->waiting;
	apply->waiting = retarget;
}

/* --- what may change without a word --- */

static const struct config_target *wanted_of(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->target_count; i++)
		if (strcmp(config->targets[i].name, name) == 0)
			return &config->targets[i];
	return NULL;
}

static const struct config_lun *lun_of(const struct config_target *target, uint16_t number)
{
	for (size_t i = 0; i < target->lun_count; i++)
		if (target->luns[i].lun == number)
			return &target->luns[i];
	return NULL;
}

/* Whether a LUN is the same disk, however large. */
static bool same_disk(const struct config_lun *a, const struct config_lun *b)
{
	return strcmp(a->path, b->path) == 0 && a->block_size == b->block_size &&
	       a->physical_block_size == b->physical_block_size && a->read_only == b->read_only &&
	       a->direct == b->direct && strcmp(a->serial, b->serial) == 0 &&
	       memcmp(a->naa, b->naa, sizeof(a->naa)) == 0;
}

/* Whether every LUN that there is stays as it is or grows. */
static bool luns_stay(const struct config_target *before, const struct config_target *after)
{
	for (size_t i = 0; i < before->lun_count; i++) {
		const struct config_lun *lun = lun_of(after, before->luns[i].lun);
		if (!lun || !same_disk(&before->luns[i], lun))
			return false;
	}
	return true;
}

static bool luns_differ(const struct config_target *before, const struct config_target *after)
{
	if (before->lun_count != after->lun_count || !luns_stay(before, after))
		return true;
	for (size_t i = 0; i < before->lun_count; i++)
		if (before->luns[i].size != after->luns[i].size)
			return true;
	return false;
}

/* Whether a LUN or its size is this change's doing: what could not be had before must not undo what is asked for now. */
static bool is_news(const struct retarget *retarget, const struct config_lun *lun)
{
	const struct apply_config *config = &retarget->apply->config;
	const struct config_target *before = wanted_of(config->before, retarget->target->name);
	const struct config_lun *old = before ? lun_of(before, lun->lun) : NULL;

	return config->retry || !old || old->size != lun->size || strcmp(old->path, lun->path) != 0;
}

/* A size below what the disk has is a floor that is already reached. */
static void retarget_grow(struct retarget *retarget)
{
	struct target *target = retarget->target;
	char error[CONFIG_ERROR_SIZE];

	for (size_t i = 0; i < target->config->lun_count; i++) {
		struct config_lun *own = &target->config->luns[i];
		const struct config_lun *lun = lun_of(retarget->wanted, own->lun);
		if (!is_news(retarget, lun))
			continue;
		own->size = lun->size;
		if (lun->size <= registry_lun_size(target, i) ||
			registry_lun_grow(target, i, lun->size, error) == 0)
			continue;
		own->size = registry_lun_size(target, i);
		retarget_fail(retarget, error);
	}
}

/* Adds and grows under way. */
static void retarget_extend(struct retarget *retarget)
{
	struct target *target = retarget->target;
	const struct config_target *wanted = retarget->wanted;
	char error[CONFIG_ERROR_SIZE];

	for (size_t i = 0; i < wanted->lun_count; i++) {
		const struct config_lun *lun = &wanted->luns[i];
		if (!lun_of(target->config, lun->lun) && is_news(retarget, lun) &&
			registry_lun_add(retarget->apply->config.registry, target,
				retarget->apply->config.after->file, lun, error) < 0)
			retarget_fail(retarget, error);
	}
	retarget_grow(retarget);
	retarget_end(retarget);
}

/* --- what closes sessions --- */

static void retarget_rebuild(struct retarget *retarget)
{
	char error[CONFIG_ERROR_SIZE];

	if (registry_rebuild(retarget->apply->config.registry, retarget->target,
		    retarget->apply->config.after->file, retarget->wanted, error) < 0) {
		/* As with is_news(): one of two that are lost can be taken out. */
		if (retarget->was_open || retarget->apply->config.retry)
			retarget_fail(retarget, error);
		log_error(LOG_WHAT("target-shut"), LOG_TEXT("target", retarget->target->name),
			LOG_TEXT("why", error),
			LOG_TEXT("then", "served to nobody until its LUNs can be opened"));
	} else {
		retarget_grow(retarget);
		target_hold(retarget->target, false);
	}
	retarget_end(retarget);
}

static void retarget_shut(struct retarget *retarget)
{
	registry_shut(retarget->target, retarget->wanted);
	apply_let_go(retarget->apply);
	retarget_await(retarget, retarget_rebuild);
}

static void retarget_policy_closed(struct closure *closure)
{
	struct retarget *retarget = closure->context;

	log_info(LOG_WHAT("sessions-closed"), LOG_TEXT("target", retarget->target->name),
		LOG_NUMBER("sessions_closed", atomic_load(&closure->sessions)));
	retarget_await(retarget, retarget_extend);
}

/* Publishes the new policy; whether it locks out who could get in before, and to what generation. */
static bool policy_apply(struct retarget *retarget, uint64_t *generation)
{
	struct target *target = retarget->target;
	enum config_authentication wanted = retarget->wanted->authentication;
	struct credential_set *old = target_credentials(target);
	bool stricter = false;

	if (old && target->authentication != wanted) {
		/* What was begun under the old policy is stale. */
		struct credential_set *new = credential_set_renewed(
			old, credential_set_generation(old) + 1);
		if (!new)
			abort(); /* the stricter policy must not be dropped in silence */
		*generation = credential_set_generation(new);
		stricter = target_publish_policy_take(target, new, wanted);
	} else if (!old) {
		target_publish_policy_take(target, NULL, wanted);
	}
	credential_set_unref(old);
	target->config->authentication = wanted;
	return stricter;
}

static void retarget_change(struct job *job)
{
	struct retarget *retarget = (struct retarget *)job;
	struct target *target = retarget->target;
	uint64_t generation = 0;

	bool stricter = policy_apply(retarget, &generation);
	if (retarget->closes) {
		target_hold(target, true);
		retarget_empty(retarget, retarget_shut);
		return;
	}
	if (!stricter) {
		retarget_await(retarget, retarget_extend);
		return;
	}
	retarget->closure = (struct closure){ .done = retarget_policy_closed, .context = retarget };
	const struct closing_whom whom = { .target = target, .before = generation };
	if (closing_begin_all(retarget->apply->config.workers, &retarget->closure, &whom) < 0)
		abort(); /* as in the gate: no survivor */
}

static void retarget_remove(struct job *job)
{
	retarget_empty((struct retarget *)job, retarget_end);
}

/* --- what is to be done --- */

/* NULL: out of memory. */
static struct retarget *retarget_new(
	struct apply *apply, struct target *target, const struct config_target *wanted)
{
	struct retarget *retarget = calloc(1, sizeof(*retarget));

	if (!retarget)
		return NULL;
	retarget->apply = apply;
	retarget->target = target;
	retarget->wanted = wanted;
	retarget->job.run = wanted ? retarget_change : retarget_remove;
	/* One that is not open was left without LUNs by an earlier change, or waits for them. */
	retarget->was_open = registry_is_open(target);
	retarget->closes = !wanted || !retarget->was_open || !luns_stay(target->config, wanted);
	apply->closing += retarget->closes;
	retarget->next = apply->retargets;
	apply->retargets = retarget;
	return retarget;
}

/* Explains where the file, or who made it live, asks for what cannot be. -1. */
static int look_fail(const struct apply *apply, const struct config_target *user,
	const struct config_lun *lun, const char *found, const char *then,
	char error[CONFIG_ERROR_SIZE])
{
	char why[CONFIG_ERROR_SIZE + 64];

	snprintf(why, sizeof(why), "%s%s", found, then);
	registry_lun_explain(error, apply->config.after->file, user, lun, why);
	return -1;
}

/*
 * What is closed and opened again, here or by another target, must be found then, and is never made. What stays must be
 * able to grow. 0, or -1 with one line in `error`.
 */
static int retarget_look(const struct retarget *retarget, char error[CONFIG_ERROR_SIZE])
{
	struct apply *apply = retarget->apply;
	const struct config *after = apply->config.after;
	const struct target *target = retarget->target;
	char found[CONFIG_ERROR_SIZE];

	for (size_t i = 0; i < target->config->lun_count; i++) {
		const char *path = target->config->luns[i].path;
		const struct config_target *user;
		const struct config_lun *lun = retarget->wanted ? registry_lun_stays(target, i,
									  retarget->wanted)
								: NULL;
		if (lun) {
			if (apply->config.is_careful && is_news(retarget, lun) &&
				lun->size > registry_lun_size(target, i) &&
				registry_lun_try_grow(target, i, lun->size, found) < 0)
				return look_fail(apply, retarget->wanted, lun, found, "", error);
			continue;
		}
		lun = config_path_find(after, path, &user);
		if (!lun)
			continue;
		if (user != retarget->wanted)
			apply->takes[user - after->targets] = true;
		if (registry_lun_is_open(target, i) &&
			registry_keep_path(apply->config.registry, path) < 0)
			return -1;
		if (apply->config.is_careful &&
			registry_lun_try_reopen(target, i, lun->read_only, found) < 0)
			return look_fail(apply, user, lun, found,
				"; it would be closed and opened anew", error);
	}
	return 0;
}

/*
 * What a target that there is gets anew must be possible, as with a new target. What it is told to have already and has
 * not, or gets from another one, is not tried. 0, or -1 with one line in `error`.
 */
static int retarget_try(const struct retarget *retarget, char error[CONFIG_ERROR_SIZE])
{
	const struct apply_config *config = &retarget->apply->config;
	const struct config_target *user, *wanted = retarget->wanted;

	for (size_t i = 0; wanted && i < wanted->lun_count; i++) {
		const struct config_lun *lun = &wanted->luns[i];
		if (!config_path_find(config->before, lun->path, &user) &&
			!registry_lun_is_had(retarget->target, wanted, lun) &&
			registry_lun_try(
				config->registry, config->after->file, wanted, lun, error) < 0)
			return -1;
	}
	return 0;
}

/* What could not be done to another target before must not undo what is asked for now either: the next reload tries it. */
static bool target_is_news(
	const struct apply *apply, const struct target *target, const struct config_target *wanted)
{
	const struct config_target *before = wanted_of(apply->config.before, target->name);

	return apply->config.retry || !before || before->authentication != wanted->authentication ||
	       luns_differ(before, wanted);
}

static bool target_differs(
	const struct apply *apply, const struct target *target, const struct config_target *wanted)
{
	if (wanted && !target_is_news(apply, target, wanted))
		return false;
	return !wanted || (apply->config.retry && !registry_is_open(target)) ||
	       target->config->authentication != wanted->authentication ||
	       luns_differ(target->config, wanted);
}

/* Of the targets that there are. 0, or -1 with one line in `error`. */
static int apply_plan(struct apply *apply, char error[CONFIG_ERROR_SIZE])
{
	struct registry *registry = apply->config.registry;

	for (size_t i = 0; i < registry_count(registry); i++) {
		struct target *target = registry_at(registry, i);
		const struct config_target *wanted = wanted_of(apply->config.after, target->name);
		if (!target_differs(apply, target, wanted))
			continue;
		const struct retarget *retarget = retarget_new(apply, target, wanted);
		if (!retarget || retarget_look(retarget, error) < 0)
			return -1;
		apply->result.changed += wanted != NULL;
		apply->result.removed += wanted == NULL;
	}
	for (const struct retarget *each = apply->retargets; each; each = each->next)
		if (apply->config.is_careful && retarget_try(each, error) < 0)
			return -1;
	return 0;
}

/* --- portals --- */

/* Who came by a portal that goes stays: a way in is no lock. */
static void portals_changed(struct relisten *relisten)
{
	struct apply *apply = relisten->context;

	apply->result.portals_added = relisten->changes.added;
	apply->result.portals_removed = relisten->changes.removed;
	apply_settle(apply);
}

static void apply_portals(struct apply *apply, struct portal_set *portals)
{
	if (!portals)
		return;
	apply->relisten = (struct relisten){ .done = portals_changed, .context = apply };
	apply->pending++;
	workers_relisten(apply->config.workers, &apply->relisten, portals);
}

/* --- the whole --- */

/* Lists all new targets, or none. */
static int apply_additions(struct apply *apply, char error[CONFIG_ERROR_SIZE])
{
	struct registry *registry = apply->config.registry;
	const struct config *after = apply->config.after;

	for (size_t i = 0; i < after->target_count; i++) {
		if (registry_find(registry, after->targets[i].name))
			continue;
		bool later = apply->takes[i];
		struct target *target = (later ? registry_open_later : registry_open)(
			registry, after->file, &after->targets[i], error);
		if (!target || (later && !retarget_new(apply, target, &after->targets[i]))) {
			registry_drop_opened(registry);
			return -1;
		}
		target_drain(target, apply->config.is_drained(apply->config.context, target->name));
		apply->result.added++;
	}
	registry_list_opened(registry);
	registry_forget_paths(registry, after);
	return 0;
}

static void apply_changes(struct apply *apply)
{
	struct retarget *retarget;

	while ((retarget = apply->retargets)) {
		apply->retargets = retarget->next;
		if (!retarget->wanted)
			registry_unlist(apply->config.registry, retarget->target);
		apply->pending++;
		jobs_add(&retarget->target->jobs, &retarget->job);
	}
}

/* The job of the whole, so that `done` is never called from inside apply_begin(). */
struct finish {
	struct mail mail;
	struct apply *apply;
};

static void apply_finish(struct mail *mail, void *receiver)
{
	struct finish *finish = (struct finish *)mail;
	(void)receiver;

	apply_settle(finish->apply);
	free(finish);
}

int apply_begin(const struct apply_config *config, char error[CONFIG_ERROR_SIZE])
{
	struct apply *apply = calloc(1, sizeof(*apply));
	struct finish *finish = calloc(1, sizeof(*finish));

	snprintf(error, CONFIG_ERROR_SIZE, "out of memory");
	if (!apply || !finish)
		goto failed;
	apply->config = *config;
	apply->pending = 1;
	apply->takes = calloc(config->after->target_count + 1, sizeof(*apply->takes));
	if (!apply->takes || apply_plan(apply, error) < 0 || apply_additions(apply, error) < 0)
		goto failed;
	apply_portals(apply, config->portals);
	apply_changes(apply);
	finish->apply = apply;
	finish->mail.deliver = apply_finish;
	mailbox_post(config->workers->main, &finish->mail);
	return 0;
failed:
	apply_free(apply);
	free(finish);
	return -1;
}
