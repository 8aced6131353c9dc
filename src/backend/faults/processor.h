/*-------------------------------------------------------------------------
 *
 * processor.h
 *	  What a signal handler finds out about the interrupted instruction.
 *
 * Everything that differs between processors is here.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_PROCESSOR_H
#define GOARENA_PROCESSOR_H

#include "postgres.h"

#include <signal.h>
#include <ucontext.h>

#include "stack/walk.h"

/* Put the processor into the state that functions expect.  The handler calls this first. */
extern void ProcessorEnterHandler(void);

/* Was it a "read", "write" or "execute"? NULL if the processor does not say. */
extern const char *ProcessorAccess(const ucontext_t *context);

/*
 * Does the fault have no address, because the access was to an address that is not possible?  Then
 * only the registers show it.
 */
extern bool ProcessorHidesAddress(const siginfo_t *info);

extern uintptr_t ProcessorProgramCounter(const ucontext_t *context);
extern uintptr_t ProcessorStackPointer(const ucontext_t *context);

/* General registers and the program counter, by number from 0. */
#if defined(__x86_64__)
#define PROCESSOR_REGISTERS 17
#else
#define PROCESSOR_REGISTERS 32
#endif
extern uintptr_t ProcessorRegister(const ucontext_t *context, int i);

/* Get the place of the interrupted code, for walks. */
extern void ProcessorPlace(const ucontext_t *context, ga_place *place);

/* Is the processor in the state in which functions may be called? */
extern bool ProcessorCanCall(const ucontext_t *context);

/*
 * Let the interrupted code look as if the call that has just been made had
 * returned.  False, with nothing changed, if the return address cannot be read.
 */
extern bool ProcessorUndoCall(ucontext_t *context);

/*
 * Let the interrupted code go on in a function that does not return, as if the
 * instruction had called it.
 */
extern void ProcessorContinueAt(ucontext_t *context, void (*function)(void));

#endif /* GOARENA_PROCESSOR_H */
