// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dma-bufs of the kernel as buffers here: what anybody's fd gives to dmabuf_get().
 *
 * There is one wrapper for each dma-buf, found by its address.  It is a buffer like any
 * other, with a native file of its own that no fd ever shows, which counts its users:
 * the file of the dma-buf is not ours, its release does not come here.  The wrapper holds
 * the dma-buf, so an address in the table cannot be anybody else's.
 *
 * A wrapper that is on its way out, its count 0, is passed over; so there may be two in
 * the table for a moment, of which one nobody uses.
 */
#include <linux/device.h>
#include <linux/dma-buf.h>
#include <linux/dma-direct.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "internal.h"

#define DMABUF_WRAPPER_BITS 6

/**
 * struct dmabuf_wrapper - the &dmabuf.priv of a wrapped dma-buf
 * @node: in the table, or unhashed; under its bucket's lock
 * @dmabuf: the buffer; immutable
 * @kernel: the dma-buf, with a reference; immutable
 */
struct dmabuf_wrapper {
	struct hlist_node node;
	struct dmabuf *dmabuf;
	struct dma_buf *kernel;
};

/**
 * struct dmabuf_wrapper_attachment - the &dmabuf_attachment.priv of a wrapper
 * @importer: our attachment to the dma-buf; immutable
 * @direction: what @importer was mapped with last; DMA_NONE before
 * @busy: @importer is mapped
 *
 * Many exporters of the kernel can map an attachment once at a time, and keep the mapping
 * of its first direction.  Here it may be mapped any number of times, in any direction: what
 * @importer cannot do has an attachment of its own.
 */
struct dmabuf_wrapper_attachment {
	struct dma_buf_attachment *importer;
	/** @lock: guards @direction and @busy */
	spinlock_t lock;
	enum dma_data_direction direction;
	bool busy;
};

/**
 * struct dmabuf_wrapper_mapping - one mapping through a wrapper; all immutable
 * @sgt: what our importer gets: the entries of @kernel
 * @kernel: what the exporter returned, which may return it to several
 * @importer: through which it is mapped
 * @direction: of the mapping
 */
struct dmabuf_wrapper_mapping {
	struct sg_table sgt;
	struct sg_table *kernel;
	struct dma_buf_attachment *importer;
	enum dma_data_direction direction;
};

/**
 * struct dmabuf_wrapper_bucket - wrappers whose dma-bufs have the same hash
 * @wrappers: of &dmabuf_wrapper.node
 */
static struct dmabuf_wrapper_bucket {
	/** @lock: guards @wrappers */
	spinlock_t lock;
	struct hlist_head wrappers;
} dmabuf_wrappers[1 << DMABUF_WRAPPER_BITS];

static struct dmabuf_wrapper_bucket *wrapper_bucket(const struct dma_buf *kernel)
{
	return &dmabuf_wrappers[hash_ptr(kernel, DMABUF_WRAPPER_BITS)];
}

static int wrapper_attach(struct dmabuf *dmabuf, struct device *dev,
			  struct dmabuf_attachment *attachment)
{
	struct dmabuf_wrapper_attachment *ours = kzalloc(sizeof(*ours), GFP_KERNEL_ACCOUNT);

	if (!ours)
		return -ENOMEM;
	ours->importer = dma_buf_attach(dmabuf->kernel, dev);
	if (IS_ERR(ours->importer)) {
		int ret = PTR_ERR(ours->importer);

		kfree(ours);
		return ret;
	}
	spin_lock_init(&ours->lock);
	ours->direction = DMA_NONE;
	attachment->priv = ours;
	return 0;
}

static void wrapper_detach(struct dmabuf *dmabuf, struct dmabuf_attachment *attachment)
{
	struct dmabuf_wrapper_attachment *ours = attachment->priv;

	dma_buf_detach(dmabuf->kernel, ours->importer);
	kfree(ours);
}

/* An attachment to the dma-buf that can be mapped in this direction. */
static struct dma_buf_attachment *wrapper_importer_get(struct dmabuf_attachment *attachment,
						       enum dma_data_direction direction)
{
	struct dmabuf_wrapper_attachment *ours = attachment->priv;
	bool fits;

	spin_lock(&ours->lock);
	fits = !ours->busy && (ours->direction == DMA_NONE || ours->direction == direction ||
			       ours->direction == DMA_BIDIRECTIONAL);
	if (fits) {
		ours->busy = true;
		ours->direction = direction;
	}
	spin_unlock(&ours->lock);
	if (fits)
		return ours->importer;
	return dma_buf_attach(attachment->dmabuf->kernel, attachment->dev);
}

static void wrapper_importer_put(struct dmabuf_attachment *attachment,
				 struct dma_buf_attachment *importer)
{
	struct dmabuf_wrapper_attachment *ours = attachment->priv;

	if (importer != ours->importer) {
		dma_buf_detach(attachment->dmabuf->kernel, importer);
		return;
	}
	spin_lock(&ours->lock);
	ours->busy = false;
	spin_unlock(&ours->lock);
}

/*
 * Does the device work on a copy (swiotlb)?  Behind an IOMMU it is not asked, nor where
 * DMABUF_DEBUG hides the pages, nor of memory that has none.
 */
static bool wrapper_bounces(struct device *dev, struct sg_table *sgt)
{
	struct scatterlist *sg;
	unsigned int i;

	if (IS_ENABLED(CONFIG_DMABUF_DEBUG) || !dmabuf_device_is_direct(dev))
		return false;
	for_each_sgtable_sg(sgt, sg, i)
		if (sg_page(sg) && sg_phys(sg) != dma_to_phys(dev, sg_dma_address(sg)))
			return true;
	return false;
}

/* Others do not know our constraints, so the mapping may be of no use. */
static int wrapper_check(struct dmabuf_attachment *attachment, struct sg_table *sgt)
{
	enum dmabuf_constraint which = dmabuf_constraints_check(&attachment->constraints, sgt);

	if (which == DMABUF_CONSTRAINT_NONE && !wrapper_bounces(attachment->dev, sgt))
		return 0;
	dev_info_ratelimited(attachment->dev,
			     "map of %s's buffer %llu (%zu bytes) refused: %s\n",
			     dmabuf_exporter_name(attachment->dmabuf), attachment->dmabuf->id,
			     attachment->dmabuf->size,
			     which == DMABUF_CONSTRAINT_NONE ?
			     "the device would work on a copy (swiotlb)" :
			     dmabuf_constraint_name(which));
	return -EOPNOTSUPP;
}

static struct sg_table *wrapper_map(struct dmabuf_attachment *attachment,
				    enum dma_data_direction direction)
{
	struct dmabuf_wrapper_mapping *mapping = kmalloc(sizeof(*mapping), GFP_KERNEL_ACCOUNT);
	struct sg_table *sgt;
	int ret = -ENOMEM;

	if (!mapping)
		return ERR_PTR(-ENOMEM);
	mapping->direction = direction;
	mapping->importer = wrapper_importer_get(attachment, direction);
	if (IS_ERR(mapping->importer)) {
		ret = PTR_ERR(mapping->importer);
		goto err_free;
	}
	sgt = dma_buf_map_attachment_unlocked(mapping->importer, direction);
	if (IS_ERR_OR_NULL(sgt)) {
		ret = sgt ? PTR_ERR(sgt) : -ENOMEM;
		goto err_importer;
	}
	ret = wrapper_check(attachment, sgt);
	if (ret)
		goto err_unmap;
	mapping->kernel = sgt;
	mapping->sgt = *sgt;
	return &mapping->sgt;

err_unmap:
	dma_buf_unmap_attachment_unlocked(mapping->importer, sgt, direction);
err_importer:
	wrapper_importer_put(attachment, mapping->importer);
err_free:
	kfree(mapping);
	return ERR_PTR(ret);
}

static void wrapper_unmap(struct dmabuf_attachment *attachment, struct sg_table *sgt)
{
	struct dmabuf_wrapper_mapping *mapping =
		container_of(sgt, struct dmabuf_wrapper_mapping, sgt);

	dma_buf_unmap_attachment_unlocked(mapping->importer, mapping->kernel, mapping->direction);
	wrapper_importer_put(attachment, mapping->importer);
	kfree(mapping);
}

static int wrapper_vmap(struct dmabuf *dmabuf, struct iosys_map *map)
{
	return dma_buf_vmap_unlocked(dmabuf->kernel, map);
}

static void wrapper_vunmap(struct dmabuf *dmabuf, struct iosys_map *map)
{
	dma_buf_vunmap_unlocked(dmabuf->kernel, map);
}

static void wrapper_release(struct dmabuf *dmabuf)
{
	struct dmabuf_wrapper *wrapper = dmabuf->priv;

	dma_buf_put(wrapper->kernel);
	kfree(wrapper);
}

const struct dmabuf_ops dmabuf_wrapper_ops = {
	.owner = THIS_MODULE,
	.attach = wrapper_attach,
	.detach = wrapper_detach,
	.map_dma_buf = wrapper_map,
	.unmap_dma_buf = wrapper_unmap,
	.vmap = wrapper_vmap,
	.vunmap = wrapper_vunmap,
	.release = wrapper_release,
};

static struct dmabuf *wrapper_create(struct dma_buf *kernel)
{
	struct dmabuf_wrapper *wrapper = kzalloc(sizeof(*wrapper), GFP_KERNEL);
	struct dmabuf *dmabuf;

	if (!wrapper)
		return NULL;
	wrapper->kernel = kernel;
	dmabuf = dmabuf_create(wrapper, &dmabuf_wrapper_ops, kernel->size, O_RDWR | O_CLOEXEC,
			       kernel);
	if (!dmabuf) {
		kfree(wrapper);
		return NULL;
	}
	wrapper->dmabuf = dmabuf;
	return dmabuf;
}

/* Returns the wrapper with a reference to its file, or NULL. */
static struct dmabuf *wrapper_find_locked(struct dmabuf_wrapper_bucket *bucket,
					  const struct dma_buf *kernel)
{
	struct dmabuf_wrapper *wrapper;

	lockdep_assert_held(&bucket->lock);
	hlist_for_each_entry(wrapper, &bucket->wrappers, node)
		if (wrapper->kernel == kernel && dmabuf_file_get_live(wrapper->dmabuf->file))
			return wrapper->dmabuf;
	return NULL;
}

/* The caller's reference to the dma-buf goes over. */
static struct dmabuf *wrapper_get(struct dma_buf *kernel)
{
	struct dmabuf_wrapper_bucket *bucket = wrapper_bucket(kernel);
	struct dmabuf *dmabuf, *created;
	struct dmabuf_wrapper *wrapper;

	spin_lock(&bucket->lock);
	dmabuf = wrapper_find_locked(bucket, kernel);
	spin_unlock(&bucket->lock);
	if (dmabuf) {
		dma_buf_put(kernel);
		return dmabuf;
	}

	created = wrapper_create(kernel);
	if (!created) {
		dma_buf_put(kernel);
		return ERR_PTR(-ENOMEM);
	}
	spin_lock(&bucket->lock);
	dmabuf = wrapper_find_locked(bucket, kernel);
	if (!dmabuf) {
		wrapper = created->priv;
		hlist_add_head(&wrapper->node, &bucket->wrappers);
	}
	spin_unlock(&bucket->lock);
	if (!dmabuf)
		return created;
	/* Somebody was faster; ours goes, and its reference with it. */
	fput(created->file);
	return dmabuf;
}

/**
 * dmabuf_wrapper_gone - nobody uses a wrapper any more
 * @dmabuf: whose file is in its release; a wrapper
 *
 * Context: process context; takes a bucket's lock.
 */
void dmabuf_wrapper_gone(struct dmabuf *dmabuf)
{
	struct dmabuf_wrapper *wrapper = dmabuf->priv;
	struct dmabuf_wrapper_bucket *bucket = wrapper_bucket(wrapper->kernel);

	spin_lock(&bucket->lock);
	hlist_del_init(&wrapper->node);
	spin_unlock(&bucket->lock);
}

/**
 * dmabuf_wrapped_name - copy the name of a dma-buf's exporter
 * @kernel: the dma-buf
 *
 * Debugfs may look at a wrapper a little longer than it holds the dma-buf.
 *
 * Context: process context; may sleep.
 * Return: the name, for kfree(), or NULL.
 */
char *dmabuf_wrapped_name(struct dma_buf *kernel)
{
	return kstrdup(kernel->exp_name, GFP_KERNEL);
}

/**
 * dmabuf_wrapper_file - get what an fd of a wrapped dma-buf shows
 * @dmabuf: a wrapper
 *
 * Context: any.
 * Return: the dma-buf's file, with a reference of the caller's.
 */
struct file *dmabuf_wrapper_file(struct dmabuf *dmabuf)
{
	return get_file(dmabuf->kernel->file);
}

/**
 * dmabuf_kernel_fd_get - get the buffer behind an fd that is a dma-buf of the kernel
 * @fd: a file descriptor of the current task
 *
 * Context: process context; may sleep.
 * Return: the buffer, ours or a wrapper, with a reference of the caller's, or
 * * ERR_PTR(-EBADF): no file is open under @fd
 * * ERR_PTR(-EINVAL): the file is no dma-buf
 * * ERR_PTR(-ENOMEM): no memory for a wrapper
 */
struct dmabuf *dmabuf_kernel_fd_get(int fd)
{
	struct dma_buf *kernel = dma_buf_get(fd);

	if (IS_ERR(kernel))
		return ERR_CAST(kernel);
	/* The reference is to the file, so to our buffer. */
	return dmabuf_kernel_get(kernel) ?: wrapper_get(kernel);
}

void __init dmabuf_wrapper_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(dmabuf_wrappers); i++) {
		spin_lock_init(&dmabuf_wrappers[i].lock);
		INIT_HLIST_HEAD(&dmabuf_wrappers[i].wrappers);
	}
}
