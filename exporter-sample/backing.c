// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of buffers: from the DMA API (CMA), contiguous pages, single pages.
 */
#define pr_fmt(fmt) "dmabuf-exporter: " fmt

#include <linux/device.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/pfn.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/vmstat.h>

#include "../dmabuf-core/compat.h"
#include "internal.h"

/* Bytes of the largest block of the page allocator. */
#define BLOCK_MAX ((u64)PAGE_SIZE << MAX_PAGE_ORDER)

/*
 * The kernel itself lies at the start of memory on some architectures, behind that
 * there is memory to be found.
 */
#define LOWEST_MEMORY SZ_64M

/* Below which address memory can be found (search.c): in the lowest zone. */
static u64 lowest_memory_last(u64 bytes)
{
	u64 last = U64_MAX;
	int nid, i;

	for_each_online_node(nid) {
		for (i = 0; i < MAX_NR_ZONES; i++) {
			struct zone *zone = &NODE_DATA(nid)->node_zones[i];
			u64 start = PFN_PHYS(zone->zone_start_pfn);

			if (populated_zone(zone)) {
				last = min3(last, (u64)PFN_PHYS(zone_end_pfn(zone)) - 1,
					    start + LOWEST_MEMORY + bytes - 1);
				break;
			}
		}
	}
	return last;
}

/**
 * dmabuf_backing_sure_address - tell how low memory can be had for certain
 * @bytes: size of the buffer
 * @requested: enum dmabuf_exporter_backing
 *
 * Context: process context; takes &dmabuf_sample.device_lock.
 * Return: a physical address; the exporter has memory that ends there or below.
 */
u64 dmabuf_backing_sure_address(size_t bytes, u32 requested)
{
	u64 last = min_t(u64, lowest_memory_last(bytes), virt_to_phys(high_memory - 1));

	if (requested != DMABUF_EXPORTER_AUTO && requested != DMABUF_EXPORTER_CMA)
		return last;
	down_read(&dmabuf_sample.device_lock);
	if (dmabuf_sample.has_region && bytes <= dmabuf_sample.region_bytes)
		last = min_t(u64, last, dmabuf_sample.region_base + bytes - 1);
	up_read(&dmabuf_sample.device_lock);
	return last;
}

/**
 * dmabuf_backing_ever_contiguous - tell whether contiguous memory can be had at all
 * @bytes: size of the buffer
 * @requested: enum dmabuf_exporter_backing
 * @align: bytes, a power of two
 *
 * Context: process context; takes &dmabuf_sample.device_lock.
 * Return: false if no pool of the exporter has, or may use, so large a piece.
 */
bool dmabuf_backing_ever_contiguous(size_t bytes, u32 requested, u32 align)
{
	bool cma;

	if (requested == DMABUF_EXPORTER_SCATTER)
		return false;
	if (bytes <= BLOCK_MAX && align <= BLOCK_MAX)
		return true;
	if (requested == DMABUF_EXPORTER_CONTIG)
		return false;

	down_read(&dmabuf_sample.device_lock);
	cma = dmabuf_sample.has_region ? bytes <= dmabuf_sample.region_bytes :
					 dmabuf_sample.has_cma;
	up_read(&dmabuf_sample.device_lock);
	/* CMA promises no alignment beyond that of a block. */
	return cma && align <= BLOCK_MAX;
}

/**
 * dmabuf_backing_log_failure - say why there is no memory
 * @pool: where it was looked for
 * @bytes: asked for
 * @bytes_free: free in that pool
 * @mask: highest physical address that would do
 * @reason: in words
 *
 * Context: any.
 */
void dmabuf_backing_log_failure(const char *pool, u64 bytes, u64 bytes_free, u64 mask,
				const char *reason)
{
	pr_notice_ratelimited("no memory from %s: asked %llu bytes, free %llu bytes, mask 0x%llx: %s\n",
			      pool, bytes, bytes_free, mask, reason);
}

static u64 cma_free(void)
{
	if (!dmabuf_sample.has_cma)
		return dmabuf_search_available();
	return (u64)global_zone_page_state(NR_FREE_CMA_PAGES) << PAGE_SHIFT;
}

static u64 backing_bytes(const struct dmabuf_backing *backing)
{
	return (u64)backing->nr_pages << PAGE_SHIFT;
}

/*
 * As dma_alloc_pages(), which gives no highmem.  CMA lies there on machines of 32 bits
 * with much memory.  The other way is not zeroed, and has a cookie to free it by.
 */
static struct page *alloc_dma(struct dmabuf_backing *backing, struct device *dev)
{
	struct sg_table sgt;
	struct page *page;

	if (!IS_ENABLED(CONFIG_HIGHMEM))
		return dma_alloc_pages(dev, backing_bytes(backing), &backing->dma_handle,
				       DMA_TO_DEVICE, DMABUF_BACKING_GFP);

	backing->cookie = dma_alloc_attrs(dev, backing_bytes(backing), &backing->dma_handle,
					  DMABUF_BACKING_GFP, DMA_ATTR_NO_KERNEL_MAPPING);
	if (!backing->cookie)
		return NULL;
	if (!dma_get_sgtable_attrs(dev, &sgt, backing->cookie, backing->dma_handle,
				   backing_bytes(backing), DMA_ATTR_NO_KERNEL_MAPPING)) {
		page = sg_page(sgt.sgl);
		sg_free_table(&sgt);
		return page;
	}
	dma_free_attrs(dev, backing_bytes(backing), backing->cookie, backing->dma_handle,
		       DMA_ATTR_NO_KERNEL_MAPPING);
	backing->cookie = NULL;
	return NULL;
}

static void free_dma(struct dmabuf_backing *backing, struct device *dev, struct page *page)
{
	if (backing->cookie)
		dma_free_attrs(dev, backing_bytes(backing), backing->cookie, backing->dma_handle,
			       DMA_ATTR_NO_KERNEL_MAPPING);
	else
		dma_free_pages(dev, backing_bytes(backing), page, backing->dma_handle,
			       DMA_TO_DEVICE);
	backing->cookie = NULL;
}

/*
 * From the device's own region, from the system's CMA area, or wherever else the
 * DMA API takes it from.  It knows the mask of our device only, which is as wide
 * as can be, so the address is looked at afterwards.  DMA_TO_DEVICE: our device
 * does no DMA, and reads even less.
 *
 * What the DMA API takes from the page allocator is a power of two of pages, and
 * it keeps all of it.
 */
static int alloc_cma(struct dmabuf_backing *backing, const struct dmabuf_constraints *needs)
{
	struct device *dev = dmabuf_sample.dev;
	const char *pool = dmabuf_sample.has_region ? "CMA (own region)" :
			   dmabuf_sample.has_cma ? "CMA (system)" : "the DMA API";
	u64 bytes = backing_bytes(backing);
	struct page *page = NULL;
	const char *reason;

	lockdep_assert_held_read(&dmabuf_sample.device_lock);
	if (dmabuf_sample.has_region && bytes > dmabuf_sample.region_bytes && bytes > BLOCK_MAX)
		reason = "larger than the region, and than a block of the page allocator";
	else if (!dmabuf_sample.has_cma && bytes > BLOCK_MAX)
		reason = "there is no CMA, and a block of the page allocator is smaller";
	else
		reason = "no free piece is as long, neither there nor in the page allocator";

	if (dmabuf_sample.has_cma || bytes <= BLOCK_MAX)
		page = alloc_dma(backing, dev);
	if (!page) {
		dmabuf_backing_log_failure(pool, bytes, cma_free(), needs->dma_mask, reason);
		return -ENOMEM;
	}
	if (!dmabuf_search_serves(page, bytes, needs)) {
		phys_addr_t phys = page_to_phys(page);

		free_dma(backing, dev, page);
		pr_debug("%s gives memory at %pa, which does not serve mask 0x%llx, boundary 0x%llx, alignment %u: taking contiguous pages\n",
			 pool, &phys, needs->dma_mask, needs->seg_boundary, needs->align);
		return -ERANGE;
	}

	/* Given back to the same device, whatever comes of it. */
	backing->dev = get_device(dev);
	atomic_inc(&dmabuf_sample.region_users);
	backing->first_pfn = page_to_pfn(page);
	return 0;
}

/* A block of the page allocator, less what it has beyond the buffer's end. */
static int alloc_contig(struct dmabuf_backing *backing, const struct dmabuf_constraints *needs)
{
	const char *reason;
	struct page *page;

	page = dmabuf_search_block(backing->nr_pages, needs, &reason);
	if (page == ERR_PTR(-ENOMEM))
		dmabuf_backing_log_failure("contiguous pages", backing_bytes(backing),
					   dmabuf_search_available(), needs->dma_mask, reason);
	if (IS_ERR(page))
		return PTR_ERR(page);
	backing->first_pfn = page_to_pfn(page);
	return 0;
}

/*
 * Swaps neighbours that follow each other in memory, and leaves none that do.
 * Who asks for scattered memory by name wants to see what the worst day brings.
 */
static void scatter(struct dmabuf_backing *backing)
{
	unsigned long i;

	for (i = 0; i + 1 < backing->nr_pages; i++)
		if (dmabuf_backing_pfn(backing, i) + 1 == dmabuf_backing_pfn(backing, i + 1))
			swap(backing->pages[i], backing->pages[i + 1]);
}

static int alloc_scattered(struct dmabuf_backing *backing, const struct dmabuf_constraints *needs)
{
	const char *reason = "no memory for the list of pages";
	int ret = -ENOMEM;

	backing->pages = kvmalloc_array(backing->nr_pages, sizeof(*backing->pages),
					GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (backing->pages)
		ret = dmabuf_search_pages(backing->pages, backing->nr_pages, needs, &reason);
	if (ret == -ENOMEM)
		dmabuf_backing_log_failure("single pages", backing_bytes(backing),
					   dmabuf_search_available(), needs->dma_mask, reason);
	if (ret) {
		kvfree(backing->pages);
		backing->pages = NULL;
	}
	return ret;
}

/* What dma_alloc_pages() gives is clear, and so is all if the kernel is told to clear all. */
static void clear(struct dmabuf_backing *backing)
{
	unsigned long i;

	if ((backing->dev && !backing->cookie) || want_init_on_alloc(0) ||
	    want_init_on_free())
		return;
	for (i = 0; i < backing->nr_pages; i++) {
		clear_highpage(pfn_to_page(dmabuf_backing_pfn(backing, i)));
		cond_resched();
	}
}

/*
 * Fresh zeroes lie in the cache.  The first map of a device that does not snoop
 * writes them back, but not on all architectures if that device is to write
 * only: what it leaves out would be somebody's old data.
 */
static void flush(struct dmabuf_backing *backing, struct device *dev)
{
	unsigned long i, n;

	if (dev_is_dma_coherent(dev))
		return;
	for (i = 0; i < backing->nr_pages; i += n) {
		unsigned long pfn = dmabuf_backing_pfn(backing, i);
		dma_addr_t addr;

		n = backing->pages ? 1 : backing->nr_pages;
		addr = dma_map_page(dev, pfn_to_page(pfn), 0, n << PAGE_SHIFT, DMA_TO_DEVICE);
		/* An error means a copy: nobody gets this memory mapped then. */
		if (!dma_mapping_error(dev, addr))
			dma_unmap_page(dev, addr, n << PAGE_SHIFT, DMA_TO_DEVICE);
	}
}

/**
 * dmabuf_backing_flush - write back what the CPU wrote by way of the kernel
 * @backing: the memory; no device has it mapped
 *
 * After a copy to it, for the reason that fresh zeroes are written back for.
 *
 * Context: process context; may sleep; takes &dmabuf_sample.device_lock.
 */
void dmabuf_backing_flush(struct dmabuf_backing *backing)
{
	down_read(&dmabuf_sample.device_lock);
	if (dmabuf_sample.dev)
		flush(backing, dmabuf_sample.dev);
	up_read(&dmabuf_sample.device_lock);
}

static const char *storage_kind(const struct dmabuf_backing *backing)
{
	lockdep_assert_held_read(&dmabuf_sample.device_lock);
	if (backing->pages)
		return "scattered pages";
	if (!backing->dev)
		return "contiguous pages";
	/* Where its CMA area is full, or for a single page, the DMA API has other memory. */
	if (dmabuf_sample.has_region)
		return PFN_PHYS(backing->first_pfn) - dmabuf_sample.region_base <
			dmabuf_sample.region_bytes ? "CMA (own region)" : "DMA API pages";
	return dmabuf_sample.has_cma && backing->nr_pages > 1 ? "CMA (system)" :
								     "DMA API pages";
}

static void storage_init(struct dmabuf_backing *backing)
{
	struct dmabuf_storage *storage = &backing->storage;
	unsigned long i, last = backing->first_pfn + backing->nr_pages - 1;

	storage->kind = storage_kind(backing);
	storage->chunks = 1;
	if (backing->pages)
		last = dmabuf_backing_pfn(backing, 0);
	for (i = 1; backing->pages && i < backing->nr_pages; i++) {
		unsigned long pfn = dmabuf_backing_pfn(backing, i);

		storage->chunks += pfn != dmabuf_backing_pfn(backing, i - 1) + 1;
		last = max(last, pfn);
	}
	storage->last = PFN_PHYS(last) + PAGE_SIZE - 1;
}

static int alloc_kind(struct dmabuf_backing *backing, u32 requested,
		      const struct dmabuf_constraints *needs)
{
	/* Is there CMA at all, other than the page allocator in disguise? */
	bool cma = dmabuf_sample.has_region || dmabuf_sample.has_cma;
	int ret;

	switch (requested) {
	case DMABUF_EXPORTER_SCATTER:
		backing->kind = DMABUF_EXPORTER_SCATTER;
		ret = alloc_scattered(backing, needs);
		if (!ret)
			scatter(backing);
		return ret;
	case DMABUF_EXPORTER_CONTIG:
		backing->kind = DMABUF_EXPORTER_CONTIG;
		return alloc_contig(backing, needs);
	case DMABUF_EXPORTER_CMA:
		backing->kind = DMABUF_EXPORTER_CMA;
		ret = alloc_cma(backing, needs);
		/* As the DMA API itself does where its device's mask is not met. */
		return ret == -ERANGE ? alloc_contig(backing, needs) : ret;
	default:
		if (!dmabuf_backing_needs_contiguous(backing->bytes, needs)) {
			backing->kind = DMABUF_EXPORTER_SCATTER;
			ret = alloc_scattered(backing, needs);
			/* The region may lie lower than all that is left. */
			if (ret != -ENOMEM || !dmabuf_sample.has_region)
				return ret;
		}
		backing->kind = DMABUF_EXPORTER_CMA;
		if (cma && !alloc_cma(backing, needs))
			return 0;
		backing->kind = DMABUF_EXPORTER_CONTIG;
		return alloc_contig(backing, needs);
	}
}

/**
 * dmabuf_backing_alloc - take memory for a buffer
 * @bytes: size of the buffer; whole pages are taken
 * @requested: enum dmabuf_exporter_backing
 * @needs: of the devices that are to reach it: those of
 *	dmabuf_constraints_of_memory(), collated
 * @from: memory of which all pages are copied to the new before anybody else sees
 *	it, or NULL: it is zeroed
 *
 * What is to be copied to is not zeroed: each byte is written once.  Nothing
 * helps where the DMA API zeroes what it gives, or the kernel all pages
 * (init_on_alloc).  The inverse is dmabuf_backing_free().
 *
 * Context: process context; may sleep; takes &dmabuf_sample.device_lock, and the
 * lock of searches.
 * Return: the memory, or
 * * ERR_PTR(-ENOMEM): there is none that serves @needs; logged
 * * ERR_PTR(-EINTR): the task is being killed, or was while it waited
 * * ERR_PTR(-ENODEV): the exporter's device has gone
 */
struct dmabuf_backing *dmabuf_backing_alloc(size_t bytes, u32 requested,
					    const struct dmabuf_constraints *needs,
					    const struct dmabuf_backing *from)
{
	struct dmabuf_backing *backing;
	int ret;

	backing = kzalloc(sizeof(*backing), GFP_KERNEL_ACCOUNT);
	if (!backing)
		return ERR_PTR(-ENOMEM);
	backing->bytes = bytes;
	backing->nr_pages = DIV_ROUND_UP(bytes, PAGE_SIZE);
	mutex_init(&backing->lock);
	INIT_LIST_HEAD(&backing->mappings);

	ret = down_read_killable(&dmabuf_sample.device_lock);
	if (ret)
		goto err_free;
	ret = dmabuf_sample.dev ? alloc_kind(backing, requested, needs) : -ENODEV;
	if (ret)
		goto err_unlock;
	if (!from) {
		clear(backing);
		flush(backing, dmabuf_sample.dev);
	}
	storage_init(backing);
	up_read(&dmabuf_sample.device_lock);
	return backing;

err_unlock:
	up_read(&dmabuf_sample.device_lock);
err_free:
	kfree(backing);
	return ERR_PTR(ret);
}

/**
 * dmabuf_backing_free - give memory back
 * @backing: from dmabuf_backing_alloc(); nobody has it mapped, or an address of it
 *
 * Context: process context; may sleep.
 */
void dmabuf_backing_free(struct dmabuf_backing *backing)
{
	unsigned long i;

	WARN_ON(!list_empty(&backing->mappings) || backing->vmaps);
	if (backing->dev) {
		free_dma(backing, backing->dev, pfn_to_page(backing->first_pfn));
		atomic_dec(&dmabuf_sample.region_users);
		put_device(backing->dev);
	} else {
		for (i = 0; i < backing->nr_pages; i++)
			__free_page(pfn_to_page(dmabuf_backing_pfn(backing, i)));
		kvfree(backing->pages);
	}
	kfree(backing);
}
