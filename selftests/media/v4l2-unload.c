// SPDX-License-Identifier: GPL-2.0-only
/* Modules stay as long as a queue of V4L2 holds a buffer, and go right after. */
#include "unload-test.h"
#include "vivid-test.h"

FIXTURE(unload)
{
	struct vivid camera;
	int fd;
	struct counters before;
};

FIXTURE_VARIANT(unload)
{
	unsigned int allocator;
};

FIXTURE_VARIANT_ADD(unload, vmalloc) {
	.allocator = VIVID_VMALLOC,
};

FIXTURE_VARIANT_ADD(unload, contiguous) {
	.allocator = VIVID_CONTIG,
};

FIXTURE_SETUP(unload)
{
	int exporter;

	ASSERT_EQ(0, load_all());
	ASSERT_EQ(0, counters_read(&self->before));
	/* Whoever uses the modules beside us makes this test tell nothing. */
	ASSERT_EQ(0, self->before.buffers);
	ASSERT_EQ(2, self->before.core_refs);
	ASSERT_EQ(0, self->before.exporter_refs);
	ASSERT_EQ(0, self->before.importer_refs);
	ASSERT_EQ(0, vivid_open_camera(&self->camera, vivid_instance(variant->allocator), 30));
	ASSERT_EQ(0, vivid_request(&self->camera, BUFFERS, V4L2_MEMORY_DMABUF));
	exporter = exporter_open();
	ASSERT_LE(0, exporter);
	self->fd = buffer_export(exporter, self->camera.bytes, DMABUF_EXPORTER_CMA);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, close(exporter));
}

FIXTURE_TEARDOWN(unload)
{
	if (self->camera.fd >= 0)
		EXPECT_EQ(0, close(self->camera.fd));
	EXPECT_EQ(0, load_all());
	EXPECT_TRUE(counters_back_to(&self->before));
}

static bool only_importer_goes(void)
{
	return unload(EXPORTER) == -EWOULDBLOCK && unload(CORE) == -EWOULDBLOCK &&
	       !unload(IMPORTER) && unload(EXPORTER) == -EWOULDBLOCK &&
	       unload(CORE) == -EWOULDBLOCK;
}

/* proves: P1, E2 */
TEST_F(unload, exporter_and_core_stay_while_a_buffer_is_queued)
{
	ASSERT_EQ(0, vivid_queue(&self->camera, 0, self->fd));
	ASSERT_EQ(0, close(self->fd));
	EXPECT_TRUE(only_importer_goes());
	EXPECT_EQ(0, vivid_release(&self->camera));
	EXPECT_EQ(0, unload(EXPORTER));
	EXPECT_EQ(0, unload(CORE));
}

/* proves: P1, E2 */
TEST_F(unload, exporter_and_core_stay_while_frames_are_captured)
{
	__u32 index, sequence;

	ASSERT_EQ(0, vivid_queue(&self->camera, 0, self->fd));
	ASSERT_EQ(0, vivid_start(&self->camera));
	EXPECT_TRUE(only_importer_goes());
	ASSERT_EQ(0, vivid_dequeue(&self->camera, &index, &sequence));
	ASSERT_EQ(0, close(self->fd));
	/* Out of the queue, vb2 still has it, for when the same fd comes again. */
	EXPECT_EQ(-EWOULDBLOCK, unload(EXPORTER));
	ASSERT_EQ(0, vivid_stop(&self->camera));
	EXPECT_EQ(-EWOULDBLOCK, unload(EXPORTER));
	EXPECT_EQ(-EWOULDBLOCK, unload(CORE));
	EXPECT_EQ(0, vivid_release(&self->camera));
	EXPECT_EQ(0, unload(EXPORTER));
	EXPECT_EQ(0, unload(CORE));
}

/* proves: P1, E2 */
TEST_F(unload, close_of_the_camera_in_the_midst_of_it_lets_them_go)
{
	ASSERT_EQ(0, vivid_queue(&self->camera, 0, self->fd));
	ASSERT_EQ(0, vivid_start(&self->camera));
	ASSERT_EQ(0, close(self->fd));
	EXPECT_TRUE(only_importer_goes());
	ASSERT_EQ(0, close(self->camera.fd));
	self->camera.fd = -1;
	EXPECT_EQ(0, unload(EXPORTER));
	EXPECT_EQ(0, unload(CORE));
}

/* proves: P1, A1 */
TEST_F(unload, importer_and_core_stay_while_a_buffer_of_the_camera_is_attached)
{
	long long attachment;
	int importer, fd;

	ASSERT_EQ(0, close(self->fd));
	ASSERT_EQ(0, vivid_release(&self->camera));
	ASSERT_EQ(0, vivid_request(&self->camera, BUFFERS, V4L2_MEMORY_MMAP));
	fd = vivid_export(&self->camera, 0);
	ASSERT_LE(0, fd);
	importer = importer_open();
	ASSERT_LE(0, importer);
	attachment = attach(importer, fd, engine_find(importer, DMABUF_IMPORTER_SOFT, 0));
	ASSERT_LT(0, attachment);
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(0, close(self->camera.fd));
	self->camera.fd = -1;
	/* The exporter has no part in it. */
	EXPECT_EQ(0, unload(EXPORTER));
	EXPECT_EQ(-EWOULDBLOCK, unload(IMPORTER));
	EXPECT_EQ(-EWOULDBLOCK, unload(CORE));
	EXPECT_EQ(0, detach(importer, attachment));
	ASSERT_EQ(0, close(importer));
	EXPECT_EQ(0, unload(IMPORTER));
	EXPECT_EQ(0, unload(CORE));
}

/* proves: P1 */
TEST_F(unload, after_the_last_frame_they_go_at_once_again_and_again)
{
	unsigned int i, rounds = scaled(20);
	int exporter, fd;

	ASSERT_EQ(0, close(self->fd));
	ASSERT_EQ(0, unload(IMPORTER));
	for (i = 0; i < rounds; i++) {
		exporter = exporter_open();
		ASSERT_LE(0, exporter);
		fd = buffer_export(exporter, self->camera.bytes, DMABUF_EXPORTER_CMA);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, vivid_queue(&self->camera, i % BUFFERS, fd));
		close(exporter);
		close(fd);
		ASSERT_EQ(-EWOULDBLOCK, unload(EXPORTER));
		ASSERT_EQ(0, vivid_release(&self->camera));
		ASSERT_EQ(0, unload(EXPORTER)) TH_LOG("round %u", i);
		ASSERT_EQ(0, unload(CORE)) TH_LOG("round %u", i);
		ASSERT_EQ(0, vivid_request(&self->camera, BUFFERS, V4L2_MEMORY_DMABUF));
		ASSERT_EQ(0, load(CORE)) TH_LOG("round %u", i);
		ASSERT_EQ(0, load(EXPORTER)) TH_LOG("round %u", i);
	}
}

TEST_HARNESS_MAIN
