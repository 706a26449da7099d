/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What cpu-ops and cpu-vmap start from: a buffer of dmabuf-test-cpu, with a file of each
 * kind, with and without the placement layer, and the importer of dmabuf-test-ops.
 */
#ifndef _DMABUF_CPU_OPS_TEST_H
#define _DMABUF_CPU_OPS_TEST_H

#include "cpu-test.h"
#include "ops-test.h"

#define HAS_ALL DMABUF_TEST_CPU_HAS_ALL

#define BYTES (3 * page_size())

/* Short names of the ops. */
enum {
	BEGIN_OP = DMABUF_TEST_CPU_BEGIN,
	END_OP = DMABUF_TEST_CPU_END,
	MMAP_OP = DMABUF_TEST_CPU_MMAP,
	VMAP_OP = DMABUF_TEST_CPU_VMAP,
	VUNMAP_OP = DMABUF_TEST_CPU_VUNMAP,
	MOVE_OP = DMABUF_TEST_CPU_MOVE,
};

/* A buffer and who knows it. */
struct ops_buffer {
	int node;
	int importer;
	int fd;
	__u32 buffer;		/* 0: none was exported */
	bool native;
	bool layer;
	bool missing;		/* the kernel has no dma-buf, and the test none to test */
	struct dmabuf_test_cpu_behave behave;
	struct remains before;
	struct remains before_ops;
};

static inline int ops_export_policy(struct ops_buffer *at, __u32 flags, __u32 policy)
{
	struct dmabuf_test_cpu_export arg = {
		.argsz = sizeof(arg), .bytes = BYTES, .fd_flags = O_RDWR | O_CLOEXEC,
		.flags = flags | (at->layer ? DMABUF_TEST_CPU_LAYER : 0), .policy = policy,
	};
	int ret = do_ioctl(at->node, DMABUF_TEST_CPU_EXPORT, &arg);

	if (ret)
		return ret;
	at->fd = arg.fd;
	at->buffer = arg.buffer;
	memset(&at->behave, 0, sizeof(at->behave));
	at->behave.argsz = sizeof(at->behave);
	at->behave.buffer = arg.buffer;
	return 0;
}

/* With whichever file the core makes. */
static inline int ops_export_any(struct ops_buffer *at, __u32 flags)
{
	return ops_export_policy(at, flags, 0);
}

static inline void ops_close(struct ops_buffer *at)
{
	if (at->fd >= 0)
		close(at->fd);
	at->fd = -1;
}

/* With a file of the buffer's kind, which is not missing. */
static inline int ops_export_kind(struct ops_buffer *at, __u32 flags, __u32 policy)
{
	int before = native_files_set(at->native);
	int ret;

	if (before < 0)
		return before;
	ret = ops_export_policy(at, flags, policy);
	native_files_set(before);
	return ret;
}

/* The kernel has no files of this kind. */
static inline bool ops_kind_is_missing(struct ops_buffer *at)
{
	struct dmabuf_test_identify id = {};
	bool missing;

	missing = ops_export_kind(at, 0, 0) || buffer_identify(at->fd, &id) ||
		  id.kernel == at->native;
	ops_close(at);
	at->buffer = 0;
	return missing;
}

static inline int ops_open(struct ops_buffer *at, bool native, bool layer)
{
	memset(at, 0, sizeof(*at));
	at->before = remains_of(CPU_MODULE);
	at->before_ops = remains_of(OPS_MODULE);
	at->fd = -1;
	at->native = native;
	at->layer = layer;
	at->node = open_node(DMABUF_TEST_CPU_NODE);
	if (at->node < 0)
		return at->node;
	at->importer = open_node(DMABUF_TEST_OPS_NODE);
	if (at->importer < 0)
		return at->importer;
	at->missing = ops_kind_is_missing(at);
	return at->native && at->missing ? -EPROTO : 0;
}

/* All ones if the ioctl fails, which no test expects. */
static inline struct dmabuf_test_cpu_state ops_state(struct ops_buffer *at)
{
	struct dmabuf_test_cpu_state arg = { .argsz = sizeof(arg), .buffer = at->buffer };

	if (do_ioctl(at->node, DMABUF_TEST_CPU_STATE, &arg))
		memset(&arg, 0xff, sizeof(arg));
	return arg;
}

/* Return: what the ops did since the last call; valid until the next one. */
static inline const char *ops_log(struct ops_buffer *at)
{
	static struct dmabuf_test_cpu_log arg;

	memset(&arg, 0, sizeof(arg));
	arg.argsz = sizeof(arg);
	arg.buffer = at->buffer;
	return do_ioctl(at->node, DMABUF_TEST_CPU_LOG, &arg) ? "no log" : arg.text;
}

/* From now on the op returns @error; 0: it does its work. */
static inline int ops_fail(struct ops_buffer *at, __u32 op, int error)
{
	at->behave.errors[op] = error;
	return do_ioctl(at->node, DMABUF_TEST_CPU_BEHAVE, &at->behave);
}

/* From now on these ops, by bits, wait, and no others. */
static inline int ops_hold(struct ops_buffer *at, __u32 ops)
{
	at->behave.hold = ops;
	return do_ioctl(at->node, DMABUF_TEST_CPU_BEHAVE, &at->behave);
}

/* Everybody lets go of the buffer, and nothing is left. */
static inline void ops_finish(struct __test_metadata *_metadata, struct ops_buffer *at)
{
	struct dmabuf_test_cpu_state state;

	close(at->importer);
	ops_close(at);
	if (at->buffer) {
		EXPECT_TRUE(HOLDS_SOON(ops_state(at).released));
		state = ops_state(at);
		EXPECT_EQ(1, state.released);
		EXPECT_EQ(0, state.live);
		EXPECT_EQ(0, state.vmapped);
		EXPECT_EQ(0, state.broken);
	}
	close(at->node);
	EXPECT_TRUE(remains_are(CPU_MODULE, &at->before));
	EXPECT_TRUE(remains_are(OPS_MODULE, &at->before_ops));
}

#endif /* _DMABUF_CPU_OPS_TEST_H */
