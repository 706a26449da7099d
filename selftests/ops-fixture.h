/* SPDX-License-Identifier: GPL-2.0-only */
/* What the programs on the exporter of dmabuf-test-ops start from: its node. */
#ifndef _DMABUF_OPS_FIXTURE_H
#define _DMABUF_OPS_FIXTURE_H

#include "ops-test.h"

#define BOTH_OPS (DMABUF_TEST_ATTACH_OP | DMABUF_TEST_DETACH_OP)

/* Calls of the node */

/* Return: the fd of a new buffer; @buffer is its name. */
static inline int test_export(int node, __u32 flags, __u64 bytes, __u32 *buffer)
{
	struct dmabuf_test_export arg = {
		.argsz = sizeof(arg), .flags = flags, .bytes = bytes,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	int ret = do_ioctl(node, DMABUF_TEST_EXPORT, &arg);

	*buffer = arg.buffer;
	return ret ?: arg.fd;
}

static inline int test_behave(int node, __u32 buffer, int attach_error, int map_error, __u32 closed)
{
	struct dmabuf_test_behave arg = {
		.argsz = sizeof(arg), .buffer = buffer, .attach_error = attach_error,
		.map_error = map_error, .closed = closed,
	};

	return do_ioctl(node, DMABUF_TEST_BEHAVE, &arg);
}

/* All ones if the ioctl fails, which no test expects. */
static inline struct dmabuf_test_state test_state(int node, __u32 buffer)
{
	struct dmabuf_test_state arg = { .argsz = sizeof(arg), .buffer = buffer };

	if (do_ioctl(node, DMABUF_TEST_STATE, &arg))
		memset(&arg, 0xff, sizeof(arg));
	return arg;
}

static inline int test_device_references(int node, __u32 device)
{
	struct dmabuf_test_device arg = { .argsz = sizeof(arg), .device = device };
	int ret = do_ioctl(node, DMABUF_TEST_DEVICE, &arg);

	return ret ?: (int)arg.references;
}

static inline int test_hold(int node, int fd)
{
	struct dmabuf_test_hold arg = { .argsz = sizeof(arg), .fd = fd };

	return do_ioctl(node, DMABUF_TEST_HOLD, &arg) ?: arg.ret;
}

static inline int test_drop(int node, __u32 flags)
{
	struct dmabuf_test_hold arg = { .argsz = sizeof(arg), .flags = flags };

	return do_ioctl(node, DMABUF_TEST_DROP, &arg);
}

/* The node, and a check that all that a test made is gone after it. */
FIXTURE(ops)
{
	int node;
	struct remains before;
};

FIXTURE_SETUP(ops)
{
	self->node = open_node(DMABUF_TEST_OPS_NODE);
	ASSERT_LE(0, self->node);
	self->before = remains_of(OPS_MODULE);
	ASSERT_LE(0, self->before.listed);
	ASSERT_LE(1, self->before.module_refs);
}

FIXTURE_TEARDOWN(ops)
{
	EXPECT_TRUE(remains_are(OPS_MODULE, &self->before));
	close(self->node);
}

/* A buffer of three pages, and a use of it in all steps. */

#define BYTES (3 * page_size())

static inline bool buffer_works(int node, int fd)
{
	int attachment = test_attach(node, fd, 0);
	int mapping;
	bool ok;

	if (attachment <= 0)
		return false;
	mapping = test_map(node, attachment, FROM_DEVICE);
	ok = mapping > 0 && test_touch(node, mapping, 1, 0x77) == (long long)BYTES &&
	     !test_unmap(node, mapping);
	mapping = test_map(node, attachment, TO_DEVICE);
	ok = ok && mapping > 0 && test_touch(node, mapping, 0, 0x77) == (long long)BYTES &&
	     !test_unmap(node, mapping);
	return !test_detach(node, attachment) && ok;
}

#endif /* _DMABUF_OPS_FIXTURE_H */
