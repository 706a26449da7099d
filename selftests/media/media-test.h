/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the selftests with DRM and V4L2 share: the CPU's access to a buffer by its
 * fd, and a picture that nothing shows by chance.
 */
#ifndef _DMABUF_MEDIA_TEST_H
#define _DMABUF_MEDIA_TEST_H

#include "placement-test.h"

#include <linux/dma-buf.h>

#define PARAMETERS_CORE "/sys/module/dmabuf_core/parameters/"

/* Why a test is skipped. */
#define NO_DRIVER "this machine has no such device"
#define NO_CONTIGUOUS "this machine has no contiguous memory of that size"

/* A picture: XRGB8888, the size that every display of the tests has. */
#define WIDTH 640
#define HEIGHT 480
#define PITCH (WIDTH * 4)
#define PICTURE_BYTES ((size_t)PITCH * HEIGHT)

/* Reads or sets a parameter of the core. */
static inline int core_parameter_set(const char *name, const char *value)
{
	char path[128], line[512];

	snprintf(path, sizeof(path), PARAMETERS_CORE "%s", name);
	/* Writing nothing at all would change nothing. */
	snprintf(line, sizeof(line), "%s\n", value);
	return file_write(path, line);
}

static inline int core_parameter_get(const char *name, char *value, size_t bytes)
{
	char path[128];
	int ret;

	snprintf(path, sizeof(path), PARAMETERS_CORE "%s", name);
	ret = file_read(path, value, bytes);
	if (ret < 0)
		return ret;
	value[strcspn(value, "\n")] = 0;
	return 0;
}

/* Access by the fd itself, as any dma-buf has it */

static inline int fd_sync(int fd, __u64 flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	return do_ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync);
}

/* Writes into the buffer, between SYNC START and END. */
static inline int fd_write(int fd, size_t offset, const void *from, size_t bytes)
{
	size_t whole = page_align(offset + bytes);
	unsigned char *memory;
	int ret;

	memory = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	ret = fd_sync(fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE);
	if (!ret) {
		memcpy(memory + offset, from, bytes);
		ret = fd_sync(fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE);
	}
	munmap(memory, whole);
	return ret;
}

/* Reads from the buffer, between SYNC START and END. */
static inline int fd_read(int fd, size_t offset, void *to, size_t bytes)
{
	size_t whole = page_align(offset + bytes);
	unsigned char *memory;
	int ret;

	memory = mmap(NULL, whole, PROT_READ, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	ret = fd_sync(fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ);
	if (!ret) {
		memcpy(to, memory + offset, bytes);
		ret = fd_sync(fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ);
	}
	munmap(memory, whole);
	return ret;
}

/* Are these the bytes of the buffer from its start on? */
static inline bool fd_has(int fd, const void *expected, size_t bytes)
{
	void *back = malloc(bytes);
	bool same;

	same = back && !fd_read(fd, 0, back, bytes) && !memcmp(back, expected, bytes);
	free(back);
	return same;
}

/* Devices of our importer */

/* Attaches the engine without limits, and maps. Return: 0. */
static inline int user_map(int importer, int fd, __u32 engine, __u32 direction, struct user *user)
{
	long long ret = attach(importer, fd, engine);

	*user = (struct user) {};
	if (ret < 0)
		return ret;
	user->attachment = ret;
	ret = map_segments(importer, user->attachment, direction, &user->segments);
	if (ret < 0)
		return ret;
	user->mapping = ret;
	return 0;
}

static inline int user_unmap(int importer, struct user *user)
{
	return unmap(importer, user->mapping) ?: detach(importer, user->attachment);
}

/* Outstanding mappings and vmaps of a buffer, as its exporter knows them. */
static inline int mappings_of(int exporter, int fd)
{
	struct dmabuf_exporter_placement placement;
	int ret = placement_query(exporter, fd, &placement);

	return ret ?: (int)(placement.readers + placement.writers);
}

static inline int attachments_of(int exporter, int fd)
{
	struct dmabuf_exporter_query query;
	int ret = buffer_query(exporter, fd, &query);

	return ret ?: (int)query.attachments;
}

/* Waits until debugfs lists so many buffers; false if it never does. */
static inline bool buffers_come_to(long long listed)
{
	__u64 deadline = now_ms() + SOON_MS;

	while (buffers_listed() != listed) {
		if (now_ms() > deadline)
			return false;
		sleep_ms(5);
	}
	return true;
}

/* Pixels */

static inline __u32 picture_pixel(__u32 seed, unsigned int x, unsigned int y)
{
	__u32 red = x * 255 / (WIDTH - 1), green = y * 255 / (HEIGHT - 1);
	__u32 blue = (x * 7 + y * 13 + seed * 101) & 0xff;

	/* Each seed another picture, no two neighbours alike. */
	return (red << 16 | green << 8 | blue) ^ (seed * 0x332211 & 0xffffff);
}

static inline void picture_draw(__u32 *pixels, __u32 seed)
{
	unsigned int x, y;

	for (y = 0; y < HEIGHT; y++)
		for (x = 0; x < WIDTH; x++)
			pixels[y * WIDTH + x] = picture_pixel(seed, x, y);
}

/* Return: a picture, to be freed, or NULL. */
static inline __u32 *picture_new(__u32 seed)
{
	__u32 *pixels = malloc(PICTURE_BYTES);

	if (pixels)
		picture_draw(pixels, seed);
	return pixels;
}

#endif /* _DMABUF_MEDIA_TEST_H */
