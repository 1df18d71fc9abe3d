/* What the programs here share: memory for this process and those that it forks, sleep on a word of it, a clock. */
#define _GNU_SOURCE
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CACHE_LINE 64
/* How often a word is looked at before its process sleeps: some 30 µs. */
#define SPINS 1000

typedef _Atomic uint32_t word;

/* Sleeps while the word is `seen`; may return for no reason. */
static inline void futex_wait(word *at, uint32_t seen) { syscall(SYS_futex, at, FUTEX_WAIT, seen, NULL, NULL, 0); }

static inline void futex_wake(word *at, int count) { syscall(SYS_futex, at, FUTEX_WAKE, count, NULL, NULL, 0); }

/* Tells the processor that this is a loop that waits. */
static inline void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb");
#endif
}

/* Zeroed memory. */
static inline void *share(size_t byte_length) {
  void *memory = mmap(NULL, byte_length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    perror("mmap");
    exit(1);
  }
  return memory;
}

static inline pid_t start(void) {
  pid_t pid = fork();
  if (pid < 0) {
    perror("fork");
    exit(1);
  }
  return pid;
}

static inline double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

static inline void fail(const char *why) {
  fprintf(stderr, "%s\n", why);
  exit(1);
}
