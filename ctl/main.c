/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * portcullisctl: changes and shows the CHAP credentials of a running portcullisd, and who is
 * logged in. portcullisctl(1) is its contract.
 */
#include "config.h"

#include "base/secret.h"
#include "ctl/complete.h"
#include "ctl/ctl.h"
#include "ctl/http.h"

#include <stdio.h>
#include <string.h>

#define OUTPUT_BUFFER_SIZE 16384

/* What is left of the output is written: whether that was possible is part of the result. */
static int finish(enum ctl_exit result)
{
	const bool lost = ferror(stdout) != 0; /* what was flushed before the end */

	if ((fclose(stdout) != 0 || lost) && result == CTL_DONE) {
		ctl_complain("stdout: the output could not be written");
		result = CTL_UNREACHABLE;
	}
	return (int)result;
}

int main(int argc, char **argv)
{
	struct ctl_command command = { 0 };
	/* Its words are half of a command line, and not for the parser. */
	const bool completes = argc > 1 && strcmp(argv[1], COMPLETE_WORD) == 0;

	if (!completes && ctl_parse(argc, argv, &command) != 0)
		return CTL_USAGE;
	if (ctl_given(&command, OPTION_HELP)) {
		ctl_help(command.verb);
		return finish(CTL_DONE);
	}
	if (ctl_given(&command, OPTION_VERSION)) {
		puts("portcullisctl " PACKAGE_VERSION);
		return finish(CTL_DONE);
	}
	/* stdio's own buffer would keep what --show-secrets printed. */
	char *buffer = secret_malloc(OUTPUT_BUFFER_SIZE);
	if (!buffer || http_start() != 0) {
		ctl_complain("out of memory");
		secret_free(buffer);
		return CTL_UNREACHABLE;
	}
	setvbuf(stdout, buffer, _IOFBF, OUTPUT_BUFFER_SIZE);
	enum ctl_exit result = CTL_DONE;
	if (completes)
		complete_words((const char *const *)argv + 2, (size_t)argc - 2);
	else
		result = ctl_run(&command);
	const int status = finish(result);
	secret_free(buffer);
	http_stop();
	return status;
}
