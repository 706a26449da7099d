// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver that was written from the 2012 guide alone, in its spelling, goes
 * through the six steps.  Driven through dmabuf-test-guide.
 */
#include "test-modules.h"

#define MODULE "dmabuf_test_guide"

enum { BIDIRECTIONAL, TO_DEVICE, FROM_DEVICE };

/* The node, and the argument of the last step. */
struct guide {
	int node;
	struct dmabuf_test_guide arg;
};

FIXTURE(guide)
{
	struct guide guide;
	int fd;
	size_t bytes;
	struct remains before;
};

/* Return: the ioctl's error, or what the core answered. */
static int step(struct guide *guide, unsigned int cmd)
{
	guide->arg.argsz = sizeof(guide->arg);
	guide->arg.ret = 0;
	return do_ioctl(guide->node, cmd, &guide->arg) ?: guide->arg.ret;
}

static int connect_to(struct guide *guide, int fd)
{
	memset(&guide->arg, 0, sizeof(guide->arg));
	guide->arg.fd = fd;
	return step(guide, DMABUF_TEST_GUIDE_CONNECT);
}

static int access_for(struct guide *guide, __u32 direction)
{
	memset(&guide->arg, 0, sizeof(guide->arg));
	guide->arg.direction = direction;
	return step(guide, DMABUF_TEST_GUIDE_ACCESS);
}

/* Return: how many bytes of the buffer are @value, after writing it or as it is. */
static long touch(struct guide *guide, unsigned int cmd, __u32 value)
{
	int ret;

	memset(&guide->arg, 0, sizeof(guide->arg));
	guide->arg.value = value;
	ret = step(guide, cmd);
	return ret ?: (long)guide->arg.equal;
}

static const char *calls(struct guide *guide)
{
	static struct dmabuf_test_guide_log log;

	memset(&log, 0, sizeof(log));
	log.argsz = sizeof(log);
	return do_ioctl(guide->node, DMABUF_TEST_GUIDE_LOG, &log) ? "error" : log.text;
}

FIXTURE_SETUP(guide)
{
	self->guide.node = open_node(DMABUF_TEST_GUIDE_NODE);
	ASSERT_LE(0, self->guide.node);
	self->before = remains_of(MODULE);
	ASSERT_LE(0, self->before.listed);
	self->bytes = 3 * page_size();
	memset(&self->guide.arg, 0, sizeof(self->guide.arg));
	self->guide.arg.bytes = self->bytes;
	ASSERT_EQ(0, step(&self->guide, DMABUF_TEST_GUIDE_EXPORT));
	self->fd = self->guide.arg.fd;
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(guide)
{
	close(self->fd);
	EXPECT_TRUE(remains_are(MODULE, &self->before));
	close(self->guide.node);
}

/* proves: R1, E1, F1, A1, A2, A3, M1, U1, D1, P1 */
TEST_F(guide, six_steps_call_the_ops_in_the_guides_order)
{
	EXPECT_STREQ("", calls(&self->guide));
	ASSERT_EQ(0, connect_to(&self->guide, self->fd));
	EXPECT_STREQ("attach ", calls(&self->guide));
	ASSERT_EQ(0, access_for(&self->guide, FROM_DEVICE));
	EXPECT_EQ(self->bytes, self->guide.arg.bytes);
	EXPECT_STREQ("attach map ", calls(&self->guide));
	ASSERT_EQ(0, step(&self->guide, DMABUF_TEST_GUIDE_END));
	EXPECT_STREQ("attach map unmap ", calls(&self->guide));
	ASSERT_EQ(0, step(&self->guide, DMABUF_TEST_GUIDE_DISCONNECT));
	EXPECT_STREQ("attach map unmap detach ", calls(&self->guide));
	ASSERT_EQ(0, close(self->fd));
	self->fd = -1;
	EXPECT_STREQ("attach map unmap detach release ", calls(&self->guide));
}

/* proves: R1, R3, M1, U1 */
TEST_F(guide, bytes_that_one_user_writes_another_reads)
{
	ASSERT_EQ(0, connect_to(&self->guide, self->fd));
	ASSERT_EQ(0, access_for(&self->guide, FROM_DEVICE));
	EXPECT_EQ((long)self->bytes, touch(&self->guide, DMABUF_TEST_GUIDE_READ, 0));
	EXPECT_EQ((long)self->bytes, touch(&self->guide, DMABUF_TEST_GUIDE_WRITE, 0xa5));
	ASSERT_EQ(0, step(&self->guide, DMABUF_TEST_GUIDE_END));
	ASSERT_EQ(0, step(&self->guide, DMABUF_TEST_GUIDE_DISCONNECT));

	ASSERT_EQ(0, connect_to(&self->guide, self->fd));
	ASSERT_EQ(0, access_for(&self->guide, TO_DEVICE));
	EXPECT_EQ((long)self->bytes, touch(&self->guide, DMABUF_TEST_GUIDE_READ, 0xa5));
	ASSERT_EQ(0, step(&self->guide, DMABUF_TEST_GUIDE_END));
	ASSERT_EQ(0, step(&self->guide, DMABUF_TEST_GUIDE_DISCONNECT));
	EXPECT_STREQ("attach map unmap detach attach map unmap detach ", calls(&self->guide));
}

/* proves: E2, P1 */
TEST_F(guide, user_that_is_connected_keeps_the_buffer)
{
	ASSERT_EQ(0, connect_to(&self->guide, self->fd));
	ASSERT_EQ(0, close(self->fd));
	self->fd = -1;
	EXPECT_STREQ("attach ", calls(&self->guide));
	ASSERT_EQ(0, access_for(&self->guide, BIDIRECTIONAL));
	ASSERT_EQ(0, step(&self->guide, DMABUF_TEST_GUIDE_END));
	ASSERT_EQ(0, step(&self->guide, DMABUF_TEST_GUIDE_DISCONNECT));
	EXPECT_STREQ("attach map unmap detach release ", calls(&self->guide));
}

/* proves: A1 */
TEST_F(guide, connecting_to_what_is_no_buffer_is_refused)
{
	EXPECT_EQ(-EBADF, connect_to(&self->guide, -1));
	EXPECT_EQ(-EINVAL, connect_to(&self->guide, self->guide.node));
	EXPECT_STREQ("", calls(&self->guide));
	ASSERT_EQ(0, connect_to(&self->guide, self->fd));
	ASSERT_EQ(0, step(&self->guide, DMABUF_TEST_GUIDE_DISCONNECT));
}

/* proves: M1 */
TEST_F(guide, access_in_no_direction_is_refused)
{
	ASSERT_EQ(0, connect_to(&self->guide, self->fd));
	EXPECT_EQ(-EINVAL, access_for(&self->guide, 3));
	EXPECT_STREQ("attach ", calls(&self->guide));
	ASSERT_EQ(0, step(&self->guide, DMABUF_TEST_GUIDE_DISCONNECT));
}

/* proves: R1, F4 */
TEST_F(guide, buffer_of_the_guides_exporter_goes_to_a_driver_of_another_module)
{
	const __u64 pattern = 0x3c3c3c3c3c3c3c3cULL;
	long long attachment, mapping;
	int importer, engine;

	importer = importer_open();
	ASSERT_LE(0, importer);
	engine = engine_find(importer, DMABUF_IMPORTER_SOFT, 0);
	ASSERT_LE(0, engine);
	attachment = attach(importer, self->fd, engine);
	ASSERT_LT(0, attachment);
	mapping = map(importer, attachment, DMABUF_IMPORTER_FROM_DEVICE);
	ASSERT_LT(0, mapping);
	ASSERT_EQ(0, fill(importer, mapping, 0, self->bytes, pattern));
	ASSERT_EQ(0, unmap(importer, mapping));
	ASSERT_EQ(0, detach(importer, attachment));
	close(importer);

	ASSERT_EQ(0, connect_to(&self->guide, self->fd));
	ASSERT_EQ(0, access_for(&self->guide, TO_DEVICE));
	EXPECT_EQ((long)self->bytes, touch(&self->guide, DMABUF_TEST_GUIDE_READ, 0x3c));
	ASSERT_EQ(0, step(&self->guide, DMABUF_TEST_GUIDE_END));
	ASSERT_EQ(0, step(&self->guide, DMABUF_TEST_GUIDE_DISCONNECT));
	EXPECT_STREQ("attach map unmap detach attach map unmap detach ", calls(&self->guide));
}

/* proves: R1, F4 */
TEST_F(guide, buffer_of_another_module_goes_to_the_guides_user)
{
	int exporter, fd;

	exporter = exporter_open();
	ASSERT_LE(0, exporter);
	fd = buffer_export(exporter, 5 * page_size() + 12, DMABUF_EXPORTER_SCATTER);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, connect_to(&self->guide, fd));
	ASSERT_EQ(0, access_for(&self->guide, BIDIRECTIONAL));
	EXPECT_LE(5 * page_size() + 12, self->guide.arg.bytes);
	EXPECT_EQ((long)self->guide.arg.bytes, touch(&self->guide, DMABUF_TEST_GUIDE_READ, 0));
	ASSERT_EQ(0, step(&self->guide, DMABUF_TEST_GUIDE_END));
	ASSERT_EQ(0, step(&self->guide, DMABUF_TEST_GUIDE_DISCONNECT));
	EXPECT_STREQ("", calls(&self->guide));
	close(fd);
	close(exporter);
}

/* proves: P1 */
TEST_F(guide, module_of_the_guides_exporter_stays_while_its_buffer_lives)
{
	/* The guide's ops name no owner.  One is the open node's, one the buffer's. */
	EXPECT_EQ(2, file_number("/sys/module/" MODULE "/refcnt"));
	ASSERT_EQ(0, close(self->fd));
	EXPECT_TRUE(HOLDS_SOON(file_number("/sys/module/" MODULE "/refcnt") == 1));
	self->fd = -1;
}

static const char *const needed_modules[] = { "dmabuf-test-guide", NULL };

#include "test-modules-main.h"
