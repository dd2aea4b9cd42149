/* SPDX-License-Identifier: BSD-2-Clause */
/* inet_ntop and its inverse, with the brackets that a port after an IPv6 address needs; and a socket there. */
#include "daemon/core/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

char *address_text(const struct sockaddr *address, char *text, size_t size)
{
	char host[INET6_ADDRSTRLEN] = "unknown";

	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)address;
		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
		snprintf(text, size, "%s:%u", host, ntohs(v4->sin_port));
	} else if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const void *)address;
		if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
			inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], host, sizeof(host));
			snprintf(text, size, "%s:%u", host, ntohs(v6->sin6_port));
		} else {
			inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
			snprintf(text, size, "[%s]:%u", host, ntohs(v6->sin6_port));
		}
	} else {
		snprintf(text, size, "%s", host);
	}
	return text;
}

char *address_local_text(int fd, char *text, size_t size)
{
	struct sockaddr_storage local = { .ss_family = AF_UNSPEC };
	socklen_t length = sizeof(local);

	if (getsockname(fd, (struct sockaddr *)&local, &length) < 0)
		local.ss_family = AF_UNSPEC;
	return address_text((const struct sockaddr *)&local, text, size);
}

unsigned address_parse(const char *text, uint16_t port, struct sockaddr_storage *address)
{
	struct sockaddr_in *v4 = (void *)address;
	struct sockaddr_in6 *v6 = (void *)address;

	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return sizeof(*v4);
	}
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		return sizeof(*v6);
	}
	return 0;
}

int address_bind(const struct sockaddr_storage *address, unsigned length, bool beside)
{
	const int on = 1, shared = beside;
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &shared, sizeof(shared));
	if (address->ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)address, length) == 0)
		return fd;
	int reason = errno;
	close(fd);
	errno = reason;
	return -1;
}

bool address_is_any(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return ((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr ==
		       htonl(INADDR_ANY);
	return address->sa_family == AF_INET6 &&
	       IN6_IS_ADDR_UNSPECIFIED(
		       &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

uint16_t address_port(const struct sockaddr *address)
{
	/* The port lies at the same place in both. */
	return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
}

void address_set_port(struct sockaddr *address, uint16_t port)
{
	((struct sockaddr_in *)(void *)address)->sin_port = htons(port);
}
