/*-------------------------------------------------------------------------
 *
 * cfi.h
 *	  The unwind tables of a program or library (call frame information).
 *
 * Compilers describe each instruction of each function, with or without frame
 * pointers, in the section .eh_frame, and linkers sort the functions in
 * .eh_frame_hdr (Linux Standard Base, Core, chapter "Exception Frames"; DWARF 5,
 * section 6.4).  This reads as much of it as the rules of rule.h can say.
 *
 * Tables are not trusted.  Nothing outside of the view is read, whatever they
 * say.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_CFI_H
#define GA_CFI_H

#include "rule.h"
#include "view.h"

/* A function as the tables have it. */
typedef struct ga_cfi_function
{
	uintptr_t start;
	uintptr_t end;
	ga_rule rule; /* at the address asked for */
} ga_cfi_function;

/*
 * Find the function that has the instruction at pc, and the rule for that, and fill *function.
 * False if the tables have no function there. hdr is the address of .eh_frame_hdr; the view
 * contains both sections.
 */
extern bool ga_cfi_find(const ga_view *tables, uintptr_t hdr, uintptr_t pc,
						ga_cfi_function *function);

#endif /* GA_CFI_H */
