/*-------------------------------------------------------------------------
 *
 * memory.c
 *	  Freeing memory, and using it all the same.
 *
 * Each way to free and to use memory is a function of its own, so that stacks
 * can be told apart.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/mman.h>

#include "utils/builtins.h"
#include "utils/memutils.h"

#include "fault_test.h"
#include "goarena.h"

PG_FUNCTION_INFO_V1(fault_create);
PG_FUNCTION_INFO_V1(fault_keep);
PG_FUNCTION_INFO_V1(fault_reset);
PG_FUNCTION_INFO_V1(fault_delete);
PG_FUNCTION_INFO_V1(fault_pfree);
PG_FUNCTION_INFO_V1(fault_repalloc);
PG_FUNCTION_INFO_V1(fault_reset_with_odd_frames);
PG_FUNCTION_INFO_V1(fault_free_with_frame);
PG_FUNCTION_INFO_V1(fault_read);
PG_FUNCTION_INFO_V1(fault_write);
PG_FUNCTION_INFO_V1(fault_take);
PG_FUNCTION_INFO_V1(fault_follow);
PG_FUNCTION_INFO_V1(fault_crash_knowing);
PG_FUNCTION_INFO_V1(fault_hand_on);
PG_FUNCTION_INFO_V1(fault_name_in_itself);
PG_FUNCTION_INFO_V1(fault_churn);
PG_FUNCTION_INFO_V1(fault_vanishing_name);
PG_FUNCTION_INFO_V1(fault_use_deleted);

/* What a pointer is combined with so that sweeps do not see one. */
#define DISGUISE (~(uintptr_t) 0)

#define NUM_ODD_FRAMES 8

typedef struct Frame
{
	struct Frame *caller;
	uintptr_t return_address;
} Frame;

static MemoryContext parent = NULL;
static MemoryContext context = NULL;
static volatile uintptr_t kept = 0; /* the address, or its complement */
static bool hidden = false;
static uint64 *volatile taken = NULL; /* a pointer read from the object */

/*
 * ScrubStack
 *		Overwrite what earlier calls left on the stack: a sweep takes it for
 *		pointers.
 */
static pg_noinline void
ScrubStack(void)
{
	volatile char scrub[16 * 1024];

	for (int i = 0; i < lengthof(scrub); i++)
		scrub[i] = 0;
}

static MemoryContext
Context(void)
{
	if (context == NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("there is no context"), errhint("Call fault_create().")));
	return context;
}

volatile uint64 *
FaultObject(void)
{
	if (kept == 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("no pointer is kept"), errhint("Call fault_keep().")));
	return (volatile uint64 *) (hidden ? kept ^ DISGUISE : kept);
}

Datum
fault_create(PG_FUNCTION_ARGS)
{
	if (parent != NULL)
		MemoryContextDelete(parent);
	kept = 0;
	taken = NULL;
	parent = AllocSetContextCreate(TopMemoryContext, "fault parent", ALLOCSET_SMALL_SIZES);
	context = GoarenaContextCreate(parent, "fault test");
	if (!PG_ARGISNULL(0))
		MemoryContextSetIdentifier(
			context, MemoryContextStrdup(parent, text_to_cstring(PG_GETARG_TEXT_PP(0))));
	PG_RETURN_VOID();
}

static pg_noinline void
Keep(Size size)
{
	char *object = MemoryContextAllocHuge(Context(), size);

	memset(object, 'k', size);
	kept = (uintptr_t) object ^ (hidden ? DISGUISE : 0);
	(void) MemoryContextAllocZero(Context(), 16);
}

Datum
fault_keep(PG_FUNCTION_ARGS)
{
	char digits[32];

	hidden = PG_GETARG_BOOL(1);
	Keep((Size) PG_GETARG_INT64(0));
	snprintf(digits, sizeof(digits), "0x%lx", (unsigned long) (uintptr_t) FaultObject());
	ScrubStack();
	PG_RETURN_TEXT_P(cstring_to_text(digits));
}

Datum
fault_reset(PG_FUNCTION_ARGS)
{
	MemoryContextReset(Context());
	ScrubStack();
	PG_RETURN_VOID();
}

Datum
fault_delete(PG_FUNCTION_ARGS)
{
	MemoryContextDelete(Context());
	context = NULL;
	ScrubStack();
	PG_RETURN_VOID();
}

Datum
fault_pfree(PG_FUNCTION_ARGS)
{
	pfree((void *) FaultObject());
	ScrubStack();
	PG_RETURN_VOID();
}

Datum
fault_repalloc(PG_FUNCTION_ARGS)
{
	char *moved = repalloc_huge((void *) FaultObject(), (Size) PG_GETARG_INT64(0));

	moved[0] = 'm';
	ScrubStack();
	PG_RETURN_VOID();
}

/*
 * CallWithFrame
 *		Call a function with the frame pointer set to what is given, as code does
 *		that uses this register for something else.
 */
extern void CallWithFrame(void (*function)(MemoryContext), MemoryContext argument,
						  const Frame *frame);

#if defined(__x86_64__)
__asm__(".text\n"
		".local CallWithFrame\n"
		".type CallWithFrame, @function\n"
		"CallWithFrame:\n"
		"	push %rbp\n"
		"	mov %rdx, %rbp\n"
		"	mov %rdi, %rax\n"
		"	mov %rsi, %rdi\n"
		"	call *%rax\n"
		"	pop %rbp\n"
		"	ret\n"
		".size CallWithFrame, . - CallWithFrame\n");
#else
__asm__(".text\n"
		".local CallWithFrame\n"
		".type CallWithFrame, %function\n"
		"CallWithFrame:\n"
		"	stp x29, x30, [sp, #-16]!\n"
		"	mov x29, x2\n"
		"	mov x9, x0\n"
		"	mov x0, x1\n"
		"	blr x9\n"
		"	ldp x29, x30, [sp], #16\n"
		"	ret\n"
		".size CallWithFrame, . - CallWithFrame\n");
#endif

/*
 * fault_reset_with_odd_frames() returns void
 *		The chain stays within the stack, which is all that can be asked of it.
 */
Datum
fault_reset_with_odd_frames(PG_FUNCTION_ARGS)
{
	void *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	Frame frames[NUM_ODD_FRAMES];

	for (int i = 0; i < NUM_ODD_FRAMES; i++)
		frames[i].caller = i + 1 < NUM_ODD_FRAMES ? &frames[i + 1] : NULL;
	frames[0].return_address = 1;
	frames[1].return_address = 0;
	frames[2].return_address = UINTPTR_MAX;
	frames[3].return_address = UINT64CONST(0xa5deada5a5deada5);
	frames[4].return_address = (uintptr_t) page;
	frames[5].return_address = (uintptr_t) &kept;
	frames[6].return_address = (uintptr_t) frames;
	frames[7].return_address = (uintptr_t) FaultObject();
	CallWithFrame(MemoryContextReset, Context(), frames);
	PG_RETURN_VOID();
}

/* Where the main thread's stack begins; set by the dynamic linker. */
extern void *__libc_stack_end;

/*
 * fault_free_with_frame(base text, "offset" bigint) returns void
 *		Code without frame pointers leaves anything in their register.
 */
Datum
fault_free_with_frame(PG_FUNCTION_ARGS)
{
	const char *base = text_to_cstring(PG_GETARG_TEXT_PP(0));
	uintptr_t frame = (uintptr_t) PG_GETARG_INT64(1);
	MemoryContext freed = GoarenaContextCreate(TopMemoryContext, "fault frame");

	if (strcmp(base, "stack end") == 0)
		frame += (uintptr_t) __libc_stack_end;
	else if (strcmp(base, "here") == 0)
		frame += (uintptr_t) __builtin_frame_address(0);
	else if (strcmp(base, "freed") == 0)
		frame += (uintptr_t) FaultDangling();
	else if (strcmp(base, "nothing") != 0)
		elog(ERROR, "no such base: \"%s\"", base);
	(void) MemoryContextAllocZero(freed, 100);
	CallWithFrame(MemoryContextReset, freed, (const Frame *) frame);
	MemoryContextDelete(freed);
	PG_RETURN_VOID();
}

Datum
fault_read(PG_FUNCTION_ARGS)
{
	uint64 word = FaultObject()[PG_GETARG_INT64(0) / (int64) sizeof(uint64)];
	char digits[32];

	snprintf(digits, sizeof(digits), "%016lx", (unsigned long) word);
	PG_RETURN_TEXT_P(cstring_to_text(digits));
}

Datum
fault_write(PG_FUNCTION_ARGS)
{
	FaultObject()[PG_GETARG_INT64(0) / (int64) sizeof(uint64)] = UINT64CONST(0x7777777777777777);
	PG_RETURN_VOID();
}

/*
 * FollowAlone
 *		Read through a pointer while all general registers but one are zero; that
 *		one is what is given.
 */
extern void FollowAlone(const volatile void *in_register, volatile uint64 *pointer);

#if defined(__x86_64__)
__asm__(".text\n"
		".local FollowAlone\n"
		".type FollowAlone, @function\n"
		"FollowAlone:\n"
		"	.cfi_startproc\n"
		"	push %rbx\n"
		"	.cfi_adjust_cfa_offset 8\n"
		"	.cfi_rel_offset %rbx, 0\n"
		"	push %rbp\n"
		"	.cfi_adjust_cfa_offset 8\n"
		"	.cfi_rel_offset %rbp, 0\n"
		"	push %r12\n"
		"	.cfi_adjust_cfa_offset 8\n"
		"	.cfi_rel_offset %r12, 0\n"
		"	push %r13\n"
		"	.cfi_adjust_cfa_offset 8\n"
		"	.cfi_rel_offset %r13, 0\n"
		"	push %r14\n"
		"	.cfi_adjust_cfa_offset 8\n"
		"	.cfi_rel_offset %r14, 0\n"
		"	push %r15\n"
		"	.cfi_adjust_cfa_offset 8\n"
		"	.cfi_rel_offset %r15, 0\n"
		"	xor %eax, %eax\n"
		"	xor %ebx, %ebx\n"
		"	xor %ecx, %ecx\n"
		"	xor %edx, %edx\n"
		"	xor %ebp, %ebp\n"
		"	xor %r8d, %r8d\n"
		"	xor %r9d, %r9d\n"
		"	xor %r10d, %r10d\n"
		"	xor %r11d, %r11d\n"
		"	xor %r12d, %r12d\n"
		"	xor %r13d, %r13d\n"
		"	xor %r14d, %r14d\n"
		"	xor %r15d, %r15d\n"
		"	mov (%rsi), %rax\n"
		"	ud2\n"
		"	.cfi_endproc\n"
		".size FollowAlone, . - FollowAlone\n");
#else
__asm__(".text\n"
		".local FollowAlone\n"
		".type FollowAlone, %function\n"
		"FollowAlone:\n"
		"	.cfi_startproc\n"
		"	stp x29, x30, [sp, #-96]!\n"
		"	.cfi_def_cfa_offset 96\n"
		"	.cfi_offset x29, -96\n"
		"	.cfi_offset x30, -88\n"
		"	stp x19, x20, [sp, #16]\n"
		"	.cfi_offset x19, -80\n"
		"	.cfi_offset x20, -72\n"
		"	stp x21, x22, [sp, #32]\n"
		"	.cfi_offset x21, -64\n"
		"	.cfi_offset x22, -56\n"
		"	stp x23, x24, [sp, #48]\n"
		"	.cfi_offset x23, -48\n"
		"	.cfi_offset x24, -40\n"
		"	stp x25, x26, [sp, #64]\n"
		"	.cfi_offset x25, -32\n"
		"	.cfi_offset x26, -24\n"
		"	stp x27, x28, [sp, #80]\n"
		"	.cfi_offset x27, -16\n"
		"	.cfi_offset x28, -8\n"
		"	.irp n, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17\n"
		"	mov x\\n, xzr\n"
		"	.endr\n"
		"	.irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28\n"
		"	mov x\\n, xzr\n"
		"	.endr\n"
		"	ldr x1, [x1]\n"
		"	brk #0\n"
		"	.cfi_endproc\n"
		".size FollowAlone, . - FollowAlone\n");
#endif

/*
 * Follow
 *		Use a pointer in one of several ways.
 */
static pg_noinline void
Follow(uint64 *pointer, const char *how)
{
	volatile uint64 *words = pointer;
	void (*function)(void) = (void (*)(void))(uintptr_t) pointer;
	EMPTY_FRAME;

	if (strcmp(how, "read") == 0)
		(void) words[2];
	else if (strcmp(how, "write") == 0)
		words[3] = 0;
	else if (strcmp(how, "call") == 0)
		function();
	else if (strcmp(how, "pfree") == 0)
		pfree(pointer);
	else if (strcmp(how, "far") == 0)
		(void) words[INT64CONST(17) * 1024 * 1024 / sizeof(*words)];
	else if (strcmp(how, "index") == 0)
		(void) words[(uintptr_t) pointer]; /* where no processor has an address */
	else if (strcmp(how, "register") == 0)
		FollowAlone(FaultObject() + 1, words);
	else if (strcmp(how, "stack") == 0)
	{
		empty_frame[8] = (uintptr_t) (FaultObject() + 2);
		FollowAlone(NULL, words);
	}
	else
		elog(ERROR, "no such use: \"%s\"", how);

	/* No tail calls: this frame must still be there. */
	(void) empty_frame[0];
}

/*
 * fault_take() returns void
 *		What knows of the object is gone when the pointer is followed in a later
 *		statement.
 */
Datum
fault_take(PG_FUNCTION_ARGS)
{
	taken = *(uint64 *volatile *) FaultObject();
	PG_RETURN_VOID();
}

Datum
fault_follow(PG_FUNCTION_ARGS)
{
	const char *how = text_to_cstring(PG_GETARG_TEXT_PP(0));

	Follow(taken != NULL ? taken : *(uint64 *volatile *) FaultObject(), how);
	PG_RETURN_VOID();
}

/*
 * CrashKnowing
 *		Read at no address while a register, or the stack, has that of the object.
 */
static pg_noinline void
CrashKnowing(const volatile void *in_register, const volatile void *on_stack)
{
	EMPTY_FRAME;

	empty_frame[8] = (uintptr_t) on_stack;
	FollowAlone(in_register, NULL);
	(void) empty_frame[0];
}

Datum
fault_crash_knowing(PG_FUNCTION_ARGS)
{
	bool by_register = strcmp(text_to_cstring(PG_GETARG_TEXT_PP(0)), "register") == 0;
	const volatile void *address = FaultObject() + 2;

	CrashKnowing(by_register ? address : NULL, by_register ? NULL : address);
	PG_RETURN_VOID();
}

/*
 * fault_name_in_itself(free_twice boolean) returns void
 *		Name and identifier of a context are in the context itself, which is reset
 *		and lives on.  Nobody but the server's statistics reads them.
 */
Datum
fault_name_in_itself(PG_FUNCTION_ARGS)
{
	MemoryContext itself = GoarenaContextCreate(TopMemoryContext, "fault itself");
	MemoryContext named;

	MemoryContextSetIdentifier(itself, MemoryContextStrdup(itself, "fault ident"));
	named = GoarenaContextCreate(TopMemoryContext, MemoryContextStrdup(itself, "fault name"));
	for (int i = 0; i < 3; i++)
	{
		MemoryContextReset(itself);
		MemoryContextReset(named);
		memset(MemoryContextAlloc(itself, 100), 0xf7, 100); /* no text */
		(void) MemoryContextAllocZero(named, 100);
	}
	if (PG_GETARG_BOOL(0))
	{
		void *object = MemoryContextAlloc(named, 100);

		pfree(object);
		pfree(object);
	}
	PG_RETURN_VOID();
}

/*
 * fault_hand_on() returns boolean
 *		Delete the context, let others have what is left of its chunk, and delete
 *		those.  Did they get it?
 */
Datum
fault_hand_on(PG_FUNCTION_ARGS)
{
	uintptr_t object = (uintptr_t) FaultObject();
	bool shared = false;

	MemoryContextDelete(Context());
	context = NULL;
	for (int i = 0; i < 64; i++)
	{
		MemoryContext other = GoarenaContextCreate(TopMemoryContext, "fault next");

		for (int j = 0; j < 60; j++)
			shared |= (uintptr_t) MemoryContextAllocZero(other, 500) - object < 8 * 1024;
		MemoryContextDelete(other);
	}
	ScrubStack();
	PG_RETURN_BOOL(shared);
}

Datum
fault_churn(PG_FUNCTION_ARGS)
{
	for (int i = 0; i < PG_GETARG_INT32(0); i++)
	{
		MemoryContext other = GoarenaContextCreate(TopMemoryContext, "fault churn");

		(void) MemoryContextAllocZero(other, 16);
		MemoryContextDelete(other);
	}
	for (int i = 0; i < PG_GETARG_INT32(1); i++)
		pfree(MemoryContextAllocZero(Context(), 200));
	PG_RETURN_VOID();
}

Datum
fault_vanishing_name(PG_FUNCTION_ARGS)
{
	char *name = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (name == MAP_FAILED)
		elog(ERROR, "could not map memory: %m");
	strlcpy(name, "fault vanishing", 4096);
	context = GoarenaContextCreate(TopMemoryContext, name);
	hidden = false;
	Keep(1000);
	MemoryContextDelete(context);
	context = NULL;
	memset(name, 0xf7, 4096); /* what is no text comes to lie there */
	PG_RETURN_VOID();
}

volatile uint64 *
FaultDangling(void)
{
	MemoryContext victim = GoarenaContextCreate(TopMemoryContext, "fault victim");
	volatile uint64 *object = MemoryContextAllocZero(victim, 1000);

	(void) MemoryContextAllocZero(victim, 16);
	MemoryContextDelete(victim);
	return object;
}

/*
 * Touch freed memory.
 */
void
FaultTouch(void)
{
	(void) FaultDangling()[8];
}

static pg_noinline void
DeleteHere(MemoryContext doomed)
{
	MemoryContextDelete(doomed);
	ScrubStack();
}

/*
 * fault_use_deleted(how text) returns void
 */
Datum
fault_use_deleted(PG_FUNCTION_ARGS)
{
	static MemoryContextCallback callback;
	char *how = text_to_cstring(PG_GETARG_TEXT_PP(0));
	MemoryContext doomed = GoarenaContextCreate(TopMemoryContext, "fault deleted");

	(void) MemoryContextAlloc(doomed, 100);
	DeleteHere(doomed);
	if (strcmp(how, "alloc") == 0)
		(void) MemoryContextAlloc(doomed, 100);
	else if (strcmp(how, "reset") == 0)
		MemoryContextReset(doomed);
	else if (strcmp(how, "delete") == 0)
		MemoryContextDelete(doomed);
	else if (strcmp(how, "child") == 0)
		(void) AllocSetContextCreate(doomed, "fault child", ALLOCSET_SMALL_SIZES);
	else if (strcmp(how, "callback") == 0)
		MemoryContextRegisterResetCallback(doomed, &callback);
	PG_RETURN_VOID();
}
