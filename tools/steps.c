// SPDX-License-Identifier: GPL-2.0-only
/*
 * The six steps of DMA buffer sharing, as user space sees them.
 */
#include "demo.h"
#include "narrator.h"
#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char alone[] =
	"Does another program use the exporter? dmabuf-demo expects to be the only one.";

void step_1_export(struct actor *camera, uint64_t bytes, uint32_t backing,
		   const struct dmabuf_exporter_info *before)
{
	struct dmabuf_exporter_export export = {
		.argsz = sizeof(export),
		.bytes = bytes,
		.backing = backing,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	struct dmabuf_exporter_query query;
	struct dmabuf_exporter_info now;

	narrator_step("1", "the exporter makes a buffer");
	narrator_explain("A buffer is memory that several drivers can use.  The driver that");
	narrator_explain("makes it, the exporter, alone decides where its memory lies, and it");
	narrator_explain("may decide later.");

	CALL(camera->exporter, DMABUF_EXPORTER_EXPORT, &export);
	camera->buffer = export.fd;
	camera->bytes = export.bytes;
	narrator_say("call", "ioctl DMABUF_EXPORTER_EXPORT on " EXPORTER);
	narrator_say("kernel", "dmabuf_export() made the buffer");

	query = buffer_query(camera);
	narrator_say("got", "buffer %llu: %s, backing asked for: %s",
		     (unsigned long long)query.id, narrator_bytes(query.bytes),
		     backing_name(query.requested));
	if (query.backed_bytes)
		narrator_fail(NULL, "the buffer has %s of memory before anybody needed it",
			      narrator_bytes(query.backed_bytes));
	narrator_ok("no memory lies behind it yet: %s", narrator_bytes(query.backed_bytes));

	now = exporter_info(camera->exporter);
	if (now.buffers != before->buffers + 1)
		narrator_fail(alone, "the exporter has %llu buffers, expected %llu",
			      (unsigned long long)now.buffers,
			      (unsigned long long)before->buffers + 1);
}

void step_2_send(const struct actor *camera)
{
	narrator_step("2", "user space gets a handle, and hands it on");
	narrator_explain("The handle is a file descriptor.  Like that of any open file it passes");
	narrator_explain("between processes, and the buffer lives while anybody holds it.");

	narrator_say("kernel", "dmabuf_fd() gave the buffer a file descriptor, in the same ioctl");
	narrator_say("got", "fd %d", camera->buffer);
	narrator_say("call", "sendmsg() with SCM_RIGHTS: process %d hands it to process %d",
		     (int)getpid(), (int)camera->other);
	peer_pass(camera->peer, 0, camera->buffer);
}

void step_2_receive(struct actor *display)
{
	peer_await(display->peer, &display->buffer);
	narrator_say("got", "fd %d, by recvmsg() in process %d: the same buffer",
		     display->buffer, (int)getpid());
}

void step_3_attach(struct actor *actor)
{
	struct dmabuf_importer_attach attach = {
		.argsz = sizeof(attach),
		.fd = actor->buffer,
		.engine = actor->engine.index,
	};
	struct dmabuf_importer_query query = { .argsz = sizeof(query) };

	CALL(actor->importer, DMABUF_IMPORTER_ATTACH, &attach);
	actor->attachment = attach.attachment;
	actor->bytes = attach.bytes;
	query.attachment = attach.attachment;
	CALL(actor->importer, DMABUF_IMPORTER_QUERY, &query);

	narrator_say("call", "ioctl DMABUF_IMPORTER_ATTACH on " IMPORTER ": fd %d, engine %s",
		     actor->buffer, actor->engine.name);
	narrator_say("kernel", "dmabuf_get() took a reference, dmabuf_attach() added device %s",
		     actor->engine.device);
	narrator_say("got", "attachment %u of buffer %llu, handle %u; reach %s, segments: %s",
		     query.attachment_id, (unsigned long long)query.buffer_id,
		     attach.attachment, engine_reach(&query.constraints),
		     engine_segments(&query.constraints));
}

/* The kernel's own words about the buffer, with --verbose. */
void show_fdinfo(const struct actor *actor)
{
	char path[64], line[256];
	FILE *info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", actor->buffer);
	info = fopen(path, "re");
	if (!info)
		return;
	while (fgets(line, sizeof(line), info)) {
		line[strcspn(line, "\n")] = '\0';
		narrator_detail("%s: %s", path, line);
	}
	fclose(info);
}

void step_3_check(const struct actor *camera)
{
	struct dmabuf_exporter_query query = buffer_query(camera);

	if (query.attachments != 2)
		narrator_fail(NULL, "the buffer has %u attachments, expected 2",
			      query.attachments);
	if (query.backed_bytes)
		narrator_fail(NULL, "the buffer has %s of memory before the first map",
			      narrator_bytes(query.backed_bytes));
	narrator_ok("the exporter knows of %u attachments; still no memory: %s",
		    query.attachments, narrator_bytes(query.backed_bytes));
	show_fdinfo(camera);
}

static const char *direction_name(uint32_t direction)
{
	switch (direction) {
	case DMABUF_IMPORTER_TO_DEVICE:
		return "the device will read";
	case DMABUF_IMPORTER_FROM_DEVICE:
		return "the device will write";
	default:
		return "the device will read and write";
	}
}

/* Shows the first few segments; all of them must cover the buffer. */
static void check_segments(const struct actor *actor, uint32_t mapping, uint32_t segments)
{
	struct dmabuf_importer_segment segment = { .argsz = sizeof(segment), .mapping = mapping };
	const uint32_t shown = 6;
	uint64_t total = 0;

	for (segment.index = 0; segment.index < segments; segment.index++) {
		CALL(actor->importer, DMABUF_IMPORTER_SEGMENT, &segment);
		total += segment.bytes;
		if (segment.index >= shown)
			continue;
		if (segment.dma_address)
			narrator_say("", "segment %u: bus address 0x%08llx, %s", segment.index,
				     (unsigned long long)segment.dma_address,
				     narrator_bytes(segment.bytes));
		else
			narrator_say("", "segment %u: %s; its bus address is for root only",
				     segment.index, narrator_bytes(segment.bytes));
	}
	if (segments > shown)
		narrator_say("", "and %u more", segments - shown);
	if (total < actor->bytes)
		narrator_fail(NULL, "the segments cover %s of %s", narrator_bytes(total),
			      narrator_bytes(actor->bytes));
}

uint32_t step_4_map(const struct actor *actor, uint32_t direction)
{
	struct dmabuf_importer_map map = {
		.argsz = sizeof(map),
		.attachment = actor->attachment,
		.direction = direction,
	};

	CALL(actor->importer, DMABUF_IMPORTER_MAP, &map);
	narrator_say("call", "ioctl DMABUF_IMPORTER_MAP: %s", direction_name(direction));
	narrator_say("kernel", "dmabuf_map_attachment() got a scatterlist from the exporter");
	narrator_say("got", "mapping, handle %u; %s sees %u segment%s:", map.mapping,
		     actor->engine.name, map.segments, map.segments == 1 ? "" : "s");
	check_segments(actor, map.mapping, map.segments);
	return map.mapping;
}

void step_5_unmap(const struct actor *actor, uint32_t mapping)
{
	struct dmabuf_importer_unmap unmap = { .argsz = sizeof(unmap), .mapping = mapping };

	CALL(actor->importer, DMABUF_IMPORTER_UNMAP, &unmap);
	narrator_say("call", "ioctl DMABUF_IMPORTER_UNMAP: handle %u", mapping);
	narrator_say("kernel", "dmabuf_unmap_attachment() told the exporter: this DMA is over");
}

void step_6_detach(struct actor *actor)
{
	struct dmabuf_importer_detach detach = {
		.argsz = sizeof(detach),
		.attachment = actor->attachment,
	};

	CALL(actor->importer, DMABUF_IMPORTER_DETACH, &detach);
	narrator_say("call", "ioctl DMABUF_IMPORTER_DETACH: handle %u", actor->attachment);
	narrator_say("kernel", "dmabuf_detach() took %s off the buffer's list of devices",
		     actor->engine.device);
	narrator_say("kernel", "dmabuf_put() gave the reference back");
	actor->attachment = 0;
}

void step_6_close(struct actor *actor)
{
	int fd = actor->buffer;

	if (actor->window && munmap(actor->window, actor->window_bytes))
		narrator_fail_call("munmap", errno);
	actor->window = NULL;
	if (close(fd))
		narrator_fail_call("close of the buffer's fd", errno);
	actor->buffer = -1;
	narrator_say("call", "close(%d): this process holds the buffer no more", fd);
}

void step_6_check_all_gone(const struct actor *camera, const struct dmabuf_exporter_info *before)
{
	struct dmabuf_exporter_info after = exporter_info(camera->exporter);

	if (after.buffers != before->buffers || after.backed_bytes != before->backed_bytes ||
	    after.file_bytes != before->file_bytes)
		narrator_fail(alone, "left: %lld buffers, %lld bytes of memory, %lld of quota",
			      (long long)(after.buffers - before->buffers),
			      (long long)(after.backed_bytes - before->backed_bytes),
			      (long long)(after.file_bytes - before->file_bytes));
	narrator_ok("all is given back; the exporter has, as before, %llu buffers and %s",
		    (unsigned long long)after.buffers, narrator_bytes(after.backed_bytes));
}
