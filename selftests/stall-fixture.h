/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What stall and fairness start from: a buffer in pieces that somebody has mapped,
 * and a device that cannot take it like this.
 */
#ifndef _DMABUF_STALL_FIXTURE_H
#define _DMABUF_STALL_FIXTURE_H

#include "placement-test.h"

#define BUFFER_BYTES 50001	/* pages enough, and no multiple of one */

/*
 * A buffer in pieces, with bytes in it, that somebody has mapped, and a device that
 * takes one piece only.
 */
FIXTURE(stall)
{
	int exporter;
	int importer;
	__u32 soft;
	int fd;
	struct user first;
	long long strict;
	unsigned char bytes[BUFFER_BYTES];
	struct counters before;
};

FIXTURE_SETUP(stall)
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
	self->fd = buffer_in_pieces(self->exporter, self->importer, self->soft, BUFFER_BYTES, 0,
				    &self->first);
	ASSERT_LE(0, self->fd);
	scribble(self->bytes, BUFFER_BYTES, 1);
	ASSERT_EQ(0, copy_in(self->importer, self->first.mapping, 0, BUFFER_BYTES, self->bytes));
	self->strict = attach_one_segment(self->importer, self->fd, self->soft);
	ASSERT_LT(0, self->strict);
}

FIXTURE_TEARDOWN(stall)
{
	if (self->fd >= 0)
		EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* Waits until the buffer is in this state, with so many maps waiting. */
static inline bool becomes(FIXTURE_DATA(stall) *self, __u32 state, __u32 waiting)
{
	return placement_becomes(self->exporter, self->fd, state, waiting);
}

/* Starts the map of the strict device, and waits until it waits. */
static inline bool strict_waits(FIXTURE_DATA(stall) *self, struct waiter *waiter)
{
	return !waiter_start(waiter, self->importer, self->strict,
			     DMABUF_IMPORTER_BIDIRECTIONAL) &&
	       becomes(self, DMABUF_EXPORTER_DRAINING, 1);
}

/* One device more of those that can reach the buffer wherever it is. */
static inline long long attach_easy(FIXTURE_DATA(stall) *self)
{
	return attach(self->importer, self->fd, self->soft);
}

/* Nothing waits, nothing has moved, and who had it mapped works on. */
static inline bool nothing_has_changed(FIXTURE_DATA(stall) *self)
{
	struct dmabuf_exporter_placement place;

	return becomes(self, DMABUF_EXPORTER_MAPPED, 0) &&
	       !placement_query(self->exporter, self->fd, &place) && !place.moves &&
	       place.here.chunks > 1 &&
	       device_reads(self->importer, self->first.mapping, self->bytes, BUFFER_BYTES);
}

#endif /* _DMABUF_STALL_FIXTURE_H */
