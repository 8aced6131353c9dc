/*-------------------------------------------------------------------------
 *
 * scaled_clock.c
 *	  Gives a program under valgrind the processor time that it would take without.
 *
 * To be preloaded.  Divides what clock_gettime() says of a thread's processor time by the environment
 * variable SLOWDOWN, see callgrind.sh.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NANOSECONDS INT64_C(1000000000)

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	static double slowdown = 0;
	int64_t time;

	if (syscall(SYS_clock_gettime, clock, now) != 0)
		return -1;
	if (clock != CLOCK_THREAD_CPUTIME_ID)
		return 0;
	if (slowdown == 0)
		slowdown = getenv("SLOWDOWN") == NULL ? 1 : atof(getenv("SLOWDOWN"));
	time = (int64_t) (((double) now->tv_sec * NANOSECONDS + (double) now->tv_nsec) / slowdown);
	now->tv_sec = time / NANOSECONDS;
	now->tv_nsec = time % NANOSECONDS;
	return 0;
}
