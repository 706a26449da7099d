// SPDX-License-Identifier: GPL-2.0-only
/*
 * What user space can do with the fd of a buffer, by the kernel's interface for its
 * dma-bufs: the same with both kinds of files.  Its mmap is in file-mmap.c, the sync in
 * cpu-access.c.
 */
#include "kinds.h"

#include <sched.h>
#include <sys/epoll.h>

#define FILE_BYTES (3 * page_size() + 100)

/* As long as a name may be: DMA_BUF_NAME_LEN counts the NUL. */
#define LONGEST_NAME "0123456789abcdef0123456789ABCDE"

FIXTURE(file)
{
	int exporter;
	int importer;
	int fd;
	struct counters before;
};

FIXTURE_VARIANT(file)
{
	bool native;
};

FIXTURE_VARIANT_ADD(file, kernel) { .native = false };
FIXTURE_VARIANT_ADD(file, native) { .native = true };

FIXTURE_SETUP(file)
{
	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	self->fd = buffer_export_kind(self->exporter, variant->native, FILE_BYTES, 0,
				      O_RDWR | O_CLOEXEC);
	if (self->fd != -EOPNOTSUPP)
		ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(file)
{
	if (self->fd >= 0)
		EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* Return: a mapping, for both directions, by the software engine. */
static long long map_by_engine(FIXTURE_DATA(file) *self)
{
	int soft = engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0);
	long long attachment = soft < 0 ? soft : attach(self->importer, self->fd, soft);

	return attachment < 0 ? attachment :
	       map(self->importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
}

/* proves: E2, F1 */
TEST_F(file, link_in_proc_tells_the_kind)
{
	char path[64], link[128] = "";

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	ASSERT_LT(0, readlink(path, link, sizeof(link) - 1));
	EXPECT_STREQ(variant->native ? "anon_inode:dmabuf" : "/dmabuf:", link);
	EXPECT_EQ(!variant->native, file_is_kernel(self->exporter, self->fd));
}

/* Finding the size */

/* Whole pages, as importers of the kernel's dma-bufs count on: the query has the bytes. */
/* proves: E1 */
TEST_F(file, seek_to_the_end_gives_the_size_in_whole_pages)
{
	const size_t sizes[] = { 1, page_size() - 1, page_size(), page_size() + 1, MIB };
	struct dmabuf_exporter_query query;
	size_t i;
	int fd;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	EXPECT_EQ((off_t)page_align(FILE_BYTES), lseek(self->fd, 0, SEEK_END));
	EXPECT_EQ(0, lseek(self->fd, 0, SEEK_SET));
	/* Once more: there is no position that could have changed. */
	EXPECT_EQ((off_t)page_align(FILE_BYTES), lseek(self->fd, 0, SEEK_END));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		fd = buffer_export_kind(self->exporter, variant->native, sizes[i], 0, O_RDWR);
		ASSERT_LE(0, fd);
		EXPECT_EQ((off_t)page_align(sizes[i]), lseek(fd, 0, SEEK_END));
		ASSERT_EQ(0, buffer_query(self->exporter, fd, &query));
		EXPECT_EQ(sizes[i], query.bytes);
		close(fd);
	}
}

/* proves: E1 */
TEST_F(file, seek_to_anywhere_else_is_rejected)
{
	const struct {
		off_t offset;
		int whence;
	} cases[] = {
		{ 1, SEEK_SET }, { -1, SEEK_SET }, { LONG_MAX, SEEK_SET },
		{ 1, SEEK_END }, { -1, SEEK_END }, { LONG_MIN, SEEK_END },
		{ 0, SEEK_CUR }, { 1, SEEK_CUR }, { 0, SEEK_DATA }, { 0, SEEK_HOLE },
		{ 0, SEEK_HOLE + 1 }, { 0, -1 },
	};
	size_t i;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		EXPECT_EQ(-1, lseek(self->fd, cases[i].offset, cases[i].whence));
		EXPECT_EQ(EINVAL, errno) TH_LOG("case %zu", i);
	}
	EXPECT_EQ((off_t)page_align(FILE_BYTES), lseek(self->fd, 0, SEEK_END));
}

/* proves: R4 */
TEST_F(file, reading_and_writing_is_refused)
{
	char byte = 0;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	EXPECT_EQ(-1, read(self->fd, &byte, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, write(self->fd, &byte, 1));
	EXPECT_EQ(EINVAL, errno);
}

/* Names */

static bool has_name(int fd, const char *name)
{
	return fdinfo_has(fd, "name", name);
}

/* proves: E1 */
TEST_F(file, name_is_shown_in_fdinfo)
{
	static const unsigned int calls[] = { DMA_BUF_SET_NAME_A, DMA_BUF_SET_NAME_B };
	char name[32];
	size_t i;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	EXPECT_TRUE(has_name(self->fd, NULL));
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		snprintf(name, sizeof(name), "frame %zu", i);
		EXPECT_EQ(0, do_ioctl(self->fd, calls[i], name));
		EXPECT_TRUE(has_name(self->fd, name));
		EXPECT_EQ(0, do_ioctl(self->fd, calls[i], LONGEST_NAME));
		EXPECT_TRUE(has_name(self->fd, LONGEST_NAME));
		EXPECT_EQ(0, do_ioctl(self->fd, calls[i], ""));
		EXPECT_TRUE(has_name(self->fd, ""));
	}
}

/* proves: E1 */
TEST_F(file, name_that_is_too_long_is_rejected)
{
	static const unsigned int calls[] = { DMA_BUF_SET_NAME_A, DMA_BUF_SET_NAME_B };
	char name[4096];
	size_t i, bytes;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_EQ(31, strlen(LONGEST_NAME));
	ASSERT_EQ(0, buffer_set_name(self->fd, "old"));
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		for (bytes = 32; bytes < sizeof(name); bytes *= 2) {
			memset(name, 'x', bytes);
			name[bytes] = 0;
			EXPECT_EQ(-EINVAL, do_ioctl(self->fd, calls[i], name))
				TH_LOG("%zu characters", bytes);
		}
		EXPECT_TRUE(has_name(self->fd, "old"));
	}
}

/* proves: E1 */
TEST_F(file, name_outside_of_memory_is_a_fault)
{
	static const unsigned int calls[] = { DMA_BUF_SET_NAME_A, DMA_BUF_SET_NAME_B };
	size_t page = page_size(), i;
	char *pages;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, pages);
	ASSERT_EQ(0, munmap(pages + page, page));
	memset(pages, 'x', page);
	ASSERT_EQ(0, buffer_set_name(self->fd, "old"));
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		EXPECT_EQ(-EFAULT, do_ioctl(self->fd, calls[i], NULL));
		EXPECT_EQ(-EFAULT, do_ioctl(self->fd, calls[i], (void *)-4096L));
		/* Short enough, but its end cannot be read. */
		EXPECT_EQ(-EFAULT, do_ioctl(self->fd, calls[i], pages + page - 10));
		EXPECT_TRUE(has_name(self->fd, "old"));
	}
	/* One that ends with the page is in memory as a whole. */
	pages[page - 1] = 0;
	EXPECT_EQ(0, buffer_set_name(self->fd, pages + page - 10));
	EXPECT_TRUE(has_name(self->fd, "xxxxxxxxx"));
	munmap(pages, page);
}

struct namer {
	int fd;
	const char *name;
	unsigned int failures;
};

static void *name_again_and_again(void *data)
{
	struct namer *namer = data;
	unsigned int i;

	for (i = 0; i < scaled(2000); i++)
		namer->failures += !!buffer_set_name(namer->fd, namer->name);
	return NULL;
}

static bool has_either_name(int fd, const char *one, const char *other)
{
	const char *shown = fdinfo_value(fd, "name");

	return shown && (!strcmp(shown, one) || !strcmp(shown, other));
}

/* proves: E1 */
TEST_F(file, name_is_a_whole_one_while_threads_change_it)
{
	struct namer namers[2] = {
		{ self->fd, "a", 0 }, { self->fd, LONGEST_NAME, 0 },
	};
	pthread_t threads[2];
	unsigned int i;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_EQ(0, buffer_set_name(self->fd, "a"));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, name_again_and_again, &namers[i]));
	for (i = 0; i < scaled(200); i++)
		EXPECT_TRUE(has_either_name(self->fd, "a", LONGEST_NAME));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
		EXPECT_EQ(0, namers[i].failures);
	}
}

/* What fdinfo tells */

/* proves: E1, E2 */
TEST_F(file, fdinfo_has_the_keys_of_the_kernels_dma_bufs)
{
	char number[32];
	int copy;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	snprintf(number, sizeof(number), "%zu", page_align(FILE_BYTES));
	EXPECT_TRUE(fdinfo_has(self->fd, "size", number));
	EXPECT_TRUE(fdinfo_has(self->fd, "count", "1"));
	EXPECT_TRUE(fdinfo_has(self->fd, "exp_name", EXPORTER_MODULE));
	copy = dup(self->fd);
	ASSERT_LE(0, copy);
	EXPECT_TRUE(fdinfo_has(self->fd, "count", "2"));
	EXPECT_EQ(0, close(copy));
	/* The kernel's own have no more to tell. */
	snprintf(number, sizeof(number), "%zu", FILE_BYTES);
	EXPECT_TRUE(fdinfo_has(self->fd, "dmabuf_size", variant->native ? number : NULL));
	EXPECT_EQ(variant->native, !!fdinfo_value(self->fd, "dmabuf_id"));
	EXPECT_EQ(variant->native, !!fdinfo_value(self->fd, "dmabuf_attachments"));
}

/* Waiting */

/* A file that is being polled may go a little after its last close. */
static bool only_listed_as_before(FIXTURE_DATA(file) *self)
{
	__u64 deadline = now_ms() + 10000;

	while (buffers_listed() != self->before.listed && now_ms() < deadline)
		sleep_ms(5);
	return buffers_listed() == self->before.listed;
}

static int poll_now(int fd, short events)
{
	struct pollfd wait = { .fd = fd, .events = events };

	return poll(&wait, 1, 0) < 0 ? -errno : wait.revents;
}

/* proves: M4 */
TEST_F(file, poll_without_fences_is_ready_at_once)
{
	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	EXPECT_EQ(POLLIN | POLLOUT, poll_now(self->fd, POLLIN | POLLOUT));
	EXPECT_EQ(POLLIN, poll_now(self->fd, POLLIN));
	EXPECT_EQ(POLLOUT, poll_now(self->fd, POLLOUT));
	EXPECT_EQ(0, poll_now(self->fd, 0));
	EXPECT_EQ(0, poll_now(self->fd, POLLPRI | POLLRDNORM));

	/* A mapping is no fence. */
	ASSERT_LT(0, map_by_engine(self));
	EXPECT_EQ(POLLIN | POLLOUT, poll_now(self->fd, POLLIN | POLLOUT));
}

/* proves: P1 */
TEST_F(file, epoll_forgets_a_buffer_with_its_last_close)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT, .data.u64 = 42 };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int copy;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_LE(0, epoll);
	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, self->fd, &event));
	EXPECT_EQ(-1, epoll_ctl(epoll, EPOLL_CTL_ADD, self->fd, &event));
	EXPECT_EQ(EEXIST, errno);
	memset(&event, 0, sizeof(event));
	EXPECT_EQ(1, epoll_wait(epoll, &event, 1, 0));
	EXPECT_EQ(EPOLLIN | EPOLLOUT, event.events);
	EXPECT_EQ(42, event.data.u64);

	/* Not with the first one. */
	copy = dup(self->fd);
	ASSERT_LE(0, copy);
	EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(1, epoll_wait(epoll, &event, 1, 0));
	EXPECT_EQ(0, close(copy));
	self->fd = -1;
	EXPECT_EQ(0, epoll_wait(epoll, &event, 1, 0));
	/* The epoll holds nothing, and is still there. */
	EXPECT_TRUE(only_listed_as_before(self));
	close(epoll);
}

struct watcher {
	int epoll;
	atomic_bool stop;
	atomic_int events;
	int error;
};

static void *watch(void *data)
{
	struct watcher *watcher = data;
	struct epoll_event events[8];

	while (!atomic_load(&watcher->stop)) {
		int n = epoll_wait(watcher->epoll, events, 8, 1);

		if (n < 0 && errno != EINTR)
			watcher->error = errno;
		else if (n > 0)
			atomic_fetch_add(&watcher->events, n);
	}
	return NULL;
}

/* proves: P1, F3 */
TEST_F(file, last_close_while_epoll_waits_ends_the_buffer)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT };
	struct watcher watcher = {};
	pthread_t thread;
	unsigned int i;
	int fd;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	watcher.epoll = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_LE(0, watcher.epoll);
	ASSERT_EQ(0, pthread_create(&thread, NULL, watch, &watcher));
	for (i = 0; i < scaled(300) || !atomic_load(&watcher.events); i++) {
		fd = buffer_export_kind(self->exporter, variant->native, 1, 0, O_RDWR);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, epoll_ctl(watcher.epoll, EPOLL_CTL_ADD, fd, &event));
		if (i % 4 == 0)
			sched_yield();
		ASSERT_EQ(0, close(fd));
	}
	atomic_store(&watcher.stop, true);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, watcher.error);
	EXPECT_LT(0, atomic_load(&watcher.events));
	EXPECT_EQ(0, close(self->fd));
	self->fd = -1;
	EXPECT_TRUE(only_listed_as_before(self));
	close(watcher.epoll);
}

/* Ioctls */

/* proves: R4 */
TEST_F(file, unknown_ioctl_is_refused)
{
	__u64 arg[8] = {};
	unsigned int nr;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	for (nr = 0; nr < 256; nr++) {
		EXPECT_EQ(-ENOTTY, do_ioctl(self->fd, _IO(DMA_BUF_BASE, nr), arg));
		EXPECT_EQ(-ENOTTY, do_ioctl(self->fd, _IOR(DMA_BUF_BASE, nr, __u64), arg));
		if (nr > 3) {
			EXPECT_EQ(-ENOTTY, do_ioctl(self->fd, _IOW(DMA_BUF_BASE, nr, __u64), arg));
			EXPECT_EQ(-ENOTTY, do_ioctl(self->fd, _IOWR(DMA_BUF_BASE, nr, __u64), arg));
		}
	}
	EXPECT_EQ(-ENOTTY, do_ioctl(self->fd, DMABUF_EXPORTER_EXPORT, arg));
	EXPECT_EQ(-ENOTTY, do_ioctl(self->fd, DMABUF_IMPORTER_ATTACH, arg));
}

/* proves: F4, A1 */
TEST_F(file, importer_takes_it)
{
	unsigned char bytes[5000], back[5000];
	long long mapping;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	mapping = map_by_engine(self);
	ASSERT_LT(0, mapping);
	scribble(bytes, sizeof(bytes), 1);
	EXPECT_EQ(0, copy_in(self->importer, mapping, 99, sizeof(bytes), bytes));
	EXPECT_EQ(0, copy_out(self->importer, mapping, 99, sizeof(back), back));
	EXPECT_EQ(0, memcmp(bytes, back, sizeof(bytes)));
}

/* The parameter */

FIXTURE(parameter)
{
	int exporter;
	int native_files;
	struct counters before;
};

FIXTURE_SETUP(parameter)
{
	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->native_files = native_files_set(true);
	ASSERT_LE(0, self->native_files);
}

FIXTURE_TEARDOWN(parameter)
{
	EXPECT_LE(0, native_files_set(self->native_files));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* proves: E1 */
TEST_F(parameter, native_files_counts_from_the_next_export_on)
{
	int native, kernel;

	native = buffer_export(self->exporter, 1, DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, native);
	EXPECT_FALSE(file_is_kernel(self->exporter, native));
	kernel = buffer_export_kind(self->exporter, false, 1, 0, O_RDWR);
	if (kernel == -EOPNOTSUPP) {
		close(native);
		SKIP(return, NO_KERNEL_FILES);
	}
	ASSERT_LE(0, kernel);
	EXPECT_TRUE(file_is_kernel(self->exporter, kernel));
	/* Those that are there stay what they are. */
	EXPECT_FALSE(file_is_kernel(self->exporter, native));
	EXPECT_EQ(1, native_files_set(false));
	EXPECT_FALSE(file_is_kernel(self->exporter, native));
	EXPECT_EQ(0, native_files_set(true));
	EXPECT_TRUE(file_is_kernel(self->exporter, kernel));
	close(native);
	close(kernel);
}

/* There are no fences without the kernel's dma-buf. */
/* proves: R4 */
TEST_F(parameter, native_file_has_no_sync_files)
{
	__u64 arg = DMA_BUF_SYNC_RW;
	int fd;

	fd = buffer_export(self->exporter, 1, DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, fd);
	/* Export and import of one, by their numbers: older headers have no names for them. */
	EXPECT_EQ(-ENOTTY, do_ioctl(fd, _IOWR(DMA_BUF_BASE, 2, __u64), &arg));
	EXPECT_EQ(-ENOTTY, do_ioctl(fd, _IOW(DMA_BUF_BASE, 3, __u64), &arg));
	EXPECT_EQ(DMA_BUF_SYNC_RW, arg);
	close(fd);
}

TEST_HARNESS_MAIN
