"""The commit-msg hook: Conventional Commits, a subject of at most 72 characters."""

from __future__ import annotations

import re
import sys
from pathlib import Path

SUBJECT = re.compile(
    r"^(feat|fix|perf|refactor|docs|test|build|ci|chore)(\([a-z0-9-]+\))?!?: [^A-Z\s].*[^.\s]$"
)


def main() -> int:
    subject = Path(sys.argv[1]).read_text(encoding="utf-8").split("\n", 1)[0]
    if subject.startswith(("Merge ", "Revert ", "fixup! ", "squash! ")):
        return 0
    if len(subject) <= 72 and SUBJECT.match(subject):
        return 0
    print(f"commit message: {subject!r}", file=sys.stderr)
    print("  wanted: type(scope): imperative, lower case, no full stop, <= 72", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
