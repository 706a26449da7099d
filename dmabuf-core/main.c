// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmabuf-core: the DMA buffer sharing framework.  Module init and exit.
 */
#include <linux/module.h>

#include "internal.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static int __init dmabuf_core_init(void)
{
	int ret;

	ret = dmabuf_export_init();
	if (ret)
		return ret;
	ret = dmabuf_attach_init();
	if (ret)
		goto err_export;
	dmabuf_wrapper_init();
	dmabuf_live_init();
	return 0;

err_export:
	dmabuf_export_exit();
	return ret;
}

/* No buffer is alive: each of them holds this module by its file. */
static void __exit dmabuf_core_exit(void)
{
	dmabuf_live_exit();
	dmabuf_attach_exit();
	dmabuf_export_exit();
}

module_init(dmabuf_core_init);
module_exit(dmabuf_core_exit);

MODULE_DESCRIPTION("dmabuf-core: DMA buffer sharing framework");
MODULE_AUTHOR("dmabuf-core maintainers");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(DMABUF_KERNEL_NS);
