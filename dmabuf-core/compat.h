/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's API as the newest kernel has it, for older ones.  The only place
 * in the tree that asks for a version, and it does so where no name in a header tells:
 * DMABUF_HAS_name is of Kbuild, which looks for it in the headers.
 */
#ifndef _DMABUF_CORE_COMPAT_H
#define _DMABUF_CORE_COMPAT_H

#include <linux/device.h>
#include <linux/export.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 10, 0)
#error "dmabuf-core needs Linux 5.10 or later"
#endif

/*
 * Before 6.0 ARM has operations of its own for the DMA of all devices, and says of none
 * whether it snoops.
 */
#if defined(CONFIG_ARM) && defined(CONFIG_MMU) && !defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE)
#error "dmabuf-core needs Linux 6.0 or later on 32-bit ARM"
#endif

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
 * A macro as the name of a namespace is not expanded by 5.10, and is by 6.1.
 * Remove when the floor is 6.1 or later.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#undef EXPORT_SYMBOL_NS_GPL
#define EXPORT_SYMBOL_NS_GPL(sym, ns) __EXPORT_SYMBOL(sym, "_gpl", __stringify(ns))
#undef MODULE_IMPORT_NS
#define MODULE_IMPORT_NS(ns) MODULE_INFO(import_ns, __stringify(ns))
#endif

/*
 * Since 6.2 these calls take the reservation lock; before, nobody had to have it, and
 * exporters may take it themselves, whether these names are there or not.
 * Remove when the floor is 6.2 or later.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define dma_buf_map_attachment_unlocked dma_buf_map_attachment
#define dma_buf_unmap_attachment_unlocked dma_buf_unmap_attachment
#define dma_buf_vmap_unlocked dma_buf_vmap
#define dma_buf_vunmap_unlocked dma_buf_vunmap
#endif

/*
 * The op that tells an importer of a move has this name since 7.1.
 * Remove when the floor is 7.1 or later.
 */
#ifndef DMABUF_HAS_invalidate_mappings
#define invalidate_mappings move_notify
#endif

/*
 * Waiting for all fences of a reservation object: which ones is an enum since 5.19.
 * Remove when the floor is 5.19 or later.
 */
#ifdef DMABUF_HAS_dma_resv_usage
#define dmabuf_resv_wait(resv, interruptible, timeout) \
	dma_resv_wait_timeout(resv, DMA_RESV_USAGE_BOOKKEEP, interruptible, timeout)
#else
#define dmabuf_resv_wait(resv, interruptible, timeout) \
	dma_resv_wait_timeout(resv, true, interruptible, timeout)
#endif

/*
 * That call has this name since 5.14.
 * Remove when the floor is 5.14 or later.
 */
#ifndef DMABUF_HAS_dma_resv_wait_timeout
#define dma_resv_wait_timeout dma_resv_wait_timeout_rcu
#endif

/*
 * vma->vm_flags may be written by helpers only since 6.3.
 * Remove when the floor is 6.3 or later.
 */
#ifndef DMABUF_HAS_vm_flags_set
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
#ifdef DMABUF_HAS_f_ref
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

/*
 * The address that a vmap gives is a struct iosys_map since 5.18, from 5.11 a struct
 * dma_buf_map of the same layout, and before a pointer.  So that no driver needs all of
 * them, it is the first one always.
 * Remove when the floor is 5.18 or later: include linux/iosys-map.h at each use.
 */
#ifdef DMABUF_HAS_iosys_map
#include <linux/iosys-map.h>
#else
struct iosys_map {
	union {
		void __iomem *vaddr_iomem;
		void *vaddr;
	};
	bool is_iomem;
};
#endif

/*
 * What is done with a struct iosys_map; none is of I/O memory then.
 * Remove when the floor is 5.18 or later.
 */
#ifndef DMABUF_HAS_iosys_map
#define iosys_map_set_vaddr(map, address) \
	(*(map) = (struct iosys_map){ .vaddr = (address) })
#define iosys_map_clear(map) iosys_map_set_vaddr(map, NULL)
#define iosys_map_is_null(map) (!(map)->vaddr)
#define iosys_map_memcpy_to(map, offset, from, bytes) \
	memcpy((map)->vaddr + (offset), from, bytes)
#define iosys_map_memcpy_from(to, map, offset, bytes) \
	memcpy(to, (map)->vaddr + (offset), bytes)
#endif

/*
 * A vmap of the kernel's dma-buf: why there is no address is not told before 5.11.
 * Remove when the floor is 5.11 or later.
 */
#if !defined(DMABUF_HAS_iosys_map) && !defined(DMABUF_HAS_dma_buf_map) && \
	defined(__DMA_BUF_H__)
static inline int dmabuf_compat_vmap(struct dma_buf *kernel, struct iosys_map *map)
{
	iosys_map_set_vaddr(map, dma_buf_vmap(kernel));
	return map->vaddr ? 0 : kernel->ops->vmap ? -ENOMEM : -EINVAL;
}

#define dma_buf_vmap dmabuf_compat_vmap
#define dma_buf_vunmap(kernel, map) dma_buf_vunmap(kernel, (map)->vaddr)
#endif

/*
 * The same from 5.11 on, with the type of then.
 * Remove when the floor is 5.18 or later.
 */
#if !defined(DMABUF_HAS_iosys_map) && defined(DMABUF_HAS_dma_buf_map)
#define dma_buf_vmap(kernel, map) dma_buf_vmap(kernel, (struct dma_buf_map *)(map))
#define dma_buf_vunmap(kernel, map) dma_buf_vunmap(kernel, (struct dma_buf_map *)(map))
#endif

/*
 * The ops of a vmap, with these types.
 * Remove when the floor is 5.18 or later: use the ops themselves.
 */
#ifdef DMABUF_HAS_iosys_map
#define DMABUF_VMAP_OPS(vmap, vunmap)
#define DMABUF_VMAP_OP(op) op
#elif defined(DMABUF_HAS_dma_buf_map)
#define DMABUF_VMAP_OPS(vmap, vunmap) \
	static int vmap##_compat(struct dma_buf *kernel, struct dma_buf_map *map) \
	{ return vmap(kernel, (struct iosys_map *)map); } \
	static void vunmap##_compat(struct dma_buf *kernel, struct dma_buf_map *map) \
	{ vunmap(kernel, (struct iosys_map *)map); }
#define DMABUF_VMAP_OP(op) op##_compat
#else
#define DMABUF_VMAP_OPS(vmap, vunmap) \
	static void *vmap##_compat(struct dma_buf *kernel) \
	{ struct iosys_map map; return vmap(kernel, &map) ? NULL : map.vaddr; } \
	static void vunmap##_compat(struct dma_buf *kernel, void *address) \
	{ struct iosys_map map = { .vaddr = address }; vunmap(kernel, &map); }
#define DMABUF_VMAP_OP(op) op##_compat
#endif

/*
 * A VMA's file was set by hand before 5.11.
 * Remove when the floor is 5.11 or later.
 */
#ifndef DMABUF_HAS_vma_set_file
static inline void vma_set_file(struct vm_area_struct *vma, struct file *file)
{
	get_file(file);
	swap(vma->vm_file, file);
	fput(file);
}
#endif

/*
 * An address space has a lock against its faults since 5.15.
 * Remove when the floor is 5.15 or later: write it at its use.
 */
static inline void dmabuf_mapping_init_lock(struct address_space *mapping)
{
#ifdef DMABUF_HAS_invalidate_lock
	init_rwsem(&mapping->invalidate_lock);
#endif
}

/*
 * An address for a page, for a moment in which one must not sleep before 5.11.
 * Remove when the floor is 5.11 or later.
 */
#ifndef DMABUF_HAS_kmap_local_page
#define kmap_local_page kmap_atomic
#define kunmap_local kunmap_atomic
#endif

/*
 * To copy between pages and to fill them are calls since 5.12.
 * Remove when the floor is 5.12 or later.
 */
#ifndef DMABUF_HAS_memcpy_page
#define memcpy_page(to, to_offset, from, from_offset, bytes) ({ \
	void *_to = kmap_local_page(to), *_from = kmap_local_page(from); \
	memcpy(_to + (to_offset), _from + (from_offset), bytes); \
	kunmap_local(_from); \
	kunmap_local(_to); })
#define memset_page(page, offset, value, bytes) ({ \
	void *_page = kmap_local_page(page); \
	memset(_page + (offset), value, bytes); \
	kunmap_local(_page); })
#endif

/*
 * The device that does a channel's DMA may be another one than its controller since 5.12.
 * Remove when the floor is 5.12 or later.
 */
#ifndef DMABUF_HAS_dmaengine_get_dma_device
#define dmaengine_get_dma_device(chan) ((chan)->device->dev)
#endif

/*
 * Whether all that a device maps is a copy is not told to modules before 5.15: it is
 * found out after the map.
 * Remove when the floor is 5.15 or later.
 */
#ifndef DMABUF_HAS_is_swiotlb_force_bounce
#define is_swiotlb_force_bounce(dev) false
#endif

/*
 * Which fences are meant: before 5.19 there is one that excludes, and those that share.
 * Remove when the floor is 5.19 or later.
 */
#if !defined(DMABUF_HAS_dma_resv_usage) && defined(_LINUX_RESERVATION_H)
enum dma_resv_usage { DMA_RESV_USAGE_KERNEL, DMA_RESV_USAGE_WRITE, DMA_RESV_USAGE_READ };

static inline void dma_resv_add_fence(struct dma_resv *resv, struct dma_fence *fence,
				      enum dma_resv_usage usage)
{
	if (usage <= DMA_RESV_USAGE_WRITE)
		dma_resv_add_excl_fence(resv, fence);
	else
		dma_resv_add_shared_fence(resv, fence);
}

#define dma_resv_reserve_fences dma_resv_reserve_shared
#endif

/*
 * With 32 bits, mmap() of a node takes offsets beyond 4 GiB only where its file says so;
 * since 6.12 its operations do.
 * Remove when the floor is 6.12 or later: write the flag at its use.
 */
#ifdef FOP_UNSIGNED_OFFSET
#define DMABUF_FOP_UNSIGNED_OFFSET .fop_flags = FOP_UNSIGNED_OFFSET,
#define dmabuf_file_set_unsigned_offset(file) do { } while (0)
#else
#define DMABUF_FOP_UNSIGNED_OFFSET
#define dmabuf_file_set_unsigned_offset(file) ((file)->f_mode |= FMODE_UNSIGNED_OFFSET)
#endif

/*
 * With 32 bits, unmap_mapping_range() loses the high bits of an offset; the call for
 * pages was not exported by 5.10, where all mappings go then, and come again as faults.
 * Remove when the floor is 6.1 or later.
 */
static inline void dmabuf_unmap_pages(struct address_space *mapping, pgoff_t first, pgoff_t n)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0)
	unmap_mapping_pages(mapping, first, n, true);
#elif BITS_PER_LONG == 64
	unmap_mapping_range(mapping, (loff_t)first << PAGE_SHIFT, (loff_t)n << PAGE_SHIFT, 1);
#else
	unmap_mapping_range(mapping, 0, 0, 1);
#endif
}

#endif /* _DMABUF_CORE_COMPAT_H */
