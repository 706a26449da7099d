// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who asks, and who holds: importers of ours and of the kernel's dma-buf.  One of the
 * latter may hold the dma-buf's reservation lock when it asks, and another one needs
 * that lock to unmap: so the first is never made to wait for the second.
 */
#include "bridge-wait-fixture.h"

/* proves: N3 */
TEST_F(bridge_wait, kernel_importer_is_refused_at_once_what_a_kernel_importer_holds)
{
	long long held, mapping;

	held = kernel_maps(self, self->kernel.holder, variant->flags);
	ASSERT_LT(0, held);
	EXPECT_EQ(-EBUSY, kernel_maps(self, self->kernel.asker, variant->flags));
	EXPECT_TRUE(was_refused(self, self->kernel_asker, EBUSY));
	EXPECT_TRUE(stays_as_it_was(self, 1));
	EXPECT_TRUE(bridge_reads(self->node, held, 0, self->bytes, BYTES));

	/* Once it is free the same map succeeds. */
	ASSERT_EQ(0, bridge_unmap(self->node, held, variant->flags));
	mapping = kernel_maps(self, self->kernel.asker, variant->flags);
	ASSERT_LT(0, mapping);
	EXPECT_TRUE(bridge_reads(self->node, mapping, 0, self->bytes, BYTES));
}

/* proves: N3 */
TEST_F(bridge_wait, kernel_importer_is_refused_at_once_what_both_hold)
{
	struct dmabuf_exporter_placement place;
	long long held, mapping;

	/* Readers go together whatever the policy. */
	held = bridge_map(self->node, self->kernel.holder, TO_DEVICE, variant->flags);
	ASSERT_LT(0, held);
	mapping = map(self->importer, self->own.holder, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(-EBUSY, kernel_maps(self, self->kernel.asker, variant->flags));
	EXPECT_TRUE(was_refused(self, self->kernel_asker, EBUSY));
	EXPECT_TRUE(stays_as_it_was(self, 2));
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
	EXPECT_EQ(2, place.readers);
	ASSERT_EQ(0, unmap(self->importer, mapping));
	EXPECT_EQ(-EBUSY, kernel_maps(self, self->kernel.asker, variant->flags));
	ASSERT_EQ(0, bridge_unmap(self->node, held, variant->flags));
	EXPECT_LT(0, kernel_maps(self, self->kernel.asker, variant->flags));
}

/* proves: N3, N4 */
TEST_F(bridge_wait, kernel_importer_waits_for_the_unmap_of_ours)
{
	struct bridge_waiter waiter;
	long long held;

	held = own_maps(self, self->own.holder);
	ASSERT_LT(0, held);
	ASSERT_EQ(0, bridge_waiter_start(&waiter, self->node, self->kernel.asker, BIDIRECTIONAL,
					 variant->flags));
	ASSERT_TRUE(so_many_wait(self, 1));
	scribble(self->bytes, BYTES, 48);
	ASSERT_EQ(0, copy_in(self->importer, held, 0, BYTES, self->bytes));
	ASSERT_EQ(0, unmap(self->importer, held));
	ASSERT_LT(0, bridge_waiter_finish(&waiter));
	if (!variant->policy)
		EXPECT_EQ(1, waiter.map.segments);
	EXPECT_TRUE(bridge_reads(self->node, waiter.mapping, 0, self->bytes, BYTES));
}

/* proves: N3 */
TEST_F(bridge_wait, kernel_importer_waits_for_the_close_of_ours)
{
	struct bridge_waiter waiter;
	int importer = importer_open();
	long long attachment;

	ASSERT_LE(0, importer);
	attachment = attach(importer, self->fd, self->soft);
	ASSERT_LT(0, attachment);
	ASSERT_LT(0, map(importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL));
	ASSERT_EQ(0, bridge_waiter_start(&waiter, self->node, self->kernel.asker, BIDIRECTIONAL,
					 variant->flags));
	ASSERT_TRUE(so_many_wait(self, 1));
	EXPECT_EQ(0, close(importer));
	EXPECT_LT(0, bridge_waiter_finish(&waiter));
}

/* proves: N3 */
TEST_F(bridge_wait, kernel_importer_waits_for_ours_no_longer_than_the_bound)
{
	long long held;

	held = own_maps(self, self->own.holder);
	ASSERT_LT(0, held);
	ASSERT_EQ(0, kernel_waits_for(50));
	EXPECT_EQ(-ETIMEDOUT, kernel_maps(self, self->kernel.asker, variant->flags));
	EXPECT_TRUE(was_refused(self, self->kernel_asker, ETIMEDOUT));
	EXPECT_TRUE(stays_as_it_was(self, 1));
	/* Not at all: and not -EAGAIN, after which some would try again for ever. */
	ASSERT_EQ(0, kernel_waits_for(0));
	EXPECT_EQ(-EBUSY, kernel_maps(self, self->kernel.asker, variant->flags));
	EXPECT_TRUE(stays_as_it_was(self, 1));
	EXPECT_TRUE(device_reads(self->importer, held, self->bytes, BYTES));

	ASSERT_EQ(0, unmap(self->importer, held));
	EXPECT_LT(0, kernel_maps(self, self->kernel.asker, variant->flags));
}

/* proves: M4 */
TEST_F(bridge_wait, kernel_importer_that_waits_for_ours_is_interrupted_by_a_signal)
{
	struct bridge_waiter waiter;
	long long held;

	held = own_maps(self, self->own.holder);
	ASSERT_LT(0, held);
	ASSERT_EQ(0, bridge_waiter_start(&waiter, self->node, self->kernel.asker, BIDIRECTIONAL,
					 variant->flags));
	ASSERT_TRUE(so_many_wait(self, 1));
	ASSERT_EQ(0, bridge_waiter_signal(&waiter));
	EXPECT_EQ(-EINTR, bridge_waiter_finish(&waiter));
	EXPECT_TRUE(stays_as_it_was(self, 1));
	ASSERT_EQ(0, unmap(self->importer, held));
	EXPECT_LT(0, kernel_maps(self, self->kernel.asker, variant->flags));
}

/* proves: M4, P1 */
TEST_F(bridge_wait, kernel_importer_that_waits_for_ours_can_be_killed)
{
	int ready[2], status;
	long long held;
	pid_t child;
	char byte;

	held = own_maps(self, self->own.holder);
	ASSERT_LT(0, held);
	ASSERT_EQ(0, pipe(ready));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		if (write(ready[1], "x", 1) == 1)
			kernel_maps(self, self->kernel.asker, variant->flags);
		_exit(1);
	}
	close(ready[1]);
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	close(ready[0]);
	ASSERT_TRUE(so_many_wait(self, 1));
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_TRUE(stays_as_it_was(self, 1));
	ASSERT_EQ(0, unmap(self->importer, held));
	EXPECT_LT(0, kernel_maps(self, self->kernel.asker, variant->flags));
}

/* proves: N3, N4 */
TEST_F(bridge_wait, our_importer_waits_for_the_unmap_of_a_kernel_importer)
{
	struct waiter waiter = {};
	long long held;

	held = kernel_maps(self, self->kernel.holder, variant->flags);
	ASSERT_LT(0, held);
	ASSERT_EQ(0, waiter_start(&waiter, self->importer, self->own.asker,
				  DMABUF_IMPORTER_BIDIRECTIONAL));
	ASSERT_TRUE(so_many_wait(self, 1));
	scribble(self->bytes, BYTES, 49);
	ASSERT_EQ(0, bridge_write(self->node, held, 0, self->bytes, BYTES));
	ASSERT_EQ(0, bridge_unmap(self->node, held, variant->flags));
	ASSERT_LT(0, waiter_finish(&waiter));
	if (!variant->policy)
		EXPECT_EQ(1, waiter.segments);
	EXPECT_TRUE(device_reads(self->importer, waiter.mapping, self->bytes, BYTES));
}

/* proves: N3 */
TEST_F(bridge_wait, our_importer_waits_for_the_detach_of_a_kernel_importer)
{
	struct waiter waiter = {};

	ASSERT_LT(0, kernel_maps(self, self->kernel.holder, variant->flags));
	ASSERT_EQ(0, waiter_start(&waiter, self->importer, self->own.asker,
				  DMABUF_IMPORTER_BIDIRECTIONAL));
	ASSERT_TRUE(so_many_wait(self, 1));
	ASSERT_EQ(0, bridge_detach(self->node, self->kernel.holder));
	EXPECT_LT(0, waiter_finish(&waiter));
}

/* proves: N3 */
TEST_F(bridge_wait, our_importer_waits_for_a_kernel_importer_until_its_own_deadline)
{
	long long held;

	held = kernel_maps(self, self->kernel.holder, variant->flags);
	ASSERT_LT(0, held);
	/* The bound is for those who ask with a lock held. */
	ASSERT_EQ(0, kernel_waits_for(0));
	EXPECT_EQ(-ETIMEDOUT, map_timeout(self->importer, self->own.asker,
					  DMABUF_IMPORTER_BIDIRECTIONAL, 50));
	EXPECT_TRUE(stays_as_it_was(self, 1));
	EXPECT_EQ(-EAGAIN, map_nowait(self->importer, self->own.asker,
				      DMABUF_IMPORTER_BIDIRECTIONAL));
	EXPECT_TRUE(stays_as_it_was(self, 1));
	EXPECT_TRUE(bridge_reads(self->node, held, 0, self->bytes, BYTES));
	ASSERT_EQ(0, bridge_unmap(self->node, held, variant->flags));
	EXPECT_LT(0, map_nowait(self->importer, self->own.asker, DMABUF_IMPORTER_BIDIRECTIONAL));
}

/* proves: M4 */
TEST_F(bridge_wait, our_importer_that_waits_for_a_kernel_importer_is_interrupted_by_a_signal)
{
	struct waiter waiter = {};
	long long held;

	held = kernel_maps(self, self->kernel.holder, variant->flags);
	ASSERT_LT(0, held);
	ASSERT_EQ(0, waiter_start(&waiter, self->importer, self->own.asker,
				  DMABUF_IMPORTER_BIDIRECTIONAL));
	ASSERT_TRUE(so_many_wait(self, 1));
	ASSERT_EQ(0, waiter_signal(&waiter));
	EXPECT_EQ(-EINTR, waiter_finish(&waiter));
	EXPECT_TRUE(stays_as_it_was(self, 1));
	ASSERT_EQ(0, bridge_unmap(self->node, held, variant->flags));
	EXPECT_LT(0, own_maps(self, self->own.asker));
}

/* proves: N3, N4 */
TEST_F(bridge_wait, our_importer_waits_for_ours_as_ever)
{
	struct waiter waiter = {};
	long long held;

	held = own_maps(self, self->own.holder);
	ASSERT_LT(0, held);
	ASSERT_EQ(0, kernel_waits_for(0));
	EXPECT_EQ(-EAGAIN, map_nowait(self->importer, self->own.asker,
				      DMABUF_IMPORTER_BIDIRECTIONAL));
	EXPECT_EQ(-ETIMEDOUT, map_timeout(self->importer, self->own.asker,
					  DMABUF_IMPORTER_BIDIRECTIONAL, 50));
	ASSERT_EQ(0, waiter_start(&waiter, self->importer, self->own.asker,
				  DMABUF_IMPORTER_BIDIRECTIONAL));
	ASSERT_TRUE(so_many_wait(self, 1));
	ASSERT_EQ(0, waiter_signal(&waiter));
	EXPECT_EQ(-EINTR, waiter_finish(&waiter));
	ASSERT_EQ(0, waiter_start(&waiter, self->importer, self->own.asker,
				  DMABUF_IMPORTER_BIDIRECTIONAL));
	ASSERT_TRUE(so_many_wait(self, 1));
	ASSERT_EQ(0, unmap(self->importer, held));
	ASSERT_LT(0, waiter_finish(&waiter));
	EXPECT_TRUE(device_reads(self->importer, waiter.mapping, self->bytes, BYTES));
}

/* proves: M3 */
TEST_F(bridge_wait, importers_that_go_together_do_not_wait)
{
	struct dmabuf_exporter_placement place;
	long long mappings[4];
	int i;

	mappings[0] = bridge_map(self->node, self->kernel.holder, TO_DEVICE, variant->flags);
	mappings[1] = map_nowait(self->importer, self->own.holder, DMABUF_IMPORTER_TO_DEVICE);
	mappings[2] = bridge_map(self->node, self->kernel.holder, TO_DEVICE, variant->flags);
	mappings[3] = map_nowait(self->importer, self->own.holder, DMABUF_IMPORTER_TO_DEVICE);
	for (i = 0; i < 4; i++)
		EXPECT_LT(0, mappings[i]) TH_LOG("mapping %d", i);
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
	EXPECT_EQ(4, place.readers);
	EXPECT_EQ(0, place.stalls);
}

static const char *const needed_modules[] = { "dmabuf-test-bridge", NULL };

#include "test-modules-main.h"
