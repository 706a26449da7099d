// SPDX-License-Identifier: GPL-2.0-only
/*
 * What becomes of the errors of an exporter's ops on the placement layer, and of
 * calls that are wrong.  Driven through dmabuf-test-placement.
 */
#include "placement-ops-test.h"

/* The core limits the rate of each of its lines: ten in five seconds. */
#define RATELIMIT_MS 5500

/* Ops that fail */

TEST_F(place, first_map_without_memory_leaves_the_buffer_empty)
{
	int attachment;

	ASSERT_EQ(0, place_export(&self->at, HAS_ALL, 0));
	attachment = place_attach(&self->at, 0, NULL);
	ASSERT_LT(0, attachment);
	ASSERT_EQ(0, place_fail(&self->at, ALLOC, -ENOMEM));
	EXPECT_EQ(-ENOMEM, test_map(self->at.importer, attachment, TO_DEVICE));
	EXPECT_EQ(EMPTY, place_query(&self->at).state);
	EXPECT_EQ(-ENOMEM, place_query(&self->at).refusal_error);
	EXPECT_EQ(0, place_query(&self->at).allocs);
	EXPECT_EQ(0, mappings_of(self->at.fd));
	ASSERT_EQ(0, place_fail(&self->at, ALLOC, 0));
	EXPECT_EQ((long long)BYTES, place_use(&self->at, attachment, 0, 0));
	EXPECT_STREQ("alloc! alloc1 map1 unmap1", place_log(&self->at));
}

/* What a move that fails must leave: all that was, and nobody else notices. */
FIXTURE(failing_move)
{
	struct place at;
	int lax;
	int strict;
};

FIXTURE_VARIANT(failing_move)
{
	__u32 op;
	int error;
	const char *log;
};

FIXTURE_VARIANT_ADD(failing_move, for_want_of_memory) {
	.op = ALLOC, .error = -ENOMEM, .log = "alloc!<1",
};

FIXTURE_VARIANT_ADD(failing_move, half_way) {
	.op = MOVE, .error = -EIO, .log = "alloc2<1 zap move!1>2 free2",
};

FIXTURE_VARIANT_ADD(failing_move, as_the_new_storage_does_not_serve) {
	.op = SERVES, .error = -EOPNOTSUPP, .log = "alloc2<1 free2",
};

FIXTURE_SETUP(failing_move)
{
	const struct dmabuf_test_constraints low = below(32);

	ASSERT_EQ(0, place_open(&self->at));
	ASSERT_EQ(0, place_export(&self->at, HAS_ALL, 0));
	self->lax = place_attach(&self->at, 0, NULL);
	ASSERT_LT(0, self->lax);
	ASSERT_EQ((long long)BYTES, place_use(&self->at, self->lax, 1, 0x51));
	ASSERT_EQ((long long)BYTES, place_use(&self->at, self->lax, 0, 0x51));
	self->strict = place_attach(&self->at, 1, &low);
	ASSERT_LT(0, self->strict);
	ASSERT_STREQ("alloc1 map1 unmap1 map1 unmap1", place_log(&self->at));
	ASSERT_EQ(0, place_fail(&self->at, variant->op, variant->error));
}

FIXTURE_TEARDOWN(failing_move)
{
	place_close(_metadata, &self->at);
}

/* proves: N4 */
TEST_F(failing_move, gives_its_error_to_the_asker_and_leaves_the_rest_as_it_was)
{
	struct dmabuf_test_place_query query;

	EXPECT_EQ(variant->error, test_map(self->at.importer, self->strict, TO_DEVICE));
	EXPECT_STREQ(variant->log, place_log(&self->at));
	query = place_query(&self->at);
	EXPECT_EQ(BACKED, query.state);
	EXPECT_EQ(44, query.bits);
	EXPECT_EQ(1, query.failures);
	EXPECT_EQ(0, query.moves);
	EXPECT_EQ(variant->error, query.refusal_error);
	EXPECT_STREQ("dmabuf-test-ops.1", query.refusal_device);
	EXPECT_EQ(0, mappings_of(self->at.fd));
	EXPECT_EQ(1, place_state(&self->at).live);
	EXPECT_EQ((long long)BYTES, place_use(&self->at, self->lax, 0, 0x51));
	EXPECT_STREQ("map1 unmap1", place_log(&self->at));

	/* And when it is possible again, it happens. */
	ASSERT_EQ(0, place_fail(&self->at, variant->op, 0));
	EXPECT_EQ((long long)BYTES, place_use(&self->at, self->strict, 0, 0x51));
	EXPECT_EQ(1, place_query(&self->at).moves);
	EXPECT_EQ(1, place_query(&self->at).failures);
}

/* proves: N7 */
TEST_F(failing_move, lets_those_go_on_who_wait_behind_it)
{
	struct mapper strict, lax;
	int mapping;

	mapping = test_map(self->at.importer, self->lax, TO_DEVICE);
	ASSERT_LT(0, mapping);
	ASSERT_EQ(0, mapper_start(&strict, self->at.importer, self->strict, TO_DEVICE));
	ASSERT_TRUE(HOLDS_SOON(place_query(&self->at).waiting == 1));
	ASSERT_EQ(0, mapper_start(&lax, self->at.importer, self->lax, TO_DEVICE));
	ASSERT_TRUE(HOLDS_SOON(place_query(&self->at).waiting == 2));
	ASSERT_EQ(0, test_unmap(self->at.importer, mapping));
	EXPECT_EQ(variant->error, mapper_join(&strict));
	mapping = mapper_join(&lax);
	ASSERT_LT(0, mapping);
	EXPECT_EQ((long long)BYTES, test_touch(self->at.importer, mapping, 0, 0x51));
	EXPECT_EQ(1, place_query(&self->at).failures);
	EXPECT_EQ(0, place_query(&self->at).waiting);
}

/* proves: N4, R4 */
TEST_F(failing_move, leaves_the_bytes_where_the_cpu_sees_them)
{
	unsigned char *memory = place_mmap(&self->at);

	ASSERT_NE(MAP_FAILED, memory);
	EXPECT_TRUE(all_bytes_are(memory, BYTES, 0x51));
	EXPECT_EQ(variant->error, test_map(self->at.importer, self->strict, TO_DEVICE));
	EXPECT_TRUE(all_bytes_are(memory, BYTES, 0x51));
	memset(memory, 0x52, BYTES);
	EXPECT_EQ((long long)BYTES, place_use(&self->at, self->lax, 0, 0x52));
	munmap(memory, BYTES);
}

TEST_F(place, first_storage_that_does_not_serve_is_given_back)
{
	int attachment;

	ASSERT_EQ(0, place_export(&self->at, HAS_ALL, 0));
	attachment = place_attach(&self->at, 0, NULL);
	ASSERT_LT(0, attachment);
	ASSERT_EQ(0, place_fail(&self->at, SERVES, -EOPNOTSUPP));
	EXPECT_EQ(-EOPNOTSUPP, test_map(self->at.importer, attachment, TO_DEVICE));
	EXPECT_STREQ("alloc1 free1", place_log(&self->at));
	EXPECT_EQ(EMPTY, place_query(&self->at).state);
	ASSERT_EQ(0, place_fail(&self->at, SERVES, 0));
	EXPECT_EQ((long long)BYTES, place_use(&self->at, attachment, 0, 0));
}

/* proves: M1 */
TEST_F(place, map_op_that_fails_counts_for_nothing)
{
	struct dmabuf_test_place_query query;
	int attachment, mapping;

	ASSERT_EQ(0, place_export(&self->at, HAS_ALL, 0));
	attachment = place_attach(&self->at, 0, NULL);
	ASSERT_LT(0, attachment);
	ASSERT_EQ(0, place_fail(&self->at, MAP, -EIO));
	EXPECT_EQ(-EIO, test_map(self->at.importer, attachment, FROM_DEVICE));
	EXPECT_EQ(-EIO, test_map(self->at.importer, attachment, TO_DEVICE));
	query = place_query(&self->at);
	EXPECT_EQ(BACKED, query.state);
	EXPECT_EQ(0, query.readers);
	EXPECT_EQ(0, query.writers);
	EXPECT_EQ(0, mappings_of(self->at.fd));
	ASSERT_EQ(0, place_fail(&self->at, MAP, 0));
	mapping = test_map(self->at.importer, attachment, FROM_DEVICE);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(1, place_query(&self->at).writers);
	EXPECT_STREQ("alloc1 map!1 map!1 map1", place_log(&self->at));
}

/* proves: N3 */
TEST_F(place, map_op_that_fails_lets_the_one_go_on_that_waits_for_it)
{
	const struct dmabuf_test_constraints low = below(32);
	struct mapper lax, strict;
	int attachment[2];

	ASSERT_EQ(0, place_export(&self->at, HAS_ALL, 0));
	attachment[0] = place_attach(&self->at, 0, NULL);
	ASSERT_LT(0, attachment[0]);
	ASSERT_EQ((long long)BYTES, place_use(&self->at, attachment[0], 1, 0x38));
	attachment[1] = place_attach(&self->at, 1, &low);
	ASSERT_LT(0, attachment[1]);

	ASSERT_EQ(0, place_hold(&self->at, MAP));
	ASSERT_EQ(0, mapper_start(&lax, self->at.importer, attachment[0], TO_DEVICE));
	ASSERT_TRUE(HOLDS_SOON(place_is_held(&self->at, MAP)));
	ASSERT_EQ(0, mapper_start(&strict, self->at.importer, attachment[1], TO_DEVICE));
	ASSERT_TRUE(HOLDS_SOON(place_query(&self->at).state == DRAINING));
	ASSERT_EQ(0, place_fail(&self->at, MAP, -EIO));
	ASSERT_EQ(0, place_hold(&self->at, ALLOC));
	EXPECT_EQ(-EIO, mapper_join(&lax));
	/* The move begins before the op works again. */
	ASSERT_TRUE(HOLDS_SOON(place_is_held(&self->at, ALLOC)));
	ASSERT_EQ(0, place_fail(&self->at, MAP, 0));
	ASSERT_EQ(0, place_let_go(&self->at));
	ASSERT_LT(0, mapper_join(&strict));
	EXPECT_EQ((long long)BYTES, test_touch(self->at.importer, strict.mapping, 0, 0x38));
	EXPECT_STREQ("alloc1 map1 unmap1 map!1 alloc2<1 zap move1>2 free1 map2",
		     place_log(&self->at));
}

/* Any other error may pass; this one says that the device will never have it. */
TEST_F(place, map_op_that_cannot_map_for_a_device_is_a_refusal)
{
	struct dmabuf_test_place_query query;
	int attachment;

	ASSERT_EQ(0, place_export(&self->at, HAS_ALL, 0));
	attachment = place_attach(&self->at, 1, NULL);
	ASSERT_LT(0, attachment);
	ASSERT_EQ(0, place_fail(&self->at, MAP, -EIO));
	EXPECT_EQ(-EIO, test_map(self->at.importer, attachment, TO_DEVICE));
	query = place_query(&self->at);
	EXPECT_EQ(0, query.refusal_error);
	EXPECT_STREQ("", query.refusal_device);

	ASSERT_EQ(0, place_fail(&self->at, MAP, -EOPNOTSUPP));
	EXPECT_EQ(-EOPNOTSUPP, test_map(self->at.importer, attachment, TO_DEVICE));
	query = place_query(&self->at);
	EXPECT_EQ(-EOPNOTSUPP, query.refusal_error);
	EXPECT_STREQ("dmabuf-test-ops.1", query.refusal_device);
	EXPECT_EQ(DMABUF_EXPORTER_CONSTRAINT_NONE, query.refusal_which);
	EXPECT_EQ(0, query.refusal_allowed);
	EXPECT_EQ(0, query.refusal_actual);
	EXPECT_EQ(BACKED, query.state);
	EXPECT_EQ(0, query.readers);
	EXPECT_EQ(0, query.failures);
	EXPECT_EQ(0, mappings_of(self->at.fd));
	ASSERT_EQ(0, place_fail(&self->at, MAP, 0));
	EXPECT_EQ((long long)BYTES, place_use(&self->at, attachment, 0, 0));
	EXPECT_STREQ("alloc1 map!1 map!1 map1 unmap1", place_log(&self->at));
}

/* Maps that do not wait for the others */

/* proves: M4 */
TEST_F(place, map_that_may_not_wait_for_a_move_is_no_failure_of_it)
{
	const struct dmabuf_test_constraints low = below(32);
	struct dmabuf_test_place_query query;
	int attachment[2], mapping, i;

	ASSERT_EQ(0, place_export(&self->at, HAS_ALL, 0));
	attachment[0] = place_attach(&self->at, 0, NULL);
	ASSERT_LT(0, attachment[0]);
	mapping = test_map(self->at.importer, attachment[0], TO_DEVICE);
	ASSERT_LT(0, mapping);
	attachment[1] = place_attach(&self->at, 1, &low);
	ASSERT_LT(0, attachment[1]);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(-EAGAIN, test_map_timeout(self->at.importer, attachment[1], TO_DEVICE,
						    0));
	query = place_query(&self->at);
	EXPECT_EQ(MAPPED, query.state);
	EXPECT_EQ(1, query.readers);
	EXPECT_EQ(0, query.waiting);
	EXPECT_EQ(0, query.stalls);
	EXPECT_EQ(0, query.failures);
	EXPECT_EQ(0, query.refusal_error);

	/* One that waits in vain is. */
	EXPECT_EQ(-ETIMEDOUT, test_map_timeout(self->at.importer, attachment[1], TO_DEVICE, 1));
	query = place_query(&self->at);
	EXPECT_EQ(1, query.stalls);
	EXPECT_EQ(1, query.failures);
	ASSERT_EQ(0, test_unmap(self->at.importer, mapping));
	EXPECT_LT(0, test_map_timeout(self->at.importer, attachment[1], TO_DEVICE, 0));
	query = place_query(&self->at);
	EXPECT_EQ(1, query.moves);
	EXPECT_EQ(1, query.failures);
	EXPECT_STREQ("alloc1 map1 unmap1 alloc2<1 zap move1>2 free1 map2", place_log(&self->at));
}

/* Calls that are wrong */

FIXTURE(wrong_ops)
{
	struct place at;
};

FIXTURE_VARIANT(wrong_ops)
{
	__u32 which;
};

FIXTURE_VARIANT_ADD(wrong_ops, with_map_dma_buf) { .which = DMABUF_TEST_PLACE_AND_MAP };
FIXTURE_VARIANT_ADD(wrong_ops, with_unmap_dma_buf) { .which = DMABUF_TEST_PLACE_AND_UNMAP };
FIXTURE_VARIANT_ADD(wrong_ops, without_alloc) { .which = DMABUF_TEST_PLACE_NO_ALLOC };
FIXTURE_VARIANT_ADD(wrong_ops, without_free) { .which = DMABUF_TEST_PLACE_NO_FREE };
FIXTURE_VARIANT_ADD(wrong_ops, without_map) { .which = DMABUF_TEST_PLACE_NO_MAP };
FIXTURE_VARIANT_ADD(wrong_ops, without_unmap) { .which = DMABUF_TEST_PLACE_NO_UNMAP };

FIXTURE_SETUP(wrong_ops)
{
	ASSERT_EQ(0, place_open(&self->at));
}

FIXTURE_TEARDOWN(wrong_ops)
{
	place_close(_metadata, &self->at);
}

/* proves: E4 */
TEST_F(wrong_ops, are_refused_with_a_line_that_names_the_caller)
{
	struct dmabuf_test_place_wrong arg = { .argsz = sizeof(arg), .which = variant->which };
	int kmsg = kmsg_open(), lines;
	char symbol[64];

	ASSERT_LE(0, kmsg);
	ASSERT_EQ(0, do_ioctl(self->at.node, DMABUF_TEST_PLACE_WRONG, &arg));
	EXPECT_EQ(0, arg.made);
	snprintf(symbol, sizeof(symbol), "%s+0x", arg.caller);
	lines = kmsg_lines(kmsg, symbol);
	if (!lines) {
		/* Too many such lines a moment ago. */
		sleep_ms(RATELIMIT_MS);
		ASSERT_EQ(0, do_ioctl(self->at.node, DMABUF_TEST_PLACE_WRONG, &arg));
		lines = kmsg_lines(kmsg, symbol);
	}
	EXPECT_EQ(1, lines);
	close(kmsg);
}

/* proves: M4 */
TEST_F(place, deadline_is_for_exporters_on_the_layer_only)
{
	struct dmabuf_test_export plain = {
		.argsz = sizeof(plain), .bytes = BYTES, .fd_flags = O_RDWR | O_CLOEXEC,
	};
	int attachment, mapping;

	ASSERT_EQ(0, do_ioctl(self->at.importer, DMABUF_TEST_EXPORT, &plain));
	attachment = test_attach(self->at.importer, plain.fd, 0);
	ASSERT_LT(0, attachment);
	EXPECT_EQ(-EOPNOTSUPP, test_map_timeout(self->at.importer, attachment, TO_DEVICE, 0));
	EXPECT_EQ(-EOPNOTSUPP, test_map_timeout(self->at.importer, attachment, TO_DEVICE, 1000));
	EXPECT_EQ(0, mappings_of(plain.fd));
	mapping = test_map_timeout(self->at.importer, attachment, TO_DEVICE, DMABUF_TEST_FOREVER);
	ASSERT_LT(0, mapping);
	ASSERT_EQ(0, test_unmap(self->at.importer, mapping));
	ASSERT_EQ(0, test_detach(self->at.importer, attachment));
	close(plain.fd);

	ASSERT_EQ(0, place_export(&self->at, HAS_ALL, 0));
	attachment = place_attach(&self->at, 0, NULL);
	ASSERT_LT(0, attachment);
	EXPECT_LT(0, test_map_timeout(self->at.importer, attachment, TO_DEVICE, 0));
	EXPECT_LT(0, test_map_timeout(self->at.importer, attachment, TO_DEVICE, 1000));
	EXPECT_LT(0, test_map_timeout(self->at.importer, attachment, TO_DEVICE,
				      DMABUF_TEST_FOREVER));
}

static const char *const needed_modules[] = { "dmabuf-test-ops", "dmabuf-test-placement", NULL };

#include "test-modules-main.h"
