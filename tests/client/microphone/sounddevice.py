"""Stands in for the package of this name, as there is no microphone here: a program's own one.

SOUNDDEVICE says what happens: "no library", "no device", or the rate of a device that hears a
tone as loud as its name, in hundredths, is.
"""

import os
import threading
import time

import numpy as np

STORY = os.environ["SOUNDDEVICE"]
if STORY == "no library":
    raise OSError("PortAudio library not found")


class PortAudioError(Exception):
    pass


def query_devices(device, kind):  # type: ignore[no-untyped-def]
    if STORY == "no device":
        raise PortAudioError("Error querying device -1")
    return {"default_samplerate": float(STORY)}


class InputStream:
    def __init__(self, samplerate, blocksize, device, channels, dtype, callback):  # type: ignore[no-untyped-def]
        level = int(device or 1) / 100
        self.block = np.full((blocksize, channels), level, dtype)
        self.period_s = blocksize / samplerate
        self.callback = callback
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self.listen)

    def listen(self):  # type: ignore[no-untyped-def]
        while not self.ends.wait(self.period_s):
            self.callback(self.block, len(self.block), time, None)

    def __enter__(self):  # type: ignore[no-untyped-def]
        self.thread.start()

    def __exit__(self, *_):  # type: ignore[no-untyped-def]
        self.ends.set()
        self.thread.join()
