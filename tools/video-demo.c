// SPDX-License-Identifier: GPL-2.0-only
/*
 * video-demo: a camera, a DMA engine and a display share the same buffers.
 *
 * The camera is one of V4L2 (vivid), the display one of DRM (cirrus): neither knows
 * anything of this project.  They take file descriptors of its buffers as they take
 * those of any dma-buf.  In between the engine of our sample importer reads what the
 * camera has written, and paints into it.  What is on the monitor at last is compared
 * with what is in the buffer, pixel by pixel.
 *
 * For the machine of scripts/demo-video.
 */
#include "demo.h"
#include "narrator.h"
#include "picture.h"
#include "video.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BUFFERS 4
#define FRAMES 12
#define RATE 10			/* frames a second; what nobody takes is not captured */

/* What the engine reads and paints, so little because it takes 0.1 s for 4 KiB. */
#define READ_LINE 240
#define READ_BYTES (2 * VIDEO_PITCH)
#define BAND_LINE 432
#define BAND_LINES 4
#define LAST_BAND_LINES 24	/* for the picture that is kept */

static struct {
	struct actor buffers[BUFFERS];
	struct video_camera camera;
	struct video_display display;
	uint32_t frames[BUFFERS];	/* of the display */
} demo;

static void find_players(int importer, struct dmabuf_importer_engine *engine)
{
	const char *const any[2] = { NULL, NULL };
	struct dmabuf_importer_engine chosen[2];

	narrator_step("", "A camera, an engine and a screen, and one place in memory");
	narrator_explain("A camera writes pictures to memory, an engine works on them, a screen");
	narrator_explain("shows them.  Each has its own driver, in other parts of the kernel.");
	narrator_explain("They share buffers, so no picture is copied from one to the next.");

	narrator_step("", "The players");
	camera_open(&demo.camera, RATE, BUFFERS);
	display_open(&demo.display);
	engines_choose(importer, any, chosen);
	*engine = chosen[0];
	if (engine->type == DMABUF_IMPORTER_SOFT)
		narrator_fail("lspci | grep 1234:11e8",
			      "the importer has no engine that is hardware");
	narrator_say("is", "%s, %s: the camera, of the kernel's V4L2", demo.camera.path,
		     VIDEO_CAMERA);
	narrator_say("is", "%s: the engine, of our sample importer", engine->name);
	narrator_say("is", "%s, %s: the screen, of the kernel's DRM", demo.display.path,
		     VIDEO_DISPLAY);
	narrator_explain("The camera is a program in the kernel, so it is a CPU that writes its");
	narrator_explain("pictures.  The screen's driver brings the pixels to the memory of its");
	narrator_explain("video card: that is how this card is told what to show.");
}

static void make_buffers(int exporter, int importer, const struct dmabuf_importer_engine *engine)
{
	int i;

	narrator_step("1 and 2", "the exporter makes buffers, and user space gets handles");
	for (i = 0; i < BUFFERS; i++) {
		struct dmabuf_exporter_export export = {
			.argsz = sizeof(export),
			.bytes = VIDEO_BYTES,
			.backing = DMABUF_EXPORTER_CMA,
			.fd_flags = O_RDWR | O_CLOEXEC,
		};
		struct dmabuf_exporter_query query;

		CALL(exporter, DMABUF_EXPORTER_EXPORT, &export);
		demo.buffers[i] = (struct actor) {
			.exporter = exporter, .importer = importer, .buffer = export.fd,
			.engine = *engine, .bytes = VIDEO_BYTES,
		};
		query = buffer_query(&demo.buffers[i]);
		narrator_say("got", "buffer %llu: fd %d, %s, contiguous: backing %s",
			     (unsigned long long)query.id, export.fd,
			     narrator_bytes(query.bytes), backing_name(query.requested));
		if (!(query.flags & DMABUF_EXPORTER_QUERY_KERNEL))
			narrator_fail("cat /sys/module/dmabuf_core/parameters/native_files",
				      "the file is none that the kernel's own drivers take");
		if (query.backed_bytes)
			narrator_fail(NULL, "the buffer has %s before anybody needed it",
				      narrator_bytes(query.backed_bytes));
	}
	narrator_ok("no memory lies behind them; to the kernel each is a dma-buf like any other");
}

static void attach_engine(struct actor *buffer)
{
	struct dmabuf_importer_attach attach = {
		.argsz = sizeof(attach), .fd = buffer->buffer, .engine = buffer->engine.index,
	};

	CALL(buffer->importer, DMABUF_IMPORTER_ATTACH, &attach);
	buffer->attachment = attach.attachment;
}

static void map_window(struct actor *buffer)
{
	struct dmabuf_exporter_mmap_offset where = {
		.argsz = sizeof(where), .fd = buffer->buffer,
	};

	CALL(buffer->exporter, DMABUF_EXPORTER_MMAP_OFFSET, &where);
	buffer->window = mmap(NULL, VIDEO_BYTES, PROT_READ, MAP_SHARED, buffer->exporter,
			      where.offset);
	if (buffer->window == MAP_FAILED)
		narrator_fail_call("mmap " EXPORTER, errno);
	buffer->window_bytes = VIDEO_BYTES;
}

static void connect_all(void)
{
	struct dmabuf_exporter_placement place;
	struct dmabuf_exporter_query query;
	int i;

	narrator_step("3", "each of the three connects its device to the buffers");
	narrator_explain("None of the two drivers of the kernel asks whose buffer it is.");
	for (i = 0; i < BUFFERS; i++)
		attach_engine(&demo.buffers[i]);
	narrator_become("engine");
	narrator_say("call", "ioctl DMABUF_IMPORTER_ATTACH: %d buffers; reach %s", BUFFERS,
		     engine_reach(&demo.buffers[0].engine.constraints));
	for (i = 0; i < BUFFERS; i++)
		demo.frames[i] = display_frame(&demo.display, demo.buffers[i].buffer);
	narrator_become("screen");
	narrator_say("call", "ioctl DRM_IOCTL_PRIME_FD_TO_HANDLE, _MODE_ADDFB2: %d framebuffers",
		     BUFFERS);
	for (i = 0; i < BUFFERS; i++)
		camera_queue(&demo.camera, i, demo.buffers[i].buffer);
	narrator_become("camera");
	narrator_say("call", "ioctl VIDIOC_QBUF, memory V4L2_MEMORY_DMABUF: %d buffers", BUFFERS);

	narrator_become("demo");
	for (i = 0; i < BUFFERS; i++) {
		query = buffer_query(&demo.buffers[i]);
		place = buffer_placement(&demo.buffers[i]);
		if (query.attachments < 3)
			narrator_fail("cat /sys/kernel/debug/dmabuf-core/buffers",
				      "the buffer has %u attachments, expected 3",
				      query.attachments);
		if (place.allocs != 1 || place.here.chunks != 1)
			narrator_fail("cat /sys/kernel/debug/dmabuf-core/buffers",
				      "memory was taken %llu times, and is in %u pieces",
				      (unsigned long long)place.allocs, place.here.chunks);
		map_window(&demo.buffers[i]);
	}
	narrator_ok("each buffer knows its 3 devices; its memory serves them all: %s, %u bits",
		    place.here.kind, place.here.bits);
}

/* The engine reads lines of the frame, and paints a band into it. */
static void engine_works(const struct actor *buffer, uint32_t lines, uint32_t colour)
{
	struct dmabuf_importer_map map = {
		.argsz = sizeof(map), .attachment = buffer->attachment,
		.direction = DMABUF_IMPORTER_BIDIRECTIONAL,
	};
	struct dmabuf_importer_unmap unmap = { .argsz = sizeof(unmap) };
	struct dmabuf_importer_transfer read = {
		.argsz = sizeof(read), .op = DMABUF_IMPORTER_CHECKSUM,
		.offset = READ_LINE * VIDEO_PITCH, .bytes = READ_BYTES,
	};
	struct dmabuf_importer_transfer paint = {
		.argsz = sizeof(paint), .op = DMABUF_IMPORTER_FILL,
		.offset = BAND_LINE * VIDEO_PITCH, .bytes = lines * VIDEO_PITCH,
		.pattern = (uint64_t)colour << 32 | colour,
	};
	uint32_t expected;

	CALL(buffer->importer, DMABUF_IMPORTER_MAP, &map);
	unmap.mapping = map.mapping;
	read.mapping = map.mapping;
	paint.mapping = map.mapping;
	CALL(buffer->importer, DMABUF_IMPORTER_TRANSFER, &read);
	CALL(buffer->importer, DMABUF_IMPORTER_TRANSFER, &paint);
	CALL(buffer->importer, DMABUF_IMPORTER_UNMAP, &unmap);
	expected = picture_crc32(buffer->window + read.offset, READ_BYTES);
	narrator_become("engine");
	if (read.checksum != expected || read.moved != READ_BYTES || paint.moved != paint.bytes)
		narrator_fail("dmesg | grep dmabuf",
			      "the engine's checksum is 0x%08x, and 0x%08x that of the lines",
			      read.checksum, expected);
	narrator_say("DMA", "read %u lines (checksum 0x%08x, as the CPU's), painted %u",
		     READ_BYTES / VIDEO_PITCH, read.checksum, lines);
}

/* Is it the test pattern: bars, alike from line to line, with the engine's band? */
static void check_picture(const struct actor *buffer, uint32_t lines, uint32_t colour)
{
	const uint32_t *pixels = (const uint32_t *)buffer->window;
	const uint32_t *bars = pixels + READ_LINE * VIDEO_WIDTH;
	uint32_t x, i, edges = 0;

	for (x = 1; x < VIDEO_WIDTH; x++)
		edges += ((bars[x] ^ bars[x - 1]) & 0xffffff) != 0;
	if (edges != 7 || memcmp(bars, pixels + (VIDEO_HEIGHT - 1) * VIDEO_WIDTH, VIDEO_PITCH))
		narrator_fail(NULL, "the picture is not that of 8 bars, but of %u", edges + 1);
	for (i = 0; i < lines * VIDEO_WIDTH; i++)
		if (pixels[BAND_LINE * VIDEO_WIDTH + i] != colour)
			narrator_fail(NULL, "pixel %u of the band is 0x%08x, expected 0x%08x", i,
				      pixels[BAND_LINE * VIDEO_WIDTH + i], colour);
}

static void one_frame(uint32_t number, bool last)
{
	const uint32_t lines = last ? LAST_BAND_LINES : BAND_LINES;
	uint32_t colour = 0xff8000 + number % 32, index, sequence, different;
	const struct actor *buffer;
	char name[32] = "demo-video";

	index = camera_next(&demo.camera, &sequence);
	buffer = &demo.buffers[index];
	narrator_become("camera");
	narrator_say("wrote", "picture %u into buffer %llu", sequence,
		     (unsigned long long)buffer_query(buffer).id);
	engine_works(buffer, lines, colour);
	check_picture(buffer, lines, colour);
	display_show(&demo.display, demo.frames[index]);
	if (!last)
		snprintf(name, sizeof(name), "frame-%u", number);
	different = display_compare((const uint32_t *)buffer->window, name);
	narrator_become("screen");
	if (different)
		narrator_fail(NULL, "%u pixels on the screen are not as in the buffer",
			      different);
	narrator_ok("shows it: a screenshot from outside has the buffer's %s pixels",
		    "307,200");
	if (!last)
		camera_queue(&demo.camera, index, buffer->buffer);
}

static void run(uint32_t frames)
{
	uint32_t i;

	narrator_step("4 and 5", "the pictures go round");
	narrator_explain("The engine reads some lines and paints an orange band at the bottom;");
	narrator_explain("it takes 0.1 s for 4 KiB, so it is not given more.  The camera makes 10");
	narrator_explain("pictures a second, and leaves out those for which it has no buffer.");
	camera_start(&demo.camera);
	for (i = 0; i < frames; i++)
		one_frame(i, i == frames - 1);
	camera_stop(&demo.camera);

	narrator_become("demo");
	for (i = 0; i < BUFFERS; i++) {
		struct dmabuf_exporter_placement place = buffer_placement(&demo.buffers[i]);

		if (place.allocs != 1 || place.moves || place.moved_bytes)
			narrator_fail(NULL, "the buffer took memory %llu times, and moved",
				      (unsigned long long)place.allocs);
	}
	narrator_ok("all %u pictures were made, worked on and shown in the %d places", frames,
		    BUFFERS);
}

static void disconnect_all(const struct dmabuf_exporter_info *before)
{
	int i;

	narrator_step("6", "each of the three disconnects");
	camera_close(&demo.camera);
	display_close(&demo.display, demo.frames, BUFFERS);
	for (i = 0; i < BUFFERS; i++) {
		struct dmabuf_importer_detach detach = {
			.argsz = sizeof(detach), .attachment = demo.buffers[i].attachment,
		};
		struct dmabuf_exporter_query query;

		CALL(demo.buffers[i].importer, DMABUF_IMPORTER_DETACH, &detach);
		query = buffer_query(&demo.buffers[i]);
		if (query.attachments)
			narrator_fail("cat /sys/kernel/debug/dmabuf-core/buffers",
				      "the buffer still has %u attachments", query.attachments);
		munmap(demo.buffers[i].window, VIDEO_BYTES);
		close(demo.buffers[i].buffer);
	}
	step_6_check_all_gone(&demo.buffers[0], before);
}

static const char usage[] =
	"Usage: video-demo [OPTION]...\n"
	"A camera (vivid), a DMA engine (edu) and a screen (cirrus) share buffers.  For the\n"
	"virtual machine of scripts/demo-video.\n"
	"\n"
	"  -n, --frames COUNT    so many pictures (default: 12)\n"
	"  -v, --verbose         show every ioctl\n"
	"  -q, --quiet           print the last line only\n"
	"  -h, --help            print this text\n"
	"\n"
	"The exit status is 0 when every pixel was right, 1 when something failed, and 2 when\n"
	"the command line is wrong.\n";

static void __attribute__((noreturn)) bad_usage(void)
{
	fputs("Try 'video-demo --help'.\n", stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "frames", required_argument, NULL, 'n' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	enum narrator_level level = NARRATOR_NORMAL;
	struct dmabuf_importer_engine engine;
	struct dmabuf_exporter_info before;
	int exporter, importer, option;
	unsigned long frames = FRAMES;
	double start = seconds();
	char *end;

	while ((option = getopt_long(argc, argv, "n:vqh", longs, NULL)) != -1) {
		switch (option) {
		case 'n':
			frames = strtoul(optarg, &end, 0);
			if (*end || !frames || frames > 100000)
				bad_usage();
			break;
		case 'v':
			level = NARRATOR_VERBOSE;
			break;
		case 'q':
			level = NARRATOR_QUIET;
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		default:
			bad_usage();
		}
	}
	if (optind < argc)
		bad_usage();

	narrator_init(level);
	exporter = open_node(EXPORTER);
	importer = open_node(IMPORTER);
	find_players(importer, &engine);
	before = exporter_info(exporter);
	make_buffers(exporter, importer, &engine);
	connect_all();
	run(frames);
	disconnect_all(&before);
	narrator_end("video-demo: %lu pictures from camera to screen, all pixels right (%.1f s)",
		     frames, seconds() - start);
	return EXIT_SUCCESS;
}
