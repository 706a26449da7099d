// SPDX-License-Identifier: GPL-2.0-only
/*
 * Behind an IOMMU any memory serves any device: scattered pages are one segment,
 * and memory beyond the device's address bits is within its reach.  So nothing
 * moves there that would have to move for a device without.  Only for a machine
 * with an edu behind an IOMMU that translates; anywhere else every test fails.
 *
 * The software engine is the device without an IOMMU.  Its bus addresses are
 * physical ones.
 */
#include "placement-test.h"

#define KIB 1024UL
/* No block of the page allocator is as long: 4 MiB at most, with pages of 4 KiB. */
#define LARGE_BYTES (5 * MIB + 333)

static const struct dmabuf_importer_constraints one_segment = {
	.dma_mask = ~0ULL, .seg_boundary = ~0ULL, .max_seg_size = ~0ULL, .max_segs = 1,
	.align = 1,
};

/* Is the device in an IOMMU domain in which the DMA API translates its addresses? */
static bool dma_is_translated(const char *device)
{
	char path[256], type[32];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group/type", device);
	if (file_read(path, type, sizeof(type)) < 0)
		return false;
	return !strcmp(type, "DMA\n") || !strcmp(type, "DMA-FQ\n");
}

/* Finds an edu behind an IOMMU, and the software engine.  Return: 0 or -ENOENT. */
static int engines_find(int importer, __u32 *edu, __u64 *edu_mask, __u32 *soft)
{
	int edu_index = engine_find(importer, DMABUF_IMPORTER_EDU, 0);
	int soft_index = engine_find(importer, DMABUF_IMPORTER_SOFT, 0);
	struct dmabuf_importer_engine engine;

	if (edu_index < 0 || soft_index < 0 || engine_describe(importer, edu_index, &engine) ||
	    !dma_is_translated(engine.device))
		return -ENOENT;
	*edu = edu_index;
	*edu_mask = engine.constraints.dma_mask;
	*soft = soft_index;
	return 0;
}

/* Return: the highest bus address in a mapping, or 0 if a segment cannot be asked for. */
static __u64 last_address(int importer, __u32 mapping, __u32 segments)
{
	struct dmabuf_importer_segment part;
	__u64 last = 0;
	__u32 i;

	for (i = 0; i < segments; i++) {
		if (segment(importer, mapping, i, &part))
			return 0;
		if (last < part.dma_address + part.bytes - 1)
			last = part.dma_address + part.bytes - 1;
	}
	return last;
}

FIXTURE(iommu)
{
	int exporter;
	int importer;
	int fd;
	__u32 edu;
	__u32 soft;
	__u64 edu_mask;
	unsigned char *memory;
	unsigned char *expected;
	struct counters before;
};

FIXTURE_VARIANT(iommu)
{
	size_t bytes;
};

FIXTURE_VARIANT_ADD(iommu, two_pages) {
	.bytes = 8 * KIB,
};

FIXTURE_VARIANT_ADD(iommu, kib_64) {
	.bytes = 64 * KIB,
};

FIXTURE_VARIANT_ADD(iommu, kib_300_and_some) {
	.bytes = 300 * KIB + 333,
};

FIXTURE_VARIANT_ADD(iommu, mib_1) {
	.bytes = MIB,
};

/* A buffer in scattered pages, with bytes that the CPU wrote, attached to nobody yet. */
FIXTURE_SETUP(iommu)
{
	struct dmabuf_exporter_query query;

	ASSERT_EQ(0, counters_read(&self->before));
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	ASSERT_EQ(0, engines_find(self->importer, &self->edu, &self->edu_mask, &self->soft));

	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->fd = buffer_export_populated(self->exporter, variant->bytes,
					   DMABUF_EXPORTER_SCATTER);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, buffer_query(self->exporter, self->fd, &query));
	ASSERT_LT(1, query.chunks);
	self->memory = buffer_mmap(self->exporter, self->fd, variant->bytes);
	ASSERT_NE(MAP_FAILED, self->memory);
	self->expected = malloc(variant->bytes);
	ASSERT_NE(NULL, self->expected);
	scribble(self->expected, variant->bytes, 1);
	memcpy(self->memory, self->expected, variant->bytes);
}

FIXTURE_TEARDOWN(iommu)
{
	free(self->expected);
	EXPECT_EQ(0, munmap(self->memory, variant->bytes));
	EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* Return: a handle of edu's, which takes one segment only, or -errno. */
static long long attach_edu(FIXTURE_DATA(iommu) *self)
{
	return attach_limited(self->importer, self->fd, self->edu, &one_segment);
}

/* proves: N2, M1 */
TEST_F(iommu, scattered_pages_are_one_segment)
{
	struct dmabuf_exporter_query before, after;
	struct dmabuf_importer_segment part;
	long long attachment, mapping;
	__u32 segments;

	ASSERT_EQ(0, buffer_query(self->exporter, self->fd, &before));
	attachment = attach_edu(self);
	ASSERT_LT(0, attachment);
	mapping = map_segments(self->importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL,
			       &segments);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(1, segments);
	ASSERT_EQ(0, segment(self->importer, mapping, 0, &part));
	EXPECT_EQ(variant->bytes, part.bytes);
	EXPECT_GE(self->edu_mask, part.dma_address + part.bytes - 1);
	/* It is the IOMMU's doing: the memory is as it was. */
	ASSERT_EQ(0, buffer_query(self->exporter, self->fd, &after));
	EXPECT_EQ(before.chunks, after.chunks);
	EXPECT_EQ(DMABUF_EXPORTER_SCATTER, after.backing);
}

/* proves: R3, M1 */
TEST_F(iommu, engine_reads_what_the_cpu_wrote)
{
	long long attachment, mapping;
	__u32 sum;

	attachment = attach_edu(self);
	ASSERT_LT(0, attachment);
	mapping = map(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, mapping);
	ASSERT_EQ(0, checksum(self->importer, mapping, 0, variant->bytes, &sum));
	EXPECT_EQ(crc32(self->expected, variant->bytes), sum);
}

/* proves: R3, U1 */
TEST_F(iommu, cpu_reads_what_the_engine_wrote)
{
	long long attachment, mapping;

	attachment = attach_edu(self);
	ASSERT_LT(0, attachment);
	mapping = map(self->importer, attachment, DMABUF_IMPORTER_FROM_DEVICE);
	ASSERT_LT(0, mapping);
	scribble(self->expected, variant->bytes, 2);
	ASSERT_EQ(0, copy_in(self->importer, mapping, 0, variant->bytes, self->expected));
	EXPECT_EQ(0, unmap(self->importer, mapping));
	EXPECT_EQ(0, memcmp(self->memory, self->expected, variant->bytes));
}

/* proves: N2, M3 */
TEST_F(iommu, buffer_mapped_by_a_device_without_serves_one_segment_where_it_is)
{
	struct dmabuf_exporter_placement before, after;
	long long direct, attachment, mapping;
	__u32 segments, sum;

	direct = attach(self->importer, self->fd, self->soft);
	ASSERT_LT(0, direct);
	direct = map_segments(self->importer, direct, DMABUF_IMPORTER_BIDIRECTIONAL, &segments);
	ASSERT_LT(0, direct);
	EXPECT_LT(1, segments);
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &before));

	/* It comes late and is stricter, and yet neither waits nor moves anything. */
	attachment = attach_edu(self);
	ASSERT_LT(0, attachment);
	mapping = map_with_flags(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE,
				 DMABUF_IMPORTER_NOWAIT, 0, &segments);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(1, segments);
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &after));
	EXPECT_EQ(DMABUF_EXPORTER_MAPPED, after.state);
	EXPECT_EQ(1, after.allocs);
	EXPECT_EQ(0, after.moves);
	EXPECT_EQ(0, after.stalls);
	EXPECT_EQ(0, after.failures);
	EXPECT_EQ(before.here.chunks, after.here.chunks);
	EXPECT_EQ(before.here.bits, after.here.bits);

	/* Both see the same bytes, through mappings that are there at once. */
	ASSERT_EQ(0, checksum(self->importer, mapping, 0, variant->bytes, &sum));
	EXPECT_EQ(crc32(self->expected, variant->bytes), sum);
	ASSERT_EQ(0, checksum(self->importer, direct, 0, variant->bytes, &sum));
	EXPECT_EQ(crc32(self->expected, variant->bytes), sum);
}

/* proves: N2 */
TEST_F(iommu, memory_beyond_the_address_bits_of_the_engine_serves_it_where_it_is)
{
	struct dmabuf_exporter_placement placement;
	long long direct, attachment, mapping;
	__u32 segments, sum;

	direct = attach(self->importer, self->fd, self->soft);
	ASSERT_LT(0, direct);
	direct = map_segments(self->importer, direct, DMABUF_IMPORTER_TO_DEVICE, &segments);
	ASSERT_LT(0, direct);
	ASSERT_LT(self->edu_mask, last_address(self->importer, direct, segments));

	/* All of its own limits, and none but these. */
	attachment = attach(self->importer, self->fd, self->edu);
	ASSERT_LT(0, attachment);
	mapping = map_with_flags(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE,
				 DMABUF_IMPORTER_NOWAIT, 0, &segments);
	ASSERT_LT(0, mapping);
	EXPECT_GE(self->edu_mask, last_address(self->importer, mapping, segments));
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &placement));
	EXPECT_EQ(0, placement.moves);
	EXPECT_EQ(0, placement.stalls);
	EXPECT_LT(28, placement.here.bits);
	ASSERT_EQ(0, checksum(self->importer, mapping, 0, variant->bytes, &sum));
	EXPECT_EQ(crc32(self->expected, variant->bytes), sum);
}

/* A buffer that may lie anywhere, and does lie in more than one piece. */
FIXTURE(movable)
{
	int exporter;
	int importer;
	int fd;
	__u32 edu;
	__u32 soft;
	__u64 edu_mask;
	unsigned char *memory;
	unsigned char *expected;
	struct counters before;
};

#define MOVABLE_BYTES (300 * KIB + 333)

FIXTURE_SETUP(movable)
{
	struct dmabuf_exporter_query query;
	struct holes holes;

	ASSERT_EQ(0, counters_read(&self->before));
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	ASSERT_EQ(0, engines_find(self->importer, &self->edu, &self->edu_mask, &self->soft));

	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	ASSERT_EQ(0, holes_punch(self->exporter, &holes));
	self->fd = buffer_export_populated(self->exporter, MOVABLE_BYTES, DMABUF_EXPORTER_AUTO);
	holes_fill(&holes);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, buffer_query(self->exporter, self->fd, &query));
	ASSERT_LT(1, query.chunks);
	EXPECT_EQ(DMABUF_EXPORTER_SCATTER, query.backing);
	self->memory = buffer_mmap(self->exporter, self->fd, MOVABLE_BYTES);
	ASSERT_NE(MAP_FAILED, self->memory);
	self->expected = malloc(MOVABLE_BYTES);
	ASSERT_NE(NULL, self->expected);
	scribble(self->expected, MOVABLE_BYTES, 3);
	memcpy(self->memory, self->expected, MOVABLE_BYTES);
}

FIXTURE_TEARDOWN(movable)
{
	free(self->expected);
	EXPECT_EQ(0, munmap(self->memory, MOVABLE_BYTES));
	EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* proves: N3, N4 */
TEST_F(movable, buffer_moves_for_the_one_segment_device_that_has_no_iommu_only)
{
	struct dmabuf_exporter_placement placement;
	long long edu, soft, mapping;
	__u32 segments, sum;

	edu = attach_limited(self->importer, self->fd, self->edu, &one_segment);
	ASSERT_LT(0, edu);
	mapping = map_segments(self->importer, edu, DMABUF_IMPORTER_TO_DEVICE, &segments);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(1, segments);
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &placement));
	EXPECT_EQ(0, placement.moves);
	EXPECT_LT(1, placement.here.chunks);

	soft = attach_limited(self->importer, self->fd, self->soft, &one_segment);
	ASSERT_LT(0, soft);
	EXPECT_EQ(-EAGAIN, map_nowait(self->importer, soft, DMABUF_IMPORTER_TO_DEVICE));
	EXPECT_EQ(0, unmap(self->importer, mapping));
	mapping = map_with_flags(self->importer, soft, DMABUF_IMPORTER_TO_DEVICE,
				 DMABUF_IMPORTER_NOWAIT, 0, &segments);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(1, segments);
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &placement));
	EXPECT_EQ(1, placement.moves);
	EXPECT_EQ(1, placement.here.chunks);
	EXPECT_EQ(DMABUF_EXPORTER_CONSTRAINT_MAX_SEGS, placement.move.constraint);
	ASSERT_EQ(0, checksum(self->importer, mapping, 0, MOVABLE_BYTES, &sum));
	EXPECT_EQ(crc32(self->expected, MOVABLE_BYTES), sum);

	/* The device behind the IOMMU finds it at its new place, and so does the CPU. */
	mapping = map_with_flags(self->importer, edu, DMABUF_IMPORTER_TO_DEVICE,
				 DMABUF_IMPORTER_NOWAIT, 0, &segments);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(1, segments);
	ASSERT_EQ(0, checksum(self->importer, mapping, 0, MOVABLE_BYTES, &sum));
	EXPECT_EQ(crc32(self->expected, MOVABLE_BYTES), sum);
	EXPECT_EQ(0, memcmp(self->memory, self->expected, MOVABLE_BYTES));
}

FIXTURE(empty)
{
	int exporter;
	int importer;
	__u32 edu;
	__u32 soft;
	__u64 edu_mask;
	struct counters before;
};

FIXTURE_SETUP(empty)
{
	ASSERT_EQ(0, counters_read(&self->before));
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	ASSERT_EQ(0, engines_find(self->importer, &self->edu, &self->edu_mask, &self->soft));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
}

FIXTURE_TEARDOWN(empty)
{
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* proves: M2 */
TEST_F(empty, buffer_of_a_one_segment_device_gets_scattered_pages)
{
	struct dmabuf_exporter_query query;
	long long attachment;
	__u32 segments;
	int fd;

	fd = buffer_export(self->exporter, 64 * KIB, DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, fd);
	attachment = attach_limited(self->importer, fd, self->edu, &one_segment);
	ASSERT_LT(0, attachment);
	ASSERT_LT(0, map_segments(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE,
				  &segments));
	EXPECT_EQ(1, segments);
	ASSERT_EQ(0, buffer_query(self->exporter, fd, &query));
	EXPECT_EQ(DMABUF_EXPORTER_SCATTER, query.backing);
	EXPECT_EQ(0, close(fd));
}

/* proves: M2 */
TEST_F(empty, buffer_of_a_one_segment_device_without_gets_contiguous_memory)
{
	struct dmabuf_exporter_query query;
	long long attachment, other;
	__u32 segments;
	int fd;

	fd = buffer_export(self->exporter, 64 * KIB, DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, fd);
	other = attach_limited(self->importer, fd, self->edu, &one_segment);
	ASSERT_LT(0, other);
	attachment = attach_limited(self->importer, fd, self->soft, &one_segment);
	ASSERT_LT(0, attachment);
	ASSERT_LT(0, map_segments(self->importer, other, DMABUF_IMPORTER_TO_DEVICE, &segments));
	EXPECT_EQ(1, segments);
	ASSERT_EQ(0, buffer_query(self->exporter, fd, &query));
	EXPECT_NE(DMABUF_EXPORTER_SCATTER, query.backing);
	EXPECT_EQ(1, query.chunks);
	ASSERT_LT(0, map_segments(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE,
				  &segments));
	EXPECT_EQ(1, segments);
	EXPECT_EQ(0, close(fd));
}

/* proves: N5, A3 */
TEST_F(empty, scattered_buffer_refuses_the_one_segment_device_without_only)
{
	unsigned char *expected = malloc(LARGE_BYTES), *memory, back[64];
	const size_t offsets[] = { 0, 3 * MIB - 7, LARGE_BYTES - sizeof(back) };
	long long attachment, mapping;
	__u32 segments;
	size_t i;
	int fd;

	ASSERT_NE(NULL, expected);
	fd = buffer_export(self->exporter, LARGE_BYTES, DMABUF_EXPORTER_SCATTER);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EOPNOTSUPP, attach_limited(self->importer, fd, self->soft, &one_segment));
	attachment = attach_limited(self->importer, fd, self->edu, &one_segment);
	ASSERT_LT(0, attachment);
	memory = buffer_mmap(self->exporter, fd, LARGE_BYTES);
	ASSERT_NE(MAP_FAILED, memory);
	scribble(expected, LARGE_BYTES, 4);
	memcpy(memory, expected, LARGE_BYTES);
	mapping = map_segments(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE, &segments);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(1, segments);
	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		ASSERT_EQ(0, copy_out(self->importer, mapping, offsets[i], sizeof(back), back));
		EXPECT_EQ(0, memcmp(expected + offsets[i], back, sizeof(back)))
			TH_LOG("offset %zu", offsets[i]);
	}
	EXPECT_EQ(0, munmap(memory, LARGE_BYTES));
	EXPECT_EQ(0, close(fd));
	free(expected);
}

TEST_HARNESS_MAIN
