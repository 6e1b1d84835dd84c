"""An explanation of a node, printed for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kordon.output import print_fields, print_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_EXCERPT = 2_000
"""Characters of a record that are shown; --json has all of it."""


def print_explanation(explanation: Mapping[str, Any]) -> None:
    """Print what ``kordon.nodes.explanation.explanation_of`` returned, with its ``fromLog``."""
    status = explanation["status"] or "active, as no record of it was folded yet"
    click.echo(f"{explanation['nodeId']}: {status}, score {explanation['score']}, revision {explanation['revision']}")
    signals = explanation["signals"]
    if signals:
        _print_points(signals, explanation["score"])
    if not explanation["addsUp"]:
        click.echo("The row's points do not add up to its score: what wrote it was no worker of this version.")
    held = explanation["quarantine"]
    if held is not None:
        _print_held(held, raised_now=signals)
    _print_evidence([*signals, *(held["signals"] if held else ())])
    if explanation["exemptUntil"] is not None:
        click.echo(f"\nexempt until {explanation['exemptUntil']}: policy does not quarantine it before")
    if explanation["remedies"]:
        click.echo("\nwhat would lift it" if held else "\nwhat would lower it")
        for remedy in explanation["remedies"]:
            click.echo(f"  {remedy}")
    if explanation["fromLog"] is not None:
        _print_log(explanation["fromLog"])


def _print_points(signals: Sequence[Mapping[str, Any]], score: int) -> None:
    rows = [
        (signal["kind"], signal["points"], signal["from"], signal["to"], signal["raisedAt"], _place(signal["evidence"]))
        for signal in signals
    ]
    click.echo()
    print_table(("signal", "points", "from", "to", "raised at", "evidence"), [*rows, ("score", score, "", "", "", "")])


def _print_held(held: Mapping[str, Any], *, raised_now: Sequence[Mapping[str, Any]]) -> None:
    of_threshold = "" if held["threshold"] is None else f" of {held['threshold']}"
    click.echo()
    print_fields(
        {
            "held since": f"{held['since']}, by {held['cause']}, at {held['score']}{of_threshold} points",
            "taken over": "policy held it, an operator does now" if held["takenOver"] else None,
            "actor": held["actor"],
            "reason": held["reason"],
            "transition": f"{held['transitionId']}, at revision {held['revision']}",
        }
    )
    if held["signals"] and list(held["signals"]) != list(raised_now):
        click.echo("\nThese points held it; the row has moved on since:")
        _print_points(held["signals"], held["score"])


def _print_evidence(signals: Sequence[Mapping[str, Any]]) -> None:
    shown = {_place(signal["evidence"]): signal["evidence"] for signal in signals}
    if not shown:
        return
    click.echo("\nevidence")
    for place, evidence in shown.items():
        match evidence.get("state"):
            case "kept":
                click.echo(f"  {place}, {evidence['timestamp']}, key {evidence['key']}")
                click.echo(f"    {(evidence['value'] or '')[:_EXCERPT]}")
            case "deleted":
                click.echo(f"  {place} is no longer kept: the partition begins at offset {evidence['firstKept']}")
            case _:
                click.echo(f"  {place} holds no record: was the topic created anew?")


def _print_log(log: Mapping[str, Any]) -> None:
    click.echo("\nfrom the log")
    rows = [
        (kept["topic"], kept["partition"], kept["firstOffset"], kept["since"], "whole" if kept["whole"] else "cut")
        for kept in log["kept"]
    ]
    print_table(("topic", "partition", "first offset", "since", "log"), rows)
    click.echo()
    print_table(
        ("record", "at", "status", "score", "points", "signals", "by"), [_step_row(step) for step in log["steps"]]
    )
    click.echo(
        f"\n{log['folded']} records folded, {log['late']} late, {log['rejected']} rejected, "
        f"{log['refusedCommands']} commands refused; {log['notYetFolded']} not yet folded"
    )
    if log["orderUnknown"]:
        click.echo(f"{log['orderUnknown']} records are kept of which the order is not: they were passed over")
    click.echo(_verdict(log))


def _step_row(step: Mapping[str, Any]) -> tuple[object, ...]:
    before, after = step["from"], step["to"]
    status = after["status"] if before["status"] == after["status"] else f"{before['status']} → {after['status']}"
    signals = ", ".join(f"{kind} {points}" for kind, points in step["signals"].items())
    by = step["actor"] or step["cause"]
    return (
        _place(step),
        step["timestamp"],
        status,
        f"{before['score']} → {after['score']}",
        f"{step['points']:+d}",
        signals,
        f"{by}: {step['reason']}" if step["reason"] else by,
    )


def _verdict(log: Mapping[str, Any]) -> str:
    revision = log["revision"]
    if log["unrecordedRow"] is not None:
        return (
            f"A later row of the node lies at offset {log['unrecordedRow']} of node.risk.v1, and no progress record "
            "covers it: the worker did not write it. Find out who may write there."
        )
    if log["verdict"] == "equal":
        return f"The same row comes out as is stored, field by field, at revision {revision['stored']}."
    told = (
        f"Another row comes out than is stored: {', '.join(log['differences'])} differ; it has revision "
        f"{revision['rebuilt']}, the stored one {revision['stored']}. "
    )
    if log["verdict"] == "incomplete":
        return told + "The beginning of the log is gone, so this proves nothing."
    if log["verdict"] == "other policy":
        versions = ", ".join(map(str, log["policyVersions"]))
        return (
            told + f"Policy {versions} folded it, policy {log['foldedBy']} is at hand: name the worker's by --policy."
        )
    return told + "The log is whole and nothing excuses the difference: please report it, with this output."


def _place(place: Mapping[str, Any]) -> str:
    return f"{place['topic']} [{place['partition']}] offset {place['offset']}"
