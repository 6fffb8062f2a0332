# egress-init: one static file against musl, without any library, for amd64 and arm64.
INIT_SRC    := $(wildcard init/*.c)
INIT_CFLAGS := -std=gnu11 $(WARN) -Os -D_GNU_SOURCE -DEGRESS_VERSION='"$(VERSION)"' -I. -MMD -MP \
               -fstack-protector-strong -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables \
               -fno-unwind-tables -fno-ident
# One segment of code and constants: pages padded apart would be a fifth of the file (half of it on arm64).
INIT_LDFLAGS := -static -Wl,--gc-sections,-z,noexecstack,-z,noseparate-code,-z,norelro,--build-id=none -s

# musl has no kernel headers; these folders hold nothing but them.
$(BUILD)/init/uapi:
	$(Q)mkdir -p $@
	$(Q)ln -sfn /usr/include/linux $@/linux && ln -sfn /usr/include/asm-generic $@/asm-generic
	$(Q)ln -sfn /usr/include/$(shell $(CC) -print-multiarch)/asm $@/asm

$(BUILD)/init/static/%.o: init/%.c | $(BUILD)/init/uapi
	$(Q)mkdir -p $(@D)
	$(if $(Q),@echo "  CC      $< (musl)")
	$(Q)musl-gcc $(INIT_CFLAGS) -idirafter $(BUILD)/init/uapi -c $< -o $@

# Java's trust store is hashed twice: a millisecond of the start.
$(BUILD)/init/static/sha1.o $(BUILD)/init/static-arm64/sha1.o: INIT_CFLAGS += -O2

$(BUILD)/egress-init: $(INIT_SRC:init/%.c=$(BUILD)/init/static/%.o)
	$(if $(Q),@echo "  LD      $@")
	$(Q)musl-gcc $(INIT_LDFLAGS) -o $@ $^

# arm64: Debian has no musl-gcc for it, so the parts of musl-dev:arm64 are put together by hand.
INIT_ARM_CC   := aarch64-linux-gnu-gcc
INIT_ARM_LIB  := /usr/lib/aarch64-linux-musl
INIT_ARM_UAPI := /usr/aarch64-linux-gnu/include
INIT_ARM_HAVE := $(shell command -v $(INIT_ARM_CC) 2>/dev/null)$(wildcard $(INIT_ARM_LIB)/crt1.o)

$(BUILD)/init/uapi-arm64:
	$(Q)mkdir -p $@
	$(Q)for d in linux asm asm-generic; do ln -sfn $(INIT_ARM_UAPI)/$$d $@/$$d; done

$(BUILD)/init/static-arm64/%.o: init/%.c | $(BUILD)/init/uapi-arm64
	$(Q)mkdir -p $(@D)
	$(if $(Q),@echo "  CC      $< (musl, arm64)")
	$(Q)$(INIT_ARM_CC) $(INIT_CFLAGS) -nostdinc -isystem /usr/include/aarch64-linux-musl \
	    -isystem $(shell $(INIT_ARM_CC) -print-file-name=include) -idirafter $(BUILD)/init/uapi-arm64 -c $< -o $@

ifeq ($(words $(INIT_ARM_HAVE)),1)
$(BUILD)/arm64/egress-init: $(INIT_SRC:init/%.c=$(BUILD)/init/static-arm64/%.o)
	$(Q)mkdir -p $(@D)
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(INIT_ARM_CC) $(INIT_LDFLAGS) -nostdlib -o $@ $(INIT_ARM_LIB)/crt1.o $(INIT_ARM_LIB)/crti.o $^ \
	    -L$(INIT_ARM_LIB) -lc -lgcc -lc $(INIT_ARM_LIB)/crtn.o
else
.PHONY: $(BUILD)/arm64/egress-init
$(BUILD)/arm64/egress-init:
	@echo "skip $@: needs gcc-aarch64-linux-gnu and musl-dev:arm64 (dpkg --add-architecture arm64)"
endif

# The same sources with the ordinary compiler, for unit tests and fuzz targets.
$(BUILD)/libinit.a: $(patsubst %.c,$(BUILD)/%.o,$(filter-out init/main.c,$(INIT_SRC)))
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/tests/test_init_%: tests/unit/test_init_%.c $(BUILD)/libinit.a
	$(Q)mkdir -p $(@D)
	$(if $(Q),@echo "  TEST    $@")
	$(Q)$(CC) $(CFLAGS_ALL) $< $(LDFLAGS_ALL) $(BUILD)/libinit.a -lcriterion -o $@

$(BUILD)/fuzz/fuzz_init_%: tests/fuzz/fuzz_init_%.c $(BUILD)/libinit.a
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $< $(LDFLAGS_ALL) -fsanitize=fuzzer $(BUILD)/libinit.a -o $@
$(BUILD)/replay/init_%: tests/fuzz/fuzz_init_%.c $(BUILD)/tests/fuzz/replay.o $(BUILD)/libinit.a
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $< $(LDFLAGS_ALL) $(BUILD)/tests/fuzz/replay.o $(BUILD)/libinit.a -o $@
