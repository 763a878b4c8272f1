; SPDX-License-Identifier: MIT
; Where the other vCPUs of a test guest begin: from real mode at AP_START into the first one's page
; tables, then to the function that lib/smp.c put into ap_entry.
AP_START equ 0x7000
%define at(label) (AP_START + (label) - ap_start)

CR0_PE equ 1
CR0_PG equ 1 << 31
CR4_PAE equ 1 << 5
EFER equ 0xc0000080
EFER_LME equ 1 << 8

section .text
BITS 16
global ap_start, ap_end, ap_cr3, ap_stack, ap_entry
ap_start:
	cli
	mov ax, cs
	mov ds, ax
	o32 lgdt [gdtr - ap_start]
	mov eax, CR4_PAE
	mov cr4, eax
	mov eax, [ap_cr3 - ap_start]
	mov cr3, eax
	mov ecx, EFER
	mov eax, EFER_LME
	xor edx, edx
	wrmsr
	mov eax, CR0_PG | CR0_PE
	mov cr0, eax
	jmp dword 0x08:at(long_mode)
BITS 64
long_mode:
	mov eax, 0x10
	mov ds, eax
	mov es, eax
	mov ss, eax
	mov rsp, [abs at(ap_stack)]
	xor ebp, ebp
	mov rax, [abs at(ap_entry)]
	call rax
.stop:	cli
	hlt
	jmp .stop

align 8
gdt:	dq 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdtr:	dw 23
	dd at(gdt)
align 8
ap_cr3:	dq 0
ap_stack: dq 0
ap_entry: dq 0
ap_end:
