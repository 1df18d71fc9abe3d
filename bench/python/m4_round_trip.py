"""M4 by CPython: microseconds of one task that does nothing, one after another."""
import multiprocessing as mp, sys, time


def same(n):
    return n


if __name__ == "__main__":
    workers, count = int(sys.argv[1]), int(sys.argv[2])
    with mp.Pool(workers) as pool:
        pool.map(same, range(100 * workers))
        begin = time.perf_counter()
        for n in range(count):
            pool.apply(same, (n,))
        print((time.perf_counter() - begin) / count * 1e6)
