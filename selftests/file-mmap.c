// SPDX-License-Identifier: GPL-2.0-only
/* mmap of a buffer's fd: what it shows, and every way to do it wrongly. */
#include "kinds.h"

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

FIXTURE(file_mmap)
{
	int exporter;
	int fd;
	size_t bytes;
	struct counters before;
};

FIXTURE_VARIANT(file_mmap)
{
	bool native;
};

FIXTURE_VARIANT_ADD(file_mmap, kernel) { .native = false };
FIXTURE_VARIANT_ADD(file_mmap, native) { .native = true };

FIXTURE_SETUP(file_mmap)
{
	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->bytes = BUFFER_PAGES * page_size();
	self->fd = buffer_export_kind(self->exporter, variant->native, self->bytes, 0, O_RDWR);
	if (self->fd != -EOPNOTSUPP)
		ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(file_mmap)
{
	if (self->fd >= 0)
		EXPECT_EQ(0, close(self->fd));
	if (self->exporter >= 0)
		EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

static unsigned char *map_whole(FIXTURE_DATA(file_mmap) *self)
{
	return mmap(NULL, self->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
}

/* Return: errno of a mapping that must not come about. */
static int refused(int fd, size_t bytes, int prot, int flags, long long offset)
{
	void *memory = mmap(NULL, bytes, prot, flags, fd, offset);

	if (memory == MAP_FAILED)
		return errno;
	munmap(memory, bytes);
	return 0;
}

static long long backed_bytes(FIXTURE_DATA(file_mmap) *self)
{
	struct dmabuf_exporter_query query;
	int ret = buffer_query(self->exporter, self->fd, &query);

	return ret ?: (long long)query.backed_bytes;
}

/* proves: R4, N1 */
TEST_F(file_mmap, storage_is_taken_when_the_memory_is_touched)
{
	unsigned char *memory;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	memory = map_whole(self);
	ASSERT_NE(MAP_FAILED, memory);
	EXPECT_EQ(0, backed_bytes(self));
	EXPECT_EQ(0, touch(memory, false));
	EXPECT_EQ(self->bytes, backed_bytes(self));
	EXPECT_TRUE(all_bytes_are(memory, self->bytes, 0));
	munmap(memory, self->bytes);
}

/* proves: R4 */
TEST_F(file_mmap, part_of_the_buffer_is_the_same_memory_by_fd_and_by_node)
{
	unsigned char *whole, *part, *by_node;
	size_t page = page_size();

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	whole = map_whole(self);
	ASSERT_NE(MAP_FAILED, whole);
	scribble(whole, self->bytes, 2);
	part = mmap(NULL, 2 * page, PROT_READ, MAP_SHARED, self->fd, page);
	ASSERT_NE(MAP_FAILED, part);
	EXPECT_EQ(0, memcmp(whole + page, part, 2 * page));
	by_node = buffer_mmap(self->exporter, self->fd, self->bytes);
	ASSERT_NE(MAP_FAILED, by_node);
	EXPECT_EQ(0, memcmp(whole, by_node, self->bytes));
	by_node[page] ^= 0xff;
	EXPECT_EQ(by_node[page], part[0]);
	munmap(part, 2 * page);
	part = mmap(NULL, page, PROT_READ, MAP_SHARED, self->fd, self->bytes - page);
	ASSERT_NE(MAP_FAILED, part);
	EXPECT_EQ(0, memcmp(whole + self->bytes - page, part, page));
	munmap(part, page);
	munmap(by_node, self->bytes);
	munmap(whole, self->bytes);
}

/* proves: R4 */
TEST_F(file_mmap, private_mapping_is_refused)
{
	int fd;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	EXPECT_EQ(EINVAL, refused(self->fd, self->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0));
	EXPECT_EQ(EINVAL, refused(self->fd, self->bytes, PROT_READ, MAP_PRIVATE, 0));
	EXPECT_EQ(EINVAL, refused(self->fd, page_size(), PROT_NONE, MAP_PRIVATE, page_size()));
	fd = buffer_export_kind(self->exporter, variant->native, self->bytes, 0, O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(EINVAL, refused(fd, self->bytes, PROT_READ, MAP_PRIVATE, 0));
	close(fd);
	EXPECT_EQ(0, backed_bytes(self));
}

/* proves: R4 */
TEST_F(file_mmap, range_that_leaves_the_buffer_is_refused)
{
	const int prot = PROT_READ | PROT_WRITE;
	size_t page = page_size();

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	EXPECT_EQ(EINVAL, refused(self->fd, self->bytes + 1, prot, MAP_SHARED, 0));
	EXPECT_EQ(EINVAL, refused(self->fd, self->bytes + page, prot, MAP_SHARED, 0));
	EXPECT_EQ(EINVAL, refused(self->fd, self->bytes, prot, MAP_SHARED, page));
	EXPECT_EQ(EINVAL, refused(self->fd, page, prot, MAP_SHARED, self->bytes));
	EXPECT_EQ(EINVAL, refused(self->fd, page, prot, MAP_SHARED, self->bytes + page));
	EXPECT_EQ(EINVAL, refused(self->fd, (size_t)1 << 5 * sizeof(size_t), prot, MAP_SHARED,
				  0));
	EXPECT_EQ(EINVAL, refused(self->fd, page, prot, MAP_SHARED, 1LL << 62));
	EXPECT_EQ(EINVAL, refused(self->fd, 2 * page, prot, MAP_SHARED, LLONG_MIN));
	/* Not on a page. */
	EXPECT_EQ(EINVAL, refused(self->fd, page, prot, MAP_SHARED, 1));
	EXPECT_EQ(EINVAL, refused(self->fd, page, prot, MAP_SHARED, 512));
	EXPECT_EQ(0, backed_bytes(self));
}

/* proves: R4 */
TEST_F(file_mmap, offset_whose_end_overflows_is_refused)
{
	const int prot = PROT_READ | PROT_WRITE;
	long long page = page_size();
	/* With 32 bits the kernel cannot be told of them, which the library knows. */
	const int error = sizeof(long) == 8 ? EOVERFLOW : EINVAL;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	/* The kernel itself looks at the very last ones. */
	EXPECT_EQ(error, refused(self->fd, page, prot, MAP_SHARED, -page));
	EXPECT_EQ(error, refused(self->fd, 2 * page, prot, MAP_SHARED, -page));
	EXPECT_EQ(error, refused(self->fd, self->bytes, prot, MAP_SHARED, -2 * page));
	EXPECT_EQ(EINVAL, refused(self->fd, page, prot, MAP_SHARED, -3 * page));
	EXPECT_EQ(EINVAL, refused(self->fd, self->bytes, prot, MAP_SHARED, -8 * page));
	EXPECT_EQ(0, backed_bytes(self));
}

/* proves: R4, E1 */
TEST_F(file_mmap, last_page_is_mapped_as_a_whole)
{
	const int prot = PROT_READ | PROT_WRITE;
	size_t page = page_size();
	unsigned char *memory;
	int fd;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	fd = buffer_export_kind(self->exporter, variant->native, 2 * page + 100, 0, O_RDWR);
	ASSERT_LE(0, fd);
	memory = mmap(NULL, 3 * page, prot, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, memory);
	/* What lies behind the buffer's end is nobody else's either. */
	EXPECT_TRUE(all_bytes_are(memory, 3 * page, 0));
	munmap(memory, 3 * page);
	EXPECT_EQ(0, refused(fd, 2 * page + 1, prot, MAP_SHARED, 0));
	EXPECT_EQ(0, refused(fd, page, prot, MAP_SHARED, 2 * page));
	EXPECT_EQ(EINVAL, refused(fd, 3 * page + 1, prot, MAP_SHARED, 0));
	EXPECT_EQ(EINVAL, refused(fd, page, prot, MAP_SHARED, 3 * page));
	close(fd);
	fd = buffer_export_kind(self->exporter, variant->native, 1, 0, O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, refused(fd, 1, prot, MAP_SHARED, 0));
	EXPECT_EQ(EINVAL, refused(fd, page + 1, prot, MAP_SHARED, 0));
	EXPECT_EQ(EINVAL, refused(fd, page, prot, MAP_SHARED, page));
	close(fd);
}

/* proves: R4 */
TEST_F(file_mmap, mapping_cannot_grow_or_show_more_than_the_buffer)
{
	unsigned char *memory;
	size_t page = page_size();

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	memory = map_whole(self);
	ASSERT_NE(MAP_FAILED, memory);
	EXPECT_EQ(MAP_FAILED, mremap(memory, self->bytes, self->bytes + page, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	/* Half of it neither, although the other half would be there. */
	ASSERT_EQ(0, munmap(memory + self->bytes / 2, self->bytes / 2));
	EXPECT_EQ(MAP_FAILED, mremap(memory, self->bytes / 2, self->bytes, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(MAP_FAILED, mremap(memory, 0, page, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, touch(memory + self->bytes / 2 - 1, true));
	munmap(memory, self->bytes / 2);
}

/* proves: R4 */
TEST_F(file_mmap, mapping_can_move_and_shrink)
{
	unsigned char *memory, *moved, *copy = malloc(self->bytes);
	size_t half = self->bytes / 2;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_NE(NULL, copy);
	memory = map_whole(self);
	ASSERT_NE(MAP_FAILED, memory);
	scribble(copy, self->bytes, 5);
	memcpy(memory, copy, self->bytes);
	moved = mmap(NULL, self->bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, moved);
	ASSERT_EQ(moved, mremap(memory, self->bytes, self->bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
				moved));
	EXPECT_EQ(0, memcmp(moved, copy, self->bytes));
	EXPECT_EQ(SIGSEGV, touch(memory, false));
	ASSERT_EQ(moved, mremap(moved, self->bytes, half, 0));
	EXPECT_EQ(0, memcmp(moved, copy, half));
	EXPECT_EQ(SIGSEGV, touch(moved + half, false));
	munmap(moved, half);
	free(copy);
}

/* proves: R4 */
TEST_F(file_mmap, protection_can_be_changed)
{
	unsigned char *memory;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	memory = mmap(NULL, self->bytes, PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, memory);
	EXPECT_EQ(0, touch(memory, false));
	EXPECT_EQ(SIGSEGV, touch(memory, true));
	ASSERT_EQ(0, mprotect(memory, self->bytes, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, touch(memory, true));
	ASSERT_EQ(0, mprotect(memory, self->bytes, PROT_NONE));
	EXPECT_EQ(SIGSEGV, touch(memory, false));
	ASSERT_EQ(0, mprotect(memory, self->bytes, PROT_READ));
	EXPECT_EQ(1, memory[0]);
	munmap(memory, self->bytes);
}

/* proves: R4 */
TEST_F(file_mmap, buffer_exported_for_reading_cannot_be_written)
{
	unsigned char *memory;
	int fd;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	fd = buffer_export_kind(self->exporter, variant->native, self->bytes, 0, O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(EACCES, refused(fd, self->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, 0));
	EXPECT_EQ(EACCES, refused(fd, self->bytes, PROT_WRITE, MAP_SHARED, 0));
	memory = mmap(NULL, self->bytes, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, memory);
	EXPECT_EQ(-1, mprotect(memory, self->bytes, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_TRUE(all_bytes_are(memory, self->bytes, 0));
	EXPECT_EQ(SIGSEGV, touch(memory, true));
	munmap(memory, self->bytes);
	close(fd);
}

/* proves: R4 */
TEST_F(file_mmap, buffer_exported_for_writing_cannot_be_read)
{
	int fd;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	fd = buffer_export_kind(self->exporter, variant->native, self->bytes, 0, O_WRONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(EACCES, refused(fd, self->bytes, PROT_READ, MAP_SHARED, 0));
	EXPECT_EQ(EACCES, refused(fd, self->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, 0));
	EXPECT_EQ(EACCES, refused(fd, self->bytes, PROT_WRITE, MAP_SHARED, 0));
	close(fd);
}

/* proves: R4, P1 */
TEST_F(file_mmap, mapping_outlives_the_fd_and_keeps_the_buffer)
{
	unsigned char *memory, *copy = malloc(self->bytes);
	struct dmabuf_exporter_info info;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_NE(NULL, copy);
	memory = map_whole(self);
	ASSERT_NE(MAP_FAILED, memory);
	scribble(copy, self->bytes, 7);
	memcpy(memory, copy, self->bytes);
	EXPECT_EQ(0, close(self->fd));
	self->fd = -1;
	EXPECT_EQ(self->before.listed + 1, buffers_listed());
	ASSERT_EQ(0, exporter_info(self->exporter, &info));
	EXPECT_EQ(self->before.backed_bytes + self->bytes, info.backed_bytes);
	EXPECT_EQ(0, memcmp(memory, copy, self->bytes));

	/* Nobody else gets that memory. */
	self->fd = buffer_export_populated(self->exporter, self->bytes, DMABUF_EXPORTER_AUTO);
	EXPECT_LE(0, self->fd);
	EXPECT_EQ(0, memcmp(memory, copy, self->bytes));

	/* The node that it came through may be closed, too. */
	EXPECT_EQ(0, close(self->exporter));
	self->exporter = -1;
	EXPECT_EQ(0, memcmp(memory, copy, self->bytes));
	EXPECT_EQ(self->before.listed + 2, buffers_listed());
	munmap(memory, self->bytes);
	EXPECT_EQ(self->before.listed + 1, buffers_listed());
	free(copy);
}

/* proves: R4, P1, N1 */
TEST_F(file_mmap, mapping_never_touched_keeps_the_buffer_too)
{
	unsigned char *memory;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	memory = map_whole(self);
	ASSERT_NE(MAP_FAILED, memory);
	EXPECT_EQ(0, close(self->fd));
	self->fd = -1;
	EXPECT_EQ(self->before.listed + 1, buffers_listed());
	/* The first touch finds a buffer that has no fd any more, and no storage yet. */
	EXPECT_EQ(0, touch(memory, false));
	EXPECT_TRUE(all_bytes_are(memory, self->bytes, 0));
	munmap(memory, self->bytes);
	EXPECT_EQ(self->before.listed, buffers_listed());
}

/* A VMA by the node, in which the file of the buffer has no part. */
/* proves: R4, P1 */
TEST_F(file_mmap, mapping_by_node_outlives_that_by_fd)
{
	unsigned char *by_fd, *by_node;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	by_fd = map_whole(self);
	ASSERT_NE(MAP_FAILED, by_fd);
	by_node = buffer_mmap(self->exporter, self->fd, self->bytes);
	ASSERT_NE(MAP_FAILED, by_node);
	scribble(by_fd, self->bytes, 3);
	EXPECT_EQ(0, close(self->fd));
	self->fd = -1;
	EXPECT_EQ(0, memcmp(by_fd, by_node, self->bytes));
	munmap(by_fd, self->bytes);
	EXPECT_EQ(self->before.listed + 1, buffers_listed());
	EXPECT_EQ(0, touch(by_node + self->bytes - 1, true));
	munmap(by_node, self->bytes);
	EXPECT_EQ(self->before.listed, buffers_listed());
}

/* proves: R4, F3, P1 */
TEST_F(file_mmap, forked_process_shares_the_memory_and_keeps_the_buffer)
{
	size_t page = page_size();
	unsigned char *memory;
	pid_t child;
	int status;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	memory = map_whole(self);
	ASSERT_NE(MAP_FAILED, memory);
	memory[0] = 1;
	EXPECT_EQ(0, close(self->fd));
	self->fd = -1;
	/* Two pieces, in two processes: four mappings. */
	ASSERT_EQ(0, munmap(memory + page, page));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		if (memory[0] != 1)
			_exit(1);
		memory[self->bytes - 1] = 3;
		if (munmap(memory, page) || touch(memory + 2 * page, true))
			_exit(2);
		_exit(buffers_listed() == self->before.listed + 1 ? 0 : 3);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(1, memory[2 * page]);
	EXPECT_EQ(3, memory[self->bytes - 1]);
	ASSERT_EQ(0, munmap(memory + 2 * page, self->bytes - 2 * page));
	EXPECT_EQ(self->before.listed + 1, buffers_listed());
	EXPECT_EQ(0, touch(memory, true));
	ASSERT_EQ(0, munmap(memory, page));
	EXPECT_EQ(self->before.listed, buffers_listed());
}

/* proves: R4 */
TEST_F(file_mmap, system_calls_may_use_the_memory)
{
	unsigned char *memory;
	int pipes[2];

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	memory = map_whole(self);
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

TEST_HARNESS_MAIN
