#!/bin/bash
# run.sh - what monitoring/ has for Prometheus, with Debian's own programs
#
# promtool checks the rules and runs their tests; sql_exporter runs the queries against a
# scratch server with goarena, and is scraped over the loopback interface.  Both programs are
# taken out of their packages and not installed, since these would start services.
#
# goarena must be installed.  The exit status is 77, and the last line says why, if the
# packages cannot be had.
#
#   GOARENA_CACHE  where the programs are kept, see common.sh

# shellcheck source=scripts/common.sh
source "$(dirname "$0")/../../scripts/common.sh"
# shellcheck source=test/release/tap.sh
source "$TOP/test/release/tap.sh"

DATABASES=12					# more than have names in figures
PATIENCE=120					# seconds to wait for figures

# Take the programs out of the packages, once.
get_programs()
{
	local new

	find_cache
	PROGRAMS=$GOARENA_CACHE/monitoring
	[ ! -x "$PROGRAMS/prometheus-sql-exporter" ] || [ ! -x "$PROGRAMS/promtool" ] || return 0
	command -v apt-get >/dev/null || skip "no apt-get to get prometheus and prometheus-sql-exporter with"
	new=$SCRATCH/packages
	mkdir "$new"
	(cd "$new" && apt-get -q -o APT::Sandbox::User=root download prometheus prometheus-sql-exporter) >"$SCRATCH/apt.log" 2>&1 ||
		skip "prometheus or prometheus-sql-exporter cannot be had: $(tail -n 1 "$SCRATCH/apt.log")"
	for package in "$new"/*.deb; do
		dpkg-deb -x "$package" "$new/root" || skip "$(basename "$package") cannot be unpacked"
	done
	mkdir -p "$PROGRAMS"
	for program in promtool prometheus-sql-exporter; do
		cp "$new/root/usr/bin/$program" "$PROGRAMS/$program.$$"
		mv "$PROGRAMS/$program.$$" "$PROGRAMS/$program"		# others may be at it, too
	done
	rm -rf -- "$new"
}

psql_as()
{
	local user=$1

	shift
	run_as psql -XAtq -v ON_ERROR_STOP=1 -U "$user" "$@"
}

superuser()
{
	psql_as "$TEST_USER" -c "$1"
}

# Print what the exporter says.
scrape()
{
	run_as perl -MHTTP::Tiny -e '
		my $answer = HTTP::Tiny->new(timeout => 10, proxy => undef, http_proxy => undef)->get($ARGV[0]);
		die "$answer->{status} $answer->{reason}\n" unless $answer->{success};
		print $answer->{content}' "http://127.0.0.1:$PORT/metrics"
}

# Scrape until what is said matches pattern $1, and leave it in $SCRATCH/metrics.
scrape_until()
{
	local end=$((SECONDS + PATIENCE))

	while [ "$SECONDS" -lt "$end" ]; do
		scrape >"$SCRATCH/metrics" 2>"$SCRATCH/scrape.log" || true
		! grep -Eq "$1" "$SCRATCH/metrics" || return 0
		sleep 0.2
	done
	cat "$SCRATCH/scrape.log"
	grep '^sql_' "$SCRATCH/metrics"
	tail -n 20 "$SCRATCH/exporter.log"
	return 1
}

# Scrape until what is scraped is as the command in the arguments wants it.  Queries are not
# all run at the same moment, and those who are counted come and go.
soon()
{
	local end=$((SECONDS + PATIENCE))

	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 1
		scrape >"$SCRATCH/metrics" 2>"$SCRATCH/scrape.log" || true
	done
}

# Print the value of the metric $1 whose labels match all of the patterns that follow.
value()
{
	local lines

	lines=$(grep "^$1{" "$SCRATCH/metrics")
	shift
	for pattern; do
		lines=$(grep -- "$pattern" <<<"$lines")
	done
	sed 's/.* //' <<<"$lines"
}

# Is it so in arithmetic of numbers that may have fractions and exponents?
holds()
{
	say "$1"
	awk "BEGIN { exit !($1) }"
}

start_exporter()
{
	PORT=$(perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport')
	sed "s|'postgres:///.*'|'postgres:///postgres?host=$SCRATCH\&port=5432\&user=goarena_monitor\&sslmode=disable'|; s|interval: .*|interval: '1s'|" \
		"$TOP/monitoring/sql_exporter.yml" >"$SCRATCH/sql_exporter.yml"
	start_background exporter
}

exporter()
{
	run_as env PGAPPNAME=exporter "$PROGRAMS/prometheus-sql-exporter" -config.file "$SCRATCH/sql_exporter.yml" \
		-web.listen-address "127.0.0.1:$PORT" >"$SCRATCH/exporter.log" 2>&1
}

rules_are_right()
{
	"$PROGRAMS/promtool" check rules "$TOP/monitoring/alerts.yml"
}

rules_do_what_they_say()
{
	"$PROGRAMS/promtool" test rules "$TOP/monitoring/alerts_test.yml"
}

each_alert_is_tested()
{
	local alert

	for alert in $(sed -n 's/.*- alert: //p' "$TOP/monitoring/alerts.yml"); do
		say "$alert"
		grep -A 1 "alertname: $alert$" "$TOP/monitoring/alerts_test.yml" | grep -q exp_alerts || return 1
	done
}

# Are all metrics that alerts ask for, with the label col as they do, among those scraped?
alerts_have_their_metrics()
{
	local selector metric col

	grep -o 'sql_goarena_[a-z_]*{col=~\?"[a-z_|]*"}' "$TOP/monitoring/alerts.yml" | sort -u >"$SCRATCH/selectors"
	[ -s "$SCRATCH/selectors" ] || return 1
	while read -r selector; do
		metric=${selector%%\{*}
		for col in $(sed 's/.*"\(.*\)".*/\1/; s/|/ /g' <<<"$selector"); do
			say "$metric $col"
			[ -n "$(value "$metric" "col=\"$col\"")" ] || return 1
		done
	done <"$SCRATCH/selectors"
}

# The labels are no others, and none is a process ID, a query or a context.
labels_are_bounded()
{
	local labels

	labels=$(grep '^sql_goarena' "$SCRATCH/metrics" | grep -o '[a-z_]*="' | sort -u | tr -d '="' | paste -s -d ' ')
	say "$labels"
	[ "$labels" = "backend_type col database datname driver host kind sql_job state user" ]
}

databases_are_few()
{
	local names

	names=$(grep '^sql_goarena_processes' "$SCRATCH/metrics" | grep -o 'datname="[^"]*"' | sort -u)
	say "$names"
	[ "$(wc -l <<<"$names")" -le 11 ] && grep -q '"(others)"' <<<"$names"
}

# Is the sum of what all databases hold what the server itself says?
sums_are_right()
{
	local sum total

	sum=$(value sql_goarena_processes 'col="held"' | awk '{ sum += $1 } END { print sum }')
	total=$(value sql_goarena_total 'col="held"')
	holds "$sum > 0.8 * $total && $sum < 1.25 * $total && $total > 10000000"
}

find_postgres
make_scratch
get_programs

ok 'promtool finds nothing wrong with the alert rules' rules_are_right
ok 'they alarm when they should, and not otherwise' rules_do_what_they_say
ok 'each alert is tested' each_alert_is_tested

start_server "shared_preload_libraries = 'goarena'" 'autovacuum = off' "goarena.total_memory_limit = '2GB'" \
	"goarena.memory_limit = '400MB'"
superuser 'CREATE EXTENSION goarena; CREATE EXTENSION goarena_test' >/dev/null
superuser 'CREATE ROLE goarena_monitor LOGIN IN ROLE pg_monitor' >/dev/null
superuser 'CREATE ROLE worker LOGIN' >/dev/null
superuser "ALTER ROLE worker SET goarena.memory_limit = '100MB'" >/dev/null
superuser "ALTER DATABASE postgres SET goarena.memory_limit = '300MB'" >/dev/null
superuser 'CREATE ROLE team LOGIN' >/dev/null
superuser "ALTER ROLE team SET goarena.user_memory_limit = '0.1GB'" >/dev/null
start_exporter

# Sessions that stay until the server stops.
for ((i = 1; i <= DATABASES; i++)); do
	superuser "CREATE DATABASE d$i" >/dev/null
	psql_as "$TEST_USER" -d "d$i" -c 'SELECT pg_sleep(3600)' >/dev/null 2>&1 &
done
superuser "ALTER ROLE team IN DATABASE d1 SET goarena.user_memory_limit = '10GB'" >/dev/null

ok 'sql_exporter is scraped' scrape_until '^sql_goarena_shared_limit\{.*col="share"'
ok 'and has all queries' scrape_until 'datname="\(others\)"'
ok 'the server refuses none of them' fails_with '^$' grep -aE 'ERROR|FATAL' "$SCRATCH/server.log"
ok 'it has what the alerts ask for' soon alerts_have_their_metrics
ok 'no label has values without bound' soon labels_are_bounded
ok 'of many databases those that hold the most have names' soon databases_are_few
ok 'sums are right' soon sums_are_right

# A session that holds most of the limit of its role, which counts and not that of its database.
psql_as worker -c 'SELECT test_create()' -c 'SELECT test_fill(88000000)' -c 'SELECT pg_sleep(3600)' >/dev/null 2>&1 &
ok 'a process near its limit is seen' scrape_until '^sql_goarena_process_limit\{.*col="near".*\} 1$'
ok 'by the limit of its role' holds "$(value sql_goarena_process_limit 'col="share"') > 0.8 && $(value sql_goarena_process_limit 'col="share"') <= 1.1"
# Figures of one scrape can be of two rounds of queries.
ok 'it is the largest' scrape_until '^sql_goarena_largest\{.*"client backend".*\} ([89]\.[0-9]+e\+07|1\.[0-9]+e\+08)$'

ok 'a limit refuses memory' fails_with 'goarena.memory_limit' \
	psql_as worker -c "SELECT length(string_agg(repeat('x', 1000), '')) FROM generate_series(1, 200000)"
ok 'that is seen' scrape_until '^sql_goarena_totals\{.*col="limit_hits".*\} [1-9]'

# The limits that processes share are compared with their sums.
ok 'no user or database is near its limit yet' holds "$(value sql_goarena_shared_limit 'kind="user"' 'col="share"') < 0.8 && $(value sql_goarena_shared_limit 'kind="database"' 'col="share"') == 0"
hold_as_team()
{
	psql_as team -c 'SELECT test_create()' -c 'SELECT test_fill(44000000)' -c 'SELECT pg_sleep(3600)' >/dev/null 2>&1
}
hold_as_team &
ok 'what a session of a user holds is seen' scrape_until '^sql_goarena_shared_limit\{.*col="share".*kind="user".*\} 0\.[3-6]'
ok 'and is not near the limit' holds "$(value sql_goarena_shared_limit 'kind="user"' 'col="near"') == 0"
# Another session of it has a higher limit: the least one counts.
psql_as team -d d1 -c 'SELECT pg_sleep(3600)' >/dev/null 2>&1 &
hold_as_team &
ok 'two sessions of a user near its limit are seen' scrape_until '^sql_goarena_shared_limit\{.*col="near".*kind="user".*\} 1$'
ok 'by what they hold together' holds "$(value sql_goarena_shared_limit 'kind="user"' 'col="share"') > 0.8 && $(value sql_goarena_shared_limit 'kind="user"' 'col="share"') <= 1.1"
# Not the database of the exporter, in which the limit would also be the setting of its own session.
psql_as "$TEST_USER" -d d2 -c 'CREATE EXTENSION goarena_test' -c 'SELECT test_create()' -c 'SELECT test_fill(66000000)' \
	-c "ALTER DATABASE d2 SET goarena.database_memory_limit = '75MB'" -c 'SELECT pg_sleep(3600)' >/dev/null 2>&1 &
ok 'a database as well' scrape_until '^sql_goarena_shared_limit\{.*col="near".*kind="database".*\} 1$'

end_background
ok 'the server stops in order' stop_server
done_testing
