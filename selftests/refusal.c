// SPDX-License-Identifier: GPL-2.0-only
/* What attach and map refuse, and why: no such storage, no memory, and the policies. */
#include "placement-fixture.h"
#include "test-modules.h"

/* proves: N5 */
TEST_F(placement, device_that_no_storage_serves_is_refused_with_the_reason)
{
	struct dmabuf_importer_constraints limits = no_limits;
	struct dmabuf_exporter_placement place;
	struct user first;
	int fd;

	/* No storage lies in the first 64 KiB of any bus. */
	limits.dma_mask = 0xffff;
	fd = export_with(self, DMABUF_EXPORTER_AUTO, 0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
	EXPECT_TRUE(reason_is_none(&place.refusal));
	EXPECT_EQ(-EOPNOTSUPP, attach_limited(self->importer, fd, self->soft, &limits));
	ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
	EXPECT_TRUE(reason_is(self, &place.refusal, EOPNOTSUPP,
			      DMABUF_EXPORTER_CONSTRAINT_DMA_MASK, 0xffff));
	/* Nobody learns an address from it. */
	EXPECT_LT(0xffff, place.refusal.actual);
	EXPECT_EQ(0, place.refusal.actual & (place.refusal.actual + 1));
	EXPECT_EQ(DMABUF_EXPORTER_EMPTY, place.state);
	EXPECT_TRUE(reason_is_none(&place.move));
	close(fd);

	/* The same when there is storage, and whatever the policy. */
	fd = buffer_in_pieces(self->exporter, self->importer, self->soft, self->bytes, 0, &first);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EOPNOTSUPP, attach_limited(self->importer, fd, self->soft, &limits));
	EXPECT_EQ(0, fill(self->importer, first.mapping, 0, 64, 1));
	ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
	EXPECT_TRUE(reason_is(self, &place.refusal, EOPNOTSUPP,
			      DMABUF_EXPORTER_CONSTRAINT_DMA_MASK, 0xffff));
	EXPECT_EQ(DMABUF_EXPORTER_MAPPED, place.state);
	close(fd);
	fd = export_with(self, DMABUF_EXPORTER_AUTO,
			 DMABUF_EXPORTER_FIXED | DMABUF_EXPORTER_POPULATE);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EOPNOTSUPP, attach_limited(self->importer, fd, self->soft, &limits));
	close(fd);
}

/* proves: N5 */
TEST_F(placement, log_names_the_device_and_the_constraint)
{
	struct dmabuf_importer_constraints limits = no_limits;
	long long limit = parameter_get("limit_total_mb"), strict, ret;
	struct user first;
	char what[160];
	int fd, kmsg;

	ASSERT_LE(0, limit);
	kmsg = kmsg_open();
	ASSERT_LE(0, kmsg);

	/* No such memory.  The kernel lets only some lines through in five seconds. */
	limits.dma_mask = 0xffff;
	fd = export_with(self, DMABUF_EXPORTER_AUTO, 0);
	ASSERT_LE(0, fd);
	snprintf(what, sizeof(what), " %s: attach to buffer %lld (%zu bytes) refused, error -%d: ",
		 self->engine.device, buffer_id(self->exporter, fd), self->bytes, EOPNOTSUPP);
	EXPECT_TRUE(HOLDS_SOON((ret = attach_limited(self->importer, fd, self->soft, &limits),
				ret != -EOPNOTSUPP ||
				kmsg_tells(kmsg, what, "dma_mask: device allows 0xffff, "))));
	EXPECT_EQ(-EOPNOTSUPP, ret);
	close(fd);

	/* It may not move. */
	fd = buffer_in_pieces(self->exporter, self->importer, self->soft, self->bytes,
			      DMABUF_EXPORTER_FIXED, &first);
	ASSERT_LE(0, fd);
	snprintf(what, sizeof(what), " %s: attach to buffer %lld (%zu bytes) refused, error -%d: ",
		 self->engine.device, buffer_id(self->exporter, fd), self->bytes, EBUSY);
	EXPECT_TRUE(HOLDS_SOON((ret = attach_one_segment(self->importer, fd, self->soft),
				ret != -EBUSY ||
				kmsg_tells(kmsg, what, "max_segs: device allows 0x1, "))));
	EXPECT_EQ(-EBUSY, ret);
	close(fd);

	/* No memory for the move now. */
	fd = buffer_in_pieces(self->exporter, self->importer, self->soft, 2 * MIB, 0, &first);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, unmap(self->importer, first.mapping));
	strict = attach_one_segment(self->importer, fd, self->soft);
	ASSERT_LT(0, strict);
	snprintf(what, sizeof(what), " %s: move of buffer %lld (%lu bytes) refused, error -%d: ",
		 self->engine.device, buffer_id(self->exporter, fd), 2 * MIB, ENOMEM);
	ASSERT_EQ(0, parameter_set("limit_total_mb", 3));
	EXPECT_TRUE(HOLDS_SOON((ret = map_nowait(self->importer, strict,
						 DMABUF_IMPORTER_TO_DEVICE),
				ret != -ENOMEM ||
				kmsg_tells(kmsg, what, "max_segs: device allows 0x1, "))));
	ASSERT_EQ(0, parameter_set("limit_total_mb", limit));
	EXPECT_EQ(-ENOMEM, ret);
	close(fd);
	close(kmsg);
}

/* proves: N5, N4 */
TEST_F(placement, one_segment_of_8_mib_needs_cma)
{
	const size_t bytes = 8 * MIB;
	struct dmabuf_exporter_placement place;
	long long strict, mapping;
	struct user first;
	int fd;

	fd = buffer_in_pieces(self->exporter, self->importer, self->soft, bytes, 0, &first);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fill(self->importer, first.mapping, 0, bytes, 0x1122334455667788));
	ASSERT_EQ(0, unmap(self->importer, first.mapping));
	strict = attach_one_segment(self->importer, fd, self->soft);
	ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
	if (cma_total() < 2 * bytes) {
		EXPECT_EQ(-EOPNOTSUPP, strict);
		EXPECT_TRUE(reason_is(self, &place.refusal, EOPNOTSUPP,
				      DMABUF_EXPORTER_CONSTRAINT_MAX_SEGS, 1));
		EXPECT_LT(1, place.refusal.actual);
		EXPECT_LT(0, map_nowait(self->importer, first.attachment,
					DMABUF_IMPORTER_TO_DEVICE));
	} else {
		__u32 segments, before, after;

		ASSERT_LT(0, strict);
		mapping = map(self->importer, first.attachment, DMABUF_IMPORTER_TO_DEVICE);
		ASSERT_LT(0, mapping);
		ASSERT_EQ(0, checksum(self->importer, mapping, 0, bytes, &before));
		ASSERT_EQ(0, unmap(self->importer, mapping));
		mapping = map_segments(self->importer, strict, DMABUF_IMPORTER_TO_DEVICE,
				       &segments);
		ASSERT_LT(0, mapping);
		EXPECT_EQ(1, segments);
		ASSERT_EQ(0, checksum(self->importer, mapping, 0, bytes, &after));
		EXPECT_EQ(before, after);
		ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
		EXPECT_EQ(1, place.here.chunks);
		EXPECT_TRUE(reason_is_none(&place.refusal));
	}
	close(fd);
}

/* proves: N5 */
TEST_F(placement, scattered_pages_as_asked_for_are_never_one_segment)
{
	struct dmabuf_exporter_placement place;
	long long attachment, mapping;
	struct dmabuf_exporter_query query;
	__u32 segments;
	int fd;

	fd = export_with(self, DMABUF_EXPORTER_SCATTER, 0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EOPNOTSUPP, attach_one_segment(self->importer, fd, self->soft));
	ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
	EXPECT_TRUE(reason_is(self, &place.refusal, EOPNOTSUPP,
			      DMABUF_EXPORTER_CONSTRAINT_MAX_SEGS, 1));
	EXPECT_EQ(BUFFER_PAGES, place.refusal.actual);

	attachment = attach(self->importer, fd, self->soft);
	ASSERT_LT(0, attachment);
	mapping = map_segments(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE, &segments);
	ASSERT_LT(0, mapping);
	EXPECT_LT(1, segments);
	EXPECT_EQ(0, unmap(self->importer, mapping));
	EXPECT_EQ(-EOPNOTSUPP, attach_one_segment(self->importer, fd, self->soft));
	ASSERT_EQ(0, buffer_query(self->exporter, fd, &query));
	EXPECT_EQ(DMABUF_EXPORTER_SCATTER, query.backing);
	EXPECT_EQ(1, query.attachments);
	close(fd);
}

/* proves: N5 */
TEST_F(placement, fixed_buffer_refuses_a_device_that_would_move_it)
{
	struct dmabuf_exporter_placement place;
	struct user first;
	__u32 segments;
	long long easy;
	int fd;

	fd = buffer_in_pieces(self->exporter, self->importer, self->soft, self->bytes,
			      DMABUF_EXPORTER_FIXED, &first);
	ASSERT_LE(0, fd);
	segments = first.segments;
	EXPECT_EQ(-EBUSY, attach_one_segment(self->importer, fd, self->soft));
	ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
	EXPECT_EQ(DMABUF_EXPORTER_FIXED, place.flags);
	EXPECT_TRUE(reason_is(self, &place.refusal, EBUSY,
			      DMABUF_EXPORTER_CONSTRAINT_MAX_SEGS, 1));
	EXPECT_EQ(segments, place.refusal.actual);
	/* Mapped or not. */
	EXPECT_EQ(0, unmap(self->importer, first.mapping));
	EXPECT_EQ(-EBUSY, attach_one_segment(self->importer, fd, self->soft));

	easy = attach(self->importer, fd, self->soft);
	ASSERT_LT(0, easy);
	EXPECT_LT(0, map_nowait(self->importer, easy, DMABUF_IMPORTER_TO_DEVICE));
	ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
	EXPECT_EQ(0, place.moves);
	EXPECT_EQ(1, place.allocs);
	close(fd);
}

/* proves: N1, M2 */
TEST_F(placement, fixed_buffer_is_put_where_all_reach_it_that_came_before_the_storage)
{
	struct dmabuf_exporter_placement place;
	long long easy, strict;
	int fd;

	fd = export_with(self, DMABUF_EXPORTER_AUTO, DMABUF_EXPORTER_FIXED);
	ASSERT_LE(0, fd);
	easy = attach(self->importer, fd, self->soft);
	ASSERT_LT(0, easy);
	strict = attach_one_segment(self->importer, fd, self->soft);
	ASSERT_LT(0, strict);
	EXPECT_LT(0, map_nowait(self->importer, easy, DMABUF_IMPORTER_BIDIRECTIONAL));
	EXPECT_LT(0, map_nowait(self->importer, strict, DMABUF_IMPORTER_BIDIRECTIONAL));
	/* One more of those that need no more than there is. */
	EXPECT_LT(0, attach_one_segment(self->importer, fd, self->soft));
	ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
	EXPECT_TRUE(reason_is_none(&place.refusal));
	EXPECT_EQ(1, place.allocs);
	close(fd);
}

/* proves: N6 */
TEST_F(placement, buffer_without_late_attach_refuses_everybody_after_the_first_map)
{
	struct dmabuf_exporter_placement place;
	long long early, second, mapping;
	struct dmabuf_exporter_query query;
	int fd;

	fd = export_with(self, DMABUF_EXPORTER_AUTO, DMABUF_EXPORTER_NO_LATE_ATTACH);
	ASSERT_LE(0, fd);
	early = attach(self->importer, fd, self->soft);
	ASSERT_LT(0, early);
	second = attach(self->importer, fd, self->soft);
	ASSERT_LT(0, second);
	mapping = map(self->importer, early, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, mapping);

	EXPECT_EQ(-EBUSY, attach(self->importer, fd, self->soft));
	ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
	EXPECT_EQ(DMABUF_EXPORTER_NO_LATE_ATTACH, place.flags);
	EXPECT_TRUE(reason_is(self, &place.refusal, EBUSY, DMABUF_EXPORTER_CONSTRAINT_NONE, 0));
	/* Mapped now or once upon a time. */
	EXPECT_EQ(0, unmap(self->importer, mapping));
	EXPECT_EQ(-EBUSY, attach(self->importer, fd, self->soft));
	EXPECT_EQ(0, detach(self->importer, early));
	EXPECT_EQ(-EBUSY, attach(self->importer, fd, self->soft));
	ASSERT_EQ(0, buffer_query(self->exporter, fd, &query));
	EXPECT_EQ(1, query.attachments);
	/* Who was in time stays. */
	EXPECT_LT(0, map_nowait(self->importer, second, DMABUF_IMPORTER_BIDIRECTIONAL));
	close(fd);
}

/* proves: N6 */
TEST_F(placement, storage_alone_makes_no_attach_a_late_one)
{
	long long attachment;
	int fd;

	fd = export_with(self, DMABUF_EXPORTER_AUTO,
			 DMABUF_EXPORTER_NO_LATE_ATTACH | DMABUF_EXPORTER_POPULATE);
	ASSERT_LE(0, fd);
	EXPECT_LT(0, attach(self->importer, fd, self->soft));
	attachment = attach(self->importer, fd, self->soft);
	ASSERT_LT(0, attachment);
	ASSERT_LT(0, map(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE));
	EXPECT_EQ(-EBUSY, attach(self->importer, fd, self->soft));
	close(fd);
}

/* proves: N4 */
TEST_F(placement, no_memory_for_the_new_place_hurts_only_the_one_who_asked)
{
	const size_t size = 2 * MIB;
	long long limit = parameter_get("limit_total_mb");
	unsigned char *bytes = malloc(size);
	struct dmabuf_exporter_placement place;
	struct dmabuf_exporter_info info;
	long long strict, mapping, failed;
	struct extents *before, *after;
	struct user first;
	int fd;

	ASSERT_NE(NULL, bytes);
	ASSERT_LE(0, limit);
	ASSERT_EQ(0, self->before.backed_bytes);
	fd = buffer_in_pieces(self->exporter, self->importer, self->soft, size, 0, &first);
	ASSERT_LE(0, fd);
	scribble(bytes, size, 1);
	ASSERT_EQ(0, copy_in(self->importer, first.mapping, 0, size, bytes));
	before = extents_read(self->importer, first.mapping, first.segments);
	ASSERT_NE(NULL, before);
	ASSERT_EQ(0, unmap(self->importer, first.mapping));
	strict = attach_one_segment(self->importer, fd, self->soft);
	ASSERT_LT(0, strict);

	/* While the bytes are on their way there are two places: 4 MiB. */
	ASSERT_EQ(0, parameter_set("limit_total_mb", 3));
	failed = map_nowait(self->importer, strict, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_EQ(0, parameter_set("limit_total_mb", limit));
	EXPECT_EQ(-ENOMEM, failed);
	ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
	EXPECT_EQ(DMABUF_EXPORTER_BACKED, place.state);
	EXPECT_EQ(1, place.failures);
	EXPECT_EQ(0, place.moves);
	EXPECT_EQ(1, place.allocs);
	EXPECT_EQ(0, place.waiting);
	EXPECT_EQ(ENOMEM, place.refusal.error);
	EXPECT_STREQ(self->engine.device, place.refusal.device);
	EXPECT_EQ(size, backed_bytes(self, fd));
	ASSERT_EQ(0, exporter_info(self->exporter, &info));
	EXPECT_EQ(self->before.backed_bytes + size, info.backed_bytes);

	/* For the others all is as it was. */
	mapping = map_nowait(self->importer, first.attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, mapping);
	after = extents_read(self->importer, mapping, first.segments);
	ASSERT_NE(NULL, after);
	EXPECT_TRUE(extents_equal(before, after));
	EXPECT_TRUE(device_reads(self->importer, mapping, bytes, size));
	scribble(bytes, size, 2);
	ASSERT_EQ(0, copy_in(self->importer, mapping, 0, size, bytes));
	EXPECT_EQ(0, unmap(self->importer, mapping));

	/* The same map of the same attachment, now that there is memory. */
	mapping = map_nowait(self->importer, strict, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, mapping);
	EXPECT_TRUE(device_reads(self->importer, mapping, bytes, size));
	ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
	EXPECT_EQ(1, place.failures);
	EXPECT_EQ(1, place.moves);
	EXPECT_EQ(2, place.allocs);
	/* And the old place has been given back. */
	EXPECT_EQ(size, backed_bytes(self, fd));
	ASSERT_EQ(0, exporter_info(self->exporter, &info));
	EXPECT_EQ(self->before.backed_bytes + size, info.backed_bytes);
	free(before);
	free(after);
	free(bytes);
	close(fd);
}

/* proves: N1 */
TEST_F(placement, no_memory_for_the_first_place_can_be_tried_again)
{
	long long limit = parameter_get("limit_total_mb"), attachment, mapping, failed;
	struct dmabuf_exporter_placement place;
	int fd;

	ASSERT_LE(0, limit);
	fd = buffer_export(self->exporter, 2 * MIB, DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, fd);
	attachment = attach(self->importer, fd, self->soft);
	ASSERT_LT(0, attachment);
	ASSERT_EQ(0, parameter_set("limit_total_mb", 1));
	failed = map(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_EQ(0, parameter_set("limit_total_mb", limit));
	EXPECT_EQ(-ENOMEM, failed);
	ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
	EXPECT_EQ(DMABUF_EXPORTER_EMPTY, place.state);
	EXPECT_EQ(0, place.allocs);
	EXPECT_EQ(0, place.waiting);
	EXPECT_EQ(0, backed_bytes(self, fd));
	mapping = map_nowait(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE);
	EXPECT_LT(0, mapping);
	close(fd);
}

TEST_HARNESS_MAIN
