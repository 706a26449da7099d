// SPDX-License-Identifier: GPL-2.0-only
/*
 * No silent bounce: a mapping that would go through swiotlb is refused.  Only on
 * a kernel booted with swiotlb=force, where every mapping of a device without an
 * IOMMU would; anywhere else every test fails.
 */
#include "test-modules.h"

#define KIB 1024UL
/* Longer than any piece that swiotlb takes. */
#define LONG_BYTES (300 * KIB)
/* More than the 64 MiB that swiotlb has in all. */
#define TOO_MUCH_BYTES (80 * MIB)

#define SWIOTLB_USED "/sys/kernel/debug/swiotlb/io_tlb_used"

static const __u32 directions[] = {
	DMABUF_IMPORTER_BIDIRECTIONAL, DMABUF_IMPORTER_TO_DEVICE, DMABUF_IMPORTER_FROM_DEVICE,
};

static bool swiotlb_is_forced(void)
{
	char text[4096];

	return file_read("/proc/cmdline", text, sizeof(text)) > 0 && strstr(text, "swiotlb=force");
}

FIXTURE(log)
{
	int exporter;
	int importer;
	int kmsg;
	struct dmabuf_importer_engine engine;
	struct counters before;
};

FIXTURE_VARIANT(log)
{
	__u32 type;
	unsigned int nth;
};

FIXTURE_VARIANT_ADD(log, edu) {
	.type = DMABUF_IMPORTER_EDU,
};

FIXTURE_VARIANT_ADD(log, second_edu) {
	.type = DMABUF_IMPORTER_EDU,
	.nth = 1,
};

FIXTURE_VARIANT_ADD(log, soft) {
	.type = DMABUF_IMPORTER_SOFT,
};

FIXTURE_SETUP(log)
{
	int index;

	ASSERT_TRUE(swiotlb_is_forced());
	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	index = engine_find(self->importer, variant->type, variant->nth);
	ASSERT_LE(0, index);
	ASSERT_EQ(0, engine_describe(self->importer, index, &self->engine));
	self->kmsg = kmsg_open();
	ASSERT_LE(0, self->kmsg);
}

FIXTURE_TEARDOWN(log)
{
	close(self->kmsg);
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* What swiotlb could hold, and what is too long for it: the DMA API tells these apart. */
TEST_F(log, names_the_device_and_swiotlb)
{
	static const struct {
		__u32 backing;
		size_t bytes;
	} buffers[] = {
		{ DMABUF_EXPORTER_SCATTER, 64 * KIB - 5 },
		{ DMABUF_EXPORTER_CONTIG, LONG_BYTES - 5 },
	};
	long long attachment, ret;
	char what[128];
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(buffers); i++) {
		fd = buffer_export(self->exporter, buffers[i].bytes, buffers[i].backing);
		ASSERT_LE(0, fd);
		attachment = attach(self->importer, fd, self->engine.index);
		ASSERT_LT(0, attachment);
		snprintf(what, sizeof(what), " %s: map of %zu bytes refused: ",
			 self->engine.device, buffers[i].bytes);
		/* The kernel lets only some lines through in five seconds. */
		EXPECT_TRUE(HOLDS_SOON((ret = map(self->importer, attachment,
						  DMABUF_IMPORTER_TO_DEVICE),
					ret != -EOPNOTSUPP ||
					kmsg_tells(self->kmsg, what, "swiotlb"))))
			TH_LOG("row %zu", i);
		EXPECT_EQ(-EOPNOTSUPP, ret) TH_LOG("row %zu", i);
		EXPECT_EQ(0, detach(self->importer, attachment));
		EXPECT_EQ(0, close(fd));
	}
}

FIXTURE(bounce)
{
	int exporter;
	int importer;
	__u32 engine;
	long long used;
	struct counters before;
};

FIXTURE_VARIANT(bounce)
{
	__u32 type;
	unsigned int nth;
	__u32 backing;
};

/* Each engine with each backing. */
#define VARIANT(_name, _type, _nth, _backing)					\
	FIXTURE_VARIANT_ADD(bounce, _name) {					\
		.type = (_type), .nth = (_nth), .backing = (_backing),		\
	}

VARIANT(edu, DMABUF_IMPORTER_EDU, 0, DMABUF_EXPORTER_AUTO);
VARIANT(edu_cma, DMABUF_IMPORTER_EDU, 0, DMABUF_EXPORTER_CMA);
VARIANT(edu_contiguous, DMABUF_IMPORTER_EDU, 0, DMABUF_EXPORTER_CONTIG);
VARIANT(edu_scattered, DMABUF_IMPORTER_EDU, 0, DMABUF_EXPORTER_SCATTER);
VARIANT(second_edu, DMABUF_IMPORTER_EDU, 1, DMABUF_EXPORTER_AUTO);
VARIANT(second_edu_cma, DMABUF_IMPORTER_EDU, 1, DMABUF_EXPORTER_CMA);
VARIANT(second_edu_contiguous, DMABUF_IMPORTER_EDU, 1, DMABUF_EXPORTER_CONTIG);
VARIANT(second_edu_scattered, DMABUF_IMPORTER_EDU, 1, DMABUF_EXPORTER_SCATTER);
VARIANT(soft, DMABUF_IMPORTER_SOFT, 0, DMABUF_EXPORTER_AUTO);
VARIANT(soft_cma, DMABUF_IMPORTER_SOFT, 0, DMABUF_EXPORTER_CMA);
VARIANT(soft_contiguous, DMABUF_IMPORTER_SOFT, 0, DMABUF_EXPORTER_CONTIG);
VARIANT(soft_scattered, DMABUF_IMPORTER_SOFT, 0, DMABUF_EXPORTER_SCATTER);

FIXTURE_SETUP(bounce)
{
	int engine;

	ASSERT_TRUE(swiotlb_is_forced());
	self->used = file_number(SWIOTLB_USED);
	ASSERT_LE(0, self->used);
	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	engine = engine_find(self->importer, variant->type, variant->nth);
	ASSERT_LE(0, engine);
	self->engine = engine;
}

FIXTURE_TEARDOWN(bounce)
{
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
	EXPECT_EQ(self->used, file_number(SWIOTLB_USED));
}

static size_t size_of(unsigned int row)
{
	const size_t sizes[] = {
		page_size(), 64 * KIB, 64 * KIB + 1, LONG_BYTES, LONG_BYTES + 1001, MIB,
	};

	return row < ARRAY_SIZE(sizes) ? sizes[row] : 0;
}

TEST_F(bounce, map_is_refused_in_every_direction)
{
	long long attachment;
	size_t bytes, i;
	unsigned int row;
	int fd;

	for (row = 0; (bytes = size_of(row)); row++) {
		fd = buffer_export(self->exporter, bytes, variant->backing);
		ASSERT_LE(0, fd);
		attachment = attach(self->importer, fd, self->engine);
		ASSERT_LT(0, attachment);
		for (i = 0; i < ARRAY_SIZE(directions); i++) {
			EXPECT_EQ(-EOPNOTSUPP, map(self->importer, attachment, directions[i]))
				TH_LOG("%zu bytes, direction %u", bytes, directions[i]);
		}
		EXPECT_EQ(0, detach(self->importer, attachment));
		EXPECT_EQ(0, close(fd));
	}
}

TEST_F(bounce, refused_map_leaves_nothing_behind)
{
	struct dmabuf_exporter_query first = {}, query;
	struct dmabuf_importer_query handle;
	struct counters without;
	static struct view view;
	long long attachment;
	unsigned int row;
	size_t bytes;
	int fd, i;

	ASSERT_EQ(0, counters_read(&without));
	for (row = 0; (bytes = size_of(row)); row++) {
		fd = buffer_export(self->exporter, bytes, variant->backing);
		ASSERT_LE(0, fd);
		attachment = attach(self->importer, fd, self->engine);
		ASSERT_LT(0, attachment);
		for (i = 0; i < 3; i++) {
			ASSERT_EQ(-EOPNOTSUPP, map(self->importer, attachment,
						   DMABUF_IMPORTER_BIDIRECTIONAL))
				TH_LOG("%zu bytes", bytes);
			ASSERT_EQ(0, buffer_query(self->exporter, fd, &query));
			if (!i)
				first = query;
			/* The memory was taken once, for the first map. */
			EXPECT_EQ(first.backed_bytes, query.backed_bytes);
			EXPECT_EQ(first.chunks, query.chunks);
		}
		EXPECT_EQ(page_align(bytes), query.backed_bytes);
		ASSERT_EQ(0, attachment_query(self->importer, attachment, &handle));
		EXPECT_EQ(0, handle.mappings);
		ASSERT_EQ(0, view_debugfs(query.id, &view));
		EXPECT_EQ(1, view.attachment_lines);
		EXPECT_EQ(0, view.mappings);
		EXPECT_EQ(0, view.mapping_lines);
		EXPECT_EQ(self->used, file_number(SWIOTLB_USED));
		EXPECT_EQ(0, detach(self->importer, attachment));
		EXPECT_EQ(0, close(fd));
		EXPECT_TRUE(counters_back_to(&without)) TH_LOG("%zu bytes", bytes);
	}
}

TEST_F(bounce, refused_map_leaves_the_bytes_as_the_cpu_wrote_them)
{
	unsigned char *expected = malloc(2 * MIB), *memory;
	long long attachment;
	size_t bytes, i;
	unsigned int row;
	int fd;

	ASSERT_NE(NULL, expected);
	for (row = 0; (bytes = size_of(row)); row++) {
		fd = buffer_export(self->exporter, bytes, variant->backing);
		ASSERT_LE(0, fd);
		attachment = attach(self->importer, fd, self->engine);
		ASSERT_LT(0, attachment);
		memory = buffer_mmap(self->exporter, fd, bytes);
		ASSERT_NE(MAP_FAILED, memory);
		scribble(expected, bytes, row);
		memcpy(memory, expected, bytes);
		for (i = 0; i < ARRAY_SIZE(directions); i++) {
			ASSERT_EQ(-EOPNOTSUPP, map(self->importer, attachment, directions[i]))
				TH_LOG("%zu bytes", bytes);
			EXPECT_EQ(0, memcmp(memory, expected, bytes)) TH_LOG("%zu bytes", bytes);
			/* And what it writes between two maps stays, too. */
			expected[bytes / 2 + i]++;
			memory[bytes / 2 + i]++;
		}
		EXPECT_EQ(0, memcmp(memory, expected, bytes)) TH_LOG("%zu bytes", bytes);
		EXPECT_EQ(0, munmap(memory, bytes));
		EXPECT_EQ(0, detach(self->importer, attachment));
		EXPECT_EQ(0, close(fd));
	}
	free(expected);
}

/* Of some pages swiotlb could make copies, of the last it could not. */
TEST(more_than_swiotlb_could_hold_is_refused)
{
	struct counters before;
	long long attachment, used;
	int exporter, importer, fd;

	ASSERT_TRUE(swiotlb_is_forced());
	used = file_number(SWIOTLB_USED);
	ASSERT_LE(0, used);
	ASSERT_EQ(0, counters_read(&before));
	exporter = exporter_open();
	ASSERT_LE(0, exporter);
	importer = importer_open();
	ASSERT_LE(0, importer);
	fd = buffer_export(exporter, TOO_MUCH_BYTES, DMABUF_EXPORTER_SCATTER);
	ASSERT_LE(0, fd);
	attachment = attach(importer, fd, engine_find(importer, DMABUF_IMPORTER_SOFT, 0));
	ASSERT_LT(0, attachment);
	EXPECT_EQ(-EOPNOTSUPP, map(importer, attachment, DMABUF_IMPORTER_TO_DEVICE));
	EXPECT_EQ(used, file_number(SWIOTLB_USED));
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(0, close(importer));
	EXPECT_EQ(0, close(exporter));
	EXPECT_TRUE(counters_back_to(&before));
}

TEST_HARNESS_MAIN
