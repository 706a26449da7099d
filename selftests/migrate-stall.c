// SPDX-License-Identifier: GPL-2.0-only
/*
 * What ends the wait of a bus master of short reach for one of long reach, and what
 * becomes of the buffer then.
 */
#include "migrate-fixture.h"

#define MORE_BYTES (640 * 1024)	/* with the buffer below 1 MiB, and twice the buffer above */

static bool becomes(FIXTURE_DATA(migrate) *self, __u32 state, __u32 waiting)
{
	return placement_becomes(self->exporter, self->fd, state, waiting);
}

/* The narrow one maps, and waits for the wide one. */
static bool narrow_waits(FIXTURE_DATA(migrate) *self, struct waiter *waiter)
{
	return !waiter_start(waiter, self->importer, self->narrow.attachment,
			     DMABUF_IMPORTER_TO_DEVICE) &&
	       becomes(self, DMABUF_EXPORTER_DRAINING, 1);
}

/* New bytes, a few of them, by the wide one. */
static bool wide_writes(FIXTURE_DATA(migrate) *self, __u32 seed)
{
	scribble(self->bytes, 64, seed);
	return !copy_in(self->importer, self->wide.mapping, 0, 64, self->bytes);
}

/* Return: does the engine find the buffer's bytes? */
static bool checksum_agrees(FIXTURE_DATA(migrate) *self, __u32 mapping)
{
	__u32 sum;

	return !checksum(self->importer, mapping, 0, BYTES, &sum) &&
	       sum == crc32(self->bytes, BYTES);
}

/* Nobody waits, the buffer has not moved, and the wide one goes on where it was. */
static bool wide_goes_on(FIXTURE_DATA(migrate) *self)
{
	struct dmabuf_exporter_placement placement;

	return becomes(self, DMABUF_EXPORTER_MAPPED, 0) &&
	       !placement_query(self->exporter, self->fd, &placement) && !placement.moves &&
	       placement.here.bits > mask_bits(self->edus.narrow.mask) &&
	       lies_high(self->importer, self->wide.mapping, self->wide.segments, &self->edus) &&
	       wide_writes(self, 41) && checksum_agrees(self, self->wide.mapping);
}

/* The narrow one has the buffer mapped and has moved it, and both engines find its bytes. */
static bool both_agree_below(FIXTURE_DATA(migrate) *self)
{
	struct dmabuf_exporter_placement placement;

	return !placement_query(self->exporter, self->fd, &placement) && placement.moves == 1 &&
	       placement.here.bits <= mask_bits(self->edus.narrow.mask) &&
	       lies_low(self->importer, self->narrow.mapping, self->narrow.segments,
			&self->edus) &&
	       checksum_agrees(self, self->narrow.mapping) && wide_maps_again(self) > 0 &&
	       lies_low(self->importer, self->wide.mapping, self->wide.segments, &self->edus) &&
	       checksum_agrees(self, self->wide.mapping);
}

/* As above, by a map that need not wait. */
static bool later_map_moves_it(FIXTURE_DATA(migrate) *self)
{
	long long mapping = map_with_flags(self->importer, self->narrow.attachment,
					   DMABUF_IMPORTER_TO_DEVICE, DMABUF_IMPORTER_NOWAIT, 0,
					   &self->narrow.segments);

	self->narrow.mapping = mapping;
	return mapping > 0 && both_agree_below(self);
}

/* proves: M4, N3, N4 */
TEST_F_TIMEOUT(migrate, signal_during_the_stall_ends_it, TIMEOUT)
{
	struct dmabuf_exporter_placement placement;
	struct waiter waiter = {};

	ASSERT_TRUE(narrow_waits(self, &waiter));
	EXPECT_TRUE(wide_writes(self, 1));
	EXPECT_TRUE(becomes(self, DMABUF_EXPORTER_DRAINING, 1));
	ASSERT_EQ(0, waiter_signal(&waiter));
	ASSERT_EQ(-EINTR, waiter_finish(&waiter));
	EXPECT_TRUE(wide_goes_on(self));
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &placement));
	EXPECT_EQ(1, placement.stalls);
	EXPECT_EQ(1, placement.failures);

	ASSERT_EQ(0, unmap(self->importer, self->wide.mapping));
	EXPECT_TRUE(later_map_moves_it(self));
}

/* proves: M4, N3, N4 */
TEST_F_TIMEOUT(migrate, deadline_during_the_stall_ends_it, TIMEOUT)
{
	struct waiter waiter = { .timeout_ms = SOON_MS / 2 };
	struct dmabuf_exporter_placement placement;

	ASSERT_TRUE(narrow_waits(self, &waiter));
	EXPECT_TRUE(wide_writes(self, 2));
	ASSERT_EQ(-ETIMEDOUT, waiter_finish(&waiter));
	EXPECT_TRUE(wide_goes_on(self));
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &placement));
	EXPECT_EQ(1, placement.stalls);
	EXPECT_EQ(1, placement.failures);

	ASSERT_EQ(0, unmap(self->importer, self->wide.mapping));
	EXPECT_TRUE(later_map_moves_it(self));
}

/* proves: M4, N3, N4, D1 */
TEST_F_TIMEOUT(migrate, process_that_is_killed_in_the_stall_leaves_nothing_behind, TIMEOUT)
{
	struct dmabuf_exporter_query query;
	int status;
	pid_t child;

	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		int importer = importer_open();

		map(importer, attach(importer, self->fd, self->edus.narrow.index),
		    DMABUF_IMPORTER_BIDIRECTIONAL);
		_exit(1);
	}
	ASSERT_TRUE(becomes(self, DMABUF_EXPORTER_DRAINING, 1));
	ASSERT_EQ(0, buffer_query(self->exporter, self->fd, &query));
	EXPECT_EQ(3, query.attachments);
	EXPECT_TRUE(wide_writes(self, 3));
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status)) TH_LOG("exit status %d", WEXITSTATUS(status));
	EXPECT_TRUE(wide_goes_on(self));
	ASSERT_EQ(0, buffer_query(self->exporter, self->fd, &query));
	EXPECT_EQ(2, query.attachments);

	ASSERT_EQ(0, unmap(self->importer, self->wide.mapping));
	EXPECT_TRUE(later_map_moves_it(self));
}

/* Writes the buffer through the wide engine, in one call; ends only if that does. */
static void holder(FIXTURE_DATA(migrate) *self, const unsigned char *bytes, int ready)
{
	int importer = importer_open();
	long long attachment = attach(importer, self->fd, self->edus.wide.index);
	long long mapping = map(importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
	char byte = 'x';

	if (mapping > 0 && write(ready, &byte, 1) == 1)
		copy_in(importer, mapping, 0, BYTES, bytes);
	_exit(1);
}

/* Waits until a device has written the first bytes; false if it never does. */
static bool first_bytes_become(const volatile unsigned char *memory, const unsigned char *bytes)
{
	__u64 deadline = now_ms() + SOON_MS;
	int i;

	do {
		for (i = 0; i < 64 && memory[i] == bytes[i]; i++)
			;
		if (i == 64)
			return true;
		sleep_ms(1);
	} while (now_ms() < deadline);
	return false;
}

/*
 * Its transfer takes seconds, and ends with the run that the engine is in.  What it
 * has written till then comes along.
 */
/* proves: N3, N4, P1, D1 */
TEST_F_TIMEOUT(migrate, holder_that_is_killed_while_its_dma_runs_is_drained, TIMEOUT)
{
	unsigned char *memory = buffer_mmap(self->exporter, self->fd, BYTES);
	unsigned char *bytes = malloc(BYTES);
	struct waiter waiter = {};
	int ready[2], status;
	size_t written;
	char byte;
	pid_t child;

	ASSERT_NE(MAP_FAILED, memory);
	ASSERT_NE(NULL, bytes);
	scribble(bytes, BYTES, 4);
	ASSERT_EQ(0, pipe(ready));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(ready[0]);
		holder(self, bytes, ready[1]);
	}
	close(ready[1]);
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	close(ready[0]);
	ASSERT_EQ(0, unmap(self->importer, self->wide.mapping));
	ASSERT_TRUE(narrow_waits(self, &waiter));
	ASSERT_TRUE(first_bytes_become(memory, bytes));
	EXPECT_TRUE(becomes(self, DMABUF_EXPORTER_DRAINING, 1));
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status)) TH_LOG("exit status %d", WEXITSTATUS(status));

	ASSERT_LT(0, waiter_finish(&waiter));
	self->narrow.mapping = waiter.mapping;
	self->narrow.segments = waiter.segments;
	/* Some of the new bytes, then the old ones. */
	for (written = 0; written < BYTES && memory[written] == bytes[written]; written++)
		;
	EXPECT_LE(64, written);
	EXPECT_GT(BYTES, written);
	memcpy(self->bytes, bytes, written);
	EXPECT_EQ(0, memcmp(memory, self->bytes, BYTES));
	EXPECT_TRUE(both_agree_below(self));
	free(bytes);
	munmap(memory, BYTES);
}

/* proves: M4, N3, N4, N7 */
TEST_F_TIMEOUT(migrate, no_memory_for_the_move_fails_the_narrow_one_alone, TIMEOUT)
{
	long long limit = parameter_get("limit_total_mb"), other, failed;
	struct dmabuf_exporter_placement placement;
	struct waiter narrow = {}, wide = {};
	int more;

	ASSERT_LE(0, limit);
	ASSERT_EQ(0, self->before.backed_bytes);
	more = buffer_export_populated(self->exporter, MORE_BYTES, DMABUF_EXPORTER_SCATTER);
	ASSERT_LE(0, more);
	other = attach(self->importer, self->fd, self->edus.wide.index);
	ASSERT_LT(0, other);
	ASSERT_TRUE(narrow_waits(self, &narrow));
	ASSERT_EQ(0, waiter_start(&wide, self->importer, other, DMABUF_IMPORTER_BIDIRECTIONAL));
	ASSERT_TRUE(becomes(self, DMABUF_EXPORTER_DRAINING, 2));
	EXPECT_TRUE(wide_writes(self, 5));

	/* While the bytes are on their way there are two places. */
	ASSERT_EQ(0, parameter_set("limit_total_mb", 1));
	EXPECT_EQ(0, unmap(self->importer, self->wide.mapping));
	failed = waiter_finish(&narrow);
	ASSERT_EQ(0, parameter_set("limit_total_mb", limit));
	EXPECT_EQ(-ENOMEM, failed);
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &placement));
	EXPECT_EQ(1, placement.allocs);
	EXPECT_EQ(1, placement.failures);
	EXPECT_EQ(ENOMEM, placement.refusal.error);
	EXPECT_STREQ(self->edus.narrow.device, placement.refusal.device);

	/* Who came behind it has the buffer where it was. */
	ASSERT_LT(0, waiter_finish(&wide));
	self->wide.mapping = wide.mapping;
	self->wide.segments = wide.segments;
	EXPECT_TRUE(wide_goes_on(self));
	ASSERT_EQ(0, unmap(self->importer, self->wide.mapping));
	EXPECT_TRUE(later_map_moves_it(self));
	close(more);
}

TEST_HARNESS_MAIN
