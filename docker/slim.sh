#!/bin/sh
# slim.sh: takes away what built omx and does not run it. For the image, in its build stage.
set -eu
rm -rf packages/*/src workers/*/src packages/cli/setup packages/cli/bundle.mjs
rm -f package-lock.json .npmrc tsconfig*.json packages/*/tsconfig.json workers/*/tsconfig.json
find packages/launch/native -maxdepth 1 -type f -delete
# Type declarations and source maps, ours and those that packages bring along.
find . -type f \( -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.map' \) -delete
