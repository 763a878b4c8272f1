; SPDX-License-Identifier: MIT
; Start-up code of the other processors: copied to a page below 1 MiB, entered there in real mode by SIPI with
; CS = page * 256 (SDM 8.4), leaves for 64-bit mode by the loader's identity map.

	section .rodata
	align 16
	global trampoline_start, trampoline_end, trampoline_args
trampoline_start:
	bits 16
	cli
	cld
	mov ax, cs
	mov ds, ax
	xor ebx, ebx
	mov bx, ax
	shl ebx, 4			; linear address of this page
	lea eax, [ebx + gdt - trampoline_start]
	mov [gdtr - trampoline_start + 2], eax
	lea eax, [ebx + protected - trampoline_start]
	mov [far_protected - trampoline_start], eax
	lea eax, [ebx + long_mode - trampoline_start]
	mov [far_long - trampoline_start], eax
	o32 lgdt [gdtr - trampoline_start]
	mov eax, 1
	mov cr0, eax
	o32 jmp far [far_protected - trampoline_start]

	bits 32
protected:
	mov eax, 0x10
	mov ds, eax
	mov es, eax
	mov ss, eax
	mov eax, 1 << 5
	mov cr4, eax
	mov eax, [ebx + trampoline_args - trampoline_start]
	mov cr3, eax
	mov ecx, 0xc0000080
	rdmsr
	bts eax, 8
	wrmsr
	mov eax, 0x80000011
	mov cr0, eax
	jmp far [ebx + far_long - trampoline_start]

	bits 64
long_mode:
	mov rsp, [rbx + trampoline_args - trampoline_start + 8]
	mov rax, [rbx + trampoline_args - trampoline_start + 16]
	mov rdi, [rbx + trampoline_args - trampoline_start + 24]
	xor ebp, ebp
	call rax
	ud2

	align 8
gdt:
	dq 0
	dq 0x00cf9b000000ffff		; 0x08: 32-bit code
	dq 0x00cf93000000ffff		; 0x10: data
	dq 0x00af9b000000ffff		; 0x18: 64-bit code
gdtr:
	dw gdtr - gdt - 1
	dd 0
	align 8
far_protected:
	dd 0
	dw 0x08
	align 8
far_long:
	dd 0
	dw 0x18
	align 8
trampoline_args:			; struct trampoline_args, hv/core/smp.c
	dq 0, 0, 0, 0
trampoline_end:
