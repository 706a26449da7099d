// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmabuf-test-guide: an exporter and an importer that were written from the DMA
 * buffer sharing guide of 2012 alone, in its spelling, and know nothing else of
 * the framework.
 */
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/kref.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <dmabuf-core/guide-names.h>

#include "../../dmabuf-core/compat.h"
#include "../../dmabuf-core/ucmd.h"
#include "test-uapi.h"

static struct platform_device *guide_pdev;
static DEFINE_MUTEX(guide_lock);

/* The names of the ops that were called, in order; under guide_log_lock. */
static char guide_log_text[sizeof_field(struct dmabuf_test_guide_log, text)];
static DEFINE_MUTEX(guide_log_lock);

static void guide_log(const char *op)
{
	mutex_lock(&guide_log_lock);
	strlcat(guide_log_text, op, sizeof(guide_log_text));
	strlcat(guide_log_text, " ", sizeof(guide_log_text));
	mutex_unlock(&guide_log_lock);
}

/*
 * The exporter.  Its backing storage comes with the first map_dma_buf and is one
 * piece of memory.
 */

/**
 * struct guide_buffer - the exporter's own data of one buffer
 * @size: bytes; immutable
 * @storage: NULL until the first map; under guide_lock
 */
struct guide_buffer {
	size_t size;
	void *storage;
};

static int guide_attach(struct dma_buf *dmabuf, struct device *dev,
			struct dma_buf_attachment *attach)
{
	guide_log("attach");
	return 0;
}

static void guide_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	guide_log("detach");
}

static struct sg_table *guide_map(struct dma_buf_attachment *attach,
				  enum dma_data_direction direction)
{
	struct guide_buffer *buffer = attach->dmabuf->priv;
	struct sg_table *sgt;
	int ret;

	guide_log("map");
	if (!buffer->storage)
		buffer->storage = kzalloc(buffer->size, GFP_KERNEL);
	if (!buffer->storage)
		return ERR_PTR(-ENOMEM);

	sgt = kzalloc(sizeof(*sgt), GFP_KERNEL);
	if (!sgt)
		return ERR_PTR(-ENOMEM);
	ret = sg_alloc_table(sgt, 1, GFP_KERNEL);
	if (ret)
		goto err_free;
	sg_set_buf(sgt->sgl, buffer->storage, buffer->size);
	ret = dma_map_sgtable(attach->dev, sgt, DMA_BIDIRECTIONAL, 0);
	if (ret)
		goto err_table;
	return sgt;

err_table:
	sg_free_table(sgt);
err_free:
	kfree(sgt);
	return ERR_PTR(ret);
}

static void guide_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt)
{
	guide_log("unmap");
	dma_unmap_sgtable(attach->dev, sgt, DMA_BIDIRECTIONAL, 0);
	sg_free_table(sgt);
	kfree(sgt);
}

static void guide_release(struct dma_buf *dmabuf)
{
	struct guide_buffer *buffer = dmabuf->priv;

	guide_log("release");
	kfree(buffer->storage);
	kfree(buffer);
}

static struct dma_buf_ops guide_ops = {
	.attach = guide_attach,
	.detach = guide_detach,
	.map_dma_buf = guide_map,
	.unmap_dma_buf = guide_unmap,
	.release = guide_release,
};

/* Steps 1 and 2: announce a buffer, and give user space its handle. */
static int guide_export(size_t size, int *fd)
{
	struct guide_buffer *buffer = kzalloc(sizeof(*buffer), GFP_KERNEL);
	struct dma_buf *dmabuf;

	if (!buffer)
		return -ENOMEM;
	buffer->size = size;

	dmabuf = dma_buf_export(buffer, &guide_ops, size, O_RDWR | O_CLOEXEC);
	if (!dmabuf) {
		kfree(buffer);
		return -ENOMEM;
	}

	*fd = dma_buf_fd(dmabuf);
	if (*fd < 0) {
		dma_buf_put(dmabuf);
		return *fd;
	}
	return 0;
}

/*
 * The buffer-user, with one device and one buffer at a time.
 */

/* All under guide_lock; NULL when not connected, or not in use. */
static struct dma_buf *user_dmabuf;
static struct dma_buf_attachment *user_attach;
static struct sg_table *user_sgt;

/* Step 3: connect to the buffer behind an fd. */
static int user_connect(int fd)
{
	struct dma_buf *dmabuf = dma_buf_get(fd);
	struct dma_buf_attachment *attach;

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	attach = dma_buf_attach(dmabuf, &guide_pdev->dev);
	if (IS_ERR(attach)) {
		dma_buf_put(dmabuf);
		return PTR_ERR(attach);
	}
	user_dmabuf = dmabuf;
	user_attach = attach;
	return 0;
}

/* Step 4: request access. */
static int user_access(enum dma_data_direction direction)
{
	struct sg_table *sgt = dma_buf_map_attachment(user_attach, direction);

	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	user_sgt = sgt;
	return 0;
}

/* Step 5: end of DMA. */
static void user_end(void)
{
	dma_buf_unmap_attachment(user_attach, user_sgt);
	user_sgt = NULL;
}

/* Step 6: disconnect. */
static void user_disconnect(void)
{
	dma_buf_detach(user_dmabuf, user_attach);
	dma_buf_put(user_dmabuf);
	user_attach = NULL;
	user_dmabuf = NULL;
}

/* What the program in user space calls. */

static int guide_ucmd_export(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_test_guide *arg = ucmd->arg;

	if (!arg->bytes || arg->bytes > SZ_1M)
		return -EINVAL;
	mutex_lock(&guide_log_lock);
	guide_log_text[0] = '\0';
	mutex_unlock(&guide_log_lock);
	arg->ret = guide_export(arg->bytes, &arg->fd);
	return dmabuf_ucmd_respond(ucmd);
}

static int guide_ucmd_connect(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_test_guide *arg = ucmd->arg;

	mutex_lock(&guide_lock);
	arg->ret = user_dmabuf ? -EBUSY : user_connect(arg->fd);
	mutex_unlock(&guide_lock);
	return dmabuf_ucmd_respond(ucmd);
}

static int guide_ucmd_access(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_test_guide *arg = ucmd->arg;
	struct scatterlist *sg;
	unsigned int i;

	mutex_lock(&guide_lock);
	arg->bytes = 0;
	arg->ret = -EBUSY;
	if (user_dmabuf && !user_sgt)
		arg->ret = user_access(arg->direction);
	if (!arg->ret)
		for_each_sgtable_dma_sg(user_sgt, sg, i)
			arg->bytes += sg_dma_len(sg);
	mutex_unlock(&guide_lock);
	return dmabuf_ucmd_respond(ucmd);
}

/* In place of the device's DMA, byte by byte. */
static int guide_touch(struct dmabuf_test_guide *arg, bool write)
{
	struct sg_mapping_iter iter;
	size_t i;

	if (!user_sgt)
		return -ENOENT;
	sg_miter_start(&iter, user_sgt->sgl, user_sgt->orig_nents,
		       write ? SG_MITER_TO_SG : SG_MITER_FROM_SG);
	arg->equal = 0;
	while (sg_miter_next(&iter)) {
		u8 *bytes = iter.addr;

		if (write)
			memset(bytes, arg->value, iter.length);
		for (i = 0; i < iter.length; i++)
			arg->equal += bytes[i] == (u8)arg->value;
	}
	sg_miter_stop(&iter);
	return 0;
}

static int guide_ucmd_write(struct dmabuf_ucmd *ucmd)
{
	int ret;

	mutex_lock(&guide_lock);
	ret = guide_touch(ucmd->arg, true);
	mutex_unlock(&guide_lock);
	return ret ?: dmabuf_ucmd_respond(ucmd);
}

static int guide_ucmd_read(struct dmabuf_ucmd *ucmd)
{
	int ret;

	mutex_lock(&guide_lock);
	ret = guide_touch(ucmd->arg, false);
	mutex_unlock(&guide_lock);
	return ret ?: dmabuf_ucmd_respond(ucmd);
}

static int guide_ucmd_end(struct dmabuf_ucmd *ucmd)
{
	int ret = -ENOENT;

	mutex_lock(&guide_lock);
	if (user_sgt) {
		user_end();
		ret = 0;
	}
	mutex_unlock(&guide_lock);
	return ret;
}

static int guide_ucmd_disconnect(struct dmabuf_ucmd *ucmd)
{
	int ret = -ENOENT;

	mutex_lock(&guide_lock);
	if (user_dmabuf && !user_sgt) {
		user_disconnect();
		ret = 0;
	}
	mutex_unlock(&guide_lock);
	return ret;
}

static int guide_ucmd_log(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_test_guide_log *arg = ucmd->arg;

	mutex_lock(&guide_log_lock);
	memcpy(arg->text, guide_log_text, sizeof(arg->text));
	mutex_unlock(&guide_log_lock);
	return dmabuf_ucmd_respond(ucmd);
}

static const struct dmabuf_ucmd_entry guide_ucmds[] = {
	DMABUF_UCMD(DMABUF_TEST_GUIDE_EXPORT, guide_ucmd_export, struct dmabuf_test_guide, equal),
	DMABUF_UCMD(DMABUF_TEST_GUIDE_CONNECT, guide_ucmd_connect, struct dmabuf_test_guide, equal),
	DMABUF_UCMD(DMABUF_TEST_GUIDE_ACCESS, guide_ucmd_access, struct dmabuf_test_guide, equal),
	DMABUF_UCMD(DMABUF_TEST_GUIDE_WRITE, guide_ucmd_write, struct dmabuf_test_guide, equal),
	DMABUF_UCMD(DMABUF_TEST_GUIDE_READ, guide_ucmd_read, struct dmabuf_test_guide, equal),
	DMABUF_UCMD(DMABUF_TEST_GUIDE_END, guide_ucmd_end, struct dmabuf_test_guide, equal),
	DMABUF_UCMD(DMABUF_TEST_GUIDE_DISCONNECT, guide_ucmd_disconnect, struct dmabuf_test_guide,
		    equal),
	DMABUF_UCMD(DMABUF_TEST_GUIDE_LOG, guide_ucmd_log, struct dmabuf_test_guide_log, text),
};

static long guide_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return dmabuf_ucmd_run(guide_ucmds, ARRAY_SIZE(guide_ucmds), file, cmd,
			       (void __user *)arg);
}

/* The program has gone, perhaps midway. */
static int guide_close(struct inode *inode, struct file *file)
{
	mutex_lock(&guide_lock);
	if (user_sgt)
		user_end();
	if (user_dmabuf)
		user_disconnect();
	mutex_unlock(&guide_lock);
	return 0;
}

static const struct file_operations guide_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = guide_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = guide_close,
};

static struct miscdevice guide_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "dmabuf-test-guide",
	.fops = &guide_fops,
	.mode = 0600,
};

static int __init guide_init(void)
{
	const struct platform_device_info info = {
		.name = "dmabuf-test-guide",
		.id = PLATFORM_DEVID_NONE,
		.dma_mask = DMA_BIT_MASK(64),
	};
	int ret;

	guide_pdev = platform_device_register_full(&info);
	if (IS_ERR(guide_pdev))
		return PTR_ERR(guide_pdev);
	dmabuf_device_set_coherent(&guide_pdev->dev);
	ret = misc_register(&guide_misc);
	if (ret)
		platform_device_unregister(guide_pdev);
	return ret;
}

static void __exit guide_exit(void)
{
	misc_deregister(&guide_misc);
	platform_device_unregister(guide_pdev);
}

module_init(guide_init);
module_exit(guide_exit);

MODULE_DESCRIPTION("Selftest of dmabuf-core: an exporter and an importer by the 2012 guide");
MODULE_AUTHOR("dmabuf-core maintainers");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(DMABUF_NS);
