// SPDX-License-Identifier: GPL-2.0-only
/*
 * The exporter as a dma-heap: /dev/dma_heap/NAME, for programs that know nothing of us.
 *
 * It answers the kernel's DMA_HEAP_IOCTL_ALLOC as the kernel's own heaps do, also in
 * kernels that have none.  The memory is contiguous, of the exporter's region or from
 * CMA, and taken at once: a program for heaps expects no error later.
 */
#define pr_fmt(fmt) "dmabuf-exporter: " fmt

#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/minmax.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <uapi/linux/dma-heap.h>

#include "internal.h"

static char *heap_name = "dmabuf-exporter";
module_param(heap_name, charp, 0444);
MODULE_PARM_DESC(heap_name,
		 "Name under /dev/dma_heap, other than that of any other heap (default: dmabuf-exporter; empty: no such node)");

/* A new buffer with memory, or an ERR_PTR(). */
static struct dmabuf *heap_alloc(struct dmabuf_sample_account *account,
				 const struct dma_heap_allocation_data *arg)
{
	struct dmabuf *dmabuf;
	u64 bytes;
	int ret;

	if (arg->fd || arg->fd_flags & ~DMA_HEAP_VALID_FD_FLAGS ||
	    arg->heap_flags & ~DMA_HEAP_VALID_HEAP_FLAGS)
		return ERR_PTR(-EINVAL);
	/* The kernel's heaps make a file of it that nobody may read or write. */
	if ((arg->fd_flags & O_ACCMODE) == O_ACCMODE)
		return ERR_PTR(-EINVAL);
	/* 0, and what is 0 when it is rounded up. */
	bytes = PAGE_ALIGN(arg->len);
	if (!bytes)
		return ERR_PTR(-EINVAL);
	/* More than there is, and no matter of a quota. */
	if (bytes > min_t(u64, dmabuf_sample_total_limit(), SIZE_MAX)) {
		dmabuf_sample_log_total_limit(bytes, U64_MAX);
		return ERR_PTR(-ENOMEM);
	}

	dmabuf = dmabuf_sample_buffer_export(account, bytes, DMABUF_EXPORTER_CMA, 0,
					     arg->fd_flags);
	if (IS_ERR(dmabuf))
		return dmabuf;
	ret = dmabuf_sample_buffer_populate(dmabuf);
	if (ret) {
		dmabuf_put(dmabuf);
		return ERR_PTR(ret);
	}
	return dmabuf;
}

static int heap_alloc_fd(struct dmabuf_sample_account *account,
			 struct dma_heap_allocation_data *arg, void __user *user, size_t user_bytes)
{
	struct dmabuf *dmabuf;
	int fd, ret;

	dmabuf = heap_alloc(account, arg);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	fd = get_unused_fd_flags(arg->fd_flags & O_CLOEXEC);
	if (fd < 0) {
		ret = fd;
		goto err_put;
	}

	arg->fd = fd;
	ret = -EFAULT;
	if (copy_to_user(user, arg, user_bytes))
		goto err_fd;
	/* Nothing can fail any more.  Our reference is the fd's from here on. */
	dmabuf_fd_install(dmabuf, fd);
	return 0;

err_fd:
	put_unused_fd(fd);
err_put:
	dmabuf_put(dmabuf);
	return ret;
}

/*
 * The size of the argument is that in the ioctl's number: what a program does not give
 * is 0, and what only the program knows goes back to it as it came.
 */
static long heap_ioctl(struct file *file, unsigned int cmd, unsigned long user)
{
	size_t in = cmd & IOC_IN ? _IOC_SIZE(cmd) : 0, out = cmd & IOC_OUT ? _IOC_SIZE(cmd) : 0;
	struct dma_heap_allocation_data *arg;
	int ret = -EFAULT;

	if (_IOC_TYPE(cmd) != DMA_HEAP_IOC_MAGIC)
		return -ENOTTY;
	/* As the kernel's heaps have it. */
	if (_IOC_NR(cmd) != _IOC_NR(DMA_HEAP_IOCTL_ALLOC))
		return -EINVAL;

	arg = kzalloc(max3(in, out, sizeof(*arg)), GFP_KERNEL_ACCOUNT);
	if (!arg)
		return -ENOMEM;
	if (!copy_from_user(arg, (void __user *)user, in))
		ret = heap_alloc_fd(file->private_data, arg, (void __user *)user, out);
	kfree(arg);
	return ret;
}

static int heap_open(struct inode *inode, struct file *file)
{
	struct dmabuf_sample_account *account = dmabuf_sample_account_create();

	if (!account)
		return -ENOMEM;
	file->private_data = account;
	return nonseekable_open(inode, file);
}

static int heap_release(struct inode *inode, struct file *file)
{
	dmabuf_sample_account_put(file->private_data);
	return 0;
}

static const struct file_operations heap_fops = {
	.owner = THIS_MODULE,
	.open = heap_open,
	.release = heap_release,
	.unlocked_ioctl = heap_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

/* For sysfs and udev a name that is always the same. */
static struct miscdevice heap_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "dmabuf-exporter-heap",
	.fops = &heap_fops,
};

static bool is_file_name(const char *name)
{
	return strcmp(name, ".") && strcmp(name, "..") && !strchr(name, '/') &&
	       strlen(name) <= NAME_MAX;
}

/**
 * dmabuf_sample_heap_init - make the heap's node, unless its name is empty
 *
 * The inverse is dmabuf_sample_heap_exit().
 *
 * Context: module init.
 * Return: 0, -EINVAL: the parameter heap_name is no name of a file, or another negative
 * errno.
 */
int dmabuf_sample_heap_init(void)
{
	int ret;

	if (!*heap_name)
		return 0;
	if (!is_file_name(heap_name)) {
		pr_err("heap_name=%s is no name for a node under /dev/dma_heap\n", heap_name);
		return -EINVAL;
	}
	heap_misc.nodename = kasprintf(GFP_KERNEL, "dma_heap/%s", heap_name);
	if (!heap_misc.nodename)
		return -ENOMEM;
	ret = misc_register(&heap_misc);
	if (ret) {
		kfree(heap_misc.nodename);
		heap_misc.nodename = NULL;
	}
	return ret;
}

/**
 * dmabuf_sample_heap_exit - take the heap's node away, if there is one
 *
 * Context: module exit, and init that fails.
 */
void dmabuf_sample_heap_exit(void)
{
	if (!heap_misc.nodename)
		return;
	misc_deregister(&heap_misc);
	kfree(heap_misc.nodename);
	heap_misc.nodename = NULL;
}
