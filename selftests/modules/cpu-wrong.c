// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls for the CPU's access that break the rules: each in a function of its own, as
 * the core's line in the log has its name.
 */
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/string.h>

#include <dmabuf-core/placement.h>

#include "../../dmabuf-core/compat.h"
#include "cpu.h"

/* Ops that are never called: no buffer with them comes about. */

static struct sg_table *wrong_map(struct dmabuf_attachment *attachment,
				  enum dma_data_direction direction)
{
	return ERR_PTR(-EIO);
}

static void wrong_unmap(struct dmabuf_attachment *attachment, struct sg_table *sgt)
{
}

static int wrong_vmap(struct dmabuf *dmabuf, struct iosys_map *map)
{
	return -EIO;
}

static void wrong_vunmap(struct dmabuf *dmabuf, struct iosys_map *map)
{
}

static void wrong_release(struct dmabuf *dmabuf)
{
}

static struct dmabuf_storage *wrong_alloc(struct dmabuf *dmabuf,
					  const struct dmabuf_constraints *needs,
					  const struct dmabuf_storage *from)
{
	return ERR_PTR(-EIO);
}

static void wrong_free(struct dmabuf *dmabuf, struct dmabuf_storage *storage)
{
}

static struct sg_table *wrong_layer_map(struct dmabuf_attachment *attachment,
					struct dmabuf_storage *storage,
					enum dma_data_direction direction)
{
	return ERR_PTR(-EIO);
}

static void wrong_layer_unmap(struct dmabuf_attachment *attachment,
			      struct dmabuf_storage *storage, struct sg_table *sgt)
{
}

static int wrong_layer_vmap(struct dmabuf *dmabuf, struct dmabuf_storage *storage,
			    struct iosys_map *map)
{
	return -EIO;
}

#define WRONG_MANDATORY			\
	.owner = THIS_MODULE,		\
	.map_dma_buf = wrong_map,	\
	.unmap_dma_buf = wrong_unmap,	\
	.release = wrong_release

static const struct dmabuf_ops wrong_vmap_alone = { WRONG_MANDATORY, .vmap = wrong_vmap };

#define WRONG_LAYER			\
	.alloc = wrong_alloc,		\
	.free = wrong_free,		\
	.map = wrong_layer_map,		\
	.unmap = wrong_layer_unmap

static const struct dmabuf_placement_ops wrong_layer_ops = {
	WRONG_LAYER, .vmap = wrong_layer_vmap,
};

static const struct dmabuf_ops wrong_layer_vmap_alone = {
	.owner = THIS_MODULE,
	.placement = &wrong_layer_ops,
	.release = wrong_release,
};

static const struct dmabuf_placement_ops right_layer_ops = { WRONG_LAYER };

static const struct dmabuf_ops wrong_layer_and_vmap = {
	.owner = THIS_MODULE,
	.placement = &right_layer_ops,
	.vmap = wrong_vmap,
	.vunmap = wrong_vunmap,
	.release = wrong_release,
};

static noinline int wrong_export(const struct dmabuf_ops *ops)
{
	struct dmabuf *dmabuf = dmabuf_export(NULL, ops, PAGE_SIZE, O_RDWR);

	if (!dmabuf)
		return -EINVAL;
	dmabuf_put(dmabuf);
	return 0;
}

static noinline int acc_begins_wrongly(u32 which, struct dmabuf *dmabuf)
{
	switch (which) {
	case DMABUF_TEST_CPU_BEGIN_NULL:
		return dmabuf_begin_cpu_access(NULL, DMA_TO_DEVICE);
	case DMABUF_TEST_CPU_BEGIN_ERR_PTR:
		return dmabuf_begin_cpu_access(ERR_PTR(-EBADF), DMA_TO_DEVICE);
	case DMABUF_TEST_CPU_BEGIN_DIRECTION_NONE:
		return dmabuf_begin_cpu_access(dmabuf, DMA_NONE);
	default:
		return dmabuf_begin_cpu_access(dmabuf, 77);
	}
}

static noinline int acc_ends_wrongly(u32 which, struct dmabuf *dmabuf)
{
	switch (which) {
	case DMABUF_TEST_CPU_END_NULL:
		return dmabuf_end_cpu_access(NULL, DMA_TO_DEVICE);
	case DMABUF_TEST_CPU_END_ERR_PTR:
		return dmabuf_end_cpu_access(ERR_PTR(-EBADF), DMA_TO_DEVICE);
	default:
		return dmabuf_end_cpu_access(dmabuf, DMA_NONE);
	}
}

/* The VMA is never looked at. */
static noinline int acc_mmaps_wrongly(u32 which, struct dmabuf *dmabuf)
{
	struct vm_area_struct *vma = NULL;

	if (which == DMABUF_TEST_CPU_MMAP_NULL)
		return dmabuf_mmap(NULL, vma, 0);
	return dmabuf_mmap(dmabuf, vma, 0);
}

static noinline int acc_vmaps_wrongly(u32 which, struct dmabuf *dmabuf)
{
	struct iosys_map map;

	switch (which) {
	case DMABUF_TEST_CPU_VMAP_NULL:
		return dmabuf_vmap(NULL, &map);
	case DMABUF_TEST_CPU_VMAP_ERR_PTR:
		return dmabuf_vmap(ERR_PTR(-EBADF), &map);
	default:
		return dmabuf_vmap(dmabuf, NULL);
	}
}

static noinline int acc_vunmaps_wrongly(u32 which, struct dmabuf *dmabuf)
{
	struct iosys_map map = { .vaddr = NULL };

	switch (which) {
	case DMABUF_TEST_CPU_VUNMAP_NULL:
		dmabuf_vunmap(NULL, &map);
		break;
	case DMABUF_TEST_CPU_VUNMAP_ERR_PTR:
		dmabuf_vunmap(ERR_PTR(-EBADF), &map);
		break;
	case DMABUF_TEST_CPU_VUNMAP_NULL_MAP:
		dmabuf_vunmap(dmabuf, NULL);
		break;
	default:
		dmabuf_vunmap(dmabuf, &map);
	}
	return 0;
}

static int acc_exports_wrongly(u32 which)
{
	switch (which) {
	case DMABUF_TEST_CPU_EXPORT_VMAP_ALONE:
		return wrong_export(&wrong_vmap_alone);
	case DMABUF_TEST_CPU_EXPORT_LAYER_VMAP_ALONE:
		return wrong_export(&wrong_layer_vmap_alone);
	default:
		return wrong_export(&wrong_layer_and_vmap);
	}
}

static int acc_call_wrongly(struct dmabuf_test_cpu_wrong *arg, struct dmabuf *dmabuf)
{
	const char *caller;
	int ret;

	if (arg->which <= DMABUF_TEST_CPU_BEGIN_DIRECTION_UNKNOWN) {
		caller = "acc_begins_wrongly";
		ret = acc_begins_wrongly(arg->which, dmabuf);
	} else if (arg->which <= DMABUF_TEST_CPU_END_DIRECTION_NONE) {
		caller = "acc_ends_wrongly";
		ret = acc_ends_wrongly(arg->which, dmabuf);
	} else if (arg->which <= DMABUF_TEST_CPU_MMAP_NULL_VMA) {
		caller = "acc_mmaps_wrongly";
		ret = acc_mmaps_wrongly(arg->which, dmabuf);
	} else if (arg->which <= DMABUF_TEST_CPU_VMAP_NULL_MAP) {
		caller = "acc_vmaps_wrongly";
		ret = acc_vmaps_wrongly(arg->which, dmabuf);
	} else if (arg->which <= DMABUF_TEST_CPU_VUNMAP_NOT_VMAPPED) {
		caller = "acc_vunmaps_wrongly";
		ret = acc_vunmaps_wrongly(arg->which, dmabuf);
	} else {
		caller = "wrong_export";
		ret = acc_exports_wrongly(arg->which);
	}
	strscpy(arg->caller, caller, sizeof(arg->caller));
	return ret;
}

int acc_ucmd_wrong(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_test_cpu_wrong *arg = ucmd->arg;
	struct dmabuf *dmabuf;

	if (arg->which >= DMABUF_TEST_CPU_WRONG_NR)
		return -EINVAL;
	dmabuf = dmabuf_get(arg->fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	arg->ret = acc_call_wrongly(arg, dmabuf);
	dmabuf_put(dmabuf);
	return dmabuf_ucmd_respond(ucmd);
}
