/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What migrate and migrate-stall start from: two edu devices of different reach, and
 * a buffer that lies where only one of them reaches.
 *
 * For a machine with memory beyond the reach of the narrow one; the programs fail
 * elsewhere.  A run of edu takes 100 ms, so the clock should be one that counts
 * instructions and skips idle time.
 */
#ifndef _DMABUF_MIGRATE_FIXTURE_H
#define _DMABUF_MIGRATE_FIXTURE_H

#include "placement-test.h"

#define BYTES (256 * 1024 - 5)

/* Seconds of the machine's clock, which edu's runs fill. */
#define TIMEOUT 10000

struct edu {
	int index;
	__u64 mask;
	char device[64];
};

/* The one of least reach, and the one of most. */
struct edus {
	struct edu narrow, wide;
};

/* False if there are not two of different reach. */
static inline bool edus_find(int importer, struct edus *edus)
{
	struct dmabuf_importer_engine engine;
	struct edu edu;
	int nth;

	*edus = (struct edus) { .narrow.mask = ~0ULL };
	for (nth = 0;; nth++) {
		edu.index = engine_find(importer, DMABUF_IMPORTER_EDU, nth);
		if (edu.index < 0 || engine_describe(importer, edu.index, &engine))
			break;
		edu.mask = engine.constraints.dma_mask;
		memcpy(edu.device, engine.device, sizeof(edu.device));
		if (edu.mask < edus->narrow.mask)
			edus->narrow = edu;
		if (edu.mask > edus->wide.mask)
			edus->wide = edu;
	}
	return edus->narrow.mask < edus->wide.mask;
}

static inline unsigned int mask_bits(__u64 mask)
{
	unsigned int bits = 0;

	for (; mask; mask >>= 1)
		bits++;
	return bits;
}

/* Lies all of the mapping between these bus addresses?  No IOMMU translates them. */
static inline bool lies_within(int importer, __u32 mapping, __u32 segments, __u64 first,
			       __u64 last)
{
	struct extents *extents = extents_read(importer, mapping, segments);
	bool within = extents && extents->n;
	__u32 i;

	for (i = 0; within && i < extents->n; i++)
		within = extents->at[i].first >= first && extents->at[i].last <= last;
	free(extents);
	return within;
}

/* Where only the wide one reaches. */
static inline bool lies_high(int importer, __u32 mapping, __u32 segments, const struct edus *edus)
{
	return lies_within(importer, mapping, segments, edus->narrow.mask + 1, edus->wide.mask);
}

/* Where both reach. */
static inline bool lies_low(int importer, __u32 mapping, __u32 segments, const struct edus *edus)
{
	return lies_within(importer, mapping, segments, 0, edus->narrow.mask);
}

/* A buffer that the wide engine has mapped and written, to which the narrow one comes. */
FIXTURE(migrate)
{
	int exporter, importer;
	struct edus edus;
	int fd;
	struct user wide, narrow;
	unsigned char *bytes;
	struct counters before;
};

FIXTURE_SETUP(migrate)
{
	long long handle;

	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	ASSERT_TRUE(edus_find(self->importer, &self->edus));

	self->fd = buffer_export(self->exporter, BYTES, DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, self->fd);
	handle = attach(self->importer, self->fd, self->edus.wide.index);
	ASSERT_LT(0, handle);
	self->wide.attachment = handle;
	handle = map_segments(self->importer, self->wide.attachment,
			      DMABUF_IMPORTER_BIDIRECTIONAL, &self->wide.segments);
	ASSERT_LT(0, handle);
	self->wide.mapping = handle;
	ASSERT_TRUE(lies_high(self->importer, self->wide.mapping, self->wide.segments,
			      &self->edus));
	self->bytes = malloc(BYTES);
	ASSERT_NE(NULL, self->bytes);
	scribble(self->bytes, BYTES, 28);
	ASSERT_EQ(0, copy_in(self->importer, self->wide.mapping, 0, BYTES, self->bytes));

	handle = attach(self->importer, self->fd, self->edus.narrow.index);
	ASSERT_LT(0, handle);
	self->narrow.attachment = handle;
}

FIXTURE_TEARDOWN(migrate)
{
	free(self->bytes);
	EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* Return: a mapping of the wide one for reading, or -errno. */
static inline long long wide_maps_again(FIXTURE_DATA(migrate) *self)
{
	long long handle = map_segments(self->importer, self->wide.attachment,
					DMABUF_IMPORTER_TO_DEVICE, &self->wide.segments);

	self->wide.mapping = handle;
	return handle;
}

#endif /* _DMABUF_MIGRATE_FIXTURE_H */
