/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command line: one table of options, read by the parser and by the help. Options may stand
 * before or after the verb.
 */
#include "ctl/ctl.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Those that every verb takes. */
#define COMMON_OPTIONS                                                                             \
	(1u << OPTION_SOCKET | 1u << OPTION_JSON | 1u << OPTION_HELP | 1u << OPTION_VERSION |      \
		1u << OPTION_SECRET | 1u << OPTION_TARGET_SECRET)

struct option_row {
	const char *name;
	const char *value; /* as the help shows it; NULL: takes none */
	const char *help;  /* NULL: not shown */
};

/* The last two are known only to be refused: getopt would take --secret for an abbreviation. */
static const struct option_row rows[OPTION_COUNT] = {
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
		"how long the old record stays good: seconds, or 90m, 12h, 7d (default 1d)" },
	[OPTION_SIZE] = { "size", "SIZE",
		"bytes, or 512M, 8G: create the file, or grow it, to it" },
	[OPTION_READ_ONLY] = { "read-only", NULL, "initiators may not write to the LUN" },
	[OPTION_AUTHENTICATION] = { "authentication", "POLICY",
		"auto (default), chap or none, as in portcullis.conf(5)" },
	[OPTION_FORCE] = { "force", NULL, "also when initiators are logged in: close them" },
	[OPTION_SECRET] = { "secret", "", NULL },
	[OPTION_TARGET_SECRET] = { "target-secret", "", NULL },
};

void ctl_complain(const char *format, ...)
{
	va_list arguments;

	fputs("portcullisctl: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

/* A verb is one word, or two ("config show"): *words of those at `argv`, which ends with NULL. */
static const struct ctl_verb *find_verb(char **argv, int *words)
{
	for (size_t i = 0; i < ctl_verb_count; i++) {
		const char *name = ctl_verbs[i].name;
		size_t first = strcspn(name, " ");
		if (strlen(argv[0]) != first || strncmp(argv[0], name, first) != 0)
			continue;
		*words = name[first] ? 2 : 1;
		if (!name[first] || (argv[1] && strcmp(argv[1], name + first + 1) == 0))
			return &ctl_verbs[i];
	}
	return NULL;
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
		ctl_complain("%.*s: no such option", length, word);
}

/* Which options were given; -1 for an unknown one. */
static int parse_options(int argc, char **argv, struct ctl_command *command)
{
	struct option longs[OPTION_COUNT + 1] = { 0 };
	int found;

	for (int i = 0; i < OPTION_COUNT; i++) {
		longs[i].name = rows[i].name;
		longs[i].has_arg = rows[i].value ? required_argument : no_argument;
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
				rows[found].name, rows[found].name);
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
		if (command->options[i] && !(taken & 1u << i)) {
			ctl_complain("%s does not take --%s", command->verb->name, rows[i].name);
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
		int words_of_verb = 1;
		command->verb = find_verb(argv + optind, &words_of_verb);
		if (!command->verb) {
			ctl_complain("%s: no such verb", argv[optind]);
			return -1;
		}
		optind += words_of_verb;
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
		ctl_complain("usage: portcullisctl %s [OPTION...] %s", command->verb->name,
			command->verb->arguments);
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

/* The options among `which`, under a title; nothing if there are none. */
static void help_options(const char *title, unsigned which)
{
	bool any = false;

	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (!(which & 1u << i) || !rows[i].help)
			continue;
		if (!any)
			printf("\n%s:\n", title);
		any = true;
		printf("  --%s%s%s\n        %s\n", rows[i].name, rows[i].value ? " " : "",
			rows[i].value ? rows[i].value : "", rows[i].help);
	}
}

void ctl_help(const struct ctl_verb *verb)
{
	if (verb) {
		printf("Usage: portcullisctl %s [OPTION...] %s\n\n%s.\n\n%s", verb->name,
			verb->arguments, verb->summary, verb->text);
		help_options("Options of this verb", verb->options);
	} else {
		printf("Usage: portcullisctl [--socket PATH] [--json] VERB ...\n\n"
		       "Looks after the targets of a running portcullisd.\n\nVerbs:\n");
		for (size_t i = 0; i < ctl_verb_count; i++)
			printf("  %-16s %s\n", ctl_verbs[i].name, ctl_verbs[i].summary);
	}
	help_options("Options", COMMON_OPTIONS);
	printf("\nExit status: 0 done, 1 refused by the daemon, 2 usage, 3 daemon not "
	       "reachable.\n");
}
