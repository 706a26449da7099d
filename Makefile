# SPDX-License-Identifier: GPL-2.0-only
# Verbs only; what is built is in Kbuild. "make help" tells what there is.

KDIR ?= /lib/modules/$(shell uname -r)/build
PREFIX ?= /usr/local
DESTDIR ?=
INSTALL ?= install
# In this order, the long ones first, as many at a time as there are CPUs.
TARGETS ?= x86_64-6.1 arm64-6.1 x86_64-small x86_64-6.12 x86_64-6.12-media x86_64-6.1-media \
	x86_64-6.1-native x86_64-6.1-edus arm64-6.1-edus x86_64-6.1-iommu arm64-6.1-smmu \
	x86_64-6.1-swiotlb x86_64-6.1-icount raspi3b

# Where other modules find the API: headers, and Module.symvers for KBUILD_EXTRA_SYMBOLS.
API := $(DESTDIR)$(PREFIX)/src/dmabuf-core
RULES := $(DESTDIR)/usr/lib/udev/rules.d
KBUILD := $(MAKE) -C $(KDIR) M=$(CURDIR)
version = $(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)
# Debian's headers answer "make kernelrelease" with another name than they build for.
release = $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h)
# Without the kernel's own key, signing would only print errors.
unsigned := $(if $(wildcard $(KDIR)/certs/signing_key.*),,CONFIG_MODULE_SIG_ALL=)
modules := dmabuf-core dmabuf-exporter-sample dmabuf-importer-sample

export PROGRAMS

all: modules tools

modules:
	$(KBUILD) modules

tools:
	$(MAKE) -C tools

install: modules tools
	$(KBUILD) INSTALL_MOD_PATH=$(DESTDIR) INSTALL_MOD_DIR=updates $(unsigned) modules_install
	$(if $(DESTDIR),,depmod $(release))
	$(MAKE) -C tools install PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)
	$(INSTALL) -D -m 0644 -t $(RULES) exporter-sample/60-dmabuf-core.rules
	$(INSTALL) -D -m 0644 -t $(DESTDIR)$(PREFIX)/include/dmabuf-core \
		dmabuf-core/include/uapi/dmabuf-core/*.h
	$(INSTALL) -D -m 0644 -t $(API)/include/dmabuf-core dmabuf-core/include/dmabuf-core/*.h
	$(INSTALL) -D -m 0644 -t $(API) Module.symvers

uninstall:
	find $(DESTDIR)/lib/modules/$(release)/updates \( -false \
		$(foreach m,$(modules),-o -name $(m).ko -o -name '$(m).ko.*') \) -delete
	$(if $(DESTDIR),,depmod $(release))
	$(MAKE) -C tools uninstall PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)
	rm -f $(RULES)/60-dmabuf-core.rules
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
	scripts/setup build vm arm64 media kernel
	scripts/check $(TARGETS)

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
	@echo '  check-debug  all selftests on a kernel with KASAN, lockdep, kmemleak and more'
	@echo '  lint         compilers, sparse, checkpatch, kernel-doc, shellcheck, contract'
	@echo '  setup        only install what is missing for all of these'
	@echo
	@echo 'Build it, for the running kernel or KDIR=; ARCH= and CROSS_COMPILE= cross-compile:'
	@echo '  all          modules and tools (default)'
	@echo '  modules      dmabuf-core, dmabuf-exporter-sample, dmabuf-importer-sample'
	@echo '  tools        dmabuf-demo'
	@echo '  install      modules, tools, udev rule and headers; DESTDIR= and PREFIX='
	@echo '  uninstall    take them away again'
	@echo '  dkms-install build and install the modules with DKMS'
	@echo '  clean        remove what was built'

# DKMS copies the directory that it is given, so it gets the sources and nothing else.
dkms-install:
	rm -rf build/dkms
	mkdir -p build/dkms
	rsync -a --exclude=/.git --exclude=/build --filter=':- .gitignore' ./ build/dkms/
	dkms add build/dkms
	dkms install dmabuf-core/$(version) -k $(release)
	$(INSTALL) -D -m 0644 -t $(RULES) exporter-sample/60-dmabuf-core.rules

.PHONY: all modules tools install uninstall clean setup demo demo-video check check-debug lint help dkms-install
