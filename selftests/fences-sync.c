// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fences of a buffer as user space sees them: poll, sync_file, DMA_BUF_IOCTL_SYNC.  They
 * are the kernel's own, on our buffer as on any other dma-buf.
 */
#include "fences-fixture.h"

#define NO_SYNC_FILES "a dma-buf of this kernel gives no sync_file"
#define NO_BOOKKEEPING "this kernel has no fence that polls leave out"
#define NO_POLL_REFERENCE "this kernel's own dma-buf does not survive that"

/* Return: an fd. */
static int sync_file_export(int fd, __u32 flags)
{
	struct dma_buf_export_sync_file arg = { .flags = flags, .fd = -1 };
	int ret = do_ioctl(fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &arg);

	return ret ?: arg.fd;
}

/*
 * Since 6.0.  Fences that are only kept in mind (5.19), and a poll that holds the buffer
 * while it has a callback (5.16), are older and cannot be asked for.
 */
static bool has_sync_files(FIXTURE_DATA(fences) *self)
{
	int sync_file = sync_file_export(self->fd, DMA_BUF_SYNC_READ);

	if (sync_file >= 0)
		close(sync_file);
	return sync_file != -ENOTTY;
}

/* Return: what poll() finds at once. */
static int ready(int fd, short events)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };

	return poll(&poll_fd, 1, 0) < 0 ? -errno : poll_fd.revents;
}

static long long polls_in(FIXTURE_DATA(fences) *self)
{
	struct pollfd poll_fd = { .fd = self->fd, .events = POLLIN };

	return poll(&poll_fd, 1, -1) < 0 ? -errno : poll_fd.revents;
}

static long long polls_out(FIXTURE_DATA(fences) *self)
{
	struct pollfd poll_fd = { .fd = self->fd, .events = POLLOUT };

	return poll(&poll_fd, 1, -1) < 0 ? -errno : poll_fd.revents;
}

TEST_F(fences, poll_without_fences_finds_the_buffer_ready)
{
	EXPECT_EQ(POLLIN, ready(self->fd, POLLIN));
	EXPECT_EQ(POLLOUT, ready(self->fd, POLLOUT));
	EXPECT_EQ(POLLIN | POLLOUT, ready(self->fd, POLLIN | POLLOUT));
}

/* What writes must have ended before one reads, everything before one writes. */
TEST_F(fences, poll_finds_what_each_fence_leaves)
{
	static const struct {
		__u32 usage;
		short ready;
	} cases[] = {
		{ DMABUF_TEST_BRIDGE_USAGE_KERNEL, 0 },
		{ DMABUF_TEST_BRIDGE_USAGE_WRITE, 0 },
		{ DMABUF_TEST_BRIDGE_USAGE_READ, POLLIN },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		long long left = fence(self, cases[i].usage);

		ASSERT_LT(0, left);
		/* Each alone: a poll for both that finds one asks for a callback of the other. */
		EXPECT_EQ(cases[i].ready & POLLIN, ready(self->fd, POLLIN))
			TH_LOG("usage %u", cases[i].usage);
		EXPECT_EQ(cases[i].ready & POLLOUT, ready(self->fd, POLLOUT))
			TH_LOG("usage %u", cases[i].usage);
		EXPECT_EQ(0, bridge_signal(self->node, left));
		EXPECT_EQ(POLLIN | POLLOUT, ready(self->fd, POLLIN | POLLOUT));
	}
}

TEST_F(fences, poll_leaves_out_a_fence_that_is_only_kept_in_mind)
{
	long long left;

	if (!has_sync_files(self))
		SKIP(return, NO_BOOKKEEPING);
	left = fence(self, DMABUF_TEST_BRIDGE_USAGE_BOOKKEEP);
	ASSERT_LT(0, left);
	EXPECT_EQ(POLLIN | POLLOUT, ready(self->fd, POLLIN | POLLOUT));
	EXPECT_EQ(0, bridge_signal(self->node, left));
}

TEST_F(fences, poll_for_input_wakes_when_the_write_is_over)
{
	long long left = fence(self, DMABUF_TEST_BRIDGE_USAGE_WRITE);
	struct deed deed;

	ASSERT_LT(0, left);
	ASSERT_EQ(0, deed_start(&deed, self, left, polls_in));
	EXPECT_TRUE(deed_waits(&deed));
	EXPECT_EQ(0, bridge_signal(self->node, left));
	EXPECT_EQ(POLLIN, deed_finish(&deed));
	EXPECT_EQ(1, deed.signalled);
}

TEST_F(fences, poll_for_output_wakes_when_the_read_is_over)
{
	long long left = fence(self, DMABUF_TEST_BRIDGE_USAGE_READ);
	struct deed deed;

	ASSERT_LT(0, left);
	ASSERT_EQ(0, deed_start(&deed, self, left, polls_out));
	EXPECT_TRUE(deed_waits(&deed));
	EXPECT_EQ(0, bridge_signal(self->node, left));
	EXPECT_EQ(POLLOUT, deed_finish(&deed));
	EXPECT_EQ(1, deed.signalled);
}

/* The poll's callback has a reference of the fence's, not of the fd's. */
TEST_F(fences, close_while_a_poll_has_a_callback_on_a_fence_is_safe)
{
	long long left;

	if (!has_sync_files(self))
		SKIP(return, NO_POLL_REFERENCE);
	left = fence(self, DMABUF_TEST_BRIDGE_USAGE_WRITE);
	ASSERT_LT(0, left);
	EXPECT_EQ(0, ready(self->fd, POLLIN));
	EXPECT_EQ(0, ready(self->fd, POLLOUT));
	EXPECT_EQ(0, close(self->fd));
	self->fd = -1;
	EXPECT_EQ(0, bridge_detach(self->node, self->kernel_easy));
	EXPECT_EQ(0, bridge_detach(self->node, self->kernel_strict));
	EXPECT_EQ(0, detach(self->importer, self->easy));
	EXPECT_EQ(0, detach(self->importer, self->strict));
	EXPECT_EQ(0, bridge_signal(self->node, left));
}

static int sync_file_import(int fd, int sync_file, __u32 flags)
{
	struct dma_buf_import_sync_file arg = { .flags = flags, .fd = sync_file };

	return do_ioctl(fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &arg);
}

TEST_F(fences, sync_file_of_the_buffer_signals_with_its_fences)
{
	long long read, write;
	int for_read, for_write;

	if (!has_sync_files(self))
		SKIP(return, NO_SYNC_FILES);
	read = fence(self, DMABUF_TEST_BRIDGE_USAGE_READ);
	write = fence(self, DMABUF_TEST_BRIDGE_USAGE_WRITE);
	ASSERT_LT(0, read);
	ASSERT_LT(0, write);
	/* What a reader must wait for, and what a writer. */
	for_read = sync_file_export(self->fd, DMA_BUF_SYNC_READ);
	ASSERT_LE(0, for_read);
	for_write = sync_file_export(self->fd, DMA_BUF_SYNC_RW);
	ASSERT_LE(0, for_write);
	EXPECT_EQ(0, ready(for_read, POLLIN));
	EXPECT_EQ(0, ready(for_write, POLLIN));
	EXPECT_EQ(0, bridge_signal(self->node, write));
	EXPECT_EQ(POLLIN, ready(for_read, POLLIN));
	EXPECT_EQ(0, ready(for_write, POLLIN));
	EXPECT_EQ(0, bridge_signal(self->node, read));
	EXPECT_EQ(POLLIN, ready(for_write, POLLIN));
	EXPECT_EQ(-EINVAL, sync_file_export(self->fd, 0));
	EXPECT_EQ(-EINVAL, sync_file_export(self->fd, DMA_BUF_SYNC_READ | 8));
	close(for_read);
	close(for_write);
}

/* proves: N3 */
TEST_F(fences, fence_that_comes_by_a_sync_file_is_waited_for_like_others)
{
	long long left, mapping, other;
	int sync_file;

	if (!has_sync_files(self))
		SKIP(return, NO_SYNC_FILES);
	other = buffer_export(self->exporter, BYTES, DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, other);
	left = bridge_fence(self->node, other, DMABUF_TEST_BRIDGE_USAGE_WRITE, 0);
	ASSERT_LT(0, left);
	sync_file = sync_file_export(other, DMA_BUF_SYNC_RW);
	ASSERT_LE(0, sync_file);
	EXPECT_EQ(POLLIN | POLLOUT, ready(self->fd, POLLIN | POLLOUT));
	ASSERT_EQ(0, sync_file_import(self->fd, sync_file, DMA_BUF_SYNC_WRITE));
	close(sync_file);
	EXPECT_EQ(0, ready(self->fd, POLLIN));
	EXPECT_EQ(0, ready(self->fd, POLLOUT));

	EXPECT_EQ(-EAGAIN, map_nowait(self->importer, self->strict,
				      DMABUF_IMPORTER_BIDIRECTIONAL));
	EXPECT_EQ(-ETIMEDOUT, map_timeout(self->importer, self->strict,
					  DMABUF_IMPORTER_BIDIRECTIONAL, 20));
	EXPECT_EQ(0, moves(self));
	EXPECT_EQ(0, bridge_signal(self->node, left));
	mapping = map_nowait(self->importer, self->strict, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(1, moves(self));
	EXPECT_TRUE(device_reads(self->importer, mapping, self->bytes, BYTES));
	close(other);
}

static long long syncs_to_read(FIXTURE_DATA(fences) *self)
{
	struct dma_buf_sync arg = { DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ };

	return do_ioctl(self->fd, DMA_BUF_IOCTL_SYNC, &arg);
}

static long long kernel_begins_to_write(FIXTURE_DATA(fences) *self)
{
	return bridge_access(self->node, DMABUF_TEST_BRIDGE_BEGIN, self->fd, BIDIRECTIONAL);
}

TEST_F(fences, beginning_of_cpu_access_waits_for_what_devices_write)
{
	struct dma_buf_sync end = { DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ };
	long long left = fence(self, DMABUF_TEST_BRIDGE_USAGE_WRITE);
	struct deed deed;

	ASSERT_LT(0, left);
	ASSERT_EQ(0, deed_start(&deed, self, left, syncs_to_read));
	EXPECT_TRUE(deed_waits(&deed));
	EXPECT_EQ(0, bridge_signal(self->node, left));
	EXPECT_EQ(0, deed_finish(&deed));
	EXPECT_EQ(1, deed.signalled);
	EXPECT_EQ(0, do_ioctl(self->fd, DMA_BUF_IOCTL_SYNC, &end));

	/* To read, one need not wait for those who read. */
	left = fence(self, DMABUF_TEST_BRIDGE_USAGE_READ);
	ASSERT_LT(0, left);
	EXPECT_EQ(0, syncs_to_read(self));
	EXPECT_EQ(0, do_ioctl(self->fd, DMA_BUF_IOCTL_SYNC, &end));
	ASSERT_EQ(0, deed_start(&deed, self, left, kernel_begins_to_write));
	EXPECT_TRUE(deed_waits(&deed));
	EXPECT_EQ(0, bridge_signal(self->node, left));
	EXPECT_EQ(0, deed_finish(&deed));
	EXPECT_EQ(0, bridge_access(self->node, DMABUF_TEST_BRIDGE_END, self->fd, BIDIRECTIONAL));
}

static const char *const needed_modules[] = { "dmabuf-test-bridge", NULL };

#include "test-modules-main.h"
