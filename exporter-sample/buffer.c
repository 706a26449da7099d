// SPDX-License-Identifier: GPL-2.0-only
/*
 * A buffer of the sample exporter, and what the core calls for it.  When memory
 * is taken, and when the buffer moves, the placement layer decides.
 */
#define pr_fmt(fmt) "dmabuf-exporter: " fmt

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
	u64 limit = dmabuf_sample_total_limit();
	struct dmabuf_backing *backing;

	/* In a move both places count. */
	if (!dmabuf_sample_charge(&dmabuf_sample.backed_bytes, charged_bytes(buffer), limit)) {
		u64 used = atomic64_read(&dmabuf_sample.backed_bytes);

		dmabuf_backing_log_failure("the exporter's share", charged_bytes(buffer),
					   limit - min(used, limit), needs->dma_mask,
					   "module parameter limit_total_mb");
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
	return dmabuf_backing_map(dmabuf_backing_of(storage), attachment->dev,
				  &attachment->constraints, direction);
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
	return dmabuf_backing_serves(dmabuf_backing_of(storage), attachment->dev,
				     &attachment->constraints, miss);
}

static bool sample_possible(struct dmabuf_attachment *attachment,
			    const struct dmabuf_constraints *needs, struct dmabuf_miss *miss)
{
	struct dmabuf_sample_buffer *buffer = attachment->dmabuf->priv;

	return dmabuf_backing_possible(buffer->bytes, buffer->requested, attachment->dev,
				       &attachment->constraints, needs, miss);
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
	.move = sample_move,
	.zap = dmabuf_sample_zap,
	.serves = sample_serves,
	.possible = sample_possible,
};

static const struct dmabuf_ops sample_ops = {
	.owner = THIS_MODULE,
	.placement = &sample_placement_ops,
	.release = sample_release,
};

/**
 * dmabuf_sample_buffer_export - make a buffer without storage
 * @account: of the open file; is charged
 * @bytes: size, rounded up to pages not more than %SIZE_MAX
 * @requested: enum dmabuf_exporter_backing
 * @policy: as of dmabuf_placement_set_policy()
 * @fd_flags: as of dmabuf_export()
 *
 * The inverse is dmabuf_put().
 *
 * Context: process context; may sleep.
 * Return: the buffer, or ERR_PTR(-EDQUOT): too much through this open file, or
 * ERR_PTR(-ENOMEM).
 */
struct dmabuf *dmabuf_sample_buffer_export(struct dmabuf_sample_account *account, size_t bytes,
					   u32 requested, u32 policy, u32 fd_flags)
{
	u32 mode = fd_flags & O_ACCMODE;
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
	dmabuf = dmabuf_export(buffer, &sample_ops, bytes, fd_flags);
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
