// SPDX-License-Identifier: GPL-2.0-only
/* All six steps from end to end, with each engine that there is. */
#include "dmabuf-test.h"

#define EDU_DRIVER "/sys/bus/pci/drivers/dmabuf-importer-edu/"

FIXTURE(lifecycle)
{
	int writer;
	int reader;
	size_t bytes;
	unsigned char *sent;
	unsigned char *received;
	struct counters before;
};

FIXTURE_VARIANT(lifecycle)
{
	__u32 writer;
	__u32 reader;
	unsigned int nth_reader;
	__u32 backing;
};

FIXTURE_VARIANT_ADD(lifecycle, edu_to_soft) {
	.writer = DMABUF_IMPORTER_EDU,
	.reader = DMABUF_IMPORTER_SOFT,
};

FIXTURE_VARIANT_ADD(lifecycle, soft_to_edu) {
	.writer = DMABUF_IMPORTER_SOFT,
	.reader = DMABUF_IMPORTER_EDU,
};

FIXTURE_VARIANT_ADD(lifecycle, edu_to_edu) {
	.writer = DMABUF_IMPORTER_EDU,
	.reader = DMABUF_IMPORTER_EDU,
	.backing = DMABUF_EXPORTER_CMA,
};

FIXTURE_VARIANT_ADD(lifecycle, edu_to_second_edu) {
	.writer = DMABUF_IMPORTER_EDU,
	.reader = DMABUF_IMPORTER_EDU,
	.nth_reader = 1,
};

FIXTURE_VARIANT_ADD(lifecycle, dmaengine_to_soft) {
	.writer = DMABUF_IMPORTER_DMAENGINE,
	.reader = DMABUF_IMPORTER_SOFT,
};

FIXTURE_VARIANT_ADD(lifecycle, soft_to_dmaengine) {
	.writer = DMABUF_IMPORTER_SOFT,
	.reader = DMABUF_IMPORTER_DMAENGINE,
};

FIXTURE_VARIANT_ADD(lifecycle, soft_to_soft_scattered) {
	.writer = DMABUF_IMPORTER_SOFT,
	.reader = DMABUF_IMPORTER_SOFT,
	.backing = DMABUF_EXPORTER_SCATTER,
};

FIXTURE_VARIANT_ADD(lifecycle, soft_to_soft_cma) {
	.writer = DMABUF_IMPORTER_SOFT,
	.reader = DMABUF_IMPORTER_SOFT,
	.backing = DMABUF_EXPORTER_CMA,
};

FIXTURE_SETUP(lifecycle)
{
	int importer;

	ASSERT_EQ(0, counters_read(&self->before));
	importer = importer_open();
	ASSERT_LE(0, importer);
	self->writer = engine_find(importer, variant->writer, 0);
	self->reader = engine_find(importer, variant->reader, variant->nth_reader);
	self->bytes = align_up(2 * page_size() + 123, engine_align(importer, self->writer));
	self->bytes = align_up(self->bytes, engine_align(importer, self->reader));
	close(importer);
	self->sent = malloc(self->bytes);
	self->received = calloc(1, self->bytes);
	ASSERT_NE(NULL, self->sent);
	ASSERT_NE(NULL, self->received);
	scribble(self->sent, self->bytes, 42);
}

FIXTURE_TEARDOWN(lifecycle)
{
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* proves: R1, R2, R3, R5, E1, F1, F4, A1, A2, M1, U1, D1, P1 */
TEST_F(lifecycle, buffer_goes_through_all_six_steps)
{
	long long writer, reader, mapping;
	struct dmabuf_exporter_info info;
	int exporter, importer, fd;
	__u32 sum;

	if (self->writer < 0 || self->reader < 0)
		SKIP(return, NO_ENGINE);
	exporter = exporter_open();
	ASSERT_LE(0, exporter);
	importer = importer_open();
	ASSERT_LE(0, importer);

	/* 1, 2: a buffer, and a handle that goes from one driver to the other */
	fd = buffer_export(exporter, self->bytes, variant->backing);
	ASSERT_LE(0, fd);

	/* 3: both connect before there is any storage */
	writer = attach(importer, fd, self->writer);
	ASSERT_LT(0, writer);
	reader = attach(importer, fd, self->reader);
	ASSERT_LT(0, reader);
	ASSERT_EQ(0, exporter_info(exporter, &info));
	EXPECT_EQ(self->before.backed_bytes, info.backed_bytes);

	/* 4, 5: one writes */
	mapping = map(importer, writer, DMABUF_IMPORTER_FROM_DEVICE);
	ASSERT_LT(0, mapping);
	ASSERT_EQ(0, copy_in(importer, mapping, 0, self->bytes, self->sent));
	EXPECT_EQ(0, unmap(importer, mapping));

	/* 4, 5: the other reads */
	mapping = map(importer, reader, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, mapping);
	ASSERT_EQ(0, copy_out(importer, mapping, 0, self->bytes, self->received));
	ASSERT_EQ(0, checksum(importer, mapping, 0, self->bytes, &sum));
	EXPECT_EQ(0, unmap(importer, mapping));
	EXPECT_EQ(0, memcmp(self->sent, self->received, self->bytes));
	EXPECT_EQ(crc32(self->sent, self->bytes), sum);

	/* 6: all disconnect, and the last one switches off the light */
	EXPECT_EQ(0, detach(importer, writer));
	EXPECT_EQ(0, close(fd));
	ASSERT_EQ(0, exporter_info(exporter, &info));
	EXPECT_EQ(self->before.buffers + 1, info.buffers);
	EXPECT_EQ(0, detach(importer, reader));
	ASSERT_EQ(0, exporter_info(exporter, &info));
	EXPECT_EQ(self->before.buffers, info.buffers);
	EXPECT_EQ(self->before.backed_bytes, info.backed_bytes);
	close(importer);
	close(exporter);
}

/* proves: R1, F3, F4, P1 */
TEST_F(lifecycle, each_step_may_be_another_process)
{
	int exporter, importer, fd, status;
	long long attachment, mapping, reader;
	pid_t child;

	if (self->writer < 0 || self->reader < 0)
		SKIP(return, NO_ENGINE);
	exporter = exporter_open();
	ASSERT_LE(0, exporter);
	fd = buffer_export(exporter, self->bytes, variant->backing);
	ASSERT_LE(0, fd);
	close(exporter);
	importer = importer_open();
	ASSERT_LE(0, importer);
	reader = attach(importer, fd, self->reader);
	ASSERT_LT(0, reader);

	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		importer = importer_open();
		attachment = attach(importer, fd, self->writer);
		mapping = map(importer, attachment, DMABUF_IMPORTER_FROM_DEVICE);
		if (copy_in(importer, mapping, 0, self->bytes, self->sent))
			_exit(1);
		if (unmap(importer, mapping) || detach(importer, attachment))
			_exit(2);
		_exit(0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_EQ(0, status);

	EXPECT_EQ(0, close(fd));
	mapping = map(importer, reader, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, mapping);
	ASSERT_EQ(0, copy_out(importer, mapping, 0, self->bytes, self->received));
	EXPECT_EQ(0, memcmp(self->sent, self->received, self->bytes));
	close(importer);
}

/*
 * The reader comes when the bytes are there, and what it needs nobody has thought
 * of: where its device does not reach them the buffer moves.
 */
/* proves: N2, N4, R1, R2 */
TEST_F(lifecycle, reader_may_come_when_the_writer_has_gone)
{
	struct dmabuf_exporter_placement place = { .argsz = sizeof(place) };
	long long attachment, mapping;
	int exporter, importer, fd;

	if (self->writer < 0 || self->reader < 0)
		SKIP(return, NO_ENGINE);
	exporter = exporter_open();
	ASSERT_LE(0, exporter);
	importer = importer_open();
	ASSERT_LE(0, importer);
	fd = buffer_export(exporter, self->bytes, variant->backing);
	ASSERT_LE(0, fd);
	attachment = attach(importer, fd, self->writer);
	ASSERT_LT(0, attachment);
	mapping = map(importer, attachment, DMABUF_IMPORTER_FROM_DEVICE);
	ASSERT_LT(0, mapping);
	ASSERT_EQ(0, copy_in(importer, mapping, 0, self->bytes, self->sent));
	EXPECT_EQ(0, unmap(importer, mapping));
	EXPECT_EQ(0, detach(importer, attachment));

	attachment = attach(importer, fd, self->reader);
	ASSERT_LT(0, attachment);
	mapping = map(importer, attachment, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, mapping);
	ASSERT_EQ(0, copy_out(importer, mapping, 0, self->bytes, self->received));
	EXPECT_EQ(0, memcmp(self->sent, self->received, self->bytes));
	place.fd = fd;
	ASSERT_EQ(0, do_ioctl(exporter, DMABUF_EXPORTER_PLACEMENT, &place));
	EXPECT_GE(1, place.moves);
	EXPECT_EQ(place.moves + 1, place.allocs);
	close(importer);
	close(fd);
	close(exporter);
}

FIXTURE(removal)
{
	int exporter;
	int importer;
	int fd;
	int engine;
	struct dmabuf_importer_engine description;
	struct counters before;
};

FIXTURE_SETUP(removal)
{
	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	self->fd = buffer_export(self->exporter, 4 * page_size(), DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, self->fd);
	self->engine = engine_find(self->importer, DMABUF_IMPORTER_EDU, 0);
	if (self->engine >= 0)
		ASSERT_EQ(0, engine_describe(self->importer, self->engine, &self->description));
}

FIXTURE_TEARDOWN(removal)
{
	/* It says -ENODEV if it is bound already. */
	if (self->engine >= 0)
		file_write(EDU_DRIVER "bind", self->description.device);
	EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* proves: D1, U1 */
TEST_F(removal, device_that_goes_away_is_unmapped_and_detached)
{
	struct dmabuf_importer_engine engine;
	struct dmabuf_exporter_query query;
	struct dmabuf_importer_segment part;
	long long attachment, mapping;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	attachment = attach(self->importer, self->fd, self->engine);
	ASSERT_LT(0, attachment);
	mapping = map(self->importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, mapping);
	ASSERT_EQ(0, file_write(EDU_DRIVER "unbind", self->description.device));

	/* The exporter has nothing of it any more; the handles are there, and empty. */
	ASSERT_EQ(0, buffer_query(self->exporter, self->fd, &query));
	EXPECT_EQ(0, query.attachments);
	EXPECT_EQ(-ENODEV, fill(self->importer, mapping, 0, 8, 1));
	EXPECT_EQ(-ENODEV, segment(self->importer, mapping, 0, &part));
	EXPECT_EQ(-ENODEV, map(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE));
	EXPECT_EQ(-EBUSY, detach(self->importer, attachment));
	EXPECT_EQ(0, unmap(self->importer, mapping));
	EXPECT_EQ(0, detach(self->importer, attachment));

	/* Bound again, it is as good as new. */
	ASSERT_EQ(0, file_write(EDU_DRIVER "bind", self->description.device));
	ASSERT_EQ(0, engine_describe(self->importer, self->engine, &engine));
	EXPECT_STREQ(self->description.name, engine.name);
	attachment = attach(self->importer, self->fd, self->engine);
	ASSERT_LT(0, attachment);
	mapping = map(self->importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(0, fill(self->importer, mapping, 0, 8, 1));
}

struct runner {
	int importer;
	__u32 mapping;
	size_t bytes;
	int ret;
};

static void *checksum_all(void *data)
{
	struct runner *runner = data;
	__u32 sum;

	runner->ret = checksum(runner->importer, runner->mapping, 0, runner->bytes, &sum);
	return NULL;
}

/* proves: D1, U1 */
TEST_F(removal, device_may_go_away_in_the_middle_of_a_transfer)
{
	struct dmabuf_exporter_query query;
	struct runner runner = { .importer = self->importer };
	long long attachment, mapping;
	pthread_t thread;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	attachment = attach(self->importer, self->fd, self->engine);
	ASSERT_LT(0, attachment);
	mapping = map(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, mapping);
	runner.mapping = mapping;
	runner.bytes = 4 * page_size();
	ASSERT_EQ(0, pthread_create(&thread, NULL, checksum_all, &runner));
	sleep_ms(150);
	ASSERT_EQ(0, file_write(EDU_DRIVER "unbind", self->description.device));
	pthread_join(thread, NULL);
	EXPECT_EQ(-ENODEV, runner.ret);
	ASSERT_EQ(0, buffer_query(self->exporter, self->fd, &query));
	EXPECT_EQ(0, query.attachments);
}

struct stalled {
	int importer;
	__u32 attachment;
	long long ret;
};

static void *map_and_wait(void *data)
{
	struct stalled *stalled = data;

	stalled->ret = map(stalled->importer, stalled->attachment,
			   DMABUF_IMPORTER_BIDIRECTIONAL);
	return NULL;
}

/* Return: once so many maps of the buffer wait; false if it does not come to that. */
static bool maps_wait(int exporter, int fd, __u32 n)
{
	struct dmabuf_exporter_placement placement;
	__u64 deadline = now_ms() + 30000;

	do {
		memset(&placement, 0, sizeof(placement));
		placement.argsz = sizeof(placement);
		placement.fd = fd;
		if (do_ioctl(exporter, DMABUF_EXPORTER_PLACEMENT, &placement))
			return false;
		if (placement.waiting == n)
			return true;
		sleep_ms(2);
	} while (now_ms() < deadline);
	return false;
}

/*
 * The map waits for a device that stays, and that nobody need ever unmap: the
 * removal must not wait for it.
 */
/* proves: M4, D1 */
TEST_F(removal, device_may_go_away_while_a_map_of_it_waits_for_another)
{
	struct stalled stalled[2];
	struct dmabuf_exporter_query query;
	long long holder, mapping, other;
	pthread_t threads[2];
	int soft, fd, i;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	soft = engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0);
	ASSERT_LE(0, soft);
	fd = buffer_export_flags(self->exporter, 4 * page_size(), DMABUF_EXPORTER_AUTO,
				 DMABUF_EXPORTER_ONE_WRITER, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	holder = attach(self->importer, fd, soft);
	ASSERT_LT(0, holder);
	other = attach(self->importer, fd, soft);
	ASSERT_LT(0, other);
	for (i = 0; i < 2; i++) {
		stalled[i].importer = self->importer;
		stalled[i].attachment = attach(self->importer, fd, self->engine);
		ASSERT_LT(0, (int)stalled[i].attachment);
	}
	mapping = map(self->importer, holder, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, mapping);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, map_and_wait, &stalled[i]));
	ASSERT_TRUE(maps_wait(self->exporter, fd, 2));

	ASSERT_EQ(0, file_write(EDU_DRIVER "unbind", self->description.device));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
		EXPECT_EQ(-ENODEV, stalled[i].ret);
		EXPECT_EQ(-ENODEV, map(self->importer, stalled[i].attachment,
				       DMABUF_IMPORTER_TO_DEVICE));
		EXPECT_EQ(0, detach(self->importer, stalled[i].attachment));
	}

	/* All others go on as if it had never come. */
	EXPECT_TRUE(maps_wait(self->exporter, fd, 0));
	ASSERT_EQ(0, buffer_query(self->exporter, fd, &query));
	EXPECT_EQ(2, query.attachments);
	EXPECT_EQ(-EAGAIN, map_nowait(self->importer, other, DMABUF_IMPORTER_TO_DEVICE));
	EXPECT_EQ(0, fill(self->importer, mapping, 0, 4 * page_size(), 7));
	EXPECT_EQ(0, unmap(self->importer, mapping));
	mapping = map_nowait(self->importer, other, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(0, unmap(self->importer, mapping));
	EXPECT_EQ(0, close(fd));
}

#define TIMEOUT "/sys/module/dmabuf_importer_sample/parameters/timeout_ms"

/* proves: D1, U1 */
TEST_F(removal, device_that_does_not_finish_is_cut_off_until_it_is_bound_again)
{
	char given[32];
	long long attachment, mapping;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	attachment = attach(self->importer, self->fd, self->engine);
	ASSERT_LT(0, attachment);
	mapping = map(self->importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, mapping);

	/* A run takes 100 ms. */
	snprintf(given, sizeof(given), "%lld", file_number(TIMEOUT));
	ASSERT_EQ(0, file_write(TIMEOUT, "20"));
	EXPECT_EQ(-ETIMEDOUT, fill(self->importer, mapping, 0, 8, 1));
	ASSERT_EQ(0, file_write(TIMEOUT, given));
	EXPECT_EQ(-EIO, fill(self->importer, mapping, 0, 8, 1));
	EXPECT_EQ(0, unmap(self->importer, mapping));
	EXPECT_EQ(0, detach(self->importer, attachment));

	ASSERT_EQ(0, file_write(EDU_DRIVER "unbind", self->description.device));
	ASSERT_EQ(0, file_write(EDU_DRIVER "bind", self->description.device));
	attachment = attach(self->importer, self->fd, self->engine);
	ASSERT_LT(0, attachment);
	mapping = map(self->importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(0, fill(self->importer, mapping, 0, 8, 1));
}

TEST_HARNESS_MAIN
