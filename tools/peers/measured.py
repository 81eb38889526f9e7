"""Runs a program and writes what it took to a file, as JSON: seconds, processor time, the most memory, and the exit code.

    measured.py REPORT OUTPUT PROGRAM [ARGUMENT ...]

What the program prints goes to the file OUTPUT.
"""

import json
import resource
import subprocess
import sys
import time

WITHIN_SECONDS = 3_600

report, output, *program = sys.argv[1:]
with open(output, "wb") as printed:
    began = time.monotonic()
    ended = subprocess.run(
        program, stdin=subprocess.DEVNULL, stdout=printed, stderr=subprocess.STDOUT, timeout=WITHIN_SECONDS
    )
    seconds = time.monotonic() - began
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(report, "w") as file:
    # Linux counts the memory in KiB.
    rss_mb = used.ru_maxrss * 1_024 // 1_000_000
    json.dump({"exit": ended.returncode, "seconds": seconds, "cpu": used.ru_utime + used.ru_stime, "rss_mb": rss_mb}, file)
