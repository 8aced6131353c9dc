#include "goarena.hpp"

#include <vector>

extern "C"
{
PG_MODULE_MAGIC;
PG_FUNCTION_INFO_V1(count_primes);
}

static int64
primes_below(int32 limit)
{
	goarena::context context("primes");
	std::vector<bool, goarena::allocator<bool>> composite(limit, goarena::allocator<bool>(context));
	int64 count = 0;

	for (int32 i = 2; i < limit; i++)
	{
		if (composite[i])
			continue;
		goarena::call([] { CHECK_FOR_INTERRUPTS(); });
		for (int64 j = int64(i) * i; j < limit; j += i)
			composite[j] = true;
		count++;
	}
	return count;
}

Datum
count_primes(PG_FUNCTION_ARGS)
{
	return goarena::guard([&] { return Int64GetDatum(primes_below(PG_GETARG_INT32(0))); });
}
