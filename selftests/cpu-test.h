/* SPDX-License-Identifier: GPL-2.0-only */
/* For the selftests that drive dmabuf-test-cpu: calls of its node. */
#ifndef _DMABUF_CPU_TEST_H
#define _DMABUF_CPU_TEST_H

#include "kinds.h"
#include "test-modules.h"

#include "modules/test-uapi-cpu.h"

#define CPU_MODULE "dmabuf_test_cpu"

/* enum dma_data_direction */
enum { BOTH_WAYS, TO_THE_DEVICE, FROM_THE_DEVICE };

/* What a driver calls, for a buffer of any exporter */

/* Return: what dmabuf_begin_cpu_access() answered. */
static inline int cpu_begin(int node, int fd, __u32 direction)
{
	struct dmabuf_test_cpu_access arg = {
		.argsz = sizeof(arg), .fd = fd, .direction = direction,
	};

	return do_ioctl(node, DMABUF_TEST_CPU_ACCESS, &arg) ?: arg.ret;
}

/* Return: what dmabuf_end_cpu_access() answered. */
static inline int cpu_end(int node, int fd, __u32 direction)
{
	struct dmabuf_test_cpu_access arg = {
		.argsz = sizeof(arg), .fd = fd, .direction = direction, .end = 1,
	};

	return do_ioctl(node, DMABUF_TEST_CPU_ACCESS, &arg) ?: arg.ret;
}

/* Return: a handle, or what dmabuf_vmap() answered; -EUCLEAN if it left an address then. */
static inline int cpu_vmap(int node, int fd)
{
	struct dmabuf_test_cpu_vmap arg = { .argsz = sizeof(arg), .fd = fd };
	int ret = do_ioctl(node, DMABUF_TEST_CPU_VMAP_FD, &arg);

	if (!ret && arg.ret && !arg.cleared)
		return -EUCLEAN;
	return ret ?: arg.ret ?: (int)arg.handle;
}

static inline int cpu_vunmap(int node, __u32 handle)
{
	struct dmabuf_test_cpu_vunmap arg = { .argsz = sizeof(arg), .handle = handle };

	return do_ioctl(node, DMABUF_TEST_CPU_VUNMAP_HANDLE, &arg);
}

static inline long long cpu_touch_by(int node, unsigned int cmd, __u32 handle, __u64 offset,
				     __u64 bytes, __u32 write, __u32 value)
{
	struct dmabuf_test_cpu_touch arg = {
		.argsz = sizeof(arg), .handle = handle, .offset = offset, .bytes = bytes,
		.write = write, .value = value,
	};
	int ret = do_ioctl(node, cmd, &arg);

	return ret ?: (long long)arg.equal;
}

/* By the kernel's address.  Return: how many bytes are @value, after writing it if @write. */
static inline long long cpu_touch(int node, __u32 handle, __u64 offset, __u64 bytes, __u32 write,
				  __u32 value)
{
	return cpu_touch_by(node, DMABUF_TEST_CPU_TOUCH, handle, offset, bytes, write, value);
}

/* From now on mmap() of the node calls dmabuf_mmap() for this buffer. */
static inline int cpu_mmap_shows(int node, int fd, __u64 pgoff)
{
	struct dmabuf_test_cpu_mmap arg = { .argsz = sizeof(arg), .fd = fd, .pgoff = pgoff };

	return do_ioctl(node, DMABUF_TEST_CPU_MMAP_FD, &arg);
}

/* Devices that are not coherent */

/* Why a test of theirs is skipped. */
#define NO_DMA_OPS "this kernel has no DMA ops of single devices"

static inline struct dmabuf_test_cpu_syncs device_syncs(int node, __u32 device)
{
	struct dmabuf_test_cpu_syncs arg = { .argsz = sizeof(arg), .device = device };

	if (do_ioctl(node, DMABUF_TEST_CPU_SYNCS, &arg))
		memset(&arg, 0xff, sizeof(arg));
	return arg;
}

/* Return: a handle, or what the core answered. */
static inline int device_map(int node, int fd, __u32 device, __u32 direction)
{
	struct dmabuf_test_cpu_map arg = {
		.argsz = sizeof(arg), .fd = fd, .device = device, .direction = direction,
	};

	return do_ioctl(node, DMABUF_TEST_CPU_MAP, &arg) ?: arg.ret ?: (int)arg.handle;
}

static inline int device_unmap(int node, __u32 handle)
{
	struct dmabuf_test_cpu_unmap arg = { .argsz = sizeof(arg), .handle = handle };

	return do_ioctl(node, DMABUF_TEST_CPU_UNMAP, &arg);
}

/* As the device sees it.  Return: as cpu_touch(). */
static inline long long device_touch(int node, __u32 handle, __u64 offset, __u64 bytes,
				     __u32 write, __u32 value)
{
	return cpu_touch_by(node, DMABUF_TEST_CPU_DEVICE, handle, offset, bytes, write, value);
}

#endif /* _DMABUF_CPU_TEST_H */
