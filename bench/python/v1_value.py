"""V1 by CPython: nanoseconds of adding 1 to a value under its lock."""
import multiprocessing as mp, sys, time

if __name__ == "__main__":
    count = int(sys.argv[1])
    value = mp.Value("i", 0)
    begin = time.perf_counter()
    for _ in range(count):
        with value.get_lock():
            value.value += 1
    print((time.perf_counter() - begin) / count * 1e9)
