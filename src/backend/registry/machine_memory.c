/*-------------------------------------------------------------------------
 *
 * machine_memory.c
 *	  What memory the machine has, or what part of it this server may use.
 *
 * /proc/PID/cgroup says in which cgroups a process is, and /proc/self/mountinfo where the files of
 * cgroups are.  A process is subject to all limits on the way to the root, so the least one holds.
 * In a container the upper part of the way cannot be seen; the mount then begins below the root, or
 * the path leads out of it.  Both versions of cgroups are looked at, since a machine can have both,
 * and the memory controller is in one of them.
 *
 * Every process reads the cgroup of the postmaster, so that all come to the same result, also one
 * that was moved to another cgroup.
 *
 * The files come from the kernel, or from the maker of the container, so what they say is checked:
 * anything that is not a number is no limit, and makes the result incomplete.
 *
 * The formats are those of the kernel's documentation: cgroup-v2.rst, memory.rst of
 * cgroup-v1, and psi.rst.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>
#include <unistd.h>

#include "miscadmin.h"

#include "backend/registry/kernel_file.h"
#include "backend/registry/machine_memory.h"

/* From here on there is no limit: version 1 shows a number a little below 2^63 then. */
#define UNLIMITED ((uint64) 1 << 60)

/* The longest lines that are looked at; paths in the kernel have up to 4096 bytes. */
#define LINE_SIZE (2 * 4096)
#define PATH_SIZE (MAXPGPATH + 4096)

typedef enum CgroupVersion
{
	CGROUP_V1,
	CGROUP_V2,
	CGROUP_VERSIONS
} CgroupVersion;

/* Where the cgroups of a version that has the memory controller are mounted. */
typedef struct CgroupMount
{
	char point[MAXPGPATH]; /* "" if they are not */
	char root[MAXPGPATH];  /* the cgroup that is there */
} CgroupMount;

static const struct
{
	const char *limit;
	const char *used;
} cgroup_files[] = {
	[CGROUP_V1] = {"memory.limit_in_bytes", "memory.usage_in_bytes"},
	[CGROUP_V2] = {"memory.max", "memory.current"},
};

/* The result of reading a file with one number. */
typedef enum NumberRead
{
	NUMBER_MISSING, /* or not for us to read */
	NUMBER_WRONG,	/* or it could not be read this time */
	NUMBER_FOUND
} NumberRead;

char *goarena_machine_root = NULL;

static CgroupMount cgroup_mounts[CGROUP_VERSIONS];
static bool cgroup_mounts_known = false;

/*
 * machine_path
 *		Make the path of a file of the kernel.  False if it is too long.
 */
static bool
machine_path(char *full, const char *path)
{
	int length = snprintf(full, PATH_SIZE, "%s%s",
						  goarena_machine_root == NULL ? "" : goarena_machine_root, path);

	return length > 0 && length < PATH_SIZE;
}

/*
 * machine_each_line
 *		Call a function with each line of a file, without its end, until it returns false.
 *		Lines that are too long are passed over.  False if the file could not be read.
 */
static bool
machine_each_line(const char *path, bool (*see)(char *line, void *arg), void *arg)
{
	char full[PATH_SIZE];
	char line[LINE_SIZE];
	bool whole = true; /* what is read next is the beginning of a line */
	bool result;
	FILE *file = machine_path(full, path) ? fopen(full, "re") : NULL;

	if (file == NULL)
		return false;
	while (fgets(line, sizeof(line), file) != NULL)
	{
		size_t length = strlen(line);
		bool ends = length > 0 && line[length - 1] == '\n';

		if (ends)
			line[length - 1] = '\0';
		if (whole && ends && !see(line, arg))
			break;
		whole = ends;
	}
	result = !ferror(file);
	fclose(file);
	return result;
}

/*
 * mount_copy
 *		Copy a path from mountinfo, where blanks and the like are octal numbers.  False if it is too
 *		long.
 */
static bool
mount_copy(char *to, size_t size, const char *from)
{
	size_t length = 0;

	for (; *from != '\0'; from++, length++)
	{
		if (length + 1 >= size)
			return false;
		to[length] = *from;
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
			from[2] <= '7' && from[3] >= '0' && from[3] <= '7')
		{
			to[length] = (char) ((from[1] - '0') * 64 + (from[2] - '0') * 8 + from[3] - '0');
			from += 3;
		}
	}
	to[length] = '\0';
	return true;
}

/*
 * cgroup_list_has
 *		Is a word in a list with commas?
 */
static bool
cgroup_list_has(const char *list, const char *word)
{
	size_t length = strlen(word);

	for (; list != NULL; list = strchr(list, ','))
	{
		list += *list == ',';
		if (strncmp(list, word, length) == 0 && (list[length] == ',' || list[length] == '\0'))
			return true;
	}
	return false;
}

/*
 * mount_see
 *		A line of mountinfo: "36 35 98:0 /root /point options optional... - type source options".
 *		The first mount of each version is taken.
 */
static bool
mount_see(char *line, void *arg)
{
	char *rest = strstr(line, " - ");
	char *saved;
	char *root = NULL;
	char *point = NULL;
	char *type;
	char *options;
	CgroupMount *mount;

	if (rest == NULL)
		return true;
	*rest = '\0';
	for (int i = 0; i < 5; i++)
	{
		root = point;
		point = strtok_r(i == 0 ? line : NULL, " ", &saved);
	}
	type = strtok_r(rest + 3, " ", &saved);
	(void) strtok_r(NULL, " ", &saved);
	options = strtok_r(NULL, " ", &saved);
	if (point == NULL || root == NULL || type == NULL || options == NULL)
		return true;

	if (strcmp(type, "cgroup2") == 0)
		mount = &cgroup_mounts[CGROUP_V2];
	else if (strcmp(type, "cgroup") == 0 && cgroup_list_has(options, "memory"))
		mount = &cgroup_mounts[CGROUP_V1];
	else
		return true;
	if (mount->point[0] != '\0')
		return true;
	if (!mount_copy(mount->point, sizeof(mount->point), point) ||
		!mount_copy(mount->root, sizeof(mount->root), root))
		mount->point[0] = '\0';
	return true;
}

/*
 * MachineMemoryInit
 *		If mountinfo says nothing, tries the places that files have on most machines.
 */
void
MachineMemoryInit(void)
{
	memset(cgroup_mounts, 0, sizeof(cgroup_mounts));
	if (!machine_each_line("/proc/self/mountinfo", mount_see, NULL))
	{
		cgroup_mounts[CGROUP_V1] = (CgroupMount){"/sys/fs/cgroup/memory", "/"};
		cgroup_mounts[CGROUP_V2] = (CgroupMount){"/sys/fs/cgroup", "/"};
	}
	cgroup_mounts_known = true;
}

/* The directory of the server's cgroup of each version, "" if there is none. */
typedef struct CgroupPaths
{
	char of_version[CGROUP_VERSIONS][PATH_SIZE];
} CgroupPaths;

/*
 * cgroup_below_mount
 *		The path of a cgroup as seen from its mount.  If it does not lie below the mount, this is a
 *		container, and the mount shows all that it can see.
 */
static const char *
cgroup_below_mount(const char *path, const CgroupMount *mount)
{
	size_t length = strlen(mount->root);

	if (strstr(path, "/..") != NULL)
		return "";
	if (strcmp(mount->root, "/") == 0)
		length = 0;
	if (strncmp(path, mount->root, length) != 0 || path[length] != '/' || path[length + 1] == '\0')
		return "";
	return path + length;
}

/*
 * cgroup_see
 *		A line of /proc/PID/cgroup: "4:memory:/path", or "0::/path" for version 2.
 */
static bool
cgroup_see(char *line, void *arg)
{
	CgroupPaths *paths = arg;
	char *controllers = strchr(line, ':');
	char *path = controllers == NULL ? NULL : strchr(controllers + 1, ':');
	CgroupVersion version;

	if (path == NULL)
		return true;
	*path++ = '\0';
	controllers++;
	if (*controllers == '\0')
		version = CGROUP_V2;
	else if (cgroup_list_has(controllers, "memory"))
		version = CGROUP_V1;
	else
		return true;
	if (cgroup_mounts[version].point[0] != '\0')
		snprintf(paths->of_version[version], PATH_SIZE, "%s%s", cgroup_mounts[version].point,
				 cgroup_below_mount(path, &cgroup_mounts[version]));
	return true;
}

/*
 * cgroup_find
 *		Find the cgroups of the server; or, where /proc hides the postmaster, those of this process.
 */
static bool
cgroup_find(CgroupPaths *paths)
{
	char file[64];

	memset(paths, 0, sizeof(*paths));
	if (!cgroup_mounts_known)
		MachineMemoryInit();
	snprintf(file, sizeof(file), "/proc/%d/cgroup", PostmasterPid);
	return machine_each_line(file, cgroup_see, paths) ||
		   machine_each_line("/proc/self/cgroup", cgroup_see, paths);
}

/*
 * machine_parse_number
 *		Parse a number, or "max", that fills a line.
 */
static NumberRead
machine_parse_number(const char *text, uint64 *number)
{
	unsigned long long value;
	char *end;

	*number = MACHINE_UNKNOWN;
	if (strcmp(text, "max\n") == 0 || strcmp(text, "max") == 0)
		return NUMBER_FOUND;
	if (!isdigit((unsigned char) text[0]))
		return NUMBER_WRONG;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (strcmp(end, "\n") != 0 && *end != '\0')
		return NUMBER_WRONG;
	if (errno != ERANGE && value < UNLIMITED)
		*number = value;
	return NUMBER_FOUND;
}

static NumberRead
machine_read_number(const char *directory, const char *name, uint64 *number)
{
	char path[PATH_SIZE];
	char full[PATH_SIZE];
	char text[64];

	*number = MACHINE_UNKNOWN;
	if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int) sizeof(path) ||
		!machine_path(full, path))
		return NUMBER_WRONG;
	if (!KernelFileRead(full, text, sizeof(text)))
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == EPERM
				   ? NUMBER_MISSING
				   : NUMBER_WRONG;
	return machine_parse_number(text, number);
}

/*
 * cgroup_read
 *		Take in the limits from a directory up to where its version is mounted.
 */
static void
cgroup_read(char *directory, CgroupVersion version, MachineMemory *memory)
{
	size_t top = strlen(cgroup_mounts[version].point);

	for (;;)
	{
		char *last;
		uint64 limit;
		uint64 used;

		if (machine_read_number(directory, cgroup_files[version].limit, &limit) == NUMBER_WRONG)
			memory->complete = false;
		if (limit < memory->cgroup_limit || memory->cgroup_used == MACHINE_UNKNOWN)
		{
			(void) machine_read_number(directory, cgroup_files[version].used, &used);
			memory->cgroup_used = used;
		}
		memory->cgroup_limit = Min(memory->cgroup_limit, limit);
		last = strrchr(directory, '/');
		if (strlen(directory) <= top || last == NULL)
			break;
		*last = '\0';
	}
}

/*
 * machine_see_meminfo
 *		A line of /proc/meminfo: "MemTotal:       24684084 kB".
 */
static bool
machine_see_meminfo(char *line, void *arg)
{
	MachineMemory *memory = arg;
	unsigned long long kb;

	if (sscanf(line, "MemTotal: %llu kB", &kb) == 1 && kb > 0 && kb < UNLIMITED / 1024)
		memory->host_total = (uint64) kb * 1024;
	else if (sscanf(line, "MemAvailable: %llu kB", &kb) == 1 && kb < UNLIMITED / 1024)
		memory->host_available = (uint64) kb * 1024;
	return memory->host_total == MACHINE_UNKNOWN || memory->host_available == MACHINE_UNKNOWN;
}

/*
 * pressure_see
 *		A line of a pressure file: "some avg10=0.12 avg60=0.05 avg300=0.01 total=1234".
 */
static bool
pressure_see(char *line, void *arg)
{
	MachineMemory *memory = arg;
	char kind[5];
	double percent;
	unsigned long long total;

	if (sscanf(line, "%4s avg10=%lf avg60=%*f avg300=%*f total=%llu", kind, &percent, &total) !=
			3 ||
		!(percent >= 0 && percent <= 100))
		return true;
	if (strcmp(kind, "some") == 0)
	{
		memory->some_avg10 = (uint64) (percent * 100 + 0.5);
		memory->some_total = total;
	}
	else if (strcmp(kind, "full") == 0)
	{
		memory->full_avg10 = (uint64) (percent * 100 + 0.5);
		memory->full_total = total;
	}
	return true;
}

/*
 * pressure_read
 *		Read the pressure of the server's cgroup if the kernel shows it, else that of the host.
 */
static void
pressure_read(const CgroupPaths *paths, MachineMemory *memory)
{
	char path[PATH_SIZE + 32];

	if (paths->of_version[CGROUP_V2][0] != '\0')
	{
		snprintf(path, sizeof(path), "%s/memory.pressure", paths->of_version[CGROUP_V2]);
		(void) machine_each_line(path, pressure_see, memory);
	}
	if (memory->some_total == MACHINE_UNKNOWN)
		(void) machine_each_line("/proc/pressure/memory", pressure_see, memory);
}

/*
 * MachineMemoryRead
 *		Containers can have a /proc/meminfo of their own; sysconf() knows the host's.
 */
void
MachineMemoryRead(MachineMemory *memory)
{
	CgroupPaths paths;
	long pages;

	memset(memory, 0xff, sizeof(*memory)); /* MACHINE_UNKNOWN */
	memory->complete = machine_each_line("/proc/meminfo", machine_see_meminfo, memory);
	if (memory->host_total == MACHINE_UNKNOWN && (pages = sysconf(_SC_PHYS_PAGES)) > 0)
		memory->host_total = (uint64) pages * (uint64) sysconf(_SC_PAGESIZE);
	if (!cgroup_find(&paths))
		memory->complete = false;
	pressure_read(&paths, memory);
	for (int i = 0; i < CGROUP_VERSIONS; i++)
		if (paths.of_version[i][0] != '\0')
			cgroup_read(paths.of_version[i], (CgroupVersion) i, memory);
}
