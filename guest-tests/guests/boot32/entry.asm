; SPDX-License-Identifier: MIT
; Entry of the test guest that starts in 32-bit protected mode: multiboot as an ELF file, multiboot
; with addresses in its header (ADDRESSES), or PVH. Notes down what the processor was given, and goes
; on in 64-bit mode as the other test guests begin.
BITS 32

extern guest_entry, guest_image, guest_image_end, guest_bss_end

TABLES equ 0x50000			; six pages of free low memory
STACK_TOP equ 0x60000
MULTIBOOT_MAGIC equ 0x1badb002
MULTIBOOT_WANTS equ 3			; aligned modules, memory information
%ifdef ADDRESSES
MULTIBOOT_FLAGS equ MULTIBOOT_WANTS | 1 << 16
%else
MULTIBOOT_FLAGS equ MULTIBOOT_WANTS
%endif
CR4_PAE equ 1 << 5
EFER equ 0xc0000080
EFER_LME equ 1 << 8
CR0_PG equ 1 << 31
CODE64 equ 8
PAGE_LARGE equ 0x83			; present, writable, 2 MiB

%ifdef PVH
section .note.pvh alloc noexec nowrite align=4
	dd 4, 4, 18			; name size, contents size, XEN_ELFNOTE_PHYS32_ENTRY
	db "Xen", 0
	dd entry32
%endif

section .text.entry progbits alloc exec align=16
%ifndef PVH
align 4
multiboot_header:
	dd MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)
%ifdef ADDRESSES
	dd multiboot_header, guest_image, guest_image_end, guest_bss_end, entry32
%endif
%endif

global entry32
entry32:
	cli
	cld
	mov [boot_eax], eax
	mov [boot_ebx], ebx
	mov eax, cr0
	mov [boot_cr0], eax
	mov eax, cr4
	mov [boot_cr4], eax
	mov [boot_segments], cs
	mov [boot_segments + 2], ds
	mov [boot_segments + 4], es
	mov [boot_segments + 6], ss
	mov esp, STACK_TOP
	pushfd
	pop dword [boot_flags]
	mov ecx, EFER
	rdmsr
	mov [boot_efer], eax

	; 4 GiB of identity in 2 MiB pages.
	mov edi, TABLES
	xor eax, eax
	mov ecx, 6 * 1024
	rep stosd
	mov dword [TABLES], (TABLES + 0x1000) | 3
	mov eax, (TABLES + 0x2000) | 3
	mov edi, TABLES + 0x1000
	mov ecx, 4
.pointer:
	mov [edi], eax
	add eax, 0x1000
	add edi, 8
	loop .pointer
	mov eax, PAGE_LARGE
	mov edi, TABLES + 0x2000
	mov ecx, 4 * 512
.entry:
	mov [edi], eax
	add eax, 1 << 21
	add edi, 8
	loop .entry

	mov eax, TABLES
	mov cr3, eax
	mov eax, cr4
	or eax, CR4_PAE
	mov cr4, eax
	mov ecx, EFER
	rdmsr
	or eax, EFER_LME
	wrmsr
	mov eax, cr0
	or eax, CR0_PG
	mov cr0, eax
	lgdt [gdt_pointer]
	jmp CODE64:entry64

BITS 64
entry64:
	; The command line: at offset 16 of multiboot's information, at 24 of PVH's start info.
	mov ebx, [boot_ebx]
%ifdef PVH
	mov rsi, [rbx + 24]
%else
	mov esi, [rbx + 16]
%endif
	jmp guest_entry

; Not in .bss, which guest_entry clears.
section .data
global boot_eax, boot_ebx, boot_cr0, boot_cr4, boot_efer, boot_flags, boot_segments
boot_eax: dd 0
boot_ebx: dd 0
boot_cr0: dd 0
boot_cr4: dd 0
boot_efer: dd 0
boot_flags: dd 0
boot_segments: times 4 dw 0
align 8
gdt: dq 0, 0x00af9b000000ffff
gdt_pointer:
	dw 15
	dd gdt
