#!/bin/bash
# everything.sh - part of run.sh: what it costs to count, to profile, to log and to limit
#
# The workloads of pgbench with default settings on one server, and on the other with
# goarena_statements, a heap profile, goarena.log_peak and all limits besides; the flight recorder
# is on with default settings.  A second one with default settings shows the noise; and what the
# server's own query identifiers, which goarena_statements needs, cost by themselves.  See
# bench/slices.sh.

# shellcheck source=bench/common.sh
source "$(dirname "$0")/common.sh"

configs=(default again identifiers everything)
settings[again]=""							# as default
settings[identifiers]="compute_query_id = on"
settings[everything]="goarena.track_statements = top
goarena.log_peak = 100MB
goarena.profile_rate = 512kB
goarena.memory_limit = 1GB
goarena.session_memory_limit = 2GB
goarena.user_memory_limit = 4GB
goarena.database_memory_limit = 4GB
goarena.total_memory_limit = 8GB"

# shellcheck source=bench/slices.sh
source "$BENCH/slices.sh"

begin_part
table slices slices default 'µs a transaction' speed 'all that can be switched on, against default settings: throughput'
table cpu cpu default 'µs a transaction' time 'all that can be switched on, against default settings: CPU time of the backends'
table identifiers-slices slices identifiers 'µs a transaction' speed 'the same against compute_query_id = on: throughput'
table identifiers-cpu cpu identifiers 'µs a transaction' time 'the same against compute_query_id = on: CPU time'
target slices everything mean '>=' 0.99 'everything on against everything off'
target identifiers-slices everything mean '>=' 0.99 'everything on against query identifiers alone'

start_slices
measure_workloads 1 select select-prepared tpcb
end_part
