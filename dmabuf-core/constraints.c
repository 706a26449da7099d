// SPDX-License-Identifier: GPL-2.0-only
/*
 * What devices can reach, and what serves all that are attached.
 */
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/minmax.h>
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
 * dmabuf_constraints_collate - find out what serves all attached devices
 * @dmabuf: the buffer
 * @constraints: filled in; no limit at all if no device is attached
 *
 * For an exporter that picks storage at the first map.  The list may change as
 * soon as this has returned; a device that comes later meets the exporter's
 * attach op.
 *
 * Context: process context; takes &dmabuf.lock.
 * Return: the number of attachments.
 */
u32 dmabuf_constraints_collate(struct dmabuf *dmabuf, struct dmabuf_constraints *constraints)
{
	struct dmabuf_attachment *attachment;
	u32 n = 0;

	dmabuf_constraints_init(constraints);
	spin_lock(&dmabuf->lock);
	list_for_each_entry(attachment, &dmabuf->attachments, node) {
		dmabuf_constraints_merge(constraints, &attachment->constraints);
		n++;
	}
	spin_unlock(&dmabuf->lock);
	return n;
}
EXPORT_SYMBOL_NS_GPL(dmabuf_constraints_collate, DMABUF_NS);

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
