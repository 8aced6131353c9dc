/*-------------------------------------------------------------------------
 *
 * kernel.c
 *	  Kernels that do not do what usual ones do.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "goarena_test.h"

PG_FUNCTION_INFO_V1(test_refuse_mremap);
PG_FUNCTION_INFO_V1(test_refuse_peek);

/*
 * Refuse
 *		From now on a system call fails in this process, as under a filter of system calls that
 *		does not know it.  False if there can be no filter.
 */
static bool
Refuse(int number, int error)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32) number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32) error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {lengthof(filter), filter};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
		   prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

Datum
test_refuse_mremap(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(Refuse(SYS_mremap, EPERM));
}

/*
 * test_refuse_peek(missing boolean) returns boolean
 *		Memory cannot be read through the kernel any more; or it can, but nothing is
 *		there.
 */
Datum
test_refuse_peek(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(Refuse(SYS_process_vm_readv, PG_GETARG_BOOL(0) ? EFAULT : EPERM));
}
