/* SPDX-License-Identifier: BSD-2-Clause */
/* The keys of the configuration file (portcullis.conf(5)) and access to their members. */
#include "conf/config_table.h"

#include "conf/config_value.h"

#include <string.h>

#define COUNT(table)         (sizeof(table) / sizeof((table)[0]))
#define MEMBER(type, member) .offset = offsetof(type, member), .width = sizeof(((type *)0)->member)

static const char *const authentications[] = { "auto", "chap", "none", NULL };
static const char *const caches[] = { "page", "direct", NULL };

#define ABSOLUTE_PATH     "an absolute path"
#define OPTIONAL_PATH     "an absolute path, or \"\" for none"
#define OPTIONAL_ENDPOINT "\"ADDRESS:PORT\" with a numeric address, or \"\" for none"
#define NAME_FORMS                                                                                 \
	"\"iqn.YYYY-MM.reversed.domain:name\", \"eui.\" and 16 hexadecimal digits, or "            \
	"\"naa.\" and 16 or 32, of a-z 0-9 - . : and at most 223 characters"

static const struct key gateway_keys[] = {
	{ "partition", VALUE_STRING, MEMBER(struct config_gateway, partition), .text = "aws",
		.convert = value_partition, .expected = "1 to 32 of a-z 0-9 -" },
	{ "region", VALUE_STRING, MEMBER(struct config_gateway, region), .text = "us-east-1",
		.convert = value_partition, .expected = "1 to 32 of a-z 0-9 -" },
	{ "account", VALUE_STRING, MEMBER(struct config_gateway, account), .text = "111122223333",
		.convert = value_account, .expected = "12 digits" },
	{ "id", VALUE_STRING, MEMBER(struct config_gateway, id), .text = "sgw-12A3456B",
		.convert = value_gateway_id,
		.expected = "\"sgw-\" and 8 to 26 letters and digits" },
};

static const struct key portal_keys[] = {
	{ "address", VALUE_STRING, MEMBER(struct config_portal, address), .text = "0.0.0.0",
		.convert = value_address,
		.expected = "a numeric IPv4 or IPv6 address without brackets" },
	{ "port", VALUE_NUMBER, MEMBER(struct config_portal, port), .number = 3260, .least = 0,
		.most = 65535 },
	{ "group", VALUE_NUMBER, MEMBER(struct config_portal, group), .number = 1, .least = 1,
		.most = 65535 },
};

static const struct key control_keys[] = {
	{ "socket", VALUE_STRING, MEMBER(struct config_control, socket),
		.text = "/run/portcullis/control.sock", .convert = value_socket_path,
		.expected = "an absolute path of at most 107 characters, or \"\" for none" },
	{ "group", VALUE_STRING, MEMBER(struct config_control, group), .text = "",
		.convert = value_group_name, .expected = "the name of a group, or \"\"" },
	{ "listen", VALUE_STRING, MEMBER(struct config_control, listen), .text = "",
		.convert = value_endpoint, .expected = OPTIONAL_ENDPOINT },
	{ "insecure_listen", VALUE_BOOL, MEMBER(struct config_control, insecure_listen) },
	{ "access_keys", VALUE_STRING, MEMBER(struct config_control, access_keys),
		.text = "/etc/portcullis/access-keys", .convert = value_path,
		.expected = ABSOLUTE_PATH },
	{ "tls_certificate", VALUE_STRING, MEMBER(struct config_control, tls_certificate),
		.text = "", .convert = value_optional_path, .expected = OPTIONAL_PATH },
	{ "tls_key", VALUE_STRING, MEMBER(struct config_control, tls_key), .text = "",
		.convert = value_optional_path, .expected = OPTIONAL_PATH },
	{ "metrics", VALUE_STRING, MEMBER(struct config_control, metrics), .text = "",
		.convert = value_endpoint, .expected = OPTIONAL_ENDPOINT },
	{ "disk_directories", VALUE_STRINGS, MEMBER(struct config_control, disk_directories),
		.count_offset = offsetof(struct config_control, disk_directory_count), .least = 0,
		.most = 64, .convert = value_path,
		.expected = "an array [ ... ] of 0 to 64 absolute paths" },
};

static const struct key lun_keys[] = {
	{ "lun", VALUE_NUMBER, MEMBER(struct config_lun, lun), .least = 0, .most = 255 },
	{ "path", VALUE_STRING, MEMBER(struct config_lun, path), .required = true,
		.convert = value_store_path, .expected = "an absolute path or \"memory:\"" },
	{ "size", VALUE_SIZE, MEMBER(struct config_lun, size), .most = UINT64_C(1) << 60,
		.expected = "a number of bytes, or one with K, M, G, T or P, up to \"1024P\"" },
	{ "block_size", VALUE_NUMBER, MEMBER(struct config_lun, block_size), .number = 512,
		.least = 512, .most = 4096, .power_of_two = true,
		.expected = "512, 1024, 2048 or 4096" },
	{ "physical_block_size", VALUE_NUMBER, MEMBER(struct config_lun, physical_block_size),
		.least = 512, .most = 65536, .power_of_two = true,
		.expected = "a power of two from 512 to 65536" },
	{ "read_only", VALUE_BOOL, MEMBER(struct config_lun, read_only) },
	{ "cache", VALUE_CHOICE, MEMBER(struct config_lun, direct), .choices = caches },
	{ "serial", VALUE_STRING, MEMBER(struct config_lun, serial), .text = "",
		.convert = value_serial,
		.expected = "at most 36 printable ASCII characters without blanks at the ends" },
	{ "naa", VALUE_NAA, MEMBER(struct config_lun, naa),
		.expected = "32 hexadecimal digits of which the first is 6, or \"\"" },
};

const struct section config_lun_section = {
	.size = sizeof(struct config_lun),
	.keys = lun_keys,
	.key_count = COUNT(lun_keys),
	.identity = &lun_keys[0],
	.line_offset = offsetof(struct config_lun, line),
	.given_offset = offsetof(struct config_lun, given),
};

static const struct key target_keys[] = {
	{ "name", VALUE_STRING, MEMBER(struct config_target, name), .required = true,
		.convert = value_iscsi_name, .expected = NAME_FORMS },
	{ "authentication", VALUE_CHOICE, MEMBER(struct config_target, authentication),
		.choices = authentications },
	{ "luns", VALUE_LIST, MEMBER(struct config_target, luns), .required = true,
		.count_offset = offsetof(struct config_target, lun_count), .least = 1, .most = 256,
		.section = &config_lun_section },
};

static const struct section gateway_section = { .size = sizeof(struct config_gateway),
	.keys = gateway_keys,
	.key_count = COUNT(gateway_keys) };
static const struct section control_section = { .size = sizeof(struct config_control),
	.keys = control_keys,
	.key_count = COUNT(control_keys) };
const struct section config_portal_section = {
	.size = sizeof(struct config_portal),
	.keys = portal_keys,
	.key_count = COUNT(portal_keys),
	.identity = &portal_keys[0],
	.identity_too = &portal_keys[1],
	.line_offset = offsetof(struct config_portal, line),
};
const struct section config_target_section = {
	.size = sizeof(struct config_target),
	.keys = target_keys,
	.key_count = COUNT(target_keys),
	.identity = &target_keys[0],
	.line_offset = offsetof(struct config_target, line),
};

static const struct key root_keys[] = {
	{ "gateway", VALUE_GROUP, MEMBER(struct config, gateway), .section = &gateway_section },
	{ "state_directory", VALUE_STRING, MEMBER(struct config, state_directory),
		.text = "/var/lib/portcullis", .convert = value_path, .expected = ABSOLUTE_PATH },
	{ "workers", VALUE_NUMBER, MEMBER(struct config, workers), .least = 0, .most = 256 },
	{ "busy_poll", VALUE_NUMBER, MEMBER(struct config, busy_poll), .least = 0, .most = 10000 },
	{ "portals", VALUE_LIST, MEMBER(struct config, portals), .number = 1,
		.count_offset = offsetof(struct config, portal_count), .least = 1,
		.most = CONFIG_PORTALS_MOST, .section = &config_portal_section },
	{ "control", VALUE_GROUP, MEMBER(struct config, control), .section = &control_section },
	{ "targets", VALUE_LIST, MEMBER(struct config, targets), .required = true,
		.count_offset = offsetof(struct config, target_count), .least = 0, .most = 4096,
		.section = &config_target_section },
};

const struct section config_root = {
	.size = sizeof(struct config), .keys = root_keys, .key_count = COUNT(root_keys)
};

_Static_assert(sizeof(enum config_authentication) == 4, "a choice is kept in 1 or 4 bytes");
_Static_assert(sizeof(bool) == 1, "a bool is kept in 1 byte");

/* A bit of `given`; 0 for no key of a LUN. */
static uint32_t given_bit(const char *key)
{
	for (size_t i = 0; i < COUNT(lun_keys); i++)
		if (strcmp(lun_keys[i].name, key) == 0)
			return UINT32_C(1) << i;
	return 0;
}

bool config_lun_has(const struct config_lun *lun, const char *key)
{
	return lun->given & given_bit(key);
}

void config_lun_give(struct config_lun *lun, const char *key)
{
	lun->given |= given_bit(key);
}

uint64_t key_number(const struct key *key, const void *object)
{
	const char *member = (const char *)object + key->offset;
	uint8_t byte;
	uint16_t half;
	uint32_t word;
	uint64_t value;

	switch (key->width) {
	case sizeof(byte):
		memcpy(&byte, member, sizeof(byte));
		return byte;
	case sizeof(half):
		memcpy(&half, member, sizeof(half));
		return half;
	case sizeof(word):
		memcpy(&word, member, sizeof(word));
		return word;
	default:
		memcpy(&value, member, sizeof(value));
		return value;
	}
}

void key_set_number(const struct key *key, void *object, uint64_t value)
{
	char *member = (char *)object + key->offset;
	uint8_t byte = (uint8_t)value;
	uint16_t half = (uint16_t)value;
	uint32_t word = (uint32_t)value;

	switch (key->width) {
	case sizeof(byte):
		memcpy(member, &byte, sizeof(byte));
		break;
	case sizeof(half):
		memcpy(member, &half, sizeof(half));
		break;
	case sizeof(word):
		memcpy(member, &word, sizeof(word));
		break;
	default:
		memcpy(member, &value, sizeof(value));
		break;
	}
}

size_t key_count(const struct key *key, const void *object)
{
	size_t count;
	memcpy(&count, (const char *)object + key->count_offset, sizeof(count));
	return count;
}

void *key_pointer(const struct key *key, const void *object)
{
	void *pointer;
	memcpy(&pointer, (const char *)object + key->offset, sizeof(pointer));
	return pointer;
}

void key_set_pointer(const struct key *key, void *object, void *pointer, size_t count)
{
	memcpy((char *)object + key->offset, &pointer, sizeof(pointer));
	if (key->kind == VALUE_LIST || key->kind == VALUE_STRINGS)
		memcpy((char *)object + key->count_offset, &count, sizeof(count));
}
