// SPDX-License-Identifier: GPL-2.0-only
/* A map that waits until others unmap, since the buffer must move, and what ends the wait. */
#include "stall-fixture.h"

#define PATTERN 0x5a5aa5a5c3c33c3cULL

/* proves: N3, N4 */
TEST_F(stall, stricter_device_waits_until_the_last_mapping_is_unmapped)
{
	struct dmabuf_exporter_placement place;
	long long others[3], second;
	struct waiter waiter = {};
	int i;

	/* Three more: of another attachment, of the same, and of the strict one's own engine. */
	second = attach_easy(self);
	ASSERT_LT(0, second);
	others[0] = map(self->importer, second, DMABUF_IMPORTER_TO_DEVICE);
	others[1] = map(self->importer, self->first.attachment, DMABUF_IMPORTER_TO_DEVICE);
	others[2] = map(self->importer, second, DMABUF_IMPORTER_FROM_DEVICE);

	ASSERT_TRUE(strict_waits(self, &waiter));
	for (i = 0; i < 3; i++) {
		ASSERT_LT(0, others[i]);
		EXPECT_EQ(0, unmap(self->importer, others[i]));
		ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
		EXPECT_EQ(DMABUF_EXPORTER_DRAINING, place.state);
		EXPECT_EQ(1, place.waiting);
		EXPECT_EQ(3 - i, place.readers + place.writers);
		EXPECT_EQ(0, place.moves);
	}
	/* What the last one writes now must come along. */
	scribble(self->bytes, BUFFER_BYTES, 2);
	ASSERT_EQ(0, copy_in(self->importer, self->first.mapping, 0, BUFFER_BYTES, self->bytes));
	ASSERT_EQ(0, unmap(self->importer, self->first.mapping));

	ASSERT_LT(0, waiter_finish(&waiter));
	EXPECT_EQ(1, waiter.segments);
	EXPECT_TRUE(device_reads(self->importer, waiter.mapping, self->bytes, BUFFER_BYTES));
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
	EXPECT_EQ(DMABUF_EXPORTER_MAPPED, place.state);
	EXPECT_EQ(1, place.writers);
	EXPECT_EQ(0, place.readers);
	EXPECT_EQ(0, place.waiting);
	EXPECT_EQ(1, place.moves);
	EXPECT_EQ(1, place.stalls);
	EXPECT_EQ(0, place.failures);
	EXPECT_LT(0, place.move_drain_ns);
	EXPECT_EQ(place.drain_ns, place.move_drain_ns);
}

/* proves: N3 */
TEST_F(stall, query_tells_who_waits_to_move_the_buffer_and_why)
{
	static const struct dmabuf_exporter_reason none;
	struct dmabuf_exporter_placement place;
	struct dmabuf_importer_engine engine;
	struct waiter waiter = {};

	ASSERT_EQ(0, engine_describe(self->importer, self->soft, &engine));
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
	EXPECT_EQ(0, memcmp(&none, &place.next, sizeof(none)));
	ASSERT_TRUE(strict_waits(self, &waiter));
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
	EXPECT_STREQ(engine.device, place.next.device);
	EXPECT_EQ(0, place.next.error);
	EXPECT_EQ(DMABUF_EXPORTER_CONSTRAINT_MAX_SEGS, place.next.constraint);
	EXPECT_EQ(1, place.next.allowed);
	EXPECT_EQ(self->first.segments, place.next.actual);
	/* It has not moved yet. */
	EXPECT_EQ(0, memcmp(&none, &place.move, sizeof(none)));
	ASSERT_EQ(0, unmap(self->importer, self->first.mapping));
	ASSERT_LT(0, waiter_finish(&waiter));
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
	EXPECT_EQ(0, memcmp(&none, &place.next, sizeof(none)));
	EXPECT_STREQ(engine.device, place.move.device);
}

/* proves: N3 */
TEST_F(stall, end_of_the_process_that_has_it_mapped_is_an_unmap)
{
	struct waiter waiter = {};
	int ready[2], status;
	char byte = 'x';
	pid_t child;

	ASSERT_EQ(0, unmap(self->importer, self->first.mapping));
	scribble(self->bytes, BUFFER_BYTES, 3);
	ASSERT_EQ(0, pipe(ready));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		int importer = importer_open();
		long long attachment = attach(importer, self->fd, self->soft);
		long long mapping = map(importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL);

		if (copy_in(importer, mapping, 0, BUFFER_BYTES, self->bytes) ||
		    write(ready[1], &byte, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	close(ready[0]);
	ASSERT_TRUE(strict_waits(self, &waiter));
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_LT(0, waiter_finish(&waiter));
	EXPECT_EQ(1, waiter.segments);
	EXPECT_TRUE(device_reads(self->importer, waiter.mapping, self->bytes, BUFFER_BYTES));
	EXPECT_EQ(child, waitpid(child, &status, 0));
}

/* proves: N3, D1 */
TEST_F(stall, close_of_the_importer_that_has_it_mapped_is_an_unmap)
{
	int importer = importer_open();
	long long attachment, mapping;
	struct waiter waiter = {};

	ASSERT_LE(0, importer);
	attachment = attach(importer, self->fd, self->soft);
	ASSERT_LT(0, attachment);
	mapping = map(importer, attachment, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, mapping);
	ASSERT_EQ(0, unmap(self->importer, self->first.mapping));
	ASSERT_TRUE(strict_waits(self, &waiter));
	EXPECT_EQ(0, close(importer));
	ASSERT_LT(0, waiter_finish(&waiter));
	EXPECT_EQ(1, waiter.segments);
}

/*
 * Both wait for the others, and not for each other: the move that one of them gets
 * serves the other, too.
 */
/* proves: N3, N4 */
TEST_F(stall, two_stricter_devices_need_one_move_and_are_mapped_together)
{
	struct dmabuf_exporter_placement place;
	struct waiter one = {}, two = {};
	long long other;

	other = attach_one_segment(self->importer, self->fd, self->soft);
	ASSERT_LT(0, other);
	ASSERT_TRUE(strict_waits(self, &one));
	ASSERT_EQ(0, waiter_start(&two, self->importer, other, DMABUF_IMPORTER_TO_DEVICE));
	ASSERT_TRUE(becomes(self, DMABUF_EXPORTER_DRAINING, 2));
	ASSERT_EQ(0, unmap(self->importer, self->first.mapping));
	EXPECT_LT(0, waiter_finish(&one));
	EXPECT_LT(0, waiter_finish(&two));
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
	EXPECT_EQ(DMABUF_EXPORTER_MAPPED, place.state);
	EXPECT_EQ(0, place.waiting);
	EXPECT_EQ(1, place.readers);
	EXPECT_EQ(1, place.writers);
	EXPECT_EQ(1, place.moves);
}

struct spinner {
	struct waiter waiter;
	atomic_bool ready, go;
};

static void *map_when_told(void *data)
{
	struct spinner *spinner = data;

	atomic_store(&spinner->ready, true);
	while (!atomic_load(&spinner->go))
		;
	return waiter_run(&spinner->waiter);
}

struct unmapper {
	int exporter, importer, fd;
	__u32 mapping, waiting;
	bool unmapped;
};

static void *unmap_when_they_wait(void *data)
{
	struct unmapper *unmapper = data;

	unmapper->unmapped = placement_becomes(unmapper->exporter, unmapper->fd,
					       DMABUF_EXPORTER_DRAINING, unmapper->waiting);
	unmap(unmapper->importer, unmapper->mapping);
	return NULL;
}

/*
 * As above, and now they come at the same moment: both have found that the storage
 * does not serve them before either waits.
 */
/* proves: N3, N4 */
TEST_F(stall, stricter_devices_that_come_at_once_are_mapped_together)
{
	unsigned int round, rounds = scaled(40) + 10;
	long long attachments[2];
	int i;

	ASSERT_EQ(0, unmap(self->importer, self->first.mapping));
	for (round = 0; round < rounds; round++) {
		struct waiter mine = { .timeout_ms = SOON_MS };
		struct spinner other = {};
		struct unmapper unmapper;
		pthread_t thread;
		struct user first;
		int fd;

		/* As large as can be, so that it takes a while to find out. */
		fd = buffer_in_pieces(self->exporter, self->importer, self->soft, 4 * MIB, 0,
				      &first);
		ASSERT_LE(0, fd);
		for (i = 0; i < 2; i++) {
			attachments[i] = attach_one_segment(self->importer, fd, self->soft);
			ASSERT_LT(0, attachments[i]);
		}
		unmapper = (struct unmapper) {
			.exporter = self->exporter, .importer = self->importer, .fd = fd,
			.mapping = first.mapping, .waiting = 2,
		};
		ASSERT_EQ(0, pthread_create(&thread, NULL, unmap_when_they_wait, &unmapper));
		mine.importer = self->importer;
		mine.attachment = attachments[0];
		mine.direction = DMABUF_IMPORTER_TO_DEVICE;
		other.waiter = mine;
		other.waiter.attachment = attachments[1];
		ASSERT_EQ(0, pthread_create(&other.waiter.thread, NULL, map_when_told, &other));
		while (!atomic_load(&other.ready))
			;
		atomic_store(&other.go, true);
		waiter_run(&mine);

		pthread_join(thread, NULL);
		EXPECT_TRUE(unmapper.unmapped) TH_LOG("round %u", round);
		ASSERT_LT(0, mine.mapping) TH_LOG("round %u", round);
		ASSERT_LT(0, waiter_finish(&other.waiter)) TH_LOG("round %u", round);
		EXPECT_EQ(1, mine.segments);
		EXPECT_EQ(1, other.waiter.segments);
		EXPECT_EQ(0, unmap(self->importer, mine.mapping));
		EXPECT_EQ(0, unmap(self->importer, other.waiter.mapping));
		for (i = 0; i < 2; i++)
			EXPECT_EQ(0, detach(self->importer, attachments[i]));
		EXPECT_EQ(0, detach(self->importer, first.attachment));
		close(fd);
	}
}

/* proves: N4, M2, A5 */
TEST_F(stall, attach_does_not_wait_and_the_move_is_for_all_that_are_attached_then)
{
	struct dmabuf_importer_constraints limits = no_limits;
	struct dmabuf_exporter_placement place;
	struct waiter waiter = {};
	long long aligned, gone;

	ASSERT_TRUE(strict_waits(self, &waiter));
	limits.align = 64 * page_size();
	aligned = attach_limited(self->importer, self->fd, self->soft, &limits);
	ASSERT_LT(0, aligned);
	limits.align = 128 * page_size();
	gone = attach_limited(self->importer, self->fd, self->soft, &limits);
	ASSERT_LT(0, gone);
	EXPECT_EQ(0, detach(self->importer, gone));
	limits.dma_mask = 0xffff;
	EXPECT_EQ(-EOPNOTSUPP, attach_limited(self->importer, self->fd, self->soft, &limits));
	EXPECT_TRUE(becomes(self, DMABUF_EXPORTER_DRAINING, 1));

	ASSERT_EQ(0, unmap(self->importer, self->first.mapping));
	ASSERT_LT(0, waiter_finish(&waiter));
	EXPECT_LT(0, map_nowait(self->importer, aligned, DMABUF_IMPORTER_TO_DEVICE));
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
	EXPECT_EQ(1, place.moves);
	EXPECT_EQ(2, place.allocs);
}

/* proves: R4, N4 */
TEST_F(stall, cpu_does_not_wait_while_the_buffer_drains)
{
	unsigned char *memory = buffer_mmap(self->exporter, self->fd, BUFFER_BYTES);
	struct waiter waiter = {};

	ASSERT_NE(MAP_FAILED, memory);
	ASSERT_TRUE(strict_waits(self, &waiter));
	/* First touch: page faults. */
	EXPECT_EQ(0, memcmp(memory, self->bytes, BUFFER_BYTES));
	scribble(self->bytes, BUFFER_BYTES, 4);
	memcpy(memory, self->bytes, BUFFER_BYTES);
	EXPECT_TRUE(becomes(self, DMABUF_EXPORTER_DRAINING, 1));
	ASSERT_EQ(0, unmap(self->importer, self->first.mapping));
	ASSERT_LT(0, waiter_finish(&waiter));
	EXPECT_TRUE(device_reads(self->importer, waiter.mapping, self->bytes, BUFFER_BYTES));
	EXPECT_EQ(0, memcmp(memory, self->bytes, BUFFER_BYTES));
	munmap(memory, BUFFER_BYTES);
}

/* proves: M4, N3 */
TEST_F(stall, signal_ends_the_wait_and_nothing_has_changed)
{
	struct dmabuf_exporter_placement place;
	struct dmabuf_importer_query query;
	struct waiter waiter = {};
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_TRUE(strict_waits(self, &waiter));
		ASSERT_EQ(0, waiter_signal(&waiter));
		EXPECT_EQ(-EINTR, waiter_finish(&waiter));
		EXPECT_TRUE(nothing_has_changed(self));
		ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
		EXPECT_EQ(i + 1, place.failures);
		EXPECT_EQ(i + 1, place.stalls);
		ASSERT_EQ(0, attachment_query(self->importer, self->strict, &query));
		EXPECT_EQ(0, query.mappings);
	}
	/* Others come and go again, and the next try can work. */
	EXPECT_LT(0, map_nowait(self->importer, self->first.attachment,
				DMABUF_IMPORTER_TO_DEVICE));
	EXPECT_EQ(0, detach(self->importer, self->strict));
}

/* proves: M4, N3 */
TEST_F(stall, map_that_may_not_wait_says_so_at_once)
{
	struct dmabuf_exporter_placement place;
	long long mapping;

	EXPECT_EQ(-EAGAIN, map_nowait(self->importer, self->strict, DMABUF_IMPORTER_TO_DEVICE));
	EXPECT_TRUE(nothing_has_changed(self));
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
	EXPECT_EQ(0, place.stalls);
	EXPECT_EQ(0, place.failures);
	EXPECT_LT(0, map_nowait(self->importer, self->first.attachment,
				DMABUF_IMPORTER_TO_DEVICE));
	EXPECT_EQ(-EAGAIN, map_nowait(self->importer, self->strict, DMABUF_IMPORTER_TO_DEVICE));
	ASSERT_EQ(0, close(self->importer));
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);

	/* Where nobody has it mapped there is no wait, and moving is none. */
	self->strict = attach_one_segment(self->importer, self->fd, self->soft);
	ASSERT_LT(0, self->strict);
	mapping = map_nowait(self->importer, self->strict, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, mapping);
	EXPECT_TRUE(device_reads(self->importer, mapping, self->bytes, BUFFER_BYTES));
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
	EXPECT_EQ(1, place.moves);
	EXPECT_EQ(0, place.stalls);
	EXPECT_EQ(0, place.failures);
}

/* proves: M4, N3 */
TEST_F(stall, map_with_a_deadline_gives_up)
{
	struct dmabuf_exporter_placement place;

	EXPECT_EQ(-ETIMEDOUT, map_timeout(self->importer, self->strict,
					  DMABUF_IMPORTER_TO_DEVICE, 1));
	EXPECT_EQ(-ETIMEDOUT, map_timeout(self->importer, self->strict,
					  DMABUF_IMPORTER_TO_DEVICE, 30));
	EXPECT_TRUE(nothing_has_changed(self));
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
	EXPECT_EQ(2, place.failures);
	EXPECT_EQ(2, place.stalls);
	EXPECT_LT(0, map_nowait(self->importer, self->first.attachment,
				DMABUF_IMPORTER_TO_DEVICE));
}

/* proves: M4, N3 */
TEST_F(stall, map_with_a_deadline_that_is_far_enough_is_a_map)
{
	struct waiter strict = { .timeout_ms = 10 * SOON_MS };

	ASSERT_TRUE(strict_waits(self, &strict));
	ASSERT_EQ(0, unmap(self->importer, self->first.mapping));
	ASSERT_LT(0, waiter_finish(&strict));
	EXPECT_EQ(1, strict.segments);
	EXPECT_TRUE(device_reads(self->importer, strict.mapping, self->bytes, BUFFER_BYTES));
}

/* proves: M4 */
TEST_F(stall, mappings_of_ones_own_are_waited_for_too)
{
	long long mapping = map(self->importer, self->first.attachment,
				DMABUF_IMPORTER_TO_DEVICE);

	ASSERT_LT(0, mapping);
	ASSERT_EQ(0, unmap(self->importer, self->first.mapping));
	EXPECT_EQ(-EAGAIN, map_nowait(self->importer, self->strict, DMABUF_IMPORTER_TO_DEVICE));
	EXPECT_EQ(-ETIMEDOUT, map_timeout(self->importer, self->strict,
					  DMABUF_IMPORTER_TO_DEVICE, 5));
	ASSERT_EQ(0, unmap(self->importer, mapping));
	EXPECT_LT(0, map_nowait(self->importer, self->strict, DMABUF_IMPORTER_TO_DEVICE));
}

/* proves: M4, D1, N7 */
TEST_F(stall, process_that_is_killed_while_it_waits_leaves_nothing_behind)
{
	struct dmabuf_exporter_query query;
	struct waiter easy = {};
	long long attachment = attach_easy(self);
	__u32 attachments;
	pid_t child;
	int status;

	ASSERT_LT(0, attachment);
	ASSERT_EQ(0, buffer_query(self->exporter, self->fd, &query));
	attachments = query.attachments;
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		int importer = importer_open();
		long long strict = attach_one_segment(importer, self->fd, self->soft);

		map(importer, strict, DMABUF_IMPORTER_BIDIRECTIONAL);
		_exit(1);
	}
	ASSERT_TRUE(becomes(self, DMABUF_EXPORTER_DRAINING, 1));
	ASSERT_EQ(0, waiter_start(&easy, self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE));
	ASSERT_TRUE(becomes(self, DMABUF_EXPORTER_DRAINING, 2));
	ASSERT_EQ(0, kill(child, SIGKILL));
	EXPECT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status)) TH_LOG("exit status %d", WEXITSTATUS(status));
	ASSERT_LT(0, waiter_finish(&easy));
	EXPECT_TRUE(nothing_has_changed(self));
	ASSERT_EQ(0, buffer_query(self->exporter, self->fd, &query));
	EXPECT_EQ(attachments, query.attachments);
	EXPECT_EQ(0, fill(self->importer, self->first.mapping, 0, BUFFER_BYTES, PATTERN));
}

/* proves: D1, U1, N3 */
TEST_F(stall, importer_that_is_closed_while_it_waits_is_undone_when_it_no_longer_does)
{
	struct dmabuf_exporter_placement place;
	struct dmabuf_exporter_query query;
	int importer = importer_open();
	struct waiter waiter = {};
	long long strict;
	__u32 attachments;

	ASSERT_LE(0, importer);
	ASSERT_EQ(0, buffer_query(self->exporter, self->fd, &query));
	attachments = query.attachments;
	strict = attach_one_segment(importer, self->fd, self->soft);
	ASSERT_LT(0, strict);
	ASSERT_EQ(0, waiter_start(&waiter, importer, strict, DMABUF_IMPORTER_BIDIRECTIONAL));
	ASSERT_TRUE(becomes(self, DMABUF_EXPORTER_DRAINING, 1));
	/* The call that waits has the file, so the close ends neither. */
	EXPECT_EQ(0, close(importer));
	EXPECT_TRUE(becomes(self, DMABUF_EXPORTER_DRAINING, 1));

	ASSERT_EQ(0, unmap(self->importer, self->first.mapping));
	EXPECT_LT(0, waiter_finish(&waiter));
	EXPECT_TRUE(becomes(self, DMABUF_EXPORTER_BACKED, 0));
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
	EXPECT_EQ(1, place.moves);
	ASSERT_EQ(0, buffer_query(self->exporter, self->fd, &query));
	EXPECT_EQ(attachments, query.attachments);
}

/* proves: F3, P1, N3 */
TEST_F(stall, fd_of_the_buffer_may_be_closed_while_it_drains)
{
	struct waiter waiter = {};

	ASSERT_TRUE(strict_waits(self, &waiter));
	EXPECT_EQ(0, close(self->fd));
	self->fd = -1;
	ASSERT_EQ(0, unmap(self->importer, self->first.mapping));
	EXPECT_EQ(0, detach(self->importer, self->first.attachment));
	ASSERT_LT(0, waiter_finish(&waiter));
	EXPECT_EQ(1, waiter.segments);
	EXPECT_TRUE(device_reads(self->importer, waiter.mapping, self->bytes, BUFFER_BYTES));
}

/* proves: D1 */
TEST_F(stall, attachment_that_waits_cannot_be_detached)
{
	struct waiter waiter = {};

	ASSERT_TRUE(strict_waits(self, &waiter));
	EXPECT_EQ(-EBUSY, detach(self->importer, self->strict));
	ASSERT_EQ(0, waiter_signal(&waiter));
	EXPECT_EQ(-EINTR, waiter_finish(&waiter));
	EXPECT_EQ(0, detach(self->importer, self->strict));
}

TEST_HARNESS_MAIN
