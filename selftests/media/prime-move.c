// SPDX-License-Identifier: GPL-2.0-only
/*
 * A DRM handle keeps its mapping while it lives.  Whoever needs the buffer elsewhere
 * meanwhile, one of our devices or another DRM device, gets an answer and no hang.
 */
#include "kms.h"

#define BUFFER_BYTES (20UL * 1024)

/* What a DRM device waits for our importers; short, for a test that sees it end. */
#define WAIT_SHORT "200"
#define WAIT_LONG "30000"

/*
 * A buffer in pieces, with bytes in it, that nobody has mapped, and two DRM devices;
 * the second one takes contiguous memory only.
 */
FIXTURE(drm_move)
{
	int exporter;
	int importer;
	__u32 soft;
	int wide;
	int strict;
	char device[64];
	int fd;
	unsigned char bytes[BUFFER_BYTES];
	char wait_ms[32];
	char contiguous[256];
	struct counters before;
};

FIXTURE_VARIANT(drm_move)
{
	const char *wide;
	const char *strict;
};

FIXTURE_VARIANT_ADD(drm_move, vgem_and_strict_cirrus)
{
	.wide = "vgem",
	.strict = "cirrus",
};

FIXTURE_VARIANT_ADD(drm_move, cirrus_and_strict_vkms)
{
	.wide = "cirrus",
	.strict = "vkms",
};

FIXTURE_VARIANT_ADD(drm_move, vkms_and_strict_vgem)
{
	.wide = "vkms",
	.strict = "vgem",
};

FIXTURE_SETUP(drm_move)
{
	struct user user;
	int soft;

	ASSERT_EQ(0, counters_read(&self->before));
	ASSERT_EQ(0, core_parameter_get("kernel_wait_ms", self->wait_ms, sizeof(self->wait_ms)));
	ASSERT_EQ(0, core_parameter_get("contiguous_devices", self->contiguous,
					sizeof(self->contiguous)));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	soft = engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0);
	ASSERT_LE(0, soft);
	self->soft = soft;
	self->fd = -1;
	self->wide = drm_open(variant->wide);
	self->strict = drm_open(variant->strict);
	if (self->wide == -ENOENT || self->strict == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_LE(0, self->wide);
	ASSERT_LE(0, self->strict);
	ASSERT_EQ(0, drm_device_name(self->strict, self->device, sizeof(self->device)));
	ASSERT_EQ(0, core_parameter_set("contiguous_devices", self->device));
	self->fd = buffer_in_pieces(self->exporter, self->importer, self->soft, BUFFER_BYTES, 0,
				    &user);
	ASSERT_LE(0, self->fd);
	scribble(self->bytes, BUFFER_BYTES, 1);
	ASSERT_EQ(0, copy_in(self->importer, user.mapping, 0, BUFFER_BYTES, self->bytes));
	ASSERT_EQ(0, user_unmap(self->importer, &user));
}

FIXTURE_TEARDOWN(drm_move)
{
	EXPECT_EQ(0, core_parameter_set("kernel_wait_ms", self->wait_ms));
	EXPECT_EQ(0, core_parameter_set("contiguous_devices", self->contiguous));
	if (self->fd >= 0)
		EXPECT_EQ(0, close(self->fd));
	if (self->wide >= 0)
		EXPECT_EQ(0, close(self->wide));
	if (self->strict >= 0)
		EXPECT_EQ(0, close(self->strict));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* The buffer is where it was, and what it was. */
static bool nothing_has_moved(FIXTURE_DATA(drm_move) *self)
{
	struct dmabuf_exporter_placement place;

	return !placement_query(self->exporter, self->fd, &place) && !place.moves &&
	       place.here.chunks > 1 && !place.waiting &&
	       fd_has(self->fd, self->bytes, BUFFER_BYTES);
}

/* The buffer is in one piece, after one move, and what it was. */
static bool it_has_moved(FIXTURE_DATA(drm_move) *self)
{
	struct dmabuf_exporter_placement place;

	return !placement_query(self->exporter, self->fd, &place) && place.moves == 1 &&
	       place.here.chunks == 1 && !place.waiting &&
	       fd_has(self->fd, self->bytes, BUFFER_BYTES);
}

/* Ours asks, a DRM device holds */

/* proves: N3, M4 */
TEST_F(drm_move, map_of_our_strict_device_gives_up_while_a_handle_lives)
{
	struct dmabuf_exporter_placement place;
	long long strict, mapping;
	__u32 handle;

	if (self->wide == -ENOENT || self->strict == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_EQ(0, prime_import(self->wide, self->fd, &handle));
	strict = attach_one_segment(self->importer, self->fd, self->soft);
	ASSERT_LT(0, strict);
	EXPECT_EQ(-EAGAIN, map_nowait(self->importer, strict, DMABUF_IMPORTER_BIDIRECTIONAL));
	EXPECT_EQ(-ETIMEDOUT, map_timeout(self->importer, strict, DMABUF_IMPORTER_BIDIRECTIONAL,
					  100));
	EXPECT_TRUE(nothing_has_moved(self));
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
	EXPECT_EQ(DMABUF_EXPORTER_MAPPED, place.state);
	EXPECT_EQ(1, place.readers + place.writers);

	EXPECT_EQ(0, handle_close(self->wide, handle));
	mapping = map_nowait(self->importer, strict, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, mapping);
	EXPECT_TRUE(it_has_moved(self));
	EXPECT_TRUE(device_reads(self->importer, mapping, self->bytes, BUFFER_BYTES));
	EXPECT_EQ(0, unmap(self->importer, mapping));
}

/* proves: M4 */
TEST_F(drm_move, signal_ends_the_wait_for_a_handle)
{
	struct waiter waiter = {};
	long long strict;
	__u32 handle;

	if (self->wide == -ENOENT || self->strict == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_EQ(0, prime_import(self->wide, self->fd, &handle));
	strict = attach_one_segment(self->importer, self->fd, self->soft);
	ASSERT_LT(0, strict);
	ASSERT_EQ(0, waiter_start(&waiter, self->importer, strict,
				  DMABUF_IMPORTER_BIDIRECTIONAL));
	ASSERT_TRUE(placement_becomes(self->exporter, self->fd, DMABUF_EXPORTER_DRAINING, 1));
	ASSERT_EQ(0, waiter_signal(&waiter));
	EXPECT_EQ(-EINTR, waiter_finish(&waiter));
	EXPECT_TRUE(nothing_has_moved(self));
	EXPECT_EQ(0, handle_close(self->wide, handle));
}

/* proves: N3, N4 */
TEST_F(drm_move, map_of_our_strict_device_goes_on_when_the_handle_is_closed)
{
	struct waiter waiter = {};
	long long strict, mapping;
	__u32 handle;

	if (self->wide == -ENOENT || self->strict == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_EQ(0, prime_import(self->wide, self->fd, &handle));
	strict = attach_one_segment(self->importer, self->fd, self->soft);
	ASSERT_LT(0, strict);
	ASSERT_EQ(0, waiter_start(&waiter, self->importer, strict,
				  DMABUF_IMPORTER_BIDIRECTIONAL));
	ASSERT_TRUE(placement_becomes(self->exporter, self->fd, DMABUF_EXPORTER_DRAINING, 1));
	EXPECT_EQ(0, handle_close(self->wide, handle));
	mapping = waiter_finish(&waiter);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(1, waiter.segments);
	EXPECT_TRUE(it_has_moved(self));
	EXPECT_TRUE(device_reads(self->importer, mapping, self->bytes, BUFFER_BYTES));
	/* Who came first may come back: one piece serves everybody. */
	EXPECT_EQ(0, prime_import(self->wide, self->fd, &handle));
	EXPECT_EQ(2, mappings_of(self->exporter, self->fd));
	EXPECT_EQ(0, handle_close(self->wide, handle));
	EXPECT_EQ(0, unmap(self->importer, mapping));
}

/* A DRM device asks, ours holds */

/* proves: N3 */
TEST_F(drm_move, import_by_a_strict_device_ends_with_its_deadline)
{
	struct user user;
	__u32 handle;

	if (self->wide == -ENOENT || self->strict == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_EQ(0, core_parameter_set("kernel_wait_ms", WAIT_SHORT));
	ASSERT_EQ(0, user_map(self->importer, self->fd, self->soft,
			      DMABUF_IMPORTER_BIDIRECTIONAL, &user));
	EXPECT_EQ(-ETIMEDOUT, prime_import(self->strict, self->fd, &handle));
	EXPECT_TRUE(nothing_has_moved(self));
	/* Nothing of the import is left. */
	EXPECT_EQ(1, attachments_of(self->exporter, self->fd));
	EXPECT_EQ(1, mappings_of(self->exporter, self->fd));

	EXPECT_EQ(0, user_unmap(self->importer, &user));
	ASSERT_EQ(0, prime_import(self->strict, self->fd, &handle));
	EXPECT_TRUE(it_has_moved(self));
	EXPECT_EQ(0, handle_close(self->strict, handle));
}

/* An import in a thread of its own, by the ioctl: libdrm begins again after -EINTR. */
struct import {
	int drm;
	int fd;
	__u32 handle;
	int ret;
	struct waiter waiter;	/* for its thread */
};

static void *import_run(void *data)
{
	struct import *import = data;
	struct drm_prime_handle arg = { .fd = import->fd };

	import->ret = do_ioctl(import->drm, DRM_IOCTL_PRIME_FD_TO_HANDLE, &arg);
	import->handle = arg.handle;
	return NULL;
}

static int import_start(struct import *import, int drm, int fd)
{
	*import = (struct import) { .drm = drm, .fd = fd };
	return pthread_create(&import->waiter.thread, NULL, import_run, import);
}

/* Return: what the import returned, or -ETIME if it waits for ever. */
static int import_finish(struct import *import)
{
	int ret = waiter_finish(&import->waiter);

	return ret ?: import->ret;
}

/* proves: N3, N4 */
TEST_F(drm_move, import_by_a_strict_device_goes_on_when_ours_unmaps)
{
	struct import import;
	struct user user;

	if (self->wide == -ENOENT || self->strict == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_EQ(0, core_parameter_set("kernel_wait_ms", WAIT_LONG));
	ASSERT_EQ(0, user_map(self->importer, self->fd, self->soft,
			      DMABUF_IMPORTER_BIDIRECTIONAL, &user));
	ASSERT_EQ(0, import_start(&import, self->strict, self->fd));
	ASSERT_TRUE(placement_becomes(self->exporter, self->fd, DMABUF_EXPORTER_DRAINING, 1));
	/* That needs no lock that the import holds. */
	EXPECT_EQ(0, user_unmap(self->importer, &user));
	EXPECT_EQ(0, import_finish(&import));
	EXPECT_TRUE(it_has_moved(self));
	EXPECT_EQ(0, handle_close(self->strict, import.handle));
}

/* proves: M4 */
TEST_F(drm_move, signal_ends_an_import_that_waits)
{
	struct import import;
	struct user user;

	if (self->wide == -ENOENT || self->strict == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_EQ(0, core_parameter_set("kernel_wait_ms", WAIT_LONG));
	ASSERT_EQ(0, user_map(self->importer, self->fd, self->soft,
			      DMABUF_IMPORTER_BIDIRECTIONAL, &user));
	ASSERT_EQ(0, import_start(&import, self->strict, self->fd));
	ASSERT_TRUE(placement_becomes(self->exporter, self->fd, DMABUF_EXPORTER_DRAINING, 1));
	ASSERT_EQ(0, waiter_signal(&import.waiter));
	EXPECT_EQ(-EINTR, import_finish(&import));
	EXPECT_EQ(1, attachments_of(self->exporter, self->fd));
	EXPECT_TRUE(nothing_has_moved(self));
	EXPECT_EQ(0, user_unmap(self->importer, &user));
}

/* A DRM device asks, another one holds */

/* proves: N5 */
TEST_F(drm_move, import_never_waits_for_the_handle_of_another_device)
{
	struct dmabuf_exporter_placement place;
	__u32 handle, strict;

	if (self->wide == -ENOENT || self->strict == -ENOENT)
		SKIP(return, NO_DRIVER);
	/* Were it to wait, it would be -ETIMEDOUT. */
	ASSERT_EQ(0, core_parameter_set("kernel_wait_ms", WAIT_LONG));
	ASSERT_EQ(0, prime_import(self->wide, self->fd, &handle));
	EXPECT_EQ(-EBUSY, prime_import(self->strict, self->fd, &strict));
	EXPECT_TRUE(nothing_has_moved(self));
	EXPECT_EQ(1, attachments_of(self->exporter, self->fd));
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
	EXPECT_EQ(EBUSY, place.refusal.error);
	EXPECT_EQ(DMABUF_EXPORTER_CONSTRAINT_MAX_SEGS, place.refusal.constraint);
	EXPECT_STREQ(self->device, place.refusal.device);

	EXPECT_EQ(0, handle_close(self->wide, handle));
	ASSERT_EQ(0, prime_import(self->strict, self->fd, &strict));
	EXPECT_TRUE(it_has_moved(self));
	/* The other way round there is nothing to move. */
	EXPECT_EQ(0, prime_import(self->wide, self->fd, &handle));
	EXPECT_EQ(2, mappings_of(self->exporter, self->fd));
	EXPECT_EQ(0, handle_close(self->strict, strict));
	EXPECT_EQ(0, handle_close(self->wide, handle));
}

/* proves: N7 */
TEST_F(drm_move, import_does_not_queue_behind_a_map_that_waits_for_a_handle)
{
	struct waiter waiter = {};
	long long one_segment;
	__u32 handle, strict;

	if (self->wide == -ENOENT || self->strict == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_EQ(0, core_parameter_set("kernel_wait_ms", WAIT_LONG));
	ASSERT_EQ(0, prime_import(self->wide, self->fd, &handle));
	one_segment = attach_one_segment(self->importer, self->fd, self->soft);
	ASSERT_LT(0, one_segment);
	ASSERT_EQ(0, waiter_start(&waiter, self->importer, one_segment,
				  DMABUF_IMPORTER_BIDIRECTIONAL));
	ASSERT_TRUE(placement_becomes(self->exporter, self->fd, DMABUF_EXPORTER_DRAINING, 1));
	EXPECT_EQ(-EBUSY, prime_import(self->strict, self->fd, &strict));
	EXPECT_EQ(2, attachments_of(self->exporter, self->fd));
	EXPECT_EQ(0, handle_close(self->wide, handle));
	ASSERT_LT(0, waiter_finish(&waiter));
	EXPECT_EQ(0, prime_import(self->strict, self->fd, &strict));
	EXPECT_EQ(0, handle_close(self->strict, strict));
}

/* What may not move, or cannot */

/* proves: N5 */
TEST_F(drm_move, import_of_a_fixed_buffer_by_a_strict_device_is_refused)
{
	__u32 handle, strict;
	struct user user;
	int fd;

	if (self->wide == -ENOENT || self->strict == -ENOENT)
		SKIP(return, NO_DRIVER);
	fd = buffer_in_pieces(self->exporter, self->importer, self->soft, BUFFER_BYTES,
			      DMABUF_EXPORTER_FIXED, &user);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBUSY, prime_import(self->strict, fd, &strict));
	EXPECT_EQ(0, user_unmap(self->importer, &user));
	EXPECT_EQ(-EBUSY, prime_import(self->strict, fd, &strict));
	EXPECT_EQ(0, attachments_of(self->exporter, fd));
	EXPECT_EQ(0, prime_import(self->wide, fd, &handle));
	EXPECT_EQ(0, handle_close(self->wide, handle));
	close(fd);
}

/* proves: N5 */
TEST_F(drm_move, import_is_refused_where_no_storage_serves_the_device)
{
	__u32 handle;
	int fd;

	if (self->wide == -ENOENT || self->strict == -ENOENT)
		SKIP(return, NO_DRIVER);
	fd = buffer_export(self->exporter, BUFFER_BYTES, DMABUF_EXPORTER_SCATTER);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EOPNOTSUPP, prime_import(self->strict, fd, &handle));
	EXPECT_EQ(0, attachments_of(self->exporter, fd));
	close(fd);
}

/* proves: N6 */
TEST_F(drm_move, import_comes_too_late_for_a_buffer_without_late_attach)
{
	__u32 handle;
	struct user user;
	int fd;

	if (self->wide == -ENOENT || self->strict == -ENOENT)
		SKIP(return, NO_DRIVER);
	fd = buffer_export_flags(self->exporter, BUFFER_BYTES, DMABUF_EXPORTER_AUTO,
				 DMABUF_EXPORTER_NO_LATE_ATTACH, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, user_map(self->importer, fd, self->soft, DMABUF_IMPORTER_BIDIRECTIONAL,
			      &user));
	EXPECT_EQ(-EBUSY, prime_import(self->wide, fd, &handle));
	EXPECT_EQ(0, user_unmap(self->importer, &user));
	EXPECT_EQ(-EBUSY, prime_import(self->wide, fd, &handle));
	close(fd);
}

TEST_HARNESS_MAIN
