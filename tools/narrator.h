/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the demos print: the story of each step, and the reason of a failure.
 */
#ifndef _TOOLS_NARRATOR_H
#define _TOOLS_NARRATOR_H

#include <stdbool.h>
#include <stdint.h>

enum narrator_level {
	NARRATOR_QUIET,
	NARRATOR_NORMAL,
	NARRATOR_VERBOSE,
};

/* How much to print; what the story's teller is called ("camera", "display"). */
void narrator_init(enum narrator_level level);
void narrator_become(const char *who);

/* False with --quiet. */
bool narrator_talks(void);

/* A step begins: its number in the guide ("4"), and its title. */
void narrator_step(const char *step, const char *title);

/* The same without a heading: the other process has printed it. */
void narrator_enter(const char *step, const char *title);

/* A line of explanation, for somebody who has never heard of any of this. */
void narrator_explain(const char *line);

/* A line of the story: what was done (label), and with what result. */
void narrator_say(const char *label, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The same, only with --verbose. */
void narrator_detail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A claim that was tested and holds. */
void narrator_ok(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The last line. */
void narrator_end(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A call failed: says in which step, why, and what to look at; exits with 1. */
void narrator_fail_call(const char *call, int err)
	__attribute__((noreturn));

/* A claim does not hold: says which one, and in which step; exits with 1. */
void narrator_fail(const char *look_at, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), noreturn));

/* "16,501 bytes", in one of a few static buffers. */
const char *narrator_bytes(uint64_t bytes);

#endif /* _TOOLS_NARRATOR_H */
