/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/* User interface of /dev/frame-pool. */
#ifndef FRAME_POOL_H
#define FRAME_POOL_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct frame_pool_get - FRAME_POOL_GET: a new frame
 * @bytes: in: its size, 1 to 4 MiB
 * @fd: out: a buffer for any driver on dmabuf-core and, where the kernel has dma-bufs,
 *	for DRM, V4L2 and so on
 * @reserved: in: 0
 *
 * Errors: -EINVAL (no such size, or @reserved), -EFAULT, -EMFILE, -ENOMEM.
 */
struct frame_pool_get {
	__u64 bytes;
	__s32 fd;
	__u32 reserved;
};

#define FRAME_POOL_GET _IOWR('f', 0x70, struct frame_pool_get)

#endif /* FRAME_POOL_H */
