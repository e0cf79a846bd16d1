"""The engine's status port: pod IPs only, no redirects, no proxies, bounded in time and size, strictly read."""

import ipaddress

import aiohttp

from flowapi.report import RunReport
from flowoperator.core import parse
from flowoperator.objects.job import PORT

SECONDS = 2.0
CONNECT_SECONDS = 0.5  # a pod that has just died answers nothing, and its recovery waits for this
BYTES = 64 * 1024
LIMITS = aiohttp.ClientTimeout(total=SECONDS, sock_connect=CONNECT_SECONDS)


async def ask(session: aiohttp.ClientSession, ip: str) -> RunReport | None:
    """What the engine says of itself; None when it can't be reached or doesn't speak its language."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return None
    if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
        return None
    host = f"[{address}]" if address.version == 6 else str(address)
    try:
        async with session.get(f"http://{host}:{PORT}/status", allow_redirects=False, timeout=LIMITS) as answer:
            if answer.status != 200:
                return None
            data = b""
            async for part in answer.content.iter_any():
                data += part
                if len(data) > BYTES:
                    return None
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None
    return parse.report(data, limit=BYTES)
