# egressd: `make demo` shows the main job, `make check` proves it. `make help` lists the rest.
CC      ?= gcc
BUILD   ?= build
V       ?= 0
Q        = $(if $(filter 1,$(V)),,@)
VERSION := 0.1.0
PREFIX  ?= /usr/local

PKGS_EGRESSD   := libuv openssl ldns libnghttp2 libnetfilter_queue libmnl libseccomp libpcre2-8 \
                  libhs zlib libbrotlidec libzstd yaml-0.1 libidn2
PKGS_EGRESSCTL := yaml-0.1 jansson openssl libpcre2-8 libidn2
LLHTTP_DIR     := /usr/share/llhttp
LLHTTP_INC     := /usr/share/include/llhttp

WARN     := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Werror
# clang 14 hides the last one behind a flag of its own
IS_CLANG := $(findstring clang,$(shell $(CC) --version 2>/dev/null))
HARDEN   := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE $(if $(findstring x86_64,$(shell $(CC) -dumpmachine)),-fcf-protection) \
            $(if $(IS_CLANG),,-ftrivial-auto-var-init=zero)
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
include rootfs/rootfs.mk
include tests/vm/vm.mk

# What a fresh Debian 12 lacks. Build first, then what the tests run.
DEPS := gcc make pkg-config libuv1-dev libssl-dev node-llhttp libnghttp2-dev libyaml-dev \
        libjansson-dev libnetfilter-queue-dev libmnl-dev libpcre2-dev libvectorscan-dev zlib1g-dev libbrotli-dev \
        libzstd-dev libseccomp-dev libidn2-dev libldns-dev musl-tools nftables iptables iproute2 ca-certificates procps
TEST_DEPS := libcriterion-dev clang libclang-rt-14-dev clang-format clang-tidy cppcheck mandoc \
        curl wget git openssl python3 nodejs default-jdk-headless nginx-light nghttp2-server nghttp2-client nsd ldnsutils dnsutils \
        tcpdump git-lfs conntrack netcat-openbsd iputils-ping socat strace psmisc busybox-static jq python3-grpcio wrk dnsperf \
        podman runc debootstrap binutils qemu-system-x86
# What the trust-store matrix asks with. Some builds of nodejs bring npm.
TEST_DEPS += gnutls-bin golang-go cargo ruby php-cli php-curl libwww-perl liblwp-protocol-https-perl python3-requests \
        python3-pip python3-pycurl $(if $(shell command -v npm),,npm)
# The Debian package and completions are tried; so is the schema for a fleet's logs.
TEST_DEPS += dpkg-dev lintian zsh bash-completion postgresql
include packaging/packaging.mk

.PHONY: deps packages fetch demo check bench format format-check tidy cppcheck fuzz install uninstall clean help
# The arm64 shim is cross-built; its libc comes from the other architecture's packages.
CROSS_DEPS := gcc-aarch64-linux-gnu libc6-dev-arm64-cross musl-dev:arm64 qemu-user-static
# Packages that are installed, and those that are only unpacked below build/.
deps: packages fetch
packages:
	$(Q)dpkg-query -W -f '$${Status}\n' $(DEPS) $(TEST_DEPS) $(CROSS_DEPS) 2>&1 | grep -qv '^install ok installed' || exit 0; \
	 [ "$$(id -u)" = 0 ] || { echo "make deps: packages are missing; run it as root" >&2; exit 1; }; \
	 echo "  APT     what is missing"; dpkg --add-architecture arm64 && apt-get update -qq && \
	 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(DEPS) $(TEST_DEPS) $(CROSS_DEPS) >/dev/null

demo: packages
	$(Q)$(MAKE) --no-print-directory -j2 all
	$(Q)bash examples/demo.sh

check: deps
	$(Q)$(MAKE) --no-print-directory -j2 all
	$(Q)bash tests/run.sh

bench: packages all
	$(Q)bash bench/run.sh

fuzz: packages
	$(Q)FUZZ_SECONDS=$${FUZZ_SECONDS:-300} bash tests/fuzz.sh

SOURCES = $(shell git ls-files '*.c' '*.h')
format:
	$(Q)clang-format -i $(SOURCES)
format-check:
	$(Q)clang-format --dry-run -Werror $(SOURCES)
tidy:
	$(Q)bash tests/tidy.sh
# varFuncNullUB: NULL is a pointer in every libc that we build for
cppcheck:
	$(Q)cppcheck --quiet --enable=warning,portability,performance --inline-suppr --error-exitcode=1 --std=c11 -D__linux__ \
	  --suppress=missingIncludeSystem --suppress=varFuncNullUB \
	  --include=tests/cppcheck.h -I. lib dns appliance hostctl init

clean:
	$(Q)rm -rf $(BUILD)

help:
	@sed -n 's/^\([a-z-]*\):.*/\1/p' Makefile | sort -u | tr '\n' ' '; echo

# Unpacked packages, too, have names that end so.
-include $(shell find $(BUILD) \( -name sysroot -o -name kernel \) -prune -o -name '*.d' -type f -print 2>/dev/null)
