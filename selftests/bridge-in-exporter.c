// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an exporter of the kernel's dma-buf sees of our importer, and what that makes of
 * its errors and of memory that does not suit it.
 */
#include "bridge-test.h"

#define BYTES (16 * 4096)
#define PIECE 4096

FIXTURE(bridge_in_exporter)
{
	int importer, node;
	__u32 soft;
	int fd;
	__u32 buffer;
	struct core_parameters parameters;
	struct counters before;
	struct remains remains;
};

FIXTURE_SETUP(bridge_in_exporter)
{
	int soft;

	ASSERT_EQ(0, core_parameters_begin(&self->parameters));
	ASSERT_EQ(0, counters_read(&self->before));
	self->remains = remains_of(BRIDGE_MODULE);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	self->node = bridge_open();
	ASSERT_LE(0, self->node);
	soft = engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0);
	ASSERT_LE(0, soft);
	self->soft = soft;
	self->fd = bridge_export(self->node, BYTES, 0, &self->buffer);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(bridge_in_exporter)
{
	if (self->fd >= 0)
		EXPECT_EQ(0, close(self->fd));
	if (self->node >= 0)
		EXPECT_EQ(0, close(self->node));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_TRUE(counters_back_to(&self->before));
	EXPECT_TRUE(remains_are(BRIDGE_MODULE, &self->remains));
	EXPECT_EQ(0, core_parameters_end(&self->parameters));
}

/* Have the exporter's ops been called so often? */
static bool counts_are(FIXTURE_DATA(bridge_in_exporter) *self,
		       const struct dmabuf_test_counts *expected)
{
	struct dmabuf_test_counts counts = bridge_counts(self->node, self->buffer, NULL);

	if (!memcmp(&counts, expected, sizeof(counts)))
		return true;
	note("attach %u, refused %u, detach %u, map %u, unmap %u, release %u\n", counts.attach,
	     counts.refused, counts.detach, counts.map, counts.unmap, counts.release);
	return false;
}

/* proves: A2, M1, U1, D1, P1 */
TEST_F(bridge_in_exporter, each_step_is_one_call_of_the_exporter)
{
	struct dmabuf_test_counts counts = {};
	long long attachment, mapping;
	int round;

	for (round = 0; round < 3; round++) {
		attachment = attach(self->importer, self->fd, self->soft);
		ASSERT_LT(0, attachment);
		counts.attach++;
		EXPECT_TRUE(counts_are(self, &counts));
		mapping = map(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE);
		ASSERT_LT(0, mapping);
		counts.map++;
		EXPECT_TRUE(counts_are(self, &counts));
		ASSERT_EQ(0, unmap(self->importer, mapping));
		counts.unmap++;
		EXPECT_TRUE(counts_are(self, &counts));
		ASSERT_EQ(0, detach(self->importer, attachment));
		counts.detach++;
		EXPECT_TRUE(counts_are(self, &counts));
	}
	ASSERT_EQ(0, close(self->fd));
	self->fd = -1;
	counts.release++;
	EXPECT_TRUE(counts_are(self, &counts));
}

/* proves: P1 */
TEST_F(bridge_in_exporter, last_detach_is_followed_by_one_release)
{
	struct dmabuf_test_counts counts = { .attach = 2, .detach = 1 };
	long long one, two;

	one = attach(self->importer, self->fd, self->soft);
	ASSERT_LT(0, one);
	two = attach(self->importer, self->fd, self->soft);
	ASSERT_LT(0, two);
	ASSERT_EQ(0, close(self->fd));
	self->fd = -1;
	ASSERT_EQ(0, detach(self->importer, one));
	EXPECT_TRUE(counts_are(self, &counts));
	ASSERT_EQ(0, detach(self->importer, two));
	counts.detach = 2;
	counts.release = 1;
	EXPECT_TRUE(counts_are(self, &counts));
}

/* proves: A3 */
TEST_F(bridge_in_exporter, error_of_attach_is_passed_on_and_leaves_no_trace)
{
	static const int errors[] = {
		-EPERM, -ENOMEM, -EBUSY, -EXDEV, -ENODEV, -EINVAL, -ENOSPC, -EOPNOTSUPP, -ENOLINK,
	};
	struct dmabuf_test_counts counts = {};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		ASSERT_EQ(0, bridge_behave(self->node, self->buffer, errors[i], 0));
		EXPECT_EQ(errors[i], attach(self->importer, self->fd, self->soft));
		counts.refused++;
		EXPECT_TRUE(counts_are(self, &counts));
		EXPECT_EQ(self->before.listed, buffers_listed());
	}
	ASSERT_EQ(0, bridge_behave(self->node, self->buffer, 0, 0));
	EXPECT_LT(0, attach(self->importer, self->fd, self->soft));
}

/* proves: M1, M4 */
TEST_F(bridge_in_exporter, error_of_map_is_passed_on_and_leaves_no_trace)
{
	static const struct {
		int error;
		int arrives;
	} cases[] = {
		{ -ENOMEM, -ENOMEM }, { -EBUSY, -EBUSY }, { -EIO, -EIO }, { -EAGAIN, -EAGAIN },
		{ -EINTR, -EINTR }, { -ENXIO, -ENXIO }, { -EOPNOTSUPP, -EOPNOTSUPP },
		/* ERESTARTSYS, of a wait that a signal ended. */
		{ -512, -EINTR },
	};
	struct dmabuf_test_counts counts = { .attach = 1 };
	long long attachment = attach(self->importer, self->fd, self->soft);
	struct dmabuf_importer_query query;
	unsigned int i;

	ASSERT_LT(0, attachment);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		ASSERT_EQ(0, bridge_behave(self->node, self->buffer, 0, cases[i].error));
		EXPECT_EQ(cases[i].arrives, map(self->importer, attachment,
						DMABUF_IMPORTER_BIDIRECTIONAL));
		ASSERT_EQ(0, attachment_query(self->importer, attachment, &query));
		EXPECT_EQ(0, query.mappings);
	}
	EXPECT_TRUE(counts_are(self, &counts));
	ASSERT_EQ(0, bridge_behave(self->node, self->buffer, 0, 0));
	EXPECT_LT(0, map(self->importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL));
}

/* proves: M2, R3 */
TEST_F(bridge_in_exporter, mapping_that_does_not_suit_the_device_is_refused)
{
	struct dmabuf_importer_constraints cases[] = { no_limits, no_limits, no_limits, no_limits };
	struct dmabuf_test_counts counts = {};
	struct dmabuf_importer_query query;
	long long attachment;
	unsigned int i;

	/* The exporter cannot know of these: its pages lie as they lie. */
	cases[0].max_segs = 1;
	cases[1].dma_mask = 0xffff;
	cases[2].max_seg_size = PIECE / 2;
	cases[3].align = ALIGN_MAX;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		attachment = attach_limited(self->importer, self->fd, self->soft, &cases[i]);
		ASSERT_LT(0, attachment) TH_LOG("case %u", i);
		EXPECT_EQ(-EOPNOTSUPP, map(self->importer, attachment,
					   DMABUF_IMPORTER_BIDIRECTIONAL)) TH_LOG("case %u", i);
		ASSERT_EQ(0, attachment_query(self->importer, attachment, &query));
		EXPECT_EQ(0, query.mappings);
		ASSERT_EQ(0, detach(self->importer, attachment));
		counts.attach++;
		counts.map++;
		counts.unmap++;
		counts.detach++;
		EXPECT_TRUE(counts_are(self, &counts)) TH_LOG("case %u", i);
	}
}

/* proves: M2, R3 */
TEST_F(bridge_in_exporter, mapping_that_suits_the_device_is_not)
{
	struct dmabuf_importer_constraints limits = no_limits;
	long long attachment;
	__u32 segments;
	int fd;

	limits.max_segs = BYTES / PIECE;
	limits.max_seg_size = PIECE;
	limits.align = PIECE;
	limits.seg_boundary = PIECE - 1;
	attachment = attach_limited(self->importer, self->fd, self->soft, &limits);
	ASSERT_LT(0, attachment);
	ASSERT_LT(0, map_segments(self->importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL,
				  &segments));
	EXPECT_EQ(BYTES / PIECE, segments);

	fd = bridge_export(self->node, BYTES, DMABUF_TEST_BRIDGE_CONTIG, NULL);
	ASSERT_LE(0, fd);
	attachment = attach_one_segment(self->importer, fd, self->soft);
	ASSERT_LT(0, attachment);
	ASSERT_LT(0, map_segments(self->importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL,
				  &segments));
	EXPECT_EQ(1, segments);
	close(fd);
}

/* proves: R5 */
TEST_F(bridge_in_exporter, edu_reads_and_writes_the_memory_of_others)
{
	unsigned char bytes[2 * PIECE];
	long long attachment, mapping;
	int engine, fd;

	engine = engine_find(self->importer, DMABUF_IMPORTER_EDU, 0);
	if (engine < 0)
		SKIP(return, NO_ENGINE);
	fd = bridge_export(self->node, sizeof(bytes), DMABUF_TEST_BRIDGE_LOW, NULL);
	ASSERT_LE(0, fd);
	attachment = attach(self->importer, fd, engine);
	ASSERT_LT(0, attachment);
	mapping = map(self->importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, mapping);
	scribble(bytes, sizeof(bytes), 53);
	ASSERT_EQ(0, copy_in(self->importer, mapping, 0, sizeof(bytes), bytes));
	EXPECT_TRUE(device_reads(self->importer, mapping, bytes, sizeof(bytes)));
	ASSERT_EQ(0, unmap(self->importer, mapping));

	/* And another device, of another engine, sees it. */
	attachment = attach(self->importer, fd, self->soft);
	ASSERT_LT(0, attachment);
	mapping = map(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, mapping);
	EXPECT_TRUE(device_reads(self->importer, mapping, bytes, sizeof(bytes)));
	close(fd);
}

/* proves: P1 */
TEST_F(bridge_in_exporter, module_of_the_exporter_can_go_right_after_the_last_detach)
{
	long long attachment, mapping;

	attachment = attach(self->importer, self->fd, self->soft);
	ASSERT_LT(0, attachment);
	ASSERT_EQ(0, close(self->fd));
	self->fd = -1;
	ASSERT_EQ(0, close(self->node));
	self->node = -1;
	EXPECT_EQ(-EAGAIN, module_unload("dmabuf-test-bridge"));
	mapping = map(self->importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(-EAGAIN, module_unload("dmabuf-test-bridge"));
	ASSERT_EQ(0, unmap(self->importer, mapping));
	EXPECT_EQ(-EAGAIN, module_unload("dmabuf-test-bridge"));
	ASSERT_EQ(0, detach(self->importer, attachment));
	EXPECT_EQ(0, module_unload("dmabuf-test-bridge"));
	ASSERT_EQ(0, module_load("dmabuf-test-bridge"));
}

static const char *const needed_modules[] = { "dmabuf-test-bridge", NULL };

#include "test-modules-main.h"
