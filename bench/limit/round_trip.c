/*
 * The limit of P1: microseconds of a number's way to another process and back, through a word each way. `round_trip COUNT [SPINS]`
 *
 * Who waits looks at the word SPINS times, says that it sleeps, and sleeps while the word is as it was. See `ring.c` for why no wake-up is lost.
 */
#include "futex.h"

struct way {
  _Alignas(CACHE_LINE) word number;
  word receiver_sleeps;
};

static void send(struct way *way, uint32_t number) {
  atomic_store(&way->number, number);
  if (atomic_load(&way->receiver_sleeps) && atomic_exchange(&way->receiver_sleeps, 0)) futex_wake(&way->number, 1);
}

static void receive(struct way *way, uint32_t number, uint32_t spins) {
  for (uint32_t i = 0; i < spins; i++) {
    if (atomic_load(&way->number) == number) return;
    relax();
  }
  for (uint32_t seen; (seen = atomic_load(&way->number)) != number;) {
    atomic_store(&way->receiver_sleeps, 1);
    futex_wait(&way->number, seen);
  }
  atomic_store(&way->receiver_sleeps, 0);
}

int main(int argc, char **argv) {
  uint32_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000, spins = argc > 2 ? strtoul(argv[2], NULL, 10) : SPINS;
  struct way *ways = share(2 * sizeof *ways), *there = &ways[0], *back = &ways[1];
  if (start() == 0) {
    for (uint32_t i = 1; i <= count + 1; i++) {
      receive(there, i, spins);
      send(back, i);
    }
    return 0;
  }
  double begin = 0;
  for (uint32_t i = 1; i <= count + 1; i++) {
    send(there, i);
    receive(back, i, spins);
    if (i == 1) begin = seconds();
  }
  printf("%.17g\n", (seconds() - begin) / count * 1e6);
  wait(NULL);
}
