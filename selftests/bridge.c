// SPDX-License-Identifier: GPL-2.0-only
/*
 * A buffer is a dma-buf of the kernel: an importer that knows nothing of us attaches
 * its device, maps, unmaps and detaches, and the exporter sees all of it.
 */
#include "bridge-test.h"

#define BYTES 50001		/* pages enough, and no multiple of one */
#define LONG_BYTES 300001

/* DMA masks with which a device reaches some memory. */
#if defined(__x86_64__)
static const unsigned int reaches[] = { 24, 26, 28, 32, 64 };
#else
static const unsigned int reaches[] = { 31, 32, 40, 64 };
#endif

FIXTURE(bridge)
{
	int exporter, importer, node;
	__u32 soft;
	__u32 device;
	char name[32];
	unsigned char bytes[BYTES];
	struct core_parameters parameters;
	struct counters before;
	struct remains remains;
};

FIXTURE_SETUP(bridge)
{
	long long ret;

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
	ret = bridge_device(self->node, 64, self->name);
	ASSERT_LT(0, ret);
	self->device = ret;
	scribble(self->bytes, BYTES, 41);
}

FIXTURE_TEARDOWN(bridge)
{
	EXPECT_EQ(0, close(self->node));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
	EXPECT_TRUE(remains_are(BRIDGE_MODULE, &self->remains));
	EXPECT_EQ(0, core_parameters_end(&self->parameters));
}

static int export(FIXTURE_DATA(bridge) *self, __u32 flags)
{
	return buffer_export_flags(self->exporter, BYTES, DMABUF_EXPORTER_AUTO, flags,
				   O_RDWR | O_CLOEXEC);
}

/* Does debugfs have a line of this buffer with all of these in it? */
static bool debugfs_tells(long long id, const char *one, const char *two, const char *three)
{
	FILE *file = fopen(BUFFERS_FILE, "re");
	bool mine = false, told = false;
	char line[512];
	long long found;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "buffer %lld:", &found) == 1)
			mine = found == id;
		told |= mine && strstr(line, one) && strstr(line, two) && strstr(line, three);
	}
	if (file)
		fclose(file);
	return told;
}

/* proves: A2, A5, D1, F4 */
TEST_F(bridge, kernel_importer_attaches_with_its_real_device)
{
	struct dmabuf_exporter_query query;
	char name[32];
	long long attachment, device;
	int fd;

	fd = export(self, 0);
	ASSERT_LE(0, fd);
	device = bridge_device(self->node, 40, name);
	ASSERT_LT(0, device);
	attachment = bridge_attach(self->node, fd, device);
	ASSERT_LT(0, attachment);
	ASSERT_EQ(0, buffer_query(self->exporter, fd, &query));
	EXPECT_EQ(1, query.attachments);
	EXPECT_EQ(0, query.backed_bytes);
	EXPECT_EQ(DMABUF_EXPORTER_QUERY_KERNEL, query.flags);
	EXPECT_TRUE(debugfs_tells(query.id, name, "dma_mask 0xffffffffff,", "kernel importer"));

	ASSERT_EQ(0, bridge_detach(self->node, attachment));
	ASSERT_EQ(0, buffer_query(self->exporter, fd, &query));
	EXPECT_EQ(0, query.attachments);
	EXPECT_FALSE(debugfs_tells(query.id, name, "dma_mask", "kernel importer"));
	close(fd);
}

/* proves: A2 */
TEST_F(bridge, limits_of_the_device_are_those_of_the_attachment)
{
	struct dmabuf_test_bridge_device device = {
		.bits = 36, .max_seg_size = 8192, .seg_boundary = 0xffff,
	};
	struct dmabuf_test_bridge_map map;
	long long attachment;
	int fd;

	fd = export(self, 0);
	ASSERT_LE(0, fd);
	ASSERT_LT(0, bridge_device_limited(self->node, &device));
	attachment = bridge_attach(self->node, fd, device.device);
	ASSERT_LT(0, attachment);
	EXPECT_TRUE(debugfs_tells(buffer_id(self->exporter, fd), device.name,
				  "dma_mask 0xfffffffff,",
				  "seg_boundary 0xffff, max_seg_size 0x2000,"));
	ASSERT_LT(0, bridge_map_described(self->node, attachment, BIDIRECTIONAL, 0, &map));
	EXPECT_EQ(page_align(BYTES), map.bytes);
	EXPECT_GE(8192, map.longest);
	close(fd);
}

/* proves: M2, A6, N1 */
TEST_F(bridge, device_of_few_bits_makes_the_storage_low)
{
	struct dmabuf_exporter_placement place;
	struct dmabuf_test_bridge_map map;
	long long attachment, device;
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(reaches); i++) {
		fd = export(self, 0);
		ASSERT_LE(0, fd);
		device = bridge_device(self->node, reaches[i], NULL);
		ASSERT_LT(0, device);
		attachment = bridge_attach(self->node, fd, device);
		ASSERT_LT(0, attachment) TH_LOG("%u bits", reaches[i]);
		ASSERT_LT(0, bridge_map_described(self->node, attachment, BIDIRECTIONAL, 0, &map))
			TH_LOG("%u bits", reaches[i]);
		EXPECT_EQ(page_align(BYTES), map.bytes);
		if (reaches[i] < 64)
			EXPECT_EQ(0, map.last >> reaches[i]) TH_LOG("%u bits", reaches[i]);
		ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
		EXPECT_EQ(DMABUF_EXPORTER_MAPPED, place.state);
		EXPECT_EQ(1, place.allocs);
		close(fd);
	}
}

#if defined(__x86_64__)	/* whose page allocator keeps what 24 bits reach for those who need it */
/* proves: N2, N4 */
TEST_F(bridge, device_of_few_bits_moves_the_storage)
{
	struct dmabuf_exporter_placement place;
	struct dmabuf_test_bridge_map map;
	long long attachment, device, mapping;
	struct user first;
	char name[32];
	int fd;

	fd = buffer_in_pieces(self->exporter, self->importer, self->soft, BYTES, 0, &first);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, copy_in(self->importer, first.mapping, 0, BYTES, self->bytes));
	ASSERT_EQ(0, unmap(self->importer, first.mapping));
	device = bridge_device(self->node, 24, name);
	ASSERT_LT(0, device);
	attachment = bridge_attach(self->node, fd, device);
	ASSERT_LT(0, attachment);

	mapping = bridge_map_described(self->node, attachment, TO_DEVICE, 0, &map);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(0, map.last >> 24);
	EXPECT_TRUE(bridge_reads(self->node, mapping, 0, self->bytes, BYTES));
	ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
	EXPECT_EQ(1, place.moves);
	EXPECT_STREQ(name, place.move.device);
	EXPECT_EQ(DMABUF_EXPORTER_CONSTRAINT_DMA_MASK, place.move.constraint);
	EXPECT_EQ(0xffffff, place.move.allowed);
	close(fd);
}
#endif

/* proves: M2 */
TEST_F(bridge, device_that_takes_contiguous_memory_only_gets_it_at_the_first_map)
{
	struct dmabuf_exporter_query query;
	struct dmabuf_test_bridge_map map;
	long long attachment, device;
	struct holes holes;
	char name[32];
	int fd;

	device = bridge_device_contiguous(self->node, name);
	ASSERT_LT(0, device);
	/* Longer than the longest segment of a device that says nothing: 64 KiB. */
	fd = buffer_export(self->exporter, LONG_BYTES, DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, fd);
	attachment = bridge_attach(self->node, fd, device);
	ASSERT_LT(0, attachment);
	ASSERT_EQ(0, holes_punch(self->exporter, &holes));
	ASSERT_LT(0, bridge_map_described(self->node, attachment, BIDIRECTIONAL, 0, &map));
	holes_fill(&holes);
	EXPECT_LT(1, map.segments);
	EXPECT_EQ(page_align(LONG_BYTES), map.bytes);
	EXPECT_EQ(page_align(LONG_BYTES) - 1, map.last - map.first);
	ASSERT_EQ(0, buffer_query(self->exporter, fd, &query));
	EXPECT_EQ(1, query.chunks);
	close(fd);
}

/* proves: N2, N3, N4 */
TEST_F(bridge, device_that_takes_contiguous_memory_only_makes_a_buffer_in_pieces_move)
{
	struct dmabuf_exporter_placement place;
	struct dmabuf_test_bridge_map map;
	long long attachment, device, mapping;
	struct user first;
	char name[32];
	int fd;

	device = bridge_device_contiguous(self->node, name);
	ASSERT_LT(0, device);
	fd = buffer_in_pieces(self->exporter, self->importer, self->soft, BYTES, 0, &first);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, copy_in(self->importer, first.mapping, 0, BYTES, self->bytes));
	ASSERT_EQ(0, unmap(self->importer, first.mapping));
	attachment = bridge_attach(self->node, fd, device);
	ASSERT_LT(0, attachment);
	mapping = bridge_map_described(self->node, attachment, FROM_DEVICE, 0, &map);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(1, map.segments);
	EXPECT_TRUE(bridge_reads(self->node, mapping, 0, self->bytes, BYTES));
	ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
	EXPECT_EQ(1, place.moves);
	EXPECT_EQ(1, place.here.chunks);
	EXPECT_STREQ(name, place.move.device);
	EXPECT_EQ(DMABUF_EXPORTER_CONSTRAINT_MAX_SEGS, place.move.constraint);
	close(fd);
}

TEST_F(bridge, list_of_devices_that_take_contiguous_memory_only_holds_names_or_a_star)
{
	struct {
		const char *list;
		bool contiguous;
	} cases[] = {
		{ "", false }, { "*", true }, { "%s", true }, { "none", false },
		{ "none,%s", true }, { "%s,none", true }, { "x%s", false }, { "%sx", false },
	};
	long long attachment;
	char list[128];
	unsigned int i;
	int fd;

	/* A buffer that is in pieces whoever comes. */
	fd = buffer_export(self->exporter, BYTES, DMABUF_EXPORTER_SCATTER);
	ASSERT_LE(0, fd);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(list, sizeof(list), cases[i].list, self->name);
		ASSERT_EQ(0, core_parameter_set("contiguous_devices", list));
		attachment = bridge_attach(self->node, fd, self->device);
		if (cases[i].contiguous) {
			EXPECT_EQ(-EOPNOTSUPP, attachment) TH_LOG("list \"%s\"", list);
			continue;
		}
		ASSERT_LT(0, attachment) TH_LOG("list \"%s\"", list);
		EXPECT_EQ(0, bridge_detach(self->node, attachment));
	}
	/* Importers of ours say themselves what they need. */
	ASSERT_EQ(0, core_parameter_set("contiguous_devices", "*"));
	EXPECT_LT(0, attach(self->importer, fd, self->soft));
	close(fd);
}

/* proves: N5, A3 */
TEST_F(bridge, device_that_no_memory_serves_is_refused_at_attach)
{
	struct dmabuf_exporter_placement place;
	struct dmabuf_exporter_query query;
	long long device;
	char name[32];
	int fd;

	device = bridge_device(self->node, 12, name);
	ASSERT_LT(0, device);
	fd = export(self, 0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EOPNOTSUPP, bridge_attach(self->node, fd, device));
	ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
	EXPECT_EQ(EOPNOTSUPP, place.refusal.error);
	EXPECT_STREQ(name, place.refusal.device);
	EXPECT_EQ(DMABUF_EXPORTER_CONSTRAINT_DMA_MASK, place.refusal.constraint);
	EXPECT_EQ(0xfff, place.refusal.allowed);

	/* As memory of this kind by name. */
	close(fd);
	device = bridge_device_contiguous(self->node, name);
	ASSERT_LT(0, device);
	fd = buffer_export(self->exporter, BYTES, DMABUF_EXPORTER_SCATTER);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EOPNOTSUPP, bridge_attach(self->node, fd, device));
	ASSERT_EQ(0, buffer_query(self->exporter, fd, &query));
	EXPECT_EQ(0, query.attachments);
	EXPECT_LT(0, bridge_attach(self->node, fd, self->device));
	close(fd);
}

/* proves: N5, A3 */
TEST_F(bridge, device_that_fixed_storage_does_not_serve_is_refused_at_attach)
{
	struct dmabuf_exporter_placement place;
	struct user first;
	long long device;
	char name[32];
	int fd;

	device = bridge_device_contiguous(self->node, name);
	ASSERT_LT(0, device);
	fd = buffer_in_pieces(self->exporter, self->importer, self->soft, BYTES,
			      DMABUF_EXPORTER_FIXED, &first);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBUSY, bridge_attach(self->node, fd, device));
	ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
	EXPECT_EQ(EBUSY, place.refusal.error);
	EXPECT_STREQ(name, place.refusal.device);
	EXPECT_EQ(DMABUF_EXPORTER_CONSTRAINT_MAX_SEGS, place.refusal.constraint);
	EXPECT_LT(0, bridge_attach(self->node, fd, self->device));
	close(fd);
}

/* proves: N6, A3 */
TEST_F(bridge, device_that_comes_late_is_refused_at_attach)
{
	struct dmabuf_exporter_placement place;
	long long attachment, mapping;
	int fd;

	fd = export(self, DMABUF_EXPORTER_NO_LATE_ATTACH);
	ASSERT_LE(0, fd);
	attachment = bridge_attach(self->node, fd, self->device);
	ASSERT_LT(0, attachment);
	mapping = bridge_map(self->node, attachment, BIDIRECTIONAL, 0);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(-EBUSY, bridge_attach(self->node, fd, self->device));
	ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
	EXPECT_EQ(EBUSY, place.refusal.error);
	EXPECT_STREQ(self->name, place.refusal.device);
	/* Also when nobody has it mapped any more. */
	EXPECT_EQ(0, bridge_unmap(self->node, mapping, 0));
	EXPECT_EQ(-EBUSY, bridge_attach(self->node, fd, self->device));
	EXPECT_EQ(-EBUSY, attach(self->importer, fd, self->soft));
	close(fd);
}

TEST_F(bridge, native_file_is_no_dma_buf_of_the_kernel)
{
	struct dmabuf_exporter_query query;
	int fd;

	fd = export(self, DMABUF_EXPORTER_NATIVE);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, buffer_query(self->exporter, fd, &query));
	EXPECT_EQ(0, query.flags);
	EXPECT_EQ(-EINVAL, bridge_attach(self->node, fd, self->device));
	close(fd);

	ASSERT_EQ(0, core_parameter_set("native_files", "1"));
	fd = export(self, 0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EINVAL, bridge_attach(self->node, fd, self->device));
	/* A buffer stays what it is. */
	ASSERT_EQ(0, core_parameter_set("native_files", "0"));
	EXPECT_EQ(-EINVAL, bridge_attach(self->node, fd, self->device));
	close(fd);
}

static const char *const needed_modules[] = { "dmabuf-test-bridge", NULL };

#include "test-modules-main.h"
