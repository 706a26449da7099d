// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two that come to a buffer of the placement layer at the same time.  Driven through
 * dmabuf-test-placement.
 */
#include "placement-ops-test.h"

/* Two that cannot be served together */

struct rival {
	pthread_t thread;
	pthread_barrier_t *barrier;
	struct place *place;
	const struct dmabuf_test_constraints *limits;
	__u32 device;
	unsigned int rounds;
	int *attachment;	/* of each round */
};

static void *rival_run(void *data)
{
	struct rival *rival = data;
	unsigned int i;

	for (i = 0; i < rival->rounds; i++) {
		pthread_barrier_wait(rival->barrier);
		rival->attachment[i] = place_attach(rival->place, rival->device, rival->limits);
		pthread_barrier_wait(rival->barrier);
		if (rival->attachment[i] > 0)
			test_detach(rival->place->importer, rival->attachment[i]);
	}
	return NULL;
}

/* proves: A5, N5 */
TEST_F(place, impossible_set_that_attaches_at_once_is_never_accepted)
{
	const struct dmabuf_test_constraints low = below(32);
	unsigned int i, both = 0, neither = 0, odd = 0, rounds = scaled(2000);
	struct rival rivals[2] = {
		{ .limits = &one_piece, .device = 0 }, { .limits = &low, .device = 1 },
	};
	pthread_barrier_t barrier;

	ASSERT_EQ(0, place_export(&self->at, HAS_ALL, 0));
	ASSERT_EQ(0, pthread_barrier_init(&barrier, NULL, 2));
	for (i = 0; i < 2; i++) {
		rivals[i].barrier = &barrier;
		rivals[i].place = &self->at;
		rivals[i].rounds = rounds;
		rivals[i].attachment = calloc(rounds, sizeof(int));
		ASSERT_NE(NULL, rivals[i].attachment);
		ASSERT_EQ(0, pthread_create(&rivals[i].thread, NULL, rival_run, &rivals[i]));
	}
	for (i = 0; i < 2; i++)
		pthread_join(rivals[i].thread, NULL);

	for (i = 0; i < rounds; i++) {
		int one = rivals[0].attachment[i], other = rivals[1].attachment[i];

		both += one > 0 && other > 0;
		neither += one < 0 && other < 0;
		odd += (one < 0 && one != -EOPNOTSUPP) || (other < 0 && other != -EOPNOTSUPP);
	}
	EXPECT_EQ(0, both);
	EXPECT_EQ(0, odd);
	/* Who is refused by one that was just refused, or has left, tries again. */
	note("%u rounds, %u with both refused\n", rounds, neither);
	EXPECT_EQ(0, attachments_of(self->at.fd));
	EXPECT_EQ(0, place_state(&self->at).counts[ALLOC]);
	for (i = 0; i < 2; i++)
		free(rivals[i].attachment);
	pthread_barrier_destroy(&barrier);
}

/* Each of them is judged as if it were the only one. */
/* proves: A5, N5 */
TEST_F(place, impossible_set_is_found_out_by_the_one_that_attaches_last)
{
	const struct dmabuf_test_constraints low = below(32);
	int attachment[2] = {}, won;
	pthread_barrier_t barrier;
	struct rival rivals[2] = {
		{ .limits = &one_piece, .device = 0 }, { .limits = &low, .device = 1 },
	};
	int i;

	ASSERT_EQ(0, place_export(&self->at, HAS_ALL, 0));
	ASSERT_EQ(0, place_hold(&self->at, POSSIBLE));
	ASSERT_EQ(0, pthread_barrier_init(&barrier, NULL, 2));
	for (i = 0; i < 2; i++) {
		rivals[i].barrier = &barrier;
		rivals[i].place = &self->at;
		rivals[i].rounds = 1;
		rivals[i].attachment = &attachment[i];
		ASSERT_EQ(0, pthread_create(&rivals[i].thread, NULL, rival_run, &rivals[i]));
	}
	EXPECT_TRUE(HOLDS_SOON(place_state(&self->at).held_calls == 2));
	ASSERT_EQ(0, place_let_go(&self->at));
	for (i = 0; i < 2; i++)
		pthread_join(rivals[i].thread, NULL);
	won = attachment[0] < 0;
	EXPECT_LT(0, attachment[won]);
	EXPECT_EQ(-EOPNOTSUPP, attachment[!won]);
	EXPECT_LE(3, place_state(&self->at).counts[POSSIBLE]);
	EXPECT_EQ(0, attachments_of(self->at.fd));
	pthread_barrier_destroy(&barrier);
}

/* Two that both need a move, and have their turns when they find out */

#define VALUE_OF_CPU 0x61

FIXTURE(movers)
{
	struct place at;
	int third;
	struct mapper mappers[2];
	int ids[2];	/* of their attachments, as the core counts them */
};

FIXTURE_VARIANT(movers)
{
	bool third;	/* somebody else has the buffer mapped */
	int first;	/* of the two: it comes first */
};

FIXTURE_VARIANT_ADD(movers, in_the_order_of_their_attach) { .first = 0 };
FIXTURE_VARIANT_ADD(movers, in_the_other_order) { .first = 1 };
FIXTURE_VARIANT_ADD(movers, beside_a_third_in_the_order_of_their_attach) { .third = true };
FIXTURE_VARIANT_ADD(movers, beside_a_third_in_the_other_order) { .first = 1, .third = true };

/* Storage for nobody in particular, and two held in serves, each with a shared turn. */
FIXTURE_SETUP(movers)
{
	const struct dmabuf_test_constraints low = below(32);
	int attachment[2], third, i;
	unsigned char *memory;

	ASSERT_EQ(0, place_open(&self->at));
	ASSERT_EQ(0, place_export(&self->at, HAS_ALL, 0));
	memory = place_mmap(&self->at);
	ASSERT_NE(MAP_FAILED, memory);
	memset(memory, VALUE_OF_CPU, BYTES);
	ASSERT_EQ(0, munmap(memory, BYTES));
	if (variant->third) {
		third = place_attach(&self->at, 0, NULL);
		ASSERT_LT(0, third);
		self->third = test_map(self->at.importer, third, TO_DEVICE);
		ASSERT_LT(0, self->third);
	}
	for (i = 0; i < 2; i++) {
		attachment[i] = place_attach(&self->at, i, &low);
		ASSERT_LT(0, attachment[i]);
		self->ids[i] = i + (variant->third ? 2 : 1);
	}
	ASSERT_STREQ(variant->third ? "alloc1 map1" : "alloc1", place_log(&self->at));

	ASSERT_EQ(0, place_hold(&self->at, SERVES));
	for (i = 0; i < 2; i++) {
		int n = i ^ variant->first;

		ASSERT_EQ(0, mapper_start(&self->mappers[n], self->at.importer, attachment[n],
					  TO_DEVICE));
		ASSERT_TRUE(HOLDS_SOON(place_state(&self->at).held_calls == i + 1));
	}
	ASSERT_TRUE(place_is_held(&self->at, SERVES));
	ASSERT_EQ(MAPPED, place_query(&self->at).state);
	ASSERT_EQ(2 + variant->third, place_query(&self->at).readers);
	ASSERT_EQ(0, place_query(&self->at).waiting);
}

/* A test that failed halfway must not leave its threads held. */
FIXTURE_TEARDOWN(movers)
{
	place_let_go(&self->at);
	place_close(_metadata, &self->at);
}

/* Both have given up their turns, and so does the third. */
static void third_unmaps(struct __test_metadata *_metadata, FIXTURE_DATA(movers) *self)
{
	ASSERT_TRUE(HOLDS_SOON(place_query(&self->at).waiting == 2));
	EXPECT_EQ(DRAINING, place_query(&self->at).state);
	EXPECT_EQ(1, place_query(&self->at).readers);
	EXPECT_EQ(0, place_query(&self->at).moves);
	EXPECT_STREQ("", place_log(&self->at));
	ASSERT_EQ(0, test_unmap(self->at.importer, self->third));
}

/* Both are mapped, and none of them had to unmap for the other. */
static void one_move_is_for_both(struct __test_metadata *_metadata, FIXTURE_DATA(movers) *self,
				 bool third)
{
	struct dmabuf_test_place_query query;
	int i;

	if (third)
		third_unmaps(_metadata, self);
	ASSERT_TRUE(HOLDS_SOON(mappings_of(self->at.fd) == 2));
	for (i = 0; i < 2; i++) {
		ASSERT_LT(0, mapper_join(&self->mappers[i]));
		EXPECT_EQ((long long)BYTES, test_touch(self->at.importer,
						       self->mappers[i].mapping, 0,
						       VALUE_OF_CPU));
	}
	query = place_query(&self->at);
	EXPECT_EQ(MAPPED, query.state);
	EXPECT_EQ(2, query.readers);
	EXPECT_EQ(0, query.waiting);
	EXPECT_EQ(2, query.stalls);
	EXPECT_EQ(1, query.moves);
	EXPECT_EQ(2, query.allocs);
	EXPECT_EQ(0, query.failures);
	EXPECT_STREQ(third ? "unmap1 alloc2<1 zap move1>2 free1 map2 map2" :
		     "alloc2<1 zap move1>2 free1 map2 map2", place_log(&self->at));
}

/* proves: N3, N4 */
TEST_F(movers, that_go_on_at_once_are_mapped_together_after_one_move)
{
	ASSERT_EQ(0, place_let_go(&self->at));
	one_move_is_for_both(_metadata, self, variant->third);
}

/* Lets the first one go on, until it waits for the other's turn to end. */
static void first_waits(struct __test_metadata *_metadata, FIXTURE_DATA(movers) *self, bool third)
{
	struct dmabuf_test_place_query query;

	ASSERT_EQ(0, place_let_one_go(&self->at));
	ASSERT_TRUE(HOLDS_SOON(place_query(&self->at).waiting == 1));
	query = place_query(&self->at);
	EXPECT_EQ(DRAINING, query.state);
	EXPECT_EQ(1 + third, query.readers);
	EXPECT_EQ(0, query.moves);
	EXPECT_EQ(1, place_state(&self->at).held_calls);
}

/* proves: N3, N4, N7 */
TEST_F(movers, that_go_on_one_by_one_are_mapped_together_after_the_move_of_the_first)
{
	const char *const devices[] = { "dmabuf-test-ops.0", "dmabuf-test-ops.1" };

	first_waits(_metadata, self, variant->third);
	ASSERT_EQ(0, place_let_go(&self->at));
	one_move_is_for_both(_metadata, self, variant->third);
	EXPECT_EQ(self->ids[variant->first], place_query(&self->at).move_attachment);
	EXPECT_STREQ(devices[variant->first], place_query(&self->at).move_device);
}

/* proves: N4, N7 */
TEST_F(movers, have_the_buffer_alone_in_their_order_if_the_first_does_not_get_it_moved)
{
	struct mapper *first = &self->mappers[variant->first];
	struct mapper *second = &self->mappers[!variant->first];
	struct dmabuf_test_place_query query;

	first_waits(_metadata, self, variant->third);
	ASSERT_EQ(0, place_hold(&self->at, ALLOC));
	if (variant->third)
		third_unmaps(_metadata, self);
	ASSERT_TRUE(HOLDS_SOON(place_is_held(&self->at, ALLOC)));
	EXPECT_EQ(MOVING, place_query(&self->at).state);
	EXPECT_EQ(1, place_query(&self->at).waiting);
	ASSERT_EQ(0, place_fail(&self->at, ALLOC, -ENOMEM));
	ASSERT_EQ(0, place_let_one_go(&self->at));
	EXPECT_EQ(-ENOMEM, mapper_join(first));
	ASSERT_TRUE(HOLDS_SOON(place_is_held(&self->at, ALLOC)));
	EXPECT_EQ(0, place_query(&self->at).waiting);

	ASSERT_EQ(0, place_fail(&self->at, ALLOC, 0));
	ASSERT_EQ(0, place_let_go(&self->at));
	ASSERT_LT(0, mapper_join(second));
	EXPECT_EQ((long long)BYTES, test_touch(self->at.importer, second->mapping, 0,
					       VALUE_OF_CPU));
	query = place_query(&self->at);
	EXPECT_EQ(self->ids[!variant->first], query.move_attachment);
	EXPECT_EQ(1, query.moves);
	EXPECT_EQ(1, query.failures);
	EXPECT_EQ(1, query.readers);
	EXPECT_STREQ(variant->third ? "unmap1 alloc!<1 alloc2<1 zap move1>2 free1 map2" :
		     "alloc!<1 alloc2<1 zap move1>2 free1 map2", place_log(&self->at));
}

static const char *const needed_modules[] = { "dmabuf-test-ops", "dmabuf-test-placement", NULL };

#include "test-modules-main.h"
