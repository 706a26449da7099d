// SPDX-License-Identifier: GPL-2.0-only
/*
 * Step 1, export, and its inverse, release: the buffer object and its file.
 */
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/slab.h>

#include "internal.h"
#include "trace.h"

static struct kmem_cache *dmabuf_cache;

/* Last buffer's id.  Not a lock: exporters do not wait for each other. */
static atomic64_t dmabuf_last_id;

static void dmabuf_free(struct dmabuf *dmabuf)
{
	kfree(dmabuf->placement);
	kmem_cache_free(dmabuf_cache, dmabuf);
}

static void dmabuf_free_rcu(struct rcu_head *rcu)
{
	dmabuf_free(container_of(rcu, struct dmabuf, rcu));
}

/*
 * The last reference is gone, so nobody can attach, map or look the buffer up
 * by fd any more.  Readers of the live table may still see it: they are waited
 * for by RCU, for the buffer as well as for the exporter's module, whose name
 * they print: a module's memory is freed after a grace period, too.
 */
static int dmabuf_release(struct inode *inode, struct file *file)
{
	struct dmabuf *dmabuf = file->private_data;
	struct module *owner = dmabuf->ops->owner;

	trace_dmabuf_release(dmabuf);
	dmabuf_detach_all(dmabuf);
	dmabuf_live_del(dmabuf);
	if (dmabuf->placement)
		dmabuf_placement_release(dmabuf);
	dmabuf->ops->release(dmabuf);
	module_put(owner);
	call_rcu(&dmabuf->rcu, dmabuf_free_rcu);
	return 0;
}

const struct file_operations dmabuf_fops = {
	.owner = THIS_MODULE,
	.release = dmabuf_release,
	.show_fdinfo = dmabuf_show_fdinfo,
};

static const char *dmabuf_export_error(const struct dmabuf_ops *ops, size_t size, int flags)
{
	if (!ops)
		return "no ops";
	if (ops->placement) {
		const struct dmabuf_placement_ops *placement = ops->placement;

		if (ops->map_dma_buf || ops->unmap_dma_buf)
			return "ops with placement, and with map_dma_buf or unmap_dma_buf";
		if (!placement->alloc || !placement->free || !placement->map || !placement->unmap)
			return "placement ops without alloc, free, map or unmap";
	} else {
		if (!ops->map_dma_buf)
			return "ops without map_dma_buf";
		if (!ops->unmap_dma_buf)
			return "ops without unmap_dma_buf";
	}
	if (!ops->release)
		return "ops without release";
	if (!size)
		return "size is 0";
	if (flags & ~(O_ACCMODE | O_CLOEXEC))
		return "flags other than an access mode and O_CLOEXEC";
	if ((flags & O_ACCMODE) == O_ACCMODE)
		return "no such access mode";
	return NULL;
}

/**
 * dmabuf_export - make a buffer (step 1)
 * @priv: the exporter's own data, kept in &dmabuf.priv; may be NULL
 * @ops: the exporter's operations; must live as long as its module
 * @size: bytes, not 0
 * @flags: of the file: O_RDONLY, O_WRONLY or O_RDWR, and O_CLOEXEC, which
 *	dmabuf_fd() then gives to the fds
 *
 * The caller owns one reference.  It hands it to user space with dmabuf_fd() or
 * drops it with dmabuf_put().  The core holds @ops->owner until the release op
 * has returned.  No memory for the buffer's contents need exist yet.
 *
 * Context: process context; may sleep; takes the bit lock of one bucket of the
 * live table, and no lock that another export waits for in sleep.
 * Return: the buffer, or NULL: no memory, no file (as the guide has it), the
 * exporter's module is going away, or an argument is bad, which the log names
 * together with the caller.  Nothing is left behind then.
 */
struct dmabuf *dmabuf_export(void *priv, const struct dmabuf_ops *ops, size_t size, int flags)
{
	const char *error = dmabuf_export_error(ops, size, flags);
	struct dmabuf *dmabuf;
	struct file *file;

	if (error) {
		dmabuf_refuse(dmabuf_export, _RET_IP_, "%s", error);
		return NULL;
	}

	dmabuf = kmem_cache_zalloc(dmabuf_cache, GFP_KERNEL);
	if (!dmabuf)
		return NULL;
	if (ops->placement && dmabuf_placement_create(dmabuf))
		goto err_free;
	if (!try_module_get(ops->owner))
		goto err_free;

	dmabuf->size = size;
	dmabuf->ops = ops;
	dmabuf->priv = priv;
	dmabuf->fd_flags = flags & O_CLOEXEC;
	INIT_LIST_HEAD(&dmabuf->attachments);
	spin_lock_init(&dmabuf->lock);
	dmabuf->id = atomic64_inc_return(&dmabuf_last_id);

	file = anon_inode_getfile("dmabuf", &dmabuf_fops, dmabuf, flags & O_ACCMODE);
	if (IS_ERR(file))
		goto err_module;
	dmabuf->file = file;

	/* Complete: from here on debugfs may look at it. */
	dmabuf_live_add(dmabuf);
	trace_dmabuf_export(dmabuf);
	return dmabuf;

err_module:
	module_put(ops->owner);
err_free:
	dmabuf_free(dmabuf);
	return NULL;
}
EXPORT_SYMBOL_NS_GPL(dmabuf_export, DMABUF_NS);

int __init dmabuf_export_init(void)
{
	dmabuf_cache = KMEM_CACHE(dmabuf, SLAB_ACCOUNT);
	return dmabuf_cache ? 0 : -ENOMEM;
}

void dmabuf_export_exit(void)
{
	/* Buffers whose release has run may still wait for their grace period. */
	rcu_barrier();
	kmem_cache_destroy(dmabuf_cache);
}
