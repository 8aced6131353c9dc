/*-------------------------------------------------------------------------
 *
 * process_heap.h
 *	  The one heap of this process, and the settings it follows.
 *
 * The heap is set up when a process first decides what becomes of a context.  The postmaster adopts
 * none, so its children inherit no heap.
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
#include "hot.h"

/* GUC variables; see goarena.c for what they mean. */
HOT_EXTERN bool goarena_enabled;
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
HOT_EXTERN bool goarena_settings_changed;

/* The heap of this process.  Until it is ready, only the functions below may be used. */
HOT_EXTERN ga_heap process_heap;
HOT_EXTERN bool process_heap_ready;

/* Set up the heap, or configure it after settings changed. */
extern void ProcessHeapPrepare(void);

/* To be called when a setting has changed that the heap or the sample depends on. */
extern void ProcessHeapSettingsChanged(void);

/* The sampler of this process, which its heap uses, too.  Until it is set up, unsampled is 0. */
HOT_EXTERN ga_sampler process_sampler;
extern bool ProcessHeapSampleSlow(void);

/* A life begins in a context that would otherwise stay an AllocSet: is it in the sample? */
static inline bool
ProcessHeapSample(void)
{
	if (unlikely(process_sampler.unsampled == 0))
		return ProcessHeapSampleSlow();
	process_sampler.unsampled--;
	return false;
}

struct AllocationTrace; /* see arena_context.h */
struct BadPointer;		/* likewise */

/*
 * What this layer asks of the layers above. goarena.c sets it before any context is an arena.
 */
typedef struct ProcessHeapCallbacks
{
	/* Do what the heap needs: a sweep is due, or events wait to be reported. */
	void (*maintain)(void);

	/* Find memory, since it is used up or a limit refused it.  True if it may help to try again. */
	bool (*find_memory)(void);

	/* Raise the error for memory that a limit refused, see refusal.h. */
	void (*raise_refusal)(MemoryContext context, Size size);

	/*
	 * A context that is no arena wants more bytes than the heap's limit allows, or, if taken, has
	 * allocated them already: may it have them? plain_took says that it keeps bytes that it took.
	 */
	bool (*plain_ask)(Size bytes, bool taken);
	void (*plain_took)(Size bytes);

	/*
	 * A context that is no arena is about to give back many bytes. listed says whether it is still
	 * among its parent's children.
	 */
	void (*plain_leave)(Size bytes, bool listed);

	/*
	 * Memory is about to be taken, for the first time since a message came from the
	 * client: another statement has begun.
	 */
	void (*statement_begun)(void);

	/* Show other processes this one, which may never have an arena. */
	void (*begun)(void);

	/* Arenas took much memory at once, or gave it back. */
	void (*moved)(void);

	/* in_use has reached process_heap_watch.  Sets that to a new value, and must not allocate. */
	void (*watched)(void);

	/* Report that a pointer to no live object was freed, before the error for that is raised. */
	void (*bad_pointer)(const struct BadPointer *bad);

	/* Log an allocation or free, for goarena.debug. */
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
 * When in_use leaves this range, other processes are shown what this one holds.  Until that is done
 * for the first time, the range is far from any value that in_use can have.
 */
HOT_EXTERN size_t process_heap_shown_low;
HOT_EXTERN size_t process_heap_shown_range;

/* To be called when other processes were shown what the heap holds now. */
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
HOT_EXTERN const volatile uint32 *process_heap_wanted;

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
