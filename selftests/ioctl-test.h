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

/*
 * Return: 0 if an argument that is longer than the driver knows, and not all zero
 * there, or over a page, is -E2BIG; else the argsz that is not.
 */
static inline __u32 argsz_that_is_not_too_big(int node, unsigned int cmd, void *arg, size_t size)
{
	const struct {
		__u32 argsz;
		unsigned char tail;
	} cases[] = {
		{ size + 1, 1 }, { size + 8, 1 }, { 2 * size, 1 }, { page_size(), 1 },
		{ page_size() + 1, 0 }, { page_size() + 8, 0 }, { 2 * page_size(), 0 },
		{ 1U << 31, 0 }, { ~0U, 0 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		if (call_sized(node, cmd, arg, size, cases[i].argsz, cases[i].tail) != -E2BIG)
			return cases[i].argsz;
	return 0;
}

/* Is an argument that is not in memory, or in part, -EFAULT? */
static inline bool argument_outside_of_memory_is_a_fault(int node, unsigned int cmd,
							 const void *arg, size_t size)
{
	size_t missing;

	if (do_ioctl(node, cmd, NULL) != -EFAULT ||
	    do_ioctl(node, cmd, (void *)-4096L) != -EFAULT ||
	    do_ioctl(node, cmd, (void *)1L) != -EFAULT)
		return false;
	for (missing = 1; missing <= size; missing++)
		if (call_at_the_edge(node, cmd, arg, size, size, missing) != -EFAULT)
			return false;
	/* The tail that must be zero cannot be read. */
	return call_at_the_edge(node, cmd, arg, size, size + 8, 4) == -EFAULT;
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
