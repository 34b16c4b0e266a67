"""Find a tritonserver, lay out its backends, check a repository, start, wait, stop.

with serve(Options([Path("model_repo_offline")], ports=free_ports())) as server:
    ...  # server.grpc_address answers until the block ends
"""

from auricle.server.launch import Server, serve
from auricle.server.options import Options
from auricle.server.ports import Ports, free_ports

__all__ = ["Options", "Ports", "Server", "free_ports", "serve"]
