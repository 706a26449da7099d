// SPDX-License-Identifier: GPL-2.0-only
/*
 * What devices can reach, and what serves all that are attached.
 */
#include <linux/device.h>
#include <linux/dma-direct.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/iommu.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>

#include "internal.h"

/**
 * dmabuf_constraints_init - set constraints to no limit at all
 * @constraints: filled in
 *
 * Context: any.
 */
void dmabuf_constraints_init(struct dmabuf_constraints *constraints)
{
	*constraints = (struct dmabuf_constraints) {
		.dma_mask = U64_MAX,
		.seg_boundary = U64_MAX,
		.max_seg_size = U64_MAX,
		.max_segs = U32_MAX,
		.align = 1,
	};
}
EXPORT_SYMBOL_NS_GPL(dmabuf_constraints_init, DMABUF_NS);

/**
 * dmabuf_constraints_from_device - read what the driver core knows of a device
 * @constraints: filled in
 * @dev: the device, with its driver's dma_set_mask() and the like done
 *
 * The driver core has no word for the number of segments and their alignment:
 * these are without limit afterwards.
 *
 * Context: any.
 */
void dmabuf_constraints_from_device(struct dmabuf_constraints *constraints, struct device *dev)
{
	dmabuf_constraints_init(constraints);
	constraints->dma_mask = min_not_zero(dma_get_mask(dev), dev->bus_dma_limit);
	constraints->seg_boundary = dma_get_seg_boundary(dev);
	constraints->max_seg_size = dma_get_max_seg_size(dev);
}
EXPORT_SYMBOL_NS_GPL(dmabuf_constraints_from_device, DMABUF_NS);

/**
 * dmabuf_constraints_validate - tell whether constraints make sense
 * @constraints: looked at
 *
 * Context: any.
 * Return: 0, or -EINVAL: a mask that is 0 or not all ones from bit 0 up, no
 * segment, segments of 0 bytes, or an alignment that is no power of two.
 */
int dmabuf_constraints_validate(const struct dmabuf_constraints *constraints)
{
	const struct dmabuf_constraints *c = constraints;

	if (!c->dma_mask || c->dma_mask & (c->dma_mask + 1) ||
	    !c->seg_boundary || c->seg_boundary & (c->seg_boundary + 1) ||
	    !c->max_seg_size || !c->max_segs || !is_power_of_2(c->align))
		return -EINVAL;
	return 0;
}
EXPORT_SYMBOL_NS_GPL(dmabuf_constraints_validate, DMABUF_NS);

/**
 * dmabuf_constraints_merge - make constraints as strict as both
 * @into: one, and the result
 * @other: the other
 *
 * Context: any.
 */
void dmabuf_constraints_merge(struct dmabuf_constraints *into,
			      const struct dmabuf_constraints *other)
{
	into->dma_mask = min(into->dma_mask, other->dma_mask);
	into->seg_boundary = min(into->seg_boundary, other->seg_boundary);
	into->max_seg_size = min(into->max_seg_size, other->max_seg_size);
	into->max_segs = min(into->max_segs, other->max_segs);
	into->align = max(into->align, other->align);
}
EXPORT_SYMBOL_NS_GPL(dmabuf_constraints_merge, DMABUF_NS);

/**
 * dmabuf_device_domain - get what translates the DMA of a device
 * @dev: the device
 *
 * Context: any.
 * Return: an IOMMU domain, valid as long as the device's driver is bound, or NULL.
 */
struct iommu_domain *dmabuf_device_domain(struct device *dev)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);

	return domain && domain->type & __IOMMU_DOMAIN_PAGING ? domain : NULL;
}
EXPORT_SYMBOL_NS_GPL(dmabuf_device_domain, DMABUF_NS);

/**
 * dmabuf_device_is_direct - tell whether bus addresses follow from physical ones
 * @dev: the device
 *
 * Context: any.
 * Return: true if nothing translates them, but for an offset.
 */
bool dmabuf_device_is_direct(struct device *dev)
{
	return !dmabuf_device_domain(dev) && !get_dma_ops(dev);
}
EXPORT_SYMBOL_NS_GPL(dmabuf_device_is_direct, DMABUF_NS);

/* Segments of single pages, at worst: longer ones are cut, as the constraints want it. */
static u64 dmabuf_segments_of_pages(const struct dmabuf_constraints *c, size_t bytes)
{
	u64 longest = min(c->seg_boundary, (u64)PAGE_SIZE - 1) + 1;

	longest = min(longest, c->max_seg_size);
	if (longest > c->align)
		longest &= ~((u64)c->align - 1);
	return (u64)DIV_ROUND_UP(bytes, PAGE_SIZE) * DIV_ROUND_UP_ULL(PAGE_SIZE, longest);
}

/**
 * dmabuf_constraints_of_memory - turn what a device needs on its bus into what memory it needs
 * @dev: the device
 * @constraints: of the device, as for its scatterlist
 * @bytes: size of the buffer
 * @needs: filled in:
 *	&dmabuf_constraints.dma_mask: highest physical address, not always a mask;
 *	&dmabuf_constraints.align: of each piece of memory;
 *	&dmabuf_constraints.max_segs: how many pieces there may be;
 *	&dmabuf_constraints.seg_boundary: which a single piece must not cross;
 *	&dmabuf_constraints.max_seg_size: no limit: segments can be cut
 *
 * Behind an IOMMU any memory will do.  For a device that takes as many segments as
 * single pages make, cut as its other limits want it, these limits are none of the
 * memory.  So needs of several devices can be merged, where constraints cannot: one
 * segment for the one and short segments for the other is no contradiction.
 *
 * Context: any.
 */
void dmabuf_constraints_of_memory(struct device *dev, const struct dmabuf_constraints *constraints,
				  size_t bytes, struct dmabuf_constraints *needs)
{
	const struct dmabuf_constraints *c = constraints;

	dmabuf_constraints_init(needs);
	if (!dmabuf_device_is_direct(dev))
		return;

	needs->dma_mask = c->dma_mask;
	needs->align = c->align;
	if (dmabuf_segments_of_pages(c, bytes) > c->max_segs) {
		bool cut = bytes > c->max_seg_size || bytes - 1 > c->seg_boundary;

		/* Pieces that are cut make more segments: one makes the fewest. */
		needs->max_segs = cut ? 1 : c->max_segs;
		if (c->max_segs == 1)
			needs->seg_boundary = c->seg_boundary;
		else if (bytes - 1 > c->seg_boundary)
			needs->align = max_t(u64, c->align,
					     min_t(u64, c->seg_boundary, U32_MAX / 2) + 1);
	}
	if (dev->dma_range_map) {
		phys_addr_t last = dma_to_phys(dev, min_t(u64, c->dma_mask, (dma_addr_t)-1));

		/* A bus address that is in none of the bus's ranges reaches no memory. */
		needs->dma_mask = last == (phys_addr_t)-1 ? 0 : last;
	}
}
EXPORT_SYMBOL_NS_GPL(dmabuf_constraints_of_memory, DMABUF_NS);

u32 dmabuf_constraints_collate_locked(struct dmabuf *dmabuf, struct dmabuf_constraints *constraints)
{
	struct dmabuf_attachment *attachment;

	lockdep_assert_held(&dmabuf->lock);
	dmabuf_constraints_init(constraints);
	list_for_each_entry(attachment, &dmabuf->attachments, node)
		dmabuf_constraints_merge(constraints, &attachment->needs);
	return dmabuf->nr_attachments;
}

/**
 * dmabuf_constraints_collate - find out what memory serves all attached devices
 * @dmabuf: the buffer
 * @constraints: filled in with &dmabuf_attachment.needs of all, merged; no limit at
 *	all if no device is attached
 *
 * For an exporter that picks storage at the first map without the placement
 * layer.  The list may change as soon as this has returned; a device that comes
 * later meets the exporter's attach op.
 *
 * Context: process context; takes &dmabuf.lock.
 * Return: the number of attachments.
 */
u32 dmabuf_constraints_collate(struct dmabuf *dmabuf, struct dmabuf_constraints *constraints)
{
	u32 n;

	spin_lock(&dmabuf->lock);
	n = dmabuf_constraints_collate_locked(dmabuf, constraints);
	spin_unlock(&dmabuf->lock);
	return n;
}
EXPORT_SYMBOL_NS_GPL(dmabuf_constraints_collate, DMABUF_NS);

static bool dmabuf_constraint_missed(struct dmabuf_miss *miss, enum dmabuf_constraint which,
				     u64 allowed, u64 actual)
{
	*miss = (struct dmabuf_miss) { which, allowed, actual };
	return false;
}

/* Is memory for which @strict holds good for @needs, whatever it is? */
bool dmabuf_constraints_cover(const struct dmabuf_constraints *strict,
			      const struct dmabuf_constraints *needs, struct dmabuf_miss *miss)
{
	if (strict->dma_mask > needs->dma_mask)
		return dmabuf_constraint_missed(miss, DMABUF_CONSTRAINT_DMA_MASK,
						needs->dma_mask, strict->dma_mask);
	if (strict->seg_boundary > needs->seg_boundary)
		return dmabuf_constraint_missed(miss, DMABUF_CONSTRAINT_SEG_BOUNDARY,
						needs->seg_boundary, strict->seg_boundary);
	if (strict->max_seg_size > needs->max_seg_size)
		return dmabuf_constraint_missed(miss, DMABUF_CONSTRAINT_MAX_SEG_SIZE,
						needs->max_seg_size, strict->max_seg_size);
	if (strict->max_segs > needs->max_segs)
		return dmabuf_constraint_missed(miss, DMABUF_CONSTRAINT_MAX_SEGS,
						needs->max_segs, strict->max_segs);
	if (strict->align < needs->align)
		return dmabuf_constraint_missed(miss, DMABUF_CONSTRAINT_ALIGN,
						needs->align, strict->align);
	return true;
}

/**
 * dmabuf_constraints_check - compare a mapped scatterlist with constraints
 * @constraints: what the device needs
 * @sgt: mapped for that device; its DMA addresses are looked at, so memory that
 *	an IOMMU makes contiguous counts as contiguous
 *
 * Context: any; time linear in the number of segments.
 * Return: DMABUF_CONSTRAINT_NONE if all are met, else one that is not.
 */
enum dmabuf_constraint dmabuf_constraints_check(const struct dmabuf_constraints *constraints,
						struct sg_table *sgt)
{
	struct scatterlist *sg;
	unsigned int i;

	if (sgt->nents > constraints->max_segs)
		return DMABUF_CONSTRAINT_MAX_SEGS;
	for_each_sgtable_dma_sg(sgt, sg, i) {
		u64 first = sg_dma_address(sg);
		u64 last = first + sg_dma_len(sg) - 1;

		if (last > constraints->dma_mask)
			return DMABUF_CONSTRAINT_DMA_MASK;
		if (sg_dma_len(sg) > constraints->max_seg_size)
			return DMABUF_CONSTRAINT_MAX_SEG_SIZE;
		if ((first ^ last) & ~constraints->seg_boundary)
			return DMABUF_CONSTRAINT_SEG_BOUNDARY;
		if (first & (constraints->align - 1))
			return DMABUF_CONSTRAINT_ALIGN;
	}
	return DMABUF_CONSTRAINT_NONE;
}
EXPORT_SYMBOL_NS_GPL(dmabuf_constraints_check, DMABUF_NS);

/**
 * dmabuf_constraint_name - name a constraint for the log
 * @constraint: which
 *
 * Context: any.
 * Return: a constant string, the name of the member.
 */
const char *dmabuf_constraint_name(enum dmabuf_constraint constraint)
{
	switch (constraint) {
	case DMABUF_CONSTRAINT_DMA_MASK:
		return "dma_mask";
	case DMABUF_CONSTRAINT_SEG_BOUNDARY:
		return "seg_boundary";
	case DMABUF_CONSTRAINT_MAX_SEG_SIZE:
		return "max_seg_size";
	case DMABUF_CONSTRAINT_MAX_SEGS:
		return "max_segs";
	case DMABUF_CONSTRAINT_ALIGN:
		return "align";
	default:
		return "none";
	}
}
EXPORT_SYMBOL_NS_GPL(dmabuf_constraint_name, DMABUF_NS);
