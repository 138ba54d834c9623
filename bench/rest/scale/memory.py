"""A million requests of many shapes: the memory of the server must not grow with them."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
from pathlib import Path

from bench.rest.compare import load_schema
from bench.rest.questions import EVENT
from bench.rest.scale.figures import Failed, Figure, rss_mb
from bench.rest.servers import TOKEN, Target, start_gavan
from gavan.database.embedded import Server

REQUESTS = 1_000_000
SLICE_S = 15
CONNECTIONS = 64
SLOPE_GOAL_MB = 5.0
"""For each million; less than the noise of an allocator is not to be promised"""
SCRIPT = """
wrk.headers["Authorization"] = "Bearer {token}"
math.randomseed(os.time())
local columns = {{"id", "title", "amount", "done", "created_at", "customer(name)"}}
local body = {body}
local turn = 0
request = function()
  turn = (turn + 1) % 10
  local key = math.random(1, 99000)
  if turn < 5 then
    return wrk.format("GET", "{base}/item?id=eq." .. key)
  elseif turn < 7 then
    local one, other = columns[math.random(1, 3)], columns[math.random(4, 6)]
    local path = "{base}/item?select=" .. one .. "," .. other .. "&id=gte." .. key
    return wrk.format("GET", path .. "&order=id.desc&limit=" .. math.random(1, 20))
  elseif turn == 7 then
    return wrk.format("POST", "{base}/event", {{
      ["Authorization"] = "Bearer {token}",
      ["Content-Type"] = "application/json",
      ["Prefer"] = "return=representation"
    }}, body)
  elseif turn == 8 then
    return wrk.format("GET", "{base}/nothing_" .. key .. "?select=id")
  end
  return wrk.format("GET", "{base}/item?id=eq." .. key .. "&title=isnot." .. key)
end
"""
"""Seven reads of ten, one insert, one unknown table and one bad filter, new ones each time"""


def measure_memory(
    server: Server, folder: Path, requests: int = REQUESTS, slice_s: int = SLICE_S
) -> list[Figure]:
    """Send the requests in slices, look at the memory after each, and return its slope.

    The first half is left out of the slope: caches and pools fill. Raises Failed when the server
    stops to answer.
    """
    load_schema(server)
    with start_gavan(server, folder) as target:
        samples = [(0, rss_mb(target.process))]
        script = folder / "wrk.lua"
        script.write_text(_script(target))
        while samples[-1][0] < requests:
            sent = samples[-1][0] + _send(target, script, slice_s)
            samples.append((sent, rss_mb(target.process)))
            sys.stderr.write(f"{sent} requests: {samples[-1][1]:.1f} MB\n")
    total = samples[-1][0]
    settled = [(sent / 1e6, memory) for sent, memory in samples if sent >= total / 2]
    name = f"{total / 1e6:.2f} million requests"
    figures = [
        Figure(name=f"{name}: memory at first", value=samples[0][1], unit="MB"),
        Figure(name=f"{name}: memory half way", value=settled[0][1], unit="MB"),
        Figure(name=f"{name}: memory at last", value=samples[-1][1], unit="MB"),
    ]
    if len(settled) > 1:
        slope = statistics.linear_regression(*zip(*settled, strict=True)).slope
        figures.append(
            Figure(
                name=f"{name}: growth in the second half",
                value=slope,
                unit="MB per million",
                goal=SLOPE_GOAL_MB,
            )
        )
    return figures


def _script(target: Target) -> str:
    base = re.sub(r"^https?://[^/]+", "", target.url)
    return SCRIPT.format(base=base, token=TOKEN, body=json.dumps(json.dumps(EVENT)))


def _send(target: Target, script: Path, seconds: int) -> int:
    """Return how many requests were answered."""
    done = subprocess.run(
        [
            *("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s"),
            *("-s", str(script), target.url),
        ],
        capture_output=True,
        text=True,
    )
    total = re.search(r"(\d+) requests in", done.stdout)
    if done.returncode or total is None or not int(total[1]) or "Socket errors" in done.stdout:
        raise Failed(f"the server stopped to answer:\n{done.stdout}{done.stderr}")
    return int(total[1])
