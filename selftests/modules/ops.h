/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of dmabuf-test-ops share.
 *
 * A lock that is held while another is taken: none.  Handles are looked up
 * without a lock against their removal: a program that takes a handle away while
 * it uses it in another thread gets what it asked for.  The node is root's.
 */
#ifndef _DMABUF_TEST_OPS_H
#define _DMABUF_TEST_OPS_H

#include <linux/platform_device.h>
#include <linux/types.h>
#include <linux/xarray.h>

#include <dmabuf-core/dmabuf.h>

#include "../../dmabuf-core/ucmd.h"
#include "test-uapi.h"

struct ops_live;

/**
 * struct ops_file - one open file of the node
 * @records: &struct ops_record of what was exported through it; own lock
 * @attachments: &struct ops_attachment by handle; own lock
 * @mappings: &struct ops_mapping by handle; own lock
 * @held: a buffer that HOLD took a reference to, or NULL; by cmpxchg() and xchg()
 * @live: what BUFFERS and ATTACHMENTS made, or NULL; by cmpxchg()
 */
struct ops_file {
	struct xarray records;
	struct xarray attachments;
	struct xarray mappings;
	struct dmabuf *held;
	struct ops_live *live;
};

/* ops.c */
extern struct platform_device *ops_pdevs[DMABUF_TEST_DEVICES];

/* ops-exporter.c */
int ops_ucmd_export(struct dmabuf_ucmd *ucmd);
int ops_ucmd_behave(struct dmabuf_ucmd *ucmd);
int ops_ucmd_state(struct dmabuf_ucmd *ucmd);
void ops_exporter_close(struct ops_file *ops);

/* ops-importer.c */
int ops_ucmd_attach(struct dmabuf_ucmd *ucmd);
int ops_ucmd_detach(struct dmabuf_ucmd *ucmd);
int ops_ucmd_device(struct dmabuf_ucmd *ucmd);
int ops_ucmd_map(struct dmabuf_ucmd *ucmd);
int ops_ucmd_unmap(struct dmabuf_ucmd *ucmd);
int ops_ucmd_touch(struct dmabuf_ucmd *ucmd);
int ops_ucmd_hold(struct dmabuf_ucmd *ucmd);
int ops_ucmd_drop(struct dmabuf_ucmd *ucmd);
int ops_ucmd_identify(struct dmabuf_ucmd *ucmd);
void ops_importer_close(struct ops_file *ops);

/* ops-null.c */
extern const struct dmabuf_ops ops_null;
extern const struct dmabuf_ops ops_null_layer;
int ops_null_take_storage(struct dmabuf_attachment *attachment);
int ops_ucmd_cost(struct dmabuf_ucmd *ucmd);
int ops_ucmd_fds(struct dmabuf_ucmd *ucmd);
int ops_ucmd_buffers(struct dmabuf_ucmd *ucmd);
int ops_ucmd_attachments(struct dmabuf_ucmd *ucmd);
void ops_null_close(struct ops_file *ops);

/* ops-alloc.c */
int ops_ucmd_alloc(struct dmabuf_ucmd *ucmd);
void ops_probes_remove(void);

/* ops-copy.c */
int ops_copies_begin(void);
u64 ops_copies_end(struct sg_table *sgt);

#endif /* _DMABUF_TEST_OPS_H */
