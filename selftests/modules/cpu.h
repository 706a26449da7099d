/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of dmabuf-test-cpu share; their names start with acc, for access.
 *
 * A lock that is held while another is taken: none.  Handles are looked up without a
 * lock against their removal, as in dmabuf-test-ops.  The node is root's.
 */
#ifndef _DMABUF_TEST_CPU_H
#define _DMABUF_TEST_CPU_H

#include <linux/types.h>
#include <linux/xarray.h>

#include <dmabuf-core/dmabuf.h>

#include "../../dmabuf-core/ucmd.h"
#include "test-uapi-cpu.h"

struct vm_area_struct;

/**
 * struct acc_file - one open file of the node
 * @records: &struct acc_record of what was exported through it; own lock
 * @vmaps: &struct acc_vmap by handle; own lock
 * @maps: &struct acc_map by handle; own lock
 * @mmap: the buffer that mmap() maps, with a reference, or NULL; by xchg()
 * @pgoff: for dmabuf_mmap()
 */
struct acc_file {
	struct xarray records;
	struct xarray vmaps;
	struct xarray maps;
	struct dmabuf *mmap;
	u64 pgoff;
};

/* cpu-exporter.c */
void acc_exporter_init(void);
int acc_ucmd_export(struct dmabuf_ucmd *ucmd);
int acc_ucmd_behave(struct dmabuf_ucmd *ucmd);
int acc_ucmd_state(struct dmabuf_ucmd *ucmd);
int acc_ucmd_log(struct dmabuf_ucmd *ucmd);
void acc_exporter_close(struct acc_file *cpu);

/* cpu-calls.c */
int acc_ucmd_access(struct dmabuf_ucmd *ucmd);
int acc_ucmd_vmap(struct dmabuf_ucmd *ucmd);
int acc_ucmd_vunmap(struct dmabuf_ucmd *ucmd);
int acc_ucmd_touch(struct dmabuf_ucmd *ucmd);
int acc_ucmd_mmap(struct dmabuf_ucmd *ucmd);
int acc_mmap_node(struct acc_file *cpu, struct vm_area_struct *vma);
void acc_calls_close(struct acc_file *cpu);

/* cpu-wrong.c */
int acc_ucmd_wrong(struct dmabuf_ucmd *ucmd);

/* cpu-devices.c */
int acc_devices_register(void);
void acc_devices_unregister(void);
int acc_ucmd_map(struct dmabuf_ucmd *ucmd);
int acc_ucmd_unmap(struct dmabuf_ucmd *ucmd);
int acc_ucmd_device(struct dmabuf_ucmd *ucmd);
int acc_ucmd_syncs(struct dmabuf_ucmd *ucmd);
void acc_devices_close(struct acc_file *cpu);

#endif /* _DMABUF_TEST_CPU_H */
