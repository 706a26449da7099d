// SPDX-License-Identifier: GPL-2.0-only
/* Memory that is mapped by a buffer's fd, when the buffer moves. */
#include "cpu-fixture.h"
#include "placement-test.h"

#define MOVED_BYTES (8 * page_size())

/* A buffer that is mapped by fd and moves again and again. */
struct mover {
	int exporter;
	int importer;
	int soft;
	int fd;
	struct user user;		/* who has it mapped, where it lies now */
	unsigned char *memory;
};

static bool mover_start(FIXTURE_DATA(access) *self, struct mover *mover)
{
	mover->exporter = self->exporter;
	mover->importer = self->importer;
	mover->memory = MAP_FAILED;
	mover->soft = engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0);
	mover->fd = buffer_in_pieces(self->exporter, self->importer, mover->soft, MOVED_BYTES, 0,
				     &mover->user);
	if (mover->fd < 0)
		return false;
	mover->memory = mmap(NULL, MOVED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, mover->fd, 0);
	return mover->memory != MAP_FAILED;
}

static void mover_end(struct mover *mover)
{
	munmap(mover->memory, MOVED_BYTES);
	unmap(mover->importer, mover->user.mapping);
	detach(mover->importer, mover->user.attachment);
	close(mover->fd);
}

/* Moves it for a device that it does not serve.  Return: 0, -ENOENT: there is none, -errno. */
static int mover_step(struct mover *mover)
{
	struct dmabuf_importer_constraints limits;
	long long attachment, mapping;
	int ret;

	if (!stricter_limits(mover->importer, mover->user.mapping, mover->user.segments, &limits))
		return -ENOENT;
	attachment = attach_limited(mover->importer, mover->fd, mover->soft, &limits);
	if (attachment < 0)
		return attachment;
	ret = unmap(mover->importer, mover->user.mapping) ?:
	      detach(mover->importer, mover->user.attachment);
	if (ret)
		return ret;
	mapping = map_segments(mover->importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL,
			       &mover->user.segments);
	mover->user.attachment = attachment;
	mover->user.mapping = mapping;
	return mapping < 0 ? mapping : 0;
}

static __u64 moves_of(const struct mover *mover)
{
	struct dmabuf_exporter_placement place;

	return placement_query(mover->exporter, mover->fd, &place) ? ~0ULL : place.moves;
}

/* proves: N4, R4, R2 */
TEST_F(access, mapping_shows_the_same_bytes_in_the_new_place)
{
	unsigned char *copy = malloc(MOVED_BYTES), *second;
	unsigned char bytes[100];
	struct mover mover;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_NE(NULL, copy);
	ASSERT_TRUE(mover_start(self, &mover));
	EXPECT_EQ(!variant->native, file_is_kernel(self->exporter, mover.fd));
	second = mmap(NULL, page_size(), PROT_READ, MAP_SHARED, mover.fd, page_size());
	ASSERT_NE(MAP_FAILED, second);
	scribble(mover.memory, MOVED_BYTES, 1);
	memcpy(copy, mover.memory, MOVED_BYTES);
	EXPECT_EQ(0, memcmp(second, copy + page_size(), page_size()));
	ASSERT_EQ(0, mover_step(&mover));
	EXPECT_EQ(1, moves_of(&mover));

	/* The same VMAs, and what they show is what the device sees there. */
	EXPECT_EQ(0, memcmp(mover.memory, copy, MOVED_BYTES));
	EXPECT_EQ(0, memcmp(second, copy + page_size(), page_size()));
	EXPECT_TRUE(device_reads(self->importer, mover.user.mapping, copy, MOVED_BYTES));

	/* Both go on from there. */
	EXPECT_EQ(0, buffer_sync(mover.fd, START | RW));
	scribble(mover.memory, MOVED_BYTES, 2);
	memcpy(copy, mover.memory, MOVED_BYTES);
	EXPECT_EQ(0, buffer_sync(mover.fd, END | RW));
	EXPECT_TRUE(device_reads(self->importer, mover.user.mapping, copy, MOVED_BYTES));
	scribble(bytes, sizeof(bytes), 3);
	ASSERT_EQ(0, copy_in(self->importer, mover.user.mapping, page_size() - 50, sizeof(bytes),
			     bytes));
	EXPECT_EQ(0, buffer_sync(mover.fd, START | READ));
	EXPECT_EQ(0, memcmp(mover.memory + page_size() - 50, bytes, sizeof(bytes)));
	EXPECT_EQ(0, memcmp(second, bytes + 50, 50));
	EXPECT_EQ(0, buffer_sync(mover.fd, END | READ));
	munmap(second, page_size());
	mover_end(&mover);
	free(copy);
}

/* proves: N4, R4, F3 */
TEST_F(access, mapping_of_another_process_survives_a_move)
{
	struct mover mover;
	int ready[2], moved[2], status;
	pid_t child;
	char byte;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(moved));
	ASSERT_TRUE(mover_start(self, &mover));
	memset(mover.memory, 0x51, MOVED_BYTES);
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(moved[1]);
		/* It has page table entries of its own when the buffer moves. */
		if (mover.memory[0] != 0x51 || write(ready[1], "x", 1) != 1)
			_exit(1);
		if (read(moved[0], &byte, 1) != 1)
			_exit(2);
		if (mover.memory[0] != 0x52 || mover.memory[MOVED_BYTES - 1] != 0x51)
			_exit(3);
		mover.memory[1] = 0x53;
		_exit(0);
	}
	close(ready[1]);
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	ASSERT_EQ(0, mover_step(&mover));
	mover.memory[0] = 0x52;
	EXPECT_EQ(1, write(moved[1], "x", 1));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0x53, mover.memory[1]);
	EXPECT_EQ(1, moves_of(&mover));
	close(ready[0]);
	close(moved[0]);
	close(moved[1]);
	mover_end(&mover);
}

/* proves: N4, P1, R4 */
TEST_F(access, mapping_that_has_outlived_its_fd_follows_a_move)
{
	unsigned char *copy = malloc(MOVED_BYTES);
	struct dmabuf_importer_constraints limits;
	long long attachment, mapping;
	struct mover mover;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_NE(NULL, copy);
	ASSERT_TRUE(mover_start(self, &mover));
	scribble(mover.memory, MOVED_BYTES, 4);
	memcpy(copy, mover.memory, MOVED_BYTES);
	ASSERT_TRUE(stricter_limits(self->importer, mover.user.mapping, mover.user.segments,
				    &limits));
	attachment = attach_limited(self->importer, mover.fd, mover.soft, &limits);
	ASSERT_LT(0, attachment);
	EXPECT_EQ(0, close(mover.fd));
	EXPECT_EQ(0, unmap(self->importer, mover.user.mapping));
	mapping = map(self->importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(0, memcmp(mover.memory, copy, MOVED_BYTES));
	ASSERT_EQ(0, fill(self->importer, mapping, 0, MOVED_BYTES, 0x5555555555555555ULL));
	EXPECT_EQ(0, unmap(self->importer, mapping));
	EXPECT_TRUE(all_bytes_are(mover.memory, MOVED_BYTES, 0x55));
	munmap(mover.memory, MOVED_BYTES);
	free(copy);
}

#define WRITERS 3

struct writer {
	unsigned char *memory;
	size_t place;		/* of this writer, in each page */
	atomic_bool *stop;
	atomic_ullong rounds;
	pthread_t thread;
};

/* One more in its place of every page; nobody else writes there. */
static void *write_for_ever(void *data)
{
	struct writer *writer = data;
	size_t at;

	while (!atomic_load(writer->stop)) {
		for (at = writer->place; at < MOVED_BYTES; at += page_size())
			++*(volatile __u64 *)(writer->memory + at);
		atomic_fetch_add(&writer->rounds, 1);
	}
	return NULL;
}

/* proves: N4, R4 */
TEST_F_TIMEOUT(access, no_store_is_lost_while_the_buffer_moves, 300)
{
	unsigned int i, round, rounds = scaled(20), moves = 0;
	struct writer writers[WRITERS];
	unsigned char *seen = malloc(MOVED_BYTES);
	struct mover mover;
	size_t at;
	int ret;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_NE(NULL, seen);
	for (round = 0; round < rounds; round++) {
		atomic_bool stop = false;

		ASSERT_TRUE(mover_start(self, &mover));
		for (i = 0; i < WRITERS; i++) {
			writers[i].memory = mover.memory;
			writers[i].place = 8 * i;
			writers[i].stop = &stop;
			atomic_init(&writers[i].rounds, 0);
			ASSERT_EQ(0, pthread_create(&writers[i].thread, NULL, write_for_ever,
						    &writers[i]));
		}
		for (i = 0; i < WRITERS; i++)
			ASSERT_TRUE(HOLDS_SOON(atomic_load(&writers[i].rounds)));
		/* Up to the highest alignment that there is memory of. */
		while (!(ret = mover_step(&mover)) && moves_of(&mover) < 6)
			;
		EXPECT_TRUE(!ret || ret == -ENOENT) TH_LOG("error %d", ret);
		moves += moves_of(&mover);
		atomic_store(&stop, true);
		for (i = 0; i < WRITERS; i++)
			ASSERT_EQ(0, pthread_join(writers[i].thread, NULL));
		ASSERT_EQ(0, copy_out(self->importer, mover.user.mapping, 0, MOVED_BYTES, seen));
		for (i = 0; i < WRITERS; i++) {
			unsigned long long written = atomic_load(&writers[i].rounds);

			for (at = writers[i].place; at < MOVED_BYTES; at += page_size()) {
				EXPECT_EQ(written, *(__u64 *)(mover.memory + at));
				EXPECT_EQ(written, *(__u64 *)(seen + at));
			}
		}
		mover_end(&mover);
	}
	TH_LOG("%u moves", moves);
	EXPECT_LE(rounds, moves);
	free(seen);
}

static const char *const needed_modules[] = { "dmabuf-test-cpu", NULL };

#include "test-modules-main.h"
