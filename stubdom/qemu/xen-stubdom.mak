# Devices of the i386 QEMU that runs beside an HVM guest of Xen: what libxl asks for (tools/libs/light/libxl_dm.c) and what guests expect
# of such a machine, nothing else. QEMU is configured --without-default-devices, so a device that is not here does not exist.
# CONFIG_XEN comes from --enable-xen and brings xenfv, xenpv, xen-platform and xen-pvdevice.

# Machine: i440FX with PIIX3, as xenfv has it.
CONFIG_I440FX=y

# Disks: IDE is the default, `hdtype = "ahci"` the choice, `vdev=sd…` a SCSI disk behind an LSI controller; floppies.
CONFIG_AHCI_ICH9=y
CONFIG_FDC_ISA=y
CONFIG_IDE_PIIX=y
CONFIG_LSI_SCSI_PCI=y

# Network: rtl8139 is the default, e1000 what everybody writes instead.
CONFIG_E1000_PCI=y
CONFIG_RTL8139_PCI=y

# Pictures: `vga = "stdvga"` and `vga = "cirrus"`.
CONFIG_VGA_CIRRUS=y
CONFIG_VGA_PCI=y

# USB: `usbversion` 1, 2 and 3, and `usbdevice`.
CONFIG_USB_EHCI_PCI=y
CONFIG_USB_HID=y
CONFIG_USB_HUB=y
CONFIG_USB_UHCI=y
CONFIG_USB_XHCI_NEC=y

# Sound: `soundhw`, by libxl_types_internal.idl.
CONFIG_AC97=y
CONFIG_ADLIB=y
CONFIG_CS4231A=y
CONFIG_ES1370=y
CONFIG_GUS=y
CONFIG_HDA=y
CONFIG_SB16=y

# The ISA side: serial and parallel ports, and the mouse that knows where it is.
CONFIG_PARALLEL=y
CONFIG_SERIAL_ISA=y
CONFIG_VMMOUSE=y
CONFIG_VMPORT=y

# libxl puts a port of virtio-serial where SPICE's agent listens.
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_SERIAL=y
