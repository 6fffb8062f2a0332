# egress-init: one static file against musl, without any library, for amd64 and arm64.
INIT_SRC    := $(wildcard init/*.c)
INIT_CFLAGS := -std=gnu11 $(WARN) -Os -D_GNU_SOURCE -DEGRESS_VERSION='"$(VERSION)"' -I. -MMD -MP \
               -fstack-protector-strong -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables \
               -fno-unwind-tables -fno-ident
INIT_LDFLAGS := -static -Wl,--gc-sections,-z,noexecstack,-z,relro,-z,now,--build-id=none -s

# musl has no kernel headers; these folders hold nothing but them.
$(BUILD)/init/uapi:
	$(Q)mkdir -p $@
	$(Q)ln -sfn /usr/include/linux $@/linux && ln -sfn /usr/include/asm-generic $@/asm-generic
	$(Q)ln -sfn /usr/include/$(shell $(CC) -print-multiarch)/asm $@/asm

$(BUILD)/init/static/%.o: init/%.c | $(BUILD)/init/uapi
	$(Q)mkdir -p $(@D)
	$(if $(Q),@echo "  CC      $< (musl)")
	$(Q)musl-gcc $(INIT_CFLAGS) -idirafter $(BUILD)/init/uapi -c $< -o $@

$(BUILD)/egress-init: $(INIT_SRC:init/%.c=$(BUILD)/init/static/%.o)
	$(if $(Q),@echo "  LD      $@")
	$(Q)musl-gcc $(INIT_LDFLAGS) -o $@ $^

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
