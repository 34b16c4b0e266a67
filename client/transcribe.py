"""Transcribe wav files with a served model; needs tritonclient[grpc] and nothing of Auricle.

    python client/transcribe.py client/test_wavs/*.wav --model demo

The whole contract: WAV float32 [1, num_samples] in [-1, 1] at the model's rate, WAV_LENS int32
[1, 1], the parameter asr_sample_rate; back come TRANSCRIPTS and, since we name it, RESULT.
"""

# ruff: noqa: T201

import argparse
import json
import wave

import numpy as np
import tritonclient.grpc as kserve


def read_wav(path: str) -> tuple[np.ndarray, int]:
    """Samples as float32 [1, num_samples] in [-1, 1], and their rate in Hz."""
    with wave.open(path) as file:
        if file.getsampwidth() != 2 or file.getnchannels() != 1:
            raise SystemExit(f"{path} is not 16-bit mono; `auricle transcribe` takes any audio")
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return samples[np.newaxis].astype(np.float32) / 32768, file.getframerate()


def transcribe(client: kserve.InferenceServerClient, model: str, path: str) -> dict:
    samples, rate = read_wav(path)
    wav = kserve.InferInput("WAV", samples.shape, "FP32")
    wav.set_data_from_numpy(samples)
    lens = kserve.InferInput("WAV_LENS", [1, 1], "INT32")
    lens.set_data_from_numpy(np.array([[samples.shape[1]]], np.int32))
    outputs = [kserve.InferRequestedOutput(name) for name in ("TRANSCRIPTS", "RESULT")]
    answer = client.infer(model, [wav, lens], outputs=outputs, parameters={"asr_sample_rate": rate})
    return {
        "text": answer.as_numpy("TRANSCRIPTS")[0, 0].decode(),
        "result": json.loads(answer.as_numpy("RESULT")[0, 0]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="+")
    parser.add_argument("--url", default="localhost:8001")
    parser.add_argument("--model", default="demo")
    args = parser.parse_args()
    client = kserve.InferenceServerClient(args.url)
    for path in args.files:
        answer = transcribe(client, args.model, path)
        print(path, answer["text"])
        for segment in answer["result"]["segments"]:
            for word in segment["words"]:
                print(f"  {word['start']} s: {word['text']}")


if __name__ == "__main__":
    main()
