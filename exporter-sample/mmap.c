// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CPU's way to a buffer: offsets of the exporter's node, VMAs and faults.
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pfn.h>

#include "../dmabuf-core/compat.h"
#include "internal.h"

/* What the slots of an open file hold. */
static void *slot_entry(const struct dmabuf_sample_buffer *buffer)
{
	return xa_mk_value(buffer->dmabuf->id & LONG_MAX);
}

/**
 * dmabuf_sample_offset - give a buffer an offset, and an open file leave to use it
 * @file: the open file
 * @buffer: a buffer whose dmabuf the caller holds
 * @offset: filled in, bytes
 *
 * Context: process context; may sleep; takes &dmabuf_sample_buffer.lock.
 * Return: 0, or
 * * -EINTR: a signal ended a wait
 * * -ENOMEM: no memory
 * * -ENOSPC: as many buffers as there are slots have an offset
 */
int dmabuf_sample_offset(struct dmabuf_sample_file *file, struct dmabuf_sample_buffer *buffer,
			 u64 *offset)
{
	u32 slot;
	int ret;

	ret = mutex_lock_interruptible(&buffer->lock);
	if (ret)
		return ret;
	if (!buffer->slot) {
		/* Not into the buffer at once: xa_alloc() writes it also when it fails. */
		ret = xa_alloc(&dmabuf_sample.slots, &slot, buffer,
			       XA_LIMIT(1, DMABUF_SAMPLE_SLOT_MAX), GFP_KERNEL_ACCOUNT);
		if (!ret)
			WRITE_ONCE(buffer->slot, slot);
	}
	mutex_unlock(&buffer->lock);
	if (ret)
		return ret == -EBUSY ? -ENOSPC : ret;

	ret = xa_err(xa_store(&file->slots, buffer->slot, slot_entry(buffer),
			      GFP_KERNEL_ACCOUNT));
	if (ret)
		return ret;
	*offset = buffer->slot * DMABUF_SAMPLE_SLOT_BYTES;
	return 0;
}

/* Returns a buffer with a reference to its dmabuf, or an ERR_PTR(). */
static struct dmabuf_sample_buffer *buffer_lookup(struct dmabuf_sample_file *file,
						  unsigned long slot)
{
	struct dmabuf_sample_buffer *buffer;

	/* The release op takes a buffer off under the same lock before it frees it. */
	xa_lock(&dmabuf_sample.slots);
	buffer = xa_load(&dmabuf_sample.slots, slot);
	if (buffer && !dmabuf_file_get_live(buffer->dmabuf->file))
		buffer = NULL;
	xa_unlock(&dmabuf_sample.slots);

	if (buffer && xa_load(&file->slots, slot) != slot_entry(buffer)) {
		dmabuf_put(buffer->dmabuf);
		return ERR_PTR(-EACCES);
	}
	return buffer ?: ERR_PTR(-EINVAL);
}

static void sample_vm_open(struct vm_area_struct *vma)
{
	struct dmabuf_sample_buffer *buffer = vma->vm_private_data;

	get_file(buffer->dmabuf->file);
}

static void sample_vm_close(struct vm_area_struct *vma)
{
	struct dmabuf_sample_buffer *buffer = vma->vm_private_data;

	dmabuf_put(buffer->dmabuf);
}

static vm_fault_t sample_vm_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct dmabuf_sample_buffer *buffer = vma->vm_private_data;
	unsigned long index = vmf->pgoff & (DMABUF_SAMPLE_SLOT_PAGES - 1);
	struct dmabuf_storage *storage;
	vm_fault_t result;

	/*
	 * Only the death of the task ends a wait.  SIGBUS then, and where there
	 * is no memory: what ends without an error is tried again, for ever if
	 * it was the kernel that touched the memory.
	 */
	storage = dmabuf_storage_lock(buffer->dmabuf);
	if (IS_ERR(storage))
		return VM_FAULT_SIGBUS;
	if (index < dmabuf_backing_of(storage)->nr_pages)
		result = vmf_insert_pfn(vma, vmf->address,
					dmabuf_backing_pfn(dmabuf_backing_of(storage), index));
	else
		result = VM_FAULT_SIGBUS;
	dmabuf_storage_unlock(buffer->dmabuf);
	return result;
}

/**
 * dmabuf_sample_zap - tear down all page table entries of a buffer
 * @dmabuf: the buffer, whose storage is locked for a move
 *
 * All VMAs of all processes are in one mapping, at the buffer's offsets.
 *
 * Context: process context; may sleep; takes &dmabuf_sample.node_lock.
 */
void dmabuf_sample_zap(struct dmabuf *dmabuf)
{
	struct dmabuf_sample_buffer *buffer = dmabuf->priv;
	/* Without a slot there is no VMA, and whoever makes the first faults later. */
	u32 slot = READ_ONCE(buffer->slot);

	if (!slot)
		return;
	mutex_lock(&dmabuf_sample.node_lock);
	if (dmabuf_sample.nr_open)
		unmap_mapping_range(dmabuf_sample.mapping, slot * DMABUF_SAMPLE_SLOT_BYTES,
				    PAGE_ALIGN((u64)buffer->bytes), 1);
	mutex_unlock(&dmabuf_sample.node_lock);
}

static const struct vm_operations_struct sample_vm_ops = {
	.open = sample_vm_open,
	.close = sample_vm_close,
	.fault = sample_vm_fault,
};

static int check_vma(const struct dmabuf_sample_buffer *buffer, struct vm_area_struct *vma)
{
	unsigned long nr_pages = DIV_ROUND_UP(buffer->bytes, PAGE_SIZE);
	unsigned long index = vma->vm_pgoff & (DMABUF_SAMPLE_SLOT_PAGES - 1);

	/* VM_SHARED is not set for a MAP_SHARED of a node opened read-only. */
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (index >= nr_pages || vma_pages(vma) > nr_pages - index)
		return -EINVAL;
	/* As mmap() of a file has it: none but a readable one. */
	if (!buffer->readable || (vma->vm_flags & VM_WRITE && !buffer->writable))
		return -EACCES;
	return 0;
}

/**
 * dmabuf_sample_mmap - map a part of a buffer for the CPU
 * @file: the open file of the node
 * @vma: the part, by the offset that DMABUF_EXPORTER_MMAP_OFFSET gave
 *
 * The VMA and its copies each hold a reference to the dmabuf.
 *
 * Context: process context; mmap_lock is held for writing.
 * Return: 0, or
 * * -EINVAL: no buffer at this offset, beyond its pages, or MAP_PRIVATE
 * * -EACCES: the offset was given to another open file, or the buffer was
 *   exported without the access that is asked for
 */
int dmabuf_sample_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct dmabuf_sample_buffer *buffer;
	int ret;

	buffer = buffer_lookup(file->private_data, vma->vm_pgoff >> DMABUF_SAMPLE_SLOT_PAGES_SHIFT);
	if (IS_ERR(buffer))
		return PTR_ERR(buffer);
	ret = check_vma(buffer, vma);
	if (ret) {
		dmabuf_put(buffer->dmabuf);
		return ret;
	}

	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP | VM_PFNMAP);
	/* Nor may mprotect() make it so. */
	if (!buffer->writable)
		vm_flags_clear(vma, VM_MAYWRITE);
	vma->vm_ops = &sample_vm_ops;
	/* The reference of the lookup is the VMA's from here on. */
	vma->vm_private_data = buffer;
	return 0;
}
