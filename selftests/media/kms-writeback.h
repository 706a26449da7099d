/* SPDX-License-Identifier: GPL-2.0-only */
/* What a display composes, written back to memory: atomic mode setting by libdrm. */
#ifndef _DMABUF_MEDIA_KMS_WRITEBACK_H
#define _DMABUF_MEDIA_KMS_WRITEBACK_H

#include "kms.h"

/* Return: id of a property of an object, and its value if asked for; 0 if there is none. */
static inline __u32 property_find(int drm, __u32 object, __u32 type, const char *name,
				  __u64 *value)
{
	drmModeObjectPropertiesPtr list = drmModeObjectGetProperties(drm, object, type);
	__u32 i, id = 0;

	for (i = 0; list && !id && i < list->count_props; i++) {
		drmModePropertyPtr property = drmModeGetProperty(drm, list->props[i]);

		if (property && !strcmp(property->name, name)) {
			id = property->prop_id;
			if (value)
				*value = list->prop_values[i];
		}
		drmModeFreeProperty(property);
	}
	drmModeFreeObjectProperties(list);
	return id;
}

/* Return: the writeback connector of a device, or 0. */
static inline __u32 writeback_find(int drm)
{
	drmModeResPtr resources = drmModeGetResources(drm);
	drmModeConnectorPtr connector;
	__u32 id = 0;
	int i;

	for (i = 0; resources && !id && i < resources->count_connectors; i++) {
		connector = drmModeGetConnector(drm, resources->connectors[i]);
		if (connector && connector->connector_type == DRM_MODE_CONNECTOR_WRITEBACK)
			id = connector->connector_id;
		drmModeFreeConnector(connector);
	}
	drmModeFreeResources(resources);
	return id;
}

/* Return: the primary plane of a CRTC, or 0. */
static inline __u32 primary_find(const struct display *display)
{
	drmModePlaneResPtr planes = drmModeGetPlaneResources(display->drm);
	__u32 i, id = 0;

	for (i = 0; planes && !id && i < planes->count_planes; i++) {
		drmModePlanePtr plane = drmModeGetPlane(display->drm, planes->planes[i]);
		__u64 type = 0;

		if (plane && plane->possible_crtcs & 1U << display->pipe &&
		    property_find(display->drm, plane->plane_id, DRM_MODE_OBJECT_PLANE, "type",
				  &type) && type == DRM_PLANE_TYPE_PRIMARY)
			id = plane->plane_id;
		drmModeFreePlane(plane);
	}
	drmModeFreePlaneResources(planes);
	return id;
}

/* Return: 0 or -ENOENT if the object has no such property. */
static inline int request_set(int drm, drmModeAtomicReqPtr request, __u32 object, __u32 type,
			      const char *name, __u64 value)
{
	__u32 id = property_find(drm, object, type, name, NULL);
	int ret;

	if (!id)
		return -ENOENT;
	ret = drmModeAtomicAddProperty(request, object, id, value);
	return ret < 0 ? ret : 0;
}

static inline int request_fill(const struct display *display, drmModeAtomicReqPtr request,
			       __u32 writeback, __u32 mode, __u32 from, __u32 to, int *fence)
{
	__u32 plane = primary_find(display);
	const struct {
		__u32 object;
		__u32 type;
		const char *name;
		__u64 value;
	} wanted[] = {
		{ writeback, DRM_MODE_OBJECT_CONNECTOR, "CRTC_ID", display->crtc },
		{ writeback, DRM_MODE_OBJECT_CONNECTOR, "WRITEBACK_FB_ID", to },
		{ writeback, DRM_MODE_OBJECT_CONNECTOR, "WRITEBACK_OUT_FENCE_PTR",
		  (uintptr_t)fence },
		{ display->crtc, DRM_MODE_OBJECT_CRTC, "MODE_ID", mode },
		{ display->crtc, DRM_MODE_OBJECT_CRTC, "ACTIVE", 1 },
		{ plane, DRM_MODE_OBJECT_PLANE, "CRTC_ID", display->crtc },
		{ plane, DRM_MODE_OBJECT_PLANE, "FB_ID", from },
		{ plane, DRM_MODE_OBJECT_PLANE, "SRC_X", 0 },
		{ plane, DRM_MODE_OBJECT_PLANE, "SRC_Y", 0 },
		{ plane, DRM_MODE_OBJECT_PLANE, "SRC_W", (__u64)WIDTH << 16 },
		{ plane, DRM_MODE_OBJECT_PLANE, "SRC_H", (__u64)HEIGHT << 16 },
		{ plane, DRM_MODE_OBJECT_PLANE, "CRTC_X", 0 },
		{ plane, DRM_MODE_OBJECT_PLANE, "CRTC_Y", 0 },
		{ plane, DRM_MODE_OBJECT_PLANE, "CRTC_W", WIDTH },
		{ plane, DRM_MODE_OBJECT_PLANE, "CRTC_H", HEIGHT },
	};
	size_t i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(wanted); i++) {
		ret = request_set(display->drm, request, wanted[i].object, wanted[i].type,
				  wanted[i].name, wanted[i].value);
		if (ret)
			return ret;
	}
	return 0;
}

/*
 * To be called once, before display_write_back(): one CRTC cannot drive the display
 * and the writeback connector, so what the console may show ends.
 */
static inline int writeback_enable(struct display *display)
{
	int ret = drmSetClientCap(display->drm, DRM_CLIENT_CAP_ATOMIC, 1) ?:
		  drmSetClientCap(display->drm, DRM_CLIENT_CAP_WRITEBACK_CONNECTORS, 1);

	return ret ? -errno : display_off(display);
}

/*
 * Composes the framebuffer @from, alone, and has the result written to the
 * framebuffer @to; returns when it is there.
 * Return: 0; -ENODEV if the device cannot do that, -ETIME if it does not come.
 */
static inline int display_write_back(const struct display *display, __u32 from, __u32 to)
{
	__u32 writeback = writeback_find(display->drm), mode = 0;
	drmModeAtomicReqPtr request;
	struct pollfd poller = { .fd = -1, .events = POLLIN };
	int ret;

	if (!writeback)
		return -ENODEV;
	ret = drmModeCreatePropertyBlob(display->drm, &display->mode, sizeof(display->mode),
					&mode);
	if (ret)
		return ret;
	request = drmModeAtomicAlloc();
	ret = request ? request_fill(display, request, writeback, mode, from, to, &poller.fd) :
			-ENOMEM;
	if (!ret)
		ret = drmModeAtomicCommit(display->drm, request, DRM_MODE_ATOMIC_ALLOW_MODESET,
					  NULL);
	drmModeAtomicFree(request);
	drmModeDestroyPropertyBlob(display->drm, mode);
	if (ret)
		return ret;
	if (poll(&poller, 1, SOON_MS) != 1)
		ret = -ETIME;
	close(poller.fd);
	return ret;
}

#endif /* _DMABUF_MEDIA_KMS_WRITEBACK_H */
