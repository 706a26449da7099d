/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The end of a program that needs test modules, in place of TEST_HARNESS_MAIN: it
 * defines needed_modules, which ends with NULL, and includes this.  The harness
 * defines a main(), around which ours loads and removes the modules.
 */
#define main harness_main
TEST_HARNESS_MAIN
#undef main

int main(int argc, char **argv)
{
	return run_with_modules(needed_modules, harness_main, argc, argv);
}
