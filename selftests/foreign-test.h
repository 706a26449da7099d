/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Dma-bufs of the kernel's own exporters, where the machine has them: udmabuf, vgem, the
 * system heap; and of the one in dmabuf-test-bridge, which is always there.
 */
#ifndef _DMABUF_FOREIGN_TEST_H
#define _DMABUF_FOREIGN_TEST_H

#include <linux/dma-heap.h>
#include <linux/udmabuf.h>

#include "bridge-test.h"

#define NO_EXPORTER "this machine has no such exporter"

enum foreign {
	FOREIGN_BRIDGE,		/* no two pages in one piece */
	FOREIGN_BRIDGE_CONTIG,
	FOREIGN_UDMABUF,
	FOREIGN_VGEM,
	FOREIGN_HEAP,
};

static inline int foreign_udmabuf(__u64 bytes)
{
	struct udmabuf_create create = { .flags = UDMABUF_FLAGS_CLOEXEC, .size = bytes };
	int node = open_node("/dev/udmabuf"), fd;

	if (node < 0)
		return node;
	create.memfd = memfd_create("dmabuf-test", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	if ((int)create.memfd < 0 || ftruncate(create.memfd, bytes) ||
	    fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK)) {
		close(node);
		return -EIO;
	}
	fd = ioctl(node, UDMABUF_CREATE, &create);
	if (fd < 0)
		fd = -errno;
	close(create.memfd);
	close(node);
	return fd;
}

static inline int foreign_heap(__u64 bytes)
{
	struct dma_heap_allocation_data data = { .len = bytes, .fd_flags = O_RDWR | O_CLOEXEC };
	int node = open_node("/dev/dma_heap/system"), ret;

	if (node < 0)
		return node;
	ret = do_ioctl(node, DMA_HEAP_IOCTL_ALLOC, &data);
	close(node);
	return ret ?: (int)data.fd;
}

/* The part of DRM's interface that this needs; not every machine has its headers. */

struct foreign_drm_version {
	int version[3];
	size_t name_len;
	char *name;
	size_t date_len;
	char *date;
	size_t desc_len;
	char *desc;
};

struct foreign_drm_dumb {
	__u32 height;
	__u32 width;
	__u32 bpp;
	__u32 flags;
	__u32 handle;
	__u32 pitch;
	__u64 size;
};

struct foreign_drm_prime {
	__u32 handle;
	__u32 flags;
	__s32 fd;
};

#define FOREIGN_DRM_VERSION _IOWR('d', 0x00, struct foreign_drm_version)
#define FOREIGN_DRM_PRIME_HANDLE_TO_FD _IOWR('d', 0x2d, struct foreign_drm_prime)
#define FOREIGN_DRM_CREATE_DUMB _IOWR('d', 0xb2, struct foreign_drm_dumb)

/* Return: the node of the device that vgem drives. */
static inline int foreign_vgem_open(void)
{
	char path[32], name[32];
	int i, node;

	for (i = 0; i < 16; i++) {
		struct foreign_drm_version version = {
			.name_len = sizeof(name) - 1, .name = name,
		};

		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		node = open_node(path);
		if (node < 0)
			continue;
		memset(name, 0, sizeof(name));
		if (!do_ioctl(node, FOREIGN_DRM_VERSION, &version) && !strcmp(name, "vgem"))
			return node;
		close(node);
	}
	return -ENOENT;
}

static inline int foreign_vgem(__u64 bytes)
{
	struct foreign_drm_dumb dumb = {
		.height = 1, .width = bytes / 4, .bpp = 32,
	};
	struct foreign_drm_prime prime = { .flags = O_RDWR | O_CLOEXEC };
	int node = foreign_vgem_open(), ret;

	if (node < 0)
		return node;
	ret = do_ioctl(node, FOREIGN_DRM_CREATE_DUMB, &dumb);
	if (!ret) {
		prime.handle = dumb.handle;
		ret = do_ioctl(node, FOREIGN_DRM_PRIME_HANDLE_TO_FD, &prime);
	}
	close(node);
	return ret ?: prime.fd;
}

/* Return: the fd of a dma-buf of @bytes, in whole pages, or -ENOENT: no such exporter. */
static inline int foreign_export(int node, enum foreign foreign, __u64 bytes)
{
	switch (foreign) {
	case FOREIGN_UDMABUF:
		return foreign_udmabuf(bytes);
	case FOREIGN_VGEM:
		return foreign_vgem(bytes);
	case FOREIGN_HEAP:
		return foreign_heap(bytes);
	case FOREIGN_BRIDGE_CONTIG:
		return bridge_export(node, bytes, DMABUF_TEST_BRIDGE_CONTIG, NULL);
	default:
		return bridge_export(node, bytes, 0, NULL);
	}
}

#endif /* _DMABUF_FOREIGN_TEST_H */
