// SPDX-License-Identifier: GPL-2.0-only
/*
 * A buffer of the sample exporter, and what the core calls for it.
 *
 * The memory stays where it was first put: who attaches later must be able to
 * reach it there.
 */
#define pr_fmt(fmt) "dmabuf-exporter: " fmt

#include <linux/device.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "../dmabuf-core/compat.h"
#include "internal.h"

/**
 * struct dmabuf_sample_attachment - what memory an attached device needs
 * @node: in &dmabuf_sample_buffer.attachments, under &dmabuf_sample_buffer.lock
 * @needs: from dmabuf_backing_needs(); immutable
 *
 * A list of our own, beside the core's: a device is on it as soon as its attach
 * has been granted, so no storage is chosen without it.
 */
struct dmabuf_sample_attachment {
	struct list_head node;
	struct dmabuf_constraints needs;
};

static u64 charged_bytes(const struct dmabuf_sample_buffer *buffer)
{
	return PAGE_ALIGN((u64)buffer->bytes);
}

static void buffer_free(struct kref *kref)
{
	struct dmabuf_sample_buffer *buffer = container_of(kref, struct dmabuf_sample_buffer, kref);

	if (buffer->backing) {
		dmabuf_backing_free(buffer->backing);
		atomic64_sub(charged_bytes(buffer), &dmabuf_sample.backed_bytes);
	}
	atomic64_sub(charged_bytes(buffer), &buffer->account->bytes);
	dmabuf_sample_account_put(buffer->account);
	mutex_destroy(&buffer->lock);
	kfree(buffer);
}

/**
 * dmabuf_sample_buffer_put - drop a reference
 * @buffer: the buffer; its storage goes with the last one
 *
 * Context: process context; may sleep.
 */
void dmabuf_sample_buffer_put(struct dmabuf_sample_buffer *buffer)
{
	kref_put(&buffer->kref, buffer_free);
}

/**
 * dmabuf_sample_buffer_populate_locked - take storage if there is none
 * @buffer: the buffer; &dmabuf_sample_buffer.lock is held
 *
 * It serves all devices that are attached now.
 *
 * Context: process context; may sleep.
 * Return: 0, or
 * * -ENOMEM: no memory, or the limit of all buffers is reached; logged
 * * -EINTR: the task is being killed
 * * -ENODEV: the exporter's device has gone
 */
int dmabuf_sample_buffer_populate_locked(struct dmabuf_sample_buffer *buffer)
{
	struct dmabuf_sample_attachment *attachment;
	u64 limit = dmabuf_sample_total_limit();
	struct dmabuf_constraints needs;
	struct dmabuf_backing *backing;

	lockdep_assert_held(&buffer->lock);
	if (buffer->backing)
		return 0;

	dmabuf_constraints_init(&needs);
	list_for_each_entry(attachment, &buffer->attachments, node)
		dmabuf_constraints_merge(&needs, &attachment->needs);

	if (!dmabuf_sample_charge(&dmabuf_sample.backed_bytes, charged_bytes(buffer), limit)) {
		u64 used = atomic64_read(&dmabuf_sample.backed_bytes);

		dmabuf_backing_log_failure("the exporter's share", charged_bytes(buffer),
					   limit - min(used, limit), needs.dma_mask,
					   "module parameter limit_total_mb");
		return -ENOMEM;
	}
	backing = dmabuf_backing_alloc(buffer->bytes, buffer->requested, &needs);
	if (IS_ERR(backing)) {
		atomic64_sub(charged_bytes(buffer), &dmabuf_sample.backed_bytes);
		return PTR_ERR(backing);
	}
	buffer->backing = backing;
	return 0;
}

static int sample_attach(struct dmabuf *dmabuf, struct device *dev,
			 struct dmabuf_attachment *attachment)
{
	struct dmabuf_sample_buffer *buffer = dmabuf->priv;
	struct dmabuf_sample_attachment *ours;
	struct dmabuf_backing_miss miss;
	int ret;

	if (dmabuf_backing_never(buffer->bytes, buffer->requested, dev, &attachment->constraints,
				 &miss)) {
		dev_info_ratelimited(dev,
				     "attach to buffer %llu refused: %s: device allows 0x%llx, storage of %zu bytes has 0x%llx at best\n",
				     buffer->id, dmabuf_constraint_name(miss.which), miss.allowed,
				     buffer->bytes, miss.actual);
		return -EOPNOTSUPP;
	}

	ours = kmalloc(sizeof(*ours), GFP_KERNEL_ACCOUNT);
	if (!ours)
		return -ENOMEM;
	dmabuf_backing_needs(dev, &attachment->constraints, &ours->needs);

	ret = mutex_lock_interruptible(&buffer->lock);
	if (ret)
		goto err_free;
	if (buffer->backing &&
	    !dmabuf_backing_serves(buffer->backing, dev, &attachment->constraints, &miss)) {
		dev_info_ratelimited(dev,
				     "attach to buffer %llu refused: %s: device allows 0x%llx, its storage of %zu bytes has 0x%llx\n",
				     buffer->id, dmabuf_constraint_name(miss.which), miss.allowed,
				     buffer->bytes, miss.actual);
		ret = -EBUSY;
		goto err_unlock;
	}
	attachment->priv = ours;
	list_add_tail(&ours->node, &buffer->attachments);
	buffer->nr_attachments++;
	mutex_unlock(&buffer->lock);
	return 0;

err_unlock:
	mutex_unlock(&buffer->lock);
err_free:
	kfree(ours);
	return ret;
}

static void sample_detach(struct dmabuf *dmabuf, struct dmabuf_attachment *attachment)
{
	struct dmabuf_sample_attachment *ours = attachment->priv;
	struct dmabuf_sample_buffer *buffer = dmabuf->priv;

	mutex_lock(&buffer->lock);
	list_del(&ours->node);
	buffer->nr_attachments--;
	mutex_unlock(&buffer->lock);
	kfree(ours);
}

/* Any number of users, whatever their directions: who shares a buffer takes care. */
static struct sg_table *sample_map(struct dmabuf_attachment *attachment,
				   enum dma_data_direction direction)
{
	struct dmabuf_sample_buffer *buffer = attachment->dmabuf->priv;
	int ret;

	if (mutex_lock_interruptible(&buffer->lock))
		return ERR_PTR(-EINTR);
	ret = dmabuf_sample_buffer_populate_locked(buffer);
	mutex_unlock(&buffer->lock);
	if (ret)
		return ERR_PTR(ret);
	/* Once there, storage stays until the buffer goes, so no lock is needed. */
	return dmabuf_backing_map(buffer->backing, attachment->dev, &attachment->constraints,
				  direction);
}

static void sample_unmap(struct dmabuf_attachment *attachment, struct sg_table *sgt)
{
	dmabuf_backing_unmap(sgt);
}

static void sample_release(struct dmabuf *dmabuf)
{
	struct dmabuf_sample_buffer *buffer = dmabuf->priv;

	/* No new VMA; those that exist keep the storage. */
	if (buffer->slot)
		xa_erase(&dmabuf_sample.slots, buffer->slot);
	atomic64_dec(&dmabuf_sample.buffers);
	dmabuf_sample_buffer_put(buffer);
}

static const struct dmabuf_ops sample_ops = {
	.owner = THIS_MODULE,
	.attach = sample_attach,
	.detach = sample_detach,
	.map_dma_buf = sample_map,
	.unmap_dma_buf = sample_unmap,
	.release = sample_release,
};

/**
 * dmabuf_sample_buffer_export - make a buffer without storage
 * @account: of the open file; is charged
 * @bytes: size, rounded up to pages not more than %SIZE_MAX
 * @requested: enum dmabuf_exporter_backing
 * @fd_flags: as of dmabuf_export()
 *
 * The inverse is dmabuf_put().
 *
 * Context: process context; may sleep.
 * Return: the buffer, or ERR_PTR(-EDQUOT): too much through this open file, or
 * ERR_PTR(-ENOMEM).
 */
struct dmabuf *dmabuf_sample_buffer_export(struct dmabuf_sample_account *account, size_t bytes,
					   u32 requested, u32 fd_flags)
{
	u32 mode = fd_flags & O_ACCMODE;
	struct dmabuf_sample_buffer *buffer;
	struct dmabuf *dmabuf;

	buffer = kzalloc(sizeof(*buffer), GFP_KERNEL_ACCOUNT);
	if (!buffer)
		return ERR_PTR(-ENOMEM);
	kref_init(&buffer->kref);
	buffer->bytes = bytes;
	buffer->requested = requested;
	buffer->readable = mode != O_WRONLY;
	buffer->writable = mode != O_RDONLY;
	mutex_init(&buffer->lock);
	INIT_LIST_HEAD(&buffer->attachments);

	if (!dmabuf_sample_charge(&account->bytes, charged_bytes(buffer),
				  dmabuf_sample_file_limit())) {
		kfree(buffer);
		return ERR_PTR(-EDQUOT);
	}
	refcount_inc(&account->users);
	buffer->account = account;

	dmabuf = dmabuf_export(buffer, &sample_ops, bytes, fd_flags);
	if (!dmabuf) {
		dmabuf_sample_buffer_put(buffer);
		return ERR_PTR(-ENOMEM);
	}
	buffer->id = dmabuf->id;
	atomic64_inc(&dmabuf_sample.buffers);
	return dmabuf;
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
