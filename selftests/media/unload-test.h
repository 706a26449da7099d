/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loads and unloads the three modules.  Environment: DMABUF_MODULES, the directory of
 * the modules; CORE_OPTIONS and IMPORTER_OPTIONS, as they were loaded with.
 */
#ifndef _DMABUF_UNLOAD_TEST_H
#define _DMABUF_UNLOAD_TEST_H

#include "media-test.h"

static const struct {
	const char *name;
	const char *file;
	const char *options;	/* the variable that has them */
} modules[] = {
	{ "dmabuf_core", "dmabuf-core.ko", "CORE_OPTIONS" },
	{ "dmabuf_exporter_sample", "dmabuf-exporter-sample.ko", NULL },
	{ "dmabuf_importer_sample", "dmabuf-importer-sample.ko", "IMPORTER_OPTIONS" },
};

enum { CORE, EXPORTER, IMPORTER, MODULES };

static inline int load(int which)
{
	const char *dir = getenv("DMABUF_MODULES") ?: "/lib/modules/dmabuf";
	const char *options = modules[which].options ? getenv(modules[which].options) : NULL;
	char path[PATH_MAX];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "%s/%s", dir, modules[which].file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (syscall(SYS_finit_module, fd, options ?: "", 0))
		ret = -errno;
	close(fd);
	return ret;
}

static inline int unload(int which)
{
	return syscall(SYS_delete_module, modules[which].name, O_NONBLOCK) ? -errno : 0;
}

static inline bool is_loaded(int which)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", modules[which].name);
	return !access(path, F_OK);
}

static inline int load_all(void)
{
	int i, ret;

	for (i = 0; i < MODULES; i++) {
		ret = is_loaded(i) ? 0 : load(i);
		if (ret)
			return ret;
	}
	return 0;
}

static inline int unload_all(void)
{
	int i, ret;

	for (i = MODULES - 1; i >= 0; i--) {
		ret = unload(i);
		if (ret)
			return ret;
	}
	return 0;
}

#endif /* _DMABUF_UNLOAD_TEST_H */
