/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For the selftests that drive a test module: calls of its node, the kernel's
 * log, and counters that tell whether anything was left behind.
 */
#ifndef _DMABUF_TEST_MODULES_H
#define _DMABUF_TEST_MODULES_H

#include "dmabuf-test.h"

#include <sys/wait.h>

#include "modules/test-uapi.h"

/* A comment among the results; a test that ends does not flush by itself. */
#define note(...) do {			\
	printf("# " __VA_ARGS__);	\
	fflush(stdout);			\
} while (0)

/* Waits up to ten seconds until a condition holds; false if it never does. */
#define HOLDS_SOON(condition) ({				\
	__u64 _deadline = now_ms() + 10000;			\
	bool _holds;						\
								\
	while (!(_holds = (condition)) && now_ms() < _deadline)	\
		sleep_ms(5);					\
	_holds;							\
})

/* What a test must leave as it was. */
struct remains {
	long long listed;
	long long core_refs;
	long long module_refs;
};

static inline struct remains remains_of(const char *module)
{
	struct remains remains;
	char path[128];

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", module);
	remains.module_refs = file_number(path);
	remains.core_refs = file_number("/sys/module/dmabuf_core/refcnt");
	remains.listed = buffers_listed();
	return remains;
}

/* The last close of a buffer may end a little after the call that caused it. */
static inline bool remains_are(const char *module, const struct remains *before)
{
	struct remains now;
	bool same;

	same = HOLDS_SOON((now = remains_of(module), !memcmp(&now, before, sizeof(now))));
	if (!same)
		note("left behind: buffers %lld, core references %lld, of %s %lld\n",
		     now.listed - before->listed, now.core_refs - before->core_refs, module,
		     now.module_refs - before->module_refs);
	return same;
}

/* The kernel's log, from now on. */
static inline int kmsg_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (lseek(fd, 0, SEEK_END) < 0) {
		close(fd);
		return -errno;
	}
	return fd;
}

/* Is there a line, since the last call, with both texts? */
static inline bool kmsg_tells(int kmsg, const char *text, const char *more)
{
	char record[2048];
	bool told = false;
	ssize_t n;

	for (;;) {
		n = read(kmsg, record, sizeof(record) - 1);
		if (n < 0 && errno == EPIPE)
			continue;
		if (n <= 0)
			return told;
		record[n] = 0;
		told |= strstr(record, text) && strstr(record, more);
	}
}

/*
 * Return: lines of the core since the last call, each of which must have @text
 * in it; -1 if one has not.
 */
static inline int kmsg_lines(int kmsg, const char *text)
{
	char record[2048];
	int lines = 0;
	ssize_t n;

	for (;;) {
		n = read(kmsg, record, sizeof(record) - 1);
		if (n < 0 && errno == EPIPE)
			continue;
		if (n <= 0)
			return lines;
		record[n] = 0;
		/* Behind the first semicolon comes what was printed. */
		if (!strstr(record, ";dmabuf-core: "))
			continue;
		if (lines >= 0)
			lines++;
		if (!strstr(record, text)) {
			note("unexpected: %s", record);
			lines = -1;
		}
	}
}

/*
 * The test modules themselves: NAME.ko in the directory DMABUF_MODULES, loaded
 * for the program and removed after it, unless somebody else has loaded them.
 */

static inline void module_sysfs_name(const char *name, char *text, size_t bytes)
{
	size_t i;

	snprintf(text, bytes, "%s", name);
	for (i = 0; text[i]; i++)
		if (text[i] == '-')
			text[i] = '_';
}

static inline bool module_is_loaded(const char *name)
{
	char sysfs_name[64], path[128];

	module_sysfs_name(name, sysfs_name, sizeof(sysfs_name));
	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", sysfs_name);
	return !access(path, F_OK);
}

static inline int module_load(const char *name)
{
	const char *dir = getenv("DMABUF_MODULES") ?: "/lib/modules/dmabuf";
	char path[PATH_MAX];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "%s/%s.ko", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (syscall(SYS_finit_module, fd, "", 0))
		ret = -errno;
	close(fd);
	return ret;
}

static inline int module_unload(const char *name)
{
	char sysfs_name[64];

	module_sysfs_name(name, sysfs_name, sizeof(sysfs_name));
	return syscall(SYS_delete_module, sysfs_name, O_NONBLOCK) ? -errno : 0;
}

/* What modules_remove() has to remove, and whose task that is. */
static struct {
	const char *const *names;
	bool loaded[8];
	int n;
	pid_t owner;
} test_modules;

/* A module that cannot go makes the whole program fail. */
static inline void modules_remove(void)
{
	int ret, status = 0;

	if (getpid() != test_modules.owner)
		return;
	while (test_modules.n--) {
		const char *name = test_modules.names[test_modules.n];

		if (!test_modules.loaded[test_modules.n])
			continue;
		ret = module_unload(name);
		if (ret) {
			note("%s.ko: cannot be removed: %s\n", name, strerror(-ret));
			status = EXIT_FAILURE;
		}
	}
	if (status)
		_exit(status);
}

/*
 * Loads the modules @names, which ends with NULL, and runs the harness.  That
 * ends with exit(), so the modules are removed from there.
 */
static inline int run_with_modules(const char *const *names, int (*run)(int argc, char **argv),
				   int argc, char **argv)
{
	int n, ret;

	for (n = 0; names[n]; n++) {
		if (module_is_loaded(names[n]))
			continue;
		ret = module_load(names[n]);
		if (ret)
			note("%s.ko: cannot be loaded: %s\n", names[n], strerror(-ret));
		test_modules.loaded[n] = !ret;
	}
	test_modules.names = names;
	test_modules.n = n;
	test_modules.owner = getpid();
	atexit(modules_remove);
	return run(argc, argv);
}

#endif /* _DMABUF_TEST_MODULES_H */
