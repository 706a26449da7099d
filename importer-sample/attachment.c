// SPDX-License-Identifier: GPL-2.0-only
/*
 * Steps 3 to 6 as an importer whose device can go away at any time: attach,
 * map, unmap, detach.  The rules are at the top of engine.h.
 */
#include <linux/err.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "engine.h"

static void attachment_release(struct kref *kref)
{
	struct dmabuf_engine_attachment *attachment =
		container_of(kref, struct dmabuf_engine_attachment, kref);

	dmabuf_put(attachment->dmabuf);
	dmabuf_engine_put(attachment->engine);
	kfree(attachment);
}

static void attachment_put(struct dmabuf_engine_attachment *attachment)
{
	kref_put(&attachment->kref, attachment_release);
}

/**
 * dmabuf_engine_attach - step 3: connect a buffer with an engine's device
 * @engine: the engine; the caller's reference goes over on success
 * @index: of the engine, for later queries
 * @dmabuf: the buffer; the caller's reference goes over on success
 * @extra: constraints added to the device's own, or NULL
 *
 * The inverse is dmabuf_engine_detach().
 *
 * Context: process context, no lock held; takes &dmabuf_engine.lock.
 * Return: the attachment, or
 * * -EINVAL: @extra makes no sense
 * * -ENODEV: the device has gone
 * * -ENOMEM: no memory
 * * what dmabuf_attach_constrained() returns
 */
struct dmabuf_engine_attachment *
dmabuf_engine_attach(struct dmabuf_engine *engine, u32 index, struct dmabuf *dmabuf,
		     const struct dmabuf_constraints *extra)
{
	struct dmabuf_engine_attachment *attachment;
	struct dmabuf_constraints needs;
	struct dmabuf_attachment *core;
	int ret;

	attachment = kzalloc(sizeof(*attachment), GFP_KERNEL_ACCOUNT);
	if (!attachment)
		return ERR_PTR(-ENOMEM);

	ret = dmabuf_engine_enter(engine);
	if (ret)
		goto err_free;

	/* The core reads the device's own; the engine's alignment it cannot see. */
	dmabuf_constraints_init(&needs);
	needs.align = engine->align;
	if (extra)
		dmabuf_constraints_merge(&needs, extra);
	if (extra || engine->align > 1)
		core = dmabuf_attach_constrained(dmabuf, engine->dev, &needs);
	else
		core = dmabuf_attach(dmabuf, engine->dev);
	if (IS_ERR(core)) {
		ret = PTR_ERR(core);
		mutex_lock(&engine->lock);
		goto err_leave;
	}

	kref_init(&attachment->kref);
	attachment->engine = engine;
	attachment->dmabuf = dmabuf;
	attachment->index = index;
	attachment->id = core->id;
	attachment->constraints = core->constraints;
	attachment->attachment = core;

	mutex_lock(&engine->lock);
	if (engine->gone) {
		mutex_unlock(&engine->lock);
		dmabuf_detach(dmabuf, core);
		mutex_lock(&engine->lock);
		ret = -ENODEV;
		goto err_leave;
	}
	/* From here on dmabuf_engine_remove() finds it and does the detach. */
	kref_get(&attachment->kref);
	list_add_tail(&attachment->node, &engine->attachments);
	dmabuf_engine_leave_locked(engine);
	mutex_unlock(&engine->lock);
	return attachment;

err_leave:
	dmabuf_engine_leave_locked(engine);
	mutex_unlock(&engine->lock);
err_free:
	kfree(attachment);
	return ERR_PTR(ret);
}

/**
 * dmabuf_engine_detach - step 6: disconnect
 * @attachment: without a mapping; gone after the call
 *
 * The inverse of dmabuf_engine_attach().  When the device is going, the detach
 * is left to dmabuf_engine_remove().
 *
 * Context: process context, no lock held; takes &dmabuf_engine.lock.
 */
void dmabuf_engine_detach(struct dmabuf_engine_attachment *attachment)
{
	struct dmabuf_engine *engine = attachment->engine;

	mutex_lock(&engine->lock);
	if (engine->gone) {
		mutex_unlock(&engine->lock);
		attachment_put(attachment);
		return;
	}
	list_del(&attachment->node);
	dmabuf_engine_enter_locked(engine);
	mutex_unlock(&engine->lock);

	dmabuf_detach(attachment->dmabuf, attachment->attachment);
	attachment_put(attachment);

	mutex_lock(&engine->lock);
	dmabuf_engine_leave_locked(engine);
	mutex_unlock(&engine->lock);
	attachment_put(attachment);
}

/**
 * dmabuf_engine_map - step 4: access
 * @attachment: stays until the mapping has gone
 * @direction: which way the bytes go
 * @timeout: jiffies that it may wait for other mappings to go: 0: it may not;
 *	%MAX_SCHEDULE_TIMEOUT: until a signal comes
 *
 * The inverse is dmabuf_engine_unmap().
 *
 * Context: process context, no lock held, may wait for other mappings to go;
 * takes &dmabuf_engine.lock.
 * Return: the mapping, or
 * * -ENODEV: the device has gone, before it or while it waited
 * * -ENOMEM: no memory
 * * what dmabuf_map_attachment_timeout() returns
 */
struct dmabuf_engine_mapping *
dmabuf_engine_map(struct dmabuf_engine_attachment *attachment,
		  enum dma_data_direction direction, long timeout)
{
	struct dmabuf_engine *engine = attachment->engine;
	struct dmabuf_engine_mapping *mapping;
	struct sg_table *sgt;
	int ret;

	mapping = kzalloc(sizeof(*mapping), GFP_KERNEL_ACCOUNT);
	if (!mapping)
		return ERR_PTR(-ENOMEM);

	ret = dmabuf_engine_enter(engine);
	if (ret)
		goto err_free;

	sgt = dmabuf_map_attachment_timeout(attachment->attachment, direction, timeout);
	if (IS_ERR(sgt)) {
		ret = PTR_ERR(sgt);
		mutex_lock(&engine->lock);
		goto err_leave;
	}

	mapping->attachment = attachment;
	mapping->sgt = sgt;
	mapping->direction = direction;
	mapping->segments = sgt->nents;

	mutex_lock(&engine->lock);
	if (engine->gone) {
		mutex_unlock(&engine->lock);
		dmabuf_unmap_attachment(attachment->attachment, sgt);
		mutex_lock(&engine->lock);
		ret = -ENODEV;
		goto err_leave;
	}
	/* From here on dmabuf_engine_remove() finds it and does the unmap. */
	list_add_tail(&mapping->node, &engine->mappings);
	attachment->nr_mappings++;
	dmabuf_engine_leave_locked(engine);
	mutex_unlock(&engine->lock);
	return mapping;

err_leave:
	dmabuf_engine_leave_locked(engine);
	mutex_unlock(&engine->lock);
err_free:
	kfree(mapping);
	return ERR_PTR(ret);
}

/* The caller gets the scatterlist, and with it the duty to unmap it. */
static struct sg_table *mapping_take_locked(struct dmabuf_engine_mapping *mapping)
{
	struct sg_table *sgt = mapping->sgt;

	lockdep_assert_held(&mapping->attachment->engine->lock);

	if (sgt) {
		mapping->sgt = NULL;
		list_del(&mapping->node);
		mapping->attachment->nr_mappings--;
	}
	return sgt;
}

/**
 * dmabuf_engine_unmap - step 5: end of DMA
 * @mapping: without a transfer; gone after the call
 *
 * The inverse of dmabuf_engine_map().
 *
 * Context: process context, no lock held; takes &dmabuf_engine.lock.
 */
void dmabuf_engine_unmap(struct dmabuf_engine_mapping *mapping)
{
	struct dmabuf_engine_attachment *attachment = mapping->attachment;
	struct dmabuf_engine *engine = attachment->engine;
	struct sg_table *sgt;

	mutex_lock(&engine->lock);
	sgt = mapping_take_locked(mapping);
	if (sgt)
		dmabuf_engine_enter_locked(engine);
	mutex_unlock(&engine->lock);

	if (sgt) {
		dmabuf_unmap_attachment(attachment->attachment, sgt);
		mutex_lock(&engine->lock);
		dmabuf_engine_leave_locked(engine);
		mutex_unlock(&engine->lock);
	}
	kfree(mapping);
}

/**
 * dmabuf_engine_segment - what the device sees
 * @mapping: the mapping
 * @index: of the segment
 * @address: out: bus address
 * @bytes: out: length
 *
 * Context: process context; takes &dmabuf_engine.lock.
 * Return: 0, or
 * * -ENODEV: the device has gone
 * * -ENOENT: there are fewer segments
 */
int dmabuf_engine_segment(struct dmabuf_engine_mapping *mapping, u32 index,
			  dma_addr_t *address, u64 *bytes)
{
	struct dmabuf_engine *engine = mapping->attachment->engine;
	struct scatterlist *sg;
	int ret = -ENOENT;
	unsigned int i;

	mutex_lock(&engine->lock);
	if (!mapping->sgt) {
		ret = -ENODEV;
	} else if (index < mapping->segments) {
		for_each_sgtable_dma_sg(mapping->sgt, sg, i) {
			if (i != index)
				continue;
			*address = sg_dma_address(sg);
			*bytes = sg_dma_len(sg);
			ret = 0;
			break;
		}
	}
	mutex_unlock(&engine->lock);
	return ret;
}

/**
 * dmabuf_engine_mappings - count the outstanding mappings
 * @attachment: of this attachment
 *
 * Context: process context; takes &dmabuf_engine.lock.
 * Return: their number; 0 when the device has gone.
 */
u32 dmabuf_engine_mappings(struct dmabuf_engine_attachment *attachment)
{
	u32 n;

	mutex_lock(&attachment->engine->lock);
	n = attachment->nr_mappings;
	mutex_unlock(&attachment->engine->lock);
	return n;
}

/**
 * dmabuf_engine_stop_all - let no map of an engine wait
 * @engine: &dmabuf_engine.gone is set
 *
 * Context: process context; takes &dmabuf_engine.lock.
 */
void dmabuf_engine_stop_all(struct dmabuf_engine *engine)
{
	struct dmabuf_engine_attachment *attachment;

	mutex_lock(&engine->lock);
	list_for_each_entry(attachment, &engine->attachments, node)
		dmabuf_attachment_stop(attachment->attachment);
	mutex_unlock(&engine->lock);
}

/**
 * dmabuf_engine_unmap_all - the device goes: end all access
 * @engine: &dmabuf_engine.gone is set
 *
 * The mappings stay as what handles refer to, without a scatterlist.
 *
 * Context: process context, no lock held; takes &dmabuf_engine.lock.
 */
void dmabuf_engine_unmap_all(struct dmabuf_engine *engine)
{
	struct dmabuf_engine_mapping *mapping;
	struct dmabuf_attachment *core;
	struct sg_table *sgt;

	mutex_lock(&engine->lock);
	while (!list_empty(&engine->mappings)) {
		/* The core finds the newest of an attachment at once. */
		mapping = list_last_entry(&engine->mappings, struct dmabuf_engine_mapping, node);
		/*
		 * The mapping may be freed as soon as the lock is released, the
		 * core's attachment not: nobody else detaches any more.
		 */
		core = mapping->attachment->attachment;
		sgt = mapping_take_locked(mapping);
		mutex_unlock(&engine->lock);

		dmabuf_unmap_attachment(core, sgt);

		mutex_lock(&engine->lock);
	}
	mutex_unlock(&engine->lock);
}

/**
 * dmabuf_engine_detach_all - the device goes: disconnect all buffers
 * @engine: &dmabuf_engine.gone is set, nothing is mapped, no call under way
 *
 * The attachments stay as what handles refer to.
 *
 * Context: process context, no lock held; takes &dmabuf_engine.lock.
 */
void dmabuf_engine_detach_all(struct dmabuf_engine *engine)
{
	struct dmabuf_engine_attachment *attachment;

	mutex_lock(&engine->lock);
	while (!list_empty(&engine->attachments)) {
		attachment = list_first_entry(&engine->attachments,
					      struct dmabuf_engine_attachment, node);
		list_del(&attachment->node);
		mutex_unlock(&engine->lock);

		dmabuf_detach(attachment->dmabuf, attachment->attachment);
		attachment_put(attachment);

		mutex_lock(&engine->lock);
	}
	mutex_unlock(&engine->lock);
}
