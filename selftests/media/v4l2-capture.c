// SPDX-License-Identifier: GPL-2.0-only
/*
 * A camera of V4L2, vivid, captures into our buffers: with the allocator that needs
 * the exporter's vmap, and with the one that needs contiguous memory.
 */
#include "vivid-test.h"

#define FRAMES 100
#define QUEUE 8	/* buffers: as many frames a busy host may keep us from our turn */

/* Frames a second, one for each try: a busy host can make also us late. */
static const __u32 rates[] = { 10, 2, 1 };

#define TRIES (sizeof(rates) / sizeof(*rates))

FIXTURE(capture)
{
	int exporter, importer;
	struct vivid camera;
	void *reference;
	int fds[QUEUE];
	unsigned char *windows[QUEUE];
	struct counters before;
};

FIXTURE_VARIANT(capture)
{
	unsigned int allocator;
	__u32 backing;
	__u32 flags;
};

FIXTURE_VARIANT_ADD(capture, vmalloc_scattered) {
	.allocator = VIVID_VMALLOC,
	.backing = DMABUF_EXPORTER_SCATTER,
};

FIXTURE_VARIANT_ADD(capture, vmalloc_cma) {
	.allocator = VIVID_VMALLOC,
	.backing = DMABUF_EXPORTER_CMA,
};

FIXTURE_VARIANT_ADD(capture, contiguous_cma) {
	.allocator = VIVID_CONTIG,
	.backing = DMABUF_EXPORTER_CMA,
};

FIXTURE_VARIANT_ADD(capture, contiguous_pages_that_stay) {
	.allocator = VIVID_CONTIG,
	.backing = DMABUF_EXPORTER_CONTIG,
	.flags = DMABUF_EXPORTER_FIXED,
};

FIXTURE_SETUP(capture)
{
	int i;

	ASSERT_EQ(0, counters_read(&self->before));
	self->exporter = exporter_open();
	ASSERT_LE(0, self->exporter);
	self->importer = importer_open();
	ASSERT_LE(0, self->importer);
	ASSERT_EQ(0, vivid_open_camera(&self->camera, vivid_instance(variant->allocator),
				       rates[0]));
	self->reference = vivid_reference(&self->camera);
	ASSERT_NE(NULL, self->reference);
	ASSERT_TRUE(is_colour_bars(self->reference));
	for (i = 0; i < QUEUE; i++) {
		self->fds[i] = buffer_export_flags(self->exporter, self->camera.bytes,
						   variant->backing, variant->flags,
						   O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, self->fds[i]);
		self->windows[i] = buffer_mmap(self->exporter, self->fds[i], self->camera.bytes);
		ASSERT_NE(MAP_FAILED, self->windows[i]);
	}
	ASSERT_EQ(0, vivid_request(&self->camera, QUEUE, V4L2_MEMORY_DMABUF));
}

FIXTURE_TEARDOWN(capture)
{
	int i;

	free(self->reference);
	EXPECT_EQ(0, close(self->camera.fd));
	for (i = 0; i < QUEUE; i++) {
		EXPECT_EQ(0, munmap(self->windows[i], self->camera.bytes));
		EXPECT_EQ(0, close(self->fds[i]));
	}
	EXPECT_EQ(0, close(self->importer));
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_TRUE(counters_back_to(&self->before));
}

/* Spoils what an earlier frame left, and queues. */
static int spoil_and_queue(FIXTURE_DATA(capture) *self, __u32 index)
{
	memset(self->windows[index], 0x5a, self->camera.bytes);
	return vivid_queue(&self->camera, index, self->fds[index]);
}

/*
 * Captures so many frames, each compared with the reference; the buffers come back
 * in the order in which they were queued.
 *
 * vivid leaves out a number in the sequence when it is late itself, as it is on a busy
 * host, and when it has no buffer.  A buffer came too late for it if the one queued
 * before is done by then: otherwise there has always been one in its queue.
 *
 * Return: how often a number is left out for want of a buffer, or -errno: -EILSEQ for
 * a frame that differs, -EXDEV for a wrong buffer.
 */
static int capture_frames(FIXTURE_DATA(capture) *self, unsigned int frames)
{
	__u32 index, sequence, last = 0;
	int late[QUEUE] = {};
	unsigned int i;
	int ret, lost = 0;

	for (i = 0; i < QUEUE; i++) {
		ret = spoil_and_queue(self, i);
		if (ret)
			return ret;
	}
	ret = vivid_start(&self->camera);
	for (i = 0; !ret && i < frames; i++) {
		ret = vivid_dequeue(&self->camera, &index, &sequence);
		if (ret)
			break;
		if (index != i % QUEUE)
			return -EXDEV;
		if (memcmp(self->windows[index], self->reference, self->camera.bytes))
			return -EILSEQ;
		lost += i && sequence > last + 1 && late[index];
		last = sequence;
		ret = spoil_and_queue(self, index);
		if (ret)
			break;
		late[index] = vivid_is_done(&self->camera, (index + QUEUE - 1) % QUEUE);
		if (late[index] < 0)
			ret = late[index];
	}
	return ret ?: vivid_stop(&self->camera) ?: lost;
}

/* proves: R1, F4, M3 */
TEST_F_TIMEOUT(capture, a_hundred_frames_come_in_order_and_none_is_lost, 600)
{
	unsigned int try;
	int lost = -1;

	for (try = 0; try < TRIES && lost; try++) {
		ASSERT_EQ(0, vivid_rate(&self->camera, rates[try]));
		lost = capture_frames(self, scaled(FRAMES));
		ASSERT_LE(0, lost);
		if (lost)
			TH_LOG("%d frames lost at %u a second", lost, rates[try]);
	}
	EXPECT_EQ(0, lost);
}

/* proves: R1, R2, R3 */
TEST_F_TIMEOUT(capture, one_place_serves_the_camera_from_first_to_last, 300)
{
	struct dmabuf_exporter_placement placement;
	struct dmabuf_exporter_query query;
	int i;

	ASSERT_LE(0, capture_frames(self, 2 * QUEUE));
	for (i = 0; i < QUEUE; i++) {
		ASSERT_EQ(0, placement_query(self->exporter, self->fds[i], &placement));
		EXPECT_EQ(1, placement.allocs);
		EXPECT_EQ(0, placement.moves);
		EXPECT_TRUE(reason_is_none(&placement.refusal));
		/* vb2 holds on to a buffer until it gets another in its stead. */
		EXPECT_EQ(DMABUF_EXPORTER_MAPPED, placement.state);
		ASSERT_EQ(0, buffer_query(self->exporter, self->fds[i], &query));
		/* The one allocator attaches its device, the other asks for an address. */
		EXPECT_EQ(variant->allocator == VIVID_CONTIG, query.attachments);
		EXPECT_EQ(DMABUF_EXPORTER_QUERY_KERNEL, query.flags);
	}
	ASSERT_EQ(0, vivid_release(&self->camera));
	for (i = 0; i < QUEUE; i++) {
		EXPECT_EQ(DMABUF_EXPORTER_BACKED, placement_state(self->exporter, self->fds[i]));
		EXPECT_EQ(0, attachments_of(self->exporter, self->fds[i]));
	}
}

/* proves: R1, M3, U1 */
TEST_F_TIMEOUT(capture, our_engines_read_what_the_camera_wrote_while_it_holds_the_buffer, 300)
{
	const struct {
		__u32 type;
		size_t offset, bytes;
	} reads[] = {
		{ DMABUF_IMPORTER_SOFT, 0, self->camera.bytes },
		/* Lines 100 to 103, so little because each 4 KiB take it 200 ms. */
		{ DMABUF_IMPORTER_EDU, 100 * PITCH, 4 * PITCH },
	};
	__u32 index, sequence, sum;
	unsigned char *back;
	struct user user;
	int i, engine;

	for (i = 0; i < QUEUE; i++)
		ASSERT_EQ(0, spoil_and_queue(self, i));
	ASSERT_EQ(0, vivid_start(&self->camera));
	ASSERT_EQ(0, vivid_dequeue(&self->camera, &index, &sequence));
	ASSERT_EQ(0, index);
	back = malloc(self->camera.bytes);
	ASSERT_NE(NULL, back);
	for (i = 0; i < 2; i++) {
		engine = engine_find(self->importer, reads[i].type, 0);
		ASSERT_LE(0, engine);
		ASSERT_EQ(0, user_map(self->importer, self->fds[0], engine,
				      DMABUF_IMPORTER_TO_DEVICE, &user));
		memset(back, 0, self->camera.bytes);
		ASSERT_EQ(0, copy_out(self->importer, user.mapping, reads[i].offset,
				      reads[i].bytes, back));
		EXPECT_EQ(0, memcmp(back, (char *)self->reference + reads[i].offset,
				    reads[i].bytes));
		ASSERT_EQ(0, checksum(self->importer, user.mapping, reads[i].offset,
				      reads[i].bytes, &sum));
		EXPECT_EQ(crc32(back, reads[i].bytes), sum);
		EXPECT_EQ(0, user_unmap(self->importer, &user));
	}
	free(back);
	EXPECT_EQ(0, vivid_stop(&self->camera));
}

/* proves: R1, M1, U1, N4 */
TEST_F_TIMEOUT(capture, camera_and_engine_write_the_same_buffer_in_turn, 300)
{
	const size_t half = self->camera.bytes / 2;
	unsigned char *bytes = self->windows[0];
	__u32 index, sequence;
	struct user user;
	int engine, i;

	engine = engine_find(self->importer, DMABUF_IMPORTER_SOFT, 0);
	ASSERT_LE(0, engine);
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, vivid_queue(&self->camera, 0, self->fds[0]));
		ASSERT_EQ(0, vivid_start(&self->camera));
		ASSERT_EQ(0, vivid_dequeue(&self->camera, &index, &sequence));
		ASSERT_EQ(0, vivid_stop(&self->camera));
		EXPECT_EQ(0, memcmp(bytes, self->reference, self->camera.bytes));

		ASSERT_EQ(0, user_map(self->importer, self->fds[0], engine,
				      DMABUF_IMPORTER_FROM_DEVICE, &user));
		ASSERT_EQ(0, fill(self->importer, user.mapping, half, half,
				  0x0101010101010101ULL * (i + 1)));
		EXPECT_EQ(0, user_unmap(self->importer, &user));
		EXPECT_EQ(0, memcmp(bytes, self->reference, half));
		EXPECT_TRUE(all_bytes_are(bytes + half, half, i + 1));
	}
}

TEST_HARNESS_MAIN
