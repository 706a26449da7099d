// SPDX-License-Identifier: GPL-2.0-only
/*
 * A camera of V4L2 that needs contiguous memory comes to a buffer that lies in
 * pieces.  The kernel's interface does not let its driver say what it needs, so
 * somebody else must: the core's parameter contiguous_devices.
 */
#include "kms.h"
#include "vivid-test.h"

#include <sys/sysmacros.h>
#include <sys/utsname.h>

#define PARAMETER "contiguous_devices"
#define WAIT "kernel_wait_ms"

FIXTURE(placement)
{
	int exporter, importer;
	struct vivid camera;
	int fd;
	unsigned char *window, *expected;
	char devices[256], wait[32];
	struct counters before;
};

FIXTURE_SETUP(placement)
{
	ASSERT_EQ(0, counters_read(&self->before));
	ASSERT_EQ(0, core_parameter_get(PARAMETER, self->devices, sizeof(self->devices)));
	ASSERT_EQ(0, core_parameter_get(WAIT, self->wait, sizeof(self->wait)));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	ASSERT_EQ(0, vivid_open_camera(&self->camera, vivid_instance(VIVID_CONTIG), 30));
	ASSERT_EQ(0, vivid_request(&self->camera, BUFFERS, V4L2_MEMORY_DMABUF));
	self->expected = malloc(self->camera.bytes);
	ASSERT_NE(NULL, self->expected);
	scribble(self->expected, self->camera.bytes, 17);
	self->window = NULL;
	self->fd = -1;
}

FIXTURE_TEARDOWN(placement)
{
	EXPECT_EQ(0, core_parameter_set(PARAMETER, self->devices));
	EXPECT_EQ(0, core_parameter_set(WAIT, self->wait));
	free(self->expected);
	EXPECT_EQ(0, close(self->camera.fd));
	if (self->window)
		EXPECT_EQ(0, munmap(self->window, self->camera.bytes));
	if (self->fd >= 0)
		EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* Makes a buffer that a page fault puts into scattered pages, and writes to it. */
static int export_in_pieces(FIXTURE_DATA(placement) *self, __u32 flags)
{
	struct dmabuf_exporter_placement placement;
	struct holes holes;
	int ret;

	self->fd = buffer_export_flags(self->exporter, self->camera.bytes, DMABUF_EXPORTER_AUTO,
				       flags, O_RDWR | O_CLOEXEC);
	if (self->fd < 0)
		return self->fd;
	self->window = buffer_mmap(self->exporter, self->fd, self->camera.bytes);
	if (self->window == MAP_FAILED)
		return -errno;
	ret = holes_punch(self->exporter, &holes);
	if (ret)
		return ret;
	memcpy(self->window, self->expected, self->camera.bytes);
	holes_fill(&holes);
	ret = placement_query(self->exporter, self->fd, &placement);
	return ret ?: placement.here.chunks > 1 ? 0 : -EDOM;
}

/* proves: A3, N5 */
TEST_F(placement, pieces_are_refused_by_the_camera_as_long_as_nobody_tells_of_it)
{
	struct dmabuf_exporter_placement placement;

	ASSERT_EQ(0, core_parameter_set(PARAMETER, ""));
	ASSERT_EQ(0, export_in_pieces(self, 0));
	/* We have let it attach and map: it is vb2 that looks at the result. */
	EXPECT_EQ(-EFAULT, vivid_queue(&self->camera, 0, self->fd));
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &placement));
	EXPECT_EQ(0, placement.moves);
	EXPECT_EQ(DMABUF_EXPORTER_BACKED, placement.state);
	EXPECT_EQ(0, attachments_of(self->exporter, self->fd));
	EXPECT_EQ(0, memcmp(self->window, self->expected, self->camera.bytes));
}

/* What the query tells of the move that the camera has asked for. */
static bool moved_for_camera(FIXTURE_DATA(placement) *self, __u32 chunks)
{
	struct dmabuf_exporter_placement placement;

	if (placement_query(self->exporter, self->fd, &placement))
		return false;
	if (placement.moves == 1 && placement.allocs == 2 && placement.here.chunks == 1 &&
	    placement.from.chunks == chunks && placement.move_bytes == self->camera.bytes &&
	    !strcmp(placement.move.device, VIVID_DEVICE) &&
	    placement.move.constraint == DMABUF_EXPORTER_CONSTRAINT_MAX_SEGS &&
	    placement.move.allowed == 1 && reason_is_none(&placement.refusal))
		return true;
	printf("# moves %llu, allocs %llu, chunks %u from %u, bytes %llu, for %s: %u, %llu\n",
	       placement.moves, placement.allocs, placement.here.chunks, placement.from.chunks,
	       placement.move_bytes, placement.move.device, placement.move.constraint,
	       placement.move.allowed);
	fflush(stdout);
	return false;
}

static __u32 chunks_of(FIXTURE_DATA(placement) *self)
{
	struct dmabuf_exporter_query query;

	return buffer_query(self->exporter, self->fd, &query) ? 0 : query.chunks;
}

/* proves: N3, N4, M2 */
TEST_F(placement, pieces_become_one_when_the_camera_comes_and_no_byte_is_lost)
{
	__u32 chunks;

	/* The same buffer, before and after. */
	ASSERT_EQ(0, core_parameter_set(PARAMETER, ""));
	ASSERT_EQ(0, export_in_pieces(self, 0));
	chunks = chunks_of(self);
	ASSERT_EQ(-EFAULT, vivid_queue(&self->camera, 0, self->fd));
	ASSERT_EQ(0, core_parameter_set(PARAMETER, VIVID_DEVICE));
	ASSERT_EQ(0, vivid_queue(&self->camera, 0, self->fd));
	EXPECT_TRUE(moved_for_camera(self, chunks));
	EXPECT_EQ(1, attachments_of(self->exporter, self->fd));
	/* The memory of before the move is that of after it. */
	EXPECT_EQ(0, memcmp(self->window, self->expected, self->camera.bytes));
	EXPECT_TRUE(fd_has(self->fd, self->expected, self->camera.bytes));
	ASSERT_EQ(0, vivid_release(&self->camera));
	EXPECT_EQ(1, chunks_of(self));
	EXPECT_EQ(0, memcmp(self->window, self->expected, self->camera.bytes));
}

/* proves: N4, M1 */
TEST_F(placement, camera_captures_into_what_has_moved_for_it)
{
	__u32 index, sequence, chunks;
	void *reference;

	ASSERT_EQ(0, vivid_release(&self->camera));
	reference = vivid_reference(&self->camera);
	ASSERT_NE(NULL, reference);
	ASSERT_EQ(0, vivid_request(&self->camera, BUFFERS, V4L2_MEMORY_DMABUF));
	ASSERT_EQ(0, core_parameter_set(PARAMETER, "dmabuf-nobody.0," VIVID_DEVICE));
	ASSERT_EQ(0, export_in_pieces(self, 0));
	chunks = chunks_of(self);
	ASSERT_EQ(0, vivid_queue(&self->camera, 0, self->fd));
	ASSERT_EQ(0, vivid_start(&self->camera));
	ASSERT_EQ(0, vivid_dequeue(&self->camera, &index, &sequence));
	ASSERT_EQ(0, vivid_stop(&self->camera));
	EXPECT_TRUE(moved_for_camera(self, chunks));
	EXPECT_EQ(0, memcmp(self->window, reference, self->camera.bytes));
	free(reference);
}

/* proves: N3, N4 */
TEST_F(placement, pieces_that_our_engine_wrote_become_one_when_it_has_unmapped)
{
	__u32 engine = engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0);
	const size_t bytes = self->camera.bytes;
	struct user user;

	ASSERT_EQ(0, core_parameter_set(PARAMETER, "*"));
	self->fd = buffer_in_pieces(self->exporter, self->importer, engine, bytes, 0, &user);
	ASSERT_LE(0, self->fd);
	ASSERT_LT(1, user.segments);
	ASSERT_EQ(0, copy_in(self->importer, user.mapping, 0, bytes, self->expected));
	ASSERT_EQ(0, unmap(self->importer, user.mapping));
	ASSERT_EQ(0, vivid_queue(&self->camera, 0, self->fd));
	EXPECT_TRUE(moved_for_camera(self, user.segments));
	/* Our engine is still attached, and finds its bytes in the new place. */
	EXPECT_EQ(2, attachments_of(self->exporter, self->fd));
	user.mapping = map_segments(self->importer, user.attachment, DMABUF_IMPORTER_TO_DEVICE,
				    &user.segments);
	ASSERT_LT(0, (int)user.mapping);
	EXPECT_EQ(1, user.segments);
	EXPECT_TRUE(device_reads(self->importer, user.mapping, self->expected, bytes));
	EXPECT_EQ(0, user_unmap(self->importer, &user));
}

/* proves: M2, N1 */
TEST_F(placement, camera_that_comes_first_is_given_contiguous_memory_at_once)
{
	struct dmabuf_exporter_placement placement;

	ASSERT_EQ(0, core_parameter_set(PARAMETER, VIVID_DEVICE));
	self->fd = buffer_export(self->exporter, self->camera.bytes, DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, self->fd);
	EXPECT_EQ(DMABUF_EXPORTER_EMPTY, placement_state(self->exporter, self->fd));
	ASSERT_EQ(0, vivid_queue(&self->camera, 0, self->fd));
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &placement));
	EXPECT_EQ(1, placement.allocs);
	EXPECT_EQ(0, placement.moves);
	EXPECT_EQ(1, placement.here.chunks);
}

/* A refusal leaves the buffer as it was, and says what it was for. */
static bool is_refused(FIXTURE_DATA(placement) *self, const char *device, int error)
{
	struct dmabuf_exporter_placement placement;

	if (placement_query(self->exporter, self->fd, &placement))
		return false;
	if (!placement.moves && !strcmp(placement.refusal.device, device) &&
	    placement.refusal.constraint == DMABUF_EXPORTER_CONSTRAINT_MAX_SEGS &&
	    placement.refusal.error == error && placement.refusal.allowed == 1 &&
	    placement.refusal.actual > 1 && !attachments_of(self->exporter, self->fd))
		return true;
	printf("# moves %llu, refused %s: %u, error %u, allowed %llu, actual %llu\n",
	       placement.moves, placement.refusal.device, placement.refusal.constraint,
	       placement.refusal.error, placement.refusal.allowed, placement.refusal.actual);
	fflush(stdout);
	return false;
}

/*
 * From 6.12 on V4L2 keeps its reference of a buffer for ever whose attach is refused.
 * There is no way to get it back, so the modules would never go again.
 */
static bool v4l2_loses_what_is_refused(void)
{
	unsigned int major, minor;
	struct utsname name;

	return uname(&name) || sscanf(name.release, "%u.%u", &major, &minor) != 2 ||
	       major > 6 || (major == 6 && minor >= 12);
}

#define LOSES "this kernel's V4L2 never lets go of a buffer whose attach was refused"

/* proves: A3, N5 */
TEST_F(placement, pieces_that_may_not_move_are_refused_to_the_camera)
{
	if (v4l2_loses_what_is_refused())
		SKIP(return, LOSES);
	ASSERT_EQ(0, core_parameter_set(PARAMETER, VIVID_DEVICE));
	ASSERT_EQ(0, export_in_pieces(self, DMABUF_EXPORTER_FIXED));
	EXPECT_EQ(-EBUSY, vivid_queue(&self->camera, 0, self->fd));
	EXPECT_TRUE(is_refused(self, VIVID_DEVICE, EBUSY));
	EXPECT_EQ(0, memcmp(self->window, self->expected, self->camera.bytes));
}

/* proves: N5 */
TEST_F(placement, memory_that_never_is_contiguous_is_refused_to_the_camera)
{
	if (v4l2_loses_what_is_refused())
		SKIP(return, LOSES);
	ASSERT_EQ(0, core_parameter_set(PARAMETER, VIVID_DEVICE));
	self->fd = buffer_export(self->exporter, self->camera.bytes, DMABUF_EXPORTER_SCATTER);
	ASSERT_LE(0, self->fd);
	EXPECT_EQ(-EOPNOTSUPP, vivid_queue(&self->camera, 0, self->fd));
	EXPECT_TRUE(is_refused(self, VIVID_DEVICE, EOPNOTSUPP));
	EXPECT_EQ(DMABUF_EXPORTER_EMPTY, placement_state(self->exporter, self->fd));
}

/* A display that somebody has named as one that needs contiguous memory. */
struct strict_display {
	int drm;
	char name[64];		/* of its device */
};

static int strict_display_open(struct strict_display *strict)
{
	struct display display;
	char path[64], target[256];
	struct stat stat;
	ssize_t n;
	int ret = display_open("cirrus", &display);

	if (ret)
		return ret;
	strict->drm = display.drm;
	if (fstat(display.drm, &stat))
		return -errno;
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/device", major(stat.st_rdev),
		 minor(stat.st_rdev));
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = 0;
	snprintf(strict->name, sizeof(strict->name), "%s", strrchr(target, '/') + 1);
	return core_parameter_set(PARAMETER, strict->name);
}

/* proves: A3, N5 */
TEST_F(placement, pieces_that_may_not_move_are_refused_to_a_display)
{
	struct strict_display strict;
	__u32 handle;

	ASSERT_EQ(0, strict_display_open(&strict));
	ASSERT_EQ(0, export_in_pieces(self, DMABUF_EXPORTER_FIXED));
	EXPECT_EQ(-EBUSY, prime_import(strict.drm, self->fd, &handle));
	EXPECT_TRUE(is_refused(self, strict.name, EBUSY));
	EXPECT_EQ(0, memcmp(self->window, self->expected, self->camera.bytes));
	/* The camera, of which nobody has said so, still looks for itself. */
	EXPECT_EQ(-EFAULT, vivid_queue(&self->camera, 0, self->fd));
	EXPECT_EQ(0, close(strict.drm));
}

/* proves: N5 */
TEST_F(placement, memory_that_never_is_contiguous_is_refused_to_a_display)
{
	struct strict_display strict;
	__u32 handle;

	ASSERT_EQ(0, strict_display_open(&strict));
	self->fd = buffer_export(self->exporter, self->camera.bytes, DMABUF_EXPORTER_SCATTER);
	ASSERT_LE(0, self->fd);
	EXPECT_EQ(-EOPNOTSUPP, prime_import(strict.drm, self->fd, &handle));
	EXPECT_TRUE(is_refused(self, strict.name, EOPNOTSUPP));
	EXPECT_EQ(0, close(strict.drm));
}

/* proves: N3, N4 */
TEST_F(placement, pieces_become_one_when_a_display_comes_and_the_camera_writes_there)
{
	struct dmabuf_exporter_placement placement;
	struct strict_display strict;
	__u32 handle;

	ASSERT_EQ(0, strict_display_open(&strict));
	ASSERT_EQ(0, export_in_pieces(self, 0));
	ASSERT_EQ(0, prime_import(strict.drm, self->fd, &handle));
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &placement));
	EXPECT_EQ(1, placement.moves);
	EXPECT_EQ(1, placement.here.chunks);
	EXPECT_STREQ(strict.name, placement.move.device);
	EXPECT_EQ(0, memcmp(self->window, self->expected, self->camera.bytes));
	/* Now that it is contiguous, the camera takes it, too. */
	EXPECT_EQ(0, vivid_queue(&self->camera, 0, self->fd));
	EXPECT_EQ(2, attachments_of(self->exporter, self->fd));
	EXPECT_EQ(0, handle_close(strict.drm, handle));
	EXPECT_EQ(0, close(strict.drm));
}

/* Whom the pieces that a device has mapped are refused to, and why; the device keeps them. */
static bool is_held(FIXTURE_DATA(placement) *self, int error)
{
	struct dmabuf_exporter_placement placement;

	return !placement_query(self->exporter, self->fd, &placement) && !placement.moves &&
	       placement.state == DMABUF_EXPORTER_MAPPED &&
	       !strcmp(placement.refusal.device, VIVID_DEVICE) &&
	       placement.refusal.error == error && !placement.waiting;
}

/* proves: N3 */
TEST_F(placement, camera_is_refused_at_once_while_a_display_holds_the_pieces)
{
	struct display display;
	__u32 handle, chunks;

	/* Far longer than the test may take: nobody waits. */
	ASSERT_EQ(0, core_parameter_set(WAIT, "1000000"));
	ASSERT_EQ(0, core_parameter_set(PARAMETER, VIVID_DEVICE));
	ASSERT_EQ(0, display_open("cirrus", &display));
	ASSERT_EQ(0, export_in_pieces(self, 0));
	chunks = chunks_of(self);
	ASSERT_EQ(0, prime_import(display.drm, self->fd, &handle));
	/* V4L2's own errno for any map that fails. */
	EXPECT_EQ(-EINVAL, vivid_queue(&self->camera, 0, self->fd));
	EXPECT_TRUE(is_held(self, EBUSY));
	EXPECT_EQ(1, attachments_of(self->exporter, self->fd));
	ASSERT_EQ(0, handle_close(display.drm, handle));
	EXPECT_EQ(0, vivid_queue(&self->camera, 0, self->fd));
	EXPECT_EQ(1, chunks_of(self));
	EXPECT_LT(1, chunks);
	EXPECT_EQ(0, memcmp(self->window, self->expected, self->camera.bytes));
	EXPECT_EQ(0, close(display.drm));
}

/* proves: N3 */
TEST_F(placement, camera_waits_for_our_engine_no_longer_than_it_may)
{
	__u32 engine = engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0);
	struct user user;

	ASSERT_EQ(0, core_parameter_set(WAIT, "100"));
	ASSERT_EQ(0, core_parameter_set(PARAMETER, VIVID_DEVICE));
	self->fd = buffer_in_pieces(self->exporter, self->importer, engine, self->camera.bytes, 0,
				    &user);
	ASSERT_LE(0, self->fd);
	EXPECT_EQ(-EINVAL, vivid_queue(&self->camera, 0, self->fd));
	EXPECT_TRUE(is_held(self, ETIMEDOUT));
	ASSERT_EQ(0, unmap(self->importer, user.mapping));
	EXPECT_EQ(0, vivid_queue(&self->camera, 0, self->fd));
	EXPECT_EQ(1, chunks_of(self));
}

static void *queue_run(void *data)
{
	FIXTURE_DATA(placement) *self = data;

	return (void *)(long)vivid_queue(&self->camera, 0, self->fd);
}

/* proves: N3, N4 */
TEST_F(placement, camera_waits_until_our_engine_has_unmapped)
{
	__u32 engine = engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0);
	struct user user;
	pthread_t thread;
	void *ret;

	ASSERT_EQ(0, core_parameter_set(WAIT, "100000"));
	ASSERT_EQ(0, core_parameter_set(PARAMETER, VIVID_DEVICE));
	self->fd = buffer_in_pieces(self->exporter, self->importer, engine, self->camera.bytes, 0,
				    &user);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, copy_in(self->importer, user.mapping, 0, self->camera.bytes,
			     self->expected));
	ASSERT_EQ(0, pthread_create(&thread, NULL, queue_run, self));
	EXPECT_TRUE(placement_becomes(self->exporter, self->fd, DMABUF_EXPORTER_DRAINING, 1));
	ASSERT_EQ(0, unmap(self->importer, user.mapping));
	ASSERT_EQ(0, pthread_join(thread, &ret));
	EXPECT_EQ(0, (long)ret);
	EXPECT_TRUE(moved_for_camera(self, user.segments));
	EXPECT_TRUE(fd_has(self->fd, self->expected, self->camera.bytes));
}

TEST_HARNESS_MAIN
