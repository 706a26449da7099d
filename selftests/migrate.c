// SPDX-License-Identifier: GPL-2.0-only
/* A buffer moves between two bus masters of different reach: from where to where, and its bytes. */
#include "migrate-fixture.h"

#define LARGE_BYTES (8 * MIB)
#define PATTERN 0x0102030405060708ULL

/* The narrow one maps, waits for the wide one, which unmaps; false if it goes otherwise. */
static bool narrow_drains_wide(FIXTURE_DATA(migrate) *self)
{
	struct waiter waiter = {};

	if (waiter_start(&waiter, self->importer, self->narrow.attachment,
			 DMABUF_IMPORTER_BIDIRECTIONAL) ||
	    !placement_becomes(self->exporter, self->fd, DMABUF_EXPORTER_DRAINING, 1) ||
	    unmap(self->importer, self->wide.mapping) || waiter_finish(&waiter) <= 0)
		return false;
	self->narrow.mapping = waiter.mapping;
	self->narrow.segments = waiter.segments;
	return true;
}

/* proves: M2, N1 */
TEST_F_TIMEOUT(migrate, first_map_of_the_wide_one_puts_the_buffer_high, TIMEOUT)
{
	struct dmabuf_exporter_placement placement;

	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &placement));
	EXPECT_EQ(DMABUF_EXPORTER_MAPPED, placement.state);
	EXPECT_LT(mask_bits(self->edus.narrow.mask), placement.here.bits);
	EXPECT_TRUE(lies_high(self->importer, self->wide.mapping, self->wide.segments,
			      &self->edus));
	EXPECT_EQ(0, placement.moves);
	EXPECT_EQ(1, placement.allocs);
}

/* proves: N2, N3 */
TEST_F_TIMEOUT(migrate, map_of_the_narrow_one_waits_until_the_wide_one_unmaps, TIMEOUT)
{
	struct dmabuf_exporter_placement placement;
	struct waiter waiter = {};

	ASSERT_EQ(0, waiter_start(&waiter, self->importer, self->narrow.attachment,
				  DMABUF_IMPORTER_TO_DEVICE));
	ASSERT_TRUE(placement_becomes(self->exporter, self->fd, DMABUF_EXPORTER_DRAINING, 1));
	/* What the wide one does meanwhile is done where the buffer lies. */
	scribble(self->bytes, 64, 40);
	EXPECT_EQ(0, copy_in(self->importer, self->wide.mapping, 0, 64, self->bytes));
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &placement));
	EXPECT_EQ(DMABUF_EXPORTER_DRAINING, placement.state);
	EXPECT_EQ(1, placement.waiting);
	EXPECT_EQ(1, placement.stalls);
	EXPECT_EQ(0, placement.moves);
	EXPECT_LT(mask_bits(self->edus.narrow.mask), placement.here.bits);

	EXPECT_EQ(0, unmap(self->importer, self->wide.mapping));
	ASSERT_LT(0, waiter_finish(&waiter));
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &placement));
	EXPECT_EQ(DMABUF_EXPORTER_MAPPED, placement.state);
	EXPECT_EQ(0, placement.waiting);
	EXPECT_EQ(1, placement.moves);
	EXPECT_TRUE(device_reads(self->importer, waiter.mapping, self->bytes, BYTES));
}

/* proves: N4 */
TEST_F_TIMEOUT(migrate, buffer_lies_low_then_and_both_engines_have_the_checksum, TIMEOUT)
{
	struct dmabuf_exporter_placement placement;
	__u32 expected = crc32(self->bytes, BYTES), sum;

	ASSERT_EQ(0, checksum(self->importer, self->wide.mapping, 0, BYTES, &sum));
	EXPECT_EQ(expected, sum);
	ASSERT_TRUE(narrow_drains_wide(self));
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &placement));
	EXPECT_GE(mask_bits(self->edus.narrow.mask), placement.here.bits);
	EXPECT_TRUE(lies_low(self->importer, self->narrow.mapping, self->narrow.segments,
			     &self->edus));
	ASSERT_EQ(0, checksum(self->importer, self->narrow.mapping, 0, BYTES, &sum));
	EXPECT_EQ(expected, sum);

	ASSERT_LT(0, wide_maps_again(self));
	EXPECT_TRUE(lies_low(self->importer, self->wide.mapping, self->wide.segments,
			     &self->edus));
	ASSERT_EQ(0, checksum(self->importer, self->wide.mapping, 0, BYTES, &sum));
	EXPECT_EQ(expected, sum);
}

/* proves: N3, N4 */
TEST_F_TIMEOUT(migrate, move_tells_who_asked_for_it_and_why, TIMEOUT)
{
	struct dmabuf_exporter_placement before, after;

	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &before));
	EXPECT_STREQ("", before.move.device);
	ASSERT_TRUE(narrow_drains_wide(self));
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &after));

	EXPECT_STREQ(self->edus.narrow.device, after.move.device);
	EXPECT_EQ(DMABUF_EXPORTER_CONSTRAINT_DMA_MASK, after.move.constraint);
	EXPECT_EQ(0, after.move.error);
	EXPECT_EQ(self->edus.narrow.mask, after.move.allowed);
	EXPECT_LT(self->edus.narrow.mask, after.move.actual);
	EXPECT_EQ(BYTES, after.move_bytes);
	EXPECT_EQ(BYTES, after.moved_bytes);
	EXPECT_LT(0, after.move_drain_ns);
	EXPECT_EQ(after.move_drain_ns, after.drain_ns);
	EXPECT_EQ(0, memcmp(&before.here, &after.from, sizeof(after.from)));
	EXPECT_EQ(0, memcmp(&after.here, &after.to, sizeof(after.to)));
	EXPECT_EQ(1, after.moves);
	EXPECT_EQ(2, after.allocs);
	EXPECT_EQ(0, after.failures);
	EXPECT_STREQ("", after.refusal.device);
}

/* proves: N4 */
TEST_F_TIMEOUT(migrate, buffer_does_not_move_back, TIMEOUT)
{
	struct dmabuf_exporter_placement placement;

	ASSERT_TRUE(narrow_drains_wide(self));
	EXPECT_EQ(0, unmap(self->importer, self->narrow.mapping));
	/* Nor when the strict one has gone. */
	EXPECT_EQ(0, detach(self->importer, self->narrow.attachment));
	ASSERT_LT(0, wide_maps_again(self));
	EXPECT_TRUE(lies_low(self->importer, self->wide.mapping, self->wide.segments,
			     &self->edus));
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &placement));
	EXPECT_EQ(1, placement.moves);
	EXPECT_GE(mask_bits(self->edus.narrow.mask), placement.here.bits);
	EXPECT_TRUE(device_reads(self->importer, self->wide.mapping, self->bytes, BYTES));
}

/* proves: N4, R4 */
TEST_F_TIMEOUT(migrate, cpu_sees_the_same_bytes_before_and_after, TIMEOUT)
{
	size_t end = page_align(BYTES);
	unsigned char *cpu = buffer_mmap(self->exporter, self->fd, end);

	ASSERT_NE(MAP_FAILED, cpu);
	EXPECT_EQ(0, memcmp(cpu, self->bytes, BYTES));
	memset(cpu + BYTES, 0x5a, end - BYTES);
	ASSERT_TRUE(narrow_drains_wide(self));
	EXPECT_EQ(0, memcmp(cpu, self->bytes, BYTES));
	/* What follows the buffer's end in its last page is nobody's: kept or cleared. */
	EXPECT_TRUE(all_bytes_are(cpu + BYTES, end - BYTES, 0x5a) ||
		    all_bytes_are(cpu + BYTES, end - BYTES, 0));

	/* And the CPU writes where the device now reads. */
	scribble(self->bytes, BYTES, 64);
	memcpy(cpu, self->bytes, BYTES);
	EXPECT_EQ(0, unmap(self->importer, self->narrow.mapping));
	ASSERT_LT(0, wide_maps_again(self));
	EXPECT_TRUE(device_reads(self->importer, self->wide.mapping, self->bytes, BYTES));
	munmap(cpu, end);
}

/* proves: N4, M2 */
TEST_F_TIMEOUT(migrate, device_of_one_segment_gets_a_contiguous_place, TIMEOUT)
{
	struct dmabuf_importer_constraints limits = no_limits;
	struct dmabuf_exporter_placement placement;
	long long attachment, mapping;
	struct user pieces;
	__u32 segments;
	int fd;

	fd = buffer_in_pieces(self->exporter, self->importer, self->edus.wide.index, BYTES, 0,
			      &pieces);
	ASSERT_LE(0, fd);
	ASSERT_LT(1, pieces.segments);
	ASSERT_EQ(0, copy_in(self->importer, pieces.mapping, 0, BYTES, self->bytes));
	limits.max_segs = 1;
	attachment = attach_limited(self->importer, fd, self->edus.wide.index, &limits);
	ASSERT_LT(0, attachment);
	ASSERT_EQ(0, unmap(self->importer, pieces.mapping));

	mapping = map_segments(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE, &segments);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(1, segments);
	EXPECT_TRUE(device_reads(self->importer, mapping, self->bytes, BYTES));
	ASSERT_EQ(0, placement_query(self->exporter, fd, &placement));
	EXPECT_EQ(1, placement.moves);
	EXPECT_EQ(1, placement.here.chunks);
	EXPECT_EQ(pieces.segments, placement.from.chunks);
	EXPECT_STREQ(self->edus.wide.device, placement.move.device);
	EXPECT_EQ(DMABUF_EXPORTER_CONSTRAINT_MAX_SEGS, placement.move.constraint);
	EXPECT_EQ(1, placement.move.allowed);
	EXPECT_EQ(pieces.segments, placement.move.actual);
	close(fd);
}

/* proves: N5, M2 */
TEST_F_TIMEOUT(migrate, size_that_cannot_be_contiguous_is_refused_with_the_reason, TIMEOUT)
{
	struct dmabuf_importer_constraints limits = no_limits;
	const bool cma = cma_total() >= LARGE_BYTES;
	struct dmabuf_exporter_placement placement;
	long long strict, attachment, mapping;
	__u32 segments;
	int fd;

	/* Other than CMA, the largest block is one of 4 MiB. */
	fd = buffer_export(self->exporter, LARGE_BYTES, DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, fd);
	limits.max_segs = 1;
	strict = attach_limited(self->importer, fd, self->edus.wide.index, &limits);
	ASSERT_EQ(0, placement_query(self->exporter, fd, &placement));
	EXPECT_EQ(DMABUF_EXPORTER_EMPTY, placement.state);
	if (cma) {
		ASSERT_LT(0, strict);
		EXPECT_TRUE(reason_is_none(&placement.refusal));
		mapping = map_segments(self->importer, strict, DMABUF_IMPORTER_BIDIRECTIONAL,
				       &segments);
		ASSERT_LT(0, mapping);
		EXPECT_EQ(1, segments);
		ASSERT_EQ(0, placement_query(self->exporter, fd, &placement));
		EXPECT_EQ(1, placement.here.chunks);
		EXPECT_EQ(0, placement.moves);
		EXPECT_EQ(0, fill(self->importer, mapping, LARGE_BYTES - 64, 64, PATTERN));
		EXPECT_EQ(0, unmap(self->importer, mapping));
	} else {
		EXPECT_EQ(-EOPNOTSUPP, strict);
		EXPECT_STREQ(self->edus.wide.device, placement.refusal.device);
		EXPECT_EQ(DMABUF_EXPORTER_CONSTRAINT_MAX_SEGS, placement.refusal.constraint);
		EXPECT_EQ(EOPNOTSUPP, placement.refusal.error);
		EXPECT_EQ(1, placement.refusal.allowed);
		EXPECT_LT(1, placement.refusal.actual);
	}

	/* Nor does it come later, and nobody else is any the worse for it. */
	attachment = attach(self->importer, fd, self->edus.narrow.index);
	ASSERT_LT(0, attachment);
	mapping = map(self->importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, mapping);
	strict = attach_limited(self->importer, fd, self->edus.wide.index, &limits);
	EXPECT_TRUE(cma ? strict > 0 : strict == -EOPNOTSUPP) TH_LOG("attach: %lld", strict);
	EXPECT_EQ(0, fill(self->importer, mapping, LARGE_BYTES - 64, 64, PATTERN));
	EXPECT_EQ(0, unmap(self->importer, mapping));
	close(fd);
}

/* All sizes, and every byte of them. */
FIXTURE(pattern)
{
	int exporter, importer;
	struct edus edus;
	int fd;
	unsigned char *expected;
	struct counters before;
};

FIXTURE_VARIANT(pattern)
{
	size_t bytes;
};

FIXTURE_VARIANT_ADD(pattern, byte) {
	.bytes = 1,
};

FIXTURE_VARIANT_ADD(pattern, one_less_than_a_page) {
	.bytes = 4095,
};

FIXTURE_VARIANT_ADD(pattern, page) {
	.bytes = 4096,
};

FIXTURE_VARIANT_ADD(pattern, one_more_than_a_page) {
	.bytes = 4097,
};

FIXTURE_VARIANT_ADD(pattern, kib_64) {
	.bytes = 64 * 1024,
};

FIXTURE_VARIANT_ADD(pattern, kib_64_and_more) {
	.bytes = 64 * 1024 + 123,
};

FIXTURE_VARIANT_ADD(pattern, mib) {
	.bytes = MIB,
};

FIXTURE_VARIANT_ADD(pattern, mib_and_more) {
	.bytes = MIB + 1,
};

FIXTURE_VARIANT_ADD(pattern, mib_16) {
	.bytes = 16 * MIB,
};

FIXTURE_VARIANT_ADD(pattern, nearly_mib_16) {
	.bytes = 16 * MIB - 5,
};

FIXTURE_SETUP(pattern)
{
	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	ASSERT_TRUE(edus_find(self->importer, &self->edus));
	self->fd = buffer_export(self->exporter, variant->bytes, DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, self->fd);
	self->expected = malloc(variant->bytes);
	ASSERT_NE(NULL, self->expected);
}

FIXTURE_TEARDOWN(pattern)
{
	free(self->expected);
	EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* proves: N4, R3, R5 */
TEST_F_TIMEOUT(pattern, of_one_engine_is_read_by_the_other_after_the_move, TIMEOUT)
{
	size_t half = variant->bytes / 2, end = page_align(variant->bytes), i;
	struct dmabuf_exporter_placement placement;
	long long attachment, mapping;
	unsigned char *cpu;
	__u32 segments;

	/* Half of it is copied, half of it is filled. */
	scribble(self->expected, half, variant->bytes);
	for (i = half; i < variant->bytes; i++)
		self->expected[i] = PATTERN >> (i - half) % 8 * 8;

	attachment = attach(self->importer, self->fd, self->edus.wide.index);
	ASSERT_LT(0, attachment);
	mapping = map_segments(self->importer, attachment, DMABUF_IMPORTER_FROM_DEVICE,
			       &segments);
	ASSERT_LT(0, mapping);
	EXPECT_TRUE(lies_high(self->importer, mapping, segments, &self->edus));
	ASSERT_EQ(0, copy_in(self->importer, mapping, 0, half, self->expected));
	ASSERT_EQ(0, fill(self->importer, mapping, half, variant->bytes - half, PATTERN));
	ASSERT_EQ(0, unmap(self->importer, mapping));

	attachment = attach(self->importer, self->fd, self->edus.narrow.index);
	ASSERT_LT(0, attachment);
	mapping = map_segments(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE, &segments);
	ASSERT_LT(0, mapping);
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &placement));
	ASSERT_EQ(1, placement.moves);
	EXPECT_EQ(variant->bytes, placement.move_bytes);
	EXPECT_TRUE(lies_low(self->importer, mapping, segments, &self->edus));
	EXPECT_TRUE(device_reads(self->importer, mapping, self->expected, variant->bytes));
	ASSERT_EQ(0, unmap(self->importer, mapping));

	cpu = buffer_mmap(self->exporter, self->fd, end);
	ASSERT_NE(MAP_FAILED, cpu);
	EXPECT_EQ(0, memcmp(cpu, self->expected, variant->bytes));
	EXPECT_TRUE(all_bytes_are(cpu + variant->bytes, end - variant->bytes, 0));
	munmap(cpu, end);
}

TEST_HARNESS_MAIN
