/* SPDX-License-Identifier: BSD-2-Clause */
/* Socket addresses as text, the way TargetAddress and the log write them (RFC 7143 section 13.8), and sockets there. */
#ifndef PORTCULLIS_DAEMON_CORE_ADDRESS_H
#define PORTCULLIS_DAEMON_CORE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sockaddr;
struct sockaddr_storage;

/* "192.0.2.1:3260" or "[2001:db8::1]:3260"; an IPv4 address mapped into IPv6 is written as IPv4. Returns text. */
char *address_text(const struct sockaddr *address, char *text, size_t size);
/* Our end of a connected socket. Returns text ("unknown" if the kernel does not say). */
char *address_local_text(int fd, char *text, size_t size);
/* From a numeric address without brackets. Returns the length of the sockaddr, or 0 if it is none. */
unsigned address_parse(const char *text, uint16_t port, struct sockaddr_storage *address);
/*
 * A TCP socket bound to the address of that length, not listening yet; it does not block, and an IPv6 one takes IPv6
 * alone, so that a pair of wildcards fits. `beside`: also beside a socket that permits it (SO_REUSEPORT). -1 with errno.
 */
int address_bind(const struct sockaddr_storage *address, unsigned length, bool beside);
/* Whether it is 0.0.0.0 or [::]. */
bool address_is_any(const struct sockaddr *address);
uint16_t address_port(const struct sockaddr *address);
void address_set_port(struct sockaddr *address, uint16_t port);

#endif
