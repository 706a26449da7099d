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
#include <stdbool.h>
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
	const struct dmabuf_importer_constraints *limits;	/* stated at attach; or NULL */
	uint32_t attachment;	/* handle, 0: none */
	uint64_t bytes;
	unsigned char *window;	/* the CPU's view, by mmap; NULL in the display process */
	size_t window_bytes;	/* bytes, rounded up to pages */
};

/* drivers.c: the two drivers.  What fails is told, and ends the program. */
int open_node(const char *path);
int try_driver(int fd, unsigned long request, void *arg, const char *name);
void call_driver(int fd, unsigned long request, void *arg, const char *name);
#define TRY(fd, request, arg) try_driver(fd, request, arg, "ioctl " #request)
#define CALL(fd, request, arg) call_driver(fd, request, arg, "ioctl " #request)
struct dmabuf_exporter_info exporter_info(int exporter);
struct dmabuf_exporter_query buffer_query(const struct actor *actor);
struct dmabuf_exporter_placement buffer_placement(const struct actor *actor);
const char *backing_name(uint32_t backing);
int backing_by_name(const char *name);
double seconds(void);
void *allocate(size_t bytes);

/* engines.c: who can move bytes here */
unsigned int engine_bits(const struct dmabuf_importer_constraints *constraints);
const char *engine_reach(const struct dmabuf_importer_constraints *constraints);
const char *engine_segments(const struct dmabuf_importer_constraints *constraints);
void engines_list(int importer);
void engines_choose(int importer, const char *const wanted[2],
		    struct dmabuf_importer_engine chosen[2]);
bool engines_soft(int importer, struct dmabuf_importer_engine *soft);

/* steps.c: the six steps of the guide */
void step_1_export(struct actor *camera, uint64_t bytes, uint32_t backing,
		   const struct dmabuf_exporter_info *before);
void step_2_send(const struct actor *camera);
void step_2_receive(struct actor *display);
void step_3_attach(struct actor *actor);
void step_3_check(const struct actor *camera);
void show_fdinfo(const struct actor *actor);
uint32_t step_4_map(const struct actor *actor, uint32_t direction);
void step_5_unmap(const struct actor *actor, uint32_t mapping);
void step_6_detach(struct actor *actor);
void step_6_close(struct actor *actor);
void step_6_check_all_gone(const struct actor *camera, const struct dmabuf_exporter_info *before);

/* views.c: the buffer as a device sees it, and as the CPU does */
void device_transfer(const struct actor *actor, struct dmabuf_importer_transfer *order,
		     const char *what);
void device_checksum(const struct actor *actor, uint32_t mapping, uint32_t expected,
		     const char *of_what);
void device_compare(const struct actor *actor, uint32_t mapping,
		    const unsigned char *expected, const char *who);
void cpu_map(struct actor *camera);
void cpu_compare(const struct actor *camera, const unsigned char *expected,
		 const char *claim);

/* scenes.c: what is done between steps 4 and 5 */
void scene_camera_writes(struct actor *camera);
void scene_display_reads(const struct actor *display);
uint32_t scene_cpu_draws(const struct actor *camera);
void scene_display_reads_drawing(const struct actor *display, uint32_t crc);
void scene_camera_patches(const struct actor *camera);

/* Who plays in the last act. */
struct migration {
	struct dmabuf_importer_engine wide, narrow;
	bool stand_ins;		/* both are software */
	struct dmabuf_importer_constraints limits;	/* of the narrow one, if they are */
	uint64_t bytes;		/* of the buffer */
};

/*
 * migration.c: the last act, in the order of play.  Who plays, false if nobody can;
 * the camera has a picture in memory and maps it, the display comes and waits, the
 * camera unmaps; both and the CPU see the picture where it is now; a store by the
 * CPU is seen there.
 */
bool migration_cast(const struct actor *camera, const struct dmabuf_importer_engine engines[2],
		    struct migration *migration);
uint32_t migration_begin(struct actor *camera, const struct migration *migration);
uint32_t migration_come_late(struct actor *display);
uint32_t migration_stall(const struct actor *camera, const struct migration *migration,
			 uint32_t mapping);
void migration_display_reads(const struct actor *display, uint32_t mapping, uint32_t crc);
void migration_camera_reads(const struct actor *camera, uint32_t crc);
void migration_display_reads_plate(const struct actor *display);
void migration_end(const struct actor *camera);

#endif /* _TOOLS_DEMO_H */
