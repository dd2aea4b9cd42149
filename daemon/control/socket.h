/* SPDX-License-Identifier: BSD-2-Clause */
/* The control socket as a file: who may open it, and that it belongs to one daemon alone. */
#ifndef PORTCULLIS_DAEMON_CONTROL_SOCKET_H
#define PORTCULLIS_DAEMON_CONTROL_SOCKET_H

#include "conf/config.h"

#include <sys/stat.h>

struct control_socket {
	int fd; /* listening, non-blocking; -1 = none */
	char *path;
	dev_t device; /* of the file we made, so that a successor's is left alone */
	ino_t inode;
};

/*
 * Makes the socket with mode 0660 and `group` ("" = the daemon's own) and listens. It is nobody's
 * but ours until it has both. 0, or -1 with one line in `error` and nothing left behind.
 */
int control_socket_open(struct control_socket *listening, const char *path, const char *group,
	char error[CONFIG_ERROR_SIZE]);
/* Removes the file if it is still the one we made. The descriptor is the listener's to close. */
void control_socket_remove(struct control_socket *listening);

#endif
