/*-------------------------------------------------------------------------
 *
 * processor.c
 *	  What a signal handler finds out about the interrupted instruction.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backend/processor.h"
#include "mcxt/process_heap.h"

#if defined(__x86_64__)

/* What the instruction may still use below the stack pointer. */
#define RED_ZONE 128

/* Page faults have an error code; see "page fault" in the manuals. */
#define TRAP_PAGE_FAULT	 14
#define PAGE_FAULT_WRITE 2
#define PAGE_FAULT_INSTR 16

const char *
ProcessorAccess(const ucontext_t *context)
{
	const greg_t *registers = context->uc_mcontext.gregs;

	if (registers[REG_TRAPNO] != TRAP_PAGE_FAULT)
		return NULL;
	if ((registers[REG_ERR] & PAGE_FAULT_INSTR) != 0)
		return "execute";
	return (registers[REG_ERR] & PAGE_FAULT_WRITE) != 0 ? "write" : "read";
}

/*
 * ProcessorHidesAddress
 *		An address that is not canonical is a general protection fault.
 */
bool
ProcessorHidesAddress(const siginfo_t *info)
{
	return info->si_signo == SIGSEGV && info->si_code == SI_KERNEL;
}

uintptr_t
ProcessorProgramCounter(const ucontext_t *context)
{
	return (uintptr_t) context->uc_mcontext.gregs[REG_RIP];
}

uintptr_t
ProcessorStackPointer(const ucontext_t *context)
{
	return (uintptr_t) context->uc_mcontext.gregs[REG_RSP];
}

uintptr_t
ProcessorRegister(const ucontext_t *context, int i)
{
	StaticAssertStmt(REG_R8 == 0 && REG_RIP == PROCESSOR_REGISTERS - 1, "order of registers");
	return (uintptr_t) context->uc_mcontext.gregs[i];
}

bool
ProcessorUndoCall(ucontext_t *context)
{
	greg_t *registers = context->uc_mcontext.gregs;
	greg_t caller;

	if (process_heap.os->peek(&caller, (const void *) registers[REG_RSP], sizeof(caller)) !=
		sizeof(caller))
		return false;
	registers[REG_RIP] = caller;
	registers[REG_RSP] += sizeof(caller);
	return true;
}

void
ProcessorContinueAt(ucontext_t *context, void (*function)(void))
{
	greg_t *registers = context->uc_mcontext.gregs;

	/* On entry the stack is 8 bytes off 16: the return address has been pushed. */
	registers[REG_RSP] = ((registers[REG_RSP] - RED_ZONE) & ~(greg_t) 15) - 8;
	*(greg_t *) registers[REG_RSP] = registers[REG_RIP];
	registers[REG_RIP] = (greg_t) (uintptr_t) function;
}

#else /* __aarch64__ */

/* Fields of the exception syndrome register. */
#define ESR_CLASS(esr)	 ((esr) >> 26 & 0x3f)
#define ESR_CLASS_INSTR	 0x20
#define ESR_CLASS_ODD_PC 0x22
#define ESR_CLASS_DATA	 0x24
#define ESR_WRITE		 (1 << 6)

/* Number of the register that calls leave the return address in. */
#define LINK_REGISTER	 30

/*
 * ProcessorAccess
 *		The exception syndrome is one of the records behind the registers.
 */
const char *
ProcessorAccess(const ucontext_t *context)
{
	const struct _aarch64_ctx *record =
		(const struct _aarch64_ctx *) context->uc_mcontext.__reserved;

	while (record->magic != 0 && record->size != 0)
	{
		if (record->magic == ESR_MAGIC)
		{
			uint64 esr = ((const struct esr_context *) record)->esr;

			if (ESR_CLASS(esr) == ESR_CLASS_INSTR || ESR_CLASS(esr) == ESR_CLASS_ODD_PC)
				return "execute";
			if (ESR_CLASS(esr) != ESR_CLASS_DATA)
				return NULL;
			return (esr & ESR_WRITE) != 0 ? "write" : "read";
		}
		record = (const struct _aarch64_ctx *) ((const char *) record + record->size);
	}
	return NULL;
}

/*
 * ProcessorHidesAddress
 *		Of an address too large the uppermost byte may be missing, no more.
 */
bool
ProcessorHidesAddress(const siginfo_t *info)
{
	return info->si_signo == SIGSEGV && ((uintptr_t) info->si_addr >> 48) != 0;
}

uintptr_t
ProcessorProgramCounter(const ucontext_t *context)
{
	return (uintptr_t) context->uc_mcontext.pc;
}

uintptr_t
ProcessorStackPointer(const ucontext_t *context)
{
	return (uintptr_t) context->uc_mcontext.sp;
}

uintptr_t
ProcessorRegister(const ucontext_t *context, int i)
{
	return i < PROCESSOR_REGISTERS - 1 ? (uintptr_t) context->uc_mcontext.regs[i]
									   : (uintptr_t) context->uc_mcontext.pc;
}

bool
ProcessorUndoCall(ucontext_t *context)
{
	context->uc_mcontext.pc = context->uc_mcontext.regs[LINK_REGISTER];
	return true;
}

void
ProcessorContinueAt(ucontext_t *context, void (*function)(void))
{
	context->uc_mcontext.regs[LINK_REGISTER] = context->uc_mcontext.pc;
	context->uc_mcontext.pc = (uintptr_t) function;
}

#endif
