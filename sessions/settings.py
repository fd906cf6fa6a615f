"""What ``configs/sessions/analysis.yaml`` may say about the analysis of sessions."""

from __future__ import annotations

from pydantic import Field, ValidationError

from core.errors import ConfigError, Problem
from core.section import Section
from core.workspace import Workspace
from sessions.clusters import ClusterThresholds

FILE = "sessions/analysis.yaml"


class SessionSettings(Section):
    """The whole file; everything has a default."""

    clusters: ClusterThresholds = Field(default_factory=ClusterThresholds, description="Where task clusters begin.")


def load_settings(workspace: Workspace) -> SessionSettings:
    """The settings of a workspace; the defaults where there is no file.

    Raises:
        ConfigError: If the file is not YAML, or a key or value is not allowed; every mistake is named.
    """
    import yaml

    path = workspace.configs / FILE
    if not path.is_file():
        return SessionSettings()
    try:
        return SessionSettings.model_validate(yaml.safe_load(path.read_text("utf-8")) or {})
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        raise ConfigError([Problem(str(path), None if line is None else line + 1, "", "is not YAML")]) from None
    except ValidationError as error:
        raise ConfigError(
            [
                Problem(str(path), None, ".".join(map(str, e["loc"])), f"{e['msg']}; received {e['input']!r}")
                for e in error.errors()
            ]
        ) from None
