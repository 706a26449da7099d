/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The camera and the display of video-demo: drivers that know nothing of this
 * project.  What fails is told, and ends the program.
 */
#ifndef _TOOLS_VIDEO_H
#define _TOOLS_VIDEO_H

#include <stdint.h>

#include <xf86drm.h>
#include <xf86drmMode.h>

/* A picture: four bytes a pixel, XRGB8888. */
#define VIDEO_WIDTH 640
#define VIDEO_HEIGHT 480
#define VIDEO_PITCH (VIDEO_WIDTH * 4)
#define VIDEO_BYTES (VIDEO_PITCH * VIDEO_HEIGHT)

#define VIDEO_CAMERA "vivid"
#define VIDEO_DISPLAY "cirrus"

struct video_camera {
	int fd;
	char path[32];
};

/* video-camera.c: finds it, and agrees on pictures, frames a second and buffers */
void camera_open(struct video_camera *camera, uint32_t rate, uint32_t buffers);
void camera_start(const struct video_camera *camera);
void camera_stop(const struct video_camera *camera);
/* It may write into this buffer from now on. */
void camera_queue(const struct video_camera *camera, uint32_t index, int buffer);
/* Waits for a frame; returns which buffer has it, and the frame's number. */
uint32_t camera_next(const struct video_camera *camera, uint32_t *sequence);
/* It lets go of all buffers. */
void camera_close(struct video_camera *camera);

struct video_display {
	int drm;
	char path[32];
	uint32_t connector, crtc;
	drmModeModeInfo mode;
};

/* video-screen.c */
void display_open(struct video_display *display);
/* Returns a framebuffer that is this buffer. */
uint32_t display_frame(const struct video_display *display, int buffer);
void display_show(struct video_display *display, uint32_t frame);
/* Makes a screenshot from outside; returns how many pixels are not as in memory. */
uint32_t display_compare(const uint32_t *pixels, const char *name);
/* The display goes dark, and lets go of all buffers. */
void display_close(struct video_display *display, const uint32_t *frames, uint32_t n);

#endif /* _TOOLS_VIDEO_H */
