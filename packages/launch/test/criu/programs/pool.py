"""pool.py [SIZE]: a pool of processes: what multiprocessing shares between them has no name. Prints the same lines each time.

It ends when there is a file "finish".
"""

import multiprocessing
import os
import sys
import time


size = int(sys.argv[1]) if len(sys.argv) > 1 else 1


def work(number):
    return sum(i * number % 7 for i in range(60_000 * size))


if __name__ == "__main__":
    total = 0
    with multiprocessing.Pool(3) as pool:
        for i in range(100):
            while i == 95 and not os.path.exists("finish"):
                time.sleep(0.1)
            total += sum(pool.map(work, range(i, i + 4)))
            print(i, total, flush=True)
        pool.close()
        pool.join()
    sys.exit(17)
