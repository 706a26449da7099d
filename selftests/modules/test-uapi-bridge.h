/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Between dmabuf-test-bridge, which imports and exports by the kernel's own dma-buf
 * and knows nothing of dmabuf-core, and the selftests that drive it.  Rules as in
 * test-uapi.h: a call of the kernel's dma-buf has its result in a member, ret.
 *
 * Handles belong to the open file; when it is closed, also by the death of the
 * process, everything is undone: vmaps, mappings, attachments, and its fences are
 * signalled.
 */
#ifndef _DMABUF_TEST_UAPI_BRIDGE_H
#define _DMABUF_TEST_UAPI_BRIDGE_H

#include <linux/ioctl.h>
#include <linux/types.h>

#include "test-uapi.h"

#define DMABUF_TEST_BRIDGE_NODE "/dev/dmabuf-test-bridge"

/* The importer */

/**
 * struct dmabuf_test_bridge_device - DMABUF_TEST_BRIDGE_DEVICE: make a device
 * @argsz: in: sizeof(struct dmabuf_test_bridge_device)
 * @bits: in: of its DMA mask, 1 to 64
 * @max_seg_size: in: bytes; 0: what a device has that says nothing
 * @seg_boundary: in: mask; 0: what a device has that says nothing
 * @device: out: handle, for ATTACH
 * @reserved: in: 0
 * @name: out: the device's name in sysfs
 */
struct dmabuf_test_bridge_device {
	__u32 argsz;
	__u32 bits;
	__u64 max_seg_size;
	__u64 seg_boundary;
	__u32 device;
	__u32 reserved;
	char name[32];
};

/*
 * Flags.  LOCKED, of MAP, UNMAP, VMAP, VUNMAP: hold the dma-buf's reservation lock
 * in the call, as all must since 6.2; without it the call takes the lock itself, if
 * it needs it.  DYNAMIC, of ATTACH: as an importer that follows moves does it, whose
 * mapping is made at attach if the exporter does not tell of moves.
 */
#define DMABUF_TEST_BRIDGE_LOCKED 1
#define DMABUF_TEST_BRIDGE_DYNAMIC 2

/**
 * struct dmabuf_test_bridge_attach - DMABUF_TEST_BRIDGE_ATTACH: get and attach
 * @argsz: in: sizeof(struct dmabuf_test_bridge_attach)
 * @flags: in: 0 or DYNAMIC
 * @fd: in: the dma-buf
 * @device: in: handle
 * @attachment: out: handle
 * @ret: out: 0, or the errno of dma_buf_get() or dma_buf_attach()
 */
struct dmabuf_test_bridge_attach {
	__u32 argsz;
	__u32 flags;
	__s32 fd;
	__u32 device;
	__u32 attachment;
	__s32 ret;
};

/**
 * struct dmabuf_test_bridge_map - DMABUF_TEST_BRIDGE_MAP: map an attachment
 * @argsz: in: sizeof(struct dmabuf_test_bridge_map)
 * @flags: in: 0 or LOCKED
 * @attachment: in: handle
 * @direction: in: enum dma_data_direction, not checked
 * @mapping: out: handle
 * @segments: out: for the device
 * @bytes: out: length of all segments
 * @first: out: lowest bus address
 * @last: out: highest bus address
 * @longest: out: bytes of the longest segment
 * @ret: out: 0, or the errno
 * @reserved: in: 0
 */
struct dmabuf_test_bridge_map {
	__u32 argsz;
	__u32 flags;
	__u32 attachment;
	__u32 direction;
	__u32 mapping;
	__u32 segments;
	__u64 bytes;
	__u64 first;
	__u64 last;
	__u64 longest;
	__s32 ret;
	__u32 reserved;
};

/**
 * struct dmabuf_test_bridge_handle - DMABUF_TEST_BRIDGE_UNMAP, _DETACH, _VUNMAP: undo
 * @argsz: in: sizeof(struct dmabuf_test_bridge_handle)
 * @flags: in: of UNMAP and VUNMAP: 0 or LOCKED
 * @handle: in: is gone afterwards
 * @reserved: in: 0
 *
 * DETACH also works while there are mappings: these are then forgotten, with their
 * handles, as by a driver that never unmaps.
 */
struct dmabuf_test_bridge_handle {
	__u32 argsz;
	__u32 flags;
	__u32 handle;
	__u32 reserved;
};

/**
 * struct dmabuf_test_bridge_vmap - DMABUF_TEST_BRIDGE_VMAP: get, and an address
 * @argsz: in: sizeof(struct dmabuf_test_bridge_vmap)
 * @flags: in: 0 or LOCKED
 * @fd: in: the dma-buf
 * @vmap: out: handle
 * @ret: out: 0, or the errno
 * @reserved: in: 0
 */
struct dmabuf_test_bridge_vmap {
	__u32 argsz;
	__u32 flags;
	__s32 fd;
	__u32 vmap;
	__s32 ret;
	__u32 reserved;
};

/**
 * struct dmabuf_test_bridge_bytes - DMABUF_TEST_BRIDGE_READ, _WRITE: by the CPU
 * @argsz: in: sizeof(struct dmabuf_test_bridge_bytes)
 * @mapping: in: handle of a mapping: at the addresses that the device sees; or 0
 * @vmap: in: handle of a vmap, without @mapping; or 0
 * @reserved: in: 0
 * @offset: in: in the buffer, bytes
 * @bytes: in: how many
 * @user: in: from, or to where
 */
struct dmabuf_test_bridge_bytes {
	__u32 argsz;
	__u32 mapping;
	__u32 vmap;
	__u32 reserved;
	__u64 offset;
	__u64 bytes;
	__u64 user;
};

/**
 * struct dmabuf_test_bridge_access - DMABUF_TEST_BRIDGE_BEGIN, _END: of CPU access
 * @argsz: in: sizeof(struct dmabuf_test_bridge_access)
 * @fd: in: the dma-buf
 * @direction: in: enum dma_data_direction
 * @ret: out: 0, or the errno
 */
struct dmabuf_test_bridge_access {
	__u32 argsz;
	__s32 fd;
	__u32 direction;
	__s32 ret;
};

/* Of a fence: enum dma_resv_usage. */
enum dmabuf_test_bridge_usage {
	DMABUF_TEST_BRIDGE_USAGE_KERNEL,
	DMABUF_TEST_BRIDGE_USAGE_WRITE,
	DMABUF_TEST_BRIDGE_USAGE_READ,
	DMABUF_TEST_BRIDGE_USAGE_BOOKKEEP,
};

/**
 * struct dmabuf_test_bridge_fence - DMABUF_TEST_BRIDGE_FENCE: leave a fence
 * @argsz: in: sizeof(struct dmabuf_test_bridge_fence)
 * @fd: in: the dma-buf
 * @usage: in: enum dmabuf_test_bridge_usage
 * @signal_ms: in: it signals by itself after so many ms; 0: it does not
 * @fence: out: handle
 * @ret: out: 0, or the errno of dma_buf_get()
 */
struct dmabuf_test_bridge_fence {
	__u32 argsz;
	__s32 fd;
	__u32 usage;
	__u32 signal_ms;
	__u32 fence;
	__s32 ret;
};

/**
 * struct dmabuf_test_bridge_signal - DMABUF_TEST_BRIDGE_SIGNAL, _SIGNALLED
 * @argsz: in: sizeof(struct dmabuf_test_bridge_signal)
 * @fence: in: handle; stays
 * @signalled: out: 1 if the fence had been signalled before
 * @reserved: in: 0
 */
struct dmabuf_test_bridge_signal {
	__u32 argsz;
	__u32 fence;
	__u32 signalled;
	__u32 reserved;
};

/* The exporter */

/*
 * Flags of DMABUF_TEST_BRIDGE_EXPORT: LOW: within the reach of 24 address bits, or
 * whatever this architecture has lowest; CONTIG: in one piece.  Without that no two
 * pages that follow each other in the buffer do so in memory.
 */
#define DMABUF_TEST_BRIDGE_LOW 1
#define DMABUF_TEST_BRIDGE_CONTIG 2

/**
 * struct dmabuf_test_bridge_export - DMABUF_TEST_BRIDGE_EXPORT: make a dma-buf
 * @argsz: in: sizeof(struct dmabuf_test_bridge_export)
 * @flags: in: LOW, CONTIG
 * @bytes: in: up to 1 MiB; in whole pages
 * @fd: out: O_CLOEXEC
 * @buffer: out: handle, for BEHAVE and COUNTS; does not keep the dma-buf
 */
struct dmabuf_test_bridge_export {
	__u32 argsz;
	__u32 flags;
	__u64 bytes;
	__s32 fd;
	__u32 buffer;
};

/**
 * struct dmabuf_test_bridge_behave - DMABUF_TEST_BRIDGE_BEHAVE: what ops return
 * @argsz: in: sizeof(struct dmabuf_test_bridge_behave)
 * @buffer: in: handle
 * @attach_error: in: errno, negative, of the attach op; 0: it succeeds
 * @map_error: in: the same of the map op
 */
struct dmabuf_test_bridge_behave {
	__u32 argsz;
	__u32 buffer;
	__s32 attach_error;
	__s32 map_error;
};

/**
 * struct dmabuf_test_bridge_counts - DMABUF_TEST_BRIDGE_COUNTS: calls of ops
 * @argsz: in: sizeof(struct dmabuf_test_bridge_counts)
 * @buffer: in: handle; 0: all buffers since the module was loaded
 * @exported: out: buffers made: 1, if not of all
 * @reserved: in: 0
 * @counts: out: of its ops
 */
struct dmabuf_test_bridge_counts {
	__u32 argsz;
	__u32 buffer;
	__u32 exported;
	__u32 reserved;
	struct dmabuf_test_counts counts;
};

#define DMABUF_TEST_BRIDGE_DEVICE _IO(DMABUF_TEST_IOC, 96)
#define DMABUF_TEST_BRIDGE_ATTACH _IO(DMABUF_TEST_IOC, 97)
#define DMABUF_TEST_BRIDGE_DETACH _IO(DMABUF_TEST_IOC, 98)
#define DMABUF_TEST_BRIDGE_MAP _IO(DMABUF_TEST_IOC, 99)
#define DMABUF_TEST_BRIDGE_UNMAP _IO(DMABUF_TEST_IOC, 100)
#define DMABUF_TEST_BRIDGE_VMAP _IO(DMABUF_TEST_IOC, 101)
#define DMABUF_TEST_BRIDGE_VUNMAP _IO(DMABUF_TEST_IOC, 102)
#define DMABUF_TEST_BRIDGE_READ _IO(DMABUF_TEST_IOC, 103)
#define DMABUF_TEST_BRIDGE_WRITE _IO(DMABUF_TEST_IOC, 104)
#define DMABUF_TEST_BRIDGE_BEGIN _IO(DMABUF_TEST_IOC, 105)
#define DMABUF_TEST_BRIDGE_END _IO(DMABUF_TEST_IOC, 106)
#define DMABUF_TEST_BRIDGE_FENCE _IO(DMABUF_TEST_IOC, 107)
#define DMABUF_TEST_BRIDGE_SIGNAL _IO(DMABUF_TEST_IOC, 108)
#define DMABUF_TEST_BRIDGE_SIGNALLED _IO(DMABUF_TEST_IOC, 109)
#define DMABUF_TEST_BRIDGE_EXPORT _IO(DMABUF_TEST_IOC, 110)
#define DMABUF_TEST_BRIDGE_BEHAVE _IO(DMABUF_TEST_IOC, 111)
#define DMABUF_TEST_BRIDGE_COUNTS _IO(DMABUF_TEST_IOC, 112)

/*
 * Flag of DMABUF_TEST_COST on dmabuf-test-kernel, beside DMABUF_TEST_LAYER: the
 * same calls of the kernel's dma-buf, and the exporter is one of dmabuf-core.
 */
#define DMABUF_TEST_BRIDGED 4

#endif /* _DMABUF_TEST_UAPI_BRIDGE_H */
