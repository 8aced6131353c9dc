/*-------------------------------------------------------------------------
 *
 * cfi.c
 *	  See cfi.h.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "cfi.h"

/* Numbers of registers, from the supplements of the ABI. */
#if defined(__x86_64__)
#define REGISTER_FP 6
#define REGISTER_SP 7
#define REGISTER_RA 16
#else
#define REGISTER_FP 29
#define REGISTER_SP 31
#define REGISTER_RA 30
#endif

/* How a pointer is encoded: DW_EH_PE_*. */
#define ENCODED_FORMAT(encoding) ((encoding) &0x0f)
#define ENCODED_BASE(encoding)	 ((encoding) &0x70)
#define ENCODED_ABSPTR			 0x00
#define ENCODED_UDATA2			 0x02
#define ENCODED_UDATA4			 0x03
#define ENCODED_UDATA8			 0x04
#define ENCODED_SDATA2			 0x0a
#define ENCODED_SDATA4			 0x0b
#define ENCODED_SDATA8			 0x0c
#define ENCODED_PCREL			 0x10
#define ENCODED_DATAREL_SDATA4	 0x3b /* what linkers use in the sorted table */
#define ENCODED_PCREL_SDATA4	 0x1b

/* Instructions: DW_CFA_*. */
enum
{
	CFA_NOP = 0x00,
	CFA_SET_LOC = 0x01,
	CFA_ADVANCE_LOC1 = 0x02,
	CFA_ADVANCE_LOC2 = 0x03,
	CFA_ADVANCE_LOC4 = 0x04,
	CFA_OFFSET_EXTENDED = 0x05,
	CFA_RESTORE_EXTENDED = 0x06,
	CFA_UNDEFINED = 0x07,
	CFA_SAME_VALUE = 0x08,
	CFA_REGISTER = 0x09,
	CFA_REMEMBER_STATE = 0x0a,
	CFA_RESTORE_STATE = 0x0b,
	CFA_DEF_CFA = 0x0c,
	CFA_DEF_CFA_REGISTER = 0x0d,
	CFA_DEF_CFA_OFFSET = 0x0e,
	CFA_DEF_CFA_EXPRESSION = 0x0f,
	CFA_EXPRESSION = 0x10,
	CFA_OFFSET_EXTENDED_SF = 0x11,
	CFA_DEF_CFA_SF = 0x12,
	CFA_DEF_CFA_OFFSET_SF = 0x13,
	CFA_VAL_OFFSET = 0x14,
	CFA_VAL_OFFSET_SF = 0x15,
	CFA_VAL_EXPRESSION = 0x16,
	CFA_NEGATE_RA_STATE = 0x2d, /* aarch64: return addresses are signed */
	CFA_GNU_ARGS_SIZE = 0x2e,

	/* with an operand in the low six bits */
	CFA_ADVANCE_LOC = 0x40,
	CFA_OFFSET = 0x80,
	CFA_RESTORE = 0xc0
};

/* Operations of expressions: DW_OP_*. */
#define OP_DEREF 0x06
#define OP_BREG0 0x70

/* remember_state is nested less deep than this. */
#define REMEMBERED 8

/*
 * A place in memory that is read byte after byte.  What lies beyond the end sets bad, and reads as
 * 0.
 */
typedef struct cursor
{
	const ga_view *view;
	uintptr_t at;
	uintptr_t end;
	bool bad;
} cursor;

/* Where one register was saved. */
typedef struct location
{
	enum
	{
		LOCATION_SAME,
		LOCATION_CFA, /* at CFA + offset */
		LOCATION_FP,  /* at frame pointer + offset */
		LOCATION_UNDEFINED,
		LOCATION_UNKNOWN
	} kind;
	int64_t offset;
} location;

/* What holds at an instruction. */
typedef struct state
{
	uint64_t cfa_register;
	int64_t cfa_offset;
	bool cfa_known;
	bool cfa_deref; /* the CFA is the word at register + offset */
	location fp;
	location ra;
} state;

/* A common information entry: what functions share. */
typedef struct cie
{
	uint64_t code_alignment;
	int64_t data_alignment;
	uint8_t pointer_encoding;
	bool augmented; /* functions have augmentation data */
	bool signal;	/* frames made by the kernel for a signal handler */
	cursor instructions;
} cie;

static uint64_t
cfi_read_bytes(cursor *c, size_t size)
{
	uint64_t value = 0;

	if (c->bad || c->end - c->at < size || !ga_view_read(c->view, c->at, &value, size))
	{
		c->bad = true;
		return 0;
	}
	c->at += size;
	return value; /* little endian */
}

static uint64_t
cfi_read_uleb(cursor *c)
{
	uint64_t value = 0;

	for (unsigned shift = 0; !c->bad; shift += 7)
	{
		uint64_t byte = cfi_read_bytes(c, 1);

		if (shift < 64)
			value |= (byte & 0x7f) << shift;
		if ((byte & 0x80) == 0)
			break;
	}
	return value;
}

static int64_t
cfi_read_sleb(cursor *c)
{
	uint64_t value = 0;

	for (unsigned shift = 0; !c->bad;)
	{
		uint64_t byte = cfi_read_bytes(c, 1);

		if (shift < 64)
			value |= (byte & 0x7f) << shift;
		shift += 7;
		if ((byte & 0x80) == 0)
		{
			if ((byte & 0x40) != 0 && shift < 64)
				value |= ~UINT64_C(0) << shift;
			break;
		}
	}
	return (int64_t) value;
}

/*
 * cfi_scaled
 *		Multiply an operand by a factor.  With a damaged table the product may wrap around.
 */
static int64_t
cfi_scaled(uint64_t operand, int64_t factor)
{
	return (int64_t) (operand * (uint64_t) factor);
}

static void
cfi_skip(cursor *c, uint64_t size)
{
	if (c->bad || c->end - c->at < size)
		c->bad = true;
	else
		c->at += size;
}

/*
 * cfi_read_pointer
 *		Read a pointer in one of the encodings of code addresses.  Any other encoding is bad.
 */
static uintptr_t
cfi_read_pointer(cursor *c, uint8_t encoding)
{
	uintptr_t from = c->at;
	uintptr_t value = 0;

	switch (ENCODED_FORMAT(encoding))
	{
		case ENCODED_ABSPTR:
		case ENCODED_UDATA8:
		case ENCODED_SDATA8:
			value = cfi_read_bytes(c, 8);
			break;
		case ENCODED_UDATA4:
			value = cfi_read_bytes(c, 4);
			break;
		case ENCODED_SDATA4:
			value = (uintptr_t) (int64_t) (int32_t) cfi_read_bytes(c, 4);
			break;
		case ENCODED_UDATA2:
			value = cfi_read_bytes(c, 2);
			break;
		case ENCODED_SDATA2:
			value = (uintptr_t) (int64_t) (int16_t) cfi_read_bytes(c, 2);
			break;
		default:
			c->bad = true;
	}
	if (ENCODED_BASE(encoding) == ENCODED_PCREL)
		value += from;
	else if (ENCODED_BASE(encoding) != 0)
		c->bad = true;
	return value;
}

/*
 * cfi_begin_entry
 *		Read the length of an entry, and return a cursor that ends where the entry does.
 */
static cursor
cfi_begin_entry(const ga_view *view, uintptr_t address)
{
	cursor c = {view, address, view->high, address < view->low || address > view->high};
	uint64_t length = cfi_read_bytes(&c, 4);

	/* The length 0 ends all entries; all ones would mean 64-bit DWARF. */
	if (c.bad || length == 0 || length == UINT32_MAX || c.end - c.at < length)
		c.bad = true;
	else
		c.end = c.at + length;
	return c;
}

/*
 * cfi_read_augmentation
 *		Read the augmentation data of a CIE, as its letters say.
 */
static void
cfi_read_augmentation(cursor *c, cursor letters, cie *info)
{
	uint64_t length;
	uintptr_t end;

	if (cfi_read_bytes(&letters, 1) != 'z')
		return;
	info->augmented = true;
	length = cfi_read_uleb(c);
	if (c->bad || c->end - c->at < length)
	{
		c->bad = true;
		return;
	}
	end = c->at + length;
	for (uint64_t letter = cfi_read_bytes(&letters, 1); letter != 0;
		 letter = cfi_read_bytes(&letters, 1))
	{
		if (letter == 'R')
			info->pointer_encoding = (uint8_t) cfi_read_bytes(c, 1);
		else if (letter == 'L')
			(void) cfi_read_bytes(c, 1);
		else if (letter == 'P')
			(void) cfi_read_pointer(c, (uint8_t) cfi_read_bytes(c, 1) & (ENCODED_PCREL | 0x0f));
		else if (letter == 'S')
			info->signal = true;
		else if (letter != 'B' && letter != 'G')
			break; /* an unknown letter: it may have data of unknown length */
	}
	c->at = end;
}

static bool
cfi_read_cie(const ga_view *view, uintptr_t address, cie *info)
{
	cursor c = cfi_begin_entry(view, address);
	uint64_t id = cfi_read_bytes(&c, 4);
	uint64_t version = cfi_read_bytes(&c, 1);
	cursor letters = c;
	uint64_t letter;

	*info = (cie){.pointer_encoding = ENCODED_ABSPTR};
	if (c.bad || id != 0 || (version != 1 && version != 3))
		return false;
	do
		letter = cfi_read_bytes(&c, 1);
	while (letter != 0);
	info->code_alignment = cfi_read_uleb(&c);
	info->data_alignment = cfi_read_sleb(&c);
	if ((version == 1 ? cfi_read_bytes(&c, 1) : cfi_read_uleb(&c)) != REGISTER_RA)
		return false;
	cfi_read_augmentation(&c, letters, info);
	info->instructions = c;
	return !c.bad;
}

/*
 * cfi_tracked
 *		Find the location of a register, or NULL if that is not one of those followed.
 */
static location *
cfi_tracked(state *s, uint64_t number)
{
	if (number == REGISTER_FP)
		return &s->fp;
	if (number == REGISTER_RA)
		return &s->ra;
	return NULL;
}

static void
cfi_locate(state *s, uint64_t number, int kind, int64_t offset)
{
	location *l = cfi_tracked(s, number);

	if (l != NULL)
		*l = (location){kind, offset};
}

static void
cfi_restore(state *s, const state *initial, uint64_t number)
{
	if (number == REGISTER_FP)
		s->fp = initial->fp;
	else if (number == REGISTER_RA)
		s->ra = initial->ra;
}

/*
 * cfi_read_expression
 *		Read an expression.  The only useful ones come from functions that align their stack: frame
 *		pointer + offset, and the word stored there.  False for any other.
 */
static bool
cfi_read_expression(cursor *c, int64_t *offset, bool *deref)
{
	uint64_t length = cfi_read_uleb(c);
	cursor e = *c;

	cfi_skip(c, length);
	if (c->bad)
		return false;
	e.end = c->at;
	*deref = false;
	if (cfi_read_bytes(&e, 1) != OP_BREG0 + REGISTER_FP)
		return false;
	*offset = cfi_read_sleb(&e);
	if (!e.bad && e.at < e.end)
		*deref = cfi_read_bytes(&e, 1) == OP_DEREF;
	return !e.bad && e.at == e.end;
}

static void
cfi_define_cfa(state *s, uint64_t number, int64_t offset)
{
	s->cfa_register = number;
	s->cfa_offset = offset;
	s->cfa_known = true;
	s->cfa_deref = false;
}

/*
 * cfi_run_other
 *		Run one of the instructions that have no operand in their first byte.  False if it is
 *		unknown: then nothing that follows it can be read, either.
 */
static bool
cfi_run_other(cursor *c, const cie *info, uint64_t instruction, state *s, const state *initial)
{
	uint64_t number;
	int64_t offset;
	bool deref;

	switch (instruction)
	{
		case CFA_NOP:
		case CFA_NEGATE_RA_STATE:
			return true;
		case CFA_OFFSET_EXTENDED:
			number = cfi_read_uleb(c);
			cfi_locate(s, number, LOCATION_CFA, cfi_scaled(cfi_read_uleb(c), info->data_alignment));
			return true;
		case CFA_OFFSET_EXTENDED_SF:
			number = cfi_read_uleb(c);
			cfi_locate(s, number, LOCATION_CFA,
					   cfi_scaled((uint64_t) cfi_read_sleb(c), info->data_alignment));
			return true;
		case CFA_RESTORE_EXTENDED:
			cfi_restore(s, initial, cfi_read_uleb(c));
			return true;
		case CFA_UNDEFINED:
			cfi_locate(s, cfi_read_uleb(c), LOCATION_UNDEFINED, 0);
			return true;
		case CFA_SAME_VALUE:
			cfi_locate(s, cfi_read_uleb(c), LOCATION_SAME, 0);
			return true;
		case CFA_REGISTER:
		case CFA_VAL_OFFSET:
			number = cfi_read_uleb(c);
			(void) cfi_read_uleb(c);
			cfi_locate(s, number, LOCATION_UNKNOWN, 0);
			return true;
		case CFA_VAL_OFFSET_SF:
			number = cfi_read_uleb(c);
			(void) cfi_read_sleb(c);
			cfi_locate(s, number, LOCATION_UNKNOWN, 0);
			return true;
		case CFA_DEF_CFA:
			number = cfi_read_uleb(c);
			cfi_define_cfa(s, number, (int64_t) cfi_read_uleb(c));
			return true;
		case CFA_DEF_CFA_SF:
			number = cfi_read_uleb(c);
			cfi_define_cfa(s, number,
						   cfi_scaled((uint64_t) cfi_read_sleb(c), info->data_alignment));
			return true;
		case CFA_DEF_CFA_REGISTER:
			s->cfa_register = cfi_read_uleb(c);
			return true;
		case CFA_DEF_CFA_OFFSET:
			s->cfa_offset = (int64_t) cfi_read_uleb(c);
			return true;
		case CFA_DEF_CFA_OFFSET_SF:
			s->cfa_offset = cfi_scaled((uint64_t) cfi_read_sleb(c), info->data_alignment);
			return true;
		case CFA_DEF_CFA_EXPRESSION:
			s->cfa_known = cfi_read_expression(c, &s->cfa_offset, &s->cfa_deref) && s->cfa_deref;
			s->cfa_register = REGISTER_FP;
			return true;
		case CFA_EXPRESSION:
			number = cfi_read_uleb(c);
			if (cfi_read_expression(c, &offset, &deref) && !deref)
				cfi_locate(s, number, LOCATION_FP, offset);
			else
				cfi_locate(s, number, LOCATION_UNKNOWN, 0);
			return true;
		case CFA_VAL_EXPRESSION:
			cfi_locate(s, cfi_read_uleb(c), LOCATION_UNKNOWN, 0);
			cfi_skip(c, cfi_read_uleb(c));
			return true;
		case CFA_GNU_ARGS_SIZE:
			(void) cfi_read_uleb(c);
			return true;
		default:
			return false;
	}
}

/*
 * cfi_run
 *		Run instructions until they reach the code behind pc.  They begin with the code at the
 *		address at.
 */
static bool
cfi_run(cursor c, const cie *info, uintptr_t at, uintptr_t pc, state *s, const state *initial)
{
	state remembered[REMEMBERED];
	int depth = 0;

	while (c.at < c.end && !c.bad)
	{
		uint64_t instruction = cfi_read_bytes(&c, 1);
		uint64_t operand = instruction & 0x3f;
		uint64_t advance = 0;

		if ((instruction & 0xc0) == CFA_ADVANCE_LOC)
			advance = operand;
		else if ((instruction & 0xc0) == CFA_OFFSET)
			cfi_locate(s, operand, LOCATION_CFA,
					   cfi_scaled(cfi_read_uleb(&c), info->data_alignment));
		else if ((instruction & 0xc0) == CFA_RESTORE)
			cfi_restore(s, initial, operand);
		else if (instruction == CFA_ADVANCE_LOC1)
			advance = cfi_read_bytes(&c, 1);
		else if (instruction == CFA_ADVANCE_LOC2)
			advance = cfi_read_bytes(&c, 2);
		else if (instruction == CFA_ADVANCE_LOC4)
			advance = cfi_read_bytes(&c, 4);
		else if (instruction == CFA_SET_LOC)
			at = cfi_read_pointer(&c, info->pointer_encoding);
		else if (instruction == CFA_REMEMBER_STATE)
		{
			if (depth == REMEMBERED)
				return false;
			remembered[depth++] = *s;
		}
		else if (instruction == CFA_RESTORE_STATE)
		{
			if (depth == 0)
				return false;
			*s = remembered[--depth];
		}
		else if (!cfi_run_other(&c, info, instruction, s, initial))
			return false;
		at += advance * info->code_alignment;
		if (at > pc)
			break;
	}
	return !c.bad;
}

/*
 * cfi_set_cfa
 *		Put the CFA into a rule.  False if a rule cannot express it.
 */
static bool
cfi_set_cfa(ga_rule *rule, const state *s)
{
	if (!s->cfa_known || s->cfa_offset != (int32_t) s->cfa_offset)
		return false;
	if (s->cfa_register == REGISTER_FP)
		rule->base = s->cfa_deref ? GA_BASE_AT_FP : GA_BASE_FP;
	else if (s->cfa_register == REGISTER_SP)
		rule->base = GA_BASE_SP;
	else
		return false;
	rule->cfa_offset = (int32_t) s->cfa_offset;
	return true;
}

/*
 * cfi_in_words
 *		Convert an offset from bytes to words.  False if it is too large for a rule.
 */
static bool
cfi_in_words(int64_t offset, int8_t *words)
{
	*words = (int8_t) (offset / (int64_t) sizeof(uintptr_t));
	return *words * (int64_t) sizeof(uintptr_t) == offset;
}

static bool
cfi_set_return_address(ga_rule *rule, const location *ra)
{
	if (ra->kind == LOCATION_SAME)
		return true;
	return ra->kind == LOCATION_CFA && cfi_in_words(ra->offset, &rule->ra_offset) &&
		   rule->ra_offset != 0;
}

static bool
cfi_set_frame_pointer(ga_rule *rule, const location *fp)
{
	if (fp->kind == LOCATION_SAME || fp->kind == LOCATION_UNDEFINED)
		return true;
	rule->fp_saved = fp->kind == LOCATION_CFA ? GA_SAVED_CFA : GA_SAVED_FP;
	return (fp->kind == LOCATION_CFA || fp->kind == LOCATION_FP) &&
		   cfi_in_words(fp->offset, &rule->fp_offset);
}

static ga_rule
cfi_rule_of(const cie *info, const state *s)
{
	ga_rule rule = {0};

	if (info->signal)
		rule.base = GA_BASE_SIGNAL;
	else if (s->ra.kind == LOCATION_UNDEFINED)
		rule.base = GA_BASE_OUTERMOST;
	else if (!cfi_set_cfa(&rule, s) || !cfi_set_return_address(&rule, &s->ra) ||
			 !cfi_set_frame_pointer(&rule, &s->fp))
		rule = (ga_rule){0};
	return rule;
}

/*
 * cfi_read_function
 *		Read the entry of a function, and run it to find the rule for one of its instructions.
 */
static bool
cfi_read_function(const ga_view *view, uintptr_t address, uintptr_t pc, ga_cfi_function *function)
{
	cursor c = cfi_begin_entry(view, address);
	uintptr_t from = c.at;
	uint64_t distance = cfi_read_bytes(&c, 4);
	state initial = {0};
	state s;
	cie info;

	if (c.bad || distance == 0 || !cfi_read_cie(view, from - distance, &info))
		return false;
	function->start = cfi_read_pointer(&c, info.pointer_encoding);
	function->end = function->start + cfi_read_pointer(&c, ENCODED_FORMAT(info.pointer_encoding));
	if (info.augmented)
		cfi_skip(&c, cfi_read_uleb(&c));
	if (c.bad || pc < function->start || pc >= function->end)
		return false;

	function->rule = (ga_rule){0};
	if (!cfi_run(info.instructions, &info, 0, 0, &initial, &initial))
		return true;
	s = initial;
	if (cfi_run(c, &info, function->start, pc, &s, &initial))
		function->rule = cfi_rule_of(&info, &s);
	return true;
}

/*
 * cfi_find_entry
 *		Search the sorted table for the function that has pc.  For each function it says where the
 *		function starts and where its entry is, both relative to the header of the table.
 */
static bool
cfi_find_entry(cursor c, uintptr_t hdr, uint64_t count, uintptr_t pc, uintptr_t *entry)
{
	uint64_t low = 0;
	uint64_t high = count;

	while (low < high)
	{
		uint64_t middle = low + (high - low) / 2;
		cursor at = c;

		cfi_skip(&at, middle * 8);
		if (hdr + (uintptr_t) (int64_t) (int32_t) cfi_read_bytes(&at, 4) > pc)
			high = middle;
		else
			low = middle + 1;
		if (at.bad)
			return false;
	}
	if (low == 0)
		return false;
	cfi_skip(&c, (low - 1) * 8 + 4);
	*entry = hdr + (uintptr_t) (int64_t) (int32_t) cfi_read_bytes(&c, 4);
	return !c.bad;
}

bool
ga_cfi_find(const ga_view *tables, uintptr_t hdr, uintptr_t pc, ga_cfi_function *function)
{
	cursor c = {tables, hdr, tables->high, hdr < tables->low || hdr > tables->high};
	uint64_t version = cfi_read_bytes(&c, 1);
	uint8_t eh_frame_encoding = (uint8_t) cfi_read_bytes(&c, 1);
	uint8_t count_encoding = (uint8_t) cfi_read_bytes(&c, 1);
	uint8_t table_encoding = (uint8_t) cfi_read_bytes(&c, 1);
	uintptr_t entry;
	uint64_t count;

	if (c.bad || version != 1 || table_encoding != ENCODED_DATAREL_SDATA4)
		return false;
	(void) cfi_read_pointer(&c, eh_frame_encoding);
	count = cfi_read_pointer(&c, count_encoding);
	return !c.bad && count <= (c.end - c.at) / 8 && cfi_find_entry(c, hdr, count, pc, &entry) &&
		   cfi_read_function(tables, entry, pc, function);
}
