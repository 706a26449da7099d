// SPDX-License-Identifier: GPL-2.0-only
/* Every ioctl of /dev/dmabuf-exporter with every kind of wrong argument. */
#include "ioctl-test.h"

#include <stddef.h>

#define BUFFER_BYTES 5000

union argument {
	__u32 argsz;
	struct dmabuf_exporter_export export;
	struct dmabuf_exporter_mmap_offset offset;
	struct dmabuf_exporter_query query;
	struct dmabuf_exporter_info info;
	struct dmabuf_exporter_placement placement;
};

FIXTURE(exporter)
{
	int exporter;
	int fd;
	long long id;
	union argument arg;
	struct counters before;
};

FIXTURE_VARIANT(exporter)
{
	unsigned int cmd;
	size_t size;
	size_t first;	/* bytes of its first version, if it was shorter */
};

FIXTURE_VARIANT_ADD(exporter, export) {
	.cmd = DMABUF_EXPORTER_EXPORT,
	.size = sizeof(struct dmabuf_exporter_export),
};

FIXTURE_VARIANT_ADD(exporter, mmap_offset) {
	.cmd = DMABUF_EXPORTER_MMAP_OFFSET,
	.size = sizeof(struct dmabuf_exporter_mmap_offset),
};

FIXTURE_VARIANT_ADD(exporter, query) {
	.cmd = DMABUF_EXPORTER_QUERY,
	.size = sizeof(struct dmabuf_exporter_query),
	.first = offsetof(struct dmabuf_exporter_query, flags),
};

FIXTURE_VARIANT_ADD(exporter, info) {
	.cmd = DMABUF_EXPORTER_INFO,
	.size = sizeof(struct dmabuf_exporter_info),
};

FIXTURE_VARIANT_ADD(exporter, placement) {
	.cmd = DMABUF_EXPORTER_PLACEMENT,
	.size = sizeof(struct dmabuf_exporter_placement),
};

/* An argument with nothing wrong in it. */
static void prepare(FIXTURE_DATA(exporter) *self, const FIXTURE_VARIANT(exporter) *variant)
{
	memset(&self->arg, 0, sizeof(self->arg));
	self->arg.argsz = variant->size;
	switch (variant->cmd) {
	case DMABUF_EXPORTER_EXPORT:
		self->arg.export.bytes = 1;
		self->arg.export.fd_flags = O_RDWR | O_CLOEXEC;
		break;
	case DMABUF_EXPORTER_MMAP_OFFSET:
		self->arg.offset.fd = self->fd;
		break;
	case DMABUF_EXPORTER_QUERY:
		self->arg.query.fd = self->fd;
		break;
	case DMABUF_EXPORTER_PLACEMENT:
		self->arg.placement.fd = self->fd;
		break;
	}
}

/* After a call that worked: was the answer right?  Then undo it. */
static bool answer_is_right(FIXTURE_DATA(exporter) *self, const FIXTURE_VARIANT(exporter) *variant)
{
	switch (variant->cmd) {
	case DMABUF_EXPORTER_EXPORT:
		return self->arg.export.fd > self->fd && !close(self->arg.export.fd);
	case DMABUF_EXPORTER_MMAP_OFFSET:
		return self->arg.offset.offset ==
		       (__u64)buffer_offset(self->exporter, self->fd);
	case DMABUF_EXPORTER_QUERY:
		return (long long)self->arg.query.id == self->id &&
		       self->arg.query.bytes == BUFFER_BYTES;
	case DMABUF_EXPORTER_PLACEMENT:
		return self->arg.placement.state == DMABUF_EXPORTER_EMPTY &&
		       all_bytes_are(&self->arg.placement.state,
				     variant->size - offsetof(struct dmabuf_exporter_placement,
							      state), 0);
	default:
		return (long long)self->arg.info.buffers == self->before.buffers + 1 &&
		       self->arg.info.file_bytes == page_align(BUFFER_BYTES);
	}
}

/* The buffer of the fixture is as it was, and there is no other. */
static bool unharmed(FIXTURE_DATA(exporter) *self)
{
	struct dmabuf_exporter_info info;

	return buffer_id(self->exporter, self->fd) == self->id &&
	       !exporter_info(self->exporter, &info) &&
	       (long long)info.buffers == self->before.buffers + 1 &&
	       info.file_bytes == page_align(BUFFER_BYTES);
}

FIXTURE_SETUP(exporter)
{
	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->fd = buffer_export(self->exporter, BUFFER_BYTES, DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, self->fd);
	self->id = buffer_id(self->exporter, self->fd);
	ASSERT_LT(0, self->id);
	prepare(self, variant);
}

FIXTURE_TEARDOWN(exporter)
{
	/* Whatever was wrong before, right is right. */
	prepare(self, variant);
	EXPECT_EQ(0, do_ioctl(self->exporter, variant->cmd, &self->arg));
	EXPECT_TRUE(answer_is_right(self, variant));
	EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

TEST_F(exporter, good_argument_is_answered)
{
	EXPECT_EQ(0, call_sized(self->exporter, variant->cmd, &self->arg, variant->size,
				variant->size, 0));
	EXPECT_TRUE(answer_is_right(self, variant));
}

TEST_F(exporter, argument_shorter_than_its_first_version_is_rejected)
{
	__u32 argsz;

	for (argsz = 0; argsz < (variant->first ?: variant->size); argsz++) {
		EXPECT_EQ(-EINVAL, call_sized(self->exporter, variant->cmd, &self->arg,
					      variant->size, argsz, 0)) TH_LOG("argsz %u", argsz);
		EXPECT_TRUE(unharmed(self));
	}
}

TEST_F(exporter, argument_of_an_older_version_is_answered)
{
	unsigned char room[sizeof(union argument)];
	__u32 argsz;

	/* No further than it says that it is long. */
	for (argsz = variant->first ?: variant->size; argsz <= variant->size; argsz++) {
		prepare(self, variant);
		self->arg.argsz = argsz;
		memset(room, 0xaa, sizeof(room));
		memcpy(room, &self->arg, argsz);
		EXPECT_EQ(0, do_ioctl(self->exporter, variant->cmd, room));
		EXPECT_TRUE(all_bytes_are(room + argsz, sizeof(room) - argsz, 0xaa));
		prepare(self, variant);
		memcpy(&self->arg, room, argsz);
		EXPECT_TRUE(answer_is_right(self, variant));
	}
}

TEST_F(exporter, longer_argument_that_ends_in_zeroes_is_taken)
{
	const __u32 sizes[] = { variant->size + 1, variant->size + 8, 2 * variant->size,
				page_size() };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		prepare(self, variant);
		EXPECT_EQ(0, call_sized(self->exporter, variant->cmd, &self->arg, variant->size,
					sizes[i], 0)) TH_LOG("argsz %u", sizes[i]);
		EXPECT_TRUE(answer_is_right(self, variant));
	}
}

TEST_F(exporter, longer_argument_that_says_more_or_is_over_a_page_is_too_big)
{
	EXPECT_EQ(0, argsz_that_is_not_too_big(self->exporter, variant->cmd, &self->arg,
					       variant->size));
	EXPECT_TRUE(unharmed(self));
}

TEST_F(exporter, argument_outside_of_memory_is_a_fault)
{
	EXPECT_TRUE(argument_outside_of_memory_is_a_fault(self->exporter, variant->cmd, &self->arg,
							  variant->size));
	EXPECT_TRUE(unharmed(self));
}

TEST_F(exporter, answer_that_cannot_be_written_is_a_fault)
{
	void *page = read_only_copy(&self->arg, variant->size);

	ASSERT_NE(NULL, page);
	EXPECT_EQ(-EFAULT, do_ioctl(self->exporter, variant->cmd, page));
	EXPECT_TRUE(unharmed(self));
	munmap(page, page_size());
}

FIXTURE(device)
{
	int exporter;
	int importer;
	int fd;
	long long id;
	struct counters before;
};

FIXTURE_SETUP(device)
{
	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	self->fd = buffer_export(self->exporter, BUFFER_BYTES, DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, self->fd);
	self->id = buffer_id(self->exporter, self->fd);
	ASSERT_LT(0, self->id);
}

FIXTURE_TEARDOWN(device)
{
	EXPECT_EQ(self->id, buffer_id(self->exporter, self->fd));
	EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

#define EXPORT_FLAGS (DMABUF_EXPORTER_POPULATE | DMABUF_EXPORTER_FIXED | \
		      DMABUF_EXPORTER_NO_LATE_ATTACH | DMABUF_EXPORTER_ONE_WRITER | \
		      DMABUF_EXPORTER_NATIVE)

TEST_F(device, known_flags_of_an_export_go_together)
{
	struct dmabuf_exporter_placement place;
	struct dmabuf_exporter_query query;
	__u32 flags;
	int fd;

	for (flags = 0; flags <= EXPORT_FLAGS; flags++) {
		fd = buffer_export_flags(self->exporter, 1, 0, flags, O_RDWR);
		ASSERT_LE(0, fd) TH_LOG("flags 0x%x", flags);
		place = (struct dmabuf_exporter_placement) { .argsz = sizeof(place), .fd = fd };
		ASSERT_EQ(0, do_ioctl(self->exporter, DMABUF_EXPORTER_PLACEMENT, &place));
		/* To populate is done, and of the file: nothing that the buffer allows. */
		EXPECT_EQ(flags & ~(DMABUF_EXPORTER_POPULATE | DMABUF_EXPORTER_NATIVE),
			  place.flags);
		EXPECT_EQ(flags & DMABUF_EXPORTER_POPULATE ? DMABUF_EXPORTER_BACKED :
							     DMABUF_EXPORTER_EMPTY, place.state);
		ASSERT_EQ(0, buffer_query(self->exporter, fd, &query));
		if (flags & DMABUF_EXPORTER_NATIVE)
			EXPECT_EQ(0, query.flags);
		EXPECT_EQ(0, query.flags & ~DMABUF_EXPORTER_QUERY_KERNEL);
		EXPECT_EQ(0, query.reserved);
		close(fd);
	}
}

TEST_F(device, unknown_flags_of_an_export_are_rejected)
{
	__u32 bit;

	for (bit = 0; bit < 32; bit++) {
		__u32 flag = 1U << bit;

		if (!(flag & EXPORT_FLAGS)) {
			EXPECT_EQ(-EINVAL, buffer_export_flags(self->exporter, 1, 0, flag, O_RDWR))
				TH_LOG("flag 0x%x", flag);
			EXPECT_EQ(-EINVAL, buffer_export_flags(self->exporter, 1, 0,
							       flag | EXPORT_FLAGS, O_RDWR))
				TH_LOG("flag 0x%x", flag);
		}
		EXPECT_EQ(-EINVAL, buffer_export_flags(self->exporter, 1, 0,
						       flag | ~(__u32)EXPORT_FLAGS, O_RDWR));
	}
}

TEST_F(device, reserved_bytes_of_an_export_are_zero)
{
	struct dmabuf_exporter_export arg;
	__u32 bit;

	for (bit = 0; bit < 32; bit++) {
		arg = (struct dmabuf_exporter_export) {
			.argsz = sizeof(arg), .bytes = 1, .reserved = 1U << bit,
		};
		EXPECT_EQ(-EINVAL, do_ioctl(self->exporter, DMABUF_EXPORTER_EXPORT, &arg));
	}
}

TEST_F(device, fd_that_the_caller_put_in_is_not_looked_at)
{
	struct dmabuf_exporter_export arg = {
		.argsz = sizeof(arg), .bytes = 1, .fd_flags = O_RDWR, .fd = self->fd,
	};

	ASSERT_EQ(0, do_ioctl(self->exporter, DMABUF_EXPORTER_EXPORT, &arg));
	EXPECT_NE(self->fd, arg.fd);
	close(arg.fd);
}

TEST_F(device, fd_that_is_not_open_is_a_bad_one)
{
	struct dmabuf_exporter_placement place;
	struct dmabuf_exporter_query query;
	int fds[] = { -1, INT_MAX, INT_MIN, lowest_free_fd() };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		place = (struct dmabuf_exporter_placement) {
			.argsz = sizeof(place), .fd = fds[i],
		};
		EXPECT_EQ(-EBADF, do_ioctl(self->exporter, DMABUF_EXPORTER_PLACEMENT, &place));
		EXPECT_EQ(-EBADF, buffer_query(self->exporter, fds[i], &query));
		EXPECT_EQ(-EBADF, buffer_offset(self->exporter, fds[i]));
	}
}

TEST_F(device, file_that_is_no_buffer_is_rejected)
{
	struct dmabuf_exporter_placement place;
	struct dmabuf_exporter_query query;
	int fds[] = { open("/dev/null", O_RDWR), self->exporter, self->importer };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		place = (struct dmabuf_exporter_placement) {
			.argsz = sizeof(place), .fd = fds[i],
		};
		EXPECT_EQ(-EINVAL, do_ioctl(self->exporter, DMABUF_EXPORTER_PLACEMENT, &place));
		EXPECT_EQ(-EINVAL, buffer_query(self->exporter, fds[i], &query));
		EXPECT_EQ(-EINVAL, buffer_offset(self->exporter, fds[i]));
	}
	close(fds[0]);
}

/* proves: F4 */
TEST_F(device, buffer_is_known_through_any_open_file_of_its_exporter)
{
	int other = exporter_open();

	ASSERT_LE(0, other);
	EXPECT_EQ(self->id, buffer_id(other, self->fd));
	EXPECT_EQ(buffer_offset(self->exporter, self->fd), buffer_offset(other, self->fd));
	close(other);
}

TEST_F(device, ioctl_that_does_not_exist_is_refused)
{
	union argument arg = { .argsz = sizeof(arg) };

	EXPECT_EQ(0, unknown_ioctl_that_is_known(self->exporter, DMABUF_EXPORTER_IOC, 5, &arg));
	EXPECT_EQ(-ENOTTY, do_ioctl(self->exporter, DMABUF_EXPORTER_PLACEMENT + 1, NULL));
}

TEST_F(device, node_is_not_for_reading_and_writing)
{
	char byte = 0;

	EXPECT_EQ(-1, read(self->exporter, &byte, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, write(self->exporter, &byte, 1));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(device, node_is_not_for_everybody)
{
	struct stat node;

	ASSERT_EQ(0, fstat(self->exporter, &node));
	EXPECT_EQ(0, node.st_mode & 0007);
	EXPECT_TRUE(S_ISCHR(node.st_mode));
}

TEST_HARNESS_MAIN
