"""`pneumonia serve`: the champion answers over HTTP."""

from pathlib import Path
from typing import Annotated

import typer

from stages.engine.console import print_note
from stages.serving.access.keys import KEYS_VARIABLE

_MODEL, _NETWORK, _ACCESS, _LIMITS = "Which model", "Where", "Who may ask", "Limits"


def serve(
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="NAME@ALIAS of a registry, the folder of a package, or in a repository a model "
            "file; default: the champion of this repository.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    alias: Annotated[
        str, typer.Option(metavar="ALIAS", help="Which alias to follow.", rich_help_panel=_MODEL)
    ] = "champion",
    registry: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Of the registry, or a folder with mlruns/; default: MLFLOW_TRACKING_URI, or the "
            "repository's own.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    poll: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", help="Between two looks at the alias.", rich_help_panel=_MODEL
        ),
    ] = 5,
    kept: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where the last good version is kept; default: the user's cache.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    public_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Public keys, of which one must have signed a version.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Threads of TensorFlow; default: those that the version was judged with.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Listen on this address; others than loopback need --keys.",
            rich_help_panel=_NETWORK,
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="PORT", help="0 takes a free one.", rich_help_panel=_NETWORK)
    ] = 8000,
    tls_cert: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="PEM file: HTTPS.", rich_help_panel=_NETWORK),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="PEM file of its key.", rich_help_panel=_NETWORK),
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Access keys, as `pneumonia keys add` writes them.",
            envvar=KEYS_VARIABLE,
            rich_help_panel=_ACCESS,
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST",
            help="A further name that requests may be addressed to.",
            rich_help_panel=_ACCESS,
        ),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            help="A further site whose pages may ask.",
            rich_help_panel=_ACCESS,
        ),
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Keep a line per answer there; without that line no answer is sent.",
            rich_help_panel=_ACCESS,
        ),
    ] = None,
    log_json: Annotated[
        bool,
        typer.Option("--log-json", help="Log JSON, one object a line.", rich_help_panel=_ACCESS),
    ] = False,
    image_mib: Annotated[
        int, typer.Option(metavar="MIB", min=1, help="Of an image file.", rich_help_panel=_LIMITS)
    ] = 32,
    request_mib: Annotated[
        int, typer.Option(metavar="MIB", min=1, help="Of a request.", rich_help_panel=_LIMITS)
    ] = 256,
    images: Annotated[
        int, typer.Option(metavar="N", min=1, help="In a request.", rich_help_panel=_LIMITS)
    ] = 32,
    queue: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Images that wait; more get 503.", rich_help_panel=_LIMITS
        ),
    ] = 256,
    body_seconds: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", help="For a whole body to arrive.", rich_help_panel=_LIMITS
        ),
    ] = 30,
    decode_seconds: Annotated[
        float,
        typer.Option(metavar="SECONDS", help="To decode an image.", rich_help_panel=_LIMITS),
    ] = 20,
    drain_seconds: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            help="For requests that have begun, after SIGTERM.",
            rich_help_panel=_LIMITS,
        ),
    ] = 20,
    workers: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> int:
    """Answer for images over HTTP, with a page, until Ctrl-C or SIGTERM.

    The version at the alias answers, and another one as soon as the alias moves. Needs no
    repository: a registry's address and a name are enough. Not a diagnosis.
    """
    from stages.serving.options import MIB, Limits, ServeOptions, refuse_several_workers

    refuse_several_workers(workers)
    options = ServeOptions(
        model=model,
        alias=alias,
        registry=registry,
        host=host,
        port=port,
        keys=keys,
        allowed_hosts=tuple(allow_host or ()),
        allowed_origins=tuple(allow_origin or ()),
        poll_s=poll,
        tls_cert=tls_cert,
        tls_key=tls_key,
        kept=kept,
        answers=answers,
        log_json=log_json,
        public_key=public_key,
        threads=threads,
        limits=Limits(
            image_bytes=image_mib * MIB,
            request_bytes=request_mib * MIB,
            waiting_bytes=max(4 * request_mib, 1024) * MIB,
            images=images,
            queue_images=queue,
            body_seconds=body_seconds,
            decode_seconds=decode_seconds,
            drain_seconds=drain_seconds,
        ),
    )
    if not options.is_loopback and tls_cert is None:
        print_note(
            f"warning: keys and images reach {host} unencrypted; give --tls-cert and --tls-key, or "
            "let only a proxy with TLS reach it"
        )
    from stages.commands.model_file import served_repository
    from stages.serving.records.log_lines import ServiceLog
    from stages.serving.records.quiet import silence_libraries
    from stages.serving.run import run

    silence_libraries(ServiceLog(as_json=log_json))
    return run(options, served_repository())
