/*-------------------------------------------------------------------------
 *
 * probes.h
 *	  Places where tools such as bpftrace can look on.
 *
 * A probe is a nop in the code and a note in the library that says where it is and where its
 * arguments stand: in registers, in memory, or as constants.  So arguments are what is at
 * hand anyway, and a probe that nobody traces costs the nop.  docs/probes.md lists all of
 * them, and a test compares that list with the library.
 *
 * sys/sdt.h is SystemTap's, in the public domain.  Where it is missing, or with GA_NO_PROBES,
 * there are no probes.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_PROBES_H
#define GA_PROBES_H

#if !defined(GA_NO_PROBES) && defined(__has_include)
#if __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#define GA_HAVE_PROBES
#endif
#endif

#ifdef GA_HAVE_PROBES
#define GA_PROBE2(name, a, b)		DTRACE_PROBE2(goarena, name, a, b)
#define GA_PROBE3(name, a, b, c)	DTRACE_PROBE3(goarena, name, a, b, c)
#define GA_PROBE4(name, a, b, c, d) DTRACE_PROBE4(goarena, name, a, b, c, d)
#else
#define GA_PROBE2(name, a, b)		((void) (a), (void) (b))
#define GA_PROBE3(name, a, b, c)	((void) (a), (void) (b), (void) (c))
#define GA_PROBE4(name, a, b, c, d) ((void) (a), (void) (b), (void) (c), (void) (d))
#endif

#endif /* GA_PROBES_H */
