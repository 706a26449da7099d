// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counts the bytes that a map copies into the buffer, in pieces of a page or more, on
 * any kernel with kprobes: there is a probe at the entry of each function that could.
 * What else is copied meanwhile is the kernel's own: CMA moves other pages away.
 */
#include <linux/err.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pfn.h>
#include <linux/ptrace.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>
#include <linux/vmalloc.h>

#include "ops.h"

/**
 * struct ops_copy_probe - one function that copies
 * @symbol: its name
 * @length: number of the argument with the bytes to copy, or 0: a page
 * @mandatory: all kernels have it, and pages of a buffer are copied with it
 * @kprobe: at its entry
 * @registered: it is there
 */
struct ops_copy_probe {
	const char *symbol;
	unsigned int length;
	bool mandatory;
	struct kprobe kprobe;
	bool registered;
};

/* Where memcpy() must not be probed nothing is lost but the sight of a wrong user. */
static struct ops_copy_probe ops_copy_probes[] = {
	{ .symbol = "copy_page", .mandatory = true },
	{ .symbol = "copy_mc_to_kernel", .length = 2 },
	{ .symbol = "memcpy", .length = 2 },
	{ .symbol = "memmove", .length = 2 },
};

/* More than twice a buffer of 16 MiB, so that a second copy is seen. */
#define OPS_COPIES 16384

/**
 * struct ops_copy - one copy
 * @pfn: number of the page that its first byte goes to, or 0
 * @bytes: its length
 */
struct ops_copy {
	unsigned long pfn;
	unsigned long bytes;
};

/* One run at a time. */
static DEFINE_MUTEX(ops_copy_lock);

/* As in ops-alloc.c: these belong to @ops_copier while a run is on. */
static struct task_struct *ops_copier;
static struct ops_copy *ops_copies;
static unsigned int ops_nr_copies;

static unsigned long argument(struct pt_regs *regs, unsigned int n)
{
#ifdef CONFIG_HAVE_FUNCTION_ARG_ACCESS_API
	return regs_get_kernel_argument(regs, n);
#else
	/* arm has the first four in r0 to r3. */
	return regs->uregs[n];
#endif
}

NOKPROBE_SYMBOL(argument);

/* The page may be highmem: then it has this address for the time of the copy. */
static unsigned long pfn_at(unsigned long address)
{
	struct page *page = NULL;

	if (virt_addr_valid((void *)address))
		page = virt_to_page((void *)address);
	else if (IS_ENABLED(CONFIG_HIGHMEM))
		page = vmalloc_to_page((void *)address);
	return page ? page_to_pfn(page) : 0;
}

NOKPROBE_SYMBOL(pfn_at);

static int ops_copy_hit(struct kprobe *kprobe, struct pt_regs *regs)
{
	struct ops_copy_probe *probe = container_of(kprobe, struct ops_copy_probe, kprobe);
	unsigned long bytes = PAGE_SIZE;

	if (READ_ONCE(ops_copier) != current)
		return 0;
	if (probe->length)
		bytes = argument(regs, probe->length);
	if (bytes >= PAGE_SIZE && ops_nr_copies < OPS_COPIES)
		ops_copies[ops_nr_copies++] =
			(struct ops_copy) { pfn_at(argument(regs, 0)), bytes };
	return 0;
}

NOKPROBE_SYMBOL(ops_copy_hit);

static void ops_copy_probes_remove(void)
{
	struct kprobe *kprobes[ARRAY_SIZE(ops_copy_probes)];
	int i, n = 0;

	for (i = 0; i < ARRAY_SIZE(ops_copy_probes); i++) {
		if (ops_copy_probes[i].registered)
			kprobes[n++] = &ops_copy_probes[i].kprobe;
		ops_copy_probes[i].registered = false;
	}
	unregister_kprobes(kprobes, n);
}

/* On success ops_copies_end() must follow, by the same task. */
int ops_copies_begin(void)
{
	int i, ret;

	mutex_lock(&ops_copy_lock);
	ops_nr_copies = 0;
	ops_copies = vmalloc(OPS_COPIES * sizeof(*ops_copies));
	if (!ops_copies) {
		mutex_unlock(&ops_copy_lock);
		return -ENOMEM;
	}
	for (i = 0; i < ARRAY_SIZE(ops_copy_probes); i++) {
		struct ops_copy_probe *probe = &ops_copy_probes[i];

		probe->kprobe = (struct kprobe) {
			.symbol_name = probe->symbol,
			.pre_handler = ops_copy_hit,
		};
		ret = register_kprobe(&probe->kprobe);
		probe->registered = !ret;
		if (ret && probe->mandatory) {
			ops_copy_probes_remove();
			vfree(ops_copies);
			mutex_unlock(&ops_copy_lock);
			return ret;
		}
	}
	WRITE_ONCE(ops_copier, current);
	return 0;
}

static bool ops_copy_is_into(const struct ops_copy *copy, struct sg_table *sgt)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_sg(sgt, sg, i) {
		unsigned long first = page_to_pfn(sg_page(sg));

		if (copy->pfn >= first && copy->pfn - first < PFN_UP(sg->length))
			return true;
	}
	return false;
}

/* Bytes that were copied into what @sgt maps. */
u64 ops_copies_end(struct sg_table *sgt)
{
	u64 copied = 0;
	unsigned int i;

	WRITE_ONCE(ops_copier, NULL);
	ops_copy_probes_remove();
	for (i = 0; !IS_ERR(sgt) && i < ops_nr_copies; i++)
		if (ops_copy_is_into(&ops_copies[i], sgt))
			copied += ops_copies[i].bytes;
	vfree(ops_copies);
	mutex_unlock(&ops_copy_lock);
	return copied;
}
