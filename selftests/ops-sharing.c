// SPDX-License-Identifier: GPL-2.0-only
/* Who may share a buffer with whom, at once, and whatever it lies in. */
#include "ops-fixture.h"

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
	self->before = remains_of(OPS_MODULE);
}

FIXTURE_TEARDOWN(sample_backing)
{
	EXPECT_TRUE(remains_are(OPS_MODULE, &self->before));
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

static const char *const needed_modules[] = { "dmabuf-test-ops", NULL };

#include "test-modules-main.h"
