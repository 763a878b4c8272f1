# SPDX-License-Identifier: MIT
# `make help` lists the targets. Everything is built below $(BUILD); a second folder gives a second variant:
#   make BUILD=build-broken BREAK=skip_flush hypervisor
BUILD ?= build
BREAK ?=
# UNLOCKED=hv/vm/vm.c: that file takes no lock, a defect that builds with EXTRA_CFLAGS=-DDEBUG_LOCKS notice.
UNLOCKED ?=
# FIRE=1: the test build in which CPUs without a VM send NMIs to the others (docs/CHECKS.md).
FIRE ?=
MAKEFLAGS += --no-builtin-rules
# One short line a step; `make V=1` shows the commands.
V ?=
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s%s\n' $(1) $(2))

# Test builds differ from the real one in a file or two. Once tools/setup has installed it, ccache knows the others.
CC := $(if $(shell command -v ccache),ccache )gcc
export CCACHE_DIR := $(CURDIR)/build/ccache
export CCACHE_MAXSIZE := 200M
NASM := nasm
SETUP := $(BUILD)/setup.stamp

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes
CFLAGS := -std=gnu11 -O2 -g $(WARNINGS) -I. -I$(BUILD) -ffile-prefix-map=$(CURDIR)=. \
	-ffreestanding -fno-stack-protector -fno-jump-tables -fcf-protection=none -fno-asynchronous-unwind-tables \
	-fno-strict-aliasing -fomit-frame-pointer -mno-red-zone -mpreferred-stack-boundary=3 -mgeneral-regs-only -fno-pic -mcmodel=kernel \
	-fno-tree-loop-distribute-patterns $(if $(BREAK),-DBREAK_$(BREAK)) $(if $(FIRE),-DFIRE) $(EXTRA_CFLAGS)
LDFLAGS := -nostdlib -static -z max-page-size=0x1000 -z noexecstack --build-id=none

.PHONY: all hypervisor setup
all: hypervisor

include tools/hypervisor.mk
include tools/guests.mk
include tools/images.mk
include tools/checks.mk
include tools/fuzz.mk

# Brings the machine up to what the build needs; quick when nothing changed.
$(SETUP): tools/setup tools/bochs-build tools/bochs-correct tools/bochs-fetch tools/trixie-apt tools/kernel-unpack $(wildcard guest-tests/linux/*) \
		$(wildcard tools/guest/* hv/base/hypercall_*.h vmx/exit_reason.*) tools/initramfs $(wildcard guest-tests/selfcheck/*)
	@tools/setup $(BUILD)
	@mkdir -p $(@D) && touch $@
setup: $(SETUP)

.PHONY: clean help
clean: # removes what was built, keeps the emulator and the guest kernel
	rm -rf $(BUILD)/obj $(BUILD)/gen $(BUILD)/guests $(BUILD)/unit $(BUILD)/test $(BUILD)/*.elf $(BUILD)/*.EFI

help: # lists the targets
	@grep -hE '^[a-z-]+:.*#' Makefile tools/*.mk | sed 's/:.*#/\t/' | sort
