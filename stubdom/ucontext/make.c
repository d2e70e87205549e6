/* makecontext of x86_64: turns a context that getcontext filled into one that calls a function.
 *
 * Takes any number of arguments, each of which may be as wide as a register; POSIX promises no more than int. uc_stack and uc_link
 * are read now: what is written to them later has no effect. Where uc_link is null, the thread ends with the function. */

#define _GNU_SOURCE
#include "layout.h"
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

#define CHECK(name) \
    _Static_assert(offsetof(ucontext_t, uc_mcontext.gregs) + sizeof(greg_t) * REG_##name == AT_##name, "layout.h: " #name)
CHECK(R8);
CHECK(R9);
CHECK(R12);
CHECK(R13);
CHECK(R14);
CHECK(R15);
CHECK(RDI);
CHECK(RSI);
CHECK(RBP);
CHECK(RBX);
CHECK(RDX);
CHECK(RCX);
CHECK(RSP);
CHECK(RIP);
_Static_assert(offsetof(ucontext_t, __fpregs_mem) + offsetof(struct _fpstate, cwd) == AT_FCW, "layout.h: FCW");
_Static_assert(offsetof(ucontext_t, __fpregs_mem) + offsetof(struct _fpstate, mxcsr) == AT_MXCSR, "layout.h: MXCSR");

/* In switch.S. */
void __ucontext_end(void);

void makecontext(ucontext_t *context, void (*function)(), int count, ...)
{
    static const unsigned char registers[] = { REG_RDI, REG_RSI, REG_RDX, REG_RCX, REG_R8, REG_R9 };
    enum { IN_REGISTERS = sizeof registers };
    greg_t *gregs = context->uc_mcontext.gregs;
    int on_stack = count > IN_REGISTERS ? count - IN_REGISTERS : 0;

    /* As after a call: the seventh argument lies on a boundary of 16 bytes, the return address below. */
    uintptr_t end = (uintptr_t)context->uc_stack.ss_sp + context->uc_stack.ss_size;
    uint64_t *top = (uint64_t *)((end - (uintptr_t)on_stack * sizeof *top) & ~(uintptr_t)15);
    top[-1] = (uintptr_t)__ucontext_end;

    va_list arguments;
    va_start(arguments, count);
    for (int i = 0; i < count; i++) {
        uint64_t argument = va_arg(arguments, uint64_t);
        if (i < IN_REGISTERS)
            gregs[registers[i]] = (greg_t)argument;
        else
            top[i - IN_REGISTERS] = argument;
    }
    va_end(arguments);

    gregs[REG_RSP] = (greg_t)(uintptr_t)(top - 1);
    gregs[REG_RIP] = (greg_t)(uintptr_t)function;
    gregs[REG_RBX] = (greg_t)(uintptr_t)context->uc_link;
    /* The outermost frame, for whoever walks the stack. */
    gregs[REG_RBP] = 0;
}
