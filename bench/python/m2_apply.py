"""M2 by CPython: tasks per second, submitted one by one, awaited together."""
import multiprocessing as mp, sys, time


def same(n):
    return n


if __name__ == "__main__":
    workers, count = int(sys.argv[1]), int(sys.argv[2])
    with mp.Pool(workers) as pool:
        pool.map(same, range(100 * workers))
        begin = time.perf_counter()
        results = [pool.apply_async(same, (n,)) for n in range(count)]
        for result in results:
            result.get()
        print(count / (time.perf_counter() - begin))
