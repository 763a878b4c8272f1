; SPDX-License-Identifier: MIT
; Leaves 64-bit mode, passes through 32-bit protected mode (flat, then with 32-bit paging) and real
; mode, executes something that exits in each, and comes back. Runs from a copy at LOW, where real
; mode can reach it.
LOW equ 0x8000
TABLE32 equ 0x9000
IVT equ 0				; real mode's interrupt vectors
%define at(label) (LOW + (label) - modes_start)

IOAPIC_WINDOW equ 0xfec00010
CR0_PE equ 1
CR0_CD equ 1 << 30
CR0_PG equ 1 << 31
CR4_PSE equ 1 << 4
CR4_PAE equ 1 << 5
EFER equ 0xc0000080
EFER_LME equ 8				; bit number
MSR_UNKNOWN equ 0x1234

; Selectors of lib/core.c's GDT.
CODE64 equ 0x08
DATA equ 0x10
CODE32 equ 0x38
CODE16 equ 0x40
DATA16 equ 0x48

section .text
BITS 64
; void tour(uint32_t *results): the caller copies modes_start to modes_end to LOW and calls it there,
; with page TABLE32 free and results below 64 KiB.
global modes_start, modes_end
modes_start:
	push rbx
	push rbp
	push r12
	push r13
	push r14
	push r15
	mov [abs at(saved_rsp)], rsp
	mov rax, cr3
	mov [abs at(saved_cr3)], rax
	sidt [abs at(saved_idt)]
	mov ebp, edi
	push CODE32
	push at(compat)
	retfq

BITS 32
compat:	; compatibility mode: still long mode
	mov eax, 0x40000000
	cpuid
	mov [ebp], ebx			; results[0]: "Cloi"
	mov eax, [IOAPIC_WINDOW]
	mov [ebp + 4], eax		; results[1]: the IOAPIC's data register
	; Paging off: long mode ends.
	mov eax, cr0
	and eax, ~CR0_PG
	mov cr0, eax
	mov ecx, EFER
	rdmsr
	mov [ebp + 8], eax		; results[2]: EFER, LMA gone
	btr eax, EFER_LME
	wrmsr
	; 32-bit flat.
	mov eax, 0x40000000
	cpuid
	mov [ebp + 12], ecx		; results[3]: "ster"
	mov eax, [IOAPIC_WINDOW]
	mov [ebp + 16], eax		; results[4]
	; PAE with a page-directory-pointer entry that cannot be: #GP, here with CR0.CD, at which the hypervisor looks.
	lidt [at(idt32)]
	mov dword [TABLE32], TABLE32 + 3
	mov dword [TABLE32 + 4], 0
	mov eax, TABLE32
	mov cr3, eax
	mov eax, cr0
	or eax, CR0_PG | CR0_CD
	mov cr0, eax
	xor eax, eax
.after_pae:
	mov [ebp + 56], eax		; results[14]: 13
	; 32-bit paging with 4 MiB pages.
	mov eax, cr4
	and eax, ~CR4_PAE
	or eax, CR4_PSE
	mov cr4, eax
	mov edi, TABLE32
	mov eax, 0x83
	mov ecx, 1024
.fill:	mov [edi], eax
	add edi, 4
	add eax, 0x400000
	loop .fill
	mov eax, TABLE32
	mov cr3, eax
	mov eax, cr0
	or eax, CR0_PG
	mov cr0, eax
	jmp short .paged
.paged:	mov eax, [IOAPIC_WINDOW]
	mov [ebp + 20], eax		; results[5]
	mov eax, 0x40000000
	cpuid
	mov [ebp + 24], edx		; results[6]: "HV"
	mov eax, cr0
	and eax, ~CR0_PG
	mov cr0, eax
	; Real mode.
	jmp CODE16:at(protected16)

on_gp:	add esp, 16			; error code, EIP, CS, EFLAGS
	mov eax, 13
	jmp compat.after_pae

BITS 16
protected16:
	mov ax, DATA16
	mov ds, ax
	mov es, ax
	mov ss, ax
	mov eax, cr0
	and eax, ~CR0_PE
	mov cr0, eax
	jmp 0:at(real)
real:	xor ax, ax
	mov ds, ax
	mov es, ax
	mov ss, ax
	mov sp, 0x7f00
	o32 lidt [at(real_idt)]
	mov word [IVT + 6 * 4], at(on_fault)
	mov word [IVT + 6 * 4 + 2], 0
	mov word [IVT + 13 * 4], at(on_fault)
	mov word [IVT + 13 * 4 + 2], 0
	mov word [IVT + 0x50 * 4], at(on_int)
	mov word [IVT + 0x50 * 4 + 2], 0
	mov eax, 0x40000000
	cpuid
	mov [bp + 28], ebx		; results[7]
	; A port: the UART's scratch register.
	mov dx, 0x3ff
	mov al, 0xa7
	out dx, al
	xor eax, eax
	in al, dx
	mov [bp + 32], eax		; results[8]: 0xa7
	; An MSR that does not exist: #GP without an error code on the stack.
	mov word [at(fault_sp)], sp
	mov word [at(resume)], at(.after_msr)
	mov ecx, MSR_UNKNOWN
	rdmsr
.after_msr:
	mov [bp + 36], eax		; results[9]: bytes on the stack at the fault: 6
	; An instruction that does not exist.
	mov word [at(resume)], at(.after_ud)
	ud2
.after_ud:
	mov [bp + 40], eax		; results[10]: 6
	xor eax, eax
	int 0x50
	mov [bp + 44], eax		; results[11]: 0x50
	mov eax, cr0
	mov [bp + 48], eax		; results[12]: CR0 without PE and PG
	; And back.
	mov eax, cr0
	or eax, CR0_PE
	mov cr0, eax
	jmp dword CODE32:at(back32)

on_fault: ; AX = how far the exception pushed; goes on at [resume]
	mov ax, [at(fault_sp)]
	sub ax, sp
	movzx eax, ax
	mov sp, [at(fault_sp)]
	jmp word [at(resume)]

on_int:	mov eax, 0x50
	iret

BITS 32
back32:	mov ax, DATA
	mov ds, ax
	mov es, ax
	mov ss, ax
	mov eax, cr4
	or eax, CR4_PAE
	and eax, ~CR4_PSE
	mov cr4, eax
	mov eax, [at(saved_cr3)]
	mov cr3, eax
	mov ecx, EFER
	rdmsr
	bts eax, EFER_LME
	wrmsr
	mov eax, cr0
	or eax, CR0_PG
	mov cr0, eax
	jmp CODE64:at(back64)

BITS 64
back64:	mov rsp, [abs at(saved_rsp)]
	lidt [abs at(saved_idt)]
	mov ecx, EFER
	rdmsr
	mov [rbp + 52], eax		; results[13]: EFER with LME and LMA again
	pop r15
	pop r14
	pop r13
	pop r12
	pop rbp
	pop rbx
	ret

align 8
saved_rsp: dq 0
saved_cr3: dq 0
saved_idt: dq 0, 0
real_idt: dw 0x3ff
	dd 0
idt32:	dw 14 * 8 - 1
	dd at(gates32)
gates32: times 13 dq 0
	dw at(on_gp), CODE32, 0x8e00, 0
fault_sp: dw 0
resume:	dw 0
modes_end:
