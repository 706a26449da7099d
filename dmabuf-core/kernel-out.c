// SPDX-License-Identifier: GPL-2.0-only
/*
 * Our buffers as dma-bufs of the kernel: DRM, V4L2 and all others import them.
 *
 * The file of a buffer is that of a struct dma_buf, whose ops come back to the core: a
 * kernel importer's attach, map, unmap and detach are those of an ordinary attachment
 * with its real device.  One thing sets it apart.  Since 6.2 a kernel importer holds the
 * reservation lock of the dma-buf when it maps, vmaps and unmaps, and before that some
 * held locks of their own.  So a map of a kernel importer never waits for a mapping that
 * a kernel importer has (turn.c): -EBUSY.  It waits for those of importers on this core,
 * whose unmap takes no lock but spinlocks of the core, and not for long: kernel_wait_ms.
 *
 * Who owns what: the dma-buf's file ends the buffer, in dma_buf_release().  The dma-buf
 * holds this module from dma_buf_export() until that has returned.
 */
#include <linux/device.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/moduleparam.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "internal.h"

static uint kernel_wait_ms = 2000;
module_param(kernel_wait_ms, uint, 0644);
MODULE_PARM_DESC(kernel_wait_ms,
		 "How long a map by DRM, V4L2 and so on waits for others to unmap, and a move or a release for fences, ms (default 2000)");

static char contiguous_devices[256];
module_param_string(contiguous_devices, contiguous_devices, sizeof(contiguous_devices), 0644);
MODULE_PARM_DESC(contiguous_devices,
		 "Devices whose kernel drivers take contiguous buffers only, which they cannot say: names with commas between them, or * for all (default: none)");

/**
 * dmabuf_kernel_timeout - tell how long one waits for the sake of a kernel importer
 *
 * Context: any.
 * Return: jiffies.
 */
long dmabuf_kernel_timeout(void)
{
	return min_t(unsigned long, msecs_to_jiffies(READ_ONCE(kernel_wait_ms)),
		     MAX_JIFFY_OFFSET);
}

/**
 * dmabuf_kernel_wants_contiguous - tell whether a device is one of contiguous_devices
 * @dev: of a kernel importer
 *
 * Context: process context; may sleep.
 * Return: true if its driver takes only what is contiguous for it.
 */
bool dmabuf_kernel_wants_contiguous(struct device *dev)
{
	char names[sizeof(contiguous_devices)], *rest = names, *name;
	bool found = false;

	kernel_param_lock(THIS_MODULE);
	strscpy(names, contiguous_devices, sizeof(names));
	kernel_param_unlock(THIS_MODULE);

	while (!found && (name = strsep(&rest, ",")))
		found = !strcmp(strim(name), "*") || !strcmp(strim(name), dev_name(dev));
	return found;
}

static int kernel_attach(struct dma_buf *kernel, struct dma_buf_attachment *importer)
{
	struct dmabuf_attachment *attachment = dmabuf_attach_kernel(kernel->priv, importer->dev);

	if (IS_ERR(attachment))
		return PTR_ERR(attachment);
	importer->priv = attachment;
	return 0;
}

static void kernel_detach(struct dma_buf *kernel, struct dma_buf_attachment *importer)
{
	dmabuf_detach(kernel->priv, importer->priv);
}

/*
 * With DMABUF_DEBUG the kernel garbles the pages of a scatterlist while an importer has it.
 * The exporter may need it meanwhile, or have given it to others, too: so it is a copy then.
 */
struct dmabuf_kernel_copy {
	struct sg_table sgt;
	struct sg_table *original;
};

/**
 * dmabuf_kernel_copy - copy a scatterlist, mapped as it is, for a kernel importer
 * @original: from the exporter
 *
 * The inverse is dmabuf_kernel_free_copy().
 *
 * Context: process context; may sleep.
 * Return: the copy, or ERR_PTR(-ENOMEM).
 */
struct sg_table *dmabuf_kernel_copy(struct sg_table *original)
{
	struct dmabuf_kernel_copy *copy = kmalloc(sizeof(*copy), GFP_KERNEL_ACCOUNT);
	struct scatterlist *from, *to;
	unsigned int i;

	if (!copy)
		return ERR_PTR(-ENOMEM);
	if (sg_alloc_table(&copy->sgt, original->orig_nents, GFP_KERNEL_ACCOUNT)) {
		kfree(copy);
		return ERR_PTR(-ENOMEM);
	}
	to = copy->sgt.sgl;
	for_each_sgtable_sg(original, from, i) {
		sg_set_page(to, sg_page(from), from->length, from->offset);
		sg_dma_address(to) = sg_dma_address(from);
		sg_dma_len(to) = sg_dma_len(from);
		to = sg_next(to);
	}
	copy->sgt.nents = original->nents;
	copy->original = original;
	return &copy->sgt;
}

/**
 * dmabuf_kernel_free_copy - free what dmabuf_kernel_copy() returned
 * @sgt: the copy
 *
 * Context: process context.
 * Return: what it is a copy of.
 */
struct sg_table *dmabuf_kernel_free_copy(struct sg_table *sgt)
{
	struct dmabuf_kernel_copy *copy = container_of(sgt, struct dmabuf_kernel_copy, sgt);
	struct sg_table *original = copy->original;

	sg_free_table(sgt);
	kfree(copy);
	return original;
}

static struct sg_table *kernel_map(struct dma_buf_attachment *importer,
				   enum dma_data_direction direction)
{
	return dmabuf_map_kernel(importer->priv, direction);
}

static void kernel_unmap(struct dma_buf_attachment *importer, struct sg_table *sgt,
			 enum dma_data_direction direction)
{
	dmabuf_unmap_kernel(importer->priv, sgt);
}

static int kernel_begin_cpu_access(struct dma_buf *kernel, enum dma_data_direction direction)
{
	struct dmabuf *dmabuf = kernel->priv;

	return dmabuf->ops->begin_cpu_access ? dmabuf->ops->begin_cpu_access(dmabuf, direction) : 0;
}

static int kernel_end_cpu_access(struct dma_buf *kernel, enum dma_data_direction direction)
{
	struct dmabuf *dmabuf = kernel->priv;

	return dmabuf->ops->end_cpu_access ? dmabuf->ops->end_cpu_access(dmabuf, direction) : 0;
}

static int kernel_mmap(struct dma_buf *kernel, struct vm_area_struct *vma)
{
	return dmabuf_mmap_file(kernel->priv, vma);
}

static int kernel_vmap(struct dma_buf *kernel, struct iosys_map *map)
{
	return dmabuf_vmap_for(kernel->priv, map, true);
}

static void kernel_vunmap(struct dma_buf *kernel, struct iosys_map *map)
{
	dmabuf_vunmap_for(kernel->priv, map, true);
}

DMABUF_VMAP_OPS(kernel_vmap, kernel_vunmap)

/*
 * Fences that are still pending belong to drivers that promised to signal them soon.  One
 * that did not is named no more than the kernel can: the storage is freed all the same.
 */
static void kernel_release(struct dma_buf *kernel)
{
	struct dmabuf *dmabuf = kernel->priv;

	if (dmabuf_resv_wait(kernel->resv, false, dmabuf_kernel_timeout()) <= 0)
		pr_warn_ratelimited("buffer %llu of %s is released with fences that were not signalled in %u ms\n",
				    dmabuf->id, dmabuf_exporter_name(dmabuf),
				    READ_ONCE(kernel_wait_ms));
	dmabuf_file_gone(dmabuf);
}

/* The kernel asks by these pointers what an exporter can: a vmap that fails it warns of. */
#define DMABUF_KERNEL_OPS \
	.attach = kernel_attach, \
	.detach = kernel_detach, \
	.map_dma_buf = kernel_map, \
	.unmap_dma_buf = kernel_unmap, \
	.begin_cpu_access = kernel_begin_cpu_access, \
	.end_cpu_access = kernel_end_cpu_access, \
	.mmap = kernel_mmap, \
	.release = kernel_release

static const struct dma_buf_ops dmabuf_kernel_ops = {
	DMABUF_KERNEL_OPS,
};

static const struct dma_buf_ops dmabuf_kernel_vmap_ops = {
	DMABUF_KERNEL_OPS,
	.vmap = DMABUF_VMAP_OP(kernel_vmap),
	.vunmap = DMABUF_VMAP_OP(kernel_vunmap),
};

static bool dmabuf_can_vmap(const struct dmabuf *dmabuf)
{
	if (dmabuf->placement)
		return dmabuf->ops->placement->vmap;
	return dmabuf->ops->vmap;
}

/**
 * dmabuf_kernel_export - make a dma-buf of the kernel for a buffer
 * @dmabuf: gets &dmabuf.kernel; the last fput() of the file ends it: dmabuf_file_gone()
 * @mode: O_RDONLY, O_WRONLY or O_RDWR
 *
 * Context: process context; may sleep.
 * Return: its file, or an ERR_PTR().
 */
struct file *dmabuf_kernel_export(struct dmabuf *dmabuf, int mode)
{
	struct dma_buf_export_info info = {
		.exp_name = dmabuf_exporter_name(dmabuf),
		.owner = THIS_MODULE,
		.ops = dmabuf_can_vmap(dmabuf) ? &dmabuf_kernel_vmap_ops : &dmabuf_kernel_ops,
		.size = dmabuf_file_size(dmabuf),
		.flags = mode,
		.priv = dmabuf,
	};
	struct dma_buf *kernel = dma_buf_export(&info);

	if (IS_ERR(kernel))
		return ERR_CAST(kernel);
	dmabuf->kernel = kernel;
	return kernel->file;
}

/**
 * dmabuf_kernel_get - get the buffer that is exported as a dma-buf
 * @kernel: any
 *
 * Context: any.
 * Return: the buffer, or NULL if it is another exporter's.
 */
struct dmabuf *dmabuf_kernel_get(struct dma_buf *kernel)
{
	return kernel->ops->release == kernel_release ? kernel->priv : NULL;
}

/**
 * dmabuf_kernel_wait_idle - wait for the fences that kernel importers left on a buffer
 * @dmabuf: the buffer; its file is alive
 * @timeout: jiffies; 0: only look.  Never longer than kernel_wait_ms.
 *
 * Context: process context; may sleep; the reservation lock may be held.
 * Return: 0, -EAGAIN (@timeout is 0), -ETIMEDOUT or -EINTR.
 */
int dmabuf_kernel_wait_idle(struct dmabuf *dmabuf, long timeout)
{
	long left;

	if (!dmabuf->kernel)
		return 0;
	left = dmabuf_resv_wait(dmabuf->kernel->resv, true, min(timeout, dmabuf_kernel_timeout()));
	if (left > 0)
		return 0;
	return left ? -EINTR : timeout ? -ETIMEDOUT : -EAGAIN;
}
