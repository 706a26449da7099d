// SPDX-License-Identifier: GPL-2.0-only
/* A CPU's access by way of the kernel's dma-buf: begin, end, vmap. */
#include "bridge-test.h"

#include <sys/time.h>

#define BYTES 50001		/* pages enough, and no multiple of one */

FIXTURE(bridge_cpu)
{
	int exporter, importer, node;
	__u32 soft;
	int fd;
	unsigned char bytes[BYTES];
	struct core_parameters parameters;
	struct counters before;
	struct remains remains;
};

FIXTURE_SETUP(bridge_cpu)
{
	int soft;

	ASSERT_EQ(0, core_parameters_begin(&self->parameters));
	ASSERT_EQ(0, counters_read(&self->before));
	self->remains = remains_of(BRIDGE_MODULE);
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	self->node = bridge_open();
	ASSERT_LE(0, self->node);
	soft = engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0);
	ASSERT_LE(0, soft);
	self->soft = soft;
	self->fd = buffer_export(self->exporter, BYTES, DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, self->fd);
	scribble(self->bytes, BYTES, 44);
}

FIXTURE_TEARDOWN(bridge_cpu)
{
	if (self->fd >= 0)
		EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(0, close(self->node));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
	EXPECT_TRUE(remains_are(BRIDGE_MODULE, &self->remains));
	EXPECT_EQ(0, core_parameters_end(&self->parameters));
}

FIXTURE_VARIANT(bridge_cpu)
{
	__u32 flags;
};

FIXTURE_VARIANT_ADD(bridge_cpu, unlocked)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(bridge_cpu, with_the_reservation_lock_held)
{
	.flags = LOCKED,
};

/* Gives the buffer to the fixture in pieces, mapped by nobody; @own can be mapped again. */
static int start_in_pieces(FIXTURE_DATA(bridge_cpu) *self, __u32 policy, struct user *own)
{
	close(self->fd);
	self->fd = buffer_in_pieces(self->exporter, self->importer, self->soft, BYTES, policy,
				    own);
	if (self->fd < 0)
		return self->fd;
	return copy_in(self->importer, own->mapping, 0, BYTES, self->bytes) ?:
	       unmap(self->importer, own->mapping);
}

TEST_F(bridge_cpu, begin_and_end_work_with_and_without_storage_and_mappings)
{
	long long attachment, device, mapping = 0;
	struct dmabuf_exporter_query query;
	__u32 direction, round;

	device = bridge_device(self->node, 64, NULL);
	ASSERT_LT(0, device);
	attachment = bridge_attach(self->node, self->fd, device);
	ASSERT_LT(0, attachment);
	for (round = 0; round < 3; round++) {
		for (direction = BIDIRECTIONAL; direction <= FROM_DEVICE; direction++) {
			EXPECT_EQ(0, bridge_access(self->node, DMABUF_TEST_BRIDGE_BEGIN,
						   self->fd, direction));
			EXPECT_EQ(0, bridge_access(self->node, DMABUF_TEST_BRIDGE_END,
						   self->fd, direction));
		}
		ASSERT_EQ(0, buffer_query(self->exporter, self->fd, &query));
		/* To look is no reason to take memory. */
		EXPECT_EQ(!!round, !!query.backed_bytes);
		if (round == 0) {
			mapping = bridge_map(self->node, attachment, BIDIRECTIONAL, 0);
			ASSERT_LT(0, mapping);
		} else if (round == 1) {
			ASSERT_EQ(0, bridge_unmap(self->node, mapping, 0));
		}
	}
}

TEST_F(bridge_cpu, vmap_takes_storage_and_shows_the_same_bytes_as_devices_see)
{
	struct dmabuf_exporter_placement place;
	long long attachment, mapping, vmap;
	unsigned char *zeroes = calloc(1, BYTES);

	ASSERT_NE(NULL, zeroes);
	vmap = bridge_vmap(self->node, self->fd, variant->flags);
	ASSERT_LT(0, vmap);
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
	EXPECT_EQ(DMABUF_EXPORTER_MAPPED, place.state);
	EXPECT_EQ(1, place.allocs);
	EXPECT_EQ(1, place.writers);
	EXPECT_TRUE(bridge_reads(self->node, 0, vmap, zeroes, BYTES));
	free(zeroes);
	ASSERT_EQ(0, bridge_write(self->node, 0, vmap, self->bytes, BYTES));

	attachment = attach(self->importer, self->fd, self->soft);
	ASSERT_LT(0, attachment);
	mapping = map(self->importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, mapping);
	EXPECT_TRUE(device_reads(self->importer, mapping, self->bytes, BYTES));
	scribble(self->bytes, BYTES, 45);
	ASSERT_EQ(0, copy_in(self->importer, mapping, 0, BYTES, self->bytes));
	EXPECT_TRUE(bridge_reads(self->node, 0, vmap, self->bytes, BYTES));

	ASSERT_EQ(0, unmap(self->importer, mapping));
	ASSERT_EQ(0, bridge_vunmap(self->node, vmap, variant->flags));
	EXPECT_EQ(DMABUF_EXPORTER_BACKED, placement_state(self->exporter, self->fd));
}

TEST_F(bridge_cpu, vmaps_of_several_are_one_address_and_the_last_vunmap_ends_it)
{
	struct dmabuf_exporter_placement place;
	long long vmaps[3];
	int i;

	for (i = 0; i < 3; i++) {
		vmaps[i] = bridge_vmap(self->node, self->fd, i & 1 ? variant->flags : 0);
		ASSERT_LT(0, vmaps[i]);
	}
	ASSERT_EQ(0, bridge_write(self->node, 0, vmaps[0], self->bytes, BYTES));
	for (i = 0; i < 3; i++) {
		EXPECT_TRUE(bridge_reads(self->node, 0, vmaps[i], self->bytes, BYTES));
		ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
		EXPECT_EQ(DMABUF_EXPORTER_MAPPED, place.state);
		ASSERT_EQ(0, bridge_vunmap(self->node, vmaps[i], variant->flags));
	}
	EXPECT_EQ(DMABUF_EXPORTER_BACKED, placement_state(self->exporter, self->fd));
}

/* proves: N3 */
TEST_F(bridge_cpu, buffer_does_not_move_between_vmap_and_vunmap)
{
	struct dmabuf_exporter_placement place;
	long long strict, vmap;
	struct waiter waiter = {};
	struct user own;

	ASSERT_EQ(0, start_in_pieces(self, 0, &own));
	strict = attach_one_segment(self->importer, self->fd, self->soft);
	ASSERT_LT(0, strict);
	vmap = bridge_vmap(self->node, self->fd, variant->flags);
	ASSERT_LT(0, vmap);
	EXPECT_EQ(-EAGAIN, map_nowait(self->importer, strict, DMABUF_IMPORTER_BIDIRECTIONAL));
	EXPECT_EQ(-ETIMEDOUT, map_timeout(self->importer, strict, DMABUF_IMPORTER_BIDIRECTIONAL,
					  20));
	ASSERT_EQ(0, waiter_start(&waiter, self->importer, strict,
				  DMABUF_IMPORTER_BIDIRECTIONAL));
	ASSERT_TRUE(placement_becomes(self->exporter, self->fd, DMABUF_EXPORTER_DRAINING, 1));
	scribble(self->bytes, BYTES, 46);
	ASSERT_EQ(0, bridge_write(self->node, 0, vmap, self->bytes, BYTES));
	ASSERT_EQ(0, bridge_vunmap(self->node, vmap, variant->flags));
	ASSERT_LT(0, waiter_finish(&waiter));
	EXPECT_EQ(1, waiter.segments);
	EXPECT_TRUE(device_reads(self->importer, waiter.mapping, self->bytes, BYTES));

	/* Elsewhere now, and the address follows. */
	vmap = bridge_vmap(self->node, self->fd, variant->flags);
	ASSERT_LT(0, vmap);
	EXPECT_TRUE(bridge_reads(self->node, 0, vmap, self->bytes, BYTES));
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
	EXPECT_EQ(1, place.moves);
}

/* proves: N3 */
TEST_F(bridge_cpu, kernel_importer_that_needs_a_move_is_refused_while_there_is_a_vmap)
{
	struct dmabuf_exporter_placement place;
	long long attachment, device, vmap;
	struct user own;
	char name[32];

	device = bridge_device_contiguous(self->node, name);
	ASSERT_LT(0, device);
	ASSERT_EQ(0, start_in_pieces(self, 0, &own));
	attachment = bridge_attach(self->node, self->fd, device);
	ASSERT_LT(0, attachment);
	vmap = bridge_vmap(self->node, self->fd, variant->flags);
	ASSERT_LT(0, vmap);
	EXPECT_EQ(-EBUSY, bridge_map(self->node, attachment, BIDIRECTIONAL, variant->flags));
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
	EXPECT_EQ(EBUSY, place.refusal.error);
	EXPECT_STREQ(name, place.refusal.device);
	ASSERT_EQ(0, bridge_vunmap(self->node, vmap, variant->flags));
	EXPECT_LT(0, bridge_map(self->node, attachment, BIDIRECTIONAL, variant->flags));
}

/* A vmap may be written through, and is a writer. */
/* proves: M3 */
TEST_F(bridge_cpu, only_writer_waits_until_there_is_no_vmap)
{
	long long attachment, device, vmap;
	struct user own;

	ASSERT_EQ(0, start_in_pieces(self, DMABUF_EXPORTER_ONE_WRITER, &own));
	device = bridge_device(self->node, 64, NULL);
	ASSERT_LT(0, device);
	attachment = bridge_attach(self->node, self->fd, device);
	ASSERT_LT(0, attachment);
	vmap = bridge_vmap(self->node, self->fd, variant->flags);
	ASSERT_LT(0, vmap);
	EXPECT_EQ(-EBUSY, bridge_map(self->node, attachment, TO_DEVICE, variant->flags));
	EXPECT_EQ(-EAGAIN, map_nowait(self->importer, own.attachment,
				      DMABUF_IMPORTER_TO_DEVICE));
	ASSERT_EQ(0, bridge_vunmap(self->node, vmap, variant->flags));
	EXPECT_LT(0, bridge_map(self->node, attachment, TO_DEVICE, variant->flags));
	EXPECT_LT(0, map_nowait(self->importer, own.attachment, DMABUF_IMPORTER_TO_DEVICE));
}

/* The kernel warns of a vmap that is refused, so it is not. */
/* proves: M3 */
TEST_F(bridge_cpu, vmap_is_let_in_where_a_kernel_importer_is)
{
	long long attachment, device, mapping, vmaps[2];
	struct dmabuf_exporter_placement place;
	struct waiter waiter = {};
	struct user own;

	ASSERT_EQ(0, start_in_pieces(self, DMABUF_EXPORTER_ONE_WRITER, &own));
	device = bridge_device(self->node, 64, NULL);
	ASSERT_LT(0, device);
	attachment = bridge_attach(self->node, self->fd, device);
	ASSERT_LT(0, attachment);
	mapping = bridge_map(self->node, attachment, BIDIRECTIONAL, variant->flags);
	ASSERT_LT(0, mapping);
	vmaps[0] = bridge_vmap(self->node, self->fd, variant->flags);
	ASSERT_LT(0, vmaps[0]);
	EXPECT_TRUE(bridge_reads(self->node, 0, vmaps[0], self->bytes, BYTES));
	ASSERT_EQ(0, bridge_vunmap(self->node, vmaps[0], variant->flags));

	/* Also past those who wait for that one. */
	ASSERT_EQ(0, waiter_start(&waiter, self->importer, own.attachment,
				  DMABUF_IMPORTER_BIDIRECTIONAL));
	ASSERT_TRUE(placement_becomes(self->exporter, self->fd, DMABUF_EXPORTER_MAPPED, 1));
	vmaps[1] = bridge_vmap(self->node, self->fd, variant->flags);
	ASSERT_LT(0, vmaps[1]);
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
	EXPECT_EQ(2, place.writers);
	EXPECT_EQ(1, place.waiting);
	ASSERT_EQ(0, bridge_unmap(self->node, mapping, variant->flags));
	ASSERT_TRUE(placement_becomes(self->exporter, self->fd, DMABUF_EXPORTER_MAPPED, 1));
	ASSERT_EQ(0, bridge_vunmap(self->node, vmaps[1], variant->flags));
	EXPECT_LT(0, waiter_finish(&waiter));
}

static void *vmap_run(void *data)
{
	struct bridge_waiter *waiter = data;

	waiter->mapping = bridge_vmap(waiter->node, waiter->attachment, waiter->flags);
	return NULL;
}

/* proves: M3, N3 */
TEST_F(bridge_cpu, vmap_waits_for_the_unmap_of_ours_whatever_signals_come)
{
	struct bridge_waiter waiter = { .node = self->node, .flags = variant->flags };
	struct dmabuf_exporter_placement place;
	long long mapping;
	struct user own;

	ASSERT_EQ(0, start_in_pieces(self, DMABUF_EXPORTER_ONE_WRITER, &own));
	/* In the place of an attachment. */
	waiter.attachment = self->fd;
	mapping = map(self->importer, own.attachment, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, mapping);
	ASSERT_EQ(0, pthread_create(&waiter.thread, NULL, vmap_run, &waiter));
	ASSERT_TRUE(placement_becomes(self->exporter, self->fd, DMABUF_EXPORTER_MAPPED, 1));
	ASSERT_EQ(0, bridge_waiter_signal(&waiter));
	sleep_ms(50);
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
	EXPECT_EQ(1, place.waiting);
	ASSERT_EQ(0, unmap(self->importer, mapping));
	ASSERT_LT(0, bridge_waiter_finish(&waiter));
	EXPECT_TRUE(bridge_reads(self->node, 0, waiter.mapping, self->bytes, BYTES));
}

/* proves: N3 */
TEST_F_TIMEOUT(bridge_cpu, signals_end_no_vmap_while_an_engine_maps_and_unmaps, 120)
{
	const struct itimerval often = { { 0, 1000 }, { 0, 1000 } }, never = {};
	const struct sigaction action = { .sa_handler = waiter_nothing };
	struct loop loop = {
		.importer = self->importer, .direction = DMABUF_IMPORTER_TO_DEVICE,
	};
	atomic_bool stop = false;
	long long attachment, vmap = 1;
	sigset_t alarms;
	int fd, i;

	/* So large that there is a wait for the engine's map. */
	fd = buffer_export(self->exporter, 16 * MIB, DMABUF_EXPORTER_SCATTER);
	ASSERT_LE(0, fd);
	attachment = attach(self->importer, fd, self->soft);
	ASSERT_LT(0, attachment);
	loop.attachment = attachment;
	loop.stop = &stop;
	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	/* The engine's maps may be ended by signals, so that thread gets none. */
	ASSERT_EQ(0, pthread_sigmask(SIG_BLOCK, &alarms, NULL));
	ASSERT_EQ(0, pthread_create(&loop.thread, NULL, loop_run, &loop));
	ASSERT_EQ(0, pthread_sigmask(SIG_UNBLOCK, &alarms, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &often, NULL));
	for (i = 0; i < 100 && vmap > 0; i++) {
		vmap = bridge_vmap(self->node, fd, variant->flags);
		EXPECT_LT(0, vmap);
		if (vmap > 0)
			EXPECT_EQ(0, bridge_vunmap(self->node, vmap, variant->flags));
	}
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &never, NULL));
	atomic_store(&stop, true);
	ASSERT_EQ(0, pthread_join(loop.thread, NULL));
	EXPECT_EQ(0, loop.error);
	EXPECT_EQ(0, close(fd));
}

TEST_F(bridge_cpu, vmap_keeps_the_buffer_when_its_fd_is_closed)
{
	long long vmap = bridge_vmap(self->node, self->fd, variant->flags);
	struct counters now;

	ASSERT_LT(0, vmap);
	EXPECT_EQ(0, close(self->fd));
	self->fd = -1;
	ASSERT_EQ(0, bridge_write(self->node, 0, vmap, self->bytes, BYTES));
	EXPECT_TRUE(bridge_reads(self->node, 0, vmap, self->bytes, BYTES));
	ASSERT_EQ(0, bridge_vunmap(self->node, vmap, variant->flags));
	ASSERT_EQ(0, counters_read(&now));
	EXPECT_EQ(self->before.buffers, now.buffers);
}

static const char *const needed_modules[] = { "dmabuf-test-bridge", NULL };

#include "test-modules-main.h"
