// SPDX-License-Identifier: GPL-2.0-only
/* Step 1: how much one open file may export, and how much memory all buffers may have. */
#include "dmabuf-test.h"

#include <sys/sysinfo.h>

FIXTURE(limits)
{
	int exporter;
	struct counters before;
	long long limit_file_mb;
	long long limit_total_mb;
};

FIXTURE_SETUP(limits)
{
	ASSERT_EQ(0, counters_read(&self->before));
	self->limit_file_mb = parameter_get("limit_file_mb");
	self->limit_total_mb = parameter_get("limit_total_mb");
	ASSERT_LE(0, self->limit_file_mb);
	ASSERT_LE(0, self->limit_total_mb);
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
}

FIXTURE_TEARDOWN(limits)
{
	EXPECT_EQ(0, parameter_set("limit_file_mb", self->limit_file_mb));
	EXPECT_EQ(0, parameter_set("limit_total_mb", self->limit_total_mb));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* proves: E4 */
TEST_F(limits, size_beyond_any_memory_is_over_the_limit)
{
	EXPECT_EQ(-EDQUOT, buffer_export(self->exporter, 1ULL << 60, DMABUF_EXPORTER_AUTO));
	EXPECT_EQ(-EDQUOT, buffer_export(self->exporter, ~0ULL << 20, DMABUF_EXPORTER_SCATTER));
}

/* proves: E3 */
TEST_F(limits, more_than_the_limit_of_an_open_file_is_refused)
{
	struct dmabuf_exporter_info info;
	int fd, other, fd_of_other;

	ASSERT_EQ(0, parameter_set("limit_file_mb", 1));
	ASSERT_EQ(0, exporter_info(self->exporter, &info));
	EXPECT_EQ(MIB, info.file_limit);
	EXPECT_EQ(0, info.file_bytes);

	fd = buffer_export(self->exporter, MIB, DMABUF_EXPORTER_SCATTER);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, exporter_info(self->exporter, &info));
	EXPECT_EQ(MIB, info.file_bytes);
	EXPECT_EQ(-EDQUOT, buffer_export(self->exporter, 1, DMABUF_EXPORTER_SCATTER));

	/* Another open file has a limit of its own. */
	other = exporter_open();
	ASSERT_LE(0, other);
	EXPECT_EQ(-EDQUOT, buffer_export(other, MIB + 1, DMABUF_EXPORTER_SCATTER));
	fd_of_other = buffer_export(other, MIB, DMABUF_EXPORTER_SCATTER);
	EXPECT_LE(0, fd_of_other);
	EXPECT_EQ(0, close(fd_of_other));
	EXPECT_EQ(0, close(other));

	/* What is closed does not count any more. */
	EXPECT_EQ(0, close(fd));
	fd = buffer_export(self->exporter, MIB, DMABUF_EXPORTER_SCATTER);
	EXPECT_LE(0, fd);
	close(fd);
}

/* proves: E3 */
TEST_F(limits, populating_more_than_the_limit_in_all_leaves_nothing)
{
	struct dmabuf_exporter_info info;
	int fd;

	ASSERT_EQ(0, parameter_set("limit_file_mb", 8));
	ASSERT_EQ(0, parameter_set("limit_total_mb", 1));
	ASSERT_EQ(0, exporter_info(self->exporter, &info));
	EXPECT_EQ(MIB, info.total_limit);
	EXPECT_EQ(-ENOMEM, buffer_export_populated(self->exporter, MIB + 1,
						   DMABUF_EXPORTER_SCATTER));
	ASSERT_EQ(0, exporter_info(self->exporter, &info));
	EXPECT_EQ(self->before.buffers, info.buffers);
	EXPECT_EQ(self->before.backed_bytes, info.backed_bytes);
	EXPECT_EQ(0, info.file_bytes);

	fd = buffer_export_populated(self->exporter, MIB - self->before.backed_bytes,
				     DMABUF_EXPORTER_SCATTER);
	EXPECT_LE(0, fd);
	EXPECT_EQ(-ENOMEM, buffer_export_populated(self->exporter, 1, DMABUF_EXPORTER_SCATTER));
	close(fd);
}

/* proves: E3 */
TEST_F(limits, limit_in_all_is_half_of_the_memory_that_is_not_highmem)
{
	const __u64 page = page_size();
	struct dmabuf_exporter_info info;
	struct sysinfo machine;
	__u64 low;

	ASSERT_EQ(0, parameter_set("limit_total_mb", 0));
	ASSERT_EQ(0, exporter_info(self->exporter, &info));
	ASSERT_EQ(0, sysinfo(&machine));
	low = (__u64)(machine.totalram - machine.totalhigh) * machine.mem_unit;
	EXPECT_EQ(low / page / 2 * page, info.total_limit);
}

/* proves: E1, A6 */
TEST_F(limits, buffers_without_storage_are_not_limited_in_all)
{
	struct dmabuf_exporter_query query;
	long long attachment, mapping;
	int fd, importer;

	ASSERT_EQ(0, parameter_set("limit_file_mb", 8));
	ASSERT_EQ(0, parameter_set("limit_total_mb", 1));
	fd = buffer_export(self->exporter, 2 * MIB, DMABUF_EXPORTER_SCATTER);
	ASSERT_LE(0, fd);
	importer = importer_open();
	ASSERT_LE(0, importer);
	attachment = attach(importer, fd, engine_find(importer, DMABUF_IMPORTER_SOFT, 0));
	ASSERT_LT(0, attachment);

	/* The limit is met at the map; the buffer is none the worse. */
	EXPECT_EQ(-ENOMEM, map(importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL));
	ASSERT_EQ(0, buffer_query(self->exporter, fd, &query));
	EXPECT_EQ(0, query.backed_bytes);
	ASSERT_EQ(0, parameter_set("limit_total_mb", self->limit_total_mb));
	mapping = map(importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
	EXPECT_LT(0, mapping);
	EXPECT_EQ(0, unmap(importer, mapping));
	close(importer);
	close(fd);
}

/* proves: E3 */
TEST_F(limits, contiguous_memory_that_no_allocator_has_is_out_of_memory)
{
	/* What one file may export with 32 bits is more than the machine has, too. */
	const __u64 bytes = sizeof(void *) == 4 ? 2048 * MIB : 16384 * MIB;
	struct dmabuf_exporter_info info;

	/* Not the limits, but the machine. */
	ASSERT_EQ(0, parameter_set("limit_file_mb", 1 << 20));
	ASSERT_EQ(0, parameter_set("limit_total_mb", 1 << 20));
	EXPECT_EQ(-ENOMEM, buffer_export_populated(self->exporter, bytes,
						   DMABUF_EXPORTER_CONTIG));
	EXPECT_EQ(-ENOMEM, buffer_export_populated(self->exporter, bytes,
						   DMABUF_EXPORTER_CMA));
	ASSERT_EQ(0, exporter_info(self->exporter, &info));
	EXPECT_EQ(self->before.buffers, info.buffers);
	EXPECT_EQ(self->before.backed_bytes, info.backed_bytes);
}

TEST_HARNESS_MAIN
