"""Model repositories in S3-compatible storage: `auricle repo push` and `pull`.

Takes a folder and a URL s3://..., makes one hold what the other holds. What is in the files is
no matter of this room, but for the one name by which Triton knows a model: config.pbtxt.
"""

from auricle.bucket.store import connect
from auricle.bucket.sync import Plan, Step, carry_out, plan_pull, plan_push

__all__ = ["Plan", "Step", "carry_out", "connect", "plan_pull", "plan_push"]
