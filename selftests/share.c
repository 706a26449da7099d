// SPDX-License-Identifier: GPL-2.0-only
/* Step 2: the fd crosses processes and drivers, and a failed hand-out leaves nothing. */
#include "dmabuf-test.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#ifndef __NR_pidfd_open
#define __NR_pidfd_open 434
#endif
#ifndef __NR_pidfd_getfd
#define __NR_pidfd_getfd 438
#endif

#define SHARE_BYTES 10000

/* Tells whether the fd in the environment is open, in place of the tests. */
static void __attribute__((constructor)) after_exec(void)
{
	const char *fd = getenv("DMABUF_TEST_FD");

	if (fd)
		_exit(fcntl(atoi(fd), F_GETFD) >= 0 ? 0 : errno);
}

/* Return: exit status of the child, or -1. */
static int exit_status(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static int send_fd(int sock, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {};
	char byte = 'x';
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.bytes, .msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	return sendmsg(sock, &msg, 0) == 1 ? 0 : -errno;
}

static int receive_fd(int sock)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.bytes, .msg_controllen = sizeof(control.bytes),
	};
	int fd;

	if (recvmsg(sock, &msg, 0) != 1 || !CMSG_FIRSTHDR(&msg))
		return -EIO;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	return fd;
}

FIXTURE(share)
{
	int exporter;
	int fd;
	long long id;
	struct counters before;
};

FIXTURE_SETUP(share)
{
	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->fd = buffer_export(self->exporter, SHARE_BYTES, DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, self->fd);
	self->id = buffer_id(self->exporter, self->fd);
	ASSERT_LT(0, self->id);
}

FIXTURE_TEARDOWN(share)
{
	if (self->fd >= 0)
		EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* Return: buffers that are alive beyond those before the test. */
static long long alive(FIXTURE_DATA(share) *self)
{
	struct dmabuf_exporter_info info;
	int ret = exporter_info(self->exporter, &info);

	return ret ?: (long long)info.buffers - self->before.buffers;
}

/* proves: F1, F3 */
TEST_F(share, duplicated_fd_keeps_the_buffer)
{
	int copy = dup(self->fd);

	ASSERT_LE(0, copy);
	EXPECT_EQ(self->id, buffer_id(self->exporter, copy));
	EXPECT_EQ(0, close(self->fd));
	self->fd = -1;
	EXPECT_EQ(1, alive(self));
	EXPECT_EQ(self->id, buffer_id(self->exporter, copy));
	EXPECT_EQ(0, close(copy));
	EXPECT_EQ(0, alive(self));
}

/* proves: F3, P1 */
TEST_F(share, buffer_lives_until_the_last_of_many_fds)
{
	int fds[100], i;

	for (i = 0; i < 100; i++) {
		fds[i] = dup(self->fd);
		ASSERT_LE(0, fds[i]);
	}
	EXPECT_EQ(0, close(self->fd));
	self->fd = -1;
	for (i = 0; i < 100; i++) {
		EXPECT_EQ(1, alive(self));
		EXPECT_EQ(self->id, buffer_id(self->exporter, fds[i]));
		EXPECT_EQ(0, close(fds[i]));
	}
	EXPECT_EQ(0, alive(self));
}

/* proves: F3 */
TEST_F(share, forked_process_keeps_the_buffer)
{
	int sync[2];
	pid_t child;
	char byte;

	ASSERT_EQ(0, pipe(sync));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(sync[1]);
		/* Until the parent has closed its own. */
		if (read(sync[0], &byte, 1) != 1)
			_exit(1);
		_exit(buffer_id(self->exporter, self->fd) == self->id ? 0 : 2);
	}
	close(sync[0]);
	EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(1, alive(self));
	EXPECT_EQ(-EBADF, buffer_id(self->exporter, self->fd));
	self->fd = -1;
	EXPECT_EQ(1, write(sync[1], "x", 1));
	EXPECT_EQ(0, exit_status(child));
	close(sync[1]);
}

/* proves: F3 */
TEST_F(share, fd_in_a_message_keeps_the_buffer)
{
	int sock[2], fd;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	ASSERT_EQ(0, send_fd(sock[0], self->fd));
	EXPECT_EQ(0, close(self->fd));
	self->fd = -1;
	EXPECT_EQ(1, alive(self));
	fd = receive_fd(sock[1]);
	ASSERT_LE(0, fd);
	EXPECT_EQ(self->id, buffer_id(self->exporter, fd));
	close(fd);
	EXPECT_EQ(0, alive(self));
	close(sock[0]);
	close(sock[1]);
}

/* proves: F3, P1 */
TEST_F(share, message_that_nobody_reads_lets_the_buffer_go)
{
	int sock[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	ASSERT_EQ(0, send_fd(sock[0], self->fd));
	EXPECT_EQ(0, close(self->fd));
	self->fd = -1;
	EXPECT_EQ(1, alive(self));
	close(sock[0]);
	close(sock[1]);
}

/* proves: F3, F4 */
TEST_F(share, another_process_receives_the_fd_and_imports_the_buffer)
{
	unsigned char bytes[SHARE_BYTES], back[SHARE_BYTES];
	unsigned char *memory;
	long long attachment, mapping;
	int sock[2], fd, importer;
	pid_t child;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	scribble(bytes, sizeof(bytes), 7);
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(self->fd);
		close(self->exporter);
		fd = receive_fd(sock[1]);
		importer = importer_open();
		attachment = attach(importer, fd, engine_find(importer, DMABUF_IMPORTER_SOFT, 0));
		if (attachment < 0)
			_exit(1);
		mapping = map(importer, attachment, DMABUF_IMPORTER_FROM_DEVICE);
		if (mapping < 0)
			_exit(2);
		if (copy_in(importer, mapping, 0, sizeof(bytes), bytes))
			_exit(3);
		/* Nothing is undone by hand: the process ends. */
		_exit(0);
	}
	ASSERT_EQ(0, send_fd(sock[0], self->fd));
	ASSERT_EQ(0, exit_status(child));

	memory = buffer_mmap(self->exporter, self->fd, SHARE_BYTES);
	ASSERT_NE(MAP_FAILED, memory);
	memcpy(back, memory, sizeof(back));
	EXPECT_EQ(0, memcmp(bytes, back, sizeof(bytes)));
	munmap(memory, SHARE_BYTES);
	close(sock[0]);
	close(sock[1]);
}

/* proves: F3 */
TEST_F(share, fd_taken_out_of_another_process_outlives_that_process)
{
	int numbers[2], fd, pidfd, theirs;
	long long id;
	pid_t child;

	ASSERT_EQ(0, pipe(numbers));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		fd = buffer_export_populated(self->exporter, 3 * page_size(),
					     DMABUF_EXPORTER_SCATTER);
		if (write(numbers[1], &fd, sizeof(fd)) != sizeof(fd))
			_exit(1);
		for (;;)
			pause();
	}
	ASSERT_EQ(sizeof(theirs), read(numbers[0], &theirs, sizeof(theirs)));
	ASSERT_LE(0, theirs);
	pidfd = syscall(__NR_pidfd_open, child, 0);
	ASSERT_LE(0, pidfd);
	fd = syscall(__NR_pidfd_getfd, pidfd, theirs, 0);
	ASSERT_LE(0, fd);
	id = buffer_id(self->exporter, fd);
	EXPECT_LT(self->id, id);
	kill(child, SIGKILL);
	EXPECT_EQ(child, waitpid(child, NULL, 0));
	EXPECT_EQ(2, alive(self));
	EXPECT_EQ(id, buffer_id(self->exporter, fd));
	close(fd);
	close(pidfd);
	close(numbers[0]);
	close(numbers[1]);
	EXPECT_EQ(1, alive(self));
}

/* proves: F2, E2 */
TEST_F(share, no_fd_left_means_no_buffer_either)
{
	struct rlimit limit, none;
	int free_fd;

	free_fd = lowest_free_fd();
	ASSERT_LE(0, free_fd);
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	none = limit;
	none.rlim_cur = free_fd;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	EXPECT_EQ(-EMFILE, buffer_export(self->exporter, SHARE_BYTES, DMABUF_EXPORTER_AUTO));
	EXPECT_EQ(-EMFILE, buffer_export_populated(self->exporter, SHARE_BYTES,
						   DMABUF_EXPORTER_SCATTER));
	EXPECT_EQ(1, alive(self));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(free_fd, lowest_free_fd());
	EXPECT_EQ(self->before.listed + 1, buffers_listed());
	EXPECT_EQ(self->id, buffer_id(self->exporter, self->fd));
}

/* proves: F2, E2 */
TEST_F(share, answer_that_cannot_be_written_means_no_fd_and_no_buffer)
{
	struct dmabuf_exporter_export arg = {
		.argsz = sizeof(arg), .bytes = SHARE_BYTES, .flags = DMABUF_EXPORTER_POPULATE,
		.backing = DMABUF_EXPORTER_SCATTER, .fd_flags = O_RDWR,
	};
	struct dmabuf_exporter_info info;
	int free_fd, i;
	void *page;

	page = read_only_copy(&arg, sizeof(arg));
	ASSERT_NE(NULL, page);
	free_fd = lowest_free_fd();
	for (i = 0; i < 20; i++)
		EXPECT_EQ(-EFAULT, do_ioctl(self->exporter, DMABUF_EXPORTER_EXPORT, page));
	EXPECT_EQ(free_fd, lowest_free_fd());
	EXPECT_EQ(self->before.listed + 1, buffers_listed());
	ASSERT_EQ(0, exporter_info(self->exporter, &info));
	EXPECT_EQ(self->before.buffers + 1, info.buffers);
	EXPECT_EQ(self->before.backed_bytes, info.backed_bytes);
	EXPECT_EQ(page_align(SHARE_BYTES), info.file_bytes);
	munmap(page, page_size());
}

/* proves: A1 */
TEST_F(share, file_that_is_no_buffer_is_rejected)
{
	int importer = importer_open();
	int fds[16], pipes[2], n = 0, soft;

	ASSERT_LE(0, importer);
	soft = engine_find(importer, DMABUF_IMPORTER_SOFT, 0);
	ASSERT_LE(0, soft);
	ASSERT_EQ(0, pipe(pipes));
	fds[n++] = pipes[0];
	fds[n++] = pipes[1];
	fds[n++] = open("/dev/null", O_RDWR);
	fds[n++] = open("/", O_RDONLY | O_DIRECTORY);
	fds[n++] = open("/proc/self/exe", O_RDONLY);
	fds[n++] = socket(AF_UNIX, SOCK_STREAM, 0);
	/* Of the same anonymous inode as a buffer: */
	fds[n++] = eventfd(0, 0);
	fds[n++] = epoll_create1(0);
	fds[n++] = importer_open();
	fds[n++] = exporter_open();
	while (n--) {
		ASSERT_LE(0, fds[n]);
		EXPECT_EQ(-EINVAL, attach(importer, fds[n], soft));
		EXPECT_EQ(-EINVAL, buffer_id(self->exporter, fds[n]));
		close(fds[n]);
	}
	close(importer);
}

/* proves: A1 */
TEST_F(share, number_that_is_no_open_file_is_rejected)
{
	int importer = importer_open();
	int numbers[5], soft, path;
	char name[64];
	size_t i;

	ASSERT_LE(0, importer);
	soft = engine_find(importer, DMABUF_IMPORTER_SOFT, 0);
	ASSERT_LE(0, soft);
	/* A path to the buffer's file is not the file. */
	snprintf(name, sizeof(name), "/proc/self/fd/%d", self->fd);
	path = open(name, O_PATH);
	ASSERT_LE(0, path);
	numbers[0] = path;
	numbers[1] = -1;
	numbers[2] = INT_MIN;
	numbers[3] = INT_MAX;
	numbers[4] = lowest_free_fd();
	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		EXPECT_EQ(-EBADF, attach(importer, numbers[i], soft)) TH_LOG("%d", numbers[i]);
		EXPECT_EQ(-EBADF, buffer_id(self->exporter, numbers[i]));
	}
	close(path);
	close(importer);
}

/* proves: A1, F4 */
TEST_F(share, a_reference_is_counted_for_each_get)
{
	int importer = importer_open();
	long long first, second;
	int soft;

	ASSERT_LE(0, importer);
	soft = engine_find(importer, DMABUF_IMPORTER_SOFT, 0);
	ASSERT_LE(0, soft);
	first = attach(importer, self->fd, soft);
	ASSERT_LT(0, first);
	second = attach(importer, self->fd, soft);
	ASSERT_LT(0, second);
	EXPECT_EQ(0, close(self->fd));
	self->fd = -1;
	EXPECT_EQ(1, alive(self));
	EXPECT_EQ(0, detach(importer, first));
	EXPECT_EQ(1, alive(self));
	EXPECT_EQ(0, detach(importer, second));
	EXPECT_EQ(0, alive(self));
	close(importer);
}

/* proves: E2, F3 */
TEST_F(share, buffer_cannot_be_opened_again_by_its_path)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", self->fd);
	EXPECT_EQ(-1, open(name, O_RDWR));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(self->id, buffer_id(self->exporter, self->fd));
}

struct poller {
	int fd;
	atomic_int polls;
	atomic_bool stop;
};

static void *poll_for_ever(void *data)
{
	struct poller *poller = data;

	while (!atomic_load(&poller->stop)) {
		struct pollfd wait = { .fd = poller->fd, .events = POLLIN | POLLOUT };

		if (poll(&wait, 1, 1) >= 0)
			atomic_fetch_add(&poller->polls, 1);
	}
	return NULL;
}

/* proves: P1, F3 */
TEST_F(share, last_close_while_the_fd_is_polled_ends_the_buffer)
{
	unsigned int i, rounds = scaled(200);
	struct poller poller = {};
	int epoll = epoll_create1(0), fd;
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT };
	pthread_t thread;

	/* The number is taken for ever, so that the thread polls only buffers. */
	poller.fd = fcntl(self->fd, F_DUPFD, 200);
	ASSERT_LE(200, poller.fd);
	ASSERT_LE(0, epoll);
	ASSERT_EQ(0, pthread_create(&thread, NULL, poll_for_ever, &poller));
	for (i = 0; i < rounds; i++) {
		fd = buffer_export(self->exporter, 1, DMABUF_EXPORTER_AUTO);
		ASSERT_LE(0, fd);
		/* Closes the buffer of the round before, under the thread's poll(). */
		ASSERT_EQ(poller.fd, dup2(fd, poller.fd));
		/* What it finds may be closed at the same time. */
		EXPECT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
		EXPECT_LE(0, epoll_wait(epoll, &event, 1, 0));
		event.events = EPOLLIN | EPOLLOUT;
		close(fd);
	}
	atomic_store(&poller.stop, true);
	pthread_join(thread, NULL);
	EXPECT_LT(0, atomic_load(&poller.polls));
	close(poller.fd);
	close(epoll);
	EXPECT_EQ(1, alive(self));
}

struct closer {
	int exporter;
	int fd;
	unsigned int rounds;
	unsigned int failures;
};

static void *dup_and_close(void *data)
{
	struct closer *closer = data;
	unsigned int i;

	for (i = 0; i < closer->rounds; i++) {
		int fd = dup(closer->fd);

		if (fd < 0 || buffer_id(closer->exporter, fd) < 0 || close(fd))
			closer->failures++;
	}
	return NULL;
}

/* proves: F3, P1 */
TEST_F(share, threads_may_duplicate_and_close_at_once)
{
	struct closer closers[4];
	pthread_t threads[4];
	int i;

	for (i = 0; i < 4; i++) {
		closers[i] = (struct closer) { self->exporter, self->fd, scaled(2000), 0 };
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, dup_and_close, &closers[i]));
	}
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		EXPECT_EQ(0, closers[i].failures);
	}
	EXPECT_EQ(1, alive(self));
}

FIXTURE(exec)
{
	int exporter;
	struct counters before;
};

FIXTURE_VARIANT(exec)
{
	__u32 fd_flags;
	int status;	/* what the new program says: 0 or the errno of the fd */
};

FIXTURE_VARIANT_ADD(exec, with_cloexec) {
	.fd_flags = O_RDWR | O_CLOEXEC,
	.status = EBADF,
};

FIXTURE_VARIANT_ADD(exec, without_cloexec) {
	.fd_flags = O_RDWR,
	.status = 0,
};

FIXTURE_SETUP(exec)
{
	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
}

FIXTURE_TEARDOWN(exec)
{
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* proves: F3, E1 */
TEST_F(exec, new_program_has_the_fd_unless_it_is_close_on_exec)
{
	char number[32];
	pid_t child;
	int fd;

	fd = buffer_export_flags(self->exporter, SHARE_BYTES, DMABUF_EXPORTER_AUTO, 0,
				 variant->fd_flags);
	ASSERT_LE(0, fd);
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		snprintf(number, sizeof(number), "DMABUF_TEST_FD=%d", fd);
		execle("/proc/self/exe", "share", NULL, (char *[]){ number, NULL });
		_exit(127);
	}
	EXPECT_EQ(variant->status, exit_status(child));
	close(fd);
}

TEST_HARNESS_MAIN
