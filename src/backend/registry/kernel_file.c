/*-------------------------------------------------------------------------
 *
 * kernel_file.c
 *	  Reading the small files of /proc and /sys.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "backend/registry/kernel_file.h"

bool
KernelFileRead(const char *path, char *text, size_t size)
{
	size_t length = 0;
	ssize_t got;
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (file < 0)
		return false;
	do
	{
		got = read(file, text + length, size - 1 - length);
		if (got > 0)
			length += (size_t) got;
	} while ((got > 0 && length < size - 1) || (got < 0 && errno == EINTR));
	close(file);
	text[length] = '\0';
	return got >= 0;
}
