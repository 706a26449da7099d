// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages that end below an address.
 *
 * The page allocator knows zones, and no addresses.  Where the limit lies within
 * a zone, blocks of that zone are taken, and those that do not serve lie aside
 * until enough are found that do.
 */
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/mutex.h>
#include <linux/pfn.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>

#include "../dmabuf-core/compat.h"
#include "internal.h"

/*
 * What most likely goes aside must cost others nothing: nothing is reclaimed for
 * it, no reserve is touched, and no memory cgroup is charged.
 */
#define GFP_SEARCH (__GFP_NOWARN | __GFP_NOMEMALLOC)

/* For what was found, and is free. */
#define GFP_FOUND (GFP_KERNEL_ACCOUNT | __GFP_NOWARN | __GFP_NORETRY)

/* Order of the largest blocks to search in: a zone of 4 GiB is a thousand of them. */
#define ORDER_MAX min_t(unsigned int, MAX_PAGE_ORDER, get_order(SZ_4M))

/* Blocks of one size put aside before larger ones are cut. */
#define TRIES 32

/* Most bytes to put aside: what a search through all below 4 GiB needs, a second at most. */
#define ASIDE_MAX (4ULL * SZ_1G)

#define MORE_THAN_LOW "larger than all below the mask"

/* From the widest zone down; some may be missing, or the same as others. */
static const gfp_t zones[] = { 0, GFP_DMA32, GFP_DMA };

/*
 * One search at a time: two would hide memory from each other, and together hold
 * all there is.
 */
static DEFINE_MUTEX(search_lock);

/**
 * struct search - for blocks that serve
 * @needs: what they are to serve
 * @bytes: that must serve in one piece, from the start of a block
 * @min: order of the smallest block that is of use
 * @next_zone: index in zones[]
 * @zone: now in use, of zones[]
 * @all_serve: all memory of @zone ends below the limit; what follows is for a zone
 *	of which a part does
 * @order: of the next block
 * @climbs: @order grows while blocks do not serve; later it only shrinks, when no
 *	more are free
 * @tries: blocks put aside since @order grew
 * @room: bytes that may still be put aside
 * @aside: blocks that do not serve, of &page.lru; page_private() is the order
 * @reason: why a search found no more, or NULL
 */
struct search {
	const struct dmabuf_constraints *needs;
	u64 bytes;
	unsigned int min;
	unsigned int next_zone;
	gfp_t zone;
	bool all_serve;
	unsigned int order;
	bool climbs;
	unsigned int tries;
	u64 room;
	struct list_head aside;
	const char *reason;
};

/**
 * dmabuf_search_serves - tell whether contiguous memory lies where devices need it
 * @page: the first page
 * @bytes: its length
 * @needs: of the devices
 *
 * Context: any.
 * Return: true if it does.
 */
bool dmabuf_search_serves(struct page *page, u64 bytes, const struct dmabuf_constraints *needs)
{
	u64 first = page_to_phys(page);
	u64 last = first + bytes - 1;

	/* Where one segment is all there may be, nothing may cut it. */
	if (needs->max_segs == 1 && (first ^ last) & ~needs->seg_boundary)
		return false;
	return last <= needs->dma_mask && !(first & (needs->align - 1));
}

/**
 * dmabuf_search_available - tell how much memory there is to take
 *
 * Context: any.
 * Return: bytes, anywhere but in highmem; some may have to be reclaimed first.
 */
u64 dmabuf_search_available(void)
{
	struct sysinfo info;

	si_meminfo(&info);
	return (u64)max(si_mem_available() - (long)info.freehigh, 0L) << PAGE_SHIFT;
}

/* Physical addresses of a zone on all nodes: the first, and the last of it and lower zones. */
static void zone_span(enum zone_type type, u64 *first, u64 *last)
{
	int nid, i;

	*first = U64_MAX;
	*last = 0;
	for_each_online_node(nid) {
		for (i = 0; i <= type; i++) {
			struct zone *zone = &NODE_DATA(nid)->node_zones[i];

			if (!populated_zone(zone))
				continue;
			*last = max_t(u64, *last, PFN_PHYS(zone_end_pfn(zone)) - 1);
			if (i == type)
				*first = min_t(u64, *first, PFN_PHYS(zone->zone_start_pfn));
		}
	}
}

static void search_init(struct search *search, const struct dmabuf_constraints *needs, u64 bytes,
			unsigned int min)
{
	*search = (struct search) {
		.needs = needs,
		.bytes = bytes,
		.min = min,
		.aside = LIST_HEAD_INIT(search->aside),
	};
}

/*
 * Turns to the next zone that has memory below the limit, for @bytes of it.  The
 * inverse is search_zone_end().  Returns false if there is none, or the task is
 * being killed.
 */
static bool search_zone_begin(struct search *search, u64 bytes)
{
	u64 first, last, available;
	enum zone_type type;

	/* The allocator itself turns to lower zones, so there is nothing more in them. */
	if (search->all_serve)
		return false;
	do {
		if (search->next_zone == ARRAY_SIZE(zones))
			return false;
		search->zone = zones[search->next_zone++];
		type = gfp_zone(search->zone);
		zone_span(type, &first, &last);
		/* Without a zone for it GFP_DMA32 or GFP_DMA means all memory. */
	} while (first > search->needs->dma_mask || (search->zone && type == gfp_zone(0)));

	search->all_serve = last <= search->needs->dma_mask;
	if (search->all_serve)
		return !fatal_signal_pending(current);
	if (mutex_lock_killable(&search_lock))
		return false;
	search->order = search->min;
	search->climbs = true;
	search->tries = 0;
	available = dmabuf_search_available();
	search->room = available > bytes ? min((available - bytes) / 2, ASIDE_MAX) : 0;
	return true;
}

static void search_zone_end(struct search *search)
{
	struct page *page, *next;

	if (search->all_serve)
		return;
	list_for_each_entry_safe(page, next, &search->aside, lru) {
		unsigned int order = page_private(page);

		list_del(&page->lru);
		set_page_private(page, 0);
		__free_pages(page, order);
		cond_resched();
	}
	mutex_unlock(&search_lock);
}

static bool search_serves(struct search *search, struct page *page)
{
	return dmabuf_search_serves(page, search->bytes, search->needs);
}

static void search_put_aside(struct search *search, struct page *page)
{
	set_page_private(page, search->order);
	list_add(&page->lru, &search->aside);
	search->room -= PAGE_SIZE << search->order;

	if (search->climbs && ++search->tries == TRIES) {
		search->tries = 0;
		search->climbs = search->order < ORDER_MAX;
		search->order += search->climbs;
	}
}

/* A block of &search.order, or NULL if there is none, or no room to put it aside. */
static struct page *search_try(struct search *search)
{
	struct page *page;

	if (PAGE_SIZE << search->order > search->room) {
		search->reason = "half of what is free was looked at, and lies beyond the mask";
		return NULL;
	}
	page = alloc_pages(GFP_SEARCH | search->zone, search->order);
	if (!page) {
		search->reason = "what is free lies beyond the mask, or is too fragmented";
		return NULL;
	}
	if (!search_serves(search, page))
		return page;
	/*
	 * Only the allocator can charge the memory cgroup.  What was given back is
	 * the next that it gives; if it is not, the search goes on.
	 */
	__free_pages(page, search->order);
	page = alloc_pages(GFP_FOUND | search->zone, search->order);
	if (!page)
		search->reason = "the memory cgroup is at its limit, or others were faster";
	return page;
}

/*
 * Returns the next block that serves, or NULL; &search.order is its order.  Some of
 * what lies beyond the first &search.bytes of it may not serve.
 */
static struct page *search_take(struct search *search)
{
	struct page *page;

	if (search->all_serve) {
		search->order = search->min;
		page = alloc_pages(DMABUF_BACKING_GFP | search->zone, search->order);
		if (!page || search_serves(search, page))
			return page;
		__free_pages(page, search->order);
		return NULL;
	}
	while (!fatal_signal_pending(current)) {
		cond_resched();
		page = search_try(search);
		if (page && search_serves(search, page))
			return page;
		if (page) {
			search_put_aside(search, page);
		} else {
			if (search->order == search->min)
				return NULL;
			search->order--;
			search->climbs = false;
		}
	}
	return NULL;
}

static int search_error(const struct search *search, const char **reason)
{
	if (search->reason)
		*reason = search->reason;
	else if (!search->all_serve)
		*reason = "no memory lies below the mask";
	else
		*reason = search->min ? "memory is too fragmented or too full" : "memory is full";
	return fatal_signal_pending(current) ? -EINTR : -ENOMEM;
}

/**
 * dmabuf_search_pages - take single pages that serve devices
 * @pages: filled in
 * @n: how many
 * @needs: of the devices
 * @reason: set on failure, to words for the log
 *
 * They hold what was in them before.
 *
 * Context: process context; may sleep; takes the lock of searches.
 * Return: 0, or
 * * -ENOMEM: there are not as many; none is taken
 * * -EINTR: the task is being killed
 */
int dmabuf_search_pages(struct page **pages, unsigned long n,
			const struct dmabuf_constraints *needs, const char **reason)
{
	struct search search;
	unsigned long got = 0;
	struct page *page;
	unsigned int i;

	if (((u64)n << PAGE_SHIFT) - 1 > needs->dma_mask) {
		*reason = MORE_THAN_LOW;
		return -ENOMEM;
	}
	search_init(&search, needs, PAGE_SIZE, 0);
	while (got < n && search_zone_begin(&search, (u64)(n - got) << PAGE_SHIFT)) {
		while (got < n && (page = search_take(&search))) {
			split_page(page, search.order);
			for (i = 0; i < 1U << search.order; i++) {
				if (got < n && search_serves(&search, page + i))
					pages[got++] = page + i;
				else
					__free_page(page + i);
			}
			if (fatal_signal_pending(current))
				break;
			cond_resched();
		}
		search_zone_end(&search);
	}
	if (got == n)
		return 0;
	while (got)
		__free_page(pages[--got]);
	return search_error(&search, reason);
}

/**
 * dmabuf_search_block - take contiguous pages that serve devices
 * @n: how many
 * @needs: of the devices
 * @reason: set on failure, to words for the log
 *
 * They hold what was in them before, and each of them is to be freed by itself.
 *
 * Context: process context; may sleep; takes the lock of searches.
 * Return: the first page, or
 * * ERR_PTR(-ENOMEM): there are none
 * * ERR_PTR(-EINTR): the task is being killed
 */
struct page *dmabuf_search_block(unsigned long n, const struct dmabuf_constraints *needs,
				 const char **reason)
{
	u64 bytes = (u64)n << PAGE_SHIFT;
	struct page *page = NULL;
	struct search search;
	unsigned long i;

	if (bytes - 1 > needs->dma_mask) {
		*reason = MORE_THAN_LOW;
		return ERR_PTR(-ENOMEM);
	}
	/* Blocks are aligned to their size. */
	search_init(&search, needs, bytes, get_order(max_t(u64, bytes, needs->align)));
	if (search.min > MAX_PAGE_ORDER) {
		*reason = "larger than the largest block";
		return ERR_PTR(-ENOMEM);
	}
	if (needs->max_segs == 1 && bytes - 1 > needs->seg_boundary) {
		*reason = "longer than a segment may be";
		return ERR_PTR(-ENOMEM);
	}
	while (!page && search_zone_begin(&search, bytes)) {
		page = search_take(&search);
		search_zone_end(&search);
	}
	if (!page)
		return ERR_PTR(search_error(&search, reason));

	split_page(page, search.order);
	for (i = n; i < 1UL << search.order; i++)
		__free_page(page + i);
	return page;
}
