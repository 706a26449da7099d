// SPDX-License-Identifier: GPL-2.0-only
/* Steps 3 and 6: attach, the list of attachments, detach. */
#include "dmabuf-test.h"

#define BUFFER_BYTES 12345
#define MANY 200

FIXTURE(attach)
{
	int exporter;
	int importer;
	int fd;
	__u32 soft;
	long long id;
	struct counters before;
};

FIXTURE_SETUP(attach)
{
	int soft;

	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	soft = engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0);
	ASSERT_LE(0, soft);
	self->soft = soft;
	self->fd = buffer_export(self->exporter, BUFFER_BYTES, DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, self->fd);
	self->id = buffer_id(self->exporter, self->fd);
	ASSERT_LT(0, self->id);
}

FIXTURE_TEARDOWN(attach)
{
	if (self->fd >= 0)
		EXPECT_EQ(0, close(self->fd));
	if (self->importer >= 0)
		EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* Return: how many devices are attached, or -errno. */
static int attached(FIXTURE_DATA(attach) *self)
{
	struct dmabuf_exporter_query query;
	int ret = buffer_query(self->exporter, self->fd, &query);

	return ret ?: (int)query.attachments;
}

/* proves: A2, F4, R1 */
TEST_F(attach, attachment_is_of_the_engines_device_to_that_buffer)
{
	struct dmabuf_importer_engine engine;
	struct dmabuf_importer_query query;
	static struct view view;
	long long attachment;
	__u32 i, n;

	for (i = 0; !engine_describe(self->importer, i, &engine); i++) {
		attachment = attach(self->importer, self->fd, i);
		ASSERT_LT(0, attachment);
		EXPECT_EQ(i + 1, attached(self));
		ASSERT_EQ(0, attachment_query(self->importer, attachment, &query));
		EXPECT_EQ(BUFFER_BYTES, query.bytes);
		EXPECT_EQ(self->id, query.buffer_id);
		EXPECT_EQ(i, query.engine);
		EXPECT_EQ(0, query.mappings);
		EXPECT_EQ(engine.constraints.dma_mask, query.constraints.dma_mask);

		/* The exporter's view: this device, under this id. */
		ASSERT_EQ(0, view_debugfs(self->id, &view));
		ASSERT_EQ(i + 1, view.attachment_lines);
		for (n = 0; n < view.attachment_lines; n++)
			if (view.ids[n] == query.attachment_id)
				break;
		ASSERT_GT(view.attachment_lines, n);
		EXPECT_STREQ(engine.device, view.devices[n]);
	}
	EXPECT_LT(0, i);
}

/* proves: A5, D1 */
TEST_F(attach, any_number_of_attachments_is_counted)
{
	static long long handles[MANY];
	static struct view view;
	int i;

	for (i = 0; i < MANY; i++) {
		handles[i] = attach(self->importer, self->fd, self->soft);
		ASSERT_LT(0, handles[i]);
		ASSERT_EQ(i + 1, attached(self));
	}
	ASSERT_EQ(0, view_debugfs(self->id, &view));
	EXPECT_EQ(MANY, view.attachments);
	EXPECT_EQ(MANY, view.attachment_lines);

	/* From the middle outwards, so that no order is taken for granted. */
	for (i = 0; i < MANY; i++) {
		int victim = i & 1 ? MANY / 2 + i / 2 : MANY / 2 - 1 - i / 2;

		ASSERT_EQ(0, detach(self->importer, handles[victim]));
		ASSERT_EQ(MANY - 1 - i, attached(self));
	}
}

struct worker {
	FIXTURE_DATA(attach) *self;
	unsigned int rounds;
	atomic_int *running;
	int failures;
};

static void *attach_and_detach(void *data)
{
	struct worker *worker = data;
	int importer = importer_open();
	unsigned int i;

	for (i = 0; i < worker->rounds; i++) {
		long long one = attach(importer, worker->self->fd, worker->self->soft);
		long long two = attach(importer, worker->self->fd, worker->self->soft);

		if (one <= 0 || two <= 0 || attached(worker->self) < 2)
			worker->failures++;
		if (detach(importer, one) || detach(importer, two))
			worker->failures++;
	}
	close(importer);
	atomic_fetch_sub(worker->running, 1);
	return NULL;
}

/* proves: A5 */
TEST_F(attach, list_is_exact_while_threads_attach_and_detach)
{
	enum { THREADS = 4, BASE = 3 };
	struct worker workers[THREADS];
	struct dmabuf_importer_query query;
	unsigned int base_ids[BASE], looks = 0, i, n;
	atomic_int running = THREADS;
	pthread_t threads[THREADS];
	static struct view view;
	long long handle;

	for (i = 0; i < BASE; i++) {
		handle = attach(self->importer, self->fd, self->soft);
		ASSERT_LT(0, handle);
		ASSERT_EQ(0, attachment_query(self->importer, handle, &query));
		base_ids[i] = query.attachment_id;
	}
	for (i = 0; i < THREADS; i++) {
		workers[i] = (struct worker) { self, scaled(1000), &running, 0 };
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, attach_and_detach, &workers[i]));
	}
	while (atomic_load(&running) || !looks++) {
		ASSERT_EQ(0, view_debugfs(self->id, &view));
		ASSERT_EQ(view.attachments, view.attachment_lines);
		ASSERT_LE(BASE, view.attachments);
		ASSERT_GE(BASE + 2 * THREADS, view.attachments);
		/* Those that nobody touches are there, once each. */
		for (i = 0; i < BASE; i++) {
			unsigned int seen = 0;

			for (n = 0; n < view.attachment_lines; n++)
				seen += view.ids[n] == base_ids[i];
			ASSERT_EQ(1, seen);
		}
		looks++;
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		EXPECT_EQ(0, workers[i].failures);
	}
	EXPECT_LT(1, looks);
	EXPECT_EQ(BASE, attached(self));
}

/* proves: A2 */
TEST_F(attach, constraints_of_the_importer_are_added_to_those_of_the_device)
{
	struct dmabuf_importer_constraints limits = {
		.dma_mask = (1ULL << 31) - 1, .seg_boundary = 0xffff, .max_seg_size = 8192,
		.max_segs = 5, .align = 64,
	};
	struct dmabuf_importer_query query;
	struct dmabuf_importer_engine engine;
	long long handle;
	__u32 i;

	for (i = 0; !engine_describe(self->importer, i, &engine); i++) {
		const struct dmabuf_importer_constraints *own = &engine.constraints;

		handle = attach_limited(self->importer, self->fd, i, &limits);
		ASSERT_LT(0, handle);
		ASSERT_EQ(0, attachment_query(self->importer, handle, &query));
		EXPECT_EQ(own->dma_mask < limits.dma_mask ? own->dma_mask : limits.dma_mask,
			  query.constraints.dma_mask);
		EXPECT_EQ(0xffff, query.constraints.seg_boundary);
		EXPECT_EQ(own->max_seg_size < 8192 ? own->max_seg_size : 8192,
			  query.constraints.max_seg_size);
		EXPECT_EQ(own->max_segs < 5 ? own->max_segs : 5, query.constraints.max_segs);
		EXPECT_EQ(own->align > 64 ? own->align : 64, query.constraints.align);
	}
}

TEST_F(attach, constraints_that_make_no_sense_are_rejected)
{
	static const struct dmabuf_importer_constraints good = {
		~0ULL, ~0ULL, ~0ULL, ~0U, 1,
	};
	static const struct dmabuf_importer_constraints bad[] = {
		{ 0, ~0ULL, ~0ULL, ~0U, 1 },			/* no address */
		{ 0xf0ff, ~0ULL, ~0ULL, ~0U, 1 },		/* a hole in the mask */
		{ ~1ULL, ~0ULL, ~0ULL, ~0U, 1 },
		{ ~0ULL, 0, ~0ULL, ~0U, 1 },			/* no byte in a row */
		{ ~0ULL, 0x1000, ~0ULL, ~0U, 1 },
		{ ~0ULL, ~0ULL, 0, ~0U, 1 },			/* empty segments */
		{ ~0ULL, ~0ULL, ~0ULL, 0, 1 },			/* no segment */
		{ ~0ULL, ~0ULL, ~0ULL, ~0U, 0 },		/* no alignment */
		{ ~0ULL, ~0ULL, ~0ULL, ~0U, 3 },		/* no power of two */
		{},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, attach_limited(self->importer, self->fd, self->soft, &bad[i]))
			TH_LOG("row %zu", i);
	}
	EXPECT_EQ(0, attached(self));
	EXPECT_LT(0, attach_limited(self->importer, self->fd, self->soft, &good));
}

TEST_F(attach, constraints_without_their_flag_are_rejected)
{
	struct dmabuf_importer_attach arg = {
		.argsz = sizeof(arg), .fd = self->fd, .engine = self->soft,
		.constraints.max_segs = 1,
	};

	EXPECT_EQ(-EINVAL, do_ioctl(self->importer, DMABUF_IMPORTER_ATTACH, &arg));
	EXPECT_EQ(0, attached(self));
}

TEST_F(attach, engine_that_does_not_exist_is_no_device)
{
	struct dmabuf_importer_engine engine;
	__u32 engines = 0;

	while (!engine_describe(self->importer, engines, &engine))
		engines++;
	EXPECT_EQ(-ENODEV, attach(self->importer, self->fd, engines));
	EXPECT_EQ(-ENODEV, attach(self->importer, self->fd, ~0U));
	EXPECT_EQ(0, attached(self));
}

TEST_F(attach, answer_that_cannot_be_written_means_no_attachment)
{
	struct dmabuf_importer_attach arg = {
		.argsz = sizeof(arg), .fd = self->fd, .engine = self->soft,
	};
	void *page = read_only_copy(&arg, sizeof(arg));

	ASSERT_NE(NULL, page);
	EXPECT_EQ(-EFAULT, do_ioctl(self->importer, DMABUF_IMPORTER_ATTACH, page));
	EXPECT_EQ(0, attached(self));
	munmap(page, page_size());
	EXPECT_LT(0, attach(self->importer, self->fd, self->soft));
}

/* proves: D1 */
TEST_F(attach, detach_takes_the_attachment_off_the_list)
{
	struct dmabuf_importer_query query;
	long long first, second;
	static struct view view;

	first = attach(self->importer, self->fd, self->soft);
	ASSERT_LT(0, first);
	second = attach(self->importer, self->fd, self->soft);
	ASSERT_LT(0, second);
	EXPECT_NE(first, second);
	ASSERT_EQ(0, attachment_query(self->importer, second, &query));
	EXPECT_EQ(0, detach(self->importer, first));
	EXPECT_EQ(1, attached(self));
	ASSERT_EQ(0, view_debugfs(self->id, &view));
	ASSERT_EQ(1, view.attachment_lines);
	EXPECT_EQ(query.attachment_id, view.ids[0]);
}

/* proves: D1 */
TEST_F(attach, detach_of_a_mapped_attachment_is_busy_until_it_is_unmapped)
{
	long long handle, mapping;

	handle = attach(self->importer, self->fd, self->soft);
	ASSERT_LT(0, handle);
	mapping = map(self->importer, handle, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(-EBUSY, detach(self->importer, handle));
	EXPECT_EQ(1, attached(self));
	EXPECT_EQ(0, unmap(self->importer, mapping));
	EXPECT_EQ(0, detach(self->importer, handle));
	EXPECT_EQ(0, attached(self));
}

/* proves: D1 */
TEST_F(attach, second_detach_finds_nothing)
{
	long long handle = attach(self->importer, self->fd, self->soft);

	ASSERT_LT(0, handle);
	EXPECT_EQ(0, detach(self->importer, handle));
	EXPECT_EQ(-ENOENT, detach(self->importer, handle));
	EXPECT_EQ(-ENOENT, map(self->importer, handle, DMABUF_IMPORTER_TO_DEVICE));
}

/* proves: D1, M1 */
TEST_F(attach, handle_that_was_never_given_is_not_found)
{
	struct dmabuf_importer_query query;
	__u32 handles[] = { 0, 1, 0x7fffffff, 0x80000000, ~0U };
	long long mine;
	size_t i;

	mine = attach(self->importer, self->fd, self->soft);
	ASSERT_LT(0, mine);
	for (i = 0; i < ARRAY_SIZE(handles); i++) {
		if (handles[i] == mine)
			continue;
		EXPECT_EQ(-ENOENT, detach(self->importer, handles[i]));
		EXPECT_EQ(-ENOENT, attachment_query(self->importer, handles[i], &query));
		EXPECT_EQ(-ENOENT, map(self->importer, handles[i], DMABUF_IMPORTER_TO_DEVICE));
	}
	EXPECT_EQ(0, detach(self->importer, mine));
}

/* proves: D1, M1 */
TEST_F(attach, handle_of_another_open_file_is_not_found)
{
	struct dmabuf_importer_query query;
	long long handle, mapping;
	int other = importer_open();

	ASSERT_LE(0, other);
	handle = attach(self->importer, self->fd, self->soft);
	ASSERT_LT(0, handle);
	mapping = map(self->importer, handle, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(-ENOENT, attachment_query(other, handle, &query));
	EXPECT_EQ(-ENOENT, map(other, handle, DMABUF_IMPORTER_TO_DEVICE));
	EXPECT_EQ(-ENOENT, unmap(other, mapping));
	EXPECT_EQ(-ENOENT, detach(other, handle));
	close(other);
	EXPECT_EQ(0, attachment_query(self->importer, handle, &query));
	EXPECT_EQ(1, query.mappings);
}

/* proves: P1, A1 */
TEST_F(attach, buffer_lives_through_its_attachment_after_the_last_fd)
{
	static const unsigned char zero[BUFFER_BYTES];
	struct dmabuf_exporter_info info;
	struct dmabuf_importer_query query;
	long long handle, mapping;
	__u32 sum;

	handle = attach(self->importer, self->fd, self->soft);
	ASSERT_LT(0, handle);
	EXPECT_EQ(0, close(self->fd));
	self->fd = -1;
	ASSERT_EQ(0, exporter_info(self->exporter, &info));
	EXPECT_EQ(self->before.buffers + 1, info.buffers);
	ASSERT_EQ(0, attachment_query(self->importer, handle, &query));
	EXPECT_EQ(self->id, query.buffer_id);
	mapping = map(self->importer, handle, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(0, checksum(self->importer, mapping, 0, BUFFER_BYTES, &sum));
	EXPECT_EQ(crc32(zero, sizeof(zero)), sum);
	EXPECT_EQ(0, unmap(self->importer, mapping));
	EXPECT_EQ(0, detach(self->importer, handle));
	ASSERT_EQ(0, exporter_info(self->exporter, &info));
	EXPECT_EQ(self->before.buffers, info.buffers);
}

/* proves: D1, U1, P1 */
TEST_F(attach, closing_the_importer_unmaps_and_detaches)
{
	long long handle;
	int i, j;

	for (i = 0; i < 3; i++) {
		handle = attach(self->importer, self->fd, self->soft);
		ASSERT_LT(0, handle);
		for (j = 0; j < 3; j++)
			ASSERT_LT(0, map(self->importer, handle, DMABUF_IMPORTER_TO_DEVICE));
	}
	EXPECT_EQ(3, attached(self));
	EXPECT_EQ(0, close(self->importer));
	self->importer = -1;
	EXPECT_EQ(0, attached(self));
}

/* proves: A2, A5 */
TEST_F(attach, one_attachment_can_follow_another_for_ever)
{
	unsigned int i, rounds = scaled(5000);
	long long handle;

	for (i = 0; i < rounds; i++) {
		handle = attach(self->importer, self->fd, self->soft);
		ASSERT_LT(0, handle);
		ASSERT_EQ(0, detach(self->importer, handle));
	}
	EXPECT_EQ(0, attached(self));
}

TEST_HARNESS_MAIN
