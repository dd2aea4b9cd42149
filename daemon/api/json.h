/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * JSON as the control endpoint speaks it: bodies may carry secrets, so they are read where they lie
 * and written straight into an evbuffer, both in the memory that main.c gives to libevent and
 * jansson (base/secret.h). No text of a body ever gets into an error message.
 */
#ifndef PORTCULLIS_DAEMON_API_JSON_H
#define PORTCULLIS_DAEMON_API_JSON_H

#include <jansson.h>
#include <stddef.h>

struct evbuffer;

#define JSON_BODY_FAULT_SIZE 128

/*
 * Reads one JSON object that fills all `length` bytes. Refused: anything but an object, text after
 * it, a member twice, bad UTF-8, a lone surrogate, a NUL character, nesting beyond jansson's bound
 * of 2,048. Returns a new reference, or NULL with what is wrong in `fault` (a position, no text).
 */
json_t *json_body_read(const void *bytes, size_t length, char fault[JSON_BODY_FAULT_SIZE]);

/* Appends `value` without white space. 0, or -1 when out of memory (`out` then holds a part). */
int json_body_write(struct evbuffer *out, const json_t *value);

/* Characters (code points) in `length` bytes of valid UTF-8. */
size_t json_characters(const char *text, size_t length);

#endif
