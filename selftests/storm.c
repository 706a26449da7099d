// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ten thousand moves, asked for at random, while devices and the CPU write:
 * nothing that was stored is lost.  Environment: DMABUF_TEST_MOVES, how many
 * instead.
 *
 * Each page of a buffer has a record of each writer: of every importer's, which
 * goes through the engine, and of the CPU's.  A record is a ring of bytes, and
 * store number n of its owner adds one to byte n modulo the length.  So a byte
 * tells how many stores it has seen, a read cannot be torn, and nothing that is
 * lost is overwritten before its owner has looked for it.  The rest of the
 * buffer never changes.
 *
 * Only a map moves a buffer, and it holds it there until its unmap.  Who maps
 * looks at every byte of the buffer in between, so there is a check after each
 * move.
 */
#include "placement-test.h"

#define MOVES 10000
#define IMPORTERS 4
#define CPU IMPORTERS
#define OWNERS (IMPORTERS + 1)
#define RECORD 64		/* bytes */
#define SLOTS 4			/* buffers alive */
#define PAGES_MAX 32
#define PATIENCE 3		/* maps that a buffer may see without a move */

/*
 * A buffer: one after the other, as each becomes so strict in the end that it
 * serves everybody.  For @page and @owner, @begun is the number of stores that
 * were begun, @done of those that have ended.
 */
struct slot {
	pthread_rwlock_t lock;		/* for writing: another buffer comes */
	int fd;
	size_t bytes;
	unsigned char *cpu;		/* the buffer, mmapped */
	unsigned char *image;		/* what never changes */
	atomic_uint begun[PAGES_MAX][OWNERS];
	atomic_uint done[PAGES_MAX][OWNERS];
	atomic_ullong moves;
	atomic_uint idle;		/* maps since the last move */
};

struct storm {
	int exporter;
	__u32 soft;
	unsigned int low_bits;		/* of the shortest mask that memory can be had for */
	unsigned long long target, limit;
	struct slot slots[SLOTS];
	atomic_int asked;		/* the slot that was mapped last */
	atomic_bool stop;
	atomic_ullong moves, maps, stores, buffers, stalls;
	pthread_mutex_t lock;		/* guards what follows */
	char failure[256];
};

struct worker {
	struct storm *storm;
	int importer;
	unsigned int owner;
	__u64 random;
	unsigned char *view;
	unsigned int done[PAGES_MAX][OWNERS];	/* when @view was taken, or before */
};

/* The first failure ends the storm. */
static void failed(struct storm *storm, const char *format, ...)
{
	va_list args;

	pthread_mutex_lock(&storm->lock);
	if (!*storm->failure) {
		va_start(args, format);
		vsnprintf(storm->failure, sizeof(storm->failure), format, args);
		va_end(args);
	}
	pthread_mutex_unlock(&storm->lock);
	atomic_store(&storm->stop, true);
}

static unsigned int some(struct worker *worker, unsigned int below)
{
	worker->random ^= worker->random << 13;
	worker->random ^= worker->random >> 7;
	worker->random ^= worker->random << 17;
	return (worker->random >> 32) % below;
}

/* What byte @i of a record holds after @stores of its owner. */
static unsigned char stored(unsigned int stores, unsigned int i)
{
	return stores / RECORD + (i < stores % RECORD);
}

static size_t pages_of(const struct slot *slot)
{
	return page_align(slot->bytes) / page_size();
}

/* Bytes of the records of a page; none where the buffer ends too early for them. */
static size_t records_of(const struct slot *slot, size_t page)
{
	return slot->bytes - page * page_size() < OWNERS * RECORD ? 0 : OWNERS * RECORD;
}

/*
 * A check has three parts, in this order: the stores that have ended are noted, the
 * view is taken, and the two are compared.  Each store that had ended is in the view,
 * and none that has not begun by then.
 */
static void note_done(struct worker *worker, struct slot *slot)
{
	size_t page, pages = pages_of(slot);
	unsigned int owner;

	for (page = 0; page < pages; page++)
		for (owner = 0; owner < OWNERS; owner++)
			worker->done[page][owner] = atomic_load(&slot->done[page][owner]);
}

static void check_record(struct worker *worker, struct slot *slot, const char *way, size_t page,
			 unsigned int owner)
{
	const unsigned char *record = worker->view + page * page_size() + owner * RECORD;
	unsigned int begun = atomic_load(&slot->begun[page][owner]);
	unsigned int done = worker->done[page][owner];
	unsigned int i;

	for (i = 0; i < RECORD; i++) {
		unsigned char least = stored(done, i);
		unsigned char most = stored(begun, i);

		if ((unsigned char)(record[i] - least) <= (unsigned char)(most - least))
			continue;
		failed(worker->storm,
		       "%s: page %zu of %zu, owner %u, byte %u is %u, between %u and %u were stored",
		       way, page, pages_of(slot), owner, i, record[i], least, most);
		return;
	}
}

static void check_view(struct worker *worker, struct slot *slot, const char *way)
{
	size_t page, pages = pages_of(slot);
	unsigned int owner;

	atomic_thread_fence(memory_order_seq_cst);
	for (page = 0; page < pages; page++) {
		size_t records = records_of(slot, page);
		size_t from = page * page_size() + records;
		size_t to = page == pages - 1 ? slot->bytes : (page + 1) * page_size();

		if (memcmp(worker->view + from, slot->image + from, to - from))
			failed(worker->storm, "%s: page %zu of %zu has changed", way, page, pages);
		for (owner = 0; records && owner < OWNERS; owner++)
			check_record(worker, slot, way, page, owner);
	}
}

static void check_by_device(struct worker *worker, struct slot *slot, __u32 mapping)
{
	int ret;

	note_done(worker, slot);
	ret = copy_out(worker->importer, mapping, 0, slot->bytes, worker->view);
	if (ret)
		failed(worker->storm, "copy_out: %d", ret);
	else
		check_view(worker, slot, "device");
}

static void check_by_cpu(struct worker *worker, struct slot *slot)
{
	size_t end = page_align(slot->bytes);

	note_done(worker, slot);
	memcpy(worker->view, slot->cpu, end);
	check_view(worker, slot, "CPU");
	if (!all_bytes_are(worker->view + slot->bytes, end - slot->bytes, 0))
		failed(worker->storm, "CPU: other bytes than zeroes follow the buffer's end");
}

/* The importer's next stores into some pages: a whole record each. */
static void store_by_device(struct worker *worker, struct slot *slot, __u32 mapping)
{
	unsigned char record[RECORD];
	unsigned int n;

	for (n = some(worker, 3) + 1; n; n--) {
		size_t page = some(worker, pages_of(slot));
		unsigned int stores = atomic_load(&slot->done[page][worker->owner]);
		int ret;

		if (!records_of(slot, page))
			continue;
		memset(record, stored(stores + RECORD, 0), sizeof(record));
		atomic_store(&slot->begun[page][worker->owner], stores + RECORD);
		ret = copy_in(worker->importer, mapping,
			      page * page_size() + worker->owner * RECORD, RECORD, record);
		if (ret)
			failed(worker->storm, "copy_in: %d", ret);
		atomic_store(&slot->done[page][worker->owner], stores + RECORD);
	}
}

/* The CPU's next store; the byte must hold what the last one left there. */
static void store_by_cpu(struct worker *worker, struct slot *slot, size_t page)
{
	unsigned int stores = atomic_load(&slot->done[page][CPU]);
	unsigned int i = stores % RECORD;
	atomic_uchar *byte = (atomic_uchar *)(slot->cpu + page * page_size() + CPU * RECORD + i);
	unsigned char found = atomic_load(byte);

	if (found != stored(stores, i))
		failed(worker->storm, "CPU: page %zu of %zu, byte %u is %u, %u was stored",
		       page, pages_of(slot), i, found, stored(stores, i));
	atomic_store(&slot->begun[page][CPU], stores + 1);
	atomic_store(byte, stored(stores + 1, i));
	atomic_store(&slot->done[page][CPU], stores + 1);
}

/*
 * Constraints that make a buffer move to and fro, as contiguous memory is taken
 * where most is free, and low memory in single pages.  Where no memory is low, the
 * alignment grows.  Mostly they are such that the buffer does not meet them yet.
 */
static struct dmabuf_importer_constraints
some_limits(struct worker *worker, size_t bytes, const struct dmabuf_exporter_place *here)
{
	struct dmabuf_importer_constraints limits = no_limits;
	unsigned int kind = some(worker, 16);

	if (kind > 5 && here->chunks > 1)
		kind = 1;
	else if (kind > 5 && here->bits > worker->storm->low_bits)
		kind = 2;

	switch (kind) {
	case 0:
		break;
	case 1:
		limits.max_segs = 1;
		break;
	case 2:
		limits.dma_mask = (1ULL << worker->storm->low_bits) - 1;
		break;
	case 3:
		limits.seg_boundary = (bytes > 16 * page_size() ? 32 : 16) * page_size() - 1;
		limits.max_segs = 1;
		break;
	default:
		limits.align = page_size() << (some(worker, 6) + 1);
		break;
	}
	return limits;
}

static void moves_seen(struct storm *storm, struct slot *slot, unsigned long long moves)
{
	unsigned long long seen = atomic_load(&slot->moves);

	while (seen < moves) {
		if (!atomic_compare_exchange_weak(&slot->moves, &seen, moves))
			continue;
		atomic_fetch_add(&storm->moves, moves - seen);
		atomic_store(&slot->idle, 0);
		break;
	}
}

/* Steps 3 to 6 for one importer, with the checks. */
static void import_once(struct worker *worker, struct slot *slot)
{
	struct dmabuf_importer_constraints limits;
	struct dmabuf_exporter_placement placement;
	struct storm *storm = worker->storm;
	__u32 direction = some(worker, 3);
	long long attachment, mapping;
	int ret;

	ret = placement_query(storm->exporter, slot->fd, &placement);
	if (ret)
		failed(storm, "placement: %d", ret);
	limits = some_limits(worker, slot->bytes, &placement.here);
	attachment = attach_limited(worker->importer, slot->fd, storm->soft, &limits);
	if (attachment <= 0) {
		failed(storm, "attach: %lld", attachment);
		return;
	}
	atomic_store(&storm->asked, slot - storm->slots);
	mapping = map(worker->importer, attachment, direction);
	if (mapping <= 0) {
		failed(storm, "map: %lld; mask %llx, align %u, boundary %llx, segments %u", mapping,
		       limits.dma_mask, limits.align, limits.seg_boundary, limits.max_segs);
		return;
	}

	atomic_fetch_add(&storm->maps, 1);
	atomic_fetch_add(&slot->idle, 1);
	ret = placement_query(storm->exporter, slot->fd, &placement);
	if (ret)
		failed(storm, "placement: %d", ret);
	moves_seen(storm, slot, placement.moves);

	if (direction == DMABUF_IMPORTER_FROM_DEVICE || some(worker, 2))
		check_by_cpu(worker, slot);
	else
		check_by_device(worker, slot, mapping);
	if (direction != DMABUF_IMPORTER_TO_DEVICE)
		store_by_device(worker, slot, mapping);

	ret = unmap(worker->importer, mapping);
	if (ret)
		failed(storm, "unmap: %d", ret);
	ret = detach(worker->importer, attachment);
	if (ret)
		failed(storm, "detach: %d", ret);
}

/* Writes what a new buffer has in it, by the device or by the CPU. */
static int write_image(struct worker *worker, struct slot *slot)
{
	long long attachment, mapping;

	if (some(worker, 2)) {
		memcpy(slot->cpu, slot->image, slot->bytes);
		return 0;
	}
	attachment = attach(worker->importer, slot->fd, worker->storm->soft);
	mapping = map(worker->importer, attachment, DMABUF_IMPORTER_FROM_DEVICE);
	return copy_in(worker->importer, mapping, 0, slot->bytes, slot->image) ?:
	       unmap(worker->importer, mapping) ?:
	       detach(worker->importer, attachment);
}

/* The slot is empty; nobody else uses it. */
static void buffer_new(struct worker *worker, struct slot *slot)
{
	__u32 flags = some(worker, 2) ? DMABUF_EXPORTER_ONE_WRITER : 0;
	struct storm *storm = worker->storm;
	size_t page;
	int ret;

	/* More small ones than large ones. */
	slot->bytes = (some(worker, some(worker, PAGES_MAX - 1) + 1) + 2) * page_size();
	if (some(worker, 2))
		slot->bytes -= some(worker, page_size());
	slot->fd = buffer_export_flags(storm->exporter, slot->bytes, DMABUF_EXPORTER_AUTO, flags,
				       O_RDWR | O_CLOEXEC);
	if (slot->fd < 0) {
		failed(storm, "export: %d", slot->fd);
		return;
	}
	slot->cpu = buffer_mmap(storm->exporter, slot->fd, slot->bytes);
	if (slot->cpu == MAP_FAILED) {
		failed(storm, "mmap: %d", -errno);
		return;
	}

	scribble(slot->image, slot->bytes, some(worker, 1 << 30));
	for (page = 0; page < pages_of(slot); page++)
		memset(slot->image + page * page_size(), 0, records_of(slot, page));
	memset(slot->begun, 0, sizeof(slot->begun));
	memset(slot->done, 0, sizeof(slot->done));
	slot->moves = 0;
	slot->idle = 0;
	ret = write_image(worker, slot);
	if (ret)
		failed(storm, "first bytes: %d", ret);
	atomic_fetch_add(&storm->buffers, 1);
}

/* The inverse. */
static void buffer_end(struct worker *worker, struct slot *slot)
{
	struct dmabuf_exporter_placement placement;
	struct storm *storm = worker->storm;
	int ret;

	check_by_cpu(worker, slot);
	ret = placement_query(storm->exporter, slot->fd, &placement);
	if (ret)
		failed(storm, "placement: %d", ret);
	moves_seen(storm, slot, placement.moves);
	atomic_fetch_add(&storm->stalls, placement.stalls);
	if (placement.failures)
		failed(storm, "%llu moves failed", placement.failures);
	munmap(slot->cpu, slot->bytes);
	close(slot->fd);
}

static bool is_over(struct storm *storm)
{
	return atomic_load(&storm->stop) || atomic_load(&storm->moves) >= storm->target ||
	       atomic_load(&storm->maps) >= storm->limit;
}

static void *import_all_the_time(void *data)
{
	struct worker *worker = data;
	struct storm *storm = worker->storm;

	while (!is_over(storm)) {
		struct slot *slot = &storm->slots[some(worker, SLOTS)];

		pthread_rwlock_rdlock(&slot->lock);
		import_once(worker, slot);
		pthread_rwlock_unlock(&slot->lock);

		if (atomic_load(&slot->idle) < PATIENCE || pthread_rwlock_trywrlock(&slot->lock))
			continue;
		if (atomic_load(&slot->idle) >= PATIENCE && !is_over(storm)) {
			buffer_end(worker, slot);
			buffer_new(worker, slot);
		}
		pthread_rwlock_unlock(&slot->lock);
	}
	return NULL;
}

/* Mostly where somebody maps just now. */
static void *store_all_the_time(void *data)
{
	struct worker *worker = data;
	struct storm *storm = worker->storm;

	while (!is_over(storm)) {
		unsigned int n = some(worker, 2 * SLOTS);
		struct slot *slot = &storm->slots[n < SLOTS ? n : atomic_load(&storm->asked)];
		size_t page;

		pthread_rwlock_rdlock(&slot->lock);
		for (page = 0; !is_over(storm) && page < pages_of(slot); page++) {
			if (!records_of(slot, page))
				continue;
			for (n = 0; n < 4; n++)
				store_by_cpu(worker, slot, page);
			atomic_fetch_add(&storm->stores, n);
		}
		pthread_rwlock_unlock(&slot->lock);
		sched_yield();
	}
	return NULL;
}

FIXTURE(storm)
{
	struct storm storm;
	struct worker workers[OWNERS];
	struct counters before;
};

/* Return: the bits of the shortest mask that a device may have, or 64. */
static unsigned int shortest_mask(struct storm *storm, int importer)
{
	int fd = buffer_export(storm->exporter, PAGES_MAX * page_size(), DMABUF_EXPORTER_AUTO);
	struct dmabuf_importer_constraints limits = no_limits;
	unsigned int bits;

	for (bits = 24; bits < 64; bits++) {
		limits.dma_mask = (1ULL << bits) - 1;
		if (attach_limited(importer, fd, storm->soft, &limits) > 0)
			break;
	}
	close(fd);
	return bits;
}

FIXTURE_SETUP(storm)
{
	struct storm *storm = &self->storm;
	int importer, i;

	ASSERT_EQ(0, counters_read(&self->before));
	pthread_mutex_init(&storm->lock, NULL);
	storm->exporter = exporter_open();
	ASSERT_LE(0, storm->exporter);
	importer = importer_open();
	ASSERT_LE(0, importer);
	storm->soft = engine_find(importer, DMABUF_IMPORTER_SOFT, 0);
	storm->low_bits = shortest_mask(storm, importer);
	ASSERT_GT(64, storm->low_bits);
	ASSERT_EQ(0, close(importer));

	for (i = 0; i < OWNERS; i++) {
		struct worker *worker = &self->workers[i];

		worker->storm = storm;
		worker->owner = i;
		worker->random = 0x9e3779b97f4a7c15 * (i + 1);
		worker->importer = importer_open();
		ASSERT_LE(0, worker->importer);
		worker->view = malloc(PAGES_MAX * page_size());
		ASSERT_NE(NULL, worker->view);
	}
	for (i = 0; i < SLOTS; i++) {
		pthread_rwlock_init(&storm->slots[i].lock, NULL);
		storm->slots[i].image = malloc(PAGES_MAX * page_size());
		ASSERT_NE(NULL, storm->slots[i].image);
		buffer_new(&self->workers[0], &storm->slots[i]);
	}
	ASSERT_STREQ("", storm->failure);
}

FIXTURE_TEARDOWN(storm)
{
	int i;

	for (i = 0; i < SLOTS; i++)
		free(self->storm.slots[i].image);
	for (i = 0; i < OWNERS; i++) {
		EXPECT_EQ(0, close(self->workers[i].importer));
		free(self->workers[i].view);
	}
	EXPECT_EQ(0, close(self->storm.exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* proves: M2, M3, N2, N3, N4 */
TEST_F_TIMEOUT(storm, of_moves_loses_nothing_that_devices_or_the_cpu_stored, 1000)
{
	const char *given = getenv("DMABUF_TEST_MOVES");
	struct storm *storm = &self->storm;
	pthread_t threads[OWNERS];
	int i;

	storm->target = given ? strtoull(given, NULL, 0) : scaled(MOVES);
	ASSERT_LT(0, storm->target);
	/* Far more than it takes; who does not move shall not keep us here. */
	storm->limit = 50 * storm->target;
	for (i = 0; i < OWNERS; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL,
					    i == CPU ? store_all_the_time : import_all_the_time,
					    &self->workers[i]));
	for (i = 0; i < OWNERS; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < SLOTS; i++)
		buffer_end(&self->workers[0], &storm->slots[i]);

	printf("# %llu moves of %llu buffers, %llu maps (%llu waited), %llu stores by the CPU\n",
	       storm->moves, storm->buffers, storm->maps, storm->stalls, storm->stores);
	fflush(stdout);
	EXPECT_STREQ("", storm->failure);
	EXPECT_LE(storm->target, atomic_load(&storm->moves));
	EXPECT_LT(0, atomic_load(&storm->stalls));
	EXPECT_LT(0, atomic_load(&storm->stores));
}

TEST_HARNESS_MAIN
