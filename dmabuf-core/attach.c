// SPDX-License-Identifier: GPL-2.0-only
/*
 * Step 3, attach, and its inverse of step 6, detach: which devices use a buffer.
 */
#include <linux/device.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/slab.h>

#include "internal.h"
#include "trace.h"

static struct kmem_cache *dmabuf_attachment_cache;

static struct dmabuf_attachment *dmabuf_attach_at(struct dmabuf *dmabuf, struct device *dev,
						  const struct dmabuf_constraints *extra,
						  bool kernel, unsigned long ip)
{
	struct dmabuf_attachment *attachment;
	bool admitted;
	u32 seen = 0;
	int ret;

	might_sleep();
	if (IS_ERR_OR_NULL(dmabuf) || !dev) {
		dmabuf_refuse(dmabuf_attach, ip, "no %s", dev ? "buffer" : "device");
		return ERR_PTR(-EINVAL);
	}
	if (extra && dmabuf_constraints_validate(extra)) {
		dmabuf_refuse(dmabuf_attach_constrained, ip,
			      "constraints that no memory can meet, for %s", dev_name(dev));
		return ERR_PTR(-EINVAL);
	}

	attachment = kmem_cache_zalloc(dmabuf_attachment_cache, GFP_KERNEL);
	if (!attachment)
		return ERR_PTR(-ENOMEM);

	get_file(dmabuf->file);
	attachment->dmabuf = dmabuf;
	attachment->dev = get_device(dev);
	attachment->kernel = kernel;
	spin_lock_init(&attachment->lock);
	dmabuf_constraints_from_device(&attachment->constraints, dev);
	if (extra)
		dmabuf_constraints_merge(&attachment->constraints, extra);
	dmabuf_constraints_of_memory(dev, &attachment->constraints, dmabuf->size,
				     &attachment->needs);
	/* Its driver wants segments, however many, of one piece of bus addresses. */
	if (kernel && dmabuf_kernel_wants_contiguous(dev) && dmabuf_device_is_direct(dev)) {
		attachment->contiguous = true;
		attachment->needs.max_segs = 1;
	}

	if (dmabuf->ops->attach) {
		ret = dmabuf->ops->attach(dmabuf, dev, attachment);
		if (ret)
			goto err_put;
	}

	/* Whether it may attach is found out without a lock, so the answer may be stale. */
	do {
		if (dmabuf->placement) {
			ret = dmabuf_placement_admit(attachment, &seen);
			if (ret)
				goto err_detach;
		}
		spin_lock(&dmabuf->lock);
		admitted = dmabuf_placement_admitted_locked(dmabuf, seen);
		if (admitted) {
			/* Nothing can fail any more: others may see the attachment. */
			attachment->id = ++dmabuf->last_attachment_id;
			list_add_tail(&attachment->node, &dmabuf->attachments);
			dmabuf->nr_attachments++;
		}
		spin_unlock(&dmabuf->lock);
	} while (!admitted);

	trace_dmabuf_attach(attachment);
	return attachment;

err_detach:
	if (dmabuf->ops->detach)
		dmabuf->ops->detach(dmabuf, attachment);
err_put:
	put_device(dev);
	kmem_cache_free(dmabuf_attachment_cache, attachment);
	fput(dmabuf->file);
	return ERR_PTR(ret);
}

/**
 * dmabuf_attach - connect a device to a buffer (step 3)
 * @dmabuf: the buffer, with a reference of the caller's
 * @dev: the device that will do DMA
 *
 * Tells the exporter which device it is, by its attach op if it has one, and
 * puts the attachment on the buffer's list.  The attachment holds the device and
 * a reference to the buffer of its own.  The caller owns the attachment; the
 * inverse is dmabuf_detach(), after which the pointer is dead, as after kfree().
 *
 * Context: process context; may sleep; takes &dmabuf.lock.
 * Return: the attachment, or
 * * ERR_PTR(-EINVAL): an argument is missing; logged with the caller
 * * ERR_PTR(-ENOMEM): no memory
 * * what the exporter's attach op returned, unchanged: -EBUSY or -EOPNOTSUPP
 *   where its storage cannot serve the device
 * * from the placement layer, if the exporter is on it; logged, and kept for
 *   dmabuf_placement_query():
 *   ERR_PTR(-EOPNOTSUPP): no storage could serve @dev and all that are attached;
 *   ERR_PTR(-EBUSY): the present storage does not, and is fixed, or the buffer has
 *   been mapped and takes no more devices
 */
struct dmabuf_attachment *dmabuf_attach(struct dmabuf *dmabuf, struct device *dev)
{
	return dmabuf_attach_at(dmabuf, dev, NULL, false, _RET_IP_);
}
EXPORT_SYMBOL_NS_GPL(dmabuf_attach, DMABUF_NS);

/**
 * dmabuf_attach_constrained - connect a device that needs more than it can say
 * @dmabuf: the buffer, with a reference of the caller's
 * @dev: the device that will do DMA
 * @extra: constraints beyond those that the driver core knows of @dev, such as
 *	the length of its scatter-gather list; copied
 *
 * As dmabuf_attach(), with @extra collated into &dmabuf_attachment.constraints.
 *
 * Context: process context; may sleep; takes &dmabuf.lock.
 * Return: as dmabuf_attach(), and ERR_PTR(-EINVAL) if
 * dmabuf_constraints_validate() refuses @extra; logged with the caller.
 */
struct dmabuf_attachment *dmabuf_attach_constrained(struct dmabuf *dmabuf, struct device *dev,
						    const struct dmabuf_constraints *extra)
{
	return dmabuf_attach_at(dmabuf, dev, extra, false, _RET_IP_);
}
EXPORT_SYMBOL_NS_GPL(dmabuf_attach_constrained, DMABUF_NS);

/* For importers of the kernel's dma-buf, see kernel-out.c. */
struct dmabuf_attachment *dmabuf_attach_kernel(struct dmabuf *dmabuf, struct device *dev)
{
	return dmabuf_attach_at(dmabuf, dev, NULL, true, _RET_IP_);
}

/*
 * The attachment is off the list, so it is the caller's alone.  Returns how many
 * mappings were still there.
 */
static u32 dmabuf_attachment_destroy(struct dmabuf *dmabuf, struct dmabuf_attachment *attachment)
{
	u32 unmapped = dmabuf_unmap_all(attachment);

	trace_dmabuf_detach(attachment);
	if (dmabuf->ops->detach)
		dmabuf->ops->detach(dmabuf, attachment);
	put_device(attachment->dev);
	kmem_cache_free(dmabuf_attachment_cache, attachment);
	return unmapped;
}

/* Takes the attachment off the list; never looks into one that is not on it. */
static bool dmabuf_attachment_take(struct dmabuf *dmabuf, struct dmabuf_attachment *attachment)
{
	struct dmabuf_attachment *pos;
	bool found = false;

	spin_lock(&dmabuf->lock);
	list_for_each_entry(pos, &dmabuf->attachments, node) {
		if (pos == attachment) {
			list_del(&pos->node);
			dmabuf->nr_attachments--;
			found = true;
			break;
		}
	}
	spin_unlock(&dmabuf->lock);
	return found;
}

/**
 * dmabuf_detach - disconnect a device from a buffer (step 6)
 * @dmabuf: the buffer
 * @attachment: from dmabuf_attach() of the same buffer
 *
 * Takes the attachment off the list, calls the exporter's detach op if it has
 * one, lets the device go, frees the attachment and drops its reference to the
 * buffer.  No other call on @attachment may be in progress.  The mappings that
 * the caller forgot are unmapped first.  That, and an @attachment that is not on
 * @dmabuf's list, which changes nothing, gets a line in the log with the caller.
 *
 * Context: process context; may sleep; takes &dmabuf.lock; time linear in the
 * number of attachments.
 */
void dmabuf_detach(struct dmabuf *dmabuf, struct dmabuf_attachment *attachment)
{
	u32 unmapped;

	might_sleep();
	if (IS_ERR_OR_NULL(dmabuf) || !dmabuf_attachment_take(dmabuf, attachment)) {
		dmabuf_refuse(dmabuf_detach, _RET_IP_,
			      "this attachment is not on the list of this buffer");
		return;
	}

	unmapped = dmabuf_attachment_destroy(dmabuf, attachment);
	if (unmapped)
		dmabuf_refuse(dmabuf_detach, _RET_IP_, "unmapped %u mappings of buffer %llu",
			      unmapped, dmabuf->id);
	fput(dmabuf->file);
}
EXPORT_SYMBOL_NS_GPL(dmabuf_detach, DMABUF_NS);

/*
 * In release.  Each attachment has a reference, so one that is still here has
 * lost it to a put too many.
 */
void dmabuf_detach_all(struct dmabuf *dmabuf)
{
	struct dmabuf_attachment *attachment;

	while ((attachment = list_first_entry_or_null(&dmabuf->attachments,
						      struct dmabuf_attachment, node))) {
		pr_warn_ratelimited("buffer %llu of %s was put too often: %s is still attached\n",
				    dmabuf->id, dmabuf_exporter_name(dmabuf),
				    dev_name(attachment->dev));
		/* Cannot fail: it was on the list, and nobody else is here. */
		dmabuf_attachment_take(dmabuf, attachment);
		dmabuf_attachment_destroy(dmabuf, attachment);
	}
}

int __init dmabuf_attach_init(void)
{
	dmabuf_attachment_cache = KMEM_CACHE(dmabuf_attachment, SLAB_ACCOUNT);
	return dmabuf_attachment_cache ? 0 : -ENOMEM;
}

void dmabuf_attach_exit(void)
{
	kmem_cache_destroy(dmabuf_attachment_cache);
}
