// SPDX-License-Identifier: GPL-2.0-only
/*
 * What memory a device needs, what it reaches, and how memory is cut into
 * segments for it.
 */
#include <linux/bitops.h>
#include <linux/bits.h>
#include <linux/device.h>
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/pfn.h>

#include "../dmabuf-core/compat.h"
#include "internal.h"

/* Bytes of the longest segment that &scatterlist.length can hold, in pages. */
#define SEGMENT_MAX (UINT_MAX & PAGE_MASK)

/*
 * Bytes.  A device that wants shorter ones is turned away: the scatterlist would
 * take as much memory as the buffer.
 */
#define SEGMENT_MIN 512

/*
 * Bytes of the longest segment that the constraints allow.  If it does not hold
 * all, what follows it must be aligned, too, and an IOMMU joins whole pages only.
 */
static u64 segment_max(size_t bytes, struct device *dev,
		       const struct dmabuf_constraints *constraints)
{
	u64 max = min_t(u64, constraints->max_seg_size, SEGMENT_MAX);
	u64 align = constraints->align;

	if (constraints->seg_boundary < max)
		max = constraints->seg_boundary + 1;
	if (bytes <= max)
		return max;
	if (max >= PAGE_SIZE && !dmabuf_device_is_direct(dev))
		align = max_t(u64, align, PAGE_SIZE);
	return max > align ? max & ~(align - 1) : max;
}

/**
 * dmabuf_backing_needs_contiguous - tell whether single pages will not do
 * @bytes: size of the buffer
 * @needs: of its devices, from dmabuf_constraints_of_memory()
 *
 * Context: any.
 * Return: true if the memory must be contiguous.
 */
bool dmabuf_backing_needs_contiguous(size_t bytes, const struct dmabuf_constraints *needs)
{
	return DIV_ROUND_UP(bytes, PAGE_SIZE) > needs->max_segs || needs->align > PAGE_SIZE;
}

/* Always false: not served. */
static bool misses(struct dmabuf_miss *miss, enum dmabuf_constraint which, u64 allowed, u64 actual)
{
	/* Where memory lies is not for everybody: its number of bits is. */
	if (which == DMABUF_CONSTRAINT_DMA_MASK && actual)
		actual = GENMASK_ULL(fls64(actual) - 1, 0);
	*miss = (struct dmabuf_miss) { which, allowed, actual };
	return false;
}

/*
 * Behind an IOMMU the DMA API gives addresses, and joins segments, up to the device's
 * own limits.  Limits beyond these, which an importer attached with, it does not know:
 * such a driver is to set them with dma_set_mask() and the like.
 */
static bool translated_possible(size_t bytes, struct device *dev,
				const struct dmabuf_constraints *constraints,
				struct dmabuf_miss *miss)
{
	struct dmabuf_constraints own;

	dmabuf_constraints_from_device(&own, dev);
	if (constraints->dma_mask < own.dma_mask)
		return misses(miss, DMABUF_CONSTRAINT_DMA_MASK, constraints->dma_mask,
			      own.dma_mask);
	if (bytes > constraints->max_seg_size && constraints->max_seg_size < own.max_seg_size)
		return misses(miss, DMABUF_CONSTRAINT_MAX_SEG_SIZE, constraints->max_seg_size,
			      own.max_seg_size);
	if (bytes - 1 > constraints->seg_boundary && constraints->seg_boundary < own.seg_boundary)
		return misses(miss, DMABUF_CONSTRAINT_SEG_BOUNDARY, constraints->seg_boundary,
			      own.seg_boundary);
	return true;
}

/* Can the device have any mapping that meets its constraints, on its bus? */
static bool device_possible(size_t bytes, struct device *dev,
			    const struct dmabuf_constraints *constraints, struct dmabuf_miss *miss)
{
	u64 max = segment_max(bytes, dev, constraints);
	u64 between = constraints->seg_boundary + 1;	/* 0 if there is none */
	u64 n;

	if (!dev->dma_mask)
		return misses(miss, DMABUF_CONSTRAINT_DMA_MASK, 0, PAGE_SIZE - 1);
	if (bytes > max && max < SEGMENT_MIN)
		return constraints->seg_boundary < constraints->max_seg_size ?
			misses(miss, DMABUF_CONSTRAINT_SEG_BOUNDARY, constraints->seg_boundary,
			       SEGMENT_MIN - 1) :
			misses(miss, DMABUF_CONSTRAINT_MAX_SEG_SIZE, constraints->max_seg_size,
			       SEGMENT_MIN);
	if (bytes > max && max < constraints->align)
		return misses(miss, DMABUF_CONSTRAINT_ALIGN, constraints->align, max);
	n = DIV_ROUND_UP_ULL(bytes, max);
	/* Both limits cut: what is left before a boundary is a segment of its own. */
	if (between && max < between && between < bytes)
		n = (bytes >> ilog2(between)) * DIV_ROUND_UP_ULL(between, max) +
			DIV_ROUND_UP_ULL(bytes & constraints->seg_boundary, max);
	if (n > constraints->max_segs)
		return misses(miss, DMABUF_CONSTRAINT_MAX_SEGS, constraints->max_segs, n);
	return dmabuf_device_is_direct(dev) || translated_possible(bytes, dev, constraints, miss);
}

/**
 * dmabuf_backing_possible - tell whether the exporter may have memory for devices
 * @bytes: size of the buffer
 * @requested: enum dmabuf_exporter_backing
 * @dev: a device that is to be attached
 * @constraints: of that, as for its scatterlist
 * @needs: of all attached devices, that one included
 * @miss: filled in if not
 *
 * Context: process context; takes &dmabuf_sample.device_lock.
 * Return: false if no memory of this exporter can ever serve them all.
 */
bool dmabuf_backing_possible(size_t bytes, u32 requested, struct device *dev,
			     const struct dmabuf_constraints *constraints,
			     const struct dmabuf_constraints *needs, struct dmabuf_miss *miss)
{
	u64 n;

	if (!device_possible(bytes, dev, constraints, miss))
		return false;

	n = dmabuf_backing_sure_address(bytes, requested);
	if (n > needs->dma_mask)
		return misses(miss, DMABUF_CONSTRAINT_DMA_MASK, needs->dma_mask, n);
	if (!dmabuf_backing_needs_contiguous(bytes, needs) ||
	    dmabuf_backing_ever_contiguous(bytes, requested, needs->align))
		return true;
	n = DIV_ROUND_UP(bytes, PAGE_SIZE);
	if (n > needs->max_segs)
		return misses(miss, DMABUF_CONSTRAINT_MAX_SEGS, needs->max_segs, n);
	return misses(miss, DMABUF_CONSTRAINT_ALIGN, needs->align,
		      requested == DMABUF_EXPORTER_SCATTER ? PAGE_SIZE :
							     (u64)PAGE_SIZE << MAX_PAGE_ORDER);
}

/*
 * The scatterlist ends where the buffer ends.  Only for a device that does not
 * snoop it is rounded up to a cache line where the kernel takes a shorter end
 * for memory of kmalloc(), which it would bounce; the rest of the page is ours.
 * The kernel's dma-buf has whole pages, and so have those who import that.
 */
static size_t mapped_bytes(const struct dmabuf_backing *backing,
			   const struct dmabuf_attachment *attachment)
{
	if (attachment->kernel)
		return backing->nr_pages << PAGE_SHIFT;
	if (!IS_ENABLED(CONFIG_DMA_BOUNCE_UNALIGNED_KMALLOC) ||
	    dev_is_dma_coherent(attachment->dev))
		return backing->bytes;
	return ALIGN(backing->bytes, dma_get_cache_alignment());
}

/**
 * dmabuf_backing_segments_init - set up the cutting of memory into segments
 * @segments: filled in
 * @backing: the memory
 * @attachment: of the device
 *
 * Context: any.
 */
void dmabuf_backing_segments_init(struct dmabuf_backing_segments *segments,
				  const struct dmabuf_backing *backing,
				  const struct dmabuf_attachment *attachment)
{
	segments->dev = attachment->dev;
	segments->direct = dmabuf_device_is_direct(attachment->dev);
	segments->bytes = mapped_bytes(backing, attachment);
	segments->max = segment_max(segments->bytes, attachment->dev, &attachment->constraints);
	segments->boundary = attachment->constraints.seg_boundary;
}

/**
 * dmabuf_backing_phys - tell where a byte of memory lies
 * @backing: the memory
 * @offset: of the byte
 *
 * Context: any.
 * Return: its physical address.
 */
phys_addr_t dmabuf_backing_phys(const struct dmabuf_backing *backing, size_t offset)
{
	return PFN_PHYS(dmabuf_backing_pfn(backing, offset >> PAGE_SHIFT)) +
		offset_in_page(offset);
}

/**
 * dmabuf_backing_segment - cut off the next segment
 * @backing: the memory
 * @segments: from dmabuf_backing_segments_init()
 * @offset: bytes that are in segments already, less than &dmabuf_backing_segments.bytes
 *
 * Context: any.
 * Return: bytes of the segment that starts there; it is physically contiguous.
 */
size_t dmabuf_backing_segment(const struct dmabuf_backing *backing,
			      const struct dmabuf_backing_segments *segments, size_t offset)
{
	size_t max = min_t(u64, segments->max, segments->bytes - offset);
	unsigned long index = offset >> PAGE_SHIFT;
	size_t bytes;

	/* An IOMMU lays segments out so that none crosses a boundary. */
	if (segments->direct) {
		u64 addr = phys_to_dma(segments->dev, dmabuf_backing_phys(backing, offset));
		u64 room = segments->boundary - (addr & segments->boundary);

		if (max - 1 > room)
			max = room + 1;
	}
	if (!backing->pages)
		return max;

	bytes = PAGE_SIZE - offset_in_page(offset);
	while (bytes < max &&
	       dmabuf_backing_pfn(backing, index + 1) == dmabuf_backing_pfn(backing, index) + 1) {
		bytes += PAGE_SIZE;
		index++;
	}
	return min(bytes, max);
}

/**
 * dmabuf_backing_serves - tell whether a device reaches memory as it is
 * @backing: the memory
 * @attachment: of the device
 * @miss: filled in if not
 *
 * To be asked before dma_map_sgtable(), which warns of memory that a device
 * cannot reach.
 *
 * Context: process context; time linear in the number of pages.
 * Return: true if it does.
 */
bool dmabuf_backing_serves(const struct dmabuf_backing *backing,
			   const struct dmabuf_attachment *attachment, struct dmabuf_miss *miss)
{
	const struct dmabuf_constraints *constraints = &attachment->constraints;
	struct device *dev = attachment->dev;
	struct dmabuf_backing_segments segments;
	size_t offset, bytes;
	u64 mask, n = 0;

	dmabuf_backing_segments_init(&segments, backing, attachment);
	if (!segments.direct)
		return true;

	/* The importer may have changed it since it attached. */
	mask = min3(constraints->dma_mask, dma_get_mask(dev), dev->bus_dma_limit ?: U64_MAX);
	for (offset = 0; offset < segments.bytes; offset += bytes) {
		phys_addr_t phys = dmabuf_backing_phys(backing, offset);
		dma_addr_t first, last;

		bytes = dmabuf_backing_segment(backing, &segments, offset);
		first = phys_to_dma(dev, phys);
		last = phys_to_dma(dev, phys + bytes - 1);
		if (first == DMA_MAPPING_ERROR || last != first + (bytes - 1) || last > mask)
			return misses(miss, DMABUF_CONSTRAINT_DMA_MASK, mask, last);
		if (first & (constraints->align - 1))
			return misses(miss, DMABUF_CONSTRAINT_ALIGN, constraints->align,
				       first & -first);
		n++;
	}
	return n <= constraints->max_segs ||
		misses(miss, DMABUF_CONSTRAINT_MAX_SEGS, constraints->max_segs, n);
}
