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

#include "backend/faults/processor.h"
#include "mcxt/process_heap.h"

#if defined(__x86_64__)

/* Bytes below the stack pointer that the interrupted code may still use. */
#define RED_ZONE 128

/* Bits of the flags register that must be clear when functions are called, by the ABI. */
#define FLAG_DIRECTION 0x400
#define FLAG_ALIGNMENT 0x40000

/* Page faults have an error code; see "page fault" in the manuals. */
#define TRAP_PAGE_FAULT	 14
#define PAGE_FAULT_WRITE 2
#define PAGE_FAULT_INSTR 16

/*
 * ProcessorEnterHandler
 *		The kernel clears the direction flag, but not that of alignment checks.
 */
void
ProcessorEnterHandler(void)
{
	__asm__ volatile("pushf\n\tandq %0, (%%rsp)\n\tpopf"
					 :
					 : "r"((uintptr_t) ~FLAG_ALIGNMENT)
					 : "memory", "cc");
}

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
 *		An access to an address that is not canonical is a general protection fault, which has no
 *		address.
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

void
ProcessorPlace(const ucontext_t *context, ga_place *place)
{
	const greg_t *registers = context->uc_mcontext.gregs;

	*place = (ga_place){
		.pc = (uintptr_t) registers[REG_RIP],
		.sp = (uintptr_t) registers[REG_RSP],
		.fp = (uintptr_t) registers[REG_RBP],
		.exact = true,
	};
}

/*
 * ProcessorCanCall
 *		Not while string instructions go backwards, or the processor checks accesses for alignment.
 */
bool
ProcessorCanCall(const ucontext_t *context)
{
	return (context->uc_mcontext.gregs[REG_EFL] & (FLAG_DIRECTION | FLAG_ALIGNMENT)) == 0 &&
		   context->uc_mcontext.gregs[REG_RSP] % 8 == 0;
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

/* Numbers of registers: calls leave the return address in the last one. */
#define FRAME_REGISTER	 29
#define LINK_REGISTER	 30

/* The processor has no such state. */
void
ProcessorEnterHandler(void)
{
}

/*
 * ProcessorAccess
 *		The exception syndrome is one of the records behind the registers.
 */
const char *
ProcessorAccess(const ucontext_t *context)
{
	const char *at = (const char *) context->uc_mcontext.__reserved;
	const char *end = at + sizeof(context->uc_mcontext.__reserved) - sizeof(struct esr_context);

	while (at <= end)
	{
		const struct _aarch64_ctx *record = (const struct _aarch64_ctx *) at;

		if (record->magic == 0 || record->size == 0)
			return NULL;
		if (record->magic == ESR_MAGIC)
		{
			uint64 esr = ((const struct esr_context *) record)->esr;

			if (ESR_CLASS(esr) == ESR_CLASS_INSTR || ESR_CLASS(esr) == ESR_CLASS_ODD_PC)
				return "execute";
			if (ESR_CLASS(esr) != ESR_CLASS_DATA)
				return NULL;
			return (esr & ESR_WRITE) != 0 ? "write" : "read";
		}
		at += record->size;
	}
	return NULL;
}

/*
 * ProcessorHidesAddress
 *		Never: of an address that is too large, only the uppermost byte may be missing.
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

void
ProcessorPlace(const ucontext_t *context, ga_place *place)
{
	*place = (ga_place){
		.pc = (uintptr_t) context->uc_mcontext.pc,
		.sp = (uintptr_t) context->uc_mcontext.sp,
		.fp = (uintptr_t) context->uc_mcontext.regs[FRAME_REGISTER],
		.lr = (uintptr_t) context->uc_mcontext.regs[LINK_REGISTER],
		.exact = true,
	};
}

bool
ProcessorCanCall(const ucontext_t *context)
{
	return context->uc_mcontext.sp % 16 == 0;
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
