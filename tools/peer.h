/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two processes that take turns, and hand a file descriptor across.
 */
#ifndef _TOOLS_PEER_H
#define _TOOLS_PEER_H

#include <stdint.h>

/*
 * Tell the other process to go on.  It gets @value, and, unless @fd is -1, a
 * file descriptor of its own for the same open file (SCM_RIGHTS).
 */
void peer_pass(int sock, uint32_t value, int fd);

/*
 * Wait for the other process's peer_pass(), and return its value.  @fd may be
 * NULL where no file descriptor is expected.  Exits when the other has failed.
 */
uint32_t peer_await(int sock, int *fd);

/*
 * Wait @ms milliseconds for the other process, which works and says nothing.
 * Exits when it has failed.
 */
void peer_let_work(int sock, int ms);

#endif /* _TOOLS_PEER_H */
