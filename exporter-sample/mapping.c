// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scatterlists of memory, mapped for a device.
 *
 * The memory is ordinary cached memory.  Each map hands it to the device with
 * dma_sync_sgtable_for_device(), each unmap takes it back with
 * dma_sync_sgtable_for_cpu(), for that one device: a device that snoops the
 * caches pays nothing.  In between, a CPU that announces its access (cpu.c) has both
 * done for all devices that have it mapped.
 */
#include <linux/bitops.h>
#include <linux/bits.h>
#include <linux/device.h>
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/iommu.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/swiotlb.h>

#include "../dmabuf-core/compat.h"
#include "internal.h"

/* The sync is explicit, see above, and a bounce buffer would be refused anyway. */
#define MAP_ATTRS (DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_NO_WARN)

/**
 * struct dmabuf_backing_mapping - memory mapped for one device
 * @node: in &dmabuf_backing.mappings, under &dmabuf_backing.lock
 * @users: under &dmabuf_backing.lock
 * @backing: immutable
 * @dev: an attachment holds it; immutable
 * @direction: immutable
 * @kernel: for an importer of the kernel's dma-buf, in whole pages; immutable
 * @constraints: that @sgt meets; immutable
 * @sgt: immutable
 *
 * Users with the same device, direction and constraints share one: the device
 * sees the same addresses, and to map it twice would cost twice.
 */
struct dmabuf_backing_mapping {
	struct list_head node;
	u32 users;
	struct dmabuf_backing *backing;
	struct device *dev;
	enum dma_data_direction direction;
	bool kernel;
	struct dmabuf_constraints constraints;
	struct sg_table sgt;
};

/**
 * struct dmabuf_backing_user - one dmabuf_backing_map()
 * @sgt: a copy of the mapping's, so that each user has a pointer of its own
 * @mapping: counts this user; immutable
 */
struct dmabuf_backing_user {
	struct sg_table sgt;
	struct dmabuf_backing_mapping *mapping;
};

static int mapping_build_sgt(struct dmabuf_backing_mapping *mapping,
			     const struct dmabuf_attachment *attachment)
{
	const struct dmabuf_backing *backing = mapping->backing;
	struct dmabuf_backing_segments segments;
	size_t offset, bytes;
	struct scatterlist *sg;
	unsigned int n = 0;
	int ret;

	dmabuf_backing_segments_init(&segments, backing, attachment);
	for (offset = 0; offset < segments.bytes; offset += bytes) {
		bytes = dmabuf_backing_segment(backing, &segments, offset);
		if (++n == UINT_MAX)
			return -ENOMEM;
	}

	ret = sg_alloc_table(&mapping->sgt, n, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (ret)
		return ret;
	sg = mapping->sgt.sgl;
	for (offset = 0; offset < segments.bytes; offset += bytes) {
		bytes = dmabuf_backing_segment(backing, &segments, offset);
		sg_set_page(sg, pfn_to_page(dmabuf_backing_pfn(backing, offset >> PAGE_SHIFT)),
			    bytes, offset_in_page(offset));
		sg = sg_next(sg);
	}
	return 0;
}

static int refuse_copy(struct device *dev, size_t bytes)
{
	dev_info_ratelimited(dev,
			     "map of %zu bytes refused: the device would work on a copy (swiotlb)\n",
			     bytes);
	return -EOPNOTSUPP;
}

/* Does the device work on a copy (swiotlb), and not on our memory? */
static bool mapping_bounces(struct dmabuf_backing_mapping *mapping)
{
	struct iommu_domain *domain = dmabuf_device_domain(mapping->dev);
	struct scatterlist *sg;
	size_t offset = 0;
	unsigned int i;

	if (!domain && !dmabuf_device_is_direct(mapping->dev))
		return false;
	for_each_sgtable_dma_sg(&mapping->sgt, sg, i) {
		dma_addr_t addr = sg_dma_address(sg);
		phys_addr_t phys = domain ? iommu_iova_to_phys(domain, addr) :
					    dma_to_phys(mapping->dev, addr);

		if (phys != dmabuf_backing_phys(mapping->backing, offset))
			return true;
		offset += sg_dma_len(sg);
	}
	return false;
}

/*
 * What of a scatterlist breaks a constraint, for the log, which anybody may read: no
 * address, but how many bits it has, as a mask.
 */
static u64 sgt_actual(struct sg_table *sgt, enum dmabuf_constraint which)
{
	struct scatterlist *sg;
	unsigned int i;
	u64 actual = 0;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		u64 first = sg_dma_address(sg);
		u64 last = first + sg_dma_len(sg) - 1;

		switch (which) {
		case DMABUF_CONSTRAINT_DMA_MASK:
			actual |= last;
			break;
		case DMABUF_CONSTRAINT_SEG_BOUNDARY:
			actual |= first ^ last;
			break;
		case DMABUF_CONSTRAINT_MAX_SEG_SIZE:
			actual = max(actual, (u64)sg_dma_len(sg));
			break;
		case DMABUF_CONSTRAINT_ALIGN:
			if (first)
				actual = actual ? min(actual, first & -first) : first & -first;
			break;
		default:
			return sgt->nents;
		}
	}
	if (actual && (which == DMABUF_CONSTRAINT_DMA_MASK ||
		       which == DMABUF_CONSTRAINT_SEG_BOUNDARY))
		actual = GENMASK_ULL(fls64(actual) - 1, 0);
	return actual;
}

static u64 constraint_value(const struct dmabuf_constraints *constraints,
			    enum dmabuf_constraint which)
{
	switch (which) {
	case DMABUF_CONSTRAINT_DMA_MASK:
		return constraints->dma_mask;
	case DMABUF_CONSTRAINT_MAX_SEG_SIZE:
		return constraints->max_seg_size;
	case DMABUF_CONSTRAINT_SEG_BOUNDARY:
		return constraints->seg_boundary;
	case DMABUF_CONSTRAINT_ALIGN:
		return constraints->align;
	default:
		return constraints->max_segs;
	}
}

/*
 * The last word.  An IOMMU joins segments up to the device's own limits, which
 * an importer that attached with stricter ones learns here.
 */
static int mapping_check(struct dmabuf_backing_mapping *mapping)
{
	const struct dmabuf_constraints *constraints = &mapping->constraints;
	enum dmabuf_constraint which = dmabuf_constraints_check(constraints, &mapping->sgt);

	if (which != DMABUF_CONSTRAINT_NONE) {
		dev_info_ratelimited(mapping->dev,
				     "map of %zu bytes refused: %s: device allows 0x%llx, mapping has 0x%llx\n",
				     mapping->backing->bytes, dmabuf_constraint_name(which),
				     constraint_value(constraints, which),
				     sgt_actual(&mapping->sgt, which));
		return -EOPNOTSUPP;
	}
	if (mapping_bounces(mapping))
		return refuse_copy(mapping->dev, mapping->backing->bytes);
	return 0;
}

static struct dmabuf_backing_mapping *
mapping_create(struct dmabuf_backing *backing, const struct dmabuf_attachment *attachment,
	       enum dma_data_direction direction)
{
	struct device *dev = attachment->dev;
	struct dmabuf_backing_mapping *mapping;
	struct dmabuf_miss miss;
	int ret;

	if (!dmabuf_backing_serves(backing, attachment, &miss)) {
		dev_info_ratelimited(dev,
				     "map of %zu bytes refused: %s: device allows 0x%llx, memory has 0x%llx\n",
				     backing->bytes, dmabuf_constraint_name(miss.which),
				     miss.allowed, miss.actual);
		return ERR_PTR(-EOPNOTSUPP);
	}

	/* Not left to mapping_check(): the DMA API warns of copies that it cannot make either. */
	if (dmabuf_device_is_direct(dev) && is_swiotlb_force_bounce(dev))
		return ERR_PTR(refuse_copy(dev, backing->bytes));

	mapping = kmalloc(sizeof(*mapping), GFP_KERNEL_ACCOUNT);
	if (!mapping)
		return ERR_PTR(-ENOMEM);
	mapping->users = 0;
	mapping->backing = backing;
	mapping->dev = dev;
	mapping->direction = direction;
	mapping->kernel = attachment->kernel;
	mapping->constraints = attachment->constraints;

	ret = mapping_build_sgt(mapping, attachment);
	if (ret)
		goto err_free;
	ret = dma_map_sgtable(dev, &mapping->sgt, direction, MAP_ATTRS);
	if (ret) {
		dev_info_ratelimited(dev, "map of %zu bytes failed: error %d of the DMA API\n",
				     backing->bytes, ret);
		goto err_sgt;
	}
	ret = mapping_check(mapping);
	if (ret)
		goto err_unmap;
	return mapping;

err_unmap:
	dma_unmap_sgtable(dev, &mapping->sgt, direction, MAP_ATTRS);
err_sgt:
	sg_free_table(&mapping->sgt);
err_free:
	kfree(mapping);
	return ERR_PTR(ret);
}

static void mapping_destroy(struct dmabuf_backing_mapping *mapping)
{
	dma_unmap_sgtable(mapping->dev, &mapping->sgt, mapping->direction, MAP_ATTRS);
	sg_free_table(&mapping->sgt);
	kfree(mapping);
}

static bool mapping_fits(const struct dmabuf_backing_mapping *mapping,
			 const struct dmabuf_attachment *attachment,
			 enum dma_data_direction direction)
{
	return mapping->dev == attachment->dev && mapping->direction == direction &&
	       mapping->kernel == attachment->kernel &&
	       !memcmp(&mapping->constraints, &attachment->constraints,
		       sizeof(mapping->constraints));
}

/* Returns a mapping with one user more, from the list if there is one that fits. */
static struct dmabuf_backing_mapping *
mapping_get_locked(struct dmabuf_backing *backing, const struct dmabuf_attachment *attachment,
		   enum dma_data_direction direction)
{
	struct dmabuf_backing_mapping *mapping;

	lockdep_assert_held(&backing->lock);
	list_for_each_entry(mapping, &backing->mappings, node)
		if (mapping_fits(mapping, attachment, direction))
			goto found;

	mapping = mapping_create(backing, attachment, direction);
	if (IS_ERR(mapping))
		return mapping;
	list_add(&mapping->node, &backing->mappings);
found:
	mapping->users++;
	return mapping;
}

static void mapping_put(struct dmabuf_backing_mapping *mapping)
{
	struct dmabuf_backing *backing = mapping->backing;

	mutex_lock(&backing->lock);
	if (!--mapping->users) {
		list_del(&mapping->node);
		mapping_destroy(mapping);
	}
	mutex_unlock(&backing->lock);
}

/**
 * dmabuf_backing_map - map memory for a device
 * @backing: the memory
 * @attachment: of the device; must live until the unmap
 * @direction: of the DMA
 *
 * The inverse is dmabuf_backing_unmap().
 *
 * Context: process context; may sleep; takes &dmabuf_backing.lock.
 * Return: a mapped scatterlist of the whole buffer, or
 * * ERR_PTR(-EINTR): a signal ended the wait for another map
 * * ERR_PTR(-ENOMEM): no memory, no space behind the IOMMU
 * * ERR_PTR(-EOPNOTSUPP): the device cannot reach this memory, or only a copy of
 *   it; logged
 * * another error of dma_map_sgtable(); logged
 */
struct sg_table *dmabuf_backing_map(struct dmabuf_backing *backing,
				    const struct dmabuf_attachment *attachment,
				    enum dma_data_direction direction)
{
	struct dmabuf_backing_mapping *mapping;
	struct dmabuf_backing_user *user;

	user = kmalloc(sizeof(*user), GFP_KERNEL_ACCOUNT);
	if (!user)
		return ERR_PTR(-ENOMEM);

	if (mutex_lock_interruptible(&backing->lock)) {
		kfree(user);
		return ERR_PTR(-EINTR);
	}
	mapping = mapping_get_locked(backing, attachment, direction);
	mutex_unlock(&backing->lock);
	if (IS_ERR(mapping)) {
		kfree(user);
		return ERR_CAST(mapping);
	}

	user->mapping = mapping;
	user->sgt = mapping->sgt;
	dma_sync_sgtable_for_device(attachment->dev, &mapping->sgt, direction);
	return &user->sgt;
}

/**
 * dmabuf_backing_unmap - undo one dmabuf_backing_map()
 * @sgt: what that returned; is freed
 *
 * Context: process context; may sleep; takes &dmabuf_backing.lock.
 */
void dmabuf_backing_unmap(struct sg_table *sgt)
{
	struct dmabuf_backing_user *user = container_of(sgt, struct dmabuf_backing_user, sgt);
	struct dmabuf_backing_mapping *mapping = user->mapping;

	dma_sync_sgtable_for_cpu(mapping->dev, &mapping->sgt, mapping->direction);
	mapping_put(mapping);
	kfree(user);
}

/**
 * dmabuf_backing_sync_for_cpu_locked - let a CPU read what devices have written
 * @backing: memory, which devices may have mapped
 *
 * A mapping DMA_TO_DEVICE is of a device that writes nothing.
 *
 * Context: process context; the caller holds &dmabuf_backing.lock.
 */
void dmabuf_backing_sync_for_cpu_locked(struct dmabuf_backing *backing)
{
	struct dmabuf_backing_mapping *mapping;

	lockdep_assert_held(&backing->lock);
	list_for_each_entry(mapping, &backing->mappings, node)
		if (mapping->direction != DMA_TO_DEVICE)
			dma_sync_sgtable_for_cpu(mapping->dev, &mapping->sgt, mapping->direction);
}

/**
 * dmabuf_backing_sync_for_device_locked - give memory back to devices
 * @backing: memory, which devices may have mapped
 * @access: what a CPU has done: DMA_FROM_DEVICE if it read and did not write
 *
 * What is synced for a device that only writes may be thrown away from the caches, so
 * that comes last: others want to read what the CPU has written.
 *
 * Context: process context; the caller holds &dmabuf_backing.lock.
 */
void dmabuf_backing_sync_for_device_locked(struct dmabuf_backing *backing,
					   enum dma_data_direction access)
{
	struct dmabuf_backing_mapping *mapping;

	lockdep_assert_held(&backing->lock);
	list_for_each_entry(mapping, &backing->mappings, node)
		if (mapping->direction == DMA_BIDIRECTIONAL ||
		    (mapping->direction == DMA_TO_DEVICE && access != DMA_FROM_DEVICE))
			dma_sync_sgtable_for_device(mapping->dev, &mapping->sgt,
						    mapping->direction);
	list_for_each_entry(mapping, &backing->mappings, node)
		if (mapping->direction == DMA_FROM_DEVICE)
			dma_sync_sgtable_for_device(mapping->dev, &mapping->sgt, DMA_FROM_DEVICE);
}
