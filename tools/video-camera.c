// SPDX-License-Identifier: GPL-2.0-only
/*
 * A camera of V4L2 that captures into buffers of somebody else.
 */
#include "demo.h"
#include "narrator.h"
#include "video.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/videodev2.h>

#define TYPE V4L2_BUF_TYPE_VIDEO_CAPTURE
#define FRAME_MS 60000	/* an emulated machine on a busy host is slow */

static void call(const struct video_camera *camera, unsigned long request, void *arg,
		 const char *name)
{
	if (ioctl(camera->fd, request, arg))
		narrator_fail_call(name, errno);
	narrator_detail("%s on %s", name, camera->path);
}

#define CALL_CAMERA(camera, request, arg) call(camera, request, arg, "ioctl " #request)

static void find(struct video_camera *camera)
{
	struct v4l2_capability cap;
	int i;

	for (i = 0; i < 64; i++) {
		snprintf(camera->path, sizeof(camera->path), "/dev/video%d", i);
		camera->fd = open(camera->path, O_RDWR | O_CLOEXEC);
		if (camera->fd < 0)
			continue;
		if (!ioctl(camera->fd, VIDIOC_QUERYCAP, &cap) &&
		    !strcmp((char *)cap.driver, VIDEO_CAMERA) &&
		    cap.device_caps & V4L2_CAP_VIDEO_CAPTURE)
			return;
		close(camera->fd);
	}
	narrator_fail("modprobe " VIDEO_CAMERA " allocators=1; ls -l /dev/video*",
		      "there is no camera: no node /dev/video* of the driver " VIDEO_CAMERA);
}

void camera_open(struct video_camera *camera, uint32_t rate, uint32_t buffers)
{
	struct v4l2_format format = {
		.type = TYPE,
		.fmt.pix = {
			.width = VIDEO_WIDTH, .height = VIDEO_HEIGHT,
			.pixelformat = V4L2_PIX_FMT_XBGR32, .field = V4L2_FIELD_NONE,
		},
	};
	struct v4l2_streamparm parm = {
		.type = TYPE, .parm.capture.timeperframe = { 1, rate },
	};
	struct v4l2_requestbuffers request = {
		.type = TYPE, .memory = V4L2_MEMORY_DMABUF, .count = buffers,
	};
	int input = 0;

	find(camera);
	CALL_CAMERA(camera, VIDIOC_S_INPUT, &input);
	CALL_CAMERA(camera, VIDIOC_S_FMT, &format);
	if (format.fmt.pix.pixelformat != V4L2_PIX_FMT_XBGR32 ||
	    format.fmt.pix.bytesperline != VIDEO_PITCH || format.fmt.pix.sizeimage != VIDEO_BYTES)
		narrator_fail(NULL, "the camera has no pictures of %u by %u, four bytes a pixel",
			      VIDEO_WIDTH, VIDEO_HEIGHT);
	CALL_CAMERA(camera, VIDIOC_S_PARM, &parm);
	CALL_CAMERA(camera, VIDIOC_REQBUFS, &request);
	if (request.count != buffers)
		narrator_fail(NULL, "the camera takes %u buffers and not %u", request.count,
			      buffers);
}

void camera_start(const struct video_camera *camera)
{
	int type = TYPE;

	CALL_CAMERA(camera, VIDIOC_STREAMON, &type);
}

void camera_stop(const struct video_camera *camera)
{
	int type = TYPE;

	CALL_CAMERA(camera, VIDIOC_STREAMOFF, &type);
}

void camera_queue(const struct video_camera *camera, uint32_t index, int buffer)
{
	struct v4l2_buffer arg = {
		.type = TYPE, .memory = V4L2_MEMORY_DMABUF, .index = index, .m.fd = buffer,
	};

	CALL_CAMERA(camera, VIDIOC_QBUF, &arg);
}

uint32_t camera_next(const struct video_camera *camera, uint32_t *sequence)
{
	struct v4l2_buffer arg = { .type = TYPE, .memory = V4L2_MEMORY_DMABUF };
	struct pollfd poller = { .fd = camera->fd, .events = POLLIN };

	if (poll(&poller, 1, FRAME_MS) != 1)
		narrator_fail("dmesg | tail", "no frame within %d s", FRAME_MS / 1000);
	CALL_CAMERA(camera, VIDIOC_DQBUF, &arg);
	if (arg.flags & V4L2_BUF_FLAG_ERROR || arg.bytesused != VIDEO_BYTES)
		narrator_fail("dmesg | tail", "frame %u has %u bytes, flags 0x%x", arg.sequence,
			      arg.bytesused, arg.flags);
	*sequence = arg.sequence;
	return arg.index;
}

void camera_close(struct video_camera *camera)
{
	struct v4l2_requestbuffers none = { .type = TYPE, .memory = V4L2_MEMORY_DMABUF };

	CALL_CAMERA(camera, VIDIOC_REQBUFS, &none);
	close(camera->fd);
	camera->fd = -1;
}
