/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dmabuf-core: the DMA buffer sharing framework, kernel interface.
 *
 * What an exporter and an importer include.  The calls, step by step:
 *
 *	1  dmabuf_export()			exporter makes a buffer
 *	2  dmabuf_fd()				user space gets a handle
 *	3  dmabuf_get(), dmabuf_attach()	importer connects its device
 *	4  dmabuf_map_attachment()		importer gets the scatterlist
 *	5  dmabuf_unmap_attachment()		importer's DMA is over
 *	6  dmabuf_detach(), dmabuf_put()	importer disconnects
 *
 * Each is documented at its definition: export.c, share.c, attach.c, map.c, and
 * the CPU's access in cpu.c.
 *
 * Where the kernel has DMA_SHARED_BUFFER, the file of a buffer is one of the kernel's
 * own dma-buf files, so that DRM, V4L2 and all others take it (kernel-out.c), and the
 * fd of anybody's dma-buf is a buffer here (kernel-in.c).
 */
#ifndef _DMABUF_CORE_DMABUF_H
#define _DMABUF_CORE_DMABUF_H

#include <linux/bits.h>
#include <linux/dma-direction.h>
#include <linux/list.h>
#include <linux/list_bl.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct address_space;
struct device;
struct dma_buf;
struct dmabuf;
struct dmabuf_attachment;
struct dmabuf_placement;
struct dmabuf_placement_ops;
struct file;
struct iommu_domain;
struct iosys_map;
struct module;
struct sg_table;
struct vm_area_struct;

/*
 * For the flags of dmabuf_export(), beside those of files: the buffer's file is not one
 * of the kernel's dma-buf files, which only drivers that use this module take.
 */
#define DMABUF_EXPORT_NATIVE BIT(30)

/**
 * struct dmabuf_constraints - what a device can reach
 * @dma_mask: highest bus address that the device can reach; a mask, all ones from
 *	bit 0 up, unless its bus sets another limit
 * @seg_boundary: mask; no segment crosses a multiple of @seg_boundary + 1 bytes
 * @max_seg_size: largest segment, bytes
 * @max_segs: most segments that one mapping may have; 1 asks for memory that
 *	is contiguous for the device
 * @align: bytes, a power of two; every segment starts at a multiple of it
 *
 * dmabuf_constraints_init() sets "no limit at all".  A device's own limits are
 * read when it attaches; an importer whose device needs more than the driver
 * core knows adds it with dmabuf_attach_constrained().
 */
struct dmabuf_constraints {
	u64 dma_mask;
	u64 seg_boundary;
	u64 max_seg_size;
	u32 max_segs;
	u32 align;
};

/**
 * enum dmabuf_constraint - which member of &struct dmabuf_constraints
 * @DMABUF_CONSTRAINT_NONE: none: everything is met
 * @DMABUF_CONSTRAINT_DMA_MASK: &dmabuf_constraints.dma_mask
 * @DMABUF_CONSTRAINT_SEG_BOUNDARY: &dmabuf_constraints.seg_boundary
 * @DMABUF_CONSTRAINT_MAX_SEG_SIZE: &dmabuf_constraints.max_seg_size
 * @DMABUF_CONSTRAINT_MAX_SEGS: &dmabuf_constraints.max_segs
 * @DMABUF_CONSTRAINT_ALIGN: &dmabuf_constraints.align
 */
enum dmabuf_constraint {
	DMABUF_CONSTRAINT_NONE,
	DMABUF_CONSTRAINT_DMA_MASK,
	DMABUF_CONSTRAINT_SEG_BOUNDARY,
	DMABUF_CONSTRAINT_MAX_SEG_SIZE,
	DMABUF_CONSTRAINT_MAX_SEGS,
	DMABUF_CONSTRAINT_ALIGN,
};

/**
 * struct dmabuf_ops - what an exporter implements
 *
 * No lock of the core is held in any of these, all of them may sleep, and all
 * but @release may call the core about this buffer.
 */
struct dmabuf_ops {
	/**
	 * @owner: the exporter's module, %THIS_MODULE.  The core holds it from
	 * dmabuf_export() until @release has returned.
	 */
	struct module *owner;

	/**
	 * @placement: optional.  The exporter is on the placement layer, see
	 * placement.h: it has these ops, and no @map_dma_buf and @unmap_dma_buf.
	 */
	const struct dmabuf_placement_ops *placement;

	/**
	 * @attach: optional.  A device wants to use the buffer.  The attachment
	 * is not on the buffer's list yet; its &dmabuf_attachment.constraints
	 * are filled in.  The exporter may keep a pointer of its own in
	 * &dmabuf_attachment.priv.
	 *
	 * Return: 0, or a negative errno, which refuses the attachment and is
	 * handed to the importer unchanged (-EBUSY or -EOPNOTSUPP where storage
	 * cannot serve the device).
	 */
	int (*attach)(struct dmabuf *dmabuf, struct device *dev,
		      struct dmabuf_attachment *attachment);

	/**
	 * @detach: optional.  The inverse of @attach: the attachment is off the
	 * list, has no mapping any more, and is freed after the call.
	 */
	void (*detach)(struct dmabuf *dmabuf,
		       struct dmabuf_attachment *attachment);

	/**
	 * @map_dma_buf: mandatory without @placement.  Makes the whole buffer accessible for the
	 * attachment's device.  May be called several times for one attachment
	 * before the first @unmap_dma_buf, and by several threads at once; which
	 * directions may be outstanding together is the exporter's policy.
	 * A wait in here ends on a signal.
	 *
	 * Return: a scatterlist, mapped for &dmabuf_attachment.dev, that covers
	 * the whole buffer; the exporter owns it and takes it back in
	 * @unmap_dma_buf.  Or an ERR_PTR(): -EINTR for a wait that a signal
	 * ended (-ERESTARTSYS is turned into it), -ENOMEM where there is no
	 * memory, others as the exporter documents.
	 */
	struct sg_table *(*map_dma_buf)(struct dmabuf_attachment *attachment,
					enum dma_data_direction direction);

	/**
	 * @unmap_dma_buf: mandatory without @placement.  The device's DMA through @sgt is over.
	 * Called once for each @map_dma_buf that succeeded.
	 */
	void (*unmap_dma_buf)(struct dmabuf_attachment *attachment,
			      struct sg_table *sgt);

	/**
	 * @begin_cpu_access: optional.  A CPU is about to read (DMA_FROM_DEVICE),
	 * write (DMA_TO_DEVICE) or do both, through mmap or vmap, while devices
	 * may have the buffer mapped: make what each of them has written visible
	 * to it.  Not called for what a single unmap and map do by themselves.
	 *
	 * Return: 0, or a negative errno.
	 */
	int (*begin_cpu_access)(struct dmabuf *dmabuf, enum dma_data_direction direction);

	/**
	 * @end_cpu_access: optional.  The inverse of @begin_cpu_access: make what
	 * CPUs have written visible to each device that has the buffer mapped.
	 *
	 * Return: 0, or a negative errno.
	 */
	int (*end_cpu_access)(struct dmabuf *dmabuf, enum dma_data_direction direction);

	/**
	 * @mmap: optional.  User space maps the buffer by its fd.  The core has
	 * checked that @vma is shared and lies within the buffer's pages, from page
	 * &vm_area_struct.vm_pgoff on; the VMA holds the file, so the buffer.  On
	 * the placement layer the core tears its page table entries down before
	 * a move.  mmap_lock is held.
	 *
	 * Return: 0, or a negative errno.
	 */
	int (*mmap)(struct dmabuf *dmabuf, struct vm_area_struct *vma);

	/**
	 * @vmap: optional; with @placement it is &dmabuf_placement_ops.vmap that is
	 * called.  Gives the kernel an address for the whole buffer.
	 *
	 * Return: 0 with @map set, or a negative errno.
	 */
	int (*vmap)(struct dmabuf *dmabuf, struct iosys_map *map);

	/** @vunmap: mandatory with @vmap.  The inverse. */
	void (*vunmap)(struct dmabuf *dmabuf, struct iosys_map *map);

	/**
	 * @release: mandatory.  Nobody has the buffer any more: free the storage
	 * (that of the placement layer has been freed) and what &dmabuf.priv
	 * points to.  Called exactly once, in process context, after the last
	 * fput() of the file and the last dmabuf_object_put(), under whatever lock
	 * that is called: mmap_lock, if a VMA does it.
	 */
	void (*release)(struct dmabuf *dmabuf);
};

/**
 * struct dmabuf_mapping - one outstanding dmabuf_map_attachment(), but for the first
 * @next: the next older one; under &dmabuf_attachment.lock
 * @sgt: what the exporter returned
 * @direction: what the importer asked for
 */
struct dmabuf_mapping {
	struct dmabuf_mapping *next;
	struct sg_table *sgt;
	enum dma_data_direction direction;
};

/**
 * struct dmabuf_attachment - one device's use of one buffer
 *
 * Made by dmabuf_attach(), freed by dmabuf_detach().  The first four members,
 * @constraints and @needs are for exporters and importers, the others for the core.
 */
struct dmabuf_attachment {
	/** @dmabuf: the buffer; the attachment holds a reference; immutable */
	struct dmabuf *dmabuf;
	/** @dev: the device; the attachment holds a reference; immutable */
	struct device *dev;
	/** @node: in &dmabuf.attachments; under &dmabuf.lock */
	struct list_head node;
	/** @priv: the exporter's, set in its attach op */
	void *priv;
	/**
	 * @constraints: the device's own, collated with those that the importer
	 * added; immutable
	 */
	struct dmabuf_constraints constraints;
	/**
	 * @needs: what memory serves the device: dmabuf_constraints_of_memory()
	 * of @constraints; immutable
	 */
	struct dmabuf_constraints needs;
	/**
	 * @served: number of the storage that is known to serve it; the placement
	 * layer's; whoever has a turn writes it
	 */
	u32 served;
	/** @id: unique within the buffer's life, from 1; immutable */
	u32 id;
	/** @lock: guards @mappings */
	spinlock_t lock;
	/** @stopped: dmabuf_attachment_stop(); set under &dmabuf.lock */
	bool stopped;
	/**
	 * @kernel: of an importer of the kernel's dma-buf, which may hold the
	 * reservation lock whenever it maps or unmaps; immutable
	 */
	bool kernel;
	/** @contiguous: as module parameter contiguous_devices has it; immutable */
	bool contiguous;
	/** @mappings: outstanding ones but @first, newest first; under @lock */
	struct dmabuf_mapping *mappings;
	/**
	 * @first: one mapping, which needs no allocation: scatterlist and direction, see
	 * map.c; 0: none; atomic
	 */
	unsigned long first;
	/** @first_segments: of that, for people to look at */
	u32 first_segments;
};

/**
 * struct dmabuf - a buffer that drivers share
 *
 * Made by dmabuf_export(), freed after the release of its file.  @size, @file,
 * @ops and @priv are for exporters and importers, the others for the core.
 */
struct dmabuf {
	/** @size: bytes; immutable after export */
	size_t size;
	/**
	 * @file: the anonymous file, of the kernel's dma-buf or native; its count
	 * is the buffer's; immutable
	 */
	struct file *file;
	/**
	 * @kernel: the kernel's dma-buf: as which this buffer is exported, or which it
	 * wraps (&dmabuf.ops tell); NULL if native; immutable after export
	 */
	struct dma_buf *kernel;
	/** @ops: the exporter's; immutable after export */
	const struct dmabuf_ops *ops;
	/** @priv: the exporter's; set by dmabuf_export() */
	void *priv;
	/** @placement: the placement layer's, or NULL; immutable after export */
	struct dmabuf_placement *placement;
	/** @attachments: of &dmabuf_attachment.node; under @lock */
	struct list_head attachments;
	/**
	 * @lock: guards @attachments, @nr_attachments, @last_attachment_id and
	 * what @placement points to
	 */
	spinlock_t lock;
	/** @users: the file, and dmabuf_object_get(); the last one ends the buffer */
	refcount_t users;
	/** @nr_attachments: length of @attachments; under @lock */
	u32 nr_attachments;
	/** @last_attachment_id: the newest attachment's; under @lock */
	u32 last_attachment_id;
	/** @fd_flags: O_CLOEXEC or 0, for dmabuf_fd(); immutable after export */
	u32 fd_flags;
	/** @cpu_access: DMA_BUF_IOCTL_SYNC begun, by enum dma_data_direction; under @lock */
	u32 cpu_access[3];
	/** @vmaps: of dmabuf_vmap(), not those of the kernel's importers; under @lock */
	u32 vmaps;
	/** @name: of DMA_BUF_SET_NAME, or of a wrapped one's exporter; under @lock */
	char *name;
	/** @mapping: of a native file that can be mmapped; immutable after export */
	struct address_space *mapping;
	/** @id: unique since the module was loaded, from 1; immutable */
	u64 id;
	/** @live_node: in the table of live buffers, see live.c */
	struct hlist_bl_node live_node;
	/** @rcu: frees the buffer when no reader of that table sees it */
	struct rcu_head rcu;
};

/* Step 1, export.c */
struct dmabuf *dmabuf_export(void *priv, const struct dmabuf_ops *ops,
			     size_t size, int flags) __must_check;

/* Step 2, and the references of steps 3 and 6, share.c */
int dmabuf_fd(struct dmabuf *dmabuf) __must_check;
void dmabuf_fd_install(struct dmabuf *dmabuf, int fd);
struct dmabuf *dmabuf_get(int fd) __must_check;
void dmabuf_put(struct dmabuf *dmabuf);
bool dmabuf_object_get(struct dmabuf *dmabuf) __must_check;
void dmabuf_object_put(struct dmabuf *dmabuf);

/* Steps 3 and 6, attach.c */
struct dmabuf_attachment *dmabuf_attach(struct dmabuf *dmabuf,
					struct device *dev) __must_check;
struct dmabuf_attachment *
dmabuf_attach_constrained(struct dmabuf *dmabuf, struct device *dev,
			  const struct dmabuf_constraints *extra) __must_check;
void dmabuf_detach(struct dmabuf *dmabuf, struct dmabuf_attachment *attachment);

/* Steps 4 and 5, map.c */
struct sg_table *dmabuf_map_attachment(struct dmabuf_attachment *attachment,
				       enum dma_data_direction direction) __must_check;
struct sg_table *
dmabuf_map_attachment_timeout(struct dmabuf_attachment *attachment,
			      enum dma_data_direction direction, long timeout) __must_check;
void dmabuf_unmap_attachment(struct dmabuf_attachment *attachment,
			     struct sg_table *sgt);
void dmabuf_attachment_stop(struct dmabuf_attachment *attachment);

/* A CPU's access to the same memory, cpu.c */
int dmabuf_begin_cpu_access(struct dmabuf *dmabuf, enum dma_data_direction direction) __must_check;
int dmabuf_end_cpu_access(struct dmabuf *dmabuf, enum dma_data_direction direction);
int dmabuf_mmap(struct dmabuf *dmabuf, struct vm_area_struct *vma,
		unsigned long pgoff) __must_check;
int dmabuf_vmap(struct dmabuf *dmabuf, struct iosys_map *map) __must_check;
void dmabuf_vunmap(struct dmabuf *dmabuf, struct iosys_map *map);

/* For exporters: what the attached devices need, constraints.c */
struct iommu_domain *dmabuf_device_domain(struct device *dev);
bool dmabuf_device_is_direct(struct device *dev);
void dmabuf_constraints_of_memory(struct device *dev,
				  const struct dmabuf_constraints *constraints,
				  size_t bytes, struct dmabuf_constraints *needs);
void dmabuf_constraints_init(struct dmabuf_constraints *constraints);
void dmabuf_constraints_from_device(struct dmabuf_constraints *constraints,
				    struct device *dev);
int dmabuf_constraints_validate(const struct dmabuf_constraints *constraints) __must_check;
void dmabuf_constraints_merge(struct dmabuf_constraints *into,
			      const struct dmabuf_constraints *other);
u32 dmabuf_constraints_collate(struct dmabuf *dmabuf,
			       struct dmabuf_constraints *constraints);
enum dmabuf_constraint
dmabuf_constraints_check(const struct dmabuf_constraints *constraints,
			 struct sg_table *sgt) __must_check;
const char *dmabuf_constraint_name(enum dmabuf_constraint constraint);

#endif /* _DMABUF_CORE_DMABUF_H */
