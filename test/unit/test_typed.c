/*-------------------------------------------------------------------------
 *
 * test_typed.c
 *	  Typed objects, memory without pointers, and what sweeps read of both.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "careful.h"
#include "charge.h"
#include "find.h"
#include "poison.h"
#include "support.h"
#include "type_map.h"
#include "typed.h"

/* Two pointers, in the first and the third of six words. */
#define NODE_POINTERS UINT64_C(0x5)

static ga_arena arena;
static ga_arena other;

static const ga_type *
node_type(ga_heap *heap)
{
	static const uint64_t pointers = NODE_POINTERS;

	return ga_type_get(heap, "node", 48, 8, &pointers, 6);
}

static const ga_type *
noscan_type(ga_heap *heap, size_t size)
{
	return ga_type_get(heap, "noscan", size, size % 8 == 0 ? 8 : 1, NULL, 0);
}

static void *
new_typed(ga_heap *heap, const ga_type *type, size_t count)
{
	unsigned char *object = ga_arena_alloc_typed(&arena, type, count);

	assert_non_null(object);
	assert_int_equal((uintptr_t) object % type->align, 0);
	for (size_t i = 0; i < type->size * count; i++)
		assert_int_equal(object[i], 0);
	assert_heap(heap);
	return object;
}

static void *
new_node(ga_heap *heap)
{
	return new_typed(heap, node_type(heap), 1);
}

static void *
new_noscan(ga_heap *heap, size_t size)
{
	return new_typed(heap, noscan_type(heap, size), 1);
}

/* Is the word at an address one that sweeps read, as far as the type map knows? */
static bool
is_read(const ga_heap *heap, const void *address)
{
	const ga_type_granule *granule = ga_type_granule_at(heap, (uintptr_t) address);
	unsigned word = ga_word_of((uintptr_t) address);

	return granule == NULL || (granule->pointers[word / 64] >> word % 64 & 1) != 0;
}

static void
assert_node_bits(const ga_heap *heap, const uint64_t *node)
{
	for (int i = 0; i < 6; i++)
		assert_int_equal(is_read(heap, node + i), NODE_POINTERS >> i & 1);
}

/* Does a sweep find a pointer to what was spent if it stands at an address? */
static bool
pins(ga_heap *heap, void *address)
{
	uintptr_t lost = victim(heap);
	bool pinned;

	poke_word(address, lost + 40);
	(void) sweep_nothing(heap);
	pinned = state_at(heap, lost) == GA_QUARANTINED;
	if (pinned)
		assert_int_equal(pinned_by(heap, lost), (uintptr_t) address);
	poke_word(address, 0);
	(void) sweep_nothing(heap);
	assert_int_not_equal(state_at(heap, lost), GA_QUARANTINED);
	return pinned;
}

static int
teardown(void **state)
{
	ga_heap *heap = *state;

	if (arena.heap == heap)
		ga_arena_destroy(&arena);
	arena.heap = NULL;
	assert_int_equal(heap->type_granules.live, 0);
	for (int i = 0; i < GA_TYPE_ROOMS; i++)
		assert_int_equal(heap->type_ids[i].live, 0);
	assert_int_equal(heap->in_use, 0);
	return teardown_heap(state);
}

static void
pointers_come_from_the_front(void **state)
{
	ga_heap *heap = *state;
	uintptr_t node;
	uintptr_t noscan;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	node = (uintptr_t) new_node(heap);
	noscan = (uintptr_t) new_noscan(heap, 40);
	assert_ptr_equal(chunk_at(heap, (void *) node), chunk_at(heap, (void *) noscan));
	assert_int_equal(node, arena.active->base + GA_HEADER_SIZE);
	assert_int_equal(noscan, arena.active->base + arena.active->size - 40);
	assert_true((uintptr_t) new_node(heap) > node);
	assert_int_equal(noscan - (uintptr_t) new_noscan(heap, 40), 40);
}

static void
front_and_back_meet(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *first;
	size_t bytes = 0;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	new_node(heap);
	first = arena.active;
	while (arena.active == first)
	{
		new_node(heap);
		new_noscan(heap, 48);
		bytes += 48;
	}
	assert_true(bytes > first->size / 4);
	assert_true(first->used <= ga_chunk_front_end(first));
}

static void
what_is_tiny_is_packed(void **state)
{
	ga_heap *heap = *state;
	char *first;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	first = new_noscan(heap, 3);
	assert_ptr_equal(new_noscan(heap, 5), first + 3);
	assert_ptr_equal(new_noscan(heap, 8), first + 8);
	assert_true((char *) new_noscan(heap, 1) < first);
	assert_int_equal(arena.active->base + arena.active->size - arena.active->back, 2 * GA_TINY);
}

static void
a_reset_begins_a_new_unit_of_tiny_objects(void **state)
{
	ga_heap *heap = *state;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	new_noscan(heap, 3);
	ga_arena_reset(&arena);
	assert_heap(heap);
	memset(new_node(heap), 0xff, 48);
	new_noscan(heap, 3);
	assert_int_equal(arena.active->base + arena.active->size - arena.active->back, GA_TINY);
}

static void
all_is_zero_whatever_was_there(void **state)
{
	ga_heap *heap = *state;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	for (int life = 0; life < 3; life++)
	{
		for (size_t i = 0; i < 200; i++)
		{
			memset(new_node(heap), 0xff, 48);
			memset(new_noscan(heap, 1 + i % 300), 0xff, 1 + i % 300);
		}
		memset(new_noscan(heap, 20 * KB), 0xff, 20 * KB);
		ga_arena_reset(&arena);
	}
}

static void
bits_say_which_words_are_pointers(void **state)
{
	ga_heap *heap = *state;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	for (int i = 0; i < 500; i++)
	{
		uint64_t *before = alloc(&arena, 48);
		uint64_t *node = new_node(heap);
		uint64_t *after = alloc(&arena, 48);

		assert_node_bits(heap, node);
		for (int word = 0; word < 6; word++)
			assert_true(is_read(heap, before + word) && is_read(heap, after + word));
	}
}

static void
bits_of_large_types_and_arrays(void **state)
{
	ga_heap *heap = *state;
	uint64_t pointers[5] = {0, UINT64_C(1) << 63, 1, 0, 1};
	const ga_type *wide = ga_type_get(heap, "wide", 2400, 8, pointers, 300);
	const ga_type *all = ga_type_get(heap, "pointer", 8, 8, (uint64_t[]){1}, 1);
	uint64_t *array;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	for (int i = 0; i < 20; i++)
	{
		array = new_typed(heap, wide, 6);
		for (int word = 0; word < 1800; word++)
			assert_int_equal(is_read(heap, array + word), ga_type_is_pointer(wide, word % 300));
		array = new_typed(heap, node_type(heap), 33);
		for (int word = 0; word < 33 * 6; word++)
			assert_int_equal(is_read(heap, array + word), NODE_POINTERS >> word % 6 & 1);
		array = new_typed(heap, all, 100);
		for (int word = 0; word < 100; word++)
			assert_true(is_read(heap, array + word));
	}
}

/* Granules in the midst of an object that have no pointers take no room in the map. */
static void
large_objects_have_few_entries(void **state)
{
	ga_heap *heap = *state;
	uint64_t pointers[128] = {3, [100] = 1};
	const ga_type *block;
	uint64_t *blocks[6];
	ga_found found;

	set_chunk_size(heap, 8 * MB);
	block = ga_type_get(heap, "block", 64 * KB, 8, pointers, 8192);
	begin(&arena, heap, GA_QUARANTINE_OFF);
	for (int i = 0; i < 6; i++)
	{
		blocks[i] = new_typed(heap, block, 1);
		new_noscan(heap, 24);
	}
	assert_in_range(heap->type_granules.live, 6 * 2, 6 * 4);
	for (int i = 0; i < 6; i++)
		for (int word = 0; word < 8192; word += word == 1 || word == 6399 ? 1 : 7)
		{
			assert_int_equal(is_read(heap, blocks[i] + word), word < 2 || word == 6400);
			assert_true(ga_object_find(heap, (uintptr_t) (blocks[i] + word), &found));
			assert_int_equal(found.start, (uintptr_t) blocks[i]);
			assert_ptr_equal(found.type, block);
		}
	assert_true(pins(heap, blocks[2] + 6400));
	assert_false(pins(heap, blocks[2] + 6401));
	free_object(&arena, blocks[2]);
	for (int word = 0; word < 8192; word += 7)
		assert_true(is_read(heap, blocks[2] + word));
	blocks[2] = alloc(&arena, 64 * KB);
	assert_true(pins(heap, blocks[2] + 5000));
	fake_fail_from(OS_MAP, 1, ENOMEM);
	while (ga_arena_alloc_typed(&arena, block, 1) != NULL)
		assert_heap(heap);
	fake_fail_never();
	assert_heap(heap);
	assert_true(pins(heap, blocks[2] + 5000));
}

/* After Go's TestUserArenaClearsPointerBits: what a chunk was told is gone when it is used again. */
static void
pointer_bits_are_cleared_on_reuse(void **state)
{
	ga_heap *heap = *state;

	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
		for (int ends = 0; ends < 2; ends++)
		{
			uint64_t *objects[100];

			begin(&arena, heap, (ga_quarantine) mode);
			for (int i = 0; i < 100; i++)
				new_noscan(heap, 100);
			for (int i = 0; i < 100; i++)
				new_node(heap);
			if (ends)
			{
				ga_arena_destroy(&arena);
				begin(&arena, heap, GA_QUARANTINE_OFF);
			}
			else
				ga_arena_reset(&arena);
			assert_heap(heap);
			assert_int_equal(arena.typed_chunks, 0);
			assert_int_equal(heap->type_granules.live, 0);
			for (int i = 0; i < 100; i++)
			{
				objects[i] = alloc(&arena, 48);
				for (int word = 0; word < 6; word++)
					assert_true(is_read(heap, objects[i] + word));
			}
			ga_arena_destroy(&arena);
			arena.heap = NULL;
		}
}

static void
a_free_clears_pointer_bits(void **state)
{
	ga_heap *heap = *state;
	uint64_t *nodes[300];

	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
	{
		begin(&arena, heap, (ga_quarantine) mode);
		for (int i = 0; i < 300; i++)
			nodes[i] = new_node(heap);
		for (int i = 0; i < 300; i += 2)
		{
			free_object(&arena, nodes[i]);
			assert_heap(heap);
			for (int word = 0; word < 6; word++)
				assert_true(is_read(heap, nodes[i] + word));
		}
		for (int i = 0; i < 300; i += 3)
		{
			uint64_t *object = alloc(&arena, 48);

			for (int word = 0; word < 6; word++)
				assert_true(is_read(heap, object + word));
			assert_node_bits(heap, new_node(heap));
		}
		for (int i = 1; i < 300; i += 2)
			assert_node_bits(heap, nodes[i]);
		ga_arena_destroy(&arena);
		arena.heap = NULL;
	}
}

static void
freed_nodes_are_used_again(void **state)
{
	ga_heap *heap = *state;
	void *held[64];
	size_t bytes;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	for (int i = 0; i < 64; i++)
		held[i] = i % 2 == 0 ? new_node(heap) : alloc(&arena, 48);
	bytes = usage_of(&arena).chunk_bytes;
	for (int round = 0; round < 1000; round++)
	{
		int i = round * 7 % 64;

		free_object(&arena, held[i]);
		held[i] = round % 3 == 0 ? new_node(heap) : alloc(&arena, 48);
	}
	assert_int_equal(usage_of(&arena).chunk_bytes, bytes);
}

static void
a_change_of_size_forgets_the_type(void **state)
{
	ga_heap *heap = *state;
	uint64_t *node;
	ga_found found;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	node = new_node(heap);
	new_node(heap);
	node = ga_arena_realloc(&arena, node, 4000);
	assert_heap(heap);
	for (int word = 0; word < 500; word++)
		assert_true(is_read(heap, node + word));
	assert_true(ga_object_find(heap, (uintptr_t) node, &found));
	assert_null(found.type);
}

static void
arrays_grow_with_their_type(void **state)
{
	ga_heap *heap = *state;
	const ga_type *type = node_type(heap);
	uint64_t *array;
	ga_found found;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	array = new_typed(heap, type, 1);
	for (size_t count = 1; count < 3000; count = count * 3 / 2 + 1)
	{
		array = ga_arena_resize_typed(&arena, array, type, count, 0);
		assert_non_null(array);
		assert_heap(heap);
		for (size_t i = 0; i < count; i++)
		{
			assert_true(array[i * 6] == 0 || array[i * 6] == i);
			array[i * 6] = i;
			assert_true(ga_object_find(heap, (uintptr_t) (array + i * 6), &found));
			assert_ptr_equal(found.type, type);
			assert_int_equal(found.start, (uintptr_t) array);
			assert_int_equal(found.size, count * 48);
		}
	}
	array = ga_arena_resize_typed(&arena, array, type, 2, 0);
	assert_int_equal(array[6], 1);
}

static void
what_has_no_header_cannot_be_freed(void **state)
{
	ga_heap *heap = *state;
	void *objects[4];

	begin(&arena, heap, GA_QUARANTINE_OFF);
	new_node(heap);
	objects[0] = new_noscan(heap, 3);
	objects[1] = new_noscan(heap, 24);
	objects[2] = new_noscan(heap, 64);
	objects[3] = new_noscan(heap, 5000);
	for (int i = 0; i < 4; i++)
		assert_int_equal(ga_arena_free(&arena, objects[i]), GA_FREE_NOSCAN);
	for (int i = 2; i < 4; i++)
		assert_int_equal(((uint64_t *) objects[i])[-1], GA_OWNER_WORD ? arena.owner : arena.tag);
	free_object(&arena, new_noscan(heap, 20 * KB));
	ga_arena_destroy(&arena);

	/* Where bugs are looked for, all but what is tiny can be told. */
	begin(&arena, heap, GA_QUARANTINE_STRICT);
	objects[1] = new_noscan(heap, 24);
	assert_int_equal(((uint64_t *) objects[1])[-1], GA_OWNER_WORD ? arena.owner : arena.tag);
	assert_int_equal(ga_arena_free(&arena, objects[1]), GA_FREE_NOSCAN);
}

static void
only_pointer_words_pin(void **state)
{
	ga_heap *heap = *state;
	uint64_t *node;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	begin(&other, heap, GA_QUARANTINE_OFF);
	for (int i = 0; i < 400; i++)
		node = new_node(heap);
	for (int word = 0; word < 6; word++)
		assert_int_equal(pins(heap, node + word), NODE_POINTERS >> word & 1);
	node = alloc(&arena, 48);
	for (int word = 0; word < 6; word++)
		assert_true(pins(heap, node + word));
	ga_arena_destroy(&other);
}

static void
what_looks_like_a_pointer_without_pointers_pins_nothing(void **state)
{
	ga_heap *heap = *state;
	char *noscan;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	new_node(heap);
	noscan = new_noscan(heap, 1000);
	assert_false(pins(heap, noscan + 80));
	assert_false(pins(heap, new_noscan(heap, 16)));
	noscan = new_noscan(heap, 300 * KB);
	assert_true(chunk_at(heap, noscan)->large);
	assert_false(pins(heap, noscan + 80 * KB));
}

static void
only_pointer_words_of_large_arrays_pin(void **state)
{
	ga_heap *heap = *state;
	uint64_t pointers[2] = {0, UINT64_C(1) << 20};
	const ga_type *wide = ga_type_get(heap, "wide", 808, 8, pointers, 101);
	uint64_t *array;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	array = new_typed(heap, wide, 500);
	assert_true(chunk_at(heap, array)->large);
	for (int i = 0; i < 500; i += 83)
	{
		assert_true(pins(heap, array + i * 101 + 84));
		assert_false(pins(heap, array + i * 101 + 83));
		assert_false(pins(heap, array + i * 101 + 85));
	}
	assert_false(pins(heap, array));
	array = ga_arena_realloc(&arena, array, 404008);
	assert_true(pins(heap, array));
}

static void
sweeps_read_a_fraction_of_typed_memory(void **state)
{
	ga_heap *heap = *state;
	const ga_type *leaf = ga_type_get(heap, "leaf", 1000, 8, (uint64_t[]){3}, 2);
	size_t before;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	before = sweep_nothing(heap).bytes_scanned;
	for (int i = 0; i < 500; i++)
	{
		new_typed(heap, leaf, 1);
		new_noscan(heap, 1000);
	}
	new_noscan(heap, 5 * MB);
	assert_in_range(sweep_nothing(heap).bytes_scanned - before, 500 * 2 * 8, 500 * 4 * 8);
}

/* Bytes of memory that a sweep reads. */
static size_t
scanned(ga_heap *heap)
{
	return sweep_nothing(heap).bytes_scanned;
}

static void
sweeps_skip_memory_without_pointers(void **state)
{
	ga_heap *heap = *state;
	size_t before;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	before = scanned(heap);
	new_noscan(heap, 40 * MB);
	assert_int_equal(scanned(heap), before);
	for (int i = 0; i < 100; i++)
		new_noscan(heap, 10 * KB);
	assert_int_equal(scanned(heap), before);
	fill(alloc(&arena, 5 * MB), 5 * MB, 1);
	assert_in_range(scanned(heap) - before, 5 * MB, 5 * MB + 64 * KB);
}

/* Begin an arena that is careful in some ways. */
static void
begin_careful(ga_heap *heap, unsigned careful)
{
	begin(&arena, heap, GA_QUARANTINE_OFF);
	ga_arena_set_careful(&arena, careful);
}

static void
a_span_without_pointers_can_become_one_small_object(void **state)
{
	ga_heap *heap = *state;
	const ga_type *type = ga_type_get(heap, "pair", 16, 8, NULL, 0);
	const ga_type *word = ga_type_get(heap, "number", 8, 8, NULL, 0);
	ga_found found;
	uint64_t *array;

	begin_careful(heap, GA_CAREFUL_STACK);
	new_node(heap);
	for (int i = 0; i < 2; i++)
	{
		array = new_typed(heap, i == 0 ? type : word, 1000000);
		array[0] = 7;
		array = ga_arena_resize_typed(&arena, array, i == 0 ? type : word, 1, 0);
		assert_int_equal(array[0], 7);
		assert_heap(heap);
		assert_true(ga_object_find(heap, (uintptr_t) array, &found));
		assert_ptr_equal(found.type, i == 0 ? type : word);
		assert_false(is_read(heap, array));
		new_node(heap);
	}
	assert_int_equal(ga_arena_free(&arena, array), GA_FREE_OK);
	assert_heap(heap);
}

static bool
is_poison(const void *object, size_t size)
{
	for (size_t i = 0; i + 8 <= size; i += 8)
		if (peek_word((const char *) object + i) != GA_POISON)
			return false;
	return true;
}

static void
careful_arenas_forget_the_type_of_what_changes_its_size(void **state)
{
	ga_heap *heap = *state;
	uint64_t *node;

	begin_careful(heap, GA_CAREFUL_STACK);
	node = ga_arena_alloc_typed_careful(&arena, node_type(heap), 1, 7);
	assert_int_equal(ga_arena_stack_of(&arena, node), 7);
	assert_node_bits(heap, node);
	assert_ptr_equal(ga_arena_realloc_careful(&arena, node, 49, 8), node);
	for (int i = 0; i < 6; i++)
		assert_true(is_read(heap, node + i));
	assert_heap(heap);
}

static void
careful_arenas_keep_stacks_of_what_has_headers(void **state)
{
	ga_heap *heap = *state;
	const ga_type *types[] = {node_type(heap), noscan_type(heap, 48), noscan_type(heap, 3)};
	static const size_t counts[] = {1, 2, 70, 100000};

	begin_careful(heap, GA_CAREFUL_STACK);
	for (size_t i = 0; i < lengthof(types) * lengthof(counts); i++)
	{
		const ga_type *type = types[i % lengthof(types)];
		size_t count = counts[i / lengthof(types)];
		void *object = ga_arena_alloc_typed_careful(&arena, type, count, (uint32_t) i + 1);
		ga_chunk *chunk = ga_heap_lookup(heap, (uintptr_t) object);

		assert_non_null(object);
		if (!ga_chunk_in_back(chunk, (uintptr_t) object))
			assert_int_equal(ga_arena_stack_of(&arena, object), i + 1);
		else
			assert_int_equal(type->pointer_words, 0);
		assert_heap(heap);
	}
}

static void
typed_memory_is_poison_after_a_reset_that_clobbers(void **state)
{
	ga_heap *heap = *state;
	static const size_t sizes[] = {8, 16, 100, 5000, 40 * KB};
	void *objects[3 * lengthof(sizes)];
	size_t lengths[3 * lengthof(sizes)];

	begin_careful(heap, GA_CAREFUL_CLOBBER);
	for (size_t i = 0; i < lengthof(objects); i++)
	{
		size_t size = sizes[i / 3];
		bool node = i % 3 == 0;

		lengths[i] = node ? 48 * (size / 48 + 1) : size;
		objects[i] =
			node ? new_typed(heap, node_type(heap), size / 48 + 1) : new_noscan(heap, size);
		fill(objects[i], lengths[i], i);
	}
	assert_true(arena.active->back != 0 && arena.full.count > 0);
	free_object(&arena, objects[9]);
	assert_true(is_poison((char *) objects[9] + 8, lengths[9] - 8));
	ga_arena_clobber(&arena);
	for (size_t i = 0; i < lengthof(objects); i++)
		assert_true(i == 9 || is_poison(objects[i], lengths[i]));
	assert_heap(heap);
	ga_arena_reset_careful(&arena, GA_CAREFUL_CLOBBER);
	assert_heap(heap);
	new_noscan(heap, 100); /* which looks whether it is zero */
	new_node(heap);
}

static void
typed_objects_have_pages_of_their_own(void **state)
{
	ga_heap *heap = *state;
	const ga_type *types[] = {node_type(heap), noscan_type(heap, 16), noscan_type(heap, 3)};
	static const size_t counts[] = {1, 3, 1000};
	size_t before;
	char *grown;

	begin_careful(heap, GA_CAREFUL_FENCE);
	before = scanned(heap);
	for (size_t i = 0; i < lengthof(types) * lengthof(counts); i++)
	{
		const ga_type *type = types[i % lengthof(types)];
		size_t count = counts[i / lengthof(types)];
		size_t end = ga_align_up(type->size * count, 8);
		char *object = ga_arena_alloc_typed_careful(&arena, type, count, 5);
		ga_found found;

		assert_non_null(object);
		assert_heap(heap);
		assert_false(read_faults(object + end - 1));
		assert_true(write_faults(object + end));
		assert_int_equal(peek_word(object), 0);
		assert_int_equal(ga_arena_stack_of(&arena, object), 5);
		assert_true(ga_object_find(heap, (uintptr_t) object, &found));
		assert_ptr_equal(found.type, type);
	}
	assert_int_equal(scanned(heap) - before, (1 + 3 + 1000) * 2 * 8);

	grown = ga_arena_alloc_typed_careful(&arena, types[1], 10, 5);
	grown = ga_arena_resize_typed(&arena, grown, types[1], 1000, 6);
	assert_true(read_faults(grown + 16000));
	assert_int_equal(ga_arena_stack_of(&arena, grown), 6);
	assert_int_equal(scanned(heap) - before, (1 + 3 + 1000) * 2 * 8);

	/* What is not typed is read as a whole, whatever was there. */
	free_object(&arena, grown);
	grown = ga_arena_alloc_careful(&arena, 16000, 7);
	assert_in_range(scanned(heap) - before, 16000, 16000 + (1 + 3 + 1000) * 2 * 8 + 64);
	assert_heap(heap);
}

static void
objects_are_found_by_any_address(void **state)
{
	ga_heap *heap = *state;
	ga_found found;
	char *objects[600];
	const size_t sizes[] = {48, 16, 24, 100, 2000, 20 * KB};

	set_chunk_size(heap, 8 * MB);
	begin(&arena, heap, GA_QUARANTINE_OFF);
	for (int i = 0; i < 600; i++)
		objects[i] = i % 2 == 0 ? new_typed(heap, node_type(heap), i % 50 == 0 ? 400 : 1)
								: new_noscan(heap, sizes[(size_t) i / 2 % lengthof(sizes)]);
	for (int i = 0; i < 600; i++)
	{
		size_t size = i % 2 != 0	? sizes[(size_t) i / 2 % lengthof(sizes)]
					  : i % 50 == 0 ? 400 * 48
									: 48;

		for (size_t at = 0; at < size; at = at * 2 + 1)
		{
			assert_true(ga_object_find(heap, (uintptr_t) objects[i] + at, &found));
			assert_int_equal(found.start, (uintptr_t) objects[i]);
			assert_int_equal(found.size, ga_align_up(size, i % 2 == 0 ? 1 : 8));
			assert_int_equal(found.noscan, i % 2);
			assert_ptr_equal(found.type, i % 2 == 0 ? node_type(heap) : NULL);
			assert_ptr_equal(found.arena, &arena);
		}
	}
	assert_false(ga_object_find(heap, (uintptr_t) objects[0] - 8, &found));
	assert_false(ga_object_find(heap, arena.ptr + 64, &found));
	assert_false(ga_object_find(heap, (uintptr_t) &found, &found));
	free_object(&arena, objects[2]);
	assert_false(ga_object_find(heap, (uintptr_t) objects[2], &found));
	ga_arena_reset(&arena);
	assert_false(ga_object_find(heap, (uintptr_t) objects[4], &found));
	assert_false(ga_object_find(heap, (uintptr_t) objects[1], &found));
}

static void
untyped_objects_are_found_by_their_beginning(void **state)
{
	ga_heap *heap = *state;
	char *object;
	ga_found found;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	for (int typed = 0; typed < 2; typed++)
	{
		object = alloc(&arena, 50);
		assert_true(ga_object_find(heap, (uintptr_t) object, &found));
		assert_int_equal(found.size, 50);
		assert_null(found.type);
		assert_false(ga_object_find(heap, (uintptr_t) object + 8, &found));
		new_node(heap);
	}
	object = alloc(&arena, 100 * KB);
	assert_true(ga_object_find(heap, (uintptr_t) object + 99 * KB, &found));
	assert_int_equal(found.size, 100 * KB);
}

static void
pages_and_charges_of_the_back_are_counted(void **state)
{
	ga_heap *heap = *state;
	size_t meter = 0;
	size_t held;
	ga_arena_usage usage;

	set_chunk_size(heap, 8 * MB);
	set_mode(heap, GA_QUARANTINE_OFF);
	ga_arena_init(&arena, heap, 0, 0, &meter, 0);
	for (int i = 0; arena.active == NULL || arena.active->size < 4 * MB; i++)
		new_noscan(heap, 8 * KB);
	held = ga_heap_held(heap);
	usage = usage_of(&arena);
	assert_int_equal(meter, arena.charged);
	for (int i = 1; i <= 10; i++)
	{
		(void) new_noscan(heap, 64 * KB);
		assert_in_range(usage_of(&arena).used_bytes - usage.used_bytes, i * 64 * KB,
						i * (64 * KB + 8));
	}
	assert_in_range(meter - usage.used_bytes, 640 * KB,
					640 * KB + 12 * KB + usage.chunks * 12 * KB);
	assert_in_range(ga_heap_held(heap) - held, 630 * KB, 760 * KB);
	ga_arena_reset(&arena);
	assert_int_equal(meter, 0);
}

static void
a_limit_holds_for_the_back(void **state)
{
	ga_heap *heap = *state;
	int count = 0;

	set_chunk_size(heap, 8 * MB);
	begin(&arena, heap, GA_QUARANTINE_OFF);
	new_noscan(heap, 100);
	heap->limit = ga_heap_held(heap) + 3 * MB;
	while (ga_arena_alloc_typed(&arena, noscan_type(heap, 10000), 1) != NULL)
	{
		assert_heap(heap);
		assert_true(ga_heap_held(heap) <= heap->limit);
		count++;
	}
	assert_true(heap->limit_refused);
	assert_in_range(count, 250, 320);
	heap->limit = SIZE_MAX;
	new_noscan(heap, 10000);
}

static void
freed_memory_without_pointers_is_in_the_history(void **state)
{
	ga_heap *heap = *state;
	char *noscan;
	ga_freed_place place;

	begin(&arena, heap, GA_QUARANTINE_STRICT);
	new_node(heap);
	noscan = new_noscan(heap, 1000);
	assert_false(ga_history_explain(heap, (uintptr_t) noscan, &place));
	ga_arena_reset(&arena);
	assert_true(ga_history_explain(heap, (uintptr_t) noscan, &place));
	assert_non_null(place.freed);
	assert_int_equal(place.freed->noscan, 1);
	assert_int_equal(place.freed->arena_id, arena.id);
	assert_true(read_faults(noscan));
}

static void
pages_may_be_larger_than_the_steps(void **state)
{
	ga_config config = usual_config();
	ga_heap *heap;

	(void) state;
	config.quarantine = GA_QUARANTINE_OFF;
	heap = new_heap_with_pages(&config, 64 * KB);
	begin(&arena, heap, GA_QUARANTINE_OFF);
	for (int i = 0; i < 3000; i++)
	{
		new_node(heap);
		new_noscan(heap, 100);
		(void) alloc(&arena, 200);
	}
	ga_arena_destroy(&arena);
	arena.heap = NULL;
	delete_heap(heap);
}

/* Each call to the system fails once, and then all from there on. */
static void
failing_calls_change_nothing(void **state)
{
	static const os_call calls[] = {OS_RESERVE, OS_MAP, OS_USE};

	(void) state;
	for (size_t call = 0; call < lengthof(calls); call++)
		for (int forever = 0; forever < 2; forever++)
			for (uint64_t nth = 1;; nth++)
			{
				ga_config config = usual_config();
				ga_heap *heap = new_heap(&config);
				const ga_type *types[3];
				bool failed = false;

				types[0] = node_type(heap);
				types[1] = noscan_type(heap, 700);
				types[2] = noscan_type(heap, 3);
				begin(&arena, heap, GA_QUARANTINE_STRICT);
				(forever ? fake_fail_from : fake_fail)(calls[call], nth, ENOMEM);
				for (int i = 0; i < 2500; i++)
				{
					uint64_t allocs = arena.allocs;
					const ga_type *type = types[i % 3];
					size_t count = i % 3 == 0 && i % 7 == 0 ? 40 : 1;
					void *object = ga_arena_alloc_typed(&arena, type, count);

					if (object == NULL)
					{
						failed = true;
						assert_heap(heap);
						assert_true(fake_failures() > 0);
						assert_true(arena.allocs - arena.frees <= allocs);
						fake_fail_never();
						object = ga_arena_alloc_typed(&arena, type, count);
					}
					assert_non_null(object);
					if (i % 100 == 0)
						assert_heap(heap);
				}
				failed = fake_failures() > 0;
				fake_fail_never();
				assert_heap(heap);
				ga_arena_destroy(&arena);
				arena.heap = NULL;
				assert_heap(heap);
				assert_int_equal(heap->type_granules.live, 0);
				delete_heap(heap);
				if (!failed)
					break;
			}
}

/* Whatever is done in whatever order, nothing is lost and nothing is mistaken. */
static void
random_operations_keep_the_map_right(void **state)
{
	ga_heap *heap = *state;
	uint64_t seed = environment_number("GA_SEED", 20261127);
	void *live[200] = {0};
	bool typed[200];

	print_message("GA_SEED=%llu\n", (unsigned long long) seed);
	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
	{
		begin(&arena, heap, (ga_quarantine) mode);
		for (int step = 0; step < 20000; step++)
		{
			size_t i = random_below(&seed, lengthof(live));
			uint64_t what = random_below(&seed, 100);

			if (what == 0 && random_below(&seed, 10) == 0)
			{
				ga_arena_reset(&arena);
				memset(live, 0, sizeof(live));
			}
			else if (what < 10)
				(void) ga_arena_alloc_typed(
					&arena, noscan_type(heap, 1 + random_below(&seed, what == 1 ? 9000 : 200)), 1);
			else if (live[i] == NULL)
			{
				size_t count = 1 + random_below(&seed, what < 15 ? 100 : 3);

				typed[i] = what < 60;
				live[i] = typed[i] ? ga_arena_alloc_typed(&arena, node_type(heap), count)
								   : ga_arena_alloc(&arena, count * 48);
				assert_non_null(live[i]);
			}
			else
			{
				ga_found found;

				assert_true(ga_object_find(heap, (uintptr_t) live[i], &found));
				assert_ptr_equal(found.type, typed[i] ? node_type(heap) : NULL);
				free_object(&arena, live[i]);
				live[i] = NULL;
			}
			if (step % 500 == 0)
				assert_heap(heap);
		}
		ga_arena_destroy(&arena);
		arena.heap = NULL;
		memset(live, 0, sizeof(live));
	}
}

#define TEST(name)		 cmocka_unit_test_setup_teardown(name, setup_heap, teardown)
#define TEST_ALONE(name) cmocka_unit_test(name)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pointers_come_from_the_front),
		TEST(front_and_back_meet),
		TEST(what_is_tiny_is_packed),
		TEST(a_reset_begins_a_new_unit_of_tiny_objects),
		TEST(all_is_zero_whatever_was_there),
		TEST(bits_say_which_words_are_pointers),
		TEST(bits_of_large_types_and_arrays),
		TEST(large_objects_have_few_entries),
		TEST(pointer_bits_are_cleared_on_reuse),
		TEST(a_free_clears_pointer_bits),
		TEST(freed_nodes_are_used_again),
		TEST(a_change_of_size_forgets_the_type),
		TEST(arrays_grow_with_their_type),
		TEST(what_has_no_header_cannot_be_freed),
		TEST(only_pointer_words_pin),
		TEST(what_looks_like_a_pointer_without_pointers_pins_nothing),
		TEST(only_pointer_words_of_large_arrays_pin),
		TEST(sweeps_read_a_fraction_of_typed_memory),
		TEST(sweeps_skip_memory_without_pointers),
		TEST(a_span_without_pointers_can_become_one_small_object),
		TEST(careful_arenas_forget_the_type_of_what_changes_its_size),
		TEST(careful_arenas_keep_stacks_of_what_has_headers),
		TEST(typed_memory_is_poison_after_a_reset_that_clobbers),
		TEST(typed_objects_have_pages_of_their_own),
		TEST(objects_are_found_by_any_address),
		TEST(untyped_objects_are_found_by_their_beginning),
		TEST(pages_and_charges_of_the_back_are_counted),
		TEST(a_limit_holds_for_the_back),
		TEST(freed_memory_without_pointers_is_in_the_history),
		TEST_ALONE(pages_may_be_larger_than_the_steps),
		TEST_ALONE(failing_calls_change_nothing),
		TEST(random_operations_keep_the_map_right),
	};

	return cmocka_run_group_tests_name("typed", tests, NULL, NULL);
}
