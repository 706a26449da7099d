// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a driver calls for a CPU's access, for buffers of any exporter: begin, end,
 * vmap, vunmap, and mmap behind a node of its own.
 */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../../dmabuf-core/compat.h"
#include "cpu.h"

/**
 * struct acc_vmap - one dmabuf_vmap(); all immutable
 * @dmabuf: with a reference
 * @map: what the core gave
 */
struct acc_vmap {
	struct dmabuf *dmabuf;
	struct iosys_map map;
};

int acc_ucmd_access(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_test_cpu_access *arg = ucmd->arg;
	struct dmabuf *dmabuf;

	if (arg->end > 1)
		return -EINVAL;
	dmabuf = dmabuf_get(arg->fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	if (arg->end)
		arg->ret = dmabuf_end_cpu_access(dmabuf, arg->direction);
	else
		arg->ret = dmabuf_begin_cpu_access(dmabuf, arg->direction);
	dmabuf_put(dmabuf);
	return dmabuf_ucmd_respond(ucmd);
}

static void acc_vmap_free(struct acc_vmap *vmap)
{
	dmabuf_vunmap(vmap->dmabuf, &vmap->map);
	dmabuf_put(vmap->dmabuf);
	kfree(vmap);
}

int acc_ucmd_vmap(struct dmabuf_ucmd *ucmd)
{
	struct acc_file *cpu = ucmd->file->private_data;
	struct dmabuf_test_cpu_vmap *arg = ucmd->arg;
	struct acc_vmap *vmap;
	int ret;

	vmap = kzalloc(sizeof(*vmap), GFP_KERNEL);
	if (!vmap)
		return -ENOMEM;
	/* Something that must not be taken for an address. */
	iosys_map_set_vaddr(&vmap->map, vmap);
	vmap->dmabuf = dmabuf_get(arg->fd);
	if (IS_ERR(vmap->dmabuf)) {
		ret = PTR_ERR(vmap->dmabuf);
		goto err_free;
	}
	arg->handle = 0;
	arg->ret = dmabuf_vmap(vmap->dmabuf, &vmap->map);
	arg->cleared = iosys_map_is_null(&vmap->map);
	if (arg->ret) {
		ret = dmabuf_ucmd_respond(ucmd);
		goto err_put;
	}
	ret = xa_alloc(&cpu->vmaps, &arg->handle, vmap, xa_limit_31b, GFP_KERNEL);
	if (ret)
		goto err_vunmap;
	ret = dmabuf_ucmd_respond(ucmd);
	if (ret)
		goto err_erase;
	return 0;

err_erase:
	xa_erase(&cpu->vmaps, arg->handle);
err_vunmap:
	dmabuf_vunmap(vmap->dmabuf, &vmap->map);
err_put:
	dmabuf_put(vmap->dmabuf);
err_free:
	kfree(vmap);
	return ret;
}

int acc_ucmd_vunmap(struct dmabuf_ucmd *ucmd)
{
	struct acc_file *cpu = ucmd->file->private_data;
	struct dmabuf_test_cpu_vunmap *arg = ucmd->arg;
	struct acc_vmap *vmap = xa_erase(&cpu->vmaps, arg->handle);

	if (!vmap)
		return -ENOENT;
	acc_vmap_free(vmap);
	return 0;
}

int acc_ucmd_touch(struct dmabuf_ucmd *ucmd)
{
	struct acc_file *cpu = ucmd->file->private_data;
	struct dmabuf_test_cpu_touch *arg = ucmd->arg;
	struct acc_vmap *vmap = xa_load(&cpu->vmaps, arg->handle);
	u64 i;
	u8 *at;

	if (!vmap)
		return -ENOENT;
	if (arg->write > 1 || arg->value > 255 || vmap->map.is_iomem ||
	    arg->offset > vmap->dmabuf->size || arg->bytes > vmap->dmabuf->size - arg->offset)
		return -EINVAL;
	at = vmap->map.vaddr + arg->offset;
	if (arg->write)
		memset(at, arg->value, arg->bytes);
	arg->equal = 0;
	for (i = 0; i < arg->bytes; i++)
		arg->equal += at[i] == arg->value;
	return dmabuf_ucmd_respond(ucmd);
}

int acc_ucmd_mmap(struct dmabuf_ucmd *ucmd)
{
	struct acc_file *cpu = ucmd->file->private_data;
	struct dmabuf_test_cpu_mmap *arg = ucmd->arg;
	struct dmabuf *dmabuf = NULL;

	if (arg->fd != -1) {
		dmabuf = dmabuf_get(arg->fd);
		if (IS_ERR(dmabuf))
			return PTR_ERR(dmabuf);
	}
	cpu->pgoff = arg->pgoff;
	dmabuf = xchg(&cpu->mmap, dmabuf);
	if (dmabuf)
		dmabuf_put(dmabuf);
	return 0;
}

int acc_mmap_node(struct acc_file *cpu, struct vm_area_struct *vma)
{
	return cpu->mmap ? dmabuf_mmap(cpu->mmap, vma, cpu->pgoff) : -ENODEV;
}

void acc_calls_close(struct acc_file *cpu)
{
	struct acc_vmap *vmap;
	unsigned long i;

	xa_for_each(&cpu->vmaps, i, vmap)
		acc_vmap_free(vmap);
	xa_destroy(&cpu->vmaps);
	if (cpu->mmap)
		dmabuf_put(cpu->mmap);
}
