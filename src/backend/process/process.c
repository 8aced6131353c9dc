/*-------------------------------------------------------------------------
 *
 * process.c
 *	  See process.h.
 *
 * To compare MyProcPid with getpid() is a system call, and the pid of a child's
 * child can be that of a backend that ended meanwhile.  So each process that
 * the server starts claims a word of memory that the kernel clears in its
 * children, and each value of MyProcPid can claim it once.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backend/process/process.h"

int *process_owner = NULL;

static int claimed = 0; /* the last value of MyProcPid that claimed it; children inherit this */

/*
 * ProcessInit
 *		Before Linux 4.14 the kernel cannot clear memory in children.
 */
void
ProcessInit(void)
{
	size_t page_size = (size_t) sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return;
	if (madvise(page, page_size, MADV_WIPEONFORK) != 0)
	{
		(void) munmap(page, page_size);
		return;
	}
	process_owner = page;
	(void) ProcessClaim();
}

bool
ProcessClaim(void)
{
	if (MyProcPid != (int) getpid())
		return false;
	if (process_owner == NULL)
		return true;
	if (claimed == MyProcPid)
		return *process_owner == MyProcPid;
	claimed = *process_owner = MyProcPid;
	return true;
}

bool
ProcessRunsServer(void)
{
	return ProcessIsOurs() && (int) getpid() == MyProcPid && (int) syscall(SYS_gettid) == MyProcPid;
}
