/* SPDX-License-Identifier: GPL-2.0-only */
/* What uapi-exporter and uapi-importer share: arguments of a wrong size or place. */
#ifndef _DMABUF_IOCTL_TEST_H
#define _DMABUF_IOCTL_TEST_H

#include "dmabuf-test.h"

/* Room for an argument of any size up to a page, and what lies behind it. */
#define ARGUMENT_ROOM (4 * 65536)

/*
 * Calls with an argument of @argsz bytes as it says of itself: the @size bytes
 * of @arg, then zeroes up to the last byte, which is @tail.  The answer comes
 * back to @arg.
 */
static inline int call_sized(int node, unsigned int cmd, void *arg, size_t size, __u32 argsz,
			     unsigned char tail)
{
	static unsigned char room[ARGUMENT_ROOM] __attribute__((aligned(8)));
	int ret;

	memset(room, 0, sizeof(room));
	memcpy(room, arg, size);
	memcpy(room, &argsz, sizeof(argsz));
	if (argsz > size && argsz <= sizeof(room))
		room[argsz - 1] = tail;
	ret = do_ioctl(node, cmd, room);
	if (argsz >= size)
		memcpy(arg, room, size);
	return ret;
}

/* Calls with the last @missing bytes of the argument outside of all memory. */
static inline int call_at_the_edge(int node, unsigned int cmd, const void *arg, size_t size,
				   __u32 argsz, size_t missing)
{
	size_t page = page_size();
	unsigned char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *at;
	int ret;

	if (pages == MAP_FAILED || munmap(pages + page, page))
		return -ENOMEM;
	at = pages + page - (argsz - missing);
	memcpy(at, arg, size < argsz - missing ? size : argsz - missing);
	if (argsz - missing >= sizeof(argsz))
		memcpy(at, &argsz, sizeof(argsz));
	ret = do_ioctl(node, cmd, at);
	munmap(pages, page);
	return ret;
}

/* Return: 0 if every ioctl that the driver does not know is -ENOTTY, else the ioctl. */
static inline unsigned int unknown_ioctl_that_is_known(int node, unsigned int type,
						       unsigned int known, void *arg)
{
	unsigned int nr, cmd;

	for (nr = 0; nr < 256; nr++) {
		if (nr >= known && do_ioctl(node, _IO(type, nr), arg) != -ENOTTY)
			return _IO(type, nr);
		/* The size is in the argument, not in the number. */
		cmd = _IOWR(type, nr, __u64);
		if (do_ioctl(node, cmd, arg) != -ENOTTY)
			return cmd;
		cmd = _IO(type ^ 1, nr);
		/* Some numbers are the kernel's own, for every file. */
		if (do_ioctl(node, cmd, arg) != -ENOTTY)
			return cmd;
	}
	return 0;
}

#endif /* _DMABUF_IOCTL_TEST_H */
