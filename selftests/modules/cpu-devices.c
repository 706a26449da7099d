// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that are not coherent, on machines where all are: their DMA ops give each
 * mapping a view of its own, as a device with a cache would have it, and what the
 * device writes there comes to memory by a sync for the CPU alone, what is in memory
 * comes to the device by a sync for the device alone.
 *
 * As with caches, a sync brings what has been written since the last one, byte by byte,
 * and no more: a view that is out of date does no harm to memory, nor memory that nobody
 * has written to what the device writes meanwhile.
 */
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../../dmabuf-core/compat.h"
#include "cpu.h"

/* What a view is full of that nobody has synced: neither zero nor what tests write. */
#define ACC_VIEW_UNKNOWN 0xee

/**
 * struct acc_view - what a device sees of a segment
 * @node: in &acc_device.views
 * @bytes: length
 * @seen: what the device reads and writes, under &acc_device.lock; its address is the
 *	segment's on the bus
 * @clean: what @seen was when it was last synced; likewise
 */
struct acc_view {
	struct list_head node;
	size_t bytes;
	u8 *seen;
	u8 *clean;
};

/**
 * struct acc_device - one of the devices
 * @pdev: the device
 * @lock: guards all below
 * @views: of &acc_view.node
 * @mapped: scatterlists that are mapped
 * @for_cpu: syncs of a scatterlist
 * @for_device: likewise
 */
struct acc_device {
	struct platform_device *pdev;
	struct mutex lock;	/* of all below */
	struct list_head views;
	u32 mapped;
	u64 for_cpu;
	u64 for_device;
};

/**
 * struct acc_map - one DMABUF_TEST_CPU_MAP; all immutable
 * @dmabuf: with a reference
 * @attachment: to that
 * @sgt: mapped
 */
struct acc_map {
	struct dmabuf *dmabuf;
	struct dmabuf_attachment *attachment;
	struct sg_table *sgt;
};

static struct acc_device acc_devices[DMABUF_TEST_CPU_DEVICES];

static struct acc_device *acc_device_of(struct device *dev)
{
	return &acc_devices[to_platform_device(dev)->id];
}

static void acc_view_free(struct acc_view *view)
{
	list_del(&view->node);
	kvfree(view->seen);
	kvfree(view->clean);
	kfree(view);
}

static struct acc_view *acc_view_alloc_locked(struct acc_device *device, size_t bytes)
{
	struct acc_view *view = kzalloc(sizeof(*view), GFP_KERNEL);

	lockdep_assert_held(&device->lock);
	if (!view)
		return NULL;
	list_add(&view->node, &device->views);
	view->bytes = bytes;
	view->seen = kvmalloc(bytes, GFP_KERNEL);
	view->clean = kvmalloc(bytes, GFP_KERNEL);
	if (!view->seen || !view->clean) {
		acc_view_free(view);
		return NULL;
	}
	memset(view->seen, ACC_VIEW_UNKNOWN, bytes);
	memset(view->clean, ACC_VIEW_UNKNOWN, bytes);
	return view;
}

static struct acc_view *acc_view_find_locked(struct acc_device *device, dma_addr_t address)
{
	struct acc_view *view;

	lockdep_assert_held(&device->lock);
	list_for_each_entry(view, &device->views, node)
		if ((uintptr_t)view->seen == address)
			return view;
	return NULL;
}

static struct page *acc_sg_page(struct scatterlist *sg, size_t at, size_t *in_page, size_t *bytes)
{
	size_t from = sg->offset + at;

	*in_page = offset_in_page(from);
	*bytes = min_t(size_t, PAGE_SIZE - *in_page, sg->length - at);
	return pfn_to_page(page_to_pfn(sg_page(sg)) + (from >> PAGE_SHIFT));
}

/* What the device has written comes to memory. */
static void acc_view_write_back(struct acc_view *view, struct scatterlist *sg)
{
	size_t at, i, in_page, bytes;

	for (at = 0; at < sg->length; at += bytes) {
		struct page *page = acc_sg_page(sg, at, &in_page, &bytes);
		u8 *memory = kmap_local_page(page);

		for (i = 0; i < bytes; i++)
			if (view->seen[at + i] != view->clean[at + i])
				memory[in_page + i] = view->seen[at + i];
		kunmap_local(memory);
	}
	memcpy(view->clean, view->seen, view->bytes);
}

/* What others have written to memory comes to the device. */
static void acc_view_fetch(struct acc_view *view, struct scatterlist *sg)
{
	size_t at, i, in_page, bytes;

	for (at = 0; at < sg->length; at += bytes) {
		struct page *page = acc_sg_page(sg, at, &in_page, &bytes);
		u8 *memory = kmap_local_page(page);

		for (i = 0; i < bytes; i++) {
			u8 now = READ_ONCE(memory[in_page + i]);

			if (now == view->clean[at + i])
				continue;
			view->seen[at + i] = now;
			view->clean[at + i] = now;
		}
		kunmap_local(memory);
	}
}

static void acc_sync_locked(struct acc_device *device, struct scatterlist *sgl, int n,
			    void (*sync)(struct acc_view *view, struct scatterlist *sg))
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, n, i) {
		struct acc_view *view = acc_view_find_locked(device, sg_dma_address(sg));

		if (!WARN_ON(!view))
			sync(view, sg);
	}
}

/*
 * What a device that only writes would see is not for it to know, and one that only
 * reads has nothing to bring.
 */
static void acc_dma_sync_for_cpu(struct device *dev, struct scatterlist *sgl, int n,
				 enum dma_data_direction direction)
{
	struct acc_device *device = acc_device_of(dev);

	mutex_lock(&device->lock);
	device->for_cpu++;
	if (direction != DMA_TO_DEVICE)
		acc_sync_locked(device, sgl, n, acc_view_write_back);
	mutex_unlock(&device->lock);
}

static void acc_dma_sync_for_device(struct device *dev, struct scatterlist *sgl, int n,
				    enum dma_data_direction direction)
{
	struct acc_device *device = acc_device_of(dev);

	mutex_lock(&device->lock);
	device->for_device++;
	if (direction != DMA_FROM_DEVICE)
		acc_sync_locked(device, sgl, n, acc_view_fetch);
	mutex_unlock(&device->lock);
}

static void acc_dma_unmap_sg(struct device *dev, struct scatterlist *sgl, int n,
			     enum dma_data_direction direction, unsigned long attrs)
{
	struct acc_device *device = acc_device_of(dev);
	struct scatterlist *sg;
	int i;

	if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		acc_dma_sync_for_cpu(dev, sgl, n, direction);
	mutex_lock(&device->lock);
	for_each_sg(sgl, sg, n, i) {
		struct acc_view *view = acc_view_find_locked(device, sg_dma_address(sg));

		if (!WARN_ON(!view))
			acc_view_free(view);
	}
	device->mapped--;
	mutex_unlock(&device->lock);
}

static int acc_dma_map_sg(struct device *dev, struct scatterlist *sgl, int n,
			  enum dma_data_direction direction, unsigned long attrs)
{
	struct acc_device *device = acc_device_of(dev);
	struct acc_view *view;
	struct scatterlist *sg;
	int i;

	mutex_lock(&device->lock);
	for_each_sg(sgl, sg, n, i) {
		view = acc_view_alloc_locked(device, sg->length);
		if (!view)
			goto err_views;
		sg_dma_address(sg) = (uintptr_t)view->seen;
		sg_dma_len(sg) = sg->length;
	}
	device->mapped++;
	mutex_unlock(&device->lock);
	if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		acc_dma_sync_for_device(dev, sgl, n, direction);
	return n;

err_views:
	for_each_sg(sgl, sg, i, n)
		acc_view_free(acc_view_find_locked(device, sg_dma_address(sg)));
	mutex_unlock(&device->lock);
	return -ENOMEM;
}

static const struct dma_map_ops acc_dma_ops = {
	.map_sg = acc_dma_map_sg,
	.unmap_sg = acc_dma_unmap_sg,
	.sync_sg_for_cpu = acc_dma_sync_for_cpu,
	.sync_sg_for_device = acc_dma_sync_for_device,
};

static bool acc_devices_work(void)
{
	return get_dma_ops(&acc_devices[0].pdev->dev) == &acc_dma_ops;
}

static int acc_map_fd(struct acc_map *map, const struct dmabuf_test_cpu_map *arg)
{
	int ret;

	map->dmabuf = dmabuf_get(arg->fd);
	if (IS_ERR(map->dmabuf))
		return PTR_ERR(map->dmabuf);
	map->attachment = dmabuf_attach(map->dmabuf, &acc_devices[arg->device].pdev->dev);
	if (IS_ERR(map->attachment)) {
		ret = PTR_ERR(map->attachment);
		goto err_put;
	}
	map->sgt = dmabuf_map_attachment(map->attachment, arg->direction);
	if (IS_ERR(map->sgt)) {
		ret = PTR_ERR(map->sgt);
		goto err_detach;
	}
	return 0;

err_detach:
	dmabuf_detach(map->dmabuf, map->attachment);
err_put:
	dmabuf_put(map->dmabuf);
	return ret;
}

static void acc_map_free(struct acc_map *map)
{
	dmabuf_unmap_attachment(map->attachment, map->sgt);
	dmabuf_detach(map->dmabuf, map->attachment);
	dmabuf_put(map->dmabuf);
	kfree(map);
}

int acc_ucmd_map(struct dmabuf_ucmd *ucmd)
{
	struct acc_file *cpu = ucmd->file->private_data;
	struct dmabuf_test_cpu_map *arg = ucmd->arg;
	struct acc_map *map;
	int ret;

	if (arg->device >= DMABUF_TEST_CPU_DEVICES)
		return -EINVAL;
	map = kzalloc(sizeof(*map), GFP_KERNEL);
	if (!map)
		return -ENOMEM;
	arg->handle = 0;
	arg->ret = acc_map_fd(map, arg);
	if (arg->ret) {
		kfree(map);
		return dmabuf_ucmd_respond(ucmd);
	}
	ret = xa_alloc(&cpu->maps, &arg->handle, map, xa_limit_31b, GFP_KERNEL);
	if (ret)
		goto err_unmap;
	ret = dmabuf_ucmd_respond(ucmd);
	if (ret)
		goto err_erase;
	return 0;

err_erase:
	xa_erase(&cpu->maps, arg->handle);
err_unmap:
	acc_map_free(map);
	return ret;
}

int acc_ucmd_unmap(struct dmabuf_ucmd *ucmd)
{
	struct acc_file *cpu = ucmd->file->private_data;
	struct dmabuf_test_cpu_unmap *arg = ucmd->arg;
	struct acc_map *map = xa_erase(&cpu->maps, arg->handle);

	if (!map)
		return -ENOENT;
	acc_map_free(map);
	return 0;
}

/* The device goes where its segments are on the bus. */
int acc_ucmd_device(struct dmabuf_ucmd *ucmd)
{
	struct acc_file *cpu = ucmd->file->private_data;
	struct dmabuf_test_cpu_touch *arg = ucmd->arg;
	struct acc_map *map = xa_load(&cpu->maps, arg->handle);
	u64 offset = arg->offset, left = arg->bytes, i;
	struct acc_device *device;
	struct scatterlist *sg;
	unsigned int n;

	if (!map)
		return -ENOENT;
	if (!acc_devices_work())
		return -EOPNOTSUPP;
	if (arg->write > 1 || arg->value > 255 || offset > map->dmabuf->size ||
	    left > map->dmabuf->size - offset)
		return -EINVAL;
	arg->equal = 0;
	device = acc_device_of(map->attachment->dev);
	mutex_lock(&device->lock);
	for_each_sgtable_dma_sg(map->sgt, sg, n) {
		u64 bytes = min_t(u64, left, sg_dma_len(sg) - min_t(u64, offset, sg_dma_len(sg)));
		u8 *at = (u8 *)(uintptr_t)sg_dma_address(sg) + offset;

		offset -= min_t(u64, offset, sg_dma_len(sg));
		left -= bytes;
		if (!bytes)
			continue;
		if (arg->write)
			memset(at, arg->value, bytes);
		for (i = 0; i < bytes; i++)
			arg->equal += at[i] == arg->value;
	}
	mutex_unlock(&device->lock);
	return dmabuf_ucmd_respond(ucmd);
}

int acc_ucmd_syncs(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_test_cpu_syncs *arg = ucmd->arg;
	struct acc_device *device;

	if (arg->device >= DMABUF_TEST_CPU_DEVICES)
		return -EINVAL;
	device = &acc_devices[arg->device];
	mutex_lock(&device->lock);
	arg->for_cpu = device->for_cpu;
	arg->for_device = device->for_device;
	arg->mapped = device->mapped;
	mutex_unlock(&device->lock);
	arg->supported = acc_devices_work();
	return dmabuf_ucmd_respond(ucmd);
}

void acc_devices_close(struct acc_file *cpu)
{
	struct acc_map *map;
	unsigned long i;

	xa_for_each(&cpu->maps, i, map)
		acc_map_free(map);
	xa_destroy(&cpu->maps);
}

static void acc_devices_remove(int n)
{
	while (n--)
		platform_device_unregister(acc_devices[n].pdev);
}

int acc_devices_register(void)
{
	struct platform_device_info info = {
		.name = "dmabuf-test-cpu",
		.dma_mask = DMA_BIT_MASK(64),
	};
	int i;

	for (i = 0; i < DMABUF_TEST_CPU_DEVICES; i++) {
		struct acc_device *device = &acc_devices[i];

		mutex_init(&device->lock);
		INIT_LIST_HEAD(&device->views);
		info.id = i;
		device->pdev = platform_device_register_full(&info);
		if (IS_ERR(device->pdev)) {
			acc_devices_remove(i);
			return PTR_ERR(device->pdev);
		}
		dma_set_max_seg_size(&device->pdev->dev, UINT_MAX);
		dma_set_seg_boundary(&device->pdev->dev, ULONG_MAX);
		dmabuf_device_set_coherent(&device->pdev->dev);
		set_dma_ops(&device->pdev->dev, &acc_dma_ops);
	}
	return 0;
}

void acc_devices_unregister(void)
{
	acc_devices_remove(DMABUF_TEST_CPU_DEVICES);
}
