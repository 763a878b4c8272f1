; SPDX-License-Identifier: MIT
; Is this emulator to be trusted? A boot disk that checks, in 64-bit mode, the three things Cloister stands on: that
; 64-bit IDIV computes, that VMXON works, and that a guest runs under EPT until its VMCALL. Then it looks for the
; defects of Bochs 3.0 that tools/bochs-correct mends (defects.asm), those of several CPUs where it finds a second one.
; With -DROUNDS=N it is the smallest hypervisor there can be instead, a measure for others (rounds.asm).
; To COM1 go "selfcheck: WHAT failed", a line "selfcheck: defect: WHAT" each, and last "selfcheck: ok" if there was none.
	bits 16
	org 0x7c00

PAGE_TABLES equ 0x1000		; root, pointers, directory
EPT_TABLES equ 0x4000		; root, pointers, directory
STARTUP_PAGE equ 0xa000		; the second CPU's code, in real mode
STARTUP_STACK equ 0xb000
VMXON_REGION equ 0xb000
VMCS_REGION equ 0xc000
VIRTUAL_APIC equ 0xd000
HOST_STACK equ 0xe000
GUEST_STACK equ 0xf000
MSR_BITMAP equ 0x10000
COM1 equ 0x3f8

start:
	cli
	xor ax, ax
	mov ds, ax
	mov es, ax
	mov ss, ax
	mov sp, 0x7c00
	mov si, packet
	mov ah, 0x42		; the BIOS put the drive into DL
	int 0x13
	jmp 0:enter_long_mode

	align 4
packet:
	db 16, 0
	dw SECTORS
	dw 0x7e00, 0
	dq 1

	times 510 - ($ - $$) db 0
	dw 0xaa55

enter_long_mode:
	; Identity maps of the first GiB, by one 2 MiB page after the other: ours and EPT's.
	mov edi, PAGE_TABLES
	mov ecx, 6 * 1024
	xor eax, eax
	a32 rep stosd
	mov dword [dword PAGE_TABLES], PAGE_TABLES + 0x1003
	mov dword [dword PAGE_TABLES + 0x1000], PAGE_TABLES + 0x2003
	mov dword [dword EPT_TABLES], EPT_TABLES + 0x1007
	mov dword [dword EPT_TABLES + 0x1000], EPT_TABLES + 0x2007
	xor ecx, ecx
.fill:
	mov eax, ecx
	shl eax, 21
	mov ebx, eax
	or eax, 0x83
	or ebx, 0xb7		; read, write, execute, write-back, large
	mov [dword PAGE_TABLES + 0x2000 + ecx * 8], eax
	mov [dword EPT_TABLES + 0x2000 + ecx * 8], ebx
	inc ecx
	cmp ecx, 512
	jb .fill
	mov eax, 0x20
	mov cr4, eax
	mov eax, PAGE_TABLES
	mov cr3, eax
	mov ecx, 0xc0000080
	rdmsr
	or eax, 0x100
	wrmsr
	mov eax, 0x80000031	; PG, NE, ET, PE
	mov cr0, eax
	lgdt [gdtr]
	jmp 8:main

	align 8
gdt:
	dq 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x0000890000000067 | (tss - $$ + 0x7c00) << 16, 0
gdtr:
	dw $ - gdt - 1
	dd gdt

	bits 64
main:
	mov ax, 0x10
	mov ds, ax
	mov es, ax
	mov ss, ax
	mov esp, HOST_STACK
	mov ax, 0x18
	ltr ax
	; 115200 baud, 8N1.
	mov edi, uart
.uart:
	movzx edx, word [rdi]
	mov al, [rdi + 2]
	out dx, al
	add edi, 3
	cmp edi, uart_end
	jb .uart

	mov esi, text_idiv
	mov rax, 100
	cqo
	mov rcx, 7
	idiv rcx
	cmp rax, 14
	jne failed
	cmp rdx, 2
	jne failed
	mov rax, -100
	cqo
	idiv rcx
	cmp rax, -14
	jne failed

	mov esi, text_vmxon
	mov eax, 1
	cpuid
	bt ecx, 5
	jnc failed
	mov ecx, 0x3a
	rdmsr
	test eax, 1		; locked: as it is
	jnz .locked
	or eax, 5
	wrmsr
.locked:
	mov rax, cr4
	or eax, 0x2000
	mov cr4, rax
	mov ecx, 0x480
	rdmsr
	and eax, 0x7fffffff
	mov [VMXON_REGION], eax
	mov [VMCS_REGION], eax
	vmxon [region_vmxon]
	jbe failed
	vmclear [region_vmcs]
	jbe failed
	vmptrld [region_vmcs]
	jbe failed

	mov esi, text_ept
	mov edi, controls
.next_control:
	call control
	add edi, 12
	cmp edi, controls_end
	jb .next_control
	; The rest from a table of field and value.
	mov edi, fields
.next_field:
	mov rax, [rdi]
	mov rbx, [rdi + 8]
	add edi, 16
	vmwrite rax, rbx
	cmp edi, fields_end
	jb .next_field
	; Control registers and the GDT are the same on both sides.
	mov rbx, cr0
	mov eax, 0x6800
	vmwrite rax, rbx
	mov eax, 0x6c00
	vmwrite rax, rbx
	mov rbx, cr3
	mov eax, 0x6802
	vmwrite rax, rbx
	mov eax, 0x6c02
	vmwrite rax, rbx
	mov rbx, cr4
	mov eax, 0x6804
	vmwrite rax, rbx
	mov eax, 0x6c04
	vmwrite rax, rbx
	mov edi, guest
	mov esi, 2
	call vm_enter
	mov esi, text_ept
	cmp eax, 18		; VMCALL
	jne failed
	cmp ebx, 0x12345678
	jne failed

%ifdef ROUNDS
	jmp rounds
%else
	call look_for_defects
	; Last, since an emulator with this defect ends here, and says so in its log: a string of 64-bit mode by short addresses.
	lea esi, [look_for_defects]
	mov edi, GUEST_STACK
	mov ecx, 16
	a32 rep movsb
	cmp dword [defects], 0
	jne stop
	mov edi, text_ok
	call print
	jmp stop
%endif

guest:
	mov eax, 0x12345678
	push rax
	pop rbx
	vmcall
	hlt

; Enters the guest at RDI with RFLAGS RSI, its other registers as they are here; EAX is the reason of its exit.
vm_enter:
	push rbp
	mov ebp, 0x681e
	vmwrite rbp, rdi
	mov ebp, 0x6820
	vmwrite rbp, rsi
	mov ebp, 0x681c
	mov edi, GUEST_STACK
	vmwrite rbp, rdi
	mov ebp, 0x4824		; no blocking by STI of an earlier one
	xor edi, edi
	vmwrite rbp, rdi
	mov ebp, 0x6c14
	vmwrite rbp, rsp
	bts dword [launched], 0
	jc .again
	vmlaunch
	jmp .refused
.again:
	vmresume
.refused:
	mov esi, text_entry
	jmp failed
host:
	mov eax, 0x4402
	vmread rax, rax
	pop rbp
	ret

; A control field, by the entry at RDI: its MSR, its encoding, the bits that are wanted.
control:
	mov ecx, [rdi]
	rdmsr
	or eax, [rdi + 8]
	and eax, edx
	mov edx, eax
	and eax, [rdi + 8]
	cmp eax, [rdi + 8]
	jne failed
	mov eax, [rdi + 4]
	vmwrite rax, rdx
	ret

failed:
	mov edi, text_selfcheck
	call print
	mov edi, esi
	call print
	mov edi, text_failed
	call print
stop:
	mov edi, text_end
	call print
	cli
	hlt
	jmp stop

print:
	mov al, [rdi]
	test al, al
	jz .done
	mov dx, COM1
	out dx, al
.wait:
	mov dx, COM1 + 5
	in al, dx
	test al, 0x20
	jz .wait
	inc edi
	jmp print
.done:
	ret

%ifdef ROUNDS
%include "guest-tests/selfcheck/rounds.asm"
%else
%include "guest-tests/selfcheck/defects.asm"
%endif

text_selfcheck: db "selfcheck: ", 0
text_idiv: db "64-bit IDIV", 0
text_vmxon: db "VMXON", 0
text_ept: db "an EPT guest", 0
text_entry: db "a VM entry", 0
text_failed: db " failed", 13, 10, 0
text_ok: db "selfcheck: ok", 13, 10, 0
text_end: db '@cloister {"type":"end","status":0}', 13, 10, 0

uart:
	dw COM1 + 3
	db 0x80
	dw COM1
	db 1
	dw COM1 + 1
	db 0
	dw COM1 + 3
	db 3
uart_end:

	align 8
region_vmxon: dq VMXON_REGION
region_vmcs: dq VMCS_REGION
tss: times 104 db 0
launched: dd 0
defects: dd 0

; Each: the MSR of what may be set, the field, what is wanted.
controls:
	dd 0x481, 0x4000, 1		; interrupts exit
	dd 0x482, 0x4002, 0x80000080	; HLT exits
	dd 0x48b, 0x401e, 2		; EPT
	dd 0x483, 0x400c, 0x8200	; 64-bit host, interrupts are acknowledged on exit
	dd 0x484, 0x4012, 0x200		; 64-bit guest
controls_end:

	align 8
fields:
	dq 0x201a, EPT_TABLES | 0x1e
	dq 0x2800, -1
	dq 0x0802, 8		; guest CS
	dq 0x0804, 16
	dq 0x0806, 16
	dq 0x0800, 16
	dq 0x0808, 0
	dq 0x080a, 0
	dq 0x080c, 0
	dq 0x080e, 24
	dq 0x4800, 0xffffffff
	dq 0x4802, 0xffffffff
	dq 0x4804, 0xffffffff
	dq 0x4806, 0xffffffff
	dq 0x480e, 0x67
	dq 0x4810, 39
	dq 0x4814, 0xc093
	dq 0x4816, 0xa09b
	dq 0x4818, 0xc093
	dq 0x481a, 0xc093
	dq 0x481c, 0x10000
	dq 0x481e, 0x10000
	dq 0x4820, 0x10000
	dq 0x4822, 0x8b
	dq 0x6814, tss
	dq 0x6816, gdt
%ifndef ROUNDS
	dq 0x6818, idt
	dq 0x4812, GATES * 16 - 1
%endif
	dq 0x681a, 0x400
	dq 0x0c00, 16		; host
	dq 0x0c02, 8
	dq 0x0c04, 16
	dq 0x0c06, 16
	dq 0x0c08, 0
	dq 0x0c0a, 0
	dq 0x0c0c, 24
	dq 0x6c0a, tss
	dq 0x6c0c, gdt
	dq 0x6c16, host
fields_end:

SECTORS equ 20
	times 512 * 2048 - ($ - $$) db 0
