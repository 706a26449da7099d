// SPDX-License-Identifier: GPL-2.0-only
/*
 * The exporter as a dma-heap: what its buffers are, limits, and its node.  The last tests
 * load the module anew; environment: DMABUF_MODULES, the directory that it is in.
 */
#include "heap-test.h"

#include <sys/wait.h>

FIXTURE(heap)
{
	int heap;
	int exporter;
	struct counters before;
};

FIXTURE_SETUP(heap)
{
	ASSERT_EQ(0, counters_read(&self->before));
	self->heap = heap_open();
	ASSERT_LE(0, self->heap);
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
}

FIXTURE_TEARDOWN(heap)
{
	EXPECT_EQ(0, close(self->heap));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* proves: R2 */
TEST_F(heap, buffer_is_contiguous_and_has_its_memory_at_once)
{
	struct dmabuf_exporter_placement place;
	struct dmabuf_exporter_query query;
	int fd = heap_alloc(self->heap, MIB - 5);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, buffer_query(self->exporter, fd, &query));
	EXPECT_EQ(MIB, query.bytes);
	EXPECT_EQ(MIB, query.backed_bytes);
	EXPECT_EQ(DMABUF_EXPORTER_CMA, query.requested);
	EXPECT_EQ(DMABUF_EXPORTER_CMA, query.backing);
	EXPECT_EQ(1, query.chunks);
	EXPECT_EQ(0, query.attachments);

	/* It may move, and be shared, as any other. */
	place = (struct dmabuf_exporter_placement) { .argsz = sizeof(place), .fd = fd };
	ASSERT_EQ(0, do_ioctl(self->exporter, DMABUF_EXPORTER_PLACEMENT, &place));
	EXPECT_EQ(0, place.flags);
	EXPECT_EQ(DMABUF_EXPORTER_BACKED, place.state);
	EXPECT_EQ(1, place.allocs);
	EXPECT_EQ(0, close(fd));
}

/* proves: F4 */
TEST_F(heap, file_is_of_the_kind_that_the_exporter_gives)
{
	struct dmabuf_exporter_query heaps, exporters;
	int fd = heap_alloc(self->heap, 1);
	int other = buffer_export(self->exporter, 1, DMABUF_EXPORTER_CMA);

	ASSERT_LE(0, fd);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, buffer_query(self->exporter, fd, &heaps));
	ASSERT_EQ(0, buffer_query(self->exporter, other, &exporters));
	EXPECT_EQ(exporters.flags, heaps.flags);
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(0, close(other));
}

/* proves: F4, R3 */
TEST_F(heap, device_and_cpu_see_what_the_other_wrote)
{
	unsigned char *memory, bytes[5000], back[5000];
	int importer = importer_open(), fd = heap_alloc(self->heap, 4 * page_size());
	long long attachment, mapping;

	ASSERT_LE(0, fd);
	ASSERT_LE(0, importer);
	memory = fd_mmap(fd, 4 * page_size());
	ASSERT_NE(MAP_FAILED, memory);
	attachment = attach(importer, fd, engine_find(importer, DMABUF_IMPORTER_SOFT, 0));
	ASSERT_LT(0, attachment);

	scribble(bytes, sizeof(bytes), 1);
	memcpy(memory + 77, bytes, sizeof(bytes));
	mapping = map(importer, attachment, DMABUF_IMPORTER_TO_DEVICE);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(0, copy_out(importer, mapping, 77, sizeof(back), back));
	EXPECT_EQ(0, memcmp(bytes, back, sizeof(bytes)));
	EXPECT_EQ(0, unmap(importer, mapping));

	scribble(bytes, sizeof(bytes), 2);
	mapping = map(importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(0, copy_in(importer, mapping, 99, sizeof(bytes), bytes));
	EXPECT_EQ(0, unmap(importer, mapping));
	EXPECT_EQ(0, memcmp(bytes, memory + 99, sizeof(bytes)));

	munmap(memory, 4 * page_size());
	EXPECT_EQ(0, detach(importer, attachment));
	EXPECT_EQ(0, close(importer));
	EXPECT_EQ(0, close(fd));
}

TEST_F(heap, access_mode_that_there_is_not_is_rejected)
{
	EXPECT_EQ(-EINVAL, heap_alloc_flags(self->heap, 1, O_ACCMODE, 0));
	EXPECT_EQ(-EINVAL, heap_alloc_flags(self->heap, 1, O_ACCMODE | O_CLOEXEC, 0));
}

TEST_F(heap, ioctl_of_another_device_is_refused)
{
	struct dma_heap_allocation_data arg = { .len = 1, .fd_flags = GOOD_FLAGS };
	unsigned int type;

	/* The kernel's own numbers, for every file, are others. */
	for (type = 0; type < 256; type++) {
		unsigned int cmd = _IOWR(type, 0, struct dma_heap_allocation_data);

		if (type == DMA_HEAP_IOC_MAGIC)
			continue;
		EXPECT_EQ(-ENOTTY, do_ioctl(self->heap, cmd, &arg)) TH_LOG("type %u", type);
	}
	EXPECT_EQ(0, arg.fd);
	EXPECT_EQ(-ENOTTY, do_ioctl(self->heap, DMABUF_EXPORTER_EXPORT, &arg));
	EXPECT_EQ(-ENOTTY, do_ioctl(self->exporter, DMA_HEAP_IOCTL_ALLOC, &arg));
}

TEST_F(heap, length_beyond_all_memory_is_no_memory)
{
	const __u64 lengths[] = { -1ULL - page_size() + 1, 1ULL << 63, 1ULL << 62, 1ULL << 40 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		EXPECT_EQ(-ENOMEM, heap_alloc(self->heap, lengths[i]))
			TH_LOG("length 0x%llx", lengths[i]);
	}
}

TEST_F(heap, open_heap_has_a_limit_of_its_own)
{
	long long limit = parameter_get("limit_file_mb");
	int other = heap_open(), fd, extra;

	ASSERT_LE(0, limit);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, parameter_set("limit_file_mb", 2));
	fd = heap_alloc(self->heap, 2 * MIB - page_size());
	EXPECT_LE(0, fd);
	EXPECT_EQ(-EDQUOT, heap_alloc(self->heap, page_size() + 1));
	extra = heap_alloc(self->heap, page_size());
	EXPECT_LE(0, extra);
	EXPECT_EQ(-EDQUOT, heap_alloc(self->heap, 1));

	/* Neither another open heap nor the exporter's node is concerned. */
	EXPECT_EQ(0, close(extra));
	extra = heap_alloc(other, 2 * MIB);
	EXPECT_LE(0, extra);
	EXPECT_EQ(0, close(extra));
	extra = buffer_export(self->exporter, 2 * MIB, DMABUF_EXPORTER_AUTO);
	EXPECT_LE(0, extra);
	EXPECT_EQ(0, close(extra));

	/* What has gone does not count any more. */
	EXPECT_EQ(0, close(fd));
	fd = heap_alloc(self->heap, 2 * MIB);
	EXPECT_LE(0, fd);
	EXPECT_EQ(0, close(fd));
	ASSERT_EQ(0, parameter_set("limit_file_mb", limit));
	EXPECT_EQ(0, close(other));
}

TEST_F(heap, limit_of_all_buffers_is_no_memory)
{
	long long limit = parameter_get("limit_total_mb");
	struct dmabuf_exporter_info info;
	int fd;

	ASSERT_LE(0, limit);
	ASSERT_EQ(0, self->before.backed_bytes);
	ASSERT_EQ(0, parameter_set("limit_total_mb", 2));
	fd = buffer_export_populated(self->exporter, MIB, DMABUF_EXPORTER_SCATTER);
	EXPECT_LE(0, fd);
	EXPECT_EQ(-ENOMEM, heap_alloc(self->heap, MIB + 1));
	EXPECT_EQ(-ENOMEM, heap_alloc(self->heap, 2 * MIB + 1));
	ASSERT_EQ(0, exporter_info(self->exporter, &info));
	EXPECT_EQ(MIB, info.backed_bytes);
	EXPECT_EQ(1, info.buffers);
	EXPECT_EQ(0, close(fd));
	fd = heap_alloc(self->heap, 2 * MIB);
	EXPECT_LE(0, fd);
	EXPECT_EQ(0, close(fd));
	ASSERT_EQ(0, parameter_set("limit_total_mb", limit));
}

TEST_F(heap, open_heap_keeps_the_module_and_so_does_its_buffer)
{
	const char *refs = "/sys/module/" EXPORTER_MODULE "/refcnt";
	long long one = file_number(refs);
	int fd;

	/* The heap and the exporter's node are open. */
	EXPECT_EQ(self->before.exporter_refs + 2, one);
	fd = heap_alloc(self->heap, 1);
	ASSERT_LE(0, fd);
	EXPECT_LT(one, file_number(refs));
	EXPECT_EQ(0, close(fd));
}

struct worker {
	pthread_t thread;
	int heap;
	unsigned int rounds;
	unsigned int seed;
	int error;
};

static void *alloc_and_close(void *data)
{
	struct worker *worker = data;
	size_t bytes = (worker->seed + 1) * page_size();
	unsigned char *memory;
	unsigned int i;
	int fd;

	for (i = 0; i < worker->rounds && !worker->error; i++) {
		fd = heap_alloc(worker->heap, bytes);
		if (fd < 0) {
			worker->error = fd;
			break;
		}
		memory = fd_mmap(fd, bytes);
		if (memory == MAP_FAILED || !all_bytes_are(memory, bytes, 0)) {
			worker->error = -EIO;
		} else {
			memset(memory, worker->seed + 1, bytes);
			if (!all_bytes_are(memory, bytes, worker->seed + 1))
				worker->error = -EUCLEAN;
			munmap(memory, bytes);
		}
		close(fd);
	}
	return NULL;
}

TEST_F(heap, threads_on_one_open_heap_get_memory_of_their_own)
{
	struct worker workers[8];
	int i;

	for (i = 0; i < 8; i++) {
		workers[i] = (struct worker) {
			.heap = self->heap, .rounds = scaled(100), .seed = i,
		};
		ASSERT_EQ(0, pthread_create(&workers[i].thread, NULL, alloc_and_close,
					    &workers[i]));
	}
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(0, pthread_join(workers[i].thread, NULL));
		EXPECT_EQ(0, workers[i].error);
	}
}

TEST_F(heap, process_that_is_killed_leaves_nothing)
{
	int round, pipes[2], status;
	char byte;
	pid_t child;

	for (round = 0; round < 5; round++) {
		ASSERT_EQ(0, pipe(pipes));
		child = fork();
		ASSERT_LE(0, child);
		if (!child) {
			int heap = heap_open();

			for (;;) {
				if (heap_alloc(heap, page_size()) < 0 && errno != EMFILE)
					_exit(1);
				if (write(pipes[1], "x", 1) != 1)
					_exit(2);
			}
		}
		/* It is at work, somewhere. */
		ASSERT_EQ(1, read(pipes[0], &byte, 1));
		sleep_ms(5 * round);
		ASSERT_EQ(0, kill(child, SIGKILL));
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
		close(pipes[0]);
		close(pipes[1]);
	}
}

/* The name of the node: a parameter of the module, which is loaded anew for it. */

static int module_load(const char *options)
{
	const char *dir = getenv("DMABUF_MODULES") ?: "/lib/modules/dmabuf";
	char path[PATH_MAX];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "%s/dmabuf-exporter-sample.ko", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (syscall(SYS_finit_module, fd, options, 0))
		ret = -errno;
	close(fd);
	return ret;
}

static int module_unload(void)
{
	return syscall(SYS_delete_module, EXPORTER_MODULE, O_NONBLOCK) ? -errno : 0;
}

/* The options to load it with again: its parameters as they are. */
static int module_options(char *options, size_t bytes)
{
	char name[NAME_MAX + 2];
	int ret = own_name(name, sizeof(name));

	if (ret)
		return ret;
	snprintf(options, bytes, "heap_name=%s limit_file_mb=%lld limit_total_mb=%lld", name,
		 parameter_get("limit_file_mb"), parameter_get("limit_total_mb"));
	return 0;
}

FIXTURE(heap_name)
{
	char options[NAME_MAX + 128];
	struct counters before;
};

FIXTURE_SETUP(heap_name)
{
	ASSERT_EQ(0, counters_read(&self->before));
	ASSERT_EQ(0, module_options(self->options, sizeof(self->options)));
	ASSERT_EQ(0, module_unload());
}

FIXTURE_TEARDOWN(heap_name)
{
	EXPECT_EQ(0, module_load(self->options));
	EXPECT_TRUE(counters_back_to(&self->before));
}

static bool heap_exists(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), HEAPS "/%s", name);
	return !access(path, F_OK);
}

TEST_F(heap_name, node_goes_with_the_module)
{
	EXPECT_FALSE(heap_exists("dmabuf-exporter"));
	ASSERT_EQ(0, module_load(""));
	EXPECT_TRUE(heap_exists("dmabuf-exporter"));
	ASSERT_EQ(0, module_unload());
	EXPECT_FALSE(heap_exists("dmabuf-exporter"));
}

TEST_F(heap_name, node_has_the_name_that_it_is_given)
{
	int heap, fd;

	ASSERT_EQ(0, module_load("heap_name=another-name"));
	EXPECT_TRUE(heap_exists("another-name"));
	EXPECT_FALSE(heap_exists("dmabuf-exporter"));
	heap = heap_open();
	ASSERT_LE(0, heap);
	fd = heap_alloc(heap, 1);
	EXPECT_LE(0, fd);
	/* In use. */
	EXPECT_EQ(-EWOULDBLOCK, module_unload());
	EXPECT_EQ(0, close(heap));
	EXPECT_EQ(-EWOULDBLOCK, module_unload());
	EXPECT_EQ(0, close(fd));
	ASSERT_EQ(0, module_unload());
	EXPECT_FALSE(heap_exists("another-name"));
}

TEST_F(heap_name, empty_name_makes_no_node)
{
	int exporter;

	ASSERT_EQ(0, module_load("heap_name="));
	EXPECT_FALSE(heap_exists("dmabuf-exporter"));
	EXPECT_EQ(-ENOENT, heap_open());
	exporter = exporter_open();
	EXPECT_LE(0, exporter);
	EXPECT_EQ(0, close(exporter));
	ASSERT_EQ(0, module_unload());
}

TEST_F(heap_name, name_that_no_file_can_have_is_rejected)
{
	static const char *const names[] = { ".", "..", "a/b", "/", "../dmabuf" };
	char option[NAME_MAX + 32] = "heap_name=";
	size_t i, length = strlen(option);

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		strcpy(option + length, names[i]);
		EXPECT_EQ(-EINVAL, module_load(option)) TH_LOG("%s", option);
	}
	memset(option + length, 'x', NAME_MAX + 1);
	option[length + NAME_MAX + 1] = 0;
	EXPECT_EQ(-EINVAL, module_load(option));

	/* And nothing is left of the attempts. */
	EXPECT_NE(0, access(EXPORTER_NODE, F_OK));
	option[length + NAME_MAX] = 0;
	ASSERT_EQ(0, module_load(option));
	EXPECT_TRUE(heap_exists(option + length));
	ASSERT_EQ(0, module_unload());
}

TEST_HARNESS_MAIN
