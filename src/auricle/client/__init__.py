"""The client wing: audio and manifests to requests, transcripts and reports."""
