/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The framework under the names of the 2012 guide, for a driver that is written
 * to the guide.  The kernel's own dma-buf has the same names and means something
 * else by them, so a file can include this header or <linux/dma-buf.h>, never
 * both.
 */
#ifndef _DMABUF_CORE_GUIDE_NAMES_H
#define _DMABUF_CORE_GUIDE_NAMES_H

#ifdef __DMA_BUF_H__
#error "dmabuf-core/guide-names.h cannot be mixed with linux/dma-buf.h: include one of them only"
#endif

#include <linux/module.h>

#include <dmabuf-core/dmabuf.h>

/*
 * The guide's ops have no owner, so its dma_buf_export() fills it in: the module
 * that is compiled here cannot go while one of its buffers lives.
 */
static inline struct dmabuf *__must_check dmabuf_export_guide(void *priv, struct dmabuf_ops *ops,
							      size_t size, int flags)
{
	if (ops && !ops->owner)
		ops->owner = THIS_MODULE;
	return dmabuf_export(priv, ops, size, flags);
}

/*
 * If <linux/dma-buf.h> comes later, its struct dma_buf_export_info becomes a
 * second definition of this one, and the compiler's error carries the message.
 */
#define dma_buf_export_info guide_names_h_cannot_be_mixed_with_linux_dma_buf_h
struct guide_names_h_cannot_be_mixed_with_linux_dma_buf_h {
	int include_one_of_them_only;
};

#define dma_buf dmabuf
#define dma_buf_ops dmabuf_ops
#define dma_buf_attachment dmabuf_attachment

#define dma_buf_export dmabuf_export_guide
#define dma_buf_fd dmabuf_fd
#define dma_buf_get dmabuf_get
#define dma_buf_put dmabuf_put
#define dma_buf_attach dmabuf_attach
#define dma_buf_detach dmabuf_detach
#define dma_buf_map_attachment dmabuf_map_attachment
#define dma_buf_unmap_attachment dmabuf_unmap_attachment

#endif /* _DMABUF_CORE_GUIDE_NAMES_H */
