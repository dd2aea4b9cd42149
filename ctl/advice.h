/* SPDX-License-Identifier: BSD-2-Clause */
/* What to do next, after each error that the daemon can answer. */
#ifndef PORTCULLIS_CTL_ADVICE_H
#define PORTCULLIS_CTL_ADVICE_H

#include "ctl/ctl.h"

#include <jansson.h>

/* The daemon's message with its names for the error, and on a line of its own what to do next; on stderr. */
void advice_refusal(const struct ctl_command *command, const json_t *reply);

#endif
