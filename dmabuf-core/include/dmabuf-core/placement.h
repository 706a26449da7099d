/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dmabuf-core: the placement layer, kernel interface for exporters.
 *
 * An exporter that sets &dmabuf_ops.placement leaves attach, map and unmap to
 * the layer, and says how memory is had and moved.  The layer takes none before
 * the first map, takes it for all devices that are attached then, and moves the
 * buffer when a device maps that the storage does not serve: it waits until
 * nobody has the buffer mapped, lets the exporter copy, and goes on.
 *
 * Documentation/placement.md has the states and an example.
 */
#ifndef _DMABUF_CORE_PLACEMENT_H
#define _DMABUF_CORE_PLACEMENT_H

#include <linux/bits.h>
#include <linux/dma-direction.h>
#include <linux/types.h>

#include <dmabuf-core/dmabuf.h>

/**
 * struct dmabuf_storage - memory that a buffer lies in
 * @kind: what it is, for people: "scattered pages"; lives as long as the
 *	exporter's module; set by the exporter, as are @last and @chunks
 * @last: highest physical address in it; shown as a number of bits only
 * @chunks: physically contiguous pieces
 * @needs: what it was allocated for; the layer's
 *
 * Part of an exporter's own structure.  Immutable while it is a buffer's.
 */
struct dmabuf_storage {
	const char *kind;
	u64 last;
	u32 chunks;
	struct dmabuf_constraints needs;
};

/**
 * struct dmabuf_miss - why storage does not serve a device
 * @which: the constraint
 * @allowed: by the device
 * @actual: what the storage has, or at best could have; of an address no more
 *	than its number of bits, as a mask: anybody may read it
 */
struct dmabuf_miss {
	enum dmabuf_constraint which;
	u64 allowed;
	u64 actual;
};

/**
 * struct dmabuf_placement_ops - what an exporter on the layer implements
 *
 * No spinlock is held in any of these and all of them may sleep.  All but @zap and
 * @move are called without any lock of the core.  @alloc,
 * @move and @free of one buffer are never called at the same time as each other,
 * as @map or as @unmap.
 */
struct dmabuf_placement_ops {
	/**
	 * @alloc: mandatory.  Takes memory for the whole buffer that serves
	 * @needs.  If @from is NULL the buffer is new and its memory is to be
	 * cleared, in a page fault maybe (dmabuf_storage_lock()).  Otherwise the
	 * buffer lies in @from, @move comes next, and what it will write need not
	 * be cleared.
	 *
	 * Return: the storage, or ERR_PTR(): -ENOMEM: there is none now; the log
	 * should have pool, bytes asked for and free, mask and reason.  -EINTR: a
	 * fatal signal came.
	 */
	struct dmabuf_storage *(*alloc)(struct dmabuf *dmabuf,
					const struct dmabuf_constraints *needs,
					const struct dmabuf_storage *from);

	/** @free: mandatory.  The inverse of @alloc; nobody uses the storage. */
	void (*free)(struct dmabuf *dmabuf, struct dmabuf_storage *storage);

	/**
	 * @map: mandatory.  Maps the whole of @storage for the attachment's
	 * device, as &dmabuf_ops.map_dma_buf.  @storage serves the device, and
	 * does not move before the matching @unmap.
	 */
	struct sg_table *(*map)(struct dmabuf_attachment *attachment,
				struct dmabuf_storage *storage,
				enum dma_data_direction direction);

	/** @unmap: mandatory.  The inverse of @map. */
	void (*unmap)(struct dmabuf_attachment *attachment, struct dmabuf_storage *storage,
		      struct sg_table *sgt);

	/**
	 * @vmap: optional.  Gives the kernel an address for the whole of @storage,
	 * which does not move before the matching @vunmap.
	 *
	 * Return: 0 with @map set, or a negative errno.
	 */
	int (*vmap)(struct dmabuf *dmabuf, struct dmabuf_storage *storage, struct iosys_map *map);

	/** @vunmap: mandatory with @vmap.  The inverse. */
	void (*vunmap)(struct dmabuf *dmabuf, struct dmabuf_storage *storage,
		       struct iosys_map *map);

	/**
	 * @move: optional; without it storage never moves, as with
	 * %DMABUF_PLACEMENT_FIXED.  Brings the bytes of the buffer from one
	 * storage to the other.  No device has it mapped, and no CPU: whoever
	 * wants &dmabuf_storage waits.  Must not touch user memory.
	 *
	 * Return: 0, or a negative errno: the buffer then stays in @from.
	 */
	int (*move)(struct dmabuf *dmabuf, struct dmabuf_storage *from,
		    struct dmabuf_storage *to);

	/**
	 * @zap: optional, for an exporter that lets user space mmap the buffer by
	 * other means than its fd.  Tears down all the page table entries of those,
	 * so that the next access faults and finds the storage by
	 * dmabuf_storage_lock().  Called before @move with that lock held.
	 */
	void (*zap)(struct dmabuf *dmabuf);

	/**
	 * @serves: optional.  Does the device reach @storage, in a mapping that
	 * meets its constraints?  @miss is filled in if not.  Asked once for each
	 * attachment and storage.  Without this op storage serves the devices for
	 * whose needs, or stricter ones, it was allocated: what was taken without a
	 * device (dmabuf_storage_lock()) serves none that has a limit.
	 */
	bool (*serves)(struct dmabuf_attachment *attachment, struct dmabuf_storage *storage,
		       struct dmabuf_miss *miss);

	/**
	 * @possible: optional.  Could @alloc ever give storage for @needs, those
	 * of all attached devices and of @attachment, which is about to be
	 * attached?  @miss is filled in if not.  Memory that is in use now counts
	 * as free.  Without this op everything is thought possible.
	 */
	bool (*possible)(struct dmabuf_attachment *attachment,
			 const struct dmabuf_constraints *needs, struct dmabuf_miss *miss);
};

/*
 * What an exporter may choose for a buffer, see dmabuf_placement_set_policy().
 *
 * FIXED: storage never moves.  A device that attaches once there is storage must
 *	be served by it, -EBUSY otherwise.
 * NO_LATE_ATTACH: nobody attaches any more once the buffer has been mapped:
 *	-EBUSY (guide, NOTES).
 * ONE_WRITER: many mappings DMA_TO_DEVICE, or one other; a map waits until it
 *	fits.  Without it any number of any direction may be outstanding.
 */
#define DMABUF_PLACEMENT_FIXED BIT(0)
#define DMABUF_PLACEMENT_NO_LATE_ATTACH BIT(1)
#define DMABUF_PLACEMENT_ONE_WRITER BIT(2)
#define DMABUF_PLACEMENT_POLICIES GENMASK(2, 0)

/**
 * enum dmabuf_placement_state - where a buffer is in its life
 * @DMABUF_PLACEMENT_EMPTY: no storage
 * @DMABUF_PLACEMENT_BACKED: storage, and nobody has it mapped
 * @DMABUF_PLACEMENT_MAPPED: a device has it mapped
 * @DMABUF_PLACEMENT_DRAINING: mapped, and a map that needs other storage waits
 *	until it is no longer; other maps wait behind it
 * @DMABUF_PLACEMENT_MOVING: a map, or a page fault, takes storage, or the bytes are
 *	on their way; nobody has it mapped
 */
enum dmabuf_placement_state {
	DMABUF_PLACEMENT_EMPTY,
	DMABUF_PLACEMENT_BACKED,
	DMABUF_PLACEMENT_MAPPED,
	DMABUF_PLACEMENT_DRAINING,
	DMABUF_PLACEMENT_MOVING,
};

#define DMABUF_PLACEMENT_NAME_BYTES 32

/**
 * struct dmabuf_placement_move - the last move of a buffer
 * @attachment: id of who asked for it; 0: there was none yet
 * @device: its device's name, cut off if need be
 * @miss: what the old storage did not meet
 * @bytes: moved
 * @drain_ns: how long the asker waited for others to unmap, ns
 * @from: kind of the old storage
 * @to: kind of the new one
 * @from_bits: of its highest address
 * @to_bits: of its highest address
 * @from_chunks: its physically contiguous pieces
 * @to_chunks: its physically contiguous pieces
 */
struct dmabuf_placement_move {
	u32 attachment;
	char device[DMABUF_PLACEMENT_NAME_BYTES];
	struct dmabuf_miss miss;
	u64 bytes;
	u64 drain_ns;
	const char *from;
	const char *to;
	u32 from_bits;
	u32 to_bits;
	u32 from_chunks;
	u32 to_chunks;
};

/**
 * struct dmabuf_placement_reason - a device that storage does not serve, and why
 * @error: of a refusal: the errno, negative; otherwise 0
 * @device: the device's name, cut off if need be; empty if there is none
 * @miss: the constraint that the storage does not meet; DMABUF_CONSTRAINT_NONE if
 *	there is none, as when a buffer takes no more devices
 */
struct dmabuf_placement_reason {
	int error;
	char device[DMABUF_PLACEMENT_NAME_BYTES];
	struct dmabuf_miss miss;
};

/**
 * struct dmabuf_placement_info - what there is to know of a buffer's placement
 * @state: now
 * @policy: DMABUF_PLACEMENT_FIXED and so on
 * @readers: mappings DMA_TO_DEVICE, outstanding or being made
 * @writers: other ones
 * @waiting: maps that wait
 * @kind: of the storage, or NULL
 * @bits: of its highest address
 * @chunks: physically contiguous pieces of it
 * @allocs: how often storage was taken, moves included
 * @moves: that succeeded
 * @failures: moves that were asked for and did not happen: no memory, a signal, a
 *	deadline, an error of the exporter's; not those of maps that do not wait
 * @stalls: maps that had to wait for others
 * @moved_bytes: by all moves
 * @drain_ns: spent waiting for others to unmap, by all moves, ns
 * @next: in state DRAINING: who waits to move it
 * @move: the last one
 * @refusal: the last one
 */
struct dmabuf_placement_info {
	enum dmabuf_placement_state state;
	u32 policy;
	u32 readers;
	u32 writers;
	u32 waiting;
	const char *kind;
	u32 bits;
	u32 chunks;
	u64 allocs;
	u64 moves;
	u64 failures;
	u64 stalls;
	u64 moved_bytes;
	u64 drain_ns;
	struct dmabuf_placement_reason next;
	struct dmabuf_placement_move move;
	struct dmabuf_placement_reason refusal;
};

int dmabuf_placement_set_policy(struct dmabuf *dmabuf, u32 policy) __must_check;
int dmabuf_placement_query(struct dmabuf *dmabuf, struct dmabuf_placement_info *info);
struct dmabuf_storage *dmabuf_storage_lock(struct dmabuf *dmabuf) __must_check;
void dmabuf_storage_unlock(struct dmabuf *dmabuf);

#endif /* _DMABUF_CORE_PLACEMENT_H */
