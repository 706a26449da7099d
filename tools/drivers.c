// SPDX-License-Identifier: GPL-2.0-only
/*
 * The calls of the two drivers.
 */
#include "demo.h"
#include "narrator.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

static const char *const backing_names[] = {
	[DMABUF_EXPORTER_AUTO] = "auto",
	[DMABUF_EXPORTER_CMA] = "cma",
	[DMABUF_EXPORTER_CONTIG] = "contig",
	[DMABUF_EXPORTER_SCATTER] = "scatter",
};

#define NR_BACKINGS (sizeof(backing_names) / sizeof(*backing_names))

const char *backing_name(uint32_t backing)
{
	return backing < NR_BACKINGS ? backing_names[backing] : "unknown";
}

int backing_by_name(const char *name)
{
	size_t i;

	for (i = 0; i < NR_BACKINGS; i++)
		if (!strcmp(name, backing_names[i]))
			return i;
	return -1;
}

double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

void *allocate(size_t bytes)
{
	void *memory = calloc(1, bytes ? bytes : 1);

	if (!memory)
		narrator_fail_call("malloc for the comparison", ENOMEM);
	return memory;
}

int open_node(const char *path)
{
	char what[64];
	int fd = open(path, O_RDWR | O_CLOEXEC);
	int err = errno;

	snprintf(what, sizeof(what), "open %s", path);
	if (fd < 0)
		narrator_fail_call(what, err);
	narrator_detail("%s = fd %d", what, fd);
	return fd;
}

/* With --verbose every call is shown.  Returns the errno, 0 on success. */
int try_driver(int fd, unsigned long request, void *arg, const char *name)
{
	double start = seconds();
	int ret = ioctl(fd, request, arg);
	int err = errno;

	narrator_detail("%s (0x%lx) on fd %d, argsz %u = %d, %.0f us", name, request, fd,
			*(uint32_t *)arg, ret, (seconds() - start) * 1e6);
	return ret ? err : 0;
}

void call_driver(int fd, unsigned long request, void *arg, const char *name)
{
	int err = try_driver(fd, request, arg, name);

	if (err)
		narrator_fail_call(name, err);
}

struct dmabuf_exporter_info exporter_info(int exporter)
{
	struct dmabuf_exporter_info info = { .argsz = sizeof(info) };

	CALL(exporter, DMABUF_EXPORTER_INFO, &info);
	return info;
}

struct dmabuf_exporter_query buffer_query(const struct actor *actor)
{
	struct dmabuf_exporter_query query = { .argsz = sizeof(query), .fd = actor->buffer };

	CALL(actor->exporter, DMABUF_EXPORTER_QUERY, &query);
	return query;
}

struct dmabuf_exporter_placement buffer_placement(const struct actor *actor)
{
	struct dmabuf_exporter_placement placement = {
		.argsz = sizeof(placement),
		.fd = actor->buffer,
	};

	CALL(actor->exporter, DMABUF_EXPORTER_PLACEMENT, &placement);
	return placement;
}
