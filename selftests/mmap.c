// SPDX-License-Identifier: GPL-2.0-only
/* The CPU's view: mmap through the exporter's own node, and every way to do it wrongly. */
#include "dmabuf-test.h"

#include <setjmp.h>

#define BUFFER_PAGES 4

static sigjmp_buf fault;

static void on_fault(int signal)
{
	siglongjmp(fault, signal);
}

/* Return: the signal that reading or writing a byte gave, or 0. */
static int touch(unsigned char *byte, bool write)
{
	struct sigaction action = { .sa_handler = on_fault }, bus, segv;
	int signal;

	sigaction(SIGBUS, &action, &bus);
	sigaction(SIGSEGV, &action, &segv);
	signal = sigsetjmp(fault, 1);
	if (!signal) {
		if (write)
			__atomic_store_n(byte, 1, __ATOMIC_RELAXED);
		else
			(void)__atomic_load_n(byte, __ATOMIC_RELAXED);
	}
	sigaction(SIGBUS, &bus, NULL);
	sigaction(SIGSEGV, &segv, NULL);
	return signal;
}

FIXTURE(mmap)
{
	int exporter;
	int fd;
	size_t bytes;
	long long offset;
	struct counters before;
};

FIXTURE_VARIANT(mmap)
{
	__u32 backing;
};

FIXTURE_VARIANT_ADD(mmap, automatic) {
	.backing = DMABUF_EXPORTER_AUTO,
};

FIXTURE_VARIANT_ADD(mmap, cma) {
	.backing = DMABUF_EXPORTER_CMA,
};

FIXTURE_VARIANT_ADD(mmap, contiguous) {
	.backing = DMABUF_EXPORTER_CONTIG,
};

FIXTURE_VARIANT_ADD(mmap, scattered) {
	.backing = DMABUF_EXPORTER_SCATTER,
};

FIXTURE_SETUP(mmap)
{
	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->bytes = BUFFER_PAGES * page_size();
	self->fd = buffer_export(self->exporter, self->bytes - 10, variant->backing);
	ASSERT_LE(0, self->fd);
	self->offset = buffer_offset(self->exporter, self->fd);
	ASSERT_LE(0, self->offset);
}

FIXTURE_TEARDOWN(mmap)
{
	if (self->fd >= 0)
		EXPECT_EQ(0, close(self->fd));
	if (self->exporter >= 0)
		EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

static void *map_at(FIXTURE_DATA(mmap) *self, size_t bytes, int prot, int flags, long long offset)
{
	return mmap(NULL, bytes, prot, flags, self->exporter, self->offset + offset);
}

static unsigned char *map_whole(FIXTURE_DATA(mmap) *self)
{
	return map_at(self, self->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
}

/* Return: errno of a mapping that must not come about. */
static int refused(FIXTURE_DATA(mmap) *self, size_t bytes, int flags, long long offset)
{
	void *memory = map_at(self, bytes, PROT_READ | PROT_WRITE, flags, offset);

	if (memory == MAP_FAILED)
		return errno;
	munmap(memory, bytes);
	return 0;
}

static long long backed_bytes(FIXTURE_DATA(mmap) *self)
{
	struct dmabuf_exporter_query query;
	int ret = buffer_query(self->exporter, self->fd, &query);

	return ret ?: (long long)query.backed_bytes;
}

/* proves: R4, N1 */
TEST_F(mmap, storage_is_taken_when_the_memory_is_touched)
{
	unsigned char *memory = map_whole(self);

	ASSERT_NE(MAP_FAILED, memory);
	EXPECT_EQ(0, backed_bytes(self));
	EXPECT_EQ(0, touch(memory, false));
	EXPECT_EQ(self->bytes, backed_bytes(self));
	EXPECT_TRUE(all_bytes_are(memory, self->bytes, 0));
	munmap(memory, self->bytes);
}

/* proves: R4 */
TEST_F(mmap, two_mappings_show_the_same_memory)
{
	unsigned char *one = map_whole(self), *two = map_whole(self);
	unsigned char bytes[9000];

	ASSERT_NE(MAP_FAILED, one);
	ASSERT_NE(MAP_FAILED, two);
	scribble(bytes, sizeof(bytes), 1);
	memcpy(one + 1, bytes, sizeof(bytes));
	EXPECT_EQ(0, memcmp(two + 1, bytes, sizeof(bytes)));
	munmap(one, self->bytes);
	EXPECT_EQ(0, memcmp(two + 1, bytes, sizeof(bytes)));
	munmap(two, self->bytes);
}

/* proves: R4 */
TEST_F(mmap, part_of_the_buffer_can_be_mapped)
{
	unsigned char *whole = map_whole(self), *part;
	size_t page = page_size();

	ASSERT_NE(MAP_FAILED, whole);
	scribble(whole, self->bytes, 2);
	part = map_at(self, 2 * page, PROT_READ, MAP_SHARED, page);
	ASSERT_NE(MAP_FAILED, part);
	EXPECT_EQ(0, memcmp(whole + page, part, 2 * page));
	munmap(part, 2 * page);
	part = map_at(self, page, PROT_READ, MAP_SHARED, self->bytes - page);
	ASSERT_NE(MAP_FAILED, part);
	EXPECT_EQ(0, memcmp(whole + self->bytes - page, part, page));
	munmap(part, page);
	munmap(whole, self->bytes);
}

/* proves: R4, R3 */
TEST_F(mmap, cpu_and_device_see_what_the_other_wrote)
{
	unsigned char *memory = map_whole(self), bytes[5000], back[5000];
	long long attachment, mapping;
	int importer = importer_open();

	ASSERT_NE(MAP_FAILED, memory);
	ASSERT_LE(0, importer);
	attachment = attach(importer, self->fd, engine_find(importer, DMABUF_IMPORTER_SOFT, 0));
	ASSERT_LT(0, attachment);
	scribble(bytes, sizeof(bytes), 3);
	memcpy(memory + 77, bytes, sizeof(bytes));
	mapping = map(importer, attachment, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(0, copy_out(importer, mapping, 77, sizeof(back), back));
	EXPECT_EQ(0, memcmp(bytes, back, sizeof(bytes)));
	EXPECT_EQ(0, unmap(importer, mapping));

	scribble(bytes, sizeof(bytes), 4);
	mapping = map(importer, attachment, DMABUF_IMPORTER_FROM_DEVICE);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(0, copy_in(importer, mapping, 99, sizeof(bytes), bytes));
	EXPECT_EQ(0, unmap(importer, mapping));
	EXPECT_EQ(0, memcmp(bytes, memory + 99, sizeof(bytes)));
	munmap(memory, self->bytes);
	close(importer);
}

/* proves: R4 */
TEST_F(mmap, private_mapping_is_refused)
{
	EXPECT_EQ(EINVAL, refused(self, self->bytes, MAP_PRIVATE, 0));
	EXPECT_EQ(MAP_FAILED, map_at(self, self->bytes, PROT_READ, MAP_PRIVATE, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, backed_bytes(self));
}

/* proves: R4 */
TEST_F(mmap, range_that_leaves_the_buffer_is_refused)
{
	size_t page = page_size();

	EXPECT_EQ(EINVAL, refused(self, self->bytes + 1, MAP_SHARED, 0));
	EXPECT_EQ(EINVAL, refused(self, self->bytes + page, MAP_SHARED, 0));
	EXPECT_EQ(EINVAL, refused(self, self->bytes, MAP_SHARED, page));
	EXPECT_EQ(EINVAL, refused(self, page, MAP_SHARED, self->bytes));
	EXPECT_EQ(EINVAL, refused(self, page, MAP_SHARED, self->bytes + page));
	EXPECT_EQ(EINVAL, refused(self, (size_t)1 << 5 * sizeof(size_t), MAP_SHARED, 0));
	EXPECT_EQ(EINVAL, refused(self, self->bytes + page, MAP_SHARED, page));
	EXPECT_EQ(0, backed_bytes(self));
}

/* proves: R4 */
TEST_F(mmap, offset_that_is_no_buffers_is_refused)
{
	size_t page = page_size();
	long long last = -1LL & ~(long long)(page - 1);

	/* Just before the buffer, and at either end of all offsets. */
	EXPECT_EQ(EINVAL, refused(self, page, MAP_SHARED, -(long long)page));
	EXPECT_EQ(EINVAL, refused(self, page, MAP_SHARED, -self->offset));
	EXPECT_EQ(EINVAL, refused(self, page, MAP_SHARED, (1LL << 62) - self->offset));
	EXPECT_NE(0, refused(self, page, MAP_SHARED, last - self->offset));
	EXPECT_NE(0, refused(self, 2 * page, MAP_SHARED, last - self->offset));
	EXPECT_EQ(0, backed_bytes(self));
}

/* proves: R4 */
TEST_F(mmap, offset_that_is_not_on_a_page_is_refused)
{
	EXPECT_EQ(EINVAL, refused(self, page_size(), MAP_SHARED, 1));
	EXPECT_EQ(EINVAL, refused(self, page_size(), MAP_SHARED, 512));
}

/* proves: R4, P1 */
TEST_F(mmap, offset_of_a_buffer_that_has_gone_is_refused)
{
	EXPECT_EQ(0, close(self->fd));
	self->fd = -1;
	EXPECT_EQ(EINVAL, refused(self, self->bytes, MAP_SHARED, 0));
}

/* proves: R4 */
TEST_F(mmap, offset_stays_the_same_and_is_the_buffers_alone)
{
	long long offset;
	int fd;

	EXPECT_EQ(self->offset, buffer_offset(self->exporter, self->fd));
	fd = buffer_export(self->exporter, self->bytes, variant->backing);
	ASSERT_LE(0, fd);
	offset = buffer_offset(self->exporter, fd);
	EXPECT_TRUE(offset >= self->offset + (long long)self->bytes ||
		    offset + (long long)self->bytes <= self->offset);
	close(fd);
}

/* proves: R4 */
TEST_F(mmap, mapping_cannot_grow_or_show_more_than_the_buffer)
{
	unsigned char *memory = map_whole(self);
	size_t page = page_size();

	ASSERT_NE(MAP_FAILED, memory);
	EXPECT_EQ(MAP_FAILED, mremap(memory, self->bytes, self->bytes + page, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	/* Half of it neither, although the other half would be there. */
	ASSERT_EQ(0, munmap(memory + self->bytes / 2, self->bytes / 2));
	EXPECT_EQ(MAP_FAILED, mremap(memory, self->bytes / 2, self->bytes, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, touch(memory + self->bytes / 2 - 1, true));
	munmap(memory, self->bytes / 2);
}

/* proves: R4 */
TEST_F(mmap, mapping_can_move)
{
	unsigned char *memory = map_whole(self), *moved;
	unsigned char *copy = malloc(self->bytes);

	ASSERT_NE(MAP_FAILED, memory);
	ASSERT_NE(NULL, copy);
	scribble(copy, self->bytes, 5);
	memcpy(memory, copy, self->bytes);
	moved = mmap(NULL, self->bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, moved);
	ASSERT_EQ(moved, mremap(memory, self->bytes, self->bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
				moved));
	EXPECT_EQ(0, memcmp(moved, copy, self->bytes));
	EXPECT_EQ(SIGSEGV, touch(memory, false));
	munmap(moved, self->bytes);
	free(copy);
}

/* proves: R4 */
TEST_F(mmap, mapping_may_go_piece_by_piece)
{
	unsigned char *memory = map_whole(self);
	size_t page = page_size();

	ASSERT_NE(MAP_FAILED, memory);
	scribble(memory, self->bytes, 6);
	ASSERT_EQ(0, munmap(memory + page, page));
	EXPECT_EQ(SIGSEGV, touch(memory + page, false));
	EXPECT_EQ(0, touch(memory, true));
	EXPECT_EQ(0, touch(memory + 2 * page, true));
	EXPECT_EQ(0, close(self->fd));
	self->fd = -1;
	ASSERT_EQ(0, munmap(memory, page));
	EXPECT_EQ(0, touch(memory + 2 * page, true));
	ASSERT_EQ(0, munmap(memory + 2 * page, self->bytes - 2 * page));
}

/* proves: R4 */
TEST_F(mmap, protection_is_kept)
{
	unsigned char *memory = map_at(self, self->bytes, PROT_READ, MAP_SHARED, 0);

	ASSERT_NE(MAP_FAILED, memory);
	EXPECT_EQ(0, touch(memory, false));
	EXPECT_EQ(SIGSEGV, touch(memory, true));
	ASSERT_EQ(0, mprotect(memory, self->bytes, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, touch(memory, true));
	munmap(memory, self->bytes);
}

/* proves: R4 */
TEST_F(mmap, node_opened_for_reading_gives_no_right_to_write)
{
	int node = open(EXPORTER_NODE, O_RDONLY | O_CLOEXEC);
	unsigned char *memory;
	long long offset;

	ASSERT_LE(0, node);
	offset = buffer_offset(node, self->fd);
	ASSERT_LE(0, offset);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, node,
				   offset));
	EXPECT_EQ(EACCES, errno);
	memory = mmap(NULL, self->bytes, PROT_READ, MAP_SHARED, node, offset);
	ASSERT_NE(MAP_FAILED, memory);
	EXPECT_EQ(-1, mprotect(memory, self->bytes, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(0, touch(memory, false));
	EXPECT_EQ(SIGSEGV, touch(memory, true));
	munmap(memory, self->bytes);
	close(node);
}

/* proves: R4 */
TEST_F(mmap, buffer_exported_for_reading_cannot_be_written)
{
	unsigned char *memory;
	long long offset;
	int fd;

	fd = buffer_export_flags(self->exporter, self->bytes, variant->backing, 0, O_RDONLY);
	ASSERT_LE(0, fd);
	offset = buffer_offset(self->exporter, fd);
	ASSERT_LE(0, offset);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
				   self->exporter, offset));
	EXPECT_EQ(EACCES, errno);
	memory = mmap(NULL, self->bytes, PROT_READ, MAP_SHARED, self->exporter, offset);
	ASSERT_NE(MAP_FAILED, memory);
	EXPECT_EQ(-1, mprotect(memory, self->bytes, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_TRUE(all_bytes_are(memory, self->bytes, 0));
	munmap(memory, self->bytes);
	close(fd);
}

/* proves: R4 */
TEST_F(mmap, buffer_exported_for_writing_cannot_be_read)
{
	int fd;

	fd = buffer_export_flags(self->exporter, self->bytes, variant->backing, 0, O_WRONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(MAP_FAILED, buffer_mmap(self->exporter, fd, self->bytes));
	EXPECT_EQ(EACCES, errno);
	close(fd);
}

/* proves: R4 */
TEST_F(mmap, offset_is_for_the_open_file_that_asked_for_it)
{
	int other = exporter_open();
	void *memory;

	ASSERT_LE(0, other);
	/* Who has not shown the fd does not get at the memory by a guess. */
	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->bytes, PROT_READ, MAP_SHARED, other, self->offset));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(self->offset, buffer_offset(other, self->fd));
	memory = mmap(NULL, self->bytes, PROT_READ, MAP_SHARED, other, self->offset);
	EXPECT_NE(MAP_FAILED, memory);
	munmap(memory, self->bytes);
	close(other);
}

/* proves: R4, P1 */
TEST_F(mmap, mapping_outlives_the_fd_and_keeps_the_buffer)
{
	unsigned char *memory = map_whole(self), *second;
	unsigned char *copy = malloc(self->bytes);
	struct dmabuf_exporter_info info;

	ASSERT_NE(MAP_FAILED, memory);
	ASSERT_NE(NULL, copy);
	scribble(copy, self->bytes, 7);
	memcpy(memory, copy, self->bytes);
	EXPECT_EQ(0, close(self->fd));
	self->fd = -1;
	ASSERT_EQ(0, exporter_info(self->exporter, &info));
	EXPECT_EQ(self->before.buffers + 1, info.buffers);
	EXPECT_EQ(self->before.listed + 1, buffers_listed());
	EXPECT_EQ(self->before.backed_bytes + self->bytes, info.backed_bytes);
	EXPECT_EQ(0, memcmp(memory, copy, self->bytes));
	scribble(memory, self->bytes, 8);

	/* As long as the buffer lives, its offset can be mapped. */
	second = map_whole(self);
	ASSERT_NE(MAP_FAILED, second);
	EXPECT_EQ(0, memcmp(memory, second, self->bytes));
	munmap(second, self->bytes);

	/* Nobody else gets that memory. */
	self->fd = buffer_export_populated(self->exporter, self->bytes, variant->backing);
	EXPECT_LE(0, self->fd);
	scribble(copy, self->bytes, 8);
	EXPECT_EQ(0, memcmp(memory, copy, self->bytes));
	ASSERT_EQ(0, exporter_info(self->exporter, &info));
	EXPECT_EQ(self->before.buffers + 2, info.buffers);

	/* The node that it came through may be closed, too. */
	EXPECT_EQ(0, close(self->exporter));
	self->exporter = -1;
	EXPECT_EQ(0, memcmp(memory, copy, self->bytes));
	EXPECT_EQ(self->before.listed + 2, buffers_listed());
	munmap(memory, self->bytes);
	EXPECT_EQ(self->before.listed + 1, buffers_listed());
	free(copy);
}

/* proves: R4, P1 */
TEST_F(mmap, each_piece_of_a_mapping_keeps_the_buffer)
{
	unsigned char *memory = map_whole(self);
	size_t page = page_size();
	pid_t child;
	int status;

	ASSERT_NE(MAP_FAILED, memory);
	EXPECT_EQ(0, close(self->fd));
	self->fd = -1;
	/* Two pieces, in two processes: four mappings. */
	ASSERT_EQ(0, munmap(memory + page, page));
	EXPECT_EQ(self->before.listed + 1, buffers_listed());
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		if (munmap(memory, page) || touch(memory + 2 * page, true))
			_exit(1);
		_exit(buffers_listed() == self->before.listed + 1 ? 0 : 2);
	}
	EXPECT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(1, memory[2 * page]);
	ASSERT_EQ(0, munmap(memory + 2 * page, self->bytes - 2 * page));
	EXPECT_EQ(self->before.listed + 1, buffers_listed());
	EXPECT_EQ(0, touch(memory, true));
	ASSERT_EQ(0, munmap(memory, page));
	EXPECT_EQ(self->before.listed, buffers_listed());
}

/* proves: R4, P1, N1 */
TEST_F(mmap, mapping_never_touched_keeps_the_buffer_too)
{
	unsigned char *memory = map_whole(self);
	struct dmabuf_exporter_info info;

	ASSERT_NE(MAP_FAILED, memory);
	EXPECT_EQ(0, close(self->fd));
	self->fd = -1;
	ASSERT_EQ(0, exporter_info(self->exporter, &info));
	EXPECT_EQ(self->before.backed_bytes, info.backed_bytes);
	/* The first touch finds a buffer that has no fd any more, and no storage yet. */
	EXPECT_EQ(0, touch(memory, false));
	EXPECT_TRUE(all_bytes_are(memory, self->bytes, 0));
	ASSERT_EQ(0, exporter_info(self->exporter, &info));
	EXPECT_EQ(self->before.backed_bytes + self->bytes, info.backed_bytes);
	munmap(memory, self->bytes);
}

/* proves: R4, F3 */
TEST_F(mmap, forked_process_shares_the_memory)
{
	unsigned char *memory = map_whole(self);
	pid_t child;
	int status;

	ASSERT_NE(MAP_FAILED, memory);
	memory[0] = 1;
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		if (memory[0] != 1)
			_exit(1);
		memory[0] = 2;
		memory[self->bytes - 1] = 3;
		_exit(0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(2, memory[0]);
	EXPECT_EQ(3, memory[self->bytes - 1]);
	munmap(memory, self->bytes);
}

/* proves: R4, E3 */
TEST_F(mmap, no_memory_at_the_first_touch_is_a_bus_error)
{
	long long limit = parameter_get("limit_total_mb");
	unsigned char *memory;
	int fd, signal;

	ASSERT_LE(0, limit);
	fd = buffer_export(self->exporter, 2 * MIB, variant->backing);
	ASSERT_LE(0, fd);
	memory = buffer_mmap(self->exporter, fd, 2 * MIB);
	ASSERT_NE(MAP_FAILED, memory);
	ASSERT_EQ(0, parameter_set("limit_total_mb", 1));
	signal = touch(memory, true);
	ASSERT_EQ(0, parameter_set("limit_total_mb", limit));
	EXPECT_EQ(SIGBUS, signal);
	/* And it works as soon as there is memory. */
	EXPECT_EQ(0, touch(memory, true));
	munmap(memory, 2 * MIB);
	close(fd);
}

/* proves: R4 */
TEST_F(mmap, system_calls_may_use_the_memory)
{
	unsigned char *memory = map_whole(self);
	int pipes[2];

	ASSERT_NE(MAP_FAILED, memory);
	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(5, write(pipes[1], "hello", 5));
	/* The kernel touches it first. */
	EXPECT_EQ(5, read(pipes[0], memory + page_size() - 2, 5));
	EXPECT_EQ(0, memcmp(memory + page_size() - 2, "hello", 5));
	close(pipes[0]);
	close(pipes[1]);
	munmap(memory, self->bytes);
}

struct toucher {
	unsigned char *memory;
	size_t bytes;
	unsigned char value;
};

static void *write_every_page(void *data)
{
	struct toucher *toucher = data;
	size_t i;

	for (i = toucher->value; i < toucher->bytes; i += page_size())
		toucher->memory[i] = toucher->value;
	return NULL;
}

/* proves: R4 */
TEST_F(mmap, threads_that_touch_first_share_one_storage)
{
	unsigned int round, rounds = scaled(100);
	struct toucher touchers[4];
	pthread_t threads[4];
	unsigned char *memory;
	size_t i;
	int fd, n;

	for (round = 0; round < rounds; round++) {
		fd = buffer_export(self->exporter, self->bytes, variant->backing);
		ASSERT_LE(0, fd);
		memory = buffer_mmap(self->exporter, fd, self->bytes);
		ASSERT_NE(MAP_FAILED, memory);
		for (n = 0; n < 4; n++) {
			touchers[n] = (struct toucher) { memory, self->bytes, n + 1 };
			ASSERT_EQ(0, pthread_create(&threads[n], NULL, write_every_page,
						    &touchers[n]));
		}
		for (n = 0; n < 4; n++)
			pthread_join(threads[n], NULL);
		for (n = 0; n < 4; n++)
			for (i = n + 1; i < self->bytes; i += page_size())
				EXPECT_EQ(n + 1, memory[i]);
		munmap(memory, self->bytes);
		close(fd);
	}
}

TEST_HARNESS_MAIN
