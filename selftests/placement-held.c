// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens while a buffer takes storage or moves: dmabuf-test-placement stops
 * there until it is told to go on.
 */
#include "placement-ops-test.h"

/* For a wait that must end by itself. */
#define SHORT_MS 50

FIXTURE(held)
{
	struct held held;
};

FIXTURE_VARIANT(held)
{
	__u32 op;
	bool first;
};

FIXTURE_VARIANT_ADD(held, first_alloc) { .op = ALLOC, .first = true };
FIXTURE_VARIANT_ADD(held, alloc_in_a_move) { .op = ALLOC };
FIXTURE_VARIANT_ADD(held, move) { .op = MOVE };

FIXTURE_SETUP(held)
{
	held_start(_metadata, &self->held, variant->op, variant->first);
}

FIXTURE_TEARDOWN(held)
{
	held_end(_metadata, &self->held);
}

/* Does debugfs, or fdinfo where @id is negative, show the buffer with @text? */
static bool buffer_is_shown(const char *path, long long id, const char *text)
{
	FILE *file = fopen(path, "re");
	bool found = false, mine = false;
	char line[512], own[64];

	if (!file)
		return false;
	snprintf(own, sizeof(own), "buffer %lld:", id);
	while (fgets(line, sizeof(line), file)) {
		if (!strncmp(line, "buffer ", 7))
			mine = !strncmp(line, own, strlen(own));
		if (id < 0 || mine)
			found |= !!strstr(line, text);
	}
	fclose(file);
	return found;
}

/* In debugfs, and in fdinfo if the kernel has no say in that. */
static bool buffer_shows(int fd, const char *text)
{
	struct dmabuf_test_identify id;
	char fdinfo[64];

	if (buffer_identify(fd, &id) || !buffer_is_shown(BUFFERS_FILE, id.id, text))
		return false;
	snprintf(fdinfo, sizeof(fdinfo), "/proc/self/fdinfo/%d", fd);
	return id.kernel || buffer_is_shown(fdinfo, -1, text);
}

TEST_F(held, buffer_is_seen_to_move)
{
	struct held *held = &self->held;

	EXPECT_EQ(MOVING, place_query(&held->at).state);
	EXPECT_TRUE(buffer_shows(held->at.fd, "placement: moving"));
	held_finish(_metadata, held, variant->first);
	EXPECT_EQ(MAPPED, place_query(&held->at).state);
	EXPECT_TRUE(buffer_shows(held->at.fd, "placement: mapped"));
}

/* proves: M4 */
TEST_F(held, map_that_may_not_wait_gets_eagain)
{
	struct held *held = &self->held;

	EXPECT_EQ(-EAGAIN, test_map_timeout(held->at.importer, held->lax, TO_DEVICE, 0));
	EXPECT_EQ(-EAGAIN, test_map_timeout(held->at.importer, held->lax, FROM_DEVICE, 0));
	EXPECT_EQ(0, place_query(&held->at).waiting);
	EXPECT_EQ(0, mappings_of(held->at.fd));
	held_finish(_metadata, held, variant->first);
	EXPECT_LT(0, test_map_timeout(held->at.importer, held->lax, TO_DEVICE, 0));
}

/* proves: M4 */
TEST_F(held, map_with_a_deadline_gets_etimedout)
{
	struct held *held = &self->held;

	EXPECT_EQ(-ETIMEDOUT, test_map_timeout(held->at.importer, held->lax, TO_DEVICE,
					       SHORT_MS));
	EXPECT_EQ(0, place_query(&held->at).waiting);
	EXPECT_EQ(0, mappings_of(held->at.fd));
	held_finish(_metadata, held, variant->first);
	EXPECT_LT(0, test_map_timeout(held->at.importer, held->lax, TO_DEVICE, SHORT_MS));
}

static void wait_is_ended_by(struct __test_metadata *_metadata, struct held *held, bool first,
			     int signal, int expected_status)
{
	pid_t child = map_in_child(held->at.importer, held->lax, SA_RESTART);
	int status;

	ASSERT_LT(0, child);
	ASSERT_TRUE(HOLDS_SOON(place_query(&held->at).waiting == 1));
	ASSERT_EQ(0, kill(child, signal));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(expected_status, status);
	EXPECT_EQ(0, place_query(&held->at).waiting);
	EXPECT_EQ(0, mappings_of(held->at.fd));
	held_finish(_metadata, held, first);
	EXPECT_EQ(1, mappings_of(held->at.fd));
}

/* proves: M4 */
TEST_F(held, waiting_map_is_ended_by_a_signal_with_eintr)
{
	wait_is_ended_by(_metadata, &self->held, variant->first, SIGUSR1, EINTR << 8);
}

/* proves: M4 */
TEST_F(held, waiting_map_is_ended_by_a_kill)
{
	wait_is_ended_by(_metadata, &self->held, variant->first, SIGKILL, SIGKILL);
}

/* proves: N7 */
TEST_F(held, waiting_maps_go_on_after_it)
{
	struct held *held = &self->held;
	struct mapper mappers[3];
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, mapper_start(&mappers[i], held->at.importer, held->lax, i));
		ASSERT_TRUE(HOLDS_SOON(place_query(&held->at).waiting == i + 1));
	}
	ASSERT_EQ(0, place_let_go(&held->at));
	for (i = 0; i < 3; i++)
		EXPECT_LT(0, mapper_join(&mappers[i]));
	held_finish(_metadata, held, variant->first);
	EXPECT_EQ(4, mappings_of(held->at.fd));
	EXPECT_EQ(1, place_query(&held->at).readers + place_query(&held->at).writers - 3);
}

/* proves: P1 */
TEST_F(held, buffer_lives_until_it_is_over)
{
	struct held *held = &self->held;

	close(held->at.fd);
	EXPECT_EQ(0, place_state(&held->at).released);
	ASSERT_EQ(0, place_let_go(&held->at));
	ASSERT_LT(0, mapper_join(&held->mapper));
	held->done = true;
	EXPECT_EQ((long long)BYTES, test_touch(held->at.importer, held->mapper.mapping, 0,
					       variant->first ? 0 : VALUE));
	EXPECT_EQ(0, place_state(&held->at).released);
}

/* Who attaches while the first storage is being taken */

FIXTURE(late)
{
	struct place at;
};

FIXTURE_VARIANT(late)
{
	__u32 policy;
};

FIXTURE_VARIANT_ADD(late, to_a_buffer_that_moves) { .policy = 0 };
FIXTURE_VARIANT_ADD(late, to_a_buffer_that_is_fixed) { .policy = FIXED };
FIXTURE_VARIANT_ADD(late, to_a_buffer_not_mapped_yet) { .policy = NO_LATE_ATTACH };

FIXTURE_SETUP(late)
{
	ASSERT_EQ(0, place_open(&self->at));
}

FIXTURE_TEARDOWN(late)
{
	place_close(_metadata, &self->at);
}

/* proves: M2, N1 */
TEST_F(late, attach_during_the_first_alloc_is_served_by_what_comes_out)
{
	int attachment[2], mapping;
	struct mapper mapper;

	ASSERT_EQ(0, place_export(&self->at, HAS_ALL, variant->policy));
	attachment[0] = place_attach(&self->at, 0, NULL);
	ASSERT_LT(0, attachment[0]);
	ASSERT_EQ(0, place_hold(&self->at, ALLOC));
	ASSERT_EQ(0, mapper_start(&mapper, self->at.importer, attachment[0], FROM_DEVICE));
	ASSERT_TRUE(HOLDS_SOON(place_is_held(&self->at, ALLOC)));
	EXPECT_EQ(~0U, place_state(&self->at).needs.max_segs);
	attachment[1] = place_attach(&self->at, 1, &one_piece);
	ASSERT_LT(0, attachment[1]);
	ASSERT_EQ(0, place_let_go(&self->at));
	ASSERT_LT(0, mapper_join(&mapper));

	EXPECT_STREQ("alloc1 free1 alloc2 map2", place_log(&self->at));
	EXPECT_EQ(1, place_state(&self->at).needs.max_segs);
	EXPECT_EQ(1, place_query(&self->at).chunks);
	EXPECT_EQ((long long)BYTES, test_touch(self->at.importer, mapper.mapping, 1, 0x42));
	mapping = test_map_timeout(self->at.importer, attachment[1], TO_DEVICE, 0);
	ASSERT_LT(0, mapping);
	EXPECT_EQ((long long)BYTES, test_touch(self->at.importer, mapping, 0, 0x42));
	EXPECT_EQ(0, place_query(&self->at).moves);
	EXPECT_EQ(0, place_query(&self->at).failures);
}

/* proves: M2, N4 */
TEST_F(place, attach_during_the_alloc_of_a_move_is_served_by_what_comes_out)
{
	const struct dmabuf_test_constraints low = below(31), lower = below(30);
	struct mapper mapper;
	int attachment[3];

	ASSERT_EQ(0, place_export(&self->at, HAS_ALL, 0));
	attachment[0] = place_attach(&self->at, 0, NULL);
	ASSERT_LT(0, attachment[0]);
	ASSERT_EQ((long long)BYTES, place_use(&self->at, attachment[0], 1, 0x43));
	ASSERT_STREQ("alloc1 map1 unmap1", place_log(&self->at));
	attachment[1] = place_attach(&self->at, 1, &low);
	ASSERT_LT(0, attachment[1]);
	ASSERT_EQ(0, place_hold(&self->at, ALLOC));
	ASSERT_EQ(0, mapper_start(&mapper, self->at.importer, attachment[1], TO_DEVICE));
	ASSERT_TRUE(HOLDS_SOON(place_is_held(&self->at, ALLOC)));
	attachment[2] = place_attach(&self->at, 1, &lower);
	ASSERT_LT(0, attachment[2]);
	ASSERT_EQ(0, place_let_go(&self->at));
	ASSERT_LT(0, mapper_join(&mapper));
	EXPECT_EQ((long long)BYTES, place_use(&self->at, attachment[2], 0, 0x43));
	EXPECT_STREQ("alloc2<1 free2 alloc3<1 zap move1>3 free1 map3 map3 unmap3",
		     place_log(&self->at));
	EXPECT_EQ(1, place_query(&self->at).moves);
}

/* proves: A5 */
TEST_F(place, detach_during_a_move_is_no_obstacle)
{
	const struct dmabuf_test_constraints low = below(32);
	struct mapper mapper;
	int attachment[2];

	ASSERT_EQ(0, place_export(&self->at, HAS_ALL, 0));
	attachment[0] = place_attach(&self->at, 0, NULL);
	ASSERT_LT(0, attachment[0]);
	ASSERT_EQ((long long)BYTES, place_use(&self->at, attachment[0], 1, 0x44));
	attachment[1] = place_attach(&self->at, 1, &low);
	ASSERT_LT(0, attachment[1]);
	ASSERT_EQ(0, place_hold(&self->at, MOVE));
	ASSERT_EQ(0, mapper_start(&mapper, self->at.importer, attachment[1], TO_DEVICE));
	ASSERT_TRUE(HOLDS_SOON(place_is_held(&self->at, MOVE)));
	EXPECT_EQ(0, test_detach(self->at.importer, attachment[0]));
	EXPECT_EQ(1, attachments_of(self->at.fd));
	ASSERT_EQ(0, place_let_go(&self->at));
	ASSERT_LT(0, mapper_join(&mapper));
	EXPECT_EQ((long long)BYTES, test_touch(self->at.importer, mapper.mapping, 0, 0x44));
}

/* The mover is killed */

FIXTURE(killed_mover)
{
	struct place at;
	int lax;
	pid_t child;
};

FIXTURE_VARIANT(killed_mover)
{
	__u32 op;
	bool first;
	bool killable;	/* the op notices, and gives up */
};

FIXTURE_VARIANT_ADD(killed_mover, in_the_first_alloc) { .op = ALLOC, .first = true };
FIXTURE_VARIANT_ADD(killed_mover, in_the_alloc_of_a_move) { .op = ALLOC };
FIXTURE_VARIANT_ADD(killed_mover, half_way) { .op = MOVE };
FIXTURE_VARIANT_ADD(killed_mover, in_the_map_op) { .op = MAP };

FIXTURE_VARIANT_ADD(killed_mover, in_the_first_alloc_that_gives_up) {
	.op = ALLOC, .first = true, .killable = true,
};

FIXTURE_VARIANT_ADD(killed_mover, in_the_alloc_of_a_move_that_gives_up) {
	.op = ALLOC, .killable = true,
};

FIXTURE_VARIANT_ADD(killed_mover, half_way_that_gives_up) { .op = MOVE, .killable = true };
FIXTURE_VARIANT_ADD(killed_mover, in_the_map_op_that_gives_up) { .op = MAP, .killable = true };

/* In the child: everything that it has dies with it. */
static void mover(struct place *place)
{
	const struct dmabuf_test_constraints low = below(32);
	int attachment, importer = open_node(DMABUF_TEST_OPS_NODE);

	if (importer < 0)
		_exit(1);
	attachment = test_attach_limited(importer, place->fd, 1, &low);
	if (attachment > 0)
		test_map(importer, attachment, BIDIRECTIONAL);
	_exit(2);
}

FIXTURE_SETUP(killed_mover)
{
	ASSERT_EQ(0, place_open(&self->at));
	ASSERT_EQ(0, place_export(&self->at, HAS_ALL, 0));
	self->lax = place_attach(&self->at, 0, NULL);
	ASSERT_LT(0, self->lax);
	if (!variant->first)
		ASSERT_EQ((long long)BYTES, place_use(&self->at, self->lax, 1, VALUE));
	ASSERT_STREQ(variant->first ? "" : "alloc1 map1 unmap1", place_log(&self->at));
	if (variant->killable)
		self->at.behave.killable = 1U << variant->op;
	ASSERT_EQ(0, place_hold(&self->at, variant->op));
	self->child = fork();
	ASSERT_LE(0, self->child);
	if (!self->child)
		mover(&self->at);
	ASSERT_TRUE(HOLDS_SOON(place_is_held(&self->at, variant->op)));
	ASSERT_EQ(0, kill(self->child, SIGKILL));
}

FIXTURE_TEARDOWN(killed_mover)
{
	place_close(_metadata, &self->at);
}

/* proves: M4, N4 */
TEST_F(killed_mover, leaves_the_move_done_or_undone)
{
	const long long value = variant->first ? 0 : VALUE;
	struct dmabuf_test_place_query query;
	bool moved;
	int status;

	if (!variant->killable)
		ASSERT_EQ(0, place_let_go(&self->at));
	ASSERT_EQ(self->child, waitpid(self->child, &status, 0));
	EXPECT_EQ(SIGKILL, status);
	EXPECT_TRUE(HOLDS_SOON(attachments_of(self->at.fd) == 1));
	EXPECT_EQ(0, mappings_of(self->at.fd));
	ASSERT_EQ(0, place_let_go(&self->at));

	/* Who gives up in the map op has moved the buffer before. */
	moved = !variant->first && (!variant->killable || variant->op == MAP);
	query = place_query(&self->at);
	EXPECT_EQ(moved, query.moves);
	EXPECT_EQ(!moved && !variant->first, query.failures);
	EXPECT_EQ(0, query.readers);
	EXPECT_EQ(0, query.writers);
	EXPECT_EQ(0, query.waiting);
	EXPECT_EQ(variant->first && variant->killable ? EMPTY : BACKED, query.state);
	EXPECT_EQ(variant->first && variant->killable ? 0 : 1, place_state(&self->at).live);
	EXPECT_EQ((long long)BYTES, place_use(&self->at, self->lax, 0, value));
}

static const char *const needed_modules[] = { "dmabuf-test-ops", "dmabuf-test-placement", NULL };

#include "test-modules-main.h"
