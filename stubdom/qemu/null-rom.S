// The option ROM of a network card that has none: 512 bytes that a BIOS finds, calls and gets back from at once.
//
// QEMU refuses a card whose ROM file is missing, and network boot (iPXE) is the distribution's. Layout: PCI Firmware Specification
// 3.0, 5.1; QEMU writes the card's own vendor and device into the PCI data. Does not boot anything.

	.code16
	.byte	0x55, 0xaa
	.byte	1				// length in units of 512 bytes
	xorw	%ax, %ax			// entry: no boot connection attached
	lret
	.byte	0xFF & -SUM			// the bytes of a ROM add up to nothing; the build counts the rest

	.org	0x18
	.short	data
	.balign	4
data:	.ascii	"PCIR"
	.short	0, 0				// vendor, device
	.short	0				// vital product data
	.short	24				// length of this table
	.byte	0				// its revision
	.byte	0, 0, 2				// class: network, ethernet
	.short	1				// length of the image in units of 512 bytes
	.short	0				// revision of the code
	.byte	0				// for x86
	.byte	0x80				// the last image
	.short	0
	.org	512
