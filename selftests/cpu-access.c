// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CPU's access to a buffer by its fd while devices have it mapped: the sync brings
 * together what all of them see.
 *
 * Whether a sync is missing no machine with coherent devices can tell.  Those of
 * dmabuf-test-cpu are not coherent.
 */
#include "cpu-fixture.h"

/* DMA_BUF_IOCTL_SYNC */

/* proves: R4 */
TEST_F(access, sync_begins_and_ends_in_each_direction)
{
	static const __u64 directions[] = { READ, WRITE, RW };
	struct dmabuf_exporter_query query;
	size_t i;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	for (i = 0; i < ARRAY_SIZE(directions); i++) {
		EXPECT_EQ(0, buffer_sync(self->fd, START | directions[i]));
		EXPECT_EQ(0, buffer_sync(self->fd, END | directions[i]));
	}
	/* Which is no reason to take memory. */
	ASSERT_EQ(0, buffer_query(self->exporter, self->fd, &query));
	EXPECT_EQ(0, query.backed_bytes);
	/* All at once, and once more with memory and a mapping. */
	self->memory[0] = 1;
	ASSERT_LT(0, map(self->importer, attach(self->importer, self->fd,
						engine_find(self->importer, DMABUF_IMPORTER_SOFT,
							    0)),
			 DMABUF_IMPORTER_BIDIRECTIONAL));
	for (i = 0; i < ARRAY_SIZE(directions); i++)
		EXPECT_EQ(0, buffer_sync(self->fd, START | directions[i]));
	for (i = 0; i < ARRAY_SIZE(directions); i++)
		EXPECT_EQ(0, buffer_sync(self->fd, END | directions[i]));
	EXPECT_EQ(1, self->memory[0]);
}

/* proves: R4 */
TEST_F(access, sync_with_wrong_flags_is_rejected)
{
	unsigned int bit;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	/* No direction. */
	EXPECT_EQ(-EINVAL, buffer_sync(self->fd, START));
	EXPECT_EQ(-EINVAL, buffer_sync(self->fd, END));
	for (bit = 3; bit < 64; bit++) {
		EXPECT_EQ(-EINVAL, buffer_sync(self->fd, 1ULL << bit)) TH_LOG("bit %u", bit);
		EXPECT_EQ(-EINVAL, buffer_sync(self->fd, 1ULL << bit | START | RW));
		EXPECT_EQ(-EINVAL, buffer_sync(self->fd, 1ULL << bit | END | READ));
	}
	EXPECT_EQ(-EINVAL, buffer_sync(self->fd, ~0ULL));
	/* None of them has begun anything. */
	EXPECT_EQ(variant->native ? -EINVAL : 0, buffer_sync(self->fd, END | RW));
	EXPECT_EQ(variant->native ? -EINVAL : 0, buffer_sync(self->fd, END | READ));
}

/* proves: R4 */
TEST_F(access, sync_with_a_bad_pointer_is_a_fault)
{
	size_t page = page_size(), missing;
	unsigned char *pages;
	__u64 flags = START | RW;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, pages);
	ASSERT_EQ(0, munmap(pages + page, page));
	EXPECT_EQ(-EFAULT, do_ioctl(self->fd, DMA_BUF_IOCTL_SYNC, NULL));
	EXPECT_EQ(-EFAULT, do_ioctl(self->fd, DMA_BUF_IOCTL_SYNC, (void *)-4096L));
	for (missing = 1; missing <= sizeof(flags); missing++) {
		void *at = pages + page - sizeof(flags) + missing;

		memcpy(at, &flags, sizeof(flags) - missing);
		EXPECT_EQ(-EFAULT, do_ioctl(self->fd, DMA_BUF_IOCTL_SYNC, at));
	}
	EXPECT_EQ(variant->native ? -EINVAL : 0, buffer_sync(self->fd, END | RW));
	munmap(pages, page);
}

/* The kernel's own dma-bufs do not count. */
/* proves: R4 */
TEST_F(access, end_of_what_was_not_begun_is_rejected_on_native_files)
{
	static const __u64 directions[] = { READ, WRITE, RW };
	size_t i, j;
	int wrong, copy, status;
	pid_t child;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	wrong = variant->native ? -EINVAL : 0;
	for (i = 0; i < ARRAY_SIZE(directions); i++) {
		EXPECT_EQ(wrong, buffer_sync(self->fd, END | directions[i]));
		EXPECT_EQ(0, buffer_sync(self->fd, START | directions[i]));
		/* In another direction. */
		for (j = 0; j < ARRAY_SIZE(directions); j++)
			if (i != j)
				EXPECT_EQ(wrong, buffer_sync(self->fd, END | directions[j]));
		EXPECT_EQ(0, buffer_sync(self->fd, END | directions[i]));
		/* Once too often. */
		EXPECT_EQ(wrong, buffer_sync(self->fd, END | directions[i]));
	}
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, buffer_sync(self->fd, START | READ));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, buffer_sync(self->fd, END | READ));
	EXPECT_EQ(wrong, buffer_sync(self->fd, END | READ));

	/* It is the buffer that counts, whoever has it. */
	copy = dup(self->fd);
	ASSERT_LE(0, copy);
	EXPECT_EQ(0, buffer_sync(self->fd, START | RW));
	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		_exit(-buffer_sync(copy, END | RW));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(wrong, buffer_sync(self->fd, END | RW));
	close(copy);
}

/* Devices that are not coherent */

#define PART 100	/* bytes that a device or the CPU writes */

/* Where device @i writes; the last one's is over the end of a page. */
static size_t part_of(unsigned int i)
{
	return i < 2 ? i * page_size() + 7 : 2 * page_size() - PART / 2;
}

/* proves: R3, R4, M3 */
TEST_F(access, begin_shows_the_cpu_what_every_device_has_written)
{
	static const __u32 directions[] = { BOTH_WAYS, FROM_THE_DEVICE, BOTH_WAYS };
	static const __u64 access[] = { READ, RW };
	int devices[DMABUF_TEST_CPU_DEVICES];
	unsigned int i, round;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	if (!device_syncs(self->node, 0).supported)
		SKIP(return, NO_DMA_OPS);
	for (i = 0; i < DMABUF_TEST_CPU_DEVICES; i++) {
		devices[i] = device_map(self->node, self->fd, i, directions[i]);
		ASSERT_LT(0, devices[i]);
	}
	for (round = 0; round < ARRAY_SIZE(access); round++) {
		for (i = 0; i < DMABUF_TEST_CPU_DEVICES; i++) {
			EXPECT_EQ(PART, device_touch(self->node, devices[i], part_of(i), PART, 1,
						     0x10 * (round + 1) + i));
			/* Nobody has said that it is to be seen. */
			EXPECT_TRUE(all_bytes_are(self->memory + part_of(i), PART,
						  round ? 0x10 + i : 0));
		}
		EXPECT_EQ(0, buffer_sync(self->fd, START | access[round]));
		for (i = 0; i < DMABUF_TEST_CPU_DEVICES; i++)
			EXPECT_TRUE(all_bytes_are(self->memory + part_of(i), PART,
						  0x10 * (round + 1) + i)) TH_LOG("device %u", i);
		EXPECT_EQ(0, buffer_sync(self->fd, END | access[round]));
	}
	/* What nobody wrote is as it was. */
	EXPECT_EQ(0, self->memory[0]);
	EXPECT_EQ(0, self->memory[self->bytes - 1]);
	for (i = 0; i < DMABUF_TEST_CPU_DEVICES; i++)
		EXPECT_EQ(0, device_unmap(self->node, devices[i]));
}

/* proves: R3, R4, M3 */
TEST_F(access, end_shows_every_device_what_the_cpu_has_written)
{
	static const __u32 directions[] = { BOTH_WAYS, TO_THE_DEVICE, TO_THE_DEVICE };
	static const __u64 access[] = { WRITE, RW };
	int devices[DMABUF_TEST_CPU_DEVICES];
	long long bytes = self->bytes;
	unsigned int i, round;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	if (!device_syncs(self->node, 0).supported)
		SKIP(return, NO_DMA_OPS);
	for (i = 0; i < DMABUF_TEST_CPU_DEVICES; i++) {
		devices[i] = device_map(self->node, self->fd, i, directions[i]);
		ASSERT_LT(0, devices[i]);
		EXPECT_EQ(bytes, device_touch(self->node, devices[i], 0, bytes, 0, 0));
	}
	for (round = 0; round < ARRAY_SIZE(access); round++) {
		EXPECT_EQ(0, buffer_sync(self->fd, START | access[round]));
		memset(self->memory, 0x40 + round, bytes);
		for (i = 0; i < DMABUF_TEST_CPU_DEVICES; i++)
			EXPECT_EQ(0, device_touch(self->node, devices[i], 0, bytes, 0,
						  0x40 + round));
		EXPECT_EQ(0, buffer_sync(self->fd, END | access[round]));
		for (i = 0; i < DMABUF_TEST_CPU_DEVICES; i++)
			EXPECT_EQ(bytes, device_touch(self->node, devices[i], 0, bytes, 0,
						      0x40 + round)) TH_LOG("device %u", i);
	}
	for (i = 0; i < DMABUF_TEST_CPU_DEVICES; i++)
		EXPECT_EQ(0, device_unmap(self->node, devices[i]));
}

/* proves: R3, R4 */
TEST_F(access, device_with_several_mappings_has_each_of_them_synced)
{
	int mappings[3];
	unsigned int i;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	if (!device_syncs(self->node, 0).supported)
		SKIP(return, NO_DMA_OPS);
	mappings[0] = device_map(self->node, self->fd, 0, TO_THE_DEVICE);
	mappings[1] = device_map(self->node, self->fd, 0, BOTH_WAYS);
	mappings[2] = device_map(self->node, self->fd, 0, FROM_THE_DEVICE);
	for (i = 0; i < 3; i++)
		ASSERT_LT(0, mappings[i]);
	EXPECT_EQ(PART, device_touch(self->node, mappings[1], 0, PART, 1, 0x21));
	EXPECT_EQ(PART, device_touch(self->node, mappings[2], page_size(), PART, 1, 0x22));
	EXPECT_EQ(0, buffer_sync(self->fd, START | RW));
	EXPECT_TRUE(all_bytes_are(self->memory, PART, 0x21));
	EXPECT_TRUE(all_bytes_are(self->memory + page_size(), PART, 0x22));
	memset(self->memory + 2 * page_size(), 0x23, PART);
	EXPECT_EQ(0, buffer_sync(self->fd, END | RW));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(PART, device_touch(self->node, mappings[i], 2 * page_size(), PART, 0,
					     0x23)) TH_LOG("mapping %u", i);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, device_unmap(self->node, mappings[i]));
}

/* What there is without any sync: unmap and map. */
/* proves: U1, M1 */
TEST_F(access, unmap_and_map_sync_their_own_device_only)
{
	struct dmabuf_test_cpu_syncs before, after;
	int one, two;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	if (!device_syncs(self->node, 0).supported)
		SKIP(return, NO_DMA_OPS);
	one = device_map(self->node, self->fd, 0, BOTH_WAYS);
	two = device_map(self->node, self->fd, 1, BOTH_WAYS);
	ASSERT_LT(0, one);
	ASSERT_LT(0, two);
	EXPECT_EQ(PART, device_touch(self->node, one, part_of(0), PART, 1, 0x31));
	EXPECT_EQ(PART, device_touch(self->node, two, part_of(1), PART, 1, 0x32));
	before = device_syncs(self->node, 1);
	EXPECT_EQ(0, device_unmap(self->node, one));
	EXPECT_TRUE(all_bytes_are(self->memory + part_of(0), PART, 0x31));
	EXPECT_TRUE(all_bytes_are(self->memory + part_of(1), PART, 0));
	after = device_syncs(self->node, 1);
	EXPECT_EQ(before.for_cpu, after.for_cpu);
	EXPECT_EQ(before.for_device, after.for_device);
	EXPECT_EQ(0, device_unmap(self->node, two));
	EXPECT_TRUE(all_bytes_are(self->memory + part_of(1), PART, 0x32));
	/* Nobody has it mapped: nobody is to be told. */
	before = device_syncs(self->node, 1);
	EXPECT_EQ(0, buffer_sync(self->fd, START | RW));
	EXPECT_EQ(0, buffer_sync(self->fd, END | RW));
	after = device_syncs(self->node, 1);
	EXPECT_EQ(before.for_cpu, after.for_cpu);
	EXPECT_EQ(before.for_device, after.for_device);
}

struct syncer {
	int fd;
	atomic_bool *stop;
	atomic_uint syncs;
	int error;
};

static void *sync_for_ever(void *data)
{
	struct syncer *syncer = data;

	while (!atomic_load(syncer->stop)) {
		syncer->error = buffer_sync(syncer->fd, START | RW) ?:
				buffer_sync(syncer->fd, END | RW);
		if (syncer->error)
			break;
		atomic_fetch_add(&syncer->syncs, 1);
	}
	return NULL;
}

/* proves: R4, M1, U1 */
TEST_F(access, devices_may_come_and_go_while_threads_sync)
{
	struct syncer syncers[2];
	atomic_bool stop = false;
	pthread_t threads[2];
	unsigned int i, n;
	int mapping;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	if (!device_syncs(self->node, 0).supported)
		SKIP(return, NO_DMA_OPS);
	self->memory[0] = 1;
	for (i = 0; i < 2; i++) {
		syncers[i].fd = self->fd;
		syncers[i].stop = &stop;
		syncers[i].error = 0;
		atomic_init(&syncers[i].syncs, 0);
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, sync_for_ever, &syncers[i]));
	}
	for (i = 0; i < 2; i++)
		EXPECT_TRUE(HOLDS_SOON(atomic_load(&syncers[i].syncs)));
	for (i = 0; i < scaled(200); i++) {
		n = i % DMABUF_TEST_CPU_DEVICES;
		mapping = device_map(self->node, self->fd, n, BOTH_WAYS);
		ASSERT_LT(0, mapping);
		EXPECT_EQ(1, device_touch(self->node, mapping, part_of(n), 1, 1, i & 0x7f));
		EXPECT_EQ(0, device_unmap(self->node, mapping));
		EXPECT_EQ(i & 0x7f, self->memory[part_of(n)]);
	}
	atomic_store(&stop, true);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
		EXPECT_EQ(0, syncers[i].error);
	}
	EXPECT_EQ(0, device_syncs(self->node, 0).mapped);
}

/* The engines that there are */

#define ENGINES 4

/* proves: R3, R4, M3, R5 */
TEST_F(access, memory_is_the_same_for_the_cpu_and_every_engine)
{
	unsigned char bytes[64], *copy = malloc(self->bytes);
	struct dmabuf_importer_engine engine;
	long long mappings[ENGINES];
	unsigned int i, n;
	__u32 sum;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_NE(NULL, copy);
	for (n = 0; n < ENGINES && !engine_describe(self->importer, n, &engine); n++) {
		mappings[n] = attach(self->importer, self->fd, n);
		ASSERT_LT(0, mappings[n]);
	}
	/* All have it mapped until the end. */
	for (i = 0; i < n; i++) {
		mappings[i] = map(self->importer, mappings[i], DMABUF_IMPORTER_BIDIRECTIONAL);
		ASSERT_LT(0, mappings[i]);
	}
	for (i = 0; i < n; i++) {
		scribble(bytes, sizeof(bytes), i);
		ASSERT_EQ(0, copy_in(self->importer, mappings[i], 8 * (500 + i), sizeof(bytes),
				     bytes));
		EXPECT_EQ(0, buffer_sync(self->fd, START | RW));
		EXPECT_EQ(0, memcmp(bytes, self->memory + 8 * (500 + i), sizeof(bytes)));
		scribble(self->memory, self->bytes, 100 + i);
		memcpy(copy, self->memory, self->bytes);
		EXPECT_EQ(0, buffer_sync(self->fd, END | RW));
	}
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, checksum(self->importer, mappings[i], 0, self->bytes, &sum));
		EXPECT_EQ(crc32(copy, self->bytes), sum) TH_LOG("engine %u", i);
	}
	free(copy);
}

static const char *const needed_modules[] = { "dmabuf-test-cpu", NULL };

#include "test-modules-main.h"
