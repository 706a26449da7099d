/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For cppcheck in place of kselftest_harness.h, whose macros are most of what it would read
 * otherwise: what they mean for the code in a test.  An ASSERT ends the test, an EXPECT does not.
 */
#ifndef __KSELFTEST_HARNESS_H
#define __KSELFTEST_HARNESS_H

#define FIXTURE_DATA(name) struct _test_data_##name
#define FIXTURE(name) FIXTURE_DATA(name)
#define FIXTURE_VARIANT(name) struct _fixture_variant_##name
#define FIXTURE_VARIANT_ADD(name, variant) \
	static const FIXTURE_VARIANT(name) _fixture_##name##_##variant =
#define FIXTURE_FUNCTION(name, function) \
	void name##_##function(struct __test_metadata *_metadata, FIXTURE_DATA(name) *self, \
			       const FIXTURE_VARIANT(name) *variant)
#define FIXTURE_SETUP(name) FIXTURE_FUNCTION(name, setup)
#define FIXTURE_TEARDOWN(name) FIXTURE_FUNCTION(name, teardown)
#define FIXTURE_TEARDOWN_PARENT(name) FIXTURE_FUNCTION(name, teardown)
#define TEST(name) void name(struct __test_metadata *_metadata)
#define TEST_F(name, test) FIXTURE_FUNCTION(name, test)
#define TEST_F_SIGNAL(name, test, signal) FIXTURE_FUNCTION(name, test)
#define TEST_F_TIMEOUT(name, test, timeout) FIXTURE_FUNCTION(name, test)
#define TEST_HARNESS_MAIN int main(void) { return 0; }

#define SKIP(statement, ...) do { printf(__VA_ARGS__); statement; } while (0)
#define TH_LOG(...) printf(__VA_ARGS__)

/* What follows, a block or a call for the log, is done in case of failure. */
#define ASSERT_THAT(condition) for (; !(condition); abort())
#define EXPECT_THAT(condition) if (!(condition))

#define ASSERT_EQ(a, b) ASSERT_THAT((a) == (b))
#define ASSERT_NE(a, b) ASSERT_THAT((a) != (b))
#define ASSERT_LT(a, b) ASSERT_THAT((a) < (b))
#define ASSERT_LE(a, b) ASSERT_THAT((a) <= (b))
#define ASSERT_GT(a, b) ASSERT_THAT((a) > (b))
#define ASSERT_GE(a, b) ASSERT_THAT((a) >= (b))
#define ASSERT_TRUE(a) ASSERT_THAT(a)
#define ASSERT_FALSE(a) ASSERT_THAT(!(a))
#define ASSERT_NULL(a) ASSERT_THAT(!(a))
#define ASSERT_STREQ(a, b) ASSERT_THAT(!strcmp(a, b))
#define ASSERT_STRNE(a, b) ASSERT_THAT(strcmp(a, b))
#define EXPECT_EQ(a, b) EXPECT_THAT((a) == (b))
#define EXPECT_NE(a, b) EXPECT_THAT((a) != (b))
#define EXPECT_LT(a, b) EXPECT_THAT((a) < (b))
#define EXPECT_LE(a, b) EXPECT_THAT((a) <= (b))
#define EXPECT_GT(a, b) EXPECT_THAT((a) > (b))
#define EXPECT_GE(a, b) EXPECT_THAT((a) >= (b))
#define EXPECT_TRUE(a) EXPECT_THAT(a)
#define EXPECT_FALSE(a) EXPECT_THAT(!(a))
#define EXPECT_NULL(a) EXPECT_THAT(!(a))
#define EXPECT_STREQ(a, b) EXPECT_THAT(!strcmp(a, b))
#define EXPECT_STRNE(a, b) EXPECT_THAT(strcmp(a, b))

#endif
