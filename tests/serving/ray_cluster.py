"""The server on a local Ray, in a process of its own; it ends with its input.

python tests/serving/ray_cluster.py SETTINGS (JSON): prints the port. Each line `kill NAME` kills
the replicas of a deployment, and prints how many.
"""

import json
import os
import socket
import sys

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path[1:] if path)

import ray
from ray import serve

from serkit.serving.ray_app import application
from serkit.serving.settings import Settings


def main():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False)
    serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
    serve.run(application(Settings(**json.loads(sys.argv[1]))), name="serkit")
    print(port, flush=True)
    for line in sys.stdin:
        name = line.split()[1]
        actors = [
            ray.get_actor(actor["name"], namespace=actor["namespace"])
            for actor in ray.util.list_named_actors(all_namespaces=True)
            if f"#{name}#" in actor["name"]
        ]
        for actor in actors:
            ray.kill(actor)
        print(len(actors), flush=True)
    ray.shutdown()


if __name__ == "__main__":
    main()
