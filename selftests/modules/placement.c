// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmabuf-test-placement: an exporter on the placement layer that does as a program
 * tells it, so that what the sample exporter does by chance can be had on purpose.
 * Its importer is dmabuf-test-ops.  Node, mmap, init and exit.
 */
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "../../dmabuf-core/compat.h"
#include "../../dmabuf-core/ucmd.h"
#include "placement.h"

#define PLACE_MAX_PAGES 1024

/**
 * struct place_file - one open file of the node
 * @records: &struct place_record of what was exported through it; own lock
 */
struct place_file {
	struct xarray records;
};

/* With and without each of the optional ones, by flags; immutable after init. */
static struct dmabuf_placement_ops place_table[DMABUF_TEST_PLACE_HAS_ALL + 1];
static struct dmabuf_ops place_dmabuf_table[DMABUF_TEST_PLACE_HAS_ALL + 1];

/* By enum dmabuf_test_place_wrong_case; immutable after init. */
static struct dmabuf_placement_ops place_wrong_table[DMABUF_TEST_PLACE_WRONG_NR];
static struct dmabuf_ops place_wrong_dmabuf_table[DMABUF_TEST_PLACE_WRONG_NR];

static int place_ucmd_export(struct dmabuf_ucmd *ucmd)
{
	struct place_file *place = ucmd->file->private_data;
	struct dmabuf_test_place_export *arg = ucmd->arg;
	struct place_record *record;
	struct dmabuf *dmabuf;
	int fd, ret;

	if (arg->flags & ~DMABUF_TEST_PLACE_HAS_ALL ||
	    !arg->bytes || arg->bytes > PLACE_MAX_PAGES * PAGE_SIZE)
		return -EINVAL;

	record = place_record_make(arg->bytes, file_inode(ucmd->file));
	if (!record)
		return -ENOMEM;
	ret = xa_alloc(&place->records, &arg->buffer, record, xa_limit_31b, GFP_KERNEL);
	if (ret)
		goto err_record;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		ret = fd;
		goto err_erase;
	}
	dmabuf = dmabuf_export(record, &place_dmabuf_table[arg->flags], arg->bytes,
			       O_RDWR | O_CLOEXEC);
	if (!dmabuf) {
		ret = -ENOMEM;
		goto err_fd;
	}
	/* From now on the buffer owns a reference of its own to the record. */
	kref_get(&record->kref);

	arg->fd = fd;
	arg->ret = dmabuf_placement_set_policy(dmabuf, arg->policy);
	ret = dmabuf_ucmd_respond(ucmd);
	if (ret || arg->ret)
		goto err_put;
	/* The caller can close the fd as soon as it is there. */
	dmabuf_fd_install(dmabuf, fd);
	return 0;

err_put:
	dmabuf_put(dmabuf);
err_fd:
	put_unused_fd(fd);
err_erase:
	xa_erase(&place->records, arg->buffer);
err_record:
	place_record_put(record);
	return ret;
}

static int place_ucmd_behave(struct dmabuf_ucmd *ucmd)
{
	struct place_file *place = ucmd->file->private_data;
	struct dmabuf_test_place_behave *arg = ucmd->arg;
	struct place_record *record = xa_load(&place->records, arg->buffer);

	if (!record)
		return -ENOENT;
	if ((arg->hold | arg->killable) & ~(BIT(DMABUF_TEST_PLACE_ALLOC) |
					    BIT(DMABUF_TEST_PLACE_MAP) |
					    BIT(DMABUF_TEST_PLACE_MOVE) |
					    BIT(DMABUF_TEST_PLACE_SERVES) |
					    BIT(DMABUF_TEST_PLACE_POSSIBLE)))
		return -EINVAL;
	spin_lock(&record->lock);
	memcpy(record->errors, arg->errors, sizeof(record->errors));
	record->killable = arg->killable;
	if (record->hold != arg->hold)
		record->arrived = 0;
	WRITE_ONCE(record->hold, arg->hold);
	WRITE_ONCE(record->passes, arg->passes);
	spin_unlock(&record->lock);
	wake_up_all(&record->wait);
	return 0;
}

static int place_ucmd_state(struct dmabuf_ucmd *ucmd)
{
	struct place_file *place = ucmd->file->private_data;
	struct dmabuf_test_place_state *arg = ucmd->arg;
	struct place_record *record = xa_load(&place->records, arg->buffer);
	struct place_storage *storage;
	int op;

	if (!record)
		return -ENOENT;
	arg->held = 0;
	arg->held_calls = 0;
	arg->reserved = 0;
	arg->live = 0;
	arg->mapped = 0;
	spin_lock(&record->lock);
	memcpy(arg->counts, record->counts, sizeof(arg->counts));
	for (op = 0; op < PLACE_OPS; op++) {
		if (!record->held[op] || !(record->hold & BIT(op)))
			continue;
		arg->held |= BIT(op);
		arg->held_calls += record->held[op];
	}
	list_for_each_entry(storage, &record->storages, node) {
		arg->live++;
		arg->mapped += storage->mapped;
	}
	arg->faults = record->faults;
	arg->released = record->released;
	arg->broken = record->broken;
	arg->needs.dma_mask = record->needs.dma_mask;
	arg->needs.seg_boundary = record->needs.seg_boundary;
	arg->needs.max_seg_size = record->needs.max_seg_size;
	arg->needs.max_segs = record->needs.max_segs;
	arg->needs.align = record->needs.align;
	spin_unlock(&record->lock);
	return dmabuf_ucmd_respond(ucmd);
}

static int place_ucmd_log(struct dmabuf_ucmd *ucmd)
{
	struct place_file *place = ucmd->file->private_data;
	struct dmabuf_test_place_log *arg = ucmd->arg;
	struct place_record *record = xa_load(&place->records, arg->buffer);

	if (!record)
		return -ENOENT;
	spin_lock(&record->lock);
	memcpy(arg->text, record->log, sizeof(arg->text));
	record->log[0] = 0;
	spin_unlock(&record->lock);
	return dmabuf_ucmd_respond(ucmd);
}

static void place_describe(struct dmabuf_test_place_query *arg,
			   const struct dmabuf_placement_info *info)
{
	arg->state = info->state;
	arg->policy = info->policy;
	arg->readers = info->readers;
	arg->writers = info->writers;
	arg->waiting = info->waiting;
	arg->bits = info->bits;
	arg->chunks = info->chunks;
	arg->allocs = info->allocs;
	arg->moves = info->moves;
	arg->failures = info->failures;
	arg->stalls = info->stalls;
	arg->moved_bytes = info->moved_bytes;
	arg->move_attachment = info->move.attachment;
	arg->move_which = info->move.miss.which;
	arg->move_allowed = info->move.miss.allowed;
	arg->move_actual = info->move.miss.actual;
	strscpy(arg->move_device, info->move.device, sizeof(arg->move_device));
	arg->refusal_error = info->refusal.error;
	arg->refusal_which = info->refusal.miss.which;
	arg->refusal_allowed = info->refusal.miss.allowed;
	arg->refusal_actual = info->refusal.miss.actual;
	strscpy(arg->refusal_device, info->refusal.device, sizeof(arg->refusal_device));
}

static int place_ucmd_query(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_test_place_query *arg = ucmd->arg;
	struct dmabuf_placement_info info;
	struct dmabuf *dmabuf;

	dmabuf = dmabuf_get(arg->fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	arg->ret = dmabuf_placement_query(dmabuf, &info);
	if (!arg->ret)
		place_describe(arg, &info);
	dmabuf_put(dmabuf);
	return dmabuf_ucmd_respond(ucmd);
}

/* A function of its own: the core's line in the log has its name. */
static noinline bool place_export_wrongly(const struct dmabuf_ops *ops)
{
	struct dmabuf *dmabuf = dmabuf_export(NULL, ops, PAGE_SIZE, O_RDWR);

	if (!dmabuf)
		return false;
	dmabuf_put(dmabuf);
	return true;
}

static int place_ucmd_wrong(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_test_place_wrong *arg = ucmd->arg;

	if (arg->which >= DMABUF_TEST_PLACE_WRONG_NR || arg->reserved)
		return -EINVAL;
	strscpy(arg->caller, "place_export_wrongly", sizeof(arg->caller));
	arg->made = place_export_wrongly(&place_wrong_dmabuf_table[arg->which]);
	return dmabuf_ucmd_respond(ucmd);
}

static const struct dmabuf_ucmd_entry place_ucmds[] = {
	DMABUF_UCMD(DMABUF_TEST_PLACE_EXPORT, place_ucmd_export, struct dmabuf_test_place_export,
		    buffer),
	DMABUF_UCMD(DMABUF_TEST_PLACE_BEHAVE, place_ucmd_behave, struct dmabuf_test_place_behave,
		    passes),
	DMABUF_UCMD(DMABUF_TEST_PLACE_STATE, place_ucmd_state, struct dmabuf_test_place_state,
		    needs),
	DMABUF_UCMD(DMABUF_TEST_PLACE_LOG, place_ucmd_log, struct dmabuf_test_place_log, text),
	DMABUF_UCMD(DMABUF_TEST_PLACE_QUERY, place_ucmd_query, struct dmabuf_test_place_query,
		    refusal_device),
	DMABUF_UCMD(DMABUF_TEST_PLACE_WRONG, place_ucmd_wrong, struct dmabuf_test_place_wrong,
		    caller),
};

static long place_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return dmabuf_ucmd_run(place_ucmds, ARRAY_SIZE(place_ucmds), file, cmd,
			       (void __user *)arg);
}

static void place_vm_open(struct vm_area_struct *vma)
{
	struct dmabuf *dmabuf = vma->vm_private_data;

	get_file(dmabuf->file);
}

static void place_vm_close(struct vm_area_struct *vma)
{
	dmabuf_put(vma->vm_private_data);
}

static const struct vm_operations_struct place_vm_ops = {
	.open = place_vm_open,
	.close = place_vm_close,
	.fault = place_fault,
};

static int place_check_vma(struct file *file, const struct dmabuf *dmabuf,
			   struct vm_area_struct *vma)
{
	unsigned long index = vma->vm_pgoff & ((1UL << PLACE_MMAP_PAGES_SHIFT) - 1);
	unsigned long nr_pages = DIV_ROUND_UP(dmabuf->size, PAGE_SIZE);
	const struct place_record *record;

	if (dmabuf->ops->owner != THIS_MODULE)
		return -EINVAL;
	/* Its zap looks there and nowhere else. */
	record = dmabuf->priv;
	if (record->inode != file_inode(file))
		return -EINVAL;
	if (!(vma->vm_flags & VM_SHARED) || index >= nr_pages ||
	    vma_pages(vma) > nr_pages - index)
		return -EINVAL;
	return 0;
}

static int place_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct dmabuf *dmabuf = dmabuf_get(vma->vm_pgoff >> PLACE_MMAP_PAGES_SHIFT);
	struct place_record *record;
	int ret;

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	ret = place_check_vma(file, dmabuf, vma);
	if (ret) {
		dmabuf_put(dmabuf);
		return ret;
	}
	/* An fd may become another's; the buffer keeps its place for ever. */
	record = dmabuf->priv;
	vma->vm_pgoff &= (1UL << PLACE_MMAP_PAGES_SHIFT) - 1;
	vma->vm_pgoff |= record->id << PLACE_MMAP_PAGES_SHIFT;
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP | VM_PFNMAP);
	vma->vm_ops = &place_vm_ops;
	/* The reference is the VMA's from here on. */
	vma->vm_private_data = dmabuf;
	return 0;
}

static int place_open(struct inode *inode, struct file *file)
{
	struct place_file *place = kzalloc(sizeof(*place), GFP_KERNEL);

	if (!place)
		return -ENOMEM;
	xa_init_flags(&place->records, XA_FLAGS_ALLOC1);
	file->private_data = place;
	dmabuf_file_set_unsigned_offset(file);
	return 0;
}

/* Buffers may live on; nobody is left who could tell their ops to go on. */
static int place_close(struct inode *inode, struct file *file)
{
	struct place_file *place = file->private_data;
	struct place_record *record;
	unsigned long i;

	xa_for_each(&place->records, i, record) {
		spin_lock(&record->lock);
		memset(record->errors, 0, sizeof(record->errors));
		WRITE_ONCE(record->hold, 0);
		spin_unlock(&record->lock);
		wake_up_all(&record->wait);
		place_record_put(record);
	}
	xa_destroy(&place->records);
	kfree(place);
	return 0;
}

static const struct file_operations place_fops = {
	.owner = THIS_MODULE,
	.open = place_open,
	.release = place_close,
	.unlocked_ioctl = place_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = place_mmap,
	DMABUF_FOP_UNSIGNED_OFFSET
};

static struct miscdevice place_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "dmabuf-test-placement",
	.fops = &place_fops,
	.mode = 0600,
};

static void place_fill_table(void)
{
	u32 flags;

	for (flags = 0; flags < ARRAY_SIZE(place_table); flags++) {
		struct dmabuf_placement_ops *ops = &place_table[flags];

		*ops = place_ops;
		if (!(flags & DMABUF_TEST_PLACE_HAS_MOVE))
			ops->move = NULL;
		if (!(flags & DMABUF_TEST_PLACE_HAS_ZAP))
			ops->zap = NULL;
		if (!(flags & DMABUF_TEST_PLACE_HAS_SERVES))
			ops->serves = NULL;
		if (!(flags & DMABUF_TEST_PLACE_HAS_POSSIBLE))
			ops->possible = NULL;
		place_dmabuf_table[flags] = (struct dmabuf_ops) {
			.owner = THIS_MODULE,
			.placement = ops,
			.release = place_release,
		};
	}
}

/* Never called; the buffers that they would be called for are never made. */

static struct sg_table *place_wrong_map(struct dmabuf_attachment *attachment,
					enum dma_data_direction direction)
{
	return NULL;
}

static void place_wrong_unmap(struct dmabuf_attachment *attachment, struct sg_table *sgt)
{
}

static void place_wrong_release(struct dmabuf *dmabuf)
{
}

static void place_fill_wrong_table(void)
{
	int i;

	for (i = 0; i < DMABUF_TEST_PLACE_WRONG_NR; i++) {
		place_wrong_table[i] = place_ops;
		place_wrong_dmabuf_table[i] = (struct dmabuf_ops) {
			.owner = THIS_MODULE,
			.placement = &place_wrong_table[i],
			.release = place_wrong_release,
		};
	}
	place_wrong_dmabuf_table[DMABUF_TEST_PLACE_AND_MAP].map_dma_buf = place_wrong_map;
	place_wrong_dmabuf_table[DMABUF_TEST_PLACE_AND_UNMAP].unmap_dma_buf = place_wrong_unmap;
	place_wrong_table[DMABUF_TEST_PLACE_NO_ALLOC].alloc = NULL;
	place_wrong_table[DMABUF_TEST_PLACE_NO_FREE].free = NULL;
	place_wrong_table[DMABUF_TEST_PLACE_NO_MAP].map = NULL;
	place_wrong_table[DMABUF_TEST_PLACE_NO_UNMAP].unmap = NULL;
}

static int __init place_init(void)
{
	place_fill_table();
	place_fill_wrong_table();
	return misc_register(&place_misc);
}

static void __exit place_exit(void)
{
	misc_deregister(&place_misc);
}

module_init(place_init);
module_exit(place_exit);

MODULE_DESCRIPTION("Selftest of dmabuf-core: an exporter on the placement layer that does as told");
MODULE_AUTHOR("dmabuf-core maintainers");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(DMABUF_NS);
