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

#endif /* _TOOLS_PICTURE_H */
