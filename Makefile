EXTENSION = goarena
DATA = $(sort $(wildcard goarena--*.sql))
MODULE_big = goarena
# protoc-c makes these from profile.proto.
PROTO = src/backend/profile/profile
PROTO_MADE = $(PROTO).pb-c.c $(PROTO).pb-c.h
EXTRA_CLEAN = $(PROTO_MADE)

OBJS = $(sort \
	src/goarena.o $(PROTO).pb-c.o \
	$(patsubst %.c,%.o,$(wildcard src/*/*.c src/*/*/*.c)))
HEADERS = src/goarena.h src/goarena.hpp
SCRIPTS = scripts/goarena-check
PGFILEDESC = "goarena - memory contexts as arenas with quarantine and sweeps"

REGRESS = install settings functions arenas quarantine accounting debug statements privileges
REGRESS_OPTS = --inputdir=. --load-extension=goarena
TAP_TESTS = 1
PROVE_TESTS = test/t/*.pl

# libbacktrace comes with gcc.
SHLIB_LINK = -lbacktrace -lprotobuf-c -lz

PG_CONFIG ?= pg_config
PG_MAJOR := $(shell $(PG_CONFIG) --version | sed 's/^PostgreSQL \([0-9]*\).*/\1/')
TESTED_MAJORS = 15 17 18 19

ifeq ($(filter $(PG_MAJOR),$(TESTED_MAJORS)),)
ifndef GOARENA_UNTESTED_MAJOR
$(error goarena is tested with PostgreSQL $(TESTED_MAJORS), not $(PG_MAJOR); GOARENA_UNTESTED_MAJOR=1 builds it all the same)
endif
PG_CPPFLAGS += -DGOARENA_UNTESTED_MAJOR
endif

# The version of all: META.json gives it, and scripts/check_meta.pl compares.
PG_CPPFLAGS += -DGOARENA_VERSION='"$(shell sed -n '/"version"/{s/.*: *"\(.*\)".*/\1/p;q}' META.json)"'

# The server's chunk headers, see src/engine/config.h
PG_CPPFLAGS += -DGA_OWNER_WORD=$(if $(filter-out 10 11 12 13 14 15,$(PG_MAJOR)),0,1)

# Only what PostgreSQL looks up is exported.
PG_CPPFLAGS += -Isrc -DPGDLLEXPORT='__attribute__((visibility("default")))'
PG_CFLAGS = -fvisibility=hidden -Wextra -Wno-unused-parameter -Wno-sign-compare \
	-Wno-missing-field-initializers -Wno-declaration-after-statement

# No bitcode: there is nothing here that the JIT compiler should inline.
override with_llvm = no

PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# Headers are few and small: each change rebuilds all.
$(OBJS): $(wildcard src/*.h src/*/*.h src/*/*/*.h) $(PROTO).pb-c.h

$(PROTO).pb-c.h: $(PROTO).proto
	protoc-c --proto_path=$(dir $<) --c_out=$(dir $<) $<

$(PROTO).pb-c.c: $(PROTO).pb-c.h

.PHONY: unitcheck format dist tell-probes

# Probes take a header of SystemTap's, see src/engine/probes.h.
all: tell-probes
tell-probes:
	@echo '#include <sys/sdt.h>' | $(CC) $(CPPFLAGS) -E - >/dev/null 2>&1 || \
		echo 'goarena is built without probes: there is no sys/sdt.h (Debian: systemtap-sdt-dev)'

unitcheck:
	$(MAKE) -C test/unit check

format:
	clang-format -i $(filter-out $(PROTO_MADE),$(wildcard src/*.[ch] src/*.hpp src/*/*.[ch] src/*/*/*.[ch] \
		test/unit/*.[ch] test/modules/*/*.[ch] test/modules/*/*.[ch]pp bench/*.c))

# The archive for PGXN
dist:
	scripts/dist.sh
