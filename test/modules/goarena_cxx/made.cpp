/*-------------------------------------------------------------------------
 *
 * made.cpp
 *	  Objects that are made in memory contexts.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "cxx.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

extern "C"
{
	PG_FUNCTION_INFO_V1(cxx_make);
}

/* Notes its name in a text when it is destroyed. */
class named : public counted
{
  public:
	named(std::string &notes, std::string name) : notes_(notes), name_(std::move(name))
	{
		if (name_ == "bad")
			throw std::invalid_argument("a constructor fails");
	}

	~named()
	{
		notes_ += notes_.empty() ? name_ : " " + name_;
	}

  private:
	std::string &notes_;
	std::string name_; /* of the heap of C++: it leaks if the destructor is not called */
};

struct plain
{
	int a;
	double b;
};

using numbers = std::vector<int, goarena::allocator<int>>;

static std::string
play(const std::string &scenario)
{
	std::string notes;

	{
		goarena::context context("goarena cxx");

		goarena::make<named>(context, notes, "first");
		named *second = goarena::make<named>(context, notes, "second");
		plain *third = goarena::make<plain>(context, plain{3, 4.0});
		numbers *some = goarena::make<numbers>(context, goarena::allocator<int>(context));

		goarena::make<named>(context, notes, "last");
		for (int i = 0; i < 1000; i++)
			some->push_back(i);
		if (scenario == "destroy")
		{
			goarena::destroy(second);
			goarena::destroy(third);
			goarena::destroy(some);
			goarena::destroy(static_cast<named *>(nullptr));
		}
		else if (scenario == "reset")
		{
			context.reset();
			notes += " reset";
			goarena::make<named>(context, notes, "again");
		}
		else if (scenario == "constructor")
			goarena::make<named>(context, notes, "bad");
		else if (scenario == "error")
			goarena::call([] { ereport(ERROR, (errmsg("the server raises an error"))); });
		else if (scenario == "release")
		{
			goarena::context other(std::move(context));
			MemoryContext kept = other.release();

			notes += "kept";
			MemoryContextDelete(kept);
		}
	}
	return notes + " end";
}

/*
 * cxx_make(scenario text) returns text
 */
Datum
cxx_make(PG_FUNCTION_ARGS)
{
	return goarena::guard(
		[&]
		{
			std::string result =
				play(goarena::call([&] { return text_to_cstring(PG_GETARG_TEXT_PP(0)); }));

			return goarena::call([&] { return CStringGetTextDatum(result.c_str()); });
		});
}
