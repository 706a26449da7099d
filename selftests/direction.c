// SPDX-License-Identifier: GPL-2.0-only
/* Readers and writers: the policy on direction. */
#include "placement-test.h"

#define BUFFER_BYTES 50001	/* pages enough, and no multiple of one */
#define WRITE DMABUF_IMPORTER_FROM_DEVICE
#define READ DMABUF_IMPORTER_TO_DEVICE

FIXTURE(turns)
{
	int exporter;
	int importer;
	int fd;
	__u32 soft;
	__u32 attachments[LOOPS];
	struct counters before;
};

FIXTURE_SETUP(turns)
{
	int soft, i;

	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	soft = engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0);
	ASSERT_LE(0, soft);
	self->soft = soft;
	self->fd = buffer_export_flags(self->exporter, BUFFER_BYTES, DMABUF_EXPORTER_AUTO,
				       DMABUF_EXPORTER_ONE_WRITER, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	for (i = 0; i < LOOPS; i++) {
		long long attachment = attach(self->importer, self->fd, self->soft);

		ASSERT_LT(0, attachment);
		self->attachments[i] = attachment;
	}
}

FIXTURE_TEARDOWN(turns)
{
	EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* Is it mapped like this, with so many waiting? */
static bool turns_are(FIXTURE_DATA(turns) *self, __u32 readers, __u32 writers, __u32 waiting)
{
	struct dmabuf_exporter_placement place;

	if (placement_query(self->exporter, self->fd, &place))
		return false;
	if (place.readers == readers && place.writers == writers && place.waiting == waiting &&
	    place.state == (readers || writers ? DMABUF_EXPORTER_MAPPED : DMABUF_EXPORTER_BACKED))
		return true;
	printf("# state %u, readers %u, writers %u, waiting %u\n", place.state, place.readers,
	       place.writers, place.waiting);
	fflush(stdout);
	return false;
}

static long long map_n(FIXTURE_DATA(turns) *self, int n, __u32 direction)
{
	return map_nowait(self->importer, self->attachments[n], direction);
}

/* Starts a map that has to wait, as the last of @waiting. */
static bool queue(FIXTURE_DATA(turns) *self, struct waiter *waiter, int n, __u32 direction,
		  __u32 waiting)
{
	return !waiter_start(waiter, self->importer, self->attachments[n], direction) &&
	       placement_becomes(self->exporter, self->fd, DMABUF_EXPORTER_MAPPED, waiting);
}

/* proves: M3 */
TEST_F(turns, readers_share_and_a_writer_is_alone)
{
	long long readers[3], writer;
	struct dmabuf_exporter_placement place;
	int i;

	for (i = 0; i < 3; i++) {
		readers[i] = map_n(self, i, READ);
		ASSERT_LT(0, readers[i]);
	}
	EXPECT_TRUE(turns_are(self, 3, 0, 0));
	EXPECT_EQ(-EAGAIN, map_n(self, 3, WRITE));
	EXPECT_EQ(-EAGAIN, map_n(self, 3, DMABUF_IMPORTER_BIDIRECTIONAL));
	/* Not even one that reads already. */
	EXPECT_EQ(-EAGAIN, map_n(self, 0, WRITE));
	EXPECT_EQ(0, unmap(self->importer, readers[0]));
	EXPECT_EQ(0, unmap(self->importer, readers[1]));
	EXPECT_EQ(-EAGAIN, map_n(self, 3, WRITE));
	EXPECT_EQ(0, unmap(self->importer, readers[2]));

	for (i = 0; i < 3; i += 2) {
		writer = map_n(self, 3, i ? WRITE : DMABUF_IMPORTER_BIDIRECTIONAL);
		ASSERT_LT(0, writer);
		EXPECT_TRUE(turns_are(self, 0, 1, 0));
		EXPECT_EQ(-EAGAIN, map_n(self, 0, READ));
		EXPECT_EQ(-EAGAIN, map_n(self, 0, WRITE));
		EXPECT_EQ(-EAGAIN, map_n(self, 3, READ));
		EXPECT_EQ(-EAGAIN, map_n(self, 3, DMABUF_IMPORTER_BIDIRECTIONAL));
		EXPECT_EQ(-ETIMEDOUT, map_timeout(self->importer, self->attachments[0], READ, 2));
		EXPECT_EQ(0, unmap(self->importer, writer));
		EXPECT_TRUE(turns_are(self, 0, 0, 0));
	}
	ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
	EXPECT_EQ(DMABUF_EXPORTER_ONE_WRITER, place.flags);
	EXPECT_EQ(0, place.moves);
	EXPECT_EQ(0, place.failures);
	EXPECT_EQ(2, place.stalls);
}

/* proves: M3 */
TEST_F(turns, without_the_policy_all_have_it_at_once)
{
	long long attachment;
	int fd, i;

	fd = buffer_export(self->exporter, BUFFER_BYTES, DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, fd);
	for (i = 0; i < 6; i++) {
		attachment = attach(self->importer, fd, self->soft);
		ASSERT_LT(0, attachment);
		EXPECT_LT(0, map_nowait(self->importer, attachment, i % 3));
	}
	close(fd);
}

/* proves: M3, N7 */
TEST_F(turns, writer_waits_for_all_readers_and_later_readers_wait_behind_it)
{
	struct waiter writer = {}, late[3] = {};
	long long readers[2];
	int i;

	readers[0] = map_n(self, 0, READ);
	readers[1] = map_n(self, 1, READ);
	ASSERT_LT(0, readers[0]);
	ASSERT_LT(0, readers[1]);
	ASSERT_TRUE(queue(self, &writer, 2, WRITE, 1));
	EXPECT_EQ(-EAGAIN, map_n(self, 3, READ));
	EXPECT_EQ(-EAGAIN, map_n(self, 0, READ));
	for (i = 0; i < 3; i++)
		ASSERT_TRUE(queue(self, &late[i], 3 + i, READ, 2 + i));
	EXPECT_EQ(0, unmap(self->importer, readers[1]));
	EXPECT_TRUE(turns_are(self, 1, 0, 4));
	EXPECT_EQ(0, unmap(self->importer, readers[0]));

	ASSERT_LT(0, waiter_finish(&writer));
	EXPECT_TRUE(turns_are(self, 0, 1, 3));
	EXPECT_EQ(0, unmap(self->importer, writer.mapping));
	/* And these share again. */
	for (i = 0; i < 3; i++)
		ASSERT_LT(0, waiter_finish(&late[i]));
	EXPECT_TRUE(turns_are(self, 3, 0, 0));
}

/* proves: M3, N7 */
TEST_F(turns, turns_are_given_in_the_order_in_which_they_were_asked_for)
{
	static const __u32 asked[] = {
		WRITE, READ, READ, DMABUF_IMPORTER_BIDIRECTIONAL, WRITE, READ, WRITE,
	};
	struct waiter waiters[ARRAY_SIZE(asked)] = {};
	const int n = ARRAY_SIZE(asked);
	long long writer;
	int i;

	writer = map_n(self, 7, WRITE);
	ASSERT_LT(0, writer);
	for (i = 0; i < n; i++)
		ASSERT_TRUE(queue(self, &waiters[i], i, asked[i], i + 1));
	EXPECT_EQ(0, unmap(self->importer, writer));

	/* Each step: who has it, and how many are left; nobody has passed another. */
	ASSERT_LT(0, waiter_finish(&waiters[0]));
	EXPECT_TRUE(turns_are(self, 0, 1, 6));
	EXPECT_EQ(0, unmap(self->importer, waiters[0].mapping));
	ASSERT_LT(0, waiter_finish(&waiters[1]));
	ASSERT_LT(0, waiter_finish(&waiters[2]));
	EXPECT_TRUE(turns_are(self, 2, 0, 4));
	EXPECT_EQ(0, unmap(self->importer, waiters[1].mapping));
	EXPECT_TRUE(turns_are(self, 1, 0, 4));
	EXPECT_EQ(0, unmap(self->importer, waiters[2].mapping));
	for (i = 3; i < n; i++) {
		ASSERT_LT(0, waiter_finish(&waiters[i]));
		EXPECT_TRUE(turns_are(self, asked[i] == READ, asked[i] != READ, n - 1 - i));
		EXPECT_EQ(0, unmap(self->importer, waiters[i].mapping));
	}
	EXPECT_TRUE(turns_are(self, 0, 0, 0));
}

/* proves: M4, M3 */
TEST_F(turns, writer_that_is_interrupted_lets_the_readers_behind_it_go_on)
{
	struct waiter writer = {}, reader = {};
	long long first;

	first = map_n(self, 0, READ);
	ASSERT_LT(0, first);
	ASSERT_TRUE(queue(self, &writer, 1, WRITE, 1));
	ASSERT_TRUE(queue(self, &reader, 2, READ, 2));
	ASSERT_EQ(0, waiter_signal(&writer));
	EXPECT_EQ(-EINTR, waiter_finish(&writer));
	ASSERT_LT(0, waiter_finish(&reader));
	EXPECT_TRUE(turns_are(self, 2, 0, 0));
}

/* proves: M3, D1 */
TEST_F(turns, writer_whose_process_dies_lets_others_go_on)
{
	struct waiter reader = {};
	int ready[2], status;
	char byte = 'x';
	pid_t child;

	ASSERT_EQ(0, pipe(ready));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		int importer = importer_open();
		long long attachment = attach(importer, self->fd, self->soft);

		if (map(importer, attachment, WRITE) < 0 || write(ready[1], &byte, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	close(ready[0]);
	ASSERT_TRUE(queue(self, &reader, 0, READ, 1));
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_LT(0, waiter_finish(&reader));
	EXPECT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(turns_are(self, 1, 0, 0));
}

/* Whose turn it is to wait, from one to the other. */
struct rally {
	FIXTURE_DATA(turns) *self;
	int n;
	unsigned int rounds;
	int error;
	atomic_int *inside;
	pthread_t thread;
};

static void *rally_run(void *data)
{
	struct rally *rally = data;
	unsigned int i;

	for (i = 0; i < rally->rounds && !rally->error; i++) {
		long long mapping = map(rally->self->importer, rally->self->attachments[rally->n],
					WRITE);

		if (mapping < 0) {
			rally->error = mapping;
			break;
		}
		if (atomic_fetch_add(rally->inside, 1))
			rally->error = -EPERM;
		if (i % 16 == 0)
			sched_yield();
		atomic_fetch_sub(rally->inside, 1);
		if (unmap(rally->self->importer, mapping))
			rally->error = -EIO;
	}
	return NULL;
}

/* proves: M3 */
TEST_F(turns, there_are_never_two_writers)
{
	struct rally rallies[4] = {};
	atomic_int inside = 0;
	int i;

	for (i = 0; i < 4; i++) {
		rallies[i] = (struct rally) {
			.self = self, .n = i, .rounds = scaled(300) + 20, .inside = &inside,
		};
		ASSERT_EQ(0, pthread_create(&rallies[i].thread, NULL, rally_run, &rallies[i]));
	}
	for (i = 0; i < 4; i++) {
		pthread_join(rallies[i].thread, NULL);
		EXPECT_EQ(0, rallies[i].error);
	}
	EXPECT_TRUE(turns_are(self, 0, 0, 0));
}

/* proves: M3, N7 */
TEST_F(turns, two_writers_take_turns)
{
	unsigned int round, rounds = scaled(50) + 5;
	struct waiter waiter = {};
	long long mapping;
	int has = 0;

	mapping = map_n(self, has, WRITE);
	ASSERT_LT(0, mapping);
	for (round = 0; round < rounds; round++) {
		ASSERT_TRUE(queue(self, &waiter, !has, WRITE, 1));
		EXPECT_EQ(0, unmap(self->importer, mapping));
		/* It is the other one's turn, whether that has noticed or not. */
		ASSERT_EQ(-EAGAIN, map_n(self, has, WRITE));
		ASSERT_LT(0, waiter_finish(&waiter));
		mapping = waiter.mapping;
		has = !has;
	}
}

/*
 * As for the strict one among the loops of fairness.  Readers wait for nobody but a
 * writer: as soon as anything waits, the writer does.
 */
/* proves: M3, N7 */
TEST_F(turns, readers_that_keep_coming_do_not_starve_a_writer)
{
	unsigned int seen[LOOPS] = {}, after[LOOPS];
	struct dmabuf_exporter_placement place;
	struct loop loops[LOOPS] = {};
	struct waiter writer = {};
	atomic_bool stop = false;
	long long mine, attachment;
	int i;

	mine = map_n(self, 0, READ);
	ASSERT_LT(0, mine);
	for (i = 0; i < LOOPS; i++) {
		loops[i].importer = self->importer;
		loops[i].attachment = self->attachments[i];
		loops[i].direction = READ;
		loops[i].stop = &stop;
		ASSERT_EQ(0, pthread_create(&loops[i].thread, NULL, loop_run, &loops[i]));
	}
	ASSERT_TRUE(loops_run(loops, seen));
	attachment = attach(self->importer, self->fd, self->soft);
	ASSERT_LT(0, attachment);
	ASSERT_EQ(0, waiter_start(&writer, self->importer, attachment, WRITE));
	do {
		ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
	} while (!place.waiting);
	for (i = 0; i < LOOPS; i++)
		seen[i] = atomic_load(&loops[i].maps);
	EXPECT_TRUE(placement_becomes(self->exporter, self->fd, DMABUF_EXPORTER_MAPPED,
				      LOOPS + 1));
	for (i = 0; i < LOOPS; i++) {
		after[i] = atomic_load(&loops[i].maps);
		EXPECT_GE(seen[i] + 1, after[i]);
	}
	ASSERT_EQ(0, unmap(self->importer, mine));
	ASSERT_LT(0, waiter_finish(&writer));
	/* It is alone, so no reader has come round. */
	EXPECT_TRUE(turns_are(self, 0, 1, LOOPS));
	for (i = 0; i < LOOPS; i++)
		EXPECT_EQ(after[i], atomic_load(&loops[i].maps));

	atomic_store(&stop, true);
	EXPECT_EQ(0, unmap(self->importer, writer.mapping));
	for (i = 0; i < LOOPS; i++) {
		pthread_join(loops[i].thread, NULL);
		EXPECT_EQ(0, loops[i].error);
	}
	EXPECT_TRUE(turns_are(self, 0, 0, 0));
}

/* proves: M3, N3, N7 */
TEST_F(turns, stricter_reader_and_writer_keep_their_places_in_the_queue)
{
	struct dmabuf_exporter_placement place;
	struct waiter strict = {}, writer = {}, reader = {};
	long long attachment, easy;
	struct user first;
	int fd;

	fd = buffer_in_pieces(self->exporter, self->importer, self->soft, BUFFER_BYTES,
			      DMABUF_EXPORTER_ONE_WRITER, &first);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, unmap(self->importer, first.mapping));
	first.mapping = map_nowait(self->importer, first.attachment, READ);
	ASSERT_LT(0, (int)first.mapping);
	attachment = attach_one_segment(self->importer, fd, self->soft);
	ASSERT_LT(0, attachment);
	ASSERT_EQ(0, waiter_start(&strict, self->importer, attachment, READ));
	ASSERT_TRUE(placement_becomes(self->exporter, fd, DMABUF_EXPORTER_DRAINING, 1));
	easy = attach(self->importer, fd, self->soft);
	ASSERT_LT(0, easy);
	ASSERT_EQ(0, waiter_start(&writer, self->importer, easy, WRITE));
	ASSERT_TRUE(placement_becomes(self->exporter, fd, DMABUF_EXPORTER_DRAINING, 2));
	ASSERT_EQ(0, waiter_start(&reader, self->importer, easy, READ));
	ASSERT_TRUE(placement_becomes(self->exporter, fd, DMABUF_EXPORTER_DRAINING, 3));

	ASSERT_EQ(0, unmap(self->importer, first.mapping));
	ASSERT_LT(0, waiter_finish(&strict));
	EXPECT_EQ(1, strict.segments);
	ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
	EXPECT_EQ(DMABUF_EXPORTER_MAPPED, place.state);
	EXPECT_EQ(1, place.readers);
	EXPECT_EQ(0, place.writers);
	EXPECT_EQ(2, place.waiting);
	EXPECT_EQ(1, place.moves);
	EXPECT_EQ(0, unmap(self->importer, strict.mapping));
	ASSERT_LT(0, waiter_finish(&writer));
	EXPECT_EQ(0, unmap(self->importer, writer.mapping));
	ASSERT_LT(0, waiter_finish(&reader));
	close(fd);
}

TEST_HARNESS_MAIN
