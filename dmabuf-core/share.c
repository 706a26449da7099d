// SPDX-License-Identifier: GPL-2.0-only
/*
 * Step 2, the fd, and the references of steps 3 and 6: get and put.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>

#include "internal.h"
#include "trace.h"

/**
 * dmabuf_fd_install - publish a buffer under an fd that was reserved
 * @dmabuf: the buffer; the caller's reference goes to the fd
 * @fd: from get_unused_fd_flags()
 *
 * For an exporter whose ioctl copies the fd's number to user space first, while
 * that can still fail.  As soon as this has been called, another thread may close
 * the fd: the caller must not touch the buffer again unless it has a reference of
 * its own.  The inverse is user space's close().
 *
 * NULL and ERR_PTR() are refused with a line in the log; @fd stays the caller's.
 *
 * Context: process context.
 */
void dmabuf_fd_install(struct dmabuf *dmabuf, int fd)
{
	struct file *file;

	if (IS_ERR_OR_NULL(dmabuf)) {
		dmabuf_refuse(dmabuf_fd_install, _RET_IP_, "no buffer");
		return;
	}
	trace_dmabuf_fd(dmabuf, fd);
	file = dmabuf->file;
	if (dmabuf_is_wrapper(dmabuf)) {
		/* The fd shows the kernel's dma-buf, and holds that. */
		file = dmabuf_wrapper_file(dmabuf);
		fput(dmabuf->file);
	}
	fd_install(fd, file);
}
EXPORT_SYMBOL_NS_GPL(dmabuf_fd_install, DMABUF_NS);

/**
 * dmabuf_fd - give user space an fd for a buffer (step 2)
 * @dmabuf: the buffer
 *
 * On success the caller's reference belongs to the fd, which has O_CLOEXEC if
 * the buffer was exported with it; see dmabuf_fd_install() for what that means.
 * On error the caller still owns its reference.
 *
 * Context: process context of the task that gets the fd; may sleep.
 * Return: the fd, or
 * * -EINVAL: @dmabuf is NULL or an ERR_PTR(); logged with the caller
 * * -EMFILE: the task has no fd left
 * * -ENOMEM: no memory to enlarge the task's table of fds
 */
int dmabuf_fd(struct dmabuf *dmabuf)
{
	int fd;

	if (IS_ERR_OR_NULL(dmabuf)) {
		dmabuf_refuse(dmabuf_fd, _RET_IP_, "no buffer");
		return -EINVAL;
	}

	fd = get_unused_fd_flags(dmabuf->fd_flags);
	if (fd >= 0)
		dmabuf_fd_install(dmabuf, fd);
	return fd;
}
EXPORT_SYMBOL_NS_GPL(dmabuf_fd, DMABUF_NS);

/**
 * dmabuf_get - get the buffer behind an fd (step 3)
 * @fd: a file descriptor of the current task
 *
 * The fd of a dma-buf that is not of this core gives a buffer, too, the same one as long
 * as anybody has it: its exporter is reached through the kernel's interface.  The inverse
 * is dmabuf_put().
 *
 * Context: process context of the task that has the fd; may sleep.
 * Return: the buffer with a reference of the caller's, or
 * * ERR_PTR(-EBADF): no file is open under @fd
 * * ERR_PTR(-EINVAL): the file is no buffer
 * * ERR_PTR(-ENOMEM): no memory for a dma-buf that is not of this core
 */
struct dmabuf *dmabuf_get(int fd)
{
	struct file *file = fget(fd);
	struct dmabuf *dmabuf;

	if (!file)
		return ERR_PTR(-EBADF);
	dmabuf = dmabuf_file_get(file);
	if (!dmabuf) {
		fput(file);
		/* The fd may be another file by now, which is as good as the first. */
		dmabuf = dmabuf_kernel_fd_get(fd);
		if (IS_ERR(dmabuf))
			return dmabuf;
	}

	trace_dmabuf_get(dmabuf, fd);
	return dmabuf;
}
EXPORT_SYMBOL_NS_GPL(dmabuf_get, DMABUF_NS);

/**
 * dmabuf_put - give a reference to a buffer back (step 6)
 * @dmabuf: the buffer; the caller must not use it again
 *
 * When the last reference goes, the file's release runs, after it the exporter's
 * release op, and then the buffer's memory is freed.  As with any file, that
 * happens when the task returns to user space, or from a work item if the caller
 * is a kernel thread.  NULL and ERR_PTR() are refused with a line in the log.
 *
 * Context: any but NMI.
 */
void dmabuf_put(struct dmabuf *dmabuf)
{
	if (IS_ERR_OR_NULL(dmabuf)) {
		dmabuf_refuse(dmabuf_put, _RET_IP_, "no buffer");
		return;
	}
	trace_dmabuf_put(dmabuf);
	fput(dmabuf->file);
}
EXPORT_SYMBOL_NS_GPL(dmabuf_put, DMABUF_NS);
