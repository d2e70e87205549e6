/* Runs contexts in every way that the four functions promise, and says which promise is broken. Run by the step that builds them,
 * on the machine that builds: they are code of its architecture. Compiled without a red zone: two of its functions push. */

#define _GNU_SOURCE
#include <fenv.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <xmmintrin.h>

#define EXPECT(truth) \
    do { \
        if (!(truth)) { \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #truth); \
            exit(1); \
        } \
    } while (0)

enum { STACK = 64 * 1024, DEEP = 8, TURNS = 1000 };

/* A stack whose neighbours cannot be touched, `odd` bytes off where pages end. */
static void *stack(size_t odd)
{
    unsigned char *pages = mmap(NULL, STACK + 2 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT(pages != MAP_FAILED);
    EXPECT(mprotect(pages + 4096, STACK, PROT_READ | PROT_WRITE) == 0);
    return pages + 4096 - odd;
}

static void prepare(ucontext_t *context, ucontext_t *link, size_t odd)
{
    /* What getcontext and makecontext do not write must not matter. */
    memset(context, 0xA5, sizeof *context);
    EXPECT(getcontext(context) == 0);
    context->uc_stack.ss_sp = stack(odd);
    context->uc_stack.ss_size = STACK;
    context->uc_link = link;
}

/* The address that a function's frame hangs from is a multiple of 16: movaps of what lies on the stack would trap otherwise. */
static void expect_aligned(void)
{
    _Alignas(16) volatile char place[16];
    EXPECT(((uintptr_t)place & 15) == 0);
    EXPECT(((uintptr_t)__builtin_frame_address(0) & 15) == 0);
    volatile __m128 value = _mm_set1_ps(1.0f);
    EXPECT(_mm_cvtss_f32(value) == 1.0f);
}

/* ---- Arguments, alignment, uc_link ---- */

static ucontext_t home;
static int called;

static void none(void)
{
    expect_aligned();
    called += 1;
}

static void two(int a, int b)
{
    expect_aligned();
    EXPECT(a == -1 && b == 0x12345678);
    called += 1;
}

static void seven(long a, long b, long c, long d, long e, long f, long g)
{
    expect_aligned();
    EXPECT(a == 1 && b == 2 && c == 3 && d == 4 && e == 5 && f == 6 && g == -7);
    called += 1;
}

static void ten(long a, long b, long c, long d, long e, long f, long g, void *h, long i, long j)
{
    expect_aligned();
    EXPECT(a == 1 && b == 2 && c == 3 && d == 4 && e == 5 && f == 6 && g == 7 && h == &home && i == INT64_MIN && j == 10);
    called += 1;
}

static void arguments(void)
{
    /* Odd stacks: none of them may matter. The last byte of a stack is not touched beyond. */
    for (size_t odd = 0; odd < 40; odd += 5) {
        ucontext_t context;
        int before = called;
        prepare(&context, &home, odd);
        makecontext(&context, none, 0);
        EXPECT(swapcontext(&home, &context) == 0);
        prepare(&context, &home, odd);
        makecontext(&context, two, 2, -1, 0x12345678);
        EXPECT(swapcontext(&home, &context) == 0);
        prepare(&context, &home, odd);
        makecontext(&context, seven, 7, 1L, 2L, 3L, 4L, 5L, 6L, -7L);
        EXPECT(swapcontext(&home, &context) == 0);
        prepare(&context, &home, odd);
        makecontext(&context, ten, 10, 1L, 2L, 3L, 4L, 5L, 6L, 7L, &home, INT64_MIN, 10L);
        EXPECT(swapcontext(&home, &context) == 0);
        EXPECT(called == before + 4);
    }
}

/* ---- Nested coroutines that hand over to and fro ---- */

static ucontext_t level[DEEP + 1];
static unsigned long turns;

/* Each level takes as many turns as the one around it: all but the last end in a swap outwards, the last in uc_link. */
static void nested(int depth)
{
    /* Enough live values that some are in registers that a function preserves. */
    unsigned long a = depth, b = a * 3, c = b ^ 0x5555, d = c + 7, e = d * d, f = e - a;
    if (depth < DEEP) {
        prepare(&level[depth + 1], &level[depth], depth);
        makecontext(&level[depth + 1], nested, 1, depth + 1);
    }
    for (int turn = 0; turn < TURNS; turn++) {
        unsigned long before = turns++;
        if (depth < DEEP) {
            EXPECT(swapcontext(&level[depth], &level[depth + 1]) == 0);
            EXPECT(turns == before + 1 + (DEEP - depth));
        }
        if (depth > 0 && turn < TURNS - 1)
            EXPECT(swapcontext(&level[depth], &level[depth - 1]) == 0);
        EXPECT(a == (unsigned long)depth && b == a * 3 && c == (b ^ 0x5555) && d == c + 7 && e == d * d && f == e - a);
    }
}

/* ---- Registers that a function preserves ---- */

static ucontext_t there;

/* Leaves other values than it found in all of them, by handing over from amidst. */
static void spoil(void)
{
    for (;;) {
        __asm__ volatile(
            "movq $-1, %%rbx\n\tmovq %%rbx, %%r12\n\tmovq %%rbx, %%r13\n\tmovq %%rbx, %%r14\n\tmovq %%rbx, %%r15\n\t"
            "leaq there(%%rip), %%rdi\n\tleaq home(%%rip), %%rsi\n\tcall swapcontext"
            :
            :
            : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc", "memory");
    }
}

static void preserved(void)
{
    prepare(&there, NULL, 0);
    makecontext(&there, spoil, 0);
    for (int i = 0; i < 3; i++) {
        unsigned long kept[6], *place = kept;
        __asm__ volatile(
            "pushq %%rbp\n\tpushq %%rcx\n\t"
            "movq $11, %%rbx\n\tmovq $12, %%rbp\n\tmovq $13, %%r12\n\tmovq $14, %%r13\n\tmovq $15, %%r14\n\tmovq $16, %%r15\n\t"
            "leaq home(%%rip), %%rdi\n\tleaq there(%%rip), %%rsi\n\tcall swapcontext\n\t"
            "popq %%rcx\n\t"
            "movq %%rbx, 0(%%rcx)\n\tmovq %%rbp, 8(%%rcx)\n\tmovq %%r12, 16(%%rcx)\n\tmovq %%r13, 24(%%rcx)\n\t"
            "movq %%r14, 32(%%rcx)\n\tmovq %%r15, 40(%%rcx)\n\t"
            "popq %%rbp"
            : "+c"(place)
            :
            : "rax", "rbx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc", "memory");
        for (int at = 0; at < 6; at++)
            EXPECT(kept[at] == 11UL + at);
    }
}

/* ---- getcontext and setcontext, without makecontext ---- */

static void again(void)
{
    static ucontext_t here, copy;
    volatile int times = 0;
    EXPECT(getcontext(&here) == 0);
    if (times++ == 0) {
        /* A copy is as good: nothing in a context points into it. */
        memcpy(&copy, &here, sizeof copy);
        memset(&here, 0, sizeof here);
    }
    if (times < 5) {
        setcontext(&copy);
        EXPECT(!"setcontext returned");
    }
    EXPECT(times == 5);
}

/* ---- Floating point control ---- */

static unsigned x87(void)
{
    unsigned short word;
    __asm__ volatile("fnstcw %0" : "=m"(word));
    return word;
}

static void rounds(void)
{
    /* Inherited from the getcontext that filled this context: upward. */
    EXPECT(fegetround() == FE_UPWARD);
    EXPECT((x87() & 0xC00) == 0x800 && (_mm_getcsr() & _MM_ROUND_MASK) == _MM_ROUND_UP);
    EXPECT(fesetround(FE_TOWARDZERO) == 0);
    EXPECT(swapcontext(&there, &home) == 0);
    EXPECT(fegetround() == FE_TOWARDZERO);
    EXPECT((x87() & 0xC00) == 0xC00 && (_mm_getcsr() & _MM_ROUND_MASK) == _MM_ROUND_TOWARD_ZERO);
}

static void floating(void)
{
    EXPECT(fesetround(FE_UPWARD) == 0);
    prepare(&there, &home, 0);
    makecontext(&there, rounds, 0);
    EXPECT(fesetround(FE_DOWNWARD) == 0);
    for (int i = 0; i < 2; i++) {
        EXPECT(swapcontext(&home, &there) == 0);
        EXPECT(fegetround() == FE_DOWNWARD);
        EXPECT((x87() & 0xC00) == 0x400 && (_mm_getcsr() & _MM_ROUND_MASK) == _MM_ROUND_DOWN);
    }
    EXPECT(fesetround(FE_TONEAREST) == 0);
}

/* ---- Threads: a context without uc_link ends its own, and may move from one to another ---- */

static ucontext_t last, mover, owner;
static int moved;

static void *ends(void *unused)
{
    prepare(&last, NULL, 0);
    makecontext(&last, none, 0);
    setcontext(&last);
    EXPECT(!"setcontext returned");
    return unused;
}

static void moves(void)
{
    moved = 1;
    EXPECT(swapcontext(&mover, &owner) == 0);
    moved = 2;
}

static void *resumes(void *unused)
{
    EXPECT(swapcontext(&owner, &mover) == 0);
    return unused;
}

static void threads(void)
{
    pthread_t thread;
    void *value = &thread;
    int before = called;
    EXPECT(pthread_create(&thread, NULL, ends, NULL) == 0);
    EXPECT(pthread_join(thread, &value) == 0);
    EXPECT(called == before + 1 && value == NULL);

    prepare(&mover, &owner, 0);
    makecontext(&mover, moves, 0);
    EXPECT(swapcontext(&owner, &mover) == 0);
    EXPECT(moved == 1);
    EXPECT(pthread_create(&thread, NULL, resumes, NULL) == 0);
    EXPECT(pthread_join(thread, NULL) == 0);
    EXPECT(moved == 2);
}

int main(void)
{
    arguments();
    EXPECT(called == 32);
    nested(0);
    EXPECT(turns == (DEEP + 1) * TURNS);
    preserved();
    again();
    floating();
    threads();
    puts("ucontext: arguments, alignment, nesting, registers, copies, rounding, threads: as promised");
    return 0;
}
