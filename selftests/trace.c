// SPDX-License-Identifier: GPL-2.0-only
/* What the tracepoints tell, and in which order. */
#include "placement-test.h"

#define INSTANCE "/instances/dmabuf-test"

FIXTURE(trace)
{
	char dir[64];
	char path[PATH_MAX];
	int exporter;
	int importer;
	int soft;
	struct counters before;
};

FIXTURE_SETUP(trace)
{
	char names[8];
	int made;

	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	self->soft = engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0);
	ASSERT_LE(0, self->soft);

	/*
	 * A trace of our own, so that nobody else's is disturbed.  It is made without the
	 * names of tasks, for which the kernel would patch its scheduler.
	 */
	strcpy(self->dir, "/sys/kernel/tracing");
	if (access("/sys/kernel/tracing/instances", F_OK))
		strcpy(self->dir, "/sys/kernel/debug/tracing");
	snprintf(self->path, sizeof(self->path), "%s/options/record-cmd", self->dir);
	ASSERT_LT(0, file_read(self->path, names, sizeof(names)));
	ASSERT_EQ(0, file_write(self->path, "0"));
	strcat(self->dir, INSTANCE);
	rmdir(self->dir);
	made = mkdir(self->dir, 0700);
	EXPECT_EQ(0, file_write(self->path, names));
	ASSERT_EQ(0, made);
	snprintf(self->path, sizeof(self->path), "%s/events/dmabuf_core/enable", self->dir);
	ASSERT_EQ(0, file_write(self->path, "1"));
}

FIXTURE_TEARDOWN(trace)
{
	EXPECT_EQ(0, file_write(self->path, "0"));
	EXPECT_EQ(0, rmdir(self->dir));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/*
 * Writes the names of the events of one buffer to @names, in their order, with a
 * blank before each; each line must have @must in it.  An id of 0 is any buffer.
 */
static int events_of(FIXTURE_DATA(trace) *self, long long id, char *names, size_t bytes)
{
	char path[PATH_MAX], line[1024], key[64], *event, *end;
	FILE *file;

	snprintf(path, sizeof(path), "%s/trace", self->dir);
	snprintf(key, sizeof(key), " buffer=%lld", id);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	*names = 0;
	while (fgets(line, sizeof(line), file)) {
		event = strstr(line, ": dmabuf_");
		if (line[0] == '#' || !event)
			continue;
		end = strchr(event + 2, ':');
		if (!end)
			continue;
		/* Every one of them names its buffer first. */
		if (strncmp(end + 1, " buffer=", 8)) {
			fclose(file);
			return -EINVAL;
		}
		if (id && (strncmp(end + 1, key, strlen(key)) ||
			   strchr("0123456789", end[1 + strlen(key)])))
			continue;
		*end = 0;
		if (strlen(names) + strlen(event) >= bytes)
			break;
		strcat(names, event + 1);
	}
	fclose(file);
	return 0;
}

/* Is there a line with both? */
static bool trace_has(FIXTURE_DATA(trace) *self, const char *event, const char *text)
{
	char path[PATH_MAX], line[1024];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "%s/trace", self->dir);
	file = fopen(path, "re");
	while (file && !found && fgets(line, sizeof(line), file))
		found = strstr(line, event) && strstr(line, text);
	if (file)
		fclose(file);
	return found;
}

/* proves: E1, F1, A1, A2, M1, U1, D1, P1 */
TEST_F(trace, each_step_fires_its_event_once_and_in_order)
{
	static const char * const steps[] = {
		"dmabuf_export", "dmabuf_fd", "dmabuf_get", "dmabuf_attach",
		"dmabuf_placement_alloc", "dmabuf_map", "dmabuf_unmap", "dmabuf_detach",
		"dmabuf_put", "dmabuf_release",
	};
	struct dmabuf_importer_engine engine;
	struct dmabuf_importer_query query;
	char names[4096], expected[256] = "", text[256];
	long long attachment, mapping;
	size_t i;
	int fd;

	fd = buffer_export(self->exporter, 12345, DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, fd);
	attachment = attach(self->importer, fd, self->soft);
	ASSERT_LT(0, attachment);
	ASSERT_EQ(0, attachment_query(self->importer, attachment, &query));
	mapping = map(self->importer, attachment, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(0, unmap(self->importer, mapping));
	EXPECT_EQ(0, detach(self->importer, attachment));
	EXPECT_EQ(0, close(fd));

	ASSERT_EQ(0, events_of(self, query.buffer_id, names, sizeof(names)));
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		strcat(expected, " ");
		strcat(expected, steps[i]);
	}
	EXPECT_STREQ(expected, names);

	/* What they tell. */
	ASSERT_EQ(0, engine_describe(self->importer, self->soft, &engine));
	snprintf(text, sizeof(text), "buffer=%llu size=12345 exporter=" EXPORTER_MODULE,
		 query.buffer_id);
	EXPECT_TRUE(trace_has(self, " dmabuf_export:", text));
	EXPECT_TRUE(trace_has(self, " dmabuf_put:", text));
	EXPECT_TRUE(trace_has(self, " dmabuf_release:", text));
	snprintf(text, sizeof(text), "buffer=%llu fd=%d", query.buffer_id, fd);
	EXPECT_TRUE(trace_has(self, " dmabuf_fd:", text));
	EXPECT_TRUE(trace_has(self, " dmabuf_get:", text));
	snprintf(text, sizeof(text), "buffer=%llu attachment=%u device=%s", query.buffer_id,
		 query.attachment_id, engine.device);
	EXPECT_TRUE(trace_has(self, " dmabuf_attach:", text));
	EXPECT_TRUE(trace_has(self, " dmabuf_detach:", text));
	snprintf(text, sizeof(text), "buffer=%llu attachment=%u device=%s direction=to_device",
		 query.buffer_id, query.attachment_id, engine.device);
	EXPECT_TRUE(trace_has(self, " dmabuf_map:", text));
	EXPECT_TRUE(trace_has(self, " dmabuf_unmap:", text));
}

/* proves: F2, E2 */
TEST_F(trace, hand_out_that_fails_shows_no_fd_and_a_release)
{
	struct dmabuf_exporter_export arg = {
		.argsz = sizeof(arg), .bytes = 1, .fd_flags = O_RDWR,
	};
	void *page = read_only_copy(&arg, sizeof(arg));
	char names[4096];

	ASSERT_NE(NULL, page);
	EXPECT_EQ(-EFAULT, do_ioctl(self->exporter, DMABUF_EXPORTER_EXPORT, page));
	ASSERT_EQ(0, events_of(self, 0, names, sizeof(names)));
	EXPECT_STREQ(" dmabuf_export dmabuf_put dmabuf_release", names);
	munmap(page, page_size());
}

/* Takes a word off a text, wherever it stands. */
static void without(char *text, const char *word)
{
	size_t bytes = strlen(word);

	while ((text = strstr(text, word))) {
		if (text[bytes] == ' ' || !text[bytes])
			memmove(text, text + bytes, strlen(text + bytes) + 1);
		else
			text += bytes;
	}
}

/* proves: N1, N3, N4 */
TEST_F(trace, move_tells_who_wanted_it_and_why_and_from_where_to_where)
{
	static const char * const steps[] = {
		"dmabuf_export", "dmabuf_fd", "dmabuf_attach", "dmabuf_placement_alloc",
		"dmabuf_map", "dmabuf_attach", "dmabuf_placement_drain", "dmabuf_placement_wait",
		"dmabuf_unmap", "dmabuf_placement_alloc", "dmabuf_placement_move", "dmabuf_map",
	};
	struct dmabuf_importer_constraints limits = no_limits;
	struct dmabuf_exporter_placement before, after;
	struct dmabuf_importer_engine engine;
	struct dmabuf_importer_query query;
	char names[4096], expected[512] = "", text[512];
	struct waiter waiter = {};
	struct user first;
	long long strict;
	cpu_set_t cpu;
	size_t i;
	int fd;

	/* On one CPU, so that there is no doubt about the order. */
	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(cpu), &cpu));
	fd = buffer_in_pieces(self->exporter, self->importer, self->soft, 50000, 0, &first);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, placement_query(self->exporter, fd, &before));
	limits.max_segs = 1;
	strict = attach_limited(self->importer, fd, self->soft, &limits);
	ASSERT_LT(0, strict);
	ASSERT_EQ(0, attachment_query(self->importer, strict, &query));
	ASSERT_EQ(0, waiter_start(&waiter, self->importer, strict, DMABUF_IMPORTER_TO_DEVICE));
	ASSERT_TRUE(placement_becomes(self->exporter, fd, DMABUF_EXPORTER_DRAINING, 1));
	ASSERT_EQ(0, unmap(self->importer, first.mapping));
	ASSERT_LT(0, waiter_finish(&waiter));
	ASSERT_EQ(0, placement_query(self->exporter, fd, &after));

	ASSERT_EQ(0, events_of(self, query.buffer_id, names, sizeof(names)));
	/* Of our own queries, mostly. */
	without(names, " dmabuf_get");
	without(names, " dmabuf_put");
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		strcat(expected, " ");
		strcat(expected, steps[i]);
	}
	EXPECT_STREQ(expected, names);

	ASSERT_EQ(0, engine_describe(self->importer, self->soft, &engine));
	snprintf(text, sizeof(text), "buffer=%llu size=50000 kind=\"%s\" bits=%u chunks=%u ",
		 query.buffer_id, before.here.kind, before.here.bits, before.here.chunks);
	EXPECT_TRUE(trace_has(self, " dmabuf_placement_alloc:", text));
	snprintf(text, sizeof(text),
		 "buffer=%llu size=50000 kind=\"%s\" bits=%u chunks=1 needs_dma_mask=0xffffffffffffffff needs_max_segs=1\n",
		 query.buffer_id, after.here.kind, after.here.bits);
	EXPECT_TRUE(trace_has(self, " dmabuf_placement_alloc:", text));
	snprintf(text, sizeof(text),
		 "buffer=%llu attachment=%u device=%s error=0 constraint=max_segs allowed=0x1 actual=0x%x\n",
		 query.buffer_id, query.attachment_id, engine.device, first.segments);
	EXPECT_TRUE(trace_has(self, " dmabuf_placement_drain:", text));
	snprintf(text, sizeof(text),
		 "buffer=%llu attachment=%u device=%s direction=to_device readers=0 writers=1\n",
		 query.buffer_id, query.attachment_id, engine.device);
	EXPECT_TRUE(trace_has(self, " dmabuf_placement_wait:", text));
	snprintf(text, sizeof(text),
		 "buffer=%llu attachment=%u device=%s constraint=max_segs allowed=0x1 actual=0x%x bytes=50000 from=\"%s\" from_bits=%u from_chunks=%u to=\"%s\" to_bits=%u to_chunks=1 drain_ns=%llu\n",
		 query.buffer_id, query.attachment_id, engine.device, first.segments,
		 before.here.kind, before.here.bits, before.here.chunks, after.here.kind,
		 after.here.bits, after.move_drain_ns);
	EXPECT_TRUE(trace_has(self, " dmabuf_placement_move:", text));
	close(fd);
}

/* proves: N5, N6 */
TEST_F(trace, refusal_tells_which_device_and_why)
{
	struct dmabuf_importer_constraints limits = no_limits;
	struct dmabuf_exporter_placement place;
	struct dmabuf_importer_engine engine;
	char names[4096], text[256];
	long long id;
	int fd;

	fd = buffer_export_flags(self->exporter, 1, DMABUF_EXPORTER_AUTO,
				 DMABUF_EXPORTER_NO_LATE_ATTACH, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	id = buffer_id(self->exporter, fd);
	ASSERT_LT(0, id);
	limits.dma_mask = 0xffff;
	EXPECT_EQ(-EOPNOTSUPP, attach_limited(self->importer, fd, self->soft, &limits));
	ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
	ASSERT_EQ(0, events_of(self, id, names, sizeof(names)));
	without(names, " dmabuf_get");
	without(names, " dmabuf_put");
	EXPECT_STREQ(" dmabuf_export dmabuf_fd dmabuf_placement_refuse", names);
	ASSERT_EQ(0, engine_describe(self->importer, self->soft, &engine));
	snprintf(text, sizeof(text),
		 "buffer=%lld attachment=0 device=%s error=-%d constraint=dma_mask allowed=0xffff actual=0x%llx\n",
		 id, engine.device, EOPNOTSUPP, place.refusal.actual);
	EXPECT_TRUE(trace_has(self, " dmabuf_placement_refuse:", text));

	ASSERT_LT(0, map(self->importer, attach(self->importer, fd, self->soft),
			 DMABUF_IMPORTER_TO_DEVICE));
	EXPECT_EQ(-EBUSY, attach(self->importer, fd, self->soft));
	snprintf(text, sizeof(text),
		 "buffer=%lld attachment=0 device=%s error=-%d constraint=none allowed=0x0 actual=0x0\n",
		 id, engine.device, EBUSY);
	EXPECT_TRUE(trace_has(self, " dmabuf_placement_refuse:", text));
	close(fd);
}

/* proves: A1 */
TEST_F(trace, step_that_fails_fires_nothing)
{
	char names[4096];

	EXPECT_EQ(-EINVAL, buffer_export(self->exporter, 0, DMABUF_EXPORTER_AUTO));
	EXPECT_EQ(-EDQUOT, buffer_export(self->exporter, 1ULL << 60, DMABUF_EXPORTER_AUTO));
	EXPECT_EQ(-EBADF, attach(self->importer, -1, self->soft));
	EXPECT_EQ(-EINVAL, attach(self->importer, self->importer, self->soft));
	EXPECT_EQ(-ENOENT, map(self->importer, 1, DMABUF_IMPORTER_TO_DEVICE));
	ASSERT_EQ(0, events_of(self, 0, names, sizeof(names)));
	EXPECT_STREQ("", names);
}

TEST_HARNESS_MAIN
