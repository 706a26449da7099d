// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmabuf-demo: walks one buffer through the six steps of DMA buffer sharing,
 * with the DMA engines of the machine that it runs on, and tells what happens.
 *
 * Two processes play: the camera, which asks the exporter for a buffer and lets
 * its engine write into it, and the display, which is handed a file descriptor
 * and lets its engine read.  The steps are in steps.c, what happens between two
 * of them in scenes.c; play_camera() and play_display() are the order of play.  In
 * the last act, which is in migration.c, a buffer moves: play_migration() and
 * play_late_display().
 */
#include "demo.h"
#include "narrator.h"
#include "peer.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_BYTES (16 * 1024 + 117)	/* neither whole pages nor whole words */
#define SLOW_BYTES (64 * 1024)		/* much for an engine that takes 0.1 s for 4 KiB */

struct options {
	enum narrator_level level;
	bool list;
	const char *engine[2];	/* the camera's, the display's; NULL: choose */
	uint64_t bytes;
	uint32_t backing;
};

/* Whose turn it is passes to and fro: what is printed stays in order. */
static void play_display(struct actor *display)
{
	uint32_t crc;

	narrator_become("display");
	narrator_enter("2", "user space gets a handle, and hands it on");
	display->importer = open_node(IMPORTER);
	step_2_receive(display);
	peer_pass(display->peer, 0, -1);

	peer_await(display->peer, NULL);
	narrator_enter("3", "each user connects its device to the buffer");
	step_3_attach(display);
	peer_pass(display->peer, 0, -1);

	peer_await(display->peer, NULL);
	scene_display_reads(display);
	peer_pass(display->peer, 0, -1);

	crc = peer_await(display->peer, NULL);
	scene_display_reads_drawing(display, crc);
	peer_pass(display->peer, 0, -1);

	peer_await(display->peer, NULL);
	narrator_enter("6", "each user disconnects");
	step_6_detach(display);
	step_6_close(display);
}

static int importer_of_camera = -1, peer_of_camera = -1;

static void await_end_of_display(struct actor *camera)
{
	int status;

	if (waitpid(camera->other, &status, 0) < 0)
		narrator_fail_call("wait for the display process", errno);
	if (WIFSIGNALED(status))
		narrator_fail("dmesg | tail", "signal %d killed the display process",
			      WTERMSIG(status));
	if (WEXITSTATUS(status))
		exit(EXIT_FAILURE);	/* it has said why */
	peer_of_camera = -1;
	close(camera->peer);
}

static void check_without_display(const struct actor *camera)
{
	struct dmabuf_exporter_query query = buffer_query(camera);

	if (query.attachments != 1 || !query.backed_bytes)
		narrator_fail(NULL, "the buffer has %u attachments and %s, but the camera uses it",
			      query.attachments, narrator_bytes(query.backed_bytes));
	narrator_ok("the display has gone, the buffer lives on: the camera still holds it");
}

static void play_camera(struct actor *camera, const struct dmabuf_exporter_info *before)
{
	int peer = camera->peer;

	step_2_send(camera);
	peer_await(peer, NULL);

	narrator_step("3", "each user connects its device to the buffer");
	narrator_explain("Now the exporter knows which devices will use the buffer, and what");
	narrator_explain("they can reach, before it has to choose the memory.");
	step_3_attach(camera);
	peer_pass(peer, 0, -1);
	peer_await(peer, NULL);
	step_3_check(camera);

	scene_camera_writes(camera);
	peer_pass(peer, 0, -1);
	peer_await(peer, NULL);
	peer_pass(peer, scene_cpu_draws(camera), -1);
	peer_await(peer, NULL);
	scene_camera_patches(camera);

	narrator_step("6", "each user disconnects");
	narrator_explain("When nobody holds the buffer any more, its memory is given back.");
	peer_pass(peer, 0, -1);
	await_end_of_display(camera);
	check_without_display(camera);
	step_6_detach(camera);
	step_6_close(camera);
	step_6_check_all_gone(camera, before);
}

static void introduce(const struct options *options, int importer,
		      struct dmabuf_importer_engine chosen[2])
{
	narrator_step("", "One buffer, two devices, no copy");
	narrator_explain("A camera writes pictures to memory, a display reads them.  Where each");
	narrator_explain("has memory of its own, the CPU must copy every picture.  Where their");
	narrator_explain("drivers share a buffer, both use the same memory: nothing is copied.");

	narrator_step("", "The players");
	narrator_explain("A DMA engine is hardware that reads and writes memory by itself; the");
	narrator_explain("CPU only tells it where.  Reach: how high an address it can use.");
	narrator_explain("Segments: how many pieces of memory it can be given.");
	engines_choose(importer, options->engine, chosen);

	narrator_say("is", "%s is the camera: it writes", chosen[0].name);
	narrator_say("is", "%s is the display: it reads", chosen[1].name);
	if (!strcmp(chosen[0].device, chosen[1].device))
		narrator_say("note", "both are one device, connected twice");
	if (chosen[0].type == DMABUF_IMPORTER_SOFT || chosen[1].type == DMABUF_IMPORTER_SOFT)
		narrator_say("note", "with a software engine it is the CPU that moves bytes");
	if (chosen[0].type == DMABUF_IMPORTER_EDU && options->bytes > SLOW_BYTES)
		narrator_say("note", "edu takes 0.2 s or more for 4 KiB: this will take a while");
}

/* Some engines move whole words only; then the buffer has whole words, too. */
static uint64_t fit_bytes(uint64_t bytes, const struct dmabuf_importer_engine engines[2])
{
	uint64_t align = engines[0].constraints.align;
	uint64_t fit;

	if (align < engines[1].constraints.align)
		align = engines[1].constraints.align;
	fit = (bytes + align - 1) & ~(align - 1);
	if (fit != bytes)
		narrator_say("note", "an engine moves multiples of %s only: taking %s",
			     narrator_bytes(align), narrator_bytes(fit));
	return fit;
}

/*
 * Where the camera process ends early, the display process may wait for its
 * turn or for an unmap, or may still be telling what went wrong, or may have been
 * killed.
 */
static void reap_display(void)
{
	int status;

	if (peer_of_camera < 0)
		return;
	close(importer_of_camera);
	shutdown(peer_of_camera, SHUT_RDWR);
	if (wait(&status) > 0 && WIFSIGNALED(status))
		fprintf(stderr, "dmabuf-demo: signal %d killed the display process\n",
			WTERMSIG(status));
}

static void start_display(struct actor *camera, const struct dmabuf_importer_engine *engine,
			  const struct dmabuf_importer_constraints *limits,
			  void (*play)(struct actor *display))
{
	int sockets[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets))
		narrator_fail_call("socketpair", errno);
	fflush(stdout);
	camera->other = fork();
	if (camera->other < 0)
		narrator_fail_call("fork", errno);
	if (!camera->other) {
		struct actor display = {
			.exporter = -1,
			.peer = sockets[1],
			.engine = *engine,
			.limits = limits,
		};

		/* It has nothing of the camera's but what it will be handed. */
		close(camera->exporter);
		close(camera->importer);
		close(sockets[0]);
		play(&display);
		exit(EXIT_SUCCESS);
	}
	close(sockets[1]);
	camera->peer = sockets[0];
	peer_of_camera = sockets[0];
}

static void play_late_display(struct actor *display)
{
	uint32_t mapping, crc;

	narrator_become("display");
	display->importer = open_node(IMPORTER);
	display->bytes = peer_await(display->peer, &display->buffer);
	mapping = migration_come_late(display);
	peer_pass(display->peer, 0, -1);

	crc = peer_await(display->peer, NULL);
	migration_display_reads(display, mapping, crc);
	peer_pass(display->peer, 0, -1);

	peer_await(display->peer, NULL);
	migration_display_reads_plate(display);
}

/* Returns false if no buffer would move on this machine. */
static bool play_migration(struct actor *camera, const struct dmabuf_importer_engine engines[2],
			   const struct dmabuf_exporter_info *before)
{
	struct migration migration;
	uint32_t mapping, crc;
	int peer;

	if (!migration_cast(camera, engines, &migration))
		return false;
	start_display(camera, &migration.narrow, migration.stand_ins ? &migration.limits : NULL,
		      play_late_display);
	peer = camera->peer;

	narrator_become("camera");
	mapping = migration_begin(camera, &migration);
	peer_pass(peer, camera->bytes, camera->buffer);
	peer_await(peer, NULL);
	crc = migration_stall(camera, &migration, mapping);
	peer_pass(peer, 0, -1);
	peer_await(peer, NULL);
	peer_pass(peer, crc, -1);
	peer_await(peer, NULL);
	migration_camera_reads(camera, crc);
	peer_pass(peer, 0, -1);
	await_end_of_display(camera);
	migration_end(camera);
	step_6_detach(camera);
	step_6_close(camera);
	step_6_check_all_gone(camera, before);
	return true;
}

/* Returns whether the last act was played, too. */
static bool play(const struct options *options)
{
	struct actor camera = { .buffer = -1 };
	struct dmabuf_importer_engine engines[2];
	struct dmabuf_exporter_info before;
	uint64_t bytes;

	camera.exporter = open_node(EXPORTER);
	camera.importer = open_node(IMPORTER);
	importer_of_camera = camera.importer;
	introduce(options, camera.importer, engines);
	bytes = fit_bytes(options->bytes, engines);
	before = exporter_info(camera.exporter);
	narrator_say("sees", "so far the exporter has %llu buffers with %s of memory",
		     (unsigned long long)before.buffers, narrator_bytes(before.backed_bytes));

	start_display(&camera, &engines[1], NULL, play_display);
	atexit(reap_display);
	narrator_become("camera");
	camera.engine = engines[0];
	step_1_export(&camera, bytes, options->backing, &before);
	play_camera(&camera, &before);

	narrator_become("demo");
	return play_migration(&camera, engines, &before);
}

static const char usage[] =
	"Usage: dmabuf-demo [OPTION]...\n"
	"Walk one buffer through the six steps of DMA buffer sharing, with the DMA engines\n"
	"of this machine, and tell what happens.  The modules must be loaded.\n"
	"\n"
	"  -e, --engine NAME     this engine plays both parts; a second -e names the\n"
	"                        display's (default: the first two that are hardware)\n"
	"  -l, --list            list the engines and end\n"
	"  -s, --size BYTES      size of the buffer; K and M are understood (default: 16501)\n"
	"  -b, --backing KIND    auto, cma, contig or scatter (default: auto)\n"
	"  -v, --verbose         show every ioctl, and the kernel's view of the buffer\n"
	"  -q, --quiet           print the last line only\n"
	"  -h, --help            print this text\n"
	"\n"
	"The exit status is 0 when every step did what it should, 1 when one did not, and\n"
	"2 when the command line is wrong.\n";

static void __attribute__((noreturn)) bad_usage(const char *what, const char *value)
{
	fprintf(stderr, "dmabuf-demo: %s%s\nTry 'dmabuf-demo --help'.\n", what, value);
	exit(2);
}

static uint64_t parse_bytes(const char *text)
{
	unsigned long long value;
	unsigned int shift = 0;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (end != text && *end == 'K')
		shift = 10;
	else if (end != text && *end == 'M')
		shift = 20;
	if (shift)
		end++;
	if (end == text || *end || errno || *text == '-' || !value ||
	    value > (SIZE_MAX / 2) >> shift)
		bad_usage("no size of a buffer: ", text);
	return value << shift;
}

static void parse_options(struct options *options, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "engine", required_argument, NULL, 'e' },
		{ "list", no_argument, NULL, 'l' },
		{ "size", required_argument, NULL, 's' },
		{ "backing", required_argument, NULL, 'b' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int option, backing, n = 0;

	while ((option = getopt_long(argc, argv, "e:ls:b:vqh", longs, NULL)) != -1) {
		switch (option) {
		case 'e':
			if (n == 2)
				bad_usage("one engine too many: ", optarg);
			options->engine[n++] = optarg;
			break;
		case 'l':
			options->list = true;
			break;
		case 's':
			options->bytes = parse_bytes(optarg);
			break;
		case 'b':
			backing = backing_by_name(optarg);
			if (backing < 0)
				bad_usage("no kind of backing: ", optarg);
			options->backing = backing;
			break;
		case 'v':
			options->level = NARRATOR_VERBOSE;
			break;
		case 'q':
			options->level = NARRATOR_QUIET;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(EXIT_SUCCESS);
		default:
			fputs("Try 'dmabuf-demo --help'.\n", stderr);
			exit(2);
		}
	}
	if (optind < argc)
		bad_usage("only options are understood: ", argv[optind]);
}

int main(int argc, char **argv)
{
	struct options options = {
		.level = NARRATOR_NORMAL,
		.bytes = DEFAULT_BYTES,
		.backing = DMABUF_EXPORTER_AUTO,
	};
	double start = seconds();
	bool moved;

	parse_options(&options, argc, argv);
	narrator_init(options.level);
	if (options.list) {
		engines_list(open_node(IMPORTER));
		return EXIT_SUCCESS;
	}
	moved = play(&options);
	narrator_end("dmabuf-demo: all six steps%s done, every byte was right (%.1f s)",
		     moved ? " and a move" : "", seconds() - start);
	return EXIT_SUCCESS;
}
