"""P1 by CPython: microseconds of a round trip through a pipe."""
import multiprocessing as mp, sys, time


def echo(connection):
    while (value := connection.recv()) is not None:
        connection.send(value)


if __name__ == "__main__":
    count = int(sys.argv[1])
    here, there = mp.Pipe()
    child = mp.Process(target=echo, args=(there,))
    child.start()
    here.send(-1)
    here.recv()
    begin = time.perf_counter()
    for i in range(count):
        here.send(i)
        here.recv()
    print((time.perf_counter() - begin) / count * 1e6)
    here.send(None)
    child.join()
