/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Extensible, size-checked ioctls from a table, for the misc devices of this
 * tree.  The rules that user space sees are in uapi/dmabuf-core/exporter.h.
 */
#ifndef _DMABUF_CORE_UCMD_H
#define _DMABUF_CORE_UCMD_H

#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/types.h>
#include <linux/uaccess.h>

/* Bytes of the largest argument of any table. */
#define DMABUF_UCMD_MAX 384

/**
 * struct dmabuf_ucmd - one ioctl in flight
 * @file: the open device
 * @user: the argument in user space
 * @user_size: its size there, bytes
 * @size: its size as this driver knows it, bytes
 * @arg: the driver's copy; bytes that user space did not give are zero
 */
struct dmabuf_ucmd {
	struct file *file;
	void __user *user;
	u32 user_size;
	u32 size;
	void *arg;
};

/**
 * struct dmabuf_ucmd_entry - one row of a driver's table
 * @cmd: the ioctl's number
 * @min_size: bytes of the argument in its first version
 * @size: bytes of the argument now
 * @fn: does the work; calls dmabuf_ucmd_respond() when all that can fail is
 *	done, and publishes (fd, handle) only after that has succeeded
 */
struct dmabuf_ucmd_entry {
	unsigned int cmd;
	u32 min_size;
	u32 size;
	int (*fn)(struct dmabuf_ucmd *ucmd);
};

#define DMABUF_UCMD(_cmd, _fn, _struct, _last) {			\
	.cmd = (_cmd),							\
	.min_size = offsetofend(_struct, _last),			\
	.size = sizeof(_struct) +					\
		BUILD_BUG_ON_ZERO(sizeof(_struct) > DMABUF_UCMD_MAX) +	\
		BUILD_BUG_ON_ZERO(offsetof(_struct, argsz) != 0),	\
	.fn = (_fn),							\
}

/**
 * dmabuf_ucmd_respond - copy the argument back to user space
 * @ucmd: the ioctl in flight
 *
 * Context: process context, may fault.
 * Return: 0, or -EFAULT: nothing may be published then.
 */
static inline int dmabuf_ucmd_respond(struct dmabuf_ucmd *ucmd)
{
	if (copy_to_user(ucmd->user, ucmd->arg, min(ucmd->user_size, ucmd->size)))
		return -EFAULT;
	return 0;
}

/**
 * dmabuf_ucmd_run - find an ioctl in a table, check its argument and run it
 * @table: the driver's table
 * @n: its rows
 * @file: the open device
 * @cmd: the ioctl's number
 * @user: the argument in user space; its first four bytes are its size
 *
 * Context: process context, may fault.
 * Return: what the row's function returns, or
 * * -ENOTTY: no such row
 * * -EFAULT: @user cannot be read
 * * -EINVAL: the argument is shorter than its first version
 * * -E2BIG: it is longer than a page, or longer than this driver knows with
 *   bytes behind that are not zero
 */
static inline long dmabuf_ucmd_run(const struct dmabuf_ucmd_entry *table, size_t n,
				   struct file *file, unsigned int cmd, void __user *user)
{
	u64 arg[DMABUF_UCMD_MAX / sizeof(u64)];
	struct dmabuf_ucmd ucmd = { .file = file, .user = user, .arg = arg };
	size_t i;
	int ret;

	for (i = 0; i < n; i++)
		if (table[i].cmd == cmd)
			break;
	if (i == n)
		return -ENOTTY;

	if (get_user(ucmd.user_size, (u32 __user *)user))
		return -EFAULT;
	if (ucmd.user_size < table[i].min_size)
		return -EINVAL;
	if (ucmd.user_size > PAGE_SIZE)
		return -E2BIG;

	ucmd.size = table[i].size;
	ret = copy_struct_from_user(arg, ucmd.size, user, ucmd.user_size);
	if (ret)
		return ret;
	return table[i].fn(&ucmd);
}

#endif /* _DMABUF_CORE_UCMD_H */
