/* SPDX-License-Identifier: BSD-2-Clause */
/* Making, replacing and removing the control socket; unix(7). */
#include "daemon/control/socket.h"

#include "base/log.h"

#include <errno.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_MODE 0660

static int fail(char error[CONFIG_ERROR_SIZE], const char *path, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(char error[CONFIG_ERROR_SIZE], const char *path, const char *format, ...)
{
	char what[CONFIG_ERROR_SIZE];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(what, sizeof what, format, arguments);
	va_end(arguments);
	snprintf(error, CONFIG_ERROR_SIZE, "control socket %.200s: %.280s", path, what);
	return -1;
}

static int new_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* Whether somebody listens there. A full backlog (EAGAIN) has a listener too. */
static bool is_live(const struct sockaddr_un *address)
{
	const int fd = new_socket();
	if (fd < 0)
		return true;
	const bool live = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ||
			  errno != ECONNREFUSED;
	close(fd);
	return live;
}

/* Makes room for the socket. 0, or -1 with `error`. */
static int clear_path(const struct sockaddr_un *address, char error[CONFIG_ERROR_SIZE])
{
	const char *path = address->sun_path;
	struct stat found;
	if (lstat(path, &found)) {
		if (errno == ENOENT)
			return 0;
		return fail(error, path, "%s", strerror(errno));
	}
	if (!S_ISSOCK(found.st_mode))
		return fail(error, path, "there is a file of that name which is no socket");
	if (is_live(address))
		return fail(error, path, "another process is listening on it");
	if (unlink(path))
		return fail(error, path, "cannot remove the old socket: %s", strerror(errno));
	log_info(LOG_WHAT("control-socket-replaced"), LOG_TEXT("path", path),
		LOG_TEXT("why", "nobody answered on it"));
	return 0;
}

static int find_group(const char *name, gid_t *id, const char *path, char error[CONFIG_ERROR_SIZE])
{
	char buffer[4096];
	struct group group, *found = NULL;
	*id = (gid_t)-1;
	if (!name[0])
		return 0;
	const int result = getgrnam_r(name, &group, buffer, sizeof buffer, &found);
	if (!found)
		return fail(error, path, "group \"%s\": %s", name,
			result ? strerror(result) : "there is no such group");
	*id = found->gr_gid;
	return 0;
}

/* Binds with mode 0600, then gives the group its way in, then listens. */
static int bind_socket(struct control_socket *listening, const struct sockaddr_un *address,
	gid_t group, char error[CONFIG_ERROR_SIZE])
{
	const char *path = address->sun_path;
	struct stat made;
	/* The file takes its mode from the socket, less the umask, which other threads share. */
	if (fchmod(listening->fd, S_IRUSR | S_IWUSR))
		return fail(error, path, "%s", strerror(errno));
	if (bind(listening->fd, (const struct sockaddr *)address, sizeof *address))
		return fail(error, path, "%s", strerror(errno));
	listening->path = strdup(path);
	if (!listening->path || lstat(path, &made)) {
		unlink(path);
		return fail(error, path, "%s", strerror(errno));
	}
	listening->device = made.st_dev;
	listening->inode = made.st_ino;
	if (group != (gid_t)-1 && lchown(path, (uid_t)-1, group))
		return fail(error, path, "cannot give it to its group: %s", strerror(errno));
	if (chmod(path, SOCKET_MODE) || listen(listening->fd, SOMAXCONN))
		return fail(error, path, "%s", strerror(errno));
	return 0;
}

int control_socket_open(struct control_socket *listening, const char *path, const char *group,
	char error[CONFIG_ERROR_SIZE])
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	gid_t id;
	*listening = (struct control_socket){ .fd = -1 };
	if (strlen(path) >= sizeof address.sun_path)
		return fail(error, path, "the path is longer than %zu bytes",
			sizeof address.sun_path - 1);
	memcpy(address.sun_path, path, strlen(path));
	if (find_group(group, &id, path, error) || clear_path(&address, error))
		return -1;
	listening->fd = new_socket();
	if (listening->fd < 0)
		return fail(error, path, "%s", strerror(errno));
	if (bind_socket(listening, &address, id, error)) {
		close(listening->fd);
		listening->fd = -1;
		control_socket_remove(listening);
		return -1;
	}
	return 0;
}

void control_socket_remove(struct control_socket *listening)
{
	struct stat found;
	if (listening->path && lstat(listening->path, &found) == 0 &&
		found.st_dev == listening->device && found.st_ino == listening->inode)
		unlink(listening->path);
	free(listening->path);
	listening->path = NULL;
}
