// SPDX-License-Identifier: GPL-2.0-only
/* Modules stay as long as a DRM device holds a buffer, and go right after. */
#include "kms.h"
#include "unload-test.h"

/* Return: whether nobody but us uses the modules; else a test tells nothing. */
static bool counters_of_nobody(struct counters *before)
{
	return !load_all() && !counters_read(before) && !before->buffers &&
	       before->core_refs == 2 && !before->exporter_refs && !before->importer_refs;
}

/* Return: the fd of a buffer, while nobody has the node open. */
static int lone_buffer(void)
{
	int exporter = exporter_open(), fd;

	fd = buffer_export(exporter, PICTURE_BYTES, DMABUF_EXPORTER_AUTO);
	close(exporter);
	return fd;
}

/* Waits until so many hold the core; false if it never comes to that. */
static bool core_refs_come_to(long long refs)
{
	__u64 deadline = now_ms() + SOON_MS;

	while (file_number("/sys/module/dmabuf_core/refcnt") != refs) {
		if (now_ms() > deadline)
			return false;
		sleep_ms(5);
	}
	return true;
}

FIXTURE(unload)
{
	int drm;
	int fd;
	struct counters before;
};

FIXTURE_VARIANT(unload)
{
	const char *driver;
};

FIXTURE_VARIANT_ADD(unload, vgem)
{
	.driver = "vgem",
};

FIXTURE_VARIANT_ADD(unload, cirrus)
{
	.driver = "cirrus",
};

FIXTURE_VARIANT_ADD(unload, vkms)
{
	.driver = "vkms",
};

FIXTURE_SETUP(unload)
{
	ASSERT_TRUE(counters_of_nobody(&self->before));
	self->drm = drm_open(variant->driver);
	if (self->drm == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_LE(0, self->drm);
	self->fd = lone_buffer();
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(unload)
{
	if (self->drm >= 0)
		close(self->drm);
	EXPECT_EQ(0, load_all());
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* proves: P1, E2 */
TEST_F(unload, exporter_and_core_stay_while_a_handle_holds_a_buffer)
{
	__u32 handle;

	if (self->drm == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_EQ(0, prime_import(self->drm, self->fd, &handle));
	ASSERT_EQ(0, close(self->fd));
	EXPECT_EQ(-EWOULDBLOCK, unload(EXPORTER));
	EXPECT_EQ(-EWOULDBLOCK, unload(CORE));
	/* The importer has no part in it. */
	EXPECT_EQ(0, unload(IMPORTER));
	EXPECT_EQ(-EWOULDBLOCK, unload(CORE));
	EXPECT_EQ(0, handle_close(self->drm, handle));
	EXPECT_EQ(0, unload(EXPORTER));
	EXPECT_EQ(0, unload(CORE));
}

/* proves: P1 */
TEST_F(unload, close_of_the_device_lets_them_go)
{
	__u32 handle;

	if (self->drm == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_EQ(0, prime_import(self->drm, self->fd, &handle));
	ASSERT_EQ(0, close(self->fd));
	EXPECT_EQ(-EWOULDBLOCK, unload(EXPORTER));
	ASSERT_EQ(0, close(self->drm));
	self->drm = -1;
	EXPECT_EQ(0, unload(IMPORTER));
	EXPECT_EQ(0, unload(EXPORTER));
	EXPECT_EQ(0, unload(CORE));
}

/* Here the buffer is the DRM driver's, and our importer holds it. */
/* proves: P1, A1 */
TEST_F(unload, importer_core_and_drm_driver_stay_while_a_device_is_attached)
{
	char path[128];
	struct dumb dumb = { 0 };
	long long attachment, refs;
	int importer, fd;

	if (self->drm == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_EQ(0, close(self->fd));
	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", variant->driver);
	importer = importer_open();
	ASSERT_LE(0, importer);
	ASSERT_EQ(0, dumb_create(self->drm, 64, 64, &dumb));
	fd = prime_export(self->drm, dumb.handle);
	ASSERT_LE(0, fd);
	attachment = attach(importer, fd, engine_find(importer, DMABUF_IMPORTER_SOFT, 0));
	ASSERT_LT(0, attachment);
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(0, close(self->drm));
	self->drm = -1;
	/* Some kernels have the driver built in. */
	refs = file_number(path);
	if (refs != -ENOENT) {
		EXPECT_LT(0, refs);
		EXPECT_EQ(-EWOULDBLOCK, syscall(SYS_delete_module, variant->driver, O_NONBLOCK) ?
					-errno : 0);
	}
	/* The exporter has no part in it. */
	EXPECT_EQ(0, unload(EXPORTER));
	EXPECT_EQ(-EWOULDBLOCK, unload(IMPORTER));
	EXPECT_EQ(-EWOULDBLOCK, unload(CORE));
	EXPECT_EQ(0, detach(importer, attachment));
	if (refs != -ENOENT)
		EXPECT_EQ(refs - 1, file_number(path));
	ASSERT_EQ(0, close(importer));
	EXPECT_EQ(0, unload(IMPORTER));
	EXPECT_EQ(0, unload(CORE));
}

/* A display that shows a buffer */

FIXTURE(shown)
{
	struct display display;
	int fd;
	struct counters before;
};

FIXTURE_VARIANT(shown)
{
	const char *driver;
};

FIXTURE_VARIANT_ADD(shown, by_cirrus)
{
	.driver = "cirrus",
};

FIXTURE_VARIANT_ADD(shown, by_vkms)
{
	.driver = "vkms",
};

FIXTURE_SETUP(shown)
{
	int ret;

	ASSERT_TRUE(counters_of_nobody(&self->before));
	ret = display_open(variant->driver, &self->display);
	if (ret == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_EQ(0, ret);
	self->fd = lone_buffer();
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(shown)
{
	if (self->display.drm >= 0)
		close(self->display.drm);
	EXPECT_EQ(0, load_all());
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* proves: P1, E2 */
TEST_F(shown, exporter_and_core_stay_until_the_framebuffer_is_removed)
{
	__u32 handle, frame;

	if (self->display.drm == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_EQ(0, prime_import(self->display.drm, self->fd, &handle));
	ASSERT_EQ(0, frame_add(self->display.drm, handle, &frame));
	ASSERT_EQ(0, display_set(&self->display, frame));
	ASSERT_EQ(0, close(self->fd));
	ASSERT_EQ(0, handle_close(self->display.drm, handle));
	EXPECT_EQ(0, unload(IMPORTER));
	EXPECT_EQ(-EWOULDBLOCK, unload(EXPORTER));
	EXPECT_EQ(-EWOULDBLOCK, unload(CORE));
	/* That switches the display off, too, and a kernel thread closes the file. */
	EXPECT_EQ(0, drmModeRmFB(self->display.drm, frame));
	EXPECT_TRUE(core_refs_come_to(self->before.core_refs - 1));
	EXPECT_EQ(0, unload(EXPORTER));
	EXPECT_EQ(0, unload(CORE));
}

TEST_HARNESS_MAIN
