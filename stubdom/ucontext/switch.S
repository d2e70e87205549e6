/* getcontext, setcontext and swapcontext of x86_64 without a system call.
 *
 * A context is what the calling convention has a function preserve: rbx, rbp, r12 to r15, the stack pointer, the control word of
 * the x87 and the control bits of SSE; besides, the place to go on at, and the six registers that makecontext puts arguments in.
 * All else, the caller of these functions has given up by calling them.
 *
 * The signal mask is neither kept nor set: that is what takes a system call elsewhere. uc_sigmask is left alone. A context that the
 * kernel hands to a signal's handler is not one of these. There is no shadow stack to switch: the compiler makes none, and neither
 * Linux nor Xen gives a process of ours one unasked.
 *
 * Assembler, since C can neither name the stack pointer nor leave a function by another function's return. */

#include "layout.h"

	.text

/* Writes the context of whoever called the function to that at %rdi: there, the call returns, with 0. */
	.macro save
	movq	%rbx, AT_RBX(%rdi)
	movq	%rbp, AT_RBP(%rdi)
	movq	%r12, AT_R12(%rdi)
	movq	%r13, AT_R13(%rdi)
	movq	%r14, AT_R14(%rdi)
	movq	%r15, AT_R15(%rdi)
	movq	(%rsp), %rax
	movq	%rax, AT_RIP(%rdi)
	leaq	8(%rsp), %rax
	movq	%rax, AT_RSP(%rdi)
	fnstcw	AT_FCW(%rdi)
	stmxcsr	AT_MXCSR(%rdi)
	.endm

	.globl	getcontext
	.type	getcontext, @function
getcontext:
	.cfi_startproc
	save
	xorl	%eax, %eax
	ret
	.cfi_endproc
	.size	getcontext, . - getcontext

	.globl	swapcontext
	.type	swapcontext, @function
swapcontext:
	.cfi_startproc
	save
	movq	%rsi, %rdi
	jmp	setcontext
	.cfi_endproc
	.size	swapcontext, . - swapcontext

	.globl	setcontext
	.type	setcontext, @function
setcontext:
	.cfi_startproc
	fldcw	AT_FCW(%rdi)
	ldmxcsr	AT_MXCSR(%rdi)
	movq	AT_RBX(%rdi), %rbx
	movq	AT_RBP(%rdi), %rbp
	movq	AT_R12(%rdi), %r12
	movq	AT_R13(%rdi), %r13
	movq	AT_R14(%rdi), %r14
	movq	AT_R15(%rdi), %r15
	movq	AT_RSI(%rdi), %rsi
	movq	AT_RDX(%rdi), %rdx
	movq	AT_RCX(%rdi), %rcx
	movq	AT_R8(%rdi), %r8
	movq	AT_R9(%rdi), %r9
	/* Last what the others are read with, and the stack: a signal that comes now finds a whole one of either. */
	movq	AT_RIP(%rdi), %r11
	movq	AT_RSP(%rdi), %rax
	movq	AT_RDI(%rdi), %rdi
	movq	%rax, %rsp
	xorl	%eax, %eax
	jmp	*%r11
	.cfi_endproc
	.size	setcontext, . - setcontext

/* Where a function that makecontext was given returns to. It has preserved %rbx, which holds the context to go on with, or null. The
 * stack is aligned: makecontext has put this return address where a call would have. */
	.globl	__ucontext_end
	.hidden	__ucontext_end
	.type	__ucontext_end, @function
__ucontext_end:
	.cfi_startproc
	.cfi_undefined rip
	movq	%rbx, %rdi
	testq	%rdi, %rdi
	jnz	setcontext
	/* The thread ends, with the value null: the argument is zero already. */
	call	pthread_exit
	hlt
	.cfi_endproc
	.size	__ucontext_end, . - __ucontext_end

	.section .note.GNU-stack, "", @progbits
