// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vmap on the placement layer is a user of the buffer as a device's mapping is: it takes
 * a turn, and the buffer does not move before its vunmap.  Driven through dmabuf-test-cpu.
 */
#include "cpu-ops-test.h"

/* As the policies of the core's placement.h. */
enum { ONE_WRITER = 4 };

/* What the exporter's storage does not serve once a device without limits has it. */
static const struct dmabuf_test_constraints low = {
	.dma_mask = (1ULL << 32) - 1, .seg_boundary = ~0ULL, .max_seg_size = ~0ULL,
	.max_segs = ~0U, .align = 1,
};

FIXTURE(vmap)
{
	struct ops_buffer at;
};

FIXTURE_VARIANT(vmap)
{
	bool native;
};

FIXTURE_VARIANT_ADD(vmap, kernel) { .native = false };
FIXTURE_VARIANT_ADD(vmap, native) { .native = true };

FIXTURE_SETUP(vmap)
{
	ASSERT_EQ(0, ops_open(&self->at, variant->native, true));
}

FIXTURE_TEARDOWN(vmap)
{
	ops_hold(&self->at, 0);
	ops_finish(_metadata, &self->at);
}

struct vmapper {
	pthread_t thread;
	struct ops_buffer *at;
	int vmap;
};

static void *vmapper_run(void *data)
{
	struct vmapper *vmapper = data;

	vmapper->vmap = cpu_vmap(vmapper->at->node, vmapper->at->fd);
	return NULL;
}

static int vmapper_start(struct vmapper *vmapper, struct ops_buffer *at)
{
	vmapper->at = at;
	return pthread_create(&vmapper->thread, NULL, vmapper_run, vmapper);
}

/* Return: what the vmap returned. */
static int vmapper_join(struct vmapper *vmapper)
{
	return pthread_join(vmapper->thread, NULL) ? -ESRCH : vmapper->vmap;
}

/* How many wait for a turn, as debugfs shows it, or -1. */
static int waiting(struct ops_buffer *at)
{
	struct dmabuf_test_identify id;
	char line[512];
	bool mine = false;
	long long found;
	int n = -1;
	FILE *file;

	if (buffer_identify(at->fd, &id))
		return -1;
	file = fopen(BUFFERS_FILE, "re");
	while (file && fgets(line, sizeof(line), file)) {
		char *at_waiting;

		if (sscanf(line, "buffer %lld:", &found) == 1)
			mine = found == (long long)id.id;
		if (!mine || strncmp(line, "  placement: ", 13))
			continue;
		at_waiting = strstr(line, " writers, ");
		if (at_waiting)
			sscanf(at_waiting, " writers, %d waiting", &n);
	}
	if (file)
		fclose(file);
	return n;
}

/* Attaches a device without limits and lets it write. Return: the attachment. */
static int used_by_a_device(struct ops_buffer *at, __u32 value)
{
	int attachment = test_attach(at->importer, at->fd, 0);
	int mapping;

	if (attachment < 0)
		return attachment;
	mapping = test_map(at->importer, attachment, FROM_THE_DEVICE);
	if (mapping < 0)
		return mapping;
	if (test_touch(at->importer, mapping, 1, value) != (long long)BYTES)
		return -EIO;
	return test_unmap(at->importer, mapping) ?: attachment;
}

/* proves: N1 */
TEST_F(vmap, takes_storage_if_there_is_none)
{
	struct ops_buffer *at = &self->at;
	int vmap;

	if (self->at.missing)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_EQ(0, ops_export_kind(at, HAS_ALL, 0));
	EXPECT_EQ(0, ops_state(at).live);
	vmap = cpu_vmap(at->node, at->fd);
	ASSERT_LT(0, vmap);
	EXPECT_STREQ("alloc1 vmap1", ops_log(at));
	EXPECT_EQ(0, cpu_vunmap(at->node, vmap));
	EXPECT_STREQ("vunmap1", ops_log(at));
	EXPECT_EQ(1, ops_state(at).live);
}

/* proves: N3, N4 */
TEST_F(vmap, holds_off_a_move_and_vunmap_lets_it_go_on)
{
	struct ops_buffer *at = &self->at;
	int lax, strict, vmap;
	struct mapper mapper;

	if (self->at.missing)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_EQ(0, ops_export_kind(at, HAS_ALL, 0));
	lax = used_by_a_device(at, 0x41);
	ASSERT_LT(0, lax);
	strict = test_attach_limited(at->importer, at->fd, 1, &low);
	ASSERT_LT(0, strict);
	vmap = cpu_vmap(at->node, at->fd);
	ASSERT_LT(0, vmap);
	EXPECT_STREQ("alloc1 map1 unmap1 vmap1", ops_log(at));

	EXPECT_EQ(-EAGAIN, test_map_timeout(at->importer, strict, TO_THE_DEVICE, 0));
	EXPECT_EQ(-ETIMEDOUT, test_map_timeout(at->importer, strict, TO_THE_DEVICE, 50));
	ASSERT_EQ(0, mapper_start(&mapper, at->importer, strict, TO_THE_DEVICE));
	ASSERT_TRUE(HOLDS_SOON(waiting(at) == 1));
	/* The address is good all the time. */
	EXPECT_EQ((long long)BYTES, cpu_touch(at->node, vmap, 0, BYTES, 0, 0x41));
	EXPECT_EQ((long long)BYTES, cpu_touch(at->node, vmap, 0, BYTES, 1, 0x42));
	EXPECT_EQ(0, ops_state(at).counts[MOVE_OP]);
	EXPECT_STREQ("", ops_log(at));

	EXPECT_EQ(0, cpu_vunmap(at->node, vmap));
	ASSERT_LT(0, mapper_join(&mapper));
	EXPECT_STREQ("vunmap1 alloc2 move1>2 free1 map2", ops_log(at));
	EXPECT_EQ((long long)BYTES, test_touch(at->importer, mapper.mapping, 0, 0x42));

	/* And the next one is of the new place. */
	vmap = cpu_vmap(at->node, at->fd);
	ASSERT_LT(0, vmap);
	EXPECT_STREQ("vmap2", ops_log(at));
	EXPECT_EQ((long long)BYTES, cpu_touch(at->node, vmap, 0, BYTES, 0, 0x42));
	EXPECT_EQ(0, cpu_vunmap(at->node, vmap));
	EXPECT_EQ(0, test_unmap(at->importer, mapper.mapping));
}

/* proves: N3 */
TEST_F(vmap, every_one_of_several_holds_off_a_move)
{
	struct ops_buffer *at = &self->at;
	int lax, strict, vmaps[2];
	struct mapper mapper;

	if (self->at.missing)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_EQ(0, ops_export_kind(at, HAS_ALL, 0));
	lax = used_by_a_device(at, 0x41);
	ASSERT_LT(0, lax);
	strict = test_attach_limited(at->importer, at->fd, 1, &low);
	ASSERT_LT(0, strict);
	vmaps[0] = cpu_vmap(at->node, at->fd);
	vmaps[1] = cpu_vmap(at->node, at->fd);
	ASSERT_LT(0, vmaps[0]);
	ASSERT_LT(0, vmaps[1]);
	ASSERT_EQ(0, mapper_start(&mapper, at->importer, strict, TO_THE_DEVICE));
	ASSERT_TRUE(HOLDS_SOON(waiting(at) == 1));
	EXPECT_EQ(0, cpu_vunmap(at->node, vmaps[0]));
	EXPECT_EQ(1, waiting(at));
	EXPECT_EQ(0, ops_state(at).counts[MOVE_OP]);
	EXPECT_EQ(0, cpu_vunmap(at->node, vmaps[1]));
	ASSERT_LT(0, mapper_join(&mapper));
	EXPECT_EQ(1, ops_state(at).counts[MOVE_OP]);
	EXPECT_EQ(0, test_unmap(at->importer, mapper.mapping));
}

/* proves: M3 */
TEST_F(vmap, is_no_obstacle_for_devices_that_the_storage_serves)
{
	struct ops_buffer *at = &self->at;
	int lax, mapping, vmap;

	if (self->at.missing)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_EQ(0, ops_export_kind(at, HAS_ALL, 0));
	lax = used_by_a_device(at, 0x41);
	ASSERT_LT(0, lax);
	vmap = cpu_vmap(at->node, at->fd);
	ASSERT_LT(0, vmap);
	mapping = test_map_timeout(at->importer, lax, BOTH_WAYS, 0);
	ASSERT_LT(0, mapping);
	EXPECT_EQ((long long)BYTES, test_touch(at->importer, mapping, 1, 0x43));
	EXPECT_EQ((long long)BYTES, cpu_touch(at->node, vmap, 0, BYTES, 0, 0x43));
	EXPECT_EQ(0, test_unmap(at->importer, mapping));
	EXPECT_EQ(0, cpu_vunmap(at->node, vmap));
}

/* proves: N4, N7 */
TEST_F(vmap, that_comes_during_a_move_gets_the_new_place)
{
	struct ops_buffer *at = &self->at;
	struct vmapper vmapper;
	struct mapper mapper;
	int lax, strict;

	if (self->at.missing)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_EQ(0, ops_export_kind(at, HAS_ALL, 0));
	lax = used_by_a_device(at, 0x44);
	ASSERT_LT(0, lax);
	strict = test_attach_limited(at->importer, at->fd, 1, &low);
	ASSERT_LT(0, strict);
	ASSERT_EQ(0, ops_hold(at, 1U << MOVE_OP));
	ASSERT_EQ(0, mapper_start(&mapper, at->importer, strict, TO_THE_DEVICE));
	ASSERT_TRUE(HOLDS_SOON(ops_state(at).held));
	ASSERT_EQ(0, vmapper_start(&vmapper, at));
	ASSERT_TRUE(HOLDS_SOON(waiting(at) == 1));
	EXPECT_EQ(0, ops_state(at).counts[VMAP_OP]);
	ASSERT_EQ(0, ops_hold(at, 0));
	ASSERT_LT(0, vmapper_join(&vmapper));
	ASSERT_LT(0, mapper_join(&mapper));
	EXPECT_EQ((long long)BYTES, cpu_touch(at->node, vmapper.vmap, 0, BYTES, 0, 0x44));
	EXPECT_EQ((long long)BYTES, cpu_touch(at->node, vmapper.vmap, 0, BYTES, 1, 0x45));
	EXPECT_EQ((long long)BYTES, test_touch(at->importer, mapper.mapping, 0, 0x45));
	EXPECT_EQ(0, cpu_vunmap(at->node, vmapper.vmap));
	EXPECT_EQ(0, test_unmap(at->importer, mapper.mapping));
	EXPECT_EQ(1, ops_state(at).live);
}

/* proves: M3 */
TEST_F(vmap, counts_as_a_writer)
{
	struct ops_buffer *at = &self->at;
	int attachment, reader, vmap;
	struct vmapper vmapper;

	if (self->at.missing)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_EQ(0, ops_export_kind(at, HAS_ALL, ONE_WRITER));
	attachment = test_attach(at->importer, at->fd, 0);
	ASSERT_LT(0, attachment);
	vmap = cpu_vmap(at->node, at->fd);
	ASSERT_LT(0, vmap);
	EXPECT_EQ(-EAGAIN, test_map_timeout(at->importer, attachment, TO_THE_DEVICE, 0));
	EXPECT_EQ(0, cpu_vunmap(at->node, vmap));

	reader = test_map_timeout(at->importer, attachment, TO_THE_DEVICE, 0);
	ASSERT_LT(0, reader);
	ASSERT_EQ(0, vmapper_start(&vmapper, at));
	ASSERT_TRUE(HOLDS_SOON(waiting(at) == 1));
	EXPECT_EQ(1, ops_state(at).counts[VMAP_OP]);
	EXPECT_EQ(0, test_unmap(at->importer, reader));
	ASSERT_LT(0, vmapper_join(&vmapper));
	EXPECT_EQ(2, ops_state(at).counts[VMAP_OP]);
	EXPECT_EQ(0, cpu_vunmap(at->node, vmapper.vmap));
}

/* A vmap in a child.  Return: its exit status: 0, or the errno. */
static pid_t vmap_in_child(struct ops_buffer *at)
{
	const struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	pid_t child = fork();
	int ret;

	if (child)
		return child;
	if (sigaction(SIGUSR1, &action, NULL))
		_exit(255);
	ret = cpu_vmap(at->node, at->fd);
	_exit(ret < 0 ? -ret : 0);
}

static void wait_is_ended_by(struct __test_metadata *_metadata, struct ops_buffer *at, int signal,
			     int expected_status)
{
	int attachment, reader, status, vmap;
	pid_t child;

	attachment = test_attach(at->importer, at->fd, 0);
	ASSERT_LT(0, attachment);
	reader = test_map(at->importer, attachment, TO_THE_DEVICE);
	ASSERT_LT(0, reader);
	child = vmap_in_child(at);
	ASSERT_LT(0, child);
	ASSERT_TRUE(HOLDS_SOON(waiting(at) == 1));
	ASSERT_EQ(0, kill(child, signal));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(expected_status, status);

	/* No trace. */
	EXPECT_EQ(0, waiting(at));
	EXPECT_EQ(0, ops_state(at).counts[VMAP_OP]);
	EXPECT_EQ(0, test_unmap(at->importer, reader));
	vmap = cpu_vmap(at->node, at->fd);
	ASSERT_LT(0, vmap);
	EXPECT_EQ(0, cpu_vunmap(at->node, vmap));
}

/* proves: M4 */
TEST_F(vmap, wait_is_ended_by_a_signal_with_eintr)
{
	if (self->at.missing)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_EQ(0, ops_export_kind(&self->at, HAS_ALL, ONE_WRITER));
	wait_is_ended_by(_metadata, &self->at, SIGUSR1, EINTR << 8);
}

/* proves: M4 */
TEST_F(vmap, wait_is_ended_by_a_kill)
{
	if (self->at.missing)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_EQ(0, ops_export_kind(&self->at, HAS_ALL, ONE_WRITER));
	wait_is_ended_by(_metadata, &self->at, SIGKILL, SIGKILL);
}

/* proves: N4 */
TEST_F(vmap, that_fails_is_not_in_the_way_of_a_move)
{
	struct ops_buffer *at = &self->at;
	int lax, strict, mapping;

	if (self->at.missing)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_EQ(0, ops_export_kind(at, HAS_ALL, 0));
	lax = used_by_a_device(at, 0x46);
	ASSERT_LT(0, lax);
	strict = test_attach_limited(at->importer, at->fd, 1, &low);
	ASSERT_LT(0, strict);
	ASSERT_EQ(0, ops_fail(at, VMAP_OP, -ENOMEM));
	EXPECT_EQ(-ENOMEM, cpu_vmap(at->node, at->fd));
	mapping = test_map_timeout(at->importer, strict, TO_THE_DEVICE, 0);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(1, ops_state(at).counts[MOVE_OP]);
	EXPECT_EQ((long long)BYTES, test_touch(at->importer, mapping, 0, 0x46));
	EXPECT_EQ(0, test_unmap(at->importer, mapping));
}

/* Page table entries that were made by the fd of the buffer, or by a driver's node. */
/* proves: N4, R4 */
TEST_F(vmap, mmap_by_fd_and_by_a_driver_follow_a_move)
{
	struct ops_buffer *at = &self->at;
	unsigned char *by_fd, *by_driver;
	int lax, strict, mapping;

	if (self->at.missing)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_EQ(0, ops_export_kind(at, HAS_ALL, 0));
	by_fd = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, at->fd, 0);
	ASSERT_NE(MAP_FAILED, by_fd);
	ASSERT_EQ(0, cpu_mmap_shows(at->node, at->fd, 1));
	by_driver = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, at->node, 0);
	ASSERT_NE(MAP_FAILED, by_driver);
	ASSERT_EQ(0, cpu_mmap_shows(at->node, -1, 0));
	lax = used_by_a_device(at, 0x47);
	ASSERT_LT(0, lax);
	EXPECT_TRUE(all_bytes_are(by_fd, BYTES, 0x47));
	EXPECT_TRUE(all_bytes_are(by_driver, page_size(), 0x47));

	strict = test_attach_limited(at->importer, at->fd, 1, &low);
	ASSERT_LT(0, strict);
	mapping = test_map(at->importer, strict, BOTH_WAYS);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(1, ops_state(at).counts[MOVE_OP]);
	/* What is freed is full of something else. */
	EXPECT_TRUE(all_bytes_are(by_fd, BYTES, 0x47));
	EXPECT_TRUE(all_bytes_are(by_driver, page_size(), 0x47));
	by_fd[0] = 0x48;
	by_driver[0] = 0x48;
	EXPECT_EQ(2, test_touch(at->importer, mapping, 0, 0x48));
	EXPECT_EQ((long long)BYTES, test_touch(at->importer, mapping, 1, 0x49));
	EXPECT_TRUE(all_bytes_are(by_fd, BYTES, 0x49));
	EXPECT_TRUE(all_bytes_are(by_driver, page_size(), 0x49));
	EXPECT_EQ(0, test_unmap(at->importer, mapping));
	munmap(by_fd, BYTES);
	munmap(by_driver, page_size());
}

static const char *const needed_modules[] = { "dmabuf-test-ops", "dmabuf-test-cpu", NULL };

#include "test-modules-main.h"
