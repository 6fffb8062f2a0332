# egressd: `make demo` shows the main job, `make check` proves it. `make help` lists the rest.
CC      ?= gcc
BUILD   ?= build
V       ?= 0
Q        = $(if $(filter 1,$(V)),,@)
VERSION := 0.1.0
PREFIX  ?= /usr/local

PKGS_EGRESSD   := libuv openssl libnghttp2 libcares ldns libnetfilter_queue libmnl libseccomp libpcre2-8 \
                  libhs zlib libbrotlidec libzstd yaml-0.1
PKGS_EGRESSCTL := yaml-0.1 jansson openssl libpcre2-8
LLHTTP_DIR     := /usr/share/llhttp
LLHTTP_INC     := /usr/share/include/llhttp

WARN     := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wvla -Werror
HARDEN   := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE -fcf-protection -ftrivial-auto-var-init=zero
OPT      ?= -O2 -g
SAN      ?=
CFLAGS_ALL = -std=gnu11 $(WARN) $(OPT) $(HARDEN) $(SAN) -D_GNU_SOURCE -DEGRESS_VERSION='"$(VERSION)"' -I. -isystem $(LLHTTP_INC) -MMD -MP
LDFLAGS_ALL = -pie -Wl,-z,relro,-z,now,-z,noexecstack $(SAN)

LIB_SRC  := $(wildcard lib/*.c)
DNS_SRC  := $(wildcard dns/*.c)
APP_SRC  := $(filter-out appliance/main.c,$(wildcard appliance/*.c appliance/*/*.c))
CTL_SRC  := $(filter-out hostctl/main.c,$(wildcard hostctl/*.c))
LLHTTP_SRC := llhttp api http

obj = $(patsubst %.c,$(BUILD)/%.o,$(1))

.PHONY: all
all: $(BUILD)/egressd $(BUILD)/egressctl $(BUILD)/egress-init

$(BUILD)/%.o: %.c
	$(Q)mkdir -p $(@D)
	$(if $(Q),@echo "  CC      $<")
	$(Q)$(CC) $(CFLAGS_ALL) -c $< -o $@

# llhttp comes as C source from the distribution; it is built with its own warnings.
$(BUILD)/llhttp/%.o: $(LLHTTP_DIR)/%.c
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(OPT) $(HARDEN) $(SAN) -w -I$(LLHTTP_INC) -c $< -o $@

$(BUILD)/libegress.a: $(call obj,$(LIB_SRC))
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/libappliance.a: $(call obj,$(APP_SRC) $(DNS_SRC)) $(LLHTTP_SRC:%=$(BUILD)/llhttp/%.o)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/libhostctl.a: $(call obj,$(CTL_SRC))
	$(Q)rm -f $@ && ar rcs $@ $^

EGRESSD_LIBS   = $(shell pkg-config --libs $(PKGS_EGRESSD)) -lm -lpthread
EGRESSCTL_LIBS = $(shell pkg-config --libs $(PKGS_EGRESSCTL))

$(BUILD)/egressd: $(BUILD)/appliance/main.o $(BUILD)/libappliance.a $(BUILD)/libegress.a
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(EGRESSD_LIBS)

$(BUILD)/egressctl: $(BUILD)/hostctl/main.o $(BUILD)/libhostctl.a $(BUILD)/libegress.a
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(EGRESSCTL_LIBS)

include init/init.mk
include tests/tests.mk

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
