"""What the chart tells the operator, and how it logs."""

import json
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from flowoperator.shell.lease import LeaseName


@dataclass(frozen=True)
class Settings:
    """What the chart tells the operator.

    Attributes:
        image: The engine's, where a spec names none.
        namespaces: To watch; empty: all.
        port: Of health and metrics; 0: any.
        resources: Requests and limits of an engine whose spec names none.
        lease: Of the operators of one release; None: this one is alone.
    """

    image: str
    namespaces: tuple[str, ...] = ()
    port: int = 8081
    log_level: str = "info"
    resources: Mapping[str, Mapping[str, str]] | None = None
    lease: LeaseName | None = None

    @classmethod
    def of(cls, env: Mapping[str, str]) -> "Settings":
        """From the environment.

        Raises:
            ValueError: the engine's image is missing.
        """
        image = env.get("CFLOW_ENGINE_IMAGE", "")
        if not image:
            raise ValueError("CFLOW_ENGINE_IMAGE names no image; set engine.image in the chart's values")
        names = tuple(name for name in env.get("CFLOW_NAMESPACES", "").split(",") if name)
        resources = json.loads(env.get("CFLOW_ENGINE_RESOURCES") or "{}")
        port, level = int(env.get("CFLOW_PORT", "8081")), env.get("CFLOW_LOG_LEVEL", "info")
        lease, pod = env.get("CFLOW_LEASE", ""), env.get("CFLOW_POD", "")
        place = LeaseName(env.get("CFLOW_NAMESPACE", ""), lease, f"{pod}/{secrets.token_hex(4)}") if lease else None
        return cls(image, names, port, level, resources, place)


def configure_logs(level: str) -> None:
    """One JSON object a line, ours and those of the libraries alike; of Kopf, which tells of each event, warnings."""
    shared: list[structlog.types.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper("iso"),
        structlog.processors.format_exc_info,
    ]
    renderer = structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer()],
        foreign_pre_chain=shared,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(renderer)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    chosen = logging.getLogger().level
    logging.getLogger("kopf").setLevel(chosen if chosen <= logging.DEBUG else max(chosen, logging.WARNING))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
