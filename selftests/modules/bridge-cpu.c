// SPDX-License-Identifier: GPL-2.0-only
/* The CPU's access to a dma-buf: vmap, begin and end, bytes in and out. */
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "../../dmabuf-core/compat.h"
#include "bridge.h"

/* Most bytes that READ and WRITE move. */
#define BRIDGE_BYTES_MAX SZ_16M

/**
 * struct bridge_vmap - an address of a dma-buf
 * @dmabuf: with a reference
 * @map: the address
 */
struct bridge_vmap {
	struct dma_buf *dmabuf;
	struct iosys_map map;
};

static int bridge_vmap(struct bridge_vmap *vmap, int fd, bool locked)
{
	int ret;

	vmap->dmabuf = dma_buf_get(fd);
	if (IS_ERR(vmap->dmabuf))
		return PTR_ERR(vmap->dmabuf);
	if (locked) {
		dma_resv_lock(vmap->dmabuf->resv, NULL);
		ret = dma_buf_vmap(vmap->dmabuf, &vmap->map);
		dma_resv_unlock(vmap->dmabuf->resv);
	} else {
		ret = dma_buf_vmap_unlocked(vmap->dmabuf, &vmap->map);
	}
	if (ret)
		dma_buf_put(vmap->dmabuf);
	return ret;
}

static void bridge_vunmap(struct bridge_vmap *vmap, bool locked)
{
	if (locked) {
		dma_resv_lock(vmap->dmabuf->resv, NULL);
		dma_buf_vunmap(vmap->dmabuf, &vmap->map);
		dma_resv_unlock(vmap->dmabuf->resv);
	} else {
		dma_buf_vunmap_unlocked(vmap->dmabuf, &vmap->map);
	}
	dma_buf_put(vmap->dmabuf);
	kfree(vmap);
}

int bridge_ucmd_vmap(struct dmabuf_ucmd *ucmd)
{
	struct bridge_file *bridge = ucmd->file->private_data;
	struct dmabuf_test_bridge_vmap *arg = ucmd->arg;
	bool locked = arg->flags & DMABUF_TEST_BRIDGE_LOCKED;
	struct bridge_vmap *vmap;
	int ret;

	if (arg->flags & ~DMABUF_TEST_BRIDGE_LOCKED || arg->reserved)
		return -EINVAL;
	vmap = kzalloc(sizeof(*vmap), GFP_KERNEL);
	if (!vmap)
		return -ENOMEM;
	arg->ret = bridge_vmap(vmap, arg->fd, locked);
	if (arg->ret) {
		kfree(vmap);
		return dmabuf_ucmd_respond(ucmd);
	}
	ret = xa_alloc(&bridge->vmaps, &arg->vmap, vmap, xa_limit_31b, GFP_KERNEL);
	if (ret) {
		bridge_vunmap(vmap, locked);
		return ret;
	}
	return dmabuf_ucmd_respond(ucmd);
}

int bridge_ucmd_vunmap(struct dmabuf_ucmd *ucmd)
{
	struct bridge_file *bridge = ucmd->file->private_data;
	struct dmabuf_test_bridge_handle *arg = ucmd->arg;
	struct bridge_vmap *vmap;

	if (arg->flags & ~DMABUF_TEST_BRIDGE_LOCKED || arg->reserved)
		return -EINVAL;
	vmap = xa_erase(&bridge->vmaps, arg->handle);
	if (!vmap)
		return -ENOENT;
	bridge_vunmap(vmap, arg->flags & DMABUF_TEST_BRIDGE_LOCKED);
	return 0;
}

static int bridge_vmap_copy(struct bridge_file *bridge, u32 handle, u64 offset, void *bytes,
			    u64 n, bool write)
{
	struct bridge_vmap *vmap = xa_load(&bridge->vmaps, handle);

	if (!vmap)
		return -ENOENT;
	if (offset > vmap->dmabuf->size || n > vmap->dmabuf->size - offset)
		return -EINVAL;
	if (write)
		iosys_map_memcpy_to(&vmap->map, offset, bytes, n);
	else
		iosys_map_memcpy_from(bytes, &vmap->map, offset, n);
	return 0;
}

static int bridge_copy(struct dmabuf_ucmd *ucmd, bool write)
{
	struct bridge_file *bridge = ucmd->file->private_data;
	struct dmabuf_test_bridge_bytes *arg = ucmd->arg;
	void __user *user = u64_to_user_ptr(arg->user);
	void *bytes;
	int ret = 0;

	if (!arg->bytes || arg->bytes > BRIDGE_BYTES_MAX || arg->reserved ||
	    !arg->mapping == !arg->vmap)
		return -EINVAL;
	bytes = kvmalloc(arg->bytes, GFP_KERNEL);
	if (!bytes)
		return -ENOMEM;
	if (write && copy_from_user(bytes, user, arg->bytes))
		ret = -EFAULT;
	if (!ret && arg->mapping)
		ret = bridge_mapping_copy(bridge, arg->mapping, arg->offset, bytes, arg->bytes,
					  write);
	else if (!ret)
		ret = bridge_vmap_copy(bridge, arg->vmap, arg->offset, bytes, arg->bytes, write);
	if (!ret && !write && copy_to_user(user, bytes, arg->bytes))
		ret = -EFAULT;
	kvfree(bytes);
	return ret;
}

int bridge_ucmd_read(struct dmabuf_ucmd *ucmd)
{
	return bridge_copy(ucmd, false);
}

int bridge_ucmd_write(struct dmabuf_ucmd *ucmd)
{
	return bridge_copy(ucmd, true);
}

int bridge_ucmd_begin(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_test_bridge_access *arg = ucmd->arg;
	struct dma_buf *dmabuf = dma_buf_get(arg->fd);

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	arg->ret = dma_buf_begin_cpu_access(dmabuf, arg->direction);
	dma_buf_put(dmabuf);
	return dmabuf_ucmd_respond(ucmd);
}

int bridge_ucmd_end(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_test_bridge_access *arg = ucmd->arg;
	struct dma_buf *dmabuf = dma_buf_get(arg->fd);

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	arg->ret = dma_buf_end_cpu_access(dmabuf, arg->direction);
	dma_buf_put(dmabuf);
	return dmabuf_ucmd_respond(ucmd);
}

void bridge_cpu_close(struct bridge_file *bridge)
{
	struct bridge_vmap *vmap;
	unsigned long i;

	xa_for_each(&bridge->vmaps, i, vmap)
		bridge_vunmap(vmap, true);
	xa_destroy(&bridge->vmaps);
}
