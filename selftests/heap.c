// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctl of a dma-heap: what a program for the kernel's heaps may rely on.  Each test
 * runs with our heap, and with one of the kernel's own where there is one: the answers
 * must be the same.
 */
#include "heap-test.h"

#include <stddef.h>

#define NO_OTHER_HEAP "this kernel has no heap of its own"

/* An older and a newer version of the argument. */
struct shorter {
	__u64 len;
	__u32 fd;
	__u32 fd_flags;
};

struct longer {
	struct dma_heap_allocation_data now;
	__u64 later[3];
};

FIXTURE(any_heap)
{
	int heap;
	int free_fd;
	struct counters before;
};

FIXTURE_VARIANT(any_heap)
{
	bool ours;
};

FIXTURE_VARIANT_ADD(any_heap, ours) { .ours = true };
FIXTURE_VARIANT_ADD(any_heap, of_the_kernel) { .ours = false };

FIXTURE_SETUP(any_heap)
{
	ASSERT_EQ(0, counters_read(&self->before));
	self->heap = heap_open_flags(variant->ours, O_RDWR);
	if (variant->ours)
		ASSERT_LE(0, self->heap);
	self->free_fd = lowest_free_fd();
}

FIXTURE_TEARDOWN(any_heap)
{
	if (self->heap < 0)
		return;
	EXPECT_EQ(self->free_fd, lowest_free_fd());
	EXPECT_EQ(0, close(self->heap));
	EXPECT_TRUE(counters_back_to(&self->before));
}

TEST_F(any_heap, answer_is_an_fd_and_nothing_else)
{
	struct dma_heap_allocation_data arg = { .len = 3 * page_size(), .fd_flags = GOOD_FLAGS };

	if (self->heap < 0)
		SKIP(return, NO_OTHER_HEAP);
	ASSERT_EQ(0, alloc(self->heap, &arg));
	EXPECT_EQ(self->free_fd, arg.fd);
	EXPECT_EQ(3 * page_size(), arg.len);
	EXPECT_EQ(GOOD_FLAGS, arg.fd_flags);
	EXPECT_EQ(0, arg.heap_flags);
	EXPECT_EQ(0, close(arg.fd));
}

TEST_F(any_heap, length_is_rounded_up_to_whole_pages)
{
	size_t page = page_size();
	const size_t lengths[] = { 1, page - 1, page, page + 1, 5 * page - 7, MIB, MIB + 1 };
	unsigned char *memory;
	size_t i, bytes;
	int fd;

	if (self->heap < 0)
		SKIP(return, NO_OTHER_HEAP);
	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		bytes = page_align(lengths[i]);
		fd = heap_alloc(self->heap, lengths[i]);
		ASSERT_LE(0, fd) TH_LOG("length %zu", lengths[i]);
		EXPECT_EQ(bytes, lseek(fd, 0, SEEK_END));
		memory = fd_mmap(fd, bytes);
		ASSERT_NE(MAP_FAILED, memory) TH_LOG("length %zu", lengths[i]);
		memory[bytes - 1] = 1;
		EXPECT_EQ(0, munmap(memory, bytes));
		EXPECT_EQ(MAP_FAILED, fd_mmap(fd, bytes + 1));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(0, close(fd));
	}
}

TEST_F(any_heap, length_that_is_nothing_is_rejected)
{
	const __u64 last = -1ULL;
	__u64 len;

	if (self->heap < 0)
		SKIP(return, NO_OTHER_HEAP);
	EXPECT_EQ(-EINVAL, heap_alloc(self->heap, 0));
	/* Rounded up, these are 0. */
	for (len = last; len > last - page_size() + 1; len -= 45) {
		EXPECT_EQ(-EINVAL, heap_alloc(self->heap, len))
			TH_LOG("length 0x%llx", len);
	}
	EXPECT_EQ(-EINVAL, heap_alloc(self->heap, last - page_size() + 2));
}

TEST_F(any_heap, unknown_fd_flags_are_rejected)
{
	__u32 bit;

	if (self->heap < 0)
		SKIP(return, NO_OTHER_HEAP);
	for (bit = 0; bit < 32; bit++) {
		__u32 flag = 1U << bit;

		if (flag & (O_CLOEXEC | O_ACCMODE))
			continue;
		EXPECT_EQ(-EINVAL, heap_alloc_flags(self->heap, 1, flag, 0))
			TH_LOG("flag 0x%x", flag);
		EXPECT_EQ(-EINVAL, heap_alloc_flags(self->heap, 1, GOOD_FLAGS | flag, 0))
			TH_LOG("flag 0x%x", flag);
	}
	EXPECT_EQ(-EINVAL, heap_alloc_flags(self->heap, 1, ~(__u32)GOOD_FLAGS, 0));
}

TEST_F(any_heap, unknown_heap_flags_are_rejected)
{
	__u32 bit;

	if (self->heap < 0)
		SKIP(return, NO_OTHER_HEAP);
	for (bit = 0; bit < 64; bit++) {
		EXPECT_EQ(-EINVAL, heap_alloc_flags(self->heap, 1, GOOD_FLAGS, 1ULL << bit))
			TH_LOG("bit %u", bit);
	}
	EXPECT_EQ(-EINVAL, heap_alloc_flags(self->heap, 1, GOOD_FLAGS, 0x111111));
}

TEST_F(any_heap, fd_that_the_caller_put_in_is_rejected)
{
	const int fds[] = { 1, -1, INT_MAX, INT_MIN, self->heap };
	struct dma_heap_allocation_data arg;
	size_t i;

	if (self->heap < 0)
		SKIP(return, NO_OTHER_HEAP);
	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		arg = (struct dma_heap_allocation_data) {
			.len = 1, .fd = fds[i], .fd_flags = GOOD_FLAGS,
		};
		EXPECT_EQ(-EINVAL, alloc(self->heap, &arg)) TH_LOG("fd %d", fds[i]);
		EXPECT_EQ(fds[i], (int)arg.fd);
	}
}

TEST_F(any_heap, fd_is_closed_by_exec_if_asked_for)
{
	int fd;

	if (self->heap < 0)
		SKIP(return, NO_OTHER_HEAP);
	fd = heap_alloc_flags(self->heap, 1, O_RDWR | O_CLOEXEC, 0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	EXPECT_EQ(0, close(fd));
	fd = heap_alloc_flags(self->heap, 1, O_RDWR, 0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, fcntl(fd, F_GETFD));
	EXPECT_EQ(0, close(fd));
}

TEST_F(any_heap, fd_allows_what_was_asked_for)
{
	const struct {
		int mode;
		int reading;	/* errno of an mmap, or 0 */
		int writing;
	} modes[] = {
		{ O_RDONLY, 0, EACCES }, { O_WRONLY, EACCES, EACCES }, { O_RDWR, 0, 0 },
	};
	size_t i, page = page_size();
	void *memory;
	int fd;

	if (self->heap < 0)
		SKIP(return, NO_OTHER_HEAP);
	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		fd = heap_alloc_flags(self->heap, 1, modes[i].mode, 0);
		ASSERT_LE(0, fd);
		EXPECT_EQ(modes[i].mode, fcntl(fd, F_GETFL) & O_ACCMODE);
		memory = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);
		EXPECT_EQ(modes[i].reading, memory == MAP_FAILED ? errno : 0);
		if (memory != MAP_FAILED)
			munmap(memory, page);
		memory = fd_mmap(fd, page);
		EXPECT_EQ(modes[i].writing, memory == MAP_FAILED ? errno : 0);
		if (memory != MAP_FAILED)
			munmap(memory, page);
		EXPECT_EQ(0, close(fd));
	}
}

TEST_F(any_heap, node_opened_for_reading_allocates_too)
{
	int heap, fd;

	if (self->heap < 0)
		SKIP(return, NO_OTHER_HEAP);
	heap = heap_open_flags(variant->ours, O_RDONLY);
	ASSERT_LE(0, heap);
	fd = heap_alloc(heap, 1);
	EXPECT_LE(0, fd);
	EXPECT_EQ(0, close(heap));
	EXPECT_EQ(0, close(fd));
}

static bool memory_is_clear(int heap, size_t bytes)
{
	enum { BUFFERS = 8 };
	unsigned char *memory;
	int fds[BUFFERS], i;
	bool clear = true;

	for (i = 0; i < BUFFERS; i++) {
		fds[i] = heap_alloc(heap, bytes);
		memory = fd_mmap(fds[i], bytes);
		if (memory == MAP_FAILED)
			return false;
		clear &= all_bytes_are(memory, bytes, 0);
		scribble(memory, bytes, i + 1);
		munmap(memory, bytes);
	}
	for (i = 0; i < BUFFERS; i++)
		close(fds[i]);
	return clear;
}

TEST_F(any_heap, memory_is_cleared_whoever_had_it_before)
{
	int round;

	if (self->heap < 0)
		SKIP(return, NO_OTHER_HEAP);
	for (round = 0; round < 3; round++) {
		EXPECT_TRUE(memory_is_clear(self->heap, page_size()));
		EXPECT_TRUE(memory_is_clear(self->heap, 3 * page_size()));
		EXPECT_TRUE(memory_is_clear(self->heap, MIB));
	}
}

TEST_F(any_heap, shorter_argument_of_an_older_program_is_taken)
{
	struct shorter arg = { .len = MIB, .fd_flags = GOOD_FLAGS };

	if (self->heap < 0)
		SKIP(return, NO_OTHER_HEAP);
	ASSERT_EQ(0, do_ioctl(self->heap, _IOWR(DMA_HEAP_IOC_MAGIC, 0, struct shorter), &arg));
	EXPECT_EQ(self->free_fd, arg.fd);
	EXPECT_EQ(MIB, lseek(arg.fd, 0, SEEK_END));
	EXPECT_EQ(0, close(arg.fd));

	/* What it does not give is 0: an access mode, too. */
	arg = (struct shorter) { .len = MIB, .fd_flags = ~0U };
	ASSERT_EQ(0, do_ioctl(self->heap, _IOC(_IOC_READ | _IOC_WRITE, DMA_HEAP_IOC_MAGIC, 0,
					       offsetof(struct shorter, fd_flags)), &arg));
	EXPECT_EQ(self->free_fd, arg.fd);
	EXPECT_EQ(O_RDONLY, fcntl(arg.fd, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(~0U, arg.fd_flags);
	EXPECT_EQ(0, close(arg.fd));

	/* And what it has no room for it is not told. */
	arg = (struct shorter) { .len = MIB, .fd = ~0U };
	ASSERT_EQ(0, do_ioctl(self->heap, _IOC(_IOC_READ | _IOC_WRITE, DMA_HEAP_IOC_MAGIC, 0,
					       offsetof(struct shorter, fd)), &arg));
	EXPECT_EQ(~0U, arg.fd);
	EXPECT_EQ(0, close(self->free_fd));
}

TEST_F(any_heap, longer_argument_of_a_newer_program_is_taken)
{
	struct longer arg = {
		.now = { .len = MIB, .fd_flags = GOOD_FLAGS },
		.later = { 0xffffffff, 0x88888888, 0x11111111 },
	};

	if (self->heap < 0)
		SKIP(return, NO_OTHER_HEAP);
	ASSERT_EQ(0, do_ioctl(self->heap, _IOWR(DMA_HEAP_IOC_MAGIC, 0, struct longer), &arg));
	EXPECT_EQ(self->free_fd, arg.now.fd);
	EXPECT_EQ(0xffffffff, arg.later[0]);
	EXPECT_EQ(0x88888888, arg.later[1]);
	EXPECT_EQ(0x11111111, arg.later[2]);
	EXPECT_EQ(0, close(arg.now.fd));
}

TEST_F(any_heap, argument_of_any_size_that_a_number_can_hold_is_taken)
{
	const size_t most = (1 << _IOC_SIZEBITS) - 1;
	const size_t sizes[] = { sizeof(struct dma_heap_allocation_data) + 1, 127, 128, 129,
				 4096, 4097, most };
	struct dma_heap_allocation_data *arg = malloc(most);
	size_t i;

	if (self->heap < 0)
		SKIP(return, NO_OTHER_HEAP);
	ASSERT_NE(NULL, arg);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		memset(arg, 0x5a, most);
		*arg = (struct dma_heap_allocation_data) { .len = 1, .fd_flags = GOOD_FLAGS };
		ASSERT_EQ(0, do_ioctl(self->heap, _IOC(_IOC_READ | _IOC_WRITE, DMA_HEAP_IOC_MAGIC,
						       0, sizes[i]), arg));
		EXPECT_EQ(self->free_fd, arg->fd);
		EXPECT_TRUE(all_bytes_are(arg + 1, most - sizeof(*arg), 0x5a));
		EXPECT_EQ(0, close(arg->fd));
	}
	free(arg);
}

TEST_F(any_heap, argument_goes_the_ways_that_the_number_says)
{
	struct dma_heap_allocation_data arg = { .len = 1, .fd_flags = GOOD_FLAGS };

	if (self->heap < 0)
		SKIP(return, NO_OTHER_HEAP);
	/* Nothing goes in, so the length is 0. */
	EXPECT_EQ(-EINVAL, do_ioctl(self->heap, _IO(DMA_HEAP_IOC_MAGIC, 0), &arg));
	EXPECT_EQ(-EINVAL, do_ioctl(self->heap, _IOR(DMA_HEAP_IOC_MAGIC, 0,
						     struct dma_heap_allocation_data), &arg));
	/* Nothing comes out; the fd is there. */
	arg = (struct dma_heap_allocation_data){ .len = 1, .fd_flags = GOOD_FLAGS };
	EXPECT_EQ(0, do_ioctl(self->heap, _IOW(DMA_HEAP_IOC_MAGIC, 0,
					       struct dma_heap_allocation_data), &arg));
	EXPECT_EQ(0, arg.fd);
	EXPECT_EQ(0, close(self->free_fd));
}

TEST_F(any_heap, argument_outside_of_memory_is_a_fault)
{
	struct dma_heap_allocation_data arg = { .len = 1, .fd_flags = GOOD_FLAGS };
	size_t missing;

	if (self->heap < 0)
		SKIP(return, NO_OTHER_HEAP);
	EXPECT_EQ(-EFAULT, do_ioctl(self->heap, DMA_HEAP_IOCTL_ALLOC, NULL));
	EXPECT_EQ(-EFAULT, do_ioctl(self->heap, DMA_HEAP_IOCTL_ALLOC, (void *)1L));
	EXPECT_EQ(-EFAULT, do_ioctl(self->heap, DMA_HEAP_IOCTL_ALLOC, (void *)-4096L));
	for (missing = 1; missing <= sizeof(arg); missing++) {
		unsigned char *pages = mmap(NULL, 2 * page_size(), PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		unsigned char *at = pages + page_size() - (sizeof(arg) - missing);

		ASSERT_NE(MAP_FAILED, pages);
		ASSERT_EQ(0, munmap(pages + page_size(), page_size()));
		memcpy(at, &arg, sizeof(arg) - missing);
		EXPECT_EQ(-EFAULT, do_ioctl(self->heap, DMA_HEAP_IOCTL_ALLOC, at))
			TH_LOG("%zu bytes are missing", missing);
		munmap(pages, page_size());
	}
}

TEST_F(any_heap, answer_that_cannot_be_written_leaves_nothing)
{
	struct dma_heap_allocation_data arg = { .len = MIB, .fd_flags = GOOD_FLAGS };
	void *page = read_only_copy(&arg, sizeof(arg));
	int i;

	if (self->heap < 0)
		SKIP(return, NO_OTHER_HEAP);
	ASSERT_NE(NULL, page);
	for (i = 0; i < 8; i++)
		EXPECT_EQ(-EFAULT, do_ioctl(self->heap, DMA_HEAP_IOCTL_ALLOC, page));
	munmap(page, page_size());
	if (!variant->ours && lowest_free_fd() != self->free_fd) {
		self->free_fd = lowest_free_fd();
		SKIP(return, "this kernel's own heap keeps the fd that it could not tell");
	}
	EXPECT_EQ(self->free_fd, lowest_free_fd());
}

TEST_F(any_heap, no_fd_left_leaves_nothing)
{
	struct dma_heap_allocation_data arg = { .len = MIB, .fd_flags = GOOD_FLAGS };
	struct rlimit old, none;
	int i;

	if (self->heap < 0)
		SKIP(return, NO_OTHER_HEAP);
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &old));
	none = old;
	none.rlim_cur = self->free_fd;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	for (i = 0; i < 8; i++)
		EXPECT_EQ(-EMFILE, alloc(self->heap, &arg));
	EXPECT_EQ(0, arg.fd);
	EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &old));
}

TEST_F(any_heap, other_numbers_are_rejected)
{
	struct dma_heap_allocation_data arg = { .len = 1, .fd_flags = GOOD_FLAGS };
	unsigned int nr;

	if (self->heap < 0)
		SKIP(return, NO_OTHER_HEAP);
	for (nr = 1; nr < 256; nr++) {
		EXPECT_EQ(-EINVAL, do_ioctl(self->heap, _IO(DMA_HEAP_IOC_MAGIC, nr), &arg))
			TH_LOG("number %u", nr);
		EXPECT_EQ(-EINVAL, do_ioctl(self->heap, _IOWR(DMA_HEAP_IOC_MAGIC, nr,
							      struct dma_heap_allocation_data),
					    &arg)) TH_LOG("number %u", nr);
	}
}

TEST_F(any_heap, node_has_nothing_but_the_ioctl)
{
	struct stat node;
	char byte = 0;

	if (self->heap < 0)
		SKIP(return, NO_OTHER_HEAP);
	EXPECT_EQ(-1, read(self->heap, &byte, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, write(self->heap, &byte, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, lseek(self->heap, 0, SEEK_END));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(MAP_FAILED, fd_mmap(self->heap, page_size()));
	EXPECT_EQ(ENODEV, errno);
	ASSERT_EQ(0, fstat(self->heap, &node));
	EXPECT_TRUE(S_ISCHR(node.st_mode));
	EXPECT_EQ(0, node.st_mode & 0007);
}

TEST_F(any_heap, buffer_outlives_the_open_heap)
{
	unsigned char *memory;
	int heap, fd;

	if (self->heap < 0)
		SKIP(return, NO_OTHER_HEAP);
	heap = heap_open_flags(variant->ours, O_RDWR);
	ASSERT_LE(0, heap);
	fd = heap_alloc(heap, MIB);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, close(heap));
	memory = fd_mmap(fd, MIB);
	ASSERT_NE(MAP_FAILED, memory);
	EXPECT_EQ(0, close(fd));
	EXPECT_TRUE(all_bytes_are(memory, MIB, 0));
	memory[MIB - 1] = 1;
	EXPECT_EQ(0, munmap(memory, MIB));
}

TEST_HARNESS_MAIN
