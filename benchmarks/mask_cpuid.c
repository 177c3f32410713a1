/* Hides integer dot products (VNNI, AMX) from the libraries of a process, and AVX-512 with MASK_AVX512=1.

   Preloaded, it lets the instruction CPUID fault (arch_prctl, Linux on x86 with `cpuid_fault`), and
   answers it without these features: libraries then choose the code for a processor without them,
   at the speed of this one. */

#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARCH_SET_CPUID 0x1012
#define BIT(n) (1u << (n))

static int without_avx512;

static long allow(int on) { return syscall(SYS_arch_prctl, ARCH_SET_CPUID, on); }

static void answer(int number, siginfo_t *info, void *context) {
  greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
  const unsigned char *code = (const unsigned char *)r[REG_RIP];
  (void)info;
  if (code[0] != 0x0f || code[1] != 0xa2) { /* a real fault: it comes again */
    signal(number, SIG_DFL);
    return;
  }
  unsigned leaf = r[REG_RAX], part = r[REG_RCX], a = leaf, b, c = part, d;
  allow(1);
  __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  allow(0);
  if (leaf == 7 && part == 0) {
    c &= ~BIT(11);                          /* AVX512_VNNI */
    d &= ~(BIT(22) | BIT(24) | BIT(25));    /* AMX */
    if (without_avx512) {
      b &= ~(BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) | BIT(30) | BIT(31));
      c &= ~(BIT(1) | BIT(6) | BIT(12) | BIT(14));
      d &= ~(BIT(2) | BIT(3) | BIT(8) | BIT(23));
    }
  }
  if (leaf == 7 && part == 1) a = b = c = d = 0; /* AVX_VNNI and later ones */
  r[REG_RAX] = a, r[REG_RBX] = b, r[REG_RCX] = c, r[REG_RDX] = d;
  r[REG_RIP] += 2;
}

__attribute__((constructor)) static void start(void) {
  struct sigaction action;
  without_avx512 = getenv("MASK_AVX512") != NULL;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = answer;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigaction(SIGSEGV, &action, NULL);
  if (allow(0)) _exit(3); /* the processor or the kernel cannot */
}
