// SPDX-License-Identifier: GPL-2.0-only
/*
 * An exporter outside dmabuf-core's tree, to copy and change: /dev/frame-pool gives
 * frames, each of them one piece of memory, for devices to fill and to read.
 *
 * It is on the placement layer: a frame has no memory before the first map, gets what all
 * attached devices reach, and moves when a stricter one maps it later.  CPUs have no
 * access; dmabuf-core's own exporter-sample shows mmap, vmap and what they take.
 */
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/log2.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include <dmabuf-core/placement.h>

#include "frame-pool.h"

/* What the page allocator of every kernel can give in one piece. */
#define FRAME_BYTES_MAX SZ_4M

/**
 * struct frame_block - memory of a frame
 * @storage: for the placement layer
 * @address: of the first byte
 * @bytes: whole pages
 */
struct frame_block {
	struct dmabuf_storage storage;
	void *address;
	size_t bytes;
};

/**
 * struct frame_mapping - one device's mapping of a frame
 * @sgt: what the device sees
 * @direction: of its DMA, which unmap is not told
 */
struct frame_mapping {
	struct sg_table sgt;
	enum dma_data_direction direction;
};

static struct frame_block *to_block(struct dmabuf_storage *storage)
{
	return container_of(storage, struct frame_block, storage);
}

static bool block_serves(void *address, size_t bytes, const struct dmabuf_constraints *needs)
{
	u64 first = virt_to_phys(address);
	u64 last = first + bytes - 1;

	if (needs->max_segs == 1 && (first ^ last) & ~needs->seg_boundary)
		return false;
	return last <= needs->dma_mask && !(first & (needs->align - 1));
}

static struct dmabuf_storage *frame_alloc(struct dmabuf *dmabuf,
					  const struct dmabuf_constraints *needs,
					  const struct dmabuf_storage *from)
{
	/* From anywhere, if that serves; some of the zones may be missing, or the same. */
	static const gfp_t zones[] = { 0, GFP_DMA32, GFP_DMA };
	size_t bytes = PAGE_ALIGN(dmabuf->size);
	/* What was in memory before is for nobody to see; a move overwrites all of it. */
	gfp_t gfp = GFP_KERNEL | __GFP_NOWARN | (from ? 0 : __GFP_ZERO);
	struct frame_block *block;
	unsigned int i;

	block = kzalloc(sizeof(*block), GFP_KERNEL);
	if (!block)
		return ERR_PTR(-ENOMEM);
	for (i = 0; i < ARRAY_SIZE(zones) && !block->address; i++) {
		block->address = alloc_pages_exact(bytes, gfp | zones[i]);
		if (block->address && !block_serves(block->address, bytes, needs)) {
			free_pages_exact(block->address, bytes);
			block->address = NULL;
		}
	}
	if (!block->address) {
		pr_info_ratelimited("frame_pool: no block of %zu bytes, mask %#llx, align %u\n",
				    bytes, needs->dma_mask, needs->align);
		kfree(block);
		return ERR_PTR(-ENOMEM);
	}
	block->bytes = bytes;
	block->storage.kind = "a block";
	block->storage.last = virt_to_phys(block->address) + bytes - 1;
	block->storage.chunks = 1;
	return &block->storage;
}

static void frame_free(struct dmabuf *dmabuf, struct dmabuf_storage *storage)
{
	struct frame_block *block = to_block(storage);

	free_pages_exact(block->address, block->bytes);
	kfree(block);
}

static int frame_move(struct dmabuf *dmabuf, struct dmabuf_storage *from,
		      struct dmabuf_storage *to)
{
	memcpy(to_block(to)->address, to_block(from)->address, to_block(from)->bytes);
	return 0;
}

/*
 * A block lies at a multiple of its size, rounded up to a power of two, so pieces of a
 * power of two cross no boundary.
 */
static size_t piece_bytes(const struct dmabuf_constraints *constraints)
{
	u64 most = min_t(u64, constraints->seg_boundary, FRAME_BYTES_MAX - 1) + 1;

	return rounddown_pow_of_two((size_t)min(most, constraints->max_seg_size));
}

/* Is it the block that the device sees, or a copy (swiotlb), on which it would work alone? */
static bool mapping_bounces(struct device *dev, struct sg_table *sgt,
			    const struct frame_block *block)
{
	return dmabuf_device_is_direct(dev) &&
		dma_to_phys(dev, sg_dma_address(sgt->sgl)) != virt_to_phys(block->address);
}

static struct sg_table *frame_map(struct dmabuf_attachment *attachment,
				  struct dmabuf_storage *storage,
				  enum dma_data_direction direction)
{
	const struct dmabuf_constraints *constraints = &attachment->constraints;
	size_t piece = piece_bytes(constraints), offset = 0;
	struct frame_block *block = to_block(storage);
	struct frame_mapping *mapping;
	struct scatterlist *sg;
	unsigned int i;
	int ret;

	mapping = kzalloc(sizeof(*mapping), GFP_KERNEL);
	if (!mapping)
		return ERR_PTR(-ENOMEM);
	/*
	 * What the CPU wrote, zeroes and copies, is in its caches; some architectures drop
	 * it there for a device that is to write only, which may leave bytes out.
	 */
	mapping->direction = direction == DMA_FROM_DEVICE ? DMA_BIDIRECTIONAL : direction;
	ret = sg_alloc_table(&mapping->sgt, DIV_ROUND_UP(block->bytes, piece), GFP_KERNEL);
	if (ret)
		goto err_free;
	for_each_sgtable_sg(&mapping->sgt, sg, i) {
		sg_set_page(sg, virt_to_page(block->address + offset),
			    min(piece, block->bytes - offset), offset_in_page(offset));
		offset += piece;
	}
	ret = dma_map_sgtable(attachment->dev, &mapping->sgt, mapping->direction, 0);
	if (ret)
		goto err_table;
	/* The storage serves the device; what an IOMMU or swiotlb made of it is seen here. */
	if (dmabuf_constraints_check(constraints, &mapping->sgt) != DMABUF_CONSTRAINT_NONE ||
	    mapping_bounces(attachment->dev, &mapping->sgt, block)) {
		ret = -EOPNOTSUPP;
		goto err_unmap;
	}
	return &mapping->sgt;

err_unmap:
	dma_unmap_sgtable(attachment->dev, &mapping->sgt, mapping->direction, 0);
err_table:
	sg_free_table(&mapping->sgt);
err_free:
	kfree(mapping);
	return ERR_PTR(ret);
}

static void frame_unmap(struct dmabuf_attachment *attachment, struct dmabuf_storage *storage,
			struct sg_table *sgt)
{
	struct frame_mapping *mapping = container_of(sgt, struct frame_mapping, sgt);

	dma_unmap_sgtable(attachment->dev, sgt, mapping->direction, 0);
	sg_free_table(sgt);
	kfree(mapping);
}

/* All there was is storage, which the layer has freed. */
static void frame_release(struct dmabuf *dmabuf)
{
}

static const struct dmabuf_placement_ops frame_placement_ops = {
	.alloc = frame_alloc,
	.free = frame_free,
	.map = frame_map,
	.unmap = frame_unmap,
	.move = frame_move,
};

static const struct dmabuf_ops frame_ops = {
	/* This module stays until the last frame has gone, whoever holds it. */
	.owner = THIS_MODULE,
	.placement = &frame_placement_ops,
	.release = frame_release,
};

static long frame_pool_get(struct frame_pool_get __user *user)
{
	struct frame_pool_get arg;
	struct dmabuf *dmabuf;
	int ret;

	if (copy_from_user(&arg, user, sizeof(arg)))
		return -EFAULT;
	if (!arg.bytes || arg.bytes > FRAME_BYTES_MAX || arg.reserved)
		return -EINVAL;

	/* All that can fail comes first: nobody can take back an fd that is installed. */
	arg.fd = get_unused_fd_flags(O_CLOEXEC);
	if (arg.fd < 0)
		return arg.fd;
	dmabuf = dmabuf_export(NULL, &frame_ops, arg.bytes, O_RDWR);
	if (!dmabuf) {
		ret = -ENOMEM;
		goto err_fd;
	}
	if (copy_to_user(user, &arg, sizeof(arg))) {
		ret = -EFAULT;
		goto err_put;
	}
	dmabuf_fd_install(dmabuf, arg.fd);
	return 0;

err_put:
	dmabuf_put(dmabuf);
err_fd:
	put_unused_fd(arg.fd);
	return ret;
}

static long frame_pool_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case FRAME_POOL_GET:
		return frame_pool_get((void __user *)arg);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations frame_pool_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = frame_pool_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

/* The node is root's alone: nothing here counts what one process takes. */
static struct miscdevice frame_pool_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "frame-pool",
	.fops = &frame_pool_fops,
};
module_misc_device(frame_pool_device);

MODULE_DESCRIPTION("A pool of frames, as an example of an exporter on dmabuf-core");
MODULE_AUTHOR("dmabuf-core maintainers");
MODULE_LICENSE("GPL");
/* What MODULE_IMPORT_NS() makes of it, on kernels before and after it took a string. */
MODULE_INFO(import_ns, "DMABUF_CORE");
