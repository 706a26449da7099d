// SPDX-License-Identifier: GPL-2.0-only
/* Every ioctl of /dev/dmabuf-importer with every kind of wrong argument. */
#include "ioctl-test.h"

#include <stddef.h>

#define BUFFER_BYTES 5000

/* The first version of struct dmabuf_importer_map ended with @segments. */
#define MAP_FIRST_BYTES offsetof(struct dmabuf_importer_map, timeout_ms)

union argument {
	__u32 argsz;
	struct dmabuf_importer_engine engine;
	struct dmabuf_importer_attach attach;
	struct dmabuf_importer_detach detach;
	struct dmabuf_importer_map map;
	struct dmabuf_importer_unmap unmap;
	struct dmabuf_importer_segment segment;
	struct dmabuf_importer_transfer transfer;
	struct dmabuf_importer_query query;
};

FIXTURE(importer)
{
	int exporter;
	int importer;
	int fd;
	int soft;
	long long id;
	long long attachment;	/* of every test, with one mapping */
	long long mapping;
	long long spare;	/* a handle for the calls that use one up */
	union argument arg;
	struct counters before;
};

FIXTURE_VARIANT(importer)
{
	unsigned int cmd;
	size_t size;
	size_t first;		/* size of its first version */
	bool answers;
};

FIXTURE_VARIANT_ADD(importer, engine) {
	.cmd = DMABUF_IMPORTER_ENGINE,
	.size = sizeof(struct dmabuf_importer_engine),
	.first = sizeof(struct dmabuf_importer_engine),
	.answers = true,
};

FIXTURE_VARIANT_ADD(importer, attach) {
	.cmd = DMABUF_IMPORTER_ATTACH,
	.size = sizeof(struct dmabuf_importer_attach),
	.first = sizeof(struct dmabuf_importer_attach),
	.answers = true,
};

FIXTURE_VARIANT_ADD(importer, detach) {
	.cmd = DMABUF_IMPORTER_DETACH,
	.size = sizeof(struct dmabuf_importer_detach),
	.first = sizeof(struct dmabuf_importer_detach),
};

FIXTURE_VARIANT_ADD(importer, map) {
	.cmd = DMABUF_IMPORTER_MAP,
	.size = sizeof(struct dmabuf_importer_map),
	.first = MAP_FIRST_BYTES,
	.answers = true,
};

FIXTURE_VARIANT_ADD(importer, unmap) {
	.cmd = DMABUF_IMPORTER_UNMAP,
	.size = sizeof(struct dmabuf_importer_unmap),
	.first = sizeof(struct dmabuf_importer_unmap),
};

FIXTURE_VARIANT_ADD(importer, segment) {
	.cmd = DMABUF_IMPORTER_SEGMENT,
	.size = sizeof(struct dmabuf_importer_segment),
	.first = sizeof(struct dmabuf_importer_segment),
	.answers = true,
};

FIXTURE_VARIANT_ADD(importer, transfer) {
	.cmd = DMABUF_IMPORTER_TRANSFER,
	.size = sizeof(struct dmabuf_importer_transfer),
	.first = sizeof(struct dmabuf_importer_transfer),
	.answers = true,
};

FIXTURE_VARIANT_ADD(importer, query) {
	.cmd = DMABUF_IMPORTER_QUERY,
	.size = sizeof(struct dmabuf_importer_query),
	.first = sizeof(struct dmabuf_importer_query),
	.answers = true,
};

/* An argument with nothing wrong in it. */
static void prepare(FIXTURE_DATA(importer) *self, const FIXTURE_VARIANT(importer) *variant)
{
	memset(&self->arg, 0, sizeof(self->arg));
	self->arg.argsz = variant->size;
	switch (variant->cmd) {
	case DMABUF_IMPORTER_ENGINE:
		self->arg.engine.index = self->soft;
		break;
	case DMABUF_IMPORTER_ATTACH:
		self->arg.attach.fd = self->fd;
		self->arg.attach.engine = self->soft;
		break;
	case DMABUF_IMPORTER_DETACH:
		if (!self->spare)
			self->spare = attach(self->importer, self->fd, self->soft);
		self->arg.detach.attachment = self->spare;
		break;
	case DMABUF_IMPORTER_MAP:
		self->arg.map.attachment = self->attachment;
		self->arg.map.direction = DMABUF_IMPORTER_TO_DEVICE;
		break;
	case DMABUF_IMPORTER_UNMAP:
		if (!self->spare)
			self->spare = map(self->importer, self->attachment,
					  DMABUF_IMPORTER_TO_DEVICE);
		self->arg.unmap.mapping = self->spare;
		break;
	case DMABUF_IMPORTER_SEGMENT:
		self->arg.segment.mapping = self->mapping;
		break;
	case DMABUF_IMPORTER_TRANSFER:
		self->arg.transfer.mapping = self->mapping;
		self->arg.transfer.op = DMABUF_IMPORTER_CHECKSUM;
		self->arg.transfer.bytes = 16;
		break;
	case DMABUF_IMPORTER_QUERY:
		self->arg.query.attachment = self->attachment;
		break;
	}
}

/* After a call that worked: was the answer right?  Then undo it. */
static bool answer_is_right(FIXTURE_DATA(importer) *self, const FIXTURE_VARIANT(importer) *variant)
{
	static const unsigned char zero[16];
	struct dmabuf_importer_query query;

	switch (variant->cmd) {
	case DMABUF_IMPORTER_ENGINE:
		return self->arg.engine.type == DMABUF_IMPORTER_SOFT;
	case DMABUF_IMPORTER_ATTACH:
		return self->arg.attach.bytes == BUFFER_BYTES &&
		       !detach(self->importer, self->arg.attach.attachment);
	case DMABUF_IMPORTER_DETACH:
		self->spare = 0;
		return attachment_query(self->importer, self->arg.detach.attachment, &query) ==
		       -ENOENT;
	case DMABUF_IMPORTER_MAP:
		return self->arg.map.segments >= 1 &&
		       !unmap(self->importer, self->arg.map.mapping);
	case DMABUF_IMPORTER_UNMAP:
		self->spare = 0;
		return unmap(self->importer, self->arg.unmap.mapping) == -ENOENT;
	case DMABUF_IMPORTER_SEGMENT:
		return self->arg.segment.bytes > 0;
	case DMABUF_IMPORTER_TRANSFER:
		return self->arg.transfer.moved == 16 &&
		       self->arg.transfer.checksum == crc32(zero, sizeof(zero));
	default:
		return (long long)self->arg.query.buffer_id == self->id &&
		       self->arg.query.mappings == 1;
	}
}

/* All that the fixture has is as it was, and there is no more. */
static bool unharmed(FIXTURE_DATA(importer) *self, const FIXTURE_VARIANT(importer) *variant)
{
	struct dmabuf_exporter_query buffer;
	struct dmabuf_importer_query query;
	__u32 attachments = 1, mappings = 1, sum;

	if (self->spare && variant->cmd == DMABUF_IMPORTER_DETACH)
		attachments++;
	if (self->spare && variant->cmd == DMABUF_IMPORTER_UNMAP)
		mappings++;
	return !buffer_query(self->exporter, self->fd, &buffer) &&
	       buffer.attachments == attachments &&
	       !attachment_query(self->importer, self->attachment, &query) &&
	       query.mappings == mappings &&
	       !checksum(self->importer, self->mapping, 0, 1, &sum);
}

FIXTURE_SETUP(importer)
{
	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	self->soft = engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0);
	ASSERT_LE(0, self->soft);
	self->fd = buffer_export(self->exporter, BUFFER_BYTES, DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, self->fd);
	self->id = buffer_id(self->exporter, self->fd);
	ASSERT_LT(0, self->id);
	self->attachment = attach(self->importer, self->fd, self->soft);
	ASSERT_LT(0, self->attachment);
	self->mapping = map(self->importer, self->attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, self->mapping);
	prepare(self, variant);
	ASSERT_LE(0, self->spare);
}

FIXTURE_TEARDOWN(importer)
{
	/* Whatever was wrong before, right is right. */
	prepare(self, variant);
	EXPECT_EQ(0, do_ioctl(self->importer, variant->cmd, &self->arg));
	EXPECT_TRUE(answer_is_right(self, variant));
	EXPECT_TRUE(unharmed(self, variant));
	EXPECT_EQ(0, unmap(self->importer, self->mapping));
	EXPECT_EQ(0, detach(self->importer, self->attachment));
	EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

TEST_F(importer, good_argument_is_answered)
{
	EXPECT_EQ(0, call_sized(self->importer, variant->cmd, &self->arg, variant->size,
				variant->size, 0));
	EXPECT_TRUE(answer_is_right(self, variant));
}

TEST_F(importer, argument_shorter_than_its_first_version_is_rejected)
{
	__u32 argsz;

	ASSERT_LT(0, variant->first);
	for (argsz = 0; argsz < variant->first; argsz++) {
		EXPECT_EQ(-EINVAL, call_sized(self->importer, variant->cmd, &self->arg,
					      variant->size, argsz, 0)) TH_LOG("argsz %u", argsz);
	}
	EXPECT_TRUE(unharmed(self, variant));
}

TEST_F(importer, longer_argument_that_ends_in_zeroes_is_taken)
{
	const __u32 sizes[] = { variant->size + 1, variant->size + 8, 2 * variant->size,
				page_size() };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		prepare(self, variant);
		EXPECT_EQ(0, call_sized(self->importer, variant->cmd, &self->arg, variant->size,
					sizes[i], 0)) TH_LOG("argsz %u", sizes[i]);
		EXPECT_TRUE(answer_is_right(self, variant));
	}
}

TEST_F(importer, longer_argument_that_says_more_or_is_over_a_page_is_too_big)
{
	EXPECT_EQ(0, argsz_that_is_not_too_big(self->importer, variant->cmd, &self->arg,
					       variant->size));
	EXPECT_TRUE(unharmed(self, variant));
}

TEST_F(importer, argument_outside_of_memory_is_a_fault)
{
	EXPECT_TRUE(argument_outside_of_memory_is_a_fault(self->importer, variant->cmd, &self->arg,
							  variant->size));
	EXPECT_TRUE(unharmed(self, variant));
}

TEST_F(importer, argument_that_can_only_be_read_is_a_fault_if_there_is_an_answer)
{
	void *page = read_only_copy(&self->arg, variant->size);

	ASSERT_NE(NULL, page);
	EXPECT_EQ(variant->answers ? -EFAULT : 0, do_ioctl(self->importer, variant->cmd, page));
	if (!variant->answers)
		EXPECT_TRUE(answer_is_right(self, variant));
	EXPECT_TRUE(unharmed(self, variant));
	munmap(page, page_size());
}

FIXTURE(device)
{
	int exporter;
	int importer;
	int fd;
	int soft;
	long long attachment;
	long long mapping;
	struct counters before;
};

FIXTURE_SETUP(device)
{
	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	self->soft = engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0);
	ASSERT_LE(0, self->soft);
	self->fd = buffer_export(self->exporter, BUFFER_BYTES, DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, self->fd);
	self->attachment = attach(self->importer, self->fd, self->soft);
	ASSERT_LT(0, self->attachment);
	self->mapping = map(self->importer, self->attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, self->mapping);
}

FIXTURE_TEARDOWN(device)
{
	EXPECT_EQ(0, fill(self->importer, self->mapping, 0, 8, 1));
	EXPECT_EQ(0, unmap(self->importer, self->mapping));
	EXPECT_EQ(0, detach(self->importer, self->attachment));
	EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* As a program has it that was compiled with the first version of the structure. */
static int map_of_the_first_version(FIXTURE_DATA(device) *self, __u32 argsz, __u32 flags,
				    union argument *arg)
{
	/* What lies behind is the program's own, and neither read nor written. */
	memset(arg, 0xa5, sizeof(*arg));
	memset(arg, 0, argsz);
	arg->map.argsz = argsz;
	arg->map.flags = flags;
	arg->map.attachment = self->attachment;
	arg->map.direction = DMABUF_IMPORTER_TO_DEVICE;
	return do_ioctl(self->importer, DMABUF_IMPORTER_MAP, arg);
}

TEST_F(device, map_of_a_program_with_the_shorter_structure_works)
{
	const __u32 flags[] = { 0, DMABUF_IMPORTER_NOWAIT };
	union argument arg;
	__u32 argsz;
	size_t i;

	ASSERT_EQ(24, MAP_FIRST_BYTES);
	for (argsz = MAP_FIRST_BYTES; argsz < sizeof(arg.map); argsz++) {
		for (i = 0; i < ARRAY_SIZE(flags); i++) {
			ASSERT_EQ(0, map_of_the_first_version(self, argsz, flags[i], &arg))
				TH_LOG("argsz %u, flags %#x", argsz, flags[i]);
			EXPECT_LE(1, arg.map.segments);
			EXPECT_TRUE(all_bytes_are((char *)&arg + argsz, sizeof(arg) - argsz, 0xa5));
			EXPECT_EQ(0, unmap(self->importer, arg.map.mapping));
		}
	}
}

TEST_F(device, map_of_the_shorter_structure_has_no_deadline)
{
	union argument arg;

	/* Bytes that would be one lie behind it. */
	EXPECT_EQ(-EINVAL, map_of_the_first_version(self, MAP_FIRST_BYTES,
						    DMABUF_IMPORTER_TIMEOUT, &arg));
}

TEST_F(device, map_flags_that_do_not_belong_together_are_rejected)
{
	const struct {
		__u32 flags, timeout_ms;
	} wrong[] = {
		{ DMABUF_IMPORTER_NOWAIT | DMABUF_IMPORTER_TIMEOUT, 0 },
		{ DMABUF_IMPORTER_NOWAIT | DMABUF_IMPORTER_TIMEOUT, 1000 },
		{ DMABUF_IMPORTER_TIMEOUT, 0 },
		{ 0, 1 },
		{ 0, 0x80000000 },
		{ 0, ~0U },
		{ DMABUF_IMPORTER_NOWAIT, 1 },
		{ DMABUF_IMPORTER_NOWAIT, 0x80000000 },
		{ DMABUF_IMPORTER_NOWAIT, ~0U },
		{ DMABUF_IMPORTER_TIMEOUT | 1U << 2, 1000 },
		{ DMABUF_IMPORTER_NOWAIT | 1U << 31, 0 },
		{ ~0U, 1000 },
	};
	struct dmabuf_importer_query query;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		EXPECT_EQ(-EINVAL, map_with_flags(self->importer, self->attachment,
						  DMABUF_IMPORTER_TO_DEVICE, wrong[i].flags,
						  wrong[i].timeout_ms, NULL))
			TH_LOG("flags %#x, timeout_ms %u", wrong[i].flags, wrong[i].timeout_ms);
	}
	ASSERT_EQ(0, attachment_query(self->importer, self->attachment, &query));
	EXPECT_EQ(1, query.mappings);
}

/* The flag says how long it may wait, not that it must. */
TEST_F(device, map_that_need_not_wait_may_have_any_deadline)
{
	/* About what overflows an int of milliseconds, or a long of jiffies. */
	const __u32 ms[] = { 1, 999, INT_MAX - 1U, INT_MAX, INT_MAX + 1U, ~0U - 1, ~0U };
	long long handle;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ms); i++) {
		handle = map_timeout(self->importer, self->attachment, DMABUF_IMPORTER_TO_DEVICE,
				     ms[i]);
		ASSERT_LT(0, handle) TH_LOG("timeout_ms %u", ms[i]);
		EXPECT_EQ(0, unmap(self->importer, handle));
	}
	handle = map_nowait(self->importer, self->attachment, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, handle);
	EXPECT_EQ(0, unmap(self->importer, handle));
}

TEST_F(device, unknown_flags_are_rejected)
{
	__u32 bit;

	for (bit = 0; bit < 32; bit++) {
		struct dmabuf_importer_attach attach = {
			.argsz = sizeof(attach), .fd = self->fd, .engine = self->soft,
			.flags = 1U << bit,
		};
		struct dmabuf_importer_map map = { .argsz = sizeof(map), .flags = 1U << bit };
		struct dmabuf_importer_transfer run = {
			.flags = 1U << bit, .op = DMABUF_IMPORTER_CHECKSUM,
		};

		/* The one that is known has constraints of zero here, which make no sense. */
		EXPECT_EQ(-EINVAL, do_ioctl(self->importer, DMABUF_IMPORTER_ATTACH, &attach));
		/* The two that are known have tests of their own; TIMEOUT of 0 is wrong, too. */
		map.attachment = self->attachment;
		if (1U << bit != DMABUF_IMPORTER_NOWAIT)
			EXPECT_EQ(-EINVAL, do_ioctl(self->importer, DMABUF_IMPORTER_MAP, &map));
		run.mapping = self->mapping;
		EXPECT_EQ(-EINVAL, transfer(self->importer, &run));
	}
}

TEST_F(device, reserved_bytes_are_zero)
{
	__u32 bit;

	for (bit = 0; bit < 32; bit++) {
		struct dmabuf_importer_attach attach = {
			.argsz = sizeof(attach), .fd = self->fd, .engine = self->soft,
			.reserved = 1U << bit,
		};
		struct dmabuf_importer_map map = { .argsz = sizeof(map), .reserved = 1U << bit };
		struct dmabuf_importer_segment part = {
			.argsz = sizeof(part), .reserved = 1U << bit,
		};
		struct dmabuf_importer_transfer run = {
			.reserved = 1U << bit, .op = DMABUF_IMPORTER_CHECKSUM,
		};

		EXPECT_EQ(-EINVAL, do_ioctl(self->importer, DMABUF_IMPORTER_ATTACH, &attach));
		map.attachment = self->attachment;
		EXPECT_EQ(-EINVAL, do_ioctl(self->importer, DMABUF_IMPORTER_MAP, &map));
		map.flags = DMABUF_IMPORTER_NOWAIT;
		EXPECT_EQ(-EINVAL, do_ioctl(self->importer, DMABUF_IMPORTER_MAP, &map));
		map.flags = DMABUF_IMPORTER_TIMEOUT;
		map.timeout_ms = 1000;
		EXPECT_EQ(-EINVAL, do_ioctl(self->importer, DMABUF_IMPORTER_MAP, &map));
		part.mapping = self->mapping;
		EXPECT_EQ(-EINVAL, do_ioctl(self->importer, DMABUF_IMPORTER_SEGMENT, &part));
		run.mapping = self->mapping;
		EXPECT_EQ(-EINVAL, transfer(self->importer, &run));
	}
}

TEST_F(device, answers_have_no_bytes_of_the_caller_or_the_kernel_in_them)
{
	struct dmabuf_importer_query query;
	struct dmabuf_importer_engine engine;

	memset(&query, 0xff, sizeof(query));
	query.argsz = sizeof(query);
	query.attachment = self->attachment;
	ASSERT_EQ(0, do_ioctl(self->importer, DMABUF_IMPORTER_QUERY, &query));
	EXPECT_EQ(0, query.reserved);
	EXPECT_EQ(self->soft, query.engine);
	EXPECT_EQ(1, query.mappings);

	memset(&engine, 0xff, sizeof(engine));
	engine.argsz = sizeof(engine);
	engine.index = self->soft;
	ASSERT_EQ(0, do_ioctl(self->importer, DMABUF_IMPORTER_ENGINE, &engine));
	EXPECT_EQ(0, engine.name[sizeof(engine.name) - 1]);
	EXPECT_EQ(0, engine.device[sizeof(engine.device) - 1]);
	EXPECT_EQ(strlen(engine.name), strspn(engine.name, "abcdefghijklmnopqrstuvwxyz0123456789"));
	EXPECT_TRUE(all_bytes_are(engine.name + strlen(engine.name),
				  sizeof(engine.name) - strlen(engine.name), 0));
}

TEST_F(device, handle_that_does_not_exist_is_not_found)
{
	__u32 handles[] = { 0, 4711, 0x10000, 0x80000000, ~0U };
	struct dmabuf_importer_segment part;
	struct dmabuf_importer_query query;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(handles); i++) {
		EXPECT_EQ(-ENOENT, detach(self->importer, handles[i]));
		EXPECT_EQ(-ENOENT, map(self->importer, handles[i], 0));
		EXPECT_EQ(-ENOENT, map_nowait(self->importer, handles[i], 0));
		EXPECT_EQ(-ENOENT, map_timeout(self->importer, handles[i], 0, 1));
		EXPECT_EQ(-ENOENT, unmap(self->importer, handles[i]));
		EXPECT_EQ(-ENOENT, segment(self->importer, handles[i], 0, &part));
		EXPECT_EQ(-ENOENT, fill(self->importer, handles[i], 0, 8, 0));
		EXPECT_EQ(-ENOENT, attachment_query(self->importer, handles[i], &query));
	}
}

TEST_F(device, segment_that_does_not_exist_is_not_found)
{
	struct dmabuf_importer_segment part;

	EXPECT_EQ(0, segment(self->importer, self->mapping, 0, &part));
	EXPECT_EQ(-ENOENT, segment(self->importer, self->mapping, 2, &part));
	EXPECT_EQ(-ENOENT, segment(self->importer, self->mapping, ~0U, &part));
}

TEST_F(device, engines_are_listed_without_a_gap)
{
	struct dmabuf_importer_engine engine;
	__u32 n = 0, i;

	while (!engine_describe(self->importer, n, &engine)) {
		EXPECT_LE(DMABUF_IMPORTER_EDU, engine.type);
		EXPECT_GE(DMABUF_IMPORTER_SOFT, engine.type);
		EXPECT_LT(0, engine.max_transfer);
		EXPECT_LT(0, engine.constraints.dma_mask);
		EXPECT_LT(0, engine.constraints.max_segs);
		EXPECT_LT(0, strlen(engine.name));
		EXPECT_LT(0, strlen(engine.device));
		n++;
	}
	EXPECT_LT(0, n);
	for (i = n; i < n + 10; i++)
		EXPECT_EQ(-ENOENT, engine_describe(self->importer, i, &engine));
	EXPECT_EQ(-ENOENT, engine_describe(self->importer, ~0U, &engine));
}

TEST_F(device, fd_is_checked)
{
	int null = open("/dev/null", O_RDWR);

	EXPECT_EQ(-EBADF, attach(self->importer, -1, self->soft));
	EXPECT_EQ(-EBADF, attach(self->importer, INT_MAX, self->soft));
	EXPECT_EQ(-EINVAL, attach(self->importer, null, self->soft));
	EXPECT_EQ(-EINVAL, attach(self->importer, self->exporter, self->soft));
	EXPECT_EQ(-EINVAL, attach(self->importer, self->importer, self->soft));
	close(null);
}

TEST_F(device, handles_of_an_open_file_come_to_an_end)
{
	unsigned int n = 1;
	long long handle;

	while ((handle = attach(self->importer, self->fd, self->soft)) > 0)
		n++;
	EXPECT_EQ(-ENOSPC, handle);
	EXPECT_LE(1000, n);
	/* Another open file has its own. */
	handle = importer_open();
	ASSERT_LE(0, handle);
	EXPECT_LT(0, attach(handle, self->fd, self->soft));
	close(handle);
	/* The teardown finds the first still working; the others go with the file. */
}

/* proves: U1, P1 */
TEST_F(device, all_mappings_of_an_open_file_go_soon)
{
	struct dmabuf_importer_query query;
	int other = importer_open();
	long long attachment, handle;
	__u64 start;
	__u32 n = 0;

	ASSERT_LE(0, other);
	attachment = attach(other, self->fd, self->soft);
	ASSERT_LT(0, attachment);
	while ((handle = map(other, attachment, DMABUF_IMPORTER_TO_DEVICE)) > 0)
		n++;
	EXPECT_EQ(-ENOSPC, handle);
	ASSERT_EQ(0, attachment_query(other, attachment, &query));
	EXPECT_EQ(n, query.mappings);
	start = now_ms();
	EXPECT_EQ(0, close(other));
	EXPECT_GT(20000, now_ms() - start);
}

struct brawler {
	int importer, fd, soft;
	unsigned int seed;
	unsigned int rounds;
	unsigned int done;		/* calls that worked */
	int surprise;			/* an errno that none of them may have */
};

static bool is_expected(long long ret)
{
	return ret >= 0 || ret == -ENOENT || ret == -EBUSY;
}

/* Calls on any of the first few handles, whoever they belong to. */
static void *fight(void *data)
{
	struct brawler *b = data;
	struct dmabuf_importer_segment part;
	struct dmabuf_importer_query query;
	unsigned char bytes[64];
	unsigned int i;

	for (i = 0; i < b->rounds; i++) {
		__u32 handle = 2 + rand_r(&b->seed) % 6;
		long long ret = 0;

		switch (rand_r(&b->seed) % 8) {
		case 0:
		case 1:
			ret = attach(b->importer, b->fd, b->soft);
			break;
		case 2:
			ret = detach(b->importer, handle);
			break;
		case 3:
		case 4:
			ret = map(b->importer, handle, DMABUF_IMPORTER_BIDIRECTIONAL);
			break;
		case 5:
			ret = unmap(b->importer, handle);
			break;
		case 6:
			ret = copy_out(b->importer, handle, 0, sizeof(bytes), bytes);
			break;
		default:
			ret = attachment_query(b->importer, handle, &query);
			if (is_expected(ret))
				ret = segment(b->importer, handle, 0, &part);
			break;
		}
		if (!is_expected(ret))
			b->surprise = ret;
		b->done += ret >= 0;
	}
	return NULL;
}

/* proves: A5, D1, U1 */
TEST_F(device, threads_may_fight_over_handles)
{
	unsigned int rounds = scaled(2000), most = 4 * rounds + 2;
	struct brawler brawlers[4];
	struct dmabuf_importer_query query;
	struct dmabuf_exporter_query buffer;
	pthread_t threads[4];
	__u32 handle, attachments = 0;
	int i;

	/* The fixture's own stay out of it. */
	ASSERT_EQ(1, self->attachment);
	ASSERT_EQ(1, self->mapping);
	for (i = 0; i < 4; i++) {
		brawlers[i] = (struct brawler) {
			self->importer, self->fd, self->soft, i + 1, rounds, 0, 0,
		};
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, fight, &brawlers[i]));
	}
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		EXPECT_EQ(0, brawlers[i].surprise);
		EXPECT_LT(0, brawlers[i].done);
	}
	/* What is left is what the list says, and it can be taken apart. */
	for (handle = 1; handle <= most; handle++)
		attachments += !attachment_query(self->importer, handle, &query);
	ASSERT_EQ(0, buffer_query(self->exporter, self->fd, &buffer));
	EXPECT_EQ(attachments, buffer.attachments);
	for (handle = 2; handle <= most; handle++)
		unmap(self->importer, handle);
	for (handle = 2; handle <= most; handle++)
		detach(self->importer, handle);
	ASSERT_EQ(0, buffer_query(self->exporter, self->fd, &buffer));
	EXPECT_EQ(1, buffer.attachments);
}

TEST_F(device, ioctl_that_does_not_exist_is_refused)
{
	union argument arg = { .argsz = sizeof(arg) };

	EXPECT_EQ(0, unknown_ioctl_that_is_known(self->importer, DMABUF_IMPORTER_IOC, 8, &arg));
	EXPECT_EQ(-ENOTTY, do_ioctl(self->importer, DMABUF_IMPORTER_QUERY + 1, NULL));
}

TEST_F(device, node_is_not_for_reading_writing_and_mmap)
{
	char byte = 0;

	EXPECT_EQ(-1, read(self->importer, &byte, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, write(self->importer, &byte, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, page_size(), PROT_READ, MAP_SHARED, self->importer, 0));
	EXPECT_EQ(ENODEV, errno);
}

TEST_F(device, node_is_not_for_everybody)
{
	struct stat node;

	ASSERT_EQ(0, fstat(self->importer, &node));
	EXPECT_EQ(0, node.st_mode & 0007);
	EXPECT_TRUE(S_ISCHR(node.st_mode));
}

TEST_HARNESS_MAIN
