// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of live buffers, and what debugfs and fdinfo show of them.
 */
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/rculist_bl.h>
#include <linux/scatterlist.h>
#include <linux/seq_file.h>

#include "internal.h"

/*
 * Each bucket has a lock of its own, one bit of its head, held for an insert or
 * a remove.  Readers take none, so that looking never stops an export.
 */
#define DMABUF_LIVE_BITS 10

static struct hlist_bl_head dmabuf_live[1 << DMABUF_LIVE_BITS];
static struct dentry *dmabuf_debugfs;

static struct hlist_bl_head *dmabuf_live_bucket(const struct dmabuf *dmabuf)
{
	return &dmabuf_live[hash_64(dmabuf->id, DMABUF_LIVE_BITS)];
}

void dmabuf_live_add(struct dmabuf *dmabuf)
{
	struct hlist_bl_head *bucket = dmabuf_live_bucket(dmabuf);

	hlist_bl_lock(bucket);
	hlist_bl_add_head_rcu(&dmabuf->live_node, bucket);
	hlist_bl_unlock(bucket);
}

void dmabuf_live_del(struct dmabuf *dmabuf)
{
	struct hlist_bl_head *bucket = dmabuf_live_bucket(dmabuf);

	hlist_bl_lock(bucket);
	hlist_bl_del_rcu(&dmabuf->live_node);
	hlist_bl_unlock(bucket);
}

static const char *dmabuf_direction_name(enum dma_data_direction direction)
{
	switch (direction) {
	case DMA_TO_DEVICE:
		return "to device";
	case DMA_FROM_DEVICE:
		return "from device";
	default:
		return "bidirectional";
	}
}

static u32 dmabuf_count_mappings_locked(struct dmabuf *dmabuf)
{
	struct dmabuf_attachment *attachment;
	struct dmabuf_mapping *mapping;
	u32 n = 0;

	lockdep_assert_held(&dmabuf->lock);
	list_for_each_entry(attachment, &dmabuf->attachments, node) {
		spin_lock(&attachment->lock);
		n += !!dmabuf_first_sgt(READ_ONCE(attachment->first));
		for (mapping = attachment->mappings; mapping; mapping = mapping->next)
			n++;
		spin_unlock(&attachment->lock);
	}
	return n;
}

static void dmabuf_show_mapping(struct seq_file *seq, enum dma_data_direction direction,
				u32 segments)
{
	seq_printf(seq, "    mapping: %s, %u segments\n", dmabuf_direction_name(direction),
		   segments);
}

/* A mapping on the list is mapped: its sgt may be looked at. */
static void dmabuf_show_attachments_locked(struct seq_file *seq, struct dmabuf *dmabuf)
{
	struct dmabuf_attachment *attachment;
	struct dmabuf_mapping *mapping;
	unsigned long first;

	lockdep_assert_held(&dmabuf->lock);
	list_for_each_entry(attachment, &dmabuf->attachments, node) {
		const struct dmabuf_constraints *c = &attachment->constraints;

		seq_printf(seq,
			   "  attachment %u: %s, dma_mask 0x%llx, seg_boundary 0x%llx, max_seg_size 0x%llx, max_segs %u, align %u%s\n",
			   attachment->id, dev_name(attachment->dev), c->dma_mask,
			   c->seg_boundary, c->max_seg_size, c->max_segs, c->align,
			   attachment->kernel ? ", kernel importer" : "");
		spin_lock(&attachment->lock);
		for (mapping = attachment->mappings; mapping; mapping = mapping->next)
			dmabuf_show_mapping(seq, mapping->direction, mapping->sgt->nents);
		/* Not under the lock, so it may be gone: nothing but the numbers is looked at. */
		first = READ_ONCE(attachment->first);
		if (dmabuf_first_sgt(first))
			dmabuf_show_mapping(seq, first & DMABUF_FIRST_RESERVED,
					    READ_ONCE(attachment->first_segments));
		spin_unlock(&attachment->lock);
	}
}

void dmabuf_show_fdinfo(struct seq_file *seq, struct file *file)
{
	struct dmabuf *dmabuf = file->private_data;

	/* As of the kernel's dma-bufs; the reference of this look does not count. */
	seq_printf(seq, "size:\t%zu\n", dmabuf_file_size(dmabuf));
	seq_printf(seq, "count:\t%ld\n", file_count(file) - 1);
	seq_printf(seq, "exp_name:\t%s\n", dmabuf_exporter_name(dmabuf));
	spin_lock(&dmabuf->lock);
	if (dmabuf->name)
		seq_printf(seq, "name:\t%s\n", dmabuf->name);
	spin_unlock(&dmabuf->lock);

	seq_printf(seq, "dmabuf_id:\t%llu\n", dmabuf->id);
	seq_printf(seq, "dmabuf_size:\t%zu\n", dmabuf->size);
	seq_printf(seq, "dmabuf_exporter:\t%s\n", dmabuf_exporter_name(dmabuf));
	spin_lock(&dmabuf->lock);
	seq_printf(seq, "dmabuf_attachments:\t%u\n", dmabuf->nr_attachments);
	seq_printf(seq, "dmabuf_mappings:\t%u\n", dmabuf_count_mappings_locked(dmabuf));
	if (dmabuf->placement)
		dmabuf_placement_show_locked(seq, dmabuf);
	dmabuf_show_attachments_locked(seq, dmabuf);
	spin_unlock(&dmabuf->lock);
}

static void dmabuf_show_buffer(struct seq_file *seq, struct dmabuf *dmabuf)
{
	spin_lock(&dmabuf->lock);
	seq_printf(seq, "buffer %llu: %zu bytes, exporter %s, %u attachments, %u mappings, %s\n",
		   dmabuf->id, dmabuf->size, dmabuf_exporter_name(dmabuf),
		   dmabuf->nr_attachments, dmabuf_count_mappings_locked(dmabuf),
		   dmabuf_is_wrapper(dmabuf) ? "wrapped" :
		   dmabuf_kernel(dmabuf) ? "kernel file" : "native file");
	if (dmabuf->placement)
		dmabuf_placement_show_locked(seq, dmabuf);
	dmabuf_show_attachments_locked(seq, dmabuf);
	spin_unlock(&dmabuf->lock);
}

/* One bucket is one record: seq_file enlarges its buffer until it fits. */
static void *buffers_start(struct seq_file *seq, loff_t *pos)
{
	return *pos < ARRAY_SIZE(dmabuf_live) ? &dmabuf_live[*pos] : NULL;
}

static void *buffers_next(struct seq_file *seq, void *v, loff_t *pos)
{
	++*pos;
	return buffers_start(seq, pos);
}

static void buffers_stop(struct seq_file *seq, void *v)
{
}

static int buffers_show(struct seq_file *seq, void *v)
{
	struct hlist_bl_node *node;
	struct dmabuf *dmabuf;

	rcu_read_lock();
	hlist_bl_for_each_entry_rcu(dmabuf, node, (struct hlist_bl_head *)v, live_node)
		dmabuf_show_buffer(seq, dmabuf);
	rcu_read_unlock();
	return 0;
}

static const struct seq_operations buffers_sops = {
	.start = buffers_start,
	.next = buffers_next,
	.stop = buffers_stop,
	.show = buffers_show,
};
DEFINE_SEQ_ATTRIBUTE(buffers);

/* As everywhere with debugfs, a failure to make a file is no error. */
void __init dmabuf_live_init(void)
{
	dmabuf_debugfs = debugfs_create_dir("dmabuf-core", NULL);
	debugfs_create_file("buffers", 0400, dmabuf_debugfs, NULL, &buffers_fops);
}

void dmabuf_live_exit(void)
{
	debugfs_remove(dmabuf_debugfs);
}
