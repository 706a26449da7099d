// SPDX-License-Identifier: GPL-2.0-only
/*
 * The exporter of dmabuf-test-cpu, with and without the placement layer: ops for the
 * CPU's access that count, fail and wait as they are told, and a record of them that
 * outlives the buffer.
 */
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../../dmabuf-core/compat.h"
#include "cpu-record.h"

#define ACC_MAX_PAGES 256
#define ACC_FLAGS (DMABUF_TEST_CPU_HAS_ALL | DMABUF_TEST_CPU_LAYER)

/* With and without each of the optional ops, by flags; immutable after init. */
static struct dmabuf_placement_ops acc_layer_table[ACC_FLAGS + 1];
static struct dmabuf_ops acc_table[ACC_FLAGS + 1];

/* An exporter that is not on the layer */

static struct sg_table *acc_map(struct dmabuf_attachment *attachment,
				enum dma_data_direction direction)
{
	struct acc_record *record = attachment->dmabuf->priv;

	return acc_storage_map(record, record->plain, attachment->dev, direction);
}

static void acc_unmap(struct dmabuf_attachment *attachment, struct sg_table *sgt)
{
	struct acc_record *record = attachment->dmabuf->priv;

	acc_storage_unmap(record, record->plain, attachment->dev, sgt);
}

static int acc_vmap(struct dmabuf *dmabuf, struct iosys_map *map)
{
	struct acc_record *record = dmabuf->priv;

	return acc_storage_vmap(record, record->plain, map);
}

static void acc_vunmap(struct dmabuf *dmabuf, struct iosys_map *map)
{
	struct acc_record *record = dmabuf->priv;

	acc_storage_vunmap(record, record->plain, map);
}

/* Ops of both */

static int acc_begin(struct dmabuf *dmabuf, enum dma_data_direction direction)
{
	struct acc_record *record = dmabuf->priv;

	spin_lock(&record->lock);
	acc_expect_locked(record, direction <= DMA_FROM_DEVICE, "begin in no direction");
	record->begun[direction]++;
	spin_unlock(&record->lock);
	return acc_op(record, DMABUF_TEST_CPU_BEGIN);
}

static int acc_end(struct dmabuf *dmabuf, enum dma_data_direction direction)
{
	struct acc_record *record = dmabuf->priv;

	spin_lock(&record->lock);
	acc_expect_locked(record, direction <= DMA_FROM_DEVICE, "end in no direction");
	record->ended[direction]++;
	spin_unlock(&record->lock);
	return acc_op(record, DMABUF_TEST_CPU_END);
}

static vm_fault_t acc_insert(struct vm_fault *vmf, struct acc_storage *storage)
{
	return vmf_insert_pfn(vmf->vma, vmf->address, page_to_pfn(storage->pages[vmf->pgoff]));
}

static vm_fault_t acc_fault(struct vm_fault *vmf)
{
	struct dmabuf *dmabuf = vmf->vma->vm_private_data;
	struct acc_record *record = dmabuf->priv;
	struct dmabuf_storage *base;
	vm_fault_t result;

	if (record->plain)
		return acc_insert(vmf, record->plain);
	base = dmabuf_storage_lock(dmabuf);
	if (IS_ERR(base))
		return VM_FAULT_SIGBUS;
	result = acc_insert(vmf, acc_storage_of(base));
	dmabuf_storage_unlock(dmabuf);
	return result;
}

/* The VMA holds the file, and that the buffer. */
static const struct vm_operations_struct acc_vm_ops = {
	.fault = acc_fault,
};

static int acc_mmap(struct dmabuf *dmabuf, struct vm_area_struct *vma)
{
	struct acc_record *record = dmabuf->priv;
	unsigned long pages = DIV_ROUND_UP(record->bytes, PAGE_SIZE);
	int ret = acc_op(record, DMABUF_TEST_CPU_MMAP);

	if (ret)
		return ret;
	spin_lock(&record->lock);
	acc_expect_locked(record, vma->vm_flags & VM_MAYSHARE, "mmap that is private");
	acc_expect_locked(record, vma->vm_pgoff < pages &&
			  vma_pages(vma) <= pages - vma->vm_pgoff, "mmap beyond the buffer");
	acc_expect_locked(record, vma->vm_file == dmabuf->file, "mmap of another file");
	spin_unlock(&record->lock);
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP | VM_PFNMAP);
	vma->vm_ops = &acc_vm_ops;
	vma->vm_private_data = dmabuf;
	return 0;
}

static void acc_record_free(struct kref *kref)
{
	struct acc_record *record = container_of(kref, struct acc_record, kref);

	/* Of an export that failed. */
	if (record->plain)
		acc_storage_free(record, record->plain);
	kfree(record);
}

static void acc_release(struct dmabuf *dmabuf)
{
	struct acc_record *record = dmabuf->priv;

	might_sleep();
	if (record->plain)
		acc_storage_free(record, record->plain);
	record->plain = NULL;
	spin_lock(&record->lock);
	acc_expect_locked(record, !record->live, "release before the storage is freed");
	acc_expect_locked(record, !record->released, "a second release");
	record->released++;
	spin_unlock(&record->lock);
	kref_put(&record->kref, acc_record_free);
}

static void acc_fill_ops(struct dmabuf_ops *ops, struct dmabuf_placement_ops *layer, u32 flags)
{
	*ops = (struct dmabuf_ops) { .owner = THIS_MODULE, .release = acc_release };
	if (flags & DMABUF_TEST_CPU_LAYER) {
		*layer = acc_layer_ops;
		if (!(flags & DMABUF_TEST_CPU_HAS_VMAP)) {
			layer->vmap = NULL;
			layer->vunmap = NULL;
		}
		ops->placement = layer;
	} else {
		ops->map_dma_buf = acc_map;
		ops->unmap_dma_buf = acc_unmap;
		if (flags & DMABUF_TEST_CPU_HAS_VMAP) {
			ops->vmap = acc_vmap;
			ops->vunmap = acc_vunmap;
		}
	}
	if (flags & DMABUF_TEST_CPU_HAS_BEGIN)
		ops->begin_cpu_access = acc_begin;
	if (flags & DMABUF_TEST_CPU_HAS_END)
		ops->end_cpu_access = acc_end;
	if (flags & DMABUF_TEST_CPU_HAS_MMAP)
		ops->mmap = acc_mmap;
}

void acc_exporter_init(void)
{
	u32 flags;

	for (flags = 0; flags <= ACC_FLAGS; flags++)
		acc_fill_ops(&acc_table[flags], &acc_layer_table[flags], flags);
}

static struct acc_record *acc_record_make(u32 flags, size_t bytes)
{
	struct acc_record *record = kzalloc(sizeof(*record), GFP_KERNEL);

	if (!record)
		return NULL;
	kref_init(&record->kref);
	record->bytes = bytes;
	init_waitqueue_head(&record->wait);
	spin_lock_init(&record->lock);
	if (flags & DMABUF_TEST_CPU_LAYER)
		return record;
	record->plain = acc_storage_alloc(record, 0);
	if (!record->plain) {
		kfree(record);
		return NULL;
	}
	return record;
}

/* Returns a buffer that owns a reference of its own to @record. */
static struct dmabuf *acc_buffer_make(struct acc_record *record,
				      const struct dmabuf_test_cpu_export *arg)
{
	struct dmabuf *dmabuf;
	int ret = 0;

	dmabuf = dmabuf_export(record, &acc_table[arg->flags], arg->bytes, arg->fd_flags);
	if (!dmabuf)
		return ERR_PTR(-ENOMEM);
	kref_get(&record->kref);
	if (arg->policy)
		ret = dmabuf_placement_set_policy(dmabuf, arg->policy);
	if (ret) {
		dmabuf_put(dmabuf);
		return ERR_PTR(ret);
	}
	return dmabuf;
}

int acc_ucmd_export(struct dmabuf_ucmd *ucmd)
{
	struct acc_file *cpu = ucmd->file->private_data;
	struct dmabuf_test_cpu_export *arg = ucmd->arg;
	struct acc_record *record;
	struct dmabuf *dmabuf;
	int fd, ret;

	if (arg->flags & ~ACC_FLAGS || !arg->bytes || arg->bytes > ACC_MAX_PAGES * PAGE_SIZE)
		return -EINVAL;

	record = acc_record_make(arg->flags, arg->bytes);
	if (!record)
		return -ENOMEM;
	ret = xa_alloc(&cpu->records, &arg->buffer, record, xa_limit_31b, GFP_KERNEL);
	if (ret)
		goto err_record;
	fd = get_unused_fd_flags(arg->fd_flags & O_CLOEXEC);
	if (fd < 0) {
		ret = fd;
		goto err_erase;
	}
	dmabuf = acc_buffer_make(record, arg);
	if (IS_ERR(dmabuf)) {
		ret = PTR_ERR(dmabuf);
		goto err_fd;
	}
	arg->fd = fd;
	ret = dmabuf_ucmd_respond(ucmd);
	if (ret)
		goto err_put;
	/* The caller can close the fd as soon as it is there. */
	dmabuf_fd_install(dmabuf, fd);
	return 0;

err_put:
	dmabuf_put(dmabuf);
err_fd:
	put_unused_fd(fd);
err_erase:
	xa_erase(&cpu->records, arg->buffer);
err_record:
	kref_put(&record->kref, acc_record_free);
	return ret;
}

int acc_ucmd_behave(struct dmabuf_ucmd *ucmd)
{
	struct acc_file *cpu = ucmd->file->private_data;
	struct dmabuf_test_cpu_behave *arg = ucmd->arg;
	struct acc_record *record = xa_load(&cpu->records, arg->buffer);

	if (!record)
		return -ENOENT;
	if (arg->hold & ~(BIT(DMABUF_TEST_CPU_MOVE) | BIT(DMABUF_TEST_CPU_VMAP)) || arg->reserved)
		return -EINVAL;
	spin_lock(&record->lock);
	memcpy(record->errors, arg->errors, sizeof(record->errors));
	WRITE_ONCE(record->hold, arg->hold);
	spin_unlock(&record->lock);
	wake_up_all(&record->wait);
	return 0;
}

int acc_ucmd_state(struct dmabuf_ucmd *ucmd)
{
	struct acc_file *cpu = ucmd->file->private_data;
	struct dmabuf_test_cpu_state *arg = ucmd->arg;
	struct acc_record *record = xa_load(&cpu->records, arg->buffer);
	int op;

	if (!record)
		return -ENOENT;
	arg->held = 0;
	arg->reserved = 0;
	spin_lock(&record->lock);
	memcpy(arg->counts, record->counts, sizeof(arg->counts));
	memcpy(arg->begun, record->begun, sizeof(arg->begun));
	memcpy(arg->ended, record->ended, sizeof(arg->ended));
	for (op = 0; op < ACC_OPS; op++)
		if (record->held[op] && record->hold & BIT(op))
			arg->held |= BIT(op);
	arg->vmapped = record->vmapped;
	arg->live = record->live;
	arg->released = record->released;
	arg->broken = record->broken;
	spin_unlock(&record->lock);
	return dmabuf_ucmd_respond(ucmd);
}

int acc_ucmd_log(struct dmabuf_ucmd *ucmd)
{
	struct acc_file *cpu = ucmd->file->private_data;
	struct dmabuf_test_cpu_log *arg = ucmd->arg;
	struct acc_record *record = xa_load(&cpu->records, arg->buffer);

	if (!record)
		return -ENOENT;
	spin_lock(&record->lock);
	memcpy(arg->text, record->log, sizeof(arg->text));
	record->log[0] = 0;
	spin_unlock(&record->lock);
	return dmabuf_ucmd_respond(ucmd);
}

/* Buffers may live on; nobody is left who could tell their ops to go on. */
void acc_exporter_close(struct acc_file *cpu)
{
	struct acc_record *record;
	unsigned long i;

	xa_for_each(&cpu->records, i, record) {
		spin_lock(&record->lock);
		memset(record->errors, 0, sizeof(record->errors));
		WRITE_ONCE(record->hold, 0);
		spin_unlock(&record->lock);
		wake_up_all(&record->wait);
		kref_put(&record->kref, acc_record_free);
	}
	xa_destroy(&cpu->records);
}
