/*-------------------------------------------------------------------------
 *
 * pprof.c
 *	  See pprof.h.
 *
 * The four values of a sample have the names that Go gives them, so that what is known
 * of the tool holds.  Functions have their names; addresses are offsets in files, each
 * file moved to a place of its own, so that they tell nothing of where code lies in a
 * process.
 *
 * protobuf-c writes the messages, which are made of palloc'd structs here, and zlib
 * compresses them.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <zlib.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "backend/profile/folded.h"
#include "backend/profile/names.h"
#include "backend/profile/pprof.h"
#include "backend/profile/profile.pb-c.h"

/* Longer strings are cut off. */
#define STRING_SIZE 256

/* Each module is moved to a range of addresses of this size. */
#define MODULE_RANGE_SHIFT 40

#define OUTPUT_STEP (64 * 1024)

typedef struct NumberedString
{
	char text[STRING_SIZE]; /* must be first: it is the key */
	int64 number;
} NumberedString;

typedef struct NumberedLocation
{
	ModuleOffset address; /* must be first */
	uint64 id;
} NumberedLocation;

typedef struct FunctionKey
{
	int64 name;
	int64 file;
} FunctionKey;

typedef struct NumberedFunction
{
	FunctionKey key; /* must be first */
	uint64 id;
} NumberedFunction;

typedef struct Builder
{
	const PackedProfile *packed;
	NameCache *names;
	HTAB *strings;
	HTAB *locations;
	HTAB *functions;
	uint64 dropped_location; /* 0 if there is none yet */
	Goarena__Profile profile;
} Builder;

/*
 * pprof_grow
 *		Room for twice as many elements as there are.
 */
static void *
pprof_grow(void *array, size_t count, size_t size)
{
	if (count == 0)
		return palloc(size);
	return repalloc_huge(array, mul_size(2 * count, size));
}

#define APPEND(array, count, element)                                                              \
	do                                                                                             \
	{                                                                                              \
		if (((count) & ((count) -1)) == 0)                                                         \
			(array) = pprof_grow((array), (count), sizeof(*(array)));                              \
		(array)[(count)++] = (element);                                                            \
	} while (0)

static int64
pprof_string(Builder *builder, const char *text)
{
	char key[STRING_SIZE];
	NumberedString *string;
	bool found;

	strlcpy(key, text, sizeof(key));
	string = hash_search(builder->strings, key, HASH_ENTER, &found);
	if (!found)
	{
		string->number = (int64) builder->profile.n_string_table;
		APPEND(builder->profile.string_table, builder->profile.n_string_table, string->text);
	}
	return string->number;
}

static Goarena__ValueType *
pprof_value_type(Builder *builder, const char *type, const char *unit)
{
	Goarena__ValueType *value = palloc(sizeof(*value));

	goarena__value_type__init(value);
	value->type = pprof_string(builder, type);
	value->unit = pprof_string(builder, unit);
	return value;
}

static HTAB *
pprof_table(const char *name, Size key, Size entry, int flags)
{
	HASHCTL control = {.keysize = key, .entrysize = entry, .hcxt = CurrentMemoryContext};

	return hash_create(name, 256, &control, HASH_ELEM | HASH_CONTEXT | flags);
}

static void
pprof_add_mapping(Builder *builder, int number)
{
	const Module *module = PackedModule(builder->packed, number);
	Goarena__Mapping *mapping = palloc(sizeof(*mapping));
	uint64 base = (uint64) number << MODULE_RANGE_SHIFT;
	char build_id[2 * MODULE_BUILD_ID + 1] = "";

	for (int i = 0; i < Min(module->build_id_length, MODULE_BUILD_ID); i++)
		snprintf(build_id + 2 * i, 3, "%02x", module->build_id[i]);
	goarena__mapping__init(mapping);
	mapping->id = (uint64) number;
	mapping->memory_start = base + (module->start - module->base);
	mapping->memory_limit = base + (module->end - module->base);
	mapping->file_offset = module->file_offset;
	mapping->filename = pprof_string(builder, module->path);
	mapping->build_id = pprof_string(builder, build_id);
	mapping->has_functions = true;
	APPEND(builder->profile.mapping, builder->profile.n_mapping, mapping);
}

static uint64
pprof_function(Builder *builder, const char *name, const char *file)
{
	FunctionKey key = {pprof_string(builder, name), pprof_string(builder, file)};
	Goarena__Function *function;
	NumberedFunction *numbered;
	bool found;

	numbered = hash_search(builder->functions, &key, HASH_ENTER, &found);
	if (found)
		return numbered->id;
	function = palloc(sizeof(*function));
	goarena__function__init(function);
	function->id = numbered->id = builder->profile.n_function + 1;
	function->name = function->system_name = key.name;
	function->filename = key.file;
	APPEND(builder->profile.function, builder->profile.n_function, function);
	return numbered->id;
}

static uint64
pprof_add_location(Builder *builder, uint64 mapping, uint64 address, uint64 function)
{
	Goarena__Location *location = palloc(sizeof(*location));
	Goarena__Line *line = palloc(sizeof(*line));

	goarena__line__init(line);
	line->function_id = function;
	goarena__location__init(location);
	location->id = builder->profile.n_location + 1;
	location->mapping_id = mapping;
	location->address = address;
	APPEND(location->line, location->n_line, line);
	APPEND(builder->profile.location, builder->profile.n_location, location);
	return location->id;
}

static uint64
pprof_location(Builder *builder, ModuleOffset address)
{
	uint64 number = (uint64) ModuleNumber(address);
	NumberedLocation *numbered;
	const NamedFrame *frame;
	bool found;

	numbered = hash_search(builder->locations, &address, HASH_ENTER, &found);
	if (found)
		return numbered->id;
	frame = NamesFind(builder->names, address);
	if (PackedModule(builder->packed, (int) number) == NULL)
		number = 0;
	return numbered->id = pprof_add_location(
			   builder, number,
			   number == 0 ? 0 : (number << MODULE_RANGE_SHIFT) + ModuleOffsetIn(address),
			   pprof_function(builder, frame->function, frame->file));
}

static void
pprof_add_label(Builder *builder, Goarena__Sample *sample, const char *key, const char *text,
				int64 number)
{
	Goarena__Label *label = palloc(sizeof(*label));

	goarena__label__init(label);
	label->key = pprof_string(builder, key);
	if (text != NULL)
		label->str = pprof_string(builder, text);
	else
		label->num = number;
	APPEND(sample->label, sample->n_label, label);
}

static void
pprof_add_labels(Builder *builder, Goarena__Sample *sample, const ProfileRow *row)
{
	int parent = row->names_length == 0 ? 0 : (int) strlen(row->names) + 1;
	char query_id[32];

	if (row->names_length > 0)
		pprof_add_label(builder, sample, "context", row->names, 0);
	if (parent < row->names_length)
		pprof_add_label(builder, sample, "parent", row->names + parent, 0);
	if (row->query_id != 0)
	{
		snprintf(query_id, sizeof(query_id), INT64_FORMAT, row->query_id);
		pprof_add_label(builder, sample, "query", query_id, 0);
	}
	if (OidIsValid(row->database))
		pprof_add_label(builder, sample, "dbid", NULL, (int64) row->database);
	if (OidIsValid(row->role))
		pprof_add_label(builder, sample, "userid", NULL, (int64) row->role);
}

static void
pprof_add_sample(Builder *builder, const ProfileRow *row)
{
	Goarena__Sample *sample = palloc(sizeof(*sample));
	int first = NamesFirstFrame(builder->names, row);

	goarena__sample__init(sample);
	for (int i = first; i < row->depth; i++)
		APPEND(sample->location_id, sample->n_location_id, pprof_location(builder, row->frames[i]));
	if (first == row->depth)
	{
		if (builder->dropped_location == 0)
			builder->dropped_location =
				pprof_add_location(builder, 0, 0, pprof_function(builder, "dropped", ""));
		APPEND(sample->location_id, sample->n_location_id, builder->dropped_location);
	}
	for (int i = 0; i < NUM_PROFILE_VALUES; i++)
		APPEND(sample->value, sample->n_value, ProfileRowValue(&row->figures, (ProfileValue) i));
	pprof_add_labels(builder, sample, row);
	APPEND(builder->profile.sample, builder->profile.n_sample, sample);
}

static void
pprof_begin(Builder *builder, const PackedProfile *packed)
{
	Goarena__Profile *profile = &builder->profile;
	TimestampTz now = GetCurrentTimestamp();

	memset(builder, 0, sizeof(*builder));
	goarena__profile__init(profile);
	builder->packed = packed;
	builder->names = NamesBegin(packed);
	builder->strings =
		pprof_table("goarena strings", STRING_SIZE, sizeof(NumberedString), HASH_STRINGS);
	builder->locations = pprof_table("goarena locations", sizeof(ModuleOffset),
									 sizeof(NumberedLocation), HASH_BLOBS);
	builder->functions =
		pprof_table("goarena functions", sizeof(FunctionKey), sizeof(NumberedFunction), HASH_BLOBS);
	(void) pprof_string(builder, "");
	for (int i = 0; i < NUM_PROFILE_VALUES; i++)
	{
		bool space = i == VALUE_ALLOC_SPACE || i == VALUE_INUSE_SPACE;

		APPEND(profile->sample_type, profile->n_sample_type,
			   pprof_value_type(builder, profile_value_names[i], space ? "bytes" : "count"));
	}
	profile->default_sample_type = pprof_string(builder, profile_value_names[VALUE_INUSE_SPACE]);
	profile->period_type = pprof_value_type(builder, "space", "bytes");
	profile->period = packed->rate;
	profile->time_nanos = (now + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY) * 1000;
	for (int i = 1; i <= Min(packed->modules, MAX_MODULES); i++)
		pprof_add_mapping(builder, i);
}

static void *
pprof_gzip_alloc(void *opaque, unsigned count, unsigned size)
{
	return palloc_extended(mul_size(count, size), MCXT_ALLOC_NO_OOM);
}

static void
pprof_gzip_free(void *opaque, void *memory)
{
	pfree(memory);
}

/*
 * pprof_gzip
 *		Append compressed bytes.
 */
static void
pprof_gzip(StringInfo output, uint8 *bytes, size_t size)
{
	z_stream stream = {.zalloc = pprof_gzip_alloc, .zfree = pprof_gzip_free};
	int result;

	/* 16 says that it is to be gzip's format. */
	result = deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + 16, 8,
						  Z_DEFAULT_STRATEGY);
	if (result != Z_OK)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
						errdetail("Failed while compressing a heap profile.")));
	do
	{
		size_t piece = Min(size, OUTPUT_STEP);

		CHECK_FOR_INTERRUPTS();
		if (stream.avail_in == 0)
		{
			stream.next_in = bytes;
			stream.avail_in = (unsigned) piece;
			bytes += piece;
			size -= piece;
		}
		enlargeStringInfo(output, OUTPUT_STEP);
		stream.next_out = (uint8 *) output->data + output->len;
		stream.avail_out = OUTPUT_STEP;
		result = deflate(&stream, size == 0 ? Z_FINISH : Z_NO_FLUSH);
		output->len += OUTPUT_STEP - (int) stream.avail_out;
	} while (result == Z_OK || result == Z_BUF_ERROR);
	(void) deflateEnd(&stream);
	if (result != Z_STREAM_END)
		elog(ERROR, "could not compress a heap profile: zlib says %d", result);
}

bytea *
PprofMake(const PackedProfile *packed)
{
	Builder builder;
	ProfileRow rest = {.figures = packed->rest};
	ProfileRow row;
	Size offset = 0;
	StringInfoData output;
	uint8 *bytes;
	size_t size;

	pprof_begin(&builder, packed);
	while (PackedNext(packed, &offset, &row))
	{
		CHECK_FOR_INTERRUPTS();
		pprof_add_sample(&builder, &row);
	}
	if (packed->rest.samples > 0)
		pprof_add_sample(&builder, &rest);

	size = goarena__profile__get_packed_size(&builder.profile);
	bytes = MemoryContextAllocHuge(CurrentMemoryContext, Max(size, 1));
	(void) goarena__profile__pack(&builder.profile, bytes);
	initStringInfo(&output);
	appendStringInfoSpaces(&output, VARHDRSZ);
	pprof_gzip(&output, bytes, size);
	SET_VARSIZE(output.data, output.len);
	return (bytea *) output.data;
}
