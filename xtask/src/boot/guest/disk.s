# A boot sector that uses the disk it was started from, and says so on the first serial port.
#
# It reads sector 1 through the BIOS, says the text in it, turns its small letters into capitals, writes that to sector 2, asks the
# drive to flush what it holds (ATA8-ACS, FLUSH CACHE), reads sector 2 back and says what it has. A host then finds it in the image.
#
# Assembly, since a BIOS gives a program 512 bytes in 16-bit mode.

.include "bios.s"

# Where the sectors are put, in segment 0.
.set READ, 0x8000
.set WRITTEN, 0x8200
.set AGAIN, 0x8400

.code16
.globl start
start:
    begin
    mov %dl, drive
    serial_begin
    mov $running, %si
    call say

    mov $READ, %bx
    mov $2, %cl                             # sectors count from 1
    mov $2, %ah
    call disk
    mov $read, %si
    call say
    mov $READ, %si
    call say
    mov $end, %si
    call say

    mov $READ, %si
    mov $WRITTEN, %di
    mov $512, %cx
1:  lodsb
    cmp $'a', %al
    jb 2f
    cmp $'z', %al
    ja 2f
    sub $('a' - 'A'), %al
2:  stosb
    loop 1b

    mov $WRITTEN, %bx
    mov $3, %cl
    mov $3, %ah
    call disk
    # The BIOS has no call for a flush: the first drive of the first channel is asked itself.
    mov $0x1f6, %dx
    mov $0xe0, %al
    out %al, %dx
    inc %dx
    mov $0xe7, %al
    out %al, %dx
1:  in %dx, %al
    test $0x80, %al                         # busy
    jnz 1b
    test $0x21, %al                         # error, fault
    jnz failed

    mov $AGAIN, %bx
    mov $3, %cl
    mov $2, %ah
    call disk
    mov $AGAIN, %si
    mov $WRITTEN, %di
    mov $256, %cx
    repe cmpsw
    jne failed
    mov $wrote, %si
    call say
    mov $AGAIN, %si
    call say
    mov $done, %si
    call say
halt:
    hlt
    jmp halt

# Reads (ah = 2) or writes (ah = 3) the sector cl of the first track, at bx.
disk:
    mov $1, %al
    xor %ch, %ch
    xor %dh, %dh
    mov drive, %dl
    int $0x13
    jnc 1f
failed:
    mov $failure, %si
    call say
    jmp halt
1:  ret

# Says the text at si, up to its zero.
say:
    lodsb
    test %al, %al
    jz 1b
    serial_send
    jmp say

drive:   .byte 0
running: .asciz "XENWRIGHT disk: running\n"
read:    .asciz "XENWRIGHT disk: read "
wrote:   .asciz "XENWRIGHT disk: wrote "
done:    .ascii "\nXENWRIGHT disk: done"
end:     .asciz "\n"
failure: .asciz "XENWRIGHT disk: FAILED\n"

.org 510
    .short 0xaa55
