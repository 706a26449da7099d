// SPDX-License-Identifier: GPL-2.0-only
/* Fences that the importer leaves on a dma-buf, as a device that is still at work. */
#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "../../dmabuf-core/compat.h"
#include "bridge.h"

/**
 * struct bridge_fence - a fence, and what signals it
 *
 * Each holds this module, whose code its users call as long as it lives.
 */
struct bridge_fence {
	/** @base: counted by the dma-bufs that have it, its open file, @work while queued */
	struct dma_fence base;
	/** @lock: of @base */
	spinlock_t lock;
	/** @work: signals it by itself */
	struct delayed_work work;
};

static const char *bridge_fence_name(struct dma_fence *fence)
{
	return "dmabuf-test-bridge";
}

/* The module cannot be freed while this runs: that waits for a grace period, too. */
static void bridge_fence_free(struct rcu_head *rcu)
{
	kfree(container_of(rcu, struct bridge_fence, base.rcu));
	module_put(THIS_MODULE);
}

static void bridge_fence_release(struct dma_fence *fence)
{
	call_rcu(&fence->rcu, bridge_fence_free);
}

static const struct dma_fence_ops bridge_fence_ops = {
	.get_driver_name = bridge_fence_name,
	.get_timeline_name = bridge_fence_name,
	.release = bridge_fence_release,
};

static void bridge_fence_work(struct work_struct *work)
{
	struct bridge_fence *fence = container_of(work, struct bridge_fence, work.work);

	dma_fence_signal(&fence->base);
	dma_fence_put(&fence->base);
}

static struct bridge_fence *bridge_fence_create(void)
{
	struct bridge_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL);

	if (!fence)
		return NULL;
	__module_get(THIS_MODULE);
	spin_lock_init(&fence->lock);
	INIT_DELAYED_WORK(&fence->work, bridge_fence_work);
	dma_fence_init(&fence->base, &bridge_fence_ops, &fence->lock,
		       dma_fence_context_alloc(1), 1);
	return fence;
}

static int bridge_fence_add(struct bridge_fence *fence, int fd, enum dma_resv_usage usage)
{
	struct dma_buf *dmabuf = dma_buf_get(fd);
	int ret;

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	dma_resv_lock(dmabuf->resv, NULL);
	ret = dma_resv_reserve_fences(dmabuf->resv, 1);
	if (!ret)
		dma_resv_add_fence(dmabuf->resv, &fence->base, usage);
	dma_resv_unlock(dmabuf->resv);
	dma_buf_put(dmabuf);
	return ret;
}

int bridge_ucmd_fence(struct dmabuf_ucmd *ucmd)
{
	struct bridge_file *bridge = ucmd->file->private_data;
	struct dmabuf_test_bridge_fence *arg = ucmd->arg;
	struct bridge_fence *fence;
	int ret;

	if (arg->usage > DMABUF_TEST_BRIDGE_USAGE_BOOKKEEP)
		return -EINVAL;
	fence = bridge_fence_create();
	if (!fence)
		return -ENOMEM;
	ret = xa_alloc(&bridge->fences, &arg->fence, fence, xa_limit_31b, GFP_KERNEL);
	if (ret) {
		dma_fence_put(&fence->base);
		return ret;
	}
	arg->ret = bridge_fence_add(fence, arg->fd, arg->usage);
	if (!arg->ret && arg->signal_ms) {
		dma_fence_get(&fence->base);
		schedule_delayed_work(&fence->work, msecs_to_jiffies(arg->signal_ms));
	}
	return dmabuf_ucmd_respond(ucmd);
}

static int bridge_fence_tell(struct dmabuf_ucmd *ucmd, bool signal)
{
	struct bridge_file *bridge = ucmd->file->private_data;
	struct dmabuf_test_bridge_signal *arg = ucmd->arg;
	struct bridge_fence *fence = xa_load(&bridge->fences, arg->fence);

	if (arg->reserved)
		return -EINVAL;
	if (!fence)
		return -ENOENT;
	arg->signalled = dma_fence_is_signaled(&fence->base);
	if (signal)
		dma_fence_signal(&fence->base);
	return dmabuf_ucmd_respond(ucmd);
}

int bridge_ucmd_signal(struct dmabuf_ucmd *ucmd)
{
	return bridge_fence_tell(ucmd, true);
}

int bridge_ucmd_signalled(struct dmabuf_ucmd *ucmd)
{
	return bridge_fence_tell(ucmd, false);
}

void bridge_fence_close(struct bridge_file *bridge)
{
	struct bridge_fence *fence;
	unsigned long i;

	xa_for_each(&bridge->fences, i, fence) {
		if (cancel_delayed_work_sync(&fence->work))
			dma_fence_put(&fence->base);
		dma_fence_signal(&fence->base);
		dma_fence_put(&fence->base);
	}
	xa_destroy(&bridge->fences);
}
