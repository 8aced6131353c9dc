#!/bin/bash
# allocator.sh - part of run.sh: memory contexts by themselves
#
# Times patterns of allocation over contexts of each type in one backend, see
# test/modules/goarena_bench/allocator.c.

# shellcheck source=bench/common.sh
source "$(dirname "$0")/common.sh"

sample_ms=$(size 0.2 10)
read -ra sizes <<<"$(size '8 8192' '8 16 32 64 128 256 512 1024 2048 4096 8192')"
read -ra counts <<<"$(size '10 1000' '10 100 1000 10000 100000')"

# Measure pattern $1 with objects of $2 bytes, $3 of them, which is case $4.
measure()
{
	local type round ns

	progress "$1: $4"
	sql default -c "SELECT * FROM bench_allocator('$1', $2, $3, $rounds, $sample_ms)"
	while IFS=$'\t' read -r type round ns; do
		record "$1" "$4" "$type" "$round" "$ns"
		record all "$1, $4" "$type" "$round" "$ns"
	done <"$SCRATCH/output"
}

begin_part
table all all AllocSet ns speed 'all patterns: speed against AllocSet'
table all-generation all Generation ns speed 'all patterns: speed against Generation'
target all 'arena, off' mean '>=' 1.5 'all patterns, against AllocSet'
target all 'arena, off' least '>=' 0.9 'all patterns, slowest cell against AllocSet'
target all-generation 'arena, off' mean '>=' 1 'all patterns, against Generation'
table bulk bulk AllocSet ns speed 'allocate that many objects, then reset: speed against AllocSet'
table fifo fifo AllocSet ns speed 'first in, first out, that many objects live: speed against AllocSet'
table grow grow AllocSet ns speed 'objects doubled by repalloc until they have 16 MB together: speed against AllocSet'
table create create AllocSet ns speed 'create a context, allocate, delete: speed against AllocSet'
for pattern in bulk fifo grow create; do
	table "$pattern-generation" "$pattern" Generation ns speed "$pattern: speed against Generation"
	target "$pattern-generation" 'arena, off' mean '>=' 1 "$pattern, against Generation"
done
for pattern in fifo create; do
	target "$pattern" 'arena, off' mean '>=' 0.95 "$pattern, against AllocSet"
done
if [ "$PG_MAJOR" -ge 17 ]; then
	for pattern in bulk create; do
		table "$pattern-bump" "$pattern" Bump ns speed "$pattern: speed against Bump"
		target "$pattern-bump" 'arena, off' mean '>=' 0.9 "$pattern, against Bump"
	done
fi

start_server 'autovacuum = off'
stop_server
start_config default
sql default -c 'CREATE EXTENSION goarena_bench'

for bytes in "${sizes[@]}"; do
	for count in "${counts[@]}"; do
		measure bulk "$bytes" "$count" "$bytes bytes, $count objects"
		measure fifo "$bytes" "$count" "$bytes bytes, $count live"
	done
done
for bytes in 64 8192; do
	for count in 1 8; do
		measure grow "$bytes" "$count" "from $bytes bytes, $count objects"
	done
done
for bytes in $(size 64 '32 256 1024'); do
	for count in $(size 4 '1 4 16 64'); do
		measure create "$bytes" "$count" "$bytes bytes, $count objects"
	done
done
end_part
