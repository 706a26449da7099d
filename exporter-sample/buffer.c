// SPDX-License-Identifier: GPL-2.0-only
/*
 * A buffer of the sample exporter, and what the core calls for it.  When memory
 * is taken, and when the buffer moves, the placement layer decides.
 */
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "../dmabuf-core/compat.h"
#include "internal.h"

static u64 charged_bytes(const struct dmabuf_sample_buffer *buffer)
{
	return PAGE_ALIGN((u64)buffer->bytes);
}

static struct dmabuf_storage *sample_alloc(struct dmabuf *dmabuf,
					   const struct dmabuf_constraints *needs,
					   const struct dmabuf_storage *from)
{
	struct dmabuf_sample_buffer *buffer = dmabuf->priv;
	struct dmabuf_backing *backing;

	/* In a move both places count. */
	if (!dmabuf_sample_charge(&dmabuf_sample.backed_bytes, charged_bytes(buffer),
				  dmabuf_sample_total_limit())) {
		dmabuf_sample_log_total_limit(charged_bytes(buffer), needs->dma_mask);
		return ERR_PTR(-ENOMEM);
	}
	backing = dmabuf_backing_alloc(buffer->bytes, buffer->requested, needs,
				       from ? dmabuf_backing_of(from) : NULL);
	if (IS_ERR(backing)) {
		atomic64_sub(charged_bytes(buffer), &dmabuf_sample.backed_bytes);
		return ERR_CAST(backing);
	}
	return &backing->storage;
}

static void sample_free(struct dmabuf *dmabuf, struct dmabuf_storage *storage)
{
	dmabuf_backing_free(dmabuf_backing_of(storage));
	atomic64_sub(charged_bytes(dmabuf->priv), &dmabuf_sample.backed_bytes);
}

static struct sg_table *sample_map(struct dmabuf_attachment *attachment,
				   struct dmabuf_storage *storage,
				   enum dma_data_direction direction)
{
	return dmabuf_backing_map(dmabuf_backing_of(storage), attachment, direction);
}

static void sample_unmap(struct dmabuf_attachment *attachment, struct dmabuf_storage *storage,
			 struct sg_table *sgt)
{
	dmabuf_backing_unmap(sgt);
}

/* Whole pages, so that what lies behind the buffer's end in the last one comes along. */
static int sample_move(struct dmabuf *dmabuf, struct dmabuf_storage *from,
		       struct dmabuf_storage *to)
{
	struct dmabuf_backing *old = dmabuf_backing_of(from), *new = dmabuf_backing_of(to);
	unsigned long i;

	for (i = 0; i < new->nr_pages; i++) {
		copy_highpage(pfn_to_page(dmabuf_backing_pfn(new, i)),
			      pfn_to_page(dmabuf_backing_pfn(old, i)));
		cond_resched();
	}
	dmabuf_backing_flush(new);
	return 0;
}

static bool sample_serves(struct dmabuf_attachment *attachment, struct dmabuf_storage *storage,
			  struct dmabuf_miss *miss)
{
	return dmabuf_backing_serves(dmabuf_backing_of(storage), attachment, miss);
}

static bool sample_possible(struct dmabuf_attachment *attachment,
			    const struct dmabuf_constraints *needs, struct dmabuf_miss *miss)
{
	struct dmabuf_sample_buffer *buffer = attachment->dmabuf->priv;
	/* As much as the scatterlist has, see dmabuf_backing_segments_init(). */
	size_t bytes = attachment->kernel ? PAGE_ALIGN(buffer->bytes) : buffer->bytes;

	return dmabuf_backing_possible(bytes, buffer->requested, attachment->dev,
				       &attachment->constraints, needs, miss);
}

static int sample_vmap(struct dmabuf *dmabuf, struct dmabuf_storage *storage,
		       struct iosys_map *map)
{
	return dmabuf_backing_vmap(dmabuf_backing_of(storage), map);
}

static void sample_vunmap(struct dmabuf *dmabuf, struct dmabuf_storage *storage,
			  struct iosys_map *map)
{
	dmabuf_backing_vunmap(dmabuf_backing_of(storage), map);
}

/*
 * Without memory there is nothing that a device could have written, and while a
 * buffer moves no device has it mapped: an error means that there is nothing to do
 * for a task that is being killed.
 */
static int sample_begin_cpu_access(struct dmabuf *dmabuf, enum dma_data_direction direction)
{
	struct dmabuf_backing *backing = dmabuf_sample_buffer_lock_backing(dmabuf);

	if (IS_ERR_OR_NULL(backing))
		return PTR_ERR_OR_ZERO(backing);
	dmabuf_backing_begin_cpu(backing, direction);
	dmabuf_storage_unlock(dmabuf);
	return 0;
}

static int sample_end_cpu_access(struct dmabuf *dmabuf, enum dma_data_direction direction)
{
	struct dmabuf_backing *backing = dmabuf_sample_buffer_lock_backing(dmabuf);

	if (IS_ERR_OR_NULL(backing))
		return PTR_ERR_OR_ZERO(backing);
	dmabuf_backing_end_cpu(backing, direction);
	dmabuf_storage_unlock(dmabuf);
	return 0;
}

static void sample_release(struct dmabuf *dmabuf)
{
	struct dmabuf_sample_buffer *buffer = dmabuf->priv;

	/* The dmabuf is about to go: see buffer_lookup() in mmap.c. */
	if (buffer->slot)
		xa_erase(&dmabuf_sample.slots, buffer->slot);
	atomic64_dec(&dmabuf_sample.buffers);
	atomic64_sub(charged_bytes(buffer), &buffer->account->bytes);
	dmabuf_sample_account_put(buffer->account);
	mutex_destroy(&buffer->lock);
	kfree(buffer);
}

static const struct dmabuf_placement_ops sample_placement_ops = {
	.alloc = sample_alloc,
	.free = sample_free,
	.map = sample_map,
	.unmap = sample_unmap,
	.vmap = sample_vmap,
	.vunmap = sample_vunmap,
	.move = sample_move,
	.zap = dmabuf_sample_zap,
	.serves = sample_serves,
	.possible = sample_possible,
};

static const struct dmabuf_ops sample_ops = {
	.owner = THIS_MODULE,
	.placement = &sample_placement_ops,
	.begin_cpu_access = sample_begin_cpu_access,
	.end_cpu_access = sample_end_cpu_access,
	.mmap = dmabuf_sample_mmap_fd,
	.release = sample_release,
};

/**
 * dmabuf_sample_buffer_export - make a buffer without storage
 * @account: of the open file; is charged
 * @bytes: size, rounded up to pages not more than %SIZE_MAX
 * @requested: enum dmabuf_exporter_backing
 * @policy: as of dmabuf_placement_set_policy()
 * @flags: as of dmabuf_export(), %DMABUF_EXPORT_NATIVE maybe among them
 *
 * The inverse is dmabuf_put().
 *
 * Context: process context; may sleep.
 * Return: the buffer, or ERR_PTR(-EDQUOT): too much through this open file, or
 * ERR_PTR(-ENOMEM).
 */
struct dmabuf *dmabuf_sample_buffer_export(struct dmabuf_sample_account *account, size_t bytes,
					   u32 requested, u32 policy, u32 flags)
{
	u32 mode = flags & O_ACCMODE;
	struct dmabuf_sample_buffer *buffer;
	struct dmabuf *dmabuf;
	int ret;

	buffer = kzalloc(sizeof(*buffer), GFP_KERNEL_ACCOUNT);
	if (!buffer)
		return ERR_PTR(-ENOMEM);
	buffer->bytes = bytes;
	buffer->requested = requested;
	buffer->readable = mode != O_WRONLY;
	buffer->writable = mode != O_RDONLY;
	mutex_init(&buffer->lock);

	ret = -EDQUOT;
	if (!dmabuf_sample_charge(&account->bytes, charged_bytes(buffer),
				  dmabuf_sample_file_limit()))
		goto err_free;

	ret = -ENOMEM;
	dmabuf = dmabuf_export(buffer, &sample_ops, bytes, flags);
	if (!dmabuf)
		goto err_uncharge;
	refcount_inc(&account->users);
	buffer->account = account;
	buffer->dmabuf = dmabuf;
	atomic64_inc(&dmabuf_sample.buffers);

	/* From here on its release undoes everything. */
	ret = dmabuf_placement_set_policy(dmabuf, policy);
	if (ret) {
		dmabuf_put(dmabuf);
		return ERR_PTR(ret);
	}
	return dmabuf;

err_uncharge:
	atomic64_sub(charged_bytes(buffer), &account->bytes);
err_free:
	mutex_destroy(&buffer->lock);
	kfree(buffer);
	return ERR_PTR(ret);
}

/**
 * dmabuf_sample_buffer_get - get the buffer of this exporter behind an fd
 * @fd: a file descriptor of the current task
 *
 * The inverse is dmabuf_put().
 *
 * Context: process context.
 * Return: the buffer, or ERR_PTR(-EBADF): no file, or ERR_PTR(-EINVAL): no buffer,
 * or one of another exporter.
 */
struct dmabuf *dmabuf_sample_buffer_get(int fd)
{
	struct dmabuf *dmabuf = dmabuf_get(fd);

	if (!IS_ERR(dmabuf) && dmabuf->ops != &sample_ops) {
		dmabuf_put(dmabuf);
		return ERR_PTR(-EINVAL);
	}
	return dmabuf;
}

/**
 * dmabuf_sample_buffer_populate - take memory for a buffer, if it has none
 * @dmabuf: a buffer of this exporter, with a reference of the caller's
 *
 * For the devices that are attached.
 *
 * Context: process context; may sleep, also for as long as the buffer moves.
 * Return: 0, or
 * * -ENOMEM: there is no such memory, or all buffers have too much; logged
 * * -ENODEV: the exporter's device has gone
 * * -EINTR: the task is being killed
 */
int dmabuf_sample_buffer_populate(struct dmabuf *dmabuf)
{
	struct dmabuf_storage *storage = dmabuf_storage_lock(dmabuf);

	if (IS_ERR(storage))
		return PTR_ERR(storage);
	dmabuf_storage_unlock(dmabuf);
	return 0;
}

/**
 * dmabuf_sample_buffer_lock_backing - get the memory of a buffer, if it has any
 * @dmabuf: a buffer of this exporter, with a reference of the caller's
 *
 * Unlike dmabuf_storage_lock(), takes none: to look is no reason to.  The inverse is
 * dmabuf_storage_unlock(), if there is memory.
 *
 * Context: process context; may sleep, also for as long as the buffer moves; leaves
 * the storage locked, so that it does not move.
 * Return: the memory, or NULL, or ERR_PTR(-EINTR): the task is being killed.
 */
struct dmabuf_backing *dmabuf_sample_buffer_lock_backing(struct dmabuf *dmabuf)
{
	struct dmabuf_placement_info info;
	struct dmabuf_storage *storage;

	/* Once there is some there always is. */
	dmabuf_placement_query(dmabuf, &info);
	if (!info.kind)
		return NULL;
	storage = dmabuf_storage_lock(dmabuf);
	return IS_ERR(storage) ? ERR_CAST(storage) : dmabuf_backing_of(storage);
}
