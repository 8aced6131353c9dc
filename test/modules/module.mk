# What the Makefiles of the modules for tests have in common.  Each is named like its
# directory and made of all that lies there.  None is installed with goarena.

MODULE_big := $(notdir $(CURDIR))
OBJS := $(sort $(OBJS) $(patsubst %.c,%.o,$(wildcard *.c)) $(patsubst %.cpp,%.o,$(wildcard *.cpp)))
EXTENSION := $(basename $(wildcard *.control))
DATA := $(wildcard *.sql)

# goarena.h as installed, as any other extension would find it
PG_CPPFLAGS += -I$(shell $(PG_CONFIG) --includedir-server)/extension/goarena

# No bitcode: there is nothing here that the JIT compiler should inline.
override with_llvm = no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

$(OBJS): $(wildcard *.h *.hpp)
