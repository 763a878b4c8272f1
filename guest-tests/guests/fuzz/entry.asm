; SPDX-License-Identifier: MIT
; Events of a core, the start of a piece of code, and where a core begins after a start-up interrupt.
CORE_SIZE equ 0x10000
CORE_CR3 equ 0
CORE_STACK equ 8
CORE_LAUNCH equ 16

CORES equ 0x300000
extern core_loop

section .text
BITS 64
; One stub a vector, 16 bytes apart. What lies on the stack does not matter: nobody returns.
%macro stub 1
	align 16
	push qword %1
	jmp near event
%endmacro
align 16
global fuzz_stubs
fuzz_stubs:
%assign vector 0
%rep 256
	stub vector
%assign vector vector + 1
%endrep

; On the core's own interrupt stack, or, behind a gate that was spoilt, on any: then the APIC's id tells
; which core this is.
event:
	cld
	pop rsi
	mov rdi, rsp
	and rdi, -CORE_SIZE
	mov rax, rdi
	sub rax, CORES
	cmp rax, 4 * CORE_SIZE
	jb .found
	mov eax, 1
	cpuid
	shr ebx, 24
	imul rdi, rbx, CORE_SIZE
	add rdi, CORES
.found:
	mov rax, [rdi + CORE_CR3]
	mov cr3, rax
	mov rsp, [rdi + CORE_STACK]
	xor ebp, ebp
	call core_loop

; void core_launch(struct core *core, uint64_t cr3)
global core_launch
core_launch:
	mov cr3, rsi
	lea rsp, [rdi + CORE_LAUNCH]
	pop rax
	pop rcx
	pop rdx
	pop rbx
	pop rbp
	pop rsi
	pop rdi
	pop r8
	pop r9
	pop r10
	pop r11
	pop r12
	pop r13
	pop r14
	pop r15
	iretq

; Where SYSCALL and SYSENTER lead.
global fuzz_syscall
fuzz_syscall:
	ud2

; Copied to this address: from real mode into the first core's tables, then by the APIC's id to the
; core that it is.
AP_START equ 0x8000
%define at(label) (AP_START + (label) - fuzz_ap_start)
BITS 16
global fuzz_ap_start, fuzz_ap_end
fuzz_ap_start:
	cli
	mov ax, cs
	mov ds, ax
	o32 lgdt [gdtr - fuzz_ap_start]
	mov eax, 1 << 5
	mov cr4, eax
	mov eax, [ap_cr3 - fuzz_ap_start]
	mov cr3, eax
	mov ecx, 0xc0000080
	mov eax, 1 << 8
	xor edx, edx
	wrmsr
	mov eax, (1 << 31) | 1
	mov cr0, eax
	jmp dword 0x08:at(long_mode)
BITS 64
long_mode:
	mov eax, 0x10
	mov ds, eax
	mov es, eax
	mov ss, eax
	mov eax, 1
	cpuid
	shr ebx, 24
	imul rdi, rbx, CORE_SIZE
	add rdi, [abs at(ap_cores)]
	mov rsp, [rdi + CORE_STACK]
	mov rax, [rdi + CORE_CR3]
	mov cr3, rax
	mov esi, 0x100
	mov rax, [abs at(ap_loop)]
	call rax
align 8
gdt:	dq 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdtr:	dw 23
	dd at(gdt)
align 8
ap_cr3:	dq CORES + 0x1000
ap_cores: dq CORES
ap_loop: dq core_loop
fuzz_ap_end:
