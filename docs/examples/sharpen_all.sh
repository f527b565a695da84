#!/usr/bin/env bash
# Sharpen every scene folder given, note the quality of each, go on after a bad one.
for scene in "$@"; do
    out="$(basename "$scene")_sharp.tif"
    if found=$(pansharpkit fuse "$scene" -o "$out" -m gsa --json); then
        printf '%s' "$found" | python -c '
import json, sys
found = json.load(sys.stdin)
print(found["output"], found["indices"]["hqnr"], found["registration"]["r2"], sep="\t")
'
    else
        case $? in
            4) echo "skipped, bad input: $scene" >&2 ;;
            130) exit 130 ;;
            *) echo "failed: $scene" >&2; exit 1 ;;
        esac
    fi
done
