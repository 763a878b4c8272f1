# SPDX-License-Identifier: MIT
# Fuzzers: host programs under libFuzzer, ASan and UBSan; the first line of each names the sources that it feeds. What
# they learn stays in $(BUILD)/fuzz/NAME/; a file there that begins with crash- or timeout- is a finding.
FUZZ_NAMES := $(patsubst guest-tests/fuzz/fuzz_%.c,%,$(wildcard guest-tests/fuzz/fuzz_*.c))
FUZZ_CFLAGS := -std=gnu11 -O1 -g -Wall -Wextra -Werror -I. -I$(BUILD) -DCLOISTER_HOST_TEST=1 \
	-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
SECONDS_EACH ?= 60
FUZZ_LIBS_decode := -lZydis

.PHONY: fuzz
fuzz: $(FUZZ_NAMES:%=$(BUILD)/fuzz/fuzz_%) # feeds parsers with damaged input, SECONDS_EACH=60 each (needs clang)
	$(Q)for name in $(FUZZ_NAMES); do \
		mkdir -p $(BUILD)/fuzz/$$name; \
		$(BUILD)/fuzz/fuzz_$$name -max_total_time=$(SECONDS_EACH) -max_len=24000 -timeout=10 \
			-artifact_prefix=$(BUILD)/fuzz/$$name/ $(BUILD)/fuzz/$$name > $(BUILD)/fuzz/$$name.log 2>&1 && \
			tail -n 1 $(BUILD)/fuzz/$$name.log || { tail -n 30 $(BUILD)/fuzz/$$name.log; exit 1; }; done

define FUZZ_RULE
$(BUILD)/fuzz/fuzz_$(1): guest-tests/fuzz/fuzz_$(1).c \
		$$(shell sed -n '1s,.*fuzz-sources: *\(.*[^ ]\) *\*/,\1,p' guest-tests/fuzz/fuzz_$(1).c) | $(SETUP)
	@command -v clang > /dev/null || { echo 'make fuzz needs the packages clang, libclang-rt-dev and libzydis-dev'; exit 1; }
	@mkdir -p $$(@D)
	$(call say,FUZZ,$$@)
	$(Q)clang $(FUZZ_CFLAGS) -MMD -MP -MF $$@.d $$(filter %.c,$$^) $(FUZZ_LIBS_$(1)) -o $$@
-include $(BUILD)/fuzz/fuzz_$(1).d
endef
$(foreach name,$(FUZZ_NAMES),$(eval $(call FUZZ_RULE,$(name))))

# Files from which the mutations begin: the first byte chooses the format.
$(BUILD)/fuzz/fuzz_loaders: | $(BUILD)/fuzz/loaders/multiboot $(BUILD)/fuzz/loaders/addresses $(BUILD)/fuzz/loaders/pvh
$(BUILD)/fuzz/loaders/multiboot: $(BUILD)/guests/boot32.elf32
$(BUILD)/fuzz/loaders/addresses: $(BUILD)/guests/boot32.addresses
$(BUILD)/fuzz/loaders/pvh: $(BUILD)/guests/boot32.pvh
$(BUILD)/fuzz/loaders/multiboot $(BUILD)/fuzz/loaders/addresses $(BUILD)/fuzz/loaders/pvh:
	@mkdir -p $(@D)
	$(Q){ printf '\070'; head -c 20000 $<; } > $@

.PHONY: fuzz-machine
SEEDS ?= 500
STEPS ?= 4000
fuzz-machine: hypervisor guests # a hostile guest beside a victim: SEEDS=500 on each machine, STEPS=4000 each; FIRST=0, NESTED=q35-bios
	@guest-tests/fuzz-machine --first $(or $(FIRST),0) --seeds $(SEEDS) --steps $(STEPS) $(if $(NESTED),--nested $(NESTED))
