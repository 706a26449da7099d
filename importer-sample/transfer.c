// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fill, copy in, copy out and checksum, made of copies between the buffer and
 * the engine's scratch buffer.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/crc32.h>
#include <linux/dma-mapping.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/scatterlist.h>
#include <linux/sched/signal.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include <dmabuf-core/placement.h>

#include "engine.h"

/**
 * struct cursor - a place in a scatterlist
 * @sg: the segment; NULL before the start
 * @left: segments from @sg on
 * @offset: bytes into @sg; can be its length or more
 */
struct cursor {
	struct scatterlist *sg;
	unsigned int left;
	u64 offset;
};

/* The op that gave the scatterlist, for the log. */
static void *map_op(const struct dmabuf_engine_mapping *mapping)
{
	const struct dmabuf_ops *ops = mapping->attachment->dmabuf->ops;

	return ops->placement ? (void *)ops->placement->map : (void *)ops->map_dma_buf;
}

/*
 * The bytes at the cursor that lie in one segment, @max at most.  A scatterlist
 * that ends before the buffer does is the exporter's fault, and so is an address
 * that the device cannot put on its bus.
 */
static int cursor_piece(struct cursor *cursor, struct dmabuf_engine_mapping *mapping,
			size_t max, dma_addr_t *address, size_t *len)
{
	struct dmabuf_engine *engine = mapping->attachment->engine;
	u64 last;

	if (!cursor->sg) {
		cursor->sg = mapping->sgt->sgl;
		cursor->left = mapping->sgt->nents;
	}
	while (cursor->left && cursor->offset >= sg_dma_len(cursor->sg)) {
		cursor->offset -= sg_dma_len(cursor->sg);
		cursor->sg = sg_next(cursor->sg);
		cursor->left--;
	}
	if (!cursor->left) {
		pr_warn_ratelimited("%s: scatterlist of %pS is shorter than the buffer\n",
				    engine->name, map_op(mapping));
		return -EIO;
	}

	*address = sg_dma_address(cursor->sg) + cursor->offset;
	*len = min_t(u64, max, sg_dma_len(cursor->sg) - cursor->offset);

	last = (u64)*address + *len - 1;
	if (last < *address || last > dma_get_mask(engine->dev)) {
		pr_warn_ratelimited("%s: %pS gave an address beyond the device's DMA mask\n",
				    engine->name, map_op(mapping));
		return -EIO;
	}
	return 0;
}

/* The content of the scratch buffer has changed: @bytes of the CPU, or 0. */
static void scratch_changed(struct dmabuf_engine *engine, size_t bytes)
{
	engine->pattern_valid = false;
	engine->scratch_bytes = bytes;
	engine->scratch_version++;
}

static void scratch_fill(struct dmabuf_engine *engine, u64 pattern)
{
	if (engine->pattern_valid && engine->pattern == pattern)
		return;

	memset64(engine->scratch, (__force u64)cpu_to_le64(pattern),
		 engine->max_transfer / sizeof(u64));
	scratch_changed(engine, engine->max_transfer);
	engine->pattern = pattern;
	engine->pattern_valid = true;
}

/*
 * Move @block bytes, a scratch buffer full at most.  @done: how many were moved,
 * also on error.  @bounce: the user's side of it, where there is one.
 */
static int transfer_block(struct dmabuf_engine_mapping *mapping,
			  struct dmabuf_engine_transfer *transfer, struct cursor *cursor,
			  void *bounce, size_t block, size_t *done)
{
	struct dmabuf_engine *engine = mapping->attachment->engine;
	bool write = false;
	u64 runs;
	int ret;

	*done = 0;
	if (mutex_lock_interruptible(&engine->transfer))
		return -EINTR;

	runs = engine->runs;
	if (engine->gone || engine->broken) {
		ret = engine->gone ? -ENODEV : -EIO;
		goto out_unlock;
	}

	switch (transfer->op) {
	case DMABUF_IMPORTER_FILL:
		/* A block starts at a multiple of 8 from the first byte. */
		scratch_fill(engine, transfer->pattern);
		write = true;
		break;
	case DMABUF_IMPORTER_COPY_IN:
		memcpy(engine->scratch, bounce, block);
		scratch_changed(engine, block);
		write = true;
		break;
	case DMABUF_IMPORTER_COPY_OUT:
	case DMABUF_IMPORTER_CHECKSUM:
		scratch_changed(engine, 0);
		break;
	}

	do {
		dma_addr_t scratch = engine->scratch_dma + *done;
		dma_addr_t target;
		size_t len;

		ret = cursor_piece(cursor, mapping, block - *done, &target, &len);
		if (!ret && !IS_ALIGNED(target | len, engine->align))
			ret = -EIO;
		if (ret)
			break;
		if (write)
			ret = engine->ops->copy(engine, target, scratch, len);
		else
			ret = engine->ops->copy(engine, scratch, target, len);
		if (ret)
			break;
		cursor->offset += len;
		*done += len;
		if (*done < block && signal_pending(current))
			ret = -EINTR;
	} while (!ret && *done < block);

	if (transfer->op == DMABUF_IMPORTER_COPY_OUT)
		memcpy(bounce, engine->scratch, *done);
	else if (transfer->op == DMABUF_IMPORTER_CHECKSUM)
		transfer->checksum = ~crc32_le(~transfer->checksum, engine->scratch, *done);

out_unlock:
	transfer->runs += engine->runs - runs;
	mutex_unlock(&engine->transfer);
	return ret;
}

/**
 * dmabuf_engine_transfer - run the engine over a range of a mapped buffer
 * @mapping: its &dmabuf_engine_mapping.users counts this transfer, its
 *	direction allows it
 * @transfer: what to do; what was done is filled in, also on error
 *
 * The engine is taken for one scratch buffer at a time, so that several
 * transfers share it, and never while user memory is accessed.
 *
 * Context: process context, no lock held, may fault; takes
 * &dmabuf_engine.transfer and &dmabuf_engine.lock.
 * Return: 0, or, when the device has stopped:
 * * -EFAULT: the user's memory
 * * -EINVAL: the range is not aligned as the engine needs it
 * * -EINTR: a signal came
 * * -EIO: the device reported an error, or is out of order since an earlier
 *   one, or the exporter's scatterlist is wrong
 * * -ENODEV: the device has gone
 * * -ENOMEM: no memory
 * * -ETIMEDOUT: the device did not finish
 */
int dmabuf_engine_transfer(struct dmabuf_engine_mapping *mapping,
			   struct dmabuf_engine_transfer *transfer)
{
	struct dmabuf_engine *engine = mapping->attachment->engine;
	struct cursor cursor = { .offset = transfer->offset };
	void *bounce = NULL;
	bool gone;
	int ret = 0;

	transfer->moved = 0;
	transfer->runs = 0;
	transfer->checksum = 0;

	if (!IS_ALIGNED(transfer->offset | transfer->bytes, engine->align))
		return -EINVAL;

	mutex_lock(&engine->lock);
	gone = engine->gone;
	mutex_unlock(&engine->lock);
	if (gone)
		return -ENODEV;
	if (!transfer->bytes)
		return 0;

	if (transfer->op == DMABUF_IMPORTER_COPY_IN || transfer->op == DMABUF_IMPORTER_COPY_OUT) {
		bounce = kvmalloc(min_t(u64, transfer->bytes, engine->max_transfer),
				  GFP_KERNEL_ACCOUNT);
		if (!bounce)
			return -ENOMEM;
	}

	while (!ret && transfer->moved < transfer->bytes) {
		size_t block = min_t(u64, transfer->bytes - transfer->moved, engine->max_transfer);
		size_t done;

		if (signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		if (transfer->op == DMABUF_IMPORTER_COPY_IN &&
		    copy_from_user(bounce, transfer->user + transfer->moved, block)) {
			ret = -EFAULT;
			break;
		}
		ret = transfer_block(mapping, transfer, &cursor, bounce, block, &done);
		if (transfer->op == DMABUF_IMPORTER_COPY_OUT && done &&
		    copy_to_user(transfer->user + transfer->moved, bounce, done) && !ret)
			ret = -EFAULT;
		transfer->moved += done;
		cond_resched();
	}

	kvfree(bounce);
	return ret;
}
