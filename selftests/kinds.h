/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The two kinds of files that a buffer can have, whichever is the one that the core
 * makes by itself: a dma-buf of the kernel's, and a native one.
 */
#ifndef _DMABUF_KINDS_H
#define _DMABUF_KINDS_H

#include "dmabuf-test.h"

#include <linux/dma-buf.h>

#define NATIVE_FILES "/sys/module/dmabuf_core/parameters/native_files"

/* Why a variant is skipped: see NO_ENGINE. */
#define NO_KERNEL_FILES "this kernel has no dma-buf"

/* Return: whether native_files was set before, or -errno. */
static inline int native_files_set(bool native)
{
	char before[8];
	int ret = file_read(NATIVE_FILES, before, sizeof(before));

	if (ret < 0)
		return ret;
	return file_write(NATIVE_FILES, native ? "1" : "0") ?: *before == 'Y';
}

/* Is the fd one of the kernel's dma-bufs? */
static inline bool file_is_kernel(int exporter, int fd)
{
	struct dmabuf_exporter_query query;

	return !buffer_query(exporter, fd, &query) && query.flags & DMABUF_EXPORTER_QUERY_KERNEL;
}

/*
 * Return: the fd of a new buffer with a file of this kind, or -EOPNOTSUPP if the kernel
 * has none such.
 */
static inline int buffer_export_kind(int exporter, bool native, __u64 bytes, __u32 flags,
				     __u32 fd_flags)
{
	int before, fd;

	if (native)
		return buffer_export_flags(exporter, bytes, DMABUF_EXPORTER_AUTO,
					   flags | DMABUF_EXPORTER_NATIVE, fd_flags);
	before = native_files_set(false);
	if (before < 0)
		return before;
	fd = buffer_export_flags(exporter, bytes, DMABUF_EXPORTER_AUTO, flags, fd_flags);
	native_files_set(before);
	if (fd >= 0 && !file_is_kernel(exporter, fd)) {
		close(fd);
		return -EOPNOTSUPP;
	}
	return fd;
}

/* Calls of the kernel's ioctls for dma-bufs */

static inline int buffer_sync(int fd, __u64 flags)
{
	struct dma_buf_sync arg = { .flags = flags };

	return do_ioctl(fd, DMA_BUF_IOCTL_SYNC, &arg);
}

static inline int buffer_set_name(int fd, const char *name)
{
	return do_ioctl(fd, DMA_BUF_SET_NAME_B, (void *)name);
}

/* Return: what stands behind @key in fdinfo, or NULL; valid until the next call. */
static inline const char *fdinfo_value(int fd, const char *key)
{
	static char text[4096];
	char path[64], *line, *end;
	size_t length = strlen(key);

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	if (file_read(path, text, sizeof(text)) < 0)
		return NULL;
	for (line = text; *line; line = end + 1) {
		end = strchr(line, '\n');
		if (!end)
			return NULL;
		if (!strncmp(line, key, length) && !strncmp(line + length, ":\t", 2)) {
			*end = 0;
			return line + length + 2;
		}
	}
	return NULL;
}

/* Does fdinfo have @key with @value, or not at all if that is NULL? */
static inline bool fdinfo_has(int fd, const char *key, const char *value)
{
	const char *shown = fdinfo_value(fd, key);

	return value ? shown && !strcmp(shown, value) : !shown;
}

#endif /* _DMABUF_KINDS_H */
