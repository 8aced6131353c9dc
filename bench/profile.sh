#!/bin/bash
# profile.sh - part of run.sh: what a heap profile costs
#
# The workloads of pgbench with query identifiers, which a profile has the server compute, on
# one server, and on others with a profile at 512 kB and at 8 kB besides; a second one with
# identifiers alone shows the noise.  See bench/slices.sh.

# shellcheck source=bench/common.sh
source "$(dirname "$0")/common.sh"

configs=(identifiers again profile profile8)
settings[identifiers]="compute_query_id = on"
settings[again]="compute_query_id = on"
settings[profile]="compute_query_id = on
goarena.profile_rate = 512kB"
settings[profile8]="compute_query_id = on
goarena.profile_rate = 8kB"

# shellcheck source=bench/slices.sh
source "$BENCH/slices.sh"

begin_part
table slices slices identifiers 'µs a transaction' speed 'a heap profile: throughput'
table cpu cpu identifiers 'µs a transaction' time 'a heap profile: CPU time of the backends'
target slices profile mean '>=' 0.99 'a heap profile at 512 kB'

start_slices
measure_workloads 1 select select-prepared tpcb
end_part
