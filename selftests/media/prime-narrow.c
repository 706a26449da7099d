// SPDX-License-Identifier: GPL-2.0-only
/*
 * A bus master that reaches less than there is memory, and a DRM handle that keeps the
 * buffer where it is.
 */
#include "kms.h"

#define BUFFER_BYTES (20UL * 1024)

FIXTURE(narrow)
{
	int exporter;
	int importer;
	int edu;
	unsigned int bits;
	int drm;
	int fd;
	unsigned char bytes[BUFFER_BYTES];
	struct counters before;
};

/* Return: the edu that reaches least, and how many bits that is; -ENOENT. */
static int edu_narrowest(int importer, unsigned int *bits)
{
	struct dmabuf_importer_engine engine;
	int best = -ENOENT;
	__u32 i;

	*bits = 64;
	for (i = 0; !engine_describe(importer, i, &engine); i++) {
		unsigned int n = 64 - __builtin_clzll(engine.constraints.dma_mask);

		if (engine.type != DMABUF_IMPORTER_EDU || n >= *bits)
			continue;
		*bits = n;
		best = i;
	}
	return best;
}

#define FILLERS 20
#define FILLER_BYTES (16 * MIB)

/* Return: the fd of a buffer that lies beyond so many bits, or -EAGAIN. */
static int buffer_beyond(int exporter, unsigned int bits)
{
	struct dmabuf_exporter_placement place;
	int fillers[FILLERS], n = 0, fd;

	for (;;) {
		fd = buffer_export_populated(exporter, BUFFER_BYTES, DMABUF_EXPORTER_SCATTER);
		if (fd < 0 || placement_query(exporter, fd, &place) || place.here.bits > bits)
			break;
		close(fd);
		fd = -EAGAIN;
		/* What lies low is taken meanwhile, so that the next one does not. */
		if (n == FILLERS)
			break;
		fillers[n] = buffer_export_populated(exporter, FILLER_BYTES,
						     DMABUF_EXPORTER_SCATTER);
		if (fillers[n++] < 0)
			break;
	}
	while (n--)
		close(fillers[n]);
	return fd;
}

FIXTURE_SETUP(narrow)
{
	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	self->fd = -1;
	self->edu = edu_narrowest(self->importer, &self->bits);
	self->drm = drm_open("vgem");
	if (self->edu == -ENOENT || self->drm == -ENOENT)
		SKIP(return, "this machine has no edu or no vgem");
	ASSERT_LE(0, self->drm);
	self->fd = buffer_beyond(self->exporter, self->bits);
	ASSERT_LE(0, self->fd);
	scribble(self->bytes, BUFFER_BYTES, 2);
	ASSERT_EQ(0, fd_write(self->fd, 0, self->bytes, BUFFER_BYTES));
}

FIXTURE_TEARDOWN(narrow)
{
	if (self->fd >= 0)
		EXPECT_EQ(0, close(self->fd));
	if (self->drm >= 0)
		EXPECT_EQ(0, close(self->drm));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* proves: N3, N4 */
TEST_F(narrow, bus_master_gets_the_buffer_below_its_mask_when_the_handle_is_closed)
{
	struct dmabuf_exporter_placement place;
	long long attachment, mapping;
	__u32 handle, sum;

	if (self->edu == -ENOENT || self->drm == -ENOENT)
		SKIP(return, "this machine has no edu or no vgem");
	ASSERT_EQ(0, prime_import(self->drm, self->fd, &handle));
	attachment = attach(self->importer, self->fd, self->edu);
	ASSERT_LT(0, attachment);
	EXPECT_EQ(-EAGAIN, map_nowait(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE));
	EXPECT_EQ(-ETIMEDOUT, map_timeout(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE,
					  100));
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
	EXPECT_EQ(0, place.moves);
	EXPECT_LT(self->bits, place.here.bits);

	EXPECT_EQ(0, handle_close(self->drm, handle));
	mapping = map_nowait(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, mapping);
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
	EXPECT_EQ(1, place.moves);
	EXPECT_GE(self->bits, place.here.bits);
	EXPECT_EQ(DMABUF_EXPORTER_CONSTRAINT_DMA_MASK, place.move.constraint);
	EXPECT_EQ(0, checksum(self->importer, mapping, 0, BUFFER_BYTES, &sum));
	EXPECT_EQ(crc32(self->bytes, BUFFER_BYTES), sum);
	/* The handle comes back to where it lies now, beside the bus master. */
	EXPECT_EQ(0, prime_import(self->drm, self->fd, &handle));
	EXPECT_EQ(2, mappings_of(self->exporter, self->fd));
	EXPECT_EQ(0, handle_close(self->drm, handle));
	EXPECT_EQ(0, unmap(self->importer, mapping));
}

TEST_HARNESS_MAIN
