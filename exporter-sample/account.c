// SPDX-License-Identifier: GPL-2.0-only
/*
 * Limits: how much may be exported through one open file, and how much memory all
 * buffers together may have.
 */
#include <linux/highmem.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>

#include "internal.h"

static unsigned long limit_file_mb;
module_param(limit_file_mb, ulong, 0644);
MODULE_PARM_DESC(limit_file_mb,
		 "Most that one open file may export, MiB, counted in whole pages (0, the default: as much as limit_total_mb)");

static unsigned long limit_total_mb;
module_param(limit_total_mb, ulong, 0644);
MODULE_PARM_DESC(limit_total_mb,
		 "Most memory that all buffers together may have, MiB (0, the default: half of the machine's, without highmem)");

static u64 mib_to_bytes(unsigned long mib)
{
	return min_t(u64, mib, S64_MAX >> 20) << 20;
}

/**
 * dmabuf_sample_total_limit - tell how much memory all buffers may have
 *
 * Context: any.
 * Return: bytes.
 */
u64 dmabuf_sample_total_limit(void)
{
	unsigned long mib = READ_ONCE(limit_total_mb);

	if (mib)
		return mib_to_bytes(mib);
	return (u64)(totalram_pages() - totalhigh_pages()) / 2 << PAGE_SHIFT;
}

/**
 * dmabuf_sample_file_limit - tell how much may be exported through one open file
 *
 * Context: any.
 * Return: bytes; no more than one slot of the node's offsets holds.
 */
u64 dmabuf_sample_file_limit(void)
{
	unsigned long mib = READ_ONCE(limit_file_mb);
	u64 limit = mib ? mib_to_bytes(mib) : dmabuf_sample_total_limit();

	return min(limit, DMABUF_SAMPLE_SLOT_BYTES);
}

/**
 * dmabuf_sample_charge - add to a counter unless it passes a limit
 * @counter: bytes
 * @bytes: to add
 * @limit: at most %S64_MAX
 *
 * The inverse is atomic64_sub().
 *
 * Context: any.
 * Return: true if added.
 */
bool dmabuf_sample_charge(atomic64_t *counter, u64 bytes, u64 limit)
{
	s64 old = atomic64_read(counter);

	do {
		if (bytes > limit || old > limit - bytes)
			return false;
	} while (!atomic64_try_cmpxchg(counter, &old, old + bytes));
	return true;
}

/**
 * dmabuf_sample_log_total_limit - say that dmabuf_sample_total_limit() is in the way
 * @bytes: asked for
 * @mask: highest physical address that would do
 *
 * Context: any.
 */
void dmabuf_sample_log_total_limit(u64 bytes, u64 mask)
{
	u64 used = atomic64_read(&dmabuf_sample.backed_bytes);
	u64 limit = dmabuf_sample_total_limit();

	dmabuf_backing_log_failure("the exporter's share", bytes, limit - min(used, limit), mask,
				   "module parameter limit_total_mb");
}

/**
 * dmabuf_sample_account_create - make the account of a new open file
 *
 * The inverse is dmabuf_sample_account_put().
 *
 * Context: process context; may sleep.
 * Return: the account, with one reference, or NULL: no memory.
 */
struct dmabuf_sample_account *dmabuf_sample_account_create(void)
{
	struct dmabuf_sample_account *account = kzalloc(sizeof(*account), GFP_KERNEL_ACCOUNT);

	if (account)
		refcount_set(&account->users, 1);
	return account;
}

/**
 * dmabuf_sample_account_put - drop a reference to an account
 * @account: of an open file that may have been closed already
 *
 * Context: any.
 */
void dmabuf_sample_account_put(struct dmabuf_sample_account *account)
{
	if (refcount_dec_and_test(&account->users))
		kfree(account);
}
