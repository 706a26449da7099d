/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of dmabuf-test-placement share.
 *
 * A lock that is held while another is taken: none.  The node is root's.
 */
#ifndef _DMABUF_TEST_PLACEMENT_H
#define _DMABUF_TEST_PLACEMENT_H

#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>

#include <dmabuf-core/dmabuf.h>
#include <dmabuf-core/placement.h>

#include "test-uapi.h"

#define PLACE_OPS DMABUF_TEST_PLACE_OP_NR
#define PLACE_MMAP_PAGES_SHIFT (DMABUF_TEST_PLACE_MMAP_SHIFT - PAGE_SHIFT)

/**
 * struct place_storage - memory of one buffer
 * @base: what the layer knows
 * @node: in &place_record.storages; under &place_record.lock
 * @number: of this buffer, from 1; immutable
 * @mapped: devices that have it mapped; under &place_record.lock
 * @order: of each of the @pages; immutable
 * @nr_pages: of @pages; immutable
 * @pages: owned
 */
struct place_storage {
	struct dmabuf_storage base;
	struct list_head node;
	u32 number;
	u32 mapped;
	unsigned int order;
	unsigned int nr_pages;
	struct page *pages[];
};

/**
 * struct place_record - what is known of one buffer; outlives it
 * @kref: held by the open file, and by the buffer until its release
 * @id: unique since the module was loaded; place of the buffer in the node, times
 *	1 << DMABUF_TEST_PLACE_MMAP_SHIFT; immutable
 * @bytes: size; immutable
 * @inode: of the node, with a reference; immutable
 * @wait: ops that are held; woken when @hold or @passes changes
 * @lock: guards all below
 * @errors: see &struct dmabuf_test_place_behave
 * @hold: likewise; read without the lock by ops that wait
 * @killable: likewise
 * @passes: likewise; read without the lock by ops that wait
 * @arrived: calls that were held since @hold was changed
 * @counts: calls that have returned
 * @held: calls that wait
 * @shared: map and unmap ops in progress
 * @alone: ops in progress that nothing else may run beside
 * @faults: CPU faults that look for the storage
 * @storages: of &place_storage.node: what is not freed
 * @place: the storage that the buffer lies in, once somebody has seen it there
 * @moving: bytes are on their way
 * @last_number: of the newest storage
 * @released: calls of the release op
 * @broken: promises that the layer broke
 * @needs: of the last alloc
 * @log: words for &struct dmabuf_test_place_log
 */
struct place_record {
	struct kref kref;
	u64 id;
	size_t bytes;
	struct inode *inode;
	wait_queue_head_t wait;
	spinlock_t lock;	/* of all below */
	int errors[PLACE_OPS];
	u32 hold;
	u32 killable;
	u32 passes;
	u32 arrived;
	u32 counts[PLACE_OPS];
	u32 held[PLACE_OPS];
	u32 shared;
	u32 alone;
	u32 faults;
	struct list_head storages;
	struct place_storage *place;
	bool moving;
	u32 last_number;
	u32 released;
	u32 broken;
	struct dmabuf_constraints needs;
	char log[sizeof_field(struct dmabuf_test_place_log, text)];
};

/* placement-storage.c */
struct place_storage *place_storage_alloc(const struct place_record *record,
					  const struct dmabuf_constraints *needs, bool fresh);
void place_storage_free(struct place_storage *storage);
struct page *place_storage_page(const struct place_storage *storage, unsigned long index);
unsigned long place_storage_pages(const struct place_storage *storage);
struct sg_table *place_storage_map(struct place_storage *storage, struct device *dev,
				   size_t bytes, enum dma_data_direction direction);
struct place_storage *place_storage_unmap(struct device *dev, struct sg_table *sgt);
bool place_needs_block(size_t bytes, const struct dmabuf_constraints *needs);

/* placement-exporter.c */
extern const struct dmabuf_placement_ops place_ops;
struct place_record *place_record_make(size_t bytes, struct inode *inode);
void place_record_put(struct place_record *record);
void place_release(struct dmabuf *dmabuf);
vm_fault_t place_fault(struct vm_fault *vmf);

#endif /* _DMABUF_TEST_PLACEMENT_H */
