# Images: `make image` writes build/image/egressd-{sidecar,init}-ARCH.oci.tar, each with its SBOM (.spdx.json) and id, for
# amd64 and arm64 (on arm64 for that alone); `make image-native` for this machine's architecture.
ifndef ROOTFS_MK
ROOTFS_MK := 1
IMAGE_ARCH ?= $(patsubst aarch64,arm64,$(patsubst x86_64,amd64,$(shell uname -m)))
IMAGE_DIR   = $(BUILD)/image
# The same tree gives the same octets: times are the last commit's.
SOURCE_DATE_EPOCH ?= $(or $(shell git log -1 --format=%ct 2>/dev/null),0)
image_run   = SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) python3 rootfs/image.py
image_args  = --version $(VERSION) --out $(IMAGE_DIR)
images      = $(IMAGE_DIR)/egressd-sidecar-$(1).oci.tar $(IMAGE_DIR)/egressd-init-$(1).oci.tar

.PHONY: image image-native image-arm64
image: image-native image-arm64
image-native: $(call images,$(IMAGE_ARCH))
image-arm64: $(call images,arm64)

$(IMAGE_DIR)/egressd-sidecar-$(IMAGE_ARCH).oci.tar: $(BUILD)/egressd rootfs/image.py
	$(if $(Q),@echo "  IMAGE   $@")
	$(Q)$(image_run) sidecar --arch $(IMAGE_ARCH) --build $(BUILD) $(image_args)
$(IMAGE_DIR)/egressd-init-$(IMAGE_ARCH).oci.tar: $(BUILD)/egress-init rootfs/image.py
	$(if $(Q),@echo "  IMAGE   $@")
	$(Q)$(image_run) init --arch $(IMAGE_ARCH) --build $(BUILD) $(image_args)

# arm64, from amd64: Debian's libraries for it, unpacked below build/, where the cross compiler and pkg-config find them.
ifneq ($(IMAGE_ARCH),arm64)
ARM64      := $(BUILD)/arm64
SYSROOT    := $(abspath $(ARM64)/sysroot)
ARM64_DEBS  = $(sort $(filter lib%-dev zlib%-dev nftables,$(DEPS)))
# Without -g: nobody debugs what is stripped at once.
ARM64_MAKE  = PKG_CONFIG_SYSROOT_DIR=$(SYSROOT) \
              PKG_CONFIG_LIBDIR=$(SYSROOT)/usr/lib/aarch64-linux-gnu/pkgconfig:$(SYSROOT)/usr/share/pkgconfig \
              $(MAKE) --no-print-directory BUILD=$(ARM64) OPT=-O2 CC="$(ARM64_CC)"
ARM64_CC   ?= $(filter ccache,$(CC)) aarch64-linux-gnu-gcc --sysroot=$(SYSROOT)

# Written only where the list is another one.
$(ARM64)/debs: FORCE
	$(Q)mkdir -p $(@D); echo "$(ARM64_DEBS)" | cmp -s - $@ || echo "$(ARM64_DEBS)" >$@
.PHONY: FORCE

$(SYSROOT)/var/lib/dpkg/status: rootfs/debs.sh $(ARM64)/debs
	$(if $(Q),@echo "  FETCH   libraries for arm64")
	$(Q)bash rootfs/debs.sh arm64 $(SYSROOT) $(ARM64_DEBS)

# What it is made of is the other make's to know.
.PHONY: arm64-egressd
arm64-egressd: $(SYSROOT)/var/lib/dpkg/status
	+$(Q)$(ARM64_MAKE) $(ARM64)/egressd
$(ARM64)/egressd: arm64-egressd ;

$(IMAGE_DIR)/egressd-sidecar-arm64.oci.tar: $(ARM64)/egressd rootfs/image.py
	$(if $(Q),@echo "  IMAGE   $@")
	$(Q)$(image_run) sidecar --arch arm64 --build $(ARM64) --sysroot $(SYSROOT) --strip aarch64-linux-gnu-strip $(image_args)
$(IMAGE_DIR)/egressd-init-arm64.oci.tar: $(ARM64)/egress-init rootfs/image.py
	$(if $(Q),@echo "  IMAGE   $@")
	$(Q)$(image_run) init --arch arm64 --build $(ARM64) $(image_args)

FETCHED += $(SYSROOT)/var/lib/dpkg/status
endif
endif
