// SPDX-License-Identifier: GPL-2.0-only
/*
 * Watches the memory allocations that a call into the core makes, and lets the
 * nth of them fail, on any kernel with kprobes: there is a probe at the entry of
 * each allocator, which counts for one task and can return NULL in its place.
 */
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/kprobes.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

#include "ops.h"

#define OPS_MAX_TIMES 100000

/**
 * struct ops_probe - one allocator
 * @symbol: its name; what a kernel does not have is left out
 * @may_fail: its callers take a NULL for "no memory"; pages are only counted, as
 *	the slab allocator answers a lack of them with a warning
 * @kprobe: at its entry
 * @registered: it is there
 */
struct ops_probe {
	const char *symbol;
	bool may_fail;
	struct kprobe kprobe;
	bool registered;
};

/* Constant kmalloc() is the one with "trace" or "cache" in its name. */
static struct ops_probe ops_probes[] = {
	{ .symbol = "kmem_cache_alloc", .may_fail = true },
	{ .symbol = "kmem_cache_alloc_noprof", .may_fail = true },
	{ .symbol = "kmem_cache_alloc_lru", .may_fail = true },
	{ .symbol = "kmem_cache_alloc_lru_noprof", .may_fail = true },
	{ .symbol = "kmem_cache_alloc_node", .may_fail = true },
	{ .symbol = "kmem_cache_alloc_node_noprof", .may_fail = true },
	{ .symbol = "kmem_cache_alloc_trace", .may_fail = true },
	{ .symbol = "kmalloc_trace", .may_fail = true },
	{ .symbol = "kmalloc_node_trace", .may_fail = true },
	{ .symbol = "__kmalloc_cache_noprof", .may_fail = true },
	{ .symbol = "__kmalloc_cache_node_noprof", .may_fail = true },
	{ .symbol = "__kmalloc", .may_fail = true },
	{ .symbol = "__kmalloc_noprof", .may_fail = true },
	{ .symbol = "__kmalloc_node", .may_fail = true },
	{ .symbol = "__kmalloc_node_noprof", .may_fail = true },
	{ .symbol = "__kmalloc_node_track_caller", .may_fail = true },
	{ .symbol = "__kmalloc_node_track_caller_noprof", .may_fail = true },
	{ .symbol = "__alloc_pages" },
	{ .symbol = "__alloc_pages_noprof" },
	{ .symbol = "vmalloc" },
	{ .symbol = "vmalloc_noprof" },
};

/* One run at a time. */
static DEFINE_MUTEX(ops_alloc_lock);

/*
 * Written and read by @ops_watched alone while a run is on: the probes fire in
 * its own context.  The pointer itself is read by every task that allocates.
 */
static struct task_struct *ops_watched;
static u32 ops_allocations;
static u32 ops_can_fail;
static u32 ops_fail_at;
static bool ops_failed;

/* Takes the place of an allocator: the probed call returns from here. */
static noinline void *ops_no_memory(void)
{
	return NULL;
}

/*
 * Interrupts of the watched task are not its own work.  A probe that is entered
 * by a breakpoint looks like an NMI, so that level is taken off.
 */
static bool ops_in_own_context(void)
{
	unsigned long count = preempt_count();

	if (count & NMI_MASK)
		count -= NMI_OFFSET + HARDIRQ_OFFSET;
	return !(count & (HARDIRQ_MASK | SOFTIRQ_OFFSET));
}

static int ops_probe_hit(struct kprobe *kprobe, struct pt_regs *regs)
{
	struct ops_probe *probe = container_of(kprobe, struct ops_probe, kprobe);

	if (READ_ONCE(ops_watched) != current || !ops_in_own_context())
		return 0;
	ops_allocations++;
	if (!probe->may_fail || ++ops_can_fail != ops_fail_at)
		return 0;
	ops_failed = true;
	instruction_pointer_set(regs, (unsigned long)ops_no_memory);
	return 1;
}

NOKPROBE_SYMBOL(ops_probe_hit);

/* A probe with one is never turned into a jump, which could not fail a call. */
static void ops_probe_after(struct kprobe *kprobe, struct pt_regs *regs, unsigned long flags)
{
}

NOKPROBE_SYMBOL(ops_probe_after);

void ops_probes_remove(void)
{
	struct kprobe *kprobes[ARRAY_SIZE(ops_probes)];
	int i, n = 0;

	for (i = 0; i < ARRAY_SIZE(ops_probes); i++) {
		if (ops_probes[i].registered)
			kprobes[n++] = &ops_probes[i].kprobe;
		ops_probes[i].registered = false;
	}
	unregister_kprobes(kprobes, n);
}

/*
 * Once added they stay until the module goes: each of them waits for a grace period.  -ENOENT is
 * for what this kernel does not have; there is always one of each kind.
 */
static int ops_probes_add(void)
{
	static bool added;
	int can_fail = 0;
	int i, ret;

	if (added)
		return 0;
	for (i = 0; i < ARRAY_SIZE(ops_probes); i++) {
		struct ops_probe *probe = &ops_probes[i];

		probe->kprobe = (struct kprobe) {
			.symbol_name = probe->symbol,
			.pre_handler = ops_probe_hit,
			.post_handler = ops_probe_after,
		};
		ret = register_kprobe(&probe->kprobe);
		if (ret == -ENOENT)
			continue;
		if (ret) {
			ops_probes_remove();
			return ret;
		}
		probe->registered = true;
		can_fail += probe->may_fail;
	}
	added = can_fail >= 3;
	if (added)
		return 0;
	ops_probes_remove();
	return -EOPNOTSUPP;
}

static void ops_watch_begin(u32 fail)
{
	ops_allocations = 0;
	ops_can_fail = 0;
	ops_failed = false;
	ops_fail_at = fail;
	WRITE_ONCE(ops_watched, current);
}

static void ops_watch_end(void)
{
	WRITE_ONCE(ops_watched, NULL);
}

/* Each of these does its call @times, watched, and undoes it, unwatched. */

static int ops_alloc_export(struct dmabuf_test_alloc *arg)
{
	int flags = arg->flags & DMABUF_TEST_NATIVE ? DMABUF_EXPORT_NATIVE : 0;
	struct dmabuf *dmabuf;
	u32 i;

	for (i = 0; i < arg->times; i++) {
		ops_watch_begin(arg->fail);
		dmabuf = dmabuf_export(NULL, &ops_null, PAGE_SIZE, O_RDWR | O_CLOEXEC | flags);
		ops_watch_end();
		arg->allocations += ops_allocations;
		arg->failed |= ops_failed;
		if (!dmabuf)
			return -ENOMEM;
		dmabuf_put(dmabuf);
	}
	return 0;
}

static int ops_alloc_attach(struct dmabuf_test_alloc *arg, struct dmabuf *dmabuf)
{
	struct dmabuf_attachment *attachment;
	u32 i;

	for (i = 0; i < arg->times; i++) {
		ops_watch_begin(arg->fail);
		attachment = dmabuf_attach(dmabuf, &ops_pdevs[0]->dev);
		ops_watch_end();
		arg->allocations += ops_allocations;
		arg->failed |= ops_failed;
		if (IS_ERR(attachment))
			return PTR_ERR(attachment);
		dmabuf_detach(dmabuf, attachment);
	}
	return 0;
}

/* A map and its unmap, with another pair inside if @second. */
static int ops_alloc_map_once(struct dmabuf_attachment *attachment, bool second)
{
	struct sg_table *sgt = dmabuf_map_attachment(attachment, DMA_BIDIRECTIONAL);
	int ret = 0;

	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	if (second)
		ret = ops_alloc_map_once(attachment, false);
	dmabuf_unmap_attachment(attachment, sgt);
	return ret;
}

static int ops_alloc_map(struct dmabuf_test_alloc *arg, struct dmabuf_attachment *attachment)
{
	int ret = 0;
	u32 i;

	ops_watch_begin(arg->fail);
	for (i = 0; i < arg->times && !ret; i++)
		ret = ops_alloc_map_once(attachment, arg->op == DMABUF_TEST_OP_SECOND_MAP);
	ops_watch_end();
	arg->allocations += ops_allocations;
	arg->failed |= ops_failed;
	return ret;
}

/* While another attachment has the buffer mapped, if that is asked for. */
static int ops_alloc_beside(struct dmabuf_test_alloc *arg, struct dmabuf *dmabuf,
			    struct dmabuf_attachment *attachment)
{
	struct dmabuf_attachment *other;
	struct sg_table *sgt;
	int ret;

	if (!(arg->flags & DMABUF_TEST_MAPPED))
		return ops_alloc_map(arg, attachment);
	other = dmabuf_attach(dmabuf, &ops_pdevs[1]->dev);
	if (IS_ERR(other))
		return PTR_ERR(other);
	sgt = dmabuf_map_attachment(other, DMA_BIDIRECTIONAL);
	ret = PTR_ERR_OR_ZERO(sgt);
	if (!ret) {
		ret = ops_alloc_map(arg, attachment);
		dmabuf_unmap_attachment(other, sgt);
	}
	dmabuf_detach(dmabuf, other);
	return ret;
}

static int ops_alloc_attached(struct dmabuf_test_alloc *arg, struct dmabuf *dmabuf)
{
	struct dmabuf_attachment *attachment = dmabuf_attach(dmabuf, &ops_pdevs[0]->dev);
	int ret = 0;

	if (IS_ERR(attachment))
		return PTR_ERR(attachment);
	if (arg->flags & DMABUF_TEST_LAYER)
		ret = ops_null_take_storage(attachment);
	if (!ret)
		ret = ops_alloc_beside(arg, dmabuf, attachment);
	dmabuf_detach(dmabuf, attachment);
	return ret;
}

static int ops_alloc_run(struct dmabuf_test_alloc *arg)
{
	struct dmabuf *dmabuf;
	int ret;

	if (arg->op == DMABUF_TEST_OP_EXPORT)
		return ops_alloc_export(arg);

	dmabuf = dmabuf_export(NULL, arg->flags & DMABUF_TEST_LAYER ? &ops_null_layer : &ops_null,
			       PAGE_SIZE, O_RDWR);
	if (!dmabuf)
		return -ENOMEM;
	if (arg->op == DMABUF_TEST_OP_ATTACH)
		ret = ops_alloc_attach(arg, dmabuf);
	else
		ret = ops_alloc_attached(arg, dmabuf);
	dmabuf_put(dmabuf);
	return ret;
}

int ops_ucmd_alloc(struct dmabuf_ucmd *ucmd)
{
	struct dmabuf_test_alloc *arg = ucmd->arg;
	int ret;

	if (arg->op != DMABUF_TEST_OP_EXPORT && arg->op != DMABUF_TEST_OP_ATTACH &&
	    arg->op != DMABUF_TEST_OP_MAP && arg->op != DMABUF_TEST_OP_SECOND_MAP)
		return -EINVAL;
	if (!arg->times || arg->times > OPS_MAX_TIMES ||
	    arg->flags & ~(DMABUF_TEST_LAYER | DMABUF_TEST_MAPPED | DMABUF_TEST_NATIVE))
		return -EINVAL;
	arg->allocations = 0;
	arg->failed = 0;

	mutex_lock(&ops_alloc_lock);
	ret = ops_probes_add();
	if (!ret)
		arg->ret = ops_alloc_run(arg);
	mutex_unlock(&ops_alloc_lock);
	return ret ?: dmabuf_ucmd_respond(ucmd);
}
