/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of dmabuf-core share.
 *
 * Lock order, outermost first.  None of them is held across an op of an
 * exporter, none is shared by two buffers but the last, and nothing sleeps
 * under any of them:
 *
 *	dmabuf.lock			list of attachments
 *	  dmabuf_attachment.lock	list of outstanding mappings
 *	bucket of the live table	bit lock, insert and remove only
 *
 * Readers of the live table (debugfs) hold no bucket lock: they are in an RCU
 * read section, and take the locks of one buffer at a time.
 *
 * Who owns what:
 *
 *	file		counted by its fds, its kernel users and each attachment
 *	struct dmabuf	by its file, from dmabuf_export() to the file's release,
 *			then by RCU until no reader of the live table sees it
 *	exporter module	held by each struct dmabuf until its release op returned
 *	this module	held by each file (fops->owner)
 *	attachment	by its importer, from dmabuf_attach() to dmabuf_detach()
 *	device		held by each attachment
 *	mapping record	by its attachment, from map to unmap
 */
#ifndef _DMABUF_CORE_INTERNAL_H
#define _DMABUF_CORE_INTERNAL_H

#include <linux/instruction_pointer.h>
#include <linux/module.h>
#include <linux/printk.h>

#include <dmabuf-core/dmabuf.h>

#include "compat.h"

struct seq_file;

#undef pr_fmt
#define pr_fmt(fmt) "dmabuf-core: " fmt

/* A driver broke the rules of @call: say which, to the person who wrote it. */
#define dmabuf_refuse(call, ip, fmt, ...) \
	pr_warn_ratelimited("%ps() called by %pS: " fmt "\n", call, (void *)(ip), ##__VA_ARGS__)

static inline const char *dmabuf_exporter_name(const struct dmabuf *dmabuf)
{
	return module_name(dmabuf->ops->owner);
}

/* export.c */
extern const struct file_operations dmabuf_fops;
int dmabuf_export_init(void);
void dmabuf_export_exit(void);

/* attach.c */
int dmabuf_attach_init(void);
void dmabuf_attach_exit(void);
void dmabuf_detach_all(struct dmabuf *dmabuf);

/* map.c */
u32 dmabuf_unmap_all(struct dmabuf_attachment *attachment);

/* live.c */
void dmabuf_live_add(struct dmabuf *dmabuf);
void dmabuf_live_del(struct dmabuf *dmabuf);
void dmabuf_live_init(void);
void dmabuf_live_exit(void);
void dmabuf_show_fdinfo(struct seq_file *seq, struct file *file);

#endif /* _DMABUF_CORE_INTERNAL_H */
