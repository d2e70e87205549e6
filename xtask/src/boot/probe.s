# Tries whether a virtual machine can have virtual machines of its own: on AMD's processors by running an empty one, on Intel's by
# entering the mode that they run in. A Multiboot kernel (Multiboot specification 0.6.96, 3.1) of 32 bits. Its answer is the emulator's
# exit status, through QEMU's `isa-debug-exit` at port 0xf4: 3 for yes, 5 for no. It is the first code of its machine, so it is assembly.

        .code32
        .section .text
        .align  4
        .long   0x1BADB002, 0, -0x1BADB002

        .globl  _start
_start:
        cli
        mov     $stack, %esp
        mov     $0x80000000, %eax
        cpuid
        cmp     $0x80000001, %eax
        jb      intel
        mov     $0x80000001, %eax
        cpuid
        bt      $2, %ecx                # SVM (AMD's manual, volume 2, 15.4)
        jnc     intel
        mov     $0xc0000080, %ecx       # EFER.SVME
        rdmsr
        bts     $12, %eax
        wrmsr
        mov     $0xc0010117, %ecx       # VM_HSAVE_PA
        mov     $host, %eax
        xor     %edx, %edx
        wrmsr
        mov     $guest, %eax
        vmrun   %eax
        cmpl    $-1, guest + 0x70       # VMEXIT_INVALID: it was looked at, and nothing is in it (15.5.1)
        je      yes
        jmp     no

intel:
        mov     $1, %eax
        cpuid
        bt      $5, %ecx                # VMX (Intel's manual, volume 3, 24.6 to 24.8)
        jnc     no
        mov     $0x3a, %ecx             # IA32_FEATURE_CONTROL: the lock, and VMX outside of SMX
        rdmsr
        test    $1, %eax
        jnz     locked
        or      $5, %eax
        wrmsr
locked:
        rdmsr
        test    $4, %eax
        jz      no
        mov     $pages, %edi            # All memory where it is, in pages of 4 MiB: VMX wants paging
        mov     $0x83, %eax
        mov     $1024, %ecx
page:
        mov     %eax, (%edi)
        add     $4, %edi
        add     $0x400000, %eax
        loop    page
        mov     $pages, %eax
        mov     %eax, %cr3
        mov     %cr4, %eax
        or      $0x2010, %eax           # PSE, VMXE
        mov     %eax, %cr4
        mov     $0x486, %ecx            # IA32_VMX_CR0_FIXED0: the bits that must be set
        rdmsr
        mov     %cr0, %ebx
        or      %eax, %ebx
        mov     %ebx, %cr0
        mov     $0x480, %ecx            # IA32_VMX_BASIC: the revision, which the region begins with
        rdmsr
        and     $0x7fffffff, %eax
        mov     %eax, host
        vmxon   region
        jbe     no
        vmxoff
yes:
        mov     $1, %al
        out     %al, $0xf4
no:
        mov     $2, %al
        out     %al, $0xf4
1:      hlt
        jmp     1b

        .section .data
        .align  8
region: .long   host, 0

        .section .bss
        .align  4096
host:   .skip   4096
guest:  .skip   4096
pages:  .skip   4096
        .skip   256
stack:
