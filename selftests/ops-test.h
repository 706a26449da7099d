/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For the selftests that use the importer of dmabuf-test-ops: calls of its node,
 * and maps that wait.
 */
#ifndef _DMABUF_OPS_TEST_H
#define _DMABUF_OPS_TEST_H

#include "test-modules.h"

#define OPS_MODULE "dmabuf_test_ops"

enum { BIDIRECTIONAL, TO_DEVICE, FROM_DEVICE };

/* Calls of the node */

/* Return: a handle, or what the core answered. */
static inline int test_attach_limited(int node, int fd, __u32 device,
				      const struct dmabuf_test_constraints *limits)
{
	struct dmabuf_test_attach arg = { .argsz = sizeof(arg), .fd = fd, .device = device };
	int ret;

	if (limits) {
		arg.flags = DMABUF_TEST_CONSTRAIN;
		arg.constraints = *limits;
	}
	ret = do_ioctl(node, DMABUF_TEST_ATTACH, &arg) ?: arg.ret;
	return ret ?: (int)arg.attachment;
}

static inline int test_attach(int node, int fd, __u32 device)
{
	return test_attach_limited(node, fd, device, NULL);
}

static inline int test_detach(int node, __u32 attachment)
{
	struct dmabuf_test_detach arg = { .argsz = sizeof(arg), .attachment = attachment };

	return do_ioctl(node, DMABUF_TEST_DETACH, &arg);
}

/* Return: a handle, or what the core answered. */
static inline int test_map_flags(int node, __u32 attachment, __u32 direction, __u32 flags,
				 __u32 timeout_ms, struct dmabuf_test_map *arg)
{
	int ret;

	memset(arg, 0, sizeof(*arg));
	arg->argsz = sizeof(*arg);
	arg->attachment = attachment;
	arg->direction = direction;
	arg->flags = flags;
	arg->timeout_ms = timeout_ms;
	ret = do_ioctl(node, DMABUF_TEST_MAP, arg) ?: arg->ret;
	return ret ?: (int)arg->mapping;
}

static inline int test_map_into(int node, __u32 attachment, __u32 direction,
				struct dmabuf_test_map *arg)
{
	return test_map_flags(node, attachment, direction, 0, 0, arg);
}

static inline int test_map(int node, __u32 attachment, __u32 direction)
{
	struct dmabuf_test_map arg;

	return test_map_into(node, attachment, direction, &arg);
}

/* @ms: 0: do not wait for others; or DMABUF_TEST_FOREVER */
static inline int test_map_timeout(int node, __u32 attachment, __u32 direction, __u32 ms)
{
	struct dmabuf_test_map arg;

	return test_map_flags(node, attachment, direction, DMABUF_TEST_TIMEOUT, ms, &arg);
}

static inline int test_unmap(int node, __u32 mapping)
{
	struct dmabuf_test_unmap arg = { .argsz = sizeof(arg), .mapping = mapping };

	return do_ioctl(node, DMABUF_TEST_UNMAP, &arg);
}

/* Return: how many bytes are @value, after writing it if @write. */
static inline long long test_touch(int node, __u32 mapping, __u32 write, __u32 value)
{
	struct dmabuf_test_touch arg = {
		.argsz = sizeof(arg), .mapping = mapping, .write = write, .value = value,
	};
	int ret = do_ioctl(node, DMABUF_TEST_TOUCH, &arg);

	return ret ?: (long long)arg.equal;
}

static inline int test_alloc_flags(int node, __u32 op, __u32 times, __u32 fail, __u32 flags,
				   struct dmabuf_test_alloc *arg)
{
	memset(arg, 0, sizeof(*arg));
	arg->argsz = sizeof(*arg);
	arg->op = op;
	arg->times = times;
	arg->fail = fail;
	arg->flags = flags;
	return do_ioctl(node, DMABUF_TEST_ALLOC, arg);
}

static inline int test_alloc(int node, __u32 op, __u32 times, __u32 fail,
			     struct dmabuf_test_alloc *arg)
{
	return test_alloc_flags(node, op, times, fail, 0, arg);
}

/* What the core tells of a buffer */

/* Return: 0, or the errno of dmabuf_get(). */
static inline int buffer_identify(int fd, struct dmabuf_test_identify *arg)
{
	int node = open_node(DMABUF_TEST_OPS_NODE);
	int ret;

	if (node < 0)
		return node;
	memset(arg, 0, sizeof(*arg));
	arg->argsz = sizeof(*arg);
	arg->fd = fd;
	ret = do_ioctl(node, DMABUF_TEST_IDENTIFY, arg) ?: arg->ret;
	close(node);
	return ret;
}

/* Return: what debugfs shows of the buffer behind an fd, or NULL. */
static inline const struct view *view_of(int fd)
{
	struct dmabuf_test_identify id;
	static struct view view;

	if (buffer_identify(fd, &id) || view_debugfs(id.id, &view))
		return NULL;
	return &view;
}

static inline int attachments_of(int fd)
{
	const struct view *view = view_of(fd);

	return view ? (int)view->attachments : -1;
}

static inline int mappings_of(int fd)
{
	const struct view *view = view_of(fd);

	return view ? (int)view->mappings : -1;
}

/* Maps that wait */

static inline void on_signal(int number)
{
}

/* Maps in a child, which a signal may reach; exits with 0, or the errno of the map. */
static inline pid_t map_in_child(int node, __u32 attachment, int sa_flags)
{
	const struct sigaction action = { .sa_handler = on_signal, .sa_flags = sa_flags };
	pid_t child = fork();
	int ret;

	if (child)
		return child;
	if (sigaction(SIGUSR1, &action, NULL))
		_exit(255);
	ret = test_map(node, attachment, TO_DEVICE);
	_exit(ret < 0 ? -ret : 0);
}

struct mapper {
	pthread_t thread;
	int node;
	int attachment;
	__u32 direction;
	int mapping;
};

static inline void *mapper_run(void *data)
{
	struct mapper *mapper = data;

	mapper->mapping = test_map(mapper->node, mapper->attachment, mapper->direction);
	return NULL;
}

static inline int mapper_start(struct mapper *mapper, int node, int attachment, __u32 direction)
{
	*mapper = (struct mapper) {
		.node = node, .attachment = attachment, .direction = direction,
	};
	return pthread_create(&mapper->thread, NULL, mapper_run, mapper);
}

/* Return: the mapping. */
static inline int mapper_join(struct mapper *mapper)
{
	return pthread_join(mapper->thread, NULL) ? -ESRCH : mapper->mapping;
}

#endif /* _DMABUF_OPS_TEST_H */
