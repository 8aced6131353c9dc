/*-------------------------------------------------------------------------
 *
 * pack.c
 *	  See pack.h.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backend/profile/pack.h"
#include "mcxt/foreign_text.h"
#include "mcxt/process_heap.h"

/* What stands before the frames and names of a row. */
typedef struct RowHead
{
	SiteFigures figures;
	int64 query_id;
	Oid database;
	Oid role;
	int depth;
	int names_length;
} RowHead;

Size
PackRowSize(int depth, int names_length)
{
	return sizeof(RowHead) + sizeof(ModuleOffset) * (Size) depth + MAXALIGN((Size) names_length);
}

Size
PackHeadSize(void)
{
	return MAXALIGN(sizeof(PackedProfile)) + sizeof(Module) * MAX_MODULES;
}

PackedProfile *
PackBegin(void *memory, Size size)
{
	PackedProfile *packed = memory;

	memset(packed, 0, sizeof(*packed));
	packed->size = TYPEALIGN_DOWN(MAXIMUM_ALIGNOF, size);
	packed->used = MAXALIGN(sizeof(PackedProfile));
	return packed;
}

static void
pack_add_figures(SiteFigures *sum, const SiteFigures *figures)
{
	sum->live_samples += figures->live_samples;
	sum->samples += figures->samples;
	sum->live_objects += figures->live_objects;
	sum->live_bytes += figures->live_bytes;
	sum->objects += figures->objects;
	sum->bytes += figures->bytes;
}

void
PackRow(PackedProfile *packed, const ProfileRow *row)
{
	Size size = PackRowSize(row->depth, row->names_length);
	char *at = (char *) packed + packed->used;
	RowHead head = {
		row->figures, row->query_id, row->database, row->role, row->depth, row->names_length,
	};

	if (size > packed->size - sizeof(Module) * MAX_MODULES - packed->used)
	{
		packed->left_out++;
		pack_add_figures(&packed->rest, &row->figures);
		return;
	}
	memcpy(at, &head, sizeof(head));
	at += sizeof(head);
	memcpy(at, row->frames, sizeof(ModuleOffset) * (Size) row->depth);
	at += sizeof(ModuleOffset) * (Size) row->depth;
	memcpy(at, row->names, (Size) row->names_length);
	packed->used += size;
	packed->rows++;
}

/*
 * packed_modules
 *		Where the modules stand.
 */
static Module *
packed_modules(const PackedProfile *packed)
{
	return (Module *) ((char *) packed + packed->size - sizeof(Module) * MAX_MODULES);
}

void
PackModule(PackedProfile *packed, const Module *module)
{
	packed_modules(packed)[packed->modules++] = *module;
}

int
PackNames(char *names, const char *const *site_names)
{
	int length = 0;

	for (int i = 0; i < SITE_NAMES && site_names[i] != NULL; i++)
	{
		char name[CONTEXT_NAME_LENGTH];
		int name_length;

		name_length = (int) strlen(ForeignNameCopy(name, site_names[i], sizeof(name))) + 1;
		if (length + name_length > PROFILE_NAMES)
			break;
		memcpy(names + length, name, (Size) name_length);
		length += name_length;
	}
	return length;
}

static void
pack_site(PackedProfile *packed, const Site *site)
{
	ModuleOffset frames[SITE_STACK_DEPTH];
	char names[PROFILE_NAMES];
	ProfileRow row = {
		.figures = site->figures,
		.query_id = site->key.query_id,
		.database = site->key.database,
		.role = site->key.role,
		.depth = (int) site->key.depth,
		.frames = frames,
		.names = names,
	};

	if (site->figures.samples == 0)
		return;
	for (int i = 0; i < row.depth; i++)
		frames[i] = ModulesFind(site->key.stack[i]);
	row.names_length = PackNames(names, site->key.names);
	PackRow(packed, &row);
}

/*
 * pack_compare_sites
 *		Sites by live bytes, and by bytes if nothing lives.
 */
static int
pack_compare_sites(const void *a, const void *b)
{
	const SiteFigures *left = &SitesGet(*(const int16 *) a)->figures;
	const SiteFigures *right = &SitesGet(*(const int16 *) b)->figures;

	if (left->live_bytes != right->live_bytes)
		return left->live_bytes > right->live_bytes ? -1 : 1;
	if (left->bytes != right->bytes)
		return left->bytes > right->bytes ? -1 : 1;
	return 0;
}

void
PackOwn(void *memory, Size size)
{
	static int16 order[MAX_SITES + 1];
	PackedProfile *packed = PackBegin(memory, size);
	int count = SitesCount();

	for (int i = 0; i < count; i++)
		order[i] = (int16) i;
	qsort(order, (size_t) count, sizeof(order[0]), pack_compare_sites);
	for (int i = 0; i < count; i++)
		pack_site(packed, SitesGet(order[i]));
	for (int i = 1; i <= ModulesCount(); i++)
		PackModule(packed, ModulesGet(i));
	packed->lost = SitesLost();
	packed->rate = goarena_profile_rate;
}

Size
PackOwnSize(void)
{
	Size size = PackHeadSize();

	for (int i = 0; i < SitesCount(); i++)
		size = add_size(size, PackRowSize((int) SitesGet(i)->key.depth, PROFILE_NAMES));
	return size;
}

/*
 * PackedNext
 *		What lies in memory that others can write to is taken as it is found, as long as
 *		it lies within it.
 */
bool
PackedNext(const PackedProfile *packed, Size *offset, ProfileRow *row)
{
	Size start = *offset == 0 ? MAXALIGN(sizeof(PackedProfile)) : *offset;
	const char *at = (const char *) packed + start;
	Size size;
	RowHead head;

	if (packed->used > packed->size || start + sizeof(head) > packed->used)
		return false;
	memcpy(&head, at, sizeof(head));
	if (head.depth < 0 || head.depth > SITE_STACK_DEPTH || head.names_length < 0 ||
		head.names_length > PROFILE_NAMES)
		return false;
	size = PackRowSize(head.depth, head.names_length);
	if (size > packed->used - start)
		return false;
	*row = (ProfileRow){
		.figures = head.figures,
		.query_id = head.query_id,
		.database = head.database,
		.role = head.role,
		.depth = head.depth,
		.frames = (const ModuleOffset *) (at + sizeof(head)),
		.names_length = head.names_length,
		.names = at + sizeof(head) + sizeof(ModuleOffset) * (Size) head.depth,
	};
	if (head.names_length > 0 && row->names[head.names_length - 1] != '\0')
		return false;
	*offset = start + size;
	return true;
}

const Module *
PackedModule(const PackedProfile *packed, int number)
{
	if (number < 1 || number > packed->modules || number > MAX_MODULES)
		return NULL;
	return &packed_modules(packed)[number - 1];
}
