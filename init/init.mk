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
