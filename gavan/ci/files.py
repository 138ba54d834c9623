"""The files of every provider, as generated files of the repository.

Stands above github.py and gitlab.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gavan.ci import github, gitlab
from gavan.ci.facts import Facts
from gavan.engines.generated import File

VERB = "gavan ci generate"
_PROVIDERS: dict[str, Callable[[Facts], dict[str, str]]] = {
    "github": github.workflows,
    "gitlab": gitlab.pipeline,
}


def files(facts: Facts, providers: Sequence[str] = ()) -> list[File]:
    """Return what would be written for these providers, else for those of [ci]."""
    return [
        File(path=facts.repository / path, body=body, verb=VERB)
        for provider in providers or facts.ci.provider
        for path, body in _PROVIDERS[provider](facts).items()
    ]
