# Sweepstake. `make help` lists the targets. Everything that is built lies under build/.
#   BUILD=release|asan|fuzz  which build (asan: address and undefined-behaviour sanitizers; fuzz: those,
#                            and libFuzzer's counters, with clang)
#   V=1                   show the commands

BUILD  ?= release
PREFIX ?= /usr/local
DESTDIR ?=
CC     ?= gcc
PYTHON ?= /usr/bin/python3
V      ?= 0

VERSION := 0.1.0

# ---- packages -----------------------------------------------------------------------------------
# Debian 12. The first list builds and runs, the second checks the code, the third tests slurm/.

PACKAGES := gcc make pkg-config libopenmpi-dev openmpi-bin libhdf5-openmpi-dev hdf5-tools libopenblas-dev \
            libhwloc-dev libcunit1-dev libfyaml-dev librandom123-dev libxxhash-dev libjansson-dev \
            zlib1g-dev dataset-fashion-mnist python3 python3-numpy python3-h5py python3-pandas \
            python3-matplotlib python3-xxhash
CHECK_PACKAGES := clang-format clang-tidy cppcheck universal-ctags
SLURM_PACKAGES := slurm-wlm munge
FUZZ_PACKAGES := clang libclang-rt-14-dev libomp-dev

# ---- flags --------------------------------------------------------------------------------------

LIBRARIES := hdf5-openmpi ompi-c openblas hwloc libfyaml libxxhash jansson zlib
PKG_CFLAGS := $(shell pkg-config --cflags $(LIBRARIES) cunit 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(LIBRARIES) 2>/dev/null) -lm
TEST_LIBS := $(shell pkg-config --libs cunit 2>/dev/null)

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wpointer-arith \
        -Wundef -Werror
# No fused multiply-adds behind our back: results must not depend on what the compiler fuses.
COMMON := -std=c11 -D_GNU_SOURCE -Iinclude $(PKG_CFLAGS) -fopenmp -ffp-contract=off -fno-math-errno \
          -MMD -MP -g
CFLAGS_release := -O2 -fno-omit-frame-pointer
CFLAGS_asan    := -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
CFLAGS_fuzz    := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
ifeq ($(BUILD),fuzz)
CC := clang
endif
ALL_CFLAGS := $(COMMON) $(WARN) $(CFLAGS_$(BUILD)) $(CFLAGS)
ALL_LDFLAGS := $(CFLAGS_$(BUILD)) -fopenmp $(LDFLAGS)

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-4s %s\n' '$(1)' '$(2)'
endif

# ---- files --------------------------------------------------------------------------------------

OUT := $(if $(filter release,$(BUILD)),build,build/$(BUILD))
SOURCES := $(wildcard src/*/*.c src/hal/*/*.c)
OBJECTS := $(SOURCES:%.c=$(OUT)/obj/%.o)
MAIN := $(OUT)/obj/src/cli/main.o
LIBRARY := $(OUT)/libsweepstake.a
PROGRAM := $(OUT)/sweepstake
SUPPORT := $(patsubst %.c,$(OUT)/obj/%.o,$(wildcard tests/support/*.c))
TEST_SOURCES := $(wildcard tests/unit/*.c tests/contract/*.c tests/mpi/*.c)
TESTS := $(TEST_SOURCES:tests/%.c=$(OUT)/tests/%)
C_FILES := $(SOURCES) $(TEST_SOURCES) $(wildcard tests/support/*.c)
H_FILES := $(wildcard include/sweepstake/*.h src/*/*.h src/hal/*/*.h tests/support/*.h tests/contract/*.h)
FUZZ_SOURCES := $(wildcard tests/fuzz/*.c)
FUZZERS := $(patsubst tests/fuzz/%.c,$(OUT)/%,$(filter tests/fuzz/fuzz_%,$(FUZZ_SOURCES)))
FUZZ_SUPPORT := $(patsubst %.c,$(OUT)/obj/%.o,$(filter-out tests/fuzz/fuzz_%,$(FUZZ_SOURCES))) \
                $(OUT)/obj/tests/support/small_sweep.o $(OUT)/obj/tests/support/idx_files.o
C_FILES += $(FUZZ_SOURCES)
H_FILES += $(wildcard tests/fuzz/*.h)

.PHONY: all program tests deps check-deps slurm-deps demo demo-run test test-run test-python check format \
        format-check lint tidy sanitize fuzz fuzzers soak slurm-scenarios bench install clean help map info
.DEFAULT_GOAL := all

all: program ## build build/sweepstake (installs nothing)
program: $(PROGRAM)
tests: $(TESTS)

$(OUT)/obj/%.o: %.c Makefile
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(FILE_CFLAGS) -c $< -o $@

# Files named avx2_* are compiled for that instruction set and entered only after a run-time check.
$(OUT)/obj/src/hal/cpu/avx2_%.o: FILE_CFLAGS := -mavx2 -mfma -O3
$(OUT)/obj/src/hal/cpu/ref_%.o: FILE_CFLAGS := -O3
$(OUT)/obj/src/base/version.o: FILE_CFLAGS := -DSW_VERSION='"$(VERSION)"'
$(OUT)/obj/src/base/version.o: Makefile

$(LIBRARY): $(filter-out $(MAIN),$(OBJECTS))
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(PROGRAM): $(MAIN) $(LIBRARY)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(MAIN) $(LIBRARY) $(PKG_LIBS)

$(OUT)/tests/%: $(OUT)/obj/tests/%.o $(SUPPORT) $(LIBRARY)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) $(TEST_LDFLAGS) -o $@ $< $(SUPPORT) $(LIBRARY) $(TEST_LIBS) $(PKG_LIBS)
# These stand in for others: their own sw_comm_size and sw_comm_send, or sw_model_lay_out, come first.
$(OUT)/tests/unit/test_sched_coordinator $(OUT)/tests/unit/test_net_conv: TEST_LDFLAGS := -Wl,--allow-multiple-definition

$(FUZZERS): $(OUT)/fuzz_%: $(OUT)/obj/tests/fuzz/fuzz_%.o $(FUZZ_SUPPORT) $(LIBRARY)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) $(FUZZ_LDFLAGS) -fsanitize=fuzzer -o $@ $< $(FUZZ_SUPPORT) $(LIBRARY) $(PKG_LIBS)
# This one has a clock of its own, and remembers what HDF5 said of the undamaged file.
$(OUT)/fuzz_store: FUZZ_LDFLAGS := -Wl,--wrap=sw_clock_sleep,--wrap=sw_clock_monotonic,--wrap=sw_store_find_places

-include $(FUZZ_SOURCES:%.c=$(OUT)/obj/%.d)
-include $(OBJECTS:.o=.d) $(SUPPORT:.o=.d) $(TEST_SOURCES:%.c=$(OUT)/obj/%.d)
.SECONDARY:

# ---- set-up -------------------------------------------------------------------------------------

deps: ## install the Debian packages that are missing (root, or sudo)
	@sh tests/support/install_packages.sh $(PACKAGES)
check-deps:
	@sh tests/support/install_packages.sh $(PACKAGES) $(CHECK_PACKAGES)
slurm-deps:
	@sh tests/support/install_packages.sh $(SLURM_PACKAGES) || echo 'Slurm cannot be installed'

# ---- what people run ------------------------------------------------------------------------------

demo: deps ## set up, build, run jobs/quickstart.yaml on two workers, write the report
	@$(MAKE) --no-print-directory program
	@sh jobs/demo.sh

test: deps slurm-deps ## set up, build, run every test
	@$(MAKE) --no-print-directory -j2 program tests
	@sh tests/run.sh $(OUT)

check: check-deps ## format, lint, layering, static analysis, unit tests under sanitizers
	@$(MAKE) --no-print-directory format-check lint
	@$(MAKE) --no-print-directory -j2 program tests
	@$(MAKE) --no-print-directory -j2 tidy
	@$(MAKE) --no-print-directory sanitize

bench: program ## time training steps of this build
	$(PROGRAM) bench step --batch 128 --sparsity 0,0.8,0.9,0.95,0.98

install: program ## install under PREFIX (default /usr/local)
	install -D -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/sweepstake
	install -d $(DESTDIR)$(PREFIX)/share/sweepstake/analysis $(DESTDIR)$(PREFIX)/share/sweepstake/jobs
	install -m 644 analysis/*.py $(DESTDIR)$(PREFIX)/share/sweepstake/analysis
	install -m 644 jobs/*.yaml $(DESTDIR)$(PREFIX)/share/sweepstake/jobs
	install -D -m 644 slurm/sweep.sbatch $(DESTDIR)$(PREFIX)/share/sweepstake/slurm/sweep.sbatch

# ---- checks ---------------------------------------------------------------------------------------

format: ## rewrite all C files in the project's format
	clang-format -i $(C_FILES) $(H_FILES)
format-check:
	@clang-format --dry-run -Werror $(C_FILES) $(H_FILES)
	@echo 'format: ok ($(words $(C_FILES) $(H_FILES)) files)'

lint: ## tier order, function length, words that must not occur
	@sh tests/lint/layers.sh
	@sh tests/lint/length.sh $(C_FILES)
	@sh tests/lint/words.sh
	@cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,portability,performance --inline-suppr \
	    --suppress=missingIncludeSystem --suppress=preprocessorErrorDirective -D__x86_64__ -Iinclude \
	    --library=posix -j2 src
	@echo 'cppcheck: ok'

TIDY := $(SOURCES:%.c=$(OUT)/tidy/%.ok)
tidy: $(TIDY)
$(OUT)/tidy/%.ok: %.c $(H_FILES) .clang-tidy
	$(call say,TIDY,$<)
	@mkdir -p $(@D)
	$(Q)clang-tidy --quiet $< -- $(filter-out -Werror -MMD -MP,$(COMMON)) \
	    $(if $(findstring /avx2_,$<),-mavx2 -mfma) -DSW_VERSION='"$(VERSION)"' >$@.log 2>&1 \
	    && touch $@ || { cat $@.log; exit 1; }

sanitize: ## unit and contract tests under address and undefined-behaviour sanitizers
	@$(MAKE) --no-print-directory -j2 BUILD=asan program tests
	@sh tests/run.sh build/asan unit contract

# How long `fuzz` runs each harness and `soak` goes on; FUZZ=sweep runs one harness only, KILLS=300 lets
# `soak` go on until it has killed so often.
SECONDS ?= 600
fuzz: ## feed hostile bytes to every reader with libFuzzer (SECONDS=600 each, FUZZ=NAME for one)
	@sh tests/support/install_packages.sh $(FUZZ_PACKAGES)
	@$(MAKE) --no-print-directory BUILD=fuzz fuzzers
	@sh tests/fuzz/run.sh build/fuzz $(SECONDS) $(FUZZ)
fuzzers: $(FUZZERS)

soak: program ## kill runs at random and compare what is finished in the end (SECONDS=600 or KILLS=300, SEED=1)
	@SWEEPSTAKE=$(PROGRAM) $(PYTHON) tests/e2e/soak.py $(if $(KILLS),--kills $(KILLS),--seconds $(SECONDS)) \
	    $(if $(SEED),--seed $(SEED)) $(if $(JSON),--json $(JSON))

slurm-scenarios: program slurm-deps ## what disturbances of a job under Slurm cost (ARGS=--preempt: again and again)
	@SWEEPSTAKE=$(PROGRAM) $(PYTHON) tests/slurm/scenarios.py $(ARGS)

map: ## the folder map, from the first lines of the headers
	@sh tests/lint/map.sh
info:
	@echo 'CC $(CC)  BUILD $(BUILD)  OUT $(OUT)'; echo 'CFLAGS $(ALL_CFLAGS)'; echo 'LIBS $(PKG_LIBS)'
clean: ## remove build/
	rm -rf build
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F'\t' '{printf "  make %-15s %s\n", $$1, $$2}'
