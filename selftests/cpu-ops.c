// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an exporter's ops for the CPU's access decide, and what the core makes of it, when
 * user space asks by the fd and when a driver asks.  Driven through dmabuf-test-cpu.
 */
#include "cpu-ops-test.h"

/* The kernel's own errno, which no C library has. */
#define ENOTSUPP 524

static const __u64 sync_flags[] = {
	[BOTH_WAYS] = DMA_BUF_SYNC_RW,
	[TO_THE_DEVICE] = DMA_BUF_SYNC_WRITE,
	[FROM_THE_DEVICE] = DMA_BUF_SYNC_READ,
};

FIXTURE(ops)
{
	struct ops_buffer at;
};

FIXTURE_VARIANT(ops)
{
	bool native;
	bool layer;
};

FIXTURE_VARIANT_ADD(ops, kernel) { .native = false };
FIXTURE_VARIANT_ADD(ops, native) { .native = true };
FIXTURE_VARIANT_ADD(ops, kernel_on_the_layer) { .native = false, .layer = true };
FIXTURE_VARIANT_ADD(ops, native_on_the_layer) { .native = true, .layer = true };

FIXTURE_SETUP(ops)
{
	ASSERT_EQ(0, ops_open(&self->at, variant->native, variant->layer));
}

FIXTURE_TEARDOWN(ops)
{
	ops_finish(_metadata, &self->at);
}

/* Begin and end */

/* proves: R4 */
TEST_F(ops, begin_and_end_are_called_once_with_the_direction)
{
	struct ops_buffer *at = &self->at;
	struct dmabuf_test_cpu_state state;
	__u32 direction;

	if (self->at.missing)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_EQ(0, ops_export_kind(at, HAS_ALL, 0));
	for (direction = BOTH_WAYS; direction <= FROM_THE_DEVICE; direction++) {
		EXPECT_EQ(0, buffer_sync(at->fd, DMA_BUF_SYNC_START | sync_flags[direction]));
		state = ops_state(at);
		EXPECT_EQ(1, state.begun[direction]);
		EXPECT_EQ(0, state.ended[direction]);
		EXPECT_EQ(0, buffer_sync(at->fd, DMA_BUF_SYNC_END | sync_flags[direction]));
		EXPECT_EQ(1, ops_state(at).ended[direction]);

		/* A driver. */
		EXPECT_EQ(0, cpu_begin(at->node, at->fd, direction));
		state = ops_state(at);
		EXPECT_EQ(2, state.begun[direction]);
		EXPECT_EQ(1, state.ended[direction]);
		EXPECT_EQ(0, cpu_end(at->node, at->fd, direction));
		EXPECT_EQ(2, ops_state(at).ended[direction]);
	}
	state = ops_state(at);
	EXPECT_EQ(6, state.counts[BEGIN_OP]);
	EXPECT_EQ(6, state.counts[END_OP]);
	/* Nothing else was asked of the exporter. */
	EXPECT_EQ(0, state.counts[MMAP_OP]);
	EXPECT_EQ(0, state.counts[VMAP_OP]);
	EXPECT_EQ(0, state.counts[MOVE_OP]);
}

/* proves: R4 */
TEST_F(ops, sync_that_is_rejected_does_not_get_to_the_exporter)
{
	struct ops_buffer *at = &self->at;
	struct dmabuf_test_cpu_state state;

	if (self->at.missing)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_EQ(0, ops_export_kind(at, HAS_ALL, 0));
	EXPECT_EQ(-EINVAL, buffer_sync(at->fd, DMA_BUF_SYNC_START));
	EXPECT_EQ(-EINVAL, buffer_sync(at->fd, DMA_BUF_SYNC_END));
	EXPECT_EQ(-EINVAL, buffer_sync(at->fd, ~0ULL));
	EXPECT_EQ(-EFAULT, do_ioctl(at->fd, DMA_BUF_IOCTL_SYNC, NULL));
	state = ops_state(at);
	EXPECT_EQ(0, state.counts[BEGIN_OP]);
	EXPECT_EQ(0, state.counts[END_OP]);
	/* What was not begun: on native files only, see cpu-access.c. */
	EXPECT_EQ(variant->native ? -EINVAL : 0,
		  buffer_sync(at->fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW));
	EXPECT_EQ(!variant->native, ops_state(at).counts[END_OP]);
}

/* proves: R4 */
TEST_F(ops, errors_of_begin_and_end_arrive_unchanged)
{
	struct ops_buffer *at = &self->at;
	static const int errors[] = { EIO, ENOMEM, EINTR, EBUSY, EOPNOTSUPP, ETIMEDOUT };
	const __u64 start = DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW;
	const __u64 end = DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW;
	size_t i;

	if (self->at.missing)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_EQ(0, ops_export_kind(at, HAS_ALL, 0));
	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		ASSERT_EQ(0, ops_fail(at, BEGIN_OP, -errors[i]));
		EXPECT_EQ(-errors[i], buffer_sync(at->fd, start));
		EXPECT_EQ(-errors[i], cpu_begin(at->node, at->fd, BOTH_WAYS));
		/* Then nothing was begun. */
		EXPECT_EQ(variant->native ? -EINVAL : 0, buffer_sync(at->fd, end));
		ASSERT_EQ(0, ops_fail(at, BEGIN_OP, 0));

		EXPECT_EQ(0, buffer_sync(at->fd, start));
		ASSERT_EQ(0, ops_fail(at, END_OP, -errors[i]));
		EXPECT_EQ(-errors[i], buffer_sync(at->fd, end));
		EXPECT_EQ(-errors[i], cpu_end(at->node, at->fd, BOTH_WAYS));
		ASSERT_EQ(0, ops_fail(at, END_OP, 0));
		/* It is over all the same: there is nothing that could be ended again. */
		EXPECT_EQ(variant->native ? -EINVAL : 0, buffer_sync(at->fd, end));
	}
}

/* proves: R4 */
TEST_F(ops, access_without_begin_and_end_ops_works)
{
	struct ops_buffer *at = &self->at;
	static const __u32 without[] = {
		0, HAS_ALL & ~DMABUF_TEST_CPU_HAS_BEGIN, HAS_ALL & ~DMABUF_TEST_CPU_HAS_END,
	};
	struct dmabuf_test_cpu_state state;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(without); i++) {
		if (self->at.missing)
			SKIP(return, NO_KERNEL_FILES);
		ASSERT_EQ(0, ops_export_kind(at, without[i], 0));
		EXPECT_EQ(0, buffer_sync(at->fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ));
		EXPECT_EQ(0, buffer_sync(at->fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ));
		EXPECT_EQ(0, cpu_begin(at->node, at->fd, TO_THE_DEVICE));
		EXPECT_EQ(0, cpu_end(at->node, at->fd, TO_THE_DEVICE));
		state = ops_state(at);
		EXPECT_EQ(without[i] & DMABUF_TEST_CPU_HAS_BEGIN ? 2 : 0, state.counts[BEGIN_OP]);
		EXPECT_EQ(without[i] & DMABUF_TEST_CPU_HAS_END ? 2 : 0, state.counts[END_OP]);
		ops_close(at);
		EXPECT_TRUE(HOLDS_SOON(ops_state(at).released));
	}
}

/* mmap */

static int refused(int fd, size_t bytes, int flags)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (memory == MAP_FAILED)
		return -errno;
	munmap(memory, bytes);
	return 0;
}

/* proves: R4 */
TEST_F(ops, mmap_by_fd_and_by_a_driver_show_the_same_memory)
{
	struct ops_buffer *at = &self->at;
	unsigned char *by_fd, *by_driver, *second_page;
	size_t page = page_size();
	int attachment, mapping;

	if (self->at.missing)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_EQ(0, ops_export_kind(at, HAS_ALL, 0));
	by_fd = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, at->fd, 0);
	ASSERT_NE(MAP_FAILED, by_fd);
	ASSERT_EQ(0, cpu_mmap_shows(at->node, at->fd, 0));
	by_driver = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, at->node, 0);
	ASSERT_NE(MAP_FAILED, by_driver);
	ASSERT_EQ(0, cpu_mmap_shows(at->node, at->fd, 1));
	/* Its own offset is not looked at. */
	second_page = mmap(NULL, page, PROT_READ, MAP_SHARED, at->node, 77 * page);
	ASSERT_NE(MAP_FAILED, second_page);
	EXPECT_EQ(3, ops_state(at).counts[MMAP_OP]);

	attachment = test_attach(at->importer, at->fd, 0);
	ASSERT_LT(0, attachment);
	mapping = test_map(at->importer, attachment, FROM_THE_DEVICE);
	ASSERT_LT(0, mapping);
	EXPECT_EQ((long long)BYTES, test_touch(at->importer, mapping, 1, 0x61));
	EXPECT_TRUE(all_bytes_are(by_fd, BYTES, 0x61));
	EXPECT_TRUE(all_bytes_are(by_driver, BYTES, 0x61));
	EXPECT_TRUE(all_bytes_are(second_page, page, 0x61));
	by_fd[page] = 0x62;
	by_driver[page + 1] = 0x63;
	EXPECT_EQ(0x62, second_page[0]);
	EXPECT_EQ(0x63, second_page[1]);
	EXPECT_EQ((long long)BYTES - 2, test_touch(at->importer, mapping, 0, 0x61));

	/* A VMA of the driver's node holds the buffer, and not the node. */
	ASSERT_EQ(0, cpu_mmap_shows(at->node, -1, 0));
	EXPECT_EQ(0, test_unmap(at->importer, mapping));
	EXPECT_EQ(0, test_detach(at->importer, attachment));
	munmap(by_fd, BYTES);
	munmap(second_page, page);
	close(at->fd);
	at->fd = -1;
	EXPECT_EQ(0, ops_state(at).released);
	EXPECT_EQ(0x63, by_driver[page + 1]);
	munmap(by_driver, BYTES);
	EXPECT_TRUE(HOLDS_SOON(ops_state(at).released));
}

/* proves: R4 */
TEST_F(ops, mmap_that_breaks_a_rule_does_not_get_to_the_exporter)
{
	struct ops_buffer *at = &self->at;
	size_t page = page_size();

	if (self->at.missing)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_EQ(0, ops_export_kind(at, HAS_ALL, 0));
	EXPECT_EQ(-EINVAL, refused(at->fd, BYTES, MAP_PRIVATE));
	EXPECT_EQ(-EINVAL, refused(at->fd, BYTES + page, MAP_SHARED));
	ASSERT_EQ(0, cpu_mmap_shows(at->node, at->fd, 0));
	EXPECT_EQ(-EINVAL, refused(at->node, BYTES, MAP_PRIVATE));
	EXPECT_EQ(-EINVAL, refused(at->node, BYTES + page, MAP_SHARED));
	ASSERT_EQ(0, cpu_mmap_shows(at->node, at->fd, 1));
	EXPECT_EQ(-EINVAL, refused(at->node, BYTES, MAP_SHARED));
	ASSERT_EQ(0, cpu_mmap_shows(at->node, at->fd, BYTES / page));
	EXPECT_EQ(-EINVAL, refused(at->node, page, MAP_SHARED));
	ASSERT_EQ(0, cpu_mmap_shows(at->node, at->fd, 1UL << (8 * sizeof(long) - 12)));
	EXPECT_EQ(-EINVAL, refused(at->node, page, MAP_SHARED));
	/* The end of it overflows. */
	ASSERT_EQ(0, cpu_mmap_shows(at->node, at->fd, ~0UL));
	EXPECT_EQ(-EOVERFLOW, refused(at->node, page, MAP_SHARED));
	EXPECT_EQ(-EOVERFLOW, refused(at->node, BYTES, MAP_SHARED));
	ASSERT_EQ(0, cpu_mmap_shows(at->node, at->fd, ~0UL - 1));
	EXPECT_EQ(-EINVAL, refused(at->node, page, MAP_SHARED));
	EXPECT_EQ(-EOVERFLOW, refused(at->node, BYTES, MAP_SHARED));
	EXPECT_EQ(0, ops_state(at).counts[MMAP_OP]);
	ASSERT_EQ(0, cpu_mmap_shows(at->node, -1, 0));
}

/* proves: R4 */
TEST_F(ops, errors_of_mmap_arrive_unchanged)
{
	struct ops_buffer *at = &self->at;
	static const int errors[] = { EPERM, EACCES, ENOMEM, ENODEV, EBUSY, EAGAIN };
	size_t i;

	if (self->at.missing)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_EQ(0, ops_export_kind(at, HAS_ALL, 0));
	ASSERT_EQ(0, cpu_mmap_shows(at->node, at->fd, 0));
	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		ASSERT_EQ(0, ops_fail(at, MMAP_OP, -errors[i]));
		EXPECT_EQ(-errors[i], refused(at->fd, BYTES, MAP_SHARED));
		EXPECT_EQ(-errors[i], refused(at->node, BYTES, MAP_SHARED));
	}
	ASSERT_EQ(0, ops_fail(at, MMAP_OP, 0));
	EXPECT_EQ(0, refused(at->fd, BYTES, MAP_SHARED));
	EXPECT_EQ(0, refused(at->node, BYTES, MAP_SHARED));
	ASSERT_EQ(0, cpu_mmap_shows(at->node, -1, 0));
}

/* proves: R4 */
TEST_F(ops, mmap_without_an_op_is_refused)
{
	struct ops_buffer *at = &self->at;

	if (self->at.missing)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_EQ(0, ops_export_kind(at, HAS_ALL & ~DMABUF_TEST_CPU_HAS_MMAP, 0));
	EXPECT_EQ(-EINVAL, refused(at->fd, BYTES, MAP_SHARED));
	ASSERT_EQ(0, cpu_mmap_shows(at->node, at->fd, 0));
	EXPECT_EQ(-EINVAL, refused(at->node, BYTES, MAP_SHARED));
	ASSERT_EQ(0, cpu_mmap_shows(at->node, -1, 0));
}

/* vmap */

/* proves: R4 */
TEST_F(ops, vmap_gives_the_kernel_the_whole_buffer)
{
	struct ops_buffer *at = &self->at;
	int attachment, mapping, vmap;
	long long bytes = BYTES;

	if (self->at.missing)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_EQ(0, ops_export_kind(at, HAS_ALL, 0));
	vmap = cpu_vmap(at->node, at->fd);
	ASSERT_LT(0, vmap);
	EXPECT_EQ(1, ops_state(at).vmapped);
	/* Fresh memory, of a buffer that nobody has used. */
	EXPECT_EQ(bytes, cpu_touch(at->node, vmap, 0, bytes, 0, 0));

	attachment = test_attach(at->importer, at->fd, 0);
	ASSERT_LT(0, attachment);
	mapping = test_map(at->importer, attachment, BOTH_WAYS);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(bytes, test_touch(at->importer, mapping, 1, 0x71));
	EXPECT_EQ(bytes, cpu_touch(at->node, vmap, 0, bytes, 0, 0x71));
	EXPECT_EQ(bytes, cpu_touch(at->node, vmap, 0, bytes, 1, 0x72));
	EXPECT_EQ(bytes, test_touch(at->importer, mapping, 0, 0x72));
	EXPECT_EQ(0, test_unmap(at->importer, mapping));
	EXPECT_EQ(0, test_detach(at->importer, attachment));
	EXPECT_EQ(0, cpu_vunmap(at->node, vmap));
	EXPECT_EQ(0, ops_state(at).vmapped);
	EXPECT_EQ(1, ops_state(at).counts[VUNMAP_OP]);
}

/* proves: R4 */
TEST_F(ops, several_vmaps_end_in_any_order)
{
	struct ops_buffer *at = &self->at;
	int vmaps[3], i;

	if (self->at.missing)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_EQ(0, ops_export_kind(at, HAS_ALL, 0));
	for (i = 0; i < 3; i++) {
		vmaps[i] = cpu_vmap(at->node, at->fd);
		ASSERT_LT(0, vmaps[i]);
	}
	EXPECT_EQ((long long)BYTES, cpu_touch(at->node, vmaps[0], 0, BYTES, 1, 0x41));
	EXPECT_EQ(0, cpu_vunmap(at->node, vmaps[0]));
	EXPECT_EQ((long long)BYTES, cpu_touch(at->node, vmaps[1], 0, BYTES, 0, 0x41));
	EXPECT_EQ((long long)BYTES, cpu_touch(at->node, vmaps[2], 0, BYTES, 0, 0x41));
	EXPECT_EQ(0, cpu_vunmap(at->node, vmaps[2]));
	EXPECT_EQ((long long)BYTES, cpu_touch(at->node, vmaps[1], 0, BYTES, 0, 0x41));
	EXPECT_EQ(0, cpu_vunmap(at->node, vmaps[1]));
	EXPECT_EQ(0, ops_state(at).vmapped);
}

/* proves: R4 */
TEST_F(ops, errors_of_vmap_arrive_unchanged_and_leave_no_address)
{
	struct ops_buffer *at = &self->at;
	static const int errors[] = { ENOMEM, EIO, EINVAL, EBUSY, EINTR, ENOTSUPP };
	int attachment, mapping, vmap;
	size_t i;

	if (self->at.missing)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_EQ(0, ops_export_kind(at, HAS_ALL, 0));
	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		ASSERT_EQ(0, ops_fail(at, VMAP_OP, -errors[i]));
		EXPECT_EQ(-errors[i], cpu_vmap(at->node, at->fd));
	}
	EXPECT_EQ(0, ops_state(at).counts[VUNMAP_OP]);
	ASSERT_EQ(0, ops_fail(at, VMAP_OP, 0));
	/* None of them is in the way of anybody. */
	attachment = test_attach(at->importer, at->fd, 0);
	ASSERT_LT(0, attachment);
	mapping = test_map(at->importer, attachment, BOTH_WAYS);
	ASSERT_LT(0, mapping);
	vmap = cpu_vmap(at->node, at->fd);
	ASSERT_LT(0, vmap);
	EXPECT_EQ(0, cpu_vunmap(at->node, vmap));
	EXPECT_EQ(0, test_unmap(at->importer, mapping));
	EXPECT_EQ(0, test_detach(at->importer, attachment));
}

/* proves: R4 */
TEST_F(ops, vmap_without_an_op_is_refused)
{
	struct ops_buffer *at = &self->at;

	if (self->at.missing)
		SKIP(return, NO_KERNEL_FILES);
	ASSERT_EQ(0, ops_export_kind(at, HAS_ALL & ~DMABUF_TEST_CPU_HAS_VMAP, 0));
	EXPECT_EQ(-EINVAL, cpu_vmap(at->node, at->fd));
}

/* Calls that break the rules */

FIXTURE(wrong)
{
	struct ops_buffer at;
	int kmsg;
};

FIXTURE_VARIANT(wrong)
{
	__u32 which;
	int ret;
	bool layer;
	bool no_vmap;
};

#define WRONG(_name, _which, _ret, ...)						\
	FIXTURE_VARIANT_ADD(wrong, _name) {					\
		.which = DMABUF_TEST_CPU_##_which, .ret = _ret, ##__VA_ARGS__	\
	}

WRONG(begin_of_no_buffer, BEGIN_NULL, -EINVAL);
WRONG(begin_of_an_error, BEGIN_ERR_PTR, -EINVAL);
WRONG(begin_in_no_direction, BEGIN_DIRECTION_NONE, -EINVAL);
WRONG(begin_in_an_unknown_direction, BEGIN_DIRECTION_UNKNOWN, -EINVAL);
WRONG(end_of_no_buffer, END_NULL, -EINVAL);
WRONG(end_of_an_error, END_ERR_PTR, -EINVAL);
WRONG(end_in_no_direction, END_DIRECTION_NONE, -EINVAL);
WRONG(mmap_of_no_buffer, MMAP_NULL, -EINVAL);
WRONG(mmap_of_no_vma, MMAP_NULL_VMA, -EINVAL);
WRONG(vmap_of_no_buffer, VMAP_NULL, -EINVAL);
WRONG(vmap_of_an_error, VMAP_ERR_PTR, -EINVAL);
WRONG(vmap_to_nowhere, VMAP_NULL_MAP, -EINVAL);
WRONG(vunmap_of_no_buffer, VUNMAP_NULL, 0);
WRONG(vunmap_of_an_error, VUNMAP_ERR_PTR, 0);
WRONG(vunmap_of_no_address, VUNMAP_NULL_MAP, 0);
WRONG(vunmap_without_a_vmap, VUNMAP_NOT_VMAPPED, 0);
WRONG(vunmap_without_a_vmap_on_the_layer, VUNMAP_NOT_VMAPPED, 0, .layer = true);
WRONG(vunmap_without_an_op, VUNMAP_NOT_VMAPPED, 0, .no_vmap = true);
WRONG(vunmap_without_an_op_on_the_layer, VUNMAP_NOT_VMAPPED, 0, .layer = true, .no_vmap = true);
WRONG(export_with_vmap_and_no_vunmap, EXPORT_VMAP_ALONE, -EINVAL);
WRONG(export_on_the_layer_with_vmap_and_no_vunmap, EXPORT_LAYER_VMAP_ALONE, -EINVAL);
WRONG(export_on_the_layer_with_vmap_beside_it, EXPORT_LAYER_AND_VMAP, -EINVAL);

FIXTURE_SETUP(wrong)
{
	ASSERT_EQ(0, ops_open(&self->at, false, variant->layer));
	self->kmsg = kmsg_open();
	ASSERT_LE(0, self->kmsg);
}

FIXTURE_TEARDOWN(wrong)
{
	close(self->kmsg);
	ops_finish(_metadata, &self->at);
}

/* proves: E4 */
TEST_F(wrong, is_refused_with_a_line_that_names_the_caller)
{
	struct dmabuf_test_cpu_wrong arg = { .argsz = sizeof(arg), .which = variant->which };
	struct dmabuf_test_cpu_state state;
	int attachment, mapping, vmap;

	/* The kind of file has no part in it. */
	ASSERT_EQ(0, ops_export_any(&self->at, variant->no_vmap ?
				    HAS_ALL & ~DMABUF_TEST_CPU_HAS_VMAP : HAS_ALL));
	arg.fd = self->at.fd;
	ASSERT_EQ(0, do_ioctl(self->at.node, DMABUF_TEST_CPU_WRONG, &arg));
	EXPECT_EQ(variant->ret, arg.ret);
	EXPECT_TRUE(kmsg_tells(self->kmsg, "dmabuf-core: ", arg.caller));
	state = ops_state(&self->at);
	EXPECT_EQ(0, state.counts[BEGIN_OP]);
	EXPECT_EQ(0, state.counts[END_OP]);
	EXPECT_EQ(0, state.counts[MMAP_OP]);
	EXPECT_EQ(0, state.counts[VMAP_OP]);
	EXPECT_EQ(0, state.counts[VUNMAP_OP]);

	/* The buffer is none the worse. */
	vmap = cpu_vmap(self->at.node, self->at.fd);
	if (vmap > 0)
		vmap = cpu_vunmap(self->at.node, vmap);
	EXPECT_EQ(variant->no_vmap ? -EINVAL : 0, vmap);
	attachment = test_attach(self->at.importer, self->at.fd, 0);
	ASSERT_LT(0, attachment);
	mapping = test_map(self->at.importer, attachment, BOTH_WAYS);
	ASSERT_LT(0, mapping);
	EXPECT_EQ((long long)BYTES, test_touch(self->at.importer, mapping, 1, 0x11));
	EXPECT_EQ(0, test_unmap(self->at.importer, mapping));
	EXPECT_EQ(0, test_detach(self->at.importer, attachment));
}

static const char *const needed_modules[] = { "dmabuf-test-ops", "dmabuf-test-cpu", NULL };

#include "test-modules-main.h"
