// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two processes that take turns, and hand a file descriptor across.
 */
#include "peer.h"
#include "narrator.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int))];
};

void peer_pass(int sock, uint32_t value, int fd)
{
	struct iovec iov = { .iov_base = &value, .iov_len = sizeof(value) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;
	union control control;

	if (fd >= 0) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	}
	if (sendmsg(sock, &msg, MSG_NOSIGNAL) == sizeof(value))
		return;
	if (errno == EPIPE || errno == ECONNRESET)
		exit(EXIT_FAILURE);	/* the other has said why */
	narrator_fail_call("sendmsg to the other process", errno);
}

uint32_t peer_await(int sock, int *fd)
{
	uint32_t value = 0;
	struct iovec iov = { .iov_base = &value, .iov_len = sizeof(value) };
	union control control;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *cmsg;
	ssize_t got;

	do {
		got = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got == 0)
		exit(EXIT_FAILURE);	/* the other has ended, and said why */
	if (got != sizeof(value))
		narrator_fail_call("recvmsg from the other process", errno);

	if (!fd)
		return value;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg || cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
		narrator_fail("Are too many file descriptors open? ulimit -n",
			      "no file descriptor came with the message");
	memcpy(fd, CMSG_DATA(cmsg), sizeof(*fd));
	return value;
}

void peer_let_work(int sock, int ms)
{
	struct pollfd other = { .fd = sock, .events = POLLIN };

	if (poll(&other, 1, ms) > 0)
		exit(EXIT_FAILURE);	/* it has ended, and said why */
}
