// SPDX-License-Identifier: GPL-2.0-only
/*
 * Anybody's dma-buf is a buffer here: our importer takes it, whoever of the kernel
 * exported it.
 */
#include "foreign-test.h"

#define BYTES (16 * 4096)

FIXTURE(bridge_in)
{
	int importer, node;
	__u32 soft;
	int fd;
	unsigned char bytes[BYTES];
	struct core_parameters parameters;
	struct counters before;
	struct remains remains;
};

FIXTURE_VARIANT(bridge_in)
{
	enum foreign foreign;
};

FIXTURE_VARIANT_ADD(bridge_in, bridge)
{
	.foreign = FOREIGN_BRIDGE,
};

FIXTURE_VARIANT_ADD(bridge_in, bridge_contiguous)
{
	.foreign = FOREIGN_BRIDGE_CONTIG,
};

FIXTURE_VARIANT_ADD(bridge_in, udmabuf)
{
	.foreign = FOREIGN_UDMABUF,
};

FIXTURE_VARIANT_ADD(bridge_in, vgem)
{
	.foreign = FOREIGN_VGEM,
};

FIXTURE_VARIANT_ADD(bridge_in, system_heap)
{
	.foreign = FOREIGN_HEAP,
};

FIXTURE_SETUP(bridge_in)
{
	int soft;

	ASSERT_EQ(0, core_parameters_begin(&self->parameters));
	ASSERT_EQ(0, counters_read(&self->before));
	self->remains = remains_of(BRIDGE_MODULE);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	self->node = bridge_open();
	ASSERT_LE(0, self->node);
	soft = engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0);
	ASSERT_LE(0, soft);
	self->soft = soft;
	self->fd = foreign_export(self->node, variant->foreign, BYTES);
	if (self->fd != -ENOENT)
		ASSERT_LE(0, self->fd);
	scribble(self->bytes, BYTES, 51);
}

FIXTURE_TEARDOWN(bridge_in)
{
	if (self->fd >= 0)
		EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(0, close(self->node));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_TRUE(counters_back_to(&self->before));
	EXPECT_TRUE(remains_are(BRIDGE_MODULE, &self->remains));
	EXPECT_EQ(0, core_parameters_end(&self->parameters));
}

/* An attachment of the kernel's own importer, which needs nothing of ours. */
static long long kernel_attaches(FIXTURE_DATA(bridge_in) *self)
{
	long long device = bridge_device(self->node, 64, NULL);

	return device < 0 ? device : bridge_attach(self->node, self->fd, device);
}

/* proves: R1, R2, M1, F4 */
TEST_F(bridge_in, our_engine_reads_and_writes_the_memory_of_others)
{
	struct dmabuf_importer_query query;
	long long attachment, kernel, mapping;
	__u32 sum;

	if (self->fd == -ENOENT)
		SKIP(return, NO_EXPORTER);
	kernel = kernel_attaches(self);
	ASSERT_LT(0, kernel);
	mapping = bridge_map(self->node, kernel, FROM_DEVICE, 0);
	ASSERT_LT(0, mapping);
	ASSERT_EQ(0, bridge_write(self->node, mapping, 0, self->bytes, BYTES));
	ASSERT_EQ(0, bridge_unmap(self->node, mapping, 0));
	ASSERT_EQ(0, bridge_detach(self->node, kernel));
	attachment = attach(self->importer, self->fd, self->soft);
	ASSERT_LT(0, attachment);
	ASSERT_EQ(0, attachment_query(self->importer, attachment, &query));
	EXPECT_EQ(BYTES, query.bytes);
	mapping = map(self->importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, mapping);
	EXPECT_TRUE(device_reads(self->importer, mapping, self->bytes, BYTES));
	ASSERT_EQ(0, checksum(self->importer, mapping, 0, BYTES, &sum));
	EXPECT_EQ(crc32(self->bytes, BYTES), sum);

	scribble(self->bytes, BYTES, 52);
	ASSERT_EQ(0, copy_in(self->importer, mapping, 0, BYTES, self->bytes));
	ASSERT_EQ(0, unmap(self->importer, mapping));
	ASSERT_EQ(0, detach(self->importer, attachment));
	/* Anew: DRM keeps an attachment mapped in the direction that it had first. */
	kernel = kernel_attaches(self);
	ASSERT_LT(0, kernel);
	mapping = bridge_map(self->node, kernel, TO_DEVICE, 0);
	ASSERT_LT(0, mapping);
	EXPECT_TRUE(bridge_reads(self->node, mapping, 0, self->bytes, BYTES));
}

/* proves: M3, U1 */
TEST_F(bridge_in, memory_of_others_is_mapped_often_and_in_each_direction)
{
	/* Some exporters leave it to the importers that two devices do not write at once. */
	bool together = variant->foreign != FOREIGN_UDMABUF && variant->foreign != FOREIGN_HEAP;
	const __u32 directions[] = {
		together ? DMABUF_IMPORTER_BIDIRECTIONAL : DMABUF_IMPORTER_TO_DEVICE,
		DMABUF_IMPORTER_TO_DEVICE,
		DMABUF_IMPORTER_FROM_DEVICE,
	};
	long long attachments[2], mappings[6];
	int i;

	if (self->fd == -ENOENT)
		SKIP(return, NO_EXPORTER);
	for (i = 0; i < 2; i++) {
		attachments[i] = attach(self->importer, self->fd, self->soft);
		ASSERT_LT(0, attachments[i]);
	}
	/* All directions at once, of each attachment, though some have one mapping for it. */
	for (i = 0; i < 6; i++) {
		mappings[i] = map(self->importer, attachments[i & 1],
				  i < 5 || together ? directions[i / 2] :
						      DMABUF_IMPORTER_TO_DEVICE);
		ASSERT_LT(0, mappings[i]) TH_LOG("mapping %d", i);
	}
	ASSERT_EQ(0, copy_in(self->importer, mappings[4], 0, BYTES, self->bytes));
	for (i = 0; i < 4; i++)
		EXPECT_TRUE(device_reads(self->importer, mappings[i], self->bytes, BYTES))
			TH_LOG("mapping %d", i);
	for (i = 0; i < 6; i++)
		EXPECT_EQ(0, unmap(self->importer, mappings[(i + 1) % 6]));
	mappings[0] = map(self->importer, attachments[0], directions[1]);
	ASSERT_LT(0, mappings[0]);
	EXPECT_TRUE(device_reads(self->importer, mappings[0], self->bytes, BYTES));
	EXPECT_EQ(0, unmap(self->importer, mappings[0]));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, detach(self->importer, attachments[i]));
}

/* proves: A1, A5 */
TEST_F(bridge_in, dma_buf_of_others_is_one_buffer_however_often_it_is_attached)
{
	struct dmabuf_importer_query query;
	long long attachments[8];
	unsigned long long id = 0;
	struct view view;
	int copy, i;

	if (self->fd == -ENOENT)
		SKIP(return, NO_EXPORTER);
	copy = dup(self->fd);
	ASSERT_LE(0, copy);
	for (i = 0; i < 8; i++) {
		attachments[i] = attach(self->importer, i & 1 ? copy : self->fd, self->soft);
		ASSERT_LT(0, attachments[i]);
		ASSERT_EQ(0, attachment_query(self->importer, attachments[i], &query));
		if (!i)
			id = query.buffer_id;
		EXPECT_EQ(id, query.buffer_id);
		EXPECT_EQ(self->before.listed + 1, buffers_listed());
	}
	ASSERT_EQ(0, view_debugfs(id, &view));
	EXPECT_EQ(BYTES, view.size);
	EXPECT_EQ(8, view.attachments);
	EXPECT_EQ(8, view.attachment_lines);
	for (i = 0; i < 8; i++) {
		EXPECT_EQ(self->before.listed + 1, buffers_listed());
		EXPECT_EQ(0, detach(self->importer, attachments[i]));
	}
	EXPECT_EQ(self->before.listed, buffers_listed());
	close(copy);
}

/* proves: P1 */
TEST_F(bridge_in, attachment_of_ours_keeps_the_memory_of_others)
{
	long long attachment, mapping;

	if (self->fd == -ENOENT)
		SKIP(return, NO_EXPORTER);
	attachment = attach(self->importer, self->fd, self->soft);
	ASSERT_LT(0, attachment);
	EXPECT_EQ(0, close(self->fd));
	self->fd = -1;
	mapping = map(self->importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, mapping);
	ASSERT_EQ(0, copy_in(self->importer, mapping, 0, BYTES, self->bytes));
	EXPECT_TRUE(device_reads(self->importer, mapping, self->bytes, BYTES));
	EXPECT_EQ(self->before.listed + 1, buffers_listed());
}

/* proves: M4 */
TEST_F(bridge_in, how_long_others_wait_is_not_for_ours_to_say)
{
	long long attachment;

	if (self->fd == -ENOENT)
		SKIP(return, NO_EXPORTER);
	attachment = attach(self->importer, self->fd, self->soft);
	ASSERT_LT(0, attachment);
	EXPECT_EQ(-EOPNOTSUPP, map_nowait(self->importer, attachment,
					  DMABUF_IMPORTER_BIDIRECTIONAL));
	EXPECT_EQ(-EOPNOTSUPP, map_timeout(self->importer, attachment,
					   DMABUF_IMPORTER_BIDIRECTIONAL, 100));
}

/* proves: A1 */
TEST_F(bridge_in, dma_buf_of_others_is_none_of_the_exporters)
{
	struct dmabuf_exporter_placement place;
	struct dmabuf_exporter_query query;
	int exporter;

	if (self->fd == -ENOENT)
		SKIP(return, NO_EXPORTER);
	exporter = exporter_open();
	ASSERT_LE(0, exporter);
	EXPECT_EQ(-EINVAL, buffer_query(exporter, self->fd, &query));
	EXPECT_EQ(-EINVAL, placement_query(exporter, self->fd, &place));
	EXPECT_EQ(-EINVAL, buffer_offset(exporter, self->fd));
	close(exporter);
	EXPECT_EQ(self->before.listed, buffers_listed());
}

static void hold_and_pause(FIXTURE_DATA(bridge_in) *self, int ready)
{
	int importer = importer_open();
	long long attachment = attach(importer, self->fd, self->soft);

	if (map(importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL) < 0 ||
	    attach(importer, self->fd, self->soft) < 0 || write(ready, "x", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

/* proves: U1, D1 */
TEST_F(bridge_in, killed_process_leaves_nothing)
{
	int ready[2], status;
	pid_t child;
	char byte;

	if (self->fd == -ENOENT)
		SKIP(return, NO_EXPORTER);
	ASSERT_EQ(0, pipe(ready));
	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		hold_and_pause(self, ready[1]);
	close(ready[1]);
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	close(ready[0]);
	EXPECT_EQ(self->before.listed + 1, buffers_listed());
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_TRUE(HOLDS_SOON(buffers_listed() == self->before.listed));
}

static const char *const needed_modules[] = { "dmabuf-test-bridge", NULL };

#include "test-modules-main.h"
