/* Where musl's ucontext_t of x86_64 has what a context is made of, for the assembler: `make.c` proves each against the structure. */

#define AT_R8     40
#define AT_R9     48
#define AT_R12    72
#define AT_R13    80
#define AT_R14    88
#define AT_R15    96
#define AT_RDI    104
#define AT_RSI    112
#define AT_RBP    120
#define AT_RBX    128
#define AT_RDX    136
#define AT_RCX    152
#define AT_RSP    160
#define AT_RIP    168
/* Of the floating point state, in the form of `fxsave`, the two words that a function must leave as it finds them. */
#define AT_FCW    424
#define AT_MXCSR  448
