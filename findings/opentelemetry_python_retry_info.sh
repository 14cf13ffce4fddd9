#!/usr/bin/env bash
# OpenTelemetry's gRPC exporter for Python does not see how long a collector asks it to wait.
#
# Versions: opentelemetry-exporter-otlp-proto-grpc and -sdk 1.45.2, grpcio and grpcio-status 1.85.3 (PyPI).
# Expected: the OTLP specification has a collector send `RetryInfo` in the details of the status ("OTLP/gRPC Throttling"). The
#           exporter waits for its `retry_delay`, and repeats RESOURCE_EXHAUSTED only if there is a `RetryInfo` ("Failures").
# Seen:     asked to wait for 3 s, it calls again after about 1 s, as without `RetryInfo`, and it repeats RESOURCE_EXHAUSTED without
#           one. It looks for a header of its own, `google.rpc.retryinfo-bin`. gRPC's servers put the details into
#           `grpc-status-details-bin`, here with grpcio-status. With that other header it waits for 3 s (the control).
# So:       a collector can't slow these clients down: limit them in front of it, or by the size of their batches. A collector that
#           one runs oneself can send the other header too.
#
# Exits with 0 while that is so, and with 1 once it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check opentelemetry-exporter-otlp-proto-grpc==1.45.2 opentelemetry-sdk==1.45.2 \
  grpcio==1.85.3 grpcio-status==1.85.3

# A collector that refuses the first call of each exporter, in one of four ways.
cat >seen.py <<'END'
import logging
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

logging.disable()
wait = RetryInfo(retry_delay=Duration(seconds=3))


def in_the_details(context):
    status = Status(code=grpc.StatusCode.UNAVAILABLE.value[0], message="busy")
    status.details.add().Pack(wait)
    context.abort_with_status(rpc_status.to_status(status))


def in_the_other_header(context):
    context.set_trailing_metadata([("google.rpc.retryinfo-bin", wait.SerializeToString())])
    context.abort(grpc.StatusCode.UNAVAILABLE, "busy")


ways = {
    "UNAVAILABLE": lambda context: context.abort(grpc.StatusCode.UNAVAILABLE, "busy"),
    "UNAVAILABLE, 3 s in the details": in_the_details,
    "UNAVAILABLE, 3 s in the other header": in_the_other_header,
    "RESOURCE_EXHAUSTED": lambda context: context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy"),
}
calls = []


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    def Export(self, request, context):
        calls.append(time.monotonic())
        if len(calls) == 1:
            refuse(context)
        return trace_service_pb2.ExportTraceServiceResponse()


server = grpc.server(ThreadPoolExecutor())
trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Collector(), server)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
for name, refuse in ways.items():
    calls.clear()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=f"http://127.0.0.1:{port}")))
    provider.get_tracer("seen").start_span("a").end()
    provider.shutdown()
    if len(calls) == 1:
        print(f"{name}: not again")
    else:
        print(f"{name}: again after {'less' if calls[1] - calls[0] < 2.5 else 'more'} than 2.5 s")
server.stop(None)
END

printed=$(python/bin/python seen.py)
echo "$printed"
[[ $printed == "UNAVAILABLE: again after less than 2.5 s
UNAVAILABLE, 3 s in the details: again after less than 2.5 s
UNAVAILABLE, 3 s in the other header: again after more than 2.5 s
RESOURCE_EXHAUSTED: again after less than 2.5 s" ]]
