/*-------------------------------------------------------------------------
 *
 * cxx.hpp
 *	  What the parts of this module share.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef CXX_HPP
#define CXX_HPP

#include "goarena.hpp"

extern "C"
{
#include "fmgr.h"
#include "utils/builtins.h"
}

extern int objects_alive;

/* An object that counts how many of its kind there are. */
class counted
{
  public:
	counted()
	{
		objects_alive++;
	}

	counted(const counted &)
	{
		objects_alive++;
	}

	~counted()
	{
		objects_alive--;
	}
};

#endif /* CXX_HPP */
