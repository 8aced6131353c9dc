/*-------------------------------------------------------------------------
 *
 * machine.c
 *	  What the kernel's work on memory costs on this machine.
 *
 * Such costs differ by a factor of fifty between machines, and with them what
 * quarantine costs.  Prints a line "NAME<tab>VALUE" for each; times are medians,
 * in microseconds.  Addresses that move or are protected are aligned to 2 MB, as
 * much as one last-level page table covers.  What is moved or protected is
 * touched afterwards, since part of the price is paid there.
 *
 * Page tables seem to be shadowed by a hypervisor where pages that lost access and
 * got it back take longer than SHADOWED_TOUCH_US each to be touched again.  The
 * kernel sees no page fault there, so elsewhere that is a few nanoseconds.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SLOT			  ((size_t) 2 << 20)
#define SAMPLES			  101
#define FEW_PAGES		  14 /* 56 kB, what a simple select spends */
#define BATCH_PAGES		  16 /* 64 kB */
#define SHADOWED_TOUCH_US 0.5

#ifndef MADV_POPULATE_WRITE /* Linux 5.14 */
#define MADV_POPULATE_WRITE 23
#endif

static size_t page_size;

static void
fail(const char *what)
{
	perror(what);
	exit(1);
}

static double
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec * 1e6 + (double) t.tv_nsec / 1e3;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *) a;
	double y = *(const double *) b;

	return (x > y) - (x < y);
}

static double
median(double *samples)
{
	qsort(samples, SAMPLES, sizeof(double), compare);
	return samples[SAMPLES / 2];
}

/* Reserve count slots without access. */
static char *
reserve(size_t count)
{
	char *raw = mmap(NULL, (count + 1) * SLOT, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (raw == MAP_FAILED)
		fail("mmap");
	return (char *) (((uintptr_t) raw + SLOT - 1) & ~(uintptr_t) (SLOT - 1));
}

/* Make a reserved slot usable, with small pages. */
static char *
open_slot(char *slot)
{
	if (mprotect(slot, SLOT, PROT_READ | PROT_WRITE) != 0)
		fail("mprotect");
	(void) madvise(slot, SLOT, MADV_NOHUGEPAGE); /* fails where there are no others */
	return slot;
}

static void
touch(char *slot, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		((volatile char *) slot)[i * page_size]++;
}

static double
measure_system_call(void)
{
	double samples[SAMPLES];

	for (int i = 0; i < SAMPLES; i++)
	{
		double start = now_us();

		for (int j = 0; j < 100; j++)
			(void) syscall(SYS_getppid);
		samples[i] = (now_us() - start) / 100;
	}
	return median(samples);
}

/*
 * The first touch of a page, where the page table is there already: each by itself, or
 * after the kernel was asked for batches of them.  The time of a page, or 0 where the
 * kernel knows no batches.
 */
static double
measure_fault(size_t batch)
{
	char *slot = open_slot(reserve(1));
	size_t pages = SLOT / page_size / 2;
	double samples[SAMPLES];

	touch(slot, pages + 1);
	for (int i = 0; i < SAMPLES; i++)
	{
		double start;

		if (madvise(slot + page_size, pages * page_size, MADV_DONTNEED) != 0)
			fail("madvise");
		start = now_us();
		for (size_t j = 0; batch > 0 && j + batch <= pages; j += batch)
			if (madvise(slot + (1 + j) * page_size, batch * page_size, MADV_POPULATE_WRITE) != 0)
				return 0;
		touch(slot + page_size, pages);
		samples[i] = (now_us() - start) / (double) pages;
	}
	return median(samples);
}

/* Take access away from some pages of a slot and give it back. */
static char *
protect(char *slot, size_t bytes)
{
	if (mprotect(slot, bytes, PROT_NONE) != 0 || mprotect(slot, bytes, PROT_READ | PROT_WRITE) != 0)
		fail("mprotect");
	return slot;
}

/* Move a whole slot to the next one, which must be free. */
static char *
move(char *slot, size_t bytes)
{
	(void) bytes;
	if (mremap(slot, SLOT, SLOT, MREMAP_MAYMOVE | MREMAP_FIXED, slot + SLOT) != slot + SLOT)
		fail("mremap");
	return slot + SLOT;
}

/*
 * Change a slot with some pages again and again, touch them each time, and print
 * what both take.  Returns the time of touching.
 */
static double
measure(const char *what, char *(*change)(char *slot, size_t bytes), size_t pages)
{
	char *slot = open_slot(reserve(SAMPLES + 1));
	double samples[SAMPLES];
	double touches[SAMPLES];
	double touch_us;

	touch(slot, pages);
	for (int i = 0; i < SAMPLES; i++)
	{
		double start = now_us();
		double middle;

		slot = change(slot, pages * page_size);
		middle = now_us();
		touch(slot, pages);
		samples[i] = middle - start;
		touches[i] = now_us() - middle;
	}
	touch_us = median(touches);
	printf("%s\t%.1f µs, and %.1f to touch it again\n", what, median(samples), touch_us);
	return touch_us;
}

int
main(void)
{
	size_t all_pages;
	double touch_us;
	double batch_us;

	page_size = (size_t) sysconf(_SC_PAGESIZE);
	all_pages = SLOT / page_size;
	printf("system call\t%.2f µs\n", measure_system_call());
	printf("page fault\t%.2f µs\n", measure_fault(0));
	batch_us = measure_fault(BATCH_PAGES);
	if (batch_us > 0)
		printf("page in a batch of %d\t%.2f µs\n", BATCH_PAGES, batch_us);
	(void) measure("mprotect pair, 14 pages", protect, FEW_PAGES);
	touch_us = measure("mprotect pair, 2 MB", protect, all_pages);
	(void) measure("move of a slot with 14 pages", move, FEW_PAGES);
	(void) measure("move of a full slot", move, all_pages);
	printf("page tables\t%s\n", touch_us > SHADOWED_TOUCH_US * (double) all_pages
									? "shadowed, it seems"
									: "not shadowed");
	return 0;
}
