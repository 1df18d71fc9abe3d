"""Q1 by CPython: items per second from another process to this one."""
import multiprocessing as mp, sys, time


def produce(queue, count):
    for i in range(count):
        queue.put({"id": i, "name": "item", "values": [1, 2, 3]})


if __name__ == "__main__":
    count = int(sys.argv[1])
    queue = mp.Queue()
    child = mp.Process(target=produce, args=(queue, count))
    child.start()
    queue.get()
    begin = time.perf_counter()
    for _ in range(count - 1):
        queue.get()
    print((count - 1) / (time.perf_counter() - begin))
    child.join()
