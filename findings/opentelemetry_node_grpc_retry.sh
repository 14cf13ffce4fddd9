#!/usr/bin/env bash
# OpenTelemetry's gRPC exporter for Node drops a batch at the first UNAVAILABLE.
#
# Versions: @opentelemetry/exporter-trace-otlp-grpc and -proto 0.223.1, sdk-trace-base 2.12.1 (npm) with Node.js 20;
#           opentelemetry-exporter-otlp-proto-grpc 1.45.2 (PyPI).
# Expected: a second attempt: "OpenTelemetry Protocol Exporter", section Retry, has transient errors handled with a retry strategy,
#           and the OTLP specification has UNAVAILABLE in its list of retryable codes. The exporter for HTTP of the same SDK and
#           the gRPC exporter for Python make one.
# Seen:     one call, and the spans are lost. The exporter's gRPC part calls every error final, so that the code that repeats is
#           never used. If the collector answers the first call, the spans arrive (the control).
# So:       each restart of a collector leaves a gap in the traces of services in Node. Let them export with HTTP
#           (`http/protobuf`), or put a collector beside them that keeps a queue.
#
# Exits with 0 while that is so, and with 1 once it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund @grpc/grpc-js@1.14.7 @opentelemetry/api@1.9.1 @opentelemetry/sdk-trace-base@2.12.1 \
  @opentelemetry/exporter-trace-otlp-grpc@0.223.1 @opentelemetry/exporter-trace-otlp-proto@0.223.1
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check opentelemetry-exporter-otlp-proto-grpc==1.45.2 opentelemetry-sdk==1.45.2

cat >client.py <<'END'
import logging
import sys

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

logging.disable()
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=sys.argv[1])))
provider.get_tracer("seen").start_span("a").end()
provider.shutdown()
END

# A collector for gRPC and one for HTTP, that refuse the first so many requests of each client.
cat >seen.js <<'END'
const { spawn } = require("node:child_process");
const http = require("node:http");
const grpc = require("@grpc/grpc-js");
const { OTLPTraceExporter: OverGrpc } = require("@opentelemetry/exporter-trace-otlp-grpc");
const { OTLPTraceExporter: OverHttp } = require("@opentelemetry/exporter-trace-otlp-proto");
const { BasicTracerProvider, BatchSpanProcessor } = require("@opentelemetry/sdk-trace-base");

let refusals;
let seen;
const refuses = () => {
  seen.push(seen.length < refusals ? "refused" : "taken");
  return seen.at(-1) === "refused";
};

const asBytes = (value) => value;
const collector = new grpc.Server();
collector.addService(
  {
    export: {
      path: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
      requestStream: false,
      responseStream: false,
      requestSerialize: asBytes,
      requestDeserialize: asBytes,
      responseSerialize: asBytes,
      responseDeserialize: asBytes,
    },
  },
  {
    export: (_call, told) => {
      if (refuses()) told({ code: grpc.status.UNAVAILABLE, details: "restarts" });
      else told(null, Buffer.alloc(0));
    },
  },
);
const overHttp = http.createServer((request, response) => {
  request.resume().on("end", () => response.writeHead(refuses() ? 503 : 200).end());
});

async function byNode(exporter) {
  const provider = new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] });
  provider.getTracer("seen").startSpan("a").end();
  await provider.forceFlush().catch(() => {});
  await provider.shutdown();
}

collector.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (_error, grpcPort) => {
  overHttp.listen(0, "127.0.0.1", async () => {
    const grpcUrl = `http://127.0.0.1:${grpcPort}`;
    const httpUrl = `http://127.0.0.1:${overHttp.address().port}/v1/traces`;
    const clients = {
      "Node over gRPC": () => byNode(new OverGrpc({ url: grpcUrl })),
      "Node over HTTP": () => byNode(new OverHttp({ url: httpUrl })),
      "Python over gRPC": () => new Promise((told) => spawn("python/bin/python", ["client.py", grpcUrl]).on("exit", told)),
    };
    for (refusals of [0, 1]) {
      for (const [name, run] of Object.entries(clients)) {
        seen = [];
        await run();
        console.log(`${name}: ${seen.join(", ")}`);
      }
    }
    process.exit(0);
  });
});
END

printed=$(timeout 120 node seen.js)
echo "$printed"
[[ $printed == "Node over gRPC: taken
Node over HTTP: taken
Python over gRPC: taken
Node over gRPC: refused
Node over HTTP: refused, taken
Python over gRPC: refused, taken" ]]
