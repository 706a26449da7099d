// SPDX-License-Identifier: GPL-2.0-only
/*
 * Software engine: a stand-in for machines without a DMA engine.
 *
 * It is no DMA.  A platform device without hardware stands for a bus master that
 * sees all of memory, has no IOMMU and shares the caches of the CPU, and the CPU
 * copies in its place: from a bus address of that device to the page behind it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/highmem.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/pfn.h>
#include <linux/platform_device.h>
#include <linux/printk.h>

#include "../dmabuf-core/compat.h"
#include "engine.h"

static struct platform_device *soft_pdev;
static struct dmabuf_engine *soft_engine;

static int soft_copy(struct dmabuf_engine *engine, dma_addr_t dst, dma_addr_t src, size_t len)
{
	engine->runs++;

	while (len) {
		phys_addr_t to = dma_to_phys(engine->dev, dst);
		phys_addr_t from = dma_to_phys(engine->dev, src);
		size_t n = min_t(size_t, len, PAGE_SIZE - offset_in_page(to));

		n = min_t(size_t, n, PAGE_SIZE - offset_in_page(from));
		if (!pfn_valid(PHYS_PFN(to)) || !pfn_valid(PHYS_PFN(from)))
			return -EIO;

		memcpy_page(pfn_to_page(PHYS_PFN(to)), offset_in_page(to),
			    pfn_to_page(PHYS_PFN(from)), offset_in_page(from), n);
		flush_dcache_page(pfn_to_page(PHYS_PFN(to)));
		dst += n;
		src += n;
		len -= n;
	}
	return 0;
}

static const struct dmabuf_engine_ops soft_ops = {
	.copy = soft_copy,
};

/*
 * Does a bus address of the device say where the page is?  Not where memory is
 * encrypted or a hypervisor translates; a copy would then hit other memory.
 */
static int soft_check(struct dmabuf_engine *engine)
{
	unsigned long pfn = PHYS_PFN(dma_to_phys(engine->dev, engine->scratch_dma));
	u64 *scratch = engine->scratch;
	u64 *page;
	int ret = -ENODEV;

	if (!pfn_valid(pfn))
		return -ENODEV;

	scratch[0] = 0x646d616275660001ULL;
	scratch[1] = (uintptr_t)engine;
	page = kmap_local_page(pfn_to_page(pfn));
	if (page[0] == scratch[0] && page[1] == scratch[1])
		ret = 0;
	kunmap_local(page);
	scratch[0] = 0;
	scratch[1] = 0;
	return ret;
}

/**
 * dmabuf_engine_soft_init - make the software engine
 *
 * Where it cannot work it is left out, with a line in the log.  The inverse is
 * dmabuf_engine_soft_exit().
 *
 * Context: process context, module init.
 * Return: 0, or -ENOMEM.
 */
int dmabuf_engine_soft_init(void)
{
	const struct platform_device_info info = {
		.name = "dmabuf-importer-soft",
		.id = PLATFORM_DEVID_NONE,
		.dma_mask = DMA_BIT_MASK(64),
	};
	struct dmabuf_engine *engine;
	struct platform_device *pdev;
	int ret;

	pdev = platform_device_register_full(&info);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	dmabuf_device_set_coherent(&pdev->dev);
	dma_set_max_seg_size(&pdev->dev, UINT_MAX);

	engine = dmabuf_engine_create(&pdev->dev, DMABUF_IMPORTER_SOFT, "soft0",
				      DMABUF_ENGINE_SCRATCH_MAX, &soft_ops, NULL);
	if (IS_ERR(engine)) {
		ret = PTR_ERR(engine);
		goto err_unregister;
	}

	ret = soft_check(engine);
	if (ret) {
		pr_warn("soft0: left out, bus addresses are not where the memory is\n");
		dmabuf_engine_remove(engine);
		platform_device_unregister(pdev);
		return 0;
	}

	soft_pdev = pdev;
	soft_engine = engine;
	dmabuf_engine_add(engine);
	return 0;

err_unregister:
	platform_device_unregister(pdev);
	return ret;
}

/**
 * dmabuf_engine_soft_exit - end the software engine
 *
 * Context: process context, module exit.
 */
void dmabuf_engine_soft_exit(void)
{
	if (!soft_engine)
		return;

	dmabuf_engine_remove(soft_engine);
	platform_device_unregister(soft_pdev);
}
