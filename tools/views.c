// SPDX-License-Identifier: GPL-2.0-only
/*
 * The two views of a buffer: a device's, by DMA, and the CPU's, by mmap().
 */
#include "demo.h"
#include "narrator.h"
#include "picture.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Runs the engine, and tells what it did. */
void device_transfer(const struct actor *actor, struct dmabuf_importer_transfer *order,
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
void device_checksum(const struct actor *actor, uint32_t mapping, uint32_t expected,
		     const char *of_what)
{
	struct dmabuf_importer_transfer order = {
		.mapping = mapping,
		.op = DMABUF_IMPORTER_CHECKSUM,
		.bytes = actor->bytes,
	};

	device_transfer(actor, &order, "read the buffer");
	if (order.checksum != expected)
		narrator_fail("dmesg | grep dmabuf",
			      "the device's checksum is 0x%08x, and 0x%08x that of %s",
			      order.checksum, expected, of_what);
	narrator_ok("its checksum, 0x%08x, is that of %s", order.checksum, of_what);
}

/* The device reads the whole buffer; every byte must be as in @expected. */
void device_compare(const struct actor *actor, uint32_t mapping,
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

	device_transfer(actor, &order, "copied the buffer out");
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
void cpu_map(struct actor *camera)
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

void cpu_compare(const struct actor *camera, const unsigned char *expected,
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
