/*-------------------------------------------------------------------------
 *
 * test_list.c
 *	  Lists: links, counts, order, and sorting.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "list.h"
#include "support.h"

typedef struct item
{
	int key;
	int serial;
	ga_link link;
} item;

static item *
item_of(const ga_link *link)
{
	return ga_container(item, link, link);
}

static bool
lower_key(const ga_link *a, const ga_link *b)
{
	return item_of(a)->key < item_of(b)->key;
}

/*
 * assert_keys
 *		The list has these keys, forwards and backwards.
 */
static void
assert_keys(const ga_list *list, const int *keys, size_t count)
{
	size_t i = 0;

	assert_int_equal(list->count, count);
	assert_int_equal(ga_list_empty(list), count == 0);
	ga_list_foreach (link, list)
	{
		assert_true(i < count);
		assert_int_equal(item_of(link)->key, keys[i]);
		assert_ptr_equal(link->next->prev, link);
		assert_ptr_equal(link->prev->next, link);
		i++;
	}
	assert_int_equal(i, count);
}

static void
push_at_both_ends(void **state)
{
	item items[4] = {{.key = 0}, {.key = 1}, {.key = 2}, {.key = 3}};
	ga_list list;

	(void) state;
	ga_list_init(&list);
	assert_keys(&list, NULL, 0);
	assert_null(ga_list_first(&list));

	ga_list_push_tail(&list, &items[1].link);
	assert_keys(&list, (int[]){1}, 1);
	ga_list_push_head(&list, &items[0].link);
	ga_list_push_tail(&list, &items[3].link);
	ga_list_insert_after(&list, &items[1].link, &items[2].link);
	assert_keys(&list, (int[]){0, 1, 2, 3}, 4);

	assert_ptr_equal(ga_list_first(&list), &items[0].link);
	assert_ptr_equal(ga_list_next(&list, &items[2].link), &items[3].link);
	assert_null(ga_list_next(&list, &items[3].link));
}

static void
remove_anywhere(void **state)
{
	item items[4] = {{.key = 0}, {.key = 1}, {.key = 2}, {.key = 3}};
	ga_list list;

	(void) state;
	ga_list_init(&list);
	for (int i = 0; i < 4; i++)
		ga_list_push_tail(&list, &items[i].link);

	ga_list_remove(&list, &items[1].link);
	assert_keys(&list, (int[]){0, 2, 3}, 3);
	assert_null(items[1].link.next);
	assert_null(items[1].link.prev);
	ga_list_remove(&list, &items[3].link);
	assert_keys(&list, (int[]){0, 2}, 2);
	ga_list_remove(&list, &items[0].link);
	assert_keys(&list, (int[]){2}, 1);
	ga_list_remove(&list, &items[2].link);
	assert_keys(&list, NULL, 0);
}

static void
foreach_safe_may_unlink(void **state)
{
	item items[6];
	ga_list list;

	(void) state;
	ga_list_init(&list);
	for (int i = 0; i < 6; i++)
	{
		items[i].key = i;
		ga_list_push_tail(&list, &items[i].link);
	}
	ga_list_foreach_safe (link, &list)
	{
		if (item_of(link)->key % 2 == 0)
			ga_list_remove(&list, link);
	}
	assert_keys(&list, (int[]){1, 3, 5}, 3);
	ga_list_foreach_safe (link, &list)
	{
		ga_list_remove(&list, link);
	}
	assert_keys(&list, NULL, 0);
}

/*
 * assert_sorted
 *		In order of key, equal keys in the order in which they came.
 */
static void
assert_sorted(const ga_list *list, size_t count)
{
	const item *previous = NULL;
	size_t seen = 0;

	ga_list_foreach (link, list)
	{
		const item *at = item_of(link);

		assert_ptr_equal(link->next->prev, link);
		if (previous != NULL)
			assert_true(previous->key < at->key ||
						(previous->key == at->key && previous->serial < at->serial));
		previous = at;
		seen++;
	}
	assert_int_equal(seen, count);
	assert_int_equal(list->count, count);
}

static void
sort_is_stable(void **state)
{
	static item items[1100];
	uint64_t random = 1;

	(void) state;
	for (size_t count = 0; count < lengthof(items); count += count < 70 ? 1 : 103)
	{
		/* Few keys, many keys, ascending, descending. */
		for (int order = 0; order < 4; order++)
		{
			ga_list list;

			ga_list_init(&list);
			for (size_t i = 0; i < count; i++)
			{
				const int keys[] = {(int) random_below(&random, 5),
									(int) random_below(&random, 100000), (int) i, -(int) i};

				items[i].key = keys[order];
				items[i].serial = (int) i;
				ga_list_push_tail(&list, &items[i].link);
			}
			ga_list_sort(&list, lower_key);
			assert_sorted(&list, count);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(push_at_both_ends),
		cmocka_unit_test(remove_anywhere),
		cmocka_unit_test(foreach_safe_may_unlink),
		cmocka_unit_test(sort_is_stable),
	};

	return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
