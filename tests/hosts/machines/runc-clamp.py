#!/usr/bin/python3 -S
"""runc for a machine that lacks CAP_SYS_RESOURCE.

There the kernel refuses to raise a hard limit and to lower an OOM score, so a container that asks for
"ulimits: nofile: 65536", "oom_score_adj: -500" or "cap_add: SYS_RESOURCE" would not start. This stands in front of
runc, lowers such wishes to what the kernel grants, and starts the real one (RUNC_REAL, or /usr/sbin/runc).
Everything else of the container's description is left as it is.
"""

import json
import os
import resource
import sys


def clamp(process: dict) -> bool:
    changed = False
    for item in process.get("rlimits") or []:
        number = getattr(resource, item.get("type", ""), None)
        if number is None:
            continue
        hard = resource.getrlimit(number)[1]
        if hard == resource.RLIM_INFINITY:
            continue
        for side in ("hard", "soft"):
            if item.get(side, 0) > hard:
                item[side], changed = hard, True
    with open("/proc/self/oom_score_adj") as f:
        least = int(f.read())
    if process.get("oomScoreAdj") is not None and process["oomScoreAdj"] < least:
        process["oomScoreAdj"], changed = least, True
    for names in (process.get("capabilities") or {}).values():
        if "CAP_SYS_RESOURCE" in names:
            names.remove("CAP_SYS_RESOURCE")
            changed = True
    return changed


def rewrite(path: str, pick) -> None:
    try:
        with open(path) as f:
            spec = json.load(f)
        if clamp(pick(spec)):
            with open(path, "w") as f:
                json.dump(spec, f)
    except (OSError, ValueError, KeyError):
        pass  # runc itself says what is wrong with it


def main() -> None:
    args = sys.argv[1:]
    for i, arg in enumerate(args):
        name, _, value = arg.partition("=")
        value = value or (args[i + 1] if i + 1 < len(args) else "")
        if name in ("--bundle", "-b"):
            rewrite(os.path.join(value, "config.json"), lambda spec: spec["process"])
        elif name in ("--process", "-p"):
            rewrite(value, lambda spec: spec)
    real = os.environ.get("RUNC_REAL") or "/usr/sbin/runc"
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "runc.real")
    if os.path.exists(beside):
        real = beside
    os.execv(real, ["runc", *args])


main()
