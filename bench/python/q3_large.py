"""Q3 by CPython: MiB per second of large arrays from another process to this one."""
import array, multiprocessing as mp, sys, time


def produce(queue, length, count):
    numbers = array.array("d", [7.0]) * length
    for _ in range(count):
        queue.put(numbers)


if __name__ == "__main__":
    mib, count, maxsize = map(int, sys.argv[1:])
    length = mib * 2**20 // 8
    queue = mp.Queue(maxsize)
    child = mp.Process(target=produce, args=(queue, length, count))
    child.start()
    queue.get()
    begin = time.perf_counter()
    for _ in range(count - 1):
        numbers = queue.get()
        assert len(numbers) == length and numbers[-1] == 7
    print((count - 1) * mib / (time.perf_counter() - begin))
    child.join()
