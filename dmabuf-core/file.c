// SPDX-License-Identifier: GPL-2.0-only
/*
 * A native file of a buffer: what user space can do with the fd, by the kernel's own
 * numbers for its dma-bufs (linux/dma-buf.h), and with the same results.
 *
 * There are no fences here: they need the kernel's dma-buf.  So poll() finds every
 * buffer idle, and the ioctls of sync_file are not there.
 */
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/poll.h>
#include <linux/rwsem.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <uapi/linux/dma-buf.h>

#include "internal.h"

static int dmabuf_file_release(struct inode *inode, struct file *file)
{
	dmabuf_file_gone(file->private_data);
	return 0;
}

static int dmabuf_file_mmap(struct file *file, struct vm_area_struct *vma)
{
	return dmabuf_mmap_file(file->private_data, vma);
}

static loff_t dmabuf_file_llseek(struct file *file, loff_t offset, int whence)
{
	const struct dmabuf *dmabuf = file->private_data;

	if (offset)
		return -EINVAL;
	switch (whence) {
	case SEEK_END:
		return dmabuf_file_size(dmabuf);
	case SEEK_SET:
		return 0;
	default:
		return -EINVAL;
	}
}

static __poll_t dmabuf_file_poll(struct file *file, poll_table *wait)
{
	return poll_requested_events(wait) & (EPOLLIN | EPOLLOUT);
}

/* Who ends an access must have begun it, or somebody else with the same file. */
static int dmabuf_file_end_cpu_access(struct dmabuf *dmabuf, enum dma_data_direction direction)
{
	bool begun;

	spin_lock(&dmabuf->lock);
	begun = dmabuf->cpu_access[direction];
	if (begun)
		dmabuf->cpu_access[direction]--;
	spin_unlock(&dmabuf->lock);
	return begun ? dmabuf_end_cpu_access(dmabuf, direction) : -EINVAL;
}

static int dmabuf_file_begin_cpu_access(struct dmabuf *dmabuf, enum dma_data_direction direction)
{
	int ret = dmabuf_begin_cpu_access(dmabuf, direction);

	if (ret)
		return ret;
	spin_lock(&dmabuf->lock);
	dmabuf->cpu_access[direction]++;
	spin_unlock(&dmabuf->lock);
	return 0;
}

static int dmabuf_file_sync(struct dmabuf *dmabuf, const struct dma_buf_sync __user *user)
{
	enum dma_data_direction direction;
	struct dma_buf_sync sync;

	if (copy_from_user(&sync, user, sizeof(sync)))
		return -EFAULT;
	if (sync.flags & ~DMA_BUF_SYNC_VALID_FLAGS_MASK)
		return -EINVAL;
	switch (sync.flags & DMA_BUF_SYNC_RW) {
	case DMA_BUF_SYNC_READ:
		direction = DMA_FROM_DEVICE;
		break;
	case DMA_BUF_SYNC_WRITE:
		direction = DMA_TO_DEVICE;
		break;
	case DMA_BUF_SYNC_RW:
		direction = DMA_BIDIRECTIONAL;
		break;
	default:
		return -EINVAL;
	}
	if (sync.flags & DMA_BUF_SYNC_END)
		return dmabuf_file_end_cpu_access(dmabuf, direction);
	return dmabuf_file_begin_cpu_access(dmabuf, direction);
}

static int dmabuf_file_set_name(struct dmabuf *dmabuf, const char __user *user)
{
	char *name = strndup_user(user, DMA_BUF_NAME_LEN);

	if (IS_ERR(name))
		return PTR_ERR(name);
	spin_lock(&dmabuf->lock);
	swap(dmabuf->name, name);
	spin_unlock(&dmabuf->lock);
	kfree(name);
	return 0;
}

static long dmabuf_file_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct dmabuf *dmabuf = file->private_data;

	switch (cmd) {
	case DMA_BUF_IOCTL_SYNC:
		return dmabuf_file_sync(dmabuf, (const void __user *)arg);
	case DMA_BUF_SET_NAME_A:
	case DMA_BUF_SET_NAME_B:
		return dmabuf_file_set_name(dmabuf, (const char __user *)arg);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations dmabuf_fops = {
	.owner = THIS_MODULE,
	.release = dmabuf_file_release,
	.mmap = dmabuf_file_mmap,
	.llseek = dmabuf_file_llseek,
	.poll = dmabuf_file_poll,
	.unlocked_ioctl = dmabuf_file_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.show_fdinfo = dmabuf_show_fdinfo,
};

/**
 * dmabuf_file_create - make a native file
 * @dmabuf: of this buffer; the file's last fput() ends it: dmabuf_file_gone()
 * @mode: O_RDONLY, O_WRONLY or O_RDWR
 *
 * All anonymous files share one address space.  A buffer that can be mmapped has its
 * own, so that a move tears down its own page table entries and nobody else's.
 *
 * Context: process context; may sleep.
 * Return: the file, or an ERR_PTR().
 */
struct file *dmabuf_file_create(struct dmabuf *dmabuf, int mode)
{
	struct file *file;

	if (dmabuf->ops->mmap) {
		dmabuf->mapping = kzalloc(sizeof(*dmabuf->mapping), GFP_KERNEL_ACCOUNT);
		if (!dmabuf->mapping)
			return ERR_PTR(-ENOMEM);
		address_space_init_once(dmabuf->mapping);
		dmabuf_mapping_init_lock(dmabuf->mapping);
		mapping_set_gfp_mask(dmabuf->mapping, GFP_KERNEL);
		dmabuf->mapping->a_ops = &empty_aops;
	}
	file = anon_inode_getfile("dmabuf", &dmabuf_fops, dmabuf, mode);
	if (IS_ERR(file))
		return file;
	file->f_mode |= FMODE_LSEEK;
	if (dmabuf->mapping) {
		dmabuf->mapping->host = file_inode(file);
		file->f_mapping = dmabuf->mapping;
	}
	return file;
}

/**
 * dmabuf_file_get - get the buffer of a native file
 * @file: any; the caller's reference goes over if it is one
 *
 * Context: any.
 * Return: the buffer, or NULL if it is another file.
 */
struct dmabuf *dmabuf_file_get(struct file *file)
{
	return file->f_op == &dmabuf_fops ? file->private_data : NULL;
}
