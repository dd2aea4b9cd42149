/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The second step of reading a configuration: what no key shows alone, and what is derived. One
 * file behind two LUNs, or one identity on two, would let initiators mix up disks, so both are
 * refused here already; that two paths may name one file is for the store to see.
 */
#include "conf/config_read.h"

#include "auth/digest.h"
#include "base/encode.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACE_SIZE 288 /* of a LUN's place: a target's name and some words */

struct checker {
	struct config *config;
	const config_t *settings;
	char *error;
};

/* The line of a setting by libconfig's path ("targets.[0].name"), or 0. */
__attribute__((format(printf, 2, 3))) static int line_of(
	const struct checker *checker, const char *format, ...)
{
	char path[96];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(path, sizeof(path), format, arguments);
	va_end(arguments);
	const config_setting_t *setting = config_lookup(checker->settings, path);
	return setting ? (int)config_setting_source_line(setting) : 0;
}

#define refuse(checker, line, ...)                                                                 \
	config_refuse((checker)->error, (checker)->config->file, line, __VA_ARGS__)

static int check_portals(const struct checker *checker)
{
	const struct config_portal *portals = checker->config->portals;

	for (size_t i = 0; i < checker->config->portal_count; i++)
		for (size_t j = 0; j < i; j++)
			if (portals[i].port != 0 && portals[i].port == portals[j].port &&
				strcmp(portals[i].address, portals[j].address) == 0)
				return refuse(checker, line_of(checker, "portals.[%zu]", i),
					"portals[%zu] is the same address and port as "
					"portals[%zu], "
					"expected each once",
					i, j);
	return 0;
}

/* Whether only this host can connect to it. */
static bool is_loopback(const char *endpoint)
{
	char address[CONFIG_ADDRESS_SIZE];
	struct in_addr v4;
	struct in6_addr v6;
	uint16_t port;

	if (config_endpoint(endpoint, address, &port) != 0)
		return false;
	if (inet_pton(AF_INET, address, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET;
	return inet_pton(AF_INET6, address, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static int check_control(const struct checker *checker)
{
	const struct config_control *control = &checker->config->control;

	if (*control->tls_certificate && !*control->tls_key)
		return refuse(checker, line_of(checker, "control.tls_certificate"),
			"control.tls_certificate stands without control.tls_key, expected both or "
			"none");
	if (*control->tls_key && !*control->tls_certificate)
		return refuse(checker, line_of(checker, "control.tls_key"),
			"control.tls_key stands without control.tls_certificate, expected both or "
			"none");
	/* Replies carry secrets in clear, so does an update's body. */
	if (*control->listen && !*control->tls_certificate && !control->insecure_listen &&
		!is_loopback(control->listen))
		return refuse(checker, line_of(checker, "control.listen"),
			"control.listen is \"%s\", expected a loopback address, or "
			"control.tls_certificate and control.tls_key, or control.insecure_listen = "
			"true",
			control->listen);
	return 0;
}

const char *config_lun_common(const struct config_lun *a, const struct config_lun *b)
{
	static const uint8_t none[sizeof(a->naa)];

	if (strcmp(a->path, b->path) == 0 && strcmp(a->path, "memory:") != 0)
		return "path";
	if (*a->serial && strcmp(a->serial, b->serial) == 0)
		return "serial";
	if (memcmp(a->naa, none, sizeof(none)) != 0 && memcmp(a->naa, b->naa, sizeof(none)) == 0)
		return "naa";
	return NULL;
}

/* A LUN by its place in the file and its line; one that is made live has neither. */
static const char *place_of(
	const struct checker *checker, size_t target, size_t lun, char text[PLACE_SIZE])
{
	const struct config_target *owner = &checker->config->targets[target];
	const struct config_lun *self = &owner->luns[lun];

	if (self->line)
		snprintf(text, PLACE_SIZE, "targets[%zu].luns[%zu] (line %d)", target, lun,
			self->line);
	else
		snprintf(text, PLACE_SIZE, "LUN %u of %s", (unsigned)self->lun, owner->name);
	return text;
}

/* Likewise one of its keys, for the beginning of a complaint. */
static const char *key_of(const struct checker *checker, size_t target, size_t lun, const char *key,
	char text[PLACE_SIZE])
{
	if (checker->config->targets[target].luns[lun].line)
		snprintf(text, PLACE_SIZE, "targets[%zu].luns[%zu].%s", target, lun, key);
	else
		snprintf(text, PLACE_SIZE, "%s of LUN %u of %s", key,
			(unsigned)checker->config->targets[target].luns[lun].lun,
			checker->config->targets[target].name);
	return text;
}

/* Compares a LUN with all that stand before it in the file. */
static int check_twice(const struct checker *checker, size_t target, size_t lun)
{
	const struct config_target *targets = checker->config->targets;
	const struct config_lun *self = &targets[target].luns[lun];
	char key[PLACE_SIZE], place[PLACE_SIZE];

	for (size_t i = 0; i <= target; i++) {
		for (size_t j = 0; j < (i == target ? lun : targets[i].lun_count); j++) {
			const struct config_lun *other = &targets[i].luns[j];
			const char *common = config_lun_common(self, other);
			if (i == target && self->lun == other->lun)
				common = "lun";
			if (!common)
				continue;
			/* A LUN without a number has it by default: then the group's line. */
			int line = line_of(
				checker, "targets.[%zu].luns.[%zu].%s", target, lun, common);
			return refuse(checker, line ? line : self->line,
				"%s is the same as that of %s, expected one of its own",
				key_of(checker, target, lun, common, key),
				place_of(checker, i, j, place));
		}
	}
	return 0;
}

static int check_lun(const struct checker *checker, size_t target, size_t index)
{
	struct config_lun *lun = &checker->config->targets[target].luns[index];
	char key[PLACE_SIZE];

	if (lun->size % lun->block_size != 0)
		return refuse(checker,
			line_of(checker, "targets.[%zu].luns.[%zu].size", target, index),
			"%s is %llu, expected a multiple of block_size (%u)",
			key_of(checker, target, index, "size", key), (unsigned long long)lun->size,
			lun->block_size);
	if (strcmp(lun->path, "memory:") == 0 && lun->size == 0)
		return refuse(checker, lun->line, "%s is missing, expected one for \"memory:\"",
			key_of(checker, target, index, "size", key));
	if (lun->physical_block_size == 0)
		lun->physical_block_size = lun->block_size;
	if (lun->physical_block_size < lun->block_size)
		return refuse(checker,
			line_of(checker, "targets.[%zu].luns.[%zu].physical_block_size", target,
				index),
			"%s is %u, expected at least block_size (%u)",
			key_of(checker, target, index, "physical_block_size", key),
			lun->physical_block_size, lun->block_size);
	return check_twice(checker, target, index);
}

static int check_target(const struct checker *checker, size_t index)
{
	const struct config_target *targets = checker->config->targets;

	for (size_t i = 0; i < index; i++)
		if (strcmp(targets[i].name, targets[index].name) == 0)
			return refuse(checker, line_of(checker, "targets.[%zu].name", index),
				"targets[%zu].name is the same as that of targets[%zu] (line %d), "
				"expected one of its own",
				index, i, targets[i].line);
	for (size_t i = 0; i < targets[index].lun_count; i++)
		if (check_lun(checker, index, i) != 0)
			return -1;
	return 0;
}

/* arn:PARTITION:storagegateway:REGION:ACCOUNT:gateway/ID/target/IQN, for the caller to free. */
static char *arn_of(const struct config_gateway *gateway, const char *name)
{
	static const char form[] = "arn:%s:storagegateway:%s:%s:gateway/%s/target/%s";
	char *arn = NULL;

	if (asprintf(&arn, form, gateway->partition, gateway->region, gateway->account, gateway->id,
		    name) < 0)
		return NULL;
	return arn;
}

/*
 * Serial and NAA of a LUN that has none, of SHA-256 over "ARN NUL LUN": the first half makes the
 * NAA, the second the serial. SPC-5 section 7.7.6.6.5; nobody gave us a company identifier, so the
 * one inside the NAA is marked as locally administered and cannot be anybody's.
 */
static int derive_identity(struct config_lun *lun, const char *arn)
{
	static const uint8_t none[sizeof(lun->naa)];
	uint8_t digest[SHA256_SIZE];
	size_t half = sizeof(digest) / 2;
	char digits[33], *name = NULL;

	int length = asprintf(&name, "%s%c%u", arn, '\0', (unsigned)lun->lun);
	if (length < 0)
		return -1;
	int result = sha256(digest, name, (size_t)length);
	free(name);
	if (result != 0)
		return -1;
	if (memcmp(lun->naa, none, sizeof(none)) == 0) {
		memcpy(lun->naa, digest, half);
		lun->naa[0] = (uint8_t)(0x60 | (lun->naa[0] & 0x0f));
		lun->naa[1] = (uint8_t)((lun->naa[1] | 0x20) & ~0x10);
	}
	if (*lun->serial == '\0') {
		hex_encode(digits, sizeof(digits), digest + half, half);
		char *serial = strdup(digits);
		if (!serial)
			return -1;
		free(lun->serial);
		lun->serial = serial;
	}
	return 0;
}

static int lun_order(const void *a, const void *b)
{
	return ((const struct config_lun *)a)->lun - ((const struct config_lun *)b)->lun;
}

static int derive_target(const struct config_gateway *gateway, struct config_target *target)
{
	if (!target->arn)
		target->arn = arn_of(gateway, target->name);
	if (!target->arn)
		return -1;
	for (size_t i = 0; i < target->lun_count; i++)
		if (derive_identity(&target->luns[i], target->arn) != 0)
			return -1;
	qsort(target->luns, target->lun_count, sizeof(target->luns[0]), lun_order);
	return 0;
}

int config_check(struct config *config, const config_t *settings, char error[CONFIG_ERROR_SIZE])
{
	const struct checker checker = { config, settings, error };

	if (check_portals(&checker) != 0 || check_control(&checker) != 0)
		return -1;
	for (size_t i = 0; i < config->target_count; i++)
		if (check_target(&checker, i) != 0)
			return -1;
	for (size_t i = 0; i < config->target_count; i++)
		if (derive_target(&config->gateway, &config->targets[i]) != 0)
			return refuse(&checker, 0, "out of memory");
	return 0;
}
