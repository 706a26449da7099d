// SPDX-License-Identifier: GPL-2.0-only
/*
 * The last act: a device comes when the buffer lies where it cannot reach, and the
 * buffer moves.
 *
 * The camera's device is the wide one, that of the display the narrow one, which
 * comes late.  What the kernel says of the move is held against what was seen.
 */
#include "demo.h"
#include "narrator.h"
#include "peer.h"
#include "picture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EDU_BYTES (8 * 1024 + 117)	/* edu takes 0.1 s for each run of 4 KiB */
#define SOFT_PAGES 16
#define NOISE_SEED 3
#define FIRST_PLATE " HOME "
#define SECOND_PLATE "MOVED!"

/* Milliseconds between two looks at a buffer, and how long to go on looking. */
#define LOOK_MS 10
#define PATIENCE_S 60

static uint32_t attach(const struct actor *actor, int *err)
{
	struct dmabuf_importer_attach attach = {
		.argsz = sizeof(attach),
		.fd = actor->buffer,
		.engine = actor->engine.index,
	};

	if (actor->limits) {
		attach.flags = DMABUF_IMPORTER_CONSTRAIN;
		attach.constraints = *actor->limits;
	}
	*err = TRY(actor->importer, DMABUF_IMPORTER_ATTACH, &attach);
	return attach.attachment;
}

static void detach(const struct actor *actor)
{
	struct dmabuf_importer_detach detach = {
		.argsz = sizeof(detach),
		.attachment = actor->attachment,
	};

	CALL(actor->importer, DMABUF_IMPORTER_DETACH, &detach);
}

static int map(const struct actor *actor, uint32_t direction, uint32_t flags,
	       struct dmabuf_importer_map *map)
{
	*map = (struct dmabuf_importer_map) {
		.argsz = sizeof(*map),
		.flags = flags,
		.attachment = actor->attachment,
		.direction = direction,
	};
	return TRY(actor->importer, DMABUF_IMPORTER_MAP, map);
}

static void unmap(const struct actor *actor, uint32_t mapping)
{
	struct dmabuf_importer_unmap unmap = { .argsz = sizeof(unmap), .mapping = mapping };

	CALL(actor->importer, DMABUF_IMPORTER_UNMAP, &unmap);
}

static void export(struct actor *camera, uint64_t bytes, uint32_t flags, uint32_t backing)
{
	struct dmabuf_exporter_export export = {
		.argsz = sizeof(export),
		.flags = flags,
		.bytes = bytes,
		.backing = backing,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};

	CALL(camera->exporter, DMABUF_EXPORTER_EXPORT, &export);
	camera->buffer = export.fd;
	camera->bytes = export.bytes;
}

/* All of the buffer must be in the segments, and where the device reaches. */
static void tell_segments(const struct actor *actor, const struct dmabuf_importer_map *map)
{
	struct dmabuf_importer_segment segment = {
		.argsz = sizeof(segment),
		.mapping = map->mapping,
	};
	uint64_t total = 0, last, highest = 0;

	for (; segment.index < map->segments; segment.index++) {
		CALL(actor->importer, DMABUF_IMPORTER_SEGMENT, &segment);
		total += segment.bytes;
		last = segment.dma_address ? segment.dma_address + segment.bytes - 1 : 0;
		if (last > highest)
			highest = last;
	}
	if (highest)
		narrator_say("got", "mapping: %s sees %u segment%s, up to bus address 0x%llx",
			     actor->engine.name, map->segments, map->segments == 1 ? "" : "s",
			     (unsigned long long)highest);
	else
		narrator_say("got", "mapping: %s sees %u segment%s; bus address for root only",
			     actor->engine.name, map->segments, map->segments == 1 ? "" : "s");
	if (total < actor->bytes)
		narrator_fail(NULL, "the segments cover %s of %s", narrator_bytes(total),
			      narrator_bytes(actor->bytes));
	if (highest > actor->engine.constraints.dma_mask)
		narrator_fail(NULL, "%s reaches %s only", actor->engine.name,
			      engine_reach(&actor->engine.constraints));
	if (actor->limits && map->segments > actor->limits->max_segs)
		narrator_fail(NULL, "%s takes %u segments only", actor->engine.name,
			      actor->limits->max_segs);
}

/* Waits if it must, and tells what it got. */
static uint32_t map_and_tell(const struct actor *actor, uint32_t direction)
{
	struct dmabuf_importer_map got;
	int err = map(actor, direction, 0, &got);

	if (err)
		narrator_fail_call("ioctl DMABUF_IMPORTER_MAP", err);
	tell_segments(actor, &got);
	return got.mapping;
}

/* Holes in free memory, so that what is taken next is in more than one piece. */
#define HOLES 32

struct holes {
	int fds[2 * HOLES];
	cpu_set_t cpus;
};

/* Each CPU has a list of free pages of its own; the last freed are taken first. */
static void punch_holes(const struct actor *camera, struct holes *holes)
{
	struct actor page = *camera;
	cpu_set_t here;
	int i;

	sched_getaffinity(0, sizeof(holes->cpus), &holes->cpus);
	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	sched_setaffinity(0, sizeof(here), &here);
	for (i = 0; i < 2 * HOLES; i++) {
		export(&page, 1, DMABUF_EXPORTER_POPULATE, DMABUF_EXPORTER_SCATTER);
		holes->fds[i] = page.buffer;
	}
	for (i = 0; i < 2 * HOLES; i += 2)
		close(holes->fds[i]);
}

static void fill_holes(const struct holes *holes)
{
	int i;

	for (i = 1; i < 2 * HOLES; i += 2)
		close(holes->fds[i]);
	sched_setaffinity(0, sizeof(holes->cpus), &holes->cpus);
}

/*
 * Would a buffer that the wide one uses move for the narrow one?  Not if the
 * narrow one reaches it there (memory is small, or an IOMMU helps), nor if it
 * reaches no memory of this machine.  Tried with a buffer of its own.
 */
static bool would_move(const struct actor *camera, const struct migration *migration)
{
	struct actor wide = *camera, narrow;
	struct dmabuf_importer_map held, late;
	bool moves = false;
	int err;

	wide.engine = migration->wide;
	export(&wide, migration->bytes, 0, DMABUF_EXPORTER_AUTO);
	wide.attachment = attach(&wide, &err);
	if (err)
		narrator_fail_call("ioctl DMABUF_IMPORTER_ATTACH", err);
	err = map(&wide, DMABUF_IMPORTER_TO_DEVICE, 0, &held);
	if (err)
		narrator_fail_call("ioctl DMABUF_IMPORTER_MAP", err);

	narrow = wide;
	narrow.engine = migration->narrow;
	narrow.attachment = attach(&narrow, &err);
	if (err && err != EOPNOTSUPP)
		narrator_fail_call("ioctl DMABUF_IMPORTER_ATTACH", err);
	if (!err) {
		err = map(&narrow, DMABUF_IMPORTER_TO_DEVICE, DMABUF_IMPORTER_NOWAIT, &late);
		moves = err == EAGAIN;
		if (err && !moves)
			narrator_fail_call("ioctl DMABUF_IMPORTER_MAP", err);
		if (!err)
			unmap(&narrow, late.mapping);
		detach(&narrow);
	}
	unmap(&wide, held.mapping);
	detach(&wide);
	close(wide.buffer);
	return moves;
}

/* The two that played so far, if a buffer would move between them. */
static bool cast_real(const struct actor *camera, const struct dmabuf_importer_engine engines[2],
		      struct migration *migration)
{
	const struct dmabuf_importer_constraints *a = &engines[0].constraints;
	const struct dmabuf_importer_constraints *b = &engines[1].constraints;
	bool swap = a->dma_mask < b->dma_mask;
	uint64_t align = a->align > b->align ? a->align : b->align;

	if (a->dma_mask == b->dma_mask)
		return false;
	migration->wide = engines[swap];
	migration->narrow = engines[!swap];
	migration->bytes = (EDU_BYTES + align - 1) & ~(align - 1);
	migration->stand_ins = false;
	return would_move(camera, migration);
}

static bool cast_stand_ins(const struct actor *camera, struct migration *migration)
{
	if (!engines_soft(camera->importer, &migration->wide))
		return false;
	migration->narrow = migration->wide;
	migration->bytes = SOFT_PAGES * sysconf(_SC_PAGESIZE) + 117;
	migration->stand_ins = true;
	migration->limits = (struct dmabuf_importer_constraints) {
		.dma_mask = UINT64_MAX,
		.seg_boundary = UINT64_MAX,
		.max_seg_size = UINT64_MAX,
		.max_segs = 1,
		.align = 1,
	};
	return true;
}

static const char title[] = "Last act: a device comes late, and the buffer moves";

bool migration_cast(const struct actor *camera, const struct dmabuf_importer_engine engines[2],
		    struct migration *migration)
{
	narrator_step("", title);
	narrator_explain("Until here the exporter knew both devices before it took memory.  Now");
	narrator_explain("one comes when the buffer lies where it cannot use it.  The exporter");
	narrator_explain("makes it wait until nobody uses the buffer, and moves all of it.");

	if (cast_real(camera, engines, migration)) {
		narrator_say("is", "%s is the camera again: reach %s", migration->wide.name,
			     engine_reach(&migration->wide.constraints));
		narrator_say("is", "%s is the display, and comes late: reach %s",
			     migration->narrow.name,
			     engine_reach(&migration->narrow.constraints));
		return true;
	}
	if (!cast_stand_ins(camera, migration)) {
		narrator_say("note", "left out: for no two devices here a buffer would move,");
		narrator_say("note", "and no software engine that could stand in for them");
		return false;
	}
	narrator_say("note", "there are no two devices here for which a buffer would move:");
	narrator_say("note", "%s stands in for both; the CPU moves bytes, the limits are stated",
		     migration->wide.name);
	narrator_say("is", "%s as the camera: takes any number of segments",
		     migration->wide.name);
	narrator_say("is", "%s as the display, which comes late: takes one segment only",
		     migration->narrow.name);
	return true;
}

static void show_house(const unsigned char *bytes)
{
	int i;

	for (i = 0; i < PICTURE_HOUSE_LINES; i++)
		narrator_say("", "   %.*s", PICTURE_HOUSE_COLUMNS,
			     (const char *)bytes + i * (PICTURE_HOUSE_COLUMNS + 1));
}

static unsigned char *expected_house(uint64_t bytes, const char *plate)
{
	unsigned char *expected = allocate(bytes);

	picture_noise(expected, bytes, NOISE_SEED);
	picture_house(expected, plate);
	return expected;
}

/* "scattered pages, addresses of 33 bits, 3 pieces", in one of two static buffers */
static const char *place_text(const struct dmabuf_exporter_place *place)
{
	static char texts[2][80];
	static unsigned int slot;
	char *text = texts[slot++ % 2];

	snprintf(text, sizeof(*texts), "%s, addresses of %u bits, %u piece%s", place->kind,
		 place->bits, place->chunks, place->chunks == 1 ? "" : "s");
	return text;
}

uint32_t migration_begin(struct actor *camera, const struct migration *migration)
{
	struct dmabuf_importer_transfer copy = { .op = DMABUF_IMPORTER_COPY_IN };
	struct dmabuf_exporter_placement placement;
	unsigned char *expected;
	struct holes holes;
	uint32_t mapping;
	int err;

	camera->engine = migration->wide;
	export(camera, migration->bytes, 0, DMABUF_EXPORTER_AUTO);
	camera->attachment = attach(camera, &err);
	if (err)
		narrator_fail_call("ioctl DMABUF_IMPORTER_ATTACH", err);
	narrator_say("got", "a new buffer of %s, attached to %s and nobody else",
		     narrator_bytes(camera->bytes), camera->engine.name);

	if (migration->stand_ins)
		punch_holes(camera, &holes);
	mapping = map_and_tell(camera, DMABUF_IMPORTER_BIDIRECTIONAL);
	if (migration->stand_ins)
		fill_holes(&holes);
	placement = buffer_placement(camera);
	narrator_say("sees", "it lies in %s", place_text(&placement.here));
	if (migration->stand_ins && placement.here.chunks < 2)
		narrator_fail("Start it again.", "by chance the memory is in one piece");
	if (!migration->stand_ins &&
	    placement.here.bits <= engine_bits(&migration->narrow.constraints))
		narrator_fail("Start it again.", "by chance %s reaches that, too",
			      migration->narrow.name);

	expected = expected_house(camera->bytes, FIRST_PLATE);
	copy.mapping = mapping;
	copy.bytes = camera->bytes;
	copy.user = (uintptr_t)expected;
	device_transfer(camera, &copy, "wrote a picture, and noise behind it");
	unmap(camera, mapping);

	cpu_map(camera);
	narrator_say("CPU", "sees at address %p, where it will stay mapped all the time:",
		     (void *)camera->window);
	show_house(camera->window);
	cpu_compare(camera, expected, "every byte of it");
	free(expected);

	narrator_say("call", "ioctl DMABUF_IMPORTER_MAP: %s is about to read", camera->engine.name);
	return map_and_tell(camera, DMABUF_IMPORTER_TO_DEVICE);
}

uint32_t migration_come_late(struct actor *display)
{
	struct dmabuf_importer_map got;
	int err;

	narrator_say("got", "fd %d of that buffer", display->buffer);
	display->attachment = attach(display, &err);
	if (err)
		narrator_fail_call("ioctl DMABUF_IMPORTER_ATTACH", err);
	narrator_say("call", "ioctl DMABUF_IMPORTER_ATTACH: %s may come, although it cannot use",
		     display->engine.name);
	narrator_say("", "the memory as it is: the exporter has other that would do");
	narrator_say("call", "ioctl DMABUF_IMPORTER_MAP: to read; it does not return ...");
	peer_pass(display->peer, 0, -1);

	/* Says nothing: it is the camera's turn to speak. */
	err = map(display, DMABUF_IMPORTER_TO_DEVICE, 0, &got);
	if (err)
		narrator_fail_call("ioctl DMABUF_IMPORTER_MAP", err);
	peer_await(display->peer, NULL);
	narrator_say("", "... until now");
	tell_segments(display, &got);
	return got.mapping;
}

static const char *state_name(uint32_t state)
{
	static const char *const names[] = {
		[DMABUF_EXPORTER_EMPTY] = "empty",
		[DMABUF_EXPORTER_BACKED] = "backed",
		[DMABUF_EXPORTER_MAPPED] = "mapped",
		[DMABUF_EXPORTER_DRAINING] = "draining",
		[DMABUF_EXPORTER_MOVING] = "moving",
	};

	return state < sizeof(names) / sizeof(*names) ? names[state] : "unknown";
}

/* Looks until the buffer is in that state, with so many maps waiting after so many moves. */
static struct dmabuf_exporter_placement await_state(const struct actor *camera, uint32_t state,
						    uint32_t waiting, uint64_t moves)
{
	struct dmabuf_exporter_placement placement;
	double deadline = seconds() + PATIENCE_S;

	do {
		placement = buffer_placement(camera);
		if (placement.state == state && placement.waiting == waiting &&
		    placement.moves == moves)
			return placement;
		peer_let_work(camera->peer, LOOK_MS);
	} while (seconds() < deadline);
	narrator_fail("dmesg | grep dmabuf; cat /sys/kernel/debug/dmabuf-core/buffers",
		      "state %s, %u waiting, %llu moves; expected: %s, %u and %llu",
		      state_name(placement.state), placement.waiting,
		      (unsigned long long)placement.moves, state_name(state), waiting,
		      (unsigned long long)moves);
}

/* The constraint by which the stall is known before it, and the move after it. */
static uint32_t cause(const struct migration *migration)
{
	return migration->stand_ins ? DMABUF_EXPORTER_CONSTRAINT_MAX_SEGS :
				      DMABUF_EXPORTER_CONSTRAINT_DMA_MASK;
}

static void tell_stall(const struct migration *migration,
		       const struct dmabuf_exporter_placement *placement)
{
	narrator_say("sees", "state %s: %u map waits, %u device still has the buffer mapped",
		     state_name(placement->state), placement->waiting, placement->readers);
	if (migration->stand_ins)
		narrator_say("sees", "who: %s; why: max_segs allows 1, and it lies in %u pieces",
			     migration->narrow.device, placement->here.chunks);
	else
		narrator_say("sees", "who: %s; why: dma_mask allows 0x%llx, it lies in %u bits",
			     migration->narrow.device,
			     (unsigned long long)migration->narrow.constraints.dma_mask,
			     placement->here.bits);
}

/* What the kernel says of its move must be what was seen before and after. */
static void check_move(const struct actor *camera, const struct migration *migration,
		       const struct dmabuf_exporter_placement *before,
		       const struct dmabuf_exporter_placement *after)
{
	const struct dmabuf_exporter_reason *why = &after->move;
	uint64_t allowed = migration->stand_ins ? 1 : migration->narrow.constraints.dma_mask;
	double drained = after->move_drain_ns / 1e9;

	narrator_say("sees", "the buffer has moved: %s, after %.2f s of waiting for the camera",
		     narrator_bytes(after->move_bytes), drained);
	narrator_say("sees", "from %s", place_text(&after->from));
	narrator_say("sees", "to   %s", place_text(&after->to));
	if (migration->stand_ins)
		narrator_say("sees", "for %s: max_segs: it allows %llu, the memory had %llu",
			     why->device, (unsigned long long)why->allowed,
			     (unsigned long long)why->actual);
	else
		narrator_say("sees", "for %s: dma_mask: it allows 0x%llx, the memory had 0x%llx",
			     why->device, (unsigned long long)why->allowed,
			     (unsigned long long)why->actual);

	if (strncmp(why->device, migration->narrow.device, sizeof(why->device) - 1))
		narrator_fail(NULL, "it moved for %s and not for %s", why->device,
			      migration->narrow.device);
	if (why->constraint != cause(migration) || why->allowed != allowed ||
	    why->actual <= allowed || why->error)
		narrator_fail(NULL, "it moved for another reason: constraint %u, error %u",
			      why->constraint, why->error);
	if (after->move_bytes != camera->bytes || after->moved_bytes != camera->bytes)
		narrator_fail(NULL, "it says that %s moved, of %s",
			      narrator_bytes(after->move_bytes), narrator_bytes(camera->bytes));
	if (memcmp(&after->from, &before->here, sizeof(after->from)) ||
	    memcmp(&after->to, &after->here, sizeof(after->to)))
		narrator_fail(NULL, "it lay in %s, and lies in %s", place_text(&before->here),
			      place_text(&after->here));
	if (!after->move_drain_ns || after->stalls != 1 || after->failures ||
	    after->allocs != before->allocs + 1)
		narrator_fail(NULL, "%llu ns, %llu stalls, %llu failures, %llu times memory",
			      (unsigned long long)after->move_drain_ns,
			      (unsigned long long)after->stalls,
			      (unsigned long long)after->failures,
			      (unsigned long long)after->allocs);
	if (migration->stand_ins ? after->here.chunks != 1 :
	    after->here.bits > engine_bits(&migration->narrow.constraints))
		narrator_fail(NULL, "%s cannot use where it lies now", migration->narrow.name);
	narrator_ok("it lies where both devices can use it");
}

uint32_t migration_stall(const struct actor *camera, const struct migration *migration,
			 uint32_t mapping)
{
	struct dmabuf_exporter_placement before, after;
	unsigned char *expected = expected_house(camera->bytes, FIRST_PLATE);
	uint32_t crc = picture_crc32(expected, camera->bytes);

	free(expected);
	before = await_state(camera, DMABUF_EXPORTER_DRAINING, 1, 0);
	tell_stall(migration, &before);
	show_fdinfo(camera);
	if (before.readers != 1 || before.writers)
		narrator_fail(NULL, "%u read and %u write, but only the camera should read",
			      before.readers, before.writers);

	device_checksum(camera, mapping, crc, "the picture: it works on undisturbed");
	before = await_state(camera, DMABUF_EXPORTER_DRAINING, 1, 0);
	narrator_ok("the display still waits, nothing has moved");

	narrator_say("call", "ioctl DMABUF_IMPORTER_UNMAP: the camera's DMA is over");
	unmap(camera, mapping);
	after = await_state(camera, DMABUF_EXPORTER_MAPPED, 0, 1);
	check_move(camera, migration, &before, &after);
	show_fdinfo(camera);
	return crc;
}

void migration_display_reads(const struct actor *display, uint32_t mapping, uint32_t crc)
{
	device_checksum(display, mapping, crc, "what was written before the move");
	unmap(display, mapping);
}

void migration_camera_reads(const struct actor *camera, uint32_t crc)
{
	unsigned char *expected = expected_house(camera->bytes, FIRST_PLATE);
	uint32_t mapping = map_and_tell(camera, DMABUF_IMPORTER_TO_DEVICE);

	device_checksum(camera, mapping, crc, "the picture, in its new place");
	unmap(camera, mapping);

	narrator_say("CPU", "sees at address %p, through the same pointer as before:",
		     (void *)camera->window);
	show_house(camera->window);
	cpu_compare(camera, expected, "the same picture, and the same noise behind it");
	free(expected);

	memcpy(camera->window + PICTURE_PLATE, SECOND_PLATE, PICTURE_PLATE_BYTES);
	narrator_say("CPU", "paints \"%s\" on the plate, through that pointer", SECOND_PLATE);
}

void migration_display_reads_plate(const struct actor *display)
{
	unsigned char *expected = expected_house(display->bytes, SECOND_PLATE);
	uint32_t mapping = map_and_tell(display, DMABUF_IMPORTER_TO_DEVICE);

	device_compare(display, mapping, expected, "the camera and the CPU");
	narrator_say("got", "from %s:", display->engine.name);
	show_house(expected);
	unmap(display, mapping);
	free(expected);
}

void migration_end(const struct actor *camera)
{
	struct dmabuf_exporter_placement placement = buffer_placement(camera);

	if (placement.moves != 1 || placement.failures || placement.refusal.device[0])
		narrator_fail("dmesg | grep dmabuf", "%llu moves, %llu failures, refused: %s",
			      (unsigned long long)placement.moves,
			      (unsigned long long)placement.failures, placement.refusal.device);
	if (buffer_query(camera).attachments != 1)
		narrator_fail(NULL, "the display's process has ended, its attachment has not");
	narrator_ok("one move was enough, nobody was refused; the display has gone");
}
