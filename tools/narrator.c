// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the demos print: the story of each step, and the reason of a failure.
 */
#include "narrator.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BOLD	"\033[1m"
#define GREEN	"\033[32m"
#define RED	"\033[31m"
#define PLAIN	"\033[0m"

static struct {
	enum narrator_level level;
	bool colour_out, colour_err;
	const char *who;
	const char *step, *title;
} narrator = { .who = "demo" };

static const char *colour(bool on, const char *sequence)
{
	return on ? sequence : "";
}

void narrator_init(enum narrator_level level)
{
	const char *term = getenv("TERM");
	bool wanted = !getenv("NO_COLOR") && term && strcmp(term, "dumb");

	narrator.level = level;
	narrator.colour_out = wanted && isatty(STDOUT_FILENO);
	narrator.colour_err = wanted && isatty(STDERR_FILENO);
	/* Two processes write; whole lines keep their order, also in a pipe. */
	setvbuf(stdout, NULL, _IOLBF, 0);
}

void narrator_become(const char *who)
{
	narrator.who = who;
}

bool narrator_talks(void)
{
	return narrator.level != NARRATOR_QUIET;
}

void narrator_enter(const char *step, const char *title)
{
	narrator.step = step;
	narrator.title = title;
}

void narrator_step(const char *step, const char *title)
{
	narrator_enter(step, title);
	if (!narrator_talks())
		return;
	printf("\n%s", colour(narrator.colour_out, BOLD));
	if (*step)
		printf("Step%s %s: ", strchr(step, ' ') ? "s" : "", step);
	printf("%s%s\n", title, colour(narrator.colour_out, PLAIN));
}

void narrator_explain(const char *line)
{
	if (narrator_talks())
		printf("  %s\n", line);
}

static void print_line(const char *tint, const char *label, const char *fmt, va_list args)
{
	char text[256];

	vsnprintf(text, sizeof(text), fmt, args);
	printf("    %-8s %s%-6s%s %s\n", narrator.who, colour(narrator.colour_out, tint), label,
	       colour(narrator.colour_out, PLAIN), text);
}

void narrator_say(const char *label, const char *fmt, ...)
{
	va_list args;

	if (!narrator_talks())
		return;
	va_start(args, fmt);
	print_line(PLAIN, label, fmt, args);
	va_end(args);
}

void narrator_detail(const char *fmt, ...)
{
	va_list args;

	if (narrator.level != NARRATOR_VERBOSE)
		return;
	va_start(args, fmt);
	print_line(PLAIN, ".", fmt, args);
	va_end(args);
}

void narrator_ok(const char *fmt, ...)
{
	va_list args;

	if (!narrator_talks())
		return;
	va_start(args, fmt);
	print_line(GREEN, "ok", fmt, args);
	va_end(args);
}

void narrator_end(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	if (narrator_talks())
		printf("\n%s", colour(narrator.colour_out, BOLD));
	vprintf(fmt, args);
	printf("%s\n", narrator_talks() ? colour(narrator.colour_out, PLAIN) : "");
	va_end(args);
}

/*
 * What to look at, by errno and, where that says too little, by the call that
 * failed.  The first row that fits is taken.
 */
static const struct {
	int err;
	const char *call;
	const char *advice;
} advices[] = {
	{ ENOENT, "open",
	  "The node is not there, so its module is not loaded.  Load the three modules:\n"
	  "    modprobe -a dmabuf-exporter-sample dmabuf-importer-sample\n"
	  "  or insmod dmabuf-core.ko first and the two samples after it.  If they are loaded\n"
	  "  (lsmod | grep dmabuf), the kernel's log says why there is no node:\n"
	  "  dmesg | grep dmabuf" },
	{ EACCES, "open",
	  "You may not open the node.  The udev rule 60-dmabuf-core.rules gives it to the group\n"
	  "  video; join that group (usermod -aG video NAME, then log in again), or run as root.\n"
	  "  ls -l /dev/dmabuf-*" },
	{ EPERM, "open",
	  "You may not open the node, although its mode may allow it: a container or a security\n"
	  "  module (SELinux, AppArmor) forbids it." },
	{ EMFILE, "", "This process has no file descriptor left: ulimit -n" },
	{ ENFILE, "", "The system has no file descriptor left: cat /proc/sys/fs/file-nr" },
	{ EDQUOT, "",
	  "The buffer is larger than one open file may have.  Ask for less (--size), or raise\n"
	  "  /sys/module/dmabuf_exporter_sample/parameters/limit_file_mb" },
	{ ENOTTY, "",
	  "The driver does not know this call: program and modules are of different versions." },
	{ E2BIG, "",
	  "The driver does not know all of this call: the program is newer than the modules." },
	{ EINVAL, "DMABUF_EXPORTER_EXPORT",
	  "The driver does not take this size or backing.  Is the size 0, or far too large?" },
	{ EOPNOTSUPP, "",
	  "No memory of the wanted backing can serve this device.  The kernel's log names the\n"
	  "  device and what it needs: dmesg | grep dmabuf\n"
	  "  Another backing may do: --backing auto" },
	{ EBUSY, "DMABUF_IMPORTER_ATTACH",
	  "The buffer may not move to memory that this device can use, or takes no more devices.\n"
	  "  The kernel's log names the device and what it needs: dmesg | grep dmabuf" },
	{ ENOMEM, "",
	  "There is no memory of the kind that was needed.  The kernel's log says which pool was\n"
	  "  asked, how much was free, and for which device: dmesg | grep dmabuf\n"
	  "  Contiguous memory comes from the CMA area: grep Cma /proc/meminfo\n"
	  "  If it is too small or not there, boot with cma=64M, ask for less (--size), or take\n"
	  "  single pages (--backing scatter).  The limit of all buffers together is\n"
	  "  /sys/module/dmabuf_exporter_sample/parameters/limit_total_mb" },
	{ ETIMEDOUT, "",
	  "The engine was started and never said that it had finished: no interrupt came.\n"
	  "  dmesg | tail; grep -i -e edu -e dma /proc/interrupts" },
	{ EIO, "", "The engine reported an error.  dmesg | tail" },
	{ ENODEV, "", "The engine's device has gone.  dmesg | tail; dmabuf-demo --list" },
	{ EINTR, "", "A signal came; nothing is wrong.  Start again." },
};

static void print_failure(const char *what)
{
	bool c = narrator.colour_err;

	fflush(stdout);
	fprintf(stderr, "\n%s%s: FAILED%s", colour(c, RED), program_invocation_short_name,
		colour(c, PLAIN));
	if (narrator.title && *narrator.step)
		fprintf(stderr, " in step%s %s (%s)", strchr(narrator.step, ' ') ? "s" : "",
			narrator.step, narrator.title);
	else if (narrator.title)
		fprintf(stderr, " (%s)", narrator.title);
	fprintf(stderr, ", %s process:\n  %s\n", narrator.who, what);
}

void narrator_fail_call(const char *call, int err)
{
	const char *advice = "The kernel's log may say more: dmesg | tail";
	char what[256];
	size_t i;

	for (i = 0; i < sizeof(advices) / sizeof(*advices); i++) {
		if (advices[i].err == err && strstr(call, advices[i].call)) {
			advice = advices[i].advice;
			break;
		}
	}
	snprintf(what, sizeof(what), "%s: %s (errno %d)", call, strerror(err), err);
	print_failure(what);
	fprintf(stderr, "What to look at:\n  %s\n", advice);
	exit(EXIT_FAILURE);
}

void narrator_fail(const char *look_at, const char *fmt, ...)
{
	char what[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	print_failure(what);
	if (look_at)
		fprintf(stderr, "What to look at:\n  %s\n", look_at);
	exit(EXIT_FAILURE);
}

const char *narrator_bytes(uint64_t bytes)
{
	static char slots[4][40];
	static unsigned int slot;
	char digits[24], *out = slots[slot++ % 4], *to = out;
	int i, n;

	n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)bytes);
	for (i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	strcpy(to, bytes == 1 ? " byte" : " bytes");
	return out;
}
