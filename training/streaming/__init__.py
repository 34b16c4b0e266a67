"""The demo checkpoint with the streaming interfaces of icefall and WeNet."""
