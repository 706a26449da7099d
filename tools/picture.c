// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bytes that dmabuf-demo sends through a buffer, and how it compares them.
 */
#include "picture.h"

#include <string.h>

void picture_fill(unsigned char *to, size_t bytes, uint64_t pattern)
{
	size_t i;

	for (i = 0; i < bytes; i++)
		to[i] = pattern >> (i % 8 * 8);
}

void picture_noise(unsigned char *to, size_t bytes, uint32_t seed)
{
	uint32_t x = seed * 2654435761u | 1;
	size_t i;

	for (i = 0; i < bytes; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		to[i] = x >> 24;
	}
}

uint32_t picture_crc32(const unsigned char *from, size_t bytes)
{
	uint32_t crc = ~0u;
	size_t i;
	int bit;

	for (i = 0; i < bytes; i++) {
		crc ^= from[i];
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

size_t picture_differs(const unsigned char *a, const unsigned char *b, size_t bytes)
{
	size_t i;

	for (i = 0; i < bytes && a[i] == b[i]; i++)
		;
	return i;
}

void picture_house(unsigned char *to, const char *plate)
{
	static const char house[PICTURE_HOUSE_LINES][PICTURE_HOUSE_COLUMNS + 1] = {
		"    _/\\_    ",
		"  _/    \\_  ",
		" |        | ",
		" |___[]___| ",
	};
	int i;

	for (i = 0; i < PICTURE_HOUSE_LINES; i++) {
		memcpy(to + i * (PICTURE_HOUSE_COLUMNS + 1), house[i], PICTURE_HOUSE_COLUMNS);
		to[i * (PICTURE_HOUSE_COLUMNS + 1) + PICTURE_HOUSE_COLUMNS] = '\n';
	}
	memcpy(to + PICTURE_PLATE, plate, PICTURE_PLATE_BYTES);
}
