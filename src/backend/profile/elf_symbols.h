/*-------------------------------------------------------------------------
 *
 * elf_symbols.h
 *	  Names of functions from the file of a library that is not loaded here.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_ELF_SYMBOLS_H
#define GOARENA_ELF_SYMBOLS_H

#include "postgres.h"

#include "backend/profile/modules.h"

typedef struct ElfSymbols ElfSymbols;

/*
 * Read the table of symbols of a module's file into the current memory context.  NULL if
 * the file cannot be read, is not of a kind that is known, or has another build id than
 * the module.
 */
extern ElfSymbols *ElfSymbolsRead(const Module *module);

/* Copy the name of the function that has this offset, and say where it starts. */
extern bool ElfSymbolsFind(const ElfSymbols *symbols, uint64 offset, char *name, size_t size,
						   uint64 *start);

#endif /* GOARENA_ELF_SYMBOLS_H */
