// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of dmabuf-test-placement: real pages, at made-up addresses.
 */
#include <linux/bits.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../../dmabuf-core/compat.h"
#include "placement.h"

/* Highest addresses, as the storage claims them. */
#define PLACE_BLOCK_LAST (BIT_ULL(DMABUF_TEST_PLACE_BLOCK_BITS) - 1)
#define PLACE_PAGES_LAST (BIT_ULL(44) - 1)

/* What new memory is full of where it need not be cleared, and what is freed. */
#define PLACE_STALE 0xa5
#define PLACE_FREED 0x5a

/*
 * The same memory is mapped several times at once, and nothing is to be synced:
 * the made-up devices see the CPU's caches.
 */
#define PLACE_MAP_ATTRS DMA_ATTR_SKIP_CPU_SYNC

/**
 * struct place_sgt - one mapping; all immutable
 * @sgt: what the importer sees
 * @storage: that it maps
 * @direction: asked for
 */
struct place_sgt {
	struct sg_table sgt;
	struct place_storage *storage;
	enum dma_data_direction direction;
};

/* Not every page can be a segment of its own. */
bool place_needs_block(size_t bytes, const struct dmabuf_constraints *needs)
{
	return needs->max_segs < DIV_ROUND_UP(bytes, PAGE_SIZE);
}

unsigned long place_storage_pages(const struct place_storage *storage)
{
	return (unsigned long)storage->nr_pages << storage->order;
}

struct page *place_storage_page(const struct place_storage *storage, unsigned long index)
{
	return storage->pages[index >> storage->order] +
	       (index & ((1UL << storage->order) - 1));
}

static void place_storage_fill(struct place_storage *storage, int value)
{
	unsigned long i;

	for (i = 0; i < place_storage_pages(storage); i++)
		memset_page(place_storage_page(storage, i), 0, value, PAGE_SIZE);
}

void place_storage_free(struct place_storage *storage)
{
	/* Who still looks at it by an old page table entry sees that. */
	place_storage_fill(storage, PLACE_FREED);
	while (storage->nr_pages--)
		__free_pages(storage->pages[storage->nr_pages], storage->order);
	kfree(storage);
}

struct place_storage *place_storage_alloc(const struct place_record *record,
					  const struct dmabuf_constraints *needs, bool fresh)
{
	bool block = place_needs_block(record->bytes, needs);
	unsigned int n = block ? 1 : DIV_ROUND_UP(record->bytes, PAGE_SIZE);
	struct place_storage *storage;

	if (block && needs->dma_mask < PLACE_BLOCK_LAST)
		return ERR_PTR(-ENOMEM);
	storage = kzalloc(struct_size(storage, pages, n), GFP_KERNEL);
	if (!storage)
		return ERR_PTR(-ENOMEM);
	storage->order = block ? get_order(record->bytes) : 0;
	while (storage->nr_pages < n) {
		struct page *page = alloc_pages(GFP_KERNEL, storage->order);

		if (!page) {
			place_storage_free(storage);
			return ERR_PTR(-ENOMEM);
		}
		storage->pages[storage->nr_pages++] = page;
	}
	place_storage_fill(storage, fresh ? 0 : PLACE_STALE);
	storage->base.kind = block ? "a block" : "pages";
	storage->base.chunks = n;
	storage->base.last = min_t(u64, needs->dma_mask,
				   block ? PLACE_BLOCK_LAST : PLACE_PAGES_LAST);
	return storage;
}

struct sg_table *place_storage_map(struct place_storage *storage, struct device *dev,
				   size_t bytes, enum dma_data_direction direction)
{
	struct place_sgt *map = kzalloc(sizeof(*map), GFP_KERNEL);
	struct scatterlist *sg;
	unsigned int i;
	int ret;

	if (!map)
		return ERR_PTR(-ENOMEM);
	map->storage = storage;
	map->direction = direction;
	ret = sg_alloc_table(&map->sgt, storage->nr_pages, GFP_KERNEL);
	if (ret)
		goto err_free;
	for_each_sgtable_sg(&map->sgt, sg, i) {
		size_t length = min_t(size_t, bytes, PAGE_SIZE << storage->order);

		sg_set_page(sg, storage->pages[i], length, 0);
		bytes -= length;
	}
	ret = dma_map_sgtable(dev, &map->sgt, direction, PLACE_MAP_ATTRS);
	if (ret)
		goto err_table;
	return &map->sgt;

err_table:
	sg_free_table(&map->sgt);
err_free:
	kfree(map);
	return ERR_PTR(ret);
}

/* Return: what was mapped. */
struct place_storage *place_storage_unmap(struct device *dev, struct sg_table *sgt)
{
	struct place_sgt *map = container_of(sgt, struct place_sgt, sgt);
	struct place_storage *storage = map->storage;

	dma_unmap_sgtable(dev, sgt, map->direction, PLACE_MAP_ATTRS);
	sg_free_table(sgt);
	kfree(map);
	return storage;
}
