// SPDX-License-Identifier: GPL-2.0-only
/* A buffer of any size that has moved: its bytes, what is told of it, and the CPU's memory. */
#include "placement-test.h"

FIXTURE(move)
{
	int exporter;
	int importer;
	__u32 soft;
	struct dmabuf_importer_engine engine;
	int fd;
	struct user first;
	struct dmabuf_importer_constraints limits;
	long long strict;
	unsigned char *bytes;
	struct counters before;
};

FIXTURE_VARIANT(move)
{
	size_t bytes;
};

FIXTURE_VARIANT_ADD(move, one_byte) { .bytes = 1 };
FIXTURE_VARIANT_ADD(move, one_page) { .bytes = 4096 };
FIXTURE_VARIANT_ADD(move, one_byte_over_a_page) { .bytes = 4097 };
FIXTURE_VARIANT_ADD(move, three_pages_less_a_byte) { .bytes = 3 * 4096 - 1 };
FIXTURE_VARIANT_ADD(move, size_64_kib) { .bytes = 65536 };
FIXTURE_VARIANT_ADD(move, odd_size) { .bytes = 300001 };
FIXTURE_VARIANT_ADD(move, size_1_mib) { .bytes = MIB };
FIXTURE_VARIANT_ADD(move, over_1_mib) { .bytes = MIB + 123 };
FIXTURE_VARIANT_ADD(move, size_4_mib) { .bytes = 4 * MIB };

/* A buffer with bytes in it, mapped, and a late device whose limits it does not meet. */
FIXTURE_SETUP(move)
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
	self->bytes = malloc(variant->bytes);
	ASSERT_NE(NULL, self->bytes);
	scribble(self->bytes, variant->bytes, variant->bytes);
	self->fd = buffer_in_pieces(self->exporter, self->importer, soft, variant->bytes, 0,
				    &self->first);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, copy_in(self->importer, self->first.mapping, 0, variant->bytes,
			     self->bytes));
	ASSERT_TRUE(stricter_limits(self->importer, self->first.mapping, self->first.segments,
				    &self->limits));
	self->strict = attach_limited(self->importer, self->fd, soft, &self->limits);
	ASSERT_LT(0, self->strict);
}

FIXTURE_TEARDOWN(move)
{
	EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* proves: N4, N2 */
TEST_F(move, bytes_are_the_same_in_the_new_place)
{
	struct extents *old, *new, *again;
	__u32 segments, before, after;
	long long mapping;

	old = extents_read(self->importer, self->first.mapping, self->first.segments);
	ASSERT_NE(NULL, old);
	ASSERT_EQ(0, checksum(self->importer, self->first.mapping, 0, variant->bytes, &before));
	EXPECT_EQ(crc32(self->bytes, variant->bytes), before);
	ASSERT_EQ(0, unmap(self->importer, self->first.mapping));

	mapping = map_segments(self->importer, self->strict, DMABUF_IMPORTER_TO_DEVICE, &segments);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(1, segments);
	new = extents_read(self->importer, mapping, segments);
	ASSERT_NE(NULL, new);
	EXPECT_EQ(0, new->at[0].first & (self->limits.align - 1));
	EXPECT_FALSE(extents_overlap(old, new));
	ASSERT_EQ(0, checksum(self->importer, mapping, 0, variant->bytes, &after));
	EXPECT_EQ(before, after);
	EXPECT_TRUE(device_reads(self->importer, mapping, self->bytes, variant->bytes));
	EXPECT_EQ(0, unmap(self->importer, mapping));

	/* Later maps of all the others land there, too. */
	mapping = map_segments(self->importer, self->first.attachment,
			       DMABUF_IMPORTER_BIDIRECTIONAL, &segments);
	ASSERT_LT(0, mapping);
	again = extents_read(self->importer, mapping, segments);
	ASSERT_NE(NULL, again);
	EXPECT_TRUE(extents_equal(new, again));
	EXPECT_TRUE(device_reads(self->importer, mapping, self->bytes, variant->bytes));
	free(old);
	free(new);
	free(again);
}

/* Bits of the highest address of the pages that a device without an offset sees. */
static __u32 bits_of(const struct extents *extents)
{
	__u64 last = 0;
	__u32 i, bits = 0;

	for (i = 0; i < extents->n; i++)
		if (extents->at[i].last > last)
			last = extents->at[i].last;
	for (last |= page_size() - 1; last; last >>= 1)
		bits++;
	return bits;
}

/* proves: N4 */
TEST_F(move, query_tells_who_moved_the_buffer_from_where_to_where_and_why)
{
	struct dmabuf_exporter_placement before, after;
	struct dmabuf_exporter_query query;
	struct extents *old, *new;
	__u64 actual;
	long long mapping;
	__u32 segments;

	old = extents_read(self->importer, self->first.mapping, self->first.segments);
	ASSERT_NE(NULL, old);
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &before));
	EXPECT_EQ(DMABUF_EXPORTER_MAPPED, before.state);
	EXPECT_EQ(0, before.flags);
	EXPECT_EQ(0, before.reserved);
	EXPECT_EQ(0, before.readers);
	EXPECT_EQ(1, before.writers);
	EXPECT_EQ(0, before.waiting);
	EXPECT_EQ(1, before.allocs);
	EXPECT_EQ(0, before.moves);
	EXPECT_EQ(0, before.moved_bytes);
	EXPECT_EQ(0, before.drain_ns);
	EXPECT_EQ(self->first.segments, before.here.chunks);
	EXPECT_EQ(bits_of(old), before.here.bits);
	EXPECT_STRNE("", before.here.kind);
	EXPECT_STREQ("", before.from.kind);
	EXPECT_STREQ("", before.to.kind);
	EXPECT_STREQ("", before.move.device);
	ASSERT_EQ(0, unmap(self->importer, self->first.mapping));

	mapping = map_segments(self->importer, self->strict, DMABUF_IMPORTER_TO_DEVICE, &segments);
	ASSERT_LT(0, mapping);
	new = extents_read(self->importer, mapping, segments);
	ASSERT_NE(NULL, new);
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &after));
	EXPECT_EQ(DMABUF_EXPORTER_MAPPED, after.state);
	EXPECT_EQ(1, after.readers);
	EXPECT_EQ(0, after.writers);
	EXPECT_EQ(2, after.allocs);
	EXPECT_EQ(1, after.moves);
	EXPECT_EQ(0, after.failures);
	EXPECT_EQ(0, after.stalls);
	EXPECT_EQ(variant->bytes, after.moved_bytes);
	EXPECT_EQ(variant->bytes, after.move_bytes);
	EXPECT_EQ(after.drain_ns, after.move_drain_ns);

	EXPECT_EQ(0, memcmp(&before.here, &after.from, sizeof(after.from)));
	EXPECT_EQ(0, memcmp(&after.here, &after.to, sizeof(after.to)));
	EXPECT_STRNE("", after.to.kind);
	EXPECT_EQ(1, after.to.chunks);
	EXPECT_EQ(bits_of(new), after.to.bits);

	EXPECT_STREQ(self->engine.device, after.move.device);
	EXPECT_EQ(0, after.move.error);
	if (self->limits.max_segs == 1) {
		EXPECT_EQ(DMABUF_EXPORTER_CONSTRAINT_MAX_SEGS, after.move.constraint);
		EXPECT_EQ(1, after.move.allowed);
		actual = self->first.segments;
	} else {
		EXPECT_EQ(DMABUF_EXPORTER_CONSTRAINT_ALIGN, after.move.constraint);
		EXPECT_EQ(self->limits.align, after.move.allowed);
		actual = self->limits.align / 2;
	}
	EXPECT_EQ(actual, after.move.actual);
	EXPECT_TRUE(reason_is_none(&after.refusal));

	ASSERT_EQ(0, buffer_query(self->exporter, self->fd, &query));
	EXPECT_EQ(1, query.chunks);
	EXPECT_EQ(DMABUF_EXPORTER_AUTO, query.requested);
	EXPECT_NE(DMABUF_EXPORTER_SCATTER, query.backing);
	free(old);
	free(new);
}

/* proves: N4, R4 */
TEST_F(move, memory_mapped_by_the_cpu_follows_the_buffer)
{
	unsigned char *memory = buffer_mmap(self->exporter, self->fd, variant->bytes);
	struct dmabuf_exporter_placement place;
	long long mapping;

	ASSERT_NE(MAP_FAILED, memory);
	ASSERT_EQ(0, unmap(self->importer, self->first.mapping));
	EXPECT_EQ(0, memcmp(memory, self->bytes, variant->bytes));
	scribble(self->bytes, variant->bytes, 7);
	memcpy(memory, self->bytes, variant->bytes);

	mapping = map(self->importer, self->strict, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, mapping);
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
	EXPECT_EQ(1, place.moves);
	/* What the CPU wrote before is there for the device, and still for the CPU. */
	EXPECT_TRUE(device_reads(self->importer, mapping, self->bytes, variant->bytes));
	EXPECT_EQ(0, memcmp(memory, self->bytes, variant->bytes));
	ASSERT_EQ(0, unmap(self->importer, mapping));

	/* What the CPU writes after it, the device sees. */
	scribble(self->bytes, variant->bytes, 8);
	memcpy(memory, self->bytes, variant->bytes);
	mapping = map(self->importer, self->strict, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, mapping);
	EXPECT_TRUE(device_reads(self->importer, mapping, self->bytes, variant->bytes));

	/* And what the device writes, the CPU. */
	scribble(self->bytes, variant->bytes, 9);
	ASSERT_EQ(0, copy_in(self->importer, mapping, 0, variant->bytes, self->bytes));
	ASSERT_EQ(0, unmap(self->importer, mapping));
	EXPECT_EQ(0, memcmp(memory, self->bytes, variant->bytes));
	munmap(memory, variant->bytes);
}

/* proves: N4, R4 */
TEST_F(move, memory_of_a_forked_process_follows_the_buffer)
{
	unsigned char *memory = buffer_mmap(self->exporter, self->fd, variant->bytes);
	int go[2], status;
	long long mapping;
	char byte = 'x';
	__u64 deadline;
	pid_t child;

	ASSERT_NE(MAP_FAILED, memory);
	ASSERT_EQ(0, unmap(self->importer, self->first.mapping));
	EXPECT_EQ(self->bytes[0], memory[0]);
	ASSERT_EQ(0, pipe(go));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		/* Its own page tables have the old place in them. */
		if (memcmp(memory, self->bytes, variant->bytes) || write(go[1], &byte, 1) != 1)
			_exit(1);
		deadline = now_ms() + SOON_MS;
		while (__atomic_load_n(memory, __ATOMIC_RELAXED) == self->bytes[0])
			if (now_ms() > deadline)
				_exit(2);
		_exit(0);
	}
	ASSERT_EQ(1, read(go[0], &byte, 1));
	mapping = map(self->importer, self->strict, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, mapping);
	self->bytes[0] ^= 0xff;
	ASSERT_EQ(0, copy_in(self->importer, mapping, 0, 1, self->bytes));
	ASSERT_EQ(0, unmap(self->importer, mapping));
	EXPECT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	close(go[0]);
	close(go[1]);
	munmap(memory, variant->bytes);
}

TEST_HARNESS_MAIN
