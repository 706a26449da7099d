// SPDX-License-Identifier: GPL-2.0-only
/*
 * The importer: devices of any reach, attachments, mappings.  The CPU stands in for
 * the device: it reads and writes at the bus addresses that the device would use.
 */
#include <linux/dma-buf.h>
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/highmem.h>
#include <linux/minmax.h>
#include <linux/platform_device.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../../dmabuf-core/compat.h"
#include "bridge.h"

/**
 * struct bridge_attachment - a device at a dma-buf
 * @dmabuf: with a reference
 * @attach: from dma_buf_attach() or dma_buf_dynamic_attach()
 */
struct bridge_attachment {
	struct dma_buf *dmabuf;
	struct dma_buf_attachment *attach;
};

/**
 * struct bridge_mapping - one map of an attachment
 * @attachment: lives longer
 * @sgt: what the map returned
 * @direction: of the map
 */
struct bridge_mapping {
	struct bridge_attachment *attachment;
	struct sg_table *sgt;
	enum dma_data_direction direction;
};

int bridge_ucmd_device(struct dmabuf_ucmd *ucmd)
{
	struct bridge_file *bridge = ucmd->file->private_data;
	struct dmabuf_test_bridge_device *arg = ucmd->arg;
	struct platform_device_info info = {
		.name = "dmabuf-test-bridge",
		.id = PLATFORM_DEVID_AUTO,
	};
	struct platform_device *pdev;
	int ret;

	if (!arg->bits || arg->bits > 64 || arg->max_seg_size > U32_MAX || arg->reserved)
		return -EINVAL;
	info.dma_mask = DMA_BIT_MASK(arg->bits);
	pdev = platform_device_register_full(&info);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	dmabuf_device_set_coherent(&pdev->dev);
	if (arg->max_seg_size)
		dma_set_max_seg_size(&pdev->dev, arg->max_seg_size);
	if (arg->seg_boundary)
		dma_set_seg_boundary(&pdev->dev, arg->seg_boundary);
	strscpy(arg->name, dev_name(&pdev->dev), sizeof(arg->name));

	ret = xa_alloc(&bridge->devices, &arg->device, pdev, xa_limit_31b, GFP_KERNEL);
	if (ret) {
		platform_device_unregister(pdev);
		return ret;
	}
	return dmabuf_ucmd_respond(ucmd);
}

/* Its exporter never says that a buffer moves: it keeps what is mapped in place. */
static void bridge_invalidate_mappings(struct dma_buf_attachment *attach)
{
}

static const struct dma_buf_attach_ops bridge_dynamic_ops = {
	.invalidate_mappings = bridge_invalidate_mappings,
};

static int bridge_attach(struct bridge_attachment *attachment, int fd, struct device *dev,
			 bool dynamic)
{
	attachment->dmabuf = dma_buf_get(fd);
	if (IS_ERR(attachment->dmabuf))
		return PTR_ERR(attachment->dmabuf);
	if (dynamic)
		attachment->attach = dma_buf_dynamic_attach(attachment->dmabuf, dev,
							    &bridge_dynamic_ops, attachment);
	else
		attachment->attach = dma_buf_attach(attachment->dmabuf, dev);
	if (IS_ERR(attachment->attach)) {
		dma_buf_put(attachment->dmabuf);
		return PTR_ERR(attachment->attach);
	}
	return 0;
}

static void bridge_detach(struct bridge_attachment *attachment)
{
	dma_buf_detach(attachment->dmabuf, attachment->attach);
	dma_buf_put(attachment->dmabuf);
	kfree(attachment);
}

int bridge_ucmd_attach(struct dmabuf_ucmd *ucmd)
{
	struct bridge_file *bridge = ucmd->file->private_data;
	struct dmabuf_test_bridge_attach *arg = ucmd->arg;
	struct platform_device *pdev = xa_load(&bridge->devices, arg->device);
	struct bridge_attachment *attachment;
	int ret;

	if (arg->flags & ~DMABUF_TEST_BRIDGE_DYNAMIC)
		return -EINVAL;
	if (!pdev)
		return -ENOENT;
	attachment = kzalloc(sizeof(*attachment), GFP_KERNEL);
	if (!attachment)
		return -ENOMEM;

	arg->ret = bridge_attach(attachment, arg->fd, &pdev->dev,
				 arg->flags & DMABUF_TEST_BRIDGE_DYNAMIC);
	if (arg->ret) {
		kfree(attachment);
		return dmabuf_ucmd_respond(ucmd);
	}
	ret = xa_alloc(&bridge->attachments, &arg->attachment, attachment, xa_limit_31b,
		       GFP_KERNEL);
	if (ret) {
		bridge_detach(attachment);
		return ret;
	}
	return dmabuf_ucmd_respond(ucmd);
}

/* What is still mapped is forgotten. */
int bridge_ucmd_detach(struct dmabuf_ucmd *ucmd)
{
	struct bridge_file *bridge = ucmd->file->private_data;
	struct dmabuf_test_bridge_handle *arg = ucmd->arg;
	struct bridge_attachment *attachment;
	struct bridge_mapping *mapping;
	unsigned long i;

	if (arg->flags || arg->reserved)
		return -EINVAL;
	attachment = xa_erase(&bridge->attachments, arg->handle);
	if (!attachment)
		return -ENOENT;
	xa_for_each(&bridge->mappings, i, mapping) {
		if (mapping->attachment != attachment)
			continue;
		xa_erase(&bridge->mappings, i);
		kfree(mapping);
	}
	bridge_detach(attachment);
	return 0;
}

static struct sg_table *bridge_map(struct dma_buf_attachment *attach,
				   enum dma_data_direction direction, bool locked)
{
	struct sg_table *sgt;

	if (!locked)
		return dma_buf_map_attachment_unlocked(attach, direction);
	dma_resv_lock(attach->dmabuf->resv, NULL);
	sgt = dma_buf_map_attachment(attach, direction);
	dma_resv_unlock(attach->dmabuf->resv);
	return sgt;
}

static void bridge_unmap(struct bridge_mapping *mapping, bool locked)
{
	struct dma_buf_attachment *attach = mapping->attachment->attach;

	if (locked) {
		dma_resv_lock(attach->dmabuf->resv, NULL);
		dma_buf_unmap_attachment(attach, mapping->sgt, mapping->direction);
		dma_resv_unlock(attach->dmabuf->resv);
	} else {
		dma_buf_unmap_attachment_unlocked(attach, mapping->sgt, mapping->direction);
	}
	kfree(mapping);
}

static void bridge_describe(struct dmabuf_test_bridge_map *arg, struct sg_table *sgt)
{
	struct scatterlist *sg;
	int i;

	arg->segments = sgt->nents;
	arg->bytes = 0;
	arg->first = U64_MAX;
	arg->last = 0;
	arg->longest = 0;
	for_each_sgtable_dma_sg(sgt, sg, i) {
		u64 first = sg_dma_address(sg), bytes = sg_dma_len(sg);

		arg->bytes += bytes;
		arg->first = min(arg->first, first);
		arg->last = max(arg->last, first + bytes - 1);
		arg->longest = max(arg->longest, bytes);
	}
}

int bridge_ucmd_map(struct dmabuf_ucmd *ucmd)
{
	struct bridge_file *bridge = ucmd->file->private_data;
	struct dmabuf_test_bridge_map *arg = ucmd->arg;
	struct bridge_attachment *attachment = xa_load(&bridge->attachments, arg->attachment);
	bool locked = arg->flags & DMABUF_TEST_BRIDGE_LOCKED;
	struct bridge_mapping *mapping;
	int ret;

	if (arg->flags & ~DMABUF_TEST_BRIDGE_LOCKED || arg->reserved)
		return -EINVAL;
	if (!attachment)
		return -ENOENT;
	mapping = kzalloc(sizeof(*mapping), GFP_KERNEL);
	if (!mapping)
		return -ENOMEM;

	mapping->attachment = attachment;
	mapping->direction = arg->direction;
	mapping->sgt = bridge_map(attachment->attach, arg->direction, locked);
	arg->ret = PTR_ERR_OR_ZERO(mapping->sgt);
	if (arg->ret) {
		kfree(mapping);
		return dmabuf_ucmd_respond(ucmd);
	}
	bridge_describe(arg, mapping->sgt);
	ret = xa_alloc(&bridge->mappings, &arg->mapping, mapping, xa_limit_31b, GFP_KERNEL);
	if (ret) {
		bridge_unmap(mapping, locked);
		return ret;
	}
	return dmabuf_ucmd_respond(ucmd);
}

int bridge_ucmd_unmap(struct dmabuf_ucmd *ucmd)
{
	struct bridge_file *bridge = ucmd->file->private_data;
	struct dmabuf_test_bridge_handle *arg = ucmd->arg;
	struct bridge_mapping *mapping;

	if (arg->flags & ~DMABUF_TEST_BRIDGE_LOCKED || arg->reserved)
		return -EINVAL;
	mapping = xa_erase(&bridge->mappings, arg->handle);
	if (!mapping)
		return -ENOENT;
	bridge_unmap(mapping, arg->flags & DMABUF_TEST_BRIDGE_LOCKED);
	return 0;
}

static int bridge_segment_copy(struct device *dev, dma_addr_t at, void *bytes, u64 n, bool write)
{
	while (n) {
		phys_addr_t phys = dma_to_phys(dev, at);
		size_t offset = offset_in_page(phys), part = min_t(u64, n, PAGE_SIZE - offset);
		struct page *page;

		if (!pfn_valid(PHYS_PFN(phys)))
			return -EIO;
		page = pfn_to_page(PHYS_PFN(phys));
		if (write)
			memcpy_to_page(page, offset, bytes, part);
		else
			memcpy_from_page(bytes, page, offset, part);
		at += part;
		bytes += part;
		n -= part;
	}
	return 0;
}

/* Returns 0, -ENOENT (no such handle), -EINVAL (beyond its end) or -EIO. */
int bridge_mapping_copy(struct bridge_file *bridge, u32 handle, u64 offset, void *bytes, u64 n,
			bool write)
{
	struct bridge_mapping *mapping = xa_load(&bridge->mappings, handle);
	struct scatterlist *sg;
	int i, ret;

	if (!mapping)
		return -ENOENT;
	for_each_sgtable_dma_sg(mapping->sgt, sg, i) {
		u64 length = sg_dma_len(sg), part;

		if (offset >= length) {
			offset -= length;
			continue;
		}
		part = min(n, length - offset);
		ret = bridge_segment_copy(mapping->attachment->attach->dev,
					  sg_dma_address(sg) + offset, bytes, part, write);
		if (ret)
			return ret;
		offset = 0;
		bytes += part;
		n -= part;
	}
	return n ? -EINVAL : 0;
}

void bridge_importer_close(struct bridge_file *bridge)
{
	struct bridge_attachment *attachment;
	struct bridge_mapping *mapping;
	struct platform_device *pdev;
	unsigned long i;

	xa_for_each(&bridge->mappings, i, mapping)
		bridge_unmap(mapping, true);
	xa_destroy(&bridge->mappings);
	xa_for_each(&bridge->attachments, i, attachment)
		bridge_detach(attachment);
	xa_destroy(&bridge->attachments);
	xa_for_each(&bridge->devices, i, pdev)
		platform_device_unregister(pdev);
	xa_destroy(&bridge->devices);
}
