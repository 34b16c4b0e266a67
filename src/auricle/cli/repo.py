"""auricle repo: a model repository to a bucket and back."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Action(str, Enum):
    push = "push"
    pull = "pull"


def run(
    action: Annotated[Action, typer.Argument(help="To the bucket, or from it.")],
    source: Annotated[str, typer.Argument(help="push: a folder; pull: s3://BUCKET/PREFIX.")],
    target: Annotated[str, typer.Argument(help="push: s3://BUCKET/PREFIX; pull: a folder.")],
    delete: Annotated[bool, typer.Option(help="Delete what the source does not have.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Say what would be done, and stop.")] = False,
) -> None:
    """Sync a model repository with S3-compatible storage; only what differs is moved.

    Storage other than AWS: s3://http://HOST:PORT/BUCKET/PREFIX, or AWS_ENDPOINT_URL. Credentials
    come from the environment or ~/.aws, as for the aws command.
    """
    from auricle import bucket

    if action is Action.push:
        plan = bucket.plan_push(Path(source), bucket.connect(target), deletes=delete)
    else:
        plan = bucket.plan_pull(bucket.connect(source), Path(target), deletes=delete)
    verbs = {"copy": action.value, "delete": "delete"}
    would = "would " if dry_run else ""
    for step in plan.steps if dry_run else bucket.carry_out(plan):
        size = f" ({quantity(step.size)})" if step.verb == "copy" else ""
        typer.echo(f"{would}{verbs[step.verb]} {step.name}{size}")
    sizes = [step.size for step in plan.steps if step.verb == "copy"]
    typer.echo(
        f"{would}{action.value} {len(sizes)} ({quantity(sum(sizes))}), "
        f"delete {len(plan.steps) - len(sizes)}; equal already {plan.num_same}"
    )


def quantity(size: float) -> str:
    """Of bytes, as storage is billed: 12 B, 3.4 kB, 56.7 MB."""
    units = iter(("B", "kB", "MB", "GB"))
    unit = next(units)
    while size >= 1000 and unit != "GB":
        size, unit = size / 1000, next(units)
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
