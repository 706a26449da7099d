/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What fences and fences-sync start from: a buffer in pieces that nobody has mapped, of
 * which a kernel importer can leave fences, and devices that make it move.
 */
#ifndef _DMABUF_FENCES_FIXTURE_H
#define _DMABUF_FENCES_FIXTURE_H

#include <linux/dma-buf.h>
#include <linux/sync_file.h>

#include "bridge-test.h"

#define BYTES 50001		/* pages enough, and no multiple of one */

/* How long a test looks whether something that must not happen does. */
#define A_WHILE_MS 200

FIXTURE(fences)
{
	int exporter, importer, node;
	__u32 soft;
	int fd;
	__u32 easy;			/* attachments of ours */
	__u32 strict;
	long long kernel_easy;		/* attachments of the kernel importer */
	long long kernel_strict;
	unsigned char bytes[BYTES];
	struct core_parameters parameters;
	struct counters before;
	struct remains remains;
};

FIXTURE_SETUP(fences)
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
	self->fd = buffer_in_pieces(self->exporter, self->importer, self->soft, BYTES, 0,
				    &first);
	ASSERT_LE(0, self->fd);
	scribble(self->bytes, BYTES, 50);
	ASSERT_EQ(0, copy_in(self->importer, first.mapping, 0, BYTES, self->bytes));
	ASSERT_EQ(0, unmap(self->importer, first.mapping));
	self->easy = first.attachment;
	ret = attach_one_segment(self->importer, self->fd, self->soft);
	ASSERT_LT(0, ret);
	self->strict = ret;
	device = bridge_device(self->node, 64, NULL);
	ASSERT_LT(0, device);
	self->kernel_easy = bridge_attach(self->node, self->fd, device);
	ASSERT_LT(0, self->kernel_easy);
	device = bridge_device_contiguous(self->node, (char[32]) {});
	ASSERT_LT(0, device);
	self->kernel_strict = bridge_attach(self->node, self->fd, device);
	ASSERT_LT(0, self->kernel_strict);
}

FIXTURE_TEARDOWN(fences)
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

static inline long long fence(FIXTURE_DATA(fences) *self, __u32 usage)
{
	return bridge_fence(self->node, self->fd, usage, 0);
}

static inline long long moves(FIXTURE_DATA(fences) *self)
{
	struct dmabuf_exporter_placement place;
	int ret = placement_query(self->exporter, self->fd, &place);

	return ret ?: (long long)place.moves;
}

/* Something that a thread does, and whether the fence was signalled when it was done. */
struct deed {
	FIXTURE_DATA(fences) *self;
	__u32 fence;
	long long (*act)(FIXTURE_DATA(fences) *self);
	long long ret;
	int signalled;
	atomic_bool done;
	pthread_t thread;
};

static inline void *deed_run(void *data)
{
	struct deed *deed = data;

	deed->ret = deed->act(deed->self);
	deed->signalled = bridge_signalled(deed->self->node, deed->fence);
	atomic_store(&deed->done, true);
	return NULL;
}

static inline int deed_start(struct deed *deed, FIXTURE_DATA(fences) *self, __u32 fence,
			     long long (*act)(FIXTURE_DATA(fences) *self))
{
	deed->self = self;
	deed->fence = fence;
	deed->act = act;
	atomic_init(&deed->done, false);
	return pthread_create(&deed->thread, NULL, deed_run, deed);
}

/* Return: what it returned, or -ETIME if it never does. */
static inline long long deed_finish(struct deed *deed)
{
	struct timespec deadline;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += SOON_MS / 1000;
	if (pthread_timedjoin_np(deed->thread, NULL, &deadline))
		return -ETIME;
	return deed->ret;
}

/* Is it still not done after a while? */
static inline bool deed_waits(struct deed *deed)
{
	sleep_ms(A_WHILE_MS);
	return !atomic_load(&deed->done);
}

#endif /* _DMABUF_FENCES_FIXTURE_H */
