// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmabuf-test-cpu: the CPU's access to a buffer, from all sides.  Node, init and exit.
 */
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "../../dmabuf-core/compat.h"
#include "cpu.h"

static const struct dmabuf_ucmd_entry acc_ucmds[] = {
	DMABUF_UCMD(DMABUF_TEST_CPU_EXPORT, acc_ucmd_export, struct dmabuf_test_cpu_export,
		    buffer),
	DMABUF_UCMD(DMABUF_TEST_CPU_BEHAVE, acc_ucmd_behave, struct dmabuf_test_cpu_behave,
		    reserved),
	DMABUF_UCMD(DMABUF_TEST_CPU_STATE, acc_ucmd_state, struct dmabuf_test_cpu_state,
		    reserved),
	DMABUF_UCMD(DMABUF_TEST_CPU_LOG, acc_ucmd_log, struct dmabuf_test_cpu_log, text),
	DMABUF_UCMD(DMABUF_TEST_CPU_ACCESS, acc_ucmd_access, struct dmabuf_test_cpu_access, ret),
	DMABUF_UCMD(DMABUF_TEST_CPU_VMAP_FD, acc_ucmd_vmap, struct dmabuf_test_cpu_vmap,
		    cleared),
	DMABUF_UCMD(DMABUF_TEST_CPU_VUNMAP_HANDLE, acc_ucmd_vunmap,
		    struct dmabuf_test_cpu_vunmap, handle),
	DMABUF_UCMD(DMABUF_TEST_CPU_TOUCH, acc_ucmd_touch, struct dmabuf_test_cpu_touch, equal),
	DMABUF_UCMD(DMABUF_TEST_CPU_MMAP_FD, acc_ucmd_mmap, struct dmabuf_test_cpu_mmap, pgoff),
	DMABUF_UCMD(DMABUF_TEST_CPU_WRONG, acc_ucmd_wrong, struct dmabuf_test_cpu_wrong, caller),
	DMABUF_UCMD(DMABUF_TEST_CPU_MAP, acc_ucmd_map, struct dmabuf_test_cpu_map, handle),
	DMABUF_UCMD(DMABUF_TEST_CPU_UNMAP, acc_ucmd_unmap, struct dmabuf_test_cpu_unmap, handle),
	DMABUF_UCMD(DMABUF_TEST_CPU_DEVICE, acc_ucmd_device, struct dmabuf_test_cpu_touch, equal),
	DMABUF_UCMD(DMABUF_TEST_CPU_SYNCS, acc_ucmd_syncs, struct dmabuf_test_cpu_syncs,
		    supported),
};

static long acc_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return dmabuf_ucmd_run(acc_ucmds, ARRAY_SIZE(acc_ucmds), file, cmd, (void __user *)arg);
}

static int acc_mmap(struct file *file, struct vm_area_struct *vma)
{
	return acc_mmap_node(file->private_data, vma);
}

static int acc_open(struct inode *inode, struct file *file)
{
	struct acc_file *cpu = kzalloc(sizeof(*cpu), GFP_KERNEL);

	if (!cpu)
		return -ENOMEM;
	xa_init_flags(&cpu->records, XA_FLAGS_ALLOC1);
	xa_init_flags(&cpu->vmaps, XA_FLAGS_ALLOC1);
	xa_init_flags(&cpu->maps, XA_FLAGS_ALLOC1);
	file->private_data = cpu;
	return 0;
}

static int acc_close(struct inode *inode, struct file *file)
{
	struct acc_file *cpu = file->private_data;

	acc_devices_close(cpu);
	acc_calls_close(cpu);
	acc_exporter_close(cpu);
	kfree(cpu);
	return 0;
}

static const struct file_operations acc_fops = {
	.owner = THIS_MODULE,
	.open = acc_open,
	.release = acc_close,
	.unlocked_ioctl = acc_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = acc_mmap,
};

static struct miscdevice acc_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "dmabuf-test-cpu",
	.fops = &acc_fops,
	.mode = 0600,
};

static int __init acc_init(void)
{
	int ret;

	acc_exporter_init();
	ret = acc_devices_register();
	if (ret)
		return ret;
	ret = misc_register(&acc_misc);
	if (ret)
		acc_devices_unregister();
	return ret;
}

static void __exit acc_exit(void)
{
	misc_deregister(&acc_misc);
	acc_devices_unregister();
}

module_init(acc_init);
module_exit(acc_exit);

MODULE_DESCRIPTION("Selftest of dmabuf-core: the CPU's access, and devices that are not coherent");
MODULE_AUTHOR("dmabuf-core maintainers");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(DMABUF_NS);
