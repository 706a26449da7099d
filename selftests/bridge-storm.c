// SPDX-License-Identifier: GPL-2.0-only
/*
 * Eight threads at once: on dma-bufs of another exporter whose fds come and go, and on one
 * buffer of ours that importers of both kinds attach, map, move and leave.
 */
#include "bridge-test.h"

#define BYTES (8 * 4096)
#define THREADS 8
#define SLOTS 3

FIXTURE(bridge_storm)
{
	int importer, node;
	__u32 soft;
	struct core_parameters parameters;
	struct counters before;
	struct remains remains;
};

FIXTURE_SETUP(bridge_storm)
{
	int soft;

	ASSERT_EQ(0, core_parameters_begin(&self->parameters));
	ASSERT_EQ(0, counters_read(&self->before));
	self->remains = remains_of(BRIDGE_MODULE);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	self->node = bridge_open();
	ASSERT_LE(0, self->node);
	soft = engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0);
	ASSERT_LE(0, soft);
	self->soft = soft;
}

FIXTURE_TEARDOWN(bridge_storm)
{
	EXPECT_EQ(0, close(self->node));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_TRUE(counters_back_to(&self->before));
	EXPECT_TRUE(remains_are(BRIDGE_MODULE, &self->remains));
	EXPECT_EQ(0, core_parameters_end(&self->parameters));
}

/* One of eight; what went wrong, and where. */
struct thread {
	int importer;
	__u32 soft;
	int node;
	unsigned int number;
	unsigned int rounds;
	atomic_int *slots;		/* fds that all of them know */
	int fd;				/* the buffer of ours */
	__u32 device;			/* of the kernel importer */
	__u32 random;
	unsigned int used;		/* rounds in which it had the buffer mapped */
	const char *call;
	long long error;
	pthread_t thread;
};

static __u32 thread_random(struct thread *thread, __u32 below)
{
	thread->random = thread->random * 1664525 + 1013904223;
	return (thread->random >> 8) % below;
}

static void *thread_failed(struct thread *thread, const char *call, long long error)
{
	thread->call = call;
	thread->error = error;
	return NULL;
}

/* Return: 0 if each has come to its end without an error. */
static int threads_run(struct thread *threads, void *(*run)(void *data))
{
	int failed = 0, i;

	for (i = 0; i < THREADS; i++) {
		threads[i].number = i;
		threads[i].random = 61 + i;
		if (pthread_create(&threads[i].thread, NULL, run, &threads[i]))
			return -1;
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i].thread, NULL);
		if (!threads[i].call)
			continue;
		note("thread %d: %s: %lld\n", i, threads[i].call, threads[i].error);
		failed++;
	}
	return failed;
}

/* Another dma-buf in the place of one, of which somebody may be using the fd. */
static int slot_renew(struct thread *thread, atomic_int *slot)
{
	int fd = bridge_export(thread->node, BYTES, 0, NULL);

	return fd < 0 ? fd : close(atomic_exchange(slot, fd));
}

/* The fd of a slot may be closed just now: that is no error. */
static void *import_foreign(void *data)
{
	struct thread *thread = data;
	long long attachment, mapping;
	unsigned int round;
	int ret;

	for (round = 0; round < thread->rounds; round++) {
		atomic_int *slot = &thread->slots[thread_random(thread, SLOTS)];

		if (!thread_random(thread, 4)) {
			ret = slot_renew(thread, slot);
			if (ret)
				return thread_failed(thread, "export", ret);
		}
		attachment = attach(thread->importer, atomic_load(slot), thread->soft);
		if (attachment == -EBADF)
			continue;
		if (attachment < 0)
			return thread_failed(thread, "attach", attachment);
		if (thread_random(thread, 2)) {
			mapping = map(thread->importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
			if (mapping < 0)
				return thread_failed(thread, "map", mapping);
			thread->used++;
			ret = unmap(thread->importer, mapping);
			if (ret)
				return thread_failed(thread, "unmap", ret);
		}
		ret = detach(thread->importer, attachment);
		if (ret)
			return thread_failed(thread, "detach", ret);
	}
	return NULL;
}

/* proves: A1, A5, P1 */
TEST_F(bridge_storm, dma_bufs_of_others_are_released_once_whoever_has_them_last)
{
	struct thread threads[THREADS] = {};
	struct dmabuf_test_counts first, last;
	__u32 exported_first, exported_last;
	atomic_int slots[SLOTS];
	unsigned int used = 0;
	int i;

	first = bridge_counts(self->node, 0, &exported_first);
	for (i = 0; i < SLOTS; i++) {
		slots[i] = bridge_export(self->node, BYTES, 0, NULL);
		ASSERT_LE(0, atomic_load(&slots[i]));
	}
	for (i = 0; i < THREADS; i++)
		threads[i] = (struct thread) {
			.importer = self->importer, .soft = self->soft, .node = self->node,
			.rounds = scaled(1500), .slots = slots,
		};
	EXPECT_EQ(0, threads_run(threads, import_foreign));
	for (i = 0; i < SLOTS; i++)
		EXPECT_EQ(0, close(slots[i]));
	for (i = 0; i < THREADS; i++)
		used += threads[i].used;
	EXPECT_TRUE(HOLDS_SOON(buffers_listed() == self->before.listed));

	last = bridge_counts(self->node, 0, &exported_last);
	note("%u dma-bufs, %u attachments, %u mappings\n", exported_last - exported_first,
	     last.attach - first.attach, last.map - first.map);
	EXPECT_LT(SLOTS, exported_last - exported_first);
	EXPECT_EQ(exported_last - exported_first, last.release - first.release);
	EXPECT_EQ(last.attach - first.attach, last.detach - first.detach);
	EXPECT_EQ(used, last.map - first.map);
	EXPECT_EQ(used, last.unmap - first.unmap);
}

static void *import_one(void *data)
{
	struct thread *thread = data;
	unsigned int round;
	int ret;

	for (round = 0; round < thread->rounds; round++) {
		long long attachment = attach(thread->importer, thread->slots[0], thread->soft);

		if (attachment < 0)
			return thread_failed(thread, "attach", attachment);
		thread->used++;
		ret = detach(thread->importer, attachment);
		if (ret)
			return thread_failed(thread, "detach", ret);
	}
	return NULL;
}

/* Whoever is the first to come, and the last to leave, they meet in one wrapper. */
/* proves: A1, A5, P1 */
TEST_F(bridge_storm, dma_buf_of_others_comes_and_goes_as_a_buffer)
{
	struct thread threads[THREADS] = {};
	struct dmabuf_test_counts counts;
	unsigned int used = 0;
	atomic_int slots[1];
	__u32 buffer;
	int i;

	slots[0] = bridge_export(self->node, BYTES, 0, &buffer);
	ASSERT_LE(0, atomic_load(&slots[0]));
	for (i = 0; i < THREADS; i++)
		threads[i] = (struct thread) {
			.importer = self->importer, .soft = self->soft, .node = self->node,
			.rounds = scaled(1500), .slots = slots,
		};
	EXPECT_EQ(0, threads_run(threads, import_one));
	for (i = 0; i < THREADS; i++)
		used += threads[i].used;
	EXPECT_TRUE(HOLDS_SOON(buffers_listed() == self->before.listed));
	counts = bridge_counts(self->node, buffer, NULL);
	EXPECT_EQ(used, counts.attach);
	EXPECT_EQ(used, counts.detach);
	EXPECT_EQ(0, counts.release);
	EXPECT_EQ(0, close(slots[0]));
	EXPECT_TRUE(HOLDS_SOON(bridge_counts(self->node, buffer, NULL).release == 1));
}

/* A kernel importer that has to wait for another one is told so, and comes again. */
static void *kernel_import_ours(struct thread *thread)
{
	unsigned int round;
	int ret;

	for (round = 0; round < thread->rounds; round++) {
		__u32 flags = thread_random(thread, 2) ? LOCKED : 0;
		long long attachment, mapping;

		attachment = bridge_attach(thread->node, thread->fd, thread->device);
		if (attachment < 0)
			return thread_failed(thread, "kernel attach", attachment);
		mapping = bridge_map(thread->node, attachment, thread_random(thread, 3), flags);
		if (mapping < 0 && mapping != -EBUSY)
			return thread_failed(thread, "kernel map", mapping);
		if (mapping > 0) {
			thread->used++;
			ret = bridge_unmap(thread->node, mapping, flags);
			if (ret)
				return thread_failed(thread, "kernel unmap", ret);
		}
		ret = bridge_detach(thread->node, attachment);
		if (ret)
			return thread_failed(thread, "kernel detach", ret);
	}
	return NULL;
}

static void *import_ours(void *data)
{
	struct thread *thread = data;
	struct dmabuf_importer_constraints limits = no_limits;
	unsigned int round;
	int ret;

	if (thread->number & 1)
		return kernel_import_ours(thread);
	for (round = 0; round < thread->rounds; round++) {
		long long attachment, mapping;

		/* Stricter now and then, so that it moves. */
		limits.max_segs = thread_random(thread, 3) ? ~0U : 1;
		limits.align = 4096U << thread_random(thread, 4);
		attachment = attach_limited(thread->importer, thread->fd, thread->soft, &limits);
		if (attachment < 0)
			return thread_failed(thread, "attach", attachment);
		mapping = map(thread->importer, attachment, thread_random(thread, 3));
		if (mapping < 0)
			return thread_failed(thread, "map", mapping);
		thread->used++;
		ret = unmap(thread->importer, mapping);
		if (ret)
			return thread_failed(thread, "unmap", ret);
		ret = detach(thread->importer, attachment);
		if (ret)
			return thread_failed(thread, "detach", ret);
	}
	return NULL;
}

/* proves: A5, N3, N7 */
TEST_F(bridge_storm, importers_of_both_kinds_share_a_buffer_that_moves)
{
	struct thread threads[THREADS] = {};
	struct dmabuf_exporter_placement place;
	unsigned int used[2] = { 0, 0 };
	int exporter = exporter_open();
	struct user first;
	int fd, i;

	ASSERT_LE(0, exporter);
	fd = buffer_in_pieces(exporter, self->importer, self->soft, BYTES,
			      DMABUF_EXPORTER_ONE_WRITER, &first);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, unmap(self->importer, first.mapping));
	for (i = 0; i < THREADS; i++) {
		long long device = bridge_device(self->node, 64, NULL);

		ASSERT_LT(0, device);
		threads[i] = (struct thread) {
			.importer = self->importer, .soft = self->soft, .node = self->node,
			.rounds = scaled(600), .fd = fd, .device = device,
		};
	}
	EXPECT_EQ(0, threads_run(threads, import_ours));
	for (i = 0; i < THREADS; i++)
		used[i & 1] += threads[i].used;
	EXPECT_EQ(THREADS / 2 * scaled(600), used[0]);
	EXPECT_LT(0, used[1]);
	ASSERT_EQ(0, placement_query(exporter, fd, &place));
	note("%llu moves, %llu stalls\n", (unsigned long long)place.moves,
	     (unsigned long long)place.stalls);
	EXPECT_LT(0, place.moves);
	EXPECT_EQ(DMABUF_EXPORTER_BACKED, place.state);
	EXPECT_EQ(0, place.waiting);
	EXPECT_EQ(0, place.readers + place.writers);
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(0, close(exporter));
}

static const char *const needed_modules[] = { "dmabuf-test-bridge", NULL };

#include "test-modules-main.h"
