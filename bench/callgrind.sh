# callgrind.sh - count the instructions of transactions with valgrind
#
# To be sourced after scripts/common.sh.  A count does not depend on what else the machine
# does.  It leaves out what the kernel does.  Misses of the first caches, for code and for
# data, are those of valgrind's model of them, with 32 kB for each.
#
# Transactions of pgbench's kind run in single-user mode, once a few and once many; the
# difference is what one costs.  There nothing is published for other processes, and no
# timer runs: in a backend that costs some 700 instructions, but only once in 10 ms.  What
# is prepared is prepared by SQL.
#
# Under valgrind a transaction takes some two hundred times the processor time.  goarena's sample
# goes by that, and would have up to two hundred times as many contexts in it.  So the server gets its
# processor time from scaled_clock.c.
#
# shellcheck shell=bash disable=SC2016,SC2154

have_valgrind()
{
	command -v valgrind >/dev/null || die "valgrind is not installed"
}

# Print ten tables of pgbench, joined.
ten_way_join()
{
	local i

	printf 'pgbench_accounts j1'
	for i in {2..10}; do
		printf ' JOIN pgbench_accounts j%d ON j%d.bid = j%d.aid' "$i" "$i" "$((i - 1))"
	done
}

# Print $2 transactions of workload $1, a query a line.
transactions_of()
{
	local i aid

	[ "$1" != select-prepared ] ||
		say 'PREPARE s(int) AS SELECT abalance FROM pgbench_accounts WHERE aid = $1;'
	[ "$1" != plan ] || say 'SET join_collapse_limit = 12;'
	for ((i = 1; i <= $2; i++)); do
		aid=$((i * 37 % 1000 + 1))
		case "$1" in
			select) say "SELECT abalance FROM pgbench_accounts WHERE aid = $aid;" ;;
			select-prepared) say "EXECUTE s($aid);" ;;
			plan) say "EXPLAIN SELECT count(*) FROM $(ten_way_join) WHERE j1.aid = $aid;" ;;
			loop)
				say "DO 'DECLARE words text[] := ''{}''; line text; BEGIN FOR i IN 1..500 LOOP" \
					"line := upper(md5(i::text)) || repeat(''x'', i % 100);" \
					"words := (words || line)[greatest(1, cardinality(words) - 10):]; END LOOP; END';" ;;
			tpcb)
				say 'BEGIN;'
				say "UPDATE pgbench_accounts SET abalance = abalance + $i WHERE aid = $aid;"
				say "SELECT abalance FROM pgbench_accounts WHERE aid = $aid;"
				say "UPDATE pgbench_tellers SET tbalance = tbalance + $i WHERE tid = $((i % 10 + 1));"
				say "UPDATE pgbench_branches SET bbalance = bbalance + $i WHERE bid = 1;"
				say "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime)" \
					"VALUES ($((i % 10 + 1)), 1, $aid, $i, CURRENT_TIMESTAMP);"
				say 'END;' ;;
		esac
	done
}

# Run $3 transactions of workload $2 on the cluster in directory $1, whose server is
# stopped.  More arguments are a command for the server to be run by, --, and the server's options.
# Leaves the processor time that it took, in seconds, in CPU.
run_single()
{
	local data=$1 workload=$2 number=$3 by=() status=0 TIMEFORMAT='%3U %3S'

	shift 3
	while [ "$1" != -- ]; do
		by+=("$1")
		shift
	done
	shift
	transactions_of "$workload" "$number" >"$SCRATCH/transactions.sql"
	{
		time run_as "${by[@]}" "$BINDIR/postgres" --single -D "$data" "$@" postgres \
			<"$SCRATCH/transactions.sql" >/dev/null 2>"$SCRATCH/single.log" || status=$?
	} 2>"$SCRATCH/cpu"
	[ "$status" -eq 0 ] || {
		tail -n 20 "$SCRATCH/single.log" >&2
		die "the server failed in single-user mode"
	}
	! grep -E '(ERROR|FATAL|PANIC):' "$SCRATCH/single.log" >&2 || die "a query failed"
	CPU=$(awk '{ print $1 + $2 }' "$SCRATCH/cpu")
}

# Run $3 transactions of workload $2 on the cluster in directory $1 and leave callgrind's data in
# file $4.  More arguments are options of the server.
run_callgrind()
{
	local data=$1 workload=$2 number=$3 file=$4

	shift 4
	run_single "$data" "$workload" "$number" env "LD_PRELOAD=$SCRATCH/scaled_clock.so" "SLOWDOWN=$slowdown" \
		valgrind --tool=callgrind "--callgrind-out-file=$file" --cache-sim=yes \
		--I1=32768,8,64 --D1=32768,8,64 --LL=1048576,16,64 -- "$@"
}

# Set slowdown to how many times longer transactions take under callgrind.  The arguments are those
# of count_transaction().  Without callgrind they are so fast that it takes more of them.
measure_slowdown()
{
	local data=$1 workload=$2 few=$3 many=$4 number times=()

	"${CC:-gcc}" -O2 -Wall -Wextra -Werror -shared -fPIC -o "$SCRATCH/scaled_clock.so" \
		"$TOP/bench/scaled_clock.c"
	shift 4
	slowdown=1
	for number in "$few" "$many"; do
		run_callgrind "$data" "$workload" "$number" /dev/null "$@"
		times+=("$CPU")
	done
	for number in "$few" $((few + 20 * (many - few))); do
		run_single "$data" "$workload" "$number" -- "$@"
		times+=("$CPU")
	done
	slowdown=$(say "${times[@]}" | awk '{ print ($2 > $1 && $4 > $3 ? ($2 - $1) / ($4 - $3) * 20 : 1) }')
}

# Print the sums of callgrind's data in file $1: instructions, misses of code, misses of data.
callgrind_sums()
{
	awk '
		/^events:/ { for (i = 2; i <= NF; i++) column[$i] = i }
		/^(summary|totals):/ {
			print $column["Ir"], $column["I1mr"], $column["D1mr"] + $column["D1mw"]
			exit
		}' "$1"
}

# Count workload $2 on the cluster in directory $1, with $3 and with $4 transactions, as
# run_callgrind() does, and print instructions, misses of code and misses of data of one.
# The data stays in $SCRATCH/callgrind.few and $SCRATCH/callgrind.many.
count_transaction()
{
	local data=$1 workload=$2 few=$3 many=$4

	shift 4
	[ -n "${slowdown:-}" ] || measure_slowdown "$data" "$workload" "$few" "$many" "$@"
	run_callgrind "$data" "$workload" "$few" "$SCRATCH/callgrind.few" "$@"
	run_callgrind "$data" "$workload" "$many" "$SCRATCH/callgrind.many" "$@"
	say "$(callgrind_sums "$SCRATCH/callgrind.few") $(callgrind_sums "$SCRATCH/callgrind.many")" |
		awk -v n=$((many - few)) '{ print ($4 - $1) / n, ($5 - $2) / n, ($6 - $3) / n }'
}
