# What the virtual machines of tests/vm boot: Debian's kernel for clouds, unpacked, not installed, so that no machine's own
# boot changes.
$(BUILD)/vm/vmlinuz: rootfs/debs.sh
	$(if $(Q),@echo "  FETCH   linux-image-cloud-amd64")
	$(Q)mkdir -p $(@D)
	$(Q)bash rootfs/debs.sh --only '^linux-image-[0-9]' amd64 $(@D)/kernel linux-image-cloud-amd64
	$(Q)cp $(@D)/kernel/boot/vmlinuz-* $@

$(BUILD)/vm/initramfs: $(BUILD)/vm/vmlinuz tests/vm/initramfs.sh tests/vm/init
	$(if $(Q),@echo "  CPIO    $@")
	$(Q)bash tests/vm/initramfs.sh $(@D)/kernel $@

$(BUILD)/vm/tsc: tests/vm/tsc.c
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $< $(LDFLAGS_ALL) -o $@

.PHONY: vm check-vm
vm: $(BUILD)/vm/initramfs $(BUILD)/vm/tsc $(BUILD)/image/egressd-sidecar-amd64.oci.tar $(BUILD)/egressctl $(BUILD)/egress-init
check-vm: packages
	$(Q)$(MAKE) --no-print-directory -j2 all vm
	$(Q)bash tests/run.sh vm

FETCHED += $(BUILD)/vm/vmlinuz
fetch: $(FETCHED)
