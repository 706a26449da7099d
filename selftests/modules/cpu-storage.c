// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of the exporter of dmabuf-test-cpu, mapped for devices and for the kernel, and
 * what the placement layer calls for it.
 */
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "../../dmabuf-core/compat.h"
#include "cpu-record.h"

/* Nobody is left to let an op go on, if the test failed. */
#define ACC_HOLD_TIMEOUT (60 * HZ)

/* What memory is full of that is freed, or not yet moved to. */
#define ACC_FREED 0x5a
#define ACC_STALE 0xa5

/*
 * The same memory is mapped several times at once, and nothing is to be synced: for
 * devices that see the CPU's caches.
 */
#define ACC_MAP_ATTRS DMA_ATTR_SKIP_CPU_SYNC

/**
 * struct acc_sgt - one mapping; all immutable
 * @sgt: what the importer sees
 * @direction: asked for
 */
struct acc_sgt {
	struct sg_table sgt;
	enum dma_data_direction direction;
};

static __printf(2, 3) void acc_log_locked(struct acc_record *record, const char *fmt, ...)
{
	size_t used = strlen(record->log);
	va_list args;

	if (used && used < sizeof(record->log) - 1)
		record->log[used++] = ' ';
	va_start(args, fmt);
	vsnprintf(record->log + used, sizeof(record->log) - used, fmt, args);
	va_end(args);
}

/* Counts the call, and waits for as long as it is told.  Returns what the op is to return. */
int acc_op(struct acc_record *record, enum dmabuf_test_cpu_op op)
{
	long left;
	int ret;

	might_sleep();
	spin_lock(&record->lock);
	record->counts[op]++;
	record->held[op]++;
	spin_unlock(&record->lock);
	left = wait_event_timeout(record->wait, !(READ_ONCE(record->hold) & BIT(op)),
				  ACC_HOLD_TIMEOUT);
	spin_lock(&record->lock);
	acc_expect_locked(record, left, "nobody lets the op go on");
	record->held[op]--;
	ret = record->errors[op];
	spin_unlock(&record->lock);
	return ret;
}

static void acc_fill(struct acc_storage *storage, int value)
{
	unsigned int i;

	for (i = 0; i < storage->nr_pages; i++)
		memset_page(storage->pages[i], 0, value, PAGE_SIZE);
}

static void acc_pages_free(struct acc_storage *storage)
{
	/* Who still looks at it by an old address sees that. */
	acc_fill(storage, ACC_FREED);
	while (storage->nr_pages--)
		__free_page(storage->pages[storage->nr_pages]);
	kfree(storage);
}

struct acc_storage *acc_storage_alloc(struct acc_record *record, int value)
{
	unsigned int n = DIV_ROUND_UP(record->bytes, PAGE_SIZE);
	struct acc_storage *storage = kzalloc(struct_size(storage, pages, n), GFP_KERNEL);

	if (!storage)
		return NULL;
	while (storage->nr_pages < n) {
		struct page *page = alloc_page(GFP_KERNEL);

		if (!page) {
			acc_pages_free(storage);
			return NULL;
		}
		storage->pages[storage->nr_pages++] = page;
	}
	acc_fill(storage, value);
	spin_lock(&record->lock);
	storage->number = ++record->last_number;
	record->live++;
	acc_log_locked(record, "alloc%u", storage->number);
	spin_unlock(&record->lock);
	return storage;
}

/* Storage, for both kinds of exporters */

void acc_storage_free(struct acc_record *record, struct acc_storage *storage)
{
	spin_lock(&record->lock);
	acc_expect_locked(record, !storage->vmapped, "free of what the kernel has an address of");
	record->live--;
	acc_log_locked(record, "free%u", storage->number);
	spin_unlock(&record->lock);
	acc_pages_free(storage);
}

struct sg_table *acc_storage_map(struct acc_record *record, struct acc_storage *storage,
				 struct device *dev, enum dma_data_direction direction)
{
	struct acc_sgt *map = kzalloc(sizeof(*map), GFP_KERNEL);
	int ret;

	if (!map)
		return ERR_PTR(-ENOMEM);
	map->direction = direction;
	ret = sg_alloc_table_from_pages(&map->sgt, storage->pages, storage->nr_pages, 0,
					record->bytes, GFP_KERNEL);
	if (ret)
		goto err_free;
	ret = dma_map_sgtable(dev, &map->sgt, direction, ACC_MAP_ATTRS);
	if (ret)
		goto err_table;
	spin_lock(&record->lock);
	acc_log_locked(record, "map%u", storage->number);
	spin_unlock(&record->lock);
	return &map->sgt;

err_table:
	sg_free_table(&map->sgt);
err_free:
	kfree(map);
	return ERR_PTR(ret);
}

void acc_storage_unmap(struct acc_record *record, struct acc_storage *storage,
		       struct device *dev, struct sg_table *sgt)
{
	struct acc_sgt *map = container_of(sgt, struct acc_sgt, sgt);

	dma_unmap_sgtable(dev, sgt, map->direction, ACC_MAP_ATTRS);
	sg_free_table(sgt);
	kfree(map);
	spin_lock(&record->lock);
	acc_log_locked(record, "unmap%u", storage->number);
	spin_unlock(&record->lock);
}

int acc_storage_vmap(struct acc_record *record, struct acc_storage *storage,
		     struct iosys_map *map)
{
	int ret = acc_op(record, DMABUF_TEST_CPU_VMAP);
	void *address = NULL;

	if (!ret) {
		address = vmap(storage->pages, storage->nr_pages, VM_MAP, PAGE_KERNEL);
		if (!address)
			ret = -ENOMEM;
	}
	spin_lock(&record->lock);
	if (!ret) {
		iosys_map_set_vaddr(map, address);
		storage->vmapped++;
		record->vmapped++;
	}
	acc_log_locked(record, ret ? "vmap!%u" : "vmap%u", storage->number);
	spin_unlock(&record->lock);
	return ret;
}

void acc_storage_vunmap(struct acc_record *record, struct acc_storage *storage,
			struct iosys_map *map)
{
	might_sleep();
	spin_lock(&record->lock);
	record->counts[DMABUF_TEST_CPU_VUNMAP]++;
	acc_expect_locked(record, storage->vmapped, "vunmap of what the kernel has no address of");
	storage->vmapped--;
	record->vmapped--;
	acc_log_locked(record, "vunmap%u", storage->number);
	spin_unlock(&record->lock);
	vunmap(map->vaddr);
}

/* The placement layer */

static struct dmabuf_storage *acc_layer_alloc(struct dmabuf *dmabuf,
					      const struct dmabuf_constraints *needs,
					      const struct dmabuf_storage *from)
{
	struct acc_storage *storage = acc_storage_alloc(dmabuf->priv, from ? ACC_STALE : 0);

	if (!storage)
		return ERR_PTR(-ENOMEM);
	storage->base.kind = "pages";
	storage->base.chunks = storage->nr_pages;
	/* Where it claims to lie is made up. */
	storage->base.last = needs->dma_mask;
	return &storage->base;
}

static void acc_layer_free(struct dmabuf *dmabuf, struct dmabuf_storage *base)
{
	acc_storage_free(dmabuf->priv, acc_storage_of(base));
}

static struct sg_table *acc_layer_map(struct dmabuf_attachment *attachment,
				      struct dmabuf_storage *base,
				      enum dma_data_direction direction)
{
	return acc_storage_map(attachment->dmabuf->priv, acc_storage_of(base), attachment->dev,
			       direction);
}

static void acc_layer_unmap(struct dmabuf_attachment *attachment, struct dmabuf_storage *base,
			    struct sg_table *sgt)
{
	acc_storage_unmap(attachment->dmabuf->priv, acc_storage_of(base), attachment->dev, sgt);
}

static int acc_layer_vmap(struct dmabuf *dmabuf, struct dmabuf_storage *base,
			  struct iosys_map *map)
{
	return acc_storage_vmap(dmabuf->priv, acc_storage_of(base), map);
}

static void acc_layer_vunmap(struct dmabuf *dmabuf, struct dmabuf_storage *base,
			     struct iosys_map *map)
{
	acc_storage_vunmap(dmabuf->priv, acc_storage_of(base), map);
}

static int acc_layer_move(struct dmabuf *dmabuf, struct dmabuf_storage *base_from,
			  struct dmabuf_storage *base_to)
{
	struct acc_storage *from = acc_storage_of(base_from), *to = acc_storage_of(base_to);
	struct acc_record *record = dmabuf->priv;
	unsigned int i;
	int ret;

	spin_lock(&record->lock);
	acc_expect_locked(record, !from->vmapped, "move of what the kernel has an address of");
	spin_unlock(&record->lock);
	for (i = 0; i < from->nr_pages; i++)
		copy_highpage(to->pages[i], from->pages[i]);
	ret = acc_op(record, DMABUF_TEST_CPU_MOVE);
	spin_lock(&record->lock);
	acc_log_locked(record, ret ? "move!%u>%u" : "move%u>%u", from->number, to->number);
	spin_unlock(&record->lock);
	return ret;
}

/* With all optional ones. */
const struct dmabuf_placement_ops acc_layer_ops = {
	.alloc = acc_layer_alloc,
	.free = acc_layer_free,
	.map = acc_layer_map,
	.unmap = acc_layer_unmap,
	.vmap = acc_layer_vmap,
	.vunmap = acc_layer_vunmap,
	.move = acc_layer_move,
};
