/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `portcullisctl complete WORD...`: what the last word could become, for the shells' completion
 * (contrib/completion). So the shells know nothing themselves that could grow old.
 */
#ifndef PORTCULLIS_CTL_COMPLETE_H
#define PORTCULLIS_CTL_COMPLETE_H

#include <stddef.h>

#define COMPLETE_WORD "complete"

/*
 * Prints a line for each candidate: the word, a tab, what it is. ":files" instead means that a file's name is
 * expected. `words` are those after the program's name; the last one is as far as it has been typed. Without a daemon
 * that answers there are no names of targets and their like, and no complaint.
 */
void complete_words(const char *const *words, size_t count);

#endif
