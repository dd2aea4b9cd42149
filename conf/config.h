/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration file (portcullis.conf(5), libconfig syntax) as one checked, immutable value.
 * Unknown keys, wrong types and values out of range are errors with file:line and what was expected.
 */
#ifndef PORTCULLIS_CONF_CONFIG_H
#define PORTCULLIS_CONF_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum config_authentication {
	AUTHENTICATION_AUTO, /* CHAP as soon as one credential exists */
	AUTHENTICATION_CHAP, /* always */
	AUTHENTICATION_NONE, /* never */
};

struct config_gateway {
	char *partition, *region, *account, *id;
};

struct config_portal {
	char *address;  /* numeric IPv4 or IPv6 in its shortest form, without brackets */
	uint16_t port;  /* 0 = take a free one */
	uint16_t group; /* target portal group tag, 1..65535 */
	bool made_live; /* the file does not name it */
	int line;       /* where it stands in the file; 0: nowhere */
};

#define CONFIG_PORTALS_MOST 64

struct config_control {
	char *socket; /* absolute path; "" = none */
	char *group;  /* group that owns the socket; "" = the daemon's */
	char *listen; /* "address:port", for config_endpoint(); "" = none */
	char *access_keys;
	bool insecure_listen; /* `listen` may be other than loopback without a certificate */
	char *tls_certificate, *tls_key;
	char *metrics;           /* "address:port"; "" = none */
	char **disk_directories; /* absolute paths; volumes are made of what lies in them alone */
	size_t disk_directory_count;
};

struct config_lun {
	uint16_t lun;        /* 0..255 */
	char *path;          /* absolute, or "memory:" */
	uint64_t size;       /* bytes, whole blocks; 0 = as the file is, never for "memory:" */
	uint32_t block_size; /* 512, 1024, 2048, 4096 */
	uint32_t physical_block_size; /* a power of two, block_size..65536; default block_size */
	bool read_only;
	bool direct;     /* `cache = "direct"`: O_DIRECT; default "page" */
	char *serial;    /* given, or derived from ARN and LUN: 1..36 printable ASCII characters */
	uint8_t naa[16]; /* given or derived; NAA 6h */
	int line;        /* where it stands in the file; 0: in none, it was made live */
	uint32_t given;  /* which of its keys the file has, a bit each: config_lun_has() */
};

struct config_target {
	char *name; /* normalised: lower case */
	char *arn;  /* arn:PARTITION:storagegateway:REGION:ACCOUNT:gateway/ID/target/IQN */
	enum config_authentication authentication;
	struct config_lun *luns; /* ascending by lun; at least one */
	size_t lun_count;
	int line;
};

struct config {
	char *file; /* where it was read from */
	struct config_gateway gateway;
	char *state_directory;
	unsigned workers;   /* 0 = one per CPU */
	unsigned busy_poll; /* microseconds; 0 = no */
	struct config_portal *portals;
	size_t portal_count;
	struct config_control control;
	struct config_target *targets; /* in the file's order */
	size_t target_count;
};

#define CONFIG_ERROR_SIZE 512

/*
 * Reads and checks a file. Returns a value owned by the caller, or NULL with one line in `error`:
 * "FILE:LINE: what is wrong, what was expected". Defaults are filled in; serials and NAAs derived.
 * Opens no LUN.
 */
struct config *config_load(const char *file, char error[CONFIG_ERROR_SIZE]);
/* Likewise of a text at hand; `name` is what messages call it. */
struct config *config_parse(const char *name, const char *text, char error[CONFIG_ERROR_SIZE]);
/* NULL is fine. */
void config_free(struct config *config);
/* Whether this key was given for the LUN, or is its default. */
bool config_lun_has(const struct config_lun *lun, const char *key);
/* From now on it counts as given. */
void config_lun_give(struct config_lun *lun, const char *key);
/* The target of that normalised name, the LUN of that number; NULL: there is none. */
const struct config_target *config_target_find(
	const struct config_target *targets, size_t count, const char *name);
const struct config_lun *config_lun_find(const struct config_target *target, unsigned lun);
/* The LUN with that path, and its target; NULL: none has it, or it is "memory:". */
const struct config_lun *config_path_find(
	const struct config *config, const char *path, const struct config_target **target);
/* The whole configuration as a file would say it, defaults and derived values too. To be freed with free(); NULL: no memory. */
char *config_print(const struct config *config);
/*
 * What two LUNs have in common that only one may have ("path", "serial", "naa"); NULL: nothing. The same number is
 * not asked for.
 */
const char *config_lun_common(const struct config_lun *a, const struct config_lun *b);

/* A deep copy of one target, owned by the caller; NULL when out of memory. */
struct config_target *config_target_copy(const struct config_target *target);
/* Of a copy. NULL is fine. */
void config_target_free(struct config_target *target);
/* Likewise of one LUN: 0, or -1 when out of memory. config_lun_clear() frees what it owns, then too. */
int config_lun_copy(struct config_lun *copy, const struct config_lun *lun);
void config_lun_clear(struct config_lun *lun);
/* Frees an array of targets with what they own. NULL is fine. */
void config_targets_free(struct config_target *targets, size_t count);
/* Appends a deep copy. 0, or -1 when out of memory. */
int config_portals_add(
	struct config_portal **portals, size_t *count, const struct config_portal *portal);
/* Frees an array of portals with what they own. NULL is fine. */
void config_portals_free(struct config_portal *portals, size_t count);
/* Whether both are the same place as configured: address and port. */
bool config_portal_same(const struct config_portal *a, const struct config_portal *b);

#define CONFIG_ADDRESS_SIZE 46 /* the longest numeric address and its NUL */

/* Splits "127.0.0.1:80" or "[::1]:80" (numeric, port 0..65535). 0, or -1 if it is neither. */
int config_endpoint(const char *text, char address[CONFIG_ADDRESS_SIZE], uint16_t *port);

/*
 * One difference of two values, as words for the log: key path, old, new. Targets are paired by
 * name and LUNs by number ("targets[iqn.2026-01.org.example:a].luns[3].size"), portals by address
 * and port; what stands in one value only is "absent" in the other and "present" here.
 */
typedef void config_difference(
	void *context, const char *key, const char *before, const char *after);
/* Calls `each` for every difference; returns how many. Secrets are not part of the configuration. */
size_t config_diff(const struct config *before, const struct config *after, config_difference *each,
	void *context);

#endif
