// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fences that a kernel importer leaves on a buffer: its device is still at work when it
 * has unmapped.  A move and the release wait for them, if not for ever.
 */
#include "fences-fixture.h"

static long long strict_maps(FIXTURE_DATA(fences) *self)
{
	return map(self->importer, self->strict, DMABUF_IMPORTER_BIDIRECTIONAL);
}

static long long kernel_strict_maps(FIXTURE_DATA(fences) *self)
{
	return bridge_map(self->node, self->kernel_strict, BIDIRECTIONAL, LOCKED);
}

/* proves: N3, N4 */
TEST_F(fences, move_waits_until_a_fence_of_any_usage_is_signalled)
{
	__u32 usage;

	for (usage = 0; usage <= DMABUF_TEST_BRIDGE_USAGE_BOOKKEEP; usage++) {
		long long left, mapping;
		struct deed deed;
		struct user first;

		if (usage) {
			/* A buffer moves once; another one. */
			EXPECT_EQ(0, close(self->fd));
			self->fd = buffer_in_pieces(self->exporter, self->importer, self->soft,
						    BYTES, 0, &first);
			ASSERT_LE(0, self->fd);
			ASSERT_EQ(0, copy_in(self->importer, first.mapping, 0, BYTES,
					     self->bytes));
			ASSERT_EQ(0, unmap(self->importer, first.mapping));
			mapping = attach_one_segment(self->importer, self->fd, self->soft);
			ASSERT_LT(0, mapping);
			self->strict = mapping;
		}
		left = fence(self, usage);
		ASSERT_LT(0, left);
		ASSERT_EQ(0, deed_start(&deed, self, left, strict_maps));
		EXPECT_TRUE(deed_waits(&deed)) TH_LOG("usage %u", usage);
		EXPECT_EQ(0, moves(self));
		EXPECT_EQ(0, bridge_signal(self->node, left));
		mapping = deed_finish(&deed);
		ASSERT_LT(0, mapping) TH_LOG("usage %u", usage);
		EXPECT_EQ(1, deed.signalled);
		EXPECT_EQ(1, moves(self));
		EXPECT_TRUE(device_reads(self->importer, mapping, self->bytes, BYTES));
	}
}

/* proves: N3, N4 */
TEST_F(fences, move_waits_for_the_fence_that_signals_last)
{
	long long left[3], mapping;
	struct deed deed;
	int i;

	for (i = 0; i < 3; i++) {
		left[i] = fence(self, i);
		ASSERT_LT(0, left[i]);
	}
	ASSERT_EQ(0, deed_start(&deed, self, left[1], strict_maps));
	EXPECT_EQ(0, bridge_signal(self->node, left[2]));
	EXPECT_EQ(0, bridge_signal(self->node, left[0]));
	EXPECT_TRUE(deed_waits(&deed));
	EXPECT_EQ(0, bridge_signal(self->node, left[1]));
	mapping = deed_finish(&deed);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(1, deed.signalled);
	EXPECT_TRUE(device_reads(self->importer, mapping, self->bytes, BYTES));
}

/* proves: N3 */
TEST_F(fences, move_goes_on_when_a_fence_signals_by_itself)
{
	long long left = bridge_fence(self->node, self->fd, DMABUF_TEST_BRIDGE_USAGE_WRITE, 100);

	ASSERT_LT(0, left);
	EXPECT_LT(0, strict_maps(self));
	EXPECT_EQ(1, bridge_signalled(self->node, left));
	EXPECT_EQ(1, moves(self));
}

/* proves: N3 */
TEST_F(fences, move_for_a_kernel_importer_waits_too)
{
	long long left = fence(self, DMABUF_TEST_BRIDGE_USAGE_WRITE), mapping;
	struct deed deed;

	ASSERT_LT(0, left);
	ASSERT_EQ(0, deed_start(&deed, self, left, kernel_strict_maps));
	EXPECT_TRUE(deed_waits(&deed));
	EXPECT_EQ(0, moves(self));
	EXPECT_EQ(0, bridge_signal(self->node, left));
	mapping = deed_finish(&deed);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(1, deed.signalled);
	EXPECT_EQ(1, moves(self));
	EXPECT_TRUE(bridge_reads(self->node, mapping, 0, self->bytes, BYTES));
}

/* Nothing has moved, nobody has it mapped, and who can take it as it is does. */
static bool stays_as_it_was(FIXTURE_DATA(fences) *self)
{
	struct dmabuf_exporter_placement place;
	long long mapping;
	bool same;

	if (placement_query(self->exporter, self->fd, &place) || place.moves ||
	    place.state != DMABUF_EXPORTER_BACKED || place.here.chunks == 1)
		return false;
	mapping = map_nowait(self->importer, self->easy, DMABUF_IMPORTER_TO_DEVICE);
	same = mapping > 0 && device_reads(self->importer, mapping, self->bytes, BYTES);
	return same && !unmap(self->importer, mapping);
}

/* proves: N3 */
TEST_F(fences, move_that_a_fence_holds_up_ends_with_the_deadline)
{
	struct dmabuf_exporter_placement place;
	long long left = fence(self, DMABUF_TEST_BRIDGE_USAGE_READ);

	ASSERT_LT(0, left);
	EXPECT_EQ(-ETIMEDOUT, map_timeout(self->importer, self->strict,
					  DMABUF_IMPORTER_BIDIRECTIONAL, 50));
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
	EXPECT_EQ(ETIMEDOUT, place.refusal.error);
	EXPECT_EQ(DMABUF_EXPORTER_CONSTRAINT_MAX_SEGS, place.refusal.constraint);
	EXPECT_EQ(1, place.failures);
	EXPECT_TRUE(stays_as_it_was(self));
	EXPECT_EQ(-EAGAIN, map_nowait(self->importer, self->strict,
				      DMABUF_IMPORTER_BIDIRECTIONAL));
	EXPECT_TRUE(stays_as_it_was(self));
	EXPECT_EQ(0, bridge_signalled(self->node, left));
	EXPECT_EQ(0, bridge_signal(self->node, left));
	EXPECT_LT(0, map_nowait(self->importer, self->strict, DMABUF_IMPORTER_BIDIRECTIONAL));
}

/* proves: N3 */
TEST_F(fences, move_that_a_fence_holds_up_ends_with_the_bound)
{
	long long left = fence(self, DMABUF_TEST_BRIDGE_USAGE_WRITE);

	ASSERT_LT(0, left);
	ASSERT_EQ(0, kernel_waits_for(50));
	/* Without a deadline, with one that is far, and under the reservation lock. */
	EXPECT_EQ(-ETIMEDOUT, strict_maps(self));
	EXPECT_TRUE(stays_as_it_was(self));
	EXPECT_EQ(-ETIMEDOUT, map_timeout(self->importer, self->strict,
					  DMABUF_IMPORTER_BIDIRECTIONAL, NEVER_MS));
	EXPECT_TRUE(stays_as_it_was(self));
	EXPECT_EQ(-ETIMEDOUT, kernel_strict_maps(self));
	EXPECT_TRUE(stays_as_it_was(self));
	EXPECT_EQ(0, bridge_signal(self->node, left));
	EXPECT_LT(0, kernel_strict_maps(self));
}

/* proves: M4 */
TEST_F(fences, move_that_a_fence_holds_up_ends_with_a_signal)
{
	long long left = fence(self, DMABUF_TEST_BRIDGE_USAGE_WRITE);
	struct bridge_waiter kernel;
	struct waiter waiter = {};

	ASSERT_LT(0, left);
	ASSERT_EQ(0, waiter_start(&waiter, self->importer, self->strict,
				  DMABUF_IMPORTER_BIDIRECTIONAL));
	/* It has the turn, and waits for the fence. */
	ASSERT_TRUE(placement_becomes(self->exporter, self->fd, DMABUF_EXPORTER_MOVING, 0));
	ASSERT_EQ(0, waiter_signal(&waiter));
	EXPECT_EQ(-EINTR, waiter_finish(&waiter));
	EXPECT_TRUE(stays_as_it_was(self));

	ASSERT_EQ(0, bridge_waiter_start(&kernel, self->node, self->kernel_strict, BIDIRECTIONAL,
					 LOCKED));
	ASSERT_TRUE(placement_becomes(self->exporter, self->fd, DMABUF_EXPORTER_MOVING, 0));
	ASSERT_EQ(0, bridge_waiter_signal(&kernel));
	EXPECT_EQ(-EINTR, bridge_waiter_finish(&kernel));
	EXPECT_TRUE(stays_as_it_was(self));
	EXPECT_EQ(0, bridge_signalled(self->node, left));
}

/* Who orders accesses to a buffer that stays are the drivers. */
/* proves: M3 */
TEST_F(fences, map_that_needs_no_move_does_not_wait)
{
	long long left = fence(self, DMABUF_TEST_BRIDGE_USAGE_WRITE);

	ASSERT_LT(0, left);
	EXPECT_LT(0, map_nowait(self->importer, self->easy, DMABUF_IMPORTER_BIDIRECTIONAL));
	EXPECT_LT(0, bridge_map(self->node, self->kernel_easy, BIDIRECTIONAL, LOCKED));
	EXPECT_LT(0, bridge_vmap(self->node, self->fd, LOCKED));
	EXPECT_EQ(0, bridge_signalled(self->node, left));
}

static long long closes(FIXTURE_DATA(fences) *self)
{
	return close(self->fd);
}

/* Nothing but the fd has the buffer any more. */
static int only_the_fd_is_left(FIXTURE_DATA(fences) *self)
{
	return bridge_detach(self->node, self->kernel_easy) ?:
	       bridge_detach(self->node, self->kernel_strict) ?:
	       detach(self->importer, self->easy) ?: detach(self->importer, self->strict);
}

/* proves: P1 */
TEST_F(fences, release_waits_until_the_fence_is_signalled)
{
	long long left = fence(self, DMABUF_TEST_BRIDGE_USAGE_BOOKKEEP);
	struct counters now;
	struct deed deed;

	ASSERT_LT(0, left);
	ASSERT_EQ(0, only_the_fd_is_left(self));
	ASSERT_EQ(0, deed_start(&deed, self, left, closes));
	EXPECT_TRUE(deed_waits(&deed));
	/* Its memory is not anybody else's yet. */
	ASSERT_EQ(0, counters_read(&now));
	EXPECT_EQ(self->before.buffers + 1, now.buffers);
	EXPECT_LT(self->before.backed_bytes, now.backed_bytes);
	EXPECT_EQ(0, bridge_signal(self->node, left));
	EXPECT_EQ(0, deed_finish(&deed));
	EXPECT_EQ(1, deed.signalled);
	self->fd = -1;
	ASSERT_EQ(0, counters_read(&now));
	EXPECT_EQ(self->before.buffers, now.buffers);
	EXPECT_EQ(self->before.backed_bytes, now.backed_bytes);
}

/* proves: P1 */
TEST_F(fences, release_waits_no_longer_than_the_bound_and_says_so)
{
	long long left = fence(self, DMABUF_TEST_BRIDGE_USAGE_WRITE);
	struct counters now;
	char who[64];
	int kmsg;

	ASSERT_LT(0, left);
	ASSERT_EQ(0, only_the_fd_is_left(self));
	snprintf(who, sizeof(who), "buffer %lld of " EXPORTER_MODULE,
		 buffer_id(self->exporter, self->fd));
	kmsg = kmsg_open();
	ASSERT_LE(0, kmsg);
	ASSERT_EQ(0, kernel_waits_for(50));
	ASSERT_EQ(0, close(self->fd));
	self->fd = -1;
	ASSERT_EQ(0, counters_read(&now));
	EXPECT_EQ(self->before.buffers, now.buffers);
	EXPECT_EQ(0, bridge_signalled(self->node, left));
	EXPECT_TRUE(kmsg_tells(kmsg, who, "fences"));
	close(kmsg);
	/* What signals it later finds nothing of the buffer. */
	EXPECT_EQ(0, bridge_signal(self->node, left));
}

static const char *const needed_modules[] = { "dmabuf-test-bridge", NULL };

#include "test-modules-main.h"
