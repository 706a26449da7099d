// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmabuf-test-kernel: the kernel's own dma-buf with an exporter that does nothing,
 * timed in the same way as ours in ops-null.c, so that the two can be compared; and
 * the same calls of the kernel's dma-buf where the exporter is one of ours.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/ktime.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/scatterlist.h>
#include <linux/vmalloc.h>

#include <dmabuf-core/placement.h>

#include "../../dmabuf-core/compat.h"
#include "../../dmabuf-core/ucmd.h"
#include "test-uapi-bridge.h"

#define KERNEL_MAX 100000

static struct platform_device *kernel_pdev;

static struct scatterlist kernel_sg = { .length = PAGE_SIZE };
static struct sg_table kernel_sgt = { .sgl = &kernel_sg, .nents = 1, .orig_nents = 1 };

static struct sg_table *kernel_op_map(struct dma_buf_attachment *attachment,
				      enum dma_data_direction direction)
{
	return &kernel_sgt;
}

static void kernel_op_unmap(struct dma_buf_attachment *attachment, struct sg_table *sgt,
			    enum dma_data_direction direction)
{
}

static void kernel_op_release(struct dma_buf *dmabuf)
{
}

static const struct dma_buf_ops kernel_ops = {
	.map_dma_buf = kernel_op_map,
	.unmap_dma_buf = kernel_op_unmap,
	.release = kernel_op_release,
};

/* Ours, with and without the placement layer; what they return is the same. */

static struct sg_table *bridged_op_map(struct dmabuf_attachment *attachment,
				       enum dma_data_direction direction)
{
	return &kernel_sgt;
}

static void bridged_op_unmap(struct dmabuf_attachment *attachment, struct sg_table *sgt)
{
}

static void bridged_op_release(struct dmabuf *dmabuf)
{
}

static const struct dmabuf_ops bridged_ops = {
	.owner = THIS_MODULE,
	.map_dma_buf = bridged_op_map,
	.unmap_dma_buf = bridged_op_unmap,
	.release = bridged_op_release,
};

static struct dmabuf_storage bridged_storage = { .kind = "nothing", .chunks = 1 };

static struct dmabuf_storage *bridged_storage_alloc(struct dmabuf *dmabuf,
						    const struct dmabuf_constraints *needs,
						    const struct dmabuf_storage *from)
{
	return &bridged_storage;
}

static void bridged_storage_free(struct dmabuf *dmabuf, struct dmabuf_storage *storage)
{
}

static struct sg_table *bridged_storage_map(struct dmabuf_attachment *attachment,
					    struct dmabuf_storage *storage,
					    enum dma_data_direction direction)
{
	return &kernel_sgt;
}

static void bridged_storage_unmap(struct dmabuf_attachment *attachment,
				  struct dmabuf_storage *storage, struct sg_table *sgt)
{
}

static const struct dmabuf_placement_ops bridged_placement = {
	.alloc = bridged_storage_alloc,
	.free = bridged_storage_free,
	.map = bridged_storage_map,
	.unmap = bridged_storage_unmap,
};

static const struct dmabuf_ops bridged_layer_ops = {
	.owner = THIS_MODULE,
	.placement = &bridged_placement,
	.release = bridged_op_release,
};

static struct dma_buf *bridged_export(u32 flags)
{
	struct dmabuf *dmabuf = dmabuf_export(NULL, flags & DMABUF_TEST_LAYER ?
						    &bridged_layer_ops : &bridged_ops,
					      PAGE_SIZE, O_RDWR | O_CLOEXEC);

	if (!dmabuf)
		return ERR_PTR(-ENOMEM);
	if (!dmabuf->kernel) {
		dmabuf_put(dmabuf);
		return ERR_PTR(-EOPNOTSUPP);
	}
	return dmabuf->kernel;
}

static struct dma_buf *kernel_export(u32 flags)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);

	if (flags & DMABUF_TEST_BRIDGED)
		return bridged_export(flags);
	info.ops = &kernel_ops;
	info.size = PAGE_SIZE;
	info.flags = O_RDWR | O_CLOEXEC;
	info.priv = &kernel_sgt;
	return dma_buf_export(&info);
}

/**
 * struct kernel_cost - one measurement
 * @n: most buffers
 * @flags: of DMABUF_TEST_COST
 * @nr_buffers: made so far
 * @nr_attachments: made so far, one a buffer
 * @nr_mappings: made so far, one an attachment
 * @buffers: each with a reference
 * @attachments: of the buffer with the same index
 */
struct kernel_cost {
	u32 n;
	u32 flags;
	u32 nr_buffers;
	u32 nr_attachments;
	u32 nr_mappings;
	struct dma_buf **buffers;
	struct dma_buf_attachment **attachments;
};

static int kernel_cost_get_put(struct kernel_cost *cost, u64 *ns)
{
	int fd = get_unused_fd_flags(O_CLOEXEC);
	struct dma_buf *dmabuf;
	u64 start;
	u32 i;

	if (fd < 0)
		return fd;
	get_dma_buf(cost->buffers[0]);
	fd_install(fd, cost->buffers[0]->file);

	start = ktime_get_ns();
	for (i = 0; i < cost->n; i++) {
		dmabuf = dma_buf_get(fd);
		if (IS_ERR(dmabuf))
			break;
		dma_buf_put(dmabuf);
	}
	*ns = ktime_get_ns() - start;
	close_fd(fd);
	return PTR_ERR_OR_ZERO(dmabuf);
}

/* From EMPTY to BACKED: what a first map does more than others. */
static int kernel_take_storage(struct dma_buf_attachment *attachment)
{
	struct sg_table *sgt = dma_buf_map_attachment_unlocked(attachment, DMA_BIDIRECTIONAL);

	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	dma_buf_unmap_attachment_unlocked(attachment, sgt, DMA_BIDIRECTIONAL);
	return 0;
}

static int kernel_cost_run(struct kernel_cost *cost, u64 *ns)
{
	struct device *dev = &kernel_pdev->dev;
	u64 start;
	u32 i;
	int ret;

	start = ktime_get_ns();
	for (i = 0; i < cost->n; i++) {
		cost->buffers[i] = kernel_export(cost->flags);
		if (IS_ERR(cost->buffers[i]))
			return PTR_ERR(cost->buffers[i]);
		cost->nr_buffers++;
	}
	ns[DMABUF_TEST_OP_EXPORT] = ktime_get_ns() - start;

	ret = kernel_cost_get_put(cost, &ns[DMABUF_TEST_OP_GET_PUT]);
	if (ret)
		return ret;

	start = ktime_get_ns();
	for (i = 0; i < cost->n; i++) {
		cost->attachments[i] = dma_buf_attach(cost->buffers[i], dev);
		if (IS_ERR(cost->attachments[i]))
			return PTR_ERR(cost->attachments[i]);
		cost->nr_attachments++;
	}
	ns[DMABUF_TEST_OP_ATTACH] = ktime_get_ns() - start;

	for (i = 0; i < cost->n && cost->flags & DMABUF_TEST_LAYER; i++) {
		ret = kernel_take_storage(cost->attachments[i]);
		if (ret)
			return ret;
	}

	start = ktime_get_ns();
	for (; cost->nr_mappings < cost->n; cost->nr_mappings++) {
		struct sg_table *sgt;

		sgt = dma_buf_map_attachment_unlocked(cost->attachments[cost->nr_mappings],
						      DMA_BIDIRECTIONAL);
		if (IS_ERR(sgt))
			return PTR_ERR(sgt);
	}
	ns[DMABUF_TEST_OP_MAP] = ktime_get_ns() - start;

	start = ktime_get_ns();
	for (; cost->nr_mappings; cost->nr_mappings--)
		dma_buf_unmap_attachment_unlocked(cost->attachments[cost->nr_mappings - 1],
						  &kernel_sgt, DMA_BIDIRECTIONAL);
	ns[DMABUF_TEST_OP_UNMAP] = ktime_get_ns() - start;

	start = ktime_get_ns();
	for (; cost->nr_attachments; cost->nr_attachments--)
		dma_buf_detach(cost->buffers[cost->nr_attachments - 1],
			       cost->attachments[cost->nr_attachments - 1]);
	ns[DMABUF_TEST_OP_DETACH] = ktime_get_ns() - start;
	return 0;
}

static void kernel_cost_undo(struct kernel_cost *cost)
{
	u32 i;

	for (i = 0; i < cost->nr_mappings; i++)
		dma_buf_unmap_attachment_unlocked(cost->attachments[i], &kernel_sgt,
						  DMA_BIDIRECTIONAL);
	for (i = 0; i < cost->nr_attachments; i++)
		dma_buf_detach(cost->buffers[i], cost->attachments[i]);
	for (i = 0; i < cost->nr_buffers; i++)
		dma_buf_put(cost->buffers[i]);
}

static int kernel_ucmd_cost(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_test_cost *arg = ucmd->arg;
	struct kernel_cost cost = { .n = arg->n, .flags = arg->flags };
	int ret = -ENOMEM;

	if (!arg->n || arg->n > KERNEL_MAX || arg->reserved ||
	    arg->flags & ~(DMABUF_TEST_LAYER | DMABUF_TEST_BRIDGED) ||
	    arg->flags == DMABUF_TEST_LAYER)
		return -EINVAL;
	memset(arg->ns, 0, sizeof(arg->ns));
	cost.buffers = vcalloc(arg->n, sizeof(*cost.buffers));
	cost.attachments = vcalloc(arg->n, sizeof(*cost.attachments));
	if (cost.buffers && cost.attachments) {
		ret = kernel_cost_run(&cost, arg->ns);
		kernel_cost_undo(&cost);
	}
	vfree(cost.attachments);
	vfree(cost.buffers);
	return ret ?: dmabuf_ucmd_respond(ucmd);
}

static const struct dmabuf_ucmd_entry kernel_ucmds[] = {
	DMABUF_UCMD(DMABUF_TEST_COST, kernel_ucmd_cost, struct dmabuf_test_cost, ns),
};

static long kernel_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return dmabuf_ucmd_run(kernel_ucmds, ARRAY_SIZE(kernel_ucmds), file, cmd,
			       (void __user *)arg);
}

static const struct file_operations kernel_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = kernel_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice kernel_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "dmabuf-test-kernel",
	.fops = &kernel_fops,
	.mode = 0600,
};

static int __init kernel_init_module(void)
{
	const struct platform_device_info info = {
		.name = "dmabuf-test-kernel",
		.id = PLATFORM_DEVID_NONE,
		.dma_mask = DMA_BIT_MASK(64),
	};
	int ret;

	kernel_pdev = platform_device_register_full(&info);
	if (IS_ERR(kernel_pdev))
		return PTR_ERR(kernel_pdev);
	ret = misc_register(&kernel_misc);
	if (ret)
		platform_device_unregister(kernel_pdev);
	return ret;
}

static void __exit kernel_exit_module(void)
{
	misc_deregister(&kernel_misc);
	platform_device_unregister(kernel_pdev);
}

module_init(kernel_init_module);
module_exit(kernel_exit_module);

MODULE_DESCRIPTION("Selftest of dmabuf-core: what the kernel's own dma-buf costs");
MODULE_AUTHOR("dmabuf-core maintainers");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(DMABUF_KERNEL_NS);
MODULE_IMPORT_NS(DMABUF_NS);
