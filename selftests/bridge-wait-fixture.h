/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What bridge-wait and bridge-queue start from: a buffer that one importer holds
 * mapped, of ours or of the kernel's dma-buf, and another one, that asks, cannot have
 * as it is.  Why it cannot, and who holds the reservation lock, is the variant's.
 */
#ifndef _DMABUF_BRIDGE_WAIT_FIXTURE_H
#define _DMABUF_BRIDGE_WAIT_FIXTURE_H

#include "bridge-test.h"

#define BYTES 50001		/* pages enough, and no multiple of one */

/* An importer's two devices at the buffer; which is the holder's, which the asker's? */
struct side {
	long long holder;
	long long asker;
};

/*
 * Each importer has a device for which the buffer is good as it is, and one that asks:
 * for contiguous memory, or for the buffer for itself alone.
 */
FIXTURE(bridge_wait)
{
	int exporter, importer, node;
	__u32 soft;
	int fd;
	struct side own, kernel;
	char kernel_asker[32];
	__u32 waits_in;			/* the state of the buffer while somebody waits */
	__u32 constraint;		/* what the asker's device misses */
	unsigned char bytes[BYTES];
	struct core_parameters parameters;
	struct counters before;
	struct remains remains;
};

FIXTURE_VARIANT(bridge_wait)
{
	__u32 policy;			/* 0: the asker makes the buffer move */
	__u32 flags;			/* of the kernel importer's calls */
};

FIXTURE_VARIANT_ADD(bridge_wait, for_a_move)
{
	.policy = 0,
	.flags = 0,
};

FIXTURE_VARIANT_ADD(bridge_wait, for_a_move_with_the_reservation_lock_held)
{
	.policy = 0,
	.flags = LOCKED,
};

FIXTURE_VARIANT_ADD(bridge_wait, for_the_only_writer)
{
	.policy = DMABUF_EXPORTER_ONE_WRITER,
	.flags = 0,
};

FIXTURE_VARIANT_ADD(bridge_wait, for_the_only_writer_with_the_reservation_lock_held)
{
	.policy = DMABUF_EXPORTER_ONE_WRITER,
	.flags = LOCKED,
};

FIXTURE_SETUP(bridge_wait)
{
	long long device, ret;
	struct user first;

	ASSERT_EQ(0, core_parameters_begin(&self->parameters));
	ASSERT_EQ(0, counters_read(&self->before));
	self->remains = remains_of(BRIDGE_MODULE);
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	self->node = bridge_open();
	ASSERT_LE(0, self->node);
	ret = engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0);
	ASSERT_LE(0, ret);
	self->soft = ret;

	self->fd = buffer_in_pieces(self->exporter, self->importer, self->soft, BYTES,
				    variant->policy, &first);
	ASSERT_LE(0, self->fd);
	scribble(self->bytes, BYTES, 47);
	ASSERT_EQ(0, copy_in(self->importer, first.mapping, 0, BYTES, self->bytes));
	ASSERT_EQ(0, unmap(self->importer, first.mapping));
	self->own.holder = first.attachment;
	device = bridge_device(self->node, 64, NULL);
	ASSERT_LT(0, device);
	self->kernel.holder = bridge_attach(self->node, self->fd, device);
	ASSERT_LT(0, self->kernel.holder);

	self->own.asker = variant->policy ? attach(self->importer, self->fd, self->soft) :
			  attach_one_segment(self->importer, self->fd, self->soft);
	ASSERT_LT(0, self->own.asker);
	device = variant->policy ? bridge_device(self->node, 64, self->kernel_asker) :
				   bridge_device_contiguous(self->node, self->kernel_asker);
	ASSERT_LT(0, device);
	self->kernel.asker = bridge_attach(self->node, self->fd, device);
	ASSERT_LT(0, self->kernel.asker);
	self->waits_in = variant->policy ? DMABUF_EXPORTER_MAPPED : DMABUF_EXPORTER_DRAINING;
	self->constraint = variant->policy ? DMABUF_EXPORTER_CONSTRAINT_NONE :
					     DMABUF_EXPORTER_CONSTRAINT_MAX_SEGS;
}

FIXTURE_TEARDOWN(bridge_wait)
{
	EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(0, close(self->node));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
	EXPECT_TRUE(remains_are(BRIDGE_MODULE, &self->remains));
	EXPECT_EQ(0, core_parameters_end(&self->parameters));
}

static inline long long own_maps(FIXTURE_DATA(bridge_wait) *self, long long attachment)
{
	return map(self->importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
}

static inline long long kernel_maps(FIXTURE_DATA(bridge_wait) *self, long long attachment,
				    __u32 flags)
{
	return bridge_map(self->node, attachment, BIDIRECTIONAL, flags);
}

/* Is the buffer in the state in which so many askers wait? */
static inline bool so_many_wait(FIXTURE_DATA(bridge_wait) *self, __u32 n)
{
	return placement_becomes(self->exporter, self->fd, self->waits_in, n);
}

/* Nobody waits, it has not moved, and so many have it mapped. */
static inline bool stays_as_it_was(FIXTURE_DATA(bridge_wait) *self, __u32 mappings)
{
	struct dmabuf_exporter_placement place;

	return !placement_query(self->exporter, self->fd, &place) && !place.waiting &&
	       !place.moves && place.here.chunks > 1 &&
	       place.readers + place.writers == mappings &&
	       place.state == (mappings ? DMABUF_EXPORTER_MAPPED : DMABUF_EXPORTER_BACKED);
}

/* Was this the last one that was refused, so? */
static inline bool was_refused(FIXTURE_DATA(bridge_wait) *self, const char *device, __u32 error)
{
	struct dmabuf_exporter_placement place;

	if (placement_query(self->exporter, self->fd, &place))
		return false;
	if (!strcmp(device, place.refusal.device) && place.refusal.error == error &&
	    place.refusal.constraint == self->constraint)
		return true;
	note("refused was %s, error %u, constraint %u, and not %s, error %u, constraint %u\n",
	     place.refusal.device, place.refusal.error, place.refusal.constraint, device, error,
	     self->constraint);
	return false;
}

#endif /* _DMABUF_BRIDGE_WAIT_FIXTURE_H */
