"""auricle stream: live audio to a streaming model, text while it is spoken."""

from functools import partial

import typer

from auricle.cli import Parameters, TlsCa, TlsCert, TlsKey, split_parameters
from auricle.cli.stream import options as own
from auricle.cli.stream.speech import Speech, carry_out, find_utterances
from auricle.cli.transcribe import options, steps


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
    from auricle.client import Credentials
    from auricle.client.session import Job

    steps.start_log(verbose)
    wavscp, trans = steps.find_lists(manifest_dir, wavscp, trans)
    rules = steps.make_rules(trans, compute_cer, normalize, max_wer, log_dir)
    named = steps.Named((audio or []) + (audio_path or []), wavscp, data_dir, allow_pipes)
    utterances = find_utterances(named, from_microphone=microphone, simulate=simulate)
    references = steps.read_references(trans, utterances)
    credentials = Credentials(ca=tls_ca, certificate=tls_cert, private_key=tls_key)
    server = steps.Server(url, server_addr, server_port, protocol, sample_rate, credentials)
    second = partial(server.connect, second_pass) if second_pass else None
    ms = own.choose_chunk_ms(chunk_ms, chunk_size, subsampling, frame_shift_ms)
    asked = split_parameters(parameter)
    speech = Speech(num_tasks, ms, simulate, asked, second, microphone, device, partials)
    job = Job(partial(server.connect, model_name), utterances, output=output, as_json=as_json)
    raise typer.Exit(carry_out(job, speech, references, rules))
