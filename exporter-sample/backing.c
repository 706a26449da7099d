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
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/vmstat.h>

#include "../dmabuf-core/compat.h"
#include "internal.h"

/*
 * Charged to the task's memory cgroup, and rather not there than at the price of
 * the out-of-memory killer.
 */
#define GFP_BUFFER (GFP_KERNEL_ACCOUNT | __GFP_NOWARN | __GFP_RETRY_MAYFAIL)

/* Bytes of the largest block of the page allocator. */
#define BLOCK_MAX ((u64)PAGE_SIZE << MAX_PAGE_ORDER)

static const gfp_t zones[] = { 0, GFP_DMA32, GFP_DMA };

/* The first entry of zones[] that can hold memory below a limit. */
static unsigned int zone_for(u64 limit)
{
	if (limit >= virt_to_phys(high_memory - 1))
		return 0;
	return limit >= SZ_16M ? 1 : 2;
}

/* The last byte of the lowest zone: GFP_DMA memory lies below. */
static u64 lowest_zone_last(void)
{
	u64 last = U64_MAX;
	int nid, i;

	for_each_online_node(nid) {
		for (i = 0; i < MAX_NR_ZONES; i++) {
			struct zone *zone = &NODE_DATA(nid)->node_zones[i];

			if (populated_zone(zone)) {
				last = min_t(u64, last, PFN_PHYS(zone_end_pfn(zone)) - 1);
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
	u64 last = min_t(u64, lowest_zone_last(), virt_to_phys(high_memory - 1));

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
					 IS_ENABLED(CONFIG_DMA_CMA);
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

static u64 pages_free(void)
{
	return (u64)max(si_mem_available(), 0L) << PAGE_SHIFT;
}

static u64 cma_free(void)
{
	if (!IS_ENABLED(CONFIG_DMA_CMA))
		return pages_free();
	return (u64)global_zone_page_state(NR_FREE_CMA_PAGES) << PAGE_SHIFT;
}

static u64 backing_bytes(const struct dmabuf_backing *backing)
{
	return (u64)backing->nr_pages << PAGE_SHIFT;
}

/*
 * Does contiguous memory lie where the devices need it?  If not, the caller looks
 * for other.
 */
static bool block_serves(struct page *page, u64 bytes, const struct dmabuf_constraints *needs)
{
	u64 first = page_to_phys(page);
	u64 last = first + bytes - 1;

	/* Where one segment is all there may be, nothing may cut it. */
	if (needs->max_segs == 1 && (first ^ last) & ~needs->seg_boundary)
		return false;
	return last <= needs->dma_mask && !(first & (needs->align - 1));
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
			   IS_ENABLED(CONFIG_DMA_CMA) ? "CMA (system)" : "the DMA API";
	u64 bytes = backing_bytes(backing);
	struct page *page = NULL;
	const char *reason;

	lockdep_assert_held_read(&dmabuf_sample.device_lock);
	if (dmabuf_sample.has_region && bytes > dmabuf_sample.region_bytes && bytes > BLOCK_MAX)
		reason = "larger than the region, and than a block of the page allocator";
	else if (!IS_ENABLED(CONFIG_DMA_CMA) && bytes > BLOCK_MAX)
		reason = "this kernel has no CMA, and a block of the page allocator is smaller";
	else
		reason = "no free piece is as long, neither there nor in the page allocator";

	if (IS_ENABLED(CONFIG_DMA_CMA) || bytes <= BLOCK_MAX)
		page = dma_alloc_pages(dev, bytes, &backing->dma_handle, DMA_TO_DEVICE,
				       GFP_BUFFER);
	if (!page) {
		dmabuf_backing_log_failure(pool, bytes, cma_free(), needs->dma_mask, reason);
		return -ENOMEM;
	}
	if (!block_serves(page, bytes, needs)) {
		phys_addr_t phys = page_to_phys(page);

		dma_free_pages(dev, bytes, page, backing->dma_handle, DMA_TO_DEVICE);
		pr_info_ratelimited("%s gives memory at %pa, which does not serve mask 0x%llx, boundary 0x%llx, alignment %u: taking contiguous pages\n",
				    pool, &phys, needs->dma_mask, needs->seg_boundary,
				    needs->align);
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
	u64 bytes = backing_bytes(backing);
	struct page *page = NULL;
	bool unfit = false;
	unsigned long i;
	unsigned int z;
	int order;

	if (max_t(u64, bytes, needs->align) > BLOCK_MAX) {
		dmabuf_backing_log_failure("contiguous pages", bytes, pages_free(),
					   needs->dma_mask, "larger than the largest block");
		return -ENOMEM;
	}
	/* Blocks are aligned to their size. */
	order = get_order(max_t(u64, bytes, needs->align));
	for (z = zone_for(needs->dma_mask); z < ARRAY_SIZE(zones); z++) {
		page = alloc_pages(GFP_BUFFER | zones[z], order);
		if (!page || block_serves(page, bytes, needs))
			break;
		unfit = true;
		__free_pages(page, order);
		page = NULL;
	}
	if (!page) {
		dmabuf_backing_log_failure("contiguous pages", bytes, pages_free(),
					   needs->dma_mask,
					   unfit ? "what is free lies beyond the mask" :
						   "memory is too fragmented or too full");
		return -ENOMEM;
	}

	split_page(page, order);
	for (i = 0; i < backing->nr_pages; i++)
		clear_highpage(page + i);
	for (; i < 1UL << order; i++)
		__free_page(page + i);
	backing->first_pfn = page_to_pfn(page);
	return 0;
}

static void free_pages_of(struct dmabuf_backing *backing, unsigned long n)
{
	unsigned long i;

	for (i = 0; i < n; i++)
		__free_page(pfn_to_page(dmabuf_backing_pfn(backing, i)));
	kvfree(backing->pages);
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
	unsigned int z = zone_for(needs->dma_mask);
	const char *reason = "memory is full";
	u64 bytes = backing_bytes(backing);
	unsigned long i = 0;
	int ret = -ENOMEM;

	backing->pages = kvmalloc_array(backing->nr_pages, sizeof(*backing->pages),
					GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!backing->pages) {
		dmabuf_backing_log_failure("single pages", bytes, pages_free(), needs->dma_mask,
					   "no memory for the list of pages");
		return -ENOMEM;
	}

	while (i < backing->nr_pages) {
		struct page *page;

		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			goto err_free;
		}
		cond_resched();
		page = alloc_page(GFP_BUFFER | __GFP_ZERO | zones[z]);
		if (page && block_serves(page, PAGE_SIZE, needs)) {
			backing->pages[i++] = page;
			continue;
		}
		/* From here on all pages come from the next lower zone. */
		if (page) {
			__free_page(page);
			reason = "what is free lies beyond the mask";
		}
		if (!page || ++z == ARRAY_SIZE(zones)) {
			dmabuf_backing_log_failure("single pages", bytes, pages_free(),
						   needs->dma_mask, reason);
			goto err_free;
		}
	}
	return 0;

err_free:
	free_pages_of(backing, i);
	backing->pages = NULL;
	return ret;
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

static u32 count_chunks(const struct dmabuf_backing *backing)
{
	unsigned long i;
	u32 n = 1;

	if (!backing->pages)
		return n;
	for (i = 1; i < backing->nr_pages; i++)
		if (dmabuf_backing_pfn(backing, i - 1) + 1 != dmabuf_backing_pfn(backing, i))
			n++;
	return n;
}

static int alloc_kind(struct dmabuf_backing *backing, u32 requested,
		      const struct dmabuf_constraints *needs)
{
	/* Is there CMA at all, other than the page allocator in disguise? */
	bool cma = dmabuf_sample.has_region || IS_ENABLED(CONFIG_DMA_CMA);
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
			return alloc_scattered(backing, needs);
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
 * @needs: of the devices that are to reach it: those of dmabuf_backing_needs(),
 *	collated
 *
 * The memory is zeroed.  The inverse is dmabuf_backing_free().
 *
 * Context: process context; may sleep; takes &dmabuf_sample.device_lock.
 * Return: the memory, or
 * * ERR_PTR(-ENOMEM): there is none that serves @needs; logged
 * * ERR_PTR(-EINTR): the task is being killed, or was while it waited
 * * ERR_PTR(-ENODEV): the exporter's device has gone
 */
struct dmabuf_backing *dmabuf_backing_alloc(size_t bytes, u32 requested,
					    const struct dmabuf_constraints *needs)
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
	flush(backing, dmabuf_sample.dev);
	up_read(&dmabuf_sample.device_lock);

	backing->chunks = count_chunks(backing);
	return backing;

err_unlock:
	up_read(&dmabuf_sample.device_lock);
err_free:
	kfree(backing);
	return ERR_PTR(ret);
}

/**
 * dmabuf_backing_free - give memory back
 * @backing: from dmabuf_backing_alloc(); nobody has it mapped
 *
 * Context: process context; may sleep.
 */
void dmabuf_backing_free(struct dmabuf_backing *backing)
{
	WARN_ON(!list_empty(&backing->mappings));
	if (backing->dev) {
		dma_free_pages(backing->dev, backing_bytes(backing),
			       pfn_to_page(backing->first_pfn), backing->dma_handle,
			       DMA_TO_DEVICE);
		atomic_dec(&dmabuf_sample.region_users);
		put_device(backing->dev);
	} else {
		free_pages_of(backing, backing->nr_pages);
	}
	kfree(backing);
}
