/* SPDX-License-Identifier: BSD-2-Clause */
/* A listening TCP socket for an HTTP endpoint, from the "ADDRESS:PORT" of the configuration. */
#ifndef PORTCULLIS_DAEMON_CONTROL_TCP_H
#define PORTCULLIS_DAEMON_CONTROL_TCP_H

#include "conf/config.h"

/*
 * Listens, non-blocking, on `endpoint` (as config_endpoint() takes it; port 0: a free one) and logs
 * "WHAT endpoint ADDRESS:PORT". An IPv6 socket takes IPv6 alone. The descriptor, or -1 with one line
 * in `error`.
 */
int control_tcp_listen(const char *what, const char *endpoint, char error[CONFIG_ERROR_SIZE]);

#endif
