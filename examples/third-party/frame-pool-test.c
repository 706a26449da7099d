// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frames of /dev/frame-pool go through the engines of /dev/dmabuf-importer: one writes,
 * the other reads. TAP on stdout; exit status 1 if a test fails.
 *
 * usage: frame-pool-test ENGINE ENGINE	names of engines, as edu0 and soft0
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <dmabuf-core/importer.h>

#include "frame-pool.h"

/* No whole number of pages, nor of what an engine moves at once. */
#define BYTES (3 * 4096 + 808)

static int pool, importer;
static unsigned int tests, failures;
static unsigned char sent[BYTES], received[BYTES];

static bool is(bool good, const char *what)
{
	printf("%sok %u %s\n", good ? "" : "not ", ++tests, what);
	failures += !good;
	return good;
}

/* Returns 0 or the error. */
static int call(int node, unsigned long cmd, void *arg)
{
	return ioctl(node, cmd, arg) ? errno : 0;
}

static int get(__u64 bytes, __u32 reserved, int *fd)
{
	struct frame_pool_get arg = { .bytes = bytes, .fd = -1, .reserved = reserved };
	int ret = call(pool, FRAME_POOL_GET, &arg);

	*fd = arg.fd;
	return ret;
}

static int engine_index(const char *name, __u32 *index)
{
	for (*index = 0;; ++*index) {
		struct dmabuf_importer_engine arg = { .argsz = sizeof(arg), .index = *index };
		int ret = call(importer, DMABUF_IMPORTER_ENGINE, &arg);

		if (ret || !strcmp(arg.name, name))
			return ret;
	}
}

static int attach(int fd, __u32 engine, __u32 *attachment)
{
	struct dmabuf_importer_attach arg = { .argsz = sizeof(arg), .fd = fd, .engine = engine };
	int ret = call(importer, DMABUF_IMPORTER_ATTACH, &arg);

	*attachment = arg.attachment;
	return ret;
}

static int detach(__u32 attachment)
{
	struct dmabuf_importer_detach arg = { .argsz = sizeof(arg), .attachment = attachment };

	return call(importer, DMABUF_IMPORTER_DETACH, &arg);
}

/* Steps 4 and 5, with all bytes moved between them. */
static int run(__u32 attachment, __u32 direction, __u32 op, void *user)
{
	struct dmabuf_importer_map map = {
		.argsz = sizeof(map), .attachment = attachment, .direction = direction,
	};
	struct dmabuf_importer_transfer transfer = {
		.argsz = sizeof(transfer), .op = op, .bytes = BYTES, .user = (uintptr_t)user,
	};
	struct dmabuf_importer_unmap unmap = { .argsz = sizeof(unmap) };
	int ret, end;

	ret = call(importer, DMABUF_IMPORTER_MAP, &map);
	if (ret)
		return ret;
	transfer.mapping = map.mapping;
	unmap.mapping = map.mapping;
	ret = call(importer, DMABUF_IMPORTER_TRANSFER, &transfer);
	if (!ret && transfer.moved != BYTES)
		ret = EIO;
	end = call(importer, DMABUF_IMPORTER_UNMAP, &unmap);
	return ret ? ret : end;
}

static int write_by(__u32 attachment)
{
	return run(attachment, DMABUF_IMPORTER_FROM_DEVICE, DMABUF_IMPORTER_COPY_IN, sent);
}

static int read_by(__u32 attachment)
{
	memset(received, 0xee, sizeof(received));
	return run(attachment, DMABUF_IMPORTER_TO_DEVICE, DMABUF_IMPORTER_COPY_OUT, received);
}

/* From one engine to the other, the second one attached before or after the write. */
static void pass_on(__u32 writer, __u32 reader, bool late, const char *what)
{
	bool good;
	__u32 a, b;
	int fd;

	good = !get(BYTES, 0, &fd) && !attach(fd, writer, &a);
	good = good && (late || !attach(fd, reader, &b));
	good = good && !write_by(a) && (!late || !attach(fd, reader, &b)) && !read_by(b);
	is(good && !memcmp(sent, received, BYTES), what);
	if (good)
		is(!detach(a) && !detach(b) && !close(fd), "and all of it is given back");
}

static void fresh_frames_are_zero(__u32 reader)
{
	__u32 attachment;
	bool good;
	int fd;

	good = !get(BYTES, 0, &fd) && !attach(fd, reader, &attachment) && !read_by(attachment);
	memset(sent, 0, sizeof(sent));
	is(good && !memcmp(sent, received, BYTES), "a new frame holds zeros");
	if (good)
		is(!detach(attachment) && !close(fd), "and is given back");
}

static void bad_arguments_are_refused(void)
{
	int fd;

	is(get(0, 0, &fd) == EINVAL, "a frame of no bytes is refused");
	is(get((4 << 20) + 1, 0, &fd) == EINVAL, "a frame of more than 4 MiB is refused");
	is(get(4096, 1, &fd) == EINVAL, "what is reserved must be 0");
	is(call(pool, FRAME_POOL_GET, NULL) == EFAULT, "no argument is refused");
	is(call(pool, _IO('f', 0x7f), NULL) == ENOTTY, "an unknown call is refused");
}

int main(int argc, char **argv)
{
	__u32 one, other;
	size_t i;

	if (argc != 3) {
		fprintf(stderr, "usage: %s ENGINE ENGINE\n", argv[0]);
		return 2;
	}
	pool = open("/dev/frame-pool", O_RDWR | O_CLOEXEC);
	importer = open("/dev/dmabuf-importer", O_RDWR | O_CLOEXEC);
	if (!is(pool >= 0 && importer >= 0, "both nodes open"))
		return 1;
	if (!is(!engine_index(argv[1], &one) && !engine_index(argv[2], &other),
		"both engines are there"))
		return 1;
	for (i = 0; i < BYTES; i++)
		sent[i] = i * 31 + i / 251;

	pass_on(one, other, false, "the second engine reads what the first wrote");
	pass_on(other, one, false, "the first engine reads what the second wrote");
	pass_on(one, other, true, "a second engine that attaches late reads it, too");
	pass_on(other, one, true, "and so does the first one");
	fresh_frames_are_zero(one);
	bad_arguments_are_refused();
	printf("1..%u\n", tests);
	return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
