// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sample exporter: /dev/dmabuf-exporter.
 *
 * User space makes buffers, asks about them and mmaps them, see
 * uapi/dmabuf-core/exporter.h.  Programs for dma-heaps have a node of their own, see
 * heap.c.
 */
#define pr_fmt(fmt) "dmabuf-exporter: " fmt

#include <linux/build_bug.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../dmabuf-core/compat.h"
#include "../dmabuf-core/ucmd.h"
#include "internal.h"

struct dmabuf_sample dmabuf_sample = {
	.device_lock = __RWSEM_INITIALIZER(dmabuf_sample.device_lock),
	.slots = XARRAY_INIT(dmabuf_sample.slots, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT),
	.node_lock = __MUTEX_INITIALIZER(dmabuf_sample.node_lock),
};

#define POLICY_FLAGS (DMABUF_EXPORTER_FIXED | DMABUF_EXPORTER_NO_LATE_ATTACH | \
		      DMABUF_EXPORTER_ONE_WRITER)

static u32 policy_from_flags(u32 flags)
{
	return (flags & DMABUF_EXPORTER_FIXED ? DMABUF_PLACEMENT_FIXED : 0) |
	       (flags & DMABUF_EXPORTER_NO_LATE_ATTACH ? DMABUF_PLACEMENT_NO_LATE_ATTACH : 0) |
	       (flags & DMABUF_EXPORTER_ONE_WRITER ? DMABUF_PLACEMENT_ONE_WRITER : 0);
}

static u32 policy_to_flags(u32 policy)
{
	return (policy & DMABUF_PLACEMENT_FIXED ? DMABUF_EXPORTER_FIXED : 0) |
	       (policy & DMABUF_PLACEMENT_NO_LATE_ATTACH ? DMABUF_EXPORTER_NO_LATE_ATTACH : 0) |
	       (policy & DMABUF_PLACEMENT_ONE_WRITER ? DMABUF_EXPORTER_ONE_WRITER : 0);
}

static int sample_export(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_sample_file *file = ucmd->file->private_data;
	struct dmabuf_exporter_export *arg = ucmd->arg;
	struct dmabuf *dmabuf;
	int fd, ret;
	u32 native;

	if (arg->flags & ~(DMABUF_EXPORTER_POPULATE | DMABUF_EXPORTER_NATIVE | POLICY_FLAGS) ||
	    arg->reserved || arg->backing > DMABUF_EXPORTER_SCATTER ||
	    arg->fd_flags & ~(O_CLOEXEC | O_ACCMODE) ||
	    (arg->fd_flags & O_ACCMODE) == O_ACCMODE)
		return -EINVAL;
	if (!arg->bytes || arg->bytes > U64_MAX - (PAGE_SIZE - 1))
		return -EINVAL;
	/* With 32 bits no limit of a file is as high. */
	if (PAGE_ALIGN(arg->bytes) > SIZE_MAX)
		return -EDQUOT;

	fd = get_unused_fd_flags(arg->fd_flags & O_CLOEXEC);
	if (fd < 0)
		return fd;
	native = arg->flags & DMABUF_EXPORTER_NATIVE ? DMABUF_EXPORT_NATIVE : 0;
	dmabuf = dmabuf_sample_buffer_export(file->account, arg->bytes, arg->backing,
					     policy_from_flags(arg->flags),
					     arg->fd_flags | native);
	if (IS_ERR(dmabuf)) {
		ret = PTR_ERR(dmabuf);
		goto err_fd;
	}

	if (arg->flags & DMABUF_EXPORTER_POPULATE) {
		ret = dmabuf_sample_buffer_populate(dmabuf);
		if (ret)
			goto err_put;
	}

	arg->fd = fd;
	ret = dmabuf_ucmd_respond(ucmd);
	if (ret)
		goto err_put;
	/* Nothing can fail any more.  Our reference is the fd's from here on. */
	dmabuf_fd_install(dmabuf, fd);
	return 0;

err_put:
	dmabuf_put(dmabuf);
err_fd:
	put_unused_fd(fd);
	return ret;
}

static int sample_mmap_offset(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_sample_file *file = ucmd->file->private_data;
	struct dmabuf_exporter_mmap_offset *arg = ucmd->arg;
	struct dmabuf *dmabuf = dmabuf_sample_buffer_get(arg->fd);
	u64 offset;
	int ret;

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	ret = dmabuf_sample_offset(file, dmabuf->priv, &offset);
	dmabuf_put(dmabuf);
	if (ret)
		return ret;
	arg->offset = offset;
	return dmabuf_ucmd_respond(ucmd);
}

static int sample_query(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_exporter_query *arg = ucmd->arg;
	struct dmabuf *dmabuf = dmabuf_sample_buffer_get(arg->fd);
	const struct dmabuf_sample_buffer *buffer;
	const struct dmabuf_backing *backing;
	int ret;

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	buffer = dmabuf->priv;
	arg->bytes = buffer->bytes;
	arg->backed_bytes = 0;
	arg->requested = buffer->requested;
	arg->backing = DMABUF_EXPORTER_AUTO;
	arg->chunks = 0;
	arg->attachments = READ_ONCE(dmabuf->nr_attachments);
	arg->id = dmabuf->id;
	arg->flags = dmabuf->kernel ? DMABUF_EXPORTER_QUERY_KERNEL : 0;
	arg->reserved = 0;

	backing = dmabuf_sample_buffer_lock_backing(dmabuf);
	if (IS_ERR(backing)) {
		ret = PTR_ERR(backing);
		goto put;
	}
	if (backing) {
		arg->backed_bytes = (u64)backing->nr_pages << PAGE_SHIFT;
		arg->backing = backing->kind;
		arg->chunks = backing->storage.chunks;
		dmabuf_storage_unlock(dmabuf);
	}
	ret = dmabuf_ucmd_respond(ucmd);
put:
	dmabuf_put(dmabuf);
	return ret;
}

static_assert((int)DMABUF_EXPORTER_EMPTY == (int)DMABUF_PLACEMENT_EMPTY);
static_assert((int)DMABUF_EXPORTER_BACKED == (int)DMABUF_PLACEMENT_BACKED);
static_assert((int)DMABUF_EXPORTER_MAPPED == (int)DMABUF_PLACEMENT_MAPPED);
static_assert((int)DMABUF_EXPORTER_DRAINING == (int)DMABUF_PLACEMENT_DRAINING);
static_assert((int)DMABUF_EXPORTER_MOVING == (int)DMABUF_PLACEMENT_MOVING);

static_assert((int)DMABUF_EXPORTER_CONSTRAINT_NONE == (int)DMABUF_CONSTRAINT_NONE);
static_assert((int)DMABUF_EXPORTER_CONSTRAINT_DMA_MASK == (int)DMABUF_CONSTRAINT_DMA_MASK);
static_assert((int)DMABUF_EXPORTER_CONSTRAINT_SEG_BOUNDARY == (int)DMABUF_CONSTRAINT_SEG_BOUNDARY);
static_assert((int)DMABUF_EXPORTER_CONSTRAINT_MAX_SEG_SIZE == (int)DMABUF_CONSTRAINT_MAX_SEG_SIZE);
static_assert((int)DMABUF_EXPORTER_CONSTRAINT_MAX_SEGS == (int)DMABUF_CONSTRAINT_MAX_SEGS);
static_assert((int)DMABUF_EXPORTER_CONSTRAINT_ALIGN == (int)DMABUF_CONSTRAINT_ALIGN);

static void place_to_user(struct dmabuf_exporter_place *to, const char *kind, u32 bits, u32 chunks)
{
	memset(to, 0, sizeof(*to));
	if (kind)
		strscpy(to->kind, kind, sizeof(to->kind));
	to->bits = bits;
	to->chunks = chunks;
}

static void reason_to_user(struct dmabuf_exporter_reason *to, const char *device, int error,
			   const struct dmabuf_miss *miss)
{
	memset(to, 0, sizeof(*to));
	strscpy(to->device, device, sizeof(to->device));
	to->constraint = miss->which;
	to->error = -error;
	to->allowed = miss->allowed;
	to->actual = miss->actual;
}

static int sample_placement(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_exporter_placement *arg = ucmd->arg;
	struct dmabuf *dmabuf = dmabuf_sample_buffer_get(arg->fd);
	struct dmabuf_placement_info info;

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	dmabuf_placement_query(dmabuf, &info);
	dmabuf_put(dmabuf);

	arg->state = info.state;
	arg->flags = policy_to_flags(info.policy);
	arg->readers = info.readers;
	arg->writers = info.writers;
	arg->waiting = info.waiting;
	arg->reserved = 0;
	arg->allocs = info.allocs;
	arg->moves = info.moves;
	arg->failures = info.failures;
	arg->stalls = info.stalls;
	arg->moved_bytes = info.moved_bytes;
	arg->drain_ns = info.drain_ns;
	place_to_user(&arg->here, info.kind, info.bits, info.chunks);
	place_to_user(&arg->from, info.move.from, info.move.from_bits, info.move.from_chunks);
	place_to_user(&arg->to, info.move.to, info.move.to_bits, info.move.to_chunks);
	reason_to_user(&arg->move, info.move.device, 0, &info.move.miss);
	arg->move_bytes = info.move.bytes;
	arg->move_drain_ns = info.move.drain_ns;
	reason_to_user(&arg->refusal, info.refusal.device, info.refusal.error,
		       &info.refusal.miss);
	reason_to_user(&arg->next, info.next.device, 0, &info.next.miss);
	return dmabuf_ucmd_respond(ucmd);
}

static int sample_info(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_sample_file *file = ucmd->file->private_data;
	struct dmabuf_exporter_info *arg = ucmd->arg;

	down_read(&dmabuf_sample.device_lock);
	arg->flags = dmabuf_sample.has_region ? DMABUF_EXPORTER_INFO_REGION : 0;
	up_read(&dmabuf_sample.device_lock);
	arg->buffers = atomic64_read(&dmabuf_sample.buffers);
	arg->backed_bytes = atomic64_read(&dmabuf_sample.backed_bytes);
	arg->total_limit = dmabuf_sample_total_limit();
	arg->file_bytes = atomic64_read(&file->account->bytes);
	arg->file_limit = dmabuf_sample_file_limit();
	return dmabuf_ucmd_respond(ucmd);
}

static const struct dmabuf_ucmd_entry sample_ucmds[] = {
	DMABUF_UCMD(DMABUF_EXPORTER_EXPORT, sample_export, struct dmabuf_exporter_export,
		    reserved),
	DMABUF_UCMD(DMABUF_EXPORTER_MMAP_OFFSET, sample_mmap_offset,
		    struct dmabuf_exporter_mmap_offset, offset),
	DMABUF_UCMD(DMABUF_EXPORTER_QUERY, sample_query, struct dmabuf_exporter_query, id),
	DMABUF_UCMD(DMABUF_EXPORTER_INFO, sample_info, struct dmabuf_exporter_info, file_limit),
	DMABUF_UCMD(DMABUF_EXPORTER_PLACEMENT, sample_placement, struct dmabuf_exporter_placement,
		    next),
};

static long sample_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return dmabuf_ucmd_run(sample_ucmds, ARRAY_SIZE(sample_ucmds), file, cmd,
			       (void __user *)arg);
}

static int sample_open(struct inode *inode, struct file *file)
{
	struct dmabuf_sample_file *ours;

	ours = kzalloc(sizeof(*ours), GFP_KERNEL_ACCOUNT);
	if (!ours)
		return -ENOMEM;
	ours->account = dmabuf_sample_account_create();
	if (!ours->account) {
		kfree(ours);
		return -ENOMEM;
	}
	xa_init_flags(&ours->slots, XA_FLAGS_ACCOUNT);
	file->private_data = ours;
	dmabuf_file_set_unsigned_offset(file);

	mutex_lock(&dmabuf_sample.node_lock);
	if (!dmabuf_sample.nr_open++) {
		dmabuf_sample.node = file->f_path;
		path_get(&dmabuf_sample.node);
		dmabuf_sample.mapping = inode->i_mapping;
	}
	file->f_mapping = dmabuf_sample.mapping;
	mutex_unlock(&dmabuf_sample.node_lock);
	return 0;
}

static int sample_file_release(struct inode *inode, struct file *file)
{
	struct dmabuf_sample_file *ours = file->private_data;
	struct path node = {};

	mutex_lock(&dmabuf_sample.node_lock);
	if (!--dmabuf_sample.nr_open)
		node = dmabuf_sample.node;
	mutex_unlock(&dmabuf_sample.node_lock);
	path_put(&node);

	xa_destroy(&ours->slots);
	dmabuf_sample_account_put(ours->account);
	kfree(ours);
	return 0;
}

static const struct file_operations sample_fops = {
	.owner = THIS_MODULE,
	.open = sample_open,
	.release = sample_file_release,
	.unlocked_ioctl = sample_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = dmabuf_sample_mmap_node,
	.llseek = noop_llseek,
	DMABUF_FOP_UNSIGNED_OFFSET
};

static struct miscdevice sample_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "dmabuf-exporter",
	.fops = &sample_fops,
};

static int __init sample_init(void)
{
	int ret;

	ret = dmabuf_sample_device_init();
	if (ret)
		return ret;
	/* Looks at a parameter, so it comes before anybody can open the other node. */
	ret = dmabuf_sample_heap_init();
	if (ret)
		goto err_device;
	ret = misc_register(&sample_misc);
	if (ret)
		goto err_heap;
	return 0;

err_heap:
	dmabuf_sample_heap_exit();
err_device:
	dmabuf_sample_device_exit();
	return ret;
}
module_init(sample_init);

static void __exit sample_exit(void)
{
	misc_deregister(&sample_misc);
	dmabuf_sample_heap_exit();
	dmabuf_sample_device_exit();
	xa_destroy(&dmabuf_sample.slots);
}
module_exit(sample_exit);

MODULE_DESCRIPTION("dmabuf-core: sample exporter");
MODULE_AUTHOR("dmabuf-core maintainers");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(DMABUF_NS);
