/*-------------------------------------------------------------------------
 *
 * containers.cpp
 *	  Containers in memory contexts, in functions that raise errors.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "cxx.hpp"

#include <map>
#include <stdexcept>
#include <string>
#include <vector>

extern "C"
{
	PG_FUNCTION_INFO_V1(cxx_containers);
	PG_FUNCTION_INFO_V1(cxx_state);
}

int objects_alive = 0;

template <typename T> using vector = std::vector<T, goarena::allocator<T>>;
using string = std::basic_string<char, std::char_traits<char>, goarena::allocator<char>>;
using map = std::map<int, string, std::less<int>, goarena::allocator<std::pair<const int, string>>>;

/* What the last calls left as it should not be. */
static const char *wrong = nullptr;

static void
expect(bool condition, const char *otherwise)
{
	if (!condition)
		wrong = otherwise;
}

/*
 * raise_error
 *		As the server does, with everything that an error can have.
 */
static void
raise_error()
{
	counted outside_of_the_server; /* never made in the frame that raises the error */

	goarena::call(
		[]
		{
			MemoryContextSwitchTo(TopMemoryContext);
			ereport(ERROR, (errcode(ERRCODE_CHECK_VIOLATION), errmsg("the server raises an error"),
							errdetail("It has a detail."), errhint("And a hint."),
							err_generic_string(PG_DIAG_CONSTRAINT_NAME, "a_constraint")));
		});
}

/*
 * raise_in_layers
 *		Code of the server calls C++, which calls the server, and so on.
 */
static void
raise_in_layers(int layers)
{
	counted local;

	goarena::call(
		[=]
		{
			goarena::guard(
				[=]
				{
					counted inner;

					if (layers > 0)
						raise_in_layers(layers - 1);
					raise_error();
				});
		});
}

/*
 * translate
 *		An ERROR is told as another exception, after a look at it.
 */
static void
translate()
{
	MemoryContext context = CurrentMemoryContext;

	try
	{
		HOLD_INTERRUPTS();
		raise_error();
	}
	catch (const goarena::error &e)
	{
		expect(e.sqlerrcode() == ERRCODE_CHECK_VIOLATION && e.data()->elevel == ERROR,
			   "an error has another code");
		expect(CurrentMemoryContext == context, "the current context is not put back");
		expect(InterruptHoldoffCount == 1, "interrupts are not held off any more");
		RESUME_INTERRUPTS();
		throw std::runtime_error(std::string("translated: ") + e.what());
	}
}

/* Exceptions are copied, and outlive the place where they are caught. */
static void
rethrow_later()
{
	std::exception_ptr kept;

	try
	{
		raise_error();
	}
	catch (const goarena::error &e)
	{
		goarena::error copy = e;

		kept = std::make_exception_ptr(copy);
	}
	std::rethrow_exception(kept);
}

static void
fail(const std::string &how, vector<int> &numbers)
{
	if (how == "error")
		raise_error();
	else if (how == "layers")
		raise_in_layers(5);
	else if (how == "translated")
		translate();
	else if (how == "later")
		rethrow_later();
	else if (how == "exception")
		throw std::out_of_range("out of range");
	else if (how == "no exception")
		throw 42;
	else if (how == "memory")
		numbers.reserve(numbers.max_size());
	else if (how == "too much memory")
		numbers.reserve(std::size_t(1) << 42);
	else if (how == "through call")
		goarena::call([] { throw std::runtime_error("passes"); });
	else if (!how.empty())
		throw std::invalid_argument("no such failure");
}

static int64
fill(int count, const char *failure)
{
	goarena::context context("goarena cxx");
	goarena::switch_to current(context);
	counted local;
	vector<int> numbers;
	vector<counted> objects(10);
	map names((goarena::allocator<std::pair<const int, string>>(context)));
	int64 sum = 0;

	for (int i = 0; i < count; i++)
	{
		numbers.push_back(i);
		names.emplace(i, string(i % 50, 'x'));
	}
	expect(GetMemoryChunkContext(numbers.data()) == context.get(), "memory is elsewhere");
	vector<int> moved = std::move(numbers);
	vector<int> copied = moved;

	fail(failure, copied);
	for (int number : copied)
		sum += number;
	for (auto &name : names)
		sum += (int64) name.second.size();
	return sum;
}

/*
 * cxx_containers(count integer, failure text) returns bigint
 */
Datum
cxx_containers(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	int64 result = goarena::guard(
		[&]
		{
			const char *failure =
				goarena::call([&] { return text_to_cstring(PG_GETARG_TEXT_PP(1)); });

			return fill(PG_GETARG_INT32(0), failure);
		});

	expect(CurrentMemoryContext == context, "the current context is not put back");
	PG_RETURN_INT64(result);
}

/*
 * cxx_state() returns text
 */
Datum
cxx_state(PG_FUNCTION_ARGS)
{
	if (objects_alive != 0)
		wrong = "not all objects were destroyed";
	PG_RETURN_TEXT_P(cstring_to_text(wrong == nullptr ? "all right" : wrong));
}
