/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For the selftests that drive dmabuf-test-bridge: a call for each of its ioctls, and
 * the parameters of the core that say how it treats importers like that one.
 *
 * A call returns 0, or a handle, or a negative errno, of the ioctl or of the kernel's
 * dma-buf.
 */
#ifndef _DMABUF_BRIDGE_TEST_H
#define _DMABUF_BRIDGE_TEST_H

#include "placement-test.h"
#include "test-modules.h"

#include "modules/test-uapi-bridge.h"

#define BRIDGE_MODULE "dmabuf_test_bridge"
#define CORE_PARAMETERS "/sys/module/dmabuf_core/parameters/"

#define LOCKED DMABUF_TEST_BRIDGE_LOCKED
#define DYNAMIC DMABUF_TEST_BRIDGE_DYNAMIC

/* Of the kernel's enum dma_data_direction, which those of the sample importer are, too. */
#define BIDIRECTIONAL DMABUF_IMPORTER_BIDIRECTIONAL
#define TO_DEVICE DMABUF_IMPORTER_TO_DEVICE
#define FROM_DEVICE DMABUF_IMPORTER_FROM_DEVICE

/* A bound that no test reaches: who waits so long would have waited for ever. */
#define NEVER_MS 600000

/* Parameters of the core */

static inline int core_parameter_set(const char *name, const char *text)
{
	char path[128], line[256];

	snprintf(path, sizeof(path), CORE_PARAMETERS "%s", name);
	/* Nothing at all would not be written. */
	snprintf(line, sizeof(line), "%s\n", text);
	return file_write(path, line);
}

static inline int core_parameter_set_number(const char *name, unsigned int value)
{
	char text[32];

	snprintf(text, sizeof(text), "%u", value);
	return core_parameter_set(name, text);
}

/* What a program found, and leaves. */
struct core_parameters {
	long long kernel_wait_ms;
	char native_files[8];
};

/* Kernel files, no device that must have contiguous memory, and a wait without end. */
static inline int core_parameters_begin(struct core_parameters *before)
{
	before->kernel_wait_ms = file_number(CORE_PARAMETERS "kernel_wait_ms");
	if (before->kernel_wait_ms < 0 ||
	    file_read(CORE_PARAMETERS "native_files", before->native_files,
		      sizeof(before->native_files)) < 0)
		return -ENOENT;
	before->native_files[strcspn(before->native_files, "\n")] = 0;
	return core_parameter_set("native_files", "0") ?:
	       core_parameter_set("contiguous_devices", "") ?:
	       core_parameter_set_number("kernel_wait_ms", NEVER_MS);
}

static inline int core_parameters_end(const struct core_parameters *before)
{
	return core_parameter_set("native_files", before->native_files) ?:
	       core_parameter_set("contiguous_devices", "") ?:
	       core_parameter_set_number("kernel_wait_ms", before->kernel_wait_ms);
}

static inline int kernel_waits_for(unsigned int ms)
{
	return core_parameter_set_number("kernel_wait_ms", ms);
}

/* The importer */

static inline int bridge_open(void)
{
	return open_node(DMABUF_TEST_BRIDGE_NODE);
}

/* Return: a handle; @arg has what is to be set, and its name afterwards. */
static inline long long bridge_device_limited(int node, struct dmabuf_test_bridge_device *arg)
{
	int ret;

	arg->argsz = sizeof(*arg);
	ret = do_ioctl(node, DMABUF_TEST_BRIDGE_DEVICE, arg);
	return ret ?: (long long)arg->device;
}

static inline long long bridge_device(int node, unsigned int bits, char name[32])
{
	struct dmabuf_test_bridge_device arg = { .bits = bits };
	long long ret = bridge_device_limited(node, &arg);

	if (ret > 0 && name)
		memcpy(name, arg.name, sizeof(arg.name));
	return ret;
}

/* A device whose driver takes contiguous memory only; no other one is such any more. */
static inline long long bridge_device_contiguous(int node, char name[32])
{
	long long device = bridge_device(node, 64, name);
	int ret;

	if (device < 0)
		return device;
	ret = core_parameter_set("contiguous_devices", name);
	return ret ?: device;
}

static inline long long bridge_attach_flags(int node, int fd, __u32 device, __u32 flags)
{
	struct dmabuf_test_bridge_attach arg = {
		.argsz = sizeof(arg), .flags = flags, .fd = fd, .device = device,
	};
	int ret = do_ioctl(node, DMABUF_TEST_BRIDGE_ATTACH, &arg);

	return ret ?: arg.ret ?: (long long)arg.attachment;
}

static inline long long bridge_attach(int node, int fd, __u32 device)
{
	return bridge_attach_flags(node, fd, device, 0);
}

/* Also while it has mappings, which are forgotten. */
static inline int bridge_detach(int node, __u32 attachment)
{
	struct dmabuf_test_bridge_handle arg = { .argsz = sizeof(arg), .handle = attachment };

	return do_ioctl(node, DMABUF_TEST_BRIDGE_DETACH, &arg);
}

/* Return: a handle; @arg describes the mapping. */
static inline long long bridge_map_described(int node, __u32 attachment, __u32 direction,
					     __u32 flags, struct dmabuf_test_bridge_map *arg)
{
	int ret;

	*arg = (struct dmabuf_test_bridge_map) {
		.argsz = sizeof(*arg), .flags = flags, .attachment = attachment,
		.direction = direction,
	};
	ret = do_ioctl(node, DMABUF_TEST_BRIDGE_MAP, arg);
	return ret ?: arg->ret ?: (long long)arg->mapping;
}

static inline long long bridge_map(int node, __u32 attachment, __u32 direction, __u32 flags)
{
	struct dmabuf_test_bridge_map arg;

	return bridge_map_described(node, attachment, direction, flags, &arg);
}

static inline int bridge_unmap(int node, __u32 mapping, __u32 flags)
{
	struct dmabuf_test_bridge_handle arg = {
		.argsz = sizeof(arg), .flags = flags, .handle = mapping,
	};

	return do_ioctl(node, DMABUF_TEST_BRIDGE_UNMAP, &arg);
}

static inline long long bridge_vmap(int node, int fd, __u32 flags)
{
	struct dmabuf_test_bridge_vmap arg = { .argsz = sizeof(arg), .flags = flags, .fd = fd };
	int ret = do_ioctl(node, DMABUF_TEST_BRIDGE_VMAP, &arg);

	return ret ?: arg.ret ?: (long long)arg.vmap;
}

static inline int bridge_vunmap(int node, __u32 vmap, __u32 flags)
{
	struct dmabuf_test_bridge_handle arg = {
		.argsz = sizeof(arg), .flags = flags, .handle = vmap,
	};

	return do_ioctl(node, DMABUF_TEST_BRIDGE_VUNMAP, &arg);
}

/* At the addresses of a mapping's device, or with @mapping 0 through a vmap. */
static inline int bridge_read(int node, __u32 mapping, __u32 vmap, void *to, size_t bytes)
{
	struct dmabuf_test_bridge_bytes arg = {
		.argsz = sizeof(arg), .mapping = mapping, .vmap = vmap, .bytes = bytes,
		.user = (uintptr_t)to,
	};

	return do_ioctl(node, DMABUF_TEST_BRIDGE_READ, &arg);
}

static inline int bridge_write(int node, __u32 mapping, __u32 vmap, const void *from,
			       size_t bytes)
{
	struct dmabuf_test_bridge_bytes arg = {
		.argsz = sizeof(arg), .mapping = mapping, .vmap = vmap, .bytes = bytes,
		.user = (uintptr_t)from,
	};

	return do_ioctl(node, DMABUF_TEST_BRIDGE_WRITE, &arg);
}

/* Does the kernel's importer find these bytes at the start of the buffer? */
static inline bool bridge_reads(int node, __u32 mapping, __u32 vmap, const void *expected,
				size_t bytes)
{
	void *back = malloc(bytes);
	bool same;

	same = back && !bridge_read(node, mapping, vmap, back, bytes) &&
	       !memcmp(back, expected, bytes);
	free(back);
	return same;
}

static inline int bridge_access(int node, unsigned int cmd, int fd, __u32 direction)
{
	struct dmabuf_test_bridge_access arg = {
		.argsz = sizeof(arg), .fd = fd, .direction = direction,
	};

	return do_ioctl(node, cmd, &arg) ?: arg.ret;
}

static inline long long bridge_fence(int node, int fd, __u32 usage, __u32 signal_ms)
{
	struct dmabuf_test_bridge_fence arg = {
		.argsz = sizeof(arg), .fd = fd, .usage = usage, .signal_ms = signal_ms,
	};
	int ret = do_ioctl(node, DMABUF_TEST_BRIDGE_FENCE, &arg);

	return ret ?: arg.ret ?: (long long)arg.fence;
}

/* Return: 1 if it had been signalled before, else 0. */
static inline int bridge_signal(int node, __u32 fence)
{
	struct dmabuf_test_bridge_signal arg = { .argsz = sizeof(arg), .fence = fence };
	int ret = do_ioctl(node, DMABUF_TEST_BRIDGE_SIGNAL, &arg);

	return ret ?: (int)arg.signalled;
}

/* Return: 1 if it has been signalled, else 0. */
static inline int bridge_signalled(int node, __u32 fence)
{
	struct dmabuf_test_bridge_signal arg = { .argsz = sizeof(arg), .fence = fence };
	int ret = do_ioctl(node, DMABUF_TEST_BRIDGE_SIGNALLED, &arg);

	return ret ?: (int)arg.signalled;
}

/* A map of the kernel's importer in a thread of its own. */
struct bridge_waiter {
	int node;
	__u32 attachment;
	__u32 direction;
	__u32 flags;
	long long mapping;
	struct dmabuf_test_bridge_map map;
	pthread_t thread;
};

static inline void *bridge_waiter_run(void *data)
{
	struct bridge_waiter *waiter = data;

	waiter->mapping = bridge_map_described(waiter->node, waiter->attachment,
					       waiter->direction, waiter->flags, &waiter->map);
	return NULL;
}

static inline int bridge_waiter_start(struct bridge_waiter *waiter, int node, __u32 attachment,
				      __u32 direction, __u32 flags)
{
	*waiter = (struct bridge_waiter) {
		.node = node, .attachment = attachment, .direction = direction, .flags = flags,
	};
	return pthread_create(&waiter->thread, NULL, bridge_waiter_run, waiter);
}

/* Return: what the map returned, or -ETIME if it waits for ever. */
static inline long long bridge_waiter_finish(struct bridge_waiter *waiter)
{
	struct timespec deadline;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += SOON_MS / 1000;
	if (pthread_timedjoin_np(waiter->thread, NULL, &deadline))
		return -ETIME;
	return waiter->mapping;
}

/* Interrupts the map with SIGUSR1. */
static inline int bridge_waiter_signal(struct bridge_waiter *waiter)
{
	struct sigaction action = { .sa_handler = waiter_nothing };

	if (sigaction(SIGUSR1, &action, NULL))
		return -errno;
	return -pthread_kill(waiter->thread, SIGUSR1);
}

/* The exporter */

/* Return: the fd; @buffer, for BEHAVE and COUNTS, may be NULL. */
static inline int bridge_export(int node, __u64 bytes, __u32 flags, __u32 *buffer)
{
	struct dmabuf_test_bridge_export arg = {
		.argsz = sizeof(arg), .flags = flags, .bytes = bytes,
	};
	int ret = do_ioctl(node, DMABUF_TEST_BRIDGE_EXPORT, &arg);

	if (buffer)
		*buffer = arg.buffer;
	return ret ?: arg.fd;
}

static inline int bridge_behave(int node, __u32 buffer, int attach_error, int map_error)
{
	struct dmabuf_test_bridge_behave arg = {
		.argsz = sizeof(arg), .buffer = buffer, .attach_error = attach_error,
		.map_error = map_error,
	};

	return do_ioctl(node, DMABUF_TEST_BRIDGE_BEHAVE, &arg);
}

/* All zero after an error. */
static inline struct dmabuf_test_counts bridge_counts(int node, __u32 buffer, __u32 *exported)
{
	struct dmabuf_test_bridge_counts arg = { .argsz = sizeof(arg), .buffer = buffer };

	if (do_ioctl(node, DMABUF_TEST_BRIDGE_COUNTS, &arg))
		memset(&arg, 0, sizeof(arg));
	if (exported)
		*exported = arg.exported;
	return arg.counts;
}

#endif /* _DMABUF_BRIDGE_TEST_H */
