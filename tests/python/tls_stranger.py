"""A stock gRPC client over TLS: connects to ADDRESS, trusting the CA in a file, and asks for the server's health.

Prints the answer, or the status code of the failure.
"""

import sys
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc


def main() -> None:
    address, ca_file, *pair = sys.argv[1:]
    certificate, key = (Path(name).read_bytes() for name in pair) if pair else (None, None)
    credentials = grpc.ssl_channel_credentials(Path(ca_file).read_bytes(), key, certificate)
    with grpc.secure_channel(address, credentials) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=60)
            print(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
        except grpc.RpcError as error:
            print(error.code().name)


main()
