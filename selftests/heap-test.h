/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests of heaps share: nodes under /dev/dma_heap, and their ioctl. */
#ifndef _DMABUF_HEAP_TEST_H
#define _DMABUF_HEAP_TEST_H

#include "dmabuf-test.h"

#include <linux/dma-heap.h>

#define HEAPS "/dev/dma_heap"
#define NAME_PARAMETER PARAMETERS "heap_name"
#define GOOD_FLAGS (O_RDWR | O_CLOEXEC)

/* Return: 0, or -errno; the name of our node, which the module has from its parameter. */
static inline int own_name(char *name, size_t bytes)
{
	int ret = file_read(NAME_PARAMETER, name, bytes);

	if (ret < 0)
		return ret;
	name[strcspn(name, "\n")] = 0;
	return 0;
}

/* Return: an open heap, ours or any other, or -ENOENT. */
static inline int heap_open_flags(bool ours, int flags)
{
	char own[NAME_MAX + 2], path[PATH_MAX];
	struct dirent *entry;
	int fd = -ENOENT, ret;
	DIR *dir;

	ret = own_name(own, sizeof(own));
	if (ret)
		return ret;
	dir = opendir(HEAPS);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || !strcmp(entry->d_name, own) != ours)
			continue;
		snprintf(path, sizeof(path), HEAPS "/%s", entry->d_name);
		fd = open(path, flags | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
		break;
	}
	closedir(dir);
	return fd;
}

static inline int heap_open(void)
{
	return heap_open_flags(true, O_RDWR);
}

static inline int alloc(int heap, struct dma_heap_allocation_data *arg)
{
	return do_ioctl(heap, DMA_HEAP_IOCTL_ALLOC, arg);
}

/* Return: the fd of a new buffer. */
static inline int heap_alloc_flags(int heap, __u64 len, __u32 fd_flags, __u64 heap_flags)
{
	struct dma_heap_allocation_data arg = {
		.len = len, .fd_flags = fd_flags, .heap_flags = heap_flags,
	};
	int ret = alloc(heap, &arg);

	return ret ?: (int)arg.fd;
}

static inline int heap_alloc(int heap, __u64 len)
{
	return heap_alloc_flags(heap, len, GOOD_FLAGS, 0);
}

static inline void *fd_mmap(int fd, size_t bytes)
{
	return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

#endif /* _DMABUF_HEAP_TEST_H */
