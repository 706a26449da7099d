/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DMA engines of the sample importer, and what is attached to them.
 *
 * An engine copies between two bus addresses of its device.  All that user
 * space can ask for is made of such copies between the buffer and a scratch
 * buffer of the engine, so the CPU never touches the shared buffer.
 *
 * Locks, outermost first:
 *
 *	dmabuf_importer_file.lock	a process's handles and their busy counts
 *	dmabuf_engine.transfer		the hardware and its scratch buffer
 *	dmabuf_engine.lock		what is attached and mapped
 *
 * The lock of the list of engines (engine.c) and the one of the search for
 * channels (engine-dmaengine.c) are never held together with any of these.
 * None of them is held across a call of the core: dmabuf_attach(),
 * dmabuf_map_attachment_timeout() and their inverses can wait for other mappings
 * to go, and those go through the same importer.  None is held across an access
 * to user memory either.
 *
 * A map that waits (the buffer must move first, or is somebody else's to write)
 * has its place in a queue of the core, so it is one call that waits, for as long
 * as it takes; one that came back now and then to look around would lose that
 * place.  It ends when its turn comes, by its deadline, by a signal, or because
 * its device goes.
 *
 * When the device goes away, dmabuf_engine_remove() runs in its remove callback:
 *
 * 1. The engine leaves the list: no new attachment.
 * 2. dmabuf_engine.gone is set with both locks of the engine held.  No transfer
 *    starts any more, and none is under way: a transfer holds
 *    dmabuf_engine.transfer while the device works or the scatterlist is read,
 *    and lets go of it after one scratch buffer at most, each run of the engine
 *    being bounded by a time-out.
 * 3. dmabuf_attachment_stop() for each attachment: a map of this device that waits
 *    for its turn, or is going to, returns -ENODEV.  It may wait for the mapping
 *    of another device, which nobody need ever unmap.
 * 4. All mappings are unmapped.  This is also what lets a map of another device
 *    go on that waits for one of these.
 * 5. It waits until dmabuf_engine.calls is 0.  An attach or map that was under
 *    way sees dmabuf_engine.gone when it comes back, undoes itself if it worked,
 *    and is -ENODEV.  This takes as long as the copy of a move, or an op of an
 *    exporter.
 * 6. All attachments are detached, and the scratch buffer is freed.
 *
 * Handles of user space stay, and refer to an engine without a device.  Who
 * takes dmabuf_engine_mapping.sgt or removes an attachment from the list, under
 * dmabuf_engine.lock, is the one who unmaps or detaches, exactly once.
 */
#ifndef _DMABUF_IMPORTER_ENGINE_H
#define _DMABUF_IMPORTER_ENGINE_H

#include <linux/compiler_types.h>
#include <linux/dma-direction.h>
#include <linux/kconfig.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/wait.h>

#include <dmabuf-core/dmabuf.h>
#include <dmabuf-core/importer.h>

struct dmabuf_engine;

/* Bytes of the largest scratch buffer. */
#define DMABUF_ENGINE_SCRATCH_MAX 65536U

/**
 * struct dmabuf_engine_ops - what the driver of an engine implements
 */
struct dmabuf_engine_ops {
	/**
	 * @copy: mandatory.  Copies @len bytes, 1 to
	 * &dmabuf_engine.max_transfer, from one bus address of the device to
	 * another, and adds to &dmabuf_engine.runs how often it started the
	 * device.  One of @dst and @src lies in the scratch buffer.
	 *
	 * Called with &dmabuf_engine.transfer held; may sleep, but not longer
	 * than dmabuf_engine_timeout() for each start.  When it returns, the
	 * device reads and writes neither range any more, whatever the result;
	 * a device that cannot be brought to that is cut off from memory and
	 * &dmabuf_engine.broken set.
	 *
	 * Return: 0, -ETIMEDOUT (not finished in time), -EIO (the device
	 * reports an error), -ENODEV (it does not answer any more), -ENOMEM.
	 */
	int (*copy)(struct dmabuf_engine *engine, dma_addr_t dst, dma_addr_t src, size_t len);
};

/**
 * struct dmabuf_engine - a device that moves bytes
 * @kref: one of the driver until dmabuf_engine_remove(), one of each attachment
 * @node: in the list of engines, under its lock
 * @type: whose it is; immutable
 * @max_transfer: bytes of one copy, a multiple of 8, also the size of @scratch;
 *	immutable
 * @align: bytes, a power of two: addresses and lengths of all copies are
 *	multiples of it; 1, or set by the driver before dmabuf_engine_add()
 * @name: immutable
 * @device: name of @dev; immutable
 * @constraints: of @dev, and @align; immutable
 * @ops: immutable; not called when @gone
 * @priv: the driver's; immutable; not used when @gone
 * @dev: immutable; not used when @gone
 * @scratch: @max_transfer bytes of coherent memory of @dev
 * @scratch_dma: its bus address
 * @scratch_bytes: how many bytes from its start the CPU has filled; 0 when the
 *	device wrote to it
 * @scratch_version: changes whenever the content of @scratch does
 * @pattern: what @scratch is filled with, if @pattern_valid
 * @runs: how often the device was started
 * @pattern_valid: @pattern is what @scratch holds, all of it
 * @broken: it failed and cannot be used until its driver is bound again
 * @attachments: of &dmabuf_engine_attachment.node
 * @mappings: of &dmabuf_engine_mapping.node
 * @calls: calls of the core under way for @dev, other than those of
 *	dmabuf_engine_remove()
 * @idle: woken when @calls becomes 0
 * @gone: @dev is going or gone; written with @transfer held, too
 */
struct dmabuf_engine {
	struct kref kref;
	struct list_head node;
	enum dmabuf_importer_engine_type type;
	u32 max_transfer;
	u32 align;
	char name[sizeof_field(struct dmabuf_importer_engine, name)];
	char device[sizeof_field(struct dmabuf_importer_engine, device)];
	struct dmabuf_constraints constraints;
	const struct dmabuf_engine_ops *ops;
	void *priv;
	struct device *dev;

	/** @transfer: the device works for its holder; guards all down to @broken */
	struct mutex transfer;
	void *scratch;
	dma_addr_t scratch_dma;
	size_t scratch_bytes;
	u64 scratch_version;
	u64 pattern;
	u64 runs;
	bool pattern_valid;
	bool broken;

	/** @lock: guards all below */
	struct mutex lock;
	struct list_head attachments;
	struct list_head mappings;
	unsigned int calls;
	wait_queue_head_t idle;
	bool gone;
};

/**
 * struct dmabuf_engine_attachment - a buffer attached to an engine's device
 * @kref: one of the handle, one of the list @node is in
 * @engine: holds a reference; immutable
 * @dmabuf: holds a reference; immutable
 * @index: of @engine when it was attached; immutable
 * @id: of @attachment; immutable
 * @constraints: of @attachment; immutable
 * @attachment: the core's; valid as long as @node is in the list
 * @node: in &dmabuf_engine.attachments, under &dmabuf_engine.lock
 * @nr_mappings: outstanding ones, under &dmabuf_engine.lock
 * @users: mappings with a handle and those being made, under
 *	&dmabuf_importer_file.lock
 */
struct dmabuf_engine_attachment {
	struct kref kref;
	struct dmabuf_engine *engine;
	struct dmabuf *dmabuf;
	u32 index;
	u32 id;
	struct dmabuf_constraints constraints;
	struct dmabuf_attachment *attachment;
	struct list_head node;
	u32 nr_mappings;
	u32 users;
};

/**
 * struct dmabuf_engine_mapping - one mapping of an attachment
 * @attachment: its &dmabuf_engine_attachment.users counts this one; immutable
 * @sgt: NULL once unmapped; under &dmabuf_engine.lock.  A transfer, which @users
 *	counts, reads it with &dmabuf_engine.transfer held and
 *	&dmabuf_engine.gone not set instead.
 * @node: in &dmabuf_engine.mappings, under &dmabuf_engine.lock
 * @file_node: in &dmabuf_importer_file.newest, under &dmabuf_importer_file.lock
 * @direction: immutable
 * @segments: of @sgt; immutable
 * @users: transfers under way, under &dmabuf_importer_file.lock
 */
struct dmabuf_engine_mapping {
	struct dmabuf_engine_attachment *attachment;
	struct sg_table *sgt;
	struct list_head node;
	struct list_head file_node;
	enum dma_data_direction direction;
	u32 segments;
	u32 users;
};

/**
 * struct dmabuf_engine_transfer - what an engine is to do, and what it did
 * @op: in: one of the four
 * @offset: in: first byte of the buffer
 * @bytes: in: the range lies within the buffer
 * @user: in: for COPY_IN and COPY_OUT
 * @pattern: in: for FILL
 * @moved: out: bytes that the device read or wrote in the buffer
 * @runs: out: how often it was started
 * @checksum: out: for CHECKSUM, of the first @moved bytes
 */
struct dmabuf_engine_transfer {
	enum dmabuf_importer_op op;
	u64 offset;
	u64 bytes;
	void __user *user;
	u64 pattern;
	u64 moved;
	u64 runs;
	u32 checksum;
};

/* engine.c: the list, life and death */
struct dmabuf_engine *dmabuf_engine_create(struct device *dev,
					   enum dmabuf_importer_engine_type type,
					   const char *name, u32 max_transfer,
					   const struct dmabuf_engine_ops *ops,
					   void *priv) __must_check;
void dmabuf_engine_add(struct dmabuf_engine *engine);
void dmabuf_engine_remove(struct dmabuf_engine *engine);
struct dmabuf_engine *dmabuf_engine_get(u32 index);
void dmabuf_engine_put(struct dmabuf_engine *engine);
int dmabuf_engine_enter(struct dmabuf_engine *engine) __must_check;
void dmabuf_engine_enter_locked(struct dmabuf_engine *engine);
void dmabuf_engine_leave_locked(struct dmabuf_engine *engine);
unsigned long dmabuf_engine_timeout(void);

/* attachment.c: steps 3 to 6 */
struct dmabuf_engine_attachment *
dmabuf_engine_attach(struct dmabuf_engine *engine, u32 index, struct dmabuf *dmabuf,
		     const struct dmabuf_constraints *extra) __must_check;
void dmabuf_engine_detach(struct dmabuf_engine_attachment *attachment);
struct dmabuf_engine_mapping *
dmabuf_engine_map(struct dmabuf_engine_attachment *attachment,
		  enum dma_data_direction direction, long timeout) __must_check;
void dmabuf_engine_unmap(struct dmabuf_engine_mapping *mapping);
int dmabuf_engine_segment(struct dmabuf_engine_mapping *mapping, u32 index,
			  dma_addr_t *address, u64 *bytes) __must_check;
u32 dmabuf_engine_mappings(struct dmabuf_engine_attachment *attachment);
void dmabuf_engine_stop_all(struct dmabuf_engine *engine);
void dmabuf_engine_unmap_all(struct dmabuf_engine *engine);
void dmabuf_engine_detach_all(struct dmabuf_engine *engine);

/* transfer.c */
int dmabuf_engine_transfer(struct dmabuf_engine_mapping *mapping,
			   struct dmabuf_engine_transfer *transfer) __must_check;

/* engine-soft.c */
int dmabuf_engine_soft_init(void);
void dmabuf_engine_soft_exit(void);

/* engine-edu.c */
#if IS_ENABLED(CONFIG_PCI)
int dmabuf_engine_edu_init(void);
void dmabuf_engine_edu_exit(void);
#else
static inline int dmabuf_engine_edu_init(void)
{
	return 0;
}

static inline void dmabuf_engine_edu_exit(void)
{
}
#endif

/* engine-dmaengine.c */
#if IS_ENABLED(CONFIG_DMA_ENGINE)
void dmabuf_engine_dmaengine_scan(void);
void dmabuf_engine_dmaengine_exit(void);
#else
static inline void dmabuf_engine_dmaengine_scan(void)
{
}

static inline void dmabuf_engine_dmaengine_exit(void)
{
}
#endif

#endif /* _DMABUF_IMPORTER_ENGINE_H */
