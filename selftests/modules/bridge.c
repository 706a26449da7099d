// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmabuf-test-bridge: an importer and an exporter of the kernel's own dma-buf that
 * do as a program tells them.  They know nothing of dmabuf-core, as DRM and V4L2 do
 * not.  Node, init and exit.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "../../dmabuf-core/compat.h"
#include "bridge.h"

static const struct dmabuf_ucmd_entry bridge_ucmds[] = {
	DMABUF_UCMD(DMABUF_TEST_BRIDGE_DEVICE, bridge_ucmd_device,
		    struct dmabuf_test_bridge_device, name),
	DMABUF_UCMD(DMABUF_TEST_BRIDGE_ATTACH, bridge_ucmd_attach,
		    struct dmabuf_test_bridge_attach, ret),
	DMABUF_UCMD(DMABUF_TEST_BRIDGE_DETACH, bridge_ucmd_detach,
		    struct dmabuf_test_bridge_handle, reserved),
	DMABUF_UCMD(DMABUF_TEST_BRIDGE_MAP, bridge_ucmd_map, struct dmabuf_test_bridge_map,
		    reserved),
	DMABUF_UCMD(DMABUF_TEST_BRIDGE_UNMAP, bridge_ucmd_unmap,
		    struct dmabuf_test_bridge_handle, reserved),
	DMABUF_UCMD(DMABUF_TEST_BRIDGE_VMAP, bridge_ucmd_vmap, struct dmabuf_test_bridge_vmap,
		    reserved),
	DMABUF_UCMD(DMABUF_TEST_BRIDGE_VUNMAP, bridge_ucmd_vunmap,
		    struct dmabuf_test_bridge_handle, reserved),
	DMABUF_UCMD(DMABUF_TEST_BRIDGE_READ, bridge_ucmd_read, struct dmabuf_test_bridge_bytes,
		    user),
	DMABUF_UCMD(DMABUF_TEST_BRIDGE_WRITE, bridge_ucmd_write, struct dmabuf_test_bridge_bytes,
		    user),
	DMABUF_UCMD(DMABUF_TEST_BRIDGE_BEGIN, bridge_ucmd_begin,
		    struct dmabuf_test_bridge_access, ret),
	DMABUF_UCMD(DMABUF_TEST_BRIDGE_END, bridge_ucmd_end, struct dmabuf_test_bridge_access,
		    ret),
	DMABUF_UCMD(DMABUF_TEST_BRIDGE_FENCE, bridge_ucmd_fence,
		    struct dmabuf_test_bridge_fence, ret),
	DMABUF_UCMD(DMABUF_TEST_BRIDGE_SIGNAL, bridge_ucmd_signal,
		    struct dmabuf_test_bridge_signal, reserved),
	DMABUF_UCMD(DMABUF_TEST_BRIDGE_SIGNALLED, bridge_ucmd_signalled,
		    struct dmabuf_test_bridge_signal, reserved),
	DMABUF_UCMD(DMABUF_TEST_BRIDGE_EXPORT, bridge_ucmd_export,
		    struct dmabuf_test_bridge_export, buffer),
	DMABUF_UCMD(DMABUF_TEST_BRIDGE_BEHAVE, bridge_ucmd_behave,
		    struct dmabuf_test_bridge_behave, map_error),
	DMABUF_UCMD(DMABUF_TEST_BRIDGE_COUNTS, bridge_ucmd_counts,
		    struct dmabuf_test_bridge_counts, counts),
};

static long bridge_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return dmabuf_ucmd_run(bridge_ucmds, ARRAY_SIZE(bridge_ucmds), file, cmd,
			       (void __user *)arg);
}

static int bridge_open(struct inode *inode, struct file *file)
{
	struct bridge_file *bridge = kzalloc(sizeof(*bridge), GFP_KERNEL);

	if (!bridge)
		return -ENOMEM;
	xa_init_flags(&bridge->devices, XA_FLAGS_ALLOC1);
	xa_init_flags(&bridge->attachments, XA_FLAGS_ALLOC1);
	xa_init_flags(&bridge->mappings, XA_FLAGS_ALLOC1);
	xa_init_flags(&bridge->vmaps, XA_FLAGS_ALLOC1);
	xa_init_flags(&bridge->fences, XA_FLAGS_ALLOC1);
	xa_init_flags(&bridge->buffers, XA_FLAGS_ALLOC1);
	file->private_data = bridge;
	return 0;
}

/* Fences first: what waits for them may have what the others need. */
static int bridge_release(struct inode *inode, struct file *file)
{
	struct bridge_file *bridge = file->private_data;

	bridge_fence_close(bridge);
	bridge_cpu_close(bridge);
	bridge_importer_close(bridge);
	bridge_exporter_close(bridge);
	kfree(bridge);
	return 0;
}

static const struct file_operations bridge_fops = {
	.owner = THIS_MODULE,
	.open = bridge_open,
	.release = bridge_release,
	.unlocked_ioctl = bridge_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice bridge_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "dmabuf-test-bridge",
	.fops = &bridge_fops,
	.mode = 0600,
};

module_misc_device(bridge_misc);

MODULE_DESCRIPTION("Selftest of dmabuf-core: importer and exporter of the kernel's own dma-buf");
MODULE_AUTHOR("dmabuf-core maintainers");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(DMABUF_KERNEL_NS);
