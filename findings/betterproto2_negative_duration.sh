#!/usr/bin/env bash
# betterproto2 sends a negative timedelta as another duration: half a second less becomes half a second more.
#
# Versions: betterproto2 0.10.0 with betterproto2_compiler 0.10.1, protobuf 7.36.2, grpcio-tools 1.85.1 (PyPI).
# Expected: a field of type google.protobuf.Duration takes a timedelta of either sign. `duration.proto` has seconds and nanos
#           with the same sign, so -0.5 s is nanos = -500000000; Python's protobuf writes that.
# Seen:     seconds are rounded towards zero and nanos count from below: -0.5 s is sent as +0.5 s, and -1.5 s as seconds = -1
#           and nanos = +500000000, which protobuf refuses to print ("Sign mismatch") and betterproto2 itself reads as -0.5 s.
#           Positive durations and whole negative seconds are right (the control), and so is reading what protobuf wrote.
# So:       with this library, send a difference of times as whole seconds or as an integer. In a server, refuse durations
#           with two signs; one above -1 s can't be told from a positive one.
#
# Exits with 0 while that is so, and with 1 once it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check \
    betterproto2==0.10.0 betterproto2_compiler==0.10.1 protobuf==7.36.2 grpcio-tools==1.85.1

cat >clock.proto <<'END'
syntax = "proto3";
package clock;
import "google/protobuf/duration.proto";
message Skew {
  google.protobuf.Duration by = 1;
}
END
mkdir better plain
PATH=$PWD/python/bin:$PATH python/bin/python -m grpc_tools.protoc --proto_path=. \
    --python_betterproto2_out=better --python_out=plain clock.proto 2>/dev/null

cat >seen.py <<'END'
import sys
from datetime import timedelta

sys.path.append("plain")
from better.clock import Skew
from clock_pb2 import Skew as Google


def parts(duration):
    return f"{duration.seconds}/{duration.nanos}"


for seconds in 1.5, -2, -0.5, -1.5:
    written = bytes(Skew(by=timedelta(seconds=seconds)))
    right = Google()
    right.by.FromTimedelta(timedelta(seconds=seconds))
    read = Skew.parse(right.SerializeToString()).by.total_seconds()
    print(f"{seconds}: protobuf {parts(right.by)}, betterproto2 {parts(Google.FromString(written).by)}, read {read}")
print("its own -1.5, read:", Skew.parse(written).by.total_seconds())
try:
    print(Google.FromString(written).by.ToJsonString())
except ValueError as error:
    print(error)
END

printed=$(python/bin/python seen.py)
echo "$printed"
[[ $printed == "1.5: protobuf 1/500000000, betterproto2 1/500000000, read 1.5
-2: protobuf -2/0, betterproto2 -2/0, read -2.0
-0.5: protobuf 0/-500000000, betterproto2 0/500000000, read -0.5
-1.5: protobuf -1/-500000000, betterproto2 -1/500000000, read -1.5
its own -1.5, read: -0.5
Duration is not valid: Sign mismatch." ]]
