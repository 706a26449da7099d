// SPDX-License-Identifier: GPL-2.0-only
/*
 * The importer of dmabuf-test-ops: calls the core as user space asks, for two
 * made-up devices, whoever exported the buffer, and hands back what it got.
 */
#include <linux/completion.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "ops.h"

/**
 * struct ops_attachment - one of the importer
 * @dmabuf: the buffer, with a reference from dmabuf_get(); immutable
 * @attachment: the core's; immutable
 * @nr_mappings: that user space has not undone
 */
struct ops_attachment {
	struct dmabuf *dmabuf;
	struct dmabuf_attachment *attachment;
	atomic_t nr_mappings;
};

/**
 * struct ops_mapping - one of the importer; all immutable
 * @attachment: through which
 * @sgt: the core's
 */
struct ops_mapping {
	struct ops_attachment *attachment;
	struct sg_table *sgt;
};

static int ops_attach_fd(struct dmabuf_test_attach *arg, struct ops_attachment *attachment)
{
	struct device *dev = &ops_pdevs[arg->device]->dev;
	struct dmabuf_constraints extra = {
		.dma_mask = arg->constraints.dma_mask,
		.seg_boundary = arg->constraints.seg_boundary,
		.max_seg_size = arg->constraints.max_seg_size,
		.max_segs = arg->constraints.max_segs,
		.align = arg->constraints.align,
	};

	attachment->dmabuf = dmabuf_get(arg->fd);
	if (IS_ERR(attachment->dmabuf))
		return PTR_ERR(attachment->dmabuf);

	if (arg->flags & DMABUF_TEST_CONSTRAIN)
		attachment->attachment = dmabuf_attach_constrained(attachment->dmabuf, dev,
								   &extra);
	else
		attachment->attachment = dmabuf_attach(attachment->dmabuf, dev);
	if (IS_ERR(attachment->attachment)) {
		dmabuf_put(attachment->dmabuf);
		return PTR_ERR(attachment->attachment);
	}
	return 0;
}

static void ops_attachment_free(struct ops_attachment *attachment)
{
	dmabuf_detach(attachment->dmabuf, attachment->attachment);
	dmabuf_put(attachment->dmabuf);
	kfree(attachment);
}

int ops_ucmd_attach(struct dmabuf_ucmd *ucmd)
{
	struct ops_file *ops = ucmd->file->private_data;
	struct dmabuf_test_attach *arg = ucmd->arg;
	struct ops_attachment *attachment;
	int ret;

	if (arg->device >= DMABUF_TEST_DEVICES || arg->flags & ~DMABUF_TEST_CONSTRAIN)
		return -EINVAL;
	attachment = kzalloc(sizeof(*attachment), GFP_KERNEL);
	if (!attachment)
		return -ENOMEM;

	arg->ret = ops_attach_fd(arg, attachment);
	if (arg->ret) {
		kfree(attachment);
		return dmabuf_ucmd_respond(ucmd);
	}
	ret = xa_alloc(&ops->attachments, &arg->attachment, attachment, xa_limit_31b, GFP_KERNEL);
	if (ret)
		goto err_detach;
	ret = dmabuf_ucmd_respond(ucmd);
	if (ret)
		goto err_erase;
	return 0;

err_erase:
	xa_erase(&ops->attachments, arg->attachment);
err_detach:
	ops_attachment_free(attachment);
	return ret;
}

int ops_ucmd_detach(struct dmabuf_ucmd *ucmd)
{
	struct ops_file *ops = ucmd->file->private_data;
	struct dmabuf_test_detach *arg = ucmd->arg;
	struct ops_attachment *attachment = xa_load(&ops->attachments, arg->attachment);

	if (!attachment)
		return -ENOENT;
	if (atomic_read(&attachment->nr_mappings))
		return -EBUSY;
	xa_erase(&ops->attachments, arg->attachment);
	ops_attachment_free(attachment);
	return 0;
}

int ops_ucmd_device(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_test_device *arg = ucmd->arg;

	if (arg->device >= DMABUF_TEST_DEVICES || arg->reserved)
		return -EINVAL;
	arg->references = kref_read(&ops_pdevs[arg->device]->dev.kobj.kref);
	return dmabuf_ucmd_respond(ucmd);
}

static void ops_mapping_free(struct ops_mapping *mapping)
{
	dmabuf_unmap_attachment(mapping->attachment->attachment, mapping->sgt);
	atomic_dec(&mapping->attachment->nr_mappings);
	kfree(mapping);
}

static void ops_describe(struct dmabuf_test_map *arg, struct sg_table *sgt)
{
	struct scatterlist *sg;
	unsigned int i;

	arg->segments = sgt->nents;
	arg->address = sg_dma_address(sgt->sgl);
	arg->bytes = 0;
	for_each_sgtable_dma_sg(sgt, sg, i)
		arg->bytes += sg_dma_len(sg);
}

static struct sg_table *ops_map_attachment(struct dmabuf_attachment *attachment,
					   const struct dmabuf_test_map *arg)
{
	long timeout = MAX_SCHEDULE_TIMEOUT;

	if (!(arg->flags & DMABUF_TEST_TIMEOUT))
		return dmabuf_map_attachment(attachment, arg->direction);
	if (arg->timeout_ms != DMABUF_TEST_FOREVER)
		timeout = msecs_to_jiffies(arg->timeout_ms);
	return dmabuf_map_attachment_timeout(attachment, arg->direction, timeout);
}

static struct sg_table *ops_map_counted(struct dmabuf_attachment *attachment,
					struct dmabuf_test_map *arg)
{
	struct sg_table *sgt;
	int ret;

	if (!(arg->flags & DMABUF_TEST_COPIES))
		return ops_map_attachment(attachment, arg);
	ret = ops_copies_begin();
	if (ret)
		return ERR_PTR(ret);
	sgt = ops_map_attachment(attachment, arg);
	arg->copied_bytes = ops_copies_end(sgt);
	return sgt;
}

int ops_ucmd_map(struct dmabuf_ucmd *ucmd)
{
	struct ops_file *ops = ucmd->file->private_data;
	struct dmabuf_test_map *arg = ucmd->arg;
	struct ops_attachment *attachment = xa_load(&ops->attachments, arg->attachment);
	struct ops_mapping *mapping;
	int ret;

	if (!attachment)
		return -ENOENT;
	if (arg->flags & ~(DMABUF_TEST_TIMEOUT | DMABUF_TEST_COPIES))
		return -EINVAL;
	mapping = kzalloc(sizeof(*mapping), GFP_KERNEL);
	if (!mapping)
		return -ENOMEM;
	mapping->attachment = attachment;

	mapping->sgt = ops_map_counted(attachment->attachment, arg);
	arg->ret = PTR_ERR_OR_ZERO(mapping->sgt);
	if (arg->ret) {
		kfree(mapping);
		return dmabuf_ucmd_respond(ucmd);
	}
	atomic_inc(&attachment->nr_mappings);
	ops_describe(arg, mapping->sgt);
	ret = xa_alloc(&ops->mappings, &arg->mapping, mapping, xa_limit_31b, GFP_KERNEL);
	if (ret)
		goto err_unmap;
	ret = dmabuf_ucmd_respond(ucmd);
	if (ret)
		goto err_erase;
	return 0;

err_erase:
	xa_erase(&ops->mappings, arg->mapping);
err_unmap:
	ops_mapping_free(mapping);
	return ret;
}

int ops_ucmd_unmap(struct dmabuf_ucmd *ucmd)
{
	struct ops_file *ops = ucmd->file->private_data;
	struct dmabuf_test_unmap *arg = ucmd->arg;
	struct ops_mapping *mapping = xa_erase(&ops->mappings, arg->mapping);

	if (!mapping)
		return -ENOENT;
	ops_mapping_free(mapping);
	return 0;
}

/* The devices do not exist, so the CPU goes where their DMA would. */
int ops_ucmd_touch(struct dmabuf_ucmd *ucmd)
{
	struct ops_file *ops = ucmd->file->private_data;
	struct dmabuf_test_touch *arg = ucmd->arg;
	struct ops_mapping *mapping = xa_load(&ops->mappings, arg->mapping);
	struct sg_mapping_iter iter;
	size_t i;

	if (!mapping)
		return -ENOENT;
	if (arg->write > 1 || arg->value > 255)
		return -EINVAL;
	sg_miter_start(&iter, mapping->sgt->sgl, mapping->sgt->orig_nents,
		       arg->write ? SG_MITER_TO_SG : SG_MITER_FROM_SG);
	arg->equal = 0;
	while (sg_miter_next(&iter)) {
		u8 *bytes = iter.addr;

		if (arg->write)
			memset(bytes, arg->value, iter.length);
		for (i = 0; i < iter.length; i++)
			arg->equal += bytes[i] == arg->value;
	}
	sg_miter_stop(&iter);
	return dmabuf_ucmd_respond(ucmd);
}

int ops_ucmd_hold(struct dmabuf_ucmd *ucmd)
{
	struct ops_file *ops = ucmd->file->private_data;
	struct dmabuf_test_hold *arg = ucmd->arg;
	struct dmabuf *dmabuf;
	int ret;

	if (arg->flags)
		return -EINVAL;
	dmabuf = dmabuf_get(arg->fd);
	arg->ret = PTR_ERR_OR_ZERO(dmabuf);
	ret = dmabuf_ucmd_respond(ucmd);
	if (arg->ret)
		return ret;
	if (!ret && cmpxchg(&ops->held, NULL, dmabuf))
		ret = -EBUSY;
	if (ret)
		dmabuf_put(dmabuf);
	return ret;
}

struct ops_drop {
	struct dmabuf *dmabuf;
	struct completion done;
};

static int ops_drop_thread(void *data)
{
	struct ops_drop *drop = data;

	dmabuf_put(drop->dmabuf);
	/* The kernel runs it a tick later by itself; nobody need wait for that. */
	flush_delayed_fput();
	complete(&drop->done);
	return 0;
}

/* Ends when the thread has run, which waits for nobody. */
static int ops_drop_in_kthread(struct dmabuf *dmabuf)
{
	struct ops_drop drop = { .dmabuf = dmabuf };
	struct task_struct *task;

	init_completion(&drop.done);
	task = kthread_run(ops_drop_thread, &drop, "dmabuf-test-put");
	if (IS_ERR(task))
		return PTR_ERR(task);
	wait_for_completion(&drop.done);
	return 0;
}

int ops_ucmd_drop(struct dmabuf_ucmd *ucmd)
{
	struct ops_file *ops = ucmd->file->private_data;
	struct dmabuf_test_hold *arg = ucmd->arg;
	struct dmabuf *dmabuf;

	if (arg->flags & ~DMABUF_TEST_KTHREAD)
		return -EINVAL;
	dmabuf = xchg(&ops->held, NULL);
	if (!dmabuf)
		return -ENOENT;
	if (arg->flags & DMABUF_TEST_KTHREAD)
		return ops_drop_in_kthread(dmabuf);
	dmabuf_put(dmabuf);
	return 0;
}

int ops_ucmd_identify(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_test_identify *arg = ucmd->arg;
	struct dmabuf *dmabuf = dmabuf_get(arg->fd);

	arg->ret = PTR_ERR_OR_ZERO(dmabuf);
	if (!arg->ret) {
		arg->id = dmabuf->id;
		arg->kernel = !!dmabuf->kernel;
		dmabuf_put(dmabuf);
	}
	return dmabuf_ucmd_respond(ucmd);
}

void ops_importer_close(struct ops_file *ops)
{
	struct ops_attachment *attachment;
	struct ops_mapping *mapping;
	unsigned long i;

	xa_for_each(&ops->mappings, i, mapping)
		ops_mapping_free(mapping);
	xa_destroy(&ops->mappings);
	xa_for_each(&ops->attachments, i, attachment)
		ops_attachment_free(attachment);
	xa_destroy(&ops->attachments);
	if (ops->held)
		dmabuf_put(ops->held);
}
