"""M4 by CPython: microseconds of one task that does nothing, one after another, with pauses between them."""
import multiprocessing as mp, sys, time


def same(n):
    return n


if __name__ == "__main__":
    workers, count, pause_ms = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    with mp.Pool(workers) as pool:
        pool.map(same, range(100 * workers))
        total = 0
        for n in range(count):
            if pause_ms > 0:
                time.sleep(pause_ms / 1000)
            begin = time.perf_counter()
            pool.apply(same, (n,))
            total += time.perf_counter() - begin
        print(total / count * 1e6)
