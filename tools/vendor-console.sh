#!/usr/bin/env bash
# Fetches the libraries of the console's pages, at the versions below, into the package: nobody edits them by hand.
set -euo pipefail
cd "$(dirname "$0")/.."
to=$PWD/emulator/console/static/vendor
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fetch() { # NAME VERSION SHA512 (of the package, base64, as package-lock.json has it)
    (cd "$work" && npm pack --silent "$1@$2" >/dev/null)
    local archive=$work/$1-$2.tgz
    echo "$3" | base64 -d | od -An -v -tx1 | tr -d ' \n' | sed "s|\$|  $archive|" | sha512sum --check --quiet
    mkdir -p "$work/$1"
    tar -xzf "$archive" -C "$work/$1" --strip-components=1
}

put() { # PACKAGE FILE NAME: without the pointer to a source map that is not there, and importing its neighbour by path
    sed -e '/^\/\/# sourceMappingURL=/d' -e 's|from"preact"|from"./preact.js"|' "$work/$1/$2" >"$to/$3"
}

fetch preact 10.29.8 "ej2aVZ+vZ8WO7tvlQWRM9N63A0KzF9q4mWJfDUHgYaIofWY9hu74QdnQrjoPMmZi2/nZ5gN0bJCQF49xQqx09Q=="
fetch htm 3.1.1 "983Vyg8NwUE7JkZ6NmOqpCZ+sh1bKv2iYTlUkzlWmA5JD2acKoxd4KVxbMmxX/85mtfdnDmTFoNKcg5DGAvxNQ=="
fetch uplot 1.6.32 "KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw=="
rm -rf "$to"
mkdir -p "$to"
put preact dist/preact.module.js preact.js
put preact hooks/dist/hooks.module.js preact-hooks.js
put htm dist/htm.module.js htm.js
put uplot dist/uPlot.iife.min.js uplot.js
put uplot dist/uPlot.min.css uplot.css
for name in preact htm uplot; do cp "$work/$name/LICENSE" "$to/LICENSE.$name"; done
