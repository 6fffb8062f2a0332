# `make install`, `make uninstall`, and a Debian package by `make deb`.
#
# Programs that egressctl starts are in libexec, where it looks first, so that it needs no PATH; links in sbin are for people.
BINDIR     = $(DESTDIR)$(PREFIX)/bin
SBINDIR    = $(DESTDIR)$(PREFIX)/sbin
LIBEXECDIR = $(DESTDIR)$(PREFIX)/libexec/egressd
SHAREDIR   = $(DESTDIR)$(PREFIX)/share/egressd
DOCDIR     = $(DESTDIR)$(PREFIX)/share/doc/egressd
MANDIR     = $(DESTDIR)$(PREFIX)/share/man
BASHDIR    = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSHDIR     = $(DESTDIR)$(PREFIX)/share/zsh/$(if $(filter /usr,$(PREFIX)),vendor-completions,site-functions)

INSTALL_MAN1 := hostctl/egressctl.1
INSTALL_MAN5 := docs/egress-policy.5
INSTALL_MAN8 := appliance/egressd.8 init/egress-init.8
INSTALL_DOCS  = README.md ARCHITECTURE.md THREAT-MODEL.md CHANGELOG.md LICENSE $(wildcard docs/*.md docs/*.svg)
# The sidecar's image for container runtimes, where `make image` has built it.
INSTALL_IMAGES = $(wildcard $(IMAGE_DIR)/egressd-*-$(IMAGE_ARCH).*)
# What a user reads and copies; the demo needs the source tree.
INSTALL_EXAMPLES = $(filter-out examples/demo.sh,$(shell find examples -type f)) rootfs/agent/Containerfile

install: all
	$(Q)install -d $(BINDIR) $(SBINDIR) $(LIBEXECDIR) $(SHAREDIR) $(DOCDIR)/examples $(BASHDIR) $(ZSHDIR) \
	    $(MANDIR)/man1 $(MANDIR)/man5 $(MANDIR)/man8
	$(Q)install -m 755 $(BUILD)/egressctl $(BINDIR)/
	$(Q)install -m 755 $(BUILD)/egressd $(BUILD)/egress-init $(LIBEXECDIR)/
	$(Q)ln -sf ../libexec/egressd/egressd $(SBINDIR)/egressd && ln -sf ../libexec/egressd/egress-init $(SBINDIR)/egress-init
	$(Q)install -m 644 $(INSTALL_MAN1) $(MANDIR)/man1/
	$(Q)install -m 644 $(INSTALL_MAN5) $(MANDIR)/man5/
	$(Q)install -m 644 $(INSTALL_MAN8) $(MANDIR)/man8/
	$(Q)install -m 644 $(INSTALL_DOCS) $(DOCDIR)/
	$(Q)for f in $(INSTALL_EXAMPLES); do d=$${f#examples/}; d=$${d#rootfs/}; install -D -m 644 $$f $(DOCDIR)/examples/$$d; done
	$(Q)install -m 644 completions/egressctl.bash $(BASHDIR)/egressctl
	$(Q)ln -sf egressctl $(BASHDIR)/egressd && ln -sf egressctl $(BASHDIR)/egress-init
	$(Q)install -m 644 completions/_egressctl $(ZSHDIR)/
	$(Q)$(if $(INSTALL_IMAGES),install -m 644 $(INSTALL_IMAGES) $(SHAREDIR)/,rmdir $(SHAREDIR))

# Folders that others share stay; those that are ours alone go.
uninstall:
	$(Q)rm -f $(BINDIR)/egressctl $(SBINDIR)/egressd $(SBINDIR)/egress-init $(ZSHDIR)/_egressctl \
	    $(addprefix $(BASHDIR)/,egressctl egressd egress-init) $(addprefix $(MANDIR)/man1/,$(notdir $(INSTALL_MAN1))) \
	    $(addprefix $(MANDIR)/man5/,$(notdir $(INSTALL_MAN5))) $(addprefix $(MANDIR)/man8/,$(notdir $(INSTALL_MAN8)))
	$(Q)rm -rf $(LIBEXECDIR) $(SHAREDIR) $(DOCDIR)

DEB_ARCH = $(shell dpkg --print-architecture)
.PHONY: deb
deb: all image
	$(if $(Q),@echo "  DEB     $(BUILD)/egressd_$(VERSION)_$(DEB_ARCH).deb")
	$(Q)SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) MAKE="$(MAKE)" bash packaging/deb.sh $(VERSION) $(DEB_ARCH) $(BUILD)
