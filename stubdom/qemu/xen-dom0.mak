# Devices of the i386 QEMU that runs in dom0: those of a stubdomain's, since a guest gets the same machine with and without one.
# Devices of the host's USB come with libusb, which a stubdomain does not have.

include xen-stubdom.mak
