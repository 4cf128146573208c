"""Counters in the text format of Prometheus."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping

from stylebank.serve.service import Service


def metrics_text(service: Service) -> str:
    """All counters of a server."""
    line, states = service.line, Counter(job.state for job in service.jobs.all())
    by_state = {
        f'state="{state}"': float(states[state]) for state in ("waiting", "running", "stopped", "done", "failed")
    }
    requests = {
        f'route="{route}",status="{status}"': float(count)
        for (route, status), count in sorted(service.requests.items())
    }
    families: list[tuple[str, str, str, Mapping[str, float]]] = [
        ("requests_total", "counter", "Requests by route and status.", requests),
        ("pictures_made_total", "counter", "Pictures made.", {"": line.done}),
        ("pictures_cancelled_total", "counter", "Pictures that nobody waited for any more.", {"": line.cancelled}),
        ("picture_seconds_total", "counter", "Time spent on pictures.", {"": line.seconds}),
        ("pictures_in_line", "gauge", "Pictures in line and at work.", {"": line.open}),
        ("cache_bytes", "gauge", "Decoded and encoded pictures in memory.", {"": service.cache.used}),
        ("stored_bytes", "gauge", "Uploads on disk.", {"": service.store.used}),
        ("jobs", "gauge", "Films and paintings by state.", by_state),
        ("uptime_seconds", "gauge", "Time since the start.", {"": time.time() - service.began}),
    ]
    lines = []
    for name, kind, text, values in families:
        lines += [f"# HELP stylebank_{name} {text}", f"# TYPE stylebank_{name} {kind}"]
        lines += [f"stylebank_{name}{f'{{{labels}}}' if labels else ''} {value:g}" for labels, value in values.items()]
    return "\n".join([*lines, ""])
