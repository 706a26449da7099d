// SPDX-License-Identifier: GPL-2.0-only
/* A process that is killed, whatever it was doing, leaves nothing behind. */
#include "dmabuf-test.h"

#define VICTIM_BYTES (256 * 1024)

/* What the victim is doing when it is killed. */
enum stage {
	EXPORTED,
	EXPORTING,
	ATTACHED,
	ATTACHING,
	MAPPED,
	MAPPING,
	TRANSFERRING,
	MMAPPED,
	FAULTING,
};

FIXTURE(kill)
{
	int engine;
	size_t offset;	/* that no page starts at */
	struct counters before;
};

FIXTURE_VARIANT(kill)
{
	enum stage stage;
	__u32 engine;
	__u32 backing;
	unsigned int rounds;
};

FIXTURE_VARIANT_ADD(kill, exported) {
	.stage = EXPORTED,
	.engine = DMABUF_IMPORTER_SOFT,
	.rounds = 2,
};

FIXTURE_VARIANT_ADD(kill, exporting) {
	.stage = EXPORTING,
	.engine = DMABUF_IMPORTER_SOFT,
	.rounds = 20,
};

FIXTURE_VARIANT_ADD(kill, attached_edu) {
	.stage = ATTACHED,
	.engine = DMABUF_IMPORTER_EDU,
	.rounds = 2,
};

FIXTURE_VARIANT_ADD(kill, attached_soft) {
	.stage = ATTACHED,
	.engine = DMABUF_IMPORTER_SOFT,
	.rounds = 2,
};

FIXTURE_VARIANT_ADD(kill, attaching) {
	.stage = ATTACHING,
	.engine = DMABUF_IMPORTER_SOFT,
	.rounds = 20,
};

FIXTURE_VARIANT_ADD(kill, mapped_edu) {
	.stage = MAPPED,
	.engine = DMABUF_IMPORTER_EDU,
	.backing = DMABUF_EXPORTER_CMA,
	.rounds = 2,
};

FIXTURE_VARIANT_ADD(kill, mapped_soft_scattered) {
	.stage = MAPPED,
	.engine = DMABUF_IMPORTER_SOFT,
	.backing = DMABUF_EXPORTER_SCATTER,
	.rounds = 2,
};

FIXTURE_VARIANT_ADD(kill, mapped_soft_cma) {
	.stage = MAPPED,
	.engine = DMABUF_IMPORTER_SOFT,
	.backing = DMABUF_EXPORTER_CMA,
	.rounds = 2,
};

FIXTURE_VARIANT_ADD(kill, mapping) {
	.stage = MAPPING,
	.engine = DMABUF_IMPORTER_SOFT,
	.rounds = 20,
};

FIXTURE_VARIANT_ADD(kill, transferring_edu) {
	.stage = TRANSFERRING,
	.engine = DMABUF_IMPORTER_EDU,
	.rounds = 4,
};

FIXTURE_VARIANT_ADD(kill, transferring_dmaengine) {
	.stage = TRANSFERRING,
	.engine = DMABUF_IMPORTER_DMAENGINE,
	.rounds = 20,
};

FIXTURE_VARIANT_ADD(kill, transferring_soft) {
	.stage = TRANSFERRING,
	.engine = DMABUF_IMPORTER_SOFT,
	.rounds = 20,
};

FIXTURE_VARIANT_ADD(kill, mmapped) {
	.stage = MMAPPED,
	.engine = DMABUF_IMPORTER_SOFT,
	.rounds = 10,
};

FIXTURE_VARIANT_ADD(kill, faulting) {
	.stage = FAULTING,
	.engine = DMABUF_IMPORTER_SOFT,
	.rounds = 20,
};

FIXTURE_SETUP(kill)
{
	int importer;

	ASSERT_EQ(0, counters_read(&self->before));
	importer = importer_open();
	ASSERT_LE(0, importer);
	self->engine = engine_find(importer, variant->engine, 0);
	self->offset = align_up(10, engine_align(importer, self->engine));
	close(importer);
}

FIXTURE_TEARDOWN(kill)
{
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* Ends only if something goes wrong. */
static void victim(FIXTURE_DATA(kill) *self, const FIXTURE_VARIANT(kill) *variant, int ready)
{
	int exporter = exporter_open(), importer = importer_open(), fd;
	long long attachment = 0, mapping = 0;
	unsigned char *memory;
	char byte = 'x';
	unsigned int i;
	__u32 sum;

	/* A buffer that is in use in all ways, whatever the stage. */
	fd = buffer_export_populated(exporter, VICTIM_BYTES, variant->backing);
	if (fd < 0)
		_exit(1);
	if (variant->stage >= ATTACHED) {
		/* Populated for no device in particular: where it lies may not serve this one. */
		attachment = attach(importer, fd, self->engine);
		if (attachment <= 0)
			_exit(2);
	}
	if (variant->stage >= MAPPED) {
		for (i = 0; i < 3; i++)
			mapping = map(importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
		if (mapping <= 0)
			_exit(3);
	}
	memory = buffer_mmap(exporter, fd, VICTIM_BYTES);
	if (memory == MAP_FAILED)
		_exit(4);
	memory[0] = 1;
	if (write(ready, &byte, 1) != 1)
		_exit(5);

	for (;;) {
		switch (variant->stage) {
		case EXPORTING:
			close(buffer_export_populated(exporter, VICTIM_BYTES,
						      DMABUF_EXPORTER_SCATTER));
			break;
		case ATTACHING:
			detach(importer, attach(importer, fd, self->engine));
			break;
		case MAPPING:
			unmap(importer, map(importer, attachment, DMABUF_IMPORTER_TO_DEVICE));
			break;
		case TRANSFERRING:
			checksum(importer, mapping, 0, VICTIM_BYTES, &sum);
			break;
		case MMAPPED:
			for (i = 0; i < VICTIM_BYTES; i++)
				memory[i]++;
			break;
		case FAULTING:
			fd = buffer_export(exporter, VICTIM_BYTES, DMABUF_EXPORTER_SCATTER);
			memory = buffer_mmap(exporter, fd, VICTIM_BYTES);
			close(fd);
			for (i = 0; i < VICTIM_BYTES; i += page_size())
				memory[i]++;
			munmap(memory, VICTIM_BYTES);
			break;
		default:
			pause();
			break;
		}
	}
}

/* proves: P1, D1, U1 */
TEST_F(kill, process_leaves_nothing_behind)
{
	unsigned int round, rounds = scaled(variant->rounds * 20) / 20 ?: 1;
	struct dmabuf_exporter_info info;
	int status, exporter;
	int ready[2];
	pid_t child;
	char byte;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	for (round = 0; round < rounds; round++) {
		ASSERT_EQ(0, pipe(ready));
		child = fork();
		ASSERT_LE(0, child);
		if (!child) {
			close(ready[0]);
			victim(self, variant, ready[1]);
		}
		close(ready[1]);
		ASSERT_EQ(1, read(ready[0], &byte, 1));
		close(ready[0]);

		/* It is alive, and has what it says. */
		exporter = exporter_open();
		ASSERT_LE(0, exporter);
		ASSERT_EQ(0, exporter_info(exporter, &info));
		EXPECT_LT(self->before.buffers, info.buffers);
		EXPECT_LT(self->before.backed_bytes, info.backed_bytes);
		close(exporter);
		sleep_ms(7 * round % 50 + (variant->engine == DMABUF_IMPORTER_EDU ? 120 : 1));

		ASSERT_EQ(0, kill(child, SIGKILL));
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status)) TH_LOG("exit status %d", WEXITSTATUS(status));
		EXPECT_TRUE(counters_back_to(&self->before));
	}
}

/* proves: P1, F3 */
TEST_F(kill, buffer_that_another_process_holds_stays_whole)
{
	int sync[2], exporter, importer, fd, status;
	unsigned char bytes[64], back[64];
	long long attachment, mapping;
	long long id;
	pid_t child;
	char byte;

	if (self->engine < 0)
		SKIP(return, NO_ENGINE);
	exporter = exporter_open();
	ASSERT_LE(0, exporter);
	fd = buffer_export(exporter, VICTIM_BYTES, variant->backing);
	ASSERT_LE(0, fd);
	id = buffer_id(exporter, fd);
	scribble(bytes, sizeof(bytes), 1);

	ASSERT_EQ(0, pipe(sync));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		importer = importer_open();
		attachment = attach(importer, fd, self->engine);
		mapping = map(importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
		if (copy_in(importer, mapping, self->offset, sizeof(bytes), bytes))
			_exit(1);
		byte = 'x';
		if (write(sync[1], &byte, 1) != 1)
			_exit(2);
		for (;;)
			pause();
	}
	close(sync[1]);
	ASSERT_EQ(1, read(sync[0], &byte, 1));
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	close(sync[0]);

	EXPECT_EQ(id, buffer_id(exporter, fd));
	importer = importer_open();
	ASSERT_LE(0, importer);
	attachment = attach(importer, fd, self->engine);
	ASSERT_LT(0, attachment);
	mapping = map(importer, attachment, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, mapping);
	ASSERT_EQ(0, copy_out(importer, mapping, self->offset, sizeof(back), back));
	EXPECT_EQ(0, memcmp(bytes, back, sizeof(bytes)));
	close(importer);
	close(fd);
	close(exporter);
}

#define LARGE_BYTES (64 * MIB)

/* Touches memory that is not there yet from within the kernel, and waits. */
static void victim_of_a_kernel_fault(int ready)
{
	int exporter = exporter_open(), zero = open("/dev/zero", O_RDONLY | O_CLOEXEC), fd;
	unsigned char *memory;
	char byte = 'x';

	fd = buffer_export(exporter, LARGE_BYTES, DMABUF_EXPORTER_SCATTER);
	memory = buffer_mmap(exporter, fd, LARGE_BYTES);
	if (memory == MAP_FAILED || write(ready, &byte, 1) != 1)
		_exit(1);
	/* The first byte makes the exporter take all of the memory. */
	if (read(zero, memory, LARGE_BYTES) < 0)
		_exit(2);
	for (;;)
		pause();
}

/* proves: P1, R4 */
TEST(process_that_dies_while_the_kernel_faults_memory_in_is_gone_soon)
{
	struct counters before;
	unsigned int round;
	int status, ready[2];
	char byte;

	ASSERT_EQ(0, counters_read(&before));
	for (round = 0; round < 5; round++) {
		__u64 deadline;
		pid_t child, dead;

		ASSERT_EQ(0, pipe(ready));
		child = fork();
		ASSERT_LE(0, child);
		if (!child)
			victim_of_a_kernel_fault(ready[1]);
		ASSERT_EQ(1, read(ready[0], &byte, 1));
		close(ready[0]);
		close(ready[1]);
		sleep_ms(2 + 5 * round);
		ASSERT_EQ(0, kill(child, SIGKILL));
		deadline = now_ms() + 20000;
		do {
			sleep_ms(2);
			dead = waitpid(child, &status, WNOHANG);
		} while (!dead && now_ms() < deadline);
		ASSERT_EQ(child, dead);
		EXPECT_TRUE(WIFSIGNALED(status)) TH_LOG("exit status %d", WEXITSTATUS(status));
		EXPECT_TRUE(counters_back_to(&before));
	}
}

TEST_HARNESS_MAIN
