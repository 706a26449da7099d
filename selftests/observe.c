// SPDX-License-Identifier: GPL-2.0-only
/* What debugfs and fdinfo show, and that they agree. */
#include "kinds.h"
#include "placement-test.h"

FIXTURE(observe)
{
	int exporter;
	int importer;
	int fd;
	int soft;
	size_t bytes;
	long long id;
	bool native;
	int native_files;
	struct counters before;
};

FIXTURE_VARIANT(observe)
{
	bool native;
};

FIXTURE_VARIANT_ADD(observe, kernel) { .native = false };
FIXTURE_VARIANT_ADD(observe, native) { .native = true };

/* The buffers of a test all have files of its kind; with none of the kernel's, no test. */
FIXTURE_SETUP(observe)
{
	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	self->soft = engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0);
	ASSERT_LE(0, self->soft);
	self->bytes = 3 * page_size() + 1;
	self->native = variant->native;
	self->native_files = native_files_set(variant->native);
	ASSERT_LE(0, self->native_files);
	self->fd = buffer_export(self->exporter, self->bytes, DMABUF_EXPORTER_AUTO);
	EXPECT_LE(0, self->fd);
	self->id = buffer_id(self->exporter, self->fd);
	EXPECT_LT(0, self->id);
	if (!variant->native && !file_is_kernel(self->exporter, self->fd)) {
		close(self->fd);
		self->fd = -EOPNOTSUPP;
	}
}

FIXTURE_TEARDOWN(observe)
{
	EXPECT_LE(0, native_files_set(self->native_files));
	if (self->fd >= 0)
		EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* Has a view this to say? */
static bool view_shows(FIXTURE_DATA(observe) *self, const struct view *view,
		       unsigned int attachments, unsigned int mappings)
{
	return view->size == (long long)self->bytes && !strcmp(view->exporter, EXPORTER_MODULE) &&
	       view->attachments == attachments && view->attachment_lines == attachments &&
	       view->mappings == mappings && view->mapping_lines == mappings;
}

/* Do debugfs, fdinfo if it is ours, and the ioctl say the same, and this? */
static bool all_show(FIXTURE_DATA(observe) *self, unsigned int attachments, unsigned int mappings)
{
	struct dmabuf_exporter_query query;
	static struct view view;
	long long id;

	if (view_debugfs(self->id, &view) ||
	    strcmp(view.kind, self->native ? "native file" : "kernel file") ||
	    !view_shows(self, &view, attachments, mappings))
		return false;
	if (self->native && (view_fdinfo(self->fd, &id, &view) || id != self->id ||
			     !view_shows(self, &view, attachments, mappings)))
		return false;
	return !buffer_query(self->exporter, self->fd, &query) &&
	       (long long)query.id == self->id && query.attachments == attachments;
}

/* proves: A5, E1 */
TEST_F(observe, debugfs_fdinfo_and_query_agree_at_every_step)
{
	long long one, two, mappings[3];

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	EXPECT_TRUE(all_show(self, 0, 0));
	one = attach(self->importer, self->fd, self->soft);
	ASSERT_LT(0, one);
	EXPECT_TRUE(all_show(self, 1, 0));
	two = attach(self->importer, self->fd, self->soft);
	ASSERT_LT(0, two);
	EXPECT_TRUE(all_show(self, 2, 0));
	mappings[0] = map(self->importer, one, DMABUF_IMPORTER_TO_DEVICE);
	mappings[1] = map(self->importer, one, DMABUF_IMPORTER_FROM_DEVICE);
	mappings[2] = map(self->importer, two, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, mappings[2]);
	EXPECT_TRUE(all_show(self, 2, 3));
	EXPECT_EQ(0, unmap(self->importer, mappings[0]));
	EXPECT_TRUE(all_show(self, 2, 2));
	EXPECT_EQ(0, unmap(self->importer, mappings[1]));
	EXPECT_EQ(0, unmap(self->importer, mappings[2]));
	EXPECT_TRUE(all_show(self, 2, 0));
	EXPECT_EQ(0, detach(self->importer, one));
	EXPECT_TRUE(all_show(self, 1, 0));
	EXPECT_EQ(0, detach(self->importer, two));
	EXPECT_TRUE(all_show(self, 0, 0));
}

/* proves: A2 */
TEST_F(observe, attachments_are_listed_with_their_devices)
{
	struct dmabuf_importer_engine engine;
	struct dmabuf_importer_query query;
	static struct view view;
	long long handle, id;
	__u32 i;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	for (i = 0; !engine_describe(self->importer, i, &engine); i++) {
		handle = attach(self->importer, self->fd, i);
		ASSERT_LT(0, handle);
		ASSERT_EQ(0, attachment_query(self->importer, handle, &query));
		ASSERT_EQ(0, view_debugfs(self->id, &view));
		ASSERT_EQ(1, view.attachment_lines);
		EXPECT_EQ(query.attachment_id, view.ids[0]);
		EXPECT_STREQ(engine.device, view.devices[0]);
		if (variant->native) {
			ASSERT_EQ(0, view_fdinfo(self->fd, &id, &view));
			ASSERT_EQ(1, view.attachment_lines);
			EXPECT_STREQ(engine.device, view.devices[0]);
		}
		EXPECT_EQ(0, detach(self->importer, handle));
	}
}

/* The part of debugfs that is about one buffer, or fdinfo. */
static int text_of(const char *path, long long id, char *text, size_t bytes)
{
	FILE *file = fopen(path, "re");
	bool mine = id < 0;
	char line[512];
	long long found;

	*text = 0;
	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file)) {
		if (id >= 0 && sscanf(line, "buffer %lld:", &found) == 1)
			mine = found == id;
		if (mine && strlen(text) + strlen(line) < bytes)
			strcat(text, line);
	}
	fclose(file);
	return 0;
}

static const char *const constraints[] = {
	"none", "dma_mask", "seg_boundary", "max_seg_size", "max_segs", "align",
};

static void print_reason(char *text, size_t bytes, const struct dmabuf_exporter_reason *reason)
{
	*text = 0;
	if (reason->constraint)
		snprintf(text, bytes, ", %s: allows 0x%llx, had 0x%llx",
			 constraints[reason->constraint], reason->allowed, reason->actual);
}

/*
 * What the query says of a buffer's placement, as debugfs and fdinfo print it.
 * @asker is the id of the attachment that has moved it, if one has.
 */
static void print_placement(char *text, size_t bytes,
			    const struct dmabuf_exporter_placement *place, __u32 asker)
{
	static const char *const states[] = { "empty", "backed", "mapped", "draining", "moving" };
	char reason[128], *end = text + bytes;

	text += snprintf(text, end - text, "  placement: %s", states[place->state]);
	if (*place->here.kind)
		text += snprintf(text, end - text, ", %s, %u bits, %u chunks", place->here.kind,
				 place->here.bits, place->here.chunks);
	text += snprintf(text, end - text, ", %u readers, %u writers, %u waiting%s%s%s\n",
			 place->readers, place->writers, place->waiting,
			 place->flags & DMABUF_EXPORTER_FIXED ? ", fixed" : "",
			 place->flags & DMABUF_EXPORTER_NO_LATE_ATTACH ? ", no late attach" : "",
			 place->flags & DMABUF_EXPORTER_ONE_WRITER ? ", one writer" : "");
	if (place->state == DMABUF_EXPORTER_DRAINING) {
		print_reason(reason, sizeof(reason), &place->next);
		text += snprintf(text, end - text, "  draining for: %s%s\n", place->next.device,
				 reason);
	}
	text += snprintf(text, end - text,
			 "  counters: %llu allocs, %llu moves, %llu failures, %llu stalls, %llu bytes moved, %llu ns drained\n",
			 place->allocs, place->moves, place->failures, place->stalls,
			 place->moved_bytes, place->drain_ns);
	if (*place->move.device) {
		print_reason(reason, sizeof(reason), &place->move);
		text += snprintf(text, end - text,
				 "  last move: for attachment %u of %s%s, %llu bytes from %s (%u bits, %u chunks) to %s (%u bits, %u chunks), drained %llu ns\n",
				 asker, place->move.device, reason, place->move_bytes,
				 place->from.kind, place->from.bits, place->from.chunks,
				 place->to.kind, place->to.bits, place->to.chunks,
				 place->move_drain_ns);
	}
	if (place->refusal.error) {
		print_reason(reason, sizeof(reason), &place->refusal);
		snprintf(text, end - text, "  last refusal: of %s, error -%u%s\n",
			 place->refusal.device, place->refusal.error, reason);
	}
}

/* Do debugfs, fdinfo if it is ours, and the query say the same of where a buffer lies, and why? */
static bool placement_is_shown(int exporter, int fd, __u32 asker)
{
	static char expected[2048], debugfs[8192], fdinfo[8192];
	struct dmabuf_exporter_placement place;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	if (placement_query(exporter, fd, &place) ||
	    text_of(BUFFERS_FILE, buffer_id(exporter, fd), debugfs, sizeof(debugfs)) ||
	    text_of(path, -1, fdinfo, sizeof(fdinfo)))
		return false;
	print_placement(expected, sizeof(expected), &place, asker);
	if (strstr(debugfs, expected) &&
	    (file_is_kernel(exporter, fd) || strstr(fdinfo, expected)))
		return true;
	printf("# expected:\n%s# debugfs:\n%s# fdinfo:\n%s", expected, debugfs, fdinfo);
	fflush(stdout);
	return false;
}

/* proves: N1, N3, N4, N5 */
TEST_F(observe, debugfs_and_fdinfo_tell_where_a_buffer_lies_and_why)
{
	struct dmabuf_importer_constraints limits = no_limits;
	struct dmabuf_exporter_placement place;
	struct dmabuf_importer_query query;
	struct waiter waiter = {};
	struct user first;
	long long strict;
	int fd;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	/* Nothing there yet. */
	EXPECT_TRUE(placement_is_shown(self->exporter, self->fd, 0));

	fd = buffer_in_pieces(self->exporter, self->importer, self->soft, self->bytes, 0, &first);
	ASSERT_LE(0, fd);
	EXPECT_TRUE(placement_is_shown(self->exporter, fd, 0));
	limits.dma_mask = 0xffff;
	EXPECT_EQ(-EOPNOTSUPP, attach_limited(self->importer, fd, self->soft, &limits));
	EXPECT_TRUE(placement_is_shown(self->exporter, fd, 0));

	limits = no_limits;
	limits.max_segs = 1;
	strict = attach_limited(self->importer, fd, self->soft, &limits);
	ASSERT_LT(0, strict);
	ASSERT_EQ(0, attachment_query(self->importer, strict, &query));
	ASSERT_EQ(0, waiter_start(&waiter, self->importer, strict, DMABUF_IMPORTER_TO_DEVICE));
	ASSERT_TRUE(placement_becomes(self->exporter, fd, DMABUF_EXPORTER_DRAINING, 1));
	EXPECT_TRUE(placement_is_shown(self->exporter, fd, 0));
	ASSERT_EQ(0, unmap(self->importer, first.mapping));
	ASSERT_LT(0, waiter_finish(&waiter));
	EXPECT_TRUE(placement_is_shown(self->exporter, fd, query.attachment_id));
	ASSERT_EQ(0, unmap(self->importer, waiter.mapping));
	EXPECT_TRUE(placement_is_shown(self->exporter, fd, query.attachment_id));
	ASSERT_EQ(0, placement_query(self->exporter, fd, &place));
	EXPECT_EQ(1, place.moves);
	EXPECT_EQ(EOPNOTSUPP, place.refusal.error);
	close(fd);
}

/* proves: N6, M3 */
TEST_F(observe, debugfs_and_fdinfo_tell_what_a_buffer_allows)
{
	const __u32 all = DMABUF_EXPORTER_FIXED | DMABUF_EXPORTER_NO_LATE_ATTACH |
			  DMABUF_EXPORTER_ONE_WRITER;
	__u32 flags;
	int fd;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	for (flags = 0; flags <= all; flags += DMABUF_EXPORTER_FIXED) {
		fd = buffer_export_flags(self->exporter, 1, DMABUF_EXPORTER_AUTO, flags,
					 O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, fd);
		EXPECT_TRUE(placement_is_shown(self->exporter, fd, 0)) TH_LOG("flags 0x%x", flags);
		close(fd);
	}
	/* Refused for the policy, so without a constraint. */
	fd = buffer_export_flags(self->exporter, 1, DMABUF_EXPORTER_AUTO, all, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_LT(0, map(self->importer, attach(self->importer, fd, self->soft),
			 DMABUF_IMPORTER_TO_DEVICE));
	EXPECT_EQ(-EBUSY, attach(self->importer, fd, self->soft));
	EXPECT_TRUE(placement_is_shown(self->exporter, fd, 0));
	close(fd);
}

/* proves: F3 */
TEST_F(observe, fdinfo_of_another_process_shows_the_buffer)
{
	char path[64], text[2048], line[64];
	pid_t child;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		for (;;)
			pause();
	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", child, self->fd);
	EXPECT_LT(0, file_read(path, text, sizeof(text)));
	snprintf(line, sizeof(line), "size:\t%zu\n", page_align(self->bytes));
	EXPECT_NE(NULL, strstr(text, line));
	snprintf(line, sizeof(line), "dmabuf_id:\t%lld\n", self->id);
	if (variant->native)
		EXPECT_NE(NULL, strstr(text, line));
	kill(child, SIGKILL);
	EXPECT_EQ(child, waitpid(child, NULL, 0));
}

/* proves: E2, P1 */
TEST_F(observe, every_live_buffer_is_listed_once)
{
	enum { MANY = 500 };
	static long long ids[MANY];
	static int fds[MANY], seen[MANY];
	char line[512];
	long long id;
	FILE *file;
	int i;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	for (i = 0; i < MANY; i++) {
		fds[i] = buffer_export(self->exporter, 1, DMABUF_EXPORTER_AUTO);
		ASSERT_LE(0, fds[i]);
		ids[i] = buffer_id(self->exporter, fds[i]);
	}
	file = fopen(BUFFERS_FILE, "re");
	ASSERT_NE(NULL, file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "buffer %lld:", &id) != 1)
			continue;
		for (i = 0; i < MANY; i++)
			seen[i] += ids[i] == id;
	}
	fclose(file);
	for (i = 0; i < MANY; i++) {
		EXPECT_EQ(1, seen[i]);
		close(fds[i]);
	}
	EXPECT_EQ(self->before.listed + 1, buffers_listed());
}

/* proves: E2 */
TEST_F(observe, view_is_for_the_administrator)
{
	struct stat view;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_EQ(0, stat(BUFFERS_FILE, &view));
	EXPECT_EQ(0400, view.st_mode & 07777);
	EXPECT_EQ(0, view.st_uid);
}

struct looker {
	atomic_bool stop;
	atomic_int looks;
};

static void *look_for_ever(void *data)
{
	struct looker *looker = data;

	while (!atomic_load(&looker->stop)) {
		if (buffers_listed() < 1)
			break;
		atomic_fetch_add(&looker->looks, 1);
	}
	return NULL;
}

/* proves: E2 */
TEST_F(observe, reader_that_stops_halfway_blocks_no_export)
{
	int view = open(BUFFERS_FILE, O_RDONLY | O_CLOEXEC), fds[100], i;
	char byte;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_LE(0, view);
	ASSERT_EQ(1, read(view, &byte, 1));
	EXPECT_EQ('b', byte);
	for (i = 0; i < 100; i++) {
		fds[i] = buffer_export(self->exporter, 1, DMABUF_EXPORTER_AUTO);
		ASSERT_LE(0, fds[i]);
	}
	EXPECT_EQ(1, read(view, &byte, 1));
	for (i = 0; i < 100; i++)
		EXPECT_EQ(0, close(fds[i]));
	/* What it read of may have gone meanwhile. */
	while (read(view, &byte, 1) == 1)
		;
	close(view);
}

/* proves: E2, P1 */
TEST_F(observe, readers_in_a_loop_do_not_stop_exports)
{
	unsigned int i, rounds = scaled(3000);
	struct looker looker = {};
	pthread_t threads[2];
	__u64 start, longest = 0, took;
	int fd;

	if (self->fd < 0)
		SKIP(return, NO_KERNEL_FILES);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, look_for_ever, &looker));
	for (i = 0; i < rounds || atomic_load(&looker.looks) < 10; i++) {
		start = now_ms();
		fd = buffer_export(self->exporter, 1, DMABUF_EXPORTER_AUTO);
		took = now_ms() - start;
		ASSERT_LE(0, fd);
		if (took > longest)
			longest = took;
		ASSERT_EQ(0, close(fd));
	}
	atomic_store(&looker.stop, true);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	EXPECT_LE(10, atomic_load(&looker.looks));
	/* Time slices of two busy readers are the most that it waits for. */
	EXPECT_GT(2000, longest);
}

TEST_HARNESS_MAIN
