/* SPDX-License-Identifier: BSD-2-Clause */
/* Which of some names somebody may have meant who wrote another one. */
#ifndef PORTCULLIS_CTL_NEAREST_H
#define PORTCULLIS_CTL_NEAREST_H

#include <stddef.h>

/* Zero but for `word`, all borrowed. */
struct nearest {
	const char *word;
	const char *best; /* so far; NULL: none */
	size_t distance;  /* of it */
	size_t equals;    /* others that are as near */
};

/* Insertions, deletions, replacements and swaps of neighbours from one word to the other; case is nothing. */
size_t nearest_distance(const char *one, const char *other);
/* One of the names there are. */
void nearest_offer(struct nearest *nearest, const char *name);
/* The one that was meant; NULL when none is near enough, or several are. */
const char *nearest_found(const struct nearest *nearest);

#endif
