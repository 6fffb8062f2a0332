# Tests. Each unit test is a binary of its own that links what it needs from the archives.
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/tests/%)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_BIN := $(FUZZ_SRC:tests/fuzz/%.c=$(BUILD)/fuzz/%)
ARCHIVES  = $(BUILD)/libappliance.a $(BUILD)/libhostctl.a $(BUILD)/libegress.a
ALL_LIBS  = $(shell pkg-config --libs $(PKGS_EGRESSD) jansson) -lm -lpthread

$(BUILD)/tests/%: tests/unit/%.c $(ARCHIVES)
	$(Q)mkdir -p $(@D)
	$(if $(Q),@echo "  TEST    $@")
	$(Q)$(CC) $(CFLAGS_ALL) $< $(LDFLAGS_ALL) $(ARCHIVES) $(ALL_LIBS) -lcriterion -o $@

# Built with clang by `make fuzz-build`, whose objects are instrumented as a whole.
$(BUILD)/fuzz/%: tests/fuzz/%.c $(ARCHIVES)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $< $(LDFLAGS_ALL) -fsanitize=fuzzer $(ARCHIVES) $(ALL_LIBS) -o $@

# The same targets without a fuzzer: they replay their corpus.
REPLAY_BIN := $(FUZZ_SRC:tests/fuzz/fuzz_%.c=$(BUILD)/replay/%)
$(BUILD)/replay/%: tests/fuzz/fuzz_%.c $(BUILD)/tests/fuzz/replay.o $(ARCHIVES)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $< $(LDFLAGS_ALL) $(BUILD)/tests/fuzz/replay.o $(ARCHIVES) $(ALL_LIBS) -o $@

.PHONY: unit-tests fuzz-bins replay-bins
unit-tests: $(UNIT_BIN)
fuzz-bins: $(FUZZ_BIN)
replay-bins: $(REPLAY_BIN)

# Programs that end-to-end tests drive parts with.
$(BUILD)/tests/e2e/%: tests/e2e/%.c $(ARCHIVES)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $< $(LDFLAGS_ALL) $(ARCHIVES) $(ALL_LIBS) -o $@

# egressctl for macOS, as far as that can be told without a Mac.
.PHONY: macos-check
macos-check:
	$(Q)BUILD=$(abspath $(BUILD)) bash tests/macos.sh
