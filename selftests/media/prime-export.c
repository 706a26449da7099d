// SPDX-License-Identifier: GPL-2.0-only
/* Buffers that DRM drivers made are used by our importer like any other. */
#include "kms.h"

/* Five pages: an edu device takes its time for each. */
#define DUMB_WIDTH 64
#define DUMB_HEIGHT 80
#define DUMB_BYTES ((size_t)DUMB_WIDTH * DUMB_HEIGHT * 4)

#define NO_DEVICE_OR_ENGINE "this machine has no such device or engine"

/*
 * Buffers are the DRM driver's, so counters_back_to() does not see who holds it.
 * Return: -ENOENT if it is no module.
 */
static long long module_refs(const char *driver)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", driver);
	return file_number(path);
}

/* Return: the engine of this type that reaches furthest, or -ENOENT. */
static int engine_widest(int importer, __u32 type)
{
	struct dmabuf_importer_engine engine;
	__u64 mask = 0;
	int best = -ENOENT;
	__u32 i;

	for (i = 0; !engine_describe(importer, i, &engine); i++) {
		if (engine.type != type || engine.constraints.dma_mask <= mask)
			continue;
		mask = engine.constraints.dma_mask;
		best = i;
	}
	return best;
}

FIXTURE(dumb)
{
	int importer;
	int engine;
	int drm;
	struct dumb dumb;
	unsigned char *memory;
	int fd;
	unsigned char bytes[DUMB_BYTES];
	long long refs;
	struct counters before;
};

FIXTURE_VARIANT(dumb)
{
	const char *driver;
	__u32 type;
};

#define VARIANT(name, engine_name, driver_name, engine_type)		\
FIXTURE_VARIANT_ADD(dumb, of_ ## name ## _by_ ## engine_name)		\
{									\
	.driver = driver_name,						\
	.type = engine_type,						\
}

VARIANT(vgem, soft, "vgem", DMABUF_IMPORTER_SOFT);
VARIANT(vgem, edu, "vgem", DMABUF_IMPORTER_EDU);
VARIANT(cirrus, soft, "cirrus", DMABUF_IMPORTER_SOFT);
VARIANT(cirrus, edu, "cirrus", DMABUF_IMPORTER_EDU);
VARIANT(vkms, soft, "vkms", DMABUF_IMPORTER_SOFT);
VARIANT(vkms, edu, "vkms", DMABUF_IMPORTER_EDU);

FIXTURE_SETUP(dumb)
{
	ASSERT_EQ(0, counters_read(&self->before));
	self->refs = module_refs(variant->driver);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	self->fd = -1;
	self->engine = engine_widest(self->importer, variant->type);
	self->drm = drm_open(variant->driver);
	if (self->drm == -ENOENT || self->engine == -ENOENT)
		SKIP(return, NO_DEVICE_OR_ENGINE);
	ASSERT_LE(0, self->drm);
	ASSERT_EQ(0, dumb_create(self->drm, DUMB_WIDTH, DUMB_HEIGHT, &self->dumb));
	ASSERT_EQ(DUMB_BYTES, self->dumb.bytes);
	self->memory = dumb_mmap(self->drm, &self->dumb);
	ASSERT_NE(MAP_FAILED, self->memory);
	scribble(self->bytes, DUMB_BYTES, 4);
	memcpy(self->memory, self->bytes, DUMB_BYTES);
	self->fd = prime_export(self->drm, self->dumb.handle);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(dumb)
{
	if (self->memory && self->memory != MAP_FAILED)
		EXPECT_EQ(0, munmap(self->memory, DUMB_BYTES));
	if (self->fd >= 0)
		EXPECT_EQ(0, close(self->fd));
	if (self->drm >= 0)
		EXPECT_EQ(0, close(self->drm));
	if (self->importer >= 0)
		EXPECT_EQ(0, close(self->importer));
	EXPECT_TRUE(counters_back_to(&self->before));
	EXPECT_EQ(self->refs, module_refs(variant->driver));
}

/* proves: R1, R3, F4 */
TEST_F(dumb, engine_reads_what_the_cpu_wrote)
{
	struct user user;
	__u32 sum;

	if (self->drm < 0 || self->engine < 0)
		SKIP(return, NO_DEVICE_OR_ENGINE);
	ASSERT_EQ(0, user_map(self->importer, self->fd, self->engine, DMABUF_IMPORTER_TO_DEVICE,
			      &user));
	EXPECT_EQ(0, checksum(self->importer, user.mapping, 0, DUMB_BYTES, &sum));
	EXPECT_EQ(crc32(self->bytes, DUMB_BYTES), sum);
	EXPECT_EQ(-EACCES, fill(self->importer, user.mapping, 0, 8, 0));
	EXPECT_EQ(0, user_unmap(self->importer, &user));
}

/* proves: R1, R3, R4 */
TEST_F(dumb, cpu_reads_what_the_engine_wrote)
{
	struct user user;

	if (self->drm < 0 || self->engine < 0)
		SKIP(return, NO_DEVICE_OR_ENGINE);
	ASSERT_EQ(0, user_map(self->importer, self->fd, self->engine,
			      DMABUF_IMPORTER_FROM_DEVICE, &user));
	scribble(self->bytes, DUMB_BYTES, 5);
	EXPECT_EQ(0, copy_in(self->importer, user.mapping, 0, DUMB_BYTES, self->bytes));
	EXPECT_EQ(0, user_unmap(self->importer, &user));
	EXPECT_EQ(0, memcmp(self->memory, self->bytes, DUMB_BYTES));
}

/* proves: M1 */
TEST_F(dumb, segments_cover_the_whole_buffer)
{
	struct dmabuf_importer_segment part;
	struct user user;
	__u64 bytes = 0;
	__u32 i;

	if (self->drm < 0 || self->engine < 0)
		SKIP(return, NO_DEVICE_OR_ENGINE);
	ASSERT_EQ(0, user_map(self->importer, self->fd, self->engine,
			      DMABUF_IMPORTER_BIDIRECTIONAL, &user));
	for (i = 0; i < user.segments; i++) {
		ASSERT_EQ(0, segment(self->importer, user.mapping, i, &part));
		bytes += part.bytes;
	}
	EXPECT_EQ(DUMB_BYTES, bytes);
	EXPECT_EQ(0, user_unmap(self->importer, &user));
}

#define ATTACHMENTS 8

/* proves: A1, A5 */
TEST_F(dumb, there_is_one_wrapper_however_often_it_is_attached)
{
	struct dmabuf_importer_query query;
	struct user users[ATTACHMENTS];
	int fds[3], importers[2], i;
	struct view view;
	__u64 id = 0;

	if (self->drm < 0 || self->engine < 0)
		SKIP(return, NO_DEVICE_OR_ENGINE);
	importers[0] = self->importer;
	importers[1] = importer_open();
	ASSERT_LE(0, importers[1]);
	fds[0] = self->fd;
	fds[1] = dup(self->fd);
	fds[2] = prime_export(self->drm, self->dumb.handle);
	ASSERT_LE(0, fds[1]);
	ASSERT_LE(0, fds[2]);
	for (i = 0; i < ATTACHMENTS; i++) {
		ASSERT_EQ(0, user_map(importers[i % 2], fds[i % 3], self->engine,
				      DMABUF_IMPORTER_TO_DEVICE, &users[i]));
		ASSERT_EQ(0, attachment_query(importers[i % 2], users[i].attachment, &query));
		EXPECT_EQ(DUMB_BYTES, query.bytes);
		if (!i)
			id = query.buffer_id;
		EXPECT_EQ(id, query.buffer_id);
		EXPECT_EQ(self->before.listed + 1, buffers_listed());
	}
	ASSERT_EQ(0, view_debugfs(id, &view));
	EXPECT_EQ((long long)DUMB_BYTES, view.size);
	EXPECT_EQ(ATTACHMENTS, view.attachments);
	EXPECT_EQ(ATTACHMENTS, view.mappings);
	for (i = 0; i < ATTACHMENTS; i++)
		EXPECT_EQ(0, user_unmap(importers[i % 2], &users[i]));
	EXPECT_TRUE(buffers_come_to(self->before.listed));
	close(fds[1]);
	close(fds[2]);
	close(importers[1]);
}

/* proves: A1, P1 */
TEST_F(dumb, wrapper_comes_anew_after_it_has_gone)
{
	struct user user;
	int i;

	if (self->drm < 0 || self->engine < 0)
		SKIP(return, NO_DEVICE_OR_ENGINE);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, user_map(self->importer, self->fd, self->engine,
				      DMABUF_IMPORTER_TO_DEVICE, &user));
		EXPECT_EQ(self->before.listed + 1, buffers_listed());
		EXPECT_TRUE(device_reads(self->importer, user.mapping, self->bytes, DUMB_BYTES));
		EXPECT_EQ(0, user_unmap(self->importer, &user));
		EXPECT_TRUE(buffers_come_to(self->before.listed));
	}
}

/* proves: P1, D1 */
TEST_F(dumb, engine_reads_on_when_fd_handle_and_device_are_closed)
{
	struct user user;

	if (self->drm < 0 || self->engine < 0)
		SKIP(return, NO_DEVICE_OR_ENGINE);
	ASSERT_EQ(0, user_map(self->importer, self->fd, self->engine, DMABUF_IMPORTER_TO_DEVICE,
			      &user));
	EXPECT_EQ(0, munmap(self->memory, DUMB_BYTES));
	self->memory = NULL;
	EXPECT_EQ(0, close(self->fd));
	self->fd = -1;
	EXPECT_TRUE(device_reads(self->importer, user.mapping, self->bytes, DUMB_BYTES));
	EXPECT_EQ(0, handle_close(self->drm, self->dumb.handle));
	EXPECT_TRUE(device_reads(self->importer, user.mapping, self->bytes, DUMB_BYTES));
	EXPECT_EQ(0, close(self->drm));
	self->drm = -1;
	if (self->refs != -ENOENT)
		EXPECT_LT(self->refs, module_refs(variant->driver));
	EXPECT_TRUE(device_reads(self->importer, user.mapping, self->bytes, DUMB_BYTES));
	EXPECT_EQ(0, user_unmap(self->importer, &user));
}

/* Whose closes come in every order */

enum { FD, HANDLE, DEVICE, IMPORTER, HOLDERS };

FIXTURE(holders)
{
	long long refs;
	struct counters before;
};

FIXTURE_VARIANT(holders)
{
	const char *driver;
};

FIXTURE_VARIANT_ADD(holders, of_vgem)
{
	.driver = "vgem",
};

FIXTURE_VARIANT_ADD(holders, of_cirrus)
{
	.driver = "cirrus",
};

FIXTURE_VARIANT_ADD(holders, of_vkms)
{
	.driver = "vkms",
};

FIXTURE_SETUP(holders)
{
	ASSERT_EQ(0, counters_read(&self->before));
	self->refs = module_refs(variant->driver);
}

FIXTURE_TEARDOWN(holders)
{
	EXPECT_TRUE(counters_back_to(&self->before));
	EXPECT_EQ(self->refs, module_refs(variant->driver));
}

/* Return: 0, or -errno of the first step that fails. */
static int close_in_order(const char *driver, const int *order)
{
	unsigned char bytes[DUMB_BYTES];
	int drm = drm_open(driver), importer = importer_open(), fd, i, ret;
	bool importing = true;
	struct user user;
	struct dumb dumb = { 0 };
	void *memory;

	scribble(bytes, DUMB_BYTES, 6);
	ret = dumb_create(drm, DUMB_WIDTH, DUMB_HEIGHT, &dumb);
	if (ret)
		return ret;
	memory = dumb_mmap(drm, &dumb);
	fd = prime_export(drm, dumb.handle);
	if (fd < 0 || memory == MAP_FAILED)
		return -EIO;
	memcpy(memory, bytes, DUMB_BYTES);
	munmap(memory, DUMB_BYTES);
	ret = user_map(importer, fd, engine_find(importer, DMABUF_IMPORTER_SOFT, 0),
		       DMABUF_IMPORTER_TO_DEVICE, &user);
	for (i = 0; !ret && i < HOLDERS; i++) {
		switch (order[i]) {
		case FD:
			ret = close(fd);
			break;
		case HANDLE:
			/* May have gone with its device. */
			ret = handle_close(drm, dumb.handle);
			if (drm < 0 && ret == -EBADF)
				ret = 0;
			break;
		case DEVICE:
			ret = close(drm);
			drm = -1;
			break;
		case IMPORTER:
			/* Unmaps and detaches, too. */
			ret = close(importer);
			importing = false;
			break;
		}
		if (importing && !device_reads(importer, user.mapping, bytes, DUMB_BYTES))
			ret = -EIO;
	}
	return ret;
}

/* proves: P1 */
TEST_F(holders, close_in_any_order_and_nothing_is_left)
{
	int order[HOLDERS], code, i, j, ret;
	bool twice;

	ret = drm_open(variant->driver);
	if (ret == -ENOENT)
		SKIP(return, NO_DRIVER);
	ASSERT_LE(0, ret);
	close(ret);
	for (code = 0; code < 256; code++) {
		twice = false;
		for (i = 0; i < HOLDERS; i++) {
			order[i] = code >> 2 * i & 3;
			for (j = 0; j < i; j++)
				twice |= order[j] == order[i];
		}
		if (twice)
			continue;
		EXPECT_EQ(0, close_in_order(variant->driver, order)) {
			TH_LOG("order %d %d %d %d", order[0], order[1], order[2], order[3]);
		}
		ASSERT_TRUE(buffers_come_to(self->before.listed));
	}
}

/* Gets that race with closes */

#define THREADS 8
#define THREAD_BYTES (64UL * 64 * 4)

/**
 * struct getter - a thread that imports again and again
 * @drm: open file of its own
 * @shared: an fd that other threads import, too; -1: of a new buffer each time
 * @seed: of the bytes in its buffer
 * @rounds: to go
 * @error: first one
 * @thread: that does it
 */
struct getter {
	int drm;
	int shared;
	__u32 seed;
	unsigned int rounds;
	int error;
	pthread_t thread;
};

/* Makes a buffer with bytes in it, whose fd is all that is left. */
static int getter_buffer(struct getter *getter, const void *bytes)
{
	struct dumb dumb = { 0 };
	void *memory;
	int fd;

	if (dumb_create(getter->drm, 64, 64, &dumb) || dumb.bytes != THREAD_BYTES)
		return -EIO;
	memory = dumb_mmap(getter->drm, &dumb);
	fd = prime_export(getter->drm, dumb.handle);
	if (fd < 0 || memory == MAP_FAILED)
		return -EIO;
	memcpy(memory, bytes, THREAD_BYTES);
	munmap(memory, THREAD_BYTES);
	return handle_close(getter->drm, dumb.handle) ?: fd;
}

static int getter_round(struct getter *getter, int importer, const void *bytes)
{
	int fd = getter->shared < 0 ? getter_buffer(getter, bytes) : dup(getter->shared);
	struct user user;
	int ret;

	if (fd < 0)
		return -EIO;
	ret = user_map(importer, fd, engine_find(importer, DMABUF_IMPORTER_SOFT, 0),
		       DMABUF_IMPORTER_TO_DEVICE, &user);
	close(fd);
	if (ret)
		return ret;
	if (!device_reads(importer, user.mapping, bytes, THREAD_BYTES))
		return -EILSEQ;
	return user_unmap(importer, &user);
}

static void *getter_run(void *data)
{
	unsigned char bytes[THREAD_BYTES];
	struct getter *getter = data;
	int importer = importer_open();

	scribble(bytes, THREAD_BYTES, getter->seed);
	for (; getter->rounds && !getter->error; getter->rounds--)
		getter->error = getter_round(getter, importer, bytes);
	close(importer);
	return NULL;
}

/*
 * Half of the threads have one buffer in common, whose wrapper comes and goes; the
 * buffers of the others come and go themselves, so that addresses are used again.
 */
/* proves: A1, P1 */
TEST_F(holders, eight_threads_import_and_close_at_once)
{
	unsigned char bytes[THREAD_BYTES];
	struct getter getters[THREADS];
	int shared, i;

	getters[0] = (struct getter) { .drm = drm_open(variant->driver), .seed = 20 };
	if (getters[0].drm == -ENOENT)
		SKIP(return, NO_DRIVER);
	scribble(bytes, THREAD_BYTES, 20);
	shared = getter_buffer(&getters[0], bytes);
	ASSERT_LE(0, shared);
	close(getters[0].drm);
	for (i = 0; i < THREADS; i++) {
		getters[i] = (struct getter) {
			.drm = drm_open(variant->driver),
			.shared = i % 2 ? -1 : shared,
			.seed = i % 2 ? 20 + i : 20,
			.rounds = scaled(60),
		};
		ASSERT_LE(0, getters[i].drm);
		ASSERT_EQ(0, pthread_create(&getters[i].thread, NULL, getter_run, &getters[i]));
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(getters[i].thread, NULL);
		EXPECT_EQ(0, getters[i].error);
		EXPECT_EQ(0, getters[i].rounds);
		close(getters[i].drm);
	}
	close(shared);
	EXPECT_TRUE(buffers_come_to(self->before.listed));
}

TEST_HARNESS_MAIN
