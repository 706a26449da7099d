/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Between dmabuf-test-cpu and the selftests that drive it.  The rules are those of
 * test-uapi.h.
 *
 * The module has an exporter whose ops for the CPU's access do as they are told and
 * count, calls of the core as a driver makes them, for buffers of any exporter, and
 * devices that are not coherent with the CPU: each works on a view of its own, which
 * the DMA API's syncs alone bring together with memory.
 */
#ifndef _DMABUF_TEST_UAPI_CPU_H
#define _DMABUF_TEST_UAPI_CPU_H

#include "test-uapi.h"

#define DMABUF_TEST_CPU_NODE "/dev/dmabuf-test-cpu"

enum dmabuf_test_cpu_op {
	DMABUF_TEST_CPU_BEGIN,
	DMABUF_TEST_CPU_END,
	DMABUF_TEST_CPU_MMAP,
	DMABUF_TEST_CPU_VMAP,
	DMABUF_TEST_CPU_VUNMAP,
	DMABUF_TEST_CPU_MOVE,
	DMABUF_TEST_CPU_OP_NR,
};

/* Flags of DMABUF_TEST_CPU_EXPORT: the optional ops that the exporter has. */
#define DMABUF_TEST_CPU_HAS_BEGIN 1
#define DMABUF_TEST_CPU_HAS_END 2
#define DMABUF_TEST_CPU_HAS_MMAP 4
#define DMABUF_TEST_CPU_HAS_VMAP 8	/* and vunmap */
#define DMABUF_TEST_CPU_HAS_ALL 15
#define DMABUF_TEST_CPU_LAYER 16	/* on the placement layer, with move */

/**
 * struct dmabuf_test_cpu_export - DMABUF_TEST_CPU_EXPORT: make a buffer
 * @argsz: in: sizeof(struct dmabuf_test_cpu_export)
 * @flags: in: DMABUF_TEST_CPU_HAS_BEGIN and so on
 * @bytes: in: size, not 0
 * @policy: in: for dmabuf_placement_set_policy(); 0 without the layer
 * @fd_flags: in: for dmabuf_export()
 * @fd: out: its fd
 * @buffer: out: name for the other ioctls on this open file, also after the
 *	buffer's release; not 0
 */
struct dmabuf_test_cpu_export {
	__u32 argsz;
	__u32 flags;
	__u64 bytes;
	__u32 policy;
	__u32 fd_flags;
	__s32 fd;
	__u32 buffer;
};

/**
 * struct dmabuf_test_cpu_behave - DMABUF_TEST_CPU_BEHAVE: tell the ops what to do
 * @argsz: in: sizeof(struct dmabuf_test_cpu_behave)
 * @buffer: in: name
 * @errors: in: for each op, negative errno that it returns; 0: do it.  VUNMAP
 *	cannot fail
 * @hold: in: bits of ops that wait half way until their bit is taken away: MOVE
 *	and VMAP
 * @reserved: in: 0
 */
struct dmabuf_test_cpu_behave {
	__u32 argsz;
	__u32 buffer;
	__s32 errors[DMABUF_TEST_CPU_OP_NR];
	__u32 hold;
	__u32 reserved;
};

/**
 * struct dmabuf_test_cpu_state - DMABUF_TEST_CPU_STATE: what happened to a buffer
 * @argsz: in: sizeof(struct dmabuf_test_cpu_state)
 * @buffer: in: name
 * @counts: out: calls of each op, those included that were told to fail
 * @begun: out: calls of the begin op by enum dma_data_direction
 * @ended: out: calls of the end op likewise
 * @held: out: bits of ops that wait now
 * @vmapped: out: vmaps that the exporter has given and not got back
 * @live: out: storages that are not freed
 * @released: out: calls of the release op
 * @broken: out: times that the core did what it promises not to do; logged
 * @reserved: out: 0
 */
struct dmabuf_test_cpu_state {
	__u32 argsz;
	__u32 buffer;
	__u32 counts[DMABUF_TEST_CPU_OP_NR];
	__u32 begun[3];
	__u32 ended[3];
	__u32 held;
	__u32 vmapped;
	__u32 live;
	__u32 released;
	__u32 broken;
	__u32 reserved;
};

/**
 * struct dmabuf_test_cpu_access - DMABUF_TEST_CPU_ACCESS: dmabuf_begin_cpu_access()
 *	or dmabuf_end_cpu_access()
 * @argsz: in: sizeof(struct dmabuf_test_cpu_access)
 * @fd: in: a buffer of any exporter
 * @direction: in: enum dma_data_direction
 * @end: in: 1: end, 0: begin
 * @ret: out: what the core answered
 */
struct dmabuf_test_cpu_access {
	__u32 argsz;
	__s32 fd;
	__u32 direction;
	__u32 end;
	__s32 ret;
};

/**
 * struct dmabuf_test_cpu_vmap - DMABUF_TEST_CPU_VMAP_FD: dmabuf_vmap()
 * @argsz: in: sizeof(struct dmabuf_test_cpu_vmap)
 * @fd: in: a buffer of any exporter, to which the handle has a reference
 * @ret: out: what the core answered
 * @handle: out: not 0; there is none after an error
 * @cleared: out: 1 if there is no address in the map that the core was given
 */
struct dmabuf_test_cpu_vmap {
	__u32 argsz;
	__s32 fd;
	__s32 ret;
	__u32 handle;
	__u32 cleared;
};

/**
 * struct dmabuf_test_cpu_vunmap - DMABUF_TEST_CPU_VUNMAP_HANDLE: dmabuf_vunmap()
 * @argsz: in: sizeof(struct dmabuf_test_cpu_vunmap)
 * @handle: in
 */
struct dmabuf_test_cpu_vunmap {
	__u32 argsz;
	__u32 handle;
};

/**
 * struct dmabuf_test_cpu_touch - DMABUF_TEST_CPU_TOUCH, _DEVICE: look at the bytes
 * @argsz: in: sizeof(struct dmabuf_test_cpu_touch)
 * @handle: in: of VMAP_FD: by the kernel's address; or of MAP: as the device sees it
 * @offset: in: bytes
 * @bytes: in: how many; within the buffer
 * @write: in: 1: fill them with @value; 0: look at them
 * @value: in: a byte
 * @equal: out: how many of them are @value afterwards
 */
struct dmabuf_test_cpu_touch {
	__u32 argsz;
	__u32 handle;
	__u64 offset;
	__u64 bytes;
	__u32 write;
	__u32 value;
	__u64 equal;
};

/**
 * struct dmabuf_test_cpu_mmap - DMABUF_TEST_CPU_MMAP_FD: let mmap() call dmabuf_mmap()
 * @argsz: in: sizeof(struct dmabuf_test_cpu_mmap)
 * @fd: in: a buffer of any exporter; -1: none, as it was at first
 * @pgoff: in: for dmabuf_mmap(); the offset that mmap() is given does not matter
 *
 * From now on a mmap() of this open file maps that buffer, in the way of a driver
 * that has a mmap of its own.
 */
struct dmabuf_test_cpu_mmap {
	__u32 argsz;
	__s32 fd;
	__u64 pgoff;
};

/* Calls that the core must refuse, with a line in the log. */
enum dmabuf_test_cpu_wrong_case {
	DMABUF_TEST_CPU_BEGIN_NULL,
	DMABUF_TEST_CPU_BEGIN_ERR_PTR,
	DMABUF_TEST_CPU_BEGIN_DIRECTION_NONE,
	DMABUF_TEST_CPU_BEGIN_DIRECTION_UNKNOWN,
	DMABUF_TEST_CPU_END_NULL,
	DMABUF_TEST_CPU_END_ERR_PTR,
	DMABUF_TEST_CPU_END_DIRECTION_NONE,
	DMABUF_TEST_CPU_MMAP_NULL,
	DMABUF_TEST_CPU_MMAP_NULL_VMA,
	DMABUF_TEST_CPU_VMAP_NULL,
	DMABUF_TEST_CPU_VMAP_ERR_PTR,
	DMABUF_TEST_CPU_VMAP_NULL_MAP,
	DMABUF_TEST_CPU_VUNMAP_NULL,
	DMABUF_TEST_CPU_VUNMAP_ERR_PTR,
	DMABUF_TEST_CPU_VUNMAP_NULL_MAP,
	DMABUF_TEST_CPU_VUNMAP_NOT_VMAPPED,
	DMABUF_TEST_CPU_EXPORT_VMAP_ALONE,	/* vmap without vunmap */
	DMABUF_TEST_CPU_EXPORT_LAYER_VMAP_ALONE,
	DMABUF_TEST_CPU_EXPORT_LAYER_AND_VMAP,	/* the layer's exporter, and vmap of its own */
	DMABUF_TEST_CPU_WRONG_NR,
};

/**
 * struct dmabuf_test_cpu_wrong - DMABUF_TEST_CPU_WRONG: call the core wrongly
 * @argsz: in: sizeof(struct dmabuf_test_cpu_wrong)
 * @which: in: enum dmabuf_test_cpu_wrong_case
 * @fd: in: a buffer, for the cases that need one
 * @ret: out: what the core answered; 0 for what returns nothing; of an export
 *	-EINVAL for NULL, 0 for a buffer, which is gone again
 * @caller: out: the function that made the call, with a NUL
 */
struct dmabuf_test_cpu_wrong {
	__u32 argsz;
	__u32 which;
	__s32 fd;
	__s32 ret;
	char caller[48];
};

#define DMABUF_TEST_CPU_DEVICES 3

/**
 * struct dmabuf_test_cpu_map - DMABUF_TEST_CPU_MAP: get, attach and map a buffer
 * @argsz: in: sizeof(struct dmabuf_test_cpu_map)
 * @fd: in: a buffer of any exporter
 * @device: in: below DMABUF_TEST_CPU_DEVICES; none of them is coherent
 * @direction: in: enum dma_data_direction
 * @ret: out: what the core answered
 * @handle: out: not 0; there is none after an error
 */
struct dmabuf_test_cpu_map {
	__u32 argsz;
	__s32 fd;
	__u32 device;
	__u32 direction;
	__s32 ret;
	__u32 handle;
};

/**
 * struct dmabuf_test_cpu_unmap - DMABUF_TEST_CPU_UNMAP: unmap, detach, put
 * @argsz: in: sizeof(struct dmabuf_test_cpu_unmap)
 * @handle: in: of MAP
 */
struct dmabuf_test_cpu_unmap {
	__u32 argsz;
	__u32 handle;
};

/**
 * struct dmabuf_test_cpu_syncs - DMABUF_TEST_CPU_SYNCS: what the DMA API did
 * @argsz: in: sizeof(struct dmabuf_test_cpu_syncs)
 * @device: in: below DMABUF_TEST_CPU_DEVICES
 * @for_cpu: out: syncs for the CPU since the module was loaded
 * @for_device: out: syncs for the device likewise
 * @mapped: out: mappings now
 * @supported: out: 1 if the kernel lets a single device have DMA ops of its own;
 *	without, these devices are coherent
 */
struct dmabuf_test_cpu_syncs {
	__u32 argsz;
	__u32 device;
	__u64 for_cpu;
	__u64 for_device;
	__u32 mapped;
	__u32 supported;
};

/**
 * struct dmabuf_test_cpu_log - DMABUF_TEST_CPU_LOG: the ops in their order
 * @argsz: in: sizeof(struct dmabuf_test_cpu_log)
 * @buffer: in: name
 * @text: out: one word for each call that has returned since the last LOG, a space
 *	between two, storages by number from 1: "alloc1", "map1", "unmap1", "vmap1",
 *	"vunmap1", "move1>2", "free1"; an op that failed has a "!" behind its name
 */
struct dmabuf_test_cpu_log {
	__u32 argsz;
	__u32 buffer;
	char text[184];
};

#define DMABUF_TEST_CPU_EXPORT _IO(DMABUF_TEST_IOC, 96)
#define DMABUF_TEST_CPU_BEHAVE _IO(DMABUF_TEST_IOC, 97)
#define DMABUF_TEST_CPU_STATE _IO(DMABUF_TEST_IOC, 98)
#define DMABUF_TEST_CPU_LOG _IO(DMABUF_TEST_IOC, 99)
#define DMABUF_TEST_CPU_ACCESS _IO(DMABUF_TEST_IOC, 100)
#define DMABUF_TEST_CPU_VMAP_FD _IO(DMABUF_TEST_IOC, 101)
#define DMABUF_TEST_CPU_VUNMAP_HANDLE _IO(DMABUF_TEST_IOC, 102)
#define DMABUF_TEST_CPU_TOUCH _IO(DMABUF_TEST_IOC, 103)
#define DMABUF_TEST_CPU_MMAP_FD _IO(DMABUF_TEST_IOC, 104)
#define DMABUF_TEST_CPU_WRONG _IO(DMABUF_TEST_IOC, 105)
#define DMABUF_TEST_CPU_MAP _IO(DMABUF_TEST_IOC, 106)
#define DMABUF_TEST_CPU_UNMAP _IO(DMABUF_TEST_IOC, 107)
#define DMABUF_TEST_CPU_DEVICE _IO(DMABUF_TEST_IOC, 108)
#define DMABUF_TEST_CPU_SYNCS _IO(DMABUF_TEST_IOC, 109)

#endif /* _DMABUF_TEST_UAPI_CPU_H */
