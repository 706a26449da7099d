// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CPU's way to a buffer of the placement layer, when it takes storage and when
 * it moves.  Driven through dmabuf-test-placement.
 */
#include "placement-ops-test.h"

#include <sched.h>

struct store {
	pthread_t thread;
	unsigned char *at;
	const atomic_bool *go;
	atomic_bool done;
};

static void *store_run(void *data)
{
	struct store *store = data;

	while (!atomic_load(store->go))
		sched_yield();
	*(volatile unsigned char *)store->at = 0x99;
	atomic_store(&store->done, true);
	return NULL;
}

/* The store is made when @go is set. */
static int store_start(struct store *store, unsigned char *at, const atomic_bool *go)
{
	store->at = at;
	store->go = go;
	atomic_init(&store->done, false);
	return pthread_create(&store->thread, NULL, store_run, store);
}

FIXTURE(mapped_memory)
{
	struct held held;
	unsigned char *memory;
};

FIXTURE_VARIANT(mapped_memory)
{
	__u32 op;
	bool first;
	bool waits;	/* a store does, until the op is over */
};

FIXTURE_VARIANT_ADD(mapped_memory, during_the_first_alloc) {
	.op = ALLOC, .first = true, .waits = true,
};

FIXTURE_VARIANT_ADD(mapped_memory, during_the_alloc_of_a_move) { .op = ALLOC };
FIXTURE_VARIANT_ADD(mapped_memory, during_a_move) { .op = MOVE, .waits = true };

FIXTURE_SETUP(mapped_memory)
{
	held_start(_metadata, &self->held, variant->op, variant->first);
	self->memory = place_mmap(&self->held.at);
	ASSERT_NE(MAP_FAILED, self->memory);
}

FIXTURE_TEARDOWN(mapped_memory)
{
	munmap(self->memory, BYTES);
	held_end(_metadata, &self->held);
}

/* proves: N4, R4 */
TEST_F(mapped_memory, store_is_not_lost)
{
	struct held *held = &self->held;
	/* Of bytes that are copied already, and of some that are not. */
	size_t at[] = { 7, BYTES - 1 };
	struct store stores[2];
	atomic_bool go = false;
	size_t i;

	/* Both first: a thread needs a stack, and a fault that waits lets nobody mmap. */
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, store_start(&stores[i], self->memory + at[i], &go));
	atomic_store(&go, true);
	if (variant->waits) {
		EXPECT_TRUE(HOLDS_SOON(place_state(&held->at).faults == 2));
		EXPECT_FALSE(atomic_load(&stores[0].done));
		EXPECT_FALSE(atomic_load(&stores[1].done));
	} else {
		EXPECT_TRUE(HOLDS_SOON(atomic_load(&stores[0].done)));
		EXPECT_TRUE(HOLDS_SOON(atomic_load(&stores[1].done)));
	}
	ASSERT_EQ(0, place_let_go(&held->at));
	ASSERT_LT(0, mapper_join(&held->mapper));
	held->done = true;
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_join(stores[i].thread, NULL));

	EXPECT_EQ(2, test_touch(held->at.importer, held->mapper.mapping, 0, 0x99));
	EXPECT_EQ((long long)BYTES - 2, test_touch(held->at.importer, held->mapper.mapping, 0,
						   variant->first ? 0 : VALUE));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0x99, self->memory[at[i]]);
	EXPECT_EQ(variant->first ? 0 : VALUE, self->memory[0]);
	EXPECT_EQ(variant->first ? 1 : 2, place_query(&held->at).allocs);
}

/* proves: N4, R4 */
TEST_F(place, pages_that_the_cpu_sees_are_those_of_the_new_storage)
{
	const struct dmabuf_test_constraints low = below(32);
	int attachment[2], mapping;
	unsigned char *memory;

	ASSERT_EQ(0, place_export(&self->at, HAS_ALL, 0));
	attachment[0] = place_attach(&self->at, 0, NULL);
	ASSERT_LT(0, attachment[0]);
	ASSERT_EQ((long long)BYTES, place_use(&self->at, attachment[0], 1, 0x45));
	memory = place_mmap(&self->at);
	ASSERT_NE(MAP_FAILED, memory);
	EXPECT_TRUE(all_bytes_are(memory, BYTES, 0x45));
	memset(memory, 0x46, BYTES);

	attachment[1] = place_attach(&self->at, 1, &low);
	ASSERT_LT(0, attachment[1]);
	mapping = test_map(self->at.importer, attachment[1], BIDIRECTIONAL);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(1, place_query(&self->at).moves);
	EXPECT_EQ((long long)BYTES, test_touch(self->at.importer, mapping, 0, 0x46));
	EXPECT_TRUE(all_bytes_are(memory, BYTES, 0x46));
	EXPECT_EQ((long long)BYTES, test_touch(self->at.importer, mapping, 1, 0x47));
	EXPECT_TRUE(all_bytes_are(memory, BYTES, 0x47));
	memset(memory, 0x48, BYTES);
	EXPECT_EQ((long long)BYTES, test_touch(self->at.importer, mapping, 0, 0x48));
	munmap(memory, BYTES);
}

/* proves: N1, R4 */
TEST_F(place, first_touch_takes_storage_for_all_that_are_attached)
{
	unsigned char *memory;
	int attachment, status;
	pid_t child;

	ASSERT_EQ(0, place_export(&self->at, HAS_ALL, 0));
	attachment = place_attach(&self->at, 0, &one_piece);
	ASSERT_LT(0, attachment);
	memory = place_mmap(&self->at);
	ASSERT_NE(MAP_FAILED, memory);
	EXPECT_EQ(0, place_state(&self->at).counts[ALLOC]);

	ASSERT_EQ(0, place_fail(&self->at, ALLOC, -ENOMEM));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		signal(SIGBUS, SIG_DFL);
		memory[0] = 1;
		_exit(0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	EXPECT_EQ(EMPTY, place_query(&self->at).state);

	ASSERT_EQ(0, place_fail(&self->at, ALLOC, 0));
	EXPECT_TRUE(all_bytes_are(memory, BYTES, 0));
	memory[1] = 2;
	EXPECT_EQ(BACKED, place_query(&self->at).state);
	EXPECT_EQ(1, place_query(&self->at).chunks);
	EXPECT_EQ(1, place_use(&self->at, attachment, 0, 2));
	EXPECT_STREQ("alloc! alloc1 map1 unmap1", place_log(&self->at));

	/* A mapping keeps the buffer, not only its memory. */
	ASSERT_EQ(0, test_detach(self->at.importer, attachment));
	close(self->at.fd);
	EXPECT_EQ(0, place_state(&self->at).released);
	EXPECT_EQ(2, memory[1]);
	munmap(memory, BYTES);
	EXPECT_EQ(1, place_state(&self->at).released);
}

static const char *const needed_modules[] = { "dmabuf-test-ops", "dmabuf-test-placement", NULL };

#include "test-modules-main.h"
