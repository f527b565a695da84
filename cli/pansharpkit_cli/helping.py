"""The help of commands with many options: in groups, and without what would only widen it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand, TyperGroup

from pansharpkit.errors import OptionError
from pansharpkit_cli.manpage import placeholder

if TYPE_CHECKING:
    from collections.abc import Mapping

_PANELS = {
    "Method": "option back_projection damping outside_pan sharpen reference_bands seed compat",
    "Inputs": "band_names toa bounds bounds_crs nodata saturated mask_saturated correct_shift "
    "force assume_crs strict allow_remote sidecars max_pixels on_bad_block align match pair root "
    "skip_missing_pairs",
    "Guide and cube": "guide_sensor guide_bands mat_key mat_guide_key mat_axes "
    "mat_guide_axes mat_size model",
    "Output": "resume dtype bit_depth co no_cog no_report judge_all min max stac qml "
    "quality_raster uncertainty",
    "Resources": "tile device threads ram scheduler scheduler_file n_workers memory_limit jobs",
}
"""Options of each group; the others are those that everybody needs."""
_MANY = 20
"""Options from which on a help is in groups."""


# Newer typers bring a click of their own, whose context has no type that all of them share.
class Command(TyperCommand):
    """A command whose help is laid out for a terminal of 80 columns."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Show the help with the options in groups, if there are many."""
        panels = _panels(self) if len(self.params) >= _MANY else {}
        _tidy(self, ctx, panels)
        if panels:
            variable = f"{ctx.auto_envvar_prefix}_TILE"
            self.epilog = f"Each option can be set by a variable: --tile by {variable}."
        super().format_help(ctx, formatter)


class Group(TyperGroup):
    """The same for the commands before the command."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command; a file in its place means that `fuse` was forgotten."""
        if args and Path(args[0]).suffix and not ctx.resilient_parsing:
            raise OptionError(
                f"{args[0]} is no command; did you mean pansharpkit fuse {' '.join(args)}?"
            )
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Show the help."""
        _tidy(self, ctx, {})
        super().format_help(ctx, formatter)


def _tidy(command: Any, ctx: Any, panels: Mapping[str, str]) -> None:
    """Call each value what the manual calls it, and leave variables to the manual."""
    from rich.markup import escape

    for parameter in command.get_params(ctx):
        parameter.help = escape(parameter.help or "")  # or rich takes [default: x] for a style
        if parameter.param_type_name == "option":
            parameter.metavar = placeholder(command, parameter)
            parameter.show_envvar = False
            parameter.rich_help_panel = panels.get(parameter.name)
        elif parameter.metavar:  # which says it all; typer would add the type of its list
            parameter.display_type_rich = lambda ctx: ""


def _panels(command: Any) -> dict[str, str]:
    """Return the group of each option; one alone makes no group."""
    own = {str(parameter.name) for parameter in command.params}
    groups = {panel: own.intersection(names.split()) for panel, names in _PANELS.items()}
    return {name: panel for panel, names in groups.items() if len(names) > 1 for name in names}
