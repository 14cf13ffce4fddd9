#!/usr/bin/env bash
# joserfc reads no key of a JWK Set in which one key has a curve that it does not know.
#
# Versions: joserfc 1.8.0, jwcrypto 1.6.1 (PyPI).
# Expected: the other keys: RFC 7517 §5 says that keys with values out of the supported ranges should be ignored, like those of
#           an unknown `kty`, which joserfc does ignore. And of two keys with one `kid` the one that fits: §4.5 has different `kty`
#           as its example of such keys. jwcrypto does both.
# Seen:     `import_key_set` raises KeyError, so that no token of that issuer is verified. And if an RSA key with the same `kid`
#           comes first, a token with ES256 ends with InvalidKeyTypeError. With the EC key alone, in front, or after a key of an
#           unknown `kty`, the token is verified (the controls).
# So:       drop the keys with other curves before the import, and catch KeyError beside joserfc's own errors. Give each key a
#           `kid` of its own when an issuer changes from RSA to EC.
#
# Exits with 0 while that is so, and with 1 once it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check joserfc==1.8.0 jwcrypto==1.6.1

cat >seen.py <<'END'
import json

from joserfc import jwk, jwt
from jwcrypto.jwk import JWKSet
from jwcrypto.jwt import JWT

signer = jwk.ECKey.generate_key("P-256", {"kid": "2026"})
token = jwt.encode({"alg": "ES256", "kid": "2026"}, {"sub": "a"}, signer)
ec = signer.as_dict(private=False)
rsa = jwk.RSAKey.generate_key(2048, {"kid": "2026"}).as_dict(private=False)
unknown_type = {"kty": "other", "kid": "1"}
# The base point of brainpoolP256r1 (RFC 5639), as good a public key as any.
brainpool = {
    "kty": "EC",
    "kid": "1",
    "crv": "BP-256",
    "x": "i9Kuuct-V8ssS0gv_IG3r7neJ-HjvSPCOkRTvZrOMmI",
    "y": "VH74NcPaxP2X-EYaFGEdycJ3RRMt7Y5UXB1Uxy8EaZc",
}


def by_joserfc(keys):
    return jwt.decode(token, jwk.KeySet.import_key_set(keys), algorithms=["ES256"])


def by_jwcrypto(keys):
    return JWT(jwt=token, key=JWKSet.from_json(json.dumps(keys)))


def ends(verify, keys):
    try:
        verify({"keys": keys})
        return "verified"
    except Exception as error:
        return type(error).__name__


sets = {
    "EC": [ec],
    "unknown type, EC": [unknown_type, ec],
    "brainpool curve, EC": [brainpool, ec],
    "unknown curve, EC": [brainpool | {"crv": "other"}, ec],
    "EC, RSA with the same kid": [ec, rsa],
    "RSA with the same kid, EC": [rsa, ec],
}
for name, keys in sets.items():
    print(f"{name}: jwcrypto {ends(by_jwcrypto, keys)}, joserfc {ends(by_joserfc, keys)}")
END

printed=$(python/bin/python seen.py)
echo "$printed"
[[ $printed == "EC: jwcrypto verified, joserfc verified
unknown type, EC: jwcrypto verified, joserfc verified
brainpool curve, EC: jwcrypto verified, joserfc KeyError
unknown curve, EC: jwcrypto verified, joserfc KeyError
EC, RSA with the same kid: jwcrypto verified, joserfc verified
RSA with the same kid, EC: jwcrypto verified, joserfc InvalidKeyTypeError" ]]
