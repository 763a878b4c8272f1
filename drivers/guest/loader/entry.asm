; SPDX-License-Identifier: MIT
; The loader program's first instructions and its last: from 32-bit protected mode to C in 64-bit mode, and into the kernel.
	bits 32
	extern loader_main

; main.c compares these with the headers that they come from.
LOADER_BOOT equ 0xfd008000
LOADER_TABLES equ 0xfd009000
HYPERCALL_LOADER_DONE equ 11
ENTRY_RIP equ 0
ENTRY_RSP equ 8
ENTRY_RSI equ 16
ENTRY_CR3 equ 24
ENTRY_GDT_BASE equ 32
ENTRY_GDT_LIMIT equ 40
ENTRY_CS equ 44
ENTRY_DS equ 46
ENTRY_PROTECTED_MODE equ 48
ENTRY_EAX equ 52
ENTRY_EBX equ 56

PAGE equ 4096
STACK_SIZE equ 8192
CR0_KERNEL32 equ 0x11 ; PE, ET
CR0_NE equ 0x20
CR0_PG equ 0x80000000
CR4_PAE equ 0x20
MSR_EFER equ 0xc0000080
EFER_LME equ 0x100
PRESENT_WRITABLE equ 3
LARGE equ 0x83
CODE64 equ 0x08
DATA equ 0x10
CODE32 equ 0x18

	section .bss align=16
	resb STACK_SIZE
stack_top:
; What the kernel is entered with, as its mode reads it.
gdtr:	resb 16
target:	resb 8
pointer: resq 1
source:	resq 1
first:	resd 1
second:	resd 1
selector: resd 1

	section .text.entry
	global loader_start
loader_start:
	mov esp, stack_top
	; One table of tables, one of directories, and a directory for each GiB.
	mov edi, LOADER_TABLES
	mov dword [edi], LOADER_TABLES + PAGE + PRESENT_WRITABLE
	mov ecx, [LOADER_BOOT]
	lea esi, [edi + PAGE]
	lea eax, [edi + 2 * PAGE + PRESENT_WRITABLE]
.directories:
	mov [esi], eax
	add esi, 8
	add eax, PAGE
	loop .directories
	mov ecx, [LOADER_BOOT]
	shl ecx, 9
	lea esi, [edi + 2 * PAGE]
	mov eax, LARGE
	xor edx, edx
.pages:
	mov [esi], eax
	mov [esi + 4], edx
	add esi, 8
	add eax, 1 << 21
	adc edx, 0
	loop .pages
	mov cr3, edi
	mov eax, CR4_PAE
	mov cr4, eax
	mov ecx, MSR_EFER
	mov eax, EFER_LME
	xor edx, edx
	wrmsr
	lgdt [own_gdtr]
	mov eax, CR0_PG | CR0_KERNEL32
	mov cr0, eax
	jmp CODE64:.wide
	bits 64
	default rel
.wide:
	mov eax, DATA
	mov ds, eax
	mov es, eax
	mov ss, eax
	call loader_main
	ud2

	section .text
; void loader_enter(const struct loader_entry *entry): the kernel has been loaded. Behind the call that says so nothing of the
; program's shows in the VM's statistics: no instruction exits. Returns if the call fails.
	global loader_enter
loader_enter:
	push rbx
	mov rbx, rdi
	mov eax, [rbx + ENTRY_GDT_LIMIT]
	mov [gdtr], ax
	mov rax, [rbx + ENTRY_GDT_BASE]
	mov [gdtr + 2], rax
	mov rax, [rbx + ENTRY_RIP]
	mov [target], eax
	mov ax, [rbx + ENTRY_CS]
	mov [target + 4], ax
	movzx eax, word [rbx + ENTRY_DS]
	mov [selector], eax
	mov rax, [rbx + ENTRY_RSP]
	mov [pointer], rax
	mov rax, [rbx + ENTRY_RSI]
	mov [source], rax
	mov eax, [rbx + ENTRY_EAX]
	mov [first], eax
	mov eax, [rbx + ENTRY_EBX]
	mov [second], eax
	cmp byte [rbx + ENTRY_PROTECTED_MODE], 0
	jne .done
	mov rax, cr0
	or eax, CR0_NE
	mov cr0, rax
.done:
	mov eax, HYPERCALL_LOADER_DONE
	mov rdi, [rbx + ENTRY_RIP]
	vmcall
	test rax, rax
	jz .go
	pop rbx
	ret
.go:
	cmp byte [rbx + ENTRY_PROTECTED_MODE], 0
	jne .narrow
	mov rax, [rbx + ENTRY_CR3]
	mov cr3, rax
	lgdt [gdtr]
	mov eax, [selector]
	mov ds, eax
	mov es, eax
	mov ss, eax
	mov fs, eax
	mov gs, eax
	push 2
	popfq
	mov rsp, [pointer]
	mov rsi, [source]
	mov eax, 0
	mov ebx, 0
	mov ecx, 0
	mov edx, 0
	mov edi, 0
	mov ebp, 0
%assign register 8
%rep 8
	mov r %+ register %+ d, 0
%assign register register + 1
%endrep
	jmp far dword [target]
.narrow:
	jmp far dword [narrow_target]
	bits 32
	default abs
narrow:
	mov eax, CR0_KERNEL32
	mov cr0, eax
	mov ecx, MSR_EFER
	mov eax, 0
	mov edx, 0
	wrmsr
	mov cr4, eax
	mov cr3, eax
	lgdt [gdtr]
	mov eax, [selector]
	mov ds, eax
	mov es, eax
	mov ss, eax
	mov fs, eax
	mov gs, eax
	push dword 2
	popfd
	mov esp, [pointer]
	mov esi, [source]
	mov eax, [first]
	mov ebx, [second]
	mov ecx, 0
	mov edi, 0
	mov ebp, 0
	jmp far dword [target]

	section .rodata
	align 8
own_gdt:
	dq 0
	dq 0x00af9b000000ffff
	dq 0x00cf93000000ffff
	dq 0x00cf9b000000ffff
own_gdtr:
	dw own_gdtr - own_gdt - 1
	dd own_gdt
narrow_target:
	dd narrow
	dw CODE32
