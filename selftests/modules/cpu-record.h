/* SPDX-License-Identifier: GPL-2.0-only */
/* What cpu-storage.c and cpu-exporter.c share: a buffer of the exporter. */
#ifndef _DMABUF_TEST_CPU_RECORD_H
#define _DMABUF_TEST_CPU_RECORD_H

#include <linux/kref.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include <dmabuf-core/placement.h>

#include "cpu.h"

#define ACC_OPS DMABUF_TEST_CPU_OP_NR

/**
 * struct acc_storage - memory of one buffer; immutable but for @vmapped
 * @base: what the layer knows
 * @number: of this buffer, from 1
 * @vmapped: kernel addresses of it; under &acc_record.lock
 * @nr_pages: of @pages
 * @pages: owned
 */
struct acc_storage {
	struct dmabuf_storage base;
	u32 number;
	u32 vmapped;
	unsigned int nr_pages;
	struct page *pages[];
};

/**
 * struct acc_record - what is known of one buffer
 * @kref: held by the open file, and by the buffer until its release
 * @bytes: size; immutable
 * @plain: the storage of a buffer that is not on the layer, or NULL; set once, and
 *	taken away by the release
 * @wait: ops that are held; woken when @hold changes
 * @lock: guards all below
 * @errors: see &struct dmabuf_test_cpu_behave
 * @hold: likewise; read without the lock by ops that wait
 * @counts: calls of each op
 * @begun: by direction
 * @ended: by direction
 * @held: calls of each op that wait
 * @last_number: of the newest storage
 * @live: storages
 * @vmapped: kernel addresses given
 * @released: calls of the release op
 * @broken: promises that the core broke
 * @log: words for &struct dmabuf_test_cpu_log
 */
struct acc_record {
	struct kref kref;
	size_t bytes;
	struct acc_storage *plain;
	wait_queue_head_t wait;
	spinlock_t lock;	/* of all below */
	int errors[ACC_OPS];
	u32 hold;
	u32 counts[ACC_OPS];
	u32 begun[3];
	u32 ended[3];
	u32 held[ACC_OPS];
	u32 last_number;
	u32 live;
	u32 vmapped;
	u32 released;
	u32 broken;
	char log[sizeof_field(struct dmabuf_test_cpu_log, text)];
};

/* Notes that the core did not keep a promise; the test looks at the count. */
#define acc_expect_locked(record, condition, promise) do {			\
	struct acc_record *_record = (record);					\
										\
	lockdep_assert_held(&_record->lock);					\
	if (!(condition)) {							\
		_record->broken++;						\
		pr_err("dmabuf-test-cpu: after \"%s\": %s\n", _record->log, promise);	\
	}									\
} while (0)

static inline struct acc_storage *acc_storage_of(struct dmabuf_storage *base)
{
	return container_of(base, struct acc_storage, base);
}

/* cpu-storage.c */
extern const struct dmabuf_placement_ops acc_layer_ops;
int acc_op(struct acc_record *record, enum dmabuf_test_cpu_op op);
struct acc_storage *acc_storage_alloc(struct acc_record *record, int value);
void acc_storage_free(struct acc_record *record, struct acc_storage *storage);
struct sg_table *acc_storage_map(struct acc_record *record, struct acc_storage *storage,
				 struct device *dev, enum dma_data_direction direction);
void acc_storage_unmap(struct acc_record *record, struct acc_storage *storage,
		       struct device *dev, struct sg_table *sgt);
int acc_storage_vmap(struct acc_record *record, struct acc_storage *storage,
		     struct iosys_map *map);
void acc_storage_vunmap(struct acc_record *record, struct acc_storage *storage,
			struct iosys_map *map);

#endif /* _DMABUF_TEST_CPU_RECORD_H */
