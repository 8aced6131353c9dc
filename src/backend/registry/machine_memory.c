/*-------------------------------------------------------------------------
 *
 * machine_memory.c
 *	  What memory the machine has, or what part of it this server may use.
 *
 * A process is in one control group, and the limits of all groups above hold for it,
 * too.  /proc/self/cgroup says which group it is: of version 2 in the line of hierarchy 0,
 * of version 1 in the line of the controller "memory".  In a container that sees only its
 * own groups, the path that is told may not be there; then the groups above it that are
 * there count, and at last the one at the mount point.
 *
 * The formats are those of the kernel's documentation: cgroup-v2.rst, memory.rst of
 * cgroup-v1, and psi.rst.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backend/registry/kernel_file.h"
#include "backend/registry/machine_memory.h"

#define CGROUP_MOUNT "/sys/fs/cgroup"

/* Version 1 tells the largest number of pages for no limit. */
#define NO_LIMIT_FROM (UINT64CONST(1) << 62)

/* No more groups than this above one another. */
#define MOST_LEVELS 64

/* Where a version of control groups has its files, and how they are called. */
typedef struct GroupFiles
{
	const char *mount;
	const char *limit;
	const char *used;
	const char *pressure; /* or NULL */
} GroupFiles;

static const GroupFiles version_2 = {CGROUP_MOUNT, "memory.max", "memory.current",
									 "memory.pressure"};
static const GroupFiles version_1 = {CGROUP_MOUNT "/memory", "memory.limit_in_bytes",
									 "memory.usage_in_bytes", NULL};

char *goarena_machine_root = NULL;

/*
 * machine_read
 *		Read a file of a directory and a path below it, and its name.
 */
static bool
machine_read(const char *directory, const char *path, const char *name, char *text, size_t size)
{
	char full[MAXPGPATH];
	int length =
		snprintf(full, sizeof(full), "%s%s%s/%s",
				 goarena_machine_root == NULL ? "" : goarena_machine_root, directory, path, name);

	return length > 0 && length < (int) sizeof(full) && KernelFileRead(full, text, size);
}

/*
 * machine_number
 *		The number at the beginning of a text; false if there is none, as with "max".
 */
static bool
machine_number(const char *text, uint64 *number)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*number = strtoull(text, &end, 10);
	return errno == 0 && (*end == '\0' || *end == '\n' || *end == ' ' || *end == '.');
}

static uint64
machine_group_number(const GroupFiles *files, const char *path, const char *name)
{
	char text[64];
	uint64 number;

	if (!machine_read(files->mount, path, name, text, sizeof(text)) ||
		!machine_number(text, &number))
		return MACHINE_UNKNOWN;
	return number;
}

/*
 * machine_find_group
 *		The path of the own group from a line of /proc/self/cgroup, without a slash at the
 *		end; NULL if the line is not there.  Cuts the text.
 */
static char *
machine_find_group(char *text, bool of_version_2)
{
	char *next;

	for (char *line = text; line != NULL && *line != '\0'; line = next)
	{
		char *end = strchr(line, '\n');
		char *controllers = strchr(line, ':');
		char *path = controllers == NULL ? NULL : strchr(controllers + 1, ':');
		size_t length;

		next = end == NULL ? NULL : end + 1;
		if (path == NULL || (end != NULL && path > end) || path[1] != '/')
			continue;
		if (of_version_2)
		{
			if (strncmp(line, "0::", 3) != 0)
				continue;
		}
		else
		{
			char *found = strstr(controllers, "memory");

			if (found == NULL || found > path || (found[-1] != ':' && found[-1] != ',') ||
				(found[6] != ':' && found[6] != ','))
				continue;
		}
		if (end != NULL)
			*end = '\0';
		path++;
		length = strlen(path);
		if (length > 0 && path[length - 1] == '/')
			path[length - 1] = '\0';
		/* A group outside of what this process sees: only the mount point is known. */
		if (strstr(path, "/..") != NULL)
			*path = '\0';
		return path;
	}
	return NULL;
}

/*
 * machine_add_group
 *		What the groups from a path upwards allow.  The path is cut.
 */
static void
machine_add_group(const GroupFiles *files, char *path, MachineMemory *memory)
{
	for (int level = 0; level < MOST_LEVELS; level++)
	{
		uint64 limit = machine_group_number(files, path, files->limit);
		uint64 used = machine_group_number(files, path, files->used);
		char *slash = strrchr(path, '/');

		if (limit >= NO_LIMIT_FROM)
			limit = MACHINE_UNKNOWN;
		if (limit < memory->cgroup_limit)
		{
			memory->cgroup_limit = limit;
			memory->cgroup_used = used;
		}
		if (memory->cgroup_used == MACHINE_UNKNOWN)
			memory->cgroup_used = used;
		if (slash == NULL)
			return;
		*slash = '\0';
	}
}

/*
 * machine_add_pressure_line
 *		"some avg10=0.12 avg60=0.34 avg300=0.56 total=7890"
 */
static void
machine_add_pressure_line(const char *text, const char *kind, uint64 *avg10, uint64 *total)
{
	const char *line = strstr(text, kind);
	const char *end = line == NULL ? NULL : line + strcspn(line, "\n");
	const char *average = line == NULL ? NULL : strstr(line, "avg10=");
	const char *sum = line == NULL ? NULL : strstr(line, "total=");
	uint64 number;

	if (average != NULL && average < end && machine_number(average + 6, &number) && number <= 100)
	{
		const char *point = average + 6 + strcspn(average + 6, ". \n");

		*avg10 = number * 100;
		if (point[0] == '.' && point[1] >= '0' && point[1] <= '9')
			*avg10 += (uint64) (point[1] - '0') * 10;
		if (point[0] == '.' && point[1] != '\0' && point[2] >= '0' && point[2] <= '9')
			*avg10 += (uint64) (point[2] - '0');
	}
	if (sum != NULL && sum < end && machine_number(sum + 6, &number))
		*total = number;
}

static void
machine_add_pressure(const char *text, MachineMemory *memory)
{
	machine_add_pressure_line(text, "some ", &memory->some_avg10, &memory->some_total);
	machine_add_pressure_line(text, "full ", &memory->full_avg10, &memory->full_total);
}

/*
 * machine_add_groups
 *		Both versions can be mounted at a time; only one of them has the memory controller.
 */
static void
machine_add_groups(MachineMemory *memory)
{
	static const GroupFiles *const versions[] = {&version_2, &version_1};
	char pressure[512];

	for (int i = 0; i < lengthof(versions); i++)
	{
		char groups[4096];
		char *path;

		if (!machine_read("/proc", "/self", "cgroup", groups, sizeof(groups)))
			return;
		path = machine_find_group(groups, versions[i] == &version_2);
		if (path == NULL)
			continue;
		if (versions[i]->pressure != NULL && memory->some_total == MACHINE_UNKNOWN &&
			machine_read(versions[i]->mount, path, versions[i]->pressure, pressure,
						 sizeof(pressure)))
			machine_add_pressure(pressure, memory);
		machine_add_group(versions[i], path, memory);
	}
}

/*
 * machine_host_field
 *		The value of a line "Name:  123 kB" in bytes.
 */
static uint64
machine_host_field(const char *text, const char *name)
{
	const char *line = strstr(text, name);
	uint64 kb;

	if (line == NULL)
		return MACHINE_UNKNOWN;
	line += strlen(name);
	line += strspn(line, " ");
	return machine_number(line, &kb) && kb <= UINT64_MAX / 1024 ? kb * 1024 : MACHINE_UNKNOWN;
}

void
MachineMemoryRead(MachineMemory *memory)
{
	char text[4096];

	memset(memory, 0xff, sizeof(*memory)); /* MACHINE_UNKNOWN */
	machine_add_groups(memory);
	if (memory->some_total == MACHINE_UNKNOWN &&
		machine_read("/proc", "/pressure", "memory", text, sizeof(text)))
		machine_add_pressure(text, memory);
	if (machine_read("/proc", "", "meminfo", text, sizeof(text)))
	{
		memory->host_total = machine_host_field(text, "MemTotal:");
		memory->host_available = machine_host_field(text, "MemAvailable:");
	}
}
