# SPDX-License-Identifier: MIT
# Running and shipping.
DEMO := $(BUILD)/demo

$(DEMO)/cloister.conf: tools/demo/cloister.conf $(SETUP)
	@mkdir -p $(@D)
	cp build/linux/vmlinuz build/linux/initrd.img $(@D)/
	cp $< $@

.PHONY: run run-tcg run-kvm image iso
run: hypervisor # boots two Linux guests in the emulator, through UEFI; they can ping each other
	@tools/run $(BUILD) --firmware uefi

run-tcg: hypervisor # boots in QEMU without VMX: says so and halts
	@tools/run $(BUILD) --machine qemu-tcg --firmware uefi --timeout 120 </dev/null > $(BUILD)/run-tcg.txt; cat $(BUILD)/run-tcg.txt
	@grep -q '^cloister: cannot run: .* VMX' $(BUILD)/run-tcg.txt && \
		grep -q '"type":"end","status":1' $(BUILD)/run-tcg.txt

run-kvm: image # boots nested in QEMU/KVM on an Intel host; SMP=1:2:2 MEM=2048 FIRMWARE=bios
	@tools/run-kvm $(if $(SMP),--smp $(SMP)) $(if $(MEM),--mem $(MEM)) $(if $(FIRMWARE),--firmware $(FIRMWARE)) $(BUILD)/cloister.img

image: $(BUILD)/cloister.img # makes a disk image for a USB stick: UEFI, and BIOS through GRUB
$(BUILD)/cloister.img: hypervisor $(DEMO)/cloister.conf tools/disk-image
	tools/disk-image $(BUILD) $(DEMO) $@

iso: $(BUILD)/cloister.iso # makes a hybrid ISO: GRUB on UEFI and BIOS
$(BUILD)/cloister.iso: hypervisor $(DEMO)/cloister.conf tools/iso
	tools/iso $(BUILD) $(DEMO) $@
