# Starts Linux from the disk that it lies on, through the disk controller's DMA.
#
# Sector 1 is a table: where to jump to, where the initramfs is, the command line, and which sectors belong where in memory. The
# kernel is Debian's ELF file as it runs, unpacked: to load some 40 MiB by DMA takes an emulated machine less than to unpack 8 MiB
# that a BIOS has read word by word. It is entered as Documentation/x86/boot.rst says under "64-bit boot protocol".
#
# Assembly, since a BIOS starts a program in 16-bit mode with one sector of it, and Linux is entered in 64-bit mode.

.include "bios.s"

# As many sectors as follow the first; the table is one of them.
.set REST, 5

# The table, at sector 1.
.set TABLE, start + 512
.set ENTRY, TABLE
.set INITRD, TABLE + 4
.set INITRD_BYTES, TABLE + 8
.set EXTENTS, TABLE + 12
.set FIRST, TABLE + 16                      # of 12 bytes each: sector (0 means zeros), count of sectors, address
.set COMMAND_LINE, TABLE + 256

# Below 640 KiB: what Linux is told (its zero page), page tables, the controller's table of addresses.
.set PARAMETERS, 0x10000
.set LEVEL4, 0x12000
.set LEVEL3, 0x13000
.set LEVEL2, 0x14000
.set PRD, 0x15000

# Members of the zero page (Documentation/x86/zero-page.rst, boot.rst).
.set E820_COUNT, 0x1e8
.set E820, 0x2d0
.set E820_MOST, 128

.code16
.globl start
start:
    begin
    load_rest REST, halt16
    serial_begin

    # An empty zero page, and the map of memory in it.
    mov $(PARAMETERS >> 4), %ax
    mov %ax, %es
    xor %di, %di
    xor %ax, %ax
    mov $2048, %cx
    rep stosw
    mov $E820, %di
    xor %ebx, %ebx
1:  mov $0xe820, %eax
    mov $20, %ecx
    mov $0x534d4150, %edx                   # "SMAP"
    int $0x15
    jc 2f
    cmp $0x534d4150, %eax
    jne 2f
    incb %es:E820_COUNT
    add $20, %di
    cmpb $E820_MOST, %es:E820_COUNT
    jae 2f
    test %ebx, %ebx
    jnz 1b
2:  cli
    in $0x92, %al                           # address line 20
    or $2, %al
    and $0xfe, %al
    out %al, $0x92
    lgdt gdt_pointer
    mov %cr0, %eax
    or $1, %eax
    mov %eax, %cr0
    ljmp $8, $load
halt16:
    hlt
    jmp halt16

.balign 8
gdt:                                        # the third and the fourth as Linux wants them
    .quad 0, 0x00cf9a000000ffff, 0x00af9a000000ffff, 0x00cf92000000ffff
gdt_pointer:
    .word gdt_pointer - gdt - 1
    .long gdt

.org 510
    .short 0xaa55
.org 1024

.code32
load:
    mov $24, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $start, %esp
    mov $loading, %esi
    call say

    # The controller: the first function on bus 0 whose class is "IDE".
    mov $0x80000008, %ebx
1:  mov %ebx, %eax
    call pci_read
    shr $16, %eax
    cmp $0x0101, %eax
    je 2f
    add $0x100, %ebx
    cmp $0x80010008, %ebx
    jb 1b
    mov $no_controller, %esi
    jmp stop
2:  lea (0x04 - 0x08)(%ebx), %eax
    call pci_read
    or $5, %eax                             # ports, DMA
    out %eax, %dx
    lea (0x20 - 0x08)(%ebx), %eax
    call pci_read
    and $0xfffffffc, %eax
    mov %eax, %ebp
    mov $0x3f6, %dx
    mov $2, %al                             # no interrupts: it is asked
    out %al, %dx

    mov $FIRST, %ebx
extent:
    decl EXTENTS
    js loaded
    mov 8(%ebx), %edi
    mov 4(%ebx), %ecx
    mov (%ebx), %esi
    add $12, %ebx
    test %esi, %esi
    jnz 1f
    shl $7, %ecx
    xor %eax, %eax
    rep stosl
    jmp extent
    # At most 256 sectors at once, in two pieces that begin and end at multiples of 64 KiB.
1:  mov %ecx, %edx
    cmp $256, %edx
    jbe 2f
    mov $256, %edx
2:  push %ecx
    push %edx
    call read
    pop %edx
    pop %ecx
    add %edx, %esi
    mov %edx, %eax
    shl $9, %eax
    add %eax, %edi
    sub %edx, %ecx
    jnz 1b
    jmp extent

# Reads edx sectors from sector esi to edi (ATA8-ACS, READ DMA; SFF-8038i).
read:
    mov %edi, PRD
    movl $0x00000000, PRD + 4               # 64 KiB
    lea 0x10000(%edi), %eax
    mov %eax, PRD + 8
    movl $0x80000000, PRD + 12              # the last
    mov %edx, %ecx
    mov $0x1f2, %edx
    mov %cl, %al
    out %al, %dx
    mov %esi, %eax
    inc %edx
    out %al, %dx
    shr $8, %eax
    inc %edx
    out %al, %dx
    shr $8, %eax
    inc %edx
    out %al, %dx
    shr $8, %eax
    or $0xe0, %al
    inc %edx
    out %al, %dx
    lea 4(%ebp), %edx
    mov $PRD, %eax
    out %eax, %dx
    lea 2(%ebp), %edx
    mov $6, %al                             # forget errors and interrupts
    out %al, %dx
    mov %ebp, %edx
    mov $8, %al                             # to memory
    out %al, %dx
    mov $0x1f7, %edx
    mov $0xc8, %al
    out %al, %dx
    mov %ebp, %edx
    mov $9, %al
    out %al, %dx
    mov $0x1f7, %edx
1:  in %dx, %al
    test $0x88, %al                         # busy, or there is data to come
    jnz 1b
    mov %al, %ah
    lea 2(%ebp), %edx
    in %dx, %al
    and $2, %al                             # the controller's error
    and $0x21, %ah                          # the drive's: error, fault
    or %al, %ah
    mov %ebp, %edx                          # stop, whatever is left of the pieces
    mov $8, %al
    out %al, %dx
    test %ah, %ah
    jnz 3f
    ret
3:  mov $no_read, %esi
    jmp stop

loaded:
    mov $0x3f6, %dx
    xor %al, %al
    out %al, %dx
    movl $0x53726448, PARAMETERS + 0x202    # "HdrS", as a loader that is none of Linux's own
    movw $0xaa55, PARAMETERS + 0x1fe
    movw $0x020f, PARAMETERS + 0x206
    movb $0xff, PARAMETERS + 0x210
    movb $1, PARAMETERS + 0x211
    mov INITRD, %eax
    mov %eax, PARAMETERS + 0x218
    mov INITRD_BYTES, %eax
    mov %eax, PARAMETERS + 0x21c
    movl $COMMAND_LINE, PARAMETERS + 0x228
    movl $0x200000, PARAMETERS + 0x230
    movl $255, PARAMETERS + 0x238

    # The first GiB as it is, in pages of 2 MiB.
    mov $LEVEL4, %edi
    xor %eax, %eax
    mov $(3 * 1024), %ecx
    rep stosl
    movl $(LEVEL3 + 3), LEVEL4
    movl $(LEVEL2 + 3), LEVEL3
    mov $LEVEL2, %edi
    mov $0x83, %eax
1:  mov %eax, (%edi)
    add $8, %edi
    add $0x200000, %eax
    cmp $0x40000083, %eax
    jne 1b
    mov %cr4, %eax
    or $0x20, %eax                          # PAE
    mov %eax, %cr4
    mov $LEVEL4, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx                   # EFER: long mode
    rdmsr
    or $0x100, %eax
    wrmsr
    mov %cr0, %eax
    or $0x80000000, %eax                    # paging
    mov %eax, %cr0
    mov $PARAMETERS, %esi
    mov ENTRY, %ebx
    ljmp $16, $1f
.code64
1:  jmp *%rbx

.code32
# Reads the configuration word at eax.
pci_read:
    mov $0xcf8, %dx
    out %eax, %dx
    mov $0xcfc, %dx
    in %dx, %eax
    ret

say:
    lodsb
    test %al, %al
    jz 1f
    serial_send
    jmp say
1:  ret

# Says the text at esi, and that is all: Xen takes a processor that halts and listens to no interrupt as switched off.
stop:
    call say
1:  hlt
    jmp 1b

loading:       .asciz "XENWRIGHT linux: loading\n"
no_controller: .asciz "XENWRIGHT linux: FAILED: there is no IDE controller on the PCI bus\n"
no_read:       .asciz "XENWRIGHT linux: FAILED: the disk controller's DMA says that it could not read\n"

.org 512 * (1 + REST)
