"""Make a folder and a place in a bucket equal: plan first, then carry out.

Only what differs is moved, in an order in which nobody who reads meanwhile finds half a model: its
config.pbtxt arrives last and goes first.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Literal

from auricle.bucket.folder import Folder
from auricle.bucket.store import JOBS, Store
from auricle.errors import RepositoryError

CONFIG, FACTS = "config.pbtxt", "pipeline.json"
FOLDERS = 100  # the stage of empty folders: deletions before it may have removed them

Entries = Mapping[str, int]


@dataclass(frozen=True)
class Step:
    """One entry that is copied or deleted. size: bytes."""

    verb: Literal["copy", "delete"]
    name: str
    size: int

    @property
    def stage(self) -> int:
        """A step runs when all of a lower stage are done; deletions mirror copies."""
        if self.name.endswith("/"):
            return FOLDERS
        return rank(self.name) if self.verb == "copy" else 10 - rank(self.name)


@dataclass(frozen=True)
class Plan:
    """What it takes. num_same: entries that need nothing."""

    steps: list[Step]
    num_same: int
    copy: Callable[[str], None]
    delete: Callable[[str], None]

    def run(self, step: Step) -> None:
        (self.copy if step.verb == "copy" else self.delete)(step.name)


def plan_push(source: Path, bucket: Store, *, deletes: bool) -> Plan:
    """RepositoryError if the source is no repository, BucketError if storage refuses."""
    folder = Folder(source)
    check_repository(folder.entries(), folder)  # before storage is asked
    steps, num_same = compare(folder, bucket, partial(bucket.holds, folder=folder), deletes=deletes)
    return Plan(steps, num_same, partial(bucket.upload, folder=folder), bucket.delete)


def plan_pull(bucket: Store, target: Path, *, deletes: bool) -> Plan:
    """RepositoryError if the source is no repository, BucketError if storage refuses."""
    folder = Folder(target)
    steps, num_same = compare(bucket, folder, partial(bucket.holds, folder=folder), deletes=deletes)
    return Plan(steps, num_same, partial(bucket.download, folder=folder), folder.delete)


def carry_out(plan: Plan) -> Iterator[Step]:
    """The steps as they are done; the first that fails ends it, and no later stage begins."""
    with ThreadPoolExecutor(JOBS) as pool:
        for _, steps in groupby(plan.steps, key=lambda step: step.stage):
            running = {pool.submit(plan.run, step): step for step in steps}
            try:
                for done in as_completed(running):
                    done.result()
                    yield running[done]
            finally:
                for future in running:
                    future.cancel()


def compare(
    source: Folder | Store, target: Folder | Store, is_same: Callable[[str], bool], *, deletes: bool
) -> tuple[list[Step], int]:
    """The steps in the order of their stages, and how many entries are equal.

    is_same: asked for entries of one name and size.
    """
    wanted, present = source.entries(), target.entries()
    check_repository(wanted, source)
    if deletes and present:
        check_repository(present, target)  # else a slip in its name would empty another folder
    wanted = {name: size for name, size in wanted.items() if not is_filled(name, wanted)}
    alike = [name for name, size in wanted.items() if present.get(name) == size]
    with ThreadPoolExecutor(JOBS) as pool:
        same = {name for name, held in zip(alike, pool.map(is_same, alike), strict=True) if held}
    steps = [Step("copy", name, size) for name, size in wanted.items() if name not in same]
    if deletes:
        extra = {name for name in present if name not in wanted and not is_filled(name, wanted)}
        steps += [Step("delete", name, present[name]) for name in extra]
    return sorted(steps, key=lambda step: (step.stage, step.name)), len(same)


def rank(name: str) -> int:
    """The place of a file in a copy: to Triton a model without config.pbtxt is none.

    The model that clients call comes after the ones that it calls: MODEL after MODEL__encoder.
    """
    model, _, rest = name.partition("/")
    if rest == CONFIG:
        return 2 if "__" in model else 3
    return 1 if rest.endswith(f"/{FACTS}") else 0


def is_filled(name: str, entries: Entries) -> bool:
    """Whether the name is of a folder that, among these entries, holds something."""
    return name.endswith("/") and any(one != name and one.startswith(name) for one in entries)


def check_repository(entries: Entries, place: Folder | Store) -> None:
    if not entries:
        raise RepositoryError(f"{place} is empty or is not there; name a model repository")
    if CONFIG in entries:
        raise RepositoryError(
            f"{place} is one model; name the repository, which is the folder that it lies in"
        )
    if not any(rest == CONFIG for _, _, rest in (name.partition("/") for name in entries)):
        raise RepositoryError(
            f"{place} is no model repository: it has no MODEL/{CONFIG}; name the folder that "
            "`auricle build --repo` wrote"
        )
