/* SPDX-License-Identifier: BSD-2-Clause */
/* Making a listening TCP socket, and saying where it is. */
#include "daemon/control_tcp.h"

#include "base/log.h"
#include "daemon/address.h"
#include "daemon/connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 128

static int bind_socket(int fd, const struct sockaddr_storage *address, socklen_t length)
{
	const int on = 1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (address->ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (bind(fd, (const struct sockaddr *)address, length))
		return -1;
	return listen(fd, BACKLOG);
}

int control_tcp_listen(const char *what, const char *endpoint, char error[CONFIG_ERROR_SIZE])
{
	struct sockaddr_storage address;
	char host[CONFIG_ADDRESS_SIZE], text[ADDRESS_TEXT_SIZE];
	uint16_t port;
	int fd = -1;
	errno = EINVAL;
	const socklen_t length = config_endpoint(endpoint, host, &port)
					 ? 0
					 : address_parse(host, port, &address);
	if (length)
		fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind_socket(fd, &address, length)) {
		snprintf(error, CONFIG_ERROR_SIZE, "%s endpoint %s: cannot listen: %s", what,
			endpoint, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	log_info("%s endpoint %s", what, address_local_text(fd, text, sizeof text));
	return fd;
}
