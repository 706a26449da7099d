// SPDX-License-Identifier: GPL-2.0-only
/* Who holds whom, the order at the end, and memory that runs out. */
#include "ops-fixture.h"

/* References, and the end */

/* proves: A2 */
TEST_F(ops, attachment_holds_its_device)
{
	int attachment[3], before, fd, i;
	__u32 buffer;

	fd = test_export(self->node, 0, BYTES, &buffer);
	ASSERT_LE(0, fd);
	before = test_device_references(self->node, 1);
	ASSERT_LT(0, before);
	for (i = 0; i < 3; i++) {
		attachment[i] = test_attach(self->node, fd, 1);
		ASSERT_LT(0, attachment[i]);
		EXPECT_EQ(before + i + 1, test_device_references(self->node, 1));
	}
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, test_detach(self->node, attachment[i]));
	EXPECT_EQ(before, test_device_references(self->node, 1));
	close(fd);
}

/* proves: E2, F3, P1 */
TEST_F(ops, attachment_holds_its_buffer)
{
	int attachment, fd, mapping;
	__u32 buffer;

	fd = test_export(self->node, BOTH_OPS, BYTES, &buffer);
	ASSERT_LE(0, fd);
	attachment = test_attach(self->node, fd, 0);
	ASSERT_LT(0, attachment);
	close(fd);
	EXPECT_EQ(0, test_state(self->node, buffer).counts.release);
	mapping = test_map(self->node, attachment, FROM_DEVICE);
	ASSERT_LT(0, mapping);
	EXPECT_EQ((long long)BYTES, test_touch(self->node, mapping, 1, 0x99));
	ASSERT_EQ(0, test_unmap(self->node, mapping));
	EXPECT_EQ(0, test_state(self->node, buffer).counts.release);
	ASSERT_EQ(0, test_detach(self->node, attachment));
	EXPECT_EQ(1, test_state(self->node, buffer).counts.release);
}

/* The release op ran once, where and when it must. */
static void was_released(struct __test_metadata *_metadata, int node, __u32 buffer)
{
	struct dmabuf_test_state state;

	ASSERT_TRUE(HOLDS_SOON(test_state(node, buffer).counts.release));
	state = test_state(node, buffer);
	EXPECT_EQ(1, state.counts.release);
	/* From the file's release: nobody has the file any more. */
	EXPECT_EQ(0, state.release_file_count);
	/* Before the module: it is still held, beside this open node. */
	EXPECT_LE(2, state.release_module_refs);
	/* Before the memory of the buffer object. */
	EXPECT_EQ(1, state.release_intact);
	EXPECT_EQ(1, state.release_in_process);
}

/* proves: E2, P1 */
TEST_F(ops, last_close_releases_once_and_in_order)
{
	int copy, fd;
	__u32 buffer;

	fd = test_export(self->node, BOTH_OPS, BYTES, &buffer);
	ASSERT_LE(0, fd);
	copy = dup(fd);
	ASSERT_LE(0, copy);
	EXPECT_TRUE(buffer_works(self->node, fd));
	EXPECT_EQ(self->before.module_refs + 1, remains_of(OPS_MODULE).module_refs);
	close(fd);
	EXPECT_EQ(0, test_state(self->node, buffer).counts.release);
	EXPECT_TRUE(buffer_works(self->node, copy));
	close(copy);
	was_released(_metadata, self->node, buffer);
}

/* proves: P1 */
TEST_F(ops, last_put_by_a_driver_releases)
{
	__u32 buffer;
	int fd;

	fd = test_export(self->node, BOTH_OPS, BYTES, &buffer);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, test_hold(self->node, fd));
	close(fd);
	EXPECT_EQ(0, test_state(self->node, buffer).counts.release);
	ASSERT_EQ(0, test_drop(self->node, 0));
	was_released(_metadata, self->node, buffer);
}

/* proves: P1 */
TEST_F(ops, last_put_by_a_kernel_thread_releases)
{
	__u32 buffer;
	int fd;

	fd = test_export(self->node, BOTH_OPS, BYTES, &buffer);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, test_hold(self->node, fd));
	close(fd);
	EXPECT_EQ(0, test_state(self->node, buffer).counts.release);
	ASSERT_EQ(0, test_drop(self->node, DMABUF_TEST_KTHREAD));
	was_released(_metadata, self->node, buffer);
}

/* proves: E2, P1 */
TEST(buffer_holds_the_module_of_its_exporter)
{
	struct remains before = remains_of(OPS_MODULE);
	int fd, node;
	__u32 buffer;

	ASSERT_LE(0, before.module_refs);
	node = open_node(DMABUF_TEST_OPS_NODE);
	ASSERT_LE(0, node);
	fd = test_export(node, BOTH_OPS, BYTES, &buffer);
	ASSERT_LE(0, fd);
	close(node);
	EXPECT_EQ(before.module_refs + 1, remains_of(OPS_MODULE).module_refs);
	errno = 0;
	EXPECT_EQ(-1, syscall(SYS_delete_module, OPS_MODULE, O_NONBLOCK));
	EXPECT_EQ(EWOULDBLOCK, errno);
	close(fd);
	EXPECT_TRUE(remains_are(OPS_MODULE, &before));
}

/* Memory */

/*
 * Lets the first allocation of a call fail, then the second, and so on until it
 * makes fewer than that.  Return: how many of them made the call fail, or 0 if
 * one did not with -ENOMEM, or left something behind.  A checker in the kernel,
 * as kmemleak, allocates for itself in between, and goes on without.
 */
static int fail_each_allocation(const struct remains *before, int node, __u32 op, __u32 flags)
{
	struct dmabuf_test_alloc arg;
	int refused = 0;
	__u32 nth;

	for (nth = 1; nth < 100; nth++) {
		if (test_alloc_flags(node, op, 1, nth, flags, &arg))
			return 0;
		if (!remains_are(OPS_MODULE, before))
			return 0;
		if (!arg.failed)
			return arg.ret ? 0 : refused;
		if (arg.ret && arg.ret != -ENOMEM) {
			note("allocation %u failed and the call said %d\n", nth, arg.ret);
			return 0;
		}
		refused += !!arg.ret;
	}
	return 0;
}

/* proves: E3 */
TEST_F(ops, export_without_memory_leaves_nothing)
{
	static const __u32 flags[] = { 0, DMABUF_TEST_NATIVE };
	size_t i;

	/* The buffer, its file and its dentry, at least, whichever kind the file is of. */
	for (i = 0; i < ARRAY_SIZE(flags); i++)
		EXPECT_LE(3, fail_each_allocation(&self->before, self->node, DMABUF_TEST_OP_EXPORT,
						  flags[i]));
}

/* proves: A3 */
TEST_F(ops, attach_without_memory_leaves_nothing)
{
	EXPECT_LE(1, fail_each_allocation(&self->before, self->node, DMABUF_TEST_OP_ATTACH, 0));
}

/* proves: M1 */
TEST_F(ops, second_map_without_memory_leaves_nothing)
{
	EXPECT_LE(1, fail_each_allocation(&self->before, self->node, DMABUF_TEST_OP_SECOND_MAP, 0));
}

/* proves: E3 */
TEST_F(ops, export_without_a_free_file_leaves_nothing)
{
	static const char file_max[] = "/proc/sys/fs/file-max";
	struct dmabuf_test_alloc arg;
	char limit[64];
	int ret;

	/* Only root may have more files than the limit: be nobody for one call. */
	ASSERT_LT(0, file_read(file_max, limit, sizeof(limit)));
	ASSERT_EQ(0, file_write(file_max, "0"));
	ret = seteuid(65534);
	if (!ret) {
		ret = test_alloc(self->node, DMABUF_TEST_OP_EXPORT, 1, 0, &arg);
		ret = seteuid(0) ?: ret;
	}
	ASSERT_EQ(0, file_write(file_max, limit));
	ASSERT_EQ(0, ret);
	EXPECT_EQ(-ENOMEM, arg.ret);
	EXPECT_EQ(0, arg.failed);

	ASSERT_EQ(0, test_alloc(self->node, DMABUF_TEST_OP_EXPORT, 1, 0, &arg));
	EXPECT_EQ(0, arg.ret);
}

/* proves: M1, U1 */
TEST_F(ops, map_and_unmap_need_no_memory)
{
	const __u32 times = scaled(10000);
	struct dmabuf_test_alloc arg;

	ASSERT_EQ(0, test_alloc(self->node, DMABUF_TEST_OP_MAP, times, 0, &arg));
	EXPECT_EQ(0, arg.ret);
	EXPECT_EQ(0, arg.allocations);

	/* That the count sees what there is: a second mapping needs a record. */
	ASSERT_EQ(0, test_alloc(self->node, DMABUF_TEST_OP_SECOND_MAP, times, 0, &arg));
	EXPECT_EQ(0, arg.ret);
	EXPECT_LE(times, arg.allocations);
}

static const char *const needed_modules[] = { "dmabuf-test-ops", NULL };

#include "test-modules-main.h"
