"""Stream a wav file to a served model as if spoken; needs tritonclient[grpc], nothing of Auricle.

    python client/stream.py client/test_wavs/heldout-0020.wav --model live

The whole contract: a gRPC stream and a random sequence id for each speaker, START on the first
request, END on the last; in each WAV float32 [1, num_samples] of any length, WAV_LENS int32 [1, 1]
and the parameter asr_sample_rate, and in each answer the text of the whole stream so far.
"""

import argparse
import secrets
import time
import wave

import numpy as np
import tritonclient.grpc as kserve


def read_chunks(path: str) -> tuple[list[np.ndarray], int]:
    """Samples as float32 [1, num_samples] in [-1, 1], and their rate in Hz."""
    with wave.open(path) as file:
        if file.getsampwidth() != 2 or file.getnchannels() != 1:
            raise SystemExit(f"{path} is not 16-bit mono; `auricle stream` takes any audio")
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32)
        rate, size = file.getframerate(), int(0.64 * file.getframerate())  # any length does
    return np.split(samples[np.newaxis] / 32768, range(size, len(samples), size), axis=1), rate


def show(result: kserve.InferResult | None, error: Exception | None) -> None:
    print(error or result.as_numpy("TRANSCRIPTS")[0, 0].decode())  # noqa: T201


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file")
    parser.add_argument("--url", default="localhost:8001")
    parser.add_argument("--model", default="live")
    args = parser.parse_args()
    chunks, rate = read_chunks(args.file)
    client, own_id = kserve.InferenceServerClient(args.url), secrets.randbelow(2**63 - 1) + 1

    def send(samples: np.ndarray, **marks: bool) -> None:
        wav = kserve.InferInput("WAV", samples.shape, "FP32").set_data_from_numpy(samples)
        lens = kserve.InferInput("WAV_LENS", [1, 1], "INT32")
        lens.set_data_from_numpy(np.array([[samples.shape[1]]], np.int32))
        told = {"sequence_id": own_id, "parameters": {"asr_sample_rate": rate}, **marks}
        client.async_stream_infer(args.model, [wav, lens], **told)

    client.start_stream(show)
    try:
        for number, chunk in enumerate(chunks):
            time.sleep(chunk.shape[1] / rate)  # a microphone would take as long
            send(chunk, sequence_start=number == 0)
    finally:  # after Ctrl-C, too: the server would wait for more
        send(np.zeros((1, 0), np.float32), sequence_end=True)
        client.stop_stream()


if __name__ == "__main__":
    main()
