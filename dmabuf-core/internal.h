/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of dmabuf-core share.
 *
 * Lock order, outermost first.  Only the first is held while anything sleeps, or
 * across an op of an exporter.  Only the last is shared by several buffers:
 *
 *	dmabuf_placement.in_place	sleeps; see below
 *	  dmabuf.lock			list of attachments, placement
 *	    dmabuf_attachment.lock	list of outstanding mappings
 *	bucket of the live table	bit lock, insert and remove only
 *
 * dmabuf_placement.in_place is held for writing while a buffer
 * moves, so also across the exporter's zap and move, and for reading by whoever
 * needs the storage to stay for a moment, such as a page fault, which has
 * mmap_lock.  A turn at a buffer (turn.c) is no lock, but what it waits for is
 * written there.
 *
 * Readers of the live table (debugfs) hold no bucket lock: they are in an RCU
 * read section, and take the locks of one buffer at a time.
 *
 * Who owns what:
 *
 *	file		counted by its fds, its kernel users and each attachment
 *	struct dmabuf	by its file, from dmabuf_export() to the file's release,
 *			then by RCU until no reader of the live table sees it
 *	exporter module	held by each struct dmabuf until its release op returned
 *	this module	held by each file (fops->owner)
 *	attachment	by its importer, from dmabuf_attach() to dmabuf_detach()
 *	device		held by each attachment
 *	mapping record	by its attachment, from map to unmap
 *	storage		by its buffer's placement, from alloc to free; used by who
 *			has a turn (each mapping has one) or holds in_place
 */
#ifndef _DMABUF_CORE_INTERNAL_H
#define _DMABUF_CORE_INTERNAL_H

#include <linux/completion.h>
#include <linux/instruction_pointer.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/rwsem.h>
#include <linux/wait.h>

#include <dmabuf-core/dmabuf.h>
#include <dmabuf-core/placement.h>

#include "compat.h"

struct seq_file;

#undef pr_fmt
#define pr_fmt(fmt) "dmabuf-core: " fmt

/* A driver broke the rules of @call: say which, to the person who wrote it. */
#define dmabuf_refuse(call, ip, fmt, ...) \
	pr_warn_ratelimited("%ps() called by %pS: " fmt "\n", call, (void *)(ip), ##__VA_ARGS__)

static inline const char *dmabuf_exporter_name(const struct dmabuf *dmabuf)
{
	return module_name(dmabuf->ops->owner);
}

/**
 * struct dmabuf_placement - what the placement layer knows of a buffer
 * @storage: NULL until it is first needed; changed with an exclusive turn, under
 *	&dmabuf.lock; read under that, or with a turn, or with @in_place held
 * @in_place: held for reading: @storage stays where it is
 * @settled: woken when an exclusive turn ends
 * @number: of @storage: 1 for the first, and so on; 0 without
 * @policy: DMABUF_PLACEMENT_FIXED and so on
 * @readers: turns of mappings DMA_TO_DEVICE, outstanding or being made
 * @writers: those of others
 * @waiting: length of @turns
 * @turns: of &dmabuf_turn.node: who waits, in the order of their turns
 * @exclusive: a turn is, to take storage or to move the buffer
 * @mapped: it has been mapped; set once
 * @info: counters, the last move, the last refusal; the other members are unused
 *
 * All but @in_place and @settled are guarded by &dmabuf.lock.  @policy does not
 * change once a device is attached or there is storage, and is then read without.
 */
struct dmabuf_placement {
	struct dmabuf_storage *storage;
	struct rw_semaphore in_place;
	wait_queue_head_t settled;
	u32 number;
	u32 policy;
	u32 readers;
	u32 writers;
	u32 waiting;
	struct list_head turns;
	bool exclusive;
	bool mapped;
	struct dmabuf_placement_info info;
};

/**
 * struct dmabuf_turn - a caller's turn at a buffer on the placement layer
 * @node: in &dmabuf_placement.turns while it waits; under &dmabuf.lock
 * @granted: completed when it no longer does
 * @attachment: whose
 * @direction: of the mapping
 * @exclusive: wanted, or had, without any other; while it waits under &dmabuf.lock
 * @miss: why the storage does not serve @attachment, if it is to be moved
 * @stalled: it has waited
 * @error: why it was taken off the queue without being granted, or 0
 */
struct dmabuf_turn {
	struct list_head node;
	struct completion granted;
	struct dmabuf_attachment *attachment;
	enum dma_data_direction direction;
	struct dmabuf_miss miss;
	bool exclusive;
	bool stalled;
	int error;
};

/* export.c */
extern const struct file_operations dmabuf_fops;
int dmabuf_export_init(void);
void dmabuf_export_exit(void);

/* attach.c */
int dmabuf_attach_init(void);
void dmabuf_attach_exit(void);
void dmabuf_detach_all(struct dmabuf *dmabuf);

/* map.c */
u32 dmabuf_unmap_all(struct dmabuf_attachment *attachment);

/* constraints.c */
bool dmabuf_constraints_cover(const struct dmabuf_constraints *strict,
			      const struct dmabuf_constraints *needs, struct dmabuf_miss *miss);
u32 dmabuf_constraints_collate_locked(struct dmabuf *dmabuf,
				      struct dmabuf_constraints *constraints);

/* placement.c */
int dmabuf_placement_create(struct dmabuf *dmabuf) __must_check;
void dmabuf_placement_release(struct dmabuf *dmabuf);
int dmabuf_placement_admit(struct dmabuf_attachment *attachment, u32 *seen) __must_check;
bool dmabuf_placement_admitted_locked(struct dmabuf *dmabuf, u32 seen);
struct sg_table *dmabuf_placement_map(struct dmabuf_attachment *attachment,
				      enum dma_data_direction direction,
				      long timeout) __must_check;
void dmabuf_placement_unmap(struct dmabuf_attachment *attachment, struct sg_table *sgt,
			    enum dma_data_direction direction);

/* placement-show.c */
void dmabuf_placement_show_locked(struct seq_file *seq, struct dmabuf *dmabuf);

/* turn.c */
int dmabuf_turn_begin(struct dmabuf_turn *turn, long *timeout) __must_check;
int dmabuf_turn_drain(struct dmabuf_turn *turn, long *timeout) __must_check;
void dmabuf_turn_share(struct dmabuf_turn *turn);
void dmabuf_turn_end(struct dmabuf *dmabuf, enum dma_data_direction direction);
void dmabuf_turns_stop(struct dmabuf_attachment *attachment);
int dmabuf_turn_exclusive(struct dmabuf *dmabuf) __must_check;
void dmabuf_turn_cancel(struct dmabuf *dmabuf);

/* live.c */
void dmabuf_live_add(struct dmabuf *dmabuf);
void dmabuf_live_del(struct dmabuf *dmabuf);
void dmabuf_live_init(void);
void dmabuf_live_exit(void);
void dmabuf_show_fdinfo(struct seq_file *seq, struct file *file);

#endif /* _DMABUF_CORE_INTERNAL_H */
