// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an exporter's ops decide, and what the core makes of it: their errors,
 * waits, policies and absence, the order at the end, and memory that runs out.
 * Driven through dmabuf-test-ops.
 */
#include "ops-test.h"

#define MODULE "dmabuf_test_ops"

#define BOTH_OPS (DMABUF_TEST_ATTACH_OP | DMABUF_TEST_DETACH_OP)

/* The kernel's own errnos, which no C library has. */
#define ERESTARTSYS 512
#define ERESTARTNOINTR 513
#define ERESTARTNOHAND 514
#define EPROBE_DEFER 517
#define ENOTSUPP 524

/* Calls of the node */

/* Return: the fd of a new buffer; @buffer is its name. */
static int test_export(int node, __u32 flags, __u64 bytes, __u32 *buffer)
{
	struct dmabuf_test_export arg = {
		.argsz = sizeof(arg), .flags = flags, .bytes = bytes,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	int ret = do_ioctl(node, DMABUF_TEST_EXPORT, &arg);

	*buffer = arg.buffer;
	return ret ?: arg.fd;
}

static int test_behave(int node, __u32 buffer, int attach_error, int map_error, __u32 closed)
{
	struct dmabuf_test_behave arg = {
		.argsz = sizeof(arg), .buffer = buffer, .attach_error = attach_error,
		.map_error = map_error, .closed = closed,
	};

	return do_ioctl(node, DMABUF_TEST_BEHAVE, &arg);
}

/* All ones if the ioctl fails, which no test expects. */
static struct dmabuf_test_state test_state(int node, __u32 buffer)
{
	struct dmabuf_test_state arg = { .argsz = sizeof(arg), .buffer = buffer };

	if (do_ioctl(node, DMABUF_TEST_STATE, &arg))
		memset(&arg, 0xff, sizeof(arg));
	return arg;
}

static int test_device_references(int node, __u32 device)
{
	struct dmabuf_test_device arg = { .argsz = sizeof(arg), .device = device };
	int ret = do_ioctl(node, DMABUF_TEST_DEVICE, &arg);

	return ret ?: (int)arg.references;
}

static int test_hold(int node, int fd)
{
	struct dmabuf_test_hold arg = { .argsz = sizeof(arg), .fd = fd };

	return do_ioctl(node, DMABUF_TEST_HOLD, &arg) ?: arg.ret;
}

static int test_drop(int node, __u32 flags)
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
	self->before = remains_of(MODULE);
	ASSERT_LE(0, self->before.listed);
	ASSERT_LE(1, self->before.module_refs);
}

FIXTURE_TEARDOWN(ops)
{
	EXPECT_TRUE(remains_are(MODULE, &self->before));
	close(self->node);
}

/* A buffer of three pages, and a use of it in all steps. */

#define BYTES (3 * page_size())

static bool buffer_works(int node, int fd)
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

/* Errors of the attach op */

FIXTURE(attach_error)
{
	int node;
	struct remains before;
};

FIXTURE_VARIANT(attach_error)
{
	int error;
};

FIXTURE_VARIANT_ADD(attach_error, EBUSY) { .error = EBUSY };
FIXTURE_VARIANT_ADD(attach_error, EOPNOTSUPP) { .error = EOPNOTSUPP };
FIXTURE_VARIANT_ADD(attach_error, ENOMEM) { .error = ENOMEM };
FIXTURE_VARIANT_ADD(attach_error, EPERM) { .error = EPERM };
FIXTURE_VARIANT_ADD(attach_error, EINTR) { .error = EINTR };
FIXTURE_VARIANT_ADD(attach_error, ERESTARTSYS) { .error = ERESTARTSYS };
FIXTURE_VARIANT_ADD(attach_error, EPROBE_DEFER) { .error = EPROBE_DEFER };
FIXTURE_VARIANT_ADD(attach_error, ENOTSUPP) { .error = ENOTSUPP };

FIXTURE_SETUP(attach_error)
{
	self->node = open_node(DMABUF_TEST_OPS_NODE);
	ASSERT_LE(0, self->node);
	self->before = remains_of(MODULE);
}

FIXTURE_TEARDOWN(attach_error)
{
	EXPECT_TRUE(remains_are(MODULE, &self->before));
	close(self->node);
}

/* proves: A3 */
TEST_F(attach_error, arrives_unchanged_and_leaves_no_trace)
{
	struct dmabuf_test_state state;
	int fd, references;
	__u32 buffer;

	fd = test_export(self->node, BOTH_OPS, BYTES, &buffer);
	ASSERT_LE(0, fd);
	references = test_device_references(self->node, 0);
	ASSERT_LT(0, references);

	ASSERT_EQ(0, test_behave(self->node, buffer, -variant->error, 0, 0));
	EXPECT_EQ(-variant->error, test_attach(self->node, fd, 0));
	EXPECT_EQ(-variant->error, test_attach(self->node, fd, 0));
	state = test_state(self->node, buffer);
	EXPECT_EQ(2, state.counts.refused);
	EXPECT_EQ(0, state.counts.attach);
	EXPECT_EQ(0, state.counts.detach);
	EXPECT_EQ(0, attachments_of(fd));
	EXPECT_EQ(references, test_device_references(self->node, 0));

	ASSERT_EQ(0, test_behave(self->node, buffer, 0, 0, 0));
	EXPECT_TRUE(buffer_works(self->node, fd));
	/* No reference was lost either: the last close releases. */
	close(fd);
	EXPECT_EQ(1, test_state(self->node, buffer).counts.release);
}

/* With and without the optional ops */

FIXTURE(optional)
{
	int node;
	struct remains before;
};

FIXTURE_VARIANT(optional)
{
	__u32 flags;
	__u32 attach;
	__u32 detach;
};

FIXTURE_VARIANT_ADD(optional, neither) { .flags = 0 };
FIXTURE_VARIANT_ADD(optional, attach_only) { .flags = DMABUF_TEST_ATTACH_OP, .attach = 1 };
FIXTURE_VARIANT_ADD(optional, detach_only) { .flags = DMABUF_TEST_DETACH_OP, .detach = 1 };
FIXTURE_VARIANT_ADD(optional, both) { .flags = BOTH_OPS, .attach = 1, .detach = 1 };

FIXTURE_SETUP(optional)
{
	self->node = open_node(DMABUF_TEST_OPS_NODE);
	ASSERT_LE(0, self->node);
	self->before = remains_of(MODULE);
}

FIXTURE_TEARDOWN(optional)
{
	EXPECT_TRUE(remains_are(MODULE, &self->before));
	close(self->node);
}

/* proves: A2, A3, A4, D1, D2 */
TEST_F(optional, ops_are_called_once_or_not_missed)
{
	struct dmabuf_test_state state;
	int attachment, fd, mapping;
	__u32 buffer;

	fd = test_export(self->node, variant->flags, BYTES, &buffer);
	ASSERT_LE(0, fd);
	attachment = test_attach(self->node, fd, 0);
	ASSERT_LT(0, attachment);
	EXPECT_EQ(1, attachments_of(fd));
	state = test_state(self->node, buffer);
	EXPECT_EQ(variant->attach, state.counts.attach);
	EXPECT_EQ(0, state.counts.detach);

	mapping = test_map(self->node, attachment, BIDIRECTIONAL);
	ASSERT_LT(0, mapping);
	ASSERT_EQ(0, test_unmap(self->node, mapping));

	ASSERT_EQ(0, test_detach(self->node, attachment));
	EXPECT_EQ(0, attachments_of(fd));
	state = test_state(self->node, buffer);
	EXPECT_EQ(variant->attach, state.counts.attach);
	EXPECT_EQ(variant->detach, state.counts.detach);
	EXPECT_EQ(1, state.counts.map);
	EXPECT_EQ(1, state.counts.unmap);
	close(fd);
}

/* Errors of the map op */

FIXTURE(map_error)
{
	int node;
	struct remains before;
};

FIXTURE_VARIANT(map_error)
{
	int given;
	int seen;
};

FIXTURE_VARIANT_ADD(map_error, ENOMEM) { .given = -ENOMEM, .seen = -ENOMEM };
FIXTURE_VARIANT_ADD(map_error, EOPNOTSUPP) { .given = -EOPNOTSUPP, .seen = -EOPNOTSUPP };
FIXTURE_VARIANT_ADD(map_error, EIO) { .given = -EIO, .seen = -EIO };
FIXTURE_VARIANT_ADD(map_error, EAGAIN) { .given = -EAGAIN, .seen = -EAGAIN };
FIXTURE_VARIANT_ADD(map_error, ETIMEDOUT) { .given = -ETIMEDOUT, .seen = -ETIMEDOUT };
FIXTURE_VARIANT_ADD(map_error, EINTR) { .given = -EINTR, .seen = -EINTR };
FIXTURE_VARIANT_ADD(map_error, ERESTARTSYS) { .given = -ERESTARTSYS, .seen = -EINTR };
FIXTURE_VARIANT_ADD(map_error, ERESTARTNOINTR) { .given = -ERESTARTNOINTR, .seen = -EINTR };
FIXTURE_VARIANT_ADD(map_error, ERESTARTNOHAND) { .given = -ERESTARTNOHAND, .seen = -EINTR };
FIXTURE_VARIANT_ADD(map_error, null) { .given = DMABUF_TEST_MAP_NULL, .seen = -ENOMEM };

FIXTURE_SETUP(map_error)
{
	self->node = open_node(DMABUF_TEST_OPS_NODE);
	ASSERT_LE(0, self->node);
	self->before = remains_of(MODULE);
}

FIXTURE_TEARDOWN(map_error)
{
	EXPECT_TRUE(remains_are(MODULE, &self->before));
	close(self->node);
}

/* proves: M1, M4 */
TEST_F(map_error, arrives_and_leaves_no_trace)
{
	int attachment, fd, mapping;
	__u32 buffer;

	fd = test_export(self->node, BOTH_OPS, BYTES, &buffer);
	ASSERT_LE(0, fd);
	attachment = test_attach(self->node, fd, 0);
	ASSERT_LT(0, attachment);

	ASSERT_EQ(0, test_behave(self->node, buffer, 0, variant->given, 0));
	EXPECT_EQ(variant->seen, test_map(self->node, attachment, BIDIRECTIONAL));
	EXPECT_EQ(variant->seen, test_map(self->node, attachment, TO_DEVICE));
	EXPECT_EQ(0, mappings_of(fd));

	/* Also beside one that succeeded. */
	ASSERT_EQ(0, test_behave(self->node, buffer, 0, 0, 0));
	mapping = test_map(self->node, attachment, BIDIRECTIONAL);
	ASSERT_LT(0, mapping);
	ASSERT_EQ(0, test_behave(self->node, buffer, 0, variant->given, 0));
	EXPECT_EQ(variant->seen, test_map(self->node, attachment, TO_DEVICE));
	EXPECT_EQ(1, mappings_of(fd));
	ASSERT_EQ(0, test_unmap(self->node, mapping));
	EXPECT_EQ(0, mappings_of(fd));
	EXPECT_EQ(1, test_state(self->node, buffer).counts.unmap);

	ASSERT_EQ(0, test_detach(self->node, attachment));
	close(fd);
}

/* Maps that wait */

/* A buffer whose exporter lets a map wait. */
struct waiting {
	int node;
	int fd;
	int attachment;
	__u32 buffer;
};

FIXTURE(waiting_map)
{
	struct waiting at;
	struct remains before;
};

FIXTURE_SETUP(waiting_map)
{
	self->at.node = open_node(DMABUF_TEST_OPS_NODE);
	ASSERT_LE(0, self->at.node);
	self->before = remains_of(MODULE);
	self->at.fd = test_export(self->at.node, BOTH_OPS, BYTES, &self->at.buffer);
	ASSERT_LE(0, self->at.fd);
	self->at.attachment = test_attach(self->at.node, self->at.fd, 0);
	ASSERT_LT(0, self->at.attachment);
	ASSERT_EQ(0, test_behave(self->at.node, self->at.buffer, 0, 0, 1));
}

FIXTURE_TEARDOWN(waiting_map)
{
	EXPECT_EQ(0, test_detach(self->at.node, self->at.attachment));
	close(self->at.fd);
	EXPECT_TRUE(remains_are(MODULE, &self->before));
	close(self->at.node);
}

static void waits_until(struct __test_metadata *_metadata, struct waiting *at, int sa_flags,
			int signal, int expected_status)
{
	pid_t child = map_in_child(at->node, at->attachment, sa_flags);
	struct dmabuf_test_state state;
	int mapping, status;

	ASSERT_LT(0, child);
	ASSERT_TRUE(HOLDS_SOON(test_state(at->node, at->buffer).waiting == 1));
	ASSERT_EQ(0, kill(child, signal));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(expected_status, status);

	/* No trace: nobody waits, nothing is mapped, and the next one maps. */
	state = test_state(at->node, at->buffer);
	EXPECT_EQ(0, state.waiting);
	EXPECT_EQ(0, state.readers);
	EXPECT_EQ(0, state.counts.map);
	EXPECT_EQ(0, mappings_of(at->fd));
	EXPECT_EQ(1, attachments_of(at->fd));
	ASSERT_EQ(0, test_behave(at->node, at->buffer, 0, 0, 0));
	mapping = test_map(at->node, at->attachment, TO_DEVICE);
	ASSERT_LT(0, mapping);
	EXPECT_EQ((long long)BYTES, test_touch(at->node, mapping, 0, 0));
	EXPECT_EQ(0, test_unmap(at->node, mapping));
}

/* proves: M4 */
TEST_F(waiting_map, is_ended_by_a_signal_with_eintr)
{
	waits_until(_metadata, &self->at, 0, SIGUSR1, EINTR << 8);
}

/* proves: M4 */
TEST_F(waiting_map, is_not_restarted_after_a_signal)
{
	waits_until(_metadata, &self->at, SA_RESTART, SIGUSR1, EINTR << 8);
}

/* proves: M4 */
TEST_F(waiting_map, is_ended_by_a_kill)
{
	waits_until(_metadata, &self->at, 0, SIGKILL, SIGKILL);
}

/* Readers and writers */

/* proves: M3 */
TEST_F(ops, many_readers_map_at_once_and_a_writer_waits_for_all)
{
	int attachment[2], reader[3], fd, writer;
	struct dmabuf_test_state state;
	struct mapper mapper;
	__u32 buffer;

	fd = test_export(self->node, BOTH_OPS | DMABUF_TEST_ONE_WRITER, BYTES, &buffer);
	ASSERT_LE(0, fd);
	attachment[0] = test_attach(self->node, fd, 0);
	attachment[1] = test_attach(self->node, fd, 1);
	ASSERT_LT(0, attachment[0]);
	ASSERT_LT(0, attachment[1]);
	reader[0] = test_map(self->node, attachment[0], TO_DEVICE);
	reader[1] = test_map(self->node, attachment[1], TO_DEVICE);
	reader[2] = test_map(self->node, attachment[0], TO_DEVICE);
	ASSERT_LT(0, reader[0]);
	ASSERT_LT(0, reader[1]);
	ASSERT_LT(0, reader[2]);
	EXPECT_EQ(3, mappings_of(fd));

	ASSERT_EQ(0, mapper_start(&mapper, self->node, attachment[1], FROM_DEVICE));
	ASSERT_TRUE(HOLDS_SOON(test_state(self->node, buffer).waiting == 1));
	ASSERT_EQ(0, test_unmap(self->node, reader[1]));
	ASSERT_EQ(0, test_unmap(self->node, reader[0]));
	state = test_state(self->node, buffer);
	EXPECT_EQ(1, state.waiting);
	EXPECT_EQ(1, state.readers);
	EXPECT_EQ(0, state.writers);
	ASSERT_EQ(0, test_unmap(self->node, reader[2]));
	writer = mapper_join(&mapper);
	ASSERT_LT(0, writer);
	state = test_state(self->node, buffer);
	EXPECT_EQ(0, state.readers);
	EXPECT_EQ(1, state.writers);
	EXPECT_EQ((long long)BYTES, test_touch(self->node, writer, 1, 0x11));

	/* And now the other way round. */
	ASSERT_EQ(0, mapper_start(&mapper, self->node, attachment[0], TO_DEVICE));
	ASSERT_TRUE(HOLDS_SOON(test_state(self->node, buffer).waiting == 1));
	EXPECT_EQ(0, test_state(self->node, buffer).readers);
	ASSERT_EQ(0, test_unmap(self->node, writer));
	reader[0] = mapper_join(&mapper);
	ASSERT_LT(0, reader[0]);
	EXPECT_EQ((long long)BYTES, test_touch(self->node, reader[0], 0, 0x11));
	ASSERT_EQ(0, test_unmap(self->node, reader[0]));

	ASSERT_EQ(0, test_detach(self->node, attachment[0]));
	ASSERT_EQ(0, test_detach(self->node, attachment[1]));
	close(fd);
}

/* proves: M3 */
TEST_F(ops, exporter_may_let_writers_map_at_once)
{
	int attachment[2], writer[2], fd;
	__u32 buffer;

	fd = test_export(self->node, BOTH_OPS, BYTES, &buffer);
	ASSERT_LE(0, fd);
	attachment[0] = test_attach(self->node, fd, 0);
	attachment[1] = test_attach(self->node, fd, 1);
	ASSERT_LT(0, attachment[0]);
	ASSERT_LT(0, attachment[1]);
	writer[0] = test_map(self->node, attachment[0], FROM_DEVICE);
	writer[1] = test_map(self->node, attachment[1], BIDIRECTIONAL);
	ASSERT_LT(0, writer[0]);
	ASSERT_LT(0, writer[1]);
	EXPECT_EQ(2, test_state(self->node, buffer).writers);

	EXPECT_EQ((long long)BYTES, test_touch(self->node, writer[0], 1, 0x22));
	EXPECT_EQ((long long)BYTES, test_touch(self->node, writer[1], 0, 0x22));
	ASSERT_EQ(0, test_unmap(self->node, writer[0]));
	EXPECT_EQ((long long)BYTES, test_touch(self->node, writer[1], 1, 0x33));
	ASSERT_EQ(0, test_unmap(self->node, writer[1]));
	ASSERT_EQ(0, test_detach(self->node, attachment[0]));
	ASSERT_EQ(0, test_detach(self->node, attachment[1]));
	close(fd);
}

/* proves: M1, M3, U1 */
TEST_F(ops, mappings_of_one_attachment_end_in_any_order)
{
	int attachment, fd, i, mapping[4];
	__u32 buffer;

	fd = test_export(self->node, BOTH_OPS, BYTES, &buffer);
	ASSERT_LE(0, fd);
	attachment = test_attach(self->node, fd, 0);
	ASSERT_LT(0, attachment);
	for (i = 0; i < 4; i++) {
		mapping[i] = test_map(self->node, attachment, i % 3);
		ASSERT_LT(0, mapping[i]);
	}
	EXPECT_EQ(4, mappings_of(fd));
	for (i = 0; i < 4; i++) {
		/* 2, 1, 0, 3: from the middle, the oldest, the newest. */
		ASSERT_EQ(0, test_unmap(self->node, mapping[i < 3 ? 2 - i : 3]));
		EXPECT_EQ(3 - i, mappings_of(fd));
		EXPECT_EQ(i + 1, test_state(self->node, buffer).counts.unmap);
	}
	EXPECT_EQ(4, test_state(self->node, buffer).counts.map);
	ASSERT_EQ(0, test_detach(self->node, attachment));
	close(fd);
}

/* Storage */

/* proves: A6, M2 */
TEST_F(ops, first_map_picks_storage_for_all_attached_devices)
{
	const struct dmabuf_test_constraints strict = {
		.dma_mask = (1ULL << 40) - 1, .seg_boundary = ~0ULL, .max_seg_size = 1 << 20,
		.max_segs = 1, .align = 4096,
	};
	struct dmabuf_test_map one, other;
	struct dmabuf_test_state state;
	int attachment[2], fd;
	__u32 buffer;

	fd = test_export(self->node, BOTH_OPS, BYTES, &buffer);
	ASSERT_LE(0, fd);
	attachment[0] = test_attach(self->node, fd, 0);
	attachment[1] = test_attach_limited(self->node, fd, 1, &strict);
	ASSERT_LT(0, attachment[0]);
	ASSERT_LT(0, attachment[1]);
	state = test_state(self->node, buffer);
	EXPECT_EQ(0, state.backed_bytes);
	EXPECT_EQ(0, state.collated);

	/* The device that asks could take any pages; the other one could not. */
	ASSERT_LT(0, test_map_into(self->node, attachment[0], FROM_DEVICE, &one));
	state = test_state(self->node, buffer);
	EXPECT_LE(BYTES, state.backed_bytes);
	EXPECT_EQ(2, state.collated);
	EXPECT_EQ(1, state.contiguous);
	EXPECT_EQ(strict.dma_mask, state.constraints.dma_mask);
	EXPECT_EQ(1, state.constraints.max_segs);
	EXPECT_EQ(4096, state.constraints.align);
	EXPECT_EQ(1, one.segments);
	EXPECT_EQ(BYTES, one.bytes);

	ASSERT_LT(0, test_map_into(self->node, attachment[1], TO_DEVICE, &other));
	EXPECT_EQ(1, other.segments);
	EXPECT_EQ(BYTES, other.bytes);
	EXPECT_EQ((long long)BYTES, test_touch(self->node, one.mapping, 1, 0x44));
	EXPECT_EQ((long long)BYTES, test_touch(self->node, other.mapping, 0, 0x44));

	ASSERT_EQ(0, test_unmap(self->node, one.mapping));
	ASSERT_EQ(0, test_unmap(self->node, other.mapping));
	ASSERT_EQ(0, test_detach(self->node, attachment[0]));
	ASSERT_EQ(0, test_detach(self->node, attachment[1]));
	close(fd);
}

/* proves: M2, R3 */
TEST_F(ops, device_that_left_does_not_count_at_the_first_map)
{
	const struct dmabuf_test_constraints strict = {
		.dma_mask = ~0ULL, .seg_boundary = ~0ULL, .max_seg_size = ~0ULL, .max_segs = 1,
		.align = 1,
	};
	struct dmabuf_test_state state;
	struct dmabuf_test_map map;
	int attachment, fd, left;
	__u32 buffer;

	fd = test_export(self->node, BOTH_OPS, BYTES, &buffer);
	ASSERT_LE(0, fd);
	left = test_attach_limited(self->node, fd, 1, &strict);
	attachment = test_attach(self->node, fd, 0);
	ASSERT_LT(0, left);
	ASSERT_LT(0, attachment);
	ASSERT_EQ(0, test_detach(self->node, left));

	ASSERT_LT(0, test_map_into(self->node, attachment, BIDIRECTIONAL, &map));
	state = test_state(self->node, buffer);
	EXPECT_EQ(1, state.collated);
	EXPECT_EQ(0, state.contiguous);
	EXPECT_EQ(~0U, state.constraints.max_segs);
	EXPECT_EQ(BYTES, map.bytes);
	ASSERT_EQ(0, test_unmap(self->node, map.mapping));
	ASSERT_EQ(0, test_detach(self->node, attachment));
	close(fd);
}

/* Who may share with whom */

/* proves: R1, R3 */
TEST_F(ops, one_module_exports_and_imports)
{
	int attachment[2], fd, mapping;
	__u32 buffer;

	fd = test_export(self->node, BOTH_OPS, BYTES, &buffer);
	ASSERT_LE(0, fd);
	attachment[0] = test_attach(self->node, fd, 0);
	attachment[1] = test_attach(self->node, fd, 1);
	ASSERT_LT(0, attachment[0]);
	ASSERT_LT(0, attachment[1]);
	mapping = test_map(self->node, attachment[0], FROM_DEVICE);
	ASSERT_LT(0, mapping);
	EXPECT_EQ((long long)BYTES, test_touch(self->node, mapping, 1, 0x5c));
	ASSERT_EQ(0, test_unmap(self->node, mapping));
	mapping = test_map(self->node, attachment[1], TO_DEVICE);
	ASSERT_LT(0, mapping);
	EXPECT_EQ((long long)BYTES, test_touch(self->node, mapping, 0, 0x5c));
	ASSERT_EQ(0, test_unmap(self->node, mapping));
	ASSERT_EQ(0, test_detach(self->node, attachment[0]));
	ASSERT_EQ(0, test_detach(self->node, attachment[1]));
	close(fd);
}

/* proves: R1, R2, F4 */
TEST_F(ops, buffer_of_this_exporter_goes_to_the_sample_importer)
{
	long long attachment, mapping;
	int engine, fd, importer, own;
	__u32 buffer;

	importer = importer_open();
	ASSERT_LE(0, importer);
	engine = engine_find(importer, DMABUF_IMPORTER_SOFT, 0);
	ASSERT_LE(0, engine);
	fd = test_export(self->node, BOTH_OPS, BYTES, &buffer);
	ASSERT_LE(0, fd);
	attachment = attach(importer, fd, engine);
	ASSERT_LT(0, attachment);
	mapping = map(importer, attachment, DMABUF_IMPORTER_FROM_DEVICE);
	ASSERT_LT(0, mapping);
	ASSERT_EQ(0, fill(importer, mapping, 0, BYTES, 0x6d6d6d6d6d6d6d6dULL));
	ASSERT_EQ(0, unmap(importer, mapping));
	ASSERT_EQ(0, detach(importer, attachment));
	close(importer);

	own = test_attach(self->node, fd, 0);
	ASSERT_LT(0, own);
	mapping = test_map(self->node, own, TO_DEVICE);
	ASSERT_LT(0, mapping);
	EXPECT_EQ((long long)BYTES, test_touch(self->node, mapping, 0, 0x6d));
	ASSERT_EQ(0, test_unmap(self->node, mapping));
	ASSERT_EQ(0, test_detach(self->node, own));
	EXPECT_EQ(2, test_state(self->node, buffer).counts.attach);
	close(fd);
}

FIXTURE(sample_backing)
{
	int node;
	struct remains before;
};

FIXTURE_VARIANT(sample_backing)
{
	__u32 backing;
};

FIXTURE_VARIANT_ADD(sample_backing, automatic) { .backing = DMABUF_EXPORTER_AUTO };
FIXTURE_VARIANT_ADD(sample_backing, cma) { .backing = DMABUF_EXPORTER_CMA };
FIXTURE_VARIANT_ADD(sample_backing, contiguous) { .backing = DMABUF_EXPORTER_CONTIG };
FIXTURE_VARIANT_ADD(sample_backing, scattered) { .backing = DMABUF_EXPORTER_SCATTER };

FIXTURE_SETUP(sample_backing)
{
	self->node = open_node(DMABUF_TEST_OPS_NODE);
	ASSERT_LE(0, self->node);
	self->before = remains_of(MODULE);
}

FIXTURE_TEARDOWN(sample_backing)
{
	EXPECT_TRUE(remains_are(MODULE, &self->before));
	close(self->node);
}

/* proves: R1, R2, R3, F4 */
TEST_F(sample_backing, is_the_same_to_this_importer)
{
	int attachment[2], exporter, fd, i, mapping[2];
	struct dmabuf_test_map map;

	exporter = exporter_open();
	ASSERT_LE(0, exporter);
	fd = buffer_export(exporter, BYTES, variant->backing);
	ASSERT_LE(0, fd);
	for (i = 0; i < 2; i++) {
		attachment[i] = test_attach(self->node, fd, i);
		ASSERT_LT(0, attachment[i]);
	}
	for (i = 0; i < 2; i++) {
		mapping[i] = test_map_into(self->node, attachment[i], BIDIRECTIONAL, &map);
		ASSERT_LT(0, mapping[i]);
		EXPECT_LE(BYTES, map.bytes);
	}
	EXPECT_EQ((long long)map.bytes, test_touch(self->node, mapping[0], 1, 0x2e));
	EXPECT_EQ((long long)map.bytes, test_touch(self->node, mapping[1], 0, 0x2e));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, test_unmap(self->node, mapping[i]));
		ASSERT_EQ(0, test_detach(self->node, attachment[i]));
	}
	close(fd);
	close(exporter);
}

/* References, and the end */

/* proves: A2 */
TEST_F(ops, attachment_holds_its_device)
{
	int attachment[3], before, fd, i;
	__u32 buffer;

	fd = test_export(self->node, 0, BYTES, &buffer);
	ASSERT_LE(0, fd);
	before = test_device_references(self->node, 1);
	ASSERT_LT(0, before);
	for (i = 0; i < 3; i++) {
		attachment[i] = test_attach(self->node, fd, 1);
		ASSERT_LT(0, attachment[i]);
		EXPECT_EQ(before + i + 1, test_device_references(self->node, 1));
	}
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, test_detach(self->node, attachment[i]));
	EXPECT_EQ(before, test_device_references(self->node, 1));
	close(fd);
}

/* proves: E2, F3, P1 */
TEST_F(ops, attachment_holds_its_buffer)
{
	int attachment, fd, mapping;
	__u32 buffer;

	fd = test_export(self->node, BOTH_OPS, BYTES, &buffer);
	ASSERT_LE(0, fd);
	attachment = test_attach(self->node, fd, 0);
	ASSERT_LT(0, attachment);
	close(fd);
	EXPECT_EQ(0, test_state(self->node, buffer).counts.release);
	mapping = test_map(self->node, attachment, FROM_DEVICE);
	ASSERT_LT(0, mapping);
	EXPECT_EQ((long long)BYTES, test_touch(self->node, mapping, 1, 0x99));
	ASSERT_EQ(0, test_unmap(self->node, mapping));
	EXPECT_EQ(0, test_state(self->node, buffer).counts.release);
	ASSERT_EQ(0, test_detach(self->node, attachment));
	EXPECT_EQ(1, test_state(self->node, buffer).counts.release);
}

/* The release op ran once, where and when it must. */
static void was_released(struct __test_metadata *_metadata, int node, __u32 buffer)
{
	struct dmabuf_test_state state;

	ASSERT_TRUE(HOLDS_SOON(test_state(node, buffer).counts.release));
	state = test_state(node, buffer);
	EXPECT_EQ(1, state.counts.release);
	/* From the file's release: nobody has the file any more. */
	EXPECT_EQ(0, state.release_file_count);
	/* Before the module: it is still held, beside this open node. */
	EXPECT_LE(2, state.release_module_refs);
	/* Before the memory of the buffer object. */
	EXPECT_EQ(1, state.release_intact);
	EXPECT_EQ(1, state.release_in_process);
}

/* proves: E2, P1 */
TEST_F(ops, last_close_releases_once_and_in_order)
{
	int copy, fd;
	__u32 buffer;

	fd = test_export(self->node, BOTH_OPS, BYTES, &buffer);
	ASSERT_LE(0, fd);
	copy = dup(fd);
	ASSERT_LE(0, copy);
	EXPECT_TRUE(buffer_works(self->node, fd));
	EXPECT_EQ(self->before.module_refs + 1, remains_of(MODULE).module_refs);
	close(fd);
	EXPECT_EQ(0, test_state(self->node, buffer).counts.release);
	EXPECT_TRUE(buffer_works(self->node, copy));
	close(copy);
	was_released(_metadata, self->node, buffer);
}

/* proves: P1 */
TEST_F(ops, last_put_by_a_driver_releases)
{
	__u32 buffer;
	int fd;

	fd = test_export(self->node, BOTH_OPS, BYTES, &buffer);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, test_hold(self->node, fd));
	close(fd);
	EXPECT_EQ(0, test_state(self->node, buffer).counts.release);
	ASSERT_EQ(0, test_drop(self->node, 0));
	was_released(_metadata, self->node, buffer);
}

/* proves: P1 */
TEST_F(ops, last_put_by_a_kernel_thread_releases)
{
	__u32 buffer;
	int fd;

	fd = test_export(self->node, BOTH_OPS, BYTES, &buffer);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, test_hold(self->node, fd));
	close(fd);
	EXPECT_EQ(0, test_state(self->node, buffer).counts.release);
	ASSERT_EQ(0, test_drop(self->node, DMABUF_TEST_KTHREAD));
	was_released(_metadata, self->node, buffer);
}

/* proves: E2, P1 */
TEST(buffer_holds_the_module_of_its_exporter)
{
	struct remains before = remains_of(MODULE);
	int fd, node;
	__u32 buffer;

	ASSERT_LE(0, before.module_refs);
	node = open_node(DMABUF_TEST_OPS_NODE);
	ASSERT_LE(0, node);
	fd = test_export(node, BOTH_OPS, BYTES, &buffer);
	ASSERT_LE(0, fd);
	close(node);
	EXPECT_EQ(before.module_refs + 1, remains_of(MODULE).module_refs);
	errno = 0;
	EXPECT_EQ(-1, syscall(SYS_delete_module, MODULE, O_NONBLOCK));
	EXPECT_EQ(EWOULDBLOCK, errno);
	close(fd);
	EXPECT_TRUE(remains_are(MODULE, &before));
}

/* Memory */

/*
 * Lets the first allocation of a call fail, then the second, and so on until it
 * makes fewer than that.  Return: how many of them made the call fail, or 0 if
 * one did not with -ENOMEM, or left something behind.  A checker in the kernel,
 * as kmemleak, allocates for itself in between, and goes on without.
 */
static int fail_each_allocation(const struct remains *before, int node, __u32 op)
{
	struct dmabuf_test_alloc arg;
	int refused = 0;
	__u32 nth;

	for (nth = 1; nth < 100; nth++) {
		if (test_alloc(node, op, 1, nth, &arg))
			return 0;
		if (!remains_are(MODULE, before))
			return 0;
		if (!arg.failed)
			return arg.ret ? 0 : refused;
		if (arg.ret && arg.ret != -ENOMEM) {
			note("allocation %u failed and the call said %d\n", nth, arg.ret);
			return 0;
		}
		refused += !!arg.ret;
	}
	return 0;
}

/* proves: E3 */
TEST_F(ops, export_without_memory_leaves_nothing)
{
	int refused = fail_each_allocation(&self->before, self->node, DMABUF_TEST_OP_EXPORT);

	/* The buffer, its file and its dentry, at least. */
	EXPECT_LE(3, refused);
}

/* proves: A3 */
TEST_F(ops, attach_without_memory_leaves_nothing)
{
	EXPECT_LE(1, fail_each_allocation(&self->before, self->node, DMABUF_TEST_OP_ATTACH));
}

/* proves: M1 */
TEST_F(ops, second_map_without_memory_leaves_nothing)
{
	EXPECT_LE(1, fail_each_allocation(&self->before, self->node, DMABUF_TEST_OP_SECOND_MAP));
}

/* proves: E3 */
TEST_F(ops, export_without_a_free_file_leaves_nothing)
{
	static const char file_max[] = "/proc/sys/fs/file-max";
	struct dmabuf_test_alloc arg;
	char limit[64];
	int ret;

	/* Only root may have more files than the limit: be nobody for one call. */
	ASSERT_LT(0, file_read(file_max, limit, sizeof(limit)));
	ASSERT_EQ(0, file_write(file_max, "0"));
	ret = seteuid(65534);
	if (!ret) {
		ret = test_alloc(self->node, DMABUF_TEST_OP_EXPORT, 1, 0, &arg);
		ret = seteuid(0) ?: ret;
	}
	ASSERT_EQ(0, file_write(file_max, limit));
	ASSERT_EQ(0, ret);
	EXPECT_EQ(-ENOMEM, arg.ret);
	EXPECT_EQ(0, arg.failed);

	ASSERT_EQ(0, test_alloc(self->node, DMABUF_TEST_OP_EXPORT, 1, 0, &arg));
	EXPECT_EQ(0, arg.ret);
}

/* proves: M1, U1 */
TEST_F(ops, map_and_unmap_need_no_memory)
{
	const __u32 times = scaled(10000);
	struct dmabuf_test_alloc arg;

	ASSERT_EQ(0, test_alloc(self->node, DMABUF_TEST_OP_MAP, times, 0, &arg));
	EXPECT_EQ(0, arg.ret);
	EXPECT_EQ(0, arg.allocations);

	/* That the count sees what there is: a second mapping needs a record. */
	ASSERT_EQ(0, test_alloc(self->node, DMABUF_TEST_OP_SECOND_MAP, times, 0, &arg));
	EXPECT_EQ(0, arg.ret);
	EXPECT_LE(times, arg.allocations);
}

/* The harness defines a main(), around which ours loads and removes the modules. */
#define main harness_main
TEST_HARNESS_MAIN
#undef main

int main(int argc, char **argv)
{
	static const char *const modules[] = { "dmabuf-test-ops", NULL };

	return run_with_modules(modules, harness_main, argc, argv);
}
