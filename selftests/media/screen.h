/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the machine's monitor shows, pixel by pixel: scripts/vm --screen makes the
 * screenshot from outside, so that no driver of the guest has a say in it.
 */
#ifndef _SCREEN_H
#define _SCREEN_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/types.h>

#define SCREEN_PORT "/dev/dmabuf.screen"

/* How long the host may be silent: it only emulates this machine, and may be busy. */
#define SCREEN_TIMEOUT_MS 120000

/**
 * struct screen - a screenshot
 * @width: pixels
 * @height: pixels
 * @rgb: three bytes a pixel, from the top left, without gaps
 */
struct screen {
	unsigned int width;
	unsigned int height;
	unsigned char *rgb;
};

struct screen_port {
	int fd;
	size_t next;
	size_t end;
	unsigned char bytes[16384];
};

/* Return: the next byte from the host, or a negative errno. */
static inline int screen_getc(struct screen_port *port)
{
	struct pollfd pollfd = { .fd = port->fd, .events = POLLIN };
	ssize_t ret;

	if (port->next == port->end) {
		ret = poll(&pollfd, 1, SCREEN_TIMEOUT_MS);
		if (!ret)
			return -ETIMEDOUT;
		if (ret > 0)
			ret = read(port->fd, port->bytes, sizeof(port->bytes));
		if (ret <= 0)
			return ret ? -errno : -EPIPE;
		port->next = 0;
		port->end = ret;
	}
	return port->bytes[port->next++];
}

/* Read a line without its end.  Return: 0, also for one that was cut off, or a negative errno. */
static inline int screen_gets(struct screen_port *port, char *line, size_t bytes)
{
	size_t at = 0;
	int c;

	while ((c = screen_getc(port)) >= 0 && c != '\n')
		if (at < bytes - 1)
			line[at++] = c;
	line[at] = 0;
	return c < 0 ? c : 0;
}

/* Ask the host, and read the answer. */
static inline int screen_exchange(struct screen_port *port, struct screen *screen,
				  const char *name)
{
	static unsigned int count;
	char line[128], token[32];
	size_t bytes, size, i;
	int c, n, ret;

	/* What another program asked for and did not wait for may come first. */
	snprintf(token, sizeof(token), "%d.%u", (int)getpid(), ++count);
	n = snprintf(line, sizeof(line), "%s %s\n", name, token);
	if (write(port->fd, line, n) != n)
		return -EIO;
	n = snprintf(token, sizeof(token), "screen %d.%u ", (int)getpid(), count);
	do {
		ret = screen_gets(port, line, sizeof(line));
		if (ret)
			return ret;
	} while (strncmp(line, token, n));
	bytes = strtoul(line + n, NULL, 10);
	if (!bytes)
		return -EIO;

	ret = screen_gets(port, line, sizeof(line));
	size = strlen(line) + 1;
	if (ret || strcmp(line, "P6"))
		return ret ?: -EPROTO;
	ret = screen_gets(port, line, sizeof(line));
	size += strlen(line) + 1;
	if (ret || sscanf(line, "%u %u", &screen->width, &screen->height) != 2)
		return ret ?: -EPROTO;
	ret = screen_gets(port, line, sizeof(line));
	size += strlen(line) + 1;
	if (ret || strcmp(line, "255"))
		return ret ?: -EPROTO;
	if (bytes != size + 3UL * screen->width * screen->height)
		return -EPROTO;

	bytes -= size;
	screen->rgb = malloc(bytes);
	if (!screen->rgb)
		return -ENOMEM;
	for (i = 0; i < bytes; i++) {
		c = screen_getc(port);
		if (c < 0) {
			free(screen->rgb);
			screen->rgb = NULL;
			return c;
		}
		screen->rgb[i] = c;
	}
	return 0;
}

/**
 * screen_dump() - make a screenshot
 * @screen: gets it, until screen_free()
 * @name: letters, digits, "-" and "_" only; the host keeps NAME.ppm and NAME.png
 *	beside the machine's console log
 *
 * Return: 0, or a negative errno: -ENOENT (the machine has no such port), -EBUSY
 * (another program has it open), -EIO (the host cannot), -EPROTO (no such answer is
 * known), -ETIMEDOUT, -ENOMEM.
 */
static inline int screen_dump(struct screen *screen, const char *name)
{
	struct screen_port *port;
	int ret;

	memset(screen, 0, sizeof(*screen));
	port = calloc(1, sizeof(*port));
	if (!port)
		return -ENOMEM;
	port->fd = open(SCREEN_PORT, O_RDWR | O_CLOEXEC);
	if (port->fd < 0) {
		ret = -errno;
	} else {
		ret = screen_exchange(port, screen, name);
		close(port->fd);
	}
	free(port);
	return ret;
}

static inline void screen_free(struct screen *screen)
{
	free(screen->rgb);
	memset(screen, 0, sizeof(*screen));
}

/* Return: 0xRRGGBB. */
static inline __u32 screen_pixel(const struct screen *screen, unsigned int x, unsigned int y)
{
	const unsigned char *rgb = screen->rgb + 3UL * (y * screen->width + x);

	return rgb[0] << 16 | rgb[1] << 8 | rgb[2];
}

/**
 * screen_differs() - compare what the monitor shows with a picture
 * @name: as for screen_dump()
 * @pixels: XRGB8888, from the top left, without gaps; X is not looked at
 * @width: pixels
 * @height: pixels
 *
 * Return: the number of pixels that differ, all of them if the screen has another
 * size, or a negative errno as of screen_dump().
 */
static inline long screen_differs(const char *name, const __u32 *pixels, unsigned int width,
				  unsigned int height)
{
	struct screen screen;
	unsigned int x, y;
	long differ = 0;
	int ret;

	ret = screen_dump(&screen, name);
	if (ret)
		return ret;
	if (screen.width != width || screen.height != height) {
		printf("# the screen is %u x %u\n", screen.width, screen.height);
		screen_free(&screen);
		return (long)width * height;
	}
	for (y = 0; y < height; y++)
		for (x = 0; x < width; x++)
			differ += screen_pixel(&screen, x, y) !=
				  (pixels[y * width + x] & 0xffffff);
	screen_free(&screen);
	return differ;
}

#endif /* _SCREEN_H */
