/*-------------------------------------------------------------------------
 *
 * model.c
 *	  See model.h.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "model.h"

/* What stands before each payload of an arena. */
#define OWNER(arena) (UINT64_C(0xf200000000000000) + (uint64_t) (arena) *8)

static uintptr_t *
root_word(model *m, int root)
{
	return root < MODEL_ROOTS / 2 ? &m->outside[root] : &m->inside[root - MODEL_ROOTS / 2];
}

model *
new_model(ga_heap *heap)
{
	model *m = calloc(1, sizeof(model));

	assert_non_null(m);
	m->heap = heap;
	ga_arena_init(&m->keeper, heap, 0, 0, NULL, 0);
	m->inside = ga_arena_alloc(&m->keeper, sizeof(m->outside));
	assert_non_null(m->inside);
	memset(m->inside, 0, sizeof(m->outside));
	return m;
}

void
delete_model(model *m)
{
	for (int i = 0; i < MODEL_ARENAS; i++)
		if (m->arenas[i].exists)
			model_destroy(m, i);
	ga_arena_destroy(&m->keeper);
	assert_int_equal(m->heap->in_use, 0);
	assert_heap(m->heap);
	delete_heap(m->heap);
	free(m);
}

void
model_create(model *m, int arena, size_t credit)
{
	model_arena *a = &m->arenas[arena];

	assert_false(a->exists);
	a->exists = true;
	a->meter = 1000;
	a->count = 0;
	ga_arena_init(&a->arena, m->heap, OWNER(arena), (unsigned) arena, &a->meter, credit);
}

/*
 * points_into
 *		Does a root word point into these bytes?
 */
static bool
points_into(model *m, int root, const char *addr, size_t size)
{
	return *root_word(m, root) - (uintptr_t) addr < size;
}

/*
 * forget
 *		An object is gone.  Pointers to it dangle from now on if its addresses
 *		are in quarantine, else they are removed.
 */
static void
forget(model *m, const model_object *object, bool quarantined)
{
	for (int root = 0; root < MODEL_ROOTS; root++)
		if (!m->dangling[root] && points_into(m, root, object->addr, object->size))
		{
			m->dangling[root] = quarantined;
			if (!quarantined)
				*root_word(m, root) = 0;
		}
}

/*
 * write_contents
 *		To the very end of the object: what an earlier life left behind there could
 *		be taken for a pointer.
 */
static void
write_contents(const model_object *object)
{
	fill(object->addr, ga_object_size(object->addr), object->seed);
}

static void
check_object_contents(const model_object *object)
{
	if (!is_filled(object->addr, object->size, object->seed))
		fail_msg("object %p of %zu bytes has changed", object->addr, object->size);
}

/*
 * end_life
 *		All objects of an arena are gone.
 */
static void
end_life(model *m, int arena, ga_quarantine mode)
{
	model_arena *a = &m->arenas[arena];

	for (int i = 0; i < a->count; i++)
		forget(m, &a->objects[i], mode != GA_QUARANTINE_OFF);
	a->count = 0;
}

static void
check_life_contents(const model_arena *a)
{
	for (int i = 0; i < a->count; i++)
		check_object_contents(&a->objects[i]);
}

void
model_destroy(model *m, int arena)
{
	model_arena *a = &m->arenas[arena];
	ga_quarantine mode = a->arena.mode;

	check_life_contents(a);
	ga_arena_destroy(&a->arena);
	assert_int_equal(a->meter, 1000);
	a->exists = false;
	end_life(m, arena, mode);
}

void
model_reset(model *m, int arena)
{
	model_arena *a = &m->arenas[arena];
	ga_quarantine mode = a->arena.mode;

	check_life_contents(a);
	ga_arena_reset(&a->arena);
	assert_int_equal(a->meter, 1000);
	end_life(m, arena, mode);
}

/*
 * check_place
 *		A new object overlaps no other and no dangling pointer's target.
 */
static void
check_place(model *m, const void *addr)
{
	const char *start = (const char *) addr - GA_HEADER_SIZE;
	const char *end = (const char *) addr + ga_object_size(addr);

	for (int i = 0; i < MODEL_ARENAS; i++)
	{
		const model_arena *a = &m->arenas[i];

		if (!a->exists)
			continue;
		for (int j = 0; j < a->count; j++)
			if (a->objects[j].addr != addr && start < a->objects[j].addr + a->objects[j].size &&
				a->objects[j].addr - GA_HEADER_SIZE < end)
				fail_msg("%p of %zu bytes overlaps %p of %zu bytes", addr, ga_object_size(addr),
						 a->objects[j].addr, a->objects[j].size);
	}
	for (int root = 0; root < MODEL_ROOTS; root++)
		if (m->dangling[root] && points_into(m, root, start, (size_t) (end - start)))
			fail_msg("%p of %zu bytes was given to a new object while a root points there", addr,
					 ga_object_size(addr));
}

/*
 * check_header
 */
static void
check_header(const model_arena *a, const void *addr, size_t size)
{
	assert_int_equal((uintptr_t) addr % GA_ALIGN, 0);
	assert_true(ga_object_size(addr) >= ga_max_size(size, 8));
	if (ga_object_requested_known(addr))
		assert_int_equal(ga_object_requested(addr), size);
	else
		assert_true(ga_object_requested(addr) >= size);
	assert_int_equal(*ga_object_header(addr) & GA_HDR_TAG_MASK, a->arena.tag);
	assert_int_equal(*ga_object_header(addr) & GA_HDR_STATE_MASK, GA_HDR_LIVE);
#if GA_OWNER_WORD
	assert_int_equal(((const uint64_t *) addr)[-1], a->arena.owner);
#endif
	assert_ptr_equal(chunk_at(a->arena.heap, addr)->arena, &a->arena);
	assert_int_equal(ga_arena_check_object(&a->arena, addr), GA_FREE_OK);
}

bool
model_alloc(model *m, int arena, size_t size)
{
	model_arena *a = &m->arenas[arena];
	model_object *object = &a->objects[a->count];
	void *addr = ga_arena_alloc(&a->arena, size);

	if (addr == NULL)
		return false;
	assert_true(a->count < MODEL_OBJECTS);
	check_header(a, addr, size);
	check_place(m, addr);
	*object = (model_object){addr, size, m->next_seed++};
	write_contents(object);
	a->count++;
	return true;
}

bool
model_realloc(model *m, int arena, int object, size_t size)
{
	model_arena *a = &m->arenas[arena];
	model_object *o = &a->objects[object];
	model_object old = *o;
	bool was_large = chunk_at(m->heap, o->addr)->large;
	char *addr = ga_arena_realloc(&a->arena, o->addr, size);
	size_t kept = ga_min_size(old.size, size);

	if (addr == NULL)
	{
		check_object_contents(o);
		return false;
	}
	check_header(a, addr, size);
	if (!is_filled(addr, kept, old.seed))
		fail_msg("realloc of %zu to %zu bytes has not kept the contents", old.size, size);
	o->addr = addr;
	o->size = size;
	check_place(m, addr);

	if (addr != old.addr)
		forget(m, &old, was_large && a->arena.mode != GA_QUARANTINE_OFF);
	else if (size < old.size)
		forget(m, &(model_object){addr + size, old.size - size, 0}, false);
	o->seed = m->next_seed++;
	write_contents(o);
	return true;
}

void
model_free(model *m, int arena, int object)
{
	model_arena *a = &m->arenas[arena];
	model_object o = a->objects[object];
	bool was_large = chunk_at(m->heap, o.addr)->large;

	check_object_contents(&o);
	assert_int_equal(ga_arena_free(&a->arena, o.addr), GA_FREE_OK);
	assert_int_not_equal(ga_arena_check_object(&a->arena, o.addr), GA_FREE_OK);
	a->objects[object] = a->objects[--a->count];
	forget(m, &o, was_large && a->arena.mode != GA_QUARANTINE_OFF);
}

void
model_point(model *m, int root, int arena, int object, size_t offset)
{
	const model_object *o = &m->arenas[arena].objects[object];

	assert_true(offset < o->size);
	*root_word(m, root) = (uintptr_t) o->addr + offset;
	m->dangling[root] = false;
}

void
model_sweep_roots(model *m, bool unstable)
{
	ga_sweep_root(m->heap, (uintptr_t) m->outside, (uintptr_t) (m->outside + MODEL_ROOTS / 2),
				  unstable ? GA_ROOT_UNSTABLE : GA_ROOT_MAPPED);
	ga_sweep_live(m->heap);
}

/*
 * is_joined
 *		Was the slot given up together with the one before it?
 */
static bool
is_joined(const ga_heap *heap, uintptr_t slot)
{
	const ga_segment *segment = ga_segment_of(heap, slot);

	return segment != NULL && (segment->spent & segment->joined & ga_slot_bit(slot)) != 0;
}

/*
 * is_pinned_with
 *		Does a root point to a spent slot, or to others that were given up together
 *		with it?
 */
static bool
is_pinned_with(model *m, uintptr_t slot)
{
	uintptr_t end = slot + GA_SLOT_SIZE;

	while (is_joined(m->heap, slot))
		slot -= GA_SLOT_SIZE;
	while (is_joined(m->heap, end))
		end += GA_SLOT_SIZE;
	for (int root = 0; root < MODEL_ROOTS; root++)
		if (points_into(m, root, (char *) slot, end - slot))
			return true;
	return false;
}

ga_sweep_result
model_sweep(model *m, bool unstable)
{
	uint64_t failures = fake_failures();
	ga_sweep_result result;

	ga_sweep_begin(m->heap);
	model_sweep_roots(m, unstable);
	ga_sweep_finish(m->heap, &result);

	/* Contents never look like pointers, so nothing else can pin a slot. */
	if (fake_failures() == failures)
	{
		size_t left = 0;

		for (const ga_segment *segment = m->heap->segments; segment != NULL;
			 segment = segment->next)
			for (int slot = 0; slot < GA_SLOTS; slot++)
			{
				if ((segment->spent >> slot & 1) == 0)
					continue;
				assert_true(is_pinned_with(m, segment->base + ((uintptr_t) slot << GA_SLOT_SHIFT)));
				left++;
			}
		assert_int_equal(result.chunks_pinned, left);
	}
	return result;
}

/* What a walk over an arena finds. */
typedef struct walk
{
	int count;
	size_t bytes;
	uintptr_t sum; /* of addresses */
} walk;

static void
visit(void *object, void *context)
{
	walk *w = context;

	w->count++;
	w->bytes += ga_object_size(object) + GA_HEADER_SIZE;
	w->sum += (uintptr_t) object;
}

static void
check_arena(const model_arena *a)
{
	const ga_arena *arena = &a->arena;
	walk found = {0};
	ga_arena_usage usage;
	uintptr_t sum = 0;

	ga_arena_walk(arena, visit, &found);
	for (int i = 0; i < a->count; i++)
		sum += (uintptr_t) a->objects[i].addr;
	assert_int_equal(found.count, a->count);
	assert_int_equal(found.sum, sum);

	ga_arena_get_usage(arena, &usage);
	assert_int_equal(usage.used_bytes, found.bytes);
	assert_int_equal(usage.used_bytes + usage.free_bytes + usage.dead_bytes, usage.chunk_bytes);
	assert_true(usage.free_bytes <= usage.chunk_bytes);
	assert_int_equal(usage.chunks,
					 (arena->active != NULL) + arena->full.count + arena->large.count);
	assert_int_equal(a->meter,
					 1000 + (arena->charged > arena->credit ? arena->charged - arena->credit : 0));
	assert_true(arena->charged <= usage.chunk_bytes);
}

/*
 * check_dangling
 *		The target of a dangling pointer belongs to nobody.
 */
static void
check_dangling(model *m)
{
	for (int root = 0; root < MODEL_ROOTS; root++)
		if (m->dangling[root])
		{
			const ga_chunk *chunk = ga_heap_lookup(m->heap, *root_word(m, root));
			ga_chunk_state state = state_at(m->heap, *root_word(m, root));

			if (chunk != NULL && chunk->arena != NULL)
				assert_true(*root_word(m, root) < chunk->start);
			else
				assert_true(state == GA_QUARANTINED || state == GA_FAULT || state == GA_REUSE);
		}
}

void
model_check(model *m)
{
	assert_heap(m->heap);
	check_dangling(m);
	for (int i = 0; i < MODEL_ARENAS; i++)
		if (m->arenas[i].exists)
			check_arena(&m->arenas[i]);
}

void
model_check_contents(model *m)
{
	for (int i = 0; i < MODEL_ARENAS; i++)
		if (m->arenas[i].exists)
			check_life_contents(&m->arenas[i]);
}
