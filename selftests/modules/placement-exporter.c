// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ops of dmabuf-test-placement: they fail and wait as they are told, write
 * down in which order they were called, and look whether the layer keeps what
 * placement.h promises to an exporter.
 */
#include <linux/err.h>
#include <linux/highmem.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/pfn.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../../dmabuf-core/compat.h"
#include "placement.h"

/* For a test that died and cannot let go any more. */
#define PLACE_HOLD_TIMEOUT (60 * HZ)

/* Notes that the layer did not keep a promise; the test looks at the count. */
#define place_expect_locked(record, condition, promise) do {			\
	struct place_record *_record = (record);				\
										\
	lockdep_assert_held(&_record->lock);					\
	if (!(condition)) {							\
		_record->broken++;						\
		pr_err("dmabuf-test-placement: buffer %llu, after \"%s\": %s\n",	\
		       _record->id, _record->log, promise);			\
	}									\
} while (0)

static struct place_storage *to_storage(const struct dmabuf_storage *base)
{
	return base ? container_of(base, struct place_storage, base) : NULL;
}

static bool place_is_alive_locked(struct place_record *record,
				  const struct place_storage *storage)
{
	struct place_storage *pos;

	list_for_each_entry(pos, &record->storages, node)
		if (pos == storage)
			return true;
	return false;
}

static __printf(2, 3) void place_log_locked(struct place_record *record, const char *fmt, ...)
{
	size_t used = strlen(record->log);
	va_list args;

	if (used && used < sizeof(record->log) - 1)
		record->log[used++] = ' ';
	va_start(args, fmt);
	vsnprintf(record->log + used, sizeof(record->log) - used, fmt, args);
	va_end(args);
}

static bool place_is_alone(enum dmabuf_test_place_op op)
{
	return op != DMABUF_TEST_PLACE_MAP && op != DMABUF_TEST_PLACE_UNMAP;
}

static void place_begin_locked(struct place_record *record, enum dmabuf_test_place_op op)
{
	place_expect_locked(record, !record->alone, "an op beside one that has to be alone");
	if (place_is_alone(op)) {
		place_expect_locked(record, !record->shared,
				    "an op that has to be alone, beside map or unmap");
		record->alone++;
	} else {
		record->shared++;
	}
}

static void place_end_locked(struct place_record *record, enum dmabuf_test_place_op op)
{
	record->counts[op]++;
	if (place_is_alone(op))
		record->alone--;
	else
		record->shared--;
}

/* @number: of the call, among those that are held */
static bool place_goes_on(const struct place_record *record, u32 bit, u32 number)
{
	return !(READ_ONCE(record->hold) & bit) || number < READ_ONCE(record->passes);
}

/* Waits for as long as it is told.  Returns what the op is to return. */
static int place_hold(struct place_record *record, enum dmabuf_test_place_op op)
{
	u32 bit = BIT(op), number = 0;
	bool killable;
	long left;
	int ret;

	spin_lock(&record->lock);
	killable = record->killable & bit;
	if (record->hold & bit)
		number = record->arrived++;
	record->held[op]++;
	spin_unlock(&record->lock);
	if (killable)
		left = wait_event_killable_timeout(record->wait,
						   place_goes_on(record, bit, number),
						   PLACE_HOLD_TIMEOUT);
	else
		left = wait_event_timeout(record->wait, place_goes_on(record, bit, number),
					  PLACE_HOLD_TIMEOUT);
	spin_lock(&record->lock);
	place_expect_locked(record, left, "nobody lets the op go on");
	record->held[op]--;
	ret = left < 0 ? -EINTR : record->errors[op];
	spin_unlock(&record->lock);
	return ret;
}

/* The layer's own collation, done once more: all that are attached, mapped or not. */
static void place_collate(struct dmabuf *dmabuf, struct dmabuf_constraints *needs)
{
	struct dmabuf_attachment *attachment;

	dmabuf_constraints_init(needs);
	spin_lock(&dmabuf->lock);
	list_for_each_entry(attachment, &dmabuf->attachments, node)
		dmabuf_constraints_merge(needs, &attachment->needs);
	spin_unlock(&dmabuf->lock);
}

static bool place_same_needs(const struct dmabuf_constraints *a,
			     const struct dmabuf_constraints *b)
{
	return a->dma_mask == b->dma_mask && a->seg_boundary == b->seg_boundary &&
	       a->max_seg_size == b->max_seg_size && a->max_segs == b->max_segs &&
	       a->align == b->align;
}

static struct dmabuf_storage *place_alloc(struct dmabuf *dmabuf,
					  const struct dmabuf_constraints *needs,
					  const struct dmabuf_storage *from)
{
	struct place_record *record = dmabuf->priv;
	struct dmabuf_constraints collated;
	struct place_storage *storage;
	char lies_in[16] = "";
	int ret;

	might_sleep();
	place_collate(dmabuf, &collated);
	spin_lock(&record->lock);
	place_begin_locked(record, DMABUF_TEST_PLACE_ALLOC);
	record->needs = *needs;
	place_expect_locked(record, place_same_needs(needs, &collated),
			    "alloc for other needs than those of all attached devices");
	place_expect_locked(record, !record->place || to_storage(from) == record->place,
			    "alloc with another \"from\" than where the buffer lies");
	if (from) {
		place_expect_locked(record, place_is_alive_locked(record, to_storage(from)),
				    "alloc with a \"from\" that is freed");
		snprintf(lies_in, sizeof(lies_in), "<%u", to_storage(from)->number);
	}
	spin_unlock(&record->lock);

	ret = place_hold(record, DMABUF_TEST_PLACE_ALLOC);
	storage = ret ? ERR_PTR(ret) : place_storage_alloc(record, needs, !from);

	spin_lock(&record->lock);
	if (IS_ERR(storage)) {
		place_log_locked(record, "alloc!%s", lies_in);
	} else {
		storage->number = ++record->last_number;
		list_add(&storage->node, &record->storages);
		place_log_locked(record, "alloc%u%s", storage->number, lies_in);
	}
	place_end_locked(record, DMABUF_TEST_PLACE_ALLOC);
	spin_unlock(&record->lock);
	return IS_ERR(storage) ? ERR_CAST(storage) : &storage->base;
}

static void place_free(struct dmabuf *dmabuf, struct dmabuf_storage *base)
{
	struct place_storage *storage = to_storage(base);
	struct place_record *record = dmabuf->priv;
	bool alive;

	might_sleep();
	spin_lock(&record->lock);
	place_begin_locked(record, DMABUF_TEST_PLACE_FREE);
	alive = place_is_alive_locked(record, storage);
	place_expect_locked(record, alive, "free of what is no storage, or no more");
	if (alive) {
		place_expect_locked(record, !storage->mapped, "free of what is mapped");
		list_del(&storage->node);
		if (record->place == storage)
			record->place = NULL;
		place_log_locked(record, "free%u", storage->number);
	}
	spin_unlock(&record->lock);

	if (alive)
		place_storage_free(storage);

	spin_lock(&record->lock);
	place_end_locked(record, DMABUF_TEST_PLACE_FREE);
	spin_unlock(&record->lock);
}

/* Somebody finds the buffer in @storage. */
static void place_seen_locked(struct place_record *record, struct place_storage *storage)
{
	place_expect_locked(record, place_is_alive_locked(record, storage),
			    "the buffer lies in what is freed");
	place_expect_locked(record, !record->place || record->place == storage,
			    "the buffer lies where no move brought it");
	place_expect_locked(record, !record->moving, "the buffer is used while it moves");
	record->place = storage;
}

static struct sg_table *place_map(struct dmabuf_attachment *attachment,
				  struct dmabuf_storage *base,
				  enum dma_data_direction direction)
{
	struct place_record *record = attachment->dmabuf->priv;
	struct place_storage *storage = to_storage(base);
	struct sg_table *sgt;
	int ret;

	might_sleep();
	spin_lock(&record->lock);
	place_begin_locked(record, DMABUF_TEST_PLACE_MAP);
	place_seen_locked(record, storage);
	storage->mapped++;
	spin_unlock(&record->lock);

	ret = place_hold(record, DMABUF_TEST_PLACE_MAP);
	sgt = ret ? ERR_PTR(ret) : place_storage_map(storage, attachment->dev, record->bytes,
						     direction);

	spin_lock(&record->lock);
	if (IS_ERR(sgt))
		storage->mapped--;
	place_log_locked(record, IS_ERR(sgt) ? "map!%u" : "map%u", storage->number);
	place_end_locked(record, DMABUF_TEST_PLACE_MAP);
	spin_unlock(&record->lock);
	return sgt;
}

static void place_unmap(struct dmabuf_attachment *attachment, struct dmabuf_storage *base,
			struct sg_table *sgt)
{
	struct place_record *record = attachment->dmabuf->priv;
	struct place_storage *mapped, *storage = to_storage(base);

	might_sleep();
	spin_lock(&record->lock);
	place_begin_locked(record, DMABUF_TEST_PLACE_UNMAP);
	place_seen_locked(record, storage);
	spin_unlock(&record->lock);

	mapped = place_storage_unmap(attachment->dev, sgt);

	spin_lock(&record->lock);
	place_expect_locked(record, mapped == storage, "unmap of another storage than was mapped");
	mapped->mapped--;
	place_log_locked(record, "unmap%u", storage->number);
	place_end_locked(record, DMABUF_TEST_PLACE_UNMAP);
	spin_unlock(&record->lock);
}

static void place_copy(struct place_storage *from, struct place_storage *to,
		       unsigned long first, unsigned long end)
{
	unsigned long i;

	for (i = first; i < end; i++)
		copy_highpage(place_storage_page(to, i), place_storage_page(from, i));
}

static int place_move(struct dmabuf *dmabuf, struct dmabuf_storage *base_from,
		      struct dmabuf_storage *base_to)
{
	struct place_storage *from = to_storage(base_from), *to = to_storage(base_to);
	struct place_record *record = dmabuf->priv;
	unsigned long pages = DIV_ROUND_UP(record->bytes, PAGE_SIZE);
	int ret;

	might_sleep();
	spin_lock(&record->lock);
	place_begin_locked(record, DMABUF_TEST_PLACE_MOVE);
	place_seen_locked(record, from);
	place_expect_locked(record, place_is_alive_locked(record, to) && from != to,
			    "move to what is freed, or on the spot");
	place_expect_locked(record, !from->mapped && !to->mapped, "move of what is mapped");
	record->moving = true;
	spin_unlock(&record->lock);

	place_copy(from, to, 0, pages / 2);
	ret = place_hold(record, DMABUF_TEST_PLACE_MOVE);
	if (!ret)
		place_copy(from, to, pages / 2, pages);

	spin_lock(&record->lock);
	record->moving = false;
	if (!ret)
		record->place = to;
	place_log_locked(record, ret ? "move!%u>%u" : "move%u>%u", from->number, to->number);
	place_end_locked(record, DMABUF_TEST_PLACE_MOVE);
	spin_unlock(&record->lock);
	return ret;
}

static void place_zap(struct dmabuf *dmabuf)
{
	struct place_record *record = dmabuf->priv;

	might_sleep();
	spin_lock(&record->lock);
	place_begin_locked(record, DMABUF_TEST_PLACE_ZAP);
	spin_unlock(&record->lock);

	dmabuf_unmap_pages(record->inode->i_mapping, record->id << PLACE_MMAP_PAGES_SHIFT,
			   PFN_UP(record->bytes));

	spin_lock(&record->lock);
	place_log_locked(record, "zap");
	place_end_locked(record, DMABUF_TEST_PLACE_ZAP);
	spin_unlock(&record->lock);
}

/* Counts the call.  Returns whether the op is told to say no. */
static bool place_says_no(struct place_record *record, enum dmabuf_test_place_op op)
{
	bool no;

	might_sleep();
	no = place_hold(record, op);
	spin_lock(&record->lock);
	record->counts[op]++;
	spin_unlock(&record->lock);
	return no;
}

static bool place_missed(struct dmabuf_miss *miss, enum dmabuf_constraint which, u64 allowed,
			 u64 actual)
{
	*miss = (struct dmabuf_miss) { .which = which, .allowed = allowed, .actual = actual };
	return false;
}

static bool place_serves(struct dmabuf_attachment *attachment, struct dmabuf_storage *storage,
			 struct dmabuf_miss *miss)
{
	struct place_record *record = attachment->dmabuf->priv;
	const struct dmabuf_constraints *needs = &attachment->needs;

	if (place_says_no(record, DMABUF_TEST_PLACE_SERVES))
		return place_missed(miss, DMABUF_CONSTRAINT_ALIGN, needs->align, 1);
	if (storage->last > needs->dma_mask)
		return place_missed(miss, DMABUF_CONSTRAINT_DMA_MASK, needs->dma_mask,
				    storage->last);
	if (storage->chunks > needs->max_segs)
		return place_missed(miss, DMABUF_CONSTRAINT_MAX_SEGS, needs->max_segs,
				    storage->chunks);
	return true;
}

static bool place_possible(struct dmabuf_attachment *attachment,
			   const struct dmabuf_constraints *needs, struct dmabuf_miss *miss)
{
	struct place_record *record = attachment->dmabuf->priv;
	u64 best = BIT_ULL(DMABUF_TEST_PLACE_BLOCK_BITS) - 1;

	if (place_says_no(record, DMABUF_TEST_PLACE_POSSIBLE))
		return place_missed(miss, DMABUF_CONSTRAINT_ALIGN, needs->align, 1);
	if (place_needs_block(record->bytes, needs) && needs->dma_mask < best)
		return place_missed(miss, DMABUF_CONSTRAINT_DMA_MASK, needs->dma_mask, best);
	return true;
}

/* With all optional ones. */
const struct dmabuf_placement_ops place_ops = {
	.alloc = place_alloc,
	.free = place_free,
	.map = place_map,
	.unmap = place_unmap,
	.move = place_move,
	.zap = place_zap,
	.serves = place_serves,
	.possible = place_possible,
};

void place_release(struct dmabuf *dmabuf)
{
	struct place_record *record = dmabuf->priv;

	might_sleep();
	spin_lock(&record->lock);
	place_expect_locked(record, list_empty(&record->storages),
			    "release before the storage is freed");
	place_expect_locked(record, !record->released, "a second release");
	record->released++;
	spin_unlock(&record->lock);
	place_record_put(record);
}

vm_fault_t place_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct dmabuf *dmabuf = vma->vm_private_data;
	struct place_record *record = dmabuf->priv;
	unsigned long index = vmf->pgoff & ((1UL << PLACE_MMAP_PAGES_SHIFT) - 1);
	struct place_storage *storage;
	struct dmabuf_storage *base;
	vm_fault_t result;

	spin_lock(&record->lock);
	record->faults++;
	spin_unlock(&record->lock);
	base = dmabuf_storage_lock(dmabuf);
	spin_lock(&record->lock);
	record->faults--;
	if (!IS_ERR(base))
		place_seen_locked(record, to_storage(base));
	spin_unlock(&record->lock);
	if (IS_ERR(base))
		return VM_FAULT_SIGBUS;

	storage = to_storage(base);
	result = vmf_insert_pfn(vma, vmf->address,
				page_to_pfn(place_storage_page(storage, index)));
	dmabuf_storage_unlock(dmabuf);
	return result;
}

struct place_record *place_record_make(size_t bytes, struct inode *inode)
{
	static atomic64_t last_id;
	struct place_record *record = kzalloc(sizeof(*record), GFP_KERNEL);

	if (!record)
		return NULL;
	kref_init(&record->kref);
	record->id = atomic64_inc_return(&last_id);
	record->bytes = bytes;
	ihold(inode);
	record->inode = inode;
	init_waitqueue_head(&record->wait);
	spin_lock_init(&record->lock);
	INIT_LIST_HEAD(&record->storages);
	return record;
}

static void place_record_free(struct kref *kref)
{
	struct place_record *record = container_of(kref, struct place_record, kref);

	iput(record->inode);
	kfree(record);
}

void place_record_put(struct place_record *record)
{
	kref_put(&record->kref, place_record_free);
}
