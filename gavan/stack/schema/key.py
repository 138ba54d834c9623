"""How a key of the stack file is declared.

Stands under sections.py; load, suggestions, the reference page and the annotated example all read
the same declarations.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum, auto


class Kind(StrEnum):
    """What a value may be; read.py has one reader per kind."""

    TEXT = auto()
    SLUG = auto()
    SECRET = auto()
    """Text that is never shown."""
    INTEGER = auto()
    PORT = auto()
    BOOLEAN = auto()
    CHOICE = auto()
    DURATION = auto()
    SIZE = auto()
    """Bytes: a number, or text with a unit."""
    CRON = auto()
    PATH = auto()
    """A directory below the root of the stack that must exist when it is named."""
    TEXTS = auto()
    SETTINGS = auto()
    """A table of text, numbers and booleans."""
    ENV = auto()
    """As SETTINGS; values may be secret."""
    CONDITIONS = auto()
    SECTION = auto()
    SECTIONS = auto()
    """A list of tables."""
    TABLES = auto()
    """Tables by name; ``choices`` are the names, or ``pattern`` is what a name looks like."""
    FREE = auto()
    """A table that is read by something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key: its default is applied in read.py and nowhere else.

    ``example`` is TOML for the annotated example, where the default would say little.
    """

    name: str
    kind: Kind
    meaning: str
    default: object = None
    required: bool = False
    choices: tuple[str, ...] = ()
    pattern: str = ""
    at_least: int = 0
    interpolated: bool = True
    never_written: bool = False
    """A secret whose value in the file itself is a mistake; of a Secret kind."""
    section: Section | None = None
    example: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One table; a ``*`` in its path stands for a name that the user gives."""

    path: tuple[str, ...]
    meaning: str
    keys: tuple[Key, ...]
    example: str = ""
    """The user's name in the annotated example."""
    by_name: dict[str, Key] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {key.name: key for key in self.keys})

    @property
    def title(self) -> str:
        """`database.seed`, `apps.<name>`."""
        return ".".join("<name>" if part == "*" else part for part in self.path)
