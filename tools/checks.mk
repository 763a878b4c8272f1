# SPDX-License-Identifier: MIT
# Tests and static checks.
.PHONY: test wide restarts bench lint model prove oracle debian nested
test: hypervisor guests unit # runs the whole suite; last line: N passed, N failed
	@guest-tests/run

debian: $(SETUP) # makes the Debian 12 that the tests host, and fetches a newer kernel: build/debian, build/trixie
	@tools/debian-setup --all

restarts: hypervisor guests # restarts VMs 1,000 times where memory is nearly all taken
	@RESTARTS=1000 guest-tests/run --no-build life-pressure

bench: hypervisor guests # measures exits and boots in instructions; build/bench/results.json, report.html
	@guest-tests/bench

nested: hypervisor guests # all that can run on QEMU with KVM, in the emulator; MACHINE=q35-uefi-usb-1:1:2-iommu OUTER=trixie
	@guest-tests/run --nested $(MACHINE)

wide: hypervisor guests unit # the tests that the suite leaves out, having another one of the kind
	@tools/debian-setup --all || echo "setup: the tests that host it will be skipped"
	@guest-tests/run --wide

model: # proves the models of stunning and waking, refutes their mutants, compares them with the code; logs: build/model/
	@guest-tests/model/check --build $(BUILD)

# PROVE= names some of them.
PROVE ?=
prove: $(SETUP) # proves by Frama-C that no input of guests, files or devices leads to undefined behaviour; logs: build/prove/
	@guest-tests/prove/check --build $(BUILD) $(PROVE)

# Each line traces one machine; a violation ends it. INSTRUCTIONS is what each is traced for.
INSTRUCTIONS ?= 1000000
ORACLE = tools/oracle --instructions $(INSTRUCTIONS) --timeout 600
SWITCHES = tools/oracle --instructions 200000 --switches 8 --vms 2 --timeout 600
oracle: hypervisor guests # looks for foreign data in maps and caches, longer than the suite does
	tools/witness
	tools/witness --shared-core --mitigation asi+stun
	for words in touch deaf "touch deaf"; do tools/witness --registers --mitigation asi+stun --words "$$words" || exit 1; done
	tools/witness --ended
	for more in "" "--memory-mode lazy" "--network --smp 1:2:1" "--mitigation asi+stun --smp 1:1:2 --vcpus 2"; do \
		tools/leftovers --count 400 $$more || exit 1; done
	$(ORACLE)
	$(ORACLE) --calm
	$(ORACLE) --mitigation always-flush
	$(ORACLE) --model corei7_icelake_u --paranoid
	$(ORACLE) --model tigerlake --paranoid
	$(ORACLE) --model tigerlake --paranoid --mitigation always-flush
	$(ORACLE) --model corei5_arrandale_m520
	$(ORACLE) --smp 1:1:2
	$(ORACLE) --smp 1:2:1 --vms 2
	$(ORACLE) --smp 1:2:2 --vms 4
	$(ORACLE) --smp 1:2:2 --vms 2 --vcpus 2 --mitigation asi+stun
	for guest in cr ept exceptions hostile instructions interrupts io mmio msr sensitive timer vmcall; do \
		$(ORACLE) --guest $$guest || exit 1; done
	$(ORACLE) --guest hostile --memory-mode lazy
	$(ORACLE) --guest policies --policies --words for-ever --smp 1:2:1 --vcpus 2 --mitigation asi+stun --skip 3000000
	$(ORACLE) --guest policies --policies --words "for-ever threads" --smp 1:1:2 --vcpus 2 --mitigation asi+stun --skip 3000000
	for policy in asi+stun always-flush+stun; do \
		$(ORACLE) --mitigation $$policy --smp 1:1:2 --vcpus 2 && \
		$(ORACLE) --mitigation $$policy --smp 1:1:2 --vcpus 2 --words deaf && \
		$(ORACLE) --mitigation $$policy --smp 1:1:2 --vcpus 2 --guest stun && \
		$(ORACLE) --mitigation $$policy --smp 1:1:2 --vcpus 2 --guest smp --words vcpus-2 && \
		$(ORACLE) --mitigation $$policy --smp 1:1:2 --vcpus 2 --model tigerlake --paranoid && \
		$(SWITCHES) --mitigation $$policy --smp 1:1:2 --vcpus 2 && \
		$(SWITCHES) --mitigation $$policy --smp 1:1:2 --vcpus 2 --model tigerlake --paranoid || exit 1; done
	$(SWITCHES) --mitigation always-flush
	$(SWITCHES)
	$(SWITCHES) --smp 1:2:2 --vms 4 --vcpus 2 --mitigation asi+stun

C_FILES := $(shell git ls-files '*.c' '*.h')
LINT_SOURCES := $(filter-out boot/efi/%,$(filter boot/% hv/% mm/% vmx/% drivers/%,$(filter %.c,$(C_FILES))))

lint: $(DSDT) $(BUILD)/cloister.elf # formatting, clang-tidy, cppcheck, and what the machine code proves: rooms, branches, stacks, maps, boot
	clang-format --dry-run -Werror $(C_FILES)
	tools/check-layers --build $(BUILD)
	tools/check-branches $(BUILD)/cloister.elf
	tools/check-stack $(BUILD)/cloister.elf
	tools/check-maps $(BUILD)/cloister.elf
	tools/check-boot $(BUILD)/cloister.elf
	tools/check-size $(BUILD)/cloister.elf
	tools/check-docs
	cppcheck --quiet --enable=warning,performance,portability --error-exitcode=1 --inline-suppr --std=c11 -I. -I$(BUILD) \
		-D__x86_64__ '-D_Noreturn=__attribute__((noreturn))' --suppress=missingIncludeSystem $(LINT_SOURCES)
	clang-tidy --quiet $(LINT_SOURCES) -- -std=gnu11 -I. -I$(BUILD) -ffreestanding -mgeneral-regs-only -mno-red-zone
