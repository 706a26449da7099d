// SPDX-License-Identifier: GPL-2.0-only
/*
 * The core, called wrongly by a driver in every way there is: the exact errno,
 * one line in the log that names the caller, no op called, nothing lost, and a
 * buffer that stood beside it still works.  Driven through dmabuf-test-misuse.
 */
#include "test-modules.h"

#include <sys/eventfd.h>

#define MODULE "dmabuf_test_misuse"

/* The core limits the rate of each of its lines: ten in five seconds. */
#define RATELIMIT_MS 5500

/* The driver that does it all wrong, and what there was before. */
struct driver {
	int node;
	int kmsg;
	struct remains before;
	struct dmabuf_test_misuse arg;
};

FIXTURE(misuse)
{
	struct driver driver;
};

static int read_totals(int node, struct dmabuf_test_totals *totals)
{
	memset(totals, 0, sizeof(*totals));
	totals->argsz = sizeof(*totals);
	return do_ioctl(node, DMABUF_TEST_TOTALS, totals);
}

/* Everything that the exporter's ops were asked for has been undone. */
static bool totals_are_balanced(int node)
{
	struct dmabuf_test_totals totals;

	if (read_totals(node, &totals))
		return false;
	return totals.counts.attach == totals.counts.detach &&
	       totals.counts.map == totals.counts.unmap &&
	       totals.counts.release == totals.exports;
}

FIXTURE_SETUP(misuse)
{
	struct driver *driver = &self->driver;

	driver->node = open_node(DMABUF_TEST_MISUSE_NODE);
	ASSERT_LE(0, driver->node);
	driver->kmsg = kmsg_open();
	ASSERT_LE(0, driver->kmsg);
	ASSERT_TRUE(totals_are_balanced(driver->node));
	driver->before = remains_of(MODULE);
	ASSERT_LE(0, driver->before.listed);
	ASSERT_LE(1, driver->before.module_refs);
}

FIXTURE_TEARDOWN(misuse)
{
	struct driver *driver = &self->driver;

	EXPECT_TRUE(HOLDS_SOON(totals_are_balanced(driver->node)));
	EXPECT_TRUE(remains_are(MODULE, &driver->before));
	close(driver->kmsg);
	close(driver->node);
}

static int run_once(struct driver *driver, enum dmabuf_test_misuse_case which, int fd)
{
	memset(&driver->arg, 0, sizeof(driver->arg));
	driver->arg.argsz = sizeof(driver->arg);
	driver->arg.which = which;
	driver->arg.fd = fd;
	return do_ioctl(driver->node, DMABUF_TEST_MISUSE, &driver->arg);
}

/*
 * Runs a case that the core answers with one line, which has @text in it, or
 * names the caller if @text is NULL.
 */
static void run_logged(struct __test_metadata *_metadata, struct driver *driver,
		       enum dmabuf_test_misuse_case which, const char *text)
{
	char symbol[64];
	int lines;

	ASSERT_EQ(0, run_once(driver, which, 0));
	snprintf(symbol, sizeof(symbol), "%s+0x", driver->arg.caller);
	if (!text)
		text = symbol;
	lines = kmsg_lines(driver->kmsg, text);
	if (!lines) {
		/* Too many such lines a moment ago, perhaps by the last run of this. */
		sleep_ms(RATELIMIT_MS);
		ASSERT_EQ(0, run_once(driver, which, 0));
		lines = kmsg_lines(driver->kmsg, text);
	}
	EXPECT_EQ(1, lines);
	EXPECT_EQ(1, driver->arg.works);
}

static void run_silent(struct __test_metadata *_metadata, struct driver *driver,
		       enum dmabuf_test_misuse_case which, int fd)
{
	ASSERT_EQ(0, run_once(driver, which, fd));
	EXPECT_EQ(0, kmsg_lines(driver->kmsg, ""));
	EXPECT_EQ(1, driver->arg.works);
}

/* No op was called by the wrong call. */
static bool nothing_called(const struct dmabuf_test_misuse *arg)
{
	static const struct dmabuf_test_counts none;

	return !memcmp(&arg->during, &none, sizeof(none));
}

static void is_refused(struct __test_metadata *_metadata, struct driver *driver,
		       enum dmabuf_test_misuse_case which, int error)
{
	run_logged(_metadata, driver, which, NULL);
	EXPECT_EQ(error, driver->arg.ret);
	EXPECT_TRUE(nothing_called(&driver->arg));
}

static void is_refused_silently(struct __test_metadata *_metadata, struct driver *driver,
				enum dmabuf_test_misuse_case which, int fd, int error)
{
	run_silent(_metadata, driver, which, fd);
	EXPECT_EQ(error, driver->arg.ret);
	EXPECT_TRUE(nothing_called(&driver->arg));
}

/* Step 1: 0 stands for NULL. */

/* proves: E4 */
TEST_F(misuse, export_without_ops_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_EXPORT_NO_OPS, 0);
}

/* proves: E4 */
TEST_F(misuse, export_without_a_map_op_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_EXPORT_NO_MAP, 0);
}

/* proves: E4 */
TEST_F(misuse, export_without_an_unmap_op_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_EXPORT_NO_UNMAP, 0);
}

/* proves: E4 */
TEST_F(misuse, export_without_a_release_op_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_EXPORT_NO_RELEASE, 0);
}

/* proves: E4 */
TEST_F(misuse, export_of_no_bytes_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_EXPORT_SIZE_0, 0);
}

/* proves: E4 */
TEST_F(misuse, export_of_more_bytes_than_whole_pages_can_have_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_EXPORT_SIZE_TOO_LARGE, 0);
}

/* proves: E4 */
TEST_F(misuse, export_with_unknown_flags_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_EXPORT_UNKNOWN_FLAGS, 0);
}

/* proves: E4 */
TEST_F(misuse, export_with_no_such_access_mode_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_EXPORT_NO_ACCESS_MODE, 0);
}

/* Not wrong, only too late, so that the log has nothing to say. */
TEST_F(misuse, export_by_a_module_that_goes_away_is_refused)
{
	is_refused_silently(_metadata, &self->driver, MISUSE_EXPORT_OWNER_GOING, 0, 0);
}

/* proves: E1 */
TEST_F(misuse, export_without_private_data_works)
{
	run_silent(_metadata, &self->driver, MISUSE_EXPORT_PRIV_NULL, 0);
	EXPECT_EQ(0, self->driver.arg.ret);
}

/* Step 2 */

/* proves: F2 */
TEST_F(misuse, fd_of_null_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_FD_NULL, -EINVAL);
}

/* proves: F2 */
TEST_F(misuse, fd_of_an_error_pointer_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_FD_ERR_PTR, -EINVAL);
}

/* proves: F2 */
TEST_F(misuse, install_of_null_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_FD_INSTALL_NULL, 0);
}

/* proves: F2 */
TEST_F(misuse, fd_without_a_free_one_leaves_the_reference_to_the_caller)
{
	struct rlimit limit, none;
	int free_fd;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	none = limit;
	free_fd = lowest_free_fd();
	ASSERT_LE(0, free_fd);
	none.rlim_cur = free_fd;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	is_refused_silently(_metadata, &self->driver, MISUSE_FD_WITHOUT_A_FREE_ONE, 0, -EMFILE);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(free_fd, lowest_free_fd());
}

/* Step 3, get, and its inverse */

/* proves: A1 */
TEST_F(misuse, get_of_no_fd_is_refused)
{
	is_refused_silently(_metadata, &self->driver, MISUSE_GET_FROM_FD, -1, -EBADF);
	is_refused_silently(_metadata, &self->driver, MISUSE_GET_FROM_FD, lowest_free_fd(),
			    -EBADF);
	is_refused_silently(_metadata, &self->driver, MISUSE_GET_FROM_FD, INT_MAX, -EBADF);
}

/* proves: A1 */
TEST_F(misuse, get_of_a_path_fd_is_refused)
{
	int fd = open("/dev/null", O_PATH | O_CLOEXEC);

	ASSERT_LE(0, fd);
	is_refused_silently(_metadata, &self->driver, MISUSE_GET_FROM_FD, fd, -EBADF);
	close(fd);
}

/* proves: A1 */
TEST_F(misuse, get_of_a_device_is_refused)
{
	is_refused_silently(_metadata, &self->driver, MISUSE_GET_FROM_FD, self->driver.node,
			    -EINVAL);
}

/* proves: A1 */
TEST_F(misuse, get_of_another_anonymous_file_is_refused)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	ASSERT_LE(0, fd);
	is_refused_silently(_metadata, &self->driver, MISUSE_GET_FROM_FD, fd, -EINVAL);
	close(fd);
}

/* proves: P1 */
TEST_F(misuse, put_of_null_is_ignored)
{
	is_refused(_metadata, &self->driver, MISUSE_PUT_NULL, 0);
}

/* proves: P1 */
TEST_F(misuse, put_of_an_error_pointer_is_ignored)
{
	is_refused(_metadata, &self->driver, MISUSE_PUT_ERR_PTR, 0);
}

/* proves: P1 */
TEST_F(misuse, put_before_detach_is_harmless)
{
	is_refused_silently(_metadata, &self->driver, MISUSE_PUT_BEFORE_DETACH, 0, 0);
}

/* proves: P1 */
TEST_F(misuse, put_too_many_undoes_what_is_attached)
{
	struct dmabuf_test_totals before, after;

	ASSERT_EQ(0, read_totals(self->driver.node, &before));
	run_logged(_metadata, &self->driver, MISUSE_PUT_TOO_MANY, "put too often");
	EXPECT_EQ(0, self->driver.arg.ret);
	EXPECT_TRUE(nothing_called(&self->driver.arg));

	/* Released once, after its one mapping and attachment. */
	ASSERT_TRUE(HOLDS_SOON(totals_are_balanced(self->driver.node)));
	ASSERT_EQ(0, read_totals(self->driver.node, &after));
	EXPECT_EQ(after.exports - before.exports, after.counts.release - before.counts.release);
	EXPECT_LT(before.counts.unmap, after.counts.unmap);
}

/* Step 3, attach */

/* proves: A2 */
TEST_F(misuse, attach_to_null_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_ATTACH_NULL_BUFFER, -EINVAL);
}

/* proves: A2 */
TEST_F(misuse, attach_to_an_error_pointer_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_ATTACH_ERR_PTR_BUFFER, -EINVAL);
}

/* proves: A2 */
TEST_F(misuse, attach_of_no_device_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_ATTACH_NULL_DEVICE, -EINVAL);
}

/* proves: A2 */
TEST_F(misuse, attach_with_dma_mask_0_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_ATTACH_DMA_MASK_0, -EINVAL);
}

/* proves: A2 */
TEST_F(misuse, attach_with_holes_in_dma_mask_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_ATTACH_DMA_MASK_WITH_HOLES, -EINVAL);
}

/* proves: A2 */
TEST_F(misuse, attach_with_seg_boundary_0_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_ATTACH_SEG_BOUNDARY_0, -EINVAL);
}

/* proves: A2 */
TEST_F(misuse, attach_with_holes_in_seg_boundary_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_ATTACH_SEG_BOUNDARY_WITH_HOLES, -EINVAL);
}

/* proves: A2 */
TEST_F(misuse, attach_with_max_seg_size_0_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_ATTACH_MAX_SEG_SIZE_0, -EINVAL);
}

/* proves: A2 */
TEST_F(misuse, attach_with_max_segs_0_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_ATTACH_MAX_SEGS_0, -EINVAL);
}

/* proves: A2 */
TEST_F(misuse, attach_with_align_0_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_ATTACH_ALIGN_0, -EINVAL);
}

/* proves: A2 */
TEST_F(misuse, attach_with_align_that_is_no_power_of_two_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_ATTACH_ALIGN_NOT_A_POWER_OF_TWO, -EINVAL);
}

/* Step 6, detach */

/* proves: D1 */
TEST_F(misuse, detach_from_null_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_DETACH_NULL_BUFFER, 0);
}

/* proves: D1 */
TEST_F(misuse, detach_of_null_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_DETACH_NULL_ATTACHMENT, 0);
}

/* proves: D1 */
TEST_F(misuse, detach_of_an_error_pointer_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_DETACH_ERR_PTR_ATTACHMENT, 0);
}

/* proves: D1 */
TEST_F(misuse, detach_from_the_wrong_buffer_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_DETACH_FROM_WRONG_BUFFER, 0);
}

/* proves: D1 */
TEST_F(misuse, second_detach_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_DETACH_TWICE, 0);
}

/* proves: D1, U1 */
TEST_F(misuse, detach_with_a_mapping_unmaps_it)
{
	const struct dmabuf_test_counts expected = { .detach = 1, .unmap = 1 };

	run_logged(_metadata, &self->driver, MISUSE_DETACH_WHILE_MAPPED, NULL);
	EXPECT_EQ(0, self->driver.arg.ret);
	EXPECT_EQ(0, memcmp(&self->driver.arg.during, &expected, sizeof(expected)));
}

/* proves: D1, U1 */
TEST_F(misuse, detach_with_two_mappings_unmaps_each)
{
	const struct dmabuf_test_counts expected = { .detach = 1, .unmap = 2 };

	run_logged(_metadata, &self->driver, MISUSE_DETACH_WHILE_MAPPED_TWICE, NULL);
	EXPECT_EQ(0, self->driver.arg.ret);
	EXPECT_EQ(0, memcmp(&self->driver.arg.during, &expected, sizeof(expected)));
}

/* Step 4 */

/* proves: M1 */
TEST_F(misuse, map_without_an_attachment_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_MAP_NULL, -EINVAL);
}

/* proves: M1 */
TEST_F(misuse, map_of_an_error_pointer_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_MAP_ERR_PTR, -EINVAL);
}

/* proves: M1 */
TEST_F(misuse, map_in_no_direction_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_MAP_DIRECTION_NONE, -EINVAL);
}

/* proves: M1 */
TEST_F(misuse, map_in_an_unknown_direction_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_MAP_DIRECTION_UNKNOWN, -EINVAL);
}

/* proves: M1 */
TEST_F(misuse, map_op_that_returns_null_is_no_memory)
{
	is_refused_silently(_metadata, &self->driver, MISUSE_MAP_OP_RETURNS_NULL, 0, -ENOMEM);
}

/* Step 5 */

/* proves: U1 */
TEST_F(misuse, unmap_without_an_attachment_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_UNMAP_NULL_ATTACHMENT, 0);
}

/* proves: U1 */
TEST_F(misuse, unmap_of_null_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_UNMAP_NULL_SGT, 0);
}

/* proves: U1 */
TEST_F(misuse, unmap_of_an_error_pointer_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_UNMAP_ERR_PTR_SGT, 0);
}

/* proves: U1 */
TEST_F(misuse, unmap_of_a_foreign_scatterlist_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_UNMAP_FOREIGN_SGT, 0);
}

/* proves: U1 */
TEST_F(misuse, unmap_through_another_attachment_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_UNMAP_OF_OTHER_ATTACHMENT, 0);
}

/* proves: U1 */
TEST_F(misuse, second_unmap_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_UNMAP_TWICE, 0);
}

/* proves: U1 */
TEST_F(misuse, unmap_before_map_is_refused)
{
	is_refused(_metadata, &self->driver, MISUSE_UNMAP_BEFORE_MAP, 0);
}

static const char *const needed_modules[] = { "dmabuf-test-misuse", NULL };

#include "test-modules-main.h"
