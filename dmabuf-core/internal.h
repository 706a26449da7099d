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
#include <linux/device.h>
#include <linux/err.h>
#include <linux/kconfig.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/rwsem.h>
#include <linux/wait.h>

#include <dmabuf-core/dmabuf.h>
#include <dmabuf-core/placement.h>

#include "compat.h"

struct dma_buf;
struct iosys_map;
struct seq_file;
struct vm_area_struct;

#undef pr_fmt
#define pr_fmt(fmt) "dmabuf-core: " fmt

/* A driver broke the rules of @call: say which, to the person who wrote it. */
#define dmabuf_refuse(call, ip, fmt, ...) \
	pr_warn_ratelimited("%ps() called by %pS: " fmt "\n", call, (void *)(ip), ##__VA_ARGS__)

/*
 * What user space sees of a buffer by its fd: whole pages.  The kernel's importers count
 * on that, some with a BUG_ON().
 */
static inline size_t dmabuf_file_size(const struct dmabuf *dmabuf)
{
	return PAGE_ALIGN(dmabuf->size);
}

/* In &dmabuf_attachment.first, beside 0: somebody is mapping.  Also the mask of a direction. */
#define DMABUF_FIRST_RESERVED 3UL

/* The scatterlist of what was read from &dmabuf_attachment.first, or NULL. */
static inline struct sg_table *dmabuf_first_sgt(unsigned long first)
{
	return (struct sg_table *)(first & ~DMABUF_FIRST_RESERVED);
}

/* The kernel's dma-buf of a buffer, either way, or NULL. */
static inline struct dma_buf *dmabuf_kernel(const struct dmabuf *dmabuf)
{
	return IS_ENABLED(CONFIG_DMA_SHARED_BUFFER) ? dmabuf->kernel : NULL;
}

extern const struct dmabuf_ops dmabuf_wrapper_ops;

/* Does it stand for a dma-buf of another exporter? */
static inline bool dmabuf_is_wrapper(const struct dmabuf *dmabuf)
{
	return IS_ENABLED(CONFIG_DMA_SHARED_BUFFER) && dmabuf->ops == &dmabuf_wrapper_ops;
}

/* Who asks for a turn: a device, or, without an attachment, a vmap. */
static inline const char *dmabuf_asker_name(const struct dmabuf_attachment *attachment)
{
	return attachment ? dev_name(attachment->dev) : "vmap";
}

static inline const char *dmabuf_exporter_name(const struct dmabuf *dmabuf)
{
	return dmabuf_is_wrapper(dmabuf) ? dmabuf->name : module_name(dmabuf->ops->owner);
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
 * @kernel: of both, those of kernel importers
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
	u32 kernel;
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
 * @dmabuf: the buffer
 * @attachment: whose, or NULL: a vmap
 * @direction: of the mapping
 * @kernel: of a kernel importer: it must not wait for another one's mapping
 * @exclusive: wanted, or had, without any other; while it waits under &dmabuf.lock
 * @miss: why the storage does not serve @attachment, if it is to be moved
 * @stalled: it has waited
 * @error: why it was taken off the queue without being granted, or 0
 */
struct dmabuf_turn {
	struct list_head node;
	struct completion granted;
	struct dmabuf *dmabuf;
	struct dmabuf_attachment *attachment;
	enum dma_data_direction direction;
	bool kernel;
	struct dmabuf_miss miss;
	bool exclusive;
	bool stalled;
	int error;
};

/* export.c */
struct dmabuf *dmabuf_create(void *priv, const struct dmabuf_ops *ops, size_t size, int flags,
			     struct dma_buf *wrapped) __must_check;
void dmabuf_file_gone(struct dmabuf *dmabuf);
int dmabuf_export_init(void);
void dmabuf_export_exit(void);

/* file.c */
struct file *dmabuf_file_create(struct dmabuf *dmabuf, int mode) __must_check;
struct dmabuf *dmabuf_file_get(struct file *file);

/* cpu.c */
int dmabuf_mmap_file(struct dmabuf *dmabuf, struct vm_area_struct *vma) __must_check;
int dmabuf_vmap_for(struct dmabuf *dmabuf, struct iosys_map *map, bool kernel) __must_check;
void dmabuf_vunmap_for(struct dmabuf *dmabuf, struct iosys_map *map, bool kernel);

#if IS_ENABLED(CONFIG_DMA_SHARED_BUFFER)

/* kernel-out.c */
struct file *dmabuf_kernel_export(struct dmabuf *dmabuf, int mode) __must_check;
struct dmabuf *dmabuf_kernel_get(struct dma_buf *kernel);
int dmabuf_kernel_wait_idle(struct dmabuf *dmabuf, long timeout) __must_check;
long dmabuf_kernel_timeout(void);
bool dmabuf_kernel_wants_contiguous(struct device *dev);
struct sg_table *dmabuf_kernel_copy(struct sg_table *original) __must_check;
struct sg_table *dmabuf_kernel_free_copy(struct sg_table *sgt);

/* kernel-in.c */
struct dmabuf *dmabuf_kernel_fd_get(int fd) __must_check;
void dmabuf_wrapper_gone(struct dmabuf *dmabuf);
struct file *dmabuf_wrapper_file(struct dmabuf *dmabuf);
char *dmabuf_wrapped_name(struct dma_buf *kernel);
void dmabuf_wrapper_init(void);

#else	/* every file is native, and dmabuf_kernel() is NULL */

static inline struct file *dmabuf_kernel_export(struct dmabuf *dmabuf, int mode)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static inline int dmabuf_kernel_wait_idle(struct dmabuf *dmabuf, long timeout)
{
	return 0;
}

static inline long dmabuf_kernel_timeout(void)
{
	return 0;
}

static inline bool dmabuf_kernel_wants_contiguous(struct device *dev)
{
	return false;
}

static inline struct sg_table *dmabuf_kernel_copy(struct sg_table *original)
{
	return original;
}

static inline struct sg_table *dmabuf_kernel_free_copy(struct sg_table *sgt)
{
	return sgt;
}

static inline struct dmabuf *dmabuf_kernel_fd_get(int fd)
{
	return ERR_PTR(-EINVAL);
}

static inline void dmabuf_wrapper_gone(struct dmabuf *dmabuf)
{
}

static inline struct file *dmabuf_wrapper_file(struct dmabuf *dmabuf)
{
	return NULL;
}

static inline char *dmabuf_wrapped_name(struct dma_buf *kernel)
{
	return NULL;
}

static inline void dmabuf_wrapper_init(void)
{
}

#endif	/* CONFIG_DMA_SHARED_BUFFER */

/* attach.c */
struct dmabuf_attachment *dmabuf_attach_kernel(struct dmabuf *dmabuf,
					       struct device *dev) __must_check;
int dmabuf_attach_init(void);
void dmabuf_attach_exit(void);
void dmabuf_detach_all(struct dmabuf *dmabuf);

/* map.c */
struct sg_table *dmabuf_map_kernel(struct dmabuf_attachment *attachment,
				   enum dma_data_direction direction) __must_check;
void dmabuf_unmap_kernel(struct dmabuf_attachment *attachment, struct sg_table *sgt);
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
int dmabuf_placement_vmap(struct dmabuf *dmabuf, struct iosys_map *map, bool kernel) __must_check;
void dmabuf_placement_vunmap(struct dmabuf *dmabuf, struct iosys_map *map, bool kernel);

/* placement-show.c */
void dmabuf_placement_show_locked(struct seq_file *seq, struct dmabuf *dmabuf);

/* turn.c */
bool dmabuf_turn_try(struct dmabuf_attachment *attachment,
		     enum dma_data_direction direction) __must_check;
int dmabuf_turn_begin(struct dmabuf_turn *turn, long *timeout) __must_check;
int dmabuf_turn_drain(struct dmabuf_turn *turn, long *timeout) __must_check;
void dmabuf_turn_share(struct dmabuf_turn *turn);
void dmabuf_turn_end(struct dmabuf *dmabuf, enum dma_data_direction direction, bool kernel);
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
