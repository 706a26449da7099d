// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmabuf-test-ops: an exporter that does as a program tells it, and an importer
 * that hides nothing of what the core answers.  Node, init and exit.
 */
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "../../dmabuf-core/compat.h"
#include "ops.h"

struct platform_device *ops_pdevs[DMABUF_TEST_DEVICES];

static const struct dmabuf_ucmd_entry ops_ucmds[] = {
	DMABUF_UCMD(DMABUF_TEST_EXPORT, ops_ucmd_export, struct dmabuf_test_export, reserved),
	DMABUF_UCMD(DMABUF_TEST_BEHAVE, ops_ucmd_behave, struct dmabuf_test_behave, reserved),
	DMABUF_UCMD(DMABUF_TEST_STATE, ops_ucmd_state, struct dmabuf_test_state, reserved),
	DMABUF_UCMD(DMABUF_TEST_ATTACH, ops_ucmd_attach, struct dmabuf_test_attach, attachment),
	DMABUF_UCMD(DMABUF_TEST_DETACH, ops_ucmd_detach, struct dmabuf_test_detach, attachment),
	DMABUF_UCMD(DMABUF_TEST_DEVICE, ops_ucmd_device, struct dmabuf_test_device, reserved),
	DMABUF_UCMD(DMABUF_TEST_MAP, ops_ucmd_map, struct dmabuf_test_map, copied_bytes),
	DMABUF_UCMD(DMABUF_TEST_UNMAP, ops_ucmd_unmap, struct dmabuf_test_unmap, mapping),
	DMABUF_UCMD(DMABUF_TEST_TOUCH, ops_ucmd_touch, struct dmabuf_test_touch, equal),
	DMABUF_UCMD(DMABUF_TEST_HOLD, ops_ucmd_hold, struct dmabuf_test_hold, ret),
	DMABUF_UCMD(DMABUF_TEST_DROP, ops_ucmd_drop, struct dmabuf_test_hold, ret),
	DMABUF_UCMD(DMABUF_TEST_IDENTIFY, ops_ucmd_identify, struct dmabuf_test_identify, id),
	DMABUF_UCMD(DMABUF_TEST_ALLOC, ops_ucmd_alloc, struct dmabuf_test_alloc, flags),
	DMABUF_UCMD(DMABUF_TEST_COST, ops_ucmd_cost, struct dmabuf_test_cost, reserved),
	DMABUF_UCMD(DMABUF_TEST_FDS, ops_ucmd_fds, struct dmabuf_test_live, ns),
	DMABUF_UCMD(DMABUF_TEST_BUFFERS, ops_ucmd_buffers, struct dmabuf_test_live, ns),
	DMABUF_UCMD(DMABUF_TEST_ATTACHMENTS, ops_ucmd_attachments, struct dmabuf_test_live, ns),
};

static long ops_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return dmabuf_ucmd_run(ops_ucmds, ARRAY_SIZE(ops_ucmds), file, cmd, (void __user *)arg);
}

static int ops_open(struct inode *inode, struct file *file)
{
	struct ops_file *ops = kzalloc(sizeof(*ops), GFP_KERNEL);

	if (!ops)
		return -ENOMEM;
	xa_init_flags(&ops->records, XA_FLAGS_ALLOC1);
	xa_init_flags(&ops->attachments, XA_FLAGS_ALLOC1);
	xa_init_flags(&ops->mappings, XA_FLAGS_ALLOC1);
	file->private_data = ops;
	return 0;
}

static int ops_close(struct inode *inode, struct file *file)
{
	struct ops_file *ops = file->private_data;

	ops_importer_close(ops);
	ops_null_close(ops);
	ops_exporter_close(ops);
	kfree(ops);
	return 0;
}

static const struct file_operations ops_fops = {
	.owner = THIS_MODULE,
	.open = ops_open,
	.release = ops_close,
	.unlocked_ioctl = ops_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice ops_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "dmabuf-test-ops",
	.fops = &ops_fops,
	.mode = 0600,
};

static void ops_unregister_devices(int n)
{
	while (n--)
		platform_device_unregister(ops_pdevs[n]);
}

static int __init ops_init(void)
{
	struct platform_device_info info = {
		.name = "dmabuf-test-ops",
		.dma_mask = DMA_BIT_MASK(64),
	};
	int i, ret;

	for (i = 0; i < DMABUF_TEST_DEVICES; i++) {
		info.id = i;
		ops_pdevs[i] = platform_device_register_full(&info);
		if (IS_ERR(ops_pdevs[i])) {
			ret = PTR_ERR(ops_pdevs[i]);
			goto err_devices;
		}
		/* A limit that a test wants it adds itself; else it is 64 KiB. */
		dma_set_max_seg_size(&ops_pdevs[i]->dev, UINT_MAX);
		dmabuf_device_set_coherent(&ops_pdevs[i]->dev);
	}
	ret = misc_register(&ops_misc);
	if (ret)
		goto err_devices;
	return 0;

err_devices:
	ops_unregister_devices(i);
	return ret;
}

static void __exit ops_exit(void)
{
	misc_deregister(&ops_misc);
	ops_probes_remove();
	ops_unregister_devices(DMABUF_TEST_DEVICES);
}

module_init(ops_init);
module_exit(ops_exit);

MODULE_DESCRIPTION("Selftest of dmabuf-core: an exporter and importer that do as told");
MODULE_AUTHOR("dmabuf-core maintainers");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(DMABUF_NS);
