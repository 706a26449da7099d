// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who can move bytes on this machine, and who plays whom.
 */
#include "demo.h"
#include "narrator.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#define MAX_ENGINES 64

struct engines {
	struct dmabuf_importer_engine engine[MAX_ENGINES];
	int n;
};

static const char *type_name(uint32_t type)
{
	switch (type) {
	case DMABUF_IMPORTER_EDU:
		return "QEMU edu, a PCI bus master";
	case DMABUF_IMPORTER_DMAENGINE:
		return "channel of a DMA controller";
	case DMABUF_IMPORTER_SOFT:
		return "the CPU plays a device";
	default:
		return "unknown";
	}
}

unsigned int engine_bits(const struct dmabuf_importer_constraints *constraints)
{
	unsigned int bits = 0;

	while (bits < 64 && constraints->dma_mask >> bits)
		bits++;
	return bits;
}

const char *engine_reach(const struct dmabuf_importer_constraints *constraints)
{
	static char text[16];

	snprintf(text, sizeof(text), "%u bits", engine_bits(constraints));
	return text;
}

const char *engine_segments(const struct dmabuf_importer_constraints *constraints)
{
	static char text[16];

	if (constraints->max_segs == UINT32_MAX)
		return "any";
	snprintf(text, sizeof(text), "%u", constraints->max_segs);
	return text;
}

static void read_engines(int importer, struct engines *engines)
{
	struct dmabuf_importer_engine *engine = engines->engine;

	for (engines->n = 0; engines->n < MAX_ENGINES; engines->n++, engine++) {
		memset(engine, 0, sizeof(*engine));
		engine->argsz = sizeof(*engine);
		engine->index = engines->n;
		if (!ioctl(importer, DMABUF_IMPORTER_ENGINE, engine))
			continue;
		if (errno != ENOENT)
			narrator_fail_call("ioctl DMABUF_IMPORTER_ENGINE", errno);
		break;
	}
	if (!engines->n)
		narrator_fail("lsmod | grep dmabuf; dmesg | grep dmabuf",
			      "the importer has no engine, not even software");
}

static void print_engines(const struct engines *engines)
{
	const struct dmabuf_importer_engine *engine = engines->engine;
	int i;

	printf("    %-14s %-28s %-22s %-8s %-9s %s\n", "engine", "what it is", "device",
	       "reach", "segments", "at once");
	for (i = 0; i < engines->n; i++, engine++)
		printf("    %-14s %-28s %-22s %-8s %-9s %s\n", engine->name,
		       type_name(engine->type), engine->device,
		       engine_reach(&engine->constraints),
		       engine_segments(&engine->constraints),
		       narrator_bytes(engine->max_transfer));
}

void engines_list(int importer)
{
	struct engines engines;

	read_engines(importer, &engines);
	print_engines(&engines);
}

static const struct dmabuf_importer_engine *named(const struct engines *engines, const char *name)
{
	int i;

	for (i = 0; i < engines->n; i++)
		if (!strcmp(engines->engine[i].name, name))
			return &engines->engine[i];
	narrator_fail("dmabuf-demo --list shows the engines that there are.",
		      "no engine is named %s", name);
}

/* The first that is hardware, and not on the device of @other if there is one. */
static const struct dmabuf_importer_engine *
first_real(const struct engines *engines, const struct dmabuf_importer_engine *other)
{
	const struct dmabuf_importer_engine *engine = engines->engine;
	int i;

	for (i = 0; i < engines->n; i++, engine++)
		if (engine->type != DMABUF_IMPORTER_SOFT &&
		    (!other || strcmp(engine->device, other->device)))
			return engine;
	return NULL;
}

/*
 * chosen[0] is the camera's, chosen[1] the display's.  One wanted engine plays
 * both; none wanted: the first two that are hardware, on two devices if there
 * are two.
 */
void engines_choose(int importer, const char *const wanted[2],
		    struct dmabuf_importer_engine chosen[2])
{
	const struct dmabuf_importer_engine *camera, *display;
	struct engines engines;

	read_engines(importer, &engines);
	if (narrator_talks())
		print_engines(&engines);

	camera = wanted[0] ? named(&engines, wanted[0]) : first_real(&engines, NULL);
	if (!camera)
		camera = &engines.engine[0];
	if (wanted[1])
		display = named(&engines, wanted[1]);
	else
		display = wanted[0] ? camera : first_real(&engines, camera);
	chosen[0] = *camera;
	chosen[1] = display ? *display : *camera;
}

/* False: this machine has no software engine. */
bool engines_soft(int importer, struct dmabuf_importer_engine *soft)
{
	struct engines engines;
	int i;

	read_engines(importer, &engines);
	for (i = 0; i < engines.n; i++) {
		if (engines.engine[i].type == DMABUF_IMPORTER_SOFT) {
			*soft = engines.engine[i];
			return true;
		}
	}
	return false;
}
