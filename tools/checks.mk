# SPDX-License-Identifier: MIT
# Tests and static checks.
.PHONY: test bench lint model
test: hypervisor guests unit # runs the whole suite; last line: N passed, N failed
	@guest-tests/run

bench: hypervisor guests # measures exits and boots in instructions; build/bench/results.json, report.html
	@guest-tests/bench

model: # proves the model of stunning, refutes its mutants, compares it with the code; logs: build/model/
	@guest-tests/model/check --build $(BUILD)

C_FILES := $(shell git ls-files '*.c' '*.h')
LINT_SOURCES := $(filter-out boot/efi/%,$(filter boot/% hv/% mm/% vmx/% drivers/%,$(filter %.c,$(C_FILES))))

lint: $(DSDT) $(BUILD)/cloister.elf # formatting, clang-tidy, cppcheck, include directions, indirect branches
	clang-format --dry-run -Werror $(C_FILES)
	tools/check-layers
	tools/check-branches $(BUILD)/cloister.elf
	cppcheck --quiet --enable=warning,performance,portability --error-exitcode=1 --inline-suppr --std=c11 -I. -I$(BUILD) \
		-D__x86_64__ '-D_Noreturn=__attribute__((noreturn))' --suppress=missingIncludeSystem $(LINT_SOURCES)
	clang-tidy --quiet $(LINT_SOURCES) -- -std=gnu11 -I. -I$(BUILD) -ffreestanding -mgeneral-regs-only -mno-red-zone
