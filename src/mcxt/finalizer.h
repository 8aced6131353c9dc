/*-------------------------------------------------------------------------
 *
 * finalizer.h
 *	  Functions that are called when single objects end.
 *
 * The finalizer of an object in an arena is a special of the engine.  It is called before the
 * object is freed, or its context is reset or deleted; a context calls its finalizers newest first.
 * For an object that is not in an arena, the finalizer is a reset callback of the context, which
 * pfree does not call.
 *
 * An ERROR in a finalizer becomes a WARNING, since finalizers run where no code expects an error:
 * at the end of transactions, and while other errors are handled.  The error that is being handled
 * is put aside meanwhile.  FATAL and PANIC pass.  Interrupts are held off.
 *
 * In a critical section pfree leaves an object with a finalizer alone
 * until the context ends.  When the process exits no finalizer is called.
 *
 * After Go's runtime.SetFinalizer.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_FINALIZER_H
#define GOARENA_FINALIZER_H

#include "postgres.h"

typedef void (*Finalizer)(void *object, void *arg);

/*
 * Set the finalizer of an object; NULL takes it away.
 *
 * Raises ERRCODE_OUT_OF_MEMORY, ERRCODE_INVALID_PARAMETER_VALUE for a pointer into an
 * arena that is no object, and ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE if the object
 * has one, or its context is about to end.  Nothing has changed then.
 */
extern void FinalizerSet(void *object, Finalizer function, void *arg);

/* Free an object, in an arena or not, after its finalizer was called. */
extern void FinalizerFree(void *object);

#endif /* GOARENA_FINALIZER_H */
