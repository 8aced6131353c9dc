#!/bin/bash
# run.sh - read heap profiles with the real tool, go tool pprof
#
# A server with goarena leaks 100 MB in one function.  Debian's pprof has to find it in
# what goarena_profile_pprof() returns, and to draw it.  As root, gets golang-go and
# graphviz if they are missing.
#
#   OUTDIR  where the picture, the profile and the collapsed stacks are kept, if set

# shellcheck source=scripts/common.sh
source "$(dirname "$0")/../../scripts/common.sh"
# shellcheck source=test/release/tap.sh
source "$TOP/test/release/tap.sh"

# Is there the tool, and what draws for it?
is_there()
{
	command -v dot >/dev/null && [ -x "$(command -v go)" ] && HOME=/nonexistent GOCACHE=off go tool -n pprof >/dev/null 2>&1
}

get_tools()
{
	export DEBIAN_FRONTEND=noninteractive
	apt-get -q update && apt-get install -y -q --no-install-recommends golang-go graphviz
}

# Run the tool on profile $1 with the options in the other arguments.
pprof()
{
	local profile=$1

	shift
	run_as env GOCACHE=off PPROF_TMPDIR="$SCRATCH" go tool pprof -symbolize=none "$@" "$profile"
}

# The session that leaks asks for its own profile, in base64, and for stacks.
make_profiles()
{
	run_as psql -XAtq -c 'CREATE EXTENSION goarena' -c 'CREATE EXTENSION goarena_test'
	run_as psql -XAtq -c "SET goarena.profile_rate = '16kB'" -c 'SELECT test_plant(100000)' \
		-c '\o own.base64' -c "SELECT encode(goarena_profile_pprof(), 'base64')" \
		-c '\o own.folded' -c 'SELECT goarena_profile_folded()' \
		-c '\o server.base64' -c "SELECT encode(goarena_profile_pprof(NULL), 'base64')"
	base64 -d "$SCRATCH/own.base64" >"$SCRATCH/own.pb.gz"
	base64 -d "$SCRATCH/server.base64" >"$SCRATCH/server.pb.gz"
}

# Is the function that leaks first in the table that pprof prints of profile $1, with 95 to
# 116 MB?  That is what 100,000 objects of 1,000 bytes take, and 10 % to both sides.
finds_leak()
{
	local top

	top=$(pprof "$1" -top -sample_index=inuse_space -unit=mb) && say "$top" &&
		awk '$1 ~ /MB$/ { exit !($6 == "test_planted_leak" && $1 + 0 >= 90 && $1 + 0 <= 111) }' <<<"$top"
}

# Has the profile this kind of value, and is a function first in it?
ranks()
{
	local top

	top=$(pprof "$SCRATCH/own.pb.gz" -top -sample_index="$1") && say "$top" | head -n 12 &&
		grep -q "^Type: $1" <<<"$top" && sed -n '/flat%/{n;p}' <<<"$top" | grep -qE "$2"
}

traces_have()
{
	pprof "$SCRATCH/own.pb.gz" -traces >"$SCRATCH/traces" &&
		grep -qE "$1" "$SCRATCH/traces"
}

# Does each module have a build id, as far as there is one?
mappings_have_build_ids()
{
	pprof "$SCRATCH/own.pb.gz" -raw >"$SCRATCH/raw" && sed -n '/^Mappings/,$p' "$SCRATCH/raw" &&
		sed -n '/^Mappings/,$p' "$SCRATCH/raw" | grep -qE '/postgres [0-9a-f]{40} .*\[FN\]'
}

tags_are()
{
	pprof "$SCRATCH/own.pb.gz" -tags >"$SCRATCH/tags" && grep -E "^ *$1: " "$SCRATCH/tags"
}

draws()
{
	pprof "$SCRATCH/own.pb.gz" -svg >"$SCRATCH/leak.svg" &&
		grep -q '<svg' "$SCRATCH/leak.svg" && grep -q test_planted_leak "$SCRATCH/leak.svg"
}

draws_flames()
{
	"$TOP/scripts/flamegraph.pl" "$SCRATCH/own.folded" >"$SCRATCH/flames.svg" &&
		grep -q '>test_planted_leak' "$SCRATCH/flames.svg" &&
		perl -ne '$open += () = /<(?:svg|g|rect|text|title)\b(?![^>]*\/>)/g; $open -= () = /<\/(?:svg|g|rect|text|title)>/g;
			END { exit $open != 0 }' "$SCRATCH/flames.svg"
}

if ! is_there; then
	[ "$EUID" -eq 0 ] && get_tools >/dev/null 2>&1 && is_there || skip "golang-go and graphviz cannot be had"
fi
find_postgres
make_scratch
start_server "shared_preload_libraries = 'goarena'" 'compute_query_id = on' 'jit = off'
ok 'profiles are made' make_profiles
ok 'pprof finds the leak in the profile of a session' finds_leak "$SCRATCH/own.pb.gz"
ok 'and in that of the server' finds_leak "$SCRATCH/server.pb.gz"
ok 'objects in use' ranks inuse_objects 'test_planted_leak$'
ok 'bytes allocated' ranks alloc_space 'test_planted_(leak|churn)$'
ok 'objects allocated' ranks alloc_objects 'test_planted_(leak|churn)$'
ok 'traces name the memory context' traces_have 'context: *goarena planted'
ok 'and its parent' traces_have 'parent: *TopMemoryContext'
ok 'and the query' traces_have 'query: *-?[0-9]+'
ok 'tags say how much is in which context' tags_are context
ok 'modules have build ids' mappings_have_build_ids
ok 'pprof draws it' draws
ok 'collapsed stacks make a flame graph' draws_flames
if [ -n "${OUTDIR:-}" ]; then
	make_output_dir "$OUTDIR"
	cp "$SCRATCH"/{own.pb.gz,own.folded,leak.svg,flames.svg} "$OUTDIR"
fi
done_testing
