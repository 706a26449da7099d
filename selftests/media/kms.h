/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DRM devices by libdrm: handles of buffers, framebuffers, and a display.
 *
 * A call returns 0, or what it was asked for, or a negative errno.
 */
#ifndef _DMABUF_MEDIA_KMS_H
#define _DMABUF_MEDIA_KMS_H

#include "media-test.h"

#include <sys/sysmacros.h>

#include <drm_fourcc.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

/* Return: the device of this driver; -ENOENT if there is none. */
static inline int drm_open(const char *driver)
{
	char path[64];
	int i;

	for (i = 0; i < 16; i++) {
		drmVersionPtr version;
		bool same;
		int fd;

		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		version = drmGetVersion(fd);
		same = version && !strcmp(version->name, driver);
		drmFreeVersion(version);
		if (same)
			return fd;
		close(fd);
	}
	return -ENOENT;
}

/* The name in sysfs of the device behind an open file, as the core lists it. */
static inline int drm_device_name(int drm, char *name, size_t bytes)
{
	char path[64], target[PATH_MAX], *base;
	struct stat stat;
	ssize_t n;

	if (fstat(drm, &stat))
		return -errno;
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/device", major(stat.st_rdev),
		 minor(stat.st_rdev));
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = 0;
	base = strrchr(target, '/');
	snprintf(name, bytes, "%.*s", (int)bytes - 1, base ? base + 1 : target);
	return 0;
}

/* Handles */

/* Return: 0, and a GEM handle, not 0, for the buffer. */
static inline int prime_import(int drm, int fd, __u32 *handle)
{
	*handle = 0;
	return drmPrimeFDToHandle(drm, fd, handle) ? -errno : 0;
}

/* Return: an fd of the buffer behind a handle. */
static inline int prime_export(int drm, __u32 handle)
{
	int fd = -1;

	return drmPrimeHandleToFD(drm, handle, O_RDWR | O_CLOEXEC, &fd) ? -errno : fd;
}

static inline int handle_close(int drm, __u32 handle)
{
	struct drm_gem_close arg = { .handle = handle };

	return drmIoctl(drm, DRM_IOCTL_GEM_CLOSE, &arg) ? -errno : 0;
}

/* A buffer that the device makes itself. */
struct dumb {
	__u32 handle;
	__u32 pitch;
	__u64 bytes;
};

static inline int dumb_create(int drm, __u32 width, __u32 height, struct dumb *dumb)
{
	struct drm_mode_create_dumb arg = { .width = width, .height = height, .bpp = 32 };

	if (drmIoctl(drm, DRM_IOCTL_MODE_CREATE_DUMB, &arg))
		return -errno;
	dumb->handle = arg.handle;
	dumb->pitch = arg.pitch;
	dumb->bytes = arg.size;
	return 0;
}

/* Return: the buffer in memory, or MAP_FAILED. */
static inline void *dumb_mmap(int drm, const struct dumb *dumb)
{
	struct drm_mode_map_dumb arg = { .handle = dumb->handle };

	if (drmIoctl(drm, DRM_IOCTL_MODE_MAP_DUMB, &arg))
		return MAP_FAILED;
	return mmap(NULL, dumb->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, drm, arg.offset);
}

/* Displays */

/**
 * struct display - a connector with its CRTC, and the mode of WIDTH by HEIGHT
 * @drm: open file, master of its device
 * @connector: that is connected, no writeback connector
 * @crtc: that can drive it
 * @pipe: number of the CRTC
 * @mode: to be set
 */
struct display {
	int drm;
	__u32 connector;
	__u32 crtc;
	unsigned int pipe;
	drmModeModeInfo mode;
};

static inline bool display_has_mode(struct display *display, drmModeConnectorPtr connector)
{
	int i;

	for (i = 0; i < connector->count_modes; i++) {
		if (connector->modes[i].hdisplay != WIDTH || connector->modes[i].vdisplay != HEIGHT)
			continue;
		display->mode = connector->modes[i];
		return true;
	}
	return false;
}

/* Takes the first CRTC that one of the connector's encoders can use. */
static inline bool display_has_crtc(struct display *display, drmModeResPtr resources,
				    drmModeConnectorPtr connector)
{
	drmModeEncoderPtr encoder;
	int i;

	for (i = 0; i < connector->count_encoders; i++) {
		__u32 crtcs;

		encoder = drmModeGetEncoder(display->drm, connector->encoders[i]);
		if (!encoder)
			continue;
		crtcs = encoder->possible_crtcs;
		drmModeFreeEncoder(encoder);
		if (!crtcs)
			continue;
		display->pipe = __builtin_ctz(crtcs);
		display->crtc = resources->crtcs[display->pipe];
		return true;
	}
	return false;
}

/* Return: 0; -ENOENT without such a driver, -ENODEV if nothing is connected to it. */
static inline int display_open(const char *driver, struct display *display)
{
	drmModeConnectorPtr connector;
	drmModeResPtr resources;
	int i, ret = -ENODEV;

	*display = (struct display) { .drm = drm_open(driver) };
	if (display->drm < 0)
		return display->drm;
	resources = drmModeGetResources(display->drm);
	for (i = 0; resources && ret && i < resources->count_connectors; i++) {
		connector = drmModeGetConnector(display->drm, resources->connectors[i]);
		if (!connector)
			continue;
		if (connector->connector_type != DRM_MODE_CONNECTOR_WRITEBACK &&
		    display_has_mode(display, connector) &&
		    display_has_crtc(display, resources, connector)) {
			display->connector = connector->connector_id;
			ret = 0;
		}
		drmModeFreeConnector(connector);
	}
	drmModeFreeResources(resources);
	return ret;
}

/* Makes a framebuffer of a handle, as a picture of these tests is. */
static inline int frame_add(int drm, __u32 handle, __u32 *frame)
{
	__u32 handles[4] = { handle }, pitches[4] = { PITCH }, offsets[4] = {};

	return drmModeAddFB2(drm, WIDTH, HEIGHT, DRM_FORMAT_XRGB8888, handles, pitches, offsets,
			     frame, 0);
}

/* Shows a framebuffer. */
static inline int display_set(struct display *display, __u32 frame)
{
	return drmModeSetCrtc(display->drm, display->crtc, frame, 0, 0, &display->connector, 1,
			      &display->mode);
}

/* Switches the display off. */
static inline int display_off(struct display *display)
{
	return drmModeSetCrtc(display->drm, display->crtc, 0, 0, 0, NULL, 0, NULL);
}

static inline void display_flipped(int drm, unsigned int sequence, unsigned int seconds,
				   unsigned int microseconds, void *data)
{
	*(bool *)data = true;
}

/* Flips to another framebuffer, and waits until it is shown. */
static inline int display_flip(struct display *display, __u32 frame)
{
	drmEventContext events = { .version = 2, .page_flip_handler = display_flipped };
	struct pollfd poller = { .fd = display->drm, .events = POLLIN };
	bool flipped = false;
	int ret;

	ret = drmModePageFlip(display->drm, display->crtc, frame, DRM_MODE_PAGE_FLIP_EVENT,
			      &flipped);
	while (!ret && !flipped) {
		if (poll(&poller, 1, SOON_MS) != 1)
			return -ETIME;
		ret = drmHandleEvent(display->drm, &events);
	}
	return ret;
}

#endif /* _DMABUF_MEDIA_KMS_H */
