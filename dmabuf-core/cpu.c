// SPDX-License-Identifier: GPL-2.0-only
/*
 * A CPU's access to a buffer, beside that of devices: begin and end, mmap, vmap.
 *
 * Whether there is any is for the exporter to say: all of its ops are optional.
 */
#include <linux/dma-buf.h>
#include <linux/dma-direction.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>

#include "internal.h"

static int dmabuf_cpu_check(const struct dmabuf *dmabuf, enum dma_data_direction direction,
			    const void *call, unsigned long ip)
{
	might_sleep();
	if (!IS_ERR_OR_NULL(dmabuf) && valid_dma_direction(direction))
		return 0;
	dmabuf_refuse(call, ip, "no %s", IS_ERR_OR_NULL(dmabuf) ? "buffer" : "such direction");
	return -EINVAL;
}

/**
 * dmabuf_begin_cpu_access - let a CPU see what devices have written
 * @dmabuf: the buffer, with a reference of the caller's
 * @direction: DMA_FROM_DEVICE: it will read; DMA_TO_DEVICE: write; or
 *	DMA_BIDIRECTIONAL
 *
 * For an access through mmap or vmap while devices have the buffer mapped; one that
 * comes after their unmap and before their map needs none.  Calls the exporter's op, if
 * there is one, and waits for the fences of the kernel's importers.  The inverse is
 * dmabuf_end_cpu_access(), with the same @direction.
 *
 * Context: process context; may sleep.
 * Return: 0, or
 * * -EINVAL: an argument is missing or wrong; logged with the caller
 * * -EINTR, -ERESTARTSYS: a signal came
 * * what the exporter's op returned
 */
int dmabuf_begin_cpu_access(struct dmabuf *dmabuf, enum dma_data_direction direction)
{
	int ret = dmabuf_cpu_check(dmabuf, direction, dmabuf_begin_cpu_access, _RET_IP_);

	if (ret)
		return ret;
	if (dmabuf_kernel(dmabuf))
		return dma_buf_begin_cpu_access(dmabuf_kernel(dmabuf), direction);
	return dmabuf->ops->begin_cpu_access ? dmabuf->ops->begin_cpu_access(dmabuf, direction) : 0;
}
EXPORT_SYMBOL_NS_GPL(dmabuf_begin_cpu_access, DMABUF_NS);

/**
 * dmabuf_end_cpu_access - let devices see what a CPU has written
 * @dmabuf: the buffer
 * @direction: as of dmabuf_begin_cpu_access()
 *
 * Context: process context; may sleep.
 * Return: 0, -EINVAL as dmabuf_begin_cpu_access(), or what the exporter's op returned.
 */
int dmabuf_end_cpu_access(struct dmabuf *dmabuf, enum dma_data_direction direction)
{
	int ret = dmabuf_cpu_check(dmabuf, direction, dmabuf_end_cpu_access, _RET_IP_);

	if (ret)
		return ret;
	if (dmabuf_kernel(dmabuf))
		return dma_buf_end_cpu_access(dmabuf_kernel(dmabuf), direction);
	return dmabuf->ops->end_cpu_access ? dmabuf->ops->end_cpu_access(dmabuf, direction) : 0;
}
EXPORT_SYMBOL_NS_GPL(dmabuf_end_cpu_access, DMABUF_NS);

static int dmabuf_mmap_check(const struct dmabuf *dmabuf, struct vm_area_struct *vma,
			     unsigned long pgoff)
{
	unsigned long nr_pages = dmabuf_file_size(dmabuf) >> PAGE_SHIFT;

	/* VM_SHARED is not set for a MAP_SHARED of a file that is open read-only. */
	if (!dmabuf->ops->mmap || !(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (pgoff + vma_pages(vma) < pgoff)
		return -EOVERFLOW;
	return pgoff + vma_pages(vma) > nr_pages ? -EINVAL : 0;
}

/* For mmap of the fd. */
int dmabuf_mmap_file(struct dmabuf *dmabuf, struct vm_area_struct *vma)
{
	return dmabuf_mmap_check(dmabuf, vma, vma->vm_pgoff) ?: dmabuf->ops->mmap(dmabuf, vma);
}

/**
 * dmabuf_mmap - let user space map a buffer by the file of a driver
 * @dmabuf: the buffer, with a reference of the caller's
 * @vma: of the driver's mmap op; becomes one of the buffer's file
 * @pgoff: page of the buffer at which it starts
 *
 * Context: process context; mmap_lock is held for writing.
 * Return: 0, or
 * * -EINVAL: the exporter has no mmap op, MAP_PRIVATE, or beyond the buffer
 * * -EOVERFLOW: @pgoff is so large that the end overflows
 * * what the exporter's op returned
 */
int dmabuf_mmap(struct dmabuf *dmabuf, struct vm_area_struct *vma, unsigned long pgoff)
{
	struct file *file;
	int ret;

	if (IS_ERR_OR_NULL(dmabuf) || !vma) {
		dmabuf_refuse(dmabuf_mmap, _RET_IP_, "no %s", vma ? "buffer" : "VMA");
		return -EINVAL;
	}
	if (dmabuf_kernel(dmabuf))
		return dma_buf_mmap(dmabuf_kernel(dmabuf), vma, pgoff);
	ret = dmabuf_mmap_check(dmabuf, vma, pgoff);
	if (ret)
		return ret;
	file = get_file(vma->vm_file);
	vma_set_file(vma, dmabuf->file);
	vma->vm_pgoff = pgoff;
	ret = dmabuf->ops->mmap(dmabuf, vma);
	/* Before 5.11 whoever undoes the VMA puts the file that he gave it. */
	if (ret)
		vma_set_file(vma, file);
	fput(file);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(dmabuf_mmap, DMABUF_NS);

/* For dmabuf_vmap(), and the kernel's importers.  An error leaves no address. */
int dmabuf_vmap_for(struct dmabuf *dmabuf, struct iosys_map *map, bool kernel)
{
	int ret = -EINVAL;

	if (dmabuf->placement)
		ret = dmabuf_placement_vmap(dmabuf, map, kernel);
	else if (dmabuf->ops->vmap)
		ret = dmabuf->ops->vmap(dmabuf, map);
	if (ret)
		iosys_map_clear(map);
	return ret;
}

void dmabuf_vunmap_for(struct dmabuf *dmabuf, struct iosys_map *map, bool kernel)
{
	if (dmabuf->placement)
		dmabuf_placement_vunmap(dmabuf, map, kernel);
	else
		dmabuf->ops->vunmap(dmabuf, map);
}

/**
 * dmabuf_vmap - get a kernel address for a whole buffer
 * @dmabuf: the buffer, with a reference of the caller's
 * @map: set on success, cleared otherwise
 *
 * On the placement layer it counts as a mapping DMA_BIDIRECTIONAL: it waits for its turn,
 * takes storage if there is none, and the buffer does not move until dmabuf_vunmap(), the
 * inverse.
 *
 * Context: process context; may sleep.
 * Return: 0, or
 * * -EINVAL: the exporter has no such op, or an argument is missing, which is logged
 *   with the caller
 * * -EINTR: a signal ended a wait
 * * -ENOMEM: no memory
 * * what else the exporter's op returned
 */
int dmabuf_vmap(struct dmabuf *dmabuf, struct iosys_map *map)
{
	int ret;

	might_sleep();
	if (IS_ERR_OR_NULL(dmabuf) || !map) {
		dmabuf_refuse(dmabuf_vmap, _RET_IP_, "no %s", map ? "buffer" : "iosys_map");
		return -EINVAL;
	}
	ret = dmabuf_vmap_for(dmabuf, map, false);
	if (!ret) {
		spin_lock(&dmabuf->lock);
		dmabuf->vmaps++;
		spin_unlock(&dmabuf->lock);
	}
	return ret;
}
EXPORT_SYMBOL_NS_GPL(dmabuf_vmap, DMABUF_NS);

/**
 * dmabuf_vunmap - give a kernel address back
 * @dmabuf: the buffer
 * @map: as dmabuf_vmap() set it
 *
 * One too many changes nothing and gets a line in the log with the caller.
 *
 * Context: process context; may sleep.
 */
void dmabuf_vunmap(struct dmabuf *dmabuf, struct iosys_map *map)
{
	bool mapped;

	might_sleep();
	if (IS_ERR_OR_NULL(dmabuf) || !map) {
		dmabuf_refuse(dmabuf_vunmap, _RET_IP_, "no %s", map ? "buffer" : "iosys_map");
		return;
	}
	spin_lock(&dmabuf->lock);
	mapped = dmabuf->vmaps;
	if (mapped)
		dmabuf->vmaps--;
	spin_unlock(&dmabuf->lock);
	if (!mapped) {
		dmabuf_refuse(dmabuf_vunmap, _RET_IP_, "buffer %llu has no such address",
			      dmabuf->id);
		return;
	}
	dmabuf_vunmap_for(dmabuf, map, false);
}
EXPORT_SYMBOL_NS_GPL(dmabuf_vunmap, DMABUF_NS);
