# Images: `make image` writes build/image/egressd-{sidecar,init}-ARCH.oci.tar, each with its SBOM (.spdx.json) and id.
ifndef ROOTFS_MK
ROOTFS_MK := 1
IMAGE_ARCH ?= $(patsubst aarch64,arm64,$(patsubst x86_64,amd64,$(shell uname -m)))
IMAGE_DIR   = $(BUILD)/image
# The same tree gives the same octets: times are the last commit's.
SOURCE_DATE_EPOCH ?= $(or $(shell git log -1 --format=%ct 2>/dev/null),0)
image_run   = SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) python3 rootfs/image.py
image_args  = --arch $(IMAGE_ARCH) --version $(VERSION) --build $(BUILD) --out $(IMAGE_DIR)

.PHONY: image
image: $(IMAGE_DIR)/egressd-sidecar-$(IMAGE_ARCH).oci.tar $(IMAGE_DIR)/egressd-init-$(IMAGE_ARCH).oci.tar

$(IMAGE_DIR)/egressd-sidecar-$(IMAGE_ARCH).oci.tar: $(BUILD)/egressd rootfs/image.py
	$(if $(Q),@echo "  IMAGE   $@")
	$(Q)$(image_run) sidecar $(image_args)
$(IMAGE_DIR)/egressd-init-$(IMAGE_ARCH).oci.tar: $(BUILD)/egress-init rootfs/image.py
	$(if $(Q),@echo "  IMAGE   $@")
	$(Q)$(image_run) init $(image_args)
endif
