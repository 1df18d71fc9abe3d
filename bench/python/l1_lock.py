"""L1 by CPython: nanoseconds of taking and releasing a lock that nobody else wants."""
import multiprocessing as mp, sys, time

if __name__ == "__main__":
    count = int(sys.argv[1])
    lock = mp.Lock()
    begin = time.perf_counter()
    for _ in range(count):
        lock.acquire()
        lock.release()
    print((time.perf_counter() - begin) / count * 1e9)
