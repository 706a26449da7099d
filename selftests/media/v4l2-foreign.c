// SPDX-License-Identifier: GPL-2.0-only
/*
 * The other way round: buffers of vivid's own, by VIDIOC_EXPBUF, are buffers for our
 * importers, and what the camera captured is what their engines read.
 */
#include "vivid-test.h"

FIXTURE(foreign)
{
	int exporter, importer;
	struct vivid camera;
	void *reference;
	int fds[BUFFERS];
	unsigned char *windows[BUFFERS];
	struct counters before;
};

FIXTURE_VARIANT(foreign)
{
	unsigned int allocator;
};

FIXTURE_VARIANT_ADD(foreign, vmalloc) {
	.allocator = VIVID_VMALLOC,
};

FIXTURE_VARIANT_ADD(foreign, contiguous) {
	.allocator = VIVID_CONTIG,
};

FIXTURE_SETUP(foreign)
{
	int i;

	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	ASSERT_EQ(0, vivid_open_camera(&self->camera, vivid_instance(variant->allocator), 30));
	self->reference = vivid_reference(&self->camera);
	ASSERT_NE(NULL, self->reference);
	ASSERT_TRUE(is_colour_bars(self->reference));
	ASSERT_EQ(0, vivid_request(&self->camera, BUFFERS, V4L2_MEMORY_MMAP));
	for (i = 0; i < BUFFERS; i++) {
		self->windows[i] = vivid_mmap(&self->camera, i);
		ASSERT_NE(MAP_FAILED, self->windows[i]);
		memset(self->windows[i], 0x5a, self->camera.bytes);
		self->fds[i] = vivid_export(&self->camera, i);
		ASSERT_LE(0, self->fds[i]);
		ASSERT_EQ(0, vivid_queue_own(&self->camera, i));
	}
}

FIXTURE_TEARDOWN(foreign)
{
	int i;

	free(self->reference);
	for (i = 0; i < BUFFERS; i++) {
		EXPECT_EQ(0, munmap(self->windows[i], self->camera.bytes));
		if (self->fds[i] >= 0)
			EXPECT_EQ(0, close(self->fds[i]));
	}
	EXPECT_EQ(0, close(self->camera.fd));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* Reads a part of the buffer through the device, and compares. */
static bool engine_reads(int importer, __u32 mapping, const void *expected, size_t offset,
			 size_t bytes)
{
	void *back = calloc(1, bytes);
	__u32 sum = 0;
	bool same;

	same = back && !copy_out(importer, mapping, offset, bytes, back) &&
	       !memcmp(back, (const char *)expected + offset, bytes) &&
	       !checksum(importer, mapping, offset, bytes, &sum) && sum == crc32(back, bytes);
	free(back);
	return same;
}

/* proves: A1, F4, R2 */
TEST_F(foreign, buffer_of_the_camera_is_none_of_our_exporter)
{
	struct dmabuf_exporter_query query;

	EXPECT_EQ(-EINVAL, buffer_query(self->exporter, self->fds[0], &query));
	EXPECT_EQ(-EINVAL, buffer_offset(self->exporter, self->fds[0]));
}

/* proves: R2, A2, M1 */
TEST_F_TIMEOUT(foreign, software_engine_reads_every_frame_as_the_cpu_sees_it, 300)
{
	__u32 engine = engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0);
	struct user users[BUFFERS];
	__u32 index, sequence;
	int i;

	for (i = 0; i < BUFFERS; i++)
		ASSERT_EQ(0, user_map(self->importer, self->fds[i], engine,
				      DMABUF_IMPORTER_BIDIRECTIONAL, &users[i]));
	ASSERT_EQ(0, vivid_start(&self->camera));
	for (i = 0; i < 3 * BUFFERS; i++) {
		ASSERT_EQ(0, vivid_dequeue_from(&self->camera, V4L2_MEMORY_MMAP, &index,
						&sequence));
		ASSERT_EQ(0, memcmp(self->windows[index], self->reference, self->camera.bytes));
		ASSERT_TRUE(engine_reads(self->importer, users[index].mapping,
					 self->windows[index], 0, self->camera.bytes));
		memset(self->windows[index], 0x5a, self->camera.bytes);
		ASSERT_EQ(0, vivid_queue_own(&self->camera, index));
	}
	EXPECT_EQ(0, vivid_stop(&self->camera));
	for (i = 0; i < BUFFERS; i++)
		EXPECT_EQ(0, user_unmap(self->importer, &users[i]));
}

/* Return: the edu of the widest reach: the camera's memory may lie anywhere. */
static int widest_edu(int importer)
{
	struct dmabuf_importer_engine engine;
	int nth, index, widest = -ENOENT;
	__u64 mask = 0;

	for (nth = 0;; nth++) {
		index = engine_find(importer, DMABUF_IMPORTER_EDU, nth);
		if (index < 0 || engine_describe(importer, index, &engine))
			return widest;
		if (engine.constraints.dma_mask > mask) {
			mask = engine.constraints.dma_mask;
			widest = index;
		}
	}
}

/* proves: R2, R5, M1 */
TEST_F_TIMEOUT(foreign, edu_reads_a_frame_as_the_cpu_sees_it, 300)
{
	/* So little because each 4 KiB take it 200 ms; the first byte, the last, and some. */
	const size_t parts[] = { 0, self->camera.bytes / 2, self->camera.bytes - 2 * PITCH };
	int engine = widest_edu(self->importer);
	__u32 index, sequence;
	struct user user;
	unsigned int i;

	ASSERT_LE(0, engine);
	ASSERT_EQ(0, vivid_start(&self->camera));
	ASSERT_EQ(0, vivid_dequeue_from(&self->camera, V4L2_MEMORY_MMAP, &index, &sequence));
	ASSERT_EQ(0, memcmp(self->windows[index], self->reference, self->camera.bytes));
	ASSERT_EQ(0, user_map(self->importer, self->fds[index], engine,
			      DMABUF_IMPORTER_TO_DEVICE, &user));
	for (i = 0; i < 3; i++)
		EXPECT_TRUE(engine_reads(self->importer, user.mapping, self->windows[index],
					 parts[i], 2 * PITCH));
	EXPECT_EQ(0, user_unmap(self->importer, &user));
	EXPECT_EQ(0, vivid_stop(&self->camera));
}

/* proves: R1, R2, M1 */
TEST_F_TIMEOUT(foreign, what_our_engine_writes_is_what_the_cpu_sees, 300)
{
	__u32 engine = engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0);
	const size_t bytes = self->camera.bytes;
	unsigned char *noise = malloc(bytes);
	struct user user;

	ASSERT_NE(NULL, noise);
	scribble(noise, bytes, 5);
	ASSERT_EQ(0, vivid_stop(&self->camera));
	ASSERT_EQ(0, user_map(self->importer, self->fds[0], engine, DMABUF_IMPORTER_FROM_DEVICE,
			      &user));
	ASSERT_EQ(0, copy_in(self->importer, user.mapping, 0, bytes, noise));
	EXPECT_EQ(0, user_unmap(self->importer, &user));
	EXPECT_EQ(0, memcmp(self->windows[0], noise, bytes));
	free(noise);
}

/* proves: F3, A1 */
TEST_F_TIMEOUT(foreign, frame_outlives_the_camera_as_long_as_we_have_it_mapped, 300)
{
	__u32 engine = engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0), index, sequence;
	struct user user;

	ASSERT_EQ(0, vivid_start(&self->camera));
	ASSERT_EQ(0, vivid_dequeue_from(&self->camera, V4L2_MEMORY_MMAP, &index, &sequence));
	ASSERT_EQ(0, user_map(self->importer, self->fds[index], engine,
			      DMABUF_IMPORTER_TO_DEVICE, &user));
	ASSERT_EQ(0, close(self->fds[index]));
	self->fds[index] = -1;
	ASSERT_EQ(0, vivid_stop(&self->camera));
	ASSERT_EQ(0, vivid_request(&self->camera, 0, V4L2_MEMORY_MMAP));
	EXPECT_TRUE(engine_reads(self->importer, user.mapping, self->reference, 0,
				 self->camera.bytes));
	EXPECT_EQ(0, user_unmap(self->importer, &user));
}

TEST_HARNESS_MAIN
