/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks and normal forms of single values: iSCSI names (RFC 7143 section 4.2.7), addresses, paths,
 * sizes. Each converter returns a new string, or NULL with errno EINVAL or ENOMEM.
 */
#ifndef PORTCULLIS_CONF_CONFIG_VALUE_H
#define PORTCULLIS_CONF_CONFIG_VALUE_H

#include <stdint.h>

char *value_any(const char *text);
char *value_partition(const char *text);
char *value_account(const char *text);
char *value_gateway_id(const char *text);
char *value_address(const char *text);       /* to its shortest form */
char *value_endpoint(const char *text);      /* "" or config_endpoint() takes it */
char *value_path(const char *text);          /* absolute */
char *value_optional_path(const char *text); /* absolute or "" */
char *value_socket_path(const char *text);   /* likewise, and short enough for a socket */
char *value_store_path(const char *text);    /* absolute or "memory:" */
char *value_group_name(const char *text);
char *value_iscsi_name(const char *text); /* to lower case */
char *value_serial(const char *text);

/* "4096", "512K", "20M", "1G", "2T", "1P" (powers of 1024): 0, or -1 if it is none or too large. */
int value_size(const char *text, uint64_t *size);

#endif
