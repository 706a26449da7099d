/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For the selftests that drive dmabuf-test-placement, with the importer of
 * dmabuf-test-ops: a buffer whose exporter does as it is told.
 */
#ifndef _DMABUF_PLACEMENT_OPS_TEST_H
#define _DMABUF_PLACEMENT_OPS_TEST_H

#include "ops-test.h"

#define PLACE_MODULE "dmabuf_test_placement"

#define BYTES (3 * page_size())

#define HAS_ALL DMABUF_TEST_PLACE_HAS_ALL

/* As the policies and states of the core's placement.h. */
enum { FIXED = 1, NO_LATE_ATTACH = 2, ONE_WRITER = 4 };
enum { EMPTY, BACKED, MAPPED, DRAINING, MOVING };

/* Short names of the ops, and the bits of those that can be held. */
enum {
	ALLOC = DMABUF_TEST_PLACE_ALLOC,
	FREE = DMABUF_TEST_PLACE_FREE,
	MAP = DMABUF_TEST_PLACE_MAP,
	UNMAP = DMABUF_TEST_PLACE_UNMAP,
	MOVE = DMABUF_TEST_PLACE_MOVE,
	ZAP = DMABUF_TEST_PLACE_ZAP,
	SERVES = DMABUF_TEST_PLACE_SERVES,
	POSSIBLE = DMABUF_TEST_PLACE_POSSIBLE,
};

/* Highest address of so many bits. */
#define BITS(n) ((1ULL << (n)) - 1)

/* Memory of any kind but for its address; scattered pages, as a rule. */
static inline struct dmabuf_test_constraints below(unsigned int bits)
{
	return (struct dmabuf_test_constraints) {
		.dma_mask = BITS(bits), .seg_boundary = ~0ULL, .max_seg_size = ~0ULL,
		.max_segs = ~0U, .align = 1,
	};
}

/* One piece; there is none below DMABUF_TEST_PLACE_BLOCK_BITS. */
static const struct dmabuf_test_constraints one_piece = {
	.dma_mask = ~0ULL, .seg_boundary = ~0ULL, .max_seg_size = ~0ULL, .max_segs = 1,
	.align = 1,
};

/* A buffer and who knows it. */
struct place {
	int node;
	int importer;
	int fd;
	__u32 buffer;
	struct dmabuf_test_place_behave behave;
	struct remains before;		/* of this module */
	struct remains before_ops;	/* of the importer's */
};

static inline int place_open(struct place *place)
{
	place->before = remains_of(PLACE_MODULE);
	place->before_ops = remains_of(OPS_MODULE);
	place->fd = -1;
	place->node = open_node(DMABUF_TEST_PLACE_NODE);
	if (place->node < 0)
		return place->node;
	place->importer = open_node(DMABUF_TEST_OPS_NODE);
	return place->importer < 0 ? place->importer : 0;
}

/* Return: 0, or what dmabuf_placement_set_policy() answered. */
static inline int place_export_bytes(struct place *place, __u32 flags, __u32 policy, __u64 bytes)
{
	struct dmabuf_test_place_export arg = {
		.argsz = sizeof(arg), .flags = flags, .bytes = bytes, .policy = policy,
	};
	int ret = do_ioctl(place->node, DMABUF_TEST_PLACE_EXPORT, &arg) ?: arg.ret;

	if (ret)
		return ret;
	place->fd = arg.fd;
	place->buffer = arg.buffer;
	memset(&place->behave, 0, sizeof(place->behave));
	place->behave.argsz = sizeof(place->behave);
	place->behave.buffer = arg.buffer;
	return 0;
}

static inline int place_export(struct place *place, __u32 flags, __u32 policy)
{
	return place_export_bytes(place, flags, policy, BYTES);
}

/* All ones if the ioctl fails, which no test expects. */
static inline struct dmabuf_test_place_state place_state(struct place *place)
{
	struct dmabuf_test_place_state arg = { .argsz = sizeof(arg), .buffer = place->buffer };

	if (do_ioctl(place->node, DMABUF_TEST_PLACE_STATE, &arg))
		memset(&arg, 0xff, sizeof(arg));
	return arg;
}

/* Likewise. */
static inline struct dmabuf_test_place_query place_query(struct place *place)
{
	struct dmabuf_test_place_query arg = { .argsz = sizeof(arg), .fd = place->fd };

	if (do_ioctl(place->node, DMABUF_TEST_PLACE_QUERY, &arg) || arg.ret)
		memset(&arg, 0xff, sizeof(arg));
	return arg;
}

/* Return: what the ops did since the last call; valid until the next one. */
static inline const char *place_log(struct place *place)
{
	static struct dmabuf_test_place_log arg;

	memset(&arg, 0, sizeof(arg));
	arg.argsz = sizeof(arg);
	arg.buffer = place->buffer;
	if (do_ioctl(place->node, DMABUF_TEST_PLACE_LOG, &arg))
		return "no log";
	return arg.text;
}

/* From now on the op returns @error; 0: it does its work. */
static inline int place_fail(struct place *place, __u32 op, int error)
{
	place->behave.errors[op] = error;
	return do_ioctl(place->node, DMABUF_TEST_PLACE_BEHAVE, &place->behave);
}

/* From now on the op waits, and all others do not. */
static inline int place_hold(struct place *place, __u32 op)
{
	place->behave.hold = 1U << op;
	place->behave.passes = 0;
	return do_ioctl(place->node, DMABUF_TEST_PLACE_BEHAVE, &place->behave);
}

/* One more of the calls that are held goes on, the oldest first. */
static inline int place_let_one_go(struct place *place)
{
	place->behave.passes++;
	return do_ioctl(place->node, DMABUF_TEST_PLACE_BEHAVE, &place->behave);
}

static inline int place_let_go(struct place *place)
{
	place->behave.hold = 0;
	return do_ioctl(place->node, DMABUF_TEST_PLACE_BEHAVE, &place->behave);
}

static inline bool place_is_held(struct place *place, __u32 op)
{
	return place_state(place).held == 1U << op;
}

/* Return: a handle; @device: 0 or 1; @limits may be NULL. */
static inline int place_attach(struct place *place, __u32 device,
			       const struct dmabuf_test_constraints *limits)
{
	return test_attach_limited(place->importer, place->fd, device, limits);
}

/* Maps and unmaps.  Return: bytes that are @value, after writing it if @write. */
static inline long long place_use(struct place *place, int attachment, __u32 write, __u32 value)
{
	int mapping = test_map_timeout(place->importer, attachment,
				       write ? FROM_DEVICE : TO_DEVICE, 0);
	long long equal;

	if (mapping < 0)
		return mapping;
	equal = test_touch(place->importer, mapping, write, value);
	return test_unmap(place->importer, mapping) ?: equal;
}

/* The buffer in memory, or MAP_FAILED. */
static inline unsigned char *place_mmap(struct place *place)
{
	return mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, place->node,
		    (off_t)place->fd << DMABUF_TEST_PLACE_MMAP_SHIFT);
}

/*
 * Everybody lets go of the buffer, and nothing is left: its storage is freed, and
 * the layer has kept its promises all the time.
 */
static inline void place_close(struct __test_metadata *_metadata, struct place *place)
{
	struct dmabuf_test_place_state state;

	close(place->importer);
	if (place->fd >= 0) {
		close(place->fd);
		EXPECT_TRUE(HOLDS_SOON(place_state(place).released));
		state = place_state(place);
		EXPECT_EQ(1, state.released);
		EXPECT_EQ(0, state.live);
		EXPECT_EQ(0, state.mapped);
		EXPECT_EQ(0, state.broken);
	}
	close(place->node);
	EXPECT_TRUE(remains_are(PLACE_MODULE, &place->before));
	EXPECT_TRUE(remains_are(OPS_MODULE, &place->before_ops));
}

/* Ops that are held */

/* Held in the op: by the first map of all, or by one that makes the buffer move. */
struct held {
	struct place at;
	int lax;		/* attachment that anything serves */
	int strict;		/* one that makes the buffer move */
	struct mapper mapper;	/* whose map is held */
	bool done;
};

/* The buffer's bytes, once there are some. */
#define VALUE 0x41

static inline void held_start(struct __test_metadata *_metadata, struct held *held, __u32 op,
			      bool first)
{
	const struct dmabuf_test_constraints low = below(32);

	ASSERT_EQ(0, place_open(&held->at));
	ASSERT_EQ(0, place_export(&held->at, HAS_ALL, 0));
	held->lax = place_attach(&held->at, 0, NULL);
	ASSERT_LT(0, held->lax);
	if (!first) {
		ASSERT_EQ((long long)BYTES, place_use(&held->at, held->lax, 1, VALUE));
		ASSERT_STREQ("alloc1 map1 unmap1", place_log(&held->at));
		held->strict = place_attach(&held->at, 1, &low);
		ASSERT_LT(0, held->strict);
	}
	ASSERT_EQ(0, place_hold(&held->at, op));
	ASSERT_EQ(0, mapper_start(&held->mapper, held->at.importer,
				  first ? held->lax : held->strict, TO_DEVICE));
	ASSERT_TRUE(HOLDS_SOON(place_is_held(&held->at, op)));
}

/* Lets the map go on, which must succeed. */
static inline void held_finish(struct __test_metadata *_metadata, struct held *held, bool first)
{
	long long bytes = BYTES;

	ASSERT_EQ(0, place_let_go(&held->at));
	ASSERT_LT(0, mapper_join(&held->mapper));
	held->done = true;
	EXPECT_EQ(bytes, test_touch(held->at.importer, held->mapper.mapping, 0,
				    first ? 0 : VALUE));
	EXPECT_EQ(0, place_query(&held->at).waiting);
	EXPECT_EQ(!first, place_query(&held->at).moves);
	EXPECT_EQ(0, place_query(&held->at).failures);
}

/* A test that failed halfway must not leave its thread behind. */
static inline void held_end(struct __test_metadata *_metadata, struct held *held)
{
	if (!held->done) {
		place_let_go(&held->at);
		mapper_join(&held->mapper);
	}
	place_close(_metadata, &held->at);
}

/* The node and the importer; a buffer that the test exports as it needs it. */
FIXTURE(place)
{
	struct place at;
};

FIXTURE_SETUP(place)
{
	ASSERT_EQ(0, place_open(&self->at));
}

FIXTURE_TEARDOWN(place)
{
	place_close(_metadata, &self->at);
}

#endif /* _DMABUF_PLACEMENT_OPS_TEST_H */
