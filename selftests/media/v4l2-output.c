// SPDX-License-Identifier: GPL-2.0-only
/*
 * A screen of V4L2, vivid's output, plays from our buffers.  A cable leads from it to
 * the input of the same vivid, which captures into others of our buffers: so we see
 * what it has read.
 */
#include "vivid-test.h"

#define FRAMES 60

FIXTURE(output)
{
	int exporter;
	struct vivid screen, camera;
	int played[BUFFERS], captured[BUFFERS];
	unsigned char *frames[BUFFERS], *windows[BUFFERS];
	struct counters before;
};

FIXTURE_VARIANT(output)
{
	unsigned int allocator;
	__u32 backing;
};

FIXTURE_VARIANT_ADD(output, vmalloc_scattered) {
	.allocator = VIVID_VMALLOC,
	.backing = DMABUF_EXPORTER_SCATTER,
};

FIXTURE_VARIANT_ADD(output, vmalloc_cma) {
	.allocator = VIVID_VMALLOC,
	.backing = DMABUF_EXPORTER_CMA,
};

FIXTURE_VARIANT_ADD(output, contiguous_cma) {
	.allocator = VIVID_CONTIG,
	.backing = DMABUF_EXPORTER_CMA,
};

FIXTURE_VARIANT_ADD(output, contiguous_pages) {
	.allocator = VIVID_CONTIG,
	.backing = DMABUF_EXPORTER_CONTIG,
};

/* The cable: how it is plugged in depends on the version of vivid. */
static int plug_in(const struct vivid *camera, bool plug)
{
	char name[64], output[64];
	int ret;

	ret = control_set(camera->fd, "Loop Video", plug);
	if (ret != -ENOENT)
		return ret;
	snprintf(name, sizeof(name), "HDMI %03d-0 Is Connected To", camera->instance);
	snprintf(output, sizeof(output), "Output HDMI %03d-0", camera->instance);
	return control_choose(camera->fd, name, plug ? output : "Test Pattern");
}

/* 640 by 480 at 59.94 Hz, as CEA-861 has it. */
static const struct v4l2_dv_timings vga = {
	.type = V4L2_DV_BT_656_1120,
	.bt = {
		.width = WIDTH, .height = HEIGHT, .pixelclock = 25175000,
		.hfrontporch = 16, .hsync = 96, .hbackporch = 48,
		.vfrontporch = 10, .vsync = 2, .vbackporch = 33,
		.standards = V4L2_DV_BT_STD_DMT | V4L2_DV_BT_STD_CEA861,
	},
};

/* Both ends of the cable have to agree on the timings, and on the format. */
static int open_both(FIXTURE_DATA(output) *self, int instance)
{
	int input = VIVID_INPUT_HDMI, connector = VIVID_OUTPUT_HDMI;
	struct v4l2_dv_timings timings = vga;
	struct vivid *screen = &self->screen, *camera = &self->camera;

	*screen = (struct vivid) {
		.fd = vivid_node(instance, V4L2_CAP_VIDEO_OUTPUT),
		.instance = instance, .type = V4L2_BUF_TYPE_VIDEO_OUTPUT,
	};
	*camera = (struct vivid) {
		.fd = vivid_node(instance, V4L2_CAP_VIDEO_CAPTURE),
		.instance = instance, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
	};
	if (screen->fd < 0 || camera->fd < 0)
		return -ENOENT;
	return do_ioctl(screen->fd, VIDIOC_S_OUTPUT, &connector) ?:
	       do_ioctl(screen->fd, VIDIOC_S_DV_TIMINGS, &timings) ?:
	       vivid_format(screen) ?:
	       do_ioctl(camera->fd, VIDIOC_S_INPUT, &input) ?:
	       do_ioctl(camera->fd, VIDIOC_S_DV_TIMINGS, &timings) ?:
	       vivid_format(camera) ?:
	       control_choose(camera->fd, "OSD Text Mode", "None") ?:
	       plug_in(camera, true);
}

FIXTURE_SETUP(output)
{
	const size_t bytes = PICTURE_BYTES;
	int i;

	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	ASSERT_EQ(0, open_both(self, vivid_instance(variant->allocator)));
	for (i = 0; i < BUFFERS; i++) {
		self->played[i] = buffer_export(self->exporter, bytes, variant->backing);
		ASSERT_LE(0, self->played[i]);
		self->frames[i] = buffer_mmap(self->exporter, self->played[i], bytes);
		ASSERT_NE(MAP_FAILED, self->frames[i]);
		picture_draw((__u32 *)self->frames[i], i);
		self->captured[i] = buffer_export(self->exporter, bytes, variant->backing);
		ASSERT_LE(0, self->captured[i]);
		self->windows[i] = buffer_mmap(self->exporter, self->captured[i], bytes);
		ASSERT_NE(MAP_FAILED, self->windows[i]);
	}
	ASSERT_EQ(0, vivid_request(&self->screen, BUFFERS, V4L2_MEMORY_DMABUF));
	ASSERT_EQ(0, vivid_request(&self->camera, BUFFERS, V4L2_MEMORY_DMABUF));
}

FIXTURE_TEARDOWN(output)
{
	int i;

	EXPECT_EQ(0, vivid_release(&self->camera));
	EXPECT_EQ(0, vivid_release(&self->screen));
	EXPECT_EQ(0, plug_in(&self->camera, false));
	EXPECT_EQ(0, close(self->camera.fd));
	EXPECT_EQ(0, close(self->screen.fd));
	for (i = 0; i < BUFFERS; i++) {
		EXPECT_EQ(0, munmap(self->frames[i], PICTURE_BYTES));
		EXPECT_EQ(0, munmap(self->windows[i], PICTURE_BYTES));
		EXPECT_EQ(0, close(self->played[i]));
		EXPECT_EQ(0, close(self->captured[i]));
	}
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* Queues again what has been played; 0 also when there is nothing yet. */
static int play_on(FIXTURE_DATA(output) *self, unsigned int *played)
{
	struct pollfd poller = { .fd = self->screen.fd, .events = POLLOUT };
	__u32 index, sequence;
	int ret;

	while (poll(&poller, 1, 0) == 1) {
		ret = vivid_dequeue(&self->screen, &index, &sequence) ?:
		      vivid_queue(&self->screen, index, self->played[index]);
		if (ret)
			return ret;
		++*played;
	}
	return 0;
}

/* Return: which of the pictures played this is, or -EILSEQ. */
static int which_picture(FIXTURE_DATA(output) *self, const void *frame)
{
	int i;

	for (i = 0; i < BUFFERS; i++)
		if (!memcmp(frame, self->frames[i], PICTURE_BYTES))
			return i;
	return -EILSEQ;
}

/* proves: R1, R2, F4, M3 */
TEST_F_TIMEOUT(output, what_is_played_from_our_buffers_arrives_unchanged, 600)
{
	unsigned int i, played = 0, seen[BUFFERS] = {};
	__u32 index, sequence;
	bool started = false;
	__u64 deadline;
	int which;

	for (i = 0; i < BUFFERS; i++) {
		ASSERT_EQ(0, vivid_queue(&self->screen, i, self->played[i]));
		ASSERT_EQ(0, vivid_queue(&self->camera, i, self->captured[i]));
	}
	ASSERT_EQ(0, vivid_start(&self->screen));
	ASSERT_EQ(0, vivid_start(&self->camera));
	deadline = now_ms() + SOON_MS;
	for (i = 0; i < FRAMES; i++) {
		ASSERT_EQ(0, vivid_dequeue(&self->camera, &index, &sequence));
		which = which_picture(self, self->windows[index]);
		/* Before the first picture is on the cable the camera shows its own. */
		if (which < 0 && !started && now_ms() < deadline)
			i--;
		else
			started = true;
		ASSERT_TRUE(!started || which >= 0) TH_LOG("frame %u is none of the pictures", i);
		if (which >= 0)
			seen[which]++;
		memset(self->windows[index], 0x5a, PICTURE_BYTES);
		ASSERT_EQ(0, vivid_queue(&self->camera, index, self->captured[index]));
		ASSERT_EQ(0, play_on(self, &played));
	}
	TH_LOG("%u played, seen %u, %u, %u, %u times", played, seen[0], seen[1], seen[2], seen[3]);
	EXPECT_LE(BUFFERS, played);
	for (i = 0; i < BUFFERS; i++)
		EXPECT_LT(0, seen[i]);
	EXPECT_EQ(0, vivid_stop(&self->camera));
	EXPECT_EQ(0, vivid_stop(&self->screen));
	/* Who plays, only reads. */
	for (i = 0; i < BUFFERS; i++) {
		__u32 *picture = picture_new(i);

		EXPECT_EQ(0, memcmp(picture, self->frames[i], PICTURE_BYTES));
		free(picture);
	}
}

TEST_HARNESS_MAIN
