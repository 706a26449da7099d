// SPDX-License-Identifier: GPL-2.0-only
/*
 * An exporter that does nothing, so that what is left is the core: how long its
 * calls take, and how many buffers there can be.
 */
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include <dmabuf-core/placement.h>

#include "ops.h"

#define OPS_MAX_LIVE 100000

static struct scatterlist ops_null_sg = { .length = PAGE_SIZE };
static struct sg_table ops_null_sgt = { .sgl = &ops_null_sg, .nents = 1, .orig_nents = 1 };

static struct sg_table *ops_null_map(struct dmabuf_attachment *attachment,
				     enum dma_data_direction direction)
{
	return &ops_null_sgt;
}

static void ops_null_unmap(struct dmabuf_attachment *attachment, struct sg_table *sgt)
{
}

static void ops_null_release(struct dmabuf *dmabuf)
{
}

const struct dmabuf_ops ops_null = {
	.owner = THIS_MODULE,
	.map_dma_buf = ops_null_map,
	.unmap_dma_buf = ops_null_unmap,
	.release = ops_null_release,
};

/* The same on the placement layer: one storage for all buffers, that is nothing. */

static struct dmabuf_storage ops_null_storage = { .kind = "nothing", .chunks = 1 };

static struct dmabuf_storage *ops_null_storage_alloc(struct dmabuf *dmabuf,
						     const struct dmabuf_constraints *needs,
						     const struct dmabuf_storage *from)
{
	return &ops_null_storage;
}

static void ops_null_storage_free(struct dmabuf *dmabuf, struct dmabuf_storage *storage)
{
}

static struct sg_table *ops_null_storage_map(struct dmabuf_attachment *attachment,
					     struct dmabuf_storage *storage,
					     enum dma_data_direction direction)
{
	return &ops_null_sgt;
}

static void ops_null_storage_unmap(struct dmabuf_attachment *attachment,
				   struct dmabuf_storage *storage, struct sg_table *sgt)
{
}

static const struct dmabuf_placement_ops ops_null_placement = {
	.alloc = ops_null_storage_alloc,
	.free = ops_null_storage_free,
	.map = ops_null_storage_map,
	.unmap = ops_null_storage_unmap,
};

const struct dmabuf_ops ops_null_layer = {
	.owner = THIS_MODULE,
	.placement = &ops_null_placement,
	.release = ops_null_release,
};

/* From EMPTY to BACKED: what a first map does more than others. */
int ops_null_take_storage(struct dmabuf_attachment *attachment)
{
	struct sg_table *sgt = dmabuf_map_attachment(attachment, DMA_BIDIRECTIONAL);

	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	dmabuf_unmap_attachment(attachment, sgt);
	return 0;
}

/**
 * struct ops_live - what BUFFERS and ATTACHMENTS made
 * @n: of @buffers
 * @buffers: one reference each
 * @nr_attachments: of @attachments
 * @attachments: of the first buffer, or NULL
 */
struct ops_live {
	u32 n;
	struct dmabuf **buffers;
	u32 nr_attachments;
	struct dmabuf_attachment **attachments;
};

static struct dmabuf *ops_null_export(u32 flags)
{
	return dmabuf_export(NULL, flags & DMABUF_TEST_LAYER ? &ops_null_layer : &ops_null,
			     PAGE_SIZE, O_RDWR | O_CLOEXEC);
}

/**
 * struct ops_cost - one measurement
 * @n: most buffers
 * @flags: of DMABUF_TEST_COST
 * @nr_buffers: made so far
 * @nr_attachments: made so far, one a buffer
 * @nr_mappings: made so far, one an attachment
 * @buffers: each with a reference
 * @attachments: of the buffer with the same index
 */
struct ops_cost {
	u32 n;
	u32 flags;
	u32 nr_buffers;
	u32 nr_attachments;
	u32 nr_mappings;
	struct dmabuf **buffers;
	struct dmabuf_attachment **attachments;
};

/* One fd for one buffer, closed again: what get and put cost. */
static int ops_cost_get_put(struct ops_cost *cost, u64 *ns)
{
	int fd = get_unused_fd_flags(O_CLOEXEC);
	struct dmabuf *dmabuf;
	u64 start;
	u32 i;

	if (fd < 0)
		return fd;
	get_file(cost->buffers[0]->file);
	dmabuf_fd_install(cost->buffers[0], fd);

	start = ktime_get_ns();
	for (i = 0; i < cost->n; i++) {
		dmabuf = dmabuf_get(fd);
		if (IS_ERR(dmabuf))
			break;
		dmabuf_put(dmabuf);
	}
	*ns = ktime_get_ns() - start;
	close_fd(fd);
	return PTR_ERR_OR_ZERO(dmabuf);
}

static int ops_cost_run(struct ops_cost *cost, u64 *ns)
{
	struct device *dev = &ops_pdevs[0]->dev;
	u64 start;
	u32 i;
	int ret;

	start = ktime_get_ns();
	for (; cost->nr_buffers < cost->n; cost->nr_buffers++) {
		cost->buffers[cost->nr_buffers] = ops_null_export(cost->flags);
		if (!cost->buffers[cost->nr_buffers])
			return -ENOMEM;
	}
	ns[DMABUF_TEST_OP_EXPORT] = ktime_get_ns() - start;

	ret = ops_cost_get_put(cost, &ns[DMABUF_TEST_OP_GET_PUT]);
	if (ret)
		return ret;

	start = ktime_get_ns();
	for (i = 0; i < cost->n; i++) {
		cost->attachments[i] = dmabuf_attach(cost->buffers[i], dev);
		if (IS_ERR(cost->attachments[i]))
			return PTR_ERR(cost->attachments[i]);
		cost->nr_attachments++;
	}
	ns[DMABUF_TEST_OP_ATTACH] = ktime_get_ns() - start;

	for (i = 0; i < cost->n && cost->flags & DMABUF_TEST_LAYER; i++) {
		ret = ops_null_take_storage(cost->attachments[i]);
		if (ret)
			return ret;
	}

	start = ktime_get_ns();
	for (; cost->nr_mappings < cost->n; cost->nr_mappings++) {
		struct sg_table *sgt;

		sgt = dmabuf_map_attachment(cost->attachments[cost->nr_mappings],
					    DMA_BIDIRECTIONAL);
		if (IS_ERR(sgt))
			return PTR_ERR(sgt);
	}
	ns[DMABUF_TEST_OP_MAP] = ktime_get_ns() - start;

	start = ktime_get_ns();
	for (; cost->nr_mappings; cost->nr_mappings--)
		dmabuf_unmap_attachment(cost->attachments[cost->nr_mappings - 1], &ops_null_sgt);
	ns[DMABUF_TEST_OP_UNMAP] = ktime_get_ns() - start;

	start = ktime_get_ns();
	for (; cost->nr_attachments; cost->nr_attachments--)
		dmabuf_detach(cost->buffers[cost->nr_attachments - 1],
			      cost->attachments[cost->nr_attachments - 1]);
	ns[DMABUF_TEST_OP_DETACH] = ktime_get_ns() - start;
	return 0;
}

static void ops_cost_undo(struct ops_cost *cost)
{
	u32 i;

	for (i = 0; i < cost->nr_mappings; i++)
		dmabuf_unmap_attachment(cost->attachments[i], &ops_null_sgt);
	for (i = 0; i < cost->nr_attachments; i++)
		dmabuf_detach(cost->buffers[i], cost->attachments[i]);
	for (i = 0; i < cost->nr_buffers; i++)
		dmabuf_put(cost->buffers[i]);
}

int ops_ucmd_cost(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_test_cost *arg = ucmd->arg;
	struct ops_cost cost = { .n = arg->n, .flags = arg->flags };
	int ret = -ENOMEM;

	if (!arg->n || arg->n > OPS_MAX_LIVE || arg->flags & ~DMABUF_TEST_LAYER || arg->reserved)
		return -EINVAL;
	memset(arg->ns, 0, sizeof(arg->ns));
	cost.buffers = vcalloc(arg->n, sizeof(*cost.buffers));
	cost.attachments = vcalloc(arg->n, sizeof(*cost.attachments));
	if (cost.buffers && cost.attachments) {
		ret = ops_cost_run(&cost, arg->ns);
		ops_cost_undo(&cost);
	}
	vfree(cost.attachments);
	vfree(cost.buffers);
	return ret ?: dmabuf_ucmd_respond(ucmd);
}

int ops_ucmd_fds(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_test_live *arg = ucmd->arg;
	u64 start = ktime_get_ns();
	struct dmabuf *dmabuf;
	u32 i;
	int fd;

	for (i = 0; i < arg->n; i++) {
		dmabuf = ops_null_export(0);
		if (!dmabuf)
			return -ENOMEM;
		fd = dmabuf_fd(dmabuf);
		if (fd < 0) {
			dmabuf_put(dmabuf);
			return fd;
		}
	}
	arg->ns = ktime_get_ns() - start;
	return dmabuf_ucmd_respond(ucmd);
}

int ops_ucmd_buffers(struct dmabuf_ucmd *ucmd)
{
	struct ops_file *ops = ucmd->file->private_data;
	struct dmabuf_test_live *arg = ucmd->arg;
	struct ops_live *live;
	u64 start;

	if (!arg->n || arg->n > OPS_MAX_LIVE)
		return -EINVAL;
	live = vzalloc(sizeof(*live));
	if (!live)
		return -ENOMEM;
	live->buffers = vcalloc(arg->n, sizeof(*live->buffers));
	if (!live->buffers) {
		vfree(live);
		return -ENOMEM;
	}
	if (cmpxchg(&ops->live, NULL, live)) {
		vfree(live->buffers);
		vfree(live);
		return -EBUSY;
	}

	start = ktime_get_ns();
	for (; live->n < arg->n; live->n++) {
		live->buffers[live->n] = ops_null_export(0);
		if (!live->buffers[live->n])
			return -ENOMEM;
		cond_resched();
	}
	arg->ns = ktime_get_ns() - start;
	return dmabuf_ucmd_respond(ucmd);
}

int ops_ucmd_attachments(struct dmabuf_ucmd *ucmd)
{
	struct ops_file *ops = ucmd->file->private_data;
	struct dmabuf_test_live *arg = ucmd->arg;
	struct dmabuf_attachment **attachments;
	struct ops_live *live = ops->live;
	u64 start;

	if (!arg->n || arg->n > OPS_MAX_LIVE)
		return -EINVAL;
	if (!live)
		return -ENOENT;
	attachments = vcalloc(arg->n, sizeof(*attachments));
	if (!attachments)
		return -ENOMEM;
	if (cmpxchg(&live->attachments, NULL, attachments)) {
		vfree(attachments);
		return -EBUSY;
	}

	start = ktime_get_ns();
	for (; live->nr_attachments < arg->n; live->nr_attachments++) {
		struct dmabuf_attachment *attachment;

		attachment = dmabuf_attach(live->buffers[0], &ops_pdevs[0]->dev);
		if (IS_ERR(attachment))
			return PTR_ERR(attachment);
		attachments[live->nr_attachments] = attachment;
		cond_resched();
	}
	arg->ns = ktime_get_ns() - start;
	return dmabuf_ucmd_respond(ucmd);
}

void ops_null_close(struct ops_file *ops)
{
	struct ops_live *live = ops->live;
	u32 i;

	if (!live)
		return;
	/* From the oldest: detach looks for an attachment from that end. */
	for (i = 0; i < live->nr_attachments; i++)
		dmabuf_detach(live->buffers[0], live->attachments[i]);
	for (i = 0; i < live->n; i++)
		dmabuf_put(live->buffers[i]);
	vfree(live->attachments);
	vfree(live->buffers);
	vfree(live);
}
