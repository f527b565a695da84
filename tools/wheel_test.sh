#!/usr/bin/env bash
# Install the built wheel into an environment of its own and run, from elsewhere, the quick tests of
# what reads files of the package, so that files missing from the wheel, or found only in the
# checkout, show.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m build --wheel --outdir "$work/dist" "$root" >"$work/build.log" || {
    cat "$work/build.log"; exit 1; }
# The environment sees the development dependencies but not the editable install.
"$PYTHON" -m venv --system-site-packages "$work/env"
site=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$work/env/bin/python" - "$site" <<'PY'
import pathlib, sys, sysconfig
own = pathlib.Path(sysconfig.get_path("purelib"))
# A plain line adds the directory without running its .pth files, hence without editable installs.
(own / "dependencies.pth").write_text(sys.argv[1] + "\n")
PY
"$work/env/bin/python" -m pip install -q --no-deps --force-reinstall "$work"/dist/*.whl
cp -r "$root/tests" "$work/tests"
cd "$work"
"$work/env/bin/python" - "$work" <<'PY'
import pathlib, sys
import pansharpkit, pansharpkit_cli
for module in (pansharpkit, pansharpkit_cli):
    assert pathlib.Path(module.__file__).is_relative_to(sys.argv[1]), module.__file__
PY
test -s "$work/env/share/man/man1/pansharpkit.1"
"$work/env/bin/python" -c 'from rasterio.rio.main import main_group; main_group()' \
    pansharpkit doctor --quiet
PATH="$work/env/bin:$PATH" "$work/env/bin/python" -m pytest -q -n auto -p no:cacheprovider \
    --rootdir "$work" -c /dev/null -o pythonpath="$work/tests" \
    -o 'markers=slow: slow
gpu: gpu' -m 'not slow' "$work"/tests/test_{api,archive_overview,cli,cli_sensors,report,sensor}.py
