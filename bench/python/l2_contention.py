"""L2 by CPython: how often a second some processes together take a lock that all want."""
import multiprocessing as mp, sys, time


def hammer(lock, counts, me, barrier, stop):
    barrier.wait()
    count = 0
    while not stop.value:
        with lock:
            counts[len(counts) - 16] += 1
        count += 1
    counts[me * 16] = count


if __name__ == "__main__":
    participants, seconds = int(sys.argv[1]), float(sys.argv[2])
    lock, counts, stop = mp.Lock(), mp.RawArray("q", (participants + 1) * 16), mp.RawValue("i", 0)
    barrier = mp.Barrier(participants + 1)
    children = [mp.Process(target=hammer, args=(lock, counts, me, barrier, stop)) for me in range(participants)]
    for child in children:
        child.start()
    barrier.wait()
    begin = time.perf_counter()
    time.sleep(seconds)
    stop.value = 1
    took = time.perf_counter() - begin
    for child in children:
        child.join()
    each = [counts[me * 16] for me in range(participants)]
    print(sum(each) / took)
