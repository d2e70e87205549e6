//! Makes what guests boot: kernels, boot sectors and disks of ours.
