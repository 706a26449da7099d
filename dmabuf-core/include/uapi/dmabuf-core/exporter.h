/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * User interface of /dev/dmabuf-exporter: make buffers, and mmap them.
 *
 * Every structure starts with its own size in bytes, argsz.  A program sets it
 * to sizeof() of the structure that it was compiled with.  A newer driver takes
 * a shorter structure of an older program; an older driver takes a longer one
 * as long as all bytes that it does not know are zero, and answers -E2BIG
 * otherwise.  Unknown flags and reserved bytes that are not zero: -EINVAL.
 * Errors that every ioctl has: -EFAULT (bad pointer), -EINVAL (argsz too small),
 * -E2BIG (argsz too large, see above, or over a page), -ENOTTY (no such ioctl).
 */
#ifndef _UAPI_DMABUF_CORE_EXPORTER_H
#define _UAPI_DMABUF_CORE_EXPORTER_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define DMABUF_EXPORTER_IOC 0xde

/**
 * enum dmabuf_exporter_backing - what kind of memory lies behind a buffer
 * @DMABUF_EXPORTER_AUTO: the exporter chooses, for the devices that are attached
 *	when storage is first needed: scattered pages when all of them can take
 *	these, else contiguous memory
 * @DMABUF_EXPORTER_CMA: contiguous, by the DMA API for the exporter's device:
 *	from its own reserved region, else from the system's CMA area, else (as
 *	the DMA API does it) from the page allocator
 * @DMABUF_EXPORTER_CONTIG: contiguous pages from the page allocator
 * @DMABUF_EXPORTER_SCATTER: single pages, wherever they lie
 */
enum dmabuf_exporter_backing {
	DMABUF_EXPORTER_AUTO = 0,
	DMABUF_EXPORTER_CMA = 1,
	DMABUF_EXPORTER_CONTIG = 2,
	DMABUF_EXPORTER_SCATTER = 3,
};

/*
 * Flag of DMABUF_EXPORTER_EXPORT: take the memory now, for no device in
 * particular, instead of at the first map, mmap fault or other use.
 */
#define DMABUF_EXPORTER_POPULATE (1U << 0)

/*
 * Flags of DMABUF_EXPORTER_EXPORT: what the buffer allows.  Without them it moves
 * to other memory when a device maps it that cannot reach it where it is, anybody
 * may attach at any time, and any number may have it mapped, whatever the
 * direction.
 *
 * FIXED: the buffer stays where it was first put; a device that attaches later
 *	and cannot reach it there is refused.
 * NO_LATE_ATTACH: nobody attaches any more once the buffer has been mapped.
 * ONE_WRITER: mapped by many devices that read, or by one that writes; a map
 *	waits for its turn.
 */
#define DMABUF_EXPORTER_FIXED (1U << 1)
#define DMABUF_EXPORTER_NO_LATE_ATTACH (1U << 2)
#define DMABUF_EXPORTER_ONE_WRITER (1U << 3)

/*
 * Flag of DMABUF_EXPORTER_EXPORT: the fd is no dma-buf of the kernel's, which DRM,
 * V4L2 and others take, but one that only drivers on dmabuf-core take.  It is so
 * without the flag on kernels that have no dma-buf.
 */
#define DMABUF_EXPORTER_NATIVE (1U << 4)

/**
 * struct dmabuf_exporter_export - DMABUF_EXPORTER_EXPORT: make a buffer
 * @argsz: in: sizeof(struct dmabuf_exporter_export)
 * @flags: in: DMABUF_EXPORTER_POPULATE and so on, or 0
 * @bytes: in: size of the buffer, bytes, not 0; need not be a multiple of the
 *	page size.  The memory is zeroed.
 * @backing: in: one of enum dmabuf_exporter_backing
 * @fd_flags: in: O_CLOEXEC or 0, with O_RDONLY, O_WRONLY or O_RDWR
 * @fd: out: file descriptor of the buffer
 * @reserved: in: 0
 *
 * Errors: -EINVAL (bytes 0 or so large that rounding up to pages overflows;
 * unknown backing or flag), -EMFILE (no fd left), -EDQUOT (more than module
 * parameter limit_file_mb through this open file), -ENOMEM (no memory, or no open
 * file left in the system; with POPULATE also: no such storage, or more than
 * limit_total_mb in all), -ENODEV (with POPULATE: the exporter has no device),
 * -EINTR (with POPULATE: the process is being killed).
 * After an error there is no buffer and no fd.
 */
struct dmabuf_exporter_export {
	__u32 argsz;
	__u32 flags;
	__u64 bytes;
	__u32 backing;
	__u32 fd_flags;
	__s32 fd;
	__u32 reserved;
};

/**
 * struct dmabuf_exporter_mmap_offset - DMABUF_EXPORTER_MMAP_OFFSET: prepare mmap
 * @argsz: in: sizeof(struct dmabuf_exporter_mmap_offset)
 * @fd: in: a buffer of this exporter
 * @offset: out: the offset at which mmap() of this open file finds the buffer,
 *	bytes; valid as long as the buffer lives
 *
 * The mapping must be MAP_SHARED and lie within the buffer's pages (mmap() says
 * -EINVAL otherwise), and it keeps the buffer alive.  The CPU sees what devices
 * wrote after their unmap, and devices what the CPU wrote before their map.  The
 * mapping follows the buffer when it moves.
 *
 * Errors: -EBADF (fd is not open), -EINVAL (fd is no buffer, or of another
 * exporter), -ENOSPC (no offset left), -ENOMEM, -EINTR (a signal came).  Those of
 * mmap() itself: -EINVAL, -EACCES (the buffer's access mode does not allow it, or
 * this open file did not ask for the offset).
 */
struct dmabuf_exporter_mmap_offset {
	__u32 argsz;
	__s32 fd;
	__u64 offset;
};

/**
 * struct dmabuf_exporter_query - DMABUF_EXPORTER_QUERY: what a buffer lies in
 * @argsz: in: sizeof(struct dmabuf_exporter_query)
 * @fd: in: a buffer of this exporter
 * @bytes: out: size as exported, bytes
 * @backed_bytes: out: memory behind it now, bytes; 0 before storage was needed
 * @requested: out: backing asked for, enum dmabuf_exporter_backing
 * @backing: out: backing that it has, or DMABUF_EXPORTER_AUTO when it has none yet
 * @chunks: out: number of physically contiguous pieces; 0 when it has no storage
 * @attachments: out: devices attached now
 * @id: out: the buffer's id, as in debugfs, fdinfo and tracepoints
 * @flags: out: DMABUF_EXPORTER_QUERY_KERNEL or 0
 * @reserved: out: 0
 *
 * Errors: -EBADF, -EINVAL as for DMABUF_EXPORTER_MMAP_OFFSET, -EINTR (a signal
 * came).
 */
struct dmabuf_exporter_query {
	__u32 argsz;
	__s32 fd;
	__u64 bytes;
	__u64 backed_bytes;
	__u32 requested;
	__u32 backing;
	__u32 chunks;
	__u32 attachments;
	__u64 id;
	__u32 flags;
	__u32 reserved;
};

/* The fd is a dma-buf of the kernel's. */
#define DMABUF_EXPORTER_QUERY_KERNEL (1U << 0)

/**
 * enum dmabuf_exporter_state - where a buffer is in its life
 * @DMABUF_EXPORTER_EMPTY: no memory yet
 * @DMABUF_EXPORTER_BACKED: memory, and no device has it mapped
 * @DMABUF_EXPORTER_MAPPED: a device has it mapped
 * @DMABUF_EXPORTER_DRAINING: as MAPPED, and a device that needs other memory waits
 *	for the unmap; all that come now wait behind it
 * @DMABUF_EXPORTER_MOVING: memory is being taken, or the bytes are on their way
 */
enum dmabuf_exporter_state {
	DMABUF_EXPORTER_EMPTY = 0,
	DMABUF_EXPORTER_BACKED = 1,
	DMABUF_EXPORTER_MAPPED = 2,
	DMABUF_EXPORTER_DRAINING = 3,
	DMABUF_EXPORTER_MOVING = 4,
};

/**
 * enum dmabuf_exporter_constraint - what of a device could not be met
 * @DMABUF_EXPORTER_CONSTRAINT_NONE: nothing, or another reason
 * @DMABUF_EXPORTER_CONSTRAINT_DMA_MASK: highest address
 * @DMABUF_EXPORTER_CONSTRAINT_SEG_BOUNDARY: boundary that no segment may cross
 * @DMABUF_EXPORTER_CONSTRAINT_MAX_SEG_SIZE: bytes of a segment
 * @DMABUF_EXPORTER_CONSTRAINT_MAX_SEGS: number of segments
 * @DMABUF_EXPORTER_CONSTRAINT_ALIGN: where segments start
 */
enum dmabuf_exporter_constraint {
	DMABUF_EXPORTER_CONSTRAINT_NONE = 0,
	DMABUF_EXPORTER_CONSTRAINT_DMA_MASK = 1,
	DMABUF_EXPORTER_CONSTRAINT_SEG_BOUNDARY = 2,
	DMABUF_EXPORTER_CONSTRAINT_MAX_SEG_SIZE = 3,
	DMABUF_EXPORTER_CONSTRAINT_MAX_SEGS = 4,
	DMABUF_EXPORTER_CONSTRAINT_ALIGN = 5,
};

/**
 * struct dmabuf_exporter_reason - which device, and what about it
 * @device: its name in sysfs, with a NUL; cut off if it is longer
 * @constraint: enum dmabuf_exporter_constraint
 * @error: of a refusal: the errno, positive; of a move: 0
 * @allowed: by the device
 * @actual: what the memory had, or would have had at best; of an address only
 *	its number of bits, as a mask
 */
struct dmabuf_exporter_reason {
	char device[32];
	__u32 constraint;
	__u32 error;
	__u64 allowed;
	__u64 actual;
};

/**
 * struct dmabuf_exporter_place - memory that a buffer lies or lay in
 * @kind: for people, as "scattered pages", with a NUL; empty for none
 * @bits: of the highest physical address
 * @chunks: physically contiguous pieces
 */
struct dmabuf_exporter_place {
	char kind[24];
	__u32 bits;
	__u32 chunks;
};

/**
 * struct dmabuf_exporter_placement - DMABUF_EXPORTER_PLACEMENT: where a buffer
 *	lies, how it came there, and who was refused
 * @argsz: in: sizeof(struct dmabuf_exporter_placement)
 * @fd: in: a buffer of this exporter
 * @state: out: enum dmabuf_exporter_state
 * @flags: out: those of DMABUF_EXPORTER_EXPORT that say what the buffer allows
 * @readers: out: outstanding mappings of devices that read
 * @writers: out: other outstanding mappings
 * @waiting: out: maps that wait
 * @reserved: out: 0
 * @allocs: out: how often memory was taken for it
 * @moves: out: how often it moved
 * @failures: out: moves that were asked for and did not happen
 * @stalls: out: maps that had to wait for others
 * @moved_bytes: out: by all moves
 * @drain_ns: out: spent waiting for others to unmap, by all moves, ns
 * @here: out: where it lies
 * @from: out: last move: where it lay
 * @to: out: last move: where it went
 * @move: out: last move: who asked for it, and why; an empty name for none
 * @move_bytes: out: last move
 * @move_drain_ns: out: last move
 * @refusal: out: the last device that was refused; an empty name for none
 * @next: out: while DRAINING: who waits to move it, and why
 *
 * Errors: -EBADF, -EINVAL as for DMABUF_EXPORTER_MMAP_OFFSET.
 */
struct dmabuf_exporter_placement {
	__u32 argsz;
	__s32 fd;
	__u32 state;
	__u32 flags;
	__u32 readers;
	__u32 writers;
	__u32 waiting;
	__u32 reserved;
	__u64 allocs;
	__u64 moves;
	__u64 failures;
	__u64 stalls;
	__u64 moved_bytes;
	__u64 drain_ns;
	struct dmabuf_exporter_place here;
	struct dmabuf_exporter_place from;
	struct dmabuf_exporter_place to;
	struct dmabuf_exporter_reason move;
	__u64 move_bytes;
	__u64 move_drain_ns;
	struct dmabuf_exporter_reason refusal;
	struct dmabuf_exporter_reason next;
};

/**
 * struct dmabuf_exporter_info - DMABUF_EXPORTER_INFO: the exporter as a whole
 * @argsz: in: sizeof(struct dmabuf_exporter_info)
 * @flags: out: DMABUF_EXPORTER_INFO_REGION
 * @buffers: out: buffers alive now, of all open files
 * @backed_bytes: out: memory behind them, bytes, in pages
 * @total_limit: out: most that @backed_bytes may become
 * @file_bytes: out: bytes exported through this open file and still alive, in
 *	pages
 * @file_limit: out: most that @file_bytes may become
 */
struct dmabuf_exporter_info {
	__u32 argsz;
	__u32 flags;
	__u64 buffers;
	__u64 backed_bytes;
	__u64 total_limit;
	__u64 file_bytes;
	__u64 file_limit;
};

/* The exporter's device has a reserved memory region of its own. */
#define DMABUF_EXPORTER_INFO_REGION (1U << 0)

#define DMABUF_EXPORTER_EXPORT _IO(DMABUF_EXPORTER_IOC, 0)
#define DMABUF_EXPORTER_MMAP_OFFSET _IO(DMABUF_EXPORTER_IOC, 1)
#define DMABUF_EXPORTER_QUERY _IO(DMABUF_EXPORTER_IOC, 2)
#define DMABUF_EXPORTER_INFO _IO(DMABUF_EXPORTER_IOC, 3)
#define DMABUF_EXPORTER_PLACEMENT _IO(DMABUF_EXPORTER_IOC, 4)

#endif /* _UAPI_DMABUF_CORE_EXPORTER_H */
