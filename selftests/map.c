// SPDX-License-Identifier: GPL-2.0-only
/* Steps 4 and 5: map, what the device sees, storage that serves all, unmap. */
#include "dmabuf-test.h"

#include <linux/capability.h>
#include <sched.h>

#define BUFFER_PAGES 8

static const struct dmabuf_importer_constraints no_limits = {
	.dma_mask = ~0ULL, .seg_boundary = ~0ULL, .max_seg_size = ~0ULL, .max_segs = ~0U,
	.align = 1,
};

/* Reads all segments of a mapping, and tells how many bytes they have together. */
static long long sum_of_segments(int importer, __u32 mapping, __u32 segments)
{
	struct dmabuf_importer_segment part;
	long long bytes = 0;
	__u32 i;
	int ret;

	for (i = 0; i < segments; i++) {
		ret = segment(importer, mapping, i, &part);
		if (ret)
			return ret;
		if (!part.bytes)
			return -EIO;
		bytes += part.bytes;
	}
	return segment(importer, mapping, segments, &part) == -ENOENT ? bytes : -EIO;
}

/* Return: index of the first segment that breaks the constraints, or -1. */
static int first_bad_segment(int importer, __u32 mapping, __u32 segments,
			     const struct dmabuf_importer_constraints *limits)
{
	struct dmabuf_importer_segment part;
	__u32 i;

	if (segments > limits->max_segs)
		return limits->max_segs;
	for (i = 0; i < segments; i++) {
		__u64 last;

		if (segment(importer, mapping, i, &part))
			return i;
		last = part.dma_address + part.bytes - 1;
		if (last > limits->dma_mask || part.bytes > limits->max_seg_size ||
		    (part.dma_address ^ last) & ~limits->seg_boundary ||
		    part.dma_address & (limits->align - 1))
			return i;
	}
	return -1;
}

FIXTURE(map)
{
	int exporter;
	int importer;
	int fd;
	int engine;
	__u32 soft;
	size_t bytes;
	struct counters before;
};

FIXTURE_VARIANT(map)
{
	__u32 type;
	unsigned int nth;
};

FIXTURE_VARIANT_ADD(map, edu) {
	.type = DMABUF_IMPORTER_EDU,
};

FIXTURE_VARIANT_ADD(map, second_edu) {
	.type = DMABUF_IMPORTER_EDU,
	.nth = 1,
};

FIXTURE_VARIANT_ADD(map, dmaengine) {
	.type = DMABUF_IMPORTER_DMAENGINE,
};

FIXTURE_VARIANT_ADD(map, soft) {
	.type = DMABUF_IMPORTER_SOFT,
};

FIXTURE_SETUP(map)
{
	ASSERT_EQ(0, counters_read(&self->before));
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	self->engine = engine_find(self->importer, variant->type, variant->nth);
	self->soft = engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0);
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->bytes = BUFFER_PAGES * page_size() - 100;
	self->fd = buffer_export(self->exporter, self->bytes, DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(map)
{
	EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* Return: how many mappings the attachment has, or -errno. */
static int mappings_of(FIXTURE_DATA(map) *self, __u32 attachment)
{
	struct dmabuf_importer_query query;
	int ret = attachment_query(self->importer, attachment, &query);

	return ret ?: (int)query.mappings;
}

/* proves: M1, U1 */
TEST_F(map, each_direction_can_be_mapped_and_unmapped)
{
	static const __u32 directions[] = {
		DMABUF_IMPORTER_BIDIRECTIONAL, DMABUF_IMPORTER_TO_DEVICE,
		DMABUF_IMPORTER_FROM_DEVICE,
	};
	long long attachment, mapping;
	size_t i;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	attachment = attach(self->importer, self->fd, self->engine);
	ASSERT_LT(0, attachment);
	for (i = 0; i < ARRAY_SIZE(directions); i++) {
		mapping = map(self->importer, attachment, directions[i]);
		ASSERT_LT(0, mapping);
		EXPECT_EQ(1, mappings_of(self, attachment));
		EXPECT_EQ(0, unmap(self->importer, mapping));
		EXPECT_EQ(0, mappings_of(self, attachment));
	}
}

/* proves: M1, R3 */
TEST_F(map, segments_cover_the_whole_buffer)
{
	static const __u32 backings[] = {
		DMABUF_EXPORTER_AUTO, DMABUF_EXPORTER_CMA, DMABUF_EXPORTER_CONTIG,
		DMABUF_EXPORTER_SCATTER,
	};
	long long attachment, mapping, bytes;
	__u32 segments;
	size_t i;
	int fd;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	for (i = 0; i < ARRAY_SIZE(backings); i++) {
		fd = buffer_export(self->exporter, self->bytes, backings[i]);
		ASSERT_LE(0, fd);
		attachment = attach(self->importer, fd, self->engine);
		ASSERT_LT(0, attachment);
		mapping = map_segments(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE,
				       &segments);
		ASSERT_LT(0, mapping);
		ASSERT_LT(0, segments);
		bytes = sum_of_segments(self->importer, mapping, segments);
		EXPECT_LE(self->bytes, bytes);
		EXPECT_GE(page_align(self->bytes), bytes);
		close(fd);
		EXPECT_EQ(0, unmap(self->importer, mapping));
		EXPECT_EQ(0, detach(self->importer, attachment));
	}
}

/* proves: M1, M2, R3 */
TEST_F(map, segments_are_within_the_reach_of_the_device)
{
	struct dmabuf_importer_engine engine;
	long long attachment, mapping;
	__u32 segments;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	ASSERT_EQ(0, engine_describe(self->importer, self->engine, &engine));
	attachment = attach(self->importer, self->fd, self->engine);
	ASSERT_LT(0, attachment);
	mapping = map_segments(self->importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL,
			       &segments);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(-1, first_bad_segment(self->importer, mapping, segments, &engine.constraints));
}

/* proves: M1, U1 */
TEST_F(map, an_attachment_has_several_mappings_at_once)
{
	long long attachment, mappings[5];
	int i;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	attachment = attach(self->importer, self->fd, self->engine);
	ASSERT_LT(0, attachment);
	for (i = 0; i < 5; i++) {
		mappings[i] = map(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE);
		ASSERT_LT(0, mappings[i]);
		EXPECT_EQ(i + 1, mappings_of(self, attachment));
	}
	/* The first that came is neither the first nor the last to go. */
	EXPECT_EQ(0, unmap(self->importer, mappings[2]));
	EXPECT_EQ(0, unmap(self->importer, mappings[0]));
	EXPECT_EQ(0, unmap(self->importer, mappings[4]));
	EXPECT_EQ(2, mappings_of(self, attachment));
	EXPECT_EQ(-EBUSY, detach(self->importer, attachment));
	EXPECT_EQ(0, unmap(self->importer, mappings[1]));
	EXPECT_EQ(0, unmap(self->importer, mappings[3]));
	EXPECT_EQ(0, detach(self->importer, attachment));
}

/* proves: M3 */
TEST_F(map, several_users_hold_mappings_at_once)
{
	long long mine, other, mappings[6];
	struct view *view = malloc(sizeof(*view));
	size_t i;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	ASSERT_NE(NULL, view);
	mine = attach(self->importer, self->fd, self->engine);
	ASSERT_LT(0, mine);
	other = attach(self->importer, self->fd, self->soft);
	ASSERT_LT(0, other);

	/* Readers and writers: this exporter leaves order to its users. */
	for (i = 0; i < 3; i++) {
		mappings[2 * i] = map(self->importer, mine, i);
		ASSERT_LT(0, mappings[2 * i]);
		mappings[2 * i + 1] = map(self->importer, other, i);
		ASSERT_LT(0, mappings[2 * i + 1]);
	}
	ASSERT_EQ(0, view_debugfs(buffer_id(self->exporter, self->fd), view));
	EXPECT_EQ(6, view->mappings);
	EXPECT_EQ(6, view->mapping_lines);
	for (i = 0; i < 6; i++)
		EXPECT_EQ(0, unmap(self->importer, mappings[i]));
	free(view);
}

/* proves: U1 */
TEST_F(map, second_unmap_finds_nothing)
{
	long long attachment, first, second;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	attachment = attach(self->importer, self->fd, self->engine);
	ASSERT_LT(0, attachment);
	first = map(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, first);
	second = map(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, second);
	EXPECT_EQ(0, unmap(self->importer, first));
	EXPECT_EQ(-ENOENT, unmap(self->importer, first));
	EXPECT_EQ(1, mappings_of(self, attachment));
	/* Handles are of one kind each. */
	EXPECT_EQ(-ENOENT, unmap(self->importer, 0));
	EXPECT_EQ(-ENOENT, unmap(self->importer, ~0U));
	EXPECT_EQ(-ENOENT, unmap(self->importer, attachment));
	EXPECT_EQ(-ENOENT, detach(self->importer, second));
	EXPECT_EQ(0, unmap(self->importer, second));
}

/* proves: M1 */
TEST_F(map, direction_that_does_not_exist_is_rejected)
{
	long long attachment = attach(self->importer, self->fd, self->engine);
	struct dmabuf_exporter_query query;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	ASSERT_LT(0, attachment);
	EXPECT_EQ(-EINVAL, map(self->importer, attachment, DMABUF_IMPORTER_FROM_DEVICE + 1));
	EXPECT_EQ(-EINVAL, map(self->importer, attachment, ~0U));
	EXPECT_EQ(0, mappings_of(self, attachment));
	ASSERT_EQ(0, buffer_query(self->exporter, self->fd, &query));
	EXPECT_EQ(0, query.backed_bytes);
}

/* proves: M1 */
TEST_F(map, without_an_attachment_nothing_can_be_mapped)
{
	struct dmabuf_exporter_query query;
	long long attachment;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	EXPECT_EQ(-ENOENT, map(self->importer, 0, DMABUF_IMPORTER_TO_DEVICE));
	EXPECT_EQ(-ENOENT, map(self->importer, 1, DMABUF_IMPORTER_TO_DEVICE));
	attachment = attach(self->importer, self->fd, self->engine);
	ASSERT_LT(0, attachment);
	EXPECT_EQ(0, detach(self->importer, attachment));
	EXPECT_EQ(-ENOENT, map(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE));
	ASSERT_EQ(0, buffer_query(self->exporter, self->fd, &query));
	EXPECT_EQ(0, query.backed_bytes);
}

/* proves: M1, U1 */
TEST_F(map, answer_that_cannot_be_written_means_no_mapping)
{
	struct dmabuf_importer_map arg = { .argsz = sizeof(arg) };
	long long attachment;
	void *page;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	attachment = attach(self->importer, self->fd, self->engine);
	ASSERT_LT(0, attachment);
	arg.attachment = attachment;
	page = read_only_copy(&arg, sizeof(arg));
	ASSERT_NE(NULL, page);
	EXPECT_EQ(-EFAULT, do_ioctl(self->importer, DMABUF_IMPORTER_MAP, page));
	EXPECT_EQ(0, mappings_of(self, attachment));
	EXPECT_EQ(0, detach(self->importer, attachment));
	munmap(page, page_size());
}

/* proves: M1 */
TEST_F(map, later_maps_find_the_same_bytes)
{
	unsigned char bytes[256], back[256];
	long long attachment, mapping;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	scribble(bytes, sizeof(bytes), 3);
	attachment = attach(self->importer, self->fd, self->engine);
	ASSERT_LT(0, attachment);
	mapping = map(self->importer, attachment, DMABUF_IMPORTER_FROM_DEVICE);
	ASSERT_LT(0, mapping);
	ASSERT_EQ(0, copy_in(self->importer, mapping, 1000, sizeof(bytes), bytes));
	EXPECT_EQ(0, unmap(self->importer, mapping));
	mapping = map(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, mapping);
	ASSERT_EQ(0, copy_out(self->importer, mapping, 1000, sizeof(back), back));
	EXPECT_EQ(0, memcmp(bytes, back, sizeof(bytes)));
}

/* The added constraints that a mapping must obey, with every engine. */
/* proves: M1, M2 */
TEST_F(map, constraints_added_at_attach_are_obeyed)
{
	struct dmabuf_importer_constraints limits[5];
	size_t i;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	for (i = 0; i < ARRAY_SIZE(limits); i++)
		limits[i] = no_limits;
	limits[0].max_segs = 1;
	limits[1].max_seg_size = 2 * page_size();
	limits[2].seg_boundary = 4 * page_size() - 1;
	limits[3].align = 8 * page_size();
	limits[3].max_segs = 1;
	limits[4].dma_mask = (1ULL << 32) - 1;

	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		long long attachment, mapping, bytes;
		__u32 segments;
		int fd;

		fd = buffer_export(self->exporter, self->bytes, DMABUF_EXPORTER_AUTO);
		ASSERT_LE(0, fd);
		attachment = attach_limited(self->importer, fd, self->engine, &limits[i]);
		ASSERT_LT(0, attachment) TH_LOG("row %zu", i);
		mapping = map_segments(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE,
				       &segments);
		ASSERT_LT(0, mapping) TH_LOG("row %zu", i);
		EXPECT_EQ(-1, first_bad_segment(self->importer, mapping, segments, &limits[i]))
			TH_LOG("row %zu", i);
		bytes = sum_of_segments(self->importer, mapping, segments);
		EXPECT_LE(self->bytes, bytes);
		EXPECT_EQ(0, unmap(self->importer, mapping));
		EXPECT_EQ(0, detach(self->importer, attachment));
		close(fd);
	}
}

/* proves: M2, R2 */
TEST_F(map, first_map_takes_storage_that_serves_all_attached_devices)
{
	struct dmabuf_importer_constraints limits = no_limits;
	struct dmabuf_exporter_query query;
	long long easy, strict, mapping;
	__u32 segments;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	/* The strict one is attached later, and mapped later. */
	limits.max_segs = 1;
	easy = attach(self->importer, self->fd, self->soft);
	ASSERT_LT(0, easy);
	strict = attach_limited(self->importer, self->fd, self->engine, &limits);
	ASSERT_LT(0, strict);
	ASSERT_LT(0, map(self->importer, easy, DMABUF_IMPORTER_BIDIRECTIONAL));
	ASSERT_EQ(0, buffer_query(self->exporter, self->fd, &query));
	EXPECT_EQ(1, query.chunks);
	EXPECT_NE(DMABUF_EXPORTER_SCATTER, query.backing);
	mapping = map_segments(self->importer, strict, DMABUF_IMPORTER_BIDIRECTIONAL, &segments);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(1, segments);
}

/* proves: N5, M3 */
TEST_F(map, device_that_no_storage_can_serve_is_refused_and_nobody_else)
{
	struct dmabuf_importer_constraints limits = no_limits;
	struct dmabuf_exporter_query query;
	long long attachment, mapping;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	/* No storage lies in the first 64 KiB of any bus. */
	limits.dma_mask = 0xffff;
	EXPECT_EQ(-EOPNOTSUPP, attach_limited(self->importer, self->fd, self->engine, &limits));

	attachment = attach(self->importer, self->fd, self->engine);
	ASSERT_LT(0, attachment);
	mapping = map(self->importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(-EOPNOTSUPP, attach_limited(self->importer, self->fd, self->engine, &limits));
	/* Scattered pages, as asked for, are never one segment. */
	limits = no_limits;
	limits.max_segs = 1;
	close(self->fd);
	self->fd = buffer_export(self->exporter, self->bytes, DMABUF_EXPORTER_SCATTER);
	ASSERT_LE(0, self->fd);
	EXPECT_EQ(-EOPNOTSUPP, attach_limited(self->importer, self->fd, self->engine, &limits));
	ASSERT_EQ(0, buffer_query(self->exporter, self->fd, &query));
	EXPECT_EQ(0, query.attachments);
	EXPECT_EQ(0, fill(self->importer, mapping, 0, 64, 1));
}

/* proves: M3 */
TEST_F(map, late_device_that_fixed_storage_does_not_serve_is_refused_and_nobody_else)
{
	struct dmabuf_importer_constraints limits = no_limits;
	struct dmabuf_exporter_query query;
	long long attachment, mapping;
	int fds[64], i;
	cpu_set_t cpu;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	/*
	 * Holes of a page within the device's reach, on the list of one CPU, so
	 * that the next storage for it comes in pieces.
	 */
	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(cpu), &cpu));
	for (i = 0; i < 64; i++) {
		fds[i] = buffer_export(self->exporter, 1, DMABUF_EXPORTER_AUTO);
		ASSERT_LE(0, fds[i]);
		attachment = attach(self->importer, fds[i], self->engine);
		mapping = map(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE);
		ASSERT_LT(0, mapping);
		ASSERT_EQ(0, unmap(self->importer, mapping));
		ASSERT_EQ(0, detach(self->importer, attachment));
	}
	for (i = 0; i < 64; i += 2)
		close(fds[i]);
	close(self->fd);
	self->fd = buffer_export_flags(self->exporter, self->bytes, DMABUF_EXPORTER_AUTO,
				       DMABUF_EXPORTER_FIXED, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	attachment = attach(self->importer, self->fd, self->engine);
	ASSERT_LT(0, attachment);
	mapping = map(self->importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, mapping);
	ASSERT_EQ(0, buffer_query(self->exporter, self->fd, &query));
	ASSERT_LT(1, query.chunks);

	limits.max_segs = 1;
	EXPECT_EQ(-EBUSY, attach_limited(self->importer, self->fd, self->engine, &limits));
	ASSERT_EQ(0, buffer_query(self->exporter, self->fd, &query));
	EXPECT_EQ(1, query.attachments);
	EXPECT_EQ(0, fill(self->importer, mapping, 0, 64, 1));
	for (i = 1; i < 64; i += 2)
		close(fds[i]);
}

/* proves: M2, N2 */
TEST_F(map, late_device_that_the_storage_serves_is_welcome)
{
	long long first, late, mapping;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	first = attach(self->importer, self->fd, self->engine);
	ASSERT_LT(0, first);
	ASSERT_LT(0, map(self->importer, first, DMABUF_IMPORTER_FROM_DEVICE));
	late = attach(self->importer, self->fd, self->soft);
	ASSERT_LT(0, late);
	mapping = map(self->importer, late, DMABUF_IMPORTER_TO_DEVICE);
	EXPECT_LT(0, mapping);
}

/* proves: R3 */
TEST_F(map, bus_addresses_are_for_the_administrator)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {};
	struct dmabuf_importer_segment part;
	long long attachment, mapping;
	int status;
	pid_t child;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	attachment = attach(self->importer, self->fd, self->engine);
	ASSERT_LT(0, attachment);
	mapping = map(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, mapping);
	ASSERT_EQ(0, segment(self->importer, mapping, 0, &part));
	EXPECT_NE(0, part.dma_address);
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		if (syscall(SYS_capset, &header, data))
			_exit(1);
		if (segment(self->importer, mapping, 0, &part))
			_exit(2);
		_exit(part.dma_address || !part.bytes ? 3 : 0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

struct mapper {
	int importer;
	__u32 attachment;
	unsigned int rounds;
	unsigned int failures;
};

static void *map_and_unmap(void *data)
{
	struct mapper *mapper = data;
	unsigned int i;

	for (i = 0; i < mapper->rounds; i++) {
		long long one = map(mapper->importer, mapper->attachment, i % 3);
		long long two = map(mapper->importer, mapper->attachment, (i + 1) % 3);

		if (one <= 0 || two <= 0 || unmap(mapper->importer, one) ||
		    unmap(mapper->importer, two))
			mapper->failures++;
	}
	return NULL;
}

/* proves: M1, M3, U1 */
TEST_F(map, threads_may_map_and_unmap_one_attachment)
{
	struct mapper mappers[4];
	pthread_t threads[4];
	long long attachment;
	int i;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	attachment = attach(self->importer, self->fd, self->engine);
	ASSERT_LT(0, attachment);
	for (i = 0; i < 4; i++) {
		mappers[i] = (struct mapper) { self->importer, attachment, scaled(1000), 0 };
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, map_and_unmap, &mappers[i]));
	}
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		EXPECT_EQ(0, mappers[i].failures);
	}
	EXPECT_EQ(0, mappings_of(self, attachment));
	EXPECT_EQ(0, detach(self->importer, attachment));
}

/* proves: M1, M2 */
TEST_F(map, threads_that_map_first_share_one_storage)
{
	unsigned int round, rounds = scaled(100);
	struct dmabuf_exporter_info info;
	struct mapper mappers[4];
	pthread_t threads[4];
	long long attachment;
	int fd, i;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	for (round = 0; round < rounds; round++) {
		fd = buffer_export(self->exporter, self->bytes, DMABUF_EXPORTER_AUTO);
		ASSERT_LE(0, fd);
		for (i = 0; i < 4; i++) {
			attachment = attach(self->importer, fd, self->engine);
			ASSERT_LT(0, attachment);
			mappers[i] = (struct mapper) { self->importer, attachment, 1, 0 };
		}
		for (i = 0; i < 4; i++)
			ASSERT_EQ(0, pthread_create(&threads[i], NULL, map_and_unmap, &mappers[i]));
		for (i = 0; i < 4; i++) {
			pthread_join(threads[i], NULL);
			EXPECT_EQ(0, mappers[i].failures);
		}
		ASSERT_EQ(0, exporter_info(self->exporter, &info));
		EXPECT_EQ(self->before.backed_bytes + page_align(self->bytes), info.backed_bytes);
		for (i = 0; i < 4; i++)
			EXPECT_EQ(0, detach(self->importer, mappers[i].attachment));
		close(fd);
	}
}

TEST_HARNESS_MAIN
