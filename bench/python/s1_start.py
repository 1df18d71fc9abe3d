"""S1 by CPython, start method "spawn": milliseconds to start and join a process with nothing to do."""
import multiprocessing as mp, sys, time


def nothing():
    pass


if __name__ == "__main__":
    times = int(sys.argv[1])
    context = mp.get_context("spawn")
    begin = time.perf_counter()
    for _ in range(times):
        process = context.Process(target=nothing)
        process.start()
        process.join()
    print((time.perf_counter() - begin) / times * 1000)
