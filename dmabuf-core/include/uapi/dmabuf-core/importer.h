/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * User interface of /dev/dmabuf-importer: attach a buffer to a DMA engine, map
 * it, let the engine move bytes, unmap, detach.
 *
 * Sizes, flags and reserved bytes are handled as on /dev/dmabuf-exporter, and
 * the errors that every ioctl has are the same, see exporter.h.  Handles belong
 * to the open file.  When it is closed, also by the death of the process, all
 * of its mappings and attachments are undone.
 */
#ifndef _UAPI_DMABUF_CORE_IMPORTER_H
#define _UAPI_DMABUF_CORE_IMPORTER_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define DMABUF_IMPORTER_IOC 0xdf

/**
 * enum dmabuf_importer_engine_type - who moves the bytes
 * @DMABUF_IMPORTER_EDU: QEMU's edu PCI device, a bus master
 * @DMABUF_IMPORTER_DMAENGINE: a channel of a DMA controller (DMA_MEMCPY)
 * @DMABUF_IMPORTER_SOFT: the CPU, for machines with neither
 */
enum dmabuf_importer_engine_type {
	DMABUF_IMPORTER_EDU = 1,
	DMABUF_IMPORTER_DMAENGINE = 2,
	DMABUF_IMPORTER_SOFT = 3,
};

/**
 * struct dmabuf_importer_constraints - what a device can reach
 * @dma_mask: highest bus address as a mask, all ones from bit 0 up
 * @seg_boundary: mask: no segment crosses a multiple of @seg_boundary + 1 bytes
 * @max_seg_size: largest segment, bytes
 * @max_segs: most segments in a mapping; 1 asks for contiguous memory
 * @align: bytes, a power of two: every segment starts at a multiple of it
 */
struct dmabuf_importer_constraints {
	__u64 dma_mask;
	__u64 seg_boundary;
	__u64 max_seg_size;
	__u32 max_segs;
	__u32 align;
};

/**
 * struct dmabuf_importer_engine - DMABUF_IMPORTER_ENGINE: describe an engine
 * @argsz: in: sizeof(struct dmabuf_importer_engine)
 * @index: in: from 0 up, without a gap
 * @type: out: enum dmabuf_importer_engine_type
 * @max_transfer: out: most bytes that the engine moves at once
 * @constraints: out: what its device can reach; where @align is not 1, the offset
 *	and the length of all transfers are multiples of it, too
 * @name: out: the engine's name, as "edu0", with a NUL
 * @device: out: the device's name in sysfs, with a NUL
 *
 * Errors: -ENOENT (no engine of that index; the list ends there).
 */
struct dmabuf_importer_engine {
	__u32 argsz;
	__u32 index;
	__u32 type;
	__u32 max_transfer;
	struct dmabuf_importer_constraints constraints;
	char name[32];
	char device[64];
};

/* Flag of DMABUF_IMPORTER_ATTACH: @constraints are added to the device's own. */
#define DMABUF_IMPORTER_CONSTRAIN (1U << 0)

/**
 * struct dmabuf_importer_attach - DMABUF_IMPORTER_ATTACH: step 3, connect
 * @argsz: in: sizeof(struct dmabuf_importer_attach)
 * @flags: in: 0 or DMABUF_IMPORTER_CONSTRAIN
 * @fd: in: the buffer
 * @engine: in: index of the engine whose device is attached
 * @constraints: in: with DMABUF_IMPORTER_CONSTRAIN; all zero without
 * @bytes: out: size of the buffer
 * @attachment: out: handle for the other ioctls, not 0
 * @reserved: in: 0
 *
 * Errors: -EBADF (fd is not open), -EINVAL (fd is no buffer; constraints that
 * make no sense), -ENODEV (no such engine), -ENOMEM, -ENOSPC (too many
 * handles), and what the exporter says: -EBUSY, -EOPNOTSUPP (its storage cannot
 * serve the device), or what else that of another driver returns.
 */
struct dmabuf_importer_attach {
	__u32 argsz;
	__u32 flags;
	__s32 fd;
	__u32 engine;
	struct dmabuf_importer_constraints constraints;
	__u64 bytes;
	__u32 attachment;
	__u32 reserved;
};

/**
 * struct dmabuf_importer_detach - DMABUF_IMPORTER_DETACH: step 6, disconnect
 * @argsz: in: sizeof(struct dmabuf_importer_detach)
 * @attachment: in: handle
 *
 * Errors: -ENOENT (no such handle), -EBUSY (it has a mapping, or another
 * thread is making one).
 */
struct dmabuf_importer_detach {
	__u32 argsz;
	__u32 attachment;
};

/**
 * enum dmabuf_importer_direction - which way the bytes go while mapped
 * @DMABUF_IMPORTER_BIDIRECTIONAL: the device reads and writes
 * @DMABUF_IMPORTER_TO_DEVICE: the device reads
 * @DMABUF_IMPORTER_FROM_DEVICE: the device writes
 */
enum dmabuf_importer_direction {
	DMABUF_IMPORTER_BIDIRECTIONAL = 0,
	DMABUF_IMPORTER_TO_DEVICE = 1,
	DMABUF_IMPORTER_FROM_DEVICE = 2,
};

/*
 * Flags of DMABUF_IMPORTER_MAP: NOWAIT: do not wait for others to unmap, TIMEOUT:
 * for @timeout_ms at most.  With neither only a signal ends the wait.
 */
#define DMABUF_IMPORTER_NOWAIT (1U << 0)
#define DMABUF_IMPORTER_TIMEOUT (1U << 1)

/**
 * struct dmabuf_importer_map - DMABUF_IMPORTER_MAP: step 4, access
 * @argsz: in: sizeof(struct dmabuf_importer_map)
 * @flags: in: DMABUF_IMPORTER_NOWAIT or DMABUF_IMPORTER_TIMEOUT, or 0
 * @attachment: in: handle
 * @direction: in: enum dmabuf_importer_direction
 * @mapping: out: handle of the mapping, not 0
 * @segments: out: number of segments that the device sees
 * @timeout_ms: in: with DMABUF_IMPORTER_TIMEOUT: milliseconds, not 0; 0 without
 * @reserved: in: 0
 *
 * An attachment can have several mappings.  Where the buffer must move first, the
 * map waits until all others have unmapped it, the caller's own other mappings
 * included, and then moves it.
 *
 * Errors: -ENOENT (no such handle), -EINVAL (no such direction; flags and
 * @timeout_ms that do not belong together), -ENOSPC (too many handles), -ENODEV
 * (the device has gone), -EINTR (a signal ended a wait), -EAGAIN (with NOWAIT: it
 * would have to wait), -ETIMEDOUT (with TIMEOUT: others still have it mapped),
 * -EOPNOTSUPP (NOWAIT or TIMEOUT, and the exporter is not on the placement layer),
 * and what the exporter says: -ENOMEM (no memory where the device needs it; the
 * buffer stays where it was), -EBUSY (the buffer may not move), -EOPNOTSUPP, or
 * an error of the DMA API.
 */
struct dmabuf_importer_map {
	__u32 argsz;
	__u32 flags;
	__u32 attachment;
	__u32 direction;
	__u32 mapping;
	__u32 segments;
	__u32 timeout_ms;
	__u32 reserved;
};

/**
 * struct dmabuf_importer_unmap - DMABUF_IMPORTER_UNMAP: step 5, end of DMA
 * @argsz: in: sizeof(struct dmabuf_importer_unmap)
 * @mapping: in: handle
 *
 * Errors: -ENOENT (no such handle), -EBUSY (a transfer of another thread uses it).
 */
struct dmabuf_importer_unmap {
	__u32 argsz;
	__u32 mapping;
};

/**
 * struct dmabuf_importer_segment - DMABUF_IMPORTER_SEGMENT: what the device sees
 * @argsz: in: sizeof(struct dmabuf_importer_segment)
 * @mapping: in: handle
 * @index: in: from 0 up to dmabuf_importer_map.segments - 1
 * @reserved: in: 0
 * @dma_address: out: bus address; 0 for a process without CAP_SYS_ADMIN
 * @bytes: out: length
 *
 * Errors: -ENOENT (no such handle, or no segment of that index), -ENODEV (the
 * device has gone).
 */
struct dmabuf_importer_segment {
	__u32 argsz;
	__u32 mapping;
	__u32 index;
	__u32 reserved;
	__u64 dma_address;
	__u64 bytes;
};

/**
 * enum dmabuf_importer_op - what the engine does
 * @DMABUF_IMPORTER_FILL: writes @pattern, eight bytes little endian, again and
 *	again, the first byte at @offset
 * @DMABUF_IMPORTER_COPY_IN: writes what @user points to into the buffer
 * @DMABUF_IMPORTER_COPY_OUT: reads the buffer into what @user points to
 * @DMABUF_IMPORTER_CHECKSUM: reads the buffer; @checksum is the CRC-32 (IEEE,
 *	as zlib's crc32()) of the bytes that the device delivered
 */
enum dmabuf_importer_op {
	DMABUF_IMPORTER_FILL = 1,
	DMABUF_IMPORTER_COPY_IN = 2,
	DMABUF_IMPORTER_COPY_OUT = 3,
	DMABUF_IMPORTER_CHECKSUM = 4,
};

/**
 * struct dmabuf_importer_transfer - DMABUF_IMPORTER_TRANSFER: run the engine
 * @argsz: in: sizeof(struct dmabuf_importer_transfer)
 * @flags: in: 0
 * @mapping: in: handle
 * @op: in: enum dmabuf_importer_op
 * @offset: in: first byte in the buffer
 * @bytes: in: how many; @offset + @bytes lies within the buffer; 0 moves nothing
 * @user: in: address for COPY_IN and COPY_OUT; 0 otherwise
 * @pattern: in: for FILL; 0 otherwise
 * @checksum: out: for CHECKSUM
 * @reserved: in: 0
 * @moved: out: bytes of the buffer that the engine read or wrote, also after
 *	an error that came midway
 * @runs: out: how often the engine was started for it
 *
 * Errors: -ENOENT (no such handle), -EINVAL (no such op; the range leaves the
 * buffer or overflows, or is not aligned as the engine needs it; @user or
 * @pattern set where they do not belong),
 * -EACCES (the direction of the mapping does not allow it: FILL and COPY_IN
 * need FROM_DEVICE or BIDIRECTIONAL, COPY_OUT and CHECKSUM TO_DEVICE or
 * BIDIRECTIONAL), -EFAULT (@user), -EINTR (a signal came; the engine has
 * stopped), -ETIMEDOUT (the engine did not finish), -EIO (it reported an
 * error), -ENODEV (the device has gone), -ENOMEM.
 */
struct dmabuf_importer_transfer {
	__u32 argsz;
	__u32 flags;
	__u32 mapping;
	__u32 op;
	__u64 offset;
	__u64 bytes;
	__u64 user;
	__u64 pattern;
	__u32 checksum;
	__u32 reserved;
	__u64 moved;
	__u64 runs;
};

/**
 * struct dmabuf_importer_query - DMABUF_IMPORTER_QUERY: what a handle stands for
 * @argsz: in: sizeof(struct dmabuf_importer_query)
 * @attachment: in: handle
 * @bytes: out: size of the buffer
 * @buffer_id: out: the buffer's id, as in debugfs, fdinfo and tracepoints
 * @attachment_id: out: the attachment's id there
 * @engine: out: index of its engine when it was attached
 * @mappings: out: outstanding mappings of this attachment
 * @reserved: out: 0
 * @constraints: out: the device's own collated with those added at attach
 *
 * Errors: -ENOENT (no such handle).
 */
struct dmabuf_importer_query {
	__u32 argsz;
	__u32 attachment;
	__u64 bytes;
	__u64 buffer_id;
	__u32 attachment_id;
	__u32 engine;
	__u32 mappings;
	__u32 reserved;
	struct dmabuf_importer_constraints constraints;
};

#define DMABUF_IMPORTER_ENGINE _IO(DMABUF_IMPORTER_IOC, 0)
#define DMABUF_IMPORTER_ATTACH _IO(DMABUF_IMPORTER_IOC, 1)
#define DMABUF_IMPORTER_DETACH _IO(DMABUF_IMPORTER_IOC, 2)
#define DMABUF_IMPORTER_MAP _IO(DMABUF_IMPORTER_IOC, 3)
#define DMABUF_IMPORTER_UNMAP _IO(DMABUF_IMPORTER_IOC, 4)
#define DMABUF_IMPORTER_SEGMENT _IO(DMABUF_IMPORTER_IOC, 5)
#define DMABUF_IMPORTER_TRANSFER _IO(DMABUF_IMPORTER_IOC, 6)
#define DMABUF_IMPORTER_QUERY _IO(DMABUF_IMPORTER_IOC, 7)

#endif /* _UAPI_DMABUF_CORE_IMPORTER_H */
