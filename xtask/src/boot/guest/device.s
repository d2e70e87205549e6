# A program for a BIOS that uses the clock and the network card of its machine, and says so on the first serial port.
#
# The clock (Motorola's MC146818A): its seconds go on while the BIOS waits for its periodic interrupt, and its periodic flag comes
# again and again. The card, an Intel 82540EM or a Realtek 8139, is found in PCI's configuration space; it says its address, sends
# ARP requests (RFC 826) for 192.0.2.1 by DMA, and receives an answer. What fails ends the program with a line that says so.
#
# Assembly, since a BIOS starts a program in 16-bit mode with one sector of it; the rest, which it loads, is not more than registers.

.include "bios.s"

# As many sectors as follow the first.
.set REST, 5

# Below 640 KiB, where DMA is a matter of one address: rings of descriptors, the frame that is sent, buffers for what is received.
.set SENDS, 0x10000
.set RECEIVES, 0x10100
.set FRAME, 0x11000
.set BUFFERS, 0x20000

# Registers of the 82540EM (8254x software developer's manual, chapter 13), below its memory.
.set CTRL, 0x0000
.set STATUS, 0x0008
.set IMC, 0x00d8
.set RCTL, 0x0100
.set TCTL, 0x0400
.set RDBAL, 0x2800
.set TDBAL, 0x3800
.set RAL, 0x5400

# Registers of the 8139 (RTL8139 programming guide), below its ports.
.set TSD, 0x10
.set TSAD, 0x20
.set RBSTART, 0x30
.set COMMAND, 0x37
.set CAPR, 0x38
.set RCR, 0x44

# Says a text and stops.
.macro fail text
    mov $5f, %esi
    jmp stop
5:  .asciz "XENWRIGHT device: FAILED: \text\n"
.endm

.code16
.globl start
start:
    begin
    load_rest REST, halt16
    serial_begin
    jmp clock
halt16:
    hlt
    jmp halt16

say16:
    lodsb
    test %al, %al
    jz 1f
    serial_send
    jmp say16
1:  ret

fail16:
    call say16
    jmp halt16

# Reads the clock's register al into al.
clock_read:
    out %al, $0x70
    in $0x71, %al
    ret

# The seconds, when they are not about to change.
seconds:
    mov $0x0a, %al
    call clock_read
    test $0x80, %al
    jnz seconds
    xor %al, %al
    jmp clock_read

.org 510
    .short 0xaa55

clock:
    call seconds
    mov %al, %bl
    mov $0x86, %ah                          # wait for cx:dx microseconds: 1.1 s
    mov $0x10, %cx
    mov $0xc8e0, %dx
    int $0x15
    mov $no_wait, %si
    jc fail16
    call seconds
    mov $no_tick, %si
    cmp %al, %bl
    je fail16
    mov $ticks, %si
    call say16

    # 16 times a second, and no interrupts: three flags, one after the other. They come without, as the data sheet says and Xen does it;
    # the clock of a QEMU by itself does not.
    cli
    mov $0x0a, %al
    out %al, $0x70
    mov $0x2c, %al
    out %al, $0x71
    mov $0x0b, %al
    call clock_read
    and $0x8f, %al
    mov %al, %ah
    mov $0x0b, %al
    out %al, $0x70
    mov %ah, %al
    out %al, $0x71
    mov $3, %bl
1:  mov $200000, %ecx                       # each is an exit to the hypervisor: a second and more
2:  mov $0x0c, %al
    call clock_read
    test $0x40, %al
    jnz 3f
    dec %ecx
    jnz 2b
    mov $no_period, %si
    jmp fail16
3:  dec %bl
    jnz 1b
    mov $period, %si
    call say16

    in $0x92, %al                           # address line 20
    or $2, %al
    and $0xfe, %al
    out %al, $0x92
    lgdt gdt_pointer
    mov %cr0, %eax
    or $1, %eax
    mov %eax, %cr0
    ljmp $8, $card

no_wait:   .asciz "XENWRIGHT device: FAILED: the BIOS cannot wait for the clock\n"
no_tick:   .asciz "XENWRIGHT device: FAILED: the clock's seconds stand still\n"
no_period: .asciz "XENWRIGHT device: FAILED: the clock's periodic flag does not come\n"
ticks:     .asciz "XENWRIGHT device: rtc ticks\n"
period:    .asciz "XENWRIGHT device: rtc periodic\n"
.balign 8
gdt:
    .quad 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdt_pointer:
    .word gdt_pointer - gdt - 1
    .long gdt

.code32
# Looks at the first function of every device on bus 0.
card:
    mov $16, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $start, %esp
    mov $0x80000000, %ebx
1:  mov %ebx, %eax
    call pci_read
    cmp $0x100e8086, %eax
    je intel
    cmp $0x813910ec, %eax
    je realtek
    add $0x800, %ebx
    cmp $0x80010000, %ebx
    jne 1b
    fail "there is no network card that it knows"

# Reads the configuration word at eax.
pci_read:
    mov $0xcf8, %dx
    out %eax, %dx
    mov $0xcfc, %dx
    in %dx, %eax
    ret

# Lets the device at ebx be spoken to and do DMA, and gives its first address in ebp.
pci_enable:
    lea 4(%ebx), %eax
    call pci_read
    or $7, %eax
    out %eax, %dx
    lea 0x10(%ebx), %eax
    call pci_read
    mov %eax, %ebp
    and $0xfffffff0, %ebp
    ret

intel:
    call pci_enable
    orl $0x04000000, CTRL(%ebp)             # reset
    mov $1000, %ecx
1:  testl $0x04000000, CTRL(%ebp)
    jz 2f
    loop 1b
    fail "the e1000 does not come back from its reset"
2:  movl $0xffffffff, IMC(%ebp)
    mov RAL(%ebp), %eax
    mov %eax, mac
    mov RAL + 4(%ebp), %eax
    mov %ax, mac + 4
    mov $e1000, %esi
    call introduce
    orl $0x40, CTRL(%ebp)                   # set the link up
    mov $1000, %ecx
1:  testl $2, STATUS(%ebp)
    jnz 2f
    loop 1b
    fail "the e1000 has no link"
2:  # Eight descriptors of 16 bytes each way.
    mov $SENDS, %edi
    xor %eax, %eax
    mov $0x80, %ecx
    rep stosl
    mov $RECEIVES, %edi
    mov $BUFFERS, %eax
1:  mov %eax, (%edi)
    add $16, %edi
    add $2048, %eax
    cmp $(BUFFERS + 8 * 2048), %eax
    jne 1b
    movl $SENDS, TDBAL(%ebp)
    movl $0, TDBAL + 4(%ebp)
    movl $128, TDBAL + 8(%ebp)              # length, head, tail
    movl $0, TDBAL + 0x10(%ebp)
    movl $0, TDBAL + 0x18(%ebp)
    movl $0x000400fa, TCTL(%ebp)            # on, short frames padded, collisions as the manual advises
    movl $RECEIVES, RDBAL(%ebp)
    movl $0, RDBAL + 4(%ebp)
    movl $128, RDBAL + 8(%ebp)
    movl $0, RDBAL + 0x10(%ebp)
    movl $7, RDBAL + 0x18(%ebp)
    movl $0x00008002, RCTL(%ebp)            # on, broadcasts too
    mov $intel_send, %eax
    mov $intel_receive, %edx
    jmp ask

# Sends the frame as the try ebx says. Its carry is set when the card does not say that it is done.
intel_send:
    mov %ebx, %edi
    and $7, %edi
    shl $4, %edi
    movl $FRAME, SENDS(%edi)
    movl $(0x0b000000 + 60), SENDS + 8(%edi) # end of packet, checksum, report of what was done; 60 bytes
    movl $0, SENDS + 12(%edi)
    lea 1(%ebx), %eax
    and $7, %eax
    mov %eax, TDBAL + 0x18(%ebp)
    mov $1000000, %ecx
1:  testb $1, SENDS + 12(%edi)
    jnz 2f
    loop 1b
    stc
    ret
2:  clc
    ret

# Gives the next frame in esi, or sets the carry.
intel_receive:
    mov next, %edi
    mov %edi, %esi
    shl $11, %esi
    add $BUFFERS, %esi
    shl $4, %edi
    testb $1, RECEIVES + 12(%edi)
    jz 1f
    # The card gets the buffer back at once: it fills the seven others first.
    movl $0, RECEIVES + 12(%edi)
    mov next, %eax
    mov %eax, RDBAL + 0x18(%ebp)
    inc %eax
    and $7, %eax
    mov %eax, next
    clc
    ret
1:  stc
    ret

realtek:
    call pci_enable
    lea COMMAND(%ebp), %edx
    mov $0x10, %al                          # reset
    out %al, %dx
    mov $1000, %ecx
1:  in %dx, %al
    test $0x10, %al
    jz 2f
    loop 1b
    fail "the rtl8139 does not come back from its reset"
2:  mov %ebp, %edx
    in %dx, %eax
    mov %eax, mac
    add $4, %edx
    in %dx, %eax
    mov %ax, mac + 4
    mov $rtl8139, %esi
    call introduce
    lea RBSTART(%ebp), %edx
    mov $BUFFERS, %eax
    out %eax, %dx
    lea COMMAND(%ebp), %edx
    mov $0x0c, %al                          # receive and send
    out %al, %dx
    lea RCR(%ebp), %edx
    mov $0x8a, %eax                         # what is for it or for all, 8 KiB, frames in one piece
    out %eax, %dx
    mov $realtek_send, %eax
    mov $realtek_receive, %edx
    jmp ask

realtek_send:
    mov %ebx, %edi
    and $3, %edi
    lea TSAD(%ebp, %edi, 4), %edx
    mov $FRAME, %eax
    out %eax, %dx
    lea TSD(%ebp, %edi, 4), %edx
    mov $60, %eax
    out %eax, %dx
    mov $10000, %ecx
1:  in %dx, %eax
    test $0x8000, %eax                      # sent
    jnz 2f
    loop 1b
    stc
    ret
2:  clc
    ret

realtek_receive:
    lea COMMAND(%ebp), %edx
    in %dx, %al
    test $1, %al                            # nothing there
    jnz 1f
    mov next, %esi
    movzwl BUFFERS + 2(%esi), %eax          # status and length stand before a frame
    lea 7(%esi, %eax), %eax
    and $0x1ffc, %eax
    mov %eax, next
    sub $16, %eax
    lea CAPR(%ebp), %edx
    out %ax, %dx
    add $(BUFFERS + 4), %esi
    clc
    ret
1:  stc
    ret

# eax and edx are how the card sends and receives.
ask:
    mov %eax, send
    mov %edx, receive
    mov $request, %esi
    mov $FRAME, %edi
    mov $60, %ecx
    rep movsb
    mov mac, %eax
    mov %eax, FRAME + 6
    mov %eax, FRAME + 22
    mov mac + 4, %ax
    mov %ax, FRAME + 10
    mov %ax, FRAME + 26
    xor %ebx, %ebx
try:
    call *send
    jnc 1f
    fail "the card does not say that the frame is sent"
1:  test %ebx, %ebx
    jnz 1f
    mov $sent, %esi
    call say
1:  push $2                                 # periods of the clock: an eighth of a second
listen:
    call *receive
    jc 1f
    cmpl $0x01000608, 12(%esi)              # ARP, Ethernet
    jne 1f
    cmpw $0x0200, 20(%esi)                  # an answer
    jne 1f
    mov request + 38, %eax
    cmp 28(%esi), %eax                      # from the one who was asked
    jne 1f
    add $22, %esi
    mov %esi, %ebx
    mov $answers, %esi
    call say
    mov %ebx, %esi
    call say_mac
    mov $done, %esi
    jmp stop
1:  mov $0x0c, %al
    out %al, $0x70
    in $0x71, %al
    test $0x40, %al
    jz listen
    decl (%esp)
    jnz listen
    pop %eax
    inc %ebx
    cmp $40, %ebx
    jne try
    fail "nobody answers for 192.0.2.1"

# Says the card's name at esi, and its address.
introduce:
    push %esi
    mov $nic, %esi
    call say
    pop %esi
    call say
    mov $mac, %esi
    call say_mac
    mov $end, %esi
say:
    lodsb
    test %al, %al
    jz 1f
    serial_send
    jmp say
1:  ret

say_mac:
    mov $6, %ecx
1:  lodsb
    mov %al, %bh
    shr $4, %al
    call say_digit
    mov %bh, %al
    and $15, %al
    call say_digit
    dec %ecx
    jz 2f
    mov $':', %al
    serial_send
    jmp 1b
2:  ret

say_digit:
    cmp $10, %al
    jb 1f
    add $('a' - '0' - 10), %al
1:  add $'0', %al
    serial_send
    ret

# Says the text at esi, and that is all. A processor that halts and listens to no interrupt will not go on: Xen takes the guest as
# switched off.
stop:
    call say
1:  hlt
    jmp 1b

nic:     .asciz "XENWRIGHT device: nic "
e1000:   .asciz "e1000 "
rtl8139: .asciz "rtl8139 "
sent:    .asciz "XENWRIGHT device: frame sent\n"
answers: .asciz "XENWRIGHT device: 192.0.2.1 answers from "
done:    .ascii "\nXENWRIGHT device: done"
end:     .asciz "\n"

# Who has 192.0.2.1? Tell 192.0.2.3. The sender's own address is filled in.
request:
    .byte 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 8, 6
    .byte 0, 1, 8, 0, 6, 4, 0, 1
    .byte 0, 0, 0, 0, 0, 0, 192, 0, 2, 3
    .byte 0, 0, 0, 0, 0, 0, 192, 0, 2, 1
    .skip 18

.balign 4
mac:     .skip 8
next:    .long 0                            # the buffer that is filled next, or its offset
send:    .long 0
receive: .long 0

.org 512 * (1 + REST)
