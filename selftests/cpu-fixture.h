/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What cpu-access and cpu-move start from: a buffer with a file of each kind, mapped by
 * its fd, and devices that are not coherent.
 */
#ifndef _DMABUF_CPU_FIXTURE_H
#define _DMABUF_CPU_FIXTURE_H

#include "cpu-test.h"

#define START DMA_BUF_SYNC_START
#define END DMA_BUF_SYNC_END
#define READ DMA_BUF_SYNC_READ
#define WRITE DMA_BUF_SYNC_WRITE
#define RW DMA_BUF_SYNC_RW

#define BUFFER_PAGES 3

FIXTURE(access)
{
	int exporter;
	int importer;
	int node;		/* of dmabuf-test-cpu */
	int fd;
	size_t bytes;
	unsigned char *memory;	/* the whole buffer, by fd */
	int native_files;
	struct counters before;
	struct remains before_cpu;
};

FIXTURE_VARIANT(access)
{
	bool native;
};

FIXTURE_VARIANT_ADD(access, kernel) { .native = false };
FIXTURE_VARIANT_ADD(access, native) { .native = true };

/* The buffers of a test all have files of its kind. */
FIXTURE_SETUP(access)
{
	ASSERT_EQ(0, counters_read(&self->before));
	self->before_cpu = remains_of(CPU_MODULE);
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	self->node = open_node(DMABUF_TEST_CPU_NODE);
	ASSERT_LE(0, self->node);
	self->bytes = BUFFER_PAGES * page_size();
	self->native_files = native_files_set(variant->native);
	ASSERT_LE(0, self->native_files);
	self->fd = buffer_export_kind(self->exporter, variant->native, self->bytes, 0, O_RDWR);
	self->memory = MAP_FAILED;
	if (self->fd != -EOPNOTSUPP) {
		EXPECT_LE(0, self->fd);
		self->memory = mmap(NULL, self->bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
				    self->fd, 0);
		EXPECT_NE(MAP_FAILED, self->memory);
	}
}

FIXTURE_TEARDOWN(access)
{
	EXPECT_LE(0, native_files_set(self->native_files));
	if (self->memory != MAP_FAILED)
		munmap(self->memory, self->bytes);
	if (self->fd >= 0)
		EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(0, close(self->node));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
	EXPECT_TRUE(remains_are(CPU_MODULE, &self->before_cpu));
}

#endif /* _DMABUF_CPU_FIXTURE_H */
