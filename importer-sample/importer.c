// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sample importer: /dev/dmabuf-importer.
 *
 * User space attaches buffers to a DMA engine, maps them and lets the engine
 * move bytes, see uapi/dmabuf-core/importer.h.  What a process leaves behind is
 * undone when its file is released.
 */
#include <linux/build_bug.h>
#include <linux/capability.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "../dmabuf-core/compat.h"
#include "../dmabuf-core/ucmd.h"
#include "engine.h"

static unsigned int max_handles = 4096;
module_param(max_handles, uint, 0644);
MODULE_PARM_DESC(max_handles, "Most attachments, and most mappings, that one open file can have (default 4096, at most 65535)");

static_assert((int)DMABUF_IMPORTER_BIDIRECTIONAL == (int)DMA_BIDIRECTIONAL);
static_assert((int)DMABUF_IMPORTER_TO_DEVICE == (int)DMA_TO_DEVICE);
static_assert((int)DMABUF_IMPORTER_FROM_DEVICE == (int)DMA_FROM_DEVICE);

/**
 * struct dmabuf_importer_file - one open file of the device
 * @attachments: &struct dmabuf_engine_attachment by handle
 * @mappings: &struct dmabuf_engine_mapping by handle
 * @newest: all in @mappings, newest first, which is how the core finds them
 *	fastest when the file is closed
 *
 * A handle is taken with nothing behind it first, and its object stored as the
 * last step, when nothing can fail any more.
 */
struct dmabuf_importer_file {
	/**
	 * @lock: guards the look-ups, @newest, and the busy counts (users) of
	 * what is found; not held while the core or an engine works
	 */
	struct mutex lock;
	struct xarray attachments;
	struct xarray mappings;
	struct list_head newest;
};

static int handle_reserve(struct xarray *handles, u32 *handle)
{
	u32 most = min_t(u32, READ_ONCE(max_handles), U16_MAX);
	int ret = xa_alloc(handles, handle, NULL, XA_LIMIT(1, most), GFP_KERNEL_ACCOUNT);

	return ret == -EBUSY ? -ENOSPC : ret;
}

/* Any other thread may find the object from here on, and free it. */
static void handle_publish(struct xarray *handles, u32 handle, void *object)
{
	void *old = xa_store(handles, handle, object, GFP_KERNEL_ACCOUNT);

	/* The slot exists since handle_reserve(). */
	WARN_ON(old);
}

static void constraints_to_user(struct dmabuf_importer_constraints *to,
				const struct dmabuf_constraints *from)
{
	to->dma_mask = from->dma_mask;
	to->seg_boundary = from->seg_boundary;
	to->max_seg_size = from->max_seg_size;
	to->max_segs = from->max_segs;
	to->align = from->align;
}

static void constraints_from_user(struct dmabuf_constraints *to,
				  const struct dmabuf_importer_constraints *from)
{
	to->dma_mask = from->dma_mask;
	to->seg_boundary = from->seg_boundary;
	to->max_seg_size = from->max_seg_size;
	to->max_segs = from->max_segs;
	to->align = from->align;
}

static int importer_engine(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_importer_engine *arg = ucmd->arg;
	struct dmabuf_engine *engine = dmabuf_engine_get(arg->index);

	if (!engine)
		return -ENOENT;

	arg->type = engine->type;
	arg->max_transfer = engine->max_transfer;
	constraints_to_user(&arg->constraints, &engine->constraints);
	memcpy(arg->name, engine->name, sizeof(arg->name));
	memcpy(arg->device, engine->device, sizeof(arg->device));
	dmabuf_engine_put(engine);
	return dmabuf_ucmd_respond(ucmd);
}

static int importer_attach(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_importer_file *file = ucmd->file->private_data;
	struct dmabuf_importer_attach *arg = ucmd->arg;
	struct dmabuf_constraints constraints, *extra = NULL;
	struct dmabuf_engine_attachment *attachment;
	struct dmabuf_engine *engine;
	struct dmabuf *dmabuf;
	u32 handle;
	int ret;

	if (arg->flags & ~DMABUF_IMPORTER_CONSTRAIN || arg->reserved)
		return -EINVAL;
	if (arg->flags & DMABUF_IMPORTER_CONSTRAIN) {
		constraints_from_user(&constraints, &arg->constraints);
		ret = dmabuf_constraints_validate(&constraints);
		if (ret)
			return ret;
		extra = &constraints;
	} else if (memchr_inv(&arg->constraints, 0, sizeof(arg->constraints))) {
		return -EINVAL;
	}

	engine = dmabuf_engine_get(arg->engine);
	if (!engine)
		return -ENODEV;

	dmabuf = dmabuf_get(arg->fd);
	if (IS_ERR(dmabuf)) {
		ret = PTR_ERR(dmabuf);
		goto err_put_engine;
	}

	ret = handle_reserve(&file->attachments, &handle);
	if (ret)
		goto err_put_dmabuf;

	attachment = dmabuf_engine_attach(engine, arg->engine, dmabuf, extra);
	if (IS_ERR(attachment)) {
		ret = PTR_ERR(attachment);
		goto err_handle;
	}

	/* Both references are the attachment's now. */
	arg->bytes = dmabuf->size;
	arg->attachment = handle;
	ret = dmabuf_ucmd_respond(ucmd);
	if (ret)
		goto err_detach;

	handle_publish(&file->attachments, handle, attachment);
	return 0;

err_detach:
	xa_erase(&file->attachments, handle);
	dmabuf_engine_detach(attachment);
	return ret;
err_handle:
	xa_erase(&file->attachments, handle);
err_put_dmabuf:
	dmabuf_put(dmabuf);
err_put_engine:
	dmabuf_engine_put(engine);
	return ret;
}

static int importer_detach(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_importer_file *file = ucmd->file->private_data;
	struct dmabuf_importer_detach *arg = ucmd->arg;
	struct dmabuf_engine_attachment *attachment;
	int ret = 0;

	mutex_lock(&file->lock);
	attachment = xa_load(&file->attachments, arg->attachment);
	if (!attachment)
		ret = -ENOENT;
	else if (attachment->users)
		ret = -EBUSY;
	else
		xa_erase(&file->attachments, arg->attachment);
	mutex_unlock(&file->lock);
	if (ret)
		return ret;

	/* Nobody finds it any more, and nobody uses it. */
	dmabuf_engine_detach(attachment);
	return 0;
}

static void attachment_unuse(struct dmabuf_importer_file *file,
			     struct dmabuf_engine_attachment *attachment)
{
	mutex_lock(&file->lock);
	attachment->users--;
	mutex_unlock(&file->lock);
}

/* How long a map may wait, in jiffies. */
static int map_timeout(const struct dmabuf_importer_map *arg, long *timeout)
{
	if (arg->reserved)
		return -EINVAL;
	if (arg->timeout_ms && arg->flags != DMABUF_IMPORTER_TIMEOUT)
		return -EINVAL;

	switch (arg->flags) {
	case 0:
		*timeout = MAX_SCHEDULE_TIMEOUT;
		break;
	case DMABUF_IMPORTER_NOWAIT:
		*timeout = 0;
		break;
	case DMABUF_IMPORTER_TIMEOUT:
		if (!arg->timeout_ms)
			return -EINVAL;
		/*
		 * Rounded up, and one for the jiffy under way, so never too short;
		 * not msecs_to_jiffies(), which makes MAX_SCHEDULE_TIMEOUT of INT_MAX
		 * where a long has 32 bits.
		 */
		*timeout = min_t(u64, MAX_JIFFY_OFFSET,
				 DIV_ROUND_UP_ULL((u64)arg->timeout_ms * HZ, MSEC_PER_SEC) + 1);
		break;
	default:
		return -EINVAL;
	}
	return 0;
}

static int importer_map(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_importer_file *file = ucmd->file->private_data;
	struct dmabuf_importer_map *arg = ucmd->arg;
	struct dmabuf_engine_attachment *attachment;
	struct dmabuf_engine_mapping *mapping;
	long timeout;
	u32 handle;
	int ret;

	ret = map_timeout(arg, &timeout);
	if (ret)
		return ret;
	if (arg->direction > DMABUF_IMPORTER_FROM_DEVICE)
		return -EINVAL;

	mutex_lock(&file->lock);
	attachment = xa_load(&file->attachments, arg->attachment);
	if (attachment)
		attachment->users++;
	mutex_unlock(&file->lock);
	if (!attachment)
		return -ENOENT;

	ret = handle_reserve(&file->mappings, &handle);
	if (ret)
		goto err_unuse;

	mapping = dmabuf_engine_map(attachment, (enum dma_data_direction)arg->direction, timeout);
	if (IS_ERR(mapping)) {
		ret = PTR_ERR(mapping);
		goto err_handle;
	}

	arg->mapping = handle;
	arg->segments = mapping->segments;
	ret = dmabuf_ucmd_respond(ucmd);
	if (ret)
		goto err_unmap;

	/* The use of the attachment is the mapping's now. */
	mutex_lock(&file->lock);
	list_add(&mapping->file_node, &file->newest);
	handle_publish(&file->mappings, handle, mapping);
	mutex_unlock(&file->lock);
	return 0;

err_unmap:
	dmabuf_engine_unmap(mapping);
err_handle:
	xa_erase(&file->mappings, handle);
err_unuse:
	attachment_unuse(file, attachment);
	return ret;
}

static int importer_unmap(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_importer_file *file = ucmd->file->private_data;
	struct dmabuf_importer_unmap *arg = ucmd->arg;
	struct dmabuf_engine_attachment *attachment;
	struct dmabuf_engine_mapping *mapping;
	int ret = 0;

	mutex_lock(&file->lock);
	mapping = xa_load(&file->mappings, arg->mapping);
	if (!mapping) {
		ret = -ENOENT;
	} else if (mapping->users) {
		ret = -EBUSY;
	} else {
		xa_erase(&file->mappings, arg->mapping);
		list_del(&mapping->file_node);
	}
	mutex_unlock(&file->lock);
	if (ret)
		return ret;

	attachment = mapping->attachment;
	dmabuf_engine_unmap(mapping);
	attachment_unuse(file, attachment);
	return 0;
}

static int importer_segment(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_importer_file *file = ucmd->file->private_data;
	struct dmabuf_importer_segment *arg = ucmd->arg;
	struct dmabuf_engine_mapping *mapping;
	dma_addr_t address;
	u64 bytes;
	int ret;

	if (arg->reserved)
		return -EINVAL;

	mutex_lock(&file->lock);
	mapping = xa_load(&file->mappings, arg->mapping);
	if (mapping)
		ret = dmabuf_engine_segment(mapping, arg->index, &address, &bytes);
	else
		ret = -ENOENT;
	mutex_unlock(&file->lock);
	if (ret)
		return ret;

	/* Where things lie in memory is not for everybody. */
	arg->dma_address = capable(CAP_SYS_ADMIN) ? address : 0;
	arg->bytes = bytes;
	return dmabuf_ucmd_respond(ucmd);
}

/* All that can be said about the argument without knowing the mapping. */
static int transfer_validate(const struct dmabuf_importer_transfer *arg)
{
	bool user = false, pattern = false;

	switch (arg->op) {
	case DMABUF_IMPORTER_FILL:
		pattern = true;
		break;
	case DMABUF_IMPORTER_COPY_IN:
	case DMABUF_IMPORTER_COPY_OUT:
		user = true;
		break;
	case DMABUF_IMPORTER_CHECKSUM:
		break;
	default:
		return -EINVAL;
	}
	if (arg->flags || arg->reserved)
		return -EINVAL;
	if ((arg->user && !user) || (arg->pattern && !pattern))
		return -EINVAL;
	if (arg->user != (uintptr_t)arg->user)
		return -EFAULT;
	return 0;
}

static bool transfer_allowed(const struct dmabuf_importer_transfer *arg,
			     enum dma_data_direction direction)
{
	bool write = arg->op == DMABUF_IMPORTER_FILL || arg->op == DMABUF_IMPORTER_COPY_IN;

	return direction == DMA_BIDIRECTIONAL ||
	       direction == (write ? DMA_FROM_DEVICE : DMA_TO_DEVICE);
}

static int importer_transfer(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_importer_file *file = ucmd->file->private_data;
	struct dmabuf_importer_transfer *arg = ucmd->arg;
	struct dmabuf_engine_transfer transfer;
	struct dmabuf_engine_mapping *mapping;
	u64 size;
	int ret;

	ret = transfer_validate(arg);
	if (ret)
		return ret;

	mutex_lock(&file->lock);
	mapping = xa_load(&file->mappings, arg->mapping);
	if (mapping)
		mapping->users++;
	mutex_unlock(&file->lock);
	if (!mapping)
		return -ENOENT;

	size = mapping->attachment->dmabuf->size;
	if (arg->offset > size || arg->bytes > size - arg->offset)
		ret = -EINVAL;
	else if (!transfer_allowed(arg, mapping->direction))
		ret = -EACCES;
	if (ret)
		goto out_unuse;

	transfer.op = arg->op;
	transfer.offset = arg->offset;
	transfer.bytes = arg->bytes;
	transfer.user = u64_to_user_ptr(arg->user);
	transfer.pattern = arg->pattern;
	ret = dmabuf_engine_transfer(mapping, &transfer);

	/* What was moved is told also when it was not all. */
	arg->checksum = transfer.checksum;
	arg->moved = transfer.moved;
	arg->runs = transfer.runs;
	if (dmabuf_ucmd_respond(ucmd) && !ret)
		ret = -EFAULT;

out_unuse:
	mutex_lock(&file->lock);
	mapping->users--;
	mutex_unlock(&file->lock);
	return ret;
}

static int importer_query(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_importer_file *file = ucmd->file->private_data;
	struct dmabuf_importer_query *arg = ucmd->arg;
	struct dmabuf_engine_attachment *attachment;
	int ret = 0;

	mutex_lock(&file->lock);
	attachment = xa_load(&file->attachments, arg->attachment);
	if (attachment) {
		arg->bytes = attachment->dmabuf->size;
		arg->buffer_id = attachment->dmabuf->id;
		arg->attachment_id = attachment->id;
		arg->engine = attachment->index;
		arg->mappings = dmabuf_engine_mappings(attachment);
		arg->reserved = 0;
		constraints_to_user(&arg->constraints, &attachment->constraints);
	} else {
		ret = -ENOENT;
	}
	mutex_unlock(&file->lock);
	return ret ?: dmabuf_ucmd_respond(ucmd);
}

static const struct dmabuf_ucmd_entry importer_ucmds[] = {
	DMABUF_UCMD(DMABUF_IMPORTER_ENGINE, importer_engine, struct dmabuf_importer_engine, device),
	DMABUF_UCMD(DMABUF_IMPORTER_ATTACH, importer_attach, struct dmabuf_importer_attach,
		    reserved),
	DMABUF_UCMD(DMABUF_IMPORTER_DETACH, importer_detach, struct dmabuf_importer_detach,
		    attachment),
	/* The first version ended with @segments. */
	DMABUF_UCMD(DMABUF_IMPORTER_MAP, importer_map, struct dmabuf_importer_map, segments),
	DMABUF_UCMD(DMABUF_IMPORTER_UNMAP, importer_unmap, struct dmabuf_importer_unmap, mapping),
	DMABUF_UCMD(DMABUF_IMPORTER_SEGMENT, importer_segment, struct dmabuf_importer_segment,
		    bytes),
	DMABUF_UCMD(DMABUF_IMPORTER_TRANSFER, importer_transfer, struct dmabuf_importer_transfer,
		    runs),
	DMABUF_UCMD(DMABUF_IMPORTER_QUERY, importer_query, struct dmabuf_importer_query,
		    constraints),
};

static long importer_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return dmabuf_ucmd_run(importer_ucmds, ARRAY_SIZE(importer_ucmds), file, cmd,
			       (void __user *)arg);
}

static int importer_open(struct inode *inode, struct file *filp)
{
	struct dmabuf_importer_file *file;

	file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);
	if (!file)
		return -ENOMEM;

	mutex_init(&file->lock);
	xa_init_flags(&file->attachments, XA_FLAGS_ALLOC1);
	xa_init_flags(&file->mappings, XA_FLAGS_ALLOC1);
	INIT_LIST_HEAD(&file->newest);
	filp->private_data = file;

	/* The driver of a channel may have come since the module was loaded. */
	dmabuf_engine_dmaengine_scan();
	return 0;
}

/* No ioctl is under way any more, so no busy count needs a look. */
static int importer_release(struct inode *inode, struct file *filp)
{
	struct dmabuf_importer_file *file = filp->private_data;
	struct dmabuf_engine_attachment *attachment;
	struct dmabuf_engine_mapping *mapping, *older;
	unsigned long handle;

	list_for_each_entry_safe(mapping, older, &file->newest, file_node)
		dmabuf_engine_unmap(mapping);
	xa_for_each(&file->attachments, handle, attachment)
		dmabuf_engine_detach(attachment);

	xa_destroy(&file->mappings);
	xa_destroy(&file->attachments);
	mutex_destroy(&file->lock);
	kfree(file);
	return 0;
}

static const struct file_operations importer_fops = {
	.owner = THIS_MODULE,
	.open = importer_open,
	.release = importer_release,
	.unlocked_ioctl = importer_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice importer_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "dmabuf-importer",
	.fops = &importer_fops,
};

static int __init importer_init(void)
{
	int ret;

	ret = dmabuf_engine_soft_init();
	if (ret)
		return ret;

	ret = dmabuf_engine_edu_init();
	if (ret)
		goto err_soft;

	dmabuf_engine_dmaengine_scan();

	ret = misc_register(&importer_misc);
	if (ret)
		goto err_engines;
	return 0;

err_engines:
	dmabuf_engine_dmaengine_exit();
	dmabuf_engine_edu_exit();
err_soft:
	dmabuf_engine_soft_exit();
	return ret;
}
module_init(importer_init);

static void __exit importer_exit(void)
{
	misc_deregister(&importer_misc);
	dmabuf_engine_dmaengine_exit();
	dmabuf_engine_edu_exit();
	dmabuf_engine_soft_exit();
}
module_exit(importer_exit);

MODULE_DESCRIPTION("dmabuf-core: sample importer");
MODULE_AUTHOR("dmabuf-core maintainers");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(DMABUF_NS);
