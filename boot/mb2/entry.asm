; SPDX-License-Identifier: MIT
; Multiboot2 entry: GRUB jumps here in 32-bit protected mode without paging (Multiboot2 specification, 3.2 and
; 3.3). Builds the page tables of boot/boot_info.h's contract, enters 64-bit mode and goes on in C.

IMAGE_BASE equ 0xffffffff80000000
%define PHYS(symbol) (symbol - IMAGE_BASE)

PRESENT_WRITE equ 3
LARGE equ 0x80
COM1 equ 0x3f8

	extern mb2_main
	extern image_start
	extern data_start
	extern data_end
	extern image_end

	section .multiboot2 progbits alloc noexec nowrite align=8
header:
	dd 0xe85250d6			; magic
	dd 0				; i386, protected mode
	dd header_end - header
	dd 0x100000000 - (0xe85250d6 + (header_end - header))
	align 8
	dw 3, 0				; entry address
	dd 12
	dd PHYS(mb2_entry)
	align 8
	dw 6, 0				; modules on page boundaries
	dd 8
	align 8
	dw 5, 1				; a framebuffer would be nice
	dd 20
	dd 0, 0, 32
	align 8
	dw 0, 0
	dd 8
header_end:

	section .text.boot32 progbits alloc exec nowrite align=16
	bits 32
mb2_entry:
	cli
	cld
	mov esp, PHYS(boot_stack_top)
	mov edi, eax			; GRUB's magic
	mov esi, ebx			; the information
	; A CPU with 64-bit mode?
	mov eax, 0x80000000
	cpuid
	cmp eax, 0x80000001
	jb .no_long_mode
	mov eax, 0x80000001
	cpuid
	bt edx, 29
	jnc .no_long_mode
	mov ebx, esi

	; The first 4 GiB by 2 MiB pages, at 0 and at PHYSMAP_BASE; the first 1 GiB again at IMAGE_BASE.
	mov ecx, 0
.fill_directory:
	mov eax, ecx
	shl eax, 21
	or eax, PRESENT_WRITE | LARGE
	mov [PHYS(boot_directories) + ecx * 8], eax
	inc ecx
	cmp ecx, 4 * 512
	jb .fill_directory
%assign i 0
%rep 4
	mov dword [PHYS(boot_pointers) + i * 8], PHYS(boot_directories) + i * 4096 + PRESENT_WRITE
%assign i i + 1
%endrep
	mov dword [PHYS(boot_pointers_high) + 510 * 8], PHYS(boot_directories) + PRESENT_WRITE
	mov dword [PHYS(boot_root)], PHYS(boot_pointers) + PRESENT_WRITE
	mov dword [PHYS(boot_root) + 256 * 8], PHYS(boot_pointers) + PRESENT_WRITE
	mov dword [PHYS(boot_root) + 511 * 8], PHYS(boot_pointers_high) + PRESENT_WRITE

	mov eax, 1 << 5			; CR4.PAE
	mov cr4, eax
	mov eax, PHYS(boot_root)
	mov cr3, eax
	mov ecx, 0xc0000080		; EFER.LME
	rdmsr
	bts eax, 8
	wrmsr
	mov eax, 0x80000011		; CR0: PG, ET, PE
	mov cr0, eax
	lgdt [PHYS(boot_gdtr)]
	jmp 0x08:PHYS(long_mode)

.no_long_mode:
	mov edx, COM1 + 3		; line control: divisor, then 8N1
	mov al, 0x80
	out dx, al
	mov edx, COM1
	mov ax, 1			; 115200 baud
	out dx, al
	inc edx
	mov al, ah
	out dx, al
	mov edx, COM1 + 3
	mov al, 3
	out dx, al
	mov esi, PHYS(no_long_mode_text)
.next:
	mov edx, COM1 + 5		; line status: room for a byte?
	mov ecx, 100000
.wait:
	in al, dx
	test al, 0x20
	loopz .wait
	lodsb
	test al, al
	jz .stop
	mov edx, COM1
	out dx, al
	jmp .next
.stop:
	cli
	hlt
	jmp .stop

	bits 64
long_mode:
	mov eax, 0x10
	mov ds, eax
	mov es, eax
	mov ss, eax
	xor eax, eax
	mov fs, eax
	mov gs, eax
	mov rax, .high
	jmp rax
.high:
	mov rsp, boot_stack_top
	mov esi, ebx
	; GRUB's magic is still in EDI.
	call mb2_main
	ud2

	section .rodata
	align 8
boot_gdt:
	dq 0
	dq 0x00af9b000000ffff
	dq 0x00cf93000000ffff
boot_gdtr:
	dw boot_gdtr - boot_gdt - 1
	dq PHYS(boot_gdt)
no_long_mode_text:
	db "cloister: this CPU has no 64-bit mode: a 64-bit Intel CPU is needed", 13, 10
	db '@cloister {"type":"end","status":1,"reason":"no 64-bit mode"}', 13, 10, 0

	section .bss nobits alloc noexec write align=4096
boot_root:
	resb 4096
boot_pointers:
	resb 4096
boot_pointers_high:
	resb 4096
boot_directories:
	resb 4 * 4096
	global boot_stack, boot_stack_top
boot_stack:
	resb 16384
boot_stack_top:
