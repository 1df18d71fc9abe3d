/*
 * The limit of L1 and L2: a lock of one word. `lock COUNT`: nanoseconds to take and release it when nobody else wants it.
 * `lock PARTICIPANTS SECONDS`: turns per second of processes that all want it, for a short section.
 *
 *   0  free
 *   1  taken
 *   2  taken, and somebody may sleep: who releases it wakes one
 *
 * Who sleeps wakes up to take it as 2, since there may be more who sleep.
 */
#include "futex.h"

static void acquire(word *lock) {
  uint32_t seen = 0;
  if (atomic_compare_exchange_strong(lock, &seen, 1)) return;
  while (atomic_exchange(lock, 2) != 0) futex_wait(lock, 2);
}

static void release(word *lock) {
  if (atomic_exchange(lock, 0) == 2) futex_wake(lock, 1);
}

struct turns {
  _Alignas(CACHE_LINE) uint64_t count;
};

struct shared {
  _Alignas(CACHE_LINE) word lock;
  _Alignas(CACHE_LINE) uint64_t all; /* changed by who has the lock */
  _Alignas(CACHE_LINE) word ready, begun, is_over;
  struct turns each[];
};

static double uncontended(uint32_t count) {
  word *lock = share(sizeof *lock);
  double begin = seconds();
  for (uint32_t i = 0; i < count; i++) {
    acquire(lock);
    release(lock);
  }
  return (seconds() - begin) / count * 1e9;
}

static void hammer(struct shared *shared, struct turns *mine) {
  atomic_fetch_add(&shared->ready, 1);
  while (!atomic_load(&shared->begun)) futex_wait(&shared->begun, 0);
  uint64_t count = 0;
  for (; !atomic_load_explicit(&shared->is_over, memory_order_relaxed); count++) {
    acquire(&shared->lock);
    shared->all++;
    release(&shared->lock);
  }
  mine->count = count;
}

static double contended(uint32_t participants, double duration) {
  struct shared *shared = share(sizeof *shared + participants * sizeof(struct turns));
  for (uint32_t i = 0; i < participants; i++) {
    if (start() == 0) {
      hammer(shared, &shared->each[i]);
      exit(0);
    }
  }
  while (atomic_load(&shared->ready) < participants) sched_yield();
  double begin = seconds();
  atomic_store(&shared->begun, 1);
  futex_wake(&shared->begun, INT_MAX);
  usleep(duration * 1e6);
  atomic_store(&shared->is_over, 1);
  double took = seconds() - begin;
  while (wait(NULL) > 0) {}
  uint64_t sum = 0;
  for (uint32_t i = 0; i < participants; i++) sum += shared->each[i].count;
  if (sum != shared->all) fail("the lock does not exclude");
  return sum / took;
}

int main(int argc, char **argv) {
  uint32_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
  printf("%.17g\n", argc > 2 ? contended(count, strtod(argv[2], NULL)) : uncontended(count));
}
