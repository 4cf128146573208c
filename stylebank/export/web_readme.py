"""What is written into the static folder for those who put it on a server."""

from __future__ import annotations

from stylebank.export.web_runtime import Runtime

HEADERS = """/*
  Cross-Origin-Opener-Policy: same-origin
  Cross-Origin-Embedder-Policy: require-corp
"""
"""The file `_headers`, which Netlify, Cloudflare Pages and others obey."""

_TEXT = """# A style bank as a web page

Written by `stylebank export --format web`. Licence of the bank: {licence}. onnxruntime-web{version}: MIT.

Put this folder on any web space: it is only files. A browser opens no modules from a disk (`file://`); to try it:

```sh
python -m http.server --directory .
```

Photographs never leave the browser. It paints on the GPU where it has WebGPU, else on the processor, on several
threads if the server sends these two headers (`_headers` says so to Netlify and Cloudflare Pages; without them it is
one thread):

```
Cross-Origin-Opener-Policy: same-origin
Cross-Origin-Embedder-Policy: require-corp
```

`.wasm` should be sent as `application/wasm`, and compressed (gzip or Brotli) if the server can.
`?engine=wasm` behind the page's address keeps it off the GPU.
"""


def readme(licence: str | None, runtime: Runtime) -> str:
    """Its text."""
    version = runtime.version()
    return _TEXT.format(licence=licence or "none given", version=f" {version}" if version else "")
