/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Between the test modules and the selftests that drive them.  No interface of
 * the project: both sides are built together.
 *
 * Every structure starts with its size, argsz, as on the samples' nodes.  A call
 * into the core reports its result in a member, ret, and not as the ioctl's, so
 * that each errno arrives as it was, also one that a system call would restart.
 */
#ifndef _DMABUF_TEST_UAPI_H
#define _DMABUF_TEST_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define DMABUF_TEST_MISUSE_NODE "/dev/dmabuf-test-misuse"
#define DMABUF_TEST_OPS_NODE "/dev/dmabuf-test-ops"
#define DMABUF_TEST_GUIDE_NODE "/dev/dmabuf-test-guide"
#define DMABUF_TEST_KERNEL_NODE "/dev/dmabuf-test-kernel"
#define DMABUF_TEST_PLACE_NODE "/dev/dmabuf-test-placement"

#define DMABUF_TEST_IOC 0xdd

/**
 * struct dmabuf_test_counts - how often an exporter's ops were called
 * @attach: attach, and it accepted
 * @refused: attach, and it returned an error
 * @detach: detach
 * @map: map_dma_buf, and it returned a scatterlist
 * @unmap: unmap_dma_buf
 * @release: release
 */
struct dmabuf_test_counts {
	__u32 attach;
	__u32 refused;
	__u32 detach;
	__u32 map;
	__u32 unmap;
	__u32 release;
};

/* dmabuf-test-misuse: each case is a function of the module. */
enum dmabuf_test_misuse_case {
	MISUSE_EXPORT_NO_OPS,
	MISUSE_EXPORT_NO_MAP,
	MISUSE_EXPORT_NO_UNMAP,
	MISUSE_EXPORT_NO_RELEASE,
	MISUSE_EXPORT_SIZE_0,
	MISUSE_EXPORT_SIZE_TOO_LARGE,
	MISUSE_EXPORT_UNKNOWN_FLAGS,
	MISUSE_EXPORT_NO_ACCESS_MODE,
	MISUSE_EXPORT_OWNER_GOING,
	MISUSE_EXPORT_PRIV_NULL,
	MISUSE_FD_NULL,
	MISUSE_FD_ERR_PTR,
	MISUSE_FD_WITHOUT_A_FREE_ONE,
	MISUSE_FD_INSTALL_NULL,
	MISUSE_GET_FROM_FD,
	MISUSE_PUT_NULL,
	MISUSE_PUT_ERR_PTR,
	MISUSE_PUT_BEFORE_DETACH,
	MISUSE_PUT_TOO_MANY,
	MISUSE_ATTACH_NULL_BUFFER,
	MISUSE_ATTACH_ERR_PTR_BUFFER,
	MISUSE_ATTACH_NULL_DEVICE,
	MISUSE_ATTACH_DMA_MASK_0,
	MISUSE_ATTACH_DMA_MASK_WITH_HOLES,
	MISUSE_ATTACH_SEG_BOUNDARY_0,
	MISUSE_ATTACH_SEG_BOUNDARY_WITH_HOLES,
	MISUSE_ATTACH_MAX_SEG_SIZE_0,
	MISUSE_ATTACH_MAX_SEGS_0,
	MISUSE_ATTACH_ALIGN_0,
	MISUSE_ATTACH_ALIGN_NOT_A_POWER_OF_TWO,
	MISUSE_DETACH_NULL_BUFFER,
	MISUSE_DETACH_NULL_ATTACHMENT,
	MISUSE_DETACH_ERR_PTR_ATTACHMENT,
	MISUSE_DETACH_FROM_WRONG_BUFFER,
	MISUSE_DETACH_TWICE,
	MISUSE_DETACH_WHILE_MAPPED,
	MISUSE_DETACH_WHILE_MAPPED_TWICE,
	MISUSE_MAP_NULL,
	MISUSE_MAP_ERR_PTR,
	MISUSE_MAP_DIRECTION_NONE,
	MISUSE_MAP_DIRECTION_UNKNOWN,
	MISUSE_MAP_OP_RETURNS_NULL,
	MISUSE_UNMAP_NULL_ATTACHMENT,
	MISUSE_UNMAP_NULL_SGT,
	MISUSE_UNMAP_ERR_PTR_SGT,
	MISUSE_UNMAP_FOREIGN_SGT,
	MISUSE_UNMAP_OF_OTHER_ATTACHMENT,
	MISUSE_UNMAP_TWICE,
	MISUSE_UNMAP_BEFORE_MAP,
	MISUSE_NR,
};

/**
 * struct dmabuf_test_misuse - DMABUF_TEST_MISUSE: call the core wrongly
 * @argsz: in: sizeof(struct dmabuf_test_misuse)
 * @which: in: one of enum dmabuf_test_misuse_case
 * @fd: in: for GET_FROM_FD; 0 otherwise
 * @ret: out: the wrong call's errno; 0 for a NULL of dmabuf_export() and for
 *	calls that return nothing
 * @works: out: 1 if a buffer that was there all the time could be attached,
 *	mapped, written, read, unmapped and detached afterwards, and its list of
 *	attachments was as before; 0 if not
 * @reserved: in: 0
 * @during: out: ops that the wrong call called
 * @caller: out: the function that made the wrong call, with a NUL
 */
struct dmabuf_test_misuse {
	__u32 argsz;
	__u32 which;
	__s32 fd;
	__s32 ret;
	__u32 works;
	__u32 reserved;
	struct dmabuf_test_counts during;
	char caller[48];
};

/**
 * struct dmabuf_test_totals - DMABUF_TEST_TOTALS: since the module was loaded
 * @argsz: in: sizeof(struct dmabuf_test_totals)
 * @exports: out: buffers that were made
 * @counts: out: calls of all ops
 */
struct dmabuf_test_totals {
	__u32 argsz;
	__u32 exports;
	struct dmabuf_test_counts counts;
};

#define DMABUF_TEST_MISUSE _IO(DMABUF_TEST_IOC, 0)
#define DMABUF_TEST_TOTALS _IO(DMABUF_TEST_IOC, 1)

/* dmabuf-test-ops: an exporter that does as it is told, and an importer. */

/* Flags of DMABUF_TEST_EXPORT. */
#define DMABUF_TEST_ATTACH_OP 1	/* has an attach op */
#define DMABUF_TEST_DETACH_OP 2	/* has a detach op */
#define DMABUF_TEST_ONE_WRITER 4	/* many readers, or one writer alone */

#define DMABUF_TEST_DEVICES 2

/**
 * struct dmabuf_test_export - DMABUF_TEST_EXPORT: make a buffer
 * @argsz: in: sizeof(struct dmabuf_test_export)
 * @flags: in: DMABUF_TEST_ATTACH_OP and so on
 * @bytes: in: size, not 0
 * @fd_flags: in: for dmabuf_export()
 * @fd: out: its fd
 * @buffer: out: name for the other ioctls on this open file, also after the
 *	buffer's release; not 0
 * @reserved: in: 0
 */
struct dmabuf_test_export {
	__u32 argsz;
	__u32 flags;
	__u64 bytes;
	__u32 fd_flags;
	__s32 fd;
	__u32 buffer;
	__u32 reserved;
};

/* A value of dmabuf_test_behave.map_error: the op returns NULL. */
#define DMABUF_TEST_MAP_NULL 1

/**
 * struct dmabuf_test_behave - DMABUF_TEST_BEHAVE: tell the exporter what to do
 * @argsz: in: sizeof(struct dmabuf_test_behave)
 * @buffer: in: name
 * @attach_error: in: negative errno that the attach op returns; 0: accept
 * @map_error: in: negative errno that the map op returns, or
 *	DMABUF_TEST_MAP_NULL; 0: map
 * @closed: in: 1: the map op waits until this becomes 0
 * @reserved: in: 0
 */
struct dmabuf_test_behave {
	__u32 argsz;
	__u32 buffer;
	__s32 attach_error;
	__s32 map_error;
	__u32 closed;
	__u32 reserved;
};

/**
 * struct dmabuf_test_constraints - as struct dmabuf_constraints of the core
 * @dma_mask: of the device
 * @seg_boundary: of the device
 * @max_seg_size: bytes
 * @max_segs: segments
 * @align: bytes
 */
struct dmabuf_test_constraints {
	__u64 dma_mask;
	__u64 seg_boundary;
	__u64 max_seg_size;
	__u32 max_segs;
	__u32 align;
};

/**
 * struct dmabuf_test_state - DMABUF_TEST_STATE: what happened to a buffer
 * @argsz: in: sizeof(struct dmabuf_test_state)
 * @buffer: in: name
 * @counts: out: its ops' calls
 * @waiting: out: tasks that wait in its map op now
 * @readers: out: mappings to device now
 * @writers: out: other mappings now
 * @backed_bytes: out: memory behind it, bytes
 * @contiguous: out: 1 if that memory is one piece
 * @collated: out: number of attachments that the first map found
 * @constraints: out: what these need together
 * @release_file_count: out: references of the file, seen by the release op
 * @release_module_refs: out: references of this module, seen by the release op
 * @release_in_process: out: 1 if the release op ran in process context, with
 *	interrupts enabled and no lock held that forbids to sleep
 * @release_intact: out: 1 if size, ops and priv were as exported then
 * @reserved: out: 0
 */
struct dmabuf_test_state {
	__u32 argsz;
	__u32 buffer;
	struct dmabuf_test_counts counts;
	__u32 waiting;
	__u32 readers;
	__u32 writers;
	__u32 contiguous;
	__u64 backed_bytes;
	struct dmabuf_test_constraints constraints;
	__u32 collated;
	__u32 release_file_count;
	__u32 release_module_refs;
	__u32 release_in_process;
	__u32 release_intact;
	__u32 reserved;
};

/* Flags of DMABUF_TEST_ATTACH. */
#define DMABUF_TEST_CONSTRAIN 1

/**
 * struct dmabuf_test_attach - DMABUF_TEST_ATTACH: dmabuf_get(), dmabuf_attach()
 * @argsz: in: sizeof(struct dmabuf_test_attach)
 * @flags: in: 0 or DMABUF_TEST_CONSTRAIN
 * @fd: in: the buffer, of any exporter
 * @device: in: below DMABUF_TEST_DEVICES
 * @constraints: in: with DMABUF_TEST_CONSTRAIN; all zero without
 * @ret: out: 0 or the errno of dmabuf_get() or of the attach
 * @attachment: out: handle, not 0
 */
struct dmabuf_test_attach {
	__u32 argsz;
	__u32 flags;
	__s32 fd;
	__u32 device;
	struct dmabuf_test_constraints constraints;
	__s32 ret;
	__u32 attachment;
};

/**
 * struct dmabuf_test_detach - DMABUF_TEST_DETACH: dmabuf_detach(), dmabuf_put()
 * @argsz: in: sizeof(struct dmabuf_test_detach)
 * @attachment: in: handle
 */
struct dmabuf_test_detach {
	__u32 argsz;
	__u32 attachment;
};

/**
 * struct dmabuf_test_device - DMABUF_TEST_DEVICE: look at a device
 * @argsz: in: sizeof(struct dmabuf_test_device)
 * @device: in: below DMABUF_TEST_DEVICES
 * @references: out: of its struct device
 * @reserved: in: 0
 */
struct dmabuf_test_device {
	__u32 argsz;
	__u32 device;
	__u32 references;
	__u32 reserved;
};

/* Flags of DMABUF_TEST_MAP. */
#define DMABUF_TEST_TIMEOUT 1	/* dmabuf_map_attachment_timeout() */
#define DMABUF_TEST_COPIES 2	/* count what is copied meanwhile */

/* A value of dmabuf_test_map.timeout_ms: MAX_SCHEDULE_TIMEOUT. */
#define DMABUF_TEST_FOREVER 0xffffffff

/**
 * struct dmabuf_test_map - DMABUF_TEST_MAP: dmabuf_map_attachment()
 * @argsz: in: sizeof(struct dmabuf_test_map)
 * @attachment: in: handle
 * @direction: in: enum dma_data_direction
 * @ret: out: 0 or errno
 * @mapping: out: handle, not 0
 * @segments: out: that the device sees
 * @bytes: out: sum of their lengths
 * @address: out: the first one's DMA address
 * @flags: in: 0, DMABUF_TEST_TIMEOUT, DMABUF_TEST_COPIES
 * @timeout_ms: in: with DMABUF_TEST_TIMEOUT; 0: do not wait; DMABUF_TEST_FOREVER
 * @copied_bytes: out: with DMABUF_TEST_COPIES: by the current task inside the
 *	call, into the buffer, in pieces of a page and more
 */
struct dmabuf_test_map {
	__u32 argsz;
	__u32 attachment;
	__u32 direction;
	__s32 ret;
	__u32 mapping;
	__u32 segments;
	__u64 bytes;
	__u64 address;
	__u32 flags;
	__u32 timeout_ms;
	__u64 copied_bytes;
};

/**
 * struct dmabuf_test_unmap - DMABUF_TEST_UNMAP: dmabuf_unmap_attachment()
 * @argsz: in: sizeof(struct dmabuf_test_unmap)
 * @mapping: in: handle
 */
struct dmabuf_test_unmap {
	__u32 argsz;
	__u32 mapping;
};

/**
 * struct dmabuf_test_touch - DMABUF_TEST_TOUCH: what a device would do, by CPU
 * @argsz: in: sizeof(struct dmabuf_test_touch)
 * @mapping: in: handle
 * @write: in: 1: fill the buffer with @value; 0: look at it
 * @value: in: a byte
 * @equal: out: bytes of the buffer that are @value afterwards
 */
struct dmabuf_test_touch {
	__u32 argsz;
	__u32 mapping;
	__u32 write;
	__u32 value;
	__u64 equal;
};

/* Flag of DMABUF_TEST_DROP: a kernel thread does it. */
#define DMABUF_TEST_KTHREAD 1

/**
 * struct dmabuf_test_hold - DMABUF_TEST_HOLD, DMABUF_TEST_DROP: a reference
 * @argsz: in: sizeof(struct dmabuf_test_hold)
 * @flags: in: of DROP: 0 or DMABUF_TEST_KTHREAD
 * @fd: in: of HOLD: the buffer; an open file holds up to one
 * @ret: out: of HOLD: 0 or the errno of dmabuf_get()
 */
struct dmabuf_test_hold {
	__u32 argsz;
	__u32 flags;
	__s32 fd;
	__s32 ret;
};

/**
 * struct dmabuf_test_identify - DMABUF_TEST_IDENTIFY: which buffer is behind an fd
 * @argsz: in: sizeof(struct dmabuf_test_identify)
 * @fd: in: a buffer of any exporter
 * @ret: out: 0 or the errno of dmabuf_get()
 * @kernel: out: 1 if its file is a dma-buf of the kernel's
 * @id: out: as in debugfs
 */
struct dmabuf_test_identify {
	__u32 argsz;
	__s32 fd;
	__s32 ret;
	__u32 kernel;
	__u64 id;
};

/* What DMABUF_TEST_ALLOC and DMABUF_TEST_COST do. */
enum dmabuf_test_op {
	DMABUF_TEST_OP_EXPORT,
	DMABUF_TEST_OP_GET_PUT,
	DMABUF_TEST_OP_ATTACH,
	DMABUF_TEST_OP_MAP,
	DMABUF_TEST_OP_SECOND_MAP,
	DMABUF_TEST_OP_UNMAP,
	DMABUF_TEST_OP_DETACH,
	DMABUF_TEST_OP_NR,
};

/*
 * Flags of DMABUF_TEST_ALLOC and DMABUF_TEST_COST: LAYER: the exporter is on the
 * placement layer, and its storage has been taken before; MAPPED: of ALLOC with
 * LAYER: another attachment has the buffer mapped all the time; NATIVE: of ALLOC: the
 * buffer's file is native.
 */
#define DMABUF_TEST_LAYER 1
#define DMABUF_TEST_MAPPED 2
#define DMABUF_TEST_NATIVE 4

/**
 * struct dmabuf_test_alloc - DMABUF_TEST_ALLOC: watch memory allocations of a call
 * @argsz: in: sizeof(struct dmabuf_test_alloc)
 * @op: in: OP_EXPORT, OP_ATTACH, OP_MAP (map and unmap, one outstanding) or
 *	OP_SECOND_MAP (the same, with another map and unmap in between)
 * @times: in: how often, up to 100000
 * @fail: in: let the nth allocation fail, from 1; 0: none
 * @ret: out: 0, or the errno of the first call that failed; -ENOMEM for a NULL
 *	of dmabuf_export()
 * @allocations: out: by the current task inside the calls
 * @failed: out: 1 if an allocation was made to fail
 * @flags: in: 0, DMABUF_TEST_LAYER, DMABUF_TEST_MAPPED, DMABUF_TEST_NATIVE
 */
struct dmabuf_test_alloc {
	__u32 argsz;
	__u32 op;
	__u32 times;
	__u32 fail;
	__s32 ret;
	__u32 allocations;
	__u32 failed;
	__u32 flags;
};

#define DMABUF_TEST_EXPORT _IO(DMABUF_TEST_IOC, 16)
#define DMABUF_TEST_BEHAVE _IO(DMABUF_TEST_IOC, 17)
#define DMABUF_TEST_STATE _IO(DMABUF_TEST_IOC, 18)
#define DMABUF_TEST_ATTACH _IO(DMABUF_TEST_IOC, 19)
#define DMABUF_TEST_DETACH _IO(DMABUF_TEST_IOC, 20)
#define DMABUF_TEST_DEVICE _IO(DMABUF_TEST_IOC, 21)
#define DMABUF_TEST_MAP _IO(DMABUF_TEST_IOC, 22)
#define DMABUF_TEST_UNMAP _IO(DMABUF_TEST_IOC, 23)
#define DMABUF_TEST_TOUCH _IO(DMABUF_TEST_IOC, 24)
#define DMABUF_TEST_HOLD _IO(DMABUF_TEST_IOC, 25)
#define DMABUF_TEST_DROP _IO(DMABUF_TEST_IOC, 26)
#define DMABUF_TEST_ALLOC _IO(DMABUF_TEST_IOC, 27)
#define DMABUF_TEST_IDENTIFY _IO(DMABUF_TEST_IOC, 28)

/* dmabuf-test-ops and dmabuf-test-kernel: what things cost, ours and theirs. */

/**
 * struct dmabuf_test_cost - DMABUF_TEST_COST: time the calls
 * @argsz: in: sizeof(struct dmabuf_test_cost)
 * @n: in: buffers, attachments and mappings to make, up to 100000
 * @ns: out: for each enum dmabuf_test_op, ns for @n of them; 0: not measured
 * @flags: in: 0 or DMABUF_TEST_LAYER; ignored by dmabuf-test-kernel
 * @reserved: in: 0
 *
 * Everything that it makes is gone when the ioctl has returned.
 */
struct dmabuf_test_cost {
	__u32 argsz;
	__u32 n;
	__u64 ns[DMABUF_TEST_OP_NR];
	__u32 flags;
	__u32 reserved;
};

/**
 * struct dmabuf_test_live - DMABUF_TEST_FDS, _BUFFERS, _ATTACHMENTS: make many
 * @argsz: in: sizeof(struct dmabuf_test_live)
 * @n: in: how many
 * @ns: out: time that it took
 *
 * FDS makes buffers with an fd each, which belong to the caller.  BUFFERS makes
 * buffers that the open file holds, once an open file.  ATTACHMENTS makes n
 * attachments to one of these, once; they go with the open file, too.  The array
 * that holds them is not made of slab memory.
 */
struct dmabuf_test_live {
	__u32 argsz;
	__u32 n;
	__u64 ns;
};

#define DMABUF_TEST_COST _IO(DMABUF_TEST_IOC, 32)
#define DMABUF_TEST_FDS _IO(DMABUF_TEST_IOC, 33)
#define DMABUF_TEST_BUFFERS _IO(DMABUF_TEST_IOC, 34)
#define DMABUF_TEST_ATTACHMENTS _IO(DMABUF_TEST_IOC, 35)

/* dmabuf-test-guide: the six steps in the guide's words. */

/**
 * struct dmabuf_test_guide - DMABUF_TEST_GUIDE_*: one step
 * @argsz: in: sizeof(struct dmabuf_test_guide)
 * @direction: in: of ACCESS: enum dma_data_direction
 * @bytes: in: of EXPORT: size; out: of ACCESS: length of the scatterlist
 * @fd: out: of EXPORT; in: of CONNECT
 * @ret: out: of EXPORT, CONNECT and ACCESS: 0 or errno
 * @value: in: of WRITE and READ: a byte
 * @equal: out: of WRITE and READ: bytes in the buffer that are @value
 */
struct dmabuf_test_guide {
	__u32 argsz;
	__u32 direction;
	__u64 bytes;
	__s32 fd;
	__s32 ret;
	__u32 value;
	__u32 equal;
};

/**
 * struct dmabuf_test_guide_log - DMABUF_TEST_GUIDE_LOG: calls of the exporter's ops
 * @argsz: in: sizeof(struct dmabuf_test_guide_log)
 * @text: out: their names in the order of the calls, a space after each, since
 *	the last EXPORT; ends with a NUL
 */
struct dmabuf_test_guide_log {
	__u32 argsz;
	char text[124];
};

#define DMABUF_TEST_GUIDE_EXPORT _IO(DMABUF_TEST_IOC, 48)
#define DMABUF_TEST_GUIDE_CONNECT _IO(DMABUF_TEST_IOC, 49)
#define DMABUF_TEST_GUIDE_ACCESS _IO(DMABUF_TEST_IOC, 50)
#define DMABUF_TEST_GUIDE_WRITE _IO(DMABUF_TEST_IOC, 51)
#define DMABUF_TEST_GUIDE_READ _IO(DMABUF_TEST_IOC, 52)
#define DMABUF_TEST_GUIDE_END _IO(DMABUF_TEST_IOC, 53)
#define DMABUF_TEST_GUIDE_DISCONNECT _IO(DMABUF_TEST_IOC, 54)
#define DMABUF_TEST_GUIDE_LOG _IO(DMABUF_TEST_IOC, 55)

/*
 * dmabuf-test-placement: an exporter on the placement layer that does as it is
 * told.  Its memory is real, and where it claims to lie is made up: one block
 * below DMABUF_TEST_PLACE_BLOCK_BITS if not all pages may be segments of their
 * own, scattered pages anywhere otherwise.
 */

#define DMABUF_TEST_PLACE_BLOCK_BITS 36

enum dmabuf_test_place_op {
	DMABUF_TEST_PLACE_ALLOC,
	DMABUF_TEST_PLACE_FREE,
	DMABUF_TEST_PLACE_MAP,
	DMABUF_TEST_PLACE_UNMAP,
	DMABUF_TEST_PLACE_MOVE,
	DMABUF_TEST_PLACE_ZAP,
	DMABUF_TEST_PLACE_SERVES,
	DMABUF_TEST_PLACE_POSSIBLE,
	DMABUF_TEST_PLACE_OP_NR,
};

/* Flags of DMABUF_TEST_PLACE_EXPORT: the optional ops that the exporter has. */
#define DMABUF_TEST_PLACE_HAS_MOVE 1
#define DMABUF_TEST_PLACE_HAS_ZAP 2
#define DMABUF_TEST_PLACE_HAS_SERVES 4
#define DMABUF_TEST_PLACE_HAS_POSSIBLE 8
#define DMABUF_TEST_PLACE_HAS_ALL 15

/**
 * struct dmabuf_test_place_export - DMABUF_TEST_PLACE_EXPORT: make a buffer
 * @argsz: in: sizeof(struct dmabuf_test_place_export)
 * @flags: in: DMABUF_TEST_PLACE_HAS_MOVE and so on
 * @bytes: in: size, not 0
 * @policy: in: for dmabuf_placement_set_policy()
 * @ret: out: what that answered; there is no buffer if not 0
 * @fd: out: its fd
 * @buffer: out: name for the other ioctls on this open file, also after the
 *	buffer's release; not 0
 */
struct dmabuf_test_place_export {
	__u32 argsz;
	__u32 flags;
	__u64 bytes;
	__u32 policy;
	__s32 ret;
	__s32 fd;
	__u32 buffer;
};

/**
 * struct dmabuf_test_place_behave - DMABUF_TEST_PLACE_BEHAVE: tell the ops what to do
 * @argsz: in: sizeof(struct dmabuf_test_place_behave)
 * @buffer: in: name
 * @errors: in: for each op, negative errno that it returns; 0: do it.  SERVES and
 *	POSSIBLE say no if it is not 0; FREE, UNMAP and ZAP cannot fail
 * @hold: in: bits of ops that wait until their bit is taken away: ALLOC, MAP,
 *	SERVES and POSSIBLE before they do anything, MOVE half way
 * @killable: in: bits of ops whose wait ends with -EINTR when the task is killed
 * @passes: in: how many of the calls that came since @hold was changed go on
 *	nevertheless, the oldest first
 */
struct dmabuf_test_place_behave {
	__u32 argsz;
	__u32 buffer;
	__s32 errors[DMABUF_TEST_PLACE_OP_NR];
	__u32 hold;
	__u32 killable;
	__u32 passes;
};

/**
 * struct dmabuf_test_place_state - DMABUF_TEST_PLACE_STATE: what happened to a buffer
 * @argsz: in: sizeof(struct dmabuf_test_place_state)
 * @buffer: in: name
 * @counts: out: calls of each op that have returned
 * @held: out: bits of ops that wait now
 * @held_calls: out: how many calls of them
 * @faults: out: CPU faults that look for the storage now
 * @live: out: storages that are not freed
 * @mapped: out: mappings of devices now
 * @released: out: calls of the release op
 * @broken: out: times that the layer did what it promises not to do; logged
 * @reserved: out: 0
 * @needs: out: what the last alloc was asked for
 */
struct dmabuf_test_place_state {
	__u32 argsz;
	__u32 buffer;
	__u32 counts[DMABUF_TEST_PLACE_OP_NR];
	__u32 held;
	__u32 held_calls;
	__u32 faults;
	__u32 live;
	__u32 mapped;
	__u32 released;
	__u32 broken;
	__u32 reserved;
	struct dmabuf_test_constraints needs;
};

/**
 * struct dmabuf_test_place_log - DMABUF_TEST_PLACE_LOG: the ops in their order
 * @argsz: in: sizeof(struct dmabuf_test_place_log)
 * @buffer: in: name
 * @text: out: one word for each call that has returned since the last LOG, a space
 *	between two, storages by number from 1: "alloc1", "map1", "unmap1",
 *	"alloc2<1" (in a move from 1), "zap", "move1>2", "free1"; an op that failed
 *	has a "!": "alloc!", "alloc!<1", "map!1", "move!1>2"
 *
 * serves and possible are not in it.
 */
struct dmabuf_test_place_log {
	__u32 argsz;
	__u32 buffer;
	char text[184];
};

/**
 * struct dmabuf_test_place_query - DMABUF_TEST_PLACE_QUERY: dmabuf_placement_query()
 * @argsz: in: sizeof(struct dmabuf_test_place_query)
 * @fd: in: a buffer of any exporter
 * @ret: out: what the core answered
 * @state: out: enum dmabuf_placement_state
 * @policy: out
 * @readers: out
 * @writers: out
 * @waiting: out
 * @bits: out
 * @chunks: out
 * @move_attachment: out: who asked for the last move
 * @move_which: out: enum dmabuf_constraint that forced it
 * @refusal_error: out: the last refusal
 * @refusal_which: out: its constraint
 * @allocs: out
 * @moves: out
 * @failures: out
 * @stalls: out
 * @moved_bytes: out
 * @move_allowed: out
 * @move_actual: out
 * @refusal_allowed: out
 * @refusal_actual: out
 * @move_device: out
 * @refusal_device: out
 */
struct dmabuf_test_place_query {
	__u32 argsz;
	__s32 fd;
	__s32 ret;
	__u32 state;
	__u32 policy;
	__u32 readers;
	__u32 writers;
	__u32 waiting;
	__u32 bits;
	__u32 chunks;
	__u32 move_attachment;
	__u32 move_which;
	__s32 refusal_error;
	__u32 refusal_which;
	__u64 allocs;
	__u64 moves;
	__u64 failures;
	__u64 stalls;
	__u64 moved_bytes;
	__u64 move_allowed;
	__u64 move_actual;
	__u64 refusal_allowed;
	__u64 refusal_actual;
	char move_device[24];
	char refusal_device[24];
};

/* Ops that dmabuf_export() must refuse. */
enum dmabuf_test_place_wrong_case {
	DMABUF_TEST_PLACE_AND_MAP,	/* the layer's and map_dma_buf */
	DMABUF_TEST_PLACE_AND_UNMAP,	/* the layer's and unmap_dma_buf */
	DMABUF_TEST_PLACE_NO_ALLOC,
	DMABUF_TEST_PLACE_NO_FREE,
	DMABUF_TEST_PLACE_NO_MAP,
	DMABUF_TEST_PLACE_NO_UNMAP,
	DMABUF_TEST_PLACE_WRONG_NR,
};

/**
 * struct dmabuf_test_place_wrong - DMABUF_TEST_PLACE_WRONG: export with wrong ops
 * @argsz: in: sizeof(struct dmabuf_test_place_wrong)
 * @which: in: one of enum dmabuf_test_place_wrong_case
 * @made: out: 1 if there was a buffer nevertheless; it is gone again
 * @reserved: in: 0
 * @caller: out: the function that called dmabuf_export(), with a NUL
 */
struct dmabuf_test_place_wrong {
	__u32 argsz;
	__u32 which;
	__u32 made;
	__u32 reserved;
	char caller[48];
};

/* A buffer is at this offset of the node, times its fd. */
#define DMABUF_TEST_PLACE_MMAP_SHIFT 32

#define DMABUF_TEST_PLACE_EXPORT _IO(DMABUF_TEST_IOC, 64)
#define DMABUF_TEST_PLACE_BEHAVE _IO(DMABUF_TEST_IOC, 65)
#define DMABUF_TEST_PLACE_STATE _IO(DMABUF_TEST_IOC, 66)
#define DMABUF_TEST_PLACE_LOG _IO(DMABUF_TEST_IOC, 67)
#define DMABUF_TEST_PLACE_QUERY _IO(DMABUF_TEST_IOC, 68)
#define DMABUF_TEST_PLACE_WRONG _IO(DMABUF_TEST_IOC, 69)

#endif /* _DMABUF_TEST_UAPI_H */
