// SPDX-License-Identifier: GPL-2.0-only
/*
 * A CPU's access to memory while devices may have it mapped: what the caches must be
 * told, and addresses for the kernel.
 *
 * Whoever reads or writes, through an mmap or a vmap, does so between begin and end,
 * or while no device has the memory mapped: each map and unmap sees to its own device.
 * Who only writes says so only if it writes whole cache lines, as it is with the DMA
 * API: nothing is read in first.
 *
 * Where the caches have a line for each address of a page, and not for each page, those
 * of a vmap are looked after.  Of user space's it is assumed that they are written back
 * when the page table entry goes, and otherwise the same as the kernel's own.  It matters
 * on none of the machines of the tests.
 */
#include <linux/err.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "../dmabuf-core/compat.h"
#include "internal.h"

/* The kernel has an address for it anyway, if it is one piece and lies low. */
static void *backing_address(const struct dmabuf_backing *backing)
{
	struct page *last = pfn_to_page(dmabuf_backing_pfn(backing, backing->nr_pages - 1));

	if (backing->storage.chunks != 1 || PageHighMem(last))
		return NULL;
	return page_address(pfn_to_page(dmabuf_backing_pfn(backing, 0)));
}

static void *backing_vmap(const struct dmabuf_backing *backing)
{
	struct page **pages;
	unsigned long i;
	void *address;

	if (backing->pages)
		return vmap(backing->pages, backing->nr_pages, VM_MAP, PAGE_KERNEL);

	pages = kvmalloc_array(backing->nr_pages, sizeof(*pages), GFP_KERNEL | __GFP_NOWARN);
	if (!pages)
		return NULL;
	for (i = 0; i < backing->nr_pages; i++)
		pages[i] = pfn_to_page(dmabuf_backing_pfn(backing, i));
	address = vmap(pages, backing->nr_pages, VM_MAP, PAGE_KERNEL);
	kvfree(pages);
	return address;
}

/**
 * dmabuf_backing_vmap - give the kernel an address for memory
 * @backing: the memory; stays where it is until the inverse, dmabuf_backing_vunmap()
 * @map: filled in
 *
 * All who ask get the same address.
 *
 * Context: process context; may sleep; takes &dmabuf_backing.lock.
 * Return: 0, or
 * * -EINTR: the task was killed while it waited for a map of a device
 * * -ENOMEM: no memory for page tables, or no addresses left
 */
int dmabuf_backing_vmap(struct dmabuf_backing *backing, struct iosys_map *map)
{
	int ret = 0;

	/* Of a vmap that fails the kernel warns: not for any signal. */
	if (mutex_lock_killable(&backing->lock))
		return -EINTR;
	if (!backing->vmaps) {
		backing->address = backing_address(backing) ?: backing_vmap(backing);
		if (!backing->address)
			ret = -ENOMEM;
	}
	if (!ret) {
		backing->vmaps++;
		iosys_map_set_vaddr(map, backing->address);
	}
	mutex_unlock(&backing->lock);
	return ret;
}

/**
 * dmabuf_backing_vunmap - undo one dmabuf_backing_vmap()
 * @backing: the memory
 * @map: what that filled in; is cleared
 *
 * Context: process context; may sleep; takes &dmabuf_backing.lock.
 */
void dmabuf_backing_vunmap(struct dmabuf_backing *backing, struct iosys_map *map)
{
	mutex_lock(&backing->lock);
	if (!--backing->vmaps) {
		if (is_vmalloc_addr(backing->address))
			vunmap(backing->address);
		backing->address = NULL;
	}
	mutex_unlock(&backing->lock);
	iosys_map_clear(map);
}

/**
 * dmabuf_backing_begin_cpu - a CPU is about to read or write memory
 * @backing: the memory, which does not move
 * @access: DMA_FROM_DEVICE: it reads; DMA_TO_DEVICE: it writes; or both
 *
 * What devices have written so far is visible to it then.  The inverse is
 * dmabuf_backing_end_cpu().
 *
 * Context: process context; may sleep; takes &dmabuf_backing.lock.
 */
void dmabuf_backing_begin_cpu(struct dmabuf_backing *backing, enum dma_data_direction access)
{
	if (access == DMA_TO_DEVICE)
		return;
	mutex_lock(&backing->lock);
	dmabuf_backing_sync_for_cpu_locked(backing);
	/* A line of the vmap's own, read in before the device wrote. */
	if (is_vmalloc_addr(backing->address))
		invalidate_kernel_vmap_range(backing->address, backing->nr_pages << PAGE_SHIFT);
	mutex_unlock(&backing->lock);
}

/**
 * dmabuf_backing_end_cpu - a CPU has read or written memory
 * @backing: the memory, which does not move
 * @access: as it was for dmabuf_backing_begin_cpu()
 *
 * What it has written is visible to all devices then.
 *
 * Context: process context; may sleep; takes &dmabuf_backing.lock.
 */
void dmabuf_backing_end_cpu(struct dmabuf_backing *backing, enum dma_data_direction access)
{
	mutex_lock(&backing->lock);
	if (access != DMA_FROM_DEVICE && is_vmalloc_addr(backing->address))
		flush_kernel_vmap_range(backing->address, backing->nr_pages << PAGE_SHIFT);
	dmabuf_backing_sync_for_device_locked(backing, access);
	mutex_unlock(&backing->lock);
}
