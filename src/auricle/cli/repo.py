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
        plan = bucket.plan_push(Path(source), bucket.parse(target), deletes=delete)
    else:
        plan = bucket.plan_pull(bucket.parse(source), Path(target), deletes=delete)
    verbs = {"copy": action.value, "delete": "delete"}
    for step in plan.steps if dry_run else bucket.carry_out(plan):
        size = "" if step.verb == "delete" else f" ({megabytes(step.size)})"
        typer.echo(f"{'would ' if dry_run else ''}{verbs[step.verb]} {step.name}{size}")
    copied = [step.size for step in plan.steps if step.verb == "copy"]
    typer.echo(
        f"{'would be ' if dry_run else ''}{action.value}ed: {len(copied)} "
        f"({megabytes(sum(copied))}), deleted: {len(plan.steps) - len(copied)}, "
        f"already equal: {plan.num_same}"
    )


def megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
