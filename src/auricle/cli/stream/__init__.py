"""auricle stream: live audio to a streaming model, text while it is spoken."""

import logging
from functools import partial

import typer

from auricle.cli import Parameters, TlsCa, TlsCert, TlsKey, split_parameters
from auricle.cli.stream import options as own
from auricle.cli.transcribe import options, steps


def run(  # noqa: PLR0913, PLR0917  # one parameter an option
    audio: options.Audio = None,
    audio_path: options.AudioPath = None,
    wavscp: options.WavScp = None,
    trans: options.Trans = None,
    manifest_dir: options.ManifestDir = None,
    data_dir: options.DataDir = None,
    allow_pipes: options.AllowPipes = False,
    simulate: own.Simulate = False,
    chunk_ms: own.ChunkMs = 640.0,
    url: options.Url = None,
    server_addr: options.ServerAddr = "localhost",
    server_port: options.ServerPort = None,
    protocol: options.ProtocolOption = options.Protocol.grpc,
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    model_name: options.ModelName = None,
    sample_rate: options.SampleRate = 16000,
    num_tasks: own.NumTasks = 16,
    parameter: Parameters = None,
    partials: own.Partials = None,
    output: options.Output = None,
    as_json: options.AsJson = False,
    compute_cer: options.ComputeCer = None,
    normalize: options.Normalize = False,
    max_wer: options.MaxWer = None,
    log_dir: options.LogDir = None,
    verbose: options.Verbose = False,
) -> None:
    """Stream audio to a running server: text as it is spoken, latencies, scores."""
    from auricle.cli.stream.display import displayed
    from auricle.client import AsyncClient, Credentials, session, verdict
    from auricle.client.manifests import find_text
    from auricle.client.streaming.corpus import Speaking, stream_corpus
    from auricle.client.streaming.feed import Pace

    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(message)s")
    if manifest_dir:
        wavscp, trans = wavscp or manifest_dir / "wav.scp", trans or find_text(manifest_dir)
    if max_wer is not None and not trans:
        raise typer.BadParameter("--max-wer needs transcripts: give them with --trans")
    named = (audio or []) + (audio_path or [])
    utterances = steps.find_utterances(named, wavscp, data_dir, allow_pipes)
    references = steps.read_references(trans, utterances) if trans else {}
    connect = partial(
        AsyncClient,
        url or f"{server_addr}:{server_port or protocol.port}",
        protocol=protocol.value,
        model=model_name,
        sample_rate=sample_rate,
        credentials=Credentials(ca=tls_ca, certificate=tls_cert, private_key=tls_key),
    )
    done, pace = session.Run(), Pace(chunk_ms, is_real_time=simulate)
    with displayed(partials, len(utterances)) as display:
        speaking = Speaking(num_tasks, pace, split_parameters(parameter), display.show)
        stream = partial(stream_corpus, speaking=speaking)
        job = session.Job(connect, utterances, stream, output, as_json=as_json)
        cut_short = steps.carry_out(job, done, display.finish)
    judged = steps.judge(done, references, verdict.Rules(compute_cer, normalize, max_wer, log_dir))
    raise typer.Exit(cut_short or judged)
