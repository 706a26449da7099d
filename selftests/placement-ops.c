// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ops of an exporter on the placement layer: which are called, when and for
 * what, what the layer does without them, and what it costs.  Driven through
 * dmabuf-test-placement.
 */
#include "placement-ops-test.h"

/* When storage is taken, and for whom */

/* proves: A6, N1, P1 */
TEST_F(place, storage_is_taken_at_the_first_map_and_freed_once_at_the_end)
{
	const struct dmabuf_test_constraints low = below(32);
	int attachment[3], copy, i, mapping;
	struct dmabuf_test_place_state state;

	ASSERT_EQ(0, place_export(&self->at, HAS_ALL, 0));
	copy = dup(self->at.fd);
	ASSERT_LE(0, copy);
	for (i = 0; i < 3; i++) {
		attachment[i] = place_attach(&self->at, i % 2, i ? &low : NULL);
		ASSERT_LT(0, attachment[i]);
	}
	state = place_state(&self->at);
	EXPECT_EQ(0, state.counts[ALLOC]);
	EXPECT_EQ(0, state.live);
	EXPECT_EQ(EMPTY, place_query(&self->at).state);
	EXPECT_EQ(0, place_query(&self->at).allocs);

	mapping = test_map(self->at.importer, attachment[1], BIDIRECTIONAL);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(MAPPED, place_query(&self->at).state);
	EXPECT_EQ(1, place_query(&self->at).allocs);
	ASSERT_EQ(0, test_unmap(self->at.importer, mapping));
	EXPECT_EQ(BACKED, place_query(&self->at).state);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ((long long)BYTES, place_use(&self->at, attachment[i], 0, 0));
		ASSERT_EQ(0, test_detach(self->at.importer, attachment[i]));
	}
	EXPECT_EQ(1, place_state(&self->at).live);
	close(copy);
	close(self->at.fd);
	state = place_state(&self->at);
	EXPECT_EQ(1, state.released);
	EXPECT_EQ(1, state.counts[FREE]);
	EXPECT_EQ(0, state.live);
	EXPECT_STREQ("alloc1 map1 unmap1 map1 unmap1 map1 unmap1 map1 unmap1 free1",
		     place_log(&self->at));
}

/* proves: A6, N1 */
TEST_F(place, buffer_that_nobody_maps_never_has_storage)
{
	int attachment;

	ASSERT_EQ(0, place_export(&self->at, HAS_ALL, 0));
	attachment = place_attach(&self->at, 0, &one_piece);
	ASSERT_LT(0, attachment);
	ASSERT_EQ(0, test_detach(self->at.importer, attachment));
	close(self->at.fd);
	EXPECT_EQ(1, place_state(&self->at).released);
	EXPECT_STREQ("", place_log(&self->at));
}

/* proves: M2, N1 */
TEST_F(place, first_alloc_is_for_all_that_are_attached)
{
	struct dmabuf_test_constraints low = below(32), aligned = below(40);
	struct dmabuf_test_place_state state;
	int attachment[3];

	aligned.align = 256;
	aligned.seg_boundary = BITS(16);
	aligned.max_seg_size = 4096;
	ASSERT_EQ(0, place_export(&self->at, HAS_ALL, 0));
	attachment[0] = place_attach(&self->at, 0, NULL);
	attachment[1] = place_attach(&self->at, 1, &low);
	attachment[2] = place_attach(&self->at, 1, &aligned);
	ASSERT_LT(0, attachment[0]);
	ASSERT_LT(0, attachment[1]);
	ASSERT_LT(0, attachment[2]);
	ASSERT_EQ((long long)BYTES, place_use(&self->at, attachment[0], 1, 0x31));
	state = place_state(&self->at);
	EXPECT_EQ(BITS(32), state.needs.dma_mask);
	/* Segments can be cut: that is no need of the memory. */
	EXPECT_EQ(~0ULL, state.needs.seg_boundary);
	EXPECT_EQ(~0ULL, state.needs.max_seg_size);
	EXPECT_EQ(~0U, state.needs.max_segs);
	EXPECT_EQ(256, state.needs.align);

	/* So it serves the others, too. */
	EXPECT_EQ((long long)BYTES, place_use(&self->at, attachment[1], 0, 0x31));
	EXPECT_EQ((long long)BYTES, place_use(&self->at, attachment[2], 0, 0x31));
	EXPECT_EQ(0, place_query(&self->at).moves);
}

/* proves: N3, N4 */
TEST_F(place, alloc_in_a_move_is_for_all_that_are_attached)
{
	const struct dmabuf_test_constraints low = below(31), lower = below(30);
	int attachment[3];

	ASSERT_EQ(0, place_export(&self->at, HAS_ALL, 0));
	attachment[0] = place_attach(&self->at, 0, NULL);
	ASSERT_LT(0, attachment[0]);
	ASSERT_EQ((long long)BYTES, place_use(&self->at, attachment[0], 1, 0x32));
	EXPECT_STREQ("alloc1 map1 unmap1", place_log(&self->at));

	/* The one that maps needs less than the one that never has. */
	attachment[1] = place_attach(&self->at, 1, &low);
	attachment[2] = place_attach(&self->at, 1, &lower);
	ASSERT_LT(0, attachment[1]);
	ASSERT_LT(0, attachment[2]);
	EXPECT_EQ((long long)BYTES, place_use(&self->at, attachment[1], 0, 0x32));
	EXPECT_EQ(BITS(30), place_state(&self->at).needs.dma_mask);
	EXPECT_STREQ("alloc2<1 zap move1>2 free1 map2 unmap2", place_log(&self->at));
	EXPECT_EQ((long long)BYTES, place_use(&self->at, attachment[2], 0, 0x32));
	EXPECT_STREQ("map2 unmap2", place_log(&self->at));
}

/* proves: N4 */
TEST_F(place, move_tells_who_asked_why_and_where_to)
{
	const struct dmabuf_test_constraints low = below(32);
	struct dmabuf_test_place_query query;
	int attachment[2];

	ASSERT_EQ(0, place_export(&self->at, HAS_ALL, 0));
	attachment[0] = place_attach(&self->at, 0, NULL);
	ASSERT_LT(0, attachment[0]);
	ASSERT_EQ((long long)BYTES, place_use(&self->at, attachment[0], 1, 0x33));
	EXPECT_EQ(44, place_query(&self->at).bits);
	attachment[1] = place_attach(&self->at, 1, &low);
	ASSERT_LT(0, attachment[1]);
	ASSERT_EQ((long long)BYTES, place_use(&self->at, attachment[1], 0, 0x33));
	query = place_query(&self->at);
	EXPECT_EQ(BACKED, query.state);
	EXPECT_EQ(32, query.bits);
	EXPECT_EQ(3, query.chunks);
	EXPECT_EQ(2, query.allocs);
	EXPECT_EQ(1, query.moves);
	EXPECT_EQ(0, query.failures);
	EXPECT_EQ(BYTES, query.moved_bytes);
	EXPECT_EQ(2, query.move_attachment);
	EXPECT_STREQ("dmabuf-test-ops.1", query.move_device);
	EXPECT_EQ(DMABUF_EXPORTER_CONSTRAINT_DMA_MASK, query.move_which);
	EXPECT_EQ(BITS(32), query.move_allowed);
	EXPECT_EQ(BITS(44), query.move_actual);
}

TEST_F(place, serves_is_asked_once_for_each_attachment_and_storage)
{
	const struct dmabuf_test_constraints low = below(32);
	int attachment[2], i;

	ASSERT_EQ(0, place_export(&self->at, HAS_ALL, 0));
	attachment[0] = place_attach(&self->at, 0, NULL);
	ASSERT_LT(0, attachment[0]);
	for (i = 0; i < 3; i++)
		ASSERT_EQ((long long)BYTES, place_use(&self->at, attachment[0], 0, 0));
	EXPECT_EQ(1, place_state(&self->at).counts[SERVES]);

	attachment[1] = place_attach(&self->at, 1, &low);
	ASSERT_LT(0, attachment[1]);
	for (i = 0; i < 3; i++)
		ASSERT_EQ((long long)BYTES, place_use(&self->at, attachment[1], 0, 0));
	/* About the old storage and about the new one. */
	EXPECT_EQ(3, place_state(&self->at).counts[SERVES]);
	for (i = 0; i < 3; i++)
		ASSERT_EQ((long long)BYTES, place_use(&self->at, attachment[0], 0, 0));
	EXPECT_EQ(4, place_state(&self->at).counts[SERVES]);
}

/* proves: N3, N7 */
TEST_F(place, maps_behind_one_that_moves_wait_their_turn)
{
	const struct dmabuf_test_constraints low = below(32);
	struct mapper strict, lax;
	int attachment[2], mapping;

	ASSERT_EQ(0, place_export(&self->at, HAS_ALL, 0));
	attachment[0] = place_attach(&self->at, 0, NULL);
	ASSERT_LT(0, attachment[0]);
	mapping = test_map(self->at.importer, attachment[0], FROM_DEVICE);
	ASSERT_LT(0, mapping);
	ASSERT_EQ((long long)BYTES, test_touch(self->at.importer, mapping, 1, 0x34));
	attachment[1] = place_attach(&self->at, 1, &low);
	ASSERT_LT(0, attachment[1]);

	ASSERT_EQ(0, mapper_start(&strict, self->at.importer, attachment[1], TO_DEVICE));
	ASSERT_TRUE(HOLDS_SOON(place_query(&self->at).waiting == 1));
	EXPECT_EQ(DRAINING, place_query(&self->at).state);
	ASSERT_EQ(0, mapper_start(&lax, self->at.importer, attachment[0], TO_DEVICE));
	ASSERT_TRUE(HOLDS_SOON(place_query(&self->at).waiting == 2));
	EXPECT_EQ(-EAGAIN, test_map_timeout(self->at.importer, attachment[0], TO_DEVICE, 0));
	EXPECT_STREQ("alloc1 map1", place_log(&self->at));

	ASSERT_EQ(0, test_unmap(self->at.importer, mapping));
	ASSERT_LT(0, mapper_join(&strict));
	ASSERT_LT(0, mapper_join(&lax));
	EXPECT_STREQ("unmap1 alloc2<1 zap move1>2 free1 map2 map2", place_log(&self->at));
	EXPECT_EQ((long long)BYTES, test_touch(self->at.importer, strict.mapping, 0, 0x34));
	EXPECT_EQ((long long)BYTES, test_touch(self->at.importer, lax.mapping, 0, 0x34));
	EXPECT_EQ(2, place_query(&self->at).stalls);
}

/* Without the optional ops */

/* proves: N6 */
TEST_F(place, buffer_without_a_move_op_stays)
{
	const struct dmabuf_test_constraints low = below(32);
	struct dmabuf_test_place_query query;
	int attachment[2];

	ASSERT_EQ(0, place_export(&self->at, HAS_ALL & ~DMABUF_TEST_PLACE_HAS_MOVE, 0));
	attachment[0] = place_attach(&self->at, 0, NULL);
	ASSERT_LT(0, attachment[0]);
	ASSERT_EQ((long long)BYTES, place_use(&self->at, attachment[0], 1, 0x35));
	EXPECT_EQ(-EBUSY, place_attach(&self->at, 1, &low));
	query = place_query(&self->at);
	EXPECT_EQ(-EBUSY, query.refusal_error);
	EXPECT_STREQ("dmabuf-test-ops.1", query.refusal_device);
	EXPECT_EQ(DMABUF_EXPORTER_CONSTRAINT_DMA_MASK, query.refusal_which);
	EXPECT_EQ(BITS(32), query.refusal_allowed);
	EXPECT_EQ(BITS(44), query.refusal_actual);

	attachment[1] = place_attach(&self->at, 1, NULL);
	ASSERT_LT(0, attachment[1]);
	EXPECT_EQ((long long)BYTES, place_use(&self->at, attachment[1], 0, 0x35));
	EXPECT_STREQ("alloc1 map1 unmap1 map1 unmap1", place_log(&self->at));
}

/* proves: N2, N4 */
TEST_F(place, without_a_serves_op_storage_serves_whom_it_was_taken_for_and_less)
{
	struct dmabuf_test_constraints strict = below(32), stricter = below(30);
	struct dmabuf_test_place_query query;
	int attachment[3];

	strict.align = 64;
	stricter.align = 64;
	ASSERT_EQ(0, place_export(&self->at, HAS_ALL & ~DMABUF_TEST_PLACE_HAS_SERVES, 0));
	attachment[0] = place_attach(&self->at, 0, &strict);
	ASSERT_LT(0, attachment[0]);
	ASSERT_EQ((long long)BYTES, place_use(&self->at, attachment[0], 1, 0x36));
	attachment[1] = place_attach(&self->at, 1, NULL);
	ASSERT_LT(0, attachment[1]);
	EXPECT_EQ((long long)BYTES, place_use(&self->at, attachment[1], 0, 0x36));
	EXPECT_STREQ("alloc1 map1 unmap1 map1 unmap1", place_log(&self->at));

	attachment[2] = place_attach(&self->at, 1, &stricter);
	ASSERT_LT(0, attachment[2]);
	EXPECT_EQ((long long)BYTES, place_use(&self->at, attachment[2], 0, 0x36));
	EXPECT_STREQ("alloc2<1 zap move1>2 free1 map2 unmap2", place_log(&self->at));
	query = place_query(&self->at);
	EXPECT_EQ(DMABUF_EXPORTER_CONSTRAINT_DMA_MASK, query.move_which);
	EXPECT_EQ(BITS(30), query.move_allowed);
	EXPECT_EQ(BITS(32), query.move_actual);
}

/* proves: N5 */
TEST_F(place, impossible_set_is_refused_at_attach)
{
	const struct dmabuf_test_constraints low = below(32);
	struct dmabuf_test_place_query query;
	int attachment;

	ASSERT_EQ(0, place_export(&self->at, HAS_ALL, 0));
	attachment = place_attach(&self->at, 0, &one_piece);
	ASSERT_LT(0, attachment);
	EXPECT_EQ(-EOPNOTSUPP, place_attach(&self->at, 1, &low));
	query = place_query(&self->at);
	EXPECT_EQ(-EOPNOTSUPP, query.refusal_error);
	EXPECT_STREQ("dmabuf-test-ops.1", query.refusal_device);
	EXPECT_EQ(DMABUF_EXPORTER_CONSTRAINT_DMA_MASK, query.refusal_which);
	EXPECT_EQ(BITS(32), query.refusal_allowed);
	EXPECT_EQ(BITS(DMABUF_TEST_PLACE_BLOCK_BITS), query.refusal_actual);
	EXPECT_EQ(1, attachments_of(self->at.fd));

	/* Each alone is served, and the one that left counts no more. */
	ASSERT_EQ(0, test_detach(self->at.importer, attachment));
	attachment = place_attach(&self->at, 1, &low);
	ASSERT_LT(0, attachment);
	EXPECT_EQ((long long)BYTES, place_use(&self->at, attachment, 0, 0));
}

TEST_F(place, without_a_possible_op_the_map_finds_out)
{
	const struct dmabuf_test_constraints low = below(32);
	int attachment[2];

	ASSERT_EQ(0, place_export(&self->at, HAS_ALL & ~DMABUF_TEST_PLACE_HAS_POSSIBLE, 0));
	attachment[0] = place_attach(&self->at, 0, &one_piece);
	attachment[1] = place_attach(&self->at, 1, &low);
	ASSERT_LT(0, attachment[0]);
	ASSERT_LT(0, attachment[1]);
	EXPECT_EQ(-ENOMEM, test_map(self->at.importer, attachment[0], TO_DEVICE));
	EXPECT_EQ(EMPTY, place_query(&self->at).state);
	ASSERT_EQ(0, test_detach(self->at.importer, attachment[1]));
	EXPECT_EQ((long long)BYTES, place_use(&self->at, attachment[0], 0, 0));
	EXPECT_STREQ("alloc! alloc1 map1 unmap1", place_log(&self->at));
}

/* proves: N4 */
TEST_F(place, without_a_zap_op_the_buffer_moves)
{
	const struct dmabuf_test_constraints low = below(32);
	int attachment[2];

	ASSERT_EQ(0, place_export(&self->at, HAS_ALL & ~DMABUF_TEST_PLACE_HAS_ZAP, 0));
	attachment[0] = place_attach(&self->at, 0, NULL);
	ASSERT_LT(0, attachment[0]);
	ASSERT_EQ((long long)BYTES, place_use(&self->at, attachment[0], 1, 0x37));
	attachment[1] = place_attach(&self->at, 1, &low);
	ASSERT_LT(0, attachment[1]);
	EXPECT_EQ((long long)BYTES, place_use(&self->at, attachment[1], 0, 0x37));
	EXPECT_STREQ("alloc1 map1 unmap1 alloc2<1 move1>2 free1 map2 unmap2",
		     place_log(&self->at));
}

/* Policies */

TEST_F(place, unknown_policies_are_refused)
{
	unsigned int bit;

	for (bit = 3; bit < 32; bit++)
		EXPECT_EQ(-EINVAL, place_export(&self->at, HAS_ALL, 1U << bit));
	EXPECT_EQ(-EINVAL, place_export(&self->at, HAS_ALL, ~0U));
	for (bit = 0; bit < 8; bit++) {
		ASSERT_EQ(0, place_export(&self->at, HAS_ALL, bit));
		EXPECT_EQ(bit, place_query(&self->at).policy);
		if (bit < 7)
			close(self->at.fd);
	}
}

/* proves: N2 */
TEST_F(place, fixed_buffer_refuses_what_its_storage_does_not_serve)
{
	const struct dmabuf_test_constraints low = below(32);
	int attachment[2];

	ASSERT_EQ(0, place_export(&self->at, HAS_ALL, FIXED));
	attachment[0] = place_attach(&self->at, 0, NULL);
	ASSERT_LT(0, attachment[0]);
	ASSERT_EQ((long long)BYTES, place_use(&self->at, attachment[0], 1, 0x39));
	EXPECT_EQ(-EBUSY, place_attach(&self->at, 1, &low));
	EXPECT_EQ(1, attachments_of(self->at.fd));
	EXPECT_EQ(-EBUSY, place_query(&self->at).refusal_error);
	attachment[1] = place_attach(&self->at, 1, NULL);
	ASSERT_LT(0, attachment[1]);
	EXPECT_EQ((long long)BYTES, place_use(&self->at, attachment[1], 0, 0x39));
	EXPECT_STREQ("alloc1 map1 unmap1 map1 unmap1", place_log(&self->at));
}

/* proves: N6 */
TEST_F(place, attach_after_the_first_map_is_refused_if_the_exporter_says_so)
{
	int attachment[2];

	ASSERT_EQ(0, place_export(&self->at, HAS_ALL, NO_LATE_ATTACH));
	attachment[0] = place_attach(&self->at, 0, NULL);
	ASSERT_LT(0, attachment[0]);
	attachment[1] = place_attach(&self->at, 1, NULL);
	ASSERT_LT(0, attachment[1]);
	ASSERT_EQ((long long)BYTES, place_use(&self->at, attachment[0], 1, 0x3a));
	EXPECT_EQ(-EBUSY, place_attach(&self->at, 1, NULL));
	EXPECT_EQ(2, attachments_of(self->at.fd));
	EXPECT_EQ(-EBUSY, place_query(&self->at).refusal_error);
	EXPECT_EQ((long long)BYTES, place_use(&self->at, attachment[1], 0, 0x3a));
}

/* proves: M3 */
TEST_F(place, one_writer_waits_for_all_readers_and_they_for_it)
{
	int attachment[2], reader[2], writer;
	struct mapper mapper;

	ASSERT_EQ(0, place_export(&self->at, HAS_ALL, ONE_WRITER));
	attachment[0] = place_attach(&self->at, 0, NULL);
	attachment[1] = place_attach(&self->at, 1, NULL);
	ASSERT_LT(0, attachment[0]);
	ASSERT_LT(0, attachment[1]);
	reader[0] = test_map(self->at.importer, attachment[0], TO_DEVICE);
	reader[1] = test_map(self->at.importer, attachment[1], TO_DEVICE);
	ASSERT_LT(0, reader[0]);
	ASSERT_LT(0, reader[1]);
	EXPECT_EQ(2, place_query(&self->at).readers);
	EXPECT_EQ(-EAGAIN, test_map_timeout(self->at.importer, attachment[1], FROM_DEVICE, 0));
	EXPECT_EQ(-EAGAIN, test_map_timeout(self->at.importer, attachment[1], BIDIRECTIONAL, 0));

	ASSERT_EQ(0, mapper_start(&mapper, self->at.importer, attachment[1], FROM_DEVICE));
	ASSERT_TRUE(HOLDS_SOON(place_query(&self->at).waiting == 1));
	/* A reader that comes now would starve it. */
	EXPECT_EQ(-EAGAIN, test_map_timeout(self->at.importer, attachment[0], TO_DEVICE, 0));
	ASSERT_EQ(0, test_unmap(self->at.importer, reader[0]));
	EXPECT_EQ(1, place_query(&self->at).waiting);
	ASSERT_EQ(0, test_unmap(self->at.importer, reader[1]));
	writer = mapper_join(&mapper);
	ASSERT_LT(0, writer);
	EXPECT_EQ(1, place_query(&self->at).writers);
	EXPECT_EQ(-EAGAIN, test_map_timeout(self->at.importer, attachment[0], TO_DEVICE, 0));
	ASSERT_EQ(0, test_unmap(self->at.importer, writer));
	EXPECT_EQ((long long)BYTES, place_use(&self->at, attachment[0], 0, 0));
	EXPECT_EQ(1, place_state(&self->at).counts[ALLOC]);
}

/* What it costs */

/* proves: M1, U1 */
TEST_F(place, map_and_unmap_need_no_memory_where_nobody_moves)
{
	const __u32 times = scaled(10000);
	struct dmabuf_test_alloc arg;

	ASSERT_EQ(0, test_alloc_flags(self->at.importer, DMABUF_TEST_OP_MAP, times, 0,
				      DMABUF_TEST_LAYER, &arg));
	EXPECT_EQ(0, arg.ret);
	EXPECT_EQ(0, arg.allocations);
	ASSERT_EQ(0, test_alloc_flags(self->at.importer, DMABUF_TEST_OP_MAP, times, 0,
				      DMABUF_TEST_LAYER | DMABUF_TEST_MAPPED, &arg));
	EXPECT_EQ(0, arg.ret);
	EXPECT_EQ(0, arg.allocations);

	/* That the count sees what there is: a second mapping needs a record. */
	ASSERT_EQ(0, test_alloc_flags(self->at.importer, DMABUF_TEST_OP_SECOND_MAP, times, 0,
				      DMABUF_TEST_LAYER, &arg));
	EXPECT_EQ(0, arg.ret);
	EXPECT_LE(times, arg.allocations);
}

/* The sample exporter's. */
/* proves: N4 */
TEST_F(place, move_copies_each_byte_once)
{
	struct dmabuf_exporter_placement place = { .argsz = sizeof(place) };
	struct dmabuf_test_constraints limits;
	const size_t bytes = 16 * MIB;
	long long lax, strict;
	struct dmabuf_test_map map;
	int exporter, fd;

	exporter = exporter_open();
	ASSERT_LE(0, exporter);
	fd = buffer_export(exporter, bytes, DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, fd);
	lax = test_attach(self->at.importer, fd, 0);
	ASSERT_LT(0, lax);
	ASSERT_LT(0, test_map_flags(self->at.importer, lax, FROM_DEVICE, DMABUF_TEST_COPIES, 0,
				    &map));
	EXPECT_EQ(0, map.copied_bytes);
	ASSERT_EQ(bytes, test_touch(self->at.importer, map.mapping, 1, 0x6b));
	ASSERT_EQ(0, test_unmap(self->at.importer, map.mapping));

	/* Where there is no CMA nothing is as long in one piece: then lower memory. */
	strict = test_attach_limited(self->at.importer, fd, 1, &one_piece);
	if (strict == -EOPNOTSUPP) {
		place.fd = fd;
		ASSERT_EQ(0, do_ioctl(exporter, DMABUF_EXPORTER_PLACEMENT, &place));
		limits = below(place.here.bits - 1);
		strict = test_attach_limited(self->at.importer, fd, 1, &limits);
	}
	ASSERT_LT(0, strict);
	ASSERT_LT(0, test_map_flags(self->at.importer, strict, TO_DEVICE, DMABUF_TEST_COPIES, 0,
				    &map));
	EXPECT_EQ(bytes, map.copied_bytes);
	EXPECT_EQ(bytes, test_touch(self->at.importer, map.mapping, 0, 0x6b));
	place.fd = fd;
	ASSERT_EQ(0, do_ioctl(exporter, DMABUF_EXPORTER_PLACEMENT, &place));
	EXPECT_EQ(1, place.moves);
	note("a move of %zu bytes copies %llu\n", bytes, map.copied_bytes);
	close(fd);
	close(exporter);
}

static const char *const needed_modules[] = { "dmabuf-test-ops", "dmabuf-test-placement", NULL };

#include "test-modules-main.h"
