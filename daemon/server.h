/* SPDX-License-Identifier: BSD-2-Clause */
/* The whole daemon: built from a configuration in one order, taken down in the other. */
#ifndef PORTCULLIS_DAEMON_SERVER_H
#define PORTCULLIS_DAEMON_SERVER_H

#include "conf/config.h"

struct server;

/*
 * Opens the state, the LUNs, the portals and the control socket and starts the workers. Takes over `config`, also when
 * it fails: then NULL, with one line in `error`, and nothing is left open.
 */
struct server *server_new_take(struct config *config, char error[CONFIG_ERROR_SIZE]);
/* Serves until SIGTERM or SIGINT, then closes all sessions (K5) and flushes. SIGHUP re-reads the file. Returns 0, or 1 if a flush failed. */
int server_run(struct server *server);
/* NULL is fine. */
void server_free(struct server *server);

/*
 * What `-t` checks beyond the file itself: that the state of every target can be read, and the
 * keys and the certificate of the control endpoint. One line per finding on stderr;
 * returns 0, or 1 if there was one. Changes nothing, also while a daemon runs.
 */
int server_check(const struct config *config);

#endif
