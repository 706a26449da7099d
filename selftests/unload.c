// SPDX-License-Identifier: GPL-2.0-only
/*
 * Modules stay as long as anything of theirs is in use, and go at once when it
 * is not.  Environment: DMABUF_MODULES, the directory of the three modules;
 * IMPORTER_OPTIONS, as the importer was loaded with; DMABUF_TEST_UNLOADS, how
 * often instead of a thousand times.
 */
#include "dmabuf-test.h"

#include <sys/socket.h>

static const struct {
	const char *name;
	const char *file;
} modules[] = {
	{ "dmabuf_core", "dmabuf-core.ko" },
	{ "dmabuf_exporter_sample", "dmabuf-exporter-sample.ko" },
	{ "dmabuf_importer_sample", "dmabuf-importer-sample.ko" },
};

enum { CORE, EXPORTER, IMPORTER, MODULES };

static int load(int which)
{
	const char *dir = getenv("DMABUF_MODULES") ?: "/lib/modules/dmabuf";
	const char *options = which == IMPORTER ? getenv("IMPORTER_OPTIONS") :
			      which == CORE ? getenv("CORE_OPTIONS") : NULL;
	char path[PATH_MAX];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "%s/%s", dir, modules[which].file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (syscall(SYS_finit_module, fd, options ?: "", 0))
		ret = -errno;
	close(fd);
	return ret;
}

static int unload(int which)
{
	return syscall(SYS_delete_module, modules[which].name, O_NONBLOCK) ? -errno : 0;
}

static bool is_loaded(int which)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", modules[which].name);
	return !access(path, F_OK);
}

static int load_all(void)
{
	int i, ret;

	for (i = 0; i < MODULES; i++) {
		ret = is_loaded(i) ? 0 : load(i);
		if (ret)
			return ret;
	}
	return 0;
}

static int unload_all(void)
{
	int i, ret;

	for (i = MODULES - 1; i >= 0; i--) {
		ret = unload(i);
		if (ret)
			return ret;
	}
	return 0;
}

/* Return: the soft engine, or -errno. */
static int soft_engine(int importer)
{
	return engine_find(importer, DMABUF_IMPORTER_SOFT, 0);
}

static long long core_refs(void)
{
	return file_number("/sys/module/dmabuf_core/refcnt");
}

FIXTURE(unload)
{
	struct counters before;
};

FIXTURE_SETUP(unload)
{
	ASSERT_EQ(0, load_all());
	ASSERT_EQ(0, counters_read(&self->before));
	/* Whoever uses the modules beside us makes this test tell nothing. */
	ASSERT_EQ(0, self->before.buffers);
	ASSERT_EQ(2, self->before.core_refs);
	ASSERT_EQ(0, self->before.exporter_refs);
	ASSERT_EQ(0, self->before.importer_refs);
}

FIXTURE_TEARDOWN(unload)
{
	EXPECT_EQ(0, load_all());
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* proves: P1, E2 */
TEST_F(unload, exporter_and_core_stay_while_an_fd_is_open)
{
	int exporter, fd;

	exporter = exporter_open();
	ASSERT_LE(0, exporter);
	fd = buffer_export(exporter, page_size(), DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, fd);
	close(exporter);
	/* The core is held by the file, too, not only by the exporter's use of symbols. */
	EXPECT_EQ(self->before.core_refs + 1, core_refs());
	EXPECT_EQ(-EWOULDBLOCK, unload(EXPORTER));
	EXPECT_EQ(-EWOULDBLOCK, unload(CORE));
	/* The importer has no part in it. */
	EXPECT_EQ(0, unload(IMPORTER));
	EXPECT_EQ(-EWOULDBLOCK, unload(CORE));
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(0, unload(EXPORTER));
	EXPECT_EQ(0, unload(CORE));
}

/* proves: R4, P1 */
TEST_F(unload, exporter_and_core_stay_while_memory_is_mapped)
{
	unsigned char *memory;
	int exporter, fd;

	exporter = exporter_open();
	ASSERT_LE(0, exporter);
	fd = buffer_export(exporter, page_size(), DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, fd);
	memory = buffer_mmap(exporter, fd, page_size());
	ASSERT_NE(MAP_FAILED, memory);
	close(fd);
	close(exporter);
	EXPECT_EQ(0, unload(IMPORTER));
	EXPECT_EQ(-EWOULDBLOCK, unload(EXPORTER));
	EXPECT_EQ(-EWOULDBLOCK, unload(CORE));
	/* The first touch comes after all that. */
	memory[5] = 5;
	EXPECT_EQ(0, munmap(memory, page_size()));
	EXPECT_EQ(0, unload(EXPORTER));
	EXPECT_EQ(0, unload(CORE));
}

/* proves: A1, D1, P1 */
TEST_F(unload, all_stay_while_a_device_is_attached)
{
	int exporter, importer, fd;
	long long attachment;

	exporter = exporter_open();
	ASSERT_LE(0, exporter);
	importer = importer_open();
	ASSERT_LE(0, importer);
	fd = buffer_export(exporter, page_size(), DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, fd);
	attachment = attach(importer, fd, soft_engine(importer));
	ASSERT_LT(0, attachment);
	close(fd);
	close(exporter);
	EXPECT_EQ(self->before.core_refs + 1, core_refs());
	EXPECT_EQ(-EWOULDBLOCK, unload(IMPORTER));
	EXPECT_EQ(-EWOULDBLOCK, unload(EXPORTER));
	EXPECT_EQ(-EWOULDBLOCK, unload(CORE));
	EXPECT_EQ(0, detach(importer, attachment));
	EXPECT_EQ(0, unload(EXPORTER));
	EXPECT_EQ(0, close(importer));
	EXPECT_EQ(0, unload(IMPORTER));
	EXPECT_EQ(0, unload(CORE));
}

/* proves: M1, U1, P1 */
TEST_F(unload, all_stay_while_a_device_has_it_mapped)
{
	int exporter, importer, fd;
	long long attachment, mapping;

	exporter = exporter_open();
	ASSERT_LE(0, exporter);
	importer = importer_open();
	ASSERT_LE(0, importer);
	fd = buffer_export(exporter, page_size(), DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, fd);
	attachment = attach(importer, fd, soft_engine(importer));
	ASSERT_LT(0, attachment);
	mapping = map(importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, mapping);
	close(fd);
	close(exporter);
	EXPECT_EQ(-EWOULDBLOCK, unload(IMPORTER));
	EXPECT_EQ(-EWOULDBLOCK, unload(EXPORTER));
	EXPECT_EQ(-EWOULDBLOCK, unload(CORE));
	EXPECT_EQ(0, fill(importer, mapping, 0, 8, 1));
	/* The mapping, the attachment and the buffer go with the open file. */
	EXPECT_EQ(0, close(importer));
	EXPECT_EQ(0, unload_all());
}

/* proves: F3, P1 */
TEST_F(unload, exporter_and_core_stay_while_an_fd_is_under_way)
{
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = {}, byte = 'x';
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	int sock[2], exporter, fd;

	exporter = exporter_open();
	ASSERT_LE(0, exporter);
	fd = buffer_export(exporter, page_size(), DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, fd);
	close(exporter);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	ASSERT_EQ(1, sendmsg(sock[0], &msg, 0));
	close(fd);
	EXPECT_EQ(self->before.core_refs + 1, core_refs());
	EXPECT_EQ(-EWOULDBLOCK, unload(EXPORTER));
	EXPECT_EQ(-EWOULDBLOCK, unload(CORE));
	close(sock[0]);
	close(sock[1]);
	EXPECT_EQ(0, unload_all());
}

/* proves: P1 */
TEST_F(unload, open_node_keeps_its_module)
{
	int node;

	node = exporter_open();
	ASSERT_LE(0, node);
	EXPECT_EQ(-EWOULDBLOCK, unload(EXPORTER));
	close(node);
	node = importer_open();
	ASSERT_LE(0, node);
	EXPECT_EQ(-EWOULDBLOCK, unload(IMPORTER));
	close(node);
	EXPECT_EQ(0, unload_all());
}

/* proves: P1 */
TEST_F(unload, core_stays_while_a_driver_needs_its_symbols)
{
	EXPECT_EQ(-EWOULDBLOCK, unload(CORE));
	EXPECT_EQ(0, unload(EXPORTER));
	EXPECT_EQ(-EWOULDBLOCK, unload(CORE));
	EXPECT_EQ(0, unload(IMPORTER));
	EXPECT_EQ(0, unload(CORE));
	EXPECT_NE(0, access(EXPORTER_NODE, F_OK));
	EXPECT_NE(0, access(IMPORTER_NODE, F_OK));
}

/* proves: P1 */
TEST_F(unload, second_load_is_refused)
{
	int i;

	for (i = 0; i < MODULES; i++)
		EXPECT_EQ(-EEXIST, load(i));
}

/* Uses the exporter, and the importer if it is there, and leaves nothing. */
static int use_once(void)
{
	int exporter = exporter_open(), importer = importer_open(), fd, ret = -EIO;
	long long attachment, mapping;
	unsigned char *memory;

	fd = buffer_export(exporter, 2 * page_size(), DMABUF_EXPORTER_AUTO);
	memory = buffer_mmap(exporter, fd, page_size());
	if (memory != MAP_FAILED) {
		memory[1] = 1;
		ret = 0;
	}
	if (importer >= 0) {
		attachment = attach(importer, fd, soft_engine(importer));
		mapping = map(importer, attachment, DMABUF_IMPORTER_BIDIRECTIONAL);
		ret = fill(importer, mapping, 0, 2 * page_size(), 1);
		close(importer);
	}
	close(exporter);
	close(fd);
	munmap(memory, page_size());
	return ret;
}

/* proves: P1, E2 */
TEST_F_TIMEOUT(unload, after_the_last_close_they_go_at_once_a_thousand_times, 1000)
{
	const char *given = getenv("DMABUF_TEST_UNLOADS");
	unsigned int i, rounds = given ? strtoul(given, NULL, 0) : scaled(1000);

	ASSERT_LT(0, rounds);
	TH_LOG("%u rounds", rounds);
	/* The importer, whose hardware takes its time, every tenth time. */
	for (i = 0; i < rounds; i++) {
		bool all = i % 10 == 0;

		if (all)
			ASSERT_EQ(0, load_all());
		ASSERT_EQ(0, use_once());
		if (all)
			ASSERT_EQ(0, unload(IMPORTER));
		ASSERT_EQ(0, unload(EXPORTER)) TH_LOG("round %u", i);
		ASSERT_EQ(0, unload(CORE)) TH_LOG("round %u", i);
		ASSERT_EQ(0, load(CORE)) TH_LOG("round %u", i);
		ASSERT_EQ(0, load(EXPORTER)) TH_LOG("round %u", i);
	}
}

TEST_HARNESS_MAIN
