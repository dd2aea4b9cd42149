/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sockets and the engine. Everything that an engine call left to do (send, watch, time, shut, free) is done
 * in connection_settle(), once per turn of the loop and connection; nothing is freed anywhere else.
 */
#include "daemon/core/connection.h"

#include "base/log.h"
#include "base/sanitize.h"
#include "daemon/core/address.h"
#include "daemon/core/clock.h"
#include "daemon/core/closing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define LINGER_MS        1000u /* K5: input is drained until the peer's FIN or this long */
#define VECTORS_PER_SEND 512
#define RECEIVE_BEHIND   (16u << 10) /* bytes taken along behind a large data segment */
#define RECEIVE_PER_TURN                                                                           \
	(512u << 10) /* bytes after which a connection lets the others have their turn */
#define SENDS_PER_TURN  8
#define DRAINS_PER_TURN 8
#define REFUSED_LOGGED  10 /* lines of refused connections of a worker in LOG_LIMIT_WINDOW_MS */

void connection_dirty(struct connection *connection)
{
	if (connection->is_dirty)
		return;
	connection->is_dirty = true;
	TAILQ_INSERT_TAIL(&connection->worker->dirty, connection, dirty_link);
}

/* --- the socket's events --- */

static void connection_watch(struct event *event, bool *is_watching, bool wanted)
{
	if (wanted == *is_watching)
		return;
	*is_watching = wanted;
	if (wanted)
		event_add(event, NULL);
	else
		event_del(event);
}

/* The deadline only ever moves the timer earlier; one that fires too early is set anew. */
static void connection_arm(struct connection *connection, uint64_t deadline, uint64_t now)
{
	if (deadline >= connection->timer_at)
		return;
	uint64_t wait = deadline > now ? deadline - now : 0;
	struct timeval interval = { .tv_sec = (time_t)(wait / 1000),
		.tv_usec = (suseconds_t)(wait % 1000 * 1000) };
	connection->timer_at = deadline;
	event_add(&connection->timer, &interval);
}

static uint64_t connection_deadline(const struct connection *connection)
{
	if (connection->state == CONNECTION_LINGERING)
		return connection->linger_until;
	uint64_t deadline = iscsi_conn_deadline(connection->engine);
	if (connection->state == CONNECTION_OPEN && connection->admission_until < deadline)
		deadline = connection->admission_until;
	return deadline;
}

/* Reads and throws away, a bounded number of times; false when the peer's FIN (or an error) has come. */
static bool connection_drain(struct connection *connection)
{
	for (int i = 0; i < DRAINS_PER_TURN; i++) {
		ssize_t got = recv(connection->fd, connection->worker->receive_buffer, RECEIVE_SIZE,
			MSG_DONTWAIT);
		if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
			return false;
		if (got < 0)
			break;
	}
	return true;
}

/* Receives once; 0 when there may be no more for now, else how many bytes came. */
static size_t connection_receive(struct connection *connection, uint64_t now)
{
	struct worker *worker = connection->worker;
	uint8_t *at = NULL;
	size_t direct = iscsi_conn_direct(connection->engine, &at);
	/*
	 * In the middle of a large segment the next one is likely as large: only its beginning is
	 * taken along, so that the rest too goes straight to its place.
	 */
	size_t behind = direct > RECEIVE_BEHIND ? RECEIVE_BEHIND : RECEIVE_SIZE;
	struct iovec vectors[2] = { { at, direct }, { worker->receive_buffer, behind } };

	ssize_t got = readv(connection->fd, direct ? vectors : vectors + 1, direct ? 2 : 1);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got <= 0) {
		iscsi_conn_lost(connection->engine, now);
		return 0;
	}
	size_t placed = (size_t)got < direct ? (size_t)got : direct;
	iscsi_conn_received(
		connection->engine, placed, worker->receive_buffer, (size_t)got - placed, now);
	return (size_t)got < direct + behind ? 0 : (size_t)got;
}

/* What has come, so that it is answered together. */
static void connection_receive_all(struct connection *connection, uint64_t now)
{
	size_t received = 0, more;

	do {
		more = connection_receive(connection, now);
		received += more;
	} while (more > 0 && received < RECEIVE_PER_TURN &&
		 iscsi_conn_wants_input(connection->engine));
}

static void connection_readable(evutil_socket_t fd, short what, void *context)
{
	struct connection *connection = context;
	(void)fd, (void)what;

	connection_dirty(connection);
	if (connection->state == CONNECTION_LINGERING) {
		if (!connection_drain(connection))
			connection->linger_until = 0;
	} else if (iscsi_conn_phase(connection->engine) >= ISCSI_PHASE_CLOSING) {
		if (!connection_drain(connection))
			iscsi_conn_lost(connection->engine, clock_now());
	} else if (iscsi_conn_wants_input(connection->engine)) {
		connection->worker->engine.ticks = clock_nanoseconds();
		connection_receive_all(connection, clock_now());
	}
}

static void connection_writable(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	connection_dirty(context);
}

static void connection_timer(evutil_socket_t fd, short what, void *context)
{
	struct connection *connection = context;
	uint64_t now = clock_now();
	(void)fd, (void)what;

	connection->timer_at = ISCSI_NO_DEADLINE;
	connection_dirty(connection);
	if (connection->state != CONNECTION_OPEN)
		return;
	if (connection->admission_until <= now) {
		struct iscsi_grant refused = { .status = { 3, 1 } };
		connection->admission_until = ISCSI_NO_DEADLINE;
		target_stop_waiting(connection->entry.target, &connection->entry);
		iscsi_conn_admission(connection->engine, ISCSI_REFUSED, &refused, now);
	}
	if (iscsi_conn_deadline(connection->engine) <= now)
		iscsi_conn_tick(connection->engine, now);
}

/* --- settling --- */

/* As sendmsg(); what lies in a store is watched, since it may turn out not to be there. */
static ssize_t connection_write(struct connection *connection, const struct msghdr *message)
{
	const bool watched = iscsi_conn_has_views(connection->engine);
	const uint64_t began = watched ? clock_nanoseconds() : 0;

	/* What initiators write meanwhile is their affair, as in the store itself. */
	memory_race_begin();
	ssize_t sent = sendmsg(connection->fd, message, MSG_NOSIGNAL | MSG_DONTWAIT);
	memory_race_end();
	const int reason = errno;
	if (watched)
		store_viewed(connection->worker->engine.queue, clock_nanoseconds() - began,
			sent < 0 && reason == EFAULT);
	if (sent < 0 && reason == EFAULT)
		log_error(LOG_WHAT("read-failed"), LOG_TEXT("peer", connection->peer),
			LOG_TEXT("why", "a LUN's file cannot be read, or is shorter than it was: "
					"connection reset"));
	errno = reason;
	return sent;
}

/* Sends what is queued; -1 when the transport failed. */
static int connection_send(struct connection *connection, uint64_t now)
{
	bool blocked = false;

	for (int turn = 0; turn < SENDS_PER_TURN && !blocked; turn++) {
		struct iovec vectors[VECTORS_PER_SEND];
		int count = iscsi_conn_output(connection->engine, vectors, VECTORS_PER_SEND);
		if (count == 0)
			break;
		size_t length = 0;
		for (int i = 0; i < count; i++)
			length += vectors[i].iov_len;
		struct msghdr message = { .msg_iov = vectors, .msg_iovlen = (size_t)count };
		ssize_t sent = connection_write(connection, &message);
		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			return -1;
		if (sent > 0)
			iscsi_conn_sent(connection->engine, (size_t)sent, now);
		blocked = sent < 0 || (size_t)sent < length;
	}
	struct iovec rest;
	connection_watch(&connection->writable, &connection->is_writing,
		iscsi_conn_output(connection->engine, &rest, 1) > 0);
	return 0;
}

/* From here on nothing of its wire counts (K3): out of the registry, out of all closings. */
static void connection_shut(struct connection *connection)
{
	if (connection->is_shut)
		return;
	connection->is_shut = true;
	if (connection->is_counted) {
		stats_session(connection->stats, -1);
		connection_log_end(connection);
	}
	limits_leave(&connection->worker->workers->limits, connection->stranger);
	connection->stranger = -1;
	if (connection->entry.target) {
		struct iscsi_resume resume;
		iscsi_conn_resume(connection->engine, &resume);
		target_shut(connection->entry.target, &connection->entry, &resume);
	}
	closing_note_shut(connection->worker, connection);
}

static void connection_close_socket(struct connection *connection)
{
	connection_watch(&connection->readable, &connection->is_reading, false);
	connection_watch(&connection->writable, &connection->is_writing, false);
	event_del(&connection->timer);
	connection->timer_at = ISCSI_NO_DEADLINE;
	close(connection->fd);
	connection->fd = -1;
	connection->state = CONNECTION_CLOSED;
	iscsi_conn_lost(connection->engine, clock_now());
	connection_shut(connection);
}

/* RST: the peer must not wait for what it will not get. */
static void connection_reset(struct connection *connection)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	connection_close_socket(connection);
}

static void connection_linger(struct connection *connection, uint64_t now)
{
	shutdown(connection->fd, SHUT_WR);
	connection->state = CONNECTION_LINGERING;
	connection->linger_until = now + LINGER_MS;
	connection_shut(connection);
	connection_watch(&connection->readable, &connection->is_reading, true);
}

/*
 * Of one that is shut: leaves its target as soon as the store has returned its commands and no mail names it; whether
 * it has. The initiator's next login waits for that (K6), and not for the socket.
 */
static bool connection_leave(struct connection *connection)
{
	if (iscsi_conn_busy(connection->engine))
		return false;
	/* First: a target whose last connection has left may be freed at once, with its device. */
	scsi_nexus_free(connection->nexus);
	connection->nexus = NULL;
	return !connection->entry.target ||
	       target_leave(connection->entry.target, &connection->entry);
}

static void connection_dispose(struct connection *connection)
{
	struct worker *worker = connection->worker;

	if (!connection_leave(connection))
		return;
	iscsi_conn_free(connection->engine);
	credential_set_unref(connection->credentials);
	TAILQ_REMOVE(&worker->connections, connection, all_link);
	/* The engine wakes its owner also from the call that tells it of a lost transport. */
	if (connection->is_dirty)
		TAILQ_REMOVE(&worker->dirty, connection, dirty_link);
	if (connection->is_to_close)
		TAILQ_REMOVE(&worker->to_close, connection, close_link);
	atomic_fetch_sub(&worker->load, 1);
	free(connection);
}

static void connection_settle_open(struct connection *connection, uint64_t now)
{
	enum iscsi_phase phase = iscsi_conn_phase(connection->engine);
	struct iovec rest;

	if (phase == ISCSI_PHASE_RESET || connection_send(connection, now) < 0) {
		connection_reset(connection);
		return;
	}
	phase = iscsi_conn_phase(connection->engine);
	if (phase == ISCSI_PHASE_RESET)
		connection_reset(connection);
	else if (phase == ISCSI_PHASE_FINISHED &&
		 iscsi_conn_output(connection->engine, &rest, 1) == 0)
		connection_linger(connection, now);
	else
		connection_watch(&connection->readable, &connection->is_reading,
			phase >= ISCSI_PHASE_CLOSING || iscsi_conn_wants_input(connection->engine));
}

void connection_settle(struct connection *connection, uint64_t now)
{
	if (connection->state == CONNECTION_OPEN)
		connection_settle_open(connection, now);
	if (connection->state == CONNECTION_LINGERING && connection->linger_until <= now)
		connection_close_socket(connection);
	if (connection->state == CONNECTION_LINGERING)
		(void)connection_leave(connection);
	if (connection->state == CONNECTION_CLOSED)
		connection_dispose(connection);
	else
		connection_arm(connection, connection_deadline(connection), now);
}

/* --- beginning and end --- */

static void connection_start(struct connection *connection, struct worker *worker)
{
	uint64_t now = clock_now();

	connection->worker = worker;
	connection->engine = worker->draining ? NULL
					      : iscsi_conn_new(&worker->engine, connection, now);
	if (!connection->engine) {
		log_warning(LOG_WHAT("connection-refused"), LOG_TEXT("peer", connection->peer),
			LOG_TEXT("why",
				worker->draining ? "the daemon is going down" : "out of memory"));
		limits_leave(&worker->workers->limits, connection->stranger);
		close(connection->fd);
		atomic_fetch_sub(&worker->load, 1);
		free(connection);
		return;
	}
	event_assign(&connection->readable, worker->base, connection->fd, EV_READ | EV_PERSIST,
		connection_readable, connection);
	event_assign(&connection->writable, worker->base, connection->fd, EV_WRITE | EV_PERSIST,
		connection_writable, connection);
	event_assign(&connection->timer, worker->base, -1, 0, connection_timer, connection);
	TAILQ_INSERT_TAIL(&worker->connections, connection, all_link);
	connection_dirty(connection);
}

static void connection_arrive(struct mail *mail, void *receiver)
{
	struct connection *connection =
		(struct connection *)((char *)mail - offsetof(struct connection, arrival_mail));
	connection_start(connection, receiver);
}

void connection_close(struct connection *connection, enum iscsi_close how, uint64_t now)
{
	if (connection->state == CONNECTION_OPEN) {
		if (how != ISCSI_CLOSE_REQUESTED &&
			iscsi_conn_phase(connection->engine) < ISCSI_PHASE_CLOSING)
			connection->end = how == ISCSI_CLOSE_CLEAN ? CONNECTION_ASKED
								   : CONNECTION_REPLACED;
		iscsi_conn_close(connection->engine, how, now);
	}
	connection_dirty(connection);
}

/* --- mails from other threads --- */

static void connection_evict(struct mail *mail, void *receiver)
{
	struct connection *connection =
		(struct connection *)((char *)mail - offsetof(struct connection, evict_mail));
	(void)receiver;

	target_evict_delivered(connection->entry.target, &connection->entry);
	connection_close(connection, ISCSI_CLOSE_REINSTATED, clock_now());
}

static void connection_post_evict(struct session_entry *entry)
{
	struct connection *connection = (struct connection *)((char *)entry -
							      offsetof(struct connection, entry));

	connection->evict_mail.deliver = connection_evict;
	mailbox_post(connection->worker->mailbox, &connection->evict_mail);
}

static void connection_retry(struct mail *mail, void *receiver)
{
	struct connection *connection =
		(struct connection *)((char *)mail - offsetof(struct connection, retry_mail));
	uint64_t now = clock_now();
	struct iscsi_grant grant;
	(void)receiver;

	target_retry_delivered(connection->entry.target, &connection->entry);
	connection_dirty(connection);
	if (connection->state != CONNECTION_OPEN ||
		iscsi_conn_phase(connection->engine) != ISCSI_PHASE_ADMISSION)
		return;
	enum iscsi_admission answer = connection_host.login_admit(
		connection, connection->entry.identity, &grant);
	if (answer != ISCSI_WAIT)
		iscsi_conn_admission(connection->engine, answer, &grant, now);
}

static void connection_post_retry(struct session_entry *entry)
{
	struct connection *connection = (struct connection *)((char *)entry -
							      offsetof(struct connection, entry));

	connection->retry_mail.deliver = connection_retry;
	mailbox_post(connection->worker->mailbox, &connection->retry_mail);
}

static const struct session_calls calls = { .evict = connection_post_evict,
	.retry = connection_post_retry };

/* --- accepting --- */

/* What a portal of one address says itself is not asked of the kernel. */
static void connection_name_portal(struct connection *connection, const struct portal *portal)
{
	memcpy(connection->listener, portal->text, sizeof(connection->listener));
	memcpy(connection->portal, portal->text, sizeof(connection->portal));
	if (address_is_any((const struct sockaddr *)&portal->address))
		address_local_text(connection->fd, connection->portal, sizeof(connection->portal));
}

/* Not once a connection: who floods us does not fill the disk. */
static void log_no_room(struct worker *worker, const struct sockaddr *peer, const char *why)
{
	char text[ADDRESS_TEXT_SIZE];
	uint64_t suppressed;

	if (log_limit_pass(&worker->crowds, REFUSED_LOGGED, clock_now(), &suppressed))
		log_warning(LOG_WHAT("connection-refused"),
			LOG_TEXT("peer", address_text(peer, text, sizeof(text))),
			LOG_TEXT("why", why), LOG_NONZERO("suppressed", suppressed));
}

void connection_accept(
	struct worker *acceptor, int fd, const struct sockaddr *peer, const struct portal *portal)
{
	struct workers *workers = acceptor->workers;
	int stranger = limits_enter(&workers->limits, peer);
	struct connection *connection = stranger < 0 ? NULL : calloc(1, sizeof(*connection));

	if (!connection) {
		log_no_room(acceptor, peer,
			stranger < 0 ? "too many connections have not logged in yet"
				     : "out of memory");
		limits_leave(&workers->limits, stranger);
		close(fd);
		return;
	}
	connection->fd = fd;
	connection->stranger = stranger;
	connection->entry.group = portal->group;
	connection->timer_at = ISCSI_NO_DEADLINE;
	connection->admission_until = ISCSI_NO_DEADLINE;
	connection->entry.calls = &calls;
	connection->entry.portal = connection->portal;
	address_text(peer, connection->peer, sizeof(connection->peer));
	connection_name_portal(connection, portal);

	struct worker *worker = workers_least_loaded(workers);
	atomic_fetch_add(&worker->load, 1);
	if (worker == acceptor) {
		connection_start(connection, worker);
	} else {
		connection->arrival_mail.deliver = connection_arrive;
		mailbox_post(worker->mailbox, &connection->arrival_mail);
	}
}

void connection_drop(struct connection *connection)
{
	if (connection->state != CONNECTION_CLOSED)
		connection_close_socket(connection);
	connection_dispose(connection);
}
