/* SPDX-License-Identifier: BSD-2-Clause */
/* Edit distance, and what people leave out of long names: all but their end. */
#include "ctl/nearest.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define WORD_MAX 255
#define FAR      ((size_t)WORD_MAX + 1)

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static int lower(const char *text, size_t index)
{
	return tolower((unsigned char)text[index]);
}

size_t nearest_distance(const char *one, const char *other)
{
	size_t width = strlen(other), length = strlen(one);
	size_t rows[3][WORD_MAX + 1]; /* the last two, and the one that grows */

	if (width > WORD_MAX || length > WORD_MAX)
		return FAR;
	for (size_t j = 0; j <= width; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= length; i++) {
		size_t *row = rows[i % 3];
		const size_t *above = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];
		row[0] = i;
		for (size_t j = 1; j <= width; j++) {
			const size_t differ = lower(one, i - 1) != lower(other, j - 1);
			row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + differ);
			if (i > 1 && j > 1 && lower(one, i - 1) == lower(other, j - 2) &&
				lower(one, i - 2) == lower(other, j - 1))
				row[j] = least(row[j], before[j - 2] + 1);
		}
	}
	return rows[length % 3][width];
}

/* "myvolume" of "iqn.1997-05.com.amazon:myvolume". */
static int is_end_of(const char *word, const char *name)
{
	size_t length = strlen(word), whole = strlen(name);

	return length >= 2 && length < whole && strcasecmp(name + whole - length, word) == 0;
}

void nearest_offer(struct nearest *nearest, const char *name)
{
	size_t distance = is_end_of(nearest->word, name) ? 1
							 : nearest_distance(nearest->word, name);

	if (!nearest->best || distance < nearest->distance) {
		nearest->best = name;
		nearest->distance = distance;
		nearest->equals = 0;
	} else if (distance == nearest->distance) {
		nearest->equals++;
	}
}

const char *nearest_found(const struct nearest *nearest)
{
	const size_t length = strlen(nearest->word);
	/* One slip in four letters, and not all of a short word. */
	const size_t slips = length / 4 > 3 ? 3 : length / 4 + (length >= 2);

	if (!nearest->best || nearest->equals || nearest->distance > slips)
		return NULL;
	return nearest->best;
}
