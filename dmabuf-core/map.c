// SPDX-License-Identifier: GPL-2.0-only
/*
 * Step 4, map, and its inverse, step 5, unmap: who does DMA right now.
 */
#include <linux/dma-direction.h>
#include <linux/err.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "internal.h"
#include "trace.h"

/*
 * A record for one more mapping, made before the exporter is asked so that
 * nothing can fail afterwards.  The first one is part of the attachment.
 */
static struct dmabuf_mapping *dmabuf_mapping_alloc(struct dmabuf_attachment *attachment)
{
	bool first;

	spin_lock(&attachment->lock);
	first = !attachment->first_used;
	attachment->first_used = true;
	spin_unlock(&attachment->lock);

	if (first)
		return &attachment->first;
	return kmalloc(sizeof(struct dmabuf_mapping), GFP_KERNEL_ACCOUNT);
}

static void dmabuf_mapping_free(struct dmabuf_attachment *attachment,
				struct dmabuf_mapping *mapping)
{
	if (mapping != &attachment->first) {
		kfree(mapping);
		return;
	}
	spin_lock(&attachment->lock);
	attachment->first_used = false;
	spin_unlock(&attachment->lock);
}

/*
 * Takes a mapping off the list, so that no other unmap finds it.  The sgt is
 * compared, never looked into: it may be anything.
 */
static struct dmabuf_mapping *dmabuf_mapping_take(struct dmabuf_attachment *attachment,
						  struct sg_table *sgt)
{
	struct dmabuf_mapping **link, *mapping;

	spin_lock(&attachment->lock);
	for (link = &attachment->mappings; (mapping = *link); link = &mapping->next) {
		if (mapping->sgt == sgt) {
			*link = mapping->next;
			attachment->nr_mappings--;
			break;
		}
	}
	spin_unlock(&attachment->lock);
	return mapping;
}

/* An interrupted wait is -EINTR here: a kernel caller cannot restart a call. */
static int dmabuf_map_error(struct sg_table *sgt)
{
	if (!sgt)
		return -ENOMEM;
	switch (PTR_ERR(sgt)) {
	case -ERESTARTSYS:
	case -ERESTARTNOINTR:
	case -ERESTARTNOHAND:
		return -EINTR;
	default:
		return PTR_ERR(sgt);
	}
}

/**
 * dmabuf_map_attachment - get access to a buffer for DMA (step 4)
 * @attachment: from dmabuf_attach()
 * @direction: DMA_TO_DEVICE, DMA_FROM_DEVICE or DMA_BIDIRECTIONAL
 *
 * Wraps the exporter's map_dma_buf op.  An attachment may have several mappings
 * at once, as far as the exporter allows it.  Each is given back with
 * dmabuf_unmap_attachment().  The first mapping of an attachment needs no memory
 * of the core.
 *
 * Context: process context; may sleep, also for as long as other users have the
 * buffer mapped, if the exporter makes it wait; takes &dmabuf_attachment.lock,
 * which is not held while the exporter's op runs.
 * Return: a scatterlist, mapped for the attached device, that covers the whole
 * buffer and belongs to the exporter; or
 * * ERR_PTR(-EINVAL): no attachment, or no such direction; logged with the caller
 * * ERR_PTR(-EINTR): a signal ended a wait; nothing has changed
 * * ERR_PTR(-ENOMEM): no memory
 * * what else the exporter's op returned, unchanged
 */
struct sg_table *dmabuf_map_attachment(struct dmabuf_attachment *attachment,
				       enum dma_data_direction direction)
{
	struct dmabuf_mapping *mapping;
	struct sg_table *sgt;

	might_sleep();
	if (IS_ERR_OR_NULL(attachment) || !valid_dma_direction(direction)) {
		dmabuf_refuse(dmabuf_map_attachment, _RET_IP_, "no %s",
			      IS_ERR_OR_NULL(attachment) ? "attachment" : "such direction");
		return ERR_PTR(-EINVAL);
	}

	mapping = dmabuf_mapping_alloc(attachment);
	if (!mapping)
		return ERR_PTR(-ENOMEM);

	sgt = attachment->dmabuf->ops->map_dma_buf(attachment, direction);
	if (IS_ERR_OR_NULL(sgt)) {
		dmabuf_mapping_free(attachment, mapping);
		return ERR_PTR(dmabuf_map_error(sgt));
	}

	mapping->sgt = sgt;
	mapping->direction = direction;
	spin_lock(&attachment->lock);
	mapping->next = attachment->mappings;
	attachment->mappings = mapping;
	attachment->nr_mappings++;
	spin_unlock(&attachment->lock);

	trace_dmabuf_map(attachment, sgt, direction);
	return sgt;
}
EXPORT_SYMBOL_NS_GPL(dmabuf_map_attachment, DMABUF_NS);

static void dmabuf_unmap(struct dmabuf_attachment *attachment, struct dmabuf_mapping *mapping)
{
	struct sg_table *sgt = mapping->sgt;

	trace_dmabuf_unmap(attachment, sgt, mapping->direction);
	dmabuf_mapping_free(attachment, mapping);
	attachment->dmabuf->ops->unmap_dma_buf(attachment, sgt);
}

/**
 * dmabuf_unmap_attachment - tell the exporter that DMA is over (step 5)
 * @attachment: from dmabuf_attach()
 * @sgt: from dmabuf_map_attachment() of the same attachment; goes back to the
 *	exporter, the caller must not use it again
 *
 * Wraps the exporter's unmap_dma_buf op.  The device must have stopped.  An @sgt
 * that is not mapped through @attachment changes nothing and gets a line in the
 * log with the caller.
 *
 * Context: process context; may sleep; takes &dmabuf_attachment.lock, which is
 * not held while the exporter's op runs.
 */
void dmabuf_unmap_attachment(struct dmabuf_attachment *attachment, struct sg_table *sgt)
{
	struct dmabuf_mapping *mapping = NULL;

	might_sleep();
	if (!IS_ERR_OR_NULL(attachment))
		mapping = dmabuf_mapping_take(attachment, sgt);
	if (!mapping) {
		dmabuf_refuse(dmabuf_unmap_attachment, _RET_IP_,
			      "this scatterlist is not mapped through this attachment");
		return;
	}
	dmabuf_unmap(attachment, mapping);
}
EXPORT_SYMBOL_NS_GPL(dmabuf_unmap_attachment, DMABUF_NS);

/*
 * For detach, which owns the attachment: nobody else maps or unmaps through it.
 * Returns how many mappings there were.
 */
u32 dmabuf_unmap_all(struct dmabuf_attachment *attachment)
{
	struct dmabuf_mapping *mapping;
	u32 n = 0;

	while ((mapping = attachment->mappings)) {
		dmabuf_unmap(attachment, dmabuf_mapping_take(attachment, mapping->sgt));
		n++;
	}
	return n;
}
