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
 * Most attachments have one mapping at a time.  It is kept in &dmabuf_attachment.first, the
 * address of its scatterlist with the direction in the lowest bits, and takes no record and no
 * lock.  The others are on a list.
 */
static_assert(DMA_BIDIRECTIONAL < DMABUF_FIRST_RESERVED && DMA_TO_DEVICE < DMABUF_FIRST_RESERVED &&
	      DMA_FROM_DEVICE < DMABUF_FIRST_RESERVED);
static_assert(__alignof__(struct sg_table) > DMABUF_FIRST_RESERVED);

static noinline int dmabuf_mapping_take_listed(struct dmabuf_attachment *attachment,
					       struct sg_table *sgt)
{
	struct dmabuf_mapping **link, *mapping;
	int direction;

	spin_lock(&attachment->lock);
	for (link = &attachment->mappings; (mapping = *link); link = &mapping->next) {
		if (mapping->sgt == sgt) {
			*link = mapping->next;
			break;
		}
	}
	spin_unlock(&attachment->lock);
	if (!mapping)
		return -ENOENT;
	direction = mapping->direction;
	kfree(mapping);
	return direction;
}

/*
 * Takes a mapping away, so that no other unmap finds it, and returns its direction.  The sgt
 * is compared, never looked into: it may be anything.
 */
static inline int dmabuf_mapping_take(struct dmabuf_attachment *attachment, struct sg_table *sgt)
{
	unsigned long first = READ_ONCE(attachment->first);

	while (sgt && dmabuf_first_sgt(first) == sgt) {
		unsigned long was = cmpxchg(&attachment->first, first, 0);

		if (was == first)
			return first & DMABUF_FIRST_RESERVED;
		first = was;
	}
	return dmabuf_mapping_take_listed(attachment, sgt);
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

/* Is a scatterlist for it a copy, see dmabuf_kernel_copy()? */
static bool dmabuf_is_copied(const struct dmabuf_attachment *attachment)
{
	return IS_ENABLED(CONFIG_DMABUF_DEBUG) && attachment->kernel;
}

static inline void dmabuf_call_unmap(struct dmabuf_attachment *attachment, struct sg_table *sgt,
				     enum dma_data_direction direction)
{
	if (attachment->dmabuf->placement)
		dmabuf_placement_unmap(attachment, sgt, direction);
	else
		attachment->dmabuf->ops->unmap_dma_buf(attachment, sgt);
}

static inline struct sg_table *dmabuf_call_map(struct dmabuf_attachment *attachment,
					       enum dma_data_direction direction, long timeout)
{
	struct sg_table *sgt, *copy;

	if (attachment->dmabuf->placement)
		sgt = dmabuf_placement_map(attachment, direction, timeout);
	else
		sgt = attachment->dmabuf->ops->map_dma_buf(attachment, direction);
	if (!dmabuf_is_copied(attachment) || IS_ERR_OR_NULL(sgt))
		return sgt;
	copy = dmabuf_kernel_copy(sgt);
	if (IS_ERR(copy))
		dmabuf_call_unmap(attachment, sgt, direction);
	return copy;
}

/* A mapping beside the first; what it needs is had before the exporter is asked. */
static noinline struct sg_table *dmabuf_map_listed(struct dmabuf_attachment *attachment,
						   enum dma_data_direction direction, long timeout)
{
	struct dmabuf_mapping *mapping = kmalloc(sizeof(*mapping), GFP_KERNEL_ACCOUNT);
	struct sg_table *sgt;

	if (!mapping)
		return ERR_PTR(-ENOMEM);
	sgt = dmabuf_call_map(attachment, direction, timeout);
	if (IS_ERR_OR_NULL(sgt)) {
		kfree(mapping);
		return sgt;
	}
	mapping->sgt = sgt;
	mapping->direction = direction;
	spin_lock(&attachment->lock);
	mapping->next = attachment->mappings;
	attachment->mappings = mapping;
	spin_unlock(&attachment->lock);
	return sgt;
}

static inline struct sg_table *dmabuf_map_checked(struct dmabuf_attachment *attachment,
						  enum dma_data_direction direction, long timeout)
{
	bool first = !cmpxchg(&attachment->first, 0, DMABUF_FIRST_RESERVED);
	struct sg_table *sgt;

	if (first)
		sgt = dmabuf_call_map(attachment, direction, timeout);
	else
		sgt = dmabuf_map_listed(attachment, direction, timeout);
	if (IS_ERR_OR_NULL(sgt)) {
		if (first)
			WRITE_ONCE(attachment->first, 0);
		return ERR_PTR(dmabuf_map_error(sgt));
	}
	if (first) {
		WRITE_ONCE(attachment->first_segments, sgt->nents);
		/* From here on an unmap may take it. */
		smp_store_release(&attachment->first, (unsigned long)sgt | direction);
	}
	trace_dmabuf_map(attachment, sgt, direction);
	return sgt;
}

static struct sg_table *dmabuf_map_at(struct dmabuf_attachment *attachment,
				      enum dma_data_direction direction, long timeout,
				      unsigned long ip)
{
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
	return dmabuf_map_checked(attachment, direction, timeout);
}

/*
 * For importers of the kernel's dma-buf, see kernel-out.c.  Never -EAGAIN, which libdrm takes
 * for a call to try again for ever.  The op of an exporter that is not on the placement layer
 * waits as long as it does.
 */
struct sg_table *dmabuf_map_kernel(struct dmabuf_attachment *attachment,
				   enum dma_data_direction direction)
{
	long timeout = attachment->dmabuf->placement ? dmabuf_kernel_timeout() : 0;
	struct sg_table *sgt = dmabuf_map_checked(attachment, direction, timeout);

	return sgt == ERR_PTR(-EAGAIN) ? ERR_PTR(-EBUSY) : sgt;
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
 * * ERR_PTR(-ETIMEDOUT): from the placement layer: the buffer was to move, and fences that
 *   kernel importers left on it were not signalled in the time of kernel_wait_ms
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

static inline void dmabuf_unmap(struct dmabuf_attachment *attachment, struct sg_table *sgt,
				enum dma_data_direction direction)
{
	trace_dmabuf_unmap(attachment, sgt, direction);
	if (dmabuf_is_copied(attachment))
		sgt = dmabuf_kernel_free_copy(sgt);
	dmabuf_call_unmap(attachment, sgt, direction);
}

static inline void dmabuf_unmap_at(struct dmabuf_attachment *attachment, struct sg_table *sgt,
				   unsigned long ip)
{
	int direction = dmabuf_mapping_take(attachment, sgt);

	if (direction >= 0)
		dmabuf_unmap(attachment, sgt, direction);
	else
		dmabuf_refuse(dmabuf_unmap_attachment, ip,
			      "this scatterlist is not mapped through this attachment");
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
	might_sleep();
	if (IS_ERR_OR_NULL(attachment))
		dmabuf_refuse(dmabuf_unmap_attachment, _RET_IP_, "no attachment");
	else
		dmabuf_unmap_at(attachment, sgt, _RET_IP_);
}
EXPORT_SYMBOL_NS_GPL(dmabuf_unmap_attachment, DMABUF_NS);

/* For importers of the kernel's dma-buf, see kernel-out.c. */
void dmabuf_unmap_kernel(struct dmabuf_attachment *attachment, struct sg_table *sgt)
{
	dmabuf_unmap_at(attachment, sgt, _RET_IP_);
}

/**
 * dmabuf_attachment_stop - map no more, and let nobody wait for it
 * @attachment: from dmabuf_attach(); not being detached
 *
 * For an importer whose device goes away while other threads may be mapping, or
 * waiting until others unmap, which nobody need ever do.  Maps of @attachment that
 * wait on the placement layer, and all later ones, return -ENODEV; those that have
 * their turn go on, also when they wait for fences, and so does what waits in the op of
 * another exporter.
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
	struct sg_table *sgt;
	u32 n = 0;

	while ((sgt = dmabuf_first_sgt(READ_ONCE(attachment->first))) ||
	       (attachment->mappings && (sgt = attachment->mappings->sgt))) {
		dmabuf_unmap(attachment, sgt, dmabuf_mapping_take(attachment, sgt));
		n++;
	}
	return n;
}
