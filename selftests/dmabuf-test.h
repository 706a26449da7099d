/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every selftest needs: the two nodes, a call for each ioctl, and the
 * counters that tell whether anything was left behind.
 *
 * A call returns 0, or what it was asked for, or a negative errno.
 */
#ifndef _DMABUF_TEST_H
#define _DMABUF_TEST_H

#include "kselftest_harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include <dmabuf-core/exporter.h>
#include <dmabuf-core/importer.h>

/* Machines without hardware virtualisation and kernels with every check on. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 120

#define EXPORTER_NODE "/dev/dmabuf-exporter"
#define IMPORTER_NODE "/dev/dmabuf-importer"
#define BUFFERS_FILE "/sys/kernel/debug/dmabuf-core/buffers"
#define EXPORTER_MODULE "dmabuf_exporter_sample"
#define PARAMETERS "/sys/module/" EXPORTER_MODULE "/parameters/"

#define MIB (1024UL * 1024)

/*
 * Why a variant is skipped.  Each test says so itself: not every harness stops
 * after a SKIP() in the setup.
 */
#define NO_ENGINE "this machine has no such engine"

static inline size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

static inline size_t page_align(size_t bytes)
{
	return (bytes + page_size() - 1) & ~(page_size() - 1);
}

static inline size_t align_down(size_t bytes, size_t align)
{
	return bytes & ~(align - 1);
}

static inline size_t align_up(size_t bytes, size_t align)
{
	return align_down(bytes + align - 1, align);
}

/* How often a loop runs: fewer times on a slow kernel. */
static inline unsigned int scaled(unsigned int count)
{
	const char *slow = getenv("DMABUF_TEST_SLOW");

	if (!slow || !*slow || !strcmp(slow, "0"))
		return count;
	return count / 20 ?: 1;
}

static inline void sleep_ms(unsigned int ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000L };

	while (nanosleep(&time, &time) && errno == EINTR)
		;
}

static inline __u64 now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000ULL + time.tv_nsec / 1000000;
}

static inline int do_ioctl(int node, unsigned int cmd, void *arg)
{
	return ioctl(node, cmd, arg) < 0 ? -errno : 0;
}

static inline int open_node(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* The exporter's node */

static inline int exporter_open(void)
{
	return open_node(EXPORTER_NODE);
}

/* Return: the fd of a new buffer. */
static inline int buffer_export_flags(int exporter, __u64 bytes, __u32 backing, __u32 flags,
				      __u32 fd_flags)
{
	struct dmabuf_exporter_export arg = {
		.argsz = sizeof(arg),
		.flags = flags,
		.bytes = bytes,
		.backing = backing,
		.fd_flags = fd_flags,
		.fd = -1,
	};
	int ret = do_ioctl(exporter, DMABUF_EXPORTER_EXPORT, &arg);

	return ret ?: arg.fd;
}

static inline int buffer_export(int exporter, __u64 bytes, __u32 backing)
{
	return buffer_export_flags(exporter, bytes, backing, 0, O_RDWR | O_CLOEXEC);
}

static inline int buffer_export_populated(int exporter, __u64 bytes, __u32 backing)
{
	return buffer_export_flags(exporter, bytes, backing, DMABUF_EXPORTER_POPULATE,
				   O_RDWR | O_CLOEXEC);
}

static inline int buffer_query(int exporter, int fd, struct dmabuf_exporter_query *query)
{
	memset(query, 0, sizeof(*query));
	query->argsz = sizeof(*query);
	query->fd = fd;
	return do_ioctl(exporter, DMABUF_EXPORTER_QUERY, query);
}

/* Return: the buffer's id. */
static inline long long buffer_id(int exporter, int fd)
{
	struct dmabuf_exporter_query query;
	int ret = buffer_query(exporter, fd, &query);

	return ret ?: (long long)query.id;
}

static inline int exporter_info(int exporter, struct dmabuf_exporter_info *info)
{
	memset(info, 0, sizeof(*info));
	info->argsz = sizeof(*info);
	return do_ioctl(exporter, DMABUF_EXPORTER_INFO, info);
}

/* Return: where mmap() finds the buffer. */
static inline long long buffer_offset(int exporter, int fd)
{
	struct dmabuf_exporter_mmap_offset arg = { .argsz = sizeof(arg), .fd = fd };
	int ret = do_ioctl(exporter, DMABUF_EXPORTER_MMAP_OFFSET, &arg);

	return ret ?: (long long)arg.offset;
}

/* Return: the buffer's first @bytes in memory, or MAP_FAILED and errno. */
static inline void *buffer_mmap(int exporter, int fd, size_t bytes)
{
	long long offset = buffer_offset(exporter, fd);

	if (offset < 0) {
		errno = -offset;
		return MAP_FAILED;
	}
	return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, exporter, offset);
}

/* The importer's node */

static inline int importer_open(void)
{
	return open_node(IMPORTER_NODE);
}

static inline int engine_describe(int importer, __u32 index, struct dmabuf_importer_engine *engine)
{
	memset(engine, 0, sizeof(*engine));
	engine->argsz = sizeof(*engine);
	engine->index = index;
	return do_ioctl(importer, DMABUF_IMPORTER_ENGINE, engine);
}

/* Return: index of the @nth engine of this type, or -ENOENT. */
static inline int engine_find(int importer, __u32 type, unsigned int nth)
{
	struct dmabuf_importer_engine engine;
	__u32 i;

	for (i = 0; !engine_describe(importer, i, &engine); i++)
		if (engine.type == type && !nth--)
			return i;
	return -ENOENT;
}

/*
 * Return: what offset and length of a transfer must be multiples of, 8 at most
 * in all machines of the tests; 1 if there is no such engine.
 */
static inline size_t engine_align(int importer, int index)
{
	struct dmabuf_importer_engine engine;

	if (index < 0 || engine_describe(importer, index, &engine))
		return 1;
	return engine.constraints.align;
}

/* Return: a handle; @limits may be NULL. */
static inline long long attach_limited(int importer, int fd, __u32 engine,
				       const struct dmabuf_importer_constraints *limits)
{
	struct dmabuf_importer_attach arg = { .argsz = sizeof(arg), .fd = fd, .engine = engine };
	int ret;

	if (limits) {
		arg.flags = DMABUF_IMPORTER_CONSTRAIN;
		arg.constraints = *limits;
	}
	ret = do_ioctl(importer, DMABUF_IMPORTER_ATTACH, &arg);
	return ret ?: (long long)arg.attachment;
}

static inline long long attach(int importer, int fd, __u32 engine)
{
	return attach_limited(importer, fd, engine, NULL);
}

static inline int detach(int importer, __u32 attachment)
{
	struct dmabuf_importer_detach arg = { .argsz = sizeof(arg), .attachment = attachment };

	return do_ioctl(importer, DMABUF_IMPORTER_DETACH, &arg);
}

static inline int attachment_query(int importer, __u32 attachment,
				   struct dmabuf_importer_query *query)
{
	memset(query, 0, sizeof(*query));
	query->argsz = sizeof(*query);
	query->attachment = attachment;
	return do_ioctl(importer, DMABUF_IMPORTER_QUERY, query);
}

/* Return: a handle; @segments may be NULL. */
static inline long long map_with_flags(int importer, __u32 attachment, __u32 direction,
				       __u32 flags, __u32 timeout_ms, __u32 *segments)
{
	struct dmabuf_importer_map arg = {
		.argsz = sizeof(arg),
		.flags = flags,
		.attachment = attachment,
		.direction = direction,
		.timeout_ms = timeout_ms,
	};
	int ret = do_ioctl(importer, DMABUF_IMPORTER_MAP, &arg);

	if (segments)
		*segments = arg.segments;
	return ret ?: (long long)arg.mapping;
}

static inline long long map_segments(int importer, __u32 attachment, __u32 direction,
				     __u32 *segments)
{
	return map_with_flags(importer, attachment, direction, 0, 0, segments);
}

/* Waits for others to unmap, if need be, until a signal comes. */
static inline long long map(int importer, __u32 attachment, __u32 direction)
{
	return map_segments(importer, attachment, direction, NULL);
}

/* -EAGAIN where map() would wait. */
static inline long long map_nowait(int importer, __u32 attachment, __u32 direction)
{
	return map_with_flags(importer, attachment, direction, DMABUF_IMPORTER_NOWAIT, 0, NULL);
}

/* -ETIMEDOUT when map() has waited for @ms, not 0. */
static inline long long map_timeout(int importer, __u32 attachment, __u32 direction, __u32 ms)
{
	return map_with_flags(importer, attachment, direction, DMABUF_IMPORTER_TIMEOUT, ms, NULL);
}

static inline int unmap(int importer, __u32 mapping)
{
	struct dmabuf_importer_unmap arg = { .argsz = sizeof(arg), .mapping = mapping };

	return do_ioctl(importer, DMABUF_IMPORTER_UNMAP, &arg);
}

static inline int segment(int importer, __u32 mapping, __u32 index,
			  struct dmabuf_importer_segment *segment)
{
	memset(segment, 0, sizeof(*segment));
	segment->argsz = sizeof(*segment);
	segment->mapping = mapping;
	segment->index = index;
	return do_ioctl(importer, DMABUF_IMPORTER_SEGMENT, segment);
}

static inline int transfer(int importer, struct dmabuf_importer_transfer *arg)
{
	arg->argsz = sizeof(*arg);
	return do_ioctl(importer, DMABUF_IMPORTER_TRANSFER, arg);
}

static inline int fill(int importer, __u32 mapping, __u64 offset, __u64 bytes, __u64 pattern)
{
	struct dmabuf_importer_transfer arg = {
		.mapping = mapping, .op = DMABUF_IMPORTER_FILL, .offset = offset, .bytes = bytes,
		.pattern = pattern,
	};

	return transfer(importer, &arg);
}

static inline int copy_in(int importer, __u32 mapping, __u64 offset, __u64 bytes,
			  const void *from)
{
	struct dmabuf_importer_transfer arg = {
		.mapping = mapping, .op = DMABUF_IMPORTER_COPY_IN, .offset = offset,
		.bytes = bytes, .user = (uintptr_t)from,
	};

	return transfer(importer, &arg);
}

static inline int copy_out(int importer, __u32 mapping, __u64 offset, __u64 bytes, void *to)
{
	struct dmabuf_importer_transfer arg = {
		.mapping = mapping, .op = DMABUF_IMPORTER_COPY_OUT, .offset = offset,
		.bytes = bytes, .user = (uintptr_t)to,
	};

	return transfer(importer, &arg);
}

static inline int checksum(int importer, __u32 mapping, __u64 offset, __u64 bytes, __u32 *sum)
{
	struct dmabuf_importer_transfer arg = {
		.mapping = mapping, .op = DMABUF_IMPORTER_CHECKSUM, .offset = offset,
		.bytes = bytes,
	};
	int ret = transfer(importer, &arg);

	*sum = arg.checksum;
	return ret;
}

/* Bytes, as tests write and compare them */

/* CRC-32 as IEEE 802.3 and zlib have it. */
static inline __u32 crc32(const void *data, size_t bytes)
{
	const unsigned char *p = data;
	__u32 crc = ~0U;
	int bit;

	while (bytes--) {
		crc ^= *p++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

/* Bytes that differ from place to place, and from seed to seed. */
static inline void scribble(void *to, size_t bytes, __u32 seed)
{
	unsigned char *p = to;
	__u32 state = seed * 2654435761U + 1;

	while (bytes--) {
		state = state * 1664525 + 1013904223;
		*p++ = state >> 24;
	}
}

static inline bool all_bytes_are(const void *data, size_t bytes, unsigned char value)
{
	const unsigned char *p = data;

	while (bytes--)
		if (*p++ != value)
			return false;
	return true;
}

/* A page that can be read and not written: argument structures go in, not out. */
static inline void *read_only_copy(const void *arg, size_t bytes)
{
	void *page = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return NULL;
	memcpy(page, arg, bytes);
	if (mprotect(page, page_size(), PROT_READ))
		return NULL;
	return page;
}

/* Small files */

static inline int file_read(const char *path, char *text, size_t bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t got = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while (got < bytes - 1) {
		n = read(fd, text + got, bytes - 1 - got);
		if (n <= 0)
			break;
		got += n;
	}
	text[got] = 0;
	close(fd);
	return got;
}

static inline int file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_TRUNC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static inline long long file_number(const char *path)
{
	char text[64];
	int ret = file_read(path, text, sizeof(text));

	return ret < 0 ? ret : strtoll(text, NULL, 0);
}

static inline int parameter_set(const char *name, long long value)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	snprintf(text, sizeof(text), "%lld", value);
	return file_write(path, text);
}

static inline long long parameter_get(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	return file_number(path);
}

/* Counters: what is alive, and what holds the modules */

struct counters {
	long long buffers;		/* the exporter's */
	long long backed_bytes;
	long long listed;		/* the core's, in debugfs */
	long long core_refs;
	long long exporter_refs;
	long long importer_refs;
};

/* Return: buffers that debugfs lists; all of it must be read at once. */
static inline long long buffers_listed(void)
{
	FILE *file = fopen(BUFFERS_FILE, "re");
	char line[512];
	long long n = 0;

	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file))
		n += !strncmp(line, "buffer ", 7);
	fclose(file);
	return n;
}

static inline int counters_read(struct counters *counters)
{
	struct dmabuf_exporter_info info;
	int node, ret;

	counters->core_refs = file_number("/sys/module/dmabuf_core/refcnt");
	counters->exporter_refs = file_number("/sys/module/" EXPORTER_MODULE "/refcnt");
	counters->importer_refs = file_number("/sys/module/dmabuf_importer_sample/refcnt");
	counters->listed = buffers_listed();
	node = exporter_open();
	if (node < 0)
		return node;
	ret = exporter_info(node, &info);
	close(node);
	counters->buffers = info.buffers;
	counters->backed_bytes = info.backed_bytes;
	if (counters->core_refs < 0 || counters->exporter_refs < 0 ||
	    counters->importer_refs < 0 || counters->listed < 0)
		return -ENOENT;
	return ret;
}

/*
 * True when all counters have come back to @before; some of what dies goes a
 * little later than the call that killed it, so they have five seconds.
 */
static inline bool counters_back_to(const struct counters *before)
{
	__u64 deadline = now_ms() + 5000;
	struct counters now;
	int ret;

	for (;;) {
		memset(&now, 0, sizeof(now));
		ret = counters_read(&now);
		if (!ret && !memcmp(&now, before, sizeof(now)))
			return true;
		if (now_ms() > deadline)
			break;
		sleep_ms(20);
	}
	printf("# counters (error %d), before and now: buffers %lld %lld, bytes %lld %lld, ",
	       ret, before->buffers, now.buffers, before->backed_bytes, now.backed_bytes);
	printf("listed %lld %lld, core %lld %lld, exporter %lld %lld, importer %lld %lld\n",
	       before->listed, now.listed, before->core_refs, now.core_refs,
	       before->exporter_refs, now.exporter_refs, before->importer_refs,
	       now.importer_refs);
	fflush(stdout);
	return false;
}

/* What debugfs or fdinfo tell of one buffer */

#define VIEW_ATTACHMENTS 512
#define VIEW_FORMAT ": %lld bytes, exporter %63[^,], %u attachments, %u mappings, %15[a-z ]"

struct view {
	long long size;
	char exporter[64];
	unsigned int attachments;		/* as its line says */
	unsigned int mappings;			/* as its line says */
	char kind[16];				/* debugfs: of file, as its line says */
	unsigned int attachment_lines;
	unsigned int mapping_lines;
	unsigned int ids[VIEW_ATTACHMENTS];	/* of the attachments listed */
	char devices[VIEW_ATTACHMENTS][64];
};

static inline void view_line(struct view *view, const char *line)
{
	unsigned int n = view->attachment_lines;

	if (n < VIEW_ATTACHMENTS &&
	    sscanf(line, "  attachment %u: %63[^,]", &view->ids[n], view->devices[n]) == 2)
		view->attachment_lines++;
	view->mapping_lines += !strncmp(line, "    mapping: ", 13);
}

/* Return: 0, or -ENOENT if debugfs does not list the buffer. */
static inline int view_debugfs(long long id, struct view *view)
{
	FILE *file = fopen(BUFFERS_FILE, "re");
	bool mine = false;
	char line[512];
	int ret = -ENOENT;
	long long found;

	if (!file)
		return -errno;
	memset(view, 0, sizeof(*view));
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, "buffer ", 7)) {
			if (mine)
				view_line(view, line);
			continue;
		}
		mine = sscanf(line, "buffer %lld:", &found) == 1 && found == id &&
		       sscanf(strchr(line, ':'), VIEW_FORMAT, &view->size, view->exporter,
			      &view->attachments, &view->mappings, view->kind) == 5;
		if (mine) {
			ret = 0;
			continue;
		}
		if (!ret)
			break;
	}
	fclose(file);
	return ret;
}

/* Of a native file.  Return: 0, or -ENOENT if a line is missing. */
static inline int view_fdinfo(int fd, long long *id, struct view *view)
{
	char path[64], line[512];
	int lines = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	memset(view, 0, sizeof(*view));
	while (fgets(line, sizeof(line), file)) {
		lines += sscanf(line, "dmabuf_id: %lld", id) == 1;
		lines += sscanf(line, "dmabuf_size: %lld", &view->size) == 1;
		lines += sscanf(line, "dmabuf_exporter: %63s", view->exporter) == 1;
		lines += sscanf(line, "dmabuf_attachments: %u", &view->attachments) == 1;
		lines += sscanf(line, "dmabuf_mappings: %u", &view->mappings) == 1;
		view_line(view, line);
	}
	fclose(file);
	return lines == 5 ? 0 : -ENOENT;
}

/* Return: the lowest fd number that is free. */
static inline int lowest_free_fd(void)
{
	int fd = fcntl(STDIN_FILENO, F_DUPFD, 0);

	if (fd < 0)
		return -errno;
	close(fd);
	return fd;
}

#endif /* _DMABUF_TEST_H */
