/*-------------------------------------------------------------------------
 *
 * support.c
 *	  See support.h.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

/* The arena of take_chunk(). */
static ga_arena holder;

ga_config
usual_config(void)
{
	return (ga_config){
		.quarantine = GA_QUARANTINE_ON,
		.sample_rate = 1.0,
		.chunk_size = 64 * KB,
		.retain = 1024 * MB,
		.sweep_percent = 100,
		.sweep_min = 32 * MB,
		.max_mappings = 10000,
		.history = 1000,
	};
}

uint64_t
frees_in(const ga_heap *heap)
{
	uint64_t sum = heap->counters.large_frees;

	for (int i = 0; i < GA_NUM_CLASSES; i++)
		sum += heap->counters.classes[i].frees;
	return sum;
}

void
set_mode(ga_heap *heap, ga_quarantine mode)
{
	ga_config config = heap->config;

	config.quarantine = mode;
	ga_heap_configure(heap, &config);
}

void
set_chunk_size(ga_heap *heap, size_t size)
{
	ga_config config = heap->config;

	config.chunk_size = size;
	ga_heap_configure(heap, &config);
}

profiled profile_seen;

static void *
sample_begun(ga_arena *arena, size_t bytes, double weight)
{
	assert_true(arena->sample_at != 0 && weight >= 1.0);
	profile_seen.samples++;
	profile_seen.begun++;
	profile_seen.objects += weight;
	profile_seen.bytes += weight * (double) bytes;
	profile_seen.all_objects += weight;
	profile_seen.all_bytes += weight * (double) bytes;
	return &profile_seen;
}

static void
sample_ended(void *site, size_t bytes, double weight)
{
	assert_ptr_equal(site, &profile_seen);
	profile_seen.samples--;
	profile_seen.objects -= weight;
	profile_seen.bytes -= weight * (double) bytes;
}

void
profile_at(ga_heap *heap, size_t rate)
{
	heap->profile.begun = sample_begun;
	heap->profile.ended = sample_ended;
	assert_true(ga_profile_set_rate(heap, rate) || fake_failures() > 0);
}

void
init_heap(ga_heap *heap, const ga_os *os, const ga_config *config, uint64_t seed)
{
	static ga_sampler sampler;

	ga_sampler_init(&sampler, os, seed);
	ga_heap_init(heap, os, &sampler, config, seed);
}

/* The seed leads to addresses that AddressSanitizer leaves free. */
ga_heap *
new_heap_with_pages(const ga_config *config, size_t page_size)
{
	ga_heap *heap = malloc(sizeof(ga_heap));

	assert_non_null(heap);
	memset(&holder, 0, sizeof(holder));
	memset(&profile_seen, 0, sizeof(profile_seen));
	init_heap(heap, fake_os_with_pages(page_size), config, 0x2a);
	return heap;
}

ga_heap *
new_heap(const ga_config *config)
{
	return new_heap_with_pages(config, ga_os_default()->page_size);
}

void
delete_heap(ga_heap *heap)
{
	fake_fail_never();
	ga_heap_destroy(heap);
	assert_int_equal(fake_reserved(), 0);
	free(heap);
}

int
setup_heap(void **state)
{
	ga_config config = usual_config();

	*state = new_heap(&config);
	return 0;
}

int
teardown_heap(void **state)
{
	assert_heap(*state);
	assert_access(*state);
	delete_heap(*state);
	return 0;
}

/* A range of addresses with one kind of access, from /proc/self/maps. */
typedef struct mapping
{
	uintptr_t from;
	uintptr_t to;
	bool access;
} mapping;

static mapping *
read_mappings(size_t *count)
{
	FILE *file = fopen("/proc/self/maps", "r");
	mapping *mappings = NULL;
	size_t room = 0;
	char line[1024];

	assert_non_null(file);
	*count = 0;
	while (fgets(line, sizeof(line), file) != NULL)
	{
		mapping m;
		char rights[5];

		assert_int_equal(sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &m.from, &m.to, rights), 3);
		m.access = rights[0] == 'r' && rights[1] == 'w';
		if (*count == room)
		{
			room = 2 * room + 64;
			mappings = realloc(mappings, room * sizeof(mapping));
			assert_non_null(mappings);
		}
		mappings[(*count)++] = m;
	}
	fclose(file);
	return mappings;
}

/*
 * assert_range
 *		All of a range has the given access.
 */
static void
assert_range(const mapping *mappings, size_t count, uintptr_t from, uintptr_t to, bool access)
{
	size_t low = 0;
	size_t high = count;

	while (low < high)
	{
		size_t middle = (low + high) / 2;

		if (mappings[middle].to <= from)
			low = middle + 1;
		else
			high = middle;
	}
	for (; from < to; low++)
	{
		if (low == count || mappings[low].from > from || mappings[low].access != access)
			fail_msg("%" PRIxPTR " should %s accessible", from, access ? "be" : "not be");
		from = mappings[low].to;
	}
}

void
assert_access(ga_heap *heap)
{
	size_t count;
	mapping *mappings = read_mappings(&count);

	for (ga_segment *segment = heap->segments; segment != NULL; segment = segment->next)
	{
		uintptr_t at = segment->base;
		ga_chunk *chunk;

		while ((chunk = ga_segment_next(segment, &at)) != NULL)
		{
			assert_range(mappings, count, chunk->base, chunk->base + chunk->accessible, true);
			assert_range(mappings, count, chunk->base + chunk->accessible,
						 chunk->base + chunk->size, false);
		}
	}
	free(mappings);
}

ga_sweep_result
sweep_words(ga_heap *heap, const uintptr_t *words, size_t count)
{
	ga_sweep_result result;

	ga_sweep_begin(heap);
	ga_sweep_root(heap, (uintptr_t) words, (uintptr_t) (words + count), GA_ROOT_MAPPED);
	ga_sweep_live(heap);
	ga_sweep_finish(heap, &result);
	assert_heap(heap);
	return result;
}

ga_sweep_result
sweep_range(ga_heap *heap, const void *from, size_t size, bool unstable)
{
	ga_sweep_result result;

	ga_sweep_begin(heap);
	ga_sweep_root(heap, (uintptr_t) from, (uintptr_t) from + size,
				  unstable ? GA_ROOT_UNSTABLE : GA_ROOT_MAPPED);
	ga_sweep_live(heap);
	ga_sweep_finish(heap, &result);
	assert_heap(heap);
	return result;
}

ga_sweep_result
sweep_nothing(ga_heap *heap)
{
	return sweep_words(heap, NULL, 0);
}

ga_chunk *
chunk_at(ga_heap *heap, const void *addr)
{
	ga_chunk *chunk = ga_heap_lookup(heap, (uintptr_t) addr);

	assert_non_null(chunk);
	return chunk;
}

bool
list_contains(const ga_list *list, const ga_link *link)
{
	ga_list_foreach (at, list)
	{
		if (at == link)
			return true;
	}
	return false;
}

void
begin(ga_arena *arena, ga_heap *heap, ga_quarantine mode)
{
	set_mode(heap, mode);
	ga_arena_init(arena, heap, 0, 5, NULL, 0);
	assert_int_equal(arena->mode, mode);
}

void *
alloc(ga_arena *arena, size_t size)
{
	void *object = ga_arena_alloc(arena, size);

	assert_non_null(object);
	return object;
}

void
free_object(ga_arena *arena, void *object)
{
	assert_int_equal(ga_arena_free(arena, object), GA_FREE_OK);
}

ga_arena_usage
usage_of(const ga_arena *arena)
{
	ga_arena_usage usage;

	ga_arena_get_usage(arena, &usage);
	return usage;
}

size_t
bytes_of(const void *object)
{
	return ga_object_size(object) + GA_HEADER_SIZE;
}

int
fill_chunk(ga_arena *arena, void **objects, size_t size)
{
	int count = 0;

	while (arena->full.count == 0)
		objects[count++] = alloc(arena, size);
	return count;
}

/*
 * hold
 *		Give a chunk that was just taken to the arena behind the scenes.
 */
static ga_chunk *
hold(ga_heap *heap, ga_chunk *chunk)
{
	if (chunk == NULL)
		return NULL;
	if (holder.heap != heap)
		ga_arena_init(&holder, heap, 0, 0, NULL, 0);
	chunk->arena = &holder;
	chunk->arena_id = holder.id;
	ga_chunk_set_state(heap, chunk, GA_FULL);
	ga_list_push_tail(&holder.full, &chunk->link);
	return chunk;
}

ga_chunk *
take_chunk(ga_heap *heap, int order)
{
	return hold(heap, ga_chunk_take(heap, order));
}

ga_chunk *
take_span(ga_heap *heap, size_t bytes)
{
	ga_chunk *chunk = hold(heap, ga_chunk_take_span(heap, bytes, bytes));

	if (chunk != NULL)
		chunk->large = true;
	return chunk;
}

ga_chunk *
take_written(ga_heap *heap, int order)
{
	ga_chunk *chunk = take_chunk(heap, order);

	write_chunk(heap, chunk);
	return chunk;
}

void
take_row(ga_heap *heap, int order, ga_chunk **chunks, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		chunks[i] = take_written(heap, order);
		if (i > 0)
			assert_int_equal(chunks[i]->base, chunks[i - 1]->base + chunks[i - 1]->size);
	}
}

void
shuffle(ga_chunk **chunks, size_t count, uint64_t seed)
{
	for (size_t i = count; i > 1; i--)
	{
		size_t j = random_below(&seed, i);
		ga_chunk *other = chunks[j];

		chunks[j] = chunks[i - 1];
		chunks[i - 1] = other;
	}
}

void
make_ready(ga_heap *heap, ga_chunk *chunk)
{
	ga_list_remove(&holder.full, &chunk->link);
	ga_chunk_make_ready(heap, chunk);
}

ga_chunk *
take_quarantined(ga_heap *heap, int order)
{
	ga_chunk *chunk;

	if (order < GA_SLOT_ORDER)
		return hold(heap, ga_slot_cut(heap, &heap->nursery, (size_t) 1 << order, GA_NURSERY_SIZE));
	chunk = hold(heap, ga_chunk_take(heap, order));
	assert_true(chunk == NULL || ga_slot_wrap(heap, chunk));
	return chunk;
}

void
write_chunk(ga_heap *heap, ga_chunk *chunk)
{
	assert_non_null(chunk);
	for (uintptr_t at = chunk->base; at < chunk->base + chunk->size; at += heap->os->page_size)
		poke_word((void *) at, UINT64_MAX);
	ga_chunk_touch(heap, chunk, chunk->size);
	chunk->start = chunk->used = chunk->base + chunk->size;
}

void
quarantine(ga_heap *heap, ga_chunk *chunk)
{
	ga_list_remove(&holder.full, &chunk->link);
	ga_chunk_quarantine(heap, chunk);
}

void
hand_on(ga_heap *heap, ga_chunk *chunk)
{
	ga_list_remove(&holder.full, &chunk->link);
	ga_chunk_hand_on(heap, chunk);
}

uintptr_t
victim_of(ga_heap *heap, int order)
{
	ga_chunk *chunk = take_quarantined(heap, order);
	uintptr_t base;

	assert_non_null(chunk);
	base = chunk->base;
	for (uintptr_t at = base; at < base + chunk->size; at += MB / 4)
		poke_word((void *) at, UINT64_MAX);
	ga_chunk_touch(heap, chunk, chunk->size);
	quarantine(heap, chunk);
	assert_int_equal(state_at(heap, base), GA_QUARANTINED);
	return base;
}

uintptr_t
victim(ga_heap *heap)
{
	return victim_of(heap, GA_SLOT_ORDER);
}

ga_chunk_state
state_at(const ga_heap *heap, uintptr_t address)
{
	const ga_segment *segment = ga_segment_of(heap, address);
	const ga_chunk *chunk = ga_heap_lookup(heap, address);

	assert_non_null(segment);
	if (chunk != NULL)
		return (ga_chunk_state) chunk->state;
	if ((segment->spent & ga_slot_bit(address)) != 0)
		return GA_QUARANTINED;
	assert_true((segment->swept & ga_slot_bit(address)) != 0);
	return GA_FRESH;
}

uintptr_t
pinned_by(const ga_heap *heap, uintptr_t address)
{
	const ga_segment *segment = ga_segment_of(heap, address);

	return segment->pins == NULL
			   ? 0
			   : segment->pins->where[(address & (GA_SEGMENT_SIZE - 1)) >> GA_SLOT_SHIFT];
}

/* The top bits are set, which no address of a process has. */
static uint64_t
filling(uint64_t seed, uint64_t i)
{
	return (seed * UINT64_C(0x9e3779b97f4a7c15) + i) | UINT64_C(0xf1) << 56;
}

/*
 * next_filled
 *		The offset of the next word that fill() writes.
 */
static size_t
next_filled(size_t offset)
{
	offset += sizeof(uint64_t);
	if (offset < 256 * KB)
		return offset;
	return offset < 8 * MB ? ga_align_up(offset, 4 * KB) : ga_align_up(offset, 256 * KB);
}

void
fill(void *addr, size_t size, uint64_t seed)
{
	char *bytes = addr;
	size_t whole = ga_align_down(size, sizeof(uint64_t));
	uint64_t word;

	for (size_t i = 0; i < whole; i = next_filled(i))
	{
		word = filling(seed, i);
		memcpy(bytes + i, &word, sizeof(word));
	}
	word = filling(seed, whole);
	memcpy(bytes + whole, &word, size - whole);
}

bool
is_filled(const void *addr, size_t size, uint64_t seed)
{
	const char *bytes = addr;
	size_t whole = ga_align_down(size, sizeof(uint64_t));
	uint64_t word;

	for (size_t i = 0; i < whole; i = next_filled(i))
	{
		memcpy(&word, bytes + i, sizeof(word));
		if (word != filling(seed, i))
			return false;
	}
	if (whole >= 256 * KB)
		return true;
	word = filling(seed, whole);
	return memcmp(bytes + whole, &word, size - whole) == 0;
}

NO_SANITIZE uint64_t
peek_word(const void *addr)
{
	return *(const volatile uint64_t *) addr;
}

bool
is_poison(const void *object, size_t size)
{
	for (size_t i = 0; i + 8 <= size; i += 8)
		if (peek_word((const char *) object + i) != GA_POISON)
			return false;
	return true;
}

NO_SANITIZE void
poke_word(void *addr, uint64_t value)
{
	*(volatile uint64_t *) addr = value;
}

NO_SANITIZE static void
touch_byte(char *addr, bool write)
{
	volatile char *byte = addr;

	if (write)
		*byte = 1;
	else
		(void) *byte;
}

/*
 * access_faults
 *		A sanitizer's handler of the signal would end the child in another way.
 */
static bool
access_faults(char *addr, bool write)
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
	{
		signal(SIGSEGV, SIG_DFL);
		touch_byte(addr, write);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

bool
read_faults(const void *addr)
{
	return access_faults((char *) addr, false);
}

bool
write_faults(void *addr)
{
	return access_faults(addr, true);
}

size_t
resident_pages(const void *addr, size_t size)
{
	size_t count = size / ga_os_default()->page_size;
	unsigned char *pages = malloc(count);
	size_t resident = 0;

	assert_non_null(pages);
	assert_int_equal(mincore((void *) addr, size, pages), 0);
	for (size_t i = 0; i < count; i++)
		resident += pages[i] & 1;
	free(pages);
	return resident;
}

uint64_t
random_bits(uint64_t *state)
{
	uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

uint64_t
random_below(uint64_t *state, uint64_t limit)
{
	return random_bits(state) % limit;
}

uint64_t
environment_number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text == NULL ? otherwise : strtoull(text, NULL, 0);
}

int
leave_metadata(ga_heap *heap, size_t bytes)
{
	ga_metadata *metadata = &heap->metadata;
	int regions;

	assert_non_null(ga_persistent_alloc(metadata, 16));
	metadata->current.end = metadata->current.next + bytes;
	regions = metadata->num_regions;
	metadata->num_regions = GA_MAX_REGIONS;
	return regions;
}

void
more_metadata(ga_heap *heap, int regions)
{
	heap->metadata.num_regions = regions;
}
