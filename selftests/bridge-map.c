// SPDX-License-Identifier: GPL-2.0-only
/* Maps, unmaps and detaches of an importer of the kernel's dma-buf, in any order. */
#include "bridge-test.h"

#define BYTES 50001		/* pages enough, and no multiple of one */

FIXTURE(bridge_map)
{
	int exporter, importer, node;
	__u32 soft;
	int fd;
	__u32 device;
	long long attachment;
	unsigned char bytes[BYTES];
	struct core_parameters parameters;
	struct counters before;
	struct remains remains;
};

FIXTURE_SETUP(bridge_map)
{
	long long ret;

	ASSERT_EQ(0, core_parameters_begin(&self->parameters));
	ASSERT_EQ(0, counters_read(&self->before));
	self->remains = remains_of(BRIDGE_MODULE);
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	self->node = bridge_open();
	ASSERT_LE(0, self->node);
	ret = engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0);
	ASSERT_LE(0, ret);
	self->soft = ret;
	self->fd = buffer_export(self->exporter, BYTES, DMABUF_EXPORTER_AUTO);
	ASSERT_LE(0, self->fd);
	ret = bridge_device(self->node, 64, NULL);
	ASSERT_LT(0, ret);
	self->device = ret;
	self->attachment = bridge_attach(self->node, self->fd, self->device);
	ASSERT_LT(0, self->attachment);
	scribble(self->bytes, BYTES, 42);
}

FIXTURE_TEARDOWN(bridge_map)
{
	if (self->fd >= 0)
		EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(0, close(self->node));
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
	EXPECT_TRUE(remains_are(BRIDGE_MODULE, &self->remains));
	EXPECT_EQ(0, core_parameters_end(&self->parameters));
}

/* How often the core has it mapped. */
static unsigned int mappings(FIXTURE_DATA(bridge_map) *self)
{
	struct view view;

	return view_debugfs(buffer_id(self->exporter, self->fd), &view) ? ~0U : view.mappings;
}

/* proves: M1, R1, U1 */
TEST_F(bridge_map, what_one_importer_writes_the_other_reads)
{
	long long kernel, own, mapping;

	own = attach(self->importer, self->fd, self->soft);
	ASSERT_LT(0, own);
	kernel = bridge_map(self->node, self->attachment, FROM_DEVICE, 0);
	ASSERT_LT(0, kernel);
	ASSERT_EQ(0, bridge_write(self->node, kernel, 0, self->bytes, BYTES));
	ASSERT_EQ(0, bridge_unmap(self->node, kernel, 0));
	mapping = map(self->importer, own, DMABUF_IMPORTER_BIDIRECTIONAL);
	ASSERT_LT(0, mapping);
	EXPECT_TRUE(device_reads(self->importer, mapping, self->bytes, BYTES));

	scribble(self->bytes, BYTES, 43);
	ASSERT_EQ(0, copy_in(self->importer, mapping, 0, BYTES, self->bytes));
	ASSERT_EQ(0, unmap(self->importer, mapping));
	kernel = bridge_map(self->node, self->attachment, TO_DEVICE, LOCKED);
	ASSERT_LT(0, kernel);
	EXPECT_TRUE(bridge_reads(self->node, kernel, 0, self->bytes, BYTES));
}

/* proves: M3, U1 */
TEST_F(bridge_map, mappings_of_an_attachment_are_unmapped_in_any_order)
{
	static const __u32 directions[] = { BIDIRECTIONAL, TO_DEVICE, FROM_DEVICE };
	struct dmabuf_exporter_placement place;
	long long handles[3];
	unsigned int first, i;

	for (first = 0; first < 3; first++) {
		for (i = 0; i < 3; i++) {
			handles[i] = bridge_map(self->node, self->attachment, directions[i],
						i & 1 ? LOCKED : 0);
			ASSERT_LT(0, handles[i]);
			EXPECT_EQ(i + 1, mappings(self));
		}
		ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
		EXPECT_EQ(1, place.readers);
		EXPECT_EQ(2, place.writers);
		for (i = 0; i < 3; i++) {
			ASSERT_EQ(0, bridge_unmap(self->node, handles[(first + i) % 3],
						  i & 1 ? 0 : LOCKED));
			EXPECT_EQ(2 - i, mappings(self));
		}
		ASSERT_EQ(0, placement_query(self->exporter, self->fd, &place));
		EXPECT_EQ(DMABUF_EXPORTER_BACKED, place.state);
	}
}

/* proves: D1 */
TEST_F(bridge_map, what_a_kernel_importer_forgets_to_unmap_is_unmapped_at_detach)
{
	int kmsg = kmsg_open();

	ASSERT_LE(0, kmsg);
	ASSERT_LT(0, bridge_map(self->node, self->attachment, BIDIRECTIONAL, 0));
	ASSERT_LT(0, bridge_map(self->node, self->attachment, TO_DEVICE, 0));
	EXPECT_EQ(2, mappings(self));
	ASSERT_EQ(0, bridge_detach(self->node, self->attachment));
	EXPECT_EQ(0, mappings(self));
	EXPECT_EQ(DMABUF_EXPORTER_BACKED, placement_state(self->exporter, self->fd));
	EXPECT_TRUE(kmsg_tells(kmsg, "dmabuf_detach", "unmapped 2 mappings"));
	close(kmsg);
}

/* proves: P1, E2 */
TEST_F(bridge_map, attachment_of_a_kernel_importer_keeps_the_buffer)
{
	struct counters now;
	long long mapping;

	EXPECT_EQ(0, close(self->fd));
	self->fd = -1;
	mapping = bridge_map(self->node, self->attachment, BIDIRECTIONAL, 0);
	ASSERT_LT(0, mapping);
	ASSERT_EQ(0, bridge_write(self->node, mapping, 0, self->bytes, BYTES));
	EXPECT_TRUE(bridge_reads(self->node, mapping, 0, self->bytes, BYTES));
	ASSERT_EQ(0, counters_read(&now));
	EXPECT_EQ(self->before.buffers + 1, now.buffers);
	ASSERT_EQ(0, bridge_unmap(self->node, mapping, 0));
	ASSERT_EQ(0, bridge_detach(self->node, self->attachment));
	ASSERT_EQ(0, counters_read(&now));
	EXPECT_EQ(self->before.buffers, now.buffers);
}

/* proves: F3, P1 */
TEST_F(bridge_map, buffer_of_an_fd_that_came_back_from_another_process_is_the_same)
{
	long long one = buffer_id(self->exporter, self->fd);
	long long attachment;
	struct view view;
	int copy;

	copy = syscall(SYS_pidfd_getfd, syscall(SYS_pidfd_open, getpid(), 0), self->fd, 0);
	ASSERT_LE(0, copy);
	EXPECT_EQ(one, buffer_id(self->exporter, copy));
	attachment = attach(self->importer, copy, self->soft);
	ASSERT_LT(0, attachment);
	ASSERT_EQ(0, view_debugfs(one, &view));
	EXPECT_EQ(2, view.attachments);
	/* No wrapper: the two importers are at one buffer. */
	EXPECT_EQ(self->before.listed + 1, buffers_listed());
	close(copy);
}

/*
 * An importer that follows moves of others has its mapping from attach to detach on kernels
 * that map then for it, as the exporter tells of no move, and for as long as it maps on newer
 * ones; never two, and none that outlives the attachment.
 */
/* proves: M1, D1 */
TEST_F(bridge_map, dynamic_importer_has_one_mapping_which_ends_with_the_attachment)
{
	struct dmabuf_test_bridge_map described;
	long long attachment, mapping, strict;
	int at_attach;
	__u32 segments;

	attachment = bridge_attach_flags(self->node, self->fd, self->device, DYNAMIC);
	ASSERT_LT(0, attachment);
	at_attach = mappings(self);
	EXPECT_GE(1, at_attach);
	mapping = bridge_map_described(self->node, attachment, BIDIRECTIONAL, LOCKED, &described);
	ASSERT_LT(0, mapping);
	EXPECT_EQ(page_align(BYTES), described.bytes);
	EXPECT_EQ(1, mappings(self));
	ASSERT_EQ(0, bridge_write(self->node, mapping, 0, self->bytes, BYTES));
	ASSERT_EQ(0, bridge_unmap(self->node, mapping, LOCKED));
	EXPECT_EQ(at_attach, mappings(self));

	strict = attach(self->importer, self->fd, self->soft);
	ASSERT_LT(0, strict);
	ASSERT_EQ(0, bridge_detach(self->node, attachment));
	EXPECT_EQ(0, mappings(self));
	mapping = map_segments(self->importer, strict, DMABUF_IMPORTER_TO_DEVICE, &segments);
	ASSERT_LT(0, mapping);
	EXPECT_TRUE(device_reads(self->importer, mapping, self->bytes, BYTES));
}

/* Attaches, maps in two ways, leaves a fence, and waits for the end. */
static void hold_all_and_pause(FIXTURE_DATA(bridge_map) *self, int ready)
{
	int node = bridge_open();
	long long attachment, device = bridge_device(node, 40, NULL);

	attachment = bridge_attach(node, self->fd, device);
	if (bridge_map(node, attachment, BIDIRECTIONAL, 0) < 0 ||
	    bridge_map(node, attachment, TO_DEVICE, LOCKED) < 0 ||
	    bridge_vmap(node, self->fd, 0) < 0 ||
	    bridge_fence(node, self->fd, DMABUF_TEST_BRIDGE_USAGE_WRITE, 0) < 0 ||
	    write(ready, "x", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

/* proves: D1, U1, P1 */
TEST_F(bridge_map, killed_process_leaves_nothing)
{
	struct counters now;
	int ready[2], status;
	pid_t child;
	char byte;

	ASSERT_EQ(0, pipe(ready));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		/* Its own: what the parent has open does not go with the child. */
		close(self->node);
		hold_all_and_pause(self, ready[1]);
	}
	close(ready[1]);
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	close(ready[0]);
	EXPECT_EQ(2, mappings(self));
	/* The child is the last that has it. */
	ASSERT_EQ(0, bridge_detach(self->node, self->attachment));
	EXPECT_EQ(0, close(self->fd));
	self->fd = -1;
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_TRUE(HOLDS_SOON(!counters_read(&now) && now.buffers == self->before.buffers &&
			       now.listed == self->before.listed));
}

/* proves: P1 */
TEST_F(bridge_map, modules_cannot_go_while_a_kernel_importer_is_attached)
{
	EXPECT_EQ(0, close(self->fd));
	self->fd = -1;
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_EQ(-EAGAIN, module_unload("dmabuf-exporter-sample"));
	EXPECT_EQ(-EAGAIN, module_unload("dmabuf-core"));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
}

static const char *const needed_modules[] = { "dmabuf-test-bridge", NULL };

#include "test-modules-main.h"
