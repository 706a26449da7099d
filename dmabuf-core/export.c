// SPDX-License-Identifier: GPL-2.0-only
/*
 * Step 1, export, and its inverse, release: the buffer object and its file.
 */
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>

#include "internal.h"
#include "trace.h"

static struct kmem_cache *dmabuf_cache;

/* Last buffer's id.  Not a lock: exporters do not wait for each other. */
static atomic64_t dmabuf_last_id;

static bool native_files;
module_param(native_files, bool, 0644);
MODULE_PARM_DESC(native_files,
		 "Buffers exported from now on have native files, not the kernel's dma-bufs, which DRM, V4L2 and so on take (default N)");

static void dmabuf_free(struct dmabuf *dmabuf)
{
	kfree(dmabuf->placement);
	kfree(dmabuf->mapping);
	kfree(dmabuf->name);
	kmem_cache_free(dmabuf_cache, dmabuf);
}

static void dmabuf_free_rcu(struct rcu_head *rcu)
{
	dmabuf_free(container_of(rcu, struct dmabuf, rcu));
}

/*
 * Nobody uses the buffer any more.  Readers of the live table may still see it: they are
 * waited for by RCU, for the buffer as well as for the exporter's module, whose name
 * they print: a module's memory is freed after a grace period, too.
 */
static void dmabuf_release(struct dmabuf *dmabuf)
{
	struct module *owner = dmabuf->ops->owner;

	trace_dmabuf_release(dmabuf);
	dmabuf_live_del(dmabuf);
	if (dmabuf->placement)
		dmabuf_placement_release(dmabuf);
	dmabuf->ops->release(dmabuf);
	module_put(owner);
	call_rcu(&dmabuf->rcu, dmabuf_free_rcu);
}

/**
 * dmabuf_object_get - keep a buffer alive without its file
 * @dmabuf: its release op has not returned, which the caller has a lock for
 *
 * For an exporter that finds a buffer in a table of its own, from which the release op
 * takes it, and for its VMAs.  The file of a buffer may be gone by then: with such a
 * reference alone there is the exporter's part of the buffer and its storage, but no
 * attach, no map and no fd.  The inverse is dmabuf_object_put().
 *
 * Context: any.
 * Return: false if the buffer is being released.
 */
bool dmabuf_object_get(struct dmabuf *dmabuf)
{
	return refcount_inc_not_zero(&dmabuf->users);
}
EXPORT_SYMBOL_NS_GPL(dmabuf_object_get, DMABUF_NS);

/**
 * dmabuf_object_put - the inverse of dmabuf_object_get()
 * @dmabuf: the caller must not use it again
 *
 * The last one, after the last of the file, releases the buffer, here and now.
 *
 * Context: process context; may sleep; locks may be held that the exporter's free and release
 * ops do not take.
 */
void dmabuf_object_put(struct dmabuf *dmabuf)
{
	if (refcount_dec_and_test(&dmabuf->users))
		dmabuf_release(dmabuf);
}
EXPORT_SYMBOL_NS_GPL(dmabuf_object_put, DMABUF_NS);

/*
 * From the file's release, of whichever kind: nobody can attach, map or look the buffer
 * up by fd any more.
 */
void dmabuf_file_gone(struct dmabuf *dmabuf)
{
	if (dmabuf_is_wrapper(dmabuf))
		dmabuf_wrapper_gone(dmabuf);
	dmabuf_detach_all(dmabuf);
	dmabuf_object_put(dmabuf);
}

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
		if (ops->vmap || ops->vunmap)
			return "ops with placement, and with vmap or vunmap";
		if (placement->vmap && !placement->vunmap)
			return "placement ops with vmap and without vunmap";
	} else {
		if (!ops->map_dma_buf)
			return "ops without map_dma_buf";
		if (!ops->unmap_dma_buf)
			return "ops without unmap_dma_buf";
	}
	if (!ops->release)
		return "ops without release";
	if (!PAGE_ALIGN(size))
		return "size is 0, or overflows when rounded up to pages";
	if (ops->vmap && !ops->vunmap)
		return "ops with vmap and without vunmap";
	if (flags & ~(O_ACCMODE | O_CLOEXEC | DMABUF_EXPORT_NATIVE))
		return "flags other than an access mode, O_CLOEXEC and DMABUF_EXPORT_NATIVE";
	if ((flags & O_ACCMODE) == O_ACCMODE)
		return "no such access mode";
	return NULL;
}

/**
 * dmabuf_create - make the object and its file
 * @priv: as of dmabuf_export(), as are @ops, @size and @flags
 * @ops: have been checked
 * @size: bytes
 * @flags: of the file, and DMABUF_EXPORT_NATIVE
 * @wrapped: a dma-buf of the kernel that the buffer stands for, or NULL
 *
 * Context: process context; may sleep.
 * Return: the buffer with a reference of the caller's, or NULL, with nothing left behind.
 */
struct dmabuf *dmabuf_create(void *priv, const struct dmabuf_ops *ops, size_t size, int flags,
			     struct dma_buf *wrapped)
{
	bool native = wrapped || flags & DMABUF_EXPORT_NATIVE || READ_ONCE(native_files) ||
		      !IS_ENABLED(CONFIG_DMA_SHARED_BUFFER);
	int mode = flags & O_ACCMODE;
	struct dmabuf *dmabuf;
	struct file *file;

	dmabuf = kmem_cache_zalloc(dmabuf_cache, GFP_KERNEL);
	if (!dmabuf)
		return NULL;
	if (ops->placement && dmabuf_placement_create(dmabuf))
		goto err_free;
	if (wrapped) {
		dmabuf->kernel = wrapped;
		dmabuf->name = dmabuf_wrapped_name(wrapped);
		if (!dmabuf->name)
			goto err_free;
	}
	if (!try_module_get(ops->owner))
		goto err_free;

	dmabuf->size = size;
	dmabuf->ops = ops;
	dmabuf->priv = priv;
	dmabuf->fd_flags = flags & O_CLOEXEC;
	INIT_LIST_HEAD(&dmabuf->attachments);
	spin_lock_init(&dmabuf->lock);
	refcount_set(&dmabuf->users, 1);
	dmabuf->id = atomic64_inc_return(&dmabuf_last_id);

	file = native ? dmabuf_file_create(dmabuf, mode) : dmabuf_kernel_export(dmabuf, mode);
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

/**
 * dmabuf_export - make a buffer (step 1)
 * @priv: the exporter's own data, kept in &dmabuf.priv; may be NULL
 * @ops: the exporter's operations; must live as long as its module
 * @size: bytes, not 0; whole pages are less than %SIZE_MAX
 * @flags: of the file: O_RDONLY, O_WRONLY or O_RDWR, and O_CLOEXEC, which
 *	dmabuf_fd() then gives to the fds; and %DMABUF_EXPORT_NATIVE
 *
 * Where the kernel has DMA_SHARED_BUFFER the file is one of its dma-bufs, unless @flags or
 * the module parameter native_files says otherwise.
 *
 * The caller owns one reference.  It hands it to user space with dmabuf_fd() or
 * drops it with dmabuf_put().  The core holds @ops->owner until the release op
 * has returned.  No memory for the buffer's contents need exist yet.
 *
 * Context: process context; may sleep; takes the bit lock of one bucket of the
 * live table, and no lock that another export waits for in sleep, but for those of
 * the kernel's dma-buf.
 * Return: the buffer, or NULL: no memory, no file (as the guide has it), the
 * exporter's module is going away, or an argument is bad, which the log names
 * together with the caller.  Nothing is left behind then.
 */
struct dmabuf *dmabuf_export(void *priv, const struct dmabuf_ops *ops, size_t size, int flags)
{
	const char *error = dmabuf_export_error(ops, size, flags);

	if (error) {
		dmabuf_refuse(dmabuf_export, _RET_IP_, "%s", error);
		return NULL;
	}
	return dmabuf_create(priv, ops, size, flags, NULL);
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
