"""M1 by CPython: items per second of a map over numbers with a function that does nothing."""
import multiprocessing as mp, sys, time


def same(n):
    return n


if __name__ == "__main__":
    workers, count = int(sys.argv[1]), int(sys.argv[2])
    with mp.Pool(workers) as pool:
        pool.map(same, range(100 * workers))
        items = list(range(count))
        begin = time.perf_counter()
        pool.map(same, items)
        print(count / (time.perf_counter() - begin))
