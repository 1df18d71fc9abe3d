/*
 * The limit of Q1: items per second through a ring, from another process to this one. `ring COUNT`
 *
 * Each side owns its count and alone writes it. An item is there from the store of `put` on; its slot is free again from the store of `got` on.
 *
 * Who finds nothing to do spins, says that it sleeps, looks once more, and sleeps on the other's count. The other stores its count, and then looks
 * whether anybody sleeps. All four are sequentially consistent, so one of them sees the other's store: no wake-up is lost.
 */
#include "futex.h"

#define SLOTS 1024u

/* About what the objects of Q1 take when they are written down. */
struct item {
  uint32_t id;
  char rest[44];
};

struct ring {
  _Alignas(CACHE_LINE) word put;
  word getter_sleeps;
  _Alignas(CACHE_LINE) word got;
  word putter_sleeps;
  _Alignas(CACHE_LINE) struct item slots[SLOTS];
};

/* Waits until the count is another than `seen`. */
static void await_change(word *count, uint32_t seen, word *sleeps) {
  for (int i = 0; i < SPINS; i++) {
    if (atomic_load(count) != seen) return;
    relax();
  }
  while (atomic_load(count) == seen) {
    atomic_store(sleeps, 1);
    futex_wait(count, seen);
  }
  atomic_store(sleeps, 0);
}

static void advance(word *count, uint32_t to, word *sleeps) {
  atomic_store(count, to);
  if (atomic_load(sleeps) && atomic_exchange(sleeps, 0)) futex_wake(count, 1);
}

static void put(struct ring *ring, const struct item *item) {
  uint32_t at = atomic_load_explicit(&ring->put, memory_order_relaxed);
  uint32_t got = atomic_load_explicit(&ring->got, memory_order_acquire);
  if (at - got == SLOTS) await_change(&ring->got, got, &ring->putter_sleeps);
  memcpy(&ring->slots[at % SLOTS], item, sizeof *item);
  advance(&ring->put, at + 1, &ring->getter_sleeps);
}

static void get(struct ring *ring, struct item *item) {
  uint32_t at = atomic_load_explicit(&ring->got, memory_order_relaxed);
  if (atomic_load_explicit(&ring->put, memory_order_acquire) == at) await_change(&ring->put, at, &ring->getter_sleeps);
  memcpy(item, &ring->slots[at % SLOTS], sizeof *item);
  advance(&ring->got, at + 1, &ring->putter_sleeps);
}

int main(int argc, char **argv) {
  uint32_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
  struct ring *ring = share(sizeof *ring);
  struct item item = {0};
  if (start() == 0) {
    for (item.id = 0; item.id < count; item.id++) put(ring, &item);
    return 0;
  }
  double begin = 0;
  for (uint32_t i = 0; i < count; i++) {
    get(ring, &item);
    if (i == 0) begin = seconds();
    if (item.id != i) fail("an item is lost, or came twice");
  }
  printf("%.17g\n", (count - 1) / (seconds() - begin));
  wait(NULL);
}
