// SPDX-License-Identifier: GPL-2.0-only
/* Step 1: buffers of every size and backing, their memory, and every refusal. */
#include "dmabuf-test.h"

#include <sys/klog.h>
#include <sys/sysinfo.h>

#ifndef SYSLOG_ACTION_READ_ALL
#define SYSLOG_ACTION_READ_ALL 3
#define SYSLOG_ACTION_SIZE_BUFFER 10
#endif

static bool is_contiguous(__u32 backing)
{
	return backing == DMABUF_EXPORTER_CMA || backing == DMABUF_EXPORTER_CONTIG;
}

FIXTURE(export)
{
	int exporter;
	struct counters before;
};

FIXTURE_SETUP(export)
{
	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
}

FIXTURE_TEARDOWN(export)
{
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* proves: E1, E2, F1 */
TEST_F(export, export_gives_one_buffer_with_an_anonymous_file)
{
	struct dmabuf_exporter_info info;
	char path[64], link[64] = "";
	int fd;

	fd = buffer_export(self->exporter, page_size(), DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, exporter_info(self->exporter, &info));
	EXPECT_EQ(self->before.buffers + 1, info.buffers);
	EXPECT_EQ(self->before.listed + 1, buffers_listed());

	/* Whichever kind it is, see file.c: its name leads nowhere. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ASSERT_LT(0, readlink(path, link, sizeof(link) - 1));
	EXPECT_NE(0, access(link, F_OK)) TH_LOG("the link is %s", link);
	EXPECT_EQ(ENOENT, errno);
	EXPECT_EQ(0, close(fd));
}

/* proves: E2, P1 */
TEST_F(export, the_last_close_of_the_file_ends_the_buffer)
{
	struct dmabuf_exporter_info info;
	int fd;

	fd = buffer_export_populated(self->exporter, 3 * page_size(), DMABUF_EXPORTER_SCATTER);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, close(fd));
	ASSERT_EQ(0, exporter_info(self->exporter, &info));
	EXPECT_EQ(self->before.buffers, info.buffers);
	EXPECT_EQ(self->before.backed_bytes, info.backed_bytes);
	EXPECT_EQ(0, info.file_bytes);
	EXPECT_EQ(self->before.listed, buffers_listed());
}

/* proves: E1 */
TEST_F(export, each_buffer_has_an_id_of_its_own)
{
	long long ids[16];
	int fds[16], i, j;

	for (i = 0; i < 16; i++) {
		fds[i] = buffer_export(self->exporter, 1, DMABUF_EXPORTER_AUTO);
		ASSERT_LE(0, fds[i]);
		ids[i] = buffer_id(self->exporter, fds[i]);
		EXPECT_LT(0, ids[i]);
		for (j = 0; j < i; j++)
			EXPECT_NE(ids[j], ids[i]);
	}
	for (i = 0; i < 16; i++)
		close(fds[i]);
}

/* proves: E4 */
TEST_F(export, size_zero_is_rejected)
{
	EXPECT_EQ(-EINVAL, buffer_export(self->exporter, 0, DMABUF_EXPORTER_AUTO));
}

/* proves: E4 */
TEST_F(export, size_that_overflows_when_rounded_up_to_pages_is_rejected)
{
	EXPECT_EQ(-EINVAL, buffer_export(self->exporter, ~0ULL, DMABUF_EXPORTER_AUTO));
	EXPECT_EQ(-EINVAL, buffer_export(self->exporter, ~0ULL - page_size() + 2,
					 DMABUF_EXPORTER_AUTO));
	EXPECT_EQ(-EINVAL, buffer_export_populated(self->exporter, ~0ULL - 1,
						   DMABUF_EXPORTER_CONTIG));
}

/* proves: E4 */
TEST_F(export, unknown_backing_is_rejected)
{
	EXPECT_EQ(-EINVAL, buffer_export(self->exporter, 1, DMABUF_EXPORTER_SCATTER + 1));
	EXPECT_EQ(-EINVAL, buffer_export(self->exporter, 1, ~0U));
}

/* proves: E4 */
TEST_F(export, unknown_file_flags_are_rejected)
{
	static const __u32 flags[] = {
		O_ACCMODE, O_APPEND, O_NONBLOCK, O_CREAT, O_TRUNC, O_PATH, O_DIRECTORY, 1U << 31,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		EXPECT_EQ(-EINVAL, buffer_export_flags(self->exporter, 1, DMABUF_EXPORTER_AUTO, 0,
						       O_RDWR | flags[i]))
			TH_LOG("flags 0x%x", flags[i]);
	}
}

/* proves: E1 */
TEST_F(export, file_flags_are_those_of_the_fd)
{
	static const __u32 modes[] = { O_RDONLY, O_WRONLY, O_RDWR };
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		fd = buffer_export_flags(self->exporter, 1, DMABUF_EXPORTER_AUTO, 0,
					 modes[i] | O_CLOEXEC);
		ASSERT_LE(0, fd);
		EXPECT_EQ(modes[i], fcntl(fd, F_GETFL) & O_ACCMODE);
		EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
		close(fd);

		fd = buffer_export_flags(self->exporter, 1, DMABUF_EXPORTER_AUTO, 0, modes[i]);
		ASSERT_LE(0, fd);
		EXPECT_EQ(0, fcntl(fd, F_GETFD));
		close(fd);
	}
}

/* Is [@address, @address + @bytes) in a CMA pool that the kernel made of a reserved region? */
static bool in_reserved_memory(unsigned long long address, unsigned long long bytes)
{
	static const char made[] = "created CMA memory pool at ";
	unsigned long long base, mib;
	bool found = false;
	char *log, *line;
	int size, got;

	size = klogctl(SYSLOG_ACTION_SIZE_BUFFER, NULL, 0);
	log = size > 0 ? calloc(1, size + 1) : NULL;
	got = log ? klogctl(SYSLOG_ACTION_READ_ALL, log, size) : -1;
	if (got > 0) {
		for (line = log; !found && (line = strstr(line, made)); line += sizeof(made))
			found = sscanf(line + sizeof(made) - 1, "%llx, size %llu MiB", &base,
				       &mib) == 2 &&
				address >= base && address + bytes <= base + mib * MIB;
	}
	free(log);
	return found;
}

/* proves: R2 */
TEST_F(export, cma_comes_from_the_reserved_region_of_the_device)
{
	struct dmabuf_importer_segment part;
	struct dmabuf_exporter_info info;
	long long attachment, mapping;
	int fd, importer;

	ASSERT_EQ(0, exporter_info(self->exporter, &info));
	if (!(info.flags & DMABUF_EXPORTER_INFO_REGION))
		SKIP(return, "the exporter's device has no memory region of its own");

	importer = importer_open();
	ASSERT_LE(0, importer);
	fd = buffer_export(self->exporter, MIB, DMABUF_EXPORTER_CMA);
	ASSERT_LE(0, fd);
	attachment = attach(importer, fd, engine_find(importer, DMABUF_IMPORTER_SOFT, 0));
	ASSERT_LT(0, attachment);
	mapping = map(importer, attachment, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, mapping);
	ASSERT_EQ(0, segment(importer, mapping, 0, &part));
	EXPECT_EQ(MIB, part.bytes);
	EXPECT_TRUE(in_reserved_memory(part.dma_address, part.bytes))
		TH_LOG("0x%llx", part.dma_address);
	close(importer);
	close(fd);
}

FIXTURE(size)
{
	int exporter;
	int fd;
	size_t bytes;
	struct counters before;
};

FIXTURE_VARIANT(size)
{
	long pages;
	long bytes;
	__u32 backing;
};

FIXTURE_VARIANT_ADD(size, one_byte) {
	.bytes = 1,
};

FIXTURE_VARIANT_ADD(size, page_less_one) {
	.pages = 1,
	.bytes = -1,
};

FIXTURE_VARIANT_ADD(size, page) {
	.pages = 1,
};

FIXTURE_VARIANT_ADD(size, page_and_one_scattered) {
	.pages = 1,
	.bytes = 1,
	.backing = DMABUF_EXPORTER_SCATTER,
};

FIXTURE_VARIANT_ADD(size, page_and_one_contiguous) {
	.pages = 1,
	.bytes = 1,
	.backing = DMABUF_EXPORTER_CONTIG,
};

FIXTURE_VARIANT_ADD(size, page_and_one_cma) {
	.pages = 1,
	.bytes = 1,
	.backing = DMABUF_EXPORTER_CMA,
};

FIXTURE_VARIANT_ADD(size, three_pages_contiguous) {
	.pages = 3,
	.backing = DMABUF_EXPORTER_CONTIG,
};

FIXTURE_VARIANT_ADD(size, mebibyte_scattered) {
	.bytes = MIB,
	.backing = DMABUF_EXPORTER_SCATTER,
};

FIXTURE_VARIANT_ADD(size, two_mebibytes_cma) {
	.bytes = 2 * MIB,
	.backing = DMABUF_EXPORTER_CMA,
};

FIXTURE_SETUP(size)
{
	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->bytes = variant->pages * page_size() + variant->bytes;
	self->fd = buffer_export(self->exporter, self->bytes, variant->backing);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(size)
{
	EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* proves: E1 */
TEST_F(size, size_is_the_one_asked_for_in_bytes)
{
	struct dmabuf_exporter_query query;
	struct dmabuf_importer_attach arg = { .argsz = sizeof(arg), .fd = self->fd };
	int importer = importer_open();

	ASSERT_EQ(0, buffer_query(self->exporter, self->fd, &query));
	EXPECT_EQ(self->bytes, query.bytes);
	ASSERT_LE(0, importer);
	arg.engine = engine_find(importer, DMABUF_IMPORTER_SOFT, 0);
	ASSERT_EQ(0, do_ioctl(importer, DMABUF_IMPORTER_ATTACH, &arg));
	EXPECT_EQ(self->bytes, arg.bytes);
	close(importer);
}

/* proves: E1, R4 */
TEST_F(size, every_byte_can_be_used_and_storage_is_whole_pages)
{
	struct dmabuf_exporter_query query;
	unsigned char *memory, *bytes;

	memory = buffer_mmap(self->exporter, self->fd, self->bytes);
	ASSERT_NE(MAP_FAILED, memory);
	bytes = malloc(self->bytes);
	ASSERT_NE(NULL, bytes);
	EXPECT_TRUE(all_bytes_are(memory, self->bytes, 0));
	scribble(bytes, self->bytes, 1);
	memcpy(memory, bytes, self->bytes);
	EXPECT_EQ(0, memcmp(memory, bytes, self->bytes));
	ASSERT_EQ(0, buffer_query(self->exporter, self->fd, &query));
	EXPECT_EQ(page_align(self->bytes), query.backed_bytes);
	free(bytes);
	munmap(memory, self->bytes);
}

/* proves: E1, R3 */
TEST_F(size, an_engine_reaches_the_last_byte_and_no_further)
{
	int importer = importer_open();
	long long attachment, mapping;
	unsigned char byte = 0x5a, back = 0;

	ASSERT_LE(0, importer);
	attachment = attach(importer, self->fd, engine_find(importer, DMABUF_IMPORTER_SOFT, 0));
	ASSERT_LT(0, attachment);
	mapping = map(importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(0, copy_in(importer, mapping, self->bytes - 1, 1, &byte));
	EXPECT_EQ(0, copy_out(importer, mapping, self->bytes - 1, 1, &back));
	EXPECT_EQ(byte, back);
	EXPECT_EQ(-EINVAL, copy_out(importer, mapping, self->bytes, 1, &back));
	EXPECT_EQ(-EINVAL, copy_in(importer, mapping, self->bytes - 1, 2, &byte));
	close(importer);
}

FIXTURE(backing)
{
	int exporter;
	int importer;
	__u32 soft;
	struct counters before;
};

FIXTURE_VARIANT(backing)
{
	__u32 backing;
};

FIXTURE_VARIANT_ADD(backing, automatic) {
	.backing = DMABUF_EXPORTER_AUTO,
};

FIXTURE_VARIANT_ADD(backing, cma) {
	.backing = DMABUF_EXPORTER_CMA,
};

FIXTURE_VARIANT_ADD(backing, contiguous) {
	.backing = DMABUF_EXPORTER_CONTIG,
};

FIXTURE_VARIANT_ADD(backing, scattered) {
	.backing = DMABUF_EXPORTER_SCATTER,
};

FIXTURE_SETUP(backing)
{
	int soft;

	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	soft = engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0);
	ASSERT_LE(0, soft);
	self->soft = soft;
}

FIXTURE_TEARDOWN(backing)
{
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* proves: R2, E1 */
TEST_F(backing, populated_buffer_has_the_storage_asked_for)
{
	struct dmabuf_exporter_query query;
	struct dmabuf_exporter_info info;
	size_t bytes = 16 * page_size() + 1;
	int fd;

	fd = buffer_export_populated(self->exporter, bytes, variant->backing);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, buffer_query(self->exporter, fd, &query));
	EXPECT_EQ(variant->backing, query.requested);
	EXPECT_TRUE(variant->backing == DMABUF_EXPORTER_AUTO ?
		    query.backing != DMABUF_EXPORTER_AUTO : query.backing == variant->backing);
	EXPECT_EQ(page_align(bytes), query.backed_bytes);
	if (is_contiguous(query.backing)) {
		EXPECT_EQ(1, query.chunks);
	} else {
		EXPECT_LE(1, query.chunks);
		EXPECT_GE(17, query.chunks);
	}
	ASSERT_EQ(0, exporter_info(self->exporter, &info));
	EXPECT_EQ(self->before.backed_bytes + page_align(bytes), info.backed_bytes);
	close(fd);
}

/* proves: A6, E1 */
TEST_F(backing, fds_and_attachments_need_no_storage)
{
	struct dmabuf_exporter_query query;
	struct dmabuf_exporter_info info;
	long long attachments[8];
	int fd, copy, i;

	fd = buffer_export(self->exporter, 16 * page_size(), variant->backing);
	ASSERT_LE(0, fd);
	copy = dup(fd);
	ASSERT_LE(0, copy);
	for (i = 0; i < 8; i++) {
		attachments[i] = attach(self->importer, i & 1 ? fd : copy, self->soft);
		ASSERT_LT(0, attachments[i]);
	}
	ASSERT_LT(0, buffer_offset(self->exporter, fd) + 1);
	ASSERT_EQ(0, buffer_query(self->exporter, fd, &query));
	EXPECT_EQ(8, query.attachments);
	EXPECT_EQ(0, query.backed_bytes);
	EXPECT_EQ(0, query.chunks);
	EXPECT_EQ(DMABUF_EXPORTER_AUTO, query.backing);
	ASSERT_EQ(0, exporter_info(self->exporter, &info));
	EXPECT_EQ(self->before.backed_bytes, info.backed_bytes);

	/* The first map takes it. */
	ASSERT_LT(0, map(self->importer, attachments[0], DMABUF_IMPORTER_TO_DEVICE));
	ASSERT_EQ(0, buffer_query(self->exporter, fd, &query));
	EXPECT_EQ(16 * page_size(), query.backed_bytes);
	EXPECT_NE(DMABUF_EXPORTER_AUTO, query.backing);
	close(copy);
	close(fd);
}

/* proves: E1, P1 */
TEST_F(backing, memory_of_a_dirty_buffer_comes_back_zeroed)
{
	const size_t bytes = MIB;
	unsigned char *memory, *copy = malloc(bytes);
	long long attachment, mapping;
	int round, fd;

	ASSERT_NE(NULL, copy);
	for (round = 0; round < 4; round++) {
		fd = buffer_export(self->exporter, bytes, variant->backing);
		ASSERT_LE(0, fd);
		attachment = attach(self->importer, fd, self->soft);
		ASSERT_LT(0, attachment);
		mapping = map(self->importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
		ASSERT_LT(0, mapping);

		/* As the device reads it, then as the CPU does, then dirty again. */
		memset(copy, 0xff, bytes);
		EXPECT_EQ(0, copy_out(self->importer, mapping, 0, bytes, copy));
		EXPECT_TRUE(all_bytes_are(copy, bytes, 0));
		memory = buffer_mmap(self->exporter, fd, bytes);
		ASSERT_NE(MAP_FAILED, memory);
		EXPECT_TRUE(all_bytes_are(memory, bytes, 0));
		memset(memory, 0xa5, bytes);
		munmap(memory, bytes);
		EXPECT_EQ(0, unmap(self->importer, mapping));
		EXPECT_EQ(0, detach(self->importer, attachment));
		close(fd);
	}
	free(copy);
}

/* proves: E1, P1 */
TEST_F_TIMEOUT(backing, storage_comes_and_goes_many_times, 120)
{
	unsigned int i, rounds = scaled(100);
	struct sysinfo before, after;
	int fd;

	if (rounds < 50)
		rounds = 50;
	ASSERT_EQ(0, sysinfo(&before));
	for (i = 0; i < rounds; i++) {
		fd = buffer_export_populated(self->exporter, 2 * MIB, variant->backing);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, close(fd));
	}
	/*
	 * The exporter's counters are its own word; this is the kernel's.  It keeps
	 * pages that were freed on lists a CPU, for some 20 MiB.
	 */
	ASSERT_EQ(0, sysinfo(&after));
	EXPECT_GT((long)(64 * MIB), (long)(before.freeram - after.freeram) * (long)after.mem_unit)
		TH_LOG("free memory went from %lu to %lu bytes", before.freeram, after.freeram);
}

TEST_HARNESS_MAIN
