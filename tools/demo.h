/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of dmabuf-demo share: one process's belongings, and the calls
 * of the two drivers.
 */
#ifndef _TOOLS_DEMO_H
#define _TOOLS_DEMO_H

#ifndef __SANE_USERSPACE_TYPES__
#define __SANE_USERSPACE_TYPES__
#endif
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <dmabuf-core/exporter.h>
#include <dmabuf-core/importer.h>

#define EXPORTER "/dev/dmabuf-exporter"
#define IMPORTER "/dev/dmabuf-importer"

/* What one process holds. */
struct actor {
	int exporter;	/* the exporter's node, -1 in the display process */
	int importer;	/* the importer's node */
	int buffer;	/* the buffer's fd */
	int peer;	/* socket to the other process */
	pid_t other;	/* that process */
	struct dmabuf_importer_engine engine;
	uint32_t attachment;	/* handle, 0: none */
	uint64_t bytes;
	unsigned char *window;	/* the CPU's view, by mmap; NULL in the display process */
	size_t window_bytes;	/* bytes, rounded up to pages */
};

/* drivers.c: the two drivers.  What fails is told, and ends the program. */
int open_node(const char *path);
void call_driver(int fd, unsigned long request, void *arg, const char *name);
#define CALL(fd, request, arg) call_driver(fd, request, arg, "ioctl " #request)
struct dmabuf_exporter_info exporter_info(int exporter);
struct dmabuf_exporter_query buffer_query(const struct actor *actor);
const char *backing_name(uint32_t backing);
int backing_by_name(const char *name);
double seconds(void);
void *allocate(size_t bytes);

/* engines.c: who can move bytes here */
const char *engine_reach(const struct dmabuf_importer_constraints *constraints);
const char *engine_segments(const struct dmabuf_importer_constraints *constraints);
void engines_list(int importer);
void engines_choose(int importer, const char *const wanted[2],
		    struct dmabuf_importer_engine chosen[2]);

/* steps.c: the six steps of the guide */
void step_1_export(struct actor *camera, uint64_t bytes, uint32_t backing,
		   const struct dmabuf_exporter_info *before);
void step_2_send(const struct actor *camera);
void step_2_receive(struct actor *display);
void step_3_attach(struct actor *actor);
void step_3_check(const struct actor *camera);
uint32_t step_4_map(const struct actor *actor, uint32_t direction);
void step_5_unmap(const struct actor *actor, uint32_t mapping);
void step_6_detach(struct actor *actor);
void step_6_close(struct actor *actor);
void step_6_check_all_gone(const struct actor *camera, const struct dmabuf_exporter_info *before);

/* scenes.c: what is done between steps 4 and 5 */
void scene_camera_writes(struct actor *camera);
void scene_display_reads(const struct actor *display);
uint32_t scene_cpu_draws(const struct actor *camera);
void scene_display_reads_drawing(const struct actor *display, uint32_t crc);
void scene_camera_patches(const struct actor *camera);

#endif /* _TOOLS_DEMO_H */
