/*-------------------------------------------------------------------------
 *
 * process_heap.h
 *	  The one heap of this process, and the settings it follows.
 *
 * The heap is set up when the first context of a process is adopted, so that
 * the postmaster, which adopts none, has nothing that its children could
 * inherit.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_PROCESS_HEAP_H
#define GOARENA_PROCESS_HEAP_H

#include "access/xact.h"

#include "compat.h"
#include "engine/arena.h"

/* GUC variables; see goarena.c for what they mean. */
extern bool goarena_enabled;
extern int goarena_quarantine;
extern double goarena_sample_rate;
extern int goarena_chunk_size_kb;
extern int goarena_sweep_percent;
extern int goarena_sweep_min_kb;
extern int goarena_retain_kb;
extern int goarena_huge_pages;
extern bool goarena_free_stacks;
extern int goarena_method_id; /* or METHOD_ID_AUTO */
#define METHOD_ID_AUTO (-1)
extern int goarena_free_history;
extern int goarena_profile_rate; /* bytes; 0: off */

/* Set by assign hooks: the heap must be configured again. */
extern bool goarena_settings_changed;

/* The heap of this process; use only through the functions below before it is set up. */
extern ga_heap process_heap;
extern bool process_heap_ready;

/* Set up the heap, or configure it after settings changed. */
extern void ProcessHeapPrepare(void);

/* A setting changed on which the heap or the sample depends. */
extern void ProcessHeapSettingsChanged(void);

/* Lives of contexts to begin before one is in the sample; 0: ask ProcessHeapSampleNow. */
extern uint64 process_heap_unsampled;
extern bool ProcessHeapSampleNow(void);

/*
 * Is the life in the sample that begins in a context which is else to stay an
 * AllocSet?  For arenas the engine draws.
 */
static inline bool
ProcessHeapSample(void)
{
	if (unlikely(process_heap_unsampled == 0))
		return ProcessHeapSampleNow();
	process_heap_unsampled--;
	return false;
}

struct AllocationTrace; /* see arena_context.h */
struct BadPointer;		/* likewise */

/*
 * What is asked of the layers above.  goarena.c installs it before any context is an
 * arena.
 */
typedef struct ProcessHeapCallbacks
{
	/* The heap wants attention: a sweep is due, or events wait to be reported. */
	void (*maintain)(void);

	/* Memory is used up, or a limit refused it.  True if it may help to try again. */
	bool (*find_memory)(void);

	/* Raise the error for memory that a limit refused, see refusal.h. */
	void (*raise_refusal)(MemoryContext context, Size size);

	/*
	 * A context that is no arena wants bytes, more than the heap's limit allows, or has
	 * taken them already: may it?  And: it took them, and that is not refused any more.
	 */
	bool (*plain_ask)(Size bytes, bool taken);
	void (*plain_took)(Size bytes);

	/*
	 * The same for one that is about to give back bytes, and many.
	 * Not listed: it is not among its parent's children any more.
	 */
	void (*plain_leave)(Size bytes, bool listed);

	/*
	 * Memory is about to be taken, for the first time since a message came from the
	 * client: another statement has begun.
	 */
	void (*statement_begun)(void);

	/* Arenas took much memory at once, or gave it back. */
	void (*moved)(void);

	/* in_use has reached process_heap_watch.  It sets a new mark, and must not allocate. */
	void (*watched)(void);

	/* What is no live object was freed.  The error for that may be caught and never be seen. */
	void (*bad_pointer)(const struct BadPointer *bad);

	/* goarena.debug wants to see this. */
	void (*traced)(const struct AllocationTrace *trace);

	/* See ga_heap.note_free. */
	uint64_t (*note_free)(ga_arena *arena, ga_freed_by how);

	/* See ga_heap.take_stack. */
	uint32_t (*take_stack)(void);

	/* See ga_profile. */
	void *(*sample_begun)(ga_arena *arena, size_t bytes, double weight);
	void (*sample_ended)(void *site, size_t bytes, double weight);
} ProcessHeapCallbacks;

extern const ProcessHeapCallbacks *process_heap_callbacks;

/* Bytes of in_use at which to call watched; SIZE_MAX for never. */
extern Size process_heap_watch;

/*
 * Others are shown what this process holds when in_use leaves this range.  It
 * is far from any value that in_use can have as long as they never were.
 */
extern size_t process_heap_shown_low;
extern size_t process_heap_shown_range;

/* Others were shown the heap as it is now. */
extern void ProcessHeapShown(void);

/* Has in_use moved by a step, up or down, since it was last shown? */
static inline bool
ProcessHeapMoved(void)
{
	return process_heap.in_use - process_heap_shown_low > process_heap_shown_range;
}

/* Has in_use come down by a step since it was last shown? */
static inline bool
ProcessHeapShrunk(void)
{
	return process_heap.in_use < process_heap_shown_low && ProcessHeapMoved();
}

/* What other processes want of this one: 0 for nothing; see requests.h. */
extern const volatile uint32 *process_heap_wanted;

/* When the message came from the client for which memory was last taken. */
extern TimestampTz process_heap_message;

/* See ProcessHeapNoteStatement. */
extern void ProcessHeapStatementBegun(TimestampTz message);

/* To be called before an allocation that is not a fast one. */
static inline void
ProcessHeapNoteStatement(void)
{
	TimestampTz message = GetCurrentStatementStartTimestamp();

	if (unlikely(message != process_heap_message))
		ProcessHeapStatementBegun(message);
}

/* To be called after an allocation that was not a fast one. */
static inline void
ProcessHeapWatch(void)
{
	if (unlikely(process_heap.in_use >= process_heap_watch))
		process_heap_callbacks->watched();
}

/* Does the heap want attention? */
static inline bool
ProcessHeapWantsAttention(void)
{
	return process_heap.fresh_quarantine >= process_heap.next_sweep ||
		   process_heap.num_events > 0 || goarena_settings_changed || ProcessHeapMoved() ||
		   *process_heap_wanted != 0;
}

#endif /* GOARENA_PROCESS_HEAP_H */
