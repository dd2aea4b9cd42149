/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command line: one table of options, read by the parser, the help and the completion. Options
 * may stand before or after the verb.
 */
#include "ctl/ctl.h"

#include "ctl/client.h"
#include "ctl/nearest.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The last two are known only to be refused: getopt would take --secret for an abbreviation. */
const struct ctl_option_row ctl_options[OPTION_COUNT] = {
	[OPTION_SOCKET] = { "socket", "PATH",
		"the daemon's control socket (default /run/portcullis/control.sock)" },
	[OPTION_JSON] = { "json", NULL, "print the daemon's answer as it is, for scripts" },
	[OPTION_HELP] = { "help", NULL, "print this help; after a verb, the verb's" },
	[OPTION_VERSION] = { "version", NULL, "print the version" },
	[OPTION_SECRET_FILE] = { "secret-file", "FILE",
		"the initiator's secret is the first line of FILE (mode 0600); - is stdin" },
	[OPTION_TARGET_SECRET_FILE] = { "target-secret-file", "FILE",
		"likewise the target's secret, for mutual CHAP" },
	[OPTION_MUTUAL] = { "mutual", NULL, "ask for the target's secret too, for mutual CHAP" },
	[OPTION_SHOW_SECRETS] = { "show-secrets", NULL, "show secrets in clear" },
	[OPTION_GRACE] = { "grace", "TIME",
		"how long the old record is good: seconds, or 90m, 12h, 7d (default 1d)" },
	[OPTION_LUN] = { "lun", "LUN", "the LUN's number, 0 to 255 (default 0)" },
	[OPTION_SIZE] = { "size", "SIZE",
		"bytes, or 512M, 8G: create the file, or grow it, to it" },
	[OPTION_BLOCK_SIZE] = { "block-size", "BYTES", "512 (default), 1024, 2048 or 4096" },
	[OPTION_PHYSICAL_BLOCK_SIZE] = { "physical-block-size", "BYTES",
		"what the medium writes at once: a power of two, up to 65536" },
	[OPTION_READ_ONLY] = { "read-only", NULL, "initiators may not write to the LUN" },
	[OPTION_CACHE] = { "cache", "CACHE",
		"page (default): through the page cache, or direct: past it" },
	[OPTION_SERIAL] = { "serial", "SERIAL",
		"the unit's serial number, at most 36 printable ASCII characters" },
	[OPTION_NAA] = { "naa", "NAA",
		"its NAA identifier, 32 hexadecimal digits of which the first is 6" },
	[OPTION_AUTHENTICATION] = { "authentication", "POLICY",
		"auto (default), chap or none, as in portcullis.conf(5)" },
	[OPTION_FORCE] = { "force", NULL, "also when initiators are logged in: close them" },
	[OPTION_EMPTY] = { "empty", NULL, "refuse a disk that has anything but zeros" },
	[OPTION_LONG] = { "long", NULL, "all that is known of each, a line each" },
	[OPTION_INTERVAL] = { "interval", "TIME",
		"time between two looks: seconds, or 1m, at most a day (default 2)" },
	[OPTION_COUNTED] = { "count", "N", "end after N looks" },
	[OPTION_TIMEOUT] = { "timeout", "TIME",
		"how long to wait for the daemon's answer: seconds, or 5m (default 60)" },
	[OPTION_SECRET] = { "secret", "", NULL },
	[OPTION_TARGET_SECRET] = { "target-secret", "", NULL },
};
_Static_assert(OPTION_COUNT <= 32, "a verb's options are the bits of an unsigned");

void ctl_complain(const char *format, ...)
{
	va_list arguments;

	fputs("portcullisctl: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

const struct ctl_verb *ctl_find_verb(const char *const *words, size_t count, size_t *taken)
{
	for (size_t i = 0; count && i < ctl_verb_count; i++) {
		const char *name = ctl_verbs[i].name;
		size_t first = strcspn(name, " ");
		if (strlen(words[0]) != first || strncmp(words[0], name, first) != 0)
			continue;
		*taken = name[first] ? 2 : 1;
		if (!name[first] || (count > 1 && strcmp(words[1], name + first + 1) == 0))
			return &ctl_verbs[i];
	}
	return NULL;
}

/* Whether it is the first of two words, and which may follow. */
static bool complain_second(const char *word)
{
	size_t length = strlen(word);
	char words[128] = "";
	size_t at = 0;

	for (size_t i = 0; i < ctl_verb_count; i++) {
		const char *name = ctl_verbs[i].name;
		if (strncmp(name, word, length) == 0 && name[length] == ' ' && at < sizeof(words))
			at += (size_t)snprintf(
				words + at, sizeof(words) - at, "%s%s", at ? ", " : "", name);
	}
	if (at)
		ctl_complain("%s: no such verb; there are %s", word, words);
	return at > 0;
}

/* Perhaps it is known which one was meant. */
static void complain_verb(const char *word)
{
	struct nearest nearest = { .word = word };

	if (complain_second(word))
		return;

	for (size_t i = 0; i < ctl_verb_count; i++)
		nearest_offer(&nearest, ctl_verbs[i].name);
	const char *best = nearest_found(&nearest);
	ctl_complain("%s: no such verb%s%s%s", word, best ? "; did you mean " : "",
		best ? best : "", best ? "?" : "");
}

/* Likewise for an option's name of `length` bytes, which alone is shown. */
static void complain_unknown(const char *option, int length)
{
	char word[64];
	struct nearest nearest = { .word = word };

	snprintf(word, sizeof(word), "%.*s", length - 2, option + 2);
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (ctl_options[i].help)
			nearest_offer(&nearest, ctl_options[i].name);
	}
	const char *best = nearest_found(&nearest);
	ctl_complain("%.*s: no such option%s%s%s", length, option, best ? "; did you mean --" : "",
		best ? best : "", best ? "?" : "");
}

/* After getopt_long() said ':' or '?' about `word`. What follows a letter or '=' may be a secret. */
static void complain_option(int found, const char *word)
{
	int length = (int)strcspn(word, "=");

	if (found == ':')
		ctl_complain("%.*s: a value is missing", length, word);
	else if (optopt >= ' ')
		ctl_complain("-%c: no such option", optopt);
	else if (optopt > 0)
		ctl_complain("%.*s takes no value", length, word);
	else
		complain_unknown(word, length);
}

/* Which options were given; -1 for an unknown one. */
static int parse_options(int argc, char **argv, struct ctl_command *command)
{
	struct option longs[OPTION_COUNT + 1] = { 0 };
	int found;

	for (int i = 0; i < OPTION_COUNT; i++) {
		longs[i].name = ctl_options[i].name;
		longs[i].has_arg = ctl_options[i].value ? required_argument : no_argument;
		longs[i].val = i;
	}
	opterr = 0;
	while ((found = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
		if (found == ':' || found == '?') {
			complain_option(found, argv[optind - 1]);
			return -1;
		}
		if (found == OPTION_SECRET || found == OPTION_TARGET_SECRET) {
			ctl_complain("--%s: a secret on the command line is seen by every user of "
				     "this host; use --%s-file FILE",
				ctl_options[found].name, ctl_options[found].name);
			return -1;
		}
		command->options[found] = optarg ? optarg : "";
	}
	return 0;
}

/* Each verb names the options that mean something to it; the rest is a mistake, and said to be one. */
static int check_options(const struct ctl_command *command)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		unsigned taken = COMMON_OPTIONS | command->verb->options;
		if (i == OPTION_TIMEOUT && command->options[i] &&
			client_seconds(command->options[i]) == 0) {
			ctl_complain("--timeout: a time is a number of seconds, or of s, m, h or "
				     "d: 90, 5m");
			return -1;
		}
		if (command->options[i] && !(taken & 1u << i)) {
			ctl_complain(
				"%s does not take --%s", command->verb->name, ctl_options[i].name);
			return -1;
		}
	}
	return 0;
}

/* The work of ctl_parse(), which adds where to find help to whatever is complained of here. */
static int parse(int argc, char **argv, struct ctl_command *command)
{
	if (parse_options(argc, argv, command) != 0)
		return -1;
	if (optind < argc) {
		size_t taken = 1;
		command->verb = ctl_find_verb(
			(const char *const *)argv + optind, (size_t)(argc - optind), &taken);
		if (!command->verb) {
			complain_verb(argv[optind]);
			return -1;
		}
		optind += (int)taken;
	}
	/* Help is given whatever else is missing. */
	if (ctl_given(command, OPTION_HELP) || ctl_given(command, OPTION_VERSION))
		return 0;
	if (!command->verb) {
		ctl_complain("a verb is missing");
		return -1;
	}
	size_t words = (size_t)(argc - optind);
	if (words < command->verb->argument_min || words > command->verb->argument_max) {
		ctl_complain("usage: portcullisctl %s [OPTION...]%s%s", command->verb->name,
			command->verb->arguments[0] ? " " : "", command->verb->arguments);
		return -1;
	}
	for (size_t i = 0; i < words; i++)
		command->arguments[i] = argv[optind + (int)i];
	return check_options(command);
}

int ctl_parse(int argc, char **argv, struct ctl_command *command)
{
	*command = (struct ctl_command){ 0 };
	if (parse(argc, argv, command) == 0)
		return 0;
	fprintf(stderr, "Try: portcullisctl %s%s--help\n", command->verb ? command->verb->name : "",
		command->verb ? " " : "");
	return -1;
}
