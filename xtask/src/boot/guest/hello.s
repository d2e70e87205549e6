# A kernel that says on its console which entry it was started through, and stays.
#
# One ELF file with both of Xen's entries: `pv` for a paravirtual guest, `pvh` for one of type PVH (docs/misc/pvh.pandoc of Xen). Both
# end in the same 64-bit code, which writes to the console's ring (xen/include/public/io/console.h) and rings its event channel, as any
# guest does: hypervisor, domain builder, xenconsoled and its log have to work for the lines to appear. It does without memory
# management, interrupts, xenstore and devices.
#
# Assembly, since the first instructions of a guest have neither a stack nor page tables, and what follows them here is not more.

# Hypercalls by their numbers, and what is asked of them (xen/include/public/{xen,event_channel,sched,hvm/hvm_op,hvm/params}.h).
.set UPDATE_VA_MAPPING, 14
.set SCHED_OP, 29
.set EVENT_CHANNEL_OP, 32
.set HVM_OP, 34
.set YIELD, 0
.set POLL, 3
.set SEND, 4
.set GET_PARAM, 1
.set CONSOLE_PFN, 17
.set CONSOLE_EVTCHN, 18
.set SELF, 0x7ff0
.set FLUSH_ONE, 2

# struct start_info of a 64-bit guest, and struct xencons_interface.
.set CONSOLE_MFN, 72
.set CONSOLE_PORT, 80
.set OUT, 1024
.set OUT_SIZE, 2048
.set OUT_CONS, 3080
.set OUT_PROD, 3084

# A note of Xen's: name, type, and a value of 8 bytes or a string (xen/include/public/elfnote.h).
.macro note type, value, text
    .balign 4
    .long 4, 3f - 2f, \type
    .asciz "Xen"
2:  .ifb \text
    .quad \value
    .else
    .asciz "\text"
    .endif
3:
.endm

.section .note.Xen, "a", @note
    note 5, text="xen-3.0"                  # the interface
    note 6, text="xenwright-hello"          # the system
    note 8, text="generic"                  # the loader
    note 9, text="yes"                      # page tables of three or more levels
    note 1, pv                              # where a paravirtual guest begins
    note 3, 0                               # virtual address of physical address 0
    note 2, hypercall                       # the page that Xen fills with hypercalls
    note 18, pvh                            # where a PVH guest begins, in 32-bit mode without paging

.text
.code64

# Calls a hypercall by its number: arguments in rdi, rsi, rdx; destroys them, rcx and r11. Gives eax.
.macro call_xen number
    call hypercall + \number * 32
.endm

# A paravirtual guest: rsi has the start_info, there is a stack, and page tables map this file.
.globl pv
pv:
    cld
    mov CONSOLE_PORT(%rsi), %eax
    mov %eax, port(%rip)
    # The console's page is not among the guest's own: it is mapped in place of one of them.
    mov CONSOLE_MFN(%rsi), %rsi
    shl $12, %rsi
    or $0x63, %rsi                          # present, writable, accessed, dirty
    lea window(%rip), %rdi
    mov %rdi, %r12
    mov $FLUSH_ONE, %edx
    call_xen UPDATE_VA_MAPPING
    test %eax, %eax
    jnz dead
    lea is_pv(%rip), %r14
    jmp greet

# A PVH guest: flat 32-bit segments, no stack, no paging. It gets four levels of page tables that map the first 4 GiB as they are.
.code32
.globl pvh
pvh:
    cld
    mov $stack, %esp
    movl $(level3 + 3), level4
    mov $level3, %edi
    mov $(level2 + 3), %eax
1:  mov %eax, (%edi)
    add $8, %edi
    add $4096, %eax
    cmp $(level3 + 4 * 8), %edi
    jne 1b
    mov $level2, %edi
    mov $0x83, %eax                         # present, writable, 2 MiB
2:  mov %eax, (%edi)
    add $8, %edi
    add $0x200000, %eax
    jnc 2b

    mov %cr4, %eax
    or $0x20, %eax                          # PAE
    mov %eax, %cr4
    mov $level4, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx                   # EFER: long mode
    rdmsr
    or $0x100, %eax
    wrmsr
    mov %cr0, %eax
    or $0x80000000, %eax                    # paging
    mov %eax, %cr0
    lgdt gdt_pointer
    ljmp $8, $1f

.code64
1:  mov $16, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    # The leaf after Xen's signature names the register that takes the place of the page of hypercalls.
    mov $0x40000000, %eax
    cpuid
    cmp $0x566e6558, %ebx                   # "XenV"
    jne dead
    mov $0x40000002, %eax
    cpuid
    mov %ebx, %ecx
    mov $hypercall, %eax
    xor %edx, %edx
    wrmsr
    mov $CONSOLE_EVTCHN, %eax
    call parameter
    mov %eax, port(%rip)
    mov $CONSOLE_PFN, %eax
    call parameter
    shl $12, %rax
    mov %rax, %r12
    lea is_pvh(%rip), %r14

# r12 is the ring, r14 what is special about this start.
greet:
    lea hello(%rip), %rsi
    call say
    mov %r14, %rsi
    call say
    lea done(%rip), %rsi
    call say
    # Nothing can wake it: it polls no event channel, without an end. What a guest without interrupts must not do is `hlt`.
stay:
    mov $POLL, %edi
    lea nothing(%rip), %rsi
    call_xen SCHED_OP
    jmp stay

# What cannot speak ends as a crash of its domain.
dead:
    ud2

# Gives the parameter of number eax in rax.
parameter:
    mov %eax, question + 4(%rip)
    mov $GET_PARAM, %edi
    lea question(%rip), %rsi
    call_xen HVM_OP
    test %eax, %eax
    jnz dead
    mov question + 8(%rip), %rax
    ret

# Writes the text at rsi, up to its zero, to the ring, and tells the reader of it.
say:
    movzbl (%rsi), %ebx
    inc %rsi
    test %ebx, %ebx
    jz tell
1:  mov OUT_PROD(%r12), %eax
    mov %eax, %ecx
    sub OUT_CONS(%r12), %ecx
    cmp $OUT_SIZE, %ecx
    jae 2f
    mov %eax, %ecx
    and $(OUT_SIZE - 1), %ecx
    mov %bl, OUT(%r12, %rcx)
    inc %eax
    mov %eax, OUT_PROD(%r12)                # after the byte: stores are seen in their order
    jmp say
2:  # Full: the reader has to run first.
    push %rsi
    call tell
    mov $YIELD, %edi
    xor %esi, %esi
    call_xen SCHED_OP
    pop %rsi
    jmp 1b
tell:
    mov $SEND, %edi
    lea port(%rip), %rsi
    call_xen EVENT_CHANNEL_OP
    ret

hello:  .asciz "XENWRIGHT hello: "
is_pv:  .asciz "PV, from the entry of a paravirtual guest\n"
is_pvh: .asciz "PVH, from the 32-bit entry\n"
done:   .asciz "XENWRIGHT hello: done\n"

.balign 8
gdt:
    .quad 0, 0x00af9a000000ffff, 0x00cf92000000ffff
gdt_pointer:
    .word gdt_pointer - gdt - 1
    .long gdt
.balign 8
question:                                   # struct xen_hvm_param
    .short SELF
    .balign 4
    .long 0
    .quad 0
nothing:                                    # struct sched_poll
    .quad 0, 0, 0
port:
    .long 0

.balign 4096
hypercall:
    .skip 4096

.bss
.balign 4096
window: .skip 4096
level4: .skip 4096
level3: .skip 4096
level2: .skip 4 * 4096
    .skip 4096
stack:
