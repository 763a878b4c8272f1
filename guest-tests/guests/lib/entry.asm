; SPDX-License-Identifier: MIT
; Entry of a test guest, its exception stubs, and calls that survive a fault.
BITS 64

extern bss_start, bss_end
extern guest_start, guest_exception

STACK_SIZE equ 16384

section .text.entry progbits alloc exec
global guest_entry
guest_entry:
	cld
	mov rbx, rsi
	mov edi, bss_start
	mov ecx, bss_end
	sub ecx, edi
	shr ecx, 3		; both ends are aligned
	xor eax, eax
	rep stosq
	mov esp, stack_top
	mov rdi, rbx
	call guest_start
.stop:	cli
	hlt
	jmp .stop

section .text
; void load_tables(const void *gdt_pointer, const void *idt_pointer,
;                  unsigned code, unsigned data, unsigned tss)
global load_tables
load_tables:
	lgdt [rdi]
	lidt [rsi]
	mov ds, ecx
	mov es, ecx
	mov ss, ecx
	mov fs, ecx
	mov gs, ecx
	ltr r8w
	pop rax
	push rdx
	push rax
	retfq

; One stub a vector: error code (or 0), vector, then the part they share; 16 bytes apart.
%macro stub 1
	align 16
%if %1 == 8 || (%1 >= 10 && %1 <= 14) || %1 == 17
%else
	push qword 0
%endif
	push qword %1
	jmp near save_all
%endmacro

align 16
global exception_stubs
exception_stubs:
%assign vector 0
%rep 256
	stub vector
%assign vector vector + 1
%endrep

save_all:
	push rax
	push rcx
	push rdx
	push rbx
	push rbp
	push rsi
	push rdi
	push r8
	push r9
	push r10
	push r11
	push r12
	push r13
	push r14
	push r15
	cld
	mov rdi, rsp
	mov rbx, rsp
	and rsp, -16
	call guest_exception
	mov rsp, rbx
	pop r15
	pop r14
	pop r13
	pop r12
	pop r11
	pop r10
	pop r9
	pop r8
	pop rdi
	pop rsi
	pop rbp
	pop rbx
	pop rdx
	pop rcx
	pop rax
	add rsp, 16
	iretq

%macro save_callee 0
	push rbx
	push rbp
	push r12
	push r13
	push r14
	push r15
%endmacro

; int call_guarded(void (*fn)(uint64_t), uint64_t arg): 0, or 1 if the exception handler came to
; try_recover.
global call_guarded, try_recover, try_recover_user
call_guarded:
	save_callee
	sub rsp, 8
	mov [try_rsp], rsp
	mov rax, rdi
	mov rdi, rsi
	call rax
	xor eax, eax
	jmp leave_guarded
try_recover:
	mov eax, 1
leave_guarded:
	add rsp, 8
	pop r15
	pop r14
	pop r13
	pop r12
	pop rbp
	pop rbx
	ret

; int call_user(void (*fn)(uint64_t), uint64_t arg, uint64_t rflags, void *task): the same at CPL 3.
global call_user
call_user:
	save_callee
	sub rsp, 8
	mov [try_rsp], rsp
	mov [rcx + 4], rsp		; RSP0
	mov rax, rdi
	mov rdi, rsi
	mov esi, user_stack_top - 8
	mov qword [rsi], user_return
	push 0x1b			; user data, RPL 3
	push rsi
	push rdx
	push 0x23			; user code, RPL 3
	push rax
	iretq
try_recover_user:
	xor eax, eax
	jmp leave_guarded

; Where a function at CPL 3 returns to: vector 0x80 brings it back.
user_return:
	int 0x80
	ud2

section .bss align=16
global try_rsp
try_rsp: resq 2
resb STACK_SIZE
stack_top:
resb STACK_SIZE
user_stack_top:
