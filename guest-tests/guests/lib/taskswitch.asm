; SPDX-License-Identifier: MIT
; A hardware task switch: possible in 32-bit protected mode only, so this goes there (lib/modes.asm
; has the whole tour) and jumps to a TSS of its own. Runs from a copy at LOW; does not come back.
LOW equ 0x8000
%define at(label) (LOW + (label) - task_switch_start)

CODE32 equ 0x38
CR0_PG equ 1 << 31
EFER equ 0xc0000080
EFER_LME equ 8				; bit number

section .text
BITS 64
global task_switch_start, task_switch_end
task_switch_start:
	push CODE32
	push at(compat)
	retfq

BITS 32
compat:	mov eax, cr0
	and eax, ~CR0_PG
	mov cr0, eax
	mov ecx, EFER
	rdmsr
	btr eax, EFER_LME
	wrmsr
	lgdt [at(gdtr)]
	mov ax, 0x10
	ltr ax
	jmp 0x18:0

align 8
; Null, flat code, the TSS that is left, the TSS that is entered.
gdt:	dq 0
	dq 0x00cf9b000000ffff
	dw 103, at(tss_old)
	db 0, 0x89, 0, 0
	dw 103, at(tss_new)
	db 0, 0x89, 0, 0
gdtr:	dw 31
	dd at(gdt)
align 8
tss_old: times 26 dd 0
tss_new: times 26 dd 0
task_switch_end:
