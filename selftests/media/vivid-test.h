/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vivid, a camera and a screen of V4L2 without hardware: its nodes, and queues of
 * buffers that are ours.
 *
 * A call returns 0, or what it was asked for, or a negative errno.
 */
#ifndef _DMABUF_VIVID_TEST_H
#define _DMABUF_VIVID_TEST_H

#include "media-test.h"

#include <linux/videodev2.h>

/* How vivid reaches a buffer: by the exporter's vmap, or as contiguous memory. */
#define VIVID_VMALLOC 0
#define VIVID_CONTIG 1

/* Its inputs and outputs, as its module parameters have them by default. */
#define VIVID_INPUT_WEBCAM 0
#define VIVID_INPUT_HDMI 3
#define VIVID_OUTPUT_HDMI 1

/* The device of all its instances. */
#define VIVID_DEVICE "vivid.0"

#define BUFFERS 4

/**
 * struct vivid - an open node of vivid, and its queue
 * @fd: of the node
 * @instance: of vivid, from 0 up
 * @type: V4L2_BUF_TYPE_VIDEO_CAPTURE or V4L2_BUF_TYPE_VIDEO_OUTPUT
 * @bytes: of a frame
 */
struct vivid {
	int fd;
	int instance;
	__u32 type;
	__u32 bytes;
};

/* Nodes */

/* Return: the first instance with this allocator, or -ENOENT. */
static inline int vivid_instance(unsigned int allocator)
{
	char text[512], *at = text;
	long long n = file_number("/sys/module/vivid/parameters/n_devs");
	int i, ret;

	ret = file_read("/sys/module/vivid/parameters/allocators", text, sizeof(text));
	if (n < 0 || ret < 0)
		return -ENOENT;
	for (i = 0; i < n && *at; i++) {
		if (strtoul(at, &at, 0) == allocator)
			return i;
		at += *at == ',';
	}
	return -ENOENT;
}

/* Return: the node of an instance that captures or plays, or -ENOENT. */
static inline int vivid_node(int instance, __u32 capability)
{
	struct v4l2_capability cap;
	char path[32], bus[32];
	int i, fd;

	snprintf(bus, sizeof(bus), "platform:vivid-%03d", instance);
	for (i = 0; i < 64; i++) {
		snprintf(path, sizeof(path), "/dev/video%d", i);
		fd = open_node(path);
		if (fd < 0)
			continue;
		if (!do_ioctl(fd, VIDIOC_QUERYCAP, &cap) && !strcmp((char *)cap.bus_info, bus) &&
		    cap.device_caps & capability)
			return fd;
		close(fd);
	}
	return -ENOENT;
}

/* Finds a control by its name: the numbers are vivid's own. */
static inline int control_find(int fd, const char *name, struct v4l2_queryctrl *control)
{
	*control = (struct v4l2_queryctrl) { .id = V4L2_CTRL_FLAG_NEXT_CTRL };
	while (!do_ioctl(fd, VIDIOC_QUERYCTRL, control)) {
		if (!strcmp((char *)control->name, name))
			return 0;
		control->id |= V4L2_CTRL_FLAG_NEXT_CTRL;
	}
	return -ENOENT;
}

static inline int control_set(int fd, const char *name, int value)
{
	struct v4l2_queryctrl found;
	struct v4l2_control control;
	int ret = control_find(fd, name, &found);

	if (ret)
		return ret;
	control = (struct v4l2_control) { .id = found.id, .value = value };
	return do_ioctl(fd, VIDIOC_S_CTRL, &control);
}

/* Sets a menu to the item that contains some words. */
static inline int control_choose(int fd, const char *name, const char *item)
{
	struct v4l2_queryctrl found;
	struct v4l2_querymenu menu;
	int ret = control_find(fd, name, &found);

	if (ret)
		return ret;
	for (menu.index = found.minimum; (int)menu.index <= found.maximum; menu.index++) {
		menu.id = found.id;
		if (!do_ioctl(fd, VIDIOC_QUERYMENU, &menu) && strstr((char *)menu.name, item))
			return control_set(fd, name, menu.index);
	}
	return -ENOENT;
}

/* Frames of 640 by 480, as the display of the tests has them. */
static inline int vivid_format(struct vivid *vivid)
{
	struct v4l2_format format = {
		.type = vivid->type,
		.fmt.pix = {
			.width = WIDTH, .height = HEIGHT, .pixelformat = V4L2_PIX_FMT_XBGR32,
			.field = V4L2_FIELD_NONE,
		},
	};
	int ret = do_ioctl(vivid->fd, VIDIOC_S_FMT, &format);

	if (ret)
		return ret;
	vivid->bytes = format.fmt.pix.sizeimage;
	if (format.fmt.pix.width != WIDTH || format.fmt.pix.height != HEIGHT ||
	    format.fmt.pix.pixelformat != V4L2_PIX_FMT_XBGR32 ||
	    format.fmt.pix.bytesperline != PITCH || vivid->bytes != PICTURE_BYTES)
		return -EDOM;
	return 0;
}

/* Sets frames a second: 1, 2, 4, 5, 10, 15, 25, 30, 40, 50 or 60. */
static inline int vivid_rate(const struct vivid *vivid, __u32 rate)
{
	struct v4l2_streamparm parm = {
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.parm.capture.timeperframe = { 1, rate },
	};

	return do_ioctl(vivid->fd, VIDIOC_S_PARM, &parm);
}

/* A camera that shows nothing but its test pattern. */
static inline int vivid_open_camera(struct vivid *vivid, int instance, __u32 rate)
{
	int input = VIVID_INPUT_WEBCAM;

	*vivid = (struct vivid) {
		.fd = vivid_node(instance, V4L2_CAP_VIDEO_CAPTURE),
		.instance = instance, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
	};
	if (vivid->fd < 0)
		return vivid->fd;
	return do_ioctl(vivid->fd, VIDIOC_S_INPUT, &input) ?: vivid_format(vivid) ?:
	       vivid_rate(vivid, rate) ?: control_choose(vivid->fd, "OSD Text Mode", "None");
}

/* Queues */

static inline int vivid_request(const struct vivid *vivid, __u32 count, __u32 memory)
{
	struct v4l2_requestbuffers request = {
		.count = count, .type = vivid->type, .memory = memory,
	};
	int ret = do_ioctl(vivid->fd, VIDIOC_REQBUFS, &request);

	return ret ?: request.count == count ? 0 : -EDOM;
}

/* Lets go of all buffers. */
static inline int vivid_release(const struct vivid *vivid)
{
	return vivid_request(vivid, 0, V4L2_MEMORY_DMABUF);
}

/* Queues a buffer that is an fd. */
static inline int vivid_queue(const struct vivid *vivid, __u32 index, int fd)
{
	struct v4l2_buffer buffer = {
		.index = index, .type = vivid->type, .memory = V4L2_MEMORY_DMABUF,
		.field = V4L2_FIELD_NONE, .bytesused = vivid->bytes, .m.fd = fd,
	};

	return do_ioctl(vivid->fd, VIDIOC_QBUF, &buffer);
}

/* Queues a buffer of vivid's own. */
static inline int vivid_queue_own(const struct vivid *vivid, __u32 index)
{
	struct v4l2_buffer buffer = {
		.index = index, .type = vivid->type, .memory = V4L2_MEMORY_MMAP,
	};

	return do_ioctl(vivid->fd, VIDIOC_QBUF, &buffer);
}

/* Return: whether a buffer that is an fd, and queued, waits to be dequeued; or -errno. */
static inline int vivid_is_done(const struct vivid *vivid, __u32 index)
{
	struct v4l2_buffer buffer = {
		.index = index, .type = vivid->type, .memory = V4L2_MEMORY_DMABUF,
	};
	int ret = do_ioctl(vivid->fd, VIDIOC_QUERYBUF, &buffer);

	return ret ?: !!(buffer.flags & V4L2_BUF_FLAG_DONE);
}

/* Takes the next buffer that is done, without waiting for ever: -ETIME. */
static inline int vivid_dequeue_from(const struct vivid *vivid, __u32 memory, __u32 *index,
				     __u32 *sequence)
{
	struct pollfd poller = {
		.fd = vivid->fd,
		.events = vivid->type == V4L2_BUF_TYPE_VIDEO_CAPTURE ? POLLIN : POLLOUT,
	};
	struct v4l2_buffer buffer = { .type = vivid->type, .memory = memory };
	int ret;

	if (poll(&poller, 1, SOON_MS) != 1)
		return -ETIME;
	ret = do_ioctl(vivid->fd, VIDIOC_DQBUF, &buffer);
	if (ret)
		return ret;
	*index = buffer.index;
	*sequence = buffer.sequence;
	if (buffer.flags & V4L2_BUF_FLAG_ERROR || buffer.bytesused != vivid->bytes)
		return -EIO;
	return 0;
}

static inline int vivid_dequeue(const struct vivid *vivid, __u32 *index, __u32 *sequence)
{
	return vivid_dequeue_from(vivid, V4L2_MEMORY_DMABUF, index, sequence);
}

static inline int vivid_start(const struct vivid *vivid)
{
	int type = vivid->type;

	return do_ioctl(vivid->fd, VIDIOC_STREAMON, &type);
}

/* All buffers are dequeued by it. */
static inline int vivid_stop(const struct vivid *vivid)
{
	int type = vivid->type;

	return do_ioctl(vivid->fd, VIDIOC_STREAMOFF, &type);
}

/* Return: an fd of a buffer of vivid's own. */
static inline int vivid_export(const struct vivid *vivid, __u32 index)
{
	struct v4l2_exportbuffer arg = {
		.type = vivid->type, .index = index, .flags = O_RDWR | O_CLOEXEC,
	};
	int ret = do_ioctl(vivid->fd, VIDIOC_EXPBUF, &arg);

	return ret ?: arg.fd;
}

/* Return: a buffer of vivid's own in memory, or MAP_FAILED. */
static inline void *vivid_mmap(const struct vivid *vivid, __u32 index)
{
	struct v4l2_buffer buffer = {
		.index = index, .type = vivid->type, .memory = V4L2_MEMORY_MMAP,
	};

	if (do_ioctl(vivid->fd, VIDIOC_QUERYBUF, &buffer))
		return MAP_FAILED;
	return mmap(NULL, vivid->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vivid->fd,
		    buffer.m.offset);
}

/* Is it eight bars of different colours, alike from top to bottom? */
static inline bool is_colour_bars(const __u32 *pixels)
{
	const __u32 rgb = 0xffffff;
	unsigned int x, bars = 1;

	for (x = 1; x < WIDTH; x++)
		bars += (pixels[x] & rgb) != (pixels[x - 1] & rgb) && x % (WIDTH / 8) == 0;
	return bars == 8 && !memcmp(pixels, pixels + (HEIGHT - 1) * WIDTH, PITCH);
}

/*
 * What the camera shows, captured into memory of its own as it was before there
 * was any other.  Return: a frame, to be freed, or NULL.
 */
static inline void *vivid_reference(const struct vivid *vivid)
{
	void *frame = malloc(vivid->bytes), *memory = MAP_FAILED;
	__u32 index, sequence;
	bool done = false;

	if (frame && !vivid_request(vivid, 2, V4L2_MEMORY_MMAP)) {
		memory = vivid_mmap(vivid, 0);
		done = memory != MAP_FAILED && !vivid_queue_own(vivid, 0) &&
		       !vivid_queue_own(vivid, 1) && !vivid_start(vivid) &&
		       !vivid_dequeue_from(vivid, V4L2_MEMORY_MMAP, &index, &sequence) && !index;
		if (done)
			memcpy(frame, memory, vivid->bytes);
		if (memory != MAP_FAILED)
			munmap(memory, vivid->bytes);
		if (vivid_stop(vivid) || vivid_request(vivid, 0, V4L2_MEMORY_MMAP))
			done = false;
	}
	if (done)
		return frame;
	free(frame);
	return NULL;
}

#endif /* _DMABUF_VIVID_TEST_H */
