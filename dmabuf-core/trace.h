/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints, one for each step and its inverse.  Each tells of something that
 * has succeeded; "buffer" and "attachment" are the ids of debugfs and fdinfo.
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

#include "compat.h"

DECLARE_EVENT_CLASS(dmabuf_buffer,
	TP_PROTO(const struct dmabuf *dmabuf),
	TP_ARGS(dmabuf),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(size_t, size)
		__string(exporter, module_name(dmabuf->ops->owner))
	),
	TP_fast_assign(
		__entry->id = dmabuf->id;
		__entry->size = dmabuf->size;
		dmabuf_assign_str(exporter, module_name(dmabuf->ops->owner));
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

#endif /* _DMABUF_CORE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
