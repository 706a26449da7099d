// SPDX-License-Identifier: GPL-2.0-only
/*
 * A pipeline: the camera (vivid) captures into our buffers, our engine (edu) works on
 * them, the display (cirrus) shows them.  All three have the same memory; nobody copies
 * a frame from one buffer to another.  What the display's driver does to bring a frame
 * to its hardware's own memory is part of the showing.
 *
 * What is seen on the screen is compared with what is in memory, pixel by pixel.
 */
#include "kms.h"
#include "screen.h"
#include "vivid-test.h"

#define FRAMES 12

/* What edu works on, so little because each 4 KiB take it 200 ms: lines of a frame. */
#define READ_LINE 60		/* among the colour bars */
#define READ_BYTES (2 * PITCH)
#define MARK_LINE 440		/* painted by the engine */
#define MARK_BYTES (3 * PITCH)

FIXTURE(pipeline)
{
	int exporter, importer;
	struct vivid camera;
	struct display display;
	void *reference;
	int fds[BUFFERS];
	__u32 *windows[BUFFERS];
	__u32 frames[BUFFERS];		/* of the display */
	struct user edus[BUFFERS];
	struct counters before;
};

FIXTURE_VARIANT(pipeline)
{
	unsigned int allocator;
	__u32 backing;
};

FIXTURE_VARIANT_ADD(pipeline, contiguous_cma) {
	.allocator = VIVID_CONTIG,
	.backing = DMABUF_EXPORTER_CMA,
};

FIXTURE_VARIANT_ADD(pipeline, vmalloc_cma) {
	.allocator = VIVID_VMALLOC,
	.backing = DMABUF_EXPORTER_CMA,
};

FIXTURE_VARIANT_ADD(pipeline, vmalloc_auto) {
	.allocator = VIVID_VMALLOC,
	.backing = DMABUF_EXPORTER_AUTO,
};

/* A buffer, with all three devices attached before it has any memory. */
static int buffer_for_all(FIXTURE_DATA(pipeline) *self, __u32 backing, int i)
{
	int edu = engine_find(self->importer, DMABUF_IMPORTER_EDU, 1);
	__u32 handle;
	long long ret;

	/* The second has the smaller reach, if there is one. */
	if (edu < 0)
		edu = engine_find(self->importer, DMABUF_IMPORTER_EDU, 0);
	if (edu < 0)
		return edu;
	self->fds[i] = buffer_export(self->exporter, self->camera.bytes, backing);
	if (self->fds[i] < 0)
		return self->fds[i];
	ret = attach(self->importer, self->fds[i], edu);
	if (ret < 0)
		return ret;
	self->edus[i].attachment = ret;
	ret = prime_import(self->display.drm, self->fds[i], &handle) ?:
	      frame_add(self->display.drm, handle, &self->frames[i]) ?:
	      handle_close(self->display.drm, handle);
	if (ret)
		return ret;
	self->windows[i] = buffer_mmap(self->exporter, self->fds[i], self->camera.bytes);
	return self->windows[i] == MAP_FAILED ? -errno : 0;
}

FIXTURE_SETUP(pipeline)
{
	int i;

	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	ASSERT_EQ(0, display_open("cirrus", &self->display));
	ASSERT_EQ(0, vivid_open_camera(&self->camera, vivid_instance(variant->allocator), 10));
	self->reference = vivid_reference(&self->camera);
	ASSERT_NE(NULL, self->reference);
	/* Its counters make each frame another. */
	ASSERT_EQ(0, control_choose(self->camera.fd, "OSD Text Mode", "Counters"));
	ASSERT_EQ(0, vivid_request(&self->camera, BUFFERS, V4L2_MEMORY_DMABUF));
	for (i = 0; i < BUFFERS; i++)
		ASSERT_EQ(0, buffer_for_all(self, variant->backing, i));
}

FIXTURE_TEARDOWN(pipeline)
{
	int i;

	free(self->reference);
	EXPECT_EQ(0, display_off(&self->display));
	for (i = 0; i < BUFFERS; i++) {
		EXPECT_EQ(0, drmModeRmFB(self->display.drm, self->frames[i]));
		EXPECT_EQ(0, munmap(self->windows[i], self->camera.bytes));
		EXPECT_EQ(0, close(self->fds[i]));
	}
	EXPECT_EQ(0, close(self->camera.fd));
	EXPECT_EQ(0, close(self->display.drm));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* Is this what the monitor shows? */
static bool is_on_screen(const __u32 *pixels, const char *name)
{
	unsigned int x, y, different = 0;
	struct screen screen;

	if (screen_dump(&screen, name))
		return false;
	if (screen.width == WIDTH && screen.height == HEIGHT)
		for (y = 0; y < HEIGHT; y++)
			for (x = 0; x < WIDTH; x++)
				different += screen_pixel(&screen, x, y) !=
					     (pixels[y * WIDTH + x] & 0xffffff);
	else
		different = WIDTH * HEIGHT;
	if (different) {
		printf("# %u pixels differ on a screen of %u by %u\n", different, screen.width,
		       screen.height);
		fflush(stdout);
	}
	screen_free(&screen);
	return !different;
}

/* The engine reads lines that the camera wrote, and paints others. */
static int engine_works(FIXTURE_DATA(pipeline) *self, __u32 index, __u32 colour)
{
	const __u64 pattern = (__u64)colour << 32 | colour;
	const char *read = (char *)self->windows[index] + READ_LINE * PITCH;
	long long ret;
	__u32 sum;

	ret = map(self->importer, self->edus[index].attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
	if (ret < 0)
		return ret;
	self->edus[index].mapping = ret;
	ret = checksum(self->importer, self->edus[index].mapping, READ_LINE * PITCH, READ_BYTES,
		       &sum);
	if (!ret && (sum != crc32(read, READ_BYTES) ||
		     memcmp(read, (char *)self->reference + READ_LINE * PITCH, READ_BYTES)))
		ret = -EILSEQ;
	if (!ret)
		ret = fill(self->importer, self->edus[index].mapping, MARK_LINE * PITCH,
			   MARK_BYTES, pattern);
	return ret ?: unmap(self->importer, self->edus[index].mapping);
}

/* A frame as it has to be where neither the counters nor the engine were. */
static bool is_test_pattern(FIXTURE_DATA(pipeline) *self, __u32 index)
{
	const size_t first = READ_LINE * WIDTH, last = MARK_LINE * WIDTH;
	const __u32 *expected = self->reference;

	return !memcmp(self->windows[index] + first, expected + first, (last - first) * 4);
}

/* proves: R1, R2, R5, F4, M3 */
TEST_F_TIMEOUT(pipeline, what_the_camera_sees_is_on_the_screen_and_the_engine_takes_part, 900)
{
	__u32 index, sequence, last = 0, colour, i, pixel;
	char name[32];

	for (i = 0; i < BUFFERS; i++)
		ASSERT_EQ(0, vivid_queue(&self->camera, i, self->fds[i]));
	ASSERT_EQ(0, vivid_start(&self->camera));
	for (i = 0; i < FRAMES; i++) {
		ASSERT_EQ(0, vivid_dequeue(&self->camera, &index, &sequence));
		EXPECT_EQ(i % BUFFERS, index);
		EXPECT_LE(last, sequence);
		last = sequence;
		colour = 0xff8000 + i * 16;
		ASSERT_EQ(0, engine_works(self, index, colour)) TH_LOG("frame %u", i);
		ASSERT_TRUE(is_test_pattern(self, index));
		for (pixel = 0; pixel < MARK_BYTES / 4; pixel++)
			ASSERT_EQ(colour, self->windows[index][MARK_LINE * WIDTH + pixel]);
		ASSERT_EQ(0, display_set(&self->display, self->frames[index]));
		snprintf(name, sizeof(name), "pipeline-%u", i);
		EXPECT_TRUE(is_on_screen(self->windows[index], name)) TH_LOG("frame %u", i);
		ASSERT_EQ(0, vivid_queue(&self->camera, index, self->fds[index]));
	}
	EXPECT_EQ(0, vivid_stop(&self->camera));
}

/* proves: F4, M2, M3 */
TEST_F_TIMEOUT(pipeline, all_three_have_one_buffer_that_stays_where_it_was_put, 300)
{
	struct dmabuf_exporter_placement placement;
	__u32 index, sequence, handle;
	int i, fd;

	for (i = 0; i < BUFFERS; i++)
		ASSERT_EQ(0, vivid_queue(&self->camera, i, self->fds[i]));
	ASSERT_EQ(0, vivid_start(&self->camera));
	ASSERT_EQ(0, vivid_dequeue(&self->camera, &index, &sequence));
	ASSERT_EQ(0, display_set(&self->display, self->frames[index]));
	ASSERT_EQ(0, engine_works(self, index, 0x00ff00));
	EXPECT_EQ(0, vivid_stop(&self->camera));

	for (i = 0; i < BUFFERS; i++) {
		ASSERT_EQ(0, placement_query(self->exporter, self->fds[i], &placement));
		EXPECT_EQ(1, placement.allocs);
		EXPECT_EQ(0, placement.moves);
		EXPECT_TRUE(reason_is_none(&placement.refusal));
		EXPECT_EQ(2 + (variant->allocator == VIVID_CONTIG),
			  attachments_of(self->exporter, self->fds[i]));
		/* What the display calls by a handle is this buffer, and no copy. */
		ASSERT_EQ(0, prime_import(self->display.drm, self->fds[i], &handle));
		fd = prime_export(self->display.drm, handle);
		ASSERT_LE(0, fd);
		EXPECT_EQ(buffer_id(self->exporter, self->fds[i]), buffer_id(self->exporter, fd));
		EXPECT_EQ(0, close(fd));
		EXPECT_EQ(0, handle_close(self->display.drm, handle));
	}
}

TEST_HARNESS_MAIN
