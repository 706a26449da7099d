// SPDX-License-Identifier: GPL-2.0-only
/* DRM drivers import our buffers: a handle attaches and maps, and closing it ends that. */
#include "kms.h"

#include <sys/wait.h>

#define BUFFER_BYTES (20UL * 1024)

FIXTURE(import)
{
	int exporter;
	int importer;
	__u32 soft;
	int drm;
	char device[64];
	int fd;
	unsigned char bytes[BUFFER_BYTES];
	struct counters before;
};

FIXTURE_VARIANT(import)
{
	const char *driver;
	__u32 backing;
};

#define VARIANT(name, backing_name, driver_name, backing_type)		\
FIXTURE_VARIANT_ADD(import, name ## _ ## backing_name)			\
{									\
	.driver = driver_name,						\
	.backing = backing_type,					\
}

VARIANT(vgem, auto, "vgem", DMABUF_EXPORTER_AUTO);
VARIANT(vgem, cma, "vgem", DMABUF_EXPORTER_CMA);
VARIANT(vgem, contiguous, "vgem", DMABUF_EXPORTER_CONTIG);
VARIANT(vgem, scattered, "vgem", DMABUF_EXPORTER_SCATTER);
VARIANT(cirrus, auto, "cirrus", DMABUF_EXPORTER_AUTO);
VARIANT(cirrus, cma, "cirrus", DMABUF_EXPORTER_CMA);
VARIANT(cirrus, contiguous, "cirrus", DMABUF_EXPORTER_CONTIG);
VARIANT(cirrus, scattered, "cirrus", DMABUF_EXPORTER_SCATTER);
VARIANT(vkms, auto, "vkms", DMABUF_EXPORTER_AUTO);
VARIANT(vkms, cma, "vkms", DMABUF_EXPORTER_CMA);
VARIANT(vkms, contiguous, "vkms", DMABUF_EXPORTER_CONTIG);
VARIANT(vkms, scattered, "vkms", DMABUF_EXPORTER_SCATTER);

FIXTURE_SETUP(import)
{
	int soft;

	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	soft = engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0);
	ASSERT_LE(0, soft);
	self->soft = soft;
	self->drm = drm_open(variant->driver);
	if (self->drm == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_LE(0, self->drm);
	ASSERT_EQ(0, drm_device_name(self->drm, self->device, sizeof(self->device)));
	self->fd = buffer_export(self->exporter, BUFFER_BYTES, variant->backing);
	ASSERT_LE(0, self->fd);
	scribble(self->bytes, BUFFER_BYTES, 1);
	ASSERT_EQ(0, fd_write(self->fd, 0, self->bytes, BUFFER_BYTES));
}

FIXTURE_TEARDOWN(import)
{
	if (self->fd > 0)
		close(self->fd);
	if (self->drm >= 0)
		EXPECT_EQ(0, close(self->drm));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* proves: F4, R1 */
TEST_F(import, handle_is_an_attachment_of_that_device_with_a_mapping)
{
	struct view view;
	__u32 handle;

	if (self->drm < 0)
		SKIP(return, NO_DRIVER);
	ASSERT_EQ(0, attachments_of(self->exporter, self->fd));
	ASSERT_EQ(0, prime_import(self->drm, self->fd, &handle));
	EXPECT_NE(0, handle);
	EXPECT_EQ(1, attachments_of(self->exporter, self->fd));
	EXPECT_EQ(1, mappings_of(self->exporter, self->fd));
	ASSERT_EQ(0, view_debugfs(buffer_id(self->exporter, self->fd), &view));
	ASSERT_EQ(1, view.attachment_lines);
	EXPECT_STREQ(self->device, view.devices[0]);
	EXPECT_EQ(1, view.mapping_lines);

	EXPECT_EQ(0, handle_close(self->drm, handle));
	EXPECT_EQ(0, mappings_of(self->exporter, self->fd));
	EXPECT_EQ(0, attachments_of(self->exporter, self->fd));
}

/* proves: A5 */
TEST_F(import, second_import_gives_the_same_handle_and_attaches_once)
{
	__u32 handle, again, other;
	int copy;

	if (self->drm < 0)
		SKIP(return, NO_DRIVER);
	copy = dup(self->fd);
	ASSERT_LE(0, copy);
	ASSERT_EQ(0, prime_import(self->drm, self->fd, &handle));
	EXPECT_EQ(0, prime_import(self->drm, self->fd, &again));
	EXPECT_EQ(0, prime_import(self->drm, copy, &other));
	EXPECT_EQ(handle, again);
	EXPECT_EQ(handle, other);
	EXPECT_EQ(1, attachments_of(self->exporter, self->fd));
	EXPECT_EQ(1, mappings_of(self->exporter, self->fd));
	close(copy);
	EXPECT_EQ(0, handle_close(self->drm, handle));
	EXPECT_EQ(-EINVAL, handle_close(self->drm, handle));
	EXPECT_EQ(0, mappings_of(self->exporter, self->fd));
}

/* proves: F3 */
TEST_F(import, handle_gives_the_same_buffer_back_when_all_fds_are_closed)
{
	long long id = buffer_id(self->exporter, self->fd);
	__u32 handle;

	if (self->drm < 0)
		SKIP(return, NO_DRIVER);
	ASSERT_LT(0, id);
	ASSERT_EQ(0, prime_import(self->drm, self->fd, &handle));
	ASSERT_EQ(0, close(self->fd));
	self->fd = prime_export(self->drm, handle);
	ASSERT_LE(0, self->fd);
	EXPECT_EQ(id, buffer_id(self->exporter, self->fd));
	EXPECT_EQ(1, attachments_of(self->exporter, self->fd));
	EXPECT_TRUE(fd_has(self->fd, self->bytes, BUFFER_BYTES));
	EXPECT_EQ(0, handle_close(self->drm, handle));
}

/* proves: P1 */
TEST_F(import, handle_alone_keeps_the_buffer)
{
	struct counters now;
	__u32 handle;

	if (self->drm < 0)
		SKIP(return, NO_DRIVER);
	ASSERT_EQ(0, prime_import(self->drm, self->fd, &handle));
	ASSERT_EQ(0, close(self->fd));
	self->fd = -1;
	ASSERT_EQ(0, counters_read(&now));
	EXPECT_EQ(self->before.buffers + 1, now.buffers);
	EXPECT_EQ(self->before.listed + 1, now.listed);
	EXPECT_LT(self->before.backed_bytes, now.backed_bytes);
	EXPECT_EQ(0, handle_close(self->drm, handle));
	EXPECT_TRUE(buffers_come_to(self->before.listed));
}

/* proves: P1, D1 */
TEST_F(import, close_of_the_device_ends_what_its_handles_held)
{
	__u32 handle;

	if (self->drm < 0)
		SKIP(return, NO_DRIVER);
	ASSERT_EQ(0, prime_import(self->drm, self->fd, &handle));
	EXPECT_EQ(0, close(self->drm));
	self->drm = -1;
	EXPECT_EQ(0, mappings_of(self->exporter, self->fd));
	EXPECT_EQ(0, attachments_of(self->exporter, self->fd));
}

/* proves: P1, D1 */
TEST_F(import, kill_of_the_process_ends_what_its_handles_held)
{
	__u32 handle;
	int ready[2], status;
	char byte = 0;
	pid_t pid;

	if (self->drm < 0)
		SKIP(return, NO_DRIVER);
	/* An open file of its own, which dies with the process. */
	close(self->drm);
	self->drm = -1;
	ASSERT_EQ(0, pipe(ready));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		int drm = drm_open(variant->driver);

		byte = !prime_import(drm, self->fd, &handle);
		if (write(ready[1], &byte, 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	EXPECT_EQ(1, byte);
	EXPECT_EQ(1, mappings_of(self->exporter, self->fd));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(0, mappings_of(self->exporter, self->fd));
	EXPECT_EQ(0, attachments_of(self->exporter, self->fd));
}

/* proves: M3 */
TEST_F(import, engine_works_on_the_buffer_meanwhile)
{
	unsigned char *other = malloc(BUFFER_BYTES);
	struct user user;
	__u32 handle, sum;

	if (self->drm < 0)
		SKIP(return, NO_DRIVER);
	ASSERT_NE(NULL, other);
	ASSERT_EQ(0, prime_import(self->drm, self->fd, &handle));
	ASSERT_EQ(0, user_map(self->importer, self->fd, self->soft,
			      DMABUF_IMPORTER_BIDIRECTIONAL, &user));
	EXPECT_EQ(2, mappings_of(self->exporter, self->fd));
	EXPECT_EQ(0, checksum(self->importer, user.mapping, 0, BUFFER_BYTES, &sum));
	EXPECT_EQ(crc32(self->bytes, BUFFER_BYTES), sum);
	scribble(other, BUFFER_BYTES, 2);
	EXPECT_EQ(0, copy_in(self->importer, user.mapping, 0, BUFFER_BYTES, other));
	/* The handle closes while the engine has it mapped. */
	EXPECT_EQ(0, handle_close(self->drm, handle));
	EXPECT_EQ(1, mappings_of(self->exporter, self->fd));
	EXPECT_TRUE(device_reads(self->importer, user.mapping, other, BUFFER_BYTES));
	EXPECT_EQ(0, user_unmap(self->importer, &user));
	EXPECT_TRUE(fd_has(self->fd, other, BUFFER_BYTES));
	free(other);
}

/* A native file is no dma-buf to anybody else. */
TEST_F(import, native_file_is_refused)
{
	struct dmabuf_exporter_query query;
	__u32 handle;
	int native;

	if (self->drm < 0)
		SKIP(return, NO_DRIVER);
	native = buffer_export_flags(self->exporter, BUFFER_BYTES, variant->backing,
				     DMABUF_EXPORTER_NATIVE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, native);
	ASSERT_EQ(0, buffer_query(self->exporter, native, &query));
	EXPECT_EQ(0, query.flags & DMABUF_EXPORTER_QUERY_KERNEL);
	EXPECT_EQ(-EINVAL, prime_import(self->drm, native, &handle));
	EXPECT_EQ(0, attachments_of(self->exporter, native));
	close(native);

	ASSERT_EQ(0, buffer_query(self->exporter, self->fd, &query));
	EXPECT_EQ(DMABUF_EXPORTER_QUERY_KERNEL, query.flags);
}

/* One buffer, and two devices at once */

FIXTURE(devices)
{
	int exporter;
	int importer;
	__u32 soft;
	int one;
	int two;
	int fd;
	struct user user;
	unsigned char bytes[BUFFER_BYTES];
	struct counters before;
};

FIXTURE_VARIANT(devices)
{
	const char *one;
	const char *two;
};

FIXTURE_VARIANT_ADD(devices, vgem_and_cirrus)
{
	.one = "vgem",
	.two = "cirrus",
};

FIXTURE_VARIANT_ADD(devices, cirrus_and_vkms)
{
	.one = "cirrus",
	.two = "vkms",
};

FIXTURE_VARIANT_ADD(devices, vkms_and_vgem)
{
	.one = "vkms",
	.two = "vgem",
};

FIXTURE_SETUP(devices)
{
	int soft;

	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	soft = engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0);
	ASSERT_LE(0, soft);
	self->soft = soft;
	self->one = drm_open(variant->one);
	self->two = drm_open(variant->two);
	self->fd = buffer_export(self->exporter, BUFFER_BYTES, DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, self->fd);
	scribble(self->bytes, BUFFER_BYTES, 3);
	ASSERT_EQ(0, user_map(self->importer, self->fd, self->soft,
			      DMABUF_IMPORTER_BIDIRECTIONAL, &self->user));
	ASSERT_EQ(0, copy_in(self->importer, self->user.mapping, 0, BUFFER_BYTES, self->bytes));
}

FIXTURE_TEARDOWN(devices)
{
	close(self->fd);
	if (self->one >= 0)
		close(self->one);
	if (self->two >= 0)
		close(self->two);
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* proves: M3, A5 */
TEST_F(devices, each_has_a_mapping_of_its_own_and_ends_it_alone)
{
	__u32 one, two;

	if (self->one == -ENOENT || self->two == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_EQ(0, prime_import(self->one, self->fd, &one));
	ASSERT_EQ(0, prime_import(self->two, self->fd, &two));
	EXPECT_EQ(3, attachments_of(self->exporter, self->fd));
	EXPECT_EQ(3, mappings_of(self->exporter, self->fd));
	EXPECT_TRUE(device_reads(self->importer, self->user.mapping, self->bytes, BUFFER_BYTES));
	EXPECT_EQ(0, handle_close(self->one, one));
	EXPECT_EQ(2, mappings_of(self->exporter, self->fd));
	EXPECT_TRUE(device_reads(self->importer, self->user.mapping, self->bytes, BUFFER_BYTES));
	EXPECT_EQ(0, user_unmap(self->importer, &self->user));
	EXPECT_EQ(1, mappings_of(self->exporter, self->fd));
	EXPECT_EQ(0, handle_close(self->two, two));
	EXPECT_EQ(0, mappings_of(self->exporter, self->fd));
	EXPECT_EQ(0, attachments_of(self->exporter, self->fd));
	EXPECT_TRUE(fd_has(self->fd, self->bytes, BUFFER_BYTES));
}

/* proves: F4 */
TEST_F(devices, fd_that_one_hands_out_is_imported_by_the_other)
{
	__u32 one, two;
	int fd;

	if (self->one == -ENOENT || self->two == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_EQ(0, prime_import(self->one, self->fd, &one));
	fd = prime_export(self->one, one);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, handle_close(self->one, one));
	ASSERT_EQ(0, prime_import(self->two, fd, &two));
	EXPECT_EQ(buffer_id(self->exporter, self->fd), buffer_id(self->exporter, fd));
	EXPECT_EQ(2, mappings_of(self->exporter, self->fd));
	close(fd);
	EXPECT_EQ(0, handle_close(self->two, two));
	EXPECT_EQ(1, mappings_of(self->exporter, self->fd));
}

/* Imports and closes until it is told to stop. */
struct importing {
	int drm;
	int fd;
	atomic_bool *stop;
	unsigned int rounds;
	int error;
	pthread_t thread;
};

static void *importing_run(void *data)
{
	struct importing *importing = data;
	__u32 handle;

	while (!atomic_load(importing->stop) && !importing->error) {
		importing->error = prime_import(importing->drm, importing->fd, &handle);
		if (!importing->error)
			importing->error = handle_close(importing->drm, handle);
		importing->rounds++;
	}
	return NULL;
}

/* proves: A5, M3 */
TEST_F(devices, import_and_close_race_and_leave_nothing)
{
	struct importing importing[2] = { { .drm = self->one }, { .drm = self->two } };
	atomic_bool stop = false;
	unsigned int i;

	if (self->one == -ENOENT || self->two == -ENOENT)
		SKIP(return, NO_DRIVER);
	for (i = 0; i < ARRAY_SIZE(importing); i++) {
		importing[i].fd = self->fd;
		importing[i].stop = &stop;
		ASSERT_EQ(0, pthread_create(&importing[i].thread, NULL, importing_run,
					    &importing[i]));
	}
	for (i = 0; i < scaled(200); i++) {
		EXPECT_EQ(0, user_unmap(self->importer, &self->user));
		ASSERT_EQ(0, user_map(self->importer, self->fd, self->soft,
				      DMABUF_IMPORTER_BIDIRECTIONAL, &self->user));
	}
	sleep_ms(200);
	atomic_store(&stop, true);
	for (i = 0; i < ARRAY_SIZE(importing); i++) {
		pthread_join(importing[i].thread, NULL);
		EXPECT_EQ(0, importing[i].error);
		EXPECT_LT(0, importing[i].rounds);
	}
	EXPECT_EQ(1, attachments_of(self->exporter, self->fd));
	EXPECT_EQ(1, mappings_of(self->exporter, self->fd));
	EXPECT_TRUE(device_reads(self->importer, self->user.mapping, self->bytes, BUFFER_BYTES));
}

TEST_HARNESS_MAIN
