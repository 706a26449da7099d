// SPDX-License-Identifier: GPL-2.0-only
/*
 * Engines that are channels of a DMA controller, through the dmaengine API: any
 * channel that copies memory.
 *
 * A channel is taken when the module is loaded or the device node is opened,
 * whichever comes first after the controller's driver, and kept until the module
 * is unloaded.  It keeps the controller's driver module from being unloaded.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/dma-mapping.h>
#include <linux/dmaengine.h>
#include <linux/err.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../dmabuf-core/compat.h"
#include "engine.h"

static unsigned int dmaengine_channels = 1;
module_param(dmaengine_channels, uint, 0444);
MODULE_PARM_DESC(dmaengine_channels, "Channels of DMA controllers to take (default 1, 0: none)");

static char *dmaengine_name;
module_param(dmaengine_name, charp, 0444);
MODULE_PARM_DESC(dmaengine_name, "Take only channels whose name starts so, as \"dma0\" (default: any)");

static unsigned int dmaengine_align = 1;
module_param(dmaengine_align, uint, 0444);
MODULE_PARM_DESC(dmaengine_align, "What offset and length of a transfer must be multiples of where the controller's driver does not say so, bytes, a power of two (default 1; QEMU's bcm2835: 4)");

/**
 * struct channel - one channel taken
 * @node: in the list of channels, under its lock
 * @chan: immutable
 * @engine: immutable
 * @done: the transfer in flight has ended
 * @result: how; valid after @done
 */
struct channel {
	struct list_head node;
	struct dma_chan *chan;
	struct dmabuf_engine *engine;
	struct completion done;
	enum dmaengine_tx_result result;
};

/* Guards the list and the number of channels in it. */
static DEFINE_MUTEX(channels_lock);
static LIST_HEAD(channels);
static unsigned int nr_channels;

static void channel_done(void *param, const struct dmaengine_result *result)
{
	struct channel *channel = param;

	channel->result = result->result;
	complete(&channel->done);
}

static int channel_copy(struct dmabuf_engine *engine, dma_addr_t dst, dma_addr_t src, size_t len)
{
	struct channel *channel = engine->priv;
	struct dma_async_tx_descriptor *tx;
	unsigned long left = dmabuf_engine_timeout();
	dma_cookie_t cookie;

	tx = dmaengine_prep_dma_memcpy(channel->chan, dst, src, len,
				       DMA_PREP_INTERRUPT | DMA_CTRL_ACK);
	if (!tx)
		return -ENOMEM;

	reinit_completion(&channel->done);
	tx->callback_result = channel_done;
	tx->callback_param = channel;
	cookie = dmaengine_submit(tx);
	if (dma_submit_error(cookie))
		return -EIO;
	engine->runs++;
	dma_async_issue_pending(channel->chan);

	/* The cookie has the last word: a callback can be the late one of a run before. */
	do {
		left = wait_for_completion_timeout(&channel->done, left);
	} while (left && dma_async_is_tx_complete(channel->chan, cookie, NULL, NULL) ==
			 DMA_IN_PROGRESS);

	if (!left) {
		/* Channels that cannot be stopped were not taken. */
		if (dmaengine_terminate_sync(channel->chan)) {
			engine->broken = true;
			pr_err("%s: not finished in time, and cannot be stopped\n", engine->name);
		} else {
			pr_err("%s: not finished in time, stopped\n", engine->name);
		}
		return -ETIMEDOUT;
	}
	return channel->result == DMA_TRANS_NOERROR ? 0 : -EIO;
}

static const struct dmabuf_engine_ops channel_ops = {
	.copy = channel_copy,
};

/* A transfer must have an end, also where the device does not come to it. */
static bool channel_usable(struct dma_chan *chan, void *param)
{
	if (dmaengine_name && !strstarts(dma_chan_name(chan), dmaengine_name))
		return false;
	return chan->device->device_terminate_all;
}

static struct channel *channel_take(void)
{
	struct channel *channel;
	struct device *dev;
	dma_cap_mask_t mask;
	u32 align, max;
	int ret;

	if (!is_power_of_2(dmaengine_align) || dmaengine_align > PAGE_SIZE)
		return ERR_PTR(-EINVAL);

	channel = kzalloc(sizeof(*channel), GFP_KERNEL);
	if (!channel)
		return ERR_PTR(-ENOMEM);
	init_completion(&channel->done);

	dma_cap_zero(mask);
	dma_cap_set(DMA_MEMCPY, mask);
	channel->chan = dma_request_channel(mask, channel_usable, NULL);
	if (!channel->chan) {
		ret = -ENODEV;
		goto err_free;
	}

	dev = dmaengine_get_dma_device(channel->chan);
	align = max(1U << channel->chan->device->copy_align, dmaengine_align);
	max = min(dma_get_max_seg_size(dev), DMABUF_ENGINE_SCRATCH_MAX);
	channel->engine = dmabuf_engine_create(dev, DMABUF_IMPORTER_DMAENGINE,
					       dma_chan_name(channel->chan),
					       round_down(max, align), &channel_ops, channel);
	if (IS_ERR(channel->engine)) {
		ret = PTR_ERR(channel->engine);
		goto err_release;
	}
	channel->engine->align = align;
	return channel;

err_release:
	dma_release_channel(channel->chan);
err_free:
	kfree(channel);
	return ERR_PTR(ret);
}

/**
 * dmabuf_engine_dmaengine_scan - take as many channels as are wanted
 *
 * Finding none, or fewer, is no error.  The inverse for all of them is
 * dmabuf_engine_dmaengine_exit().
 *
 * Context: process context, sleeps; takes the lock of the list of channels.
 */
void dmabuf_engine_dmaengine_scan(void)
{
	struct channel *channel;

	mutex_lock(&channels_lock);
	while (nr_channels < dmaengine_channels) {
		channel = channel_take();
		if (IS_ERR(channel)) {
			if (PTR_ERR(channel) != -ENODEV)
				pr_warn_ratelimited("cannot use a DMA channel: %pe\n", channel);
			break;
		}
		list_add_tail(&channel->node, &channels);
		nr_channels++;
		pr_info("%s: channel of %s, %u bytes at once\n", channel->engine->name,
			channel->engine->device, channel->engine->max_transfer);
		dmabuf_engine_add(channel->engine);
	}
	mutex_unlock(&channels_lock);
}

/**
 * dmabuf_engine_dmaengine_exit - give all channels back
 *
 * Context: process context, module exit: nobody has the device node open.
 */
void dmabuf_engine_dmaengine_exit(void)
{
	struct channel *channel, *next;

	list_for_each_entry_safe(channel, next, &channels, node) {
		dmabuf_engine_remove(channel->engine);
		dma_release_channel(channel->chan);
		kfree(channel);
	}
}
