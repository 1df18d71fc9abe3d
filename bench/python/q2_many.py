"""Q2 by CPython: items per second from some processes to some others."""
import multiprocessing as mp, sys, time


def produce(queue, barrier, count):
    barrier.wait()
    for i in range(count):
        queue.put({"id": i, "name": "item", "values": [1, 2, 3]})


def consume(queue, barrier, totals):
    barrier.wait()
    items = total = 0
    while (item := queue.get()) is not None:
        items += 1
        total += item["id"]
    totals.put((items, total))


if __name__ == "__main__":
    producers, consumers, count = map(int, sys.argv[1:])
    queue, totals, barrier = mp.Queue(), mp.Queue(), mp.Barrier(producers + consumers + 1)
    each = count // producers
    sources = [mp.Process(target=produce, args=(queue, barrier, each)) for _ in range(producers)]
    sinks = [mp.Process(target=consume, args=(queue, barrier, totals)) for _ in range(consumers)]
    for process in sources + sinks:
        process.start()
    barrier.wait()
    begin = time.perf_counter()
    # What a process put is in the queue for certain only when the process has ended.
    for process in sources:
        process.join()
    for _ in sinks:
        queue.put(None)
    items, total = map(sum, zip(*[totals.get() for _ in sinks]))
    seconds = time.perf_counter() - begin
    assert (items, total) == (count, producers * each * (each - 1) // 2)
    print(count / seconds)
    for process in sinks:
        process.join()
