// SPDX-License-Identifier: GPL-2.0-only
/*
 * User space's way to a buffer: VMAs by its fd, and by an offset of the exporter's
 * node, and their faults.
 *
 * A VMA by fd is of the buffer's file: it holds that, starts at page 0, and the core
 * finds it when the buffer moves.  A VMA by the node is of the node's file: it holds
 * the buffer itself, whose file may have gone, starts in the buffer's slot, and is
 * found by dmabuf_sample_zap().
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

/* Returns a buffer whose dmabuf is held by dmabuf_object_get(), or an ERR_PTR(). */
static struct dmabuf_sample_buffer *buffer_lookup(struct dmabuf_sample_file *file,
						  unsigned long slot)
{
	struct dmabuf_sample_buffer *buffer;

	/* The release op takes a buffer off under the same lock before it frees it. */
	xa_lock(&dmabuf_sample.slots);
	buffer = xa_load(&dmabuf_sample.slots, slot);
	if (buffer && !dmabuf_object_get(buffer->dmabuf))
		buffer = NULL;
	xa_unlock(&dmabuf_sample.slots);

	if (buffer && xa_load(&file->slots, slot) != slot_entry(buffer)) {
		dmabuf_object_put(buffer->dmabuf);
		return ERR_PTR(-EACCES);
	}
	return buffer ?: ERR_PTR(-EINVAL);
}

static vm_fault_t sample_vm_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct dmabuf_sample_buffer *buffer = vma->vm_private_data;
	/* By fd there is no slot in it, and no page number is that high. */
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

static void node_vm_open(struct vm_area_struct *vma)
{
	struct dmabuf_sample_buffer *buffer = vma->vm_private_data;

	/* The VMA that this one is a copy or a part of holds it. */
	WARN_ON(!dmabuf_object_get(buffer->dmabuf));
}

static void node_vm_close(struct vm_area_struct *vma)
{
	struct dmabuf_sample_buffer *buffer = vma->vm_private_data;

	dmabuf_object_put(buffer->dmabuf);
}

static const struct vm_operations_struct node_vm_ops = {
	.open = node_vm_open,
	.close = node_vm_close,
	.fault = sample_vm_fault,
};

static const struct vm_operations_struct fd_vm_ops = {
	.fault = sample_vm_fault,
};

/**
 * dmabuf_sample_zap - tear down all page table entries of VMAs by the node
 * @dmabuf: the buffer, whose storage is locked for a move
 *
 * All such VMAs of all processes are in one mapping, at the buffer's offsets.
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
		dmabuf_unmap_pages(dmabuf_sample.mapping, slot * DMABUF_SAMPLE_SLOT_PAGES,
				   PFN_UP(buffer->bytes));
	mutex_unlock(&dmabuf_sample.node_lock);
}

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

static void init_vma(struct dmabuf_sample_buffer *buffer, struct vm_area_struct *vma,
		     const struct vm_operations_struct *ops)
{
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP | VM_PFNMAP);
	/* Nor may mprotect() make it so. */
	if (!buffer->writable)
		vm_flags_clear(vma, VM_MAYWRITE);
	vma->vm_ops = ops;
	vma->vm_private_data = buffer;
}

/**
 * dmabuf_sample_mmap_node - map a part of a buffer for the CPU, by the node
 * @file: the open file of the node
 * @vma: the part, by the offset that DMABUF_EXPORTER_MMAP_OFFSET gave
 *
 * The VMA and its copies each hold the buffer by dmabuf_object_get().
 *
 * Context: process context; mmap_lock is held for writing.
 * Return: 0, or
 * * -EINVAL: no buffer at this offset, beyond its pages, or MAP_PRIVATE
 * * -EACCES: the offset was given to another open file, or the buffer was
 *   exported without the access that is asked for
 */
int dmabuf_sample_mmap_node(struct file *file, struct vm_area_struct *vma)
{
	struct dmabuf_sample_buffer *buffer;
	int ret;

	buffer = buffer_lookup(file->private_data, vma->vm_pgoff >> DMABUF_SAMPLE_SLOT_PAGES_SHIFT);
	if (IS_ERR(buffer))
		return PTR_ERR(buffer);
	ret = check_vma(buffer, vma);
	if (ret) {
		dmabuf_object_put(buffer->dmabuf);
		return ret;
	}
	/* The reference of the lookup is the VMA's from here on. */
	init_vma(buffer, vma, &node_vm_ops);
	return 0;
}

/**
 * dmabuf_sample_mmap_fd - map a part of a buffer for the CPU, by its fd
 * @dmabuf: the buffer
 * @vma: the part, from page &vm_area_struct.vm_pgoff on, of the buffer's file
 *
 * Also for drivers that let user space mmap what they imported, so the access mode of
 * the buffer's file has not always been looked at yet.
 *
 * Context: process context; mmap_lock is held for writing.
 * Return: 0, or
 * * -EINVAL: beyond the buffer's pages, or MAP_PRIVATE
 * * -EACCES: the buffer was exported without the access that is asked for
 */
int dmabuf_sample_mmap_fd(struct dmabuf *dmabuf, struct vm_area_struct *vma)
{
	struct dmabuf_sample_buffer *buffer = dmabuf->priv;
	int ret = check_vma(buffer, vma);

	if (!ret)
		init_vma(buffer, vma, &fd_vm_ops);
	return ret;
}
