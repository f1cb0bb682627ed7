# threads.py [SIZE]: four threads of which each computes a part, until there is a file 'finish'; a barrier and a lock
# between them.
import os, sys, threading, time
size = int(sys.argv[1]) if len(sys.argv) > 1 else 1
lock = threading.Lock()
barrier = threading.Barrier(4)
results = {}

def part(number):
    value = number
    for step in range(200):
        while step == 190 and not os.path.exists('finish'):
            time.sleep(0.1)
        for _ in range(4000 * size):
            value = (value * 6364136223846793005 + 1442695040888963407) % 2**64
        if barrier.wait() == 0:
            with lock:
                print('step', step, flush=True)
        barrier.wait()
    with lock:
        results[number] = value

threads = [threading.Thread(target=part, args=(number,)) for number in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
for number in sorted(results): print(number, results[number])
sys.exit(8)
