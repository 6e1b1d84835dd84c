"""Whether a new contract keeps the promises of an old one; the rules stand in ``docs/compatibility.md``.

Two questions are asked of a pair of schemas, place by place. *Accepts*: does the new one let pass what the old one let
pass? *Promises*: does the old one let pass what is written by the new one? What others write must keep the first, what
Kordon writes must keep both, as Kordon reads its own old records again. In doubt the answer is no.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from kordon.contracts.messages import CONTRACTS

Schema = Any

ANNOTATIONS: Final = frozenset({"$schema", "$id", "$comment", "$defs", "title", "description", "default", "examples"})
_LOWER: Final = frozenset({"minimum", "minLength", "minItems"})
_UPPER: Final = frozenset({"maximum", "maxLength", "maxItems"})
_COMPARED_WHOLE: Final = frozenset({"pattern", "format", "const", "if", "then", "else", "not", "allOf", "prefixItems"})
_KNOWN: Final = (
    _LOWER
    | _UPPER
    | _COMPARED_WHOLE
    | {"type", "properties", "required", "additionalProperties", "items", "anyOf", "enum", "$ref"}
)


class Break(NamedTuple):
    """A broken promise. ``place`` is the path in the message, ``$`` for the whole."""

    place: str
    reason: str


def breaks(old: Mapping[str, Any], new: Mapping[str, Any], *, written_by_kordon: bool) -> list[Break]:
    """Return what a new schema of a message breaks of an old one; each is a document of its own."""
    return sorted(set(_Comparison(old, new, both_ways=written_by_kordon).at("$", old, new)))


def contract_breaks(old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]) -> list[Break]:
    """Return what the schemas of all messages, by name, break of those of a release."""
    found = [Break(name, "the message is gone") for name in sorted(old.keys() - new.keys())]
    for name in sorted(old.keys() & new.keys()):
        # A message that is gone from the code but has a file is compared by the stricter rules.
        ours = name not in CONTRACTS or CONTRACTS[name].written_by_kordon
        found += [
            Break(f"{name}: {place}", reason) for place, reason in breaks(old[name], new[name], written_by_kordon=ours)
        ]
    return found


class _Comparison:
    def __init__(self, old: Mapping[str, Any], new: Mapping[str, Any], *, both_ways: bool) -> None:
        self._old = old
        self._new = new
        self._both_ways = both_ways
        self._open: set[tuple[str, str]] = set()

    def at(self, place: str, old: Schema, new: Schema) -> Iterator[Break]:
        """Compare two schemas at one place."""
        references = (_reference(old), _reference(new))
        if references in self._open:
            return  # a type that holds itself: it is being compared already
        if any(references):
            self._open.add(references)
        old, new = _resolved(self._old, old), _resolved(self._new, new)
        if isinstance(old, bool) or isinstance(new, bool):
            if old != new:
                yield Break(place, "anything or nothing may stand here now")
        else:
            yield from self._keywords(place, old, new)
        self._open.discard(references)

    def _keywords(self, place: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Break]:
        for unknown in sorted((old.keys() | new.keys()) - _KNOWN - ANNOTATIONS):
            yield Break(place, f"{unknown} is a keyword that cannot be compared")
        yield from self._type(place, old, new)
        yield from self._bounds(place, old, new)
        yield from self._whole(place, old, new)
        yield from self._enum(place, old, new)
        yield from self._alternatives(place, old, new)
        yield from self._fields(place, old, new)
        for keyword, part in (("items", "[]"), ("additionalProperties", "{}")):
            if keyword in old or keyword in new:
                yield from self.at(f"{place}{part}", old.get(keyword, {}), new.get(keyword, {}))

    def _type(self, place: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Break]:
        was, now = old.get("type"), new.get("type")
        if was == now or (not self._both_ways and (now is None or (was, now) == ("integer", "number"))):
            return
        yield Break(place, f"its type was {was or 'any'} and is {now or 'any'}")

    def _bounds(self, place: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Break]:
        for keyword in sorted(_LOWER | _UPPER):
            was, now = old.get(keyword), new.get(keyword)
            if was == now:
                continue
            wider = now is None or (was is not None and (now < was if keyword in _LOWER else now > was))
            if not wider or self._both_ways:
                yield Break(place, f"its {keyword} was {was} and is {now}")

    def _whole(self, place: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Break]:
        for keyword in sorted(_COMPARED_WHOLE):
            was, now = _bare(old.get(keyword)), _bare(new.get(keyword))
            if was != now and (now is not None or self._both_ways):
                yield Break(place, f"its {keyword} was {was} and is {now}")

    def _enum(self, place: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Break]:
        was, now = old.get("enum"), new.get("enum")
        if was is None and now is None:
            return
        if was is None or now is None:
            if now is not None or self._both_ways:
                yield Break(place, "a list of values came or went")
            return
        gone, came = [each for each in was if each not in now], [each for each in now if each not in was]
        if gone:
            yield Break(place, f"values are gone: {gone}")
        if came and self._both_ways:
            yield Break(place, f"values came that old readers do not know: {came}")

    def _alternatives(self, place: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Break]:
        """Each old alternative must be found among the new; where both ways count, each new one among the old too."""
        was, now = old.get("anyOf"), new.get("anyOf")
        if was is None and now is None:
            return
        # What had one form may gain alternatives: `{...}` and `{"anyOf": [{...}]}` say the same.
        was, now = was or [_without(old)], now or [_without(new)]
        for mine in was:
            if not any(self._same(mine, other) for other in now):
                nearest = [list(self.at(place, mine, other)) for other in now if _kind(mine) == _kind(other)]
                yield from min(nearest, key=len, default=[Break(place, f"{_kind(mine)} may stand here no more")])
        if self._both_ways:
            came = [other for other in now if not any(self._same(mine, other) for mine in was)]
            for other in came:
                if not any(_kind(mine) == _kind(other) for mine in was):
                    yield Break(place, f"{_kind(other)} may stand here now, which old readers do not know")

    def _same(self, old: Schema, new: Schema) -> bool:
        return not list(self.at("$", old, new))

    def _fields(self, place: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Break]:
        was, now = old.get("properties", {}), new.get("properties", {})
        for name in sorted(was.keys() - now.keys()):
            yield Break(f"{place}.{name}", "the field is gone")
        for name in sorted(was.keys() & now.keys()):
            yield from self.at(f"{place}.{name}", was[name], now[name])
        needed, needs = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted(needs - needed):
            yield Break(f"{place}.{name}", "the field is required now")
        if self._both_ways:
            for name in sorted((needed - needs) & now.keys()):
                yield Break(f"{place}.{name}", "the field may be absent now")


def _reference(schema: Schema) -> str:
    return str(schema.get("$ref", "")) if isinstance(schema, Mapping) else ""


def _resolved(document: Mapping[str, Any], schema: Schema) -> Schema:
    while reference := _reference(schema):
        beside = {name: value for name, value in schema.items() if name != "$ref"}
        schema = document
        for name in reference.removeprefix("#/").split("/"):
            schema = schema[name]
        schema = {**schema, **beside}
    return schema


def _bare(schema: Schema) -> Schema:
    """A schema without its annotations, for comparing it as a whole."""
    if isinstance(schema, Mapping):
        return {name: _bare(value) for name, value in schema.items() if name not in ANNOTATIONS}
    return [_bare(each) for each in schema] if isinstance(schema, list) else schema


def _without(schema: Mapping[str, Any]) -> Schema:
    return {name: value for name, value in schema.items() if name not in ANNOTATIONS | {"anyOf"}}


def _kind(schema: Schema) -> str:
    return str(schema.get("type") or schema.get("$ref") or "something") if isinstance(schema, Mapping) else str(schema)
