// SPDX-License-Identifier: GPL-2.0-only
/*
 * QEMU's edu device: a PCI bus master that copies between memory and a buffer of
 * its own, and raises an interrupt at the end.
 *
 * A copy between two places in memory is two runs, one into the device and one
 * out of it; each takes 100 ms of the virtual machine's time.  What was loaded
 * from the scratch buffer stays in the device, so that a fill loads once.
 */
#include <linux/completion.h>
#include <linux/dma-mapping.h>
#include <linux/idr.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/iopoll.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "engine.h"

#define EDU_VENDOR 0x1234
#define EDU_DEVICE 0x11e8

/* Registers in BAR 0.  Those from 0x80 up are 64 bits wide. */
#define EDU_ID 0x00
#define EDU_ID_MASK 0xff
#define EDU_ID_VALUE 0xed
#define EDU_IRQ_STATUS 0x24
#define EDU_IRQ_DMA 0x100
#define EDU_IRQ_ACK 0x64
#define EDU_DMA_SRC 0x80
#define EDU_DMA_DST 0x88
#define EDU_DMA_COUNT 0x90
#define EDU_DMA_CMD 0x98
#define EDU_DMA_RUN 0x1
#define EDU_DMA_TO_MEMORY 0x2
#define EDU_DMA_RAISE_IRQ 0x4
/* What a register reads as when the device has gone. */
#define EDU_GONE 0xffffffffU

/* The device's own buffer, as the DMA registers address it. */
#define EDU_BUFFER 0x40000
/*
 * The buffer has 4096 bytes, but QEMU ends itself when a run touches the last
 * one (its range check takes the end for the last byte), at least up to 7.2.
 */
#define EDU_MAX_TRANSFER 4088

#define EDU_PARAMS 8
#define EDU_DEFAULT_BITS 28

/* How long a run that an earlier driver started is waited for, microseconds. */
#define EDU_IDLE_US 1000000

static unsigned int edu_dma_bits[EDU_PARAMS];
module_param_array(edu_dma_bits, uint, NULL, 0444);
MODULE_PARM_DESC(edu_dma_bits, "Address bits that edu0, edu1, ... can put on the bus, which the device cannot tell (default 28 each)");

/**
 * struct edu - one device
 * @pdev: immutable
 * @regs: BAR 0; immutable
 * @engine: immutable
 * @done: the run in flight has ended
 * @number: in the name, from 0 up; immutable
 * @version: of the scratch buffer that the device holds; under
 *	&dmabuf_engine.transfer
 * @held: how many bytes of it, from its start; under &dmabuf_engine.transfer
 */
struct edu {
	struct pci_dev *pdev;
	void __iomem *regs;
	struct dmabuf_engine *engine;
	struct completion done;
	int number;
	u64 version;
	size_t held;
};

static DEFINE_IDA(edu_numbers);

static irqreturn_t edu_irq(int irq, void *data)
{
	struct edu *edu = data;
	u32 status = readl(edu->regs + EDU_IRQ_STATUS);

	if (!status || status == EDU_GONE)
		return IRQ_NONE;
	writel(status, edu->regs + EDU_IRQ_ACK);
	if (status & EDU_IRQ_DMA)
		complete(&edu->done);
	return IRQ_HANDLED;
}

/*
 * A write of four bytes clears the upper half, so the addresses that a machine
 * without a write of eight can name are those below 4 GiB.
 */
static void edu_write_address(struct edu *edu, u64 address, unsigned int reg)
{
#ifdef writeq
	writeq(address, edu->regs + reg);
#else
	writel(address, edu->regs + reg);
#endif
}

static int edu_run(struct edu *edu, dma_addr_t dst, dma_addr_t src, size_t len, u32 cmd)
{
	struct dmabuf_engine *engine = edu->engine;
	unsigned long left = dmabuf_engine_timeout();

	reinit_completion(&edu->done);
	edu_write_address(edu, src, EDU_DMA_SRC);
	edu_write_address(edu, dst, EDU_DMA_DST);
	writel(len, edu->regs + EDU_DMA_COUNT);
	writel(cmd | EDU_DMA_RUN | EDU_DMA_RAISE_IRQ, edu->regs + EDU_DMA_CMD);
	engine->runs++;

	/* The register has the last word: an interrupt can be a late one, or lost. */
	do {
		left = wait_for_completion_timeout(&edu->done, left);
		cmd = readl(edu->regs + EDU_DMA_CMD);
	} while (left && cmd != EDU_GONE && (cmd & EDU_DMA_RUN));

	if (cmd == EDU_GONE) {
		engine->broken = true;
		return -ENODEV;
	}
	if (cmd & EDU_DMA_RUN) {
		/* It cannot be called off, but without bus mastering it reaches nothing. */
		pci_clear_master(edu->pdev);
		engine->broken = true;
		dev_err(&edu->pdev->dev, "%s: not finished in time, cut off until bound again\n",
			engine->name);
		return -ETIMEDOUT;
	}
	if (!left)
		dev_warn_ratelimited(&edu->pdev->dev, "%s: finished without an interrupt\n",
				     engine->name);
	return 0;
}

static int edu_load(struct edu *edu, dma_addr_t src, size_t len)
{
	edu->held = 0;
	return edu_run(edu, EDU_BUFFER, src, len, 0);
}

static int edu_copy(struct dmabuf_engine *engine, dma_addr_t dst, dma_addr_t src, size_t len)
{
	struct edu *edu = engine->priv;
	size_t offset = 0;
	int ret;

	if (engine->scratch_bytes) {
		/* From the scratch buffer: load all of it, once. */
		offset = src - engine->scratch_dma;
		if (edu->version != engine->scratch_version || !edu->held) {
			ret = edu_load(edu, engine->scratch_dma, engine->scratch_bytes);
			if (ret)
				return ret;
			edu->version = engine->scratch_version;
			edu->held = engine->scratch_bytes;
		}
	} else {
		ret = edu_load(edu, src, len);
		if (ret)
			return ret;
	}
	return edu_run(edu, dst, EDU_BUFFER + offset, len, EDU_DMA_TO_MEMORY);
}

static const struct dmabuf_engine_ops edu_ops = {
	.copy = edu_copy,
};

static unsigned int edu_bits(struct edu *edu)
{
	unsigned int bits = 0;

	if (edu->number < EDU_PARAMS)
		bits = edu_dma_bits[edu->number];
	if (!bits)
		bits = EDU_DEFAULT_BITS;
#ifndef writeq
	bits = min(bits, 32U);
#endif
	return bits;
}

static int edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct device *dev = &pdev->dev;
	struct edu *edu;
	char name[16];
	unsigned int bits;
	int ret;
	u32 val;

	edu = kzalloc(sizeof(*edu), GFP_KERNEL);
	if (!edu)
		return -ENOMEM;
	edu->pdev = pdev;
	init_completion(&edu->done);

	/* The lowest free number: a device that is bound again gets its old one. */
	edu->number = ida_alloc(&edu_numbers, GFP_KERNEL);
	if (edu->number < 0) {
		ret = edu->number;
		goto err_free;
	}
	snprintf(name, sizeof(name), "edu%d", edu->number);

	ret = pci_enable_device(pdev);
	if (ret)
		goto err_number;
	ret = pci_request_regions(pdev, KBUILD_MODNAME);
	if (ret)
		goto err_disable;
	edu->regs = pci_iomap(pdev, 0, 0);
	if (!edu->regs) {
		ret = -ENOMEM;
		goto err_regions;
	}

	val = readl(edu->regs + EDU_ID);
	if ((val & EDU_ID_MASK) != EDU_ID_VALUE) {
		ret = dev_err_probe(dev, -ENODEV, "identification %#x is not an edu's\n", val);
		goto err_unmap;
	}
	/* A run left behind must not end in memory that is somebody else's by now. */
	ret = readl_poll_timeout(edu->regs + EDU_DMA_CMD, val, !(val & EDU_DMA_RUN), 10000,
				 EDU_IDLE_US);
	if (ret) {
		dev_err(dev, "%s: busy with a run that nobody waits for\n", name);
		goto err_unmap;
	}

	bits = edu_bits(edu);
	if (bits > 64) {
		ret = dev_err_probe(dev, -EINVAL, "%s: edu_dma_bits is %u, over 64\n", name, bits);
		goto err_unmap;
	}
	ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(bits));
	if (ret) {
		dev_err(dev, "%s: no DMA with %u address bits here, see edu_dma_bits\n",
			name, bits);
		goto err_unmap;
	}
	dma_set_max_seg_size(dev, UINT_MAX);
	pci_set_master(pdev);

	ret = pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_ALL_TYPES);
	if (ret < 0)
		goto err_master;
	/* What is left over from an earlier run. */
	writel(readl(edu->regs + EDU_IRQ_STATUS), edu->regs + EDU_IRQ_ACK);
	ret = pci_request_irq(pdev, 0, edu_irq, NULL, edu, "%s", KBUILD_MODNAME);
	if (ret)
		goto err_vectors;

	edu->engine = dmabuf_engine_create(dev, DMABUF_IMPORTER_EDU, name, EDU_MAX_TRANSFER,
					   &edu_ops, edu);
	if (IS_ERR(edu->engine)) {
		ret = PTR_ERR(edu->engine);
		dev_err(dev, "%s: no memory within %u address bits, see edu_dma_bits\n",
			name, bits);
		goto err_irq;
	}

	pci_set_drvdata(pdev, edu);
	dev_info(dev, "%s: %u address bits, %u bytes at once\n", name, bits,
		 edu->engine->max_transfer);
	dmabuf_engine_add(edu->engine);
	return 0;

err_irq:
	pci_free_irq(pdev, 0, edu);
err_vectors:
	pci_free_irq_vectors(pdev);
err_master:
	pci_clear_master(pdev);
err_unmap:
	pci_iounmap(pdev, edu->regs);
err_regions:
	pci_release_regions(pdev);
err_disable:
	pci_disable_device(pdev);
err_number:
	ida_free(&edu_numbers, edu->number);
err_free:
	kfree(edu);
	return ret;
}

/* Files may be open, buffers mapped, and a transfer under way. */
static void edu_remove(struct pci_dev *pdev)
{
	struct edu *edu = pci_get_drvdata(pdev);

	dmabuf_engine_remove(edu->engine);
	pci_free_irq(pdev, 0, edu);
	pci_free_irq_vectors(pdev);
	pci_clear_master(pdev);
	pci_iounmap(pdev, edu->regs);
	pci_release_regions(pdev);
	pci_disable_device(pdev);
	ida_free(&edu_numbers, edu->number);
	kfree(edu);
}

static const struct pci_device_id edu_ids[] = {
	{ PCI_DEVICE(EDU_VENDOR, EDU_DEVICE) },
	{ }
};
MODULE_DEVICE_TABLE(pci, edu_ids);

static struct pci_driver edu_driver = {
	.name = "dmabuf-importer-edu",
	.id_table = edu_ids,
	.probe = edu_probe,
	.remove = edu_remove,
};

/**
 * dmabuf_engine_edu_init - take the edu devices that there are and that will come
 *
 * The inverse is dmabuf_engine_edu_exit().
 *
 * Context: process context, module init.
 * Return: 0, or what pci_register_driver() returns.
 */
int dmabuf_engine_edu_init(void)
{
	return pci_register_driver(&edu_driver);
}

/**
 * dmabuf_engine_edu_exit - give all edu devices back
 *
 * Context: process context, module exit.
 */
void dmabuf_engine_edu_exit(void)
{
	pci_unregister_driver(&edu_driver);
}
