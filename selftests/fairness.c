// SPDX-License-Identifier: GPL-2.0-only
/* The queue behind a map that waits: who is next, when one gives up, and loops that never rest. */
#include "stall-fixture.h"

/* proves: N7, N4 */
TEST_F(stall, new_maps_queue_behind_the_one_that_wants_the_move)
{
	struct waiter strict = {}, easy[3] = {};
	struct dmabuf_exporter_placement place;
	long long attachments[3];
	int i;

	for (i = 0; i < 3; i++) {
		attachments[i] = attach_easy(self);
		ASSERT_LT(0, attachments[i]);
	}
	ASSERT_TRUE(strict_waits(self, &strict));
	/* The storage would serve them, and other mappings are outstanding. */
	EXPECT_EQ(-EAGAIN, map_nowait(self->importer, attachments[0], DMABUF_IMPORTER_TO_DEVICE));
	EXPECT_EQ(-EAGAIN, map_nowait(self->importer, self->first.attachment,
				      DMABUF_IMPORTER_TO_DEVICE));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, waiter_start(&easy[i], self->importer, attachments[i],
					  DMABUF_IMPORTER_TO_DEVICE));
		ASSERT_TRUE(becomes(self, DMABUF_EXPORTER_DRAINING, 2 + i));
	}

	/* If one of them got in first, it would have the old place, and all would wait for it. */
	ASSERT_EQ(0, unmap(self->importer, self->first.mapping));
	ASSERT_LT(0, waiter_finish(&strict));
	for (i = 0; i < 3; i++) {
		ASSERT_LT(0, waiter_finish(&easy[i]));
		EXPECT_EQ(1, easy[i].segments);
		EXPECT_TRUE(device_reads(self->importer, easy[i].mapping, self->bytes,
					 BUFFER_BYTES));
	}
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
	EXPECT_EQ(DMABUF_EXPORTER_MAPPED, place.state);
	EXPECT_EQ(3, place.readers);
	EXPECT_EQ(1, place.writers);
	EXPECT_EQ(0, place.waiting);
	EXPECT_EQ(4, place.stalls);
	EXPECT_EQ(1, place.moves);
}

/* proves: M4, N7 */
TEST_F(stall, signal_lets_those_go_on_that_waited_behind)
{
	struct waiter strict = {}, easy[2] = {};
	int i;

	ASSERT_TRUE(strict_waits(self, &strict));
	for (i = 0; i < 2; i++) {
		long long attachment = attach_easy(self);

		ASSERT_LT(0, attachment);
		ASSERT_EQ(0, waiter_start(&easy[i], self->importer, attachment,
					  DMABUF_IMPORTER_TO_DEVICE));
		ASSERT_TRUE(becomes(self, DMABUF_EXPORTER_DRAINING, 2 + i));
	}
	ASSERT_EQ(0, waiter_signal(&strict));
	EXPECT_EQ(-EINTR, waiter_finish(&strict));
	/* The first user has not unmapped yet. */
	for (i = 0; i < 2; i++) {
		ASSERT_LT(0, waiter_finish(&easy[i]));
		EXPECT_EQ(self->first.segments, easy[i].segments);
	}
	EXPECT_TRUE(nothing_has_changed(self));
}

/* proves: M4, N7 */
TEST_F(stall, signal_to_one_in_the_middle_of_the_queue_is_for_that_one_only)
{
	struct waiter strict = {}, easy[3] = {};
	int i;

	ASSERT_TRUE(strict_waits(self, &strict));
	for (i = 0; i < 3; i++) {
		long long attachment = attach_easy(self);

		ASSERT_LT(0, attachment);
		ASSERT_EQ(0, waiter_start(&easy[i], self->importer, attachment,
					  DMABUF_IMPORTER_TO_DEVICE));
		ASSERT_TRUE(becomes(self, DMABUF_EXPORTER_DRAINING, 2 + i));
	}
	ASSERT_EQ(0, waiter_signal(&easy[1]));
	EXPECT_EQ(-EINTR, waiter_finish(&easy[1]));
	EXPECT_TRUE(becomes(self, DMABUF_EXPORTER_DRAINING, 3));
	ASSERT_EQ(0, unmap(self->importer, self->first.mapping));
	ASSERT_LT(0, waiter_finish(&strict));
	ASSERT_LT(0, waiter_finish(&easy[0]));
	ASSERT_LT(0, waiter_finish(&easy[2]));
	EXPECT_EQ(1, easy[0].segments);
	EXPECT_EQ(1, easy[2].segments);
}

/* proves: M4, N7 */
TEST_F(stall, deadline_lets_those_go_on_that_waited_behind)
{
	struct waiter strict = { .timeout_ms = 1000 }, easy = {};
	long long attachment = attach_easy(self);
	struct dmabuf_exporter_placement place;

	ASSERT_LT(0, attachment);
	ASSERT_EQ(0, waiter_start(&strict, self->importer, self->strict,
				  DMABUF_IMPORTER_BIDIRECTIONAL));
	do {
		ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
	} while (!place.stalls);
	/* This one is behind the strict one, unless that one has given up already. */
	ASSERT_EQ(0, waiter_start(&easy, self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE));
	EXPECT_LT(0, waiter_finish(&easy));
	EXPECT_EQ(-ETIMEDOUT, waiter_finish(&strict));
	EXPECT_EQ(self->first.segments, easy.segments);
	EXPECT_TRUE(nothing_has_changed(self));
}

/* proves: N4, N7 */
TEST_F(stall, no_memory_for_the_move_lets_those_go_on_that_waited_behind)
{
	const size_t size = 2 * MIB;
	long long limit = parameter_get("limit_total_mb"), easy, strict, failed;
	unsigned char *bytes = malloc(size);
	struct dmabuf_exporter_placement place;
	struct waiter waiters[2] = {};
	struct user first;
	int fd;

	ASSERT_LE(0, limit);
	ASSERT_NE(NULL, bytes);
	scribble(bytes, size, 5);
	fd = buffer_in_pieces(self->exporter, self->importer, self->soft, size, 0, &first);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, copy_in(self->importer, first.mapping, 0, size, bytes));
	strict = attach_one_segment(self->importer, fd, self->soft);
	ASSERT_LT(0, strict);
	easy = attach(self->importer, fd, self->soft);
	ASSERT_LT(0, easy);
	ASSERT_EQ(0, waiter_start(&waiters[0], self->importer, strict,
				  DMABUF_IMPORTER_TO_DEVICE));
	ASSERT_TRUE(placement_becomes(self->exporter, fd, DMABUF_EXPORTER_DRAINING, 1));
	ASSERT_EQ(0, waiter_start(&waiters[1], self->importer, easy, DMABUF_IMPORTER_TO_DEVICE));
	ASSERT_TRUE(placement_becomes(self->exporter, fd, DMABUF_EXPORTER_DRAINING, 2));

	ASSERT_EQ(0, parameter_set("limit_total_mb", 3));
	EXPECT_EQ(0, unmap(self->importer, first.mapping));
	failed = waiter_finish(&waiters[0]);
	ASSERT_EQ(0, parameter_set("limit_total_mb", limit));
	EXPECT_EQ(-ENOMEM, failed);
	ASSERT_LT(0, waiter_finish(&waiters[1]));
	EXPECT_EQ(first.segments, waiters[1].segments);
	EXPECT_TRUE(device_reads(self->importer, waiters[1].mapping, bytes, size));
	ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
	EXPECT_EQ(DMABUF_EXPORTER_MAPPED, place.state);
	EXPECT_EQ(1, place.readers);
	EXPECT_EQ(0, place.waiting);
	EXPECT_EQ(1, place.failures);
	EXPECT_EQ(0, place.moves);
	EXPECT_EQ(1, place.allocs);
	free(bytes);
	close(fd);
}

/*
 * Old and new place are told apart by their segments.  When the strict one is seen
 * waiting, each loop may be on its way back from a map that was granted before.
 * That is the one round; a second map in the old place would have been granted with
 * the strict one in the queue.
 *
 * The first user's mapping keeps the buffer where it is until all loops wait, so the
 * strict one cannot just have been lucky.
 */
/* proves: N7, N3 */
TEST_F(stall, strict_one_among_eight_loops_is_in_within_one_round_of_unmaps)
{
	unsigned int seen[LOOPS] = {};
	struct dmabuf_exporter_placement place;
	struct loop loops[LOOPS] = {};
	struct waiter strict = {};
	atomic_bool stop = false;
	int i;

	for (i = 0; i < LOOPS; i++) {
		long long attachment = attach_easy(self);

		ASSERT_LT(0, attachment);
		loops[i].importer = self->importer;
		loops[i].attachment = attachment;
		loops[i].direction = i % 3;
		loops[i].stop = &stop;
		loops[i].more_segments = 1;
		ASSERT_EQ(0, pthread_create(&loops[i].thread, NULL, loop_run, &loops[i]));
	}
	ASSERT_TRUE(loops_run(loops, seen));

	ASSERT_EQ(0, waiter_start(&strict, self->importer, self->strict,
				  DMABUF_IMPORTER_TO_DEVICE));
	do {
		ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
	} while (place.state != DMABUF_EXPORTER_DRAINING);
	for (i = 0; i < LOOPS; i++)
		seen[i] = atomic_load(&loops[i].maps);
	/* All are behind it; nobody but the first user has it mapped. */
	EXPECT_TRUE(becomes(self, DMABUF_EXPORTER_DRAINING, LOOPS + 1));
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
	EXPECT_EQ(1, place.readers + place.writers);
	EXPECT_EQ(0, place.moves);
	ASSERT_EQ(0, unmap(self->importer, self->first.mapping));
	ASSERT_LT(0, waiter_finish(&strict));
	EXPECT_EQ(1, strict.segments);

	atomic_store(&stop, true);
	for (i = 0; i < LOOPS; i++) {
		pthread_join(loops[i].thread, NULL);
		EXPECT_EQ(0, loops[i].error);
		EXPECT_GE(seen[i] + 1, atomic_load(&loops[i].maps));
	}
	EXPECT_TRUE(device_reads(self->importer, strict.mapping, self->bytes, BUFFER_BYTES));
}

/* proves: N7, N3 */
TEST_F(stall, strict_one_gets_in_among_eight_loops_that_never_rest)
{
	unsigned int round, rounds = scaled(20) + 5;
	struct dmabuf_exporter_placement place;
	int i;

	ASSERT_EQ(0, unmap(self->importer, self->first.mapping));
	for (round = 0; round < rounds; round++) {
		struct loop loops[LOOPS] = {};
		unsigned int seen[LOOPS] = {};
		atomic_bool stop = false;
		struct user first;
		long long strict, mapping;
		__u32 segments;
		int fd;

		fd = buffer_in_pieces(self->exporter, self->importer, self->soft, BUFFER_BYTES, 0,
				      &first);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, unmap(self->importer, first.mapping));
		for (i = 0; i < LOOPS; i++) {
			long long attachment = attach(self->importer, fd, self->soft);

			ASSERT_LT(0, attachment);
			loops[i].importer = self->importer;
			loops[i].attachment = attachment;
			loops[i].direction = i % 3;
			loops[i].stop = &stop;
			ASSERT_EQ(0, pthread_create(&loops[i].thread, NULL, loop_run, &loops[i]));
		}
		ASSERT_TRUE(loops_run(loops, seen));
		strict = attach_one_segment(self->importer, fd, self->soft);
		ASSERT_LT(0, strict);
		mapping = map_segments(self->importer, strict, DMABUF_IMPORTER_TO_DEVICE,
				       &segments);
		atomic_store(&stop, true);
		EXPECT_LT(0, mapping);
		EXPECT_EQ(1, segments);
		for (i = 0; i < LOOPS; i++) {
			pthread_join(loops[i].thread, NULL);
			EXPECT_EQ(0, loops[i].error);
			EXPECT_EQ(0, detach(self->importer, loops[i].attachment));
		}
		ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
		EXPECT_EQ(1, place.moves);
		EXPECT_EQ(0, place.waiting);
		EXPECT_EQ(0, unmap(self->importer, mapping));
		EXPECT_EQ(0, detach(self->importer, strict));
		EXPECT_EQ(0, detach(self->importer, first.attachment));
		close(fd);
	}
}

/* Attaches with limits of its own, maps, looks and unmaps, again and again. */
struct mixer {
	int importer;
	int fd;
	__u32 engine;
	struct dmabuf_importer_constraints limits;
	__u32 sum;
	unsigned int rounds;
	int failures;
	pthread_t thread;
};

static void *mixer_run(void *data)
{
	struct mixer *mixer = data;
	unsigned int i;
	__u32 sum;

	for (i = 0; i < mixer->rounds; i++) {
		long long attachment = attach_limited(mixer->importer, mixer->fd, mixer->engine,
						      &mixer->limits);
		long long mapping = map(mixer->importer, attachment, DMABUF_IMPORTER_TO_DEVICE);

		if (attachment < 0 || mapping < 0 ||
		    checksum(mixer->importer, mapping, 0, BUFFER_BYTES, &sum) ||
		    sum != mixer->sum || unmap(mixer->importer, mapping) ||
		    detach(mixer->importer, attachment)) {
			mixer->failures++;
			break;
		}
	}
	return NULL;
}

/* proves: N3, N4, N7 */
TEST_F(stall, strict_and_easy_ones_in_a_mixture_come_to_an_end)
{
	unsigned int round, rounds = scaled(15) + 2;
	int i;

	ASSERT_EQ(0, unmap(self->importer, self->first.mapping));
	for (round = 0; round < rounds; round++) {
		struct dmabuf_exporter_placement place;
		struct mixer mixers[8] = {};
		struct user first;
		int fd;

		fd = buffer_in_pieces(self->exporter, self->importer, self->soft, BUFFER_BYTES, 0,
				      &first);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, copy_in(self->importer, first.mapping, 0, BUFFER_BYTES,
				     self->bytes));
		for (i = 0; i < 8; i++) {
			mixers[i] = (struct mixer) {
				.importer = self->importer, .fd = fd, .engine = self->soft,
				.limits = no_limits, .rounds = 10,
				.sum = crc32(self->bytes, BUFFER_BYTES),
			};
			/* Four take all, one takes one segment, three are ever stricter. */
			if (i & 1)
				mixers[i].limits.max_segs = 1;
			if (i > 1 && i & 1)
				mixers[i].limits.align = page_size() << (2 * i - 2);
			if (mixers[i].limits.align > ALIGN_MAX)
				mixers[i].limits.align = ALIGN_MAX;
			ASSERT_EQ(0, pthread_create(&mixers[i].thread, NULL, mixer_run,
						    &mixers[i]));
		}
		EXPECT_EQ(0, unmap(self->importer, first.mapping));
		for (i = 0; i < 8; i++) {
			pthread_join(mixers[i].thread, NULL);
			EXPECT_EQ(0, mixers[i].failures);
		}
		ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
		EXPECT_EQ(DMABUF_EXPORTER_BACKED, place.state);
		EXPECT_EQ(0, place.waiting);
		EXPECT_LE(1, place.moves);
		EXPECT_EQ(place.moves + 1, place.allocs);
		EXPECT_EQ(0, place.failures);
		EXPECT_EQ(0, detach(self->importer, first.attachment));
		close(fd);
	}
}

TEST_HARNESS_MAIN
