# tap.sh - report tests as TAP
# To be sourced by bash, after common.sh.
#
# shellcheck shell=bash

tests_done=0
tests_failed=0

# One test, named $1: the rest is a command that has to succeed.
ok()
{
	local name=$1

	shift
	tests_done=$((tests_done + 1))
	if "$@" >"$SCRATCH/ok.log" 2>&1; then
		say "ok $tests_done - $name"
	else
		tests_failed=$((tests_failed + 1))
		say "not ok $tests_done - $name"
		sed 's/^/#   /' "$SCRATCH/ok.log" | tail -n 40
	fi
}

# The same, of a command that has to fail and to say what matches $2.
refused()
{
	local name=$1 pattern=$2

	shift 2
	ok "$name" fails_with "$pattern" "$@"
}

fails_with()
{
	local pattern=$1 output

	shift
	if output=$("$@" 2>&1); then
		say "it succeeded"
		return 1
	fi
	say "$output"
	grep -q -- "$pattern" <<<"$output"
}

# End with the number of tests.
done_testing()
{
	say "1..$tests_done"
	[ "$tests_failed" -eq 0 ]
}
