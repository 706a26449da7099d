/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the selftests of the placement layer share: where a buffer lies, limits that
 * make it move, and maps that wait or come again and again.
 */
#ifndef _DMABUF_PLACEMENT_TEST_H
#define _DMABUF_PLACEMENT_TEST_H

#include "dmabuf-test.h"

#include <sched.h>

static const struct dmabuf_importer_constraints no_limits = {
	.dma_mask = ~0ULL, .seg_boundary = ~0ULL, .max_seg_size = ~0ULL, .max_segs = ~0U,
	.align = 1,
};

/* Contiguous memory can be had with this alignment on every machine of the tests. */
#define ALIGN_MAX (4 * MIB)

/* How long a test waits for what must come, before it says that it does not. */
#define SOON_MS 30000

/* Where a buffer lies */

static inline int placement_query(int exporter, int fd,
				  struct dmabuf_exporter_placement *placement)
{
	memset(placement, 0, sizeof(*placement));
	placement->argsz = sizeof(*placement);
	placement->fd = fd;
	return do_ioctl(exporter, DMABUF_EXPORTER_PLACEMENT, placement);
}

/* Return: enum dmabuf_exporter_state, or -errno. */
static inline int placement_state(int exporter, int fd)
{
	struct dmabuf_exporter_placement placement;
	int ret = placement_query(exporter, fd, &placement);

	return ret ?: (int)placement.state;
}

/* Waits until the buffer is in a state, with so many maps waiting; false if it never is. */
static inline bool placement_becomes(int exporter, int fd, __u32 state, __u32 waiting)
{
	struct dmabuf_exporter_placement placement;
	__u64 deadline = now_ms() + SOON_MS;
	int ret;

	do {
		ret = placement_query(exporter, fd, &placement);
		if (ret)
			break;
		if (placement.state == state && placement.waiting == waiting)
			return true;
		sleep_ms(2);
	} while (now_ms() < deadline);
	printf("# error %d, state %u and not %u, waiting %u and not %u, readers %u, writers %u\n",
	       ret, placement.state, state, placement.waiting, waiting, placement.readers,
	       placement.writers);
	fflush(stdout);
	return false;
}

static inline bool reason_is_none(const struct dmabuf_exporter_reason *reason)
{
	static const struct dmabuf_exporter_reason none;

	return !memcmp(reason, &none, sizeof(none));
}

/* What a device sees of a buffer: bus addresses, those of the first and last byte. */
struct extents {
	__u32 n;
	struct {
		__u64 first, last;
	} at[];
};

/* Return: to be freed; NULL on any error. */
static inline struct extents *extents_read(int importer, __u32 mapping, __u32 segments)
{
	struct extents *extents = calloc(1, sizeof(*extents) + segments * sizeof(*extents->at));
	struct dmabuf_importer_segment part;

	if (!extents)
		return NULL;
	for (; extents->n < segments; extents->n++) {
		if (segment(importer, mapping, extents->n, &part)) {
			free(extents);
			return NULL;
		}
		extents->at[extents->n].first = part.dma_address;
		extents->at[extents->n].last = part.dma_address + part.bytes - 1;
	}
	return extents;
}

static inline bool extents_equal(const struct extents *one, const struct extents *two)
{
	return one->n == two->n && !memcmp(one->at, two->at, one->n * sizeof(*one->at));
}

static inline bool extents_overlap(const struct extents *one, const struct extents *two)
{
	__u32 i, j;

	for (i = 0; i < one->n; i++)
		for (j = 0; j < two->n; j++)
			if (one->at[i].first <= two->at[j].last &&
			    two->at[j].first <= one->at[i].last)
				return true;
	return false;
}

/* Does a device read these bytes from the start of the buffer? */
static inline bool device_reads(int importer, __u32 mapping, const void *expected, size_t bytes)
{
	void *back = malloc(bytes);
	bool same;

	same = back && !copy_out(importer, mapping, 0, bytes, back) &&
	       !memcmp(back, expected, bytes);
	free(back);
	return same;
}

/* Limits that make a buffer move */

#define HOLES 64

struct holes {
	int fds[HOLES];
	cpu_set_t cpus;
};

/*
 * Frees every other of some pages, on the list of one CPU, so that storage that
 * this thread takes next has more than one piece if it has more than one page.
 */
static inline int holes_punch(int exporter, struct holes *holes)
{
	cpu_set_t first;
	int i;

	if (sched_getaffinity(0, sizeof(holes->cpus), &holes->cpus))
		return -errno;
	CPU_ZERO(&first);
	CPU_SET(0, &first);
	if (sched_setaffinity(0, sizeof(first), &first))
		return -errno;
	for (i = 0; i < HOLES; i++) {
		holes->fds[i] = buffer_export_populated(exporter, 1, DMABUF_EXPORTER_SCATTER);
		if (holes->fds[i] < 0)
			return holes->fds[i];
	}
	for (i = 0; i < HOLES; i += 2)
		close(holes->fds[i]);
	return 0;
}

static inline void holes_fill(struct holes *holes)
{
	int i;

	for (i = 1; i < HOLES; i += 2)
		close(holes->fds[i]);
	sched_setaffinity(0, sizeof(holes->cpus), &holes->cpus);
}

/*
 * Finds limits that the storage behind a mapping of the software engine does not
 * meet, and that other storage can: one segment, else a higher alignment.
 * Return: false if there are none.
 */
static inline bool stricter_limits(int importer, __u32 mapping, __u32 segments,
				   struct dmabuf_importer_constraints *limits)
{
	struct dmabuf_importer_segment part;

	*limits = no_limits;
	if (segments > 1) {
		limits->max_segs = 1;
		return true;
	}
	if (segment(importer, mapping, 0, &part) || !part.dma_address ||
	    (part.dma_address & -part.dma_address) >= ALIGN_MAX)
		return false;
	limits->align = 2 * (part.dma_address & -part.dma_address);
	return true;
}

/* A device that takes one segment only. */
static inline long long attach_one_segment(int importer, int fd, __u32 engine)
{
	struct dmabuf_importer_constraints limits = no_limits;

	limits.max_segs = 1;
	return attach_limited(importer, fd, engine, &limits);
}

/* A device's use of a buffer. */
struct user {
	__u32 attachment;
	__u32 mapping;
	__u32 segments;
};

/*
 * Exports a buffer, attaches the engine to it without limits and maps it, for both
 * directions.  The storage is in pieces, or a single page that does not have the
 * highest alignment, so that there are stricter_limits().
 * Return: the fd of the buffer.
 */
static inline int buffer_in_pieces(int exporter, int importer, __u32 engine, size_t bytes,
				   __u32 flags, struct user *user)
{
	struct dmabuf_importer_constraints limits;
	long long attachment, mapping;
	struct holes holes;
	int tries, fd, ret;

	*user = (struct user) {};
	for (tries = 0; tries < 10; tries++) {
		fd = buffer_export_flags(exporter, bytes, DMABUF_EXPORTER_AUTO, flags,
					 O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return fd;
		attachment = attach(importer, fd, engine);
		if (attachment < 0)
			return attachment;
		ret = holes_punch(exporter, &holes);
		if (ret)
			return ret;
		mapping = map_segments(importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL,
				       &user->segments);
		holes_fill(&holes);
		if (mapping < 0)
			return mapping;
		user->attachment = attachment;
		user->mapping = mapping;
		if (stricter_limits(importer, mapping, user->segments, &limits) &&
		    (user->segments > 1 || bytes <= page_size()))
			return fd;
		if (unmap(importer, mapping) || detach(importer, attachment))
			return -EIO;
		close(fd);
	}
	return -EAGAIN;
}

/* Maps that wait */

/**
 * struct waiter - a map in a thread of its own
 * @importer: open file
 * @attachment: to be mapped
 * @direction: of the DMA
 * @timeout_ms: 0 for none
 * @mapping: what the map returned
 * @segments: of the mapping
 * @thread: that maps
 */
struct waiter {
	int importer;
	__u32 attachment;
	__u32 direction;
	__u32 timeout_ms;
	long long mapping;
	__u32 segments;
	pthread_t thread;
};

static inline void *waiter_run(void *data)
{
	struct waiter *waiter = data;

	waiter->mapping = map_with_flags(waiter->importer, waiter->attachment, waiter->direction,
					 waiter->timeout_ms ? DMABUF_IMPORTER_TIMEOUT : 0,
					 waiter->timeout_ms, &waiter->segments);
	return NULL;
}

static inline int waiter_start(struct waiter *waiter, int importer, __u32 attachment,
			       __u32 direction)
{
	waiter->importer = importer;
	waiter->attachment = attachment;
	waiter->direction = direction;
	return pthread_create(&waiter->thread, NULL, waiter_run, waiter);
}

/* Return: what the map returned, or -ETIME if it waits for ever. */
static inline long long waiter_finish(struct waiter *waiter)
{
	struct timespec deadline;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += SOON_MS / 1000;
	if (pthread_timedjoin_np(waiter->thread, NULL, &deadline))
		return -ETIME;
	return waiter->mapping;
}

static inline void waiter_nothing(int signal)
{
}

/* Interrupts the map with SIGUSR1. */
static inline int waiter_signal(struct waiter *waiter)
{
	struct sigaction action = { .sa_handler = waiter_nothing };

	if (sigaction(SIGUSR1, &action, NULL))
		return -errno;
	return -pthread_kill(waiter->thread, SIGUSR1);
}

/* Maps that come again and again */

#define LOOPS 8

/* Maps and unmaps until it is told to stop. */
struct loop {
	int importer;
	__u32 attachment;
	__u32 direction;
	atomic_bool *stop;
	atomic_uint maps;	/* that have returned, and were of interest */
	__u32 more_segments;	/* those that have more than these are */
	int error;
	pthread_t thread;
};

static inline void *loop_run(void *data)
{
	struct loop *loop = data;

	while (!atomic_load(loop->stop)) {
		__u32 segments;
		long long mapping = map_segments(loop->importer, loop->attachment,
						 loop->direction, &segments);

		if (mapping < 0) {
			loop->error = mapping;
			break;
		}
		if (segments > loop->more_segments)
			atomic_fetch_add(&loop->maps, 1);
		loop->error = unmap(loop->importer, mapping);
		if (loop->error)
			break;
	}
	return NULL;
}

/* Waits until each loop has come round once more. */
static inline bool loops_run(struct loop *loops, unsigned int *seen)
{
	__u64 deadline = now_ms() + SOON_MS;
	int i;

	for (i = 0; i < LOOPS; i++) {
		while (atomic_load(&loops[i].maps) == seen[i]) {
			if (now_ms() > deadline)
				return false;
			sleep_ms(1);
		}
	}
	return true;
}

/* Return: bytes of the kernel's CMA area, 0 if it has none. */
static inline unsigned long long cma_total(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	unsigned long long kib = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "CmaTotal: %llu kB", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib * 1024;
}

#endif /* _DMABUF_PLACEMENT_TEST_H */
