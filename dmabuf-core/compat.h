/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's API as the newest kernel has it, for older ones.  The only place
 * in the tree that asks for a version.
 */
#ifndef _DMABUF_CORE_COMPAT_H
#define _DMABUF_CORE_COMPAT_H

#include <linux/device.h>
#include <linux/export.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/version.h>

/*
 * The namespace of a symbol became a string literal in 6.13.
 * Remove when the floor is 6.13 or later: write the string at each use.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#define DMABUF_NS "DMABUF_CORE"
#else
#define DMABUF_NS DMABUF_CORE
#endif

/*
 * The namespace of the kernel's dma-buf, which became a string with the others.
 * Remove when the floor is 6.13 or later.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#define DMABUF_KERNEL_NS "DMA_BUF"
#else
#define DMABUF_KERNEL_NS DMA_BUF
#endif

/*
 * Since 6.2 these calls take the reservation lock; before, nobody had to have it.
 * Remove when the floor is 6.2 or later.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define dma_buf_map_attachment_unlocked dma_buf_map_attachment
#define dma_buf_unmap_attachment_unlocked dma_buf_unmap_attachment
#define dma_buf_vmap_unlocked dma_buf_vmap
#define dma_buf_vunmap_unlocked dma_buf_vunmap
#endif

/*
 * Waiting for all fences of a reservation object: which ones is an enum since 5.19.
 * Remove when the floor is 5.19 or later.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 19, 0)
#define dmabuf_resv_wait(resv, interruptible, timeout) \
	dma_resv_wait_timeout(resv, DMA_RESV_USAGE_BOOKKEEP, interruptible, timeout)
#else
#define dmabuf_resv_wait(resv, interruptible, timeout) \
	dma_resv_wait_timeout(resv, true, interruptible, timeout)
#endif

/*
 * vma->vm_flags may be written by helpers only since 6.3.
 * Remove when the floor is 6.3 or later.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}

static inline void vm_flags_clear(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags &= ~flags;
}
#endif

/*
 * The largest order of the page allocator: MAX_ORDER was one more before 6.4,
 * and is MAX_PAGE_ORDER since 6.8.
 * Remove when the floor is 6.8 or later.
 */
#ifndef MAX_PAGE_ORDER
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#define MAX_PAGE_ORDER MAX_ORDER
#else
#define MAX_PAGE_ORDER (MAX_ORDER - 1)
#endif
#endif

/*
 * __assign_str() takes the source from __string() since 6.10.
 * Remove when the floor is 6.10 or later.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
#define dmabuf_assign_str(dst, src) __assign_str(dst)
#else
#define dmabuf_assign_str(dst, src) __assign_str(dst, src)
#endif

/*
 * A reference to a file that may be in its release, if it is not: the count of a
 * file is a type of its own since 6.13.
 * Remove when the floor is 6.13 or later.
 */
static inline bool dmabuf_file_get_live(struct file *file)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	return file_ref_get(&file->f_ref);
#else
	return atomic_long_inc_not_zero(&file->f_count);
#endif
}

/*
 * A device whose "DMA" is done by a CPU sees the caches; architectures that
 * never need cache maintenance have no flag for it.
 */
static inline void dmabuf_device_set_coherent(struct device *dev)
{
#if defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE) || \
	defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU) || \
	defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU_ALL)
	dev->dma_coherent = true;
#endif
}

#endif /* _DMABUF_CORE_COMPAT_H */
