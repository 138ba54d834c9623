"""What the verbs share when the profile runs on containers.

Stands between those verbs and the compose engine.
"""

from __future__ import annotations

from gavan.cli.context import Context
from gavan.database.embedded import passwords_by_role
from gavan.engines.compose import env_file
from gavan.engines.compose.project import Project
from gavan.engines.compose.services import Plan
from gavan.engines.compose.values import password_variables
from gavan.engines.embedded.environment import core_options, reveal
from gavan.secrets.keys import load_or_create_keys
from gavan.stack.model import EngineName


def is_compose(context: Context) -> bool:
    """Say whether the profile of this run asks for containers on this machine."""
    return context.stack.profile.engine is EngineName.COMPOSE


def project_of(context: Context) -> Project:
    """Return the project of the stack under its profile."""
    loaded = context.loaded
    return Project(plan=Plan(stack=loaded.stack, source=loaded.source))


def values_of(context: Context) -> dict[str, str]:
    """Return every variable that the stack has here: its own, those of the place, its keys."""
    stack = context.stack
    keys = load_or_create_keys(stack)
    passwords = password_variables(passwords_by_role(keys))
    return {
        **dict(env_file.place_variables(stack)),
        **core_options(stack),
        **reveal(stack.env),
        **env_file.key_variables(keys, passwords),
    }
