"""Modified beam search against the greedy search: what each hypothesis more costs.

    python benchmarks/modified_beam.py REPO/MODEL AUDIO...

The encoder runs once, over a batch of audio of 2 to 15 s; then every search in turn, round after
round, with the model's own threads. The decoder's cache is that of a server that has answered such
requests before, or empty at the start of every search.
"""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Annotated

import lookahead
import served_model
import typer

from auricle.client.bench import workload
from auricle.client.manifests import find_audio
from auricle.serve.decode import modified_beam, transducer
from auricle.serve.decode.transducer import ContextCache, Decoder, Options

Search = Callable[[Decoder, lookahead.Nets], object]


def create_searches(
    batch: lookahead.Batch, options: Options, beams: list[int]
) -> dict[str, Search]:
    encoder_out, lens = batch.encoder_out, batch.lens

    def search_by(beam: int) -> Search:
        return lambda decoder, nets: modified_beam.search(
            encoder_out, lens, decoder, nets.joiner, options, beam
        )

    def greedy(decoder: Decoder, nets: lookahead.Nets) -> object:
        return transducer.greedy_search(encoder_out, lens, decoder, nets.joiner, options)

    return {"greedy": greedy} | {f"beam {beam}": search_by(beam) for beam in beams}


def main(
    folder: Annotated[Path, typer.Argument(help="A built transducer: REPO/MODEL.")],
    files: Annotated[list[str], typer.Argument(help="Audio: files, folders, globs.")],
    beams: Annotated[str, typer.Option(help="Hypotheses.")] = "1,2,4,8,16",
    batch: Annotated[int, typer.Option(help="Utterances.")] = 16,
    seconds: Annotated[str, typer.Option(help="Join audio to such lengths.")] = "2:15",
    rounds: Annotated[int, typer.Option(help="Of every search, in turn.")] = 15,
) -> None:
    pipeline = served_model.load(folder)
    spec = pipeline.spec
    audio = workload.read(find_audio(files), spec.sample_rate)
    mix = workload.parse_mix(seconds, batch, seed=1)
    encoded = lookahead.encode(pipeline, workload.mix(audio, mix, spec.sample_rate))
    options = Options(spec.context_size, spec.blank_id, spec.unk_id)
    searches = create_searches(encoded, options, [int(each) for each in beams.split(",")])
    warm = ContextCache(lookahead.Nets(pipeline).decoder)
    rows = {}
    for name, search in searches.items():
        nets = lookahead.Nets(pipeline)
        search(warm, nets)
        rows[name] = nets.rows
    ms: dict[str, list[list[float]]] = {name: [[], []] for name in searches}
    for _ in range(rounds):
        for name, search in searches.items():
            nets = lookahead.Nets(pipeline)
            for column, decoder in enumerate([warm, ContextCache(nets.decoder)]):
                start = time.perf_counter()
                search(decoder, nets)
                ms[name][column].append(1e3 * (time.perf_counter() - start))
    medians = {name: [median(column) for column in columns] for name, columns in ms.items()}
    typer.echo("| search | ms | of greedy | cold ms | of greedy | joiner rows |")
    typer.echo("| --- | ---: | ---: | ---: | ---: | ---: |")
    first = medians["greedy"]
    for name, (hot, cold) in medians.items():
        of_greedy = f"{hot:.1f} | {hot / first[0]:.2f} | {cold:.1f} | {cold / first[1]:.2f}"
        typer.echo(f"| {name} | {of_greedy} | {rows[name]} |")


if __name__ == "__main__":
    typer.run(main)
