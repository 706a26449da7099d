// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an exporter's ops decide, and what the core makes of it: their errors, their
 * absence, and waits.  Driven through dmabuf-test-ops.
 */
#include "ops-fixture.h"

/* The kernel's own errnos, which no C library has. */
#define ERESTARTSYS 512
#define ERESTARTNOINTR 513
#define ERESTARTNOHAND 514
#define EPROBE_DEFER 517
#define ENOTSUPP 524

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
	self->before = remains_of(OPS_MODULE);
}

FIXTURE_TEARDOWN(attach_error)
{
	EXPECT_TRUE(remains_are(OPS_MODULE, &self->before));
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
	self->before = remains_of(OPS_MODULE);
}

FIXTURE_TEARDOWN(optional)
{
	EXPECT_TRUE(remains_are(OPS_MODULE, &self->before));
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
	self->before = remains_of(OPS_MODULE);
}

FIXTURE_TEARDOWN(map_error)
{
	EXPECT_TRUE(remains_are(OPS_MODULE, &self->before));
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
	self->before = remains_of(OPS_MODULE);
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
	EXPECT_TRUE(remains_are(OPS_MODULE, &self->before));
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

static const char *const needed_modules[] = { "dmabuf-test-ops", NULL };

#include "test-modules-main.h"
