"""auricle stream: live audio to a streaming model, text while it is spoken."""

import logging
from functools import partial
from typing import TYPE_CHECKING

import typer

from auricle.cli import Parameters, TlsCa, TlsCert, TlsKey, split_parameters
from auricle.cli.stream import options as own
from auricle.cli.transcribe import options, steps

if TYPE_CHECKING:
    from auricle.client.session import Transcribe
    from auricle.client.streaming.corpus import Speaking


def run(  # noqa: PLR0913, PLR0917  # one parameter an option
    audio: options.Audio = None,
    audio_path: options.AudioPath = None,
    wavscp: options.WavScp = None,
    trans: options.Trans = None,
    manifest_dir: options.ManifestDir = None,
    data_dir: options.DataDir = None,
    allow_pipes: options.AllowPipes = False,
    microphone: own.Microphone = False,
    device: own.Device = None,
    simulate: own.Simulate = False,
    chunk_ms: own.ChunkMs = None,
    url: options.Url = None,
    server_addr: options.ServerAddr = "localhost",
    server_port: options.ServerPort = None,
    protocol: options.ProtocolOption = options.Protocol.grpc,
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    model_name: options.ModelName = None,
    second_pass: own.SecondPass = None,
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
    _streaming: own.Streaming = False,
    chunk_size: own.ChunkSize = None,
    subsampling: own.Subsampling = 4,
    frame_shift_ms: own.FrameShiftMs = 10.0,
    _context: own.Context = None,
    _dataset: options.Dataset = None,
    _prompt: options.Prompt = None,
    _statistics: options.Statistics = None,
) -> None:
    """Stream audio to a running server: text as it is spoken, latencies, scores."""
    from auricle.cli.stream.display import displayed
    from auricle.client import AsyncClient, Credentials, session, verdict
    from auricle.client.manifests import Utterance
    from auricle.client.streaming.corpus import Speaking
    from auricle.client.streaming.feed import Pace
    from auricle.client.streaming.listening import Listening

    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(message)s")
    wavscp, trans = steps.find_lists(manifest_dir, wavscp, trans)
    steps.check_judged(max_wer, trans)
    named = (audio or []) + (audio_path or [])
    if microphone and (named or wavscp or simulate):
        raise typer.BadParameter("--microphone listens now: leave files and --simulate-streaming")
    utterances = (
        [Utterance("microphone", b"")]
        if microphone
        else steps.find_utterances(named, wavscp, data_dir, allow_pipes)
    )
    references = steps.read_references(trans, utterances) if trans else {}
    connect = partial(
        AsyncClient,
        url or f"{server_addr}:{server_port or protocol.port}",
        protocol=protocol.value,
        sample_rate=sample_rate,
        credentials=Credentials(ca=tls_ca, certificate=tls_cert, private_key=tls_key),
    )
    own_chunk_ms = own.choose_chunk_ms(chunk_ms, chunk_size, subsampling, frame_shift_ms)
    pace, done = Pace(own_chunk_ms, is_real_time=simulate), session.Run()
    with displayed(partials, len(utterances)) as display:
        listening = Listening(split_parameters(parameter), display.show, correct=display.correct)
        connect_second = partial(connect, model=second_pass) if second_pass else None
        speaking = Speaking(num_tasks, pace, listening, connect_second)
        transcribe = _choose(speaking, microphone, device)
        connect_first = partial(connect, model=model_name)
        job = session.Job(connect_first, utterances, transcribe, output, as_json=as_json)
        cut_short = steps.carry_out(job, done, display.finish)
    judged = steps.judge(done, references, verdict.Rules(compute_cer, normalize, max_wer, log_dir))
    raise typer.Exit(cut_short or judged)


def _choose(speaking: "Speaking", microphone: bool, device: str | None) -> "Transcribe":
    from auricle.client.streaming.corpus import stream_corpus, stream_microphone

    if not microphone:
        return partial(stream_corpus, speaking=speaking)
    chosen = int(device) if device and device.isdecimal() else device
    return partial(stream_microphone, speaking=speaking, device=chosen)
