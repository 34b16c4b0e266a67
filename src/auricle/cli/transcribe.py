"""Send audio to a running server and print the transcripts."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer


def run(
    files: Annotated[list[Path], typer.Argument(help="Audio files.")],
    url: Annotated[str, typer.Option("--url", "-u", help="host:port of the server.")] = "",
    model_name: Annotated[str, typer.Option("--model-name", help="The served model.")] = "",
) -> None:
    """Send audio to a running server and print the transcripts."""
    asyncio.run(_transcribe(files, url, model_name))


async def _transcribe(files: list[Path], url: str, model: str) -> None:
    from auricle.client import AsyncClient

    async with AsyncClient(url or None, model=model or None) as client:
        for file in files:
            transcription = await client.transcribe(file)
            typer.echo(f"{file.stem} {transcription.text}")
