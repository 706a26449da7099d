// SPDX-License-Identifier: GPL-2.0-only
/*
 * The exporter of dmabuf-test-ops: its answers, its policy on readers and
 * writers, and a record of what was asked of it that outlives the buffer.
 */
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include "ops.h"

#define OPS_MAX_PAGES 1024
#define OPS_FLAGS (DMABUF_TEST_ATTACH_OP | DMABUF_TEST_DETACH_OP | DMABUF_TEST_ONE_WRITER)

/*
 * The same memory is mapped several times at once, and nothing is to be synced:
 * the made-up devices see the CPU's caches.
 */
#define OPS_MAP_ATTRS DMA_ATTR_SKIP_CPU_SYNC

/**
 * struct ops_record - what is known of one buffer
 * @kref: held by the open file, and by the buffer until its release
 * @flags: of DMABUF_TEST_EXPORT; immutable
 * @size: bytes; immutable
 * @ops: of the buffer; immutable
 * @lock: guards all below but @wait
 * @wait: map ops that wait; woken by unmap, and when @closed becomes false
 * @counts: calls of the ops
 * @attach_error: see &struct dmabuf_test_behave
 * @map_error: likewise
 * @closed: likewise
 * @waiting: map ops that wait
 * @readers: mappings to device
 * @writers: other mappings
 * @pages: the storage; NULL until the first map
 * @nr_pages: of @pages
 * @order: of each of the @pages
 * @collated: attachments that the first map found
 * @constraints: what they need together
 * @release_file_count: seen by the release op
 * @release_module_refs: likewise
 * @release_in_process: likewise
 * @release_intact: likewise
 */
struct ops_record {
	struct kref kref;
	u32 flags;
	size_t size;
	const struct dmabuf_ops *ops;
	struct mutex lock;	/* of all below but the wait queue */
	wait_queue_head_t wait;
	struct dmabuf_test_counts counts;
	int attach_error;
	int map_error;
	bool closed;
	u32 waiting;
	u32 readers;
	u32 writers;
	struct page **pages;
	unsigned int nr_pages;
	unsigned int order;
	u32 collated;
	struct dmabuf_constraints constraints;
	u32 release_file_count;
	u32 release_module_refs;
	bool release_in_process;
	bool release_intact;
};

/**
 * struct ops_sgt - one mapping, from the exporter's side
 * @sgt: what the importer sees
 * @direction: asked for
 */
struct ops_sgt {
	struct sg_table sgt;
	enum dma_data_direction direction;
};

static void ops_record_free(struct kref *kref)
{
	struct ops_record *record = container_of(kref, struct ops_record, kref);

	mutex_destroy(&record->lock);
	kfree(record);
}

static void ops_record_count(struct ops_record *record, u32 *counter)
{
	mutex_lock(&record->lock);
	++*counter;
	mutex_unlock(&record->lock);
}

static int ops_attach(struct dmabuf *dmabuf, struct device *dev,
		      struct dmabuf_attachment *attachment)
{
	struct ops_record *record = dmabuf->priv;
	int ret;

	mutex_lock(&record->lock);
	ret = record->attach_error;
	if (ret)
		record->counts.refused++;
	else
		record->counts.attach++;
	mutex_unlock(&record->lock);
	return ret;
}

static void ops_detach(struct dmabuf *dmabuf, struct dmabuf_attachment *attachment)
{
	struct ops_record *record = dmabuf->priv;

	ops_record_count(record, &record->counts.detach);
}

static void ops_storage_free(struct ops_record *record)
{
	unsigned int i;

	for (i = 0; i < record->nr_pages; i++)
		__free_pages(record->pages[i], record->order);
	kfree(record->pages);
	record->pages = NULL;
	record->nr_pages = 0;
}

/* The first map: one piece if any attached device needs that, else pages. */
static int ops_storage_alloc_locked(struct ops_record *record, struct dmabuf *dmabuf)
{
	unsigned int n;

	lockdep_assert_held(&record->lock);
	record->collated = dmabuf_constraints_collate(dmabuf, &record->constraints);
	n = DIV_ROUND_UP(record->size, PAGE_SIZE);
	record->order = 0;
	if (record->constraints.max_segs < n) {
		record->order = get_order(record->size);
		n = 1;
	}
	record->pages = kcalloc(n, sizeof(*record->pages), GFP_KERNEL);
	if (!record->pages)
		return -ENOMEM;
	while (record->nr_pages < n) {
		struct page *page = alloc_pages(GFP_KERNEL | __GFP_ZERO, record->order);

		if (!page) {
			ops_storage_free(record);
			return -ENOMEM;
		}
		record->pages[record->nr_pages++] = page;
	}
	return 0;
}

static bool ops_may_map_locked(struct ops_record *record, enum dma_data_direction direction)
{
	if (record->closed)
		return false;
	if (!(record->flags & DMABUF_TEST_ONE_WRITER))
		return true;
	return !record->writers && (direction == DMA_TO_DEVICE || !record->readers);
}

/* True, with the user counted in, if it may map now. */
static bool ops_try_enter(struct ops_record *record, enum dma_data_direction direction)
{
	bool may;

	mutex_lock(&record->lock);
	may = ops_may_map_locked(record, direction);
	if (may && direction == DMA_TO_DEVICE)
		record->readers++;
	else if (may)
		record->writers++;
	mutex_unlock(&record->lock);
	return may;
}

static void ops_leave(struct ops_record *record, enum dma_data_direction direction)
{
	mutex_lock(&record->lock);
	if (direction == DMA_TO_DEVICE)
		record->readers--;
	else
		record->writers--;
	mutex_unlock(&record->lock);
	wake_up_all(&record->wait);
}

/* Waits for its turn: for an unmap, or DMABUF_TEST_BEHAVE.  Ends on a signal. */
static int ops_enter(struct ops_record *record, enum dma_data_direction direction)
{
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	int ret = 0;

	ops_record_count(record, &record->waiting);
	add_wait_queue(&record->wait, &wait);
	while (!ops_try_enter(record, direction)) {
		if (signal_pending(current)) {
			ret = -ERESTARTSYS;
			break;
		}
		wait_woken(&wait, TASK_INTERRUPTIBLE, MAX_SCHEDULE_TIMEOUT);
	}
	remove_wait_queue(&record->wait, &wait);
	mutex_lock(&record->lock);
	record->waiting--;
	mutex_unlock(&record->lock);
	return ret;
}

static int ops_fill_sgt(struct ops_record *record, struct dmabuf_attachment *attachment,
			struct ops_sgt *map)
{
	size_t left = record->size;
	struct scatterlist *sg;
	unsigned int i;
	int ret = 0;

	mutex_lock(&record->lock);
	if (!record->pages)
		ret = ops_storage_alloc_locked(record, attachment->dmabuf);
	mutex_unlock(&record->lock);
	if (ret)
		return ret;

	ret = sg_alloc_table(&map->sgt, record->nr_pages, GFP_KERNEL);
	if (ret)
		return ret;
	for_each_sgtable_sg(&map->sgt, sg, i) {
		size_t bytes = min_t(size_t, left, PAGE_SIZE << record->order);

		sg_set_page(sg, record->pages[i], bytes, 0);
		left -= bytes;
	}
	ret = dma_map_sgtable(attachment->dev, &map->sgt, map->direction, OPS_MAP_ATTRS);
	if (ret)
		sg_free_table(&map->sgt);
	return ret;
}

static struct sg_table *ops_map(struct dmabuf_attachment *attachment,
				enum dma_data_direction direction)
{
	struct ops_record *record = attachment->dmabuf->priv;
	int error = READ_ONCE(record->map_error);
	struct ops_sgt *map;
	int ret;

	if (error == DMABUF_TEST_MAP_NULL)
		return NULL;
	if (error)
		return ERR_PTR(error);

	ret = ops_enter(record, direction);
	if (ret)
		return ERR_PTR(ret);
	map = kzalloc(sizeof(*map), GFP_KERNEL);
	if (!map) {
		ret = -ENOMEM;
		goto err_leave;
	}
	map->direction = direction;
	ret = ops_fill_sgt(record, attachment, map);
	if (ret)
		goto err_free;
	ops_record_count(record, &record->counts.map);
	return &map->sgt;

err_free:
	kfree(map);
err_leave:
	ops_leave(record, direction);
	return ERR_PTR(ret);
}

static void ops_unmap(struct dmabuf_attachment *attachment, struct sg_table *sgt)
{
	struct ops_sgt *map = container_of(sgt, struct ops_sgt, sgt);
	struct ops_record *record = attachment->dmabuf->priv;

	dma_unmap_sgtable(attachment->dev, sgt, map->direction, OPS_MAP_ATTRS);
	sg_free_table(sgt);
	ops_record_count(record, &record->counts.unmap);
	ops_leave(record, map->direction);
	kfree(map);
}

static void ops_release(struct dmabuf *dmabuf)
{
	struct ops_record *record = dmabuf->priv;

	might_sleep();
	mutex_lock(&record->lock);
	record->counts.release++;
	record->release_file_count = file_count(dmabuf->file);
	record->release_module_refs = module_refcount(THIS_MODULE);
	record->release_in_process = !in_interrupt() && !irqs_disabled();
	record->release_intact = dmabuf->size == record->size && dmabuf->ops == record->ops;
	ops_storage_free(record);
	mutex_unlock(&record->lock);
	kref_put(&record->kref, ops_record_free);
}

#define OPS_MANDATORY			\
	.owner = THIS_MODULE,		\
	.map_dma_buf = ops_map,		\
	.unmap_dma_buf = ops_unmap,	\
	.release = ops_release

/* With and without the optional ones, by flags. */
static const struct dmabuf_ops ops_table[] = {
	[0] = { OPS_MANDATORY },
	[DMABUF_TEST_ATTACH_OP] = { OPS_MANDATORY, .attach = ops_attach },
	[DMABUF_TEST_DETACH_OP] = { OPS_MANDATORY, .detach = ops_detach },
	[DMABUF_TEST_ATTACH_OP | DMABUF_TEST_DETACH_OP] = {
		OPS_MANDATORY, .attach = ops_attach, .detach = ops_detach,
	},
};

static struct ops_record *ops_record_make(u32 flags, size_t size)
{
	struct ops_record *record = kzalloc(sizeof(*record), GFP_KERNEL);

	if (!record)
		return NULL;
	kref_init(&record->kref);
	record->flags = flags;
	record->size = size;
	record->ops = &ops_table[flags & (DMABUF_TEST_ATTACH_OP | DMABUF_TEST_DETACH_OP)];
	mutex_init(&record->lock);
	init_waitqueue_head(&record->wait);
	return record;
}

int ops_ucmd_export(struct dmabuf_ucmd *ucmd)
{
	struct ops_file *ops = ucmd->file->private_data;
	struct dmabuf_test_export *arg = ucmd->arg;
	struct ops_record *record;
	struct dmabuf *dmabuf;
	int fd, ret;

	if (arg->flags & ~OPS_FLAGS ||
	    !arg->bytes || arg->bytes > OPS_MAX_PAGES * PAGE_SIZE || arg->reserved)
		return -EINVAL;

	record = ops_record_make(arg->flags, arg->bytes);
	if (!record)
		return -ENOMEM;
	ret = xa_alloc(&ops->records, &arg->buffer, record, xa_limit_31b, GFP_KERNEL);
	if (ret)
		goto err_record;
	fd = get_unused_fd_flags(arg->fd_flags & O_CLOEXEC);
	if (fd < 0) {
		ret = fd;
		goto err_erase;
	}
	dmabuf = dmabuf_export(record, record->ops, arg->bytes, arg->fd_flags);
	if (!dmabuf) {
		ret = -ENOMEM;
		goto err_fd;
	}
	/* From now on the buffer owns a reference of its own to the record. */
	kref_get(&record->kref);

	arg->fd = fd;
	ret = dmabuf_ucmd_respond(ucmd);
	if (ret)
		goto err_put;
	/* The caller can close the fd as soon as it is there. */
	dmabuf_fd_install(dmabuf, fd);
	return 0;

err_put:
	dmabuf_put(dmabuf);
err_fd:
	put_unused_fd(fd);
err_erase:
	xa_erase(&ops->records, arg->buffer);
err_record:
	kref_put(&record->kref, ops_record_free);
	return ret;
}

int ops_ucmd_behave(struct dmabuf_ucmd *ucmd)
{
	struct ops_file *ops = ucmd->file->private_data;
	struct dmabuf_test_behave *arg = ucmd->arg;
	struct ops_record *record = xa_load(&ops->records, arg->buffer);

	if (!record)
		return -ENOENT;
	if (arg->closed > 1 || arg->reserved)
		return -EINVAL;
	mutex_lock(&record->lock);
	record->attach_error = arg->attach_error;
	WRITE_ONCE(record->map_error, arg->map_error);
	record->closed = arg->closed;
	mutex_unlock(&record->lock);
	wake_up_all(&record->wait);
	return 0;
}

int ops_ucmd_state(struct dmabuf_ucmd *ucmd)
{
	struct ops_file *ops = ucmd->file->private_data;
	struct dmabuf_test_state *arg = ucmd->arg;
	struct ops_record *record = xa_load(&ops->records, arg->buffer);

	if (!record)
		return -ENOENT;
	mutex_lock(&record->lock);
	arg->counts = record->counts;
	arg->waiting = record->waiting;
	arg->readers = record->readers;
	arg->writers = record->writers;
	arg->contiguous = record->nr_pages == 1;
	arg->backed_bytes = record->nr_pages * (PAGE_SIZE << record->order);
	arg->constraints.dma_mask = record->constraints.dma_mask;
	arg->constraints.seg_boundary = record->constraints.seg_boundary;
	arg->constraints.max_seg_size = record->constraints.max_seg_size;
	arg->constraints.max_segs = record->constraints.max_segs;
	arg->constraints.align = record->constraints.align;
	arg->collated = record->collated;
	arg->release_file_count = record->release_file_count;
	arg->release_module_refs = record->release_module_refs;
	arg->release_in_process = record->release_in_process;
	arg->release_intact = record->release_intact;
	mutex_unlock(&record->lock);
	return dmabuf_ucmd_respond(ucmd);
}

/* Buffers may live on; nobody is left who could tell their map ops to go on. */
void ops_exporter_close(struct ops_file *ops)
{
	struct ops_record *record;
	unsigned long i;

	xa_for_each(&ops->records, i, record) {
		mutex_lock(&record->lock);
		record->closed = false;
		mutex_unlock(&record->lock);
		wake_up_all(&record->wait);
		kref_put(&record->kref, ops_record_free);
	}
	xa_destroy(&ops->records);
}
