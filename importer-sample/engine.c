// SPDX-License-Identifier: GPL-2.0-only
/*
 * The engines of the sample importer: the list, and how one comes and goes.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "engine.h"

/* How often dmabuf_engine_remove() says what it waits for. */
#define REMOVE_WARN_SECONDS 10

static unsigned int timeout_ms = 5000;
module_param(timeout_ms, uint, 0644);
MODULE_PARM_DESC(timeout_ms, "How long a device gets for one run, ms (default 5000)");

/* Guards the list and the order in it, see engine_before(). */
static DEFINE_MUTEX(engines_lock);
static LIST_HEAD(engines);

/**
 * dmabuf_engine_timeout - how long one run of a device may take
 *
 * Context: any.
 * Return: jiffies, at least 1.
 */
unsigned long dmabuf_engine_timeout(void)
{
	return max(1UL, msecs_to_jiffies(READ_ONCE(timeout_ms)));
}

/**
 * dmabuf_engine_create - make an engine
 * @dev: the device that it is; its DMA mask and limits are set
 * @type: whose it is, which fixes its place in the list
 * @name: as user space sees it; longer ones are cut
 * @max_transfer: most bytes of one copy; rounded down to a multiple of 8, and
 *	to %DMABUF_ENGINE_SCRATCH_MAX
 * @ops: the driver's functions
 * @priv: the driver's, for @ops
 *
 * Allocates the scratch buffer, too.  The caller owns the engine, makes it
 * known with dmabuf_engine_add(), and ends it with dmabuf_engine_remove(),
 * whether it was added or not.
 *
 * Context: process context, may sleep.
 * Return: the engine, or
 * * -EINVAL: @max_transfer is less than 8
 * * -ENOMEM: no memory, or none that @dev can reach
 */
struct dmabuf_engine *dmabuf_engine_create(struct device *dev,
					   enum dmabuf_importer_engine_type type,
					   const char *name, u32 max_transfer,
					   const struct dmabuf_engine_ops *ops, void *priv)
{
	struct dmabuf_engine *engine;

	max_transfer = round_down(min(max_transfer, DMABUF_ENGINE_SCRATCH_MAX), 8);
	if (!max_transfer)
		return ERR_PTR(-EINVAL);

	engine = kzalloc(sizeof(*engine), GFP_KERNEL);
	if (!engine)
		return ERR_PTR(-ENOMEM);

	engine->scratch = dma_alloc_coherent(dev, max_transfer, &engine->scratch_dma, GFP_KERNEL);
	if (!engine->scratch) {
		kfree(engine);
		return ERR_PTR(-ENOMEM);
	}

	kref_init(&engine->kref);
	INIT_LIST_HEAD(&engine->node);
	engine->type = type;
	engine->max_transfer = max_transfer;
	engine->align = 1;
	strscpy(engine->name, name, sizeof(engine->name));
	strscpy(engine->device, dev_name(dev), sizeof(engine->device));
	dmabuf_constraints_from_device(&engine->constraints, dev);
	engine->ops = ops;
	engine->priv = priv;
	engine->dev = dev;
	mutex_init(&engine->transfer);
	mutex_init(&engine->lock);
	INIT_LIST_HEAD(&engine->attachments);
	INIT_LIST_HEAD(&engine->mappings);
	init_waitqueue_head(&engine->idle);
	return engine;
}

/* By type, then by name, edu10 behind edu9: a device that comes back gets its old place. */
static bool engine_before(const struct dmabuf_engine *a, const struct dmabuf_engine *b)
{
	size_t a_len = strlen(a->name), b_len = strlen(b->name);

	if (a->type != b->type)
		return a->type < b->type;
	if (a_len != b_len)
		return a_len < b_len;
	return strcmp(a->name, b->name) < 0;
}

/**
 * dmabuf_engine_add - let user space see an engine
 * @engine: ready to be used
 *
 * The inverse is dmabuf_engine_remove().
 *
 * Context: process context; takes the lock of the list.
 */
void dmabuf_engine_add(struct dmabuf_engine *engine)
{
	struct dmabuf_engine *next;

	engine->constraints.align = max(engine->constraints.align, engine->align);

	mutex_lock(&engines_lock);
	list_for_each_entry(next, &engines, node)
		if (engine_before(engine, next))
			break;
	/* The list's head stands in for @next when the loop came to its end. */
	list_add_tail(&engine->node, &next->node);
	mutex_unlock(&engines_lock);
}

/**
 * dmabuf_engine_remove - the device goes away
 * @engine: of dmabuf_engine_create(); the driver's reference goes
 *
 * When it returns, nothing of the importer uses the device, or has it mapped or
 * attached.  See the top of engine.h for how.
 *
 * It waits for the transfer and the calls of exporters that are under way.  A
 * transfer ends within dmabuf_engine_timeout().  A map that waits for its turn is
 * ended, so that a removal need not wait for user space; what remains, such as the
 * copy of a move, is waited for, with a line in the log now and then.
 *
 * Context: process context, sleeps; takes all locks of the engine and of the
 * list, one after the other.
 */
void dmabuf_engine_remove(struct dmabuf_engine *engine)
{
	mutex_lock(&engines_lock);
	list_del_init(&engine->node);
	mutex_unlock(&engines_lock);

	mutex_lock(&engine->transfer);
	mutex_lock(&engine->lock);
	engine->gone = true;
	mutex_unlock(&engine->lock);
	mutex_unlock(&engine->transfer);

	/* First, so that none of them moves a buffer for nothing once all is unmapped. */
	dmabuf_engine_stop_all(engine);
	dmabuf_engine_unmap_all(engine);

	while (!wait_event_timeout(engine->idle, !READ_ONCE(engine->calls),
				   REMOVE_WARN_SECONDS * HZ))
		pr_warn("%s: device %s goes, but a call of an exporter for it has not come back\n",
			engine->name, engine->device);

	dmabuf_engine_detach_all(engine);

	dma_free_coherent(engine->dev, engine->max_transfer, engine->scratch, engine->scratch_dma);
	dmabuf_engine_put(engine);
}

/**
 * dmabuf_engine_get - find an engine
 * @index: place in the list
 *
 * The inverse is dmabuf_engine_put().
 *
 * Context: process context; takes the lock of the list.
 * Return: the engine with a reference, or NULL: the list is shorter.
 */
struct dmabuf_engine *dmabuf_engine_get(u32 index)
{
	struct dmabuf_engine *engine, *found = NULL;

	mutex_lock(&engines_lock);
	list_for_each_entry(engine, &engines, node) {
		if (!index--) {
			kref_get(&engine->kref);
			found = engine;
			break;
		}
	}
	mutex_unlock(&engines_lock);
	return found;
}

static void engine_release(struct kref *kref)
{
	struct dmabuf_engine *engine = container_of(kref, struct dmabuf_engine, kref);

	mutex_destroy(&engine->lock);
	mutex_destroy(&engine->transfer);
	kfree(engine);
}

/**
 * dmabuf_engine_put - give a reference back
 * @engine: of dmabuf_engine_get()
 *
 * Context: process context.
 */
void dmabuf_engine_put(struct dmabuf_engine *engine)
{
	kref_put(&engine->kref, engine_release);
}

/**
 * dmabuf_engine_enter - announce a call of the core for the engine's device
 * @engine: the engine
 *
 * Keeps the device until dmabuf_engine_leave_locked().
 *
 * Context: process context; takes &dmabuf_engine.lock.
 * Return: 0, or -ENODEV: the device is going or gone.
 */
int dmabuf_engine_enter(struct dmabuf_engine *engine)
{
	int ret = -ENODEV;

	mutex_lock(&engine->lock);
	if (!engine->gone) {
		dmabuf_engine_enter_locked(engine);
		ret = 0;
	}
	mutex_unlock(&engine->lock);
	return ret;
}

/**
 * dmabuf_engine_enter_locked - announce a call that dmabuf_engine_remove() waits for
 * @engine: with the device there, or going with a mapping of it still to unmap
 *
 * Keeps the device until dmabuf_engine_leave_locked().
 *
 * Context: process context, with &dmabuf_engine.lock held.
 */
void dmabuf_engine_enter_locked(struct dmabuf_engine *engine)
{
	lockdep_assert_held(&engine->lock);

	WRITE_ONCE(engine->calls, engine->calls + 1);
}

/**
 * dmabuf_engine_leave_locked - the call of the core has come back
 * @engine: the engine
 *
 * The inverse of dmabuf_engine_enter().  The device may go as soon as the lock
 * is released.
 *
 * Context: process context, with &dmabuf_engine.lock held.
 */
void dmabuf_engine_leave_locked(struct dmabuf_engine *engine)
{
	lockdep_assert_held(&engine->lock);

	WRITE_ONCE(engine->calls, engine->calls - 1);
	if (!engine->calls)
		wake_up_all(&engine->idle);
}
