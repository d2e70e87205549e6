# What programs started by a BIOS have in common. What they say goes to the first serial port, as the emulated chip has it at 0x3f8
# (National's 16550D).

.set COM1, 0x3f8

# 115200 baud, 8 bits, no parity; destroys ax and dx. It is the same code in 16-bit and in 32-bit mode.
.macro serial_begin
    mov $(COM1 + 3), %dx
    mov $0x80, %al
    out %al, %dx
    mov $COM1, %dx
    mov $1, %al
    out %al, %dx
    inc %dx
    xor %al, %al
    out %al, %dx
    mov $(COM1 + 3), %dx
    mov $3, %al
    out %al, %dx
.endm

# Sends al; destroys ah and dx.
.macro serial_send
    mov %al, %ah
    mov $(COM1 + 5), %dx
9:  in %dx, %al
    test $0x20, %al
    jz 9b
    mov $COM1, %dx
    mov %ah, %al
    out %al, %dx
.endm

# The first instructions: all segments are 0, the stack lies below the program, interrupts are on.
.macro begin
    ljmp $0, $1f
1:  xor %ax, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov $start, %sp
    cld
    sti
.endm

# Loads the sectors that follow the first; the BIOS left the number of the drive in dl.
.macro load_rest sectors, failed
    mov $(0x200 + \sectors), %ax
    mov $2, %cx
    xor %dh, %dh
    mov $(start + 512), %bx
    int $0x13
    jc \failed
.endm
