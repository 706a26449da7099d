// SPDX-License-Identifier: GPL-2.0-only
/* What an engine does with a mapped buffer: every operation, range, right and error. */
#include "dmabuf-test.h"

#include <endian.h>
#include <sys/time.h>

/* An engine in hardware may need 200 ms for a page, so it gets few of them. */
#define BUFFER_PAGES 3
#define PATTERN 0x8877665544332211ULL

FIXTURE(transfer)
{
	int exporter;
	int importer;
	int fd;
	int engine;
	__u32 soft;
	size_t align;
	size_t bytes;
	long long attachment;
	long long mapping;
	unsigned char *memory;
	unsigned char *expected;
	unsigned char *back;
	struct counters before;
};

FIXTURE_VARIANT(transfer)
{
	__u32 type;
	__u32 backing;
};

FIXTURE_VARIANT_ADD(transfer, edu) {
	.type = DMABUF_IMPORTER_EDU,
};

FIXTURE_VARIANT_ADD(transfer, edu_cma) {
	.type = DMABUF_IMPORTER_EDU,
	.backing = DMABUF_EXPORTER_CMA,
};

FIXTURE_VARIANT_ADD(transfer, dmaengine) {
	.type = DMABUF_IMPORTER_DMAENGINE,
};

FIXTURE_VARIANT_ADD(transfer, soft_scattered) {
	.type = DMABUF_IMPORTER_SOFT,
	.backing = DMABUF_EXPORTER_SCATTER,
};

FIXTURE_VARIANT_ADD(transfer, soft_cma) {
	.type = DMABUF_IMPORTER_SOFT,
	.backing = DMABUF_EXPORTER_CMA,
};

FIXTURE_SETUP(transfer)
{
	ASSERT_EQ(0, counters_read(&self->before));
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	self->engine = engine_find(self->importer, variant->type, 0);
	self->align = engine_align(self->importer, self->engine);
	self->bytes = align_down(BUFFER_PAGES * page_size() - 5, self->align);
	self->expected = calloc(1, self->bytes);
	self->back = calloc(1, self->bytes);
	ASSERT_NE(NULL, self->expected);
	ASSERT_NE(NULL, self->back);
	self->soft = engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0);
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->fd = buffer_export(self->exporter, self->bytes, variant->backing);
	ASSERT_LE(0, self->fd);
	self->memory = MAP_FAILED;
	if (self->engine < 0)
		return;
	self->attachment = attach(self->importer, self->fd, self->engine);
	ASSERT_LT(0, self->attachment);
	self->mapping = map(self->importer, self->attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, self->mapping);
}

FIXTURE_TEARDOWN(transfer)
{
	if (self->memory != MAP_FAILED)
		EXPECT_EQ(0, munmap(self->memory, self->bytes));
	EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* After the devices' unmap: is the buffer, as the CPU sees it, what is expected? */
static bool cpu_sees_expected(FIXTURE_DATA(transfer) *self)
{
	if (unmap(self->importer, self->mapping))
		return false;
	self->mapping = 0;
	if (self->memory == MAP_FAILED)
		self->memory = buffer_mmap(self->exporter, self->fd, self->bytes);
	if (self->memory == MAP_FAILED)
		return false;
	return !memcmp(self->memory, self->expected, self->bytes);
}

/* Return: does the buffer, as the CPU sees it after an unmap, have these bytes now? */
static int cpu_writes(FIXTURE_DATA(transfer) *self, __u32 seed)
{
	int ret = unmap(self->importer, self->mapping);

	if (ret)
		return ret;
	if (self->memory == MAP_FAILED)
		self->memory = buffer_mmap(self->exporter, self->fd, self->bytes);
	if (self->memory == MAP_FAILED)
		return -errno;
	scribble(self->expected, self->bytes, seed);
	memcpy(self->memory, self->expected, self->bytes);
	self->mapping = map(self->importer, self->attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
	return self->mapping < 0 ? self->mapping : 0;
}

static void expect_pattern(FIXTURE_DATA(transfer) *self, size_t offset, size_t bytes)
{
	__u64 pattern = htole64(PATTERN);
	size_t i;

	for (i = 0; i < bytes; i++)
		self->expected[offset + i] = ((unsigned char *)&pattern)[i % sizeof(pattern)];
}

/* proves: R3, R5, F4 */
TEST_F(transfer, cpu_reads_what_the_engine_copied_in)
{
	struct dmabuf_importer_transfer arg = { .op = DMABUF_IMPORTER_COPY_IN };

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	scribble(self->expected, self->bytes, 1);
	arg.mapping = self->mapping;
	arg.bytes = self->bytes;
	arg.user = (uintptr_t)self->expected;
	ASSERT_EQ(0, transfer(self->importer, &arg));
	EXPECT_EQ(self->bytes, arg.moved);
	EXPECT_LE(1, arg.runs);
	EXPECT_TRUE(cpu_sees_expected(self));
}

/* proves: R3, R5, R4 */
TEST_F(transfer, engine_copies_out_what_the_cpu_wrote)
{
	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	ASSERT_EQ(0, cpu_writes(self, 2));
	ASSERT_EQ(0, copy_out(self->importer, self->mapping, 0, self->bytes, self->back));
	EXPECT_EQ(0, memcmp(self->expected, self->back, self->bytes));
}

/* proves: R3, R5 */
TEST_F(transfer, fill_repeats_eight_bytes_from_the_offset_on)
{
	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	ASSERT_EQ(0, fill(self->importer, self->mapping, 0, self->bytes, PATTERN));
	expect_pattern(self, 0, self->bytes);
	EXPECT_TRUE(cpu_sees_expected(self));
}

/* proves: R3 */
TEST_F(transfer, fill_of_a_part_leaves_the_rest)
{
	size_t offset = align_down(page_size() - 3, self->align);
	size_t bytes = align_up(13, self->align);

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	ASSERT_EQ(0, cpu_writes(self, 3));
	ASSERT_EQ(0, fill(self->importer, self->mapping, offset, bytes, PATTERN));
	expect_pattern(self, offset, bytes);
	EXPECT_TRUE(cpu_sees_expected(self));
}

/* proves: R3, R5 */
TEST_F(transfer, checksum_is_the_crc32_of_the_bytes)
{
	size_t offset = align_up(4001, self->align), bytes = align_up(999, self->align);
	__u32 sum;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	ASSERT_EQ(0, cpu_writes(self, 4));
	ASSERT_EQ(0, checksum(self->importer, self->mapping, 0, self->bytes, &sum));
	EXPECT_EQ(crc32(self->expected, self->bytes), sum);
	ASSERT_EQ(0, checksum(self->importer, self->mapping, offset, bytes, &sum));
	EXPECT_EQ(crc32(self->expected + offset, bytes), sum);
}

/* proves: R3 */
TEST_F(transfer, odd_ranges_move_just_their_bytes)
{
	const size_t page = page_size();
	struct {
		size_t offset, bytes;
	} ranges[] = {
		{ 0, 1 }, { 1, 1 }, { 7, 3 }, { page - 1, 2 }, { page - 5, 10 }, { 2 * page, 1 },
		{ page + 3, 2 * page - 11 }, { self->bytes - 1, 1 },
	};
	unsigned char *bytes = malloc(self->bytes);
	size_t i;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	ASSERT_NE(NULL, bytes);
	ASSERT_EQ(0, cpu_writes(self, 5));
	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		ranges[i].offset = align_down(ranges[i].offset, self->align);
		ranges[i].bytes = align_up(ranges[i].bytes, self->align);
		memset(self->back, 0, self->bytes);
		ASSERT_EQ(0, copy_out(self->importer, self->mapping, ranges[i].offset,
				      ranges[i].bytes, self->back));
		EXPECT_EQ(0, memcmp(self->expected + ranges[i].offset, self->back,
				    ranges[i].bytes)) TH_LOG("row %zu", i);
		/* Not a byte more. */
		EXPECT_TRUE(all_bytes_are(self->back + ranges[i].bytes,
					  self->bytes - ranges[i].bytes, 0));

		scribble(bytes, ranges[i].bytes, 100 + i);
		ASSERT_EQ(0, copy_in(self->importer, self->mapping, ranges[i].offset,
				     ranges[i].bytes, bytes));
		memcpy(self->expected + ranges[i].offset, bytes, ranges[i].bytes);
	}
	free(bytes);
	EXPECT_TRUE(cpu_sees_expected(self));
}

/* proves: R1, R3, F4 */
TEST_F(transfer, another_engine_reads_what_this_one_wrote)
{
	long long other, mapping;
	__u32 sum;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	scribble(self->expected, self->bytes, 6);
	ASSERT_EQ(0, copy_in(self->importer, self->mapping, 0, self->bytes, self->expected));
	ASSERT_EQ(0, unmap(self->importer, self->mapping));
	other = attach(self->importer, self->fd, self->soft);
	ASSERT_LT(0, other);
	mapping = map(self->importer, other, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, mapping);
	ASSERT_EQ(0, checksum(self->importer, mapping, 0, self->bytes, &sum));
	EXPECT_EQ(crc32(self->expected, self->bytes), sum);

	/* And the other way. */
	ASSERT_EQ(0, fill(self->importer, mapping, 1, 1000, PATTERN));
	expect_pattern(self, 1, 1000);
	EXPECT_EQ(0, unmap(self->importer, mapping));
	self->mapping = map(self->importer, self->attachment, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, self->mapping);
	ASSERT_EQ(0, copy_out(self->importer, self->mapping, 0, 2000, self->back));
	EXPECT_EQ(0, memcmp(self->expected, self->back, 2000));
}

/* proves: R3 */
TEST_F(transfer, range_off_the_alignment_of_the_engine_is_rejected)
{
	int expected = self->align == 1 ? 0 : -EINVAL;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	EXPECT_EQ(expected, fill(self->importer, self->mapping, 1, 8, 0));
	EXPECT_EQ(expected, fill(self->importer, self->mapping, 0, 9, 0));
	EXPECT_EQ(expected, copy_out(self->importer, self->mapping, 7, 9, self->back));
	EXPECT_EQ(0, fill(self->importer, self->mapping, 8, self->align, PATTERN));
	expect_pattern(self, 8, self->align);
	EXPECT_TRUE(cpu_sees_expected(self));
}

/* proves: R3 */
TEST_F(transfer, range_that_leaves_the_buffer_is_rejected)
{
	const __u64 size = self->bytes, one = self->align;	/* of what the engine counts in */
	const struct {
		__u64 offset, bytes;
	} ranges[] = {
		{ 0, size + one }, { size, one }, { size + one, 0 }, { size - one, 2 * one },
		{ one, size }, { one, -one }, { -one, one }, { -one, -one }, { size, -size },
		{ 1ULL << 63, 1ULL << 63 }, { 0, 1ULL << 32 }, { 1ULL << 32, one }, { -one, 0 },
	};
	static const __u32 ops[] = {
		DMABUF_IMPORTER_FILL, DMABUF_IMPORTER_COPY_IN, DMABUF_IMPORTER_COPY_OUT,
		DMABUF_IMPORTER_CHECKSUM,
	};
	size_t i, op;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	for (op = 0; op < ARRAY_SIZE(ops); op++) {
		for (i = 0; i < ARRAY_SIZE(ranges); i++) {
			struct dmabuf_importer_transfer arg = {
				.mapping = self->mapping, .op = ops[op],
				.offset = ranges[i].offset, .bytes = ranges[i].bytes,
			};

			if (arg.op == DMABUF_IMPORTER_COPY_IN || arg.op == DMABUF_IMPORTER_COPY_OUT)
				arg.user = (uintptr_t)self->back;
			EXPECT_EQ(-EINVAL, transfer(self->importer, &arg))
				TH_LOG("op %u row %zu", ops[op], i);
		}
	}
	EXPECT_TRUE(cpu_sees_expected(self));
}

/* proves: R3 */
TEST_F(transfer, transfer_of_nothing_moves_nothing)
{
	struct dmabuf_importer_transfer arg = { .op = DMABUF_IMPORTER_CHECKSUM };

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	arg.mapping = self->mapping;
	arg.moved = 99;
	arg.runs = 99;
	arg.offset = self->bytes;
	EXPECT_EQ(0, transfer(self->importer, &arg));
	EXPECT_EQ(0, arg.moved);
	EXPECT_EQ(0, arg.runs);
	EXPECT_EQ(0, arg.checksum);
	EXPECT_EQ(0, fill(self->importer, self->mapping, 0, 0, PATTERN));
	EXPECT_TRUE(cpu_sees_expected(self));
}

/* proves: M3, U1 */
TEST_F(transfer, direction_of_the_mapping_is_the_right_to_transfer)
{
	long long to, from;
	__u32 sum;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	to = map(self->importer, self->attachment, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, to);
	from = map(self->importer, self->attachment, DMABUF_IMPORTER_FROM_DEVICE);
	ASSERT_LT(0, from);
	EXPECT_EQ(-EACCES, fill(self->importer, to, 0, 8, PATTERN));
	EXPECT_EQ(-EACCES, copy_in(self->importer, to, 0, 8, self->expected));
	EXPECT_EQ(0, copy_out(self->importer, to, 0, 8, self->back));
	EXPECT_EQ(0, checksum(self->importer, to, 0, 8, &sum));
	EXPECT_EQ(-EACCES, copy_out(self->importer, from, 0, 8, self->back));
	EXPECT_EQ(-EACCES, checksum(self->importer, from, 0, 8, &sum));
	EXPECT_EQ(0, fill(self->importer, from, 0, 8, 0));
	EXPECT_EQ(0, copy_in(self->importer, from, 0, 8, self->expected));
	EXPECT_EQ(0, unmap(self->importer, to));
	EXPECT_EQ(0, unmap(self->importer, from));
	EXPECT_TRUE(cpu_sees_expected(self));
}

/* proves: R3 */
TEST_F(transfer, memory_of_the_process_that_is_not_there_is_a_fault)
{
	unsigned char *pages = mmap(NULL, 2 * page_size(), PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	ASSERT_NE(MAP_FAILED, pages);
	ASSERT_EQ(0, munmap(pages + page_size(), page_size()));
	EXPECT_EQ(-EFAULT, copy_in(self->importer, self->mapping, 0, 8, NULL));
	EXPECT_EQ(-EFAULT, copy_out(self->importer, self->mapping, 0, 8, NULL));
	EXPECT_EQ(-EFAULT, copy_in(self->importer, self->mapping, 0, 104,
				   pages + page_size() - 50));
	EXPECT_EQ(-EFAULT, copy_out(self->importer, self->mapping, 0, 104,
				    pages + page_size() - 50));
	EXPECT_EQ(-EFAULT, copy_in(self->importer, self->mapping, 0, 8, (void *)-4096L));
	ASSERT_EQ(0, mprotect(pages, page_size(), PROT_READ));
	EXPECT_EQ(-EFAULT, copy_out(self->importer, self->mapping, 0, 8, pages));
	EXPECT_EQ(0, copy_in(self->importer, self->mapping, 0, 8, pages));
	munmap(pages, page_size());
	EXPECT_EQ(0, copy_out(self->importer, self->mapping, 0, 8, self->back));
}

/* proves: R3 */
TEST_F(transfer, operation_that_does_not_exist_is_rejected)
{
	struct dmabuf_importer_transfer arg = {};
	static const __u32 ops[] = { 0, DMABUF_IMPORTER_CHECKSUM + 1, ~0U };
	size_t i;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	arg.mapping = self->mapping;
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		arg.op = ops[i];
		EXPECT_EQ(-EINVAL, transfer(self->importer, &arg));
	}
}

/* proves: R3 */
TEST_F(transfer, argument_that_the_operation_does_not_have_is_rejected)
{
	struct dmabuf_importer_transfer arg = { .bytes = 8 };

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	arg.mapping = self->mapping;
	arg.op = DMABUF_IMPORTER_FILL;
	arg.user = (uintptr_t)self->back;
	EXPECT_EQ(-EINVAL, transfer(self->importer, &arg));
	arg.op = DMABUF_IMPORTER_CHECKSUM;
	EXPECT_EQ(-EINVAL, transfer(self->importer, &arg));
	arg.pattern = 1;
	arg.op = DMABUF_IMPORTER_COPY_OUT;
	EXPECT_EQ(-EINVAL, transfer(self->importer, &arg));
	arg.op = DMABUF_IMPORTER_COPY_IN;
	EXPECT_EQ(-EINVAL, transfer(self->importer, &arg));
	EXPECT_TRUE(cpu_sees_expected(self));
}

/* proves: U1 */
TEST_F(transfer, after_the_unmap_nothing_can_be_transferred)
{
	long long mapping = self->mapping;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	ASSERT_EQ(0, unmap(self->importer, mapping));
	EXPECT_EQ(-ENOENT, fill(self->importer, mapping, 0, 8, PATTERN));
	EXPECT_EQ(-ENOENT, copy_out(self->importer, mapping, 0, 8, self->back));
	EXPECT_EQ(-ENOENT, fill(self->importer, 0, 0, 8, PATTERN));
	EXPECT_EQ(-ENOENT, fill(self->importer, ~0U, 0, 8, PATTERN));
}

struct long_transfer {
	int importer;
	__u32 mapping;
	__u64 bytes;
	struct dmabuf_importer_transfer arg;
	int ret;
};

static void *transfer_until_done(void *data)
{
	struct long_transfer *run = data;

	run->arg.mapping = run->mapping;
	run->arg.op = DMABUF_IMPORTER_CHECKSUM;
	run->arg.bytes = run->bytes;
	run->arg.moved = ~0ULL;	/* to be overwritten, also on error */
	run->ret = transfer(run->importer, &run->arg);
	return NULL;
}

static void nothing(int signal)
{
}

/* proves: M4, U1 */
TEST_F(transfer, signal_ends_a_transfer_and_tells_how_far_it_came)
{
	struct sigaction action = { .sa_handler = nothing };
	struct itimerval timer = {
		.it_value.tv_usec = 250000, .it_interval.tv_usec = 100000,
	};
	struct itimerval off = {};
	struct long_transfer run = { .importer = self->importer };
	size_t bytes = 4 * MIB;
	long long attachment;
	int fd, tries = 0;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	/* A fast engine gets more to do until it is too slow for the timer. */
	if (variant->type == DMABUF_IMPORTER_EDU)
		bytes = 64 * page_size();
	fd = buffer_export(self->exporter, bytes, DMABUF_EXPORTER_CMA);
	ASSERT_LE(0, fd);
	attachment = attach(self->importer, fd, self->engine);
	ASSERT_LT(0, attachment);
	run.mapping = map(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, (int)run.mapping);
	run.bytes = bytes;
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	if (variant->type != DMABUF_IMPORTER_EDU) {
		timer.it_value.tv_usec = 1000;
		timer.it_interval.tv_usec = 1000;
	}
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &timer, NULL));
	do {
		transfer_until_done(&run);
	} while (!run.ret && ++tries < 1000);
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &off, NULL));
	EXPECT_EQ(-EINTR, run.ret);
	EXPECT_GT(bytes, run.arg.moved);
	/* The engine has stopped and works again. */
	EXPECT_EQ(0, unmap(self->importer, run.mapping));
	EXPECT_EQ(0, detach(self->importer, attachment));
	close(fd);
	EXPECT_EQ(0, copy_out(self->importer, self->mapping, 0, 8, self->back));
}

/* proves: U1 */
TEST_F(transfer, unmap_during_a_transfer_is_busy)
{
	struct long_transfer run = { .importer = self->importer, .bytes = 4 * MIB };
	__u64 deadline = now_ms() + 60000;
	bool busy = false;
	pthread_t thread;
	long long attachment, handle;
	int fd, ret, tries = 0;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	if (variant->type == DMABUF_IMPORTER_EDU)
		run.bytes = 3 * page_size();
	fd = buffer_export(self->exporter, run.bytes, DMABUF_EXPORTER_CMA);
	ASSERT_LE(0, fd);
	attachment = attach(self->importer, fd, self->engine);
	ASSERT_LT(0, attachment);
	while (!busy && now_ms() < deadline) {
		handle = map(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE);
		ASSERT_LT(0, handle);
		run.mapping = handle;
		ASSERT_EQ(0, pthread_create(&thread, NULL, transfer_until_done, &run));
		sleep_ms(variant->type == DMABUF_IMPORTER_EDU ? 150 : tries++ % 8);
		ret = unmap(self->importer, handle);
		pthread_join(thread, NULL);
		/* It was in time, or it was too early or too late. */
		ASSERT_TRUE(ret == -EBUSY || !ret) TH_LOG("%d", ret);
		busy = ret == -EBUSY;
		if (busy) {
			EXPECT_EQ(0, run.ret);
			EXPECT_EQ(0, unmap(self->importer, handle));
		} else {
			EXPECT_TRUE(!run.ret || run.ret == -ENOENT);
		}
	}
	EXPECT_TRUE(busy);
	EXPECT_EQ(0, detach(self->importer, attachment));
	close(fd);
}

FIXTURE(volume)
{
	int exporter;
	int importer;
	int fd;
	long long mapping;
	struct counters before;
};

FIXTURE_VARIANT(volume)
{
	__u32 backing;
	size_t bytes;
};

FIXTURE_VARIANT_ADD(volume, scattered) {
	.backing = DMABUF_EXPORTER_SCATTER,
	.bytes = 4 * MIB + 77,
};

FIXTURE_VARIANT_ADD(volume, cma) {
	.backing = DMABUF_EXPORTER_CMA,
	.bytes = 2 * MIB + 77,
};

FIXTURE_VARIANT_ADD(volume, contiguous) {
	.backing = DMABUF_EXPORTER_CONTIG,
	.bytes = 2 * MIB,
};

FIXTURE_SETUP(volume)
{
	long long attachment;

	ASSERT_EQ(0, counters_read(&self->before));
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->fd = buffer_export(self->exporter, variant->bytes, variant->backing);
	ASSERT_LE(0, self->fd);
	attachment = attach(self->importer, self->fd,
			    engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0));
	ASSERT_LT(0, attachment);
	self->mapping = map(self->importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, self->mapping);
}

FIXTURE_TEARDOWN(volume)
{
	EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* proves: R3, M1 */
TEST_F(volume, every_byte_of_a_large_buffer_arrives)
{
	unsigned char *bytes = malloc(variant->bytes), *back = malloc(variant->bytes);
	__u32 sum;

	ASSERT_NE(NULL, bytes);
	ASSERT_NE(NULL, back);
	scribble(bytes, variant->bytes, 9);
	ASSERT_EQ(0, copy_in(self->importer, self->mapping, 0, variant->bytes, bytes));
	ASSERT_EQ(0, checksum(self->importer, self->mapping, 0, variant->bytes, &sum));
	EXPECT_EQ(crc32(bytes, variant->bytes), sum);
	ASSERT_EQ(0, copy_out(self->importer, self->mapping, 0, variant->bytes, back));
	EXPECT_EQ(0, memcmp(bytes, back, variant->bytes));
	free(bytes);
	free(back);
}

struct writer {
	int importer;
	__u32 mapping;
	size_t offset, bytes;
	unsigned int rounds;
	unsigned int failures;
};

static void *write_and_check(void *data)
{
	struct writer *w = data;
	unsigned char *bytes = malloc(w->bytes), *back = malloc(w->bytes);
	unsigned int i;

	for (i = 0; i < w->rounds; i++) {
		scribble(bytes, w->bytes, i + w->offset);
		if (copy_in(w->importer, w->mapping, w->offset, w->bytes, bytes) ||
		    copy_out(w->importer, w->mapping, w->offset, w->bytes, back) ||
		    memcmp(bytes, back, w->bytes))
			w->failures++;
	}
	free(bytes);
	free(back);
	return NULL;
}

/* proves: M3, R3 */
TEST_F(volume, threads_transfer_at_once_without_mixing_bytes)
{
	struct writer writers[4];
	pthread_t threads[4];
	int i;

	for (i = 0; i < 4; i++) {
		writers[i] = (struct writer) {
			self->importer, self->mapping, i * 200001, 200001, scaled(20), 0,
		};
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, write_and_check, &writers[i]));
	}
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		EXPECT_EQ(0, writers[i].failures);
	}
}

TEST_HARNESS_MAIN
