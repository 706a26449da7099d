# SPDX-License-Identifier: GPL-2.0-only
# Verbs only; what is built is in Kbuild. "make help" tells what there is.

KDIR ?= /lib/modules/$(shell uname -r)/build
PREFIX ?= /usr/local
DESTDIR ?=
INSTALL ?= install
# In this order, the long ones first, as many at a time as there are CPUs.
TARGETS ?= x86_64-6.1 arm64-6.1 x86_64-6.1-long x86_64-small x86_64-6.12 x86_64-6.12-media x86_64-6.1-media x86_64-7.x-media \
	x86_64-6.1-native x86_64-6.1-edus arm64-6.1-edus x86_64-6.1-iommu arm64-6.1-smmu \
	x86_64-6.1-swiotlb x86_64-6.1-icount raspi3b

# For check-boards
BOARDS ?= armhf-6.1 arm64-6.1 arm64-6.12 arm64-6.1-smmu raspi3b

# Where other modules find the API: headers, and for each kernel Module.symvers, for
# KBUILD_EXTRA_SYMBOLS. Where they are is in a file for pkg-config, too.
API := $(DESTDIR)$(PREFIX)/src/dmabuf-core
PC := $(DESTDIR)$(PREFIX)/share/pkgconfig/dmabuf-core.pc
RULES := $(DESTDIR)/usr/lib/udev/rules.d
SOURCE = $(DESTDIR)/usr/src/dmabuf-core-$(version)
KBUILD := $(MAKE) -C $(KDIR) M=$(CURDIR)
version = $(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)
# Debian's headers answer "make kernelrelease" with another name than they build for.
release = $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h)
# Without the kernel's own key, signing would only print errors.
unsigned := $(if $(wildcard $(KDIR)/certs/signing_key.*),,CONFIG_MODULE_SIG_ALL=)
modules := dmabuf-core dmabuf-exporter-sample dmabuf-importer-sample
sources := dmabuf-core exporter-sample importer-sample

# Debian's kernels, each built in a root of its release
KERNELS ?= x86_64-5.10 x86_64-6.1 x86_64-6.12 x86_64-6.12-trixie x86_64-6.18 x86_64-7.x

export PROGRAMS BUILD_ONLY

all: modules tools

modules:
	$(KBUILD) modules

tools:
	$(MAKE) -C tools

install: install-modules install-tools install-udev install-dev

install-modules: modules
	$(KBUILD) INSTALL_MOD_PATH=$(DESTDIR) INSTALL_MOD_DIR=updates $(unsigned) modules_install
	$(if $(DESTDIR),,depmod $(release))
	$(INSTALL) -D -m 0644 -t $(API)/$(release) Module.symvers

install-tools:
	$(MAKE) -C tools install PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)

install-udev:
	$(INSTALL) -D -m 0644 -t $(RULES) exporter-sample/60-dmabuf-core.rules

install-dev:
	$(INSTALL) -D -m 0644 -t $(DESTDIR)$(PREFIX)/include/dmabuf-core \
		dmabuf-core/include/uapi/dmabuf-core/*.h
	$(INSTALL) -D -m 0644 -t $(API)/include/dmabuf-core dmabuf-core/include/dmabuf-core/*.h
	$(INSTALL) -d $(dir $(PC))
	sed 's,@PREFIX@,$(PREFIX),; s,@VERSION@,$(version),' dmabuf-core/dmabuf-core.pc.in >$(PC)

# What DKMS builds from: of the sources what is compiled, without what Kbuild has written there.
install-source:
	for file in $$(find Kbuild dkms.conf $(sources) scripts/dkms-symvers -name '[!.]*' \
			! -name '*.mod.c' \( -name '*.[ch]' -o -name Kbuild -o -name 'dkms*' \)); do \
		mode=0644; [ ! -x $$file ] || mode=0755; \
		$(INSTALL) -D -m $$mode $$file $(SOURCE)/$$file || exit; \
	done

uninstall:
	find $(DESTDIR)/lib/modules/$(release)/updates \( -false \
		$(foreach m,$(modules),-o -name $(m).ko -o -name '$(m).ko.*') \) -delete
	$(if $(DESTDIR),,depmod $(release))
	$(MAKE) -C tools uninstall PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)
	rm -f $(RULES)/60-dmabuf-core.rules $(PC)
	rm -rf $(API) $(DESTDIR)$(PREFIX)/include/dmabuf-core

clean:
	[ ! -d $(KDIR) ] || $(KBUILD) clean
	$(MAKE) -C tools clean
	rm -rf build

setup:
	scripts/setup

demo:
	scripts/setup build vm
	scripts/demo

demo-video:
	scripts/setup build vm media
	scripts/demo-video

check:
	scripts/setup build vm arm64 media kernel $(if $(findstring armhf,$(TARGETS)),armhf)
	scripts/check $(TARGETS)

check-kernels:
	scripts/setup build vm kernels
	IN_ROOT=y scripts/check $(KERNELS)

check-boards:
	scripts/setup build vm arm64 armhf
	scripts/check $(BOARDS)

check-debug:
	scripts/setup build vm media kernel
	scripts/check debug debug-media

lint:
	scripts/setup build vm media lint
	scripts/lint

help:
	@echo 'Try it, on Debian 12; missing packages and a kernel are fetched:'
	@echo '  demo         a buffer goes through all six steps in a virtual machine, and moves'
	@echo '  demo-video   a camera, our engine and a screen share a buffer; leaves build/demo-video.png'
	@echo '  check        all selftests in virtual machines, x86-64 and arm64, kernels 6.1 and 6.12;'
	@echo '               PROGRAMS="map mmap" and TARGETS=arm64-6.1 run a part of them'
	@echo '  check-kernels  all selftests on kernels of Debian 11, 12 and 13 and its backports, 5.10 to 7.x;'
	@echo '               KERNELS=x86_64-7.x runs one of them, BUILD_ONLY=y only builds for them'
	@echo '  check-boards arm64 with a device tree region, an SMMU, and 6.12; Raspberry Pi 3; 32-bit ARM'
	@echo '  check-debug  all selftests on a kernel with KASAN, lockdep, kmemleak and more'
	@echo '  check-dkms   the packages on Debian 11, 12 and 13: install, boot, new kernel, removal'
	@echo '  check-signed a kernel that takes signed modules only: DKMS signs ours, others are refused'
	@echo '  check-third-party  the driver in examples, built outside of the tree, loaded and driven'
	@echo '  lint         compilers, sparse, checkpatch, kernel-doc, shellcheck, contract'
	@echo '  setup        only install what is missing for all of these'
	@echo
	@echo 'Build it, for the running kernel or KDIR=; ARCH= and CROSS_COMPILE= cross-compile:'
	@echo '  all          modules and tools (default)'
	@echo '  modules      dmabuf-core, dmabuf-exporter-sample, dmabuf-importer-sample'
	@echo '  tools        dmabuf-demo'
	@echo '  install      modules, tools, udev rule and headers; DESTDIR= and PREFIX='
	@echo '  uninstall    take them away again'
	@echo '  dkms-install build and install the modules with DKMS; dkms-uninstall takes them away'
	@echo '  deb          Debian packages, in build/deb'
	@echo '  clean        remove what was built'

dkms-install: dkms-uninstall
	$(MAKE) install-source install-udev DESTDIR=
	dkms add dmabuf-core/$(version)
	dkms install dmabuf-core/$(version) -k $(release)

dkms-uninstall:
	@[ ! -e /var/lib/dpkg/info/dmabuf-core-dkms.list ] || \
		{ echo 'The package dmabuf-core-dkms is installed: remove it first.'; exit 1; }
	[ -z "$$(dkms status dmabuf-core/$(version))" ] || dkms remove dmabuf-core/$(version) --all
	rm -rf /usr/src/dmabuf-core-$(version) /usr/lib/udev/rules.d/60-dmabuf-core.rules

# The packages, source and all, from a copy of what git has or would take.
deb:
	scripts/setup build deb
	rm -rf build/deb
	mkdir -p build/deb/src
	rsync -a --exclude=/.git --exclude=/build --filter=':- .gitignore' ./ build/deb/src/
	cd build/deb/src && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL dpkg-buildpackage -us -uc
	ls build/deb/*.deb

check-signed:
	scripts/setup build vm kernel signed
	scripts/check-signed

check-third-party:
	scripts/setup build vm driver
	scripts/check-third-party

check-dkms:
	scripts/setup build vm deb dkms
	scripts/check-dkms $(RELEASES)

.PHONY: all modules tools install install-modules install-tools install-udev install-dev install-source \
	uninstall clean setup demo demo-video check check-kernels check-boards check-debug check-dkms check-signed check-third-party lint help dkms-install \
	dkms-uninstall deb
