// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where buffers lie and why: for exporters, debugfs and fdinfo.
 */
#include <linux/bitops.h>
#include <linux/device.h>
#include <linux/seq_file.h>
#include <linux/string.h>

#include "internal.h"

/* Who waits to move the buffer, or NULL: then nobody drains it. */
static struct dmabuf_turn *dmabuf_placement_next_locked(struct dmabuf_placement *p)
{
	struct dmabuf_turn *next = list_first_entry_or_null(&p->turns, struct dmabuf_turn, node);

	return next && next->exclusive ? next : NULL;
}

static enum dmabuf_placement_state dmabuf_placement_state_locked(struct dmabuf_placement *p)
{
	if (p->exclusive)
		return DMABUF_PLACEMENT_MOVING;
	if (!p->storage)
		return DMABUF_PLACEMENT_EMPTY;
	if (dmabuf_placement_next_locked(p))
		return DMABUF_PLACEMENT_DRAINING;
	return p->readers || p->writers ? DMABUF_PLACEMENT_MAPPED : DMABUF_PLACEMENT_BACKED;
}

static void dmabuf_placement_info_locked(struct dmabuf_placement *p,
					 struct dmabuf_placement_info *info)
{
	const struct dmabuf_turn *next = dmabuf_placement_next_locked(p);

	*info = p->info;
	info->state = dmabuf_placement_state_locked(p);
	info->policy = p->policy;
	info->readers = p->readers;
	info->writers = p->writers;
	info->waiting = p->waiting;
	if (p->storage) {
		info->kind = p->storage->kind;
		info->bits = fls64(p->storage->last);
		info->chunks = p->storage->chunks;
	}
	if (info->state == DMABUF_PLACEMENT_DRAINING) {
		/* Only a device needs other storage: it has an attachment. */
		strscpy(info->next.device, dev_name(next->attachment->dev),
			sizeof(info->next.device));
		info->next.miss = next->miss;
	}
}

/**
 * dmabuf_placement_query - ask where a buffer lies, and what happened to it
 * @dmabuf: the buffer, with a reference of the caller's
 * @info: filled in; a snapshot
 *
 * Context: process context; takes &dmabuf.lock.
 * Return: 0, or -EINVAL: the exporter is not on the placement layer.
 */
int dmabuf_placement_query(struct dmabuf *dmabuf, struct dmabuf_placement_info *info)
{
	if (!dmabuf->placement)
		return -EINVAL;
	spin_lock(&dmabuf->lock);
	dmabuf_placement_info_locked(dmabuf->placement, info);
	spin_unlock(&dmabuf->lock);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(dmabuf_placement_query, DMABUF_NS);

static const char *const dmabuf_placement_states[] = {
	[DMABUF_PLACEMENT_EMPTY] = "empty",
	[DMABUF_PLACEMENT_BACKED] = "backed",
	[DMABUF_PLACEMENT_MAPPED] = "mapped",
	[DMABUF_PLACEMENT_DRAINING] = "draining",
	[DMABUF_PLACEMENT_MOVING] = "moving",
};

static void dmabuf_miss_show(struct seq_file *seq, const struct dmabuf_miss *miss)
{
	if (miss->which != DMABUF_CONSTRAINT_NONE)
		seq_printf(seq, ", %s: allows 0x%llx, had 0x%llx",
			   dmabuf_constraint_name(miss->which), miss->allowed, miss->actual);
}

void dmabuf_placement_show_locked(struct seq_file *seq, struct dmabuf *dmabuf)
{
	const struct dmabuf_placement_move *move = &dmabuf->placement->info.move;
	const struct dmabuf_placement_reason *refusal = &dmabuf->placement->info.refusal;
	struct dmabuf_placement_info info;

	lockdep_assert_held(&dmabuf->lock);
	dmabuf_placement_info_locked(dmabuf->placement, &info);
	seq_printf(seq, "  placement: %s", dmabuf_placement_states[info.state]);
	if (info.kind)
		seq_printf(seq, ", %s, %u bits, %u chunks", info.kind, info.bits, info.chunks);
	seq_printf(seq, ", %u readers, %u writers, %u waiting%s%s%s\n",
		   info.readers, info.writers, info.waiting,
		   info.policy & DMABUF_PLACEMENT_FIXED ? ", fixed" : "",
		   info.policy & DMABUF_PLACEMENT_NO_LATE_ATTACH ? ", no late attach" : "",
		   info.policy & DMABUF_PLACEMENT_ONE_WRITER ? ", one writer" : "");
	if (info.state == DMABUF_PLACEMENT_DRAINING) {
		seq_printf(seq, "  draining for: %s", info.next.device);
		dmabuf_miss_show(seq, &info.next.miss);
		seq_putc(seq, '\n');
	}
	seq_printf(seq, "  counters: %llu allocs, %llu moves, %llu failures, %llu stalls, %llu bytes moved, %llu ns drained\n",
		   info.allocs, info.moves, info.failures, info.stalls, info.moved_bytes,
		   info.drain_ns);
	if (move->attachment) {
		seq_printf(seq, "  last move: for attachment %u of %s", move->attachment,
			   move->device);
		dmabuf_miss_show(seq, &move->miss);
		seq_printf(seq, ", %llu bytes from %s (%u bits, %u chunks) to %s (%u bits, %u chunks), drained %llu ns\n",
			   move->bytes, move->from, move->from_bits, move->from_chunks, move->to,
			   move->to_bits, move->to_chunks, move->drain_ns);
	}
	if (refusal->error) {
		seq_printf(seq, "  last refusal: of %s, error %d", refusal->device,
			   refusal->error);
		dmabuf_miss_show(seq, &refusal->miss);
		seq_putc(seq, '\n');
	}
}
