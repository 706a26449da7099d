// SPDX-License-Identifier: GPL-2.0-only
/*
 * The exporter's platform device: of the device tree, with a memory region of
 * its own perhaps, or self-made where the device tree has none.
 */
#define pr_fmt(fmt) "dmabuf-exporter: " fmt

#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/of_reserved_mem.h>
#include <linux/platform_device.h>
#include <linux/vmstat.h>

#include "internal.h"

#define COMPATIBLE "dmabuf-core,exporter-sample"

/* Of a machine whose device tree has no node for us. */
static struct platform_device *self_made;

/* Why a memory-region cannot be shared, or NULL. */
static const char *region_problem(struct device_node *region)
{
	if (!of_device_is_available(region))
		return "its status is not \"okay\"";
	if (!of_device_is_compatible(region, "shared-dma-pool"))
		return "it is not compatible with \"shared-dma-pool\"";
	if (of_property_read_bool(region, "no-map"))
		return "it is \"no-map\", so other devices cannot share it: make it \"reusable\"";
	if (!of_property_read_bool(region, "reusable"))
		return "it is not \"reusable\", so it is no CMA area";
	if (!IS_ENABLED(CONFIG_DMA_CMA))
		return "this kernel has no CMA (CONFIG_DMA_CMA)";
	return NULL;
}

/*
 * A region that cannot be used is no reason to fail: the log says what is wrong
 * with it, DMABUF_EXPORTER_INFO says that there is none, and memory comes from the
 * system.
 */
static void region_init(struct device *dev)
{
	struct device_node *region = of_parse_phandle(dev->of_node, "memory-region", 0);
	struct reserved_mem *reserved;
	const char *problem;
	int ret;

	if (!region) {
		dev_info(dev, "no memory-region of its own: contiguous memory comes from the system\n");
		return;
	}
	problem = region_problem(region);
	if (problem) {
		dev_err(dev, "memory-region %pOF is not used: %s\n", region, problem);
		goto put;
	}
	ret = of_reserved_mem_device_init(dev);
	if (ret) {
		dev_err(dev,
			"memory-region %pOF is not used: error %d: was it aligned and in memory, so that the kernel made a CMA area of it at boot?\n",
			region, ret);
		goto put;
	}

	reserved = of_reserved_mem_lookup(region);
	dmabuf_sample.has_region = true;
	dmabuf_sample.region_base = reserved ? reserved->base : 0;
	dmabuf_sample.region_bytes = reserved ? reserved->size : 0;
	dev_info(dev, "memory-region %pOF: %pa bytes at %pa\n", region,
		 &dmabuf_sample.region_bytes, &dmabuf_sample.region_base);
put:
	of_node_put(region);
}

/* Memory that is still in use goes back to the device's pool: then it stays as it is. */
static void region_exit(struct device *dev)
{
	if (!dmabuf_sample.has_region)
		return;
	dmabuf_sample.has_region = false;
	if (atomic_read(&dmabuf_sample.region_users))
		dev_err(dev, "removed while buffers lie in its memory region, which it keeps\n");
	else
		of_reserved_mem_device_release(dev);
}

static void sample_remove(void *data)
{
	struct device *dev = data;

	down_write(&dmabuf_sample.device_lock);
	dmabuf_sample.dev = NULL;
	region_exit(dev);
	up_write(&dmabuf_sample.device_lock);
}

static int sample_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	int ret;

	/* It shall be no limit: it does no DMA. */
	ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (ret)
		return dev_err_probe(dev, ret, "no 64-bit DMA mask\n");

	down_write(&dmabuf_sample.device_lock);
	if (dmabuf_sample.dev) {
		dev_err(dev, "refused: there is one exporter, and %s is its device\n",
			dev_name(dmabuf_sample.dev));
		ret = -EBUSY;
	} else {
		region_init(dev);
		dmabuf_sample.has_cma = IS_ENABLED(CONFIG_DMA_CMA) &&
					global_zone_page_state(NR_FREE_CMA_PAGES);
		/* All is set up: memory may be taken. */
		dmabuf_sample.dev = dev;
	}
	up_write(&dmabuf_sample.device_lock);
	if (ret)
		return ret;
	return devm_add_action_or_reset(dev, sample_remove, dev);
}

static const struct of_device_id sample_of_match[] = {
	{ .compatible = COMPATIBLE },
	{ }
};
MODULE_DEVICE_TABLE(of, sample_of_match);

static struct platform_driver sample_driver = {
	.probe = sample_probe,
	.driver = {
		.name = "dmabuf-exporter-sample",
		.of_match_table = sample_of_match,
		.probe_type = PROBE_FORCE_SYNCHRONOUS,
		/* Nobody unbinds it while there are buffers. */
		.suppress_bind_attrs = true,
	},
};

static bool in_device_tree(void)
{
	struct device_node *node;

	for_each_compatible_node(node, NULL, COMPATIBLE) {
		if (of_device_is_available(node)) {
			of_node_put(node);
			return true;
		}
	}
	return false;
}

/**
 * dmabuf_sample_device_init - register the driver, and a device if there is none
 *
 * The inverse is dmabuf_sample_device_exit().
 *
 * Context: module init.
 * Return: 0 or a negative errno.
 */
int dmabuf_sample_device_init(void)
{
	int ret;

	ret = platform_driver_register(&sample_driver);
	if (ret)
		return ret;
	if (in_device_tree())
		return 0;

	self_made = platform_device_register_simple(sample_driver.driver.name,
						    PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(self_made)) {
		ret = PTR_ERR(self_made);
		self_made = NULL;
		platform_driver_unregister(&sample_driver);
	}
	return ret;
}

/**
 * dmabuf_sample_device_exit - unregister the device, if self-made, and the driver
 *
 * Context: module exit; there is no buffer.
 */
void dmabuf_sample_device_exit(void)
{
	platform_device_unregister(self_made);
	platform_driver_unregister(&sample_driver);
}
