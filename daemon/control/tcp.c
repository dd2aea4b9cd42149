/* SPDX-License-Identifier: BSD-2-Clause */
/* Making a listening TCP socket, and saying where it is. */
#include "daemon/control/tcp.h"

#include "base/log.h"
#include "daemon/core/address.h"
#include "daemon/core/connection.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int control_tcp_listen(const char *what, const char *endpoint, char error[CONFIG_ERROR_SIZE])
{
	struct sockaddr_storage address;
	char host[CONFIG_ADDRESS_SIZE], text[ADDRESS_TEXT_SIZE], phrase[ADDRESS_TEXT_SIZE + 32];
	uint16_t port;
	int fd = -1;
	errno = EINVAL;
	const socklen_t length = config_endpoint(endpoint, host, &port)
					 ? 0
					 : address_parse(host, port, &address);
	if (length)
		fd = address_bind(&address, length, false);
	if (fd < 0 || listen(fd, SOMAXCONN)) {
		snprintf(error, CONFIG_ERROR_SIZE, "%s endpoint %s: cannot listen: %s", what,
			endpoint, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	address_local_text(fd, text, sizeof text);
	snprintf(phrase, sizeof phrase, "%s endpoint %s", what, text);
	log_info(LOG_PHRASE(phrase), LOG_WHAT("endpoint"), LOG_TEXT("address", text));
	return fd;
}
