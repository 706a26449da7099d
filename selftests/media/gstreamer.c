// SPDX-License-Identifier: GPL-2.0-only
/*
 * GStreamer as Debian has it, with our fds: its allocator of dma-bufs wraps them, v4l2src fills
 * them, kmssink shows them.
 */
#include "kms.h"
#include "screen.h"
#include "vivid-test.h"

#include <gst/allocators/gstdmabuf.h>
#include <gst/app/gstappsrc.h>
#include <gst/video/video.h>

#define CAPS "video/x-raw,format=BGRx,width=640,height=480,framerate=5/1"
#define SINK "kmssink name=sink driver-name=cirrus force-modesetting=true sync=false"

#define FRAMES 12

/**
 * struct session - what each test has
 * @exporter: its node, open
 * @display: name in sysfs of the device that shows
 * @before: counters
 * @allocator: of GStreamer's memory that is a dma-buf
 * @pipeline: NULL before the test makes it
 * @pixels: a picture
 */
struct session {
	int exporter;
	char display[64];
	struct counters before;
	GstAllocator *allocator;
	GstElement *pipeline;
	__u32 *pixels;
};

/* Return: 0, or a negative errno. */
static int session_begin(struct session *session)
{
	int drm, ret;

	*session = (struct session) {};
	drm = drm_open("cirrus");
	if (drm < 0)
		return drm;
	ret = drm_device_name(drm, session->display, sizeof(session->display));
	close(drm);
	ret = ret ?: counters_read(&session->before);
	if (ret)
		return ret;
	session->exporter = exporter_open();
	session->pixels = malloc(PICTURE_BYTES);
	if (session->exporter < 0 || !session->pixels)
		return session->exporter < 0 ? session->exporter : -ENOMEM;
	gst_init(NULL, NULL);
	session->allocator = gst_dmabuf_allocator_new();
	return 0;
}

/* Return: is nothing left behind? */
static bool session_end(struct session *session)
{
	if (session->pipeline) {
		gst_element_set_state(session->pipeline, GST_STATE_NULL);
		gst_object_unref(session->pipeline);
	}
	gst_object_unref(session->allocator);
	free(session->pixels);
	close(session->exporter);
	return counters_back_to(&session->before);
}

/* A buffer of the exporter's as one of GStreamer's, which owns the fd. Return: NULL on error. */
static GstBuffer *frame_export(int exporter, GstAllocator *allocator, __u32 backing, __u32 flags)
{
	GstBuffer *buffer;
	int fd;

	fd = buffer_export_flags(exporter, PICTURE_BYTES, backing, flags, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	buffer = gst_buffer_new();
	gst_buffer_append_memory(buffer,
				 gst_dmabuf_allocator_alloc(allocator, fd, PICTURE_BYTES));
	gst_buffer_add_video_meta(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_BGRx, WIDTH,
				  HEIGHT);
	return buffer;
}

static int frame_fd(GstBuffer *buffer)
{
	return gst_dmabuf_memory_get_fd(gst_buffer_peek_memory(buffer, 0));
}

/* Return: how often this device is attached to a buffer; -errno. */
static int attached(int exporter, int fd, const char *device)
{
	long long id = buffer_id(exporter, fd);
	struct view view;
	unsigned int i;
	int ret, n = 0;

	if (id < 0)
		return id;
	ret = view_debugfs(id, &view);
	for (i = 0; !ret && i < view.attachment_lines; i++)
		n += !strcmp(view.devices[i], device);
	return ret ?: n;
}

/* Waits for the last frame to be on the screen; false, and says why, on any error. */
static bool pipeline_ends(GstElement *pipeline)
{
	GstBus *bus = gst_element_get_bus(pipeline);
	GstMessage *message;
	GError *error;
	gchar *details;
	bool eos;

	message = gst_bus_timed_pop_filtered(bus, SOON_MS * GST_MSECOND,
					     GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
	gst_object_unref(bus);
	if (!message) {
		printf("# the pipeline does not end\n");
		fflush(stdout);
		return false;
	}
	eos = GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS;
	if (!eos) {
		gst_message_parse_error(message, &error, &details);
		printf("# %s\n", error->message);
		fflush(stdout);
		g_error_free(error);
		g_free(details);
	}
	gst_message_unref(message);
	return eos;
}

/* Return: an element of the pipeline, which holds it. */
static GstElement *element(GstElement *pipeline, const char *name)
{
	GstElement *found = gst_bin_get_by_name(GST_BIN(pipeline), name);

	gst_object_unref(found);
	return found;
}

/* kmssink, and buffers of a program's own */

FIXTURE(appsrc)
{
	struct session session;
};

FIXTURE_VARIANT(appsrc)
{
	__u32 backing;
	__u32 flags;
	__u32 seed;
	/* The display reads the buffer itself; else kmssink copies. */
	bool shared;
};

FIXTURE_VARIANT_ADD(appsrc, contiguous) {
	.backing = DMABUF_EXPORTER_CMA,
	.shared = true,
};

FIXTURE_VARIANT_ADD(appsrc, scattered) {
	.backing = DMABUF_EXPORTER_SCATTER,
	.seed = 10,
	.shared = true,
};

FIXTURE_VARIANT_ADD(appsrc, native) {
	.backing = DMABUF_EXPORTER_CMA,
	.flags = DMABUF_EXPORTER_NATIVE,
	.seed = 20,
};

FIXTURE_SETUP(appsrc)
{
	ASSERT_EQ(0, session_begin(&self->session));
}

FIXTURE_TEARDOWN(appsrc)
{
	EXPECT_TRUE(session_end(&self->session));
}

TEST_F(appsrc, kmssink_shows_what_a_program_pushes)
{
	struct session *session = &self->session;
	GstBuffer *buffers[BUFFERS];
	GstAppSrc *source;
	unsigned int i;

	session->pipeline = gst_parse_launch("appsrc name=source caps=" CAPS " ! " SINK, NULL);
	ASSERT_NE(NULL, session->pipeline);
	source = GST_APP_SRC(element(session->pipeline, "source"));
	for (i = 0; i < BUFFERS; i++) {
		buffers[i] = frame_export(session->exporter, session->allocator, variant->backing,
					  variant->flags);
		ASSERT_NE(NULL, buffers[i]);
		picture_draw(session->pixels, variant->seed + i);
		ASSERT_EQ(0, fd_write(frame_fd(buffers[i]), 0, session->pixels, PICTURE_BYTES));
	}

	ASSERT_NE(GST_STATE_CHANGE_FAILURE,
		  gst_element_set_state(session->pipeline, GST_STATE_PLAYING));
	/* Each buffer several times: a copy shares its memory. The last one is the last shown. */
	for (i = 0; i < FRAMES; i++)
		ASSERT_EQ(GST_FLOW_OK,
			  gst_app_src_push_buffer(source, gst_buffer_copy(buffers[i % BUFFERS])));
	ASSERT_EQ(GST_FLOW_OK, gst_app_src_end_of_stream(source));
	ASSERT_TRUE(pipeline_ends(session->pipeline));

	EXPECT_EQ(0, screen_differs("gstreamer-appsrc", session->pixels, WIDTH, HEIGHT));
	for (i = 0; i < BUFFERS; i++) {
		EXPECT_EQ(variant->shared, attached(session->exporter, frame_fd(buffers[i]),
						    session->display));
		gst_buffer_unref(buffers[i]);
	}
}

/* v4l2src, and a pool of our buffers as an element downstream could have it */

struct pool {
	GstBufferPool parent;
	int exporter;
	GstAllocator *allocator;
	__u32 backing;
};

static GstFlowReturn pool_alloc(GstBufferPool *parent, GstBuffer **buffer,
				GstBufferPoolAcquireParams *params)
{
	struct pool *pool = (struct pool *)parent;

	*buffer = frame_export(pool->exporter, pool->allocator, pool->backing, 0);
	return *buffer ? GST_FLOW_OK : GST_FLOW_ERROR;
}

static void pool_class_init(gpointer class, gpointer data)
{
	GST_BUFFER_POOL_CLASS(class)->alloc_buffer = pool_alloc;
}

static GstBufferPool *pool_new(int exporter, GstAllocator *allocator, __u32 backing)
{
	struct pool *pool;
	GType type;

	type = g_type_register_static_simple(GST_TYPE_BUFFER_POOL, "dmabuf-test-pool",
					     sizeof(GstBufferPoolClass), pool_class_init,
					     sizeof(struct pool), NULL, 0);
	pool = g_object_new(type, NULL);
	pool->exporter = exporter;
	pool->allocator = allocator;
	pool->backing = backing;
	return GST_BUFFER_POOL(gst_object_ref_sink(pool));
}

/* The answer to v4l2src's question for buffers comes by; put ours in its place. */
static GstPadProbeReturn pool_propose(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
	GstQuery *query = GST_PAD_PROBE_INFO_QUERY(info);

	if (GST_QUERY_TYPE(query) != GST_QUERY_ALLOCATION ||
	    !(GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_PULL))
		return GST_PAD_PROBE_OK;
	while (gst_query_get_n_allocation_pools(query))
		gst_query_remove_nth_allocation_pool(query, 0);
	gst_query_add_allocation_pool(query, data, PICTURE_BYTES, BUFFERS, 2 * BUFFERS);
	return GST_PAD_PROBE_OK;
}

/* Is it the picture of colour bars: eight of them, and each line like the first? */
static bool has_bars(const __u32 *pixels)
{
	unsigned int x, y, bars = 1;

	for (x = 1; x < WIDTH; x++)
		bars += (pixels[x] ^ pixels[x - 1]) & 0xffffff ? 1 : 0;
	for (y = 1; y < HEIGHT; y++)
		for (x = 0; x < WIDTH; x++)
			if ((pixels[y * WIDTH + x] ^ pixels[x]) & 0xffffff)
				return false;
	return bars == 8;
}

FIXTURE(v4l2src)
{
	struct session session;
};

FIXTURE_VARIANT(v4l2src)
{
	__u32 backing;
	unsigned int camera;
	const char *pattern;
};

FIXTURE_VARIANT_ADD(v4l2src, contiguous) {
	.backing = DMABUF_EXPORTER_CMA,
	.camera = VIVID_CONTIG,
	.pattern = "75% Colorbar",
};

FIXTURE_VARIANT_ADD(v4l2src, scattered) {
	.backing = DMABUF_EXPORTER_SCATTER,
	.camera = VIVID_VMALLOC,
	.pattern = "100% Colorbar",
};

FIXTURE_SETUP(v4l2src)
{
	ASSERT_EQ(0, session_begin(&self->session));
}

FIXTURE_TEARDOWN(v4l2src)
{
	EXPECT_TRUE(session_end(&self->session));
}

TEST_F(v4l2src, kmssink_shows_what_a_camera_captures_into_our_buffers)
{
	struct session *session = &self->session;
	char link[64], node[64] = "";
	GstBufferPool *pool;
	GstElement *source;
	GstSample *sample;
	int camera, fd, input = VIVID_INPUT_WEBCAM;
	GstPad *pad;

	camera = vivid_node(vivid_instance(variant->camera), V4L2_CAP_VIDEO_CAPTURE);
	ASSERT_LE(0, camera);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", camera);
	ASSERT_LT(0, readlink(link, node, sizeof(node) - 1));
	ASSERT_EQ(0, do_ioctl(camera, VIDIOC_S_INPUT, &input));
	ASSERT_EQ(0, control_choose(camera, "Test Pattern", variant->pattern));
	ASSERT_EQ(0, control_choose(camera, "OSD Text Mode", "None"));
	close(camera);

	session->pipeline = gst_parse_launch("v4l2src name=source io-mode=dmabuf-import ! " CAPS
					     " ! " SINK, NULL);
	ASSERT_NE(NULL, session->pipeline);
	source = element(session->pipeline, "source");
	g_object_set(source, "device", node, "num-buffers", FRAMES, NULL);
	pool = pool_new(session->exporter, session->allocator, variant->backing);
	pad = gst_element_get_static_pad(source, "src");
	gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM, pool_propose, pool, NULL);
	gst_object_unref(pad);

	ASSERT_NE(GST_STATE_CHANGE_FAILURE,
		  gst_element_set_state(session->pipeline, GST_STATE_PLAYING));
	ASSERT_TRUE(pipeline_ends(session->pipeline));

	/* The frame that is shown lies in a buffer of ours, which the display reads itself. */
	g_object_get(element(session->pipeline, "sink"), "last-sample", &sample, NULL);
	ASSERT_NE(NULL, sample);
	fd = frame_fd(gst_sample_get_buffer(sample));
	EXPECT_EQ(1, attached(session->exporter, fd, session->display));
	ASSERT_EQ(0, fd_read(fd, 0, session->pixels, PICTURE_BYTES));
	EXPECT_TRUE(has_bars(session->pixels));
	EXPECT_EQ(0, screen_differs("gstreamer-v4l2src", session->pixels, WIDTH, HEIGHT));
	gst_sample_unref(sample);

	gst_element_set_state(session->pipeline, GST_STATE_NULL);
	gst_object_unref(session->pipeline);
	session->pipeline = NULL;
	gst_object_unref(pool);
}

TEST_HARNESS_MAIN
