/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sample exporter, private.
 *
 *	exporter.c	module, misc device, ioctls
 *	heap.c		the same memory for programs written for dma-heaps
 *	account.c	limits, and what counts against them
 *	device.c	the platform device and its memory region
 *	buffer.c	a buffer, its dmabuf_ops and dmabuf_placement_ops
 *	mmap.c		offsets, VMAs, faults
 *	backing.c	memory: allocate, free
 *	search.c	pages of the page allocator, below any address
 *	reach.c		what memory a device needs and reaches, cut into segments
 *	mapping.c	sg tables, mapped for a device
 *	cpu.c		a CPU's access in between, and addresses for the kernel
 *
 * Locks, outermost first:
 *
 *	mmap_lock (of a fault or an mmap)
 *	the storage of a buffer (dmabuf_storage_lock(), or a move)
 *	dmabuf_sample.node_lock
 *	i_mmap_rwsem of the node (its page table entries are torn down)
 *
 *	the storage of a buffer (dmabuf_storage_lock())
 *	dmabuf_backing.lock
 *
 *	mmap_lock
 *	dmabuf_sample.device_lock
 *	dmabuf_backing.lock, or the lock of searches
 *
 * dmabuf_sample_buffer.lock and the locks of the xarrays are innermost: nothing is
 * taken under them but, under the former, the latter.
 */
#ifndef _DMABUF_EXPORTER_INTERNAL_H
#define _DMABUF_EXPORTER_INTERNAL_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/dma-direction.h>
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/path.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/scatterlist.h>
#include <linux/types.h>
#include <linux/xarray.h>

#include <dmabuf-core/dmabuf.h>
#include <dmabuf-core/exporter.h>
#include <dmabuf-core/placement.h>

struct address_space;
struct device;
struct file;
struct iosys_map;
struct page;
struct vm_area_struct;

/*
 * Each buffer that is mmapped has one slot of the node's offsets, large enough
 * for any buffer: 1 TiB, or 2 GiB where an offset is a 32-bit number of pages.
 * Slot 0 is nobody's.  The last slot still ends below the largest loff_t.
 */
#define DMABUF_SAMPLE_SLOT_PAGES_SHIFT (BITS_PER_LONG == 64 ? 28 : 19)
#define DMABUF_SAMPLE_SLOT_PAGES BIT(DMABUF_SAMPLE_SLOT_PAGES_SHIFT)
#define DMABUF_SAMPLE_SLOT_BYTES ((u64)DMABUF_SAMPLE_SLOT_PAGES << PAGE_SHIFT)
#define DMABUF_SAMPLE_SLOT_MAX (BIT((BITS_PER_LONG == 64 ? 63 - PAGE_SHIFT : 32) - \
				    DMABUF_SAMPLE_SLOT_PAGES_SHIFT) - 1)

/**
 * struct dmabuf_sample - the exporter; there is one
 * @device_lock: guards all down to @region_bytes.  Held for reading while memory
 *	is taken, so that the device does not go away meanwhile.
 * @dev: the exporter's device; NULL before it is probed and after its removal
 * @has_cma: there is CMA, which a kernel may have in its configuration only, with
 *	an area of no size
 * @has_region: @dev has a memory region of its own
 * @region_base: first byte of that
 * @region_bytes: its length
 * @region_users: backings that may lie in it; their number only grows under
 *	@device_lock
 * @buffers: buffers alive, those of the heap too
 * @backed_bytes: memory behind buffers and VMAs
 * @slots: buffers by their slot, see %DMABUF_SAMPLE_SLOT_PAGES
 * @nr_open: open files of the exporter's node
 * @node: the device node that was opened first, while @nr_open is not 0
 * @mapping: of @node.  All VMAs by an offset are in it, through whatever node they
 *	were made, so that one dmabuf_unmap_pages() finds all of a buffer's.
 */
struct dmabuf_sample {
	struct rw_semaphore device_lock;
	struct device *dev;
	bool has_cma;
	bool has_region;
	phys_addr_t region_base;
	phys_addr_t region_bytes;
	atomic_t region_users;

	atomic64_t buffers;
	atomic64_t backed_bytes;
	struct xarray slots;

	/** @node_lock: guards @nr_open, @node and @mapping */
	struct mutex node_lock;
	unsigned long nr_open;
	struct path node;
	struct address_space *mapping;
};

extern struct dmabuf_sample dmabuf_sample;

/**
 * struct dmabuf_sample_account - what was exported through one open file, of either node
 * @users: the open file and its buffers, which may outlive it
 * @bytes: of these buffers, in whole pages
 */
struct dmabuf_sample_account {
	refcount_t users;
	atomic64_t bytes;
};

/**
 * struct dmabuf_sample_file - an open file of the exporter's node
 * @account: immutable
 * @slots: by slot, the id of the buffer whose fd the owner of this file has
 *	shown.  Offsets are easy to guess; only who had the fd may mmap.
 */
struct dmabuf_sample_file {
	struct dmabuf_sample_account *account;
	struct xarray slots;
};

/**
 * struct dmabuf_backing - memory of one buffer
 * @storage: for the placement layer
 * @bytes: size of the buffer; immutable
 * @nr_pages: immutable
 * @kind: enum dmabuf_exporter_backing, not AUTO; immutable
 * @pages: one entry a page, or NULL if all pages follow @first_pfn; immutable
 * @first_pfn: of contiguous memory; immutable
 * @dev: whose DMA API it came from, referenced, or NULL; immutable
 * @dma_handle: as the DMA API returned it; immutable
 * @cookie: as dma_alloc_attrs() returned it, or NULL: from dma_alloc_pages(); immutable
 * @mappings: of &dmabuf_backing_mapping.node
 * @address: the kernel's, of all of it, while @vmaps is not 0
 * @vmaps: how many have asked for @address
 */
struct dmabuf_backing {
	struct dmabuf_storage storage;
	size_t bytes;
	unsigned long nr_pages;
	u32 kind;
	struct page **pages;
	unsigned long first_pfn;
	struct device *dev;
	dma_addr_t dma_handle;
	void *cookie;
	/**
	 * @lock: guards @mappings, @address, @vmaps and &dmabuf_backing_mapping.users.
	 * Kernel importers may hold the reservation lock of the dma-buf outside of it.
	 */
	struct mutex lock;
	struct list_head mappings;
	void *address;
	u32 vmaps;
};

/**
 * struct dmabuf_backing_segments - how memory is cut into segments for a device
 * @dev: the device
 * @direct: bus addresses follow from physical ones
 * @bytes: how much to cut
 * @max: bytes of the longest segment
 * @boundary: mask, of bus addresses
 */
struct dmabuf_backing_segments {
	struct device *dev;
	bool direct;
	size_t bytes;
	u64 max;
	u64 boundary;
};

/**
 * struct dmabuf_sample_buffer - a buffer of this exporter
 * @dmabuf: whose &dmabuf.priv this is; immutable once the dmabuf can be found
 * @bytes: size; immutable
 * @requested: enum dmabuf_exporter_backing; immutable
 * @readable: exported with O_RDONLY or O_RDWR; immutable
 * @writable: exported with O_WRONLY or O_RDWR; immutable
 * @account: charged for @bytes; holds a reference; immutable
 * @slot: in &dmabuf_sample.slots, or 0; set once, under @lock
 */
struct dmabuf_sample_buffer {
	struct dmabuf *dmabuf;
	size_t bytes;
	u32 requested;
	bool readable;
	bool writable;
	struct dmabuf_sample_account *account;
	u32 slot;
	/** @lock: guards the setting of @slot */
	struct mutex lock;
};

#define dmabuf_backing_of(_storage) container_of(_storage, struct dmabuf_backing, storage)

/* heap.c */
int dmabuf_sample_heap_init(void);
void dmabuf_sample_heap_exit(void);

/* account.c */
u64 dmabuf_sample_total_limit(void);
u64 dmabuf_sample_file_limit(void);
bool dmabuf_sample_charge(atomic64_t *counter, u64 bytes, u64 limit) __must_check;
void dmabuf_sample_log_total_limit(u64 bytes, u64 mask);
struct dmabuf_sample_account *dmabuf_sample_account_create(void);
void dmabuf_sample_account_put(struct dmabuf_sample_account *account);

/* device.c */
int dmabuf_sample_device_init(void);
void dmabuf_sample_device_exit(void);

/* buffer.c */
struct dmabuf *dmabuf_sample_buffer_export(struct dmabuf_sample_account *account, size_t bytes,
					   u32 requested, u32 policy, u32 flags) __must_check;
struct dmabuf *dmabuf_sample_buffer_get(int fd) __must_check;
int dmabuf_sample_buffer_populate(struct dmabuf *dmabuf) __must_check;
struct dmabuf_backing *dmabuf_sample_buffer_lock_backing(struct dmabuf *dmabuf) __must_check;

/* mmap.c */
int dmabuf_sample_offset(struct dmabuf_sample_file *file, struct dmabuf_sample_buffer *buffer,
			 u64 *offset) __must_check;
int dmabuf_sample_mmap_node(struct file *file, struct vm_area_struct *vma);
int dmabuf_sample_mmap_fd(struct dmabuf *dmabuf, struct vm_area_struct *vma);
void dmabuf_sample_zap(struct dmabuf *dmabuf);

/* backing.c */

/*
 * Charged to the task's memory cgroup, and rather not there than at the price of
 * the out-of-memory killer.
 */
#define DMABUF_BACKING_GFP (GFP_KERNEL_ACCOUNT | __GFP_NOWARN | __GFP_RETRY_MAYFAIL)

struct dmabuf_backing *dmabuf_backing_alloc(size_t bytes, u32 requested,
					    const struct dmabuf_constraints *needs,
					    const struct dmabuf_backing *from) __must_check;
void dmabuf_backing_free(struct dmabuf_backing *backing);
void dmabuf_backing_flush(struct dmabuf_backing *backing);
void dmabuf_backing_log_failure(const char *pool, u64 bytes, u64 bytes_free, u64 mask,
				const char *reason);
bool dmabuf_backing_ever_contiguous(size_t bytes, u32 requested, u32 align);
u64 dmabuf_backing_sure_address(size_t bytes, u32 requested);

/* Page frame number of the page of that index. */
static inline unsigned long dmabuf_backing_pfn(const struct dmabuf_backing *backing,
					       unsigned long index)
{
	return backing->pages ? page_to_pfn(backing->pages[index]) : backing->first_pfn + index;
}

/* search.c */
bool dmabuf_search_serves(struct page *page, u64 bytes, const struct dmabuf_constraints *needs);
u64 dmabuf_search_available(void);
int dmabuf_search_pages(struct page **pages, unsigned long n,
			const struct dmabuf_constraints *needs,
			const char **reason) __must_check;
struct page *dmabuf_search_block(unsigned long n, const struct dmabuf_constraints *needs,
				 const char **reason) __must_check;

/* reach.c */
bool dmabuf_backing_needs_contiguous(size_t bytes, const struct dmabuf_constraints *needs);
bool dmabuf_backing_possible(size_t bytes, u32 requested, struct device *dev,
			     const struct dmabuf_constraints *constraints,
			     const struct dmabuf_constraints *needs, struct dmabuf_miss *miss);
bool dmabuf_backing_serves(const struct dmabuf_backing *backing,
			   const struct dmabuf_attachment *attachment, struct dmabuf_miss *miss);
void dmabuf_backing_segments_init(struct dmabuf_backing_segments *segments,
				  const struct dmabuf_backing *backing,
				  const struct dmabuf_attachment *attachment);
size_t dmabuf_backing_segment(const struct dmabuf_backing *backing,
			      const struct dmabuf_backing_segments *segments, size_t offset);
phys_addr_t dmabuf_backing_phys(const struct dmabuf_backing *backing, size_t offset);

/* mapping.c */
struct sg_table *dmabuf_backing_map(struct dmabuf_backing *backing,
				    const struct dmabuf_attachment *attachment,
				    enum dma_data_direction direction) __must_check;
void dmabuf_backing_unmap(struct sg_table *sgt);
void dmabuf_backing_sync_for_cpu_locked(struct dmabuf_backing *backing);
void dmabuf_backing_sync_for_device_locked(struct dmabuf_backing *backing,
					   enum dma_data_direction access);

/* cpu.c */
int dmabuf_backing_vmap(struct dmabuf_backing *backing, struct iosys_map *map) __must_check;
void dmabuf_backing_vunmap(struct dmabuf_backing *backing, struct iosys_map *map);
void dmabuf_backing_begin_cpu(struct dmabuf_backing *backing, enum dma_data_direction access);
void dmabuf_backing_end_cpu(struct dmabuf_backing *backing, enum dma_data_direction access);

#endif /* _DMABUF_EXPORTER_INTERNAL_H */
