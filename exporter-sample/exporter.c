// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sample exporter: /dev/dmabuf-exporter.
 *
 * User space makes buffers, asks about them and mmaps them, see
 * uapi/dmabuf-core/exporter.h.
 */
#define pr_fmt(fmt) "dmabuf-exporter: " fmt

#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>

#include "../dmabuf-core/compat.h"
#include "../dmabuf-core/ucmd.h"
#include "internal.h"

struct dmabuf_sample dmabuf_sample = {
	.device_lock = __RWSEM_INITIALIZER(dmabuf_sample.device_lock),
	.slots = XARRAY_INIT(dmabuf_sample.slots, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT),
	.node_lock = __MUTEX_INITIALIZER(dmabuf_sample.node_lock),
};

static unsigned long limit_file_mb;
module_param(limit_file_mb, ulong, 0644);
MODULE_PARM_DESC(limit_file_mb,
		 "Most that one open file may export, MiB, counted in whole pages (0, the default: as much as limit_total_mb)");

static unsigned long limit_total_mb;
module_param(limit_total_mb, ulong, 0644);
MODULE_PARM_DESC(limit_total_mb,
		 "Most memory that all buffers together may have, MiB (0, the default: half of the machine's)");

static u64 mib_to_bytes(unsigned long mib)
{
	return min_t(u64, mib, S64_MAX >> 20) << 20;
}

/**
 * dmabuf_sample_total_limit - tell how much memory all buffers may have
 *
 * Context: any.
 * Return: bytes.
 */
u64 dmabuf_sample_total_limit(void)
{
	unsigned long mib = READ_ONCE(limit_total_mb);

	return mib ? mib_to_bytes(mib) : (u64)totalram_pages() / 2 << PAGE_SHIFT;
}

/**
 * dmabuf_sample_file_limit - tell how much may be exported through one open file
 *
 * Context: any.
 * Return: bytes; no more than one slot of the node's offsets holds.
 */
u64 dmabuf_sample_file_limit(void)
{
	unsigned long mib = READ_ONCE(limit_file_mb);
	u64 limit = mib ? mib_to_bytes(mib) : dmabuf_sample_total_limit();

	return min(limit, DMABUF_SAMPLE_SLOT_BYTES);
}

/**
 * dmabuf_sample_charge - add to a counter unless it passes a limit
 * @counter: bytes
 * @bytes: to add
 * @limit: at most %S64_MAX
 *
 * The inverse is atomic64_sub().
 *
 * Context: any.
 * Return: true if added.
 */
bool dmabuf_sample_charge(atomic64_t *counter, u64 bytes, u64 limit)
{
	s64 old = atomic64_read(counter);

	do {
		if (bytes > limit || old > limit - bytes)
			return false;
	} while (!atomic64_try_cmpxchg(counter, &old, old + bytes));
	return true;
}

/**
 * dmabuf_sample_account_put - drop a reference to an account
 * @account: of an open file that may have been closed already
 *
 * Context: any.
 */
void dmabuf_sample_account_put(struct dmabuf_sample_account *account)
{
	if (refcount_dec_and_test(&account->users))
		kfree(account);
}

static int sample_export(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_sample_file *file = ucmd->file->private_data;
	struct dmabuf_exporter_export *arg = ucmd->arg;
	struct dmabuf_sample_buffer *buffer;
	struct dmabuf *dmabuf;
	int fd, ret;

	if (arg->flags & ~DMABUF_EXPORTER_POPULATE || arg->reserved ||
	    arg->backing > DMABUF_EXPORTER_SCATTER ||
	    arg->fd_flags & ~(O_CLOEXEC | O_ACCMODE) ||
	    (arg->fd_flags & O_ACCMODE) == O_ACCMODE)
		return -EINVAL;
	if (!arg->bytes || arg->bytes > U64_MAX - (PAGE_SIZE - 1) ||
	    PAGE_ALIGN(arg->bytes) > SIZE_MAX)
		return -EINVAL;

	fd = get_unused_fd_flags(arg->fd_flags & O_CLOEXEC);
	if (fd < 0)
		return fd;
	dmabuf = dmabuf_sample_buffer_export(file->account, arg->bytes, arg->backing,
					     arg->fd_flags);
	if (IS_ERR(dmabuf)) {
		ret = PTR_ERR(dmabuf);
		goto err_fd;
	}

	if (arg->flags & DMABUF_EXPORTER_POPULATE) {
		buffer = dmabuf->priv;
		mutex_lock(&buffer->lock);
		ret = dmabuf_sample_buffer_populate_locked(buffer);
		mutex_unlock(&buffer->lock);
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
	const struct dmabuf_backing *backing;
	struct dmabuf_sample_buffer *buffer;
	int ret;

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	buffer = dmabuf->priv;
	ret = mutex_lock_interruptible(&buffer->lock);
	if (ret)
		goto put;
	backing = buffer->backing;
	arg->bytes = buffer->bytes;
	arg->backed_bytes = backing ? (u64)backing->nr_pages << PAGE_SHIFT : 0;
	arg->requested = buffer->requested;
	arg->backing = backing ? backing->kind : DMABUF_EXPORTER_AUTO;
	arg->chunks = backing ? backing->chunks : 0;
	arg->attachments = buffer->nr_attachments;
	arg->id = buffer->id;
	mutex_unlock(&buffer->lock);
	ret = dmabuf_ucmd_respond(ucmd);
put:
	dmabuf_put(dmabuf);
	return ret;
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
	ours->account = kzalloc(sizeof(*ours->account), GFP_KERNEL_ACCOUNT);
	if (!ours->account) {
		kfree(ours);
		return -ENOMEM;
	}
	refcount_set(&ours->account->users, 1);
	xa_init_flags(&ours->slots, XA_FLAGS_ACCOUNT);
	file->private_data = ours;

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
	.mmap = dmabuf_sample_mmap,
	.llseek = noop_llseek,
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
	ret = misc_register(&sample_misc);
	if (ret)
		dmabuf_sample_device_exit();
	return ret;
}
module_init(sample_init);

static void __exit sample_exit(void)
{
	misc_deregister(&sample_misc);
	dmabuf_sample_device_exit();
	xa_destroy(&dmabuf_sample.slots);
}
module_exit(sample_exit);

MODULE_DESCRIPTION("dmabuf-core: sample exporter");
MODULE_AUTHOR("dmabuf-core maintainers");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(DMABUF_NS);
