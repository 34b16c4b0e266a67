"""The facts that every family states of what it built."""

from collections.abc import Iterable
from dataclasses import asdict

from auricle.build.checkpoint.tokens import TokenTable
from auricle.build.export.built_encoder import Encoder
from auricle.spec import Head, PipelineSpec, Source, Streaming


def state_facts(  # one a fact
    family: str,
    head: Head,
    roles: Iterable[str],
    served: Encoder,
    tokens: TokenTable,
    source: Source,
) -> PipelineSpec:
    """What pipeline.json says at the least; families with more replace the rest."""
    return PipelineSpec(
        family=family,
        head=head,
        sample_rate=served.sample_rate,
        seconds_per_frame=served.seconds_per_frame,
        graphs={role: f"{role}.onnx" for role in roles},
        tokens="tokens.txt",
        token_kind=tokens.kind,
        blank_id=tokens.blank_id,
        unk_id=tokens.unk_id,
        context_size=0,
        max_seconds=served.max_seconds,
        source=source,
        streaming=Streaming(**asdict(served.layout)) if served.layout else None,
    )
