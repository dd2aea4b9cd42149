/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading and writing the bodies of the control endpoint (RFC 8259) with jansson. */
#include "daemon/api/json.h"

#include "base/secret.h"

#include <event2/buffer.h>
#include <stdio.h>

json_t *json_body_read(const void *bytes, size_t length, char fault[JSON_BODY_FAULT_SIZE])
{
	json_error_t error;
	json_t *value = json_loadb(length ? bytes : "", length, JSON_REJECT_DUPLICATES, &error);
	if (!value) {
		/* error.text quotes the body near the fault, which may be a secret. */
		secret_wipe(error.text, sizeof error.text);
		snprintf(fault, JSON_BODY_FAULT_SIZE, "The body is not valid JSON near byte %d",
			error.position);
		return NULL;
	}
	if (!json_is_object(value)) {
		snprintf(fault, JSON_BODY_FAULT_SIZE, "The body is not a JSON object");
		json_decref(value);
		return NULL;
	}
	return value;
}

static int append(const char *text, size_t length, void *out)
{
	return evbuffer_add(out, text, length);
}

int json_body_write(struct evbuffer *out, const json_t *value)
{
	return json_dump_callback(value, append, out, JSON_COMPACT);
}

size_t json_characters(const char *text, size_t length)
{
	size_t count = 0;
	for (size_t i = 0; i < length; i++)
		count += ((unsigned char)text[i] & 0xc0) != 0x80;
	return count;
}
