// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is done between steps 4 and 5: devices and the CPU write and read, and
 * every byte is compared.
 */
#include "demo.h"
#include "narrator.h"
#include "picture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CAMERA_PATTERN 0x312d6172656d6163ull	/* "camera-1", little endian */
#define DRAWING_SEED 1
#define PATCH_SEED 2

/* Runs the engine, and tells what it did. */
static void transfer(const struct actor *actor, struct dmabuf_importer_transfer *order,
		     const char *what)
{
	double start = seconds();

	order->argsz = sizeof(*order);
	CALL(actor->importer, DMABUF_IMPORTER_TRANSFER, order);
	narrator_say("DMA", "%s %s: %s, %llu run%s, %.2f s", actor->engine.name, what,
		     narrator_bytes(order->moved), (unsigned long long)order->runs,
		     order->runs == 1 ? "" : "s", seconds() - start);
	if (order->moved != order->bytes || !order->runs)
		narrator_fail("dmesg | tail", "the engine moved %s of %s, in %llu runs",
			      narrator_bytes(order->moved), narrator_bytes(order->bytes),
			      (unsigned long long)order->runs);
}

/* The device reads the whole buffer; its checksum must be @expected. */
static void device_checksum(const struct actor *actor, uint32_t mapping, uint32_t expected,
			    const char *of_what)
{
	struct dmabuf_importer_transfer order = {
		.mapping = mapping,
		.op = DMABUF_IMPORTER_CHECKSUM,
		.bytes = actor->bytes,
	};

	transfer(actor, &order, "read the buffer");
	if (order.checksum != expected)
		narrator_fail("dmesg | grep dmabuf",
			      "the device's checksum is 0x%08x, and 0x%08x that of %s",
			      order.checksum, expected, of_what);
	narrator_ok("its checksum, 0x%08x, is that of %s", order.checksum, of_what);
}

/* The device reads the whole buffer; every byte must be as in @expected. */
static void device_compare(const struct actor *actor, uint32_t mapping,
			   const unsigned char *expected, const char *who)
{
	unsigned char *copy = allocate(actor->bytes);
	struct dmabuf_importer_transfer order = {
		.mapping = mapping,
		.op = DMABUF_IMPORTER_COPY_OUT,
		.bytes = actor->bytes,
		.user = (uintptr_t)copy,
	};
	size_t at;

	transfer(actor, &order, "copied the buffer out");
	at = picture_differs(copy, expected, actor->bytes);
	if (at != actor->bytes)
		narrator_fail("dmesg | grep dmabuf",
			      "byte %zu as the device read it is 0x%02x, expected 0x%02x", at,
			      copy[at], expected[at]);
	narrator_ok("compared one by one: all %s are as %s wrote them",
		    narrator_bytes(actor->bytes), who);
	free(copy);
}

/* The CPU's view of the buffer, through the exporter's own node. */
static void cpu_map(struct actor *camera)
{
	struct dmabuf_exporter_mmap_offset where = {
		.argsz = sizeof(where),
		.fd = camera->buffer,
	};
	size_t page = sysconf(_SC_PAGESIZE);

	CALL(camera->exporter, DMABUF_EXPORTER_MMAP_OFFSET, &where);
	camera->window_bytes = (camera->bytes + page - 1) / page * page;
	camera->window = mmap(NULL, camera->window_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			      camera->exporter, where.offset);
	if (camera->window == MAP_FAILED) {
		camera->window = NULL;
		narrator_fail_call("mmap " EXPORTER, errno);
	}
	narrator_say("CPU", "mmap() of " EXPORTER " at offset 0x%llx",
		     (unsigned long long)where.offset);
}

static void cpu_compare(const struct actor *camera, const unsigned char *expected,
			const char *claim)
{
	size_t at = picture_differs(camera->window, expected, camera->bytes);

	if (at != camera->bytes)
		narrator_fail("dmesg | grep dmabuf",
			      "byte %zu as the CPU sees it is 0x%02x, expected 0x%02x", at,
			      camera->window[at], expected[at]);
	for (at = camera->bytes; at < camera->window_bytes; at++)
		if (camera->window[at])
			narrator_fail(NULL, "byte %zu, behind the end, is 0x%02x and not zero",
				      at, camera->window[at]);
	narrator_ok("the CPU sees %s", claim);
}

/* Fresh memory, and the first picture: the camera's device writes. */
void scene_camera_writes(struct actor *camera)
{
	struct dmabuf_importer_transfer fill = {
		.op = DMABUF_IMPORTER_FILL,
		.bytes = camera->bytes,
		.pattern = CAMERA_PATTERN,
	};
	unsigned char *expected = allocate(camera->bytes);
	struct dmabuf_exporter_query query;

	narrator_step("4", "the camera asks for access");
	narrator_explain("Now memory is needed, so now it is taken, where all devices reach it.");
	narrator_explain("The answer is a list of segments, at addresses as this device sees them");
	narrator_explain("on its bus.");
	fill.mapping = step_4_map(camera, DMABUF_IMPORTER_BIDIRECTIONAL);

	query = buffer_query(camera);
	if (query.backed_bytes < camera->bytes)
		narrator_fail(NULL, "the buffer is mapped and has %s of memory only",
			      narrator_bytes(query.backed_bytes));
	narrator_ok("now it has memory: %s in whole pages, backing %s, in %u piece%s",
		    narrator_bytes(query.backed_bytes), backing_name(query.backing),
		    query.chunks, query.chunks == 1 ? "" : "s");

	device_checksum(camera, fill.mapping, picture_crc32(expected, camera->bytes),
			"zeroes: nobody's old data");
	transfer(camera, &fill, "wrote \"camera-1\" all over it");

	narrator_step("5", "the camera says that its DMA is over");
	narrator_explain("From now on the others, the CPU among them, see what it wrote.");
	step_5_unmap(camera, fill.mapping);
	cpu_map(camera);
	picture_fill(expected, camera->bytes, CAMERA_PATTERN);
	cpu_compare(camera, expected, "\"camera-1camera-1...\", from the first byte to the last");
	free(expected);
}

/* The other device reads what the first one wrote.  No CPU touched it. */
void scene_display_reads(const struct actor *display)
{
	unsigned char *expected = allocate(display->bytes);
	uint32_t mapping;

	narrator_step("4 and 5 again", "the display reads the picture");
	narrator_explain("Another process with an attachment of its own, and the same memory:");
	narrator_explain("nothing is copied between the camera and the display.");
	mapping = step_4_map(display, DMABUF_IMPORTER_TO_DEVICE);
	picture_fill(expected, display->bytes, CAMERA_PATTERN);
	device_compare(display, mapping, expected, "the camera");
	step_5_unmap(display, mapping);
	free(expected);
}

/* Returns the checksum that the CPU computes. */
uint32_t scene_cpu_draws(const struct actor *camera)
{
	uint32_t crc;

	narrator_step("4 and 5 again", "the CPU draws, the display reads");
	narrator_explain("What the CPU wrote before a map, the device sees after it.");
	picture_noise(camera->window, camera->bytes, DRAWING_SEED);
	crc = picture_crc32(camera->window, camera->bytes);
	narrator_say("CPU", "wrote %s of noise through mmap(), checksum 0x%08x",
		     narrator_bytes(camera->bytes), crc);
	return crc;
}

void scene_display_reads_drawing(const struct actor *display, uint32_t crc)
{
	unsigned char *expected = allocate(display->bytes);
	uint32_t mapping;

	narrator_enter("4 and 5 again", "the CPU draws, the display reads");
	mapping = step_4_map(display, DMABUF_IMPORTER_TO_DEVICE);
	device_checksum(display, mapping, crc, "what the CPU wrote");
	picture_noise(expected, display->bytes, DRAWING_SEED);
	device_compare(display, mapping, expected, "the CPU");
	step_5_unmap(display, mapping);
	free(expected);
}

/*
 * Only a part, at a place as odd as the engine can do it: the rest must stay as
 * it was.
 */
void scene_camera_patches(const struct actor *camera)
{
	uint64_t align = camera->engine.constraints.align;
	uint64_t offset = camera->bytes / 3 & ~(align - 1);
	uint64_t bytes = camera->bytes - 2 * offset;
	unsigned char *expected = allocate(camera->bytes);
	unsigned char *patch = allocate(bytes);
	struct dmabuf_importer_transfer copy = {
		.op = DMABUF_IMPORTER_COPY_IN,
		.offset = offset,
		.bytes = bytes,
		.user = (uintptr_t)patch,
	};

	narrator_step("4 and 5 again", "the camera changes the middle only");
	narrator_explain("A device that writes a part only asks for reading and writing: what it");
	narrator_explain("does not write must survive.");
	picture_noise(expected, camera->bytes, DRAWING_SEED);
	picture_noise(patch, bytes, PATCH_SEED);
	memcpy(expected + offset, patch, bytes);

	copy.mapping = step_4_map(camera, DMABUF_IMPORTER_BIDIRECTIONAL);
	transfer(camera, &copy, "copied a patch in");
	step_5_unmap(camera, copy.mapping);
	cpu_compare(camera, expected, "the patch where it belongs, and its own noise around it");
	free(patch);
	free(expected);
}
