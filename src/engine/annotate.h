/*-------------------------------------------------------------------------
 *
 * annotate.h
 *	  Tell Valgrind or AddressSanitizer what freed memory is.
 *
 * Both tools watch malloc; of an allocator of our own they know nothing
 * unless each change of state is announced.  Without either, the macros are
 * nothing.  Header words stay accessible: the engine reads them.  A function
 * that reads memory of any kind is marked GA_NO_SANITIZE.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_ANNOTATE_H
#define GA_ANNOTATE_H

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define GA_NO_SANITIZE				  __attribute__((no_sanitize("address")))
#define GA_MAKE_NOACCESS(addr, size)  ASAN_POISON_MEMORY_REGION((void *) (addr), (size))
#define GA_MAKE_UNDEFINED(addr, size) ASAN_UNPOISON_MEMORY_REGION((void *) (addr), (size))
#define GA_MAKE_DEFINED(addr, size)	  ASAN_UNPOISON_MEMORY_REGION((void *) (addr), (size))
#elif defined(USE_VALGRIND)
#include <valgrind/memcheck.h>
#define GA_NO_SANITIZE
#define GA_MAKE_NOACCESS(addr, size)  (void) VALGRIND_MAKE_MEM_NOACCESS((addr), (size))
#define GA_MAKE_UNDEFINED(addr, size) (void) VALGRIND_MAKE_MEM_UNDEFINED((addr), (size))
#define GA_MAKE_DEFINED(addr, size)	  (void) VALGRIND_MAKE_MEM_DEFINED((addr), (size))
#else
#define GA_NO_SANITIZE
#define GA_MAKE_NOACCESS(addr, size)  ((void) 0)
#define GA_MAKE_UNDEFINED(addr, size) ((void) 0)
#define GA_MAKE_DEFINED(addr, size)	  ((void) 0)
#endif

#endif /* GA_ANNOTATE_H */
