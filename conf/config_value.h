/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks and normal forms of single values: iSCSI names (RFC 7143 section 4.2.7), addresses, paths,
 * sizes. Each converter returns a new string for the caller to free, or NULL with errno EINVAL (the
 * value is not as described here) or ENOMEM.
 */
#ifndef PORTCULLIS_CONF_CONFIG_VALUE_H
#define PORTCULLIS_CONF_CONFIG_VALUE_H

#include <stdint.h>

/* A partition or region of an ARN: 1 to 32 of a-z 0-9 -. */
char *value_partition(const char *text);
/* The account of an ARN: 12 digits. */
char *value_account(const char *text);
/* "sgw-" and 8 to 26 letters and digits. */
char *value_gateway_id(const char *text);
/* A numeric IPv4 or IPv6 address, without brackets or scope; made as short as it can be written. */
char *value_address(const char *text);
/* Empty, or what config_endpoint() takes. */
char *value_endpoint(const char *text);
/* An absolute path. */
char *value_path(const char *text);
/* Empty, or an absolute path. */
char *value_optional_path(const char *text);
/* Empty, or an absolute path short enough for the address of a Unix socket. */
char *value_socket_path(const char *text);
/* "memory:", or an absolute path. */
char *value_store_path(const char *text);
/* Empty, or a name as group(5) may hold it. */
char *value_group_name(const char *text);
/* A name of type iqn., eui. or naa., at most 223 bytes of a-z 0-9 - . : once made lower case. */
char *value_iscsi_name(const char *text);
/* At most 36 printable ASCII characters, no blank first or last. */
char *value_serial(const char *text);

/* "4096", "512K", "20M", "1G", "2T", "1P" (powers of 1024): 0, or -1 if it is none or too large. */
int value_size(const char *text, uint64_t *size);

#endif
