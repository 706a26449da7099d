// SPDX-License-Identifier: GPL-2.0-only
/* The guide's NOTES: storage just in time, for all devices, and moved for those that come late. */
#include "placement-fixture.h"

/* proves: N1, A6 */
TEST_F(placement, no_storage_is_taken_before_the_first_map)
{
	struct dmabuf_exporter_placement place;
	struct dmabuf_exporter_info info;
	long long attachment, mapping;
	int fd;

	fd = export_with(self, DMABUF_EXPORTER_AUTO, 0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
	EXPECT_EQ(DMABUF_EXPORTER_EMPTY, place.state);
	attachment = attach(self->importer, fd, self->soft);
	ASSERT_LT(0, attachment);
	ASSERT_LT(0, attach_one_segment(self->importer, fd, self->soft));

	ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
	EXPECT_EQ(DMABUF_EXPORTER_EMPTY, place.state);
	EXPECT_EQ(0, place.allocs);
	EXPECT_EQ(0, place.here.chunks);
	EXPECT_EQ(0, place.here.bits);
	EXPECT_STREQ("", place.here.kind);
	EXPECT_EQ(0, backed_bytes(self, fd));
	ASSERT_EQ(0, exporter_info(self->exporter, &info));
	EXPECT_EQ(self->before.backed_bytes, info.backed_bytes);

	mapping = map_nowait(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, mapping);
	ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
	EXPECT_EQ(DMABUF_EXPORTER_MAPPED, place.state);
	EXPECT_EQ(1, place.readers);
	EXPECT_EQ(0, place.writers);
	EXPECT_EQ(1, place.allocs);
	EXPECT_EQ(page_align(self->bytes), backed_bytes(self, fd));
	ASSERT_EQ(0, exporter_info(self->exporter, &info));
	EXPECT_EQ(self->before.backed_bytes + page_align(self->bytes), info.backed_bytes);

	/* It stays when nobody has it mapped. */
	EXPECT_EQ(0, unmap(self->importer, mapping));
	ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
	EXPECT_EQ(DMABUF_EXPORTER_BACKED, place.state);
	EXPECT_EQ(0, place.readers);
	EXPECT_EQ(page_align(self->bytes), backed_bytes(self, fd));
	close(fd);
}

/* proves: M2, N1 */
TEST_F(placement, first_map_takes_storage_for_the_needs_of_all_attached_devices)
{
	struct dmabuf_importer_constraints limits = no_limits;
	long long easy, one_segment, aligned, mapping;
	struct dmabuf_exporter_placement place;
	struct dmabuf_importer_segment part;
	struct holes holes;
	__u32 segments;
	int fd;

	fd = export_with(self, DMABUF_EXPORTER_AUTO, 0);
	ASSERT_LE(0, fd);
	easy = attach(self->importer, fd, self->soft);
	ASSERT_LT(0, easy);
	one_segment = attach_one_segment(self->importer, fd, self->soft);
	ASSERT_LT(0, one_segment);
	limits.align = 64 * page_size();
	aligned = attach_limited(self->importer, fd, self->soft, &limits);
	ASSERT_LT(0, aligned);

	/* The one that maps could do with less. */
	ASSERT_EQ(0, holes_punch(self->exporter, &holes));
	mapping = map_segments(self->importer, easy, DMABUF_IMPORTER_BIDIRECTIONAL, &segments);
	holes_fill(&holes);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(1, segments);
	ASSERT_EQ(0, segment(self->importer, mapping, 0, &part));
	EXPECT_EQ(0, part.dma_address & (limits.align - 1));

	EXPECT_LT(0, map_nowait(self->importer, one_segment, DMABUF_IMPORTER_BIDIRECTIONAL));
	EXPECT_LT(0, map_nowait(self->importer, aligned, DMABUF_IMPORTER_BIDIRECTIONAL));
	ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
	EXPECT_EQ(1, place.allocs);
	EXPECT_EQ(0, place.moves);
	EXPECT_EQ(1, place.here.chunks);
	EXPECT_EQ(3, place.writers);
	EXPECT_TRUE(reason_is_none(&place.move));
	close(fd);
}

/* proves: M2 */
TEST_F(placement, needs_of_a_device_that_has_gone_do_not_count)
{
	long long easy, strict, mapping;
	struct holes holes;
	__u32 segments = 0;
	int fd, tries;

	/* Pages that are freed and taken again may happen to follow each other. */
	for (tries = 0; tries < 10 && segments < 2; tries++) {
		fd = export_with(self, DMABUF_EXPORTER_AUTO, 0);
		ASSERT_LE(0, fd);
		easy = attach(self->importer, fd, self->soft);
		ASSERT_LT(0, easy);
		strict = attach_one_segment(self->importer, fd, self->soft);
		ASSERT_LT(0, strict);
		ASSERT_EQ(0, detach(self->importer, strict));
		ASSERT_EQ(0, holes_punch(self->exporter, &holes));
		mapping = map_segments(self->importer, easy, DMABUF_IMPORTER_TO_DEVICE, &segments);
		holes_fill(&holes);
		ASSERT_LT(0, mapping);
		EXPECT_EQ(0, unmap(self->importer, mapping));
		EXPECT_EQ(0, detach(self->importer, easy));
		close(fd);
	}
	EXPECT_LT(1, segments);
}

/*
 * Each cuts the same memory as it needs it: a device that wants many short segments
 * and one that wants few get on with each other.
 */
/* proves: M2, R2 */
TEST_F(placement, short_segments_of_one_device_are_no_harm_to_another)
{
	const size_t page = page_size();
	const struct {
		__u32 backing, max_segs;	/* of the one that takes few */
		__u64 max_seg_size, boundary;	/* of the one that takes many */
		__u32 many;
	} rows[] = {
		{ DMABUF_EXPORTER_AUTO, 1, page / 2, ~0ULL, 2 * BUFFER_PAGES },
		{ DMABUF_EXPORTER_AUTO, 1, ~0ULL, page - 1, BUFFER_PAGES },
		{ DMABUF_EXPORTER_SCATTER, BUFFER_PAGES, page / 2, ~0ULL, 2 * BUFFER_PAGES },
		{ DMABUF_EXPORTER_SCATTER, BUFFER_PAGES, ~0ULL, page / 2 - 1, 2 * BUFFER_PAGES },
	};
	struct dmabuf_importer_constraints limits;
	long long few, many, mapping;
	__u32 segments;
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		fd = export_with(self, rows[i].backing, 0);
		ASSERT_LE(0, fd);
		limits = no_limits;
		limits.max_segs = rows[i].max_segs;
		few = attach_limited(self->importer, fd, self->soft, &limits);
		ASSERT_LT(0, few) TH_LOG("row %zu", i);
		limits = no_limits;
		limits.max_seg_size = rows[i].max_seg_size;
		limits.seg_boundary = rows[i].boundary;
		many = attach_limited(self->importer, fd, self->soft, &limits);
		EXPECT_LT(0, many) TH_LOG("row %zu", i);
		mapping = map_segments(self->importer, few, DMABUF_IMPORTER_TO_DEVICE, &segments);
		EXPECT_LT(0, mapping) TH_LOG("row %zu", i);
		EXPECT_GE(rows[i].max_segs, segments) TH_LOG("row %zu", i);
		if (many > 0) {
			mapping = map_segments(self->importer, many, DMABUF_IMPORTER_TO_DEVICE,
					       &segments);
			EXPECT_LT(0, mapping) TH_LOG("row %zu", i);
			EXPECT_EQ(rows[i].many, segments) TH_LOG("row %zu", i);
		}
		close(fd);
	}
}

/* proves: N2, M3 */
TEST_F(placement, late_device_that_reaches_the_storage_maps_at_once)
{
	struct dmabuf_exporter_placement place;
	struct extents *seen, *late_seen;
	long long late, mapping;
	struct user first;
	int fd;

	fd = buffer_in_pieces(self->exporter, self->importer, self->soft, self->bytes, 0, &first);
	ASSERT_LE(0, fd);
	/* While it is mapped, and without waiting. */
	late = attach(self->importer, fd, self->soft);
	ASSERT_LT(0, late);
	mapping = map_nowait(self->importer, late, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, mapping);

	seen = extents_read(self->importer, first.mapping, first.segments);
	late_seen = extents_read(self->importer, mapping, first.segments);
	ASSERT_NE(NULL, seen);
	ASSERT_NE(NULL, late_seen);
	EXPECT_TRUE(extents_equal(seen, late_seen));
	ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
	EXPECT_EQ(DMABUF_EXPORTER_MAPPED, place.state);
	EXPECT_EQ(1, place.allocs);
	EXPECT_EQ(0, place.moves);
	EXPECT_EQ(0, place.stalls);
	EXPECT_EQ(2, place.writers);
	free(seen);
	free(late_seen);
	close(fd);
}

/* proves: N2, N4 */
TEST_F(placement, attach_alone_moves_nothing)
{
	struct dmabuf_exporter_placement before, after;
	struct user first;
	long long strict;
	int fd;

	fd = buffer_in_pieces(self->exporter, self->importer, self->soft, self->bytes, 0, &first);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, unmap(self->importer, first.mapping));
	ASSERT_EQ(0, placement_query(self->exporter, fd, &before));
	EXPECT_LT(1, before.here.chunks);
	strict = attach_one_segment(self->importer, fd, self->soft);
	ASSERT_LT(0, strict);
	ASSERT_EQ(0, placement_query(self->exporter, fd, &after));
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	/* Nor does a map of one that is served where it is. */
	EXPECT_LT(0, map_nowait(self->importer, first.attachment, DMABUF_IMPORTER_TO_DEVICE));
	ASSERT_EQ(0, placement_query(self->exporter, fd, &after));
	EXPECT_EQ(0, after.moves);
	EXPECT_EQ(0, memcmp(&before.here, &after.here, sizeof(before.here)));
	close(fd);
}

/* proves: N4, M2 */
TEST_F(placement, new_place_serves_all_that_are_attached_and_not_just_the_one_that_asked)
{
	struct dmabuf_importer_constraints limits = no_limits;
	long long one_segment, aligned, mapping;
	struct dmabuf_exporter_placement place;
	struct user first;
	int fd;

	fd = buffer_in_pieces(self->exporter, self->importer, self->soft, self->bytes, 0, &first);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, unmap(self->importer, first.mapping));
	one_segment = attach_one_segment(self->importer, fd, self->soft);
	ASSERT_LT(0, one_segment);
	limits.align = 64 * page_size();
	aligned = attach_limited(self->importer, fd, self->soft, &limits);
	ASSERT_LT(0, aligned);

	mapping = map_nowait(self->importer, one_segment, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, mapping);
	EXPECT_LT(0, map_nowait(self->importer, aligned, DMABUF_IMPORTER_TO_DEVICE));
	EXPECT_LT(0, map_nowait(self->importer, first.attachment, DMABUF_IMPORTER_TO_DEVICE));
	ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
	EXPECT_EQ(1, place.moves);
	EXPECT_EQ(2, place.allocs);
	EXPECT_EQ(3, place.readers);
	close(fd);
}

/* proves: N4, N1 */
TEST_F(placement, populated_buffer_moves_for_the_first_device_that_cannot_reach_it)
{
	struct dmabuf_exporter_placement place;
	long long strict, mapping;
	unsigned char *memory, *copy = malloc(self->bytes);
	struct holes holes;
	__u32 segments;
	int fd = -1, tries;

	ASSERT_NE(NULL, copy);
	for (tries = 0; tries < 10; tries++) {
		ASSERT_EQ(0, holes_punch(self->exporter, &holes));
		fd = export_with(self, DMABUF_EXPORTER_AUTO, DMABUF_EXPORTER_POPULATE);
		holes_fill(&holes);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
		if (place.here.chunks > 1)
			break;
		close(fd);
	}
	ASSERT_LT(1, place.here.chunks);
	EXPECT_EQ(DMABUF_EXPORTER_BACKED, place.state);
	EXPECT_EQ(1, place.allocs);
	memory = buffer_mmap(self->exporter, fd, self->bytes);
	ASSERT_NE(MAP_FAILED, memory);
	scribble(copy, self->bytes, 1);
	memcpy(memory, copy, self->bytes);
	EXPECT_EQ(0, munmap(memory, self->bytes));

	strict = attach_one_segment(self->importer, fd, self->soft);
	ASSERT_LT(0, strict);
	mapping = map_segments(self->importer, strict, DMABUF_IMPORTER_TO_DEVICE, &segments);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(1, segments);
	EXPECT_TRUE(device_reads(self->importer, mapping, copy, self->bytes));
	ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
	EXPECT_EQ(1, place.moves);
	EXPECT_EQ(1, place.here.chunks);
	free(copy);
	close(fd);
}

/* 16 MiB from the bottom of memory: what a device of the ISA bus reaches. */
#define LOW_MASK 0xffffffULL

/* Return: the first address of the machine's memory, or ~0. */
static unsigned long long lowest_memory(void)
{
	FILE *file = fopen("/proc/iomem", "re");
	unsigned long long first = ~0ULL;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (strstr(line, "System RAM") && sscanf(line, "%llx-", &first) == 1)
			break;
	if (file)
		fclose(file);
	return first;
}

/* proves: N4, N5 */
TEST_F(placement, device_that_reaches_low_addresses_only_gets_low_memory)
{
	const __u32 backings[] = { DMABUF_EXPORTER_AUTO, DMABUF_EXPORTER_SCATTER,
				   DMABUF_EXPORTER_CONTIG, DMABUF_EXPORTER_CMA };
	struct dmabuf_importer_constraints limits = no_limits;
	struct dmabuf_exporter_placement before, after;
	struct dmabuf_importer_segment part;
	struct dmabuf_exporter_query query;
	long long high, low, mapping;
	unsigned char *bytes = malloc(self->bytes);
	__u32 segments, i;
	size_t n;
	int fd;

	ASSERT_NE(NULL, bytes);
	limits.dma_mask = LOW_MASK;
	for (n = 0; n < ARRAY_SIZE(backings); n++) {
		fd = export_with(self, backings[n], 0);
		ASSERT_LE(0, fd);
		high = attach(self->importer, fd, self->soft);
		ASSERT_LT(0, high);
		mapping = map(self->importer, high, DMABUF_IMPORTER_BIDIRECTIONAL);
		ASSERT_LT(0, mapping);
		scribble(bytes, self->bytes, n);
		ASSERT_EQ(0, copy_in(self->importer, mapping, 0, self->bytes, bytes));
		ASSERT_EQ(0, unmap(self->importer, mapping));
		ASSERT_EQ(0, placement_query(self->exporter, fd, &before));
		ASSERT_LT(24, before.here.bits);

		low = attach_limited(self->importer, fd, self->soft, &limits);
		ASSERT_EQ(0, placement_query(self->exporter, fd, &after));
		if (lowest_memory() > LOW_MASK) {
			EXPECT_EQ(-EOPNOTSUPP, low);
			EXPECT_TRUE(reason_is(self, &after.refusal, EOPNOTSUPP,
					      DMABUF_EXPORTER_CONSTRAINT_DMA_MASK, LOW_MASK));
			EXPECT_LT(LOW_MASK, after.refusal.actual);
			close(fd);
			continue;
		}
		ASSERT_LT(0, low);
		mapping = map_segments(self->importer, low, DMABUF_IMPORTER_TO_DEVICE, &segments);
		ASSERT_LT(0, mapping) TH_LOG("backing %u", backings[n]);
		for (i = 0; i < segments; i++) {
			ASSERT_EQ(0, segment(self->importer, mapping, i, &part));
			EXPECT_GE(LOW_MASK, part.dma_address + part.bytes - 1);
		}
		EXPECT_TRUE(device_reads(self->importer, mapping, bytes, self->bytes));
		ASSERT_EQ(0, placement_query(self->exporter, fd, &after));
		EXPECT_EQ(1, after.moves);
		EXPECT_GE(24, after.here.bits);
		EXPECT_EQ(before.here.bits, after.from.bits);
		EXPECT_EQ(after.here.bits, after.to.bits);
		EXPECT_TRUE(reason_is(self, &after.move, 0, DMABUF_EXPORTER_CONSTRAINT_DMA_MASK,
				      LOW_MASK));
		/* As much of the address as tells why, and no more. */
		EXPECT_LT(LOW_MASK, after.move.actual);
		EXPECT_EQ(0, after.move.actual & (after.move.actual + 1));
		/* A backing that was asked for is kept. */
		ASSERT_EQ(0, buffer_query(self->exporter, fd, &query));
		if (backings[n] != DMABUF_EXPORTER_AUTO)
			EXPECT_EQ(backings[n], query.backing);
		close(fd);
	}
	free(bytes);
}

/* proves: N4 */
TEST_F(placement, contiguous_backings_move_within_their_kind)
{
	static const __u32 backings[] = { DMABUF_EXPORTER_CONTIG, DMABUF_EXPORTER_CMA };
	struct dmabuf_importer_constraints limits;
	struct dmabuf_exporter_placement place;
	unsigned char *bytes = malloc(self->bytes);
	long long first, strict, mapping;
	struct dmabuf_exporter_query query;
	__u32 segments;
	size_t i;
	int fd, fds[16], n;

	ASSERT_NE(NULL, bytes);
	for (i = 0; i < ARRAY_SIZE(backings); i++) {
		/* Of many, one does not have the highest alignment. */
		for (n = 0; n < (int)ARRAY_SIZE(fds); n++) {
			fd = export_with(self, backings[i], 0);
			ASSERT_LE(0, fd);
			fds[n] = fd;
			first = attach(self->importer, fd, self->soft);
			ASSERT_LT(0, first);
			mapping = map_segments(self->importer, first,
					       DMABUF_IMPORTER_BIDIRECTIONAL, &segments);
			ASSERT_LT(0, mapping);
			EXPECT_EQ(1, segments);
			if (stricter_limits(self->importer, mapping, segments, &limits))
				break;
		}
		ASSERT_GT(ARRAY_SIZE(fds), n);
		scribble(bytes, self->bytes, i);
		ASSERT_EQ(0, copy_in(self->importer, mapping, 0, self->bytes, bytes));
		ASSERT_EQ(0, unmap(self->importer, mapping));

		strict = attach_limited(self->importer, fd, self->soft, &limits);
		ASSERT_LT(0, strict);
		mapping = map_nowait(self->importer, strict, DMABUF_IMPORTER_TO_DEVICE);
		ASSERT_LT(0, mapping) TH_LOG("backing %u, align %u", backings[i], limits.align);
		EXPECT_TRUE(device_reads(self->importer, mapping, bytes, self->bytes));
		ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
		EXPECT_EQ(1, place.moves);
		EXPECT_TRUE(reason_is(self, &place.move, 0, DMABUF_EXPORTER_CONSTRAINT_ALIGN,
				      limits.align));
		EXPECT_EQ(limits.align / 2, place.move.actual);
		ASSERT_EQ(0, buffer_query(self->exporter, fd, &query));
		EXPECT_EQ(backings[i], query.requested);
		EXPECT_EQ(backings[i], query.backing);
		EXPECT_EQ(1, query.chunks);
		for (; n >= 0; n--)
			close(fds[n]);
	}
	free(bytes);
}

TEST_HARNESS_MAIN
