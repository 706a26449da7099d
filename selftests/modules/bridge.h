/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of dmabuf-test-bridge share. */
#ifndef _DMABUF_TEST_BRIDGE_H
#define _DMABUF_TEST_BRIDGE_H

#include <linux/xarray.h>

#include "../../dmabuf-core/ucmd.h"
#include "test-uapi-bridge.h"

/**
 * struct bridge_file - one open file of the node
 * @devices: &struct platform_device
 * @attachments: &struct bridge_attachment
 * @mappings: &struct bridge_mapping
 * @vmaps: &struct bridge_vmap
 * @fences: &struct bridge_fence, each with a reference
 * @buffers: &struct bridge_buffer, each with a reference
 *
 * Each by its handle, and with its own lock.  Who takes an object off its table
 * owns it.  Two threads that use one attachment must not detach it meanwhile.
 */
struct bridge_file {
	struct xarray devices;
	struct xarray attachments;
	struct xarray mappings;
	struct xarray vmaps;
	struct xarray fences;
	struct xarray buffers;
};

/* bridge-importer.c */
int bridge_ucmd_device(struct dmabuf_ucmd *ucmd);
int bridge_ucmd_attach(struct dmabuf_ucmd *ucmd);
int bridge_ucmd_detach(struct dmabuf_ucmd *ucmd);
int bridge_ucmd_map(struct dmabuf_ucmd *ucmd);
int bridge_ucmd_unmap(struct dmabuf_ucmd *ucmd);
void bridge_importer_close(struct bridge_file *bridge);

/* bridge-cpu.c */
int bridge_ucmd_vmap(struct dmabuf_ucmd *ucmd);
int bridge_ucmd_vunmap(struct dmabuf_ucmd *ucmd);
int bridge_ucmd_read(struct dmabuf_ucmd *ucmd);
int bridge_ucmd_write(struct dmabuf_ucmd *ucmd);
int bridge_ucmd_begin(struct dmabuf_ucmd *ucmd);
int bridge_ucmd_end(struct dmabuf_ucmd *ucmd);
void bridge_cpu_close(struct bridge_file *bridge);

/* bridge-fence.c */
int bridge_ucmd_fence(struct dmabuf_ucmd *ucmd);
int bridge_ucmd_signal(struct dmabuf_ucmd *ucmd);
int bridge_ucmd_signalled(struct dmabuf_ucmd *ucmd);
void bridge_fence_close(struct bridge_file *bridge);

/* bridge-exporter.c */
int bridge_ucmd_export(struct dmabuf_ucmd *ucmd);
int bridge_ucmd_behave(struct dmabuf_ucmd *ucmd);
int bridge_ucmd_counts(struct dmabuf_ucmd *ucmd);
void bridge_exporter_close(struct bridge_file *bridge);

/* bridge-importer.c, for bridge-cpu.c */
int bridge_mapping_copy(struct bridge_file *bridge, u32 handle, u64 offset, void *bytes, u64 n,
			bool write);

#endif /* _DMABUF_TEST_BRIDGE_H */
