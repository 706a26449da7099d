// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is done between steps 4 and 5: devices and the CPU write and read, and
 * every byte is compared.
 */
#include "demo.h"
#include "narrator.h"
#include "picture.h"

#include <stdlib.h>
#include <string.h>

#define CAMERA_PATTERN 0x312d6172656d6163ull	/* "camera-1", little endian */
#define DRAWING_SEED 1
#define PATCH_SEED 2

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
	device_transfer(camera, &fill, "wrote \"camera-1\" all over it");

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
	device_transfer(camera, &copy, "copied a patch in");
	step_5_unmap(camera, copy.mapping);
	cpu_compare(camera, expected, "the patch where it belongs, and its own noise around it");
	free(patch);
	free(expected);
}
