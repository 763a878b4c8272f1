# SPDX-License-Identifier: MIT
# Fuzzers: host programs under libFuzzer or AFL++ (FUZZER=afl), ASan and UBSan. The first line of guest-tests/fuzz/fuzz_NAME.c names the sources that
# it feeds; FUZZ_PROVED are drivers of the prover (guest-tests/prove), whose unknown values come out of the input.
FUZZ_OWN := $(patsubst guest-tests/fuzz/fuzz_%.c,%,$(wildcard guest-tests/fuzz/fuzz_*.c))
FUZZ_PROVED := call console io ioapic lapic machine mmio msr pci rtc segment switch uart
FUZZ ?= $(FUZZ_OWN) $(FUZZ_PROVED)
FUZZER ?= libfuzzer
FUZZ_CC := $(if $(filter afl,$(FUZZER)),afl-clang-fast,clang)
FUZZ_AT := $(BUILD)/$(if $(filter afl,$(FUZZER)),afl,fuzz)
FUZZ_CFLAGS := -std=gnu11 -O1 -g -Wall -Wextra -Werror -I. -I$(BUILD) -DCLOISTER_HOST_TEST=1 \
	-fsanitize=address,undefined -fno-sanitize-recover=all
SECONDS_EACH ?= 60
FUZZ_LIBS_decode := -lZydis

.PHONY: fuzz fuzz-replay
fuzz: $(FUZZ:%=$(FUZZ_AT)/fuzz_%) # feeds modules with any input, SECONDS_EACH=60 each; FUZZ="decode text" for some, KEEP=1: new seeds, FUZZER=afl
	@guest-tests/fuzz/run --build $(BUILD) --fuzzer $(FUZZER) --seconds $(SECONDS_EACH) $(if $(KEEP),--keep) $(FUZZ)

fuzz-replay: $(FUZZ:%=$(BUILD)/fuzz/fuzz_%) # feeds them what guest-tests/fuzz/seeds has, and nothing else
	@guest-tests/fuzz/run --build $(BUILD) --replay $(FUZZ)

define FUZZ_RULE
$(FUZZ_AT)/fuzz_$(1): guest-tests/fuzz/fuzz_$(1).c \
		$$(shell sed -n '1s,.*fuzz-sources: *\(.*[^ ]\) *\*/,\1,p' guest-tests/fuzz/fuzz_$(1).c) | $(SETUP)
	@mkdir -p $$(@D)
	$(call say,FUZZ,$$@)
	$(Q)$(FUZZ_CC) $(FUZZ_CFLAGS) -MM -MP -MT $$@ $$(filter %.c,$$^) > $$@.d
	$(Q)$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer $$(filter %.c,$$^) $(FUZZ_LIBS_$(1)) -o $$@
-include $(FUZZ_AT)/fuzz_$(1).d
endef
$(foreach name,$(FUZZ_OWN),$(eval $(call FUZZ_RULE,$(name))))

# All that a driver and its modules remember goes into sections that guest-tests/fuzz/proved.c can put back.
PROVE_WORDS = $(shell sed -n 's,^/\* prove$(2): \(.*\) \*/,\1,p' guest-tests/prove/prove_$(1).c)
define FUZZ_PROVED_RULE
$(FUZZ_AT)/fuzz_$(1): guest-tests/prove/prove_$(1).c $(call PROVE_WORDS,$(1)) $(call PROVE_WORDS,$(1),-with) \
		guest-tests/fuzz/proved.c guest-tests/fuzz/any.h | $(SETUP)
	$(call say,FUZZ,$$@)
	$(Q)rm -rf $$@.o && mkdir -p $$@.o
	$(Q)for source in $$(filter-out guest-tests/fuzz/%,$$(filter %.c,$$^)); do \
		object=$$@.o/$$$$(echo $$$$source | tr / _).o; \
		$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link -Wno-unused-parameter -Wno-unused-function -fno-pie -include guest-tests/fuzz/any.h \
			$(patsubst %,-include %,$(call PROVE_WORDS,$(1),-before)) -MMD -MP -MT $$@ -c $$$$source -o $$$$object && \
		objcopy --rename-section .data=proved_data --rename-section .bss=proved_bss $$$$object || exit 1; done
	$(Q)$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer -fno-pie -no-pie guest-tests/fuzz/proved.c $$@.o/*.o -o $$@
-include $(wildcard $(FUZZ_AT)/fuzz_$(1).o/*.d)
endef
$(foreach name,$(FUZZ_PROVED),$(eval $(call FUZZ_PROVED_RULE,$(name))))

# Files from which the mutations begin: the first byte chooses the format.
$(FUZZ_AT)/fuzz_loaders: | $(BUILD)/fuzz/loaders/multiboot $(BUILD)/fuzz/loaders/addresses $(BUILD)/fuzz/loaders/pvh
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
