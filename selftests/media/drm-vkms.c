// SPDX-License-Identifier: GPL-2.0-only
/*
 * A second DRM driver that takes our buffers, without hardware: VKMS reads them by
 * the exporter's vmap, and writes what it has composed to others.
 */
#include "kms-writeback.h"

#define DRIVER "vkms"

FIXTURE(vkms)
{
	int exporter;
	int importer;
	__u32 soft;
	struct display display;
	int fd;
	__u32 handle;
	__u32 frame;
	__u32 *picture;
	struct counters before;
};

FIXTURE_VARIANT(vkms)
{
	__u32 backing;
};

FIXTURE_VARIANT_ADD(vkms, cma)
{
	.backing = DMABUF_EXPORTER_CMA,
};

FIXTURE_VARIANT_ADD(vkms, contiguous)
{
	.backing = DMABUF_EXPORTER_CONTIG,
};

FIXTURE_VARIANT_ADD(vkms, scattered)
{
	.backing = DMABUF_EXPORTER_SCATTER,
};

FIXTURE_VARIANT_ADD(vkms, auto)
{
	.backing = DMABUF_EXPORTER_AUTO,
};

/* A buffer of ours with a picture in it, as a framebuffer. Return: its fd. */
static int frame_make(FIXTURE_DATA(vkms) *self, __u32 backing, const __u32 *picture,
		      __u32 *handle, __u32 *frame)
{
	int fd = buffer_export(self->exporter, PICTURE_BYTES, backing), ret;

	if (fd < 0)
		return fd;
	ret = fd_write(fd, 0, picture, PICTURE_BYTES) ?:
	      prime_import(self->display.drm, fd, handle) ?:
	      frame_add(self->display.drm, *handle, frame);
	return ret ?: fd;
}

/*
 * VKMS loses a writeback if its worker, on another CPU, gets between the two steps in which
 * it is queued; the framebuffers of that stay for ever. With one CPU nothing gets there.
 */
static int second_cpu_set(const char *online)
{
	return file_write("/sys/devices/system/cpu/cpu1/online", online);
}

FIXTURE_SETUP(vkms)
{
	int ret;

	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	ret = engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0);
	ASSERT_LE(0, ret);
	self->soft = ret;
	self->fd = -1;
	self->picture = picture_new(variant->backing);
	ASSERT_NE(NULL, self->picture);
	ret = display_open(DRIVER, &self->display);
	if (ret == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, second_cpu_set("0"));
	self->fd = frame_make(self, variant->backing, self->picture, &self->handle,
			      &self->frame);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(vkms)
{
	free(self->picture);
	if (self->fd >= 0)
		close(self->fd);
	if (self->display.drm >= 0)
		EXPECT_EQ(0, close(self->display.drm));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
	EXPECT_EQ(0, second_cpu_set("1"));
}

static bool pictures_equal(const __u32 *one, const __u32 *two)
{
	size_t i;

	/* The fourth byte is nobody's. */
	for (i = 0; i < WIDTH * HEIGHT; i++)
		if ((one[i] ^ two[i]) & 0xffffff)
			return false;
	return true;
}

/* A buffer of the driver's own for what it writes back. Return: its memory. */
static __u32 *dumb_frame(FIXTURE_DATA(vkms) *self, __u32 *frame)
{
	struct dumb dumb = { 0 };

	if (dumb_create(self->display.drm, WIDTH, HEIGHT, &dumb) || dumb.pitch != PITCH ||
	    frame_add(self->display.drm, dumb.handle, frame))
		return MAP_FAILED;
	return dumb_mmap(self->display.drm, &dumb);
}

/* proves: R1, F4 */
TEST_F(vkms, display_composes_what_the_cpu_wrote)
{
	__u32 *back, frame;

	if (self->display.drm == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_EQ(0, writeback_enable(&self->display));
	back = dumb_frame(self, &frame);
	ASSERT_NE(MAP_FAILED, back);
	ASSERT_EQ(0, display_write_back(&self->display, self->frame, frame));
	EXPECT_TRUE(pictures_equal(self->picture, back));
	munmap(back, PICTURE_BYTES);
}

/* proves: R5, M3 */
TEST_F(vkms, display_composes_what_the_engine_writes_meanwhile)
{
	__u32 *back, frame;
	struct user user;

	if (self->display.drm == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_EQ(0, writeback_enable(&self->display));
	back = dumb_frame(self, &frame);
	ASSERT_NE(MAP_FAILED, back);
	ASSERT_EQ(0, user_map(self->importer, self->fd, self->soft,
			      DMABUF_IMPORTER_FROM_DEVICE, &user));
	ASSERT_EQ(0, display_write_back(&self->display, self->frame, frame));
	EXPECT_TRUE(pictures_equal(self->picture, back));
	picture_draw(self->picture, 11);
	ASSERT_EQ(0, copy_in(self->importer, user.mapping, 0, PICTURE_BYTES, self->picture));
	ASSERT_EQ(0, display_write_back(&self->display, self->frame, frame));
	EXPECT_TRUE(pictures_equal(self->picture, back));
	EXPECT_EQ(0, user_unmap(self->importer, &user));
	munmap(back, PICTURE_BYTES);
}

/* proves: R1, M3 */
TEST_F(vkms, driver_writes_into_our_buffer_and_the_engine_reads_it)
{
	__u32 *blank = calloc(1, PICTURE_BYTES), *back = malloc(PICTURE_BYTES);
	__u32 handle, frame;
	struct user user;
	int fd;

	if (self->display.drm == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_NE(NULL, blank);
	ASSERT_NE(NULL, back);
	ASSERT_EQ(0, writeback_enable(&self->display));
	fd = frame_make(self, variant->backing, blank, &handle, &frame);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, user_map(self->importer, fd, self->soft, DMABUF_IMPORTER_TO_DEVICE, &user));
	ASSERT_EQ(0, display_write_back(&self->display, self->frame, frame));
	ASSERT_EQ(0, copy_out(self->importer, user.mapping, 0, PICTURE_BYTES, back));
	EXPECT_TRUE(pictures_equal(self->picture, back));
	ASSERT_EQ(0, fd_read(fd, 0, back, PICTURE_BYTES));
	EXPECT_TRUE(pictures_equal(self->picture, back));
	EXPECT_EQ(0, user_unmap(self->importer, &user));
	close(fd);
	free(back);
	free(blank);
}

TEST_F(vkms, mode_set_and_flips_between_two_buffers)
{
	__u32 handle, frames[2] = { self->frame };
	int fd, i;

	if (self->display.drm == -ENOENT)
		SKIP(return, NO_DRIVER);
	fd = frame_make(self, variant->backing, self->picture, &handle, &frames[1]);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, display_set(&self->display, frames[0]));
	for (i = 1; i < 10; i++)
		ASSERT_EQ(0, display_flip(&self->display, frames[i % 2]));
	EXPECT_EQ(0, display_off(&self->display));
	close(fd);
}

/* proves: P1 */
TEST_F(vkms, framebuffer_keeps_the_buffer_until_it_is_removed)
{
	if (self->display.drm == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_EQ(0, display_set(&self->display, self->frame));
	ASSERT_EQ(0, handle_close(self->display.drm, self->handle));
	ASSERT_EQ(0, close(self->fd));
	self->fd = -1;
	EXPECT_EQ(self->before.listed + 1, buffers_listed());
	EXPECT_EQ(0, drmModeRmFB(self->display.drm, self->frame));
	EXPECT_TRUE(buffers_come_to(self->before.listed));
}

TEST_HARNESS_MAIN
