"""Turn the files of other tools into ours: golang-migrate, dbmate, and names nobody applies.

Stands on the rules of names; talks to no database. golang-migrate: `1_x.up.sql` and `1_x.down.sql`
(golang-migrate/migrate:MIGRATIONS.md). dbmate: `1_x.sql` with the blocks `-- migrate:up` and
`-- migrate:down` (amacneil/dbmate:pkg/dbmate/migration.go).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gavan.database.migration.files import (
    DOWN,
    NAME,
    NO_TRANSACTION,
    check_names,
    next_version,
    read_sql,
    slug,
    sql_files,
)
from gavan.kit.errors import GavanError

_PAIR = re.compile(r"([0-9]+)_(.*)\.(up|down)\.sql")
_NUMBERED = re.compile(r"([0-9]+)[_\-. ]*(.*)\.sql", re.IGNORECASE)
_BLOCK = re.compile(r"^--\s*migrate:(up|down)(?:[ \t]+(\S.*?))?[ \t]*\r?$", re.MULTILINE)
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/|[\s;]+", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """A file to be: ``text`` at ``target``, in the place of ``source``."""

    source: Path
    target: Path
    text: str


def plan_files(source: Path, folder: Path) -> list[Adopted]:
    """Return what would be written into ``folder`` for the files of ``source``; reads only.

    Files that are ours already are in it only when they come from elsewhere. Raises GavanError
    GV341 when two files would have one name, or one is there already and says something else.
    """
    paths = sql_files(source)
    widths = _widths(paths)
    named: list[Adopted] = []
    nameless: list[Path] = []
    for path in paths:
        found = list(_adopt(path, folder, widths))
        named += found
        if not found:
            nameless.append(path)
    named += _give_versions(nameless, folder, [one.target for one in named])
    wanted = [one for one in named if one.source != one.target or one.text != read_sql(one.source)]
    _refuse_clashes(named, wanted)
    findings = check_names(sorted({one.target for one in named if one.target.parent == folder}))
    if findings:
        raise _refusal("\n".join(map(str, findings)), "rename them by hand")
    return wanted


def _widths(paths: Sequence[Path]) -> Mapping[int, int]:
    """Return how many digits the versions of golang-migrate need.

    It counts, and a history sorts text: where the two disagree, one width makes them agree.
    """
    found = [match for path in paths if (match := _PAIR.fullmatch(path.name))]
    ups = sorted({match[1] for match in found if match[3] == "up"})
    if sorted(ups, key=int) == ups:
        return {}
    return {int(version): max(map(len, ups)) for version in ups}


def write_files(plan: Sequence[Adopted], folder: Path) -> None:
    """Carry a plan out; files of ``folder`` that others take the place of are removed last."""
    for one in plan:
        one.target.parent.mkdir(parents=True, exist_ok=True)
        waiting = one.target.with_suffix(".partial")
        waiting.write_text(one.text, encoding="utf-8", newline="")
        # A two-block file is replaced by its upper half after its lower one is there.
        if one.source != one.target:
            waiting.replace(one.target)
    for one in plan:
        if one.source == one.target:
            one.target.with_suffix(".partial").replace(one.target)
    targets = {one.target for one in plan}
    for path in {one.source for one in plan} - targets:
        if path.is_relative_to(folder):
            path.unlink(missing_ok=True)


def _adopt(path: Path, folder: Path, widths: Mapping[int, int]) -> Iterator[Adopted]:
    """Yield what becomes of a file with a version; nothing for one without."""
    text = read_sql(path)
    pair = _PAIR.fullmatch(path.name)
    if pair:
        where = folder / DOWN if pair[3] == DOWN else folder
        version = pair[1].zfill(widths.get(int(pair[1]), 0))
        name = f"{version}_{_name(pair[2])}.sql"
        yield Adopted(source=path, target=where / name, text=text)
        return
    numbered = _NUMBERED.fullmatch(path.name)
    if numbered is None:
        return
    name = f"{numbered[1]}_{_name(numbered[2])}.sql"
    if NAME.fullmatch(path.name):
        name = path.name
    blocks = list(_BLOCK.finditer(text))
    if not any(block[1] == "up" for block in blocks):
        yield Adopted(source=path, target=folder / name, text=text)
        return
    up, down = _halves(text, blocks)
    if down:
        yield Adopted(source=path, target=folder / DOWN / name, text=down)
    yield Adopted(source=path, target=folder / name, text=up)


def _halves(text: str, blocks: Sequence[re.Match[str]]) -> tuple[str, str]:
    """Return the up and the down half of a file of dbmate; several pairs are taken back in the
    reverse order."""
    ends = [*(block.start() for block in blocks[1:]), len(text)]
    parts: dict[str, list[str]] = {"up": [], "down": []}
    outside = {"up": False, "down": False}
    for block, end in zip(blocks, ends, strict=True):
        parts[block[1]].append(text[block.end() : end].strip("\r\n"))
        outside[block[1]] |= "transaction:false" in (block[2] or "").split()
    first = text[: blocks[0].start()].strip()
    up = "\n".join(filter(None, [first, *parts["up"]]))
    down = "\n".join(reversed(parts["down"]))
    return (
        _marked(up, outside=outside["up"]),
        _marked(down, outside=outside["down"]) if _has_sql(down) else "",
    )


def _marked(text: str, *, outside: bool) -> str:
    first = f"-- gavan: {NO_TRANSACTION}\n" if outside else ""
    return f"{first}{text.rstrip()}\n"


def _give_versions(paths: Sequence[Path], folder: Path, taken: Sequence[Path]) -> list[Adopted]:
    """Number files without a version after all others, in the order of their names (D6)."""
    known = [*(path.name for path in taken), *(path.name for path in sql_files(folder))]
    versions = sorted(match[1] for name in known if (match := NAME.fullmatch(name)))
    made = []
    for path in paths:
        versions.append(next_version(versions))
        target = folder / f"{versions[-1]}_{_name(path.stem)}.sql"
        made.append(Adopted(source=path, target=target, text=read_sql(path)))
    return made


def _name(text: str) -> str:
    return slug(text) if re.search(r"\w", text) else "migration"


def _has_sql(text: str) -> bool:
    return bool(_COMMENT.sub("", text))


def _refuse_clashes(named: Sequence[Adopted], wanted: Sequence[Adopted]) -> None:
    targets: dict[Path, Adopted] = {}
    for one in named:
        other = targets.setdefault(one.target, one)
        if other is not one:
            raise _clash(one.target, f"of {other.source.name} and of {one.source.name}")
    sources = {one.source for one in wanted}
    for one in wanted:
        is_other = one.target not in sources and one.target.is_file()
        if is_other and read_sql(one.target) != one.text:
            raise _clash(one.target, f"of {one.source.name}, and says something else")


def _clash(target: Path, why: str) -> GavanError:
    return _refusal(f"{target} would be {why}", "rename or remove one of them")


def _refusal(why: str, hint: str) -> GavanError:
    message = "the migrations are not adopted; nothing was changed"
    return GavanError("GV341", message, details=why, hint=hint, exit_code=2)
