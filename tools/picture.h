/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The bytes that dmabuf-demo sends through a buffer, and how it compares them.
 */
#ifndef _TOOLS_PICTURE_H
#define _TOOLS_PICTURE_H

#include <stddef.h>
#include <stdint.h>

/* Eight bytes, little endian, again and again. */
void picture_fill(unsigned char *to, size_t bytes, uint64_t pattern);

/* Bytes that look random; the same ones for the same seed, on every machine. */
void picture_noise(unsigned char *to, size_t bytes, uint32_t seed);

/* CRC-32 (IEEE), as zlib's crc32(). */
uint32_t picture_crc32(const unsigned char *from, size_t bytes);

/* Index of the first byte that differs; bytes when none does. */
size_t picture_differs(const unsigned char *a, const unsigned char *b, size_t bytes);

/*
 * A house in lines of text, each with a newline, and in it, from byte PICTURE_PLATE
 * on, a name plate of PICTURE_PLATE_BYTES characters.
 */
#define PICTURE_HOUSE_LINES 4
#define PICTURE_HOUSE_COLUMNS 12
#define PICTURE_PLATE (2 * (PICTURE_HOUSE_COLUMNS + 1) + 3)
#define PICTURE_PLATE_BYTES 6
void picture_house(unsigned char *to, const char *plate);

#endif /* _TOOLS_PICTURE_H */
