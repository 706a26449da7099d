/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints, one for each step and its inverse, each of which tells of something
 * that has succeeded, and those of the placement layer.  "buffer" and "attachment"
 * are the ids of debugfs and fdinfo.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM dmabuf_core

#if !defined(_DMABUF_CORE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _DMABUF_CORE_TRACE_H

#include <linux/device.h>
#include <linux/dma-direction.h>
#include <linux/scatterlist.h>
#include <linux/tracepoint.h>

#include <dmabuf-core/dmabuf.h>
#include <dmabuf-core/placement.h>

#include "internal.h"

DECLARE_EVENT_CLASS(dmabuf_buffer,
	TP_PROTO(const struct dmabuf *dmabuf),
	TP_ARGS(dmabuf),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(size_t, size)
		__string(exporter, dmabuf_exporter_name(dmabuf))
	),
	TP_fast_assign(
		__entry->id = dmabuf->id;
		__entry->size = dmabuf->size;
		dmabuf_assign_str(exporter, dmabuf_exporter_name(dmabuf));
	),
	TP_printk("buffer=%llu size=%zu exporter=%s",
		  __entry->id, __entry->size, __get_str(exporter))
);

DEFINE_EVENT(dmabuf_buffer, dmabuf_export,
	TP_PROTO(const struct dmabuf *dmabuf), TP_ARGS(dmabuf));
DEFINE_EVENT(dmabuf_buffer, dmabuf_put,
	TP_PROTO(const struct dmabuf *dmabuf), TP_ARGS(dmabuf));
DEFINE_EVENT(dmabuf_buffer, dmabuf_release,
	TP_PROTO(const struct dmabuf *dmabuf), TP_ARGS(dmabuf));

DECLARE_EVENT_CLASS(dmabuf_buffer_fd,
	TP_PROTO(const struct dmabuf *dmabuf, int fd),
	TP_ARGS(dmabuf, fd),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(int, fd)
	),
	TP_fast_assign(
		__entry->id = dmabuf->id;
		__entry->fd = fd;
	),
	TP_printk("buffer=%llu fd=%d", __entry->id, __entry->fd)
);

DEFINE_EVENT(dmabuf_buffer_fd, dmabuf_fd,
	TP_PROTO(const struct dmabuf *dmabuf, int fd), TP_ARGS(dmabuf, fd));
DEFINE_EVENT(dmabuf_buffer_fd, dmabuf_get,
	TP_PROTO(const struct dmabuf *dmabuf, int fd), TP_ARGS(dmabuf, fd));

DECLARE_EVENT_CLASS(dmabuf_connection,
	TP_PROTO(const struct dmabuf_attachment *attachment),
	TP_ARGS(attachment),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u32, attachment)
		__string(device, dev_name(attachment->dev))
	),
	TP_fast_assign(
		__entry->id = attachment->dmabuf->id;
		__entry->attachment = attachment->id;
		dmabuf_assign_str(device, dev_name(attachment->dev));
	),
	TP_printk("buffer=%llu attachment=%u device=%s",
		  __entry->id, __entry->attachment, __get_str(device))
);

DEFINE_EVENT(dmabuf_connection, dmabuf_attach,
	TP_PROTO(const struct dmabuf_attachment *attachment), TP_ARGS(attachment));
DEFINE_EVENT(dmabuf_connection, dmabuf_detach,
	TP_PROTO(const struct dmabuf_attachment *attachment), TP_ARGS(attachment));

TRACE_DEFINE_ENUM(DMA_BIDIRECTIONAL);
TRACE_DEFINE_ENUM(DMA_TO_DEVICE);
TRACE_DEFINE_ENUM(DMA_FROM_DEVICE);

DECLARE_EVENT_CLASS(dmabuf_access,
	TP_PROTO(const struct dmabuf_attachment *attachment, const struct sg_table *sgt,
		 enum dma_data_direction direction),
	TP_ARGS(attachment, sgt, direction),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u32, attachment)
		__field(u32, segments)
		__field(int, direction)
		__string(device, dev_name(attachment->dev))
	),
	TP_fast_assign(
		__entry->id = attachment->dmabuf->id;
		__entry->attachment = attachment->id;
		__entry->segments = sgt->nents;
		__entry->direction = direction;
		dmabuf_assign_str(device, dev_name(attachment->dev));
	),
	TP_printk("buffer=%llu attachment=%u device=%s direction=%s segments=%u",
		  __entry->id, __entry->attachment, __get_str(device),
		  __print_symbolic(__entry->direction,
				   { DMA_BIDIRECTIONAL, "bidirectional" },
				   { DMA_TO_DEVICE, "to_device" },
				   { DMA_FROM_DEVICE, "from_device" }),
		  __entry->segments)
);

DEFINE_EVENT(dmabuf_access, dmabuf_map,
	TP_PROTO(const struct dmabuf_attachment *attachment, const struct sg_table *sgt,
		 enum dma_data_direction direction),
	TP_ARGS(attachment, sgt, direction));
DEFINE_EVENT(dmabuf_access, dmabuf_unmap,
	TP_PROTO(const struct dmabuf_attachment *attachment, const struct sg_table *sgt,
		 enum dma_data_direction direction),
	TP_ARGS(attachment, sgt, direction));

/* Storage was taken. */
TRACE_EVENT(dmabuf_placement_alloc,
	TP_PROTO(const struct dmabuf *dmabuf, const struct dmabuf_storage *storage),
	TP_ARGS(dmabuf, storage),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(size_t, size)
		__field(u64, last)
		__field(u32, chunks)
		__field(u32, max_segs)
		__field(u64, dma_mask)
		__string(kind, storage->kind)
	),
	TP_fast_assign(
		__entry->id = dmabuf->id;
		__entry->size = dmabuf->size;
		__entry->last = storage->last;
		__entry->chunks = storage->chunks;
		__entry->max_segs = storage->needs.max_segs;
		__entry->dma_mask = storage->needs.dma_mask;
		dmabuf_assign_str(kind, storage->kind);
	),
	TP_printk("buffer=%llu size=%zu kind=\"%s\" bits=%d chunks=%u needs_dma_mask=0x%llx needs_max_segs=%u",
		  __entry->id, __entry->size, __get_str(kind), fls64(__entry->last),
		  __entry->chunks, __entry->dma_mask, __entry->max_segs)
);

/* A map, or a vmap, waits for its turn. */
TRACE_EVENT(dmabuf_placement_wait,
	TP_PROTO(const struct dmabuf *dmabuf, const struct dmabuf_attachment *attachment,
		 enum dma_data_direction direction, u32 readers, u32 writers),
	TP_ARGS(dmabuf, attachment, direction, readers, writers),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u32, attachment)
		__field(int, direction)
		__field(u32, readers)
		__field(u32, writers)
		__string(device, dmabuf_asker_name(attachment))
	),
	TP_fast_assign(
		__entry->id = dmabuf->id;
		__entry->attachment = attachment ? attachment->id : 0;
		__entry->direction = direction;
		__entry->readers = readers;
		__entry->writers = writers;
		dmabuf_assign_str(device, dmabuf_asker_name(attachment));
	),
	TP_printk("buffer=%llu attachment=%u device=%s direction=%s readers=%u writers=%u",
		  __entry->id, __entry->attachment, __get_str(device),
		  __print_symbolic(__entry->direction,
				   { DMA_BIDIRECTIONAL, "bidirectional" },
				   { DMA_TO_DEVICE, "to_device" },
				   { DMA_FROM_DEVICE, "from_device" }),
		  __entry->readers, __entry->writers)
);

TRACE_DEFINE_ENUM(DMABUF_CONSTRAINT_NONE);
TRACE_DEFINE_ENUM(DMABUF_CONSTRAINT_DMA_MASK);
TRACE_DEFINE_ENUM(DMABUF_CONSTRAINT_SEG_BOUNDARY);
TRACE_DEFINE_ENUM(DMABUF_CONSTRAINT_MAX_SEG_SIZE);
TRACE_DEFINE_ENUM(DMABUF_CONSTRAINT_MAX_SEGS);
TRACE_DEFINE_ENUM(DMABUF_CONSTRAINT_ALIGN);

#define dmabuf_print_constraint(which)						\
	__print_symbolic(which,							\
			 { DMABUF_CONSTRAINT_NONE, "none" },			\
			 { DMABUF_CONSTRAINT_DMA_MASK, "dma_mask" },		\
			 { DMABUF_CONSTRAINT_SEG_BOUNDARY, "seg_boundary" },	\
			 { DMABUF_CONSTRAINT_MAX_SEG_SIZE, "max_seg_size" },	\
			 { DMABUF_CONSTRAINT_MAX_SEGS, "max_segs" },		\
			 { DMABUF_CONSTRAINT_ALIGN, "align" })

/* A device cannot have the buffer where it is: error 0: it waits for the others. */
DECLARE_EVENT_CLASS(dmabuf_placement_miss,
	TP_PROTO(const struct dmabuf *dmabuf, const struct dmabuf_attachment *attachment,
		 int error, const struct dmabuf_miss *miss),
	TP_ARGS(dmabuf, attachment, error, miss),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u32, attachment)
		__field(int, error)
		__field(int, constraint)
		__field(u64, allowed)
		__field(u64, actual)
		__string(device, dmabuf_asker_name(attachment))
	),
	TP_fast_assign(
		__entry->id = dmabuf->id;
		__entry->attachment = attachment ? attachment->id : 0;
		__entry->error = error;
		__entry->constraint = miss->which;
		__entry->allowed = miss->allowed;
		__entry->actual = miss->actual;
		dmabuf_assign_str(device, dmabuf_asker_name(attachment));
	),
	TP_printk("buffer=%llu attachment=%u device=%s error=%d constraint=%s allowed=0x%llx actual=0x%llx",
		  __entry->id, __entry->attachment, __get_str(device), __entry->error,
		  dmabuf_print_constraint(__entry->constraint), __entry->allowed,
		  __entry->actual)
);

DEFINE_EVENT(dmabuf_placement_miss, dmabuf_placement_drain,
	TP_PROTO(const struct dmabuf *dmabuf, const struct dmabuf_attachment *attachment,
		 int error, const struct dmabuf_miss *miss),
	TP_ARGS(dmabuf, attachment, error, miss));
DEFINE_EVENT(dmabuf_placement_miss, dmabuf_placement_refuse,
	TP_PROTO(const struct dmabuf *dmabuf, const struct dmabuf_attachment *attachment,
		 int error, const struct dmabuf_miss *miss),
	TP_ARGS(dmabuf, attachment, error, miss));

/* A buffer has moved. */
TRACE_EVENT(dmabuf_placement_move,
	TP_PROTO(const struct dmabuf_attachment *attachment,
		 const struct dmabuf_placement_move *move),
	TP_ARGS(attachment, move),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u32, attachment)
		__field(int, constraint)
		__field(u64, allowed)
		__field(u64, actual)
		__field(u64, bytes)
		__field(u64, drain_ns)
		__field(u32, from_bits)
		__field(u32, from_chunks)
		__field(u32, to_bits)
		__field(u32, to_chunks)
		__string(device, dev_name(attachment->dev))
		__string(from, move->from)
		__string(to, move->to)
	),
	TP_fast_assign(
		__entry->id = attachment->dmabuf->id;
		__entry->attachment = attachment->id;
		__entry->constraint = move->miss.which;
		__entry->allowed = move->miss.allowed;
		__entry->actual = move->miss.actual;
		__entry->bytes = move->bytes;
		__entry->drain_ns = move->drain_ns;
		__entry->from_bits = move->from_bits;
		__entry->from_chunks = move->from_chunks;
		__entry->to_bits = move->to_bits;
		__entry->to_chunks = move->to_chunks;
		dmabuf_assign_str(device, dev_name(attachment->dev));
		dmabuf_assign_str(from, move->from);
		dmabuf_assign_str(to, move->to);
	),
	TP_printk("buffer=%llu attachment=%u device=%s constraint=%s allowed=0x%llx actual=0x%llx bytes=%llu from=\"%s\" from_bits=%u from_chunks=%u to=\"%s\" to_bits=%u to_chunks=%u drain_ns=%llu",
		  __entry->id, __entry->attachment, __get_str(device),
		  dmabuf_print_constraint(__entry->constraint), __entry->allowed,
		  __entry->actual, __entry->bytes, __get_str(from), __entry->from_bits,
		  __entry->from_chunks, __get_str(to), __entry->to_bits, __entry->to_chunks,
		  __entry->drain_ns)
);

#endif /* _DMABUF_CORE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
