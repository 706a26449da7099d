// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the core costs: instructions for each call, beside the kernel's own
 * dma-buf, and memory.  Only where the clock counts instructions, 1 ns each
 * (QEMU's -icount shift=0, one CPU); anywhere else every test fails.
 *
 * Buffers have native files here, unless a test says otherwise: a file that is a
 * dma-buf of the kernel costs what that costs, and what ours adds to it.
 */
#include "bridge-test.h"

#define MODULE "dmabuf_test_ops"

#define MANY 100000
#define BATCH 1000
#define OBJECTS 50000
#define ROUNDS 5

#define MAX_BUFFER_BYTES 700
#define MAX_KERNEL_BUFFER_BYTES 2000
#define MAX_ATTACHMENT_BYTES 160

static __u64 now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

/* Runs two instructions @n times. */
static void spin(unsigned long n)
{
#if defined(__x86_64__)
	asm volatile("1: dec %0; jnz 1b" : "+r" (n) : : "cc");
#elif defined(__aarch64__)
	asm volatile("1: subs %0, %0, #1; b.ne 1b" : "+r" (n) : : "cc");
#endif
}

/* Each of two long loops takes as many ns as it has instructions, to one percent. */
static bool clock_counts_instructions(void)
{
	__u64 instructions, least, ns;
	unsigned int i, round;

	for (i = 1; i <= 2; i++) {
		instructions = i * 2000000;
		least = ~0ULL;
		for (round = 0; round < ROUNDS; round++) {
			ns = now_ns();
			spin(instructions / 2);
			ns = now_ns() - ns;
			if (ns < least)
				least = ns;
		}
		note("%llu instructions take %llu ns\n", instructions, least);
		if (least < instructions - instructions / 100 ||
		    least > instructions + instructions / 100)
			return false;
	}
	return true;
}

FIXTURE(cost)
{
	int node;
	struct core_parameters parameters;
	struct remains before;
};

FIXTURE_SETUP(cost)
{
	ASSERT_TRUE(clock_counts_instructions());
	ASSERT_EQ(0, core_parameters_begin(&self->parameters));
	ASSERT_EQ(0, core_parameter_set("native_files", "1"));
	self->node = open_node(DMABUF_TEST_OPS_NODE);
	ASSERT_LE(0, self->node);
	self->before = remains_of(MODULE);
	ASSERT_LE(0, self->before.listed);
}

FIXTURE_TEARDOWN(cost)
{
	EXPECT_TRUE(remains_are(MODULE, &self->before));
	close(self->node);
	EXPECT_EQ(0, core_parameters_end(&self->parameters));
}

static int make(int node, unsigned int cmd, __u32 n, __u64 *ns)
{
	struct dmabuf_test_live arg = { .argsz = sizeof(arg), .n = n };
	int ret = do_ioctl(node, cmd, &arg);

	*ns = arg.ns;
	return ret;
}

TEST_F(cost, of_the_last_of_100000_buffers_is_that_of_the_first)
{
	struct rlimit limit = { MANY + 1000, MANY + 1000 };
	__u64 first = 0, last = 0, ns;
	unsigned int i;
	int probe;

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	/* The table of fds has its full size from the start: it is not the core's. */
	probe = fcntl(self->node, F_DUPFD_CLOEXEC, MANY + 500);
	ASSERT_LE(0, probe);
	for (i = 0; i < MANY / BATCH; i++) {
		ASSERT_EQ(0, make(self->node, DMABUF_TEST_FDS, BATCH, &ns));
		if (!i)
			first = ns;
		last = ns;
	}
	EXPECT_EQ(self->before.listed + MANY, buffers_listed());
	note("export and fd: %llu instructions each in the first %d, %llu in the last of %d\n",
	     first / BATCH, BATCH, last / BATCH, MANY);
	EXPECT_GE(first + first / 5, last);

	close(probe);
	ASSERT_EQ(0, syscall(SYS_close_range, self->node + 1, ~0U, 0));
}

/* Bytes of all slab memory, per-CPU counts of it folded in before. */
static long long slab_bytes(void)
{
	char text[4096], *at;

	if (file_write("/proc/sys/vm/stat_refresh", "1"))
		return -1;
	if (file_read("/proc/meminfo", text, sizeof(text)) < 0)
		return -1;
	at = strstr(text, "\nSlab:");
	return at ? strtoll(at + 6, NULL, 10) * 1024 : -1;
}

/*
 * All slab pages before and after, so that everything counts that a buffer
 * makes the kernel take: its object, file, dentry, what security modules and
 * cgroup accounting add to them, and what is lost at the ends of slabs.  The
 * buffers have no fd: tables of fds are the process's.
 */
TEST_F(cost, of_a_buffer_and_of_an_attachment_in_memory)
{
	long long attachment, buffer, slab;
	__u64 ns;

	slab = slab_bytes();
	ASSERT_LT(0, slab);
	ASSERT_EQ(0, make(self->node, DMABUF_TEST_BUFFERS, OBJECTS, &ns));
	buffer = slab_bytes() - slab;
	slab += buffer;
	ASSERT_EQ(0, make(self->node, DMABUF_TEST_ATTACHMENTS, OBJECTS, &ns));
	attachment = slab_bytes() - slab;
	note("memory: a buffer with file and dentry %lld bytes, an attachment %lld bytes\n",
	     buffer / OBJECTS, attachment / OBJECTS);
	EXPECT_LT(0, buffer);
	EXPECT_GT(MAX_BUFFER_BYTES, buffer / OBJECTS);
	EXPECT_LT(0, attachment);
	EXPECT_GT(MAX_ATTACHMENT_BYTES, attachment / OBJECTS);
	close(self->node);
	self->node = open_node(DMABUF_TEST_OPS_NODE);
	ASSERT_LE(0, self->node);
}

/* The same of a buffer whose file is a dma-buf of the kernel. */
TEST_F(cost, of_a_buffer_in_memory_that_the_kernel_knows)
{
	long long buffer, slab;
	__u64 ns;

	ASSERT_EQ(0, core_parameter_set("native_files", "0"));
	slab = slab_bytes();
	ASSERT_LT(0, slab);
	ASSERT_EQ(0, make(self->node, DMABUF_TEST_BUFFERS, OBJECTS, &ns));
	buffer = slab_bytes() - slab;
	note("memory: a buffer with the kernel's dma-buf %lld bytes\n", buffer / OBJECTS);
	EXPECT_LT(MAX_BUFFER_BYTES, buffer / OBJECTS);
	EXPECT_GT(MAX_KERNEL_BUFFER_BYTES, buffer / OBJECTS);
	close(self->node);
	self->node = open_node(DMABUF_TEST_OPS_NODE);
	ASSERT_LE(0, self->node);
}

static const char *const op_names[DMABUF_TEST_OP_NR] = {
	[DMABUF_TEST_OP_EXPORT] = "export",
	[DMABUF_TEST_OP_GET_PUT] = "get+put",
	[DMABUF_TEST_OP_ATTACH] = "attach",
	[DMABUF_TEST_OP_MAP] = "map",
	[DMABUF_TEST_OP_UNMAP] = "unmap",
	[DMABUF_TEST_OP_DETACH] = "detach",
};

/* Instructions of each call; the least of some rounds, as interrupts only add. */
static int measure(int node, __u32 flags, __u64 *instructions)
{
	struct dmabuf_test_cost arg;
	unsigned int op, round;
	int ret;

	for (round = 0; round < ROUNDS; round++) {
		memset(&arg, 0, sizeof(arg));
		arg.argsz = sizeof(arg);
		arg.n = BATCH;
		arg.flags = flags;
		ret = do_ioctl(node, DMABUF_TEST_COST, &arg);
		if (ret)
			return ret;
		for (op = 0; op < DMABUF_TEST_OP_NR; op++) {
			__u64 each = arg.ns[op] / BATCH;

			if (!round || each < instructions[op])
				instructions[op] = each;
		}
	}
	return 0;
}

static void tell(const char *what, const __u64 *ours, const __u64 *theirs)
{
	unsigned int op;

	for (op = 0; op < DMABUF_TEST_OP_NR; op++)
		if (op_names[op])
			note("%s, %s: %llu instructions, the kernel's %llu\n", what,
			     op_names[op], ours[op], theirs[op]);
}

TEST_F(cost, of_each_call_beside_the_kernels_own_dma_buf)
{
	__u64 ours[DMABUF_TEST_OP_NR], theirs[DMABUF_TEST_OP_NR];
	int kernel;

	kernel = open_node(DMABUF_TEST_KERNEL_NODE);
	ASSERT_LE(0, kernel);
	ASSERT_EQ(0, measure(self->node, 0, ours));
	ASSERT_EQ(0, measure(kernel, 0, theirs));
	tell("native file", ours, theirs);
	EXPECT_LT(0, ours[DMABUF_TEST_OP_EXPORT]);
	EXPECT_GE(theirs[DMABUF_TEST_OP_EXPORT], ours[DMABUF_TEST_OP_EXPORT]);
	EXPECT_GE((theirs[DMABUF_TEST_OP_MAP] + theirs[DMABUF_TEST_OP_UNMAP]) * 3 / 2,
		  ours[DMABUF_TEST_OP_MAP] + ours[DMABUF_TEST_OP_UNMAP]);
	close(kernel);
}

/* Exporters that do nothing, on the placement layer and not. */
TEST_F(cost, of_the_placement_layer_where_nobody_moves)
{
	__u64 layer[DMABUF_TEST_OP_NR], plain[DMABUF_TEST_OP_NR], theirs[DMABUF_TEST_OP_NR];
	int kernel;

	kernel = open_node(DMABUF_TEST_KERNEL_NODE);
	ASSERT_LE(0, kernel);
	ASSERT_EQ(0, measure(kernel, 0, theirs));
	ASSERT_EQ(0, measure(self->node, 0, plain));
	ASSERT_EQ(0, measure(self->node, DMABUF_TEST_LAYER, layer));
	note("map: %llu instructions on the layer, %llu without; unmap: %llu and %llu\n",
	     layer[DMABUF_TEST_OP_MAP], plain[DMABUF_TEST_OP_MAP],
	     layer[DMABUF_TEST_OP_UNMAP], plain[DMABUF_TEST_OP_UNMAP]);
	EXPECT_NE(plain[DMABUF_TEST_OP_MAP], layer[DMABUF_TEST_OP_MAP]);
	EXPECT_GE((theirs[DMABUF_TEST_OP_MAP] + theirs[DMABUF_TEST_OP_UNMAP]) * 2,
		  layer[DMABUF_TEST_OP_MAP] + layer[DMABUF_TEST_OP_UNMAP]);
	close(kernel);
}

/* What is ours beside the kernel's own comes on top of it. */
TEST_F(cost, of_each_call_where_the_file_is_a_dma_buf_of_the_kernel)
{
	__u64 ours[DMABUF_TEST_OP_NR], theirs[DMABUF_TEST_OP_NR];
	int kernel;

	ASSERT_EQ(0, core_parameter_set("native_files", "0"));
	kernel = open_node(DMABUF_TEST_KERNEL_NODE);
	ASSERT_LE(0, kernel);
	ASSERT_EQ(0, measure(self->node, 0, ours));
	ASSERT_EQ(0, measure(kernel, 0, theirs));
	tell("kernel file", ours, theirs);
	EXPECT_LT(theirs[DMABUF_TEST_OP_EXPORT], ours[DMABUF_TEST_OP_EXPORT]);
	EXPECT_GE(theirs[DMABUF_TEST_OP_EXPORT] * 3 / 2, ours[DMABUF_TEST_OP_EXPORT]);
	/* An importer of ours does not go through the kernel's dma-buf. */
	EXPECT_GE((theirs[DMABUF_TEST_OP_MAP] + theirs[DMABUF_TEST_OP_UNMAP]) * 3 / 2,
		  ours[DMABUF_TEST_OP_MAP] + ours[DMABUF_TEST_OP_UNMAP]);
	close(kernel);
}

/* Calls of the kernel's dma-buf, all of them; the exporter does nothing. */
TEST_F(cost, of_each_call_of_a_kernel_importer)
{
	__u64 bridged[DMABUF_TEST_OP_NR], layer[DMABUF_TEST_OP_NR], theirs[DMABUF_TEST_OP_NR];
	__u64 limit;
	int kernel;

	ASSERT_EQ(0, core_parameter_set("native_files", "0"));
	kernel = open_node(DMABUF_TEST_KERNEL_NODE);
	ASSERT_LE(0, kernel);
	ASSERT_EQ(0, measure(kernel, 0, theirs));
	ASSERT_EQ(0, measure(kernel, DMABUF_TEST_BRIDGED, bridged));
	ASSERT_EQ(0, measure(kernel, DMABUF_TEST_BRIDGED | DMABUF_TEST_LAYER, layer));
	tell("bridge", bridged, theirs);
	tell("bridge and layer", layer, theirs);
	limit = (theirs[DMABUF_TEST_OP_MAP] + theirs[DMABUF_TEST_OP_UNMAP]) * 3 / 2;
	EXPECT_GE(limit, bridged[DMABUF_TEST_OP_MAP] + bridged[DMABUF_TEST_OP_UNMAP]);
	/* It is not the kernel's that was measured twice. */
	EXPECT_LT(theirs[DMABUF_TEST_OP_MAP], bridged[DMABUF_TEST_OP_MAP]);
	close(kernel);
}

static const char *const needed_modules[] = { "dmabuf-test-ops", "dmabuf-test-kernel", NULL };

#include "test-modules-main.h"
