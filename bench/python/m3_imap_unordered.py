"""M3 by CPython: items per second of a lazy map, one item a task, results as they come."""
import multiprocessing as mp, sys, time


def same(n):
    return n


if __name__ == "__main__":
    workers, count = int(sys.argv[1]), int(sys.argv[2])
    with mp.Pool(workers) as pool:
        pool.map(same, range(100 * workers))
        begin = time.perf_counter()
        for _ in pool.imap_unordered(same, range(count)):
            pass
        print(count / (time.perf_counter() - begin))
