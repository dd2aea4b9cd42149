/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One TCP connection: the socket, its timer, and the engine's connection above it. It belongs to one
 * worker from the moment it is accepted there (or handed over, before its first byte) to its end:
 *
 *   OPEN      bytes go in and out as the engine says
 *   LINGERING shut for writing after the engine's last PDU; what still comes is read and thrown away
 *   CLOSED    the socket is gone; kept only while the store holds its commands or a mail names it
 */
#ifndef PORTCULLIS_DAEMON_CORE_CONNECTION_H
#define PORTCULLIS_DAEMON_CORE_CONNECTION_H

#include "daemon/core/stats.h"
#include "daemon/core/target.h"
#include "daemon/core/worker.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/socket.h>

#define ADDRESS_TEXT_SIZE 80

enum connection_state { CONNECTION_OPEN, CONNECTION_LINGERING, CONNECTION_CLOSED };

/* Why a session ends, for the log; the last reason counts. */
enum connection_end {
	CONNECTION_LOST,
	CONNECTION_LOGGED_OUT,
	CONNECTION_BROKE,
	CONNECTION_ASKED,
	CONNECTION_REPLACED,
};

struct connection {
	struct worker *worker;
	struct iscsi_conn *engine;
	enum connection_state state;
	int fd;
	int stranger; /* its slot in the limits while it has not authenticated; -1 afterwards */
	bool is_dirty, is_reading, is_writing, is_to_close;
	bool is_counted; /* as a session of `stats` */
	enum connection_end end;
	bool is_shut;             /* counted out of all closings */
	uint64_t timer_at;        /* when the timer is set to fire; ISCSI_NO_DEADLINE = it is not */
	uint64_t linger_until;    /* LINGERING: when the socket is closed at the latest */
	uint64_t admission_until; /* a login held by WAIT: when it is refused */
	struct event readable, writable, timer;

	enum iscsi_close close_how; /* when `is_to_close` */
	uint64_t entered; /* its number among its worker's logins that have named a target */
	struct session_entry entry;
	struct credential_set *credentials; /* the reference that login_begin took */
	struct scsi_nexus *nexus;
	struct stats_target *stats; /* its target's, once that is known; NULL: memory ran out */
	struct mail arrival_mail, evict_mail, retry_mail;

	TAILQ_ENTRY(connection) all_link, dirty_link, close_link;
	char peer[ADDRESS_TEXT_SIZE];
	char portal[ADDRESS_TEXT_SIZE]; /* our end */
	char listener
		[PORTAL_TEXT_SIZE]; /* the portal that it came by: differs if that is a wildcard */
};

/* host.c: the event of a session's end, with what it has done. */
void connection_log_end(const struct connection *connection);
/* The functions that the engine asks for (proto/iscsi/iscsi.h); `owner` is a struct connection. */
extern const struct iscsi_host connection_host;

/* A socket that was just accepted from `portal` on `acceptor`: places it on the least loaded worker. Takes over `fd`. */
void connection_accept(
	struct worker *acceptor, int fd, const struct sockaddr *peer, const struct portal *portal);
/* Begins to close it in the given way, if it is still open. */
void connection_close(struct connection *connection, enum iscsi_close how, uint64_t now);
/* Sends, watches, times and ends a dirty connection as its engine now wants. May free it. */
void connection_settle(struct connection *connection, uint64_t now);
/* Puts it on its worker's list of connections to settle in this turn. */
void connection_dirty(struct connection *connection);
/* At the end of its worker: no matter what, without a word. The store must be idle. */
void connection_drop(struct connection *connection);

#endif
