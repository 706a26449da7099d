// SPDX-License-Identifier: GPL-2.0-only
/*
 * Step 4, map, and its inverse, step 5, unmap: who does DMA right now.
 */
#include <linux/dma-direction.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>
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

static struct sg_table *dmabuf_map(struct dmabuf_attachment *attachment,
				   enum dma_data_direction direction, long timeout)
{
	if (attachment->dmabuf->placement)
		return dmabuf_placement_map(attachment, direction, timeout);
	return attachment->dmabuf->ops->map_dma_buf(attachment, direction);
}

static struct sg_table *dmabuf_map_at(struct dmabuf_attachment *attachment,
				      enum dma_data_direction direction, long timeout,
				      unsigned long ip)
{
	struct dmabuf_mapping *mapping;
	struct sg_table *sgt;

	might_sleep();
	if (IS_ERR_OR_NULL(attachment) || !valid_dma_direction(direction) || timeout < 0) {
		dmabuf_refuse(dmabuf_map_attachment, ip, "no %s",
			      IS_ERR_OR_NULL(attachment) ? "attachment" :
			      timeout < 0 ? "such timeout" : "such direction");
		return ERR_PTR(-EINVAL);
	}
	/* How long the op of another exporter waits is not for the core to say. */
	if (timeout != MAX_SCHEDULE_TIMEOUT) {
		if (!attachment->dmabuf->placement)
			return ERR_PTR(-EOPNOTSUPP);
		timeout = min_t(long, timeout, MAX_JIFFY_OFFSET);
	}
	if (READ_ONCE(attachment->stopped))
		return ERR_PTR(-ENODEV);

	mapping = dmabuf_mapping_alloc(attachment);
	if (!mapping)
		return ERR_PTR(-ENOMEM);

	sgt = dmabuf_map(attachment, direction, timeout);
	if (IS_ERR_OR_NULL(sgt)) {
		dmabuf_mapping_free(attachment, mapping);
		return ERR_PTR(dmabuf_map_error(sgt));
	}

	mapping->sgt = sgt;
	mapping->direction = direction;
	spin_lock(&attachment->lock);
	mapping->next = attachment->mappings;
	attachment->mappings = mapping;
	spin_unlock(&attachment->lock);

	trace_dmabuf_map(attachment, sgt, direction);
	return sgt;
}

/**
 * dmabuf_map_attachment - get access to a buffer for DMA (step 4)
 * @attachment: from dmabuf_attach()
 * @direction: DMA_TO_DEVICE, DMA_FROM_DEVICE or DMA_BIDIRECTIONAL
 *
 * Wraps the exporter's map_dma_buf op, or the placement layer.  An attachment may
 * have several mappings at once, as far as the exporter allows it.  Each is given
 * back with dmabuf_unmap_attachment().  The first mapping of an attachment needs
 * no memory of the core.
 *
 * Context: process context; may sleep, also for as long as other users have the
 * buffer mapped, if the exporter makes it wait; takes &dmabuf_attachment.lock,
 * and &dmabuf.lock if the exporter is on the placement layer, which are not held
 * while an op of the exporter runs.
 * Return: a scatterlist, mapped for the attached device, that covers the whole
 * buffer and belongs to the exporter; or
 * * ERR_PTR(-EINVAL): no attachment, or no such direction; logged with the caller
 * * ERR_PTR(-EINTR): a signal ended a wait; nothing has changed
 * * ERR_PTR(-ENODEV): dmabuf_attachment_stop(), before or during the wait
 * * ERR_PTR(-ENOMEM): no memory; a buffer that was to move is where it was
 * * ERR_PTR(-EBUSY): from the placement layer: the storage does not serve the
 *   device, and is fixed
 * * ERR_PTR(-EOPNOTSUPP): from the placement layer: nor does what the exporter
 *   allocated for it
 * * what else the exporter's op returned, unchanged
 */
struct sg_table *dmabuf_map_attachment(struct dmabuf_attachment *attachment,
				       enum dma_data_direction direction)
{
	return dmabuf_map_at(attachment, direction, MAX_SCHEDULE_TIMEOUT, _RET_IP_);
}
EXPORT_SYMBOL_NS_GPL(dmabuf_map_attachment, DMABUF_NS);

/**
 * dmabuf_map_attachment_timeout - get access to a buffer, without waiting for long
 * @attachment: from dmabuf_attach()
 * @direction: as for dmabuf_map_attachment()
 * @timeout: jiffies to wait for other users; 0: not at all; MAX_SCHEDULE_TIMEOUT:
 *	as dmabuf_map_attachment().  Taking memory and moving the buffer, once it is
 *	this caller's turn, is work and no waiting, and is not cut short.
 *
 * Context: as dmabuf_map_attachment().
 * Return: as dmabuf_map_attachment(), and
 * * ERR_PTR(-EINVAL): also a negative @timeout
 * * ERR_PTR(-EAGAIN): @timeout is 0, and others have the buffer
 * * ERR_PTR(-ETIMEDOUT): others had it all the time
 * * ERR_PTR(-EOPNOTSUPP): also an exporter that is not on the placement layer
 */
struct sg_table *dmabuf_map_attachment_timeout(struct dmabuf_attachment *attachment,
					       enum dma_data_direction direction, long timeout)
{
	return dmabuf_map_at(attachment, direction, timeout, _RET_IP_);
}
EXPORT_SYMBOL_NS_GPL(dmabuf_map_attachment_timeout, DMABUF_NS);

static void dmabuf_unmap(struct dmabuf_attachment *attachment, struct dmabuf_mapping *mapping)
{
	enum dma_data_direction direction = mapping->direction;
	struct dmabuf *dmabuf = attachment->dmabuf;
	struct sg_table *sgt = mapping->sgt;

	trace_dmabuf_unmap(attachment, sgt, direction);
	dmabuf_mapping_free(attachment, mapping);
	if (dmabuf->placement)
		dmabuf_placement_unmap(attachment, sgt, direction);
	else
		dmabuf->ops->unmap_dma_buf(attachment, sgt);
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

/**
 * dmabuf_attachment_stop - map no more, and let nobody wait for it
 * @attachment: from dmabuf_attach(); not being detached
 *
 * For an importer whose device goes away while other threads may be mapping, or
 * waiting until others unmap, which nobody need ever do.  Maps of @attachment that
 * wait on the placement layer, and all later ones, return -ENODEV; those that have
 * their turn go on, and so does what waits in the op of another exporter.
 * Mappings stay until they are unmapped.  There is no inverse: detach comes next.
 *
 * Context: process context; takes &dmabuf.lock.
 */
void dmabuf_attachment_stop(struct dmabuf_attachment *attachment)
{
	if (attachment->dmabuf->placement)
		dmabuf_turns_stop(attachment);
	else
		WRITE_ONCE(attachment->stopped, true);
}
EXPORT_SYMBOL_NS_GPL(dmabuf_attachment_stop, DMABUF_NS);

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
