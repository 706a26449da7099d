// SPDX-License-Identifier: GPL-2.0-only
/* Our buffers on a screen: cirrus shows them, and the machine's monitor is looked at. */
#include "kms.h"
#include "screen.h"

#define DRIVER "cirrus"

/* Return: pixels of the screen that are not those of the picture; -errno. */
static long long pixels_differ(const char *name, const __u32 *picture)
{
	struct screen screen;
	long long differ = 0;
	unsigned int x, y;
	int ret;

	ret = screen_dump(&screen, name);
	if (ret)
		return ret;
	if (screen.width != WIDTH || screen.height != HEIGHT) {
		printf("# the screen is %u x %u\n", screen.width, screen.height);
		fflush(stdout);
		screen_free(&screen);
		return -ERANGE;
	}
	for (y = 0; y < HEIGHT; y++)
		for (x = 0; x < WIDTH; x++)
			differ += screen_pixel(&screen, x, y) !=
				  (picture[y * WIDTH + x] & 0xffffff);
	screen_free(&screen);
	return differ;
}

/* A picture in a buffer of ours, imported, as a framebuffer. */
struct frame {
	int fd;
	__u32 handle;
	__u32 id;
};

static int frame_of(struct display *display, int fd, struct frame *frame)
{
	frame->fd = fd;
	return prime_import(display->drm, fd, &frame->handle) ?:
	       frame_add(display->drm, frame->handle, &frame->id);
}

FIXTURE(scanout)
{
	int exporter;
	int importer;
	__u32 soft;
	struct display display;
	__u32 *picture;
	struct counters before;
};

FIXTURE_VARIANT(scanout)
{
	__u32 backing;
};

FIXTURE_VARIANT_ADD(scanout, cma)
{
	.backing = DMABUF_EXPORTER_CMA,
};

FIXTURE_VARIANT_ADD(scanout, contiguous)
{
	.backing = DMABUF_EXPORTER_CONTIG,
};

FIXTURE_VARIANT_ADD(scanout, scattered)
{
	.backing = DMABUF_EXPORTER_SCATTER,
};

FIXTURE_VARIANT_ADD(scanout, auto)
{
	.backing = DMABUF_EXPORTER_AUTO,
};

FIXTURE_SETUP(scanout)
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
	self->picture = picture_new(variant->backing);
	ASSERT_NE(NULL, self->picture);
	ret = display_open(DRIVER, &self->display);
	if (ret == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_EQ(0, ret);
}

FIXTURE_TEARDOWN(scanout)
{
	free(self->picture);
	if (self->display.drm >= 0)
		EXPECT_EQ(0, close(self->display.drm));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

static int picture_buffer(FIXTURE_DATA(scanout) *self, const FIXTURE_VARIANT(scanout) *variant)
{
	return buffer_export(self->exporter, PICTURE_BYTES, variant->backing);
}

/* proves: R1, F4, R3 */
TEST_F(scanout, screen_shows_what_the_cpu_wrote)
{
	struct frame frame;

	if (self->display.drm == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_EQ(0, frame_of(&self->display, picture_buffer(self, variant), &frame));
	ASSERT_EQ(0, fd_write(frame.fd, 0, self->picture, PICTURE_BYTES));
	ASSERT_EQ(0, display_set(&self->display, frame.id));
	EXPECT_EQ(0, pixels_differ("scanout-cpu", self->picture));
	close(frame.fd);
}

/* proves: R5, M3 */
TEST_F(scanout, screen_shows_what_the_engine_wrote)
{
	struct frame frame;
	struct user user;

	if (self->display.drm == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_EQ(0, frame_of(&self->display, picture_buffer(self, variant), &frame));
	ASSERT_EQ(0, user_map(self->importer, frame.fd, self->soft, DMABUF_IMPORTER_FROM_DEVICE,
			      &user));
	ASSERT_EQ(0, copy_in(self->importer, user.mapping, 0, PICTURE_BYTES, self->picture));
	/* Still mapped by the engine when the screen shows it. */
	ASSERT_EQ(0, display_set(&self->display, frame.id));
	EXPECT_EQ(0, pixels_differ("scanout-engine", self->picture));
	EXPECT_EQ(0, user_unmap(self->importer, &user));
	close(frame.fd);
}

/* An edu device takes its time, so the stripe that it writes is a few rows high. */
#define STRIPE_ROW 200
#define STRIPE_ROWS 8
#define STRIPE_PATTERN 0x00ff800000123456ULL

/* proves: R5, R3, M3 */
TEST_F(scanout, screen_shows_the_stripe_that_a_bus_master_drew)
{
	size_t first = STRIPE_ROW * WIDTH, n = STRIPE_ROWS * WIDTH, i;
	struct frame frame = { .fd = picture_buffer(self, variant) };
	struct user user;
	int edu;

	edu = engine_find(self->importer, DMABUF_IMPORTER_EDU, 0);
	if (self->display.drm == -ENOENT || edu == -ENOENT)
		SKIP(return, "this machine has no cirrus or no edu");
	ASSERT_LE(0, frame.fd);
	/* It comes first, so that the memory lies where it reaches. */
	ASSERT_EQ(0, user_map(self->importer, frame.fd, edu, DMABUF_IMPORTER_BIDIRECTIONAL,
			      &user));
	ASSERT_EQ(0, frame_of(&self->display, frame.fd, &frame));
	ASSERT_EQ(0, fd_write(frame.fd, 0, self->picture, PICTURE_BYTES));
	ASSERT_EQ(0, display_set(&self->display, frame.id));
	EXPECT_EQ(0, pixels_differ("scanout-before-edu", self->picture));

	ASSERT_EQ(0, fill(self->importer, user.mapping, first * 4, n * 4, STRIPE_PATTERN));
	for (i = first; i < first + n; i += 2) {
		self->picture[i] = STRIPE_PATTERN & 0xffffffff;
		self->picture[i + 1] = STRIPE_PATTERN >> 32;
	}
	ASSERT_EQ(0, drmModeDirtyFB(self->display.drm, frame.id, NULL, 0));
	EXPECT_EQ(0, pixels_differ("scanout-edu", self->picture));
	EXPECT_TRUE(fd_has(frame.fd, self->picture, PICTURE_BYTES));
	EXPECT_EQ(0, user_unmap(self->importer, &user));
	close(frame.fd);
}

/* proves: R4 */
TEST_F(scanout, second_picture_appears_after_dirtyfb)
{
	struct frame frame;

	if (self->display.drm == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_EQ(0, frame_of(&self->display, picture_buffer(self, variant), &frame));
	ASSERT_EQ(0, fd_write(frame.fd, 0, self->picture, PICTURE_BYTES));
	ASSERT_EQ(0, display_set(&self->display, frame.id));
	EXPECT_EQ(0, pixels_differ("scanout-first", self->picture));
	picture_draw(self->picture, 7);
	ASSERT_EQ(0, fd_write(frame.fd, 0, self->picture, PICTURE_BYTES));
	ASSERT_EQ(0, drmModeDirtyFB(self->display.drm, frame.id, NULL, 0));
	EXPECT_EQ(0, pixels_differ("scanout-second", self->picture));
	close(frame.fd);
}

TEST_F(scanout, flip_goes_to_and_fro_between_two_buffers)
{
	__u32 *pictures[2] = { self->picture, picture_new(8) };
	struct frame frames[2];
	int i;

	if (self->display.drm == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_NE(NULL, pictures[1]);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, frame_of(&self->display, picture_buffer(self, variant), &frames[i]));
		ASSERT_EQ(0, fd_write(frames[i].fd, 0, pictures[i], PICTURE_BYTES));
	}
	ASSERT_EQ(0, display_set(&self->display, frames[0].id));
	for (i = 1; i < 4; i++) {
		ASSERT_EQ(0, display_flip(&self->display, frames[i % 2].id));
		EXPECT_EQ(0, pixels_differ("scanout-flip", pictures[i % 2]));
	}
	free(pictures[1]);
	close(frames[0].fd);
	close(frames[1].fd);
}

/* proves: P1 */
TEST_F(scanout, screen_keeps_the_buffer_when_fd_and_handle_are_closed)
{
	struct frame frame;
	__u32 *memory;

	if (self->display.drm == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_EQ(0, frame_of(&self->display, picture_buffer(self, variant), &frame));
	memory = mmap(NULL, PICTURE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, frame.fd, 0);
	ASSERT_NE(MAP_FAILED, memory);
	memcpy(memory, self->picture, PICTURE_BYTES);
	ASSERT_EQ(0, display_set(&self->display, frame.id));
	ASSERT_EQ(0, close(frame.fd));
	ASSERT_EQ(0, handle_close(self->display.drm, frame.handle));
	EXPECT_EQ(0, pixels_differ("scanout-kept", self->picture));
	picture_draw(memory, 9);
	ASSERT_EQ(0, drmModeDirtyFB(self->display.drm, frame.id, NULL, 0));
	EXPECT_EQ(0, pixels_differ("scanout-kept-again", memory));
	ASSERT_EQ(0, munmap(memory, PICTURE_BYTES));
	/* The framebuffer alone has it now. */
	EXPECT_EQ(self->before.listed + 1, buffers_listed());
	EXPECT_EQ(0, drmModeRmFB(self->display.drm, frame.id));
	EXPECT_TRUE(buffers_come_to(self->before.listed));
}

/* A device of ours waits until the screen lets go of the buffer */

FIXTURE(waiting)
{
	int exporter;
	int importer;
	struct display display;
	struct frame frame;
	long long strict;
	__u32 *picture;
	struct counters before;
};

FIXTURE_SETUP(waiting)
{
	struct user user;
	int soft, fd;

	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	soft = engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0);
	ASSERT_LE(0, soft);
	self->frame.fd = -1;
	self->picture = picture_new(10);
	ASSERT_NE(NULL, self->picture);
	display_open(DRIVER, &self->display);
	if (self->display.drm == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_NE(0, self->display.connector);
	fd = buffer_in_pieces(self->exporter, self->importer, soft, PICTURE_BYTES, 0, &user);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, copy_in(self->importer, user.mapping, 0, PICTURE_BYTES, self->picture));
	ASSERT_EQ(0, user_unmap(self->importer, &user));
	ASSERT_EQ(0, frame_of(&self->display, fd, &self->frame));
	self->strict = attach_one_segment(self->importer, fd, soft);
	ASSERT_LT(0, self->strict);
}

FIXTURE_TEARDOWN(waiting)
{
	free(self->picture);
	if (self->frame.fd >= 0)
		close(self->frame.fd);
	if (self->display.drm >= 0)
		EXPECT_EQ(0, close(self->display.drm));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* The driver's CPU access must not wait behind what waits for the driver. */
/* proves: N3, N4 */
TEST_F(waiting, screen_is_set_meanwhile_and_the_buffer_moves_when_it_is_done)
{
	struct dmabuf_exporter_placement place;
	struct waiter waiter = {};
	int fd = self->frame.fd;
	long long mapping;

	if (self->display.drm == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_EQ(0, waiter_start(&waiter, self->importer, self->strict,
				  DMABUF_IMPORTER_TO_DEVICE));
	ASSERT_TRUE(placement_becomes(self->exporter, fd, DMABUF_EXPORTER_DRAINING, 1));
	ASSERT_EQ(0, display_set(&self->display, self->frame.id));
	EXPECT_EQ(0, pixels_differ("scanout-waiting", self->picture));
	EXPECT_EQ(DMABUF_EXPORTER_DRAINING, placement_state(self->exporter, fd));

	EXPECT_EQ(0, handle_close(self->display.drm, self->frame.handle));
	EXPECT_EQ(DMABUF_EXPORTER_DRAINING, placement_state(self->exporter, fd));
	EXPECT_EQ(0, drmModeRmFB(self->display.drm, self->frame.id));
	mapping = waiter_finish(&waiter);
	ASSERT_LT(0, mapping);
	EXPECT_TRUE(device_reads(self->importer, mapping, self->picture, PICTURE_BYTES));
	ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
	EXPECT_EQ(1, place.moves);
	EXPECT_EQ(1, place.here.chunks);
	EXPECT_EQ(0, unmap(self->importer, mapping));

	/* And from there it goes on the screen again. */
	ASSERT_EQ(0, frame_of(&self->display, fd, &self->frame));
	ASSERT_EQ(0, display_set(&self->display, self->frame.id));
	EXPECT_EQ(0, pixels_differ("scanout-moved", self->picture));
}

TEST_HARNESS_MAIN
