# SPDX-License-Identifier: MIT
# Test guests: each guest-tests/guests/NAME.c with the library becomes a flat image $(BUILD)/guests/NAME.bin.
GUEST_NAMES := $(patsubst guest-tests/guests/%.c,%,$(wildcard guest-tests/guests/*.c))
GUEST_LIB := $(patsubst %,$(BUILD)/obj/%.o,$(wildcard guest-tests/guests/lib/*.c guest-tests/guests/lib/*.asm))
GUEST_CFLAGS := -std=gnu11 -O2 -g $(WARNINGS) -I. -Iguest-tests/guests/lib -ffile-prefix-map=$(CURDIR)=. -ffreestanding \
	-fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables -fno-strict-aliasing -mno-red-zone \
	-mgeneral-regs-only -fno-pic -fno-tree-loop-distribute-patterns

# The guest that is entered in 32-bit mode: multiboot as ELF32, the same with addresses in its header, PVH as ELF64.
BOOT32 := $(BUILD)/guests/boot32.elf32 $(BUILD)/guests/boot32.addresses $(BUILD)/guests/boot32.pvh

guests: $(GUEST_NAMES:%=$(BUILD)/guests/%.bin) $(BOOT32) # builds the bare-metal test guests

$(BUILD)/obj/guest-tests/guests/%.c.o: guest-tests/guests/%.c | $(SETUP)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(GUEST_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/guests/%.elf: $(BUILD)/obj/guest-tests/guests/%.c.o $(GUEST_LIB) guest-tests/guests/guest.ld
	@mkdir -p $(@D)
	$(Q)ld -nostdlib -static -z noexecstack --no-warn-rwx-segments --build-id=none -T guest-tests/guests/guest.ld $(GUEST_LIB) \
		$(filter-out $(GUEST_LIB),$(filter %.o,$^)) -o $@

# Guests of several files: all of guest-tests/guests/NAME/.
GUEST_PARTS := $(foreach name,fuzz victim,$(wildcard guest-tests/guests/$(name)/*.c guest-tests/guests/$(name)/*.asm))
GUEST_PART_OBJECTS := $(patsubst %,$(BUILD)/obj/%.o,$(GUEST_PARTS))
$(BUILD)/guests/fuzz.elf: $(filter $(BUILD)/obj/guest-tests/guests/fuzz/%,$(GUEST_PART_OBJECTS))
$(BUILD)/guests/victim.elf: $(filter $(BUILD)/obj/guest-tests/guests/victim/%,$(GUEST_PART_OBJECTS))

$(BUILD)/guests/%.bin: $(BUILD)/guests/%.elf
	$(call say,GUEST,$@)
	$(Q)objcopy -O binary $< $@

BOOT32_LINK = ld -nostdlib -static -z noexecstack -z max-page-size=0x1000 --no-warn-rwx-segments --build-id=none \
	-T guest-tests/guests/boot32/boot32.ld $(GUEST_LIB) $(BUILD)/obj/guest-tests/guests/boot32/boot32.c.o
$(BUILD)/guests/boot32.%.elf64: $(BUILD)/obj/guest-tests/guests/boot32/boot32.c.o $(GUEST_LIB) \
		guest-tests/guests/boot32/entry.asm guest-tests/guests/boot32/boot32.ld
	@mkdir -p $(@D)
	$(Q)$(NASM) -f elf64 -w+all -Werror -D$* guest-tests/guests/boot32/entry.asm -o $(BUILD)/obj/boot32.$*.o
	$(Q)$(BOOT32_LINK) $(BUILD)/obj/boot32.$*.o -o $@

$(BUILD)/guests/boot32.elf32: $(BUILD)/guests/boot32.ELF.elf64
	$(call say,GUEST,$@)
	$(Q)objcopy -O elf32-i386 $< $@
$(BUILD)/guests/boot32.addresses: $(BUILD)/guests/boot32.ADDRESSES.elf64
	$(call say,GUEST,$@)
	$(Q)objcopy -O binary $< $@
$(BUILD)/guests/boot32.pvh: $(BUILD)/guests/boot32.PVH.elf64
	$(call say,GUEST,$@)
	$(Q)cp $< $@

# Nothing built here is thrown away: make would do that behind the suite's last line.
.SECONDARY: $(GUEST_PART_OBJECTS) $(GUEST_NAMES:%=$(BUILD)/guests/%.elf) $(GUEST_NAMES:%=$(BUILD)/obj/guest-tests/guests/%.c.o) $(GUEST_LIB) \
	$(patsubst %,$(BUILD)/guests/boot32.%.elf64,ELF ADDRESSES PVH) $(BUILD)/obj/guest-tests/guests/boot32/boot32.c.o
-include $(wildcard $(BUILD)/obj/guest-tests/guests/*.d $(BUILD)/obj/guest-tests/guests/*/*.d)

# Unit tests: host programs under ASan and UBSan; the first line of each names the sources that it tests (one includes its own).
UNIT_NAMES := $(patsubst guest-tests/unit/test_%.c,%,$(wildcard guest-tests/unit/test_*.c))
UNIT_CFLAGS := -std=gnu11 -O1 -g -Wall -Wextra -Werror -I. -I$(BUILD) -DCLOISTER_HOST_TEST=1 -fsanitize=address,undefined \
	-fno-sanitize-recover=all

unit: $(UNIT_NAMES:%=$(BUILD)/unit/%) # builds the unit tests

UNIT_SOURCES = $(shell sed -n '1s,.*unit-sources: *\(.*[^ ]\) *\*/,\1,p' guest-tests/unit/test_$(1).c)

define UNIT_RULE
$(BUILD)/unit/$(1): guest-tests/unit/test_$(1).c guest-tests/unit/unit.h $(DSDT) $$(wildcard guest-tests/unit/*.h) \
		$(call UNIT_SOURCES,$(1)) | $(SETUP)
	@mkdir -p $$(@D)
	$(call say,TEST,$$@)
	$(Q)$(CC) $(UNIT_CFLAGS) -MM -MP -MT $$@ $$< $(call UNIT_SOURCES,$(1)) > $$@.d
	$(Q)$(CC) $(UNIT_CFLAGS) $$< $(call UNIT_SOURCES,$(1)) -o $$@
-include $(BUILD)/unit/$(1).d
endef
$(foreach name,$(UNIT_NAMES),$(eval $(call UNIT_RULE,$(name))))

# The same sources under ThreadSanitizer, by real threads; and without their locks, which it has to notice.
THREADS_NAMES := $(patsubst guest-tests/threads/%.c,%,$(wildcard guest-tests/threads/*.c))
THREADS_CFLAGS := -std=gnu11 -O1 -g -Wall -Wextra -Werror -I. -I$(BUILD) -DCLOISTER_HOST_TEST=1 -fsanitize=thread -pthread
THREADS_SOURCES = $(shell sed -n '1s,.*threads-sources: *\(.*[^ ]\) *\*/,\1,p' guest-tests/threads/$(1).c)

define THREADS_RULE
$(BUILD)/threads/$(1)$(2): guest-tests/threads/$(1).c $$(wildcard guest-tests/unit/*.h) $(call THREADS_SOURCES,$(1)) | $(SETUP)
	@mkdir -p $$(@D)
	$(call say,TEST,$$@)
	$(Q)$(CC) $(THREADS_CFLAGS) $(3) -MM -MP -MT $$@ $$< $(call THREADS_SOURCES,$(1)) > $$@.d
	$(Q)$(CC) $(THREADS_CFLAGS) $(3) $$< $(call THREADS_SOURCES,$(1)) -o $$@
-include $(BUILD)/threads/$(1)$(2).d
unit: $(BUILD)/threads/$(1)$(2)
endef
$(foreach name,$(THREADS_NAMES),$(eval $(call THREADS_RULE,$(name),,)) $(eval $(call THREADS_RULE,$(name),-unlocked,-DBREAK_unlocked)))
