// SPDX-License-Identifier: GPL-2.0-only
/*
 * More than two importers at a buffer: one of the kernel's dma-buf must not wait behind
 * somebody who waits for another one of these either.
 */
#include "bridge-wait-fixture.h"

/* proves: N7 */
TEST_F(bridge_wait, kernel_importer_does_not_wait_behind_ours_that_waits_for_one)
{
	struct waiter waiter = {};
	long long held;

	held = bridge_map(self->node, self->kernel.holder, TO_DEVICE, variant->flags);
	ASSERT_LT(0, held);
	ASSERT_EQ(0, waiter_start(&waiter, self->importer, self->own.asker,
				  DMABUF_IMPORTER_BIDIRECTIONAL));
	ASSERT_TRUE(so_many_wait(self, 1));
	/* It would go together with the one that holds it, but for the queue. */
	EXPECT_EQ(-EBUSY, bridge_map(self->node, self->kernel.holder, TO_DEVICE,
				     variant->flags));
	EXPECT_EQ(-EBUSY, kernel_maps(self, self->kernel.asker, variant->flags));
	ASSERT_TRUE(so_many_wait(self, 1));
	ASSERT_EQ(0, bridge_unmap(self->node, held, variant->flags));
	EXPECT_LT(0, waiter_finish(&waiter));
}

/* proves: N7 */
TEST_F(bridge_wait, kernel_importer_waits_behind_ours_that_waits_for_ours)
{
	struct bridge_waiter kernel;
	struct waiter waiter = {};
	long long held;

	held = own_maps(self, self->own.holder);
	ASSERT_LT(0, held);
	ASSERT_EQ(0, waiter_start(&waiter, self->importer, self->own.asker,
				  DMABUF_IMPORTER_BIDIRECTIONAL));
	ASSERT_TRUE(so_many_wait(self, 1));
	ASSERT_EQ(0, bridge_waiter_start(&kernel, self->node, self->kernel.holder, TO_DEVICE,
					 variant->flags));
	ASSERT_TRUE(so_many_wait(self, 2));
	ASSERT_EQ(0, unmap(self->importer, held));
	ASSERT_LT(0, waiter_finish(&waiter));
	if (variant->policy) {
		/* That one is alone with it. */
		ASSERT_TRUE(so_many_wait(self, 1));
		ASSERT_EQ(0, unmap(self->importer, waiter.mapping));
	}
	ASSERT_LT(0, bridge_waiter_finish(&kernel));
	EXPECT_TRUE(bridge_reads(self->node, kernel.mapping, 0, self->bytes, BYTES));
}

/* proves: N7 */
TEST_F(bridge_wait, ours_waits_behind_a_kernel_importer_that_waits_for_ours)
{
	struct bridge_waiter kernel;
	struct waiter waiter = {};
	long long held;

	held = own_maps(self, self->own.holder);
	ASSERT_LT(0, held);
	ASSERT_EQ(0, bridge_waiter_start(&kernel, self->node, self->kernel.asker, BIDIRECTIONAL,
					 variant->flags));
	ASSERT_TRUE(so_many_wait(self, 1));
	ASSERT_EQ(0, waiter_start(&waiter, self->importer, self->own.holder,
				  DMABUF_IMPORTER_TO_DEVICE));
	ASSERT_TRUE(so_many_wait(self, 2));
	ASSERT_EQ(0, unmap(self->importer, held));
	ASSERT_LT(0, bridge_waiter_finish(&kernel));
	if (variant->policy) {
		ASSERT_TRUE(so_many_wait(self, 1));
		ASSERT_EQ(0, bridge_unmap(self->node, kernel.mapping, variant->flags));
	}
	ASSERT_LT(0, waiter_finish(&waiter));
	EXPECT_TRUE(device_reads(self->importer, waiter.mapping, self->bytes, BYTES));
}

/*
 * Both of them wait for ours; whichever gets it, the other one may not wait for that.
 * The second may not even get into the queue, behind the reservation lock.
 */
/* proves: N3 */
TEST_F(bridge_wait, two_kernel_importers_that_wait_for_ours_both_come_to_an_end)
{
	struct bridge_waiter one, two;
	long long held;

	held = own_maps(self, self->own.holder);
	ASSERT_LT(0, held);
	ASSERT_EQ(0, bridge_waiter_start(&one, self->node, self->kernel.asker, BIDIRECTIONAL,
					 variant->flags));
	ASSERT_TRUE(so_many_wait(self, 1));
	ASSERT_EQ(0, bridge_waiter_start(&two, self->node, self->kernel.asker, BIDIRECTIONAL,
					 variant->flags));
	ASSERT_EQ(0, unmap(self->importer, held));
	ASSERT_LT(0, bridge_waiter_finish(&one));
	if (variant->policy) {
		/* The first is alone with it. */
		EXPECT_EQ(-EBUSY, bridge_waiter_finish(&two));
	} else {
		/* One move serves both, if the second came in time; else it needs none. */
		EXPECT_LT(0, bridge_waiter_finish(&two));
	}
	EXPECT_TRUE(bridge_reads(self->node, one.mapping, 0, self->bytes, BYTES));
}

/* Maps, and unmaps as soon as it has got it. */
static void *own_comes_and_goes(void *data)
{
	struct waiter *waiter = data;

	waiter_run(waiter);
	if (waiter->mapping > 0)
		waiter->mapping = unmap(waiter->importer, waiter->mapping);
	return NULL;
}

static void *kernel_comes_and_goes(void *data)
{
	struct bridge_waiter *waiter = data;

	bridge_waiter_run(waiter);
	if (waiter->mapping > 0)
		waiter->mapping = bridge_unmap(waiter->node, waiter->mapping, waiter->flags);
	return NULL;
}

/*
 * The holder's unmap has to have the lock, under which the second one asks; the first
 * one, ours, waits for that unmap.  It comes to an end because the second one does not
 * wait, however often it asks.
 */
/* proves: N3, N7 */
TEST_F(bridge_wait, unmap_under_the_lock_gets_through_while_others_ask)
{
	unsigned int round;
	long long held;

	for (round = 0; round < scaled(40) + 2; round++) {
		struct bridge_waiter kernel = {
			.node = self->node, .attachment = self->kernel.holder, .flags = LOCKED,
		};
		struct waiter own = {
			.importer = self->importer, .attachment = self->own.holder,
			.direction = DMABUF_IMPORTER_FROM_DEVICE,
		};
		long long ret;

		held = kernel_maps(self, self->kernel.holder, LOCKED);
		ASSERT_LT(0, held);
		ASSERT_EQ(0, pthread_create(&own.thread, NULL, own_comes_and_goes, &own));
		ASSERT_EQ(0, pthread_create(&kernel.thread, NULL, kernel_comes_and_goes, &kernel));
		ASSERT_EQ(0, bridge_unmap(self->node, held, LOCKED));
		EXPECT_EQ(0, waiter_finish(&own)) TH_LOG("round %u", round);
		ret = bridge_waiter_finish(&kernel);
		EXPECT_TRUE(!ret || ret == -EBUSY) TH_LOG("%lld in round %u", ret, round);
	}
}

/*
 * An importer that follows moves attaches and maps.  Kernels map for it as it attaches, or,
 * newer ones, when it maps.  A refusal leaves nothing.
 */
static long long dynamic_maps(FIXTURE_DATA(bridge_wait) *self, long long device)
{
	long long attachment, mapping;

	attachment = bridge_attach_flags(self->node, self->fd, device, DYNAMIC);
	if (attachment < 0)
		return attachment;
	mapping = bridge_map(self->node, attachment, BIDIRECTIONAL, LOCKED);
	if (mapping < 0 && bridge_detach(self->node, attachment))
		return -ENOTRECOVERABLE;
	return mapping;
}

/* proves: N3 */
TEST_F(bridge_wait, dynamic_kernel_importer_is_refused_or_waits_as_any)
{
	struct dmabuf_exporter_placement place;
	long long device, held;

	device = variant->policy ? bridge_device(self->node, 64, self->kernel_asker) :
				   bridge_device_contiguous(self->node, self->kernel_asker);
	ASSERT_LT(0, device);
	held = kernel_maps(self, self->kernel.holder, variant->flags);
	ASSERT_LT(0, held);
	EXPECT_EQ(-EBUSY, dynamic_maps(self, device));
	EXPECT_TRUE(was_refused(self, self->kernel_asker, EBUSY));
	EXPECT_TRUE(stays_as_it_was(self, 1));
	ASSERT_EQ(0, bridge_unmap(self->node, held, variant->flags));

	held = own_maps(self, self->own.holder);
	ASSERT_LT(0, held);
	ASSERT_EQ(0, kernel_waits_for(20));
	EXPECT_EQ(-ETIMEDOUT, dynamic_maps(self, device));
	EXPECT_TRUE(stays_as_it_was(self, 1));
	ASSERT_EQ(0, unmap(self->importer, held));
	EXPECT_LT(0, dynamic_maps(self, device));
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
	EXPECT_EQ(1, place.writers);
}

static const char *const needed_modules[] = { "dmabuf-test-bridge", NULL };

#include "test-modules-main.h"
