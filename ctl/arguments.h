/* SPDX-License-Identifier: BSD-2-Clause */
/* From the words of a command line to the members of a request. */
#ifndef PORTCULLIS_CTL_ARGUMENTS_H
#define PORTCULLIS_CTL_ARGUMENTS_H

#include "ctl/ctl.h"

#include <jansson.h>

/* Adds what is no name. CTL_DONE, or CTL_USAGE after one line on stderr. */
enum ctl_exit argument_add(enum ctl_argument kind, const char *text, json_t *request);
/* Adds the options that are members of a request, those that were given. Likewise. */
enum ctl_exit argument_add_options(const struct ctl_command *command, json_t *request);

#endif
