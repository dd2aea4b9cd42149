/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks and normal forms of single configuration values (RFC 7143 section 4.2.7 for names). */
#include "conf/config_value.h"

#include "conf/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define DIGITS     "0123456789"
#define LOWER      "abcdefghijklmnopqrstuvwxyz"
#define UPPER      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define HEX_DIGITS DIGITS "abcdef"

#define NAME_MAX_BYTES 223 /* RFC 7143 section 4.2.7.2 */
#define SERIAL_MAX     36

static char *kept_if(bool good, const char *text)
{
	if (good)
		return strdup(text);
	errno = EINVAL;
	return NULL;
}

/* Whether the text is `least`..`most` characters long, all of `set`. */
static bool is_made_of(const char *text, const char *set, size_t least, size_t most)
{
	size_t length = strlen(text);
	return length >= least && length <= most && strspn(text, set) == length;
}

char *value_partition(const char *text)
{
	return kept_if(is_made_of(text, LOWER DIGITS "-", 1, 32), text);
}

char *value_account(const char *text)
{
	return kept_if(is_made_of(text, DIGITS, 12, 12), text);
}

char *value_gateway_id(const char *text)
{
	bool good = strncmp(text, "sgw-", 4) == 0 &&
		    is_made_of(text + 4, LOWER UPPER DIGITS, 8, 26);
	return kept_if(good, text);
}

char *value_address(const char *text)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct in6_addr binary; /* room for either */
	char shortest[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (inet_pton(families[i], text, &binary) == 1 &&
			inet_ntop(families[i], &binary, shortest, sizeof(shortest)))
			return strdup(shortest);
	errno = EINVAL;
	return NULL;
}

int config_endpoint(const char *text, char address[CONFIG_ADDRESS_SIZE], uint16_t *port)
{
	const char *colon = strrchr(text, ':');
	bool bracketed = text[0] == '[';

	if (!colon || !is_made_of(colon + 1, DIGITS, 1, 5))
		return -1;
	unsigned long number = strtoul(colon + 1, NULL, 10);
	const char *start = bracketed ? text + 1 : text;
	const char *end = bracketed ? colon - 1 : colon;
	if (number > UINT16_MAX || end <= start || (bracketed && *end != ']'))
		return -1;
	size_t length = (size_t)(end - start);
	if (length >= CONFIG_ADDRESS_SIZE)
		return -1;
	memcpy(address, start, length);
	address[length] = '\0';
	struct in6_addr binary;
	if (inet_pton(bracketed ? AF_INET6 : AF_INET, address, &binary) != 1)
		return -1;
	*port = (uint16_t)number;
	return 0;
}

char *value_endpoint(const char *text)
{
	char address[CONFIG_ADDRESS_SIZE];
	uint16_t port;
	return kept_if(*text == '\0' || config_endpoint(text, address, &port) == 0, text);
}

static bool is_path(const char *text)
{
	return text[0] == '/' && strlen(text) < PATH_MAX;
}

char *value_path(const char *text)
{
	return kept_if(is_path(text), text);
}

char *value_optional_path(const char *text)
{
	return kept_if(*text == '\0' || is_path(text), text);
}

char *value_socket_path(const char *text)
{
	bool fits = strlen(text) < sizeof(((struct sockaddr_un *)0)->sun_path);
	return kept_if(*text == '\0' || (is_path(text) && fits), text);
}

char *value_store_path(const char *text)
{
	return kept_if(is_path(text) || strcmp(text, "memory:") == 0, text);
}

char *value_group_name(const char *text)
{
	bool good = is_made_of(text, LOWER UPPER DIGITS "_.-", 0, 32) && *text != '-';
	return kept_if(good, text);
}

char *value_serial(const char *text)
{
	size_t length = strlen(text);

	for (size_t i = 0; i < length; i++)
		if (text[i] < ' ' || text[i] > '~')
			return kept_if(false, text);
	/* Initiators trim blanks at the ends, and then two serials could be the same. */
	bool trimmed = length == 0 || (text[0] != ' ' && text[length - 1] != ' ');
	return kept_if(trimmed && length <= SERIAL_MAX, text);
}

/* "YYYY-MM.reversed.domain" with, perhaps, ":" and anything of the allowed characters. */
static bool is_qualified_name(const char *rest)
{
	static const char form[] = "dddd-dd.";

	for (size_t i = 0; form[i]; i++) {
		bool fits = form[i] == 'd' ? rest[i] >= '0' && rest[i] <= '9' : rest[i] == form[i];
		if (!fits)
			return false;
	}
	int month = (rest[5] - '0') * 10 + (rest[6] - '0');
	const char *domain = rest + sizeof(form) - 1;
	size_t length = strcspn(domain, ":");
	if (month < 1 || month > 12 || length == 0 || domain[0] == '.' || domain[length - 1] == '.')
		return false;
	for (size_t i = 1; i < length; i++)
		if (domain[i] == '.' && domain[i - 1] == '.')
			return false;
	return true;
}

static bool is_eui(const char *rest)
{
	return is_made_of(rest, HEX_DIGITS, 16, 16);
}

static bool is_naa(const char *rest)
{
	return is_made_of(rest, HEX_DIGITS, 16, 16) || is_made_of(rest, HEX_DIGITS, 32, 32);
}

char *value_iscsi_name(const char *text)
{
	static const struct {
		char type[5];
		bool (*accepts)(const char *rest);
	} types[] = { { "iqn.", is_qualified_name }, { "eui.", is_eui }, { "naa.", is_naa } };
	char *name = strdup(text);

	if (!name)
		return NULL;
	for (char *c = name; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	/* The characters that remain of RFC 3722's profile in ASCII, and all the API can express.
	 */
	if (is_made_of(name, LOWER DIGITS "-.:", 5, NAME_MAX_BYTES))
		for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
			if (strncmp(name, types[i].type, 4) == 0 && types[i].accepts(name + 4))
				return name;
	free(name);
	errno = EINVAL;
	return NULL;
}

int value_size(const char *text, uint64_t *size)
{
	static const char units[] = "KMGTP";
	size_t digits = strspn(text, DIGITS);
	uint64_t value = 0;

	if (digits == 0)
		return -1;
	for (size_t i = 0; i < digits; i++) {
		uint64_t digit = (uint64_t)(text[i] - '0');
		if (value > (UINT64_MAX - digit) / 10)
			return -1;
		value = value * 10 + digit;
	}
	if (text[digits]) {
		const char *unit = strchr(units, text[digits]);
		if (!unit || text[digits + 1])
			return -1;
		unsigned shift = 10 * (unsigned)(unit - units + 1);
		if (value > UINT64_MAX >> shift)
			return -1;
		value <<= shift;
	}
	*size = value;
	return 0;
}
