"""One way to read settings: the environment first, then a section of one TOML file, then the default.

Every service has one settings class, a subclass of `SectionSettings`, that names its prefix in the
environment (`KORDON_KAFKA_`) and its section in the file (`[kafka]`). The file is named by
`KORDON_CONFIG_FILE`; without that variable there is no file. A file may hold the sections of several
services; each reads its own.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self, cast

from pydantic import ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

CONFIG_FILE_VARIABLE = "KORDON_CONFIG_FILE"


class InvalidSettingsError(ValueError):
    """Settings that cannot be used.

    The text names every wrong setting and what to do; it never holds a value.
    """


class Setting(NamedTuple):
    """One setting as a person sees it; `value` is redacted where the setting is a secret."""

    name: str
    variable: str
    value: str
    description: str


class SectionSettings(BaseSettings):
    """The base of every settings class.

    Build one with `load()`, which turns faults into `InvalidSettingsError`. A subclass sets `section` and
    `model_config = section_config("KORDON_X_")`.
    """

    section: ClassVar[str]

    @classmethod
    def load(cls, **overrides: object) -> Self:
        """Read the settings; `overrides` (field names) win over the environment and the file.

        Raises InvalidSettingsError: a value is wrong, a name in the file's section is unknown, or the file
        cannot be read. Values, which may be secrets, are not in its text.
        """
        try:
            return cls(**cast("dict[str, Any]", overrides))
        except ValidationError as error:
            raise InvalidSettingsError(cls._explanation(error)) from None

    @classmethod
    def variable(cls, field: str) -> str:
        """The environment variable that sets `field`."""
        return f"{cls.model_config.get('env_prefix', '')}{field}".upper()

    def redacted(self) -> dict[str, Any]:
        """The settings as JSON-ready values, secrets replaced by asterisks; safe to print and to log."""
        return self.model_dump(mode="json")

    def described(self) -> list[Setting]:
        """Every setting with its variable, redacted value and meaning, in the order of definition."""
        values = self.redacted()
        return [
            Setting(name, self.variable(name), _shown(values[name]), field.description or "")
            for name, field in type(self).model_fields.items()
        ]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Keyword arguments, then environment, then the file's section (pydantic-settings' hook)."""
        del dotenv_settings, file_secret_settings
        section = InitSettingsSource(settings_cls, _file_section(cls.section))
        return init_settings, env_settings, section

    @classmethod
    def _explanation(cls, error: ValidationError) -> str:
        lines = []
        for fault in error.errors(include_url=False, include_input=False, include_context=False):
            field = ".".join(str(part) for part in fault["loc"])
            message = fault["msg"].removeprefix("Value error, ")
            if fault["type"] == "extra_forbidden":
                message = "there is no such setting; correct the name or remove it"
            where = f"{field} (set {cls.variable(field)}, or {field} in [{cls.section}] of the file): "
            lines.append(f"{where if field else ''}{message}")
        return "\n".join(lines)


def section_config(env_prefix: str) -> SettingsConfigDict:
    """What every settings class shares: frozen, unknown names refused, inputs never in an error."""
    return SettingsConfigDict(
        env_prefix=env_prefix, extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True
    )


def _file_section(section: str) -> dict[str, Any]:
    name = os.environ.get(CONFIG_FILE_VARIABLE)
    if not name:
        return {}
    try:
        content = tomllib.loads(Path(name).read_text(encoding="utf-8"))
    except OSError as error:
        reason = f"cannot be read ({error.strerror}); correct the path or unset {CONFIG_FILE_VARIABLE}"
        raise InvalidSettingsError(f"{CONFIG_FILE_VARIABLE} names {name}, which {reason}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSettingsError(f"{name} is not valid TOML: {error}") from None
    found = content.get(section, {})
    if not isinstance(found, dict):
        raise InvalidSettingsError(f"{name}: `{section}` must be a table; write it as [{section}]")
    return found


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
