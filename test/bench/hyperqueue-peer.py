"""HyperQueue from its Python library, one worker of two processors: `python3 hyperqueue-peer.py JOBS FOLDER` prints the seconds in which
it runs so many /bin/true, output in files. Its server's start is not counted; the library looks for the end once a second."""
import sys
import time
from pathlib import Path

from hyperqueue import Job
from hyperqueue.cluster import LocalCluster, WorkerConfig

jobs, folder = int(sys.argv[1]), Path(sys.argv[2])
with LocalCluster(str(folder / "server"), WorkerConfig(cores=2)) as cluster:
    client = cluster.client()
    job = Job()
    for at in range(jobs):
        job.program(["/bin/true"], cwd=str(folder), stdout=str(folder / f"{at}.out"), stderr=str(folder / f"{at}.err"))
    start = time.monotonic()
    client.wait_for_jobs([client.submit(job)])
    print(f"{time.monotonic() - start:.3f}", flush=True)
