/*-------------------------------------------------------------------------
 *
 * goarena.hpp
 *	  goarena for extensions in C++17.
 *
 * The server raises errors by longjmp, which passes by destructors and is undefined
 * where one would have to be called.  C++ throws exceptions, which must not pass
 * through functions of the server.  So each language keeps its errors on its own side:
 *
 *	goarena::guard	wraps the whole body of a function that the server calls: an
 *					exception becomes an ERROR
 *	goarena::call	wraps what may raise an ERROR: it becomes an exception
 *
 * Between the two is ordinary C++.  docs/c-api.md says what is allowed where.  This
 * file includes postgres.h; include it before all others.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_HPP
#define GOARENA_HPP

#include <cstddef>
#include <exception>
#include <limits>
#include <new>
#include <type_traits>
#include <utility>

extern "C"
{
#include "postgres.h"

#include "miscadmin.h"
}

#include "goarena.h"

namespace goarena
{

namespace detail
{

/* An ERROR that was caught, in a memory context of its own. */
struct caught
{
	MemoryContext context;
	ErrorData *data;
	int users;
};

/*
 * Copy the error that was just raised, and be done with it.  NULL if there is no memory.
 */
inline caught *
keep_error() noexcept
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext volatile context = nullptr;
	caught *volatile result = nullptr;

	PG_TRY();
	{
		caught *copy;

		context = AllocSetContextCreateInternal(TopMemoryContext, "goarena C++ error",
												ALLOCSET_SMALL_SIZES);
		MemoryContextSwitchTo(context);
		copy = static_cast<caught *>(palloc(sizeof(caught)));
		copy->context = context;
		copy->data = CopyErrorData();
		copy->users = 1;
		result = copy;
	}
	PG_CATCH();
	{
		if (context != nullptr)
			MemoryContextDelete(context);
	}
	PG_END_TRY();
	FlushErrorState();
	MemoryContextSwitchTo(caller);
	return result;
}

/*
 * Call a function.  False if it has raised an ERROR, which *error then is.  Nothing in
 * here has a destructor, so that an ERROR may end here.
 */
inline bool
try_call(void (*function)(void *), void *arg, caught **error) noexcept
{
	MemoryContext caller = CurrentMemoryContext;
	uint32 holdoff = InterruptHoldoffCount;
	uint32 cancel_holdoff = QueryCancelHoldoffCount;
	volatile bool succeeded = true;

	PG_TRY();
	{
		function(arg);
	}
	PG_CATCH();
	{
		succeeded = false;
		MemoryContextSwitchTo(caller);
		*error = keep_error();
		InterruptHoldoffCount = holdoff;
		QueryCancelHoldoffCount = cancel_holdoff;
	}
	PG_END_TRY();
	return succeeded;
}

/* What a guard has caught. */
struct failure
{
	ErrorData *data; /* of an ERROR; else NULL */
	int code;
	char message[512];
};

[[noreturn]] inline void
raise(failure *what)
{
	if (what->data != nullptr)
		ReThrowError(what->data);
	ereport(ERROR, (errcode(what->code), errmsg("%s", what->message)));
	pg_unreachable();
}

/* Memory of a context, which the server aligns as it does everywhere. */
inline void *
allocate(MemoryContext context, std::size_t size)
{
	void *memory;

	if (size > MaxAllocHugeSize)
		throw std::bad_array_new_length();
	memory = MemoryContextAllocExtended(context, size, MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
	if (memory == nullptr)
		throw std::bad_alloc();
	return memory;
}

template <typename T>
void
finalize(void *object, void *) noexcept
{
	static_cast<T *>(object)->~T();
}

} // namespace detail

/*
 * An ERROR of the server as an exception.  It has to come to a guard, or be
 * followed by the rollback of a subtransaction in which it was raised: merely to go on
 * is as wrong as in C.
 */
class error : public std::exception
{
  public:
	explicit error(detail::caught *caught) noexcept : caught_(caught)
	{
	}

	error(const error &other) noexcept : std::exception(other), caught_(other.caught_)
	{
		caught_->users++;
	}

	~error() override
	{
		if (--caught_->users == 0)
			MemoryContextDelete(caught_->context);
	}

	error &operator=(const error &) = delete;

	const char *
	what() const noexcept override
	{
		return caught_->data->message == nullptr ? "" : caught_->data->message;
	}

	int
	sqlerrcode() const noexcept
	{
		return caught_->data->sqlerrcode;
	}

	/* All that the server says of it; lasts as long as the exception. */
	const ErrorData *
	data() const noexcept
	{
		return caught_->data;
	}

	/* The same, which then lasts as long as the context; for guard. */
	ErrorData *
	hand_over(MemoryContext context) noexcept
	{
		caught_->users++;
		MemoryContextSetParent(caught_->context, context);
		return caught_->data;
	}

  private:
	detail::caught *caught_;
};

/*
 * Call what may raise an ERROR, which becomes an exception of class error.
 *
 *	Oid type = goarena::call([&] { return TypenameGetTypid(name); });
 *
 * Where an ERROR can be raised inside, no object with a destructor may live that was
 * made inside; those outside are safe.  The result is what functions in C return.
 * Exceptions pass.  If there is no memory to copy the error it is std::bad_alloc.
 */
template <typename F>
auto
call(F &&function) -> std::invoke_result_t<F &>
{
	using result = std::invoke_result_t<F &>;
	using place = std::conditional_t<std::is_void_v<result>, char, result>;
	static_assert(std::is_trivially_copyable_v<place> && !std::is_reference_v<result>,
				  "goarena::call is for functions that return what functions in C do");

	struct work
	{
		std::remove_reference_t<F> *function;
		std::exception_ptr thrown;
		alignas(place) unsigned char result[sizeof(place)];
	};
	work w = {&function, nullptr, {}};
	detail::caught *caught = nullptr;
	bool succeeded = detail::try_call(
		[](void *arg)
		{
			work *w = static_cast<work *>(arg);

			try
			{
				if constexpr (std::is_void_v<result>)
					(*w->function)();
				else
					::new (static_cast<void *>(w->result)) place((*w->function)());
			}
			catch (...)
			{
				w->thrown = std::current_exception();
			}
		},
		&w, &caught);

	if (!succeeded)
	{
		if (caught == nullptr)
			throw std::bad_alloc();
		throw error(caught);
	}
	if (w.thrown)
		std::rethrow_exception(w.thrown);
	if constexpr (!std::is_void_v<result>)
		return *std::launder(reinterpret_cast<place *>(w.result));
}

/*
 * Call what may throw.  An exception becomes an ERROR when all that was made inside is
 * destroyed: that of the server as it was, std::bad_alloc ERRCODE_OUT_OF_MEMORY,
 * and others ERRCODE_EXTERNAL_ROUTINE_EXCEPTION.
 *
 *	Datum
 *	my_function(PG_FUNCTION_ARGS)
 *	{
 *		return goarena::guard([&] { return compute(fcinfo); });
 *	}
 *
 * Around it, up to the server's code, no object with a destructor may live.
 */
template <typename F>
auto
guard(F &&function) -> std::invoke_result_t<F &>
{
	static_assert(std::is_trivially_destructible_v<std::remove_reference_t<F>>,
				  "what goarena::guard calls must not hold objects with destructors itself");
	MemoryContext caller = CurrentMemoryContext;
	detail::failure failure;

	failure.data = nullptr;
	failure.code = ERRCODE_EXTERNAL_ROUTINE_EXCEPTION;
	try
	{
		return function();
	}
	catch (error &e)
	{
		failure.data = e.hand_over(caller);
	}
	catch (const std::bad_alloc &)
	{
		failure.code = ERRCODE_OUT_OF_MEMORY;
		strlcpy(failure.message, "out of memory", sizeof(failure.message));
	}
	catch (const std::exception &e)
	{
		strlcpy(failure.message, e.what(), sizeof(failure.message));
	}
	catch (...)
	{
		strlcpy(failure.message, "unknown C++ exception", sizeof(failure.message));
	}
	MemoryContextSwitchTo(caller);
	detail::raise(&failure);
}

/*
 * An allocator for standard containers, whose memory is that of a context: by default the
 * one that is current when the allocator is made.  A container must be gone before its
 * context is.
 *
 *	std::vector<int, goarena::allocator<int>> numbers(goarena::allocator<int>(context));
 */
template <typename T> class allocator
{
  public:
	using value_type = T;
	using is_always_equal = std::false_type;
	using propagate_on_container_move_assignment = std::true_type;
	using propagate_on_container_swap = std::true_type;

	allocator() noexcept : context_(CurrentMemoryContext)
	{
	}

	explicit allocator(MemoryContext context) noexcept : context_(context)
	{
	}

	template <typename U> allocator(const allocator<U> &other) noexcept : context_(other.context())
	{
	}

	T *
	allocate(std::size_t count)
	{
		static_assert(alignof(T) <= MAXIMUM_ALIGNOF, "memory contexts do not align so far");
		if (count > std::numeric_limits<std::size_t>::max() / sizeof(T))
			throw std::bad_array_new_length();
		return static_cast<T *>(detail::allocate(context_, count * sizeof(T)));
	}

	void
	deallocate(T *memory, std::size_t) noexcept
	{
		pfree(memory);
	}

	MemoryContext
	context() const noexcept
	{
		return context_;
	}

  private:
	MemoryContext context_;
};

template <typename T, typename U>
bool
operator==(const allocator<T> &a, const allocator<U> &b) noexcept
{
	return a.context() == b.context();
}

template <typename T, typename U>
bool
operator!=(const allocator<T> &a, const allocator<U> &b) noexcept
{
	return !(a == b);
}

/*
 * Make an object in a context.  If it has a destructor, that is its finalizer: it is called
 * when the object is destroyed, or else when the context is reset or deleted, newest
 * first.  It must neither throw nor raise an ERROR.  The object must not be
 * reallocated.  Throws what the constructor throws, std::bad_alloc, and error.
 */
template <typename T, typename... Args>
T *
make(MemoryContext context, Args &&...args)
{
	static_assert(alignof(T) <= MAXIMUM_ALIGNOF, "memory contexts do not align so far");
	void *memory = detail::allocate(context, sizeof(T));
	T *object;

	try
	{
		object = ::new (memory) T(std::forward<Args>(args)...);
	}
	catch (...)
	{
		pfree(memory);
		throw;
	}
	if constexpr (!std::is_trivially_destructible_v<T>)
	{
		try
		{
			call([=] { GoarenaSetFinalizer(memory, detail::finalize<T>, nullptr); });
		}
		catch (...)
		{
			object->~T();
			pfree(memory);
			throw;
		}
	}
	return object;
}

/* Destroy what make has made, and free its memory. */
template <typename T>
void
destroy(T *object) noexcept
{
	if (object != nullptr)
		GoarenaFree(object);
}

/*
 * A memory context that is deleted at the end of the scope: an arena where goarena is loaded.
 * If an ERROR passes by instead, which only a call may let it do, its parent's end
 * deletes it.  The name must be a constant.
 */
class context
{
  public:
	explicit context(const char *name, MemoryContext parent = CurrentMemoryContext)
		: context_(call([=] { return GoarenaContextCreate(parent, name); }))
	{
	}

	~context()
	{
		if (context_ != nullptr)
			MemoryContextDelete(context_);
	}

	context(context &&other) noexcept : context_(other.release())
	{
	}

	context(const context &) = delete;
	context &operator=(const context &) = delete;

	MemoryContext
	get() const noexcept
	{
		return context_;
	}

	operator MemoryContext() const noexcept
	{
		return context_;
	}

	/* Free all that is in it. */
	void
	reset() noexcept
	{
		MemoryContextReset(context_);
	}

	/* It is the caller's from now on. */
	MemoryContext
	release() noexcept
	{
		return std::exchange(context_, nullptr);
	}

  private:
	MemoryContext context_;
};

/* The current memory context up to the end of the scope. */
class switch_to
{
  public:
	explicit switch_to(MemoryContext context) noexcept : before_(MemoryContextSwitchTo(context))
	{
	}

	~switch_to()
	{
		MemoryContextSwitchTo(before_);
	}

	switch_to(const switch_to &) = delete;
	switch_to &operator=(const switch_to &) = delete;

  private:
	MemoryContext before_;
};

} // namespace goarena

#endif /* GOARENA_HPP */
