// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmabuf-test-misuse: calls the core wrongly in every way, one function a way.
 *
 * Around each of them stands a good buffer with a good attachment, which must
 * work afterwards as if nothing had happened.  The functions' names are what the
 * core has to write into the log.
 */
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <dmabuf-core/dmabuf.h>

#include "../../dmabuf-core/compat.h"
#include "../../dmabuf-core/ucmd.h"
#include "test-uapi.h"

#define MISUSE_BYTES (2 * PAGE_SIZE)

/*
 * The same memory is mapped several times at once, and nothing is to be synced:
 * the made-up devices see the CPU's caches.
 */
#define MISUSE_MAP_ATTRS DMA_ATTR_SKIP_CPU_SYNC

/* Wrong values that no check at compile time may see. */
static struct device *misuse_no_device;
static struct dmabuf *misuse_no_buffer;

static struct platform_device *misuse_pdev;
static DEFINE_MUTEX(misuse_lock);

/* Calls of ops since load; each member is written under misuse_counts_lock. */
static struct dmabuf_test_counts misuse_counts;
static u32 misuse_exports;
static DEFINE_SPINLOCK(misuse_counts_lock);

/* The next map op returns NULL; under misuse_lock. */
static bool misuse_map_null_once;

/**
 * struct misuse - one case in flight
 * @good: the buffer that has to survive; immutable
 * @attachment: of @good; a case that consumes it sets it to NULL
 * @fd: the caller's argument; immutable
 * @before: counts when the wrong call began
 * @during: what the wrong call added to them, once it has ended
 * @ended: @during is filled in
 */
struct misuse {
	struct dmabuf *good;
	struct dmabuf_attachment *attachment;
	int fd;
	struct dmabuf_test_counts before;
	struct dmabuf_test_counts during;
	bool ended;
};

static void misuse_count(u32 *counter)
{
	spin_lock(&misuse_counts_lock);
	++*counter;
	spin_unlock(&misuse_counts_lock);
}

static struct dmabuf_test_counts misuse_counts_read(void)
{
	struct dmabuf_test_counts counts;

	spin_lock(&misuse_counts_lock);
	counts = misuse_counts;
	spin_unlock(&misuse_counts_lock);
	return counts;
}

/* The exporter: two pages for each buffer, mapped anew by each map. */

static int misuse_op_attach(struct dmabuf *dmabuf, struct device *dev,
			    struct dmabuf_attachment *attachment)
{
	misuse_count(&misuse_counts.attach);
	return 0;
}

static void misuse_op_detach(struct dmabuf *dmabuf, struct dmabuf_attachment *attachment)
{
	misuse_count(&misuse_counts.detach);
}

static struct sg_table *misuse_op_map(struct dmabuf_attachment *attachment,
				      enum dma_data_direction direction)
{
	struct sg_table *sgt;
	int ret;

	if (misuse_map_null_once)
		return NULL;

	sgt = kzalloc(sizeof(*sgt), GFP_KERNEL);
	if (!sgt)
		return ERR_PTR(-ENOMEM);
	ret = sg_alloc_table(sgt, 1, GFP_KERNEL);
	if (ret)
		goto err_free;
	sg_set_buf(sgt->sgl, attachment->dmabuf->priv, MISUSE_BYTES);
	ret = dma_map_sgtable(attachment->dev, sgt, DMA_BIDIRECTIONAL, MISUSE_MAP_ATTRS);
	if (ret)
		goto err_table;
	misuse_count(&misuse_counts.map);
	return sgt;

err_table:
	sg_free_table(sgt);
err_free:
	kfree(sgt);
	return ERR_PTR(ret);
}

static void misuse_op_unmap(struct dmabuf_attachment *attachment, struct sg_table *sgt)
{
	dma_unmap_sgtable(attachment->dev, sgt, DMA_BIDIRECTIONAL, MISUSE_MAP_ATTRS);
	sg_free_table(sgt);
	kfree(sgt);
	misuse_count(&misuse_counts.unmap);
}

static void misuse_op_release(struct dmabuf *dmabuf)
{
	if (dmabuf->priv)
		free_pages((unsigned long)dmabuf->priv, get_order(MISUSE_BYTES));
	misuse_count(&misuse_counts.release);
}

#define MISUSE_OPS				\
	.owner = THIS_MODULE,			\
	.attach = misuse_op_attach,		\
	.detach = misuse_op_detach,		\
	.map_dma_buf = misuse_op_map,		\
	.unmap_dma_buf = misuse_op_unmap,	\
	.release = misuse_op_release

static const struct dmabuf_ops misuse_ops = { MISUSE_OPS };

static struct dmabuf *misuse_export(void)
{
	void *pages = (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, get_order(MISUSE_BYTES));
	struct dmabuf *dmabuf;

	if (!pages)
		return NULL;
	dmabuf = dmabuf_export(pages, &misuse_ops, MISUSE_BYTES, O_RDWR);
	if (!dmabuf) {
		free_pages((unsigned long)pages, get_order(MISUSE_BYTES));
		return NULL;
	}
	misuse_count(&misuse_exports);
	return dmabuf;
}

/* The wrong call begins here; the cases that prepare something call it again. */
static void misuse_begin(struct misuse *misuse)
{
	misuse->before = misuse_counts_read();
}

/* The wrong call ended here; the cases that clean something up call it first. */
static void misuse_end(struct misuse *misuse)
{
	struct dmabuf_test_counts now = misuse_counts_read();

	if (misuse->ended)
		return;
	misuse->during.attach = now.attach - misuse->before.attach;
	misuse->during.refused = now.refused - misuse->before.refused;
	misuse->during.detach = now.detach - misuse->before.detach;
	misuse->during.map = now.map - misuse->before.map;
	misuse->during.unmap = now.unmap - misuse->before.unmap;
	misuse->during.release = now.release - misuse->before.release;
	misuse->ended = true;
}

/* An export that had to fail: 0 if it did. */
static int misuse_exported(struct misuse *misuse, struct dmabuf *dmabuf)
{
	misuse_end(misuse);
	if (!dmabuf)
		return 0;
	misuse_count(&misuse_exports);
	dmabuf_put(dmabuf);
	return -EEXIST;
}

/* An attach that had to fail: its errno. */
static int misuse_attached(struct misuse *misuse, struct dmabuf_attachment *attachment)
{
	misuse_end(misuse);
	if (IS_ERR(attachment))
		return PTR_ERR(attachment);
	dmabuf_detach(misuse->good, attachment);
	return 0;
}

/* A map that had to fail: its errno. */
static int misuse_mapped(struct misuse *misuse, struct sg_table *sgt)
{
	misuse_end(misuse);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	dmabuf_unmap_attachment(misuse->attachment, sgt);
	return 0;
}

/* The cases.  None is inlined, so that the log can name it. */

static noinline int misuse_export_no_ops(struct misuse *misuse)
{
	return misuse_exported(misuse, dmabuf_export(NULL, NULL, PAGE_SIZE, O_RDWR));
}

static noinline int misuse_export_no_map(struct misuse *misuse)
{
	struct dmabuf_ops ops = misuse_ops;

	ops.map_dma_buf = NULL;
	return misuse_exported(misuse, dmabuf_export(NULL, &ops, PAGE_SIZE, O_RDWR));
}

static noinline int misuse_export_no_unmap(struct misuse *misuse)
{
	struct dmabuf_ops ops = misuse_ops;

	ops.unmap_dma_buf = NULL;
	return misuse_exported(misuse, dmabuf_export(NULL, &ops, PAGE_SIZE, O_RDWR));
}

static noinline int misuse_export_no_release(struct misuse *misuse)
{
	struct dmabuf_ops ops = misuse_ops;

	ops.release = NULL;
	return misuse_exported(misuse, dmabuf_export(NULL, &ops, PAGE_SIZE, O_RDWR));
}

static noinline int misuse_export_size_0(struct misuse *misuse)
{
	return misuse_exported(misuse, dmabuf_export(NULL, &misuse_ops, 0, O_RDWR));
}

static noinline int misuse_export_size_too_large(struct misuse *misuse)
{
	return misuse_exported(misuse, dmabuf_export(NULL, &misuse_ops, SIZE_MAX, O_RDWR));
}

static noinline int misuse_export_unknown_flags(struct misuse *misuse)
{
	return misuse_exported(misuse, dmabuf_export(NULL, &misuse_ops, PAGE_SIZE,
						     O_RDWR | O_NONBLOCK));
}

static noinline int misuse_export_no_access_mode(struct misuse *misuse)
{
	return misuse_exported(misuse, dmabuf_export(NULL, &misuse_ops, PAGE_SIZE, O_ACCMODE));
}

/* A module whose exit is running.  This one's cannot run while it tests. */
static struct module misuse_going = { .name = "going", .state = MODULE_STATE_GOING };

static noinline int misuse_export_owner_going(struct misuse *misuse)
{
	struct dmabuf_ops ops = misuse_ops;

	ops.owner = &misuse_going;
	return misuse_exported(misuse, dmabuf_export(NULL, &ops, PAGE_SIZE, O_RDWR));
}

/* Not wrong: priv belongs to the exporter. */
static noinline int misuse_export_priv_null(struct misuse *misuse)
{
	struct dmabuf *dmabuf = dmabuf_export(NULL, &misuse_ops, PAGE_SIZE, O_RDWR);

	if (!dmabuf)
		return -ENOMEM;
	misuse_count(&misuse_exports);
	dmabuf_put(dmabuf);
	return 0;
}

static noinline int misuse_fd_null(struct misuse *misuse)
{
	int ret = dmabuf_fd(misuse_no_buffer);

	misuse_end(misuse);
	return ret;
}

static noinline int misuse_fd_err_ptr(struct misuse *misuse)
{
	int ret = dmabuf_fd(ERR_PTR(-ENOMEM));

	misuse_end(misuse);
	return ret;
}

/* The number is reserved, and stays the caller's to give back. */
static noinline int misuse_fd_install_null(struct misuse *misuse)
{
	int fd = get_unused_fd_flags(O_CLOEXEC);

	if (fd < 0)
		return fd;
	dmabuf_fd_install(misuse_no_buffer, fd);
	misuse_end(misuse);
	put_unused_fd(fd);
	return 0;
}

/* The caller has no fd left.  The reference stays ours, and works shows it. */
static noinline int misuse_fd_without_a_free_one(struct misuse *misuse)
{
	int ret = dmabuf_fd(misuse->good);

	misuse_end(misuse);
	return ret;
}

static noinline int misuse_get_from_fd(struct misuse *misuse)
{
	struct dmabuf *dmabuf = dmabuf_get(misuse->fd);

	misuse_end(misuse);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	dmabuf_put(dmabuf);
	return 0;
}

static noinline int misuse_put_null(struct misuse *misuse)
{
	dmabuf_put(misuse_no_buffer);
	misuse_end(misuse);
	return 0;
}

static noinline int misuse_put_err_ptr(struct misuse *misuse)
{
	dmabuf_put(ERR_PTR(-EBADF));
	misuse_end(misuse);
	return 0;
}

/* Wrong order, but harmless: the attachment has a reference of its own. */
static noinline int misuse_put_before_detach(struct misuse *misuse)
{
	struct dmabuf *dmabuf = misuse_export();
	struct dmabuf_attachment *attachment;
	struct sg_table *sgt;

	if (!dmabuf)
		return -ENOMEM;
	attachment = dmabuf_attach(dmabuf, &misuse_pdev->dev);
	if (IS_ERR(attachment)) {
		dmabuf_put(dmabuf);
		return PTR_ERR(attachment);
	}
	misuse_begin(misuse);
	dmabuf_put(dmabuf);
	misuse_end(misuse);

	sgt = dmabuf_map_attachment(attachment, DMA_BIDIRECTIONAL);
	if (!IS_ERR(sgt))
		dmabuf_unmap_attachment(attachment, sgt);
	dmabuf_detach(dmabuf, attachment);
	return PTR_ERR_OR_ZERO(sgt);
}

/*
 * The second put takes the attachment's reference.  What the core has to undo
 * then, it undoes when this ioctl returns, so the caller looks at the totals.
 */
static noinline int misuse_put_too_many(struct misuse *misuse)
{
	struct dmabuf *dmabuf = misuse_export();
	struct dmabuf_attachment *attachment;
	struct sg_table *sgt;

	if (!dmabuf)
		return -ENOMEM;
	attachment = dmabuf_attach(dmabuf, &misuse_pdev->dev);
	if (IS_ERR(attachment)) {
		dmabuf_put(dmabuf);
		return PTR_ERR(attachment);
	}
	sgt = dmabuf_map_attachment(attachment, DMA_BIDIRECTIONAL);
	if (IS_ERR(sgt)) {
		dmabuf_detach(dmabuf, attachment);
		dmabuf_put(dmabuf);
		return PTR_ERR(sgt);
	}
	misuse_begin(misuse);
	dmabuf_put(dmabuf);
	dmabuf_put(dmabuf);
	misuse_end(misuse);
	return 0;
}

static noinline int misuse_attach_null_buffer(struct misuse *misuse)
{
	return misuse_attached(misuse, dmabuf_attach(misuse_no_buffer, &misuse_pdev->dev));
}

static noinline int misuse_attach_err_ptr_buffer(struct misuse *misuse)
{
	return misuse_attached(misuse, dmabuf_attach(ERR_PTR(-EBADF), &misuse_pdev->dev));
}

static noinline int misuse_attach_null_device(struct misuse *misuse)
{
	return misuse_attached(misuse, dmabuf_attach(misuse->good, misuse_no_device));
}

/* Constraints that make no sense: one member is wrong, the others are fine. */
#define MISUSE_ATTACH(_name, _member, _value)						\
static noinline int misuse_attach_##_name(struct misuse *misuse)			\
{											\
	struct dmabuf_constraints extra;						\
											\
	dmabuf_constraints_init(&extra);						\
	extra._member = (_value);							\
	return misuse_attached(misuse,							\
			       dmabuf_attach_constrained(misuse->good, &misuse_pdev->dev,	\
							 &extra));			\
}

MISUSE_ATTACH(dma_mask_0, dma_mask, 0)
MISUSE_ATTACH(dma_mask_with_holes, dma_mask, 0xfffffffe)
MISUSE_ATTACH(seg_boundary_0, seg_boundary, 0)
MISUSE_ATTACH(seg_boundary_with_holes, seg_boundary, 0x1000)
MISUSE_ATTACH(max_seg_size_0, max_seg_size, 0)
MISUSE_ATTACH(max_segs_0, max_segs, 0)
MISUSE_ATTACH(align_0, align, 0)
MISUSE_ATTACH(align_not_a_power_of_two, align, 48)

static noinline int misuse_detach_null_buffer(struct misuse *misuse)
{
	dmabuf_detach(misuse_no_buffer, misuse->attachment);
	misuse_end(misuse);
	return 0;
}

static noinline int misuse_detach_null_attachment(struct misuse *misuse)
{
	dmabuf_detach(misuse->good, NULL);
	misuse_end(misuse);
	return 0;
}

static noinline int misuse_detach_err_ptr_attachment(struct misuse *misuse)
{
	dmabuf_detach(misuse->good, ERR_PTR(-ENOMEM));
	misuse_end(misuse);
	return 0;
}

static noinline int misuse_detach_from_wrong_buffer(struct misuse *misuse)
{
	struct dmabuf *other = misuse_export();
	struct sg_table *sgt;

	if (!other)
		return -ENOMEM;
	misuse_begin(misuse);
	dmabuf_detach(other, misuse->attachment);
	misuse_end(misuse);

	dmabuf_put(other);
	sgt = dmabuf_map_attachment(misuse->attachment, DMA_BIDIRECTIONAL);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	dmabuf_unmap_attachment(misuse->attachment, sgt);
	return 0;
}

static noinline int misuse_detach_twice(struct misuse *misuse)
{
	dmabuf_detach(misuse->good, misuse->attachment);
	misuse_begin(misuse);
	dmabuf_detach(misuse->good, misuse->attachment);
	misuse_end(misuse);
	misuse->attachment = NULL;
	return 0;
}

static noinline int misuse_detach_while_mapped(struct misuse *misuse)
{
	struct sg_table *sgt = dmabuf_map_attachment(misuse->attachment, DMA_TO_DEVICE);

	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	misuse_begin(misuse);
	dmabuf_detach(misuse->good, misuse->attachment);
	misuse_end(misuse);
	misuse->attachment = NULL;
	return 0;
}

static noinline int misuse_detach_while_mapped_twice(struct misuse *misuse)
{
	struct sg_table *one = dmabuf_map_attachment(misuse->attachment, DMA_TO_DEVICE);
	struct sg_table *two;

	if (IS_ERR(one))
		return PTR_ERR(one);
	two = dmabuf_map_attachment(misuse->attachment, DMA_BIDIRECTIONAL);
	if (IS_ERR(two)) {
		dmabuf_unmap_attachment(misuse->attachment, one);
		return PTR_ERR(two);
	}
	misuse_begin(misuse);
	dmabuf_detach(misuse->good, misuse->attachment);
	misuse_end(misuse);
	misuse->attachment = NULL;
	return 0;
}

static noinline int misuse_map_null(struct misuse *misuse)
{
	return misuse_mapped(misuse, dmabuf_map_attachment(NULL, DMA_BIDIRECTIONAL));
}

static noinline int misuse_map_err_ptr(struct misuse *misuse)
{
	return misuse_mapped(misuse, dmabuf_map_attachment(ERR_PTR(-EBUSY), DMA_BIDIRECTIONAL));
}

static noinline int misuse_map_direction_none(struct misuse *misuse)
{
	return misuse_mapped(misuse, dmabuf_map_attachment(misuse->attachment, DMA_NONE));
}

static noinline int misuse_map_direction_unknown(struct misuse *misuse)
{
	return misuse_mapped(misuse, dmabuf_map_attachment(misuse->attachment,
							   (enum dma_data_direction)17));
}

static noinline int misuse_map_op_returns_null(struct misuse *misuse)
{
	struct sg_table *sgt;

	misuse_map_null_once = true;
	sgt = dmabuf_map_attachment(misuse->attachment, DMA_BIDIRECTIONAL);
	misuse_map_null_once = false;
	return misuse_mapped(misuse, sgt);
}

/* The unmaps: a mapping that has nothing to do with them must survive them. */

static noinline int misuse_unmap_null_attachment(struct misuse *misuse)
{
	struct sg_table *sgt = dmabuf_map_attachment(misuse->attachment, DMA_BIDIRECTIONAL);

	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	misuse_begin(misuse);
	dmabuf_unmap_attachment(NULL, sgt);
	misuse_end(misuse);
	dmabuf_unmap_attachment(misuse->attachment, sgt);
	return 0;
}

static noinline int misuse_unmap_null_sgt(struct misuse *misuse)
{
	struct sg_table *sgt = dmabuf_map_attachment(misuse->attachment, DMA_BIDIRECTIONAL);

	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	misuse_begin(misuse);
	dmabuf_unmap_attachment(misuse->attachment, NULL);
	misuse_end(misuse);
	dmabuf_unmap_attachment(misuse->attachment, sgt);
	return 0;
}

static noinline int misuse_unmap_err_ptr_sgt(struct misuse *misuse)
{
	struct sg_table *sgt = dmabuf_map_attachment(misuse->attachment, DMA_BIDIRECTIONAL);

	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	misuse_begin(misuse);
	dmabuf_unmap_attachment(misuse->attachment, ERR_PTR(-EINTR));
	misuse_end(misuse);
	dmabuf_unmap_attachment(misuse->attachment, sgt);
	return 0;
}

static noinline int misuse_unmap_foreign_sgt(struct misuse *misuse)
{
	struct sg_table *sgt = dmabuf_map_attachment(misuse->attachment, DMA_BIDIRECTIONAL);
	struct sg_table foreign = { };

	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	misuse_begin(misuse);
	dmabuf_unmap_attachment(misuse->attachment, &foreign);
	misuse_end(misuse);
	dmabuf_unmap_attachment(misuse->attachment, sgt);
	return 0;
}

static noinline int misuse_unmap_of_other_attachment(struct misuse *misuse)
{
	struct dmabuf_attachment *other = dmabuf_attach(misuse->good, &misuse_pdev->dev);
	struct sg_table *sgt;

	if (IS_ERR(other))
		return PTR_ERR(other);
	sgt = dmabuf_map_attachment(other, DMA_BIDIRECTIONAL);
	if (IS_ERR(sgt)) {
		dmabuf_detach(misuse->good, other);
		return PTR_ERR(sgt);
	}
	misuse_begin(misuse);
	dmabuf_unmap_attachment(misuse->attachment, sgt);
	misuse_end(misuse);
	dmabuf_unmap_attachment(other, sgt);
	dmabuf_detach(misuse->good, other);
	return 0;
}

static noinline int misuse_unmap_twice(struct misuse *misuse)
{
	struct sg_table *sgt = dmabuf_map_attachment(misuse->attachment, DMA_BIDIRECTIONAL);

	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	dmabuf_unmap_attachment(misuse->attachment, sgt);
	misuse_begin(misuse);
	dmabuf_unmap_attachment(misuse->attachment, sgt);
	misuse_end(misuse);
	return 0;
}

static noinline int misuse_unmap_before_map(struct misuse *misuse)
{
	struct sg_table never = { };

	dmabuf_unmap_attachment(misuse->attachment, &never);
	misuse_end(misuse);
	return 0;
}

/**
 * struct misuse_case - one way to call the core wrongly
 * @run: does it; returns what the wrong call returned
 * @caller: the name of that function, for the log's reader
 */
struct misuse_case {
	int (*run)(struct misuse *misuse);
	const char *caller;
};

#define MISUSE_CASE(name) { .run = misuse_##name, .caller = "misuse_" #name }

static const struct misuse_case misuse_cases[] = {
	[MISUSE_EXPORT_NO_OPS] = MISUSE_CASE(export_no_ops),
	[MISUSE_EXPORT_NO_MAP] = MISUSE_CASE(export_no_map),
	[MISUSE_EXPORT_NO_UNMAP] = MISUSE_CASE(export_no_unmap),
	[MISUSE_EXPORT_NO_RELEASE] = MISUSE_CASE(export_no_release),
	[MISUSE_EXPORT_SIZE_0] = MISUSE_CASE(export_size_0),
	[MISUSE_EXPORT_SIZE_TOO_LARGE] = MISUSE_CASE(export_size_too_large),
	[MISUSE_EXPORT_UNKNOWN_FLAGS] = MISUSE_CASE(export_unknown_flags),
	[MISUSE_EXPORT_NO_ACCESS_MODE] = MISUSE_CASE(export_no_access_mode),
	[MISUSE_EXPORT_OWNER_GOING] = MISUSE_CASE(export_owner_going),
	[MISUSE_EXPORT_PRIV_NULL] = MISUSE_CASE(export_priv_null),
	[MISUSE_FD_NULL] = MISUSE_CASE(fd_null),
	[MISUSE_FD_INSTALL_NULL] = MISUSE_CASE(fd_install_null),
	[MISUSE_FD_ERR_PTR] = MISUSE_CASE(fd_err_ptr),
	[MISUSE_FD_WITHOUT_A_FREE_ONE] = MISUSE_CASE(fd_without_a_free_one),
	[MISUSE_GET_FROM_FD] = MISUSE_CASE(get_from_fd),
	[MISUSE_PUT_NULL] = MISUSE_CASE(put_null),
	[MISUSE_PUT_ERR_PTR] = MISUSE_CASE(put_err_ptr),
	[MISUSE_PUT_BEFORE_DETACH] = MISUSE_CASE(put_before_detach),
	[MISUSE_PUT_TOO_MANY] = MISUSE_CASE(put_too_many),
	[MISUSE_ATTACH_NULL_BUFFER] = MISUSE_CASE(attach_null_buffer),
	[MISUSE_ATTACH_ERR_PTR_BUFFER] = MISUSE_CASE(attach_err_ptr_buffer),
	[MISUSE_ATTACH_NULL_DEVICE] = MISUSE_CASE(attach_null_device),
	[MISUSE_ATTACH_DMA_MASK_0] = MISUSE_CASE(attach_dma_mask_0),
	[MISUSE_ATTACH_DMA_MASK_WITH_HOLES] = MISUSE_CASE(attach_dma_mask_with_holes),
	[MISUSE_ATTACH_SEG_BOUNDARY_0] = MISUSE_CASE(attach_seg_boundary_0),
	[MISUSE_ATTACH_SEG_BOUNDARY_WITH_HOLES] = MISUSE_CASE(attach_seg_boundary_with_holes),
	[MISUSE_ATTACH_MAX_SEG_SIZE_0] = MISUSE_CASE(attach_max_seg_size_0),
	[MISUSE_ATTACH_MAX_SEGS_0] = MISUSE_CASE(attach_max_segs_0),
	[MISUSE_ATTACH_ALIGN_0] = MISUSE_CASE(attach_align_0),
	[MISUSE_ATTACH_ALIGN_NOT_A_POWER_OF_TWO] = MISUSE_CASE(attach_align_not_a_power_of_two),
	[MISUSE_DETACH_NULL_BUFFER] = MISUSE_CASE(detach_null_buffer),
	[MISUSE_DETACH_NULL_ATTACHMENT] = MISUSE_CASE(detach_null_attachment),
	[MISUSE_DETACH_ERR_PTR_ATTACHMENT] = MISUSE_CASE(detach_err_ptr_attachment),
	[MISUSE_DETACH_FROM_WRONG_BUFFER] = MISUSE_CASE(detach_from_wrong_buffer),
	[MISUSE_DETACH_TWICE] = MISUSE_CASE(detach_twice),
	[MISUSE_DETACH_WHILE_MAPPED] = MISUSE_CASE(detach_while_mapped),
	[MISUSE_DETACH_WHILE_MAPPED_TWICE] = MISUSE_CASE(detach_while_mapped_twice),
	[MISUSE_MAP_NULL] = MISUSE_CASE(map_null),
	[MISUSE_MAP_ERR_PTR] = MISUSE_CASE(map_err_ptr),
	[MISUSE_MAP_DIRECTION_NONE] = MISUSE_CASE(map_direction_none),
	[MISUSE_MAP_DIRECTION_UNKNOWN] = MISUSE_CASE(map_direction_unknown),
	[MISUSE_MAP_OP_RETURNS_NULL] = MISUSE_CASE(map_op_returns_null),
	[MISUSE_UNMAP_NULL_ATTACHMENT] = MISUSE_CASE(unmap_null_attachment),
	[MISUSE_UNMAP_NULL_SGT] = MISUSE_CASE(unmap_null_sgt),
	[MISUSE_UNMAP_ERR_PTR_SGT] = MISUSE_CASE(unmap_err_ptr_sgt),
	[MISUSE_UNMAP_FOREIGN_SGT] = MISUSE_CASE(unmap_foreign_sgt),
	[MISUSE_UNMAP_OF_OTHER_ATTACHMENT] = MISUSE_CASE(unmap_of_other_attachment),
	[MISUSE_UNMAP_TWICE] = MISUSE_CASE(unmap_twice),
	[MISUSE_UNMAP_BEFORE_MAP] = MISUSE_CASE(unmap_before_map),
};

static u32 misuse_list_length(struct dmabuf *dmabuf)
{
	struct list_head *pos;
	u32 n = 0;

	spin_lock(&dmabuf->lock);
	list_for_each(pos, &dmabuf->attachments)
		n++;
	spin_unlock(&dmabuf->lock);
	return n;
}

/* Attaches, maps, writes, unmaps, maps, reads, unmaps and detaches a buffer. */
static bool misuse_works(struct dmabuf *dmabuf, u32 nr_attachments)
{
	struct dmabuf_attachment *attachment;
	struct sg_table *sgt;
	bool ok = false;
	u8 pattern[64];
	u8 got[64];

	memset(pattern, 0x5a, sizeof(pattern));
	attachment = dmabuf_attach(dmabuf, &misuse_pdev->dev);
	if (IS_ERR(attachment))
		return false;

	sgt = dmabuf_map_attachment(attachment, DMA_FROM_DEVICE);
	if (IS_ERR(sgt))
		goto out;
	sg_pcopy_from_buffer(sgt->sgl, sgt->orig_nents, pattern, sizeof(pattern),
			     MISUSE_BYTES - sizeof(pattern));
	dmabuf_unmap_attachment(attachment, sgt);

	sgt = dmabuf_map_attachment(attachment, DMA_TO_DEVICE);
	if (IS_ERR(sgt))
		goto out;
	sg_pcopy_to_buffer(sgt->sgl, sgt->orig_nents, got, sizeof(got),
			   MISUSE_BYTES - sizeof(got));
	ok = sg_dma_len(sgt->sgl) == MISUSE_BYTES && !memcmp(got, pattern, sizeof(got));
	dmabuf_unmap_attachment(attachment, sgt);
out:
	dmabuf_detach(dmabuf, attachment);
	return ok && dmabuf->nr_attachments == nr_attachments &&
	       misuse_list_length(dmabuf) == nr_attachments;
}

static int misuse_run(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_test_misuse *arg = ucmd->arg;
	struct misuse misuse = { .fd = arg->fd };
	int ret = -ENOMEM;

	if (arg->which >= ARRAY_SIZE(misuse_cases) || arg->reserved)
		return -EINVAL;

	mutex_lock(&misuse_lock);
	misuse.good = misuse_export();
	if (!misuse.good)
		goto out_unlock;
	misuse.attachment = dmabuf_attach(misuse.good, &misuse_pdev->dev);
	if (IS_ERR(misuse.attachment)) {
		ret = PTR_ERR(misuse.attachment);
		goto out_put;
	}

	misuse_begin(&misuse);
	arg->ret = misuse_cases[arg->which].run(&misuse);
	misuse_end(&misuse);
	arg->during = misuse.during;
	strscpy(arg->caller, misuse_cases[arg->which].caller, sizeof(arg->caller));
	arg->works = misuse_works(misuse.good, misuse.attachment ? 1 : 0);
	ret = dmabuf_ucmd_respond(ucmd);

	if (misuse.attachment)
		dmabuf_detach(misuse.good, misuse.attachment);
out_put:
	dmabuf_put(misuse.good);
out_unlock:
	mutex_unlock(&misuse_lock);
	return ret;
}

static int misuse_totals(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_test_totals *arg = ucmd->arg;

	arg->counts = misuse_counts_read();
	arg->exports = READ_ONCE(misuse_exports);
	return dmabuf_ucmd_respond(ucmd);
}

static const struct dmabuf_ucmd_entry misuse_ucmds[] = {
	DMABUF_UCMD(DMABUF_TEST_MISUSE, misuse_run, struct dmabuf_test_misuse, caller),
	DMABUF_UCMD(DMABUF_TEST_TOTALS, misuse_totals, struct dmabuf_test_totals, counts),
};

static long misuse_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return dmabuf_ucmd_run(misuse_ucmds, ARRAY_SIZE(misuse_ucmds), file, cmd,
			       (void __user *)arg);
}

static const struct file_operations misuse_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = misuse_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice misuse_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "dmabuf-test-misuse",
	.fops = &misuse_fops,
	.mode = 0600,
};

static int __init misuse_init(void)
{
	const struct platform_device_info info = {
		.name = "dmabuf-test-misuse",
		.id = PLATFORM_DEVID_NONE,
		.dma_mask = DMA_BIT_MASK(64),
	};
	int ret;

	misuse_pdev = platform_device_register_full(&info);
	if (IS_ERR(misuse_pdev))
		return PTR_ERR(misuse_pdev);
	dmabuf_device_set_coherent(&misuse_pdev->dev);
	ret = misc_register(&misuse_misc);
	if (ret)
		platform_device_unregister(misuse_pdev);
	return ret;
}

static void __exit misuse_exit(void)
{
	misc_deregister(&misuse_misc);
	platform_device_unregister(misuse_pdev);
}

module_init(misuse_init);
module_exit(misuse_exit);

MODULE_DESCRIPTION("Selftest of dmabuf-core: calls it wrongly in every way");
MODULE_AUTHOR("dmabuf-core maintainers");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(DMABUF_NS);
