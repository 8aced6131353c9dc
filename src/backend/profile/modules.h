/*-------------------------------------------------------------------------
 *
 * modules.h
 *	  The program and the libraries that addresses of code belong to.
 *
 * Libraries lie at other addresses in other processes.  So an address that others are
 * to understand is the number of a module and an offset in it; the table of modules
 * says where that lies here, and which file it is.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_MODULES_H
#define GOARENA_MODULES_H

#include "postgres.h"

#define MAX_MODULES		64
#define MODULE_PATH		232
#define MODULE_BUILD_ID 20

typedef struct Module
{
	uint64 base;  /* what addresses in the file are relative to */
	uint64 start; /* of its code in memory */
	uint64 end;
	uint64 file_offset; /* of its code */
	int build_id_length;
	uint8 build_id[MODULE_BUILD_ID];
	char path[MODULE_PATH];
} Module;

/* An address as module and offset; modules count from 1, 0 is for code of no module. */
typedef uint64 ModuleOffset;

#define MODULE_SHIFT 48

static inline int
ModuleNumber(ModuleOffset address)
{
	return (int) (address >> MODULE_SHIFT);
}

static inline uint64
ModuleOffsetIn(ModuleOffset address)
{
	return address & ((UINT64CONST(1) << MODULE_SHIFT) - 1);
}

static inline ModuleOffset
ModuleOffsetMake(int number, uint64 offset)
{
	return (uint64) number << MODULE_SHIFT | offset;
}

/*
 * The address in terms of this process's modules.  Allocates nothing; takes the lock of
 * the dynamic linker if the module was not seen before.
 */
extern ModuleOffset ModulesFind(uintptr_t address);

/* How many this process has seen, and one of them. */
extern int ModulesCount(void);
extern const Module *ModulesGet(int number);

/* The same file, with the same contents as far as its build id says that? */
extern bool ModuleIsSame(const Module *a, const Module *b);

/* The module of this process that is the same as one of another process, or NULL. */
extern const Module *ModulesFindSame(const Module *module);

#endif /* GOARENA_MODULES_H */
