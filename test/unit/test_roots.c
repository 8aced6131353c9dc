/*-------------------------------------------------------------------------
 *
 * test_roots.c
 *	  Sweeps: what of a root is read, and what must not be.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <sys/mman.h>

#include "support.h"

static char *
map_pages(size_t size)
{
	char *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(pages != MAP_FAILED);
	return pages;
}

static void
pages_not_resident_are_not_touched(void **state)
{
	ga_heap *heap = *state;
	const size_t page = heap->os->page_size;
	const size_t size = 256 * page;
	char *pages = map_pages(size);
	ga_sweep_result result;
	uintptr_t chunk = victim(heap);

	/* Pages 3 to 5, 100, and the last have been written. */
	for (int i = 3; i <= 5; i++)
		pages[(size_t) i * page] = 1;
	pages[100 * page] = 1;
	*(uintptr_t *) (pages + size - 8) = chunk;
	assert_int_equal(resident_pages(pages, size), 5);
	for (int unstable = 0; unstable < 2; unstable++)
	{
		result = sweep_range(heap, pages, size, unstable);
		assert_int_equal(resident_pages(pages, size), 5);
		assert_int_equal(result.chunks_pinned, 1);
		assert_int_equal(pinned_by(heap, chunk), pages + size - 8);
		assert_int_equal(result.bytes_scanned, 5 * page);
	}

	/* Where the root begins and ends in the midst of a page. */
	result = sweep_range(heap, pages + 3 * page + 16, 2 * page + 16, false);
	assert_int_equal(result.bytes_scanned, 2 * page + 16);
	assert_int_equal(resident_pages(pages, size), 5);
	munmap(pages, size);
}

static void
pages_that_are_said_not_to_be_resident(void **state)
{
	ga_heap *heap = *state;
	const size_t page = heap->os->page_size;
	char *pages = map_pages(16 * page);

	for (size_t i = 0; i < 16; i++)
	{
		memset(pages, 0, 16 * page);
		*(uintptr_t *) (pages + i * page) = victim(heap);
		fake_hide(pages + 5 * page, 3 * page);
		assert_int_equal(sweep_range(heap, pages, 16 * page, i % 2).chunks_pinned, i < 5 || i >= 8);
		fake_hide(NULL, 0);
		sweep_nothing(heap);
	}
	munmap(pages, 16 * page);
}

static void
mappings_without_access(void **state)
{
	ga_heap *heap = *state;
	char *pages = map_pages(MB);

	assert_int_equal(mprotect(pages, MB, PROT_NONE), 0);
	(void) victim(heap);
	assert_int_equal(sweep_range(heap, pages, MB, false).bytes_scanned, 0);
	assert_int_equal(resident_pages(pages, MB), 0);
	munmap(pages, MB);
}

/* A hole in a root hides nothing behind it. */
static void
roots_with_holes(void **state)
{
	ga_heap *heap = *state;
	const size_t page = heap->os->page_size;
	const size_t size = 300 * page;

	for (int unstable = 0; unstable < 2; unstable++)
	{
		static const size_t places[] = {0, 49, 53, 200, 299};
		char *pages = map_pages(size);

		memset(pages, 0, size);
		munmap(pages + 50 * page, 3 * page);
		munmap(pages + 201 * page, page);
		for (size_t i = 0; i < lengthof(places); i++)
		{
			uintptr_t *place = (uintptr_t *) (pages + places[i] * page + 8);

			*place = victim(heap);
			assert_int_equal(sweep_range(heap, pages, size, unstable).chunks_pinned, 1);
			*place = 0;
			assert_int_equal(sweep_range(heap, pages, size, unstable).chunks_freed, 1);
		}
		munmap(pages, size);
	}
}

static void
unstable_memory_is_copied(void **state)
{
	ga_heap *heap = *state;
	const size_t size = 5 * GA_SWEEP_COPY / 2;
	char *pages = map_pages(size);
	uintptr_t chunk = victim(heap);
	uint64_t peeks = fake_calls(OS_PEEK);

	memset(pages, 0, size);
	for (size_t at = 0; at < size; at += GA_SWEEP_COPY / 2 - 8)
	{
		ga_sweep_result result;

		*(uintptr_t *) (pages + at) = chunk + 40;
		result = sweep_range(heap, pages, size, true);
		assert_int_equal(result.chunks_pinned, 1);
		assert_int_equal(result.bytes_scanned, size);

		/* The address that is told is not that of the copy. */
		assert_int_equal(pinned_by(heap, chunk), pages + at);
		*(uintptr_t *) (pages + at) = 0;
	}
	assert_int_equal((fake_calls(OS_PEEK) - peeks) % 3, 0);
	peeks = fake_calls(OS_PEEK);
	(void) sweep_range(heap, pages, size, false);
	assert_int_equal(fake_calls(OS_PEEK), peeks);
	munmap(pages, size);
}

/* A page that another thread takes away in the midst is left out, and only it. */
static void
unstable_memory_that_goes_away(void **state)
{
	ga_heap *heap = *state;
	const size_t page = heap->os->page_size;
	char *pages = map_pages(8 * page);

	memset(pages, 0, 8 * page);
	*(uintptr_t *) pages = victim(heap);
	fake_fail(OS_PEEK, 1, EFAULT);
	assert_int_equal(sweep_range(heap, pages, 8 * page, true).chunks_pinned, 0);

	*(uintptr_t *) (pages + page) = victim(heap);
	fake_fail(OS_PEEK, 1, EFAULT);
	assert_int_equal(sweep_range(heap, pages, 8 * page, true).chunks_pinned, 1);

	/* The root need not begin with the page. */
	fake_fail(OS_PEEK, 1, EFAULT);
	assert_int_equal(sweep_range(heap, pages + 24, 7 * page, true).chunks_pinned, 1);
	munmap(pages, 8 * page);
}

/* Where the system does not let us read, nothing is known, and nothing freed. */
static void
unstable_memory_that_cannot_be_read(void **state)
{
	ga_heap *heap = *state;
	uintptr_t chunk = victim(heap);
	uintptr_t word = 0;
	ga_sweep_result result;

	fake_fail(OS_PEEK, 1, EPERM);
	result = sweep_range(heap, &word, sizeof(word), true);
	assert_true(result.incomplete);
	assert_int_equal(result.chunks_freed, 0);
	assert_int_equal(result.chunks_pinned, 1);
	assert_int_equal(state_at(heap, chunk), GA_QUARANTINED);

	/* The next sweep is not concerned. */
	result = sweep_range(heap, &word, sizeof(word), true);
	assert_false(result.incomplete);
	assert_int_equal(result.chunks_freed, 1);
}

/* The same if the caller could not find its roots. */
static void
a_sweep_that_is_given_up(void **state)
{
	ga_heap *heap = *state;
	uintptr_t chunk = victim(heap);
	uintptr_t word = chunk;
	ga_sweep_result result;

	assert_int_equal(sweep_words(heap, &word, 1).chunks_pinned, 1);
	assert_int_equal(pinned_by(heap, chunk), &word);
	ga_sweep_begin(heap);
	ga_sweep_give_up(heap);
	ga_sweep_finish(heap, &result);
	assert_true(result.incomplete);
	assert_int_equal(result.chunks_freed, 0);
	assert_int_equal(state_at(heap, chunk), GA_QUARANTINED);

	/* It found no pointer, and what the sweep before found may be gone. */
	assert_int_equal(pinned_by(heap, chunk), 0);
	assert_int_equal(sweep_nothing(heap).chunks_freed, 1);
}

/* Where it does not tell what is resident, memory is copied. */
static void
residence_that_cannot_be_told(void **state)
{
	ga_heap *heap = *state;
	uintptr_t word = victim(heap);
	uint64_t peeks = fake_calls(OS_PEEK);

	fake_fail(OS_RESIDENT, 1, EAGAIN);
	assert_int_equal(sweep_words(heap, &word, 1).chunks_pinned, 1);
	assert_true(fake_calls(OS_PEEK) > peeks);
	fake_fail(OS_RESIDENT, 1, EAGAIN);
	word = 0;
	assert_int_equal(sweep_words(heap, &word, 1).chunks_freed, 1);
}

/* The engine's own memory is full of addresses of chunks. */
static void
metadata_does_not_pin(void **state)
{
	ga_heap *heap = *state;
	uintptr_t region;
	ga_sweep_result result;
	uintptr_t *own;

	(void) victim(heap);
	own = ga_persistent_alloc(&heap->metadata, 64);
	own[0] = victim(heap);
	region = heap->metadata.regions[0];
	result = sweep_range(heap, (void *) region, GA_REGION_SIZE, false);
	assert_int_equal(result.bytes_scanned, 0);
	assert_int_equal(result.chunks_freed, 2);

	/* Also when a root takes in more than the region, or less. */
	own[0] = victim(heap);
	result = sweep_range(heap, own, 64, false);
	assert_int_equal(result.bytes_scanned, 0);
	assert_int_equal(result.chunks_freed, 1);
	own[0] = victim(heap);
	result = sweep_range(heap, (void *) (region - MB), GA_REGION_SIZE + 2 * MB, true);
	assert_int_equal(result.chunks_pinned, 0);
}

static void
the_heap_struct_does_not_pin(void **state)
{
	static struct
	{
		uintptr_t before[3];
		ga_heap heap;
		uintptr_t after[3];
	} memory;
	ga_heap *heap = &memory.heap;
	ga_config config = usual_config();
	uintptr_t pointer;

	(void) state;
	init_heap(heap, fake_os(), &config, 0x2b);
	for (int i = 0; i < 8; i++)
	{
		pointer = victim(heap);
		memset(memory.before, 0, sizeof(memory.before));
		memset(memory.after, 0, sizeof(memory.after));
		heap->events[3].value = pointer;
		heap->lost_events = pointer;
		if (i < 6)
			*(i < 3 ? &memory.before[i] : &memory.after[i - 3]) = pointer;
		assert_int_equal(sweep_range(heap, &memory, sizeof(memory), i % 2).chunks_pinned, i < 6);
		sweep_nothing(heap);
	}
	ga_heap_destroy(heap);
}

/* Chunks are read as far as they are live, whatever roots contain them. */
static void
chunks_are_skipped_in_roots(void **state)
{
	ga_heap *heap = *state;
	uintptr_t base = take_written(heap, 16)->base;
	uintptr_t chunk = victim(heap);
	char *behind = mmap((void *) (base + GA_SEGMENT_SIZE), heap->os->page_size,
						PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ga_sweep_result result;

	/* Dead words in a chunk in use point to the quarantined one. */
	poke_word((void *) (chunk - 8), chunk);
	result = sweep_range(heap, (void *) base, GA_SEGMENT_SIZE, false);
	assert_int_equal(result.bytes_scanned, 0);
	assert_int_equal(result.chunks_freed, 1);

	/* A root goes on behind them. */
	assert_int_equal((uintptr_t) behind, base + GA_SEGMENT_SIZE);
	chunk = victim(heap);
	*(uintptr_t *) behind = chunk;
	result = sweep_range(heap, (void *) base, GA_SEGMENT_SIZE + heap->os->page_size, false);
	assert_int_equal(result.bytes_scanned, heap->os->page_size);
	assert_int_equal(result.chunks_pinned, 1);
	munmap(behind, heap->os->page_size);
}

/* Larger than what is asked about at a time, and across 64 MB boundaries. */
static void
large_roots(void **state)
{
	ga_heap *heap = *state;
	const size_t size = 200 * MB;
	char *pages = map_pages(size);
	static const size_t places[] = {0, 64 * 1024 * 1024 - 8, 64 * 1024 * 1024,
									130 * 1024 * 1024 + 4096, 200 * 1024 * 1024 - 8};

	for (size_t i = 0; i < lengthof(places); i++)
		for (int unstable = 0; unstable < 2; unstable++)
		{
			*(uintptr_t *) (pages + places[i]) = victim(heap);
			assert_int_equal(sweep_range(heap, pages, size, unstable).chunks_pinned, 1);
			*(uintptr_t *) (pages + places[i]) = 0;
			sweep_nothing(heap);
		}
	assert_true(resident_pages(pages, size) <= lengthof(places));
	munmap(pages, size);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_heap, teardown_heap)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pages_not_resident_are_not_touched),
		TEST(pages_that_are_said_not_to_be_resident),
		TEST(mappings_without_access),
		TEST(roots_with_holes),
		TEST(unstable_memory_is_copied),
		TEST(unstable_memory_that_goes_away),
		TEST(unstable_memory_that_cannot_be_read),
		TEST(a_sweep_that_is_given_up),
		TEST(residence_that_cannot_be_told),
		TEST(metadata_does_not_pin),
		cmocka_unit_test(the_heap_struct_does_not_pin),
		TEST(chunks_are_skipped_in_roots),
		TEST(large_roots),
	};

	return cmocka_run_group_tests_name("roots", tests, NULL, NULL);
}
