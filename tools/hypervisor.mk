# SPDX-License-Identifier: MIT
# The hypervisor: cloister.elf (also a multiboot2 kernel) and BOOTX64.EFI.
HV_SOURCES := $(sort $(foreach end,c asm,$(wildcard $(addsuffix /*.$(end),boot boot/mb2 hv/* mm vmx vmx/exit drivers/host drivers/guest/*))))
HV_SOURCES := $(filter-out drivers/guest/loader/%,$(HV_SOURCES))
HV_SOURCES += $(if $(FIRE),guest-tests/fire/fire.c)
HV_OBJECTS := $(patsubst %,$(BUILD)/obj/%.o,$(HV_SOURCES))
DSDT := $(BUILD)/gen/dsdt.h

hypervisor: $(BUILD)/cloister.elf $(BUILD)/BOOTX64.EFI # builds the hypervisor and its UEFI loader

# Objects are rebuilt when the flags change, not only when the sources do.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D); echo '$(CFLAGS)' | cmp -s - $@ || echo '$(CFLAGS)' > $@
.PHONY: FORCE
FORCE:
$(UNLOCKED:%=$(BUILD)/obj/%.o): FORCE

$(BUILD)/obj/%.c.o: %.c $(BUILD)/flags $(DSDT) | $(SETUP)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) $(if $(filter $<,$(UNLOCKED)),-DBREAK_unlocked) -MMD -MP -c $< -o $@

$(BUILD)/obj/%.asm.o: %.asm $(BUILD)/flags | $(SETUP)
	@mkdir -p $(@D)
	$(call say,NASM,$<)
	$(Q)$(NASM) -f elf64 -w+all -Werror -I$(BUILD)/gen/ $(if $(BREAK),-DBREAK_$(BREAK)) -MD $@.d -MQ $@ $< -o $@

$(DSDT): drivers/guest/loader/dsdt.asl | $(SETUP)
	@mkdir -p $(@D)
	$(call say,IASL,$<)
	$(Q)iasl -ve -p $(BUILD)/gen/dsdt $< > $(BUILD)/gen/iasl.log || { cat $(BUILD)/gen/iasl.log; exit 1; }
	$(Q){ echo 'static const uint8_t dsdt_aml[] = {'; od -An -v -tx1 $(BUILD)/gen/dsdt.aml | \
		sed 's/ \([0-9a-f][0-9a-f]\)/0x\1, /g'; echo '};'; } > $@

# The program that loads a guest's kernel, in the guest: flat, at the address that loader.ld says, and data of the image.
LOADER_SOURCES := $(wildcard drivers/guest/loader/*.c drivers/guest/loader/*.asm) hv/base/print.c hv/base/string.c
LOADER_OBJECTS := $(patsubst %,$(BUILD)/obj/loader/%.o,$(LOADER_SOURCES))
LOADER_CFLAGS := -std=gnu11 -O2 -g $(WARNINGS) -I. -I$(BUILD) -ffile-prefix-map=$(CURDIR)=. -ffreestanding -fno-stack-protector \
	-fno-jump-tables -fcf-protection=none -fno-asynchronous-unwind-tables -fno-strict-aliasing -fno-delete-null-pointer-checks \
	-mno-red-zone -mgeneral-regs-only -fpie -fvisibility=hidden -fno-tree-loop-distribute-patterns \
	$(if $(BREAK),-DBREAK_$(BREAK))

$(BUILD)/obj/loader/%.c.o: %.c $(BUILD)/flags $(DSDT) | $(SETUP)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(LOADER_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/obj/loader/%.asm.o: %.asm $(BUILD)/flags | $(SETUP)
	@mkdir -p $(@D)
	$(call say,NASM,$<)
	$(Q)$(NASM) -f elf64 -w+all -Werror -MD $@.d -MQ $@ $< -o $@

$(BUILD)/gen/loader.bin: $(LOADER_OBJECTS) drivers/guest/loader/loader.ld
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)ld -nostdlib -static -z max-page-size=0x1000 -z noexecstack --no-warn-rwx-segments --build-id=none \
		-T drivers/guest/loader/loader.ld $(LOADER_OBJECTS) -o $(BUILD)/gen/loader.elf
	$(Q)objcopy -O binary $(BUILD)/gen/loader.elf $@

$(BUILD)/obj/hv/life/program.asm.o: $(BUILD)/gen/loader.bin

# Linked with an empty symbol table; with one of the real size, which moves the variables behind it; and with that one's
# symbols. The last two tables differ in addresses only, so nothing moves any more: that is checked.
$(BUILD)/cloister.elf: $(HV_OBJECTS) linker.ld tools/symtab
	@mkdir -p $(BUILD)/gen
	$(call say,LD,$@)
	$(Q)tools/symtab > $(BUILD)/gen/symtab.0.asm
	$(Q)$(NASM) -f elf64 $(BUILD)/gen/symtab.0.asm -o $(BUILD)/gen/symtab.0.o
	$(Q)ld $(LDFLAGS) -T linker.ld $(HV_OBJECTS) $(BUILD)/gen/symtab.0.o -o $(BUILD)/gen/pass1.elf
	$(Q)tools/symtab $(BUILD)/gen/pass1.elf > $(BUILD)/gen/symtab.1.asm
	$(Q)$(NASM) -f elf64 $(BUILD)/gen/symtab.1.asm -o $(BUILD)/gen/symtab.1.o
	$(Q)ld $(LDFLAGS) -T linker.ld $(HV_OBJECTS) $(BUILD)/gen/symtab.1.o -o $(BUILD)/gen/pass2.elf
	$(Q)tools/symtab $(BUILD)/gen/pass2.elf > $(BUILD)/gen/symtab.2.asm
	$(Q)$(NASM) -f elf64 $(BUILD)/gen/symtab.2.asm -o $(BUILD)/gen/symtab.2.o
	$(Q)ld $(LDFLAGS) -T linker.ld $(HV_OBJECTS) $(BUILD)/gen/symtab.2.o -o $(BUILD)/gen/pass3.elf
	$(Q)tools/symtab $(BUILD)/gen/pass3.elf | cmp - $(BUILD)/gen/symtab.2.asm
	$(Q)mv $(BUILD)/gen/pass3.elf $@

# The loader is an ordinary gnu-efi program that carries the stripped image.
EFI_SOURCES := $(wildcard boot/*.c boot/efi/*.c) drivers/host/uart.c hv/config/config.c hv/config/keys.c hv/config/mitigation.c hv/config/net.c hv/config/text.c \
	hv/base/print.c hv/base/string.c
EFI_OBJECTS := $(patsubst %,$(BUILD)/obj/efi/%.o,$(EFI_SOURCES))
EFI_CFLAGS := -std=gnu11 -DCLOISTER_LOADER -O2 $(WARNINGS) -I. -isystem /usr/include/efi -isystem /usr/include/efi/x86_64 -ffile-prefix-map=$(CURDIR)=. \
	-ffreestanding -fpic -fshort-wchar -fno-stack-protector -fcf-protection=none -mno-red-zone -maccumulate-outgoing-args \
	-fno-strict-aliasing -fno-tree-loop-distribute-patterns -DGNU_EFI_USE_MS_ABI -mgeneral-regs-only

$(BUILD)/obj/efi/%.c.o: %.c | $(SETUP)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(EFI_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/obj/efi/blob.o: boot/efi/blob.asm $(BUILD)/cloister.elf
	@mkdir -p $(@D)
	$(call say,NASM,$<)
	$(Q)strip -o $(BUILD)/gen/cloister.stripped $(BUILD)/cloister.elf
	$(Q)$(NASM) -f elf64 -I$(BUILD)/gen/ $< -o $@

$(BUILD)/BOOTX64.EFI: $(EFI_OBJECTS) $(BUILD)/obj/efi/blob.o
	$(call say,LD,$@)
	$(Q)ld -nostdlib -znocombreloc -znoexecstack -shared -Bsymbolic --no-warn-rwx-segments --no-undefined --build-id=none \
		-T /usr/lib/elf_x86_64_efi.lds /usr/lib/crt0-efi-x86_64.o $^ -o $(BUILD)/gen/loader.so /usr/lib/libgnuefi.a
	$(Q)objcopy -j .text -j .sdata -j .data -j .rodata -j .dynamic -j .dynsym -j .rel -j .rela -j '.rel.*' -j '.rela.*' \
		-j .reloc --target efi-app-x86_64 --subsystem=10 $(BUILD)/gen/loader.so $@
	@# The linker's time stamp is the only thing that differs between two builds.
	$(Q)printf '\0\0\0\0' | dd of=$@ bs=1 seek=$$(( $$(od -An -tu4 -j60 -N4 $@) + 8 )) conv=notrunc status=none

-include $(patsubst %.o,%.d,$(filter %.c.o,$(HV_OBJECTS) $(LOADER_OBJECTS) $(EFI_OBJECTS))) \
	$(patsubst %,%.d,$(filter %.asm.o,$(HV_OBJECTS) $(LOADER_OBJECTS)))
