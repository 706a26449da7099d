// SPDX-License-Identifier: GPL-2.0-only
/* The exporter: pages, counted calls, and errors on demand. */
#include <linux/atomic.h>
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/kref.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "bridge.h"

#define BRIDGE_EXPORT_MAX SZ_1M

/*
 * All devices of the tests see the caches; and what several of them have mapped at once
 * looks like a mistake to DMA_API_DEBUG otherwise.
 */
#define BRIDGE_DMA_ATTRS DMA_ATTR_SKIP_CPU_SYNC

/**
 * struct bridge_counts - how often ops were called, as &struct dmabuf_test_counts
 * @exported: buffers made
 * @attach: attach, and it accepted
 * @refused: attach, and it did not
 * @detach: detach
 * @map: map, and it succeeded
 * @unmap: unmap
 * @release: release
 */
struct bridge_counts {
	atomic_t exported;
	atomic_t attach;
	atomic_t refused;
	atomic_t detach;
	atomic_t map;
	atomic_t unmap;
	atomic_t release;
};

/* Of all buffers. */
static struct bridge_counts bridge_totals;

/**
 * struct bridge_buffer - what is kept of a dma-buf, also when it has gone
 * @kref: one for the dma-buf, one for the open file that made it
 * @counts: of its ops
 * @attach_error: of BEHAVE
 * @map_error: of BEHAVE
 * @block: the pages, split, as they lie in memory
 * @pages: the same as they lie in the buffer
 * @nr_pages: of both
 */
struct bridge_buffer {
	struct kref kref;
	struct bridge_counts counts;
	int attach_error;
	int map_error;
	struct page *block;
	struct page **pages;
	unsigned int nr_pages;
};

/* One more call, of the member of &struct bridge_counts at @offset. */
static void bridge_count(struct bridge_buffer *buffer, size_t offset)
{
	atomic_inc((void *)&buffer->counts + offset);
	atomic_inc((void *)&bridge_totals + offset);
}

static void bridge_buffer_free(struct kref *kref)
{
	kfree(container_of(kref, struct bridge_buffer, kref));
}

static void bridge_free_pages(struct bridge_buffer *buffer)
{
	unsigned int i;

	for (i = 0; i < buffer->nr_pages; i++)
		__free_page(buffer->block + i);
	kvfree(buffer->pages);
}

static int bridge_op_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct bridge_buffer *buffer = dmabuf->priv;
	int error = READ_ONCE(buffer->attach_error);

	if (error)
		bridge_count(buffer, offsetof(struct bridge_counts, refused));
	else
		bridge_count(buffer, offsetof(struct bridge_counts, attach));
	return error;
}

static void bridge_op_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct bridge_buffer *buffer = dmabuf->priv;

	bridge_count(buffer, offsetof(struct bridge_counts, detach));
}

static struct sg_table *bridge_op_map(struct dma_buf_attachment *attach,
				      enum dma_data_direction direction)
{
	struct bridge_buffer *buffer = attach->dmabuf->priv;
	struct sg_table *sgt;
	int ret;

	ret = READ_ONCE(buffer->map_error);
	if (ret)
		return ERR_PTR(ret);
	sgt = kzalloc(sizeof(*sgt), GFP_KERNEL);
	if (!sgt)
		return ERR_PTR(-ENOMEM);
	ret = sg_alloc_table_from_pages(sgt, buffer->pages, buffer->nr_pages, 0,
					attach->dmabuf->size, GFP_KERNEL);
	if (ret)
		goto err_free;
	ret = dma_map_sgtable(attach->dev, sgt, direction, BRIDGE_DMA_ATTRS);
	if (ret)
		goto err_table;
	bridge_count(buffer, offsetof(struct bridge_counts, map));
	return sgt;

err_table:
	sg_free_table(sgt);
err_free:
	kfree(sgt);
	return ERR_PTR(ret);
}

static void bridge_op_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
			    enum dma_data_direction direction)
{
	struct bridge_buffer *buffer = attach->dmabuf->priv;

	bridge_count(buffer, offsetof(struct bridge_counts, unmap));
	dma_unmap_sgtable(attach->dev, sgt, direction, BRIDGE_DMA_ATTRS);
	sg_free_table(sgt);
	kfree(sgt);
}

static void bridge_op_release(struct dma_buf *dmabuf)
{
	struct bridge_buffer *buffer = dmabuf->priv;

	bridge_count(buffer, offsetof(struct bridge_counts, release));
	bridge_free_pages(buffer);
	kref_put(&buffer->kref, bridge_buffer_free);
}

static const struct dma_buf_ops bridge_ops = {
	.attach = bridge_op_attach,
	.detach = bridge_op_detach,
	.map_dma_buf = bridge_op_map,
	.unmap_dma_buf = bridge_op_unmap,
	.release = bridge_op_release,
};

/* One block, and unless it is to stay in one piece, from its end to its start. */
static int bridge_alloc_pages(struct bridge_buffer *buffer, unsigned int nr_pages, u32 flags)
{
	gfp_t gfp = GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN;
	unsigned int order = get_order((size_t)nr_pages << PAGE_SHIFT), i;

	if (flags & DMABUF_TEST_BRIDGE_LOW)
		gfp |= GFP_DMA;
	buffer->pages = kvmalloc_array(nr_pages, sizeof(*buffer->pages), GFP_KERNEL);
	if (!buffer->pages)
		return -ENOMEM;
	buffer->block = alloc_pages(gfp, order);
	if (!buffer->block) {
		kvfree(buffer->pages);
		return -ENOMEM;
	}
	split_page(buffer->block, order);
	for (i = nr_pages; i < 1U << order; i++)
		__free_page(buffer->block + i);
	for (i = 0; i < nr_pages; i++)
		buffer->pages[i] = buffer->block +
				   (flags & DMABUF_TEST_BRIDGE_CONTIG ? i : nr_pages - 1 - i);
	buffer->nr_pages = nr_pages;
	return 0;
}

static struct dma_buf *bridge_export(struct bridge_buffer *buffer, u64 bytes, u32 flags)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *dmabuf;
	int ret;

	ret = bridge_alloc_pages(buffer, bytes >> PAGE_SHIFT, flags);
	if (ret)
		return ERR_PTR(ret);
	info.ops = &bridge_ops;
	info.size = bytes;
	info.flags = O_RDWR | O_CLOEXEC;
	info.priv = buffer;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf)) {
		bridge_free_pages(buffer);
		return dmabuf;
	}
	bridge_count(buffer, offsetof(struct bridge_counts, exported));
	kref_get(&buffer->kref);
	return dmabuf;
}

int bridge_ucmd_export(struct dmabuf_ucmd *ucmd)
{
	struct bridge_file *bridge = ucmd->file->private_data;
	struct dmabuf_test_bridge_export *arg = ucmd->arg;
	struct bridge_buffer *buffer;
	struct dma_buf *dmabuf;
	int ret;

	if (arg->flags & ~(DMABUF_TEST_BRIDGE_LOW | DMABUF_TEST_BRIDGE_CONTIG) || !arg->bytes ||
	    arg->bytes > BRIDGE_EXPORT_MAX || !PAGE_ALIGNED(arg->bytes))
		return -EINVAL;
	buffer = kzalloc(sizeof(*buffer), GFP_KERNEL);
	if (!buffer)
		return -ENOMEM;
	kref_init(&buffer->kref);
	ret = xa_alloc(&bridge->buffers, &arg->buffer, buffer, xa_limit_31b, GFP_KERNEL);
	if (ret)
		goto err_buffer;
	arg->fd = get_unused_fd_flags(O_CLOEXEC);
	if (arg->fd < 0) {
		ret = arg->fd;
		goto err_erase;
	}
	dmabuf = bridge_export(buffer, arg->bytes, arg->flags);
	if (IS_ERR(dmabuf)) {
		ret = PTR_ERR(dmabuf);
		goto err_fd;
	}
	ret = dmabuf_ucmd_respond(ucmd);
	if (ret)
		goto err_dmabuf;
	/* Another thread may close it from here on. */
	fd_install(arg->fd, dmabuf->file);
	return 0;

err_dmabuf:
	dma_buf_put(dmabuf);
err_fd:
	put_unused_fd(arg->fd);
err_erase:
	xa_erase(&bridge->buffers, arg->buffer);
err_buffer:
	kref_put(&buffer->kref, bridge_buffer_free);
	return ret;
}

static bool bridge_is_error(int error)
{
	return error <= 0 && error >= -MAX_ERRNO;
}

int bridge_ucmd_behave(struct dmabuf_ucmd *ucmd)
{
	struct bridge_file *bridge = ucmd->file->private_data;
	struct dmabuf_test_bridge_behave *arg = ucmd->arg;
	struct bridge_buffer *buffer = xa_load(&bridge->buffers, arg->buffer);

	if (!buffer)
		return -ENOENT;
	if (!bridge_is_error(arg->attach_error) || !bridge_is_error(arg->map_error))
		return -EINVAL;
	WRITE_ONCE(buffer->attach_error, arg->attach_error);
	WRITE_ONCE(buffer->map_error, arg->map_error);
	return 0;
}

int bridge_ucmd_counts(struct dmabuf_ucmd *ucmd)
{
	struct bridge_file *bridge = ucmd->file->private_data;
	struct dmabuf_test_bridge_counts *arg = ucmd->arg;
	struct bridge_counts *counts = &bridge_totals;

	if (arg->reserved)
		return -EINVAL;
	if (arg->buffer) {
		struct bridge_buffer *buffer = xa_load(&bridge->buffers, arg->buffer);

		if (!buffer)
			return -ENOENT;
		counts = &buffer->counts;
	}
	arg->exported = atomic_read(&counts->exported);
	arg->counts.attach = atomic_read(&counts->attach);
	arg->counts.refused = atomic_read(&counts->refused);
	arg->counts.detach = atomic_read(&counts->detach);
	arg->counts.map = atomic_read(&counts->map);
	arg->counts.unmap = atomic_read(&counts->unmap);
	arg->counts.release = atomic_read(&counts->release);
	return dmabuf_ucmd_respond(ucmd);
}

void bridge_exporter_close(struct bridge_file *bridge)
{
	struct bridge_buffer *buffer;
	unsigned long i;

	xa_for_each(&bridge->buffers, i, buffer)
		kref_put(&buffer->kref, bridge_buffer_free);
	xa_destroy(&bridge->buffers);
}
