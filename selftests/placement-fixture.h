/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What placement and refusal start from: the nodes and the software engine; each
 * test exports what it needs.
 */
#ifndef _DMABUF_PLACEMENT_FIXTURE_H
#define _DMABUF_PLACEMENT_FIXTURE_H

#include "placement-test.h"

#define BUFFER_PAGES 8

FIXTURE(placement)
{
	int exporter;
	int importer;
	__u32 soft;
	struct dmabuf_importer_engine engine;
	size_t bytes;
	struct counters before;
};

FIXTURE_SETUP(placement)
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
	ASSERT_EQ(0, engine_describe(self->importer, soft, &self->engine));
	self->bytes = BUFFER_PAGES * page_size() - 100;
}

FIXTURE_TEARDOWN(placement)
{
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

static inline int export_with(FIXTURE_DATA(placement) *self, __u32 backing, __u32 flags)
{
	return buffer_export_flags(self->exporter, self->bytes, backing, flags,
				   O_RDWR | O_CLOEXEC);
}

/* The reason is this constraint of our device. */
static inline bool reason_is(FIXTURE_DATA(placement) *self,
			     const struct dmabuf_exporter_reason *reason, __u32 error,
			     __u32 constraint, __u64 allowed)
{
	if (!strcmp(reason->device, self->engine.device) && reason->error == error &&
	    reason->constraint == constraint && reason->allowed == allowed)
		return true;
	printf("# device \"%s\", error %u, constraint %u, allowed %#llx, actual %#llx\n",
	       reason->device, reason->error, reason->constraint, reason->allowed,
	       reason->actual);
	fflush(stdout);
	return false;
}

/* Return: bytes that the exporter has behind this buffer, or -errno. */
static inline long long backed_bytes(FIXTURE_DATA(placement) *self, int fd)
{
	struct dmabuf_exporter_query query;
	int ret = buffer_query(self->exporter, fd, &query);

	return ret ?: (long long)query.backed_bytes;
}

#endif /* _DMABUF_PLACEMENT_FIXTURE_H */
