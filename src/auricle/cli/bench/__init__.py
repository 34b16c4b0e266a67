"""auricle bench: load on a running server, its throughput, latency, truth and memory."""

from auricle.cli import Parameters, TlsCa, TlsCert, TlsKey, split_parameters
from auricle.cli.bench import graphs, options, steps
from auricle.cli.bench.offline import Wanted
from auricle.cli.bench.offline import measure as measure_loads
from auricle.cli.bench.streaming import measure as measure_streams


def run(  # noqa: PLR0913, PLR0917  # one parameter an option
    files: options.Files = None,
    wavscp: options.WavScp = None,
    trans: options.Trans = None,
    url: options.Url = "localhost:8001",
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    model_name: options.ModelName = None,
    parameter: Parameters = None,
    concurrency: options.Concurrency = "1,4,32",
    rate: options.Rate = "",
    requests: options.Requests = None,
    seconds: options.Seconds = "",
    mixes: options.Mixes = 96,
    repeat: options.Repeat = 1,
    seed: options.Seed = 1,
    sample_rate: options.SampleRate = 16000,
    checkpoint: options.Checkpoint = None,
    server_pid: options.ServerPid = None,
    json: options.Json = None,
    streaming: options.Streaming = False,
    chunk_ms: options.ChunkMs = 640.0,
    streams: options.Streams = "",
    level_seconds: options.LevelSeconds = 20.0,
    together: options.Together = False,
    graph: options.Graphs = None,
    batch: options.Batch = "1,8,16,32,64,128",
    provider: options.Providers = [options.Provider.cpu],  # noqa: B006  # typer copies it
    threads: options.Threads = 1,
    rounds: options.Rounds = 20,
    plot: options.Plot = None,
    make_checkpoint: options.MakeCheckpoint = None,
) -> None:
    """Measure a running server with real audio, every transcript checked; or graphs alone."""
    from auricle.client.bench.experiment import Plan
    from auricle.client.bench.streaming.experiment import StreamPlan

    named = steps.Named(files or [], wavscp)
    if graph:
        kinds = graphs.Kinds([each.value for each in provider], threads)
        sizes = graphs.parse_sizes(batch, seconds, rounds, seed)
        return graphs.measure(graph, named, kinds, sizes, graphs.Wanted(json, plot))
    waveforms = steps.read_audio(named, sample_rate)
    if make_checkpoint:
        return steps.write_checkpoint(
            make_checkpoint, waveforms, sample_rate, seed, streaming=streaming
        )
    waveforms = steps.mix(waveforms, options.parse_mix(seconds, mixes, seed), sample_rate)
    pid = server_pid or steps.find_server(url)
    asked = steps.ask(url, model_name, (tls_ca, tls_cert, tls_key), split_parameters(parameter))
    if streaming:
        stream_plan = StreamPlan(
            waveforms, sample_rate, chunk_ms, level_seconds, options.parse_levels(streams),
            repeats=repeat, is_together=together, seed=seed, server_pid=pid,
        )  # fmt: skip
        return measure_streams(asked, stream_plan, trans, json)
    loads = options.parse_loads(concurrency, rate)
    plan = Plan(waveforms, sample_rate, loads, requests, repeat, seed, pid)
    return measure_loads(asked, plan, Wanted(checkpoint, trans), json)
