// SPDX-License-Identifier: GPL-2.0-only
/*
 * A display of DRM that shows buffers of somebody else, and what is to be seen on
 * the monitor.
 */
#include "demo.h"
#include "narrator.h"
#include "video.h"

#include "../selftests/media/screen.h"

#include <drm_fourcc.h>

static void find(struct video_display *display)
{
	drmVersionPtr version;
	bool found;
	int i;

	for (i = 0; i < 16; i++) {
		snprintf(display->path, sizeof(display->path), "/dev/dri/card%d", i);
		display->drm = open(display->path, O_RDWR | O_CLOEXEC);
		if (display->drm < 0)
			continue;
		version = drmGetVersion(display->drm);
		found = version && !strcmp(version->name, VIDEO_DISPLAY);
		drmFreeVersion(version);
		if (found)
			return;
		close(display->drm);
	}
	narrator_fail("modprobe " VIDEO_DISPLAY "; ls -l /dev/dri",
		      "there is no display: no node /dev/dri/card* of the driver " VIDEO_DISPLAY);
}

static bool connector_fits(struct video_display *display, drmModeConnectorPtr connector)
{
	int i;

	for (i = 0; i < connector->count_modes; i++) {
		if (connector->modes[i].hdisplay != VIDEO_WIDTH ||
		    connector->modes[i].vdisplay != VIDEO_HEIGHT)
			continue;
		display->connector = connector->connector_id;
		display->mode = connector->modes[i];
		return true;
	}
	return false;
}

void display_open(struct video_display *display)
{
	drmModeConnectorPtr connector;
	drmModeResPtr resources;
	bool fits = false;
	int i;

	find(display);
	resources = drmModeGetResources(display->drm);
	if (!resources || !resources->count_crtcs)
		narrator_fail_call("ioctl DRM_IOCTL_MODE_GETRESOURCES", errno);
	display->crtc = resources->crtcs[0];
	for (i = 0; !fits && i < resources->count_connectors; i++) {
		connector = drmModeGetConnector(display->drm, resources->connectors[i]);
		fits = connector && connector_fits(display, connector);
		drmModeFreeConnector(connector);
	}
	drmModeFreeResources(resources);
	if (!fits)
		narrator_fail(NULL, "the display has no mode of %u by %u", VIDEO_WIDTH,
			      VIDEO_HEIGHT);
}

uint32_t display_frame(const struct video_display *display, int buffer)
{
	uint32_t handles[4] = { 0 }, pitches[4] = { VIDEO_PITCH }, offsets[4] = { 0 }, frame;
	struct drm_gem_close handle = { 0 };

	if (drmPrimeFDToHandle(display->drm, buffer, &handles[0]))
		narrator_fail_call("ioctl DRM_IOCTL_PRIME_FD_TO_HANDLE", errno);
	if (drmModeAddFB2(display->drm, VIDEO_WIDTH, VIDEO_HEIGHT, DRM_FORMAT_XRGB8888, handles,
			  pitches, offsets, &frame, 0))
		narrator_fail_call("ioctl DRM_IOCTL_MODE_ADDFB2", errno);
	/* The framebuffer has a reference of its own. */
	handle.handle = handles[0];
	if (drmIoctl(display->drm, DRM_IOCTL_GEM_CLOSE, &handle))
		narrator_fail_call("ioctl DRM_IOCTL_GEM_CLOSE", errno);
	return frame;
}

void display_show(struct video_display *display, uint32_t frame)
{
	if (drmModeSetCrtc(display->drm, display->crtc, frame, 0, 0, &display->connector, 1,
			   &display->mode))
		narrator_fail_call("ioctl DRM_IOCTL_MODE_SETCRTC", errno);
}

uint32_t display_compare(const uint32_t *pixels, const char *name)
{
	uint32_t x, y, different = 0;
	struct screen screen;
	int ret = screen_dump(&screen, name);

	if (ret)
		narrator_fail_call("screenshot", -ret);
	if (screen.width != VIDEO_WIDTH || screen.height != VIDEO_HEIGHT)
		narrator_fail(NULL, "the monitor shows %u by %u pixels", screen.width,
			      screen.height);
	for (y = 0; y < VIDEO_HEIGHT; y++)
		for (x = 0; x < VIDEO_WIDTH; x++)
			different += screen_pixel(&screen, x, y) !=
				     (pixels[y * VIDEO_WIDTH + x] & 0xffffff);
	screen_free(&screen);
	return different;
}

void display_close(struct video_display *display, const uint32_t *frames, uint32_t n)
{
	uint32_t i;

	if (drmModeSetCrtc(display->drm, display->crtc, 0, 0, 0, NULL, 0, NULL))
		narrator_fail_call("ioctl DRM_IOCTL_MODE_SETCRTC", errno);
	for (i = 0; i < n; i++)
		if (drmModeRmFB(display->drm, frames[i]))
			narrator_fail_call("ioctl DRM_IOCTL_MODE_RMFB", errno);
	close(display->drm);
	display->drm = -1;
}
