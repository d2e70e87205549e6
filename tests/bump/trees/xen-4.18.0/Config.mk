# A makefile of the form of Xen's.
ifneq (,$(SEABIOS_UPSTREAM_TAG))
SEABIOS_UPSTREAM_REVISION ?= $(SEABIOS_UPSTREAM_TAG)
endif
OVMF_UPSTREAM_REVISION ?= 7b4a99be8a39c12d3a7fc4b8db9f0eab4ac688d5
QEMU_UPSTREAM_REVISION ?= qemu-xen-4.18.0
MINIOS_UPSTREAM_REVISION ?= $(shell git describe)
# Wed Dec 25 10:00:00 2024 +0000
# a commit of the firmware
SEABIOS_UPSTREAM_REVISION ?= rel-1.16.1
